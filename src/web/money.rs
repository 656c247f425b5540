//! Whether testing pays: what tests cost, what verdicts are expected to have saved, what ads went on spending after them. How
//! each figure opens to its formula is `decide::account`'s business.

use std::cmp::Reverse;

use maud::{Markup, html};
use serde::Serialize;

use super::asked::{Asked, Part};
use super::frame::{Page, Place};
use super::moment::{Moment, Standing};
use super::parts;
use super::words;
use crate::decide::figures;
use crate::decide::money::{self, Booked, Totals};
use crate::domain::concept::Experiment;
use crate::domain::money::Money;
use crate::domain::verdict::Verdict;

/// One of the sums.
type Amount = fn(&Totals) -> Money;

/// The page.
#[derive(Debug, Serialize)]
pub struct Ledger {
    said: String,
    totals: Vec<Totals>,
    part: Part,
    rows: Vec<Row>,
    concepts: usize,
    /// Whether any concept says what building would cost.
    has_stakes: bool,
    has_unbooked_kill: bool,
}

/// One concept's money.
#[derive(Debug, Serialize)]
struct Row {
    concept: String,
    title: String,
    verdict: Option<Verdict>,
    spent: Option<Money>,
    build_cost: Option<Money>,
    /// What the test was worth before it ran.
    value: Option<Money>,
    booked: Option<Booked>,
    after: Option<Money>,
    /// What ads still spend.
    running: Option<String>,
}

impl Ledger {
    /// As everything stands.
    pub fn of(moment: &Moment, asked: Asked) -> Self {
        let totals = words::ledger(moment.concepts());
        let spent = |standing: &Standing| standing.card().and_then(|card| card.spend);
        let mut all: Vec<_> = moment.concepts().collect();
        all.sort_by_key(|(_, standing)| {
            let after = spent_after(standing);
            (Reverse(after.is_some()), Reverse(after.or(spent(standing)).map_or(0, |money| money.micros)))
        });
        let part = asked.part(Place::Money.path(), all.len());
        let row = |&(experiment, standing): &(&Experiment, &Standing)| {
            let card = standing.card();
            let inputs = &experiment.money;
            let (alpha, beta) = (experiment.policy.alpha, experiment.policy.beta);
            Row {
                concept: experiment.concept.id.to_string(),
                title: experiment.concept.title.clone(),
                verdict: standing.verdict(),
                spent: spent(standing),
                build_cost: inputs.build_cost(),
                value: inputs.value_of_information(alpha, beta),
                booked: booked(experiment, standing),
                after: spent_after(standing),
                running: card.and_then(|card| money::still_spending(card, moment.today(experiment))),
            }
        };
        let is_unbooked = |&(experiment, standing): &(&Experiment, &Standing)| {
            standing.verdict() == Some(Verdict::Kill)
                && experiment.money.build_cost().is_some()
                && booked(experiment, standing).is_none()
        };
        Self {
            said: said(&totals),
            totals,
            rows: all[part.range()].iter().map(row).collect(),
            part,
            concepts: all.len(),
            has_stakes: all.iter().any(|(experiment, _)| experiment.money.build_cost().is_some()),
            has_unbooked_kill: all.iter().any(is_unbooked),
        }
    }
}

fn spent_after(standing: &Standing) -> Option<Money> {
    standing.card().and_then(|card| Some(card.spend_after.as_ref()?.total)).filter(|after| after.micros > 0)
}

fn booked(experiment: &Experiment, standing: &Standing) -> Option<Booked> {
    standing.card().and_then(|card| money::booked(experiment, card, words::is_overridden(standing)))
}

/// Whether it pays, in one sentence.
fn said(totals: &[Totals]) -> String {
    let said = totals.iter().map(|all| {
        let cost = all.spent;
        if all.avoided.micros == 0 {
            return format!("Testing has cost {cost}; no avoided build cost is booked yet");
        }
        let pays = match all.avoided.minus(cost) {
            Ok(left) if left.micros > 0 => "it pays",
            _ => "it has not paid yet",
        };
        format!("Testing has cost {cost} and is expected to have avoided up to {} of building: {pays}", all.avoided)
    });
    let said: Vec<String> = said.collect();
    if said.is_empty() { "Nothing was spent on tests yet".to_owned() } else { said.join(". ") }
}

impl Page for Ledger {
    fn title(&self) -> String {
        "Is testing paying: money".to_owned()
    }

    fn place(&self) -> Place {
        Place::Money
    }

