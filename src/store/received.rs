//! Acts that vendors sent by themselves: kept at once, each as a revision with an id of its own among the pulls, so that
//! what was known when can be read back. They read no day, take nothing away, and change nothing that a reading has said.
//! Not who sent them: that is `inbound`'s business.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, NaiveDate, Utc};
use chrono_tz::Tz;
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::{Arguments, Row};

use super::Store;
use super::bulk::Bulk;
use super::columns;
use super::error::StoreError;
use super::forget;
use super::free_text;
use super::observations::Columns;
use super::pulls;
use super::stage::Stage;
use super::transaction::Connection;
use crate::domain::connector::Facts;
use crate::domain::id::SourceId;
use crate::domain::inbound::Heard;
use crate::domain::observation::Pull;

/// For how long the name of each delivery is remembered, in days: senders try again for days.
pub const NAMES_KEPT_DAYS: u32 = 30;

/// Instants are kept no more exactly than forgetting leaves those of acts.
const QUARTER_MS: i64 = 15 * 60 * 1000;

/// How long after an act was sent a reading may still lack it: vendors' lists lag behind what they send.
const LISTED_WITHIN: Duration = Duration::hours(1);

/// Before the mark of a delivery that could not be read, where nobody can be asked for what it brought.
const UNREAD: &str = "unread ";

/// What stands for the run of acts that were received.
const RUN: &str = "received";

/// A delivery that is known to be its sender's.
#[derive(Debug)]
pub struct Received {
    /// Of which source.
    pub source: SourceId,
    /// What tells it from all others of the source: one that comes again has the same.
    pub name: String,
    /// What it brought.
    pub stage: Stage,
    /// Acts of before are not kept: no reading would take them away again, should they have been deleted.
    pub since: DateTime<Utc>,
}

/// What became of deliveries that were kept together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Acts that were not stored before.
    pub new: u64,
    /// Acts that were known and say something else now.
    pub changed: u64,
    /// Deliveries that had come before.
    pub repeated: u64,
    /// Acts that were too old to be kept.
    pub old: u64,
}

impl Store {
    /// Keeps what was received, all of it or nothing; returns once it is on disk. What is known already writes nothing.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be written: it is then as it was, and nothing may be acknowledged.
    pub async fn receive(&self, deliveries: Vec<Received>, at: DateTime<Utc>) -> Result<Kept, StoreError> {
        let mut sources: BTreeMap<SourceId, Vec<(String, Received)>> = BTreeMap::new();
        for delivery in deliveries {
            let mark = self.people.mark_of_delivery(&delivery.name)?;
            sources.entry(delivery.source.clone()).or_default().push((mark, delivery));
        }
        let mut kept = Kept::default();
        let mut write = self.backend.write().await?;
        self.remember_key(&mut write).await?;
        for (source, deliveries) in sources {
            let known = known(&mut write, &source, &deliveries).await?;
            let (mut marks, mut acts, mut said) = (BTreeSet::new(), BTreeMap::new(), BTreeMap::new());
            for (mark, Received { mut stage, since, .. }) in deliveries {
                if known.contains(&mark) || !marks.insert(mark) {
                    kept.repeated += 1;
                    continue;
                }
                let (mut staged, free) = stage.take_responses();
                let brought = staged.len();
                staged.retain(|_, act| act.at >= since.timestamp_millis());
                kept.old += (brought - staged.len()) as u64;
                for id in staged.keys() {
                    said.remove(id);
                }
                acts.extend(staged);
                said.extend(free);
            }
            forget::leave_out(&mut write, &self.people, &source, &mut acts).await?;
            // Made inside the write lock, so that ids order commits.
            let id: i64 =
                sqlx::query_scalar("SELECT COALESCE(MAX(id), 0) + 1 FROM pull").fetch_one(&mut *write).await?;
            let change = self.responses.add(&mut write, &source, &mut acts, id).await?;
            free_text::keep(&mut write, (&source, at), &acts, said).await?;
            if change.new + change.changed > 0 {
                pulls::record(&mut write, &arrival(&source, id, at)?, Columns::default()).await?;
            }
            let marks: Vec<String> = marks.into_iter().collect();
            drop_unread(&mut write, &source, &marks).await?;
            let shared = |to: &mut AnyArguments| {
                to.add(source.as_str())?;
                to.add(day(at).to_string())
            };
            Bulk::insert("received", &["source_id", "received_on"], &["mark"], "")
                .execute(&mut write, &marks, shared, |to, mark| to.add(mark))
                .await?;
            kept.new += change.new;
            kept.changed += change.changed;
        }
        drop_old(&mut write, day(at - Duration::days(NAMES_KEPT_DAYS.into()))).await?;
        write.commit().await?;
        Ok(kept)
    }

    /// Notes that a delivery could not be read, until it comes again and can be.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be written.
    pub async fn note_unread(&self, source: &SourceId, name: &str, at: DateTime<Utc>) -> Result<(), StoreError> {
        let mark = format!("{UNREAD}{}", self.people.mark_of_delivery(name)?);
        let mut write = self.backend.write().await?;
        self.remember_key(&mut write).await?;
        sqlx::query("INSERT INTO received (source_id, mark, received_on) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING")
            .bind(source.as_str())
            .bind(mark)
            .bind(day(at).to_string())
            .execute(&mut *write)
            .await?;
        write.commit().await?;
        Ok(())
    }

