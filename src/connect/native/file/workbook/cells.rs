//! The cells of a sheet, row after row, each as text. Holds one row at a time.

use std::fs::File;
use std::io::BufReader;

use calamine::{DataRef, ExcelDateTime, XlsxCellReader};
use csv::StringRecord;

use super::super::FileError;
use super::super::decode::LONGEST_RECORD;
use super::super::records::NO_RESULT;
use super::{INSTEAD, unreadable};

/// Where a sheet ends.
const ROWS: u32 = 1 << 20;
const COLUMNS: u32 = 1 << 14;

/// Largest whole number that a cell holds exactly.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A cell that is not empty: row and column, from 0, and its text.
type Placed = (u32, u32, String);

/// The rows of a sheet that have anything in them.
pub(super) struct Rows<'w> {
    cells: XlsxCellReader<'w, BufReader<File>>,
    /// The first cell of the next row.
    ahead: Option<Placed>,
    row: StringRecord,
    /// Behind its end the reader takes the rest of the sheet for a sheet that is cut.
    ended: bool,
}

impl<'w> Rows<'w> {
    pub(super) fn new(cells: XlsxCellReader<'w, BufReader<File>>) -> Self {
        Self { cells, ahead: None, row: StringRecord::new(), ended: false }
    }

    /// The next row and the line it stands on, from 1; it ends with its last cell that is not empty.
    pub(super) fn next(&mut self) -> Result<Option<(u64, &mut StringRecord)>, FileError> {
        let Some((at, column, text)) = self.ahead.take().map_or_else(|| self.cell(), |cell| Ok(Some(cell)))? else {
            return Ok(None);
        };
        let line = u64::from(at) + 1;
        self.row.clear();
        self.put(line, column, &text)?;
        while let Some((row, column, text)) = self.cell()? {
            if row < at {
                return Err(damaged(line));
            }
            if row > at {
                self.ahead = Some((row, column, text));
                break;
            }
            self.put(line, column, &text)?;
        }
        Ok(Some((line, &mut self.row)))
    }

    /// Puts a cell behind those to its left.
    fn put(&mut self, line: u64, column: u32, text: &str) -> Result<(), FileError> {
        let column = usize::try_from(column).map_err(|_| damaged(line))?;
        if column < self.row.len() {
            return Err(damaged(line));
        }
        while self.row.len() < column {
            self.row.push_field("");
        }
        if self.row.as_slice().len() + text.len() > LONGEST_RECORD / 2 {
            return Err(FileError::Mend {
                line,
                what: "one row takes more than 512 KiB, so this is no table".to_owned(),
            });
        }
        self.row.push_field(text);
        Ok(())
    }

    /// The next cell that is not empty.
    fn cell(&mut self) -> Result<Option<Placed>, FileError> {
        while !self.ended {
            let Some(cell) = self.cells.next_cell_with_formula_metadata().map_err(unreadable)? else {
                self.ended = true;
                break;
            };
            let (row, column) = cell.pos;
            let line = u64::from(row) + 1;
            if row >= ROWS || column >= COLUMNS {
                return Err(damaged(line));
            }
            let text = match (&cell.value, &cell.formula) {
                // Written by a program that works nothing out. What is to stand there is not nothing.
                (DataRef::Empty, Some(_)) => NO_RESULT.to_owned(),
                (value, _) => text(value),
            };
            if !text.is_empty() {
                // Pasted texts hold some; in a file of text they would say that it is none.
                let is_stray = |letter: char| letter.is_control() && !matches!(letter, '\n' | '\r' | '\t');
                return Ok(Some((row, column, text.replace(is_stray, " "))));
            }
        }
        Ok(None)
    }
}

fn damaged(line: u64) -> FileError {
    FileError::Mend {
        line,
        what: format!("the cells around here are out of order, so the sheet is damaged: {INSTEAD}"),
    }
}

fn text(value: &DataRef<'_>) -> String {
    match value {
        DataRef::Int(number) => number.to_string(),
        DataRef::Float(number) => number_text(*number),
        DataRef::String(text) | DataRef::DateTimeIso(text) | DataRef::DurationIso(text) => text.clone(),
        DataRef::SharedString(text) => (*text).to_owned(),
        DataRef::Bool(is) => if *is { "TRUE" } else { "FALSE" }.to_owned(),
        DataRef::DateTime(at) => instant_text(*at),
        DataRef::Error(error) => error.to_string(),
        DataRef::Empty => String::new(),
    }
}

