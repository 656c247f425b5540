//! All concepts on one sheet: each with its verdict, its range, what it cost, what is at stake and who is to decide.

use std::fmt::Write;

use chrono::{DateTime, Days, NaiveDate, Utc};
use maud::{Markup, html};
use serde::Serialize;

use super::{file, plain, short, year};
use crate::decide::money::{self, Totals};
use crate::decide::{decision, explain, figures, measure, next};
use crate::domain::concept::Experiment;
use crate::domain::decision::Decision;
use crate::domain::verdict::{Scorecard, Verdict};
use crate::store::{Store, StoreError};
use crate::web::parts;
use crate::web::range::{self, Range};

/// One concept.
#[derive(Debug, Serialize)]
pub struct Row {
    concept: String,
    title: String,
    verdict: Option<Verdict>,
    sentence: String,
    rate: Option<String>,
    range: Option<String>,
    bars: String,
    #[serde(skip)]
    drawn: Option<Range>,
    spent: Option<String>,
    at_stake: Option<String>,
    next: String,
    owner: Option<String>,
    decide_by: Option<NaiveDate>,
    decided: Option<String>,
    policy_hash: Option<String>,
    data_hash: Option<String>,
}

/// All of them.
#[derive(Debug, Serialize)]
pub struct Portfolio {
    settled_to: Option<NaiveDate>,
    printed_on: NaiveDate,
    waiting: usize,
    /// The most urgent first.
    pub concepts: Vec<Row>,
    totals: Vec<Totals>,
}

impl Portfolio {
    /// Reads where all concepts stand.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn read(store: &Store, experiments: &[Experiment], now: DateTime<Utc>) -> Result<Self, StoreError> {
        let mut all = Vec::new();
        for experiment in experiments {
            let card = store.latest_scorecard(&experiment.concept.id).await?.map(|stored| stored.scorecard);
            all.push((experiment, card, store.decisions(&experiment.concept.id, None).await?));
        }
        let overridden = |decisions: &[Decision]| decision::latest(decisions).is_some_and(Decision::is_override);
        let known = all
            .iter()
            .filter_map(|(experiment, card, decisions)| Some((*experiment, card.as_ref()?, overridden(decisions))));
        let totals = money::ledger(known);
        let mut rows: Vec<(u8, Row)> =
            all.iter().map(|(experiment, card, decisions)| row(experiment, card.as_ref(), decisions)).collect();
        rows.sort_by_key(|(urgency, row)| (*urgency, row.decide_by));
        Ok(Self {
            settled_to: all.iter().filter_map(|(_, card, _)| Some(card.as_ref()?.last_settled_day)).max(),
            printed_on: now.date_naive(),
            waiting: rows.iter().filter(|(urgency, _)| *urgency < QUIET).count(),
            concepts: rows.into_iter().map(|(_, row)| row).collect(),
            totals,
        })
    }

    fn heading(&self) -> String {
        let number = u32::try_from(self.waiting).unwrap_or(u32::MAX);
        match number {
            0 => "Nothing needs a person today".to_owned(),
            1 => "One thing needs a person today".to_owned(),
            more => format!("{} things need a person today", figures::capital(&figures::in_words(more))),
        }
    }

    /// `$3,170 spent on tests; …` in each currency.
    fn sums(&self) -> Vec<String> {
        let line = |totals: &Totals| {
            let parts = [
                (totals.spent, "spent on tests"),
                (totals.at_stake, "at stake in what is not killed"),
                (totals.avoided, "of build cost avoided at most, expected"),
                (totals.after_verdicts, "spent after verdicts"),
            ];
            let known = parts.iter().filter(|(sum, _)| sum.micros > 0);
            known.map(|(sum, what)| format!("{sum} {what}")).collect::<Vec<_>>().join(" · ")
        };
        self.totals.iter().map(line).collect()
    }

    /// One file, to be read and printed.
    pub fn html(&self) -> Markup {
        let body = html! {
            div.strip {
                span { b { "Will it sell?" } " · portfolio report" }
                span { @if let Some(day) = self.settled_to { "Settled to " (year(day)) " · " } "printed " (year(self.printed_on)) }
            }
            h1 { (self.heading()) }
            @for line in self.sums() { p.question { (line) } }
            table.all {
                thead { tr { th scope="col" { "Verdict" } th scope="col" { "Concept" } th.drawn scope="col" { "Range against both bars" } th.right scope="col" { "Spent" } th.right scope="col" { "At stake" } th scope="col" { "Next step" } } }
                tbody {
                    @for row in &self.concepts {
                        tr {
                            td { @match row.verdict { Some(verdict) => (parts::badge(verdict)), None => "none yet" } }
                            td { b { (row.title) } br; (parts::prose(&row.sentence)) }
                            td.drawn { @if let Some(drawn) = &row.drawn { (drawn.drawn()) } @else { (row.bars) } }
                            td.right { (row.spent.as_deref().unwrap_or("")) }
                            td.right { (row.at_stake.as_deref().unwrap_or("")) }
                            td {
                                (parts::prose(row.decided.as_deref().unwrap_or(&row.next)))
                                @if let Some(day) = row.decide_by { br; "Decide by " (year(day)) }
                                @if let Some(owner) = &row.owner { br; span.soft { (owner) } }
                            }
                        }
                    }
                }
            }
            p.fine {
                "A recommendation, not an order. Recompute any verdict with " code { "willitsell replay CONCEPT" } ". Names no visitor. Fingerprints of policy and data: "
                @for (at, row) in self.concepts.iter().enumerate() {
                    @if let (Some(policy), Some(data)) = (&row.policy_hash, &row.data_hash) {
                        @if at > 0 { "; " } (row.concept) " " code { (short(policy)) } " " code { (short(data)) }
                    }
                }
                "."
            }
        };
        file(&format!("{}: portfolio", self.heading()), &body)
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut text = format!("# {}\n\n", self.heading());
        for line in self.sums() {
            let _ = writeln!(text, "{line}\n");
        }
        text.push_str(
            "| Verdict | Concept | Range | Bars | Spent | At stake | Next |\n|---|---|---|---|---|---|---|\n",
        );
        for row in &self.concepts {
            let verdict = row.verdict.map_or("none yet", Verdict::word);
            let said = |text: &Option<String>| plain(text.as_deref().unwrap_or(""));
            let next = plain(row.decided.as_deref().unwrap_or(&row.next));
            let _ = writeln!(
                text,
                "| {verdict} | **{}** {} | {} {} | {} | {} | {} | {next} |",
                plain(&row.title),
                plain(&row.sentence),
                said(&row.rate),
                said(&row.range),
                plain(&row.bars),
                said(&row.spent),
                said(&row.at_stake)
            );
        }
        text.push_str("\nA recommendation, not an order. Recompute any verdict with `willitsell replay CONCEPT`.\n");
        text
    }
}

