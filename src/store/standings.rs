//! Where concepts stand when they are judged anew: the test that runs, the latest verdicts, what people decided. Asked for
//! many concepts at once. A record that cannot be read is its concept's error, and no other's.

use std::collections::BTreeMap;

use super::columns::{self, Fields};
use super::error::StoreError;
use super::rows::View;
use super::snapshot::{InPlace, Reading, Value};
use crate::domain::decision::{Decision, Setup};
use crate::domain::id::ConceptId;
use crate::domain::verdict::{Generation, StoredScorecard, Verdict};

/// Something of every concept for which there is any, or why it cannot be read.
pub type OfConcepts<T> = BTreeMap<ConceptId, Result<T, StoreError>>;

/// Where a concept stands.
#[derive(Debug, Default)]
pub struct Standing {
    /// The last test that was opened.
    pub generation: Option<Generation>,
    /// The latest verdict.
    pub latest: Option<StoredScorecard>,
    /// The hash of what it was decided with; `None` for one stored before that was kept.
    pub setup: Option<String>,
}

impl View {
    /// The last verdict on any concept; 0 for none.
    pub async fn last_scorecard(&mut self) -> Result<i64, StoreError> {
        let read = |at: &Reading<'_>| {
            let mut last = None;
            at.question("SELECT MAX(id) FROM scorecard")?.each(&[], |row| {
                last = row.optional_number()?;
                Ok(())
            })?;
            Ok(last.unwrap_or(0))
        };
        self.at.read(read).await
    }

    /// Where each of some concepts stands.
    pub async fn standings(&mut self, concepts: Vec<ConceptId>) -> Result<OfConcepts<Standing>, StoreError> {
        let read = |at: &Reading<'_>| {
            let mut tests = at.question(
                "SELECT number, first_day, policy_hash FROM generation WHERE concept_id = $1 ORDER BY number DESC LIMIT 1",
            )?;
            let mut verdicts = at.question(
                "SELECT setup, id, replaces, known_at, body FROM scorecard WHERE concept_id = $1 ORDER BY id DESC LIMIT 1",
            )?;
            let mut of = |concept: &ConceptId| {
                let mut standing = Standing::default();
                let asked = [Value::Text(concept.as_str())];
                tests.each(&asked, |row| {
                    standing.generation = Some(read_generation(row)?);
                    Ok(())
                })?;
                verdicts.each(&asked, |row| {
                    standing.setup = row.optional()?.map(str::to_owned);
                    standing.latest = Some(read_scorecard(row)?);
                    Ok(())
                })?;
                Ok(standing)
            };
            each_its_own(concepts, |concept| of(concept).map(Some))
        };
        self.at.read(read).await
    }

    /// The latest verdict on each of some concepts that was not BLOCKED.
    pub async fn sound_scorecards(
        &mut self,
        concepts: Vec<ConceptId>,
    ) -> Result<OfConcepts<StoredScorecard>, StoreError> {
        if concepts.is_empty() {
            return Ok(BTreeMap::new());
        }
        let read = |at: &Reading<'_>| {
            let mut verdicts = at.question(
                "SELECT id, replaces, known_at, body FROM scorecard WHERE concept_id = $1 AND verdict <> $2 \
                 ORDER BY id DESC LIMIT 1",
            )?;
            each_its_own(concepts, |concept| {
                let mut latest = None;
                verdicts.each(&[Value::Text(concept.as_str()), Value::Text(Verdict::Blocked.word())], |row| {
                    latest = Some(read_scorecard(row)?);
                    Ok(())
                })?;
                Ok(latest)
            })
        };
        self.at.read(read).await
    }

    /// Setups by their hashes, or why one cannot be read.
    pub async fn setups(
        &mut self,
        hashes: Vec<String>,
    ) -> Result<BTreeMap<String, Result<Setup, StoreError>>, StoreError> {
        if hashes.is_empty() {
            return Ok(BTreeMap::new());
        }
        let read = |at: &Reading<'_>| {
            let mut setups = at.question("SELECT body FROM setup WHERE hash = $1")?;
            each_its_own(hashes, |hash| {
                let mut setup = None;
                setups.each(&[Value::Text(hash)], |row| {
                    setup = Some(columns::from_json(row.text()?)?);
                    Ok(())
                })?;
                Ok(setup)
            })
        };
        self.at.read(read).await
    }

    /// The decisions on each of some concepts, oldest first: all, or those up to `last`.
    pub async fn decisions(
        &mut self,
        concepts: Vec<ConceptId>,
        last: Option<i64>,
    ) -> Result<OfConcepts<Vec<Decision>>, StoreError> {
        let up_to = Value::Number(last.unwrap_or(i64::MAX));
        let read = move |at: &Reading<'_>| {
            let mut decisions =
                at.question("SELECT body FROM decision WHERE concept_id = $1 AND id <= $2 ORDER BY id")?;
            each_its_own(concepts, |concept| {
                let mut taken = Vec::new();
                decisions.each(&[Value::Text(concept.as_str()), up_to], |row| {
                    taken.push(columns::from_json(row.text()?)?);
                    Ok(())
                })?;
                Ok(Some(taken).filter(|taken: &Vec<_>| !taken.is_empty()))
            })
        };
        self.at.read(read).await
    }
}

/// What there is of each of some things. What of one cannot be read is its own error.
pub(super) fn each_its_own<K: Ord, T>(
    all: Vec<K>,
    mut of: impl FnMut(&K) -> Result<Option<T>, StoreError>,
) -> Result<BTreeMap<K, Result<T, StoreError>>, StoreError> {
    let mut found = BTreeMap::new();
    for one in all {
        match of(&one) {
            Ok(Some(thing)) => found.insert(one, Ok(thing)),
            Err(error @ StoreError::Unreadable(_)) => found.insert(one, Err(error)),
            Err(error) => return Err(error),
            Ok(None) => None,
        };
    }
    Ok(found)
}

fn read_generation(row: &mut InPlace<'_>) -> Result<Generation, StoreError> {
    Ok(Generation {
        number: columns::small(row.number()?)?,
        first_day: columns::day(row.text()?)?,
        policy_hash: row.text()?.to_owned(),
    })
}

pub(super) fn read_scorecard(row: &mut InPlace<'_>) -> Result<StoredScorecard, StoreError> {
    Ok(StoredScorecard {
        id: row.number()?,
        replaces: row.optional_number()?,
        known_at: row.number()?,
        scorecard: columns::from_json(row.text()?)?,
    })
}
