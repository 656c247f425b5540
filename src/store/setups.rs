//! What verdicts were decided with besides the data, each distinct content once, and the way back from a stored verdict
//! to all it rests on.

use ring::digest::{SHA256, digest};
use sqlx::Row;

use super::Store;
use super::columns::{self, Fields};
use super::error::StoreError;
use super::rows::View;
use super::snapshot::{Reading, Value};
use super::standings::read_scorecard;
use super::transaction::Connection;
use crate::domain::decision::{Basis, Cause, Known, Setup};
use crate::domain::id::ConceptId;
use crate::domain::verdict::StoredScorecard;

/// A stored verdict, word for word, and what it can be derived from again.
#[derive(Debug)]
pub struct Kept {
    /// Orders verdicts of all concepts.
    pub id: i64,
    /// The scorecard as JSON, as it was written.
    pub body: String,
    /// What it rests on.
    pub basis: Basis,
}

impl Store {
    /// What a stored verdict rests on.
    pub async fn basis(&self, scorecard: i64) -> Result<Basis, StoreError> {
        let mut read = self.backend.read().await?;
        let row = sqlx::query(
            "SELECT setup, cause, known_at, last_decision, last_scorecard, tested FROM scorecard WHERE id = $1",
        )
        .bind(scorecard)
        .fetch_one(&mut *read)
        .await?;
        let setup: Option<String> = row.try_get("setup")?;
        let setup = match setup {
            Some(hash) => Some(find(&mut read, &hash).await?),
            None => None,
        };
        let known = Known {
            pull: row.try_get("known_at")?,
            decision: row.try_get("last_decision")?,
            scorecard: row.try_get("last_scorecard")?,
            tested: row.try_get("tested")?,
        };
        Ok(Basis { setup, cause: cause(row.try_get("cause")?)?, known })
    }

    /// The first verdict on a concept after another one, oldest first.
    pub async fn next_kept(&self, concept: &ConceptId, after: i64) -> Result<Option<Kept>, StoreError> {
        let row = sqlx::query("SELECT id, body FROM scorecard WHERE concept_id = $1 AND id > $2 ORDER BY id LIMIT 1")
            .bind(concept.as_str())
            .bind(after)
            .fetch_optional(&mut *self.backend.read().await?)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let id = row.try_get("id")?;
        Ok(Some(Kept { id, body: row.try_get("body")?, basis: self.basis(id).await? }))
    }
}

impl View {
    /// The latest verdict on a concept, and what it rests on.
    pub async fn latest_kept(&mut self, concept: ConceptId) -> Result<Option<(StoredScorecard, Basis)>, StoreError> {
        let read = move |at: &Reading<'_>| {
            let (mut found, mut hash) = (None, None);
            let mut verdicts = at.question(
                "SELECT id, replaces, known_at, body, setup, cause, last_decision, last_scorecard, tested FROM scorecard \
                 WHERE concept_id = $1 ORDER BY id DESC LIMIT 1",
            )?;
            verdicts.each(&[Value::Text(concept.as_str())], |row| {
                let stored = read_scorecard(row)?;
                hash = row.optional()?.map(str::to_owned);
                let cause = cause(row.optional()?)?;
                let [decision, scorecard, tested] = [row.number()?, row.number()?, row.number()?];
                let known = Known { pull: stored.known_at, decision, scorecard, tested };
                found = Some((stored, Basis { setup: None, cause, known }));
                Ok(())
            })?;
            if let Some(((_, basis), hash)) = found.as_mut().zip(hash) {
                at.question("SELECT body FROM setup WHERE hash = $1")?.each(&[Value::Text(&hash)], |row| {
                    basis.setup = Some(columns::from_json(row.text()?)?);
                    Ok(())
                })?;
                basis.setup.as_ref().ok_or_else(|| columns::unreadable("what a verdict was decided with"))?;
            }
            Ok(found)
        };
        self.at.read(read).await
    }
}

/// A setup as it is kept.
#[derive(Debug)]
pub struct Packed {
    /// SHA-256 of `body`, in hex.
    pub(super) hash: String,
    /// The setup as JSON.
    pub(super) body: String,
    /// Whether it is in the store already.
    pub(super) is_kept: bool,
}

impl Packed {
    /// Packs a setup. `kept` is the hash of one that the store has.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be written as JSON.
    pub fn of(setup: &Setup, kept: Option<&str>) -> Result<Self, StoreError> {
        let body = columns::json(setup)?;
        let hash = columns::hex(digest(&SHA256, body.as_bytes()).as_ref());
        let is_kept = kept == Some(hash.as_str());
        Ok(Self { hash, body, is_kept })
    }

    /// Whether it is the one that the store was said to have.
    pub fn is_kept(&self) -> bool {
        self.is_kept
    }
}

async fn find(connection: &mut Connection, hash: &str) -> Result<Setup, StoreError> {
    let body: String =
        sqlx::query_scalar("SELECT body FROM setup WHERE hash = $1").bind(hash).fetch_one(connection).await?;
    columns::from_json(&body)
}

/// How a cause is stored.
pub(super) fn word(cause: Cause) -> &'static str {
    match cause {
        Cause::Decided => "decided",
        Cause::Stale => "stale",
    }
}

fn cause(word: Option<&str>) -> Result<Cause, StoreError> {
    match word {
        Some("decided") | None => Ok(Cause::Decided),
        Some("stale") => Ok(Cause::Stale),
        Some(_) => Err(columns::unreadable("how a verdict came about")),
    }
}
