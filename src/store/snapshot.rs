//! The second half of what differs between databases, beside `backend.rs`: many rows of one moment. Those of a file are read
//! where SQLite has them, since a row that `sqlx` hands from its thread to ours costs more than all that is done with it;
//! those of a server come one after the other, and are not kept.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::str;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::TryStreamExt;
use rusqlite::config::DbConfig;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, OpenFlags, Row, ToSql, params_from_iter};
use sqlx::any::{AnyArguments, AnyRow};
use sqlx::{Arguments, AssertSqlSafe, Row as _};
use tokio::runtime::Handle;
use tokio::sync::watch;

use super::columns::{self, Fields};
use super::error::StoreError;
use super::postgres::Server;
use super::transaction::Transaction;

/// Statements that a connection keeps compiled: more than are ever asked of it.
const COMPILED: usize = 32;

/// Steps of SQLite's machine, some tenths of a millisecond of work, after which it is looked how long a reading goes on.
const LOOKS_AFTER: i32 = 10_000;

/// Readers, too, write to the index beside the log.
const WITH_INDEX: OpenFlags = OpenFlags::SQLITE_OPEN_READ_WRITE.union(OpenFlags::SQLITE_OPEN_NO_MUTEX);

/// Connections to one database that only read. As many stay open as were ever used at once.
pub struct Snapshots {
    path: PathBuf,
    settings: &'static str,
    longest: Duration,
    /// `None` once closed.
    idle: Mutex<Option<Vec<Connection>>>,
    /// Every snapshot has its other end for as long as it may read.
    readers: watch::Sender<()>,
}

impl Snapshots {
    /// None is open yet; `settings` are run on each that is. A reading is ended where it goes on for longer than the `longest`
    /// may: as long as one does, the store's log grows with every write.
    pub fn new(path: PathBuf, settings: &'static str, longest: Duration) -> Self {
        Self { path, settings, longest, idle: Mutex::new(Some(Vec::new())), readers: watch::Sender::new(()) }
    }

    /// Waits until nobody reads any more, a thread whose caller has gone included, and closes all.
    pub async fn close(&self) {
        *self.idle() = None;
        self.readers.closed().await;
    }

    fn idle(&self) -> MutexGuard<'_, Option<Vec<Connection>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(&self) -> Result<Connection, StoreError> {
        let kept = self.idle().as_mut().and_then(Vec::pop);
        let connection = kept.map_or_else(|| self.connect(), Ok)?;
        let end = Instant::now() + self.longest;
        connection.progress_handler(LOOKS_AFTER, Some(move || Instant::now() > end))?;
        connection.execute_batch("BEGIN")?;
        Ok(connection)
    }

    fn connect(&self) -> Result<Connection, StoreError> {
        let connection = Connection::open_with_flags(&self.path, WITH_INDEX)?;
        connection.execute_batch(self.settings)?;
        // Where somebody ran ANALYZE, each question would be compiled anew for each value that it is asked of.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
        connection.set_prepared_statement_cache_capacity(COMPILED);
        Ok(connection)
    }
}

/// Reads every page of the database in a file, by `quick_check` or the slower `integrity_check`, which also compares
/// indexes with their tables; an error where they do not fit together. Changes nothing. Damage must show twice: where the disk
/// does not give a page in the middle of a statement, SQLite calls the file malformed (`SQLITE_IOERR_CORRUPTFS`).
pub fn examine(path: &Path, how: &str) -> Result<(), StoreError> {
    match look(path, how) {
        Err(StoreError::Damaged(_)) => look(path, how),
        other => other,
    }
}

fn look(path: &Path, how: &str) -> Result<(), StoreError> {
    let connection = Connection::open_with_flags(path, WITH_INDEX)?;
    // Whoever closes last would write the log back, also one that damages the file.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
    connection.execute_batch("PRAGMA busy_timeout = 75000; PRAGMA query_only = ON; PRAGMA trusted_schema = OFF")?;
    let found: String = connection.query_row(&format!("PRAGMA {how}(1)"), [], |row| row.get(0))?;
    if found == "ok" { Ok(()) } else { Err(StoreError::found(found)) }
}

/// The database at one moment, which is that of the first question.
pub struct Snapshot(At);

enum At {
    File(OfFile),
    Server { server: Arc<Server>, begun: Option<Transaction> },
}

struct OfFile {
    begun: Option<Connection>,
    of: Arc<Snapshots>,
    reader: watch::Receiver<()>,
}

impl Snapshot {
    pub fn of_file(of: &Arc<Snapshots>) -> Self {
        Self(At::File(OfFile { begun: None, of: Arc::clone(of), reader: of.readers.subscribe() }))
    }

    pub fn of_server(server: &Arc<Server>) -> Self {
        Self(At::Server { server: Arc::clone(server), begun: None })
    }

