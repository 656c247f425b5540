//! What storing a million observations costs beside the smallest loop one would write by hand: a prepared
//! upsert per row, one transaction per window, the same table, no revisions, no staging.
//! `cargo bench --bench store_write`; a number after `--` sets the arms per day.

#![allow(clippy::unwrap_used, reason = "a benchmark that cannot go on should say where")]

use std::fs;
use std::path::Path;
use std::time::Instant;

use chrono::{NaiveDate, Utc};
use chrono_tz::Tz;
use willitsell::domain::connector::{Facts, RowSink, SourceRow};
use willitsell::domain::id::SourceId;
use willitsell::domain::metric::MetricId;
use willitsell::domain::observation::DateWindow;
use willitsell::store::{Slice, Store};

const DAYS: u64 = 100;
const LONGEST_WINDOW: u32 = 31;
const ROWS_ON_A_PAGE: usize = 10_000;

const UPSERT: &str = "INSERT INTO observation (source_id, day, arm_key, pull_id, impressions, clicks, spend, conversions) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (source_id, day, arm_key) DO UPDATE SET \
    pull_id = excluded.pull_id, impressions = excluded.impressions, clicks = excluded.clicks, \
    spend = excluded.spend, conversions = excluded.conversions";

/// As a vendor gives them: the days of one campaign after the other.
struct GivenRow {
    key: String,
    day: NaiveDate,
    values: [(MetricId, i64); 4],
}

fn page(window: DateWindow, arms: std::ops::Range<u64>, round: i64) -> Vec<GivenRow> {
    let days = usize::try_from(window.days()).unwrap();
    arms.flat_map(|arm| window.first().iter_days().take(days).map(move |day| (arm, day)))
        .map(|(arm, day)| {
            let mixed = (arm * 31 + u64::from(chrono::Datelike::ordinal(&day))).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            let number = i64::try_from(mixed >> 44).unwrap() + round;
            let values = [
                (MetricId::IMPRESSIONS, number * 1_000_000),
                (MetricId::CLICKS, number / 40 * 1_000_000),
                (MetricId::SPEND, number * 13_270),
                (MetricId::CONVERSIONS, number / 700 * 500_000),
            ];
            GivenRow { key: (21_900_000_000 + arm).to_string(), day, values }
        })
        .collect()
}

/// Every page of a window, handed over one after the other.
fn pages(window: DateWindow, arms: u64, round: i64) -> impl Iterator<Item = Vec<GivenRow>> {
    let step = (ROWS_ON_A_PAGE as u64 / window.days().unsigned_abs()).max(1);
    (0..arms)
        .step_by(usize::try_from(step).unwrap())
        .map(move |first| page(window, first..arms.min(first + step), round))
}

fn windows() -> Vec<DateWindow> {
    let first = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
    DateWindow::new(first, first + chrono::Days::new(DAYS - 1)).unwrap().slices(Some(LONGEST_WINDOW))
}

fn given(row: &GivenRow) -> SourceRow<'_> {
    SourceRow::Counts { arm_key: Some(row.key.as_str().into()), day: row.day, values: &row.values }
}

async fn through_the_store(store: &Store, arms: u64, round: i64) {
    let source = SourceId::new("search");
    for window in windows() {
        let mut stage = store.stage();
        for page in pages(window, arms, round) {
            stage.accept(&page.iter().map(given).collect::<Vec<_>>()).await.unwrap();
        }
        let (run_id, source) = ("bench".to_owned(), source.clone());
        let slice = Slice {
            run_id,
            source,
            window,
            zone: Tz::UTC,
            currency: None,
            facts: Facts::default(),
            at: Utc::now(),
            wary: None,
        };
        store.replace_slice(stage, &slice).await.unwrap();
    }
}

fn by_hand(database: &Path, arms: u64, round: i64) {
    let mut connection = rusqlite::Connection::open(database).unwrap();
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL").unwrap();
    for (pull, window) in windows().into_iter().enumerate() {
        let transaction = connection.transaction().unwrap();
        let mut upsert = transaction.prepare(UPSERT).unwrap();
        for page in pages(window, arms, round) {
            for GivenRow { key, day, values: [impressions, clicks, spend, conversions] } in page {
                let numbers = (impressions.1, clicks.1, spend.1, conversions.1);
                let (day, pull) = (day.to_string(), i64::try_from(pull).unwrap());
                upsert.execute(("search", day, key, pull, numbers.0, numbers.1, numbers.2, numbers.3)).unwrap();
            }
        }
        drop(upsert);
        transaction.commit().unwrap();
    }
}

/// User and system time of this process in microseconds, all threads together (proc(5); 100 ticks a second).
fn cpu() -> f64 {
    let text = fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = text.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) * 10_000.0
}

/// Most memory held since the last call, in MiB.
fn peak() -> f64 {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    let kib: f64 = line.split_whitespace().nth(1).unwrap().parse().unwrap();
    fs::write("/proc/self/clear_refs", "5").unwrap();
    kib / 1024.0
}

/// Runs some work over a number of rows, prints what it cost, and returns its CPU time a row.
#[expect(clippy::cast_precision_loss, reason = "a million rows is far below 2^53")]
async fn measure(what: &str, rows: u64, work: impl Future<Output = ()>) -> f64 {
    peak();
    let (before, started) = (cpu(), Instant::now());
    work.await;
    let (cpu, seconds, rows) = (cpu() - before, started.elapsed().as_secs_f64(), rows as f64);
    let (per_row, speed) = (cpu / rows, rows / seconds);
    println!("{what:<42} {per_row:>6.2} µs CPU a row {speed:>10.0} rows/s {:>7.1} MiB at most", peak());
    per_row
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let arms = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(10_000);
    let rows = DAYS * arms;
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    println!("{rows} rows: {DAYS} days of {arms} arms with 4 metrics, in windows of {LONGEST_WINDOW} days");

    measure("making the rows, part of all below", rows, async {
        let made: usize = windows().into_iter().flat_map(|window| pages(window, arms, 0)).map(|page| page.len()).sum();
        assert_eq!(made as u64, rows);
    })
    .await;
    let hand = path("hand.db");
    Store::open(&format!("sqlite://{}", hand.display())).await.unwrap().close().await;
    let hand_first = measure("by hand, first", rows, async { by_hand(&hand, arms, 0) }).await;
    let hand_again = measure("by hand, again unchanged", rows, async { by_hand(&hand, arms, 0) }).await;

    let ours = path("ours.db");
    let store = Store::open(&format!("sqlite://{}", ours.display())).await.unwrap();
    let first = measure("the store, first", rows, through_the_store(&store, arms, 0)).await;
    let again = measure("the store, again unchanged", rows, through_the_store(&store, arms, 0)).await;
    measure("the store, every row restated", rows, through_the_store(&store, arms, 1)).await;
    let all = DateWindow::new(windows()[0].first(), windows().last().unwrap().last()).unwrap();
    measure("the store, read back for a verdict", rows, async {
        let inputs = store.inputs(&[SourceId::new("search")], all, None).await.unwrap();
        assert_eq!(inputs.observations.len() as u64, rows);
    })
    .await;
    measure("the store, checked as at every start", rows, async { store.check().await.unwrap() }).await;
    store.close().await;
    println!("CPU beside by hand: first {:.2}, unchanged {:.2}", first / hand_first, again / hand_again);
    for name in ["hand.db", "ours.db"] {
        println!("{name}: {} MiB", fs::metadata(path(name)).unwrap().len() >> 20);
    }
}
