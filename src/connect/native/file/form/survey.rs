//! The first pass over an export of answers: its header, how it writes times, which column holds addresses, and how it
//! tells whole answers from begun ones. Everything the second pass needs in order to read a row without guessing.

use std::collections::BTreeMap;
use std::path::Path;

use chrono_tz::Tz;
use csv::StringRecord;

use crate::domain::intake::Question;

use super::super::FileError;
use super::super::layout::{self, Layout};
use super::super::records::{Record, Records};
use super::super::survey::{ZoneFrom, wrong_width};
use super::super::table::Table;
use super::columns::{self, FormColumns};
use super::instants::{self, InstantFormat};
use super::settings::FormSettings;

/// More kinds of status than any tool has; beyond it the column holds something else.
const MOST_STATUSES: usize = 20;

/// What tools write of an answer that was sent off, and of one that was not, in small letters.
const COMPLETE: [&str; 9] =
    ["complete", "completed", "finished", "submitted", "true", "1", "abgeschlossen", "terminé", "completado"];
const PARTIAL: [&str; 9] =
    ["partial", "started", "incomplete", "in progress", "disqualified", "false", "0", "abandoned", "screened out"];

/// An export that has been read once.
#[derive(Debug)]
pub(super) struct FormSurvey {
    pub table: Table,
    pub layout: Layout,
    pub columns: FormColumns,
    pub instants: InstantFormat,
    pub zone: Option<(Tz, ZoneFrom)>,
    /// The column that says who answered.
    pub person: Option<usize>,
    /// The column of the status, and what stands there of a whole answer.
    pub complete: Option<(usize, Vec<String>)>,
    /// Forms opened are counted: of begun answers too, or by the user's word.
    pub counts_opens: bool,
    /// Line of the last row of names.
    pub names_end: u64,
    pub notes: Vec<String>,
    pub warnings: Vec<String>,
}

impl FormSurvey {
    /// Whether an answer was sent, or only begun.
    pub(super) fn is_whole(&self, record: Record<'_>) -> bool {
        let says_so =
            |(column, complete): &(usize, Vec<String>)| complete.contains(&record.cell(*column).to_lowercase());
        self.complete.as_ref().is_none_or(says_so)
    }

    /// Reads an export through once.
    pub(super) fn of(path: &Path, settings: &FormSettings, questions: &[Question]) -> Result<Self, FileError> {
        let time_column = settings.time_column.as_deref();
        let known = |record: &StringRecord| columns::known(record.iter(), time_column);
        let table = Table::open(path, settings.sheet.as_deref(), known, 1)?;
        let sheet = table.sheet_name().map(str::to_owned);
        Self::through(table, settings, questions).map_err(|error| error.in_sheet(sheet.as_deref()))
    }

    fn through(table: Table, settings: &FormSettings, questions: &[Question]) -> Result<Self, FileError> {
        let time_column = settings.time_column.as_deref();
        let layout = layout::find(&table, |record| columns::known(record.iter(), time_column), 1)?;
        let (names, names_end) = names(&table, &layout, settings)?;
        table.refuse_merged(names_end)?;
        let columns = FormColumns::of(&names, settings, questions)?;
        let mut notebook = Notebook::default();
        let mut records = records_below(&table, &layout, names_end)?;
        let mut last_line = 0;
        while let Some(record) = records.next()? {
            if is_empty(record) {
                continue;
            }
            if record.fields.len() != layout.header.len() {
                let (line, found) = (record.line, record.fields.len());
                let cut = records.next()?.is_none() && records.has_open_end();
                return Err(wrong_width(line, found, &layout, cut));
            }
            last_line = record.line;
            notebook.take(record, &columns)?;
        }
        if last_line == 0 {
            return Err(FileError::ExportAgain("the file has no answers: export it again once there are some".into()));
        }
        let open_end = records.has_open_end();
        let mut warnings = table.warnings();
        if open_end {
            warnings.push(format!(
                "the last line ({last_line}) has no line end, as when a download is cut: check that the last answer is there"
            ));
        }
        notebook.conclude(settings, columns, (table, layout), names_end, warnings)
    }

