//! What a source counts: all that its connector does, but for what its user names or leaves out.

use std::collections::BTreeSet;

use super::check::Check;
use super::raw::Section;
use super::report::{quoted, suggestion};
use crate::domain::connector::ConnectorInfo;
use crate::domain::metric::MetricId;

/// What a source counts, where one of its settings names it.
pub(super) fn named(check: &Check<'_>, table: Option<&Section<'_>>, key: &str, info: &ConnectorInfo) -> Vec<MetricId> {
    let Some((table, written)) = table.and_then(|table| Some((table, table.text(key)?))) else { return Vec::new() };
    let names: Vec<&str> = info.metrics.iter().map(|metric| metric.metric().name).collect();
    let mut counted = Vec::new();
    for name in written.get_ref().split(',').map(str::trim) {
        match info.metrics.iter().find(|metric| metric.metric().name == name) {
            Some(metric) if !counted.contains(metric) => counted.push(*metric),
            Some(metric) => {
                let what = format!("{} names {metric} twice", table.dotted(key));
                check.report.error(written.span(), what, "take one out");
            }
            None => {
                let what = format!("{} names something that is not counted by day", table.dotted(key));
                check.report.error(written.span(), what, suggestion(name, &names, "name one or more"));
            }
        }
    }
    counted
}

/// Counts of a source that another source counts better.
pub(super) fn leave_out(check: &Check<'_>, section: &Section<'_>, info: Option<&ConnectorInfo>) -> BTreeSet<MetricId> {
    let counts: Vec<MetricId> = info.map(|info| info.metrics.clone()).unwrap_or_default();
    let names: Vec<&str> = counts.iter().map(|metric| metric.metric().name).collect();
    let mut left_out = BTreeSet::new();
    for written in section.texts("leave_out").unwrap_or_default() {
        let found = counts.iter().find(|metric| metric.metric().name == *written.get_ref());
        if info.is_some_and(|info| info.people.is_some()) {
            let what = format!("{}: people are not left out by what they count as", section.dotted("leave_out"));
            check.report.error(written.span(), what, "take the source out of sources, or out of the keys of the arms");
        } else if info.is_some() && found.is_none() {
            let what = format!("{} is nothing this source counts", quoted(written.get_ref()));
            check.report.error(written.span(), what, suggestion(written.get_ref(), &names, "take this line out"));
        }
        left_out.extend(found);
    }
    left_out
}
