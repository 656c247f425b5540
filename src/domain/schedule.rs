//! When an experiment is due: five POSIX cron fields in its own zone. The `cron` crate searches for
//! the next wall-clock time; fields and daylight saving are ours, because the crate counts Sunday
//! as 1, joins day of month and weekday with "and", and mishandles the two odd days of a year.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use chrono::offset::LocalResult;
use chrono::{DateTime, Duration, NaiveDateTime, Offset, TimeZone, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize, Serializer};
use thiserror::Error;

const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// Widest local time jump on record (a zone skipping a calendar day) is 24 h.
const WIDEST_JUMP: Duration = Duration::hours(25);

/// Why a schedule was refused; says what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadSchedule {
    /// Not five fields.
    #[error(
        "a schedule has five fields (minute hour day-of-month month weekday), this has {0}: for example \"0 6 * * MON-FRI\""
    )]
    Fields(usize),
    /// A field that is not a list of numbers, ranges and steps.
    #[error("{field} cannot be {text:?}: write {allowed}, ranges such as 1-5, lists such as 1,3 or steps such as */2")]
    Field {
        /// Which of the five.
        field: &'static str,
        /// What stood there.
        text: String,
        /// The values it may hold.
        allowed: &'static str,
    },
    /// A date that does not exist, such as 31 February.
    #[error("this schedule never fires: that day does not exist in that month")]
    Never,
}

/// A checked schedule; stored as it was written.
#[derive(Clone, Deserialize)]
#[serde(try_from = "String")]
pub struct Schedule {
    text: String,
    /// Either may fire: two where both day fields are restricted (POSIX).
    parts: Vec<cron::Schedule>,
    /// The hour field begins with `*`: real intervals, so a repeated hour repeats.
    is_interval: bool,
}

struct Field {
    name: &'static str,
    allowed: &'static str,
    first: u32,
    last: u32,
    names: &'static [&'static str],
}

const FIELDS: [Field; 5] = [
    Field { name: "minute", allowed: "0 to 59", first: 0, last: 59, names: &[] },
    Field { name: "hour", allowed: "0 to 23", first: 0, last: 23, names: &[] },
    Field { name: "day of month", allowed: "1 to 31", first: 1, last: 31, names: &[] },
    Field { name: "month", allowed: "1 to 12 or JAN to DEC", first: 1, last: 12, names: &MONTHS },
    Field {
        name: "weekday",
        allowed: "0 to 7 (0 and 7 are Sunday) or SUN to SAT",
        first: 0,
        last: 7,
        names: &WEEKDAYS,
    },
];

impl Field {
    fn parse(&self, text: &str) -> Result<BTreeSet<u32>, BadSchedule> {
        let bad = || BadSchedule::Field { field: self.name, text: text.to_owned(), allowed: self.allowed };
        let mut values = BTreeSet::new();
        for item in text.split(',') {
            let (range, step) = match item.split_once('/') {
                Some((range, step)) => (range, step.parse().ok().filter(|&step| step > 0).ok_or_else(bad)?),
                None => (item, 1),
            };
            let (first, last) = match range.split_once('-') {
                _ if range == "*" => (self.first, self.last),
                Some((first, last)) => (self.value(first).ok_or_else(bad)?, self.value(last).ok_or_else(bad)?),
                None if item.contains('/') => return Err(bad()),
                None => self.value(range).map(|value| (value, value)).ok_or_else(bad)?,
            };
            if first > last {
                return Err(bad());
            }
            values.extend((first..=last).step_by(step));
        }
        Ok(values)
    }

    fn value(&self, text: &str) -> Option<u32> {
        if let Some(position) = self.names.iter().position(|name| name.eq_ignore_ascii_case(text)) {
            return u32::try_from(position).ok().map(|position| position + self.first);
        }
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse().ok().filter(|value| digits && (self.first..=self.last).contains(value))
    }
}

fn list(values: &BTreeSet<u32>) -> String {
    values.iter().map(u32::to_string).collect::<Vec<_>>().join(",")
}

impl FromStr for Schedule {
    type Err = BadSchedule;

