//! The only SQL of ours: what was pulled with every revision of it, runs, verdicts, and messages on
//! their way. Knows no vendor and decides nothing; returns domain types.

#![expect(
    clippy::missing_errors_doc,
    reason = "an open store fails for the same few reasons whatever is asked of it: StoreError lists them"
)]

mod backend;
mod columns;
mod decisions;
mod error;
mod fields;
mod files;
mod forget;
mod free_text;
mod jobs;
mod migrate;
mod observations;
mod outbox;
mod people;
mod portfolio;
mod pulls;
mod quarantine;
mod received;
mod responses;
mod rows;
mod runs;
mod scorecards;
mod seal;
mod settled;
mod setups;
mod snapshot;
mod stage;
mod standings;
mod tokens;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub use columns::arm_key;
pub use error::StoreError;
pub use files::DaemonClaim;
pub use forget::Forgotten;
pub use outbox::Undelivered;
pub use portfolio::Portfolio;
pub use pulls::{Slice, SliceChange};
pub use quarantine::Wary;
pub use received::{Kept as KeptDeliveries, NAMES_KEPT_DAYS, Received};
pub use rows::{Rows, View};
pub use scorecards::{Ending, Finding, NewVerdict};
pub use settled::Settling;
pub use setups::{Kept, Packed};
pub use stage::Stage;
pub use standings::{OfConcepts, Standing};
pub use tokens::Tokens;

use backend::Backend;
use observations::Observations;
use people::People;
use responses::Responses;

/// An open store. Cheap to share behind an `Arc`; writes queue up behind each other.
pub struct Store {
    path: PathBuf,
    backend: Backend,
    people: Arc<People>,
    observations: Observations,
    responses: Responses,
    rows: Arc<rows::Questions>,
    scorecards: scorecards::Statements,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("path", &self.path).finish_non_exhaustive()
    }
}

impl Store {
    /// Opens the store at an address such as `sqlite://willitsell.db`, making it, and its folder, where there is
    /// none; checks that it is whole and ours, and brings it to this program's schema. Its files can be
    /// read by their owner only.
    ///
    /// # Errors
    /// [`StoreError`], each saying what to do. A file that is damaged or of another program is left as it is.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        let path = files::path_of(url)?;
        files::prepare(&path)?;
        let backend = Backend::open(&path).await?;
        migrate::migrate(&backend).await?;
        let people = People::beside(&path)?;
        let fingerprint: Option<String> = sqlx::query_scalar("SELECT fingerprint FROM person_key")
            .fetch_optional(&mut *backend.read().await?)
            .await?;
        people.must_match(fingerprint.as_deref())?;
        let people = Arc::new(people);
        Ok(Self {
            path,
            backend,
            people,
            observations: Observations::new(),
            responses: Responses::new(),
            rows: Arc::new(rows::Questions::new()),
            scorecards: scorecards::Statements::new(),
        })
    }

    /// Whether there is anything at a store's address.
    pub fn is_there(url: &str) -> bool {
        files::path_of(url).is_ok_and(|path| path.exists())
    }

    /// Takes the right to pull on a schedule, which one process has at a time. It ends when dropped, and
    /// when the process dies in any way.
    ///
    /// # Errors
    /// [`StoreError::Claimed`] naming the process that has it.
    pub fn claim(&self) -> Result<DaemonClaim, StoreError> {
        files::claim(&self.path)
    }

    /// Reads the whole store and says whether it is sound. Opening does so too.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when it is not.
    pub async fn check(&self) -> Result<(), StoreError> {
        self.backend.check().await
    }

    /// Waits for what is running, then closes the files.
    pub async fn close(&self) {
        self.backend.close().await;
    }

    fn folder(&self) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("/")).to_owned()
    }
}
