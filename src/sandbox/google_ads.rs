//! A fake Google Ads account: `googleAds:search` over REST, with its paging, its refusals and the way
//! it writes numbers. Everything lives in one account; which rows it has stands in `world.rs`.

use std::collections::hash_map::DefaultHasher;
use std::fmt::Write;
use std::hash::{Hash, Hasher};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use chrono::{Days, NaiveDate};
use serde_json::{Value, json};

use super::faults::{Answer, PageLoop};
use super::gaql::{self, Field, Query};
use super::oauth::Admitted;
use super::world::{Entity, Figures};
use super::{Endpoint, Fault, Shared, World, bearer, held};

/// Major versions that answer; older ones have ended, newer ones are not out.
const LIVE: std::ops::RangeInclusive<u32> = 22..=26;

/// The bucket is empty: 429, with the wait inside the error as the vendor writes it.
pub fn throttled(seconds: u32) -> Fault {
    let mut error = failure(429, "quotaError", "RESOURCE_TEMPORARILY_EXHAUSTED", "Too many requests. Retry later.");
    error["error"]["details"][0]["errors"][0]["details"] = json!({ "quotaErrorDetails": {
        "rateScope": "ACCOUNT", "rateName": "Requests per second", "retryDelay": format!("{seconds}s") } });
    Fault::json(429, error.to_string())
}

/// The access token is not taken any more.
pub fn expired() -> Fault {
    access_expired().into()
}

/// An error object in an answer with status 200, of a kind that no caller knows.
pub fn error_in_200() -> Fault {
    let error = failure(400, "requestError", "UNKNOWN", "The error code is not in this version.");
    Fault::json(200, error.to_string())
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/{version}/customers/{customer}/googleAds:search", post(search))
}

async fn search(
    State(state): State<Shared>,
    Path((version, customer)): Path<(String, String)>,
    page_loop: Option<Extension<PageLoop>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Answer> {
    admit(&state, &headers)?;
    let world = &state.setup.world;
    let live = version.strip_prefix('v').and_then(|number| number.parse().ok()).is_some_and(|it| LIVE.contains(&it));
    if !live {
        return Err(refusal(400, "requestError", "UNSUPPORTED_VERSION", "The API version is not supported."));
    }
    if customer.len() != 10 || !customer.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(refusal(400, "requestError", "INVALID_CUSTOMER_ID", "The customer id is ten digits, no dashes."));
    }
    if customer != world.customer_id {
        let message = "User doesn't have permission to access customer.";
        return Err(refusal(403, "authorizationError", "USER_PERMISSION_DENIED", message));
    }
    let (query, text, token) = request(&body)?;
    let start = match &token {
        None => 0,
        Some(token) => position(token, &text)
            .ok_or_else(|| refusal(400, "requestError", "INVALID_PAGE_TOKEN", "Page token is invalid."))?,
    };
    let mut page = Page::of(world, &query, state.today(), start, state.setup.google_page_rows);
    if page_loop.is_some() {
        page.next = Some(start);
    }
    let body = page.body(page.next.map(|next| page_token(next, &text)).as_deref(), &query);
    Ok(([(header::CONTENT_TYPE, "application/json; charset=UTF-8")], body).into_response())
}

fn admit(state: &Shared, headers: &HeaderMap) -> Result<(), Answer> {
    let Some(token) = bearer(headers) else {
        let message = "Request is missing required authentication credential.";
        let error = json!({ "error": { "code": 401, "message": message, "status": "UNAUTHENTICATED" } });
        return Err(Answer::json(401, error.to_string()));
    };
    match held(&state.tokens).admit(Endpoint::GoogleToken, token, state.now()) {
        Admitted::Yes => Ok(()),
        Admitted::Expired => Err(access_expired()),
        Admitted::Unknown => {
            Err(refusal(401, "authenticationError", "OAUTH_TOKEN_INVALID", "OAuth token was not recognized."))
        }
    }
}

