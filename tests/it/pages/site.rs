//! Pages of a store that was written for them, served on a port of their own.

use std::path::PathBuf;
use std::sync::Arc;

use chrono::{DateTime, Days, TimeDelta, Utc};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use willitsell::app::App;
use willitsell::domain::decision::{Cause, Choice, Decision, Known, Setup};
use willitsell::domain::verdict::{ArmScore, Evidence, Generation, Reason, Scorecard, Verdict};
use willitsell::domain::web::Web;
use willitsell::schedule::agreement::Agreement;
use willitsell::schedule::daemon::Work;
use willitsell::store::{Finding, NewVerdict};
use willitsell::web::Pages;

use crate::project::Project;

/// Removed and ended when dropped.
pub struct Site {
    pub base: String,
    pub work: Arc<Work>,
    _project: Project,
    _keep: watch::Sender<Arc<Work>>,
    stop: CancellationToken,
}

/// One concept of a configuration.
pub struct Wanted<'a> {
    pub title: &'a str,
    pub owner: &'a str,
    pub arm: &'a str,
    pub verdict: Option<Verdict>,
}

impl Site {
    /// Concepts as wanted, each with one verdict of today, and one decision in `said`'s words on the first.
    pub async fn of(concepts: &[Wanted<'_>], said: Option<&str>) -> Self {
        let project = Project::new("");
        project.write("ads.csv", "Day,Campaign,Clicks\n");
        let mut text = String::from(
            "[store]\nurl = \"sqlite://willitsell.db\"\n\n[source.ads]\nconnector = \"file\"\nsettings = { path = \"ads.csv\" }\n",
        );
        let start = Utc::now().date_naive().checked_sub_days(Days::new(30)).unwrap();
        for (number, wanted) in concepts.iter().enumerate() {
            let quoted = |text: &str| serde_json::to_string(text).unwrap();
            text.push_str(&format!(
                r#"
[experiment.c{number}]
title = {title}
hypothesis = {title}
owner = {owner}
disclosure = "https://example.com/not-yet-available"
schedule = "0 8 * * *"
timezone = "Europe/Berlin"
start = "{start}"
sources = ["ads"]

[experiment.c{number}.rate.signup]
numerator = "conversions"
denominator = "clicks"

[experiment.c{number}.policy]
primary = "signup"
kill_bar = 0.03
build_bar = 0.045
budget_cap = {{ amount = "3500", currency = "USD" }}

[experiment.c{number}.money]
team_cost_per_week = {{ amount = "7800", currency = "USD" }}
build_weeks = 6

[experiment.c{number}.arm.offer]
title = {arm}
keys = {{ ads = ["k{number}"] }}
"#,
                title = quoted(wanted.title),
                owner = quoted(wanted.owner),
                arm = quoted(wanted.arm),
            ));
        }
        project.write("willitsell.toml", &text);
        let path: PathBuf = project.path().join("willitsell.toml");
        let app = App::open(&path).await.unwrap_or_else(|error| panic!("{error:?}\n{text}"));
        let agreement = Agreement::of(&app.parts, &app.loaded.config.experiments, app.parts.clock.now());
        let work = Arc::new(Work {
            agreement,
            parts: app.parts,
            experiments: app.loaded.config.experiments,
            themes: app.loaded.config.themes,
            catch_up: TimeDelta::days(1),
        });
        let site = Self::serving(project, work).await;
        for (number, wanted) in concepts.iter().enumerate() {
            if let Some(verdict) = wanted.verdict {
                site.judge(number, verdict, said.filter(|_| number == 0)).await;
            }
        }
        site
    }

    async fn serving(project: Project, work: Arc<Work>) -> Self {
        let web = Web { listen: None, is_chosen: false, url: Some("https://tests.example.com".into()) };
        let (keep, receiver) = watch::channel(Arc::clone(&work));
        let pages = Pages::open("127.0.0.1:0".parse().unwrap(), web, receiver).await.unwrap();
        let base = format!("http://{}", pages.address().unwrap());
        let stop = CancellationToken::new();
        tokio::spawn(pages.run(stop.clone()));
        Self { base, work, _project: project, _keep: keep, stop }
    }

    async fn judge(&self, number: usize, verdict: Verdict, said: Option<&str>) {
        let experiment = &self.work.experiments[number];
        let now: DateTime<Utc> = Utc::now();
        let card = scorecard(experiment, verdict, now);
        let generation = Generation { number: 1, first_day: experiment.start, policy_hash: "aa".repeat(32) };
        let setup = Setup { experiment: experiment.clone(), generation: generation.clone() };
        let verdict = NewVerdict {
            scorecard: card.clone(),
            cause: Cause::Decided,
            known: Known::default(),
            setup: Some(willitsell::store::Packed::of(&setup, None).unwrap()),
            previous: None,
            deliveries: vec![],
        };
        let finding =
            Finding { concept: &experiment.concept.id, opened: Some(generation), verdict: Some(verdict), run: None };
        let store = &self.work.parts.store;
        let last = store.view().last_scorecard().await.unwrap();
        let stored = store.write_down(vec![finding], last).await.unwrap().unwrap().remove(0).unwrap();
        if let Some(said) = said {
            let decision = Decision {
                id: 0,
                concept: experiment.concept.id.clone(),
                generation: 1,
                choice: Choice::Kill,
                by: said.to_owned(),
                reason: said.to_owned(),
                at: now,
                scorecard: stored.id,
                verdict: card.verdict,
                days: None,
                budget: None,
            };
            store.record_decision(&decision, &[]).await.unwrap();
        }
    }

    /// The address of every page.
    pub fn every_page() -> Vec<String> {
        ["/", "/money", "/decisions", "/health"].map(str::to_owned).into()
    }
}

impl Drop for Site {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn scorecard(experiment: &willitsell::domain::concept::Experiment, verdict: Verdict, now: DateTime<Utc>) -> Scorecard {
    let (low, estimate, high) = match verdict {
        Verdict::Build => (0.040, 0.060, 0.085),
        Verdict::Kill => (0.0, 0.009, 0.021),
        _ => (0.011, 0.021, 0.19),
    };
    let evidence = Evidence {
        days: 14,
        trials: 1240.0,
        successes: (1240.0_f64 * estimate).round(),
        estimate: Some(estimate),
        low: Some(low),
        high: Some(high),
        log_e_build: Some(6.0),
        log_e_kill: Some(1.0),
        build_at: Some(2.7),
        kill_at: Some(2.7),
        phi: Some(1.0),
        flags: vec![],
    };
    let title = experiment.concept.title.clone();
    let reasons = match verdict {
        Verdict::Build | Verdict::Kill => vec![],
        Verdict::Collecting => vec![Reason::Undecided],
        Verdict::Review => vec![Reason::CapReached { lean: None }],
        Verdict::Blocked => {
            vec![Reason::UnmappedSpend { amount: None, share: 0.5, keys: vec![format!("ads: {title}")] }]
        }
    };
    let arm = ArmScore {
        arm: experiment.arms[0].id.clone(),
        verdict: if verdict == Verdict::Blocked { Verdict::Collecting } else { verdict },
        reason: reasons.first().cloned(),
        since: Some(now.date_naive()),
        evidence,
        spend: None,
        cost_per_act: None,
        guardrails: vec![],
    };
    Scorecard {
        concept: experiment.concept.id.clone(),
        generation: 1,
        as_of: now,
        last_settled_day: now.date_naive(),
        verdict,
        reasons,
        arms: vec![arm],
        guardrails: vec![],
        spend: None,
        spend_after: None,
        given: None,
        proof: vec![],
        best: vec![],
        unmapped: None,
        unseen: vec![],
        day_notes: vec![],
        decisions: vec![],
        policy_hash: "aa".repeat(32),
        data_hash: "bb".repeat(32),
        program_version: "0.1.0".into(),
    }
}