    /// The records of answers, from the first.
    pub(super) fn records(&self) -> Result<Records, FileError> {
        records_below(&self.table, &self.layout, self.names_end)
    }

    /// Refuses a file that was written to while it was read.
    pub(super) fn check_unchanged(&self) -> Result<(), FileError> {
        self.table.check_unchanged()
    }
}

/// Nothing stands in any field.
pub(super) fn is_empty(record: Record<'_>) -> bool {
    record.fields.iter().all(|cell| cell.trim().is_empty())
}

fn records_below(table: &Table, layout: &Layout, names_end: u64) -> Result<Records, FileError> {
    let mut records = table.records_below(layout)?;
    if names_end > layout.header_line {
        while records.next()?.is_some_and(|record| record.line < names_end) {}
    }
    Ok(records)
}

/// The names of the columns, those of a second row joined, and the line they end on. A row belongs to them where no answer
/// could be so: it tells of no time, and of no answer's id.
fn names(table: &Table, layout: &Layout, settings: &FormSettings) -> Result<(Vec<String>, u64), FileError> {
    let mut names = layout.header.clone();
    let mut end = layout.header_line;
    // Other columns may be named as only both rows together name them.
    let (id, time) = FormColumns::id_and_time(&names, settings)?;
    let mut records = table.records_below(layout)?;
    for row in 0..2 {
        let Some(record) = records.next()? else { break };
        // Qualtrics says its names again, and below them under which it would import them.
        if record.cell(time).starts_with("{\"ImportId\"") {
            end = record.line;
        }
        let answer = id.map_or("", |at| record.cell(at));
        let nothing_but_choices =
            record.cell(time).is_empty() && answer.is_empty() && id.is_some() && !is_empty(record);
        if row == 0 && nothing_but_choices && record.fields.len() == layout.header.len() {
            end = record.line;
            let choices: Vec<String> = record.fields.iter().map(|cell| cell.trim().to_owned()).collect();
            names = columns::joined(&names, &choices);
        }
    }
    Ok((names, end))
}

/// What the first pass writes down.
#[derive(Default)]
struct Notebook {
    instants: instants::Evidence,
    /// For each column that may hold addresses: cells that do, and cells with anything in them.
    emails: BTreeMap<usize, (u64, u64)>,
    /// Each status with the first line it stands on.
    statuses: BTreeMap<String, u64>,
}

/// Whether a cell is an address, as far as a form checks one.
pub(super) fn is_address(cell: &str) -> bool {
    cell.split_once('@').is_some_and(|(name, host)| {
        !name.is_empty() && host.contains('.') && !cell.contains(char::is_whitespace) && !host.contains('@')
    })
}

impl Notebook {
    fn take(&mut self, record: Record<'_>, columns: &FormColumns) -> Result<(), FileError> {
        let line = record.line;
        record.refuse_errors(columns.used())?;
        for at in std::iter::once(columns.submitted).chain(columns.started) {
            let cell = record.cell(at);
            if !cell.is_empty() {
                self.instants.add(cell, line)?;
            }
        }
        for &at in &columns.emails {
            let cell = record.cell(at);
            let (addresses, filled) = self.emails.entry(at).or_default();
            *addresses += u64::from(is_address(cell));
            *filled += u64::from(!cell.is_empty());
        }
        if let Some(at) = columns.status {
            let status = record.cell(at).to_lowercase();
            if !status.is_empty() && self.statuses.len() < MOST_STATUSES && !self.statuses.contains_key(&status) {
                self.statuses.insert(status, line);
            }
        }
        Ok(())
    }

