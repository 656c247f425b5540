//! `connectors test FILE`: everything wrong with a connector's file at once; and what it makes of a saved answer.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrono::NaiveDate;
use clap::Args;
use serde::Serialize;

use super::conformance;
use crate::cli::next_command;
use crate::cli::output::{Failure, Output, counted};
use crate::config::report::suggestion;
use crate::connect::folder;
use crate::connect::manifest::Manifest;
use crate::domain::connector::SourceRow;
use crate::domain::millionths;

/// Arguments of `connectors test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// The connector's file.
    file: PathBuf,
    /// An answer of the vendor, saved as it came: shows the rows the file makes of it.
    #[arg(long, value_name = "FILE")]
    page: Option<PathBuf>,
    /// The program that the file reads from, its whole path: runs it and checks what it writes.
    #[arg(long, value_name = "PATH", conflicts_with = "page")]
    program: Option<PathBuf>,
    /// How many days, up to today, the program is asked for.
    #[arg(long, value_name = "DAYS", default_value_t = 28, requires = "program", value_parser = clap::value_parser!(u16).range(1..=3660))]
    days: u16,
    /// A setting to do that with, as NAME=VALUE, a secret one as NAME=env:VARIABLE; by default those of the first example.
    #[arg(long, value_name = "NAME=VALUE", value_parser = a_setting)]
    setting: Vec<(String, String)>,
}

fn a_setting(text: &str) -> Result<(String, String), &'static str> {
    text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned())).ok_or("write it as NAME=VALUE")
}

#[derive(Serialize)]
struct Tested<'a> {
    file: &'a Path,
    examples: usize,
    hosts: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<Vec<Row>>,
}

/// One row as it would be counted, without what identifies a person.
#[derive(Serialize)]
struct Row {
    arm: Option<String>,
    day: NaiveDate,
    counts: std::collections::BTreeMap<String, String>,
}

/// So many rows are printed for people; programs get all.
const ROWS_SHOWN: usize = 10;

/// Tests it.
///
/// # Errors
/// Every mistake with file and line, or why the answer cannot be read.
pub async fn run(args: &TestArgs, config: &Path, output: &Output) -> Result<ExitCode, Failure> {
    let manifest = folder::read_file(&args.file)
        .map_err(|error| Failure::usage(if args.file.exists() { error.to_string() } else { not_there(&args.file) }))?;
    if let Some(program) = &args.program {
        return conformance::run(&manifest, program, (args.days, &args.setting), output).await;
    }
    let rows = match &args.page {
        Some(page) => Some(rows_of(&manifest, page, &args.setting)?),
        None if args.setting.is_empty() => None,
        None => return Err(Failure::usage("--setting goes with --page or --program")),
    };
    let info = manifest.info();
    let tested = Tested { file: &args.file, examples: manifest.examples(), hosts: &info.hosts, rows };
    output.show(&tested, || {
        let examples = counted(tested.examples as u64, "example");
        let asked = match (manifest.runs_a_program(), info.only_sends) {
            (true, _) => "asks a program of yours".to_owned(),
            (_, true) => "asks nobody: it is sent everything".to_owned(),
            _ => format!("asks {}", info.hosts.join(", ")),
        };
        let mut text =
            format!("{}: nothing is wrong; {examples} read as the file says. It {asked}.", args.file.display());
        match &tested.rows {
            None if manifest.runs_a_program() => {
                text.push_str("\nNext: run your program with --program PATH and see what comes of it.");
            }
            None if info.only_sends => {
                let next = next_command(config, &format!("connectors show {}", info.name));
                text.push_str(&format!("\nNext: {next} prints the lines for your configuration."));
            }
            None => text.push_str("\nNext: save an answer of the vendor and look at it with --page FILE."),
            Some(rows) => {
                text.push_str(&format!("\n{}:", counted(rows.len() as u64, "row")));
                for row in rows.iter().take(ROWS_SHOWN) {
                    text.push_str(&format!("\n  {}", shown(row)));
                }
                if rows.len() > ROWS_SHOWN {
                    text.push_str(&format!("\n  and {} more", rows.len() - ROWS_SHOWN));
                }
                let next = next_command(config, &format!("connectors show {}", info.name));
                text.push_str(&format!("\nNext: {next} prints the lines for your configuration."));
            }
        }
        text
    });
    Ok(ExitCode::SUCCESS)
}

/// For a file that does not exist: the nearest connector beside it.
fn not_there(file: &Path) -> String {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let beside = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let beside = beside.filter(|path| path.extension().is_some_and(|extension| extension == "toml"));
    let beside: Vec<String> =
        beside.map(|path| file.with_file_name(path.file_name().unwrap_or_default()).display().to_string()).collect();
    let beside: Vec<&str> = beside.iter().map(String::as_str).collect();
    let advice = suggestion(&file.display().to_string(), &beside, "`willitsell connectors new NAME` begins one");
    format!("there is no file {}: {advice}", file.display())
}

fn rows_of(manifest: &Manifest, page: &Path, given: &[(String, String)]) -> Result<Vec<Row>, Failure> {
    let at = |what: String| Failure::usage(format!("{}: {what}", page.display()));
    let text = fs::read_to_string(page).map_err(|error| at(format!("this file cannot be read: {error}")))?;
    let metrics = &manifest.info().metrics;
    manifest
        .try_answer(&text, given, |rows| {
            rows.iter()
                .map(|row| match row {
                    SourceRow::Counts { arm_key, day, values } => Row {
                        arm: arm_key.as_deref().map(str::to_owned),
                        day: *day,
                        counts: values
                            .iter()
                            .map(|(metric, value)| (metric.to_string(), millionths::print(*value)))
                            .collect(),
                    },
                    SourceRow::Response(response) => Row {
                        arm: response.arm_key.as_deref().map(str::to_owned),
                        day: response.at.date_naive(),
                        counts: metrics.iter().map(|metric| (metric.to_string(), "1".to_owned())).collect(),
                    },
                })
                .collect()
        })
        .map_err(at)
}

fn shown(row: &Row) -> String {
    let counts: Vec<String> = row.counts.iter().map(|(metric, value)| format!("{metric} {value}")).collect();
    format!("{}  {}  {}", row.day, row.arm.as_deref().unwrap_or("(no arm)"), counts.join(", "))
}
