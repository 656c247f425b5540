//! Windows: how staged rows take the place of stored ones in one transaction. Not how they are read back: see `rows.rs`.

use std::collections::BTreeSet;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use sqlx::AssertSqlSafe;

use super::Store;
use super::columns::{self, Fields};
use super::error::StoreError;
use super::fields;
use super::forget;
use super::free_text;
use super::observations::Columns;
use super::quarantine::{self, Wary};
use super::received;
use super::responses;
use super::stage::Stage;
use super::transaction::Connection;
use crate::domain::connector::Facts;
use crate::domain::id::SourceId;
use crate::domain::intake::Intake;
use crate::domain::money::Currency;
use crate::domain::observation::{DateWindow, Pull};
use crate::domain::response::DomainHash;

/// What the rows of a stage are: one window of one source.
#[derive(Clone, Debug)]
pub struct Slice {
    /// The run that asked, or `import:…`.
    pub run_id: String,
    /// Which source.
    pub source: SourceId,
    /// The days the rows speak for: only these are replaced.
    pub window: DateWindow,
    /// Where the source's days begin and end.
    pub zone: Tz,
    /// What its money is in, where it supplies money.
    pub currency: Option<Currency>,
    /// What its numbers mean, as its connector says.
    pub facts: Facts,
    /// When it was committed.
    pub at: DateTime<Utc>,
    /// By what it is held against what is stored; `None` takes it as it is.
    pub wary: Option<Wary>,
}

/// What replacing a window came to. Counts and responses are added up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SliceChange {
    /// The record of the window.
    pub pull: Pull,
    /// Rows not known before.
    pub new: u64,
    /// Rows that were different before.
    pub changed: u64,
    /// Rows the source no longer has.
    pub vanished: u64,
    /// Rows as they were: nothing was written for them.
    pub unchanged: u64,
}

/// How many rows came to what.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Change {
    pub new: u64,
    pub changed: u64,
    pub vanished: u64,
    pub unchanged: u64,
}

impl Change {
    fn add(&mut self, other: Self) {
        self.new += other.new;
        self.changed += other.changed;
        self.vanished += other.vanished;
        self.unchanged += other.unchanged;
    }
}

/// What the record of a pull says, in the order it is read in.
const FIELDS: [&str; 9] =
    ["id", "run_id", "first_day", "last_day", "currency", "day_zone", "committed_at", "facts", "metrics"];

impl Store {
    /// An empty place for the rows of one window, which keeps nothing that people answered.
    pub fn stage(&self) -> Stage {
        self.stage_of(&Intake::default())
    }

    /// An empty place for the rows of one window of a source, and for what may be kept of its people.
    pub fn stage_of(&self, intake: &Intake) -> Stage {
        Stage::new(self.people.clone(), intake.clone(), self.folder())
    }

