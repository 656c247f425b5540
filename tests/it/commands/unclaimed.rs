//! `pull` names the keys that belong to no arm, with what they carry, and the lines to add.

use std::fs;

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
    assert_eq!(unclaimed(&[]), rehearsed, "what is stored says the same");

    let shown = project.succeeds(&[&["pull", "--dry-run"], &days[..]].concat());
    assert!(shown.contains(&format!("{key}: no arm yet, so it does not count (")), "{shown}");
    assert!(shown.contains("  [source.search]\n") && shown.contains("set_aside = [\""), "{shown}");
    project.assert_no_secret_kept();
}
