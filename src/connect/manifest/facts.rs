//! What a source's numbers mean, as its file says it, and what its answers say of themselves: until when
//! their figures are complete, and which version of the API gave them.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;

use super::ask::Asker;
use super::day::DayForm;
use super::extract::Found;
use super::fill::Template;
use super::rows::Reader;
use crate::connect::PullError;
use crate::connect::http::{HeaderMap, HeaderName};
use crate::domain::connector::{Facts, Settings};

/// What the numbers mean, for people, and where an answer says how far they go.
#[derive(Debug, Default)]
pub(super) struct FactsRule {
    pub(super) clicks: Option<Template>,
    pub(super) conversions: Option<Template>,
    pub(super) attribution: Option<Template>,
    pub(super) left_out: Option<Template>,
    /// Where an answer says until when its figures are complete.
    pub(super) as_of: Option<Template>,
    /// Where an answer says which version of the API gave it…
    pub(super) version: Option<Template>,
    /// …or the header that says it.
    pub(super) version_header: Option<HeaderName>,
}

impl FactsRule {
    /// Filled in with one source's settings.
    pub(super) fn filled(&self, settings: &Settings) -> Facts {
        let text = |text: &Option<Template>| text.as_ref().and_then(|text| text.fill_plain(settings, |text| text));
        Facts {
            clicks: text(&self.clicks),
            conversions: text(&self.conversions),
            attribution: text(&self.attribution),
            left_out: text(&self.left_out),
            ..Facts::default()
        }
    }
}

/// What the answers of one window said of themselves.
#[derive(Debug, Default)]
pub(super) struct Heard {
    as_of: Option<DateTime<Utc>>,
    version: Option<String>,
}

impl Heard {
    /// Of several answers the earliest instant counts, and the last version.
    pub(super) fn listen<'p>(&mut self, reader: &Reader, page: &'p str, found: &Found<'p>) -> Result<(), PullError> {
        let text = |slot: Option<usize>| match slot {
            Some(slot) => reader
                .page_text(slot, page, found)
                .map_err(|fault| PullError::Shape { path: fault.path, saw: fault.saw }),
            None => Ok(None),
        };
        if let (Some(text), Some(slot)) = (text(reader.as_of)?, reader.as_of) {
            let instant = DayForm::Instant.instant(&text, Tz::UTC).ok_or_else(|| PullError::Shape {
                path: reader.paths[slot].clone(),
                saw: format!("\"{text}\" {}", DayForm::Instant.else_not()),
            })?;
            self.as_of = Some(self.as_of.map_or(instant, |before| before.min(instant)));
        }
        if let Some(version) = text(reader.version)? {
            self.version = Some(version.into_owned());
        }
        Ok(())
    }

    /// What a good answer's headers say.
    pub(super) fn listen_to(&mut self, reader: &Reader, headers: &HeaderMap) {
        let value = reader.version_header.as_ref().and_then(|name| headers.get(name)?.to_str().ok());
        if let Some(version) = value.filter(|version| version.len() <= 40) {
            self.version = Some(version.to_owned());
        }
    }

    /// What the vendor wrote, as it may be shown and kept.
    pub(super) fn clean(&mut self, asker: &Asker<'_>) {
        self.version = self.version.take().map(|version| asker.shown(&version));
    }

    /// The facts of a window, and what a person should know of the version that answered.
    pub(super) fn into_facts(self, reader: &Reader, asked: Option<&str>) -> (Facts, Option<String>) {
        // "v26.0" answers where "v26" was asked; "v260" does not.
        let same = |asked: &str, answered: &str| {
            answered.strip_prefix(asked).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let upgraded = match (asked, &self.version) {
            (Some(asked), Some(answered)) if !same(asked, answered) => Some(format!(
                "version `{asked}` of the vendor's API was asked and `{answered}` answered: what its numbers mean may have changed, so read the vendor's notes and set `api_version`"
            )),
            _ => None,
        };
        let version = self.version.or_else(|| asked.map(str::to_owned));
        (Facts { as_of: self.as_of, version, ..reader.facts.clone() }, upgraded)
    }
}
