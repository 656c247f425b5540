//! Where everything stands, read from the store at one moment: what every page begins from.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use crate::decide::decision;
use crate::domain::concept::Experiment;
use crate::domain::decision::Decision;
use crate::domain::verdict::{Scorecard, Verdict};
use crate::schedule::daemon::Work;
use crate::store::{Added, Bookmark, News, StoreError, View};
use crate::web::frame::usual_zone;

/// Everything at one moment.
pub struct Moment {
    /// What is configured.
    pub work: Arc<Work>,
    /// When it was read.
    pub now: DateTime<Utc>,
    /// When a source was last read.
    pub last_reading: Option<DateTime<Utc>>,
    standings: Standings,
}

/// Of each experiment, in the order of the configuration.
type Standings = Arc<Vec<Standing>>;

/// Where one concept stands.
#[derive(Clone, Debug, Default)]
pub struct Standing {
    /// The latest verdict, without its proof, which is for other concepts' verdicts and is long.
    pub latest: Option<Arc<Scorecard>>,
    /// What people decided on it, oldest first.
    pub decisions: Arc<Vec<Decision>>,
    /// Why some of it is not known, where it cannot be read.
    pub unreadable: Option<String>,
}

/// Where everything stood when it was read last, so that only what was added since is read again: verdicts and decisions are
/// never changed and never taken away. Nothing is known before a page was asked for, and nothing of another configuration.
#[derive(Debug, Default)]
pub struct Known(Mutex<Option<Arc<Before>>>);

#[derive(Debug)]
struct Before {
    configured: Weak<Work>,
    verdicts: Bookmark,
    decisions: Bookmark,
    standings: Standings,
}

impl Known {
    fn of(&self, work: &Arc<Work>) -> Arc<Before> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let known = known.filter(|known| std::ptr::eq(known.configured.as_ptr(), Arc::as_ptr(work)));
        known.unwrap_or_else(|| {
            Arc::new(Before {
                configured: Arc::downgrade(work),
                verdicts: Bookmark::default(),
                decisions: Bookmark::default(),
                standings: Arc::new(vec![Standing::default(); work.experiments.len()]),
            })
        })
    }

    /// Whoever looked earlier and ends later makes the next one read a little more, and nothing wrong.
    fn keep(&self, before: Before) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(before));
    }
}

impl Standing {
    /// The latest verdict.
    pub fn card(&self) -> Option<&Scorecard> {
        self.latest.as_deref()
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
    pub async fn of(work: Arc<Work>, known: Arc<Known>) -> Result<Self, StoreError> {
        let mut view = work.parts.store.view();
        Self::seen(work, &known, &mut view).await
    }

    /// As [`Self::of`], in a view that more is to be read in.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub async fn seen(work: Arc<Work>, known: &Known, view: &mut View) -> Result<Self, StoreError> {
        let before = known.of(&work);
        let News { verdicts, decisions, last_reading } =
            view.news(before.verdicts.clone(), before.decisions.clone()).await?;
        let is_as_before = verdicts.is_nothing() && decisions.is_nothing();
        let standings = if is_as_before {
            Arc::clone(&before.standings)
        } else {
            let ends = (verdicts.end.clone(), decisions.end.clone());
            let standings = Arc::new(added(&work, &before.standings, verdicts, decisions));
            // What cannot be read now is looked for again.
            if standings.iter().all(|standing| standing.unreadable.is_none()) {
                let (configured, standings) = (Arc::downgrade(&work), Arc::clone(&standings));
                known.keep(Before { configured, verdicts: ends.0, decisions: ends.1, standings });
            }
            standings
        };
        Ok(Self { now: work.parts.clock.now(), last_reading, standings, work })
    }

    /// Every concept with where it stands, in the order of the configuration.
    pub fn concepts(&self) -> impl Iterator<Item = (&Experiment, &Standing)> {
        self.work.experiments.iter().zip(&*self.standings)
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

/// Where everything stands with what was added.
fn added(
    work: &Work,
    before: &Standings,
    mut verdicts: Added<Scorecard>,
    mut decisions: Added<Vec<Decision>>,
) -> Vec<Standing> {
    let mut standings = before.to_vec();
    for (experiment, standing) in work.experiments.iter().zip(&mut standings) {
        let concept = &experiment.concept.id;
        let mut whole = || -> Result<(), StoreError> {
            if verdicts.is_all {
                standing.latest = None;
            }
            if let Some(mut card) = verdicts.found.remove(concept).transpose()? {
                card.proof = Vec::new();
                standing.latest = Some(Arc::new(card));
            }
            if decisions.is_all {
                standing.decisions = Arc::default();
            }
            if let Some(taken) = decisions.found.remove(concept).transpose()? {
                Arc::make_mut(&mut standing.decisions).extend(taken);
            }
            Ok(())
        };
        // What stood before is not shown in place of what cannot be read.
        match whole() {
            Ok(()) => standing.unreadable = None,
            Err(error) => *standing = Standing { unreadable: Some(error.to_string()), ..Standing::default() },
        }
    }
    standings
}
