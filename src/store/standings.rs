//! Where concepts stand when they are judged anew: the test that runs, the latest verdicts, what people decided. Asked for
//! many concepts at once. A record that cannot be read is its concept's error, and no other's.

use std::collections::BTreeMap;

use sqlx::any::AnyRow;
use sqlx::{Arguments, Row};

use super::backend::Bulk;
use super::columns;
use super::error::StoreError;
use super::rows::View;
use super::scorecards::read_scorecard;
use crate::domain::decision::{Decision, Setup};
use crate::domain::id::ConceptId;
use crate::domain::verdict::{Generation, StoredScorecard, Verdict};

/// The statements, each for many concepts.
pub(super) struct Statements {
    standings: Bulk,
    sound: Bulk,
    setups: Bulk,
    decisions: Bulk,
}

impl Statements {
    /// Makes them.
    pub(super) fn new() -> Self {
        let blocked = Verdict::Blocked.word();
        Self {
            standings: Bulk::new(
                "SELECT asked.column1 AS concept, test.number, test.first_day, test.policy_hash, \
                 card.id, card.replaces, card.known_at, card.body, card.setup FROM (VALUES ",
                1,
                ") AS asked \
                 LEFT JOIN generation AS test ON test.concept_id = asked.column1 AND test.number = \
                 (SELECT MAX(number) FROM generation WHERE concept_id = asked.column1) \
                 LEFT JOIN scorecard AS card ON card.id = \
                 (SELECT MAX(id) FROM scorecard WHERE concept_id = asked.column1)",
            ),
            sound: Bulk::new(
                "SELECT asked.column1 AS concept, card.id, card.replaces, card.known_at, card.body FROM (VALUES ",
                1,
                format!(
                    ") AS asked JOIN scorecard AS card ON card.id = \
                     (SELECT MAX(id) FROM scorecard WHERE concept_id = asked.column1 AND verdict <> '{blocked}')"
                ),
            ),
            setups: Bulk::new("SELECT hash, body FROM setup WHERE hash IN (VALUES ", 1, ")"),
            decisions: Bulk::new(
                "SELECT concept_id AS concept, id, body FROM decision WHERE id <= ? AND concept_id IN (VALUES ",
                1,
                ")",
            ),
        }
    }
}

/// Something of every concept for which there is any, or why it cannot be read.
pub type OfConcepts<T> = BTreeMap<ConceptId, Result<T, StoreError>>;

/// The test of a concept and its latest verdict.
#[derive(Debug, Default)]
pub struct Standing {
    /// The last test that was opened.
    pub generation: Option<Generation>,
    /// The latest verdict.
    pub latest: Option<StoredScorecard>,
    /// The hash of what it was decided with; `None` for one stored before that was kept.
    pub setup: Option<String>,
}

impl View<'_> {
    /// The last verdict on any concept; 0 for none.
    pub async fn last_scorecard(&mut self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar("SELECT COALESCE(MAX(id), 0) FROM scorecard").fetch_one(&mut *self.read).await?)
    }

    /// Where each of some concepts stands.
    pub async fn standings(&mut self, concepts: &[&ConceptId]) -> Result<OfConcepts<Standing>, StoreError> {
        let mut found = BTreeMap::new();
        let take = |row: AnyRow| {
            found.insert(concept(&row)?, read_standing(&row));
            Ok(())
        };
        let query = &self.store.standings.standings;
        query.fetch(&mut self.read, concepts, |_| Ok(()), |to, concept| to.add(concept.as_str()), take).await?;
        Ok(found)
    }

    /// The latest verdict on each of some concepts that was not BLOCKED.
    pub async fn sound_scorecards(
        &mut self,
        concepts: &[&ConceptId],
    ) -> Result<OfConcepts<StoredScorecard>, StoreError> {
        let mut found = BTreeMap::new();
        let take = |row: AnyRow| {
            found.insert(concept(&row)?, read_scorecard(&row));
            Ok(())
        };
        let query = &self.store.standings.sound;
        query.fetch(&mut self.read, concepts, |_| Ok(()), |to, concept| to.add(concept.as_str()), take).await?;
        Ok(found)
    }

    /// Setups by their hashes, or why one cannot be read.
    pub async fn setups(&mut self, hashes: &[&str]) -> Result<BTreeMap<String, Result<Setup, StoreError>>, StoreError> {
        let mut found = BTreeMap::new();
        let take = |row: AnyRow| {
            found.insert(row.try_get("hash")?, columns::from_json(row.try_get("body")?));
            Ok(())
        };
        let query = &self.store.standings.setups;
        query.fetch(&mut self.read, hashes, |_| Ok(()), |to, hash| to.add(*hash), take).await?;
        Ok(found)
    }

    /// The decisions on each of some concepts, oldest first: all, or those up to `last`.
    pub async fn decisions(
        &mut self,
        concepts: &[&ConceptId],
        last: Option<i64>,
    ) -> Result<OfConcepts<Vec<Decision>>, StoreError> {
        let mut bodies: BTreeMap<ConceptId, BTreeMap<i64, String>> = BTreeMap::new();
        let take = |row: AnyRow| {
            bodies.entry(concept(&row)?).or_default().insert(row.try_get("id")?, row.try_get("body")?);
            Ok(())
        };
        let query = &self.store.standings.decisions;
        let up_to = last.unwrap_or(i64::MAX);
        query.fetch(&mut self.read, concepts, |to| to.add(up_to), |to, concept| to.add(concept.as_str()), take).await?;
        let read = |bodies: BTreeMap<i64, String>| bodies.values().map(|body| columns::from_json(body)).collect();
        Ok(bodies.into_iter().map(|(concept, bodies)| (concept, read(bodies))).collect())
    }
}

fn concept(row: &AnyRow) -> Result<ConceptId, StoreError> {
    Ok(ConceptId::new(row.try_get::<&str, _>("concept")?))
}

fn read_standing(row: &AnyRow) -> Result<Standing, StoreError> {
    let generation = match row.try_get::<Option<i64>, _>("number")? {
        Some(number) => Some(Generation {
            number: columns::small(number)?,
            first_day: columns::day(row.try_get("first_day")?)?,
            policy_hash: row.try_get("policy_hash")?,
        }),
        None => None,
    };
    let latest = row.try_get::<Option<i64>, _>("id")?.map(|_| read_scorecard(row)).transpose()?;
    Ok(Standing { generation, latest, setup: row.try_get("setup")? })
}
