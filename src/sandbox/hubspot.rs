//! A fake `HubSpot` account: the submissions of a form from the newest on, and searches for contacts, deals and meetings
//! that end at a ceiling. Every property is text; one that does not exist is left out without a word.

mod search;

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Extension, Path, Query, State};
use axum::http::HeaderMap;
use axum::routing::{get, post};
use axum::{Json, Router};
use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};

use super::faults::{Answer, PageLoop};
use super::submissions::{Submission, by_day, people, submissions};
use super::world::People;
use super::{Endpoint, Fault, Shared, World, pages};

const LARGEST_PAGE: usize = 50;

/// What may differ.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Rows of one search, on all its pages.
    pub ceiling: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { ceiling: 10_000 }
    }
}

/// More calls than in ten seconds may be made.
pub fn throttled() -> Fault {
    let body = json!({ "status": "error", "message": "You have reached your ten_secondly_rolling limit.",
        "errorType": "RATE_LIMIT", "policyName": "TEN_SECONDLY_ROLLING", "correlationId": "c029" });
    Answer::json(429, body.to_string()).into()
}

/// The day's calls are used up.
pub fn used_up() -> Fault {
    let body = json!({ "status": "error", "message": "You have reached your daily limit.",
        "errorType": "RATE_LIMIT", "policyName": "DAILY", "correlationId": "c030" });
    Answer::json(429, body.to_string()).into()
}

/// The account is locked for about two seconds.
pub fn locked() -> Fault {
    refusal(423, "LOCKED", "The account is locked.").into()
}

/// The token is not taken.
pub fn unauthorized() -> Fault {
    no_token().into()
}

/// A form's guid.
pub fn guid(form_id: &str) -> String {
    format!("00000000-0000-4000-8000-{:012}", form_id.bytes().map(u64::from).sum::<u64>())
}

pub(super) fn routes() -> Router<Shared> {
    Router::new()
        .route("/form-integrations/v1/submissions/forms/{guid}", get(forms))
        .route("/crm/v3/objects/{kind}/search", post(search::search))
}

async fn forms(
    State(state): State<Shared>,
    Path(form): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    page_loop: Option<Extension<PageLoop>>,
    headers: HeaderMap,
) -> Result<Json<Value>, Answer> {
    admit(&state, &headers)?;
    let world = &state.setup.world;
    let Some(concept) = world.concepts.iter().find(|concept| guid(&concept.form_id) == form) else {
        return Err(refusal(404, "OBJECT_NOT_FOUND", "No form found with that guid"));
    };
    let (mut limit, mut start) = (20, 0);
    for (name, value) in &query {
        match name.as_str() {
            "limit" => {
                limit = value.parse().ok().filter(|it| (1..=LARGEST_PAGE).contains(it)).ok_or_else(|| invalid(name))?;
            }
            "after" => {
                let at = value.strip_prefix("cur-").and_then(|at| at.parse().ok());
                start = at.ok_or_else(|| invalid(name))?;
            }
            _ => return Err(invalid(name)),
        }
    }
    let mut all: Vec<_> =
        submissions(world, &concept.form_id, state.now()).into_iter().filter(|it| it.done_at.is_some()).collect();
    all.sort_by_key(|it| std::cmp::Reverse((it.done_at, it.number)));
    let page = pages::page(&all, start, limit.min(state.setup.form_page_rows), page_loop.is_some());
    let results: Vec<_> = page.rows.iter().map(submission).collect();
    let mut answer = json!({ "results": results });
    if let Some(next) = page.next {
        answer["paging"] = json!({ "next": { "after": format!("cur-{next}"), "link": "https://api.hubapi.com/" } });
    }
    Ok(Json(answer))
}

