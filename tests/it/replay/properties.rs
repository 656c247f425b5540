//! What must hold of any counts.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{HEADER, first_day, lines, of, replay};
use willitsell::cli::replay::Line;
use willitsell::domain::verdict::Verdict;

/// One cell row: days after the first, arm, visits, conversions.
type Row = (u64, &'static str, f64, f64);

fn csv(rows: &[Row]) -> String {
    let row = |&(day, arm, visits, conversions): &Row| {
        format!("{},{arm},{visits},{conversions}\n", first_day() + chrono::Days::new(day))
    };
    format!("{HEADER}{}", rows.iter().map(row).collect::<String>())
}

/// Arms `a` and `b` with days missing here and there.
fn campaign() -> impl Strategy<Value = Vec<Row>> {
    prop::collection::vec((0u32..400, 0u32..12, 0u32..300, 0u32..12, 0u8..10), 1..75).prop_map(|days| {
        let mut rows: Vec<Row> = Vec::new();
        for (day, (visits, acts, more_visits, more_acts, gap)) in (0..).zip(days) {
            let arm = |name, visits: u32, acts: u32| (day, name, f64::from(visits), f64::from(acts.min(visits)));
            if gap != 0 {
                rows.push(arm("a", visits, acts));
            }
            if gap != 1 {
                rows.push(arm("b", more_visits, more_acts));
            }
        }
        rows
    })
}

fn policy() -> impl Strategy<Value = Value> {
    let dispersion =
        prop_oneof![Just(json!("auto")), Just(json!("independent")), Just(json!("none")), Just(json!(1.8))];
    (dispersion, prop::bool::ANY, 1u32..20, 0u32..5, prop_oneof![Just(0.01), Just(0.03)]).prop_map(
        |(dispersion, strict, min_days, lag, kill_bar)| {
            json!({"kill_bar": kill_bar, "dispersion": dispersion, "boundary": if strict { "strict" } else { "daily" },
                "min_days": min_days, "maturity_lag_days": lag, "horizon_days": 40})
        },
    )
}

/// The first terminal verdict stays, with its reason and lean.
pub(super) fn never_reverses(lines: &[Line]) {
    for pair in lines.windows(2) {
        if pair[0].verdict.is_terminal() {
            assert_eq!(
                (pair[0].verdict, &pair[0].reason, pair[0].lean),
                (pair[1].verdict, &pair[1].reason, pair[1].lean)
            );
        }
    }
}

fn rank(verdict: Verdict) -> i32 {
    match verdict {
        Verdict::Kill => -1,
        Verdict::Build => 1,
        _ => 0,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn later_days_and_another_order_of_rows_change_no_earlier_line(
        rows in campaign(), policy in policy(), seed: u64,
    ) {
        let whole = lines(&csv(&rows), &policy);
        let mut shuffled = rows.clone();
        shuffled.sort_by_key(|&(day, arm, ..)| (day ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(u32::from(arm.as_bytes()[0])));
        prop_assert_eq!(&lines(&csv(&shuffled), &policy), &whole);

        // Cut where both arms are there already: how many arms are tested is fixed before the start.
        let kept = rows.len() - rows.len() / 3;
        let cut = &rows[..kept];
        if ["a", "b"].iter().all(|arm| cut.iter().any(|row| row.1 == *arm) == rows.iter().any(|row| row.1 == *arm)) {
            let last_whole_day = cut.last().unwrap().0 - u64::from(kept < rows.len() && rows[kept].0 == cut.last().unwrap().0);
            let until = first_day() + chrono::Days::new(last_whole_day);
            let earlier: Vec<_> = lines(&csv(cut), &policy).into_iter().filter(|line| line.day <= until).collect();
            prop_assert_eq!(&earlier[..], &whole[..earlier.len()]);
        }
    }

    #[test]
    fn the_interval_excludes_a_bar_exactly_when_the_verdict_says_so(rows in campaign(), policy in policy()) {
        let (kill_bar, build_bar) = (policy["kill_bar"].as_f64().unwrap(), policy["kill_bar"].as_f64().unwrap() * 1.5);
        for arm in ["a", "b"] {
            let lines = lines(&csv(&rows), &policy);
            let arm = of(&lines, arm);
            never_reverses(&arm.iter().copied().cloned().collect::<Vec<_>>());
            let latching = arm.iter().find(|line| line.verdict.is_terminal());
            // Before and on the latching day the verdict is the interval's, where the minimums allow one.
            for line in arm.iter().take_while(|line| latching.is_none_or(|latching| line.day <= latching.day)) {
                let (Some(low), Some(high)) = (line.low, line.high) else { continue };
                let near = (low / kill_bar - 1.0).abs() < 1e-9 || (high / build_bar - 1.0).abs() < 1e-9;
                if near || line.reason.as_deref() == Some("insufficient") {
                    continue;
                }
                match line.verdict {
                    Verdict::Build => prop_assert!(low > kill_bar, "{line:?}"),
                    Verdict::Kill => prop_assert!(high < build_bar && low <= kill_bar, "{line:?}"),
                    _ if line.days.unwrap() < policy["min_days"].as_u64().unwrap().try_into().unwrap() => {}
                    _ => prop_assert!((low <= kill_bar || line.successes.unwrap() < 10.0) && high >= build_bar, "{line:?}"),
                }
            }
        }
    }

    #[test]
    fn more_successes_never_turn_a_verdict_for_the_worse(
        rows in campaign(), policy in policy(), more in prop::collection::vec(0u32..3, 150),
    ) {
        // With a dispersion that does not depend on the counts themselves.
        let mut policy = policy;
        policy["dispersion"] = json!(1.4);
        let better: Vec<Row> = rows.iter().zip(&more)
            .map(|(&(day, arm, visits, acts), &more)| (day, arm, visits, (acts + f64::from(more)).min(visits)))
            .collect();
        for (before, after) in lines(&csv(&rows), &policy).iter().zip(&lines(&csv(&better), &policy)) {
            prop_assert!(rank(after.verdict) >= rank(before.verdict), "{before:?}\n{after:?}");
            prop_assert!(after.log_e_build >= before.log_e_build && after.log_e_kill <= before.log_e_kill);
            prop_assert!(after.low >= before.low && after.high >= before.high);
        }
    }

    #[test]
    fn no_counts_bring_a_panic_or_a_number_that_is_none(
        days in prop::collection::vec((0u64..400, wild(), wild()), 1..40), policy in policy(),
    ) {
        let mut rows: Vec<Row> = days.into_iter().map(|(day, visits, acts)| (day, "a", visits, acts)).collect();
        rows.sort_by_key(|row| row.0);
        rows.dedup_by_key(|row| row.0);
        let replayed = replay(csv(&rows), policy.to_string()).unwrap();
        for line in &replayed.lines {
            let numbers = [line.trials, line.successes, line.estimate, line.low, line.high,
                line.log_e_build, line.log_e_kill, line.phi];
            prop_assert!(numbers.into_iter().flatten().all(f64::is_finite), "{line:?}");
            prop_assert!(line.low <= line.high, "{line:?}");
            prop_assert!(line.phi.is_none_or(|phi| phi >= 1.0), "{line:?}");
            let text = serde_json::to_string(line).unwrap();
            prop_assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
        }
    }
}

/// Zeros, fractions, ordinary and absurd counts.
fn wild() -> impl Strategy<Value = f64> {
    prop_oneof![
        3 => Just(0.0),
        6 => (0u32..2_000).prop_map(f64::from),
        3 => 0.0f64..50.0,
        2 => 1e6f64..1e15,
        1 => prop_oneof![Just(f64::MAX), Just(1e200), Just(f64::MIN_POSITIVE), Just(5e-324), Just(1e-200)],
    ]
}
