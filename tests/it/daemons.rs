//! Several daemons on one store on a server, as real processes: started at once, stopped and woken, killed. Every slot runs
//! once, and whoever was stopped for longer than its lease writes and sends nothing that another has taken over.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use sqlx::{AssertSqlSafe, Row};
use willitsell::sandbox::{Endpoint, Fault, Sandbox};

use crate::canary::assert_no_canary;
use crate::postgres::{self, Database};
use crate::project::{Project, setup};

/// The vendors' clock; the program's is months ahead, so that each concept has one slot that is due at once.
const NOW: &str = "2026-04-20T12:00:00Z";

const CONCEPTS: i64 = 3;

/// `willitsell run`, its log in a file.
struct Daemon {
    child: Child,
    log: PathBuf,
}

impl Daemon {
    fn start(project: &Project, name: &str) -> Self {
        let log = project.path().join(format!("{name}.log"));
        let mut command = project.command(&["run"]);
        command.env("WILLITSELL_LOG", "info").stdout(Stdio::null()).stderr(File::create(&log).unwrap());
        Self { child: command.spawn().unwrap(), log }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    fn said(&self) -> String {
        let said = std::fs::read_to_string(&self.log).unwrap();
        assert_no_canary(&said);
        said
    }

    fn decided(&self) -> usize {
        self.said().lines().filter(|line| line.contains(" decided ") && line.contains("INFO")).count()
    }

    /// Asks it to stop, and waits until it has; gives back what it said.
    fn stopped(mut self) -> String {
        self.signal(Signal::TERM);
        let asked = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(asked.elapsed() < Duration::from_secs(30), "it does not stop: {}", self.said());
            std::thread::sleep(Duration::from_millis(50));
        }
        self.said()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        _ = self.child.kill();
        _ = self.child.wait();
    }
}

/// What a question is answered with; −1 while there are no tables yet.
async fn number(database: &Database, query: &str) -> i64 {
    let mut connection = database.connect().await;
    match sqlx::query(AssertSqlSafe(query.to_owned())).fetch_one(&mut connection).await {
        Ok(row) => row.get(0),
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("42P01") => -1,
        Err(error) => panic!("{error}"),
    }
}

