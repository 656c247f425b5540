//! A store in a file of SQLite's: opening, the begin of a write, and what keeps the file whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{AnyConnection, AnyPool, AssertSqlSafe, ConnectOptions, Connection, Executor};
use tokio::time::Instant;
use url::Url;

use super::error::StoreError;
use super::snapshot::{self, Snapshots};
use super::transaction::Transaction;

/// Oldest SQLite without a known way to damage its files: 3.51.3 mends the WAL-reset bug
/// (sqlite.org/wal.html#walresetbug).
const SOUND_VERSION: [u32; 3] = [3, 51, 3];

/// Marks a database file as ours (`PRAGMA application_id`): "Will" in ASCII.
const APPLICATION_ID: i64 = 0x5769_6c6c;

/// How long a write waits for another process to let go, in milliseconds: above the minute that
/// reliability.md S4 asks for.
const PATIENCE_MS: u64 = 75_000;

/// How long may be read at a time: as on a server, where a reading that pauses is ended then.
const LONGEST_READING: Duration = Duration::from_mins(5);

/// For connections that write; as [`READER`], it touches no file. What is deleted is overwritten.
const WRITER: &str =
    "PRAGMA busy_timeout = 75000; PRAGMA trusted_schema = OFF; PRAGMA secure_delete = ON; PRAGMA temp_store = MEMORY";

/// Begins a write. A commit returns once it is on disk; the log shrinks back to 64 MiB. The first of these to be said on a
/// connection opens the files, which a full disk refuses: of what fails when a connection is made, sqlx tells nobody, and tries
/// again for minutes.
const WRITING: &str = "PRAGMA synchronous = FULL; PRAGMA journal_size_limit = 67108864; BEGIN IMMEDIATE";

/// For connections that read: a read that turned into a write would fail at once when the store is busy.
const READER: &str = "PRAGMA busy_timeout = 75000; PRAGMA query_only = ON; PRAGMA trusted_schema = OFF";

/// Connections to one database: one that writes, a few that read. Clones share them.
#[derive(Clone)]
pub struct Sqlite {
    path: PathBuf,
    reads: AnyPool,
    writes: AnyPool,
    pub(super) snapshots: Arc<Snapshots>,
}

