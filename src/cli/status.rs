//! `status`: one line per concept, what is wrong below, and an exit code that scripts can act on.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::process::ExitCode;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;

use super::output::{Failure, Output, counted, indented};
use super::{access, keys};
use crate::app::App;
use crate::decide::decision::{self, Overrides};
use crate::decide::explain;
use crate::decide::money::{self, Totals};
use crate::domain::concept::Experiment;
use crate::domain::decision::Decision;
use crate::domain::id::ConceptId;
use crate::domain::money::Money;
use crate::domain::run::{Outcome, Run};
use crate::domain::verdict::{StoredScorecard, Verdict};
use crate::schedule::due::{due, next_slot};

/// A verdict waits for a person.
const NEEDS_A_PERSON: u8 = 10;
/// Above it the store's log is told of: SQLite cuts it back to this.
const LARGEST_LOG: u64 = 64 << 20;
/// Something is broken: blocked, failing, not delivered.
const BROKEN: u8 = 20;

/// A slot that has not begun after so long will not: the daemon wakes every half minute.
const LATE: TimeDelta = TimeDelta::minutes(15);

#[derive(Serialize)]
struct Line<'a> {
    concept: &'a str,
    title: &'a str,
    verdict: Option<Verdict>,
    sentence: String,
    scorecard: Option<&'a StoredScorecard>,
    last_run: Option<&'a Run>,
    /// The latest one to build or to kill.
    decision: Option<&'a Decision>,
    /// How many decisions on the concept went against the verdict.
    overrides: usize,
    next_run: Option<String>,
    /// The slot that should have run long ago.
    overdue: Option<String>,
}

/// All concepts in one currency.
#[derive(Serialize)]
struct Ledger<'a> {
    ledger: &'a Totals,
}

impl fmt::Display for Ledger<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Totals { spent, at_stake, kills, avoided, after_verdicts, .. } = self.ledger;
        let mut parts = vec![format!("{spent} spent on tests")];
        let mut part = |amount: &Money, text: String| parts.extend((amount.micros > 0).then_some(text));
        part(at_stake, format!("building what is not killed would cost {at_stake}"));
        part(avoided, format!("expected build cost avoided {avoided} ({})", counted((*kills).into(), "KILL")));
        part(after_verdicts, format!("{after_verdicts} spent after verdicts"));
        write!(f, "All concepts: {}", parts.join(" · "))
    }
}

#[derive(Serialize)]
struct NotDelivered {
    message: String,
    destination: String,
    attempts: u32,
    given_up: bool,
    last_error: Option<String>,
}

impl fmt::Display for NotDelivered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = if self.given_up { "given up" } else { "will be tried again" };
        write!(
            f,
            "not delivered to {} ({}, {state}): {}",
            self.destination,
            counted(self.attempts.into(), "attempt"),
            self.message
        )?;
        self.last_error.as_ref().map_or(Ok(()), |error| write!(f, "\n  {error}"))
    }
}

/// The store's log, where it has grown. It shrinks by itself once nobody reads the store any more.
#[derive(Serialize)]
struct Log {
    log_bytes: u64,
}

impl fmt::Display for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.log_bytes >> 20;
        write!(
            f,
            "the store's log has grown to {size} MiB: a program has been reading the store for long; it shrinks by itself once that ends"
        )
    }
}

/// The disk of the store takes nothing more.
#[derive(Serialize)]
struct Full {
    disk_full: bool,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "disk_full: the disk that the store is on is full: make room, and `willitsell run` goes on by itself",
        )
    }
}

/// Prints where every concept stands.
///
/// # Errors
/// When the configuration or the store cannot be read.
pub async fn run(path: &Path, output: &Output) -> Result<ExitCode, Failure> {
    let app = App::open(path).await?;
    let runs = app.parts.store.last_runs().await?;
    let late = late(&app.loaded.config.experiments, &runs, Utc::now());
    let mut code = if late.is_empty() { 0 } else { BROKEN };
    let mut latest = Vec::new();
    for experiment in &app.loaded.config.experiments {
        let stored = app.parts.store.latest_scorecard(&experiment.concept.id).await?;
        let last_run = runs.iter().find(|run| run.concept == experiment.concept.id);
        let decisions = app.parts.store.decisions(&experiment.concept.id, None).await?;
        code = code.max(urgency(stored.as_ref(), last_run, &decisions));
        let overdue = late.get(&experiment.concept.id).copied();
        show(output, &app.loaded.config.experiments, experiment, stored.as_ref(), (last_run, overdue), &decisions);
        // What somebody has decided to build after all is not saved.
        let overridden = decision::latest(&decisions).is_some_and(Decision::is_override);
        latest.extend(stored.map(|stored| (experiment, stored.scorecard, overridden)));
    }
    for totals in &money::ledger(latest.iter().map(|(experiment, card, overridden)| (*experiment, card, *overridden))) {
        let line = Ledger { ledger: totals };
        output.show(&line, || line.to_string());
    }
    for waiting in app.parts.store.undelivered().await? {
        code = code.max(if waiting.delivery.attempts > 0 { BROKEN } else { 0 });
        let line = NotDelivered {
            message: waiting.delivery.message.headline.clone(),
            destination: waiting.delivery.destination.to_string(),
            attempts: waiting.delivery.attempts,
            given_up: waiting.given_up,
            last_error: waiting.last_error,
        };
        output.show(&line, || line.to_string());
    }
    let log = Log { log_bytes: app.parts.store.log_bytes() };
    if log.log_bytes > LARGEST_LOG {
        output.show(&log, || log.to_string());
    }
    let full = Full { disk_full: !app.parts.store.has_room().await };
    if full.disk_full {
        output.show(&full, || full.to_string());
        code = BROKEN;
    }
    let stopped = access::show(&app.loaded.config, &app.parts.registry, app.parts.tokens.as_ref(), output).await?;
    code = code.max(if stopped { BROKEN } else { 0 });
    app.parts.store.close().await;
    Ok(ExitCode::from(code))
}

