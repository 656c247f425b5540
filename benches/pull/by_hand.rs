//! The least code that does the job by hand: reqwest, typed serde, a prepared upsert, one transaction.
//! No revisions, no checks, no retries.

use std::time::Instant;

use chrono::{DateTime, NaiveDate};
use reqwest::Client;
use ring::hmac;
use rusqlite::{Connection, Statement, Transaction, params};
use serde::Deserialize;
use tokio::runtime::Runtime;
use willitsell::app;
use willitsell::connect::http::{Http, Limits};
use willitsell::domain::observation::{DateWindow, first_instant};

use crate::{cpu_seconds, peak_mib, window};

const SCHEMA: &str = "CREATE TABLE observation (source_id TEXT NOT NULL, day TEXT NOT NULL, arm_key TEXT NOT NULL,
    impressions INTEGER, clicks INTEGER, spend INTEGER, conversions INTEGER, engagements INTEGER,
    PRIMARY KEY (source_id, day, arm_key)) WITHOUT ROWID;
    CREATE TABLE response (source_id TEXT NOT NULL, response_id TEXT NOT NULL, person TEXT, arm_key TEXT, at INTEGER,
    PRIMARY KEY (source_id, response_id)) WITHOUT ROWID";

const UPSERT: &str = "INSERT INTO observation VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (source_id, day, arm_key) DO UPDATE SET
    impressions = excluded.impressions, clicks = excluded.clicks, spend = excluded.spend, conversions = excluded.conversions,
    engagements = excluded.engagements";

const UPSERT_RESPONSE: &str =
    "INSERT INTO response VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (source_id, response_id) DO UPDATE SET
    person = excluded.person, arm_key = excluded.arm_key, at = excluded.at";

/// Prints rows, CPU seconds, wall seconds and peak MiB.
pub fn run(vendor: &str, address: &str, days: u64) {
    let folder = tempfile::tempdir().expect("a folder");
    let mut database = Connection::open(folder.path().join("by-hand.db")).expect("opens");
    database.pragma_update(None, "journal_mode", "WAL").expect("WAL");
    database.pragma_update(None, "synchronous", "FULL").expect("FULL");
    database.execute_batch(SCHEMA).expect("schema");
    let client = Http::new(Limits::default()).expect("a client").client();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    // The same spans as the manifest asks for.
    let longest = app::registry().expect("a registry").get(vendor).expect("built in").info().longest_days;
    let (began, before) = (Instant::now(), cpu_seconds());
    let transaction = database.transaction().expect("begins");
    let mut rows = 0;
    for slice in window(days).slices(longest) {
        let vendor = match vendor {
            "google_ads" => google_ads,
            "meta_ads" => meta_ads,
            _ => typeform,
        };
        rows += vendor(&runtime, &client, address, slice, &transaction);
    }
    transaction.commit().expect("commits");
    println!("{rows} {} {} {}", cpu_seconds() - before, began.elapsed().as_secs_f64(), peak_mib());
}

fn page(runtime: &Runtime, request: reqwest::RequestBuilder) -> String {
    // Checked as text once: read as bytes, every string in it would be checked for itself.
    let body = runtime.block_on(async { request.send().await.expect("answers").bytes().await.expect("a body") });
    String::from_utf8(body.into()).expect("UTF-8")
}

fn whole(text: &str) -> i64 {
    text.parse::<i64>().expect("a number") * 1_000_000
}

#[expect(clippy::cast_possible_truncation, reason = "small numbers")]
fn millionths(number: f64) -> i64 {
    (number * 1e6).round() as i64
}

#[derive(Deserialize)]
struct SearchPage<'p> {
    #[serde(borrow, default)]
    results: Vec<SearchRow<'p>>,
    #[serde(rename = "nextPageToken")]
    next: Option<&'p str>,
}

#[derive(Deserialize)]
struct SearchRow<'p> {
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

fn google_ads(runtime: &Runtime, client: &Client, address: &str, slice: DateWindow, database: &Transaction<'_>) -> u64 {
    let mut upsert = database.prepare_cached(UPSERT).expect("prepares");
    let (mut rows, mut token) = (0, None::<String>);
    let (first, last) = (slice.first(), slice.last());
    let query = format!("SELECT campaign.id FROM campaign WHERE segments.date BETWEEN '{first}' AND '{last}'");
    loop {
        let body = match &token {
            None => serde_json::json!({ "query": query }),
            Some(token) => serde_json::json!({ "query": query, "pageToken": token }),
        };
        let url = format!("{address}/v26/customers/1/googleAds:search");
        let text = page(runtime, client.post(url).body(body.to_string()));
        let page: SearchPage<'_> = serde_json::from_str(&text).expect("the shape");
        for SearchRow { campaign, segments, metrics } in &page.results {
            let spend = metrics.cost_micros.parse::<i64>().expect("a number");
            let conversions = millionths(metrics.conversions);
            let (impressions, clicks) = (whole(metrics.impressions), whole(metrics.clicks));
            let values =
                params!["search", segments.date, campaign.id, impressions, clicks, spend, conversions, None::<i64>];
            upsert.execute(values).expect("writes");
            rows += 1;
        }
        token = page.next.map(str::to_owned);
        if token.is_none() {
            return rows;
        }
    }
}

