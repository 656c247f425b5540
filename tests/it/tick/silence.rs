//! A source that stays silent: one missed reading is waited out, the second blocks with one message, and
//! so does its return bring one.

use chrono::Duration;
use willitsell::app::App;
use willitsell::domain::id::ConceptId;
use willitsell::domain::verdict::{Reason, Verdict};
use willitsell::sandbox::{Endpoint, Sandbox, typeform};
use willitsell::schedule::deliver::deliver;
use willitsell::schedule::tick::Ticked;

use super::{DAY, at, slot};
use crate::project::{Project, messages, setup};

/// Runs one morning's slot of a concept and delivers; gives back the verdict stored for it, if any.
async fn morning(app: &App, sandbox: &Sandbox, concept: &str, day: i64) -> Option<Verdict> {
    let now = at(DAY) + Duration::days(day);
    sandbox.set_now(now);
    let stored = match slot(app, concept, now).await {
        Ticked::Decided { scorecard, .. } => Some(scorecard),
        Ticked::Failed { blocked, .. } => blocked,
        Ticked::AlreadyRan => panic!("day {day} ran before"),
    };
    deliver(&app.parts, now, &mut rand::rng()).await.unwrap();
    stored.map(|stored| stored.scorecard.verdict)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_silent_intervals_block_with_one_message_and_recovery_brings_one() {
    let sandbox = Sandbox::start(setup(DAY)).await.unwrap();
    let project = Project::demo(&sandbox);
    let app = project.app().await;
    let said = |from: usize| -> Vec<String> {
        let bodies = messages(&sandbox, Endpoint::Slack);
        bodies[from..].iter().map(|body| body["text"].as_str().unwrap().to_owned()).collect()
    };

    assert_eq!(morning(&app, &sandbox, "plant-sitter", 0).await, Some(Verdict::Collecting));
    assert_eq!(morning(&app, &sandbox, "cat-meals", 0).await, Some(Verdict::Build));
    let first = said(0);
    assert!(first.len() == 1 && first[0].contains("BUILD"), "{first:#?}");

    // Each concept's form is asked once a morning, and a 401 is not asked again.
    sandbox.script(Endpoint::Typeform, vec![typeform::unauthorized(); 6]);
    for (day, verdict) in [(1, None), (2, Some(Verdict::Blocked)), (3, Some(Verdict::Blocked))] {
        for concept in ["plant-sitter", "cat-meals"] {
            assert_eq!(morning(&app, &sandbox, concept, day).await, verdict, "{concept}, morning {day}");
        }
    }
    let blocked = said(1);
    assert_eq!(blocked.len(), 2, "one message a concept: {blocked:#?}");
    assert!(blocked.iter().all(|text| text.contains("BLOCKED") && text.contains("was last read on")), "{blocked:#?}");
    assert!(blocked[1].contains("The BUILD of") && blocked[1].contains("cannot be confirmed for now"), "{blocked:#?}");
    let history = app.parts.store.scorecard_history(&ConceptId::new("plant-sitter"), 1).await.unwrap();
    assert!(
        matches!(&history[0].scorecard.reasons[..], [Reason::Stale { source, .. }] if source.as_str() == "plant-sitter-form"),
        "{history:?}"
    );

    for day in [4, 5] {
        assert_eq!(morning(&app, &sandbox, "plant-sitter", day).await, Some(Verdict::Collecting));
        assert_eq!(morning(&app, &sandbox, "cat-meals", day).await, Some(Verdict::Build));
    }
    let sound = said(3);
    assert_eq!(sound.len(), 3, "one message a concept, and what the ads spent on the day after: {sound:#?}");
    assert!(sound[0].contains("COLLECTING") && sound[0].contains("data sound again"), "{sound:#?}");
    assert!(sound[1].contains("BUILD") && sound[2].contains(" still spending $"), "{sound:#?}");
    assert!(app.parts.store.undelivered().await.unwrap().is_empty());
    app.parts.store.close().await;
    project.assert_no_secret_kept();
}

#[tokio::test(flavor = "multi_thread")]
async fn ads_that_stop_while_a_verdict_is_blocked_are_told_of_when_it_is_back() {
    let mut setup = setup(DAY);
    setup.world.last_day = "2026-03-26".parse().unwrap();
    let sandbox = Sandbox::start(setup).await.unwrap();
    let project = Project::demo(&sandbox);
    let app = project.app().await;
    let stopped = || {
        let bodies = messages(&sandbox, Endpoint::Slack);
        bodies.iter().filter(|body| body["text"].as_str().unwrap().contains("the ads have stopped")).count()
    };
    for day in [0, 1] {
        assert_eq!(morning(&app, &sandbox, "fridge-chat", day).await, Some(Verdict::Kill), "morning {day}");
    }
    sandbox.script(Endpoint::Typeform, vec![typeform::unauthorized(); 2]);
    assert_eq!(morning(&app, &sandbox, "fridge-chat", 2).await, None);
    assert_eq!(morning(&app, &sandbox, "fridge-chat", 3).await, Some(Verdict::Blocked));
    assert_eq!(stopped(), 0);
    for day in [4, 5] {
        assert_eq!(morning(&app, &sandbox, "fridge-chat", day).await, Some(Verdict::Kill), "morning {day}");
        assert_eq!(stopped(), 1, "morning {day}");
    }
    app.parts.store.close().await;
    project.assert_no_secret_kept();
}
