//! The `file` connector: reads the reports people download from ad managers. It detects how a file is
//! written, shows what it understood, or refuses; it never guesses in silence. A file is read twice: the
//! survey settles its form, the reading turns rows into values. Not for vendors' programmatic reports.

mod columns;
mod currency;
mod days;
mod decode;
pub mod folder;
pub mod form;
mod layout;
mod mapping;
mod numbers;
mod reading;
mod records;
mod repeats;
mod settings;
mod survey;
mod table;
mod tally;
mod understanding;
mod workbook;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use chrono_tz::Tz;
use serde::Serialize;
use thiserror::Error;

use crate::connect::{Connector, PullError, PullFacts, PullRequest};
use crate::domain::connector::{ConnectorInfo, Facts, RowSink, Settings, SourceRow};
use crate::domain::metric::MetricId;
use crate::domain::observation::DateWindow;

pub use form::FormUnderstanding;
pub use mapping::ColumnUse;
use reading::Reading;
use settings::FileSettings;
use survey::Survey;
pub use understanding::{Amounts, ArmSum, RowRead, TotalsRowSeen, Understanding};

/// Why a file was refused. Nothing of it is used then.
#[derive(Debug, Error)]
pub enum FileError {
    /// Look at the file itself: it is missing, locked, or still being written.
    #[error("{0}")]
    Open(String),
    /// Download another form of the report.
    #[error("{0}")]
    ExportAgain(String),
    /// One line is at fault.
    #[error("line {line}: {what}")]
    Mend {
        /// Counted from 1, as editors do.
        line: u64,
        /// What is wrong there and what to do.
        what: String,
    },
    /// One line of a sheet of a workbook is at fault.
    #[error("sheet \"{sheet}\", line {line}: {what}")]
    Sheet {
        /// Its name.
        sheet: String,
        /// Counted from 1, as spreadsheets do.
        line: u64,
        /// What is wrong there and what to do.
        what: String,
    },
    /// The file leaves a question open that a setting answers.
    #[error("setting `{setting}`: {what}")]
    Answer {
        /// Which setting.
        setting: &'static str,
        /// The question, and the values to choose from.
        what: String,
    },
}

impl FileError {
    /// Names the sheet, where there is one, beside the line at fault.
    fn in_sheet(self, sheet: Option<&str>) -> Self {
        match (self, sheet) {
            (Self::Mend { line, what }, Some(sheet)) => {
                Self::Sheet { sheet: sheet.replace(char::is_control, " "), line, what }
            }
            (error, _) => error,
        }
    }
}

impl From<FileError> for PullError {
    fn from(error: FileError) -> Self {
        Self::File(error.to_string())
    }
}

/// Reads a file without keeping anything and says what was understood: what `import` shows before it
/// writes. `zone` is the experiment's, used where neither the file nor a setting names one.
///
/// # Errors
/// [`FileError`], for everything a pull of the same file would refuse, except days in the future: only a
/// pull is told the time.
pub fn understand(path: &Path, settings: &Settings, zone: Tz) -> Result<Understanding, FileError> {
    let mut reading = Reading::new(Survey::of(path, &FileSettings::of(settings)?, zone)?)?;
    while !reading.next_batch()?.is_empty() {}
    reading.finish()
}

/// The connector that reads a file: of reports, or of answers where it is none. A file that leaves a question open is of
/// the kind that asks it.
///
/// # Errors
/// [`FileError`], where neither can read it.
pub fn connector_for(path: &Path, settings: &Settings) -> Result<&'static str, FileError> {
    // Zones cut days, which are of no interest here.
    let report = match understand(path, settings, Tz::UTC) {
        Ok(_) | Err(FileError::Answer { .. }) => return Ok(NAME),
        Err(error @ FileError::Open(_)) => return Err(error),
        Err(error) => error,
    };
    // Forms have dates too, which no report would hold as they are written.
    match (form::understand(path, settings, &[], Tz::UTC), report) {
        (Err(FileError::ExportAgain(_)), report @ FileError::ExportAgain(_)) => Err(report),
        (Ok(_) | Err(FileError::Answer { .. }), _) | (_, FileError::ExportAgain(_)) => Ok(form::NAME),
        _ => Ok(NAME),
    }
}

/// What was understood of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Understood {
    /// Of an ad manager's report.
    Report(Understanding),
    /// Of a form's answers.
    Form(FormUnderstanding),
}

