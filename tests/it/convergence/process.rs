//! The daemon in a process of its own, whose clock is moved from outside, so that a day passes in seconds and a process can be
//! killed, stopped or refused its writes like any other. It is told what to do line by line, and says when it has come to rest.

use std::fs::File;
use std::io::{BufRead, Write};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
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
use tokio::task::yield_now;
use tokio_util::sync::CancellationToken;
use willitsell::app::App;
use willitsell::domain::inbound::Told;
use willitsell::health::Health;
use willitsell::schedule::agreement::Agreement;
use willitsell::schedule::clock::Clock;
use willitsell::schedule::daemon::{self, Work};

use super::Faults;
use crate::project::patient;

/// What a process is told when it starts.
const FOLDER: &str = "WILLITSELL_TEST_FOLDER";
const NOW: &str = "WILLITSELL_TEST_NOW";

/// Pauses before something is tried again pass by themselves, and take no time of day: nobody is there to wait for them.
const SHORT: Duration = Duration::from_secs(5);

/// Loops of the daemon that wait for time to pass once all is done: who decides, who delivers, who reads the store through.
const LOOPS: u32 = 3;

/// One look at the clock in so many shows a time to which somebody has just put it.
const STEPPED_ONE_IN: u32 = 100;

/// How often the clock is surely looked at while a slot is run. Later looks depend on how fast the machine is.
const LOOKS: u32 = 8;

/// After at most so many more it is right again: one that differs from a server's is waited for.
const WRONG_FOR: u32 = 30;

/// A clock that is moved from outside, and that somebody puts forward and back at times, and right again.
struct Driven {
    wall: Mutex<Wall>,
    elapsed: watch::Sender<Duration>,
    /// Who waits for time to pass.
    waiting: Arc<AtomicU32>,
}

struct Wall {
    time: DateTime<Utc>,
    put: TimeDelta,
    looks: u32,
    /// At which look since time passed last it is put where, and at which it is right again.
    next: Option<(u32, i64, u32)>,
}

impl Wall {
    fn draw(&mut self, seed: Option<u64>) {
        (self.looks, self.next) = (0, None);
        let Some(mut rng) = seed.map(ChaCha8Rng::seed_from_u64) else { return };
        if !rng.random_ratio(LOOKS, STEPPED_ONE_IN) {
            return;
        }
        // One that is put a day ahead leaves that day out.
        let by = [1, 60, 3_600, 86_400][[0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 3][rng.random_range(0..16)]];
        let at = rng.random_range(1..=LOOKS);
        self.next = Some((at, if rng.random() { by } else { -by }, at + rng.random_range(1..=WRONG_FOR)));
    }
}

/// Somebody who waits.
struct Waiting(Arc<AtomicU32>);

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Driven {
    fn at(time: DateTime<Utc>) -> Self {
        let wall = Wall { time, put: TimeDelta::zero(), looks: 0, next: None };
        Self { wall: Mutex::new(wall), elapsed: watch::Sender::default(), waiting: Arc::default() }
    }

    /// Time passes, and the clock is right again, until somebody puts it as `seed` draws.
    fn pass(&self, time: Duration, seed: Option<u64>) {
        {
            let mut wall = self.wall.lock().unwrap();
            wall.time += TimeDelta::from_std(time).unwrap();
            wall.put = TimeDelta::zero();
            wall.draw(seed);
        }
        self.elapsed.send_modify(|elapsed| *elapsed += time);
    }

    /// Whether all that is due is done, and the daemon waits for time to pass. One thread does all its work: whoever was woken
    /// by what happened last comes first.
    async fn rests(&self, health: &Health, since: Duration) -> bool {
        for _ in 0..3 {
            let state = health.state();
            let has_asked = state.last_round.is_some_and(|(_, then)| then >= since);
            if !has_asked || !state.under_way.is_empty() || self.waiting.load(Ordering::Relaxed) != LOOPS {
                return false;
            }
            yield_now().await;
        }
        true
    }
}

