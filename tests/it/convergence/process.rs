//! The daemon in a process of its own, whose clock is moved from outside, so that a day passes in seconds and a process can be
//! killed, stopped or refused its writes like any other. It is told what to do line by line, and says when it has come to rest.

use std::fs::File;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;
use willitsell::app::App;
use willitsell::domain::inbound::Told;
use willitsell::schedule::agreement::Agreement;
use willitsell::schedule::clock::Clock;
use willitsell::schedule::daemon::{self, Work};
use willitsell::store::Store;

use crate::project::{KEY, patient};

/// What a process is told when it starts.
const FOLDER: &str = "WILLITSELL_TEST_FOLDER";
const NOW: &str = "WILLITSELL_TEST_NOW";
const CLOCK: &str = "WILLITSELL_TEST_CLOCK";
const WATCH: &str = "WILLITSELL_TEST_WATCH";

/// Pauses before something is tried again pass by themselves: nobody is there to wait for them.
const SHORT: Duration = Duration::from_secs(5);

/// A message that waits for an earlier one is due and not sent: so long nothing happens, then it is not waited for.
const STILL: u32 = 50;

/// One look at the clock in so many shows a time to which somebody has just put it.
const STEPPED_ONE_IN: u32 = 100;

/// How often the clock is surely looked at while a slot is run. Later looks depend on how fast the machine is.
const LOOKS: u32 = 8;

/// A clock that is moved from outside, and that somebody puts forward and back at times until it is next moved.
struct Driven {
    wall: Mutex<Wall>,
    elapsed: watch::Sender<Duration>,
}

struct Wall {
    time: DateTime<Utc>,
    put: TimeDelta,
    steps: Option<ChaCha8Rng>,
    looks: u32,
    /// At which look since time passed last it is put where.
    next: Option<(u32, i64)>,
}

impl Wall {
    fn draw(&mut self) {
        (self.looks, self.next) = (0, None);
        let Some(rng) = &mut self.steps else { return };
        if !rng.random_ratio(LOOKS, STEPPED_ONE_IN) {
            return;
        }
        let by = [1, 60, 60, 3_600, 3_600, 3_600, 86_400][rng.random_range(0..7)];
        self.next = Some((rng.random_range(1..=LOOKS), if rng.random() { by } else { -by }));
    }
}

impl Driven {
    fn at(time: DateTime<Utc>, steps: Option<u64>) -> Self {
        let steps = steps.map(ChaCha8Rng::seed_from_u64);
        let wall = Wall { time, put: TimeDelta::zero(), steps, looks: 0, next: None };
        Self { wall: Mutex::new(wall), elapsed: watch::Sender::default() }
    }

    /// Time passes, and the clock is right again.
    fn pass(&self, time: Duration) {
        {
            let mut wall = self.wall.lock().unwrap();
            wall.time += TimeDelta::from_std(time).unwrap();
            wall.put = TimeDelta::zero();
            wall.draw();
        }
        self.elapsed.send_modify(|elapsed| *elapsed += time);
    }

    fn time(&self) -> DateTime<Utc> {
        self.wall.lock().unwrap().time
    }
}

#[async_trait]
impl Clock for Driven {
    fn now(&self) -> DateTime<Utc> {
        let mut wall = self.wall.lock().unwrap();
        wall.looks += 1;
        let looks = wall.looks;
        if let Some((_, by)) = wall.next.take_if(|(at, _)| *at == looks) {
            say(&format!("fault the clock is put by {by} s"));
            wall.put += TimeDelta::seconds(by);
        }
        wall.time + wall.put
    }

    fn elapsed(&self) -> Duration {
        *self.elapsed.borrow()
    }

    fn sleep<'a: 'b, 'b>(&'a self, wait: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'b>> {
        let until = self.elapsed() + wait;
        if wait <= SHORT {
            self.wall.lock().unwrap().time += TimeDelta::from_std(wait).unwrap();
            self.elapsed.send_modify(|elapsed| *elapsed += wait);
        }
        Box::pin(async move {
            self.elapsed.subscribe().wait_for(|elapsed| *elapsed >= until).await.unwrap();
        })
    }
}

fn say(what: &str) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "@{what}").unwrap();
    out.flush().unwrap();
}

