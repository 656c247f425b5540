//! A fake Google Analytics property for each form's concept: `runReport` with its headers, texts for numbers, no list at all where
//! there is nothing, and days of the property's own zone. Sessions are cut from what the page's script told, and go on being
//! worked on for some days.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::http::HeaderMap;
use axum::routing::post;
use axum::{Json, Router};
use chrono::{DateTime, Duration, NaiveDate, Utc};
use serde::Deserialize;
use serde_json::{Value, json};

use super::faults::{Answer, PageLoop};
use super::oauth::Admitted;
use super::submissions::FORGED;
use super::traffic::{Event, events};
use super::{Endpoint, Fault, Shared, World, chance, held, pages};

const LARGEST_PAGE: usize = 250_000;
/// A pause that ends a session.
const PAUSE: Duration = Duration::minutes(30);
/// Reports name a field that is none like this.
const FIELDS: &str = "https://developers.google.com/analytics/devguides/reporting/data/v1/api-schema";

/// The property of a concept: nine digits.
pub fn property(form_id: &str) -> String {
    let number = form_id.bytes().fold(7, |hash, byte| chance::mix(hash ^ u64::from(byte)));
    (100_000_000 + number % 900_000_000).to_string()
}

/// More than ten calls at once.
pub fn throttled() -> Fault {
    refusal(429, "RESOURCE_EXHAUSTED", "Exhausted concurrent requests quota. Please send fewer requests concurrently.")
        .into()
}

/// The hour's allowance is spent, by whichever tool.
pub fn exhausted() -> Fault {
    let message = "Exhausted property tokens per hour. These quota tokens will return in under an hour. To learn more, see \
                   https://developers.google.com/analytics/devguides/reporting/data/v1/quotas";
    refusal(429, "RESOURCE_EXHAUSTED", message).into()
}

/// An error of the vendor's own, of which a property has ten an hour.
pub fn broken() -> Fault {
    refusal(503, "UNAVAILABLE", "The service is currently unavailable.").into()
}

