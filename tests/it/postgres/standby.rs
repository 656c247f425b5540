//! A second server that copies the first one, until it is promoted.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sqlx::{Connection, PgConnection};

use super::{CANARY, Database, binaries, connected, url};

/// As the script of the first server: ends with whoever started it.
const SCRIPT: &str = r#"
set -e
folder=$1 port=$2 bin=$3 from=$4
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
copy=$bin/pg_basebackup
[ -x "$copy" ] || copy=pg_basebackup
$as "$copy" -d "host=127.0.0.1 port=$from user=tester" -D data -R -X stream -c fast >log 2>&1
chmod 700 data
$as "$bin/postgres" -D data -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories="$folder" \
  -c fsync=off >>log 2>&1 &
server=$!
cat >/dev/null
"#;

pub struct Standby {
    pub port: u16,
    url: String,
    keeper: Child,
}

impl Database {
    /// A standby of the whole server, which reads already.
    pub async fn standby(&self) -> Standby {
        let folder = tempfile::Builder::new().prefix("willitsell-standby-").tempdir().unwrap().keep();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let bin = binaries().unwrap();
        let keeper = Command::new("sh")
            .args(["-c", SCRIPT, "sh"])
            .args([folder.as_os_str(), port.to_string().as_ref(), bin.as_os_str(), self.port.to_string().as_ref()])
            .env("PGPASSWORD", CANARY)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let url = url(port, &self.name);
        connected(&url).await.close().await.unwrap();
        Standby { port, url, keeper }
    }
}

impl Standby {
    /// Waits until it has heard of all that the first server knows.
    pub async fn has_all_of(&self, database: &Database) {
        let mut first = database.connect().await;
        let position: String =
            sqlx::query_scalar("SELECT pg_current_wal_lsn()::text").fetch_one(&mut first).await.unwrap();
        let mut connection = PgConnection::connect(&self.url).await.unwrap();
        for _ in 0..600 {
            let heard = "SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn";
            if sqlx::query_scalar::<_, bool>(heard).bind(&position).fetch_one(&mut connection).await.unwrap() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the standby never hears of it");
    }

    /// Makes it the first server; waits until it is.
    pub async fn promote(&self) {
        let mut connection = PgConnection::connect(&self.url).await.unwrap();
        let promoted: bool =
            sqlx::query_scalar("SELECT pg_promote(true, 60)").fetch_one(&mut connection).await.unwrap();
        assert!(promoted);
    }
}

impl Drop for Standby {
    fn drop(&mut self) {
        // Its script ends with its standard input.
        drop(self.keeper.stdin.take());
        _ = self.keeper.wait();
    }
}
