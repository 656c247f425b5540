//! Every ad platform from a team's configuration to the store: what is stored of the sandbox adds up, per arm
//! and metric, to the sandbox's truth, and goes on doing so after a throttle, the end of a token and the
//! vendor's own corrections. A file per platform; this one is what they share.

mod calendly;
mod ga4;
mod google;
mod google_forms;
mod hubspot;
mod jotform;
mod linkedin;
mod mailchimp;
mod meta;
mod microsoft;
mod mixpanel;
mod people;
mod pinterest;
mod plausible;
mod posthog;
mod reddit;
mod stripe;
mod surveymonkey;
mod tally;
mod tiktok;
mod typeform;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use chrono::{DateTime, NaiveDate, Utc};
use willitsell::app::App;
use willitsell::domain::id::SourceId;
use willitsell::domain::metric::MetricId;
use willitsell::domain::millionths;
use willitsell::domain::observation::DateWindow;
use willitsell::sandbox::world::{Figures, Level, SimCampaign};
use willitsell::sandbox::{Endpoint, Fault, Sandbox, Setup};
use willitsell::schedule::pull::{Errand, Pulled, SourceFailed, pull};

use crate::canary::assert_no_canary;
use crate::project::{Project, experiment, setup};

/// The day on which everything is pulled first, in the middle of the demo's season.
const DAY: &str = "2026-03-20";
/// Later, when the vendor has corrected what was young then.
const LATER: &str = "2026-03-27";
/// What is asked for: some days before the ads began, and today.
const WINDOW: (&str, &str) = ("2026-02-25", "2026-03-20");

/// Values in millionths, by arm and name of the metric.
type Totals = BTreeMap<(String, &'static str), i64>;

/// How a platform is connected and what it shows.
struct Platform {
    /// The level its rows are about.
    level: Level,
    /// The vendor's id of something.
    id: fn(u64) -> String,
    /// What the vendor shows of a row, in millionths: what the connector must have stored.
    shows: fn(&Figures) -> Vec<(MetricId, i64)>,
    /// `[login.…]` where there is one, and all of `[source.ads]`. Secrets lie in files `client`, `refresh` and
    /// `token`.
    source: fn(&Sandbox) -> String,
    /// What the vendor's API listens on.
    api: Endpoint,
    /// What is put into `secrets/refresh` and `secrets/token`.
    secrets: fn(&Sandbox) -> [String; 2],
}

/// A team that tests the demo's three concepts as three arms of one experiment on one platform.
struct Story {
    platform: Platform,
    sandbox: Sandbox,
    project: Project,
    app: App,
}

/// Ten times the demo's traffic, so that rare things happen, and pages that are small.
fn busy() -> Setup {
    let mut setup = setup(&format!("{DAY}T15:00:00Z"));
    for arm in setup.world.concepts.iter_mut().flat_map(|concept| &mut concept.arms) {
        arm.campaigns.iter_mut().for_each(|campaign| campaign.clicks_per_day *= 10.0);
    }
    setup
}

/// The same with several campaigns in place of each, for vendors whose pages are large.
fn many(mut setup: Setup, campaigns: u64) -> Setup {
    for arm in setup.world.concepts.iter_mut().flat_map(|concept| &mut concept.arms) {
        let several = |campaign: &SimCampaign| {
            let campaign = campaign.clone();
            (0..campaigns).map(move |nth| SimCampaign { id: campaign.id + nth * 1_000_000_000, ..campaign.clone() })
        };
        arm.campaigns = arm.campaigns.iter().flat_map(several).collect();
    }
    setup
}

/// A connector's file with other words in place of some, each of which must stand there.
fn changed(file: &str, words: &[(&str, &str)]) -> String {
    words.iter().fold(file.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from}");
        text.replace(from, to)
    })
}

fn count(metric: MetricId, count: u64) -> (MetricId, i64) {
    (metric, i64::try_from(count).unwrap() * 1_000_000)
}

