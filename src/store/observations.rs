//! Counts by source, day and arm key: a window's day is compared with the stored one, only differences
//! are written, and every earlier state is kept. Texts are made from the metric catalogue, so that a new
//! metric needs its entry and its migration only.

use std::cmp::Ordering;
use std::sync::Arc;

use chrono::NaiveDate;
use sqlx::any::AnyArguments;
use sqlx::{AnyConnection, Arguments, AssertSqlSafe, Row};

use super::backend::{Bound, Bulk};
use super::columns::{self, FIELD, ROW};
use super::error::StoreError;
use super::pulls::Change;
use crate::domain::id::SourceId;
use crate::domain::metric::{CATALOGUE, MetricId};
use crate::domain::observation::{DateWindow, Observation, Values};

/// The statements, made once for the catalogue.
pub struct Observations {
    day: Arc<str>,
    now: Arc<str>,
    known: Arc<str>,
    write: Bulk,
    keep: Bulk,
    delete: Bulk,
}

/// An observation as stored: the pull that brought it and what was counted.
type Stored = (i64, Values);

impl Observations {
    /// Makes the statements.
    pub fn new() -> Self {
        let metrics = CATALOGUE.each_ref().map(|metric| metric.name);
        let as_text = metrics.map(|name| format!("COALESCE(CAST({name} AS TEXT), '')")).join(", ");
        let joined = format!("concat_ws($1, arm_key, CAST(pull_id AS TEXT), {as_text})");
        let updates = metrics.map(|name| format!("{name} = excluded.{name}")).join(", ");
        Self {
            day: format!("SELECT string_agg({joined}, $2) FROM observation WHERE source_id = $3 AND day = $4").into(),
            now: format!(
                "SELECT day, string_agg({joined}, $2) FROM observation \
                 WHERE source_id = $3 AND day BETWEEN $4 AND $5 GROUP BY day ORDER BY day"
            )
            .into(),
            known: format!(
                "SELECT day, string_agg(joined, $2) FROM (\
                 SELECT day, {joined} AS joined FROM observation \
                 WHERE source_id = $3 AND day BETWEEN $4 AND $5 AND pull_id <= $6 UNION ALL \
                 SELECT day, {joined} AS joined FROM observation_before \
                 WHERE source_id = $3 AND day BETWEEN $4 AND $5 AND pull_id <= $6 AND until_pull > $6\
                 ) AS known GROUP BY day ORDER BY day"
            )
            .into(),
            write: Bulk::insert(
                "observation",
                &["source_id", "day", "pull_id"],
                &[&["arm_key"], metrics.as_slice()].concat(),
                &format!("ON CONFLICT (source_id, day, arm_key) DO UPDATE SET pull_id = excluded.pull_id, {updates}"),
            ),
            keep: Bulk::insert(
                "observation_before",
                &["source_id", "day", "until_pull"],
                &[&["arm_key", "pull_id"], metrics.as_slice()].concat(),
                "",
            ),
            delete: Bulk::new(
                "DELETE FROM observation WHERE source_id = ? AND day = ? AND arm_key IN (VALUES ",
                1,
                ")",
            ),
        }
    }

    /// Puts one day's counts, in order of arm key, in place of what is stored for it.
    pub async fn replace_day(
        &self,
        connection: &mut AnyConnection,
        source: &SourceId,
        day: NaiveDate,
        counts: &[(&str, Values)],
        pull: i64,
    ) -> Result<Change, StoreError> {
        let source = source.as_str();
        let day = day.to_string();
        let text: Option<String> = sqlx::query_scalar(AssertSqlSafe(Arc::clone(&self.day)))
            .bind(FIELD)
            .bind(ROW)
            .bind(source)
            .bind(&day)
            .fetch_one(&mut *connection)
            .await?;
        let stored = read_day(text.as_deref())?;
        let difference = Difference::between(&stored, counts);

        let keep = |to: &mut AnyArguments, &&(key, (pull, values)): &&(&str, Stored)| {
            to.add(key)?;
            to.add(pull)?;
            bind_values(to, &values)
        };
        let shared = |number: i64| {
            let day = &day;
            move |to: &mut AnyArguments| {
                to.add(source)?;
                to.add(day)?;
                to.add(number)
            }
        };
        self.keep.execute(connection, &difference.before, shared(pull), keep).await?;
        let written = |to: &mut AnyArguments, &&(key, values): &&(&str, Values)| {
            to.add(key)?;
            bind_values(to, &values)
        };
        self.write.execute(connection, &difference.written, shared(pull), written).await?;
        let same = |to: &mut AnyArguments| {
            to.add(source)?;
            to.add(&day)
        };
        self.delete.execute(connection, &difference.gone, same, |to, &key| to.add(key)).await?;
        Ok(difference.change)
    }

