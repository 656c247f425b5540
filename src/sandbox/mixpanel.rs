//! A fake Mixpanel project for each form's concept: the raw export, an event in each line and in no order, some of them twice. A project
//! from before 2023 cuts days, and writes times, by the clocks of its own zone.

use axum::Router;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::routing::get;
use base64::Engine;
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};

use super::faults::Answer;
use super::traffic::{Event, first_sign_ups};
use super::world::People;
use super::{Endpoint, Fault, Shared, World, chance, held};

const LARGEST: usize = 100_000;
/// The name of the service account.
pub const USER: &str = "sandbox.4f1c2a.mp-service-account";
/// The event of a sign-up.
pub const SIGN_UP: &str = "Sign Up";
/// The event of a look at a page.
pub const LOOK: &str = "Page View";

/// What may differ.
#[derive(Clone, Copy, Default)]
pub struct Limits {
    /// Zone of a project from before 2023; `None`: a later one, which is in UTC.
    pub zone: Option<Tz>,
}

/// The project of a concept: seven digits.
pub fn project(form_id: &str) -> String {
    let number = form_id.bytes().fold(11, |hash, byte| chance::mix(hash ^ u64::from(byte)));
    (1_000_000 + number % 9_000_000).to_string()
}

/// More than 60 calls an hour, by whichever tool: without a word on how long to wait.
pub fn throttled() -> Fault {
    refusal(429, "Query rate limit exceeded for project: 60 queries per hour").into()
}

/// The service account is not taken.
pub fn unauthorized() -> Fault {
    unknown().into()
}

/// Lines of an export that is cut off in the vendor's own house: it says so in its last line, with status 200.
pub fn terminated_early() -> Fault {
    let line = line(SIGN_UP, "i1", "d1", 1_772_550_000, &json!({ "utm_content": "kit-29" }));
    lines(format!("{line}\nterminated early\n")).into()
}

/// Two acts of one insert id, which Mixpanel itself tells apart by who did them.
pub fn one_id_for_two() -> Fault {
    let both = ["d1", "d2"].map(|who| line(SIGN_UP, "row-1", who, 1_772_550_000, &json!({ "utm_content": "kit-29" })));
    lines(both.join("\n")).into()
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/api/2.0/{report}", get(export))
}

/// Who it was, for the connector: the address where one is told, else whom Mixpanel takes for one.
fn email(event: &Event) -> Option<&str> {
    event.email.as_deref().filter(|_| !event.number.is_multiple_of(6))
}

/// People by the day and version of their first sign-up.
pub fn truth(world: &World, form_id: &str, now: DateTime<Utc>) -> People {
    let who = |event: &Event| email(event).map_or_else(|| event.visitor.to_string(), str::to_lowercase);
    first_sign_ups(world, form_id, now, who)
}

async fn export(
    State(state): State<Shared>,
    Path(report): Path<String>,
    Query(query): Query<Vec<(String, String)>>,
    headers: HeaderMap,
) -> Result<Answer, Answer> {
    if report != "export" {
        return Err(refusal(404, "the pretend project answers export only"));
    }
    let (mut first, mut last, mut names, mut project_id, mut limit, mut millis) =
        (None, None, None, None, LARGEST, false);
    for (name, value) in &query {
        let day = || value.parse::<NaiveDate>().map_err(|_| refusal(400, &format!("{name} must be YYYY-MM-DD")));
        match (name.as_str(), value.as_str()) {
            ("project_id", id) => project_id = Some(id),
            ("from_date", _) => first = Some(day()?),
            ("to_date", _) => last = Some(day()?),
            ("event", _) => {
                let read = serde_json::from_str::<Vec<String>>(value);
                names = Some(read.map_err(|_| refusal(400, "event must be a JSON array of strings"))?);
            }
            ("limit", _) => {
                let most = value.parse().ok().filter(|most| (1..=LARGEST).contains(most));
                limit = most.ok_or_else(|| refusal(400, "limit must be between 1 and 100000"))?;
            }
            ("time_in_ms", "true" | "false") => millis = value == "true",
            _ => return Err(refusal(400, &format!("unknown or invalid parameter: {name}"))),
        }
    }
    let world = &state.setup.world;
    let account = format!("{USER}:{}", state.setup.secrets.api_token(Endpoint::Mixpanel));
    let proof = format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(account));
    let concept = world.concepts.iter().find(|concept| Some(project(&concept.form_id).as_str()) == project_id);
    let proven = headers.get(header::AUTHORIZATION).is_some_and(|given| given.as_bytes() == proof.as_bytes());
    let Some(concept) = concept.filter(|_| proven) else { return Err(unknown()) };
    let (Some(first), Some(last)) = (first, last) else {
        return Err(refusal(400, "from_date and to_date are required"));
    };
    if last < first {
        return Err(refusal(400, "to_date cannot be before from_date"));
    }
    let zone = state.setup.mixpanel.zone.unwrap_or(Tz::UTC);
    let mut all = Vec::new();
    for event in state.traffic(&concept.form_id).iter() {
        let name = if event.is_sign_up() { SIGN_UP } else { LOOK };
        let local = event.at.with_timezone(&zone).naive_local();
        let asked = names.as_ref().is_none_or(|names| names.iter().any(|it| it == name));
        if !asked || event.is_forgotten(state.now()) || !(first..=last).contains(&local.date()) {
            continue;
        }
        let time = local.and_utc().timestamp() * if millis { 1_000 } else { 1 };
        let mut properties = json!({ "$city": "<script>alert(1)</script>\u{2028} =2+5", "$current_url": event.page });
        if let Some(tag) = &event.tag {
            properties["utm_content"] = tag.as_str().into();
        }
        if let Some(email) = email(event) {
            properties["$email"] = email.into();
        }
        // Nothing that was sent twice is left out, and each is told when it came.
        for again in 0..=u64::from(event.number % 10 == 3) {
            properties["mp_processing_time_ms"] =
                (event.known_from.timestamp_millis() + 400 * i64::from(again == 1)).into();
            let text =
                line(name, &format!("{:036x}", event.number), &format!("{:x}", event.visitor), time, &properties);
            all.push((chance::mix(event.number ^ again), text));
        }
    }
    let turn = held(&state.calls).get(&Endpoint::Mixpanel).copied().unwrap_or_default();
    all.sort_by_key(|(number, _)| chance::mix(number ^ turn));
    Ok(lines(all.into_iter().take(limit).map(|(_, line)| line + "\n").collect()))
}

fn line(name: &str, insert_id: &str, distinct_id: &str, time: i64, more: &Value) -> String {
    let mut properties = json!({ "time": time, "distinct_id": distinct_id, "$insert_id": insert_id });
    if let (Some(all), Some(more)) = (properties.as_object_mut(), more.as_object()) {
        all.extend(more.clone());
    }
    json!({ "event": name, "properties": properties }).to_string()
}

fn lines(body: String) -> Answer {
    Answer::new(200, "text/plain; charset=utf-8", body)
}

fn unknown() -> Answer {
    refusal(401, "Unable to authenticate request")
}

fn refusal(status: u16, message: &str) -> Answer {
    Answer::json(status, json!({ "error": message, "status": "error" }).to_string())
}
