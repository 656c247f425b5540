//! `SurveyMonkey`: what was changed since, so that late completions are found; partial, disqualified and surplus responses;
//! addresses in answers that name another host; the wrong region.

use willitsell::sandbox::{Endpoint, surveymonkey};

use super::people::{End, FORM, Story, Tool, many};
use super::{DAY, LATER};

fn tool() -> Tool {
    Tool {
        act: "signups",
        api: Endpoint::Surveymonkey,
        source: |sandbox| {
            let (survey, url) = (surveymonkey::survey_number(FORM), sandbox.url(Endpoint::Surveymonkey));
            let email = surveymonkey::EMAIL_QUESTION;
            format!(
                "[source.form]\nconnector = \"surveymonkey\"\nsettings = {{ survey_id = \"{survey}\", email_question = \
                 \"{email}\", token = \"file:secrets/token\", base_url = \"{url}\", per_second = \"1000\" }}\n"
            )
        },
        secrets: |sandbox| ["unused".into(), sandbox.api_token(Endpoint::Surveymonkey)],
        truth: |world, now| surveymonkey::truth(world, FORM, now),
    }
}

#[tokio::test]
async fn surveymonkey_from_the_configuration_to_the_stored_truth() {
    let story = Story::begin(tool(), many()).await;
    let refused = End::Fault(surveymonkey::unauthorized());
    let told = story.told(8, surveymonkey::throttled(5), refused, Some("setting `token`")).await;
    assert!(told.later.new > 0 && told.later.vanished > 0, "{:?}", told.later);
    assert!(told.later.changed > 0, "an edit is dated anew, and counts once: {:?}", told.later);
    assert_ne!(told.story.truth(DAY), told.story.truth(LATER));
}

#[tokio::test]
async fn the_wrong_region_of_surveymonkey_is_told_and_nothing_is_stored() {
    let story = Story::begin(tool(), many()).await;
    story.sandbox.script(Endpoint::Surveymonkey, [surveymonkey::wrong_region()]);
    let error = story.pull(DAY).await.unwrap_err().to_string();
    assert!(error.contains("created for another data center"), "{error}");
    assert_eq!(story.responses(None).await.len(), 0);
}
