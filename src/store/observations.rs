//! Counts by source, day and arm key: a window's day is compared with the stored one, only differences
//! are written, and every earlier state is kept. Texts are made from the metric catalogue, so that a new
//! metric needs its entry and its migration only.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::NaiveDate;
use sqlx::any::AnyArguments;
use sqlx::{Arguments, AssertSqlSafe, Row};

use super::bulk::{Bound, Bulk};
use super::columns::{self, Fields, Joined};
use super::error::StoreError;
use super::pulls::Change;
use super::stage::Counts;
use super::transaction::Connection;
use crate::domain::id::SourceId;
use crate::domain::metric::{CATALOGUE, COUNTED, MetricId};
use crate::domain::observation::{Observation, Values};

/// The statements, made once for the catalogue.
pub struct Observations {
    days: Arc<str>,
    updates: String,
    keep: Bulk,
    delete: Bulk,
}

/// An observation as stored: the pull that brought it and what was counted.
type Stored = (i64, Values);

impl Observations {
    /// Makes the statements.
    pub fn new() -> Self {
        let metrics = columns_of_metrics();
        let updates = metrics.map(|name| format!("{name} = excluded.{name}")).join(", ");
        let joined = columns::joined(&[&["arm_key", "pull_id"], metrics.as_slice()].concat());
        Self {
            days: format!(
                "SELECT day, {joined} FROM observation WHERE source_id = $1 AND day BETWEEN $2 AND $3 \
                 GROUP BY day ORDER BY day"
            )
            .into(),
            updates,
            keep: Bulk::insert(
                "observation_before",
                &["source_id", "until_pull"],
                &[&["day", "arm_key", "pull_id"], metrics.as_slice()].concat(),
                "",
            ),
            delete: Bulk::new("DELETE FROM observation WHERE source_id = ? AND (day, arm_key) IN (VALUES ", 2, ")"),
        }
    }

    /// Writes rows that have values of these metrics only: what is not bound costs nothing.
    fn write(&self, metrics: &[MetricId]) -> Bulk {
        let names: Vec<&str> = metrics.iter().map(|metric| metric.metric().name).collect();
        let updates = &self.updates;
        Bulk::insert(
            "observation",
            &["source_id", "pull_id"],
            &[&["day", "arm_key"], names.as_slice()].concat(),
            &format!("ON CONFLICT (source_id, day, arm_key) DO UPDATE SET pull_id = excluded.pull_id, {updates}"),
        )
    }

    /// Puts the counts of consecutive days in place of what is stored for them.
    pub async fn replace_days(
        &self,
        connection: &mut Connection,
        source: &SourceId,
        days: &[(NaiveDate, Counts)],
        pull: i64,
    ) -> Result<Change, StoreError> {
        let (Some((first, _)), Some((last, _))) = (days.first(), days.last()) else { return Ok(Change::default()) };
        let source = source.as_str();
        let stored = sqlx::query(AssertSqlSafe(Arc::clone(&self.days)))
            .bind(source)
            .bind(first.to_string())
            .bind(last.to_string())
            .fetch_all(&mut *connection)
            .await?;
        let stored = stored.iter().map(|row| Ok((columns::day(row.try_get(0)?)?, read_day(row.try_get(1)?)?)));
        let stored = stored.collect::<Result<BTreeMap<_, _>, StoreError>>()?;
        let names: Vec<String> = days.iter().map(|(day, _)| day.to_string()).collect();
        let mut difference = Difference::default();
        for ((day, counts), name) in days.iter().zip(&names) {
            difference.add(name, stored.get(day).map_or(&[], Vec::as_slice), counts.by_arm()?);
        }

        let keep = |to: &mut AnyArguments, &(day, (key, (pull, values))): &(&str, &(&str, Stored))| {
            to.add(day)?;
            to.add(key)?;
            to.add(pull)?;
            bind_values(to, values)
        };
        let shared = |to: &mut AnyArguments| {
            to.add(source)?;
            to.add(pull)
        };
        self.keep.execute(connection, &difference.before, shared, keep).await?;
        let metrics = difference.metrics();
        let written = |to: &mut AnyArguments, (day, (key, values)): &(&str, (&str, Values))| {
            to.add(*day)?;
            to.add(*key)?;
            metrics.iter().try_for_each(|&metric| to.add(values.get(metric)))
        };
        self.write(&metrics).execute(connection, &difference.written, shared, written).await?;
        let same = |to: &mut AnyArguments| to.add(source);
        let gone = |to: &mut AnyArguments, &(day, key): &(&str, &str)| {
            to.add(day)?;
            to.add(key)
        };
        self.delete.execute(connection, &difference.gone, same, gone).await?;
        Ok(difference.change)
    }
}

