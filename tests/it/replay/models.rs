//! What must hold of any counts under every model: some verdict or a clear error, and the same verdict however the
//! counts came to be known.

use chrono::{Days, NaiveDate};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::properties::never_reverses;
use super::{first_day, lines, of, replay};
use willitsell::cli::replay::Line;

/// Days after the first, arm, visits, conversions, spend.
type Row = (u64, &'static str, f64, f64, f64);

fn csv(rows: &[Row]) -> String {
    let row = |&(day, arm, visits, conversions, spend): &Row| {
        format!("{},{arm},{visits},{conversions},{spend}\n", first_day() + Days::new(day))
    };
    format!("day,arm,visits,conversions,spend\n{}", rows.iter().map(row).collect::<String>())
}

fn policy() -> impl Strategy<Value = Value> {
    let dispersion =
        prop_oneof![Just(json!("auto")), Just(json!("independent")), Just(json!("none")), Just(json!(1.8))];
    let bars = prop_oneof![
        Just(json!({"metric": "rate", "kill_bar": 0.02})),
        Just(json!({"metric": "cpa", "kill_bar": 30, "build_bar": 22})),
        Just(json!({"metric": "compare", "control": "old"})),
        Just(json!({"metric": "compare", "control": "old", "srm": {"expected": {"a": 0.5, "old": 0.5}}})),
    ];
    (bars, dispersion, prop::bool::ANY, 1u32..20, 0u32..5).prop_map(|(bars, dispersion, strict, min_days, lag)| {
        let mut policy = bars;
        policy["dispersion"] = dispersion;
        policy["boundary"] = json!(if strict { "strict" } else { "daily" });
        policy["min_days"] = json!(min_days);
        policy["maturity_lag_days"] = json!(lag);
        policy["horizon_days"] = json!(40);
        policy["guardrails"] = json!([{"name": "cost", "numerator": "spend", "denominator": "conversions", "max": 45}]);
        policy
    })
}

/// Arms `a`, `b` and `old`, with days missing here and there.
fn campaign() -> impl Strategy<Value = Vec<Row>> {
    let arm = || (0u32..400, 0u32..14, 0u32..400, 0u8..10);
    prop::collection::vec((arm(), arm(), arm()), 1..70).prop_map(|days| {
        let mut rows: Vec<Row> = Vec::new();
        for (day, (a, b, old)) in (0..).zip(days) {
            for (name, (visits, acts, spend, gap)) in [("a", a), ("b", b), ("old", old)] {
                if gap > 0 || day == 0 {
                    rows.push((day, name, f64::from(visits), f64::from(acts), f64::from(spend)));
                }
            }
        }
        rows
    })
}

/// Zeros, fractions, ordinary and absurd numbers, and what is none.
fn cell() -> impl Strategy<Value = String> {
    prop_oneof![
        12 => Just("0".to_owned()),
        24 => (0u32..2_000).prop_map(|count| count.to_string()),
        12 => (0.0f64..50.0).prop_map(|count| count.to_string()),
        8 => (1e6f64..1e15).prop_map(|count| count.to_string()),
        2 => prop_oneof![Just("1e15"), Just("1e200"), Just("1e308"), Just("5e-324"), Just("1e-200")].prop_map(str::to_owned),
        1 => prop_oneof![Just("-1"), Just("NaN"), Just("inf"), Just(""), Just("1e999"), Just("ten")].prop_map(str::to_owned),
    ]
}

fn is_number(cell: &str) -> bool {
    cell.parse::<f64>().is_ok_and(|number| number.is_finite() && number >= 0.0)
}

fn check_numbers(lines: &[Line]) {
    for line in lines {
        let numbers = [
            line.trials,
            line.successes,
            line.estimate,
            line.low,
            line.high,
            line.log_e_build,
            line.log_e_kill,
            line.phi,
        ];
        assert!(numbers.into_iter().flatten().all(f64::is_finite), "{line:?}");
        assert!(line.low.zip(line.high).is_none_or(|(low, high)| low <= high), "{line:?}");
        assert!(line.low.is_none_or(|low| low >= 0.0) && line.phi.is_none_or(|phi| phi >= 1.0), "{line:?}");
        let text = serde_json::to_string(line).unwrap();
        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(160))]

    #[test]
    fn any_series_gives_verdicts_or_a_clear_error(
        mut rows in prop::collection::vec((0u64..60, 0usize..3, cell(), cell(), cell()), 1..80),
        policy in policy(), as_written in prop::bool::weighted(0.25),
    ) {
        let arms = ["a", "b", "old"];
        if !as_written {
            rows.sort_by_key(|row| (row.0, row.1));
            rows.dedup_by_key(|row| (row.0, row.1));
            for (_, _, visits, acts, spend) in &mut rows {
                for cell in [visits, acts, spend].into_iter().filter(|cell| !is_number(cell)) {
                    *cell = "7".to_owned();
                }
            }
        }
        let text: String = rows.iter()
            .map(|(day, arm, visits, acts, spend)| {
                format!("{},{},{visits},{acts},{spend}\n", first_day() + Days::new(*day), arms[*arm])
            })
            .collect();
        let mut seen: Vec<_> = rows.iter().map(|(day, arm, ..)| (day, arm)).collect();
        seen.sort_unstable();
        seen.dedup();
        // Nothing reads the visits of a cost per conversion, so there they may be left empty.
        let may_be_empty = policy["metric"] == "cpa";
        let is_good = seen.len() == rows.len()
            && rows.iter().all(|(_, _, visits, acts, spend)| {
                [acts, spend].into_iter().all(|cell| is_number(cell))
                    && (is_number(visits) || (may_be_empty && visits.is_empty()))
            });
        let has = |arm: usize| rows.iter().any(|row| row.1 == arm);
        let compares = policy["metric"] == "compare";
        let is_judgeable = if compares { has(2) && (has(0) || has(1)) && (policy["srm"].is_null() || has(0)) } else { true };
        match replay(format!("day,arm,visits,conversions,spend\n{text}"), policy.to_string()) {
            Ok(replayed) => {
                prop_assert!(is_good && is_judgeable, "{policy}\n{text}");
                check_numbers(&replayed.lines);
            }
            Err(error) => {
                prop_assert!(!(is_good && is_judgeable), "{error}");
                prop_assert!(error.to_string().contains("counts.csv"), "{error}");
            }
        }
    }

    /// Row 10 of section 14: every pull is a look, and the answer of a day depends on its settled days alone.
    #[test]
    fn the_order_of_rows_and_what_comes_later_change_no_earlier_line(
        rows in campaign(), policy in policy(), seed: u64,
    ) {
        let whole = lines(&csv(&rows), &policy);
        check_numbers(&whole);
        for arm in ["a", "b", "*"] {
            never_reverses(&of(&whole, arm).into_iter().cloned().collect::<Vec<_>>());
        }
        let mut shuffled = rows.clone();
        shuffled.sort_by_key(|&(day, arm, ..)| {
            (day ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(u32::from(arm.as_bytes()[0]))
        });
        prop_assert_eq!(&lines(&csv(&shuffled), &policy), &whole);

        // A file that ends earlier: what it says up to its last day is what the longer one says of those days.
        let last_day = rows.last().map_or(0, |row| row.0) * 2 / 3;
        let earlier: Vec<Row> = rows.iter().copied().filter(|row| row.0 <= last_day).collect();
        let until: NaiveDate = first_day() + Days::new(earlier.last().map_or(0, |row| row.0));
        let earlier: Vec<Line> = lines(&csv(&earlier), &policy).into_iter().filter(|line| line.day <= until).collect();
        prop_assert_eq!(&earlier[..], &whole[..earlier.len()]);
    }
}
