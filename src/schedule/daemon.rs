//! The loops of `run`: one wakes at least every half minute, asks the store what is due and does it; the second delivers
//! what that gave rise to; the third reads sources that their vendors say have something new. The only place besides `cli` that asks what time it is.

use std::time::Duration;

use chrono::Utc;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Parts;
use super::deliver::deliver;
use super::due::{due, next_slot};
use super::early::{Early, read_early};
use super::notices::Notices;
use super::portfolio;
use super::tick::{TickError, Ticked, ask, judge};
use crate::domain::concept::Experiment;
use crate::domain::inbound::Told;
use crate::store::StoreError;

/// Longest sleep: a clock that was stepped, or a host that slept, is noticed within this time.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// Most concepts that are judged together. More save nothing (`benches/decide.rs`), and what is stored of their sources
/// waits in memory.
const AT_ONCE: usize = 32;

/// Runs until `stop` is cancelled. Sources that vendors `told` of are read before their slot. The caller holds the store's
/// claim. What is cut short then leaves no trace but an open run, which the next start takes up, or an attempt without an
/// answer, which it repeats and marks so.
///
/// # Errors
/// [`TickError`] when the store fails: the process should end, so that its service manager restarts it.
pub async fn run(
    parts: &Parts,
    experiments: &[Experiment],
    told: watch::Receiver<Told>,
    stop: &CancellationToken,
) -> Result<(), TickError> {
    let abandoned = parts.store.abandon_open_runs(Utc::now()).await?;
    if abandoned > 0 {
        tracing::warn!(abandoned, "an earlier process ended in the middle of its work; it is taken up again");
    }
    let decided = Notify::new();
    // A receiver that keeps silent must not delay the next slot, so neither loop waits for the other.
    tokio::select! {
        ended = decide_when_due(parts, experiments, &decided) => ended,
        ended = deliver_when_due(parts, &decided) => Ok(ended?),
        () = read_when_told(parts, experiments, told) => Ok(()),
        () = stop.cancelled() => Ok(()),
    }
}

async fn decide_when_due(parts: &Parts, experiments: &[Experiment], decided: &Notify) -> Result<(), TickError> {
    let mut notices = Notices::default();
    loop {
        let now = Utc::now();
        let due = due(experiments, &parts.store.last_runs().await?, now);
        if !due.is_empty() {
            portfolio::begin(&parts.store, experiments, now).await?;
        }
        let (asked, mut waiting) = mpsc::channel(AT_ONCE);
        let asking = async move {
            for due in &due {
                let of = |experiment: &&Experiment| experiment.concept.id == due.concept;
                let Some(experiment) = experiments.iter().find(of) else { continue };
                if due.missed > 0 {
                    tracing::warn!(concept = %due.concept, missed = due.missed, "slots were missed; this run catches up");
                }
                match ask(parts, experiment, due, Utc::now()).await? {
                    // It is received as long as this goes on.
                    Some(one) => _ = asked.send(one).await,
                    None => report(experiment, &Ok(Ticked::AlreadyRan)),
                }
            }
            Ok(())
        };
        // While the sources of one are asked, all those whose sources have answered are judged together.
        let judging = async {
            let mut answered = Vec::new();
            while waiting.recv_many(&mut answered, AT_ONCE).await > 0 {
                for (experiment, ticked) in judge(parts, std::mem::take(&mut answered)).await? {
                    report(experiment, &ticked);
                }
                decided.notify_one();
            }
            Ok::<(), TickError>(())
        };
        tokio::try_join!(asking, judging)?;
        let now = Utc::now();
        notices.write_down(parts, experiments, now).await?;
        parts.store.expire_free_text(now).await?;
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

/// Reads sources whose vendor sent something. A source that fails is left to its slot.
async fn read_when_told(parts: &Parts, experiments: &[Experiment], mut told: watch::Receiver<Told>) {
    let mut early = Early::default();
    loop {
        let next = early.next(&told.borrow_and_update(), Instant::now());
        let wait = async {
            match next {
                Some(next) => {
                    tokio::time::sleep_until(next.not_before).await;
                    next
                }
                None => std::future::pending().await,
            }
        };
        let next = tokio::select! {
            Ok(()) = told.changed() => continue,
            next = wait => next,
        };
        let read = read_early(parts, experiments, &next.source, next.told, Utc::now()).await;
        early.ended(next, !matches!(read, Ok(false)), Instant::now());
        if let Err(failure) = read {
            tracing::warn!(%failure, "not read early: its next slot asks again");
        }
    }
}

fn report(experiment: &Experiment, ticked: &Result<Ticked, StoreError>) {
    let concept = &experiment.concept.id;
    let ticked = match ticked {
        Ok(ticked) => ticked,
        Err(error) => return tracing::error!(%concept, %error, "not decided: what is stored of it cannot be read"),
    };
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
