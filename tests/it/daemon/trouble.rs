//! A source that hangs, and one on which the program itself fails.

use chrono::TimeDelta;
use willitsell::domain::run::Outcome;

use super::{Mood, Rig, advice};

const FORM: &str = "cat-meals-form";

#[tokio::test(flavor = "multi_thread")]
async fn h2_c5_a_source_that_hangs_delays_its_own_experiment_alone_and_its_slots_are_counted() {
    let rig = Rig::start("2026-03-25T12:00:00Z", "*/5 * * * *").await;
    rig.forms.set(FORM, Some(Mood::Hangs));
    for slot in ["12:00", "12:05", "12:10"] {
        for concept in ["plant-sitter", "fridge-chat"] {
            let run = rig.ended(concept, &format!("2026-03-25T{slot}:00Z")).await;
            assert_eq!(run.outcome, Some(Outcome::Decided), "{concept}, {slot}");
        }
        let runs = rig.runs("cat-meals").await;
        assert_eq!((runs.len(), runs[0].finished_at), (1, None), "{slot}: no second run beside the first");
        rig.pass(TimeDelta::minutes(5));
    }
    // After a quarter of an hour without a sign of life it is given up; of the slots that came meanwhile one is run.
    let hung = rig.ended("cat-meals", "2026-03-25T12:00:00Z").await;
    let said =
        "cat-meals-form: nothing came within 15 minutes; nothing of this window was kept, the next run asks again";
    assert_eq!(advice(&hung), said);
    assert_eq!(rig.forms.asked(FORM), 1, "one reading at a time");
    rig.forms.set(FORM, None);
    rig.pass(TimeDelta::minutes(1));
    let next = rig.ended("cat-meals", "2026-03-25T12:15:00Z").await;
    assert_eq!((next.outcome, next.missed), (Some(Outcome::Decided), 2));
    assert_eq!(rig.runs("cat-meals").await.len(), 2);
    assert_eq!(rig.health.state().missed, 2);
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c7_a_fault_of_the_program_is_caught_counted_and_named_and_the_next_slot_runs() {
    let rig = Rig::start("2026-03-25T12:00:00Z", "0 * * * *").await;
    rig.settled().await;
    rig.forms.set(FORM, Some(Mood::Panics));
    rig.pass(TimeDelta::hours(1));
    let run = rig.ended("cat-meals", "2026-03-25T13:00:00Z").await;
    assert!(advice(&run).starts_with("cat-meals-form: the program failed while reading it"), "{run:?}");
    assert_eq!(rig.ended("plant-sitter", "2026-03-25T13:00:00Z").await.outcome, Some(Outcome::Decided));
    rig.settled().await;
    let state = rig.health.state();
    assert_eq!(state.panics.get("pull"), Some(&1));
    assert_eq!(state.troubles(), ["source cat-meals-form fails"]);
    rig.forms.set(FORM, None);
    rig.pass(TimeDelta::hours(1));
    assert_eq!(rig.ended("cat-meals", "2026-03-25T14:00:00Z").await.outcome, Some(Outcome::Decided));
    rig.settled().await;
    assert_eq!(rig.health.state().troubles(), Vec::<String>::new());
    rig.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn c8_what_hangs_is_cut_short_when_the_daemon_is_asked_to_stop_and_its_slot_stays_open() {
    let rig = Rig::start("2026-03-25T12:00:00Z", "0 * * * *").await;
    rig.settled().await;
    rig.forms.set(FORM, Some(Mood::Hangs));
    rig.pass(TimeDelta::hours(1));
    rig.ended("plant-sitter", "2026-03-25T13:00:00Z").await;
    let run = rig.runs("cat-meals").await.pop().unwrap();
    assert_eq!((run.due_at.to_rfc3339(), run.outcome), ("2026-03-25T13:00:00+00:00".to_owned(), None));
    rig.stop().await;
}
