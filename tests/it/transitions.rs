//! C1: when schedules fire around every change of clocks, held against an oracle that knows nothing of how they are computed: it
//! walks minute by minute, looks at the clock on the wall, and reads the five fields by itself.
//!
//! A few zones with `cargo test`; every zone and every change from 2020 to 2037 with
//! `WILLITSELL_TRANSITIONS=all cargo test --release --test it -- transitions --nocapture`.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, NaiveDateTime, Offset, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use rayon::prelude::*;
use willitsell::domain::schedule::Schedule;

const SCHEDULES: [&str; 40] = [
    "0 0 * * *",
    "30 0 * * *",
    "0 1 * * *",
    "30 1 * * *",
    "59 1 * * *",
    "0 2 * * *",
    "1 2 * * *",
    "15 2 * * *",
    "30 2 * * *",
    "59 2 * * *",
    "0 3 * * *",
    "30 3 * * *",
    "45 4 * * *",
    "0 6 * * MON-FRI",
    "0 12 * * *",
    "30 22 * * *",
    "30 23 * * *",
    "59 23 * * *",
    "0,30 0-4 * * *",
    "*/20 2 * * *",
    "*/15 1,2,3 * * *",
    "5 0,12 * * *",
    "0 0-23/2 * * *",
    "30 2 * * 0",
    "30 2 * * 7",
    "30 2 * * SAT,SUN",
    "0 0 1 * *",
    "30 1 1,15 * *",
    "30 2 * 3,10 *",
    "30 2 25-31 3,10 0",
    "0 0 13 * 5",
    "0 2 */2 * *",
    "0 2 */2 * 0",
    "0 * * * *",
    "30 * * * *",
    "*/20 * * * *",
    "0 */2 * * *",
    "30 */3 * * *",
    "15 * * * SUN",
    "45 * 1-7 * *",
];

/// One expression, read by itself: which minutes of the wall clock it names.
struct Fields {
    sets: [BTreeSet<u32>; 5],
    either: bool,
    is_interval: bool,
}

impl Fields {
    fn read(text: &str) -> Self {
        let fields: Vec<&str> = text.split(' ').collect();
        let ends = [(0, 59), (0, 23), (1, 31), (1, 12), (0, 7)];
        let days = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];
        let number = |word: &str| match days.iter().position(|day| *day == word) {
            Some(day) => u32::try_from(day).unwrap(),
            None => word.parse().unwrap(),
        };
        let sets = std::array::from_fn(|at| {
            let mut set = BTreeSet::new();
            for item in fields[at].split(',') {
                let (range, step) = item.split_once('/').map_or((item, 1), |(range, step)| (range, number(step)));
                let (first, last) = match range.split_once('-') {
                    Some((first, last)) => (number(first), number(last)),
                    None if range == "*" => ends[at],
                    None => (number(range), number(range)),
                };
                let mut value = first;
                while value <= last {
                    set.insert(if at == 4 { value % 7 } else { value });
                    value += step;
                }
            }
            set
        });
        let either = !fields[2].starts_with('*') && !fields[4].starts_with('*');
        Self { sets, either, is_interval: fields[1].starts_with('*') }
    }

    fn names(&self, wall: NaiveDateTime) -> bool {
        let [minutes, hours, days, months, weekdays] = &self.sets;
        let day = days.contains(&wall.day());
        let weekday = weekdays.contains(&wall.weekday().num_days_from_sunday());
        let on = if self.either { day || weekday } else { day && weekday };
        on && months.contains(&wall.month()) && hours.contains(&wall.hour()) && minutes.contains(&wall.minute())
    }

    /// The minutes at which it fires, of a walk along the wall clock.
    fn fires(&self, walk: &[(DateTime<Utc>, NaiveDateTime)]) -> Vec<DateTime<Utc>> {
        let minute = TimeDelta::minutes(1);
        // The furthest that the clock on the wall has been: a time up to it is shown for the second time.
        let mut furthest = walk[0].1;
        let mut fires = Vec::new();
        for &(at, wall) in &walk[1..] {
            let mut due = self.names(wall) && (self.is_interval || wall > furthest);
            if !self.is_interval {
                let mut lost = furthest + minute;
                while lost < wall {
                    due |= self.names(lost);
                    lost += minute;
                }
            }
            furthest = furthest.max(wall);
            fires.extend(due.then_some(at));
        }
        fires
    }
}