    /// Reads on a thread that may wait for the disk, or for the server.
    pub async fn read<T: Send + 'static>(
        &mut self,
        what: impl FnOnce(&Reading<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let failed = |error: tokio::task::JoinError| StoreError::Database(error.into());
        match &mut self.0 {
            At::File(file) => {
                let (begun, of, reader) = (file.begun.take(), Arc::clone(&file.of), file.reader.clone());
                let reading = tokio::task::spawn_blocking(move || {
                    let connection = begun.map_or_else(|| of.begin(), Ok)?;
                    let found = what(&Reading::File(&connection))?;
                    // What nobody waits for any more is dropped in this order.
                    Ok::<_, StoreError>((connection, found, reader))
                });
                let (connection, found, _) = reading.await.map_err(failed)??;
                file.begun = Some(connection);
                Ok(found)
            }
            At::Server { server, begun } => {
                let transaction = match begun.take() {
                    Some(transaction) => transaction,
                    None => server.read().await?,
                };
                let here = Handle::current();
                let reading = tokio::task::spawn_blocking(move || {
                    let transaction = RefCell::new(transaction);
                    let found = what(&Reading::Server(&transaction, &here))?;
                    Ok::<_, StoreError>((transaction.into_inner(), found))
                });
                let (transaction, found) = reading.await.map_err(failed)??;
                *begun = Some(transaction);
                Ok(found)
            }
        }
    }
}

impl Drop for OfFile {
    fn drop(&mut self) {
        // One that cannot end its reading is closed.
        if let Some(connection) = self.begun.take().filter(|connection| connection.execute_batch("COMMIT").is_ok())
            && let Some(idle) = self.of.idle().as_mut()
        {
            idle.push(connection);
        }
    }
}

/// A snapshot while it is read.
pub enum Reading<'c> {
    File(&'c Connection),
    Server(&'c RefCell<Transaction>, &'c Handle),
}

impl<'c> Reading<'c> {
    /// A question in SQL, to be asked once or more. Its placeholders first appear in their order.
    pub fn question(&self, sql: &str) -> Result<Question<'c>, StoreError> {
        Ok(match *self {
            Self::File(connection) => Question::File(connection.prepare_cached(sql)?),
            Self::Server(transaction, here) => Question::Server(transaction, here, sql.into()),
        })
    }
}

/// A question, compiled where that can be.
pub enum Question<'c> {
    File(CachedStatement<'c>),
    Server(&'c RefCell<Transaction>, &'c Handle, Arc<str>),
}

impl Question<'_> {
    /// Asks it of some values; `take` is given each row of the answer, and may ask nothing meanwhile.
    pub fn each(
        &mut self,
        of: &[Value<'_>],
        mut take: impl FnMut(&mut InPlace<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        self.each_until(of, |row| take(row).map(|()| ControlFlow::Continue(())))
    }

    /// The same, until `take` has enough.
    pub fn each_until(
        &mut self,
        of: &[Value<'_>],
        mut take: impl FnMut(&mut InPlace<'_>) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<(), StoreError> {
        match self {
            Self::File(statement) => {
                let mut rows = statement.query(params_from_iter(of))?;
                while let Some(row) = rows.next()? {
                    if take(&mut InPlace { row: Place::File(row), next: 0 })?.is_break() {
                        break;
                    }
                }
                Ok(())
            }
            Self::Server(transaction, here, sql) => {
                let mut arguments = AnyArguments::default();
                let bound = of.iter().try_for_each(|value| match *value {
                    Value::Text(text) => arguments.add(text),
                    Value::Number(number) => arguments.add(number),
                });
                bound.map_err(sqlx::Error::Encode)?;
                let busy = |_| StoreError::Unreadable("a question was asked while another was answered".to_owned());
                let mut transaction = transaction.try_borrow_mut().map_err(busy)?;
                here.block_on(async {
                    let query = sqlx::query_with(AssertSqlSafe(Arc::clone(sql)), arguments);
                    let mut rows = query.fetch(&mut **transaction);
                    while let Some(row) = rows.try_next().await? {
                        if take(&mut InPlace { row: Place::Server(&row), next: 0 })?.is_break() {
                            break;
                        }
                    }
                    Ok(())
                })
            }
        }
    }
}

/// What a question is asked of.
#[derive(Clone, Copy, Debug)]
pub enum Value<'a> {
    Text(&'a str),
    Number(i64),
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match *self {
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Number(number) => ValueRef::Integer(number),
        }))
    }
}

/// A row where the database has it, or as it came from there.
pub struct InPlace<'r> {
    row: Place<'r>,
    next: usize,
}

enum Place<'r> {
    File(&'r Row<'r>),
    Server(&'r AnyRow),
}

