//! A fake TikTok for Business account: the integrated report and the advertiser's own facts. Whatever
//! happens, the status is 200: what went wrong stands in `code`. Lists are JSON text inside the query,
//! and a number may come as text, as a number, as null or as a dash.
//!
//! Not in the facts and so from memory: `advertiser/info` and its fields.

mod ask;

use std::collections::BTreeMap;

use axum::extract::{Extension, Query, State};
use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Map, Value, json};

use super::faults::{Answer, PageLoop};
use super::table::{Row, Table};
use super::{Endpoint, Fault, Shared, Truth};
use ask::Ask;

/// Added to an id: newer ones do not fit a binary double.
const IDS: u64 = 1_800_000_000_000_000_000;

/// A campaign's, ad group's or ad's id at this vendor.
pub fn vendor_id(id: u64) -> u64 {
    IDS + id
}

/// What the vendor leaves to the account.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most rows in a page.
    pub most_rows: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { most_rows: 1_000 }
    }
}

/// Too many calls; how long to wait is not said.
pub fn throttled() -> Fault {
    refusal(40_100, "Request too frequent, please retry later.").into()
}

/// The same under the code of a missing permission, as some accounts see it.
pub fn throttled_as_forbidden() -> Fault {
    refusal(40_001, "Too frequent requests. Please try again later.").into()
}

/// The token was revoked: nothing renews it.
pub fn expired() -> Fault {
    revoked().into()
}

/// The token may not read this advertiser.
pub fn forbidden() -> Fault {
    no_permission().into()
}

/// An error of the vendor's own.
pub fn error_in_200() -> Fault {
    refusal(50_000, "System error").into()
}

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/open_api/v1.3/report/integrated/get/", get(report))
        .route("/open_api/v1.3/advertiser/info/", get(info))
}

type Params = BTreeMap<String, String>;

fn admit(state: &Truth, headers: &HeaderMap) -> Result<(), Answer> {
    let token = headers.get("access-token").and_then(|token| token.to_str().ok());
    if token == Some(state.setup.secrets.api_token(Endpoint::Tiktok).as_str()) { Ok(()) } else { Err(revoked()) }
}

async fn report(
    State(state): State<Shared>,
    Query(params): Query<Params>,
    page_loop: Option<Extension<PageLoop>>,
    headers: HeaderMap,
) -> Result<Json<Value>, Answer> {
    admit(&state, &headers)?;
    let world = &state.setup.world;
    let mut ask = Ask::read(&params, state.setup.tiktok.most_rows)?;
    if ask.advertisers.iter().any(|id| *id != world.customer_id) {
        return Err(no_permission());
    }
    // Days of the account's zone, or of UTC where that is asked for.
    let today = if ask.utc { state.now().date_naive() } else { state.today() };
    let table = Table { world, level: ask.level, first: ask.first, last: ask.last, today, by_day: ask.by_day };
    let mut rows = table.all();
    rows.retain(|row| ask.keeps(row));
    let (total, pages) = (rows.len(), rows.len().div_ceil(ask.page_size));
    let page = ask.page;
    if page_loop.is_some() {
        // The same page for ever, whatever is asked for.
        (ask.page, ask.last_page) = (1, Some(pages + page + 1));
    }
    let shown = rows.iter().skip((ask.page - 1).saturating_mul(ask.page_size)).take(ask.page_size);
    let list: Vec<Value> = shown.map(|row| print(&ask, &world.customer_id, &world.currency.to_string(), row)).collect();
    Ok(good(&json!({
        "list": list,
        "page_info": {
            "page": page, "page_size": ask.page_size, "total_number": total,
            "total_page": ask.last_page.unwrap_or(pages),
        },
    })))
}

async fn info(
    State(state): State<Shared>,
    Query(mut params): Query<Params>,
    headers: HeaderMap,
) -> Result<Json<Value>, Answer> {
    admit(&state, &headers)?;
    let world = &state.setup.world;
    let ids = ask::texts("advertiser_ids", params.remove("advertiser_ids").as_deref())?;
    let fields = match params.remove("fields") {
        Some(fields) => ask::texts("fields", Some(&fields))?,
        None => ["advertiser_id", "name", "currency", "timezone"].map(str::to_owned).to_vec(),
    };
    if let Some(name) = params.keys().next() {
        return Err(bad(&format!("{name}: Unknown field.")));
    }
    if ids.iter().any(|id| *id != world.customer_id) {
        return Err(no_permission());
    }
    let mut own = Map::new();
    own.insert("advertiser_id".into(), json!(world.customer_id));
    for field in fields {
        let value = match field.as_str() {
            "advertiser_id" => continue,
            "name" => json!("Sandbox"),
            "currency" => json!(world.currency.to_string()),
            "timezone" => json!(world.zone.to_string()),
            _ => return Err(bad(&format!("fields: {field} is not one of the allowed values."))),
        };
        own.insert(field, value);
    }
    Ok(good(&json!({ "list": [own] })))
}

