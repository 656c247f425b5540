//! The store, from outside: one story, its faults, and a naive model it must agree with.

mod answers;
mod copies;
mod faults;
mod fields;
mod files;
mod forget;
mod model;
mod outbox;
pub mod power;
mod quarantine;
mod reading;
mod received;
mod server;
mod story;

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use tempfile::TempDir;
use willitsell::domain::connector::{Facts, ResponseRow, RowSink, SourceRow};
use willitsell::domain::decision::{Cause, Known};
use willitsell::domain::id::{ConceptId, DestinationId, SourceId};
use willitsell::domain::message::{Delivery, Message};
use willitsell::domain::metric::MetricId;
use willitsell::domain::observation::{DateWindow, Inputs, Values};
use willitsell::domain::response::Depth;
use willitsell::domain::run::{Outcome, Run};
use willitsell::domain::verdict::{Scorecard, StoredScorecard, Verdict};
use willitsell::store::{Ending, Finding, NewVerdict, Slice, SliceChange, Stage, Store, StoreError};

use crate::postgres::{self, Database};
use crate::project::KEY;

/// Looks like a person's address and like a secret; must be found nowhere afterwards.
const CANARY: &str = "canary-7f3a9c@example.com";

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn days(first: &str, last: &str) -> DateWindow {
    DateWindow::new(day(first), day(last)).unwrap()
}

fn ads() -> SourceId {
    SourceId::new("search")
}

fn form() -> SourceId {
    SourceId::new("landing")
}

fn address(folder: &TempDir) -> String {
    format!("sqlite://{}", folder.path().join("willitsell.db").display())
}

async fn open(folder: &TempDir) -> Store {
    Store::open(&address(folder)).await.unwrap()
}

/// Where a store can be, empty so far.
enum Home {
    File(TempDir),
    Server(Database),
}

/// One of each kind: a server where the machine has one.
async fn homes() -> Vec<Home> {
    let file = Home::File(tempfile::tempdir().unwrap());
    std::iter::once(file).chain(postgres::database().await.map(Home::Server)).collect()
}

impl Home {
    async fn open(&self) -> Store {
        match self {
            Self::File(folder) => open(folder).await,
            Self::Server(database) => open_on(database).await,
        }
    }
}

async fn open_on(database: &Database) -> Store {
    Store::open_with(&database.url, Some(&KEY.into())).await.unwrap()
}

fn slice(source: &SourceId, window: DateWindow, instant: &str) -> Slice {
    Slice {
        run_id: "cat-meals@2026-03-02T05:00:00Z".into(),
        source: source.clone(),
        window,
        zone: Tz::UTC,
        currency: None,
        facts: Facts::default(),
        at: at(instant),
        wary: None,
    }
}

/// One row of counts: day, arm key, clicks, spend in millionths.
type Row<'a> = (&'a str, &'a str, i64, Option<i64>);

async fn staged(store: &Store, rows: &[Row<'_>]) -> Stage {
    let mut stage = store.stage();
    for &(on, key, clicks, spend) in rows {
        let mut values = vec![(MetricId::CLICKS, clicks)];
        values.extend(spend.map(|spend| (MetricId::SPEND, spend)));
        let row = SourceRow::Counts { arm_key: Some(Cow::Borrowed(key)), day: day(on), values: &values };
        stage.accept(&[row]).await.unwrap();
    }
    stage
}

async fn put(store: &Store, slice: &Slice, rows: &[Row<'_>]) -> Result<SliceChange, StoreError> {
    store.replace_slice(staged(store, rows).await, slice).await
}

fn response<'a>(id: &'a str, person: Option<&'a str>, arm: &'a str, instant: &str) -> SourceRow<'a> {
    SourceRow::Response(ResponseRow {
        response_id: id.into(),
        person: person.map(Into::into),
        depth: Depth::Email,
        void: None,
        arm_key: Some(arm.into()),
        at: at(instant),
        answers: vec![],
    })
}

/// new, changed, vanished, unchanged
fn counts(change: &SliceChange) -> [u64; 4] {
    [change.new, change.changed, change.vanished, change.unchanged]
}

/// Day, arm key, pull, clicks and spend of an observation.
type Seen<'a, Day> = (Day, &'a str, i64, Option<i64>, Option<i64>);

fn rows(inputs: &Inputs) -> Vec<Seen<'_, String>> {
    let value = |values: &Values, metric| values.get(metric);
    inputs
        .observations
        .iter()
        .map(|it| {
            let (clicks, spend) = (value(&it.values, MetricId::CLICKS), value(&it.values, MetricId::SPEND));
            (it.day.to_string(), &*it.arm_key, it.pull_id, clicks, spend)
        })
        .collect()
}

async fn everything(store: &Store, source: &SourceId, known_at: Option<i64>) -> Inputs {
    store.inputs(std::slice::from_ref(source), days("2026-01-01", "2026-12-31"), known_at).await.unwrap()
}

/// Writes down what slots came to, as if nobody else had in between.
async fn write_down(store: &Store, finding: Finding<'_>) -> Option<StoredScorecard> {
    let last = store.view().last_scorecard().await.unwrap();
    store.write_down(vec![finding], last).await.unwrap().unwrap().remove(0)
}

/// Stores a verdict that saw pulls up to one, without what it was decided with.
async fn save(store: &Store, card: &Scorecard, pull: i64, deliveries: &[Delivery]) -> StoredScorecard {
    let verdict = NewVerdict {
        scorecard: card.clone(),
        cause: Cause::Decided,
        known: Known { pull, ..Known::default() },
        setup: None,
        previous: store.latest_scorecard(&card.concept).await.unwrap(),
        deliveries: deliveries.to_vec(),
    };
    let finding = Finding { concept: &card.concept, opened: None, verdict: Some(verdict), run: None };
    write_down(store, finding).await.unwrap()
}

/// Ends a run.
async fn finish(store: &Store, run: &Run, instant: &str, outcome: Outcome) {
    let run_ends = Ending { id: &run.id, at: at(instant), outcome };
    let finding = Finding { concept: &run.concept, opened: None, verdict: None, run: Some(run_ends) };
    assert_eq!(write_down(store, finding).await, None);
}

fn concept() -> ConceptId {
    ConceptId::new("cat-meals")
}

fn run(due: &str) -> Run {
    Run {
        id: Run::key(&concept(), at(due)),
        concept: concept(),
        due_at: at(due),
        started_at: at(due),
        finished_at: None,
        outcome: None,
        missed: 0,
    }
}

fn scorecard(as_of: &str, verdict: Verdict) -> Scorecard {
    Scorecard {
        concept: concept(),
        generation: 1,
        as_of: at(as_of),
        last_settled_day: at(as_of).date_naive(),
        verdict,
        reasons: vec![],
        arms: vec![],
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
        policy_hash: "aa".into(),
        data_hash: "bb".into(),
        program_version: "0.1.0".into(),
    }
}

fn delivery(id: &str, not_before: &str) -> Delivery {
    Delivery {
        id: id.into(),
        destination: DestinationId::new("growth"),
        message: Message {
            concept: concept(),
            verdict: Some(Verdict::Build),
            decision: None,
            topics: vec![],
            headline: "BUILD · Vet-approved meal kit".into(),
            lines: vec![("Why".into(), "The whole range is above the bar".into())],
            decided_at: at(not_before),
        },
        attempts: 0,
        may_repeat: false,
        not_before: at(not_before),
        thread: id.into(),
        quiet: None,
        page: None,
    }
}
