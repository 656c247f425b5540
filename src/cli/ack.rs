//! `ack` and `snooze`: what a person says of a verdict before deciding, so that the reminders end, or pause.

use std::path::Path;
use std::process::ExitCode;

use chrono::{NaiveDate, Utc};
use clap::Args;
use serde::Serialize;

use super::experiment_named;
use super::output::{Failure, Output, one_line};
use crate::app::App;
use crate::domain::acknowledgement::{Acknowledgement, Snooze};
use crate::domain::verdict::Verdict;

/// Longest name and reason in characters.
const LONGEST: usize = 300;

/// Arguments of `ack`.
#[derive(Debug, Args)]
pub struct AckArgs {
    /// KEY of `[experiment.KEY]` in the configuration; `status` lists them.
    concept: String,
    /// Who knows.
    #[arg(long, value_name = "NAME")]
    by: String,
    /// Show what would be recorded, and do not record it.
    #[arg(long)]
    dry_run: bool,
}

/// Arguments of `snooze`.
#[derive(Debug, Args)]
pub struct SnoozeArgs {
    #[command(flatten)]
    ack: AckArgs,
    /// The first day with reminders again: 2026-12-01.
    #[arg(long, value_name = "DAY")]
    until: NaiveDate,
    /// Why, in a sentence.
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

#[derive(Serialize)]
struct Recorded<'a> {
    #[serde(flatten)]
    acknowledgement: &'a Acknowledgement,
    verdict: Verdict,
    dry_run: bool,
}

/// Ends the reminders of a concept's state.
///
/// # Errors
/// When the concept is unknown or waits for nobody, or the name is missing.
pub async fn ack(args: &AckArgs, path: &Path, output: &Output) -> Result<ExitCode, Failure> {
    record(args, None, path, output).await
}

/// Puts them off.
///
/// # Errors
/// As [`ack`], and when the day has passed or the reason is missing.
pub async fn snooze(args: &SnoozeArgs, path: &Path, output: &Output) -> Result<ExitCode, Failure> {
    let reason = one_line(&args.reason);
    if reason.is_empty() {
        return Err(Failure::usage("a snooze needs a reason: --reason TEXT"));
    }
    record(&args.ack, Some(Snooze { until: args.until, reason }), path, output).await
}

async fn record(args: &AckArgs, snooze: Option<Snooze>, path: &Path, output: &Output) -> Result<ExitCode, Failure> {
    let by = one_line(&args.by);
    let length = by.chars().count() + snooze.as_ref().map_or(0, |snooze| snooze.reason.chars().count());
    if by.is_empty() || length > LONGEST {
        let why = format!("say who you are with --by NAME; name and reason may have {LONGEST} characters");
        return Err(Failure::usage(why));
    }
    let app = App::open(path).await?;
    let experiment = experiment_named(&app.loaded.config.experiments, &args.concept)?;
    let at = Utc::now();
    if let Some(snooze) = &snooze
        && snooze.until <= at.with_timezone(&experiment.timezone).date_naive()
    {
        return Err(Failure::usage(format!("{} is no day to come: name a later one with --until", snooze.until)));
    }
    let verdict = app.parts.store.latest_scorecard(&experiment.concept.id).await?.map(|it| it.scorecard.verdict);
    let Some(verdict) = verdict.filter(|verdict| *verdict != Verdict::Collecting) else {
        return Err(Failure::general(format!("{} waits for nobody now, so there is nothing to end", args.concept)));
    };
    let acknowledgement = Acknowledgement { concept: experiment.concept.id.clone(), by, at, snooze };
    if !args.dry_run {
        app.parts.store.acknowledge(&acknowledgement).await?;
    }
    let line = Recorded { acknowledgement: &acknowledgement, verdict, dry_run: args.dry_run };
    output.show(&line, || {
        let did = if args.dry_run { "Nothing was recorded (dry run)" } else { "Recorded" };
        match &acknowledgement.snooze {
            Some(Snooze { until, .. }) => {
                format!("{did}: no reminder of {verdict} on {} before {until}, or until it has passed.", args.concept)
            }
            None => format!("{did}: no more reminders of {verdict} on {}, until it has passed.", args.concept),
        }
    });
    app.parts.store.close().await;
    Ok(ExitCode::SUCCESS)
}
