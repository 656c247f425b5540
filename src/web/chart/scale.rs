//! Scales, ticks and date axes: plotters' coordinates, which place values and choose round steps. Its drawing is not used: its SVG has
//! neither classes nor descriptions.

use chrono::{Datelike, NaiveDate, Weekday};
use plotters::coord::ranged1d::{AsRangedCoord, Ranged};
use plotters::coord::types::{RangedCoordf64, RangedDate};

/// Coordinates are whole numbers to the library: these parts of a unit.
const PARTS: f64 = 100.0;

/// Values along a line.
pub struct Linear {
    values: RangedCoordf64,
    pixels: (i32, i32),
    top: f64,
}

impl Linear {
    /// From 0 to the next round step at or above `reach`, with about `steps` of them; drawn from `from` to `to`.
    pub fn up_to(reach: f64, steps: usize, [from, to]: [f64; 2]) -> Self {
        let reach = if reach.is_finite() && reach > 0.0 { reach } else { 1.0 };
        let step = step(&(0.0..reach).into(), steps).unwrap_or(reach);
        Self::between(0.0, (reach / step - 1e-9).ceil() * step, [from, to])
    }

    /// From `low` to `high`.
    pub fn between(low: f64, high: f64, [from, to]: [f64; 2]) -> Self {
        let high = if high > low { high } else { low + 1.0 };
        Self { values: (low..high).into(), pixels: (parts(from), parts(to)), top: high }
    }

    /// The largest value.
    pub fn top(&self) -> f64 {
        self.top
    }

    /// Where a value stands, which may be beyond the ends; what is infinite stands far beyond.
    pub fn at(&self, value: f64) -> f64 {
        f64::from(self.values.map(&value.min(self.top * 50.0), self.pixels)) / PARTS
    }

    /// Round values, at most about so many.
    pub fn ticks(&self, most: usize) -> Vec<f64> {
        self.values.key_points(most)
    }
}

fn step(values: &RangedCoordf64, steps: usize) -> Option<f64> {
    match values.key_points(steps.max(2))[..] {
        [first, second, ..] => Some(second - first),
        _ => None,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "places on a page")]
fn parts(at: f64) -> i32 {
    (at * PARTS).round() as i32
}

/// Days along a line, a column each.
pub struct Days {
    first: NaiveDate,
    last: NaiveDate,
    from: f64,
    column: f64,
    dates: RangedDate<NaiveDate>,
}

impl Days {
    /// From `first` to `last`, drawn from `from` to `to`, a column at most `widest` wide.
    pub fn new(first: NaiveDate, last: NaiveDate, [from, to]: [f64; 2], widest: f64) -> Self {
        let last = last.max(first);
        let count = u32::try_from((last - first).num_days() + 1).unwrap_or(u32::MAX);
        let column = ((to - from) / f64::from(count)).min(widest);
        Self { first, last, from, column, dates: (first..last).into() }
    }

    /// How wide a column is.
    pub fn column(&self) -> f64 {
        self.column
    }

    /// The middle of a day's column.
    pub fn at(&self, day: NaiveDate) -> f64 {
        let first = self.from + self.column / 2.0;
        if self.first == self.last {
            return first;
        }
        let count = f64::from(i32::try_from((self.last - self.first).num_days()).unwrap_or(i32::MAX));
        f64::from(self.dates.map(&day, (parts(first), parts(first + count * self.column)))) / PARTS
    }

    /// Where a day's column ends.
    pub fn end(&self, day: NaiveDate) -> f64 {
        self.at(day) + self.column / 2.0
    }

    /// Mondays, at most about so many, evenly apart.
    pub fn mondays(&self, most: usize) -> Vec<NaiveDate> {
        let Some(monday) = self.first.iter_days().take(7).find(|day| day.weekday() == Weekday::Mon) else {
            return Vec::new();
        };
        if monday > self.last {
            return Vec::new();
        }
        let weeks: RangedDate<NaiveDate> =
            <std::ops::Range<NaiveDate> as AsRangedCoord>::CoordDescType::from(monday..self.last);
        let mut found = weeks.key_points(most.max(1));
        // Of few days the library names each.
        found.retain(|day| day.weekday() == Weekday::Mon && *day <= self.last);
        if found.is_empty() { vec![monday] } else { found }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn a_scale_ends_at_a_round_step() {
        let scale = Linear::up_to(0.085, 8, [200.0, 0.0]);
        assert!((scale.top() - 0.09).abs() < 1e-9 || (scale.top() - 0.1).abs() < 1e-9, "{}", scale.top());
        assert!((scale.at(0.0) - 200.0).abs() < 0.02 && scale.at(scale.top()).abs() < 0.02);
        assert!(scale.at(f64::INFINITY) < 0.0, "what has no end is beyond the top");
        assert!((3..=11).contains(&scale.ticks(8).len()), "{:?}", scale.ticks(8));
        assert!(Linear::up_to(0.0, 8, [0.0, 1.0]).top() > 0.0, "nothing counted still has a scale");
    }

    #[test]
    fn days_have_columns_and_mondays() {
        let days = Days::new(day("2026-03-02"), day("2026-03-18"), [40.0, 210.0], 40.0);
        assert!((days.at(day("2026-03-02")) - 45.0).abs() < 0.02);
        assert!((days.end(day("2026-03-18")) - 210.0).abs() < 0.02);
        assert_eq!(days.mondays(6), ["2026-03-02", "2026-03-09", "2026-03-16"].map(day));
        let one = Days::new(day("2026-03-04"), day("2026-03-04"), [0.0, 100.0], 40.0);
        assert!((one.at(day("2026-03-04")) - 20.0).abs() < 0.02);
        assert!(one.mondays(6).is_empty());
        let year = Days::new(day("2026-01-01"), day("2026-12-31"), [0.0, 600.0], 40.0);
        let mondays = year.mondays(8);
        assert!((4..=9).contains(&mondays.len()) && mondays.iter().all(|day| day.weekday() == Weekday::Mon));
    }
}
