//! A fake Typeform account: the responses of a form, newest first, walked by token. What a person
//! sends is shown up to half an hour late, can be deleted, and some people send it twice.

use std::collections::BTreeMap;

use axum::extract::{Extension, Path, Query, State};
use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, NaiveDateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::faults::{Answer, PageLoop};
use super::submissions::{Submission, submissions};
use super::world::Act;
use super::{Fault, Shared, bearer};

const PAGE: usize = 25;
const LARGEST_PAGE: usize = 1_000;

/// More than two calls a second.
pub fn throttled() -> Fault {
    refusal(429, "TOO_MANY_REQUESTS", "Request limit has been exceeded.").into()
}

/// The token is not taken.
pub fn unauthorized() -> Fault {
    no_credentials().into()
}

/// The account's data lies in another region: there is nothing, and no error.
pub fn wrong_region() -> Fault {
    Fault::json(200, json!({ "total_items": 0, "page_count": 0, "items": [] }).to_string())
}

/// An error object in an answer with status 200.
pub fn error_in_200() -> Fault {
    refusal(200, "INTERNAL_SERVER_ERROR", "Something went wrong.").into()
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/forms/{form_id}/responses", get(responses))
}

async fn responses(
    State(state): State<Shared>,
    Path(form_id): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    page_loop: Option<Extension<PageLoop>>,
    headers: HeaderMap,
) -> Result<Json<Value>, Answer> {
    if bearer(&headers) != Some(state.setup.secrets.typeform_token.as_str()) {
        return Err(no_credentials());
    }
    let world = &state.setup.world;
    if world.form(&form_id).is_none() {
        return Err(refusal(404, "FORM_NOT_FOUND", "Non existing form with uid"));
    }
    let mut asked = Asked::read(&query)?;
    if page_loop.is_some() {
        // A form tool that pays no heed to the cursor serves its first page for ever.
        asked.cursor = None;
    }
    let now = state.now();
    let acts = world.acts(&form_id, now);
    let mut shown = asked.choose(&acts, now)?;
    let total = shown.len();
    shown.truncate(asked.page_size.min(state.setup.form_page_rows));
    let mut items: Vec<Value> = shown.into_iter().map(|act| item(act, &form_id)).collect();
    if asked.started && asked.cursor.is_none() {
        // Nobody has sent these: they have a landing and no submission.
        let begun = submissions(world, &form_id, now).into_iter().filter(|it| it.done_at.is_none());
        items.extend(begun.map(|it| started(&it)));
    }
    Ok(Json(json!({ "total_items": total, "page_count": total.div_ceil(asked.page_size), "items": items })))
}

/// What a call asks for.
struct Asked<'q> {
    page_size: usize,
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
    /// A response's token, and whether later ones are asked for instead of earlier ones.
    cursor: Option<(&'q str, bool)>,
    oldest_first: bool,
    /// Those who have only begun are asked for too.
    started: bool,
}

impl<'q> Asked<'q> {
    fn read(query: &'q BTreeMap<String, String>) -> Result<Self, Answer> {
        let mut asked =
            Self { page_size: PAGE, since: None, until: None, cursor: None, oldest_first: false, started: false };
        for (name, value) in query {
            match name.as_str() {
                "page_size" => {
                    let size = value.parse().ok().filter(|size| (1..=LARGEST_PAGE).contains(size));
                    asked.page_size = size.ok_or_else(|| invalid("page_size must be a number from 1 to 1000"))?;
                }
                "since" => asked.since = Some(instant(value)?),
                "until" => asked.until = Some(instant(value)?),
                "before" | "after" if asked.cursor.is_some() => {
                    return Err(invalid("before and after exclude each other"));
                }
                "before" => asked.cursor = Some((value, false)),
                "after" => asked.cursor = Some((value, true)),
                "sort" if query.contains_key("before") || query.contains_key("after") => {
                    return Err(invalid("sort cannot be combined with before or after"));
                }
                "sort" if value == "submitted_at,desc" => {}
                "sort" if value == "submitted_at,asc" => asked.oldest_first = true,
                "response_type" if value == "completed" => {}
                "response_type" if value == "completed,started" => asked.started = true,
                _ => return Err(invalid(&format!("{name} is not known here with this value"))),
            }
        }
        asked.oldest_first |= matches!(asked.cursor, Some((_, true)));
        Ok(asked)
    }