/// Columns of metrics: those in which rows may have counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Columns([bool; COUNTED]);

impl Columns {
    /// Adds that of a metric.
    pub fn insert(&mut self, metric: MetricId) {
        if let Some(column) = self.0.get_mut(metric.index()) {
            *column = true;
        }
    }

    /// These and others.
    pub fn and(self, other: Self) -> Self {
        Self(std::array::from_fn(|metric| self.0[metric] || other.0[metric]))
    }

    fn metrics(self) -> impl Iterator<Item = MetricId> {
        MetricId::counted().filter(move |metric| self.0[metric.index()])
    }

    /// As text: names, or [`NONE`].
    pub fn names(self) -> String {
        let names: Vec<&str> = self.metrics().map(|metric| metric.metric().name).collect();
        if names.is_empty() { NONE.to_owned() } else { names.join(" ") }
    }

    /// From such a text; from any other, such as none, all of them.
    pub fn named(text: &str) -> Self {
        if text == NONE {
            return Self::default();
        }
        let mut columns = Self::default();
        for name in text.split(' ') {
            let Some(metric) = MetricId::named(name) else { return Self([true; COUNTED]) };
            columns.insert(metric);
        }
        columns
    }
}

/// No column.
const NONE: &str = "none";

/// A column for each metric that sources count by day.
fn columns_of_metrics() -> [&'static str; COUNTED] {
    std::array::from_fn(|metric| CATALOGUE[metric].name)
}

/// SQL for some columns of the observations of source `$1` from day `$2` to `$3`: as they are now, or as they were after
/// pull `$4`.
pub fn text(columns: Columns, known: bool) -> String {
    let fields = fields(columns);
    let of = "source_id = $1 AND day BETWEEN $2 AND $3";
    if !known {
        return format!("SELECT {fields} FROM observation WHERE {of}");
    }
    format!(
        "SELECT {fields} FROM observation WHERE {of} AND pull_id <= $4 UNION ALL \
         SELECT {fields} FROM observation_before WHERE {of} AND pull_id <= $4 AND until_pull > $4"
    )
}

/// The same for earlier states that ended with pull `$4` or before, each behind the pull that ended it.
pub fn before(columns: Columns) -> String {
    let fields = fields(columns);
    format!(
        "SELECT until_pull, {fields} FROM observation_before \
         WHERE source_id = $1 AND day BETWEEN $2 AND $3 AND until_pull <= $4"
    )
}

fn fields(columns: Columns) -> String {
    let metrics = columns.metrics().map(|metric| metric.metric().name);
    ["day", "arm_key", "pull_id"].into_iter().chain(metrics).collect::<Vec<_>>().join(", ")
}

/// Sorts observations of one source by day and arm key. Not by the database: each sorts text in its own way.
pub fn sort(observations: &mut [Observation]) {
    if !observations.is_sorted_by(|one, next| (one.day, &one.arm_key) <= (next.day, &next.arm_key)) {
        observations.sort_by(|one, other| (one.day, &one.arm_key).cmp(&(other.day, &other.arm_key)));
    }
}

/// Reads the rows of [`text`] and of [`before`], of one source.
pub struct Reader<'s> {
    source: &'s SourceId,
    metrics: Vec<MetricId>,
    /// Many in a row are of one day.
    day: Option<(String, NaiveDate)>,
    /// Each day mostly has the keys of the day before, in their order.
    keys: Vec<Arc<str>>,
    next: usize,
}

