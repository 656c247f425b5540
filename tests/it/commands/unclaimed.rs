//! `pull` names the keys that belong to no arm, with what they carry, and the lines to add.

use std::fs;

use willitsell::domain::id::SourceId;
use willitsell::domain::metric::MetricId;
use willitsell::domain::millionths;
use willitsell::domain::observation::DateWindow;
use willitsell::sandbox::Sandbox;

use super::NOW;
use crate::project::{Project, json_lines, setup};

#[tokio::test(flavor = "multi_thread")]
async fn pull_lists_unmapped_keys_with_their_rows_and_spend_stored_or_not() {
    let sandbox = Sandbox::start(setup(NOW)).await.unwrap();
    let project = Project::demo(&sandbox);
    let file = project.path().join("willitsell.toml");
    let text = fs::read_to_string(&file).unwrap();
    let key = text.lines().find_map(|line| line.strip_prefix("keys = { search = [\"")).unwrap();
    let key = key.split('"').next().unwrap().to_owned();
    let days = ["--source", "search", "--since", "2026-03-02", "--until", "2026-04-12"];
    let unclaimed = |more: &[&str]| {
        let lines = json_lines(&project.succeeds(&[&["pull", "--json"], &days[..], more].concat()));
        lines[0]["unclaimed"].clone()
    };
    let others = unclaimed(&["--dry-run"]).as_array().unwrap().len();
    fs::write(&file, text.replacen(&key, "nobody", 1)).unwrap();

    let rehearsed = unclaimed(&["--dry-run"]);
    let found =
        |list: &serde_json::Value| list.as_array().unwrap().iter().find(|one| one["key"] == key.as_str()).cloned();
    assert_eq!(rehearsed.as_array().unwrap().len(), others + 1);
    let one = found(&rehearsed).unwrap();
    assert!(one["rows"].as_u64() > Some(20), "{one}");
    assert!(one["spend"]["amount"].as_str().is_some_and(|amount| amount.parse::<f64>().unwrap() > 1.0), "{one}");
    assert!(one["spend"]["currency"].is_string(), "{one}");
    assert_eq!(unclaimed(&[]), rehearsed, "a pull that stores says the same");
    let stored = project.store().await;
    let window = DateWindow::new("2026-03-02".parse().unwrap(), "2026-04-12".parse().unwrap()).unwrap();
    let stored = stored.inputs(&[SourceId::new("search")], window, None).await.unwrap().observations;
    let stored: Vec<_> = stored.iter().filter(|row| *row.arm_key == *key).collect();
    assert_eq!(one["rows"], stored.len(), "and so does what is stored");
    let spend: i64 = stored.iter().filter_map(|row| row.values.get(MetricId::SPEND)).sum();
    assert_eq!(one["spend"]["amount"], millionths::print(spend));

    let shown = project.succeeds(&[&["pull", "--dry-run"], &days[..]].concat());
    assert!(shown.contains(&format!("{key}: no version (arm) yet, so it does not count (")), "{shown}");
    assert!(shown.contains("  [source.search]\n") && shown.contains("set_aside = [\""), "{shown}");
    project.assert_no_secret_kept();
}
