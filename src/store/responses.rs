//! People's acts by the vendor's id, with the same discipline as counts: only differences are written,
//! every earlier state is kept. People arrive here as keyed hashes. Not what an act counts for: see
//! `decide::qualify`.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use chrono::{DateTime, Duration, NaiveDate, NaiveTime, Utc};
use chrono_tz::Tz;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::{Arguments, AssertSqlSafe, Row};

use super::bulk::Bulk;
use super::columns::{self, Fields};
use super::error::StoreError;
use super::forget;
use super::pulls::Change;
use super::received;
use super::stage::StagedResponse;
use super::transaction::Connection;
use crate::domain::id::SourceId;
use crate::domain::observation::{DateWindow, first_instant};
use crate::domain::response::{Answers, Depth, DomainHash, Mark, PersonHash, Response, Void};

/// Columns of what a response says, in the order of [`bind`].
const SAYS: [&str; 8] = ["person", "domain", "mark", "depth", "void", "arm_key", "at", "answers"];

/// Columns of a response, in the order they are read in.
fn fields() -> Vec<&'static str> {
    [&["response_id", "pull_id"], SAYS.as_slice()].concat()
}

/// The statements that take many rows.
pub struct Responses {
    find: Bulk,
    write: Bulk,
    keep: Bulk,
    delete: Bulk,
}

/// A response as stored: the pull that brought it and what it says.
type Stored = (i64, StagedResponse);

impl Responses {
    /// Makes the statements.
    pub fn new() -> Self {
        let says = SAYS.as_slice();
        let updates = SAYS.map(|name| format!("{name} = excluded.{name}")).join(", ");
        let joined = columns::joined(&fields());
        Self {
            find: Bulk::new(
                format!("SELECT {joined} FROM response WHERE source_id = ? AND response_id IN (VALUES "),
                1,
                ")",
            ),
            write: Bulk::insert(
                "response",
                &["source_id", "pull_id"],
                &[&["response_id"], says].concat(),
                &format!("ON CONFLICT (source_id, response_id) DO UPDATE SET pull_id = excluded.pull_id, {updates}"),
            ),
            keep: Bulk::insert(
                "response_before",
                &["source_id", "until_pull"],
                &[&["response_id", "pull_id"], says].concat(),
                "",
            ),
            delete: Bulk::new("DELETE FROM response WHERE source_id = ? AND response_id IN (VALUES ", 1, ")"),
        }
    }

    /// Puts a window's responses in place of those stored for the same instants, but for acts that these pulls brought,
    /// which the window may not hold yet. Without instants they are news: added, or put in place of what was told of them.
    pub async fn replace(
        &self,
        connection: &mut Connection,
        source: &SourceId,
        (instants, unlisted): (Option<Range<i64>>, &BTreeSet<i64>),
        mut responses: BTreeMap<String, StagedResponse>,
        pull: i64,
    ) -> Result<Change, StoreError> {
        let outside = |at: i64| instants.as_ref().is_some_and(|instants| !instants.contains(&at));
        if let Some((id, _)) = responses.iter().find(|(_, response)| outside(response.at)) {
            return Err(StoreError::Rows(format!(
                "response {id:?} was given outside the days that were asked for, so nothing of the window was stored"
            )));
        }
        let mut change = Change::default();
        let (mut before, mut gone) = (Vec::new(), Vec::new());
        for (id, old) in self.stored(connection, source, instants.unwrap_or(0..0), &responses).await? {
            if id.starts_with(forget::NOBODY) {
                // No vendor tells of it any more, and it counts all the same.
                continue;
            }
            match responses.get(&id) {
                Some(new) if *new == old.1 => {
                    change.unchanged += 1;
                    responses.remove(&id);
                    continue;
                }
                Some(_) => change.changed += 1,
                // It was sent a moment ago: the vendor's list does not show it yet.
                None if unlisted.contains(&old.0) => continue,
                None => {
                    change.vanished += 1;
                    gone.push(id.clone());
                }
            }
            before.push((id, old));
        }
        change.new = responses.len() as u64 - change.changed;
        self.execute(connection, source, &before, &responses, pull).await?;
        self.delete.execute(connection, &gone, |to| to.add(source.as_str()), |to, id| to.add(id)).await?;
        Ok(change)
    }

