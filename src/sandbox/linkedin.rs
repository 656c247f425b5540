//! A fake LinkedIn ad account: `adAnalytics` with its raw query syntax, its version header and its silent cut,
//! the account's own facts and its list of campaigns.
//!
//! Not in the facts and so from memory: the account's `currency`, campaign groups as a pivot, the words of
//! `code`, the length at which an address is too long, and a campaign's `name`.

mod ask;
mod restli;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, RawQuery, State};
use axum::http::{HeaderMap, Method};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::{Datelike, NaiveDate};
use serde_json::{Map, Value, json};

use super::faults::Answer;
use super::oauth::Admitted;
use super::table::{Row, Table};
use super::world::{Entity, Level};
use super::{Endpoint, Fault, Shared, Truth, bearer, held};
use ask::{Ask, Pivot};
use restli::Query;

/// Versions that answer: each about a year; none newer was seen.
const LIVE: std::ops::RangeInclusive<u32> = 202_512..=202_607;
/// Characters of a query from which on the address is too long.
const LONGEST: usize = 4_000;

/// What the vendor leaves to the account.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Most elements in an answer; the rest is cut off and nothing says so.
    pub most_elements: usize,
    /// Whether the member has a role on the account. Without one there are no elements, and no error.
    pub has_role: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { most_elements: 15_000, has_role: true }
    }
}

/// The day's calls are used up: nothing more is said.
pub fn throttled() -> Fault {
    Fault::json(429, refused(429, None, "TOO_MANY_REQUESTS", "Resource level throttle limit for calls is reached."))
}

/// The access token has ended; it can be renewed.
pub fn expired() -> Fault {
    refusal(401, Some(65_602), "EXPIRED_ACCESS_TOKEN", "The token used in the request has expired").into()
}

/// The token was revoked.
pub fn revoked() -> Fault {
    refusal(401, Some(65_601), "REVOKED_ACCESS_TOKEN", "The token used in the request has been revoked").into()
}

/// The version has ended.
pub fn retired() -> Fault {
    version_ended("202511").into()
}

/// The scope or the role is missing.
pub fn forbidden() -> Fault {
    no_permission().into()
}

/// Nothing is found because the member has no role on the account: in a 200.
pub fn empty_without_role() -> Fault {
    Fault::json(200, json!({ "paging": paging(), "elements": [] }).to_string())
}

/// The answer is no answer of this API.
pub fn error_in_200() -> Fault {
    Fault::json(200, refused(500, None, "INTERNAL_SERVER_ERROR", "Internal Server Error"))
}

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/rest/adAnalytics", get(analytics).post(analytics))
        .route("/rest/adAccounts/{account}", get(account))
        .route("/rest/adAccounts/{account}/adCampaigns", get(campaigns))
}

fn admit(state: &Truth, headers: &HeaderMap) -> Result<(), Answer> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let invalid = || refusal(401, Some(65_600), "INVALID_ACCESS_TOKEN", "Invalid access token");
    match held(&state.tokens).admit(Endpoint::LinkedinToken, bearer(headers).ok_or_else(invalid)?, state.now()) {
        Admitted::Yes => {}
        Admitted::Expired => {
            return Err(refusal(401, Some(65_602), "EXPIRED_ACCESS_TOKEN", "The token used has expired"));
        }
        Admitted::Unknown => return Err(invalid()),
    }
    let Some(version) = text("linkedin-version") else {
        let message = "A version must be present. Please specify a version by adding the LinkedIn-Version header.";
        return Err(refusal(426, None, "VERSION_MISSING", message));
    };
    if version.len() != 6 || !version.parse().is_ok_and(|version| LIVE.contains(&version)) {
        return Err(version_ended(version));
    }
    if text("x-restli-protocol-version") != Some("2.0.0") {
        return Err(bad("Lists and records need X-RestLi-Protocol-Version: 2.0.0"));
    }
    Ok(())
}

