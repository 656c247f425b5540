//! Health gates: defects in the data while which there is no verdict. What each means for the reader
//! is said by `explain`.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use chrono::{DateTime, Days, NaiveDate, Offset, TimeZone, Utc};
use chrono_tz::Tz;

use super::figures;
use super::judge;
use super::keys::NO_KEY;
use super::tally::{Calendar, DayCounts, Tally, Unclaimed, units};
use crate::domain::concept::{Arm, Experiment, Model, Source};
use crate::domain::id::{ArmId, SourceId};
use crate::domain::metric::MetricId;
use crate::domain::millionths;
use crate::domain::observation::{Inputs, Observation, Shrink, first_instant};
use crate::domain::verdict::Reason;

/// Share of settled spend on keys no arm claims above which nothing is decided. Below a tenth, what is
/// missing moves a rate or a cost by at most a ninth of itself: small beside the step between the bars,
/// half the kill bar unless set otherwise. Above it, a forgotten campaign could carry a verdict.
const UNMAPPED_SHARE_AT_MOST: f64 = 0.10;

/// Settled days a source may bring nothing before its silence is a defect.
const SILENT_SETTLED_DAYS: u64 = 2;

/// Share of deciding acts that may be others' too above which nothing is decided; as of spend.
pub const NAMELESS_SHARE_AT_MOST: f64 = 0.10;

/// Unclaimed or nameless acts that are more than a test answer or two.
const UNMAPPED_ACTS_AT_LEAST: f64 = 3.0;

/// Share of the days with counts on which they contradict each other above which nothing is decided, and how many such
/// days there must be: clicks come in a day after their impressions now and then.
const IMPOSSIBLE_SHARE_AT_MOST: f64 = 0.05;
const IMPOSSIBLE_DAYS_AT_LEAST: usize = 3;

/// How many of them are named.
const IMPOSSIBLE_NAMED: usize = 3;

/// How many unclaimed keys are named.
const KEYS_NAMED: usize = 5;

/// Every defect of the data, each with what a reader needs to mend it; empty for sound data.
pub fn defects(experiment: &Experiment, data: &Inputs, tally: &Tally<'_>, unmapped: Option<&Reason>) -> Vec<Reason> {
    let mut found: Vec<Reason> = no_data(experiment, data, &tally.calendar).into_iter().collect();
    let stale = stale(experiment, data, &tally.calendar, tally.as_of);
    found.extend(
        stale.into_iter().filter(|why| !matches!(why, Reason::Stale { source, .. } if awaits_files(data, source))),
    );
    found.extend(unmapped.filter(|reason| blocks(reason)).cloned());
    found.extend(unmapped_acts(tally));
    found.extend(nameless_acts(tally));
    found.extend(mixed_currencies(tally));
    found.extend(mixed_zones(tally));
    found.extend(day_zones(experiment, tally));
    found.extend(fewer_rows(experiment, data, tally));
    found.extend(uneven_split(experiment, tally));
    found.extend(impossible_counts(experiment, tally));
    found
}

/// Visitors who were not split between the arms as the policy says: who saw which version was not chance alone, so
/// nothing that differs between them can be laid to the versions (statistics.md section 10).
fn uneven_split(experiment: &Experiment, tally: &Tally<'_>) -> Option<Reason> {
    let split = experiment.policy.srm.as_ref()?;
    let days_of = |name: &ArmId| tally.arms.iter().find(|(arm, _)| &arm.id == name).map(|(_, days)| days.as_slice());
    let series: Vec<&[DayCounts]> = split.expected.keys().map(|arm| days_of(arm).unwrap_or_default()).collect();
    let visits = |position: usize| -> Vec<f64> {
        series.iter().map(|days| days.get(position).map_or(0.0, |day| units(day.exposures))).collect()
    };
    // Every arm has the same days.
    let settled = tally.settled(series.first()?).map(|day| day.day).enumerate();
    let by_day: Vec<_> = settled.map(|(position, day)| (day, visits(position))).collect();
    let since = judge::uneven_since(split, by_day.iter().map(|(day, visits)| (*day, visits.as_slice())))?;
    let of_arm = |(position, (arm, share)): (usize, (&ArmId, &f64))| {
        (arm.clone(), by_day.iter().map(|(_, visits)| visits[position]).sum(), *share)
    };
    Some(Reason::UnevenSplit { since, arms: split.expected.iter().enumerate().map(of_arm).collect() })
}

