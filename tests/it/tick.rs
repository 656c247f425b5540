//! One slot of one experiment when a vendor misbehaves: a named error that says what to do, the store as it
//! was, and no verdict on part of the data. Once inside this process, where no wait is waited for and the
//! clock is ours, and once through the real program.

mod digests;
mod early;
mod notices;
mod program;
mod reminders;
mod renamed;
mod shrinks;
mod silence;
mod together;

use chrono::{DateTime, Utc};
use futures_util::future::join_all;
use willitsell::app::App;
use willitsell::domain::id::{ConceptId, SourceId};
use willitsell::domain::observation::{DateWindow, Observation};
use willitsell::domain::response::Response;
use willitsell::domain::run::Outcome;
use willitsell::domain::verdict::StoredScorecard;
use willitsell::sandbox::{Answer, Endpoint, Fault, Sandbox, google_ads, typeform};
use willitsell::schedule::due::DueRun;
use willitsell::schedule::tick::{Ticked, tick};
use willitsell::store::{Store, StoreError, Undelivered};

use crate::canary::assert_no_canary;
use crate::project::{Project, experiment, setup};

const DAY: &str = "2026-03-25T12:00:00Z";
const NEXT_DAY: &str = "2026-03-26T12:00:00Z";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

/// The slot at `now`, as the schedule would run it.
async fn slot(app: &App, concept: &str, now: DateTime<Utc>) -> Ticked {
    let due = DueRun { concept: ConceptId::new(concept), due_at: now, missed: 0 };
    tick(&app.parts, experiment(app, concept), &due, now).await.unwrap()
}

/// What must stay as it was: the figures of a source, and verdicts and messages of a concept.
#[derive(Debug, PartialEq)]
struct Kept {
    observations: Vec<Observation>,
    responses: Vec<Response>,
    verdicts: Vec<StoredScorecard>,
    waiting: Vec<Undelivered>,
}

impl Kept {
    async fn of(store: &Store, source: &str, concept: &str) -> Self {
        let season = DateWindow::new("2026-03-01".parse().unwrap(), "2026-12-31".parse().unwrap()).unwrap();
        let inputs = store.inputs(&[SourceId::new(source)], season, None).await.unwrap();
        Self {
            observations: inputs.observations,
            responses: inputs.responses,
            verdicts: store.scorecard_history(&ConceptId::new(concept), u32::MAX).await.unwrap(),
            waiting: store.undelivered().await.unwrap(),
        }
    }
}

/// Something a vendor does, for as long as it is asked.
struct Trouble {
    at: Endpoint,
    fault: Fault,
    /// Part of the error: what to do about it.
    says: &'static str,
    /// Most calls it may cost.
    calls: u64,
}

