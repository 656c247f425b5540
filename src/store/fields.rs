//! Fields that stood in a source's rows and no longer do. Platforms leave zeros out, so a renamed field would count
//! as zero over days that had something: a window that would do so is refused. Not rows that are gone: that is
//! `quarantine`.

use chrono::{Days, NaiveDate};
use sqlx::{AssertSqlSafe, Row};

use super::columns;
use super::error::StoreError;
use super::pulls::{self, Slice};
use super::quarantine::Wary;
use super::transaction::Connection;
use crate::domain::connector::Field;
use crate::domain::observation::{DateWindow, LostField, Pull};

/// A field that stands in no row of the reading that ends with this slice, although there was something on days of the
/// slice: an earlier reading saw it there, or what is stored of its metric came from somewhere.
pub(super) async fn lost(
    connection: &mut Connection,
    slice: &Slice,
    wary: Wary,
) -> Result<Option<LostField>, StoreError> {
    let fields = &slice.facts.fields;
    if fields.iter().all(|field| field.rows > 0) {
        return Ok(None);
    }
    let pulls = pulls::overlapping(connection, &slice.source, slice.window).await?;
    let day_of = |at: chrono::DateTime<chrono::Utc>| at.with_timezone(&slice.zone).date_naive();
    let today = day_of(slice.at);
    for field in fields.iter().filter(|field| field.rows == 0) {
        let alone = fields.iter().filter(|other| other.metric == field.metric).all(|other| other.rows == 0);
        let stored = if alone { last_stored(connection, slice, field).await? } else { None };
        if let Some(last_day) = last_seen(&pulls, slice.window, field).max(stored) {
            // Of that day: a reading of others, for another experiment, takes nothing back that was accepted.
            let covers = |pull: &&Pull| pull.first_day <= last_day && last_day <= pull.last_day;
            let read_on = pulls.iter().rev().find(covers).map(|pull| day_of(pull.committed_at));
            if wary.accepts.is_some_and(|until| until <= today && read_on.is_some_and(|read_on| read_on < until)) {
                continue;
            }
            let next = read_on.and_then(|read_on| read_on.checked_add_days(Days::new(1)));
            return Ok(Some(LostField {
                source: slice.source.clone(),
                metric: field.metric,
                path: field.path.clone(),
                rows: field.of,
                last_day,
                accept_on: next.map_or(today, |next| next.max(today)),
            }));
        }
    }
    Ok(None)
}

/// The last day of a window on which the last reading of that day found something in a field.
fn last_seen(pulls: &[Pull], window: DateWindow, field: &Field) -> Option<NaiveDate> {
    let mut later: Vec<&Pull> = Vec::new();
    for pull in pulls.iter().rev() {
        let fields = &pull.facts.fields;
        let then = fields.iter().find(|then| then.metric == field.metric && then.path == field.path);
        let read_since = |day| later.iter().any(|pull| pull.first_day <= day && day <= pull.last_day);
        if let Some(day) = then.and_then(|then| then.last_day).filter(|&day| window.contains(day) && !read_since(day)) {
            return Some(day);
        }
        // One that looked for other fields says nothing of this one; one without any row found nothing at all.
        if then.is_some() || fields.is_empty() {
            later.push(pull);
        }
    }
    None
}

/// The last day of the slice for which something of the field's metric is stored.
async fn last_stored(
    connection: &mut Connection,
    slice: &Slice,
    field: &Field,
) -> Result<Option<NaiveDate>, StoreError> {
    let row = sqlx::query(AssertSqlSafe(format!(
        "SELECT MAX(day) FROM observation WHERE source_id = $1 AND day BETWEEN $2 AND $3 AND {} <> 0",
        field.metric.metric().name
    )))
    .bind(slice.source.as_str())
    .bind(slice.window.first().to_string())
    .bind(slice.window.last().to_string())
    .fetch_one(connection)
    .await?;
    row.try_get::<Option<&str>, _>(0)?.map(columns::day).transpose()
}
