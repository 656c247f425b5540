//! One attempt to pull and decide.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::id::ConceptId;

/// How an attempt ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "result")]
pub enum Outcome {
    /// Every source answered and a verdict was stored.
    Decided,
    /// At least one source failed; what came in was kept, nothing was decided.
    Failed {
        /// What the reader should do next, one line for each source; holds no secret.
        advice: Vec<String>,
    },
    /// The process ended before the run did; found at the next start.
    Abandoned,
    /// Nobody was there to run it, and when somebody was it was too old to be caught up: it is told of alone.
    Missed,
}

/// One attempt. The key is the experiment and the slot, so a slot never runs twice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// `concept@slot`, for example `cat-meals@2026-09-01T04:00:00Z`.
    pub id: String,
    /// Which experiment.
    pub concept: ConceptId,
    /// The slot of the schedule it answers, or the moment a person asked.
    pub due_at: DateTime<Utc>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// How it ended.
    pub outcome: Option<Outcome>,
    /// Slots before `due_at` that no run answered: the daemon was down.
    pub missed: u32,
}

impl Run {
    /// The key of a slot.
    pub fn key(concept: &ConceptId, due_at: DateTime<Utc>) -> String {
        format!("{concept}@{}", due_at.format("%Y-%m-%dT%H:%M:%S%.fZ"))
    }
}
