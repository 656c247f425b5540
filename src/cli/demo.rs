//! `demo`: six weeks of three concept tests in a minute. The vendors are pretend, the clock is
//! simulated; configuration, connectors, store, test and outbox are the real ones.

mod serve;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrono::{DateTime, Duration, NaiveDate, TimeZone, Utc};
use chrono_tz::Tz;
use clap::Args;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

use super::init::write_new;
use super::output::{Failure, Output, wrapped};
use crate::app::App;
use crate::decide::explain;
use crate::domain::concept::Experiment;
use crate::domain::verdict::Verdict;
use crate::sandbox::demo::{self, DemoConcept};
use crate::sandbox::{Endpoint, Received, Sandbox, Setup, google_ads, typeform};
use crate::schedule::deliver::deliver;
use crate::schedule::due::due;
use crate::schedule::portfolio;
use crate::schedule::tick::{Ticked, tick};
use crate::web::report;

/// Arguments of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Where to put the configuration and the store; a new folder.
    #[arg(long, value_name = "FOLDER", default_value = "willitsell-demo")]
    folder: PathBuf,

    /// Serve the pages of the demo afterwards, until Ctrl-C; where the folder holds a demo already, at once.
    #[arg(long)]
    serve: bool,
}

/// Every morning at eight, in the ad account's zone.
const SCHEDULE: &str = "0 8 * * *";
/// The column at which sentences begin behind a day.
const UNDER_THE_SENTENCE: usize = 12;
/// The labels of a message's lines.
const LABELS: [&str; 4] = ["Why", "Evidence", "Money", "Next"];
/// The column at which the text of a message begins behind its labels.
const UNDER_THE_TEXT: usize = 14;
/// Days after the last day of ads: until it has settled, and one more look.
const DAYS_AFTER: u64 = 4;

#[derive(Serialize)]
struct Event {
    day: NaiveDate,
    concept: String,
    verdict: Verdict,
    sentence: String,
}

