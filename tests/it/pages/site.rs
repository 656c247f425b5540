//! Pages of a store that was written for them, or by the real program, served on a port of their own.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::Child;
use std::sync::Arc;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use willitsell::app::App;
use willitsell::domain::connector::{Facts, ResponseRow, RowSink, SourceRow};
use willitsell::domain::decision::{Choice, Decision};
use willitsell::domain::id::SourceId;
use willitsell::domain::intake::{Intake, Question};
use willitsell::domain::metric::MetricId;
use willitsell::domain::money::Currency;
use willitsell::domain::observation::DateWindow;
use willitsell::domain::response::Depth;
use willitsell::domain::verdict::Verdict;
use willitsell::domain::web::Web;
use willitsell::schedule::agreement::Agreement;
use willitsell::schedule::daemon::Work;
use willitsell::schedule::verdicts::{self, Case};
use willitsell::store::Slice;
use willitsell::web::Pages;

use crate::postgres::Database;
use crate::project::Project;

/// How many days of ads there are.
const DAYS: u64 = 30;

/// Removed and ended when dropped.
pub struct Site {
    pub base: String,
    pub work: Arc<Work>,
    pub project: Project,
    keep: watch::Sender<Arc<Work>>,
    stop: CancellationToken,
}

/// One concept of a configuration.
pub struct Wanted<'a> {
    pub title: &'a str,
    pub owner: &'a str,
    pub arm: &'a str,
    pub verdict: Option<Verdict>,
}

impl Wanted<'_> {
    /// Of a concept with BUILD everything is known that can be drawn: two versions with prices, two channels, what people
    /// write. Others have one version and one channel.
    fn is_rich(&self) -> bool {
        self.verdict == Some(Verdict::Build)
    }

    fn channels(&self) -> &'static [&'static str] {
        if self.is_rich() { &["search", "meta"] } else { &["search"] }
    }

    /// Clicks of a version each day on a channel, what each costs in cents, and the acts of five days.
    fn traffic(&self) -> (i64, i64, [i64; 5]) {
        match self.verdict {
            Some(Verdict::Kill) => (60, 80, [1, 0, 1, 0, 0]),
            Some(Verdict::Review) => (60, 250, [2, 2, 3, 2, 2]),
            Some(Verdict::Collecting) => (20, 80, [0, 1, 1, 0, 1]),
            Some(Verdict::Build | Verdict::Blocked) | None => (60, 60, [4, 5, 4, 4, 5]),
        }
    }
}

fn first_day() -> NaiveDate {
    Utc::now().date_naive() - Days::new(DAYS)
}

fn configuration(concepts: &[Wanted<'_>]) -> String {
    let quoted = |text: &str| serde_json::to_string(text).unwrap();
    let mut text =
        String::from("[store]\nurl = \"sqlite://willitsell.db\"\n\n[portfolio]\nfalse_build_rate = \"each\"\n");
    if concepts.is_empty() {
        text.push_str("\n[source.ads]\nconnector = \"file\"\n");
    }
    let start = first_day();
    for (number, wanted) in concepts.iter().enumerate() {
        let mut sources = Vec::new();
        for channel in wanted.channels() {
            text.push_str(&format!(
                "\n[source.{channel}-{number}]\nconnector = \"file\"\nchannel = \"{channel}\"\nsettings = {{ path = \"{channel}-{number}.csv\" }}\n"
            ));
            sources.push(format!("{channel}-{number}"));
        }
        if wanted.is_rich() {
            text.push_str(&format!(
                "\n[source.form-{number}]\nconnector = \"form_file\"\nsettings = {{ time_zone = \"UTC\", arm = \"offer\" }}\n\
                 answers = {{ why = \"Why*\" }}\nfree_text = [\"why\"]\n"
            ));
            sources.push(format!("form-{number}"));
        }
        text.push_str(&format!(
            r#"
[experiment.c{number}]
title = {title}
hypothesis = {title}
owner = {owner}
disclosure = "https://example.com/not-yet-available"
schedule = "0 8 * * *"
timezone = "UTC"
start = "{start}"
sources = {sources}
themes = {{ {title} = ["late"] }}

[experiment.c{number}.rate.signup]
numerator = "conversions"
denominator = "clicks"

[experiment.c{number}.policy]
primary = "signup"
kill_bar = 0.03
build_bar = 0.045
budget_cap = {{ amount = "3500", currency = "USD" }}

[[experiment.c{number}.policy.guardrails]]
name = "cost_per_signup"
numerator = "spend"
denominator = "conversions"
max = 84.0

[experiment.c{number}.money]
team_cost_per_week = {{ amount = "7800", currency = "USD" }}
build_weeks = 6
gross_profit = {{ amount = "150000", currency = "USD" }}
price_per_month = {{ amount = "29", currency = "USD" }}
gross_margin = 0.8
monthly_churn = 0.03
signup_to_paid = 0.12
"#,
            title = quoted(wanted.title),
            owner = quoted(wanted.owner),
            sources = serde_json::to_string(&sources).unwrap(),
        ));
        for (arm, (title, price)) in arms(wanted).into_iter().enumerate() {
            let keys: Vec<String> = sources.iter().map(|source| format!("{source} = [\"{arm}\"]")).collect();
            let keys =
                keys.join(", ").replace(&format!("form-{number} = [\"0\"]"), &format!("form-{number} = [\"offer\"]"));
            text.push_str(&format!(
                "\n[experiment.c{number}.arm.version-{arm}]\ntitle = {}\nkeys = {{ {keys} }}\n",
                quoted(title)
            ));
            if wanted.is_rich() {
                text.push_str(&format!("price = {{ amount = \"{price}\", currency = \"USD\" }}\n"));
            }
        }
    }
    text
}

/// What the versions of a concept are called, and what they cost.
fn arms<'a>(wanted: &Wanted<'a>) -> Vec<(&'a str, u32)> {
    if wanted.is_rich() { vec![(wanted.arm, 29), ("The dearer one", 39)] } else { vec![(wanted.arm, 29)] }
}

