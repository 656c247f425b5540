//! Health gates on traffic, arm by arm: visits that do not fit the clicks, a count that stopped dead, a day with far
//! more than the others explain. Only days that count are looked at, and none the operator has spoken of. The bounds
//! are `stats::traffic`'s; what each finding means for the reader is said by `defects`.

use chrono::NaiveDate;

use super::tally::{DayCounts, Tally, units};
use crate::domain::concept::{Arm, Experiment, Model};
use crate::domain::id::ArmId;
use crate::domain::metric::{MetricId, Unit};
use crate::domain::verdict::Reason;
use crate::stats::traffic::{Others, stopped, too_few, too_many};

/// Visits per click within which nothing is said, and beyond which nothing is decided (product.md section 3).
pub const WARN_BELOW: f64 = 0.80;
const BLOCK_BELOW: f64 = 0.60;
const BLOCK_ABOVE: f64 = 1.10;

/// Clicks from which a visit rate outside the first is told. At a true rate of 0.85 it is told wrongly in 3 of 100.
const CLICKS_TO_WARN: f64 = 200.0;

/// Evidence, in natural logarithms, that chance alone does not push a sound page (80 to 100 visits for 100 clicks)
/// beyond the second: one in a million for each stretch of days. A test of 60 days has 1,830 stretches, so that
/// over all its looks it is blocked wrongly less than twice in a thousand. 50 % needs 73 clicks, 30 % 24, 120 % 735.
const SURE: f64 = 13.816;

/// Visits missing or too many on a bad stretch, as a share of all the arm's clicks, up to which it does not block: they
/// move a rate by about as much, as with unmapped spend.
const SHARE_TO_BLOCK: f64 = 0.10;

/// More than rounding may take from a sum of days.
const ROUNDING: f64 = 1e-6;

/// A count is broken when it stays at zero while at least so many came through the step before, and at least so many
/// of it were to be expected.
const PASSED_AT_LEAST: f64 = 30.0;
const EXPECTED_AT_LEAST: f64 = 10.0;

/// An act is rarer than a visit, and a concept with few acts must be able to die: it is broken only after so many acts,
/// over so many days, when chance would put all of them before the silence less often than once in a million, and
/// when no earlier silence was over half as long, counted in what passed: some report in batches.
const ACTS_BEFORE: f64 = 10.0;
const STOPPED_SURE: f64 = 13.816;
const SILENT_DAYS: usize = 2;
const TIMES_ANY_SILENCE: f64 = 2.0;

/// A day is a burst when it has at least so many, more than twice as many as any day it is compared with, and chance
/// brings as many less than once in a million where days differ by this coefficient of variation. Ordinary days
/// differ by 0.35; the rest allows for weekdays and heavier tails. Measured: see the tests.
const BURST_AT_LEAST: f64 = 20.0;
const BURST_TIMES_ANY_OTHER: f64 = 2.0;
const BURST_CHANCE: f64 = 1e-6;
const BURST_CV: f64 = 0.5;

/// Days from which there are others to compare with; one in so many may be a burst. More than that is another level.
const BURST_DAYS: usize = 8;
const BURST_ONE_IN: usize = 5;

/// Two counts of one day, each in its units.
struct Pair {
    day: NaiveDate,
    from: f64,
    to: f64,
}

/// Every defect of the traffic, arm by arm.
pub fn defects(experiment: &Experiment, tally: &Tally<'_>) -> Vec<Reason> {
    let judged = |arm: &Arm| !arm.control || experiment.policy.model == Model::Compare;
    let mut found = Vec::new();
    for (arm, days) in tally.arms.iter().filter(|(arm, _)| judged(arm)) {
        let days = counted(experiment, tally, days);
        let rate = &experiment.policy.primary;
        let deciding = pairs(&days, rate.denominator, rate.numerator);
        found.extend(gap(experiment, arm, &days));
        found.extend(broken(experiment, arm, &days, &deciding));
        found.extend(bursts(experiment, arm, &days, deciding));
    }
    found
}

/// Whether an arm's visit rate is worth a warning.
pub fn is_doubtful(experiment: &Experiment, tally: &Tally<'_>, arm: &Arm, days: &[DayCounts]) -> bool {
    let [clicks, visits] = visits_of_clicks(experiment, tally, arm, days).unwrap_or_default();
    clicks >= CLICKS_TO_WARN && !(WARN_BELOW..=BLOCK_ABOVE).contains(&(visits / clicks))
}

/// Clicks and visits of an arm that has both.
pub fn visit_rate(experiment: &Experiment, tally: &Tally<'_>, id: &ArmId) -> Option<[f64; 2]> {
    let (arm, days) = tally.arms.iter().find(|(arm, _)| &arm.id == id)?;
    visits_of_clicks(experiment, tally, arm, days).filter(|&[clicks, _]| clicks > 0.0)
}

