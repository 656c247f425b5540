//! `PostHog`: people with an event, and sign-ups, asked for in its own language; answers that end early, are not done or are kept.

use willitsell::sandbox::traffic::people;
use willitsell::sandbox::{Endpoint, Sandbox, posthog};

use super::people::{End, FORM, Story, Tool, few, many};
use super::{DAY, LATER, changed};

fn source(sandbox: &Sandbox, connector: &str, more: &str) -> String {
    let (project, url) = (posthog::project(FORM), sandbox.url(Endpoint::Posthog));
    format!(
        "[source.form]\nconnector = \"{connector}\"\nsettings = {{ project_id = \"{project}\", token = \"file:secrets/token\", \
         base_url = \"{url}\", per_second = \"1000\"{more} }}\n"
    )
}

fn visitors() -> Tool {
    Tool {
        act: "visits",
        api: Endpoint::Posthog,
        source: |sandbox| source(sandbox, "posthog", r#", path = "/offer", zone = "America/New_York""#),
        secrets: |sandbox| ["unused".into(), sandbox.api_token(Endpoint::Posthog)],
        truth: |world, now| people(world, FORM, now, |it| it.is_look_at_offer() && !it.is_forgotten(now)),
    }
}

fn sign_ups() -> Tool {
    Tool {
        act: "signups",
        source: |sandbox| source(sandbox, "posthog_events", r#", event = "signed_up""#),
        truth: |world, now| posthog::truth(world, FORM, now),
        ..visitors()
    }
}

/// The vendor gives forty rows, whatever limit the query names: fewer days are asked for until all fit.
#[tokio::test]
async fn posthog_visitors_from_the_configuration_to_the_stored_truth() {
    let mut setup = few();
    setup.form_page_rows = 40;
    let story = Story::begin(visitors(), setup).await;
    let refused = End::Fault(posthog::unauthorized());
    let told = story.told(4, posthog::throttled(), refused, Some("setting `token`")).await;
    assert!(told.later.new > 0 && told.later.changed > 0, "{:?}", told.later);
}

#[tokio::test]
async fn posthog_events_from_the_configuration_to_the_stored_truth() {
    let mut setup = many();
    setup.form_page_rows = 200;
    let story = Story::begin(sign_ups(), setup).await;
    let refused = End::Fault(posthog::unauthorized());
    let told = story.told(4, posthog::throttled(), refused, Some("setting `token`")).await;
    assert!(told.later.new > 0 && told.later.vanished > 0, "{:?}", told.later);
    assert_ne!(told.story.truth(DAY), told.story.truth(LATER));
    let acts = told.story.responses(None).await;
    assert!(acts.iter().any(|act| act.arm_key.is_empty()), "some say nothing of the version");
}

#[tokio::test]
async fn posthog_is_asked_again_until_it_is_done() {
    let story = Story::begin(visitors(), few()).await;
    story.sandbox.script(Endpoint::Posthog, [posthog::not_done(), posthog::not_done()]);
    story.pull(DAY).await.unwrap_or_else(|error| panic!("{error:#?}"));
    assert_eq!(story.stored(None).await, story.truth(DAY));
    assert!(story.sandbox.calls(Endpoint::Posthog) >= 3);
}

/// The connector insists on a fresh answer; without that it would be given one of six hours ago.
#[tokio::test]
async fn posthog_answers_that_were_kept_are_not_what_is_known() {
    let words = [("\"posthog_events\"", "\"kept\""), ("refresh = \"force_blocking\"", "refresh = \"blocking\"")];
    let own = changed(include_str!("../../../connectors/posthog_events.toml"), &words);
    let source = |sandbox: &Sandbox| {
        (sign_ups().source)(sandbox)
            .replace("\"posthog_events\"", "\"kept\"")
            .replace("settings", "hosts = [\"us.posthog.com\"]\nsettings")
    };
    let (fresh, kept) = (Story::begin(sign_ups(), few()).await, Tool { source, ..sign_ups() });
    let kept = Story::begin_with(kept, few(), Some(("kept", own))).await;
    fresh.pull(DAY).await.unwrap();
    kept.pull(DAY).await.unwrap();
    assert_eq!(fresh.stored(None).await, fresh.truth(DAY));
    assert_ne!(kept.stored(None).await, kept.truth(DAY));
}

#[tokio::test]
async fn posthog_projects_that_are_not_there_and_events_that_nobody_sent_are_told() {
    let other = |sandbox: &Sandbox| (sign_ups().source)(sandbox).replace(&posthog::project(FORM), "7");
    let story = Story::begin(Tool { source: other, ..sign_ups() }, few()).await;
    let error = story.pull(DAY).await.unwrap_err().to_string();
    assert!(error.contains("Project not found"), "{error}");
    let other = |sandbox: &Sandbox| source(sandbox, "posthog_events", r#", event = "sign_up""#);
    let pulled = Story::begin(Tool { source: other, ..sign_ups() }, few()).await.pull(DAY).await.unwrap();
    assert_eq!(pulled.rows, 0);
    assert!(pulled.warnings.iter().any(|told| told.contains("wrong region")), "{:?}", pulled.warnings);
}
