//! A fake Calendly organisation: meetings by when they start, the people of each, and what becomes of them: who moves a
//! meeting is called off in one and comes again in another.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::{Extension, Path, Query, State};
use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Json, Router};
use chrono::{DateTime, Duration, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::faults::{Answer, PageLoop};
use super::submissions::{self, Submission, by_day};
use super::world::People;
use super::{Endpoint, Fault, Shared, World, pages};

const LARGEST_PAGE: usize = 100;
const API: &str = "https://api.calendly.com";

/// Whose meetings they are.
pub const ORGANIZATION: &str = "https://api.calendly.com/organizations/ACMEACME";

/// More calls than the plan gives a minute: without a body, and with the seconds to go in a header.
pub fn throttled(seconds: u32) -> Fault {
    Answer::json(429, String::new())
        .with("x-ratelimit-limit", "50")
        .with("x-ratelimit-remaining", "0")
        .with("x-ratelimit-reset", seconds.to_string())
        .into()
}

/// The token is not taken.
pub fn unauthorized() -> Fault {
    no_token().into()
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/scheduled_events", get(events)).route("/scheduled_events/{event}/invitees", get(invitees))
}

/// One meeting with one person.
struct Booking {
    /// Tells the meeting; the person in it has the same one.
    number: u64,
    booked_at: DateTime<Utc>,
    starts_at: DateTime<Utc>,
    /// The one it took the place of, and the one that took its place.
    before: Option<u64>,
    after: Option<u64>,
    off: bool,
    of: Submission,
}

/// Everything booked up to now, in order of start. One in five is moved, and some of those again; one in seven called off.
fn bookings(world: &World, now: DateTime<Utc>) -> Vec<Booking> {
    let forms: Vec<&str> = world.concepts.iter().map(|concept| concept.form_id.as_str()).collect();
    let acts = forms.into_iter().flat_map(|form| submissions::submissions(world, form, now));
    let mut all = Vec::new();
    for of in acts {
        let Some(booked_at) = of.done_at else { continue };
        let called_off = of.bits % 7 == 2 && booked_at + Duration::hours(50) <= now;
        let moves = if of.bits % 25 == 0 { 2 } else { i32::from(of.bits % 5 == 0) };
        let times: Vec<_> =
            (0..=moves).map(|nth| booked_at + Duration::hours(20) * nth).filter(|at| *at <= now).collect();
        let number = |nth: usize| of.number.wrapping_add(nth as u64);
        for (nth, &at) in times.iter().enumerate() {
            let last = nth + 1 == times.len();
            all.push(Booking {
                number: number(nth),
                booked_at: at,
                starts_at: at + Duration::hours(72 + i64::try_from(of.bits % 200).unwrap_or_default()),
                before: nth.checked_sub(1).map(number),
                after: (!last).then(|| number(nth + 1)),
                off: !last || called_off,
                of: Submission { email: of.email.clone(), arm: of.arm.clone(), ..of },
            });
        }
    }
    all.sort_by_key(|booking| (booking.starts_at, booking.number));
    all
}

/// The truth of those who have a booking that stands.
pub fn truth(world: &World, now: DateTime<Utc>) -> People {
    let mut standing: Vec<_> = bookings(world, now).into_iter().filter(|booking| !booking.off).collect();
    standing.sort_by_key(|booking| (booking.booked_at, booking.number));
    let mut seen = BTreeSet::new();
    standing.retain(|booking| seen.insert(booking.of.email.to_lowercase()));
    by_day(world, standing.iter().map(|booking| (booking.booked_at, booking.of.arm.as_str())))
}

/// How many bookings were moved, and how many called off for good.
pub fn moved_and_called_off(world: &World, now: DateTime<Utc>) -> (usize, usize) {
    let all = bookings(world, now);
    let moved = all.iter().filter(|booking| booking.after.is_some()).count();
    (moved, all.iter().filter(|booking| booking.off).count() - moved)
}

async fn events(
    State(state): State<Shared>,
    Query(query): Query<BTreeMap<String, String>>,
    page_loop: Option<Extension<PageLoop>>,
    headers: HeaderMap,
) -> Result<Json<Value>, Answer> {
    admit(&state, &headers)?;
    if query.get("organization").map(String::as_str) != Some(ORGANIZATION) {
        return Err(refusal(403, "Permission Denied", "You do not have permission to access this resource."));
    }
    let mut shown = bookings(&state.setup.world, state.now());
    for (name, value) in &query {
        let at = || value.parse::<DateTime<Utc>>().map_err(|_| refusal(400, "Invalid Argument", name));
        match (name.as_str(), value.as_str()) {
            ("status", "active") => shown.retain(|it| !it.off),
            ("status", "canceled") => shown.retain(|it| it.off),
            ("min_start_time", _) => at().map(|at| shown.retain(|it| it.starts_at >= at))?,
            ("max_start_time", _) => at().map(|at| shown.retain(|it| it.starts_at <= at))?,
            ("organization" | "count" | "page_token", _) | ("sort", "start_time:asc") => {}
            _ => return Err(refusal(400, "Invalid Argument", name)),
        }
    }
    page(&state, &query, page_loop.is_some(), &shown, event).map(Json)
}

async fn invitees(
    State(state): State<Shared>,
    Path(name): Path<String>,
    Query(query): Query<BTreeMap<String, String>>,
    page_loop: Option<Extension<PageLoop>>,
    headers: HeaderMap,
) -> Result<Json<Value>, Answer> {
    admit(&state, &headers)?;
    let mut all = bookings(&state.setup.world, state.now());
    all.retain(|booking| event_name(booking.number) == name);
    if all.is_empty() {
        return Err(refusal(404, "Resource Not Found", "The server could not find the requested resource."));
    }
    page(&state, &query, page_loop.is_some(), &all, invitee).map(Json)
}

/// A page by a token that says where it starts.
fn page(
    state: &Shared,
    query: &BTreeMap<String, String>,
    looping: bool,
    all: &[Booking],
    print: fn(&Booking) -> Value,
) -> Result<Value, Answer> {
    let wrong = |name: &str| refusal(400, "Invalid Argument", name);
    let size = match query.get("count") {
        None => 20,
        Some(count) => count.parse().ok().filter(|it| (1..=LARGEST_PAGE).contains(it)).ok_or_else(|| wrong("count"))?,
    };
    let start = match query.get("page_token") {
        None => 0,
        Some(token) => token.strip_prefix('t').and_then(|at| at.parse().ok()).ok_or_else(|| wrong("page_token"))?,
    };
    let page = pages::page(all, start, size.min(state.setup.form_page_rows), looping);
    let next = page.next.map(|next| format!("t{next}"));
    let shown: Vec<_> = page.rows.iter().map(print).collect();
    let address = next.as_ref().map(|next| format!("{API}/scheduled_events?page_token={next}"));
    Ok(json!({
        "pagination": { "count": shown.len(), "next_page": address, "next_page_token": next },
        "collection": shown,
    }))
}

fn event_name(number: u64) -> String {
    format!("E{number:016X}")
}

fn address(number: u64) -> String {
    format!("{API}/scheduled_events/{}/invitees/I{number:016X}", event_name(number))
}

fn status(booking: &Booking) -> &'static str {
    if booking.off { "canceled" } else { "active" }
}

