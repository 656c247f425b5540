//! `export`: the store's tables as files for spreadsheets and other programs, or all that is stored of one person.

mod parquet;

use std::collections::BTreeMap;
use std::fs::{DirBuilder, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::{Map, Value};
use tempfile::NamedTempFile;

use self::parquet::Parquet;
use super::forget::spoken_of;
use super::output::{Failure, Output, counted};
use crate::app::App;
use crate::store::{Cell, OfPerson, Store, StoreError, Table};

/// What to export, and where to.
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// A folder for observations, responses, verdicts and decisions, a file each; no file that exists is written over.
    #[arg(required_unless_present = "person")]
    folder: Option<PathBuf>,
    /// csv for spreadsheets, json for programs: one object a line; parquet for databases and notebooks.
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,
    /// Print all that is stored of one person instead, earlier states and free text included; - reads the address from
    /// the standard input.
    #[arg(long, value_name = "PERSON", conflicts_with_all = ["folder", "format"])]
    person: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Csv,
    Json,
    Parquet,
}

impl Format {
    fn ending(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "jsonl",
            Self::Parquet => "parquet",
        }
    }
}

#[derive(Serialize)]
struct Written {
    table: &'static str,
    file: PathBuf,
    rows: u64,
}

#[derive(Serialize)]
struct Act<'a> {
    source: &'a str,
    response_id: &'a str,
    at: &'a str,
    depth: &'a str,
    arm_key: &'a str,
    is_current: bool,
    answers: &'a BTreeMap<String, String>,
    texts: &'a BTreeMap<String, String>,
}

/// Writes the files, or prints what is stored of a person.
///
/// # Errors
/// When the store cannot be read or a file cannot be written.
pub async fn run(args: &ExportArgs, path: &Path, output: &Output) -> Result<ExitCode, Failure> {
    let person = args.person.as_deref().map(|person| spoken_of(person, "of whom?")).transpose()?;
    let app = App::open(path).await?;
    let store = &app.parts.store;
    let done = match (person, &args.folder) {
        (Some(person), _) => {
            show(&store.of_person(&person).await?, output);
            Ok(())
        }
        (None, Some(folder)) => write(store, folder, args.format, output).await,
        (None, None) => Err(Failure::usage("name a folder to write to, as in `willitsell export june`")),
    };
    app.parts.store.close().await;
    done.map(|()| ExitCode::SUCCESS)
}

fn show(acts: &[OfPerson], output: &Output) {
    for act in acts {
        let OfPerson { source, response_id, at, depth, arm_key, is_current, answers, texts } = act;
        let line = Act { source, response_id, at, depth, arm_key, is_current: *is_current, answers, texts };
        output.show(&line, || {
            let state = if *is_current { "" } else { " (earlier state)" };
            let mut text = format!("{at} {depth} at {source}{state}: {response_id}, version {arm_key:?}");
            for (name, answer) in answers.iter().chain(texts) {
                text.push_str(&format!("\n  {name}: {answer}"));
            }
            text
        });
    }
    output.say(&format!(
        "{}. The address itself is not stored, only a keyed hash of it.",
        counted(acts.len() as u64, "state")
    ));
}

async fn write(store: &Store, folder: &Path, format: Format, output: &Output) -> Result<(), Failure> {
    let failed = |source| StoreError::File { path: folder.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed)?;
    let file = |table: Table| folder.join(format!("{}.{}", table.name(), format.ending()));
    if let Some(taken) = Table::ALL.map(file).into_iter().find(|file| file.exists()) {
        return Err(StoreError::Exists { path: taken }.into());
    }
    let mut export = store.export();
    let mut whole = Vec::new();
    for table in Table::ALL {
        let mut writer = Writer::new(folder, table, format).map_err(failed)?;
        writer = export.rows(table, writer, Writer::row).await?;
        let rows = writer.rows;
        whole.push((table, writer.finish().map_err(failed)?, rows));
    }
    // Only once all are whole does any of them get its name.
    for (table, written, rows) in whole {
        let file = file(table);
        written.persist_noclobber(&file).map_err(|error| failed(error.error))?;
        let written = Written { table: table.name(), file, rows };
        output.show(&written, || format!("{}: {}", written.file.display(), counted(rows, "row")));
    }
    Ok(())
}

/// A table on its way into a file that its owner alone can read.
struct Writer {
    folder: PathBuf,
    columns: Vec<&'static str>,
    into: Into,
    rows: u64,
}

enum Into {
    Csv(Box<csv::Writer<NamedTempFile>>),
    Json(BufWriter<NamedTempFile>),
    Parquet(Box<Parquet<NamedTempFile>>),
}

impl Writer {
    fn new(folder: &Path, table: Table, format: Format) -> io::Result<Self> {
        let (file, columns) = (NamedTempFile::new_in(folder)?, table.columns());
        let into = match format {
            Format::Json => Into::Json(BufWriter::new(file)),
            Format::Parquet => Into::Parquet(Box::new(Parquet::new(file, table)?)),
            Format::Csv => {
                let mut writer = csv::Writer::from_writer(file);
                writer.write_record(&columns)?;
                Into::Csv(Box::new(writer))
            }
        };
        Ok(Self { folder: folder.to_owned(), columns, into, rows: 0 })
    }

