//! Four concepts over fifty days that share the risk of a wrong BUILD: who waits for whom, and that every verdict is derived
//! again as it was.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use chrono::{DateTime, Days, Utc};
use willitsell::domain::concept::Experiment;
use willitsell::domain::connector::SourceRow;
use willitsell::domain::id::{ConceptId, DestinationId, SourceId};
use willitsell::domain::metric::MetricId;
use willitsell::domain::millionths::ONE;
use willitsell::domain::observation::DateWindow;
use willitsell::domain::portfolio::FalseBuildRate;
use willitsell::domain::verdict::{Scorecard, Verdict};
use willitsell::schedule::portfolio::begin;

use super::{Rig, morning};
use crate::decide::experiment;

const DAYS: u64 = 50;
/// Acts of a hundred visitors on the day with this number.
type Acts = fn(u64) -> u64;
const CONCEPTS: [(&str, Acts); 4] = [
    ("hit", |_| 8),
    ("slow", |day| 4 + u64::from(day % 5 == 0)),
    ("as-slow", |day| 4 + u64::from(day % 5 == 2)),
    ("dud", |day| day % 2),
];

/// A concept with one source for visitors and acts.
fn concept(name: &str, rate: FalseBuildRate) -> Experiment {
    let mut experiment = experiment(&["a"]);
    experiment.concept.id = ConceptId::new(name);
    experiment.false_build_rate = rate;
    experiment.sources.truncate(1);
    experiment.sources[0].id = SourceId::new(format!("{name}-page"));
    experiment.sources[0].metrics = vec![MetricId::VISITS, MetricId::SIGNUPS];
    experiment.arms[0].keys = [(experiment.sources[0].id.clone(), vec!["a".to_owned()])].into();
    experiment
}

fn concepts(rate: FalseBuildRate) -> [Experiment; 4] {
    CONCEPTS.map(|(name, _)| concept(name, rate))
}

/// What the source of a concept says of some days on the morning after the last; when that is.
async fn read(rig: &Rig, experiment: &Experiment, days: RangeInclusive<u64>) -> DateTime<Utc> {
    let (_, acts) = CONCEPTS.into_iter().find(|(name, _)| experiment.concept.id == ConceptId::new(*name)).unwrap();
    let on = |day| experiment.start + Days::new(day);
    let window = DateWindow::new(on(*days.start()), on(*days.end())).unwrap();
    let now = morning(on(days.end() + 1));
    let counts: Vec<_> = days
        .map(|day| {
            let acts = i64::try_from(acts(day)).unwrap();
            (on(day), [(MetricId::VISITS, 100 * ONE), (MetricId::SIGNUPS, acts * ONE)])
        })
        .collect();
    let rows: Vec<SourceRow<'_>> = counts
        .iter()
        .map(|(day, values)| SourceRow::Counts { arm_key: Some(Cow::Borrowed("a")), day: *day, values })
        .collect();
    rig.put(&experiment.sources[0], window, now, &rows).await;
    now
}

/// Lives through the days, deciding in one order or the other; every verdict of every concept, in order of day.
async fn live(rig: &Rig, rate: FalseBuildRate, backwards: bool) -> [Vec<Scorecard>; 4] {
    let experiments = concepts(rate);
    let mut cards: [Vec<Scorecard>; 4] = Default::default();
    for day in 0..DAYS {
        let mut order = [0, 1, 2, 3];
        if backwards {
            order.reverse();
        }
        for at in order {
            let now = read(rig, &experiments[at], day.saturating_sub(6)..=day).await;
            begin(&rig.parts.store, &experiments, now).await.unwrap();
            cards[at].push(rig.tick(&experiments[at], now).await.scorecard);
        }
    }
    cards
}

