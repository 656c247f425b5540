//! A store on a PostgreSQL server, 14 or later. Nothing is kept in a session: what a transaction needs is said in it, so a
//! pooler may give each of them another connection. Both ends have deadlines, and a connection that did not end well is not
//! used again. Not who may write: see `lease.rs`.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use secrecy::ExposeSecret;
use sqlx::any::AnyConnectOptions;
use sqlx::error::DatabaseError;
use sqlx::{AnyConnection, AssertSqlSafe, ConnectOptions, Connection as _, Executor, Row};
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::{Instant, sleep, timeout};
use url::Url;

use super::error::StoreError;
use super::lease::Node;
use super::transaction::{Fate, Transaction, silence};
use crate::domain::postgres::PostgresAddress;

/// What a connection is called in the server's own lists.
const CALLED: &str = "willitsell";

/// Oldest server that is tried in our tests, as `server_version_num` writes it.
const OLDEST: i64 = 140_000;

/// How long the server may take to take a connection, and then to begin or to end a transaction. With one kept connection
/// that is found dead, these make 20 s: below the half minute of reliability.md S10.
const CONNECTED_WITHIN: Duration = Duration::from_secs(10);
const BEGUN_WITHIN: Duration = Duration::from_secs(5);
const ENDED_WITHIN: Duration = Duration::from_secs(30);

/// How long one answer may take: the server ends it after `statement_timeout` below, and we some seconds later.
const ANSWERED_WITHIN: Duration = Duration::from_secs(130);

/// How long a write waits for others of this process. Those of other processes wait on the server, `lock_timeout` long.
const TURN_WITHIN: Duration = Duration::from_secs(150);

/// How often it is asked what became of a write whose end was not answered, and how long after each other: the server may
/// take a moment to see that we are gone.
const ASKED_AGAIN: u32 = 20;
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// How long writing tables anew may take.
const SCRUBBED_WITHIN: Duration = Duration::from_mins(15);

/// Connections that read. One more writes, and one keeps the lease.
const READERS: usize = 8;

/// Limits for this transaction alone. A process that stops in the middle of a write keeps its turn until the server ends it,
/// which is sooner than those who wait give up. That it writes is not said: a standby would call that a thing that it cannot do,
/// and not say that it only reads.
const WRITING: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '75s'; \
    SET LOCAL statement_timeout = '120s'; SET LOCAL idle_in_transaction_session_timeout = '30s'";

/// Everything in it is of one moment. What is read may be thought about for a while before the next question.
const READING: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL lock_timeout = '75s'; \
    SET LOCAL statement_timeout = '120s'; SET LOCAL idle_in_transaction_session_timeout = '300s'";

/// For a lease, which waits for nobody's turn.
const RENEWING: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '5s'; \
    SET LOCAL statement_timeout = '5s'; SET LOCAL idle_in_transaction_session_timeout = '5s'";

/// By what a write is found again: its number, and which start of the server gave it. A standby that takes over may give the
/// same number to another.
const MARK: &str = "SELECT CAST(pg_current_xact_id() AS TEXT) || ' ' || CAST(pg_postmaster_start_time() AS TEXT)";

