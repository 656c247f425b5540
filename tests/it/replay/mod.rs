//! `replay --counts`: the contract of its lines and its errors, properties of the verdict, real daily
//! series, and how often it is wrong.

mod edge_cases;
mod error_rates;
mod models;
mod properties;
mod real_series;

use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};
use willitsell::cli::replay::{Line, Replay, ReplayError, counts};
use willitsell::domain::verdict::Verdict;

/// Replays texts as if they stood in files.
fn replay(csv: impl AsRef<[u8]>, policy: impl AsRef<[u8]>) -> Result<Replay, ReplayError> {
    let folder = tempfile::tempdir().unwrap();
    let (csv_path, policy_path) = (folder.path().join("counts.csv"), folder.path().join("policy.json"));
    std::fs::write(&csv_path, csv).unwrap();
    std::fs::write(&policy_path, policy).unwrap();
    counts(&csv_path, &policy_path)
}

/// Lines of texts that must be good.
fn lines(csv: &str, policy: &Value) -> Vec<Line> {
    replay(csv, policy.to_string()).unwrap_or_else(|error| panic!("{error}")).lines
}

/// Why texts were refused.
fn refusal(csv: &str, policy: &str) -> String {
    replay(csv, policy).expect_err("should have been refused").to_string()
}

/// `days` equal days of one arm from 1 March 2026, as rows without a header.
fn steady(arm: &str, days: u64, visits: u32, conversions: u32) -> String {
    let mut rows = String::new();
    for day in first_day().iter_days().take(usize::try_from(days).unwrap()) {
        writeln!(rows, "{day},{arm},{visits},{conversions}").unwrap();
    }
    rows
}

fn first_day() -> chrono::NaiveDate {
    "2026-03-01".parse().unwrap()
}

const HEADER: &str = "day,arm,visits,conversions\n";

/// The lines of one arm.
fn of<'a>(lines: &'a [Line], arm: &str) -> Vec<&'a Line> {
    lines.iter().filter(|line| line.arm == arm).collect()
}

#[test]
fn a_line_has_the_contract_s_fields_in_its_order() {
    let policy = json!({"kill_bar": 0.02, "maturity_lag_days": 1});
    let lines = lines(&format!("{HEADER}{}", steady("a", 15, 200, 10)), &policy);
    let text: Vec<String> = lines.iter().map(|line| serde_json::to_string(line).unwrap()).collect();
    assert_eq!(
        text[0],
        r#"{"day":"2026-03-01","arm":"a","verdict":"COLLECTING","reason":"insufficient","lean":null,"days":0,"trials":0.0,"successes":0.0,"estimate":null,"low":null,"high":null,"log_e_build":null,"log_e_kill":null,"phi":null,"flags":[]}"#
    );
    assert_eq!(
        text[1],
        r#"{"day":"2026-03-01","arm":"*","verdict":"COLLECTING","reason":"insufficient","lean":null,"days":null,"trials":null,"successes":null,"estimate":null,"low":null,"high":null,"log_e_build":null,"log_e_kill":null,"phi":null,"flags":[]}"#
    );
    let last: Value = serde_json::from_str(&text[text.len() - 2]).unwrap();
    assert_eq!((last["day"].as_str(), last["days"].as_u64()), (Some("2026-03-16"), Some(15)));
    assert_eq!((last["trials"].as_f64(), last["successes"].as_f64()), (Some(3000.0), Some(150.0)));
    assert_eq!((last["verdict"].as_str(), &last["reason"], &last["lean"]), (Some("BUILD"), &Value::Null, &Value::Null));
}

#[test]
fn one_line_a_day_and_arm_in_name_order_then_the_concept() {
    let csv =
        format!("{HEADER}{}{}{}", steady("zebra", 20, 200, 10), steady("ape", 18, 200, 2), steady("old", 21, 9, 1));
    let lines = lines(&csv, &json!({"kill_bar": 0.02, "control": "old", "maturity_lag_days": 2}));
    let arms: Vec<_> = lines.iter().map(|line| line.arm.as_str()).collect();
    assert_eq!(arms, ["ape", "zebra", "*"].repeat(23), "21 days of the file and a lag of 2");
    let last = &lines[lines.len() - 3..];
    assert_eq!(
        last.iter().map(|line| line.verdict).collect::<Vec<_>>(),
        [Verdict::Kill, Verdict::Build, Verdict::Build]
    );
}