#[async_trait]
impl Clock for Driven {
    fn now(&self) -> DateTime<Utc> {
        let mut wall = self.wall.lock().unwrap();
        wall.looks += 1;
        let looks = wall.looks;
        if let Some((at, by, until)) = wall.next {
            if looks == at {
                say(&format!("fault the clock is put by {by} s for {} looks", until - at));
                wall.put = TimeDelta::seconds(by);
            } else if looks == until {
                wall.put = TimeDelta::zero();
            }
        }
        wall.time + wall.put
    }

    fn elapsed(&self) -> Duration {
        *self.elapsed.borrow()
    }

    fn sleep<'a: 'b, 'b>(&'a self, wait: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'b>> {
        let until = self.elapsed() + wait;
        let waiting = if wait <= SHORT {
            self.elapsed.send_modify(|elapsed| *elapsed += wait);
            None
        } else {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            Some(Waiting(Arc::clone(&self.waiting)))
        };
        Box::pin(async move {
            let _waiting = waiting;
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
    say(&format!("pid {}", std::process::id()));
    let log = File::options().append(true).create(true).open(folder.join("daemon.log")).unwrap();
    tracing_subscriber::fmt().with_max_level(tracing::Level::INFO).with_writer(log).with_ansi(false).init();
    let App { loaded, mut parts, .. } = match patient(&folder).await {
        Ok(app) => app,
        Err(error) => return say(&format!("ended {error}")),
    };
    let clock = Arc::new(Driven::at(std::env::var(NOW).unwrap().parse().unwrap()));
    parts.clock = Arc::<Driven>::clone(&clock);
    let _claim = match parts.store.claim().await {
        Ok(claim) => claim,
        Err(error) => return say(&format!("ended {error}")),
    };
    let (health, stop) = (Arc::clone(&parts.health), CancellationToken::new());
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
    while let Some(line) = lines.recv().await {
        let mut numbers = line.split(' ').map(|number| number.parse().unwrap());
        clock.pass(Duration::from_secs(numbers.next().unwrap()), numbers.next());
        tracing::info!("it is {}", clock.wall.lock().unwrap().time);
        let from = clock.elapsed();
        while !running.is_finished() && !clock.rests(&health, from).await {
            tokio::time::sleep(Duration::from_millis(1)).await;
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
    /// What hinders its writes.
    pub hinder: Option<std::process::Command>,
    /// Where it is noted what goes wrong at its clock, and how it ends.
    pub faults: &'a Faults,
}

/// A process that runs; killed when dropped.
pub struct Process {
    child: Child,
    pid: Option<Pid>,
    lines: Lines<BufReader<ChildStdout>>,
    stdin: ChildStdin,
    faults: Faults,
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
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let stdin = child.stdin.take().unwrap();
        Self { child, pid: None, lines, stdin, faults: Arc::clone(start.faults) }
    }

    /// Lets time pass for it; [`Self::says`] tells when it has come to rest. `clock` draws how somebody then puts its clock
    /// forward or back; nobody does for `None`.
    pub async fn pass(&mut self, time: TimeDelta, clock: Option<u64>) {
        let seed = clock.map(|seed| format!(" {seed}")).unwrap_or_default();
        // One that is dead hears nothing.
        _ = self.stdin.write_all(format!("{}{seed}\n", time.num_seconds()).as_bytes()).await;
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
                (_, what) => self.faults.lock().unwrap().push(what.to_owned()),
            }
        }
        Said::Ended
    }

    /// What went wrong at its clock, and how it ended.
    pub fn said(&self) -> Vec<String> {
        self.faults.lock().unwrap().clone()
    }

    /// Sends it a signal; one that has ended hears none.
    pub fn signal(&self, signal: Signal) {
        _ = self.pid.map(|pid| kill_process(pid, signal));
    }

    /// Kills it and waits until it is gone.
    pub async fn kill(mut self) {
        self.signal(Signal::KILL);
        _ = self.child.wait().await;
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
