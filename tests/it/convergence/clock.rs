//! A server's clock that the test puts: what is asked of one database is answered as if that were the time. It takes the place of
//! the server's own by standing before it where names are looked up, so the program asks as it always does.

use chrono::{DateTime, Utc};

use crate::postgres::Database;

/// From now on the time there is what the test says it is; see [`put`]. For connections that are made later.
pub async fn stop(database: &Database, now: DateTime<Utc>) {
    // A sequence, because what it shows is no part of any transaction's moment. The program's tables go into the first of the
    // schemas that are looked through.
    let stopped = format!(
        "CREATE SCHEMA sim; CREATE SEQUENCE sim.millis MINVALUE 0; SELECT setval('sim.millis', {}); \
         CREATE FUNCTION public.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE \
         AS 'SELECT to_timestamp(last_value / 1000.0) FROM sim.millis'; DO $$ BEGIN EXECUTE \
         format('ALTER DATABASE %I SET search_path = public, pg_catalog', current_database()); END $$",
        now.timestamp_millis()
    );
    database.run(&stopped).await;
}

/// Statements by which it becomes `now`. Those of `whose` processes (a condition) that hold a lease still do, for as long as
/// before: they renew it, by the machine's clock, while time passes. Of those whose leases have run out there is nothing to renew.
pub fn put(now: DateTime<Utc>, whose: &str) -> String {
    let now = now.timestamp_millis();
    format!(
        "BEGIN; UPDATE node SET until = until + {now} - (SELECT last_value FROM sim.millis) \
         WHERE until > (SELECT last_value FROM sim.millis) AND {whose}; SELECT setval('sim.millis', {now}); COMMIT"
    )
}