/// Lives through the six weeks and prints what happened.
///
/// # Errors
/// When the folder cannot be written, or the program itself fails.
pub async fn run(args: &DemoArgs, output: &Output) -> Result<ExitCode, Failure> {
    let before = args.folder.join("willitsell.toml");
    if args.serve && before.exists() {
        return serve::again(&before, output).await;
    }
    let folder = free_name(&args.folder);
    let world = demo::world(demo::SEED);
    let (zone, first_day, last_day) = (world.zone, world.first_day, world.last_day);
    let sandbox = Sandbox::start(Setup::new(world, morning(first_day, zone)))
        .await
        .map_err(|error| Failure::general(format!("the pretend vendors could not start on this machine: {error}")))?;
    let path = write_folder(&folder, &sandbox)
        .map_err(|error| Failure::general(format!("{}: cannot be written: {error}", folder.display())))?;
    let app = App::open(&path).await?;

    output.say(&introduction(&path, first_day, last_day));
    let days: Vec<NaiveDate> =
        first_day.iter_days().skip(1).take_while(|&day| day <= last_day + chrono::Days::new(DAYS_AFTER)).collect();
    let progress = output.progress(days.len() as u64, "living through six weeks");
    let mut rng = ChaCha8Rng::seed_from_u64(demo::SEED);
    for &day in &days {
        let now = morning(day, zone);
        sandbox.set_now(now);
        spoil(&sandbox, day, first_day);
        for event in live(&app, now, &mut rng).await? {
            progress.suspend(|| {
                output.show(&event, || {
                    wrapped(&format!("{}  {}", day.format("%a %e %b"), event.sentence), UNDER_THE_SENTENCE)
                });
            });
        }
        progress.inc(1);
    }
    progress.finish_and_clear();

    output.say("\nWhat Slack received:\n");
    for message in sandbox.messages() {
        output.say(&as_a_block(&slack_text(&message)));
    }
    output.say("Where the three concepts stand, and what was true all along:\n");
    for concept in demo::concepts() {
        conclude(&app, &concept, output).await?;
    }
    let ended = days.last().map_or_else(Utc::now, |&day| morning(day, zone));
    let report = folder.join("portfolio.html");
    write_report(&app, ended, &report).await?;
    output.say(&what_next(&path, &folder, &report));
    if args.serve {
        return serve::pages(app, ended, output).await;
    }
    app.parts.store.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Everything due at one simulated instant; gives back the verdicts that changed.
async fn live(app: &App, now: DateTime<Utc>, rng: &mut ChaCha8Rng) -> Result<Vec<Event>, Failure> {
    let experiments = &app.loaded.config.experiments;
    let mut events = Vec::new();
    portfolio::begin(&app.parts.store, experiments, now).await?;
    for due in due(experiments, &app.parts.store.last_runs().await?, now, Duration::MAX).runs {
        let Some(experiment) = experiments.iter().find(|experiment| experiment.concept.id == due.concept) else {
            continue;
        };
        let before = app.parts.store.latest_scorecard(&due.concept).await?.map(|stored| stored.scorecard.verdict);
        let ticked =
            tick(&app.parts, experiment, &due, now).await.map_err(|error| Failure::general(error.to_string()))?;
        events.extend(event(experiment, before, &ticked, now)?);
    }
    deliver(&app.parts, now, rng).await?;
    Ok(events)
}

fn event(
    experiment: &Experiment,
    before: Option<Verdict>,
    ticked: &Ticked,
    now: DateTime<Utc>,
) -> Result<Option<Event>, Failure> {
    let scorecard = match ticked {
        Ticked::AlreadyRan => return Ok(None),
        Ticked::Decided { scorecard, .. } => &scorecard.scorecard,
        Ticked::Failed { failures, .. } => {
            let failures: Vec<String> = failures.iter().map(ToString::to_string).collect();
            return Err(Failure::general(failures.join("\n")));
        }
    };
    Ok((before != Some(scorecard.verdict)).then(|| Event {
        day: now.with_timezone(&experiment.timezone).date_naive(),
        concept: experiment.concept.id.to_string(),
        verdict: scorecard.verdict,
        sentence: explain::banner(experiment, scorecard),
    }))
}

/// What happens to everyone once: a token that ends early, a vendor that asks to slow down.
fn spoil(sandbox: &Sandbox, day: NaiveDate, first_day: NaiveDate) {
    match (day - first_day).num_days() {
        9 => sandbox.expire_access(),
        16 => sandbox.script(Endpoint::GoogleAds, [google_ads::throttled(1)]),
        23 => sandbox.script(Endpoint::Typeform, [typeform::throttled()]),
        _ => {}
    }
}

fn morning(day: NaiveDate, zone: Tz) -> DateTime<Utc> {
    let midnight = day.and_time(chrono::NaiveTime::MIN);
    zone.from_local_datetime(&midnight).earliest().map_or_else(|| midnight.and_utc(), |at| at.to_utc())
        + Duration::hours(8)
}

async fn conclude(app: &App, concept: &DemoConcept, output: &Output) -> Result<(), Failure> {
    let experiments = &app.loaded.config.experiments;
    let Some(experiment) = experiments.iter().find(|experiment| experiment.concept.id.as_str() == concept.id) else {
        return Err(Failure::general(format!("{} is missing from the demo's own configuration", concept.id)));
    };
    let Some(stored) = app.parts.store.latest_scorecard(&experiment.concept.id).await? else {
        return Err(Failure::general(format!("{} has no verdict after six weeks", concept.id)));
    };
    let rate: f64 = concept.truth.arms.iter().map(|arm| arm.rate).sum::<f64>();
    output.show(&stored, || {
        format!(
            "{}\n  True rate, which no team ever learns: {:.2}%\n",
            wrapped(&explain::banner(experiment, &stored.scorecard), 2),
            rate * 100.0
        )
    });
    Ok(())
}

/// The folder asked for, or the first `-2`, `-3`, … that does not exist: a demo overwrites nothing.
pub(super) fn free_name(folder: &Path) -> PathBuf {
    let mut name = folder.to_owned();
    let mut number = 1u32;
    while name.exists() {
        number += 1;
        let mut next = folder.as_os_str().to_owned();
        next.push(format!("-{number}"));
        name = PathBuf::from(next);
    }
    name
}

/// Writes what a team would write: a configuration, and secrets in files of their own.
fn write_folder(folder: &Path, sandbox: &Sandbox) -> io::Result<PathBuf> {
    let secrets = folder.join("secrets");
    fs::create_dir_all(&secrets)?;
    let known = sandbox.secrets();
    for (name, secret) in [
        ("google-client-secret", known.client_secret.clone()),
        ("google-refresh-token", known.refresh_token.clone()),
        ("typeform-token", known.typeform_token.clone()),
        ("slack-webhook", sandbox.url(Endpoint::Slack)),
    ] {
        write_new(&secrets.join(name), &secret)?;
    }
    let path = folder.join("willitsell.toml");
    write_new(&path, &configuration(sandbox))?;
    Ok(path)
}

fn configuration(sandbox: &Sandbox) -> String {
    let world = sandbox.world();
    let mut text = format!(
        r#"# Three concept tests on pretend vendors, written by `willitsell demo`.

[store]
url = "sqlite://willitsell.db"

[notify.team.slack]
url = "file:secrets/slack-webhook"

[login.google]
client_id     = "{client_id}"
client_secret = "file:secrets/google-client-secret"
refresh_token = "file:secrets/google-refresh-token"
token_url     = "{token_url}"                # rehearsal: a real login leaves this out

[source.search]
connector = "google_ads"
channel   = "google_ads"
login     = "google"
settings  = {{ customer_id = "{customer_id}", base_url = "{google}", per_second = "1000" }}
"#,
        client_id = sandbox.secrets().client_id,
        token_url = sandbox.url(Endpoint::GoogleToken),
        customer_id = world.customer_id,
        google = sandbox.url(Endpoint::GoogleAds),
    );
    for concept in demo::concepts() {
        text.push_str(&experiment(&concept, sandbox));
    }
    text
}

fn experiment(concept: &DemoConcept, sandbox: &Sandbox) -> String {
    let world = sandbox.world();
    let mut text = format!(
        r#"
[source.{id}-form]
connector = "typeform"
settings  = {{ form_id = "{form_id}", token = "file:secrets/typeform-token", base_url = "{typeform}", per_second = "1000" }}

[experiment.{id}]
title      = "{title}"
hypothesis = "{hypothesis}"
owner      = "{owner}"
disclosure = "https://example.com/not-yet-available"
schedule   = "{SCHEDULE}"
timezone   = "{zone}"
start      = "{start}"
stop       = "{stop}"
sources    = ["search", "{id}-form"]
notify     = ["team"]

[experiment.{id}.rate.signup]
numerator   = "signups"
denominator = "clicks"

[experiment.{id}.policy]
primary   = "signup"
kill_bar  = {kill_bar}
build_bar = {build_bar}
budget_cap = {{ amount = "15000", currency = "{currency}" }}

[experiment.{id}.money]
team_cost_per_week = {{ amount = "7800", currency = "{currency}" }}
build_weeks        = 6
"#,
        id = concept.id,
        form_id = concept.truth.form_id,
        typeform = sandbox.url(Endpoint::Typeform),
        title = concept.title,
        hypothesis = concept.hypothesis,
        owner = concept.owner,
        zone = world.zone,
        start = world.first_day,
        stop = world.last_day,
        kill_bar = concept.kill_bar,
        build_bar = concept.build_bar,
        currency = world.currency,
    );
    for arm in &concept.truth.arms {
        let campaigns: Vec<String> = arm.campaigns.iter().map(|campaign| format!("\"{}\"", campaign.id)).collect();
        text.push_str(&format!(
            "\n[experiment.{id}.arm.{key}]\nkeys = {{ search = [{campaigns}], {id}-form = [\"{key}\"] }}\n",
            id = concept.id,
            key = arm.key,
            campaigns = campaigns.join(", "),
        ));
    }
    text
}

fn introduction(path: &Path, first_day: NaiveDate, last_day: NaiveDate) -> String {
    let text = format!(
        "Three products that do not exist are advertised from {} to {}. Pretend versions of Google Ads, Typeform and \
         Slack run on this machine; everything else is the real program, asking every morning at eight.",
        first_day.format("%a %-d %b"),
        last_day.format("%a %-d %b %Y"),
    );
    format!("{}\nConfiguration: {}\n", wrapped(&text, 0), path.display())
}

fn slack_text(message: &Received) -> String {
    message.body["text"].as_str().unwrap_or("(a message without text)").to_owned()
}

/// The lines of a message with their labels in a column, as far as a terminal is wide.
fn as_a_block(text: &str) -> String {
    let mut block = String::new();
    for line in text.lines() {
        let line = match line.split_once(": ") {
            Some((label, words)) if LABELS.contains(&label) => format!("    {label:<10}{words}"),
            _ => format!("    {line}"),
        };
        block.push_str(&wrapped(&line, UNDER_THE_TEXT));
        block.push('\n');
    }
    block
}

/// All three concepts on one sheet, as they stood at the end.
async fn write_report(app: &App, ended: DateTime<Utc>, file: &Path) -> Result<(), Failure> {
    let report = report::Portfolio::read(&app.parts.store, &app.loaded.config.experiments, ended).await?;
    write_new(file, &report.html().into_string())
        .map_err(|error| Failure::general(format!("{}: cannot be written: {error}", file.display())))
}

fn what_next(path: &Path, folder: &Path, report: &Path) -> String {
    let path = path.display();
    let commands = [
        (format!("willitsell demo --serve --folder {}", folder.display()), "the pages, in a browser"),
        (format!("willitsell --config {path} status"), "where each concept stands"),
        (format!("willitsell --config {path} explain cat-meals"), "how that verdict came about"),
        ("willitsell init".to_owned(), "your own first test"),
    ];
    let width = commands.iter().map(|(command, _)| command.chars().count()).max().unwrap_or_default();
    let lines: String = commands.iter().map(|(command, why)| format!("  {command:<width$}   {why}\n")).collect();
    let note = "Without an installed command, write `cargo run --release --` instead of `willitsell`. The pretend vendors \
                ended with this command: `pull` and `run` find nobody to ask in this folder.";
    format!("All three on one sheet: {}\n\nWhat to try next:\n{lines}{}", report.display(), wrapped(note, 0))
}
