//! `sql` and `sql_acts`: what comes of a query of a team's own SQLite or PostgreSQL, that nothing of it is changed, and
//! that nobody learns the address. PostgreSQL is a real server, where the machine has one.

use chrono::{NaiveDate, Utc};
use rusqlite::Connection;
use sqlx::Executor;
use tempfile::TempDir;
use willitsell::connect::native::sql::SqlConnector;

use super::*;
use crate::postgres;
use crate::project::{Ended, Project};

/// Pulls the first week of November with this address and these settings.
async fn ask(connector: SqlConnector, address: &str, settings: &[(&str, &str)], questions: &[Question]) -> Pulled {
    let mut all = Settings::default();
    all.insert("address", SettingValue::Secret(address.into()));
    for (name, value) in settings {
        all.insert(*name, SettingValue::Plain((*value).to_owned()));
    }
    let (source, vault, jobs) = (SourceId::new("shop"), Vault::default(), Jobs::default());
    let request = PullRequest {
        source: &source,
        settings: &all,
        questions,
        login: None,
        tokens: &vault,
        jobs: &jobs,
        window: november(),
        zone: Tz::Europe__Berlin,
        now: now(),
        state: None,
        heard: None,
        progress: &willitsell::connect::Progress::default(),
    };
    let mut sink = MemorySink::default();
    let outcome = connector.pull(&request, &mut sink).await;
    Pulled { outcome, sink, waits: Vec::new() }
}

async fn visits(address: &str, query: &str) -> Pulled {
    ask(SqlConnector::counts(), address, &[("counts", "visits"), ("query", query)], &[]).await
}

/// One row whose count is written so.
async fn one_visit(address: &str, count: &str) -> Pulled {
    visits(address, &format!("SELECT '2026-11-03' AS day, 'x' AS arm, {count} AS visits")).await
}

/// A SQLite file, whose name is a canary, and its address.
fn sqlite(statements: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(format!("{CANARY}.db"));
    Connection::open(&path).unwrap().execute_batch(statements).unwrap();
    (folder, format!("sqlite://{}", path.display()))
}

/// Visits of a shop, in words that both databases know.
const SHOP: &str = "CREATE TABLE visit (day text NOT NULL, page text NOT NULL, cost numeric);
    INSERT INTO visit VALUES ('2026-10-31', 'a', 1), ('2026-11-01', 'a', 0.1), ('2026-11-01', 'a', 0.2),
        ('2026-11-01', 'b', 5), ('2026-11-07', 'a', 18.35), ('2026-11-08', 'a', 1);";

const BY_DAY: &str = "-- all of the shop
    SELECT day, page AS arm, count(*) AS visits FROM visit GROUP BY 1, 2 ORDER BY 1, 2 ; ";

const WEEK: [&str; 3] = ["a 2026-11-01 visits=2", "b 2026-11-01 visits=1", "a 2026-11-07 visits=1"];

/// What both must refuse, and a word of why.
const REFUSED: [(&str, &str); 13] = [
    ("SELECT day, page AS arm FROM visit", "no column `visits`"),
    ("SELECT day, page AS arm, 1 AS visits, 2 AS clicks FROM visit", "`clicks` that nothing is made of"),
    ("SELECT day, page AS arm, 1 AS visits, 2 AS visits FROM visit", "two columns `visits`"),
    ("SELECT day, page AS arm, 1 AS visits FROM visit", "twice"),
    ("SELECT NULL AS day, 'x' AS arm, 1 AS visits", "column `day`"),
    ("SELECT '2026-11-03' AS day, NULL AS arm, 1 AS visits", "column `arm`"),
    ("SELECT '2026-11-03 00:00:00' AS day, 'x' AS arm, 1 AS visits", "is not a day"),
    ("SELECT day, arm, visits FROM nowhere", "nowhere"),
    ("DELETE FROM visit RETURNING day, page AS arm, 1 AS visits", ""),
    ("WITH gone AS (DELETE FROM visit RETURNING day, page) SELECT day, page AS arm, 1 AS visits FROM gone", ""),
    ("SELECT '2026-11-03' AS day, 'x' AS arm, 1 AS visits; DELETE FROM visit", ""),
    ("SELECT '2026-11-03' AS day, 'x' AS arm, 1 AS visits) AS answer; DELETE FROM visit; SELECT (1", ""),
    ("", ""),
];

