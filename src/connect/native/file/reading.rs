//! The second pass over a file: every data row as values in millionths, checked, in batches; totals rows
//! beside them. Nothing here guesses: how cells are written was settled by the survey.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use chrono::NaiveDate;

use crate::domain::metric::{MetricId, Unit};
use crate::domain::millionths::{self, NotExact};
use crate::domain::observation::Values;

use super::FileError;
use super::columns::{ArmColumn, DayColumn};
use super::layout::{self, Kind};
use super::numbers;
use super::records::{Record, Records};
use super::repeats::{Repeat, Repeats};
use super::survey::{Survey, is_whole};
use super::tally::{Tally, TotalsRow};
use super::understanding::Understanding;

/// Rows handed over at a time.
const BATCH: usize = 1_000;

/// Google Ads allows an account 10,000 campaigns. Well beyond it the arm column is not one, and memory would
/// grow with the file.
const MOST_ARMS: usize = 20_000;

/// Longest arm key, in characters; ad managers stop at 512.
const LONGEST_ARM: usize = 600;

/// Counts of one arm on one day, or of a part of it: the parts are added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub line: u64,
    pub arm: Arc<str>,
    pub day: NaiveDate,
    pub values: Vec<(MetricId, i64)>,
}

/// A file being read for the second time.
pub(super) struct Reading {
    survey: Survey,
    records: Records,
    cells: Cells,
    tally: Tally,
    repeats: Repeats,
}

impl Reading {
    /// Begins below the header.
    pub(super) fn new(survey: Survey) -> Result<Self, FileError> {
        let records = survey.records()?;
        Ok(Self { survey, records, cells: Cells::default(), tally: Tally::default(), repeats: Repeats::new() })
    }

    /// What the first pass found.
    pub(super) fn survey(&self) -> &Survey {
        &self.survey
    }

    /// The next rows; empty at the end of the file.
    pub(super) fn next_batch(&mut self) -> Result<Vec<Row>, FileError> {
        self.batch().map_err(|error| error.in_sheet(self.survey.table.sheet_name()))
    }

    fn batch(&mut self) -> Result<Vec<Row>, FileError> {
        let mut batch = Vec::with_capacity(BATCH);
        while batch.len() < BATCH {
            let Some(record) = self.records.next()? else { break };
            match layout::kind(record, &self.survey.columns) {
                Kind::Nothing => {}
                Kind::Totals => self.tally.add_totals_row(totals_row(record, &self.survey, false)),
                Kind::Summary => self.tally.add_totals_row(totals_row(record, &self.survey, true)),
                Kind::Data => {
                    let row = self.cells.row(record, &self.survey)?;
                    if row.values.iter().any(|(_, value)| *value != 0) {
                        let (identity, numbers) = fingerprint(record, &row, &self.survey);
                        self.repeats.add(identity, numbers, record.line)?;
                    }
                    let campaign = self.survey.columns.campaign.iter().map(|&at| record.cell(at));
                    self.tally.add(&row, campaign, self.cells.take_rounded())?;
                    batch.push(row);
                }
            }
        }
        Ok(batch)
    }

    /// What was understood of the whole file; asks for the end to have been reached.
    pub(super) fn finish(self) -> Result<Understanding, FileError> {
        self.survey.check_unchanged()?;
        if let Some(Repeat { first_line, second_line, equal }) = self.repeats.finish()? {
            let what = if equal {
                format!(
                    "this row is the same as line {first_line}. Delete one if it was pasted twice; if they are two ads \
                     of one name, export the report with their IDs"
                )
            } else {
                format!(
                    "this row is for the same arm and day as line {first_line}, with other numbers, and no column tells \
                     the two apart. Keep the right one, or export the report with the column that tells them apart"
                )
            };
            let error = FileError::Mend { line: second_line, what };
            return Err(error.in_sheet(self.survey.table.sheet_name()));
        }
        Understanding::of(&self.survey, self.tally)
    }
}

/// Turns cells into values; keeps one copy of each arm key.
#[derive(Default)]
struct Cells {
    arms: HashMap<String, Arc<str>>,
    rounded: bool,
}

impl Cells {
    fn row(&mut self, record: Record<'_>, survey: &Survey) -> Result<Row, FileError> {
        let line = record.line;
        let arm = self.arm(record, &survey.columns.arm)?;
        let cell = record.cell(match survey.columns.day {
            DayColumn::One(at) | DayColumn::Span(at, _) => at,
        });
        let day = survey
            .days
            .read(cell)
            .ok_or_else(|| FileError::Mend { line, what: format!("\"{cell}\" is not a day of the calendar") })?;
        let mut values = Vec::with_capacity(survey.columns.metrics.len());
        for &(metric, at) in &survey.columns.metrics {
            let value = self.value(record.cell(at), metric, survey).map_err(|what| FileError::Mend {
                line,
                what: format!("{what} (column \"{}\")", survey.columns.headers[at]),
            })?;
            values.push((metric, value));
        }
        Ok(Row { line, arm, day, values })
    }

