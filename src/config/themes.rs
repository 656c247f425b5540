//! `[experiment.KEY.themes]`: names for what people write, and the phrases each is known by.

use super::check::Check;
use super::raw::{self, Section};
use super::report::quoted;
use crate::domain::theme::{Phrase, Theme};

/// Reads the themes, in order of name.
pub(super) fn themes(check: &Check<'_>, section: &Section<'_>) -> Vec<Theme> {
    const EXAMPLE: &str = "themes = { \"chasing late payers\" = [\"late payer*\", \"overdue\"] }";
    let Some(table) = section.table("themes", &raw::NAMES, EXAMPLE) else { return Vec::new() };
    let mut themes = Vec::new();
    for key in table.keys() {
        let name = *key.get_ref();
        if name.trim().is_empty() || name.contains(char::is_control) {
            let what = format!("{} is no name for a theme", quoted(name));
            check.report.error(key.span(), what, format!("write what people would call it: {EXAMPLE}"));
        }
        let mut phrases = Vec::new();
        for written in table.texts(name).unwrap_or_default() {
            if let Some(phrase) = Phrase::parse(written.get_ref()) {
                phrases.push(phrase);
            } else {
                let what = format!("{} of {} is no phrase", quoted(written.get_ref()), table.dotted(name));
                let advice = "write words as people write them; * stands for any letters within one: \"late payer*\"";
                check.report.error(written.span(), what, advice);
            }
        }
        if phrases.is_empty() && table.is_list(name) {
            let what = format!("{} is known by nothing", table.dotted(name));
            check.report.error(key.span(), what, format!("name its phrases: {EXAMPLE}"));
        }
        themes.push(Theme { name: name.to_owned(), phrases });
    }
    themes
}
