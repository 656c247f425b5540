//! Pulls Google-like rows, Meta-like rows with their keyed lists and Typeform-like responses from a local server
//! into SQLite, through the manifests and the store, beside the least code that could do it by hand: typed
//! parse, prepared upsert, one transaction.
//!
//! ```sh
//! cargo bench --bench pull                            # 1,000,000 + 100,000 + 100,000 rows, three rounds
//! cargo bench --bench pull -- google_ads 4000000 1    # vendor, rows, rounds
//! ```
//! Each side runs in a process of its own, the server in a third, so that CPU time and peak memory
//! (from /proc, so Linux only) are those of the side alone. Sides alternate; read the ratios, not the seconds.

#![allow(clippy::expect_used, reason = "a benchmark that cannot go on should say where")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use chrono::{Days, NaiveDate};
use willitsell::domain::observation::DateWindow;

mod pull {
    pub mod by_hand;
    pub mod ours;
    pub mod server;
}

/// Vendor, rows of the usual run, rows a day.
const VENDORS: [(&str, u64, u64); 3] =
    [("google_ads", 1_000_000, 10_000), ("meta_ads", 100_000, 1_000), ("typeform", 100_000, 1_000)];

/// What one side cost.
struct Cost {
    rows: u64,
    cpu_us: f64,
    wall_s: f64,
    peak_mib: f64,
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let number = |text: &str| text.parse().expect("a number");
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve"] => pull::server::serve(),
        ["ours", vendor, address, days] => pull::ours::run(vendor, address, number(days), false),
        ["again", vendor, address, days] => pull::ours::run(vendor, address, number(days), true),
        ["by-hand", vendor, address, days] => pull::by_hand::run(vendor, address, number(days)),
        [] => VENDORS.into_iter().for_each(|(vendor, rows, _)| compare(vendor, rows, 3)),
        [vendor, rows] => compare(vendor, number(rows), 3),
        [vendor, rows, rounds] => compare(vendor, number(rows), number(rounds)),
        _ => panic!("usage: cargo bench --bench pull -- [VENDOR ROWS [ROUNDS]]"),
    }
}

fn compare(vendor: &str, rows: u64, rounds: u64) {
    let (_, _, daily) = VENDORS.into_iter().find(|(name, ..)| *name == vendor).expect("a vendor of this benchmark");
    let itself = std::env::current_exe().expect("this program has a path");
    let mut server = Command::new(&itself).arg("serve").stdout(Stdio::piped()).spawn().expect("the server starts");
    let mut address = String::new();
    BufReader::new(server.stdout.take().expect("piped")).read_line(&mut address).expect("an address");
    let days = (rows / daily).max(1).to_string();
    println!("{vendor:<10} {:>8} {:>10} {:>12} {:>10}", "rows", "CPU µs/row", "rows/s", "peak MiB");
    let (mut ratios, mut again_ratios) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let side = |name: &str| measure(name, &itself, &[vendor, address.trim(), &days]);
        let (by_hand, ours, again) = (side("by-hand"), side("ours"), side("again"));
        assert_eq!((ours.rows, again.rows), (by_hand.rows, by_hand.rows), "all read the same rows");
        ratios.push(ours.cpu_us / by_hand.cpu_us);
        again_ratios.push(ours.wall_s / again.wall_s);
    }
    println!("{vendor}: CPU per row, ours ÷ by hand: {}", list(&ratios));
    println!("{vendor}: rows/s, unchanged rows pulled again ÷ first pull: {}\n", list(&again_ratios));
    server.kill().expect("the server stops");
    server.wait().expect("the server has stopped");
}

fn list(ratios: &[f64]) -> String {
    ratios.iter().map(|ratio| format!("{ratio:.2}")).collect::<Vec<_>>().join(", ")
}

fn measure(name: &str, itself: &Path, what: &[&str]) -> Cost {
    let output = Command::new(itself).arg(name).args(what).stderr(Stdio::inherit()).output().expect("the side runs");
    let text = String::from_utf8(output.stdout).expect("text");
    let figures: Vec<f64> = text.split_whitespace().map(|figure| figure.parse().expect("a figure")).collect();
    let &[rows, cpu_s, wall_s, peak_mib] = &figures[..] else { panic!("{name} printed {text:?}") };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count of rows")]
    let cost = Cost { rows: rows as u64, cpu_us: cpu_s * 1e6 / rows, wall_s, peak_mib };
    println!("{name:<10} {:>8} {:>10.2} {:>12.0} {:>10.1}", cost.rows, cost.cpu_us, rows / cost.wall_s, cost.peak_mib);
    cost
}

/// Every day of a run.
pub fn window(days: u64) -> DateWindow {
    let first = NaiveDate::from_ymd_opt(2025, 1, 1).expect("a day");
    DateWindow::new(first, first + Days::new(days - 1)).expect("in order")
}

/// CPU seconds (user and system, all threads) this process has used, from /proc/self/stat.
pub fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let after_name = stat.rsplit(')').next().expect("a name in brackets");
    let ticks: f64 =
        after_name.split_whitespace().skip(11).take(2).map(|field| field.parse::<f64>().expect("ticks")).sum();
    ticks / 100.0
}

/// Largest resident memory this process ever had, in MiB.
pub fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("VmHWM");
    line.split_whitespace().nth(1).expect("kB").parse::<f64>().expect("a number") / 1024.0
}
