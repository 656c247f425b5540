//! `HubSpot`: submissions from the newest on, and searches that end at a ceiling: contacts, deals that are won and lost
//! again, meetings to which nobody came.

use willitsell::domain::observation::DateWindow;
use willitsell::sandbox::{Endpoint, Sandbox, Setup, hubspot, submissions};
use willitsell::schedule::pull::{Errand, pull};

use super::people::{End, FORM, Story, Tool, at, form, many};
use super::{DAY, LATER, changed, day};
use crate::project::experiment;

const CONTACTS: &str = include_str!("../../../connectors/hubspot_contacts.toml");

fn source(sandbox: &Sandbox, connector: &str, settings: &str) -> String {
    let url = sandbox.url(Endpoint::Hubspot);
    format!(
        "[source.form]\nconnector = \"{connector}\"\nsettings = {{ token = \"file:secrets/token\", base_url = \"{url}\", \
         per_second = \"1000\"{settings} }}\n"
    )
}

fn forms() -> Tool {
    Tool {
        act: "signups",
        api: Endpoint::Hubspot,
        source: |sandbox| source(sandbox, "hubspot_forms", &format!(", form_id = \"{}\"", hubspot::guid(FORM))),
        secrets: |sandbox| ["unused".into(), sandbox.api_token(Endpoint::Hubspot)],
        truth: |world, now| submissions::truth(world, FORM, now),
    }
}

#[tokio::test]
async fn hubspot_forms_from_the_configuration_to_the_stored_truth() {
    let story = Story::begin(forms(), many()).await;
    let refused = End::Fault(hubspot::unauthorized());
    let told = story.told(8, hubspot::throttled(), refused, Some("setting `token`")).await;
    assert!(told.later.new > 0 && told.later.vanished > 0, "{:?}", told.later);
    assert_ne!(told.story.truth(DAY), told.story.truth(LATER));
}

#[tokio::test]
async fn few_days_of_hubspot_submissions_do_not_read_all_that_came_before() {
    let story = Story::begin(forms(), many()).await;
    let whole = story.pull(DAY).await.unwrap();
    let experiment = experiment(&story.app, "story");
    let errand = Errand { run_id: "few", zone: experiment.timezone, due_at: at(DAY), now: at(DAY) };
    let days = DateWindow::new(day("2026-03-18"), day(DAY)).unwrap();
    let few = pull(&story.app.parts, &story.app.parts.sources[&form()], days, errand, None).await.unwrap();
    assert!(few.pages * 3 < whole.pages, "{few:?} {whole:?}");
    assert_eq!((few.new, few.changed, few.vanished), (0, 0, 0));
    story.sandbox.script(Endpoint::Hubspot, [hubspot::locked()]);
    story.pull(DAY).await.unwrap_or_else(|error| panic!("locked for two seconds: {error:#?}"));
    story.sandbox.script(Endpoint::Hubspot, [hubspot::used_up()]);
    let calls = story.sandbox.calls(Endpoint::Hubspot);
    let error = story.pull(DAY).await.unwrap_err().to_string();
    assert!(error.contains("daily limit") && error.contains("its days stay as they were"), "{error}");
    assert_eq!(story.sandbox.calls(Endpoint::Hubspot), calls + 1, "waiting does not help before midnight");
}

#[tokio::test]
async fn hubspot_contacts_from_the_configuration_to_the_stored_truth() {
    let tool =
        Tool { source: |sandbox| source(sandbox, "hubspot_contacts", ""), truth: hubspot::contacts_truth, ..forms() };
    let story = Story::begin(tool, many()).await;
    let refused = End::Fault(hubspot::unauthorized());
    let told = story.told(8, hubspot::throttled(), refused, Some("setting `token`")).await;
    assert!(told.later.new > 0 && told.later.vanished > 0, "{:?}", told.later);
}

/// A search that gives 400 rows of 1,300: all days at once, halves of them, and so on until they fit. The connector is
/// the built-in one but for its name and the ceiling it knows of.
#[tokio::test]
async fn more_contacts_than_a_search_gives_are_asked_for_in_fewer_days() {
    let words = [("\"hubspot_contacts\"", "\"low_contacts\""), ("full_at = 10000", "full_at = 400")];
    let own = changed(CONTACTS, &words);
    let source = |sandbox: &Sandbox| {
        source(sandbox, "low_contacts", "").replace("settings", "hosts = [\"api.hubapi.com\"]\nsettings")
    };
    let tool = Tool { source, truth: hubspot::contacts_truth, ..forms() };
    let setup = Setup { hubspot: hubspot::Limits { ceiling: 400 }, ..many() };
    let story = Story::begin_with(tool, setup, Some(("low_contacts", own))).await;
    story.pull(DAY).await.unwrap_or_else(|error| panic!("{error:#?}"));
    assert!(story.responses(None).await.len() > 1_000);
    assert_eq!(story.stored(None).await, story.truth(DAY));
}

#[tokio::test]
async fn hubspot_deals_that_are_lost_again_count_no_more() {
    let tool = Tool {
        act: "orders",
        source: |sandbox| source(sandbox, "hubspot_deals", ", arm_property = \"concept\""),
        truth: hubspot::deals_truth,
        ..forms()
    };
    let story = Story::begin(tool, many()).await;
    let refused = End::Fault(hubspot::unauthorized());
    let told = story.told(3, hubspot::throttled(), refused, Some("setting `token`")).await;
    assert!(told.later.new > 0 && told.later.vanished > 0, "{:?}", told.later);
    assert!(told.story.responses(None).await.iter().all(|act| act.depth.name() == "order"));
}

#[tokio::test]
async fn hubspot_meetings_count_once_they_were_held() {
    let tool = Tool {
        act: "demos",
        source: |sandbox| source(sandbox, "hubspot_meetings", ""),
        truth: hubspot::meetings_truth,
        ..forms()
    };
    let story = Story::begin(tool, many()).await;
    let refused = End::Fault(hubspot::unauthorized());
    let told = story.told(4, hubspot::throttled(), refused, Some("setting `token`")).await;
    assert!(told.later.new > 0 && told.later.vanished > 0, "{:?}", told.later);
    assert!(told.story.responses(None).await.iter().all(|act| act.depth.name() == "demo"));
}

#[tokio::test]
async fn a_property_that_does_not_exist_is_told_and_not_taken_for_nobody() {
    let tool = Tool {
        act: "orders",
        source: |sandbox| source(sandbox, "hubspot_deals", ", arm_property = \"concept\", date_property = \"closed\""),
        ..forms()
    };
    let story = Story::begin(tool, many()).await;
    let error = story.pull(DAY).await.unwrap_err().to_string();
    assert!(error.contains("Invalid input: filterGroups"), "{error}");
}
