//! A row of insights: every number as text, a zero left out, and a list of actions whose kinds overlap.

use serde_json::{Map, Value, json};

use super::ask::Ask;
use crate::sandbox::table::Row;
use crate::sandbox::world::{Entity, Figures, World};

/// What is shown of one row, fields in no particular order.
pub(super) fn print(world: &World, ask: &Ask, row: &Row) -> Value {
    let mut out = Map::new();
    // The days are there whether asked for or not.
    out.insert("date_start".into(), json!(row.first.to_string()));
    out.insert("date_stop".into(), json!(row.last.to_string()));
    let (figures, entity) = (&row.figures, row.entity.as_ref());
    for field in &ask.fields {
        let value = match field.as_str() {
            "account_id" => Some(json!(world.customer_id)),
            "account_name" => Some(json!("Sandbox")),
            "account_currency" => Some(json!(world.currency.to_string())),
            // What lies below the level asked for is not there.
            "campaign_id" => entity.map(|it| json!(it.campaign.to_string())),
            "campaign_name" => entity.map(|it| json!(it.campaign_name)),
            "adset_id" => entity.and_then(|it| it.ad_group).map(|id| json!(id.to_string())),
            "adset_name" => entity.and_then(Entity::ad_group_name).map(Value::from),
            "ad_id" => entity.and_then(|it| it.ad).map(|id| json!(id.to_string())),
            "ad_name" => entity.and_then(Entity::ad_name).map(Value::from),
            "impressions" => count(figures.impressions),
            "clicks" => count(all_clicks(figures)),
            "inline_link_clicks" => count(figures.clicks),
            "inline_post_engagement" => count(figures.engagements),
            "outbound_clicks" => {
                count(figures.clicks).map(|n| json!([{ "action_type": "outbound_click", "value": n }]))
            }
            "reach" => count(figures.impressions * 4 / 5),
            "frequency" => (figures.impressions > 0).then(|| json!("1.25")),
            "spend" => (figures.cost_micros > 0).then(|| json!(major_units(figures.cost_micros))),
            "actions" => actions(figures, &ask.windows),
            "cost_per_action_type" => (figures.clicks > 0).then(
                || json!([{ "action_type": "link_click", "value": major_units(figures.cost_micros / figures.clicks) }]),
            ),
            // `conversions` holds custom conversions: this account has none. The days stand already.
            _ => None,
        };
        if let Some(value) = value {
            out.insert(field.clone(), value);
        }
    }
    Value::Object(out)
}

/// Clicks of every kind, on the link and on the post.
fn all_clicks(figures: &Figures) -> u64 {
    figures.clicks + (figures.engagements - figures.clicks) / 2
}

fn count(count: u64) -> Option<Value> {
    (count > 0).then(|| json!(count.to_string()))
}

fn major_units(micros: u64) -> String {
    format!("{}.{:02}", micros / 1_000_000, micros % 1_000_000 / 10_000)
}

/// One thing a person did stands under several kinds: summing them counts it again.
fn actions(figures: &Figures, windows: &[String]) -> Option<Value> {
    let &Figures { clicks, engagements, leads, view_leads, .. } = figures;
    let on_post = engagements - clicks;
    // What came after a click, what after a mere view.
    let kinds = [
        ("link_click", clicks, 0),
        ("landing_page_view", clicks * 4 / 5, 0),
        ("post_reaction", on_post / 2, 0),
        ("comment", on_post / 8, 0),
        ("post", on_post / 8, 0),
        ("post_engagement", engagements, 0),
        ("page_engagement", engagements + engagements / 10, 0),
        ("lead", leads, view_leads),
        ("onsite_conversion.lead_grouped", leads / 3, 0),
        ("offsite_conversion.fb_pixel_lead", leads - leads / 3, view_leads),
        ("complete_registration", leads, view_leads),
        ("omni_complete_registration", leads, view_leads),
        ("offsite_conversion.fb_pixel_complete_registration", leads, view_leads),
    ];
    let entries = kinds.into_iter().filter_map(|(kind, clicked, viewed)| action(kind, clicked, viewed, windows));
    let entries: Vec<Value> = entries.collect();
    (!entries.is_empty()).then_some(Value::Array(entries))
}

/// An entry: what the windows asked for hold together, and each of them. Nine in ten come within a day of
/// the click, all within a week.
fn action(kind: &str, clicked: u64, viewed: u64, windows: &[String]) -> Option<Value> {
    let within = |window: &str| match window {
        "1d_click" => clicked - clicked / 10,
        "7d_click" | "28d_click" => clicked,
        "1d_view" => viewed,
        _ => 0,
    };
    let asked = |ending: &str| {
        let windows = windows.iter().filter(|window| window.ends_with(ending));
        windows.map(|window| within(window)).max().unwrap_or(0)
    };
    let total = if windows.is_empty() { clicked + viewed } else { asked("_click") + asked("_view") };
    let mut entry = Map::new();
    entry.insert("action_type".into(), json!(kind));
    entry.insert("value".into(), count(total)?);
    for window in windows {
        if let Some(value) = count(within(window)) {
            entry.insert(window.clone(), value);
        }
    }
    Some(Value::Object(entry))
}
