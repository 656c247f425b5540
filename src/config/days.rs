//! `set_aside_days` and `real_days` of `[experiment.KEY]`: what the operator says of days, with a reason.

use super::check::Check;
use super::raw::{self, Section};
use crate::domain::day_note::{DayNote, Word};

/// Reads both lists, in order of their first day.
pub(super) fn day_notes(check: &Check<'_>, section: &Section<'_>) -> Vec<DayNote> {
    let mut notes: Vec<DayNote> = Vec::new();
    for (key, word) in [("set_aside_days", Word::SetAside), ("real_days", Word::Real)] {
        for entry in section.tables(key, &raw::DAYS).unwrap_or_default() {
            entry.require("first", "write the first of the days: first = \"2026-09-14\"");
            let reason = entry.need("reason", "write what happened: it is printed on every verdict");
            let first = entry.day("first");
            let last = if entry.has("last") { entry.day("last") } else { first.clone() };
            let (Some(reason), Some(first), Some(last)) = (reason, first, last) else { continue };
            let (reason, span) = ((*reason.get_ref()).trim().to_owned(), last.span());
            let note = DayNote { first: first.into_inner(), last: last.into_inner(), word, reason };
            if note.last < note.first {
                let what = format!("{} is before {}", entry.dotted("last"), entry.dotted("first"));
                check.report.error(span, what, format!("write a day from {} on, or leave it out", note.first));
            } else if let Some(other) = notes.iter().find(|other| other.first <= note.last && note.first <= other.last)
            {
                let what = format!("{} and other days from {} overlap", entry.path, other.first);
                check.report.error(span, what, "say one thing of each day: it is set aside, or real");
            } else {
                notes.push(note);
            }
        }
    }
    notes.sort_by_key(|note| note.first);
    notes
}
