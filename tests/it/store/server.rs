//! A store on a server: what is refused and left as it is, who may write, and what is said where it cannot be reached.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use willitsell::sandbox::Sandbox;

use super::*;
use crate::canary::assert_no_canary;
use crate::postgres::{AtCommit, Proxy};
use crate::project::{Ended, Project, setup};

#[tokio::test]
async fn s8_many_may_open_a_new_store_at_once() {
    let Some(database) = postgres::database().await else { return };
    let opened = join_all((0..8).map(|_| {
        let url = database.url.clone();
        tokio::spawn(
            async move { Store::open_with(&url, Some(&KEY.into())).await.map(drop).map_err(|it| it.to_string()) },
        )
    }));
    for result in opened.await {
        assert_eq!(result.unwrap(), Ok(()));
    }
}

#[tokio::test]
async fn a_database_of_others_is_left_as_it_is() {
    let Some(database) = postgres::database().await else { return };
    database.run("CREATE TABLE orders (id BIGINT)").await;
    let error = Store::open_with(&database.url, Some(&KEY.into())).await.unwrap_err();
    assert!(matches!(error, StoreError::Taken { .. }), "{error}");
    let mut connection = database.connect().await;
    let tables: i64 = sqlx::query_scalar("SELECT COUNT(*) FROM pg_tables WHERE schemaname = 'public'")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(tables, 1);
}

#[tokio::test]
async fn s7_a_newer_store_and_an_edited_step_are_refused() {
    let Some(database) = postgres::database().await else { return };
    open_on(&database).await.close().await;
    database.run("INSERT INTO migration (name, checksum) VALUES ('9999_later.sql', 'x')").await;
    let newer = Store::open_with(&database.url, Some(&KEY.into())).await.unwrap_err();
    assert!(matches!(newer, StoreError::Newer(_)), "{newer}");
    database.run("DELETE FROM migration WHERE name LIKE '9999%'; UPDATE migration SET checksum = 'x' WHERE name LIKE '0001%'").await;
    let edited = Store::open_with(&database.url, Some(&KEY.into())).await.unwrap_err();
    assert!(matches!(edited, StoreError::Newer(_)), "{edited}");
}

/// At how many statements of an upgrade the server ends its connection in `cargo test`; `WILLITSELL_UPGRADE_KILLS` sets another
/// number.
const UPGRADE_KILLS: i64 = 6;

/// Ends the connection in which the so manieth table, index or column since is made, once it is.
const ENDS_AT: &str = "CREATE SCHEMA ends; CREATE TABLE ends.at (number BIGINT NOT NULL); CREATE SEQUENCE ends.made; \
    INSERT INTO ends.at VALUES (0); CREATE FUNCTION ends.here() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN \
    IF nextval('ends.made') = (SELECT number FROM ends.at) THEN PERFORM pg_terminate_backend(pg_backend_pid()); END IF; \
    END $$; CREATE EVENT TRIGGER ends ON ddl_command_end EXECUTE FUNCTION ends.here();";

#[tokio::test]
async fn s7_ended_at_any_statement_of_an_upgrade_the_next_start_finishes_it() {
    let made = async |database: &Database| -> (Vec<String>, i64) {
        let mut connection = database.connect().await;
        let columns = "SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable AS made \
             FROM information_schema.columns WHERE table_schema = 'public' UNION ALL SELECT indexdef FROM pg_indexes \
             WHERE schemaname = 'public' UNION ALL SELECT name || ' ' || checksum FROM migration ORDER BY made";
        let columns = sqlx::query_scalar(columns).fetch_all(&mut connection).await.unwrap();
        let count = sqlx::query_scalar("SELECT last_value FROM ends.made").fetch_one(&mut connection).await.unwrap();
        (columns, count)
    };
    let Some(database) = postgres::database().await else { return };
    database.run(ENDS_AT).await;
    open_on(&database).await.close().await;
    let (schema, statements) = made(&database).await;
    assert!(schema.len() > 100 && statements > 30, "{statements}: {schema:?}");
    let kills = std::env::var("WILLITSELL_UPGRADE_KILLS").map_or(UPGRADE_KILLS, |kills| kills.parse().unwrap());
    let kills = kills.min(statements);
    for kill in 0..kills {
        let Some(database) = postgres::database().await else { return };
        let statement = 1 + kill * statements / kills;
        database.run(ENDS_AT).await;
        database.run(&format!("UPDATE ends.at SET number = {statement}")).await;
        match Store::open_with(&database.url, Some(&KEY.into())).await {
            Err(error) => assert!(error.may_pass(), "{statement}: {error}"),
            // The table that marks the database as ours is made again.
            Ok(store) => {
                assert_eq!(statement, 1);
                store.close().await;
            }
        }
        open_on(&database).await.close().await;
        assert_eq!(made(&database).await.0, schema, "{statement}");
    }
    println!("{kills} ends among {statements} statements of an upgrade");
}