/// The process itself.
#[tokio::test]
#[ignore = "run as a process by other tests"]
async fn driven() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let set = |name: &str| std::env::var(name).ok();
    say(&format!("pid {}", std::process::id()));
    let log = File::options().append(true).create(true).open(folder.join("daemon.log")).unwrap();
    tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).with_writer(log).with_ansi(false).init();
    let App { loaded, mut parts } = match patient(&folder).await {
        Ok(app) => app,
        Err(error) => return say(&format!("ended {error}")),
    };
    let clock = Arc::new(Driven::at(set(NOW).unwrap().parse().unwrap(), set(CLOCK).map(|seed| seed.parse().unwrap())));
    parts.clock = Arc::<Driven>::clone(&clock);
    let _claim = match parts.store.claim().await {
        Ok(claim) => claim,
        Err(error) => return say(&format!("ended {error}")),
    };
    let (store, health, stop) = (Arc::clone(&parts.store), Arc::clone(&parts.health), CancellationToken::new());
    // Nothing goes wrong for whoever only looks whether all is at rest.
    let store = match set(WATCH) {
        Some(url) => Arc::new(Store::open_with(&url, Some(&KEY.into())).await.unwrap()),
        None => store,
    };
    let (experiments, themes) = (loaded.config.experiments, loaded.config.themes);
    let agreement = Agreement::of(&parts, &experiments, parts.clock.now());
    let work = Work { parts, experiments, themes, catch_up: TimeDelta::days(7), agreement };
    let (_change, work) = watch::channel(Arc::new(work));
    let (_tell, told) = watch::channel(Told::new());
    let stopping = stop.clone();
    let running = tokio::spawn(async move { daemon::run(work, told, &stopping).await });
    let (heard, mut lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        std::io::stdin().lock().lines().map_while(Result::ok).for_each(|line| _ = heard.send(line));
    });
    say("ready");
    while let Some(seconds) = lines.recv().await {
        clock.pass(Duration::from_secs(seconds.parse().unwrap()));
        let (from, mut due, mut still) = (clock.elapsed(), 0, 0);
        while !running.is_finished() {
            let state = health.state();
            if state.last_round.is_some_and(|(_, then)| then >= from) && state.under_way.is_empty() {
                let now = store.due_deliveries(clock.time()).await.map_or(usize::MAX, |due| due.len());
                still = if now == due { still + 1 } else { 0 };
                due = now;
                if due == 0 || still > STILL {
                    break;
                }
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        if running.is_finished() {
            return say(&format!("ended {:?}", running.await));
        }
        say("settled");
    }
}

/// How a process is started.
pub struct Start<'a> {
    /// Where its configuration is.
    pub folder: &'a Path,
    /// What its clock shows.
    pub now: DateTime<Utc>,
    /// Draws how its clock is put forward and back; `None`: never.
    pub clock: Option<u64>,
    /// Its store's address as it is without anything between; `None`: a file.
    pub watch: Option<&'a str>,
    /// What hinders its writes.
    pub hinder: Option<std::process::Command>,
}

/// A process that runs; killed when dropped.
pub struct Process {
    child: Child,
    pid: Option<Pid>,
    lines: Lines<BufReader<ChildStdout>>,
    stdin: ChildStdin,
    /// What went wrong at its clock, and how it ended.
    pub said: Vec<String>,
}

/// What a process says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It does what is due.
    Ready,
    /// All that was due is done.
    Settled,
    /// It has ended, whatever the reason.
    Ended,
}

impl Process {
    /// Starts one.
    pub fn start(start: Start<'_>) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut command = match start.hinder {
            Some(mut command) => {
                command.arg(program);
                Command::from(command)
            }
            None => Command::new(program),
        };
        command.args(["--exact", "convergence::process::driven", "--ignored", "--nocapture"]);
        command.env(FOLDER, start.folder).env(NOW, start.now.to_rfc3339());
        command.env_remove(CLOCK).env_remove(WATCH);
        command.envs(start.clock.map(|seed| (CLOCK, seed.to_string()))).envs(start.watch.map(|url| (WATCH, url)));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let stdin = child.stdin.take().unwrap();
        Self { child, pid: None, lines, stdin, said: Vec::new() }
    }

    /// Lets time pass for it; [`Self::says`] tells when it has come to rest.
    pub async fn pass(&mut self, time: TimeDelta) {
        // One that is dead hears nothing.
        _ = self.stdin.write_all(format!("{}\n", time.num_seconds()).as_bytes()).await;
    }

    /// What it says next.
    pub async fn says(&mut self) -> Said {
        while let Ok(Some(line)) = self.lines.next_line().await {
            // The first line stands behind what the test runner writes.
            let Some((_, line)) = line.split_once('@') else { continue };
            match line.split_once(' ').unwrap_or((line, "")) {
                ("ready", _) => return Said::Ready,
                ("settled", _) => return Said::Settled,
                ("pid", pid) => self.pid = Pid::from_raw(pid.parse().unwrap()),
                (_, what) => self.said.push(what.to_owned()),
            }
        }
        Said::Ended
    }

    /// Sends it a signal; one that has ended hears none.
    pub fn signal(&self, signal: Signal) {
        _ = self.pid.map(|pid| kill_process(pid, signal));
    }

    /// Kills it and waits until it is gone.
    pub async fn kill(mut self) -> Vec<String> {
        self.signal(Signal::KILL);
        _ = self.child.wait().await;
        std::mem::take(&mut self.said)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Whoever hinders it does not die with it.
        if matches!(self.child.try_wait(), Ok(None)) {
            self.signal(Signal::KILL);
        }
    }
}
