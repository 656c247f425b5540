//! Real daily series, turned into the contract's columns.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::properties::never_reverses;
use super::{HEADER, first_day, lines, of};
use crate::real_data::real_data;
use willitsell::cli::replay::Line;
use willitsell::domain::verdict::Verdict;

/// Rows of a CSV file, as maps from column to cell.
fn table(path: &std::path::Path) -> Vec<BTreeMap<String, String>> {
    csv::Reader::from_path(path).unwrap().deserialize().map(Result::unwrap).collect()
}

/// Replays, prints where each arm came to stand, and checks what must hold of any series.
fn story(title: &str, csv: &str, policy: &Value) -> Vec<Line> {
    let lines = lines(csv, policy);
    println!("{title}: {policy}");
    let mut arms: Vec<&str> = lines.iter().map(|line| line.arm.as_str()).collect();
    arms.sort_unstable();
    arms.dedup();
    for arm in arms {
        let arm: Vec<Line> = of(&lines, arm).into_iter().cloned().collect();
        never_reverses(&arm);
        let since = arm.iter().find(|line| line.verdict.is_terminal());
        for (when, line) in since.map(|line| ("reached", line)).into_iter().chain([("at the end", arm.last().unwrap())])
        {
            println!("  {when}: {}", serde_json::to_string(line).unwrap());
        }
    }
    lines
}

/// Where an arm stands on the last as-of day.
fn end<'a>(lines: &'a [Line], arm: &str) -> &'a Line {
    of(lines, arm).last().copied().unwrap()
}

#[test]
fn open_bandit_a_week_of_clicks_decides_nothing_by_default() {
    let Some(path) = real_data("data/open-bandit-daily/men.csv") else { return };
    let mut csv = HEADER.to_owned();
    for row in table(&path) {
        writeln!(csv, "{},{},{},{}", row["date"], row["policy"], row["impressions"], row["clicks"]).unwrap();
    }
    let by_default = story("open bandit", &csv, &json!({"kill_bar": 0.004, "build_bar": 0.006}));
    for (arm, clicks) in [("bts", 69.0), ("random", 46.0)] {
        let line = end(&by_default, arm);
        assert_eq!((line.trials, line.successes, line.days), (Some(10_000.0), Some(clicks), Some(7)));
        assert_eq!((line.verdict, line.reason.as_deref()), (Verdict::Collecting, Some("insufficient")));
    }
    // Were a week enough, the better policy (69 clicks in 10,000) would pass and the other stay open.
    let eager =
        json!({"kill_bar": 0.004, "build_bar": 0.006, "min_days": 7, "dispersion": "none", "maturity_lag_days": 0});
    let week = story("open bandit, a week", &csv, &eager);
    assert_eq!((end(&week, "bts").verdict, end(&week, "random").verdict), (Verdict::Build, Verdict::Collecting));
    assert!(end(&week, "bts").low.unwrap() > 0.004);
}

#[test]
fn jupyter_survey_bursts_of_traffic_count_as_noise() {
    let Some(path) = real_data("data/jupyter-ux-survey/daily_funnel.csv") else { return };
    let mut csv = HEADER.to_owned();
    for row in table(&path) {
        writeln!(csv, "{},survey,{},{}", row["date"], row["started"], row["completed"]).unwrap();
    }
    let asked = |kill_bar: f64, build_bar: f64, dispersion: &str| {
        let policy = json!({"kill_bar": kill_bar, "build_bar": build_bar, "dispersion": dispersion});
        end(&story("jupyter", &csv, &policy), "survey").clone()
    };
    let noisy = asked(0.35, 0.45, "auto");
    assert_eq!((noisy.trials, noisy.successes, noisy.days), (Some(1706.0), Some(779.0), Some(26)));
    assert!(noisy.phi.unwrap() > 2.0, "completion has twice binomial variance: {noisy:?}");
    let free_of_noise = asked(0.35, 0.45, "none");
    assert_eq!(free_of_noise.verdict, Verdict::Build);
    assert!(noisy.low < free_of_noise.low && noisy.high > free_of_noise.high);
    for end in [asked(0.40, 0.50, "auto"), asked(0.60, 0.75, "auto"), noisy] {
        assert!(end.low.unwrap() <= 779.0 / 1706.0 && 779.0 / 1706.0 <= end.high.unwrap());
    }
}

#[test]
fn asos_two_arms_by_differences_of_cumulative_counts() {
    let Some(path) = real_data("data/asos-experiments/asos.csv") else { return };
    // Thirty checkpoints a day apart; in no day more conversions than visitors.
    let rows: Vec<_> =
        table(&path).into_iter().filter(|row| row["experiment_id"] == "fdaf62" && row["metric_id"] == "1").collect();
    let number = |row: &BTreeMap<String, String>, column: &str| row[column].parse::<f64>().unwrap();
    let mut csv = HEADER.to_owned();
    for (arm, count, mean) in [("control", "count_c", "mean_c"), ("treatment", "count_t", "mean_t")] {
        let (mut visits, mut acts) = (0.0, 0.0);
        for row in &rows {
            let so_far = number(row, count);
            let acted = (so_far * number(row, mean)).round();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some tens of days")]
            let day = first_day() + chrono::Days::new(number(row, "time_since_start") as u64);
            writeln!(csv, "{day},{arm},{},{}", so_far - visits, acted - acts).unwrap();
            (visits, acts) = (so_far, acted);
        }
    }
    let last = rows.last().unwrap();
    for (kill_bar, build_bar, verdict) in [(0.34, 0.37, Verdict::Build), (0.45, 0.50, Verdict::Kill)] {
        let lines = story("asos fdaf62", &csv, &json!({"kill_bar": kill_bar, "build_bar": build_bar}));
        for (arm, count, mean) in [("control", "count_c", "mean_c"), ("treatment", "count_t", "mean_t")] {
            let line = end(&lines, arm);
            assert_eq!((line.verdict, line.days, line.flags.len()), (verdict, Some(30), 0), "{line:?}");
            assert_eq!(line.trials, Some(number(last, count)));
            assert!((line.estimate.unwrap() - number(last, mean)).abs() < 1e-6);
            assert!(line.phi.unwrap() > 100.0, "with 80,000 visits a day the day is the unit of evidence");
        }
        assert_eq!(lines.last().unwrap().verdict, verdict);
    }
    let between = story("asos fdaf62", &csv, &json!({"kill_bar": 0.39, "build_bar": 0.42}));
    assert_eq!(between.last().unwrap().verdict, Verdict::Collecting);
}
