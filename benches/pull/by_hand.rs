//! The least code that does the job by hand: reqwest, typed serde, a prepared upsert, one transaction.
//! No revisions, no checks, no retries.

use std::time::Instant;

use chrono::{Days, NaiveDate};
use rusqlite::{Connection, params};
use serde::Deserialize;

use crate::{cpu_seconds, peak_mib};

#[derive(Deserialize)]
struct Page<'p> {
    #[serde(borrow, default)]
    results: Vec<Row<'p>>,
    #[serde(rename = "nextPageToken")]
    next: Option<&'p str>,
}

#[derive(Deserialize)]
struct Row<'p> {
    #[serde(borrow)]
    campaign: Campaign<'p>,
    #[serde(borrow)]
    segments: Segments<'p>,
    #[serde(borrow)]
    metrics: Metrics<'p>,
}

#[derive(Deserialize)]
struct Campaign<'p> {
    id: &'p str,
}

#[derive(Deserialize)]
struct Segments<'p> {
    date: &'p str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metrics<'p> {
    impressions: &'p str,
    clicks: &'p str,
    cost_micros: &'p str,
    conversions: f64,
}

const SCHEMA: &str = "CREATE TABLE observation (source_id TEXT NOT NULL, day TEXT NOT NULL, arm_key TEXT NOT NULL,
    impressions INTEGER, clicks INTEGER, spend INTEGER, conversions INTEGER, PRIMARY KEY (source_id, day, arm_key)) WITHOUT ROWID";

const UPSERT: &str = "INSERT INTO observation VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (source_id, day, arm_key) DO UPDATE SET
    impressions = excluded.impressions, clicks = excluded.clicks, spend = excluded.spend, conversions = excluded.conversions";

/// Prints rows, CPU seconds, wall seconds and peak MiB.
pub fn run(address: &str, days: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut database = Connection::open(folder.path().join("by-hand.db")).expect("opens");
    database.pragma_update(None, "journal_mode", "WAL").expect("WAL");
    database.pragma_update(None, "synchronous", "FULL").expect("FULL");
    database.execute_batch(SCHEMA).expect("schema");
    let client = willitsell::connect::http::client(&willitsell::connect::http::Reach::default()).expect("a client");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let (began, before, mut rows) = (Instant::now(), cpu_seconds(), 0u64);
    let transaction = database.transaction().expect("begins");
    let mut upsert = transaction.prepare(UPSERT).expect("prepares");
    for (first, last) in windows(days) {
        let mut token: Option<String> = None;
        loop {
            let query = format!("SELECT campaign.id FROM campaign WHERE segments.date BETWEEN '{first}' AND '{last}'");
            let body = match &token {
                None => serde_json::json!({ "query": query }),
                Some(token) => serde_json::json!({ "query": query, "pageToken": token }),
            };
            let page = runtime.block_on(async {
                let request = client.post(format!("{address}/v26/search")).body(body.to_string());
                request.send().await.expect("answers").bytes().await.expect("a body")
            });
            // Checked as text once: read as bytes, every string in it would be checked for itself.
            let page = std::str::from_utf8(&page).expect("UTF-8");
            let page: Page<'_> = serde_json::from_str(page).expect("the shape");
            for row in &page.results {
                let number = |text: &str| text.parse::<i64>().expect("a number");
                #[expect(clippy::cast_possible_truncation, reason = "a small number")]
                let conversions = (row.metrics.conversions * 1e6).round() as i64;
                let (impressions, clicks) = (number(row.metrics.impressions), number(row.metrics.clicks));
                let values = params![
                    "search",
                    row.segments.date,
                    row.campaign.id,
                    impressions * 1_000_000,
                    clicks * 1_000_000,
                    number(row.metrics.cost_micros),
                    conversions
                ];
                upsert.execute(values).expect("writes");
                rows += 1;
            }
            token = page.next.map(str::to_owned);
            if token.is_none() {
                break;
            }
        }
    }
    drop(upsert);
    transaction.commit().expect("commits");
    println!("{rows} {} {} {}", cpu_seconds() - before, began.elapsed().as_secs_f64(), peak_mib());
}

/// The same spans as the manifest asks for.
fn windows(days: u64) -> Vec<(NaiveDate, NaiveDate)> {
    let start = NaiveDate::from_ymd_opt(2025, 1, 1).expect("a day");
    (0..days).step_by(31).map(|from| (start + Days::new(from), start + Days::new((from + 30).min(days - 1)))).collect()
}
