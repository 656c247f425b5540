//! Verdicts and the tests they belong to. Scorecards are only ever added: a changed verdict is a new
//! scorecard that names the one it replaces. Many are written at once.

use chrono::{DateTime, NaiveDate, Utc};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::{Arguments, Row};

use super::Store;
use super::bulk::Bulk;
use super::columns;
use super::error::StoreError;
use super::outbox;
use super::runs;
use super::setups::{self, Packed};
use super::transaction::Connection;
use crate::domain::decision::{Cause, Known};
use crate::domain::id::ConceptId;
use crate::domain::message::Delivery;
use crate::domain::run::Outcome;
use crate::domain::verdict::{Generation, Scorecard, StoredScorecard, Verdict};

/// What one slot of one concept came to, to be written down.
#[derive(Debug)]
pub struct Finding<'a> {
    /// Which concept.
    pub concept: &'a ConceptId,
    /// The test, where it was opened or changed.
    pub opened: Option<Generation>,
    /// The verdict, where there is one.
    pub verdict: Option<NewVerdict>,
    /// The run that ends with it, where there is one.
    pub run: Option<Ending<'a>>,
}

/// A verdict that is not stored yet.
#[derive(Debug)]
pub struct NewVerdict {
    /// What was decided.
    pub scorecard: Scorecard,
    /// How it came about.
    pub cause: Cause,
    /// What had been read.
    pub known: Known,
    /// What else it was decided with; `None` where that is not to be kept.
    pub setup: Option<Packed>,
    /// The latest verdict on the concept before.
    pub previous: Option<StoredScorecard>,
    /// The messages that tell of it.
    pub deliveries: Vec<Delivery>,
}

/// The end of a run. One that has ended stays as it is.
#[derive(Debug)]
pub struct Ending<'a> {
    /// Which run.
    pub id: &'a str,
    /// When.
    pub at: DateTime<Utc>,
    /// How.
    pub outcome: Outcome,
}

/// The statements, each for many rows.
pub(super) struct Statements {
    generations: Bulk,
    pub(super) tested: Bulk,
    scorecards: Bulk,
    setups: Bulk,
    finishes: Bulk,
}

impl Statements {
    /// Makes them.
    pub(super) fn new() -> Self {
        let own = [
            "id",
            "concept_id",
            "generation",
            "as_of",
            "last_settled_day",
            "verdict",
            "policy_hash",
            "data_hash",
            "program_version",
            "known_at",
            "replaces",
            "body",
            "setup",
            "cause",
            "last_decision",
            "excess",
            "last_scorecard",
            "tested",
        ];
        Self {
            generations: Bulk::insert(
                "generation",
                &[],
                &["concept_id", "number", "first_day", "policy_hash"],
                "ON CONFLICT (concept_id, number) DO UPDATE SET first_day = excluded.first_day, \
                 policy_hash = excluded.policy_hash",
            ),
            tested: Bulk::insert("tested", &[], &["concept_id"], "ON CONFLICT (concept_id) DO NOTHING"),
            scorecards: Bulk::insert("scorecard", &[], &own, ""),
            setups: Bulk::insert("setup", &[], &["hash", "body"], "ON CONFLICT (hash) DO NOTHING"),
            finishes: runs::finishes(),
        }
    }
}

impl Store {
    /// Writes down what slots came to, each of another concept, all of it in one transaction, and gives back each one's
    /// verdict as stored. A verdict that is stored already, of the same instant from the same data and policy, is not
    /// added a second time, and its messages are not either: the stored one is given back.
    ///
    /// `None`, and nothing is written, where the last verdict is no longer `last`: another one was stored since the
    /// concepts' standing was read.
    pub async fn write_down(
        &self,
        findings: Vec<Finding<'_>>,
        last: i64,
    ) -> Result<Option<Vec<Option<StoredScorecard>>>, StoreError> {
        let mut write = self.backend.write().await?;
        let latest: i64 =
            sqlx::query_scalar("SELECT COALESCE(MAX(id), 0) FROM scorecard").fetch_one(&mut *write).await?;
        if latest != last {
            write.rollback().await?;
            return Ok(None);
        }
        let opened: Vec<_> =
            findings.iter().filter_map(|one| Some((one.concept.as_str(), one.opened.as_ref()?))).collect();
        let generation = |to: &mut AnyArguments, &(concept, opened): &(&str, &Generation)| {
            to.add(concept)?;
            to.add(i64::from(opened.number))?;
            to.add(opened.first_day.to_string())?;
            to.add(&opened.policy_hash)
        };
        self.scorecards.generations.execute(&mut write, &opened, |_| Ok(()), generation).await?;
        self.scorecards.tested.execute(&mut write, &opened, |_| Ok(()), |to, (concept, _)| to.add(*concept)).await?;

        let (mut id, mut stored, mut new, mut endings) = (last, Vec::new(), Vec::new(), Vec::new());
        for Finding { verdict, run, .. } in findings {
            endings.extend(run);
            stored.push(match verdict {
                Some(verdict) if verdict.is_stored() => verdict.previous,
                Some(verdict) => {
                    id += 1;
                    let replaces = verdict.replaces();
                    let NewVerdict { scorecard, cause, known, setup, deliveries, .. } = verdict;
                    let body = columns::json(&scorecard)?;
                    new.push(New { body, cause, known, setup, deliveries });
                    Some(StoredScorecard { id, replaces, known_at: known.pull, scorecard })
                }
                None => None,
            });
        }
        self.add(&mut write, &stored, &new, last).await?;
        runs::finish(&mut write, &self.scorecards.finishes, &endings).await?;
        write.commit().await?;
        Ok(Some(stored))
    }

