//! The second pass over an export of answers: every whole answer as one person's act, every begun one as a form opened,
//! in batches. Nothing here guesses: how cells are written was settled by the survey.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use chrono_tz::Tz;

use super::super::FileError;
use super::super::columns::ArmColumn;
use super::super::numbers::is_absent;
use super::super::reading::{identifier, is_rounded};
use super::super::records::{Record, Records};
use super::super::repeats::{Repeat, Repeats};
use super::super::survey::wrong_width;
use super::settings::PERSON_COLUMN;
use super::survey::{FormSurvey, is_address, is_empty};

/// Rows handed over at a time.
const BATCH: usize = 1_000;

/// More whole answers than one import takes: the store holds them in memory until all are there.
const MOST_ANSWERS: u64 = 250_000;

/// Beyond it the arm column is not one.
const MOST_ARMS: usize = 2_000;

/// Longest arm key and longest id, in characters.
const LONGEST_KEY: usize = 600;

/// Rows shown as an example.
const SAMPLE: usize = 3;

/// One whole answer.
pub(super) struct Act {
    pub line: u64,
    pub id: String,
    pub person: Option<String>,
    pub arm: Arc<str>,
    pub at: DateTime<Utc>,
    pub answers: Vec<(String, String)>,
}

/// Some rows: whole answers; and of every row its line, arm and the day the form was opened: of a whole answer the day it
/// was sent, else the day it was begun.
#[derive(Default)]
pub(super) struct Batch {
    pub acts: Vec<Act>,
    pub opens: Vec<(u64, Arc<str>, NaiveDate)>,
    rows: usize,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }
}

/// What one arm adds up to.
#[derive(Clone, Copy, Default)]
pub(super) struct ArmTally {
    pub answers: u64,
    pub opens: u64,
}

/// What the rows add up to.
#[derive(Default)]
pub(super) struct Tally {
    pub rows: u64,
    pub answers: u64,
    pub partial: u64,
    /// Begun answers without any time: they cannot be counted on a day.
    pub untimed: u64,
    /// Forms begun before the days that the file speaks for, and not sent.
    pub early: u64,
    /// Whole answers without an address although there is a column of them.
    pub nameless: u64,
    /// How many answers each person gave, hashed.
    pub people: HashMap<u64, u64>,
    /// Rows that say the same as an earlier one.
    pub repeated: u64,
    pub days: BTreeSet<NaiveDate>,
    pub arms: BTreeMap<Arc<str>, ArmTally>,
    /// The cells of the first rows, as written.
    pub sample: Vec<(u64, Vec<String>)>,
    /// Ids of whole answers, hashed.
    pub ids: HashSet<u64>,
}

/// An export being read for the second time.
pub(super) struct FormReading {
    survey: FormSurvey,
    records: Records,
    counter: Counter,
}

impl FormReading {
    /// Begins below the names. `zone` says where days begin: the experiment's. From `since` on the user says that the export
    /// holds everything.
    pub(super) fn new(survey: FormSurvey, zone: Tz, since: Option<NaiveDate>) -> Result<Self, FileError> {
        let from = if survey.counts_opens { first_answer(&survey, zone)? } else { None };
        let from = from.into_iter().chain(since).min();
        let records = survey.records()?;
        let (tally, repeats) = (Tally::default(), Repeats::new());
        let counter = Counter { zone, from, tally, repeats, sent_at: HashMap::new(), begun: HashSet::new() };
        Ok(Self { survey, records, counter })
    }

    /// The name of the sheet, of a workbook.
    pub(super) fn sheet(&self) -> Option<&str> {
        self.survey.table.sheet_name()
    }

    /// The next rows; empty at the end of the file.
    pub(super) fn next_batch(&mut self) -> Result<Batch, FileError> {
        self.batch().map_err(|error| error.in_sheet(self.survey.table.sheet_name()))
    }

    fn batch(&mut self) -> Result<Batch, FileError> {
        let mut batch = Batch::default();
        while batch.rows < BATCH {
            let Some(record) = self.records.next()? else { break };
            if is_empty(record) {
                continue;
            }
            // Of a file that was written to since the survey.
            if record.fields.len() != self.survey.layout.header.len() {
                return Err(wrong_width(record.line, record.fields.len(), &self.survey.layout, false));
            }
            batch.rows += 1;
            self.counter.take(record, &self.survey, &mut batch)?;
        }
        Ok(batch)
    }

