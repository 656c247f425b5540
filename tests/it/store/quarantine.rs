//! H24: a reading that holds much less of settled days than is stored. Kept aside once, in use and in doubt from the
//! second on, as it stood at any pull.

use super::*;
use willitsell::domain::observation::Shrink;
use willitsell::store::Wary;

/// A reading of 1 March to some day, at 6 on that day.
fn reading(source: &SourceId, last: u32, slot: &str) -> Slice {
    let last = format!("2026-03-{last:02}");
    let wary = Some(Wary { settles_after_days: 3, slot: at(slot), accepts: None });
    Slice { wary, ..slice(source, days("2026-03-01", &last), &format!("{last}T06:00:01Z")) }
}

/// Two arms a day, without those named.
fn two_arms(last: u32, without: impl Fn(u32, &str) -> bool) -> Vec<(String, &'static str)> {
    (1..=last)
        .flat_map(|day| ["a", "b"].map(|key| (day, key)))
        .filter(|&(day, key)| !without(day, key))
        .map(|(day, key)| (format!("2026-03-{day:02}"), key))
        .collect()
}

async fn read(store: &Store, last: u32, slot: &str, without: impl Fn(u32, &str) -> bool) -> Result<u64, Shrink> {
    let rows = two_arms(last, without);
    let rows: Vec<Row<'_>> = rows.iter().map(|(day, key)| (day.as_str(), *key, 3, Some(2_000_000))).collect();
    match put(store, &reading(&ads(), last, slot), &rows).await {
        Ok(change) => Ok(change.vanished),
        Err(StoreError::Less(shrink)) => Err(*shrink),
        Err(other) => panic!("{other}"),
    }
}

const MONDAY: &str = "2026-03-10T06:00:00Z";
const TUESDAY: &str = "2026-03-11T06:00:00Z";
const WEDNESDAY: &str = "2026-03-12T06:00:00Z";
const THURSDAY: &str = "2026-03-13T06:00:00Z";

fn all(_: u32, _: &str) -> bool {
    false
}

/// Arm b of the first five days is not there.
fn half(day: u32, key: &str) -> bool {
    day <= 5 && key == "b"
}

#[tokio::test]
async fn h24_fewer_rows_are_kept_aside_and_forgotten_when_they_come_back() {
    for home in homes().await {
        let store = home.open().await;
        assert_eq!(read(&store, 10, MONDAY, all).await, Ok(0));
        let before = everything(&store, &ads(), None).await;
        let shrink = read(&store, 11, TUESDAY, half).await.unwrap_err();
        assert_eq!((shrink.first_day, shrink.last_day), (day("2026-03-01"), day("2026-03-07")), "settled on Monday");
        assert_eq!((shrink.rows, shrink.metric), ([14, 9], Some(MetricId::SPEND)));
        assert_eq!(shrink.amounts, [28_000_000, 18_000_000]);
        assert_eq!(everything(&store, &ads(), None).await, before, "nothing of the reading was stored");

        assert_eq!(read(&store, 12, WEDNESDAY, all).await, Ok(0));
        assert!(everything(&store, &ads(), None).await.shrinks.is_empty());
        // It was forgotten: the same again is a first time.
        assert!(read(&store, 13, THURSDAY, half).await.is_err());
    }
}

