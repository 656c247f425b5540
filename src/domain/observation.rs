//! What sources counted: one entity, one day, as last known; and the pulls that brought it.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveTime, TimeDelta, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::connector::Facts;
use super::decision::Decision;
use super::id::SourceId;
use super::metric::{COUNTED, MetricId};
use super::millionths;
use super::money::Currency;
use super::portfolio::Others;
use super::response::{DomainHash, Response};

/// The first instant of a day. Where the clock skips midnight, the day begins with the first local time that
/// exists; where midnight comes twice, with the first.
pub fn first_instant(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let midnight = day.and_time(NaiveTime::MIN);
    (0..=24 * 4)
        .find_map(|quarters| zone.from_local_datetime(&(midnight + TimeDelta::minutes(15 * quarters))).earliest())
        .map_or_else(|| midnight.and_utc(), |instant| instant.to_utc())
}

/// First and last day, both inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct DateWindow {
    first: NaiveDate,
    last: NaiveDate,
}

impl DateWindow {
    /// `None` when `last` lies before `first`.
    pub fn new(first: NaiveDate, last: NaiveDate) -> Option<Self> {
        (first <= last).then_some(Self { first, last })
    }

    /// First day inside.
    pub fn first(&self) -> NaiveDate {
        self.first
    }

    /// Last day inside.
    pub fn last(&self) -> NaiveDate {
        self.last
    }

    /// How many days, at least one.
    pub fn days(&self) -> i64 {
        (self.last - self.first).num_days() + 1
    }

    /// Whether a day lies inside.
    pub fn contains(&self, day: NaiveDate) -> bool {
        self.first <= day && day <= self.last
    }

    /// The shortest window that holds both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self { first: self.first.min(other.first), last: self.last.max(other.last) }
    }

    /// Consecutive windows of at most `longest` days, oldest first; the whole when `longest` is `None`.
    pub fn slices(&self, longest: Option<u32>) -> Vec<Self> {
        let Some(longest) = longest.filter(|&days| days > 0) else { return vec![*self] };
        let mut slices = Vec::new();
        let mut first = self.first;
        while first <= self.last {
            let last = first
                .checked_add_days(chrono::Days::new(u64::from(longest) - 1))
                .map_or(self.last, |last| last.min(self.last));
            slices.push(Self { first, last });
            let Some(next) = last.succ_opt() else { break };
            first = next;
        }
        slices
    }
}

/// A value for each metric that sources count by day and this one supplies, in millionths of the metric's unit.
/// `None` is "not supplied", which is never zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Values {
    /// Zero where not supplied.
    values: [i64; COUNTED],
    supplied: [bool; COUNTED],
}

impl From<[Option<i64>; COUNTED]> for Values {
    /// Takes them in the order of the catalogue.
    fn from(values: [Option<i64>; COUNTED]) -> Self {
        Self { supplied: values.map(|value| value.is_some()), values: values.map(Option::unwrap_or_default) }
    }
}

impl Values {
    /// The value of one metric; none of one that is worked out from people's acts.
    pub fn get(&self, metric: MetricId) -> Option<i64> {
        let position = metric.index();
        (position < COUNTED && self.supplied[position]).then(|| self.values[position])
    }

    /// Sets the value of one metric; nothing where it is worked out from people's acts.
    pub fn set(&mut self, metric: MetricId, value: Option<i64>) {
        let position = metric.index();
        if position < COUNTED {
            self.supplied[position] = value.is_some();
            self.values[position] = value.unwrap_or(0);
        }
    }

    /// The metrics that are supplied, with their values.
    pub fn supplied(&self) -> impl Iterator<Item = (MetricId, i64)> {
        MetricId::counted().filter_map(|metric| Some((metric, self.get(metric)?)))
    }

    /// Adds each supplied value; `None` on overflow.
    pub fn plus(&self, other: &Self) -> Option<Self> {
        let mut sum = *self;
        for (metric, value) in other.supplied() {
            sum.set(metric, Some(self.get(metric).unwrap_or(0).checked_add(value)?));
        }
        Some(sum)
    }
}

/// One entity of a source on one day, as last known. Every earlier state is kept as a revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observation {
    /// Where it came from.
    pub source: SourceId,
    /// A calendar date in the source's day zone.
    pub day: NaiveDate,
    /// The vendor's own key (campaign id, ad id, hidden field), empty where it sent none. Arms are
    /// found by it when read, so a mended mapping needs no new pull.
    pub arm_key: Arc<str>,
    /// The pull that last changed it.
    pub pull_id: i64,
    /// What was counted.
    pub values: Values,
}

/// One committed window of one source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pull {
    /// Orders commits.
    pub id: i64,
    /// The run that asked, or `import:…`.
    pub run_id: String,
    /// Which source.
    pub source: SourceId,
    /// First day asked for.
    pub first_day: NaiveDate,
    /// Last day asked for.
    pub last_day: NaiveDate,
    /// What its money is in, where it supplies money.
    pub currency: Option<Currency>,
    /// Where its days begin and end.
    pub day_zone: Tz,
    /// What its numbers mean, as its connector says.
    #[serde(default)]
    pub facts: Facts,
    /// When it was committed.
    pub committed_at: DateTime<Utc>,
}

impl Pull {
    /// Whether days were read. A record of acts that their vendor sent by itself reads none: its last day lies before its
    /// first.
    pub fn is_reading(&self) -> bool {
        self.first_day <= self.last_day
    }

