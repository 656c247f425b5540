//! What the operator says of days of a test, with a reason: that they do not count, or that they are as counted. Not
//! part of the policy: it is printed on every verdict instead.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// What is said of the days.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    /// Their counts are left out; the money spent on them is not.
    SetAside,
    /// They were looked into: what was counted is true, however strange.
    Real,
}

/// A few days of a test, and what the operator says of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DayNote {
    /// First of the days, in the experiment's zone.
    pub first: NaiveDate,
    /// Last of them, not before the first.
    pub last: NaiveDate,
    /// What is said.
    pub word: Word,
    /// Why; never empty.
    pub reason: String,
}

impl DayNote {
    /// Whether it speaks of a day.
    pub fn covers(&self, day: NaiveDate) -> bool {
        self.first <= day && day <= self.last
    }
}
