//! A fake Tally account: the submissions of a form by page, questions once and answers that refer to them, those not
//! finished among them unless they are filtered out.

use std::collections::BTreeMap;

use axum::extract::{Extension, Path, Query, State};
use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Json, Router};
use chrono::SecondsFormat;
use serde_json::{Value, json};

use super::faults::{Answer, PageLoop};
use super::submissions::{Submission, submissions};
use super::{Endpoint, Fault, Shared, pages};

const PAGE: usize = 50;
const LARGEST_PAGE: usize = 100;

/// The question of the hidden field, and the one for the address.
pub const QUESTIONS: [&str; 2] = ["wArM29", "qMaiL7"];
const WHY: &str = "xWhY01";

/// More than 100 calls a minute.
pub fn throttled() -> Fault {
    refusal(429, "Too many requests").into()
}

/// The key is not taken, as when its user has left.
pub fn unauthorized() -> Fault {
    refusal(401, "Unauthorized").into()
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/forms/{form_id}/submissions", get(list))
}

async fn list(
    State(state): State<Shared>,
    Path(form_id): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    page_loop: Option<Extension<PageLoop>>,
    headers: HeaderMap,
) -> Result<Json<Value>, Answer> {
    if !state.knows(Endpoint::Tally, &headers) {
        return Err(refusal(401, "Unauthorized"));
    }
    let world = &state.setup.world;
    if world.form(&form_id).is_none() {
        return Err(refusal(404, "Form not found"));
    }
    let (mut number, mut limit, mut wanted) = (1, PAGE, None);
    for (name, value) in &query {
        let whole = || value.parse::<usize>().ok().filter(|number| *number > 0);
        match (name.as_str(), value.as_str()) {
            ("page", _) => number = whole().ok_or_else(|| refusal(400, "page"))?,
            ("limit", _) => limit = whole().filter(|it| *it <= LARGEST_PAGE).ok_or_else(|| refusal(400, "limit"))?,
            ("filter", "all") => {}
            ("filter", "completed") => wanted = Some(true),
            ("filter", "partial") => wanted = Some(false),
            _ => return Err(refusal(400, "unknown parameter")),
        }
    }
    let limit = limit.min(state.setup.form_page_rows);
    let all = submissions(world, &form_id, state.now());
    let completed = all.iter().filter(|it| it.done_at.is_some()).count();
    let shown: Vec<&Submission> =
        all.iter().filter(|it| wanted.is_none_or(|done| it.done_at.is_some() == done)).collect();
    let part = pages::page(&shown, (number - 1).saturating_mul(limit), limit, page_loop.is_some());
    Ok(Json(json!({
        "page": number,
        "limit": limit,
        "hasMore": part.next.is_some(),
        "totalNumberOfSubmissionsPerFilter":
            { "all": all.len(), "completed": completed, "partial": all.len() - completed },
        "questions": [
            { "id": WHY, "type": "TEXTAREA", "title": "What is missing?" },
            { "id": QUESTIONS[0], "type": "HIDDEN_FIELDS", "title": "arm" },
            { "id": QUESTIONS[1], "type": "INPUT_EMAIL", "title": "Where can we reach you?" },
        ],
        "submissions": part.rows.iter().map(|it| submission(it, &form_id)).collect::<Vec<_>>(),
    })))
}

fn submission(it: &Submission, form_id: &str) -> Value {
    let answer = |question: &str, answer: &str| json!({ "id": format!("{question}{}", it.number), "questionId": question, "answer": answer });
    let mut responses = vec![answer(QUESTIONS[0], &it.arm), answer(WHY, it.why)];
    if it.done_at.is_some() {
        responses.push(answer(QUESTIONS[1], &it.email));
    }
    json!({
        "id": format!("{:x}", it.number),
        "formId": form_id,
        "respondentId": format!("r{:x}", it.bits),
        "isCompleted": it.done_at.is_some(),
        "submittedAt": it.done_at.unwrap_or(it.begun_at).to_rfc3339_opts(SecondsFormat::Millis, true),
        "responses": responses,
    })
}

fn refusal(status: u16, message: &str) -> Answer {
    Answer::json(status, json!({ "message": message }).to_string())
}
