//! Rows of the fault table about what is inside the store: each test carries its id.

use std::future::Future;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use super::*;
use willitsell::domain::connector::SinkError;
use willitsell::domain::metric::{CATALOGUE, COUNTED};

fn raw(folder: &TempDir) -> rusqlite::Connection {
    rusqlite::Connection::open(folder.path().join("willitsell.db")).unwrap()
}

fn count(folder: &TempDir, table: &str) -> i64 {
    raw(folder).query_row(&format!("SELECT COUNT(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn d2_the_same_window_twice_writes_nothing_but_the_record_of_the_pull() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let window = slice(&ads(), days("2026-03-01", "2026-03-02"), "2026-03-02T05:00:00Z");
    let rows = [("2026-03-01", "a", 10, Some(5)), ("2026-03-02", "a", 3, None), ("2026-03-02", "b", 4, None)];
    put(&store, &window, &rows).await.unwrap();
    let before = everything(&store, &ads(), None).await;
    let again = put(&store, &window, &[rows[2], rows[0], rows[1]]).await.unwrap();
    assert_eq!(counts(&again), [0, 0, 0, 3]);
    let after = everything(&store, &ads(), None).await;
    assert_eq!(after.observations, before.observations, "not even the pull of a row changed");
    assert_eq!(after.pulls.len(), 2, "that it was asked again is known");
    assert_eq!(count(&folder, "observation_before"), 0);

    let mut stage = store.stage();
    let answers = [response("r1", Some("a@example.com"), "x", "2026-03-01T09:00:00Z")];
    stage.accept(&answers).await.unwrap();
    stage.accept(&answers).await.unwrap();
    let window = slice(&form(), days("2026-03-01", "2026-03-02"), "2026-03-02T05:00:00Z");
    assert_eq!(counts(&store.replace_slice(stage, &window).await.unwrap()), [1, 0, 0, 0]);
    let mut stage = store.stage();
    stage.accept(&[response("r1", Some(" A@Example.com "), "x", "2026-03-01T09:00:00Z")]).await.unwrap();
    assert_eq!(counts(&store.replace_slice(stage, &window).await.unwrap()), [0, 0, 0, 1]);
    assert_eq!(count(&folder, "response_before"), 0);
}

#[tokio::test]
async fn responses_that_change_move_or_vanish_are_kept_as_they_were() {
    for home in homes().await {
        let store = home.open().await;
        let replace = async |window: DateWindow, answers: &[SourceRow<'_>]| {
            let mut stage = store.stage();
            stage.accept(answers).await.unwrap();
            let slice = Slice { zone: Tz::Europe__Berlin, ..slice(&form(), window, "2026-03-09T05:00:00Z") };
            store.replace_slice(stage, &slice).await
        };
        // 23:30 UTC on the 1st is the 2nd in Berlin.
        let (first, second) = (days("2026-03-01", "2026-03-01"), days("2026-03-02", "2026-03-02"));
        let r1 = |arm, instant| response("r1", Some("a@example.com"), arm, instant);
        let r2 = || response("r2", None, "y", "2026-03-01T23:30:00Z");
        replace(first, &[r1("x", "2026-03-01T10:00:00Z")]).await.unwrap();
        assert!(matches!(replace(first, &[r2()]).await, Err(StoreError::Rows(_))), "not a day that was asked for");
        assert_eq!(counts(&replace(second, &[r2()]).await.unwrap()), [1, 0, 0, 0]);
        assert_eq!(counts(&replace(first, &[r1("z", "2026-03-01T10:00:00Z")]).await.unwrap()), [0, 1, 0, 0]);
        assert_eq!(counts(&replace(second, &[r1("z", "2026-03-02T10:00:00Z"), r2()]).await.unwrap()), [0, 1, 0, 1]);
        assert_eq!(counts(&replace(first, &[]).await.unwrap()), [0, 0, 0, 0], "it had moved away already");
        assert_eq!(counts(&replace(second, &[r2()]).await.unwrap()), [0, 0, 1, 1]);

        let known = async |pull| {
            let inputs = everything(&store, &form(), pull).await;
            let of = |it: &willitsell::domain::response::Response| {
                (it.response_id.clone(), it.arm_key.clone(), it.at.format("%d %H:%M").to_string(), it.pull_id)
            };
            inputs.responses.iter().map(of).collect::<Vec<_>>()
        };
        let row = |id: &str, arm: &str, at: &str, pull| (id.to_owned(), arm.to_owned(), at.to_owned(), pull);
        assert_eq!(known(Some(1)).await, [row("r1", "x", "01 10:00", 1)]);
        assert_eq!(known(Some(2)).await, [row("r1", "x", "01 10:00", 1), row("r2", "y", "01 23:30", 2)]);
        assert_eq!(known(Some(3)).await, [row("r1", "z", "01 10:00", 3), row("r2", "y", "01 23:30", 2)]);
        assert_eq!(known(Some(5)).await, [row("r1", "z", "02 10:00", 4), row("r2", "y", "01 23:30", 2)]);
        assert_eq!(known(None).await, [row("r2", "y", "01 23:30", 2)]);
    }
}

#[tokio::test]
async fn h13_one_response_told_in_two_ways_fails_its_window() {
    for home in homes().await {
        let store = home.open().await;
        let mut stage = store.stage();
        stage.accept(&[response("r1", None, "x", "2026-03-01T09:00:00Z")]).await.unwrap();
        let other = stage.accept(&[response("r1", None, "y", "2026-03-01T09:00:00Z")]).await;
        assert!(matches!(other, Err(SinkError::Rows(text)) if text.contains("r1")));
    }
}

#[tokio::test]
async fn h20_h21_rows_below_zero_too_large_or_of_another_day_change_nothing() {
    for home in homes().await {
        let store = home.open().await;
        let window = slice(&ads(), days("2026-03-01", "2026-03-02"), "2026-03-02T05:00:00Z");
        put(&store, &window, &[("2026-03-01", "a", 10, None)]).await.unwrap();
        let before = everything(&store, &ads(), None).await;

        let values = [(MetricId::CLICKS, -1)];
        let below = SourceRow::Counts { arm_key: None, day: day("2026-03-01"), values: &values };
        assert!(matches!(store.stage().accept(&[below]).await, Err(SinkError::Rows(_))));
        for rows in [
            [("2026-03-01", "a", 11, None), ("2026-03-03", "a", 1, None)],
            [("2026-03-01", "a", i64::MAX, None), ("2026-03-01", "a", 1, None)],
        ] {
            assert!(matches!(put(&store, &window, &rows).await, Err(StoreError::Rows(_))));
            assert_eq!(everything(&store, &ads(), None).await, before, "the store is as it was");
        }
    }
}

#[tokio::test]
async fn rows_of_one_arm_and_day_are_added_and_hostile_keys_stay_apart() {
    for home in homes().await {
        let store = home.open().await;
        let window = slice(&ads(), days("2026-03-01", "2026-03-01"), "2026-03-02T05:00:00Z");
        let long = "x".repeat(1 << 20);
        let hostile = ["", "a", "a\u{1f}", "a\u{1e}b", "'; DROP TABLE pull; --", "<!channel>", "e\u{301}", "é", &long];
        let mut rows: Vec<Row> = hostile.iter().map(|key| ("2026-03-01", *key, 1, Some(2))).collect();
        rows.extend(hostile.iter().map(|key| ("2026-03-01", *key, 10, None)));
        assert_eq!(counts(&put(&store, &window, &rows).await.unwrap()), [9, 0, 0, 0]);
        assert_eq!(counts(&put(&store, &window, &rows).await.unwrap()), [0, 0, 0, 9]);
        let stored = everything(&store, &ads(), None).await;
        assert!(stored.observations.iter().all(|it| it.values.get(MetricId::CLICKS) == Some(11)));
        assert!(stored.observations.is_sorted_by(|one, two| one.arm_key < two.arm_key));
        assert!(stored.observations.iter().all(|it| it.arm_key.len() < 600));
    }
}

#[tokio::test]
async fn a_large_window_waits_on_disk_and_comes_back_whole() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let mut stage = store.stage();
    // Above 8 MiB once packed: three times 60,000 rows of 60 bytes, every arm on every page.
    let keys: Vec<String> = (0..20_000).map(|arm| format!("{arm:050}")).collect();
    for _page in 0..3 {
        for on in ["2026-03-03", "2026-03-01", "2026-03-02"] {
            let values = [(MetricId::CLICKS, 1_000_000), (MetricId::SPEND, 123_456_789)];
            let row = |key| SourceRow::Counts { arm_key: Some(Cow::Borrowed(key)), day: day(on), values: &values };
            stage.accept(&keys.iter().map(|key| row(key.as_str())).collect::<Vec<_>>()).await.unwrap();
        }
    }
    let window = slice(&ads(), days("2026-03-01", "2026-03-03"), "2026-03-04T05:00:00Z");
    assert_eq!(counts(&store.replace_slice(stage, &window).await.unwrap()), [60_000, 0, 0, 0]);
    let stored = everything(&store, &ads(), None).await;
    assert_eq!(stored.observations.len(), 60_000);
    assert!(stored.observations.iter().all(|it| it.values.get(MetricId::SPEND) == Some(3 * 123_456_789)));
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert!(files.iter().all(|name| name.to_str().unwrap().starts_with("willitsell.db")), "{files:?}");
}

#[tokio::test]
async fn n3_n4_a_message_is_stored_once_and_a_restart_changes_nothing() {
    for home in homes().await {
        let store = home.open().await;
        let card = scorecard("2026-03-02T05:00:00Z", Verdict::Build);
        let message = [delivery("msg_1-growth", "2026-03-02T05:00:00Z")];
        let first = save(&store, &card, 7, &message).await;
        // A crash after the message was sent and before that was recorded.
        store.begin_attempt("msg_1-growth", at("2026-03-02T05:00:00Z")).await.unwrap().unwrap();
        drop(store);

        let store = home.open().await;
        assert_eq!(save(&store, &card, 7, &message).await, first, "the same verdict is stored once");
        let later = scorecard("2026-03-03T05:00:00Z", Verdict::Build);
        save(&store, &later, 8, &message).await;
        let due = store.due_deliveries(at("2026-03-09T00:00:00Z")).await.unwrap();
        assert_eq!(due.len(), 1, "one id, one message");
        assert_eq!((due[0].id.as_str(), due[0].attempts), ("msg_1-growth", 1));
        let again = store.begin_attempt("msg_1-growth", at("2026-03-09T00:00:00Z")).await.unwrap().unwrap();
        assert!(again.may_repeat, "the first attempt's answer was never recorded");
        store.postpone("msg_1-growth", at("2026-03-09T00:00:05Z"), false, "503").await.unwrap();
        let third = store.begin_attempt("msg_1-growth", at("2026-03-09T00:00:05Z")).await.unwrap().unwrap();
        assert!(third.may_repeat, "the refusal of the second says nothing of the first");
    }
}

#[tokio::test]
async fn s4_a_write_waits_for_the_lock_and_takes_it_up_front() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let other = raw(&folder);
    other.execute_batch("BEGIN IMMEDIATE; INSERT INTO person_key VALUES ('held')").unwrap();
    let first = run("2026-03-02T05:00:00Z");
    let mut write = pin!(store.start_run(&first));
    let early = tokio::time::timeout(Duration::from_millis(200), &mut write).await;
    assert!(early.is_err(), "it neither failed at once nor got in between");
    assert_eq!(store.last_runs().await.unwrap(), [], "reads go on meanwhile");
    other.execute_batch("ROLLBACK").unwrap();
    assert!(write.await.unwrap());
}

