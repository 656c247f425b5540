//! Three daemons on one PostgreSQL, real processes: each simulated minute one of them is killed and another is stopped, in the
//! middle of the minute's work, and the one that was stopped comes to again when the third has taken over. Every slot runs once
//! or is counted as missed, whoever was stopped writes nothing under its old number, and the work is spread evenly.
//!
//! ```sh
//! WILLITSELL_FLEET="500 1200" cargo test --release --test it fleet -- --nocapture    # sources, minutes
//! ```
//! The clock of the server is simulated too (`convergence/clock.rs`), so leases run out by themselves when half a minute has passed
//! on it. What runs by the machine's clock is done by the test in the minutes that pass in a moment: those who live renew their
//! leases, and transactions that a stopped daemon left open for half a minute are ended. `daemons.rs` waits for real leases.

use std::fmt::Write as _;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Timelike, Utc};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rustix::process::Signal;
use sqlx::{AssertSqlSafe, Executor, PgConnection, Row};
use tokio::time::{Instant, timeout};
use willitsell::sandbox::{Endpoint, Sandbox, Setup, demo};

use crate::canary::CANARY;
use crate::convergence::process::{Process, Said, Start};
use crate::convergence::{Faults, clock};
use crate::postgres::{self, Database};
use crate::project::{KEY, Project, setup};

/// Sources and minutes of `cargo test`.
const SMALL: (u32, u32) = (30, 6);

const DAEMONS: usize = 3;

/// Longer than a lease, and than the longest sleep of a daemon.
const LAPSE: TimeDelta = TimeDelta::seconds(31);

/// Nothing takes so long, however busy the machine.
const PATIENCE: Duration = Duration::from_mins(3);

/// What of a store is watched: who got which number, whether whoever writes a row still has its last one, and how often a slot
/// came to its end.
const WATCHED: &str = "
    CREATE TABLE sim.number (nth BIGSERIAL PRIMARY KEY, fence BIGINT, who TEXT);
    CREATE TABLE sim.write (who TEXT, what TEXT, is_held BOOLEAN);
    CREATE TABLE sim.ended (run TEXT, who TEXT);
    CREATE FUNCTION sim.note_number() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO sim.number (fence, who) VALUES (NEW.fence, session_user);
        RETURN NULL;
    END $$;
    CREATE FUNCTION sim.note_write() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO sim.write VALUES (session_user, TG_TABLE_NAME, EXISTS (SELECT 1 FROM node WHERE fence =
            (SELECT fence FROM sim.number WHERE who = session_user ORDER BY nth DESC LIMIT 1)));
        RETURN NULL;
    END $$;
    CREATE FUNCTION sim.note_end() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        INSERT INTO sim.ended VALUES (NEW.id, session_user);
        RETURN NULL;
    END $$;
    CREATE TRIGGER number AFTER INSERT ON node FOR EACH ROW EXECUTE FUNCTION sim.note_number();
    CREATE TRIGGER write AFTER INSERT OR UPDATE OR DELETE ON run FOR EACH ROW EXECUTE FUNCTION sim.note_write();
    CREATE TRIGGER write AFTER INSERT OR UPDATE OR DELETE ON pull FOR EACH ROW EXECUTE FUNCTION sim.note_write();
    CREATE TRIGGER write AFTER INSERT OR UPDATE OR DELETE ON scorecard FOR EACH ROW EXECUTE FUNCTION sim.note_write();
    CREATE TRIGGER ended AFTER UPDATE ON run FOR EACH ROW
        WHEN (NEW.finished_at IS NOT NULL AND NEW.outcome NOT LIKE '%bandoned%') EXECUTE FUNCTION sim.note_end();
";

/// Slots that ran to their end, and those that a later run counts as missed.
const ENDED: &str = "SELECT COUNT(*) FROM run WHERE finished_at IS NOT NULL AND outcome NOT LIKE '%bandoned%'";
const MISSED: &str = "SELECT COALESCE(SUM(missed), 0)::bigint FROM run";

/// What a daemon says that was refused.
const REFUSED: &str = "stopped or cut off for longer than its lease";

/// One daemon: its configuration, and its process while that runs.
struct Daemon {
    /// As the server knows it.
    user: String,
    project: Project,
    process: Process,
    /// What its clock shows.
    clock: DateTime<Utc>,
    /// How often it has still to say that it rests.
    owes: u32,
}

