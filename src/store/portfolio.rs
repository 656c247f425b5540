//! What a verdict knows of the other concepts: their latest stored verdicts.

use chrono::{DateTime, Utc};
use sqlx::Row;

use super::Store;
use super::columns;
use super::error::StoreError;
use crate::domain::id::ConceptId;
use crate::domain::portfolio::Others;
use crate::domain::verdict::{Scorecard, Verdict};

impl Store {
    /// What is known of other concepts than `concept` from verdicts of earlier instants than `as_of`: now, or up to the
    /// verdict `known`. Where the concept's own test has BUILD already, only that.
    pub async fn others(
        &self,
        concept: &ConceptId,
        generation: u32,
        as_of: DateTime<Utc>,
        known: Option<i64>,
    ) -> Result<Others, StoreError> {
        let mut read = self.backend.read().await?;
        let known = match known {
            Some(known) => known,
            None => sqlx::query_scalar("SELECT COALESCE(MAX(id), 0) FROM scorecard").fetch_one(&mut *read).await?,
        };
        let before: Option<String> = sqlx::query_scalar(
            "SELECT body FROM scorecard WHERE concept_id = $1 AND generation = $2 AND id <= $3 AND as_of < $4 \
             AND verdict <> $5 ORDER BY id DESC LIMIT 1",
        )
        .bind(concept.as_str())
        .bind(i64::from(generation))
        .bind(known)
        .bind(as_of.timestamp_millis())
        .bind(Verdict::Blocked.word())
        .fetch_optional(&mut *read)
        .await?;
        let before: Option<Box<Scorecard>> = before.map(|body| columns::from_json(&body)).transpose()?;
        let mut others = Others { known, before, ..Others::default() };
        if others.before.as_ref().is_some_and(|before| before.verdict == Verdict::Build) {
            return Ok(others);
        }
        // A concept that is BLOCKED stands where it stood; one that never was anything else has been tested all the same.
        let rows = sqlx::query(
            "SELECT latest.verdict AS verdict, latest.excess AS excess \
             FROM (SELECT DISTINCT concept_id FROM generation WHERE concept_id <> $1) AS concept \
             LEFT JOIN scorecard AS latest ON latest.id = (SELECT id FROM scorecard \
             WHERE concept_id = concept.concept_id AND id <= $2 AND as_of < $3 AND verdict <> $4 ORDER BY id DESC LIMIT 1) \
             WHERE EXISTS (SELECT 1 FROM scorecard \
             WHERE concept_id = concept.concept_id AND id <= $2 AND as_of < $3)",
        )
        .bind(concept.as_str())
        .bind(known)
        .bind(as_of.timestamp_millis())
        .bind(Verdict::Blocked.word())
        .fetch_all(&mut *read)
        .await?;
        others.concepts = rows.len();
        for row in rows {
            let verdict: Option<String> = row.try_get("verdict")?;
            others.builds += usize::from(verdict.as_deref() == Some(Verdict::Build.word()));
            others.withheld.extend(row.try_get::<Option<f64>, _>("excess")?);
        }
        // In an order that is not the database's: sums and ties come out the same.
        others.withheld.sort_by(f64::total_cmp);
        Ok(others)
    }
}
