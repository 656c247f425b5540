//! Who acknowledged the state of a concept, or put its reminders off. Only ever added to.

use sqlx::Row;

use super::Store;
use super::columns;
use super::error::StoreError;
use crate::domain::acknowledgement::Acknowledgement;
use crate::domain::id::ConceptId;

impl Store {
    /// Adds one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn acknowledge(&self, acknowledgement: &Acknowledgement) -> Result<(), StoreError> {
        let mut write = self.backend.write().await?;
        let id: i64 =
            sqlx::query_scalar("SELECT COALESCE(MAX(id), 0) + 1 FROM acknowledgement").fetch_one(&mut *write).await?;
        sqlx::query("INSERT INTO acknowledgement (id, concept_id, body) VALUES ($1, $2, $3)")
            .bind(id)
            .bind(acknowledgement.concept.as_str())
            .bind(columns::json(acknowledgement)?)
            .execute(&mut *write)
            .await?;
        write.commit().await
    }

    /// All on a concept, oldest first.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn acknowledgements(&self, concept: &ConceptId) -> Result<Vec<Acknowledgement>, StoreError> {
        let rows = sqlx::query("SELECT body FROM acknowledgement WHERE concept_id = $1 ORDER BY id")
            .bind(concept.as_str())
            .fetch_all(&mut *self.backend.read().await?)
            .await?;
        rows.iter().map(|row| columns::from_json(row.try_get("body")?)).collect()
    }
}
