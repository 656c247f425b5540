//! The part of the checks that is about what the numbers mean, in words for people.

use serde_spanned::Spanned;

use super::super::FactsRule;
use super::super::fill::Template;
use super::super::raw::RawFacts;
use super::Check;
use crate::connect::http::HeaderName;
use crate::domain::connector::Facts;

/// Most characters of one fact: it is shown in one line.
const LONGEST: usize = 160;

fn is_path(text: &Spanned<String>) -> bool {
    text.get_ref().starts_with(['$', '^'])
}

/// The facts as written, placeholders and all.
pub(super) fn as_written(raw: &RawFacts) -> Facts {
    let text = |text: &Option<Spanned<String>>| text.as_ref().map(|text| text.get_ref().clone());
    Facts {
        clicks: text(&raw.clicks),
        conversions: text(&raw.conversions),
        attribution: text(&raw.attribution),
        left_out: text(&raw.left_out),
        ..Facts::default()
    }
}

impl Check<'_, '_> {
    pub(super) fn facts(&mut self, raw: &RawFacts) -> FactsRule {
        FactsRule {
            clicks: self.fact(raw.clicks.as_ref()),
            conversions: self.fact(raw.conversions.as_ref()),
            attribution: self.fact(raw.attribution.as_ref()),
            left_out: self.fact(raw.left_out.as_ref()),
            as_of: raw.as_of.as_ref().and_then(|path| self.path(path)),
            version: raw.version.as_ref().filter(|text| is_path(text)).and_then(|path| self.path(path)),
            version_header: raw.version.as_ref().filter(|text| !is_path(text)).and_then(|name| self.header_name(name)),
        }
    }

    fn header_name(&mut self, name: &Spanned<String>) -> Option<HeaderName> {
        match name.get_ref().parse() {
            Ok(header) => Some(header),
            Err(_) => self.wrong(name.span(), "`version` is a path, `$.version`, or the name of a header"),
        }
    }

    fn fact(&mut self, raw: Option<&Spanned<String>>) -> Option<Template> {
        let text = raw?;
        let line = text.get_ref().trim();
        if line.is_empty() || line.chars().count() > LONGEST || line.contains(char::is_control) {
            return self.wrong(text.span(), format!("a fact is one line of at most {LONGEST} characters: shorten it"));
        }
        self.words(text)
    }
}
