//! The first pass over a file: where its table is, how it writes numbers, days and money, and which of its
//! columns tell rows apart. Everything the second pass needs in order to read a row without guessing.

use std::collections::BTreeSet;
use std::path::Path;

use chrono_tz::Tz;
use csv::StringRecord;

use crate::domain::metric::{METRICS, MetricId, Unit};
use crate::domain::money::Currency;

use super::FileError;
use super::columns::{self, Columns, DayColumn};
use super::layout::{self, Kind, Layout};
use super::records::{Record, Records};
use super::settings::FileSettings;
use super::table::Table;
use super::{currency, days, numbers};

/// More kinds of result than any account has; beyond it the column holds something else.
const MOST_INDICATORS: usize = 100;

/// Column names that a header has at least. Where the user names some, a slip in one must not hide the header.
fn least_known(settings: &FileSettings) -> usize {
    if settings.columns.is_empty() { 2 } else { 1 }
}

/// Rows shown as an example.
const SAMPLE: usize = 3;

/// Why the zone of the days is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ZoneFrom {
    File,
    Setting,
    Experiment,
}

/// A file that has been read once.
#[derive(Debug)]
pub(super) struct Survey {
    pub table: Table,
    pub layout: Layout,
    pub columns: Columns,
    pub numbers: numbers::NumberFormat,
    pub days: days::DayFormat,
    pub currency: Option<Currency>,
    pub zone: Tz,
    pub zone_from: ZoneFrom,
    /// Columns of words and ids: rows that agree in all of them are the same row.
    pub descriptive: Vec<usize>,
    /// The cells of the first data rows, as written, and their lines.
    pub sample: Vec<(u64, Vec<String>)>,
    /// What was taken for granted.
    pub notes: Vec<String>,
    /// What a person should look at.
    pub warnings: Vec<String>,
}

impl Survey {
    /// Reads a file through once.
    pub(super) fn of(path: &Path, settings: &FileSettings, fallback_zone: Tz) -> Result<Self, FileError> {
        let known = |record: &StringRecord| columns::known(record.iter(), settings);
        let table = Table::open(path, settings.sheet.as_deref(), known, least_known(settings))?;
        let sheet = table.sheet_name().map(str::to_owned);
        Self::through(table, settings, fallback_zone).map_err(|error| error.in_sheet(sheet.as_deref()))
    }

    fn through(table: Table, settings: &FileSettings, fallback_zone: Tz) -> Result<Self, FileError> {
        let known = |record: &StringRecord| columns::known(record.iter(), settings);
        let layout = layout::find(&table, known, least_known(settings))?;
        table.refuse_merged(layout.header_line)?;
        let columns = Columns::of(layout.header.clone(), layout.header_line, settings)?;
        let mut notebook = Notebook::new(&columns, layout.header_line)?;
        let mut records = table.records_below(&layout)?;
        let mut last: Option<(u64, String)> = None;
        let mut sample = Vec::new();
        while let Some(record) = records.next()? {
            let kind = layout::kind(record, &columns);
            if kind == Kind::Nothing {
                continue;
            }
            if record.fields.len() != layout.header.len() {
                let (line, found) = (record.line, record.fields.len());
                let cut = records.next()?.is_none() && records.has_open_end();
                return Err(wrong_width(line, found, &layout, cut));
            }
            notebook.take(record, kind, &columns)?;
            if kind == Kind::Data {
                if sample.len() < SAMPLE {
                    sample.push((record.line, (0..record.fields.len()).map(|at| record.cell(at).to_owned()).collect()));
                }
                last = Some((record.line, record.fields.iter().next_back().unwrap_or_default().to_owned()));
            } else {
                last = None;
            }
        }
        let open_end = records.has_open_end();
        let mut survey = notebook.conclude(settings, columns, &layout)?;
        let mut warnings = std::mem::take(&mut survey.warnings);
        warnings.extend(table.warnings());
        if let (true, Some((line, cell))) = (open_end, last) {
            warnings.push(format!(
                "the last line ({line}) has no line end, as when a download is cut: check its last value, \"{cell}\""
            ));
        }
        let (zone, zone_from) = zone(&survey.columns, &layout, settings, fallback_zone)?;
        Ok(Self {
            notes: [table.notes(), survey.notes].concat(),
            table,
            layout,
            columns: survey.columns,
            numbers: survey.numbers,
            days: survey.days,
            currency: survey.currency,
            zone,
            zone_from,
            descriptive: survey.descriptive,
            sample,
            warnings,
        })
    }