/// Half as many experiments as sources, with an account and a form each, a slot an hour or every five minutes.
fn configuration(sandbox: &Sandbox, experiments: u32, every: u32) -> String {
    let mut text = format!(
        "[store]\nurl = \"file:secrets/store\"\nkey = \"file:secrets/key\"\n[run]\nsources_at_once = 4\n[login.google]\n\
         client_id = \"{}\"\nclient_secret = \"file:secrets/client\"\nrefresh_token = \"file:secrets/refresh\"\n\
         token_url = \"{}\"\n",
        sandbox.secrets().client_id,
        sandbox.url(Endpoint::GoogleToken),
    );
    let concept = &demo::concepts()[0];
    let (arm, form) = (&concept.truth.arms[0], &concept.truth.form_id);
    let campaigns: Vec<String> = arm.campaigns.iter().map(|campaign| format!("\"{}\"", campaign.id)).collect();
    let (ads, forms) = (sandbox.url(Endpoint::GoogleAds), sandbox.url(Endpoint::Typeform));
    for number in 0..experiments {
        let minutes: Vec<String> =
            (number % every..60).step_by(every as usize).map(|minute| minute.to_string()).collect();
        write!(
            text,
            r#"
[source.ads-{number}]
connector = "google_ads"
login = "google"
settings = {{ customer_id = "{customer}", base_url = "{ads}", per_second = "1000" }}
[source.form-{number}]
connector = "typeform"
settings = {{ form_id = "{form}", token = "file:secrets/typeform", base_url = "{forms}", per_second = "1000" }}
[experiment.concept-{number}]
title = "{number}"
hypothesis = "people will leave an address"
schedule = "{minutes} * * * *"
timezone = "America/New_York"
start = "2026-04-06"
stop = "2026-04-30"
sources = ["ads-{number}", "form-{number}"]
[experiment.concept-{number}.arm.{key}]
keys = {{ ads-{number} = [{campaigns}], form-{number} = ["{key}"] }}
[experiment.concept-{number}.rate.signup]
numerator = "signups"
denominator = "clicks"
[experiment.concept-{number}.policy]
primary = "signup"
kill_bar = 0.02
build_bar = 0.03
"#,
            minutes = minutes.join(","),
            customer = sandbox.world().customer_id,
            campaigns = campaigns.join(", "),
            key = arm.key,
        )
        .unwrap();
    }
    text
}

/// The three, each a user of its own at the server, so that it is known who wrote.
struct Fleet<'a> {
    sandbox: &'a Sandbox,
    server: PgConnection,
    daemons: Vec<Daemon>,
    rng: ChaCha8Rng,
    now: DateTime<Utc>,
    experiments: u32,
    every: u32,
    began: DateTime<Utc>,
    /// Runs that were under way in a daemon when it was killed, or stopped.
    killed_in: i64,
    stopped_in: i64,
}

fn start(project: &Project, now: DateTime<Utc>) -> Process {
    Process::start(Start { folder: project.path(), now, hinder: None, faults: &Faults::default() })
}

