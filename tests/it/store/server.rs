//! A store on a server: what is refused and left as it is, who may write, and what is said where it cannot be reached.

use super::*;
use futures_util::future::join_all;

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
        crate::canary::assert_no_canary(format!("{error} {error:?}"));
    }
}

/// A second daemon is refused, named the first, and let in once that has gone, even where it died without a word.
#[tokio::test]
async fn s8_one_process_at_a_time_pulls_on_a_schedule() {
    let Some(database) = postgres::database().await else { return };
    let (one, two) = (open_on(&database).await, open_on(&database).await);
    let _claim = one.claim().await.unwrap();
    let Err(StoreError::Claimed { holder }) = two.claim().await else { panic!("a second one") };
    assert!(holder.starts_with(&std::process::id().to_string()), "{holder}");
    // As if half a minute had gone by in which the first said nothing.
    database.run("UPDATE node SET until = 0 WHERE fence = 1").await;
    let _claim = two.claim().await.unwrap();
    assert!(matches!(one.start_run(&run("2026-03-02T05:00:00Z")).await, Err(StoreError::Fenced)));
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