/// Counts that no number can be made of.
const NO_COUNTS: [&str; 9] = ["NULL", "-1", "1.5", "'NaN'", "'nan'", "'1,234'", "''", "9223372036854775807", "'ten'"];

#[tokio::test]
async fn a_sqlite_gives_counts_by_day_and_arm() {
    let (_folder, address) = sqlite(SHOP);
    let pulled = visits(&address, BY_DAY).await;
    assert_eq!(pulled.facts().rows, 3);
    assert_eq!(pulled.facts().covered, november());
    assert_eq!((pulled.facts().day_zone, &pulled.facts().warnings), (Tz::Europe__Berlin, &Vec::new()));
    assert_eq!(pulled.sink.rows(), WEEK);
    // Asked for the days itself, it gives no others; a day that is none of them is reported.
    let asked = BY_DAY.replace("GROUP", "WHERE day BETWEEN $1 AND $2 GROUP");
    assert_eq!(visits(&address, &asked).await.sink.rows(), WEEK);
    let more = visits(&address, &BY_DAY.replace("GROUP", "WHERE day >= date($1, '-1 day') GROUP")).await;
    assert_eq!(more.sink.rows(), WEEK);
    assert!(more.facts().warnings[0].contains("2 rows were left out"), "{:?}", more.facts().warnings);
}

#[tokio::test]
async fn h19_h20_h21_a_sqlite_is_read_exactly_or_not_at_all() {
    let (_folder, address) = sqlite(SHOP);
    for (query, why) in REFUSED {
        let error = visits(&address, query).await.error();
        assert!(error.contains(why), "{query}: {error}");
    }
    for count in NO_COUNTS.into_iter().chain(["x'00'", "1e300", "0.1"]) {
        one_visit(&address, count).await.error();
    }
    assert_eq!(one_visit(&address, "'12'").await.sink.rows(), ["x 2026-11-03 visits=12"]);
    assert!(visits(&address, "SELECT ?1 AS day, 'x' AS arm, 1 AS visits").await.error().contains("placeholder"));
    // The sum of two binary fractions is none of theirs.
    let spend = |currency: &'static [(&str, &str)], query: &'static str| {
        let settings: Vec<_> =
            [("counts", "spend"), ("query", query)].into_iter().chain(currency.iter().copied()).collect();
        let address = address.clone();
        async move { ask(SqlConnector::counts(), &address, &settings, &[]).await }
    };
    let euros = &[("currency", "EUR")];
    let sum = "SELECT day, page AS arm, sum(cost) AS spend FROM visit WHERE day = '2026-11-01' GROUP BY 1, 2";
    assert!(spend(euros, sum).await.error().contains("more than six decimals"));
    let sum = "SELECT day, page AS arm, round(sum(cost), 2) AS spend FROM visit WHERE day = '2026-11-01' GROUP BY 1, 2 ORDER BY 2";
    let pulled = spend(euros, sum).await;
    assert_eq!(pulled.sink.rows(), ["a 2026-11-01 spend=0.3", "b 2026-11-01 spend=5"]);
    assert_eq!(pulled.facts().currency.unwrap().code(), "EUR");
    assert!(spend(&[], sum).await.error().contains("currency"));
    // A day that has not been yet is told, whether or not days were asked for.
    let ahead = visits(&address, "SELECT '2027-01-01' AS day, 'x' AS arm, 1 AS visits").await;
    assert!(ahead.sink.rows().is_empty() && ahead.facts().warnings[0].contains("yet to come"));
}

