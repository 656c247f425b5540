//! What a call for insights asks for, read as strictly as the vendor reads it.

use chrono::{Months, NaiveDate};
use serde_json::Value;

use super::{Answer, Params, bad, page_too_large};
use crate::sandbox::world::Level;

/// Rows in a page unless asked otherwise.
const PAGE: usize = 25;
/// How far back figures are kept.
const OLDEST: Months = Months::new(37);
/// Attribution windows that are still kept; `7d_view` and `28d_view` went in January 2026.
const WINDOWS: [&str; 5] = ["1d_click", "7d_click", "28d_click", "1d_ev", "1d_view"];
/// Every field of a row that this account knows.
const FIELDS: [&str; 22] = [
    "account_id",
    "account_name",
    "account_currency",
    "campaign_id",
    "campaign_name",
    "adset_id",
    "adset_name",
    "ad_id",
    "ad_name",
    "impressions",
    "clicks",
    "inline_link_clicks",
    "inline_post_engagement",
    "outbound_clicks",
    "reach",
    "frequency",
    "spend",
    "actions",
    "conversions",
    "cost_per_action_type",
    "date_start",
    "date_stop",
];

/// A call for insights.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    /// `None`: the account as a whole, as when nothing is said.
    pub(super) level: Option<Level>,
    /// First and last day, both inclusive.
    pub(super) first: NaiveDate,
    pub(super) last: NaiveDate,
    /// A row a day, or one for all of them.
    pub(super) by_day: bool,
    pub(super) fields: Vec<String>,
    /// Attribution windows; empty: whatever is the default.
    pub(super) windows: Vec<String>,
}

impl Ask {
    pub(super) fn read(params: &Params, today: NaiveDate) -> Result<Self, Answer> {
        // Thirty days without today, one row for them, the account as a whole: what comes unasked.
        let mut ask = Self {
            level: None,
            first: today - chrono::Days::new(30),
            last: today - chrono::Days::new(1),
            by_day: false,
            fields: ["impressions", "spend"].map(str::to_owned).to_vec(),
            windows: Vec::new(),
        };
        for (name, value) in params {
            match name.as_str() {
                "level" => ask.level = level(value)?,
                "time_increment" => ask.by_day = by_day(value)?,
                "time_range" => (ask.first, ask.last) = range(value, today)?,
                "fields" => ask.fields = fields(value)?,
                "action_attribution_windows" => ask.windows = windows(value)?,
                _ => return Err(bad(&format!("Unknown parameter {name}"))),
            }
        }
        Ok(ask)
    }
}

/// The number of rows in a page, taken from the parameters.
pub(super) fn limit(params: &mut Params, most: usize) -> Result<usize, Answer> {
    let Some(limit) = params.remove("limit") else { return Ok(PAGE.min(most)) };
    match limit.parse::<usize>() {
        Ok(limit) if limit > most => Err(page_too_large()),
        Ok(limit) if limit > 0 => Ok(limit),
        _ => Err(bad("Param limit must be an integer greater than 0")),
    }
}

/// The position of the first row, taken from the parameters.
pub(super) fn after(params: &mut Params) -> Result<u64, Answer> {
    let Some(cursor) = params.remove("after") else { return Ok(0) };
    let position = cursor.strip_prefix("QVFIU").and_then(|hex| u64::from_str_radix(hex, 16).ok());
    position.ok_or_else(|| bad("Invalid cursor"))
}

pub(super) fn cursor(position: u64) -> String {
    format!("QVFIU{position:x}")
}

/// Refuses every parameter that is left.
pub(super) fn nothing_else(params: &Params) -> Result<(), Answer> {
    params.keys().next().map_or(Ok(()), |name| Err(bad(&format!("Unknown parameter {name}"))))
}

fn level(value: &str) -> Result<Option<Level>, Answer> {
    Ok(match value {
        "account" => None,
        "campaign" => Some(Level::Campaign),
        "adset" => Some(Level::AdGroup),
        "ad" => Some(Level::Ad),
        _ => return Err(bad("Param level must be one of {ad, adset, campaign, account}")),
    })
}

fn by_day(value: &str) -> Result<bool, Answer> {
    match value {
        "1" => Ok(true),
        "all_days" => Ok(false),
        _ => Err(bad("Param time_increment: the sandbox knows 1 and all_days")),
    }
}

/// Days stand as JSON text inside the parameter.
fn range(value: &str, today: NaiveDate) -> Result<(NaiveDate, NaiveDate), Answer> {
    let wrong = || bad("Must be a time range of the form {'since': 'YYYY-MM-DD', 'until': 'YYYY-MM-DD'}");
    let range: Value = serde_json::from_str(value).map_err(|_| wrong())?;
    let parts = range.as_object().filter(|parts| parts.len() == 2).ok_or_else(wrong)?;
    let day = |name: &str| {
        let text = parts.get(name)?.as_str().filter(|text| text.len() == 10)?;
        text.parse::<NaiveDate>().ok()
    };
    let (first, last) = day("since").zip(day("until")).ok_or_else(wrong)?;
    if last < first {
        return Err(bad("since must not be later than until"));
    }
    if today.checked_sub_months(OLDEST).is_some_and(|oldest| first < oldest) {
        return Err(bad("The start date of the time range cannot be beyond 37 months from the current date"));
    }
    Ok((first, last))
}

fn fields(value: &str) -> Result<Vec<String>, Answer> {
    let names = value.split(',').map(str::trim).filter(|name| !name.is_empty());
    names
        .map(|name| {
            let known = FIELDS.contains(&name);
            known.then(|| name.to_owned()).ok_or_else(|| bad(&format!("{name} is not valid for fields param.")))
        })
        .collect()
}

fn windows(value: &str) -> Result<Vec<String>, Answer> {
    let wrong = || bad("Param action_attribution_windows must be an array of known windows");
    let windows: Vec<String> = serde_json::from_str(value).map_err(|_| wrong())?;
    if windows.iter().all(|window| WINDOWS.contains(&window.as_str())) { Ok(windows) } else { Err(wrong()) }
}