    fn from_str(text: &str) -> Result<Self, BadSchedule> {
        let fields: Vec<&str> = text.split_whitespace().collect();
        let &[minute, hour, day, month, weekday] = fields.as_slice() else {
            return Err(BadSchedule::Fields(fields.len()));
        };
        let [minutes, hours, days, months, weekdays] = {
            let mut sets = [const { BTreeSet::new() }; 5];
            for ((set, field), text) in sets.iter_mut().zip(&FIELDS).zip([minute, hour, day, month, weekday]) {
                *set = field.parse(text)?;
            }
            sets
        };
        let weekdays: BTreeSet<&str> = weekdays.iter().map(|&day| WEEKDAYS[day as usize % 7]).collect();
        let weekdays = weekdays.into_iter().collect::<Vec<_>>().join(",");
        let clock = |days: &str, weekdays: &str| {
            let text = format!("0 {} {} {days} {} {weekdays}", list(&minutes), list(&hours), list(&months));
            cron::Schedule::from_str(&text).map_err(|_| BadSchedule::Never)
        };
        let mut parts = match (day.starts_with('*'), weekday.starts_with('*')) {
            (false, false) => vec![clock(&list(&days), "*")?, clock("*", &weekdays)?],
            _ => vec![clock(&list(&days), &weekdays)?],
        };
        parts.retain(|part| part.after(&DateTime::UNIX_EPOCH).next().is_some());
        if parts.is_empty() {
            return Err(BadSchedule::Never);
        }
        Ok(Self { text: fields.join(" "), parts, is_interval: hour.starts_with('*') })
    }
}

impl Schedule {
    /// The first slot strictly after an instant; `None` beyond the year 2100. A wall-clock time lost
    /// to daylight saving fires right after the gap, a repeated one the first time only; where the
    /// hour field begins with `*`, lost times are skipped and repeated ones repeat.
    pub fn next_after(&self, instant: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        let local = instant.with_timezone(&zone).naive_local();
        let first = self.parts.iter().filter_map(|part| part.after(&local.and_utc()).next()).min()?;
        if is_quiet(instant, zone) && is_quiet(first, zone) {
            return zone.from_local_datetime(&first.naive_utc()).single().map(|slot| slot.to_utc());
        }
        let mut earliest: Option<DateTime<Utc>> = None;
        for part in &self.parts {
            // The crate walks a wall clock without a zone; which instants that clock means is ours.
            for wall in part.after(&(local - WIDEST_JUMP).and_utc()) {
                if earliest
                    .is_some_and(|found| wall.naive_utc() > found.with_timezone(&zone).naive_local() + WIDEST_JUMP)
                {
                    break;
                }
                for slot in self.instants(wall.naive_utc(), zone) {
                    if slot > instant && earliest.is_none_or(|found| slot < found) {
                        earliest = Some(slot);
                    }
                }
            }
        }
        earliest
    }

    /// Slots after `since` up to and including `until`, oldest first.
    pub fn slots(&self, since: DateTime<Utc>, until: DateTime<Utc>, zone: Tz) -> impl Iterator<Item = DateTime<Utc>> {
        std::iter::successors(self.next_after(since, zone), move |&slot| self.next_after(slot, zone))
            .take_while(move |&slot| slot <= until)
    }

    fn instants(&self, wall: NaiveDateTime, zone: Tz) -> Vec<DateTime<Utc>> {
        match zone.from_local_datetime(&wall) {
            LocalResult::Single(slot) => vec![slot.to_utc()],
            LocalResult::Ambiguous(first, _) if !self.is_interval => vec![first.to_utc()],
            LocalResult::Ambiguous(first, second) => vec![first.to_utc(), second.to_utc()],
            LocalResult::None if self.is_interval => vec![],
            LocalResult::None => after_gap(wall, zone).into_iter().collect(),
        }
    }