/// The sources the deciding rate reads.
pub fn primary_sources(experiment: &Experiment) -> impl Iterator<Item = &Source> {
    let rate = &experiment.policy.primary;
    experiment
        .sources
        .iter()
        .filter(|source| source.metrics.contains(&rate.numerator) || source.metrics.contains(&rate.denominator))
}

/// Sources of the deciding rate that have brought no row at all, or that leave a count of it to each other,
/// once days have settled in which they should have. Any row will do, on an arm or not: it proves that we look
/// in the right place.
fn no_data(experiment: &Experiment, data: &Inputs, calendar: &Calendar) -> Option<Reason> {
    let patience = Days::new(u64::from(experiment.policy.maturity_lag_days) + SILENT_SETTLED_DAYS);
    if calendar.first.checked_add_days(patience).is_none_or(|expected| calendar.today < expected) {
        return None;
    }
    let zone = experiment.timezone;
    let brought = |source: &Source, is_enough: &dyn Fn(&Observation) -> bool| {
        data.observations.iter().any(|one| one.source == source.id && one.day >= calendar.first && is_enough(one))
    };
    let gave_people = |source: &Source| {
        data.responses
            .iter()
            .any(|one| one.source == source.id && one.at.with_timezone(&zone).date_naive() >= calendar.first)
    };
    let rate = &experiment.policy.primary;
    let missing: Vec<MetricId> = [rate.numerator, rate.denominator]
        .into_iter()
        .filter(|&metric| {
            let says = |one: &Observation| one.values.get(metric).is_some();
            !primary_sources(experiment)
                .filter(|source| source.metrics.contains(&metric))
                .any(|source| brought(source, &says) || metric.is_of_people() && gave_people(source))
        })
        .collect();
    let sources: Vec<_> = primary_sources(experiment)
        .filter(|source| {
            let silent = !brought(source, &|_| true) && !gave_people(source);
            silent || missing.iter().any(|metric| source.metrics.contains(metric))
        })
        .map(|source| source.id.clone())
        .collect();
    (!sources.is_empty()).then_some(Reason::NoData { sources })
}

/// Scheduled sources of the deciding rate that two slots of the schedule have passed by since their
/// last good pull, or since the test began if that is later. Once the last day of a stopped test was read after it
/// settled, nothing more is expected.
pub fn stale(experiment: &Experiment, data: &Inputs, calendar: &Calendar, as_of: DateTime<Utc>) -> Vec<Reason> {
    let zone = experiment.timezone;
    let lag = Days::new(u64::from(experiment.policy.maturity_lag_days));
    let complete = experiment.stop.and_then(|stop| stop.checked_add_days(lag));
    let began = first_instant(calendar.first, zone);
    primary_sources(experiment)
        .filter(|source| source.scheduled)
        .filter_map(|source| {
            let readings = data.pulls.iter().filter(|pull| pull.source == source.id && pull.is_reading());
            let last_pull = readings.map(|pull| pull.committed_at).max();
            if last_pull.zip(complete).is_some_and(|(at, day)| at.with_timezone(&zone).date_naive() >= day) {
                return None;
            }
            let since = last_pull.map_or(began, |at| at.max(began));
            let second = experiment.schedule.next_after(experiment.schedule.next_after(since, zone)?, zone)?;
            (second <= as_of).then(|| Reason::Stale { source: source.id.clone(), last_pull })
        })
        .collect()
}

/// Whoever drops exports into a folder does so when they have them. Days that nobody exported yet are unread, which is no
/// defect; that files are there and cannot be read is one, of a run that failed.
fn awaits_files(data: &Inputs, source: &SourceId) -> bool {
    let readings = data.pulls.iter().filter(|pull| pull.source == *source && pull.is_reading());
    readings.max_by_key(|pull| pull.id).is_some_and(|last| last.facts.file.is_some())
}

/// Settled spend on keys no arm claims, largest first, whether or not it is enough to block.
pub fn unmapped_spend(tally: &Tally<'_>) -> Option<Reason> {
    let unclaimed: i128 = tally.unclaimed_spend.values().sum();
    let claimed: i128 = tally.arms.iter().flat_map(|(_, days)| tally.settled(days)).map(|day| day.spend).sum();
    (unclaimed > 0).then(|| Reason::UnmappedSpend {
        amount: tally.money(unclaimed),
        share: units(unclaimed) / units(unclaimed + claimed.max(0)),
        keys: largest(&tally.unclaimed_spend),
    })
}