fn visits_of_clicks(experiment: &Experiment, tally: &Tally<'_>, arm: &Arm, days: &[DayCounts]) -> Option<[f64; 2]> {
    visits_follow_clicks(experiment, arm).then(|| {
        let days = pairs(&counted(experiment, tally, days), MetricId::CLICKS, MetricId::VISITS);
        days.iter().fold([0.0, 0.0], |[clicks, visits], day| [clicks + day.from, visits + day.to])
    })
}

/// Whether an arm's visits are those of its clicks: its page counts them, or each of its platforms counts both.
fn visits_follow_clicks(experiment: &Experiment, arm: &Arm) -> bool {
    let counts = |metric: MetricId| {
        experiment.sources.iter().filter(move |one| arm.keys.contains_key(&one.id) && one.metrics.contains(&metric))
    };
    let page = counts(MetricId::VISITS).any(|source| !source.metrics.contains(&MetricId::CLICKS));
    counts(MetricId::CLICKS).next().is_some()
        && (page || counts(MetricId::CLICKS).all(|source| source.metrics.contains(&MetricId::VISITS)))
}

/// Settled days of which the operator has said nothing.
fn counted<'a>(experiment: &Experiment, tally: &Tally<'_>, days: &'a [DayCounts]) -> Vec<&'a DayCounts> {
    let last = tally.calendar.last_settled;
    days.iter().filter(|day| day.day <= last && experiment.word_on(day.day).is_none()).collect()
}

/// Those on which both are known.
fn pairs(days: &[&DayCounts], from: MetricId, to: MetricId) -> Vec<Pair> {
    let pair = |day: &&DayCounts| {
        let (from, to) = (day.count(from)?, day.count(to)?);
        Some(Pair { day: day.day, from: units(from), to: units(to) })
    };
    days.iter().filter_map(pair).collect()
}

/// The stretch of days whose visits fit their clicks least, where that is no chance.
fn gap(experiment: &Experiment, arm: &Arm, days: &[&DayCounts]) -> Option<Reason> {
    let days = visits_follow_clicks(experiment, arm).then(|| pairs(days, MetricId::CLICKS, MetricId::VISITS))?;
    let ([first_day, last_day], [clicks, visits]) = worst_stretch(&days)?;
    Some(Reason::TrackingGap { arm: arm.id.clone(), first_day, last_day, clicks, visits })
}

/// Its first and last day, with its clicks and visits.
fn worst_stretch(days: &[Pair]) -> Option<([NaiveDate; 2], [f64; 2])> {
    let all = days.iter().map(|day| day.from).sum::<f64>();
    let enough = SHARE_TO_BLOCK * all;
    // No stretch has more wrong with it than all days together, each alone: of a sound page one pass is enough.
    let wrong = |day: &Pair| [WARN_BELOW * day.from - day.to, day.to - day.from].map(|wrong| wrong.max(0.0));
    let [missing, surplus] = days.iter().map(wrong).fold([0.0; 2], |sum, day| [sum[0] + day[0], sum[1] + day[1]]);
    if f64::max(missing, surplus) < (1.0 - ROUNDING) * enough {
        return None;
    }
    let (mut most, mut found) = (SURE, None);
    for (start, first) in days.iter().enumerate() {
        let (mut clicks, mut visits) = (0.0, 0.0);
        for last in &days[start..] {
            (clicks, visits) = (clicks + last.from, visits + last.to);
            let outside = visits < BLOCK_BELOW * clicks || visits > BLOCK_ABOVE * clicks;
            let wrong = if visits < clicks { WARN_BELOW * clicks - visits } else { visits - clicks };
            if !outside || wrong <= enough {
                continue;
            }
            let evidence = if visits < clicks { too_few(visits, clicks, WARN_BELOW) } else { too_many(visits, clicks) };
            if evidence >= most {
                (most, found) = (evidence, Some(([first.day, last.day], [clicks, visits])));
            }
        }
    }
    found
}

