//! What an owner is told of a test that collects, besides verdicts: once, however often it is worked out and however
//! often the program starts anew.

use std::collections::BTreeMap;

use chrono::Duration;
use willitsell::domain::concept::Experiment;
use willitsell::domain::id::ConceptId;
use willitsell::domain::money::{Currency, parse_amount};
use willitsell::domain::verdict::Verdict;
use willitsell::sandbox::{Endpoint, Sandbox};
use willitsell::schedule::deliver::deliver;
use willitsell::schedule::due::DueRun;
use willitsell::schedule::tick::{Ticked, tick};

use super::{DAY, at};
use crate::project::{Project, experiment, messages, setup};

#[tokio::test(flavor = "multi_thread")]
async fn most_of_the_budget_used_without_a_verdict_is_told_once_over_restarts() {
    let sandbox = Sandbox::start(setup(DAY)).await.unwrap();
    let project = Project::demo(&sandbox);
    let mut told = BTreeMap::new();
    for day in 0..3 {
        // A new process each morning.
        let app = project.app().await;
        let now = at(DAY) + Duration::days(day);
        sandbox.set_now(now);
        let mut capped: Experiment = experiment(&app, "plant-sitter").clone();
        let cap = parse_amount("5500", Currency::from_code("USD").unwrap()).unwrap();
        capped.policy.budget_cap = Some(cap);
        let due = DueRun { concept: ConceptId::new("plant-sitter"), due_at: now, missed: 0 };
        let Ticked::Decided { scorecard, .. } = tick(&app.parts, &capped, &due, now).await.unwrap() else {
            panic!("morning {day} was not decided");
        };
        assert_eq!(scorecard.scorecard.verdict, Verdict::Collecting, "morning {day}");
        for waiting in app.parts.store.undelivered().await.unwrap() {
            told.entry(waiting.delivery.id.clone()).or_insert((day, waiting.delivery.message));
        }
        deliver(&app.parts, now, &mut rand::rng()).await.unwrap();
        assert_eq!(app.parts.store.undelivered().await.unwrap(), []);
        app.parts.store.close().await;
    }
    let budget: Vec<_> = told.iter().filter(|(id, _)| id.starts_with("budget_plant-sitter_1_")).collect();
    let [(_, (0, message))] = budget[..] else { panic!("{told:#?}") };
    assert_eq!(message.verdict, None);
    assert!(message.headline.contains("of the budget is used without a verdict"), "{message:?}");
    let said = messages(&sandbox, Endpoint::Slack);
    assert_eq!(said.len(), told.len(), "each is sent once: {said:#?}");
    project.assert_no_secret_kept();
}

#[tokio::test(flavor = "multi_thread")]
async fn ads_that_go_on_after_a_verdict_are_told_once_a_day_over_restarts() {
    let sandbox = Sandbox::start(setup(DAY)).await.unwrap();
    let project = Project::demo(&sandbox);
    let mut told = BTreeMap::new();
    for hours in [0, 1, 24, 25, 48] {
        let app = project.app().await;
        let now = at(DAY) + Duration::hours(hours);
        sandbox.set_now(now);
        let due = DueRun { concept: ConceptId::new("fridge-chat"), due_at: now, missed: 0 };
        let ticked = tick(&app.parts, experiment(&app, "fridge-chat"), &due, now).await.unwrap();
        let Ticked::Decided { scorecard, .. } = ticked else { panic!("{hours}: not decided") };
        assert_eq!(scorecard.scorecard.verdict, Verdict::Kill, "{hours}");
        for waiting in app.parts.store.undelivered().await.unwrap() {
            told.entry((hours, waiting.delivery.id)).or_insert(waiting.delivery.message.headline);
        }
        deliver(&app.parts, now, &mut rand::rng()).await.unwrap();
        app.parts.store.close().await;
    }
    let spending: Vec<_> = told.keys().filter(|(_, id)| id.starts_with("spending_fridge-chat_1_")).collect();
    assert_eq!(spending.iter().map(|(hours, _)| *hours).collect::<Vec<_>>(), [24, 48], "{told:#?}");
    assert!(spending.iter().all(|key| told[*key].contains(" still spending $")), "{told:#?}");
    assert_eq!(messages(&sandbox, Endpoint::Slack).len(), told.len(), "each is sent once");
    project.assert_no_secret_kept();
}
