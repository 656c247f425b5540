//! Searches for contacts, deals and meetings: filters, one order, pages by a number that stops at the ceiling.

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::http::HeaderMap;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Map, Value, json};

use super::{Outcome, admit, contacts, deals, invalid, meetings};
use crate::sandbox::faults::{Answer, PageLoop};
use crate::sandbox::submissions::Submission;
use crate::sandbox::{Shared, pages};

const LARGEST_PAGE: u64 = 200;

/// What is stored of one thing: properties, with `None` where nothing stands.
struct Thing {
    id: u64,
    created_at: DateTime<Utc>,
    properties: Vec<(&'static str, Option<String>)>,
}

impl Thing {
    fn property(&self, name: &str) -> Option<&Option<String>> {
        self.properties.iter().find(|(known, _)| *known == name).map(|(_, value)| value)
    }
}

pub(super) async fn search(
    State(state): State<Shared>,
    Path(kind): Path<String>,
    page_loop: Option<Extension<PageLoop>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Answer> {
    admit(&state, &headers)?;
    let (world, now) = (&state.setup.world, state.now());
    let mut found: Vec<Thing> = match kind.as_str() {
        "contacts" => contacts(world, now).iter().map(contact).collect(),
        "deals" => deals(world, now).iter().map(deal).collect(),
        "meetings" => meetings(world, now).iter().map(meeting).collect(),
        _ => return Err(invalid("objectType")),
    };
    let asked: Value = serde_json::from_slice(&body).map_err(|_| invalid("body"))?;
    let asked = asked.as_object().ok_or_else(|| invalid("body"))?;
    let (mut limit, mut start, mut wanted) = (10, 0, Vec::new());
    for (name, value) in asked {
        match name.as_str() {
            "limit" => {
                limit = value.as_u64().filter(|it| (1..=LARGEST_PAGE).contains(it)).ok_or_else(|| invalid(name))?;
            }
            "after" => start = value.as_str().and_then(|at| at.parse().ok()).ok_or_else(|| invalid(name))?,
            "properties" => {
                let names: Option<Vec<&str>> = value.as_array().and_then(|it| it.iter().map(Value::as_str).collect());
                wanted = names.ok_or_else(|| invalid(name))?;
            }
            "sorts" => sort(&mut found, value).ok_or_else(|| invalid(name))?,
            "filterGroups" => filter(&mut found, value).ok_or_else(|| invalid(name))?,
            _ => return Err(invalid(name)),
        }
    }
    if start >= state.setup.hubspot.ceiling && start > 0 {
        return Err(invalid("the `after` value is beyond what a search gives"));
    }
    let size = usize::try_from(limit).unwrap_or_default().min(state.setup.form_page_rows);
    let page = pages::page(&found, start, size, page_loop.is_some());
    let results: Vec<_> = page.rows.iter().map(|thing| print(thing, &wanted)).collect();
    let mut answer = json!({ "total": found.len(), "results": results });
    if let Some(next) = page.next {
        answer["paging"] = json!({ "next": { "after": next.to_string() } });
    }
    Ok(Json(answer))
}

/// One property, ascending or descending.
fn sort(found: &mut [Thing], sorts: &Value) -> Option<()> {
    let [sort] = sorts.as_array()?.as_slice() else { return None };
    let name = sort["propertyName"].as_str()?;
    found.sort_by_key(|thing| (thing.property(name).cloned(), thing.id));
    match sort["direction"].as_str()? {
        "ASCENDING" => {}
        "DESCENDING" => found.reverse(),
        _ => return None,
    }
    Some(())
}

/// One group of filters that must all hold. Dates are compared as milliseconds.
fn filter(found: &mut Vec<Thing>, groups: &Value) -> Option<()> {
    let [group] = groups.as_array()?.as_slice() else { return None };
    for filter in group["filters"].as_array()? {
        let (name, value) = (filter["propertyName"].as_str()?, filter["value"].as_str()?);
        // A filter on what no thing has is refused, unlike a property that is asked for.
        if found.first().is_some_and(|thing| thing.property(name).is_none()) {
            return None;
        }
        let keeps: fn(i64, i64) -> bool = match filter["operator"].as_str()? {
            "EQ" => {
                found.retain(|thing| thing.property(name).and_then(|it| it.as_deref()) == Some(value));
                continue;
            }
            "GTE" => |at, bound| at >= bound,
            "LT" => |at, bound| at < bound,
            "LTE" => |at, bound| at <= bound,
            _ => return None,
        };
        let bound: i64 = value.parse().ok()?;
        let at =
            |thing: &Thing| Some(thing.property(name)?.as_ref()?.parse::<DateTime<Utc>>().ok()?.timestamp_millis());
        found.retain(|thing| at(thing).is_some_and(|at| keeps(at, bound)));
    }
    Some(())
}

fn print(thing: &Thing, wanted: &[&str]) -> Value {
    let mut properties = Map::new();
    properties.insert("hs_object_id".into(), thing.id.to_string().into());
    for name in wanted {
        if let Some(value) = thing.property(name) {
            properties.insert((*name).to_owned(), value.clone().into());
        }
    }
    let created = instant(thing.created_at);
    json!({ "id": thing.id.to_string(), "createdAt": created, "updatedAt": created, "archived": false, "properties": properties })
}

fn instant(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

fn id(of: &Submission) -> u64 {
    of.number % 1_000_000_000_000
}

fn contact(of: &Submission) -> Thing {
    let created_at = of.done_at.unwrap_or(of.begun_at);
    let mut properties = dated(of, created_at);
    properties.extend([
        ("email", Some(of.email.clone())),
        ("createdate", Some(instant(created_at))),
        ("lastmodifieddate", Some(instant(of.changed_at()))),
        ("lifecyclestage", Some("lead".to_owned())),
        ("hs_analytics_source", Some("PAID_SEARCH".to_owned())),
        ("hs_analytics_source_data_1", Some(of.arm.clone())),
    ]);
    Thing { id: id(of), created_at, properties }
}

fn deal(it: &Outcome) -> Thing {
    let mut properties = dated(&it.of, it.at);
    properties.extend([
        ("dealstage", Some(if it.holds { "closedwon" } else { "1144602001" }.to_owned())),
        ("hs_is_closed_won", Some(it.holds.to_string())),
        ("closedate", Some(instant(it.at))),
        ("amount", Some("49.00".to_owned())),
        ("concept", Some(it.of.arm.clone())),
    ]);
    Thing { id: id(&it.of), created_at: it.of.begun_at, properties }
}

fn meeting(it: &Outcome) -> Thing {
    let mut properties = dated(&it.of, it.at);
    properties.extend([
        ("hs_meeting_outcome", Some(if it.holds { "COMPLETED" } else { "NO_SHOW" }.to_owned())),
        ("hs_meeting_start_time", Some(instant(it.at))),
        ("hs_activity_type", Some(it.of.arm.clone())),
    ]);
    Thing { id: id(&it.of), created_at: it.of.begun_at, properties }
}

/// What every thing has.
fn dated(of: &Submission, at: DateTime<Utc>) -> Vec<(&'static str, Option<String>)> {
    vec![
        ("hs_createdate", Some(instant(of.begun_at))),
        ("hs_lastmodifieddate", Some(instant(at))),
        ("notes", Some(of.why.to_owned())),
        ("description", None),
    ]
}
