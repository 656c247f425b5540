//! Runs: one attempt to pull and decide per slot, ever.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::{Arguments, Row};

use super::Store;
use super::bulk::Bulk;
use super::columns;
use super::error::StoreError;
use super::lease;
use super::newest::newest;
use super::scorecards::Ending;
use super::transaction::Connection;
use crate::domain::id::ConceptId;
use crate::domain::run::{Outcome, Run};

impl Store {
    /// Records the start of a run; `false`, and nothing is recorded, when its slot already has one. A slot
    /// whose run was abandoned is taken up again.
    pub async fn start_run(&self, run: &Run) -> Result<bool, StoreError> {
        let mut write = self.backend.write().await?;
        let started = sqlx::query(
            "INSERT INTO run (id, concept_id, due_at, started_at, missed, fence) VALUES ($1, $2, $3, $4, $5, $7) \
             ON CONFLICT (id) DO UPDATE SET started_at = excluded.started_at, finished_at = NULL, outcome = NULL, \
             fence = excluded.fence WHERE run.outcome = $6",
        )
        .bind(&run.id)
        .bind(run.concept.as_str())
        .bind(run.due_at.timestamp_millis())
        .bind(run.started_at.timestamp_millis())
        .bind(i64::from(run.missed))
        .bind(columns::json(&Outcome::Abandoned)?)
        .bind(self.backend.fence())
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(started.rows_affected() == 1)
    }

    /// Records that a slot will not be run; does nothing where it has a run.
    pub async fn miss_run(&self, run: &Run) -> Result<(), StoreError> {
        let mut write = self.backend.write().await?;
        sqlx::query(
            "INSERT INTO run (id, concept_id, due_at, started_at, finished_at, outcome, missed) \
             VALUES ($1, $2, $3, $4, $4, $5, $6) ON CONFLICT (id) DO NOTHING",
        )
        .bind(&run.id)
        .bind(run.concept.as_str())
        .bind(run.due_at.timestamp_millis())
        .bind(run.started_at.timestamp_millis())
        .bind(columns::json(&Outcome::Missed)?)
        .bind(i64::from(run.missed))
        .execute(&mut *write)
        .await?;
        write.commit().await
    }

    /// Ends every open run as abandoned that is this process's, or nobody's any more, and says how many there were. Only the
    /// holder of the claim may, and only before it begins any: an open run was left by a process that died.
    pub async fn abandon_open_runs(&self, at: DateTime<Utc>) -> Result<u64, StoreError> {
        self.abandon(at, self.backend.fence()).await
    }

    /// Ends the open runs of processes that others share the store with, where they fell silent: their slots are due again.
    /// In a file there are no others.
    pub async fn take_over(&self, at: DateTime<Utc>) -> Result<u64, StoreError> {
        let Some(own) = self.backend.fence() else { return Ok(0) };
        let others: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM run WHERE finished_at IS NULL AND fence <> $1")
            .bind(own)
            .fetch_one(&mut *self.backend.read().await?)
            .await?;
        if others == 0 { Ok(0) } else { self.abandon(at, None).await }
    }

    async fn abandon(&self, at: DateTime<Utc>, own: Option<i64>) -> Result<u64, StoreError> {
        let mut write = self.backend.write().await?;
        if self.is_on_a_server() {
            lease::bury(&mut write).await?;
        }
        let abandoned = sqlx::query(
            "UPDATE run SET finished_at = $1, outcome = $2 WHERE finished_at IS NULL AND (fence IS NULL OR fence = $3 \
             OR NOT EXISTS (SELECT 1 FROM node WHERE node.fence = run.fence))",
        )
        .bind(at.timestamp_millis())
        .bind(columns::json(&Outcome::Abandoned)?)
        .bind(own)
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok(abandoned.rows_affected())
    }

    /// The run with the latest slot of each concept, in order of concept.
    pub async fn last_runs(&self) -> Result<Vec<Run>, StoreError> {
        self.last_runs_until(DateTime::<Utc>::MAX_UTC).await
    }

    /// As [`Self::last_runs`], of slots up to an instant.
    pub async fn last_runs_until(&self, until: DateTime<Utc>) -> Result<Vec<Run>, StoreError> {
        let mut read = self.backend.read().await?;
        // Looked at whenever a daemon wakes: what it costs must not grow with the runs of years.
        let rows = sqlx::query(newest!(
            "last.id, last.concept_id, last.due_at, last.started_at, last.finished_at, last.outcome, last.missed" of
            "run" by "due_at" " AND any_of.due_at <= $1"
        ))
        .bind(until.timestamp_millis())
        .fetch_all(&mut *read)
        .await?;
        let mut runs = rows.iter().map(read_run).collect::<Result<Vec<Run>, _>>()?;
        runs.sort_by(|one, other| one.concept.cmp(&other.concept));
        Ok(runs)
    }

    /// The latest runs of a concept, newest slot first.
    pub async fn run_history(&self, concept: &ConceptId, limit: u32) -> Result<Vec<Run>, StoreError> {
        let mut read = self.backend.read().await?;
        let rows = sqlx::query(
            "SELECT id, concept_id, due_at, started_at, finished_at, outcome, missed FROM run \
             WHERE concept_id = $1 ORDER BY due_at DESC LIMIT $2",
        )
        .bind(concept.as_str())
        .bind(i64::from(limit))
        .fetch_all(&mut *read)
        .await?;
        rows.iter().map(read_run).collect()
    }
}

/// Makes the statement that records the ends of many runs.
pub(super) fn finishes() -> Bulk {
    Bulk::new("UPDATE run SET finished_at = ?, outcome = ? WHERE finished_at IS NULL AND id IN (VALUES ", 1, ")")
}

/// Records the ends of runs with [`finishes`].
pub(super) async fn finish(
    connection: &mut Connection,
    finishes: &Bulk,
    endings: &[Ending<'_>],
) -> Result<(), StoreError> {
    let mut alike: BTreeMap<(i64, String), Vec<&str>> = BTreeMap::new();
    for Ending { id, at, outcome } in endings {
        alike.entry((at.timestamp_millis(), columns::json(outcome)?)).or_default().push(id);
    }
    for ((at, outcome), ids) in alike {
        let shared = |to: &mut AnyArguments| {
            to.add(at)?;
            to.add(&outcome)
        };
        finishes.execute(connection, &ids, shared, |to, id| to.add(*id)).await?;
    }
    Ok(())
}

fn read_run(row: &AnyRow) -> Result<Run, StoreError> {
    let finished_at: Option<i64> = row.try_get("finished_at")?;
    let outcome: Option<&str> = row.try_get("outcome")?;
    Ok(Run {
        id: row.try_get("id")?,
        concept: ConceptId::new(row.try_get::<&str, _>("concept_id")?),
        due_at: columns::instant(row.try_get("due_at")?)?,
        started_at: columns::instant(row.try_get("started_at")?)?,
        finished_at: finished_at.map(columns::instant).transpose()?,
        outcome: outcome.map(columns::from_json).transpose()?,
        missed: columns::small(row.try_get("missed")?)?,
    })
}
