//! `simulate`: what it prints, which options go together, and that the same seed prints the same.

use serde_json::Value;

use super::SMALL;
use crate::project::{Project, json_lines};

#[test]
fn rows_of_the_table_are_printed_for_people_and_programs() {
    let project = Project::new(SMALL);
    let text = project.succeeds(&["simulate", "--row", "6", "--row", "7", "--runs", "20"]);
    for words in
        ["6    auto", "wrong BUILD at most 0.05", "worst of 5 cases", "without a lag", "Every requirement holds"]
    {
        assert!(text.contains(words), "{words} is not in {text}");
    }
    let json = || project.succeeds(&["simulate", "--row", "6", "--runs", "20", "--seed", "7", "--json"]);
    let lines = json_lines(&json());
    assert_eq!(lines[0]["kind"], "requirement");
    assert_eq!((&lines[0]["row"], &lines[0]["runs"]), (&Value::from("6"), &Value::from(20)));
    assert!(lines.iter().any(|line| line["kind"] == "beside"));
    assert_eq!(json(), json(), "same seed, same table");
}

#[test]
fn ones_own_policy_is_tried_at_its_own_bars() {
    let project = Project::new(SMALL);
    project.write("policy.json", r#"{"kill_bar":0.02,"build_bar":0.04,"maturity_lag_days":0}"#);
    let text = project.succeeds(&["simulate", "--policy", "policy.json", "--runs", "20"]);
    for words in ["Kill bar 0.02, build bar 0.04, 200 visits a day", "Days that differ by chance alone", "(wrong)"] {
        assert!(text.contains(words), "{words} is not in {text}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    let cases = json_lines(&project.succeeds(&["simulate", "kit", "--runs", "20", "--cv", "0.3", "--json"]));
    assert_eq!(cases.len(), 12, "four kinds of days, three truths");
    for case in &cases {
        let sum: f64 = ["build", "kill", "undecided"].iter().map(|key| case[key].as_f64().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-9, "{case}");
    }
    project.write("cost.json", r#"{"metric":"cpa","kill_bar":30,"build_bar":15}"#);
    let cost = project.succeeds(&["simulate", "--policy", "cost.json", "--runs", "20", "--visits-per-day", "300"]);
    assert!(cost.contains("300 a day spent"), "{cost}");
}

#[test]
fn what_cannot_be_simulated_is_refused_before_anything_is() {
    let project = Project::new(SMALL);
    project.write("torn.json", r#"{"kill_bar":0.02"#);
    for (arguments, says) in [
        (&["simulate", "--row", "11"][..], "there are 1, 2"),
        (&["simulate", "--runs", "0"], "--runs"),
        (&["simulate", "kitt"], "kit"),
        (&["simulate", "kit", "--row", "1"], "cannot be used with"),
        (&["simulate", "--policy", "torn.json"], "torn.json"),
        (&["simulate", "--policy", "none.json"], "none.json"),
        (&["simulate", "kit", "--cv", "nan"], "write a number"),
        (&["simulate", "kit", "--visits-per-day", "0"], "write a number"),
    ] {
        let ended = project.run(arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{arguments:?}: {ended:#?}");
        assert!(ended.stderr.contains(says), "{arguments:?}: {ended:#?}");
    }
}
