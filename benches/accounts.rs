//! How long `willitsell pull` takes while every call takes 50 ms: one account, eight, and fifty that may each be
//! asked so often and no oftener. Shows when each account was being answered.
//!
//! ```sh
//! cargo bench --bench accounts
//! ```
//! Ideal is the sum of one account's latencies for one account and for eight, and what the limit allows for fifty.

#![allow(clippy::expect_used, reason = "a benchmark that cannot go on should say where")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path as Segments, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::post;

/// What every call takes.
const LATENCY: Duration = Duration::from_millis(50);
/// Days asked for: one window.
const DAYS: u32 = 30;
/// One column of the time line.
const COLUMN: Duration = Duration::from_millis(100);

/// Account, beginning and end of each answer.
type Log = Arc<Mutex<Vec<(String, Instant, Instant)>>>;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("runtime");
    let log = Log::default();
    let address = runtime.block_on(serve(log.clone()));
    let one = measure(&log, &address, Ask { accounts: 1, pages: 25, rows: 200, per_second: 1000.0 });
    println!(
        "one account: {:.2} of the sum of its latencies (aim: at most 1.15)\n",
        one / (26.0 * LATENCY.as_secs_f64())
    );
    let eight = measure(&log, &address, Ask { accounts: 8, pages: 25, rows: 200, per_second: 1000.0 });
    println!("eight accounts: {:.2} of one (aim: at most 1.5)\n", eight / one);
    // The first page may go at once, each later one a fifth of a second after the one before. Every account is done at
    // the same moment, so what is written after it cannot hide behind another's calls.
    let bound = LATENCY.as_secs_f64() * 2.0 + 11.0 / 5.0;
    for rows in [20, 200] {
        let fifty = measure(&log, &address, Ask { accounts: 50, pages: 12, rows, per_second: 5.0 });
        println!(
            "fifty accounts, five calls a second each, {rows} rows a page: {:.2} of what the limits allow ({bound:.2} s)\n",
            fifty / bound
        );
    }
}

/// What one pull is to read.
#[derive(Clone, Copy)]
struct Ask {
    accounts: u32,
    pages: u32,
    /// Of a page.
    rows: u32,
    /// Calls each account allows.
    per_second: f64,
}

async fn serve(log: Log) -> String {
    let search = |State(log): State<Log>, Segments((_, account)): Segments<(String, String)>, body: Bytes| async move {
        let began = Instant::now();
        let answer = page(&account, &body);
        tokio::time::sleep_until((began + LATENCY).into()).await;
        log.lock().expect("unbroken").push((account, began, Instant::now()));
        answer
    };
    let token = |State(log): State<Log>, body: Bytes| async move {
        let began = Instant::now();
        tokio::time::sleep(LATENCY).await;
        let account = String::from_utf8_lossy(&body).split("refresh_token=r").nth(1).unwrap_or_default().to_owned();
        let account = account.chars().take_while(char::is_ascii_digit).collect();
        log.lock().expect("unbroken").push((account, began, Instant::now()));
        ([(CONTENT_TYPE, "application/json")], r#"{"access_token":"bench","token_type":"Bearer","expires_in":3600}"#)
    };
    let router = Router::new()
        .route("/token", post(token))
        .route("/{version}/customers/{customer}/googleAds:search", post(search))
        .with_state(log);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async { axum::serve(listener, router).await.expect("serves") });
    address
}

