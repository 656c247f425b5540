//! Tally: pages until it says that there are no more, answers that refer to questions, partial submissions.

use willitsell::sandbox::{Endpoint, submissions, tally};

use super::people::{End, FORM, Story, Tool, many};
use super::{DAY, LATER};

fn tool() -> Tool {
    Tool {
        act: "signups",
        api: Endpoint::Tally,
        source: |sandbox| {
            let [arm, email] = tally::QUESTIONS;
            let url = sandbox.url(Endpoint::Tally);
            format!(
                "[source.form]\nconnector = \"tally\"\nsettings = {{ form_id = \"{FORM}\", token = \"file:secrets/token\", \
                 arm_question = \"{arm}\", email_question = \"{email}\", base_url = \"{url}\", per_second = \"1000\" }}\n"
            )
        },
        secrets: |sandbox| ["unused".into(), sandbox.api_token(Endpoint::Tally)],
        truth: |world, now| submissions::truth(world, FORM, now),
    }
}

#[tokio::test]
async fn tally_from_the_configuration_to_the_stored_truth() {
    let story = Story::begin(tool(), many()).await;
    let told = story.told(8, tally::throttled(), End::Fault(tally::unauthorized()), Some("setting `token`")).await;
    assert!(told.later.new > 0 && told.later.vanished > 0, "{:?}", told.later);
    assert_ne!(told.story.truth(DAY), told.story.truth(LATER));
    // What was forged is kept as nobody's, without a control character.
    let forged =
        told.story.responses(None).await.into_iter().filter(|act| act.arm_key.contains(['<', '\u{fffd}', '/']));
    assert!(forged.count() > 5);
}
