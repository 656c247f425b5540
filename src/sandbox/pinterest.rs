//! A fake Pinterest ads account, API v5: lists in pages, figures at once for ids that are named, or as
//! a report handed in. What a row says and which figures may be asked for stands in
//! `pinterest/analytics.rs`.

mod analytics;

use axum::body::Bytes;
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Json, Router};
use chrono::Duration;
use serde_json::{Value, json};
use url::form_urlencoded;

use super::faults::{Answer, PageLoop};
use super::oauth::Admitted;
use super::reports::{File, Standing};
use super::world::{Entity, Level};
use super::{Endpoint, Fault, Pace, Shared, held};
use analytics::Asked;

/// How long a report is kept.
const KEPT: Duration = Duration::hours(1);
/// Ids in a call.
const MOST_IDS: usize = 250;

/// Statuses a list can be asked for; from memory, as is which of them are meant where none is named.
const STATUSES: [&str; 5] = ["ACTIVE", "PAUSED", "ARCHIVED", "DRAFT", "DELETED_DRAFT"];

/// What may differ from one account to the next.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Largest page of a list, whatever is asked for.
    pub page_rows: usize,
    /// How slow reports are.
    pub pace: Pace,
}

impl Default for Limits {
    fn default() -> Self {
        Self { page_rows: 250, pace: Pace::default() }
    }
}

/// Too many calls of a category.
pub fn throttled() -> Fault {
    refusal(429, 8, "You have exceeded your rate limit. Try again later.").into()
}

/// The access token is not taken any more.
pub fn expired() -> Fault {
    refusal(401, 2, "Authentication failed.").into()
}

/// Something broke inside.
pub fn internal() -> Fault {
    refusal(500, 0, "Something went wrong on our end.").into()
}

/// A report that came to nothing, in an answer with status 200.
pub fn report_failed() -> Fault {
    Fault::json(200, json!({ "report_status": "FAILED", "url": null, "size": null }).to_string())
}

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/v5/ad_accounts/{account}", get(account))
        .route("/v5/ad_accounts/{account}/reports", get(ask).post(hand_in))
        .route("/v5/ad_accounts/{account}/{kind}", get(list))
        .route("/v5/ad_accounts/{account}/{kind}/analytics", get(figures))
        .route("/v5/resources/metrics_ready_state", get(ready))
}