/// From here on nothing needs a person.
const QUIET: u8 = 3;

fn row(experiment: &Experiment, card: Option<&Scorecard>, decisions: &[Decision]) -> (u8, Row) {
    let policy = &experiment.policy;
    let decided = card.and_then(|card| decision::latest(decisions).filter(|decision| decision.is_on(card)));
    let lead = card.filter(|card| card.verdict != Verdict::Blocked).and_then(range::leading);
    let ends = lead.and_then(|arm| explain::ends(&arm.evidence));
    let today = card.map(|card| explain::today(experiment, card));
    let due = card.filter(|card| card.verdict.is_terminal() && decided.is_none()).and_then(|card| {
        explain::since(experiment, card).checked_add_days(Days::new(experiment.decide_within_days.into()))
    });
    let urgency = match card.map(|card| card.verdict) {
        Some(Verdict::Blocked) => 0,
        Some(Verdict::Build | Verdict::Kill) if decided.is_none() => 1,
        Some(Verdict::Review) if decided.is_none() => 2,
        Some(Verdict::Collecting) => QUIET,
        None => QUIET + 1,
        Some(_) => QUIET + 2,
    };
    let cap = |card: &Scorecard| {
        explain::caps(experiment, card).1.map_or_else(String::new, |cap| format!(" of {}", cap.as_set()))
    };
    let row = Row {
        concept: experiment.concept.id.to_string(),
        title: experiment.concept.title.clone(),
        verdict: card.map(|card| card.verdict),
        sentence: card.map_or_else(|| "No verdict yet.".to_owned(), |card| explain::sentence(experiment, card)),
        rate: lead
            .and_then(|arm| arm.evidence.estimate)
            .filter(|_| ends.is_some())
            .map(|rate| measure::value(policy, rate)),
        range: ends.map(|ends| measure::range(policy, ends)),
        bars: format!("bars {} and {}", measure::bar(policy, policy.kill_bar), measure::bar(policy, policy.build_bar)),
        drawn: card.map(|card| Range::of(experiment, card)),
        spent: card.and_then(|card| Some(format!("{}{}", card.spend?, cap(card)))),
        at_stake: experiment.money.build_cost().map(|cost| cost.to_string()),
        next: card.map_or_else(|| "Run `willitsell run --once`".to_owned(), |card| next::to_do(experiment, card, None)),
        owner: experiment.owner.clone(),
        decide_by: due,
        decided: decided.zip(today).map(|(decision, today)| decision::decided(experiment, decision, today)),
        policy_hash: card.map(|card| card.policy_hash.clone()),
        data_hash: card.map(|card| card.data_hash.clone()),
    };
    (urgency, row)
}
