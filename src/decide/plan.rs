//! A test before it begins: visitors, days and money until a verdict, what does not fit and what would (statistics.md
//! section 12). Simulated chances are `chances`; own numbers `history`; others' `published`. Prints nothing.

pub mod chances;
pub mod history;
pub mod published;
#[cfg(test)]
mod tests;

use serde::Serialize;

use super::figures;
use crate::domain::concept::{Dispersion, Model, Multiplicity, Policy};
use crate::domain::millionths;
use crate::domain::money::Money;
use crate::stats::plan::Distance;

/// Chance of being undecided at the recommended cap where the truth is the worst.
pub const UNDECIDED: f64 = 0.1;

/// Coefficient of variation of the true daily rate where nothing is known of it.
pub const VARIATION: f64 = 0.2;

/// What estimating the dispersion costs, by how it is estimated.
const ESTIMATING: f64 = 1.5;
const ESTIMATING_INDEPENDENT: f64 = 1.25;

/// From this much day noise on, in units of what chance makes, more visitors a day no longer help much.
const DAYS_RULE: f64 = 2.0;

/// Bars further apart than this need no test.
const WIDEST: f64 = 20.0;

/// What is to be planned.
#[derive(Clone, Debug, PartialEq)]
pub struct Question {
    /// Bars, errors, minimums, caps: as the test itself would have them.
    pub policy: Policy,
    /// Acts per visitor of the control; asked for [`Model::Compare`] only.
    pub base_rate: f64,
    /// Tested arms; a control is not among them.
    pub arms: u32,
    /// Spend a day, of all arms together.
    pub daily_budget: Money,
    /// Visitors a day, of all arms and the control together; for [`Model::Cpa`] not asked.
    pub visitors_per_day: f64,
    /// Coefficient of variation of the true daily rate.
    pub variation: f64,
}

/// What one outcome takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Effort {
    /// The rate, cost or ratio taken to be true.
    pub truth: f64,
    /// Visitors of all arms together; `None` where the test counts on money.
    pub visitors: Option<f64>,
    /// From the first day of ads to the verdict, the days until the last has settled included.
    pub days: u32,
    /// Spend over those days.
    pub cost: Money,
}

/// Why a plan does not fit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Misfit {
    /// More active days than the horizon.
    Days {
        /// Needed.
        needed: u32,
        /// Allowed.
        allowed: u32,
    },
    /// More than the budget.
    Budget {
        /// Needed.
        needed: Money,
        /// Allowed.
        allowed: Money,
    },
}

/// A plan that would fit, or what it would take to make this one fit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Proposal {
    /// Bars further apart, within the same days and budget.
    WiderBars {
        /// As it was.
        kill_bar: f64,
        /// Moved.
        build_bar: f64,
        /// As it was, or less where the minimum of days alone would cost too much.
        daily_budget: Money,
        /// What the worst case then takes.
        cap: Effort,
    },
    /// Higher limits at the same spend a day.
    HigherLimits {
        /// Active settled days, where those allowed are too few.
        horizon_days: Option<u32>,
        /// What it then costs in all.
        budget: Money,
    },
    /// Another spend a day, within the same limits or, where no budget is set, the same days.
    OtherSpend {
        /// Spend a day.
        daily_budget: Money,
        /// What the worst case then takes.
        cap: Effort,
    },
}

/// What the planner should know.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Caution {
    /// Less than one act a day at the kill bar, in each arm.
    FewActs {
        /// Acts a day.
        per_day: f64,
    },
    /// Days differ more than visitors do: twice the visitors would shorten the worst case only so much.
    DaysRule {
        /// Days now.
        days: u32,
        /// Days at twice the spend a day.
        days_at_twice: u32,
    },
    /// The minimum of days decides how long it takes: less a day would do.
    MinimumRules {
        /// Days in the worst case.
        days: u32,
    },
    /// The bars are more than five times apart.
    BarsFarApart,
}

