//! A simulated history with restatements, mended mappings, changed bars and raised caps: every verdict that was ever
//! stored is derived again from what was known on its day, bit for bit; and whoever edits the store is found out.
//!
//! `WILLITSELL_HISTORY=50x200` runs it with as many concepts and days.

mod arms;
mod portfolio;
mod restated;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use rusqlite::Connection;
use tempfile::TempDir;
use willitsell::cli::replay::stored::{Replayed, replay};
use willitsell::connect::Registry;
use willitsell::connect::auth::Auth;
use willitsell::connect::http::{Http, Limits};
use willitsell::connect::manifest::Patience;
use willitsell::domain::concept::{Experiment, Source};
use willitsell::domain::connector::{Facts, ResponseRow, RowSink, SourceRow};
use willitsell::domain::id::{ConceptId, SourceId};
use willitsell::domain::metric::MetricId;
use willitsell::domain::millionths::ONE;
use willitsell::domain::observation::DateWindow;
use willitsell::domain::portfolio::FalseBuildRate;
use willitsell::domain::response::Depth;
use willitsell::schedule::Parts;
use willitsell::schedule::due::DueRun;
use willitsell::schedule::tick::{Ticked, tick};
use willitsell::store::{Slice, Store, Wary};

use crate::decide::experiment;

/// How many days back every morning's reading goes.
const LOOK_BACK: u64 = 12;

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
        let parts = Parts { store, registry, sources: BTreeMap::new(), tokens, notifiers: BTreeMap::new() };
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

    /// One slot of one experiment.
    pub async fn tick(
        &self,
        experiment: &Experiment,
        at: DateTime<Utc>,
    ) -> willitsell::domain::verdict::StoredScorecard {
        let due = DueRun { concept: experiment.concept.id.clone(), due_at: at, missed: 0 };
        match tick(&self.parts, experiment, &due, at).await.unwrap() {
            Ticked::Decided { scorecard, .. } => *scorecard,
            other => panic!("{other:?}"),
        }
    }

    pub async fn replay(&self, concept: &ConceptId) -> Replayed {
        replay(&self.parts.store, concept, None, |_| ()).await.unwrap()
    }
}

pub fn morning(on: NaiveDate) -> DateTime<Utc> {
    on.and_hms_opt(6, 0, 0).unwrap().and_utc()
}

/// One concept among many: sources of its own, and a true rate from a dud to a hit.
fn concept(number: u64) -> Experiment {
    let mut experiment = experiment(&["a", "b"]);
    experiment.concept.id = ConceptId::new(format!("concept-{number}"));
    for source in &mut experiment.sources {
        source.id = SourceId::new(format!("{}-{number}", source.id));
    }
    for arm in &mut experiment.arms {
        arm.keys = experiment.sources.iter().map(|source| (source.id.clone(), vec![arm.id.to_string()])).collect();
    }
    experiment.policy.horizon_days = 40;
    experiment.false_build_rate = FalseBuildRate::Together;
    experiment
}

/// A draw from 0 to 1 that depends on nothing but its arguments (`SplitMix64`: a seeded generator for each would take
/// most of the test's time).
#[expect(clippy::cast_precision_loss, reason = "53 bits are kept")]
fn draw(number: u64, day: u64, what: u64) -> f64 {
    let mut bits = (number << 40 | day << 16 | what).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    ((bits ^ bits >> 31) >> 11) as f64 / (1_u64 << 53) as f64
}

/// What the vendor said on one morning of one day: counts grow for two days, and now and then change for good.
#[expect(clippy::cast_possible_truncation, reason = "small whole numbers")]
fn visits(number: u64, arm: u64, day: u64, age: u64) -> i64 {
    let final_count = 60.0 + 80.0 * draw(number, day, arm);
    let seen = [0.7, 0.9].get(age as usize - 1).copied().unwrap_or(1.0);
    let restated = draw(number, day, 10 + arm) < 0.08 && age > 5;
    (final_count * seen * if restated { 0.5 + draw(number, day, 20 + arm) } else { 1.0 }) as i64
}

/// Whether the visitor with this number had signed up, as the form told it at that age: some tell late, some are struck
/// out again as spam.
fn signed_up(number: u64, arm: u64, day: u64, visitor: u64, age: u64) -> bool {
    let rate = 0.002 + 0.06 * draw(number, 0, 30);
    let what = 100 + arm * 1_000 + visitor;
    let (late, spam) = (draw(number, day, what + 300), draw(number, day, what + 600));
    draw(number, day, what) < rate && (late < 0.9 || age > 4) && (spam > 0.05 || age < 7)
}

