//! One experiment, once: pull its sources, then judge it, alone or together with others.
//! Everything is keyed by the slot, so that a tick cut short anywhere can be run again.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use thiserror::Error;

use super::Parts;
use super::caught;
use super::due::DueRun;
use super::pull::{Errand, Pulled, SourceFailed, due_window, pull};
use super::turns::turn;
use super::verdicts::{self, Case};
use crate::domain::concept::Experiment;
use crate::domain::connector::SourceAccess;
use crate::domain::id::{ConceptId, SourceId};
use crate::domain::run::Run;
use crate::domain::verdict::StoredScorecard;
use crate::store::StoreError;

/// What a tick did.
#[derive(Debug)]
pub enum Ticked {
    /// Another run had this slot.
    AlreadyRan,
    /// Every source answered and a verdict was stored.
    Decided {
        /// The verdict as stored.
        scorecard: Box<StoredScorecard>,
        /// What each source brought.
        pulled: BTreeMap<SourceId, Pulled>,
    },
    /// A source failed: what came in is kept, nothing was decided on part of the data.
    Failed {
        /// One for each source that failed.
        failures: Vec<SourceFailed>,
        /// Written when a source has been silent for too long.
        blocked: Option<Box<StoredScorecard>>,
    },
}

/// Why a tick could not even be recorded.
#[derive(Debug, Error)]
pub enum TickError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Something stored of the concept cannot be read. Its run has ended with that; other concepts can be judged.
    #[error("not decided: {0}")]
    Unjudged(#[source] StoreError),
}

/// A slot whose sources have been asked.
#[derive(Debug)]
pub struct Asked {
    experiment: Experiment,
    run: Run,
    pulled: BTreeMap<SourceId, Pulled>,
    failures: Vec<SourceFailed>,
    advice: Vec<String>,
}

/// Runs one slot of one experiment.
///
/// # Errors
/// [`TickError::Store`] when the store fails; the slot stays open and is taken up again at the next start.
/// [`TickError::Unjudged`] when only the concept cannot be judged.
pub async fn tick(
    parts: &Parts,
    experiment: &Experiment,
    due: &DueRun,
    now: DateTime<Utc>,
) -> Result<Ticked, TickError> {
    let Some(run) = open(parts, due, now).await? else { return Ok(Ticked::AlreadyRan) };
    let asked = ask(parts, experiment, run).await?;
    let ticked = judge(parts, vec![asked]).await?.pop();
    ticked.map_or(Ok(Ticked::AlreadyRan), |(_, ticked)| ticked.map_err(TickError::Unjudged))
}

/// Opens the run of a slot, so that nobody else does; `None` where another run had it.
///
/// # Errors
/// [`StoreError`] when the store fails.
pub async fn open(parts: &Parts, due: &DueRun, now: DateTime<Utc>) -> Result<Option<Run>, StoreError> {
    let run = due.run(now);
    Ok(parts.store.start_run(&run).await?.then_some(run))
}

/// Asks the sources of an open run.
///
/// # Errors
/// [`StoreError`] when a store on a server is away for a while, or the disk of one in a file fails, or what is in it. That is no
/// answer of any source: the run stays open, and its slot is taken up again.
pub async fn ask(parts: &Parts, experiment: &Experiment, run: Run) -> Result<Asked, StoreError> {
    let errand = Errand { run_id: &run.id, zone: experiment.timezone, due_at: run.due_at, now: run.started_at };
    let (pulled, failures) = pull_sources(parts, experiment, errand).await;
    let away = |failure: &SourceFailed| match failure {
        SourceFailed::Store(_, StoreError::Disk(_) | StoreError::Damaged(_)) => true,
        SourceFailed::Store(_, error) => error.may_pass() && parts.store.is_on_a_server(),
        _ => false,
    };
    let (away, failures): (Vec<_>, Vec<_>) = failures.into_iter().partition(away);
    if let Some(SourceFailed::Store(_, error)) = away.into_iter().next() {
        return Err(error);
    }
    let advice = failures.iter().map(SourceFailed::to_string).collect();
    Ok(Asked { experiment: experiment.clone(), run, pulled, failures, advice })
}