#[tokio::test]
async fn h24_fewer_rows_seen_twice_are_in_use_and_in_doubt() {
    for home in homes().await {
        let store = home.open().await;
        assert_eq!(read(&store, 10, MONDAY, all).await, Ok(0));
        let seen = read(&store, 11, TUESDAY, half).await.unwrap_err();
        // Another experiment of the same slot is no second reading.
        assert!(read(&store, 11, TUESDAY, half).await.is_err());
        // Less again: this is what the next reading must agree with.
        assert!(read(&store, 12, WEDNESDAY, |day, _| day <= 5).await.is_err());
        assert_eq!(read(&store, 13, THURSDAY, |day, _| day <= 5).await, Ok(10));
        let pull = store.pulls(&ads()).await.unwrap().last().unwrap().id;

        let inputs = everything(&store, &ads(), None).await;
        let [shrink] = &inputs.shrinks[..] else { panic!("{:?}", inputs.shrinks) };
        assert_eq!((shrink.rows, shrink.amounts), ([14, 4], [28_000_000, 8_000_000]));
        assert_eq!((shrink.first_day, shrink.last_day), (seen.first_day, seen.last_day));
        assert_eq!(shrink.seen_at, at("2026-03-12T06:00:01Z"));
        // Nothing is lost: what was there before the pull can be read back, without the doubt.
        let known = everything(&store, &ads(), Some(pull - 1)).await;
        assert_eq!((known.observations.len(), known.shrinks.len()), (20, 0));

        // It stays in doubt while it stays so small, and no longer.
        assert_eq!(read(&store, 14, "2026-03-14T06:00:00Z", |day, _| day <= 5).await, Ok(0));
        assert_eq!(everything(&store, &ads(), None).await.shrinks.len(), 1);
        assert_eq!(read(&store, 15, "2026-03-15T06:00:00Z", all).await, Ok(0));
        assert!(everything(&store, &ads(), None).await.shrinks.is_empty());
        assert_eq!(everything(&store, &ads(), Some(pull)).await.shrinks.len(), 1, "as it stood then");
    }
}

#[tokio::test]
async fn h24_what_is_no_shrink_is_stored() {
    for home in homes().await {
        let store = home.open().await;
        assert_eq!(read(&store, 10, MONDAY, all).await, Ok(0));
        // A tenth of 14 rows, and days that had not settled.
        assert_eq!(read(&store, 11, TUESDAY, |day, key| (day, key) == (3, "b") || day > 7).await, Ok(7));
        // A person who brings the rows may bring fewer.
        let by_hand = Slice { wary: None, ..reading(&ads(), 12, WEDNESDAY) };
        assert_eq!(put(&store, &by_hand, &[]).await.unwrap().vanished, 13);
        assert!(everything(&store, &ads(), None).await.shrinks.is_empty());

        // Nine rows say nothing.
        let few = SourceId::new("few");
        let nine: Vec<String> = (1..=9).map(|day| format!("2026-03-{day:02}")).collect();
        let nine: Vec<Row<'_>> = nine.iter().map(|day| (day.as_str(), "a", 1, None)).collect();
        put(&store, &reading(&few, 20, MONDAY), &nine).await.unwrap();
        put(&store, &reading(&few, 21, TUESDAY), &[]).await.unwrap();
        // A vendor that no longer sends rows without anything in them has lost nothing.
        let zeros = SourceId::new("zeros");
        let rows: Vec<String> = (1..=15).map(|day| format!("2026-03-{day:02}")).collect();
        let rows: Vec<Row<'_>> =
            rows.iter().zip(0..).map(|(day, at)| (day.as_str(), "a", i64::from(at >= 3), None)).collect();
        put(&store, &reading(&zeros, 20, MONDAY), &rows).await.unwrap();
        put(&store, &reading(&zeros, 21, TUESDAY), &rows[3..]).await.unwrap();
    }
}

#[tokio::test]
async fn h24_acts_that_somebody_deleted_are_counted_like_rows() {
    for home in homes().await {
        let store = home.open().await;
        let acts = async |last: u32, slot: &str, acts: u32| {
            let mut stage = store.stage();
            for number in 0..acts {
                let id = format!("r{number}");
                stage.accept(&[response(&id, None, "a", "2026-03-02T09:00:00Z")]).await.unwrap();
            }
            store.replace_slice(stage, &reading(&form(), last, slot)).await
        };
        acts(10, MONDAY, 20).await.unwrap();
        assert_eq!(acts(11, TUESDAY, 18).await.unwrap().vanished, 2);
        assert!(matches!(acts(12, WEDNESDAY, 9).await, Err(StoreError::Less(shrink)) if shrink.rows == [18, 9]));
        assert_eq!(acts(13, THURSDAY, 9).await.unwrap().vanished, 9);
        assert_eq!(everything(&store, &form(), None).await.shrinks.len(), 1);
    }
}