    fn arm(&mut self, record: Record<'_>, column: &ArmColumn) -> Result<Arc<str>, FileError> {
        let mend = |what: &str| FileError::Mend { line: record.line, what: what.to_owned() };
        let key = match column {
            ArmColumn::Whole(arm) => arm.as_str(),
            ArmColumn::At(at) => identifier(record.cell(*at)),
        };
        if let Some(known) = self.arms.get(key) {
            return Ok(Arc::clone(known));
        }
        if numbers::is_absent(key) {
            return Err(mend(
                "this row has a day but nothing that tells its arm. If it is the sum of a day, delete it; else export \
                 the report with campaign names",
            ));
        }
        if is_rounded(key) {
            return Err(mend(
                "what tells the arm is a long number that a spreadsheet has shortened, so arms cannot be told apart: export \
                 the report again and import it without opening it",
            ));
        }
        if key.chars().count() > LONGEST_ARM {
            return Err(mend("what tells the arm is longer than any name: choose another column with arm_column"));
        }
        if self.arms.len() == MOST_ARMS {
            return Err(FileError::Answer {
                setting: "arm_column",
                what: format!("its column has more than {MOST_ARMS} different values: name one that tells arms apart"),
            });
        }
        // A line break inside quotes would survive into every list of keys.
        let clean: Arc<str> = key.replace(char::is_control, " ").into();
        self.arms.insert(key.to_owned(), Arc::clone(&clean));
        Ok(clean)
    }

    fn value(&mut self, cell: &str, metric: MetricId, survey: &Survey) -> Result<i64, String> {
        if numbers::is_absent(cell) {
            return Ok(0);
        }
        let bare = numbers::bare(cell).ok_or_else(|| format!("\"{cell}\" is not a number"))?;
        if bare.percent || (!bare.money.is_empty() && metric.metric().unit != Unit::Money) {
            return Err(format!("\"{cell}\" is not a plain number, as {metric} must be"));
        }
        let (value, rounded) = numbers::read(bare.body, survey.numbers).map_err(|error| match error {
            NotExact::TooLarge => format!("\"{cell}\" is too large"),
            NotExact::NotPlain | NotExact::TooFine => format!(
                "\"{cell}\" is not written as the other numbers of the file are ({})",
                survey.numbers.describe()
            ),
        })?;
        self.rounded |= rounded;
        if bare.negative && value != 0 {
            return Err(format!("\"{cell}\" is negative, and {metric} cannot be"));
        }
        if is_whole(metric) && value % millionths::ONE != 0 {
            return Err(format!("\"{cell}\" has decimals, and {metric} are whole: is the decimal setting right?"));
        }
        Ok(value)
    }

    fn take_rounded(&mut self) -> bool {
        std::mem::take(&mut self.rounded)
    }
}

/// An id without what spreadsheets need around it: `[400000101]`, `="400000101"`.
pub(super) fn identifier(cell: &str) -> &str {
    let inner = cell.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let inner = inner.or_else(|| cell.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"')));
    inner.filter(|inner| !inner.is_empty() && inner.bytes().all(|byte| byte.is_ascii_digit())).unwrap_or(cell)
}

/// `1.18393E+11`: a long number that a spreadsheet has shown short.
pub(super) fn is_rounded(id: &str) -> bool {
    id.split_once(['E', 'e']).is_some_and(|(digits, power)| {
        digits.contains(['.', ','])
            && digits.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b','))
            && power.strip_prefix('+').is_some_and(|power| power.parse::<u8>().is_ok())
    })
}

/// Who and when in one hash, how much in another.
fn fingerprint(record: Record<'_>, row: &Row, survey: &Survey) -> (u64, u64) {
    let (mut identity, mut numbers) = (DefaultHasher::new(), DefaultHasher::new());
    (row.day, &row.arm).hash(&mut identity);
    for &at in &survey.descriptive {
        record.cell(at).hash(&mut identity);
    }
    for (_, value) in &row.values {
        value.hash(&mut numbers);
    }
    (identity.finish(), numbers.finish())
}

/// Reads a totals row as far as it can be read: it is compared, never counted.
fn totals_row(record: Record<'_>, survey: &Survey, summary: bool) -> TotalsRow {
    let mut values = Values::default();
    for &(metric, at) in &survey.columns.metrics {
        let read = numbers::bare(record.cell(at)).and_then(|bare| numbers::read(bare.body, survey.numbers).ok());
        values.set(metric, read.map(|(value, _)| value));
    }
    let label = if summary { String::new() } else { layout::shown(record) };
    TotalsRow { line: record.line, label, values }
}

#[cfg(test)]
mod tests {
    use super::is_rounded;

    #[test]
    fn an_id_that_a_spreadsheet_shortened_is_known() {
        assert!(is_rounded("1.18393E+11") && is_rounded("1,18393e+11"));
        for id in ["118392822527", "5a749e8", "1E5", "e1f.2E+x"] {
            assert!(!is_rounded(id), "{id}");
        }
    }
}
