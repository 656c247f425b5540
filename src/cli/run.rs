//! `run`: the daemon, or with `--once` every experiment once, now.

mod forever;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use clap::Args;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use forever::{end_when_asked, forever};

use super::keys;
use super::output::{Failure, Output, counted, indented};
use crate::app::App;
use crate::decide::explain;
use crate::domain::concept::Experiment;
use crate::domain::id::ConceptId;
use crate::domain::verdict::StoredScorecard;
use crate::schedule::deliver::{Delivered, deliver};
use crate::schedule::due::DueRun;
use crate::schedule::notices::Notices;
use crate::schedule::portfolio;
use crate::schedule::tick::{TickError, Ticked, tick};
use crate::store::StoreError;

/// Arguments of `run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Do every experiment once, now, whatever its schedule says, and end.
    #[arg(long)]
    once: bool,
}

#[derive(Serialize)]
struct Line<'a> {
    concept: &'a str,
    scorecard: Option<&'a StoredScorecard>,
    failures: Vec<String>,
}

/// Runs the daemon until it is asked to stop, or every experiment once.
///
/// # Errors
/// The configuration, the store, or with `--once` a source that failed.
pub async fn run(args: &RunArgs, path: &Path, output: &Output) -> Result<ExitCode, Failure> {
    // What fails in one run is said at its end; the log would say it twice.
    log_to_stderr(output, if args.once { "error" } else { "warn" });
    let stop = CancellationToken::new();
    if !args.once {
        tokio::spawn(end_when_asked(stop.clone()));
    }
    let app = App::open(path).await?;
    if app.loaded.config.experiments.is_empty() {
        return Err(Failure::usage("there is no [experiment.…] to run"));
    }
    let _claim = app.parts.store.claim().await?;
    let store = Arc::clone(&app.parts.store);
    let done = if args.once { once(&app, Utc::now(), output).await } else { forever(app, path, &stop, output).await };
    store.close().await;
    done
}

/// Waits for Ctrl-C, or for the service manager.
pub(super) async fn cancel_when_asked(stop: CancellationToken) {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = tokio::signal::ctrl_c() => {}
                _ = terminate.recv() => {}
            }
            stop.cancel();
            return;
        }
    }
    if tokio::signal::ctrl_c().await.is_ok() {
        stop.cancel();
    }
}

async fn once(app: &App, now: DateTime<Utc>, output: &Output) -> Result<ExitCode, Failure> {
    app.parts.store.must_agree_on(now).await?;
    app.parts.store.abandon_open_runs(now).await?;
    app.parts.store.expire_free_text(now).await?;
    portfolio::begin(&app.parts.store, &app.loaded.config.experiments, now).await?;
    let mut failed = Vec::new();
    for experiment in &app.loaded.config.experiments {
        let concept = &experiment.concept.id;
        if now.with_timezone(&experiment.timezone).date_naive() < experiment.start {
            output.note(&format!("{concept}: starts on {}, nothing to do yet", experiment.start));
            continue;
        }
        let due = DueRun { concept: concept.clone(), due_at: now, missed: 0 };
        let working = output.spinner(&format!("{concept}: pulling"));
        let ticked = tick(&app.parts, experiment, &due, now).await;
        working.finish_and_clear();
        match ticked {
            Ok(ticked) => failed.extend(show(output, &app.loaded.config.experiments, experiment, &ticked)),
            // The others are judged all the same, and everybody told.
            Err(TickError::Unjudged(error)) => failed.push(unjudged(output, concept, &error)),
            Err(TickError::Store(error)) => return Err(error.into()),
        }
    }
    Notices::default().write_down(&app.parts, &app.loaded.config.experiments, now).await?;
    tell(output, &deliver(&app.parts, now, &mut rand::rng()).await?);
    if failed.is_empty() { Ok(ExitCode::SUCCESS) } else { Err(Failure::general(failed.join("\n"))) }
}

/// Prints what a tick did; gives back what failed.
fn show(output: &Output, experiments: &[Experiment], experiment: &Experiment, ticked: &Ticked) -> Vec<String> {
    let concept = experiment.concept.id.as_str();
    match ticked {
        Ticked::AlreadyRan => {
            output.note(&format!("{concept}: this slot has run already"));
            vec![]
        }
        Ticked::Decided { scorecard, pulled } => {
            let line = Line { concept, scorecard: Some(scorecard), failures: vec![] };
            output.show(&line, || {
                let mut text = explain::banner(experiment, &scorecard.scorecard);
                if !pulled.is_empty() {
                    let rows: u64 = pulled.values().map(|pulled| pulled.rows).sum();
                    text = format!("{concept}: {} read\n{text}", counted(rows, "row"));
                }
                if let Some(mending) = keys::mending(experiments, &scorecard.scorecard) {
                    text.push_str(&indented(&format!("\n{mending}")));
                }
                text
            });
            vec![]
        }
        Ticked::Failed { failures, blocked } => {
            let failures: Vec<String> = failures.iter().map(|failure| format!("{concept}: {failure}")).collect();
            let line = Line { concept, scorecard: blocked.as_deref(), failures: failures.clone() };
            output.show(&line, || {
                format!("{concept}: not decided, because a source failed; what the others brought is kept")
            });
            failures
        }
    }
}

/// Prints that nothing could be decided on a concept; gives back why.
fn unjudged(output: &Output, concept: &ConceptId, error: &StoreError) -> String {
    let failure = format!("{concept}: {error}");
    let line = Line { concept: concept.as_str(), scorecard: None, failures: vec![failure.clone()] };
    output.show(&line, || format!("{concept}: not decided, because what is stored of it cannot be read"));
    failure
}

fn tell(output: &Output, delivered: &Delivered) {
    if *delivered != Delivered::default() {
        output.say(&format!(
            "messages: {} sent, {} to be tried again, {} given up",
            delivered.sent, delivered.postponed, delivered.given_up
        ));
    }
}

/// Log lines go to standard error; `WILLITSELL_LOG` chooses how many. Libraries that print addresses
/// at finer levels stay at `warn` whatever it says.
fn log_to_stderr(output: &Output, level: &str) {
    let level = std::env::var("WILLITSELL_LOG").unwrap_or_else(|_| level.to_owned());
    let level =
        if ["error", "warn", "info", "debug", "trace"].contains(&level.as_str()) { level } else { "info".to_owned() };
    log(output, &format!("warn,willitsell={level}"));
}

/// Of every other command: that it brought the store to this version.
pub(super) fn log_upgrades(output: &Output) {
    log(output, "off");
}

fn log(output: &Output, level: &str) {
    let filter = EnvFilter::new(format!("{level},willitsell::store::copies=warn"));
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A second subscriber in one process (tests) changes nothing.
    let _ = if output.is_json() { log.json().try_init() } else { log.try_init() };
}
