//! What would be lost if concepts that nobody has tested to the end were built, the largest first.

use chrono::NaiveDate;
use maud::{Markup, html};
use serde::Serialize;

use crate::decide::figures;
use crate::domain::concept::Experiment;
use crate::domain::money::Money;
use crate::domain::verdict::Verdict;
use crate::web::moment::{Moment, Standing};
use crate::web::urgency::days_of;

/// Most of them that are listed.
const LISTED: usize = 6;

/// One concept's risk.
#[derive(Debug, Serialize)]
pub struct Risk {
    title: String,
    /// Build cost × chance that it fails.
    expected_loss: Money,
    build_cost: Money,
    chance_of_failing: f64,
    /// Whether it is being tested.
    is_tested: bool,
    state: String,
}

/// The risks that are open, the largest first; those in the currency of the largest one.
pub fn risks(moment: &Moment) -> Vec<Risk> {
    let mut risks: Vec<Risk> = moment
        .concepts()
        .filter_map(|(experiment, standing)| risk(experiment, standing, moment.today(experiment)))
        .collect();
    risks.sort_by_key(|risk| std::cmp::Reverse(risk.expected_loss.micros));
    if let Some(currency) = risks.first().map(|first| first.expected_loss.currency) {
        risks.retain(|risk| risk.expected_loss.currency == currency);
    }
    risks.truncate(LISTED);
    risks
}

fn risk(experiment: &Experiment, standing: &Standing, today: NaiveDate) -> Option<Risk> {
    let inputs = &experiment.money;
    let build_cost = inputs.build_cost()?;
    let chance_of_failing = 1.0 - inputs.prior();
    let (is_tested, state) = match standing.card() {
        None if experiment.start > today => {
            let cap =
                experiment.policy.budget_cap.map_or_else(String::new, |cap| format!(", for at most {}", cap.as_set()));
            (false, format!("Not tested yet. A test begins on {}{cap}", figures::day(experiment.start, today)))
        }
        None => (false, "Not tested yet: no verdict so far".to_owned()),
        Some(card) => match card.verdict {
            Verdict::Build | Verdict::Kill => return None,
            Verdict::Blocked => (true, "Test blocked".to_owned()),
            Verdict::Review if standing.decided().is_some() => return None,
            Verdict::Review => (true, "Tested to its end, not decided".to_owned()),
            Verdict::Collecting => (true, format!("Being tested, day {}", days_of(card))),
        },
    };
    let title = experiment.concept.title.clone();
    Some(Risk {
        title,
        expected_loss: build_cost.times(chance_of_failing)?,
        build_cost,
        chance_of_failing,
        is_tested,
        state,
    })
}

/// The section.
pub fn drawn(risks: &[Risk]) -> Markup {
    let Some(first) = risks.first() else { return html! {} };
    let largest = risks.iter().find(|risk| !risk.is_tested).unwrap_or(first);
    let width = |risk: &Risk| format!("{:.1}", 320.0 * risk.expected_loss.over(first.expected_loss).unwrap_or(0.0));
    html! {
        section.section aria-labelledby="risk" {
            h2 id="risk" { "Biggest " @if largest.is_tested { "open" } @else { "untested" } " risk: " (largest.title) ", " (largest.expected_loss) }
            p.sub {
                "Build cost times the chance that it fails, as set for each concept, else 80%."
                @if risks.iter().any(|risk| !risk.is_tested) { " The strong bars are not being tested." }
            }
            table.stack.bars {
                thead { tr {
                    th scope="col" { "Concept" }
                    th scope="col" { "Cost at risk" }
                    th.right scope="col" { "Build cost × chance of failure" }
                    th scope="col" { "State" }
                } }
                tbody {
                    @for risk in risks {
                        tr {
                            th scope="row" { (risk.title) }
                            td {
                                svg.amount viewBox="0 0 320 20" preserveAspectRatio="none" aria-hidden="true" {
                                    rect.open[!risk.is_tested] width=(width(risk)) height="20" {}
                                }
                            }
                            td.right {
                                b { (risk.expected_loss) }
                                div.small { (risk.build_cost) " × " (figures::share(risk.chance_of_failing)) }
                            }
                            td { (risk.state) }
                        }
                    }
                }
            }
        }
    }
}
