//! Four concepts over fifty days that share the risk of a wrong BUILD: who waits for whom, and that every verdict is derived
//! again as it was.

use std::borrow::Cow;

use chrono::Days;
use willitsell::domain::concept::Experiment;
use willitsell::domain::connector::SourceRow;
use willitsell::domain::id::{ConceptId, SourceId};
use willitsell::domain::metric::MetricId;
use willitsell::domain::millionths::ONE;
use willitsell::domain::observation::DateWindow;
use willitsell::domain::portfolio::FalseBuildRate;
use willitsell::domain::verdict::{Scorecard, Verdict};

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

/// Lives through the days, deciding in one order or the other; every verdict of every concept, in order of day.
async fn live(rig: &Rig, rate: FalseBuildRate, backwards: bool) -> [Vec<Scorecard>; 4] {
    let experiments = CONCEPTS.map(|(name, _)| concept(name, rate));
    let mut cards: [Vec<Scorecard>; 4] = Default::default();
    for day in 0..DAYS {
        let mut order = [0, 1, 2, 3];
        if backwards {
            order.reverse();
        }
        for at in order {
            let (experiment, acts) = (&experiments[at], CONCEPTS[at].1);
            let first = day.saturating_sub(6);
            let window =
                DateWindow::new(experiment.start + Days::new(first), experiment.start + Days::new(day)).unwrap();
            let counts: Vec<_> = (first..=day)
                .map(|past| {
                    let acts = i64::try_from(acts(past)).unwrap();
                    let values = [(MetricId::VISITS, 100 * ONE), (MetricId::SIGNUPS, acts * ONE)];
                    (experiment.start + Days::new(past), values)
                })
                .collect();
            let rows: Vec<SourceRow<'_>> = counts
                .iter()
                .map(|(day, values)| SourceRow::Counts { arm_key: Some(Cow::Borrowed("a")), day: *day, values })
                .collect();
            let now = morning(experiment.start + Days::new(day + 1));
            rig.put(&experiment.sources[0], window, now, &rows).await;
            cards[at].push(rig.tick(experiment, now).await.scorecard);
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
    rig.raw().execute("UPDATE scorecard SET verdict = 'KILL' WHERE concept_id = 'hit'", []).unwrap();
    let first = rig.replay(&ConceptId::new("slow")).await.first_difference.expect("found out");
    assert!(first.field.contains("reason"), "{first:?}");
}