    fn body(&self) -> Markup {
        html! {
            h1 { (self.said) }
            p.sub { "Settled spend of every concept's latest test. Each concept counts once; currencies are never added." }
            @if self.concepts == 0 {
                (parts::state("No concept is being tested.", &["See one first: `willitsell demo --serve`"]))
            } @else {
                (self.sums())
                (self.ledger())
                (assumptions())
            }
        }
    }

    fn foot(&self) -> Markup {
        html! { (self.part.said("concepts")) }
    }
}

impl Ledger {
    fn sums(&self) -> Markup {
        let sums: [(&str, Amount); 4] = [
            ("Spent on tests", |all| all.spent),
            ("Expected build cost avoided, up to", |all| all.avoided),
            ("At stake in open tests", |all| all.at_stake),
            ("Spent after a verdict", |all| all.after_verdicts),
        ];
        html! {
            dl.sums {
                @for (what, amount) in sums.into_iter().filter(|(_, amount)| self.has(*amount)) {
                    div { dt { (what) } dd { (figures::list(&self.totals.iter().map(|all| amount(all).to_string()).collect::<Vec<_>>())) } }
                }
            }
            @if self.has_unbooked_kill {
                p.note {
                    "A KILL books what it is expected to have saved once its " code { "[experiment.KEY.money]" } " says how likely the concept \
                     would have been built without the test: " code { "habit" } " or " code { "chance_it_would_be_built" } "."
                }
            }
            @if !self.has_stakes {
                (parts::state("No concept says what building it would cost.", &[
                    "Write `team_cost_per_week` and `build_weeks` into its `[experiment.KEY.money]`; `willitsell check` shows what follows from them.",
                ]))
            }
        }
    }

    fn has(&self, amount: Amount) -> bool {
        self.totals.iter().any(|all| amount(all).micros != 0)
    }

    fn ledger(&self) -> Markup {
        let has_value = self.rows.iter().any(|row| row.value.is_some());
        let has_booked = self.rows.iter().any(|row| row.booked.is_some());
        html! {
            section.section aria-labelledby="ledger" {
                h2 id="ledger" { "By concept" }
                p.sub { "Where ads went on spending after a verdict stands first." }
                table.stack {
                    thead { tr {
                        th scope="col" { "Verdict" } th scope="col" { "Concept" } th.right scope="col" { "Spent" }
                        th.right scope="col" { "Building costs" }
                        @if has_value { th.right scope="col" { "Value of the test" } }
                        @if has_booked { th.right scope="col" { "Expected avoided" } }
                        th.right scope="col" { "After the verdict" }
                    } }
                    tbody { @for row in &self.rows { tr {
                        td.verdict { @match row.verdict { Some(verdict) => (parts::badge(verdict)), None => span.soft { "no verdict yet" } } }
                        th scope="row" { a href={ "/concepts/" (row.concept) } { (row.title) } }
                        (amount("Spent ", row.spent))
                        (amount("Building costs ", row.build_cost))
                        @if has_value { (amount("Value of the test ", row.value)) }
                        @if has_booked { td.right { @if let Some(booked) = row.booked { (saved(booked)) } } }
                        td.right {
                            @if let Some(after) = row.after { span.label { "After the verdict " } (after) }
                            @if let Some(running) = &row.running { div.small { (running) } }
                        }
                    } } }
                }
                (self.part.pages("concepts"))
            }
        }
    }
}

fn saved(booked: Booked) -> Markup {
    let chances = [figures::share(booked.would_be_built), figures::chance(booked.below_the_bar)];
    html! {
        span.label { "Expected avoided " }
        "up to " (booked.expected)
        div.small { (booked.build_cost) " × " (chances[0]) " × " (chances[1]) }
    }
}

fn amount(label: &str, amount: Option<Money>) -> Markup {
    html! { td.right { @if let Some(amount) = amount { span.label { (label) } (amount) } } }
}

fn assumptions() -> Markup {
    html! {
        details {
            summary { "How these sums are made" }
            ul.plain {
                li { "Spent: what the sources report for settled days. Younger days are not in it." }
                li { "Building costs: weeks times the team's cost a week, as set in " code { "[experiment.KEY.money]" } "." }
                li { "Value of the test: what following its verdict is worth above deciding without it, before its own cost; from gross profit, chance that it sells and the error rates of the policy." }
                li { "Expected avoided: only after a KILL that nobody overrode. Building costs × chance that it would have been built × chance, after the data, that building would have lost. Expected, not certain." }
                li { "After the verdict: from the day of the verdict to the last day known, settled or not." }
                li { code { "willitsell explain CONCEPT" } " opens each of them to its formula." }
            }
        }
    }
}
