//! Asks how other concepts stand for those that share the risk of a wrong BUILD with them.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use crate::domain::concept::Experiment;
use crate::domain::decision::{Known, Setup};
use crate::domain::id::ConceptId;
use crate::domain::observation::Inputs;
use crate::domain::portfolio::{FalseBuildRate, Others};
use crate::domain::verdict::{Scorecard, StoredScorecard, Verdict};
use crate::store::{Portfolio, Store, StoreError};

/// Remembers which of the configured concepts are being tested. To be called before any of them is judged: each counts for
/// all others from its first day on, also where it has not been judged yet.
///
/// # Errors
/// [`StoreError`].
pub async fn begin(store: &Store, experiments: &[Experiment], now: DateTime<Utc>) -> Result<(), StoreError> {
    let has_begun = |experiment: &&Experiment| experiment.start <= now.with_timezone(&experiment.timezone).date_naive();
    let concepts: Vec<&ConceptId> =
        experiments.iter().filter(has_begun).map(|experiment| &experiment.concept.id).collect();
    store.begin_tests(&concepts).await
}

/// How concepts stand before some instants, each asked for once.
pub struct Peers<'a> {
    store: &'a Store,
    asked: BTreeMap<DateTime<Utc>, Portfolio>,
}

impl<'a> Peers<'a> {
    /// Nobody has asked yet.
    pub fn of(store: &'a Store) -> Self {
        Self { store, asked: BTreeMap::new() }
    }

    /// What a test that is judged now knows of others, where it shares the risk with them. `sound` is the latest verdict on
    /// its concept that was not BLOCKED.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn others(
        &mut self,
        setup: &Setup,
        as_of: DateTime<Utc>,
        sound: Option<&StoredScorecard>,
    ) -> Result<Option<Box<Others>>, StoreError> {
        let Setup { experiment, generation } = setup;
        if experiment.false_build_rate != FalseBuildRate::Together {
            return Ok(None);
        }
        if !self.asked.contains_key(&as_of) {
            self.asked.insert(as_of, self.store.portfolio(as_of, None).await?);
        }
        let others = self.asked.get(&as_of).map(|portfolio| portfolio.others(&experiment.concept.id));
        let Some(others) = others else { return Ok(None) };
        let sound = sound.map(|stored| &stored.scorecard).filter(|card| card.generation == generation.number);
        let before = match sound {
            // The clock was set back.
            Some(card) if card.as_of >= as_of => {
                self.store.verdict_before((&experiment.concept.id, generation.number), as_of, others.known).await?
            }
            sound => sound.cloned().map(Box::new),
        };
        Ok(Some(Box::new(Others { before, ..others })))
    }
}

/// Whether a stored verdict that was derived again for itself must be derived beside the other concepts.
pub fn concerns(setup: &Setup, alone: &Scorecard) -> bool {
    setup.experiment.false_build_rate == FalseBuildRate::Together && alone.verdict == Verdict::Build
}

/// Gives `inputs` what a stored verdict of `as_of` had `known` of the other concepts.
///
/// # Errors
/// [`StoreError`].
pub async fn recall(
    store: &Store,
    setup: &Setup,
    inputs: &mut Inputs,
    as_of: DateTime<Utc>,
    known: Known,
) -> Result<(), StoreError> {
    let Setup { experiment, generation } = setup;
    let concept = &experiment.concept.id;
    let others = store.portfolio(as_of, Some(known.scorecard)).await?.others(concept);
    let before = store.verdict_before((concept, generation.number), as_of, known.scorecard).await?;
    let concepts = usize::try_from(known.tested).unwrap_or_default();
    inputs.others = Some(Box::new(Others { concepts, before, ..others }));
    Ok(())
}
