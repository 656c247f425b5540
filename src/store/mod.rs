//! The only SQL of ours: what was pulled with every revision of it, runs, verdicts, and messages on
//! their way. Knows no vendor and decides nothing; returns domain types.

#![expect(
    clippy::missing_errors_doc,
    reason = "an open store fails for the same few reasons whatever is asked of it: StoreError lists them"
)]

mod acknowledgements;
mod backend;
mod bulk;
mod columns;
mod copies;
mod decisions;
mod error;
mod export;
mod fields;
mod files;
mod forget;
mod free_text;
mod jobs;
mod lease;
mod migrate;
mod newest;
mod observations;
mod outbox;
mod overview;
mod people;
mod portfolio;
mod postgres;
mod pulls;
mod quarantine;
mod received;
mod responses;
mod restore;
mod rows;
mod runs;
mod scorecards;
mod seal;
mod settled;
mod setups;
mod snapshot;
mod sqlite;
mod stage;
mod standings;
mod tokens;
mod transaction;

use std::fmt;
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use secrecy::SecretString;

pub use columns::arm_key;
pub use copies::Backup;
pub use error::StoreError;
pub use export::{Cell, Export, Kind, OfPerson, Table};
pub use forget::Forgotten;
pub use newest::{Added, Bookmark, News};
pub use outbox::Undelivered;
pub use overview::{ChangeOfVerdict, Reached};
pub use portfolio::Portfolio;
pub use pulls::{Slice, SliceChange};
pub use quarantine::Wary;
pub use received::{Kept as KeptDeliveries, NAMES_KEPT_DAYS, Received};
pub use restore::Restored;
pub use rows::{Rows, View};
pub use scorecards::{Ending, Finding, NewVerdict};
pub use settled::Settling;
pub use setups::{Kept, Packed};
pub use stage::Stage;
pub use standings::{OfConcepts, Standing};
pub use tokens::Tokens;

use backend::Backend;
use lease::Lease;
use observations::Observations;
use people::People;
use postgres::Server;
use responses::Responses;
use sqlite::Sqlite;

use crate::domain::postgres::PostgresAddress;