    /// What came from the sender of a source; what could not be read up to a day that the user `accepts` is let be.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be read.
    pub async fn heard(&self, source: &SourceId, accepts: Option<NaiveDate>) -> Result<Heard, StoreError> {
        let rows = sqlx::query(
            "SELECT received_on, MAX(CASE WHEN mark LIKE 'unread %' THEN 0 ELSE 1 END), \
             MAX(CASE WHEN mark LIKE 'unread %' THEN 1 ELSE 0 END) FROM received WHERE source_id = $1 \
             GROUP BY received_on ORDER BY received_on",
        )
        .bind(source.as_str())
        .fetch_all(&mut *self.backend.read().await?)
        .await?;
        let mut heard = Heard::default();
        for row in rows {
            let day = columns::day(row.try_get(0)?)?;
            let (read, unread): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
            if read > 0 {
                heard.days.push(day);
            }
            if unread > 0 && heard.unread.is_none() && accepts.is_none_or(|accepted| accepted < day) {
                heard.unread = Some(day);
            }
        }
        Ok(heard)
    }
}

/// Of deliveries that could not be read before, and now can.
async fn drop_unread(connection: &mut Connection, source: &SourceId, marks: &[String]) -> Result<(), StoreError> {
    let unread: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM received WHERE source_id = $1 AND mark LIKE 'unread %'")
        .bind(source.as_str())
        .fetch_one(&mut *connection)
        .await?;
    if unread == 0 {
        return Ok(());
    }
    for mark in marks {
        sqlx::query("DELETE FROM received WHERE source_id = $1 AND mark = $2")
            .bind(source.as_str())
            .bind(format!("{UNREAD}{mark}"))
            .execute(&mut *connection)
            .await?;
    }
    Ok(())
}

/// Forgets names of deliveries from before a day, but that something came on its day, and which could not be read.
async fn drop_old(connection: &mut Connection, before: NaiveDate) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO received (source_id, mark, received_on) SELECT DISTINCT source_id, 'heard ' || received_on, received_on \
         FROM received WHERE received_on < $1 AND mark NOT LIKE 'unread %' ON CONFLICT (source_id, mark) DO NOTHING",
    )
    .bind(before.to_string())
    .execute(&mut *connection)
    .await?;
    sqlx::query("DELETE FROM received WHERE received_on < $1 AND mark NOT LIKE 'unread %' AND mark NOT LIKE 'heard %'")
        .bind(before.to_string())
        .execute(connection)
        .await?;
    Ok(())
}

fn day(at: DateTime<Utc>) -> NaiveDate {
    at.date_naive()
}

/// The marks among these of deliveries that were kept before.
async fn known(
    connection: &mut Connection,
    source: &SourceId,
    deliveries: &[(String, Received)],
) -> Result<BTreeSet<String>, StoreError> {
    let marks: Vec<&str> = deliveries.iter().map(|(mark, _)| mark.as_str()).collect();
    let mut known = BTreeSet::new();
    let take = |row: AnyRow| {
        known.insert(row.try_get::<String, _>(0)?);
        Ok(())
    };
    Bulk::new("SELECT mark FROM received WHERE source_id = ? AND mark IN (VALUES ", 1, ")")
        .fetch(connection, &marks, |to| to.add(source.as_str()), |to, &mark| to.add(mark), take)
        .await?;
    Ok(known)
}

/// The record of acts that were received: its last day lies before its first, so that it reads none.
fn arrival(source: &SourceId, id: i64, at: DateTime<Utc>) -> Result<Pull, StoreError> {
    let day = |text| columns::day(text);
    Ok(Pull {
        id,
        run_id: RUN.to_owned(),
        source: source.clone(),
        first_day: day("9999-12-31")?,
        last_day: day("0001-01-01")?,
        currency: None,
        day_zone: Tz::UTC,
        facts: Facts::default(),
        committed_at: columns::instant(at.timestamp_millis().div_euclid(QUARTER_MS) * QUARTER_MS)?,
    })
}

/// Which of some pulls are records of acts that were received.
pub(super) async fn arrivals(connection: &mut Connection, pulls: &BTreeSet<i64>) -> Result<BTreeSet<i64>, StoreError> {
    let pulls: Vec<i64> = pulls.iter().copied().collect();
    let mut arrivals = BTreeSet::new();
    let take = |row: AnyRow| {
        arrivals.insert(row.try_get(0)?);
        Ok(())
    };
    Bulk::new("SELECT id FROM pull WHERE first_day > last_day AND id IN (VALUES ", 1, ")")
        .fetch(connection, &pulls, |_| Ok(()), |to, &pull| to.add(pull), take)
        .await?;
    Ok(arrivals)
}

/// The records of acts of a source that were received so shortly before a reading began that it may lack them.
pub(super) async fn unlisted(
    connection: &mut Connection,
    source: &SourceId,
    began: DateTime<Utc>,
) -> Result<BTreeSet<i64>, StoreError> {
    let since = began - LISTED_WITHIN - Duration::milliseconds(QUARTER_MS);
    let rows = sqlx::query("SELECT id FROM pull WHERE source_id = $1 AND first_day > last_day AND committed_at >= $2")
        .bind(source.as_str())
        .bind(since.timestamp_millis())
        .fetch_all(connection)
        .await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}
