//! The settings of the file connector, read and checked.

use chrono_tz::Tz;

use crate::domain::connector::{SettingInfo, Settings};
use crate::domain::money::Currency;

use super::FileError;
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

/// What the user said about a file.
#[derive(Clone, Debug)]
pub(super) struct FileSettings {
    pub sheet: Option<String>,
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
    vec![
        offer("path", "the file a scheduled pull reads; leave it out if files are only imported by hand"),
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
    ]
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
        Ok(Self { sheet, arm, day_zone, currency, decimal, order })
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