    /// The column that holds addresses: one most of whose cells are.
    fn email(&self, settings: &FormSettings, columns: &FormColumns) -> Result<Option<usize>, FileError> {
        let holds = |at: &&usize| self.emails.get(at).is_some_and(|(addresses, filled)| addresses * 2 > *filled);
        let found: Vec<usize> = columns.emails.iter().filter(holds).copied().collect();
        match (&found[..], &settings.email_column) {
            ([], Some(name)) => Err(FileError::Answer {
                setting: "email_column",
                what: format!("\"{name}\" does not hold addresses: name another column, or take the setting out"),
            }),
            ([], None) => Ok(None),
            ([one], _) => Ok(Some(*one)),
            (several, _) => {
                let names: Vec<&str> = several.iter().map(|&at| columns.headers[at].as_str()).collect();
                Err(FileError::Answer {
                    setting: "email_column",
                    what: format!(
                        "several columns hold addresses. Write one of them in email_column: {}",
                        names.join(", ")
                    ),
                })
            }
        }
    }

    /// What stands in the column of the status of a whole answer.
    fn complete(
        &self,
        settings: &FormSettings,
        columns: &FormColumns,
        notes: &mut Vec<String>,
    ) -> Result<Option<(usize, Vec<String>)>, FileError> {
        let Some(at) = columns.status else { return Ok(None) };
        if let Some(complete) = &settings.complete {
            return Ok(Some((at, vec![complete.clone()])));
        }
        let name = &columns.headers[at];
        let is_known = |status: &str| COMPLETE.contains(&status) || PARTIAL.contains(&status);
        let known = self.statuses.keys().filter(|status| is_known(status)).count();
        match self.statuses.iter().find(|(status, _)| !is_known(status)) {
            None => Ok(Some((at, COMPLETE.map(str::to_owned).to_vec()))),
            Some(_) if known == 0 && settings.status_column.is_none() => {
                notes.push(format!("\"{name}\" does not say which answers are whole: all are taken for whole"));
                Ok(None)
            }
            Some((status, line)) => Err(FileError::Answer {
                setting: "complete",
                what: format!(
                    "\"{name}\" holds \"{status}\" on line {line}, which may be a whole answer or one that was only begun. \
                     Write complete = \"…\" with what stands there of a whole one"
                ),
            }),
        }
    }

    fn conclude(
        self,
        settings: &FormSettings,
        columns: FormColumns,
        (table, layout): (Table, Layout),
        names_end: u64,
        warnings: Vec<String>,
    ) -> Result<FormSurvey, FileError> {
        let mut notes = table.notes();
        if self.instants.is_empty() {
            return Err(FileError::ExportAgain(format!(
                "nothing says when any answer was sent: the column \"{}\" is empty. Export again with it",
                columns.headers[columns.submitted]
            )));
        }
        let zone = match (columns.zone, settings.time_zone) {
            (Some(stated), Some(said)) if stated != said => {
                return Err(FileError::Answer {
                    setting: "time_zone",
                    what: format!(
                        "it says {said}, but \"{}\" says {stated}: take the setting out",
                        columns.headers[columns.submitted]
                    ),
                });
            }
            (Some(stated), _) => Some((stated, ZoneFrom::File)),
            (None, said) => said.map(|said| (said, ZoneFrom::Setting)),
        };
        let person = columns.person.or(self.email(settings, &columns)?);
        let complete = self.complete(settings, &columns, &mut notes)?;
        if person.is_none() {
            notes.push("no column holds addresses, so every answer counts as another person".to_owned());
        }
        if columns.id.is_none() {
            notes.push("no column tells answers apart, so they are known by the time they were sent".to_owned());
        }
        let zone = if self.instants.is_zoned() { None } else { zone };
        let instants = self.instants.decide(settings.order, zone.map(|(zone, _)| zone))?;
        Ok(FormSurvey {
            table,
            layout,
            columns,
            instants,
            zone,
            person,
            counts_opens: complete.is_some() || settings.answers_are_opens,
            complete,
            names_end,
            notes,
            warnings,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::is_address;

    #[test]
    fn an_address_has_a_name_and_a_host() {
        assert!(is_address("ann+x@mail.example.com"));
        for text in ["", "ann", "@example.com", "ann@host", "a b@example.com", "a@b@example.com"] {
            assert!(!is_address(text), "{text}");
        }
    }
}