    /// What was read of the whole file; asks for the end to have been reached.
    pub(super) fn finish(self) -> Result<(FormSurvey, Tally), FileError> {
        self.survey.check_unchanged()?;
        match self.counter.repeats.finish()? {
            Some(Repeat { first_line, second_line, equal: false }) => {
                let what = format!(
                    "this answer has the id of the one on line {first_line} and says something else, so neither can be \
                     trusted: export again, or name the column that tells answers apart in id_column"
                );
                Err(FileError::Mend { line: second_line, what }.in_sheet(self.survey.table.sheet_name()))
            }
            _ => Ok((self.survey, self.counter.tally)),
        }
    }
}

/// The day on which the first whole answer was sent: an export may hold answers of some days only, begun at any time
/// before. What cannot be read is left to the reading itself.
fn first_answer(survey: &FormSurvey, zone: Tz) -> Result<Option<NaiveDate>, FileError> {
    let mut records = survey.records()?;
    let mut first: Option<DateTime<Utc>> = None;
    while let Some(record) = records.next()? {
        if record.fields.len() == survey.layout.header.len() && survey.is_whole(record) {
            let at = survey.instants.read(record.cell(survey.columns.submitted)).ok();
            first = first.into_iter().chain(at).min();
        }
    }
    Ok(first.map(|at| at.with_timezone(&zone).date_naive()))
}

/// Counts rows as they are read.
struct Counter {
    zone: Tz,
    /// Forms begun before it and not sent are left out; `None` where no whole answer says when the export begins.
    from: Option<NaiveDate>,
    tally: Tally,
    repeats: Repeats,
    /// How many answers were sent at an instant, where nothing else tells them apart.
    sent_at: HashMap<i64, u32>,
    /// Begun answers that have an id, hashed.
    begun: HashSet<u64>,
}

impl Counter {
    fn take(&mut self, record: Record<'_>, survey: &FormSurvey, batch: &mut Batch) -> Result<(), FileError> {
        let line = record.line;
        let columns = &survey.columns;
        self.tally.rows += 1;
        if self.tally.sample.len() < SAMPLE {
            let cells = (0..record.fields.len()).map(|at| record.cell(at).to_owned()).collect();
            self.tally.sample.push((line, cells));
        }
        let arm = self.arm(record, &columns.arm)?;
        let instant = |column: usize| {
            let cell = record.cell(column);
            let read = || survey.instants.read(cell).map_err(|what| FileError::Mend { line, what });
            (!cell.is_empty()).then(read).transpose()
        };
        let (started, submitted) = (columns.started.map(instant).transpose()?.flatten(), instant(columns.submitted)?);
        let mut content = DefaultHasher::new();
        record.fields.iter().for_each(|cell| cell.hash(&mut content));
        let content = content.finish();
        if !survey.is_whole(record) {
            // Two who left the same behind are two, unless an id says that they are one.
            if columns.id.is_some_and(|id| !record.cell(id).is_empty()) && !self.begun.insert(content) {
                self.tally.repeated += 1;
                return Ok(());
            }
            self.tally.partial += 1;
            if survey.counts_opens {
                self.count_begun(started.or(submitted), line, &arm, batch);
            }
            return Ok(());
        }
        let at = submitted.ok_or_else(|| FileError::Mend {
            line,
            what: format!("nothing says when this answer was sent (column \"{}\")", columns.headers[columns.submitted]),
        })?;
        let id = self.id(record, columns.id, at)?;
        let hash = hashed(&id);
        self.repeats.add(hash, content, line)?;
        if !self.tally.ids.insert(hash) {
            self.tally.repeated += 1;
            return Ok(());
        }
        self.tally.answers += 1;
        if self.tally.answers > MOST_ANSWERS {
            return Err(FileError::ExportAgain(format!(
                "the file has more than {MOST_ANSWERS} answers: export it in parts, by date"
            )));
        }
        let day = at.with_timezone(&self.zone).date_naive();
        self.tally.days.insert(day);
        self.count(&arm).answers += 1;
        if survey.counts_opens {
            // Not on the day it was begun: no day may have more sign-ups than forms opened.
            self.count(&arm).opens += 1;
            batch.opens.push((line, Arc::clone(&arm), day));
        }
        let cell = survey.person.map(|at| record.cell(at));
        if columns.person.is_some() && cell.is_some_and(is_address) {
            return Err(FileError::Answer {
                setting: PERSON_COLUMN,
                what: "its column holds addresses: name it in email_column".to_owned(),
            });
        }
        let says_who = |cell: &&str| if columns.person.is_some() { !is_absent(cell) } else { is_address(cell) };
        let person = cell.filter(says_who).map(str::to_owned);
        self.tally.nameless += u64::from(cell.is_some() && person.is_none());
        if let Some(person) = &person {
            *self.tally.people.entry(hashed(person)).or_default() += 1;
        }
        let answers = columns.answers.iter().filter_map(|(name, places)| Some((name.clone(), answer(record, places)?)));
        batch.acts.push(Act { line, id, person, arm, at, answers: answers.collect() });
        Ok(())
    }