impl<'s> Reader<'s> {
    /// For rows of this source in these columns.
    pub fn of(source: &'s SourceId, columns: Columns) -> Self {
        Self { source, metrics: columns.metrics().collect(), day: None, keys: Vec::new(), next: 0 }
    }

    /// The next one.
    pub fn read<'a>(&mut self, row: &mut impl Fields<'a>) -> Result<Observation, StoreError> {
        let text = row.text()?;
        let day = match &self.day {
            Some((known, day)) if known == text => *day,
            _ => {
                self.next = 0;
                self.day.insert((text.to_owned(), columns::day(text)?)).1
            }
        };
        let (arm_key, pull_id) = (row.text()?, row.number()?);
        let mut values = Values::default();
        for &metric in &self.metrics {
            values.set(metric, row.optional_number()?);
        }
        Ok(Observation { source: self.source.clone(), day, arm_key: self.shared(arm_key), pull_id, values })
    }

    /// A key, as the text that other rows share.
    fn shared(&mut self, key: &str) -> Arc<str> {
        let position = self.next;
        self.next += 1;
        match self.keys.get(position) {
            Some(known) if **known == *key => Arc::clone(known),
            _ => {
                let shared: Arc<str> = key.into();
                self.keys.truncate(position);
                self.keys.push(Arc::clone(&shared));
                shared
            }
        }
    }
}

/// The rows of one day, in order of arm key. Sorted here: databases sort text each in their own way.
fn read_day(text: Option<&str>) -> Result<Vec<(&str, Stored)>, StoreError> {
    let rows = columns::rows(text).map(|mut row: Joined<'_>| read_row(&mut row));
    let mut rows = rows.collect::<Result<Vec<_>, StoreError>>()?;
    rows.sort_by_key(|&(key, _)| key);
    Ok(rows)
}

fn read_row<'a>(row: &mut impl Fields<'a>) -> Result<(&'a str, Stored), StoreError> {
    let (key, pull) = (row.text()?, row.number()?);
    Ok((key, (pull, Values::from(row.optional_numbers()?))))
}

fn bind_values(to: &mut AnyArguments, values: &Values) -> Bound {
    MetricId::counted().try_for_each(|metric| to.add(values.get(metric)))
}

/// What must be written for days to hold what their source now says.
#[derive(Default)]
struct Difference<'a> {
    /// States that end with this pull.
    before: Vec<(&'a str, &'a (&'a str, Stored))>,
    /// New and changed rows.
    written: Vec<(&'a str, (&'a str, Values))>,
    /// Rows the source no longer has.
    gone: Vec<(&'a str, &'a str)>,
    change: Change,
}

impl<'a> Difference<'a> {
    /// Merges two lists of one day, each in order of arm key.
    fn add(&mut self, day: &'a str, stored: &'a [(&'a str, Stored)], counts: Vec<(&'a str, Values)>) {
        let (mut stored, mut counts) = (stored.iter().peekable(), counts.into_iter().peekable());
        loop {
            let order = match (stored.peek(), counts.peek()) {
                (None, None) => return,
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (Some((old, _)), Some((new, _))) => old.cmp(new),
            };
            let old = if order.is_le() { stored.next() } else { None };
            let new = if order.is_ge() { counts.next() } else { None };
            match (old, new) {
                (Some((_, (_, old))), Some((_, new))) if *old == new => {
                    self.change.unchanged += 1;
                    continue;
                }
                (Some(&(key, _)), None) => {
                    self.gone.push((day, key));
                    self.change.vanished += 1;
                }
                (None, _) => self.change.new += 1,
                (Some(_), Some(_)) => self.change.changed += 1,
            }
            self.before.extend(old.map(|old| (day, old)));
            self.written.extend(new.map(|new| (day, new)));
        }
    }

    /// Metrics that any written row has a value of. The others are `NULL` without being named.
    fn metrics(&self) -> Vec<MetricId> {
        let used = |metric: &MetricId| self.written.iter().any(|(_, (_, values))| values.get(*metric).is_some());
        MetricId::counted().filter(used).collect()
    }
}
