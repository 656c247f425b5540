//! Which days the pulls of each source speak for, and of which metrics: what may be counted at all. The counting is
//! `tally`'s.

use std::array;

use chrono::{Days, NaiveDate, TimeDelta};
use chrono_tz::Tz;

use crate::domain::concept::{Experiment, Source};
use crate::domain::id::SourceId;
use crate::domain::metric::{METRICS, MetricId};
use crate::domain::observation::{DateWindow, Inputs, Observation, Pull, first_instant};

/// Which metrics of a day count, by metric.
pub type Known = [bool; METRICS];

/// For each source, which days a good pull speaks for, in which currency, and of which metrics.
pub struct Pulls<'a> {
    first: NaiveDate,
    /// By position of the source.
    sources: Vec<SourceDays<'a>>,
    /// Zone in which acts of people are cut into days: that of the exposures they are held against, where it is one.
    pub acts_zone: Tz,
}

/// What is known of one source; vectors by days since the first.
struct SourceDays<'a> {
    /// The latest pull of a day speaks for it.
    latest: Vec<Option<&'a Pull>>,
    /// Whether it knows a day: see [`knows`].
    known: Vec<bool>,
    /// The metrics of which any row of a day holds a value; `None` of a day without rows.
    said: Vec<Option<[bool; METRICS]>>,
    /// The metrics it may supply.
    may_supply: [bool; METRICS],
    /// Those of them that its rows ever hold; a source without rows may yet hold any.
    supplies: [bool; METRICS],
}

impl<'a> Pulls<'a> {
    /// Those of all sources of the experiment, on the days of the test.
    pub fn of(experiment: &Experiment, data: &'a Inputs, days: DateWindow, today: NaiveDate) -> Self {
        let length = usize::try_from(days.days()).unwrap_or_default();
        let new = |source: &Source| SourceDays {
            latest: vec![None; length],
            known: Vec::with_capacity(length),
            said: vec![None; length],
            may_supply: array::from_fn(|metric| source.metrics.iter().any(|one| one.index() == metric)),
            supplies: [false; METRICS],
        };
        let sources = experiment.sources.iter().map(new).collect();
        let mut pulls = Self { first: days.first(), sources, acts_zone: experiment.timezone };
        let position = |id: &SourceId| experiment.sources.iter().position(|source| &source.id == id);
        let mut has_rows = vec![false; pulls.sources.len()];
        for rows in data.observations.chunk_by(is_same_day) {
            let Some(source) = position(&rows[0].source) else { continue };
            let offset = pulls.offset(rows[0].day);
            let gives_people = experiment.sources[source].people.is_some();
            has_rows[source] = true;
            let source = &mut pulls.sources[source];
            let day = offset.and_then(|offset| source.said.get_mut(offset)).map(Option::get_or_insert_default);
            let mut unused = [false; METRICS];
            let day = day.unwrap_or(&mut unused);
            let in_rows = rows.iter().flat_map(|row| row.values.supplied()).map(|(metric, _)| metric);
            // What is worked out from the people a source hands over stands in none of its rows.
            let may_supply = source.may_supply;
            let hands_over = |metric: &MetricId| gives_people && metric.is_of_people() && may_supply[metric.index()];
            for metric in in_rows.chain(MetricId::all().filter(hands_over)) {
                day[metric.index()] = true;
                source.supplies[metric.index()] = true;
            }
        }
        for pull in &data.pulls {
            let spoken_for = DateWindow::new(pull.first_day.max(days.first()), pull.last_day.min(days.last()));
            let Some((source, spoken_for)) = position(&pull.source).zip(spoken_for) else { continue };
            let range = pulls.offset(spoken_for.first()).zip(pulls.offset(spoken_for.last()));
            let range = range.map_or(0..0, |(first, last)| first..last + 1);
            for latest in &mut pulls.sources[source].latest[range] {
                if latest.is_none_or(|known| known.id < pull.id) {
                    *latest = Some(pull);
                }
            }
        }
        for (source, has_rows) in pulls.sources.iter_mut().zip(has_rows) {
            for (ever, may) in source.supplies.iter_mut().zip(source.may_supply) {
                *ever = may && (*ever || !has_rows);
            }
            let mut days = days.first().iter_days();
            for alike in source.latest.chunk_by(|one, next| one.map(|pull| pull.id) == next.map(|pull| pull.id)) {
                let days = days.by_ref().take(alike.len());
                source.known.extend(knows(experiment, alike[0], today, days));
            }
        }
        pulls.acts_zone = pulls.exposures_zone(experiment).unwrap_or(experiment.timezone);
        for (source, read) in experiment.sources.iter().zip(&mut pulls.sources).filter(|(one, _)| one.people.is_some())
        {
            read.known = read.in_days_of(pulls.acts_zone, days.first(), |pull, day| {
                source.id == pull.source
                    && knows(experiment, Some(pull), today, std::iter::once(day)).all(|known| known)
            });
        }
        pulls
    }

