//! The part of the checks that is about settings: their defaults, patterns and choices, and what may stand in one.

use chrono_tz::Tz;
use regex::RegexBuilder;
use serde_spanned::Spanned;

use super::super::raw::RawSetting;
use super::Check;
use crate::domain::connector::SettingInfo;

/// Most memory a setting's pattern may take, in bytes.
const LARGEST_PATTERN: usize = 64 << 10;

impl Check<'_, '_> {
    pub(super) fn setting(&mut self, name: &Spanned<String>, raw: &RawSetting) -> SettingInfo {
        let address = self.addresses.contains(name.get_ref());
        match &raw.default {
            Some(default) if raw.secret => {
                self.wrong(default.span(), "a secret has no default: every user gives a reference to their own")
            }
            // With a placeholder it was checked where it is used.
            Some(default) if address && !default.get_ref().contains('{') => self.https(default),
            Some(default) if raw.optional => {
                self.wrong(default.span(), "a setting with a default is never left out: remove `optional`")
            }
            None if address => self.wrong(name.span(), "an address has a default: the vendor's own, https and literal"),
            _ => None::<()>,
        };
        if let Some(pattern) = &raw.pattern {
            let anchored = pattern.get_ref().starts_with('^') && pattern.get_ref().ends_with('$');
            // Matching takes linear time; the cap keeps one that repeats a repetition from filling the memory.
            let compiled = RegexBuilder::new(pattern.get_ref()).size_limit(LARGEST_PATTERN).build();
            if compiled.is_err() || !anchored {
                let advice = "`pattern` must be a short regular expression between `^` and `$`";
                self.wrong::<()>(pattern.span(), advice);
            }
        }
        let choices = raw.choices.as_ref().and_then(|choices| self.choices_of(choices, raw));
        let info = SettingInfo {
            name: name.get_ref().clone(),
            help: raw.help.clone(),
            secret: raw.secret,
            default: raw.default.as_ref().map(|default| default.get_ref().clone()),
            optional: raw.optional,
            pattern: raw.pattern.as_ref().map(|pattern| pattern.get_ref().clone()),
            choices: choices.unwrap_or_default(),
            address,
            zone: self.zone.as_ref() == Some(name.get_ref()),
        };
        if let Some(default) = &raw.default
            && let Err(why) = fits(&info, default.get_ref())
        {
            self.wrong::<()>(default.span(), format!("the default {why}"));
        }
        info
    }

    /// The words a user may choose from.
    fn choices_of(&mut self, choices: &Spanned<toml::Value>, raw: &RawSetting) -> Option<Vec<String>> {
        if raw.secret || raw.pattern.is_some() {
            return self.wrong(choices.span(), "a setting with `choices` is no secret and needs no `pattern`");
        }
        let words: Option<Vec<_>> = match choices.get_ref() {
            toml::Value::Array(words) => words.iter().map(|word| word.as_str().map(str::to_owned)).collect(),
            toml::Value::Table(table) => table.iter().map(|(word, sent)| sent.as_str().map(|_| word.clone())).collect(),
            _ => None,
        };
        match words {
            Some(words) if !words.is_empty() => Some(words),
            _ => self.wrong(
                choices.span(),
                "`choices` is a list of words, or a table of words and the text that is sent for each",
            ),
        }
    }
}

/// Whether a value may stand in a setting.
pub(super) fn fits(info: &SettingInfo, value: &str) -> Result<(), String> {
    let matches = |pattern: &str| {
        let compiled = RegexBuilder::new(pattern).size_limit(LARGEST_PATTERN).build();
        compiled.map_or(true, |pattern| pattern.is_match(value))
    };
    match &info.pattern {
        _ if !info.choices.is_empty() && !info.choices.iter().any(|choice| choice == value) => {
            Err(format!("is none of the choices: write one of `{}`", info.choices.join("`, `")))
        }
        Some(pattern) if !matches(pattern) => Err(format!("does not match `{pattern}`: change one of them")),
        _ if info.zone && value.parse::<Tz>().is_err() => Err("is no time zone such as `Europe/Berlin`".to_owned()),
        _ => Ok(()),
    }
}
