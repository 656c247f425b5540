//! `decide`: what a person decided is written down for good, told, and printed on every later verdict.

use std::fmt::Write as _;

use super::SMALL;
use crate::project::{Project, json_lines};

/// Forty days of one campaign, and a verdict on them.
fn project(acts: u32) -> Project {
    let receiver = "notify = [\"team\"]\n[experiment.kit.arm.search]";
    let told = SMALL
        .replace("[experiment.kit.arm.search]", receiver)
        .replace("kill_bar = 0.02", "kill_bar = 0.02\nhorizon_days = 30");
    let webhook = "[notify.team.webhook]\nurl = \"file:secrets/url\"\nsecret = \"file:secrets/key\"\n";
    let project = Project::new(&format!("{told}{webhook}"));
    project.secret("url", "https://hooks.example.com/decisions");
    project.secret("key", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let mut report = "Day,Campaign,Clicks,Conversions\n".to_owned();
    for day in 0..40 {
        let date = chrono::NaiveDate::from_ymd_opt(2026, 3, 2).unwrap() + chrono::Days::new(day);
        writeln!(report, "{date},A,200,{acts}").unwrap();
    }
    project.write("report.csv", report);
    project.succeeds(&["import", "report.csv", "--source", "ads"]);
    project.run(&["run", "--once"]);
    project
}

const BY: [&str; 4] = ["--by", "Dana", "--reason", "the board wants it"];

#[test]
fn a_decision_against_the_verdict_is_recorded_told_and_shown_for_good() {
    let project = project(1);
    let decide = |more: &[&str]| project.run(&[&["decide", "kit"], more].concat());
    let kill = json_lines(&project.run(&["status", "--json"]).stdout).remove(0);
    assert_eq!(kill["verdict"], "KILL");
    assert_eq!(project.run(&["status"]).code, 20, "a message to nobody who answers waits as well");

    for (arguments, says) in [
        (&["build", "--by", "", "--reason", "because"][..], "a decision needs a name and a reason"),
        (&["build", "--by", "Dana", "--reason", "  "], "a decision needs a name and a reason"),
        (&["build", "--by", "Dana"], "--reason <TEXT>"),
        (&["maybe", "--by", "Dana", "--reason", "x"], "[possible values: build, kill, extend]"),
        (&["build", "--days", "3", "--by", "Dana", "--reason", "x"], "--days and --budget go with `extend`"),
        (&["extend", "--days", "3", "--by", "Dana", "--reason", "x"], "KILL stands however long the test goes on"),
    ] {
        let refused = decide(arguments);
        assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{arguments:?}: {refused:#?}");
        assert!(refused.stderr.contains(says), "{arguments:?}: {}", refused.stderr);
    }
    let unknown = project.run(&[&["decide", "kti", "build"][..], &BY].concat());
    assert_eq!(unknown.code, 2);
    assert!(unknown.stderr.contains("there is no [experiment.kti]: did you mean kit?"), "{}", unknown.stderr);

    let rehearsed = decide(&[&["build", "--dry-run"][..], &BY].concat());
    assert!(rehearsed.stdout.contains("Nothing was recorded (dry run)."), "{rehearsed:#?}");
    let shown = decide(&[&["build"][..], &BY].concat());
    assert_eq!(shown.code, 0, "{shown:#?}");
    for says in [
        "Meal kit · Dana decided to build",
        "Why       the board wants it.",
        "Verdict   KILL of ",
        ": the decision goes against it.\n",
        "Recorded. team will be told by `willitsell run`.",
    ] {
        assert!(shown.stdout.contains(says), "{says}: {}", shown.stdout);
    }
    let status = project.run(&["status"]).stdout;
    assert!(
        status.contains("\n  Dana decided on ") && status.contains(" to build, against KILL: the board wants it."),
        "{status}"
    );
    assert!(status.contains("Dana decided to build"), "the message waits: {status}");
    let explained = project.succeeds(&["explain", "kit"]);
    assert!(explained.contains("Decisions\n  Dana decided on "), "{explained}");

    // A change of mind is another decision, quietly; the first stays.
    let lines = json_lines(&decide(&["kill", "--by", "Dana", "--reason", "slept over it", "--quiet", "--json"]).stdout);
    let last = &lines[0];
    assert_eq!((&last["id"], &last["choice"], &last["against"]), (&2.into(), &"kill".into(), &false.into()));
    assert_eq!((&last["decisions"], &last["overrides"], &last["told"]), (&2.into(), &1.into(), &serde_json::json!([])));
    project.run(&["run", "--once"]);
    let status = json_lines(&project.run(&["status", "--json"]).stdout).remove(0);
    assert_eq!((&status["decision"]["choice"], &status["overrides"]), (&"kill".into(), &1.into()));
    let replayed = project.succeeds(&["replay", "kit"]);
    assert_eq!(replayed, "2 of 2 stored verdicts derived again, bit for bit.\n");
}

#[test]
fn an_extended_test_goes_on_and_every_later_verdict_says_so() {
    let project = project(5);
    let verdict = || json_lines(&project.run(&["status", "--json"]).stdout).remove(0);
    assert_eq!(verdict()["verdict"], "REVIEW", "{}", verdict());
    let extend = |more: &[&str]| project.run(&[&["decide", "kit", "extend"], more, &BY].concat());
    for (arguments, says) in [
        (&["--days", "-5"][..], "--days -5 would not raise the cap: a cap is never lowered; nothing was recorded"),
        (&["--days", "0"], "would not raise the cap"),
        (&["--budget", "500"], "this test has no `budget_cap` that could be raised"),
        (&[], "say what is raised: --days N, --budget AMOUNT or both"),
    ] {
        let refused = extend(arguments);
        assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{arguments:?}: {refused:#?}");
        assert!(refused.stderr.contains(says), "{arguments:?}: {}", refused.stderr);
    }
    let before = verdict()["scorecard"].clone();
    let extended = extend(&["--days", "30"]);
    assert!(extended.stdout.contains("Cap       Now 60 settled days (30 before; "), "{extended:#?}");
    assert!(
        extended.stdout.contains("Next      Start the ads again, if they stopped: the test goes on"),
        "{extended:#?}"
    );
    project.run(&["run", "--once"]);
    let after = verdict();
    assert_eq!(after["verdict"], "COLLECTING", "{after}");
    assert_eq!(after["scorecard"]["policy_hash"], before["policy_hash"]);
    let sentence = after["sentence"].as_str().unwrap();
    assert!(
        sentence.contains("Dana raised the cap by 30 days on ")
            && sentence.ends_with(", saying: \"the board wants it\"."),
        "{sentence}"
    );
    assert_eq!(project.succeeds(&["replay", "kit"]), "2 of 2 stored verdicts derived again, bit for bit.\n");
    let json = json_lines(&project.succeeds(&["replay", "kit", "--json"])).remove(0);
    assert_eq!(
        (&json["verdicts"], &json["same"], &json["first_difference"]),
        (&2.into(), &2.into(), &serde_json::Value::Null)
    );
}

#[test]
fn a_larger_cap_is_refused_where_no_cap_ended_the_test() {
    let limit = "[[experiment.kit.policy.guardrails]]\nname = \"people_click\"\nnumerator = \"clicks\"\n\
                 denominator = \"impressions\"\nmin = 0.9\n";
    let project = Project::new(&format!("{SMALL}{limit}"));
    let mut report = "Day,Campaign,Impressions,Clicks,Conversions\n".to_owned();
    for day in 0..40 {
        let date = chrono::NaiveDate::from_ymd_opt(2026, 3, 2).unwrap() + chrono::Days::new(day);
        writeln!(report, "{date},A,9000,200,12").unwrap();
    }
    project.write("report.csv", report);
    project.succeeds(&["import", "report.csv", "--source", "ads"]);
    project.run(&["run", "--once"]);
    let explained = project.run(&["explain", "kit"]).stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        explained.contains("Next: Decide whether to build although people_click is beyond its limit, or to kill"),
        "{explained}"
    );
    assert!(
        explained.contains("To kill, write `kill` in place of `build`.") && !explained.contains("extend"),
        "{explained}"
    );
    let refused = project.run(&[&["decide", "kit", "extend", "--days", "30"][..], &BY].concat());
    assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{refused:#?}");
    assert!(refused.stderr.contains("a larger cap would not let this test go on"), "{}", refused.stderr);
}

#[test]
fn replay_needs_a_concept_or_counts_and_not_both() {
    let project = Project::new(SMALL);
    for arguments in
        [&["replay"][..], &["replay", "kit", "--counts", "a", "--policy", "b"], &["replay", "--counts", "a"]]
    {
        let refused = project.run(arguments);
        assert_eq!((refused.code, refused.stdout.as_str()), (2, ""), "{arguments:?}: {refused:#?}");
    }
    let none = project.run(&["replay", "kit"]);
    assert_eq!(none.code, 1);
    assert!(none.stderr.contains("kit has no verdict yet"), "{none:#?}");
    let unknown = project.run(&["replay", "kitt"]);
    assert!(unknown.stderr.contains("did you mean kit?"), "{unknown:#?}");
}

#[test]
fn whoever_knows_ends_the_reminders_and_says_so_by_name() {
    let project = project(1);
    for (arguments, code, says) in [
        (&["ack", "kit", "--by", " "][..], 2, "say who you are with --by NAME"),
        (&["ack", "kti", "--by", "Dana"], 2, "there is no [experiment.kti]: did you mean kit?"),
        (&["snooze", "kit", "--by", "Dana", "--until", "2020-01-01", "--reason", "x"], 2, "is no day to come"),
        (&["snooze", "kit", "--by", "Dana", "--until", "2120-01-01", "--reason", " "], 2, "a snooze needs a reason"),
        (&["snooze", "kit", "--by", "Dana", "--until", "soon", "--reason", "x"], 2, "--until"),
        (&["ack", "kit", "--by", "Dana", "--dry-run"], 0, "Nothing was recorded (dry run)"),
        (&["snooze", "kit", "--by", "Dana", "--until", "2120-01-01", "--reason", "later"], 0, "before 2120-01-01"),
        (&["ack", "kit", "--by", "Dana"], 0, "Recorded: no more reminders of KILL on kit, until it has passed."),
    ] {
        let ended = project.run(arguments);
        assert_eq!(ended.code, code, "{arguments:?}: {ended:#?}");
        assert!(format!("{}{}", ended.stdout, ended.stderr).contains(says), "{arguments:?}: {ended:#?}");
    }
    let raw = rusqlite::Connection::open(project.path().join("willitsell.db")).unwrap();
    let kept: i64 = raw.query_row("SELECT COUNT(*) FROM acknowledgement", [], |row| row.get(0)).unwrap();
    assert_eq!(kept, 2);
}