#[tokio::test]
async fn a_sqlite_is_not_changed() {
    let (folder, address) = sqlite(SHOP);
    let path = folder.path().join(format!("{CANARY}.db"));
    let before = std::fs::read(&path).unwrap();
    for (query, _) in REFUSED {
        visits(&address, query).await.error();
    }
    for query in [
        "ATTACH 'other.db' AS other",
        "PRAGMA journal_mode = WAL",
        "PRAGMA user_version = 7",
        "SELECT '2026-11-03' AS day, load_extension('x') AS arm, 1 AS visits",
    ] {
        visits(&address, query).await.error();
    }
    assert_eq!(std::fs::read(&path).unwrap(), before);
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was put beside it");
    // A file that is not there is not made.
    let missing = format!("sqlite:{}/{CANARY}-missing.db", folder.path().display());
    assert!(visits(&missing, BY_DAY).await.error().contains("cannot be opened"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    std::fs::write(folder.path().join("text"), "no database, but long enough to be looked at as one").unwrap();
    let text = format!("sqlite:{}/text", folder.path().display());
    assert!(visits(&text, BY_DAY).await.error().contains("no SQLite database"));
}

#[tokio::test]
async fn many_rows_are_read_as_they_come_and_too_many_are_refused() {
    let (_folder, address) = sqlite("");
    let numbers = |most: u32| {
        format!(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {most})
             SELECT '2026-11-03' AS day, i AS arm, 1 AS visits FROM n"
        )
    };
    let pulled = visits(&address, &numbers(25_500)).await;
    assert_eq!((pulled.sink.rows().len(), pulled.sink.batches.len()), (25_500, 26));
    assert!(pulled.sink.batches.iter().all(|batch| batch.len() <= 1_000));
    let long = visits(&address, "SELECT '2026-11-03' AS day, printf('%.*c', 70000, 'x') AS arm, 1 AS visits").await;
    assert!(long.error().contains("longer than"));
}

const QUERY_OF_ACTS: &str =
    "SELECT id, done AS at, page AS arm, mail AS person, gone AS void, size FROM act ORDER BY id";

#[tokio::test]
async fn acts_carry_who_when_and_whether_they_still_stand() {
    let (_folder, address) = sqlite(
        "CREATE TABLE act (id, done, page, mail, gone, size);
         INSERT INTO act VALUES (1, '2026-11-03T09:00:00Z', 'a', 'ann@example.com', NULL, 20),
             (2, '2026-11-03 09:00:00+02:00', 'a', NULL, 'refunded', NULL), (3, '2026-10-31 22:59:59', NULL, 'bob@example.com', NULL, 1),
             (4, '2026-10-31 23:00:00', '', 'bob@example.com', NULL, 1), (4, '2026-10-31 23:00:00', '', 'bob@example.com', NULL, 1);",
    );
    let questions = [Question { name: "employees".into(), asked_as: "size".into(), is_free_text: false }];
    let settings = [("query", QUERY_OF_ACTS), ("zone", "UTC")];
    let pulled = ask(SqlConnector::acts(), &address, &settings, &questions).await;
    let expected = [
        "1 ann@example.com email a 2026-11-03T09:00:00+00:00 employees=\"20\"",
        "2 - email a 2026-11-03T07:00:00+00:00 void=refunded",
        // The experiment's days begin in Berlin: the third is of the day before the first.
        "4 bob@example.com email - 2026-10-31T23:00:00+00:00 employees=\"1\"",
    ];
    assert_eq!(pulled.sink.rows(), expected);
    assert!(pulled.facts().warnings[0].contains("1 rows came twice"), "{:?}", pulled.facts().warnings);
    let again = ask(SqlConnector::acts(), &address, &[("query", QUERY_OF_ACTS)], &questions).await.error();
    assert!(again.contains("`at`") && again.contains("zone"), "{again}");
    let unasked = ask(SqlConnector::acts(), &address, &settings, &[]).await.error();
    assert!(unasked.contains("`size`") && unasked.contains("answers"), "{unasked}");
}

#[tokio::test]
async fn what_is_a_persons_is_in_no_error() {
    let (_folder, address) = sqlite("");
    let act = |id: &str, at: &str, void: &str| {
        let query =
            format!("SELECT {id} AS id, {at} AS at, 'x' AS arm, '{CANARY}@example.com' AS person, {void} AS void");
        let address = address.clone();
        async move { ask(SqlConnector::acts(), &address, &[("query", &query)], &[]).await }
    };
    let at = "'2026-11-03T09:00:00Z'";
    for (id, time, void) in [
        (format!("'{CANARY}@example.com'"), at, "NULL"),
        ("NULL".to_owned(), at, "NULL"),
        ("1".to_owned(), "1767225600", "NULL"),
        ("1".to_owned(), "NULL", "NULL"),
        ("1".to_owned(), at, "'gone'"),
        ("1".to_owned(), &format!("'{CANARY}@example.com'"), "NULL"),
        ("1".to_owned(), at, &format!("'{CANARY}@example.com'")),
        ("1".to_owned(), at, &format!("'{CANARY} Miller'")),
        (format!("1 AS id, '{CANARY}@example.com' AS mail, 1"), at, "NULL"),
    ] {
        act(&id, time, void).await.error();
    }
    one_visit(&address, &format!("'{CANARY}@example.com'")).await.error();
    let two = format!(
        "SELECT 1 AS id, '2026-11-03T09:00:00Z' AS at, 'x' AS arm, '{CANARY}@example.com' AS person UNION ALL
         SELECT 1, '2026-11-03T09:00:00Z', 'x', '{CANARY}@example.org'"
    );
    let error = ask(SqlConnector::acts(), &address, &[("query", &two)], &[]).await.error();
    assert!(error.contains("two rows with one `id`"), "{error}");
}

#[tokio::test]
async fn a_person_without_an_address_is_refused_and_one_unknown_is_not() {
    let (_folder, address) = sqlite("");
    let act = |person: &str| {
        let query = format!("SELECT 1 AS id, '2026-11-03T09:00:00Z' AS at, 'x' AS arm, {person} AS person");
        let address = address.clone();
        async move { ask(SqlConnector::acts(), &address, &[("query", &query)], &[]).await }
    };
    for person in ["17", "'x'", &format!("'{CANARY} Miller'")] {
        let error = act(person).await.error();
        assert!(error.contains("`person`: holds what is no address"), "{error}");
    }
    for person in ["'ann@example.com'", "NULL", "''"] {
        assert_eq!(act(person).await.facts().rows, 1, "{person}");
    }
}

#[tokio::test]
async fn a_sqlite_with_a_log_is_read_while_somebody_has_it_open_and_nothing_is_put_beside_it() {
    let (folder, address) = sqlite(&format!("PRAGMA journal_mode = WAL; {SHOP}"));
    let error = visits(&address, BY_DAY).await.error();
    assert!(error.contains("WAL"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was put beside it");
    let shop = Connection::open(folder.path().join(format!("{CANARY}.db"))).unwrap();
    shop.execute_batch("UPDATE visit SET page = page").unwrap();
    assert_eq!(visits(&address, BY_DAY).await.sink.rows(), WEEK);
}

#[tokio::test]
async fn a_postgres_gives_what_a_sqlite_gives() {
    let Some(database) = postgres::database().await else { return };
    database.run(SHOP).await;
    assert_eq!(visits(&database.url, BY_DAY).await.sink.rows(), WEEK);
    let asked = "SELECT day::date AS day, page AS arm, count(*) AS visits FROM visit WHERE day::date BETWEEN $1 AND $2
        GROUP BY 1, 2 ORDER BY 1, 2";
    assert_eq!(visits(&database.url, asked).await.sink.rows(), WEEK);
    for (query, why) in REFUSED {
        let error = visits(&database.url, query).await.error();
        assert!(error.contains(why), "{query}: {error}");
    }
    let numbers = ["'NaN'::numeric", "'Infinity'::float8", "0.1::float4", "12.5::money", "ARRAY[1]", "'{}'::jsonb"];
    for count in NO_COUNTS.into_iter().chain(numbers) {
        one_visit(&database.url, count).await.error();
    }
    assert_eq!(one_visit(&database.url, "12.000::numeric").await.sink.rows(), ["x 2026-11-03 visits=12"]);
    assert_eq!(one_visit(&database.url, "9000000000::bigint").await.sink.rows(), ["x 2026-11-03 visits=9000000000"]);
    let sum = "SELECT day, page AS arm, sum(cost) AS spend FROM visit GROUP BY 1, 2 ORDER BY 1, 2";
    let settings = [("counts", "spend"), ("currency", "EUR"), ("query", sum)];
    let spend = ask(SqlConnector::counts(), &database.url, &settings, &[]).await;
    assert_eq!(spend.sink.rows(), ["a 2026-11-01 spend=0.3", "b 2026-11-01 spend=5", "a 2026-11-07 spend=18.35"]);
}

#[tokio::test]
async fn a_postgres_cuts_days_by_the_clocks_of_the_experiment() {
    let Some(database) = postgres::database().await else { return };
    database
        .run(
            "CREATE TABLE act (id uuid, done timestamptz, local timestamp);
             INSERT INTO act VALUES ('7f4a3c1e-0000-4000-8000-000000000001', '2026-10-31 22:59:59Z', '2026-11-03 09:00'),
                 ('7f4a3c1e-0000-4000-8000-000000000002', '2026-10-31 23:00:00Z', '2026-11-03 09:00');
             ALTER ROLE tester SET TimeZone = 'Pacific/Auckland'",
        )
        .await;
    let by_day = "SELECT done::date AS day, 'x' AS arm, count(*) AS visits FROM act GROUP BY 1 ORDER BY 1";
    assert_eq!(visits(&database.url, by_day).await.sink.rows(), ["x 2026-11-01 visits=1"]);
    let settings = [("counts", "visits"), ("query", by_day), ("zone", "UTC")];
    let pulled = ask(SqlConnector::counts(), &database.url, &settings, &[]).await;
    assert_eq!((pulled.sink.rows().len(), pulled.facts().day_zone), (0, Tz::UTC));
    let acts = |at: &str| format!("SELECT id, {at} AS at, 'x' AS arm, NULL AS person FROM act");
    let pulled = ask(SqlConnector::acts(), &database.url, &[("query", &acts("done"))], &[]).await;
    let expected = "7f4a3c1e-0000-4000-8000-000000000002 - email x 2026-10-31T23:00:00+00:00";
    assert_eq!(pulled.sink.rows(), [expected]);
    let error = ask(SqlConnector::acts(), &database.url, &[("query", &acts("local"))], &[]).await.error();
    assert!(error.contains("zone"), "{error}");
}

#[tokio::test]
async fn what_a_postgres_says_of_user_and_database_is_in_no_error() {
    let Some(database) = postgres::database().await else { return };
    let (closed, private) = (format!("{CANARY}-closed"), format!("{CANARY}-private"));
    database.run(&format!("CREATE DATABASE \"{closed}\" ALLOW_CONNECTIONS false")).await;
    database.run(&format!("CREATE DATABASE \"{private}\"")).await;
    database
        .run(&format!(
            "REVOKE CONNECT ON DATABASE \"{private}\" FROM PUBLIC; CREATE ROLE \"{CANARY}\" LOGIN PASSWORD 'pass-7f3a';
             CREATE ROLE \"{CANARY}-full\" LOGIN PASSWORD 'pass-7f3a' CONNECTION LIMIT 0"
        ))
        .await;
    let at = |user: &str, name: &str| database.url_with(&format!("{user}:pass-7f3a"), Some(name), "");
    for (user, name, says) in [
        (format!("{CANARY}-full"), "postgres", "(code 53300)"),
        (CANARY.to_owned(), &closed, "(code 55000)"),
        (CANARY.to_owned(), &private, "let it CONNECT"),
        (CANARY.to_owned(), &format!("{CANARY}-gone"), "no database of the name"),
        (format!("{CANARY}-gone"), "postgres", "refuses the login"),
    ] {
        let error = visits(&at(&user, name), BY_DAY).await.error();
        assert!(error.contains(says) && !error.contains("canary"), "{error}");
    }
    // Of a query the server's words are shown: they are about it.
    let error =
        visits(&at(CANARY, "postgres"), "SELECT '2026-11-03' AS day, rolname AS arm, 1 AS visits FROM pg_authid")
            .await
            .error();
    assert!(error.contains("permission denied for table pg_authid, 42501"), "{error}");
    database.run("CREATE FUNCTION told() RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE 'by %', current_user USING ERRCODE = '53400'; END $$").await;
    let error = one_visit(&database.url, "told()").await.error();
    assert!(error.contains("(code 53400)") && !error.contains("tester"), "{error}");
}

#[tokio::test]
async fn a_postgres_is_not_changed_and_not_held_up() {
    let Some(database) = postgres::database().await else { return };
    database.run(SHOP).await;
    database
        .run(
            "CREATE FUNCTION bump() RETURNS int LANGUAGE sql AS $$ INSERT INTO visit VALUES ('2026-11-02', 'z', 1) RETURNING 1 $$;
             CREATE SEQUENCE counter",
        )
        .await;
    for count in ["bump()", "nextval('counter')", "set_config('transaction_read_only', 'off', true)::int"] {
        one_visit(&database.url, count).await.error();
    }
    assert!(one_visit(&database.url, "bump()").await.error().contains("may only read"));
    for (query, _) in REFUSED {
        visits(&database.url, query).await.error();
    }
    assert_eq!(visits(&database.url, BY_DAY).await.sink.rows(), WEEK);
    // What the server itself holds to, and what its administrator sees of us.
    let held = "SELECT '2026-11-03' AS day, concat_ws(' ', current_setting('transaction_read_only'),
        current_setting('statement_timeout'), current_setting('lock_timeout'), current_setting('application_name')) AS arm,
        count(*) AS visits FROM pg_stat_activity WHERE pid = pg_backend_pid()";
    assert_eq!(visits(&database.url, held).await.sink.rows(), ["on 5min 5s willitsell 2026-11-03 visits=1"]);
    // Somebody holds the table: the query is given up, and not they.
    let mut owner = database.connect().await;
    owner.execute("BEGIN; LOCK TABLE visit IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let error = visits(&database.url, BY_DAY).await.error();
    assert!(error.contains("locked"), "{error}");
}

#[tokio::test]
async fn n7_a_postgres_that_cannot_be_asked_gives_away_no_password() {
    let Some(database) = postgres::database().await else { return };
    let good = format!("tester:{CANARY}");
    for (address, why) in [
        (database.url_with(&format!("tester:{CANARY}x"), None, ""), "refuses the login"),
        (database.url_with(&format!("user-of-ours:{CANARY}"), None, ""), "refuses the login"),
        (database.url_with(&good, Some("nowhere"), ""), "no database of the name"),
        (database.url_with(&good, None, "?sslmode=require"), "sslmode"),
        (database.url_with(&good, None, &format!("?application={CANARY}")), "not known"),
        (format!("postgres://{good}@127.0.0.1:1/shop"), "cannot be reached"),
        (format!("postgres://{good}@{CANARY}.invalid/shop"), "cannot be reached"),
    ] {
        let error = visits(&address, BY_DAY).await.error();
        assert!(error.contains(why), "{why}: {error}");
        assert!(!["tester", "user-of-ours", "nowhere"].iter().any(|name| error.contains(name)), "{error}");
    }
    // A password that stands in the query or in a row is not shown either, nor is what cannot be read there.
    let quoting = format!("SELECT '2026-11-03' AS day, 'x' AS arm, '{CANARY}' AS visits");
    visits(&database.url, &quoting).await.error();
    let casting = "SELECT '2026-11-03' AS day, 'x' AS arm, ('somebody' || '@example.com')::int AS visits";
    let error = visits(&database.url, casting).await.error();
    assert!(error.contains("22P02") && !error.contains("somebody"), "{error}");
}

#[tokio::test]
async fn what_the_environment_says_of_another_server_goes_to_none() {
    let Some(database) = postgres::database().await else { return };
    let project = project(&database.url_with("tester", None, ""), "");
    for (name, value, why) in [
        ("PGPASSWORD", CANARY, "refuses the login"),
        ("PGSSLROOTCERT", "/another/servers", "unset PGSSLROOTCERT"),
        ("PGOPTIONS", "-c statement_timeout=0", "PGOPTIONS"),
    ] {
        let ended = Ended::of(&project.command(&["pull"]).env(name, value).output().unwrap());
        assert!(ended.code != 0 && ended.stderr.contains(why), "{name}: {ended:#?}");
    }
}

/// A project whose visits and orders come from one SQLite.
fn project(address: &str, more: &str) -> Project {
    let start = day(-10);
    let project = Project::new(&format!(
        r#"[store]
url = "sqlite://willitsell.db"
[source.visitors]
connector = "sql"
settings = {{ address = "file:secrets/shop", counts = "visits", query = """
SELECT day, page AS arm, count(*) AS visits FROM visit WHERE day BETWEEN $1 AND $2 GROUP BY 1, 2""" }}
[source.orders]
connector = "sql_acts"
depth = "order"
settings = {{ address = "file:secrets/shop", query = "SELECT id, done AS at, page AS arm, mail AS person FROM bought" }}
{more}
[experiment.kit]
title = "Kit"
hypothesis = "people will order"
schedule = "0 8 * * *"
timezone = "UTC"
start = "{start}"
sources = ["visitors", "orders"]
[experiment.kit.arm.x]
keys = {{ visitors = ["x"], orders = ["x"] }}
[experiment.kit.rate.ordering]
numerator = "orders"
denominator = "visits"
[experiment.kit.policy]
primary = "ordering"
kill_bar = 0.02
"#
    ));
    project.secret("shop", address);
    project
}

fn day(from_today: i64) -> NaiveDate {
    Utc::now().date_naive() + chrono::Duration::days(from_today)
}

#[test]
fn a_test_of_a_concept_reads_the_teams_own_tables() {
    let (folder, address) = sqlite("CREATE TABLE visit (day, page); CREATE TABLE bought (id, done, page, mail)");
    let shop = Connection::open(folder.path().join(format!("{CANARY}.db"))).unwrap();
    for number in 0..30 {
        shop.execute("INSERT INTO visit VALUES (?1, 'x')", [day(-1 - number % 3).to_string()]).unwrap();
    }
    shop.execute("INSERT INTO bought VALUES (1, ?1, 'x', 'ann@acme.com')", [format!("{}T09:00:00Z", day(-2))]).unwrap();
    let project = project(&address, "");
    assert!(project.succeeds(&["check"]).contains("orders"));
    let live = project.succeeds(&["check", "--live"]);
    assert!(live.contains(&format!("{}  x  visits 10", day(-1))), "{live}");
    let dry = project.succeeds(&["pull", "--dry-run"]);
    assert!(dry.contains("3 rows") && dry.contains("nothing stored"), "{dry}");
    project.succeeds(&["pull"]);
    let stored = Connection::open(project.path().join("willitsell.db")).unwrap();
    let count = |sql: &str| stored.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    assert_eq!(count("SELECT sum(visits) / 1000000 FROM observation"), 30);
    assert_eq!(count("SELECT count(*) FROM response WHERE depth = 'order' OR depth = 'email'"), 1);
    // Read once more: nothing is doubled.
    assert!(project.succeeds(&["pull"]).contains("0 new, 0 changed"));
}

#[test]
fn a_configuration_that_cannot_be_asked_is_refused_before_it_is() {
    let (_folder, address) = sqlite("");
    for (address, more, why) in [
        ("mysql://u:canary-8c1f42e7b95d@host/d", "", "address does not have the form"),
        ("sqlite:shop.db", "", "address does not have the form"),
        (
            address.as_str(),
            "[source.more]\nconnector = \"sql\"\nsettings = { address = \"file:secrets/shop\", counts = \"visits, orders\", query = \"SELECT 1\" }",
            "counts names something that is not counted by day",
        ),
        (
            address.as_str(),
            "[source.more]\nconnector = \"sql\"\nsettings = { address = \"file:secrets/shop\", counts = \"visits\", query = \"DELETE FROM visit\" }",
            "query does not have the form",
        ),
        (
            address.as_str(),
            "[source.more]\nconnector = \"sql\"\nsettings = { address = \"postgres://u:p@host/d\", counts = \"visits\", query = \"SELECT 1\" }",
            "must not stand in the file itself",
        ),
    ] {
        let ended = project(address, more).run(&["check"]);
        assert!(ended.code != 0 && ended.stderr.contains(why), "{why}: {ended:#?}");
    }
}
