//! How long each page takes from a store with many concepts and a year of days, 3 versions each: asked over HTTP on loopback,
//! one request after the other, from the first byte sent to the last one read, while a task beside it goes on writing pulls and
//! judging concepts as fast as it can. The store holds what a daemon would have left in a year: a pull and a run of each day, a
//! verdict of each day and concept, some of them in place of another, and decisions.
//!
//! Printed for each page, as HTML and as JSON: median, 99th percentile and longest time, the processor's time for one (of this whole
//! process, the client and what goes on beside it included), the bytes, and how much of the time was spent reading the store, as
//! the pages tell themselves (`server-timing`).
//!
//! ```sh
//! cargo bench --bench pages                     # 1,000 concepts, 10 to a source, 200 requests of each page
//! cargo bench --bench pages -- 1000 1 500       # so many concepts, so many to a source, so many requests
//! cargo bench --bench pages -- health money     # these pages alone
//! cargo bench --bench pages -- server 100       # the same store on a PostgreSQL that this makes for itself
//! WILLITSELL_KEPT=/tmp/kept cargo bench --bench pages     # keeps the store there, and takes it from there again the same day
//! ```
//! The file lies in memory where the system has such a place, so that work is measured and not a disk. Linux only (/proc).

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a benchmark that cannot go on should say where")]
#![allow(clippy::cast_precision_loss, reason = "thousands of concepts, small counts")]

use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use willitsell::app::App;
use willitsell::connect::http::{Http, Limits};
use willitsell::domain::concept::Experiment;
use willitsell::domain::connector::{Facts, RowSink, SourceRow};
use willitsell::domain::decision::{Choice, Decision};
use willitsell::domain::id::SourceId;
use willitsell::domain::metric::MetricId;
use willitsell::domain::money::Currency;
use willitsell::domain::observation::DateWindow;
use willitsell::domain::verdict::Verdict;
use willitsell::domain::web::Web;
use willitsell::schedule::agreement::Agreement;
use willitsell::schedule::daemon::Work;
use willitsell::schedule::verdicts::{self, Case};
use willitsell::store::{Slice, Store};
use willitsell::web::Pages;

#[allow(dead_code)]
#[path = "../tests/it/canary.rs"]
mod canary;
#[allow(dead_code, unused_imports)]
#[path = "../tests/it/postgres.rs"]
mod postgres;

const DAYS: u64 = 365;
const ARMS: usize = 3;

/// How far back each pull looks.
const LOOK_BACK: u64 = 28;

/// Every fourth month a verdict takes the place of another one.
const CHANGES_EVERY: u64 = 120;

#[derive(Clone, Copy)]
struct Size {
    concepts: usize,
    per_source: usize,
    requests: usize,
    today: NaiveDate,
}

impl Size {
    fn first_day(self) -> NaiveDate {
        self.today - Days::new(DAYS)
    }

    fn yesterday(self) -> NaiveDate {
        self.today - Days::new(1)
    }

    fn sources(self) -> usize {
        self.concepts.div_ceil(self.per_source)
    }

    fn concepts_of(self, source: usize) -> std::ops::Range<usize> {
        source * self.per_source..self.concepts.min((source + 1) * self.per_source)
    }
}

fn key(concept: usize, arm: usize) -> String {
    format!("{}", 21_900_000_000 + concept * 10 + arm)
}

fn configuration(size: Size) -> String {
    let mut text =
        String::from("[store]\nurl = \"sqlite://willitsell.db\"\n\n[portfolio]\nfalse_build_rate = \"each\"\n");
    for source in 0..size.sources() {
        writeln!(text, "\n[source.ads-{source}]\nconnector = \"file\"\nsettings = {{ path = \"ads.csv\" }}").unwrap();
    }
    for concept in 0..size.concepts {
        let source = concept / size.per_source;
        let start = size.first_day();
        write!(
            text,
            r#"
[experiment.concept-{concept}]
title = "Concept number {concept}"
hypothesis = "At least 3 % of those who see the page leave an address"
owner = "Dana, head of product"
disclosure = "https://example.com/not-yet-available"
schedule = "0 6 * * *"
timezone = "UTC"
start = "{start}"
sources = ["ads-{source}"]

[experiment.concept-{concept}.rate.signup]
numerator = "conversions"
denominator = "clicks"

[experiment.concept-{concept}.policy]
primary = "signup"
kill_bar = 0.02
build_bar = 0.03
horizon_days = 700
budget_cap = {{ amount = "9000000", currency = "USD" }}

[[experiment.concept-{concept}.policy.guardrails]]
name = "cost_per_act"
numerator = "spend"
denominator = "conversions"
max = 84.0

[experiment.concept-{concept}.money]
team_cost_per_week = {{ amount = "7800", currency = "USD" }}
build_weeks = 6
gross_profit = {{ amount = "150000", currency = "USD" }}
"#
        )
        .unwrap();
        for (arm, title) in ["annual", "monthly", "team"].iter().enumerate() {
            let key = key(concept, arm);
            writeln!(text, "\n[experiment.concept-{concept}.arm.{title}]\nkeys = {{ ads-{source} = [\"{key}\"] }}")
                .unwrap();
        }
    }
    text
}

