//! Whether today's numbers can be trusted: what stops verdicts and its fix, how each source was read, what to look at, which
//! messages did not arrive.

mod moved;
mod sources;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::{NaiveDate, TimeDelta};
use maud::{Markup, html};
use serde::Serialize;

use self::moved::Moved;
use self::sources::{Mark, Source};
use super::asked::{Asked, Part};
use super::frame::{Page, Place, tick};
use super::moment::{Known, Moment, Standing};
use super::parts;
use super::words;
use crate::decide::{explain, figures, flags, next};
use crate::domain::concept::Experiment;
use crate::domain::id::ConceptId;
use crate::domain::run::{Outcome, Run};
use crate::domain::verdict::{Reason, Verdict};
use crate::schedule::daemon::Work;
use crate::schedule::logins::findings;
use crate::store::{StoreError, Undelivered};

/// Days of a source's strip.
pub(super) const DAYS: i64 = 14;

/// Days within which nearly every schedule has a slot: a last run that failed is told of for so long.
const SLOT_WITHIN: i64 = 366;

/// Most rows of each table.
const ROWS: usize = 200;

/// The page.
#[derive(Debug, Serialize)]
pub struct Health {
    today: String,
    concepts: usize,
    untrusted: usize,
    causes: Vec<Cause>,
    part: Part,
    sources: Vec<Source>,
    moved: Vec<Moved>,
    gates: Vec<Gate>,
    sound: usize,
    undelivered: Vec<Message>,
    version: &'static str,
    #[serde(skip)]
    date: NaiveDate,
}

/// What stops verdicts, and of which concepts.
#[derive(Debug, Serialize)]
struct Cause {
    concepts: Vec<String>,
    since: Option<String>,
    sentence: String,
    fix: String,
}

/// Something to look at.
#[derive(Debug, Serialize)]
struct Gate {
    concept: String,
    title: String,
    what: String,
    stops: bool,
}

/// A message that has not arrived.
#[derive(Debug, Serialize)]
struct Message {
    headline: String,
    destination: String,
    attempts: u32,
    given_up: bool,
    last_error: Option<String>,
}

/// What the page needs beside the moment.
pub struct Read {
    part: Part,
    sources: Vec<Source>,
    /// The last runs that failed.
    failing: BTreeMap<ConceptId, Run>,
    moved: Vec<Moved>,
    undelivered: Vec<Undelivered>,
}

/// Reads what the page is made of.
///
/// # Errors
/// [`StoreError`] where the store cannot be read.
pub async fn read(work: Arc<Work>, known: Arc<Known>, asked: Asked) -> Result<(Moment, Read), StoreError> {
    let mut view = work.parts.store.view();
    let moment = Moment::seen(work, &known, &mut view).await?;
    let parts = &moment.work.parts;
    let since = moment.now - TimeDelta::days(DAYS);
    let failed = view.failed_runs(moment.now - TimeDelta::days(SLOT_WITHIN)).await?;
    let configured = sources::of(&moment);
    let readings = view.readings(configured.keys().copied().cloned().collect(), since).await?;
    // Tokens that cannot be read stop no page: the sources say that they fail.
    let logins = findings(&parts.sources, &parts.registry, Some(parts.tokens.as_ref()), moment.now).await;
    let mut sources = sources::all(&moment, &readings, failed.iter().map(|(run, _)| run), &logins.unwrap_or_default());
    let part = asked.part(Place::Health.path(), sources.len());
    sources.truncate(part.range().end);
    sources.drain(..part.range().start);
    let settled = sources.iter().filter_map(|source| Some((*configured.get(&source.id)?, source.settled_to)));
    let moved = moved::read(&moment, &mut view, &settled.collect::<Vec<_>>()).await?;
    let undelivered = parts.store.undelivered().await?;
    let failing = failed.into_iter().filter(|(_, is_last)| *is_last).map(|(run, _)| (run.concept.clone(), run));
    Ok((moment, Read { part, sources, failing: failing.collect(), moved, undelivered }))
}

