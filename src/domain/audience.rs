//! Who is told what, and when (product.md section 9). Not how a message reaches them.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Days, NaiveDateTime, NaiveTime, TimeDelta, TimeZone, Utc, Weekday};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::concept::Experiment;
use super::id::DestinationId;
use super::message::{Delivery, Message};

/// What people may hear of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// A verdict that is reached, withdrawn or decided on, and the reminders of it.
    Verdicts,
    /// Whatever keeps numbers from coming or from being trusted, and its end.
    Health,
    /// Most of the budget used without a verdict; BUILD out of reach.
    Budget,
    /// What ads go on spending after a verdict.
    Spend,
    /// The same from the third day on.
    LateSpend,
}

impl Topic {
    /// All of them with the words users write.
    pub const ALL: [(&str, Self); 5] = [
        ("verdicts", Self::Verdicts),
        ("health", Self::Health),
        ("budget", Self::Budget),
        ("spend", Self::Spend),
        ("late_spend", Self::LateSpend),
    ];
}

/// Who hears of what, by what they do: the table of product.md section 9.
pub const ROLES: [(&str, &[Topic]); 4] = [
    ("cmo", &[Topic::Verdicts, Topic::LateSpend]),
    ("product", &[Topic::Verdicts]),
    ("owner", &[Topic::Verdicts, Topic::Budget, Topic::Spend]),
    ("operations", &[Topic::Health]),
];

/// Some people who are told the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audience {
    /// NAME of `[audience.NAME]`.
    pub name: String,
    /// Where they are told.
    pub destinations: Vec<DestinationId>,
    /// Of what.
    pub hears: BTreeSet<Topic>,
    /// How long a change of state must last before they hear of it.
    pub grace: TimeDelta,
    /// When they want to hear of nothing.
    pub quiet: Option<Quiet>,
    /// Whose clocks they go by, where they say so.
    pub zone: Option<Tz>,
    /// Whether they are told on Mondays what changed.
    pub digest: bool,
    /// Whether they are told on the first of a month what it asks of them.
    pub agenda: bool,
}

/// Hours and days without messages: what comes then is told at their end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quiet {
    /// By these clocks.
    pub zone: Tz,
    /// From the one to the other, over midnight where the first is the later one.
    pub hours: Option<(NaiveTime, NaiveTime)>,
    /// All of Saturday and Sunday.
    pub weekends: bool,
}

impl Quiet {
    /// The first instant from `at` on that is not quiet.
    pub fn end(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        let mut at = at;
        // A weekend may end in quiet hours, and they in a weekend: no more than that.
        for _ in 0..4 {
            match self.ends_after(at.with_timezone(&self.zone).naive_local()) {
                Some(end) => at = self.instant(end).max(at),
                None => break,
            }
        }
        at
    }

    /// The end of what is quiet at this time, by the same clocks.
    fn ends_after(&self, local: NaiveDateTime) -> Option<NaiveDateTime> {
        let midnight = |days| Some(local.date().checked_add_days(Days::new(days))?.and_time(NaiveTime::MIN));
        match local.weekday() {
            Weekday::Sat if self.weekends => return midnight(2),
            Weekday::Sun if self.weekends => return midnight(1),
            _ => {}
        }
        let (from, to) = self.hours?;
        let time = local.time();
        if from <= to {
            return (from <= time && time < to).then(|| local.date().and_time(to));
        }
        if time >= from {
            return Some(midnight(1)?.date().and_time(to));
        }
        (time < to).then(|| local.date().and_time(to))
    }

    /// When clocks show this; where they skip it, as soon as they have.
    fn instant(&self, local: NaiveDateTime) -> DateTime<Utc> {
        let shown = |local: &NaiveDateTime| self.zone.from_local_datetime(local).earliest();
        let first = shown(&local).or_else(|| shown(&(local + TimeDelta::hours(1))));
        first.map_or_else(|| local.and_utc(), |instant| instant.to_utc())
    }
}

impl Audience {
    /// When they may be told of a message.
    fn when(&self, message: &Message) -> DateTime<Utc> {
        let grace = if message.change().is_some() { self.grace } else { TimeDelta::zero() };
        let at = message.decided_at + grace;
        self.quiet.map_or(at, |quiet| quiet.end(at))
    }
}

/// The deliveries of a message: to everybody who is told all (`notify`), and to every audience that hears of what it is about.
/// A destination that several of them share is told once, as early as any of them.
pub fn deliveries(experiment: &Experiment, message: &Message) -> Vec<Delivery> {
    let mut all: Vec<Delivery> = experiment.notify.iter().map(|to| Delivery::first(message, to)).collect();
    let hears = |audience: &&Audience| message.topics.iter().any(|topic| audience.hears.contains(topic));
    for audience in experiment.audiences.iter().filter(hears) {
        let when = audience.when(message);
        for destination in &audience.destinations {
            match all.iter_mut().find(|known| known.destination == *destination) {
                Some(known) if known.not_before <= when => {}
                Some(known) => (known.not_before, known.quiet) = (when, audience.quiet),
                None => {
                    let first = Delivery::first(message, destination);
                    all.push(Delivery { not_before: when, quiet: audience.quiet, ..first });
                }
            }
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quiet(hours: Option<(&str, &str)>, weekends: bool) -> Quiet {
        let time = |text: &str| NaiveTime::parse_from_str(text, "%H:%M").unwrap();
        Quiet { zone: Tz::Europe__Berlin, hours: hours.map(|(from, to)| (time(from), time(to))), weekends }
    }

    #[test]
    fn quiet_ends_by_the_clocks_of_those_who_want_it() {
        let nights = quiet(Some(("20:00", "08:00")), false);
        let both = quiet(Some(("20:00", "08:00")), true);
        let noon = quiet(Some(("12:00", "13:30")), false);
        for (quiet, at, end) in [
            (nights, "2026-03-16T18:59:00Z", "2026-03-16T18:59:00Z"),
            (nights, "2026-03-16T19:00:00Z", "2026-03-17T07:00:00Z"),
            (nights, "2026-03-17T06:59:59Z", "2026-03-17T07:00:00Z"),
            (nights, "2026-03-17T07:00:00Z", "2026-03-17T07:00:00Z"),
            // The clocks go forward in between.
            (nights, "2026-03-28T20:00:00Z", "2026-03-29T06:00:00Z"),
            (both, "2026-03-13T20:00:00Z", "2026-03-16T07:00:00Z"),
            (both, "2026-03-15T12:00:00Z", "2026-03-16T07:00:00Z"),
            (quiet(None, true), "2026-03-14T12:00:00Z", "2026-03-15T23:00:00Z"),
            (noon, "2026-03-16T11:10:00Z", "2026-03-16T12:30:00Z"),
            (noon, "2026-03-16T12:30:00Z", "2026-03-16T12:30:00Z"),
        ] {
            assert_eq!(quiet.end(at.parse().unwrap()), end.parse::<DateTime<Utc>>().unwrap(), "{at}");
        }
    }

    #[test]
    fn an_end_that_the_clocks_skip_is_the_next_time_there_is() {
        let until = quiet(Some(("22:00", "02:30")), false);
        let end = until.end("2026-03-29T00:30:00Z".parse().unwrap());
        assert_eq!(end, "2026-03-29T01:30:00Z".parse::<DateTime<Utc>>().unwrap());
    }
}
