//! H18: a field that counted and stands in no row of the next reading. What is stored stays, until the field is back,
//! or the user says that nothing is right.

use super::*;
use willitsell::domain::connector::Field;
use willitsell::domain::observation::LostField;
use willitsell::store::Wary;

fn field(path: &str, rows: u64, last_day: Option<&str>) -> Field {
    Field { metric: MetricId::CLICKS, path: path.into(), of: 20, rows, last_day: last_day.map(day) }
}

/// A reading of 1 March to some day, at 6 on that day, whose clicks stand in these fields.
async fn read(
    store: &Store,
    on: u32,
    accepts: Option<&str>,
    fields: &[Field],
    clicks: i64,
) -> Result<[u64; 4], LostField> {
    let on = format!("2026-03-{on:02}");
    let wary = Some(Wary { settles_after_days: 3, slot: at(MONDAY), accepts: accepts.map(day) });
    let facts = Facts { fields: fields.to_vec(), ..Facts::default() };
    let slice = slice(&ads(), days("2026-03-01", &on), &format!("{on}T06:00:01Z"));
    match put(store, &Slice { facts, wary, ..slice }, &[("2026-03-04", "a", clicks, Some(2_000_000))]).await {
        Ok(change) => Ok(counts(&change)),
        Err(StoreError::Lost(lost)) => Err(*lost),
        Err(other) => panic!("{other}"),
    }
}

const MONDAY: &str = "2026-03-10T06:00:00Z";

#[tokio::test]
async fn h18_what_was_counted_stays_while_its_field_is_in_no_row() {
    for home in homes().await {
        let store = home.open().await;
        let gone = [field("$.clicks", 0, None)];
        // None yet, and none again: nothing is lost.
        assert_eq!(read(&store, 6, None, &gone, 0).await, Ok([1, 0, 0, 0]));
        assert_eq!(read(&store, 7, None, &gone, 0).await, Ok([0, 0, 0, 1]));
        assert_eq!(read(&store, 8, None, &[field("$.clicks", 1, Some("2026-03-04"))], 5).await, Ok([0, 1, 0, 0]));
        let before = everything(&store, &ads(), None).await;
        for accepts in [None, Some("2026-03-08"), Some("2026-03-11")] {
            let lost = read(&store, 10, accepts, &gone, 0).await.unwrap_err();
            assert_eq!((lost.path.as_str(), lost.rows, lost.last_day), ("$.clicks", 20, day("2026-03-04")));
            assert_eq!(lost.accept_on, day("2026-03-10"), "{lost}");
        }
        assert_eq!(everything(&store, &ads(), None).await, before);
        // Its return, or the user's word from a day after it was last read.
        assert_eq!(read(&store, 10, None, &[field("$.clicks", 3, Some("2026-03-04"))], 5).await, Ok([0, 0, 0, 1]));
        assert_eq!(read(&store, 11, Some("2026-03-10"), &gone, 0).await.unwrap_err().accept_on, day("2026-03-11"));
        assert_eq!(read(&store, 11, Some("2026-03-11"), &gone, 0).await, Ok([0, 1, 0, 0]));
        assert_eq!(read(&store, 12, Some("2026-03-11"), &gone, 0).await, Ok([0, 0, 0, 1]));
    }
}

#[tokio::test]
async fn h18_what_a_reading_without_any_row_took_back_is_not_missed_later() {
    for home in homes().await {
        let store = home.open().await;
        assert_eq!(read(&store, 8, None, &[field("$.clicks", 1, Some("2026-03-04"))], 5).await, Ok([1, 0, 0, 0]));
        let empty = slice(&ads(), days("2026-03-01", "2026-03-09"), "2026-03-09T06:00:01Z");
        assert_eq!(counts(&put(&store, &empty, &[]).await.unwrap()), [0, 0, 1, 0]);
        assert_eq!(read(&store, 10, None, &[field("$.clicks", 0, None)], 0).await, Ok([1, 0, 0, 0]));
    }
}

#[tokio::test]
async fn h18_of_a_sum_each_field_is_watched_for_itself() {
    for home in homes().await {
        let store = home.open().await;
        let [here, gone] = [field("$.a", 1, Some("2026-03-04")), field("$.b", 0, None)];
        assert_eq!(read(&store, 6, None, &[here.clone(), gone.clone()], 5).await, Ok([1, 0, 0, 0]), "views: none yet");
        assert_eq!(
            read(&store, 7, None, &[here.clone(), gone.clone()], 4).await,
            Ok([0, 1, 0, 0]),
            "one was struck out"
        );
        assert_eq!(
            read(&store, 8, None, &[here.clone(), field("$.b", 2, Some("2026-03-03"))], 9).await,
            Ok([0, 1, 0, 0])
        );
        let lost = read(&store, 9, None, &[here.clone(), gone.clone()], 5).await.unwrap_err();
        assert_eq!((lost.path.as_str(), lost.last_day), ("$.b", day("2026-03-03")));
        // Another name is another field, even one that has nothing yet…
        let renamed = [here, field("$.c", 0, None)];
        assert_eq!(read(&store, 9, None, &renamed, 5).await, Ok([0, 1, 0, 0]));
        // …but not while it is the only one.
        assert_eq!(read(&store, 10, None, &renamed[1..], 0).await.unwrap_err().last_day, day("2026-03-04"));
    }
}
