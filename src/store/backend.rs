//! All that differs between SQLite and PostgreSQL: opening, the begin of a write, the bulk write; and, in `snapshot.rs`, how
//! many rows are read. Only SQLite is here yet. Every other file of the store writes SQL that both take.

use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::future::join;
use sqlx::any::{Any, AnyArguments, AnyConnectOptions, AnyPoolOptions, AnyRow};
use sqlx::error::BoxDynError;
use sqlx::{AnyConnection, AnyPool, AssertSqlSafe, ConnectOptions, Connection, Executor, Transaction};
use url::Url;

use super::error::StoreError;
use super::snapshot::{Snapshot, Snapshots};

/// Oldest SQLite without a known way to damage its files: 3.51.3 mends the WAL-reset bug
/// (sqlite.org/wal.html#walresetbug).
const SOUND_VERSION: [u32; 3] = [3, 51, 3];

/// Marks a database file as ours (`PRAGMA application_id`): "Will" in ASCII.
const APPLICATION_ID: i64 = 0x5769_6c6c;

/// How long a write waits for another process to let go, in milliseconds: above the minute that
/// reliability.md S4 asks for.
const PATIENCE_MS: u64 = 75_000;

/// For connections that write. A commit returns once it is on disk; the log shrinks back to 64 MiB; what is deleted is
/// overwritten.
const WRITER: &str = "PRAGMA busy_timeout = 75000; PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864; \
    PRAGMA trusted_schema = OFF; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY";

/// For connections that read: a read that turned into a write would fail at once when the store is busy.
const READER: &str = "PRAGMA busy_timeout = 75000; PRAGMA query_only = ON; PRAGMA trusted_schema = OFF";

/// Connections to one database: one that writes, a few that read. Clones share them.
#[derive(Clone)]
pub struct Backend {
    reads: AnyPool,
    writes: AnyPool,
    snapshots: Arc<Snapshots>,
}

impl Backend {
    /// Opens the database in a file that exists, empty or one of ours, and checks that it is whole.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let options = options(path)?;
        let mut first = options.connect().await?;
        let ready = make_ready(&mut first, path).await;
        first.close().await?;
        ready?;
        let backend = Self {
            reads: pool(&options, 4, READER),
            writes: pool(&options, 1, WRITER),
            snapshots: Arc::new(Snapshots::new(path.to_owned(), READER)),
        };
        backend.check().await?;
        Ok(backend)
    }

    /// Begins a write. It takes the write lock up front, waiting for it, so that no statement inside
    /// finds the store busy.
    pub async fn write(&self) -> Result<Transaction<'static, Any>, StoreError> {
        Ok(self.writes.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// Begins a read: everything read in it is of one moment.
    pub async fn read(&self) -> Result<Transaction<'static, Any>, StoreError> {
        Ok(self.reads.begin().await?)
    }

    /// As [`Self::read`], for many rows.
    pub fn snapshot(&self) -> Snapshot {
        self.snapshots.open()
    }

    /// Reads every page of the database and says whether they fit together.
    pub async fn check(&self) -> Result<(), StoreError> {
        let found: String = sqlx::query_scalar("PRAGMA quick_check(1)").fetch_one(&self.reads).await?;
        if found == "ok" { Ok(()) } else { Err(StoreError::Damaged(found)) }
    }

    /// Writes the file anew without free pages and empties the log, so that nothing that was deleted is left in either.
    pub async fn scrub(&self) -> Result<(), StoreError> {
        self.writes.acquire().await?.execute("VACUUM").await?;
        if self.empty_log().await? { Ok(()) } else { Err(StoreError::Unscrubbed) }
    }

    /// Writes the log back and empties it; whether nobody else was reading it.
    pub async fn empty_log(&self) -> Result<bool, StoreError> {
        let row = self.writes.acquire().await?.fetch_one("PRAGMA wal_checkpoint(TRUNCATE)").await?;
        let busy: i64 = sqlx::Row::try_get(&row, 0)?;
        Ok(busy == 0)
    }

    /// Waits for what is running and closes every connection.
    pub async fn close(&self) {
        self.snapshots.close().await;
        self.reads.close().await;
        self.writes.close().await;
    }
}

fn options(path: &Path) -> Result<AnyConnectOptions, StoreError> {
    let strange = || StoreError::Address("names a file whose name this system cannot spell".into());
    let file = Url::from_file_path(path).map_err(|()| strange())?;
    let url = Url::parse(&format!("sqlite://{}", file.path())).map_err(|_| strange())?;
    // Statements are not logged: their texts are long and say nothing a reader of logs needs.
    Ok(AnyConnectOptions::from_url(&url)?.disable_statement_logging())
}

