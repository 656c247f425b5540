//! Jotform: times without a zone, ids beyond 2^53, a throttle inside a 200, pages that shift.

use willitsell::sandbox::{Endpoint, Sandbox, jotform};

use super::people::{End, FORM, Story, Tool, many};
use super::{DAY, LATER};

fn source(sandbox: &Sandbox, zone: &str) -> String {
    let (form, url) = (jotform::form_number(FORM), sandbox.url(Endpoint::Jotform));
    format!(
        "[source.form]\nconnector = \"jotform\"\nsettings = {{ form_id = \"{form}\", token = \"file:secrets/token\", zone = \
         \"{zone}\", base_url = \"{url}\" }}\n"
    )
}

fn tool() -> Tool {
    Tool {
        act: "signups",
        api: Endpoint::Jotform,
        source: |sandbox| source(sandbox, jotform::ZONE.name()),
        secrets: |sandbox| ["unused".into(), sandbox.api_token(Endpoint::Jotform)],
        truth: |world, now| jotform::truth(world, FORM, now),
    }
}

#[tokio::test]
async fn jotform_from_the_configuration_to_the_stored_truth() {
    let story = Story::begin(tool(), many()).await;
    let refused = End::Fault(jotform::unauthorized());
    let told = story.told(8, jotform::throttled_in_200(), refused, Some("setting `token`")).await;
    assert!(told.later.new > 0 && told.later.vanished > 0, "{:?}", told.later);
    // Nothing was rounded: as many different ids as there are, each of 19 digits.
    let ids: Vec<_> = told.story.responses(None).await.into_iter().map(|act| act.response_id).collect();
    assert!(ids.iter().all(|id| id.len() == 19 && id.parse::<u64>().unwrap() > 1 << 53));
    assert_ne!(told.story.truth(DAY), told.story.truth(LATER));
}

#[tokio::test]
async fn the_wrong_zone_puts_jotforms_acts_on_other_instants() {
    let right = Story::begin(tool(), many()).await;
    right.pull(DAY).await.unwrap();
    let wrong = Tool { source: |sandbox| source(sandbox, "Europe/Berlin"), ..tool() };
    let wrong = Story::begin(wrong, many()).await;
    wrong.pull(DAY).await.unwrap();
    let (right, wrong) = (right.responses(None).await, wrong.responses(None).await);
    for act in right.iter().take(50) {
        let other = wrong.iter().find(|other| other.response_id == act.response_id).unwrap();
        assert!(matches!((act.at - other.at).num_hours(), 8 | 9), "{act:?} {other:?}");
    }
}
