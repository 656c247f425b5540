//! Every file of `ad-export-specimens` gives what its `expected.json` says, key by key.

use std::path::PathBuf;

use serde_json::Value;
use willitsell::connect::native::file::understand;
use willitsell::domain::metric::MetricId;
use willitsell::domain::millionths;

use crate::real_data::real_data;

use super::{ZONE, pull, settings, sums};

/// The specimens, where this copy of the project has them beside it.
pub fn folder() -> Option<PathBuf> {
    real_data("data/ad-export-specimens")
}

pub fn expected(folder: &std::path::Path) -> serde_json::Map<String, Value> {
    let text = std::fs::read_to_string(folder.join("expected.json")).unwrap();
    let mut expected: serde_json::Map<String, Value> = serde_json::from_str(&text).unwrap();
    expected.remove("_note");
    expected
}

/// The metric a key of `expected.json` speaks of.
fn metric(key: &str) -> Option<MetricId> {
    match key {
        "link_clicks" => Some(MetricId::CLICKS),
        "landing_page_views" => Some(MetricId::VISITS),
        "lead_forms_opened" => Some(MetricId::FORM_OPENS),
        _ => MetricId::named(key),
    }
}

#[test]
fn shows_2_every_specimen_imports_with_its_totals_or_is_refused() {
    let Some(folder) = folder() else { return };
    let expected = expected(&folder);
    assert!(expected.len() >= 13);
    for (name, wanted) in &expected {
        let path = folder.join(name);
        let mapped: &[(&str, &str)] = match wanted["action"].as_str().unwrap() {
            "refuse" => {
                let error = pull(&path, &[]).unwrap_err();
                assert!(error.contains("no day column") && error.contains("range"), "{name}: {error}");
                if wanted["reason"].as_str().unwrap().contains("starts and ends differ") {
                    assert!(error.contains("reporting starts and ends differ"), "{error}");
                }
                continue;
            }
            "import_if_mapped" => {
                let error = pull(&path, &[]).unwrap_err();
                assert!(error.contains("no campaign column") && error.contains("arm ="), "{name}: {error}");
                &[("arm", "concept-a")]
            }
            "import" => &[],
            other => panic!("{name}: {other}"),
        };
        check(name, &path, wanted, mapped);
    }
}

fn check(name: &str, path: &std::path::Path, wanted: &Value, mapped: &[(&str, &str)]) {
    let understood = understand(path, &settings(mapped), ZONE).unwrap_or_else(|error| panic!("{name}: {error}"));
    let (kept, facts) = pull(path, mapped).unwrap_or_else(|error| panic!("{name}: {error}"));
    let sums = sums(&kept);
    assert_eq!(sums, understood.totals, "{name}");
    assert_eq!(facts.rows, understood.rows, "{name}");
    assert_eq!(Some(facts.covered), understood.covered(), "{name}");
    for (key, value) in wanted.as_object().unwrap() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let found = match key.as_str() {
            "action" | "reason" => continue,
            "rows" => understood.rows.to_string(),
            "days" => understood.days.to_string(),
            "first" => facts.covered.first().to_string(),
            "last" => facts.covered.last().to_string(),
            "currency" => facts.currency.unwrap().to_string(),
            "day_zone" => {
                assert_eq!(understood.day_zone_from, "file", "{name}");
                facts.day_zone.to_string()
            }
            "totals_rows_skipped" => understood.totals_rows_skipped.to_string(),
            "warn" => {
                assert!(facts.warnings.iter().any(|warning| warning.contains(&text)), "{name}: {:?}", facts.warnings);
                continue;
            }
            key => {
                let metric = metric(key).unwrap_or_else(|| panic!("{name}: what is {key}?"));
                let sum = sums.get(&metric).unwrap_or_else(|| panic!("{name}: no {metric}"));
                assert_eq!(millionths::parse(sum), millionths::parse(&text), "{name}: {key}");
                continue;
            }
        };
        assert_eq!(found, text, "{name}: {key}");
    }
    if wanted.get("warn").is_none() {
        assert_eq!(facts.warnings, Vec::<String>::new(), "{name}");
    }
    if wanted.get("day_zone").is_none() {
        assert_eq!(facts.day_zone, ZONE, "{name}");
    }
}

#[test]
fn d2_a_file_imported_twice_gives_the_same_rows() {
    let Some(folder) = folder() else { return };
    for name in ["meta_daily_en_bom_summary_first.csv", "google_campaign_daily_de.csv"] {
        let path = folder.join(name);
        assert_eq!(pull(&path, &[]).unwrap(), pull(&path, &[]).unwrap());
    }
}

#[test]
fn what_was_understood_is_shown_in_words_and_as_json() {
    let Some(folder) = folder() else { return };
    let show = |name: &str| understand(&folder.join(name), &settings(&[]), ZONE).unwrap();
    let german = show("google_campaign_daily_de.csv");
    let text = german.to_string();
    for words in [
        "comma between fields, column names on line 3",
        "decimal comma, a point between thousands",
        "2026-03-02 to 2026-03-15, 14 of them",
        "Money     EUR",
        "left out, a sum of others: line 32 \"Gesamt: Konto",
        "Kosten        spend",
        "Konzept A - Search: 14 rows, impressions 56,997, clicks 1,853, spend 1,499.90",
        "spend 2,804.11",
    ] {
        assert!(text.contains(words), "{words:?} is not in\n{text}");
    }
    let json = serde_json::to_value(&german).unwrap();
    assert_eq!(json["totals"]["spend"], "2804.11");
    assert_eq!(json["arms"][0]["key"], "Konzept A - Search");
    let meta = show("meta_daily_en_bom_summary_first.csv").to_string();
    assert!(meta.contains("ignored: the leads column is taken"), "{meta}");
    assert!(meta.contains("line 2 \"account summary\""), "{meta}");
    let google = show("google_campaign_daily_en.csv");
    assert_eq!(google.arms[0].also, ["20000000001"]);
}