fn event(booking: &Booking) -> Value {
    json!({
        "uri": format!("{API}/scheduled_events/{}", event_name(booking.number)),
        "name": "Demo",
        "status": status(booking),
        "start_time": booking.starts_at.to_rfc3339_opts(SecondsFormat::Micros, true),
        "end_time": (booking.starts_at + Duration::minutes(30)).to_rfc3339_opts(SecondsFormat::Micros, true),
        "event_type": format!("{API}/event_types/DEMO"),
        "invitees_counter": { "total": 1, "active": u8::from(!booking.off), "limit": 1 },
    })
}

fn invitee(booking: &Booking) -> Value {
    let (of, at) = (&booking.of, booking.booked_at);
    // The digits after the second differ from one to the next.
    let digits = [SecondsFormat::Micros, SecondsFormat::Secs, SecondsFormat::Millis];
    let digits = digits[usize::try_from(of.bits >> 20).unwrap_or_default() % digits.len()];
    json!({
        "uri": address(booking.number),
        "email": of.email,
        "name": "<b>Ann</b>",
        "status": status(booking),
        "rescheduled": booking.after.is_some(),
        "old_invitee": booking.before.map(address),
        "new_invitee": booking.after.map(address),
        "no_show": null,
        "created_at": at.to_rfc3339_opts(digits, true),
        "timezone": "Europe/Paris",
        "questions_and_answers": [{ "position": 0, "question": "What hurts?", "answer": of.why }],
        "tracking": { "utm_source": "meta", "utm_campaign": of.campaign.to_string(), "utm_content": of.arm, "salesforce_uuid": null },
        "payment": null,
    })
}

fn admit(state: &Shared, headers: &HeaderMap) -> Result<(), Answer> {
    if state.knows(Endpoint::Calendly, headers) { Ok(()) } else { Err(no_token()) }
}

fn no_token() -> Answer {
    refusal(401, "Unauthenticated", "The access token is invalid")
}

fn refusal(status: u16, title: &str, message: &str) -> Answer {
    Answer::json(status, json!({ "title": title, "message": message, "details": [] }).to_string())
}
