//! How likely a planned test gives which verdict, by what is true: the test itself, tried on simulated campaigns with the
//! plan's traffic and day noise.

use serde::Serialize;

use super::Question;
use crate::decide::error_rates::{Reporting, Trial, Watch, measure};
use crate::decide::judge::Rule;
use crate::domain::concept::{Model, Policy};
use crate::domain::millionths;
use crate::domain::money::Money;
use crate::stats::simulate::{Campaign, Drift, Shocks, Spread, Traffic};

/// What a test would say of one truth.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Chance {
    /// The rate, cost or ratio taken to be true.
    pub truth: f64,
    /// Chance of BUILD.
    pub build: f64,
    /// Chance of KILL.
    pub kill: f64,
    /// Chance of neither within the plan's days and budget: REVIEW.
    pub review: f64,
    /// Visitors of all arms until the verdict on average; `None` where the test counts on money.
    pub visitors: Option<f64>,
    /// Days until the verdict on average, settling included.
    pub days: f64,
    /// What they cost.
    pub cost: Money,
}

/// Tries the test of one arm on `runs` campaigns for each of the question's truths. `progress` is told how many more
/// are done, from any thread. The same seed gives the same answer.
pub fn chances(question: &Question, runs: u64, seed: u64, progress: &(dyn Fn(u64) + Sync)) -> Vec<Chance> {
    // What limits the money limits the days; a guardrail has no data here.
    let policy = Policy { guardrails: Vec::new(), budget_cap: None, ..question.policy.clone() };
    let rule = Rule { policy: &policy, arms: question.arms, arm_budget_cap: None, stop: None, uneven_since: None };
    let spread = if question.variation > 0.0 { Spread::Gamma(question.variation) } else { Spread::None };
    let shocks = Shocks { spread, weekdays: false, drift: Drift::None, own: 0.0 };
    let chance = |truth: f64| {
        let campaign = Campaign { traffic: question.traffic(truth), shocks };
        let name = format!("plan {truth}");
        let (days, reporting, watch) = (question.days_allowed(), Reporting::AtOnce, Watch::default());
        let trial = Trial { rule, campaign, days, reporting, watch, name };
        let measured = measure(&trial, runs, seed, progress);
        Chance {
            truth,
            build: measured.verdicts.build.value(),
            kill: measured.verdicts.kill.value(),
            review: measured.verdicts.undecided().value(),
            visitors: (question.policy.model != Model::Cpa).then(|| measured.exposure.value * question.sharing()),
            days: measured.days.value,
            cost: question.daily_budget.times(measured.days.value).unwrap_or(question.daily_budget),
        }
    };
    question.truths().into_iter().map(chance).collect()
}

impl Question {
    fn traffic(&self, truth: f64) -> Traffic {
        let per_day = self.exposure_per_day();
        match self.policy.model {
            Model::Rate => Traffic::Visits { per_day, rate: truth },
            Model::Cpa => Traffic::Spend { per_day, rate: 1.0 / truth },
            Model::Compare => {
                let base = self.base_rate;
                Traffic::Pair { per_day: 2.0 * per_day, base, ratio: truth, optimised: false }
            }
        }
    }

    /// Days with ads until the horizon or the budget ends the test.
    fn days_allowed(&self) -> u32 {
        let daily = millionths::to_f64(self.daily_budget.micros);
        let paid = self.policy.budget_cap.map_or(f64::INFINITY, |cap| (millionths::to_f64(cap.micros) / daily).ceil());
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is not negative")]
        let paid = paid as u32;
        paid.clamp(1, self.policy.horizon_days)
    }
}
