//! Messages on their way: written with the verdict they tell of, kept until they are delivered or given
//! up. Not when the next attempt is due: see `notify`.

use chrono::{DateTime, Utc};
use sqlx::Row;
use sqlx::any::AnyRow;

use super::Store;
use super::columns;
use super::error::StoreError;
use super::transaction::Connection;
use crate::domain::id::DestinationId;
use crate::domain::message::Delivery;
use crate::domain::verdict::Verdict;

/// A message that has not arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undelivered {
    /// The message and where it goes.
    pub delivery: Delivery,
    /// Why the last attempt failed, where one has.
    pub last_error: Option<String>,
    /// Whether no further attempt will be made.
    pub given_up: bool,
}

impl Store {
    /// Every message that has not arrived, oldest first.
    pub async fn undelivered(&self) -> Result<Vec<Undelivered>, StoreError> {
        let mut read = self.backend.read().await?;
        let rows = sqlx::query(
            "SELECT id, destination, thread, quiet, message, attempts, unanswered, not_before, last_error, state FROM delivery \
             WHERE state IN ('waiting', 'given_up') ORDER BY written, id",
        )
        .fetch_all(&mut *read)
        .await?;
        rows.iter()
            .map(|row| {
                let given_up = row.try_get::<&str, _>("state")? == "given_up";
                Ok(Undelivered { delivery: read_delivery(row)?, last_error: row.try_get("last_error")?, given_up })
            })
            .collect()
    }

    /// Every message on a change of state that has arrived, and when, oldest first.
    pub async fn told(&self) -> Result<Vec<(Delivery, DateTime<Utc>)>, StoreError> {
        let mut read = self.backend.read().await?;
        let rows = sqlx::query(
            "SELECT id, destination, thread, quiet, message, attempts, unanswered, not_before, delivered_at FROM delivery \
             WHERE verdict <> '' AND state = 'delivered' ORDER BY written, id",
        )
        .fetch_all(&mut *read)
        .await?;
        rows.iter().map(|row| Ok((read_delivery(row)?, columns::instant(row.try_get("delivered_at")?)?))).collect()
    }

    /// The messages an attempt is due for, oldest first.
    pub async fn due_deliveries(&self, now: DateTime<Utc>) -> Result<Vec<Delivery>, StoreError> {
        let mut read = self.backend.read().await?;
        let rows = sqlx::query(
            "SELECT id, destination, thread, quiet, message, attempts, unanswered, not_before FROM delivery \
             WHERE state = 'waiting' AND not_before <= $1 ORDER BY written, id",
        )
        .bind(now.timestamp_millis())
        .fetch_all(&mut *read)
        .await?;
        rows.iter().map(read_delivery).collect()
    }

    /// Records that an attempt begins, before anything is sent, so that after a crash a repeat is known to
    /// be possible. `None`, and nothing may be sent, when the message is no longer due, or an earlier one on the same
    /// concept still waits to go there.
    pub async fn begin_attempt(&self, id: &str, now: DateTime<Utc>) -> Result<Option<Delivery>, StoreError> {
        let mut write = self.backend.write().await?;
        let row = sqlx::query(
            "UPDATE delivery SET attempts = attempts + 1, unanswered = unanswered + 1 \
             WHERE id = $1 AND state = 'waiting' AND not_before <= $2 AND NOT EXISTS ( \
               SELECT 1 FROM delivery AS earlier WHERE earlier.concept_id = delivery.concept_id \
               AND earlier.concept_id <> '' AND earlier.destination = delivery.destination AND earlier.state = 'waiting' \
               AND (earlier.written < delivery.written \
                 OR (earlier.written = delivery.written AND earlier.id < delivery.id)) \
             ) RETURNING id, destination, thread, quiet, message, attempts, unanswered, not_before",
        )
        .bind(id)
        .bind(now.timestamp_millis())
        .fetch_optional(&mut *write)
        .await?;
        let delivery = row.as_ref().map(read_delivery).transpose()?;
        write.commit().await?;
        Ok(delivery)
    }

    /// Records that a message has arrived.
    pub async fn mark_delivered(&self, id: &str, at: DateTime<Utc>) -> Result<(), StoreError> {
        let mut write = self.backend.write().await?;
        sqlx::query("UPDATE delivery SET state = 'delivered', delivered_at = $1, last_error = NULL WHERE id = $2")
            .bind(at.timestamp_millis())
            .bind(id)
            .execute(&mut *write)
            .await?;
        write.commit().await
    }

    /// Records that an attempt failed and when the next one may be made. Where the message `may_have_arrived`, that one may
    /// repeat it, as it may where an earlier attempt was never answered. `error` holds no secret.
    pub async fn postpone(
        &self,
        id: &str,
        not_before: DateTime<Utc>,
        may_have_arrived: bool,
        error: &str,
    ) -> Result<(), StoreError> {
        let mut write = self.backend.write().await?;
        sqlx::query(
            "UPDATE delivery SET not_before = $1, last_error = $2, unanswered = unanswered - $3 \
             WHERE id = $4 AND state = 'waiting'",
        )
        .bind(not_before.timestamp_millis())
        .bind(error)
        .bind(i64::from(!may_have_arrived))
        .bind(id)
        .execute(&mut *write)
        .await?;
        // Those that wait behind it come after it.
        sqlx::query(
            "UPDATE delivery SET not_before = $1 WHERE state = 'waiting' AND not_before < $1 AND concept_id <> '' \
             AND (concept_id, destination) IN (SELECT concept_id, destination FROM delivery WHERE id = $2) \
             AND written > (SELECT written FROM delivery WHERE id = $2)",
        )
        .bind(not_before.timestamp_millis())
        .bind(id)
        .execute(&mut *write)
        .await?;
        write.commit().await
    }

