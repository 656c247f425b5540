//! `[run]`: how the daemon works.

use serde_spanned::Spanned;

use super::defaults;
use super::raw::{self, Section};

/// Most sources that may be read side by side.
const MOST_AT_ONCE: u32 = 256;

/// Longest `catch_up_days`.
const LONGEST_CATCH_UP: u32 = 366;

/// How `run` works.
#[derive(Clone, Debug)]
pub struct Daemon {
    /// Sources that are read side by side.
    pub sources_at_once: u32,
    /// Slots that were missed longer ago are told of and not run.
    pub catch_up_days: u32,
}

/// Reads the table; what is wrong with it goes to the report.
pub(super) fn daemon(root: &Section<'_>) -> Daemon {
    let section = root.table("run", &raw::RUN, "[run] and sources_at_once below it");
    let whole = |key, most| section.as_ref()?.whole(key, 1, most).map(Spanned::into_inner);
    Daemon {
        sources_at_once: whole("sources_at_once", MOST_AT_ONCE).unwrap_or(defaults::SOURCES_AT_ONCE),
        catch_up_days: whole("catch_up_days", LONGEST_CATCH_UP).unwrap_or(defaults::CATCH_UP_DAYS),
    }
}
