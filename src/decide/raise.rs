//! Caps that people raised, as `judge` takes them.

use chrono::NaiveDate;

use crate::domain::concept::Experiment;
use crate::domain::decision::{Choice, Decision};
use crate::domain::millionths;
use crate::domain::verdict::{Reason, Scorecard};

/// What a person added to the caps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Raise {
    /// First as-of day it holds.
    pub from: NaiveDate,
    /// More active settled days.
    pub days: u32,
    /// More settled spend of one arm, in units of the currency.
    pub arm_budget: f64,
}

/// Whether a raised cap lets a test in REVIEW go on: a version stands at a cap that can be raised. A breached limit, KILL
/// and the day named as `stop` stay.
pub fn helps(experiment: &Experiment, card: &Scorecard) -> bool {
    let at_cap = card.arms.iter().any(|arm| matches!(arm.reason, Some(Reason::CapReached { .. })));
    let can_be_raised = match experiment.stop {
        Some(stop) => card.last_settled_day < stop && experiment.policy.budget_cap.is_some(),
        None => true,
    };
    at_cap && can_be_raised
}

/// The raises among decisions, from the day each was made; a budget in another currency than the cap's adds nothing.
pub fn raises(experiment: &Experiment, decisions: &[Decision], arms: u32) -> Vec<Raise> {
    let cap = experiment.policy.budget_cap;
    let raise = |decision: &Decision| {
        let more = decision.budget.filter(|more| cap.is_some_and(|cap| cap.currency == more.currency));
        Raise {
            from: decision.at.with_timezone(&experiment.timezone).date_naive(),
            days: decision.days.unwrap_or(0),
            arm_budget: more.map_or(0.0, |more| millionths::to_f64(more.micros) / f64::from(arms)),
        }
    };
    let mut raises: Vec<Raise> =
        decisions.iter().filter(|decision| decision.choice == Choice::Extend).map(raise).collect();
    // Clocks go back now and then; the order of records is not always that of days.
    raises.sort_by_key(|raise| raise.from);
    raises
}
