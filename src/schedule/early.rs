//! Reads one source before its slot, because its vendor said that there is something new. Decides nothing: verdicts have
//! their slots.

use chrono::{DateTime, Utc};

use super::Parts;
use super::due::next_slot;
use super::pull::{Errand, SourceFailed, due_window, pull};
use crate::domain::concept::Experiment;
use crate::domain::id::SourceId;

/// Reads a source that some test which is still read has; does nothing for others, nor where all was read since its vendor
/// `told` of something new. Says whether that is done: not while somebody else reads the source, who may have asked before
/// there was anything new.
///
/// # Errors
/// [`SourceFailed`]; the next slot asks again.
pub async fn read_early(
    parts: &Parts,
    experiments: &[Experiment],
    source: &SourceId,
    told: DateTime<Utc>,
    now: DateTime<Utc>,
) -> Result<bool, SourceFailed> {
    let reads = |experiment: &&Experiment| {
        let has = experiment.sources.iter().any(|one| one.id == *source && one.scheduled);
        has && next_slot(experiment, now).is_some()
    };
    let Some(experiment) = experiments.iter().filter(reads).min_by_key(|experiment| experiment.start) else {
        return Ok(true);
    };
    let Some(access) = parts.sources.get(source) else { return Ok(true) };
    // To wait would keep other sources from being read: a vendor may prepare its report for hours.
    let Some(_turn) = parts.turns.free(source) else { return Ok(false) };
    let run_id = format!("sent@{}", now.format("%Y-%m-%dT%H:%M:%S%.3fZ"));
    let errand = Errand { run_id: &run_id, zone: experiment.timezone, due_at: told, now };
    let window = due_window(parts, access, experiment.start, errand)
        .await
        .map_err(|error| SourceFailed::Store(source.clone(), error))?;
    let Some(window) = window else { return Ok(true) };
    // As of no slot: what shows much less than before is confirmed by readings of slots alone, not by who sends us something.
    let errand = Errand { due_at: DateTime::UNIX_EPOCH, ..errand };
    let pulled = pull(parts, access, window, errand, None).await?;
    tracing::info!(%source, rows = pulled.rows, new = pulled.new, changed = pulled.changed, "read early");
    Ok(true)
}