    /// Adds those of the verdicts that were not stored: the ones after `last`.
    async fn add(
        &self,
        write: &mut Connection,
        stored: &[Option<StoredScorecard>],
        new: &[New],
        last: i64,
    ) -> Result<(), StoreError> {
        let unkept: Vec<&Packed> = new.iter().filter_map(|new| new.setup.as_ref()).filter(|one| !one.is_kept).collect();
        let setup = |to: &mut AnyArguments, setup: &&Packed| {
            to.add(&setup.hash)?;
            to.add(&setup.body)
        };
        self.scorecards.setups.execute(write, &unkept, |_| Ok(()), setup).await?;
        let rows: Vec<_> = stored.iter().flatten().filter(|stored| stored.id > last).zip(new).collect();
        let row = |to: &mut AnyArguments, (stored, new): &(&StoredScorecard, &New)| {
            let scorecard = &stored.scorecard;
            to.add(stored.id)?;
            to.add(scorecard.concept.as_str())?;
            to.add(i64::from(scorecard.generation))?;
            to.add(scorecard.as_of.timestamp_millis())?;
            to.add(scorecard.last_settled_day.to_string())?;
            to.add(scorecard.verdict.word())?;
            to.add(&scorecard.policy_hash)?;
            to.add(&scorecard.data_hash)?;
            to.add(&scorecard.program_version)?;
            to.add(stored.known_at)?;
            to.add(stored.replaces)?;
            to.add(&new.body)?;
            to.add(new.setup.as_ref().map(|setup| &setup.hash))?;
            to.add(setups::word(new.cause))?;
            to.add(new.known.decision)?;
            to.add(scorecard.beyond_own())?;
            to.add(new.known.scorecard)?;
            to.add(new.known.tested)
        };
        self.scorecards.scorecards.execute(write, &rows, |_| Ok(()), row).await?;
        for (stored, new) in &rows {
            for delivery in &new.deliveries {
                outbox::add(write, stored.id, delivery).await?;
            }
        }
        Ok(())
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

    /// The latest verdict on a concept of those that speak for an instant before `at`.
    pub async fn scorecard_at(
        &self,
        concept: &ConceptId,
        at: DateTime<Utc>,
    ) -> Result<Option<StoredScorecard>, StoreError> {
        let row = sqlx::query(
            "SELECT id, replaces, known_at, body FROM scorecard WHERE concept_id = $1 AND as_of < $2 \
             ORDER BY id DESC LIMIT 1",
        )
        .bind(concept.as_str())
        .bind(at.timestamp_millis())
        .fetch_optional(&mut *self.backend.read().await?)
        .await?;
        row.as_ref().map(read_scorecard).transpose()
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

/// What is written of a new verdict besides its scorecard.
struct New {
    body: String,
    cause: Cause,
    known: Known,
    setup: Option<Packed>,
    deliveries: Vec<Delivery>,
}

impl NewVerdict {
    fn is_stored(&self) -> bool {
        let same =
            |previous: &StoredScorecard| previous.known_at == self.known.pull && previous.scorecard == self.scorecard;
        self.previous.as_ref().is_some_and(same)
    }

    fn replaces(&self) -> Option<i64> {
        let previous = self.previous.as_ref();
        previous.filter(|previous| previous.scorecard.verdict != self.scorecard.verdict).map(|previous| previous.id)
    }
}

async fn latest(connection: &mut Connection, concept: &ConceptId) -> Result<Option<StoredScorecard>, StoreError> {
    Ok(history(connection, concept, 1).await?.pop())
}

async fn history(
    connection: &mut Connection,
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
