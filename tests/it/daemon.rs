//! The daemon inside this process, on a clock that the test moves: what is due runs once, a source that hangs or breaks delays
//! nobody else's experiment, and no step of the clock runs a slot twice.

mod clock;
mod detection;
mod nodes;
mod trouble;

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use willitsell::app::App;
use willitsell::config::Config;
use willitsell::connect::{Connector, PullError, PullFacts, PullRequest};
use willitsell::domain::connector::{ConnectorInfo, RowSink};
use willitsell::domain::id::{ConceptId, SourceId};
use willitsell::domain::inbound::Told;
use willitsell::domain::run::{Outcome, Run};
use willitsell::health::Health;
use willitsell::sandbox::Sandbox;
use willitsell::schedule::Parts;
use willitsell::schedule::agreement::Agreement;
use willitsell::schedule::clock::Clock;
use willitsell::schedule::daemon::{self, Died, Work};
use willitsell::store::Store;

use crate::project::{Project, setup};

/// Generous, because the machine may be busy; nothing waits this long.
const PATIENCE: Duration = Duration::from_mins(1);

/// A clock that stands still until it is moved.
pub struct Hands {
    wall: Mutex<DateTime<Utc>>,
    elapsed: watch::Sender<Duration>,
}

impl Hands {
    pub fn at(now: &str) -> Arc<Self> {
        Arc::new(Self { wall: Mutex::new(now.parse().unwrap()), elapsed: watch::channel(Duration::ZERO).0 })
    }

    /// Time passes.
    pub fn pass(&self, time: TimeDelta) {
        self.put(time);
        self.elapsed.send_modify(|elapsed| *elapsed += time.to_std().unwrap());
    }

    /// Somebody puts the clock forward or back; no time passes.
    pub fn put(&self, by: TimeDelta) {
        *self.wall.lock().unwrap() += by;
    }
}

#[async_trait]
impl Clock for Hands {
    fn now(&self) -> DateTime<Utc> {
        *self.wall.lock().unwrap()
    }

    fn elapsed(&self) -> Duration {
        *self.elapsed.borrow()
    }

    // Counted from the call on, and not from when it is first waited for: time may pass in between.
    fn sleep<'a: 'b, 'b>(&'a self, wait: Duration) -> Pin<Box<dyn Future<Output = ()> + Send + 'b>> {
        let until = self.elapsed() + wait;
        Box::pin(async move {
            self.elapsed.subscribe().wait_for(|elapsed| *elapsed >= until).await.unwrap();
        })
    }
}

/// What a source does when it is asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mood {
    /// Never answers.
    Hangs,
    /// The program fails on it.
    Panics,
}

/// A connector whose sources can be told to misbehave.
pub struct Moody {
    inner: Arc<dyn Connector>,
    moods: Mutex<BTreeMap<SourceId, Mood>>,
    asked: Mutex<BTreeMap<SourceId, u32>>,
}

impl Moody {
    pub fn set(&self, source: &str, mood: Option<Mood>) {
        let mut moods = self.moods.lock().unwrap();
        match mood {
            Some(mood) => _ = moods.insert(SourceId::new(source), mood),
            None => _ = moods.remove(&SourceId::new(source)),
        }
    }

    /// How often a source was asked.
    pub fn asked(&self, source: &str) -> u32 {
        self.asked.lock().unwrap().get(&SourceId::new(source)).copied().unwrap_or_default()
    }
}

#[async_trait]
impl Connector for Moody {
    fn info(&self) -> &ConnectorInfo {
        self.inner.info()
    }

    async fn pull(&self, request: &PullRequest<'_>, sink: &mut dyn RowSink) -> Result<PullFacts, PullError> {
        *self.asked.lock().unwrap().entry(request.source.clone()).or_default() += 1;
        let mood = self.moods.lock().unwrap().get(request.source).copied();
        match mood {
            Some(Mood::Hangs) => std::future::pending().await,
            Some(Mood::Panics) => panic!("as the test wants"),
            None => self.inner.pull(request, sink).await,
        }
    }
}

