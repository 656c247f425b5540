//! Random windows, written to the store and to a naive model that keeps every state whole: both must
//! say the same, now and as known after every earlier pull.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

use super::*;

/// Day of March and arm → clicks, spend.
type Counts = BTreeMap<(u32, u8), (i64, Option<i64>)>;
/// Response → day of March, arm, person.
type Acts = BTreeMap<u8, (u32, u8, Option<u8>)>;

#[derive(Clone, Debug)]
struct Window {
    first: u32,
    length: u32,
    counts: Counts,
    acts: Acts,
}

fn windows() -> impl Strategy<Value = Vec<Window>> {
    let counts = btree_map((1..7u32, 0..4u8), (0..3i64, proptest::option::of(0..2i64)), 0..12);
    let acts = btree_map(0..6u8, (1..7u32, 0..2u8, proptest::option::of(0..2u8)), 0..6);
    let window = (1..7u32, 1..4u32, counts, acts);
    vec(window.prop_map(|(first, length, counts, acts)| Window { first, length, counts, acts }), 1..8)
}

/// What is known by key, and the pull that last changed it.
type Known<K, V> = BTreeMap<K, (i64, V)>;

/// Everything known after a pull.
#[derive(Clone, Debug, Default, PartialEq)]
struct Model {
    counts: Known<(u32, u8), (i64, Option<i64>)>,
    acts: Known<u8, (u32, u8, Option<u8>)>,
}

fn replace<K: Ord + Copy, V: PartialEq + Copy>(
    stored: &mut Known<K, V>,
    given: &BTreeMap<K, V>,
    pull: i64,
    covered: impl Fn(&K, &V) -> bool,
) -> [u64; 4] {
    let mut change = [0; 4];
    let old = stored.clone();
    stored.retain(|key, (_, value)| !covered(key, value));
    for (&key, &value) in given {
        let (kind, pull) = match old.get(&key) {
            Some(&(before, known)) if known == value => (3, before),
            Some(_) => (1, pull),
            None => (0, pull),
        };
        change[kind] += 1;
        stored.insert(key, (pull, value));
    }
    let given: BTreeSet<_> = given.keys().collect();
    change[2] = old.iter().filter(|(key, (_, value))| covered(key, value) && !given.contains(key)).count() as u64;
    change
}

impl Model {
    fn apply(&mut self, window: &Window, pull: i64) -> [u64; 4] {
        let days = window.first..window.first + window.length;
        let counts = replace(&mut self.counts, &window.counts, pull, |(day, _), _| days.contains(day));
        let acts = replace(&mut self.acts, &window.acts, pull, |_, (day, ..)| days.contains(day));
        std::array::from_fn(|at| counts[at] + acts[at])
    }
}

fn march(number: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 3, number).unwrap()
}

async fn write(store: &Store, window: &Window) -> SliceChange {
    let mut stage = store.stage();
    for (&(on, arm), &(clicks, spend)) in &window.counts {
        let mut values = vec![(MetricId::CLICKS, clicks)];
        values.extend(spend.map(|spend| (MetricId::SPEND, spend)));
        let row = SourceRow::Counts { arm_key: Some(arm.to_string().into()), day: march(on), values: &values };
        stage.accept(&[row]).await.unwrap();
    }
    for (id, (on, arm, person)) in &window.acts {
        let row = SourceRow::Response(ResponseRow {
            response_id: id.to_string().into(),
            person: person.map(|person| format!("{person}@example.com").into()),
            void: None,
            answers: vec![],
            depth: Depth::Email,
            arm_key: Some(arm.to_string().into()),
            at: march(*on).and_hms_opt(23, 59, 59).unwrap().and_utc(),
        });
        stage.accept(&[row]).await.unwrap();
    }
    let days = DateWindow::new(march(window.first), march(window.first + window.length - 1)).unwrap();
    store.replace_slice(stage, &slice(&ads(), days, "2026-03-31T05:00:00Z")).await.unwrap()
}

async fn read(store: &Store, known_at: Option<i64>) -> Model {
    use chrono::Datelike;
    let inputs = everything(store, &ads(), known_at).await;
    let counts = inputs.observations.iter().map(|it| {
        let values = (it.values.get(MetricId::CLICKS).unwrap(), it.values.get(MetricId::SPEND));
        ((it.day.day(), it.arm_key.parse().unwrap()), (it.pull_id, values))
    });
    let people: Vec<_> = {
        // Which hash is whose: learnt by asking the store to hash both again.
        let mut stage = store.stage();
        let rows = ["0", "1"].map(|id| (id, format!("{id}@example.com")));
        for (id, person) in &rows {
            stage.accept(&[response(id, Some(person), "", "2026-06-01T00:00:00Z")]).await.unwrap();
        }
        let window = slice(&SourceId::new("people"), days("2026-06-01", "2026-06-01"), "2026-06-01T00:00:00Z");
        store.replace_slice(stage, &window).await.unwrap();
        let known = everything(store, &SourceId::new("people"), None).await;
        known.responses.into_iter().map(|it| it.person.unwrap()).collect()
    };
    let acts = inputs.responses.iter().map(|it| {
        let person = it.person.as_ref().map(|hash| people.iter().position(|it| it == hash).unwrap());
        let said = (it.at.day(), it.arm_key.parse().unwrap(), person.map(|it| u8::try_from(it).unwrap()));
        (it.response_id.parse().unwrap(), (it.pull_id, said))
    });
    Model { counts: counts.collect(), acts: acts.collect() }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]
    #[test]
    fn the_store_agrees_with_a_naive_model_now_and_after_every_pull(windows in windows()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            for home in homes().await {
            let store = home.open().await;
            let mut model = Model::default();
            let mut states = vec![];
            for mut window in windows.clone() {
                let days = window.first..window.first + window.length;
                window.counts.retain(|(day, _), _| days.contains(day));
                window.acts.retain(|_, (day, ..)| days.contains(day));
                let change = write(&store, &window).await;
                let expected = model.apply(&window, change.pull.id);
                prop_assert_eq!(counts(&change), expected);
                prop_assert_eq!(&read(&store, None).await, &model);
                states.push((change.pull.id, model.clone()));
            }
            for (pull, state) in states {
                prop_assert_eq!(read(&store, Some(pull)).await, state, "as known at pull {}", pull);
            }
            }
            Ok(())
        })?;
    }
}
