//! `connectors test FILE --program PATH`: whether a program keeps to what its connector's file says. It is run as a pull runs
//! it, three times: what it is asked twice it must answer alike, and of one day as of that day among many.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use async_trait::async_trait;
use chrono::{DateTime, Days, NaiveDate, Utc};
use secrecy::SecretString;
use serde::Serialize;

use crate::cli::output::{Failure, Output, counted};
use crate::connect::manifest::Manifest;
use crate::connect::{PullError, PullFacts};
use crate::domain::connector::{RowSink, SettingValue, Settings, SinkError, SourceRow};
use crate::domain::millionths;
use crate::domain::observation::DateWindow;

/// So many days are printed for people; programs get all.
const DAYS_SHOWN: usize = 10;

/// What is counted of one arm on one day, in millionths by metric; acts as their number.
type Counted = BTreeMap<(NaiveDate, String), BTreeMap<String, i64>>;

#[derive(Serialize)]
struct Conforms<'a> {
    program: &'a Path,
    rows: u64,
    counted: Vec<Seen>,
    warnings: &'a [String],
}

#[derive(Serialize)]
struct Seen {
    day: NaiveDate,
    arm: String,
    counts: BTreeMap<String, String>,
}

/// Runs the program three times.
///
/// # Errors
/// What the program did wrong, and where.
pub(super) async fn run(
    manifest: &Manifest,
    program: &Path,
    (days, given): (u16, &[(String, String)]),
    output: &Output,
) -> Result<ExitCode, Failure> {
    let settings = settings(manifest, program, given)?;
    let now = Utc::now();
    let (facts, counted_days) = conforms(manifest, &settings, days, now).await.map_err(Failure::usage)?;
    let counted_days: Vec<Seen> = counted_days.into_iter().map(counts).collect();
    let shown = Conforms { program, rows: facts.rows, counted: counted_days, warnings: &facts.warnings };
    output.show(&shown, || text(&shown, days));
    Ok(ExitCode::SUCCESS)
}

/// Those given, else of the first example, else the defaults; secrets from the environment.
fn settings(manifest: &Manifest, program: &Path, given: &[(String, String)]) -> Result<Settings, Failure> {
    let mut settings = Settings::default();
    let path =
        std::path::absolute(program).map_err(|error| Failure::usage(format!("{}: {error}", program.display())))?;
    let own = [("program".to_owned(), path.display().to_string())];
    let example = manifest.example_settings();
    for info in &manifest.info().settings {
        let said = own.iter().chain(given.iter().rev()).chain(example).find(|(name, _)| *name == info.name);
        let value = match (said, &info.default) {
            (Some((_, value)), _) if info.secret => Some(secret(&info.name, value)?),
            (Some((_, value)), _) => Some(SettingValue::Plain(value.clone())),
            (None, Some(default)) => Some(SettingValue::Plain(default.clone())),
            (None, None) if info.optional => None,
            (None, None) => {
                let how = if info.secret { "env:VARIABLE" } else { "…" };
                return Err(Failure::usage(format!("setting {0} is missing: add --setting {0}={how}", info.name)));
            }
        };
        if let Some(value) = value {
            settings.insert(info.name.as_str(), value);
        }
    }
    match given.iter().find(|(name, _)| manifest.info().settings.iter().all(|info| info.name != *name)) {
        Some((name, _)) => Err(Failure::usage(format!("{} has no setting `{name}`", manifest.info().name))),
        None => Ok(settings),
    }
}

fn secret(name: &str, value: &str) -> Result<SettingValue, Failure> {
    let read = value.strip_prefix("env:").and_then(|variable| std::env::var(variable).ok());
    let read = read.filter(|secret| !secret.is_empty()).ok_or_else(|| {
        let what = "is a secret, and others see what stands on a command line: name a variable that holds it";
        Failure::usage(format!("setting {name} {what}, --setting {name}=env:VARIABLE"))
    })?;
    Ok(SettingValue::Secret(SecretString::from(read)))
}