fn submission(it: &Submission) -> Value {
    let mut values = vec![json!({ "name": "email", "value": it.email, "objectTypeId": "0-1" })];
    // A question of several answers is one text, and a name may come twice.
    values.extend(it.why.split(", ").map(|why| json!({ "name": "why", "value": why })));
    let address = |arm: &str| {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("utm_source", "meta")
            .append_pair("utm_content", arm)
            .finish();
        format!("https://example.com/concept?{query}#join")
    };
    // Half the pages have the hidden field, the others only their address.
    let page = if it.bits.is_multiple_of(2) {
        values.push(json!({ "name": "utm_content", "value": it.arm }));
        "https://example.com/concept".to_owned()
    } else {
        address(&it.arm)
    };
    json!({
        "conversionId": format!("{:x}-{:x}", it.number, it.bits),
        "submittedAt": it.done_at.unwrap_or(it.begun_at).timestamp_millis(),
        "pageUrl": page,
        "values": values,
    })
}

/// A deal or a meeting, and whether it counts by now.
struct Outcome {
    of: Submission,
    /// When it was won, or began.
    at: DateTime<Utc>,
    holds: bool,
}

/// Deals that were won two days after the form, of which one in six is lost again two days later.
fn deals(world: &World, now: DateTime<Utc>) -> Vec<Outcome> {
    outcomes(world, now, |bits| bits % 3 == 0, Duration::hours(48), |bits| bits % 18 == 0)
}

/// Meetings that began a day after the form; of one in eight it turns out two days later that nobody came.
fn meetings(world: &World, now: DateTime<Utc>) -> Vec<Outcome> {
    outcomes(world, now, |bits| bits % 2 == 0, Duration::hours(24), |bits| bits % 16 == 2)
}

fn outcomes(
    world: &World,
    now: DateTime<Utc>,
    has: fn(u64) -> bool,
    after: Duration,
    undone: fn(u64) -> bool,
) -> Vec<Outcome> {
    let forms = world.concepts.iter().map(|concept| concept.form_id.as_str());
    let done = forms.flat_map(|form| submissions(world, form, now)).filter(|it| has(it.bits));
    let outcome = |of: Submission| {
        let at = of.done_at? + after;
        let holds = !undone(of.bits) || at + Duration::hours(48) > now;
        (at <= now).then_some(Outcome { of, at, holds })
    };
    done.filter_map(outcome).collect()
}

/// The truth of those who became contacts.
pub fn contacts_truth(world: &World, now: DateTime<Utc>) -> People {
    let contacts = contacts(world, now);
    by_day(world, contacts.iter().filter_map(|contact| Some((contact.done_at?, contact.arm.as_str()))))
}

/// Each person once, whatever the form.
fn contacts(world: &World, now: DateTime<Utc>) -> Vec<Submission> {
    let forms = world.concepts.iter().map(|concept| concept.form_id.as_str());
    let mut all: Vec<_> = forms.flat_map(|form| people(world, form, now)).collect();
    all.sort_by_key(|contact| (contact.done_at, contact.number));
    let mut seen = BTreeSet::new();
    all.retain(|contact| seen.insert(contact.email.to_lowercase()));
    all
}

/// Deals that are won, by day and arm.
pub fn deals_truth(world: &World, now: DateTime<Utc>) -> People {
    by_day(world, deals(world, now).iter().filter(|it| it.holds).map(|it| (it.at, it.of.arm.as_str())))
}

/// Meetings that were held, by day and arm.
pub fn meetings_truth(world: &World, now: DateTime<Utc>) -> People {
    by_day(world, meetings(world, now).iter().filter(|it| it.holds).map(|it| (it.at, it.of.arm.as_str())))
}

fn admit(state: &Shared, headers: &HeaderMap) -> Result<(), Answer> {
    if state.knows(Endpoint::Hubspot, headers) { Ok(()) } else { Err(no_token()) }
}

fn no_token() -> Answer {
    refusal(401, "INVALID_AUTHENTICATION", "Authentication credentials not found.")
}

fn invalid(what: &str) -> Answer {
    refusal(400, "VALIDATION_ERROR", &format!("Invalid input: {what}"))
}

fn refusal(status: u16, category: &str, message: &str) -> Answer {
    let body = json!({ "status": "error", "message": message, "correlationId": "c001", "category": category });
    Answer::json(status, body.to_string())
}