/// One row: what it is about beside what was counted.
fn print(ask: &Ask, advertiser: &str, currency: &str, row: &Row) -> Value {
    let (mut dimensions, mut metrics) = (Map::new(), Map::new());
    for name in &ask.dimensions {
        let value = match (name.as_str(), &row.entity) {
            ("stat_time_day", _) => json!(format!("{} 00:00:00", row.first)),
            ("advertiser_id", _) => json!(advertiser),
            (_, Some(entity)) => json!(vendor_id(entity.id()).to_string()),
            _ => Value::Null,
        };
        dimensions.insert(name.clone(), value);
    }
    for name in &ask.metrics {
        metrics.insert(name.clone(), metric(name, currency, row));
    }
    json!({ "dimensions": dimensions, "metrics": metrics })
}

/// Some as text, some as numbers, some null or a dash where there is nothing to tell.
fn metric(name: &str, currency: &str, row: &Row) -> Value {
    let figures = &row.figures;
    let conversions = figures.leads + figures.view_leads;
    let per = |count: u64| match count {
        0 => json!("-"),
        count => money(figures.cost_micros / count),
    };
    let engagements = Engagements::of(figures.engagements - figures.clicks);
    match (name, &row.entity) {
        ("campaign_id", Some(entity)) => json!(vendor_id(entity.campaign)),
        ("campaign_name", Some(entity)) => json!(entity.campaign_name),
        ("adgroup_id", Some(entity)) => json!(entity.ad_group.map(vendor_id)),
        ("adgroup_name", Some(entity)) => json!(entity.ad_group_name()),
        ("ad_name", Some(entity)) => json!(entity.ad_name()),
        ("currency", _) => json!(currency),
        ("spend", _) => money(figures.cost_micros),
        ("impressions", _) => json!(figures.impressions.to_string()),
        ("clicks", _) => json!(figures.clicks.to_string()),
        // Nothing to convert where nobody came.
        ("conversion" | "real_time_conversion" | "result", _) if figures.clicks == 0 && conversions == 0 => json!("-"),
        ("conversion" | "real_time_conversion" | "result", _) => json!(conversions.to_string()),
        ("cost_per_conversion" | "cost_per_result", _) => per(conversions),
        ("cpc", _) => per(figures.clicks),
        ("likes", _) => json!(engagements.likes),
        ("comments", _) => json!(engagements.comments.to_string()),
        ("shares", _) => {
            if engagements.shares == 0 {
                Value::Null
            } else {
                json!(engagements.shares)
            }
        }
        ("follows", _) => {
            if engagements.follows == 0 {
                json!("-")
            } else {
                json!(engagements.follows.to_string())
            }
        }
        _ => Value::Null,
    }
}

fn money(micros: u64) -> Value {
    json!(format!("{}.{:02}", micros / 1_000_000, micros % 1_000_000 / 10_000))
}

/// What was done besides clicking, by kind; the kinds add up.
struct Engagements {
    likes: u64,
    comments: u64,
    shares: u64,
    follows: u64,
}

impl Engagements {
    fn of(all: u64) -> Self {
        let (comments, shares, follows) = (all / 6, all / 8, all / 10);
        Self { likes: all - comments - shares - follows, comments, shares, follows }
    }
}

fn good(data: &Value) -> Json<Value> {
    Json(json!({ "code": 0, "message": "OK", "request_id": "2026sandbox", "data": data }))
}

fn revoked() -> Answer {
    refusal(40_105, "Access token is incorrect or has been revoked.")
}

fn no_permission() -> Answer {
    refusal(40_001, "Permission error: the advertiser is not within your authorized scope.")
}

fn bad(message: &str) -> Answer {
    refusal(40_002, message)
}

fn refusal(code: u32, message: &str) -> Answer {
    let body = json!({ "code": code, "message": message, "request_id": "2026sandbox", "data": {} });
    Answer::json(200, body.to_string())
}