impl Fleet<'_> {
    async fn number(&mut self, query: &str) -> i64 {
        sqlx::query(AssertSqlSafe(query.to_owned())).fetch_one(&mut self.server).await.unwrap().get(0)
    }

    async fn run(&mut self, statements: String) {
        self.server.execute(sqlx::raw_sql(AssertSqlSafe(statements))).await.unwrap();
    }

    /// Which experiments have a slot in the minute that has begun.
    fn due(&self, at: DateTime<Utc>) -> i64 {
        let due = (0..self.experiments).filter(|number| number % self.every == at.minute() % self.every);
        i64::try_from(due.count()).unwrap()
    }

    /// How many slots there were by now: the one before the beginning, and all since.
    fn slots(&self) -> i64 {
        let minutes = 1..=(self.now - self.began).num_minutes();
        i64::from(self.experiments) + minutes.map(|it| self.due(self.began + TimeDelta::minutes(it))).sum::<i64>()
    }

    /// Time passes everywhere. Those who live have renewed their leases when it has; of those whose leases had run out
    /// there is nothing to renew.
    async fn pass(&mut self, time: TimeDelta, living: &[usize]) {
        self.now += time;
        let users: Vec<String> = living.iter().map(|which| format!("'{}'", self.daemons[*which].user)).collect();
        let whose = format!("fence IN (SELECT fence FROM sim.number WHERE who IN ({}))", users.join(", "));
        self.run(clock::put(self.now, &whose)).await;
        self.sandbox.set_now(self.now);
        for which in living {
            self.tell(*which).await;
        }
    }

    /// A daemon hears what time it is.
    async fn tell(&mut self, which: usize) {
        let (now, daemon) = (self.now, &mut self.daemons[which]);
        daemon.process.pass(now - daemon.clock, None).await;
        (daemon.clock, daemon.owes) = (now, daemon.owes + 1);
    }

    /// As the server does once a transaction was left alone for half a minute.
    async fn end_idle(&mut self, which: usize) {
        let user = &self.daemons[which].user;
        self.run(format!(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE usename = '{user}' AND state LIKE 'idle in transaction%'"
        ))
        .await;
    }

    /// Waits until a daemon has done what is due; one that ends by itself is started again. `stopped` may be in its way.
    async fn rest(&mut self, which: usize, stopped: Option<usize>) {
        let began = Instant::now();
        while self.daemons[which].owes > 0 {
            let daemon = &mut self.daemons[which];
            match timeout(Duration::from_millis(100), daemon.process.says()).await {
                Ok(Said::Ready) => daemon.process.pass(TimeDelta::zero(), None).await,
                Ok(Said::Settled) => daemon.owes -= 1,
                Ok(Said::Ended) => {
                    println!("{} ended by itself: {:?}", daemon.user, daemon.process.said());
                    self.restart(which);
                }
                Err(tokio::time::error::Elapsed { .. }) => {
                    assert!(began.elapsed() < PATIENCE, "{} never comes to rest", daemon.user);
                    if let Some(stopped) = stopped {
                        self.end_idle(stopped).await;
                    }
                }
            }
        }
    }

    fn restart(&mut self, which: usize) {
        let process = start(&self.daemons[which].project, self.now);
        let daemon = &mut self.daemons[which];
        (daemon.process, daemon.clock, daemon.owes) = (process, self.now, 1);
    }

    /// Waits until so many slots of this minute were taken up.
    async fn until_begun(&mut self, wanted: i64) {
        let (began, due_at) = (Instant::now(), self.now.timestamp_millis());
        while self.number(&format!("SELECT COUNT(*) FROM run WHERE due_at = {due_at}")).await < wanted {
            assert!(began.elapsed() < PATIENCE, "{wanted} slots of {} are never begun", self.now);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    async fn under_way(&mut self, which: usize) -> i64 {
        let user = self.daemons[which].user.clone();
        self.number(&format!(
            "SELECT COUNT(*) FROM run WHERE finished_at IS NULL \
             AND fence = (SELECT fence FROM sim.number WHERE who = '{user}' ORDER BY nth DESC LIMIT 1)"
        ))
        .await
    }

    /// A minute in which one is killed and one is stopped.
    async fn minute(&mut self) {
        self.pass(TimeDelta::minutes(1) - LAPSE, &[0, 1, 2]).await;
        let killed = self.rng.random_range(0..DAEMONS);
        let stopped = (killed + self.rng.random_range(1..DAEMONS)) % DAEMONS;
        let third = DAEMONS - killed - stopped;
        let (begun, later) = (self.rng.random_range(0..=self.due(self.now)), self.rng.random_range(0..40));
        self.until_begun(begun).await;
        tokio::time::sleep(Duration::from_millis(later)).await;
        self.daemons[stopped].process.signal(Signal::STOP);
        self.daemons[killed].process.signal(Signal::KILL);
        self.stopped_in += self.under_way(stopped).await;
        self.killed_in += self.under_way(killed).await;
        self.pass(LAPSE, &[third]).await;
        self.end_idle(stopped).await;
        self.rest(third, Some(stopped)).await;
        self.daemons[stopped].process.signal(Signal::CONT);
        self.tell(stopped).await;
        self.restart(killed);
        self.rest(stopped, None).await;
        self.rest(killed, None).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn s8_s9_three_daemons_of_which_one_is_killed_and_one_is_stopped_every_minute() {
    let Some(database) = postgres::database().await else { return };
    let (sources, minutes) = std::env::var("WILLITSELL_FLEET").map_or(SMALL, |size| {
        let (sources, minutes) = size.split_once(' ').unwrap();
        (sources.parse().unwrap(), minutes.parse().unwrap())
    });
    let (experiments, every) = (sources / 2, if minutes < 60 { 5 } else { 60 });
    // Half a minute before the slots of the hour begin.
    let began = "2026-04-09T13:59:00Z".parse::<DateTime<Utc>>().unwrap();
    let sandbox = Sandbox::start(Setup { google_page_rows: 10_000, ..setup(&began.to_rfc3339()) }).await.unwrap();
    let projects = projects(&database, &sandbox, &configuration(&sandbox, experiments, every)).await;
    clock::stop(&database, began).await;
    projects[0].1.app().await.parts.store.close().await;
    database.run(WATCHED).await;

    let daemon = |(user, project): (String, Project)| {
        let process = start(&project, began);
        Daemon { user, project, process, clock: began, owes: 1 }
    };
    let mut fleet = Fleet {
        sandbox: &sandbox,
        server: database.connect().await,
        daemons: projects.into_iter().map(daemon).collect(),
        rng: ChaCha8Rng::seed_from_u64(3),
        now: began,
        experiments,
        every,
        began,
        killed_in: 0,
        stopped_in: 0,
    };
    for which in 0..DAEMONS {
        fleet.rest(which, None).await;
    }
    fleet.pass(LAPSE, &[0, 1, 2]).await;
    for passed in 1..=minutes {
        fleet.minute().await;
        if passed % 60 == 0 {
            println!("{passed} minutes: {} of {} slots ran", fleet.number(ENDED).await, fleet.slots());
        }
    }
    // What was cut short is taken up, or counted with the next slot.
    for _ in 0..3 * every {
        if fleet.number(ENDED).await + fleet.number(MISSED).await == fleet.slots() {
            break;
        }
        fleet.pass(TimeDelta::seconds(30), &[0, 1, 2]).await;
        for which in 0..DAEMONS {
            fleet.rest(which, None).await;
        }
    }
    examine(fleet, sources, minutes).await;
}

/// A folder and a user at the server for each.
async fn projects(database: &Database, sandbox: &Sandbox, text: &str) -> Vec<(String, Project)> {
    let mut projects = Vec::new();
    for number in 0..DAEMONS {
        let (project, user) = (Project::new(text), format!("daemon{number}"));
        let known = sandbox.secrets();
        project.secret("client", &known.client_secret);
        project.secret("refresh", &known.refresh_token);
        project.secret("typeform", &known.typeform_token);
        project.secret("key", KEY);
        project.secret("store", &database.url_with(&format!("{user}:{CANARY}"), None, ""));
        database.run(&format!("CREATE ROLE {user} LOGIN SUPERUSER PASSWORD '{CANARY}'")).await;
        projects.push((user, project));
    }
    projects
}

/// Holds what all of it left behind against what must be, and prints it.
async fn examine(mut fleet: Fleet<'_>, sources: u32, minutes: u32) {
    let slots = fleet.slots();
    let ended = fleet.number(ENDED).await;
    let missed = fleet.number(MISSED).await;
    let failed = fleet.number("SELECT COUNT(*) FROM run WHERE outcome LIKE '%ailed%'").await;
    let twice = fleet.number("SELECT COUNT(*) - COUNT(DISTINCT run) FROM sim.ended").await;
    let doubled = fleet.number("SELECT COUNT(*) - COUNT(DISTINCT (concept_id, as_of)) FROM scorecard").await;
    let written = fleet.number("SELECT COUNT(*) FROM sim.write").await;
    let stale = fleet.number("SELECT COUNT(*) FROM sim.write WHERE NOT is_held").await;
    let numbers = fleet.number("SELECT COUNT(*) FROM sim.number").await;
    let (mut shares, mut refused) = (Vec::new(), 0);
    for which in 0..DAEMONS {
        let user = fleet.daemons[which].user.clone();
        shares.push(fleet.number(&format!("SELECT COUNT(*) FROM sim.ended WHERE who = '{user}'")).await);
        let log = std::fs::read_to_string(fleet.daemons[which].project.path().join("daemon.log")).unwrap();
        refused += log.lines().filter(|line| line.contains(REFUSED)).count();
    }
    println!(
        "{sources} sources, {minutes} minutes with a kill and a stop each, {} runs under way in who was killed and {} in who was \
         stopped: {slots} slots, {ended} ran to their end, {missed} counted as missed, {twice} ran twice, {doubled} verdicts \
         doubled, {failed} failed; {refused} times one that was stopped was refused, {stale} of {written} writes were of one \
         without its number, {numbers} numbers given out; runs of each daemon: {shares:?}",
        fleet.killed_in, fleet.stopped_in
    );
    assert_eq!((stale, twice, doubled, failed), (0, 0, 0, 0));
    assert_eq!(ended + missed, slots, "every slot ran or is counted");
    assert_eq!(shares.iter().sum::<i64>(), ended);
    assert!(fleet.killed_in + fleet.stopped_in > 0 && refused > 0, "nothing was cut short");
    // Of few slots, who was killed more often has less.
    let fair = if ended > 300 { ended / 5 } else { 0 };
    assert!(shares.iter().all(|own| *own > fair), "{shares:?}");
    for Daemon { process, project, .. } in fleet.daemons {
        process.kill().await;
        project.assert_no_secret_kept();
    }
}
