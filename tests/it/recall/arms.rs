//! D5 and D6: what is edited while a test runs. Nothing that was fixed when it began can be taken back; whatever changes it
//! begins another test, and what had been counted stays on record.

use chrono::Days;
use willitsell::domain::concept::Experiment;
use willitsell::domain::connector::SourceRow;
use willitsell::domain::id::ArmId;
use willitsell::domain::metric::MetricId;
use willitsell::domain::millionths::ONE;
use willitsell::domain::observation::DateWindow;
use willitsell::domain::verdict::{Reason, StoredScorecard, Verdict};

use super::{Rig, morning};
use crate::decide::experiment;

/// One source that counts everything, by arm: visits a day, and sign-ups a day.
async fn live(
    rig: &Rig,
    experiment: &Experiment,
    days: u64,
    counts: impl Fn(u64) -> Vec<(&'static str, i64, i64)>,
) -> StoredScorecard {
    let at = morning(experiment.start + Days::new(days));
    let window = DateWindow::new(experiment.start, experiment.start + Days::new(days - 1)).unwrap();
    let rows: Vec<_> = (0..days)
        .flat_map(|day| counts(day).into_iter().map(move |row| (experiment.start + Days::new(day), row)))
        .map(|(day, (key, visits, acts))| {
            let values =
                [(MetricId::VISITS, visits * ONE), (MetricId::SIGNUPS, acts * ONE), (MetricId::SPEND, visits * ONE)];
            (day, key, values)
        })
        .collect();
    let rows: Vec<_> = rows
        .iter()
        .map(|(day, key, values)| SourceRow::Counts { arm_key: Some((*key).into()), day: *day, values })
        .collect();
    rig.put(&experiment.sources[0], window, at, &rows).await;
    rig.tick(experiment, at).await
}

fn concept(arms: &[&str]) -> Experiment {
    let mut experiment = experiment(arms);
    experiment.sources.truncate(1);
    experiment.sources[0].metrics = vec![MetricId::VISITS, MetricId::SIGNUPS, MetricId::SPEND];
    experiment
}

fn two(_: u64) -> Vec<(&'static str, i64, i64)> {
    vec![("a", 100, 4), ("b", 100, 3)]
}

#[tokio::test(flavor = "multi_thread")]
async fn d5_an_arm_that_is_taken_out_keeps_what_it_counted_and_the_test_goes_on() {
    let rig = Rig::new().await;
    let (both, one) = (concept(&["a", "b"]), concept(&["a"]));
    let mut before = None;
    for days in 1..=10 {
        before = Some(live(&rig, &both, days, two).await.scorecard);
    }
    let before = before.unwrap();
    let mut after = None;
    for days in 11..=16 {
        after =
            Some(live(&rig, &one, days, |day| if day < 10 { two(day) } else { vec![("a", 100, 4)] }).await.scorecard);
    }
    let after = after.unwrap();
    assert_eq!((after.generation, &after.policy_hash), (1, &before.policy_hash), "the same test");
    let [a, b] = &after.arms[..] else { panic!("{:?}", after.arms) };
    assert_eq!((a.evidence.days, b.evidence.days), (14, 10), "nothing is added to the arm that is gone");
    assert_eq!(b.evidence.trials.to_string(), "1000");
    assert!(matches!(b.reason, Some(Reason::CapReached { .. })), "a person must look at it: {b:?}");
    assert_eq!(after.verdict, Verdict::Collecting, "the other goes on");
    // Its ads run on although it is gone: that money is nobody's.
    let unmapped = live(&rig, &one, 20, two).await.scorecard;
    assert!(matches!(unmapped.unmapped, Some(Reason::UnmappedSpend { .. })), "{:?}", unmapped.unmapped);
    // It comes back: as if it had never gone.
    let back = live(&rig, &both, 21, two).await.scorecard;
    assert_eq!((back.generation, back.arms[1].evidence.days, back.unmapped.is_none()), (1, 19, true));
    let replayed = rig.replay(&one.concept.id).await;
    assert_eq!((replayed.verdicts, replayed.same), (18, 18), "{replayed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn d5_an_arm_that_is_added_or_renamed_begins_a_new_test_and_one_that_pauses_does_not() {
    let rig = Rig::new().await;
    let (mut one, both) = (concept(&["a"]), concept(&["a", "b"]));
    for days in 1..=8 {
        live(&rig, &one, days, two).await;
    }
    let added = live(&rig, &both, 9, two).await.scorecard;
    assert_eq!(added.generation, 2);
    assert_eq!((added.arms.len(), added.arms[0].evidence.days), (2, 0), "both count from today");
    // A pause is days without visits; a larger budget is days with more.
    for days in 10..=16 {
        live(&rig, &both, days, two).await;
    }
    let uneven = |day: u64| match day {
        16..18 => vec![("a", 100, 4)],
        _ => vec![("a", 300, 12), ("b", 100, 3)],
    };
    let mut paused = None;
    for days in 17..=24 {
        paused = Some(live(&rig, &both, days, |day| if day < 16 { two(day) } else { uneven(day) }).await.scorecard);
    }
    let paused = paused.unwrap();
    assert_eq!(paused.generation, 2);
    assert_eq!((paused.arms[0].evidence.days, paused.arms[1].evidence.days), (13, 11));
    // Another name is another arm.
    one.arms[0].id = ArmId::new("z");
    let renamed = live(&rig, &one, 25, two).await.scorecard;
    assert_eq!((renamed.generation, renamed.arms.len(), renamed.arms[0].arm.as_str()), (3, 1, "z"));
    let replayed = rig.replay(&one.concept.id).await;
    assert_eq!((replayed.verdicts, replayed.same), (25, 25), "{replayed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn d6_a_bar_that_is_moved_begins_a_new_test_and_verdicts_of_the_old_keep_theirs() {
    let rig = Rig::new().await;
    let experiment = concept(&["a"]);
    let good = |_| vec![("a", 100, 8)];
    let mut first = None;
    for days in 1..=20 {
        first = Some(live(&rig, &experiment, days, good).await);
    }
    let first = first.unwrap();
    assert_eq!(first.scorecard.verdict, Verdict::Build);
    let mut moved = experiment.clone();
    moved.policy.kill_bar = 0.09;
    moved.policy.build_bar = 0.12;
    let second = live(&rig, &moved, 21, good).await;
    let card = &second.scorecard;
    assert_eq!((card.generation, card.verdict, card.arms[0].evidence.days), (2, Verdict::Collecting, 0));
    assert_ne!(card.policy_hash, first.scorecard.policy_hash);
    let basis = rig.parts.store.basis(first.id).await.unwrap();
    assert_eq!(basis.setup.unwrap().experiment.policy.kill_bar.to_bits(), 0.03_f64.to_bits(), "it keeps its bars");
    let replayed = rig.replay(&experiment.concept.id).await;
    assert_eq!((replayed.verdicts, replayed.same), (21, 21), "{replayed:?}");
}
