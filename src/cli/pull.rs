//! `pull`: asks sources for their days and stores them. Decides nothing and tells nobody.

use std::path::Path;
use std::process::ExitCode;

use chrono::{NaiveDate, Utc};
use chrono_tz::Tz;
use clap::Args;
use futures_util::future::join_all;
use serde::Serialize;

use super::keys::{self, Unclaimed};
use super::output::{Failure, Output, counted, indented};
use crate::app::App;
use crate::config::report::suggestion;
use crate::domain::concept::Experiment;
use crate::domain::connector::SourceAccess;
use crate::domain::id::SourceId;
use crate::domain::observation::DateWindow;
use crate::schedule::pull::{Errand, Pulled, SourceFailed, due_window, pull, rehearse};
use crate::schedule::survey::Survey;
use crate::schedule::turns::turn;

/// Arguments of `pull`.
#[derive(Debug, Args)]
pub struct PullArgs {
    /// First day to ask for; by default the days that may have changed since the last pull.
    #[arg(long, value_name = "DAY", value_parser = a_day)]
    since: Option<NaiveDate>,
    /// Last day to ask for; by default today.
    #[arg(long, value_name = "DAY", value_parser = a_day)]
    until: Option<NaiveDate>,
    /// Only this source; by default every source the schedule pulls.
    #[arg(long)]
    source: Option<String>,
    /// Ask and read, store nothing.
    #[arg(long)]
    dry_run: bool,
}

fn a_day(text: &str) -> Result<NaiveDate, &'static str> {
    text.parse().map_err(|_| "write a day such as 2026-03-02")
}

#[derive(Serialize)]
struct Line<'a> {
    source: &'a str,
    first_day: NaiveDate,
    last_day: NaiveDate,
    rows: u64,
    pages: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    new: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changed: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    vanished: Option<u64>,
    warnings: &'a [String],
    /// Keys that belong to no arm, most money first.
    unclaimed: Vec<Unclaimed>,
}

/// Pulls and stores, all sources at once, each at its own vendor's pace; a source that fails does not keep the
/// others from being asked.
///
/// # Errors
/// Names each source that failed with what to do; what the others brought is kept.
pub async fn run(args: &PullArgs, path: &Path, output: &Output) -> Result<ExitCode, Failure> {
    let app = App::open(path).await?;
    let chosen = choose(args, &app)?;
    let _claim = app.parts.store.claim().await?;
    let now = Utc::now();
    app.parts.store.must_agree_on(now).await?;
    let run_id = format!("pull@{}", now.format("%Y-%m-%dT%H:%M:%S%.3fZ"));
    let mut asked = Vec::new();
    for access in chosen {
        let (zone, start) = home(&app, &access.source.id);
        let errand = Errand { run_id: &run_id, zone, due_at: now, now };
        asked.push((access, window(args, &app, access, start, errand).await?, errand));
    }
    let working = output.spinner(&format!("asking {}", counted(asked.len() as u64, "source")));
    let parts = &app.parts;
    let answers = join_all(asked.iter().map(|&(access, window, errand)| async move {
        let source = &access.source.id;
        let alone = turn(parts, source).await;
        let _turn = alone.map_err(|error| SourceFailed::Store(source.clone(), error))?;
        let mut keys = Survey::default();
        let pulled = if args.dry_run {
            rehearse(parts, access, window, errand, &mut keys).await
        } else {
            pull(parts, access, window, errand, Some(&mut keys)).await
        };
        pulled.map(|pulled| (pulled, keys))
    }))
    .await;
    working.finish_and_clear();
    let mut failures = Vec::new();
    let experiments = &app.loaded.config.experiments;
    for ((access, window, _), answer) in asked.iter().zip(answers) {
        match answer {
            Ok((pulled, survey)) => {
                let source = &access.source.id;
                let unclaimed = keys::unclaimed_of(experiments, source, &survey, pulled.currency);
                show(output, experiments, source, *window, &pulled, unclaimed, args.dry_run);
            }
            Err(error) => failures.push(error.to_string()),
        }
    }
    app.parts.store.close().await;
    if failures.is_empty() { Ok(ExitCode::SUCCESS) } else { Err(Failure::general(failures.join("\n"))) }
}

