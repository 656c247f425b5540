//! The table of edge cases of the statistics design (section 7), a test per row, under every model it concerns.

use serde_json::{Value, json};

use super::{first_day, lines, of, refusal};
use willitsell::cli::replay::Line;
use willitsell::domain::verdict::Verdict;

const HEADER: &str = "day,arm,visits,conversions,spend\n";

/// A policy of each metric, all with an arm called `old`, which only `compare` needs.
fn policies() -> [(&'static str, Value); 3] {
    [
        ("rate", json!({"metric": "rate", "kill_bar": 0.02})),
        ("cpa", json!({"metric": "cpa", "kill_bar": 30})),
        ("compare", json!({"metric": "compare", "control": "old"})),
    ]
}

/// Days of the arm `a`, which is good under every metric, beside `old`.
fn good(days: usize) -> String {
    let rows = first_day().iter_days().skip(1).take(days);
    rows.map(|day| format!("{day},a,1000,60,600\n{day},old,1000,20,600\n")).collect()
}

fn last<'a>(lines: &'a [Line], arm: &str) -> &'a Line {
    of(lines, arm).last().copied().unwrap()
}

fn flags(line: &Line) -> Value {
    json!(line.flags)
}

fn at(metric: &str) -> Value {
    policies().into_iter().find_map(|(name, policy)| (name == metric).then_some(policy)).unwrap()
}

#[test]
fn the_good_arm_is_a_build_under_every_metric() {
    for (metric, policy) in policies() {
        let lines = lines(&format!("{HEADER}{}", good(19)), &policy);
        assert_eq!(last(&lines, "a").verdict, Verdict::Build, "{metric}");
        assert_eq!(last(&lines, "a").flags, [], "{metric}");
    }
}

#[test]
fn negative_nan_and_infinite_values_and_a_day_that_is_there_twice_are_refused() {
    for (metric, policy) in policies() {
        for (row, wanted) in [
            ("2026-03-01,a,-1,0,1", "visits is -1"),
            ("2026-03-01,a,10,-0.5,1", "conversions is -0.5"),
            ("2026-03-01,a,10,0,-4", "spend is -4"),
            ("2026-03-01,a,NaN,0,1", "visits is \"NaN\""),
            ("2026-03-01,a,10,inf,1", "conversions is \"inf\""),
            ("2026-03-01,a,10,0,-inf", "spend is -inf"),
            ("2026-03-02,a,10,0,1", "2026-03-02 twice"),
        ] {
            let refused = refusal(&format!("{HEADER}{}{row}\n", good(2)), &policy.to_string());
            assert!(refused.contains(wanted), "{metric} {row}: {refused}");
        }
    }
}

#[test]
fn no_exposure_and_no_conversion_is_no_day() {
    for (metric, policy) in policies() {
        let idle = "2026-03-01,a,0,0,0\n2026-03-01,old,0,0,0\n";
        let (without, with) = (format!("{HEADER}{}", good(19)), format!("{HEADER}{idle}{}", good(19)));
        let (without, with) = (lines(&without, &policy), lines(&with, &policy));
        let (without, with) = (last(&without, "a"), last(&with, "a"));
        assert_eq!(serde_json::to_value(without).unwrap(), serde_json::to_value(with).unwrap(), "{metric}");
    }
}

#[test]
fn conversions_without_exposure_are_ignored_flagged_and_withhold_build_only() {
    for (metric, policy) in policies() {
        let lost = "2026-03-01,a,0,3,0\n2026-03-01,old,1000,20,600\n";
        let lines = lines(&format!("{HEADER}{lost}{}", good(19)), &policy);
        let arm = last(&lines, "a");
        assert_eq!((arm.days, arm.successes), (Some(19), Some(1_140.0)), "{metric}");
        assert_eq!(flags(arm), json!(["conversions_without_exposure"]), "{metric}");
        assert_eq!((arm.verdict, arm.reason.as_deref()), (Verdict::Collecting, Some("undecided")), "{metric}");
        let bad: String = good(19).replace(",a,1000,60,", ",a,1000,1,");
        let lines = super::lines(&format!("{HEADER}{lost}{bad}"), &policy);
        assert_eq!(last(&lines, "a").verdict, Verdict::Kill, "{metric}");
    }
}

#[test]
fn more_conversions_than_visits_are_cut_flagged_and_withhold_build_where_visits_count() {
    for (metric, policy) in policies() {
        let surplus = "2026-03-01,a,10,12,6\n2026-03-01,old,1000,20,600\n";
        let lines = lines(&format!("{HEADER}{surplus}{}", good(19)), &policy);
        let arm = last(&lines, "a");
        if metric == "cpa" {
            assert_eq!((arm.verdict, arm.successes), (Verdict::Build, Some(1_152.0)));
            assert_eq!(flags(arm), json!([]));
        } else {
            assert_eq!((arm.verdict, arm.successes), (Verdict::Collecting, Some(1_150.0)), "{metric}");
            assert_eq!(flags(arm), json!(["conversions_exceed_visits"]), "{metric}");
        }
    }
    // Of the control too: a rate above one compares with nothing.
    let surplus = "2026-03-01,a,1000,60,600\n2026-03-01,old,10,12,6\n";
    let lines = lines(&format!("{HEADER}{surplus}{}", good(19)), &at("compare"));
    assert_eq!(flags(last(&lines, "a")), json!(["conversions_exceed_visits"]));
}

