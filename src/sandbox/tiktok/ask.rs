//! What a call for the integrated report asks for, read as strictly as the vendor reads it.

use chrono::NaiveDate;
use serde::Deserialize;

use super::{Answer, Params, bad, vendor_id};
use crate::sandbox::table::Row;
use crate::sandbox::world::Level;

/// Rows in a page unless asked otherwise.
const PAGE: usize = 10;
/// Most days in one call by day, and without days.
const DAYS: (i64, i64) = (30, 365);
/// What can be counted at every level.
const METRICS: [&str; 15] = [
    "spend",
    "impressions",
    "clicks",
    "conversion",
    "real_time_conversion",
    "result",
    "cost_per_conversion",
    "cost_per_result",
    "cpc",
    "likes",
    "comments",
    "shares",
    "follows",
    "currency",
    "campaign_name",
];

/// A call for a report.
pub(super) struct Ask {
    pub(super) advertisers: Vec<String>,
    /// `None`: the advertiser as a whole.
    pub(super) level: Option<Level>,
    /// First and last day, both inclusive.
    pub(super) first: NaiveDate,
    pub(super) last: NaiveDate,
    pub(super) by_day: bool,
    pub(super) dimensions: Vec<String>,
    pub(super) metrics: Vec<String>,
    /// From 1.
    pub(super) page: usize,
    pub(super) page_size: usize,
    /// What is said instead of the number of pages there are.
    pub(super) last_page: Option<usize>,
    pub(super) utc: bool,
    filters: Vec<(Level, Vec<u64>)>,
}

impl Ask {
    pub(super) fn read(params: &Params, most_rows: usize) -> Result<Self, Answer> {
        const KNOWN: [&str; 14] = [
            "advertiser_id",
            "advertiser_ids",
            "report_type",
            "service_type",
            "data_level",
            "dimensions",
            "metrics",
            "start_date",
            "end_date",
            "page",
            "page_size",
            "filtering",
            "multi_adv_report_in_utc_time",
            "query_mode",
        ];
        if let Some(name) = params.keys().find(|name| !KNOWN.contains(&name.as_str())) {
            return Err(bad(&format!("{name}: Unknown field.")));
        }
        let given = |name: &str| params.get(name).map(String::as_str);
        only("report_type", given("report_type"), &["BASIC"])?;
        only("service_type", given("service_type").or(Some("AUCTION")), &["AUCTION"])?;
        only("query_mode", given("query_mode").or(Some("REGULAR")), &["REGULAR"])?;
        let (level, own) = level(given("data_level"))?;
        let dimensions = texts("dimensions", given("dimensions"))?;
        let by_day = dimensions.iter().any(|name| name == "stat_time_day");
        for name in &dimensions {
            if name != own && name != "stat_time_day" {
                return Err(bad(&format!("dimensions: {name} does not go with this data_level.")));
            }
        }
        if !dimensions.iter().any(|name| name == own) {
            return Err(bad(&format!("dimensions: {own} is missing.")));
        }
        let (first, last) = (day("start_date", given("start_date"))?, day("end_date", given("end_date"))?);
        let longest = if by_day { DAYS.0 } else { DAYS.1 };
        if last < first || (last - first).num_days() + 1 > longest {
            return Err(bad(&format!("The time span must be at most {longest} days.")));
        }
        Ok(Self {
            advertisers: advertisers(given("advertiser_id"), given("advertiser_ids"))?,
            level,
            first,
            last,
            by_day,
            metrics: metrics(given("metrics"), level)?,
            dimensions,
            page: number("page", given("page"), 1, usize::MAX)?,
            page_size: number("page_size", given("page_size"), PAGE.min(most_rows), most_rows)?,
            last_page: None,
            utc: matches!(given("multi_adv_report_in_utc_time"), Some("true")),
            filters: filters(given("filtering"))?,
        })
    }

    /// Whether the filters let a row pass.
    pub(super) fn keeps(&self, row: &Row) -> bool {
        self.filters.iter().all(|(level, ids)| {
            let id = row.entity.as_ref().and_then(|entity| match level {
                Level::Campaign => Some(entity.campaign),
                Level::AdGroup => entity.ad_group,
                Level::Ad => entity.ad,
            });
            id.is_some_and(|id| ids.contains(&vendor_id(id)))
        })
    }
}