#[test]
fn the_verdict_waits_for_the_fourteenth_day_to_settle() {
    let lines = lines(&format!("{HEADER}{}", steady("a", 20, 1_000, 50)), &json!({"kill_bar": 0.02}));
    let arm = of(&lines, "a");
    let first_build = arm.iter().find(|line| line.verdict == Verdict::Build).unwrap();
    // The fourteenth day is 14 March; it has settled three days later.
    assert_eq!((first_build.day.to_string().as_str(), first_build.days), ("2026-03-17", Some(14)));
    assert!(arm[..16].iter().all(|line| line.reason.as_deref() == Some("insufficient")));
}

#[test]
fn a_latched_verdict_stays_and_its_numbers_follow_the_data() {
    let mut csv = format!("{HEADER}{}", steady("a", 14, 1_000, 50));
    for day in "2026-03-15".parse::<chrono::NaiveDate>().unwrap().iter_days().take(30) {
        writeln!(csv, "{day},a,1000,0").unwrap();
    }
    let lines = lines(&csv, &json!({"kill_bar": 0.02}));
    let last = *of(&lines, "a").last().unwrap();
    assert_eq!((last.verdict, last.days, last.successes), (Verdict::Build, Some(44), Some(700.0)));
    assert!(last.estimate.unwrap() < 0.02 && last.low.unwrap() < 0.02);
    assert_eq!(last.flags.iter().map(|flag| json!(flag)).collect::<Vec<_>>(), ["autocorrelated_days"]);
}

#[test]
fn a_guardrail_vetoes_build_and_never_blocks_kill() {
    let rows = |conversions: u32, refunds: u32| {
        first_day().iter_days().take(20).fold("day,arm,visits,conversions,refunds\n".to_owned(), |mut csv, day| {
            writeln!(csv, "{day},a,1000,{conversions},{refunds}").unwrap();
            csv
        })
    };
    let policy = json!({"kill_bar": 0.02,
        "guardrails": [{"name": "refunds", "numerator": "refunds", "denominator": "conversions", "max": 0.2}]});
    let end = |csv: &str| {
        let lines = lines(csv, &policy);
        let last = lines.last().unwrap();
        (last.verdict, last.reason.clone())
    };
    assert_eq!(end(&rows(50, 5)), (Verdict::Build, None));
    assert_eq!(end(&rows(50, 25)), (Verdict::Review, Some("guardrail:refunds".to_owned())));
    assert_eq!(end(&rows(10, 9)), (Verdict::Kill, None));
}

#[test]
fn a_cap_ends_an_undecided_test_with_a_lean() {
    let policy = json!({"kill_bar": 0.02, "horizon_days": 20});
    let above = lines(&format!("{HEADER}{}", steady("a", 25, 40, 1)), &policy);
    let last = above.last().unwrap();
    assert_eq!(
        (last.verdict, last.reason.as_deref(), json!(last.lean)),
        (Verdict::Review, Some("cap_reached"), json!("BUILD"))
    );
    let below = lines(&format!("{HEADER}{}", steady("a", 25, 50, 1)), &policy);
    assert_eq!(json!(below.last().unwrap().lean), json!("KILL"));

    let spent = "day,arm,visits,conversions,spend\n2026-03-01,a,10,0,40\n2026-03-02,a,10,0,70\n2026-03-03,b,10,0,70\n";
    let lines = lines(spent, &json!({"kill_bar": 0.02, "budget_cap": 100, "maturity_lag_days": 0}));
    let verdicts: Vec<_> = of(&lines, "a").iter().map(|line| line.verdict).collect();
    assert_eq!(verdicts, [Verdict::Collecting, Verdict::Review, Verdict::Review], "the cap holds per arm");
    assert_eq!(lines.last().unwrap().verdict, Verdict::Collecting, "the other arm still collects");
}

#[test]
fn days_that_cannot_be_are_flagged_and_withhold_build_only() {
    let good = steady("a", 19, 1_000, 50);
    let policy = json!({"kill_bar": 0.02});
    for (row, flag) in
        [("2026-02-28,a,0,3\n", "conversions_without_exposure"), ("2026-02-28,a,10,12\n", "conversions_exceed_visits")]
    {
        let lines = lines(&format!("{HEADER}{row}{good}"), &policy);
        let last = *of(&lines, "a").last().unwrap();
        assert_eq!(last.flags.iter().map(|flag| json!(flag)).collect::<Vec<_>>(), [flag]);
        assert_eq!((last.verdict, last.reason.as_deref()), (Verdict::Collecting, Some("undecided")));
        assert!(last.successes.unwrap() <= last.trials.unwrap());
    }
    let dead = format!("{HEADER}{}2026-03-20,a,0,3\n", steady("a", 19, 1_000, 0));
    let lines = lines(&dead, &policy);
    let last = *of(&lines, "a").last().unwrap();
    assert_eq!(last.verdict, Verdict::Kill);
    assert_eq!(json!(last.flags), json!(["conversions_without_exposure", "zero_conversions"]));
}

