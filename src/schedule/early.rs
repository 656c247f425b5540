//! Reads one source before its slot, because its vendor said that there is something new. Decides nothing: verdicts have
//! their slots.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::Parts;
use super::due::next_slot;
use super::pull::{Errand, SourceFailed, due_window, pull};
use super::turns::free_turn;
use crate::domain::concept::Experiment;
use crate::domain::id::SourceId;
use crate::domain::inbound::Told;

/// A source is read before its slot at most this often, however much its vendor sends.
const BETWEEN: Duration = Duration::from_mins(5);

/// Which sources to read early, and when.
#[derive(Debug, Default)]
pub struct Early {
    /// What was told that has led to a reading, or was left to the slot.
    answered: Told,
    /// On the clock that nobody can set.
    not_before: BTreeMap<SourceId, Duration>,
}

/// A source to be read early.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Next {
    /// Which.
    pub source: SourceId,
    /// When its vendor last told of something new.
    pub told: DateTime<Utc>,
    /// When to read it, on the clock that nobody can set.
    pub not_before: Duration,
}

impl Early {
    /// What to read first of what was told.
    pub fn next(&self, told: &Told, now: Duration) -> Option<Next> {
        let open = told.iter().filter(|&(source, at)| self.answered.get(source) != Some(at));
        let next = open.map(|(source, &told)| {
            let not_before = self.not_before.get(source).copied().unwrap_or(now);
            Next { source: source.clone(), told, not_before }
        });
        next.min_by_key(|next| next.not_before)
    }

    /// Its reading has ended; what is not done is to be tried again.
    pub fn ended(&mut self, Next { source, told, .. }: Next, is_done: bool, now: Duration) {
        self.not_before.insert(source.clone(), now + BETWEEN);
        if is_done {
            self.answered.insert(source, told);
        }
    }
}

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
    let free = free_turn(parts, source).await.map_err(|error| SourceFailed::Store(source.clone(), error))?;
    let Some(_turn) = free else { return Ok(false) };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_source_is_read_once_for_what_was_told_and_no_more_often_than_said() {
        let (mut early, mut told, start) = (Early::default(), Told::new(), Duration::ZERO);
        let at = |minute: i64| DateTime::from_timestamp(60 * minute, 0).unwrap();
        let after = |minutes| start + Duration::from_mins(minutes);
        let tell = |told: &mut Told, source: &str, minute| told.insert(SourceId::new(source), at(minute));
        let next = |early: &Early, told: &Told, now| {
            early.next(told, now).map(|next| (next.source.to_string(), next.told, next.not_before))
        };
        assert_eq!(next(&early, &told, start), None);
        tell(&mut told, "a", 0);
        tell(&mut told, "b", 0);
        let first = early.next(&told, start).unwrap();
        // Told again while it is read: that may not have been in time.
        tell(&mut told, "a", 1);
        early.ended(first, true, after(2));
        assert_eq!(next(&early, &told, after(2)), Some(("b".into(), at(0), after(2))), "no other has to wait");
        let second = early.next(&told, after(2)).unwrap();
        early.ended(second, false, after(2));
        let again = early.next(&told, after(3)).unwrap();
        assert_eq!((again.source.as_str(), again.told, again.not_before), ("a", at(1), after(7)));
        early.ended(again, true, after(7));
        assert_eq!(next(&early, &told, after(7)), Some(("b".into(), at(0), after(7))), "somebody else read it then");
        let last = early.next(&told, after(7)).unwrap();
        early.ended(last, true, after(7));
        assert_eq!(next(&early, &told, after(60)), None);
    }
}
