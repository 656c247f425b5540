//! Asking vendors: the public face of everything that leaves this machine to fetch results.

pub mod auth;
pub mod folder;
pub mod http;
pub mod manifest;
pub mod native;
mod program;
mod progress;
mod registry;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use thiserror::Error;

use crate::domain::connector::{
    ConnectorInfo, Facts, JobBook, Login, ResponseRow, RowSink, Settings, SinkError, State, TokenVault,
};
use crate::domain::id::{LoginId, SourceId};
use crate::domain::inbound::Heard;
use crate::domain::intake::Question;
use crate::domain::money::Currency;
use crate::domain::observation::DateWindow;

pub use progress::Progress;
pub use registry::Registry;

/// A way to ask one vendor for results.
#[async_trait]
pub trait Connector: Send + Sync {
    /// Its name, the settings it needs, the metrics it supplies.
    fn info(&self) -> &ConnectorInfo;

    /// How its login is got and renewed; `None` where it takes none.
    fn oauth2(&self) -> Option<&auth::Oauth2> {
        None
    }

    /// What reads the deliveries that the vendor sends by itself, of a source with these settings and questions; `None`
    /// where they bring no acts, but say only that there is something new.
    ///
    /// # Errors
    /// A sentence, where the settings do not fit.
    fn deliveries(&self, _settings: &Settings, _questions: &[Question]) -> Result<Option<Box<dyn Deliveries>>, String> {
        Ok(None)
    }

    /// Reads one window of one source, a page at a time, into the sink. Memory does not grow with the
    /// rows but for two machine words each, by which repeated rows are known.
    ///
    /// # Errors
    /// [`PullError`]; whatever the sink has taken by then must be thrown away.
    async fn pull(&self, request: &PullRequest<'_>, sink: &mut dyn RowSink) -> Result<PullFacts, PullError>;
}

/// Reads what a vendor sends by itself for one source.
pub trait Deliveries: Send + Sync {
    /// The act that a delivery brings, the same row with the same id as a pull gives; `None` where it brings none.
    ///
    /// # Errors
    /// A sentence naming the place that cannot be read, and nothing of what stands there.
    fn read(&self, body: &str) -> Result<Option<ResponseRow<'static>>, String>;
}

/// What is asked of a connector.
#[derive(Clone, Copy)]
pub struct PullRequest<'a> {
    /// Which source.
    pub source: &'a SourceId,
    /// Checked, defaults filled in.
    pub settings: &'a Settings,
    /// The answers to read, where it hands over people.
    pub questions: &'a [Question],
    /// Where the connector needs one.
    pub login: Option<&'a Login>,
    /// Where access tokens live between calls.
    pub tokens: &'a dyn TokenVault,
    /// Where reports in the making are kept across restarts.
    pub jobs: &'a dyn JobBook,
    /// First and last day asked for, in the source's zone.
    pub window: DateWindow,
    /// The experiment's: for vendors that give instants.
    pub zone: Tz,
    /// When it is asked.
    pub now: DateTime<Utc>,
    /// Where its last committed reading left off, of a connector that tells only what is new.
    pub state: Option<&'a State>,
    /// What came from its sender, of a connector that cannot be asked.
    pub heard: Option<&'a Heard>,
    /// Where it is noted how far the reading has come.
    pub progress: &'a Progress,
}

/// What a window brought besides its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullFacts {
    /// Answers read.
    pub pages: u32,
    /// Rows handed to the sink.
    pub rows: u64,
    /// Where the source's days begin and end; the experiment's zone where no row said.
    pub day_zone: Tz,
    /// What its money is in; `None` where it supplies none or no row said.
    pub currency: Option<Currency>,
    /// What the numbers mean, settings filled in.
    pub facts: Facts,
    /// The days this answer speaks for: only they are replaced.
    pub covered: DateWindow,
    /// What a person should know, one sentence each.
    pub warnings: Vec<String>,
}

/// Why a window could not be read, named for what to do next. Nothing of it is used. Never holds an
/// address, a token, or more than 300 bytes of an answer.
#[derive(Debug, Error)]
pub enum PullError {
    /// A person must mend access.
    #[error("{hint}")]
    Credentials {
        /// What to do.
        hint: String,
    },
    /// A person must log in; until then nobody is asked.
    #[error("{why}: run `{command}`")]
    NeedsLogin {
        /// Which login.
        login: LoginId,
        /// What happened.
        why: String,
        /// What to run.
        command: String,
    },
    /// Try again later; if it stays so, look at the network.
    #[error("{0}")]
    Network(String),
    /// Ask less often, or wait.
    #[error("the vendor asks to be left alone{}; the next run tries again", retry_after.map(in_words).unwrap_or_default())]
    RateLimited {
        /// How long, where it said.
        retry_after: Option<Duration>,
    },
    /// The vendor refused, and says why.
    #[error("the vendor refused (status {status}): {message}")]
    Vendor {
        /// Of its answer.
        status: u16,
        /// In its words, shortened, and what to do.
        message: String,
    },
    /// The API version has ended: a newer one must be named.
    #[error("{message}")]
    Retired {
        /// What to change.
        message: String,
    },
    /// The answer is not of the form the connector knows.
    #[error("`{path}` cannot be read: {saw}. Nothing of this window was used; the vendor may have changed its answer")]
    Shape {
        /// Where to look.
        path: String,
        /// What was there.
        saw: String,
    },
    /// The vendor no longer has these days.
    #[error("the vendor has no days older than {oldest} days; ask for days from {first} on")]
    TooOld {
        /// How far back it can be asked.
        oldest: u32,
        /// The first day it still has.
        first: NaiveDate,
    },
    /// What is kept between runs cannot be read or written.
    #[error("{0}")]
    Jobs(String),
    /// A file cannot be read.
    #[error("{0}")]
    File(String),
    /// A program of the user's did not do what it should.
    #[error("{0}")]
    Program(String),
    /// What a sender should have sent did not come, or cannot be read.
    #[error("{0}")]
    Deliveries(String),
    /// A database of the user's did not give what it should.
    #[error("{0}")]
    Database(String),
    /// The rows could not be taken.
    #[error(transparent)]
    Sink(#[from] SinkError),
}

fn in_words(wait: Duration) -> String {
    format!(" for {} s", wait.as_secs())
}
