//! Serves Google-like pages of 10,000 rows: every campaign on every day of the window asked for, campaign by
//! campaign, figures made from the row's number. Keeps nothing.

use std::fmt::Write as _;

use axum::Router;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::post;
use chrono::{Days, NaiveDate};

use crate::CAMPAIGNS;

const PAGE: u64 = 10_000;

/// Prints its address and serves until killed.
pub fn serve() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let token = || async {
            (
                [(CONTENT_TYPE, "application/json")],
                r#"{"access_token":"bench","token_type":"Bearer","expires_in":3600}"#,
            )
        };
        let router = Router::new().route("/token", post(token)).fallback(post(search));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        println!("http://{}", listener.local_addr().expect("an address"));
        axum::serve(listener, router).await.expect("serves");
    });
}

async fn search(body: Bytes) -> impl IntoResponse {
    let request: serde_json::Value = serde_json::from_slice(&body).expect("JSON");
    let query = request["query"].as_str().expect("a query");
    let days: Vec<NaiveDate> = query.split('\'').filter_map(|part| part.parse().ok()).collect();
    let &[first, last] = &days[..] else { panic!("no window in {query}") };
    let offset: u64 = request["pageToken"].as_str().map_or(0, |token| token.parse().expect("a page token"));
    ([(CONTENT_TYPE, "application/json; charset=UTF-8")], page(first, last, offset))
}

fn page(first: NaiveDate, last: NaiveDate, offset: u64) -> String {
    let days = u64::try_from((last - first).num_days()).expect("in order") + 1;
    let total = days * CAMPAIGNS;
    let mut body = String::with_capacity(3 << 20);
    body.push_str(r#"{"results":["#);
    for row in offset..(offset + PAGE).min(total) {
        if row > offset {
            body.push(',');
        }
        let day = first + Days::new(row % days);
        let campaign = 20_000_000_000 + row / days;
        let seed = campaign
            .wrapping_mul(2_654_435_761)
            .wrapping_add(u64::from(day.format("%j").to_string().parse::<u32>().expect("a day")));
        let (impressions, clicks) = (100 + seed % 9_000, 3 + seed % 90);
        write!(
            body,
            r#"{{"customer":{{"resourceName":"customers/1234567890","currencyCode":"EUR","timeZone":"Europe/Berlin"}},"campaign":{{"resourceName":"customers/1234567890/campaigns/{campaign}","id":"{campaign}"}},"metrics":{{"clicks":"{clicks}","conversions":{}.{},"costMicros":"{}","impressions":"{impressions}"}},"segments":{{"date":"{day}"}}}}"#,
            seed % 7,
            seed % 10,
            clicks * 1_370_000,
        )
        .expect("writes to memory");
    }
    body.push(']');
    if offset + PAGE < total {
        write!(body, r#","nextPageToken":"{}""#, offset + PAGE).expect("writes to memory");
    }
    body.push_str(r#","fieldMask":"campaign.id,customer.currencyCode,customer.timeZone,segments.date,metrics.impressions,metrics.clicks,metrics.costMicros,metrics.conversions"}"#);
    body
}
