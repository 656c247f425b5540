//! What a connector offers, is given, and gives; and the two traits through which it hands rows over
//! and borrows tokens without knowing the store.

use std::borrow::Cow;
use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::concept::Source;
use super::id::{LoginId, SourceId};
use super::inbound::{Inbound, Scheme};
use super::intake::Intake;
use super::metric::MetricId;
use super::response::{Depth, Void};

/// What a source's numbers mean, in its connector's words: carried with every pull, shown by `explain`. In a
/// [`ConnectorInfo`] the placeholders of settings are not filled in yet.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// What a click means here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clicks: Option<String>,
    /// What a conversion means here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversions: Option<String>,
    /// For how long after a click or view an act is still credited to it: "7-day click, 1-day view".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attribution: Option<String>,
    /// What the answer leaves out (archived campaigns, rows of no impressions), or that it leaves out nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left_out: Option<String>,
    /// The instant up to which the vendor says its figures are complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub as_of: Option<DateTime<Utc>>,
    /// The version of the vendor's API that answered, else the one asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Where counts stand whose absence counts as zero, and how often something stood there; empty where there were
    /// no rows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
    /// Where the next reading goes on, of a connector that tells only what is new: its acts are added to those stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<State>,
    /// The file that was read, of those that a person brings or drops into a folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<FileRead>,
}

/// A file that was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRead {
    /// A hash of its content and of how it was read.
    pub content: String,
    /// When it was last written to: what it says is no younger.
    pub modified: DateTime<Utc>,
    /// A person brought it for its days, whatever is older.
    pub is_for_its_days: bool,
    /// Nothing of it is left to be stored.
    pub is_whole: bool,
}

/// Where a reading left off.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// What was asked, hashed: where anything else is asked, the reading begins anew.
    pub of: String,
    /// JSON in the words of whoever was asked; nothing where it says nothing.
    pub said: Option<String>,
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").field("of", &self.of).finish_non_exhaustive()
    }
}

/// A place in a vendor's rows where nothing is a zero: platforms leave zeros out. A renamed one looks the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Field {
    /// What is counted there, alone or with other places.
    pub metric: MetricId,
    /// Its path in a row, the settings filled in.
    pub path: String,
    /// How many rows the reading had, up to and with this window.
    pub of: u64,
    /// In how many of them something stood there.
    pub rows: u64,
    /// The last day of this window on which it was more than zero.
    pub last_day: Option<NaiveDate>,
}

/// Where a connector's description lives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Home {
    /// In this program.
    #[default]
    BuiltIn,
    /// In a folder of the user's: whoever uses it confirms the hosts it asks.
    Folder,
}

/// Name, settings it needs, metrics it supplies.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each says another thing, and any may come with any")]
pub struct ConnectorInfo {
    /// What `connector = "…"` names.
    pub name: String,
    /// What people call it.
    pub title: String,
    /// Where its vendor documents the API; empty for none.
    pub docs: String,
    /// The API version it speaks, where the vendor has versions.
    pub api_version: Option<String>,
    /// Day that version ends, where known.
    pub sunset_on: Option<NaiveDate>,
    /// Day its facts were last checked.
    pub checked_on: Option<NaiveDate>,
    /// How far it was tried: `live` with the vendor itself, `recorded` with its answers, `documented` with its
    /// documentation; empty where there is no vendor.
    pub verified: String,
    /// Hosts that may be sent a secret, as the description writes them, in order.
    pub hosts: Vec<String>,
    /// What a login must be allowed to read.
    pub scopes: Vec<String>,
    /// Whose description it is.
    pub home: Home,
    /// What the user fills in.
    pub settings: Vec<SettingInfo>,
    /// Whether `login = "…"` is needed.
    pub needs_login: bool,
    /// Whether that login must hold a client secret.
    pub needs_secret: bool,
    /// Whether a person gives that login consent, once, with `willitsell auth`.
    pub needs_consent: bool,
    /// Where that login's secrets go to get a token.
    pub token_url: Option<String>,
    /// What it counts.
    pub metrics: Vec<MetricId>,
    /// A setting that names which of them a source counts, with commas between; each source counts all where there is none.
    pub counts_named_in: Option<&'static str>,
    /// Those of them that may be fractions: modelled by the vendor, or one act shared among several clicks.
    pub fractional: Vec<MetricId>,
    /// How deep the acts go that it hands over with the people who did them; `None` where it hands over counts.
    pub people: Option<Depth>,
    /// Whether those acts say who did them. Where they do not, nobody is told apart: see [`Source::nameless`].
    pub names_people: bool,
    /// The setting under which it names them in a way of its own, so that no other source's people are told from them: see
    /// [`Source::names_apart`].
    pub names_apart_by: Option<&'static str>,
    /// Whether it can read what people answered to questions the user names.
    pub reads_answers: bool,
    /// How deliveries that the vendor sends by itself are told from others', where it sends any.
    pub inbound: Option<Scheme>,
    /// What the numbers mean.
    pub facts: Facts,
    /// Days re-read on every pull, because the vendor still changes them.
    pub lookback_days: u32,
    /// Longest span of one request, in days.
    pub longest_days: Option<u32>,
    /// How many days back can be asked for at all.
    pub oldest_days: Option<u32>,
    /// How long a report may be in the making, besides the time one window takes.
    pub prepares_for: std::time::Duration,
    /// It tells only what is new since its last reading, so it is told where that left off.
    pub tells_news: bool,
    /// It cannot be asked: what it sends by itself is all there is.
    pub only_sends: bool,
    /// A setting without which the schedule has nothing to pull (the file connector's `path`).
    pub scheduled_by: Option<&'static str>,
}

