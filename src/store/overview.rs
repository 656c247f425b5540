//! Where everything stands and how it came about, for people who look: what `standings` does not already say. Not what
//! verdicts rest on. Each question has a most of rows.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use super::columns::{self, Fields};
use super::error::StoreError;
use super::rows::View;
use super::snapshot::{InPlace, Reading, Value};
use crate::domain::id::{ConceptId, SourceId};
use crate::domain::run::Run;
use crate::domain::verdict::{Scorecard, Verdict};

/// Most readings of one source that are looked at.
const MOST_READINGS: i64 = 1000;

/// Most failed runs that are.
const MOST_FAILED: i64 = 10_000;

/// When a source was read, and how far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reached {
    /// When it was committed.
    pub at: DateTime<Utc>,
    /// The last day asked for.
    pub last_day: NaiveDate,
    /// Where its days end.
    pub zone: Tz,
}

/// A verdict that took the place of another one.
#[derive(Clone, Debug)]
pub struct ChangeOfVerdict {
    /// Its number.
    pub id: i64,
    /// What it says.
    pub scorecard: Scorecard,
    /// What the one before it said.
    pub before: Verdict,
}

impl View {
    /// The runs since an instant in which a source failed, newest first, each with whether its concept has had none since.
    pub async fn failed_runs(&mut self, since: DateTime<Utc>) -> Result<Vec<(Run, bool)>, StoreError> {
        let read = move |at: &Reading<'_>| {
            // The first condition on the outcome is the index's own.
            let mut runs = at.question(
                "SELECT id, concept_id, due_at, started_at, finished_at, outcome, missed, \
                 (SELECT MAX(due_at) FROM run AS any_of WHERE any_of.concept_id = run.concept_id) AS last FROM run \
                 WHERE due_at >= $1 AND outcome <> '{\"result\":\"decided\"}' AND outcome LIKE '{\"result\":\"failed\"%' \
                 ORDER BY due_at DESC LIMIT $2",
            )?;
            let mut failed = Vec::new();
            let asked = [Value::Number(since.timestamp_millis()), Value::Number(MOST_FAILED)];
            runs.each(&asked, |row| {
                // One that cannot be read hides no other.
                match read_run(row) {
                    Ok(run) => {
                        let is_last = columns::instant(row.number()?)? <= run.due_at;
                        failed.push((run, is_last));
                    }
                    Err(error) => tracing::warn!(%error, "a run that failed cannot be read"),
                }
                Ok(())
            })?;
            Ok(failed)
        };
        self.at.read(read).await
    }

    /// When each of some sources was read since an instant, newest first, and last of all whenever that was.
    pub async fn readings(
        &mut self,
        sources: Vec<SourceId>,
        since: DateTime<Utc>,
    ) -> Result<BTreeMap<SourceId, Vec<Reached>>, StoreError> {
        let read = move |at: &Reading<'_>| {
            let mut pulls = at.question(
                "SELECT committed_at, last_day, day_zone FROM pull WHERE source_id = $1 AND first_day <= last_day \
                 ORDER BY id DESC LIMIT $2",
            )?;
            let mut readings = BTreeMap::new();
            for source in sources {
                let mut of_source: Vec<Reached> = Vec::new();
                pulls.each_until(&[Value::Text(source.as_str()), Value::Number(MOST_READINGS)], |row| {
                    let at = columns::instant(row.number()?)?;
                    // Those before it are older still.
                    if at < since && !of_source.is_empty() {
                        return Ok(ControlFlow::Break(()));
                    }
                    let last_day = columns::day(row.text()?)?;
                    let zone = row.text()?.parse().map_err(|_| columns::unreadable("a zone"))?;
                    of_source.push(Reached { at, last_day, zone });
                    Ok(ControlFlow::Continue(()))
                })?;
                readings.insert(source, of_source);
            }
            Ok(readings)
        };
        self.at.read(read).await
    }

    /// What BUILDs and KILLs of one test of a concept said that another verdict took the place of, newest first.
    pub async fn replaced(
        &mut self,
        concept: ConceptId,
        generation: u32,
        most: u32,
    ) -> Result<Vec<Scorecard>, StoreError> {
        let read = move |at: &Reading<'_>| {
            let mut replaced = at.question(
                "SELECT earlier.body FROM scorecard AS later JOIN scorecard AS earlier ON earlier.id = later.replaces \
                 WHERE later.concept_id = $1 AND later.generation = $2 AND later.replaces IS NOT NULL \
                 AND earlier.verdict IN ($3, $4) ORDER BY later.id DESC LIMIT $5",
            )?;
            let asked = [
                Value::Text(concept.as_str()),
                Value::Number(generation.into()),
                Value::Text(Verdict::Build.word()),
                Value::Text(Verdict::Kill.word()),
                Value::Number(most.into()),
            ];
            let mut found = Vec::new();
            replaced.each(&asked, |row| {
                found.push(columns::from_json(row.text()?)?);
                Ok(())
            })?;
            Ok(found)
        };
        self.at.read(read).await
    }

    /// The latest verdicts that took the place of another one, newest first.
    pub async fn changes_of_verdict(&mut self, most: u32) -> Result<Vec<ChangeOfVerdict>, StoreError> {
        let read = move |at: &Reading<'_>| {
            let mut changes = at.question(
                "SELECT later.id, later.body, earlier.verdict FROM scorecard AS later \
                 JOIN scorecard AS earlier ON earlier.id = later.replaces \
                 WHERE later.replaces IS NOT NULL ORDER BY later.id DESC LIMIT $1",
            )?;
            let mut found = Vec::new();
            changes.each(&[Value::Number(most.into())], |row| {
                let id = row.number()?;
                let scorecard = columns::from_json(row.text()?)?;
                let before = read_verdict(row)?;
                found.push(ChangeOfVerdict { id, scorecard, before });
                Ok(())
            })?;
            Ok(found)
        };
        self.at.read(read).await
    }
}

fn read_verdict(row: &mut InPlace<'_>) -> Result<Verdict, StoreError> {
    columns::from_json(&format!("\"{}\"", row.text()?))
}

fn read_run(row: &mut InPlace<'_>) -> Result<Run, StoreError> {
    Ok(Run {
        id: row.text()?.to_owned(),
        concept: ConceptId::new(row.text()?),
        due_at: columns::instant(row.number()?)?,
        started_at: columns::instant(row.number()?)?,
        finished_at: row.optional_number()?.map(columns::instant).transpose()?,
        outcome: row.optional()?.map(columns::from_json).transpose()?,
        missed: columns::small(row.number()?)?,
    })
}