#[tokio::test]
async fn another_key_would_count_a_person_twice_and_is_refused() {
    let Some(database) = postgres::database().await else { return };
    let store = open_on(&database).await;
    let mut stage = store.stage();
    stage.accept(&[response("r1", Some("ann@example.com"), "a", "2026-03-01T09:00:00Z")]).await.unwrap();
    let window = slice(&form(), days("2026-03-01", "2026-03-01"), "2026-03-02T05:00:00Z");
    store.replace_slice(stage, &window).await.unwrap();
    store.close().await;
    let other = KEY.replace("00", "01");
    for (key, says) in [(Some(other.as_str()), "is not the key this store was written with"), (None, "is missing")] {
        let key = key.map(Into::into);
        let error = Store::open_with(&database.url, key.as_ref()).await.unwrap_err();
        assert!(matches!(error, StoreError::GivenKey(_)) && error.to_string().contains(says), "{error}");
    }
    assert_eq!(everything(&open_on(&database).await, &form(), None).await.responses.len(), 1);
}

#[tokio::test]
async fn p10_what_cannot_be_opened_is_named_by_its_host_alone() {
    let Some(database) = postgres::database().await else { return };
    let key = || Some(KEY.into());
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let secret = crate::canary::CANARY;
    let nobody = format!("postgres://tester:{secret}@127.0.0.1:{port}/x");
    let wrong_password = database.url_with(&format!("tester:wrong-{secret}"), None, "");
    let no_database = database.url_with(&format!("tester:{secret}"), Some("nowhere"), "");
    for (url, says) in [
        (nobody, format!("127.0.0.1:{port}: ")),
        (wrong_password, "user or password is wrong".to_owned()),
        (no_database, "no database of that name".to_owned()),
        (format!("{}?sslmode=require", database.url), "cannot be encrypted".to_owned()),
    ] {
        let error = Store::open_with(&url, key().as_ref()).await.unwrap_err();
        assert!(error.to_string().contains(&says), "{error}");
        assert_no_canary(format!("{error} {error:?}"));
    }
}

/// What one process has at a time is refused to a second one, which is told who the first is, and let in once that has gone,
/// even where it died without a word.
#[tokio::test]
async fn s8_what_one_process_has_at_a_time_is_taken_over_once_it_falls_silent() {
    let Some(database) = postgres::database().await else { return };
    let (one, two) = (open_on(&database).await, open_on(&database).await);
    let now = Duration::ZERO;
    for store in [&one, &two] {
        store.claim().await.unwrap();
    }
    let held = one.alone("source search", now).await.unwrap();
    let other = two.alone("source landing", now).await.unwrap();
    let Err(StoreError::Claimed { holder }) = two.alone("source search", now).await else { panic!("a second one") };
    assert!(holder.starts_with(&std::process::id().to_string()), "{holder}");
    // Given back, it is free a moment later, and what is given back late ends nothing that was taken since.
    drop(other);
    let other = two.alone("source landing", now).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(matches!(one.alone("source landing", now).await, Err(StoreError::Claimed { .. })));
    drop(other);
    one.alone("source landing", Duration::from_secs(20)).await.unwrap();
    // As if half a minute had gone by in which the first said nothing.
    assert!(one.start_run(&run("2026-03-02T05:00:00Z")).await.unwrap());
    assert_eq!(two.take_over(at("2026-03-02T05:10:00Z")).await.unwrap(), 0, "its owner lives");
    database.run("UPDATE node SET until = 0 WHERE fence = (SELECT MAX(fence) FROM run)").await;
    let _taken = two.alone("source search", now).await.unwrap();
    assert_eq!(two.take_over(at("2026-03-02T05:11:00Z")).await.unwrap(), 1);
    assert!(two.start_run(&run("2026-03-02T05:00:00Z")).await.unwrap(), "its slot is due again");
    assert!(matches!(one.start_run(&run("2026-03-03T05:00:00Z")).await, Err(StoreError::Fenced)));
    assert!(matches!(one.alone("messages", now).await, Err(StoreError::Fenced)), "its work must end first");
    assert!(!one.may_act());
    drop(held);
    // Begun anew, under a number of its own.
    one.claim().await.unwrap();
    assert!(one.may_act() && one.start_run(&run("2026-03-03T05:00:00Z")).await.unwrap());
    assert_eq!(one.abandon_open_runs(at("2026-03-03T05:10:00Z")).await.unwrap(), 1, "its own, and not the other's");
}

