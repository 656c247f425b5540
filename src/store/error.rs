//! What can go wrong with the store, in words that say what to do next. No message carries a value
//! that was stored or a statement that was run.

use std::error::Error as StdError;
use std::io;
use std::path::PathBuf;

use chrono::NaiveDate;
use sqlx::postgres::PgDatabaseError;
use thiserror::Error;

use super::transaction::TooLong;
use crate::domain::observation::{LostField, Shrink};

/// Why the store did not do what was asked. Nothing is ever deleted because of an error.
#[derive(Debug, Error)]
pub enum StoreError {
    /// A person was forgotten, and old pages of the file are still open elsewhere.
    #[error(
        "the person is forgotten, but another process still reads the store, so its log could not be emptied: stop the \
         daemon, run the same command again, and start it"
    )]
    Unscrubbed,
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
    /// Ask whoever keeps the server.
    #[error("the store is on a PostgreSQL server: copy it there, with pg_dump or by the server's own backups")]
    CopiedThere,
    /// Name an empty one.
    #[error(
        "the store that the configuration names holds something already, and nothing was changed: what is put back needs one \
         that is empty, such as a file that does not exist yet or a new database"
    )]
    NotEmpty,
    /// Choose another name.
    #[error("{path} is there already and was left as it is: name another file")]
    Exists {
        /// The file.
        path: PathBuf,
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
    /// Choose a folder on a local disk.
    #[error(
        "{path} is on a network file system ({kind}), where SQLite cannot keep two programs from writing at once: choose \
         a folder on a disk of this machine in `[store] url`, and move what is in this one there"
    )]
    Network {
        /// The folder.
        path: PathBuf,
        /// Which one.
        kind: &'static str,
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
    /// Move the log away.
    #[error(
        "{path} is a copy that was put back, and {path}-wal is the log of the store that was there before: together they \
         would damage each other, and nothing was changed. Stop every willitsell, move {path}-wal and {path}-shm to \
         another folder, and try again"
    )]
    ForeignLog {
        /// The database.
        path: PathBuf,
    },
    /// Restore a backup; what does not depend on it goes on.
    #[error(
        "the store holds what this program did not write ({0}); nothing was changed or deleted. Stop every willitsell, move \
         the store and the files beside it that end in -wal and -shm to another folder, and restore your last good copy of \
         the store"
    )]
    Unreadable(String),
    /// A fault of this program; what it was doing is thrown away.
    #[error("the program failed {0}, which is a fault of willitsell: the log says where; nothing was decided")]
    Fault(String),
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
    /// Give the key the store was written with.
    #[error(
        "[store] key {0}. The store holds people as hashes made with that key, and with another one a person would be counted \
         twice: give the key the store was written with"
    )]
    GivenKey(&'static str),
    /// Give it a database of its own.
    #[error(
        "the database at {place} holds tables of somebody else in schema {schema}; it was left as it is. Make one for this \
         program alone (CREATE DATABASE willitsell), and correct `[store] url`"
    )]
    Taken {
        /// Host and port.
        place: String,
        /// Where its tables would stand.
        schema: String,
    },
    /// Wait, or see to the server: what was asked may be asked again.
    #[error(
        "the store's server cannot be used now ({0}): nothing of this was stored. See that it runs and can be reached from \
         here, then try again"
    )]
    Unreachable(String),
    /// Mend the address, the user's rights, or the server.
    #[error("the store's server refuses what is asked of it ({0}): correct `[store] url`, or the server")]
    Server(String),
    /// Nothing: another process does the work.
    #[error(
        "this willitsell was stopped or cut off for longer than its lease, and another may have taken over its work: nothing \
         of this was stored"
    )]
    Fenced,
    /// Set the clock right.
    #[error(
        "the clock of this machine is {seconds} s {side} that of the store's server, and days would end at another moment than \
         for others: set both right (NTP); nothing is read or decided here until then"
    )]
    Clock {
        /// How far they are apart.
        seconds: i64,
        /// `ahead of` or `behind`.
        side: &'static str,
    },
    /// Look what is stored, then do again what is not.
    #[error(
        "the store's server went away before it said whether it kept this ({0}): see what is stored (`willitsell status`), \
         and do it again where it is not"
    )]
    Unsure(String),
    /// Stop the other one.
    #[error("another willitsell (process {holder}) is using this store: stop it first, or let it do the work")]
    Claimed {
        /// Its process number, or `unknown`.
        holder: String,
    },
    /// Look at the source: its rows contradict each other.
    #[error("{0}")]
    Rows(String),
    /// Read the file again: only the days that no newer file speaks for are its own.
    #[error(
        "a newer file speaks for {0}, which another process stored meanwhile, so nothing of the older one was: try again"
    )]
    Older(NaiveDate),
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
    /// Try again while less is going on.
    #[error(
        "reading took over five minutes and was ended, since the store's log grows for as long as somebody reads: try again \
         while less is going on"
    )]
    TooLong,
    /// Make room.
    #[error("the disk is full: nothing of this was stored. Free some space, then try again")]
    Full,
    /// Make room, or mend the disk or the rights.
    #[error(
        "the disk will not take or give the store's files ({0}): nothing of this was stored. See whether it is full \
         (df -h) and whether the store and its folder belong to the user who runs this, then try again"
    )]
    Disk(String),
    /// Report it.
    #[error("the store failed: {0}")]
    Database(#[source] Box<dyn StdError + Send + Sync>),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(said) if said.try_downcast_ref::<PgDatabaseError>().is_some() => {
                Self::by_state(&said.code().unwrap_or_default())
            }
            sqlx::Error::Io(error) => Self::Unreachable(error.to_string()),
            sqlx::Error::Protocol(_) => Self::Unreachable("what it says cannot be understood".to_owned()),
            sqlx::Error::Tls(error) => Self::Server(format!(
                "the connection cannot be encrypted, or its certificate is not known here: {error}; name its authority with \
                 ?sslrootcert=/path, or write ?sslmode=disable where the network between is yours alone"
            )),
            sqlx::Error::Database(database) => {
                let code = database.code().and_then(|code| code.parse().ok());
                Self::by_code(code.unwrap_or_default(), database.message())
                    .unwrap_or_else(|| Self::Database(error.into()))
            }
            sqlx::Error::PoolTimedOut => Self::Busy,
            sqlx::Error::AnyDriverError(error) if error.is::<TooLong>() => Self::TooLong,
            // Such as a text of which a bit has flipped.
            sqlx::Error::Decode(_) | sqlx::Error::ColumnDecode { .. } => {
                Self::Unreadable("a text or a number in it cannot be read".to_owned())
            }
            _ => Self::Database(error.into()),
        }
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        let code = error.sqlite_error().map(|told| told.extended_code);
        Self::by_code(code.unwrap_or_default(), &error.to_string()).unwrap_or_else(|| Self::Database(error.into()))
    }
}