impl ConnectorInfo {
    /// Days of a source that are read again on every pull. A day counts once it has settled, so it must be read again then,
    /// however soon the vendor is done with it.
    pub fn lookback_days_of(&self, source: &Source) -> u32 {
        self.lookback_days.max(source.maturity_lag_days)
    }
}

/// One setting of a connector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each says another thing, and any may come with any")]
pub struct SettingInfo {
    /// Its key.
    pub name: String,
    /// What to put there.
    pub help: String,
    /// Must be a reference (`env:`, `file:`), never a literal.
    pub secret: bool,
    /// Taken when the user gives none.
    pub default: Option<String>,
    /// May be left out without a default.
    pub optional: bool,
    /// What it must match, anchored.
    pub pattern: Option<String>,
    /// What it must be one of, when not empty.
    pub choices: Vec<String>,
    /// It is an address: https, or http to loopback only.
    pub address: bool,
    /// It names a time zone, as the IANA writes them.
    pub zone: bool,
}

/// A setting's value. `Debug` prints no secret.
#[derive(Clone, Debug)]
pub enum SettingValue {
    /// As written.
    Plain(String),
    /// As read from its reference.
    Secret(SecretString),
}

/// The settings of one source, checked against its connector, defaults filled in.
#[derive(Clone, Debug, Default)]
pub struct Settings(BTreeMap<String, SettingValue>);

impl Settings {
    /// Puts a value in.
    pub fn insert(&mut self, name: impl Into<String>, value: SettingValue) {
        self.0.insert(name.into(), value);
    }

    /// Puts a value in the place of what is there, or takes it out.
    pub fn put(&mut self, name: &str, value: Option<SettingValue>) {
        match value {
            Some(value) => self.insert(name, value),
            None => {
                self.0.remove(name);
            }
        }
    }

    /// One value, secret or not.
    pub fn get(&self, name: &str) -> Option<&SettingValue> {
        self.0.get(name)
    }

    /// One value that is not secret.
    pub fn plain(&self, name: &str) -> Option<&str> {
        match self.0.get(name) {
            Some(SettingValue::Plain(text)) => Some(text),
            _ => None,
        }
    }

    /// All of them, in order of name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &SettingValue)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }
}

/// `[login.NAME]`: what several sources of one vendor share.
#[derive(Clone, Debug)]
pub struct Login {
    /// Its name.
    pub id: LoginId,
    /// OAuth2 client id.
    pub client_id: String,
    /// OAuth2 client secret; a public application has none.
    pub client_secret: Option<SecretString>,
    /// Long-lived token to renew access with.
    pub refresh_token: Option<SecretString>,
    /// Another token address than the manifest's, for rehearsal: https, or loopback.
    pub token_url: Option<String>,
    /// Another consent page than the manifest's, likewise.
    pub authorize_url: Option<String>,
    /// The loopback port a login answers on, where the vendor wants it registered.
    pub redirect_port: Option<u16>,
    /// How the program is started with this configuration: `willitsell --config FILE`.
    pub program: String,
}

impl Login {
    /// What to run to log in anew.
    pub fn command(&self, source: &SourceId) -> String {
        format!("{} auth {source}", self.program)
    }
}

/// A configured source with all that asking it takes. Handed to whoever pulls, never to whoever decides.
#[derive(Clone, Debug)]
pub struct SourceAccess {
    /// What the decision may know of it.
    pub source: Source,
    /// Checked, defaults filled in.
    pub settings: Settings,
    /// Present where the connector needs one.
    pub login: Option<Login>,
    /// What may be kept of its people.
    pub intake: Intake,
    /// What its vendor's deliveries are checked with, where it takes any.
    pub inbound: Option<Inbound>,
}

/// One row a connector gives.
#[derive(Debug)]
pub enum SourceRow<'p> {
    /// Counts of one entity on one day.
    Counts {
        /// The vendor's key for the entity; `None` where the row carries none.
        arm_key: Option<Cow<'p, str>>,
        /// A day of the source's zone, inside the window asked for.
        day: NaiveDate,
        /// Millionths by metric; never negative.
        values: &'p [(MetricId, i64)],
    },
    /// One person's act.
    Response(ResponseRow<'p>),
}

