//! Serves Google-like pages of 10,000 rows, Meta-like pages of 500 and Typeform-like pages of 1,000: every
//! entity on every day of the window asked for, figures made from the row's number. Keeps nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Query;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use chrono::{DateTime, Datelike, Days, NaiveDate, SecondsFormat};

/// Prints its address and serves until killed.
pub fn serve() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let token = || async { json(r#"{"access_token":"bench","token_type":"Bearer","expires_in":3600}"#) };
        let account = || async { json(r#"{"currency":"EUR","timezone_name":"Europe/Berlin","id":"act_1"}"#) };
        let router = Router::new()
            .route("/token", post(token))
            .route("/{version}/customers/{customer}/googleAds:search", post(search))
            .route("/{version}/act_1", get(account))
            .route("/{version}/act_1/insights", get(insights))
            .route("/forms/{form}/responses", get(responses));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        println!("http://{}", listener.local_addr().expect("an address"));
        axum::serve(listener, router).await.expect("serves");
    });
}

fn json(body: impl Into<String>) -> impl IntoResponse {
    ([(CONTENT_TYPE, "application/json; charset=UTF-8")], body.into())
}

/// Figures that look alike and differ.
fn seed(entity: u64, day: NaiveDate) -> u64 {
    entity.wrapping_mul(2_654_435_761).wrapping_add(u64::from(day.ordinal()))
}

/// Rows `offset..` of a page, entity by entity, day by day; and whether more follow.
struct Rows {
    first: NaiveDate,
    days: u64,
    range: std::ops::Range<u64>,
    more: bool,
}

impl Rows {
    fn of(first: NaiveDate, last: NaiveDate, entities: u64, offset: u64, page: u64) -> Self {
        let days = u64::try_from((last - first).num_days()).expect("in order") + 1;
        let end = (offset + page).min(days * entities);
        Self { first, days, range: offset..end, more: end < days * entities }
    }

    fn each(&self, mut write: impl FnMut(&str, u64, NaiveDate)) {
        for row in self.range.clone() {
            let comma = if row == self.range.start { "" } else { "," };
            write(comma, row / self.days, self.first + Days::new(row % self.days));
        }
    }
}

async fn search(body: Bytes) -> impl IntoResponse {
    let request: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    let query = request["query"].as_str().expect("a query");
    let days: Vec<NaiveDate> = query.split('\'').filter_map(|part| part.parse().ok()).collect();
    let &[first, last] = &days[..] else { panic!("no window in {query}") };
    let offset: u64 = request["pageToken"].as_str().map_or(0, |token| token.parse().expect("a page token"));
    let rows = Rows::of(first, last, 10_000, offset, 10_000);
    let mut body = String::with_capacity(3 << 20);
    body.push_str(r#"{"results":["#);
    rows.each(|comma, entity, day| {
        let (campaign, seed) = (20_000_000_000 + entity, seed(entity, day));
        let (impressions, clicks) = (100 + seed % 9_000, 3 + seed % 90);
        write!(
            body,
            r#"{comma}{{"customer":{{"resourceName":"customers/1234567890","currencyCode":"EUR","timeZone":"Europe/Berlin"}},"campaign":{{"resourceName":"customers/1234567890/campaigns/{campaign}","id":"{campaign}"}},"metrics":{{"clicks":"{clicks}","conversions":{}.{},"costMicros":"{}","impressions":"{impressions}"}},"segments":{{"date":"{day}"}}}}"#,
            seed % 7,
            seed % 10,
            clicks * 1_370_000,
        )
        .expect("writes to memory");
    });
    body.push(']');
    if rows.more {
        write!(body, r#","nextPageToken":"{}""#, rows.range.end).expect("writes to memory");
    }
    body.push_str(r#","fieldMask":"campaign.id,customer.currencyCode,customer.timeZone,segments.date,metrics.impressions,metrics.clicks,metrics.costMicros,metrics.conversions"}"#);
    json(body)
}

/// Ten kinds of actions a row, overlapping as the vendor's do.
const ACTIONS: [&str; 10] = [
    "link_click",
    "page_engagement",
    "post_engagement",
    "landing_page_view",
    "video_view",
    "omni_landing_page_view",
    "post_reaction",
    "offsite_conversion.fb_pixel_lead",
    "onsite_conversion.lead_grouped",
    "lead",
];

async fn insights(Query(query): Query<BTreeMap<String, String>>) -> impl IntoResponse {
    let range: BTreeMap<String, NaiveDate> = serde_json::from_str(&query["time_range"]).expect("a range");
    let offset = query.get("after").map_or(0, |cursor| cursor.parse().expect("a cursor"));
    let page = query["limit"].parse().expect("a number");
    let rows = Rows::of(range["since"], range["until"], 1_000, offset, page);
    let mut body = r#"{"data":["#.to_owned();
    rows.each(|comma, entity, day| {
        let seed = seed(entity, day);
        let clicks = 3 + seed % 90;
        write!(
            body,
            r#"{comma}{{"ad_id":"{}","ad_name":"Concept {entity}","impressions":"{}","clicks":"{}","inline_link_clicks":"{clicks}","inline_post_engagement":"{}","spend":"{}.{:02}","actions":["#,
            120_200_000_000_000_000 + entity,
            100 + seed % 9_000,
            clicks + 7,
            clicks + 3,
            clicks,
            seed % 100,
        )
        .expect("writes to memory");
        for (position, action) in ACTIONS.iter().enumerate() {
            let comma = if position == 0 { "" } else { "," };
            write!(
                body,
                r#"{comma}{{"action_type":"{action}","value":"{}","7d_click":"{}"}}"#,
                seed % 11,
                seed % 9
            )
            .expect("writes to memory");
        }
        write!(body, r#"],"date_start":"{day}","date_stop":"{day}"}}"#).expect("writes to memory");
    });
    write!(body, r#"],"paging":{{"cursors":{{"before":"{offset}","after":"{}"}}"#, rows.range.end)
        .expect("writes to memory");
    if rows.more {
        write!(body, r#","next":"https://graph.facebook.com/next?after={}""#, rows.range.end)
            .expect("writes to memory");
    }
    body.push_str("}}");
    json(body)
}

/// A thousand responses a day, newest first.
async fn responses(Query(query): Query<BTreeMap<String, String>>) -> impl IntoResponse {
    const EVERY: i64 = 86;
    let number = |name: &str| query.get(name).map(|text| text.parse::<i64>().expect("a number"));
    let (since, until) = (number("since").expect("since"), number("until").expect("until"));
    let page = number("page_size").expect("a size");
    let before = query.get("before").map_or(i64::MAX, |token| token[1..].parse().expect("a token"));
    // The day has 86,400 s: a thousand of them, 86 s apart, and none in its last minutes.
    let instants = |from: i64, to: i64| {
        (from.div_euclid(86_400)..=to.div_euclid(86_400))
            .rev()
            .flat_map(|day| (0..1000).rev().map(move |slot| day * 86_400 + slot * EVERY))
            .filter(move |at| (from..=to).contains(at))
    };
    let shown: Vec<i64> =
        instants(since, until.min(before.saturating_sub(1))).take(usize::try_from(page).expect("small")).collect();
    let mut body = format!(r#"{{"total_items":{},"page_count":1,"items":["#, shown.len());
    for (position, at) in shown.iter().enumerate() {
        let comma = if position == 0 { "" } else { "," };
        let submitted = DateTime::from_timestamp(*at, 0).expect("in range").to_rfc3339_opts(SecondsFormat::Secs, true);
        write!(
            body,
            r#"{comma}{{"landing_id":"r{at}","token":"r{at}","response_id":"r{at}","response_type":"completed","landed_at":"{submitted}","submitted_at":"{submitted}","metadata":{{"user_agent":"Mozilla/5.0","platform":"other","referer":"https://shop.example/?utm_content=price-29","network_id":"5aa","browser":"default"}},"hidden":{{"arm":"price-{}","utm_campaign":"{}"}},"calculated":{{"score":0}},"answers":[{{"field":{{"id":"q1","ref":"why","type":"long_text"}},"type":"text","text":"Curious what it costs"}},{{"field":{{"id":"q2","ref":"email","type":"email"}},"type":"email","email":"person.{at}@example.com"}}]}}"#,
            if at % 2 == 0 { 29 } else { 49 },
            20_000_000_000_u64 + at.unsigned_abs() % 40,
        )
        .expect("writes to memory");
    }
    body.push_str("]}");
    json(body)
}
