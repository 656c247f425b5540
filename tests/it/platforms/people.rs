//! Tools that hand over people or count them, from a team's configuration to the store: what is stored adds up, per day and arm, to the
//! people of the sandbox's truth, and goes on doing so after a throttle, the end of a token, edits, deletions and late
//! completions. A file per tool; this one is what they share.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use chrono::{DateTime, NaiveDate, Utc};
use willitsell::app::App;
use willitsell::domain::id::SourceId;
use willitsell::domain::metric::MetricId;
use willitsell::domain::observation::DateWindow;
use willitsell::domain::response::Response;
use willitsell::sandbox::world::{People, SimArm, SimCampaign};
use willitsell::sandbox::{Endpoint, Fault, Sandbox, Setup, World};
use willitsell::schedule::pull::{Errand, Pulled, SourceFailed, pull};

use super::{DAY, LATER, busy, day};
use crate::canary::assert_no_canary;
use crate::project::{Project, experiment, setup};

/// Millionths by day and arm.
pub type Counted = BTreeMap<(NaiveDate, String), i64>;

/// The form that people fill in.
pub const FORM: &str = "CatMeals";

/// How a tool is connected, and what is true of it.
pub struct Tool {
    pub api: Endpoint,
    /// `[login.…]` where there is one, and all of `[source.form]`.
    pub source: fn(&Sandbox) -> String,
    /// What it counts.
    pub act: &'static str,
    /// What is put into `secrets/refresh` and `secrets/token`.
    pub secrets: fn(&Sandbox) -> [String; 2],
    pub truth: fn(&World, DateTime<Utc>) -> People,
}

/// A team that tests two prices with one form.
pub struct Story {
    tool: Tool,
    pub sandbox: Sandbox,
    project: Project,
    pub app: App,
}

/// Ten times the demo's traffic, a second price, and pages that are small.
pub fn many() -> Setup {
    two_prices(busy())
}

/// Three times the demo's traffic, for tools that are asked about each person.
pub fn few() -> Setup {
    let mut setup = setup(&format!("{DAY}T15:00:00Z"));
    for arm in setup.world.concepts.iter_mut().flat_map(|concept| &mut concept.arms) {
        arm.campaigns.iter_mut().for_each(|campaign| campaign.clicks_per_day *= 3.0);
    }
    two_prices(setup)
}

fn two_prices(mut setup: Setup) -> Setup {
    let concept = setup.world.concepts.iter_mut().find(|concept| concept.form_id == FORM).unwrap();
    let campaigns = concept.arms[0].campaigns.iter().map(|it| SimCampaign { id: it.id + 1_000_000_000, ..it.clone() });
    let dearer = SimArm { key: "kit-39".into(), rate: 0.03, campaigns: campaigns.collect() };
    concept.arms.push(dearer);
    Setup { form_page_rows: 75, ..setup }
}

pub fn at(today: &str) -> DateTime<Utc> {
    format!("{today}T15:00:00Z").parse().unwrap()
}

pub fn window() -> DateWindow {
    DateWindow::new(day("2026-02-25"), day(LATER)).unwrap()
}

impl Story {
    pub async fn begin(tool: Tool, setup: Setup) -> Self {
        Self::begin_with(tool, setup, None).await
    }

    /// The same with a connector of the team's own, by name.
    pub async fn begin_with(tool: Tool, setup: Setup, own: Option<(&str, String)>) -> Self {
        let sandbox = Sandbox::start(setup).await.unwrap();
        let mut configuration = configuration(&tool, &sandbox);
        if own.is_some() {
            configuration.insert_str(0, "connectors = \"connectors\"\n");
        }
        let project = Project::new(&configuration);
        if let Some((name, text)) = own {
            std::fs::create_dir(project.path().join("connectors")).unwrap();
            project.write(&format!("connectors/{name}.toml"), text);
        }
        let [refresh, token] = (tool.secrets)(&sandbox);
        project.secret("client", &sandbox.secrets().client_secret);
        project.secret("refresh", &refresh);
        project.secret("token", &token);
        let app = project.app().await;
        Self { tool, sandbox, project, app }
    }

    /// Pulls every day as of a day's afternoon.
    pub async fn pull(&self, today: &str) -> Result<Pulled, SourceFailed> {
        let now = at(today);
        self.sandbox.set_now(now);
        let experiment = experiment(&self.app, "story");
        let errand = Errand { run_id: "story", zone: experiment.timezone, due_at: now, now };
        let outcome = pull(&self.app.parts, &self.app.parts.sources[&form()], window(), errand, None).await;
        if let Err(error) = &outcome {
            assert_no_canary(format!("{error}"));
            assert_no_canary(format!("{error:?}"));
        }
        outcome
    }

    pub async fn responses(&self, known_at: Option<i64>) -> Vec<Response> {
        self.app.parts.store.inputs(&[form()], window(), known_at).await.unwrap().responses
    }

    /// What a metric's rows add up to, per day and arm, in millionths.
    pub async fn counted(&self, metric: &str, known_at: Option<i64>) -> Counted {
        let metric = MetricId::all().find(|it| it.metric().name == metric).unwrap();
        let arms = &experiment(&self.app, "story").arms;
        let mut counted = Counted::new();
        for row in self.app.parts.store.inputs(&[form()], window(), known_at).await.unwrap().observations {
            let arm = arms.iter().find(|arm| arm.keys[&form()].iter().any(|key| **key == *row.arm_key));
            if let (Some(arm), Some(value)) = (arm, row.values.get(metric)) {
                *counted.entry((row.day, arm.id.to_string())).or_default() += value;
            }
        }
        counted
    }

