//! The table of the error rates: every row, small; D10 in the size asked for.

use willitsell::decide::error_rates::table::{Holds, ROWS, row, table, total_runs};

use super::SEED;

/// Runs of each D10 case: `WILLITSELL_D10_RUNS=100000 cargo test --release --test it d10_` is the full size, of which
/// the bound itself must stay under alpha. `willitsell simulate --row D10 --runs 100000` is the same.
fn d10_runs() -> u64 {
    std::env::var("WILLITSELL_D10_RUNS").map_or(200, |runs| runs.parse().expect("WILLITSELL_D10_RUNS is a number"))
}

#[test]
fn d10_six_months_of_daily_looks_keep_wrong_builds_under_alpha() {
    const FULL: u64 = 100_000;
    let runs = d10_runs();
    let (lines, _) = table(&[row("d10").unwrap()], runs, SEED, &|_| {});
    assert_eq!(lines.len(), 1);
    let line = &lines[0];
    println!("{}: {} ± {} in {}", line.quantity, line.measured, line.error, line.worst_cell);
    if runs >= FULL {
        assert_eq!(line.holds, Holds::Yes, "{line:?}");
    } else {
        // A bound so high comes from a share of exactly alpha once in a thousand cases.
        #[expect(clippy::cast_precision_loss, reason = "some hundreds")]
        let chance = (0.05 * 0.95 / runs as f64).sqrt();
        assert!(line.measured <= 0.05 + (2.33 + 3.1) * chance, "{line:?}");
        assert!(line.best > 0.0 && line.cells >= 15, "{line:?}");
    }
}

#[test]
fn every_row_measures_what_it_asks_and_none_is_broken() {
    const RUNS: u64 = 12;
    let rows: Vec<_> = ROWS.iter().filter(|&&number| number != "D10").filter_map(|number| row(number)).collect();
    assert_eq!(rows.len(), 14);
    let told = std::sync::atomic::AtomicU64::new(0);
    let (lines, beside) = table(&rows, RUNS, SEED, &|more| {
        told.fetch_add(more, std::sync::atomic::Ordering::Relaxed);
    });
    assert_eq!(told.into_inner(), total_runs(&rows, RUNS));
    let asked: Vec<String> = lines.iter().map(|line| format!("{} {}", line.row, line.quantity)).collect();
    for wanted in [
        "1 wrong BUILD",
        "2 cost between the bars ÷ bound",
        "3 cost at the bars ÷ bound",
        "4 wrong KILL",
        "4b wrong BUILD",
        "4c wrong KILL",
        "5 wrong KILL",
        "5b wrong BUILD",
        "5c cost at the bars ÷ bound or 14 days",
        "5d cost at the bars ÷ bound",
        "6 wrong BUILD",
        "7 wrong KILL",
        "8 interval ever misses the truth",
        "9 wrong among all BUILDs",
    ] {
        assert!(asked.iter().any(|asked| asked == wanted), "{wanted} is not among {asked:#?}");
    }
    for line in &lines {
        assert!(line.measured.is_finite() && line.best <= line.measured && !line.worst_cell.is_empty(), "{line:?}");
        assert!(line.cells >= if line.row == "9" { 2 } else { 4 }, "{line:?}");
        // The worst of a hundred cases of a dozen runs is far from its mean: only what is out of all bounds shows here.
        assert!(line.measured < line.at_most + 4.0 * line.error + 0.05, "{line:?}");
    }
    for rule in ["a z test looked at daily", "posterior above 0.95, looked at daily", "without a lag", "e-BH"] {
        assert!(beside.iter().any(|beside| beside.rule == rule && beside.most > 0.1), "{rule}: {beside:#?}");
    }
}

#[test]
fn a_table_does_not_depend_on_which_rows_are_asked_for() {
    let one = table(&[row("5c").unwrap()], 20, SEED, &|_| {});
    let several = table(&[row("4").unwrap(), row("5C").unwrap()], 20, SEED, &|_| {});
    let of: Vec<_> = several.0.iter().filter(|line| line.row == "5c").cloned().collect();
    assert_eq!(one.0, of);
    assert!(row("10").is_none());
}
