//! `plan`: what is printed for people and programs, what is refused and with which fix, and whose numbers are taken.

use std::fmt::Write as _;

use chrono::{Days, Utc};

use super::SMALL;
use crate::project::{Project, json_lines};

#[test]
fn a_plan_needs_no_configuration_and_ends_with_1_where_it_does_not_fit() {
    let project = Project::new("");
    let sound = ["plan", "--kill-bar", "2%", "--build-bar", "0.03", "--cpc", "1.20", "--daily-budget", "300"];
    let shown = project.succeeds(&sound);
    assert!(shown.contains("2.0% or less (break-even)") && shown.contains("It fits"), "{shown}");
    let planned = &json_lines(&project.succeeds(&[&sound[..], &["--json"]].concat()))[0];
    assert_eq!((&planned["fits"], &planned["visitors_per_day"]), (&true.into(), &225.0.into()), "{planned}");
    let chances = planned["chances"].as_array().unwrap();
    let chance = |place: usize, of: &str| chances[place][of].as_f64().unwrap();
    assert!((chance(0, "kill") - 1.0).abs() < 0.02 && (chance(4, "build") - 1.0).abs() < 0.02, "{planned}");
    assert!(chance(1, "build") < 0.06 && chance(3, "kill") < 0.06 && chance(2, "build") > 0.1, "{planned}");
    for place in 0..5 {
        let sum: f64 = ["build", "kill", "review"].iter().map(|of| chance(place, of)).sum();
        assert!((sum - 1.0).abs() < 1e-9, "{planned}");
    }
    assert_eq!(json_lines(&project.succeeds(&[&sound[..], &["--json"]].concat()))[0], *planned, "the seed is said");
    let days = |place: usize| planned["expected"][place]["days"].as_u64().unwrap();
    assert!(days(0) >= 17 && days(1) >= days(0) && planned["cap"]["days"].as_u64().unwrap() > days(1), "{planned}");

    let dear = project.run(&[&sound[..], &["--budget", "8000", "--runs", "100"]].concat());
    assert_eq!((dear.code, dear.stderr.as_str()), (1, ""), "{dear:#?}");
    for says in ["of the $8,000 it may cost", "wider bars: kill bar 2.0%", "a larger budget: --budget"] {
        assert!(dear.stdout.contains(says), "no {says:?} in {}", dear.stdout);
    }
    assert!(!project.path().join("willitsell.db").exists(), "planning makes no store");
}

#[test]
fn every_model_has_its_own_words_and_units() {
    let project = Project::new("");
    let plan = |arguments: &str| {
        project.succeeds(&["plan", "--runs", "100"].into_iter().chain(arguments.split(' ')).collect::<Vec<_>>())
    };
    let cpa = plan("--model cpa --kill-bar 60 --daily-budget 300 --currency EUR");
    assert!(cpa.contains("cost €60 or more (break-even), or €40 or less"), "{cpa}");
    assert!(!cpa.contains("visitors"), "{cpa}");
    let compare = plan("--model compare --base-rate 2% --build-bar 2 --cpc 1 --daily-budget 900");
    assert!(compare.contains("no more often\n"), "{compare}");
    assert!(compare.contains("at least 2 times as often"), "{compare}");
    let published = project.succeeds(&["plan"]);
    for says in ["deposit", "kill bar 0.4%, build bar 1.0%", "validatr.shop", "$5.26"] {
        assert!(published.contains(says), "no {says:?} in {published}");
    }
    let offered = plan("--act demo --cpc 1 --daily-budget 300");
    assert!(offered.contains("0.8% or less") && offered.contains("heyoo.ai"), "{offered}");
    for text in [cpa, compare, published, offered] {
        assert!(text.lines().all(|line| line.chars().count() <= 100 && line.trim_end() == line), "{text}");
    }
}

