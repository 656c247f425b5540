//! A fake Jotform account: submissions by offset, answers keyed by question, times without a zone told by the account's
//! clocks, ids longer than a double holds. Those that were deleted stay in the list and say so.

use std::collections::BTreeMap;

use axum::extract::{Extension, Path, Query, State};
use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, NaiveDateTime, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};

use super::faults::{Answer, PageLoop};
use super::submissions::{Submission, by_day, submissions};
use super::world::People;
use super::{Endpoint, Fault, Shared, World, pages};

const PAGE: usize = 20;
const LARGEST_PAGE: usize = 1_000;

/// The account's zone: not the one the ads are billed in.
pub const ZONE: Tz = Tz::America__Los_Angeles;

/// A form's number.
pub fn form_number(form_id: &str) -> u64 {
    250_000_000_000_000 + form_id.bytes().map(u64::from).sum::<u64>()
}

/// Too many calls, said in an answer with status 200.
pub fn throttled_in_200() -> Fault {
    let body = json!({ "responseCode": 429, "message": "Too many requests", "content": "", "limit-left": 0 });
    Answer::json(200, body.to_string()).into()
}

/// The key is not taken.
pub fn unauthorized() -> Fault {
    refusal(401, "You're not authorized to use (/form-id-submissions)").into()
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/form/{form}/submissions", get(list))
}

async fn list(
    State(state): State<Shared>,
    Path(form): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    page_loop: Option<Extension<PageLoop>>,
    headers: HeaderMap,
) -> Result<Json<Value>, Answer> {
    let key = headers.get("apikey").and_then(|key| key.to_str().ok()).or(query.get("apiKey").map(String::as_str));
    if key != Some(state.setup.secrets.api_token(Endpoint::Jotform).as_str()) {
        return Err(refusal(401, "You're not authorized to use (/form-id-submissions)"));
    }
    let world = &state.setup.world;
    let Some(concept) = world.concepts.iter().find(|it| form_number(&it.form_id).to_string() == form) else {
        return Err(refusal(404, "Requested URL (/form) is not available!"));
    };
    let (mut offset, mut limit, mut after) = (0, PAGE, None);
    for (name, value) in &query {
        let number = || value.parse::<usize>().map_err(|_| refusal(400, "not a number"));
        match name.as_str() {
            "offset" => offset = number()?,
            "limit" => limit = number()?.min(LARGEST_PAGE),
            "filter" => after = Some(created_after(value)?),
            "orderby" if value == "created_at" => {}
            "apiKey" => {}
            _ => return Err(refusal(400, "unknown parameter")),
        }
    }
    let limit = limit.min(state.setup.form_page_rows);
    // The newest first, so that what arrives meanwhile shifts all that follow. Nobody is shown who has not finished.
    let mut all: Vec<_> = submissions(world, &concept.form_id, state.now()).into_iter().filter_map(finished).collect();
    all.retain(|(at, _)| after.is_none_or(|after| local(*at) > after));
    all.sort_by_key(|(at, it)| std::cmp::Reverse((*at, it.number)));
    let page = pages::page(&all, offset, limit, page_loop.is_some());
    let shown: Vec<_> = page.rows.iter().map(|(at, it)| row(it, *at, &form)).collect();
    Ok(Json(json!({
        "responseCode": 200,
        "message": "success",
        "resultSet": { "offset": offset, "limit": limit, "count": shown.len() },
        "limit-left": 998,
        "content": shown,
    })))
}

fn finished(it: Submission) -> Option<(DateTime<Utc>, Submission)> {
    Some((it.done_at?, it))
}

/// What the account's clocks showed.
fn local(at: DateTime<Utc>) -> NaiveDateTime {
    at.with_timezone(&ZONE).naive_local()
}

fn created_after(filter: &str) -> Result<NaiveDateTime, Answer> {
    let wrong = || refusal(400, "filter");
    let filter: BTreeMap<String, String> = serde_json::from_str(filter).map_err(|_| wrong())?;
    let (name, value) = filter.first_key_value().filter(|_| filter.len() == 1).ok_or_else(wrong)?;
    let at = NaiveDateTime::parse_from_str(value, "%Y-%m-%d %H:%M:%S").map_err(|_| wrong())?;
    if name == "created_at:gt" { Ok(at) } else { Err(wrong()) }
}

fn row(it: &Submission, at: DateTime<Utc>, form: &str) -> Value {
    let time = |at| local(at).format("%Y-%m-%d %H:%M:%S").to_string();
    json!({
        "id": format!("6{:018}", it.number % 1_000_000_000_000_000_000),
        "form_id": form,
        "ip": "192.0.2.1",
        "created_at": time(at),
        "updated_at": it.edited_at.map(time),
        "new": "1",
        // One that a person took back is marked, besides those that are gone altogether.
        "status": if it.bits % 31 == 5 { "DELETED" } else { "ACTIVE" },
        "answers": {
            "1": { "name": "heading", "type": "control_head", "order": "1", "text": "Join" },
            "3": { "name": "email", "type": "control_email", "order": "2", "text": "E-mail", "answer": it.email },
            "4": { "name": "fullName", "type": "control_fullname", "order": "3", "answer": { "first": "", "last": "" } },
            "5": { "name": "why", "type": "control_textarea", "order": "4", "answer": it.why },
            "6": { "name": "utm_content", "type": "control_hidden", "order": "5", "answer": it.arm },
            "9": { "name": "submit", "type": "control_button", "order": "9" },
        },
    })
}

/// The truth without those who took their submission back.
pub fn truth(world: &World, form_id: &str, now: DateTime<Utc>) -> People {
    let mut done: Vec<_> = submissions(world, form_id, now).into_iter().filter_map(finished).collect();
    done.retain(|(_, it)| it.bits % 31 != 5);
    done.sort_by_key(|(at, it)| (*at, it.number));
    let mut seen = std::collections::BTreeSet::new();
    done.retain(|(_, it)| seen.insert(it.email.to_lowercase()));
    by_day(world, done.iter().map(|(at, it)| (*at, it.arm.as_str())))
}

fn refusal(status: u16, message: &str) -> Answer {
    Answer::json(status, json!({ "responseCode": status, "message": message, "content": "" }).to_string())
}
