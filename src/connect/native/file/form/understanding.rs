//! What was understood of an export of answers, as `import` shows it before anything is written: in words, and as JSON.
//! Addresses are not shown.

use std::collections::{BTreeMap, HashSet};
use std::fmt;

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::Serialize;

use crate::domain::metric::MetricId;
use crate::domain::money::thousands;
use crate::domain::observation::DateWindow;

use super::super::FileError;
use super::super::columns::{ArmColumn, only};
use super::super::mapping::{ColumnUse, Table};
use super::super::survey::ZoneFrom;
use super::super::understanding::written;
use super::reading::{Tally, hashed};
use super::settings::FormSettings;
use super::survey::{FormSurvey, is_address};

/// Arms printed; JSON has all of them.
const ARMS_SHOWN: usize = 40;

/// Answers of one person that are more than anybody gives: what stands there is no name of one then.
const MANY: u64 = 5;

/// What was understood of an export of answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FormUnderstanding {
    /// The sheet that was read, of a workbook.
    pub sheet: Option<String>,
    /// How its letters are written; `XLSX` of a workbook.
    pub encoding: String,
    /// What stands between its fields.
    pub delimiter: String,
    /// First and last line of the column names, from 1.
    pub header_lines: [u64; 2],
    /// How it writes days.
    pub days_written: String,
    /// Every column and what it is taken for.
    pub columns: Vec<ColumnUse>,
    /// The settings under which the same columns are taken again.
    pub saved: BTreeMap<&'static str, String>,
    /// Lines of the first rows.
    pub first_lines: Vec<u64>,
    /// Rows with anything in them.
    pub rows: u64,
    /// Whole answers, each once.
    pub answers: u64,
    /// Answers that were begun and not sent.
    pub partial: u64,
    /// Rows that say the same as an earlier one.
    pub repeated: u64,
    /// Arm keys in order.
    pub arms: Vec<ArmCount>,
    /// First day the file speaks for.
    pub first: NaiveDate,
    /// Last day the file speaks for.
    pub last: NaiveDate,
    /// What its times are in; `None` where each says so itself.
    pub time_zone: Option<Tz>,
    /// Who says so: `file` or `setting`.
    pub time_zone_from: Option<&'static str>,
    /// Where the days begin: the experiment's zone.
    pub day_zone: Tz,
    /// What all rows add up to.
    pub totals: BTreeMap<MetricId, u64>,
    /// What was taken for granted.
    pub notes: Vec<String>,
    /// What to look at before trusting the numbers.
    pub warnings: Vec<String>,
    #[serde(skip)]
    ids: HashSet<u64>,
}

/// What one arm adds up to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ArmCount {
    /// Its key, for `keys` of an arm in the configuration.
    pub key: String,
    /// Whole answers.
    pub answers: u64,
    /// Forms opened, where the export has those that were not sent.
    pub opens: u64,
}

