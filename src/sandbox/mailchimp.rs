//! A fake Mailchimp audience: its members by offset, those who have not confirmed, whose address bounces, who left and
//! who were imported among them. One person is one member, known by a hash of the address.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use axum::extract::{Extension, Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};

use super::faults::{Answer, PageLoop};
use super::submissions::{Submission, by_day, people};
use super::world::People;
use super::{Endpoint, Fault, Shared, World, pages};

const LARGEST_PAGE: usize = 1_000;

/// The `source` of members who came by the form.
pub const FORM_SOURCE: &str = "Hosted Signup Form";

/// More than ten calls at one time, as it shows under load: a refusal without a word.
pub fn throttled() -> Fault {
    Answer::new(403, "text/html", "<html><title>Access Denied</title></html>".into()).into()
}

/// The key is not taken.
pub fn unauthorized() -> Fault {
    no_key().into()
}

/// The key may not read this audience.
pub fn forbidden() -> Fault {
    refusal(403, "Forbidden", "You are not permitted to access this resource.").into()
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/3.0/lists/{list}/members", get(members))
}

/// One member.
struct Member {
    of: Submission,
    /// When the address was confirmed: of one in ten a day late.
    opted_at: DateTime<Utc>,
    status: &'static str,
    source: &'static str,
}

fn all(world: &World, list: &str, now: DateTime<Utc>) -> Vec<Member> {
    let member = |of: Submission| {
        let done = of.done_at.unwrap_or(of.begun_at);
        let opted_at = done + if of.bits % 10 == 4 { Duration::hours(26) } else { Duration::minutes(1) };
        let status = match of.bits % 41 {
            _ if opted_at > now => "pending",
            0..3 if opted_at + Duration::hours(30) <= now => "unsubscribed",
            3..5 if opted_at + Duration::hours(30) <= now => "cleaned",
            _ => "subscribed",
        };
        Member { opted_at, status, source: if of.bits % 23 == 7 { "Import" } else { FORM_SOURCE }, of }
    };
    let mut all: Vec<_> = people(world, list, now).into_iter().map(member).collect();
    all.sort_by_key(|member| (member.of.done_at, member.of.number));
    all
}

/// The truth of those who came by the form and confirmed, and whose address is one.
pub fn truth(world: &World, list: &str, now: DateTime<Utc>) -> People {
    let all = all(world, list, now);
    let counts = |it: &&Member| it.source == FORM_SOURCE && ["subscribed", "unsubscribed"].contains(&it.status);
    by_day(world, all.iter().filter(counts).map(|member| (member.opted_at, member.of.arm.as_str())))
}

async fn members(
    State(state): State<Shared>,
    Path(list): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    page_loop: Option<Extension<PageLoop>>,
    headers: HeaderMap,
) -> Result<Json<Value>, Answer> {
    let key = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
    let key = key.and_then(|basic| String::from_utf8(BASE64_STANDARD.decode(basic).ok()?).ok());
    let key = key.as_deref().and_then(|basic| basic.split_once(':')).map(|(_, key)| key);
    if key != Some(state.setup.secrets.api_token(Endpoint::Mailchimp).as_str()) {
        return Err(no_key());
    }
    let world = &state.setup.world;
    if world.form(&list).is_none() {
        return Err(refusal(404, "Resource Not Found", "The requested resource could not be found."));
    }
    let (mut offset, mut count, mut since, mut status) = (0, 10, None, None);
    for (name, value) in &query {
        let number = || value.parse::<usize>().map_err(|_| refusal(400, "Bad Request", name));
        match name.as_str() {
            "offset" => offset = number()?,
            "count" => count = number()?.min(LARGEST_PAGE),
            "status" => status = Some(value.as_str()),
            "fields" => {}
            "since_timestamp_opt" => {
                let at = value.parse::<DateTime<Utc>>();
                since = Some(at.map_err(|_| refusal(400, "Bad Request", "since_timestamp_opt"))?);
            }
            _ => return Err(refusal(400, "Bad Request", name)),
        }
    }
    let mut all = all(world, &list, state.now());
    // Who has not confirmed has no such time, and is in every list.
    all.retain(|it| it.status == "pending" || since.is_none_or(|since| it.opted_at > since));
    all.retain(|it| status.is_none_or(|status| it.status == status));
    let count = count.min(state.setup.form_page_rows);
    let shown: Vec<_> = pages::page(&all, offset, count, page_loop.is_some()).rows.iter().map(print).collect();
    Ok(Json(json!({ "members": shown, "list_id": list, "total_items": all.len() })))
}

fn print(member: &Member) -> Value {
    let of = &member.of;
    let mut hasher = DefaultHasher::new();
    of.email.to_lowercase().hash(&mut hasher);
    let by_api = of.bits % 3 == 1;
    json!({
        "id": format!("{:016x}{:016x}", hasher.finish(), super::chance::mix(hasher.finish())),
        "contact_id": format!("c{:x}", of.number),
        "email_address": of.email,
        "status": member.status,
        "timestamp_signup": if by_api { String::new() } else { of.begun_at.to_rfc3339() },
        "timestamp_opt": if member.status == "pending" { String::new() } else { member.opted_at.to_rfc3339() },
        "last_changed": of.changed_at().to_rfc3339(),
        "source": member.source,
        "merge_fields": { "FNAME": of.why, "ARM": of.arm },
        "tags": [],
    })
}

fn no_key() -> Answer {
    refusal(401, "API Key Invalid", "Your API key may be invalid, or you've attempted to access the wrong datacenter.")
}

fn refusal(status: u16, title: &str, detail: &str) -> Answer {
    let body = json!({ "type": "about:blank", "title": title, "status": status, "detail": detail, "instance": "" });
    Answer::new(status, "application/problem+json", body.to_string())
}
