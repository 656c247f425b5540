//! Every money figure opened: its formula in words, each number in it with where it comes from (a line of the
//! configuration, or settled days and rows), and what comes out. The arithmetic is `money` and the inputs' own.

use chrono::NaiveDate;
use serde::Serialize;

use super::keys::ArmKeys;
use super::money;
use super::tally::{Tally, last_known};
use super::{explain, figures, measure, message};
use crate::domain::concept::{Experiment, Habit, Model, MoneyInputs, Source};
use crate::domain::economics::LONGEST_LIFETIME_MONTHS;
use crate::domain::metric::MetricId;
use crate::domain::money::Money;
use crate::domain::observation::Inputs;
use crate::domain::verdict::{Scorecard, Verdict};

/// One figure and the way to it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Figure {
    /// What it is called.
    pub name: String,
    /// The formula in words.
    pub formula: String,
    /// Every number that goes in.
    pub inputs: Vec<Term>,
    /// What comes out, as printed.
    pub result: String,
    /// The same exactly, where it is an amount.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
}

/// A number of a formula.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Term {
    /// What it is.
    pub name: &'static str,
    /// How much.
    pub value: String,
    /// Where it stands: a line of the configuration, settled days and rows, or another figure.
    pub from: String,
}

impl Figure {
    fn amount(name: impl Into<String>, formula: impl Into<String>, inputs: Vec<Term>, amount: Money) -> Self {
        Self { name: name.into(), formula: formula.into(), inputs, result: amount.to_string(), amount: Some(amount) }
    }

    fn number(name: impl Into<String>, formula: impl Into<String>, inputs: Vec<Term>, result: String) -> Self {
        Self { name: name.into(), formula: formula.into(), inputs, result, amount: None }
    }

    /// `Build cost: $46,800 = weekly team cost × weeks. Weekly team cost $7,800 (money.team_cost_per_week), …`
    pub fn line(&self) -> String {
        // What one number says is not said twice.
        if let [only] = &self.inputs[..]
            && only.value == self.result
        {
            return format!("{}: {} = {} ({}).", self.name, self.result, self.formula, only.from);
        }
        let terms: Vec<String> =
            self.inputs.iter().map(|term| format!("{} {} ({})", term.name, term.value, term.from)).collect();
        format!("{}: {} = {}. {}.", self.name, self.result, self.formula, figures::capital(&terms.join("; ")))
    }
}

/// Every figure there are inputs for, those of the data first. `data` is what the scorecard was decided on.
pub fn figures(experiment: &Experiment, data: &Inputs, tally: &Tally<'_>, card: &Scorecard) -> Vec<Figure> {
    let calendar = &tally.calendar;
    let told = money::told_until(experiment, data, calendar);
    let rows = |first, last| rows(experiment, data, (first, last), told, explain::today(experiment, card));
    let young = calendar.last_settled.succ_opt().zip(calendar.days);
    let young = young.map(|(first, all)| (first.max(all.first()), all.last()));
    let sheet = Sheet {
        experiment,
        card,
        money: &experiment.money,
        days: format!("settled days {}{}", rows(calendar.first, calendar.last_settled), of_no_count(tally)),
        unsettled: money::unsettled(tally).zip(young.map(|(first, last)| rows(first, last))),
    };
    [sheet.of_the_data(), sheet.of_a_customer(), sheet.of_the_build(), sheet.of_the_test(), sheet.of_the_verdict()]
        .into_iter()
        .flatten()
        .collect()
}

/// Where the spend of some days comes from: `Mon 2 Mar to Sun 15 Mar, 28 rows of source "ads"`. Days that no source has told
/// of yet are not among them.
fn rows(
    experiment: &Experiment,
    data: &Inputs,
    (first, last): (NaiveDate, NaiveDate),
    told: Option<NaiveDate>,
    today: NaiveDate,
) -> String {
    let keys = ArmKeys::of(&experiment.arms, &experiment.sources);
    let counts = |source: &&Source| source.metrics.contains(&MetricId::SPEND);
    let rows = experiment.sources.iter().filter(counts).map(|source| {
        let rows = last_known(data).into_iter().filter(|row| {
            let is_among = first <= row.day && row.day <= last;
            is_among && row.source == source.id && keys.arm(&row.source, &row.arm_key).is_some()
        });
        let rows = rows.count();
        format!("{rows} {} of source {}", if rows == 1 { "row" } else { "rows" }, figures::quoted(&source.id))
    });
    let rows = figures::list(&rows.collect::<Vec<_>>());
    let until = money::known_until(experiment, data, [first, last], told);
    format!("{} to {}, {rows}", figures::day(first, today), figures::day(until, today))
}