    /// The records below the header, from the first.
    pub(super) fn records(&self) -> Result<Records, FileError> {
        self.table.records_below(&self.layout)
    }

    /// Refuses a file that was written to while it was read.
    pub(super) fn check_unchanged(&self) -> Result<(), FileError> {
        self.table.check_unchanged()
    }
}

/// A row of another width than the header's: none of its cells can be trusted.
pub(super) fn wrong_width(line: u64, found: usize, layout: &Layout, cut: bool) -> FileError {
    let (wanted, header_line) = (layout.header.len(), layout.header_line);
    let what = if cut {
        format!("the file is cut: its last line has {found} of {wanted} fields. Download it again")
    } else {
        format!(
            "this row has {found} fields and the column names on line {header_line} are {wanted}, so no column can be \
             trusted. Export the report again without editing it"
        )
    };
    FileError::Mend { line, what }
}

fn zone(
    columns: &Columns,
    layout: &Layout,
    settings: &FileSettings,
    fallback: Tz,
) -> Result<(Tz, ZoneFrom), FileError> {
    let stated = columns.zone.or_else(|| layout.preamble.iter().find_map(|line| columns::zone_stated(line)));
    match (stated, settings.day_zone) {
        (Some(stated), Some(said)) if stated != said => Err(FileError::Answer {
            setting: "day_zone",
            what: format!("it says {said}, but the file says its days are in {stated}: take the setting out"),
        }),
        (Some(stated), _) => Ok((stated, ZoneFrom::File)),
        (None, Some(said)) => Ok((said, ZoneFrom::Setting)),
        (None, None) => Ok((fallback, ZoneFrom::Experiment)),
    }
}

/// Whether a metric counts whole things. Ad managers split a conversion between ads; nothing else.
pub(super) fn is_whole(metric: MetricId) -> bool {
    metric.metric().unit == Unit::Count && metric != MetricId::CONVERSIONS
}

/// What the first pass writes down.
struct Notebook {
    numbers: numbers::Evidence,
    /// `None` once they contradict each other: they are only asked, never imported.
    others: Option<numbers::Evidence>,
    days: days::Evidence,
    currency: currency::Evidence,
    filled: [bool; METRICS],
    blanks: [u64; METRICS],
    indicators: BTreeSet<String>,
    /// For each column, whether it holds words or ids rather than numbers.
    wordy: Vec<bool>,
}

/// What follows from it.
struct Conclusion {
    columns: Columns,
    numbers: numbers::NumberFormat,
    days: days::DayFormat,
    currency: Option<Currency>,
    descriptive: Vec<usize>,
    notes: Vec<String>,
    warnings: Vec<String>,
}

impl Notebook {
    fn new(columns: &Columns, header_line: u64) -> Result<Self, FileError> {
        let mut currency = currency::Evidence::default();
        if let Some(stated) = columns.header_currency {
            currency.add(stated, header_line)?;
        }
        let is_id = |header: &String| {
            header.to_lowercase().split(|letter: char| !letter.is_alphanumeric()).any(|word| word == "id")
        };
        let mut wordy: Vec<bool> = columns.headers.iter().map(is_id).collect();
        for &at in &columns.campaign {
            wordy[at] = true;
        }
        Ok(Self {
            numbers: numbers::Evidence::default(),
            others: Some(numbers::Evidence::default()),
            days: days::Evidence::default(),
            currency,
            filled: [false; METRICS],
            blanks: [0; METRICS],
            indicators: BTreeSet::new(),
            wordy,
        })
    }

