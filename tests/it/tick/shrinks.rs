//! H24 from the vendor to the verdict: rows that are gone once are waited for, and rows that stay gone block.

use chrono::Duration;
use willitsell::app::App;
use willitsell::domain::verdict::{Reason, StoredScorecard, Verdict};
use willitsell::sandbox::{Answer, Endpoint, Sandbox};
use willitsell::schedule::tick::Ticked;

use super::{DAY, Kept, at, slot};
use crate::project::{Project, setup};

/// One morning of cat-meals: the verdict stored, or what failed.
async fn morning(app: &App, sandbox: &Sandbox, day: i64, rows_gone: bool) -> Result<Box<StoredScorecard>, String> {
    let now = at(DAY) + Duration::days(day);
    sandbox.set_now(now);
    let nothing = Answer::json(200, r#"{"fieldMask":"campaign.id"}"#.to_owned());
    sandbox.script(Endpoint::GoogleAds, if rows_gone { vec![nothing.into()] } else { vec![] });
    match slot(app, "cat-meals", now).await {
        Ticked::Decided { scorecard, .. } => Ok(scorecard),
        Ticked::Failed { failures, .. } => Err(failures[0].to_string()),
        Ticked::AlreadyRan => panic!("day {day} ran before"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn h24_rows_that_are_gone_once_are_waited_for_and_rows_that_stay_gone_block() {
    let sandbox = Sandbox::start(setup(DAY)).await.unwrap();
    let project = Project::demo(&sandbox);
    let app = project.app().await;
    let build = morning(&app, &sandbox, 0, false).await.unwrap();
    assert_eq!(build.scorecard.verdict, Verdict::Build);
    let before = Kept::of(&app.parts.store, "search", "cat-meals").await;

    let said = morning(&app, &sandbox, 1, true).await.unwrap_err();
    assert!(said.starts_with("search: fewer rows than before: from 2026-03-02 to "), "{said}");
    assert!(said.contains("and now are 0 (spend was ") && said.ends_with("read again next run"), "{said}");
    assert_eq!(Kept::of(&app.parts.store, "search", "cat-meals").await, before);
    // They come back: nothing was lost, and nothing is said of it.
    let again = morning(&app, &sandbox, 2, false).await.unwrap();
    assert_eq!(again.scorecard.verdict, Verdict::Build);

    assert!(morning(&app, &sandbox, 3, true).await.is_err());
    let blocked = morning(&app, &sandbox, 4, true).await.unwrap().scorecard;
    assert_eq!(blocked.verdict, Verdict::Blocked);
    let seen_on = (at(DAY) + Duration::days(3)).date_naive();
    assert!(
        blocked.reasons.iter().any(|why| matches!(why, Reason::FewerRows { rows: [before, 0], seen_on: on, .. }
            if *before > 20 && *on == seen_on)),
        "{:?}",
        blocked.reasons
    );
    // In doubt until the vendor shows them again.
    let sound = morning(&app, &sandbox, 5, false).await.unwrap().scorecard;
    assert_eq!((sound.verdict, &sound.reasons[..]), (Verdict::Build, &[][..]));
    app.parts.store.close().await;
    project.assert_no_secret_kept();
}
