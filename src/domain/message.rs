//! What is told to people, of verdicts and of sources: five short lines, the same for every destination.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::audience::{Quiet, Topic};
use super::connector::{SettingInfo, Settings};
use super::decision::Choice;
use super::id::{ConceptId, DestinationId};
use super::verdict::Verdict;

/// One message about one change of state: of a concept, or a notice of a source or a test that
/// a person should see to. Texts are plain: each notifier escapes for its receiver.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Which concept; of a notice, one that reads the source; of a digest see [`Message::audience`].
    pub concept: ConceptId,
    /// What it now is; `None` makes it a notice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verdict: Option<Verdict>,
    /// Of a message that tells of a person's decision: which. `verdict` is then what it was made on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Choice>,
    /// What it is about, which says who hears of it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<Topic>,
    /// `BUILD · Invoice Autopilot · decide by Fri 20 Mar (owner: Dana, head of product)`.
    pub headline: String,
    /// Why, Evidence, Money, Next: a label and one line each.
    pub lines: Vec<(String, String)>,
    /// The instant the verdict speaks for, or the notice was written at.
    pub decided_at: DateTime<Utc>,
}

/// A message on its way to one destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The same on every attempt and after every restart, so that a receiver can deduplicate:
    /// letters, digits, `_` and `-` only.
    pub id: String,
    /// Where to.
    pub destination: DestinationId,
    /// What.
    pub message: Message,
    /// Attempts begun so far, the one under way included.
    pub attempts: u32,
    /// An earlier attempt began and its answer was never recorded (a crash): the receiver may have it.
    pub may_repeat: bool,
    /// Not before this instant.
    pub not_before: DateTime<Utc>,
    /// The id of the delivery that it continues, from a state that was told to its end; else its own.
    pub thread: String,
    /// When nothing is sent there.
    pub quiet: Option<Quiet>,
    /// The page it leads to, on our own pages and nowhere else; known where it is sent.
    pub page: Option<String>,
}

impl Message {
    /// What `concept` begins with, before an audience's name, where a message is about all that they hear of: no concept is
    /// called so.
    pub const TO_ALL_OF: &str = "audience:";

    /// The audience that is told of all its concepts at once, where it is.
    pub fn audience(&self) -> Option<&str> {
        self.concept.as_str().strip_prefix(Self::TO_ALL_OF)
    }

    /// The state it tells of, where it tells of a change of state; `None` of decisions and of notices.
    pub fn change(&self) -> Option<Verdict> {
        self.verdict.filter(|_| self.decision.is_none())
    }
}

impl Delivery {
    /// A message that has not been tried yet.
    pub fn first(message: &Message, destination: &DestinationId) -> Self {
        let told = match message.decision {
            Some(_) => "decided",
            None => message.verdict.map_or("notice", Verdict::word),
        };
        let (concept, told) = (&message.concept, told.to_ascii_lowercase());
        let id = format!("{concept}_{}_{told}_{destination}", message.decided_at.timestamp_millis());
        Self {
            thread: id.clone(),
            id,
            destination: destination.clone(),
            message: message.clone(),
            attempts: 0,
            may_repeat: false,
            quiet: None,
            page: None,
            not_before: message.decided_at,
        }
    }
}

impl Delivery {
    /// Under an id made of a name and where it goes: one with a known id is the same message.
    #[must_use]
    pub fn called(self, name: &str) -> Self {
        let id = format!("{name}_{}", self.destination);
        Self { thread: id.clone(), id, ..self }
    }
}

/// What a kind of notifier is called and needs.
#[derive(Clone, Debug)]
pub struct NotifierInfo {
    /// The table it is configured in: `slack` in `[notify.growth.slack]`.
    pub kind: &'static str,
    /// What the user fills in.
    pub settings: Vec<SettingInfo>,
}

/// `[notify.KEY.KIND]`: one configured place messages go to.
#[derive(Clone, Debug)]
pub struct Destination {
    /// Its name.
    pub id: DestinationId,
    /// Which kind of notifier.
    pub kind: &'static str,
    /// Checked, defaults filled in.
    pub settings: Settings,
}