/// A number with the 15 digits that a spreadsheet shows: 0.1 + 0.2 is 0.3. A whole number beyond what a cell holds exactly
/// is written short, as a spreadsheet does, so that nobody takes its last digits for those of an id.
fn number_text(number: f64) -> String {
    // Minus nothing is nothing.
    let number = number + 0.0;
    if number.fract() == 0.0 && number.abs() <= EXACT {
        return format!("{number:.0}");
    }
    let power = format!("{number:.14e}").split_once('e').and_then(|(_, power)| power.parse::<i32>().ok());
    match power {
        Some(power @ -20..=14) => {
            let decimals = usize::try_from(14 - power).unwrap_or_default();
            let long = format!("{number:.decimals$}");
            if long.contains('.') { long.trim_end_matches('0').trim_end_matches('.').to_owned() } else { long }
        }
        Some(power) if power > 14 => format!("{number:.5e}").replace('e', "E+"),
        _ => format!("{number:e}"),
    }
}

/// A day as 2026-03-02, with its time where it has one; a time or a span without a day as 26:30:00.
fn instant_text(at: ExcelDateTime) -> String {
    let serial = at.as_f64();
    if at.is_duration() || (0.0..1.0).contains(&serial) {
        #[expect(clippy::cast_possible_truncation, reason = "a cast of too large a number is the largest one")]
        let seconds = (serial * 86_400.0).round() as i64;
        return format!("{}:{:02}:{:02}", seconds / 3_600, (seconds / 60 % 60).abs(), (seconds % 60).abs());
    }
    // No day of a spreadsheet's calendar, whatever its format says.
    if !(0.0..2_958_466.0).contains(&serial) {
        return number_text(serial);
    }
    let (year, month, day, hour, minute, second, milli) = at.to_ymd_hms_milli();
    let day = format!("{year}-{month:02}-{day:02}");
    match (hour, minute, second, milli) {
        (0, 0, 0, 0) => day,
        (_, _, _, 0) => format!("{day} {hour:02}:{minute:02}:{second:02}"),
        _ => format!("{day} {hour:02}:{minute:02}:{second:02}.{milli:03}"),
    }
}

#[cfg(test)]
mod tests {
    use calamine::ExcelDateTimeType;

    use super::*;

    #[test]
    fn numbers_have_the_digits_that_a_spreadsheet_shows() {
        for (number, text) in [
            (0.1 + 0.2, "0.3"),
            (1.1 * 3.0, "3.3"),
            (1234.5, "1234.5"),
            (1_234_567.89, "1234567.89"),
            (-0.0, "0"),
            (-12.5, "-12.5"),
            (1e-7, "0.0000001"),
            (2.0 / 3.0, "0.666666666666667"),
            (123_456_789_012_345.6, "123456789012346"),
            (9_007_199_254_740_992.0, "9007199254740992"),
            (17_841_400_000_000_123.0, "1.78414E+16"),
            (-17_841_400_000_000_123.0, "-1.78414E+16"),
            (f64::INFINITY, "inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(number_text(number), text);
        }
    }

    #[test]
    fn days_have_one_form_in_both_calendars() {
        let text = |serial, kind, is_1904| instant_text(ExcelDateTime::new(serial, kind, is_1904));
        let day = |serial| text(serial, ExcelDateTimeType::DateTime, false);
        assert_eq!(day(46_083.0), "2026-03-02");
        assert_eq!(text(46_083.0 - 1_462.0, ExcelDateTimeType::DateTime, true), "2026-03-02");
        assert_eq!(day(46_083.416_666_666_664), "2026-03-02 10:00:00");
        assert_eq!(day(46_083.999_999_999_99), "2026-03-03");
        assert_eq!(day(0.4375), "10:30:00");
        assert_eq!(text(1.104_166_666_666_667, ExcelDateTimeType::TimeDelta, false), "26:30:00");
        assert_eq!((day(-5.0).as_str(), day(3e6).as_str()), ("-5", "3000000"));
    }
}