    /// A form that was opened and not sent.
    fn count_begun(&mut self, at: Option<DateTime<Utc>>, line: u64, arm: &Arc<str>, batch: &mut Batch) {
        let Some(at) = at else {
            self.tally.untimed += 1;
            return;
        };
        let day = at.with_timezone(&self.zone).date_naive();
        if self.from.is_some_and(|from| from <= day) {
            self.tally.days.insert(day);
            self.count(arm).opens += 1;
            batch.opens.push((line, Arc::clone(arm), day));
        } else {
            self.tally.early += 1;
        }
    }

    fn count(&mut self, arm: &Arc<str>) -> &mut ArmTally {
        self.tally.arms.entry(Arc::clone(arm)).or_default()
    }

    /// What an answer is known by. Without a column for it, the instant it was sent: who reads the store learns no more
    /// from it than from the act itself.
    fn id(&mut self, record: Record<'_>, column: Option<usize>, at: DateTime<Utc>) -> Result<String, FileError> {
        let mend = |what: String| FileError::Mend { line: record.line, what };
        let Some(column) = column else {
            let same = self.sent_at.entry(at.timestamp_millis()).or_default();
            *same += 1;
            let instant = at.to_rfc3339_opts(SecondsFormat::AutoSi, true);
            return Ok(if *same == 1 { instant } else { format!("{instant} #{same}") });
        };
        let id = identifier(record.cell(column));
        if id.is_empty() {
            return Err(mend("this answer has no id: export it again without editing it".to_owned()));
        }
        if is_address(id) {
            return Err(FileError::Answer {
                setting: "id_column",
                what: "its column holds addresses, which are never kept as they stand: name the column of the answers' ids"
                    .to_owned(),
            });
        }
        if is_rounded(id) {
            return Err(mend(format!(
                "the id \"{id}\" was shortened by a spreadsheet, so answers cannot be told apart: export again, and import \
                 the file without opening it"
            )));
        }
        if id.chars().count() > LONGEST_KEY {
            return Err(mend("the id is longer than any id: name another column in id_column".to_owned()));
        }
        Ok(id.replace(char::is_control, " "))
    }

    fn arm(&mut self, record: Record<'_>, column: &ArmColumn) -> Result<Arc<str>, FileError> {
        let key = match column {
            ArmColumn::Whole(arm) => arm.as_str(),
            ArmColumn::At(at) => record.cell(*at),
        };
        if let Some((known, _)) = self.tally.arms.get_key_value(key) {
            return Ok(Arc::clone(known));
        }
        if self.tally.arms.len() == MOST_ARMS || key.chars().count() > LONGEST_KEY {
            return Err(FileError::Answer {
                setting: "arm_column",
                what: "its column holds more than names of arms: name the hidden field that tells arms apart"
                    .to_owned(),
            });
        }
        let clean: Arc<str> = key.replace(char::is_control, " ").into();
        self.tally.arms.entry(Arc::clone(&clean)).or_default();
        Ok(clean)
    }
}

/// What an id is known by while a file is read.
pub(super) fn hashed(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

/// What was answered, of several choices all; nothing where all are empty.
fn answer(record: Record<'_>, places: &[usize]) -> Option<String> {
    let given: Vec<&str> = places.iter().map(|&at| record.cell(at)).filter(|cell| !cell.is_empty()).collect();
    (!given.is_empty()).then(|| given.join("; "))
}