impl Site {
    /// Concepts as wanted, each with days enough for its verdict, and one decision in `said`'s words on the first.
    pub async fn of(concepts: &[Wanted<'_>], said: Option<&str>) -> Self {
        Self::on(None, concepts, said).await
    }

    /// The same from a store on a server, where one is named.
    pub async fn on(database: Option<&Database>, concepts: &[Wanted<'_>], said: Option<&str>) -> Self {
        let project = Project::new("");
        project.write("ads.csv", "Day,Campaign,Clicks\n");
        project.write("willitsell.toml", configuration(concepts));
        if let Some(database) = database {
            project.put_on(database);
        }
        let site = Self::opened(project).await;
        for (number, wanted) in concepts.iter().enumerate() {
            if let Some(verdict) = wanted.verdict {
                site.fill(number, wanted).await;
                site.judge(number, verdict).await;
                if let Some(said) = said.filter(|_| number == 0) {
                    site.decide(number, verdict, said).await;
                }
            }
        }
        site
    }

    /// The pages of a folder with a configuration.
    pub async fn opened(project: Project) -> Self {
        let work = work(&project).await;
        let (_, web) = watch::channel(Web { url: Some("https://tests.example.com".into()), ..Web::default() });
        let (keep, receiver) = watch::channel(Arc::clone(&work));
        let pages = Pages::open("127.0.0.1:0".parse().unwrap(), web, receiver, rand::random).await.unwrap();
        let base = format!("http://{}", pages.address().unwrap());
        let stop = CancellationToken::new();
        tokio::spawn(pages.run(stop.clone()));
        Self { base, work, project, keep, stop }
    }

    /// Has the pages work with what the configuration says now.
    pub async fn reload(&mut self) {
        self.work = work(&self.project).await;
        self.keep.send_replace(Arc::clone(&self.work));
    }

    /// Writes the days of a concept as pulls do.
    async fn fill(&self, number: usize, wanted: &Wanted<'_>) {
        let (clicks, cents, acts) = wanted.traffic();
        for channel in wanted.channels() {
            let source = SourceId::new(format!("{channel}-{number}"));
            let mut stage = self.work.parts.store.stage();
            for (at, day) in first_day().iter_days().take(usize::try_from(DAYS).unwrap()).enumerate() {
                let row = async |stage: &mut willitsell::store::Stage, key: &str, clicks: i64, acts: i64| {
                    let values = [
                        (MetricId::IMPRESSIONS, clicks * 40_000_000),
                        (MetricId::CLICKS, clicks * 1_000_000),
                        (MetricId::SPEND, clicks * cents * 10_000),
                        (MetricId::CONVERSIONS, acts * 1_000_000),
                    ];
                    stage
                        .accept(&[SourceRow::Counts { arm_key: Some(key.into()), day, values: &values }])
                        .await
                        .unwrap();
                };
                for arm in 0..arms(wanted).len() {
                    row(&mut stage, &arm.to_string(), clicks, acts[(at + arm) % acts.len()]).await;
                }
                if wanted.verdict == Some(Verdict::Blocked) {
                    row(&mut stage, wanted.title, clicks, 0).await;
                }
            }
            self.commit(stage, source).await;
        }
        if wanted.is_rich() {
            let question = Question { name: "why".into(), asked_as: "why".into(), is_free_text: true };
            let mut stage = self.work.parts.store.stage_of(&Intake { answers: vec![question], ..Intake::default() });
            for (at, day) in (0..).zip(first_day().iter_days().take(usize::try_from(DAYS - 1).unwrap())) {
                let person = format!("person-{at}@example.com");
                let response = ResponseRow {
                    response_id: format!("r{at}").into(),
                    person: Some(person.as_str().into()),
                    depth: Depth::Email,
                    void: None,
                    arm_key: Some("offer".into()),
                    at: day.and_hms_opt(10, 0, 0).unwrap().and_utc(),
                    answers: vec![("why".to_owned(), format!("late payers cost us days, {}", wanted.title))],
                };
                stage.accept(&[SourceRow::Response(response)]).await.unwrap();
            }
            self.commit(stage, SourceId::new(format!("form-{number}"))).await;
        }
    }

    async fn commit(&self, stage: willitsell::store::Stage, source: SourceId) {
        let now: DateTime<Utc> = Utc::now();
        let slice = Slice {
            run_id: "test".to_owned(),
            source,
            window: DateWindow::new(first_day(), now.date_naive() - Days::new(1)).unwrap(),
            zone: Tz::UTC,
            currency: Currency::from_code("USD"),
            facts: Facts::default(),
            at: now,
            wary: None,
        };
        self.work.parts.store.replace_slice(stage, &slice).await.unwrap();
    }

    /// Reads the first source of a concept once more, as a pull does.
    pub async fn pull_again(&self, number: usize) {
        let wanted = Wanted { title: "A concept", owner: "Dana", arm: "One", verdict: None };
        self.fill(number, &wanted).await;
    }

    async fn judge(&self, number: usize, verdict: Verdict) {
        let experiment = &self.work.experiments[number];
        let now = Utc::now();
        let case = Case { experiment, as_of: now, run: "test", now, failed: &[] };
        let judged = Box::pin(verdicts::judge(&self.work.parts.store, &[case])).await.unwrap();
        let judged = judged.into_iter().next().unwrap().unwrap().unwrap();
        assert_eq!(judged.scorecard.verdict, verdict, "{:#?}", judged.scorecard);
    }

    pub async fn decide(&self, number: usize, verdict: Verdict, said: &str) {
        let concept = &self.work.experiments[number].concept.id;
        let store = &self.work.parts.store;
        let decision = Decision {
            id: 0,
            concept: concept.clone(),
            generation: 1,
            choice: Choice::Kill,
            by: said.to_owned(),
            reason: said.to_owned(),
            at: Utc::now(),
            scorecard: store.latest_scorecard(concept).await.unwrap().unwrap().id,
            verdict,
            days: None,
            budget: None,
        };
        store.record_decision(&decision, &[]).await.unwrap();
    }

    /// The address of every page.
    pub fn every_page(&self) -> Vec<String> {
        let concepts = self.work.experiments.iter().map(|experiment| experiment.concept.id.as_str());
        every_page(concepts)
    }
}

/// What the configuration of a folder says, and its store.
async fn work(project: &Project) -> Arc<Work> {
    let path: PathBuf = project.path().join("willitsell.toml");
    let app = App::open(&path).await.unwrap_or_else(|error| panic!("{error:?}"));
    let agreement = Agreement::of(&app.parts, &app.loaded.config.experiments, app.parts.clock.now());
    Arc::new(Work {
        agreement,
        parts: app.parts,
        experiments: app.loaded.config.experiments,
        themes: app.loaded.config.themes,
        catch_up: TimeDelta::days(1),
    })
}

/// The address of every page of some concepts.
pub fn every_page<'a>(concepts: impl Iterator<Item = &'a str>) -> Vec<String> {
    let concepts = concepts.flat_map(|id| [format!("/concepts/{id}"), format!("/concepts/{id}/arms")]);
    ["/", "/money", "/decisions", "/health"].map(str::to_owned).into_iter().chain(concepts).collect()
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// Pages that the real program serves; it is ended when dropped.
pub struct Served {
    pub base: String,
    program: Child,
}

impl Served {
    /// Those of a folder in which `demo` was run.
    pub fn demo(project: &Project, folder: &str) -> Self {
        Self::of(project, &["demo", "--folder", folder, "--serve"])
    }

    /// Waits until a command says where its pages are.
    pub fn of(project: &Project, arguments: &[&str]) -> Self {
        let mut command = project.command(arguments);
        let mut program = command.env("WILLITSELL_LOG", "warn").stderr(std::process::Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
        let base = lines
            .by_ref()
            .map(Result::unwrap)
            .find_map(|line| Some(line.split_once("The pages: ")?.1.trim_end_matches('/').to_owned()));
        // Whoever goes on writing must not be stopped by a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { base: base.expect("it ended without pages"), program }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}