    /// Puts the staged rows in place of what is stored for the window, in one transaction with the record of
    /// the pull: all of it or nothing. A row that changed or vanished is kept as it was; an unchanged one
    /// writes nothing. Another zone or currency than before is recorded, not judged.
    ///
    /// Where the slice is wary and shows much less of settled days than is stored, what is stored stays, until another
    /// reading shows the same; where a field that counted is in none of its rows, what is stored stays until it is back
    /// or the user accepts it.
    ///
    /// # Errors
    /// [`StoreError::Rows`] when a row lies outside the window or counts are too large to be added up; [`StoreError::Older`]
    /// when the rows are from a file, and a newer one speaks for a day of the window;
    /// [`StoreError::Less`] and [`StoreError::Lost`] when what is stored was kept; others when the store cannot be written. The store is then as it was.
    pub async fn replace_slice(&self, mut stage: Stage, slice: &Slice) -> Result<SliceChange, StoreError> {
        if let Some(day) = stage.days().find(|&day| !slice.window.contains(day)) {
            return Err(StoreError::Rows(format!(
                "rows of {day} were given, which was not asked for, so nothing of the window was stored"
            )));
        }
        let mut write = self.backend.write().await?;
        if let Some(day) = older(&mut write, slice).await? {
            return Err(StoreError::Older(day));
        }
        // Made inside the write lock, so that ids order commits.
        let id: i64 = sqlx::query_scalar("SELECT COALESCE(MAX(id), 0) + 1 FROM pull").fetch_one(&mut *write).await?;
        let pull = Pull {
            id,
            run_id: slice.run_id.clone(),
            source: slice.source.clone(),
            first_day: slice.window.first(),
            last_day: slice.window.last(),
            currency: slice.currency,
            day_zone: slice.zone,
            facts: slice.facts.clone(),
            committed_at: columns::instant(slice.at.timestamp_millis())?,
        };
        if let Some(wary) = slice.wary
            && let Some(lost) = fields::lost(&mut write, slice, wary).await?
        {
            return Err(StoreError::Lost(Box::new(lost)));
        }
        let before = match slice.wary {
            Some(wary) => quarantine::Before::of(&mut write, slice, wary).await?,
            None => None,
        };
        record(&mut write, &pull, stage.columns()).await?;
        let mut change = Change::default();
        let mut days = slice.window.first().iter_days().take_while(|&day| day <= slice.window.last()).peekable();
        while days.peek().is_some() {
            let some = stage.take_days(&mut days)?;
            change.add(self.observations.replace_days(&mut write, &slice.source, &some, id).await?);
        }
        let (mut staged, said) = stage.take_responses();
        forget::leave_out(&mut write, &self.people, &slice.source, &mut staged).await?;
        if staged.values().any(|response| response.person.is_some()) {
            self.remember_key(&mut write).await?;
        }
        // Of news, what is not there has not vanished.
        let instants = slice.facts.state.is_none().then(|| responses::instants(slice.window, slice.zone));
        free_text::keep(&mut write, (&slice.source, slice.at), &staged, said).await?;
        let unlisted = received::unlisted(&mut write, &slice.source, slice.at).await?;
        let acts = self.responses.replace(&mut write, &slice.source, (instants, &unlisted), staged, id).await?;
        if acts.vanished > 0 {
            free_text::drop_of_nobody(&mut write, &slice.source).await?;
        }
        change.add(acts);
        if let Some(wary) = slice.wary
            && let Some(shrink) = quarantine::suspect(&mut write, slice, wary, before, id).await?
        {
            write.rollback().await?;
            let mut write = self.backend.write().await?;
            quarantine::remember(&mut write, slice, wary, &shrink).await?;
            write.commit().await?;
            return Err(StoreError::Less(Box::new(shrink)));
        }
        write.commit().await?;
        let Change { new, changed, vanished, unchanged } = change;
        Ok(SliceChange { pull, new, changed, vanished, unchanged })
    }

    /// Records which key people were hashed with, or refuses a second one.
    pub(super) async fn remember_key(&self, connection: &mut Connection) -> Result<(), StoreError> {
        let stored: Option<String> =
            sqlx::query_scalar("SELECT fingerprint FROM person_key").fetch_optional(&mut *connection).await?;
        self.people.must_match(stored.as_deref())?;
        if let (None, Some(fingerprint)) = (stored, self.people.fingerprint()) {
            sqlx::query("INSERT INTO person_key (fingerprint) VALUES ($1)")
                .bind(fingerprint)
                .execute(connection)
                .await?;
        }
        Ok(())
    }

    /// Domains as responses name them.
    pub fn domains(&self, domains: &[String]) -> Result<BTreeSet<DomainHash>, StoreError> {
        self.people.domains(domains)
    }

    /// Every committed reading of a source, in order of commit.
    pub async fn pulls(&self, source: &SourceId) -> Result<Vec<Pull>, StoreError> {
        let joined = columns::joined(&FIELDS);
        let sql = format!("SELECT {joined} FROM pull WHERE source_id = $1 AND first_day <= last_day");
        let text: Option<String> = sqlx::query_scalar(AssertSqlSafe(sql))
            .bind(source.as_str())
            .fetch_one(&mut *self.backend.read().await?)
            .await?;
        read_pulls(source, text.as_deref())
    }
}

/// A day of a file for which a newer one speaks. Whoever read the file knew of none, but readings of another process follow
/// no order but that of their commits.
async fn older(connection: &mut Connection, slice: &Slice) -> Result<Option<NaiveDate>, StoreError> {
    let Some(file) = slice.facts.file.as_ref().filter(|file| !file.is_for_its_days) else { return Ok(None) };
    let pulls = overlapping(connection, &slice.source, slice.window).await?;
    let is_older = |day: &NaiveDate| {
        pulls.iter().rfind(|pull| pull.covers(*day)).is_some_and(|last| last.holds_since() > file.modified)
    };
    Ok(slice.window.first().iter_days().take_while(|day| *day <= slice.window.last()).find(is_older))
}

