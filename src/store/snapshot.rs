//! The second half of what differs between databases, beside `backend.rs`: many rows of one moment, each read where the
//! database has it. A row that `sqlx` hands from its thread to ours costs more than all that is done with it.

use std::path::PathBuf;
use std::str;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, OpenFlags, Row, ToSql, params_from_iter};
use tokio::sync::watch;

use super::columns::{self, Fields};
use super::error::StoreError;

/// Statements that a connection keeps compiled: more than are ever asked of it.
const COMPILED: usize = 32;

/// Connections to one database that only read. As many stay open as were ever used at once.
pub struct Snapshots {
    path: PathBuf,
    settings: &'static str,
    /// `None` once closed.
    idle: Mutex<Option<Vec<Connection>>>,
    /// Every snapshot has its other end for as long as it may read.
    readers: watch::Sender<()>,
}

impl Snapshots {
    /// None is open yet; `settings` are run on each that is.
    pub fn new(path: PathBuf, settings: &'static str) -> Self {
        Self { path, settings, idle: Mutex::new(Some(Vec::new())), readers: watch::Sender::new(()) }
    }

    /// The database as it will be when first asked something.
    pub fn open(self: &Arc<Self>) -> Snapshot {
        Snapshot { begun: None, of: Arc::clone(self), reader: self.readers.subscribe() }
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
        connection.execute_batch("BEGIN")?;
        Ok(connection)
    }

    fn connect(&self) -> Result<Connection, StoreError> {
        // Readers, too, write to the index beside the log.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        connection.execute_batch(self.settings)?;
        connection.set_prepared_statement_cache_capacity(COMPILED);
        Ok(connection)
    }
}

/// The database at one moment.
pub struct Snapshot {
    begun: Option<Connection>,
    of: Arc<Snapshots>,
    reader: watch::Receiver<()>,
}

impl Snapshot {
    /// Reads on a thread that may wait for the disk.
    pub async fn read<T: Send + 'static>(
        &mut self,
        what: impl FnOnce(&Reading<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (begun, of, reader) = (self.begun.take(), Arc::clone(&self.of), self.reader.clone());
        let reading = tokio::task::spawn_blocking(move || {
            let connection = begun.map_or_else(|| of.begin(), Ok)?;
            let found = what(&Reading(&connection))?;
            // What nobody waits for any more is dropped in this order.
            Ok::<_, StoreError>((connection, found, reader))
        });
        let (connection, found, _) = reading.await.map_err(|error| StoreError::Database(error.into()))??;
        self.begun = Some(connection);
        Ok(found)
    }
}

impl Drop for Snapshot {
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
pub struct Reading<'c>(&'c Connection);

impl<'c> Reading<'c> {
    /// A question in SQL, to be asked once or more. Its placeholders first appear in their order.
    pub fn question(&self, sql: &str) -> Result<Question<'c>, StoreError> {
        Ok(Question(self.0.prepare_cached(sql)?))
    }
}

/// A compiled question.
pub struct Question<'c>(CachedStatement<'c>);

impl Question<'_> {
    /// Asks it of some values; `take` is given each row of the answer.
    pub fn each(
        &mut self,
        of: &[Value<'_>],
        mut take: impl FnMut(&mut InPlace<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut rows = self.0.query(params_from_iter(of))?;
        while let Some(row) = rows.next()? {
            take(&mut InPlace { row, next: 0 })?;
        }
        Ok(())
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

/// A row where the database has it.
pub struct InPlace<'r> {
    row: &'r Row<'r>,
    next: usize,
}

impl<'r> Fields<'r> for InPlace<'r> {
    fn text(&mut self) -> Result<&'r str, StoreError> {
        let value = self.row.get_ref(self.next);
        self.next += 1;
        match value? {
            ValueRef::Text(text) => str::from_utf8(text).map_err(|_| columns::unreadable("a text")),
            ValueRef::Null => Ok(""),
            _ => Err(columns::unreadable("a text")),
        }
    }

    fn optional_number(&mut self) -> Result<Option<i64>, StoreError> {
        let [number] = self.optional_numbers()?;
        Ok(number)
    }

    fn optional_numbers<const COUNT: usize>(&mut self) -> Result<[Option<i64>; COUNT], StoreError> {
        let mut numbers = [None; COUNT];
        // Most of what is read: an error for each would cost more than the number.
        for (position, number) in (self.next..).zip(&mut numbers) {
            match self.row.get_ref(position) {
                Ok(ValueRef::Integer(found)) => *number = Some(found),
                Ok(ValueRef::Null) => {}
                Ok(_) => return Err(columns::unreadable("a number")),
                Err(error) => return Err(error.into()),
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
    use crate::store::backend::Backend;
    use crate::store::files;

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
        let backend = Backend::open(&path).await.unwrap();
        let write = async |text: &'static str| {
            let mut write = backend.write().await.unwrap();
            write.execute(text).await.unwrap();
            write.commit().await.unwrap();
        };
        write("CREATE TABLE a (b TEXT)").await;
        for before in 0..3 {
            let mut snapshot = backend.snapshot();
            assert_eq!(count(&mut snapshot).await, before, "each sees what was committed");
            write("INSERT INTO a VALUES ('d')").await;
            assert_eq!(count(&mut snapshot).await, before, "and nothing later");
        }
        assert_eq!(backend.snapshot().of.idle().as_ref().unwrap().len(), 1, "one connection served them all");
        let insert = |at: &Reading<'_>| at.question("INSERT INTO a VALUES ('e')")?.each(&[], |_| Ok(()));
        let refused = backend.snapshot().read(insert).await.unwrap_err();
        assert!(refused.to_string().contains("readonly"), "{refused}");
        let wrong = |at: &Reading<'_>| at.question("SELECT b FROM a")?.each(&[], |row| row.number().map(|_| ()));
        assert!(matches!(backend.snapshot().read(wrong).await, Err(StoreError::Unreadable(_))));
        backend.close().await;
        assert!(!files::beside(&path, "-wal").exists(), "nothing is left open");
    }

    #[tokio::test]
    async fn c8_closing_waits_for_whoever_still_reads() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        files::prepare(&path).unwrap();
        let backend = Backend::open(&path).await.unwrap();
        let (begun, has_begun) = tokio::sync::oneshot::channel();
        let (end, may_end) = std::sync::mpsc::channel::<()>();
        let mut snapshot = backend.snapshot();
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