    /// Those of `acts` (oldest first) that are shown, inside the times and beyond the cursor.
    fn choose<'a>(&self, acts: &'a [Act], now: DateTime<Utc>) -> Result<Vec<&'a Act>, Answer> {
        // Both cursors leave out the response they name, which may itself be deleted by now.
        let acts = match self.cursor {
            None => acts,
            Some((token, later)) => {
                let at =
                    acts.iter().position(|act| act.response_id == token).ok_or_else(|| invalid("unknown token"))?;
                if later { &acts[at + 1..] } else { &acts[..at] }
            }
        };
        let inside = |act: &&Act| {
            self.since.is_none_or(|since| since <= act.at) && self.until.is_none_or(|until| act.at <= until)
        };
        let mut shown: Vec<_> = acts.iter().filter(|act| act.is_shown(now)).filter(inside).collect();
        if !self.oldest_first {
            shown.reverse();
        }
        Ok(shown)
    }
}

/// Epoch seconds, or ISO UTC to the second.
fn instant(text: &str) -> Result<DateTime<Utc>, Answer> {
    let seconds = text.parse().ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0));
    let iso = || NaiveDateTime::parse_from_str(text.trim_end_matches('Z'), "%Y-%m-%dT%H:%M:%S").ok();
    seconds.or_else(|| iso().map(|at| at.and_utc())).ok_or_else(|| invalid("not a time"))
}

fn started(it: &Submission) -> Value {
    let token = format!("{:032x}", it.number);
    json!({
        "response_id": token,
        "token": token,
        "landing_id": token,
        "response_type": "started",
        "landed_at": it.begun_at.to_rfc3339_opts(SecondsFormat::Secs, true),
        "metadata": { "platform": "other" },
        "hidden": { "arm": it.arm, "utm_campaign": it.campaign.to_string() },
        "answers": null,
    })
}

fn item(act: &Act, form_id: &str) -> Value {
    const REASONS: [&str; 4] = ["Too slow today", "Heard of it from a friend", "Curious what it costs", "We need this"];
    let reason = REASONS[act.email.len() % REASONS.len()];
    let landed = act.at - chrono::Duration::seconds(90);
    json!({
        "response_id": act.response_id,
        "token": act.response_id,
        "landing_id": act.response_id,
        "response_type": "completed",
        "landed_at": landed.to_rfc3339_opts(SecondsFormat::Secs, true),
        "submitted_at": act.at.to_rfc3339_opts(SecondsFormat::Secs, true),
        "metadata": {
            "platform": "other",
            "referer": format!("https://sandbox.typeform.com/to/{form_id}?utm_campaign={}", act.campaign),
        },
        "hidden": { "arm": act.arm, "utm_campaign": act.campaign.to_string() },
        "calculated": { "score": 0 },
        "answers": [
            { "field": { "id": "q1", "ref": "why", "type": "long_text" }, "type": "text", "text": reason },
            { "field": { "id": "q2", "ref": "email", "type": "email" }, "type": "email", "email": act.email },
        ],
    })
}

fn no_credentials() -> Answer {
    refusal(401, "AUTHENTICATION_FAILED", "Authentication credentials not found on the Request Headers.")
}

fn invalid(description: &str) -> Answer {
    refusal(400, "VALIDATION_ERROR", description)
}

fn refusal(status: u16, code: &str, description: &str) -> Answer {
    Answer::json(status, json!({ "code": code, "description": description }).to_string())
}
