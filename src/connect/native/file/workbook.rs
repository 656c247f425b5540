//! A sheet of a workbook (XLSX) as rows of text: each cell as a CSV of the sheet would have it, but for days and times, which
//! come in one form, and numbers, which come exact. Rows go into a nameless file, with the line they stand on.

mod cells;
mod guard;

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};

use calamine::{Dimensions, Reader, SheetType, SheetVisible, Xlsx, XlsxError};
use csv::StringRecord;
use encoding_rs::UTF_8;

use super::FileError;
use super::decode::{Charset, charset};
use super::layout::HEAD;
use cells::Rows;

/// How the rows of a sheet are kept.
pub(super) const CHARSET: Charset = charset(UTF_8, "UTF-8");

/// The most that the rows of a sheet may take as text: few cells may refer to one long text often.
const LARGEST_TEXT: u64 = 1 << 30;

/// What a person does with a workbook that is not read.
const INSTEAD: &str = "save the sheet as CSV and import that";

type Workbook = Xlsx<BufReader<File>>;

/// A sheet that has been read.
#[derive(Debug)]
pub(super) struct Sheet {
    pub name: String,
    /// Its rows as CSV, the last field of each the line it stands on.
    pub rows: File,
    /// Cells that are merged over several rows.
    pub merged: Vec<Merged>,
    pub notes: Vec<String>,
}

/// Cells that are merged over several rows.
#[derive(Debug)]
pub(super) struct Merged {
    pub first_line: u64,
    pub last_line: u64,
    /// As `A2:A4`.
    pub range: String,
}

/// Whether a file may be a workbook: a ZIP archive.
pub(super) fn is_one(file: &mut File) -> Result<bool, FileError> {
    let mut head = Vec::new();
    file.rewind()?;
    Read::by_ref(file).take(4).read_to_end(&mut head)?;
    Ok(head == b"PK\x03\x04")
}

/// Reads the sheet that `wanted` names, else the only one that is shown and has a row of column names.
pub(super) fn read(
    file: File,
    wanted: Option<&str>,
    is_header: impl Fn(&StringRecord) -> bool,
) -> Result<Sheet, FileError> {
    guard::check(&file)?;
    let mut workbook: Workbook = Xlsx::new(BufReader::new(file)).map_err(unreadable)?;
    let (name, notes) = choose(&mut workbook, wanted, is_header)?;
    let merged = workbook.merge_cells_by_sheet_name(&name).map_err(unreadable)?;
    let rows = spooled(&mut workbook, &name).map_err(|error| error.in_sheet(Some(&name)))?;
    Ok(Sheet { merged: merged.into_iter().filter_map(over_rows).collect(), name, rows, notes })
}

/// The sheet to read, and what is to be said about the others.
fn choose(
    workbook: &mut Workbook,
    wanted: Option<&str>,
    is_header: impl Fn(&StringRecord) -> bool,
) -> Result<(String, Vec<String>), FileError> {
    let sheets = workbook.sheets_metadata().iter().filter(|sheet| sheet.typ == SheetType::WorkSheet);
    let (shown, hidden): (Vec<_>, Vec<_>) = sheets.cloned().partition(|sheet| sheet.visible == SheetVisible::Visible);
    let named = |sheets: &[calamine::Sheet]| sheets.iter().map(|sheet| plain(&sheet.name)).collect::<Vec<_>>();
    let answer = |what: String| Err(FileError::Answer { setting: "sheet", what });
    if let Some(wanted) = wanted {
        let is_wanted = |sheet: &&calamine::Sheet| sheet.name.trim().to_lowercase() == wanted.trim().to_lowercase();
        return match shown.iter().chain(&hidden).find(is_wanted) {
            Some(sheet) => Ok((sheet.name.clone(), vec![])),
            None => answer(format!(
                "no sheet is called \"{wanted}\". Write one of these in sheet: {}",
                [named(&shown), named(&hidden)].concat().join(", ")
            )),
        };
    }
    let mut with_table = Vec::new();
    for sheet in &shown {
        let mut rows = Rows::new(workbook.worksheet_cells_reader(&sheet.name).map_err(unreadable)?);
        for _ in 0..HEAD {
            match rows.next().map_err(|error| error.in_sheet(Some(&sheet.name)))? {
                Some((_, row)) if is_header(row) => {
                    with_table.push(sheet.clone());
                    break;
                }
                Some(_) => {}
                None => break,
            }
        }
    }
    let mut notes = Vec::new();
    if !hidden.is_empty() {
        notes.push(format!("hidden sheets are not read: {}", named(&hidden).join(", ")));
    }
    match (&with_table[..], &shown[..]) {
        ([one], _) | ([], [one]) => Ok((one.name.clone(), notes)),
        ([], []) => Err(FileError::ExportAgain(format!("the workbook shows no sheet with cells: {INSTEAD}"))),
        ([], several) => Err(FileError::ExportAgain(format!(
            "no sheet has a row with column names in its first {HEAD} rows; the sheets are: {}. Export the report again \
             with its column names, in English, German, French or Spanish",
            named(several).join(", ")
        ))),
        (several, _) => answer(format!(
            "several sheets hold a table: {}. Write the one to read in sheet; one import reads one sheet",
            named(several).join(", ")
        )),
    }
}