#[test]
fn a_missing_day_is_absent_and_not_a_zero() {
    for (metric, policy) in policies() {
        let gaps: String = good(38)
            .split_inclusive('\n')
            .enumerate()
            .filter(|(row, _)| row / 2 % 2 == 0)
            .map(|(_, row)| row)
            .collect();
        let lines = lines(&format!("{HEADER}{gaps}"), &policy);
        let arm = last(&lines, "a");
        assert_eq!((arm.days, arm.trials), (Some(19), Some(if metric == "cpa" { 11_400.0 } else { 19_000.0 })));
        assert_eq!(arm.phi, Some(1.0), "{metric}: as even as days without gaps");
    }
}

#[test]
fn no_conversion_at_all_has_a_lower_end_of_nothing_and_may_kill() {
    for (metric, policy) in policies() {
        let none = good(19).replace(",a,1000,60,", ",a,1000,0,");
        let lines = lines(&format!("{HEADER}{none}"), &policy);
        let arm = last(&lines, "a");
        assert_eq!((arm.verdict, flags(arm)), (Verdict::Kill, json!(["zero_conversions"])), "{metric}");
        assert_eq!(arm.phi.map(|phi| phi > 0.9), Some(true));
        if metric == "cpa" {
            // Nothing was bought for the money: no cost of one, and none that is too high to be it.
            assert!(arm.estimate.is_none() && arm.high.is_none() && arm.low.unwrap() > 20.0, "{arm:?}");
        } else {
            assert_eq!((arm.estimate, arm.low), (Some(0.0), Some(0.0)), "{metric}");
        }
    }
}

#[test]
fn a_single_day_gives_numbers_and_no_verdict_before_min_days() {
    for (metric, policy) in policies() {
        let lines = lines(&format!("{HEADER}{}", good(1)), &policy);
        let arm = last(&lines, "a");
        assert_eq!((arm.days, arm.reason.as_deref()), (Some(1), Some("insufficient")), "{metric}");
        assert!(arm.estimate.is_some() && arm.phi.is_some_and(|phi| phi >= 1.0), "{metric}");
    }
}

#[test]
fn a_day_without_visits_of_one_arm_is_no_day_of_the_pair() {
    let policy = at("compare");
    let idle = |row: &str| last(&lines(&format!("{HEADER}{row}{}", good(19)), &policy), "a").clone();
    let both = idle("");
    for row in [
        "2026-03-01,a,900,50,600\n",
        "2026-03-01,a,900,50,600\n2026-03-01,old,0,0,0\n",
        "2026-03-01,old,900,50,600\n",
        "2026-03-01,a,0,0,0\n2026-03-01,old,900,50,600\n",
    ] {
        assert_eq!(idle(row), both, "{row}");
    }
}

#[test]
fn a_comparison_without_conversions_of_an_arm_is_unbounded() {
    let policy = at("compare");
    let without = |rows: String| last(&lines(&format!("{HEADER}{rows}"), &policy), "a").clone();
    let control = without(good(19).replace(",old,1000,20,", ",old,1000,0,"));
    assert_eq!((control.estimate, control.high, control.phi), (None, None, Some(1.0)));
    assert!(control.low > Some(1.0) && control.verdict == Verdict::Build);
    let neither = without(good(19).replace(",old,1000,20,", ",old,1000,0,").replace(",a,1000,60,", ",a,1000,0,"));
    assert_eq!((neither.estimate, neither.low, neither.high), (None, Some(0.0), None));
    assert_eq!((neither.verdict, neither.reason.as_deref()), (Verdict::Collecting, Some("undecided")));
}

#[test]
fn bars_far_apart_are_accepted_with_a_warning() {
    for (policy, wanted) in [
        (json!({"kill_bar": 0.01, "build_bar": 0.06}), "build_bar is more than 5 times"),
        (json!({"metric": "cpa", "kill_bar": 60, "build_bar": 10}), "build_bar is less than a fifth"),
        (json!({"metric": "compare", "control": "old", "build_bar": 6}), "build_bar is more than 5 times"),
    ] {
        let warnings = super::replay(format!("{HEADER}{}", good(1)), policy.to_string()).unwrap().warnings;
        assert!(warnings.len() == 1 && warnings[0].starts_with(wanted), "{warnings:?}");
    }
}