async fn account(
    State(state): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Answer> {
    admit(&state, &headers, &id)?;
    let world = &state.setup.world;
    Ok(Json(json!({
        "id": world.customer_id,
        "name": "Sandbox",
        "country": "US",
        "currency": world.currency.to_string(),
        "time_zone": world.zone.name(),
    })))
}

/// Everything of a kind, a page at a time.
async fn list(
    State(state): State<Shared>,
    Path((id, kind)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    page_loop: Option<Extension<PageLoop>>,
    headers: HeaderMap,
) -> Result<Json<Value>, Answer> {
    admit(&state, &headers, &id)?;
    let level = level(&kind)?;
    let (mut size, mut start, mut statuses) = (25, 0, Vec::new());
    for (name, value) in pairs(query.as_deref()) {
        match name.as_str() {
            "page_size" => {
                let asked = value.parse().ok().filter(|size| (1..=250).contains(size));
                size = asked.ok_or_else(|| invalid("page_size is a number from 1 to 250"))?;
            }
            "bookmark" => {
                let position = value.strip_prefix("bm").and_then(|position| u64::from_str_radix(position, 16).ok());
                start = position.ok_or_else(|| invalid("bookmark is not known"))?;
            }
            "entity_statuses" if STATUSES.contains(&value.as_str()) => statuses.push(value),
            _ => return Err(invalid(&format!("{name} is not known here"))),
        }
    }
    // What is archived is not listed unless it is asked for.
    if statuses.is_empty() {
        statuses.extend(["ACTIVE".to_owned(), "PAUSED".to_owned()]);
    }
    let world = &state.setup.world;
    let end = start + size.min(state.setup.pinterest.page_rows as u64);
    let listed = (start..end.min(world.count(level))).map(|position| world.entity(level, position));
    let items: Vec<Value> =
        listed.map(|entity| item(&entity)).filter(|item| statuses.iter().any(|it| item["status"] == **it)).collect();
    let next = if page_loop.is_some() { Some(start) } else { (end < world.count(level)).then_some(end) };
    let bookmark = next.map(|next| format!("bm{next:x}"));
    Ok(Json(json!({ "items": items, "bookmark": bookmark })))
}

/// The second ad of a second ad group has been put away; its figures stay.
fn item(entity: &Entity) -> Value {
    let archived = entity.ad.is_some_and(|id| id % 10_000 == 202);
    let mut item = json!({
        "id": entity.id().to_string(),
        "name": entity.name(),
        "status": if archived { "ARCHIVED" } else { "ACTIVE" },
        "campaign_id": entity.campaign.to_string(),
    });
    if let (Some(group), Some(_)) = (entity.ad_group, entity.ad) {
        item["ad_group_id"] = group.to_string().into();
    }
    item
}

async fn figures(
    State(state): State<Shared>,
    Path((id, kind)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Json<Value>, Answer> {
    admit(&state, &headers, &id)?;
    let level = level(&kind)?;
    let world = &state.setup.world;
    let own = match level {
        Level::Campaign => "campaign_ids",
        Level::AdGroup => "ad_group_ids",
        Level::Ad => "ad_ids",
    };
    let (ids, rest): (Vec<_>, Vec<_>) = pairs(query.as_deref()).into_iter().partition(|(name, _)| name == own);
    if ids.is_empty() || ids.len() > MOST_IDS {
        return Err(invalid(&format!("{own}: 1 to {MOST_IDS}, not {}", ids.len())));
    }
    let mut positions = Vec::new();
    for (_, id) in &ids {
        let number = id.parse().map_err(|_| invalid(&format!("{own}: not an id")))?;
        // The account's own things only; those of others have no rows.
        positions.extend(world.find(level, number));
    }
    let asked = Asked::of_query(&rest)?;
    asked.check_days(state.now().date_naive(), 90, 90)?;
    Ok(Json(asked.rows(world, level, &positions, state.today())))
}

async fn hand_in(
    State(state): State<Shared>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Answer> {
    admit(&state, &headers, &id)?;
    let body: Value = serde_json::from_slice(&body).map_err(|_| invalid("the body is not JSON"))?;
    let (asked, level) = Asked::of_body(&body)?;
    asked.check_days(state.now().date_naive(), 914, 186)?;
    let world = &state.setup.world;
    let everything: Vec<u64> = (0..world.count(level)).collect();
    let rows = asked.rows(world, level, &everything, state.today());
    let file = File { content_type: "application/json", bytes: rows.to_string().into_bytes() };
    let token = held(&state.reports).hand_in(Endpoint::Pinterest, state.setup.pinterest.pace, state.now(), Some(file));
    let token = token.ok_or_else(|| refusal(429, 8, "Too many reports at once."))?;
    Ok(Json(json!({ "report_status": "IN_PROGRESS", "token": token, "message": "" })))
}

async fn ask(
    State(state): State<Shared>,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Json<Value>, Answer> {
    admit(&state, &headers, &id)?;
    let query = pairs(query.as_deref());
    let [(name, token)] = query.as_slice() else { return Err(invalid("token is wanted, and nothing else")) };
    if name != "token" {
        return Err(invalid("token is wanted, and nothing else"));
    }
    let pace = state.setup.pinterest.pace;
    let (status, url) = match held(&state.reports).ask(Endpoint::Pinterest, pace, state.now(), token, KEPT) {
        Standing::Unknown => ("DOES_NOT_EXIST", None),
        Standing::Ended => ("EXPIRED", None),
        Standing::Waiting => ("IN_PROGRESS", None),
        Standing::Done(key) => {
            ("FINISHED", key.map(|key| format!("{}/reports/{key}?sig=sandbox", state.url(Endpoint::Files))))
        }
    };
    Ok(Json(json!({ "report_status": status, "url": url, "size": null })))
}

/// Whether a day's figures will not change any more.
async fn ready(
    State(state): State<Shared>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Json<Value>, Answer> {
    admit(&state, &headers, &state.setup.world.customer_id)?;
    let query = pairs(query.as_deref());
    let day: Option<chrono::NaiveDate> =
        query.iter().find(|(name, _)| name == "date").and_then(|(_, day)| day.parse().ok());
    let age = (state.today() - day.ok_or_else(|| invalid("date is wanted"))?).num_days();
    Ok(Json(json!({ "conversion_metrics_ready": age > 3, "non_conversion_metrics_ready": age > 2 })))
}

fn admit(state: &Shared, headers: &HeaderMap, id: &str) -> Result<(), Answer> {
    if !matches!(state.admit(Endpoint::PinterestToken, headers), Admitted::Yes) {
        return Err(refusal(401, 2, "Authentication failed."));
    }
    if id != state.setup.world.customer_id {
        return Err(refusal(403, 29, "You are not permitted to access that resource."));
    }
    Ok(())
}

fn level(kind: &str) -> Result<Level, Answer> {
    match kind {
        "campaigns" => Ok(Level::Campaign),
        "ad_groups" => Ok(Level::AdGroup),
        "ads" => Ok(Level::Ad),
        _ => Err(refusal(404, 50, "Not found.")),
    }
}

fn pairs(query: Option<&str>) -> Vec<(String, String)> {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect()
}

fn invalid(message: &str) -> Answer {
    refusal(400, 1, &format!("Invalid request: {message}."))
}

fn refusal(status: u16, code: u32, message: &str) -> Answer {
    Answer::json(status, json!({ "code": code, "message": message }).to_string())
}