async fn conforms(
    manifest: &Manifest,
    settings: &Settings,
    days: u16,
    now: DateTime<Utc>,
) -> Result<(PullFacts, Counted), String> {
    let today = now.date_naive();
    let first = today.checked_sub_days(Days::new(u64::from(days) - 1)).unwrap_or(today);
    let window = |first, last| DateWindow::new(first, last).ok_or_else(|| "no days to ask for".to_owned());
    let ask = async |window: DateWindow| -> Result<(PullFacts, Counted), PullError> {
        let mut sink = Counting::default();
        let facts = manifest.try_program(settings, window, None, now, &mut sink).await?;
        Ok((facts, sink.counted))
    };
    let whole = window(first, today)?;
    let (facts, counted) = ask(whole).await.map_err(|error| error.to_string())?;
    let again = |error: PullError| format!("run again for the same days: {error}");
    let (_, twice) = ask(whole).await.map_err(again)?;
    if let Some(what) = differs(&counted, &twice) {
        return Err(format!("asked twice for the same days it answers differently: {what}"));
    }
    // The busiest day: one on which something was left out would show.
    let Some(&(day, _)) = counted.iter().max_by_key(|(_, counts)| counts.values().sum::<i64>()).map(|(key, _)| key)
    else {
        return Ok((facts, counted));
    };
    let (_, alone) = ask(window(day, day)?).await.map_err(|error| format!("asked for {day} alone: {error}"))?;
    let among: Counted =
        counted.iter().filter(|((its, _), _)| *its == day).map(|(key, counts)| (key.clone(), counts.clone())).collect();
    let alone: Counted = alone.into_iter().filter(|((its, _), _)| *its == day).collect();
    match differs(&among, &alone) {
        Some(what) => Err(format!("asked for {day} alone it answers otherwise than for {days} days: {what}")),
        None => Ok((facts, counted)),
    }
}

/// The first place where two answers differ.
fn differs(one: &Counted, other: &Counted) -> Option<String> {
    let key = one.keys().chain(other.keys()).find(|key| one.get(key) != other.get(key))?;
    let said =
        |counted: &Counted| counted.get(key).map_or_else(|| "nothing".to_owned(), |counts| in_words(&printed(counts)));
    Some(format!("{} of {} was {} and is {}", arm(&key.1), key.0, said(one), said(other)))
}

fn counts(((day, arm), counts): ((NaiveDate, String), BTreeMap<String, i64>)) -> Seen {
    Seen { day, arm, counts: printed(&counts) }
}

fn printed(counts: &BTreeMap<String, i64>) -> BTreeMap<String, String> {
    counts.iter().map(|(metric, value)| (metric.clone(), millionths::print(*value))).collect()
}

fn in_words(counts: &BTreeMap<String, String>) -> String {
    counts.iter().map(|(metric, value)| format!("{metric} {value}")).collect::<Vec<_>>().join(", ")
}

fn arm(name: &str) -> &str {
    if name.is_empty() { "(no arm)" } else { name }
}

fn text(shown: &Conforms<'_>, days: u16) -> String {
    let rows = counted(shown.rows, "row");
    let mut text = format!("{}: {rows} in {days} days, the same when asked again", shown.program.display());
    if let Some(first) = shown.counted.first() {
        text.push_str(&format!(" and of one day alone; the first are of {}:", first.day));
        for counts in shown.counted.iter().take(DAYS_SHOWN) {
            text.push_str(&format!("\n  {}  {}  {}", counts.day, arm(&counts.arm), in_words(&counts.counts)));
        }
        if shown.counted.len() > DAYS_SHOWN {
            text.push_str(&format!("\n  and {} more", shown.counted.len() - DAYS_SHOWN));
        }
    } else {
        text.push_str(". Nothing was counted: ask for more days with --days, or look at its settings.");
    }
    for warning in shown.warnings {
        text.push_str(&format!("\nwarning: {warning}"));
    }
    text
}

/// Adds up what comes.
#[derive(Default)]
struct Counting {
    counted: Counted,
}

#[async_trait]
impl RowSink for Counting {
    async fn accept(&mut self, page: &[SourceRow<'_>]) -> Result<(), SinkError> {
        for row in page {
            let (arm, day) = match row {
                SourceRow::Counts { arm_key, day, .. } => (arm_key, *day),
                SourceRow::Response(act) => (&act.arm_key, act.at.date_naive()),
            };
            let counts = self.counted.entry((day, arm.as_deref().unwrap_or_default().to_owned())).or_default();
            let mut add = |name: String, value: i64| {
                let sum = counts.entry(name).or_default();
                *sum = sum.saturating_add(value);
            };
            match row {
                SourceRow::Counts { values, .. } => {
                    values.iter().for_each(|(metric, value)| add(metric.to_string(), *value));
                }
                SourceRow::Response(act) => add(act.depth.name().to_owned(), millionths::ONE),
            }
        }
        Ok(())
    }

    async fn clear(&mut self) -> Result<(), SinkError> {
        self.counted.clear();
        Ok(())
    }
}
