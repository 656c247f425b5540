//! The `form_file` connector: reads the answers people export from form tools. Each row is one person's act; of what they
//! answered only what the user names is kept. Like a report, an export is read twice, and refused where it is not clear.

mod columns;
mod instants;
mod reading;
mod settings;
mod survey;
mod understanding;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use chrono::NaiveDate;
use chrono_tz::Tz;

use crate::connect::{Connector, PullError, PullFacts, PullRequest};
use crate::domain::connector::{ConnectorInfo, Facts, ResponseRow, RowSink, Settings, SourceRow};
use crate::domain::intake::Question;
use crate::domain::metric::MetricId;
use crate::domain::millionths;
use crate::domain::response::Depth;

use super::{FileError, aside};
use reading::FormReading;
pub use settings::UNTIL;
use settings::{FormSettings, PERSON_COLUMN};
use survey::FormSurvey;
pub use understanding::{ArmCount, FormUnderstanding};

/// What `connector = "…"` calls it.
pub const NAME: &str = "form_file";

/// Reads an export without keeping anything and says what was understood: what `import` shows before it writes. `zone` is
/// the experiment's, in which days are cut.
///
/// # Errors
/// [`FileError`], for everything a pull of the same file would refuse, except answers from the future: only a pull is told
/// the time.
pub fn understand(
    path: &Path,
    settings: &Settings,
    questions: &[Question],
    zone: Tz,
) -> Result<FormUnderstanding, FileError> {
    let settings = FormSettings::of(settings)?;
    let mut reading = FormReading::new(FormSurvey::of(path, &settings, questions)?, zone, settings.since)?;
    while !reading.next_batch()?.is_empty() {}
    let (survey, tally) = reading.finish()?;
    FormUnderstanding::of(&survey, tally, &settings, zone)
}

/// The connector.
pub struct FormFileConnector {
    info: ConnectorInfo,
}

impl FormFileConnector {
    /// There is one kind; its sources differ by their settings.
    pub fn new() -> Self {
        Self {
            info: ConnectorInfo {
                name: NAME.to_owned(),
                title: "Exported form answers".to_owned(),
                settings: settings::offered(),
                metrics: vec![MetricId::FORM_OPENS, MetricId::SIGNUPS],
                people: Some(Depth::Email),
                names_people: true,
                names_apart_by: Some(PERSON_COLUMN),
                reads_answers: true,
                scheduled_by: Some("path"),
                ..ConnectorInfo::default()
            },
        }
    }
}

impl Default for FormFileConnector {
    fn default() -> Self {
        Self::new()
    }
}

#[async_trait]
impl Connector for FormFileConnector {
    fn info(&self) -> &ConnectorInfo {
        &self.info
    }

    /// An export speaks for its own days, whatever window was asked for.
    async fn pull(&self, request: &PullRequest<'_>, sink: &mut dyn RowSink) -> Result<PullFacts, PullError> {
        let path = PathBuf::from(request.settings.plain("path").ok_or_else(|| {
            PullError::File(format!(
                "source {} has no path, so there is nothing to pull: set path, or import files by hand",
                request.source
            ))
        })?);
        let settings = FormSettings::of(request.settings)?;
        let has_own_names = settings.person_column.is_some();
        let (zone, questions) = (request.zone, request.questions.to_vec());
        let today = request.now.with_timezone(&zone).date_naive();
        let asked = settings.clone();
        let mut reading =
            aside(move || FormReading::new(FormSurvey::of(&path, &asked, &questions)?, zone, asked.since)).await?;
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
            let sheet = reading.sheet();
            for act in &batch.acts {
                not_ahead(sheet, act.line, act.at.with_timezone(&zone).date_naive(), today)?;
            }
            let mut opens: BTreeMap<(&str, NaiveDate), i64> = BTreeMap::new();
            for (line, arm, day) in &batch.opens {
                not_ahead(sheet, *line, *day, today)?;
                *opens.entry((arm, *day)).or_default() += millionths::ONE;
            }
            let opens: Vec<_> =
                opens.into_iter().map(|(place, count)| (place, [(MetricId::FORM_OPENS, count)])).collect();
            let counts = opens.iter().map(|((arm, day), values)| SourceRow::Counts {
                arm_key: Some(Cow::Borrowed(*arm)),
                day: *day,
                values,
            });
            let acts = batch.acts.iter().map(|act| {
                let person = act.person.as_deref();
                let own = || person.map(|number| Cow::Owned(format!("{}:{number}", request.source)));
                SourceRow::Response(ResponseRow {
                    response_id: Cow::Borrowed(&act.id),
                    person: if has_own_names { own() } else { person.map(Cow::Borrowed) },
                    depth: Depth::Email,
                    void: None,
                    arm_key: Some(Cow::Borrowed(&act.arm)),
                    at: act.at,
                    answers: act.answers.clone(),
                })
            });
            let rows: Vec<SourceRow<'_>> = counts.chain(acts).collect();
            sink.accept(&rows).await?;
            pages += 1;
        }
        let understood = aside(move || {
            let (survey, tally) = reading.finish()?;
            FormUnderstanding::of(&survey, tally, &settings, zone)
        })
        .await?;
        not_ahead(understood.sheet.as_deref(), understood.header_lines[0], understood.last, today)?;
        let covered = understood
            .covered()
            .ok_or_else(|| PullError::File("the file has no days: export its answers again".to_owned()))?;
        Ok(PullFacts {
            pages,
            rows: understood.rows,
            day_zone: zone,
            currency: None,
            facts: Facts::default(),
            covered,
            warnings: understood.warnings,
        })
    }
}

/// Refuses what has not happened yet.
fn not_ahead(sheet: Option<&str>, line: u64, day: NaiveDate, today: NaiveDate) -> Result<(), FileError> {
    if day <= today {
        return Ok(());
    }
    let what = format!(
        "{day} lies in the future: today is {today}. If days are written in another order or zone, set day_order or \
         time_zone"
    );
    Err(FileError::Mend { line, what }.in_sheet(sheet))
}