    /// A source's observations on some days, in order of day and arm key: as they are now, or as they were
    /// after the pull `known_at`.
    pub async fn read(
        &self,
        connection: &mut AnyConnection,
        source: &SourceId,
        days: DateWindow,
        known_at: Option<i64>,
    ) -> Result<Vec<Observation>, StoreError> {
        let text = if known_at.is_some() { &self.known } else { &self.now };
        let mut query = sqlx::query(AssertSqlSafe(Arc::clone(text)))
            .bind(FIELD)
            .bind(ROW)
            .bind(source.as_str())
            .bind(days.first().to_string())
            .bind(days.last().to_string());
        if let Some(known_at) = known_at {
            query = query.bind(known_at);
        }
        let mut observations = Vec::new();
        for row in query.fetch_all(connection).await? {
            let day = columns::day(row.try_get(0)?)?;
            for (arm_key, (pull_id, values)) in read_day(Some(row.try_get(1)?))? {
                let arm_key = arm_key.to_owned();
                observations.push(Observation { source: source.clone(), day, arm_key, pull_id, values });
            }
        }
        Ok(observations)
    }
}

/// The rows of one day, in order of arm key. Sorted here: databases sort text each in their own way.
fn read_day(text: Option<&str>) -> Result<Vec<(&str, Stored)>, StoreError> {
    let mut rows = columns::rows(text)
        .map(|mut row| {
            let (key, pull) = (row.text()?, row.number()?);
            let mut values = Values::default();
            for metric in MetricId::all() {
                values.set(metric, row.optional_number()?);
            }
            Ok((key, (pull, values)))
        })
        .collect::<Result<Vec<_>, StoreError>>()?;
    rows.sort_by_key(|&(key, _)| key);
    Ok(rows)
}

fn bind_values(to: &mut AnyArguments, values: &Values) -> Bound {
    MetricId::all().try_for_each(|metric| to.add(values.get(metric)))
}

/// What must be written for a day to hold what its source now says.
#[derive(Default)]
struct Difference<'a> {
    /// States that end with this pull.
    before: Vec<&'a (&'a str, Stored)>,
    /// New and changed rows.
    written: Vec<&'a (&'a str, Values)>,
    /// Rows the source no longer has.
    gone: Vec<&'a str>,
    change: Change,
}

impl<'a> Difference<'a> {
    /// Merges two lists, each in order of arm key.
    fn between(stored: &'a [(&'a str, Stored)], counts: &'a [(&'a str, Values)]) -> Self {
        let mut difference = Self::default();
        let (mut stored, mut counts) = (stored.iter().peekable(), counts.iter().peekable());
        loop {
            let order = match (stored.peek(), counts.peek()) {
                (None, None) => return difference,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((old, _)), Some((new, _))) => old.cmp(new),
            };
            let old = if order.is_le() { stored.next() } else { None };
            let new = if order.is_ge() { counts.next() } else { None };
            match (old, new) {
                (Some((_, (_, old))), Some((_, new))) if old == new => difference.change.unchanged += 1,
                (old, new) => {
                    difference.before.extend(old);
                    difference.written.extend(new);
                    match (old, new) {
                        (Some(&(key, _)), None) => {
                            difference.gone.push(key);
                            difference.change.vanished += 1;
                        }
                        (None, _) => difference.change.new += 1,
                        (Some(_), Some(_)) => difference.change.changed += 1,
                    }
                }
            }
        }
    }
}
