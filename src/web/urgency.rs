//! What of a concept is to be done first: the order of the portfolio.

use chrono::{Days, NaiveDate};
use serde::Serialize;

use crate::decide::{explain, money};
use crate::domain::concept::Experiment;
use crate::domain::verdict::{Scorecard, Verdict};
use crate::web::moment::Standing;

/// A test that has used more of its cap than this is told of earlier.
const NEARLY_USED: f64 = 0.8;

/// How urgent a concept is, the most urgent first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Urgency {
    /// Its data cannot be trusted, or what is stored of it cannot be read.
    Blocked,
    /// A BUILD or KILL that nobody has decided on.
    Undecided {
        /// The day by which somebody should.
        due: NaiveDate,
    },
    /// Ads go on after a verdict that somebody has decided on.
    AdsAfter,
    /// A person must look.
    Review,
    /// Most of its cap is used.
    NearCap,
    /// It collects.
    Collecting {
        /// Settled days until its cap.
        days_left: u32,
    },
    /// Somebody has decided.
    Decided,
    /// It has no verdict yet.
    Unread,
}

impl Urgency {
    /// Of one concept, on a day of its zone.
    pub fn of(experiment: &Experiment, standing: &Standing, today: NaiveDate) -> Self {
        if standing.unreadable.is_some() {
            return Self::Blocked;
        }
        let Some(card) = standing.card() else { return Self::Unread };
        let is_decided = standing.decided().is_some();
        match card.verdict {
            Verdict::Blocked => Self::Blocked,
            _ if is_decided && ads_run(card, today) => Self::AdsAfter,
            _ if is_decided => Self::Decided,
            Verdict::Build | Verdict::Kill => Self::Undecided { due: due(experiment, card) },
            Verdict::Review => Self::Review,
            Verdict::Collecting => {
                let (days, cap) = explain::caps(experiment, card);
                let passed = days_of(card);
                let of_days = f64::from(passed) / f64::from(days.max(1));
                let of_money = cap.and_then(|cap| card.spend?.over(cap)).unwrap_or(0.0);
                if of_days.max(of_money) > NEARLY_USED {
                    Self::NearCap
                } else {
                    Self::Collecting { days_left: days.saturating_sub(passed) }
                }
            }
        }
    }

    /// Whether somebody must do something.
    pub fn is_a_job(self) -> bool {
        matches!(self, Self::Blocked | Self::Undecided { .. } | Self::AdsAfter | Self::Review)
    }
}

/// The day by which a verdict should be decided on.
pub fn due(experiment: &Experiment, card: &Scorecard) -> NaiveDate {
    let since = explain::since(experiment, card);
    since.checked_add_days(Days::new(experiment.decide_within_days.into())).unwrap_or(since)
}

/// Whether ads are known to run on after the verdict.
pub fn ads_run(card: &Scorecard, today: NaiveDate) -> bool {
    let after = card.spend_after.as_ref();
    after.is_some_and(|after| after.on_last_day.micros > 0 && money::tells_of_now(after.last_day, today))
}

/// Settled days of the version that has most.
pub fn days_of(card: &Scorecard) -> u32 {
    card.arms.iter().map(|arm| arm.evidence.days).max().unwrap_or(0)
}