/// One that was stopped for longer than its lease can write nothing, before and after somebody else took over.
#[tokio::test]
async fn s9_whoever_was_silent_for_too_long_can_write_nothing() {
    let Some(database) = postgres::database().await else { return };
    let store = open_on(&database).await;
    let claim = store.claim().await.unwrap();
    let first = slice(&ads(), days("2026-03-01", "2026-03-01"), "2026-03-02T05:00:00Z");
    put(&store, &first, &[("2026-03-01", "a", 10, None)]).await.unwrap();
    database.run("UPDATE node SET until = 0").await;
    let refused = put(&store, &first, &[("2026-03-01", "a", 11, None)]).await.unwrap_err();
    assert!(matches!(refused, StoreError::Fenced), "{refused}");
    database.run("DELETE FROM node").await;
    assert!(matches!(store.start_run(&run("2026-03-02T05:00:00Z")).await, Err(StoreError::Fenced)));
    assert_eq!(rows(&everything(&store, &ads(), None).await)[0].3, Some(10), "reading is free");
    drop(claim);
    let other = open_on(&database).await;
    put(&other, &first, &[("2026-03-01", "a", 12, None)]).await.unwrap();
}

/// Poolers give every transaction another connection: nothing is kept in one. Statements have no names, and what is set is
/// set for a transaction.
#[tokio::test]
async fn s10_nothing_is_kept_in_a_session() {
    let Some(database) = postgres::database().await else { return };
    let mut connection = database.connect().await;
    let name: String = sqlx::query_scalar("SELECT current_database()::text").fetch_one(&mut connection).await.unwrap();
    let folder: String =
        sqlx::query_scalar("SELECT current_setting('data_directory')").fetch_one(&mut connection).await.unwrap();
    database
        .run(&format!(
            "ALTER DATABASE {name} SET log_statement = 'all'; ALTER DATABASE {name} SET application_name = ''"
        ))
        .await;
    let store = open_on(&database).await;
    let claim = store.claim().await.unwrap();
    let first = slice(&ads(), days("2026-03-01", "2026-03-01"), "2026-03-02T05:00:00Z");
    put(&store, &first, &[("2026-03-01", "a", 10, None), ("2026-03-01", "b", 10, Some(3))]).await.unwrap();
    everything(&store, &ads(), None).await;
    drop(claim);
    store.close().await;
    let log = std::fs::read_to_string(std::path::Path::new(&folder).with_file_name("log")).unwrap();
    assert!(log.contains("execute <unnamed>: INSERT INTO observation"), "the log tells what was asked");
    let of_sessions = |line: &&str| {
        line.contains("execute sqlx_s_")
            || line.contains("advisory")
            || line.contains("LISTEN")
            || (line.contains("SET ") && line.contains("timeout") && !line.contains("SET LOCAL"))
    };
    assert_eq!(log.lines().find(of_sessions), None);
}

/// What a write reads stays true until it ends: nobody else writes meanwhile.
#[tokio::test(flavor = "multi_thread")]
async fn writes_of_several_processes_follow_each_other() {
    let Some(database) = postgres::database().await else { return };
    let stores = join_all((0..3).map(|_| open_on(&database))).await;
    let written = join_all((0..30).map(|number: usize| {
        let store = &stores[number % 3];
        async move {
            let source = SourceId::new(format!("source-{}", number % 5));
            let slice = slice(&source, days("2026-03-01", "2026-03-01"), "2026-03-02T05:00:00Z");
            put(store, &slice, &[("2026-03-01", "a", i64::try_from(number).unwrap(), None)]).await.unwrap().pull.id
        }
    }));
    let mut ids = written.await;
    ids.sort_unstable();
    assert_eq!(ids, (1..=30).collect::<Vec<i64>>(), "each pull has a number of its own, and none is left out");
    assert!(stores[0].start_run(&run("2026-03-02T05:00:00Z")).await.unwrap());
    assert!(!stores[1].start_run(&run("2026-03-02T05:00:00Z")).await.unwrap(), "a slot has one run, on whatever node");
}