/// What of the settled spend is of days that count for nothing, because a source was not read, or they are set aside.
fn of_no_count(tally: &Tally<'_>) -> String {
    let settled = tally.arms.iter().flat_map(|(_, days)| tally.settled(days));
    let spend = tally.money(settled.filter(|day| !day.covered).map(|day| day.spend).sum());
    let spend = spend.filter(|spend| spend.micros > 0);
    spend.map_or_else(String::new, |spend| {
        format!("; {spend} of it on days that are left out or not fully read yet, see the list of days")
    })
}

/// `settled days, from source "form"`: who counts a metric.
fn settled_days(experiment: &Experiment, metric: MetricId) -> String {
    let counting = experiment.sources.iter().filter(|source| source.metrics.contains(&metric));
    format!("settled days, from {}", figures::sources(counting.map(|source| &source.id)))
}

struct Sheet<'a> {
    experiment: &'a Experiment,
    card: &'a Scorecard,
    money: &'a MoneyInputs,
    days: String,
    unsettled: Option<(Money, String)>,
}

#[expect(clippy::needless_pass_by_value, reason = "values are made where they are named")]
fn term(name: &'static str, value: impl ToString, from: impl Into<String>) -> Term {
    Term { name, value: value.to_string(), from: from.into() }
}

/// A line of `[experiment.KEY.money]`.
fn given(name: &'static str, value: impl ToString, key: &str) -> Term {
    term(name, value, format!("money.{key}"))
}

/// What another figure says.
fn above(name: &'static str, value: impl ToString) -> Term {
    term(name, value, "above")
}

