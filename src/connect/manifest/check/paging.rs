//! The quarter of the checks that is about how much is asked at once: pages and days.

use std::collections::BTreeSet;

use super::super::fill::{End, Hole};
use super::super::raw::{RawDays, RawPage};
use super::super::{Body, Cursor, CursorPlace, DayZone, Request};
use super::Check;

impl Check<'_, '_> {
    pub(super) fn cursor(&mut self, raw: &RawPage, request: Option<&Request>) -> Option<Cursor> {
        let raw = &raw.cursor;
        let from = self.path(&raw.from)?;
        let place = match (&raw.query, &raw.json) {
            (Some(name), None) => CursorPlace::Query(name.clone()),
            (None, Some(name)) => CursorPlace::Json(name.clone()),
            _ => return self.wrong(raw.from.span(), "say where the cursor goes: `query` or `json`, one of them"),
        };
        let request = request?;
        if matches!(place, CursorPlace::Json(_)) && !matches!(request.body, Some(Body::Json(_))) {
            return self.wrong(raw.from.span(), "the cursor goes into the body, but there is no `[request.json]`");
        }
        if raw.size.is_some() != request.holes().any(|hole| *hole == Hole::PageSize) {
            return self
                .wrong(raw.from.span(), "`size` and `{page.size}` in the request belong together: write both or none");
        }
        Some(Cursor { from, place, size: raw.size })
    }

    pub(super) fn days(&mut self, raw: &RawDays, request: Option<&Request>) -> Option<DayZone> {
        let zone = match raw.zone.get_ref().as_str() {
            "experiment" => DayZone::Experiment,
            path if path.starts_with(['$', '^']) => DayZone::Row(self.row_path(&raw.zone)?),
            _ => {
                return self.wrong(
                    raw.zone.span(),
                    "`zone` is a path in each row, or `experiment` where the vendor gives instants",
                );
            }
        };
        let end = match self.one_of(&raw.ends, &["inclusive", "exclusive"])? {
            0 => End::Last,
            _ => End::Next,
        };
        let asked: Vec<_> = request?.holes().filter_map(Hole::as_day).collect();
        let word = if end == End::Last { "{window.end}" } else { "{window.next}" };
        let ends: BTreeSet<_> = asked.iter().map(|(end, _)| *end).collect();
        if ends != BTreeSet::from([End::Start, end]) {
            return self.wrong(
                raw.ends.span(),
                format!("the request must ask for {{window.start}} to {word}, as `ends` says, and no other day"),
            );
        }
        let instants = asked.iter().any(|(_, form)| form.is_instant());
        if instants && matches!(zone, DayZone::Row(_)) {
            return self.wrong(
                raw.zone.span(),
                "the request asks by instants, so the zone must be known before: `zone = \"experiment\"`",
            );
        }
        Some(zone)
    }
}