    fn take(&mut self, record: Record<'_>, kind: Kind, columns: &Columns) -> Result<(), FileError> {
        let line = record.line;
        let data = kind == Kind::Data;
        if data {
            record.refuse_errors(columns.used())?;
        }
        let results = columns.results.map(|(at, _)| (MetricId::LEADS, at));
        for (metric, at) in columns.metrics.iter().copied().chain(results) {
            let cell = record.cell(at);
            if numbers::is_absent(cell) {
                self.blanks[metric.index()] += u64::from(data);
                continue;
            }
            self.filled[metric.index()] |= data;
            self.numbers.add(cell, is_whole(metric), line)?;
            if let (MetricId::SPEND, true, Some(bare)) = (metric, data, numbers::bare(cell)) {
                self.currency.add_sign(bare.money, line)?;
            }
        }
        if let Some(others) = &mut self.others {
            let agree = columns.others.iter().all(|&at| others.add(record.cell(at), false, line).is_ok());
            if !agree {
                self.others = None;
            }
        }
        if !data {
            return Ok(());
        }
        match columns.day {
            DayColumn::One(at) => self.days.add(record.cell(at), line)?,
            DayColumn::Span(start, end) => {
                let (start, end) = (record.cell(start), record.cell(end));
                if start != end {
                    return Err(FileError::ExportAgain(format!(
                        "there is no day column, and reporting starts and ends differ (line {line}: {start} to {end}), \
                         so a row covers several days. The total of a range cannot be spread over days: export the \
                         report again, broken down by day"
                    )));
                }
                self.days.add(start, line)?;
            }
        }
        if let Some(at) = columns.currency {
            let cell = record.cell(at);
            if !numbers::is_absent(cell) {
                self.currency.add_code(cell, line)?;
            }
        }
        if let Some((_, at)) = columns.results {
            let cell = record.cell(at);
            if !numbers::is_absent(cell) && self.indicators.len() < MOST_INDICATORS && !self.indicators.contains(cell) {
                self.indicators.insert(cell.to_owned());
            }
        }
        for (at, wordy) in self.wordy.iter_mut().enumerate() {
            let cell = record.cell(at);
            *wordy = *wordy || !(numbers::is_absent(cell) || numbers::bare(cell).is_some());
        }
        Ok(())
    }

    fn conclude(self, settings: &FileSettings, mut columns: Columns, layout: &Layout) -> Result<Conclusion, FileError> {
        let (mut notes, mut warnings) = (Vec::new(), Vec::new());
        if let Some((at, _)) = columns.results.take() {
            if !self.indicators.is_empty() && self.indicators.iter().all(|indicator| indicator.contains("lead")) {
                columns.metrics.push((MetricId::LEADS, at));
                let said: Vec<&str> = self.indicators.iter().map(String::as_str).collect();
                notes.push(format!(
                    "\"{}\" are leads: the column beside it says {}",
                    columns.headers[at],
                    said.join(", ")
                ));
            } else {
                columns.passed_over.push((at, "its results are not all leads".to_owned()));
            }
        }
        let empty = |metric: MetricId| !self.filled[metric.index()];
        for &(metric, at) in columns.metrics.iter().filter(|(metric, _)| empty(*metric)) {
            columns.passed_over.push((at, format!("it is empty, so the file says nothing about {metric}")));
        }
        columns.metrics.retain(|(metric, _)| !empty(*metric));
        columns.metrics.sort_unstable();
        for &(metric, at) in &columns.metrics {
            let blanks = self.blanks[metric.index()];
            if blanks > 0 {
                notes.push(format!(
                    "{metric}: empty cells in \"{}\" are counted as 0 ({blanks} of them), as ad managers leave zeros out",
                    columns.headers[at]
                ));
            }
        }
        let has = |wanted: MetricId| columns.metrics.iter().any(|(metric, _)| *metric == wanted);
        let days = self.days.decide(settings.order)?;
        if columns.metrics.is_empty() {
            return Err(FileError::ExportAgain(format!(
                "no column on line {} counts anything that is known here. Export at least impressions, clicks and cost, or \
                 name the columns in settings such as visits_column and conversions_column; the columns are: {}",
                layout.header_line,
                columns::listed(&columns.headers)
            )));
        }
        if !has(MetricId::CLICKS) {
            warnings.extend(
                columns
                    .passed_over
                    .iter()
                    .filter(|(_, why)| why.contains("clicks on anything"))
                    .map(|(at, why)| format!("no clicks are read: \"{}\" {why}", columns.headers[*at])),
            );
        }
        let others = self.others.unwrap_or_default();
        let descriptive = (0..columns.headers.len())
            .filter(|at| self.wordy[*at] && columns.metric_at(*at).is_none() && !columns.others.contains(at))
            .collect();
        Ok(Conclusion {
            numbers: self.numbers.decide(settings.decimal, &others)?,
            days,
            currency: self.currency.decide(settings.currency, has(MetricId::SPEND))?,
            descriptive,
            columns,
            notes,
            warnings,
        })
    }
}