#[test]
fn d4_no_data_zero_counts_one_arm_and_equal_days_never_divide_by_zero() {
    let policy = json!({"kill_bar": 0.02});
    for rows in [
        "2026-03-01,a,0,0\n".to_owned(),
        steady("a", 30, 0, 0),
        steady("a", 1, 100, 0),
        steady("a", 13, 100, 100),
        format!("{}{}", steady("a", 5, 0, 0), steady("b", 5, 0, 0)),
    ] {
        let lines = lines(&format!("{HEADER}{rows}"), &policy);
        for line in &lines {
            assert_eq!((line.verdict, line.reason.as_deref()), (Verdict::Collecting, Some("insufficient")), "{line:?}");
        }
        let text = serde_json::to_string(&lines).unwrap();
        assert!(!text.contains("NaN") && !text.contains("inf\""), "{text}");
    }
    assert!(refusal(HEADER, &policy.to_string()).contains("no row below the header"));
}

#[test]
fn d9_values_that_mean_nothing_are_refused_with_their_key() {
    let csv = format!("{HEADER}{}", steady("a", 1, 10, 1));
    for key in ["kill_bar", "build_bar", "alpha", "beta", "guardrail_alpha"] {
        for value in ["0", "1", "-0.05", "1.5", "\"0.05\"", "true", "NaN", "Infinity", "-Infinity", "1e999", "\"nan\""]
        {
            let other = if key == "kill_bar" { "" } else { "\"kill_bar\": 0.01, " };
            let refused = refusal(&csv, &format!("{{{other}\"{key}\": {value}}}"));
            let not_json = ["NaN", "Infinity", "-Infinity", "1e999"].contains(&value);
            assert!(refused.contains(if not_json { "not JSON" } else { key }), "{key} {value}: {refused}");
        }
    }
    for (policy, wanted) in [
        ("{}", "kill_bar is missing"),
        ("{\"kill_bar\": null}", "kill_bar is missing"),
        ("{\"kill_bar\": 0.02, \"build_bar\": 0.02}", "above kill_bar"),
        ("{\"kill_bar\": 0.03, \"build_bar\": 0.02}", "above kill_bar"),
        ("{\"kill_bar\": 0.7}", "write one below 1"),
        ("{\"kill_bar\": 0.02, \"min_days\": -1}", "min_days is -1"),
        ("{\"kill_bar\": 0.02, \"min_days\": 0}", "min_days is 0"),
        ("{\"kill_bar\": 0.02, \"horizon_days\": 2.5}", "horizon_days is 2.5"),
        ("{\"kill_bar\": 0.02, \"maturity_lag_days\": 1e9}", "maturity_lag_days is 1000000000.0"),
        ("{\"kill_bar\": 0.02, \"budget_cap\": 0}", "budget_cap is 0"),
        ("{\"kill_bar\": 0.02, \"dispersion\": 0.9}", "dispersion is 0.9"),
        ("{\"kill_bar\": 0.02, \"dispersion\": \"nan\"}", "dispersion is \"nan\""),
        ("{\"kill_bar\": 0.02, \"boundary\": \"weekly\"}", "\"daily\", \"strict\""),
        (
            "{\"kill_bar\": 0.02, \"guardrails\": [{\"name\": \"g\", \"numerator\": \"x\", \"denominator\": \"y\"}]}",
            "max or min",
        ),
        (
            "{\"kill_bar\": 0.02, \"guardrails\": [{\"name\": \"g\", \"numerator\": \"x\", \"denominator\": \"y\", \"max\": 0}]}",
            "max is 0",
        ),
        ("{\"kill_bar\": 0.02, \"kill_bar\": 0.03}", "duplicate field"),
        ("[]", "not an object"),
        ("", "not JSON"),
    ] {
        let refused = refusal(&csv, policy);
        assert!(refused.contains(wanted) && refused.contains("policy.json"), "{policy}: {refused}");
    }
}

