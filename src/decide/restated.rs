//! Days that changed after they had settled (statistics.md section 6): a flag where one moved by much, and a defect
//! where much of all that was counted did. Late acts inside the lag are neither: a day is held against what it was when it
//! was first read settled.

use std::collections::BTreeSet;

use chrono::{Days, NaiveDate};

use super::tally::{DayCounts, Tally, units};
use super::{defects, explain, figures};
use crate::domain::concept::{Experiment, Source};
use crate::domain::metric::MetricId;
use crate::domain::observation::Inputs;
use crate::domain::verdict::{Flag, Generation, Reason, Scorecard};

/// Share of a day's acts or visitors beyond which its change is much.
const MUCH: f64 = 0.20;

/// Fewest acts or visitors of a day that are more than a straggler.
const AT_LEAST: f64 = 5.0;

/// Share of all settled acts or visitors that may move after they counted. The build bar is half above the kill bar unless
/// set otherwise: a fifth of the acts can carry a rate nearly half of that way.
const SHARE_AT_MOST: f64 = 0.20;

/// Farther ahead nothing is said.
const MOST_DAYS_AHEAD: u32 = 366;

/// Less than any source counts.
const ROUNDING: f64 = 1e-6;

/// What moved after it had counted.
pub struct Restated {
    /// By position of the arm: whether a day of it moved by much.
    pub arms: BTreeSet<usize>,
    /// The defect, where so much moved that nothing can be decided.
    pub defect: Option<Reason>,
}

/// Compares every settled day with what it was when first read settled.
pub fn restated(experiment: &Experiment, generation: &Generation, data: &Inputs, tally: &Tally<'_>) -> Restated {
    let none = Restated { arms: BTreeSet::new(), defect: None };
    let Some(first) = &data.first_settled else { return none };
    let then = Tally::of(experiment, generation, first, tally.as_of);
    let rate = &experiment.policy.primary;
    let mut arms = BTreeSet::new();
    let mut sums = [rate.numerator, rate.denominator].map(Moved::of);
    for (position, ((arm, now), (_, then))) in tally.arms.iter().zip(&then.arms).enumerate() {
        if arm.control {
            continue;
        }
        for (now, then) in tally.settled(now).zip(then).filter(|(now, then)| now.covered && then.covered) {
            for (sum, (now_is, was)) in sums.iter_mut().zip(counts(now).into_iter().zip(counts(then))) {
                let change = (now_is - was).abs();
                sum.changed += change;
                sum.of += now_is.max(was);
                if change > 0.0 {
                    sum.days.insert(now.day);
                }
                if change >= AT_LEAST && change > MUCH * was {
                    arms.insert(position);
                }
            }
        }
    }
    let worst = sums.into_iter().filter(Moved::is_much).max_by(|one, other| one.share().total_cmp(&other.share()));
    Restated { arms, defect: worst.and_then(Moved::defect) }
}

/// How much of one metric moved on which days.
struct Moved {
    metric: MetricId,
    changed: f64,
    of: f64,
    days: BTreeSet<NaiveDate>,
}

impl Moved {
    fn of(metric: MetricId) -> Self {
        Self { metric, changed: 0.0, of: 0.0, days: BTreeSet::new() }
    }

    fn share(&self) -> f64 {
        if self.of > 0.0 { self.changed / self.of } else { 0.0 }
    }

    fn is_much(&self) -> bool {
        self.changed >= AT_LEAST && self.share() > SHARE_AT_MOST
    }

    fn defect(self) -> Option<Reason> {
        Some(Reason::Restated {
            metric: self.metric,
            moved: self.changed,
            of: self.of,
            days: u32::try_from(self.days.len()).unwrap_or(u32::MAX),
            first_day: *self.days.first()?,
            last_day: *self.days.last()?,
        })
    }
}

/// Acts and exposures.
fn counts(day: &DayCounts) -> [f64; 2] {
    [units(day.conversions), units(day.exposures)]
}

