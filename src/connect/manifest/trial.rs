//! Reads a saved answer with a manifest, asking nobody: the quickest way from a vendor's documentation to rows.
//! Not the file's own examples: see `example`.

use chrono::NaiveDate;
use chrono_tz::Tz;

use super::Manifest;
use crate::domain::connector::{SettingValue, Settings, SourceRow};
use crate::domain::observation::DateWindow;

impl Manifest {
    /// How many examples the file holds.
    pub fn examples(&self) -> usize {
        self.examples.len()
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
        let example = self.examples.first().map(|example| example.settings.as_slice()).unwrap_or_default();
        for (name, value) in example.iter().chain(given) {
            if !self.info.settings.iter().any(|info| info.name == *name) {
                return Err(format!("{} has no setting `{name}`", self.info.name));
            }
            settings.insert(name.as_str(), SettingValue::Plain(value.clone()));
        }
        let always = DateWindow::new(NaiveDate::MIN, NaiveDate::MAX).ok_or("no days")?;
        self.read_page(page, &settings, always, Tz::UTC, take)
    }
}
