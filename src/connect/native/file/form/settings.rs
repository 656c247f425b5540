//! The settings of the connector for form answers, read and checked.

use chrono::NaiveDate;
use chrono_tz::Tz;

use crate::domain::connector::{SettingInfo, Settings};

use super::super::FileError;
use super::super::days::Order;
use super::super::settings::{ArmSetting, arm, offer, order};

/// What the user said about an export of answers.
#[derive(Clone, Debug)]
pub(super) struct FormSettings {
    pub sheet: Option<String>,
    pub id_column: Option<String>,
    pub time_column: Option<String>,
    pub email_column: Option<String>,
    pub person_column: Option<String>,
    pub status_column: Option<String>,
    /// The status of an answer that was sent off, in small letters.
    pub complete: Option<String>,
    pub arm: ArmSetting,
    pub time_zone: Option<Tz>,
    pub order: Option<Order>,
    /// Every answer is a form opened.
    pub answers_are_opens: bool,
    pub since: Option<NaiveDate>,
    pub until: Option<NaiveDate>,
}

/// The key under which `import --until` hands its day over; no setting of the user's file.
pub const UNTIL: &str = "until";

/// The setting under which people are known by something else than their addresses.
pub const PERSON_COLUMN: &str = "person_column";

/// What a user may say about an export of answers.
pub(super) fn offered() -> Vec<SettingInfo> {
    vec![
        offer(
            "path",
            "the file, or the folder of files, that a scheduled pull reads; leave it out if files are only imported by hand",
        ),
        offer("sheet", "name of the sheet to read, of a workbook (XLSX) in which several hold a table"),
        offer("arm_column", "name of the column that tells arms apart; else arm, else utm_content"),
        offer("arm", "the arm key all answers belong to, where no column tells arms apart"),
        SettingInfo {
            zone: true,
            ..offer("time_zone", "time zone of the file's times, where neither they nor the column names say")
        },
        SettingInfo {
            choices: vec!["day-first".into(), "month-first".into()],
            ..offer("day_order", "how 3/2/2026 is meant, where the file leaves it open")
        },
        SettingInfo {
            pattern: Some("[0-9]{4}-[0-9]{2}-[0-9]{2}".into()),
            ..offer("since", "first day from which on the export holds every answer; else the day of its first")
        },
        SettingInfo {
            choices: vec!["answers".into()],
            ..offer(
                "form_opens",
                "\"answers\": every answer counts as a form opened on the day it was sent, for shares of those who answered. \
                 Else form_opens are counted where the export also has answers that were only begun",
            )
        },
        offer("id_column", "name of the column that tells answers apart, where its name is not known"),
        offer("time_column", "name of the column of when an answer was sent, where its name is not known"),
        offer("email_column", "name of the column of addresses, where several look like one"),
        offer(
            PERSON_COLUMN,
            "name of the column that tells people apart where the file has no addresses, such as a member number; counted \
             are people of this source alone, and `forget` knows them as SOURCE:NUMBER",
        ),
        offer(
            "status_column",
            "name of the column that tells whole answers from begun ones, where its name is not known",
        ),
        offer("complete", "what stands in that column of a whole answer, where that is not known"),
    ]
}

impl FormSettings {
    /// Reads them, whether or not a configuration check was there before.
    pub(super) fn of(settings: &Settings) -> Result<Self, FileError> {
        let text = |name: &str| settings.plain(name).map(str::to_owned);
        let day = |name: &'static str| {
            let read = |text: &str| {
                text.parse().map_err(|_| FileError::Answer {
                    setting: name,
                    what: format!("\"{text}\" is not a day: write it as 2026-03-02"),
                })
            };
            settings.plain(name).map(read).transpose()
        };
        let (email_column, person_column) = (text("email_column"), text(PERSON_COLUMN));
        if email_column.is_some() && person_column.is_some() {
            return Err(FileError::Answer {
                setting: PERSON_COLUMN,
                what: "it and email_column contradict each other: people are known by one of them".to_owned(),
            });
        }
        let zone = |text: &str| {
            text.parse().map_err(|_| FileError::Answer {
                setting: "time_zone",
                what: format!("\"{text}\" is not one of its values: write a zone such as Europe/Berlin"),
            })
        };
        Ok(Self {
            sheet: text("sheet"),
            id_column: text("id_column"),
            time_column: text("time_column"),
            email_column,
            person_column,
            status_column: text("status_column"),
            complete: text("complete").map(|text| text.trim().to_lowercase()),
            arm: arm(settings)?,
            time_zone: settings.plain("time_zone").map(zone).transpose()?,
            order: order(settings)?,
            answers_are_opens: settings.plain("form_opens").is_some(),
            since: day("since")?,
            until: day(UNTIL)?,
        })
    }
}