/// What a test would take.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    /// With the truth at the kill bar, between the bars, at the build bar: on average.
    pub expected: [Effort; 3],
    /// In the worst case: between the bars, with one in ten still undecided.
    pub cap: Effort,
    /// What it is too much for; empty where it fits.
    pub misfits: Vec<Misfit>,
    /// What would fit.
    pub proposals: Vec<Proposal>,
    /// What to know.
    pub cautions: Vec<Caution>,
}

/// Plans a checked question: bars in order and in range, errors together below 1, money and visitors above zero.
pub fn plan(question: &Question) -> Plan {
    let sized = Sized::of(question);
    let cap = sized.cap();
    let misfits = sized.misfits();
    let proposals = if misfits.is_empty() { Vec::new() } else { proposals(question) };
    Plan { expected: sized.expected(), cap, misfits, proposals, cautions: sized.cautions() }
}

impl Question {
    /// Rates, costs or ratios to try: one step below the kill bar, the bar, the middle, the build bar, one step above.
    pub fn truths(&self) -> Vec<f64> {
        let (kill, build) = (self.policy.kill_bar, self.policy.build_bar);
        let middle = Sized::of(self).middle();
        let truths = [kill * kill / build, kill, middle, build, build * build / kill];
        truths.into_iter().filter(|truth| !matches!(self.policy.model, Model::Rate) || *truth < 1.0).collect()
    }

    /// Arms that share the traffic.
    fn sharing(&self) -> f64 {
        f64::from(self.arms) + if matches!(self.policy.model, Model::Compare) { 1.0 } else { 0.0 }
    }

    /// Visitors, or spend, of one arm a day.
    pub fn exposure_per_day(&self) -> f64 {
        match self.policy.model {
            Model::Cpa => millionths::to_f64(self.daily_budget.micros) / self.sharing(),
            Model::Rate | Model::Compare => self.visitors_per_day / self.sharing(),
        }
    }

    /// The budget spread over all days the test may take; `None` where that is no less a day.
    fn over_all_days(&self) -> Option<Self> {
        let days = self.policy.horizon_days.saturating_add(self.policy.maturity_lag_days);
        let daily = rounded_down(millionths::to_f64(self.policy.budget_cap?.micros) / f64::from(days));
        let factor = daily / millionths::to_f64(self.daily_budget.micros);
        if factor < 1.0 { self.with_daily_budget(factor) } else { None }
    }

    fn with_daily_budget(&self, factor: f64) -> Option<Self> {
        let daily_budget = self.daily_budget.times(factor)?;
        Some(Self { daily_budget, visitors_per_day: self.visitors_per_day * factor, ..self.clone() })
    }
}

/// A question with its distance worked out.
struct Sized<'a> {
    question: &'a Question,
    distance: Distance,
    alpha: f64,
}

impl<'a> Sized<'a> {
    fn of(question: &'a Question) -> Self {
        let Policy { kill_bar, build_bar, alpha, multiplicity, .. } = question.policy;
        let distance = match question.policy.model {
            Model::Rate => Distance::rate(kill_bar, build_bar),
            Model::Cpa => Distance::events(1.0 / kill_bar, 1.0 / build_bar),
            Model::Compare => Distance::compare(kill_bar, build_bar, question.base_rate),
        };
        let alpha = match multiplicity {
            Multiplicity::Bonferroni => alpha / f64::from(question.arms),
            Multiplicity::None => alpha,
        };
        Self { question, distance, alpha }
    }

    /// The hardest truth, in the unit of the bars.
    fn middle(&self) -> f64 {
        if matches!(self.question.policy.model, Model::Cpa) { 1.0 / self.distance.middle } else { self.distance.middle }
    }

    /// Acts a day in one arm.
    fn acts_per_day(&self, truth: f64) -> f64 {
        let rate = match self.question.policy.model {
            Model::Rate => truth,
            Model::Cpa => 1.0 / truth,
            Model::Compare => self.question.base_rate * truth,
        };
        rate * self.question.exposure_per_day()
    }

