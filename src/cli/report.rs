//! `report`: a concept, or all of them, on one sheet for a meeting.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrono::{DateTime, Utc};
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::experiment_named;
use super::output::{Failure, Output};
use crate::app::App;
use crate::web::concept::Stored;
use crate::web::report::{Portfolio, Report};

/// The word that stands for all concepts.
const ALL: &str = "portfolio";

/// Arguments of `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// KEY of `[experiment.KEY]`, or `portfolio` for all concepts.
    concept: String,
    /// A page to print, Markdown, or JSON.
    #[arg(long, value_enum, default_value_t = Format::Html)]
    format: Format,
    /// Write it into this file, taking the place of what is there; without it, it is printed.
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
}

/// How a report is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One file that prints on one sheet, A4 or Letter, and asks nothing of the network.
    Html,
    /// Markdown.
    Md,
    /// JSON.
    Json,
}

#[derive(Serialize)]
struct Written {
    report: PathBuf,
}

/// Writes the report.
///
/// # Errors
/// When the concept is unknown or has no verdict yet, the store cannot be read or the file cannot be written.
pub async fn run(args: &ReportArgs, path: &Path, output: &Output) -> Result<ExitCode, Failure> {
    let app = App::open(path).await?;
    let format = if output.is_json() && args.out.is_none() { Format::Json } else { args.format };
    let text = text(&app, &args.concept, format, Utc::now()).await?;
    app.parts.store.close().await;
    match &args.out {
        Some(file) => {
            write(file, &text)?;
            output.show(&Written { report: file.clone() }, || format!("Written: {}", file.display()));
        }
        None => output.raw(&text),
    }
    Ok(ExitCode::SUCCESS)
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    fs::write(file, text).map_err(|error| {
        Failure::general(format!("{} cannot be written ({error}): name another place with --out", file.display()))
    })
}

async fn text(app: &App, concept: &str, format: Format, now: DateTime<Utc>) -> Result<String, Failure> {
    let (store, experiments) = (&app.parts.store, &app.loaded.config.experiments);
    if concept == ALL {
        let portfolio = Portfolio::read(store, experiments, now).await?;
        return match format {
            Format::Html => Ok(portfolio.html().into_string()),
            Format::Md => Ok(portfolio.markdown()),
            Format::Json => json(&portfolio),
        };
    }
    let configured = experiment_named(experiments, concept)?;
    let rules = app.loaded.config.themes.get(&configured.concept.id).map_or(&[][..], Vec::as_slice);
    let Some(stored) = Stored::read(store, &mut store.view(), configured, rules, now).await? else {
        return Err(Failure::general(format!("{concept} has no verdict yet: run `willitsell run --once`")));
    };
    let concept = stored.concept(now);
    let report = Report::of(&concept);
    match format {
        Format::Html => Ok(report.html().into_string()),
        Format::Md => Ok(report.markdown()),
        Format::Json => json(&report),
    }
}

fn json(report: &impl Serialize) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(report);
    text.map_err(|error| Failure::general(format!("the report could not be written as JSON: {error}")))
}
