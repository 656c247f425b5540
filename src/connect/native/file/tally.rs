//! What the rows of a file add up to, and whether its own totals rows agree. Grows with days and arms, not
//! with rows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use chrono::NaiveDate;

use crate::domain::metric::MetricId;
use crate::domain::millionths;
use crate::domain::observation::Values;

use super::FileError;
use super::reading::{Row, identifier};

/// Rows shown as an example.
const SAMPLE: usize = 3;

/// Totals rows remembered by line; more are only counted.
const MOST_TOTALS_ROWS: usize = 50;

/// Other names remembered for one arm.
const MOST_NAMES: usize = 10;

/// A totals row, compared with the sum of the rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TotalsRow {
    pub line: u64,
    /// Its cells; empty for a summary row, which has none but numbers.
    pub label: String,
    pub values: Values,
}

/// What one arm adds up to.
#[derive(Clone, Debug, Default)]
pub(super) struct ArmTally {
    pub rows: u64,
    pub values: Values,
    /// Campaign names and ids seen on its rows, other than its key.
    pub also: BTreeSet<String>,
}

/// What a file adds up to.
#[derive(Default)]
pub(super) struct Tally {
    pub rows: u64,
    pub values: Values,
    pub days: BTreeSet<NaiveDate>,
    pub arms: BTreeMap<Arc<str>, ArmTally>,
    pub sample: Vec<Row>,
    pub totals_rows: Vec<TotalsRow>,
    pub totals_rows_skipped: u64,
    /// Rows with more clicks than impressions, or more conversions than clicks, and the first such line.
    pub upside_down: (u64, u64),
    pub rounded: u64,
}

impl Tally {
    /// Adds a row and the campaign names and ids on it.
    pub(super) fn add<'c>(
        &mut self,
        row: &Row,
        campaign: impl Iterator<Item = &'c str>,
        rounded: bool,
    ) -> Result<(), FileError> {
        let mut values = Values::default();
        for &(metric, value) in &row.values {
            values.set(metric, Some(value));
        }
        let too_large = || FileError::Mend { line: row.line, what: "the sum up to here is too large".to_owned() };
        self.values = self.values.plus(&values).ok_or_else(too_large)?;
        if !self.arms.contains_key(&row.arm) {
            self.arms.insert(Arc::clone(&row.arm), ArmTally::default());
        }
        if let Some(arm) = self.arms.get_mut(&row.arm) {
            arm.values = arm.values.plus(&values).ok_or_else(too_large)?;
            arm.rows += 1;
            for name in campaign.map(identifier) {
                if *name != *row.arm && arm.also.len() < MOST_NAMES && !arm.also.contains(name) {
                    arm.also.insert(name.to_owned());
                }
            }
        }
        let more = |part: MetricId, whole: MetricId| matches!((values.get(part), values.get(whole)), (Some(part), Some(whole)) if part > whole);
        if more(MetricId::CLICKS, MetricId::IMPRESSIONS) || more(MetricId::CONVERSIONS, MetricId::CLICKS) {
            let (count, first) = self.upside_down;
            self.upside_down = (count + 1, if count == 0 { row.line } else { first });
        }
        self.rows += 1;
        self.rounded += u64::from(rounded);
        self.days.insert(row.day);
        if self.sample.len() < SAMPLE {
            self.sample.push(row.clone());
        }
        Ok(())
    }

    /// Remembers a totals row.
    pub(super) fn add_totals_row(&mut self, row: TotalsRow) {
        self.totals_rows_skipped += 1;
        if self.totals_rows.len() < MOST_TOTALS_ROWS {
            self.totals_rows.push(row);
        }
    }

    /// What the totals rows say against the rows. Several totals rows are parts and wholes of each other, so
    /// one that agrees is enough.
    pub(super) fn disagreements(&self) -> Vec<String> {
        let mut found: Vec<String> = self.totals_rows.iter().filter_map(|row| self.missing_rows(row)).collect();
        let agrees = |row: &TotalsRow| {
            let mut stated = MetricId::all().filter(|&metric| row.values.get(metric).is_some()).peekable();
            stated.peek().is_some() && stated.all(|metric| row.values.get(metric) == self.values.get(metric))
        };
        if self.totals_rows.iter().any(agrees) {
            return found;
        }
        for row in self.totals_rows.iter().filter(|row| row.values != Values::default()).take(3) {
            let which = if row.label.is_empty() {
                format!("the account summary row ({})", headline(&row.values))
            } else {
                format!("the totals row on line {} ({})", row.line, headline(&row.values))
            };
            found.push(format!("{which} is not the sum of the rows ({})", headline(&self.values)));
        }
        found
    }

    /// "Total of 14 results" above or below other than 14 rows.
    fn missing_rows(&self, row: &TotalsRow) -> Option<String> {
        let mut words = row.label.split_whitespace();
        let stated: u64 = match (words.next()?.to_lowercase().as_str(), words.next()?, words.next()?) {
            ("total", "of", number) => number.replace([',', '.'], "").parse().ok()?,
            _ => return None,
        };
        (stated != self.rows).then(|| {
            format!("line {} speaks of {stated} rows, and the file has {}: rows may be missing", row.line, self.rows)
        })
    }
}

/// Impressions and spend, or what there is instead.
fn headline(values: &Values) -> String {
    let word = |metric: MetricId| {
        let number = millionths::print(values.get(metric)?);
        Some(if metric == MetricId::SPEND { number } else { format!("{number} {metric}") })
    };
    let preferred: Vec<String> = [MetricId::IMPRESSIONS, MetricId::SPEND].into_iter().filter_map(word).collect();
    if preferred.is_empty() {
        MetricId::all().filter_map(word).collect::<Vec<_>>().join(", ")
    } else {
        preferred.join(", ")
    }
}
