//! What a Microsoft report is asked for and what its CSV says: every field in quotation marks, a byte
//! order mark first, ten lines about the report before the column names and a copyright line last
//! unless they are declined.

use chrono::{DateTime, Months, NaiveDate, SecondsFormat, Utc};
use serde_json::{Map, Value};

use super::refused;
use crate::sandbox::World;
use crate::sandbox::faults::Answer;
use crate::sandbox::world::{Entity, Figures, Level};

/// A column, and the coarsest level at which it is known.
const COLUMNS: [(&str, Level); 22] = [
    ("TimePeriod", Level::Campaign),
    ("AccountId", Level::Campaign),
    ("AccountName", Level::Campaign),
    ("CurrencyCode", Level::Campaign),
    ("CampaignId", Level::Campaign),
    ("CampaignName", Level::Campaign),
    ("CampaignStatus", Level::Campaign),
    ("AdGroupId", Level::AdGroup),
    ("AdGroupName", Level::AdGroup),
    ("AdId", Level::Ad),
    ("AdTitle", Level::Ad),
    ("Impressions", Level::Campaign),
    ("Clicks", Level::Campaign),
    ("Ctr", Level::Campaign),
    ("Spend", Level::Campaign),
    ("Conversions", Level::Campaign),
    ("ConversionsQualified", Level::Campaign),
    ("AllConversions", Level::Campaign),
    ("AllConversionsQualified", Level::Campaign),
    ("ViewThroughConversions", Level::Campaign),
    ("ViewThroughConversionsQualified", Level::Campaign),
    ("LowQualityClicks", Level::Campaign),
];

/// Months for which daily figures are kept.
const KEPT: Months = Months::new(36);

/// A report as asked for.
pub(super) struct Request {
    name: String,
    level: Level,
    columns: Vec<String>,
    declined: Declined,
    /// Numbers with separators, as before format 2.0.
    separators: bool,
    first: NaiveDate,
    last: NaiveDate,
}

/// Lines that are left out.
struct Declined {
    header: bool,
    column_names: bool,
    footer: bool,
}

impl Request {
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn read(body: &Value, world: &World, today: NaiveDate) -> Result<Self, Answer> {
        let body = only(body, &["ReportRequest"])?;
        let asked = only(
            body.get("ReportRequest").unwrap_or(&Value::Null),
            &[
                "Type",
                "ReportName",
                "Format",
                "FormatVersion",
                "Aggregation",
                "ExcludeReportHeader",
                "ExcludeReportFooter",
                "ExcludeColumnHeaders",
                "ReturnOnlyCompleteData",
                "Columns",
                "Scope",
                "Time",
            ],
        )?;
        let text = |name: &str| asked.get(name).and_then(Value::as_str);
        let level = match text("Type") {
            Some("CampaignPerformanceReportRequest") => Level::Campaign,
            Some("AdGroupPerformanceReportRequest") => Level::AdGroup,
            Some("AdPerformanceReportRequest") => Level::Ad,
            _ => return Err(invalid("Type is not a report known here.")),
        };
        if text("Format") != Some("Csv") || text("Aggregation") != Some("Daily") {
            return Err(invalid("Format is Csv and Aggregation is Daily here."));
        }
        let flag = |name: &str| match asked.get(name) {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(_) => Err(invalid(&format!("{name} is true or false."))),
        };
        let (first, last) = days(asked.get("Time"), today)?;
        if flag("ReturnOnlyCompleteData")? && last >= today {
            return Err(refused(2004, "NoCompleteDataAvailable", "The data of the last day is not complete."));
        }
        scope(asked.get("Scope"), world)?;
        Ok(Self {
            name: text("ReportName").filter(|name| !name.is_empty()).unwrap_or("Report").to_owned(),
            level,
            columns: columns(asked.get("Columns"), level)?,
            declined: Declined {
                header: flag("ExcludeReportHeader")?,
                column_names: flag("ExcludeColumnHeaders")?,
                footer: flag("ExcludeReportFooter")?,
            },
            separators: text("FormatVersion") != Some("2.0"),
            first,
            last,
        })
    }

