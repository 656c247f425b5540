//! A second server that copies the first one, until it is promoted.

use std::process::Child;
use std::time::Duration;

use sqlx::{Connection, PgConnection};

use super::{Database, Server, binaries, connected, start, url};

/// How it is made, from the server on a port.
const COPY: &str = r#"
copy=$bin/pg_basebackup
[ -x "$copy" ] || copy=pg_basebackup
$as "$copy" -d "host=127.0.0.1 port=FROM user=tester" -D data -R -X stream -c fast
chmod 700 data"#;

pub struct Standby {
    pub port: u16,
    url: String,
    keeper: Child,
}

impl Database {
    /// A standby of the whole server, which reads already.
    pub async fn standby(&self) -> Standby {
        let Server { port, keeper } = start(&binaries().unwrap(), &COPY.replace("FROM", &self.port.to_string()));
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
