//! What is tested and what would convince us: concept, arms, sources, policy.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::id::{ArmId, ConceptId, DestinationId, SourceId};
use super::metric::MetricId;
use super::millionths;
use super::money::{Currency, Money};
use super::schedule::Schedule;

/// The product idea being judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concept {
    /// What commands call it.
    pub id: ConceptId,
    /// What people call it.
    pub title: String,
    /// At least X % of Y will do Z at price P.
    pub hypothesis: String,
}

/// One test of a concept, with a start and a stop.
#[derive(Clone, Debug)]
pub struct Experiment {
    /// What is tested.
    pub concept: Concept,
    /// When to pull and decide.
    pub schedule: Schedule,
    /// Zone of the schedule, of `start` and `stop`, and of days cut from instants.
    pub timezone: Tz,
    /// First day that counts.
    pub start: NaiveDate,
    /// Last day that counts, where set.
    pub stop: Option<NaiveDate>,
    /// Versions shown to people, in order of name.
    pub arms: Vec<Arm>,
    /// What it reads.
    pub sources: Vec<Source>,
    /// Who is told.
    pub notify: Vec<DestinationId>,
    /// What would convince us.
    pub policy: Policy,
    /// What building it would cost and bring, where the user says.
    pub money: MoneyInputs,
    /// The person who decides, with role; printed in messages.
    pub owner: Option<String>,
    /// Days a person has to decide after a verdict.
    pub decide_within_days: u32,
}

/// One version shown to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arm {
    /// Its name.
    pub id: ArmId,
    /// What people call it.
    pub title: String,
    /// An existing offer run beside it: read, never judged.
    pub control: bool,
    /// The vendor keys that belong to it, by source; those with `*` are patterns.
    pub keys: BTreeMap<SourceId, Vec<String>>,
}

/// What the decision may know of a source; settings and secrets are not among it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its name.
    pub id: SourceId,
    /// Which connector reads it.
    pub connector: String,
    /// Where people came from.
    pub channel: Option<String>,
    /// Age in days from which a day counts.
    pub maturity_lag_days: u32,
    /// What it counts.
    pub metrics: Vec<MetricId>,
    /// Those of them that may be fractions: modelled by the vendor, or one act shared among several clicks.
    pub fractional: Vec<MetricId>,
    /// Whether the schedule pulls it; otherwise a person imports files into it.
    pub scheduled: bool,
    /// Keys and patterns that are none of this experiment's business: other experiments' arms claim them, or the user set
    /// them aside. Neither an arm's nor unmapped.
    pub set_aside: BTreeSet<String>,
    /// Up to this day, that it shows less than before is known and meant.
    pub accept_shrink: Option<NaiveDate>,
}

/// Successes per exposures, from two metrics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// Its name, as in `[experiment.X.rate.NAME]`.
    pub name: String,
    /// What people did.
    pub numerator: MetricId,
    /// What they could have done it on.
    pub denominator: MetricId,
}

/// How day-to-day noise is paid for (statistics.md section 3).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dispersion {
    /// Estimated, allowing for shocks that persist over days.
    Auto,
    /// Estimated, for days known to be independent.
    Independent,
    /// None: every visitor counts in full.
    None,
    /// A known long-run dispersion, at least 1.
    Known(f64),
}

/// Whether the once-a-day overshoot is corrected for (statistics.md section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Boundary {
    /// Siegmund's correction for a boundary looked at once a day.
    Daily,
    /// No correction.
    Strict,
}

/// How several arms share the error (statistics.md section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Multiplicity {
    /// alpha ÷ number of arms.
    Bonferroni,
    /// alpha for each arm.
    None,
}

/// Which question decides (statistics.md section 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Model {
    /// Acts per visitor, bars as shares.
    #[default]
    Rate,
    /// What an act costs, bars as money per act: the build bar is the smaller.
    Cpa,
    /// A version's rate ÷ the control's, bars as ratios.
    Compare,
}

impl Model {
    /// Whether it is the one that policies do not name. By reference, as serde asks it.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the form serde's skip_serializing_if asks for")]
    fn is_rate(&self) -> bool {
        *self == Self::Rate
    }
}