/// The second half, of many ticks at once, each of another experiment: what each came to, in their order. What keeps one
/// from being judged is its own error, with which its run has ended.
///
/// # Errors
/// [`StoreError`] when the store fails: then all slots stay open and are taken up again at the next start.
pub async fn judge(
    parts: &Parts,
    asked: Vec<Asked>,
) -> Result<Vec<(ConceptId, Result<Ticked, StoreError>)>, StoreError> {
    // No failure of a source: the slots are taken up again once there is room, not at the next one.
    let lacks_room = |failure: &SourceFailed| matches!(failure, SourceFailed::Store(_, StoreError::Full));
    if asked.iter().any(|asked| asked.failures.iter().any(lacks_room)) {
        return Err(StoreError::Full);
    }
    let cases: Vec<Case<'_>> = asked
        .iter()
        .map(|Asked { experiment, run, advice, .. }| Case {
            experiment,
            as_of: run.due_at,
            run: &run.id,
            now: run.started_at,
            failed: advice,
        })
        .collect();
    let judged = Box::pin(verdicts::judge(&parts.store, &cases)).await?;
    let ticked = judged.into_iter().zip(asked).map(|(judged, Asked { experiment, pulled, failures, .. })| {
        let ticked = judged.map(|stored| match stored.map(Box::new) {
            Some(scorecard) if failures.is_empty() => Ticked::Decided { scorecard, pulled },
            blocked => Ticked::Failed { failures, blocked },
        });
        (experiment.concept.id, ticked)
    });
    Ok(ticked.collect())
}

/// Asks all scheduled sources side by side: a slow one delays no other, and what goes wrong with one is its own failure.
async fn pull_sources(
    parts: &Parts,
    experiment: &Experiment,
    errand: Errand<'_>,
) -> (BTreeMap<SourceId, Pulled>, Vec<SourceFailed>) {
    let scheduled = experiment.sources.iter().filter(|source| source.scheduled);
    let asked = scheduled.filter_map(|source| parts.sources.get(&source.id)).map(|access| async move {
        let source = &access.source.id;
        let read = caught(pull_source(parts, access, experiment, errand)).await.unwrap_or_else(|_| {
            parts.health.panicked("pull");
            Err(SourceFailed::Panicked(source.clone()))
        });
        let brought = match &read {
            // It was read for another experiment of the same slot.
            Ok(Pulled { windows: 0, .. }) => return read.map(|pulled| (source.clone(), pulled)),
            Ok(pulled) => Some((pulled.pages, pulled.rows)),
            Err(_) => None,
        };
        parts.health.note(|state| state.asked(source, errand.now, brought));
        read.map(|pulled| (source.clone(), pulled))
    });
    let (mut pulled, mut failures) = (BTreeMap::new(), Vec::new());
    for answer in join_all(asked).await {
        match answer {
            Ok((source, rows)) => {
                tracing::info!(%source, rows = rows.rows, new = rows.new, changed = rows.changed, "pulled");
                for warning in &rows.warnings {
                    tracing::warn!(%source, "{warning}");
                }
                pulled.insert(source, rows);
            }
            Err(failure) => {
                tracing::warn!(%failure, "source failed");
                failures.push(failure);
            }
        }
    }
    (pulled, failures)
}

/// Asks one source for what is due, once it is its turn.
async fn pull_source(
    parts: &Parts,
    access: &SourceAccess,
    experiment: &Experiment,
    errand: Errand<'_>,
) -> Result<Pulled, SourceFailed> {
    let source = &access.source.id;
    let failed = |error| SourceFailed::Store(source.clone(), error);
    let _turn = turn(parts, source).await.map_err(failed)?;
    let window = due_window(parts, access, experiment.start, errand).await.map_err(failed)?;
    match window {
        Some(window) => pull(parts, access, window, errand, None).await,
        None => Ok(Pulled::default()),
    }
}
