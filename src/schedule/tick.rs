//! One experiment, once: pull its sources, decide, write the verdict down with the messages it causes.
//! Everything is keyed by the slot, so that a tick cut short anywhere can be run again.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use thiserror::Error;

use super::Parts;
use super::due::DueRun;
use super::pull::{Errand, Pulled, SourceFailed, due_window, pull};
use super::{portfolio, recall};
use crate::decide::outlook::Outlook;
use crate::decide::removed::continued;
use crate::decide::revision::{self, Changed};
use crate::decide::{self, message};
use crate::domain::concept::Experiment;
use crate::domain::decision::{Basis, Cause, Setup};
use crate::domain::id::{ConceptId, SourceId};
use crate::domain::message::Delivery;
use crate::domain::observation::Inputs;
use crate::domain::run::{Outcome, Run};
use crate::domain::verdict::{Scorecard, StoredScorecard};
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
}

/// Runs one slot of one experiment.
///
/// # Errors
/// [`TickError`] when the store fails; the slot stays open and is taken up again at the next start.
pub async fn tick(
    parts: &Parts,
    experiment: &Experiment,
    due: &DueRun,
    now: DateTime<Utc>,
) -> Result<Ticked, TickError> {
    let run = Run {
        id: Run::key(&due.concept, due.due_at),
        concept: due.concept.clone(),
        due_at: due.due_at,
        started_at: now,
        finished_at: None,
        outcome: None,
        missed: due.missed,
    };
    if !parts.store.start_run(&run).await? {
        return Ok(Ticked::AlreadyRan);
    }
    let errand = Errand { run_id: &run.id, zone: experiment.timezone, due_at: due.due_at, now };
    let (pulled, failures) = pull_sources(parts, experiment, errand).await;
    if !failures.is_empty() {
        let advice = failures.iter().map(SourceFailed::to_string).collect();
        let blocked = block_if_stale(parts, experiment, due.due_at).await?;
        parts.store.finish_run(&run.id, now, &Outcome::Failed { advice }).await?;
        return Ok(Ticked::Failed { failures, blocked: blocked.map(Box::new) });
    }
    let (setup, mut inputs) = read(parts, experiment, due.due_at).await?;
    let decided = |inputs: &Inputs| decide::with_outlook(&setup.experiment, &setup.generation, inputs, due.due_at);
    let (mut scorecard, mut outlook) = decided(&inputs);
    if portfolio::concerns(&setup, &scorecard) {
        portfolio::ask(&parts.store, &setup, &mut inputs, due.due_at, None).await?;
        (scorecard, outlook) = decided(&inputs);
    }
    let stored = write_down(parts, setup, Cause::Decided, &inputs, &scorecard, outlook.as_ref()).await?;
    parts.store.finish_run(&run.id, now, &Outcome::Decided).await?;
    Ok(Ticked::Decided { scorecard: Box::new(stored), pulled })
}

/// Asks all scheduled sources at once: a slow one delays no other.
async fn pull_sources(
    parts: &Parts,
    experiment: &Experiment,
    errand: Errand<'_>,
) -> (BTreeMap<SourceId, Pulled>, Vec<SourceFailed>) {
    let scheduled = experiment.sources.iter().filter(|source| source.scheduled);
    let asked = scheduled.filter_map(|source| parts.sources.get(&source.id)).map(|access| async move {
        let source = &access.source.id;
        let window = due_window(parts, access, experiment.start, errand)
            .await
            .map_err(|error| SourceFailed::Store(source.clone(), error))?;
        let pulled = match window {
            Some(window) => pull(parts, access, window, errand, None).await?,
            None => Pulled::default(),
        };
        Ok((source.clone(), pulled))
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

/// The test that runs on that day, with everything stored since its first day, as known now.
async fn read(parts: &Parts, experiment: &Experiment, as_of: DateTime<Utc>) -> Result<(Setup, Inputs), StoreError> {
    let today = as_of.with_timezone(&experiment.timezone).date_naive();
    let experiment = match running(parts, &experiment.concept.id).await? {
        Some(running) => continued(experiment, &running, today),
        None => experiment.clone(),
    };
    let hash = decide::policy_hash(&experiment);
    let generation = parts.store.generation(&experiment.concept.id, &hash, today, experiment.start).await?;
    let setup = Setup { experiment, generation };
    let inputs = recall::inputs(&parts.store, &setup, as_of, None).await?;
    Ok((setup, inputs))
}

/// What the latest verdict was decided with.
async fn running(parts: &Parts, concept: &ConceptId) -> Result<Option<Setup>, StoreError> {
    match parts.store.latest_scorecard(concept).await? {
        Some(latest) => Ok(parts.store.basis(latest.id).await?.setup),
        None => Ok(None),
    }
}

/// No verdict on part of the data, but silence for two intervals is itself a finding.
async fn block_if_stale(
    parts: &Parts,
    experiment: &Experiment,
    as_of: DateTime<Utc>,
) -> Result<Option<StoredScorecard>, StoreError> {
    let (setup, inputs) = read(parts, experiment, as_of).await?;
    match decide::stale(&setup.experiment, &setup.generation, &inputs, as_of) {
        Some(scorecard) => write_down(parts, setup, Cause::Stale, &inputs, &scorecard, None).await.map(Some),
        None => Ok(None),
    }
}

/// The days an earlier verdict saw otherwise.
async fn changed_since(
    parts: &Parts,
    earlier: &StoredScorecard,
    now: (&Setup, &Inputs),
    scorecard: &Scorecard,
) -> Result<Vec<Changed>, StoreError> {
    let basis = parts.store.basis(earlier.id).await?;
    // Before setups were stored, the mapping of today has to do.
    let setup = basis.setup.as_ref().unwrap_or(now.0);
    let then = recall::inputs(&parts.store, setup, earlier.scorecard.as_of, Some(basis.known)).await?;
    Ok(revision::changed(&earlier.scorecard, (setup, &then), now, scorecard))
}

/// The verdict, what it was decided with, and the messages it causes, in one transaction.
async fn write_down(
    parts: &Parts,
    setup: Setup,
    cause: Cause,
    inputs: &Inputs,
    scorecard: &Scorecard,
    outlook: Option<&Outlook>,
) -> Result<StoredScorecard, StoreError> {
    let experiment = &setup.experiment;
    let previous = parts.store.latest_scorecard(&experiment.concept.id).await?.map(|stored| stored.scorecard);
    let sound = parts.store.latest_sound_scorecard(&experiment.concept.id).await?;
    let changed = match &sound {
        Some(sound) if message::withdrawn(previous.as_ref(), Some(&sound.scorecard), scorecard).is_some() => {
            changed_since(parts, sound, (&setup, inputs), scorecard).await?
        }
        _ => Vec::new(),
    };
    let sound = sound.map(|stored| stored.scorecard);
    let message = message::message(experiment, previous.as_ref(), sound.as_ref(), scorecard, &changed);
    let told = |message| experiment.notify.iter().map(move |destination| Delivery::first(message, destination));
    let mut deliveries: Vec<Delivery> = message.iter().flat_map(told).collect();
    let notices = outlook.map(|outlook| message::notices(experiment, scorecard, outlook)).unwrap_or_default();
    for message::Notice { id, message } in &notices {
        // One with a known id is the same notice: it was told, whatever has happened since.
        deliveries.extend(told(message).map(|one| Delivery { id: format!("{id}_{}", one.destination), ..one }));
    }
    let known = recall::known(inputs);
    parts.store.save_scorecard(scorecard, &Basis { setup: Some(setup), cause, known }, &deliveries).await
}
