//! All that a verdict rests on, read from the store: as it is now, or as it was when a stored verdict was reached. So a
//! verdict is first derived and later derived again on one path.

use chrono::{DateTime, Utc};

use super::portfolio;
use crate::decide::{self, Counted};
use crate::domain::concept::Experiment;
use crate::domain::decision::Decision;
use crate::domain::decision::{Cause, Known, Setup};
use crate::domain::id::SourceId;
use crate::domain::observation::{DateWindow, Inputs};
use crate::domain::portfolio::FalseBuildRate;
use crate::domain::verdict::{Generation, Scorecard, StoredScorecard, Verdict};
use crate::store::{OfConcepts, Rows, Settling, Store, StoreError, View};

/// What is stored for some concepts, packed; each one's [`Inputs`] are unpacked when it is asked for.
pub struct Recalled {
    rows: Rows,
    decisions: OfConcepts<Vec<Decision>>,
    unpacked: Option<Unpacked>,
}

/// What concepts that read the same sources over the same days have in common.
struct Unpacked {
    sources: Vec<SourceId>,
    days: Option<DateWindow>,
    inputs: Inputs,
}

impl Recalled {
    /// Everything stored since the first day of each test: now, or up to what was `known`.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub async fn of(
        view: &mut View,
        setups: &[(&Setup, DateTime<Utc>)],
        known: Option<Known>,
    ) -> Result<Self, StoreError> {
        let mut asked = Vec::new();
        for (setup, as_of) in setups {
            if let Some(days) = days(setup, *as_of) {
                asked.extend(setup.experiment.sources.iter().map(|source| (&source.id, days)));
            }
        }
        let rows = view.rows(&asked, known.map(|known| known.pull)).await?;
        let concepts = setups.iter().map(|(setup, _)| setup.experiment.concept.id.clone()).collect();
        let decisions = view.decisions(concepts, known.map(|known| known.decision)).await?;
        Ok(Self { rows, decisions, unpacked: None })
    }

    /// That of one of the concepts. Asked for one after the other, concepts that have sources and days in common are
    /// unpacked once.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] when something of it cannot be read; that of other concepts may be all the same.
    pub fn inputs(&mut self, store: &Store, setup: &Setup, as_of: DateTime<Utc>) -> Result<&mut Inputs, StoreError> {
        let Setup { experiment, generation } = setup;
        let days = days(setup, as_of);
        let decisions = match self.decisions.remove(&experiment.concept.id) {
            Some(decisions) => decisions?,
            None => Vec::new(),
        };
        let is_same = |unpacked: &Unpacked| {
            let sources = experiment.sources.iter().map(|source| &source.id);
            unpacked.days == days && sources.eq(&unpacked.sources)
        };
        let unpacked = match self.unpacked.take().filter(is_same) {
            Some(unpacked) => unpacked,
            None => unpack(&mut self.rows, experiment, days)?,
        };
        let inputs = &mut self.unpacked.insert(unpacked).inputs;
        // Each concept's own.
        inputs.internal = store.domains(&experiment.internal)?;
        inputs.decisions.clear();
        (inputs.first_settled, inputs.others) = (None, None);
        if let Some(days) = days {
            let settling = Settling {
                days,
                lag_days: experiment.policy.maturity_lag_days,
                zone: experiment.timezone,
                known_at: known(inputs).pull,
            };
            let deciding: Vec<_> = decide::primary_sources(experiment).collect();
            inputs.first_settled = self.rows.first_settled(inputs, &deciding, &settling)?.map(Box::new);
        }
        inputs.decisions = decisions;
        inputs.decisions.retain(|decision| decision.generation == generation.number);
        Ok(inputs)
    }
}

fn unpack(rows: &mut Rows, experiment: &Experiment, days: Option<DateWindow>) -> Result<Unpacked, StoreError> {
    let sources: Vec<SourceId> = experiment.sources.iter().map(|source| source.id.clone()).collect();
    let inputs = days.map_or_else(|| Ok(Inputs::default()), |days| rows.inputs(&sources, days))?;
    Ok(Unpacked { sources, days, inputs })
}

/// From the first day of a test to the day of an instant; `None` before it begins.
fn days(setup: &Setup, as_of: DateTime<Utc>) -> Option<DateWindow> {
    DateWindow::new(setup.generation.first_day, as_of.with_timezone(&setup.experiment.timezone).date_naive())
}

/// Everything stored since a test's first day: now, or up to what was `known`.
///
/// # Errors
/// [`StoreError`].
pub async fn inputs(
    store: &Store,
    setup: &Setup,
    as_of: DateTime<Utc>,
    known: Option<Known>,
) -> Result<Inputs, StoreError> {
    let mut recalled = Recalled::of(&mut store.view(), &[(setup, as_of)], known).await?;
    recalled.inputs(store, setup, as_of).map(std::mem::take)
}

/// The latest verdict on a concept, with all that it was decided with.
pub struct Latest {
    /// The verdict.
    pub stored: StoredScorecard,
    /// What was configured.
    pub setup: Setup,
    /// What was known.
    pub inputs: Inputs,
}

/// Reads the latest verdict on a concept in a view, with all that it was decided with; `None` where there is none yet.
///
/// # Errors
/// [`StoreError`].
pub async fn latest(store: &Store, view: &mut View, configured: &Experiment) -> Result<Option<Latest>, StoreError> {
    let Some((stored, basis)) = view.latest_kept(configured.concept.id.clone()).await? else { return Ok(None) };
    let card = &stored.scorecard;
    let setup = match basis.setup {
        Some(setup) => setup,
        None => todays_setup(store, configured, card).await?,
    };
    let mut recalled = Recalled::of(view, &[(&setup, card.as_of)], Some(basis.known)).await?;
    let mut inputs = recalled.inputs(store, &setup, card.as_of).map(std::mem::take)?;
    // A BUILD stays, whatever others do; what would make one of another verdict depends on them.
    if setup.experiment.false_build_rate == FalseBuildRate::Together && card.verdict != Verdict::Build {
        portfolio::recall(store, &setup, &mut inputs, card.as_of, basis.known).await?;
    }
    Ok(Some(Latest { stored, setup, inputs }))
}

/// For a verdict stored before setups were: what is configured today, in the test it speaks of.
///
/// # Errors
/// [`StoreError`].
pub async fn todays_setup(store: &Store, configured: &Experiment, card: &Scorecard) -> Result<Setup, StoreError> {
    let generation = Generation {
        number: card.generation,
        first_day: store.first_day(&card.concept, card.generation).await?,
        policy_hash: decide::policy_hash(configured),
    };
    Ok(Setup { experiment: configured.clone(), generation })
}

/// Up to where these inputs know the store.
pub fn known(inputs: &Inputs) -> Known {
    Known {
        pull: inputs.pulls.iter().map(|pull| pull.id).max().unwrap_or(0),
        decision: inputs.decisions.iter().map(|decision| decision.id).max().unwrap_or(0),
        scorecard: inputs.others.as_ref().map_or(0, |others| others.known),
        tested: inputs.others.as_ref().map_or(0, |others| i64::try_from(others.concepts).unwrap_or(i64::MAX)),
    }
}

/// Decides as the program would have on that instant; `None` where it would not have decided at all.
pub fn derive(setup: &Setup, cause: Cause, inputs: &Inputs, as_of: DateTime<Utc>) -> Option<Scorecard> {
    let Setup { experiment, generation } = setup;
    match cause {
        Cause::Decided => Some(decide::decide(experiment, generation, inputs, as_of)),
        Cause::Stale => Counted::of(experiment, generation, inputs, as_of).stale(),
    }
}