impl Sqlite {
    /// Opens the database in a file that exists, empty or one of ours, and checks that it is whole.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let options = options(path)?;
        // Before anything could be written to it, an old log included.
        examine(path, "quick_check").await?;
        let mut first = options.connect().await?;
        let ready = make_ready(&mut first, path).await;
        first.close().await?;
        ready?;
        Ok(Self {
            path: path.to_owned(),
            reads: pool(&options, 4, READER),
            writes: pool(&options, 1, WRITER),
            snapshots: Arc::new(Snapshots::new(path.to_owned(), READER, LONGEST_READING)),
        })
    }

    /// Begins a write. It takes the write lock up front, waiting for it, so that no statement inside
    /// finds the store busy.
    pub async fn write(&self) -> Result<Transaction, StoreError> {
        Ok(Transaction::of_file(self.writes.begin_with(WRITING).await?, None))
    }

    /// Begins a read: everything read in it is of one moment.
    pub async fn read(&self) -> Result<Transaction, StoreError> {
        self.read_within(LONGEST_READING).await
    }

    async fn read_within(&self, longest: Duration) -> Result<Transaction, StoreError> {
        let begun = self.reads.begin().await?;
        Ok(Transaction::of_file(begun, Some(Instant::now() + longest)))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads every page of the database and says whether they fit together, and every index with its table.
    pub async fn check(&self) -> Result<(), StoreError> {
        let found: String = sqlx::query_scalar("PRAGMA integrity_check(1)").fetch_one(&self.reads).await?;
        if found == "ok" { Ok(()) } else { Err(StoreError::found(found)) }
    }

    /// Writes what is stored at this moment into an empty file, while others read and write.
    pub async fn copy_into(&self, file: &Path) -> Result<(), StoreError> {
        let mut connection = self.writes.connect_options().connect().await?;
        // What only reads may not write anywhere; here, nothing else is written.
        connection.execute("PRAGMA busy_timeout = 75000; PRAGMA trusted_schema = OFF").await?;
        let name =
            file.to_str().ok_or_else(|| StoreError::Address("is beside a file whose name is not UTF-8".into()))?;
        let copied = sqlx::query("VACUUM INTO $1").bind(name).execute(&mut connection).await;
        connection.close().await?;
        copied?;
        Ok(())
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

/// What an error is once the file was read through: one that is called damaged and is whole was not given by the disk.
pub async fn looked_into(path: &Path, error: StoreError) -> StoreError {
    let StoreError::Damaged(said) = error else { return error };
    examine(path, "integrity_check").await.err().unwrap_or(StoreError::Disk(said))
}

async fn examine(path: &Path, how: &'static str) -> Result<(), StoreError> {
    let path = path.to_owned();
    let found = tokio::task::spawn_blocking(move || snapshot::examine(&path, how)).await;
    found.map_err(|error| StoreError::Database(error.into()))?
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
        // A full disk ends a transaction where sqlx does not see it: nothing could ever be begun on that connection again.
        .before_acquire(|connection, _| Box::pin(async move { Ok(!connection.is_in_transaction()) }))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::files;
    use crate::store::snapshot::Snapshot;

    #[test]
    fn s6_a_library_that_can_damage_files_is_refused() {
        for unsound in ["3.51.2", "3.46.1", "2.99.99", "3.51", "", "unknown"] {
            assert!(matches!(sound(unsound), Err(StoreError::Library { .. })), "{unsound}");
        }
        for version in ["3.51.3", "3.52.0", "3.100.0", "4.0.0"] {
            assert!(sound(version).is_ok(), "{version}");
        }
    }

    #[tokio::test]
    async fn s4_a_read_cannot_turn_into_a_write() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        files::prepare(&path).unwrap();
        let backend = Sqlite::open(&path).await.unwrap();
        let mut read = backend.read().await.unwrap();
        let error = sqlx::query("CREATE TABLE a (b TEXT)").execute(&mut *read).await.unwrap_err();
        assert!(error.to_string().contains("readonly"), "{error}");
    }

    #[tokio::test]
    async fn s3_files_that_cannot_be_opened_any_more_are_told_at_once_and_not_as_somebody_elses_lock() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        files::prepare(&path).unwrap();
        let backend = Sqlite::open(&path).await.unwrap();
        // In the way of the log's index, which the next connection would make.
        let index = folder.path().join("a.db-shm");
        std::os::unix::fs::symlink("nowhere", &index).unwrap();
        let refused = backend.write().await.unwrap_err();
        assert!(matches!(refused, StoreError::Disk(_)), "{refused}");
        std::fs::remove_file(&index).unwrap();
        backend.write().await.unwrap().commit().await.unwrap();
    }

    #[tokio::test]
    async fn s5_what_is_whole_when_it_is_read_through_was_not_given_by_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        files::prepare(&path).unwrap();
        let backend = Sqlite::open(&path).await.unwrap();
        let mut write = backend.write().await.unwrap();
        sqlx::query("CREATE TABLE a (b TEXT)").execute(&mut *write).await.unwrap();
        sqlx::query("INSERT INTO a VALUES (hex(zeroblob(20000)))").execute(&mut *write).await.unwrap();
        write.commit().await.unwrap();
        // As said by a statement that met an EIO.
        let malformed = || StoreError::Damaged("database disk image is malformed, code 11".to_owned());
        let told = looked_into(&path, malformed()).await;
        assert!(matches!(&told, StoreError::Disk(why) if why.contains("code 11")), "{told}");
        backend.close().await;
        let mut bytes = std::fs::read(&path).unwrap();
        bytes[4_096..4_200].fill(0xff);
        std::fs::write(&path, bytes).unwrap();
        let told = looked_into(&path, malformed()).await;
        assert!(matches!(told, StoreError::Damaged(_)), "{told}");
        assert!(matches!(looked_into(&path, StoreError::Busy).await, StoreError::Busy));
    }

    #[tokio::test]
    async fn s12_a_reading_that_goes_on_for_too_long_is_ended() {
        const LONG: &str =
            "WITH RECURSIVE one(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM one WHERE n < 1000000) SELECT n FROM one";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        files::prepare(&path).unwrap();
        Sqlite::open(&path).await.unwrap().close().await;
        for (longest, is_ended) in [(Duration::ZERO, true), (Duration::from_mins(5), false)] {
            let snapshots = Arc::new(Snapshots::new(path.clone(), READER, longest));
            let read =
                Snapshot::of_file(&snapshots).read(|reading| reading.question(LONG)?.each(&[], |_| Ok(()))).await;
            match read {
                Err(StoreError::TooLong) => assert!(is_ended),
                other => assert!(other.is_ok() && !is_ended, "{other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn s12_a_small_reading_has_a_deadline_too_and_leaves_its_connection_usable() {
        // One row, after a while.
        const LONG: &str = "WITH RECURSIVE one(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM one WHERE n < 1000000) \
             SELECT CAST(COUNT(*) AS BIGINT) FROM one";
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        files::prepare(&path).unwrap();
        let backend = Sqlite::open(&path).await.unwrap();
        for (longest, is_ended) in [(Duration::ZERO, true), (LONGEST_READING, false)] {
            let mut read = backend.read_within(longest).await.unwrap();
            let counted: Result<i64, _> = sqlx::query_scalar(LONG).fetch_one(&mut *read).await;
            assert_eq!(matches!(counted.map_err(StoreError::from), Err(StoreError::TooLong)), is_ended);
            let mut read = backend.read_within(longest).await.unwrap();
            let listed = sqlx::query_scalar::<_, i64>(LONG).fetch_all(&mut *read).await;
            assert_eq!(matches!(listed.map_err(StoreError::from), Err(StoreError::TooLong)), is_ended);
        }
        for _ in 0..8 {
            let mut read = backend.read().await.unwrap();
            let one: i64 = sqlx::query_scalar("SELECT 1").fetch_one(&mut *read).await.unwrap();
            assert_eq!(one, 1);
        }
        backend.close().await;
    }

    #[tokio::test]
    async fn what_is_committed_is_on_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        files::prepare(&path).unwrap();
        let backend = Sqlite::open(&path).await.unwrap();
        let mut write = backend.write().await.unwrap();
        let setting = async |name: &'static str, write: &mut crate::store::transaction::Connection| -> i64 {
            sqlx::query_scalar(name).fetch_one(write).await.unwrap()
        };
        assert_eq!(setting("PRAGMA synchronous", &mut write).await, 2, "FULL");
        assert!(setting("PRAGMA busy_timeout", &mut write).await > 60_000, "S4: above a minute");
        assert_eq!(setting("PRAGMA busy_timeout", &mut write).await.unsigned_abs(), PATIENCE_MS);
        let log: String = sqlx::query_scalar("PRAGMA journal_mode").fetch_one(&mut *write).await.unwrap();
        assert_eq!(log, "wal");
    }
}