impl FormUnderstanding {
    pub(super) fn of(survey: &FormSurvey, tally: Tally, settings: &FormSettings, zone: Tz) -> Result<Self, FileError> {
        let (Some(first), Some(last)) = (tally.days.first().copied(), tally.days.last().copied()) else {
            return Err(FileError::ExportAgain("the file has no whole answers, so nothing says from which day on it speaks: export it once there are some, or \
                 name its first day with the setting since"
                    .into(),
            ));
        };
        let (first, last) = span(first, last, settings)?;
        let (mut notes, mut warnings) = (survey.notes.clone(), survey.warnings.clone());
        if settings.until.is_none() {
            notes.push(format!(
                "the file speaks for the days up to its last answer, {last}: where it was exported later, say so with \
                 --until DAY, so that the days without an answer count"
            ));
        }
        if settings.since.is_none() {
            notes.push(format!(
                "and from its first answer on, {first}: where the form was open before, say so with the setting since"
            ));
        }
        if tally.early > 0 {
            let begun = counted(tally.early, "form was begun", "forms were begun");
            notes.push(format!(
                "{begun} before {first} and left out, for the export may not hold all that was begun then"
            ));
        }
        if tally.untimed > 0 {
            warnings.push(format!("{} begun answers say not when, and are left out", tally.untimed));
        }
        if tally.nameless > 0 {
            warnings.push(format!(
                "{} of {} answers {}, so each counts as another person",
                tally.nameless,
                tally.answers,
                if survey.columns.person.is_some() { "do not say whose they are" } else { "have no address" }
            ));
        }
        if let (Some(most), Some(at)) = (tally.people.values().max().filter(|most| **most >= MANY), survey.person) {
            let values = tally.people.values().filter(|count| **count >= MANY).count() as u64;
            warnings.push(format!(
                "of the column \"{}\", {} in {MANY} answers or more, the most frequent in {} of {}; each value counts as one \
                 person. Where it is nobody's own (a word such as guest, an office's address), empty those cells, and each \
                 answer counts as another person",
                survey.columns.headers[at],
                counted(values, "value stands", "values stand"),
                thousands(*most),
                thousands(tally.answers),
            ));
        }
        let mut totals = BTreeMap::from([(MetricId::SIGNUPS, tally.answers)]);
        if survey.counts_opens {
            totals.insert(MetricId::FORM_OPENS, tally.arms.values().map(|arm| arm.opens).sum());
        }
        let (encoding, delimiter) = survey.table.written(&survey.layout);
        Ok(Self {
            sheet: survey.table.sheet_name().map(str::to_owned),
            encoding,
            delimiter,
            header_lines: [survey.layout.header_line, survey.names_end],
            days_written: survey.instants.describe().to_owned(),
            columns: (0..survey.columns.headers.len()).map(|at| column_use(survey, &tally, at)).collect(),
            saved: saved(survey),
            first_lines: tally.sample.iter().map(|(line, _)| *line).collect(),
            rows: tally.rows,
            answers: tally.answers,
            partial: tally.partial,
            repeated: tally.repeated,
            first,
            last,
            time_zone: survey.zone.map(|(zone, _)| zone),
            time_zone_from: survey.zone.map(|(_, from)| if from == ZoneFrom::File { "file" } else { "setting" }),
            day_zone: zone,
            totals,
            notes,
            warnings,
            ids: tally.ids,
            arms: tally
                .arms
                .into_iter()
                .map(|(key, arm)| ArmCount { key: key.to_string(), answers: arm.answers, opens: arm.opens })
                .collect(),
        })
    }

    /// The days the file speaks for.
    pub fn covered(&self) -> Option<DateWindow> {
        DateWindow::new(self.first, self.last)
    }

    /// Whether the file has an answer of this id.
    pub fn holds(&self, id: &str) -> bool {
        self.ids.contains(&hashed(id))
    }
}

/// The days an export speaks for: those of its answers, and those before and after of which the user says that the
/// export would hold them.
fn span(first: NaiveDate, last: NaiveDate, settings: &FormSettings) -> Result<(NaiveDate, NaiveDate), FileError> {
    if let Some(until) = settings.until.filter(|until| *until < last) {
        return Err(FileError::Answer {
            setting: super::settings::UNTIL,
            what: format!("it says {until}, but there is an answer of {last}: name the day of the export"),
        });
    }
    Ok((settings.since.map_or(first, |since| since.min(first)), settings.until.unwrap_or(last)))
}

/// The columns that would be taken by other names too, by the settings that name them.
fn saved(survey: &FormSurvey) -> BTreeMap<&'static str, String> {
    let columns = &survey.columns;
    let name = |at: usize| only(&columns.headers, at);
    // Ids and times are looked for in the first row of names, before a second is joined.
    let above = |at: usize| name(at).filter(|name| only(&survey.layout.header, at).as_ref() == Some(name));
    let arm = match columns.arm {
        ArmColumn::At(at) => name(at),
        ArmColumn::Whole(_) => None,
    };
    let found =
        [("id_column", columns.id.and_then(above)), ("time_column", above(columns.submitted)), ("arm_column", arm)];
    found.into_iter().filter_map(|(setting, name)| Some((setting, name?))).collect()
}