    /// Records that no further attempt will be made. `error` holds no secret.
    pub async fn give_up(&self, id: &str, error: &str) -> Result<(), StoreError> {
        let mut write = self.backend.write().await?;
        sqlx::query("UPDATE delivery SET state = 'given_up', last_error = $1 WHERE id = $2 AND state = 'waiting'")
            .bind(error)
            .bind(id)
            .execute(&mut *write)
            .await?;
        write.commit().await
    }
}

/// Stands for no verdict.
const NO_SCORECARD: i64 = 0;

impl Store {
    /// Adds messages that tell of something besides a verdict. One with a known id is the same message and
    /// stays as it is.
    pub async fn add_notices(&self, notices: &[Delivery]) -> Result<(), StoreError> {
        let mut write = self.backend.write().await?;
        for notice in notices {
            add(&mut write, NO_SCORECARD, notice).await?;
        }
        write.commit().await
    }
}

/// Adds a message. One with a known id is the same message and stays as it is.
///
/// One that tells of a change of state takes the place of all that wait to tell the same destination of earlier ones; and
/// where those would only have led back to what was told last, nobody is told anything. All else that waits there goes
/// first, and is tried once more together with it.
pub(super) async fn add(connection: &mut Connection, scorecard: i64, delivery: &Delivery) -> Result<(), StoreError> {
    let known: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM delivery WHERE id = $1")
        .bind(&delivery.id)
        .fetch_one(&mut *connection)
        .await?;
    if known > 0 {
        return Ok(());
    }
    let Delivery { destination, message, .. } = delivery;
    let last = Last::told(connection, delivery).await?;
    let mut state = "waiting";
    if let Some(verdict) = message.change() {
        let (superseded, unsure) = supersede(connection, delivery).await?;
        // REVIEW and BLOCKED have causes, which may be others now.
        let says_all = !matches!(verdict, Verdict::Review | Verdict::Blocked);
        if superseded && !unsure && says_all && last.verdict == verdict.word() {
            state = "superseded";
        }
    }
    sqlx::query(
        "UPDATE delivery SET not_before = $1, attempts = CASE WHEN attempts > 0 THEN attempts - 1 ELSE 0 END \
         WHERE concept_id = $2 AND destination = $3 AND state = 'waiting' AND not_before > $1",
    )
    .bind(delivery.not_before.timestamp_millis())
    .bind(message.concept.as_str())
    .bind(destination.as_str())
    .execute(&mut *connection)
    .await?;
    let goes_on = message.verdict.is_some() && last.verdict != Verdict::Collecting.word();
    let thread = last.thread.filter(|_| goes_on).unwrap_or_else(|| delivery.thread.clone());
    sqlx::query(
        "INSERT INTO delivery (id, scorecard_id, destination, concept_id, verdict, thread, written, message, attempts, \
         unanswered, not_before, state, quiet) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, $10, $11, $12)",
    )
    .bind(&delivery.id)
    .bind(scorecard)
    .bind(destination.as_str())
    .bind(message.concept.as_str())
    .bind(message.change().map_or("", Verdict::word))
    .bind(thread)
    .bind(message.decided_at.timestamp_millis())
    .bind(columns::json(message)?)
    .bind(i64::from(delivery.attempts))
    .bind(delivery.not_before.timestamp_millis())
    .bind(state)
    .bind(delivery.quiet.as_ref().map(columns::json).transpose()?)
    .execute(connection)
    .await?;
    Ok(())
}

/// The state of a concept that a destination was told last.
struct Last {
    verdict: String,
    thread: Option<String>,
}

impl Last {
    async fn told(connection: &mut Connection, delivery: &Delivery) -> Result<Self, StoreError> {
        let row = sqlx::query(
            "SELECT verdict, thread FROM delivery WHERE concept_id = $1 AND destination = $2 AND verdict <> '' \
             AND state = 'delivered' ORDER BY written DESC, id DESC LIMIT 1",
        )
        .bind(delivery.message.concept.as_str())
        .bind(delivery.destination.as_str())
        .fetch_optional(connection)
        .await?;
        let Some(row) = row else {
            return Ok(Self { verdict: Verdict::Collecting.word().to_owned(), thread: None });
        };
        Ok(Self { verdict: row.try_get("verdict")?, thread: row.try_get("thread")? })
    }
}

/// Takes out what waits to tell of earlier states: whether there was any, and whether any of it may have arrived.
async fn supersede(connection: &mut Connection, delivery: &Delivery) -> Result<(bool, bool), StoreError> {
    let unanswered: Vec<i64> = sqlx::query_scalar(
        "UPDATE delivery SET state = 'superseded' WHERE concept_id = $1 AND destination = $2 AND verdict <> '' \
         AND state = 'waiting' RETURNING unanswered",
    )
    .bind(delivery.message.concept.as_str())
    .bind(delivery.destination.as_str())
    .fetch_all(connection)
    .await?;
    Ok((!unanswered.is_empty(), unanswered.iter().any(|&attempts| attempts > 0)))
}

fn read_delivery(row: &AnyRow) -> Result<Delivery, StoreError> {
    Ok(Delivery {
        id: row.try_get("id")?,
        destination: DestinationId::new(row.try_get::<&str, _>("destination")?),
        thread: row.try_get("thread")?,
        quiet: row.try_get::<Option<&str>, _>("quiet")?.map(columns::from_json).transpose()?,
        message: columns::from_json(row.try_get("message")?)?,
        attempts: columns::small(row.try_get("attempts")?)?,
        // One attempt without an answer is the one under way.
        may_repeat: row.try_get::<i64, _>("unanswered")? > 1,
        not_before: columns::instant(row.try_get("not_before")?)?,
        page: None,
    })
}
