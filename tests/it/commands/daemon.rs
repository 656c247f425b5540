//! `run` as a service manager sees it: takes up what is due, keeps a second one out, and stops when asked.

use std::path::PathBuf;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use tokio::sync::mpsc;
use willitsell::domain::run::Outcome;
use willitsell::sandbox::{Endpoint, Sandbox};

use super::NOW;
use crate::canary::assert_no_canary;
use crate::fake_server::{FakeServer, Step, answer};
use crate::project::{Ended, Project, setup};

/// Generous, because the machine may be busy; nothing waits this long.
const PATIENCE: Duration = Duration::from_mins(1);

/// Within so long after it was asked to, it has ended, whatever hangs.
const HARD_STOP: Duration = Duration::from_secs(20);

/// A server that says when it was called, and then does as told.
async fn server(steps: Vec<Step>) -> (FakeServer, mpsc::UnboundedReceiver<Vec<u8>>) {
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
    let (slack, mut calls) = server(answer(200, &[], "ok")).await;
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

    let raw = rusqlite::Connection::open(project.path().join("willitsell.db")).unwrap();
    let held_to: i64 = raw.query_row("SELECT MIN(tested) FROM scorecard", [], |row| row.get(0)).unwrap();
    assert_eq!(held_to, 3, "the first verdicts are held to all that are tested");
    drop(raw);
    let store = project.store().await;
    let delivered = async {
        while !store.undelivered().await.unwrap().is_empty() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, delivered).await.expect("the receiver's answers are written down");
    store.close().await;
    let ended = terminate(daemon).await;
    assert_eq!((ended.code, ended.stdout.as_str()), (0, ""), "{ended:#?}");
    assert!(sandbox.calls(Endpoint::GoogleAds) > 0 && sandbox.calls(Endpoint::Typeform) > 0);
    // N4. Another start: the claim is free, and nothing has changed.
    project.succeeds(&["run", "--once"]);
    let told = calls.try_recv().map(|body| String::from_utf8(body).unwrap());
    assert!(told.is_err(), "no notice at all: {told:?}");
    project.assert_no_secret_kept();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_never_answers_keeps_the_daemon_neither_from_deciding_nor_from_stopping() {
    let sandbox = Sandbox::start(setup(NOW)).await.unwrap();
    let (silent, mut calls) = server(vec![Step::Silence]).await;
    let (project, daemon) = start(&sandbox, &silent);
    tokio::time::timeout(PATIENCE, calls.recv()).await.expect("a verdict is told").unwrap();
    let store = project.store().await;
    let decided = async {
        while store.latest_scorecards().await.unwrap().len() < 3 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, decided).await.expect("the others are decided meanwhile");
    let ended = terminate(daemon).await;
    assert_eq!(ended.code, 0, "{ended:#?}");
    let waiting = store.undelivered().await.unwrap();
    assert_eq!(waiting.len(), 3, "kept for the next start");
    assert!(waiting.iter().all(|waiting| !waiting.given_up));
    store.close().await;
    project.assert_no_secret_kept();
}

#[tokio::test(flavor = "multi_thread")]
async fn s1_a_slot_cut_short_by_a_stop_is_taken_up_at_the_next_start() {
    let sandbox = Sandbox::start(setup(NOW)).await.unwrap();
    let (slack, mut told) = server(answer(200, &[], "ok")).await;
    let (vendor, mut asked) = server(vec![Step::Silence]).await;
    let project = Project::demo(&sandbox);
    project.secret("slack", slack.url("/services/T0/B0/key").as_str());
    let configuration = std::fs::read_to_string(project.path().join("willitsell.toml")).unwrap();
    let silent = configuration.replace(&sandbox.url(Endpoint::Typeform), vendor.url("").as_str());
    project.write("willitsell.toml", silent);

    let daemon = project.command(&["run"]).spawn().unwrap();
    for _ in 0..3 {
        tokio::time::timeout(PATIENCE, asked.recv()).await.expect("each source is asked").unwrap();
    }
    let ended = terminate(daemon).await;
    assert_eq!(ended.code, 0, "{ended:#?}");
    let store = project.store().await;
    let runs = store.last_runs().await.unwrap();
    assert!(runs.len() == 3 && runs.iter().all(|run| run.finished_at.is_none()), "{runs:?}");
    assert!(store.latest_scorecards().await.unwrap().is_empty(), "no verdict on part of the data");
    store.close().await;

    project.write("willitsell.toml", configuration);
    let daemon = project.command(&["run"]).spawn().unwrap();
    for _ in 0..3 {
        tokio::time::timeout(PATIENCE, told.recv()).await.expect("a verdict is told").unwrap();
    }
    let ended = terminate(daemon).await;
    assert!(ended.code == 0 && ended.stderr.contains("an earlier process ended in the middle"), "{ended:#?}");
    let store = project.store().await;
    let again: Vec<_> = store.last_runs().await.unwrap().into_iter().filter(|run| run.id == runs[0].id).collect();
    assert_eq!(again[0].outcome, Some(Outcome::Decided), "the same slot, under its own key");
    assert_eq!(store.run_history(&runs[0].concept, 9).await.unwrap().len(), 1);
    store.close().await;
    project.assert_no_secret_kept();
}

#[tokio::test(flavor = "multi_thread")]
async fn c8_asked_to_stop_at_any_instant_it_ends_in_time_and_leaves_nothing_half_done() {
    let sandbox = Sandbox::start(setup(NOW)).await.unwrap();
    let project = Project::demo(&sandbox);
    for asked_after in [0, 60, 150, 300, 500, 800] {
        let daemon = project.command(&["run"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(asked_after));
        let ended = Command::new("kill").args(["-TERM", &daemon.id().to_string()]).status().unwrap();
        assert!(ended.success());
        let ended = tokio::task::spawn_blocking(|| daemon.wait_with_output().unwrap());
        let ended = tokio::time::timeout(HARD_STOP, ended).await.expect("it does not stop").unwrap();
        // Before it listens for it, the signal ends it at once.
        assert!(ended.status.code().is_none_or(|code| code == 0), "{asked_after} ms: {ended:#?}");
        let store = project.store().await;
        store.check().await.unwrap();
        store.close().await;
    }
    let mut daemon = project.command(&["run"]).spawn().unwrap();
    let store = project.store().await;
    let decided = async {
        while store.latest_scorecards().await.unwrap().len() < 3 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, decided).await.expect("the next start takes up what was cut short");
    let slots = store.last_runs().await.unwrap();
    assert!(slots.len() == 3, "{slots:?}");
    for run in &slots {
        assert_eq!(store.run_history(&run.concept, 9).await.unwrap().len(), 1, "one run of the slot");
        assert_eq!(store.scorecard_history(&run.concept, 9).await.unwrap().len(), 1, "one verdict");
    }
    store.close().await;
    daemon.kill().unwrap();
    daemon.wait().unwrap();
    project.assert_no_secret_kept();
}

#[tokio::test(flavor = "multi_thread")]
async fn c8_a_thread_that_hangs_does_not_keep_it_from_ending() {
    let sandbox = Sandbox::start(setup(NOW)).await.unwrap();
    let holder = Arc::new(Mutex::new(None));
    let (told, mut calls) = mpsc::unbounded_channel();
    let (held, at) = (Arc::clone(&holder), Arc::new(OnceLock::<PathBuf>::new()));
    let database = Arc::clone(&at);
    // What it writes once its message is accepted waits for us, in a thread of the database's that nobody can interrupt.
    let slack = FakeServer::start(move |number, _| {
        if number == 0 {
            let connection = rusqlite::Connection::open(database.get().unwrap()).unwrap();
            connection.busy_timeout(PATIENCE).unwrap();
            connection.execute_batch("BEGIN IMMEDIATE").unwrap();
            *held.lock().unwrap() = Some(connection);
            told.send(()).unwrap();
        }
        answer(200, &[], "ok")
    })
    .await;
    let (project, daemon) = start(&sandbox, &slack);
    at.set(project.path().join("willitsell.db")).unwrap();
    tokio::time::timeout(PATIENCE, calls.recv()).await.expect("a verdict is told").unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(Command::new("kill").args(["-TERM", &daemon.id().to_string()]).status().unwrap().success());
    let ended = tokio::task::spawn_blocking(|| daemon.wait_with_output().unwrap());
    let late = HARD_STOP + Duration::from_secs(2);
    let ended = Ended::of(&tokio::time::timeout(late, ended).await.expect("it hangs").unwrap());
    assert!(ended.code == 1 && ended.stderr.contains("and was cut short"), "{ended:#?}");
    drop(holder.lock().unwrap().take());
    project.succeeds(&["run", "--once"]);
    project.assert_no_secret_kept();
}
