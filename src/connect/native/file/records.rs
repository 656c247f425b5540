//! Text to records: fields, the line each record begins on, and whether the file ended as a whole file
//! ends. Not for what the fields mean.

use std::fs::File;
use std::io;

use csv::StringRecord;

use super::FileError;
use super::decode::{Charset, END_MARK, Text};
use super::workbook;

/// What stands between fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Delimiter {
    Comma,
    Semicolon,
    Tab,
}

impl Delimiter {
    pub(super) const ALL: [Self; 3] = [Self::Comma, Self::Semicolon, Self::Tab];

    fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
            Self::Tab => b'\t',
        }
    }

    /// What a person calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Comma => "comma",
            Self::Semicolon => "semicolon",
            Self::Tab => "tab",
        }
    }
}

/// What a spreadsheet writes into a cell whose value it could not work out.
const ERRORS: [&str; 9] =
    ["#DIV/0!", "#N/A", "#NAME?", "#NULL!", "#NUM!", "#REF!", "#VALUE!", "#GETTING_DATA", NO_RESULT];

/// Stands for the result of a formula that no program has worked out yet.
pub(super) const NO_RESULT: &str = "#NO RESULT!";

/// One record and the line it begins on, counted from 1.
#[derive(Clone, Copy)]
pub(super) struct Record<'r> {
    pub line: u64,
    pub fields: &'r StringRecord,
}

impl<'r> Record<'r> {
    /// A field without the white space around it; empty when there is no such field.
    pub(super) fn cell(&self, column: usize) -> &'r str {
        self.fields.get(column).unwrap_or_default().trim()
    }

    /// Refuses a spreadsheet's error in a column that is used: it is neither a name nor an empty cell.
    pub(super) fn refuse_errors(&self, mut used: impl Iterator<Item = usize>) -> Result<(), FileError> {
        let Some(at) = used.find(|&at| ERRORS.contains(&self.cell(at))) else { return Ok(()) };
        let (line, cell) = (self.line, workbook::address(u32::try_from(at).unwrap_or_default(), self.line));
        let what = if self.cell(at) == NO_RESULT {
            format!(
                "cell {cell} holds a formula without its result: open the file in a spreadsheet, save it, and try again"
            )
        } else {
            format!(
                "cell {cell} holds the error {} of a spreadsheet: put the value there, or export again",
                self.cell(at)
            )
        };
        Err(FileError::Mend { line, what })
    }
}

/// The records of a file, one after the other; holds one at a time.
pub(super) struct Records {
    csv: csv::Reader<Text>,
    fields: StringRecord,
    ended: bool,
    /// The last field of each is its line, as of a sheet.
    numbered: bool,
    /// Fields that each has at least.
    width: usize,
}

impl Records {
    /// Starts at the first byte of a file.
    pub(super) fn new(file: &File, charset: Charset, delimiter: Delimiter) -> Result<Self, FileError> {
        let text = Text::new(file.try_clone()?, charset)?;
        let csv =
            csv::ReaderBuilder::new().delimiter(delimiter.byte()).has_headers(false).flexible(true).from_reader(text);
        Ok(Self { csv, fields: StringRecord::new(), ended: false, numbered: false, width: 0 })
    }

    /// Starts at the first row of a sheet.
    pub(super) fn of_sheet(rows: &File, charset: Charset) -> Result<Self, FileError> {
        Ok(Self { numbered: true, ..Self::new(rows, charset, Delimiter::Comma)? })
    }

    /// A row of a sheet ends with its last cell that is not empty: from here on each is as wide as the table, or wider.
    pub(super) fn widen(&mut self, width: usize) {
        self.width = if self.numbered { width } else { 0 };
    }

