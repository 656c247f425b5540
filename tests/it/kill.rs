//! kill -9 at any instant: the real program is killed in the middle of its work against the sandbox, again
//! and again; afterwards the store holds the sandbox's truth, row for row, and no message was doubled.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use chrono::{DateTime, NaiveDate, Utc};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use willitsell::domain::id::{ConceptId, SourceId};
use willitsell::domain::metric::MetricId;
use willitsell::domain::observation::{DateWindow, Values};
use willitsell::domain::verdict::Verdict;
use willitsell::sandbox::{Endpoint, Sandbox, Setup, demo};
use willitsell::store::Store;

use crate::canary::{CANARY, assert_no_canary_below};

/// What the issue of a release asks for; a quick look while working may set fewer.
const KILLS: u32 = 200;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn kills() -> u32 {
    std::env::var("WILLITSELL_KILLS").ok().map_or(KILLS, |kills| kills.parse().unwrap())
}

/// A command of the real program in `folder`.
fn willitsell(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_willitsell"));
    command.current_dir(folder).args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn succeeds(folder: &Path, arguments: &[&str]) {
    let output = willitsell(folder, arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn s1_n3_killed_at_random_instants_nothing_is_lost_or_doubled() {
    let world = demo::world(demo::SEED);
    let ended: DateTime<Utc> = "2026-04-20T12:00:00Z".parse().unwrap();
    let mut setup = Setup::new(world, "2026-03-20T12:00:00Z".parse().unwrap());
    setup.google_page_rows = 25;
    setup.secrets.refresh_token = format!("refresh-{CANARY}");
    setup.secrets.typeform_token = format!("typeform-{CANARY}");
    let sandbox = Sandbox::start(setup).await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    write_configuration(folder.path(), &sandbox);

    let pull = ["pull", "--since", "2026-03-02", "--until", "2026-04-15"];
    let once = ["run", "--once"];
    let mut rng = ChaCha8Rng::seed_from_u64(20_260_302);
    let began = Instant::now();
    succeeds(folder.path(), &pull);
    let unhurried = began.elapsed().as_micros().try_into().unwrap();
    let mut cut_short = 0;
    for kill in 0..kills() {
        // Figures of recent days move on between two kills, so that there is always something to write.
        sandbox.set_now(
            "2026-03-20T12:00:00Z".parse::<DateTime<Utc>>().unwrap() + chrono::Duration::hours(i64::from(kill) * 3),
        );
        let arguments: &[&str] = if kill % 2 == 0 { &pull } else { &once };
        let child = willitsell(folder.path(), arguments).spawn().unwrap();
        cut_short += u32::from(kill_after(child, Duration::from_micros(rng.random_range(0..unhurried))));
    }
    assert!(cut_short > kills() / 2, "only {cut_short} kills came in time");

    sandbox.set_now(ended);
    succeeds(folder.path(), &pull);
    succeeds(folder.path(), &once);
    let store = Store::open(&format!("sqlite://{}", folder.path().join("willitsell.db").display())).await.unwrap();
    store.check().await.unwrap();
    compare_with_truth(&store, &sandbox, ended).await;
    compare_messages(&store, &sandbox).await;
    store.close().await;
    assert_no_canary_below(folder.path(), &["secrets"]);
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

async fn compare_with_truth(store: &Store, sandbox: &Sandbox, now: DateTime<Utc>) {
    let world = sandbox.world();
    let window = DateWindow::new(day("2026-03-02"), day("2026-04-15")).unwrap();
    let today = now.with_timezone(&world.zone).date_naive();
    let truth: BTreeMap<(NaiveDate, String), Values> = world
        .ad_days(window.first(), window.last(), today)
        .map(|row| {
            let mut values = Values::default();
            let count = |number: u64| Some(i64::try_from(number).unwrap() * 1_000_000);
            values.set(MetricId::IMPRESSIONS, count(row.figures.impressions));
            values.set(MetricId::CLICKS, count(row.figures.clicks));
            values.set(MetricId::SPEND, Some(row.figures.cost_micros.try_into().unwrap()));
            values.set(MetricId::CONVERSIONS, Some(i64::try_from(row.figures.conversion_hundredths).unwrap() * 10_000));
            ((row.day, row.campaign.to_string()), values)
        })
        .collect();
    let stored = store.inputs(&[SourceId::new("search")], window, None).await.unwrap();
    let stored: BTreeMap<_, _> =
        stored.observations.into_iter().map(|row| ((row.day, row.arm_key), row.values)).collect();
    assert!(truth.len() > 100);
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

/// Every change of verdict has one message at a receiver that deduplicates, and no instant has two verdicts.
async fn compare_messages(store: &Store, sandbox: &Sandbox) {
    let accepted: BTreeSet<String> = sandbox
        .messages()
        .into_iter()
        .filter(|message| message.endpoint == Endpoint::Slack && !message.repeat)
        .map(|message| message.delivery_id.unwrap())
        .collect();
    let mut expected = 0;
    for concept in demo::concepts() {
        let mut history = store.scorecard_history(&ConceptId::new(concept.id), u32::MAX).await.unwrap();
        history.reverse();
        let instants: BTreeSet<_> = history.iter().map(|stored| stored.scorecard.as_of).collect();
        assert_eq!(instants.len(), history.len(), "{}: two verdicts for one instant", concept.id);
        let mut before = Verdict::Collecting;
        for stored in &history {
            expected += usize::from(stored.scorecard.verdict != before);
            before = stored.scorecard.verdict;
        }
    }
    assert!(expected >= 2, "the demo's concepts reach BUILD and KILL");
    assert_eq!(accepted.len(), expected, "one message for each change of verdict");
    assert!(store.undelivered().await.unwrap().is_empty());
}

fn write_configuration(folder: &Path, sandbox: &Sandbox) {
    let secrets = folder.join("secrets");
    std::fs::create_dir(&secrets).unwrap();
    let known = sandbox.secrets();
    for (name, secret) in [
        ("client", &known.client_secret),
        ("refresh", &known.refresh_token),
        ("typeform", &known.typeform_token),
        ("slack", &sandbox.url(Endpoint::Slack)),
    ] {
        let path = secrets.join(name);
        std::fs::write(&path, secret).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    }
    let mut text = format!(
        r#"
[store]
url = "sqlite://willitsell.db"
[notify.team.slack]
url = "file:secrets/slack"
[login.google]
client_id = "{}"
client_secret = "file:secrets/client"
refresh_token = "file:secrets/refresh"
token_url = "{}"
[source.search]
connector = "google_ads"
login = "google"
settings = {{ customer_id = "{}", base_url = "{}", per_second = "1000" }}
"#,
        known.client_id,
        sandbox.url(Endpoint::GoogleToken),
        sandbox.world().customer_id,
        sandbox.url(Endpoint::GoogleAds),
    );
    for concept in demo::concepts() {
        let (id, arm) = (concept.id, &concept.truth.arms[0]);
        let campaigns: Vec<String> = arm.campaigns.iter().map(|campaign| format!("\"{}\"", campaign.id)).collect();
        write!(
            text,
            r#"
[source.{id}-form]
connector = "typeform"
settings = {{ form_id = "{}", token = "file:secrets/typeform", base_url = "{}", per_second = "1000" }}
[experiment.{id}]
title = "{id}"
hypothesis = "people will leave an address"
schedule = "0 8 * * *"
timezone = "America/New_York"
start = "2026-03-02"
stop = "2026-04-12"
sources = ["search", "{id}-form"]
notify = ["team"]
[experiment.{id}.arm.{key}]
keys = {{ search = [{}], {id}-form = ["{key}"] }}
[experiment.{id}.rate.signup]
numerator = "signups"
denominator = "clicks"
[experiment.{id}.policy]
primary = "signup"
kill_bar = 0.02
build_bar = 0.03
"#,
            concept.truth.form_id,
            sandbox.url(Endpoint::Typeform),
            campaigns.join(", "),
            key = arm.key,
        )
        .unwrap();
    }
    std::fs::write(folder.join("willitsell.toml"), text).unwrap();
}
