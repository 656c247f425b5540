//! The loop of `run`: wakes at least every half minute, asks the store what is due, does it, delivers.
//! The only place besides `cli` that asks what time it is.

use std::time::Duration;

use chrono::Utc;
use tokio_util::sync::CancellationToken;

use super::Parts;
use super::deliver::deliver;
use super::due::{due, next_slot};
use super::tick::{TickError, Ticked, tick};
use crate::domain::concept::Experiment;

/// Longest sleep: a clock that was stepped, or a host that slept, is noticed within this time.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// Runs until `stop` is cancelled. The caller holds the store's claim.
///
/// # Errors
/// [`TickError`] when the store fails: the process should end, so that its service manager restarts it.
pub async fn run(parts: &Parts, experiments: &[Experiment], stop: &CancellationToken) -> Result<(), TickError> {
    let abandoned = parts.store.abandon_open_runs(Utc::now()).await?;
    if abandoned > 0 {
        tracing::warn!(abandoned, "an earlier process ended in the middle of its work; it is taken up again");
    }
    let mut rng = rand::rng();
    while !stop.is_cancelled() {
        for due in due(experiments, &parts.store.last_runs().await?, Utc::now()) {
            let Some(experiment) = experiments.iter().find(|experiment| experiment.concept.id == due.concept) else {
                continue;
            };
            if due.missed > 0 {
                tracing::warn!(concept = %due.concept, missed = due.missed, "slots were missed; this run catches up");
            }
            // A pull that is cut short leaves no trace but its open run, which the next start takes up.
            let ticked = tokio::select! {
                ticked = tick(parts, experiment, &due, Utc::now()) => ticked?,
                () = stop.cancelled() => return Ok(()),
            };
            report(experiment, &ticked);
        }
        // An attempt that is cut short is made again at the next start, marked as a possible repeat.
        tokio::select! {
            delivered = deliver(parts, Utc::now(), &mut rng) => { delivered?; }
            () = stop.cancelled() => return Ok(()),
        }
        let now = Utc::now();
        let next = experiments.iter().filter_map(|experiment| next_slot(experiment, now)).min();
        let until_next = next.and_then(|next| (next - now).to_std().ok()).unwrap_or(LONGEST_SLEEP);
        tokio::select! {
            () = tokio::time::sleep(until_next.min(LONGEST_SLEEP)) => {}
            () = stop.cancelled() => {}
        }
    }
    Ok(())
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