impl<'r> Fields<'r> for InPlace<'r> {
    fn text(&mut self) -> Result<&'r str, StoreError> {
        let position = self.next;
        self.next += 1;
        match self.row {
            Place::File(row) => match row.get_ref(position)? {
                ValueRef::Text(text) => str::from_utf8(text).map_err(|_| columns::unreadable("a text")),
                ValueRef::Null => Ok(""),
                _ => Err(columns::unreadable("a text")),
            },
            Place::Server(row) => {
                let text: Option<&str> = row.try_get(position).map_err(|_| columns::unreadable("a text"))?;
                Ok(text.unwrap_or_default())
            }
        }
    }

    fn optional_number(&mut self) -> Result<Option<i64>, StoreError> {
        let [number] = self.optional_numbers()?;
        Ok(number)
    }

    fn optional_numbers<const COUNT: usize>(&mut self) -> Result<[Option<i64>; COUNT], StoreError> {
        let mut numbers = [None; COUNT];
        let positions = (self.next..).zip(&mut numbers);
        match self.row {
            // Most of what is read: an error for each would cost more than the number.
            Place::File(row) => {
                for (position, number) in positions {
                    match row.get_ref(position) {
                        Ok(ValueRef::Integer(found)) => *number = Some(found),
                        Ok(ValueRef::Null) => {}
                        Ok(_) => return Err(columns::unreadable("a number")),
                        Err(error) => return Err(error.into()),
                    }
                }
            }
            Place::Server(row) => {
                for (position, number) in positions {
                    *number = row.try_get(position).map_err(|_| columns::unreadable("a number"))?;
                }
            }
        }
        self.next += COUNT;
        Ok(numbers)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use sqlx::Executor;

    use super::*;
    use crate::store::files;
    use crate::store::sqlite::Sqlite;

    async fn count(snapshot: &mut Snapshot) -> i64 {
        let count = |at: &Reading<'_>| {
            let mut counted = 0;
            at.question("SELECT COUNT(*) FROM a WHERE b <> $1")?.each(&[Value::Text("c")], |row| {
                counted = row.number()?;
                Ok(())
            })?;
            Ok(counted)
        };
        snapshot.read(count).await.unwrap()
    }

    #[tokio::test]
    async fn s4_a_snapshot_is_of_one_moment_and_cannot_turn_into_a_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        files::prepare(&path).unwrap();
        let backend = Sqlite::open(&path).await.unwrap();
        let write = async |text: &'static str| {
            let mut write = backend.write().await.unwrap();
            write.execute(text).await.unwrap();
            write.commit().await.unwrap();
        };
        write("CREATE TABLE a (b TEXT)").await;
        for before in 0..3 {
            let mut snapshot = Snapshot::of_file(&backend.snapshots);
            assert_eq!(count(&mut snapshot).await, before, "each sees what was committed");
            write("INSERT INTO a VALUES ('d')").await;
            assert_eq!(count(&mut snapshot).await, before, "and nothing later");
        }
        assert_eq!(backend.snapshots.idle().as_ref().unwrap().len(), 1, "one connection served them all");
        let insert = |at: &Reading<'_>| at.question("INSERT INTO a VALUES ('e')")?.each(&[], |_| Ok(()));
        let refused = Snapshot::of_file(&backend.snapshots).read(insert).await.unwrap_err();
        assert!(refused.to_string().contains("readonly"), "{refused}");
        let wrong = |at: &Reading<'_>| at.question("SELECT b FROM a")?.each(&[], |row| row.number().map(|_| ()));
        assert!(matches!(Snapshot::of_file(&backend.snapshots).read(wrong).await, Err(StoreError::Unreadable(_))));
        backend.close().await;
        assert!(!files::beside(&path, "-wal").exists(), "nothing is left open");
    }

    #[tokio::test]
    async fn c8_closing_waits_for_whoever_still_reads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        files::prepare(&path).unwrap();
        let backend = Sqlite::open(&path).await.unwrap();
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (end, may_end) = std::sync::mpsc::channel::<()>();
        let mut snapshot = Snapshot::of_file(&backend.snapshots);
        let reading = tokio::spawn(async move {
            let read = snapshot.read(move |_| {
                begun.send(()).unwrap();
                may_end.recv().unwrap();
                Ok(())
            });
            read.await.unwrap();
        });
        has_begun.await.unwrap();
        // Whoever asked has gone; the thread reads on.
        reading.abort();
        assert!(reading.await.unwrap_err().is_cancelled());
        let mut closing = std::pin::pin!(backend.close());
        assert!(closing.as_mut().now_or_never().is_none());
        assert!(backend.read().await.is_ok(), "first those that only read: who closes last empties the log");
        end.send(()).unwrap();
        closing.await;
        assert!(backend.read().await.is_err());
        assert!(!files::beside(&path, "-wal").exists(), "nothing is left open");
    }
}