#[tokio::test(flavor = "multi_thread")]
async fn s10_a_server_that_was_cut_off_or_kept_silent_is_found_again() {
    let Some(database) = postgres::database().await else { return };
    let (proxy, url) = Proxy::to(&database).await;
    let store = Store::open_with(&url, Some(&KEY.into())).await.unwrap();
    let on = |day: &str| slice(&ads(), days(day, day), "2026-03-09T05:00:00Z");
    put(&store, &on("2026-03-01"), &[("2026-03-01", "a", 10, None)]).await.unwrap();
    everything(&store, &ads(), None).await;

    // Connections that lie idle are cut, as by a server that is started anew: nobody notices.
    proxy.cut();
    tokio::time::sleep(Duration::from_millis(100)).await;
    put(&store, &on("2026-03-02"), &[("2026-03-02", "a", 20, None)]).await.unwrap();

    // The line falls silent and no end hears of it: half-open. Both a write and a read say so in time.
    proxy.passes.send_replace(false);
    let began = Instant::now();
    let third = on("2026-03-03");
    let (write, read) = tokio::join!(put(&store, &third, &[("2026-03-03", "a", 30, None)]), store.last_runs());
    assert!(matches!(&write, Err(error @ StoreError::Unreachable(_)) if error.may_pass()), "{write:?}");
    assert!(matches!(&read, Err(StoreError::Unreachable(_))), "{read:?}");
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    let said = write.unwrap_err().to_string();
    assert!(said.contains(&format!("127.0.0.1:{}", proxy.port)), "{said}");
    assert_no_canary(&said);

    // It speaks again: what waited on the line is of connections that nobody uses any more.
    proxy.passes.send_replace(true);
    put(&store, &third, &[("2026-03-03", "a", 31, None)]).await.unwrap();
    let known = everything(&store, &ads(), None).await;
    let clicks: Vec<_> = rows(&known).iter().map(|row| row.3).collect();
    assert_eq!(clicks, [Some(10), Some(20), Some(31)]);
    assert_eq!(store.pulls(&ads()).await.unwrap().len(), 3, "none is lost or doubled");
}

