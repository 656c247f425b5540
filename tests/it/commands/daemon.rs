//! `run` as a service manager sees it: takes up what is due, keeps a second one out, and stops when asked.

use std::process::{Child, Command};
use std::time::Duration;

use tokio::sync::mpsc;
use willitsell::sandbox::{Endpoint, Sandbox};

use super::NOW;
use crate::canary::assert_no_canary;
use crate::fake_server::{FakeServer, Step, answer};
use crate::project::{Ended, Project, setup};

/// Generous, because the machine may be busy; nothing waits this long.
const PATIENCE: Duration = Duration::from_mins(1);

/// A Slack that says when it was called, and then does as told.
async fn slack(steps: Vec<Step>) -> (FakeServer, mpsc::UnboundedReceiver<Vec<u8>>) {
    let (called, calls) = mpsc::unbounded_channel();
    let server = FakeServer::start(move |_, seen| {
        let _ = called.send(seen.body.clone());
        steps.clone()
    })
    .await;
    (server, calls)
}

/// The demo's project with another Slack, and its daemon; every slot of it is long overdue.
fn start(sandbox: &Sandbox, slack: &FakeServer) -> (Project, Child) {
    let project = Project::demo(sandbox);
    project.secret("slack", slack.url("/services/T0/B0/key").as_str());
    let daemon = project.command(&["run"]).spawn().unwrap();
    (project, daemon)
}

async fn terminate(daemon: Child) -> Ended {
    let asked = Command::new("kill").args(["-TERM", &daemon.id().to_string()]).status().unwrap();
    assert!(asked.success());
    let ended = tokio::task::spawn_blocking(|| daemon.wait_with_output().unwrap());
    // Well below the half minute that the loop sleeps and a receiver may take.
    Ended::of(&tokio::time::timeout(Duration::from_secs(15), ended).await.expect("it does not stop").unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn n4_s8_the_daemon_takes_up_a_due_slot_keeps_others_out_and_stops_when_asked() {
    let sandbox = Sandbox::start(setup(NOW)).await.unwrap();
    let (slack, mut calls) = slack(answer(200, &[], "ok")).await;
    let (project, daemon) = start(&sandbox, &slack);
    for _ in 0..3 {
        let body = tokio::time::timeout(PATIENCE, calls.recv()).await.expect("a verdict is told").unwrap();
        assert_no_canary(body);
    }
    for arguments in [&["run"][..], &["run", "--once"], &["pull"]] {
        let second = project.run(arguments);
        assert_eq!((second.code, second.stdout.as_str()), (1, ""), "{arguments:?}: {second:#?}");
        assert!(second.stderr.contains(&format!("(process {})", daemon.id())), "{second:#?}");
    }
    assert_eq!(project.run(&["status"]).code, 10, "reading needs no claim");

    let ended = terminate(daemon).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (0, ""), "{ended:#?}");
    assert!(sandbox.calls(Endpoint::GoogleAds) > 0 && sandbox.calls(Endpoint::Typeform) > 0);
    // N4. Another start: the claim is free, and nothing has changed.
    project.succeeds(&["run", "--once"]);
    assert!(calls.try_recv().is_err(), "no notice at all");
    project.assert_no_secret_kept();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_never_answers_does_not_keep_the_daemon_from_stopping() {
    let sandbox = Sandbox::start(setup(NOW)).await.unwrap();
    let (silent, mut calls) = slack(vec![Step::Silence]).await;
    let (project, daemon) = start(&sandbox, &silent);
    tokio::time::timeout(PATIENCE, calls.recv()).await.expect("a verdict is told").unwrap();
    let ended = terminate(daemon).await;
    assert_eq!(ended.code, 0, "{ended:#?}");
    let store = project.store().await;
    let waiting = store.undelivered().await.unwrap();
    assert_eq!(waiting.len(), 3, "kept for the next start");
    assert!(waiting.iter().all(|waiting| !waiting.given_up));
    store.close().await;
    project.assert_no_secret_kept();
}
