//! What can go wrong with the store, in words that say what to do next. No message carries a value
//! that was stored or a statement that was run.

use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::domain::observation::{LostField, Shrink};

/// Why the store did not do what was asked. Nothing is ever deleted because of an error.
#[derive(Debug, Error)]
pub enum StoreError {
    /// Correct `[store] url`.
    #[error("the store's address {0}")]
    Address(String),
    /// Correct what the operating system complains about.
    #[error("{path} cannot be used: {source}. Check that the folder exists and belongs to the user who runs this")]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Take away other people's right to write.
    #[error(
        "everyone on this machine may write to {path}, so anyone could put another store there: \
         take that right away (chmod o-w) or choose another folder"
    )]
    OpenFolder {
        /// The folder.
        path: PathBuf,
    },
    /// Point the address at a store, or at a file that does not exist yet.
    #[error(
        "{path} is not a willitsell store ({found}); it was left as it is. Correct `[store] url`, or, if this was \
         a store, restore your last good copy of it together with the file beside it that ends in .key"
    )]
    NotAStore {
        /// The file.
        path: PathBuf,
        /// What is in it.
        found: String,
    },
    /// Restore a backup.
    #[error(
        "the store is damaged ({0}); nothing was changed or deleted. Stop every willitsell, move the store and the \
         files beside it that end in -wal and -shm to another folder, and restore your last good copy of the store"
    )]
    Damaged(String),
    /// Use the newer program.
    #[error(
        "the store was written by a newer willitsell ({0}): use that version, or restore an older copy of the store"
    )]
    Newer(String),
    /// Build against a sound library.
    #[error(
        "SQLite {found} can damage its files in rare cases that {wanted} mends: build willitsell with its own copy \
         of SQLite, or update the system's"
    )]
    Library {
        /// The version linked.
        found: String,
        /// The oldest accepted.
        wanted: String,
    },
    /// Bring the key file back.
    #[error(
        "{path} {found}. The store holds people as hashes made with that file, and without it one person would be \
         counted twice: put the file back from the copy it was saved with"
    )]
    PersonKey {
        /// The key file.
        path: PathBuf,
        /// What is wrong with it.
        found: String,
    },
    /// Bring the key of the logins back, or log in again.
    #[error(
        "the key of the logins {0}: put it back from the copy it was saved with, or log in again with `willitsell auth SOURCE`"
    )]
    TokenKey(String),
    /// Stop the other one.
    #[error("another willitsell (process {holder}) is using this store: stop it first, or let it do the work")]
    Claimed {
        /// Its process number, or `unknown`.
        holder: String,
    },
    /// Look at the source: its rows contradict each other.
    #[error("{0}")]
    Rows(String),
    /// Nothing yet: the next reading shows whether it stays like this.
    #[error(
        "fewer rows than before: {0}. This reading was kept aside and what is stored stays; it is read again next run"
    )]
    Less(Box<Shrink>),
    /// Name the field anew, or say that it is meant.
    #[error("{0}")]
    Lost(Box<LostField>),
    /// Try again once the other writer is done.
    #[error("another program kept the store locked for over a minute: close whatever has it open, then try again")]
    Busy,
    /// Make room.
    #[error("the disk is full: nothing of this was stored. Free some space, then try again")]
    Full,
    /// Report it.
    #[error("the store failed: {0}")]
    Database(#[source] sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let code = match &error {
            sqlx::Error::Database(database) => database.code().and_then(|code| code.parse::<i32>().ok()),
            sqlx::Error::PoolTimedOut => return Self::Busy,
            _ => None,
        };
        // SQLite's primary result codes (sqlite.org/rescode.html) are the low byte of what it reports.
        match code.map(|code| code & 0xff) {
            Some(5 | 6) => Self::Busy,
            Some(11 | 26) => Self::Damaged(error.to_string()),
            Some(13) => Self::Full,
            _ => Self::Database(error),
        }
    }
}
