//! A fake `PostHog` project for each form's concept: the query endpoint, over events and the people behind them. What is kept of an
//! earlier answer is six hours old, an answer ends where its limit does and says so, and who asks to be forgotten is.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::routing::post;
use axum::{Json, Router};
use chrono::{DateTime, Duration, SecondsFormat, Utc};
use chrono_tz::Tz;
use serde::Deserialize;
use serde_json::json;

use super::faults::Answer;
use super::hogql::{self, Value};
use super::traffic::Event;
use super::world::People;
use super::{Endpoint, Fault, Shared, World, chance, held, traffic};

/// Rows of a query that names no limit.
const LIMIT: usize = 100;
/// The most that one can name.
const LARGEST_LIMIT: usize = 50_000;
/// How old a kept answer may be.
const KEPT: Duration = Duration::hours(6);

/// The event of a sign-up.
pub const SIGN_UP: &str = "signed_up";

/// The project of a concept: five digits.
pub fn project(form_id: &str) -> String {
    let number = form_id.bytes().fold(13, |hash, byte| chance::mix(hash ^ u64::from(byte)));
    (10_000 + number % 90_000).to_string()
}

/// The team's budget is spent, by whichever tool.
pub fn throttled() -> Fault {
    let detail = "Request was throttled. Expected available in 34 seconds.";
    refusal(429, "throttled_error", "throttled", detail).with("retry-after", "34").into()
}

/// The key is not taken.
pub fn unauthorized() -> Fault {
    unknown().into()
}

/// A query that takes long: it is still worked on, and there is nothing yet.
pub fn not_done() -> Fault {
    let status =
        json!({ "id": "q1", "team_id": 1, "query_async": true, "complete": false, "error": false, "results": null });
    Fault::json(200, json!({ "query_status": status, "results": null }).to_string())
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/api/projects/{project}/query/", post(query))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    query: AskedQuery,
    #[serde(default)]
    refresh: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AskedQuery {
    kind: String,
    query: String,
}

/// What the project knows of its people: the address each last gave, where they gave one.
fn addresses(events: &[Event]) -> BTreeMap<u64, &str> {
    let told = events.iter().filter(|event| !event.visitor.is_multiple_of(6));
    told.filter_map(|event| Some((event.visitor, event.email.as_deref()?))).collect()
}

/// People by the day and version of their first sign-up that is still there.
pub fn truth(world: &World, form_id: &str, now: DateTime<Utc>) -> People {
    traffic::first_sign_ups(world, form_id, now, |event| event.visitor.to_string())
}

async fn query(
    State(state): State<Shared>,
    Path(project_id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<serde_json::Value>, Answer> {
    if !state.knows(Endpoint::Posthog, &headers) {
        return Err(unknown());
    }
    let world = &state.setup.world;
    let Some(concept) = world.concepts.iter().find(|concept| project(&concept.form_id) == project_id) else {
        return Err(refusal(404, "invalid_request", "not_found", "Project not found."));
    };
    let asked: Asked = serde_json::from_slice(&body)
        .map_err(|error| refusal(400, "validation_error", "invalid_input", &format!("{error}")))?;
    if asked.query.kind != "HogQLQuery" {
        let detail = format!("Unsupported query kind: {}", asked.query.kind);
        return Err(refusal(400, "validation_error", "invalid_input", &detail));
    }
    // Whoever does not insist is given what was worked out before.
    let now = match asked.refresh.as_deref() {
        Some("force_blocking") => state.now(),
        None | Some("blocking") => state.now() - KEPT,
        Some(other) => {
            let detail = format!("\"{other}\" is not a valid choice.");
            return Err(refusal(400, "validation_error", "invalid_choice", &detail));
        }
    };
    let wrong = |detail: String| refusal(400, "validation_error", "illegal_type_or_field", &detail);
    let query = hogql::parse(&asked.query.query).map_err(wrong)?;
    let events = traffic::events(world, &concept.form_id, now);
    let addresses = addresses(&events);
    let mut events: Vec<&Event> = events.iter().filter(|event| !event.is_forgotten(now)).collect();
    // No order but the one that is asked for.
    let turn = held(&state.calls).get(&Endpoint::Posthog).copied().unwrap_or_default();
    events.sort_by_key(|event| chance::mix(event.number ^ turn));
    let column = |event: &&Event, path: &[String]| column(event, path, &addresses, world.zone);
    let mut rows = query.run(&events, &column).map_err(wrong)?;
    let limit = query.limit.unwrap_or(LIMIT).min(LARGEST_LIMIT).min(state.setup.form_page_rows);
    let more = rows.len() > limit;
    rows.truncate(limit);
    let names: Vec<String> =
        query.select.iter().map(|(expr, name)| name.clone().unwrap_or_else(|| format!("{expr:?}"))).collect();
    // Either way, as the vendor pleases.
    let types = if turn.is_multiple_of(2) {
        json!(names.iter().map(|_| "String").collect::<Vec<_>>())
    } else {
        json!(names.iter().map(|name| [name.as_str(), "Nullable(String)"]).collect::<Vec<_>>())
    };
    let rows: Vec<Vec<serde_json::Value>> = rows.iter().map(|row| row.iter().map(print).collect()).collect();
    Ok(Json(json!({
        "columns": names, "types": types, "results": rows, "hasMore": more, "limit": limit, "offset": 0,
        "error": null, "query_status": null, "explain": null, "is_cached": now != state.now(),
    })))
}

fn column(event: &Event, path: &[String], addresses: &BTreeMap<u64, &str>, zone: Tz) -> Result<Value, String> {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let text = |text: Option<&str>| text.filter(|it| !it.is_empty()).map_or(Value::Null, |it| Value::Text(it.into()));
    let id = |number: u64| format!("{:08x}-0000-7000-8000-{:012x}", number >> 32, number & 0xffff_ffff);
    Ok(match path[..] {
        ["uuid"] => Value::Text(id(event.number)),
        ["event"] => text(Some(if event.is_sign_up() { SIGN_UP } else { "$pageview" })),
        ["timestamp"] => Value::Time(event.at, zone),
        ["person_id"] => Value::Text(id(event.visitor)),
        ["properties", "utm_content"] => text(event.tag.as_deref()),
        ["properties", "$pathname"] => text(Some(event.page)),
        ["person", "properties", "email"] => text(addresses.get(&event.visitor).copied()),
        // Any property may be asked for, and is nothing where nobody sent it.
        ["properties", _] | ["person", "properties", _] => Value::Null,
        _ => return Err(format!("Unable to resolve field: {}", path.join("."))),
    })
}

/// As it is shown: times by the project's clocks.
fn print(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Text(text) => text.as_str().into(),
        Value::Number(number) => (*number).into(),
        Value::Day(day) => day.to_string().into(),
        Value::Time(at, zone) => at.with_timezone(zone).to_rfc3339_opts(SecondsFormat::Micros, false).into(),
    }
}

fn unknown() -> Answer {
    refusal(
        401,
        "authentication_error",
        "authentication_failed",
        "Personal API key found in request Authorization header is invalid.",
    )
}

fn refusal(status: u16, kind: &str, code: &str, detail: &str) -> Answer {
    Answer::json(status, json!({ "type": kind, "code": code, "detail": detail, "attr": null }).to_string())
}
