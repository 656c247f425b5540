//! Reading back what many verdicts rest on: everything stored of their sources, each source once however many ask. Not how
//! it got there: see `pulls.rs`.

use std::collections::hash_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::Store;
use super::columns::Fields;
use super::error::StoreError;
use super::observations::{self, Columns};
use super::pulls;
use super::quarantine;
use super::responses;
use super::snapshot::{Question, Reading, Snapshot, Value};
use crate::domain::id::SourceId;
use crate::domain::observation::{DateWindow, Inputs, Observation, Pull, Shrink};
use crate::domain::response::Response;

/// What is asked about each source, in SQL.
pub(super) struct Questions {
    pulls: String,
    shrinks: String,
    /// As things are now, and as they were after a pull.
    responses: [String; 2],
    responses_before: String,
}

impl Questions {
    /// Writes them.
    pub(super) fn new() -> Self {
        Self {
            pulls: pulls::text(),
            shrinks: quarantine::text(),
            responses: [false, true].map(responses::text),
            responses_before: responses::before(),
        }
    }
}

/// The store at one moment: all that is asked of a view is answered as if asked at once.
pub struct View {
    questions: Arc<Questions>,
    pub(super) at: Snapshot,
}

impl Store {
    /// Opens a view. It should not be kept for long: while it is open, the write-ahead log grows.
    pub fn view(&self) -> View {
        View { questions: Arc::clone(&self.rows), at: self.backend.snapshot() }
    }

    /// Everything stored of some sources that a verdict over these days may depend on, of one moment: now,
    /// or just after the pull `known_at`. Responses just outside the days come too, because days begin at
    /// different instants in different zones; pulls come whatever their days.
    pub async fn inputs(
        &self,
        sources: &[SourceId],
        days: DateWindow,
        known_at: Option<i64>,
    ) -> Result<Inputs, StoreError> {
        let asked: Vec<_> = sources.iter().map(|source| (source, days)).collect();
        self.view().rows(&asked, known_at).await?.inputs(sources, days)
    }
}

impl View {
    /// Everything stored of some sources over some days, now or just after the pull `known_at`. A source that is asked
    /// for more than once is read once, over all its days.
    pub async fn rows(&mut self, asked: &[(&SourceId, DateWindow)], known_at: Option<i64>) -> Result<Rows, StoreError> {
        let mut windows: BTreeMap<SourceId, (DateWindow, usize)> = BTreeMap::new();
        for &(source, days) in asked {
            let (window, askers) = windows.entry(source.clone()).or_insert((days, 0));
            *window = window.and(days);
            *askers += 1;
        }
        if windows.is_empty() {
            return Ok(Rows::default());
        }
        let questions = Arc::clone(&self.questions);
        let read = move |at: &Reading<'_>| {
            let mut asking = Asking::of(at, &questions, known_at)?;
            let mut rows = BTreeMap::new();
            for (source, (days, askers)) in windows {
                let of_source = match asking.about(&source, days) {
                    Err(StoreError::Unreadable(what)) => Err(what),
                    other => Ok(Stored { askers, ..other? }),
                };
                rows.insert(source, of_source);
            }
            Ok(Rows(rows))
        };
        self.at.read(read).await
    }
}

/// The questions, compiled.
struct Asking<'r, 'c> {
    at: &'r Reading<'c>,
    known_at: Option<i64>,
    pulls: Question<'c>,
    shrinks: Question<'c>,
    /// For observations and earlier ones, by the columns that are read.
    observations: HashMap<Columns, [Question<'c>; 2]>,
    responses: Question<'c>,
    responses_before: Question<'c>,
}

impl<'r, 'c> Asking<'r, 'c> {
    fn of(at: &'r Reading<'c>, questions: &Questions, known_at: Option<i64>) -> Result<Self, StoreError> {
        let then = usize::from(known_at.is_some());
        Ok(Self {
            at,
            known_at,
            pulls: at.question(&questions.pulls)?,
            shrinks: at.question(&questions.shrinks)?,
            observations: HashMap::new(),
            responses: at.question(&questions.responses[then])?,
            responses_before: at.question(&questions.responses_before)?,
        })
    }

