//! Which of several versions is the best: named only when no doubt is left, and then in words.

use willitsell::decide::{derivation, explain};
use willitsell::domain::verdict::Verdict;

use super::*;

const AS_GOOD: Daily = Daily { key: "b", ..SELLS };
const WORSE: Daily = Daily { key: "b", visits: 100, signups: |day| 5 + day % 2, spend: 300 };
const DEAD: Daily = Daily { key: "c", visits: 100, signups: |_| 1, spend: 300 };

fn versions(experiment: &Experiment, days: u64, data: &Inputs) -> (Scorecard, Vec<String>, Vec<String>) {
    let card = decide(experiment, days, data);
    let derived = derivation::derive(experiment, &generation(), data, &card);
    let open = derived.versions.unwrap().open.iter().map(ToString::to_string).collect();
    let lines = derived.sections.into_iter().find(|section| section.title == "Versions").unwrap().lines;
    (card, open, lines)
}

#[test]
fn two_alike_cannot_be_told_apart_however_long_they_run() {
    let experiment = experiment(&["a", "b"]);
    let data = inputs(&experiment, 50, &[SELLS, AS_GOOD]);
    let (card, open, lines) = versions(&experiment, 50, &data);
    assert_eq!((card.verdict, open), (Verdict::Build, vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!(card.best.len(), 2);
    assert_eq!(lines[0], "Plan a and Plan b cannot be told apart yet.");
    assert!(lines[1].starts_with("Plan a has 1.0 times the rate of Plan b (range 0."), "{lines:?}");
    assert!(explain::sentence(&experiment, &card).contains("Plan a and Plan b cannot be told apart yet."));
}

#[test]
fn a_better_one_is_named_once_it_is_sure_and_said_as_delivered() {
    let experiment = experiment(&["a", "b"]);
    let data = inputs(&experiment, 50, &[SELLS, WORSE]);
    let named: Vec<bool> = (17..50).map(|days| versions(&experiment, days, &data).1 == ["a"]).collect();
    assert!(!named[0] && named[32], "{named:?}");
    let (card, _, lines) = versions(&experiment, 50, &data);
    assert_eq!(
        lines[0],
        "Plan a does better than Plan b. But each was delivered with its own audience, so part or all of that may come from the people."
    );
    assert!(lines[1].starts_with("Plan a has 1.45 times the rate of Plan b (range 1."), "{lines:?}");
    assert_eq!(card.best, [ArmId::new("a")]);
}

#[test]
fn of_three_the_one_that_is_surely_behind_is_left_out_and_none_before_two_weeks() {
    let experiment = experiment(&["a", "b", "c"]);
    let data = inputs(&experiment, 40, &[SELLS, AS_GOOD, DEAD]);
    let (_, open, lines) = versions(&experiment, 40, &data);
    assert_eq!(open, ["a", "b"]);
    assert!(lines[0].starts_with(
        "Plan a and Plan b cannot be told apart yet. Plan c is behind. But each was delivered with its own audience, so part or all of that may come from the people."
    ));
    let (_, early, _) = versions(&experiment, 12, &data);
    assert_eq!(early.len(), 3);
}

#[test]
fn costs_are_compared_too_and_one_version_is_compared_with_nothing() {
    let mut experiment = experiment(&["a", "b"]);
    let policy = &mut experiment.policy;
    (policy.model, policy.kill_bar, policy.build_bar) = (Model::Cpa, 60.0, 40.0);
    (policy.primary.denominator, policy.bar_currency) = (MetricId::SPEND, Some(usd("0").currency));
    policy.min_exposures = 0;
    let data = inputs(&experiment, 50, &[SELLS, WORSE]);
    let (_, open, lines) = versions(&experiment, 50, &data);
    assert_eq!(open, ["a"]);
    assert!(lines[1].starts_with("Plan a has 1.45 times the acts per money of Plan b (range 1."), "{lines:?}");

    let alone = super::experiment(&["a"]);
    let data = inputs(&alone, 20, &[SELLS]);
    let card = decide(&alone, 20, &data);
    assert_eq!(derivation::derive(&alone, &generation(), &data, &card).versions, None);
    assert!(!serde_json::to_string(&card).unwrap().contains("\"best\""));
}
