//! Google Analytics 4: sessions and key events in pages, no list at all where there is nothing, answers that say that they are not
//! what happened, and an allowance that is spent for the hour.

use std::time::Duration;

use serde_json::json;
use willitsell::connect::PullError;
use willitsell::sandbox::{Endpoint, Fault, Sandbox, ga4};
use willitsell::schedule::pull::SourceFailed;

use super::people::{Counted, End, FORM, Story, Tool, at, few};
use super::{DAY, LATER};

fn source(sandbox: &Sandbox, more: &str) -> String {
    format!(
        r#"
[login.google]
client_id = "{}"
client_secret = "file:secrets/client"
refresh_token = "file:secrets/refresh"
token_url = "{}"
[source.form]
connector = "ga4"
login = "google"
settings = {{ property_id = "{}", base_url = "{}", per_second = "1000"{more} }}
"#,
        sandbox.secrets().client_id,
        sandbox.url(Endpoint::GoogleToken),
        ga4::property(FORM),
        sandbox.url(Endpoint::Ga4),
    )
}

fn tool() -> Tool {
    Tool {
        act: "visits",
        api: Endpoint::Ga4,
        source: |sandbox| source(sandbox, ""),
        secrets: |sandbox| [sandbox.refresh_token(Endpoint::GoogleToken), "unused".into()],
        truth: |world, now| {
            ga4::truth(world, FORM, now).into_iter().map(|(of, (sessions, _))| (of, sessions)).collect()
        },
    }
}

/// The vendor gives five rows at once, whatever is asked for: pages end between rows of one day.
#[tokio::test]
async fn ga4_from_the_configuration_to_the_stored_truth() {
    let mut setup = few();
    setup.form_page_rows = 5;
    let story = Story::begin(tool(), setup).await;
    let told = story.told(20, ga4::throttled(), End::Login, None).await;
    assert!(told.later.new > 0 && told.later.changed > 0, "{:?}", told.later);
    let keys = ga4::truth(told.story.sandbox.world(), FORM, at(LATER)).into_iter();
    let keys: Counted = keys.map(|(of, (_, hundredths))| (of, i64::try_from(hundredths).unwrap() * 10_000)).collect();
    assert_eq!(told.story.counted("conversions", None).await, keys);
    assert!(keys.values().any(|value| value % 1_000_000 != 0), "some are shared");
}

#[tokio::test]
async fn ga4_before_the_first_visit_has_no_list_and_no_count_and_no_row() {
    let mut setup = few();
    setup.world.first_day = at(LATER).date_naive();
    let story = Story::begin(tool(), setup).await;
    let pulled = story.pull(DAY).await.unwrap_or_else(|error| panic!("{error:#?}"));
    assert_eq!((pulled.pages, pulled.rows), (1, 0));
}

/// A list under another name looks like none; the count beside it does not.
#[tokio::test]
async fn ga4_rows_that_are_counted_and_not_there_are_no_zero() {
    let story = Story::begin(tool(), few()).await;
    story.sandbox.script(Endpoint::Ga4, [Fault::Renamed("rows", "row"), Fault::Renamed("rows", "row")]);
    let error = story.pull(DAY).await.unwrap_err().to_string();
    assert!(error.contains("and 0 different ones came"), "{error}");
    assert!(story.counted("visits", None).await.is_empty());
}

#[tokio::test]
async fn ga4_answers_that_are_not_what_happened_are_refused_with_the_reason() {
    let story = Story::begin(tool(), few()).await;
    for (metadata, says) in [
        (json!({ "dataLossFromOtherRow": true }), "(other)"),
        (json!({ "subjectToThresholding": true }), "Google signals"),
        (json!({ "samplingMetadatas": [{ "samplesReadCount": "500", "samplingSpaceSize": "9000" }] }), "a sample"),
    ] {
        story.sandbox.script(Endpoint::Ga4, [ga4::spoiled(&metadata)]);
        let error = story.pull(DAY).await.unwrap_err().to_string();
        assert!(error.contains(says) && error.contains("nothing of this window was used"), "{error}");
    }
    story.sandbox.script(Endpoint::Ga4, [ga4::spoiled(&json!({ "dataLossFromOtherRow": false }))]);
    assert_eq!(story.pull(DAY).await.unwrap().rows, 1);
}

/// It comes back with the hour: asking again in seconds would only spend what other tools need.
#[tokio::test]
async fn ga4_allowances_are_left_alone_once_they_are_spent() {
    let story = Story::begin(tool(), few()).await;
    story.sandbox.script(Endpoint::Ga4, [ga4::exhausted()]);
    let error = story.pull(DAY).await.unwrap_err();
    let quarter = Duration::from_mins(15);
    let SourceFailed::Pull { error: PullError::RateLimited { retry_after }, .. } = &error else { panic!("{error:#?}") };
    assert_eq!((*retry_after, story.sandbox.calls(Endpoint::Ga4)), (Some(quarter), 1));
    // Ten errors of Google's own in an hour close the property to everybody.
    story.sandbox.script(Endpoint::Ga4, std::iter::repeat_n(ga4::broken(), 20));
    story.pull(DAY).await.unwrap_err();
    assert!(story.sandbox.calls(Endpoint::Ga4) <= 4, "{}", story.sandbox.calls(Endpoint::Ga4));
}

#[tokio::test]
async fn ga4_says_which_field_or_property_there_is_not() {
    let story = Story::begin(Tool { source: |it| source(it, r#", key_events = "signUps""#), ..tool() }, few()).await;
    let error = story.pull(DAY).await.unwrap_err().to_string();
    assert!(error.contains("Field signUps is not a valid metric"), "{error}");
    let other = |sandbox: &Sandbox| source(sandbox, "").replace(&ga4::property(FORM), "123");
    let error = Story::begin(Tool { source: other, ..tool() }, few()).await.pull(DAY).await.unwrap_err().to_string();
    assert!(error.contains("sufficient permissions"), "{error}");
}