/// An open store. Cheap to share behind an `Arc`; writes queue up behind each other.
pub struct Store {
    backend: Backend,
    people: Arc<People>,
    /// Seals tokens where the user names no key for them and there is no file to keep one in; else empty.
    key_of_tokens: SecretString,
    renewals: tokens::Turns,
    observations: Observations,
    responses: Responses,
    rows: Arc<rows::Questions>,
    scorecards: scorecards::Statements,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("path", &self.backend.path()).finish_non_exhaustive()
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
        Self::open_with(url, None).await
    }

    /// As [`Self::open`], also at an address such as `postgres://user:password@host/database`. The key that people are hashed
    /// with, 64 hexadecimal digits, is then `key`; beside a file one is made where none is given.
    ///
    /// # Errors
    /// [`StoreError`], each saying what to do. No part of the address is in it but host and port.
    pub async fn open_with(url: &str, key: Option<&SecretString>) -> Result<Self, StoreError> {
        match Self::opened(url, key).await {
            Err(error @ StoreError::Damaged(_)) if !PostgresAddress::is_meant(url) => {
                Err(sqlite::looked_into(&files::path_of(url)?, error).await)
            }
            opened => opened,
        }
    }

    async fn opened(url: &str, key: Option<&SecretString>) -> Result<Self, StoreError> {
        let given = key.map(People::given).transpose()?;
        let (backend, people, key_of_tokens) = if PostgresAddress::is_meant(url) {
            let people = given.ok_or(StoreError::GivenKey("is missing"))?;
            let backend = Backend::Server(Server::open(url).await?);
            migrate::migrate(&backend).await?;
            let key_of_tokens = people.key_for("tokens")?;
            (backend, people, key_of_tokens)
        } else {
            let path = files::path_of(url)?;
            files::prepare(&path)?;
            let backend = Backend::File(Sqlite::open(&path).await?);
            migrate::migrate(&backend).await?;
            (backend, given.map_or_else(|| People::beside(&path), Ok)?, SecretString::default())
        };
        let fingerprint: Option<String> = sqlx::query_scalar("SELECT fingerprint FROM person_key")
            .fetch_optional(&mut *backend.read().await?)
            .await?;
        people.must_match(fingerprint.as_deref())?;
        let people = Arc::new(people);
        Ok(Self {
            backend,
            people,
            key_of_tokens,
            renewals: tokens::Turns::default(),
            observations: Observations::new(),
            responses: Responses::new(),
            rows: Arc::new(rows::Questions::new()),
            scorecards: scorecards::Statements::new(),
        })
    }

    /// Whether there is anything at a store's address. A server is there.
    pub fn is_there(url: &str) -> bool {
        PostgresAddress::is_meant(url) || files::path_of(url).is_ok_and(|path| path.exists())
    }

    /// Takes the right to pull on a schedule. In a file one process has it at a time: it ends when dropped, and when the
    /// process dies in any way. On a server several share the work, each under a number of its own, which it gets anew here
    /// where the one before has run out: nothing that was begun under that may still be under way.
    ///
    /// # Errors
    /// [`StoreError::Claimed`] naming the process that has it.
    pub async fn claim(&self) -> Result<DaemonClaim, StoreError> {
        Ok(match &self.backend {
            Backend::File(file) => DaemonClaim::File { _locked: files::claim(file.path())? },
            Backend::Server(server) => {
                server.join_anew().await?;
                DaemonClaim::Shared
            }
        })
    }

    /// Reads the whole store and says whether it is sound: its pages, as opening does, and whether indexes and tables agree.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] when it is not.
    pub async fn check(&self) -> Result<(), StoreError> {
        self.backend.check().await
    }

    /// What a failure of the store is, once the store was read through where it is told as damage: SQLite says so too where the
    /// disk only did not give a page, and then nothing has to be restored.
    pub async fn looked_into(&self, error: StoreError) -> StoreError {
        match self.backend.path() {
            Some(path) => sqlite::looked_into(path, error).await,
            // A server has looked itself.
            None => error,
        }
    }

    /// Takes what only one process does at a time, waiting for it. In a file, whoever has the claim is alone.
    ///
    /// # Errors
    /// [`StoreError::Claimed`] naming the process that has it.
    pub async fn alone(&self, what: &str, patience: Duration) -> Result<Alone, StoreError> {
        Ok(Alone {
            _leased: match &self.backend {
                Backend::File(_) => None,
                Backend::Server(server) => Some(server.lease(what, patience).await?),
            },
        })
    }

    /// Whether nobody can have taken over this process's work: asked right before what no transaction can undo.
    pub fn may_act(&self) -> bool {
        match &self.backend {
            Backend::File(_) => true,
            Backend::Server(server) => server.is_ours(),
        }
    }

    /// Waits until others may take over this process's work, as far as it knows; for ever in a file.
    pub async fn cut_off(&self) {
        match &self.backend {
            Backend::File(_) => std::future::pending().await,
            Backend::Server(server) => server.cut_off().await,
        }
    }

    /// Refuses where the clock that shows `now` is more than a minute away from the server's: whose day has ended must not depend
    /// on which process asks. In a file there is one clock.
    ///
    /// # Errors
    /// [`StoreError::Clock`], or that the server cannot be asked.
    pub async fn must_agree_on(&self, now: DateTime<Utc>) -> Result<(), StoreError> {
        match &self.backend {
            Backend::File(_) => Ok(()),
            Backend::Server(server) => server.must_agree_on(now).await,
        }
    }

    /// What another process works with on this store, where that is something else than this one and was read later: its name.
    /// Notes what this process works with, and since when. In a file there is no other.
    ///
    /// # Errors
    /// That the server cannot be asked.
    pub async fn overruled(&self, works_with: &str, since: DateTime<Utc>) -> Result<Option<String>, StoreError> {
        match &self.backend {
            Backend::File(_) => Ok(None),
            Backend::Server(server) => server.overruled(works_with, since).await,
        }
    }

    /// Whether it is on a server, which keeps more than its tables.
    pub fn is_on_a_server(&self) -> bool {
        matches!(self.backend, Backend::Server(_))
    }

    /// Whether the disk that a store in a file is on takes anything more, tried with a little file. A server looks after its
    /// own.
    pub async fn has_room(&self) -> bool {
        let Some(folder) = self.backend.path().and_then(|path| path.parent()).map(ToOwned::to_owned) else {
            return true;
        };
        tokio::task::spawn_blocking(move || files::has_room(&folder)).await.unwrap_or(true)
    }

    /// Waits for what is running, then closes the files.
    pub async fn close(&self) {
        self.backend.close().await;
    }

    /// Where rows wait that are too many for memory.
    fn folder(&self) -> PathBuf {
        self.backend.path().and_then(|path| path.parent()).map_or_else(std::env::temp_dir, ToOwned::to_owned)
    }
}

/// The right to pull on a schedule.
#[derive(Debug)]
pub enum DaemonClaim {
    /// Of a store in a file: given back when dropped, and by the operating system when the process dies in any way.
    File {
        /// Locked for as long as it is open.
        _locked: File,
    },
    /// Of a store on a server, in which each slot, each source and each message is taken by itself.
    Shared,
}

/// What only one process does at a time; until it is dropped.
#[derive(Debug)]
pub struct Alone {
    _leased: Option<Lease>,
}
