//! Mailchimp: who has confirmed, by the form; a throttle that looks like a refusal, and a refusal that says so.

use willitsell::sandbox::{Endpoint, mailchimp};

use super::people::{End, FORM, Story, Tool, many};
use super::{DAY, LATER};

fn tool() -> Tool {
    Tool {
        act: "signups",
        api: Endpoint::Mailchimp,
        source: |sandbox| {
            let (from, url) = (mailchimp::FORM_SOURCE, sandbox.url(Endpoint::Mailchimp));
            format!(
                "[source.form]\nconnector = \"mailchimp\"\nsettings = {{ list_id = \"{FORM}\", dc = \"us19\", source = \
                 \"{from}\", token = \"file:secrets/token\", base_url = \"{url}\" }}\n"
            )
        },
        secrets: |sandbox| ["unused".into(), sandbox.api_token(Endpoint::Mailchimp)],
        truth: |world, now| mailchimp::truth(world, FORM, now),
    }
}

#[tokio::test]
async fn mailchimp_from_the_configuration_to_the_stored_truth() {
    let story = Story::begin(tool(), many()).await;
    let refused = End::Fault(mailchimp::unauthorized());
    let told = story.told(8, mailchimp::throttled(), refused, Some("setting `token`")).await;
    assert!(told.later.new > 0 && told.later.vanished > 0, "{:?}", told.later);
    assert_ne!(told.story.truth(DAY), told.story.truth(LATER));
}

#[tokio::test]
async fn a_refusal_that_says_why_is_no_throttle() {
    let story = Story::begin(tool(), many()).await;
    story.sandbox.script(Endpoint::Mailchimp, [mailchimp::forbidden()]);
    let error = story.pull(DAY).await.unwrap_err().to_string();
    assert!(error.contains("not permitted") && error.contains("setting `token`"), "{error}");
    assert_eq!(story.sandbox.calls(Endpoint::Mailchimp), 1);
}
