//! A test as it went: what all settled days up to each day said of every version, and what each channel alone says now. Every range is
//! the verdict's own, from the rule that decides; nothing is worked out a second way. For pictures and tables; no verdict is made of it.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use serde::Serialize;

use super::tally::{DayCounts, Tally, units};
use super::{flips, series, watch, watch_daily};
use crate::domain::concept::{Arm, Experiment, Model};
use crate::domain::id::{ArmId, SourceId};
use crate::domain::metric::MetricId;
use crate::domain::observation::Inputs;
use crate::domain::verdict::{Evidence, Generation, Scorecard, Verdict};

/// One version's test, day by day.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Course {
    /// Which version.
    pub arm: ArmId,
    /// Every day from the first to today, or to the stop.
    pub days: Vec<CourseDay>,
    /// What else was counted on settled days, by metric, in its units; of what no source counts there is nothing.
    pub totals: BTreeMap<&'static str, f64>,
}

impl Course {
    /// How much of a metric was counted on settled days.
    pub fn total(&self, metric: MetricId) -> Option<f64> {
        self.totals.get(metric.metric().name).copied()
    }
}

/// One day of it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CourseDay {
    /// Which.
    pub day: NaiveDate,
    /// Whether it is old enough to count.
    pub settled: bool,
    /// Acts on it; `None` where not every source was read, or the day is set aside.
    pub acts: Option<f64>,
    /// Exposures on it; under `cpa` its spend.
    pub exposures: Option<f64>,
    /// What all settled days up to it said; `None` of days that do not count yet, and while the data cannot be trusted.
    pub evidence: Option<Evidence>,
}

/// What one channel says of a version.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cell {
    /// Which version.
    pub arm: ArmId,
    /// The channel, or the source that names none.
    pub channel: String,
    /// What its days alone say. It explains, and carries no promise of its own.
    pub evidence: Evidence,
}

/// Every version's course up to `card`, which was decided on `data`.
pub fn courses(experiment: &Experiment, generation: &Generation, data: &Inputs, card: &Scorecard) -> Vec<Course> {
    let tally = Tally::of(experiment, generation, data, card.as_of);
    let tested = || tally.arms.iter().filter(|(arm, _)| !arm.control);
    let course = |(arm, counts): &(&Arm, Vec<DayCounts>)| {
        let days = series(&experiment.policy, &tally, counts);
        let lag = Days::new(experiment.policy.maturity_lag_days.into());
        let mut said: BTreeMap<NaiveDate, Evidence> = BTreeMap::new();
        watch_daily(experiment, &tally, (arm, &days), tested().count(), None, |as_of, watch| {
            let settled = as_of.checked_sub_days(lag).filter(|day| *day <= tally.calendar.last_settled);
            if let Some(day) = settled.filter(|_| card.verdict != Verdict::Blocked) {
                said.insert(day, watch.look(as_of).evidence);
            }
        });
        let day = |counts: &DayCounts| CourseDay {
            day: counts.day,
            settled: counts.day <= tally.calendar.last_settled,
            acts: counts.covered.then(|| units(counts.conversions)),
            exposures: counts.covered.then(|| units(counts.exposures)),
            evidence: said.remove(&counts.day),
        };
        let total = |metric: MetricId| {
            let known: Vec<i128> = tally.settled(counts).filter_map(|day| day.count(metric)).collect();
            (!known.is_empty()).then(|| (metric.metric().name, units(known.iter().sum())))
        };
        let totals = MetricId::all().filter_map(total).collect();
        Course { arm: arm.id.clone(), days: counts.iter().map(day).collect(), totals }
    };
    tested().map(course).collect()
}

/// What each channel alone says of every version, where there are several that bring both halves of the deciding rate. None while the
/// data cannot be trusted, or where versions are compared with another, which has channels too.
pub fn cells(experiment: &Experiment, generation: &Generation, data: &Inputs, card: &Scorecard) -> Vec<Cell> {
    let channels = flips::channels(experiment);
    if channels.len() < 2 || card.verdict == Verdict::Blocked || experiment.policy.model == Model::Compare {
        return Vec::new();
    }
    let mut cells = Vec::new();
    for (channel, sources) in channels {
        let of_it = |id: &SourceId| sources.iter().any(|source| &source.id == id);
        let mut part = experiment.clone();
        part.sources.retain(|source| of_it(&source.id));
        let mut less = data.clone();
        less.observations.retain(|row| of_it(&row.source));
        less.responses.retain(|act| of_it(&act.source));
        let tally = Tally::of(&part, generation, &less, card.as_of);
        let tested = tally.arms.iter().filter(|(arm, _)| !arm.control);
        let arms = tested.clone().count();
        for (arm, counts) in tested {
            let days = series(&part.policy, &tally, counts);
            let evidence = watch(&part, &tally, (arm, &days), arms, None).look(tally.calendar.today).evidence;
            cells.push(Cell { arm: arm.id.clone(), channel: channel.to_owned(), evidence });
        }
    }
    cells.sort_by(|one, other| (&one.arm, &one.channel).cmp(&(&other.arm, &other.channel)));
    cells
}
