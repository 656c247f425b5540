//! What a person says of a concept's state without deciding: that they know, which ends the reminders, or that they do not
//! want any for now, which puts them off. Either holds for as long as the state does.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::id::ConceptId;

/// One of them, as recorded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// Of which concept.
    pub concept: ConceptId,
    /// Who.
    pub by: String,
    /// When.
    pub at: DateTime<Utc>,
    /// Of a snooze: until when, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snooze: Option<Snooze>,
}

/// How long reminders are put off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snooze {
    /// The first day with reminders again, by the clocks of the experiment.
    pub until: NaiveDate,
    /// In that person's words.
    pub reason: String,
}

impl Acknowledgement {
    /// Whether it keeps reminders of a state that began at `since` quiet on `today`.
    pub fn holds(&self, since: DateTime<Utc>, today: NaiveDate) -> bool {
        self.at >= since && self.snooze.as_ref().is_none_or(|snooze| today < snooze.until)
    }
}