    /// Adds responses that came by themselves, and takes out of `responses` what was not written: what is known already,
    /// and what a reading has said, which knows better.
    pub async fn add(
        &self,
        connection: &mut Connection,
        source: &SourceId,
        responses: &mut BTreeMap<String, StagedResponse>,
        pull: i64,
    ) -> Result<Change, StoreError> {
        let stored = self.stored(connection, source, 0..0, responses).await?;
        let pulls: BTreeSet<i64> = stored.values().map(|(pull, _)| *pull).collect();
        let arrivals = received::arrivals(connection, &pulls).await?;
        let mut before = Vec::new();
        for (id, old) in stored {
            if arrivals.contains(&old.0) && responses.get(&id).is_some_and(|new| *new != old.1) {
                before.push((id, old));
            } else {
                responses.remove(&id);
            }
        }
        let changed = before.len() as u64;
        let change = Change { new: responses.len() as u64 - changed, changed, ..Change::default() };
        self.execute(connection, source, &before, responses, pull).await?;
        Ok(change)
    }

    /// Keeps earlier states, and writes the new ones.
    async fn execute(
        &self,
        connection: &mut Connection,
        source: &SourceId,
        before: &[(String, Stored)],
        written: &BTreeMap<String, StagedResponse>,
        pull: i64,
    ) -> Result<(), StoreError> {
        let written: Vec<_> = written.iter().collect();
        let source = source.as_str();
        let shared = |to: &mut AnyArguments| {
            to.add(source)?;
            to.add(pull)
        };
        let keep = |to: &mut AnyArguments, (id, (pull, response)): &(String, Stored)| {
            to.add(id)?;
            to.add(pull)?;
            bind(to, response)
        };
        self.keep.execute(connection, before, shared, keep).await?;
        let write = |to: &mut AnyArguments, &(id, response): &(&String, &StagedResponse)| {
            to.add(id)?;
            bind(to, response)
        };
        self.write.execute(connection, &written, shared, write).await
    }

    /// What is stored for these instants, and for these ids at any instant: an act can be dated anew.
    async fn stored(
        &self,
        connection: &mut Connection,
        source: &SourceId,
        instants: Range<i64>,
        staged: &BTreeMap<String, StagedResponse>,
    ) -> Result<BTreeMap<String, Stored>, StoreError> {
        let text: Option<String> = sqlx::query_scalar(AssertSqlSafe(format!(
            "SELECT {} FROM response WHERE source_id = $1 AND at >= $2 AND at < $3",
            columns::joined(&fields())
        )))
        .bind(source.as_str())
        .bind(instants.start)
        .bind(instants.end)
        .fetch_one(&mut *connection)
        .await?;
        let mut stored =
            columns::rows(text.as_deref()).map(|mut row| read(&mut row)).collect::<Result<BTreeMap<_, _>, _>>()?;
        let elsewhere: Vec<&str> = staged.keys().map(String::as_str).filter(|&id| !stored.contains_key(id)).collect();
        let take = |row: AnyRow| {
            columns::rows(row.try_get(0)?).try_for_each(|mut row| {
                let (id, found) = read(&mut row)?;
                stored.insert(id, found);
                Ok(())
            })
        };
        self.find.fetch(connection, &elsewhere, |to| to.add(source.as_str()), |to, &id| to.add(id), take).await?;
        Ok(stored)
    }
}

/// SQL for the responses of source `$1` from instant `$2` to before `$3`: as they are now, or as they were after pull `$4`.
pub fn text(known: bool) -> String {
    let fields = fields().join(", ");
    let of = "source_id = $1 AND at >= $2 AND at < $3";
    if !known {
        return format!("SELECT {fields} FROM response WHERE {of}");
    }
    format!(
        "SELECT {fields} FROM response WHERE {of} AND pull_id <= $4 UNION ALL \
         SELECT {fields} FROM response_before WHERE {of} AND pull_id <= $4 AND until_pull > $4"
    )
}

/// The same for earlier states that ended with pull `$4` or before, each behind the pull that ended it.
pub fn before() -> String {
    let fields = fields().join(", ");
    format!(
        "SELECT until_pull, {fields} FROM response_before \
         WHERE source_id = $1 AND at >= $2 AND at < $3 AND until_pull <= $4"
    )
}

/// The instants that may fall on some days in any zone: clocks are at most 14 hours ahead of UTC and 12 behind it.
pub fn about(days: DateWindow) -> Range<i64> {
    let start = midnight(days.first()) - Duration::hours(14);
    let end = midnight(days.last()) + Duration::hours(24 + 12);
    start.timestamp_millis()..end.timestamp_millis()
}

