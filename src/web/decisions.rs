//! What was recommended and what people did about it: what waits for a decision, then everything that happened, newest first,
//! with the fingerprints a verdict can be derived again from.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use maud::{Markup, html};
use serde::Serialize;

use super::asked::{Asked, Part};
use super::frame::{Page, Place};
use super::moment::{Known, Moment};
use super::parts;
use super::words;
use crate::decide::decision::{Overrides, said};
use crate::decide::{decision, explain, figures};
use crate::domain::concept::Experiment;
use crate::domain::decision::Decision;
use crate::domain::id::ConceptId;
use crate::domain::verdict::{Scorecard, Verdict};
use crate::schedule::daemon::Work;
use crate::store::{ChangeOfVerdict, StoreError};

/// Most changes of verdicts that are listed.
const LISTED: u32 = 200;

/// How much of a fingerprint tells it from others.
const FINGERPRINT: usize = 8;

/// The page.
#[derive(Debug, Serialize)]
pub struct Decisions {
    /// Verdicts nobody has decided on.
    waiting: usize,
    part: Part,
    open: Vec<Open>,
    events: Vec<Event>,
    /// How often people went against a verdict, where that can be said.
    overrides: Option<String>,
    has_concepts: bool,
}

/// A verdict nobody has decided on.
#[derive(Debug, Serialize)]
struct Open {
    concept: String,
    title: String,
    verdict: Verdict,
    due: NaiveDate,
    due_said: String,
    is_overdue: bool,
    owner: Option<String>,
    command: String,
}

/// Something that happened.
#[derive(Debug, Serialize)]
struct Event {
    at: DateTime<Utc>,
    day: String,
    concept: String,
    title: String,
    what: What,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
enum What {
    /// A verdict took the place of another one.
    Verdict { verdict: Verdict, before: Option<Verdict>, sentence: String, policy: String, data: String },
    /// A person decided.
    Decision { verdict: Verdict, said: String, is_override: bool },
}

/// The latest changes of verdicts.
pub type Changes = Vec<ChangeOfVerdict>;

/// Reads what the page is made of.
///
/// # Errors
/// [`StoreError`] where the store cannot be read.
pub async fn read(work: Arc<Work>, known: Arc<Known>) -> Result<(Moment, Changes), StoreError> {
    let mut view = work.parts.store.view();
    let moment = Moment::seen(work, &known, &mut view).await?;
    Ok((moment, view.changes_of_verdict(LISTED).await?))
}

/// What may be listed, before it is put into words.
enum Happened<'a> {
    /// A verdict, and what it took the place of.
    Verdict(&'a Scorecard, Option<Verdict>),
    Decision(&'a Decision),
}

impl Happened<'_> {
    fn at(&self) -> DateTime<Utc> {
        match self {
            Self::Verdict(card, _) => card.as_of,
            Self::Decision(decision) => decision.at,
        }
    }

    fn said(&self, experiment: &Experiment, today: NaiveDate) -> What {
        match self {
            Self::Verdict(card, before) => What::Verdict {
                verdict: card.verdict,
                before: *before,
                sentence: words::first(&explain::sentence(experiment, card)).to_owned(),
                policy: card.policy_hash.chars().take(FINGERPRINT).collect(),
                data: card.data_hash.chars().take(FINGERPRINT).collect(),
            },
            Self::Decision(one) => What::Decision {
                verdict: one.verdict,
                said: decision::decided(experiment, one, today),
                is_override: one.is_override(),
            },
        }
    }
}

impl Decisions {
    /// As everything stands.
    pub fn of(moment: &Moment, changes: &Changes, asked: Asked) -> Self {
        let mut own: BTreeMap<&ConceptId, Vec<&ChangeOfVerdict>> = BTreeMap::new();
        for change in changes {
            own.entry(&change.scorecard.concept).or_default().push(change);
        }
        let mut happened: Vec<(Happened<'_>, &Experiment)> = Vec::new();
        let mut open: Vec<(NaiveDate, &Experiment, &Scorecard)> = Vec::new();
        for (experiment, standing) in moment.concepts() {
            let own = own.remove(&experiment.concept.id).unwrap_or_default();
            if let Some(card) = standing.card().filter(|card| own.is_empty() && card.verdict.is_terminal()) {
                happened.push((Happened::Verdict(card, None), experiment));
            }
            let changes = own.into_iter().map(|change| Happened::Verdict(&change.scorecard, Some(change.before)));
            let decisions = standing.decisions.iter().map(Happened::Decision);
            happened.extend(changes.chain(decisions).map(|one| (one, experiment)));
            let waits = standing.card().filter(|card| card.verdict.is_terminal() && standing.decided().is_none());
            open.extend(waits.map(|card| (words::due(experiment, card), experiment, card)));
        }
        open.sort_by_key(|(due, ..)| *due);
        happened.sort_by_key(|(one, _)| Reverse(one.at()));
        happened.truncate(LISTED as usize);
        let event = |(one, experiment): &(Happened<'_>, &Experiment)| {
            let (at, today) = (one.at(), moment.today(experiment));
            Event {
                at,
                day: figures::day(at.with_timezone(&experiment.timezone).date_naive(), today),
                concept: experiment.concept.id.to_string(),
                title: experiment.concept.title.clone(),
                what: one.said(experiment, today),
            }
        };
        let waiting = |(due, experiment, card): &(NaiveDate, &Experiment, &Scorecard)| {
            let today = moment.today(experiment);
            let choice = if card.verdict == Verdict::Kill { "kill" } else { "build" };
            Open {
                command: format!("willitsell decide {} {choice} --by NAME --reason TEXT", experiment.concept.id),
                verdict: card.verdict,
                due: *due,
                due_said: figures::day(*due, today),
                is_overdue: *due < today,
                owner: experiment.owner.clone(),
                concept: experiment.concept.id.to_string(),
                title: experiment.concept.title.clone(),
            }
        };
        let part = asked.part(Place::Decisions.path(), open.len());
        let decisions: Vec<Decision> =
            moment.concepts().flat_map(|(_, standing)| standing.decisions.iter().cloned()).collect();
        Self {
            open: open[part.range()].iter().map(waiting).collect(),
            waiting: open.len(),
            part,
            events: happened.iter().map(event).collect(),
            overrides: said(Overrides::among(&decisions)),
            has_concepts: moment.concepts().next().is_some(),
        }
    }
}

impl Page for Decisions {
    fn title(&self) -> String {
        match self.waiting {
            0 => "No verdict waits: decisions".to_owned(),
            1 => "1 verdict waits: decisions".to_owned(),
            more => format!("{more} verdicts wait: decisions"),
        }
    }

