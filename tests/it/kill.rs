//! kill -9 at any instant: the real program is killed in the middle of its work against the sandbox, again
//! and again; afterwards the store holds the sandbox's truth, row for row, and no message was doubled.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Child;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, Utc};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sqlx::{Connection, SqliteConnection};
use willitsell::app::App;
use willitsell::decide::Lately;
use willitsell::decide::message::message;
use willitsell::domain::id::SourceId;
use willitsell::domain::message::Delivery;
use willitsell::domain::metric::MetricId;
use willitsell::domain::observation::{DateWindow, Values};
use willitsell::domain::verdict::{Scorecard, Verdict};
use willitsell::sandbox::world::Level;
use willitsell::sandbox::{Endpoint, Sandbox, demo};
use willitsell::store::Store;

use crate::project::{Project, experiment, setup};

/// What the issue of a release asks for; a quick look while working may set fewer.
const KILLS: u32 = 200;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn kills() -> u32 {
    std::env::var("WILLITSELL_KILLS").ok().map_or(KILLS, |kills| kills.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn s1_n3_killed_at_random_instants_nothing_is_lost_or_doubled() {
    let ended: DateTime<Utc> = "2026-04-20T12:00:00Z".parse().unwrap();
    let sandbox = Sandbox::start(setup("2026-03-20T12:00:00Z")).await.unwrap();
    let project = Project::demo(&sandbox);
    // The program's clock is months ahead of the vendors', so to it every day has settled long ago and still grows.
    let text = std::fs::read_to_string(project.path().join("willitsell.toml")).unwrap();
    let known = format!("accept_shrink = \"{}\"", Utc::now().with_timezone(&sandbox.world().zone).date_naive());
    let known: Vec<String> = text
        .lines()
        .map(|line| if line.starts_with("[source.") { format!("{line}\n{known}") } else { line.to_owned() })
        .collect();
    project.write("willitsell.toml", known.join("\n") + "\n");

    let pull = ["pull", "--since", "2026-03-02", "--until", "2026-04-15"];
    let once = ["run", "--once"];
    let mut rng = ChaCha8Rng::seed_from_u64(20_260_302);
    let began = Instant::now();
    project.succeeds(&pull);
    let unhurried = began.elapsed().as_micros().try_into().unwrap();
    let mut cut_short = 0;
    for kill in 0..kills() {
        // Figures of recent days move on between two kills, so that there is always something to write.
        sandbox.set_now(
            "2026-03-20T12:00:00Z".parse::<DateTime<Utc>>().unwrap() + chrono::Duration::hours(i64::from(kill) * 3),
        );
        let arguments: &[&str] = if kill % 2 == 0 { &pull } else { &once };
        let child = project.command(arguments).spawn().unwrap();
        cut_short += u32::from(kill_after(child, Duration::from_micros(rng.random_range(0..unhurried))));
    }
    assert!(cut_short > kills() / 2, "only {cut_short} kills came in time");

    sandbox.set_now(ended);
    project.succeeds(&pull);
    project.succeeds(&once);
    let app = App::open(&project.path().join("willitsell.toml")).await.unwrap();
    app.parts.store.check().await.unwrap();
    compare_with_truth(&app.parts.store, &sandbox, ended).await;
    compare_messages(&project, &app, &sandbox).await;
    app.parts.store.close().await;
    project.assert_no_secret_kept();
}

/// Kills the child after a while; whether it was still at work.
fn kill_after(mut child: Child, wait: Duration) -> bool {
    let until = Instant::now() + wait;
    while Instant::now() < until {
        if child.try_wait().unwrap().is_some() {
            return false;
        }
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    !child.wait().unwrap().success()
}

/// Every row of the ads and every act of the forms is stored as it is true at `now`, and nothing else.
pub async fn compare_with_truth(store: &Store, sandbox: &Sandbox, now: DateTime<Utc>) {
    let world = sandbox.world();
    let window = DateWindow::new(day("2026-03-02"), day("2026-04-15")).unwrap();
    let today = now.with_timezone(&world.zone).date_naive();
    let truth: BTreeMap<(NaiveDate, Arc<str>), Values> = world
        .rows(Level::Campaign, window.first(), window.last(), today)
        .map(|row| {
            let mut values = Values::default();
            let count = |number: u64| Some(i64::try_from(number).unwrap() * 1_000_000);
            values.set(MetricId::IMPRESSIONS, count(row.figures.impressions));
            values.set(MetricId::CLICKS, count(row.figures.clicks));
            values.set(MetricId::SPEND, Some(row.figures.cost_micros.try_into().unwrap()));
            values.set(MetricId::CONVERSIONS, Some(i64::try_from(row.figures.conversion_hundredths).unwrap() * 10_000));
            values.set(MetricId::ENGAGEMENTS, count(row.figures.engagements));
            ((row.day, row.id.to_string().into()), values)
        })
        .collect();
    let stored = store.inputs(&[SourceId::new("search")], window, None).await.unwrap();
    let stored: BTreeMap<_, _> =
        stored.observations.into_iter().map(|row| ((row.day, row.arm_key), row.values)).collect();
    assert!(truth.len() > 60);
    assert_eq!(stored, truth);

    for concept in demo::concepts() {
        let form = &concept.truth.form_id;
        let truth: BTreeSet<String> =
            world.acts(form, now).into_iter().filter(|act| act.is_shown(now)).map(|act| act.response_id).collect();
        let source = SourceId::new(format!("{}-form", concept.id));
        let stored = store.inputs(&[source], window, None).await.unwrap();
        assert_eq!(stored.responses.len(), truth.len(), "{form}: an act is lost or doubled");
        assert_eq!(stored.responses.into_iter().map(|act| act.response_id).collect::<BTreeSet<_>>(), truth);
    }
}

/// Messages that waited to tell of a step when the next one was made.
async fn superseded(project: &Project) -> BTreeSet<String> {
    let store = format!("sqlite://{}?mode=ro", project.path().join("willitsell.db").display());
    let mut connection = SqliteConnection::connect(&store).await.unwrap();
    let ids = sqlx::query_scalar("SELECT id FROM delivery WHERE state = 'superseded'");
    ids.fetch_all(&mut connection).await.unwrap().into_iter().collect()
}

/// Every step of the stored verdicts that a reader must know of has one message at a receiver that
/// deduplicates or was taken over by the next before it was sent, and no instant has two verdicts.
async fn compare_messages(project: &Project, app: &App, sandbox: &Sandbox) {
    let accepted: BTreeSet<String> = sandbox
        .messages()
        .into_iter()
        .filter(|message| message.endpoint == Endpoint::Slack && !message.repeat)
        .map(|message| message.delivery_id.unwrap())
        // Whether a version of an API is about to end depends on the day on which this runs.
        .filter(|id| !id.starts_with("sunset_"))
        .collect();
    let (mut expected, mut reached, mut why) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for concept in demo::concepts() {
        let experiment = experiment(app, concept.id);
        let mut history = app.parts.store.scorecard_history(&experiment.concept.id, u32::MAX).await.unwrap();
        history.reverse();
        let cards: Vec<Scorecard> = history.into_iter().map(|stored| stored.scorecard).collect();
        let instants: BTreeSet<_> = cards.iter().map(|card| card.as_of).collect();
        assert_eq!(instants.len(), cards.len(), "{}: two verdicts for one instant", concept.id);
        for (position, card) in cards.iter().enumerate() {
            let before = &cards[..position];
            let sound = before.iter().rev().find(|card| card.verdict != Verdict::Blocked);
            if let Some(message) = message(experiment, before.last(), sound, card, &[], Lately::default) {
                expected.extend(experiment.notify.iter().map(|receiver| Delivery::first(&message, receiver).id));
            }
        }
        reached.extend(cards.last().map(|card| card.verdict.word()));
        why.extend(cards.into_iter().next_back().map(|card| card.reasons));
    }
    assert!(reached.contains("BUILD") && reached.contains("KILL"), "{why:?}");
    let superseded = superseded(project).await;
    let missing: BTreeSet<String> = expected.difference(&accepted).cloned().collect();
    assert!(accepted.is_subset(&expected), "a message that no step calls for: {accepted:?}, {expected:?}");
    // A step that was killed before it was told may be taken over by the next one (N5), and by nothing else.
    assert!(missing.is_subset(&superseded), "{missing:?} were not told, and {superseded:?} were taken over");
    for id in &missing {
        let (concept, _) = id.split_once('_').unwrap();
        let next = expected.range(id.clone()..).nth(1);
        assert!(next.is_some_and(|next| next.starts_with(&format!("{concept}_"))), "{id}: nothing took its place");
    }
    assert!(app.parts.store.undelivered().await.unwrap().is_empty());
}
