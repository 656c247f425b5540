//! When an audience is told of all its concepts at once: on Mondays of the week that was, on the first of a month of what it
//! asks, at eight by their clocks and never in their quiet hours. Worked out from what is stored up to that instant, so that
//! it says the same whenever it is asked. Not what is said: see `decide::digest`.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;

use super::Parts;
use crate::decide::digest::{self, Stand, Stretch};
use crate::domain::audience::Audience;
use crate::domain::concept::Experiment;
use crate::domain::message::{Delivery, Message};
use crate::domain::run::Outcome;
use crate::store::StoreError;

/// The hour of the day, by the clocks of those who are told.
const HOUR: u32 = 8;

/// A daemon that was down tells so much later still, and then no more.
const LATEST: TimeDelta = TimeDelta::days(2);

/// What is told: how it is called in the delivery's id, and who wants it.
struct Kind {
    name: &'static str,
    is_wanted: fn(&Audience) -> bool,
    day: fn(NaiveDate) -> Option<NaiveDate>,
    before: fn(NaiveDate) -> Option<NaiveDate>,
    tell: fn(&str, &[Stand<'_>], &Stretch) -> Option<Message>,
}

const KINDS: [Kind; 2] = [
    Kind {
        name: "digest",
        is_wanted: |audience| audience.digest,
        day: |today| today.checked_sub_days(Days::new(today.weekday().num_days_from_monday().into())),
        before: |day| day.checked_sub_days(Days::new(7)),
        tell: digest::weekly,
    },
    Kind {
        name: "agenda",
        is_wanted: |audience| audience.agenda,
        day: |today| today.with_day(1),
        before: |day| day.checked_sub_months(Months::new(1)),
        tell: digest::monthly,
    },
];

/// The messages that are due at `now`, but for those whose names are `known`; the names of the others are put into `asked`, also
/// where nothing is to be said.
///
/// # Errors
/// [`StoreError`].
pub async fn digests(
    parts: &Parts,
    experiments: &[Experiment],
    now: DateTime<Utc>,
    known: &BTreeSet<String>,
    asked: &mut Vec<String>,
) -> Result<Vec<Delivery>, StoreError> {
    let mut told: BTreeMap<&str, (&Audience, Vec<&Experiment>)> = BTreeMap::new();
    for experiment in experiments {
        for audience in &experiment.audiences {
            told.entry(&audience.name).or_insert_with(|| (audience, Vec::new())).1.push(experiment);
        }
    }
    let mut due = Vec::new();
    for (name, (audience, concerned)) in told {
        let zone = audience.zone.or_else(|| concerned.first().map(|one| one.timezone)).unwrap_or(Tz::UTC);
        for kind in KINDS.iter().filter(|kind| (kind.is_wanted)(audience)) {
            let Some((day, stretch)) = stretch(kind, zone, now).filter(|(_, stretch)| now - stretch.to <= LATEST)
            else {
                continue;
            };
            let called = format!("{}_{name}_{day}", kind.name);
            if known.contains(&called) {
                continue;
            }
            asked.push(called.clone());
            let Some(message) = tell(parts, kind, name, &concerned, &stretch).await? else { continue };
            let when = audience.quiet.map_or(stretch.to, |quiet| quiet.end(stretch.to));
            due.extend(audience.destinations.iter().map(|destination| {
                let first = Delivery::first(&message, destination).called(&called);
                Delivery { not_before: when, quiet: audience.quiet, ..first }
            }));
        }
    }
    Ok(due)
}

/// The latest one that has ended, with the day it is told on.
fn stretch(kind: &Kind, zone: Tz, now: DateTime<Utc>) -> Option<(NaiveDate, Stretch)> {
    let today = now.with_timezone(&zone).date_naive();
    let day = (kind.day)(today)?;
    let day = if instant(day, zone)? <= now { day } else { (kind.day)(day.pred_opt()?)? };
    Some((day, Stretch { from: instant((kind.before)(day)?, zone)?, to: instant(day, zone)?, zone }))
}

/// When clocks show the hour. No zone skips it, and where one shows it twice it is the first time.
fn instant(day: NaiveDate, zone: Tz) -> Option<DateTime<Utc>> {
    let local = day.and_time(NaiveTime::from_hms_opt(HOUR, 0, 0)?);
    Some(zone.from_local_datetime(&local).earliest()?.to_utc())
}

async fn tell(
    parts: &Parts,
    kind: &Kind,
    audience: &str,
    concerned: &[&Experiment],
    stretch: &Stretch,
) -> Result<Option<Message>, StoreError> {
    let store = &parts.store;
    let runs = store.last_runs_until(stretch.to).await?;
    let mut known = Vec::new();
    for &experiment in concerned {
        let concept = &experiment.concept.id;
        let Some(now) = store.scorecard_at(concept, stretch.to).await? else { continue };
        let before = store.scorecard_at(concept, stretch.from).await?;
        let mut decisions = store.decisions(concept, None).await?;
        decisions.retain(|decision| decision.at < stretch.to);
        let last = runs.iter().find(|run| run.concept == *concept).and_then(|run| run.outcome.as_ref());
        let is_failing = matches!(last, Some(Outcome::Failed { .. } | Outcome::Abandoned));
        known.push((experiment, before, now, decisions, is_failing));
    }
    let stands: Vec<Stand<'_>> = known
        .iter()
        .map(|(experiment, before, now, decisions, is_failing)| Stand {
            experiment,
            before: before.as_ref().map(|stored| &stored.scorecard),
            now: &now.scorecard,
            decisions,
            is_failing: *is_failing,
        })
        .collect();
    Ok((kind.tell)(audience, &stands, stretch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weeks_end_on_mondays_and_months_on_firsts_at_eight_by_their_clocks() {
        let ends = |kind: usize, zone: Tz, now: &str| {
            let (day, stretch) = stretch(&KINDS[kind], zone, now.parse().unwrap()).unwrap();
            (day.to_string(), stretch.from.to_rfc3339(), stretch.to.to_rfc3339())
        };
        let of = |day: &str, from: &str, to: &str| (day.to_owned(), format!("{from}+00:00"), format!("{to}+00:00"));
        let berlin = Tz::Europe__Berlin;
        let week = of("2026-03-16", "2026-03-09T07:00:00", "2026-03-16T07:00:00");
        assert_eq!(ends(0, berlin, "2026-03-16T07:00:00Z"), week);
        assert_eq!(ends(0, berlin, "2026-03-23T06:59:59Z"), week, "the next one has not ended");
        // The clocks went forward in it.
        let week = of("2026-03-30", "2026-03-23T07:00:00", "2026-03-30T06:00:00");
        assert_eq!(ends(0, berlin, "2026-04-01T00:00:00Z"), week);
        let month = of("2026-03-01", "2026-02-01T13:00:00", "2026-03-01T13:00:00");
        assert_eq!(ends(1, Tz::America__New_York, "2026-04-01T11:00:00Z"), month);
        // It is Monday there already.
        let week = of("2026-03-16", "2026-03-08T19:00:00", "2026-03-15T19:00:00");
        assert_eq!(ends(0, Tz::Pacific__Auckland, "2026-03-15T19:00:00Z"), week);
    }
}
