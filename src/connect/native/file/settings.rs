//! The settings of the file connector, read and checked.

use chrono_tz::Tz;

use crate::domain::connector::{SettingInfo, Settings};
use crate::domain::metric::MetricId;
use crate::domain::money::Currency;

use super::FileError;
use super::columns::Meaning;
use super::days::Order;
use super::numbers::Decimal;

/// What tells arms apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ArmSetting {
    /// Whatever the file has for it: of a report the campaign's name, else its id.
    Unsaid,
    /// The column of this name.
    Named(String),
    /// The whole file is this arm.
    Whole(String),
}

/// Settings that name the column of a day or of a count, and what such a column holds.
pub(super) const COLUMNS: [(&str, Meaning); 8] = [
    ("day_column", Meaning::Day),
    ("impressions_column", Meaning::Metric(MetricId::IMPRESSIONS, 0)),
    ("clicks_column", Meaning::Metric(MetricId::CLICKS, 0)),
    ("visits_column", Meaning::Metric(MetricId::VISITS, 0)),
    ("spend_column", Meaning::Metric(MetricId::SPEND, 0)),
    ("conversions_column", Meaning::Metric(MetricId::CONVERSIONS, 0)),
    ("leads_column", Meaning::Metric(MetricId::LEADS, 0)),
    ("form_opens_column", Meaning::Metric(MetricId::FORM_OPENS, 0)),
];

/// A column that the user names.
#[derive(Clone, Debug)]
pub(super) struct NamedColumn {
    pub setting: &'static str,
    pub meaning: Meaning,
    pub name: String,
}

/// What the user said about a file.
#[derive(Clone, Debug)]
pub(super) struct FileSettings {
    pub sheet: Option<String>,
    /// Of a day and of counts.
    pub columns: Vec<NamedColumn>,
    pub arm: ArmSetting,
    pub day_zone: Option<Tz>,
    pub currency: Option<Currency>,
    pub decimal: Option<Decimal>,
    pub order: Option<Order>,
}

/// What a user may say about a file.
pub(super) fn offered() -> Vec<SettingInfo> {
    let choice = |name: &str, help: &str, choices: [&str; 2]| SettingInfo {
        choices: choices.map(str::to_owned).to_vec(),
        ..offer(name, help)
    };
    let column = |(name, meaning): (&str, Meaning)| {
        let holds = match meaning {
            Meaning::Metric(metric, _) => metric.metric().name,
            _ => "the day of each row",
        };
        offer(name, &format!("name of the column of {holds}, where it is not known or another is taken"))
    };
    let mut offered = vec![
        offer(
            "path",
            "the file, or the folder of files, that a scheduled pull reads; leave it out if files are only imported by hand",
        ),
        offer("sheet", "name of the sheet to read, of a workbook (XLSX) in which several hold a table"),
        offer("arm_column", "name of the column that tells arms apart; else campaign name, else campaign ID"),
        offer("arm", "the arm key the whole file belongs to, where no column tells arms apart"),
        SettingInfo {
            zone: true,
            ..offer("day_zone", "time zone of the file's days; else what the file says, else the experiment's")
        },
        SettingInfo {
            pattern: Some("^[A-Z]{3}$".to_owned()),
            ..offer("currency", "currency of the file's money, where the file does not say")
        },
        choice("decimal", "what stands before decimals, where the file leaves it open", ["point", "comma"]),
        choice("day_order", "how 3/2/2026 is meant, where the file leaves it open", ["day-first", "month-first"]),
    ];
    offered.extend(COLUMNS.map(column));
    offered
}

impl FileSettings {
    /// Reads them, whether or not a configuration check was there before.
    pub(super) fn of(settings: &Settings) -> Result<Self, FileError> {
        let arm = arm(settings)?;
        let day_zone = settings
            .plain("day_zone")
            .map(|text| text.parse().map_err(|_| wrong("day_zone", text, "a zone such as Europe/Berlin")))
            .transpose()?;
        let currency = settings
            .plain("currency")
            .map(|text| Currency::from_code(text).ok_or_else(|| wrong("currency", text, "a code such as EUR")))
            .transpose()?;
        let decimal = match settings.plain("decimal") {
            None => None,
            Some("point") => Some(Decimal::Point),
            Some("comma") => Some(Decimal::Comma),
            Some(text) => return Err(wrong("decimal", text, "point or comma")),
        };
        let order = order(settings)?;
        let sheet = settings.plain("sheet").map(str::to_owned);
        let mut columns: Vec<NamedColumn> = Vec::new();
        for (setting, meaning) in COLUMNS {
            let Some(name) = settings.plain(setting).map(str::trim) else { continue };
            if let Some(other) = columns.iter().find(|other| other.name.eq_ignore_ascii_case(name)) {
                let what = format!("\"{name}\" is named by {} too: a column holds one of them", other.setting);
                return Err(FileError::Answer { setting, what });
            }
            columns.push(NamedColumn { setting, meaning, name: name.to_owned() });
        }
        Ok(Self { sheet, columns, arm, day_zone, currency, decimal, order })
    }

    /// Whether the user names a column so.
    pub(super) fn name(&self, cell: &str) -> bool {
        let named = self.columns.iter().map(|column| column.name.as_str());
        let arm = match &self.arm {
            ArmSetting::Named(name) => Some(name.trim()),
            ArmSetting::Unsaid | ArmSetting::Whole(_) => None,
        };
        named.chain(arm).any(|name| name.to_lowercase() == cell.trim().to_lowercase())
    }
}

/// What the user says tells arms apart.
pub(super) fn arm(settings: &Settings) -> Result<ArmSetting, FileError> {
    match (settings.plain("arm"), settings.plain("arm_column")) {
        (Some(_), Some(_)) => Err(FileError::Answer {
            setting: "arm",
            what: "arm and arm_column contradict each other: write one of them".to_owned(),
        }),
        (Some(arm), None) => Ok(ArmSetting::Whole(arm.to_owned())),
        (None, Some(column)) => Ok(ArmSetting::Named(column.to_owned())),
        (None, None) => Ok(ArmSetting::Unsaid),
    }
}

/// How the user says 3/2/2026 is meant.
pub(super) fn order(settings: &Settings) -> Result<Option<Order>, FileError> {
    match settings.plain("day_order") {
        None => Ok(None),
        Some("day-first") => Ok(Some(Order::DayFirst)),
        Some("month-first") => Ok(Some(Order::MonthFirst)),
        Some(text) => Err(wrong("day_order", text, "day-first or month-first")),
    }
}

fn wrong(setting: &'static str, text: &str, write: &str) -> FileError {
    FileError::Answer { setting, what: format!("\"{text}\" is not one of its values: write {write}") }
}

/// A setting that may be left out.
pub(super) fn offer(name: &str, help: &str) -> SettingInfo {
    SettingInfo { name: name.to_owned(), help: help.to_owned(), optional: true, ..SettingInfo::default() }
}
