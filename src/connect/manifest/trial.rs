//! Tries a manifest without a store: reads a saved answer, the quickest way from a vendor's documentation to rows, or runs
//! the program it reads from. Not the file's own examples: see `example`.

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;

use super::{Asks, Manifest, program};
use crate::connect::{Progress, PullError, PullFacts, PullRequest};
use crate::domain::connector::{
    JobBook, JobError, Kept, ReportJob, RowSink, SettingValue, Settings, SourceRow, State, TokenLock, TokenVault,
    VaultError,
};
use crate::domain::id::{LoginId, SourceId};
use crate::domain::observation::DateWindow;

impl Manifest {
    /// How many examples the file holds.
    pub fn examples(&self) -> usize {
        self.examples.len()
    }

    /// The settings of the first example.
    pub fn example_settings(&self) -> &[(String, String)] {
        self.examples.first().map(|example| example.settings.as_slice()).unwrap_or_default()
    }

    /// What a saved answer means, each row shown to `take`: with these settings, else those of the first example,
    /// else the defaults. Days of instants are cut in UTC.
    ///
    /// # Errors
    /// A setting there is not, or a sentence naming the path that cannot be read.
    pub fn try_answer<T>(
        &self,
        page: &str,
        given: &[(String, String)],
        take: impl FnOnce(&[SourceRow<'_>]) -> T,
    ) -> Result<T, String> {
        let mut settings = Settings::default();
        for info in &self.info.settings {
            if let Some(default) = &info.default {
                settings.insert(info.name.as_str(), SettingValue::Plain(default.clone()));
            }
        }
        for (name, value) in self.example_settings().iter().chain(given) {
            if !self.info.settings.iter().any(|info| info.name == *name) {
                return Err(format!("{} has no setting `{name}`", self.info.name));
            }
            settings.insert(name.as_str(), SettingValue::Plain(value.clone()));
        }
        let always = DateWindow::new(NaiveDate::MIN, NaiveDate::MAX).ok_or("no days")?;
        let pages = self.as_read(&[page.to_owned()], &settings)?;
        let page = pages.first().ok_or("nothing stands there")?;
        self.read_page(page, &settings, always, Tz::UTC, take)
    }

    /// Whether it reads from a program of the user's.
    pub fn runs_a_program(&self) -> bool {
        matches!(self.asks, Asks::Program(_))
    }

    /// Runs that program for some days, in UTC.
    ///
    /// # Errors
    /// [`PullError`], as a pull would; of a file that runs none.
    pub async fn try_program(
        &self,
        settings: &Settings,
        window: DateWindow,
        state: Option<&State>,
        now: DateTime<Utc>,
        sink: &mut dyn RowSink,
    ) -> Result<PullFacts, PullError> {
        let Asks::Program(program) = &self.asks else {
            return Err(PullError::Program("this file runs no program: it asks an address".to_owned()));
        };
        let source = SourceId::new(self.info.name.as_str());
        let request = PullRequest {
            source: &source,
            settings,
            questions: &[],
            login: None,
            tokens: &Nothing,
            jobs: &Nothing,
            window,
            zone: Tz::UTC,
            now,
            state,
            heard: None,
            progress: &Progress::default(),
        };
        program::pull(self, program, &request, sink).await
    }
}

/// Where a program is tried, no login and no report is kept.
struct Nothing;

#[async_trait]
impl TokenVault for Nothing {
    async fn load(&self, _: &LoginId) -> Result<Kept, VaultError> {
        Ok(Kept::default())
    }

    async fn lock(&self, login: &LoginId) -> Result<Box<dyn TokenLock>, VaultError> {
        Err(VaultError::Failed(format!("nothing is kept of {login} here")))
    }
}

#[async_trait]
impl JobBook for Nothing {
    async fn load(&self, _: &SourceId, _: &str) -> Result<Option<ReportJob>, JobError> {
        Ok(None)
    }

    async fn save(&self, _: &SourceId, _: &str, _: &ReportJob) -> Result<(), JobError> {
        Ok(())
    }

    async fn forget(&self, _: &SourceId, _: &str) -> Result<(), JobError> {
        Ok(())
    }
}
