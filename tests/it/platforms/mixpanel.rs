//! Mixpanel: an event in each line, some twice and in no order; projects whose times are by their own clocks; an export that is cut
//! off and says so in its last line.

use std::time::Duration;

use chrono_tz::America::Los_Angeles;
use willitsell::sandbox::{Endpoint, Sandbox, Setup, mixpanel};

use super::people::{End, FORM, Story, Tool, few, many};
use super::{DAY, LATER, changed};

fn source(sandbox: &Sandbox, more: &str) -> String {
    let (project, user, url) = (mixpanel::project(FORM), mixpanel::USER, sandbox.url(Endpoint::Mixpanel));
    format!(
        "[source.form]\nconnector = \"mixpanel\"\nsettings = {{ project_id = \"{project}\", user = \"{user}\", secret = \
         \"file:secrets/token\", event = \"Sign Up\", base_url = \"{url}\", per_second = \"1000\"{more} }}\n"
    )
}

fn tool() -> Tool {
    Tool {
        act: "signups",
        api: Endpoint::Mixpanel,
        source: |sandbox| source(sandbox, ""),
        secrets: |sandbox| ["unused".into(), sandbox.api_token(Endpoint::Mixpanel)],
        truth: |world, now| mixpanel::truth(world, FORM, now),
    }
}

#[tokio::test]
async fn mixpanel_from_the_configuration_to_the_stored_truth() {
    let story = Story::begin(tool(), many()).await;
    let refused = End::Fault(mixpanel::unauthorized());
    let told = story.told(1, mixpanel::throttled(), refused, Some("setting `secret`")).await;
    assert!(told.later.new > 0 && told.later.vanished > 0, "{:?}", told.later);
    assert_ne!(told.story.truth(DAY), told.story.truth(LATER));
    let acts = told.story.responses(None).await;
    assert!(acts.iter().any(|act| act.arm_key.is_empty()), "some say nothing of the version");
}

/// The same people on the same days, though the vendor cuts days in California and writes what its clocks show.
#[tokio::test]
async fn mixpanel_projects_from_before_2023_are_read_by_their_own_clocks() {
    let old = || Setup { mixpanel: mixpanel::Limits { zone: Some(Los_Angeles) }, ..few() };
    let named = |sandbox: &Sandbox| source(sandbox, r#", zone = "America/Los_Angeles""#);
    let story = Story::begin(Tool { source: named, ..tool() }, old()).await;
    story.pull(DAY).await.unwrap_or_else(|error| panic!("{error:#?}"));
    assert_eq!(story.stored(None).await, story.truth(DAY));
    let unnamed = Story::begin(tool(), old()).await;
    unnamed.pull(DAY).await.unwrap();
    let at = |act: &willitsell::domain::response::Response| act.at;
    let (right, wrong) = (story.responses(None).await, unnamed.responses(None).await);
    let (right, wrong) = (right.iter().map(at).min().unwrap(), wrong.iter().map(at).min().unwrap());
    assert!(matches!((right - wrong).num_hours(), 7 | 8), "{right} {wrong}");
}

/// A list of as many as may come at once may be cut: fewer days are asked for until it is not.
#[tokio::test]
async fn mixpanel_exports_that_may_be_cut_are_asked_for_in_fewer_days() {
    let words =
        [("\"mixpanel\"", "\"small\""), ("limit = 100000", "limit = 200"), ("full_at = 100000", "full_at = 200")];
    let own = changed(include_str!("../../../connectors/mixpanel.toml"), &words);
    let source = |sandbox: &Sandbox| {
        source(sandbox, "")
            .replace("\"mixpanel\"", "\"small\"")
            .replace("settings", "hosts = [\"data.mixpanel.com\"]\nsettings")
    };
    let story = Story::begin_with(Tool { source, ..tool() }, few(), Some(("small", own))).await;
    let pulled = story.pull(DAY).await.unwrap_or_else(|error| panic!("{error:#?}"));
    assert!(pulled.pages > 1, "{pulled:?}");
    assert_eq!(story.stored(None).await, story.truth(DAY));
}

#[tokio::test]
async fn mixpanel_answers_that_cannot_be_right_count_nobody() {
    for (fault, says) in
        [(mixpanel::terminated_early(), "is not JSON from byte"), (mixpanel::one_id_for_two(), "row-1")]
    {
        let story = Story::begin(tool(), few()).await;
        story.sandbox.script(Endpoint::Mixpanel, std::iter::repeat_n(fault, 5));
        let error = story.pull(DAY).await.unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
        assert_eq!(story.responses(None).await.len(), 0);
    }
}

/// The hour's 60 calls are everybody's: asking again at once would spend more of them.
#[tokio::test]
async fn mixpanel_is_left_alone_for_minutes_once_its_calls_are_spent() {
    let story = Story::begin(tool(), few()).await;
    story.sandbox.script(Endpoint::Mixpanel, std::iter::repeat_n(mixpanel::throttled(), 20));
    let error = story.pull(DAY).await.unwrap_err().to_string();
    let wait = Duration::from_mins(5).as_secs().to_string();
    assert!(error.contains(&wait) && story.sandbox.calls(Endpoint::Mixpanel) <= 3, "{error}");
}

/// An event that nobody has sent is an empty answer, as is one of the wrong region.
#[tokio::test]
async fn an_empty_export_of_mixpanel_is_told() {
    let other = |sandbox: &Sandbox| source(sandbox, "").replace("Sign Up", "Signup");
    let pulled = Story::begin(Tool { source: other, ..tool() }, few()).await.pull(DAY).await.unwrap();
    assert_eq!(pulled.rows, 0);
    assert!(pulled.warnings.iter().any(|told| told.contains("wrong region")), "{:?}", pulled.warnings);
}
