//! What figures Pinterest is asked for and what its rows say: a bare array with the names as asked
//! for, in upper case. A row names what it belongs to and its day unasked. Days are UTC.

use chrono::NaiveDate;
use serde_json::{Map, Value, json};

use super::invalid;
use crate::sandbox::World;
use crate::sandbox::faults::Answer;
use crate::sandbox::world::{Figures, Level};

const COLUMNS: [&str; 24] = [
    "AD_ID",
    "AD_GROUP_ID",
    "CAMPAIGN_ID",
    "IMPRESSION_1",
    "IMPRESSION_2",
    "TOTAL_IMPRESSION",
    "CLICKTHROUGH_1",
    "CLICKTHROUGH_2",
    "TOTAL_CLICKTHROUGH",
    "OUTBOUND_CLICK_1",
    "OUTBOUND_CLICK_2",
    "REPIN_1",
    "ENGAGEMENT_1",
    "ENGAGEMENT_2",
    "TOTAL_ENGAGEMENT",
    "SPEND_IN_MICRO_DOLLAR",
    "SPEND_IN_DOLLAR",
    "TOTAL_CONVERSIONS",
    "TOTAL_LEAD",
    "TOTAL_SIGNUP",
    "TOTAL_CLICK_SIGNUP",
    "TOTAL_ENGAGEMENT_SIGNUP",
    "TOTAL_VIEW_SIGNUP",
    "TOTAL_CHECKOUT",
];

/// Days a conversion may come after what caused it.
const WINDOWS: [u32; 6] = [0, 1, 7, 14, 30, 60];

/// Figures as asked for.
#[derive(Default)]
pub(super) struct Asked {
    first: NaiveDate,
    last: NaiveDate,
    columns: Vec<&'static str>,
    by_day: bool,
    /// Whether people who had only seen the ad count.
    views: bool,
}

impl Asked {
    pub(super) fn of_query(pairs: &[(String, String)]) -> Result<Self, Answer> {
        let mut body = Map::new();
        for (name, value) in pairs {
            let value = match name.as_str() {
                "columns" => value.split(',').map(Value::from).collect(),
                _ if name.ends_with("_window_days") => value.parse::<u32>().map_or_else(|_| json!(value), Value::from),
                _ => json!(value),
            };
            if body.insert(name.clone(), value).is_some() {
                return Err(invalid(&format!("{name} stands twice")));
            }
        }
        Self::read(&body)
    }

    pub(super) fn of_body(body: &Value) -> Result<(Self, Level), Answer> {
        let mut body = body.as_object().cloned().ok_or_else(|| invalid("the body is not an object"))?;
        let level = match body.remove("level").as_ref().and_then(Value::as_str) {
            Some("CAMPAIGN") => Level::Campaign,
            Some("AD_GROUP") => Level::AdGroup,
            Some("AD" | "PIN_PROMOTION") => Level::Ad,
            _ => return Err(invalid("level is CAMPAIGN, AD_GROUP or PIN_PROMOTION")),
        };
        if body.remove("report_format").is_some_and(|format| format != "JSON") {
            return Err(invalid("report_format is JSON here"));
        }
        Ok((Self::read(&body)?, level))
    }

    fn read(body: &Map<String, Value>) -> Result<Self, Answer> {
        let mut asked = Self { views: true, ..Self::default() };
        let day = |name: &str| {
            let day =
                body.get(name).and_then(Value::as_str).and_then(|day| NaiveDate::parse_from_str(day, "%Y-%m-%d").ok());
            day.ok_or_else(|| invalid(&format!("{name} is a day")))
        };
        (asked.first, asked.last) = (day("start_date")?, day("end_date")?);
        for (name, value) in body {
            let window = value.as_u64().and_then(|days| u32::try_from(days).ok()).filter(|days| WINDOWS.contains(days));
            match (name.as_str(), value.as_str()) {
                ("granularity", Some("DAY")) => asked.by_day = true,
                ("granularity", Some("TOTAL")) => asked.by_day = false,
                ("click_window_days" | "engagement_window_days", _) if window.is_some() => {}
                ("view_window_days", _) if window.is_some() => asked.views = window != Some(0),
                ("start_date" | "end_date", _)
                | ("conversion_report_time", Some("TIME_OF_AD_ACTION" | "TIME_OF_CONVERSION")) => {}
                ("columns", _) => asked.columns = columns(value)?,
                _ => return Err(invalid(&format!("{name} is not known here with this value"))),
            }
        }
        if asked.columns.is_empty() || !body.contains_key("granularity") {
            return Err(invalid("columns and granularity are wanted"));
        }
        Ok(asked)
    }