fn money(metric: MetricId, micros: u64) -> (MetricId, i64) {
    (metric, i64::try_from(micros).unwrap())
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn window() -> DateWindow {
    DateWindow::new(day(WINDOW.0), day(WINDOW.1)).unwrap()
}

impl Story {
    async fn begin(platform: Platform, setup: Setup) -> Self {
        Self::begin_with(platform, setup, None).await
    }

    /// The same with a connector of the team's own, by name.
    async fn begin_with(platform: Platform, setup: Setup, own: Option<(&str, String)>) -> Self {
        let sandbox = Sandbox::start(setup).await.unwrap();
        let mut configuration = configuration(&platform, &sandbox);
        if own.is_some() {
            configuration.insert_str(0, "connectors = \"connectors\"\n");
        }
        let project = Project::new(&configuration);
        if let Some((name, text)) = own {
            std::fs::create_dir(project.path().join("connectors")).unwrap();
            project.write(&format!("connectors/{name}.toml"), text);
        }
        let [refresh, token] = (platform.secrets)(&sandbox);
        project.secret("client", &sandbox.secrets().client_secret);
        project.secret("refresh", &refresh);
        project.secret("token", &token);
        let app = project.app().await;
        Self { platform, sandbox, project, app }
    }

    /// Pulls the window as of a day's afternoon.
    async fn pull(&self, today: &str) -> Result<Pulled, SourceFailed> {
        let now: DateTime<Utc> = format!("{today}T15:00:00Z").parse().unwrap();
        self.sandbox.set_now(now);
        let experiment = experiment(&self.app, "story");
        let errand = Errand { run_id: "story", zone: experiment.timezone, due_at: now, now };
        let outcome = pull(&self.app.parts, &self.app.parts.sources[&ads()], window(), errand, None).await;
        if let Err(error) = &outcome {
            assert_no_canary(format!("{error}"));
            assert_no_canary(format!("{error:?}"));
        }
        outcome
    }

    /// What is stored, as it is now or as it was after a pull. A key that belongs to no arm is one too much.
    async fn stored(&self, known_at: Option<i64>) -> Totals {
        let inputs = self.app.parts.store.inputs(&[ads()], window(), known_at).await.unwrap();
        let arms = &experiment(&self.app, "story").arms;
        let mut totals = Totals::new();
        for row in inputs.observations {
            let owner = arms.iter().find(|arm| arm.keys[&ads()].iter().any(|key| **key == *row.arm_key));
            let owner = owner.unwrap_or_else(|| panic!("{:?} belongs to no arm", row.arm_key));
            for metric in MetricId::all() {
                if let Some(value) = row.values.get(metric) {
                    *totals.entry((owner.id.to_string(), metric.metric().name)).or_default() += value;
                }
            }
        }
        totals
    }

    /// What the vendor shows of the same days on a day.
    fn truth(&self, today: &str) -> Totals {
        let (world, level) = (self.sandbox.world(), self.platform.level);
        let mut totals = Totals::new();
        for row in world.rows(level, window().first(), window().last(), day(today)) {
            let arm = world.find(level, row.id).and_then(|position| world.entity(level, position).arm).unwrap();
            for (metric, value) in (self.platform.shows)(&row.figures) {
                *totals.entry((arm.clone(), metric.metric().name)).or_default() += value;
            }
        }
        totals
    }

    async fn last_pull(&self) -> i64 {
        self.app.parts.store.pulls(&ads()).await.unwrap().last().unwrap().id
    }

    /// The whole story, apart from the end of a token, which `ends` makes happen: what was stored stays, and
    /// `Some` text is part of what the team is told; with `None` the program helps itself.
    async fn told(self, least_pages: u32, throttled: Fault, ends: fn(&Sandbox), says: Option<&str>) -> Told {
        let first = self.pull(DAY).await.unwrap_or_else(|error| panic!("{error:#?}"));
        assert_same(&self.stored(None).await, &self.truth(DAY));
        assert!(first.pages >= least_pages, "{first:?}");
        assert!(first.new > 50 && first.changed == 0, "{first:?}");
        let facts = self.app.parts.store.pulls(&ads()).await.unwrap().pop().unwrap();
        assert_eq!(facts.currency, Some(self.sandbox.world().currency), "{facts:?}");

        self.sandbox.script(self.platform.api, [throttled]);
        let calls = self.sandbox.calls(self.platform.api);
        let again = self.pull(DAY).await.unwrap_or_else(|error| panic!("throttled once: {error:#?}"));
        assert!(self.sandbox.calls(self.platform.api) > calls + u64::from(again.pages), "the refused call was made");
        assert_eq!((again.new, again.changed, again.vanished), (0, 0, 0), "nothing had happened meanwhile");

        let (pull_id, before) = (self.last_pull().await, self.stored(None).await);
        ends(&self.sandbox);
        match (self.pull(DAY).await, says) {
            (Ok(pulled), None) => assert_eq!((pulled.new, pulled.changed), (0, 0)),
            (Err(error), Some(says)) => {
                let told = error.to_string();
                assert!(told.contains(says), "{told}");
            }
            (outcome, _) => panic!("{outcome:#?}"),
        }
        assert_eq!(self.stored(None).await, before);

        let later = self.pull(LATER).await.unwrap_or_else(|error| panic!("{error:#?}"));
        assert!(later.changed > 0, "{later:?}");
        assert_same(&self.stored(None).await, &self.truth(LATER));
        assert_ne!(self.stored(None).await, before);
        assert_eq!(self.stored(Some(pull_id)).await, before, "what was known then is still known");
        self.project.assert_no_secret_kept();
        Told { first, later, story: self }
    }
}

/// How the story went, for what a platform wants to look at besides.
struct Told {
    first: Pulled,
    later: Pulled,
    story: Story,
}

#[track_caller]
fn assert_same(stored: &Totals, truth: &Totals) {
    let mut differences = String::new();
    let keys: std::collections::BTreeSet<_> = stored.keys().chain(truth.keys()).collect();
    for key in keys {
        let print = |totals: &Totals| totals.get(key).map_or_else(|| "nothing".to_owned(), |it| millionths::print(*it));
        if stored.get(key) != truth.get(key) {
            writeln!(differences, "{key:?}: stored {}, true {}", print(stored), print(truth)).unwrap();
        }
    }
    assert!(differences.is_empty() && !truth.is_empty(), "{differences}");
}

fn ads() -> SourceId {
    SourceId::new("ads")
}

fn configuration(platform: &Platform, sandbox: &Sandbox) -> String {
    let mut text = format!(
        r#"
[store]
url = "sqlite://willitsell.db"
{}
[experiment.story]
title = "story"
hypothesis = "people will leave an address"
schedule = "0 8 * * *"
timezone = "America/New_York"
start = "2026-03-02"
stop = "2026-04-12"
sources = ["ads"]
notify = []
[experiment.story.rate.signup]
numerator = "conversions"
denominator = "clicks"
[experiment.story.policy]
primary = "signup"
kill_bar = 0.02
build_bar = 0.03
"#,
        (platform.source)(sandbox),
    );
    let (world, level) = (sandbox.world(), platform.level);
    let mut arms = BTreeMap::<String, Vec<String>>::new();
    for position in 0..world.count(level) {
        let entity = world.entity(level, position);
        arms.entry(entity.arm.clone().unwrap()).or_default().push((platform.id)(entity.id()));
    }
    for (arm, keys) in arms {
        writeln!(text, "[experiment.story.arm.{arm}]\nkeys = {{ ads = {keys:?} }}").unwrap();
    }
    text
}
