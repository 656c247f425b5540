//! Stripe: what is complete and not paid, paid days later, paid back in whole or in part, disputed; keys that show tests.

use willitsell::domain::response::Void;
use willitsell::sandbox::{Endpoint, Sandbox, stripe};

use super::people::{End, Story, Tool, at, few};
use super::{DAY, LATER};

fn source(sandbox: &Sandbox, connector: &str) -> String {
    let url = sandbox.url(Endpoint::Stripe);
    format!(
        "[source.form]\nconnector = \"{connector}\"\nsettings = {{ token = \"file:secrets/token\", base_url = \"{url}\", \
         per_second = \"1000\" }}\n"
    )
}

fn checkout() -> Tool {
    Tool {
        act: "deposits",
        api: Endpoint::Stripe,
        source: |sandbox| source(sandbox, "stripe_checkout"),
        secrets: |sandbox| ["unused".into(), sandbox.api_token(Endpoint::Stripe)],
        truth: stripe::checkout_truth,
    }
}

fn payments() -> Tool {
    Tool { source: |sandbox| source(sandbox, "stripe_payments"), truth: stripe::payments_truth, ..checkout() }
}

fn cards() -> Tool {
    Tool { act: "cards", source: |sandbox| source(sandbox, "stripe_cards"), truth: stripe::cards_truth, ..checkout() }
}

fn refused() -> End {
    End::Fault(stripe::unauthorized())
}

#[tokio::test]
async fn stripe_checkout_from_the_configuration_to_the_stored_truth() {
    let story = Story::begin(checkout(), few()).await;
    let told = story.told(5, stripe::throttled(), refused(), Some("setting `token`")).await;
    let [kept, refunded, partly, disputed] = stripe::outcomes(told.story.sandbox.world(), at(LATER));
    assert!(refunded > 10 && partly > 10 && disputed > 10, "{refunded} {partly} {disputed}");
    assert!(told.later.new > 0 && told.later.changed > 0 && told.later.vanished > 0, "{:?}", told.later);

    let acts = told.story.responses(None).await;
    assert!(acts.iter().all(|act| act.depth.name() == "deposit" && act.person.is_some()));
    // A part that was paid back leaves a deposit; all of it none; a dispute not even an act.
    assert_eq!(acts.iter().filter(|act| act.void.is_none()).count(), kept);
    assert!(acts.iter().filter(|act| act.void == Some(Void::Refunded)).count() > 10);
    // Where the seller wrote nothing, the link tells the version.
    let links = acts.iter().filter(|act| act.arm_key.starts_with("plink_")).count();
    assert!(links > 10 && links < acts.len() / 2, "{links}");
}

#[tokio::test]
async fn stripe_payments_from_the_configuration_to_the_stored_truth() {
    let story = Story::begin(payments(), few()).await;
    let told = story.told(5, stripe::throttled(), refused(), Some("setting `token`")).await;
    assert!(told.later.new > 0 && told.later.changed > 0 && told.later.vanished > 0, "{:?}", told.later);
    let acts = told.story.responses(None).await;
    assert!(acts.iter().any(|act| act.void == Some(Void::Refunded)));
    assert!(acts.iter().any(|act| act.arm_key.is_empty()), "a subscription's payment says nothing of the version");
}

#[tokio::test]
async fn stripe_cards_from_the_configuration_to_the_stored_truth() {
    let story = Story::begin(cards(), few()).await;
    let told = story.told(5, stripe::throttled(), refused(), Some("setting `token`")).await;
    assert!(told.later.new > 0, "{:?}", told.later);
    assert!(told.story.responses(None).await.iter().all(|act| act.depth.name() == "card"));
}

/// Everything a test key shows is complete and paid, and none of it is anybody's money.
#[tokio::test]
async fn a_test_key_of_stripe_counts_nobody() {
    for tool in [checkout(), payments(), cards()] {
        let tool = Tool {
            secrets: |sandbox| ["unused".into(), stripe::test_key(&sandbox.api_token(Endpoint::Stripe))],
            ..tool
        };
        let story = Story::begin(tool, few()).await;
        let pulled = story.pull(DAY).await.unwrap_or_else(|error| panic!("{error:#?}"));
        assert_eq!((pulled.rows, story.responses(None).await.len()), (0, 0));
        assert!(pulled.pages >= 5, "{pulled:?}");
    }
}

#[tokio::test]
async fn another_call_at_the_same_object_is_waited_for_and_a_key_that_may_not_read_is_told() {
    let story = Story::begin(checkout(), few()).await;
    story.sandbox.script(Endpoint::Stripe, [stripe::locked()]);
    story.pull(DAY).await.unwrap_or_else(|error| panic!("locked once: {error:#?}"));
    assert_eq!(story.stored(None).await, story.truth(DAY));
    story.sandbox.script(Endpoint::Stripe, [stripe::forbidden()]);
    let error = story.pull(DAY).await.unwrap_err().to_string();
    assert!(error.contains("rak_checkout_session_read"), "{error}");
}
