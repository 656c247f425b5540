//! Concepts that are judged together: each comes to what it comes to alone, and one that cannot be read takes no other with
//! it.

use std::borrow::Cow;

use chrono::{DateTime, Days, Utc};
use willitsell::domain::concept::Experiment;
use willitsell::domain::connector::SourceRow;
use willitsell::domain::id::{ConceptId, SourceId};
use willitsell::domain::metric::MetricId;
use willitsell::domain::millionths::ONE;
use willitsell::domain::observation::DateWindow;
use willitsell::domain::run::Outcome;
use willitsell::schedule::due::DueRun;
use willitsell::schedule::tick::{Ticked, ask, judge, open};
use willitsell::store::StoreError;

use super::{Rig, morning};
use crate::decide::experiment;

const DAYS: u64 = 24;
/// Acts of a hundred visitors; the first three share a source.
const CONCEPTS: [(&str, i64); 4] = [("hit", 9), ("fair", 4), ("dud", 0), ("other", 5)];

/// The one before the last begins some days after the others.
fn concepts() -> Vec<Experiment> {
    let concept = |number: usize| {
        let mut one = experiment(&["a"]);
        let name = CONCEPTS[number].0;
        one.concept.id = ConceptId::new(name);
        one.start = one.start + Days::new(if number == 2 { 3 } else { 0 });
        one.sources.truncate(1);
        one.sources[0].id = SourceId::new(if number < 3 { "page" } else { "own" });
        one.sources[0].metrics = vec![MetricId::VISITS, MetricId::SIGNUPS];
        one.sources[0].set_aside =
            CONCEPTS.iter().map(|(other, _)| (*other).to_owned()).filter(|other| other != name).collect();
        one.arms[0].keys = [(one.sources[0].id.clone(), vec![name.to_owned()])].into();
        one
    };
    (0..CONCEPTS.len()).map(concept).collect()
}

/// What the sources say on the morning after a day: the last ten days, of which some change after they had settled.
async fn read(rig: &Rig, experiments: &[Experiment], day: u64) -> DateTime<Utc> {
    let start = experiments[0].start;
    let (first, at) = (day.saturating_sub(9), morning(start + Days::new(day + 1)));
    let window = DateWindow::new(start + Days::new(first), start + Days::new(day)).unwrap();
    for source in [&experiments[0].sources[0], &experiments[3].sources[0]] {
        let of_source = |number: &usize| experiments[*number].sources[0].id == source.id;
        let mut counts = Vec::new();
        for number in (0..CONCEPTS.len()).filter(of_source) {
            for past in first..=day {
                let restated = i64::from(day - past > 6 && past % 3 == 0);
                let values =
                    [(MetricId::VISITS, 100 * ONE), (MetricId::SIGNUPS, (CONCEPTS[number].1 + restated) * ONE)];
                counts.push((CONCEPTS[number].0, start + Days::new(past), values));
            }
        }
        let rows: Vec<SourceRow<'_>> = counts
            .iter()
            .map(|(key, day, values)| SourceRow::Counts { arm_key: Some(Cow::Borrowed(*key)), day: *day, values })
            .collect();
        rig.put(source, window, at, &rows).await;
    }
    at
}

async fn together(rig: &Rig, experiments: &[Experiment], at: DateTime<Utc>) -> Vec<Result<Ticked, StoreError>> {
    let mut asked = Vec::new();
    for experiment in experiments {
        let due = DueRun { concept: experiment.concept.id.clone(), due_at: at, missed: 0 };
        let run = open(&rig.parts, &due, at).await.unwrap().unwrap();
        asked.push(ask(&rig.parts, experiment, run).await.unwrap());
    }
    let ticked = judge(&rig.parts, asked).await.unwrap();
    let names = |experiment: &Experiment| experiment.concept.id.clone();
    assert!(ticked.iter().map(|(concept, _)| concept.clone()).eq(experiments.iter().map(names)), "in their order");
    ticked.into_iter().map(|(_, ticked)| ticked).collect()
}

/// Everything that is stored of verdicts and messages, without the numbers that say in which order.
fn stored(rig: &Rig) -> Vec<String> {
    let raw = rig.raw();
    let rows = |sql: &str| -> Vec<String> {
        let mut query = raw.prepare(sql).unwrap();
        query.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    let mut all = rows(
        "SELECT concat_ws(' ', concept_id, as_of, known_at, last_decision, last_scorecard, cause, setup, replaces IS NULL, \
         body) FROM scorecard ORDER BY concept_id, as_of",
    );
    all.extend(rows("SELECT concat_ws(' ', id, message) FROM delivery ORDER BY id"));
    all.extend(rows(
        "SELECT concat_ws(' ', concept_id, number, first_day, policy_hash) FROM generation ORDER BY concept_id",
    ));
    all.extend(rows("SELECT concat_ws(' ', id, outcome) FROM run ORDER BY id"));
    all.extend(rows("SELECT hash FROM setup ORDER BY hash"));
    all
}

#[tokio::test]
async fn judged_together_each_comes_to_what_it_comes_to_alone() {
    let (alone, beside) = (Rig::new().await, Rig::new().await);
    let experiments = concepts();
    for day in 0..DAYS {
        let at = read(&alone, &experiments, day).await;
        read(&beside, &experiments, day).await;
        for experiment in &experiments {
            alone.slot(experiment, at).await;
        }
        assert!(together(&beside, &experiments, at).await.iter().all(Result::is_ok));
    }
    let (alone, beside) = (stored(&alone), stored(&beside));
    assert!(alone.len() > 4 * 24 && alone.iter().any(|row| row.contains("\"verdict\":\"BUILD\"")));
    assert_eq!(alone, beside);
}

#[tokio::test]
async fn one_that_cannot_be_read_takes_no_other_with_it() {
    let rig = Rig::new().await;
    let mut experiments = concepts();
    let at = read(&rig, &experiments, 0).await;
    assert!(together(&rig, &experiments, at).await.iter().all(Result::is_ok));
    let changed = rig
        .raw()
        .execute("UPDATE setup SET body = '{' WHERE hash = (SELECT setup FROM scorecard WHERE concept_id = 'fair')", [])
        .unwrap();
    assert_eq!(changed, 1);
    experiments[1].concept.title.push_str(", anew");

    let at = read(&rig, &experiments, 1).await;
    let ticked = together(&rig, &experiments, at).await;
    let is_decided = |ticked: &Result<Ticked, StoreError>| matches!(ticked, Ok(Ticked::Decided { .. }));
    assert_eq!(ticked.iter().map(is_decided).collect::<Vec<_>>(), [true, false, true, true]);
    assert!(matches!(ticked[1], Err(StoreError::Unreadable(_))));
    for run in rig.parts.store.last_runs().await.unwrap() {
        match (run.concept.as_str(), run.outcome) {
            ("fair", Some(Outcome::Failed { advice })) => assert!(advice[0].contains("restore your last good copy")),
            (concept, outcome) => {
                assert!(concept != "fair" && outcome == Some(Outcome::Decided), "{concept}: {outcome:?}");
            }
        }
    }
}
