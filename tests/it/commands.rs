//! Every command of the real program: which exit code, what on which stream.

mod copies;
mod daemon;
mod decide;
mod demo;
mod forget;
mod health;
mod live;
mod pages;
mod plan;
mod replay;
mod report;
mod sandbox;
mod simulate;
mod stops;
mod unclaimed;

use willitsell::sandbox::{Endpoint, Sandbox};

use crate::canary::CANARY;
use crate::project::{Project, json_lines, messages, setup};

const NOW: &str = "2026-04-20T12:00:00Z";

/// A file source and an experiment on it: needs no network and no secret.
const SMALL: &str = r#"
[source.ads]
connector = "file"
[experiment.kit]
title = "Meal kit"
hypothesis = "people who click will convert"
schedule = "0 8 * * *"
timezone = "UTC"
start = "2026-03-02"
sources = ["ads"]
[experiment.kit.arm.search]
keys = { ads = ["A"] }
[experiment.kit.rate.lead]
numerator = "conversions"
denominator = "clicks"
[experiment.kit.policy]
primary = "lead"
kill_bar = 0.02
"#;

#[test]
fn f1_check_says_everything_that_is_wrong_at_once_and_prints_no_secret() {
    let broken = SMALL
        .replace("timezone = \"UTC\"", "timezone = \"Mars\"")
        .replace("schedule = \"0 8 * * *\"", "schedule = \"0 25 * * *\"")
        .replace("kill_bar = 0.02", "kill_bar = nan\nkil_bar = 0.03");
    let broken = format!("{broken}[notify.team.slack]\nurl = \"https://hooks.slack.com/services/{CANARY}\"\n");
    let project = Project::new(&broken);
    for arguments in [&["check"][..], &["check", "--json"], &["run", "--once"], &["status", "--json"], &["pull"]] {
        let ended = project.run(arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{arguments:?}: {ended:#?}");
        for (number, line) in broken.lines().enumerate() {
            if ["Mars", "25 * *", "nan", "kil_bar", "hooks.slack"].iter().any(|wrong| line.contains(wrong)) {
                let place = format!("willitsell.toml:{}:", number + 1);
                assert!(ended.stderr.contains(&place), "{arguments:?}: nothing about {place} in {}", ended.stderr);
            }
        }
    }
    assert!(!project.path().join("willitsell.db").exists(), "nothing was done");
}

#[test]
fn check_of_a_sound_file_says_what_it_understood_and_what_is_unwise() {
    let project = Project::new(SMALL);
    let shown = project.run(&["check"]);
    assert_eq!(shown.code, 0, "{shown:#?}");
    assert!(shown.stdout.contains("willitsell.toml: nothing is wrong") && shown.stdout.contains("kit"), "{shown:#?}");
    assert!(shown.stderr.contains("nobody is told"), "{shown:#?}");
    let json = project.run(&["check", "--json"]);
    assert_eq!((json.code, json.stderr.as_str()), (0, ""), "warnings are in the result");
    assert!(json_lines(&json.stdout)[0]["warnings"].to_string().contains("nobody is told"), "{json:#?}");
    for (arguments, says) in [(["--help"], "Exit codes:"), (["--version"], env!("CARGO_PKG_VERSION"))] {
        assert!(project.succeeds(&arguments).contains(says), "{arguments:?}");
    }
}

#[test]
fn f3_a_secret_that_is_not_there_is_named_at_the_start() {
    let table = "[notify.team.webhook]\nurl = \"env:WILLITSELL_TEST_NOT_SET\"\nsecret = \"file:secrets/none\"\n";
    let project = Project::new(&format!("{SMALL}{table}"));
    for arguments in [&["check"][..], &["run", "--once"]] {
        let ended = project.run(arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{ended:#?}");
        assert!(
            ended.stderr.contains("WILLITSELL_TEST_NOT_SET") && ended.stderr.contains("secrets/none"),
            "{ended:#?}"
        );
    }
}

#[test]
fn what_cannot_be_asked_ends_with_2_and_prints_no_result() {
    let project = Project::new(SMALL);
    for (arguments, says) in [
        (&["explain", "kitt"][..], "there is no [experiment.kitt]: did you mean kit?"),
        (&["pull"], "willitsell import FILE"),
        (&["pull", "--source", "ads"], "willitsell import FILE --source ads"),
        (&["pull", "--source", "add"], "there is no [source.add]: did you mean ads?"),
        (&["import", "report.csv", "--source", "add"], "there is no [source.add]"),
        (&["status", "--everything"], "--everything"),
        (&["pull", "--since", "yesterday"], "yesterday"),
        (&["sell"], "sell"),
        (&["replay", "--counts", "a.csv"], "--policy"),
        (&["check", "--config", "elsewhere.toml"], "elsewhere.toml"),
        (&["init"], "exists and is not overwritten"),
        (&[], "Usage"),
    ] {
        let ended = project.run(arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{arguments:?}: {ended:#?}");
        assert!(ended.stderr.contains(says), "{arguments:?}: {ended:#?}");
    }
    for (arguments, says) in [
        (&["explain", "kit"][..], "willitsell run --once"),
        (&["import", "report.csv"], "report.csv"),
        (&["init", "--config", "new.toml"], "the answers ended before the questions"),
    ] {
        let ended = project.run(arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{arguments:?}: {ended:#?}");
        assert!(ended.stderr.contains(says), "{arguments:?}: {ended:#?}");
    }
    assert!(!project.path().join("new.toml").exists());
}

#[test]
fn init_writes_what_check_accepts() {
    let project = Project::new("");
    project.write("answers", "Meal kit\n\n3 % of cat owners sign up\n\n\n\nKit 29\n\n\n\n\n\n\n\n\n\n\n\n");
    let init = |arguments: &[&str]| {
        let answers = std::fs::File::open(project.path().join("answers")).unwrap();
        let ended = project.command(arguments).stdin(answers).output().unwrap();
        assert!(ended.status.success(), "{ended:?}");
        String::from_utf8(ended.stdout).unwrap()
    };
    let shown = init(&["init", "--dry-run", "--json", "--config", "kit.toml"]);
    assert!(!project.path().join("kit.toml").exists(), "a dry run writes nothing");
    init(&["init", "--config", "kit.toml"]);
    let written = std::fs::read_to_string(project.path().join("kit.toml")).unwrap();
    assert_eq!(json_lines(&shown)[0]["configuration"], written);
    let checked = json_lines(&project.succeeds(&["check", "--json", "--config", "kit.toml"]));
    assert_eq!(checked[0]["experiments"], serde_json::json!(["meal-kit"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn from_the_first_check_to_the_verdicts_every_result_is_an_object_a_line() {
    let sandbox = Sandbox::start(setup(NOW)).await.unwrap();
    let project = Project::demo(&sandbox);
    let json = |arguments: &[&str]| json_lines(&project.succeeds(&[arguments, &["--json"]].concat()));

    assert_eq!(json(&["check"]).len(), 1);
    assert_eq!(sandbox.calls(Endpoint::GoogleToken) + sandbox.calls(Endpoint::Typeform), 0, "check calls nobody");
    let status = json(&["status"]);
    assert_eq!(status.len(), 3, "exit code 0: nothing waits for anybody");
    assert!(status.iter().all(|line| line["verdict"].is_null()), "{status:?}");

    let days = ["--since", "2026-03-02", "--until", "2026-04-15"];
    let rehearsed = json(&[&["pull", "--dry-run"], &days[..]].concat());
    assert!(rehearsed.iter().all(|line| line.get("new").is_none() && line["rows"].as_u64() > Some(0)));
    let pulled = json(&[&["pull"], &days[..]].concat());
    let figures = |lines: &[serde_json::Value], name: &str| -> Vec<Option<u64>> {
        lines.iter().map(|line| line[name].as_u64()).collect()
    };
    assert_eq!(figures(&pulled, "new"), figures(&rehearsed, "rows"), "the dry run had stored nothing");
    assert_eq!(messages(&sandbox, Endpoint::Slack), Vec::<serde_json::Value>::new(), "pulling tells nobody");

    let decided = json(&["run", "--once"]);
    let stands: Vec<_> = decided.iter().map(|line| [&line["concept"], &line["scorecard"]["verdict"]]).collect();
    assert_eq!(stands, [["cat-meals", "BUILD"], ["fridge-chat", "KILL"], ["plant-sitter", "REVIEW"]]);
    assert_eq!(messages(&sandbox, Endpoint::Slack).len(), 3);
    let status = project.run(&["status", "--json"]);
    let standing = json_lines(&status.stdout);
    assert_eq!((status.code, standing.len()), (10, 4), "{status:#?}");
    let spent: i64 = standing[..3].iter().map(|line| line["scorecard"]["spend"]["micros"].as_i64().unwrap()).sum();
    assert_eq!(standing[3]["ledger"]["spent"]["micros"], spent, "the money of all concepts stands in the last line");
    assert!(project.run(&["status"]).stdout.contains("\nAll concepts: $"), "and so it does for people");
    let explained = json(&["explain", "cat-meals"]);
    assert!(explained[0]["explanation"].as_array().unwrap().len() > 2, "{explained:?}");
    assert_eq!(explained[0]["id"], decided[0]["scorecard"]["id"]);
    assert_eq!(explained[0]["money"][0]["name"], "Spent");
    assert_eq!(explained[0]["money"][0]["amount"], decided[0]["scorecard"]["spend"]);
    assert!(explained[0]["flips"]["acts"].as_array().is_some_and(|acts| !acts.is_empty()), "{explained:?}");

    // The same for people: sentences, and nothing of the logs among them.
    let shown = project.run(&["run", "--once"]);
    assert!(shown.stderr.contains("INFO pulled source=search"), "the logs that were searched: {shown:#?}");
    assert!(shown.stdout.contains("KILL: fridge-chat, reached on ") && !shown.stdout.contains("INFO"), "{shown:#?}");
    assert!(project.succeeds(&["explain", "fridge-chat"]).lines().count() > 10);
    project.assert_no_secret_kept();
}

#[tokio::test(flavor = "multi_thread")]
async fn run_once_judges_and_tells_all_others_where_one_concept_cannot_be_read() {
    let sandbox = Sandbox::start(setup(NOW)).await.unwrap();
    let project = Project::demo(&sandbox);
    project.run(&["run", "--once"]);
    assert_eq!(messages(&sandbox, Endpoint::Slack).len(), 3);
    let raw = rusqlite::Connection::open(project.path().join("willitsell.db")).unwrap();
    let held_to: i64 = raw.query_row("SELECT MIN(tested) FROM scorecard", [], |row| row.get(0)).unwrap();
    assert_eq!(held_to, 3, "each of them is held to all that are tested");
    raw.execute_batch(
        "DELETE FROM delivery; DELETE FROM scorecard WHERE concept_id <> 'cat-meals'; UPDATE scorecard SET body = '{'",
    )
    .unwrap();

    let ended = project.run(&["run", "--once", "--json"]);
    assert_eq!(ended.code, 1, "{ended:#?}");
    assert!(ended.stderr.contains("cat-meals: the store holds what this program did not write"), "{ended:#?}");
    let lines = json_lines(&ended.stdout);
    let stands: Vec<_> = lines.iter().map(|line| [&line["concept"], &line["scorecard"]["verdict"]]).collect();
    assert_eq!(stands[1..], [["fridge-chat", "KILL"], ["plant-sitter", "REVIEW"]]);
    assert!(lines[0]["scorecard"].is_null() && lines[0]["failures"][0].to_string().contains("cat-meals"), "{lines:#?}");
    assert_eq!(messages(&sandbox, Endpoint::Slack).len(), 3 + 2, "who has news is told");
}
