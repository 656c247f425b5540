//! `check --live`: rows of every source seen before the first run, nothing stored, each failure with what to do.

use std::time::{Duration, Instant};

use willitsell::sandbox::{Endpoint, Fault, Sandbox, typeform};

use crate::project::{Project, json_lines, setup};

/// A sandbox that stands at the real day: `check --live` asks for the last week.
async fn sandbox() -> Sandbox {
    let mut setup = setup("2026-03-20T15:00:00Z");
    setup.now = chrono::Utc::now();
    setup.world.first_day = setup.now.date_naive() - chrono::Days::new(20);
    setup.world.last_day = setup.now.date_naive() + chrono::Days::new(20);
    Sandbox::start(setup).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_source_shows_three_rows_and_nothing_is_stored() {
    let sandbox = sandbox().await;
    let project = Project::demo(&sandbox);
    let said = project.succeeds(&["check", "--live"]);
    assert!(said.contains("search (google_ads v26): answers, for example\n  20"), "{said}");
    assert!(said.contains("cat-meals-form (typeform): answers, for example\n  20"), "{said}");
    assert!(said.contains("Every source answered; nothing was stored. Next: `willitsell run --once`"), "{said}");
    assert!(!said.contains('@'), "whom an answer is from is not shown: {said}");
    let lines = json_lines(&project.succeeds(&["--json", "check", "--live"]));
    let search = lines.iter().find(|line| line["source"] == "search").unwrap();
    assert_eq!((search["rows"].as_array().unwrap().len(), &search["version"]), (3, &"v26".into()));
    let sources: Vec<_> = project.app().await.parts.sources.into_keys().collect();
    let store = project.store().await;
    for source in sources {
        assert!(store.pulls(&source).await.unwrap().is_empty());
    }
    project.assert_no_secret_kept();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_fails_is_named_with_what_to_do_and_the_others_are_asked() {
    let sandbox = sandbox().await;
    let project = Project::demo(&sandbox);
    sandbox.script(Endpoint::Typeform, [typeform::unauthorized()]);
    let ended = project.run(&["check", "--live"]);
    assert_eq!(ended.code, 1, "{ended:?}");
    // All are asked at once, so it may be any of the forms.
    let forms = ["cat-meals-form", "fridge-chat-form", "plant-sitter-form"];
    let failed: Vec<_> =
        forms.iter().filter(|form| ended.stdout.contains(&format!("{form} (typeform): FAILED"))).collect();
    let [failed] = failed[..] else { panic!("{ended:?}") };
    assert!(ended.stdout.contains("search (google_ads v26): answers"), "{ended:?}");
    assert!(ended.stderr.contains(&format!("1 of 4 sources failed:\n{failed}: ")), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sources_are_asked_at_once_and_shown_in_order() {
    let sandbox = sandbox().await;
    let project = Project::demo(&sandbox);
    let wait = Duration::from_secs(4);
    sandbox.script(Endpoint::Typeform, std::iter::repeat_n(Fault::Slow(wait), 3));
    let began = Instant::now();
    let said = project.succeeds(&["check", "--live"]);
    assert!((wait..2 * wait + wait / 2).contains(&began.elapsed()), "three times {wait:?} took {:?}", began.elapsed());
    let at = |source: &str| said.find(&format!("{source} (")).unwrap();
    let order = ["cat-meals-form", "fridge-chat-form", "plant-sitter-form", "search"].map(at);
    assert!(order.is_sorted(), "{said}");
}
