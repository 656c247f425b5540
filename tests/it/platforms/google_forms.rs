//! Google Forms: a login that is renewed, no list at all where there is nothing, edits that keep their day.

use willitsell::sandbox::{Endpoint, Sandbox, google_forms, submissions};

use super::people::{End, FORM, Story, Tool, at, many};
use super::{DAY, LATER};

fn source(sandbox: &Sandbox) -> String {
    format!(
        r#"
[login.google]
client_id = "{}"
client_secret = "file:secrets/client"
refresh_token = "file:secrets/refresh"
token_url = "{}"
[source.form]
connector = "google_forms"
login = "google"
settings = {{ form_id = "{FORM}", arm_question = "{}", base_url = "{}", per_second = "1000" }}
"#,
        sandbox.secrets().client_id,
        sandbox.url(Endpoint::GoogleToken),
        google_forms::ARM_QUESTION,
        sandbox.url(Endpoint::GoogleForms),
    )
}

fn tool() -> Tool {
    Tool {
        act: "signups",
        api: Endpoint::GoogleForms,
        source,
        secrets: |sandbox| [sandbox.refresh_token(Endpoint::GoogleToken), "unused".into()],
        truth: |world, now| submissions::truth(world, FORM, now),
    }
}

#[tokio::test]
async fn google_forms_from_the_configuration_to_the_stored_truth() {
    let story = Story::begin(tool(), many()).await;
    let told = story.told(8, google_forms::throttled(), End::Login, None).await;
    assert!(told.later.new > 0 && told.later.vanished > 0, "{:?}", told.later);
    assert_eq!(told.later.changed, 0, "an edit moves no act to another day");
    assert_ne!(told.story.truth(DAY), told.story.truth(LATER));
}

#[tokio::test]
async fn a_form_nobody_has_answered_has_no_list_and_no_people() {
    let mut setup = many();
    setup.world.first_day = at(LATER).date_naive();
    let story = Story::begin(tool(), setup).await;
    let pulled = story.pull(DAY).await.unwrap_or_else(|error| panic!("{error:#?}"));
    assert_eq!((pulled.pages, pulled.rows, story.responses(None).await.len()), (1, 0, 0));
}
