//! How much more several daemons do on one PostgreSQL than one, while every call takes 50 ms; and what a daemon costs that has
//! nothing to do.
//!
//! ```sh
//! cargo bench --bench daemon                    # both, ten minutes of idleness
//! cargo bench --bench daemon -- nodes 240 3     # sources, rounds
//! cargo bench --bench daemon -- idle 10         # minutes
//! ```
//! Read the ratios of the first, not its seconds: vendors, server and daemons share this machine. Linux only (/proc).

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a benchmark that cannot go on should say where")]

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::routing::post;
use chrono::{Days, NaiveDate, Utc};
use sqlx::Row;

#[allow(dead_code)]
#[path = "../tests/it/canary.rs"]
mod canary;
#[allow(dead_code, unused_imports)]
#[path = "../tests/it/postgres.rs"]
mod postgres;

/// What every call takes.
const LATENCY: Duration = Duration::from_millis(50);

/// Experiments of the daemon that has nothing to do.
const IDLE: u32 = 200;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let number = |text: &str| text.parse::<u32>().expect("a number");
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [] => {
            nodes(240, 3);
            idle(10);
        }
        ["nodes"] => nodes(240, 3),
        ["nodes", sources, rounds] => nodes(number(sources), number(rounds)),
        ["idle", minutes] => idle(u64::from(number(minutes))),
        _ => panic!("usage: cargo bench --bench daemon -- [nodes [SOURCES ROUNDS] | idle MINUTES]"),
    }
}

/// Readings a second with one, two and four daemons, in turn, round after round.
fn nodes(sources: u32, rounds: u32) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("runtime");
    let address = runtime.block_on(serve());
    let mut rates = [const { Vec::new() }; 3];
    for _ in 0..rounds {
        for (daemons, rates) in [1, 2, 4].into_iter().zip(&mut rates) {
            let Some(rate) = runtime.block_on(round(&address, sources, daemons)) else { return };
            rates.push(rate);
        }
    }
    let [one, two, four] = rates.map(median);
    println!(
        "{sources} sources, every call {} ms, medians of {rounds} rounds: one daemon {one:.1} readings a second, two {two:.1} \
         ({:.2} times), four {four:.1} ({:.2} times)",
        LATENCY.as_millis(),
        two / one,
        four / one
    );
}

/// Readings a second of so many daemons that start together on an empty store, from the first run to the last.
async fn round(address: &str, sources: u32, daemons: usize) -> Option<f64> {
    let database = postgres::database().await?;
    let folder = tempfile::tempdir().expect("a folder");
    let start = Utc::now().date_naive() - Days::new(5);
    let mut text = "[store]\nurl = \"file:store\"\nkey = \"file:key\"\n".to_owned();
    text.push_str(&experiments(address, sources, "0 0 * * *", start));
    write(folder.path(), "store", &database.url);
    write(folder.path(), "key", &"0123456789abcdef".repeat(4));
    write(folder.path(), "willitsell.toml", &text);
    let mut running: Vec<Running> = (0..daemons).map(|_| Running::start(folder.path())).collect();
    let mut connection = database.connect().await;
    let ended = "SELECT COUNT(*) FROM run WHERE finished_at IS NOT NULL";
    let began = Instant::now();
    loop {
        tokio::time::sleep(Duration::from_millis(100)).await;
        // There are no tables at first.
        let ended = sqlx::query(ended).fetch_one(&mut connection).await.map_or(0, |row| row.get::<i64, _>(0));
        if ended == i64::from(sources) {
            break;
        }
        assert!(running.iter_mut().all(Running::lives), "a daemon has ended");
        assert!(began.elapsed() < Duration::from_mins(10), "{ended} of {sources} runs have ended");
    }
    let told = "SELECT (SELECT COUNT(*) FROM pull), (SELECT MAX(finished_at) - MIN(started_at) FROM run), \
                (SELECT COUNT(*) FROM run WHERE outcome NOT LIKE '%decided%')";
    let told = sqlx::query(told).fetch_one(&mut connection).await.expect("an answer");
    let (pulls, took, failed): (i64, i64, i64) = (told.get(0), told.get(1), told.get(2));
    assert_eq!((pulls, failed), (i64::from(sources), 0), "each source is read once");
    #[allow(clippy::cast_precision_loss, reason = "seconds")]
    let rate = pulls as f64 / (took as f64 / 1000.0);
    println!("  {daemons} daemon(s): {pulls} readings in {took} ms");
    Some(rate)
}

