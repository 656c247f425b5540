//! Where a connector's rows wait until their window is whole. Memory stays flat: counts are packed by
//! day and go to a nameless file beside the store once there are 8 MiB of them; responses, of which one
//! window has few, stay in memory up to a stated number. Not how they reach the tables: see `pulls.rs`.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::NaiveDate;

use super::columns;
use super::error::StoreError;
use super::observations::Columns;
use super::people::People;
use crate::domain::connector::{ResponseRow, RowSink, SinkError, SourceRow};
use crate::domain::intake::Intake;
use crate::domain::metric::MetricId;
use crate::domain::observation::Values;
use crate::domain::response::{Answers, Depth, DomainHash, Mark, PersonHash, Void};

/// Packed counts kept in memory, in bytes.
const IN_MEMORY: usize = 8 << 20;

/// Days that are compared with what is stored, and written, in one go: few questions to the database, and no more in
/// memory than a week of it.
const AT_ONCE_DAYS: usize = 7;

/// Packed counts from which on they are fewer, in bytes: some thousands of rows.
const AT_ONCE: usize = 128 << 10;

/// Responses one window may hold: about 60 MB. A window is a month at most, and people are paid for
/// one by one, so a larger number is a mistake in the settings.
const MOST_RESPONSES: usize = 250_000;

/// Longest answer that rules can read, and longest that is read for themes, in bytes: what is beyond is cut off.
const LONGEST_ANSWER: usize = 200;
const LONGEST_FREE_TEXT: usize = 2_000;

/// The rows of one window of one source, not yet visible to anyone.
#[derive(Debug)]
pub struct Stage {
    people: Arc<People>,
    intake: Intake,
    folder: PathBuf,
    in_memory: usize,
    columns: Columns,
    days: BTreeMap<NaiveDate, Packed>,
    file: Option<File>,
    file_length: u64,
    responses: BTreeMap<String, StagedResponse>,
    free_text: BTreeMap<String, Answers>,
}

/// One day's counts: what is still in memory, and where in the file the rest is.
#[derive(Debug, Default)]
struct Packed {
    bytes: Vec<u8>,
    written: Vec<(u64, usize)>,
}

/// One person's act, as a connector gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StagedResponse {
    pub person: Option<PersonHash>,
    pub domain: Option<DomainHash>,
    pub mark: Option<Mark>,
    pub answers: Answers,
    pub depth: Depth,
    pub void: Option<Void>,
    pub arm_key: String,
    /// UTC milliseconds.
    pub at: i64,
}

impl Stage {
    /// An empty one. `folder` is where the file goes, if one is needed.
    pub(super) fn new(people: Arc<People>, intake: Intake, folder: PathBuf) -> Self {
        let (days, responses, free_text) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        let columns = Columns::default();
        Self { people, intake, folder, in_memory: 0, columns, days, file: None, file_length: 0, responses, free_text }
    }

    /// Days that have counts.
    pub(super) fn days(&self) -> impl Iterator<Item = NaiveDate> {
        self.days.keys().copied()
    }

    /// What its counts are of.
    pub(super) fn columns(&self) -> Columns {
        self.columns
    }

    /// Takes the counts of the next days out, packed: of a week, or of fewer days that have many rows.
    pub(super) fn take_days(
        &mut self,
        days: &mut impl Iterator<Item = NaiveDate>,
    ) -> Result<Vec<(NaiveDate, Counts)>, StoreError> {
        let (mut taken, mut bytes) = (Vec::new(), 0);
        while taken.len() < AT_ONCE_DAYS && bytes < AT_ONCE {
            let Some(day) = days.next() else { break };
            let counts = self.take_day(day)?;
            bytes += counts.0.len();
            taken.push((day, counts));
        }
        Ok(taken)
    }

