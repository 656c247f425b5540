//! Pages and sheets of tests at their limits: names of sixty characters, nothing counted, one day, six versions, counts of one and of five
//! digits. What is drawn has numbers in it, and a sheet stays one.

use willitsell::domain::decision::Setup;
use willitsell::domain::verdict::{StoredScorecard, Verdict};
use willitsell::schedule::recall::Latest;
use willitsell::themes::group;
use willitsell::web::Page;
use willitsell::web::concept::Concept;
use willitsell::web::concept::page::{ArmsPage, ConceptPage};
use willitsell::web::report::Report;

use super::*;
use crate::paper::sheets;

const LONG: &str = "Invoice autopilot with matching, chasing and approvals (EU)";

fn concept(experiment: &Experiment, days: u64, data: Inputs) -> Concept {
    let card = decide(experiment, days, &data);
    let now = card.as_of;
    let setup = Setup { experiment: experiment.clone(), generation: generation() };
    let stored = StoredScorecard { id: 1, replaces: None, known_at: 1, scorecard: card };
    Concept::of(Latest { stored, setup, inputs: data }, vec![], group(&[], &[]), now)
}

/// Both pages and the sheet; every coordinate is a number.
fn drawn(experiment: &Experiment, days: u64, data: Inputs) -> [String; 3] {
    let sheet = Report::of(&concept(experiment, days, data.clone())).html().into_string();
    let page = ConceptPage { concept: concept(experiment, days, data.clone()) }.body().into_string();
    let arms = ArmsPage { concept: concept(experiment, days, data) }.body().into_string();
    let all = [page, arms, sheet];
    for text in &all {
        for wrong in ["NaN", "=\"inf", "-inf", " style=", "<script"] {
            assert!(!text.contains(wrong), "{wrong} is drawn");
        }
    }
    all
}

fn six() -> (Experiment, Vec<Daily>) {
    let mut experiment = experiment(&["a", "b", "c", "d", "e", "f"]);
    for arm in &mut experiment.arms {
        arm.title = format!("{LONG} {}", arm.id);
    }
    let many = ["a", "b", "c", "d", "e", "f"].map(|key| Daily { key, ..SELLS });
    (experiment, many.into())
}

#[test]
fn a_test_at_its_limits_is_drawn_with_numbers_and_stays_on_one_sheet() {
    let one = experiment(&["a"]);
    let mut long = experiment(&["a"]);
    long.concept.title = LONG.into();
    long.concept.hypothesis = format!("{LONG}: {LONG}, {LONG}");
    long.owner = Some(format!("{LONG}, {LONG}"));
    long.policy.guardrails = vec![cost_guardrail(84.0), cost_guardrail(20.0)];
    long.money.team_cost_per_week = Some(usd("7800"));
    long.money.build_weeks = Some(6.0);
    let (several, many) = six();
    let nothing = Daily { signups: |_| 0, ..SELLS };
    let few = Daily { visits: 2, signups: |day| day % 2, ..SELLS };
    let crowd = Daily { visits: 54_321, signups: |day| 60 + day, ..SELLS };
    let cases = [
        ("long names, 28 days", &long, 28, inputs(&long, 28, &[SELLS])),
        ("nothing counted", &one, 28, inputs(&one, 28, &[nothing])),
        ("before the first settled day", &one, 2, inputs(&one, 2, &[SELLS])),
        ("one settled day", &one, 4, inputs(&one, 4, &[SELLS])),
        ("few", &one, 20, inputs(&one, 20, &[few])),
        ("a crowd", &one, 20, inputs(&one, 20, &[crowd])),
        ("a dud", &one, 40, inputs(&one, 40, &[DUD])),
        ("between the bars, at the cap", &one, 70, inputs(&one, 70, &[BETWEEN])),
        ("six versions", &several, 28, inputs(&several, 28, &many)),
    ];
    for (what, experiment, days, data) in cases {
        let [page, arms, sheet] = drawn(experiment, days, data);
        assert!(page.contains("How sure are we?") && arms.contains("Versions and channels"), "{what}");
        for (paper, pages) in sheets(&sheet) {
            assert_eq!(pages, 1, "{what} on {paper}");
        }
    }
}

#[test]
fn while_blocked_counts_are_drawn_and_no_range_is() {
    let experiment = experiment(&["a"]);
    let mut data = inputs(&experiment, 30, &[SELLS]);
    let shown = drawn(&experiment, 30, data.clone());
    assert!(shown[0].contains("best case"));
    // Nothing has been read for two weeks.
    data.pulls.retain(|pull| pull.last_day < day("2026-03-18"));
    let card = decide(&experiment, 30, &data);
    assert_eq!(card.verdict, Verdict::Blocked);
    let [page, _, sheet] = drawn(&experiment, 30, data);
    for text in [page, sheet] {
        assert!(!text.contains("best case") && text.contains("withheld"));
    }
}

#[test]
fn w4_names_of_others_are_text_on_pages_and_sheets() {
    let mut experiment = experiment(&["a", "b"]);
    let hostile = "<img src=x onerror=alert(1)><script>alert(1)</script>";
    experiment.concept.title = hostile.into();
    experiment.concept.hypothesis = hostile.into();
    experiment.owner = Some(hostile.into());
    experiment.arms[0].title = hostile.into();
    experiment.sources[0].channel = Some(hostile.into());
    let data = inputs(&experiment, 30, &[SELLS, Daily { key: "b", ..BETWEEN }]);
    for text in drawn(&experiment, 30, data) {
        assert!(!text.contains("<img") && text.contains("&lt;img"), "{text}");
    }
}
