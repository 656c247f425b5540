//! What is due now? Pure: compares each experiment's schedule with the runs the store holds, never
//! with a timer, so that a restart neither skips a slot nor runs one twice.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, Duration, Utc};

use crate::domain::concept::Experiment;
use crate::domain::id::ConceptId;
use crate::domain::observation::first_instant;
use crate::domain::run::{Outcome, Run};

/// Days after `stop` on which sources are still read: platforms restate for weeks, and a verdict that
/// restated data no longer supports must be withdrawn.
const READ_AFTER_STOP_DAYS: u64 = 30;

/// One slot to run now, standing for all that were missed before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DueRun {
    /// Which experiment.
    pub concept: ConceptId,
    /// The latest slot that has passed.
    pub due_at: DateTime<Utc>,
    /// Earlier slots nobody answered; the one run catches them all up.
    pub missed: u32,
}

impl DueRun {
    /// Its run, begun now.
    pub fn run(&self, now: DateTime<Utc>) -> Run {
        Run {
            id: Run::key(&self.concept, self.due_at),
            concept: self.concept.clone(),
            due_at: self.due_at,
            started_at: now,
            finished_at: None,
            outcome: None,
            missed: self.missed,
        }
    }
}

/// What is due: at most one slot an experiment, the latest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Due {
    /// To be run now.
    pub runs: Vec<DueRun>,
    /// Missed for so long that they are told of and not run: what they would say is no longer news.
    pub too_old: Vec<DueRun>,
}

/// A run of a slot this far in the future was dated by a clock that has been put right since: nobody waits for that slot to
/// come. One less far ahead is a clock that was put back, and its slot has run.
pub const AHEAD: Duration = Duration::days(2);

/// What is due at `now` of some experiments. `last` holds each concept's latest run up to [`AHEAD`]; slots missed since
/// then are caught up by one run, unless even the latest was missed longer ago than `catch_up`.
pub fn due<'a>(
    experiments: impl IntoIterator<Item = &'a Experiment>,
    last: &[Run],
    now: DateTime<Utc>,
    catch_up: Duration,
) -> Due {
    let last: BTreeMap<&ConceptId, &Run> = last.iter().map(|run| (&run.concept, run)).collect();
    let mut due = Due::default();
    for experiment in experiments {
        let last = last.get(&experiment.concept.id).copied();
        let Some(run) = due_of(experiment, last, now) else { continue };
        // The first run of all is late for nobody, and one that was begun is finished.
        let is_begun = last.is_none_or(|last| last.due_at == run.due_at);
        let is_run = is_begun || now - run.due_at <= catch_up;
        if is_run { &mut due.runs } else { &mut due.too_old }.push(run);
    }
    due
}

fn due_of(experiment: &Experiment, last: Option<&Run>, now: DateTime<Utc>) -> Option<DueRun> {
    let (opens, closes) = season(experiment);
    let until = closes.map_or(now, |closes| closes.min(now));
    let since = last.map_or(opens, |run| settled_until(run).max(opens));
    let (passed, due_at) = experiment
        .schedule
        .slots(since, until, experiment.timezone)
        .fold((0u32, None), |(passed, _), slot| (passed.saturating_add(1), Some(slot)));
    // Before the first run nothing was missed: nobody was there to run it.
    let missed = if last.is_some() { passed.saturating_sub(1) } else { 0 };
    Some(DueRun { concept: experiment.concept.id.clone(), due_at: due_at?, missed })
}

/// Up to which instant a run answers its schedule: a run that was abandoned does not answer its own slot.
fn settled_until(run: &Run) -> DateTime<Utc> {
    match run.outcome {
        Some(Outcome::Abandoned) => run.due_at - Duration::milliseconds(1),
        _ => run.due_at,
    }
}

/// The next slot of an experiment after `now`, while it is still read.
pub fn next_slot(experiment: &Experiment, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let (opens, closes) = season(experiment);
    let next = experiment.schedule.next_after(now.max(opens), experiment.timezone)?;
    closes.is_none_or(|closes| next <= closes).then_some(next)
}

