//! C8: `run` is asked to stop wherever it waits for a vendor or a receiver. It ends in time, leaves nothing half done, and the next
//! start does what it left.

use std::collections::BTreeSet;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use willitsell::domain::run::Outcome;
use willitsell::sandbox::{Endpoint, Fault, Sandbox};
use willitsell::store::Store;

use super::NOW;
use crate::project::{Ended, Project, setup};

/// Within so long after it was asked to, it has ended, whatever hangs.
const HARD_STOP: Duration = Duration::from_secs(20);

/// Longer than what is under way may finish for.
const HELD: Duration = Duration::from_secs(40);

/// Generous, because the machine may be busy; nothing waits this long.
const PATIENCE: Duration = Duration::from_mins(2);

async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let began = Instant::now();
    while !is_so().await {
        assert!(began.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn terminate(daemon: &Child) {
    assert!(Command::new("kill").args(["-TERM", &daemon.id().to_string()]).status().unwrap().success());
}

/// Whether every slot was judged and everybody was told.
async fn is_done(store: &Store) -> bool {
    let runs = store.last_runs().await.unwrap();
    let judged = runs.iter().filter(|run| run.outcome == Some(Outcome::Decided)).count();
    judged == 3 && store.undelivered().await.unwrap().is_empty()
}

/// Starts it once more, lets it do what was left, and looks at what there is then.
async fn assert_whole(project: &Project, sandbox: &Sandbox, what: &str) {
    let store = project.store().await;
    store.check().await.unwrap();
    let daemon = project.command(&["run"]).spawn().unwrap();
    until(what, async || is_done(&store).await).await;
    terminate(&daemon);
    let ended = tokio::task::spawn_blocking(|| daemon.wait_with_output().unwrap()).await.unwrap();
    assert_eq!(Ended::of(&ended).code, 0, "{what}");
    for run in store.last_runs().await.unwrap() {
        assert_eq!(store.run_history(&run.concept, 9).await.unwrap().len(), 1, "{what}: one run of the slot");
        assert_eq!(store.scorecard_history(&run.concept, 9).await.unwrap().len(), 1, "{what}: one verdict");
    }
    let mut told = BTreeSet::new();
    for message in sandbox.messages() {
        let is_first = told.insert(message.delivery_id.unwrap());
        assert!(is_first || message.body.to_string().contains("may repeat"), "{what}: a repeat that does not say so");
    }
    store.close().await;
    project.assert_no_secret_kept();
}

#[tokio::test(flavor = "multi_thread")]
async fn c8_asked_to_stop_while_somebody_is_waited_for_it_ends_in_time_and_the_next_start_goes_on() {
    let cases = [
        (Endpoint::GoogleToken, Fault::Late(HELD)),
        (Endpoint::GoogleAds, Fault::Slow(HELD)),
        (Endpoint::Typeform, Fault::Late(HELD)),
        (Endpoint::Slack, Fault::Slow(HELD)),
        // It has arrived, and nobody has heard that yet.
        (Endpoint::Slack, Fault::Late(HELD)),
    ];
    let cases = cases.map(|(endpoint, fault)| async move {
        let what = format!("{endpoint:?} {fault:?}");
        let sandbox = Sandbox::start(setup(NOW)).await.unwrap();
        let project = Project::demo(&sandbox);
        sandbox.script(endpoint, [fault]);
        let daemon = project.command(&["run"]).spawn().unwrap();
        until(&what, async || sandbox.calls(endpoint) > 0).await;
        let asked = Instant::now();
        terminate(&daemon);
        let ended = tokio::task::spawn_blocking(|| daemon.wait_with_output().unwrap()).await.unwrap();
        assert_eq!(Ended::of(&ended).code, 0, "{what}");
        assert!(asked.elapsed() < HARD_STOP, "{what}: {:?}", asked.elapsed());
        assert_whole(&project, &sandbox, &what).await;
    });
    futures_util::future::join_all(cases).await;
}
