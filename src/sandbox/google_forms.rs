//! A fake Google form: responses by page token, with no list at all where there are none; an edited one keeps its id and
//! the day it was first sent.

use std::collections::BTreeMap;

use axum::extract::{Extension, Path, Query, State};
use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use super::faults::{Answer, PageLoop};
use super::oauth::Admitted;
use super::submissions::{Submission, submissions};
use super::{Endpoint, Fault, Shared, pages};

const LARGEST_PAGE: usize = 5_000;

/// The short answer that the link fills in.
pub const ARM_QUESTION: &str = "1a2b3c4d";

/// More than 180 calls a minute.
pub fn throttled() -> Fault {
    refusal(429, "RESOURCE_EXHAUSTED", "Quota exceeded for quota metric 'Expensive read requests'").into()
}

/// The access token is not taken any more.
pub fn expired() -> Fault {
    refusal(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.").into()
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/v1/forms/{form_id}/responses", get(list))
}

async fn list(
    State(state): State<Shared>,
    Path(form_id): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    page_loop: Option<Extension<PageLoop>>,
    headers: HeaderMap,
) -> Result<Json<Value>, Answer> {
    if !matches!(state.admit(Endpoint::GoogleToken, &headers), Admitted::Yes) {
        return Err(refusal(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."));
    }
    let world = &state.setup.world;
    if world.form(&form_id).is_none() {
        return Err(refusal(404, "NOT_FOUND", "Requested entity was not found."));
    }
    let (mut size, mut since, mut start) = (LARGEST_PAGE, None, 0_usize);
    let filter = query.get("filter").map(String::as_str).unwrap_or_default();
    for (name, value) in &query {
        match name.as_str() {
            "pageSize" => {
                size = value.parse().ok().filter(|size| (1..=LARGEST_PAGE).contains(size)).ok_or_else(invalid)?;
            }
            "filter" => since = Some(timestamp(value).ok_or_else(invalid)?),
            // A token is good for the filter it was given out with.
            "pageToken" => {
                let token = value.split_once(' ').filter(|(_, of)| *of == filter);
                start = token.and_then(|(start, _)| start.parse().ok()).ok_or_else(invalid)?;
            }
            _ => return Err(invalid()),
        }
    }
    let inside = |it: &Submission| {
        it.done_at.is_some()
            && since.is_none_or(|(at, or_equal)| it.changed_at() > at || or_equal && it.changed_at() == at)
    };
    let all: Vec<_> = submissions(world, &form_id, state.now()).into_iter().filter(inside).collect();
    let page = pages::page(&all, start, size.min(state.setup.form_page_rows), page_loop.is_some());
    let mut answer = Map::new();
    if !page.rows.is_empty() {
        answer.insert("responses".into(), page.rows.iter().map(response).collect::<Vec<_>>().into());
    }
    if let Some(next) = page.next {
        answer.insert("nextPageToken".into(), format!("{next} {filter}").into());
    }
    Ok(Json(answer.into()))
}

/// `timestamp > T` or `timestamp >= T`, and no other form.
fn timestamp(filter: &str) -> Option<(DateTime<Utc>, bool)> {
    let (operator, at) = filter.strip_prefix("timestamp ")?.split_once(' ')?;
    let or_equal = match operator {
        ">" => false,
        ">=" => true,
        _ => return None,
    };
    Some((at.parse().ok().filter(|_| at.ends_with('Z'))?, or_equal))
}

fn response(it: &Submission) -> Value {
    let created = it.done_at.unwrap_or(it.begun_at);
    let answer = |id: &str, text: &str| json!({ "questionId": id, "textAnswers": { "answers": [{ "value": text }] } });
    // A question that was not answered is not there.
    let mut answers = Map::new();
    answers.insert(ARM_QUESTION.into(), answer(ARM_QUESTION, &it.arm));
    if !it.why.is_empty() {
        answers.insert("5e6f".into(), answer("5e6f", it.why));
    }
    json!({
        "responseId": format!("ACYDBN{:x}", it.number),
        "createTime": created.to_rfc3339_opts(SecondsFormat::Millis, true),
        "lastSubmittedTime": it.changed_at().to_rfc3339_opts(SecondsFormat::Nanos, true),
        "respondentEmail": it.email,
        "answers": answers,
    })
}

fn invalid() -> Answer {
    refusal(400, "INVALID_ARGUMENT", "Request contains an invalid argument.")
}

fn refusal(code: u16, status: &str, message: &str) -> Answer {
    Answer::json(code, json!({ "error": { "code": code, "message": message, "status": status } }).to_string())
}
