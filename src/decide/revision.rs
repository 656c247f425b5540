//! Which days an earlier verdict saw otherwise: what a reader must know when numbers, restated, no longer carry it.

use chrono::NaiveDate;

use super::figures;
use super::tally::{DayCounts, Tally, units};
use crate::domain::concept::Experiment;
use crate::domain::decision::Setup;
use crate::domain::metric::MetricId;
use crate::domain::observation::Inputs;
use crate::domain::verdict::Scorecard;

/// More changed days than these are named by the first and the last.
const DAYS_NAMED: usize = 4;

/// A day whose counts of all tested arms are not what they were: acts and exposures, before and now.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    /// Which day.
    pub day: NaiveDate,
    /// Acts, before and now.
    pub acts: [f64; 2],
    /// Exposures, before and now.
    pub exposures: [f64; 2],
}

/// The days that counted for `earlier`, decided with `then` on what it saw, and are no longer the same.
pub fn changed(earlier: &Scorecard, then: (&Setup, &Inputs), now: (&Setup, &Inputs), card: &Scorecard) -> Vec<Changed> {
    let before = Tally::of(&then.0.experiment, &then.0.generation, then.1, earlier.as_of);
    let after = Tally::of(&now.0.experiment, &now.0.generation, now.1, card.as_of);
    let Some(days) = before.calendar.days else { return Vec::new() };
    let of = |tally: &Tally<'_>, day: NaiveDate| -> Vec<[f64; 2]> {
        let counts = |days: &Vec<DayCounts>| {
            let counts = days.iter().find(|counts| counts.day == day).filter(|counts| counts.covered);
            counts.map_or([0.0; 2], |counts| [units(counts.conversions), units(counts.exposures)])
        };
        tally.arms.iter().filter(|(arm, _)| !arm.control).map(|(_, days)| counts(days)).collect()
    };
    let sum = |arms: &[[f64; 2]], which: usize| arms.iter().map(|counts| counts[which]).sum::<f64>();
    let settled = days.first().iter_days().take_while(|&day| day <= days.last().min(earlier.last_settled_day));
    settled
        .filter_map(|day| {
            let (was, is) = (of(&before, day), of(&after, day));
            (was != is).then(|| Changed {
                day,
                acts: [sum(&was, 0), sum(&is, 0)],
                exposures: [sum(&was, 1), sum(&is, 1)],
            })
        })
        .collect()
}

/// `Tue 10 Mar and Wed 11 Mar: 18 sign-ups when read on Tue 17 Mar, 2 now`.
pub fn line(experiment: &Experiment, changed: &[Changed], earlier: &Scorecard, now: &Scorecard) -> Option<String> {
    let (first, last) = (changed.first()?, changed.last()?);
    let today = super::explain::today(experiment, now);
    let when = if changed.len() <= DAYS_NAMED {
        figures::list(&changed.iter().map(|one| figures::day(one.day, today)).collect::<Vec<_>>())
    } else {
        let (first, last) = (figures::day(first.day, today), figures::day(last.day, today));
        format!("{} from {first} to {last}", figures::days(u32::try_from(changed.len()).unwrap_or(u32::MAX)))
    };
    let rate = &experiment.policy.primary;
    let seen = earlier.as_of.with_timezone(&experiment.timezone).date_naive();
    let before = if seen < today { format!("when read on {}", figures::day(seen, today)) } else { "before".to_owned() };
    let said = |metric: MetricId, pick: fn(&Changed) -> [f64; 2]| {
        let [then, now] = changed.iter().map(pick).fold([0.0; 2], |sum, pair| [sum[0] + pair[0], sum[1] + pair[1]]);
        let differ = then.total_cmp(&now).is_ne();
        differ.then(|| format!("{} {before}, {} now", figures::counted(then, metric), figures::count(now)))
    };
    let counts: Vec<String> = [said(rate.numerator, |one| one.acts), said(rate.denominator, |one| one.exposures)]
        .into_iter()
        .flatten()
        .collect();
    let counts = if counts.is_empty() { "moved from one version to another".to_owned() } else { counts.join("; ") };
    // Who counts what changed.
    let differs = |metric: MetricId| {
        let pick = |one: &Changed| if metric == rate.numerator { one.acts } else { one.exposures };
        changed.iter().map(pick).any(|[then, now]| then.total_cmp(&now).is_ne())
    };
    let metrics: Vec<MetricId> = [rate.numerator, rate.denominator].into_iter().filter(|&one| differs(one)).collect();
    let counting = experiment.sources.iter().filter(|source| source.metrics.iter().any(|one| metrics.contains(one)));
    let counting: Vec<_> = counting.map(|source| &source.id).collect();
    let whose = if counting.is_empty() { String::new() } else { format!(" ({})", figures::sources(counting)) };
    Some(format!("{when}: {counts}{whose}"))
}