/// How traffic is meant to be split, where the split is ours (statistics.md section 10).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Srm {
    /// Each arm's share, positive and together 1.
    pub expected: BTreeMap<ArmId, f64>,
    /// Chance of a false alarm.
    pub alpha: f64,
    /// How close to the shares a fault is looked for.
    pub concentration: f64,
}

/// Which side of a guardrail is harm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Harm above.
    Max(f64),
    /// Harm below.
    Min(f64),
}

/// A limit that must hold for BUILD.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Guardrail {
    /// Its name.
    pub name: String,
    /// What is limited…
    pub numerator: MetricId,
    /// …per what.
    pub denominator: MetricId,
    /// The limit.
    pub limit: Limit,
    /// How far beyond the limit harm begins, as a share: 0.25.
    pub margin: f64,
}

/// What would convince us, fixed before the start. Its fingerprint stands on every verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// The rate that decides.
    pub primary: Rate,
    /// Break-even: a share, units of a currency per act, or a ratio, as the model asks.
    pub kill_bar: f64,
    /// Worth finding, likewise.
    pub build_bar: f64,
    /// Chance of BUILD at or below the kill bar.
    pub alpha: f64,
    /// Chance of KILL at or above the build bar.
    pub beta: f64,
    /// Active settled days before any verdict.
    pub min_days: u32,
    /// Exposures per arm before any verdict.
    pub min_exposures: u64,
    /// Acts per arm before BUILD.
    pub min_conversions: u64,
    /// Age in days from which a day counts: the largest among the sources of the primary rate.
    pub maturity_lag_days: u32,
    /// Active settled days after which the test is at its cap.
    pub horizon_days: u32,
    /// Settled spend after which the test is at its cap, for the concept, split equally among arms.
    pub budget_cap: Option<Money>,
    /// How day noise is paid for.
    pub dispersion: Dispersion,
    /// Correction for looking once a day.
    pub boundary: Boundary,
    /// How arms share alpha.
    pub multiplicity: Multiplicity,
    /// Limits that must hold for BUILD.
    pub guardrails: Vec<Guardrail>,
    /// Error rate of a guardrail's breach.
    pub guardrail_alpha: f64,
    /// Which question decides.
    // Left out of the fingerprint where it is the one policies had before there were others; so are the next two.
    #[serde(default, skip_serializing_if = "Model::is_rate")]
    pub model: Model,
    /// What the bars are in, where they are money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bar_currency: Option<Currency>,
    /// The split to watch, where it is ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub srm: Option<Srm>,
}

/// `[experiment.KEY.money]`: what the user says building would cost and bring (product.md section 5).
#[derive(Clone, Debug, PartialEq, Default)]
pub struct MoneyInputs {
    /// What the team costs a week.
    pub team_cost_per_week: Option<Money>,
    /// How many weeks it would build.
    pub build_weeks: Option<f64>,
    /// Gross profit over the horizon if it sells.
    pub gross_profit: Option<Money>,
    /// Chance that it sells, before the test.
    pub chance_it_sells: Option<f64>,
    /// What the test costs.
    pub test_cost: Option<Money>,
    /// What happens without a test.
    pub habit: Option<Habit>,
    /// What a customer pays a month.
    pub price_per_month: Option<Money>,
    /// Share of it that is gross profit.
    pub gross_margin: Option<f64>,
    /// Share of customers lost a month.
    pub monthly_churn: Option<f64>,
    /// Share of acts that become paying customers.
    pub signup_to_paid: Option<f64>,
    /// What a landing visitor costs.
    pub cost_per_visitor: Option<Money>,
}

/// What a company does with an idea it does not test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Habit {
    /// "We would build it anyway."
    Build,
    /// Leave it.
    Leave,
}

/// A customer is never counted on for longer (product.md section 3).
const LONGEST_LIFETIME_MONTHS: f64 = 60.0;

/// Chance that an untested idea sells, until the company has ten verdicts of its own (product.md section 5).
const DEFAULT_CHANCE_IT_SELLS: f64 = 0.20;

impl MoneyInputs {
    /// Cost of an unvalidated feature: weekly team cost × weeks.
    pub fn build_cost(&self) -> Option<Money> {
        self.team_cost_per_week?.times(self.build_weeks?)
    }