/// A factor of the configuration: at most four decimals, none for show.
fn plain(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A share as its owner set it: `12%`, `2.5%`.
fn percent(share: f64) -> String {
    format!("{}%", plain(share * 100.0))
}

impl Sheet<'_> {
    fn chance(&self) -> Term {
        let from = if self.money.chance_it_sells.is_some() { "money.chance_it_sells" } else { "default" };
        term("chance that it sells", percent(self.money.prior()), from)
    }

    fn cost_per_act(&self) -> Option<Money> {
        money::cost_per_act(&self.card.arms).filter(|_| self.card.verdict != Verdict::Blocked)
    }

    fn of_the_data(&self) -> Vec<Figure> {
        let mut figures = Vec::new();
        let Some(spend) = self.card.spend else { return figures };
        figures.push(Figure::amount(
            "Spent",
            format!(
                "what the ads of all versions cost{}",
                if message::is_partial(self.card) { ", as far as known" } else { "" }
            ),
            vec![term("cost", spend, self.days.clone())],
            spend,
        ));
        if let Some((young, days)) = &self.unsettled {
            figures.push(Figure::amount(
                "Spent since",
                "the same on days that have not settled yet",
                vec![term("cost", young, days.clone())],
                *young,
            ));
        }
        let acts: f64 = self.card.arms.iter().map(|arm| arm.evidence.successes).sum();
        let trials: f64 = self.card.arms.iter().map(|arm| arm.evidence.trials).sum();
        let on_acts = self.cost_per_act().and_then(|cost| Some((cost, cost.times(acts)?)));
        let Some((cost, paid)) = on_acts else { return figures };
        let rate = &self.experiment.policy.primary;
        let noun = rate.numerator.metric().noun;
        let acts =
            term("counted", figures::counted(acts, rate.numerator), settled_days(self.experiment, rate.numerator));
        let paid_term = term("cost of the tested versions", paid, settled_days(self.experiment, MetricId::SPEND));
        figures.push(Figure::amount(
            format!("Cost per {noun}"),
            format!("cost of the tested versions ÷ {}", figures::many(rate.numerator)),
            vec![paid_term.clone(), acts],
            cost,
        ));
        // What is decided of one version costs what that one does.
        for arm in self.card.arms.iter().filter(|_| self.card.arms.len() > 1) {
            let own = arm.cost_per_act.and_then(|cost| Some((cost, cost.times(arm.evidence.successes)?)));
            let Some((cost, paid)) = own else { continue };
            let acts = figures::counted(arm.evidence.successes, rate.numerator);
            let terms = vec![
                term("its cost", paid, settled_days(self.experiment, MetricId::SPEND)),
                term("its count", acts, settled_days(self.experiment, rate.numerator)),
            ];
            figures.push(Figure::amount(
                format!("Cost per {noun} of {}", explain::name(self.experiment, &arm.arm)),
                format!("its cost ÷ its {}", figures::many(rate.numerator)),
                terms,
                cost,
            ));
        }
        // The range of the rate at the observed cost per visitor; only of one version is there one range.
        if let ([arm], Some(visitor)) = (&self.card.arms[..], paid.times(1.0 / trials))
            && self.experiment.policy.model == Model::Rate
            // A limit on this cost has a range of its own, which stands with it: two of one thing would puzzle.
            && !self.experiment.policy.guardrails.iter().any(|rail| message::is_cost(self.experiment, rail))
            && let Some((low, high)) = explain::ends(&arm.evidence)
        {
            let end = |rate: f64| if rate > 0.0 { visitor.times(1.0 / rate) } else { None };
            let result = match (end(high), end(low)) {
                (Some(least), Some(most)) => format!("{least} to {most}"),
                (Some(least), None) => format!("{least} or more"),
                (None, _) => return figures,
            };
            let bars = [self.experiment.policy.kill_bar, self.experiment.policy.build_bar];
            figures.push(Figure::number(
                format!("Range of the cost per {noun}"),
                format!("cost of the tested versions ÷ {} ÷ range of the rate", figures::many(rate.denominator)),
                vec![
                    paid_term,
                    term(
                        "counted",
                        figures::counted(trials, rate.denominator),
                        settled_days(self.experiment, rate.denominator),
                    ),
                    term("range of the rate", figures::range(low, high, &bars), "what was seen, above"),
                ],
                result,
            ));
        }
        figures
    }

    fn of_a_customer(&self) -> Vec<Figure> {
        let inputs = self.money;
        let noun = self.experiment.policy.primary.numerator.metric().noun;
        let mut figures = Vec::new();
        let lifetime = inputs.lifetime_value();
        if let (Some(value), Some(price), Some(margin), Some(churn)) =
            (lifetime, inputs.price_per_month, inputs.gross_margin, inputs.monthly_churn)
        {
            let formula = if 1.0 / churn > LONGEST_LIFETIME_MONTHS {
                "price × gross margin × 60 months, the longest a customer is counted on"
            } else {
                "price × gross margin ÷ monthly churn"
            };
            let terms = vec![
                given("price", price.as_set(), "price_per_month"),
                given("gross margin", percent(margin), "gross_margin"),
                given("monthly churn", percent(churn), "monthly_churn"),
            ];
            figures.push(Figure::amount("Lifetime value of a customer", formula, terms, value));
        }
        if let (Some(value), Some(allowed), Some(paid)) =
            (lifetime, inputs.allowed_cost_per_act(), inputs.signup_to_paid)
        {
            let terms = vec![
                above("lifetime value", value),
                given("share that becomes customers", percent(paid), "signup_to_paid"),
            ];
            let formula = "lifetime value ÷ 3 × share that becomes customers";
            figures.push(Figure::amount(format!("Allowed cost per {noun}"), formula, terms, allowed));
            if let (Some(bar), Some(visitor)) = (inputs.kill_bar(), inputs.cost_per_visitor) {
                let terms = vec![
                    given("cost per visitor", visitor.as_set(), "cost_per_visitor"),
                    above("allowed cost", allowed),
                ];
                let formula = "planned cost per visitor ÷ allowed cost";
                figures.push(Figure::number("Break-even by these inputs", formula, terms, figures::bar_about(bar)));
            }
        }
        let acquisition = self.cost_per_act().and_then(|act| Some((act, money::acquisition_cost(inputs, act)?)));
        if let (Some((act, acquisition)), Some(paid)) = (acquisition, inputs.signup_to_paid) {
            let terms = vec![
                above("cost of each", act),
                given("share that becomes customers", percent(paid), "signup_to_paid"),
            ];
            let formula = "cost of each ÷ share that becomes customers";
            figures.push(Figure::amount("Cost of winning a customer, implied", formula, terms, acquisition));
            if let (Some(ratio), Some(value)) = (money::lifetime_ratio(inputs, acquisition), lifetime) {
                let terms = vec![above("lifetime value", value), above("cost of winning one", acquisition)];
                let formula = "lifetime value ÷ cost of winning a customer";
                figures.push(Figure::number("Value over cost of a customer", formula, terms, format!("{ratio:.1}")));
            }
            if let (Some(months), Some(price), Some(margin)) =
                (money::payback_months(inputs, acquisition), inputs.price_per_month, inputs.gross_margin)
            {
                let terms = vec![
                    above("cost of winning one", acquisition),
                    given("price", price.as_set(), "price_per_month"),
                    given("gross margin", percent(margin), "gross_margin"),
                ];
                let formula = "cost of winning a customer ÷ (price × gross margin)";
                figures.push(Figure::number("Paid back after", formula, terms, format!("{months:.1} months")));
            }
        }
        figures
    }

    fn of_the_build(&self) -> Vec<Figure> {
        let inputs = self.money;
        let mut figures = Vec::new();
        let (Some(cost), Some(week), Some(weeks)) =
            (inputs.build_cost(), inputs.team_cost_per_week, inputs.build_weeks)
        else {
            return figures;
        };
        let terms = vec![
            given("weekly team cost", week.as_set(), "team_cost_per_week"),
            given("weeks", plain(weeks), "build_weeks"),
        ];
        figures.push(Figure::amount("Build cost", "weekly team cost × weeks", terms, cost));
        if let (Some([expected, most]), Some(features)) = (money::annual_waste(inputs), inputs.features_per_year) {
            let from = if inputs.share_failing.is_some() { "money.share_failing" } else { "default" };
            let terms = |share| {
                vec![
                    above("build cost", cost),
                    given("features a year", plain(features), "features_per_year"),
                    term("share that fails", percent(share), if share < 1.0 { from } else { "the most there can be" }),
                ]
            };
            let formula = "build cost × features built a year without a test × share that fails";
            let share = money::share_failing(inputs);
            figures.push(Figure::amount("Wasted in a year", formula, terms(share), expected));
            figures.push(Figure::amount("Wasted in a year, at most", formula, terms(1.0), most));
        }
        figures
    }

    fn of_the_test(&self) -> Vec<Figure> {
        let inputs = self.money;
        let policy = &self.experiment.policy;
        let (alpha, beta) = (policy.alpha, policy.beta);
        let mut figures = Vec::new();
        let (Some(cost), Some(profit), Some(gain), Some(without), Some(built)) =
            (inputs.build_cost(), inputs.gross_profit, inputs.gain(), inputs.without_test(), inputs.built_blind())
        else {
            return figures;
        };
        let habit = match inputs.habit {
            Some(Habit::Build) => "chance that it sells × gross profit − build cost, because it would be built anyway",
            Some(Habit::Leave) => "nothing, because it would not be built",
            None => "the better of leaving it (0) and chance that it sells × gross profit − build cost",
        };
        let terms = vec![
            self.chance(),
            given("gross profit if it sells", profit.as_set(), "gross_profit"),
            above("build cost", cost),
            term("which gives", built, "the three before"),
        ];
        figures.push(Figure::amount("Worth without a test", habit, terms, without));
        let odds = || {
            [
                self.chance(),
                term("chance of BUILD if it sells", percent(1.0 - beta), "1 − policy.beta, if the caps let it finish"),
                term("chance of BUILD if it does not", percent(alpha), "policy.alpha"),
                above("build cost", cost),
                term("gross profit less build cost", gain, "money.gross_profit, above"),
            ]
        };
        let spent = inputs.test_cost.map(|cost| (cost, "money.test_cost"));
        let price = spent.or(policy.budget_cap.map(|cap| (cap, "policy.budget_cap, the most it may cost")));
        if let Some((price, from)) = price
            && let Some(with) = money::with_test(inputs, alpha, beta, price)
        {
            let terms = odds().into_iter().chain([term("cost of the test", price.as_set(), from)]).collect();
            let formula = "chance that it sells × chance of BUILD if it sells × (gross profit − build cost) − \
                           chance that it does not × chance of BUILD if it does not × build cost − cost of the test";
            figures.push(Figure::amount("Worth with the test", formula, terms, with));
        }
        if let Some(value) = inputs.value_of_information(alpha, beta) {
            let terms = odds().into_iter().chain([above("worth without a test", without)]).collect();
            let formula = "worth with a test that costs nothing − worth without a test";
            figures.push(Figure::amount("Value of the answer", formula, terms, value));
            if let Some(cap) = inputs.spend_cap(alpha, beta).filter(|cap| Some(*cap) == policy.budget_cap) {
                let terms = vec![above("build cost", cost), above("value of the answer", value)];
                let formula = "the smaller of 10% of the build cost and half the value of the answer";
                figures.push(Figure::amount("Spend cap", formula, terms, cap));
            }
        }
        if inputs.habit == Some(Habit::Build)
            && let Some(avoided) = money::loss_avoided(inputs, alpha, beta)
        {
            let formula = "chance that it does not sell × chance of no BUILD if it does not × build cost − chance \
                           that it sells × chance of no BUILD if it does × (gross profit − build cost)";
            figures.push(Figure::amount("Expected loss a test avoids", formula, odds().into(), avoided));
        }
        figures
    }

    fn of_the_verdict(&self) -> Vec<Figure> {
        let mut figures = Vec::new();
        let today = explain::today(self.experiment, self.card);
        if let Some(after) = self.card.spend_after.as_ref().filter(|after| after.total.micros > 0) {
            let (first, last) = (figures::day(after.since, today), figures::day(after.last_day, today));
            let young = after.total.minus(after.settled).unwrap_or(after.total);
            let (name, spoke) = match self.card.verdict {
                Verdict::Review => ("Spent after the REVIEW", "the REVIEW"),
                _ => ("Spent after the verdict", "the verdict"),
            };
            let mut terms = vec![term("settled days", after.settled, format!("from {first}, the day of {spoke}"))];
            let young_from = self.card.last_settled_day.succ_opt().unwrap_or(after.since).max(after.since);
            let so_far = format!("from {}, and may still change", figures::day(young_from, today));
            terms.extend((young.micros > 0).then(|| term("younger days", young, so_far)));
            let formula = format!("what the ads cost since {spoke}");
            figures.push(Figure::amount(name, formula, terms, after.total));
            if after.on_last_day.micros > 0 {
                let ads = if after.ads == 1 { "ad" } else { "ads" };
                let ads = format!("{last}, by {} {ads}", figures::in_words(after.ads));
                let terms = vec![term("cost", after.on_last_day, ads)];
                let formula = "what the ads cost on the last day known";
                figures.push(Figure::amount("Spent a day lately", formula, terms, after.on_last_day));
            }
        }
        if let Some(booked) = money::booked(self.experiment, self.card, false) {
            let declared = self.money.chance_it_would_be_built.is_some();
            let from = if declared { "money.chance_it_would_be_built" } else { "money.habit" };
            let policy = &self.experiment.policy;
            let [build, kill] = [policy.build_bar, policy.kill_bar].map(|bar| measure::bar(policy, bar));
            let how = format!(
                "assumed: before the test {} that it sells and stands at {build}, else it stands at {kill}; now by how much \
                 better the counts fit {kill}",
                percent(self.money.prior())
            );
            let terms = vec![
                above("build cost", booked.build_cost),
                term("chance that it would have been built", percent(booked.would_be_built), from),
                term("chance that building would have lost", figures::chance(booked.below_the_bar), how),
            ];
            let formula = "build cost × chance that it would have been built × chance, after the data, that building \
                           would have lost; expected, not certain, and nothing if the verdict is overridden";
            figures.push(Figure::amount("Expected build cost avoided", formula, terms, booked.expected));
        }
        figures
    }
}

/// Why money of the ads and of the inputs is not brought together, where that is so.
pub fn two_currencies(experiment: &Experiment, card: &Scorecard) -> Option<String> {
    let ads = card.spend?.currency;
    let inputs = experiment.money.amounts().map(|amount| amount.currency).find(|currency| *currency != ads)?;
    Some({
        format!(
            "The ads are paid in {ads}, the money inputs are in {inputs}: what needs both is left out. Write the \
             inputs in {ads}."
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_and_shares_have_no_digits_for_show() {
        assert_eq!([0.12, 0.025, 0.3, 1.0].map(percent), ["12%", "2.5%", "30%", "100%"]);
        assert_eq!([6.0, 2.5].map(plain), ["6", "2.5"]);
    }
}
