//! How soon trouble is told of (reliability.md, section 3).

use chrono::TimeDelta;
use willitsell::domain::verdict::Verdict;
use willitsell::sandbox::{Endpoint, Fault, typeform};

use super::{Rig, advice};
use crate::project::messages;

#[tokio::test(flavor = "multi_thread")]
async fn a2_a_dead_token_is_told_of_within_one_run_and_a_silent_source_within_two() {
    let rig = Rig::start("2026-03-25T12:00:00Z", "0 8 * * *").await;
    rig.settled().await;
    let told = |what: &str| {
        let all = messages(&rig.sandbox, Endpoint::Slack);
        all.iter().filter(|body| body["text"].as_str().unwrap().contains(what)).count()
    };
    assert_eq!(told("willitsell auth"), 0);
    let refused = r#"{"error":"invalid_grant","error_description":"Token has been revoked."}"#;
    rig.sandbox.script(Endpoint::GoogleToken, vec![Fault::json(400, refused); 9]);
    rig.sandbox.script(Endpoint::Typeform, vec![typeform::unauthorized(); 9]);
    rig.pass(TimeDelta::days(1));
    let run = rig.ended("cat-meals", "2026-03-26T12:00:00Z").await;
    assert!(advice(&run).contains("no longer accepts [login.google]"), "{run:?}");
    rig.settled().await;
    let said = async {
        while told("auth search") == 0 {
            rig.hands.pass(TimeDelta::seconds(30));
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(super::PATIENCE, said).await.expect("a dead token is told of within the run that found it");
    // The second reading that brings nothing is a finding of its own.
    rig.pass(TimeDelta::days(1));
    for concept in ["cat-meals", "fridge-chat", "plant-sitter"] {
        rig.ended(concept, "2026-03-27T12:00:00Z").await;
    }
    let latest = rig.store.latest_scorecards().await.unwrap();
    assert!(latest.iter().all(|stored| stored.scorecard.verdict == Verdict::Blocked), "{latest:?}");
    rig.stop().await;
}