    fn take_day(&mut self, day: NaiveDate) -> Result<Counts, StoreError> {
        let Packed { bytes, written } = self.days.remove(&day).unwrap_or_default();
        let mut all = vec![0; written.iter().map(|&(_, length)| length).sum()];
        let mut rest = all.as_mut_slice();
        for (offset, length) in written {
            let (part, after) = rest.split_at_mut(length);
            let file = self.file.as_ref().ok_or_else(|| self.lost(io::ErrorKind::NotFound.into()))?;
            file.read_exact_at(part, offset).map_err(|source| self.lost(source))?;
            rest = after;
        }
        all.extend_from_slice(&bytes);
        Ok(Counts(all))
    }

    /// Takes the responses out, by their ids, and beside them what people wrote freely.
    pub(super) fn take_responses(&mut self) -> (BTreeMap<String, StagedResponse>, BTreeMap<String, Answers>) {
        (std::mem::take(&mut self.responses), std::mem::take(&mut self.free_text))
    }

    fn lost(&self, source: io::Error) -> StoreError {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => StoreError::Full,
            _ => StoreError::File { path: self.folder.clone(), source },
        }
    }

    fn take_counts(&mut self, arm_key: &str, day: NaiveDate, values: &[(MetricId, i64)]) -> Result<(), SinkError> {
        let arm_key = columns::arm_key(arm_key);
        let bytes = &mut self.days.entry(day).or_default().bytes;
        let before = bytes.len();
        pack(bytes, &arm_key, values)
            .ok_or_else(|| SinkError::Rows(format!("{day}, key {arm_key:?}: a count is below zero or too large")))?;
        self.in_memory += bytes.len() - before;
        for &(metric, _) in values {
            self.columns.insert(metric);
        }
        if self.in_memory > IN_MEMORY {
            self.write_out().map_err(|error| SinkError::Storage(self.lost(error).to_string()))?;
        }
        Ok(())
    }

    fn write_out(&mut self) -> io::Result<()> {
        let file = match &mut self.file {
            Some(file) => file,
            none => none.insert(tempfile::tempfile_in(&self.folder)?),
        };
        for packed in self.days.values_mut().filter(|packed| !packed.bytes.is_empty()) {
            let bytes = std::mem::take(&mut packed.bytes);
            file.write_all_at(&bytes, self.file_length)?;
            packed.written.push((self.file_length, bytes.len()));
            self.file_length += bytes.len() as u64;
        }
        self.in_memory = 0;
        Ok(())
    }

    fn take_response(&mut self, row: &ResponseRow<'_>) -> Result<(), SinkError> {
        let id = row.response_id.as_ref();
        if id.is_empty() || !columns::is_key(id) {
            return Err(SinkError::Rows("a response's id is empty, too long or holds control characters".into()));
        }
        let person = row.person.as_deref().filter(|person| !person.trim().is_empty());
        let known = person.map(|person| self.people.meet(person, &self.intake)).transpose();
        let known = known.map_err(|error| SinkError::Storage(error.to_string()))?;
        let (person, domain, mark) = known.map_or((None, None, None), |known| (Some(known.0), known.1, known.2));
        let is_free = |name: &str| self.intake.answers.iter().any(|known| known.name == name && known.is_free_text);
        let (free, answers): (Vec<_>, Vec<_>) = row.answers.iter().partition(|(name, _)| is_free(name));
        let kept = |answers: Vec<&(String, String)>, longest| -> Answers {
            answers.into_iter().map(|(name, answer)| (name, shortened(answer, longest))).collect()
        };
        let free = kept(free, LONGEST_FREE_TEXT);
        let response = StagedResponse {
            person,
            domain,
            mark,
            answers: kept(answers, LONGEST_ANSWER),
            depth: row.depth,
            void: row.void,
            arm_key: columns::arm_key(row.arm_key.as_deref().unwrap_or_default()).into_owned(),
            at: row.at.timestamp_millis(),
        };
        let count = self.responses.len();
        match self.responses.entry(id.to_owned()) {
            Entry::Occupied(known) if *known.get() == response => Ok(()),
            Entry::Occupied(_) => Err(SinkError::Rows(format!("response {id:?} came twice and not the same"))),
            Entry::Vacant(_) if count == MOST_RESPONSES => {
                Err(SinkError::Rows(format!("more than {MOST_RESPONSES} responses in one window: check the source")))
            }
            Entry::Vacant(vacant) => {
                vacant.insert(response);
                if !free.is_empty() {
                    self.free_text.insert(id.to_owned(), free);
                }
                Ok(())
            }
        }
    }
}