/// A vendor that takes its time.
async fn serve() -> String {
    let day = Utc::now().date_naive() - Days::new(1);
    let mut body = r#"{"results":["#.to_owned();
    for campaign in 1..=20 {
        let comma = if campaign == 1 { "" } else { "," };
        write!(
            body,
            r#"{comma}{{"customer":{{"currencyCode":"EUR","timeZone":"Europe/Berlin"}},"campaign":{{"id":"{campaign}"}},"metrics":{{"clicks":"40","conversions":1.0,"costMicros":"5000000","impressions":"812"}},"segments":{{"date":"{day}"}}}}"#
        )
        .expect("writes to memory");
    }
    body.push_str(r#"],"fieldMask":"campaign.id"}"#);
    let search = move || {
        let body = body.clone();
        async move {
            tokio::time::sleep(LATENCY).await;
            ([(CONTENT_TYPE, "application/json; charset=UTF-8")], body)
        }
    };
    let token = async || {
        tokio::time::sleep(LATENCY).await;
        ([(CONTENT_TYPE, "application/json")], r#"{"access_token":"bench","token_type":"Bearer","expires_in":3600}"#)
    };
    let router = Router::new()
        .route("/token", post(token))
        .route("/{version}/customers/{customer}/googleAds:search", post(search));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async { axum::serve(listener, router).await.expect("serves") });
    address
}

/// As many experiments as sources, each with an account of its own.
fn experiments(address: &str, number: u32, schedule: &str, start: NaiveDate) -> String {
    let mut text = format!(
        "[login.all]\nclient_id = \"bench\"\nclient_secret = \"env:WILLITSELL_BENCH_SECRET\"\n\
         refresh_token = \"env:WILLITSELL_BENCH_SECRET\"\ntoken_url = \"{address}/token\"\n"
    );
    for number in 0..number {
        write!(
            text,
            "[source.s{number}]\nconnector = \"google_ads\"\nlogin = \"all\"\n\
             settings = {{ customer_id = \"{:010}\", base_url = \"{address}\", per_second = \"1000\" }}\n\
             [experiment.e{number}]\ntitle = \"Bench\"\nhypothesis = \"None\"\nschedule = \"{schedule}\"\n\
             timezone = \"Europe/Berlin\"\nstart = \"{start}\"\nsources = [\"s{number}\"]\nnotify = []\n\
             [experiment.e{number}.arm.a]\nkeys = {{ s{number} = [\"1\"] }}\n\
             [experiment.e{number}.rate.lead]\nnumerator = \"conversions\"\ndenominator = \"clicks\"\n\
             [experiment.e{number}.policy]\nprimary = \"lead\"\nkill_bar = 0.02\nbuild_bar = 0.03\n",
            1_000_000_000 + number
        )
        .expect("writes to memory");
    }
    text
}

/// A daemon with nothing to do: how soon it is ready, and what it costs.
fn idle(minutes: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let port = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    let start = Utc::now().date_naive() + Days::new(2);
    let mut text = format!("[store]\nurl = \"sqlite://willitsell.db\"\n[health]\nlisten = \"127.0.0.1:{port}\"\n");
    text.push_str(&experiments("http://127.0.0.1:9", IDLE, "0 6 * * *", start));
    write(folder.path(), "willitsell.toml", &text);
    // The store is made.
    let (made, _) = ready(folder.path(), port);
    made.stopped();
    let mut waits = Vec::new();
    for _ in 0..9 {
        let (daemon, wait) = ready(folder.path(), port);
        waits.push(wait.as_secs_f64() * 1000.0);
        daemon.stopped();
    }
    let slowest = waits.iter().copied().fold(0.0, f64::max);
    println!(
        "start to ready, {IDLE} experiments, a store that is there: {:.0} ms, at most {slowest:.0} (aim: below 50)",
        median(waits)
    );
    let (daemon, _) = ready(folder.path(), port);
    std::thread::sleep(Duration::from_secs(5));
    let (before, began) = (daemon.cost(), Instant::now());
    std::thread::sleep(Duration::from_secs(60 * minutes));
    let (after, took) = (daemon.cost(), began.elapsed().as_secs_f64());
    #[allow(clippy::cast_precision_loss, reason = "a share")]
    let [ticks, wakes] = [after.ticks - before.ticks, after.switches - before.switches].map(|it| it as f64);
    println!(
        "idle for {took:.0} s: {:.1} MiB resident, {:.1} at most (aim: below 25), {} threads, CPU {:.3} % (aim: below 0.1), {:.2} \
         wake-ups a second",
        after.resident_kib / 1024.0,
        after.peak_kib / 1024.0,
        after.threads,
        ticks / took,
        wakes / took
    );
    daemon.stopped();
}

/// A daemon that has taken up its work, and how long that took from its start.
fn ready(folder: &Path, port: u16) -> (Running, Duration) {
    let began = Instant::now();
    let mut daemon = Running::start(folder);
    let is_ready = || {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
        stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer.starts_with("HTTP/1.1 200").then_some(())
    };
    while is_ready().is_none() {
        assert!(daemon.lives() && began.elapsed() < Duration::from_mins(1), "it does not get ready");
        std::thread::sleep(Duration::from_micros(500));
    }
    (daemon, began.elapsed())
}

/// A daemon; killed when dropped.
struct Running(Child);

/// What a process has cost so far.
struct Cost {
    resident_kib: f64,
    peak_kib: f64,
    threads: usize,
    /// Hundredths of a second.
    ticks: u64,
    switches: u64,
}

impl Running {
    fn start(folder: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_willitsell"));
        command.current_dir(folder).arg("run").env("WILLITSELL_BENCH_SECRET", "bench");
        Self(
            command
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .expect("the program starts"),
        )
    }

    fn lives(&mut self) -> bool {
        matches!(self.0.try_wait(), Ok(None))
    }

    fn stopped(mut self) {
        let pid = rustix::process::Pid::from_child(&self.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it runs");
        self.0.wait().expect("it ends");
    }

    fn cost(&self) -> Cost {
        let folder = format!("/proc/{}", self.0.id());
        let status = std::fs::read_to_string(format!("{folder}/status")).expect("it runs");
        let figure = |text: &str, name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("a figure");
            line.trim_start_matches(':').split_whitespace().next().expect("a number").parse::<f64>().expect("a number")
        };
        let tasks: Vec<_> = std::fs::read_dir(format!("{folder}/task")).expect("it runs").flatten().collect();
        // Of the whole process, with threads that have ended; behind its name, which may hold anything.
        let stat = std::fs::read_to_string(format!("{folder}/stat")).expect("it runs");
        let fields: Vec<&str> = stat.rsplit(") ").next().expect("fields").split(' ').collect();
        let ticks = [11, 12].map(|field| fields[field].parse::<u64>().expect("a time")).iter().sum();
        let mut switches = 0;
        for task in &tasks {
            let text = std::fs::read_to_string(task.path().join("status")).expect("it runs");
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a count")]
            let count = figure(&text, "voluntary_ctxt_switches") as u64;
            switches += count;
        }
        Cost {
            resident_kib: figure(&status, "VmRSS"),
            peak_kib: figure(&status, "VmHWM"),
            threads: tasks.len(),
            ticks,
            switches,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

fn median(mut all: Vec<f64>) -> f64 {
    all.sort_by(f64::total_cmp);
    all[all.len() / 2]
}

fn write(folder: &Path, name: &str, text: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let file = folder.join(name);
    std::fs::write(&file, text).expect("writes");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("sets");
}