/// A third of the concepts sells, a third does not, and a third has so few visitors that a year does not tell.
fn counted(concept: usize, arm: usize, day: NaiveDate) -> [i64; 2] {
    let mixed = ((concept * 7 + arm) as u64 * 1_000_003
        + u64::from(chrono::Datelike::num_days_from_ce(&day).unsigned_abs()))
    .wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let (fewest, spread, per_mille) = [(50, 150, 45), (50, 150, 9), (4, 6, 24)][concept % 3];
    let clicks = fewest + (mixed >> 40) % spread;
    let acts = (clicks * per_mille + (mixed >> 16) % 1_000) / 1_000;
    [clicks, acts].map(u64::cast_signed)
}

/// Writes what a source says of some days, as a pull does.
async fn pull(store: &Store, size: Size, source: usize, window: DateWindow, at: DateTime<Utc>) {
    let mut stage = store.stage();
    for concept in size.concepts_of(source) {
        for arm in 0..ARMS {
            let key = key(concept, arm);
            for day in window.first().iter_days().take_while(|day| *day <= window.last()) {
                let [clicks, acts] = counted(concept, arm, day);
                let values = [
                    (MetricId::IMPRESSIONS, clicks * 40_000_000),
                    (MetricId::CLICKS, clicks * 1_000_000),
                    (MetricId::SPEND, clicks * 812_500),
                    (MetricId::CONVERSIONS, acts * 1_000_000),
                ];
                stage
                    .accept(&[SourceRow::Counts { arm_key: Some(key.as_str().into()), day, values: &values }])
                    .await
                    .unwrap();
            }
        }
    }
    let slice = Slice {
        run_id: "bench".to_owned(),
        source: SourceId::new(format!("ads-{source}")),
        window,
        zone: Tz::UTC,
        currency: Currency::from_code("USD"),
        facts: Facts::default(),
        at,
        wary: None,
    };
    store.replace_slice(stage, &slice).await.unwrap();
}

/// Judges concepts as the daemon does.
async fn judge(store: &Store, experiments: &[Experiment], as_of: DateTime<Utc>) {
    for experiments in experiments.chunks(32) {
        let case = |experiment| Case { experiment, as_of, run: "bench", now: as_of, failed: &[] };
        let cases: Vec<Case<'_>> = experiments.iter().map(case).collect();
        for judged in Box::pin(verdicts::judge(store, &cases)).await.unwrap() {
            judged.unwrap().unwrap();
        }
    }
}