    /// The zone in which those sources cut their days that count exposures by day, where they agree. A window without
    /// rows may not know its zone.
    fn exposures_zone(&self, experiment: &Experiment) -> Option<Tz> {
        let exposures = experiment.policy.primary.denominator;
        let counts = |source: &Source| source.people.is_none() && source.metrics.contains(&exposures);
        let counting = experiment.sources.iter().zip(&self.sources).filter(|(source, _)| counts(source));
        let mut zones = counting.flat_map(|(_, days)| {
            let with_rows = days.latest.iter().zip(&days.said).filter(|(_, said)| said.is_some());
            with_rows.filter_map(|(pull, _)| pull.map(|pull| pull.day_zone))
        });
        let first = zones.next()?;
        zones.all(|zone| zone == first).then_some(first)
    }

    /// Days since the first; `None` before it.
    fn offset(&self, day: NaiveDate) -> Option<usize> {
        usize::try_from((day - self.first).num_days()).ok()
    }

    /// The pull that speaks for a source's day, complete or not.
    pub fn latest(&self, source: usize, day: NaiveDate) -> Option<&'a Pull> {
        *self.sources[source].latest.get(self.offset(day)?)?
    }

    /// The metrics of which every source that may supply them knows a day, counted from the first, and at least one does supply
    /// them. Platforms send no row for a day without delivery, so a known day without a row is zero; any other
    /// is unknown, and so is a metric that the rows of the day leave out: a file may lack its column.
    pub fn metrics(&self, day: usize) -> Known {
        array::from_fn(|metric| {
            let is_whole = |source: &SourceDays<'_>| {
                (!source.may_supply[metric] || source.known[day])
                    && (!source.supplies[metric] || source.said[day].is_none_or(|said| said[metric]))
            };
            self.sources.iter().any(|source| source.supplies[metric]) && self.sources.iter().all(is_whole)
        })
    }
}

impl SourceDays<'_> {
    /// Which days of a zone are known of people who were asked for by days of another: one that begins before the other's
    /// needs the other's day before too, and one that ends after it the day after.
    fn in_days_of(&self, zone: Tz, first: NaiveDate, was_read: impl Fn(&Pull, NaiveDate) -> bool) -> Vec<bool> {
        let known = |offset: i64, pull: &Pull| {
            let inside = usize::try_from(offset).ok().and_then(|offset| self.known.get(offset).copied());
            // Beyond the last day of the test, the pull that read that one may have read on.
            let day = first + TimeDelta::days(offset);
            inside.unwrap_or_else(|| pull.first_day <= day && day <= pull.last_day && was_read(pull, day))
        };
        let of_day = |(offset, pull): (i64, Option<&Pull>)| {
            let Some(pull) = pull else { return false };
            let day = first + TimeDelta::days(offset);
            let [begins, ends] = [day, day + TimeDelta::days(1)].map(|day| first_instant(day, zone));
            let needed = [begins, ends - TimeDelta::seconds(1)].map(|at| at.with_timezone(&pull.day_zone).date_naive());
            pull.day_zone == zone && known(offset, pull)
                || pull.day_zone != zone && needed.iter().all(|&day| known((day - first).num_days(), pull))
        };
        (0..).zip(self.latest.iter().copied()).map(of_day).collect()
    }
}

/// Whether each of `days`, all of which one pull speaks for, is known. A day still running when it was read is not known
/// yet, and one that counts must have been read when it had settled: a file brought too early and never again would leave
/// the figures of its last days as they were, and late acts would be missing from them for ever.
fn knows(
    experiment: &Experiment,
    pull: Option<&Pull>,
    today: NaiveDate,
    days: impl Iterator<Item = NaiveDate>,
) -> impl Iterator<Item = bool> {
    let read_on =
        |pull: &Pull| [pull.day_zone, experiment.timezone].map(|zone| pull.told_at().with_timezone(&zone).date_naive());
    let read_on = pull.map(read_on);
    let lag = Days::new(u64::from(experiment.policy.maturity_lag_days));
    days.map(move |day| {
        let settles_on = day.checked_add_days(lag).unwrap_or(NaiveDate::MAX);
        read_on.is_some_and(|[theirs, ours]| day < theirs && (settles_on > today || settles_on <= ours))
    })
}

/// Whether two rows are one source's of one day.
pub fn is_same_day(one: &Observation, other: &Observation) -> bool {
    one.day == other.day && one.source == other.source
}