impl Health {
    /// As everything stands.
    pub fn of(moment: &Moment, read: Read) -> Self {
        let Read { part, sources, failing, moved, undelivered } = read;
        let gate = |(experiment, standing): (&Experiment, &Standing)| {
            gates(experiment, standing, failing.get(&experiment.concept.id))
        };
        let gates: Vec<Gate> = moment.concepts().flat_map(gate).collect();
        let looked_at: BTreeSet<&str> = gates.iter().map(|gate| gate.concept.as_str()).collect();
        let judged = moment.concepts().filter(|(_, standing)| standing.latest.is_some());
        let sound = judged.filter(|(experiment, _)| !looked_at.contains(experiment.concept.id.as_str())).count();
        let message = |one: Undelivered| Message {
            headline: one.delivery.message.headline,
            destination: one.delivery.destination.to_string(),
            attempts: one.delivery.attempts,
            given_up: one.given_up,
            last_error: one.last_error,
        };
        Self {
            today: figures::day(moment.date(), moment.date()),
            concepts: moment.concepts().count(),
            untrusted: moment.concepts().filter(|(_, standing)| is_untrusted(standing)).count(),
            causes: causes(moment),
            part,
            sources,
            moved,
            date: moment.date(),
            sound,
            gates,
            undelivered: undelivered.into_iter().filter(|one| one.delivery.attempts > 0).map(message).collect(),
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

fn is_untrusted(standing: &Standing) -> bool {
    standing.verdict() == Some(Verdict::Blocked) || standing.unreadable.is_some()
}

/// One for each thing that is wrong: a source that many concepts read stands there once.
fn causes(moment: &Moment) -> Vec<Cause> {
    let mut found: BTreeMap<String, Cause> = BTreeMap::new();
    for (experiment, standing) in moment.concepts() {
        let title = experiment.concept.title.clone();
        if let Some(why) = &standing.unreadable {
            let fix = "`willitsell status`".to_owned();
            let sentence = format!("What is stored of it cannot be read: {why}.");
            found.insert(title.clone(), Cause { concepts: vec![title], since: None, sentence, fix });
            continue;
        }
        let Some(card) = standing.card().filter(|card| card.verdict == Verdict::Blocked) else { continue };
        let key = card.reasons.iter().map(|why| match why {
            Reason::Stale { source, .. } => format!("stale {source}"),
            other => format!("{} {}", other.word(), experiment.concept.id),
        });
        let fix = next::to_do(experiment, card, None).split(" · ").next().unwrap_or_default().to_owned();
        let since = card.reasons.iter().find_map(|why| match why {
            Reason::Stale { last_pull, .. } => *last_pull,
            _ => None,
        });
        let since =
            since.map(|at| figures::day(at.with_timezone(&experiment.timezone).date_naive(), moment.today(experiment)));
        let sentence = explain::sentence(experiment, card);
        let cause =
            found.entry(key.collect::<Vec<_>>().join(" ")).or_insert(Cause { concepts: vec![], since, sentence, fix });
        cause.concepts.push(title);
    }
    found.into_values().take(ROWS).collect()
}

fn gates(experiment: &Experiment, standing: &Standing, failing: Option<&Run>) -> Vec<Gate> {
    let gate = |what: String, stops| Gate {
        concept: experiment.concept.id.to_string(),
        title: experiment.concept.title.clone(),
        what,
        stops,
    };
    let mut gates = Vec::new();
    if let Some(Run { outcome: Some(Outcome::Failed { advice }), .. }) = failing {
        gates.extend(advice.iter().map(|advice| gate(format!("Its last run failed: {advice}"), false)));
    }
    let Some(card) = standing.card() else { return gates };
    if card.verdict == Verdict::Blocked {
        let whys = card.reasons.iter().filter(|why| !explain::told_with_the_spend(card, why));
        gates.extend(whys.map(|why| gate(words::first(&explain::reason(experiment, card, why)).to_owned(), true)));
    } else {
        gates.extend(explain::left_out(experiment, card).map(|what| gate(what, false)));
    }
    gates.extend(flags::told(experiment, card).into_iter().map(|what| gate(what, false)));
    gates
}

impl Page for Health {
    fn title(&self) -> String {
        match self.untrusted {
            0 => "Data sound: health".to_owned(),
            some => format!("{some} of {} blocked: health", self.concepts),
        }
    }

    fn place(&self) -> Place {
        Place::Health
    }

    fn body(&self) -> Markup {
        let some = |number| words::counted(number);
        html! {
            h1 {
                @match (self.untrusted, self.concepts) {
                    (_, 0) => "No concept is being tested",
                    (0, 1) => "The one concept's verdict rests on data that can be trusted",
                    (0, _) => "Every verdict rests on data that can be trusted",
                    (_, 1) => "The one concept has no verdict you can trust today",
                    (1, all) => { "One of " (some(all).to_lowercase()) " concepts has no verdict you can trust today" },
                    (bad, all) => { (some(bad)) " of " (some(all).to_lowercase()) " concepts have no verdict you can trust today" },
                }
            }
            p.sub { (self.today) ". " (self.rest()) }
            @for cause in &self.causes { (cause.drawn()) }
            (sources::drawn(&self.sources, &self.part))
            (moved::drawn(&self.moved, self.date))
            div.pair { (self.gates_drawn()) (self.messages()) }
        }
    }

    fn foot(&self) -> Markup {
        html! { "Version " (self.version) "." }
    }
}

impl Health {
    fn rest(&self) -> String {
        match self.concepts - self.untrusted {
            _ if self.concepts == 0 => String::new(),
            _ if self.untrusted == 0 => "Only settled, complete days count towards a verdict.".to_owned(),
            0 => "Nothing is decided until this is fixed.".to_owned(),
            1 => "The other one rests on settled, complete data.".to_owned(),
            rest => format!("The other {} rest on settled, complete data.", words::counted(rest).to_lowercase()),
        }
    }

    fn gates_drawn(&self) -> Markup {
        html! {
            section.section aria-labelledby="gates" {
                h2 id="gates" { @if self.gates.is_empty() { "Nothing to look at" } @else { "What to look at" } }
                table.stack {
                    thead { tr { th scope="col" { "Concept" } th scope="col" { "What" } th scope="col" { "State" } } }
                    tbody {
                        @for gate in self.gates.iter().take(ROWS) { tr {
                            th scope="row" { a href={ "/concepts/" (gate.concept) } { (gate.title) } }
                            td { (parts::prose(&gate.what)) }
                            td.nobreak {
                                @if gate.stops { (parts::shape(Verdict::Blocked)) " " b { "stops verdict" } } @else { b { "! look" } }
                            }
                        } }
                        @if self.gates.len() > ROWS { tr {
                            th scope="row" { (self.gates.len() - ROWS) " more" }
                            td { "The portfolio lists every concept." }
                            td.nobreak { b { "! look" } }
                        } }
                        @if self.sound > 0 { tr {
                            th scope="row" { @if self.gates.is_empty() { "All concepts" } @else { "All others" } " (" (self.sound) ")" }
                            td { "Rows arriving, traffic, spend mapped, days restated" }
                            td.nobreak { (tick()) " holds" }
                        } }
                    }
                }
            }
        }
    }

    fn messages(&self) -> Markup {
        html! {
            section.section aria-labelledby="messages" {
                h2 id="messages" { "Messages not delivered: " (self.undelivered.len()) }
                @if self.undelivered.is_empty() { p.note { "Every message has arrived, or is about to be sent for the first time." } }
                ul.plain { @for one in self.undelivered.iter().take(ROWS) { li {
                    b { (one.headline) }
                    div.soft {
                        "to " (one.destination) ", " (one.attempts) @if one.attempts == 1 { " try" } @else { " tries" }
                        @if one.given_up { ", given up" } @else { ", will be tried again" }
                        @if let Some(error) = &one.last_error { ": " (parts::prose(error)) }
                    }
                } } }
            }
        }
    }
}

impl Cause {
    fn drawn(&self) -> Markup {
        let since: Vec<Markup> = self.since.iter().map(|since| html! { "last read " (since) }).collect();
        let names = match &self.concepts[..] {
            [one] => one.clone(),
            [first, rest @ ..] => format!("{first} and {} more", rest.len()),
            [] => String::new(),
        };
        let text = html! {
            p.lead { (parts::lead(&self.sentence)) }
            p.lead { "Fix: " (parts::prose(&self.fix)) "." }
        };
        parts::banner(Verdict::Blocked, &since, 2, &html! { (names) }, &text)
    }
}

impl Mark {
    /// What it says to who cannot see it.
    fn word(self) -> &'static str {
        match self {
            Self::Worked => "worked",
            Self::Late => "late, then recovered",
            Self::Failed => "failed",
            Self::NotDue => "not due",
        }
    }
}
