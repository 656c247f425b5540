//! Readings that held much less than the store did for days that had settled: kept aside the first time, in use and
//! in doubt from the second on, until a reading is as large as before. Not what a verdict makes of them: that is
//! `decide::gates`.

use chrono::{DateTime, Days, NaiveDate, Utc};
use sqlx::{AssertSqlSafe, Row};

use super::columns::{self, Fields};
use super::error::StoreError;
use super::pulls::{self, Slice};
use super::responses;
use super::transaction::Connection;
use crate::domain::id::SourceId;
use crate::domain::metric::MetricId;
use crate::domain::observation::{DateWindow, Pull, Shrink};

/// Fewest rows that say anything. Of ten, one may go without taking more than a tenth: below that, a single ad that
/// somebody deleted would look like a vendor that forgot half the account.
const ROWS_AT_LEAST: i64 = 10;

/// What shows how much a source holds, best first. Clicks and conversions are not among it: platforms strike them out
/// as a matter of course.
const WEIGHTS: [MetricId; 4] = [MetricId::SPEND, MetricId::IMPRESSIONS, MetricId::VISITS, MetricId::SIGNUPS];

/// By what a reading is held against what is stored. Not for what a person brings: they may know why it is less.
#[derive(Clone, Copy, Debug)]
pub struct Wary {
    /// Age in days from which a day of the source counts.
    pub settles_after_days: u32,
    /// The slot the reading answers: only what was seen before it was seen by another reading.
    pub slot: DateTime<Utc>,
    /// Up to this day, what is missing is known and meant.
    pub accepts: Option<NaiveDate>,
}

/// What is stored of a source for some days.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Size {
    /// Counts with anything in them, and responses.
    rows: i64,
    /// By [`WEIGHTS`], in millionths.
    amounts: [i64; WEIGHTS.len()],
}

/// Less by more than a tenth.
fn is_less(now: i64, before: i64) -> bool {
    i128::from(now) * 10 < i128::from(before) * 9
}

impl Size {
    fn amount(&self, metric: Option<MetricId>) -> i64 {
        WEIGHTS.iter().position(|&one| Some(one) == metric).map_or(0, |position| self.amounts[position])
    }

    /// Whether it is much less than rows and an amount were.
    fn is_less_than(&self, rows: i64, metric: Option<MetricId>, amount: i64) -> bool {
        is_less(self.rows, rows) || is_less(self.amount(metric), amount)
    }
}

/// What is stored of the days that had settled when each was last read, before a reading takes its place.
pub(super) struct Before {
    days: DateWindow,
    size: Size,
}

impl Before {
    /// `None` where no day of the slice had settled.
    pub(super) async fn of(connection: &mut Connection, slice: &Slice, wary: Wary) -> Result<Option<Self>, StoreError> {
        let pulls = pulls::overlapping(connection, &slice.source, slice.window).await?;
        let Some(days) = settled(&pulls, slice.window, wary.settles_after_days) else { return Ok(None) };
        Ok(Some(Self { days, size: size(connection, slice, days).await? }))
    }
}

/// The first run of days whose last reading saw them settled.
fn settled(pulls: &[Pull], window: DateWindow, lag: u32) -> Option<DateWindow> {
    let age = Days::new(u64::from(lag.max(1)));
    let mut days = window.first().iter_days().take_while(|&day| day <= window.last()).map(|day| {
        let last = pulls.iter().rev().find(|pull| pull.first_day <= day && day <= pull.last_day);
        let read_on = last.map(|pull| pull.told_at().with_timezone(&pull.day_zone).date_naive());
        let is_settled = read_on.zip(day.checked_add_days(age)).is_some_and(|(read_on, settles)| settles <= read_on);
        (day, is_settled)
    });
    let (first, _) = days.find(|&(_, is_settled)| is_settled)?;
    let last = days.take_while(|&(_, is_settled)| is_settled).last().map_or(first, |(day, _)| day);
    DateWindow::new(first, last)
}