fn choose<'a>(args: &PullArgs, app: &'a App) -> Result<Vec<&'a SourceAccess>, Failure> {
    let Some(name) = &args.source else {
        let scheduled: Vec<_> = app.parts.sources.values().filter(|access| access.source.scheduled).collect();
        return if scheduled.is_empty() {
            Err(Failure::usage(
                "no source is pulled by the schedule: use `willitsell import FILE --source NAME` for downloaded files",
            ))
        } else {
            Ok(scheduled)
        };
    };
    let known: Vec<&str> = app.parts.sources.keys().map(SourceId::as_str).collect();
    match app.parts.sources.get(&SourceId::new(name.as_str())) {
        Some(access) if access.source.scheduled => Ok(vec![access]),
        Some(_) => {
            Err(Failure::usage(format!("source {name} reads files: use `willitsell import FILE --source {name}`")))
        }
        None => {
            let advice = suggestion(name, &known, "write one first");
            Err(Failure::usage(format!("there is no [source.{name}]: {advice}")))
        }
    }
}

/// Zone and earliest start of the experiments that read a source.
pub(super) fn home(app: &App, source: &SourceId) -> (Tz, Option<NaiveDate>) {
    let mut reading = app
        .loaded
        .config
        .experiments
        .iter()
        .filter(|experiment| experiment.sources.iter().any(|read| &read.id == source));
    let first = reading.next();
    let start = first.map(|experiment| experiment.start);
    (
        first.map_or(Tz::UTC, |experiment| experiment.timezone),
        reading.map(|experiment| experiment.start).fold(start, |earliest, start| earliest.min(Some(start))),
    )
}

async fn window(
    args: &PullArgs,
    app: &App,
    access: &SourceAccess,
    start: Option<NaiveDate>,
    errand: Errand<'_>,
) -> Result<DateWindow, Failure> {
    let today = errand.now.with_timezone(&errand.zone).date_naive();
    let last = args.until.unwrap_or(today);
    let first = match (args.since, start) {
        (Some(since), _) => since,
        (None, Some(start)) => match due_window(&app.parts, access, start, errand).await? {
            Some(window) => window.first().min(last),
            None => {
                return Err(Failure::usage(format!(
                    "{}: its experiment starts on {start}; there is nothing to pull before",
                    access.source.id
                )));
            }
        },
        (None, None) => {
            return Err(Failure::usage(format!(
                "{}: no experiment reads this source, so say which days with --since",
                access.source.id
            )));
        }
    };
    DateWindow::new(first, last).ok_or_else(|| Failure::usage(format!("--since {first} is after --until {last}")))
}

fn show(
    output: &Output,
    experiments: &[Experiment],
    source: &SourceId,
    window: DateWindow,
    pulled: &Pulled,
    unclaimed: Vec<Unclaimed>,
    dry_run: bool,
) {
    let stored = |count: u64| (!dry_run).then_some(count);
    let line = Line {
        source: source.as_str(),
        first_day: window.first(),
        last_day: window.last(),
        rows: pulled.rows,
        pages: pulled.pages,
        new: stored(pulled.new),
        changed: stored(pulled.changed),
        vanished: stored(pulled.vanished),
        warnings: &pulled.warnings,
        unclaimed,
    };
    output.show(&line, || {
        let what = if dry_run {
            "nothing stored (dry run)".to_owned()
        } else {
            format!("{} new, {} changed, {} no longer sent", pulled.new, pulled.changed, pulled.vanished)
        };
        let mut text = format!(
            "{source}: {} to {}: {} on {}; {what}",
            window.first(),
            window.last(),
            counted(pulled.rows, "row"),
            counted(pulled.pages.into(), "page")
        );
        for warning in &pulled.warnings {
            text.push_str(&format!("\n  note: {warning}"));
        }
        if let Some(shown) = keys::shown(experiments, source, &line.unclaimed) {
            text.push_str(&indented(&format!("\n{shown}")));
        }
        text
    });
}