#[test]
fn what_cannot_be_planned_says_what_to_write() {
    let project = Project::new(SMALL);
    for (arguments, says) in [
        ("--kill-bar 2% --cpc 1", "--daily-budget 100"),
        ("--kill-bar 2% --daily-budget 100", "--cpc 1.20"),
        ("--kill-bar 2% --daily-budget 100", "$5.26"),
        ("--kill-bar 2 --cpc 1 --daily-budget 100", "0.02 or 2%"),
        ("--kill-bar 3% --build-bar 2% --cpc 1 --daily-budget 100", "above --kill-bar, which is 0.03"),
        ("--kill-bar 90% --cpc 1 --daily-budget 100", "below 1"),
        ("--kill-bar nan --cpc 1 --daily-budget 100", "2%"),
        ("--kill-bar 2% --cpc 0 --daily-budget 100", "above 0"),
        ("--kill-bar 2% --cpc 1e3 --daily-budget 100", "such as 1500 or 1.20"),
        ("--kill-bar 2% --cpc 1 --daily-budget 100 --visit-rate 3", "--visit-rate"),
        ("--kill-bar 2% --cpc 1 --daily-budget 100 --alpha 0.37", "at most 0.36"),
        ("--kill-bar 2% --cpc 1 --daily-budget 100 --horizon-days 7", "14 days"),
        ("--kill-bar 2% --cpc 1 --daily-budget 100 --dispersion 0.5", "a number from 1"),
        ("--kill-bar 2% --cpc 1 --daily-budget 100 --currency euro", "such as EUR"),
        ("--kill-bar 2% --cpc 1 --daily-budget 100 --base-rate 0.1", "--model compare"),
        ("--model cpa --daily-budget 100", "--kill-bar 30"),
        ("--model cpa --kill-bar 30 --build-bar 40 --daily-budget 100", "below --kill-bar"),
        ("--model compare --cpc 1 --daily-budget 100", "--base-rate 0.02"),
        ("--act demon --cpc 1 --daily-budget 100", "email, verified"),
        ("kitt --daily-budget 100", "there are: kit"),
        ("kit --cpc 1", "--daily-budget 100"),
    ] {
        let arguments: Vec<&str> = ["plan"].into_iter().chain(arguments.split(' ')).collect();
        let ended = project.run(&arguments);
        assert_eq!((ended.code, ended.stdout.as_str()), (2, ""), "{arguments:?}: {ended:#?}");
        assert!(ended.stderr.contains(says), "{arguments:?}: {ended:#?}");
    }
}

#[test]
fn a_concept_brings_its_bars_its_money_and_what_its_own_days_cost() {
    const MONEY: &str = r#"
[experiment.kit.money]
team_cost_per_week = { amount = "7800", currency = "EUR" }
build_weeks = 6
gross_profit = { amount = "150000", currency = "EUR" }
chance_it_sells = 0.30
cost_per_visitor = { amount = "1.50", currency = "EUR" }
"#;
    let project = Project::new(&format!("{SMALL}{MONEY}"));
    let planned = project.run(&["plan", "kit", "--daily-budget", "300", "--runs", "100"]);
    assert!(planned.stdout.contains("Plan for kit: Meal kit"), "{planned:#?}");
    assert!(planned.stdout.contains("€300 a day at €1.50 each: about 200 visitors a day"), "{planned:#?}");
    assert!(planned.stdout.contains("the answer is worth €"), "{planned:#?}");

    // Own numbers are those of the last year, so these days move with the calendar.
    let mut report = "Day,Campaign,Currency code,Impr.,Clicks,Cost,Conversions\n".to_owned();
    for (number, day) in (Utc::now().date_naive() - Days::new(40)).iter_days().take(28).enumerate() {
        let clicks = 180 + 40 * (number % 2);
        writeln!(report, "{day},A,EUR,9000,{clicks},{}.00,{}", 2 * clicks, clicks / 20).unwrap();
        // Of another concept.
        writeln!(report, "{day},Elsewhere,EUR,9000,100,900.00,1").unwrap();
    }
    project.write("report.csv", &report);
    project.succeeds(&["import", "report.csv", "--source", "ads"]);
    let planned = &json_lines(&project.run(&["plan", "kit", "--json", "--runs", "100"]).stdout)[0];
    assert_eq!(planned["history"]["days"], 28, "{planned}");
    assert_eq!(planned["history"]["cost_per_click"]["micros"], 2_000_000);
    assert_eq!(planned["daily_budget"]["micros"], 400_000_000, "what was spent a day so far");
    assert_eq!(planned["visitors_per_day"], 200.0, "the bars count clicks, and all of them arrive");
    let own = project.run(&["plan", "kit", "--runs", "100"]).stdout;
    assert!(own.contains("as your own did so far") && own.contains("€2.00"), "{own}");

    // A concept whose own ads have not run: what all ads of the account cost is better than nothing, and is called so.
    let report = report.replace(",A,", ",Another,");
    let project = Project::new(&format!("{SMALL}{MONEY}"));
    project.write("report.csv", report);
    project.succeeds(&["import", "report.csv", "--source", "ads"]);
    let planned = project.run(&["plan", "kit", "--runs", "100"]).stdout;
    assert!(planned.contains("as with all ads of its sources so far") && planned.contains("€4.33"), "{planned}");
}
