//! Typeform: completed answers only, walked by token; and a region that answers as if nobody had.

use willitsell::sandbox::{Endpoint, Sandbox, typeform};

use super::people::{End, FORM, Story, Tool, many};
use super::{DAY, LATER, changed};

const MANIFEST: &str = include_str!("../../../connectors/typeform.toml");

fn tool() -> Tool {
    Tool {
        act: "signups",
        api: Endpoint::Typeform,
        source: |sandbox| {
            let url = sandbox.url(Endpoint::Typeform);
            format!(
                "[source.form]\nconnector = \"typeform\"\nsettings = {{ form_id = \"{FORM}\", token = \"file:secrets/token\", \
                 base_url = \"{url}\", per_second = \"1000\" }}\n"
            )
        },
        secrets: |sandbox| ["unused".into(), sandbox.secrets().typeform_token.clone()],
        truth: |world, now| world.people(FORM, now),
    }
}

#[tokio::test]
async fn typeform_from_the_configuration_to_the_stored_truth() {
    let story = Story::begin(tool(), many()).await;
    let refused = End::Fault(typeform::unauthorized());
    let told = story.told(8, typeform::throttled(), refused, Some("setting `token`")).await;
    assert!(told.later.new > 0, "{:?}", told.later);
    assert_ne!(told.story.truth(DAY), told.story.truth(LATER));
}

#[tokio::test]
async fn an_empty_list_from_the_wrong_region_is_not_taken_without_a_word() {
    let story = Story::begin(tool(), many()).await;
    story.sandbox.script(Endpoint::Typeform, [typeform::wrong_region(), typeform::wrong_region()]);
    let pulled = story.pull(DAY).await.unwrap_or_else(|error| panic!("{error:#?}"));
    assert_eq!(pulled.rows, 0);
    assert!(pulled.warnings.iter().any(|told| told.contains("wrong region")), "{:?}", pulled.warnings);
    let sound = Story::begin(tool(), many()).await.pull(DAY).await.unwrap();
    assert!(sound.warnings.is_empty(), "{:?}", sound.warnings);
}

/// The connector asks for completed answers only; the built-in one but for its name and that.
#[tokio::test]
async fn who_has_only_begun_is_never_counted_by_accident() {
    let words = [
        ("name       = \"typeform\"", "name       = \"begun\""),
        ("response_type = \"completed\"", "response_type = \"completed,started\""),
    ];
    let own = changed(MANIFEST, &words);
    let source = |sandbox: &Sandbox| {
        let hosts = "hosts = [\"api.typeform.com\"]\nsettings";
        (tool().source)(sandbox).replace("\"typeform\"", "\"begun\"").replace("settings", hosts)
    };
    let story = Story::begin_with(Tool { source, ..tool() }, many(), Some(("begun", own))).await;
    let error = story.pull(DAY).await.unwrap_err().to_string();
    assert!(error.contains("$.submitted_at") && error.contains("nothing stands there"), "{error}");
    assert_eq!(story.responses(None).await.len(), 0);
}
