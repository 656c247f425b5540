//! What building would cost and bring, and what follows from it before any data: bars, the value of a test, the
//! most it may cost (product.md sections 3 and 5). Amounts are integer millionths; floats are only factors of
//! them. What follows with data is `decide/money.rs`.

use serde::{Deserialize, Serialize};

use super::money::Money;

/// `[experiment.KEY.money]`: what the user says building would cost and bring (product.md section 5). All amounts are in
/// one currency; formulas give `None` where an input is missing or, unchecked, in another currency.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MoneyInputs {
    /// What the team costs a week.
    pub team_cost_per_week: Option<Money>,
    /// How many weeks it would build.
    pub build_weeks: Option<f64>,
    /// Features like this one that are built in a year without a test.
    pub features_per_year: Option<f64>,
    /// Share of them that fails.
    pub share_failing: Option<f64>,
    /// Chance that this one would have been built without a test.
    pub chance_it_would_be_built: Option<f64>,
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
pub const LONGEST_LIFETIME_MONTHS: f64 = 60.0;

/// Chance that an untested idea sells, until the company has ten verdicts of its own (product.md section 5).
pub const DEFAULT_CHANCE_IT_SELLS: f64 = 0.20;

impl MoneyInputs {
    /// Every amount that is given.
    pub fn amounts(&self) -> impl Iterator<Item = Money> {
        [self.team_cost_per_week, self.gross_profit, self.test_cost, self.price_per_month, self.cost_per_visitor]
            .into_iter()
            .flatten()
    }

    /// Cost of an unvalidated feature, C: weekly team cost × weeks.
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

    /// Break-even as a rate: cost per visitor ÷ what one act may cost.
    pub fn kill_bar(&self) -> Option<f64> {
        self.cost_per_visitor?.over(self.allowed_cost_per_act()?)
    }

    /// π: chance that it sells before the test, the default where none is given.
    pub fn prior(&self) -> f64 {
        self.chance_it_sells.unwrap_or(DEFAULT_CHANCE_IT_SELLS)
    }

    /// What building brings if it sells: V − C.
    pub fn gain(&self) -> Option<Money> {
        self.gross_profit?.minus(self.build_cost()?).ok()
    }

    /// What building without a test is worth: π·V − C. May be negative.
    pub fn built_blind(&self) -> Option<Money> {
        self.gross_profit?.times(self.prior())?.minus(self.build_cost()?).ok()
    }

    /// Expected value without a test: that of the declared habit, else the better of building blind and leaving it (0).
    pub fn without_test(&self) -> Option<Money> {
        let built = self.built_blind()?;
        Some(match self.habit {
            Some(Habit::Build) => built,
            Some(Habit::Leave) => Money { micros: 0, ..built },
            None => Money { micros: built.micros.max(0), ..built },
        })
    }

    /// What following a test is worth before its own cost: π·s·(V − C) − (1 − π)·f·C, with `beta = 1 − s` the chance
    /// that it does not say BUILD if it sells, and `alpha = f` that it does if it does not.
    pub fn following_a_test(&self, alpha: f64, beta: f64) -> Option<Money> {
        let chance = self.prior();
        let won = self.gain()?.times(chance * (1.0 - beta))?;
        won.minus(self.build_cost()?.times((1.0 - chance) * alpha)?).ok()
    }

    /// Value of information of such a test: what following it is worth beyond doing without. May be negative.
    pub fn value_of_information(&self, alpha: f64, beta: f64) -> Option<Money> {
        self.following_a_test(alpha, beta)?.minus(self.without_test()?).ok()
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

    fn autopilot() -> MoneyInputs {
        MoneyInputs {
            team_cost_per_week: usd("7800"),
            build_weeks: Some(6.0),
            gross_profit: usd("150000"),
            chance_it_sells: Some(0.30),
            price_per_month: usd("79"),
            gross_margin: Some(0.80),
            monthly_churn: Some(0.03),
            signup_to_paid: Some(0.12),
            cost_per_visitor: usd("2.55"),
            ..MoneyInputs::default()
        }
    }

    #[test]
    fn the_worked_example_of_product_section_8() {
        let inputs = autopilot();
        assert_eq!(inputs.build_cost(), usd("46800"));
        assert_eq!(inputs.lifetime_value(), usd("2106.666667"));
        assert_eq!(inputs.allowed_cost_per_act(), usd("84.266667"));
        assert!((inputs.kill_bar().unwrap() - 0.0303).abs() < 0.0001, "3.0 %");
        assert_eq!((inputs.built_blind(), inputs.without_test()), (usd("-1800"), usd("0")));
        assert_eq!(inputs.value_of_information(0.05, 0.20), usd("23130"));
        assert_eq!(inputs.spend_cap(0.05, 0.20), usd("4680"));
        let anyway = MoneyInputs { habit: Some(Habit::Build), ..inputs };
        assert_eq!((anyway.without_test(), anyway.value_of_information(0.05, 0.20)), (usd("-1800"), usd("24930")));
    }

    #[test]
    fn a_declared_habit_goes_before_the_better_choice() {
        let sure = MoneyInputs { chance_it_sells: Some(0.5), ..autopilot() };
        assert_eq!(sure.without_test(), usd("28200"));
        assert_eq!(MoneyInputs { habit: Some(Habit::Leave), ..sure }.without_test(), usd("0"));
    }

    #[test]
    fn two_currencies_give_no_figure() {
        let euro = Money { currency: Currency::from_code("EUR").unwrap(), micros: 150_000_000_000 };
        let mixed = MoneyInputs { gross_profit: Some(euro), ..autopilot() };
        assert_eq!((mixed.gain(), mixed.built_blind(), mixed.value_of_information(0.05, 0.2)), (None, None, None));
        let mixed = MoneyInputs { cost_per_visitor: Some(euro), ..autopilot() };
        assert_eq!(mixed.kill_bar(), None);
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
