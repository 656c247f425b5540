//! A fake `SurveyMonkey` account: the responses of a survey by page number, in the order in which they last changed, those
//! that are partial, disqualified or over quota among them. Addresses in answers name another host than the one asked.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Extension, Path, Query, State};
use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::{Value, json};

use super::faults::{Answer, PageLoop};
use super::submissions::{Submission, by_day, submissions};
use super::world::People;
use super::{Endpoint, Fault, Shared, World, pages};

const LARGEST_PAGE: usize = 100;

/// The question for the address.
pub const EMAIL_QUESTION: &str = "640551";

/// A survey's number.
pub fn survey_number(form_id: &str) -> u64 {
    300_000_000 + form_id.bytes().map(u64::from).sum::<u64>()
}

/// More than 120 calls a minute.
pub fn throttled(seconds: u32) -> Fault {
    refusal(429, "1040", "Rate limit reached", "Too many requests were made, try again later.")
        .with("x-ratelimit-app-global-minute-remaining", "0")
        .with("x-ratelimit-app-global-minute-reset", seconds.to_string())
        .into()
}

/// The token is not taken.
pub fn unauthorized() -> Fault {
    no_token().into()
}

/// The account lives in another region.
pub fn wrong_region() -> Fault {
    refusal(403, "1018", "Permission Error", "The access token was created for another data center.").into()
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/v3/surveys/{survey}/responses/bulk", get(list))
}

async fn list(
    State(state): State<Shared>,
    Path(survey): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    page_loop: Option<Extension<PageLoop>>,
    headers: HeaderMap,
) -> Result<Json<Value>, Answer> {
    if !state.knows(Endpoint::Surveymonkey, &headers) {
        return Err(no_token());
    }
    let world = &state.setup.world;
    let Some(concept) = world.concepts.iter().find(|it| survey_number(&it.form_id).to_string() == survey) else {
        return Err(refusal(
            404,
            "1020",
            "Resource Not Found",
            "There was an error retrieving the requested resource.",
        ));
    };
    let (mut number, mut size, mut since, mut by_change) = (1, 50, None, false);
    for (name, value) in &query {
        let whole = || value.parse::<usize>().ok().filter(|number| *number > 0).ok_or_else(|| invalid(name));
        match (name.as_str(), value.as_str()) {
            ("page", _) => number = whole()?,
            ("per_page", _) => size = whole().map(|size| size.min(LARGEST_PAGE))?,
            ("start_modified_at", _) => since = Some(instant(value).ok_or_else(|| invalid(name))?),
            ("sort_by", "date_modified") => by_change = true,
            ("sort_order", "ASC") => {}
            _ => return Err(invalid(name)),
        }
    }
    let size = size.min(state.setup.form_page_rows);
    let mut all = submissions(world, &concept.form_id, state.now());
    all.retain(|it| since.is_none_or(|since| it.changed_at() >= since));
    if by_change {
        all.sort_by_key(|it| (it.changed_at(), it.number));
    }
    let page = pages::page(&all, (number - 1).saturating_mul(size), size, page_loop.is_some());
    let elsewhere =
        |page: usize| format!("https://api.surveymonkey.net/v3/surveys/{survey}/responses/bulk?page={page}");
    let mut links = json!({ "self": elsewhere(number) });
    if page.next.is_some() {
        links["next"] = elsewhere(number + 1).into();
    }
    let data: Vec<_> = page.rows.iter().map(|it| response(it, &survey)).collect();
    Ok(Json(json!({ "page": number, "per_page": size, "total": all.len(), "data": data, "links": links })))
}

/// To the second, in UTC.
fn instant(text: &str) -> Option<DateTime<Utc>> {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S").ok().map(|at| at.and_utc())
}

fn response(it: &Submission, survey: &str) -> Value {
    const UNFINISHED: [&str; 3] = ["partial", "disqualified", "overquota"];
    let unfinished = UNFINISHED[usize::try_from(it.bits >> 50).unwrap_or_default() % UNFINISHED.len()];
    let answered = json!([
        { "id": EMAIL_QUESTION, "answers": [{ "text": it.email }] },
        { "id": "640552", "answers": [{ "choice_id": "4011", "text": it.why }, { "other_id": "4012", "text": it.why }] },
    ]);
    json!({
        "id": (100_000_000_000 + it.number % 900_000_000_000).to_string(),
        "survey_id": survey,
        "collector_id": "41188",
        "response_status": if it.done_at.is_some() { "completed" } else { unfinished },
        "date_created": it.begun_at.to_rfc3339(),
        "date_modified": it.changed_at().to_rfc3339(),
        "total_time": 90,
        "custom_variables": { "utm_content": it.arm, "utm_campaign": it.campaign.to_string() },
        "href": format!("https://api.surveymonkey.net/v3/responses/{}", it.number),
        "pages": [{ "id": "1", "questions": [] }, { "id": "2", "questions": answered }],
    })
}

/// The truth of those who finished, on the day of their last edit.
pub fn truth(world: &World, form_id: &str, now: DateTime<Utc>) -> People {
    let mut done: Vec<_> = submissions(world, form_id, now).into_iter().filter(|it| it.done_at.is_some()).collect();
    done.sort_by_key(|it| (it.changed_at(), it.number));
    let mut seen = BTreeSet::new();
    done.retain(|it| seen.insert(it.email.to_lowercase()));
    by_day(world, done.iter().map(|it| (it.changed_at(), it.arm.as_str())))
}

fn invalid(what: &str) -> Answer {
    refusal(400, "1002", "Invalid URL parameters", &format!("{what} is invalid"))
}

fn no_token() -> Answer {
    refusal(401, "1011", "Authorization Error", "The authorization token provided was invalid.")
}

fn refusal(status: u16, id: &str, name: &str, message: &str) -> Answer {
    let error = json!({ "id": id, "name": name, "message": message, "http_status_code": status, "docs": "" });
    Answer::json(status, json!({ "error": error }).to_string())
}