/// Everything the two sources say on the morning after `day`.
async fn read_all(rig: &Rig, experiment: &Experiment, number: u64, day: u64) {
    let at = morning(experiment.start + Days::new(day + 1));
    let first = day.saturating_sub(LOOK_BACK);
    let window = DateWindow::new(experiment.start + Days::new(first), experiment.start + Days::new(day)).unwrap();
    let (mut counts, mut acts) = (Vec::new(), Vec::new());
    for past in first..=day {
        let on = experiment.start + Days::new(past);
        for (arm, key) in [(0, "a"), (1, "b")] {
            let visitors = visits(number, arm, past, day + 1 - past);
            counts.push((on, key, [(MetricId::VISITS, visitors * ONE), (MetricId::SPEND, visitors * 2 * ONE)]));
            acts.extend(
                (0..visitors.unsigned_abs()).filter(|&one| signed_up(number, arm, past, one, day + 1 - past)).map(
                    |one| {
                        (
                            format!("{key}-{past}-{one}"),
                            key,
                            on.and_hms_opt(9, 0, 0).unwrap().and_utc() + TimeDelta::minutes(one.try_into().unwrap()),
                        )
                    },
                ),
            );
        }
    }
    let rows: Vec<SourceRow<'_>> = counts
        .iter()
        .map(|(on, key, values)| SourceRow::Counts { arm_key: Some(Cow::Borrowed(*key)), day: *on, values })
        .collect();
    rig.put(&experiment.sources[0], window, at, &rows).await;
    let rows: Vec<SourceRow<'_>> = acts
        .iter()
        .map(|(id, key, at)| {
            SourceRow::Response(ResponseRow {
                response_id: id.as_str().into(),
                person: Some(id.as_str().into()),
                depth: Depth::Email,
                arm_key: Some(Cow::Borrowed(*key)),
                at: *at,
            })
        })
        .collect();
    rig.put(&experiment.sources[1], window, at, &rows).await;
}

/// What the user changes on the way.
fn edit(experiment: &mut Experiment, number: u64, day: u64, days: u64) {
    if day == days / 3 && number.is_multiple_of(3) {
        // A mapping is mended and a name: no new test.
        let form = experiment.sources[1].id.clone();
        experiment.arms[1].keys.entry(form).or_default().push("b-late".into());
        experiment.concept.title = "A better name".into();
    }
    if day == days / 2 && number % 3 == 1 {
        experiment.policy.kill_bar = 0.02;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_every_verdict_of_a_history_with_restatements_is_derived_again_bit_for_bit() {
    let size = std::env::var("WILLITSELL_HISTORY").unwrap_or_else(|_| "6x60".into());
    let (concepts, days) = size.split_once('x').expect("WILLITSELL_HISTORY=50x200");
    let (concepts, days): (u64, u64) = (concepts.parse().unwrap(), days.parse().unwrap());
    let rig = Rig::new().await;
    let began = Instant::now();
    let mut verdicts: BTreeMap<&str, u64> = BTreeMap::new();
    let mut turns = 0_u64;
    for number in 0..concepts {
        let mut experiment = concept(number);
        for day in 0..days {
            edit(&mut experiment, number, day, days);
            read_all(&rig, &experiment, number, day).await;
            let stored = rig.tick(&experiment, morning(experiment.start + Days::new(day + 1))).await;
            *verdicts.entry(stored.scorecard.verdict.word()).or_default() += 1;
            turns += u64::from(stored.replaces.is_some());
        }
    }
    let lived = began.elapsed();
    let began = Instant::now();
    let mut all = Replayed::default();
    for number in 0..concepts {
        let replayed = rig.replay(&ConceptId::new(format!("concept-{number}"))).await;
        assert_eq!(replayed.first_difference, None, "concept {number}");
        all.verdicts += replayed.verdicts;
        all.same += replayed.same;
    }
    let setups: i64 = rig.raw().query_row("SELECT COUNT(*) FROM setup", [], |row| row.get(0)).unwrap();
    let revisions: i64 = rig
        .raw()
        .query_row(
            "SELECT (SELECT COUNT(*) FROM observation_before) + (SELECT COUNT(*) FROM response_before)",
            [],
            |row| row.get(0),
        )
        .unwrap();
    println!(
        "{concepts} concepts, {days} days: {} of {} verdicts derived again, bit for bit, in {:.1?}; lived through in \
         {lived:.1?}; {verdicts:?}, {turns} replaced another; {revisions} revisions, {setups} setups",
        all.same,
        all.verdicts,
        began.elapsed()
    );
    assert_eq!((all.verdicts, all.same), (concepts * days, concepts * days));
    assert!(revisions > 100 && verdicts.len() >= 3, "a history worth replaying");
    assert!(setups.unsigned_abs() < 4 * concepts, "each distinct setup once");
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_who_edits_the_store_is_found_out() {
    let (number, days) = (4, 24);
    for (tampering, field) in [
        ("UPDATE observation SET visits = visits + 1000000 WHERE day = '2026-03-05' AND arm_key = 'a'", "arms.0."),
        ("UPDATE observation_before SET visits = visits + 1000000", "arms."),
        ("DELETE FROM response WHERE response_id LIKE 'a-%'", "arms.0."),
        ("UPDATE setup SET body = replace(body, '\"kill_bar\":0.03', '\"kill_bar\":0.031')", "policy_hash"),
        (
            "UPDATE scorecard SET body = replace(body, '\"trials\":', '\"trials\":1') WHERE id = 20",
            "arms.0.evidence.trials",
        ),
        ("DELETE FROM pull WHERE id = 21", "arms.0."),
    ] {
        let rig = Rig::new().await;
        let experiment = concept(number);
        for day in 0..days {
            read_all(&rig, &experiment, number, day).await;
            rig.tick(&experiment, morning(experiment.start + Days::new(day + 1))).await;
        }
        let id = &experiment.concept.id;
        assert_eq!(rig.replay(id).await, Replayed { verdicts: days, same: days, ..Replayed::default() });
        assert!(rig.raw().execute(tampering, []).unwrap() > 0, "{tampering}");
        let replayed = rig.replay(id).await;
        let first = replayed.first_difference.unwrap_or_else(|| panic!("{tampering}: not found out"));
        assert!(replayed.same < days && first.field.contains(field), "{tampering}: {first:?}");
        assert_ne!(first.stored, first.derived);
    }
}