/// The defect as a sentence: what moved, and what ends it.
pub fn told(experiment: &Experiment, card: &Scorecard, why: &Reason) -> String {
    let Reason::Restated { metric, moved, of, days, first_day, last_day } = why else { return String::new() };
    let today = explain::today(experiment, card);
    let (first, last) = (figures::day(*first_day, today), figures::day(*last_day, today));
    let when = if days == &1 {
        format!("their day had counted ({first})")
    } else {
        format!("their days had counted ({} from {first} to {last})", figures::days(*days))
    };
    let all = figures::counted(*of, *metric);
    let ways = ways(experiment, card, *metric, (*moved, *of));
    let (what, came_late) = match ways {
        Some([added, taken]) if added > 0.0 && taken > 0.0 => {
            let [added, taken] = [added, taken].map(figures::count);
            (format!("Of {all}, {added} were added and {taken} taken away"), true)
        }
        Some([added, _]) => {
            let way = if added > 0.0 { "added" } else { "taken away" };
            (format!("{} of {all} were {way}", figures::count(*moved)), added > 0.0)
        }
        None => (format!("{} of {all} were added or taken away", figures::count(*moved)), true),
    };
    let counting: Vec<&Source> = experiment.sources.iter().filter(|one| one.metrics.contains(metric)).collect();
    let (source, only) = match counting[..] {
        [one] => (format!("source {}", figures::quoted(&one.id)), Some(one)),
        _ => ("the source".to_owned(), None),
    };
    let late = if came_late {
        format!(
            " If {} often come late, a larger `maturity_lag_days` there helps, but begins a new test.",
            figures::many(*metric)
        )
    } else {
        String::new()
    };
    let anyway = counts_anyway(experiment, card, why).map_or_else(String::new, |day| {
        format!(" If nobody does anything, they count once enough new days are in, about {}.", figures::day(day, today))
    });
    format!(
        "{what} after {when}. Find out what changed in {source}. {}{late}{anyway}",
        defects::accept("the new numbers are right", today, only)
    )
}

/// About when so many new days stand beside what moved that it blocks no more, if they bring what days have brought so far;
/// `None` of another reason, and where the test ends before.
pub fn counts_anyway(experiment: &Experiment, card: &Scorecard, why: &Reason) -> Option<NaiveDate> {
    let Reason::Restated { moved, of, .. } = why else { return None };
    let days = card.arms.iter().map(|arm| arm.evidence.days).max().filter(|&days| days > 0)?;
    let missing = ((moved / SHARE_AT_MOST - of) / (of / f64::from(days))).ceil();
    let count = (1..=MOST_DAYS_AHEAD).find(|&count| f64::from(count) >= missing)?;
    let settled = card.last_settled_day.checked_add_days(Days::new(count.into()))?;
    let until = experiment.stop.is_none_or(|stop| settled <= stop);
    explain::today(experiment, card).checked_add_days(Days::new(count.into())).filter(|_| until)
}

/// How many were added, and how many taken away; nothing where the scorecard does not tell, because it counts without what
/// cannot be. With the larger of both counts summed over the days (`of`), all that is missing today was taken away.
fn ways(experiment: &Experiment, card: &Scorecard, metric: MetricId, (moved, of): (f64, f64)) -> Option<[f64; 2]> {
    let cannot_be = |flag: &Flag| matches!(flag, Flag::ConversionsExceedVisits | Flag::ConversionsWithoutExposure);
    if card.arms.iter().flat_map(|arm| &arm.evidence.flags).any(cannot_be) {
        return None;
    }
    let is_act = metric == experiment.policy.primary.numerator;
    let now: f64 = card.arms.iter().map(|arm| if is_act { arm.evidence.successes } else { arm.evidence.trials }).sum();
    let taken = of - now;
    let ways = [moved - taken, taken].map(|way| if way.abs() < ROUNDING { 0.0 } else { way });
    ways.iter().all(|&way| way >= 0.0).then_some(ways)
}