async fn size(connection: &mut Connection, slice: &Slice, days: DateWindow) -> Result<Size, StoreError> {
    // Added up as floats: whole numbers overflow, and a tenth needs no more.
    let sums = WEIGHTS
        .map(|metric| format!("COALESCE(CAST(SUM(CAST({} AS DOUBLE PRECISION)) AS BIGINT), 0)", metric.metric().name));
    let any: Vec<String> = MetricId::counted().map(|metric| format!("COALESCE({metric}, 0) <> 0")).collect();
    let any = any.join(" OR ");
    let row = sqlx::query(AssertSqlSafe(format!(
        "SELECT COUNT(*), {} FROM observation WHERE source_id = $1 AND day BETWEEN $2 AND $3 AND ({any})",
        sums.join(", ")
    )))
    .bind(slice.source.as_str())
    .bind(days.first().to_string())
    .bind(days.last().to_string())
    .fetch_one(&mut *connection)
    .await?;
    let instants = responses::instants(days, slice.zone);
    let people: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM response WHERE source_id = $1 AND at >= $2 AND at < $3")
        .bind(slice.source.as_str())
        .bind(instants.start)
        .bind(instants.end)
        .fetch_one(connection)
        .await?;
    let mut amounts = [0; WEIGHTS.len()];
    for (position, amount) in amounts.iter_mut().enumerate() {
        *amount = row.try_get(position + 1)?;
    }
    Ok(Size { rows: row.try_get::<i64, _>(0)? + people, amounts })
}

/// What speaks against committing the slice that has just been written over what was there. On the way, earlier
/// suspicions about its days end, or are confirmed, with this pull.
pub(super) async fn suspect(
    connection: &mut Connection,
    slice: &Slice,
    wary: Wary,
    before: Option<Before>,
    pull: i64,
) -> Result<Option<Shrink>, StoreError> {
    let mut confirmed = false;
    for Open { id, shrink, is_confirmed } in open(connection, slice).await? {
        let Some(days) = DateWindow::new(shrink.first_day, shrink.last_day) else { continue };
        let now = size(connection, slice, days).await?;
        let Shrink { rows, metric, amounts, seen_at, .. } = shrink;
        if !now.is_less_than(rows[0], metric, amounts[0]) {
            sqlx::query("UPDATE quarantine SET ended_pull = $1 WHERE id = $2")
                .bind(pull)
                .bind(id)
                .execute(&mut *connection)
                .await?;
        } else if !is_confirmed && seen_at < wary.slot && !now.is_less_than(rows[1], metric, amounts[1]) {
            confirmed = true;
            sqlx::query("UPDATE quarantine SET confirmed_pull = $1, rows_after = $2, amount_after = $3 WHERE id = $4")
                .bind(pull)
                .bind(now.rows)
                .bind(now.amount(metric))
                .bind(id)
                .execute(&mut *connection)
                .await?;
        }
    }
    let Some(Before { days, size: before }) = before.filter(|before| !confirmed && before.size.rows >= ROWS_AT_LEAST)
    else {
        return Ok(None);
    };
    let metric = WEIGHTS.into_iter().find(|&metric| before.amount(Some(metric)) > 0);
    let now = size(connection, slice, days).await?;
    Ok(now.is_less_than(before.rows, metric, before.amount(metric)).then(|| Shrink {
        source: slice.source.clone(),
        first_day: days.first(),
        last_day: days.last(),
        rows: [before.rows, now.rows],
        metric,
        amounts: [before.amount(metric), now.amount(metric)],
        seen_at: slice.at,
    }))
}

/// Remembers what was seen, unless this slot has seen it already. What a reading of no slot sees is not for the next to agree
/// with: both may come within minutes, from one bad moment of the vendor.
pub(super) async fn remember(
    connection: &mut Connection,
    slice: &Slice,
    wary: Wary,
    shrink: &Shrink,
) -> Result<(), StoreError> {
    if wary.slot == DateTime::UNIX_EPOCH {
        return Ok(());
    }
    for earlier in open(connection, slice).await?.iter().filter(|open| !open.is_confirmed) {
        if earlier.shrink.seen_at >= wary.slot {
            return Ok(());
        }
        // Less again than last time: this is what the next reading must agree with.
        sqlx::query("DELETE FROM quarantine WHERE id = $1").bind(earlier.id).execute(&mut *connection).await?;
    }
    let id: i64 =
        sqlx::query_scalar("SELECT COALESCE(MAX(id), 0) + 1 FROM quarantine").fetch_one(&mut *connection).await?;
    sqlx::query(
        "INSERT INTO quarantine (id, source_id, run_id, first_day, last_day, rows_before, rows_after, metric, \
         amount_before, amount_after, seen_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
    )
    .bind(id)
    .bind(shrink.source.as_str())
    .bind(&slice.run_id)
    .bind(shrink.first_day.to_string())
    .bind(shrink.last_day.to_string())
    .bind(shrink.rows[0])
    .bind(shrink.rows[1])
    .bind(shrink.metric.map(|metric| metric.metric().name))
    .bind(shrink.amounts[0])
    .bind(shrink.amounts[1])
    .bind(shrink.seen_at.timestamp_millis())
    .execute(connection)
    .await?;
    Ok(())
}