/// Query, its text and the page token. The size of a page is fixed: asking for one is an error.
fn request(body: &[u8]) -> Result<(Query, String, Option<String>), Answer> {
    let unreadable = |message: &str| {
        let error = json!({ "error": { "code": 400, "message": message, "status": "INVALID_ARGUMENT" } });
        Answer::json(400, error.to_string())
    };
    let body: Value = serde_json::from_slice(body).map_err(|_| unreadable("Invalid JSON payload received."))?;
    let fields = body.as_object().ok_or_else(|| unreadable("Invalid JSON payload received."))?;
    for name in fields.keys() {
        match name.as_str() {
            "query" | "pageToken" | "page_token" => {}
            "pageSize" | "page_size" => {
                let message = "Setting the page size is not supported.";
                return Err(refusal(400, "requestError", "PAGE_SIZE_NOT_SUPPORTED", message));
            }
            _ => return Err(unreadable(&format!("Invalid JSON payload received. Unknown name \"{name}\""))),
        }
    }
    let text = fields.get("query").and_then(Value::as_str).unwrap_or_default().to_owned();
    let token = fields.get("pageToken").or_else(|| fields.get("page_token")).and_then(Value::as_str);
    let query = gaql::parse(&text).map_err(|code| refusal(400, "queryError", code, "Error in query."))?;
    Ok((query, text, token.filter(|token| !token.is_empty()).map(str::to_owned)))
}

fn access_expired() -> Answer {
    refusal(401, "authenticationError", "OAUTH_TOKEN_EXPIRED", "OAuth token has expired.")
}

fn refusal(status: u16, family: &str, code: &str, message: &str) -> Answer {
    Answer::json(status, failure(status, family, code, message).to_string())
}

