//! Where a row lacks what a path names: what stands near it, so that a renamed field is found at once. Names
//! only, never values: those may be anybody's.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;
use strsim::jaro_winkler;

use super::extract::{self, Kind, Seen};
use super::path::{Path, Step};
use super::plan::{Plan, Wanted};

/// Most names told, and most characters of one.
const MOST: usize = 6;
const LONGEST: usize = 40;

/// What the deepest object on a path's way has instead, in words; `None` where it cannot be told. Reads the
/// page again, which is done once, for the row that failed.
pub(super) fn near(page: &str, each: &str, row: u64, path: &str) -> Option<String> {
    let (each, path) = (Path::parse(each).ok()?, Path::parse(path).ok()?);
    if path.up > 0 {
        return None;
    }
    let plan = Plan::compile(&[Wanted { path: &each, strict: false }], None, &[]).ok()?;
    let Ok((rows, ())) = extract::read(&plan, page, ()) else { return None };
    let Seen::Value(mut json) = *rows.all(0).get(usize::try_from(row).ok()?.checked_sub(1)?)? else { return None };
    let mut way = "the row".to_owned();
    for step in &path.steps {
        let Step::Name(name) = step else { return None };
        if Kind::of(json) != Kind::Object {
            return Some(format!("{way} is {}", Kind::of(json)));
        }
        let members: BTreeMap<Cow<'_, str>, &RawValue> = serde_json::from_str(json).ok()?;
        let Some(next) = members.get(name.as_str()) else {
            return Some(format!("{way} has {}", names(members.keys(), name)));
        };
        way = format!("`{name}`");
        json = next.get();
    }
    None
}

/// The nearest first.
fn names<'n>(members: impl Iterator<Item = &'n Cow<'n, str>>, missing: &str) -> String {
    let mut names: Vec<_> = members.collect();
    if names.is_empty() {
        return "nothing".to_owned();
    }
    names.sort_by(|a, b| jaro_winkler(b, missing).total_cmp(&jaro_winkler(a, missing)));
    let more = if names.len() > MOST { format!(" and {} more", names.len() - MOST) } else { String::new() };
    let short = |name: &Cow<'_, str>| format!("`{}`", name.chars().take(LONGEST).collect::<String>());
    let told: Vec<_> = names.into_iter().take(MOST).map(short).collect();
    format!("{}{more}", told.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h18_what_stands_near_a_missing_name_is_told_nearest_first() {
        let page = r#"{"data":[{"id":1},{"id":2,"metrics":{"impr":1,"click":7,"secret":"no"},"x":[]}]}"#;
        let near = |row, path: &str| near(page, "$.data[*]", row, path);
        assert_eq!(near(2, "$.metrics.clicks").unwrap(), "`metrics` has `click`, `impr`, `secret`");
        assert_eq!(near(1, "$.metrics.clicks").unwrap(), "the row has `id`");
        assert_eq!(near(2, "$.x.y").unwrap(), "`x` is a list");
        for (row, path) in [(2, "$.x[0]"), (3, "$.id"), (0, "$.id"), (2, "$.id"), (2, "^.id")] {
            assert_eq!(near(row, path), None, "{row} {path}");
        }
    }
}