/// Acts came in, and not one on an arm: a form that does not pass on which arm brought a person looks
/// just like a concept that nobody wants.
fn unmapped_acts(tally: &Tally<'_>) -> Option<Reason> {
    let acts = units(tally.unclaimed_acts.values().sum());
    let claimed = tally.arms.iter().flat_map(|(_, days)| tally.settled(days)).any(|day| day.conversions > 0);
    (acts >= UNMAPPED_ACTS_AT_LEAST && !claimed)
        .then(|| Reason::UnmappedActs { acts, keys: largest(&tally.unclaimed_acts) })
}

/// So many deciding acts may be others' too that it matters whether they are.
fn nameless_acts(tally: &Tally<'_>) -> Option<Reason> {
    let acts: i128 = tally.nameless.values().sum();
    let counted: i128 = tally.arms.iter().flat_map(|(_, days)| tally.settled(days)).map(|day| day.conversions).sum();
    let share = units(acts) / units(acts + counted.max(0)).max(1.0);
    (units(acts) >= UNMAPPED_ACTS_AT_LEAST && share > NAMELESS_SHARE_AT_MOST).then(|| Reason::NamelessActs {
        acts: units(acts),
        counted: units(counted),
        sources: tally.nameless.keys().cloned().collect(),
    })
}

/// The keys with most, as `source: key`.
fn largest(unclaimed: &Unclaimed<'_>) -> Vec<String> {
    let mut largest: Vec<_> = unclaimed.iter().filter(|(_, sum)| **sum > 0).collect();
    largest.sort_by_key(|(_, sum)| Reverse(**sum));
    let named = |source: &SourceId, key: &str| format!("{source}: {}", if key.is_empty() { NO_KEY } else { key });
    largest.into_iter().take(KEYS_NAMED).map(|((source, key), _)| named(source, key)).collect()
}

fn blocks(unmapped: &Reason) -> bool {
    matches!(unmapped, Reason::UnmappedSpend { share, .. } if *share > UNMAPPED_SHARE_AT_MOST)
}

/// Money in more than one currency, the budget cap's among them. A currency a source does not name
/// may be any, so beside another it counts as a different one.
fn mixed_currencies(tally: &Tally<'_>) -> Option<Reason> {
    let seen: &BTreeSet<_> = &tally.currencies;
    (seen.len() > 1).then(|| Reason::MixedCurrencies {
        currencies: seen
            .iter()
            .map(|currency| currency.map_or_else(|| "a currency not named".to_owned(), |named| named.code()))
            .collect(),
    })
}

/// An account whose zone was changed: what it calls the same day is other hours before and after.
fn mixed_zones<'t>(tally: &'t Tally<'_>) -> impl Iterator<Item = Reason> + 't {
    tally.zones.iter().filter(|(_, zones)| zones.len() > 1).map(|(source, zones)| Reason::MixedZones {
        source: (*source).clone(),
        zones: zones.iter().map(|&zone| zone.to_owned()).collect(),
    })
}

/// Acts and exposures that were both added up by days already, of zones with other hours: no day of the one is a day of
/// the other. Acts of people have instants, and are cut where the exposures are: see `tally`.
fn day_zones(experiment: &Experiment, tally: &Tally<'_>) -> Option<Reason> {
    let noon = tally.calendar.last_settled.and_hms_opt(12, 0, 0)?;
    let rate = &experiment.policy.primary;
    // A platform holds its own acts against its own exposures.
    let counting = |metric: MetricId, alone: bool| {
        let counts = move |one: &&Source| {
            let both = one.metrics.contains(&rate.numerator) && one.metrics.contains(&rate.denominator);
            one.people.is_none() && one.metrics.contains(&metric) && !(alone && both)
        };
        let sources = experiment.sources.iter().filter(counts);
        sources.flat_map(|source| tally.zones.get(&source.id).into_iter().flatten().map(|&zone| (&source.id, zone)))
    };
    let hours = |zone: &str| zone.parse::<Tz>().ok().map(|zone| zone.offset_from_utc_datetime(&noon).fix());
    let exposures = || counting(rate.denominator, false);
    let pairs = counting(rate.numerator, true).flat_map(|acts| exposures().map(move |other| (acts, other)));
    let mut differing = pairs.filter(|((_, one), (_, other))| hours(one) != hours(other));
    differing.next().map(|((acts, acts_zone), (exposures, exposures_zone))| Reason::DayZones {
        acts: acts.clone(),
        acts_zone: acts_zone.to_owned(),
        exposures: exposures.clone(),
        exposures_zone: exposures_zone.to_owned(),
    })
}