fn pool(options: &AnyConnectOptions, most: u32, settings: &'static str) -> AnyPool {
    AnyPoolOptions::new()
        .max_connections(most)
        // One write may wait for another process, and a second one behind it in this process.
        .acquire_timeout(Duration::from_millis(2 * PATIENCE_MS))
        .idle_timeout(None)
        .max_lifetime(None)
        .test_before_acquire(false)
        .after_connect(move |connection, _| Box::pin(async move { connection.execute(settings).await.map(|_| ()) }))
        .connect_lazy_with(options.clone())
}

/// Refuses an unsound library and other programs' files before anything is changed; then marks the
/// file as ours and turns on the write-ahead log, which the file remembers.
async fn make_ready(connection: &mut AnyConnection, path: &Path) -> Result<(), StoreError> {
    let version: String = sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&mut *connection).await?;
    sound(&version)?;
    connection.execute(WRITER).await?;
    // In this order: another process may be making the store right now, and it marks it before it fills it.
    let tables: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM sqlite_schema").fetch_one(&mut *connection).await?;
    let id: i64 = sqlx::query_scalar("PRAGMA application_id").fetch_one(&mut *connection).await?;
    if id != APPLICATION_ID {
        if id != 0 || tables > 0 {
            let found = "it is another program's SQLite database".into();
            return Err(StoreError::NotAStore { path: path.to_owned(), found });
        }
        let mark = format!("PRAGMA application_id = {APPLICATION_ID}");
        connection.execute(AssertSqlSafe(mark)).await?;
    }
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode = WAL").fetch_one(&mut *connection).await?;
    if mode == "wal" { Ok(()) } else { Err(no_log(path)) }
}

fn no_log(path: &Path) -> StoreError {
    let source = std::io::Error::other("its file system cannot keep SQLite's write-ahead log");
    StoreError::File { path: PathBuf::from(path), source }
}

fn sound(version: &str) -> Result<(), StoreError> {
    let numbers: Vec<u32> = version.split('.').map_while(|part| part.parse().ok()).collect();
    if numbers >= SOUND_VERSION.to_vec() {
        return Ok(());
    }
    Err(StoreError::Library { found: version.to_owned(), wanted: SOUND_VERSION.map(|part| part.to_string()).join(".") })
}

/// A migration in this database's words.
pub fn dialect(sql: &str) -> String {
    // Rows stored in the key itself: 40 % less file.
    sql.replace("/* clustered */", "WITHOUT ROWID")
}

/// Most rows in one statement: enough that handing it to the connection's thread costs little, few enough that
/// it stays short and below SQLite's 32,766 placeholders.
const ROWS: usize = 512;

/// How many sizes of statements there are: see [`pieces`].
const SIZES: usize = ROWS.ilog2() as usize + 1;

/// A statement that takes many rows at once. Its text is `before`, the rows as `(?, …)`, `after`;
/// `before` may hold placeholders of its own, for values all rows share.
///
/// SQLite looks numbered placeholders up in a list, which makes a statement's cost grow with the square of
/// their number; so the ones here carry no number.
pub struct Bulk {
    before: String,
    row: String,
    after: String,
    /// By the binary logarithm of the number of rows, each written when it is first needed.
    texts: [OnceLock<Arc<str>>; SIZES],
}

impl Bulk {
    /// `width` placeholders a row.
    pub fn new(before: impl Into<String>, width: usize, after: impl Into<String>) -> Self {
        let row = format!("({})", vec!["?"; width].join(", "));
        Self { before: before.into(), row, after: after.into(), texts: Default::default() }
    }

    /// Adds rows to a table: `shared` columns have one value for all of them, `own` ones differ.
    pub fn insert(table: &str, shared: &[&str], own: &[&str], after: &str) -> Self {
        let columns = [shared, own].concat().join(", ");
        let values: Vec<String> =
            shared.iter().map(|_| "?".to_owned()).chain((1..=own.len()).map(|n| format!("column{n}"))).collect();
        // `WHERE true` tells the parser that ON CONFLICT does not belong to a join.
        Self::new(
            format!("INSERT INTO {table} ({columns}) SELECT {} FROM (VALUES ", values.join(", ")),
            own.len(),
            format!(") WHERE true {after}"),
        )
    }

    /// For a power of two of rows.
    fn text(&self, log_rows: u32) -> Arc<str> {
        let text = || {
            let rows = vec![self.row.as_str(); 1 << log_rows].join(", ");
            format!("{}{rows}{}", self.before, self.after).into()
        };
        Arc::clone(self.texts[log_rows as usize].get_or_init(text))
    }

