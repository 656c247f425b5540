//! The whole program on a store of its own, day after day, without any vendor: what is decided, what becomes of it when
//! the past changes, and that all of it can be derived again.

mod arms;
mod history;
mod portfolio;
mod restated;
mod together;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use rusqlite::Connection;
use tempfile::TempDir;
use willitsell::cli::replay::stored::{Replayed, replay};
use willitsell::connect::Registry;
use willitsell::connect::auth::Auth;
use willitsell::connect::http::{Http, Limits};
use willitsell::connect::manifest::Patience;
use willitsell::domain::concept::{Experiment, Source};
use willitsell::domain::connector::{Facts, RowSink, Settings, SourceAccess, SourceRow};
use willitsell::domain::decision::{Choice, Decision};
use willitsell::domain::id::ConceptId;
use willitsell::domain::intake::Intake;
use willitsell::domain::metric::MetricId;
use willitsell::domain::money::Money;
use willitsell::domain::observation::DateWindow;
use willitsell::domain::verdict::StoredScorecard;
use willitsell::schedule::Parts;
use willitsell::schedule::clock::System;
use willitsell::schedule::due::DueRun;
use willitsell::schedule::tick::{Ticked, tick};
use willitsell::schedule::turns::Turns;
use willitsell::store::{Slice, Store, Wary};

/// The whole program on a store of its own, asking nobody: what vendors say is put into the store.
pub struct Rig {
    folder: TempDir,
    pub parts: Parts,
}

impl Rig {
    pub async fn new() -> Self {
        Self::on(tempfile::tempdir().unwrap()).await
    }

    /// The program once more on the same store.
    pub async fn restarted(self) -> Self {
        self.parts.store.close().await;
        Self::on(self.folder).await
    }

    async fn on(folder: TempDir) -> Self {
        let store = Store::open(&format!("sqlite://{}", folder.path().join("willitsell.db").display())).await.unwrap();
        let http = Http::new(Limits::default()).unwrap();
        let registry = Registry::built_in(&http, &Auth::new(http.clone()), &Patience::default()).unwrap();
        let tokens = Box::new(store.tokens(None));
        let parts = Parts {
            store: Arc::new(store),
            registry,
            sources: BTreeMap::new(),
            tokens,
            notifiers: BTreeMap::new(),
            telling: willitsell::domain::template::Telling::default(),
            turns: Arc::new(Turns::new(8)),
            clock: Arc::new(System::default()),
            health: Arc::default(),
        };
        Self { folder, parts }
    }

    /// The database behind the program's back.
    pub fn raw(&self) -> Connection {
        let connection = Connection::open(self.folder.path().join("willitsell.db")).unwrap();
        connection.busy_timeout(Duration::from_secs(20)).unwrap();
        connection
    }

    /// Puts a reading of a source into the store.
    pub async fn put(&self, source: &Source, window: DateWindow, at: DateTime<Utc>, rows: &[SourceRow<'_>]) {
        let mut stage = self.parts.store.stage();
        stage.accept(rows).await.unwrap();
        let slice = Slice {
            run_id: format!("run@{at}"),
            source: source.id.clone(),
            window,
            zone: Tz::UTC,
            currency: source.metrics.contains(&MetricId::SPEND).then(|| crate::decide::usd("0").currency),
            facts: Facts::default(),
            at,
            wary: None::<Wary>,
        };
        self.parts.store.replace_slice(stage, &slice).await.unwrap();
    }

    /// From now on a source fails, or answers again.
    pub fn fail(&mut self, source: &Source, fails: bool) {
        if !fails {
            self.parts.sources.remove(&source.id);
            return;
        }
        // The program has no such connector: asking it fails without a network.
        let gone = Source { connector: "gone".into(), ..source.clone() };
        let access = SourceAccess {
            source: gone,
            settings: Settings::default(),
            login: None,
            intake: Intake::default(),
            inbound: None,
        };
        self.parts.sources.insert(source.id.clone(), access);
    }

    /// One slot of one experiment whose sources answer.
    pub async fn tick(&self, experiment: &Experiment, at: DateTime<Utc>) -> StoredScorecard {
        self.slot(experiment, at).await.expect("a verdict")
    }

    /// One slot of one experiment, and the verdict stored for it; none while a source has not failed for long.
    pub async fn slot(&self, experiment: &Experiment, at: DateTime<Utc>) -> Option<StoredScorecard> {
        let due = DueRun { concept: experiment.concept.id.clone(), due_at: at, missed: 0 };
        match tick(&self.parts, experiment, &due, at).await.unwrap() {
            Ticked::Decided { scorecard, .. } => Some(*scorecard),
            Ticked::Failed { blocked, .. } => blocked.map(|scorecard| *scorecard),
            Ticked::AlreadyRan => panic!("{} at {at} ran before", experiment.concept.id),
        }
    }

    /// Somebody decides on a verdict, some hours later.
    pub async fn decide(&self, on: &StoredScorecard, choice: Choice, days: Option<u32>, budget: Option<Money>) {
        let card = &on.scorecard;
        let decision = Decision {
            id: 0,
            concept: card.concept.clone(),
            generation: card.generation,
            choice,
            by: "Dana".into(),
            reason: "we have heard enough".into(),
            at: card.as_of + TimeDelta::hours(4),
            scorecard: on.id,
            verdict: card.verdict,
            days,
            budget,
        };
        self.parts.store.record_decision(&decision, &[]).await.unwrap();
    }

    pub async fn replay(&self, concept: &ConceptId) -> Replayed {
        replay(&self.parts.store, concept, None, |_| ()).await.unwrap()
    }
}

pub fn morning(on: NaiveDate) -> DateTime<Utc> {
    on.and_hms_opt(6, 0, 0).unwrap().and_utc()
}