/// Writes the record of a pull, whose rows have counts in these columns.
pub(super) async fn record(connection: &mut Connection, pull: &Pull, filled: Columns) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO pull (id, run_id, source_id, first_day, last_day, currency, day_zone, committed_at, facts, \
         metrics) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
    )
    .bind(pull.id)
    .bind(&pull.run_id)
    .bind(pull.source.as_str())
    .bind(pull.first_day.to_string())
    .bind(pull.last_day.to_string())
    .bind(pull.currency.map(|currency| currency.code()))
    .bind(pull.day_zone.name())
    .bind(pull.committed_at.timestamp_millis())
    .bind((pull.facts != Facts::default()).then(|| columns::json(&pull.facts)).transpose()?)
    .bind(filled.names())
    .execute(connection)
    .await?;
    Ok(())
}

/// SQL for all pulls of source `$1` up to pull `$2`. Of acts that were received, which may be many, the last record is
/// enough to say what was known.
pub(super) fn text() -> String {
    format!(
        "SELECT {} FROM pull WHERE source_id = $1 AND id <= $2 AND (first_day <= last_day \
         OR id = (SELECT MAX(id) FROM pull AS received WHERE received.source_id = $1 AND received.id <= $2))",
        FIELDS.join(", ")
    )
}

/// Pulls of a source that speak for any day of a window, in order of commit.
pub(super) async fn overlapping(
    connection: &mut Connection,
    source: &SourceId,
    window: DateWindow,
) -> Result<Vec<Pull>, StoreError> {
    let joined = columns::joined(&FIELDS);
    let sql = format!("SELECT {joined} FROM pull WHERE source_id = $1 AND first_day <= $2 AND last_day >= $3");
    let text: Option<String> = sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(source.as_str())
        .bind(window.last().to_string())
        .bind(window.first().to_string())
        .fetch_one(connection)
        .await?;
    read_pulls(source, text.as_deref())
}

/// The pulls of a joined text, in order of commit.
fn read_pulls(source: &SourceId, text: Option<&str>) -> Result<Vec<Pull>, StoreError> {
    let mut reader = Reader::of(source);
    let pulls = columns::rows(text).map(|mut row| reader.read(&mut row));
    let mut pulls = pulls.collect::<Result<Vec<_>, _>>()?;
    pulls.sort_unstable_by_key(|pull| pull.id);
    Ok(pulls)
}

/// Reads pulls of one source.
pub(super) struct Reader<'s> {
    source: &'s SourceId,
    /// Of most pulls the same.
    facts: (String, Facts),
    /// Those in which rows of the pulls so far have counts.
    pub(super) columns: Columns,
}

impl<'s> Reader<'s> {
    pub(super) fn of(source: &'s SourceId) -> Self {
        Self { source, facts: (String::new(), Facts::default()), columns: Columns::default() }
    }

    /// The next one.
    pub(super) fn read<'a>(&mut self, row: &mut impl Fields<'a>) -> Result<Pull, StoreError> {
        let (id, run_id) = (row.number()?, row.text()?.to_owned());
        let (first_day, last_day) = (columns::day(row.text()?)?, columns::day(row.text()?)?);
        let currency = row.optional()?;
        let currency = currency
            .map(|code| Currency::from_code(code).ok_or_else(|| columns::unreadable("a currency")))
            .transpose()?;
        let day_zone = row.text()?.parse().map_err(|_| columns::unreadable("a time zone"))?;
        let committed_at = columns::instant(row.number()?)?;
        let said = row.text()?;
        if said != self.facts.0 {
            let facts = if said.is_empty() { Facts::default() } else { columns::from_json(said)? };
            self.facts = (said.to_owned(), facts);
        }
        self.columns = self.columns.and(Columns::named(row.text()?));
        let (source, facts) = (self.source.clone(), self.facts.1.clone());
        Ok(Pull { id, run_id, source, first_day, last_day, currency, day_zone, facts, committed_at })
    }
}
