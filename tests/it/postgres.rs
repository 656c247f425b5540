//! A PostgreSQL of the tests' own: one server a test binary, on a free port of loopback, gone with the binary; and an empty
//! database in it for whoever asks. Where the machine has none, the test says so and is skipped; with
//! `WILLITSELL_SKIP_IS_FAILURE` set, as in `.ci/run`, absence is a failure.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};

use crate::canary::CANARY;

// With their places, because `benches/daemon.rs` includes this file.
#[path = "postgres/proxy.rs"]
mod proxy;
#[path = "postgres/standby.rs"]
mod standby;

pub use proxy::{AtCommit, Proxy};

/// Makes a server in folder `$1` with the binaries of `$3`, starts it on port `$2` and stops it, and removes the folder, once its
/// standard input ends: with the process that started it, however that ended. PostgreSQL refuses to run as root.
const SCRIPT: &str = r#"
set -e
folder=$1 port=$2 bin=$3 make=$4
as=
if [ "$(id -u)" = 0 ]; then
  user=postgres
  id "$user" >/dev/null 2>&1 || user=nobody
  as="setpriv --reuid=$user --regid=$(id -g "$user") --clear-groups"
  chown -R "$user" "$folder"
fi
cd "$folder"
server=
trap 'exit 1' HUP INT TERM
trap '[ -z "$server" ] || kill -QUIT "$server" && wait; rm -rf "$folder"' EXIT
eval "$make" >log 2>&1
$as "$bin/postgres" -D data -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories="$folder" \
  -c fsync=off -c dynamic_shared_memory_type=mmap >>log 2>&1 &
server=$!
cat >/dev/null
"#;

/// How the first one is made.
const NEW: &str = r#"$as "$bin/initdb" --pgdata=data --username=tester --auth=scram-sha-256 --pwfile=password --encoding=UTF8 \
  --no-locale --no-sync && $as sed -i '1i host all quick 127.0.0.1/32 trust' data/pg_hba.conf"#;

/// A server that runs.
struct Server {
    port: u16,
    /// Its standard input ends with this process.
    keeper: Child,
}

/// An empty database.
pub struct Database {
    /// With the password, which is a canary.
    pub url: String,
    name: String,
    pub port: u16,
}

/// A new database, or `None` with a printed line where there is no PostgreSQL.
pub async fn database() -> Option<Database> {
    static SERVER: OnceLock<Option<Server>> = OnceLock::new();
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let server = SERVER.get_or_init(|| binaries().map(|bin| start(&bin, NEW))).as_ref();
    let Some(server) = server else {
        assert!(std::env::var_os("WILLITSELL_SKIP_IS_FAILURE").is_none(), "PostgreSQL is absent");
        println!("skipped: PostgreSQL is absent");
        return None;
    };
    let name = format!("test{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let mut connection = connected(&url(server.port, "postgres")).await;
    connection.execute(AssertSqlSafe(format!("CREATE DATABASE {name}"))).await.unwrap();
    connection.close().await.unwrap();
    Some(Database { url: url(server.port, &name), name, port: server.port })
}

impl Database {
    /// The same for a user who is asked for no password: to prove that one knows it takes as long as a hundred questions in a
    /// debug build.
    pub async fn quick(&self) -> Self {
        // Another test may make it at the same moment.
        self.run(
            "DO $$ BEGIN CREATE ROLE quick LOGIN SUPERUSER; EXCEPTION WHEN duplicate_object OR unique_violation THEN END $$",
        )
        .await;
        let url = self.url_with(&format!("quick:{CANARY}"), None, "");
        Self { url, name: self.name.clone(), port: self.port }
    }

    /// A connection to it, to be used as its owner would.
    pub async fn connect(&self) -> PgConnection {
        connected(&self.url).await
    }

    /// Runs statements as its owner.
    pub async fn run(&self, statements: &str) {
        let mut connection = self.connect().await;
        connection.execute(sqlx::raw_sql(AssertSqlSafe(statements.to_owned()))).await.unwrap();
        connection.close().await.unwrap();
    }

    /// The same address with other words in it.
    pub fn url_with(&self, user_and_password: &str, database: Option<&str>, query: &str) -> String {
        format!("postgres://{user_and_password}@127.0.0.1:{}/{}{query}", self.port, database.unwrap_or(&self.name))
    }
}

fn url(port: u16, database: &str) -> String {
    format!("postgres://tester:{CANARY}@127.0.0.1:{port}/{database}")
}

/// A server that was just started takes a moment.
async fn connected(url: &str) -> PgConnection {
    for _ in 0..600 {
        match PgConnection::connect(url).await {
            Ok(connection) => return connection,
            Err(sqlx::Error::Database(error)) if error.code().as_deref() != Some("57P03") => panic!("{error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
    panic!("the server did not start within a minute");
}

/// Where `initdb` is: on the path, else where Debian puts the newest.
fn binaries() -> Option<PathBuf> {
    let on_path =
        std::env::var_os("PATH").into_iter().flat_map(|path| std::env::split_paths(&path).collect::<Vec<_>>());
    let mut debian: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|version| Some(version.ok()?.path().join("bin")))
        .collect();
    debian.sort();
    on_path.chain(debian.into_iter().rev()).find(|folder| folder.join("initdb").is_file())
}

/// A server that is made by a command.
fn start(bin: &Path, make: &str) -> Server {
    let folder = tempfile::Builder::new().prefix("willitsell-postgres-").tempdir().unwrap().keep();
    std::fs::write(folder.join("password"), CANARY).unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let keeper = Command::new("sh")
        .args(["-c", SCRIPT, "sh"])
        .args([folder.as_os_str(), port.to_string().as_ref(), bin.as_os_str(), make.as_ref()])
        .env("PGPASSWORD", CANARY)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Server { port, keeper }
}