    /// When its numbers were what they are: when it was committed, or when the file was written that it is from. An export of
    /// Friday says no more of Friday when it is read on Monday.
    pub fn told_at(&self) -> DateTime<Utc> {
        self.facts.file.as_ref().map_or(self.committed_at, |file| file.modified.min(self.committed_at))
    }

    /// Since when what it brought may only be replaced by what is younger: when the file was written that it is from, else
    /// when it was read, or when a person brought the file for its days.
    pub fn holds_since(&self) -> DateTime<Utc> {
        let is_brought = self.facts.file.as_ref().is_some_and(|file| file.is_for_its_days);
        if is_brought { self.committed_at } else { self.told_at() }
    }

    /// Whether it speaks for a day.
    pub fn covers(&self, day: NaiveDate) -> bool {
        self.first_day <= day && day <= self.last_day
    }
}

/// Everything stored that one experiment's verdict may depend on.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Inputs {
    /// Of all the experiment's sources, in order of source, day and arm key.
    pub observations: Vec<Observation>,
    /// Of all the experiment's sources, in order of source and response id.
    pub responses: Vec<Response>,
    /// Of all the experiment's sources, in order of commit.
    pub pulls: Vec<Pull>,
    /// Of all the experiment's sources: settled days of which they now show much less.
    pub shrinks: Vec<Shrink>,
    /// What people decided in this test, in order.
    pub decisions: Vec<Decision>,
    /// Domains of the user's own people, as responses name them.
    pub internal: BTreeSet<DomainHash>,
    /// The same, with the rows of the deciding rate as they were when their day was first read settled; `None` where
    /// nothing of it has changed since.
    pub first_settled: Option<Box<Inputs>>,
    /// What is known of other concepts; `None` where it was not asked for, and each concept is judged for itself.
    pub others: Option<Box<Others>>,
}

/// Settled days of which a source showed much less than when they were read before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shrink {
    /// Which source.
    pub source: SourceId,
    /// First of the days compared.
    pub first_day: NaiveDate,
    /// Last of them.
    pub last_day: NaiveDate,
    /// Rows with anything in them, before and after.
    pub rows: [i64; 2],
    /// What the rows were weighed by, where they hold any of it.
    pub metric: Option<MetricId>,
    /// How much of that, before and after, in millionths.
    pub amounts: [i64; 2],
    /// When it was first seen.
    pub seen_at: DateTime<Utc>,
}

impl fmt::Display for Shrink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [before, after] = self.rows;
        write!(f, "from {} to {} there were {before} rows and now are {after}", self.first_day, self.last_day)?;
        let [before, after] = self.amounts.map(millionths::print);
        self.metric.map_or(Ok(()), |metric| write!(f, " ({metric} was {before} and now is {after})"))
    }
}

/// A field that stood in a source's rows and now stands in none, where nothing counts as zero.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LostField {
    /// Which source.
    pub source: SourceId,
    /// What is counted there.
    pub metric: MetricId,
    /// Its path in a row.
    pub path: String,
    /// Rows in which it was looked for, at least one.
    pub rows: u64,
    /// The last day that had some.
    pub last_day: NaiveDate,
    /// The first day on which the user can say that it is meant.
    pub accept_on: NaiveDate,
}

impl fmt::Display for LostField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { source, metric, path, rows, last_day, accept_on } = self;
        let rows = if *rows == 1 { "the only row".to_owned() } else { format!("any of {rows} rows") };
        write!(
            f,
            "nothing called `{path}` in {rows}, and {metric} would become zero for days that had some, last \
             {last_day}. Most likely the vendor renamed it: name it as the vendor does now, in the settings of \
             [source.{source}] or in its connector's file. What is stored stays, and nothing of this reading was used. \
             If the vendor took all of it back, put accept_shrink = \"{accept_on}\" under [source.{source}]"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn windows_are_cut_by_the_longest_span_without_gap_or_overlap() {
        let window = DateWindow::new(day("2026-01-01"), day("2026-03-05")).unwrap();
        let slices = window.slices(Some(31));
        assert_eq!(slices.len(), 3);
        assert_eq!(slices.iter().map(DateWindow::days).sum::<i64>(), window.days());
        assert_eq!((slices[1].first(), slices[2].last()), (day("2026-02-01"), day("2026-03-05")));
        assert_eq!(window.slices(None), vec![window]);
        assert_eq!(DateWindow::new(day("2026-01-02"), day("2026-01-01")), None);
    }

    #[test]
    fn a_day_whose_midnight_is_skipped_begins_with_its_first_instant() {
        // Santiago loses midnight itself on 6 September 2026.
        let santiago = first_instant(day("2026-09-06"), Tz::America__Santiago);
        assert_eq!(santiago.to_rfc3339(), "2026-09-06T04:00:00+00:00");
        let havana = first_instant(day("2026-11-01"), Tz::America__Havana);
        assert_eq!(havana.to_rfc3339(), "2026-11-01T04:00:00+00:00", "the first of two midnights");
    }

    #[test]
    fn adding_keeps_not_supplied_apart_from_zero() {
        let (mut a, mut b) = (Values::default(), Values::default());
        a.set(MetricId::CLICKS, Some(2));
        b.set(MetricId::CLICKS, Some(3));
        b.set(MetricId::SPEND, Some(0));
        let sum = a.plus(&b).unwrap();
        assert_eq!(sum.get(MetricId::CLICKS), Some(5));
        assert_eq!(sum.get(MetricId::SPEND), Some(0));
        assert_eq!(sum.get(MetricId::VISITS), None);
        b.set(MetricId::CLICKS, Some(i64::MAX));
        assert_eq!(a.plus(&b), None);
    }
}