#[async_trait]
impl RowSink for Stage {
    async fn accept(&mut self, page: &[SourceRow<'_>]) -> Result<(), SinkError> {
        page.iter().try_for_each(|row| match row {
            SourceRow::Counts { arm_key, day, values } => {
                self.take_counts(arm_key.as_deref().unwrap_or_default(), *day, values)
            }
            SourceRow::Response(response) => self.take_response(response),
        })
    }

    async fn clear(&mut self) -> Result<(), SinkError> {
        self.days.clear();
        self.responses.clear();
        self.free_text.clear();
        (self.in_memory, self.file_length, self.columns) = (0, 0, Columns::default());
        let emptied = self.file.as_ref().map_or(Ok(()), |file| file.set_len(0));
        emptied.map_err(|error| SinkError::Storage(self.lost(error).to_string()))
    }
}

/// A text without control characters, cut where it is longer.
fn shortened(text: &str, longest: usize) -> String {
    let text: String = text.chars().map(|one| if one.is_control() { ' ' } else { one }).collect();
    match (0..=longest).rev().find(|&end| text.is_char_boundary(end)) {
        Some(end) if text.len() > longest => format!("{}…", &text[..end]),
        _ => text,
    }
}

/// One day's counts, packed one after the other: length of the key, key, number of values, then metric and
/// value of each; numbers in groups of seven bits, lowest first.
pub(super) struct Counts(Vec<u8>);

impl Counts {
    /// One entry per arm key, in order of key, different rows of one key added up.
    pub(super) fn by_arm(&self) -> Result<Vec<(&str, Values)>, StoreError> {
        let mut counts = Vec::new();
        let mut rest = self.0.as_slice();
        while !rest.is_empty() {
            counts.push(unpack(&mut rest).ok_or_else(|| columns::unreadable("a row set aside beside"))?);
        }
        counts.sort_by_key(|&(key, _)| key);
        let mut too_large = None;
        counts.dedup_by(|(key, values), (kept, sum)| {
            if key == kept {
                sum.plus(values).map_or_else(|| too_large = Some(*key), |total| *sum = total);
            }
            key == kept
        });
        match too_large {
            Some(key) => Err(StoreError::Rows(format!("the counts of key {key:?} are too large to be added up"))),
            None => Ok(counts),
        }
    }
}

/// `None` when a value is negative.
fn pack(bytes: &mut Vec<u8>, arm_key: &str, values: &[(MetricId, i64)]) -> Option<()> {
    pack_number(bytes, arm_key.len() as u64);
    bytes.extend_from_slice(arm_key.as_bytes());
    pack_number(bytes, values.len() as u64);
    for &(metric, value) in values {
        pack_number(bytes, metric.index() as u64);
        pack_number(bytes, u64::try_from(value).ok()?);
    }
    Some(())
}

fn pack_number(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    bytes.push((number & 0x7f) as u8);
}

fn unpack<'a>(bytes: &mut &'a [u8]) -> Option<(&'a str, Values)> {
    let length = usize::try_from(unpack_number(bytes)?).ok()?;
    let (key, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    let mut values = Values::default();
    for _ in 0..unpack_number(bytes)? {
        let metric = MetricId::counted().nth(usize::try_from(unpack_number(bytes)?).ok()?)?;
        let value = i64::try_from(unpack_number(bytes)?).ok()?;
        values.set(metric, Some(values.get(metric).unwrap_or(0).checked_add(value)?));
    }
    Some((std::str::from_utf8(key).ok()?, values))
}

fn unpack_number(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