/// A process that stops in the middle of a write keeps nobody else from writing for longer than the server allows it; and
/// what a server cuts short in the middle is there whole or not at all.
#[tokio::test(flavor = "multi_thread")]
async fn s10_a_connection_that_dies_in_a_write_undoes_it_and_gives_its_turn_back() {
    let Some(database) = postgres::database().await else { return };
    let store = open_on(&database).await;
    let mut other = database.connect().await;
    for statement in
        ["BEGIN", "SET LOCAL idle_in_transaction_session_timeout = '2s'", "SELECT turn FROM willitsell FOR UPDATE"]
    {
        sqlx::query(statement).execute(&mut other).await.unwrap();
    }
    let began = Instant::now();
    assert!(store.start_run(&run("2026-03-02T05:00:00Z")).await.unwrap());
    assert!(began.elapsed() > Duration::from_secs(1), "it waited for its turn");

    let source = |number: usize| SourceId::new(format!("source-{number}"));
    let writing = join_all((0..20).map(|number| {
        let (store, source) = (&store, source(number));
        async move {
            let slice = slice(&source, days("2026-03-01", "2026-03-01"), "2026-03-09T05:00:00Z");
            put(store, &slice, &[("2026-03-01", "a", 5, None), ("2026-03-01", "b", 6, None)]).await
        }
    }));
    let ending = async {
        for _ in 0..5 {
            tokio::time::sleep(Duration::from_millis(15)).await;
            let ours = "datname = current_database() AND pid <> pg_backend_pid()";
            database.run(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {ours}")).await;
        }
    };
    let (written, ()) = tokio::join!(writing, ending);
    for (number, result) in written.into_iter().enumerate() {
        let known = everything(&store, &source(number), None).await;
        match result {
            Ok(_) => assert_eq!(known.observations.len(), 2),
            // One that was cut off while it ended may have been kept, whole.
            Err(error) => {
                assert!(error.may_pass(), "{error}");
                assert!([0, 2].contains(&known.observations.len()));
            }
        }
    }
}

/// A write whose end is not answered is asked after; only where nobody can say is it told as what it is.
#[tokio::test(flavor = "multi_thread")]
async fn s10_a_write_whose_end_is_not_answered_is_asked_after() {
    let Some(database) = postgres::database().await else { return };
    let (proxy, url) = Proxy::to(&database).await;
    let store = Store::open_with(&url, Some(&KEY.into())).await.unwrap();
    let days = ["2026-03-01T05:00:00Z", "2026-03-02T05:00:00Z", "2026-03-03T05:00:00Z"];
    proxy.at_commit.send_replace(AtCommit::CutAfter);
    assert!(store.start_run(&run(days[0])).await.unwrap(), "it was kept, and is told so");
    proxy.at_commit.send_replace(AtCommit::CutBefore);
    let never = store.start_run(&run(days[1])).await.unwrap_err();
    assert!(matches!(never, StoreError::Unreachable(_)), "{never}");
    proxy.at_commit.send_replace(AtCommit::CutAfterAndGone);
    let unsure = store.start_run(&run(days[2])).await.unwrap_err();
    assert!(matches!(unsure, StoreError::Unsure(_)) && unsure.may_pass(), "{unsure}");
    assert!(unsure.to_string().contains("before it said whether it kept this"), "{unsure}");
    assert_no_canary(unsure.to_string());
    proxy.is_there.send_replace(true);
    let known: Vec<_> = store.run_history(&concept(), 9).await.unwrap().into_iter().map(|run| run.due_at).collect();
    assert_eq!(known, [at(days[2]), at(days[0])]);
}

/// A standby that takes over may never have heard of the last numbers that were given: none is given again.
#[tokio::test]
async fn s10_no_number_is_given_twice_after_a_standby_that_lags_took_over() {
    let Some(database) = postgres::database().await else { return };
    let (one, two) = (open_on(&database).await, open_on(&database).await);
    one.claim().await.unwrap();
    // What the standby knows: nothing of the first.
    database.run("DELETE FROM node; UPDATE willitsell SET fences = 0").await;
    two.claim().await.unwrap();
    assert!(matches!(one.start_run(&run("2026-03-02T05:00:00Z")).await, Err(StoreError::Fenced)));
    assert!(two.start_run(&run("2026-03-02T05:00:00Z")).await.unwrap());
}

/// The password is a reference of the user's, and nothing else may stand in for it.
#[tokio::test]
async fn p10_no_password_is_taken_from_the_environment() {
    let Some(database) = postgres::database().await else { return };
    let sandbox = Sandbox::start(setup("2026-03-04T12:00:00Z")).await.unwrap();
    let project = Project::demo_on(&sandbox, &database);
    let file = project.path().join("passwords");
    project.write("passwords", format!("*:*:*:*:{}", crate::canary::CANARY));
    project.secret("store", &database.url_with("tester", None, ""));
    for (name, value) in [("PGPASSWORD", crate::canary::CANARY.to_owned()), ("PGPASSFILE", file.display().to_string())]
    {
        let ended = Ended::of(&project.command(&["status"]).env(name, value).output().unwrap());
        assert_ne!(ended.code, 0, "{name}: {ended:?}");
        assert!(ended.stderr.contains("user or password is wrong"), "{name}: {ended:?}");
    }
}

/// The address moves to a standby, which only reads until it is promoted; a connection to it is not used for a write again.
#[tokio::test(flavor = "multi_thread")]
async fn s10_a_standby_takes_over() {
    let Some(database) = postgres::database().await else { return };
    let (proxy, url) = Proxy::to(&database).await;
    let store = Store::open_with(&url, Some(&KEY.into())).await.unwrap();
    store.claim().await.unwrap();
    let on = |day: &str| slice(&ads(), days(day, day), "2026-03-09T05:00:00Z");
    put(&store, &on("2026-03-01"), &[("2026-03-01", "a", 10, None)]).await.unwrap();
    let standby = database.standby().await;

    proxy.lead_to(standby.port);
    proxy.cut();
    let refused = put(&store, &on("2026-03-02"), &[("2026-03-02", "a", 20, None)]).await.unwrap_err();
    assert!(refused.may_pass() && refused.to_string().contains("it only reads"), "{refused}");
    assert_eq!(everything(&store, &ads(), None).await.observations.len(), 1, "reading is served");
    // Back again, while a connection to the standby lies idle.
    proxy.lead_to(database.port);
    put(&store, &on("2026-03-02"), &[("2026-03-02", "a", 21, None)]).await.unwrap();

    standby.has_all_of(&database).await;
    proxy.lead_to(standby.port);
    proxy.cut();
    standby.promote().await;
    let began = Instant::now();
    put(&store, &on("2026-03-03"), &[("2026-03-03", "a", 30, None)]).await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    let clicks: Vec<_> = rows(&everything(&store, &ads(), None).await).iter().map(|row| row.3).collect();
    assert_eq!(clicks, [Some(10), Some(21), Some(30)]);
}