    /// How much of the day noise two arms side by side do not share is not known, and their test allows for estimating it.
    fn dispersion(&self, truth: f64) -> f64 {
        let shocks = match self.question.policy.model {
            Model::Compare => 1.0,
            Model::Rate | Model::Cpa => 1.0 + self.acts_per_day(truth) * self.question.variation.powi(2),
        };
        match self.question.policy.dispersion {
            Dispersion::Auto => ESTIMATING * shocks,
            Dispersion::Independent => ESTIMATING_INDEPENDENT * shocks,
            Dispersion::None => 1.0,
            Dispersion::Known(phi) => phi,
        }
    }

    /// Active days that hold so many visitors (or so much spend) in each arm, the policy's minimums kept.
    fn active_days(&self, exposure: f64) -> u32 {
        let policy = &self.question.policy;
        let least = match self.question.policy.model {
            Model::Cpa => 0.0,
            #[expect(clippy::cast_precision_loss, reason = "a minimum beyond 2^53 is never met either way")]
            Model::Rate | Model::Compare => policy.min_exposures as f64,
        };
        let days = (exposure.max(least) / self.question.exposure_per_day()).ceil();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is not negative")]
        let days = days as u32;
        days.max(policy.min_days)
    }

    fn effort(&self, truth: f64, exposure: f64) -> Effort {
        let active = self.active_days(exposure);
        let days = active.saturating_add(self.question.policy.maturity_lag_days);
        let visitors = (!matches!(self.question.policy.model, Model::Cpa))
            .then(|| f64::from(active) * self.question.visitors_per_day);
        Effort { truth, visitors, days, cost: cost(self.question.daily_budget, days) }
    }

    fn expected(&self) -> [Effort; 3] {
        let Policy { kill_bar, build_bar, beta, .. } = self.question.policy;
        let bounds = self.distance.bounds(self.alpha, beta);
        let middle = self.middle();
        let between = self.distance.expected_at_middle(self.alpha, beta);
        [(kill_bar, bounds.at_p0), (middle, between), (build_bar, bounds.at_p1)]
            .map(|(truth, exposure)| self.effort(truth, exposure * self.dispersion(truth)))
    }

    fn cap(&self) -> Effort {
        let exposure = self.distance.cap(self.alpha, self.question.policy.beta, UNDECIDED);
        self.effort(self.middle(), exposure * self.dispersion(self.middle()))
    }

    fn misfits(&self) -> Vec<Misfit> {
        let (cap, policy) = (self.cap(), &self.question.policy);
        let active = cap.days.saturating_sub(policy.maturity_lag_days);
        let days =
            (active > policy.horizon_days).then_some(Misfit::Days { needed: active, allowed: policy.horizon_days });
        let budget = policy.budget_cap.filter(|allowed| cap.cost.micros > allowed.micros);
        let budget = budget.map(|allowed| Misfit::Budget { needed: cap.cost, allowed });
        days.into_iter().chain(budget).collect()
    }

    fn cautions(&self) -> Vec<Caution> {
        let policy = &self.question.policy;
        let acts = self.acts_per_day(policy.kill_bar);
        let noise = self.acts_per_day(self.middle()) * self.question.variation.powi(2);
        let (days, least) = (self.cap().days, policy.min_days.saturating_add(policy.maturity_lag_days));
        let paid_for = matches!(policy.dispersion, Dispersion::Auto | Dispersion::Independent);
        let same_days = !matches!(self.question.policy.model, Model::Compare);
        let twice = self.question.with_daily_budget(2.0).map(|twice| Sized::of(&twice).cap().days);
        let few = (acts < 1.0).then_some(Caution::FewActs { per_day: acts });
        let minimum = (days == least).then_some(Caution::MinimumRules { days });
        let rules = noise >= DAYS_RULE && paid_for && same_days && days > least;
        let rules = twice.filter(|_| rules).map(|days_at_twice| Caution::DaysRule { days, days_at_twice });
        let apart = (policy.build_bar / policy.kill_bar).max(policy.kill_bar / policy.build_bar) > 5.0;
        let apart = apart.then_some(Caution::BarsFarApart);
        [few, minimum, rules, apart].into_iter().flatten().collect()
    }
}