    fn about(&mut self, source: &SourceId, days: DateWindow) -> Result<Stored, StoreError> {
        let mut stored = Stored::default();
        let (name, known_at) = (Value::Text(source.as_str()), Value::Number(self.known_at.unwrap_or(i64::MAX)));
        let mut pulls = pulls::Reader::of(source);
        self.pulls.each(&[name, known_at], |row| {
            stored.pulls.push(pulls.read(row)?);
            Ok(())
        })?;
        let mut shrinks = Vec::new();
        self.shrinks.each(&[name, known_at], |row| {
            shrinks.push(quarantine::read(source, row)?);
            Ok(())
        })?;
        shrinks.sort_unstable_by_key(|open| open.id);
        stored.shrinks = shrinks.into_iter().map(|open| open.shrink).collect();

        // Of how things are now nothing is left out.
        let asked = if self.known_at.is_some() { 4 } else { 3 };
        let (first, last) = (days.first().to_string(), days.last().to_string());
        let on_days = [name, Value::Text(&first), Value::Text(&last), known_at];
        let columns = pulls.columns;
        let [now, before] = match self.observations.entry(columns) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(new) => new.insert([
                self.at.question(&observations::text(columns, self.known_at.is_some()))?,
                self.at.question(&observations::before(columns))?,
            ]),
        };
        let mut observations = observations::Reader::of(source, columns);
        now.each(&on_days[..asked], |row| {
            stored.observations.push(observations.read(row)?);
            Ok(())
        })?;
        before.each(&on_days, |row| {
            stored.observations_before.push((row.number()?, observations.read(row)?));
            Ok(())
        })?;

        let instants = responses::about(days);
        let at_instants = [name, Value::Number(instants.start), Value::Number(instants.end), known_at];
        self.responses.each(&at_instants[..asked], |row| {
            stored.responses.push(responses::read_act(source, row)?);
            Ok(())
        })?;
        self.responses_before.each(&at_instants, |row| {
            stored.responses_before.push((row.number()?, responses::read_act(source, row)?));
            Ok(())
        })?;
        stored.pulls.sort_unstable_by_key(|pull| pull.id);
        observations::sort(&mut stored.observations);
        stored.responses.sort_by(|one, other| one.response_id.cmp(&other.response_id));
        Ok(stored)
    }
}

/// What is stored of some sources; of one that cannot be read, why.
#[derive(Default)]
pub struct Rows(BTreeMap<SourceId, Result<Stored, String>>);

/// That of one source.
#[derive(Default)]
pub(super) struct Stored {
    /// How many may still ask for it. The last one is handed the rows themselves.
    askers: usize,
    /// In order of commit.
    pulls: Vec<Pull>,
    /// Oldest first.
    shrinks: Vec<Shrink>,
    /// In order of day and arm key.
    observations: Vec<Observation>,
    /// Earlier states, each behind the pull that ended it.
    pub(super) observations_before: Vec<(i64, Observation)>,
    /// In order of id.
    responses: Vec<Response>,
    /// Earlier states, each behind the pull that ended it.
    pub(super) responses_before: Vec<(i64, Response)>,
}

impl Rows {
    /// What was read of a source; `None` of one that was not asked for.
    pub(super) fn of(&self, source: &SourceId) -> Result<Option<&Stored>, StoreError> {
        self.0.get(source).map(Result::as_ref).transpose().map_err(|what| StoreError::Unreadable(what.clone()))
    }

    /// What a verdict on some of the sources, over some of the days that were asked for, may depend on. Days begin at
    /// different instants in different zones, so responses just outside come too.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] where a row cannot be read, or was asked for more often than was said; other sources' rows
    /// can be all the same.
    pub fn inputs(&mut self, sources: &[SourceId], days: DateWindow) -> Result<Inputs, StoreError> {
        let mut sources: Vec<_> = sources.iter().collect();
        sources.sort_unstable();
        sources.dedup();
        let instants = responses::about(days);
        let mut inputs = Inputs::default();
        for source in sources {
            let Some(stored) = self.0.get_mut(source) else { continue };
            let stored = stored.as_mut().map_err(|what| StoreError::Unreadable(what.clone()))?;
            let handed_out = || StoreError::Unreadable(format!("the rows of source {source} were all handed out"));
            stored.askers = stored.askers.checked_sub(1).ok_or_else(handed_out)?;
            let is_last = stored.askers == 0;
            hand_out(&mut stored.observations, &mut inputs.observations, is_last, |row| days.contains(row.day));
            let at_instants = |act: &Response| instants.contains(&act.at.timestamp_millis());
            hand_out(&mut stored.responses, &mut inputs.responses, is_last, at_instants);
            hand_out(&mut stored.pulls, &mut inputs.pulls, is_last, |_| true);
            hand_out(&mut stored.shrinks, &mut inputs.shrinks, is_last, |_| true);
        }
        inputs.pulls.sort_by_key(|pull| pull.id);
        Ok(inputs)
    }
}

/// Adds the rows that fit to others: copies of them, or, for the last who asks, the rows themselves.
fn hand_out<T: Clone>(rows: &mut Vec<T>, to: &mut Vec<T>, is_last: bool, fits: impl Fn(&T) -> bool) {
    if !is_last {
        return to.extend(rows.iter().filter(|row| fits(row)).cloned());
    }
    let mut rows = std::mem::take(rows);
    rows.retain(fits);
    if to.is_empty() { *to = rows } else { to.append(&mut rows) }
}