impl StoreError {
    /// Whether it may pass by itself.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Unsure(_) | Self::Clock { .. } | Self::Busy | Self::Fenced)
    }

    /// What one of PostgreSQL's codes (postgresql.org/docs/current/errcodes-appendix.html) means to whoever runs this. Its
    /// words are left out: they may name what stands in the tables.
    fn by_state(code: &str) -> Self {
        let said = |what: &str| format!("{what}, code {code}");
        match (code, code.get(..2).unwrap_or_default()) {
            ("53100", _) => Self::Full,
            // A lock that was waited for in vain, and two that waited for each other.
            ("55P03" | "40P01" | "40001", _) => Self::Busy,
            ("25006", _) => Self::Unreachable(said("it only reads: it stands by for another, or was told to")),
            ("25P03", _) => Self::Unreachable(said("it had waited too long for us")),
            ("57014", _) => Self::Unreachable(said("the answer took too long")),
            (_, "08" | "53" | "57") => Self::Unreachable(said("it takes no connections, or too few")),
            (_, "28") => Self::Server(said("user or password is wrong, or pg_hba.conf lets nobody in from here")),
            (_, "3D") => Self::Server(said("there is no database of that name")),
            ("42501", _) => Self::Server(said("the user may not do this: let it own the database")),
            (_, "58" | "XX") => Self::Damaged(said("the server cannot read or write its files")),
            _ => Self::Database(said("the server's").into()),
        }
    }

    /// What was found where a file was read through: a page that the disk did not give says nothing of what stands on it.
    pub(super) fn found(said: String) -> Self {
        let code = said.rsplit_once("error code=").and_then(|(_, code)| code.trim().parse().ok());
        code.and_then(|code| Self::by_code(code, "a page cannot be read")).unwrap_or(Self::Damaged(said))
    }

    /// What one of SQLite's result codes (sqlite.org/rescode.html) means to whoever runs this, where it means something.
    fn by_code(code: i32, said: &str) -> Option<Self> {
        // The primary code is the low byte.
        match code & 0xff {
            5 | 6 => Some(Self::Busy),
            9 => Some(Self::TooLong),
            11 | 26 => Some(Self::Damaged(format!("{said}, code {code}"))),
            13 => Some(Self::Full),
            // Read-only, an error of input or output, and a file that cannot be opened: SQLite names no disk that is
            // full where it is one of its own lesser files (…-shm) that does not fit.
            8 | 10 | 14 => Some(Self::Disk(format!("{said}, code {code}"))),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;
    use std::error::Error;
    use std::fmt;

    use sqlx::error::{DatabaseError, ErrorKind};

    use super::*;

    /// What SQLite says, by its code.
    #[derive(Debug)]
    struct Said(i32);

    impl fmt::Display for Said {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "(code: {}) disk I/O error", self.0)
        }
    }

    impl Error for Said {}

    impl DatabaseError for Said {
        fn message(&self) -> &'static str {
            "disk I/O error"
        }

        fn code(&self) -> Option<Cow<'_, str>> {
            Some(self.0.to_string().into())
        }

        fn as_error(&self) -> &(dyn Error + Send + Sync + 'static) {
            self
        }

        fn as_error_mut(&mut self) -> &mut (dyn Error + Send + Sync + 'static) {
            self
        }

        fn into_error(self: Box<Self>) -> Box<dyn Error + Send + Sync + 'static> {
            self
        }

        fn kind(&self) -> ErrorKind {
            ErrorKind::Other
        }
    }

    #[test]
    fn s5_a_page_that_the_disk_does_not_give_is_no_damage() {
        let found = |said: &str| StoreError::found(format!("*** in database main ***\nTree 4 page 77: {said}"));
        // 8458: an error of input or output; 11: the page itself.
        let refused = found("unable to get the page. error code=8458");
        assert!(matches!(&refused, StoreError::Disk(why) if why.contains("8458")), "{refused}");
        for damage in
            ["unable to get the page. error code=11", "btreeInitPage() returns error code 11", "2nd reference"]
        {
            assert!(matches!(found(damage), StoreError::Damaged(_)), "{damage}");
        }
    }

    #[test]
    fn what_the_disk_refuses_says_what_to_do() {
        let of = |code| StoreError::from(sqlx::Error::Database(Box::new(Said(code))));
        assert!(matches!(of(13), StoreError::Full) && of(13).to_string().contains("Free some space"));
        // 4874: no room for the -shm file; 778: a write that failed; 1032: the folder may not be written to.
        for code in [4874, 778, 10, 1032, 14] {
            let said = of(code).to_string();
            assert!(said.contains("full (df -h)") && said.contains("belong to the user who runs this"), "{said}");
            assert!(said.contains(&format!("(disk I/O error, code {code})")), "{said}");
        }
        assert!(matches!(of(1), StoreError::Database(_)));
        let unreadable = StoreError::from(sqlx::Error::Decode("invalid utf-8".into()));
        assert!(unreadable.to_string().contains("restore your last good copy"), "{unreadable}");
        // 267: a virtual table that is damaged. Not a record: nothing of the file can be trusted.
        for code in [11, 26, 267] {
            assert!(matches!(of(code), StoreError::Damaged(_)));
        }
    }
}