/// Slots that should have run long ago, of concepts that ran before and are to run again: nobody seems to run them. A test that
/// is over and read no more asks for nobody.
fn late(experiments: &[Experiment], runs: &[Run], now: DateTime<Utc>) -> BTreeMap<ConceptId, DateTime<Utc>> {
    let due = due(experiments, runs, now, TimeDelta::MAX).runs;
    let ran = |concept: &ConceptId| runs.iter().any(|run| run.concept == *concept);
    let goes_on = |concept: &ConceptId| {
        experiments.iter().any(|experiment| experiment.concept.id == *concept && next_slot(experiment, now).is_some())
    };
    let late = due.into_iter().filter(|due| now - due.due_at > LATE && ran(&due.concept) && goes_on(&due.concept));
    late.map(|due| (due.concept, due.due_at)).collect()
}

/// A verdict that somebody has decided on waits for nobody.
fn urgency(stored: Option<&StoredScorecard>, last_run: Option<&Run>, decisions: &[Decision]) -> u8 {
    let failed = last_run.is_some_and(|run| matches!(run.outcome, Some(Outcome::Failed { .. } | Outcome::Abandoned)));
    let is_decided = stored.zip(decisions.last()).is_some_and(|(stored, decision)| decision.is_on(&stored.scorecard));
    match stored.map(|stored| stored.scorecard.verdict) {
        Some(Verdict::Blocked) => BROKEN,
        _ if failed => BROKEN,
        Some(Verdict::Build | Verdict::Kill | Verdict::Review) if !is_decided => NEEDS_A_PERSON,
        Some(_) | None => 0,
    }
}

fn show(
    output: &Output,
    experiments: &[Experiment],
    experiment: &Experiment,
    stored: Option<&StoredScorecard>,
    (last_run, overdue): (Option<&Run>, Option<DateTime<Utc>>),
    decisions: &[Decision],
) {
    let sentence = stored.map_or_else(
        || "no verdict yet: run `willitsell run --once`, or leave `willitsell run` running".to_owned(),
        |stored| explain::banner(experiment, &stored.scorecard),
    );
    let line = Line {
        concept: experiment.concept.id.as_str(),
        title: &experiment.concept.title,
        verdict: stored.map(|stored| stored.scorecard.verdict),
        sentence,
        scorecard: stored,
        last_run,
        decision: decision::latest(decisions),
        overrides: Overrides::among(decisions).against,
        overdue: overdue.map(|slot| slot.with_timezone(&experiment.timezone).to_rfc3339()),
        next_run: next_slot(experiment, Utc::now()).map(|slot| slot.with_timezone(&experiment.timezone).to_rfc3339()),
    };
    output.show(&line, || {
        let mut text = format!("{}: {}", line.concept, line.sentence);
        if let Some(Run { outcome: Some(Outcome::Failed { advice }), .. }) = last_run {
            for advice in advice {
                text.push_str(&format!("\n  last run failed: {advice}"));
            }
        }
        let local = |slot: DateTime<Utc>| slot.with_timezone(&experiment.timezone).format("%Y-%m-%d %H:%M");
        if let Some(slot) = overdue {
            text.push_str(&format!("\n  its slot of {} has not run: is `willitsell run` running?", local(slot)));
        }
        match last_run {
            Some(Run { outcome: Some(Outcome::Missed), due_at, .. }) => {
                text.push_str(&format!("\n  its slot of {} was missed for too long to be caught up", local(*due_at)));
            }
            Some(Run { missed, .. }) if *missed > 0 => {
                let missed = counted(u64::from(*missed), "slot");
                text.push_str(&format!("\n  {missed} before its last run were missed, and caught up by it"));
            }
            _ => {}
        }
        let unmapped = stored.and_then(|stored| explain::left_out(experiment, &stored.scorecard));
        if let Some(unmapped) = unmapped.filter(|_| line.verdict != Some(Verdict::Blocked)) {
            text.push_str(&format!("\n  {unmapped}"));
        }
        let today = Utc::now().with_timezone(&experiment.timezone).date_naive();
        if let Some(decided) = line.decision {
            text.push_str(&format!("\n  {}", decision::decided(experiment, decided, today)));
        }
        if line.overrides > 1
            && let Some(often) = decision::said(Overrides::among(decisions))
        {
            text.push_str(&format!("\n  {often}"));
        }
        if let Some(mending) = stored.and_then(|stored| keys::mending(experiments, &stored.scorecard)) {
            text.push_str(&indented(&format!("\n{mending}")));
        }
        text
    });
}