/// Counts that stayed at zero while the step before them went on. `deciding` are those of the deciding rate.
fn broken(experiment: &Experiment, arm: &Arm, days: &[&DayCounts], deciding: &[Pair]) -> Vec<Reason> {
    let rate = &experiment.policy.primary;
    let mut steps = Vec::new();
    if (rate.denominator, rate.numerator) != (MetricId::VISITS, MetricId::FORM_OPENS) {
        steps.push((MetricId::VISITS, MetricId::FORM_OPENS));
    }
    if visits_follow_clicks(experiment, arm) {
        steps.push((MetricId::CLICKS, MetricId::VISITS));
    }
    let mut found = silences(deciding, rate.denominator, rate.numerator);
    found.extend(steps.into_iter().flat_map(|(from, to)| silences(&pairs(days, from, to), from, to)));
    let broken = |Silence { from, passed, to, expected, days: [first_day, last_day], lasts }| Reason::TrackingBroken {
        arm: arm.id.clone(),
        from,
        passed,
        to,
        expected,
        first_day,
        last_day,
        lasts,
    };
    found.into_iter().map(broken).collect()
}

/// Days of zero that are no chance.
struct Silence {
    from: MetricId,
    passed: f64,
    to: MetricId,
    expected: f64,
    days: [NaiveDate; 2],
    lasts: bool,
}

fn silences(days: &[Pair], from: MetricId, to: MetricId) -> Vec<Silence> {
    let (mut before, mut longest, mut found) = ([0.0, 0.0], 0.0_f64, Vec::new());
    let mut left = days.len();
    for run in days.chunk_by(|day, next| (day.to > 0.0) == (next.to > 0.0)) {
        left -= run.len();
        let [passed, came] = run.iter().fold([0.0, 0.0], |sum, day| [sum[0] + day.from, sum[1] + day.to]);
        let earlier = (before[0] > 0.0 && before[1] > 0.0).then(|| before[1] / before[0]);
        // Before the first visit nothing is known of the page but that it should count most clicks.
        let earlier = earlier.or((to == MetricId::VISITS).then_some(BLOCK_BELOW));
        let expected = earlier.map_or(0.0, |rate| rate * passed);
        let is_plenty = from.metric().unit == Unit::Money || passed >= PASSED_AT_LEAST;
        let stopped_dead = run.len() >= SILENT_DAYS
            && before[1] >= ACTS_BEFORE
            && passed > TIMES_ANY_SILENCE * longest
            && stopped(before[1], before[0], passed) >= STOPPED_SURE;
        if let ([first, ..], [.., last]) = (run, run)
            && came <= 0.0
            && is_plenty
            && expected >= EXPECTED_AT_LEAST
            && (to == MetricId::VISITS || stopped_dead)
        {
            found.push(Silence { from, passed, to, expected, days: [first.day, last.day], lasts: left == 0 });
        }
        if came <= 0.0 {
            longest = longest.max(passed);
        }
        before = [before[0] + passed, before[1] + came];
    }
    found
}

/// Days with far more clicks than their impressions explain, visits than their clicks, or acts than their visits. `deciding`
/// are those of the deciding rate.
fn bursts(experiment: &Experiment, arm: &Arm, days: &[&DayCounts], deciding: Vec<Pair>) -> Vec<Reason> {
    let numerator = experiment.policy.primary.numerator;
    let steps = [
        (MetricId::CLICKS, [MetricId::IMPRESSIONS, MetricId::SPEND]),
        (MetricId::VISITS, [MetricId::CLICKS, MetricId::SPEND]),
    ];
    let by_bases = |(metric, bases): (MetricId, [MetricId; 2])| {
        let of = |basis: MetricId| pairs(days, basis, metric);
        Some((metric, bases.into_iter().map(of).find(|days| days.len() >= BURST_DAYS)?))
    };
    let steps = steps.into_iter().filter(|(metric, _)| *metric != numerator).filter_map(by_bases);
    let burst = |(metric, days): (MetricId, Vec<Pair>)| {
        let (found, expected) = far_above(&days);
        (!found.is_empty()).then(|| Reason::BotBurst {
            arm: arm.id.clone(),
            metric,
            count: found.iter().map(|day| day.to).sum(),
            expected,
            days: found.iter().map(|day| day.day).collect(),
        })
    };
    steps.chain([(numerator, deciding)]).filter_map(burst).collect()
}