/// Waits until a question has an answer.
async fn until(database: &Database, query: &str, wanted: i64, daemons: &[&Daemon]) {
    let began = Instant::now();
    while number(database, query).await != wanted {
        let said = || daemons.iter().map(|daemon| daemon.said()).collect::<Vec<_>>().join("\n---\n");
        assert!(began.elapsed() < Duration::from_mins(2), "{query} is never {wanted}:\n{}", said());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

const ENDED: &str = "SELECT COUNT(*) FROM run WHERE finished_at IS NOT NULL AND outcome NOT LIKE '%bandoned%'";
/// 1 where any is.
const OPEN: &str = "SELECT LEAST(COUNT(*), 1) FROM run WHERE finished_at IS NULL";
const DOUBLED: &str = "SELECT COUNT(*) - COUNT(DISTINCT (concept_id, as_of)) FROM scorecard";
const WRITTEN: &str = "SELECT (SELECT COUNT(*) FROM pull) * 1000000 + (SELECT COUNT(*) FROM scorecard) * 1000 \
    + (SELECT COALESCE(SUM(attempts), 0)::bigint FROM delivery)";

/// No message came twice, and each that is written down came.
async fn assert_told_once(sandbox: &Sandbox, database: &Database) {
    until(database, "SELECT COUNT(*) FROM delivery WHERE state <> 'delivered'", 0, &[]).await;
    let told: Vec<String> = sandbox.messages().into_iter().map(|message| message.delivery_id.unwrap()).collect();
    let once: BTreeSet<&String> = told.iter().collect();
    assert_eq!(once.len(), told.len(), "{told:?}");
    assert_eq!(number(database, "SELECT COUNT(*) FROM delivery").await, i64::try_from(told.len()).unwrap());
    assert!(!told.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn s8_daemons_that_start_at_once_run_every_slot_once() {
    let Some(database) = postgres::database().await else { return };
    let sandbox = Sandbox::start(setup(NOW)).await.unwrap();
    let project = Project::demo_on(&sandbox, &database);
    for round in 0..3 {
        let daemons: Vec<Daemon> = (0..3).map(|name| Daemon::start(&project, &format!("{round}-{name}"))).collect();
        until(&database, ENDED, CONCEPTS, &daemons.iter().collect::<Vec<_>>()).await;
        let told = "SELECT COUNT(*) FROM delivery WHERE state <> 'delivered'";
        until(&database, told, 0, &daemons.iter().collect::<Vec<_>>()).await;
        let decided: Vec<usize> = daemons.iter().map(Daemon::decided).collect();
        assert_eq!(decided.iter().sum::<usize>(), 3, "each slot once, whoever ran it: {decided:?}");
        assert_eq!(number(&database, "SELECT COUNT(*) FROM run").await, CONCEPTS);
        // Later rounds may know of more readings than the first verdicts of these slots did, and give others.
        if round == 0 {
            assert_eq!(number(&database, DOUBLED).await, 0);
        }
        for daemon in daemons {
            let said = daemon.stopped();
            assert!(!said.contains("ERROR") && !said.contains("begun anew"), "{said}");
        }
        assert_eq!(number(&database, "SELECT COUNT(*) FROM node").await, 0, "who stops gives back what it had");
        // The same slots, due once more.
        database.run("DELETE FROM run").await;
    }
    assert_told_once(&sandbox, &database).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s9_a_daemon_that_was_stopped_past_its_lease_wakes_and_writes_nothing() {
    let Some(database) = postgres::database().await else { return };
    let sandbox = Sandbox::start(setup(NOW)).await.unwrap();
    let project = Project::demo_on(&sandbox, &database);
    sandbox.script(Endpoint::GoogleAds, [Fault::Slow(Duration::from_secs(15))]);
    let one = Daemon::start(&project, "one");
    until(&database, OPEN, 1, &[&one]).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    // One that is stopped while it tells something is undecidable: this is about what it would tell later.
    until(&database, "SELECT COUNT(*) FROM delivery WHERE state <> 'delivered'", 0, &[&one]).await;
    one.signal(Signal::STOP);
    assert_eq!(number(&database, OPEN).await, 1, "stopped in the middle of a run");
    // As if half a minute had gone by.
    database.run("UPDATE node SET until = 0").await;
    let two = Daemon::start(&project, "two");
    until(&database, ENDED, CONCEPTS, &[&two]).await;
    until(&database, "SELECT COUNT(*) FROM delivery WHERE state <> 'delivered'", 0, &[&two]).await;
    assert_eq!(two.decided(), 3);
    assert!(two.said().contains("taken up again"), "{}", two.said());
    let before = number(&database, WRITTEN).await;
    one.signal(Signal::CONT);
    let woke = Instant::now();
    while !one.said().contains("stopped or cut off for longer than its lease") {
        assert!(woke.elapsed() < Duration::from_mins(1), "{}", one.said());
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // It begins anew under another number, and finds nothing left to do.
    until(&database, "SELECT COUNT(*) FROM node", 2, &[&one]).await;
    assert_eq!(number(&database, WRITTEN).await, before, "{}", one.said());
    assert_eq!(one.decided(), 0);
    assert_eq!(number(&database, DOUBLED).await, 0);
    assert_told_once(&sandbox, &database).await;
    one.stopped();
    two.stopped();
}

#[tokio::test(flavor = "multi_thread")]
async fn s9_the_work_of_a_daemon_that_was_killed_is_taken_over() {
    let Some(database) = postgres::database().await else { return };
    let sandbox = Sandbox::start(setup(NOW)).await.unwrap();
    let project = Project::demo_on(&sandbox, &database);
    sandbox.script(Endpoint::GoogleAds, [Fault::Slow(Duration::from_secs(20))]);
    let one = Daemon::start(&project, "one");
    until(&database, OPEN, 1, &[&one]).await;
    let two = Daemon::start(&project, "two");
    // The other slots read what the first is reading: they wait for it, and go on without it.
    until(&database, "SELECT COUNT(*) FROM node", 2, &[&one, &two]).await;
    one.signal(Signal::KILL);
    let killed = Instant::now();
    until(&database, ENDED, CONCEPTS, &[&two]).await;
    // A lease of 30 s, and a look at least every 30 s.
    assert!(killed.elapsed() < Duration::from_secs(90), "{:?}", killed.elapsed());
    assert!(two.said().contains("taken up again"), "{}", two.said());
    assert_eq!(number(&database, DOUBLED).await, 0);
    assert_told_once(&sandbox, &database).await;
    two.stopped();
}

#[tokio::test(flavor = "multi_thread")]
async fn s9_an_idle_daemon_that_lost_its_lease_notices_before_its_next_slot() {
    let Some(database) = postgres::database().await else { return };
    let sandbox = Sandbox::start(setup(NOW)).await.unwrap();
    let project = Project::demo_on(&sandbox, &database);
    let one = Daemon::start(&project, "one");
    until(&database, ENDED, CONCEPTS, &[&one]).await;
    until(&database, "SELECT COUNT(*) FROM delivery WHERE state <> 'delivered'", 0, &[&one]).await;
    // Nothing is due any more. It could write nothing, and deliveries of vendors would be turned away.
    database.run("UPDATE node SET until = 0").await;
    until(&database, "SELECT COUNT(*) FROM node WHERE until > 0", 1, &[&one]).await;
    assert!(one.said().contains("begun anew"), "{}", one.said());
    one.stopped();
}
