//! The money of a concept, the most certain first: each sum with what belongs beside it. What is forecast stands with its worst case. How
//! each opens to its formula is `decide::account`'s.

use serde::Serialize;

use super::Concept;
use crate::decide::account::Figure;
use crate::decide::{explain, figures, money};
use crate::domain::concept::Model;
use crate::domain::money::Money;

/// One sum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Sum {
    /// What it is.
    pub name: String,
    /// How much.
    pub value: String,
    /// What belongs beside it: a share of the cap, the worst case.
    pub beside: String,
}

/// Those there are inputs for.
pub fn sums(concept: &Concept) -> Vec<Sum> {
    let (experiment, card) = (concept.experiment(), concept.card());
    let inputs = &experiment.money;
    let figure = |name: &str| concept.derivation.money.iter().find(|figure: &&Figure| figure.name == name);
    let mut sums = Vec::new();
    let mut add = |name: &str, value: String, beside: String| sums.push(Sum { name: name.to_owned(), value, beside });
    if let Some(spend) = card.spend {
        match explain::caps(experiment, card).1 {
            Some(cap) => {
                let share = spend.over(cap).map_or_else(String::new, figures::share);
                add("Spent on the test, of the cap", format!("{spend} of {}", cap.as_set()), share);
            }
            None => add("Spent on the test", spend.to_string(), String::new()),
        }
    }
    for after in ["Spent after the verdict", "Spent after the REVIEW"].into_iter().filter_map(figure) {
        add(&after.name, after.result.clone(), String::new());
    }
    if let (Some(cost), Some(weeks), Some(week)) = (inputs.build_cost(), inputs.build_weeks, inputs.team_cost_per_week)
    {
        let weeks = format!("{weeks:.1}");
        let how = format!("{} weeks at {}", weeks.trim_end_matches(".0"), week.as_set());
        add("Build at stake", cost.to_string(), how);
    }
    if let Some(avoided) = figure("Expected build cost avoided") {
        add("Expected build cost avoided", format!("up to {}", avoided.result), "expected, not certain".to_owned());
    }
    if let (Some(without), Some(with)) = (figure("Worth without a test"), figure("Worth with the test")) {
        add("Expected value with the test", with.result.clone(), format!("without it {}", without.result));
    }
    if let Some(value) = figure("Value of the answer") {
        add("Value of the answer, before the test", value.result.clone(), String::new());
    }
    let worst = worst_cost_per_act(concept);
    let worst_case = |text: Option<String>| text.map_or_else(String::new, |text| format!("worst case {text}"));
    let worst_acquisition = worst.and_then(|worst| money::acquisition_cost(inputs, worst));
    if let Some(cost) = figure("Cost of winning a customer, implied") {
        add(
            "Acquisition cost, implied",
            cost.result.clone(),
            worst_case(worst_acquisition.map(|worst| worst.to_string())),
        );
    }
    if let Some(ratio) = figure("Value over cost of a customer") {
        let worst = worst_acquisition.and_then(|worst| money::lifetime_ratio(inputs, worst));
        add(
            "Lifetime value to acquisition cost",
            ratio.result.clone(),
            worst_case(worst.map(|worst| format!("{worst:.1}"))),
        );
    }
    if let Some(months) = figure("Paid back after") {
        let worst = worst_acquisition.and_then(|worst| money::payback_months(inputs, worst));
        add("Paid back after", months.result.clone(), worst_case(worst.map(|worst| format!("{worst:.1} months"))));
    }
    sums
}

/// What each act costs at the worst end of the range, of one version under a rate.
fn worst_cost_per_act(concept: &Concept) -> Option<Money> {
    let card = concept.card();
    let [arm] = &card.arms[..] else { return None };
    let (low, _) = explain::ends(&arm.evidence).filter(|_| concept.experiment().policy.model == Model::Rate)?;
    let rate = arm.evidence.estimate.filter(|_| low > 0.0)?;
    money::cost_per_act(&card.arms)?.times(rate / low)
}

/// What the sums take for granted, in one line.
pub fn assumptions(concept: &Concept) -> Option<String> {
    let inputs = &concept.experiment().money;
    let mut said = Vec::new();
    let share = |value: f64| figures::bar(value).replace(".0%", "%");
    if let Some(profit) = inputs.gross_profit {
        said.push(format!("{} chance to sell, {} gross profit if it does", share(inputs.prior()), profit.as_set()));
    }
    said.extend(inputs.signup_to_paid.map(|paid| format!("{} become customers", share(paid))));
    said.extend(inputs.monthly_churn.map(|churn| format!("{} monthly churn", share(churn))));
    said.extend(inputs.gross_margin.map(|margin| format!("{} margin", share(margin))));
    (!said.is_empty()).then(|| format!("Assumes {}.", said.join(", ")))
}
