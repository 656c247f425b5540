//! `check --live`: asks every source for its last few days and shows three rows of each, so that whoever set it up sees
//! at once what arrives. Stores no row, decides nothing.

use std::path::Path;
use std::process::ExitCode;

use async_trait::async_trait;
use chrono::{DateTime, Days, NaiveDate, Utc};
use futures_util::future::join_all;
use serde::Serialize;

use super::next_command;
use super::output::{Failure, Output, counted, indented};
use super::pull::home;
use crate::app::App;
use crate::domain::connector::{ConnectorInfo, RowSink, SinkError, SourceAccess, SourceRow};
use crate::domain::millionths;
use crate::domain::observation::DateWindow;
use crate::schedule::pull::{Errand, SourceFailed, sample};

/// Rows shown of each source.
const ROWS: usize = 3;
/// Days asked for, today included: enough to see rows after a weekend.
const DAYS: u64 = 7;

#[derive(Serialize)]
struct Line<'a> {
    source: &'a str,
    connector: &'a str,
    version: Option<&'a str>,
    hosts: &'a [String],
    first_day: NaiveDate,
    last_day: NaiveDate,
    rows: Vec<Row>,
    warnings: Vec<String>,
    error: Option<String>,
}

/// A row as it would be counted; what identifies a person is left out.
#[derive(Serialize)]
struct Row {
    day: NaiveDate,
    arm: Option<String>,
    counts: Vec<String>,
}

/// Keeps the first rows and then wants no more.
struct Sample<'a> {
    info: &'a ConnectorInfo,
    rows: Vec<Row>,
}

#[async_trait]
impl RowSink for Sample<'_> {
    async fn accept(&mut self, page: &[SourceRow<'_>]) -> Result<(), SinkError> {
        let wanted = ROWS.saturating_sub(self.rows.len());
        let rows = page.iter().take(wanted).map(|row| match row {
            SourceRow::Counts { arm_key, day, values } => Row {
                day: *day,
                arm: arm_key.as_deref().map(str::to_owned),
                counts: values
                    .iter()
                    .map(|(metric, value)| format!("{metric} {}", millionths::print(*value)))
                    .collect(),
            },
            SourceRow::Response(response) => Row {
                day: response.at.date_naive(),
                arm: response.arm_key.as_deref().map(str::to_owned),
                counts: self.info.metrics.iter().map(|metric| format!("{metric} 1")).collect(),
            },
        });
        self.rows.extend(rows);
        if self.rows.len() < ROWS { Ok(()) } else { Err(SinkError::Enough) }
    }

    async fn clear(&mut self) -> Result<(), SinkError> {
        self.rows.clear();
        Ok(())
    }
}

/// Asks each source that the schedule pulls, all at once; shows them in their order.
///
/// # Errors
/// Names every source that failed with what to do; the others are shown all the same.
pub async fn run(path: &Path, now: DateTime<Utc>, output: &Output) -> Result<ExitCode, Failure> {
    let app = App::open(path).await?;
    let scheduled: Vec<_> = app.parts.sources.values().filter(|access| access.source.scheduled).collect();
    let working = output.spinner(&format!("asking {}", counted(scheduled.len() as u64, "source")));
    let answers = join_all(scheduled.iter().map(|access| ask(&app, access, now))).await;
    working.finish_and_clear();
    let mut failed = Vec::new();
    for answer in answers {
        match answer {
            Ok(line) => {
                output.show(&line, || text(&line));
                failed.extend(line.error);
            }
            Err(error) => failed.push(error.to_string()),
        }
    }
    app.parts.store.close().await;
    if scheduled.is_empty() {
        output.say("no source is asked by the schedule: files are brought with `willitsell import FILE`");
    }
    if failed.is_empty() {
        let next = match (scheduled.is_empty(), app.loaded.config.experiments.is_empty()) {
            (true, _) => String::new(),
            (false, true) => " Next: `willitsell init --dry-run` prints an [experiment.…] to add.".to_owned(),
            (false, false) => format!(" Next: {}.", next_command(path, "run --once")),
        };
        output.say(&format!("Every source answered; nothing was stored.{next}"));
        Ok(ExitCode::SUCCESS)
    } else {
        Err(Failure::general(format!(
            "{} of {} failed:\n{}",
            failed.len(),
            counted(scheduled.len() as u64, "source"),
            failed.join("\n")
        )))
    }
}

/// Asks one source.
async fn ask<'a>(app: &'a App, access: &'a SourceAccess, now: DateTime<Utc>) -> Result<Line<'a>, SourceFailed> {
    let source = &access.source.id;
    let (zone, _) = home(app, source);
    let last_day = now.with_timezone(&zone).date_naive();
    let first_day = last_day.checked_sub_days(Days::new(DAYS - 1)).unwrap_or(last_day);
    let connector = app.parts.registry.get(&access.source.connector);
    let (Some(window), Some(connector)) = (DateWindow::new(first_day, last_day), connector) else {
        return Err(SourceFailed::NoConnector(source.clone(), access.source.connector.clone()));
    };
    let info = connector.info();
    let mut seen = Sample { info, rows: Vec::new() };
    let errand = Errand { run_id: "check", zone, due_at: now, now };
    let (warnings, error) = match sample(&app.parts, access, window, errand, &mut seen).await {
        Ok(warnings) => (warnings, None),
        Err(error) => (Vec::new(), Some(error.to_string())),
    };
    let version = access.settings.plain("api_version").or(info.api_version.as_deref());
    Ok(Line {
        source: source.as_str(),
        connector: &info.name,
        version,
        hosts: &info.hosts,
        first_day,
        last_day,
        rows: seen.rows,
        warnings,
        error,
    })
}

fn text(line: &Line<'_>) -> String {
    let version = line.version.map(|version| format!(" {version}")).unwrap_or_default();
    let mut text = format!("{} ({}{version}): ", line.source, line.connector);
    match &line.error {
        Some(error) => text.push_str(&format!("FAILED\n  {}", indented(error))),
        None if line.rows.is_empty() => text.push_str(&format!(
            "answers, with no row from {} to {}. Where you expected some: is it the right account, and did its ads run?",
            line.first_day, line.last_day
        )),
        None => {
            text.push_str("answers, for example");
            for row in &line.rows {
                let arm = row.arm.as_deref().unwrap_or("(no arm)");
                text.push_str(&format!("\n  {}  {arm}  {}", row.day, row.counts.join(", ")));
            }
        }
    }
    for warning in &line.warnings {
        text.push_str(&format!("\n  note: {warning}"));
    }
    text
}