/// The account's last five digits say how many pages it has, and how many rows each.
fn page(account: &str, body: &[u8]) -> impl IntoResponse + use<> {
    let request: serde_json::Value = serde_json::from_slice(body).expect("JSON");
    let number: u32 = request["pageToken"].as_str().map_or(0, |token| token.parse().expect("a page token"));
    let pages: u32 = account[5..7].parse().expect("digits");
    let rows: u32 = account[7..].parse().expect("digits");
    let mut body = r#"{"results":["#.to_owned();
    for row in 0..rows {
        let comma = if row == 0 { "" } else { "," };
        let campaign = (number * rows + row) / DAYS;
        let day = (number * rows + row) % DAYS + 1;
        write!(
            body,
            r#"{comma}{{"customer":{{"currencyCode":"EUR","timeZone":"Europe/Berlin"}},"campaign":{{"id":"{campaign}"}},"metrics":{{"clicks":"{day}","conversions":1.0,"costMicros":"5000000","impressions":"812"}},"segments":{{"date":"2026-09-{day:02}"}}}}"#
        )
        .expect("writes to memory");
    }
    body.push(']');
    if number + 1 < pages {
        write!(body, r#","nextPageToken":"{}""#, number + 1).expect("writes to memory");
    }
    body.push_str(r#","fieldMask":"campaign.id"}"#);
    ([(CONTENT_TYPE, "application/json; charset=UTF-8")], body)
}

/// Seconds from the first call to the end of the program; shows the time line.
fn measure(log: &Log, address: &str, ask: Ask) -> f64 {
    let folder = tempfile::tempdir().expect("a folder");
    configure(folder.path(), address, ask);
    log.lock().expect("unbroken").clear();
    let last = format!("2026-09-{DAYS:02}");
    let mut pull = Command::new(env!("CARGO_BIN_EXE_willitsell"))
        .current_dir(folder.path())
        .args(["pull", "--since", "2026-09-01", "--until", &last])
        .env("WILLITSELL_BENCH_SECRET", "bench")
        .stdout(Stdio::null())
        .spawn()
        .expect("the program starts");
    assert!(pull.wait().expect("the program ends").success(), "the pull succeeds");
    let ended = Instant::now();
    let calls = std::mem::take(&mut *log.lock().expect("unbroken"));
    let began = calls.iter().map(|(_, began, _)| *began).min().expect("calls");
    let taken = (ended - began).as_secs_f64();
    let answered = calls.iter().map(|(_, _, to)| *to).max().expect("calls");
    let after = (ended - answered).as_secs_f64();
    println!(
        "{} account(s), {} pages each, {} calls: {taken:.2} s, {after:.2} s of it after the last answer",
        ask.accounts,
        ask.pages,
        calls.len()
    );
    show(&calls, began, ended);
    taken
}

/// A line for each of the first accounts: digits count the calls being answered, `.` is none.
fn show(calls: &[(String, Instant, Instant)], began: Instant, ended: Instant) {
    let mut accounts: BTreeMap<&str, Vec<(Instant, Instant)>> = BTreeMap::new();
    for (account, from, to) in calls {
        accounts.entry(account).or_default().push((*from, *to));
    }
    let columns = (ended - began).as_millis() / COLUMN.as_millis() + 1;
    for (account, calls) in accounts.iter().take(8) {
        let mut line = String::new();
        for column in 0..u32::try_from(columns).expect("few") {
            let (from, to) = (began + COLUMN * column, began + COLUMN * (column + 1));
            let calls = calls.iter().filter(|(at, _)| (from..to).contains(at)).count();
            line.push(if calls == 0 {
                '.'
            } else {
                char::from_digit(u32::try_from(calls).expect("few").min(9), 10).unwrap_or('+')
            });
        }
        println!("  {account:>10} {line}");
    }
    println!("  {:>10} each column {} ms: calls begun in it", "", COLUMN.as_millis());
}

fn configure(folder: &Path, address: &str, Ask { accounts, pages, rows, per_second }: Ask) {
    let mut text = String::new();
    let mut names = Vec::new();
    for number in 0..accounts {
        let customer = format!("{:05}{pages:02}{rows:03}", 10_000 + number);
        let secret = folder.join(format!("refresh-{number}"));
        std::fs::write(&secret, format!("r{customer}")).expect("writes");
        private(&secret);
        write!(
            text,
            "[login.l{number}]\nclient_id = \"bench\"\nclient_secret = \"env:WILLITSELL_BENCH_SECRET\"\n\
             refresh_token = \"file:refresh-{number}\"\ntoken_url = \"{address}/token\"\n\
             [source.s{number}]\nconnector = \"google_ads\"\nlogin = \"l{number}\"\n\
             settings = {{ customer_id = \"{customer}\", base_url = \"{address}\", per_second = \"{per_second}\" }}\n"
        )
        .expect("writes to memory");
        names.push(format!("s{number}"));
    }
    let keys: Vec<_> = names.iter().map(|name| format!("{name} = [\"1\"]")).collect();
    write!(
        text,
        "[experiment.bench]\ntitle = \"Bench\"\nhypothesis = \"None\"\nschedule = \"0 6 * * *\"\ntimezone = \"Europe/Berlin\"\n\
         start = \"2026-09-01\"\nsources = {names:?}\nnotify = []\n\
         [experiment.bench.arm.a]\nkeys = {{ {} }}\n\
         [experiment.bench.rate.lead]\nnumerator = \"conversions\"\ndenominator = \"clicks\"\n\
         [experiment.bench.policy]\nprimary = \"lead\"\nkill_bar = 0.02\nbuild_bar = 0.03\n",
        keys.join(", ")
    )
    .expect("writes to memory");
    let file = folder.join("willitsell.toml");
    std::fs::write(&file, text).expect("writes");
    private(&file);
}

fn private(file: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(0o600)).expect("sets");
}