    /// The expression as written, single spaces between fields.
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// Whether no clock change is near, so that every wall-clock time there means one instant.
fn is_quiet(near: DateTime<Utc>, zone: Tz) -> bool {
    let offset = |at: DateTime<Utc>| zone.offset_from_utc_datetime(&at.naive_utc()).fix();
    offset(near - WIDEST_JUMP * 2) == offset(near + WIDEST_JUMP * 2)
}

/// First instant after the gap a wall-clock time fell into.
fn after_gap(wall: NaiveDateTime, zone: Tz) -> Option<DateTime<Utc>> {
    let (mut low, mut high) = ((wall - WIDEST_JUMP).and_utc(), (wall + WIDEST_JUMP).and_utc());
    // Local time passes `wall` exactly once, by the jump: find the first instant beyond it.
    while high - low > Duration::seconds(1) {
        let middle = low + (high - low) / 2;
        if middle.with_timezone(&zone).naive_local() < wall { low = middle } else { high = middle }
    }
    DateTime::from_timestamp(high.timestamp(), 0)
}

impl TryFrom<String> for Schedule {
    type Error = BadSchedule;
    fn try_from(text: String) -> Result<Self, BadSchedule> {
        text.parse()
    }
}

impl Serialize for Schedule {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.text)
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Schedule({})", self.text)
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slots(text: &str, zone: Tz, from: &str, count: usize) -> Vec<String> {
        let schedule: Schedule = text.parse().unwrap();
        let mut at: DateTime<Utc> = from.parse().unwrap();
        let mut found = Vec::new();
        for _ in 0..count {
            at = schedule.next_after(at, zone).unwrap();
            found.push(at.with_timezone(&zone).format("%a %Y-%m-%d %H:%M %Z").to_string());
        }
        found
    }

    #[test]
    fn c2_weekdays_are_posix() {
        for text in ["0 6 * * 1-5", "0 6 * * MON-FRI", "0 6 * * mon,2,3,THU,5"] {
            assert_eq!(
                slots(text, Tz::UTC, "2026-09-04T07:00:00Z", 2),
                ["Mon 2026-09-07 06:00 UTC", "Tue 2026-09-08 06:00 UTC"]
            );
        }
        for text in ["0 6 * * 0", "0 6 * * 7", "0 6 * * SUN"] {
            assert_eq!(slots(text, Tz::UTC, "2026-09-04T07:00:00Z", 1), ["Sun 2026-09-06 06:00 UTC"]);
        }
        assert_eq!(slots("0 6 * * 5-7", Tz::UTC, "2026-09-04T07:00:00Z", 3).len(), 3);
    }

    #[test]
    fn c2_day_of_month_and_weekday_mean_either() {
        let found = slots("0 0 13 * 5", Tz::UTC, "2026-09-01T00:00:00Z", 4);
        assert_eq!(
            found,
            [
                "Fri 2026-09-04 00:00 UTC",
                "Fri 2026-09-11 00:00 UTC",
                "Sun 2026-09-13 00:00 UTC",
                "Fri 2026-09-18 00:00 UTC"
            ]
        );
    }

    #[test]
    fn c2_everything_else_is_refused_with_advice() {
        for text in [
            "",
            "* * * *",
            "0 0 6 * * MON",
            "61 * * * *",
            "0 24 * * *",
            "0 0 0 * *",
            "0 0 * 13 *",
            "0 0 * * 8",
            "0 0 * * MON#2",
            "0 0 L * *",
            "? * * * *",
            "5-1 * * * *",
            "*/0 * * * *",
            "5/2 * * * *",
            "+5 * * * *",
            "@daily",
        ] {
            let error = text.parse::<Schedule>().unwrap_err();
            assert!(!matches!(error, BadSchedule::Never), "{text}: {error}");
        }
        assert_eq!("0 0 31 2 *".parse::<Schedule>(), Err(BadSchedule::Never));
        assert!("0 0 29 2 *".parse::<Schedule>().is_ok());
    }

    #[test]
    fn c1_a_lost_time_fires_right_after_the_gap_and_a_repeated_one_once() {
        let berlin = Tz::Europe__Berlin;
        assert_eq!(
            slots("30 2 * * *", berlin, "2026-03-28T02:00:00Z", 2),
            ["Sun 2026-03-29 03:00 CEST", "Mon 2026-03-30 02:30 CEST"]
        );
        assert_eq!(
            slots("30 2 * * *", berlin, "2026-10-24T12:00:00Z", 2),
            ["Sun 2026-10-25 02:30 CEST", "Mon 2026-10-26 02:30 CET"]
        );
    }

    #[test]
    fn c1_interval_schedules_keep_real_intervals() {
        let berlin = Tz::Europe__Berlin;
        assert_eq!(
            slots("30 * * * *", berlin, "2026-10-25T00:00:00Z", 3),
            ["Sun 2026-10-25 02:30 CEST", "Sun 2026-10-25 02:30 CET", "Sun 2026-10-25 03:30 CET"]
        );
        assert_eq!(
            slots("30 * * * *", berlin, "2026-03-29T00:00:00Z", 2),
            ["Sun 2026-03-29 01:30 CET", "Sun 2026-03-29 03:30 CEST"]
        );
    }
}
