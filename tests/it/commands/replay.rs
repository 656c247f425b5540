//! The contract of `replay --counts --policy --json` that other programs drive: a line per as-of day and arm,
//! or nothing on standard output.

use std::fmt::Write as _;

use super::SMALL;
use crate::project::{Ended, Project, json_lines};

#[test]
fn good_counts_give_lines_and_bad_ones_nothing_but_a_message() {
    let project = Project::new(SMALL);
    let mut counts = "day,arm,visits,conversions\n".to_owned();
    for day in 1..=20 {
        writeln!(counts, "2026-03-{day:02},b,200,2\n2026-03-{day:02},a,200,10").unwrap();
    }
    project.write("counts.csv", &counts);
    project.write("policy.json", r#"{"kill_bar":0.02}"#);
    let replay =
        |counts: &str, policy: &str| project.run(&["replay", "--counts", counts, "--policy", policy, "--json"]);

    let good = replay("counts.csv", "policy.json");
    assert_eq!((good.code, good.stderr.as_str()), (0, ""), "{good:#?}");
    let lines = json_lines(&good.stdout);
    let arms: Vec<_> = lines.iter().map(|line| line["arm"].as_str().unwrap()).collect();
    assert_eq!(arms, ["a", "b", "*"].repeat(23), "20 days and a lag of 3");
    let last: Vec<_> = lines[66..].iter().map(|line| line["verdict"].as_str().unwrap()).collect();
    assert_eq!(last, ["BUILD", "KILL", "BUILD"]);
    let fields = "day arm verdict reason lean days trials successes estimate low high log_e_build log_e_kill phi flags";
    let first = good.stdout.lines().next().unwrap();
    let places: Vec<_> = fields.split(' ').map(|field| first.find(&format!("\"{field}\":")).expect(field)).collect();
    assert!(places.is_sorted(), "{first}");

    // A reader that went away, as in `| head`.
    let mut unread =
        project.command(&["replay", "--counts", "counts.csv", "--policy", "policy.json", "--json"]).spawn().unwrap();
    drop(unread.stdout.take());
    let unread = Ended::of(&unread.wait_with_output().unwrap());
    assert_eq!((unread.code, unread.stderr.as_str()), (0, ""));

    project.write("torn.csv", counts.replace("2026-03-20,a,200,10", "2026-03-20,a,200"));
    project.write("word.csv", counts.replace("2026-03-20,a,200,10", "2026-03-20,a,200,ten"));
    project.write("empty.csv", "");
    project.write("unknown.json", r#"{"kill_bar":0.02,"kil_bar":0.02}"#);
    project.write("costs.json", r#"{"kill_bar":30,"metric":"cpa"}"#);
    project.write("torn.json", r#"{"kill_bar":0.02"#);
    for (counts, policy, says) in [
        ("torn.csv", "policy.json", "torn.csv"),
        ("word.csv", "policy.json", "line 41"),
        ("empty.csv", "policy.json", "empty.csv"),
        ("none.csv", "policy.json", "none.csv"),
        ("counts.csv", "none.json", "none.json"),
        ("counts.csv", "unknown.json", "kil_bar"),
        ("counts.csv", "costs.json", "there is no column \"spend\", which the metric cpa needs"),
        ("counts.csv", "torn.json", "torn.json"),
    ] {
        let bad = replay(counts, policy);
        assert!(bad.code != 0 && bad.stdout.is_empty(), "{counts} {policy}: {bad:#?}");
        assert!(bad.stderr.contains(says), "{counts} {policy}: {bad:#?}");
    }
}
