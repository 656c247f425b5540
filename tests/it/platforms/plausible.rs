//! Plausible: visitors of the landing page and people who reached a goal, by day and version, in pages of rows that have no order
//! of their own.

use chrono::{DateTime, Utc};
use willitsell::sandbox::traffic::{Event, people};
use willitsell::sandbox::world::People;
use willitsell::sandbox::{Endpoint, Sandbox, World, plausible};

use super::people::{End, FORM, Story, Tool, few};
use super::{DAY, LATER, changed};

const HOSTS: &str = "hosts = [\"plausible.io\"]\nsettings";

fn source(sandbox: &Sandbox, connector: &str, more: &str) -> String {
    let (site, url, zone) = (plausible::site(FORM), sandbox.url(Endpoint::Plausible), sandbox.world().zone);
    format!(
        "[source.form]\nconnector = \"{connector}\"\nsettings = {{ site_id = \"{site}\", token = \"file:secrets/token\", zone = \
         \"{zone}\", base_url = \"{url}\", per_second = \"1000\"{more} }}\n"
    )
}

fn visitors() -> Tool {
    Tool {
        act: "visits",
        api: Endpoint::Plausible,
        source: |sandbox| source(sandbox, "plausible", r#", page = "^/offer$""#),
        secrets: |sandbox| ["unused".into(), sandbox.api_token(Endpoint::Plausible)],
        truth: |world, now| people(world, FORM, now, Event::is_look_at_offer),
    }
}

fn any_page(world: &World, now: DateTime<Utc>) -> People {
    people(world, FORM, now, |_| true)
}

fn goals() -> Tool {
    Tool {
        act: "signups",
        source: |sandbox| source(sandbox, "plausible_goals", r#", goal = "Signup""#),
        truth: |world, now| people(world, FORM, now, Event::is_sign_up),
        ..visitors()
    }
}

/// Pages of three rows, so that some end between rows that are alike but for their version.
#[tokio::test]
async fn plausible_visitors_from_the_configuration_to_the_stored_truth() {
    let words = [("\"plausible\"", "\"small\""), ("size  = 10000", "size  = 3")];
    let own = changed(include_str!("../../../connectors/plausible.toml"), &words);
    let source = |sandbox: &Sandbox| {
        (visitors().source)(sandbox).replace("\"plausible\"", "\"small\"").replace("settings", HOSTS)
    };
    let story = Story::begin_with(Tool { source, ..visitors() }, few(), Some(("small", own))).await;
    let refused = End::Fault(plausible::unauthorized());
    let told = story.told(20, plausible::throttled(), refused, Some("setting `token`")).await;
    assert!(told.later.new > 0 && told.later.changed > 0, "{:?}", told.later);
}

#[tokio::test]
async fn plausible_goals_from_the_configuration_to_the_stored_truth() {
    let story = Story::begin(goals(), few()).await;
    let refused = End::Fault(plausible::unauthorized());
    let told = story.told(1, plausible::throttled(), refused, Some("setting `token`")).await;
    assert!(told.later.new > 0 && told.later.changed > 0, "{:?}", told.later);
    assert_ne!(told.story.truth(DAY), told.story.truth(LATER));
}

/// Every page counts where none is named, and a page that nobody looked at counts nobody.
#[tokio::test]
async fn plausible_counts_who_looked_at_the_named_pages() {
    let all = Tool { source: |sandbox| source(sandbox, "plausible", ""), truth: any_page, ..visitors() };
    let none = Tool { source: |sandbox| source(sandbox, "plausible", r#", page = "^/offers$""#), ..visitors() };
    let (all, none) = (Story::begin(all, few()).await, Story::begin(none, few()).await);
    all.pull(DAY).await.unwrap_or_else(|error| panic!("{error:#?}"));
    assert_eq!(all.stored(None).await, all.truth(DAY));
    assert_ne!(all.truth(DAY), none.truth(DAY));
    let pulled = none.pull(DAY).await.unwrap_or_else(|error| panic!("{error:#?}"));
    assert_eq!((pulled.pages, pulled.rows), (1, 0));
}

#[tokio::test]
async fn a_goal_that_the_site_does_not_have_and_a_plan_without_figures_are_told() {
    let tool = Tool { source: |sandbox| source(sandbox, "plausible_goals", r#", goal = "Sign up""#), ..goals() };
    let story = Story::begin(tool, few()).await;
    let error = story.pull(DAY).await.unwrap_err().to_string();
    assert!(error.contains("The goal `Sign up` is not configured for this site"), "{error}");
    let story = Story::begin(goals(), few()).await;
    story.sandbox.script(Endpoint::Plausible, [plausible::no_plan()]);
    let error = story.pull(DAY).await.unwrap_err().to_string();
    assert!(error.contains("does not have access to Stats API"), "{error}");
    assert_eq!(story.sandbox.calls(Endpoint::Plausible), 1);
}