    /// Runs it over any number of rows. `shared` binds what `before` asks for, `own` one row.
    pub async fn execute<T: Sync>(
        &self,
        connection: &mut AnyConnection,
        rows: &[T],
        shared: impl Fn(&mut AnyArguments) -> Bound + Sync,
        own: impl Fn(&mut AnyArguments, &T) -> Bound + Sync,
    ) -> Result<(), StoreError> {
        let mut pieces = pieces(rows).map(|rows| bind(rows, &shared, &own).map(|arguments| (rows.len(), arguments)));
        let mut next = pieces.next();
        while let Some(piece) = next {
            let (rows, arguments) = piece?;
            // The next rows are bound while the database, on its thread, writes these.
            let written = self.query(rows, arguments).execute(&mut *connection);
            let (written, bound) = join(written, async { pieces.next() }).await;
            written?;
            next = bound;
        }
        Ok(())
    }

    /// As [`Self::execute`], for a query: `take` is given each row of its answer.
    pub async fn fetch<T: Sync>(
        &self,
        connection: &mut AnyConnection,
        rows: &[T],
        shared: impl Fn(&mut AnyArguments) -> Bound + Sync,
        own: impl Fn(&mut AnyArguments, &T) -> Bound + Sync,
        mut take: impl FnMut(AnyRow) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        for rows in pieces(rows) {
            let arguments = bind(rows, &shared, &own)?;
            let answer = self.query(rows.len(), arguments).fetch_all(&mut *connection).await?;
            answer.into_iter().try_for_each(&mut take)?;
        }
        Ok(())
    }

    fn query(&self, rows: usize, arguments: AnyArguments) -> sqlx::query::Query<'static, Any, AnyArguments> {
        sqlx::query_with(AssertSqlSafe(self.text(rows.ilog2())), arguments)
    }
}

/// Cuts rows into full statements, and what is left into powers of two: so each text has one of a few sizes and
/// is compiled once a connection. Compiling costs more than running.
fn pieces<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let size = ROWS.min(1 << rows.len().checked_ilog2()?);
        let (piece, rest) = rows.split_at(size);
        rows = rest;
        Some(piece)
    })
}

/// Whether a value could be bound.
pub type Bound = Result<(), BoxDynError>;

fn bind<T>(
    rows: &[T],
    shared: impl Fn(&mut AnyArguments) -> Bound,
    own: impl Fn(&mut AnyArguments, &T) -> Bound,
) -> Result<AnyArguments, StoreError> {
    let mut arguments = AnyArguments::default();
    shared(&mut arguments)
        .and_then(|()| rows.iter().try_for_each(|row| own(&mut arguments, row)))
        .map_err(sqlx::Error::Encode)?;
    Ok(arguments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::files;

    #[test]
    fn s6_a_library_that_can_damage_files_is_refused() {
        for unsound in ["3.51.2", "3.46.1", "2.99.99", "3.51", "", "unknown"] {
            assert!(matches!(sound(unsound), Err(StoreError::Library { .. })), "{unsound}");
        }
        for version in ["3.51.3", "3.52.0", "3.100.0", "4.0.0"] {
            assert!(sound(version).is_ok(), "{version}");
        }
    }

    #[test]
    fn rows_are_cut_into_few_sizes_and_none_is_lost() {
        let sizes = |rows| pieces(&vec![(); rows]).map(<[()]>::len).collect::<Vec<_>>();
        assert!(sizes(0).is_empty());
        assert_eq!(sizes(7), [4, 2, 1]);
        assert_eq!(sizes(ROWS), [ROWS]);
        assert_eq!(sizes(2 * ROWS + 20), [ROWS, ROWS, 16, 4]);
    }

    #[tokio::test]
    async fn s4_a_read_cannot_turn_into_a_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        files::prepare(&path).unwrap();
        let backend = Backend::open(&path).await.unwrap();
        let mut read = backend.read().await.unwrap();
        let error = sqlx::query("CREATE TABLE a (b TEXT)").execute(&mut *read).await.unwrap_err();
        assert!(error.to_string().contains("readonly"), "{error}");
    }

    #[tokio::test]
    async fn what_is_committed_is_on_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        files::prepare(&path).unwrap();
        let backend = Backend::open(&path).await.unwrap();
        let mut write = backend.write().await.unwrap();
        let setting = async |name: &'static str, write: &mut AnyConnection| -> i64 {
            sqlx::query_scalar(name).fetch_one(write).await.unwrap()
        };
        assert_eq!(setting("PRAGMA synchronous", &mut write).await, 2, "FULL");
        assert!(setting("PRAGMA busy_timeout", &mut write).await > 60_000, "S4: above a minute");
        assert_eq!(setting("PRAGMA busy_timeout", &mut write).await.unsigned_abs(), PATIENCE_MS);
        let log: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *write).await.unwrap();
        assert_eq!(log, "wal");
    }
}
