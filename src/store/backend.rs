//! What a store is kept in, and all that differs between the two: beginning, checking, closing; and, in `snapshot.rs`, how
//! many rows are read. Every other file of the store writes SQL that both take.

use std::path::Path;
use std::sync::Arc;

use super::error::StoreError;
use super::postgres::Server;
use super::snapshot::Snapshot;
use super::sqlite::Sqlite;
use super::transaction::Transaction;

/// A database. Clones share its connections.
#[derive(Clone)]
pub enum Backend {
    File(Sqlite),
    Server(Arc<Server>),
}

impl Backend {
    /// Begins a write. Writes follow each other, here and in other processes: each waits for its turn before it says
    /// anything else, so that what it reads stays true until it ends.
    pub async fn write(&self) -> Result<Transaction, StoreError> {
        match self {
            Self::File(file) => file.write().await,
            Self::Server(server) => server.write().await,
        }
    }

    /// Begins a read: everything read in it is of one moment.
    pub async fn read(&self) -> Result<Transaction, StoreError> {
        match self {
            Self::File(file) => file.read().await,
            Self::Server(server) => server.read().await,
        }
    }

    /// As [`Self::read`], for many rows.
    pub fn snapshot(&self) -> Snapshot {
        match self {
            Self::File(file) => Snapshot::of_file(&file.snapshots),
            Self::Server(server) => Snapshot::of_server(server),
        }
    }

    /// Says whether it is whole, as far as whoever keeps it can tell.
    pub async fn check(&self) -> Result<(), StoreError> {
        match self {
            Self::File(file) => file.check().await,
            // A server looks after its own pages.
            Self::Server(_) => Ok(()),
        }
    }

    /// Writes anew what was deleted from, so that nothing of that is left in the tables.
    pub async fn scrub(&self) -> Result<(), StoreError> {
        match self {
            Self::File(file) => file.scrub().await,
            Self::Server(server) => server.scrub().await,
        }
    }

    /// Empties the log, where it is ours; whether nobody else was reading it.
    pub async fn empty_log(&self) -> Result<bool, StoreError> {
        match self {
            Self::File(file) => file.empty_log().await,
            Self::Server(_) => Ok(true),
        }
    }

    /// The number of this process among all that share the database; none in a file.
    pub fn fence(&self) -> Option<i64> {
        match self {
            Self::File(_) => None,
            Self::Server(server) => server.fence(),
        }
    }

    /// The file, where it is one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::File(file) => Some(file.path()),
            Self::Server(_) => None,
        }
    }

    /// A migration in this database's words.
    pub fn dialect(&self, sql: &str) -> String {
        match self {
            // Rows stored in the key itself: 40 % less file.
            Self::File(_) => sql.replace("/* clustered */", "WITHOUT ROWID"),
            Self::Server(_) => sql.to_owned(),
        }
    }

    /// Waits for what is running and closes every connection.
    pub async fn close(&self) {
        match self {
            Self::File(file) => file.close().await,
            Self::Server(server) => server.close().await,
        }
    }
}
