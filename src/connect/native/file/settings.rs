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
    /// Campaign name, else campaign id.
    Campaign,
    /// The column of this name.
    Named(String),
    /// The whole file is this arm.
    Whole(String),
}

/// What the user said about a file.
#[derive(Clone, Debug)]
pub(super) struct FileSettings {
    pub arm: ArmSetting,
    pub day_zone: Option<Tz>,
    pub currency: Option<Currency>,
    pub decimal: Option<Decimal>,
    pub order: Option<Order>,
}

/// What a user may say about a file.
pub(super) fn offered() -> Vec<SettingInfo> {
    let setting = |name: &str, help: &str, pattern: Option<&str>, choices: &[&str]| SettingInfo {
        name: name.to_owned(),
        help: help.to_owned(),
        optional: true,
        pattern: pattern.map(str::to_owned),
        choices: choices.iter().map(|&choice| choice.to_owned()).collect(),
        ..SettingInfo::default()
    };
    vec![
        setting("path", "the file a scheduled pull reads; leave it out if files are only imported by hand", None, &[]),
        setting(
            "arm_column",
            "name of the column that tells arms apart; else campaign name, else campaign ID",
            None,
            &[],
        ),
        setting("arm", "the arm key the whole file belongs to, where no column tells arms apart", None, &[]),
        SettingInfo {
            zone: true,
            ..setting(
                "day_zone",
                "time zone of the file's days; else what the file says, else the experiment's",
                None,
                &[],
            )
        },
        setting("currency", "currency of the file's money, where the file does not say", Some("^[A-Z]{3}$"), &[]),
        setting("decimal", "what stands before decimals, where the file leaves it open", None, &["point", "comma"]),
        setting(
            "day_order",
            "how 3/2/2026 is meant, where the file leaves it open",
            None,
            &["day-first", "month-first"],
        ),
    ]
}

impl FileSettings {
    /// Reads them, whether or not a configuration check was there before.
    pub(super) fn of(settings: &Settings) -> Result<Self, FileError> {
        let wrong = |setting: &'static str, text: &str, write: &str| FileError::Answer {
            setting,
            what: format!("\"{text}\" is not one of its values: write {write}"),
        };
        let arm = match (settings.plain("arm"), settings.plain("arm_column")) {
            (Some(_), Some(_)) => {
                return Err(FileError::Answer {
                    setting: "arm",
                    what: "arm and arm_column contradict each other: write one of them".to_owned(),
                });
            }
            (Some(arm), None) => ArmSetting::Whole(arm.to_owned()),
            (None, Some(column)) => ArmSetting::Named(column.to_owned()),
            (None, None) => ArmSetting::Campaign,
        };
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
        let order = match settings.plain("day_order") {
            None => None,
            Some("day-first") => Some(Order::DayFirst),
            Some("month-first") => Some(Order::MonthFirst),
            Some(text) => return Err(wrong("day_order", text, "day-first or month-first")),
        };
        Ok(Self { arm, day_zone, currency, decimal, order })
    }
}