/// Polls a future a number of times, then drops it; `None` when it was not done by then.
async fn polled<F: Future>(times: usize, future: F) -> Option<F::Output> {
    let mut future = Box::pin(future);
    let mut polls = 0;
    std::future::poll_fn(|context| {
        if polls == times {
            return Poll::Ready(None);
        }
        polls += 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if polls == times => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

#[tokio::test]
async fn s11_a_write_dropped_at_any_await_leaves_no_open_transaction() {
    for home in homes().await {
        let store = home.open().await;
        let window = slice(&ads(), days("2026-03-01", "2026-03-28"), "2026-03-29T05:00:00Z");
        // Enough arms that a statement takes its time, so that the write is dropped inside most of them.
        let arms: Vec<String> = (0..60).map(|arm| format!("arm {arm}")).collect();
        let (mut writes, mut dropped, mut polls) = (0, 0, 0);
        // How often a write waits is the machine's affair: one that got through begins again from its first wait.
        while dropped < 12 {
            assert!(writes < 500, "a write that is polled {polls} times was dropped only {dropped} times");
            let clicks = i64::from(writes);
            let month: Vec<String> = window.window.first().iter_days().take(28).map(|day| day.to_string()).collect();
            let row = |day, arm| (day, arm, clicks, None);
            let rows: Vec<Row> =
                month.iter().flat_map(|day| arms.iter().map(move |arm| row(day.as_str(), arm.as_str()))).collect();
            let stage = staged(&store, &rows).await;
            let done = polled(polls, store.replace_slice(stage, &window)).await.is_some_and(|it| it.is_ok());
            // The one connection for writing is clean: the next write on it is on its own.
            let instant = at("2026-03-02T05:00:00Z") + chrono::Duration::seconds(clicks);
            let next = Run { id: Run::key(&concept(), instant), due_at: instant, ..run("2026-03-02T05:00:00Z") };
            assert!(store.start_run(&next).await.unwrap());
            let stored = everything(&store, &ads(), None).await;
            let clicks: Vec<_> = stored.observations.iter().map(|it| it.values.get(MetricId::CLICKS)).collect();
            assert!(
                clicks.is_empty() || clicks.len() == 28 * arms.len() && clicks.iter().all(|it| *it == clicks[0]),
                "half a window"
            );
            writes += 1;
            if done {
                polls = 1;
            } else {
                dropped += i32::from(polls > 0);
                polls += 1;
            }
        }
    }
}

#[tokio::test]
async fn the_migrations_columns_are_the_metric_catalogue() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(&folder).await);
    let names: Vec<&str> = CATALOGUE.iter().take(COUNTED).map(|metric| metric.name).collect();
    for (table, last) in [("observation", None), ("observation_before", Some("until_pull"))] {
        let database = raw(&folder);
        let mut columns = database.prepare(&format!("SELECT name FROM pragma_table_info('{table}')")).unwrap();
        let found: Vec<String> = columns.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect();
        let mut found: Vec<&str> = found.iter().map(String::as_str).collect();
        found.retain(|name| !["source_id", "day", "arm_key", "pull_id"].contains(name) && Some(*name) != last);
        assert_eq!(found, names, "{table}");
    }
}

#[test]
fn p4_verdicts_and_earlier_states_are_only_ever_added() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/store");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let code = std::fs::read_to_string(&path).unwrap();
        for table in ["scorecard", "observation_before", "response_before", "pull", "migration"] {
            for verb in ["UPDATE", "DELETE FROM", "DROP TABLE"] {
                assert!(!code.contains(&format!("{verb} {table} ")), "{}: {verb} {table}", path.display());
            }
        }
    }
}

