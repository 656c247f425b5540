//! A source that is read before its slot because its vendor sent something: what is new comes in, and nothing is decided.

use chrono::Duration;
use willitsell::domain::id::SourceId;
use willitsell::sandbox::{Answer, Endpoint, Fault, Sandbox};
use willitsell::schedule::early::read_early;
use willitsell::schedule::tick::Ticked;

use super::{DAY, Kept, at, slot};
use crate::project::{Project, setup};

#[tokio::test(flavor = "multi_thread")]
async fn a_source_is_read_early_and_nothing_is_decided() {
    let sandbox = Sandbox::start(setup(DAY)).await.unwrap();
    let project = Project::demo(&sandbox);
    let app = project.app().await;
    let experiments = &app.loaded.config.experiments;
    let read = async |source: &str, now| read_early(&app.parts, experiments, &SourceId::new(source), now, now).await;
    let form = async || Kept::of(&app.parts.store, "cat-meals-form", "cat-meals").await;

    // Before a test begins, and of sources that no test has, nothing is read.
    read("cat-meals-form", at("2026-02-01T12:00:00Z")).await.unwrap();
    read("nowhere", at(DAY)).await.unwrap();
    assert!(form().await.responses.is_empty());

    assert!(matches!(slot(&app, "cat-meals", at(DAY)).await, Ticked::Decided { .. }));
    let before = form().await;
    let later = at(DAY) + Duration::hours(20);
    sandbox.set_now(later);
    read("cat-meals-form", later).await.unwrap();
    let after = form().await;
    assert!(after.responses.len() > before.responses.len(), "{}", after.responses.len());
    assert_eq!((after.verdicts, after.waiting), (before.verdicts, before.waiting));
}

#[tokio::test(flavor = "multi_thread")]
async fn h24_readings_that_a_sender_brings_about_confirm_nothing() {
    let sandbox = Sandbox::start(setup(DAY)).await.unwrap();
    let project = Project::demo(&sandbox);
    let app = project.app().await;
    assert!(matches!(slot(&app, "cat-meals", at(DAY)).await, Ticked::Decided { .. }));
    let before = Kept::of(&app.parts.store, "search", "cat-meals").await;
    let experiments = &app.loaded.config.experiments;
    for hours in [1, 2, 3, 30] {
        let now = at(DAY) + Duration::hours(hours);
        sandbox.set_now(now);
        sandbox
            .script(Endpoint::GoogleAds, vec![Answer::json(200, r#"{"fieldMask":"campaign.id"}"#.to_owned()).into()]);
        let refused = read_early(&app.parts, experiments, &SourceId::new("search"), now, now).await.unwrap_err();
        assert!(refused.to_string().contains("fewer rows than before"), "{hours}: {refused}");
        assert_eq!(Kept::of(&app.parts.store, "search", "cat-meals").await, before, "{hours}");
    }
    // Nor does one of them stand behind what the next slot sees: vendors have bad moments of a few minutes.
    let now = at(DAY) + Duration::hours(31);
    sandbox.set_now(now);
    sandbox.script(Endpoint::GoogleAds, vec![Answer::json(200, r#"{"fieldMask":"campaign.id"}"#.to_owned()).into()]);
    slot(&app, "cat-meals", now).await;
    let after = Kept::of(&app.parts.store, "search", "cat-meals").await;
    assert_eq!(after.observations, before.observations);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_slot_has_read_since_the_vendor_told_of_it_is_not_read_again() {
    let sandbox = Sandbox::start(setup(DAY)).await.unwrap();
    let project = Project::demo(&sandbox);
    let app = project.app().await;
    let experiments = &app.loaded.config.experiments;
    let form = SourceId::new("cat-meals-form");
    let (told, minute) = (at(DAY), Duration::minutes(1));
    slot(&app, "cat-meals", told + minute).await;
    let read = sandbox.calls(Endpoint::Typeform);
    let early = async |told, now| read_early(&app.parts, experiments, &form, told, now).await.unwrap();
    assert!(early(told, told + minute * 2).await);
    assert!(early(told + minute, told + minute * 2).await);
    assert_eq!(sandbox.calls(Endpoint::Typeform), read, "the slot asked after the vendor had told");
    {
        let _slot = app.parts.turns.free(&form).unwrap();
        assert!(!early(told + minute * 2, told + minute * 2).await, "somebody reads it who may have asked before");
        assert_eq!(sandbox.calls(Endpoint::Typeform), read);
    }
    assert!(early(told + minute * 2, told + minute * 3).await);
    assert!(sandbox.calls(Endpoint::Typeform) > read);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_need_one_source_at_once_read_it_one_after_the_other() {
    let sandbox = Sandbox::start(setup(DAY)).await.unwrap();
    let project = Project::demo(&sandbox);
    let app = project.app().await;
    let experiments = &app.loaded.config.experiments;
    let search = SourceId::new("search");
    sandbox.script(Endpoint::GoogleAds, vec![Fault::Slow(std::time::Duration::from_millis(200))]);
    // Who comes first reads all that the others need.
    let (one, two, _) = tokio::join!(
        slot(&app, "cat-meals", at(DAY)),
        slot(&app, "plant-sitter", at(DAY)),
        read_early(&app.parts, experiments, &search, at(DAY), at(DAY)),
    );
    assert!(matches!((one, two), (Ticked::Decided { .. }, Ticked::Decided { .. })));
    let pulls = app.parts.store.pulls(&search).await.unwrap();
    assert!(!pulls.is_empty());
    assert!(pulls.iter().all(|pull| pull.run_id == pulls[0].run_id), "{pulls:#?}");
}