/// From the start of its first day to the end of the last day on which it is read.
fn season(experiment: &Experiment) -> (DateTime<Utc>, Option<DateTime<Utc>>) {
    let begins = |day: chrono::NaiveDate| first_instant(day, experiment.timezone);
    let opens = begins(experiment.start) - Duration::seconds(1);
    let read_until = |stop: chrono::NaiveDate| stop.checked_add_days(Days::new(READ_AFTER_STOP_DAYS + 1));
    (opens, experiment.stop.and_then(read_until).map(begins))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::tests::experiment;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn ran(slot: &str) -> Run {
        let (concept, due_at) = (ConceptId::new("cat-meals"), at(slot));
        Run {
            id: Run::key(&concept, due_at),
            concept,
            due_at,
            started_at: due_at,
            finished_at: None,
            outcome: None,
            missed: 0,
        }
    }

    const WEEK: Duration = Duration::days(7);

    fn runs(experiments: &[Experiment], last: &[Run], now: DateTime<Utc>) -> Vec<DueRun> {
        let due = due(experiments, last, now, WEEK);
        assert_eq!(due.too_old, []);
        due.runs
    }

    #[test]
    fn c3_a_gap_is_caught_up_once_and_its_slots_are_counted() {
        let experiments = [experiment("0 6 * * *", "2026-09-01", None)];
        let due = runs(&experiments, &[ran("2026-09-03T06:00:00Z")], at("2026-09-10T05:00:00Z"));
        assert_eq!(due.len(), 1);
        assert_eq!((due[0].due_at, due[0].missed), (at("2026-09-09T06:00:00Z"), 5));
    }

    #[test]
    fn c4_a_slot_that_ran_is_not_due_again() {
        let experiments = [experiment("0 6 * * *", "2026-09-01", None)];
        assert_eq!(runs(&experiments, &[ran("2026-09-09T06:00:00Z")], at("2026-09-10T05:59:59Z")), []);
        assert_eq!(runs(&experiments, &[ran("2026-09-09T06:00:00Z")], at("2026-09-10T06:00:00Z")).len(), 1);
    }

    #[test]
    fn s1_a_slot_whose_run_was_abandoned_is_due_again() {
        let experiments = [experiment("0 6 * * *", "2026-09-01", None)];
        let abandoned = Run { outcome: Some(Outcome::Abandoned), ..ran("2026-09-09T06:00:00Z") };
        let due = runs(&experiments, &[abandoned], at("2026-09-10T05:00:00Z"));
        assert_eq!((due[0].due_at, due[0].missed), (at("2026-09-09T06:00:00Z"), 0));
    }

    #[test]
    fn c6_a_clock_that_steps_back_runs_nothing_again() {
        let experiments = [experiment("0 6 * * *", "2026-09-01", None)];
        assert_eq!(runs(&experiments, &[ran("2026-09-09T06:00:00Z")], at("2026-09-08T12:00:00Z")), []);
        assert_eq!(runs(&experiments, &[ran("2026-09-09T06:00:00Z")], at("1970-01-01T00:00:00Z")), []);
    }

    #[test]
    fn c6_a_slot_at_the_end_of_a_leap_second_runs_once() {
        let experiments = [experiment("0 0 * * *", "2016-12-01", None)];
        let (before, midnight) = (ran("2016-12-31T00:00:00Z"), "2017-01-01T00:00:00Z");
        // A clock that tells it, one that shows the last second twice, as those of computers do, and one that is put back in it.
        for clock in [
            ["2016-12-31T23:59:59Z", "2016-12-31T23:59:60Z", "2016-12-31T23:59:60.999Z"],
            ["2016-12-31T23:59:59Z", "2016-12-31T23:59:59.999Z", "2016-12-31T23:59:59Z"],
        ] {
            for now in clock {
                assert_eq!(runs(&experiments, std::slice::from_ref(&before), at(now)), [], "{now}");
                assert_eq!(next_slot(&experiments[0], at(now)), Some(at(midnight)), "{now}");
                assert_eq!(runs(&experiments, &[ran(midnight)], at(now)), [], "{now}: once more");
            }
        }
        let due = runs(&experiments, &[before], at(midnight));
        assert_eq!((due.len(), due[0].due_at, due[0].missed), (1, at(midnight), 0));
        assert_eq!(runs(&experiments, &[ran(midnight)], at(midnight)), []);
    }

    #[test]
    fn the_first_run_comes_with_the_first_slot_after_the_start() {
        let experiments = [experiment("0 6 * * *", "2026-09-01", Some("2026-09-30"))];
        assert_eq!(runs(&experiments, &[], at("2026-08-31T12:00:00Z")), []);
        let late = runs(&experiments, &[], at("2026-09-05T12:00:00Z"));
        assert_eq!((late[0].due_at, late[0].missed), (at("2026-09-05T06:00:00Z"), 0));
        // Santiago loses the midnight its first day would begin with: the evening before is still before.
        let mut skipped = [experiment("30 22 * * *", "2026-09-06", None)];
        skipped[0].timezone = chrono_tz::America::Santiago;
        assert_eq!(runs(&skipped, &[], at("2026-09-06T03:00:00Z")), []);
        let midnight = [experiment("0 0 * * *", "2026-09-01", None)];
        assert_eq!(runs(&midnight, &[], at("2026-09-01T00:00:00Z")).len(), 1);
    }

    #[test]
    fn sources_are_read_for_a_month_after_the_stop_and_then_no_more() {
        let experiments = [experiment("0 6 * * *", "2026-09-01", Some("2026-09-30"))];
        assert_eq!(next_slot(&experiments[0], at("2026-10-29T07:00:00Z")), Some(at("2026-10-30T06:00:00Z")));
        assert_eq!(next_slot(&experiments[0], at("2026-10-31T07:00:00Z")), None);
        assert_eq!(runs(&experiments, &[ran("2026-10-30T06:00:00Z")], at("2027-01-01T00:00:00Z")), []);
    }

    #[test]
    fn c3_one_run_catches_up_a_single_slot_or_five_hundred() {
        let experiments = [experiment("0 * * * *", "2026-08-01", None)];
        let down_since = at("2026-09-01T00:00:00Z");
        for slots in [1, 2, 167, 168, 500] {
            let now = down_since + Duration::hours(slots) + Duration::minutes(20);
            let due = runs(&experiments, &[ran("2026-09-01T00:00:00Z")], now);
            let missed = u32::try_from(slots - 1).unwrap();
            assert_eq!(due, [DueRun { due_at: down_since + Duration::hours(slots), missed, ..due[0].clone() }]);
            // The run covers them all: nothing of the gap is due again.
            assert_eq!(runs(&experiments, &[Run { due_at: due[0].due_at, ..ran("2026-09-01T00:00:00Z") }], now), []);
        }
    }

    #[test]
    fn c3_a_slot_missed_longer_ago_than_is_caught_up_is_told_of_and_not_run() {
        let monthly = [experiment("0 6 1 * *", "2026-06-01", None)];
        let due_at = at("2026-09-01T06:00:00Z");
        let of = |now: &str| due(&monthly, &[ran("2026-07-01T06:00:00Z")], at(now), WEEK);
        let late = DueRun { concept: ConceptId::new("cat-meals"), due_at, missed: 1 };
        assert_eq!(of("2026-09-08T06:00:00Z"), Due { runs: vec![late.clone()], too_old: vec![] });
        assert_eq!(of("2026-09-08T06:00:01Z"), Due { runs: vec![], too_old: vec![late] });
        // Nobody was late for the first run of all, and what was begun is finished.
        assert_eq!(due(&monthly, &[], at("2026-09-20T00:00:00Z"), WEEK).runs.len(), 1);
        let begun = Run { outcome: Some(Outcome::Abandoned), ..ran("2026-09-01T06:00:00Z") };
        assert_eq!(due(&monthly, &[begun], at("2026-09-20T00:00:00Z"), WEEK).runs.len(), 1);
    }
}