/// One row of [`text`] or of [`before`].
pub fn read_act<'a>(source: &SourceId, row: &mut impl Fields<'a>) -> Result<Response, StoreError> {
    let (response_id, (pull_id, response)) = read(row)?;
    let StagedResponse { person, domain, mark, answers, depth, void, arm_key, at } = response;
    let at = columns::instant(at)?;
    let source = source.clone();
    Ok(Response { source, response_id, person, domain, mark, depth, void, arm_key, answers, at, pull_id })
}

fn read<'a>(row: &mut impl Fields<'a>) -> Result<(String, Stored), StoreError> {
    let (id, pull) = (row.text()?.to_owned(), row.number()?);
    let person = row.optional()?.map(|hex| PersonHash::from_hex(hex.to_owned()));
    let domain = row.optional()?.map(|hex| DomainHash::from_hex(hex.to_owned()));
    let mark =
        row.optional()?.map(|name| Mark::named(name).ok_or_else(|| columns::unreadable("a mark"))).transpose()?;
    let depth = Depth::named(row.text()?).ok_or_else(|| columns::unreadable("a depth"))?;
    let void =
        row.optional()?.map(|name| Void::named(name).ok_or_else(|| columns::unreadable("an act"))).transpose()?;
    let arm_key = row.text()?.to_owned();
    let at = row.number()?;
    let answers = row.optional()?.map_or_else(|| Ok(Answers::default()), read_answers)?;
    Ok((id, (pull, StagedResponse { person, domain, mark, answers, depth, void, arm_key, at })))
}

fn bind(to: &mut AnyArguments, response: &StagedResponse) -> super::bulk::Bound {
    to.add(response.person.as_ref().map(PersonHash::as_hex))?;
    to.add(response.domain.as_ref().map(DomainHash::as_hex))?;
    to.add(response.mark.map(Mark::name))?;
    to.add(response.depth.name())?;
    to.add(response.void.map(Void::name))?;
    to.add(&response.arm_key)?;
    to.add(response.at)?;
    to.add(answers_as_text(&response.answers))
}

/// Answers as the text of a JSON object.
pub(super) fn answers_as_text(answers: &Answers) -> Option<String> {
    let object: serde_json::Map<_, _> = answers.iter().map(|(name, text)| (name.to_owned(), text.into())).collect();
    (!object.is_empty()).then(|| serde_json::Value::Object(object).to_string())
}

pub(super) fn read_answers(text: &str) -> Result<Answers, StoreError> {
    let answers: BTreeMap<String, String> = columns::from_json(text)?;
    Ok(answers.into_iter().collect())
}

/// The instants of a window's days in a zone, in UTC milliseconds.
pub fn instants(window: DateWindow, zone: Tz) -> Range<i64> {
    let after = window.last().succ_opt().unwrap_or(NaiveDate::MAX);
    first_instant(window.first(), zone).timestamp_millis()..first_instant(after, zone).timestamp_millis()
}

fn midnight(day: NaiveDate) -> DateTime<Utc> {
    day.and_time(NaiveTime::MIN).and_utc()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hours(first: &str, last: &str, zone: Tz) -> i64 {
        let window = DateWindow::new(first.parse().unwrap(), last.parse().unwrap()).unwrap();
        let instants = instants(window, zone);
        (instants.end - instants.start) / 3_600_000
    }

    #[test]
    fn days_have_the_hours_their_zone_gives_them_and_meet_without_gap() {
        assert_eq!(hours("2026-03-29", "2026-03-29", Tz::Europe__Berlin), 23);
        assert_eq!(hours("2026-10-25", "2026-10-25", Tz::Europe__Berlin), 25);
        assert_eq!(hours("2018-11-04", "2018-11-04", Tz::America__Sao_Paulo), 23, "midnight was skipped");
        assert_eq!(hours("2026-01-01", "2026-12-31", Tz::Asia__Kathmandu), 365 * 24);
        let day = |text: &str| DateWindow::new(text.parse().unwrap(), text.parse().unwrap()).unwrap();
        let before = instants(day("2018-11-03"), Tz::America__Sao_Paulo);
        assert_eq!(before.end, instants(day("2018-11-04"), Tz::America__Sao_Paulo).start);
    }
}