impl Understood {
    /// Its arm keys, in order.
    pub fn arm_keys(&self) -> BTreeSet<&str> {
        match self {
            Self::Report(report) => report.arms.iter().map(|arm| arm.key.as_str()).collect(),
            Self::Form(form) => form.arms.iter().map(|arm| arm.key.as_str()).collect(),
        }
    }

    /// What it counts.
    pub fn counts(&self) -> Vec<MetricId> {
        match self {
            Self::Report(report) => report.totals.keys().copied().collect(),
            Self::Form(form) => form.totals.keys().copied().collect(),
        }
    }

    /// The settings under which the same columns are taken again.
    pub fn saved(&self) -> &BTreeMap<&'static str, String> {
        match self {
            Self::Report(report) => &report.saved,
            Self::Form(form) => &form.saved,
        }
    }

    /// The days it speaks for.
    pub fn covered(&self) -> Option<DateWindow> {
        match self {
            Self::Report(report) => report.covered(),
            Self::Form(form) => form.covered(),
        }
    }
}

impl fmt::Display for Understood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Report(report) => report.fmt(f),
            Self::Form(form) => form.fmt(f),
        }
    }
}

/// What `connector = "…"` calls it.
pub const NAME: &str = "file";

/// The connector.
pub struct FileConnector {
    info: ConnectorInfo,
}

impl FileConnector {
    /// There is one kind; its sources differ by their settings.
    pub fn new() -> Self {
        let metrics = vec![
            MetricId::IMPRESSIONS,
            MetricId::CLICKS,
            MetricId::VISITS,
            MetricId::SPEND,
            MetricId::CONVERSIONS,
            MetricId::LEADS,
            MetricId::FORM_OPENS,
        ];
        Self {
            info: ConnectorInfo {
                name: NAME.to_owned(),
                title: "Exported file".to_owned(),
                settings: settings::offered(),
                metrics,
                scheduled_by: Some("path"),
                ..ConnectorInfo::default()
            },
        }
    }
}

impl Default for FileConnector {
    fn default() -> Self {
        Self::new()
    }
}

/// Runs file reading where it holds up no other work.
async fn aside<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FileError> + Send + 'static,
) -> Result<T, PullError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|_| PullError::File("reading the file was broken off: try again".to_owned()))?
        .map_err(PullError::from)
}

#[async_trait]
impl Connector for FileConnector {
    fn info(&self) -> &ConnectorInfo {
        &self.info
    }

    /// A file speaks for its own days, whatever window was asked for.
    async fn pull(&self, request: &PullRequest<'_>, sink: &mut dyn RowSink) -> Result<PullFacts, PullError> {
        let path = PathBuf::from(request.settings.plain("path").ok_or_else(|| {
            PullError::File(format!(
                "source {} has no path, so there is nothing to pull: set path, or import files by hand",
                request.source
            ))
        })?);
        let settings = FileSettings::of(request.settings)?;
        let zone = request.zone;
        let mut reading = aside(move || Reading::new(Survey::of(&path, &settings, zone)?)).await?;
        let today = request.now.with_timezone(&reading.survey().zone).date_naive();
        let mut pages = 0;
        loop {
            let batch;
            (reading, batch) = aside(move || {
                let batch = reading.next_batch()?;
                Ok((reading, batch))
            })
            .await?;
            if batch.is_empty() {
                break;
            }
            if let Some(row) = batch.iter().find(|row| row.day > today) {
                let what = format!(
                    "{} lies in the future: today is {today} in {}. If days are written in another order or zone, \
                     set day_order or day_zone",
                    row.day,
                    reading.survey().zone
                );
                let error = FileError::Mend { line: row.line, what };
                return Err(error.in_sheet(reading.survey().table.sheet_name()).into());
            }
            let rows: Vec<SourceRow<'_>> = batch
                .iter()
                .map(|row| SourceRow::Counts {
                    arm_key: Some(Cow::Borrowed(&row.arm)),
                    day: row.day,
                    values: &row.values,
                })
                .collect();
            sink.accept(&rows).await?;
            pages += 1;
        }
        let understood = aside(move || reading.finish()).await?;
        let covered = understood
            .covered()
            .ok_or_else(|| PullError::File("the file has no days: export a daily report".to_owned()))?;
        Ok(PullFacts {
            pages,
            rows: understood.rows,
            day_zone: understood.day_zone,
            currency: understood.currency,
            facts: Facts::default(),
            covered,
            warnings: understood.warnings,
        })
    }
}
