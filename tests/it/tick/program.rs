//! The same troubles through the real program: exit code, standard error, and the store afterwards.

use willitsell::sandbox::{Answer, Endpoint, Fault, Sandbox, google_ads, typeform};

use super::{DAY, Kept};
use crate::project::{Ended, Project, json_lines, messages, setup};

/// A 429 that asks for longer than a window is worth: given up at once.
fn leave_me_alone() -> Fault {
    Answer::json(429, r#"{"code":"TOO_MANY_REQUESTS"}"#.into()).with("retry-after", "3600").into()
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_ends_with_1_says_what_to_do_and_changes_nothing() {
    use Endpoint::{GoogleAds, Typeform};
    let sandbox = Sandbox::start(setup(DAY)).await.unwrap();
    let project = Project::demo(&sandbox);
    project.succeeds(&["run", "--once"]);
    let told = messages(&sandbox, Endpoint::Slack).len();
    assert!(told >= 2, "BUILD and KILL at least");
    let store = project.store().await;
    let kept = async || {
        (
            Kept::of(&store, "search", "cat-meals").await,
            Kept::of(&store, "cat-meals-form", "plant-sitter").await,
            Kept::of(&store, "cat-meals-form", "fridge-chat").await,
        )
    };
    let before = kept().await;

    for (endpoint, faults, says) in [
        (GoogleAds, vec![google_ads::expired(); 2], "whoever logged in as [login.google] may read this account"),
        (Typeform, vec![typeform::unauthorized()], "check the setting `token` of source `cat-meals-form`"),
        (GoogleAds, vec![google_ads::error_in_200()], "no list of rows there"),
        (Typeform, vec![typeform::error_in_200()], "no list of rows there"),
        (GoogleAds, vec![Fault::html()], "check the address in the settings"),
        (Typeform, vec![Fault::html()], "check the address in the settings"),
        (GoogleAds, vec![Fault::PageLoop; 2], "the vendor leads in a circle"),
        (Typeform, vec![Fault::PageLoop; 2], "the vendor leads in a circle"),
        (GoogleAds, vec![google_ads::throttled(3600)], "asks to be left alone for 3600 s"),
        (Typeform, vec![leave_me_alone()], "asks to be left alone for 3600 s"),
    ] {
        let source = if endpoint == Typeform { "cat-meals-form" } else { "search" };
        sandbox.script(endpoint, faults);
        let ended = project.run(&["pull", "--source", source, "--since", "2026-03-02", "--until", "2026-03-20"]);
        assert_eq!((ended.code, ended.stdout.as_str()), (1, ""), "{says}: {ended:#?}");
        assert!(ended.stderr.contains(&format!("{source}: ")) && ended.stderr.contains(says), "{says}: {ended:#?}");
        assert!(kept().await == before, "{says}: the store is not as it was");
    }

    // Three of four sources fail: what the other brought is shown and kept.
    sandbox.script(Typeform, vec![typeform::unauthorized(); 3]);
    let ended = project.run(&["pull", "--json"]);
    let lines = json_lines(&ended.stdout);
    assert_eq!((ended.code, lines.len(), &lines[0]["source"]), (1, 1, &"search".into()), "{ended:#?}");
    assert_eq!(ended.stderr.matches("does not accept our access").count(), 3, "{ended:#?}");

    // One source of each concept fails: the other is read, nothing is decided, nobody is told.
    sandbox.script(Typeform, vec![typeform::unauthorized(); 3]);
    let Ended { code, stdout, stderr } = project.run(&["run", "--once", "--json"]);
    assert_eq!(code, 1, "{stderr}");
    let lines = json_lines(&stdout);
    assert_eq!(lines.len(), 3);
    for line in lines {
        let (concept, failures) = (line["concept"].as_str().unwrap(), line["failures"].as_array().unwrap());
        let failure = failures[0].as_str().unwrap();
        assert!(failures.len() == 1 && failure.contains("does not accept our access"), "{failure}");
        assert!(stderr.contains(failure) && failure.starts_with(&format!("{concept}: {concept}-form: ")), "{failure}");
        assert!(line["scorecard"].is_null(), "{line}");
    }
    assert!(kept().await == before, "no verdict on part of the data");
    assert_eq!(project.run(&["status"]).code, 20, "a source fails");

    // Mended: as before, and still nobody is told.
    project.succeeds(&["run", "--once"]);
    assert_eq!(project.run(&["status"]).code, 10);
    assert_eq!(messages(&sandbox, Endpoint::Slack).len(), told);
    store.close().await;
    project.assert_no_secret_kept();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_that_never_answered_blocks_once_and_its_return_brings_the_verdicts() {
    let sandbox = Sandbox::start(setup(DAY)).await.unwrap();
    let project = Project::demo(&sandbox);
    let told = || messages(&sandbox, Endpoint::Slack).len();
    for _ in 0..2 {
        sandbox.script(Endpoint::Typeform, vec![typeform::unauthorized(); 3]);
        let ended = project.run(&["run", "--once", "--json"]);
        assert_eq!(ended.code, 1, "{ended:#?}");
        assert!(json_lines(&ended.stdout).iter().all(|line| line["scorecard"]["verdict"] == "BLOCKED"), "{ended:#?}");
        assert_eq!(told(), 3, "one message a concept, once");
        let status = project.run(&["status"]);
        assert!(status.code == 20 && status.stdout.contains("\"cat-meals-form\" has never been read"), "{status:#?}");
        assert!(project.succeeds(&["explain", "cat-meals"]).contains("has never been read"));
    }
    let decided = json_lines(&project.succeeds(&["run", "--once", "--json"]));
    assert!(decided.iter().all(|line| line["scorecard"]["verdict"] != "BLOCKED"), "{decided:#?}");
    assert_eq!(told(), 6, "one message a concept");
    project.assert_no_secret_kept();
}

#[tokio::test(flavor = "multi_thread")]
async fn h18_what_a_source_warns_of_is_told_by_a_run_and_not_by_pull_alone() {
    let sandbox = Sandbox::start(setup(DAY)).await.unwrap();
    let project = Project::demo(&sandbox);
    let ending = Answer::json(200, r#"{"fieldMask":"x"}"#.into()).with("sunset", "Sat, 31 Oct 2026 23:59:59 GMT");
    sandbox.script(Endpoint::GoogleAds, vec![ending.into()]);
    let ended = project.run(&["run", "--once"]);
    assert!(ended.stderr.contains("announces that it ends this version"), "{ended:#?}");
}
