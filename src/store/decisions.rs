//! What people decided. Decisions are only ever added: a change of mind is another one.

use sqlx::Row;

use super::Store;
use super::columns;
use super::error::StoreError;
use super::outbox;
use crate::domain::decision::Decision;
use crate::domain::id::ConceptId;
use crate::domain::message::Delivery;

impl Store {
    /// Adds a decision and the messages that tell of it, in one transaction; gives it back with its number.
    pub async fn record_decision(&self, decision: &Decision, deliveries: &[Delivery]) -> Result<Decision, StoreError> {
        let mut write = self.backend.write().await?;
        let id: i64 =
            sqlx::query_scalar("SELECT COALESCE(MAX(id), 0) + 1 FROM decision").fetch_one(&mut *write).await?;
        let decision = Decision { id, ..decision.clone() };
        sqlx::query(
            "INSERT INTO decision (id, concept_id, generation, choice, at, body) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(id)
        .bind(decision.concept.as_str())
        .bind(i64::from(decision.generation))
        .bind(decision.choice.word())
        .bind(decision.at.timestamp_millis())
        .bind(columns::json(&decision)?)
        .execute(&mut *write)
        .await?;
        for delivery in deliveries {
            outbox::add(&mut write, decision.scorecard, delivery).await?;
        }
        write.commit().await?;
        Ok(decision)
    }

    /// The decisions on a concept, oldest first: all, or those up to `last`.
    pub async fn decisions(&self, concept: &ConceptId, last: Option<i64>) -> Result<Vec<Decision>, StoreError> {
        let rows = sqlx::query("SELECT body FROM decision WHERE concept_id = $1 AND id <= $2 ORDER BY id")
            .bind(concept.as_str())
            .bind(last.unwrap_or(i64::MAX))
            .fetch_all(&mut *self.backend.read().await?)
            .await?;
        rows.iter().map(|row| columns::from_json(row.try_get("body")?)).collect()
    }

    /// Every decision on every concept, oldest first.
    pub async fn all_decisions(&self) -> Result<Vec<Decision>, StoreError> {
        let rows =
            sqlx::query("SELECT body FROM decision ORDER BY id").fetch_all(&mut *self.backend.read().await?).await?;
        rows.iter().map(|row| columns::from_json(row.try_get("body")?)).collect()
    }
}
