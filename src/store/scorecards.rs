//! Verdicts and the tests they belong to. Scorecards are only ever added: a changed verdict is a new
//! scorecard that names the one it replaces.

use chrono::NaiveDate;
use sqlx::AnyConnection;
use sqlx::Row;
use sqlx::any::AnyRow;

use super::Store;
use super::columns;
use super::error::StoreError;
use super::outbox;
use super::setups;
use crate::domain::decision::Basis;
use crate::domain::id::ConceptId;
use crate::domain::message::Delivery;
use crate::domain::verdict::{Generation, Scorecard, StoredScorecard, Verdict};

impl Store {
    /// The test of a concept that a policy belongs to on a day, opening the next one where the policy has
    /// changed. `start` is the first day of the first. Until a test's first day nothing has been seen, so
    /// until then a change opens no other.
    pub async fn generation(
        &self,
        concept: &ConceptId,
        policy_hash: &str,
        today: NaiveDate,
        start: NaiveDate,
    ) -> Result<Generation, StoreError> {
        let mut write = self.backend.write().await?;
        let last = last_generation(&mut write, concept).await?;
        let policy_hash = policy_hash.to_owned();
        let generation = match last {
            Some(last) if last.first_day <= today && last.policy_hash == policy_hash => return Ok(last),
            Some(last) if last.first_day <= today => {
                Generation { number: last.number + 1, first_day: today, policy_hash }
            }
            // A later test of which nothing was seen (the clock went back, or the zone changed) keeps its place: an
            // earlier one's data was seen, and is never judged anew.
            Some(last) if last.number > 1 => Generation { policy_hash, ..last },
            _ => Generation { number: 1, first_day: start, policy_hash },
        };
        sqlx::query(
            "INSERT INTO generation (concept_id, number, first_day, policy_hash) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (concept_id, number) DO UPDATE SET first_day = excluded.first_day, \
             policy_hash = excluded.policy_hash",
        )
        .bind(concept.as_str())
        .bind(i64::from(generation.number))
        .bind(generation.first_day.to_string())
        .bind(&generation.policy_hash)
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(generation)
    }

    /// Adds a verdict, what it was decided with, and the messages that tell of it, in one transaction. The same verdict again, of the same instant from the same data and policy, is not added a
    /// second time, and its messages are not either: the stored one is returned.
    pub async fn save_scorecard(
        &self,
        scorecard: &Scorecard,
        basis: &Basis,
        deliveries: &[Delivery],
    ) -> Result<StoredScorecard, StoreError> {
        let mut write = self.backend.write().await?;
        let previous = latest(&mut write, &scorecard.concept).await?;
        if let Some(previous) = &previous
            && previous.known_at == basis.known.pull
            && previous.scorecard == *scorecard
        {
            return Ok(previous.clone());
        }
        let replaces = previous.filter(|previous| previous.scorecard.verdict != scorecard.verdict).map(|it| it.id);
        let id: i64 =
            sqlx::query_scalar("SELECT COALESCE(MAX(id), 0) + 1 FROM scorecard").fetch_one(&mut *write).await?;
        let setup = match &basis.setup {
            Some(setup) => Some(setups::keep(&mut write, setup).await?),
            None => None,
        };
        sqlx::query(
            "INSERT INTO scorecard (id, concept_id, generation, as_of, last_settled_day, verdict, policy_hash, data_hash, \
             program_version, known_at, replaces, body, setup, cause, last_decision, excess, last_scorecard) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
        )
        .bind(id)
        .bind(scorecard.concept.as_str())
        .bind(i64::from(scorecard.generation))
        .bind(scorecard.as_of.timestamp_millis())
        .bind(scorecard.last_settled_day.to_string())
        .bind(scorecard.verdict.word())
        .bind(&scorecard.policy_hash)
        .bind(&scorecard.data_hash)
        .bind(&scorecard.program_version)
        .bind(basis.known.pull)
        .bind(replaces)
        .bind(columns::json(scorecard)?)
        .bind(setup)
        .bind(setups::word(basis.cause))
        .bind(basis.known.decision)
        .bind(scorecard.withheld().map(|withheld| withheld.excess()))
        .bind(basis.known.scorecard)
        .execute(&mut *write)
        .await?;
        for delivery in deliveries {
            outbox::add(&mut write, id, delivery).await?;
        }
        write.commit().await?;
        Ok(StoredScorecard { id, replaces, known_at: basis.known.pull, scorecard: scorecard.clone() })
    }

