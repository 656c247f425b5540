//! A server's clock that the test puts: what is asked of one database is answered as if that were the time. It takes the place of
//! the server's own by standing before it where names are looked up, so the program asks as it always does.

use chrono::{DateTime, Utc};

use crate::postgres::Database;

/// From now on the time there is what the test says it is; see [`put`]. For connections that are made later.
pub async fn stop(database: &Database, now: DateTime<Utc>) {
    // The program's tables go into the first of the schemas, so the clock stands behind them.
    let stopped = format!(
        "CREATE SCHEMA put; CREATE TABLE put.clock (shows TIMESTAMPTZ NOT NULL); \
         INSERT INTO put.clock VALUES ('{now}'); \
         CREATE FUNCTION put.clock_timestamp() RETURNS TIMESTAMPTZ LANGUAGE sql VOLATILE \
         AS 'SELECT shows FROM put.clock'; DO $$ BEGIN EXECUTE \
         format('ALTER DATABASE %I SET search_path = public, put, pg_catalog', current_database()); END $$"
    );
    database.run(&stopped).await;
}

/// Time passes; leases that hold now still do, for as long as before: whoever renews them does so by its own clock.
pub async fn put(database: &Database, now: DateTime<Utc>) {
    let put = format!(
        "UPDATE node SET until = until + CAST(EXTRACT(EPOCH FROM TIMESTAMPTZ '{now}' - shows) * 1000 AS BIGINT) \
         FROM put.clock; UPDATE put.clock SET shows = '{now}'"
    );
    database.run(&put).await;
}