    /// The file; `None` where there is not one row.
    pub(super) fn csv(&self, world: &World, today: NaiveDate, now: DateTime<Utc>) -> Option<String> {
        let mut rows = Vec::new();
        for day in self.first.iter_days().take_while(|&day| day <= self.last.min(today)) {
            for position in 0..world.count(self.level) {
                let Some(figures) = world.figures(self.level, position, day, today) else { continue };
                let entity = world.entity(self.level, position);
                rows.push(self.columns.iter().map(|column| self.cell(column, world, &entity, day, &figures)).collect());
            }
        }
        if rows.is_empty() {
            return None;
        }
        let count = rows.len();
        let mut lines: Vec<Vec<String>> = Vec::new();
        if !self.declined.header {
            lines.extend(self.about(today, now, count).map(|(name, value)| vec![format!("{name}: {value}")]));
            lines.push(Vec::new());
        }
        if !self.declined.column_names {
            lines.push(self.columns.clone());
        }
        lines.extend(rows);
        if !self.declined.footer {
            lines.push(Vec::new());
            lines.push(vec!["©2026 Microsoft Corporation. All rights reserved. ".into()]);
        }
        let quoted = |cell: String| format!("\"{}\"", cell.replace('"', "\"\""));
        let line = |cells: Vec<String>| cells.into_iter().map(quoted).collect::<Vec<_>>().join(",") + "\r\n";
        Some(std::iter::once("\u{feff}".to_owned()).chain(lines.into_iter().map(line)).collect())
    }