/// Makes one pull, one run and one verdict into those of a year.
fn lived_through(database: &Path, size: Size) {
    let connection = rusqlite::Connection::open(database).unwrap();
    let (first, sources, concepts) = (size.first_day(), size.sources(), size.concepts);
    let began = first.and_hms_opt(6, 0, 0).unwrap().and_utc().timestamp_millis();
    let day = 86_400_000_i64;
    connection
        .execute_batch(&format!(
            "PRAGMA synchronous = OFF; PRAGMA journal_mode = WAL; BEGIN;
             CREATE TEMP TABLE days AS WITH RECURSIVE d(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM d WHERE n < {DAYS}) SELECT n FROM d;
             CREATE TEMP TABLE once AS SELECT *, row_number() OVER (ORDER BY id) AS place FROM pull;
             DELETE FROM pull;
             INSERT INTO pull (id, run_id, source_id, first_day, last_day, currency, day_zone, committed_at, facts, metrics)
               SELECT n * {sources} + place, run_id, source_id, date('{first}', '+' || max(n - {LOOK_BACK}, 0) || ' days'),
                 date('{first}', '+' || (n - 1) || ' days'), currency, day_zone, {began} + n * {day}, facts, metrics
               FROM days, once;
             UPDATE observation SET pull_id = (julianday(day) - julianday('{first}') + 1) * {sources} +
               (SELECT place FROM once WHERE once.source_id = observation.source_id);
             CREATE TEMP TABLE verdicts AS SELECT *, row_number() OVER (ORDER BY id) AS place FROM scorecard;
             DELETE FROM scorecard;
             INSERT INTO scorecard (id, concept_id, generation, as_of, last_settled_day, verdict, policy_hash, data_hash,
                 program_version, known_at, replaces, body, setup, cause, last_decision, excess, last_scorecard, tested)
               SELECT n * {concepts} + place, concept_id, generation, as_of - ({DAYS} - n) * {day}, last_settled_day, verdict,
                 policy_hash, data_hash, program_version, ({DAYS} + 1) * {sources},
                 CASE WHEN n > 1 AND n % {CHANGES_EVERY} = 0 THEN (n - 1) * {concepts} + place END,
                 body, setup, cause, last_decision, excess, last_scorecard, tested
               FROM days, verdicts;
             INSERT INTO run (id, concept_id, due_at, started_at, finished_at, outcome, missed)
               SELECT concept_id || ':' || n, concept_id, {began} + n * {day}, {began} + n * {day}, {began} + n * {day} + 900,
                 '{{\"result\":\"decided\"}}', 0
               FROM days, verdicts;
             COMMIT; PRAGMA wal_checkpoint(TRUNCATE);"
        ))
        .unwrap();
}

/// Every fifth concept with BUILD or KILL was decided on.
async fn decide(store: &Store, experiments: &[Experiment], at: DateTime<Utc>) {
    for experiment in experiments.iter().step_by(5) {
        let stored = store.latest_scorecard(&experiment.concept.id).await.unwrap().unwrap();
        let verdict = stored.scorecard.verdict;
        if !matches!(verdict, Verdict::Build | Verdict::Kill) {
            continue;
        }
        let decision = Decision {
            id: 0,
            concept: experiment.concept.id.clone(),
            generation: 1,
            choice: if verdict == Verdict::Build { Choice::Build } else { Choice::Kill },
            by: "Dana".to_owned(),
            reason: "As recommended".to_owned(),
            at,
            scorecard: stored.id,
            verdict,
            days: None,
            budget: None,
        };
        store.record_decision(&decision, &[]).await.unwrap();
    }
}

/// What a daemon does while people look: one source after the other is read anew, and its concepts are judged.
async fn pulling(work: Arc<Work>, size: Size, stop: CancellationToken, done: Arc<[AtomicU64; 2]>) {
    for round in 0.. {
        for source in 0..size.sources() {
            if stop.is_cancelled() {
                return;
            }
            let at = Utc::now() + TimeDelta::seconds(round);
            let window = DateWindow::new(size.yesterday() - Days::new(LOOK_BACK), size.yesterday()).unwrap();
            pull(&work.parts.store, size, source, window, at).await;
            let concepts = size.concepts_of(source);
            done[0].fetch_add(1, Ordering::Relaxed);
            done[1].fetch_add(concepts.len() as u64, Ordering::Relaxed);
            judge(&work.parts.store, &work.experiments[concepts], at).await;
        }
    }
}

/// What one request took in milliseconds: whole, and as the page says reading the store.
struct Took {
    whole: f64,
    store: f64,
    bytes: usize,
}

async fn asked(http: &reqwest::Client, address: &str, accept: &str) -> Took {
    let began = Instant::now();
    let answer = http.get(address).header("accept", accept).send().await.unwrap();
    assert!(answer.status().is_success(), "{address}: {}", answer.status());
    let timing = answer.headers().get("server-timing").map_or("", |timing| timing.to_str().unwrap()).to_owned();
    let bytes = answer.bytes().await.unwrap().len();
    let whole = began.elapsed().as_secs_f64() * 1e3;
    let store = timing.split(',').find_map(|part| part.trim().strip_prefix("store;dur=")?.parse().ok()).unwrap_or(0.0);
    Took { whole, store, bytes }
}

