//! Daemons of several machines on one server: whose clock is wrong, and whose version or configuration is another's.

use sqlx::Executor;

use super::*;
use crate::postgres::{self, Database};

/// A daemon on a server, on a clock of its own, with a log of its own.
struct Node {
    project: Project,
    hands: Arc<Hands>,
    store: Arc<Store>,
    health: Arc<Health>,
    stop: CancellationToken,
    change: watch::Sender<Arc<Work>>,
    told: watch::Sender<Told>,
    running: Option<JoinHandle<Result<(), Died>>>,
}

impl Node {
    /// Not begun yet. Its configuration has some text in place of another.
    async fn new(database: &Database, sandbox: &Sandbox, clock: TimeDelta, (from, to): (&str, &str)) -> Self {
        let project = Project::demo_on(sandbox, database);
        let text = std::fs::read_to_string(project.path().join("willitsell.toml")).unwrap();
        project.write("willitsell.toml", text.replace(from, to));
        let App { loaded, mut parts, .. } = project.app().await;
        let hands = Hands::at(&(Utc::now() + clock).to_rfc3339());
        parts.clock = Arc::<Hands>::clone(&hands);
        let (store, health) = (Arc::clone(&parts.store), Arc::clone(&parts.health));
        let (change, _) = watch::channel(Arc::new(work(parts, loaded.config)));
        let told = watch::channel(Told::new()).0;
        Self { project, hands, store, health, stop: CancellationToken::new(), change, told, running: None }
    }

    async fn begin(&mut self) {
        self.store.claim().await.unwrap();
        let (work, told, stop) = (self.change.subscribe(), self.told.subscribe(), self.stop.clone());
        self.running = Some(tokio::spawn(async move { daemon::run(work, told, &stop).await }));
    }

    async fn is_idle(&self) -> bool {
        self.store.last_runs().await.unwrap().is_empty()
    }

    /// Waits for something, while time passes by the daemon's clock.
    async fn until(&self, what: impl AsyncFn(&Self) -> bool) {
        let found = async {
            while !what(self).await {
                self.hands.pass(TimeDelta::milliseconds(200));
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        };
        tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("{:?}", self.health.state()));
    }

    async fn end(self) {
        self.stop.cancel();
        self.running.unwrap().await.unwrap().unwrap();
        self.store.close().await;
        drop(self.project);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn c6_a_daemon_whose_clock_differs_from_the_servers_begins_nothing_until_it_is_put_right() {
    let Some(database) = postgres::database().await else { return };
    let sandbox = Sandbox::start(setup("2026-04-20T12:00:00Z")).await.unwrap();
    for (wrong, says) in [(TimeDelta::minutes(3), "ahead of"), (-TimeDelta::minutes(3), "behind")] {
        let mut node = Node::new(&database, &sandbox, wrong, ("", "")).await;
        let error = node.store.must_agree_on(node.hands.now()).await.unwrap_err();
        assert!(error.may_pass() && error.to_string().contains(says), "{error}");
        node.begin().await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(node.is_idle().await, "no day has ended by a wrong clock");
        node.hands.put(-wrong);
        node.until(async |node| !node.is_idle().await).await;
        node.end().await;
        database.run("DELETE FROM run").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s8_of_two_configurations_on_one_store_the_one_read_later_is_used() {
    let Some(database) = postgres::database().await else { return };
    let sandbox = Sandbox::start(setup("2026-04-20T12:00:00Z")).await.unwrap();
    let (now, later) = (TimeDelta::zero(), TimeDelta::seconds(10));
    let mut old = Node::new(&database, &sandbox, now, ("", "")).await;
    let mut new = Node::new(&database, &sandbox, later, ("build_bar = 0.03", "build_bar = 0.04")).await;
    // The later one is there, with nothing that is its turn.
    new.store.claim().await.unwrap();
    let agreement = new.change.borrow().agreement.clone();
    assert_eq!(agreement.overruled(&new.change.borrow().parts).await.unwrap(), None);
    old.begin().await;
    old.until(async |node| node.health.state().overruled.is_some()).await;
    assert!(old.is_idle().await, "it does not judge by bars that hold no more");
    assert!(old.health.state().troubles().iter().any(|trouble| trouble.contains("another version or configuration")));
    new.begin().await;
    new.until(async |node| !node.is_idle().await).await;
    assert!(new.health.state().overruled.is_none());
    new.end().await;
    // Alone, it goes on.
    database.run("DELETE FROM run").await;
    old.hands.pass(TimeDelta::seconds(31));
    old.until(async |node| node.health.state().overruled.is_none() && !node.is_idle().await).await;
    old.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn s8_a_slot_that_another_daemon_was_faster_to_take_is_not_shown_as_under_way() {
    let Some(database) = postgres::database().await else { return };
    let sandbox = Sandbox::start(setup("2026-04-20T12:00:00Z")).await.unwrap();
    let mut node = Node::new(&database, &sandbox, TimeDelta::zero(), ("", "")).await;
    node.begin().await;
    let have_ended = async |node: &Node| {
        let runs = node.store.last_runs().await.unwrap();
        runs.len() == 3 && runs.iter().all(|run| run.finished_at.is_some()) && node.health.state().under_way.is_empty()
    };
    node.until(have_ended).await;
    // The same slots are due once more; when it has seen that nobody runs them, and is about to, another has.
    database.run("CREATE TABLE taken AS SELECT * FROM run; DELETE FROM run").await;
    let mut other = database.connect().await;
    other.execute("BEGIN; INSERT INTO run SELECT * FROM taken").await.unwrap();
    node.hands.pass(TimeDelta::seconds(31));
    node.until(async |node| node.health.state().under_way.len() == 3).await;
    other.execute("COMMIT").await.unwrap();
    node.until(have_ended).await;
    let query = "SELECT COUNT(*) FROM run JOIN taken USING (id, started_at)";
    let as_before: i64 = sqlx::query_scalar(query).fetch_one(&mut other).await.unwrap();
    assert_eq!(as_before, 3, "it ran none of them itself");
    node.end().await;
}