fn troubles() -> Vec<Trouble> {
    use Endpoint::{GoogleAds, GoogleToken, Typeform};
    let trouble = |at, fault, says, calls| Trouble { at, fault, says, calls };
    let refused = || Fault::json(400, r#"{"error":"invalid_grant","error_description":"Token has been revoked."}"#);
    vec![
        trouble(GoogleAds, google_ads::expired(), "whoever logged in as [login.google] may read this account", 2),
        trouble(Typeform, typeform::unauthorized(), "check the setting `token` of source `cat-meals-form`", 1),
        trouble(
            GoogleToken,
            refused(),
            "no longer accepts [login.google] (invalid_grant: Token has been revoked.): run `willitsell",
            1,
        ),
        trouble(GoogleToken, Fault::html(), "a web page, status 200); check the token address of [login.google]", 1),
        trouble(GoogleAds, Fault::Torn, "broke off before its end, so nothing of it was used", 5),
        trouble(Typeform, Fault::Torn, "broke off before its end, so nothing of it was used", 5),
        trouble(GoogleAds, google_ads::error_in_200(), "no list of rows there; the answer has `error`", 1),
        trouble(Typeform, typeform::error_in_200(), "no list of rows there; the answer has `code`", 1),
        trouble(GoogleAds, Fault::html(), "a web page came instead of an API answer; check the address", 1),
        trouble(Typeform, Fault::html(), "a web page came instead of an API answer; check the address", 1),
        trouble(GoogleAds, Fault::PageLoop, "the vendor leads in a circle", 2),
        trouble(Typeform, Fault::PageLoop, "the vendor leads in a circle", 2),
        trouble(GoogleAds, google_ads::throttled(5), "asks to be left alone for 5 s; the next run tries again", 5),
        trouble(Typeform, typeform::throttled(), "asks to be left alone; the next run tries again", 5),
        trouble(GoogleAds, Fault::status(503), "it may pass, the next run tries again", 5),
        trouble(Typeform, Answer::json(410, String::new()).into(), "check the source's settings", 1),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn h3_h5_h6_h7_h8_h12_a_vendor_in_trouble_leaves_the_store_as_it_was() {
    join_all(troubles().into_iter().map(|trouble| tokio::spawn(survives(trouble))))
        .await
        .into_iter()
        .for_each(Result::unwrap);
}

async fn survives(Trouble { at: endpoint, fault, says, calls }: Trouble) {
    let sandbox = Sandbox::start(setup(DAY)).await.unwrap();
    let project = Project::demo(&sandbox);
    let app = project.app().await;
    let store = &app.parts.store;
    let (broken, sound) = match endpoint {
        Endpoint::Typeform => ("cat-meals-form", "search"),
        _ => ("search", "cat-meals-form"),
    };
    let healthy = slot(&app, "cat-meals", at(DAY)).await;
    assert!(matches!(healthy, Ticked::Decided { .. }), "{healthy:?}");
    let (before, others) = (Kept::of(store, broken, "cat-meals").await, Kept::of(store, sound, "cat-meals").await);
    assert!(!before.verdicts.is_empty() && before.observations.len() + before.responses.len() > 20);

    sandbox.set_now(at(NEXT_DAY));
    sandbox.script(endpoint, vec![fault; 20]);
    let asked = sandbox.calls(endpoint);
    let Ticked::Failed { failures, blocked: None } = slot(&app, "cat-meals", at(NEXT_DAY)).await else {
        panic!("{says}: nothing failed");
    };
    let asked = sandbox.calls(endpoint) - asked;
    assert!((1..=calls).contains(&asked), "{says}: {asked} calls");
    let [failure] = failures.as_slice() else { panic!("{failures:?}") };
    let failure = failure.to_string();
    assert!(failure.starts_with(&format!("{broken}: ")) && failure.contains(says), "{failure}");
    assert_no_canary(&failure);

    assert_eq!(Kept::of(store, broken, "cat-meals").await, before, "{says}");
    let now = Kept::of(store, sound, "cat-meals").await;
    assert!(
        (now.observations != others.observations) || (now.responses != others.responses),
        "the other source's day is kept"
    );
    let run = store.last_runs().await.unwrap().remove(0);
    assert_eq!((run.due_at, run.outcome), (at(NEXT_DAY), Some(Outcome::Failed { advice: vec![failure] })));
    store.check().await.unwrap();
    app.parts.store.close().await;
    project.assert_no_secret_kept();
}

#[tokio::test(flavor = "multi_thread")]
async fn h3_what_was_torn_once_is_asked_again_whole() {
    let [torn, whole] = [vec![Fault::Torn, Fault::status(503)], vec![]].map(async |faults: Vec<Fault>| {
        let sandbox = Sandbox::start(setup(DAY)).await.unwrap();
        let project = Project::demo(&sandbox);
        let app = project.app().await;
        sandbox.script(Endpoint::GoogleAds, faults.clone());
        sandbox.script(Endpoint::Typeform, faults);
        let ticked = slot(&app, "cat-meals", at(DAY)).await;
        assert!(matches!(ticked, Ticked::Decided { .. }), "{ticked:?}");
        let kept = Kept::of(&app.parts.store, "search", "cat-meals").await.observations;
        (kept, Kept::of(&app.parts.store, "cat-meals-form", "cat-meals").await.responses.len())
    });
    let (torn, whole) = (torn.await, whole.await);
    let figures = |(rows, acts): (Vec<Observation>, usize)| {
        (rows.into_iter().map(|row| (row.day, row.arm_key, row.values)).collect::<Vec<_>>(), acts)
    };
    assert_eq!(figures(torn), figures(whole));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_address_that_is_down_costs_nothing_while_the_last_token_lasts() {
    let sandbox = Sandbox::start(setup(DAY)).await.unwrap();
    let project = Project::demo(&sandbox);
    let app = project.app().await;
    assert!(matches!(slot(&app, "cat-meals", at(DAY)).await, Ticked::Decided { .. }));
    for (minute, fault, says) in [(52, Fault::status(503), "status 503"), (55, Fault::html(), "a web page")] {
        // Good for an hour from noon on, and due to be renewed in the last fifth of it.
        let late = at(DAY) + chrono::Duration::minutes(minute);
        sandbox.set_now(late);
        sandbox.script(Endpoint::GoogleToken, [fault]);
        let Ticked::Decided { pulled, .. } = slot(&app, "cat-meals", late).await else { panic!("{says}") };
        let warnings = &pulled[&SourceId::new("search")].warnings;
        let ends = "; the access from before is still used, and ends on 2026-03-25 12:59 UTC unless it can be renewed";
        assert!(warnings.iter().any(|told| told.contains(says) && told.ends_with(ends)), "{warnings:?}");
    }
    let over = at("2026-03-25T13:00:00Z");
    sandbox.set_now(over);
    sandbox.script(Endpoint::GoogleToken, vec![Fault::status(503); 10]);
    assert!(matches!(slot(&app, "cat-meals", over).await, Ticked::Failed { .. }));
}
