//! Asking vendors: what every connector is, is given, gives back, and how it fails. How one vendor is
//! asked stands in its manifest or in `native`.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use thiserror::Error;

use crate::domain::connector::{ConnectorInfo, Login, RowSink, Settings, SinkError, TokenVault};
use crate::domain::id::SourceId;
use crate::domain::money::Currency;
use crate::domain::observation::DateWindow;

pub mod auth;
pub mod http;
pub mod native;

/// One way of asking a vendor.
#[async_trait]
pub trait Connector: Send + Sync {
    /// Name, settings it needs, metrics it supplies.
    fn info(&self) -> &ConnectorInfo;
    /// Brings the rows of a window into the sink, one batch a page; memory stays flat in rows.
    ///
    /// # Errors
    /// [`PullError`]; the window is then thrown away whole.
    async fn pull(&self, request: &PullRequest<'_>, sink: &mut dyn RowSink) -> Result<PullFacts, PullError>;
}

/// What a connector is given for one pull.
pub struct PullRequest<'a> {
    /// Which source.
    pub source: &'a SourceId,
    /// Checked, defaults filled in.
    pub settings: &'a Settings,
    /// Present where the connector needs one.
    pub login: Option<&'a Login>,
    /// Where tokens live between calls.
    pub tokens: &'a dyn TokenVault,
    /// Days asked for, both ends included.
    pub window: DateWindow,
    /// The experiment's zone: for vendors that give instants, and files that do not say.
    pub zone: Tz,
    /// The time of asking.
    pub now: DateTime<Utc>,
}

/// What a pull learnt besides its rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PullFacts {
    /// Batches handed to the sink.
    pub pages: u32,
    /// Rows handed to the sink.
    pub rows: u64,
    /// Where the source's days begin and end.
    pub day_zone: Tz,
    /// What its money is in, where it supplies money.
    pub currency: Option<Currency>,
    /// The API version that answered, where the vendor says.
    pub version: Option<String>,
    /// The days this answer speaks for: only they are replaced. The window for APIs, the file's own
    /// days for files.
    pub covered: DateWindow,
    /// What a reader should look at, in sentences.
    pub warnings: Vec<String>,
}

/// Why a window was not pulled. Each variant says what to do next; none holds an address or a token.
#[derive(Debug, Error)]
pub enum PullError {
    /// The vendor does not accept the login.
    #[error("the login was refused: {hint}")]
    Credentials {
        /// What to do.
        hint: String,
    },
    /// The vendor could not be reached.
    #[error("the vendor could not be reached: {0}. It is tried again at the next run")]
    Network(String),
    /// The vendor asks for patience.
    #[error("the vendor limits how often it may be asked. It is tried again at the next run")]
    RateLimited {
        /// How long, where it says.
        retry_after: Option<Duration>,
    },
    /// The vendor answered with an error.
    #[error("the vendor answered with an error ({status}): {message}")]
    Vendor {
        /// HTTP status.
        status: u16,
        /// Its words, redacted and cut.
        message: String,
    },
    /// The API version is no longer served.
    #[error("this API version has ended: {message}")]
    Retired {
        /// Its words, redacted and cut.
        message: String,
    },
    /// The answer does not look as it should.
    #[error("the answer is not as expected at {path}: {saw}")]
    Shape {
        /// Where.
        path: String,
        /// What stood there.
        saw: String,
    },
    /// A file was refused.
    #[error("{0}")]
    File(String),
    /// The rows were not taken.
    #[error(transparent)]
    Sink(#[from] SinkError),
}
