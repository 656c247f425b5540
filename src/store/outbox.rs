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
    /// Every message that has not arrived, oldest verdict first.
    pub async fn undelivered(&self) -> Result<Vec<Undelivered>, StoreError> {
        let mut read = self.backend.read().await?;
        let rows = sqlx::query(
            "SELECT id, destination, message, attempts, unanswered, not_before, last_error, state FROM delivery \
             WHERE state IN ('waiting', 'given_up') ORDER BY scorecard_id, id",
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

    /// The messages an attempt is due for, oldest verdict first.
    pub async fn due_deliveries(&self, now: DateTime<Utc>) -> Result<Vec<Delivery>, StoreError> {
        let mut read = self.backend.read().await?;
        let rows = sqlx::query(
            "SELECT id, destination, message, attempts, unanswered, not_before FROM delivery \
             WHERE state = 'waiting' AND not_before <= $1 ORDER BY scorecard_id, id",
        )
        .bind(now.timestamp_millis())
        .fetch_all(&mut *read)
        .await?;
        rows.iter().map(read_delivery).collect()
    }

    /// Records that an attempt begins, before anything is sent, so that after a crash a repeat is known to
    /// be possible. `None`, and nothing may be sent, when the message is no longer due.
    pub async fn begin_attempt(&self, id: &str, now: DateTime<Utc>) -> Result<Option<Delivery>, StoreError> {
        let mut write = self.backend.write().await?;
        let row = sqlx::query(
            "UPDATE delivery SET attempts = attempts + 1, unanswered = unanswered + 1 \
             WHERE id = $1 AND state = 'waiting' AND not_before <= $2 \
             RETURNING id, destination, message, attempts, unanswered, not_before",
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
pub(super) async fn add(connection: &mut Connection, scorecard: i64, delivery: &Delivery) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO delivery (id, scorecard_id, destination, message, attempts, unanswered, not_before, state) \
         VALUES ($1, $2, $3, $4, $5, 0, $6, 'waiting') ON CONFLICT (id) DO NOTHING",
    )
    .bind(&delivery.id)
    .bind(scorecard)
    .bind(delivery.destination.as_str())
    .bind(columns::json(&delivery.message)?)
    .bind(i64::from(delivery.attempts))
    .bind(delivery.not_before.timestamp_millis())
    .execute(connection)
    .await?;
    Ok(())
}

fn read_delivery(row: &AnyRow) -> Result<Delivery, StoreError> {
    Ok(Delivery {
        id: row.try_get("id")?,
        destination: DestinationId::new(row.try_get::<&str, _>("destination")?),
        message: columns::from_json(row.try_get("message")?)?,
        attempts: columns::small(row.try_get("attempts")?)?,
        // One attempt without an answer is the one under way.
        may_repeat: row.try_get::<i64, _>("unanswered")? > 1,
        not_before: columns::instant(row.try_get("not_before")?)?,
    })
}