/// Sources that now show much less of the test's settled days than before, unless the user knows. A day that is still
/// to come accepts nothing: nobody has seen what it would accept.
fn fewer_rows(experiment: &Experiment, data: &Inputs, tally: &Tally<'_>) -> Vec<Reason> {
    let calendar = &tally.calendar;
    let day_of = |shrink: &Shrink| shrink.seen_at.with_timezone(&experiment.timezone).date_naive();
    let accepted = |shrink: &Shrink| {
        let source = experiment.sources.iter().find(|source| source.id == shrink.source);
        let until = source.and_then(|source| source.accept_shrink).filter(|&until| until <= calendar.today);
        until.is_some_and(|until| day_of(shrink) <= until)
    };
    data.shrinks
        .iter()
        .filter(|shrink| experiment.sources.iter().any(|source| source.id == shrink.source))
        .filter(|shrink| shrink.first_day <= calendar.last_settled && calendar.first <= shrink.last_day)
        .filter(|shrink| !accepted(shrink))
        .map(|shrink| Reason::FewerRows {
            source: shrink.source.clone(),
            first_day: shrink.first_day,
            last_day: shrink.last_day,
            rows: shrink.rows,
            metric: shrink.metric,
            amounts: shrink.amounts.map(millionths::to_f64),
            seen_on: day_of(shrink),
        })
        .collect()
}

/// More acts than exposures, or more clicks than impressions, on so many settled days that it is no stray row. Of one
/// such day the surplus is left out, and BUILD is withheld: see `judge`.
fn impossible_counts(experiment: &Experiment, tally: &Tally<'_>) -> Option<Reason> {
    let (found, of) = contradictions(experiment, tally);
    let arm_days = u32::try_from(found.len()).unwrap_or(u32::MAX);
    let share = f64::from(arm_days) / f64::from(of.max(1));
    (found.len() >= IMPOSSIBLE_DAYS_AT_LEAST && share > IMPOSSIBLE_SHARE_AT_MOST).then(|| Reason::ImpossibleCounts {
        arm_days,
        of,
        examples: found.into_iter().take(IMPOSSIBLE_NAMED).map(|(_, example)| example).collect(),
    })
}

/// The settled days on which counts of any version contradict each other.
pub fn impossible_days(experiment: &Experiment, tally: &Tally<'_>) -> BTreeSet<NaiveDate> {
    contradictions(experiment, tally).0.into_iter().map(|(day, _)| day).collect()
}

/// Of each version, the settled days on which counts contradict each other, the latest first and each in words, and of
/// how many days with counts.
fn contradictions(experiment: &Experiment, tally: &Tally<'_>) -> (Vec<(NaiveDate, String)>, u32) {
    let (mut found, mut of) = (Vec::new(), 0_u32);
    let policy = &experiment.policy;
    let rate = &policy.primary;
    let counts = |arm: &Arm| !arm.control || policy.model == Model::Compare;
    for (position, (arm, days)) in tally.arms.iter().enumerate().filter(|(_, (arm, _))| counts(arm)) {
        for day in tally.settled(days) {
            let clicks = tally.clicks_unseen.get(&(position, day.day));
            let acts = (day.conversions > day.exposures && policy.model != Model::Cpa)
                .then_some([(day.conversions, rate.numerator), (day.exposures, rate.denominator)]);
            let clicks =
                clicks.map(|&[clicks, seen]| [(clicks.into(), MetricId::CLICKS), (seen.into(), MetricId::IMPRESSIONS)]);
            of += u32::from(day.exposures > 0 || day.conversions > 0 || day.spend > 0 || clicks.is_some());
            if let Some(pair) = acts.or(clicks) {
                let [more, fewer] = pair.map(|(sum, metric)| figures::counted(units(sum), metric));
                found.push((day.day, format!("{} on {}: {more}, {fewer}", arm.title, day.day)));
            }
        }
    }
    found.sort_by_key(|&(day, _)| Reverse(day));
    (found, of)
}