#[test]
fn unknown_keys_and_metrics_are_refused_with_the_nearest_word() {
    let csv = format!("{HEADER}{}", steady("a", 1, 10, 1));
    for (policy, wanted) in [
        (json!({"kil_bar": 0.02}), "did you mean \"kill_bar\""),
        (json!({"kill_bar": 0.02, "maturity_lag": 3}), "did you mean \"maturity_lag_days\""),
        (json!({"kill_bar": 0.02, "min_exposures": 3}), "unknown key \"min_exposures\""),
        (json!({"kill_bar": 0.02, "guardrails": [{"nam": "g"}]}), "did you mean \"name\""),
        (json!({"kill_bar": 0.02, "metric": "ratio"}), "\"rate\", \"cpa\", \"compare\""),
        (json!({"kill_bar": 0.02, "srm": {"expectd": {"a": 1.0}}}), "did you mean \"expected\""),
        (json!({"kill_bar": 0.02, "control": "b"}), "control \"b\" is not an arm here: a"),
        (json!({"kill_bar": 0.02, "control": "a"}), "the only arm"),
        (json!({"kill_bar": 0.02, "budget_cap": 5}), "no column \"spend\""),
    ] {
        let refused = refusal(&csv, &policy.to_string());
        assert!(refused.contains(wanted), "{policy}: {refused}");
    }
}

#[test]
fn broken_counts_are_refused_on_their_line() {
    let policy = "{\"kill_bar\": 0.02}";
    for (row, wanted) in [
        ("2026-03-02,a,-1,0", "visits is -1"),
        ("2026-03-02,a,10,NaN", "conversions is \"NaN\""),
        ("2026-03-02,a,inf,0", "visits is \"inf\""),
        ("2026-03-02,a,1e999,0", "visits is \"1e999\""),
        ("2026-03-02,a,,0", "visits is empty"),
        ("2026-03-02,a,10,", "conversions is empty"),
        ("2026-03-02,a,10%,0", "visits is \"10%\""),
        ("2026-03-02,a,10", "3 cells where the header has 4"),
        ("2026-03-01,a,10,0", "day 2026-03-01 twice"),
        ("2026-02-30,a,10,0", "\"2026-02-30\" is not a day"),
        ("2026-3-2,a,10,0", "\"2026-3-2\" is not a day"),
        ("01.03.2026,a,10,0", "is not a day"),
        ("2026-03-02,,10,0", "the arm is empty"),
        ("2026-03-02,*,10,0", "cannot be called \"*\""),
    ] {
        let refused = refusal(&format!("{HEADER}2026-03-01,a,10,1\n{row}\n"), policy);
        assert!(refused.contains(wanted) && refused.contains("line 3"), "{row}: {refused}");
    }
    assert!(refusal("day,arm,visits\n2026-03-01,a,1\n", policy).contains("no column \"conversions\""));
    assert!(refusal("day,arm,visits,visits,conversions\n2026-03-01,a,1,1,0\n", policy).contains("there twice"));
    assert!(refusal("day,arm,visits,conversions,spend\n2026-03-01,a,1,1,-4\n", policy).contains("spend is -4"));
    let latin = replay(b"day,arm,visits,conversions\n2026-03-01,caf\xe9,1,1\n", policy).unwrap_err().to_string();
    assert!(latin.contains("Save it as UTF-8"), "{latin}");
    let missing = counts(Path::new("no/such.csv"), Path::new("no/such.json")).unwrap_err().to_string();
    assert!(missing.contains("such.json cannot be read") && missing.contains("Check the path"), "{missing}");
}

#[test]
fn byte_order_marks_extra_columns_and_windows_line_ends_are_read() {
    let plain = lines("day,arm,visits,conversions\n2026-03-01,a,10,1.5\n", &json!({"kill_bar": 0.02}));
    let csv = "\u{feff}note,day,arm,impressions,visits,conversions\r\n\"x, y\",2026-03-01,a,, 10,1.5\r\n";
    let windows = replay(csv, "\u{feff}{\"kill_bar\": 0.02, \"control\": null, \"srm\": null}").unwrap();
    assert_eq!(windows.lines, plain);
    assert_eq!(windows.warnings, Vec::<String>::new());
}

#[test]
fn unwise_settings_are_accepted_and_named() {
    let csv = format!("{HEADER}{}", steady("a", 1, 10, 1));
    let policy = json!({"kill_bar": 0.01, "build_bar": 0.06, "min_days": 7, "beta": 0.01});
    let warnings = replay(csv, policy.to_string()).unwrap().warnings;
    assert_eq!(warnings.len(), 3, "{warnings:?}");
    for (warning, key) in warnings.iter().zip(["min_days is 7", "build_bar", "beta is 0.01"]) {
        assert!(warning.starts_with(key), "{warning}");
    }
}
