//! Acts that vendors sent by themselves: kept once however often they come and whoever tells of them, and known at an
//! instant like any other.

use willitsell::domain::response::Response;
use willitsell::store::{KeptDeliveries, Received};

use super::*;

const NOON: &str = "2026-03-04T12:00:00Z";

/// A delivery that brings one act.
async fn delivery(store: &Store, name: &str, row: SourceRow<'_>) -> Received {
    let mut stage = store.stage();
    stage.accept(&[row]).await.unwrap();
    Received { source: form(), name: name.into(), stage, since: at("2026-03-01T00:00:00Z") }
}

async fn receive(store: &Store, name: &str, row: SourceRow<'_>, instant: &str) -> KeptDeliveries {
    store.receive(vec![delivery(store, name, row).await], at(instant)).await.unwrap()
}

fn kept(new: u64, changed: u64, repeated: u64) -> KeptDeliveries {
    KeptDeliveries { new, changed, repeated, old: 0 }
}

fn ann(arm: &'static str) -> SourceRow<'static> {
    response("1", Some(CANARY), arm, NOON)
}

/// A reading of the day.
async fn reading(store: &Store, rows: &[SourceRow<'_>], instant: &str) -> SliceChange {
    let mut stage = store.stage();
    stage.accept(rows).await.unwrap();
    store.replace_slice(stage, &slice(&form(), days("2026-03-04", "2026-03-04"), instant)).await.unwrap()
}

async fn arms(store: &Store, known_at: Option<i64>) -> Vec<String> {
    everything(store, &form(), known_at).await.responses.into_iter().map(|act| act.arm_key).collect()
}

async fn acts(store: &Store) -> Vec<Response> {
    everything(store, &form(), None).await.responses
}

#[tokio::test]
async fn an_act_that_was_sent_and_then_read_counts_once_and_so_the_other_way_round() {
    for home in homes().await {
        let store = home.open().await;
        assert_eq!(receive(&store, "d1", ann("a"), "2026-03-04T12:00:01Z").await, kept(1, 0, 0));
        let sent = acts(&store).await;
        assert_eq!(counts(&reading(&store, &[ann("a")], "2026-03-05T05:00:00Z").await), [0, 0, 0, 1]);
        assert_eq!(acts(&store).await, sent, "nothing was written");

        reading(&store, &[ann("a"), response("2", None, "b", NOON)], "2026-03-05T06:00:00Z").await;
        let read = acts(&store).await;
        assert_eq!(receive(&store, "d2", response("2", None, "b", NOON), "2026-03-05T06:00:01Z").await, kept(0, 0, 0));
        assert_eq!(acts(&store).await, read);
        // A reading knows better than a delivery that was late.
        assert_eq!(
            receive(&store, "d3", response("2", None, "else", NOON), "2026-03-05T06:00:02Z").await,
            kept(0, 0, 0)
        );
        assert_eq!(acts(&store).await, read);
    }
}

#[tokio::test]
async fn i2_a_delivery_that_comes_again_writes_nothing_for_a_month() {
    for home in homes().await {
        let store = home.open().await;
        let first = || response("1", None, "a", NOON);
        assert_eq!(receive(&store, "d1", first(), "2026-03-04T12:00:01Z").await, kept(1, 0, 0));
        // It was taken away since, and comes again three days and a month later.
        reading(&store, &[], "2026-03-05T05:00:00Z").await;
        assert!(acts(&store).await.is_empty());
        assert_eq!(receive(&store, "d1", first(), "2026-03-07T12:00:00Z").await, kept(0, 0, 1));
        assert_eq!(receive(&store, "d1", first(), "2026-04-03T12:00:00Z").await, kept(0, 0, 1));
        assert!(acts(&store).await.is_empty());
        assert_eq!(receive(&store, "d1", first(), "2026-04-04T12:00:01Z").await, kept(0, 0, 1), "30 days");
        assert_eq!(
            receive(&store, "d1", first(), "2026-04-05T12:00:00Z").await,
            kept(1, 0, 0),
            "its name is forgotten"
        );
        // Another source's may be called the same.
        let mut other = delivery(&store, "d1", first()).await;
        other.source = ads();
        assert_eq!(store.receive(vec![other], at("2026-04-05T12:00:01Z")).await.unwrap(), kept(1, 0, 0));
    }
}

#[tokio::test]
async fn i2_an_act_of_a_day_that_is_not_read_again_is_counted_and_not_kept() {
    for home in homes().await {
        let store = home.open().await;
        assert_eq!(receive(&store, "d1", ann("a"), "2026-03-04T12:00:01Z").await, kept(1, 0, 0));
        reading(&store, &[], "2026-03-05T05:00:00Z").await;
        assert!(acts(&store).await.is_empty(), "deleted");
        // Its name is forgotten, and it comes again together with a new one.
        let later = at("2026-04-05T12:00:00Z");
        store.receive(vec![], later).await.unwrap();
        let again =
            async |name: &str, row, since: &str| Received { since: at(since), ..delivery(&store, name, row).await };
        let new = || response("2", None, "b", NOON);
        let together = vec![again("d1", ann("a"), "2026-03-04T12:00:00.001Z").await, again("d2", new(), NOON).await];
        assert_eq!(store.receive(together, later).await.unwrap(), KeptDeliveries { old: 1, ..kept(1, 0, 0) });
        let ids: Vec<String> = acts(&store).await.into_iter().map(|act| act.response_id).collect();
        assert_eq!(ids, ["2"]);
        let once_more = vec![again("d1", ann("a"), "2026-04-02T00:00:00Z").await];
        assert_eq!(store.receive(once_more, later).await.unwrap(), kept(0, 0, 1), "said once");
    }
}

#[tokio::test]
async fn deliveries_kept_together_are_the_same_as_one_after_the_other() {
    for home in homes().await {
        let store = home.open().await;
        let mut together = Vec::new();
        for number in 0..600 {
            // Each tenth comes twice, by the same name or as the same act by another.
            let id = if number % 20 == 19 { number - 1 } else { number };
            let name = if number % 20 == 9 { number - 1 } else { number };
            together.push(delivery(&store, &format!("d{name}"), response(&format!("r{id}"), None, "a", NOON)).await);
        }
        assert_eq!(store.receive(together, at("2026-03-04T12:00:01Z")).await.unwrap(), kept(540, 0, 30));
        let acts = acts(&store).await;
        assert_eq!(acts.len(), 540);
        assert!(acts.iter().all(|act| act.pull_id == acts[0].pull_id));
        assert_eq!(everything(&store, &form(), None).await.pulls.len(), 1);
    }
}

#[tokio::test]
async fn what_was_known_before_a_delivery_can_be_read_back() {
    for home in homes().await {
        let store = home.open().await;
        let known = async |store: &Store| everything(store, &form(), None).await.pulls.last().unwrap().id;
        reading(&store, &[response("0", None, "z", NOON)], "2026-03-04T11:00:00Z").await;
        let mut moments = vec![known(&store).await];
        for (name, arm) in [("d1", "a"), ("d2", "b"), ("d3", "b"), ("d4", "c")] {
            receive(&store, name, ann(arm), "2026-03-04T12:00:01Z").await;
            moments.push(known(&store).await);
        }
        reading(&store, &[ann("d")], "2026-03-05T05:00:00Z").await;
        moments.push(known(&store).await);
        let expected: [&[&str]; 6] = [&["z"], &["z", "a"], &["z", "b"], &["z", "b"], &["z", "c"], &["d"]];
        for (moment, expected) in moments.iter().zip(expected) {
            assert_eq!(arms(&store, Some(*moment)).await, expected, "known at {moment}");
        }
        assert_eq!(moments[2], moments[3], "what says nothing new is no revision");
        assert_eq!(arms(&store, None).await, ["d"]);
    }
}

#[tokio::test]
async fn what_was_sent_reads_no_day_and_takes_nothing_away() {
    for home in homes().await {
        let store = home.open().await;
        reading(&store, &[response("0", None, "z", NOON)], "2026-03-05T05:00:00Z").await;
        let read = store.pulls(&form()).await.unwrap();
        receive(&store, "d1", response("1", None, "a", NOON), "2026-03-05T12:00:01Z").await;
        receive(&store, "d2", response("2", None, "a", NOON), "2026-03-05T12:00:02Z").await;
        assert_eq!(store.pulls(&form()).await.unwrap(), read);
        let known = everything(&store, &form(), None).await;
        let readings: Vec<_> = known.pulls.iter().map(willitsell::domain::observation::Pull::is_reading).collect();
        assert_eq!(readings, [true, false], "of what was sent the last record is enough");
        assert_eq!(known.responses.len(), 3);
    }
}

#[tokio::test]
async fn an_act_sent_a_moment_ago_stays_although_the_list_lacks_it_yet() {
    for home in homes().await {
        let store = home.open().await;
        receive(&store, "d1", ann("a"), "2026-03-04T12:00:01Z").await;
        reading(&store, &[], "2026-03-04T12:00:30Z").await;
        reading(&store, &[], "2026-03-04T13:00:00Z").await;
        assert_eq!(arms(&store, None).await, ["a"]);
        let later = reading(&store, &[], "2026-03-04T13:30:00Z").await;
        assert_eq!((counts(&later), acts(&store).await), ([0, 0, 1, 0], vec![]), "whoever deleted it meant it");
    }
}

#[tokio::test]
async fn x6_a_person_who_is_forgotten_is_not_brought_back_by_a_delivery() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    receive(&store, "d1", ann("a"), "2026-03-04T12:08:31.417Z").await;
    assert_eq!(store.forget(CANARY).await.unwrap().acts, 1);
    assert_eq!(receive(&store, "d1", ann("a"), "2026-03-04T12:10:00Z").await, kept(0, 0, 1));
    assert_eq!(receive(&store, "d2", ann("b"), "2026-03-04T12:11:00Z").await, kept(0, 0, 0));
    assert_eq!(
        receive(&store, "d3", response("9", Some(CANARY), "b", NOON), "2026-03-04T12:12:00Z").await,
        kept(0, 0, 0)
    );
    assert_eq!(arms(&store, None).await, ["a"], "as nobody's");
    // Neither the record nor the delivery's name says more exactly when.
    let arrival = everything(&store, &form(), None).await.pulls.remove(0);
    assert_eq!(arrival.committed_at, at("2026-03-04T12:00:00Z"));
    for table in ["response", "pull", "received"] {
        let raw = rusqlite::Connection::open(folder.path().join("willitsell.db")).unwrap();
        let mut rows = raw.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = rows.column_count();
        let text = |row: &rusqlite::Row<'_>| {
            Ok((0..columns).map(|column| format!("{:?}", row.get_ref(column).unwrap())).collect::<String>())
        };
        for row in rows.query_map([], text).unwrap() {
            let row = row.unwrap();
            assert!(!row.contains("1772626111") && !row.contains(CANARY), "{table}: {row}");
        }
    }
}

#[tokio::test]
async fn i4_a_store_that_cannot_be_written_keeps_nothing_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    receive(&store, "d1", ann("a"), "2026-03-04T12:00:01Z").await;
    let waiting = delivery(&store, "d2", response("2", None, "b", NOON)).await;
    {
        let raw = rusqlite::Connection::open(folder.path().join("willitsell.db")).unwrap();
        let fails = "CREATE TRIGGER fails BEFORE INSERT ON received BEGIN SELECT RAISE(ABORT, 'disk'); END";
        raw.execute_batch(fails).unwrap();
    }
    assert!(store.receive(vec![waiting], at("2026-03-04T12:00:02Z")).await.is_err());
    assert_eq!(arms(&store, None).await, ["a"]);
    let raw = rusqlite::Connection::open(folder.path().join("willitsell.db")).unwrap();
    raw.execute_batch("DROP TRIGGER fails").unwrap();
    assert_eq!(receive(&store, "d2", response("2", None, "b", NOON), "2026-03-04T12:00:03Z").await, kept(1, 0, 0));
}
