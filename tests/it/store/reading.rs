//! Reading many sources back at once: only the columns that hold something, and each row to whoever asks.

use tempfile::TempDir;
use willitsell::domain::connector::FileRead;
use willitsell::domain::observation::Inputs;
use willitsell::store::{Slice, StoreError};

use super::homes;
use super::{ads, at, days, everything, form, open, put, rows, slice};

#[tokio::test]
async fn columns_that_no_reading_filled_are_not_read_and_none_that_one_did_is_missed() {
    let folder = TempDir::new().unwrap();
    let store = open(&folder).await;
    let window = days("2026-03-02", "2026-03-03");
    put(&store, &slice(&ads(), window, "2026-03-04T05:00:00Z"), &[("2026-03-02", "a", 5, None)]).await.unwrap();
    let spent = [("2026-03-02", "a", 5, Some(7)), ("2026-03-03", "b", 6, None)];
    put(&store, &slice(&ads(), window, "2026-03-05T05:00:00Z"), &spent).await.unwrap();
    put(&store, &slice(&ads(), window, "2026-03-06T05:00:00Z"), &[]).await.unwrap();
    let read = async |known_at| -> Inputs { everything(&store, &ads(), known_at).await };
    let seen = [read(Some(1)).await, read(Some(2)).await, read(Some(3)).await, read(None).await];
    assert_eq!(rows(&seen[0]), [("2026-03-02".to_owned(), "a", 1, Some(5), None)]);
    assert_eq!(rows(&seen[1])[0], ("2026-03-02".to_owned(), "a", 2, Some(5), Some(7)));
    assert_eq!(rows(&seen[1])[1], ("2026-03-03".to_owned(), "b", 2, Some(6), None));
    assert!(seen[2].observations.is_empty() && seen[3].observations.is_empty());

    let raw = rusqlite::Connection::open(folder.path().join("willitsell.db")).unwrap();
    let metrics = || -> Vec<Option<String>> {
        let mut query = raw.prepare("SELECT metrics FROM pull ORDER BY id").unwrap();
        query.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
    };
    let said = ["clicks", "clicks spend", "none"].map(|names| Some(names.to_owned()));
    assert_eq!(metrics(), said);
    for unknown in ["NULL", "''", "'clicks likes'"] {
        raw.execute_batch(&format!("UPDATE pull SET metrics = {unknown}")).unwrap();
        let again = [read(Some(1)).await, read(Some(2)).await, read(Some(3)).await, read(None).await];
        assert_eq!(again, seen, "a store of before says nothing, and all is read");
    }
}

#[tokio::test]
async fn whoever_asks_for_a_source_has_all_its_rows_and_none_may_ask_more_often_than_was_said() {
    for home in homes().await {
        let store = home.open().await;
        let [march, week] = [days("2026-03-01", "2026-03-31"), days("2026-03-02", "2026-03-08")];
        let counted = [("2026-03-02", "a", 5, None), ("2026-03-20", "a", 6, None)];
        put(&store, &slice(&ads(), march, "2026-04-04T05:00:00Z"), &counted).await.unwrap();
        put(&store, &slice(&form(), march, "2026-04-04T05:00:00Z"), &counted[..1]).await.unwrap();
        let alone = [
            store.inputs(&[ads(), form()], march, None).await.unwrap(),
            store.inputs(&[ads()], week, None).await.unwrap(),
        ];
        assert_eq!([alone[0].observations.len(), alone[1].observations.len()], [3, 1]);

        let (ads, form) = (ads(), form());
        let mut read = store.view().rows(&[(&ads, march), (&form, march), (&ads, week)], None).await.unwrap();
        assert_eq!(read.inputs(std::slice::from_ref(&ads), week).unwrap(), alone[1], "a copy, of the days asked for");
        assert_eq!(read.inputs(&[ads.clone(), form], march).unwrap(), alone[0], "the last one has the rows themselves");
        let more = read.inputs(&[ads], week);
        assert!(matches!(&more, Err(StoreError::Unreadable(what)) if what.contains("search")), "{more:?}");
        assert_eq!(alone[0].pulls[0].committed_at, at("2026-04-04T05:00:00Z"));
    }
}

#[tokio::test]
async fn no_older_file_is_stored_over_a_newer_one_that_another_process_stored_meanwhile() {
    let folder = TempDir::new().unwrap();
    let (daemon, watch) = (open(&folder).await, open(&folder).await);
    let file = |window, written: &str, read: &str, is_for_its_days| {
        let mut slice = slice(&ads(), window, read);
        slice.facts.file =
            Some(FileRead { content: written.into(), modified: at(written), is_for_its_days, is_whole: true });
        slice
    };
    let dropped = |window, written: &str| file(window, written, "2026-03-09T05:00:00Z", false);
    let (week, later) = (days("2026-03-02", "2026-03-04"), days("2026-03-04", "2026-03-06"));
    put(&daemon, &dropped(week, "2026-03-08T10:00:00Z"), &[("2026-03-04", "a", 5, None)]).await.unwrap();
    let refused = async |slice: &Slice| {
        let error = put(&watch, slice, &[("2026-03-04", "a", 9, None)]).await.unwrap_err();
        assert!(matches!(&error, StoreError::Older(on) if on.to_string() == "2026-03-04"), "{error}");
        assert!(error.to_string().contains("a newer file speaks for 2026-03-04"), "{error}");
    };
    refused(&dropped(later, "2026-03-08T09:00:00Z")).await;
    let kept = everything(&daemon, &ads(), None).await;
    assert_eq!(rows(&kept), [("2026-03-04".to_owned(), "a", 1, Some(5), None)]);
    assert_eq!(daemon.pulls(&ads()).await.unwrap().len(), 1, "nothing of it is stored");
    // Its other days are its own, and a file of the same age is no older.
    let rest = dropped(days("2026-03-05", "2026-03-06"), "2026-03-08T09:00:00Z");
    put(&watch, &rest, &[("2026-03-05", "a", 7, None)]).await.unwrap();
    put(&watch, &dropped(week, "2026-03-08T10:00:00Z"), &[("2026-03-04", "a", 6, None)]).await.unwrap();
    // What a person brings for its days may be older; then what is younger than that alone takes its place.
    let by_hand = file(week, "2026-03-01T10:00:00Z", "2026-03-09T05:00:00Z", true);
    put(&watch, &by_hand, &[("2026-03-04", "a", 8, None)]).await.unwrap();
    refused(&dropped(later, "2026-03-09T04:00:00Z")).await;
    put(&watch, &dropped(week, "2026-03-09T06:00:00Z"), &[("2026-03-04", "a", 9, None)]).await.unwrap();
    // Other sources are read by others.
    let mut other = dropped(week, "2026-03-01T00:00:00Z");
    other.source = form();
    put(&watch, &other, &[("2026-03-04", "a", 1, None)]).await.unwrap();
}