/// User and system time in seconds of this process (proc(5); 100 ticks a second).
fn cpu() -> f64 {
    let text = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = text.rsplit_once(')').unwrap().1.split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// How many processes wanted to run in the last minute.
fn load() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap().split(' ').next().unwrap().to_owned()
}

/// Memory of this process that is no file's, in KiB: its own, the client's and the store's.
fn memory() -> u64 {
    let text = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// The address of a request, by its number.
type Address = Box<dyn Fn(usize) -> String>;

async fn measure(base: &str, size: Size, only: &[String]) -> f64 {
    let http = Http::new(Limits::default()).unwrap().client();
    let concept = move |number: usize| format!("/concepts/concept-{}", number * 37 % size.concepts);
    let pages: [(&str, Address); 6] = [
        ("portfolio", Box::new(|_| "/".to_owned())),
        ("concept", Box::new(concept)),
        ("arms", Box::new(move |number| concept(number) + "/arms")),
        ("money", Box::new(|_| "/money".to_owned())),
        ("decisions", Box::new(|_| "/decisions".to_owned())),
        ("health", Box::new(|_| "/health".to_owned())),
    ];
    println!("load of the machine {}, anonymous memory {} MB", load(), memory() >> 10);
    println!(
        "{:<10} {:>5} {:>9} {:>9} {:>9} {:>9} {:>8} {:>9}",
        "page", "", "median", "p99", "longest", "cpu", "store", "bytes"
    );
    let mut worst = 0.0_f64;
    for (name, path) in pages.iter().filter(|(name, _)| only.is_empty() || only.iter().any(|one| one == name)) {
        for (form, accept) in [("html", "text/html"), ("json", "application/json")] {
            let mut took = Vec::with_capacity(size.requests);
            let before = cpu();
            for number in 0..size.requests {
                took.push(asked(&http, &format!("{base}{}", path(number)), accept).await);
            }
            let cpu = (cpu() - before) * 1e3 / size.requests as f64;
            let store: f64 =
                took.iter().map(|one| one.store).sum::<f64>() / took.iter().map(|one| one.whole).sum::<f64>();
            let bytes = took.iter().map(|one| one.bytes).max().unwrap();
            let mut whole: Vec<f64> = took.iter().map(|one| one.whole).collect();
            whole.sort_by(f64::total_cmp);
            let at = |share: usize| whole[(whole.len() * share).div_ceil(100) - 1];
            println!(
                "{name:<10} {form:>5} {:>6.1} ms {:>6.1} ms {:>6.1} ms {cpu:>6.1} ms {:>6.0} % {bytes:>9}",
                at(50),
                at(99),
                at(100),
                store * 100.0
            );
            worst = worst.max(at(99));
        }
    }
    worst
}

/// Makes the store, with its configuration, in a folder.
async fn make(folder: &Path, size: Size) {
    let began = Instant::now();
    let (path, database) = (folder.join("willitsell.toml"), folder.join("willitsell.db"));
    std::fs::write(folder.join("ads.csv"), "Day,Campaign,Clicks\n").unwrap();
    std::fs::write(&path, configuration(size)).unwrap();
    let app = App::open(&path).await.unwrap();
    let read = size.today.and_hms_opt(6, 0, 0).unwrap().and_utc();
    let all = DateWindow::new(size.first_day(), size.yesterday()).unwrap();
    for source in 0..size.sources() {
        pull(&app.parts.store, size, source, all, read).await;
    }
    judge(&app.parts.store, &app.loaded.config.experiments, read).await;
    app.parts.store.close().await;
    lived_through(&database, size);
    let app = App::open(&path).await.unwrap();
    judge(&app.parts.store, &app.loaded.config.experiments, read + TimeDelta::minutes(1)).await;
    decide(&app.parts.store, &app.loaded.config.experiments, read + TimeDelta::minutes(2)).await;
    app.parts.store.close().await;
    println!("made in {:.0} s", began.elapsed().as_secs_f64());
}

/// Copies what a folder holds into another one.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}

/// The same in `folder`, made now, or taken from where it is kept.
async fn put(folder: &Path, size: Size) {
    let Some(kept) = std::env::var_os("WILLITSELL_KEPT") else { return make(folder, size).await };
    let name = format!("pages-{}-{}-{}", size.concepts, size.per_source, size.today);
    let kept = Path::new(&kept).join(name);
    if !kept.is_dir() {
        make(folder, size).await;
        copy(folder, &kept);
    }
    copy(&kept, folder);
}

/// Moves the store of a folder to a server of its own, and has its configuration name that.
async fn moved(folder: &Path, path: &Path, database: &Path) {
    let began = Instant::now();
    let server = postgres::database().await.expect("PostgreSQL is needed: Debian's package `postgresql` will do");
    for (name, secret) in [("server", server.url.as_str()), ("key", canary::TOKEN_KEY)] {
        std::fs::write(folder.join(name), secret).unwrap();
        // Secrets are to be read by their owner alone.
        std::fs::set_permissions(folder.join(name), std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    let there = "url = \"file:server\"\nkey = \"file:key\"";
    let text = std::fs::read_to_string(path).unwrap();
    std::fs::write(path, text.replace("url = \"sqlite://willitsell.db\"", there)).unwrap();
    let from = Store::open(&format!("sqlite://{}", database.display())).await.unwrap();
    let app = App::open(path).await.unwrap();
    app.parts.store.restore(&from).await.unwrap();
    from.close().await;
    app.parts.store.close().await;
    // As its own housekeeping does within minutes.
    server.run("VACUUM (ANALYZE)").await;
    println!("moved to a server in {:.0} s", began.elapsed().as_secs_f64());
}

#[tokio::main]
async fn main() {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let given: Vec<usize> = words.iter().filter_map(|word| word.parse().ok()).collect();
    let size = Size {
        concepts: given.first().copied().unwrap_or(1_000),
        per_source: given.get(1).copied().unwrap_or(10),
        requests: given.get(2).copied().unwrap_or(200),
        today: Utc::now().date_naive(),
    };
    let is_on_server = words.iter().any(|word| word == "server");
    let only: Vec<String> =
        words.into_iter().filter(|word| word.parse::<usize>().is_err() && word != "server").collect();
    let memory = Path::new("/dev/shm");
    let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap();
    let (path, database) = (folder.path().join("willitsell.toml"), folder.path().join("willitsell.db"));
    put(folder.path(), size).await;
    if is_on_server {
        moved(folder.path(), &path, &database).await;
    }
    let app = App::open(&path).await.unwrap();
    let mut verdicts = std::collections::BTreeMap::new();
    for stored in app.parts.store.latest_scorecards().await.unwrap() {
        *verdicts.entry(stored.scorecard.verdict.word()).or_insert(0) += 1;
    }
    println!(
        "{} concepts, {} to a source, {DAYS} days, {ARMS} versions: {verdicts:?}; {} MB",
        size.concepts,
        size.per_source,
        std::fs::metadata(&database).unwrap().len() >> 20,
    );

    let agreement = Agreement::of(&app.parts, &app.loaded.config.experiments, Utc::now());
    let work = Arc::new(Work {
        agreement,
        parts: app.parts,
        experiments: app.loaded.config.experiments,
        themes: app.loaded.config.themes,
        catch_up: TimeDelta::days(1),
    });
    let (_keep, known) = watch::channel(Arc::clone(&work));
    let (_said, web) = watch::channel(Web::default());
    let pages = Pages::open("127.0.0.1:0".parse().unwrap(), web, known, rand::random).await.unwrap();
    let base = format!("http://{}", pages.address().unwrap());
    let stop = CancellationToken::new();
    tokio::spawn(pages.run(stop.clone()));
    let done: Arc<[AtomicU64; 2]> = Arc::default();

    println!("\nNothing else goes on:");
    measure(&base, size, &only).await;
    println!("\nPulls and verdicts go on beside it, as fast as they can:");
    let pulling = tokio::spawn(pulling(Arc::clone(&work), size, stop.clone(), Arc::clone(&done)));
    let began = Instant::now();
    let worst = measure(&base, size, &only).await;
    let seconds = began.elapsed().as_secs_f64();
    let [pulls, judged] = [0, 1].map(|position| done[position].load(Ordering::Relaxed) as f64 / seconds);
    println!(
        "meanwhile {pulls:.0} pulls and {judged:.0} verdicts a second; slowest p99 {worst:.1} ms, where 50 are wanted"
    );
    stop.cancel();
    pulling.await.unwrap();
}