/// A list of texts, written as JSON.
pub(super) fn texts(name: &str, value: Option<&str>) -> Result<Vec<String>, Answer> {
    let value = value.ok_or_else(|| bad(&format!("{name}: Missing data for required field.")))?;
    serde_json::from_str(value).map_err(|_| bad(&format!("{name}: Not a valid list.")))
}

fn only(name: &str, value: Option<&str>, known: &[&str]) -> Result<(), Answer> {
    match value {
        None => Err(bad(&format!("{name}: Missing data for required field."))),
        Some(value) if known.contains(&value) => Ok(()),
        Some(value) => Err(bad(&format!("{name}: {value} is not answered here."))),
    }
}

fn level(value: Option<&str>) -> Result<(Option<Level>, &'static str), Answer> {
    Ok(match value {
        Some("AUCTION_ADVERTISER") => (None, "advertiser_id"),
        Some("AUCTION_CAMPAIGN") => (Some(Level::Campaign), "campaign_id"),
        Some("AUCTION_ADGROUP") => (Some(Level::AdGroup), "adgroup_id"),
        Some("AUCTION_AD") => (Some(Level::Ad), "ad_id"),
        _ => return Err(bad("data_level: Not one of the allowed values.")),
    })
}

fn advertisers(one: Option<&str>, several: Option<&str>) -> Result<Vec<String>, Answer> {
    match (one, several) {
        (Some(one), None) => Ok(vec![one.to_owned()]),
        (None, several @ Some(_)) => {
            let ids = texts("advertiser_ids", several)?;
            if ids.len() > 5 { Err(bad("advertiser_ids: Longer than maximum length 5.")) } else { Ok(ids) }
        }
        _ => Err(bad("advertiser_id: Missing data for required field.")),
    }
}

/// Names and ids of what stands above are asked for as metrics; those of what stands below do not exist.
fn metrics(value: Option<&str>, level: Option<Level>) -> Result<Vec<String>, Answer> {
    let Some(value) = value else { return Ok(["spend", "impressions"].map(str::to_owned).to_vec()) };
    let names = texts("metrics", Some(value))?;
    for name in &names {
        let exists = match name.as_str() {
            "campaign_name" => level.is_some(),
            "campaign_id" | "adgroup_name" => level.is_some_and(|level| level >= Level::AdGroup),
            "adgroup_id" | "ad_name" => level == Some(Level::Ad),
            name => METRICS.contains(&name),
        };
        if !exists {
            return Err(bad(&format!("Invalid metric fields: {name}")));
        }
    }
    Ok(names)
}

fn day(name: &str, value: Option<&str>) -> Result<NaiveDate, Answer> {
    let wrong = || bad(&format!("{name}: Not a date of the form YYYY-MM-DD."));
    value.filter(|text| text.len() == 10).and_then(|text| text.parse().ok()).ok_or_else(wrong)
}

fn number(name: &str, value: Option<&str>, unsaid: usize, most: usize) -> Result<usize, Answer> {
    let Some(value) = value else { return Ok(unsaid) };
    let number = value.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| bad(&format!("{name}: Must be between 1 and {most}.")))
}

/// One condition; its value is JSON text inside the JSON text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Filter {
    #[serde(rename = "field_name")]
    field: String,
    #[serde(rename = "filter_type")]
    kind: String,
    #[serde(rename = "filter_value")]
    value: String,
}

fn filters(value: Option<&str>) -> Result<Vec<(Level, Vec<u64>)>, Answer> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let wrong = |what: &str| bad(&format!("filtering: {what}"));
    let filters: Vec<Filter> = serde_json::from_str(value).map_err(|_| wrong("Not a valid list of conditions."))?;
    let read = |filter: Filter| {
        let level = match filter.field.as_str() {
            "campaign_ids" => Level::Campaign,
            "adgroup_ids" => Level::AdGroup,
            "ad_ids" => Level::Ad,
            _ => return Err(wrong("Unknown field_name.")),
        };
        if filter.kind != "IN" {
            return Err(wrong("Unknown filter_type."));
        }
        let ids: Vec<String> = serde_json::from_str(&filter.value).map_err(|_| wrong("filter_value is no list."))?;
        Ok((level, ids.iter().filter_map(|id| id.parse().ok()).collect()))
    };
    filters.into_iter().map(read).collect()
}