/// A server and our connections to it.
pub struct Server {
    options: AnyConnectOptions,
    /// Host and port, which may be shown.
    place: String,
    /// Connections in which nothing is begun; `None` once closed.
    idle: Mutex<Option<Vec<AnyConnection>>>,
    readers: Arc<Semaphore>,
    writer: Arc<Semaphore>,
    keeper: Arc<Semaphore>,
    /// What this process is known as, once it has asked for more than a write.
    pub(super) node: watch::Sender<Option<Node>>,
    pub(super) joining: tokio::sync::Mutex<()>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Server {
    /// Opens the database at an address, empty or one of ours.
    pub async fn open(address: &str) -> Result<Arc<Self>, StoreError> {
        sqlx::any::install_default_drivers();
        let said = PostgresAddress::parse(address, |name| std::env::var_os(name).is_some());
        let said = said.map_err(|what| StoreError::Address(what.to_owned()))?;
        let one = || Arc::new(Semaphore::new(1));
        let server = Arc::new(Self {
            options: options(&said)?,
            place: format!("{}:{}", said.host, said.port),
            idle: Mutex::new(Some(Vec::new())),
            readers: Arc::new(Semaphore::new(READERS)),
            writer: one(),
            keeper: one(),
            node: watch::Sender::new(None),
            joining: tokio::sync::Mutex::new(()),
        });
        server.make_ready().await?;
        Ok(server)
    }

    /// Begins a write, once it is our turn among all processes: as with `BEGIN IMMEDIATE` of SQLite, what is read in it
    /// stays true until it ends. The row that stands for the turn is locked for the transaction alone.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] where this process had work of its own and its lease has run out.
    pub async fn write(self: &Arc<Self>) -> Result<Transaction, StoreError> {
        self.write_as(self.fence()).await
    }

    /// As [`Self::write`], by the process of this number.
    pub(super) async fn write_as(self: &Arc<Self>, fence: Option<i64>) -> Result<Transaction, StoreError> {
        let mut is_again = false;
        loop {
            let mut write = self.begin(&self.writer, WRITING).await?;
            let mut turn = "SELECT turn FROM willitsell WHERE turn = 1 FOR UPDATE".to_owned();
            if let Some(fence) = fence {
                turn.push_str(&super::lease::is_live(fence));
            }
            // Last, for one that only reads has no number to give.
            turn.push_str("; ");
            turn.push_str(MARK);
            // All in one message.
            match sqlx::raw_sql(AssertSqlSafe(turn)).fetch_all(&mut *write).await {
                Ok(rows) if rows.len() == if fence.is_none() { 2 } else { 3 } => {
                    write.is_known_as(rows[rows.len() - 1].try_get(0)?);
                    return Ok(write);
                }
                Ok(_) => {
                    self.lapsed(fence);
                    return Err(StoreError::Fenced);
                }
                // The one that took its place may be at the same address by now.
                Err(error) if !is_again && only_reads(&error) => {
                    is_again = true;
                    self.drop_idle();
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Begins a read.
    pub async fn read(self: &Arc<Self>) -> Result<Transaction, StoreError> {
        self.begin(&self.readers, READING).await
    }

    /// Begins a short write out of turn, of rows that nobody else writes.
    pub(super) async fn renew(self: &Arc<Self>) -> Result<Transaction, StoreError> {
        self.begin(&self.keeper, RENEWING).await
    }

    /// Writes the tables that people are in anew, and what the server remembers of their values. Its log, its backups and
    /// its copies are out of reach.
    pub async fn scrub(&self) -> Result<(), StoreError> {
        const OF_PEOPLE: &str = "VACUUM (FULL, ANALYZE) response, response_before, free_text";
        let mut link = self.connect().await?;
        // Of tables that are somebody else's it is left out with a mere warning.
        let foreign = "SELECT tablename::text FROM pg_catalog.pg_tables WHERE schemaname = current_schema() \
             AND tablename IN ('response', 'response_before', 'free_text') AND NOT pg_has_role(tableowner, 'USAGE')";
        let scrubbed = async {
            if !link.fetch_all(foreign).await?.is_empty() {
                return Err(StoreError::Server(
                    "its tables belong to another user, who alone can write them anew".into(),
                ));
            }
            link.execute(OF_PEOPLE).await?;
            link.close().await?;
            Ok(())
        };
        timeout(SCRUBBED_WITHIN, scrubbed).await.map_err(|_| StoreError::from(silence()))?
    }

    /// Waits for what is running, gives back what was leased, and closes every connection.
    pub async fn close(self: &Arc<Self>) {
        self.leave().await;
        for (places, all) in [(&self.readers, READERS), (&self.writer, 1), (&self.keeper, 1)] {
            let all = u32::try_from(all).unwrap_or(u32::MAX);
            _ = timeout(ENDED_WITHIN, places.acquire_many(all)).await;
            places.close();
        }
        let idle = self.idle().take();
        for link in idle.into_iter().flatten() {
            _ = timeout(BEGUN_WITHIN, link.close()).await;
        }
    }

    async fn begin(self: &Arc<Self>, places: &Arc<Semaphore>, how: &'static str) -> Result<Transaction, StoreError> {
        let place = timeout(TURN_WITHIN, Arc::clone(places).acquire_owned()).await.map_err(|_| StoreError::Busy)?;
        let place = place.map_err(|_| closed())?;
        loop {
            let kept = self.idle().as_mut().ok_or_else(closed)?.pop();
            let (mut link, is_kept) = match kept {
                Some(link) => (link, true),
                None => (self.connect().await?, false),
            };
            match timeout(BEGUN_WITHIN, link.execute(how)).await.unwrap_or_else(|_| Err(silence())) {
                Ok(_) => {
                    let home = Arc::clone(self);
                    return Ok(Transaction::of_server(Held {
                        link: Some(link),
                        fate: Fate::default(),
                        mark: None,
                        home,
                        place: Some(place),
                    }));
                }
                // A server that was started anew knows none of them.
                Err(_) if is_kept => self.drop_idle(),
                Err(error) => return Err(self.told(error)),
            }
        }
    }

    async fn connect(&self) -> Result<AnyConnection, StoreError> {
        let connected = timeout(CONNECTED_WITHIN, self.options.connect()).await;
        connected.unwrap_or_else(|_| Err(silence())).map_err(|error| self.told(error))
    }

    /// What a server that takes no connection said, with its name.
    fn told(&self, error: sqlx::Error) -> StoreError {
        match StoreError::from(error) {
            StoreError::Unreachable(why) => StoreError::Unreachable(format!("{}: {why}", self.place)),
            StoreError::Server(why) => StoreError::Server(format!("{}: {why}", self.place)),
            other => other,
        }
    }

    fn idle(&self) -> MutexGuard<'_, Option<Vec<AnyConnection>>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, link: AnyConnection) {
        if let Some(idle) = self.idle().as_mut() {
            idle.push(link);
        }
    }

    fn drop_idle(&self) {
        if let Some(idle) = self.idle().as_mut() {
            idle.clear();
        }
    }

    /// Refuses a server that is too old and a database of others before anything is changed; then marks the database as
    /// ours with the table whose one row is the turn to write.
    async fn make_ready(self: &Arc<Self>) -> Result<(), StoreError> {
        let mut read = self.read().await?;
        let row = sqlx::query(
            "SELECT CAST(current_setting('server_version_num') AS BIGINT), current_setting('server_version'), \
             current_setting('server_encoding'), COALESCE(CAST(current_schema() AS TEXT), '')",
        )
        .fetch_one(&mut *read)
        .await?;
        let (number, version, encoding, schema): (i64, String, String, String) =
            (row.try_get(0)?, row.try_get(1)?, row.try_get(2)?, row.try_get(3)?);
        if number < OLDEST {
            return Err(StoreError::Server(format!(
                "{}: it is PostgreSQL {version}, and 14 is the oldest that will do",
                self.place
            )));
        }
        if encoding != "UTF8" {
            let what = format!("{}: the database keeps texts as {encoding}: make one with ENCODING 'UTF8'", self.place);
            return Err(StoreError::Server(what));
        }
        if schema.is_empty() {
            let what = format!("{}: the user has no schema to make tables in: see its search_path", self.place);
            return Err(StoreError::Server(what));
        }
        let tables: Vec<String> =
            sqlx::query_scalar("SELECT CAST(tablename AS TEXT) FROM pg_catalog.pg_tables WHERE schemaname = $1")
                .bind(&schema)
                .fetch_all(&mut *read)
                .await?;
        read.rollback().await?;
        if tables.iter().any(|table| table == "willitsell") {
            return Ok(());
        }
        if !tables.is_empty() {
            return Err(StoreError::Taken { place: self.place.clone(), schema });
        }
        let mut tries = 0;
        loop {
            let mut write = self.renew().await?;
            let made = write
                .execute(
                    "CREATE TABLE IF NOT EXISTS willitsell (turn BIGINT PRIMARY KEY, fences BIGINT NOT NULL); \
                     INSERT INTO willitsell (turn, fences) VALUES (1, 0) ON CONFLICT (turn) DO NOTHING",
                )
                .await;
            match made {
                Ok(_) => return write.commit().await,
                // Two that make it at the same moment get in each other's way.
                Err(_) if tries < 5 => tries += 1,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// What the address says, and what we ask of the connection.
fn options(said: &PostgresAddress) -> Result<AnyConnectOptions, StoreError> {
    let odd = || StoreError::Address("cannot be written as one".to_owned());
    let mut url = Url::parse("postgres://host").map_err(|_| odd())?;
    let is_socket = said.host.starts_with('/');
    url.set_username(&said.user).map_err(|()| odd())?;
    url.set_port(Some(said.port)).map_err(|()| odd())?;
    {
        let mut query = url.query_pairs_mut();
        // By parameter, since neither a socket's folder nor an address with colons is a name.
        query.append_pair("host", &said.host).append_pair("dbname", &said.database);
        // An empty one too: none at all would be looked for in the environment and in files.
        query.append_pair("password", said.password.expose_secret());
        query.append_pair("application_name", CALLED).append_pair("statement-cache-capacity", "0");
        query.append_pair("sslmode", if is_socket { "disable" } else { said.mode() });
        for (parameter, file) in &said.files {
            query.append_pair(parameter, file);
        }
    }
    Ok(AnyConnectOptions::from_url(&url)?.disable_statement_logging())
}

fn only_reads(error: &sqlx::Error) -> bool {
    error.as_database_error().and_then(DatabaseError::code).is_some_and(|code| code == "25006")
}

fn closed() -> StoreError {
    StoreError::Database("it was closed".into())
}

/// A connection with a transaction in it.
pub struct Held {
    link: Option<AnyConnection>,
    fate: Fate,
    /// What [`MARK`] gave, of a write.
    mark: Option<String>,
    home: Arc<Server>,
    place: Option<OwnedSemaphorePermit>,
}

impl Held {
    /// What to ask, what becomes of it, and by when it must have answered; `None` where it will not any more.
    pub fn ask(&mut self) -> Option<(&mut AnyConnection, &mut Fate, Instant)> {
        let link = self.link.as_mut().filter(|_| !self.fate.is_lost)?;
        Some((link, &mut self.fate, Instant::now() + ANSWERED_WITHIN))
    }

    /// Notes by what its write is found again.
    pub fn is_known_as(&mut self, mark: String) {
        self.mark = Some(mark);
    }

    /// Undoes it.
    pub async fn undo(mut self) -> Result<(), StoreError> {
        let Some(mut link) = self.link.take().filter(|_| !self.fate.is_lost) else { return Err(silence().into()) };
        timeout(ENDED_WITHIN, link.execute("ROLLBACK")).await.unwrap_or_else(|_| Err(silence()))?;
        self.home.keep(link);
        Ok(())
    }

    /// Keeps what was written.
    ///
    /// # Errors
    /// [`StoreError::Unsure`] where the server went away in the middle, and nobody can say whether it is kept.
    pub async fn keep(mut self) -> Result<(), StoreError> {
        if self.fate.has_failed {
            // The server would undo it, and call that an end like any other.
            return Err(StoreError::Database("a statement of it had failed".into()));
        }
        let Some(mut link) = self.link.take().filter(|_| !self.fate.is_lost) else { return Err(silence().into()) };
        let ended = timeout(ENDED_WITHIN, link.execute("COMMIT")).await.unwrap_or_else(|_| Err(silence()));
        self.fate.hear(&ended);
        match ended {
            Ok(_) => self.home.keep(link),
            Err(error) if !self.fate.is_lost => return Err(error.into()),
            Err(error) => {
                // Its end must not wait for ours.
                drop(link);
                let Some(mark) = &self.mark else { return Err(error.into()) };
                match self.home.was_kept(mark).await {
                    Ok(Some(true)) => {}
                    Ok(Some(false)) => return Err(error.into()),
                    Ok(None) | Err(_) => return Err(StoreError::Unsure(StoreError::from(error).to_string())),
                }
            }
        }
        Ok(())
    }
}

impl Server {
    /// Whether a write whose end was not answered was kept; `None` where that is not known: it goes on still, or the server
    /// has been started anew or is another.
    async fn was_kept(&self, mark: &str) -> Result<Option<bool>, StoreError> {
        const FATE: &str = "SELECT CASE WHEN CAST(pg_postmaster_start_time() AS TEXT) = $2 \
             THEN pg_xact_status(CAST($1 AS xid8)) END";
        let (number, start) = mark.split_once(' ').unwrap_or_default();
        let mut link = self.connect().await?;
        for _ in 0..ASKED_AGAIN {
            let fate = sqlx::query_scalar(FATE).bind(number).bind(start).persistent(false).fetch_one(&mut link);
            let fate: Option<String> = timeout(BEGUN_WITHIN, fate).await.unwrap_or_else(|_| Err(silence()))?;
            match fate.as_deref() {
                Some("committed") => return Ok(Some(true)),
                Some("aborted") => return Ok(Some(false)),
                Some("in progress") => sleep(ASK_AGAIN).await,
                _ => break,
            }
        }
        Ok(None)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let Some(mut link) = self.link.take().filter(|_| !self.fate.is_lost) else { return };
        let Ok(runtime) = Handle::try_current() else { return };
        let (home, place) = (Arc::clone(&self.home), self.place.take());
        runtime.spawn(async move {
            // One that cannot end its transaction is closed, and the server ends it.
            if let Ok(Ok(_)) = timeout(BEGUN_WITHIN, link.execute("ROLLBACK")).await {
                home.keep(link);
            }
            drop(place);
        });
    }
}
