//! What a verdict knows of the other concepts: which were ever tested, and their latest stored verdicts.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use sqlx::{Arguments, Row};

use super::Store;
use super::columns;
use super::error::StoreError;
use crate::domain::id::ConceptId;
use crate::domain::portfolio::{Others, Peer};
use crate::domain::verdict::{Scorecard, Verdict};

/// All concepts ever tested, as they stood before an instant.
#[derive(Debug)]
pub struct Portfolio {
    /// The last verdict on any concept that was known.
    known: i64,
    /// What others may count on of each.
    stands: Vec<(ConceptId, Option<Arc<Peer>>)>,
}

impl Portfolio {
    /// What `concept` knows of the others, but for its own verdict before.
    pub fn others(&self, concept: &ConceptId) -> Others {
        let others = || self.stands.iter().filter(|(other, _)| other != concept);
        let peers = others().filter_map(|(_, peer)| peer.clone()).collect();
        Others { known: self.known, concepts: others().count() + 1, peers, before: None }
    }
}

impl Store {
    /// Remembers for ever that these concepts are tested. One that is known already stays as it is.
    pub async fn begin_tests(&self, concepts: &[&ConceptId]) -> Result<(), StoreError> {
        let mut write = self.backend.write().await?;
        let own = |to: &mut _, concept: &&ConceptId| Arguments::add(to, concept.as_str());
        self.scorecards.tested.execute(&mut write, concepts, |_| Ok(()), own).await?;
        write.commit().await?;
        Ok(())
    }

    /// How all concepts stand by verdicts of earlier instants than `as_of`: now, or up to the verdict `known`. A BUILD stands
    /// while its concept is BLOCKED, and where it is no longer configured; one that is withheld does not count then.
    pub async fn portfolio(&self, as_of: DateTime<Utc>, known: Option<i64>) -> Result<Portfolio, StoreError> {
        let mut read = self.backend.read().await?;
        let known = match known {
            Some(known) => known,
            None => sqlx::query_scalar("SELECT COALESCE(MAX(id), 0) FROM scorecard").fetch_one(&mut *read).await?,
        };
        let rows = sqlx::query(
            "SELECT tested.concept_id, sound.excess, CASE WHEN sound.excess IS NULL THEN NULL ELSE sound.body END AS body, \
             (SELECT verdict FROM scorecard WHERE concept_id = tested.concept_id AND id <= $1 AND as_of < $2 \
             ORDER BY id DESC LIMIT 1) AS latest FROM tested LEFT JOIN scorecard AS sound ON sound.id = \
             (SELECT id FROM scorecard WHERE concept_id = tested.concept_id AND id <= $1 AND as_of < $2 AND verdict <> $3 \
             ORDER BY id DESC LIMIT 1)",
        )
        .bind(known)
        .bind(as_of.timestamp_millis())
        .bind(Verdict::Blocked.word())
        .fetch_all(&mut *read)
        .await?;
        let stand = |row: &sqlx::any::AnyRow| {
            // One that cannot be read does not count, so that the others need more proof; judging it says what is wrong.
            let body: Option<&str> = row.try_get("body")?;
            let card: Option<Scorecard> = body.and_then(|body| columns::from_json(body).ok());
            let is_blocked = row.try_get::<Option<&str>, _>("latest")? == Some(Verdict::Blocked.word());
            let peer = card.as_ref().and_then(Peer::of).filter(|peer| peer.judged.is_none() || !is_blocked);
            Ok((ConceptId::new(row.try_get::<&str, _>("concept_id")?), peer.map(Arc::new)))
        };
        let stands = rows.iter().map(stand).collect::<Result<_, StoreError>>()?;
        Ok(Portfolio { known, stands })
    }

    /// The latest verdict on a test before an instant that was not BLOCKED, up to the verdict `known`.
    pub async fn verdict_before(
        &self,
        (concept, generation): (&ConceptId, u32),
        as_of: DateTime<Utc>,
        known: i64,
    ) -> Result<Option<Box<Scorecard>>, StoreError> {
        let before: Option<String> = sqlx::query_scalar(
            "SELECT body FROM scorecard WHERE concept_id = $1 AND generation = $2 AND id <= $3 AND as_of < $4 \
             AND verdict <> $5 ORDER BY id DESC LIMIT 1",
        )
        .bind(concept.as_str())
        .bind(i64::from(generation))
        .bind(known)
        .bind(as_of.timestamp_millis())
        .bind(Verdict::Blocked.word())
        .fetch_optional(&mut *self.backend.read().await?)
        .await?;
        before.map(|body| columns::from_json(&body)).transpose()
    }
}
