//! Health gates: defects in the data while which there is no verdict. What each means for the reader
//! is said by `explain`.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use chrono::{DateTime, Days, Utc};

use super::tally::{Calendar, Tally, Unclaimed, units};
use crate::domain::concept::{Experiment, Source};
use crate::domain::id::SourceId;
use crate::domain::metric::MetricId;
use crate::domain::observation::{Inputs, Observation, first_instant};
use crate::domain::verdict::Reason;

/// Share of settled spend on keys no arm claims above which nothing is decided. Below a tenth, what is
/// missing moves a rate or a cost by at most a ninth of itself: small beside the step between the bars,
/// half the kill bar unless set otherwise. Above it, a forgotten campaign could carry a verdict.
const UNMAPPED_SHARE_AT_MOST: f64 = 0.10;

/// Settled days a source may bring nothing before its silence is a defect.
const SILENT_SETTLED_DAYS: u64 = 2;

/// Unclaimed acts that are more than a test answer or two.
const UNMAPPED_ACTS_AT_LEAST: f64 = 3.0;

/// How many unclaimed keys are named.
const KEYS_NAMED: usize = 5;

/// Every defect of the data, each with what a reader needs to mend it; empty for sound data.
pub fn defects(
    experiment: &Experiment,
    data: &Inputs,
    tally: &Tally<'_>,
    unmapped: Option<&Reason>,
    as_of: DateTime<Utc>,
) -> Vec<Reason> {
    let mut found: Vec<Reason> = no_data(experiment, data, &tally.calendar).into_iter().collect();
    found.extend(stale(experiment, data, &tally.calendar, as_of));
    found.extend(unmapped.filter(|reason| blocks(reason)).cloned());
    found.extend(unmapped_acts(tally));
    found.extend(mixed_currencies(tally));
    found.extend(mixed_zones(tally));
    found
}

/// The sources the deciding rate reads.
fn primary_sources(experiment: &Experiment) -> impl Iterator<Item = &Source> {
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
                .any(|source| brought(source, &says) || metric == MetricId::SIGNUPS && gave_people(source))
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
            let last_pull =
                data.pulls.iter().filter(|pull| pull.source == source.id).map(|pull| pull.committed_at).max();
            if last_pull.zip(complete).is_some_and(|(at, day)| at.with_timezone(&zone).date_naive() >= day) {
                return None;
            }
            let since = last_pull.map_or(began, |at| at.max(began));
            let second = experiment.schedule.next_after(experiment.schedule.next_after(since, zone)?, zone)?;
            (second <= as_of).then(|| Reason::Stale { source: source.id.clone(), last_pull })
        })
        .collect()
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

/// The keys with most, as `source: key`.
fn largest(unclaimed: &Unclaimed<'_>) -> Vec<String> {
    let mut largest: Vec<_> = unclaimed.iter().filter(|(_, sum)| **sum > 0).collect();
    largest.sort_by_key(|(_, sum)| Reverse(**sum));
    let named = |source: &SourceId, key: &str| format!("{source}: {}", if key.is_empty() { "no key" } else { key });
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
