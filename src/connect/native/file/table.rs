//! A file as a table of cells: text in some encoding, or one sheet of a workbook. Where the two differ ends here; not for
//! what cells mean.

use std::fs::File;
use std::path::Path;
use std::time::SystemTime;

use csv::StringRecord;

use super::FileError;
use super::decode::{self, Charset};
use super::layout::Layout;
use super::records::{Delimiter, Records};
use super::workbook::{self, Sheet};

/// A file that holds a table.
#[derive(Debug)]
pub(super) struct Table {
    file: File,
    stamp: Stamp,
    charset: Charset,
    sheet: Option<Sheet>,
}

impl Table {
    /// Opens a file. Of a workbook it takes the sheet that `sheet` names, else the one with a row of column names: `known`
    /// counts them in a row, and such a row has `least` of them.
    pub(super) fn open(
        path: &Path,
        sheet: Option<&str>,
        known: impl Fn(&StringRecord) -> usize,
        least: usize,
    ) -> Result<Self, FileError> {
        let mut file = decode::open(path)?;
        let stamp = Stamp::of(&file)?;
        if workbook::is_one(&mut file)? {
            let sheet = workbook::read(file.try_clone()?, sheet, |row| known(row) >= least)?;
            return Ok(Self { file, stamp, charset: workbook::CHARSET, sheet: Some(sheet) });
        }
        let charset = decode::detect(&mut file)?;
        Ok(Self { file, stamp, charset, sheet: None })
    }

    /// Its records, from the first.
    pub(super) fn records(&self, delimiter: Delimiter) -> Result<Records, FileError> {
        match &self.sheet {
            Some(sheet) => Records::of_sheet(&sheet.rows, self.charset),
            None => Records::new(&self.file, self.charset, delimiter),
        }
    }

    /// The records below the header, from the first.
    pub(super) fn records_below(&self, layout: &Layout) -> Result<Records, FileError> {
        let mut records = self.records(layout.delimiter)?;
        while let Some(record) = records.next()? {
            if record.line >= layout.header_line {
                break;
            }
        }
        records.widen(layout.header.len());
        Ok(records)
    }

    /// What may stand between its fields.
    pub(super) fn delimiters(&self) -> &'static [Delimiter] {
        if self.sheet.is_some() { &[Delimiter::Comma] } else { &Delimiter::ALL }
    }

    /// The name of the sheet, of a workbook.
    pub(super) fn sheet_name(&self) -> Option<&str> {
        self.sheet.as_ref().map(|sheet| sheet.name.as_str())
    }

    /// How its letters are written, and what stands between its fields.
    pub(super) fn written(&self, layout: &Layout) -> (String, String) {
        match &self.sheet {
            Some(_) => ("XLSX".to_owned(), "cell".to_owned()),
            None => (self.charset.name.to_owned(), layout.delimiter.name().to_owned()),
        }
    }

    /// What was taken for granted, for people.
    pub(super) fn notes(&self) -> Vec<String> {
        self.sheet.as_ref().map(|sheet| sheet.notes.clone()).unwrap_or_default()
    }

    /// What a person should look at.
    pub(super) fn warnings(&self) -> Vec<String> {
        if !self.charset.guessed {
            return vec![];
        }
        vec![format!(
            "the file does not say how its letters are written; {} was taken: check the names below",
            self.charset.name
        )]
    }

    /// Refuses cells below the names that are merged over several rows: only the first row would have what all are to mean.
    pub(super) fn refuse_merged(&self, names_end: u64) -> Result<(), FileError> {
        let merged = self.sheet.iter().flat_map(|sheet| &sheet.merged).find(|merged| merged.last_line > names_end);
        merged.map_or(Ok(()), |merged| {
            Err(FileError::Mend {
                line: merged.first_line,
                what: format!(
                    "the cells {} are merged, so only the first of their rows says what stands there: unmerge them and \
                     fill each row, or export again",
                    merged.range
                ),
            })
        })
    }

    /// Refuses a file that was written to while it was read.
    pub(super) fn check_unchanged(&self) -> Result<(), FileError> {
        if Stamp::of(&self.file)? == self.stamp {
            return Ok(());
        }
        Err(FileError::Open("the file changed while it was read: wait until it is written, then try again".to_owned()))
    }
}

/// What changes when a file is written to.
#[derive(Debug, PartialEq, Eq)]
struct Stamp(u64, Option<SystemTime>);

impl Stamp {
    /// As the file is now.
    fn of(file: &File) -> Result<Self, FileError> {
        let metadata = file.metadata()?;
        Ok(Self(metadata.len(), metadata.modified().ok()))
    }
}