/// A suspicion that has not ended.
pub(super) struct Open {
    /// Orders them.
    pub(super) id: i64,
    /// What was seen.
    pub(super) shrink: Shrink,
    is_confirmed: bool,
}

/// What is kept of a suspicion, in the order it is read in.
const FIELDS: [&str; 10] = [
    "id",
    "confirmed_pull",
    "first_day",
    "last_day",
    "rows_before",
    "rows_after",
    "metric",
    "amount_before",
    "amount_after",
    "seen_at",
];

/// Those about days up to one that the slice reads: windows move on by a day, and the part that holds the last day is
/// read after all the others.
async fn open(connection: &mut Connection, slice: &Slice) -> Result<Vec<Open>, StoreError> {
    let sql = format!(
        "SELECT {} FROM quarantine WHERE source_id = $1 AND last_day BETWEEN $2 AND $3 AND ended_pull IS NULL",
        columns::joined(&FIELDS)
    );
    let text: Option<String> = sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(slice.source.as_str())
        .bind(slice.window.first().to_string())
        .bind(slice.window.last().to_string())
        .fetch_one(connection)
        .await?;
    let open = columns::rows(text.as_deref()).map(|mut row| read(&slice.source, &mut row));
    let mut open = open.collect::<Result<Vec<_>, _>>()?;
    open.sort_unstable_by_key(|open| open.id);
    Ok(open)
}

/// SQL for the suspicions about source `$1` that are confirmed, as they stood after pull `$2`: readings that are in use
/// although they held much less.
pub(super) fn text() -> String {
    format!(
        "SELECT {} FROM quarantine WHERE source_id = $1 AND confirmed_pull <= $2 \
         AND (ended_pull IS NULL OR ended_pull > $2)",
        FIELDS.join(", ")
    )
}

/// One row of [`text`].
pub(super) fn read<'a>(source: &SourceId, row: &mut impl Fields<'a>) -> Result<Open, StoreError> {
    let (id, is_confirmed) = (row.number()?, row.optional_number()?.is_some());
    let (first_day, last_day) = (columns::day(row.text()?)?, columns::day(row.text()?)?);
    let rows = [row.number()?, row.number()?];
    let metric = row.optional()?;
    let metric = metric.map(|name| MetricId::named(name).ok_or_else(|| columns::unreadable("a metric"))).transpose()?;
    let amounts = [row.number()?, row.number()?];
    let seen_at = columns::instant(row.number()?)?;
    let shrink = Shrink { source: source.clone(), first_day, last_day, rows, metric, amounts, seen_at };
    Ok(Open { id, shrink, is_confirmed })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::connector::Facts;
    use chrono_tz::Tz;

    fn days(first: &str, last: &str) -> DateWindow {
        DateWindow::new(first.parse().unwrap(), last.parse().unwrap()).unwrap()
    }

    fn pull(id: i64, first: &str, last: &str, on: &str) -> Pull {
        Pull {
            id,
            run_id: "run".into(),
            source: SourceId::new("search"),
            first_day: first.parse().unwrap(),
            last_day: last.parse().unwrap(),
            currency: None,
            day_zone: Tz::UTC,
            facts: Facts::default(),
            committed_at: format!("{on}T06:00:00Z").parse().unwrap(),
        }
    }

    #[test]
    fn h24_only_days_that_had_settled_when_last_read_are_compared() {
        let window = days("2026-03-01", "2026-03-12");
        assert_eq!(settled(&[], window, 3), None);
        let whole = pull(1, "2026-03-01", "2026-03-10", "2026-03-10");
        assert_eq!(settled(std::slice::from_ref(&whole), window, 3), Some(days("2026-03-01", "2026-03-07")));
        assert_eq!(settled(std::slice::from_ref(&whole), window, 0), Some(days("2026-03-01", "2026-03-09")));
        // The last reading of a day counts, not the best.
        let odd = pull(2, "2026-03-03", "2026-03-03", "2026-03-04");
        assert_eq!(settled(&[whole, odd], window, 3), Some(days("2026-03-01", "2026-03-02")));
    }

    #[test]
    fn h24_a_tenth_may_go() {
        assert!(!is_less(9, 10) && is_less(8, 10) && !is_less(90, 100) && is_less(89, 100));
        assert!(!is_less(0, 0) && is_less(0, 1) && !is_less(i64::MAX, i64::MAX));
    }
}