/// One person's act, as a connector reads it.
pub struct ResponseRow<'p> {
    /// The vendor's id.
    pub response_id: Cow<'p, str>,
    /// Whatever identifies the person (an address): hashed by the sink before it is kept.
    pub person: Option<Cow<'p, str>>,
    /// How deep the act goes.
    pub depth: Depth,
    /// Why it no longer stands, where it does not.
    pub void: Option<Void>,
    /// What tells the arm.
    pub arm_key: Option<Cow<'p, str>>,
    /// When it was done.
    pub at: DateTime<Utc>,
    /// What the person answered, of the questions that were named, by their names.
    pub answers: Vec<(String, String)>,
}

impl ResponseRow<'_> {
    /// The same, borrowing nothing.
    pub fn into_owned(self) -> ResponseRow<'static> {
        let owned = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        ResponseRow {
            response_id: owned(self.response_id),
            person: self.person.map(owned),
            arm_key: self.arm_key.map(owned),
            depth: self.depth,
            void: self.void,
            at: self.at,
            answers: self.answers,
        }
    }
}

impl std::fmt::Debug for ResponseRow<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ResponseRow")
            .field("response_id", &self.response_id)
            .field("at", &self.at)
            .finish_non_exhaustive()
    }
}

/// Why rows were not taken; the window is thrown away whole.
#[derive(Debug, Error)]
pub enum SinkError {
    /// No more rows are wanted: whoever only takes a sample says so.
    #[error("enough rows were seen")]
    Enough,
    /// The rows contradict each other.
    #[error("{0}")]
    Rows(String),
    /// The rows could not be kept.
    #[error("rows could not be kept: {0}")]
    Storage(String),
}

/// Where a connector puts the rows of a page, one batch each. Nothing is visible until the store
/// commits the whole window.
#[async_trait]
pub trait RowSink: Send {
    /// Takes one page's rows.
    async fn accept(&mut self, page: &[SourceRow<'_>]) -> Result<(), SinkError>;
    /// Throws away all rows taken for this window, so that it can be read again.
    async fn clear(&mut self) -> Result<(), SinkError>;
}

/// An access token and what renews it.
#[derive(Clone, Debug)]
pub struct Token {
    /// Sent with each call.
    pub access: SecretString,
    /// When it was given out: it is renewed when four fifths of its life are over.
    pub issued_at: DateTime<Utc>,
    /// When it ends, where the vendor said.
    pub expires_at: Option<DateTime<Utc>>,
    /// What renews it, where the vendor gave one: at the login, or a newer one since.
    pub refresh: Option<SecretString>,
    /// When that ends by itself, where the vendor or the manifest says.
    pub refresh_ends_at: Option<DateTime<Utc>>,
}

/// A refusal that only a person can mend.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// When.
    pub at: DateTime<Utc>,
    /// What was refused, hashed: another token or application is tried at once.
    pub of: String,
    /// In the vendor's words, shortened.
    pub why: String,
    /// It refused client id or secret, not the consent.
    pub application: bool,
}

/// What is kept of one login.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    /// The last token, refused or not.
    pub token: Option<Token>,
    /// The refresh token the user's file held then, hashed: another one there goes before what is kept.
    pub given: Option<String>,
    /// The last answer was a refusal.
    pub refusal: Option<Refusal>,
}

/// Why a token could not be read or kept.
#[derive(Debug, Error)]
pub enum VaultError {
    /// What is kept cannot be opened; logging in anew replaces it.
    #[error("{0}")]
    Sealed(String),
    /// The store failed.
    #[error("the token store failed: {0}")]
    Failed(String),
}

/// Where tokens live between calls.
#[async_trait]
pub trait TokenVault: Send + Sync {
    /// What was last saved of a login; nothing before the first time.
    async fn load(&self, login: &LoginId) -> Result<Kept, VaultError>;
    /// Waits until nobody else renews this login. Load again after it: the winner may have renewed.
    async fn lock(&self, login: &LoginId) -> Result<Box<dyn TokenLock>, VaultError>;
}

/// The right to renew one login, given back when dropped.
#[async_trait]
pub trait TokenLock: Send {
    /// Refuses where somebody else may renew the login by now. Asked before each call that may use the login's token up.
    async fn must_last(&mut self) -> Result<(), VaultError>;
    /// Waits until somebody else soon may: such a call must have ended before.
    async fn nearly_lost(&mut self);
    /// Keeps it; returns only once it is safe to use what is in it.
    async fn save(&mut self, kept: &Kept) -> Result<(), VaultError>;
}

/// A report a vendor is preparing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportJob {
    /// The vendor's name for it.
    pub id: String,
    /// When it was asked for.
    pub asked_at: DateTime<Utc>,
}

/// Why a report's job could not be read or kept.
#[derive(Debug, Error)]
#[error("the job of a report could not be kept: {0}")]
pub struct JobError(pub String);

/// Where open reports are kept across restarts, by source and a hash of what was asked.
#[async_trait]
pub trait JobBook: Send + Sync {
    /// The open report of a request, if any.
    async fn load(&self, source: &SourceId, request: &str) -> Result<Option<ReportJob>, JobError>;
    /// Keeps it; returns only once it is safe.
    async fn save(&self, source: &SourceId, request: &str, job: &ReportJob) -> Result<(), JobError>;
    /// Drops it.
    async fn forget(&self, source: &SourceId, request: &str) -> Result<(), JobError>;
}