async fn analytics(
    State(state): State<Shared>,
    method: Method,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Answer> {
    admit(&state, &headers)?;
    let query = tunnelled(&method, &headers, query.unwrap_or_default(), &body)?;
    // Days are those of UTC.
    let ask = Ask::read(&Query::parse(&query).map_err(bad)?, state.now().date_naive())?;
    let world = &state.setup.world;
    let own = ask.accounts.contains(&world.customer_id);
    let mut elements = Vec::new();
    if own && state.setup.linkedin.has_role {
        let (first, last, by_day) = (ask.first, ask.last, ask.by_day);
        let today = state.now().date_naive();
        let table = Table { world, level: ask.level(), first, last, today, by_day };
        let (rows, _) = table.page(0, state.setup.linkedin.most_elements);
        elements = rows.iter().map(|row| print(&ask, &world.customer_id, row)).collect();
    }
    Ok(good(&json!({ "paging": paging(), "elements": elements })))
}

/// The query, from the address or, where that would be too long, from the body of a POST that stands for a GET.
fn tunnelled(method: &Method, headers: &HeaderMap, query: String, body: &Bytes) -> Result<String, Answer> {
    if method == Method::GET {
        let too_long = || refusal(414, None, "URI_TOO_LONG", "Request-URI Too Long");
        return if query.len() > LONGEST { Err(too_long()) } else { Ok(query) };
    }
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if text("x-http-method-override") != "GET" || text("content-type") != "application/x-www-form-urlencoded" {
        return Err(bad("POST stands for a GET only with X-HTTP-Method-Override: GET and a form as body"));
    }
    String::from_utf8(body.to_vec()).map_err(|_| bad("The body is no text"))
}

async fn account(
    State(state): State<Shared>,
    Path(account): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Answer> {
    admit(&state, &headers)?;
    own_account(&state, &account)?;
    Ok(good(&json!({
        "id": account.parse::<u64>().ok(), "name": "Sandbox", "currency": state.setup.world.currency.to_string(),
        "status": "ACTIVE", "type": "BUSINESS", "test": false,
    })))
}

/// Campaigns by page: the names that analytics does not give.
async fn campaigns(
    State(state): State<Shared>,
    Path(account): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Answer> {
    admit(&state, &headers)?;
    own_account(&state, &account)?;
    let query = Query::parse(query.as_deref().unwrap_or_default()).map_err(bad)?;
    query.only(&["q", "pageSize", "pageToken"]).map_err(bad)?;
    if query.text("q").map_err(bad)?.as_deref() != Some("search") {
        return Err(bad("The finder of adCampaigns is q=search"));
    }
    let size = match query.text("pageSize").map_err(bad)? {
        None => 100,
        Some(size) => size.parse().ok().filter(|it| (1..=1_000).contains(it)).ok_or_else(|| bad("pageSize"))?,
    };
    let start: u64 = match query.text("pageToken").map_err(bad)? {
        None => 0,
        Some(token) => token.strip_prefix("DgGe").and_then(|it| it.parse().ok()).ok_or_else(|| bad("pageToken"))?,
    };
    let world = &state.setup.world;
    // What LinkedIn calls a campaign is an ad group elsewhere.
    let count = world.count(Level::AdGroup);
    let end = (start + size).min(count);
    let elements: Vec<Value> = (start..end)
        .map(|position| {
            let entity = world.entity(Level::AdGroup, position);
            json!({ "id": entity.id(), "name": entity.name(), "status": "ACTIVE",
                "campaignGroup": urn(Pivot::CampaignGroup, &entity), "account": account_urn(&account) })
        })
        .collect();
    let mut body = json!({ "elements": elements, "metadata": {} });
    if end < count {
        body["metadata"]["nextPageToken"] = json!(format!("DgGe{end}"));
    }
    Ok(good(&body))
}

fn own_account(state: &Truth, account: &str) -> Result<(), Answer> {
    let own = account == state.setup.world.customer_id && state.setup.linkedin.has_role;
    if own { Ok(()) } else { Err(no_permission()) }
}

/// One element: only what was asked for, and neither day nor name unasked.
fn print(ask: &Ask, account: &str, row: &Row) -> Value {
    let figures = &row.figures;
    let social = figures.engagements - figures.clicks;
    let mut element = Map::new();
    for field in &ask.fields {
        let value = match field.as_str() {
            "dateRange" => json!({ "start": parts(row.first), "end": parts(row.last) }),
            "pivotValues" => {
                let urns = ask.pivots.iter().map(|&pivot| match &row.entity {
                    Some(entity) if pivot != Pivot::Account => urn(pivot, entity),
                    _ => account_urn(account),
                });
                Value::Array(urns.map(Value::from).collect())
            }
            "impressions" => json!(figures.impressions),
            // Chargeable clicks: those that reach the page, and more.
            "clicks" => json!(figures.clicks + social / 4),
            "landingPageClicks" => json!(figures.clicks),
            "costInLocalCurrency" => json!(decimal(figures.cost_micros)),
            "costInUsd" => json!(decimal(figures.cost_micros / 100 * 108)),
            "externalWebsiteConversions" => json!(figures.leads + figures.view_leads),
            "externalWebsitePostClickConversions" | "oneClickLeadFormOpens" => json!(figures.leads),
            "externalWebsitePostViewConversions" => json!(figures.view_leads),
            "oneClickLeads" => json!(figures.leads / 3),
            "qualifiedLeads" | "validWorkEmailLeads" => json!(figures.leads / 4),
            "totalEngagements" => json!(figures.engagements),
            "reactions" => json!(social / 2),
            "comments" => json!(social / 8),
            "shares" => json!(social / 10),
            _ => continue,
        };
        element.insert(field.clone(), value);
    }
    Value::Object(element)
}

fn parts(day: NaiveDate) -> Value {
    json!({ "year": day.year(), "month": day.month(), "day": day.day() })
}

fn account_urn(account: &str) -> String {
    format!("urn:li:sponsoredAccount:{account}")
}

fn urn(pivot: Pivot, entity: &Entity) -> String {
    match pivot {
        Pivot::CampaignGroup => format!("urn:li:sponsoredCampaignGroup:{}", entity.campaign),
        Pivot::Campaign => format!("urn:li:sponsoredCampaign:{}", entity.ad_group.unwrap_or_default()),
        _ => format!("urn:li:sponsoredCreative:{}", entity.ad.unwrap_or_default()),
    }
}

/// Text; nothing spent is a hair's breadth beside zero.
fn decimal(micros: u64) -> String {
    match micros {
        0 => "-2E-18".into(),
        micros if micros.is_multiple_of(1_000) => format!("{}.{:03}", micros / 1_000_000, micros % 1_000_000 / 1_000),
        micros => format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000),
    }
}

fn paging() -> Value {
    json!({ "start": 0, "count": 10, "links": [] })
}

fn good(body: &Value) -> Response {
    Answer::json(200, body.to_string()).with("x-restli-protocol-version", "2.0.0").into_response()
}

fn version_ended(version: &str) -> Answer {
    refusal(426, None, "NONEXISTENT_VERSION", &format!("Requested version {version} is not active"))
}

fn no_permission() -> Answer {
    refusal(403, Some(100), "ACCESS_DENIED", "Not enough permissions to access this resource")
}

fn bad(message: impl AsRef<str>) -> Answer {
    refusal(400, None, "ILLEGAL_ARGUMENT", message.as_ref())
}

fn refusal(status: u16, service: Option<u32>, code: &str, message: &str) -> Answer {
    Answer::json(status, refused(status, service, code, message))
}

fn refused(status: u16, service: Option<u32>, code: &str, message: &str) -> String {
    let mut error = json!({ "status": status, "code": code, "message": message });
    if let Some(service) = service {
        error["serviceErrorCode"] = json!(service);
    }
    error.to_string()
}