fn first_build(cards: &[Scorecard]) -> Option<usize> {
    cards.iter().position(|card| card.verdict == Verdict::Build)
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_verdicts_that_wait_for_other_concepts_are_derived_again_bit_for_bit() {
    let (rig, other, each) = (Rig::new().await, Rig::new().await, Rig::new().await);
    let cards = live(&rig, FalseBuildRate::Together, false).await;
    assert_eq!(cards, live(&other, FalseBuildRate::Together, true).await, "the order within a slot changes nothing");
    let alone = live(&each, FalseBuildRate::Each, false).await;

    // The hit has enough for all four at once; the slow ones have to wait, and come together.
    let [hit, slow, as_slow, dud] = [0, 1, 2, 3].map(|at| (first_build(&alone[at]), first_build(&cards[at])));
    assert_eq!(hit.0, hit.1);
    assert!(slow.0 < slow.1 && as_slow.0 < as_slow.1, "{slow:?} {as_slow:?}");
    assert_eq!((dud, cards[3].last().unwrap().verdict), ((None, None), Verdict::Kill));
    let waited: Vec<_> = cards[1].iter().filter_map(Scorecard::withheld).collect();
    assert!(waited.iter().all(|one| one.concepts == 4 && one.evidence < one.needed), "{waited:?}");
    assert!(waited.last().unwrap().builds >= 2, "the hit makes room");
    assert_eq!(waited.len(), slow.1.unwrap() - slow.0.unwrap(), "withheld every day in between");
    let given = &cards[1][slow.1.unwrap()];
    assert_eq!(given.arms[0].since, Some(given.as_of.date_naive()));
    for (cards, first) in [(&cards[0], hit.1), (&cards[1], slow.1), (&cards[2], as_slow.1)] {
        assert!(cards[first.unwrap()..].iter().all(|card| card.verdict == Verdict::Build), "what was given stays");
    }

    for (name, _) in CONCEPTS {
        let replayed = rig.replay(&ConceptId::new(name)).await;
        assert_eq!((replayed.same, replayed.first_difference), (DAYS, None), "{name}");
    }
    // What the others stood at is part of what it rests on.
    rig.raw().execute("UPDATE scorecard SET excess = NULL WHERE concept_id = 'hit'", []).unwrap();
    let first = rig.replay(&ConceptId::new("slow")).await.first_difference.expect("found out");
    assert!(first.field.contains("reason"), "{first:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_verdicts_over_days_that_are_there_already_are_held_to_all_that_are_tested() {
    let (rig, each) = (Rig::new().await, Rig::new().await);
    let alone = live(&each, FalseBuildRate::Each, false).await;
    let last = u64::try_from(first_build(&alone[1]).max(first_build(&alone[2])).unwrap()).unwrap();
    let experiments = concepts(FalseBuildRate::Together);
    // One that begins next week is not tested yet.
    let mut later = concept("later", FalseBuildRate::Together);
    later.start = later.start + Days::new(last + 7);
    let mut first = Vec::new();
    for experiment in &experiments {
        let now = read(&rig, experiment, 0..=last).await;
        begin(&rig.parts.store, std::slice::from_ref(&later), now).await.unwrap();
        begin(&rig.parts.store, &experiments, now).await.unwrap();
        first.push(rig.tick(experiment, now).await.scorecard);
    }
    assert_eq!(
        first[..3].iter().map(|card| card.verdict).collect::<Vec<_>>(),
        [Verdict::Build, Verdict::Collecting, Verdict::Collecting]
    );
    for card in &first[1..3] {
        let withheld = card.withheld().unwrap();
        assert_eq!((withheld.concepts, withheld.builds), (4, 1), "nobody knows yet what the others have");
    }
    let tested = |rig: &Rig| -> Vec<i64> {
        let raw = rig.raw();
        let mut query = raw.prepare("SELECT tested FROM scorecard ORDER BY id").unwrap();
        query.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    assert_eq!(tested(&rig), [4; 4]);

    // Whoever takes the dud and the hit out of the file asks no less of the others, and the hit's BUILD still makes room.
    let rest = &experiments[1..3];
    let mut waits = Vec::new();
    for day in last + 1..last + 3 {
        for experiment in rest {
            let now = read(&rig, experiment, day..=day).await;
            begin(&rig.parts.store, rest, now).await.unwrap();
            waits.extend(rig.tick(experiment, now).await.scorecard.withheld());
        }
    }
    assert!(!waits.is_empty() && waits.iter().all(|one| one.concepts == 4 && one.builds >= 2), "{waits:?}");
    for (name, _) in CONCEPTS {
        assert_eq!(rig.replay(&ConceptId::new(name)).await.first_difference, None, "{name}");
    }
    // How many were tested is part of what it rests on.
    rig.raw().execute("UPDATE scorecard SET tested = 9 WHERE concept_id = 'slow'", []).unwrap();
    let first = rig.replay(&ConceptId::new("slow")).await.first_difference.expect("found out");
    assert!(first.field.contains("reason"), "{first:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn that_build_is_out_of_reach_beside_the_others_is_told() {
    let (together, each) = (Rig::new().await, Rig::new().await);
    for (rig, rate) in [(&together, FalseBuildRate::Together), (&each, FalseBuildRate::Each)] {
        let mut experiments = concepts(rate);
        experiments[1].policy.horizon_days = 18;
        experiments[1].notify = vec![DestinationId::new("team")];
        let many: Vec<Experiment> = (0..5000).map(|number| concept(&format!("other-{number}"), rate)).collect();
        let now = read(rig, &experiments[1], 0..=13).await;
        begin(&rig.parts.store, &many, now).await.unwrap();
        assert_eq!(rig.tick(&experiments[1], now).await.scorecard.verdict, Verdict::Collecting);
    }
    let told = |rig: &Rig| -> i64 {
        rig.raw().query_row("SELECT COUNT(*) FROM delivery WHERE id LIKE 'futile%'", [], |row| row.get(0)).unwrap()
    };
    assert_eq!((told(&each), told(&together)), (0, 1));
}
