//! How the daemon is doing, as it notes it itself: for its own pages, for whoever watches from outside, and for nobody's verdict.
//! Kept in memory alone: what must outlive the process stands in the store.

pub mod heartbeat;
pub mod listen;
mod metrics;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tokio::sync::watch;

use crate::domain::id::{ConceptId, DestinationId, SourceId};

/// Longest that a loop may go without a sign of life. It wakes every half minute; judging thousands of concepts takes seconds.
pub const LONGEST_SILENCE: Duration = Duration::from_mins(10);

/// What is noted, by all loops.
#[derive(Debug, Default)]
pub struct Health {
    state: Mutex<State>,
    rounds: watch::Sender<u64>,
}

/// How the daemon is doing.
#[derive(Clone, Debug, Default)]
pub struct State {
    /// When it last asked what is due, and on the clock that nobody can set.
    pub last_round: Option<(DateTime<Utc>, Duration)>,
    /// How often it did.
    pub rounds: u64,
    /// The slots under way, since when.
    pub under_way: BTreeMap<ConceptId, DateTime<Utc>>,
    /// Every source that was asked since the start.
    pub sources: BTreeMap<SourceId, Asked>,
    /// Runs that ended, by how.
    pub runs: BTreeMap<Ended, u64>,
    /// Concepts whose last run did not end in a verdict.
    pub undecided: BTreeMap<ConceptId, Ended>,
    /// Slots that no run answered, because an earlier one was under way or the daemon was down.
    pub missed: u64,
    /// Slots that were too old to be caught up.
    pub misfired: u64,
    /// Faults of the program, by where they were caught.
    pub panics: BTreeMap<&'static str, u64>,
    /// Deliveries, by what became of them.
    pub messages: Messages,
    /// Destinations whose last message arrived, but not everywhere.
    pub left_out: BTreeSet<DestinationId>,
    /// The process with another version or configuration, read later, on the same store.
    pub overruled: Option<String>,
    /// Bytes of the store's log, where it is in a file.
    pub log_bytes: u64,
    /// Why the configuration as it now stands was not taken.
    pub configuration: Option<String>,
    /// The store's disk took nothing more when it was last written to.
    pub disk_full: bool,
}

/// What came of asking one source.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// Readings that brought all they were asked for.
    pub answered: u64,
    /// Readings that did not.
    pub failed: u64,
    /// Pages of those that did.
    pub pages: u64,
    /// Their rows.
    pub rows: u64,
    /// When it last answered.
    pub last_answer: Option<DateTime<Utc>>,
    /// Whether the last reading failed.
    pub is_failing: bool,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ended {
    /// In a verdict.
    Decided,
    /// A source failed.
    SourceFailed,
    /// What is stored of its concept could not be judged.
    Unjudged,
}

impl Ended {
    /// In one word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Decided => "decided",
            Self::SourceFailed => "source_failed",
            Self::Unjudged => "unjudged",
        }
    }
}

/// Deliveries since the start.
#[derive(Clone, Copy, Debug, Default)]
pub struct Messages {
    /// Accepted.
    pub sent: u64,
    /// To be tried again.
    pub postponed: u64,
    /// Given up.
    pub given_up: u64,
}

impl Messages {
    /// Adds what became of some.
    pub fn add(&mut self, sent: u32, postponed: u32, given_up: u32) {
        self.sent += u64::from(sent);
        self.postponed += u64::from(postponed);
        self.given_up += u64::from(given_up);
    }
}

impl Health {
    /// How things stand.
    pub fn state(&self) -> State {
        self.lock().clone()
    }

    /// Changes what is noted.
    pub fn note(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.lock());
    }

    /// It was asked what is due, and taken up.
    pub fn round(&self, now: DateTime<Utc>, elapsed: Duration) {
        self.note(|state| {
            state.last_round = Some((now, elapsed));
            state.rounds += 1;
        });
        self.rounds.send_modify(|rounds| *rounds += 1);
    }

    /// Tells of each round.
    fn rounds(&self) -> watch::Receiver<u64> {
        self.rounds.subscribe()
    }

    /// A fault of the program was caught there.
    pub fn panicked(&self, place: &'static str) {
        self.note(|state| *state.panics.entry(place).or_default() += 1);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Notes what came of asking a source: pages and rows, or nothing.
    pub fn asked(&mut self, source: &SourceId, now: DateTime<Utc>, brought: Option<(u32, u64)>) {
        let asked = self.sources.entry(source.clone()).or_default();
        asked.is_failing = brought.is_none();
        match brought {
            Some((pages, rows)) => {
                asked.answered += 1;
                asked.pages += u64::from(pages);
                asked.rows += rows;
                asked.last_answer = Some(now);
            }
            None => asked.failed += 1,
        }
    }

    /// Notes how a run ended.
    pub fn ran(&mut self, concept: &ConceptId, ended: Ended) {
        *self.runs.entry(ended).or_default() += 1;
        match ended {
            Ended::Decided => _ = self.undecided.remove(concept),
            Ended::SourceFailed | Ended::Unjudged => _ = self.undecided.insert(concept.clone(), ended),
        }
    }

    /// Whether the loop that asks what is due still does. `elapsed` is of the clock that nobody can set.
    pub fn is_alive(&self, elapsed: Duration) -> bool {
        self.last_round.is_none_or(|(_, then)| elapsed.saturating_sub(then) <= LONGEST_SILENCE)
    }

    /// What somebody should look at, a sentence each; no secret, and nothing that a vendor wrote.
    pub fn troubles(&self) -> Vec<String> {
        let failing = self.sources.iter().filter(|(_, asked)| asked.is_failing);
        let mut troubles: Vec<String> = failing.map(|(source, _)| format!("source {source} fails")).collect();
        let unjudged = self.undecided.iter().filter(|(_, ended)| **ended == Ended::Unjudged);
        troubles.extend(unjudged.map(|(concept, _)| format!("{concept} cannot be judged")));
        if self.disk_full {
            let what = "disk_full: the disk that the store is on is full, and nothing is pulled, decided or told until there is \
                        room; it then goes on by itself";
            troubles.push(what.to_owned());
        }
        let left_out =
            |to: &DestinationId| format!("the last message to {to} did not reach every address: see the log");
        troubles.extend(self.left_out.iter().map(left_out));
        if let Some(other) = &self.overruled {
            troubles.push(format!(
                "nothing is begun here: process {other} has another version or configuration, read later"
            ));
        }
        if self.configuration.is_some() {
            troubles.push("the configuration as it now stands cannot be used; the one from before is".to_owned());
        }
        troubles
    }
}