fn column_use(survey: &FormSurvey, tally: &Tally, at: usize) -> ColumnUse {
    let columns = &survey.columns;
    let mut uses: Vec<String> = Vec::new();
    let mut take = |here: bool, what: &str| uses.extend(here.then(|| what.to_owned()));
    take(columns.id == Some(at), "tells answers apart");
    take(columns.submitted == at, "when it was sent");
    take(columns.started == Some(at) && survey.complete.is_some(), "when it was begun");
    take(survey.complete.as_ref().is_some_and(|(status, _)| *status == at), "sent, or only begun");
    take(columns.arm == ArmColumn::At(at), "arm");
    let is_person = survey.person == Some(at);
    take(is_person, "person (keyed hash)");
    for (name, places) in &columns.answers {
        take(places.contains(&at), &format!("answer {name}"));
    }
    let why_not =
        (uses.is_empty() && columns.emails.contains(&at)).then(|| "most of its cells are no addresses".into());
    let is_free = columns.free_text.contains(&at);
    let cell = |cells: &Vec<String>| shown(&cells[at], is_person, is_free);
    let first = if uses.is_empty() { vec![] } else { tally.sample.iter().map(|(_, cells)| cell(cells)).collect() };
    ColumnUse {
        name: columns.headers[at].clone(),
        taken_for: (!uses.is_empty()).then(|| uses.join(", ")),
        why_not,
        first,
    }
}

/// A cell as far as it may be shown: of an address and of what was written freely nothing but that there is something.
fn shown(cell: &str, is_person: bool, is_free: bool) -> String {
    if cell.is_empty() || !(is_person || is_free || cell.contains('@')) {
        return cell.to_owned();
    }
    if is_address(cell) { "…@…".to_owned() } else { counted(cell.chars().count() as u64, "letter", "letters") }
}

fn counted(count: u64, one: &str, many: &str) -> String {
    format!("{} {}", thousands(count), if count == 1 { one } else { many })
}

/// Whole lines, ready to print; no line end behind the last.
impl fmt::Display for FormUnderstanding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [from, to] = self.header_lines;
        let lines = if from == to { format!("line {from}") } else { format!("lines {from} to {to}") };
        let text = written(self.sheet.as_deref(), &self.encoding, &self.delimiter);
        writeln!(f, "{text}, column names on {lines}")?;
        writeln!(
            f,
            "Days      {} to {}, written {}, cut in {}",
            self.first, self.last, self.days_written, self.day_zone
        )?;
        match (self.time_zone, self.time_zone_from) {
            (Some(zone), Some("file")) => writeln!(f, "          times are in {zone}, as the file says")?,
            (Some(zone), _) => writeln!(f, "          times are in {zone}, from the setting time_zone")?,
            (None, _) => writeln!(f, "          each time says its zone")?,
        }
        let mut rows = format!("Rows      {}: {} whole answers", thousands(self.rows), thousands(self.answers));
        if self.partial > 0 {
            rows += &format!(", {} only begun", thousands(self.partial));
        }
        if self.repeated > 0 {
            rows += &format!(", {} that say the same again", thousands(self.repeated));
        }
        writeln!(f, "{rows}")?;
        write!(f, "{}", Table { columns: &self.columns, lines: &self.first_lines })?;
        writeln!(f, "Arms")?;
        for arm in self.arms.iter().take(ARMS_SHOWN) {
            let name = if arm.key.is_empty() { "(empty)" } else { &arm.key };
            let opens = if arm.opens > 0 { format!("form_opens {}, ", thousands(arm.opens)) } else { String::new() };
            writeln!(f, "  {name}: {opens}signups {}", thousands(arm.answers))?;
        }
        if self.arms.len() > ARMS_SHOWN {
            writeln!(f, "  and {} more", self.arms.len() - ARMS_SHOWN)?;
        }
        let total = |(metric, count): (&MetricId, &u64)| format!("{metric} {}", thousands(*count));
        write!(f, "Total     {}", self.totals.iter().map(total).collect::<Vec<_>>().join(", "))?;
        for note in &self.notes {
            write!(f, "\nNote      {note}")?;
        }
        for warning in &self.warnings {
            write!(f, "\nCheck     {warning}")?;
        }
        Ok(())
    }
}