    /// The next record; `None` at the end of a file whose quotes are all closed.
    pub(super) fn next(&mut self) -> Result<Option<Record<'_>>, FileError> {
        if self.ended {
            return Ok(None);
        }
        self.csv.get_mut().begin_record();
        let more = self.csv.read_record(&mut self.fields).map_err(unwrap)?;
        let inside: usize = self.fields.iter().map(|field| field.matches('\n').count()).sum();
        // The position is that of the next record; empty lines before this one were passed over.
        let line = self.csv.position().line().saturating_sub(1 + inside as u64).max(1);
        let last = self.fields.iter().next_back().unwrap_or_default();
        if more && self.fields.len() == 1 && last.strip_prefix(END_MARK) == Some("") {
            self.ended = true;
            return Ok(None);
        }
        if !more || last.contains(END_MARK) {
            return Err(FileError::Mend {
                // This record ends with the file, not with a line end of its own.
                line: line + 1,
                what: "a quote opened here never closes, so the file is damaged or cut: download it again".to_owned(),
            });
        }
        let line = if self.numbered { self.take_line()? } else { line };
        while self.fields.len() < self.width {
            self.fields.push_field("");
        }
        Ok(Some(Record { line, fields: &self.fields }))
    }

    fn take_line(&mut self) -> Result<u64, FileError> {
        let behind = self.fields.len().saturating_sub(1);
        let line = self.fields.get(behind).and_then(|field| field.parse().ok());
        self.fields.truncate(behind);
        line.ok_or_else(|| FileError::Open("the sheet that was kept aside is damaged: try again".to_owned()))
    }

    /// The last line had no line end. True answers only after [`Records::next`] gave `None`.
    pub(super) fn has_open_end(&self) -> bool {
        self.csv.get_ref().open_end
    }
}

/// Errors of our own pass through the CSV reader; they come out as they went in.
fn unwrap(error: csv::Error) -> FileError {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => FileError::from(error),
        _ => FileError::ExportAgain("the file is not readable as CSV: export it again".to_owned()),
    }
}

impl From<io::Error> for FileError {
    fn from(error: io::Error) -> Self {
        match error.downcast::<Self>() {
            Ok(own) => own,
            Err(error) => Self::Open(format!("the file cannot be read: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::decode;
    use super::*;

    fn read(text: &str, delimiter: Delimiter) -> Result<Vec<(u64, Vec<String>)>, String> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        let charset = decode::detect(&mut file).map_err(|error| error.to_string())?;
        let mut records = Records::new(&file, charset, delimiter).unwrap();
        let mut found = Vec::new();
        while let Some(record) = records.next().map_err(|error| error.to_string())? {
            found.push((record.line, record.fields.iter().map(str::to_owned).collect()));
        }
        Ok(found)
    }

    #[test]
    fn x1_lines_are_counted_over_blank_lines_quoted_newlines_and_every_line_end() {
        let text = "a,b\n\n\"c\nd\",e\nf,g\n";
        for end in ["\n", "\r\n", "\r"] {
            let found = read(&text.replace('\n', end), Delimiter::Comma).unwrap();
            let lines: Vec<u64> = found.iter().map(|(line, _)| *line).collect();
            assert_eq!(lines, [1, 3, 5], "{end:?}");
            assert_eq!(found[1].1, ["c\nd", "e"]);
        }
    }

    #[test]
    fn x2_a_quote_that_never_closes_is_refused_with_its_line() {
        let error = read("a,b\nc,\"d", Delimiter::Comma).unwrap_err();
        assert!(error.starts_with("line 2:"), "{error}");
        let error = read("a,b\n\"c,d\ne,f\n", Delimiter::Comma).unwrap_err();
        assert!(error.starts_with("line 2:"), "{error}");
        assert!(read("\"", Delimiter::Comma).is_err());
    }

    #[test]
    fn x2_a_record_beyond_the_cap_is_refused() {
        let long = format!("a,b\n{},c\n", "x".repeat(decode::LONGEST_RECORD + 100_000));
        assert!(read(&long, Delimiter::Comma).unwrap_err().contains("1 MiB"));
        let open = format!("a,b\n\"{}", "x,y\n".repeat(decode::LONGEST_RECORD / 3));
        assert!(read(&open, Delimiter::Comma).unwrap_err().contains("1 MiB"));
    }
}