#[tokio::test]
async fn h25_an_arm_the_vendor_no_longer_lists_keeps_its_days() {
    for home in homes().await {
        let store = home.open().await;
        let whole = slice(&ads(), days("2026-03-01", "2026-03-03"), "2026-03-03T05:00:00Z");
        let rows = [("2026-03-01", "a", 10, None), ("2026-03-01", "b", 4, None), ("2026-03-03", "b", 5, None)];
        put(&store, &whole, &rows).await.unwrap();
        // b is archived, and the vendor's own filter hides it from the days that are read again.
        let again = slice(&ads(), days("2026-03-02", "2026-03-04"), "2026-03-04T05:00:00Z");
        let change = put(&store, &again, &[("2026-03-04", "a", 3, None)]).await.unwrap();
        assert_eq!(counts(&change), [1, 0, 1, 0], "that it is gone is told");
        let of_b = async |pull| {
            let seen = everything(&store, &ads(), pull).await.observations;
            seen.iter().filter(|it| *it.arm_key == *"b").map(|it| it.day.to_string()).collect::<Vec<_>>()
        };
        assert_eq!(of_b(None).await, ["2026-03-01"], "days that are not read again stay in the series");
        assert_eq!(of_b(Some(1)).await, ["2026-03-01", "2026-03-03"], "and what was hidden is kept as it was");
    }
}