    fn about(&self, today: NaiveDate, now: DateTime<Utc>, rows: usize) -> [(&'static str, String); 10] {
        let complete = if self.last < today { "false" } else { "true" };
        [
            ("Report Name", self.name.clone()),
            ("Report Time", format!("{},{}", self.first, self.last)),
            ("Time Zone", "(GMT-08:00) Pacific Time (US & Canada); Tijuana".into()),
            ("Last Completed Available Day", today.pred_opt().unwrap_or(today).to_string()),
            ("Last Completed Available Hour", now.to_rfc3339_opts(SecondsFormat::Secs, true)),
            ("Report Aggregation", "Daily".into()),
            ("Report Filter", String::new()),
            ("Potential Incomplete Data", complete.into()),
            ("Rows", rows.to_string()),
            ("Report Language", "English".into()),
        ]
    }

    fn cell(&self, column: &str, world: &World, entity: &Entity, day: NaiveDate, figures: &Figures) -> String {
        let text = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
        match column {
            "TimePeriod" => day.to_string(),
            "AccountId" => world.customer_id.clone(),
            "AccountName" => "Sandbox".into(),
            "CurrencyCode" => world.currency.to_string(),
            "CampaignId" => entity.campaign.to_string(),
            "CampaignName" => entity.campaign_name.clone(),
            "CampaignStatus" => "Active".into(),
            "AdGroupId" => text(entity.ad_group),
            "AdGroupName" => entity.ad_group_name().unwrap_or_default(),
            "AdId" => text(entity.ad),
            "AdTitle" => entity.ad_name().unwrap_or_default(),
            "Impressions" => self.count(figures.impressions),
            "Clicks" => self.count(figures.clicks),
            "Ctr" => {
                let hundredths = figures.clicks * 10_000 / figures.impressions.max(1);
                format!("{}%", self.decimal(hundredths))
            }
            "Spend" => self.decimal(figures.cost_micros / 10_000),
            "Conversions" | "AllConversions" => self.count(figures.leads),
            "ConversionsQualified" | "AllConversionsQualified" => self.decimal(figures.conversion_hundredths),
            "ViewThroughConversions" => self.count(figures.view_leads),
            "ViewThroughConversionsQualified" => self.decimal(figures.view_leads * 100),
            // Not measured for every ad: null is an empty field.
            _ => String::new(),
        }
    }

    fn decimal(&self, hundredths: u64) -> String {
        format!("{}.{:02}", self.count(hundredths / 100), hundredths % 100)
    }

    fn count(&self, number: u64) -> String {
        let digits = number.to_string();
        if !self.separators {
            return digits;
        }
        let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
        groups.join(",")
    }
}

fn columns(asked: Option<&Value>, level: Level) -> Result<Vec<String>, Answer> {
    let names = asked.and_then(Value::as_array).filter(|names| !names.is_empty());
    let bad = |message: &str| refused(2015, "ReportingServiceInvalidReportColumns", message);
    let mut columns = Vec::new();
    for name in names.ok_or_else(|| bad("Columns is a list of names."))? {
        let name = name.as_str().unwrap_or_default();
        let known = COLUMNS.iter().any(|(it, coarsest)| *it == name && *coarsest <= level);
        if !known || columns.iter().any(|it| it == name) {
            return Err(bad(&format!("Column {name} is not known for this report, or stands twice.")));
        }
        columns.push(name.to_owned());
    }
    if !columns.iter().any(|it| it == "TimePeriod") {
        return Err(bad("A daily report needs TimePeriod."));
    }
    Ok(columns)
}

fn scope(asked: Option<&Value>, world: &World) -> Result<(), Answer> {
    let asked = only(asked.unwrap_or(&Value::Null), &["AccountIds"])?;
    let ids = asked.get("AccountIds").and_then(Value::as_array).map(Vec::as_slice);
    match ids {
        Some([id]) if id.as_u64().is_some_and(|id| id.to_string() == world.customer_id) => Ok(()),
        _ => Err(refused(2034, "ReportingServiceInvalidAccountId", "AccountIds is a list of account numbers.")),
    }
}

fn days(asked: Option<&Value>, today: NaiveDate) -> Result<(NaiveDate, NaiveDate), Answer> {
    let asked = only(asked.unwrap_or(&Value::Null), &["CustomDateRangeStart", "CustomDateRangeEnd", "ReportTimeZone"])?;
    let bad = |message: &str| refused(2005, "ReportingServiceInvalidCustomDateRange", message);
    let zone = asked.get("ReportTimeZone").and_then(Value::as_str).unwrap_or_default();
    if !zone.bytes().all(|byte| byte.is_ascii_alphabetic()) {
        return Err(bad("ReportTimeZone is a word of the vendor's own list."));
    }
    let day = |name: &str| {
        let day = only(asked.get(name).unwrap_or(&Value::Null), &["Day", "Month", "Year"])?;
        let part = |name: &str| day.get(name).and_then(Value::as_u64).and_then(|part| u32::try_from(part).ok());
        let year = part("Year").and_then(|year| i32::try_from(year).ok());
        let date = year.zip(part("Month").zip(part("Day")));
        date.and_then(|(year, (month, day))| NaiveDate::from_ymd_opt(year, month, day))
            .ok_or_else(|| bad("A day is the three numbers Day, Month and Year."))
    };
    let (first, last) = (day("CustomDateRangeStart")?, day("CustomDateRangeEnd")?);
    if last < first || today.checked_sub_months(KEPT).is_some_and(|oldest| first < oldest) {
        return Err(bad("The range ends before it begins or begins more than 36 months ago."));
    }
    Ok((first, last))
}

/// An object with no other fields than these.
fn only<'v>(value: &'v Value, known: &[&str]) -> Result<&'v Map<String, Value>, Answer> {
    let fields = value.as_object().ok_or_else(|| invalid("An object is missing."))?;
    match fields.keys().find(|name| !known.contains(&name.as_str())) {
        Some(name) => Err(invalid(&format!("{name} is not known here."))),
        None => Ok(fields),
    }
}

fn invalid(message: &str) -> Answer {
    refused(2001, "ReportingServiceInvalidReportRequest", message)
}