/// Writes the rows of a sheet into a nameless file.
fn spooled(workbook: &mut Workbook, name: &str) -> Result<File, FileError> {
    let mut rows = Rows::new(workbook.worksheet_cells_reader(name).map_err(unreadable)?);
    let spool = BufWriter::new(tempfile::tempfile()?);
    let mut spool = csv::WriterBuilder::new().flexible(true).from_writer(spool);
    let mut written = 0;
    let not_written = |error: csv::Error| FileError::Open(format!("the sheet cannot be kept aside: {error}"));
    while let Some((line, row)) = rows.next()? {
        written += row.as_slice().len() as u64;
        if written > LARGEST_TEXT {
            return Err(FileError::ExportAgain(format!("the sheet holds more than 1 GiB of text: {INSTEAD}")));
        }
        row.push_field(&line.to_string());
        spool.write_record(&*row).map_err(not_written)?;
    }
    let mut spool = spool.into_inner().map_err(|error| FileError::Open(error.to_string()))?;
    spool.flush()?;
    spool.into_inner().map_err(|error| FileError::from(error.into_error()))
}

fn over_rows(cells: Dimensions) -> Option<Merged> {
    let ((top, left), (bottom, right)) = (cells.start, cells.end);
    (top < bottom).then(|| Merged {
        first_line: u64::from(top) + 1,
        last_line: u64::from(bottom) + 1,
        range: format!("{}:{}", address(left, u64::from(top) + 1), address(right, u64::from(bottom) + 1)),
    })
}

/// A cell as people call it: column 2 on line 7 is `C7`.
pub(super) fn address(column: u32, line: u64) -> String {
    let (mut letters, mut rest) = (Vec::new(), column + 1);
    while rest > 0 {
        letters.push(b'A' + u8::try_from((rest - 1) % 26).unwrap_or_default());
        rest = (rest - 1) / 26;
    }
    letters.reverse();
    format!("{}{line}", String::from_utf8_lossy(&letters))
}

/// A name of somebody else's, on one line.
fn plain(name: &str) -> String {
    name.replace(char::is_control, " ")
}

fn unreadable(error: XlsxError) -> FileError {
    FileError::ExportAgain(match error {
        XlsxError::Password => format!("the workbook has a password: {INSTEAD}"),
        error => format!(
            "this is no XLSX workbook that can be read ({}): download it again, or {INSTEAD}",
            plain(&error.to_string())
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_called_as_in_a_spreadsheet() {
        for (column, name) in [(0, "A7"), (25, "Z7"), (26, "AA7"), (701, "ZZ7"), (702, "AAA7"), (16_383, "XFD7")] {
            assert_eq!(address(column, 7), name);
        }
    }
}
