//! A slot whose run is not the only one of its concept, or whose store goes away under it.

use willitsell::domain::verdict::Verdict;
use willitsell::schedule::tick::{ask, judge, open};

use super::*;
use crate::postgres::{self, Proxy};

/// `run --once` beside a daemon on one server: both have a run of the same concept open.
#[tokio::test(flavor = "multi_thread")]
async fn s8_an_older_verdict_is_not_stored_over_a_newer_one() {
    let sandbox = Sandbox::start(setup(DAY)).await.unwrap();
    let project = Project::demo(&sandbox);
    let app = project.app().await;
    let (concept, now) = (ConceptId::new("cat-meals"), at(DAY));
    let due = DueRun { concept: concept.clone(), due_at: now, missed: 0 };
    let run = open(&app.parts, &due, now).await.unwrap().unwrap();
    let asked = ask(&app.parts, experiment(&app, "cat-meals"), run).await.unwrap();
    // Begun later, and done sooner.
    let later = now + chrono::Duration::minutes(5);
    let Ticked::Decided { scorecard: newer, .. } = slot(&app, "cat-meals", later).await else { panic!("not decided") };
    let waiting = app.parts.store.undelivered().await.unwrap();
    let judged = judge(&app.parts, vec![asked]).await.unwrap().pop().unwrap().1.unwrap();
    assert!(matches!(&judged, Ticked::Decided { scorecard, .. } if scorecard.id == newer.id), "{judged:?}");
    let stored = app.parts.store.scorecard_history(&concept, 9).await.unwrap();
    assert_eq!(stored.iter().map(|it| it.scorecard.as_of).collect::<Vec<_>>(), [later]);
    assert_eq!(app.parts.store.undelivered().await.unwrap(), waiting, "nobody is told of the older one");
    let runs = app.parts.store.run_history(&concept, 9).await.unwrap();
    assert!(runs.iter().all(|run| run.outcome == Some(Outcome::Decided)), "{runs:?}");
    assert_ne!(newer.scorecard.verdict, Verdict::Blocked);

    // One that a wrong clock has dated days ahead holds nothing up.
    let far = later + chrono::Duration::days(3);
    slot(&app, "cat-meals", far).await;
    let next = later + chrono::Duration::minutes(5);
    slot(&app, "cat-meals", next).await;
    let latest = app.parts.store.latest_scorecard(&concept).await.unwrap().unwrap();
    assert_eq!(latest.scorecard.as_of, next);
}

/// A store that is away while a source is asked is no answer of the source: the slot is not used up.
#[tokio::test(flavor = "multi_thread")]
async fn s10_a_store_that_is_away_for_a_moment_uses_no_slot_up() {
    let Some(database) = postgres::database().await else { return };
    let (proxy, url) = Proxy::to(&database).await;
    let sandbox = Sandbox::start(setup(DAY)).await.unwrap();
    let project = Project::demo_on(&sandbox, &database);
    project.secret("store", &url);
    let app = project.app().await;
    let (store, now) = (&app.parts.store, at(DAY));
    store.claim().await.unwrap();
    let due = DueRun { concept: ConceptId::new("cat-meals"), due_at: now, missed: 0 };
    let run = open(&app.parts, &due, now).await.unwrap().unwrap();
    proxy.is_there.send_replace(false);
    proxy.cut();
    let away = ask(&app.parts, experiment(&app, "cat-meals"), run).await;
    proxy.is_there.send_replace(true);
    assert!(away.as_ref().is_err_and(StoreError::may_pass), "{away:?}");
    // What a daemon does then.
    store.claim().await.unwrap();
    assert_eq!(store.abandon_open_runs(now).await.unwrap(), 1);
    assert!(matches!(slot(&app, "cat-meals", now).await, Ticked::Decided { .. }));
}