/// The days that those with a lower rate do not explain, in order, and what they lead one to expect on them.
fn far_above(days: &[Pair]) -> (Vec<&Pair>, f64) {
    let mut by_rate: Vec<&Pair> = days.iter().filter(|day| day.from > 0.0).collect();
    if by_rate.len() < BURST_DAYS {
        return (Vec::new(), 0.0);
    }
    let ordinary = by_rate.len() - by_rate.len() / BURST_ONE_IN;
    // So many days are ordinary, whichever they are, so the busiest of them is at least the last of as many quiet ones.
    let mut counts: Vec<f64> = by_rate.iter().map(|day| day.to).collect();
    let (_, quiet, busy) = counts.select_nth_unstable_by(ordinary - 1, f64::total_cmp);
    let busiest = busy.iter().copied().fold(*quiet, f64::max);
    if busiest < BURST_AT_LEAST || busiest <= BURST_TIMES_ANY_OTHER * *quiet {
        return (Vec::new(), 0.0);
    }
    by_rate.sort_by(|a, b| (a.to / a.from).total_cmp(&(b.to / b.from)).then(a.day.cmp(&b.day)));
    let (mut found, mut expected) = (Vec::new(), 0.0);
    let (mut others, mut most) = (Others { days: 0.0, count: 0.0, basis: 0.0 }, 0.0_f64);
    for (position, day) in by_rate.into_iter().enumerate() {
        let is_many = day.to >= BURST_AT_LEAST && day.to > BURST_TIMES_ANY_OTHER * most;
        if position >= ordinary && is_many && others.chance(day.to, day.from, BURST_CV) < BURST_CHANCE {
            expected += others.expected(day.from);
            found.push(day);
            continue;
        }
        others = Others { days: others.days + 1.0, count: others.count + day.to, basis: others.basis + day.from };
        most = most.max(day.to);
    }
    found.sort_by_key(|day| day.day);
    (found, expected)
}

#[cfg(test)]
mod tests {
    use chrono::Days;
    use rand_distr::{Binomial, Distribution, Gamma, LogNormal, Poisson};

    use super::*;
    use crate::stats::simulate::generator;

    /// Campaigns that begin small, each day with its own visits and sign-ups at a rate that varies by 0.35.
    fn campaign(rng: &mut (impl rand::Rng + ?Sized), rate: f64, log_normal: bool) -> Vec<Pair> {
        let cv: f64 = 0.35;
        let (spread, shape) = ((1.0 + cv * cv).ln(), cv.powi(-2));
        let gamma = Gamma::new(shape, 1.0 / shape).unwrap();
        let log = LogNormal::new(-spread / 2.0, spread.sqrt()).unwrap();
        let first: NaiveDate = "2026-03-02".parse().unwrap();
        (0..60_u64)
            .map(|number| {
                let planned = if number < 4 { 12.0 } else { 250.0 };
                let from = Poisson::new(planned * gamma.sample(rng)).unwrap().sample(rng);
                let factor = if log_normal { log.sample(rng) } else { gamma.sample(rng) };
                let to = Poisson::new((from * rate * factor).max(1e-9)).unwrap().sample(rng);
                Pair { day: first + Days::new(number), from, to }
            })
            .collect()
    }

    /// How many of `runs` campaigns raise an alarm on any day one looks.
    fn alarms(runs: u64, cell: u64, rate: f64, log_normal: bool, alarm: impl Fn(&[Pair]) -> bool) -> u64 {
        let alarmed = |run: &u64| {
            let days = campaign(&mut generator(20_261_123, cell, *run), rate, log_normal);
            (1..=days.len()).any(|look| alarm(&days[..look]))
        };
        (0..runs).filter(alarmed).count().try_into().unwrap()
    }

    #[test]
    fn d8_ordinary_days_and_a_launch_are_no_burst() {
        let mut all = 0;
        for (cell, rate) in [0.005, 0.03, 0.08, 0.3].into_iter().enumerate() {
            for log_normal in [false, true] {
                all += alarms(500, cell as u64, rate, log_normal, |days| !far_above(days).0.is_empty());
            }
        }
        // 4,000 campaigns of 60 looks.
        assert!(all <= 4, "{all} of 4,000");
    }

    #[test]
    fn d7_ordinary_days_never_stop_dead() {
        let mut all = 0;
        for (cell, rate) in [0.002, 0.005, 0.015, 0.03].into_iter().enumerate() {
            let broken = |days: &[Pair]| !silences(days, MetricId::VISITS, MetricId::SIGNUPS).is_empty();
            all += alarms(500, 10 + cell as u64, rate, true, broken);
        }
        assert!(all <= 2, "{all} of 2,000");
    }

    #[test]
    fn chance_alone_is_no_gap() {
        let mut all = 0;
        for run in 0..300 {
            let rng = &mut generator(20_261_123, 20, run);
            let first: NaiveDate = "2026-03-02".parse().unwrap();
            let mut days = vec![];
            for number in 0..60 {
                let clicks = 1 + run % 30;
                let to = Binomial::new(clicks, WARN_BELOW).unwrap().sample(rng);
                #[expect(clippy::cast_precision_loss, reason = "small")]
                days.push(Pair { day: first + Days::new(number), from: clicks as f64, to: to as f64 });
            }
            all += u32::from((1..=days.len()).any(|look| worst_stretch(&days[..look]).is_some()));
        }
        assert_eq!(all, 0, "of 300, at the edge of what is sound");
    }
}
