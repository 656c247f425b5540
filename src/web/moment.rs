//! Where everything stands, read from the store at one moment: what every page begins from.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use crate::decide::decision;
use crate::domain::concept::Experiment;
use crate::domain::decision::Decision;
use crate::domain::run::Run;
use crate::domain::verdict::{Scorecard, StoredScorecard, Verdict};
use crate::schedule::daemon::Work;
use crate::store::{StoreError, View};
use crate::web::frame::usual_zone;

/// Everything at one moment.
pub struct Moment {
    /// What is configured.
    pub work: Arc<Work>,
    /// When it was read.
    pub now: DateTime<Utc>,
    /// Of each experiment, in the order of the configuration.
    standings: Vec<Standing>,
}

/// Where one concept stands.
#[derive(Debug, Default)]
pub struct Standing {
    /// The latest verdict.
    pub latest: Option<StoredScorecard>,
    /// What people decided on it, oldest first.
    pub decisions: Vec<Decision>,
    /// The run of its latest slot.
    pub last_run: Option<Run>,
    /// Why some of it is not known, where it cannot be read.
    pub unreadable: Option<String>,
}

impl Standing {
    /// The latest verdict.
    pub fn card(&self) -> Option<&Scorecard> {
        self.latest.as_ref().map(|stored| &stored.scorecard)
    }

    /// The word.
    pub fn verdict(&self) -> Option<Verdict> {
        self.card().map(|card| card.verdict)
    }

    /// The last decision to build or to kill, where it was made on what the verdict now says.
    pub fn decided(&self) -> Option<&Decision> {
        decision::latest(&self.decisions).filter(|decision| self.card().is_some_and(|card| decision.is_on(card)))
    }
}

impl Moment {
    /// Reads where everything stands.
    ///
    /// # Errors
    /// [`StoreError`] where the store cannot be read; a record of one concept that cannot be read is in its [`Standing`].
    pub async fn of(work: Arc<Work>) -> Result<Self, StoreError> {
        let mut view = work.parts.store.view();
        Self::seen(work, &mut view).await
    }

    /// As [`Self::of`], in a view that more is to be read in.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub async fn seen(work: Arc<Work>, view: &mut View) -> Result<Self, StoreError> {
        let concepts: Vec<_> = work.experiments.iter().map(|experiment| experiment.concept.id.clone()).collect();
        let mut stored = view.standings(concepts.clone()).await?;
        let mut decisions = view.decisions(concepts.clone(), None).await?;
        let mut runs = view.last_runs(concepts.clone()).await?;
        let standings = concepts.iter().map(|concept| {
            let mut standing = Standing::default();
            let mut whole = || -> Result<(), StoreError> {
                standing.latest = stored.remove(concept).transpose()?.and_then(|stored| stored.latest);
                standing.decisions = decisions.remove(concept).transpose()?.unwrap_or_default();
                standing.last_run = runs.remove(concept).transpose()?;
                Ok(())
            };
            standing.unreadable = whole().err().map(|error| error.to_string());
            standing
        });
        Ok(Self { standings: standings.collect(), now: work.parts.clock.now(), work })
    }

    /// Every concept with where it stands, in the order of the configuration.
    pub fn concepts(&self) -> impl Iterator<Item = (&Experiment, &Standing)> {
        self.work.experiments.iter().zip(&self.standings)
    }

    /// What day it is in an experiment's zone.
    pub fn today(&self, experiment: &Experiment) -> NaiveDate {
        self.now.with_timezone(&experiment.timezone).date_naive()
    }

    /// The zone that instants are printed in where no script asks for the reader's.
    pub fn zone(&self) -> Tz {
        usual_zone(&self.work.experiments)
    }

    /// What day it is there.
    pub fn date(&self) -> NaiveDate {
        self.now.with_timezone(&self.zone()).date_naive()
    }
}