    /// Each person once, at the first act on an arm that still stands; acts where nobody is known each. Of a tool that counts by
    /// itself, what it counted.
    pub async fn stored(&self, known_at: Option<i64>) -> People {
        let arms = &experiment(&self.app, "story").arms;
        let mut acts = self.responses(known_at).await;
        if acts.is_empty() {
            let counted = self.counted(self.tool.act, known_at).await.into_iter();
            return counted.map(|(of, value)| (of, u64::try_from(value).unwrap() / 1_000_000)).collect();
        }
        acts.retain(|act| act.void.is_none());
        acts.sort_by(|one, other| (one.at, &one.response_id).cmp(&(other.at, &other.response_id)));
        let (mut seen, mut people) = (BTreeSet::new(), People::new());
        for act in acts {
            let Some(arm) = arms.iter().find(|arm| arm.keys[&form()].contains(&act.arm_key)) else { continue };
            if act.person.is_none_or(|person| seen.insert(person)) {
                let day = act.at.with_timezone(&self.sandbox.world().zone).date_naive();
                *people.entry((day, arm.id.to_string())).or_default() += 1;
            }
        }
        people
    }

    pub fn truth(&self, today: &str) -> People {
        (self.tool.truth)(self.sandbox.world(), at(today))
    }

    pub async fn last_pull(&self) -> i64 {
        self.app.parts.store.pulls(&form()).await.unwrap().last().unwrap().id
    }

    /// The whole story. `ends` makes the end of a token happen: `Some` text is part of what the team is told; with
    /// `None` the program helps itself.
    pub async fn told(self, least_pages: u32, throttled: Fault, ends: End, says: Option<&str>) -> Told {
        let first = self.pull(DAY).await.unwrap_or_else(|error| panic!("{error:#?}"));
        assert_eq!(self.stored(None).await, self.truth(DAY));
        assert!(first.pages >= least_pages && first.new > 30 && first.changed == 0, "{first:?}");
        // Mixpanel alone sends an act twice.
        let twice = first.warnings.iter().filter(|told| told.contains("came twice")).count();
        let expected = usize::from(self.tool.api == Endpoint::Mixpanel);
        assert_eq!((twice, first.warnings.len()), (expected, expected), "{:?}", first.warnings);

        self.sandbox.script(self.tool.api, [throttled]);
        let calls = self.sandbox.calls(self.tool.api);
        let again = self.pull(DAY).await.unwrap_or_else(|error| panic!("throttled once: {error:#?}"));
        assert!(self.sandbox.calls(self.tool.api) > calls + u64::from(again.pages), "the refused call was made");
        assert_eq!((again.new, again.changed, again.vanished), (0, 0, 0), "nothing had happened meanwhile");

        let (pull_id, before) = (self.last_pull().await, self.stored(None).await);
        match ends {
            End::Fault(fault) => self.sandbox.script(self.tool.api, [fault]),
            End::Login => self.sandbox.expire_access(),
        }
        match (self.pull(DAY).await, says) {
            (Ok(pulled), None) => assert_eq!((pulled.new, pulled.changed), (0, 0)),
            (Err(error), Some(says)) => assert!(error.to_string().contains(says), "{error}"),
            (outcome, _) => panic!("{outcome:#?}"),
        }
        assert_eq!(self.stored(None).await, before);

        self.sandbox.script(self.tool.api, [Fault::PageLoop, Fault::PageLoop]);
        let looped = self.pull(DAY).await;
        assert!(looped.is_err() || self.stored(None).await == before, "{looped:#?}");
        self.sandbox.script(self.tool.api, [Fault::Torn]);
        self.pull(DAY).await.unwrap_or_else(|error| panic!("torn once: {error:#?}"));
        assert_eq!(self.stored(None).await, before);

        let later = self.pull(LATER).await.unwrap_or_else(|error| panic!("{error:#?}"));
        assert_eq!(self.stored(None).await, self.truth(LATER));
        assert_ne!(self.stored(None).await, before);
        assert_eq!(self.stored(Some(pull_id)).await, before, "what was known then is still known");
        self.project.assert_no_secret_kept();
        Told { later, story: self }
    }
}

/// How the access ends.
pub enum End {
    /// The vendor refuses once.
    Fault(Fault),
    /// A login's access is over, and can be renewed.
    Login,
}

/// How the story went, for what a tool wants to look at besides.
pub struct Told {
    pub later: Pulled,
    pub story: Story,
}

pub fn form() -> SourceId {
    SourceId::new("form")
}

fn configuration(tool: &Tool, sandbox: &Sandbox) -> String {
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
sources = ["form", "clicks"]
notify = []
[source.clicks]
connector = "file"
[experiment.story.rate.signup]
numerator = "{}"
denominator = "{}"
[experiment.story.policy]
primary = "signup"
kill_bar = 0.02
build_bar = 0.03
"#,
        (tool.source)(sandbox),
        if tool.act == "visits" { "leads" } else { tool.act },
        if tool.act == "visits" { "visits" } else { "clicks" },
    );
    for arm in sandbox.world().concepts.iter().flat_map(|concept| &concept.arms) {
        let key = &arm.key;
        writeln!(text, "[experiment.story.arm.{key}]\nkeys = {{ form = [\"{key}\"], clicks = [\"{key}\"] }}").unwrap();
    }
    text
}