    /// LTV: price × gross margin ÷ monthly churn, churn never 0, at most 60 months.
    pub fn lifetime_value(&self) -> Option<Money> {
        let churn = self.monthly_churn.filter(|&churn| churn > 0.0)?;
        self.price_per_month?.times(self.gross_margin? * (1.0 / churn).min(LONGEST_LIFETIME_MONTHS))
    }

    /// What one act may cost: LTV ÷ 3 × conversion-to-paid.
    pub fn allowed_cost_per_act(&self) -> Option<Money> {
        self.lifetime_value()?.times(self.signup_to_paid? / 3.0)
    }

    /// Value of information of a test with these error rates (product.md section 5), taking
    /// `1 − beta` as the chance of BUILD if it sells and `alpha` if it does not. May be negative.
    pub fn value_of_information(&self, alpha: f64, beta: f64) -> Option<Money> {
        let (cost, profit) = (self.build_cost()?, self.gross_profit?);
        if cost.currency != profit.currency {
            return None;
        }
        let chance = self.chance_it_sells.unwrap_or(DEFAULT_CHANCE_IT_SELLS);
        let (c, v) = (millionths::to_f64(cost.micros), millionths::to_f64(profit.micros));
        let blind = match self.habit {
            Some(Habit::Build) => chance * v - c,
            Some(Habit::Leave) | None => (chance * v - c).max(0.0),
        };
        let tested = chance * (1.0 - beta) * (v - c) - (1.0 - chance) * alpha * c;
        Money { micros: millionths::ONE, currency: cost.currency }.times(tested - blind)
    }

    /// Spend cap unless set: the smaller of 10 % of the build cost and half the value of information.
    /// `None` without a build cost, or where a test is worth nothing.
    pub fn spend_cap(&self, alpha: f64, beta: f64) -> Option<Money> {
        let tenth = self.build_cost()?.times(0.1)?;
        let half = match self.value_of_information(alpha, beta) {
            Some(value) => value.times(0.5)?,
            None => tenth,
        };
        (half.micros > 0).then_some(if half.micros < tenth.micros { half } else { tenth })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::{Currency, parse_amount};

    fn usd(text: &str) -> Option<Money> {
        Currency::from_code("USD").map(|dollar| parse_amount(text, dollar).unwrap())
    }

    #[test]
    fn the_worked_example_of_product_section_8() {
        let inputs = MoneyInputs {
            team_cost_per_week: usd("7800"),
            build_weeks: Some(6.0),
            gross_profit: usd("150000"),
            chance_it_sells: Some(0.30),
            price_per_month: usd("79"),
            gross_margin: Some(0.80),
            monthly_churn: Some(0.03),
            signup_to_paid: Some(0.12),
            ..MoneyInputs::default()
        };
        assert_eq!(inputs.build_cost(), usd("46800"));
        assert_eq!(inputs.lifetime_value().unwrap().to_string(), "$2,107");
        assert_eq!(inputs.allowed_cost_per_act().unwrap().to_string(), "$84.27");
        // 0.30 · 0.80 · 103,200 − 0.70 · 0.05 · 46,800 = 23,130
        assert_eq!(inputs.value_of_information(0.05, 0.20).unwrap().to_string(), "$23,130");
        assert_eq!(inputs.spend_cap(0.05, 0.20), usd("4680"));
        let anyway = MoneyInputs { habit: Some(Habit::Build), ..inputs };
        assert_eq!(anyway.value_of_information(0.05, 0.20).unwrap().to_string(), "$24,930");
    }

    #[test]
    fn churn_of_nothing_has_no_lifetime_value_and_a_small_one_is_capped() {
        let inputs = MoneyInputs {
            price_per_month: usd("10"),
            gross_margin: Some(1.0),
            monthly_churn: Some(0.0),
            ..MoneyInputs::default()
        };
        assert_eq!(inputs.lifetime_value(), None);
        let loyal = MoneyInputs { monthly_churn: Some(0.001), ..inputs };
        assert_eq!(loyal.lifetime_value(), usd("600"));
    }
}