fn cost(daily: Money, days: u32) -> Money {
    Money { micros: daily.micros.saturating_mul(i64::from(days)), ..daily }
}

fn fits(question: &Question) -> bool {
    Sized::of(question).misfits().is_empty()
}

fn proposals(question: &Question) -> Vec<Proposal> {
    let slowly = || wider_bars(&question.over_all_days()?);
    [wider_bars(question).or_else(slowly), higher_limits(question), other_spend(question)]
        .into_iter()
        .flatten()
        .collect()
}

/// The build bar nearest to its own at which the test fits, rounded away from the kill bar to a figure one can say.
fn wider_bars(question: &Question) -> Option<Proposal> {
    let Policy { kill_bar, build_bar, .. } = question.policy;
    let at = |build_bar: f64| Question { policy: Policy { build_bar, ..question.policy.clone() }, ..question.clone() };
    let upwards = build_bar > kill_bar;
    let furthest = if upwards { kill_bar * WIDEST } else { kill_bar / WIDEST };
    let furthest = if matches!(question.policy.model, Model::Rate) { furthest.min(0.99) } else { furthest };
    if !fits(&at(furthest)) {
        return None;
    }
    let (mut near, mut far) = (build_bar.ln(), furthest.ln());
    for _ in 0..60 {
        let between = f64::midpoint(near, far);
        if fits(&at(between.exp())) { far = between } else { near = between }
    }
    let found = far.exp();
    let step = 10f64.powf(found.log10().floor() - 1.0);
    let rounded = if upwards { (found / step - 1e-9).ceil() * step } else { (found / step + 1e-9).floor() * step };
    let wider = at(rounded);
    let cap = Sized::of(&wider).cap();
    fits(&wider).then_some(Proposal::WiderBars {
        kill_bar,
        build_bar: rounded,
        daily_budget: question.daily_budget,
        cap,
    })
}

fn higher_limits(question: &Question) -> Option<Proposal> {
    /// Ten years: beyond them no plan is one.
    const MOST_DAYS: u32 = 3650;
    let cap = Sized::of(question).cap();
    let active = cap.days.saturating_sub(question.policy.maturity_lag_days);
    let horizon_days = (active > question.policy.horizon_days).then_some(active);
    // Nobody sets a limit to the cent.
    let whole = cap.cost.micros.checked_add(millionths::ONE - 1)? / millionths::ONE * millionths::ONE;
    let budget = Money { micros: whole, ..cap.cost };
    (active <= MOST_DAYS).then_some(Proposal::HigherLimits { horizon_days, budget })
}

/// The spend a day nearest to its own at which the test fits: more where days are short, less where money is.
fn other_spend(question: &Question) -> Option<Proposal> {
    /// Nobody plans with a hundred times the money, or a hundredth.
    const FURTHEST: f64 = 100.0;
    let misfits = Sized::of(question).misfits();
    let short_of_days = misfits.iter().any(|misfit| matches!(misfit, Misfit::Days { .. }));
    let within = |factor: f64| question.with_daily_budget(factor).is_some_and(|other| fits(&other));
    let furthest = if short_of_days { FURTHEST } else { 1.0 / FURTHEST };
    // More a day costs more in all, and less takes longer: what fits is a span, whose near end is looked for.
    let steps = 200;
    let reach = |step: i32| furthest.powf(f64::from(step) / f64::from(steps));
    let first = (1..=steps).find(|&step| within(reach(step)))?;
    let daily = millionths::to_f64(question.daily_budget.micros);
    let found = daily * reach(first);
    let rounded = if short_of_days { figures::about(found) } else { rounded_down(found) };
    let other = question.with_daily_budget(rounded / daily).filter(fits)?;
    Some(Proposal::OtherSpend { daily_budget: other.daily_budget, cap: Sized::of(&other).cap() })
}

/// An amount a day that one can say: two digits, in whole units from ten on.
fn rounded_down(amount: f64) -> f64 {
    let step = 10f64.powf(amount.log10().floor() - 1.0);
    (amount / step + 1e-9).floor() * step
}