    fn place(&self) -> Place {
        Place::Decisions
    }

    fn body(&self) -> Markup {
        html! {
            h1 {
                @match self.waiting {
                    0 => "No verdict waits for a decision",
                    1 => "One verdict waits for a decision",
                    more => { (words::counted(more)) " verdicts wait for a decision" },
                }
            }
            p.sub { "The program recommends; people decide. What they decide is written down beside the verdict and never changed." }
            @if !self.open.is_empty() { (self.waiting()) }
            (self.time_line())
        }
    }

    fn foot(&self) -> Markup {
        html! { "Fingerprints: of the policy, and of the settled data. " code { "willitsell replay CONCEPT" } " derives every verdict again from them." }
    }
}

impl Decisions {
    fn waiting(&self) -> Markup {
        html! {
            table.stack {
                thead { tr {
                    th scope="col" { "Verdict" } th scope="col" { "Concept" } th scope="col" { "Decide by" } th scope="col" { "Who" }
                    th scope="col" { "How to write it down" }
                } }
                tbody { @for open in &self.open { tr {
                    td.verdict { (parts::badge(open.verdict)) }
                    th scope="row" { a href={ "/concepts/" (open.concept) } { (open.title) } }
                    td {
                        span.label { "Decide by " }
                        time.nobreak datetime=(open.due) { (open.due_said) }
                        @if open.is_overdue { div.small { "past" } }
                    }
                    td { (open.owner.as_deref().unwrap_or("nobody named")) }
                    td { code { (open.command) } }
                } } }
            }
            (self.part.pages("verdicts"))
        }
    }

    fn time_line(&self) -> Markup {
        html! {
            section.section aria-labelledby="line" {
                h2 id="line" { "What happened, newest first" }
                @if let Some(overrides) = &self.overrides { p.sub { (overrides) } }
                @if self.events.is_empty() {
                    @if self.has_concepts {
                        (parts::state("Nothing was decided yet.", &["A test that collects stands in the portfolio. Verdicts and decisions appear here."]))
                    } @else {
                        (parts::state("No concept is being tested.", &["See one first: `willitsell demo --serve`"]))
                    }
                }
                ol.timeline {
                    @for event in &self.events {
                        li {
                            time.at datetime=(event.at.to_rfc3339_opts(SecondsFormat::Secs, true)) { (event.day) }
                            div { (event.drawn()) }
                        }
                    }
                }
            }
        }
    }
}

impl Event {
    fn drawn(&self) -> Markup {
        let link = html! { a.strong href={ "/concepts/" (self.concept) } { (self.title) } };
        html! {
            @match &self.what {
                What::Verdict { verdict, before, sentence, policy, data } => {
                    h3 {
                        (parts::badge(*verdict)) " " (link)
                        @if let Some(before) = before.filter(|before| before.is_terminal() && *verdict != Verdict::Blocked) {
                            " " span.soft { "in place of " s { (before.word()) } ", which is withdrawn" }
                        }
                    }
                    p { (parts::prose(sentence)) }
                    p.small { "policy " code { (policy) } " data " code { (data) } }
                }
                What::Decision { verdict, said, is_override } => {
                    h3 { "Decision on " (link) @if *is_override { " " span.soft { "(against " (verdict.word()) ")" } } }
                    p { (said) }
                }
            }
        }
    }
}