fn wall(at: DateTime<Utc>, zone: Tz) -> NaiveDateTime {
    let offset = i64::from(zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc());
    assert_eq!(offset % 60, 0, "{zone}: clocks here differ by whole minutes");
    at.naive_utc() + TimeDelta::seconds(offset)
}

/// The first minute after each change of a zone's clock.
fn changes(zone: Tz, years: std::ops::RangeInclusive<i32>) -> Vec<DateTime<Utc>> {
    let begin = |year| Utc.with_ymd_and_hms(year, 1, 1, 0, 0, 0).unwrap();
    let offset = |at: DateTime<Utc>| wall(at, zone) - at.naive_utc();
    let (mut at, end, mut found) = (begin(*years.start()), begin(years.end() + 1), Vec::new());
    let step = TimeDelta::hours(6);
    while at < end {
        let next = at + step;
        if offset(at) != offset(next) {
            let (mut low, mut high) = (at, next);
            while high - low > TimeDelta::minutes(1) {
                let half = low + TimeDelta::minutes((high - low).num_minutes() / 2);
                if offset(half) == offset(at) { low = half } else { high = half }
            }
            found.push(high);
        }
        at = next;
    }
    found
}

/// How far around a change is looked: beyond the distance at which a schedule takes its shorter way.
const AROUND: TimeDelta = TimeDelta::hours(54);

fn differences(zone: Tz, change: DateTime<Utc>, schedules: &[(Schedule, Fields)]) -> Vec<String> {
    let (from, to) = (change - AROUND, change + AROUND);
    // A day more, so that what was shown before is known.
    let mut walk = Vec::new();
    let mut at = from - TimeDelta::days(2);
    while at <= to {
        walk.push((at, wall(at, zone)));
        at += TimeDelta::minutes(1);
    }
    let mut wrong = Vec::new();
    for (schedule, fields) in schedules {
        let expected: Vec<_> = fields.fires(&walk).into_iter().filter(|&at| at > from).collect();
        let fired: Vec<_> = schedule.slots(from, to, zone).collect();
        if fired != expected {
            let first = fired.iter().zip(&expected).find(|(one, other)| one != other);
            wrong.push(format!(
                "{zone}, {change}, {:?}: {} for {}: {first:?}",
                schedule.text(),
                fired.len(),
                expected.len()
            ));
        }
    }
    wrong
}

#[test]
fn c1_every_schedule_fires_as_a_walk_along_the_wall_clock_says() {
    let is_all = std::env::var("WILLITSELL_TRANSITIONS").is_ok_and(|size| size == "all");
    let schedules: Vec<_> =
        SCHEDULES.iter().map(|text| (text.parse::<Schedule>().unwrap(), Fields::read(text))).collect();
    // Half an hour, two and three hours, at midnight, around Ramadan, a country that gave it up, one that never had it.
    let some = [
        Tz::Europe__Berlin,
        Tz::America__New_York,
        Tz::Australia__Lord_Howe,
        Tz::Antarctica__Troll,
        Tz::Antarctica__Casey,
        Tz::America__Santiago,
        Tz::Africa__Casablanca,
        Tz::Asia__Beirut,
        Tz::America__Mexico_City,
        Tz::Asia__Kathmandu,
    ];
    let (zones, years) = if is_all { (&TZ_VARIANTS[..], 2020..=2037) } else { (&some[..], 2022..=2023) };
    let walked: Vec<(usize, Vec<String>)> = zones
        .par_iter()
        .map(|&zone| {
            let changes = changes(zone, years.clone());
            let wrong = changes.iter().flat_map(|&change| differences(zone, change, &schedules)).collect();
            (changes.len(), wrong)
        })
        .collect();
    let changes: usize = walked.iter().map(|(changes, _)| changes).sum();
    let wrong: Vec<_> = walked.into_iter().flat_map(|(_, wrong)| wrong).collect();
    println!(
        "{} zones, {changes} changes of clocks, {} schedules: {} differences",
        zones.len(),
        SCHEDULES.len(),
        wrong.len()
    );
    assert!(changes > 10, "{changes}");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