#[test]
fn bars_that_are_equal_reversed_or_outside_their_range_are_refused() {
    let csv = format!("{HEADER}{}", good(1));
    for (policy, wanted) in [
        (r#"{"kill_bar": 0.02, "build_bar": 0.02}"#, "above kill_bar"),
        (r#"{"kill_bar": 0.02, "build_bar": 0.01}"#, "above kill_bar"),
        (r#"{"kill_bar": 1}"#, "below 1"),
        (r#"{"metric": "cpa"}"#, "kill_bar is missing: write the cost"),
        (r#"{"metric": "cpa", "kill_bar": 0}"#, "kill_bar is 0"),
        (r#"{"metric": "cpa", "kill_bar": -30}"#, "kill_bar is -30"),
        (r#"{"metric": "cpa", "kill_bar": "nan"}"#, "kill_bar is \"nan\""),
        (r#"{"metric": "cpa", "kill_bar": 30, "build_bar": 30}"#, "write a cost below kill_bar"),
        (r#"{"metric": "cpa", "kill_bar": 20, "build_bar": 30}"#, "write a cost below kill_bar"),
        (r#"{"metric": "cpa", "kill_bar": 1e-320}"#, "bars that can be told apart"),
        (r#"{"metric": "compare", "control": "old", "kill_bar": 1.2}"#, "above kill_bar"),
        (r#"{"metric": "compare", "control": "old", "kill_bar": 0}"#, "kill_bar is 0"),
        (r#"{"metric": "compare", "control": "old", "build_bar": 0.9}"#, "above kill_bar"),
        (r#"{"kill_bar": 0.02, "alpha": 0.4}"#, "alpha is 0.4: write at most 0.36"),
        (r#"{"kill_bar": 0.02, "beta": 0.4, "boundary": "daily"}"#, "beta is 0.4: write at most 0.36"),
        (r#"{"kill_bar": 0.02, "beta": 1, "boundary": "strict"}"#, "beta is 1"),
        (r#"{"metric": "compare"}"#, "control is missing"),
        (r#"{"metric": "compare", "control": "odl"}"#, "did you mean \"old\"?"),
    ] {
        let refused = refusal(&csv, policy);
        assert!(refused.contains(wanted), "{policy}: {refused}");
    }
}

#[test]
fn a_split_is_refused_unless_it_names_arms_with_shares_that_add_up() {
    let csv = format!("{HEADER}{}", good(1));
    for (srm, wanted) in [
        ("0.5", "not an object"),
        ("{}", "no expected"),
        (r#"{"expected": {"a": 0.5}}"#, "adds up to 0.5"),
        (r#"{"expected": {"a": 0.5, "old": 0.6}}"#, "adds up to 1.1"),
        (r#"{"expected": {"a": 1, "old": 0}}"#, "srm.expected.a is 1"),
        (r#"{"expected": {"a": -0.5, "old": 1.5}}"#, "srm.expected.a is -0.5"),
        (r#"{"expected": {"a": "half", "old": 0.5}}"#, "srm.expected.a is \"half\""),
        (r#"{"expected": {"a": 0.5, "od": 0.5}}"#, "did you mean \"old\"?"),
        (r#"{"expected": {"a": 0.5, "old": 0.5}, "alpha": 0}"#, "srm.alpha is 0"),
        (r#"{"expected": {"a": 0.5, "old": 0.5}, "concentration": -1}"#, "srm.concentration is -1"),
    ] {
        let refused = refusal(&csv, &format!(r#"{{"metric": "compare", "control": "old", "srm": {srm}}}"#));
        assert!(refused.contains(wanted), "{srm}: {refused}");
    }
}

#[test]
fn an_uneven_split_is_a_reason_to_collect_until_the_cap() {
    let rows: String =
        first_day().iter_days().take(40).map(|day| format!("{day},a,1300,78,600\n{day},old,1000,20,600\n")).collect();
    let mut policy = at("compare");
    policy["srm"] = json!({"expected": {"a": 0.5, "old": 0.5}});
    policy["horizon_days"] = json!(30);
    let lines = lines(&format!("{HEADER}{rows}"), &policy);
    let said: Vec<_> = of(&lines, "a").iter().map(|line| (line.verdict, line.reason.clone().unwrap())).collect();
    assert!(said[..16].iter().all(|(_, reason)| reason == "insufficient"), "{said:?}");
    assert!(said[16..32].iter().all(|said| *said == (Verdict::Collecting, "srm".to_owned())), "{said:?}");
    assert!(said[32..].iter().all(|said| *said == (Verdict::Review, "cap_reached".to_owned())), "{said:?}");
    assert_eq!(lines[20 * 2 + 1].reason.as_deref(), Some("srm"), "the concept's reason too");
    // Shares as they are: no alarm, and the verdict is there.
    policy["srm"] = json!({"expected": {"a": 0.565, "old": 0.435}});
    assert_eq!(last(&super::lines(&format!("{HEADER}{rows}"), &policy), "a").verdict, Verdict::Build);
}