    /// So many days back, and so many between the first and the last.
    pub(super) fn check_days(&self, today: NaiveDate, back: i64, span: i64) -> Result<(), Answer> {
        let (reach, length) = ((today - self.first).num_days(), (self.last - self.first).num_days());
        if length < 0 || length > span || reach > back {
            return Err(invalid(&format!("start_date is at most {back} days ago and end_date at most {span} later")));
        }
        Ok(())
    }

    pub(super) fn rows(&self, world: &World, level: Level, positions: &[u64], today: NaiveDate) -> Value {
        let mut rows = Vec::new();
        for &position in positions {
            let days = self.first.iter_days().take_while(|&day| day <= self.last.min(today));
            let shown = days.filter_map(|day| Some((day, world.figures(level, position, day, today)?)));
            if self.by_day {
                rows.extend(shown.map(|(day, figures)| self.row(world, level, position, Some(day), &figures)));
            } else if let Some(sum) = shown.map(|(_, figures)| figures).reduce(|sum, day| sum + day) {
                rows.push(self.row(world, level, position, None, &sum));
            }
        }
        rows.into()
    }

    fn row(&self, world: &World, level: Level, position: u64, day: Option<NaiveDate>, figures: &Figures) -> Value {
        let entity = world.entity(level, position);
        let id = |id: Option<u64>| Value::from(id.map(|id| id.to_string()));
        let mut row = Map::new();
        let own = match level {
            Level::Campaign => "CAMPAIGN_ID",
            Level::AdGroup => "AD_GROUP_ID",
            Level::Ad => "AD_ID",
        };
        row.insert(own.into(), id(Some(entity.id())));
        if let Some(day) = day {
            row.insert("DATE".into(), day.to_string().into());
        }
        let views = if self.views { figures.view_leads } else { 0 };
        for &column in &self.columns {
            let value = match column {
                "CAMPAIGN_ID" => id(Some(entity.campaign)),
                "AD_GROUP_ID" => id(entity.ad_group),
                "AD_ID" => id(entity.ad),
                "IMPRESSION_1" | "TOTAL_IMPRESSION" => figures.impressions.into(),
                "CLICKTHROUGH_1" | "TOTAL_CLICKTHROUGH" | "OUTBOUND_CLICK_1" => figures.clicks.into(),
                "ENGAGEMENT_1" | "TOTAL_ENGAGEMENT" => figures.engagements.into(),
                "REPIN_1" => (figures.engagements.saturating_sub(figures.clicks) / 3).into(),
                "SPEND_IN_MICRO_DOLLAR" => figures.cost_micros.into(),
                "SPEND_IN_DOLLAR" => cents(figures.cost_micros / 10_000),
                "TOTAL_CONVERSIONS" | "TOTAL_LEAD" | "TOTAL_SIGNUP" => (figures.leads + views).into(),
                "TOTAL_CLICK_SIGNUP" => figures.leads.into(),
                "TOTAL_VIEW_SIGNUP" => views.into(),
                // Earned, not paid; or not the goal of any ad here.
                _ => 0.into(),
            };
            row.insert(column.into(), value);
        }
        row.into()
    }
}

#[expect(clippy::cast_precision_loss, reason = "cents of one day")]
fn cents(cents: u64) -> Value {
    (cents as f64 / 100.0).into()
}

fn columns(names: &Value) -> Result<Vec<&'static str>, Answer> {
    let names = names.as_array().ok_or_else(|| invalid("columns is a list"))?;
    names
        .iter()
        .map(|name| {
            let known = COLUMNS.iter().find(|it| name.as_str() == Some(**it)).copied();
            known.ok_or_else(|| invalid(&format!("columns: {name} is not one of them")))
        })
        .collect()
}
