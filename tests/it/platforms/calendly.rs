//! Calendly: meetings first and then the people of each; one who moves a meeting counts once, one who calls off not at all.

use willitsell::domain::response::Void;
use willitsell::sandbox::{Endpoint, calendly};

use super::people::{End, Story, Tool, at, few};
use super::{DAY, LATER};

fn tool() -> Tool {
    Tool {
        act: "signups",
        api: Endpoint::Calendly,
        source: |sandbox| {
            let (organization, url) = (calendly::ORGANIZATION, sandbox.url(Endpoint::Calendly));
            format!(
                "[source.form]\nconnector = \"calendly\"\nsettings = {{ organization = \"{organization}\", token = \
                 \"file:secrets/token\", base_url = \"{url}\", per_second = \"1000\" }}\n"
            )
        },
        secrets: |sandbox| ["unused".into(), sandbox.api_token(Endpoint::Calendly)],
        truth: calendly::truth,
    }
}

#[tokio::test]
async fn calendly_from_the_configuration_to_the_stored_truth() {
    let story = Story::begin(tool(), few()).await;
    let refused = End::Fault(calendly::unauthorized());
    let told = story.told(30, calendly::throttled(5), refused, Some("setting `token`")).await;
    let (moved, called_off) = calendly::moved_and_called_off(told.story.sandbox.world(), at(LATER));
    assert!(moved > 10 && called_off > 10, "{moved} {called_off}");
    assert!(told.later.new > 0 && told.later.changed > 0, "{:?}", told.later);
    let acts = told.story.responses(None).await;
    assert!(acts.iter().all(|act| act.depth.name() == "booking" && act.person.is_some()));
    let canceled = acts.iter().filter(|act| act.void == Some(Void::Canceled)).count();
    assert!(canceled >= moved && canceled > 20, "who calls off is kept as that: {canceled}");
    assert_ne!(told.story.truth(DAY), told.story.truth(LATER));
}