    fn row(&mut self, cells: Vec<Cell>) -> Result<(), StoreError> {
        self.rows += 1;
        self.put(cells).map_err(|source| StoreError::File { path: self.folder.clone(), source })
    }

    fn put(&mut self, cells: Vec<Cell>) -> io::Result<()> {
        match &mut self.into {
            Into::Parquet(writer) => writer.row(cells),
            Into::Csv(writer) => {
                let texts = cells.into_iter().map(|cell| match cell {
                    Cell::Empty => String::new(),
                    Cell::Number(number) => number,
                    Cell::Text(text) => tamed(&text),
                });
                writer.write_record(texts)?;
                Ok(())
            }
            Into::Json(writer) => {
                let object: Map<String, Value> =
                    self.columns.iter().map(|&name| name.to_owned()).zip(cells.into_iter().map(value)).collect();
                serde_json::to_writer(&mut *writer, &object)?;
                writer.write_all(b"\n")
            }
        }
    }

    fn finish(self) -> io::Result<NamedTempFile> {
        let file = match self.into {
            Into::Csv(writer) => writer.into_inner().map_err(csv::IntoInnerError::into_error)?,
            Into::Json(writer) => writer.into_inner().map_err(io::IntoInnerError::into_error)?,
            Into::Parquet(writer) => writer.finish()?,
        };
        File::sync_all(file.as_file())?;
        Ok(file)
    }
}

/// A text that holds an object is that object.
fn value(cell: Cell) -> Value {
    match cell {
        Cell::Empty => Value::Null,
        Cell::Number(number) => serde_json::from_str(&number).unwrap_or(Value::String(number)),
        Cell::Text(text) if text.starts_with('{') => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        Cell::Text(text) => Value::String(text),
    }
}

/// What makes a spreadsheet take a text for a formula, at its beginning, in either width.
const BEGINS_A_FORMULA: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];

/// A text in which no spreadsheet finds a formula, whichever character it takes for the one between cells: an apostrophe
/// stands before whatever would begin one, and before an apostrophe there, so that taking one away gives the text back.
fn tamed(text: &str) -> String {
    let mut tamed = String::with_capacity(text.len());
    let mut begins = true;
    for character in text.chars() {
        let separates = matches!(character, ',' | ';' | '|' | '\t' | '\r' | '\n');
        let is_blank_start = begins && matches!(character, '\t' | '\r');
        if begins && (BEGINS_A_FORMULA.contains(&character) || character == '\'' || is_blank_start) {
            tamed.push('\'');
        }
        tamed.push(character);
        // A quotation mark may open a cell after a separator, and a space is skipped there.
        begins = separates || begins && matches!(character, '"' | ' ');
    }
    tamed
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The text that was tamed.
    fn wild(tamed: &str) -> String {
        let mut text = String::new();
        let (mut begins, mut characters) = (true, tamed.chars());
        while let Some(mut character) = characters.next() {
            if begins && character == '\'' {
                character = characters.next().unwrap();
            }
            text.push(character);
            let separates = matches!(character, ',' | ';' | '|' | '\t' | '\r' | '\n');
            begins = separates || begins && matches!(character, '"' | ' ');
        }
        text
    }

    #[test]
    fn x3_no_text_is_a_formula_and_each_comes_back() {
        let hostile = [
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            "\t=1",
            "\r=1",
            "＝1",
            "＋1",
            "－1",
            "＠1",
            "a;=1",
            "a,=1",
            "a\t=1",
            "a\n=1",
            "a;\"=1",
            "a; =1",
            "'=1",
            "''",
            "",
            "plain",
            "a-b",
            "2026-03-01",
            "=HYPERLINK(\"https://evil.example\";\"x\")",
            "ünïcode",
            "'",
            "a;'b",
        ];
        for text in hostile {
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record(["-5", &tamed(text)]).unwrap();
            let written = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            assert!(written.starts_with("-5,"), "a number stays a number");
            for separator in *b",;\t|" {
                // As a spreadsheet reads it that expects this character between cells.
                let mut reader = csv::ReaderBuilder::new()
                    .delimiter(separator)
                    .has_headers(false)
                    .flexible(true)
                    .from_reader(written.as_bytes());
                for record in reader.records() {
                    for cell in record.unwrap().iter().filter(|cell| !cell.starts_with("-5")) {
                        let first = cell.trim_start_matches([' ', '"']).chars().next().unwrap_or('a');
                        assert!(
                            !BEGINS_A_FORMULA.contains(&first) && !matches!(first, '\t' | '\r'),
                            "{text:?}: {cell:?}"
                        );
                    }
                }
            }
            let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(written.as_bytes());
            let record = reader.records().next().unwrap().unwrap();
            assert_eq!(wild(&record[1]), text);
        }
    }
}
