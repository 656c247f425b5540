//! The loops of `run`: one wakes at least every half minute, asks the store what is due and does it; the other
//! delivers what that gave rise to. The only place besides `cli` that asks what time it is.

use std::time::Duration;

use chrono::Utc;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Parts;
use super::deliver::deliver;
use super::due::{due, next_slot};
use super::notices::Notices;
use super::tick::{TickError, Ticked, tick};
use crate::domain::concept::Experiment;
use crate::store::StoreError;

/// Longest sleep: a clock that was stepped, or a host that slept, is noticed within this time.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// Runs until `stop` is cancelled. The caller holds the store's claim. What is cut short then leaves no
/// trace but an open run, which the next start takes up, or an attempt without an answer, which it
/// repeats and marks so.
///
/// # Errors
/// [`TickError`] when the store fails: the process should end, so that its service manager restarts it.
pub async fn run(parts: &Parts, experiments: &[Experiment], stop: &CancellationToken) -> Result<(), TickError> {
    let abandoned = parts.store.abandon_open_runs(Utc::now()).await?;
    if abandoned > 0 {
        tracing::warn!(abandoned, "an earlier process ended in the middle of its work; it is taken up again");
    }
    let decided = Notify::new();
    // A receiver that keeps silent must not delay the next slot, so neither loop waits for the other.
    tokio::select! {
        ended = decide_when_due(parts, experiments, &decided) => ended,
        ended = deliver_when_due(parts, &decided) => Ok(ended?),
        () = stop.cancelled() => Ok(()),
    }
}

async fn decide_when_due(parts: &Parts, experiments: &[Experiment], decided: &Notify) -> Result<(), TickError> {
    let mut notices = Notices::default();
    loop {
        for due in due(experiments, &parts.store.last_runs().await?, Utc::now()) {
            let Some(experiment) = experiments.iter().find(|experiment| experiment.concept.id == due.concept) else {
                continue;
            };
            if due.missed > 0 {
                tracing::warn!(concept = %due.concept, missed = due.missed, "slots were missed; this run catches up");
            }
            report(experiment, &tick(parts, experiment, &due, Utc::now()).await?);
            decided.notify_one();
        }
        let now = Utc::now();
        notices.write_down(parts, experiments, now).await?;
        decided.notify_one();
        let next = experiments.iter().filter_map(|experiment| next_slot(experiment, now)).min();
        let until_next = next.and_then(|next| (next - now).to_std().ok()).unwrap_or(LONGEST_SLEEP);
        tokio::time::sleep(until_next.min(LONGEST_SLEEP)).await;
    }
}

async fn deliver_when_due(parts: &Parts, decided: &Notify) -> Result<(), StoreError> {
    let mut rng = rand::rng();
    loop {
        deliver(parts, Utc::now(), &mut rng).await?;
        tokio::select! {
            () = decided.notified() => {}
            () = tokio::time::sleep(LONGEST_SLEEP) => {}
        }
    }
}

fn report(experiment: &Experiment, ticked: &Ticked) {
    let concept = &experiment.concept.id;
    match ticked {
        Ticked::AlreadyRan => tracing::info!(%concept, "this slot has run already"),
        Ticked::Decided { scorecard, .. } => {
            tracing::info!(%concept, verdict = %scorecard.scorecard.verdict, as_of = %scorecard.scorecard.as_of, "decided");
        }
        Ticked::Failed { failures, .. } => {
            tracing::warn!(%concept, failed = failures.len(), "not decided: a source failed");
        }
    }
}