/// What Google may say of an answer that is not what happened.
pub fn spoiled(metadata: &Value) -> Fault {
    let mut answer = json!({
        "rows": [{ "dimensionValues": [{ "value": "20260303" }, { "value": "(other)" }],
            "metricValues": [{ "value": "120" }, { "value": "3" }] }],
        "rowCount": 1,
        "metadata": { "currencyCode": "USD", "timeZone": "America/New_York" },
        "kind": "analyticsData#runReport",
    });
    if let (Some(answer), Some(said)) = (answer["metadata"].as_object_mut(), metadata.as_object()) {
        answer.extend(said.clone());
    }
    Fault::json(200, answer.to_string())
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/v1beta/properties/{call}", post(run_report))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Asked {
    date_ranges: Vec<DateRange>,
    #[serde(default)]
    dimensions: Vec<Name>,
    #[serde(default)]
    metrics: Vec<Name>,
    #[serde(default)]
    order_bys: Vec<OrderBy>,
    #[serde(default)]
    limit: Option<Int64>,
    #[serde(default)]
    offset: Option<Int64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct DateRange {
    start_date: NaiveDate,
    end_date: NaiveDate,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Name {
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OrderBy {
    #[serde(default)]
    desc: bool,
    dimension: OrderDimension,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct OrderDimension {
    dimension_name: String,
}

/// A number of 64 bits, which may be written as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Int64 {
    Number(usize),
    Text(String),
}

impl Int64 {
    fn read(this: Option<&Self>, default: usize) -> Result<usize, Answer> {
        match this {
            None => Ok(default),
            Some(Self::Number(number)) => Ok(*number),
            Some(Self::Text(text)) => text.parse().map_err(|_| invalid("Invalid value (TYPE_INT64)")),
        }
    }
}

/// One visit of one visitor.
struct Session {
    visitor: u64,
    day: NaiveDate,
    tag: Option<String>,
    entry: &'static str,
    events: u64,
    /// Hundredths of key events: Google shares some among the sessions that led to them.
    key_hundredths: u64,
}

/// The sessions that are known of, in no order.
fn sessions(events: &[Event], world: &World) -> Vec<Session> {
    let mut by_visitor = BTreeMap::<u64, Vec<&Event>>::new();
    for event in events {
        by_visitor.entry(event.visitor).or_default().push(event);
    }
    let mut all = Vec::new();
    for (visitor, events) in by_visitor {
        for visit in events.chunk_by(|one, next| next.at - one.at <= PAUSE) {
            let Some(first) = visit.first() else { continue };
            let credit = |event: &&Event| match event.number % 7 {
                0 => 20 + event.number % 70,
                _ => 100,
            };
            all.push(Session {
                visitor,
                day: first.at.with_timezone(&world.zone).date_naive(),
                tag: first.tag.clone(),
                entry: first.entry,
                events: u64::try_from(visit.len()).unwrap_or_default(),
                key_hundredths: visit.iter().filter(|event| event.is_sign_up()).map(credit).sum(),
            });
        }
    }
    all
}

/// Sessions and hundredths of key events, by the property's day and version.
pub fn truth(world: &World, form_id: &str, now: DateTime<Utc>) -> BTreeMap<(NaiveDate, String), (u64, u64)> {
    let mut counts = BTreeMap::<_, (u64, u64)>::new();
    for session in sessions(&events(world, form_id, now), world) {
        let Some(tag) = session.tag.filter(|tag| !FORGED.contains(&tag.as_str())) else { continue };
        let (sessions, keys) = counts.entry((session.day, tag)).or_default();
        *sessions += 1;
        *keys += session.key_hundredths;
    }
    counts
}

/// What came together under the same dimensions.
#[derive(Default)]
struct Bucket {
    sessions: u64,
    visitors: BTreeSet<u64>,
    events: u64,
    key_hundredths: u64,
}

impl Bucket {
    fn value(&self, metric: &str) -> String {
        match metric {
            "sessions" => self.sessions.to_string(),
            "totalUsers" => self.visitors.len().to_string(),
            "eventCount" => self.events.to_string(),
            _ if self.key_hundredths.is_multiple_of(100) => (self.key_hundredths / 100).to_string(),
            _ => format!("{}.{:02}", self.key_hundredths / 100, self.key_hundredths % 100),
        }
    }
}

const DIMENSIONS: [&str; 4] = ["date", "sessionManualAdContent", "sessionManualTerm", "landingPagePlusQueryString"];
const METRICS: [(&str, &str); 5] = [
    ("sessions", "TYPE_INTEGER"),
    ("totalUsers", "TYPE_INTEGER"),
    ("eventCount", "TYPE_INTEGER"),
    ("keyEvents", "TYPE_FLOAT"),
    ("keyEvents:sign_up", "TYPE_FLOAT"),
];

/// What a session has of a dimension.
fn value(session: &Session, dimension: &str) -> String {
    let there = |text: Option<&str>| text.unwrap_or("(not set)").to_owned();
    match dimension {
        "date" => session.day.format("%Y%m%d").to_string(),
        "sessionManualAdContent" => there(session.tag.as_deref()),
        "landingPagePlusQueryString" => match &session.tag {
            Some(tag) => format!("{}?utm_content={tag}", session.entry),
            None => session.entry.to_owned(),
        },
        _ => there(None),
    }
}

async fn run_report(
    State(state): State<Shared>,
    Path(call): Path<String>,
    page_loop: Option<Extension<PageLoop>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Answer> {
    if !matches!(state.admit(Endpoint::GoogleToken, &headers), Admitted::Yes) {
        return Err(refusal(401, "UNAUTHENTICATED", "Request had invalid authentication credentials."));
    }
    let world = &state.setup.world;
    let Some(id) = call.strip_suffix(":runReport") else {
        return Err(refusal(404, "NOT_FOUND", "Method not found."));
    };
    let Some(concept) = world.concepts.iter().find(|concept| property(&concept.form_id) == id) else {
        let message = "User does not have sufficient permissions for this property.";
        return Err(refusal(403, "PERMISSION_DENIED", message));
    };
    let asked: Asked =
        serde_json::from_slice(&body).map_err(|error| invalid(&format!("Invalid JSON payload received. {error}")))?;
    let [DateRange { start_date, end_date }] = asked.date_ranges[..] else {
        return Err(invalid("The pretend property answers for one date range."));
    };
    if end_date < start_date {
        return Err(invalid("startDate must be before endDate."));
    }
    for name in &asked.dimensions {
        if !DIMENSIONS.contains(&name.name.as_str()) {
            return Err(no_field(&name.name, "dimension"));
        }
    }
    let kind = |name: &Name| METRICS.iter().find(|(metric, _)| *metric == name.name).map(|(_, kind)| *kind);
    if let Some(name) = asked.metrics.iter().find(|name| kind(name).is_none()) {
        return Err(no_field(&name.name, "metric"));
    }
    let (limit, offset) = (Int64::read(asked.limit.as_ref(), 10_000)?, Int64::read(asked.offset.as_ref(), 0)?);
    if limit == 0 || limit > LARGEST_PAGE {
        return Err(invalid("The limit must be positive and at most 250000."));
    }
    let mut buckets = BTreeMap::<Vec<String>, Bucket>::new();
    for session in sessions(&state.traffic(&concept.form_id), world) {
        if !(start_date..=end_date).contains(&session.day) {
            continue;
        }
        let of = asked.dimensions.iter().map(|name| value(&session, &name.name)).collect();
        let bucket = buckets.entry(of).or_default();
        bucket.sessions += 1;
        bucket.visitors.insert(session.visitor);
        bucket.events += session.events;
        bucket.key_hundredths += session.key_hundredths;
    }
    let mut rows: Vec<_> = buckets.into_iter().collect();
    // What no order is asked for comes otherwise at each call.
    let turn = held(&state.calls).get(&Endpoint::Ga4).copied().unwrap_or_default();
    rows.sort_by_cached_key(|(of, _)| of.concat().bytes().fold(turn, |hash, byte| chance::mix(hash ^ u64::from(byte))));
    for by in asked.order_bys.iter().rev() {
        let at = asked.dimensions.iter().position(|name| name.name == by.dimension.dimension_name);
        let at = at.ok_or_else(|| invalid("The orderBys name a dimension that is not in the report."))?;
        let turned = |order: Ordering| if by.desc { order.reverse() } else { order };
        rows.sort_by(|one, other| turned(one.0[at].cmp(&other.0[at])));
    }
    let page = pages::page(&rows, offset, limit.min(state.setup.form_page_rows), page_loop.is_some());
    let headers = |names: &[Name]| names.iter().map(|name| json!({ "name": name.name })).collect::<Vec<_>>();
    let mut answer = json!({
        "dimensionHeaders": headers(&asked.dimensions),
        "metricHeaders":
            asked.metrics.iter().map(|name| json!({ "name": name.name, "type": kind(name) })).collect::<Vec<_>>(),
        "metadata": { "currencyCode": world.currency.code(), "timeZone": world.zone.name() },
        "kind": "analyticsData#runReport",
    });
    let texts = |texts: Vec<String>| texts.into_iter().map(|text| json!({ "value": text })).collect::<Vec<_>>();
    if !rows.is_empty() {
        answer["rowCount"] = rows.len().into();
    }
    if !page.rows.is_empty() {
        let row = |(of, bucket): &(Vec<String>, Bucket)| {
            let values = asked.metrics.iter().map(|name| bucket.value(&name.name)).collect();
            json!({ "dimensionValues": texts(of.clone()), "metricValues": texts(values) })
        };
        answer["rows"] = page.rows.iter().map(row).collect();
    }
    Ok(Json(answer))
}

fn no_field(name: &str, kind: &str) -> Answer {
    invalid(&format!("Field {name} is not a valid {kind}. For a list of valid dimensions and metrics, see {FIELDS} "))
}

fn invalid(message: &str) -> Answer {
    refusal(400, "INVALID_ARGUMENT", message)
}

fn refusal(code: u16, status: &str, message: &str) -> Answer {
    Answer::json(code, json!({ "error": { "code": code, "message": message, "status": status } }).to_string())
}