#[derive(Deserialize)]
struct InsightsPage<'p> {
    #[serde(borrow)]
    data: Vec<InsightsRow<'p>>,
    #[serde(borrow)]
    paging: Paging<'p>,
}

#[derive(Deserialize)]
struct Paging<'p> {
    #[serde(borrow)]
    cursors: Cursors<'p>,
    next: Option<&'p str>,
}

#[derive(Deserialize)]
struct Cursors<'p> {
    after: &'p str,
}

#[derive(Deserialize)]
struct InsightsRow<'p> {
    ad_id: &'p str,
    date_start: &'p str,
    impressions: Option<&'p str>,
    inline_link_clicks: Option<&'p str>,
    inline_post_engagement: Option<&'p str>,
    spend: Option<&'p str>,
    #[serde(borrow, default)]
    actions: Vec<Action<'p>>,
}

#[derive(Deserialize)]
struct Action<'p> {
    action_type: &'p str,
    value: &'p str,
}

fn meta_ads(runtime: &Runtime, client: &Client, address: &str, slice: DateWindow, database: &Transaction<'_>) -> u64 {
    let mut upsert = database.prepare_cached(UPSERT).expect("prepares");
    let (mut rows, mut after) = (0, None::<String>);
    let range = format!(r#"{{"since":"{}","until":"{}"}}"#, slice.first(), slice.last());
    loop {
        let mut url = url::Url::parse(&format!("{address}/v26.0/act_1/insights")).expect("an address");
        url.query_pairs_mut().append_pair("time_range", &range).append_pair("limit", "500");
        if let Some(after) = &after {
            url.query_pairs_mut().append_pair("after", after);
        }
        let text = page(runtime, client.get(url));
        let page: InsightsPage<'_> = serde_json::from_str(&text).expect("the shape");
        for row in &page.data {
            let count = |text: Option<&str>| text.map_or(0, whole);
            let spend = row.spend.map_or(0, |text| millionths(text.parse().expect("a number")));
            let lead = row.actions.iter().find(|action| action.action_type == "lead").map(|action| action.value);
            let values = params![
                "social",
                row.date_start,
                row.ad_id,
                count(row.impressions),
                count(row.inline_link_clicks),
                spend,
                count(lead),
                count(row.inline_post_engagement)
            ];
            upsert.execute(values).expect("writes");
            rows += 1;
        }
        if page.paging.next.is_none() {
            return rows;
        }
        after = Some(page.paging.cursors.after.to_owned());
    }
}

#[derive(Deserialize)]
struct ResponsesPage<'p> {
    #[serde(borrow)]
    items: Vec<Item<'p>>,
}

#[derive(Deserialize)]
struct Item<'p> {
    response_id: &'p str,
    submitted_at: &'p str,
    #[serde(borrow)]
    hidden: Hidden<'p>,
    #[serde(borrow)]
    answers: Vec<AnswerGiven<'p>>,
}

#[derive(Deserialize)]
struct Hidden<'p> {
    arm: &'p str,
}

#[derive(Deserialize)]
struct AnswerGiven<'p> {
    email: Option<&'p str>,
}

fn typeform(runtime: &Runtime, client: &Client, address: &str, slice: DateWindow, database: &Transaction<'_>) -> u64 {
    let key = hmac::Key::new(hmac::HMAC_SHA256, &[7; 32]);
    let mut upsert = database.prepare_cached(UPSERT_RESPONSE).expect("prepares");
    let instant = |day: NaiveDate| first_instant(day, chrono_tz::Europe::Berlin).timestamp();
    let until = instant(slice.last().succ_opt().expect("a day")) - 1;
    let (mut rows, mut before) = (0, None::<String>);
    loop {
        let mut url = url::Url::parse(&format!("{address}/forms/u6nXL7/responses")).expect("an address");
        url.query_pairs_mut()
            .append_pair("since", &instant(slice.first()).to_string())
            .append_pair("until", &until.to_string())
            .append_pair("page_size", "1000");
        if let Some(before) = &before {
            url.query_pairs_mut().append_pair("before", before);
        }
        let text = page(runtime, client.get(url));
        let page: ResponsesPage<'_> = serde_json::from_str(&text).expect("the shape");
        for item in &page.items {
            write_response(&mut upsert, &key, item);
            rows += 1;
        }
        before = page.items.last().map(|item| item.response_id.to_owned());
        if before.is_none() {
            return rows;
        }
    }
}

fn write_response(upsert: &mut Statement<'_>, key: &hmac::Key, item: &Item<'_>) {
    let email = item.answers.iter().find_map(|answer| answer.email);
    let person: Option<String> = email.map(|email| {
        hmac::sign(key, email.to_lowercase().as_bytes()).as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
    });
    let at = DateTime::parse_from_rfc3339(item.submitted_at).expect("an instant").timestamp_millis();
    upsert.execute(params!["landing", item.response_id, person, item.hidden.arm, at]).expect("writes");
}