    /// The latest verdict on every concept, in order of concept.
    pub async fn latest_scorecards(&self) -> Result<Vec<StoredScorecard>, StoreError> {
        let mut read = self.backend.read().await?;
        let rows = sqlx::query(
            "SELECT id, replaces, known_at, body FROM scorecard \
             WHERE id IN (SELECT MAX(id) FROM scorecard GROUP BY concept_id) ORDER BY concept_id",
        )
        .fetch_all(&mut *read)
        .await?;
        rows.iter().map(read_scorecard).collect()
    }

    /// The latest verdict on a concept.
    pub async fn latest_scorecard(&self, concept: &ConceptId) -> Result<Option<StoredScorecard>, StoreError> {
        latest(&mut *self.backend.read().await?, concept).await
    }

    /// The latest verdict on a concept that was not BLOCKED.
    pub async fn latest_sound_scorecard(&self, concept: &ConceptId) -> Result<Option<StoredScorecard>, StoreError> {
        let row = sqlx::query(
            "SELECT id, replaces, known_at, body FROM scorecard WHERE concept_id = $1 AND verdict <> $2 \
             ORDER BY id DESC LIMIT 1",
        )
        .bind(concept.as_str())
        .bind(Verdict::Blocked.word())
        .fetch_optional(&mut *self.backend.read().await?)
        .await?;
        row.as_ref().map(read_scorecard).transpose()
    }

    /// The first day a test of a concept counts.
    pub async fn first_day(&self, concept: &ConceptId, generation: u32) -> Result<NaiveDate, StoreError> {
        let day =
            sqlx::query_scalar::<_, String>("SELECT first_day FROM generation WHERE concept_id = $1 AND number = $2")
                .bind(concept.as_str())
                .bind(i64::from(generation))
                .fetch_one(&mut *self.backend.read().await?)
                .await?;
        columns::day(&day)
    }

    /// The latest verdicts on a concept, newest first.
    pub async fn scorecard_history(&self, concept: &ConceptId, limit: u32) -> Result<Vec<StoredScorecard>, StoreError> {
        let mut read = self.backend.read().await?;
        history(&mut read, concept, limit).await
    }
}

async fn last_generation(
    connection: &mut AnyConnection,
    concept: &ConceptId,
) -> Result<Option<Generation>, StoreError> {
    let row = sqlx::query(
        "SELECT number, first_day, policy_hash FROM generation WHERE concept_id = $1 ORDER BY number DESC LIMIT 1",
    )
    .bind(concept.as_str())
    .fetch_optional(connection)
    .await?;
    let Some(row) = row else { return Ok(None) };
    Ok(Some(Generation {
        number: columns::small(row.try_get("number")?)?,
        first_day: columns::day(row.try_get("first_day")?)?,
        policy_hash: row.try_get("policy_hash")?,
    }))
}

async fn latest(connection: &mut AnyConnection, concept: &ConceptId) -> Result<Option<StoredScorecard>, StoreError> {
    Ok(history(connection, concept, 1).await?.pop())
}

async fn history(
    connection: &mut AnyConnection,
    concept: &ConceptId,
    limit: u32,
) -> Result<Vec<StoredScorecard>, StoreError> {
    let rows = sqlx::query(
        "SELECT id, replaces, known_at, body FROM scorecard WHERE concept_id = $1 ORDER BY id DESC LIMIT $2",
    )
    .bind(concept.as_str())
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await?;
    rows.iter().map(read_scorecard).collect()
}

fn read_scorecard(row: &AnyRow) -> Result<StoredScorecard, StoreError> {
    Ok(StoredScorecard {
        id: row.try_get("id")?,
        replaces: row.try_get("replaces")?,
        known_at: row.try_get("known_at")?,
        scorecard: columns::from_json(row.try_get("body")?)?,
    })
}