/// What a daemon works with from now on.
pub fn work(parts: Parts, Config { experiments, themes, .. }: Config) -> Work {
    let agreement = Agreement::of(&parts, &experiments, parts.clock.now());
    Work { parts, experiments, themes, catch_up: TimeDelta::days(7), agreement }
}

/// A running daemon on the demo's concepts, whose forms can be told to misbehave.
pub struct Rig {
    pub sandbox: Sandbox,
    pub project: Project,
    pub hands: Arc<Hands>,
    pub forms: Arc<Moody>,
    pub store: Arc<Store>,
    pub health: Arc<Health>,
    stop: CancellationToken,
    running: JoinHandle<Result<(), Died>>,
    _work: watch::Sender<Arc<Work>>,
    _told: watch::Sender<Told>,
}

impl Rig {
    /// Every concept's sources are asked by this schedule, in New York.
    pub async fn start(now: &str, schedule: &str) -> Self {
        let sandbox = Sandbox::start(setup(now)).await.unwrap();
        let project = Project::demo(&sandbox);
        let text = std::fs::read_to_string(project.path().join("willitsell.toml")).unwrap();
        project.write("willitsell.toml", text.replace("0 8 * * *", schedule));
        let App { loaded, mut parts, .. } = project.app().await;
        let inner = Arc::clone(parts.registry.get("typeform").unwrap());
        let forms = Arc::new(Moody { inner, moods: Mutex::default(), asked: Mutex::default() });
        parts.registry.add(Arc::<Moody>::clone(&forms));
        let hands = Hands::at(now);
        parts.clock = Arc::<Hands>::clone(&hands);
        let (store, health, stop) = (Arc::clone(&parts.store), Arc::clone(&parts.health), CancellationToken::new());
        let work = work(parts, loaded.config);
        let (change, work) = watch::channel(Arc::new(work));
        let (tell, told) = watch::channel(Told::new());
        let stopping = stop.clone();
        let running = tokio::spawn(async move { daemon::run(work, told, &stopping).await });
        Self { sandbox, project, hands, forms, store, health, stop, running, _work: change, _told: tell }
    }

    /// Time passes, at the vendors too.
    pub fn pass(&self, time: TimeDelta) {
        self.sandbox.set_now(self.hands.now() + time);
        self.hands.pass(time);
    }

    /// The slots of a concept that have a run, oldest first.
    pub async fn runs(&self, concept: &str) -> Vec<Run> {
        let mut runs = self.store.run_history(&ConceptId::new(concept), u32::MAX).await.unwrap();
        runs.reverse();
        runs
    }

    /// Waits until a concept's run of a slot has ended.
    pub async fn ended(&self, concept: &str, slot: &str) -> Run {
        let slot: DateTime<Utc> = slot.parse().unwrap();
        let found = async {
            loop {
                let runs = self.runs(concept).await;
                if let Some(run) = runs.into_iter().find(|run| run.due_at == slot && run.finished_at.is_some()) {
                    return run;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("{concept} has no run of {slot}"))
    }

    /// Waits until the daemon has asked what is due at the time the clock shows now, and all that was has ended.
    pub async fn settled(&self) {
        let now = self.hands.now();
        let settled = async {
            loop {
                let state = self.health.state();
                if state.last_round.is_some_and(|(then, _)| then == now) && state.under_way.is_empty() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(PATIENCE, settled).await.expect("the daemon has not come to rest");
    }

    /// Asks the daemon to stop, which it does.
    pub async fn stop(self) {
        self.stop.cancel();
        let hands = Arc::clone(&self.hands);
        let ended = tokio::time::timeout(PATIENCE, async {
            // What hangs is cut short once the time for it has passed.
            while !self.running.is_finished() {
                hands.pass(TimeDelta::seconds(1));
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            self.running.await.unwrap()
        });
        ended.await.expect("it does not stop").unwrap();
        self.store.check().await.unwrap();
        self.store.close().await;
        self.project.assert_no_secret_kept();
    }
}

/// What a run says went wrong.
pub fn advice(run: &Run) -> String {
    match &run.outcome {
        Some(Outcome::Failed { advice }) => advice.join("\n"),
        other => panic!("{other:?}"),
    }
}
