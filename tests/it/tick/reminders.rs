//! What is told of a state that waits for a person, until somebody says something; and what is told where it did not arrive.

use chrono::{DateTime, Duration, Utc};
use willitsell::domain::acknowledgement::{Acknowledgement, Snooze};
use willitsell::domain::concept::Experiment;
use willitsell::domain::id::{ConceptId, DestinationId};
use willitsell::domain::verdict::Verdict;
use willitsell::sandbox::{Endpoint, Fault, Sandbox};
use willitsell::schedule::deliver::deliver;
use willitsell::schedule::due::DueRun;
use willitsell::schedule::notices::Notices;
use willitsell::schedule::tick::{Ticked, tick};

use super::{DAY, at};
use crate::project::{Project, experiment, setup};

/// What Slack shows, oldest first.
fn shown(sandbox: &Sandbox) -> Vec<String> {
    let said = crate::project::messages(sandbox, Endpoint::Slack);
    said.iter().map(|body| body["text"].as_str().unwrap().to_owned()).collect()
}

/// A KILL that was told on `DAY`.
async fn killed(sandbox: &Sandbox) -> Project {
    let project = Project::demo(sandbox);
    let app = project.app().await;
    let due = DueRun { concept: ConceptId::new("fridge-chat"), due_at: at(DAY), missed: 0 };
    let ticked = tick(&app.parts, experiment(&app, "fridge-chat"), &due, at(DAY)).await.unwrap();
    let Ticked::Decided { scorecard, .. } = ticked else { panic!("not decided") };
    assert_eq!(scorecard.scorecard.verdict, Verdict::Kill);
    deliver(&app.parts, at(DAY), &mut rand::rng()).await.unwrap();
    assert_eq!(shown(sandbox).len(), 1);
    app.parts.store.close().await;
    project
}

/// What another process tells that looks at the clock at `now`, twice.
async fn told(project: &Project, sandbox: &Sandbox, now: DateTime<Utc>) -> Vec<String> {
    let before = shown(sandbox).len();
    let app = project.app().await;
    let experiments: Vec<Experiment> = vec![experiment(&app, "fridge-chat").clone()];
    let mut notices = Notices::default();
    for later in [0, 11] {
        let now = now + Duration::minutes(later);
        notices.write_down(&app.parts, &experiments, now).await.unwrap();
        deliver(&app.parts, now, &mut rand::rng()).await.unwrap();
    }
    app.parts.store.close().await;
    shown(sandbox).split_off(before)
}

async fn acknowledge(project: &Project, now: DateTime<Utc>, snooze: Option<Snooze>) {
    let concept = ConceptId::new("fridge-chat");
    let acknowledgement = Acknowledgement { concept, by: "Dana".into(), at: now, snooze };
    project.store().await.acknowledge(&acknowledgement).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verdict_that_nobody_answers_is_brought_up_after_two_days_and_then_weekly() {
    let sandbox = Sandbox::start(setup(DAY)).await.unwrap();
    let project = killed(&sandbox).await;
    let mut days = Vec::new();
    for day in 0..24 {
        let said = told(&project, &sandbox, at(DAY) + Duration::days(day)).await;
        if let [one] = &said[..] {
            assert!(one.contains("Reminder · KILL · "), "{one}");
            assert!(
                one.contains("nobody has decided yet") && one.contains("`willitsell ack fridge-chat --by NAME`"),
                "{one}"
            );
            days.push(day);
        }
        assert!(said.len() <= 1, "{said:?}");
    }
    assert_eq!(days, [2, 9, 16, 23]);
    project.assert_no_secret_kept();
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_says_that_they_know_is_left_alone_and_a_snooze_ends_on_its_day() {
    let sandbox = Sandbox::start(setup(DAY)).await.unwrap();
    let project = killed(&sandbox).await;
    let day = |days| at(DAY) + Duration::days(days);
    // Of before the verdict: of something else.
    acknowledge(&project, day(-1), None).await;
    assert_eq!(told(&project, &sandbox, day(2)).await.len(), 1);
    let until = day(20).date_naive();
    acknowledge(&project, day(3), Some(Snooze { until, reason: "the board meets then".into() })).await;
    for quiet in [9, 16, 19] {
        assert_eq!(told(&project, &sandbox, day(quiet)).await, [""; 0], "day {quiet}");
    }
    assert_eq!(told(&project, &sandbox, day(20)).await.len(), 1);
    acknowledge(&project, day(21), None).await;
    assert_eq!(told(&project, &sandbox, day(40)).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn n1_what_one_channel_never_took_is_told_on_the_others() {
    let sandbox = Sandbox::start(setup(DAY)).await.unwrap();
    let project = Project::demo(&sandbox);
    let app = project.app().await;
    let mut parts = app.parts;
    let gone = "[notify.board.mattermost]";
    let message = {
        let due = DueRun { concept: ConceptId::new("fridge-chat"), due_at: at(DAY), missed: 0 };
        let find = |experiment: &&Experiment| experiment.concept.id.as_str() == "fridge-chat";
        let experiment = app.loaded.config.experiments.iter().find(find).unwrap();
        tick(&parts, experiment, &due, at(DAY)).await.unwrap();
        let mut both = experiment.clone();
        both.notify.push(DestinationId::new("board"));
        both
    };
    let experiments = [message];
    // The board's channel has the same message, and its webhook is gone.
    let mut settings = willitsell::domain::connector::Settings::default();
    let url = secrecy::SecretString::from(sandbox.url(Endpoint::Mattermost));
    settings.insert("url", willitsell::domain::connector::SettingValue::Secret(url));
    let id = DestinationId::new("board");
    let board = willitsell::domain::message::Destination { id: id.clone(), kind: "mattermost", settings };
    let notifier = willitsell::notify::build(&board, crate::sandbox::client()).unwrap();
    parts.notifiers.insert(id.clone(), notifier);
    let first = parts.store.undelivered().await.unwrap().remove(0).delivery;
    let copy = willitsell::domain::message::Delivery::first(&first.message, &id);
    parts.store.add_notices(&[copy]).await.unwrap();
    sandbox.script(Endpoint::Mattermost, [Fault::status(404)]);
    deliver(&parts, at(DAY), &mut rand::rng()).await.unwrap();

    let mut notices = Notices::default();
    for minutes in [1, 2] {
        let now = at(DAY) + Duration::minutes(minutes);
        notices.write_down(&parts, &experiments, now).await.unwrap();
        deliver(&parts, now, &mut rand::rng()).await.unwrap();
    }
    let said = shown(&sandbox);
    let [_, lost] = &said[..] else { panic!("{said:#?}") };
    assert!(lost.contains("NOT DELIVERED · board was not told of ") && lost.contains(gone), "{lost}");
    assert!(lost.contains("KILL · ") && lost.contains("no longer exists (404)"), "{lost}");
    parts.store.close().await;
    project.assert_no_secret_kept();
}