fn failure(status: u16, family: &str, code: &str, message: &str) -> Value {
    let (word, summary) = match status {
        401 => ("UNAUTHENTICATED", "Request had invalid authentication credentials."),
        403 => ("PERMISSION_DENIED", "The caller does not have permission"),
        429 => ("RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
        500 => ("INTERNAL", "Internal error encountered."),
        _ => ("INVALID_ARGUMENT", "Request contains an invalid argument."),
    };
    json!({ "error": { "code": status, "message": summary, "status": word, "details": [{
        "@type": "type.googleapis.com/google.ads.googleads.v26.errors.GoogleAdsFailure",
        "errors": [{ "errorCode": { family: code }, "message": message }],
        "requestId": "sandbox",
    }] } })
}

/// A token is good for its own query only.
fn page_token(position: u64, query: &str) -> String {
    format!("{position:x}-{:x}", fingerprint(query))
}

fn position(token: &str, query: &str) -> Option<u64> {
    let (position, print) = token.split_once('-')?;
    (u64::from_str_radix(print, 16).ok()? == fingerprint(query)).then(|| u64::from_str_radix(position, 16).ok())?
}

fn fingerprint(query: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    query.hash(&mut hasher);
    hasher.finish()
}

/// Rows of one page as they are printed.
struct Page {
    results: String,
    /// Position of the first row after it.
    next: Option<u64>,
}

impl Page {
    /// Positions count campaigns, ad groups or ads within days, or these alone where the day is not asked
    /// for; those without a row are passed over.
    fn of(world: &World, query: &Query, today: NaiveDate, start: u64, most: usize) -> Self {
        let things = world.count(query.level);
        let by_day = query.fields.contains(&Field::Date);
        // Days before or after the ads have no rows and need no looking at.
        let (first, last) = (query.first.max(world.first_day), query.last.min(world.last_day).min(today));
        let days = u64::try_from((last - first).num_days() + 1).unwrap_or(0);
        let mut page = Self { results: String::new(), next: None };
        let mut rows = 0;
        for position in start..if by_day { days * things } else { things.min(days * things) } {
            let (day, thing) = (first + Days::new(position / things), position % things);
            let figures = if by_day {
                world.figures(query.level, thing, day, today)
            } else {
                let days = first.iter_days().take_while(|&day| day <= last);
                let shown = days.filter_map(|it| world.figures(query.level, thing, it, today));
                shown.reduce(|sum, day| sum + day)
            };
            let Some(figures) = figures else { continue };
            if rows == most {
                page.next = Some(position);
                break;
            }
            if rows > 0 {
                page.results.push(',');
            }
            write_row(&mut page.results, world, query, &world.entity(query.level, thing), day, &figures);
            rows += 1;
        }
        page
    }

    /// An answer without rows has no `results`.
    fn body(&self, next: Option<&str>, query: &Query) -> String {
        let mask: Vec<String> = query
            .fields
            .iter()
            .map(|field| {
                let (object, key) = field.place();
                format!("{object}.{key}")
            })
            .collect();
        let mut body = String::with_capacity(self.results.len() + 200);
        body.push('{');
        if !self.results.is_empty() {
            body.extend(["\"results\":[", &self.results, "],"]);
        }
        if let Some(next) = next {
            body.extend(["\"nextPageToken\":\"", next, "\","]);
        }
        body.extend(["\"fieldMask\":\"", &mask.join(","), "\",\"queryResourceConsumption\":\"42\"}"]);
        body
    }
}

/// One row: whole numbers of 64 bits as text, zeros left out, resource names unasked. Written by hand
/// because a million rows are asked for at once in benchmarks.
fn write_row(out: &mut String, world: &World, query: &Query, entity: &Entity, day: NaiveDate, figures: &Figures) {
    let customer = &world.customer_id;
    let (mut open, mut close) = ("", "");
    out.push('{');
    for &field in &query.fields {
        let id = |id: Option<u64>| whole(id.unwrap_or_default());
        let name = |name: Option<String>| Value::from(name.unwrap_or_default()).to_string();
        let value = match field {
            Field::CustomerId => format!("\"{customer}\""),
            Field::CustomerCurrency => format!("\"{}\"", world.currency),
            Field::CustomerZone => format!("\"{}\"", world.zone),
            Field::CampaignId => id(Some(entity.campaign)),
            Field::CampaignName => Value::from(entity.campaign_name.as_str()).to_string(),
            Field::CampaignStatus => "\"ENABLED\"".into(),
            Field::AdGroupId => id(entity.ad_group),
            Field::AdGroupName => name(entity.ad_group_name()),
            Field::AdId => id(entity.ad),
            Field::AdName => name(entity.ad_name()),
            Field::Impressions => whole(figures.impressions),
            Field::Clicks => whole(figures.clicks),
            Field::Interactions | Field::Engagements => whole(figures.engagements),
            Field::Cost => whole(figures.cost_micros),
            Field::Conversions | Field::AllConversions => hundredths(figures.conversion_hundredths),
            Field::ViewThrough => whole(figures.view_leads),
            Field::Date => format!("\"{day}\""),
        };
        if value.is_empty() {
            continue;
        }
        let (object, key) = field.place();
        if object == open {
            out.push(',');
        } else {
            out.push_str(close);
            out.push_str(if open.is_empty() { "" } else { "," });
            let (campaign, group, ad) = (entity.campaign, entity.ad_group.unwrap_or(0), entity.ad.unwrap_or(0));
            // Writing to a String cannot fail.
            let _ = match object {
                "customer" => write!(out, "\"customer\":{{\"resourceName\":\"customers/{customer}\","),
                "campaign" => {
                    write!(out, "\"campaign\":{{\"resourceName\":\"customers/{customer}/campaigns/{campaign}\",")
                }
                "adGroup" => {
                    write!(out, "\"adGroup\":{{\"resourceName\":\"customers/{customer}/adGroups/{group}\",")
                }
                "adGroupAd.ad" => write!(
                    out,
                    "\"adGroupAd\":{{\"resourceName\":\"customers/{customer}/adGroupAds/{group}~{ad}\",\
                     \"ad\":{{\"resourceName\":\"customers/{customer}/ads/{ad}\","
                ),
                _ => write!(out, "\"{object}\":{{"),
            };
            (open, close) = (object, if object == "adGroupAd.ad" { "}}" } else { "}" });
        }
        out.extend(["\"", key, "\":", &value]);
    }
    out.push_str(close);
    out.push('}');
}

fn whole(count: u64) -> String {
    if count == 0 { String::new() } else { format!("\"{count}\"") }
}

fn hundredths(hundredths: u64) -> String {
    match (hundredths / 100, hundredths % 100) {
        (0, 0) => String::new(),
        (whole, 0) => format!("{whole}.0"),
        (whole, rest) if rest.is_multiple_of(10) => format!("{whole}.{}", rest / 10),
        (whole, rest) => format!("{whole}.{rest:02}"),
    }
}
