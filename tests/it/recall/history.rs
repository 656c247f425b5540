//! P4: a simulated history with all that happens to a test: restated days, mended mappings, changed bars, an arm taken out,
//! a source that falls silent, decisions and raised caps. Every verdict that was ever stored is derived again from what was
//! known on its day, bit for bit; and whoever edits the store is found out.
//!
//! `WILLITSELL_HISTORY=50x200` runs it with as many concepts and days.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Instant;

use chrono::{Days, TimeDelta};
use willitsell::cli::replay::stored::Replayed;
use willitsell::domain::concept::Experiment;
use willitsell::domain::connector::{ResponseRow, SourceRow};
use willitsell::domain::decision::{Cause, Choice};
use willitsell::domain::id::{ConceptId, SourceId};
use willitsell::domain::metric::MetricId;
use willitsell::domain::millionths::ONE;
use willitsell::domain::observation::DateWindow;
use willitsell::domain::portfolio::FalseBuildRate;
use willitsell::domain::response::Depth;
use willitsell::domain::verdict::{Reason, StoredScorecard, Verdict};

use super::{Rig, morning};
use crate::decide::{experiment, usd};

/// How many days back every morning's reading goes.
const LOOK_BACK: u64 = 12;

/// One concept among many, for so many days. What befalls it depends on its number.
#[derive(Clone, Copy)]
struct Life {
    number: u64,
    days: u64,
}

impl Life {
    /// Sources of its own, and a true rate from a dud to a hit.
    fn concept(self) -> Experiment {
        let number = self.number;
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
        experiment.policy.budget_cap = (number % 5 == 4).then(|| usd("8000"));
        experiment
    }

    /// What the user changes in the configuration on the way.
    fn edit(self, experiment: &mut Experiment, day: u64) {
        if day == self.days / 3 && self.number.is_multiple_of(3) {
            // A mapping is mended and a name: no new test.
            let form = experiment.sources[1].id.clone();
            experiment.arms[1].keys.entry(form).or_default().push("b-late".into());
            experiment.concept.title = "A better name".into();
        }
        if day == self.days / 2 && self.number % 3 == 1 {
            experiment.policy.kill_bar = 0.02;
        }
        if !self.has_both_arms(day) {
            experiment.arms.truncate(1);
        }
    }

    /// Whether the second arm still runs: some are taken out mid-test with their ads.
    fn has_both_arms(self, day: u64) -> bool {
        self.number % 3 != 2 || day < self.days.min(60) / 4
    }

    /// Whether the form cannot be read on the morning after this day.
    fn form_is_silent(self, day: u64) -> bool {
        let first = self.days.min(60) / 5;
        self.number % 4 == 3 && (first..first + 4).contains(&day)
    }

    /// What people decide on a verdict; gives back how many decisions that were.
    async fn decide(self, rig: &Rig, stored: &StoredScorecard) -> u64 {
        let card = &stored.scorecard;
        let latest = card.decisions.last().map(|decision| decision.choice);
        let (choice, days, budget) = match (card.verdict, latest) {
            // Caps are raised once; the second time it is given up.
            (Verdict::Review, None) => (Choice::Extend, Some(15), card.spend.filter(|_| self.number % 5 == 4)),
            (Verdict::Review, Some(Choice::Extend)) => (Choice::Kill, None, None),
            (Verdict::Build, None) => (Choice::Build, None, None),
            // Every other KILL is overridden, and some think again.
            (Verdict::Kill, None) => {
                (if self.number.is_multiple_of(2) { Choice::Build } else { Choice::Kill }, None, None)
            }
            (Verdict::Kill, Some(Choice::Build)) if card.as_of.timestamp() % 7 == 0 => (Choice::Kill, None, None),
            _ => return 0,
        };
        rig.decide(stored, choice, days, budget).await;
        1
    }
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

/// Everything the two sources say on the morning after `day`; the form may be silent.
async fn read_all(rig: &Rig, experiment: &Experiment, life: Life, day: u64) {
    let number = life.number;
    let at = morning(experiment.start + Days::new(day + 1));
    let first = day.saturating_sub(LOOK_BACK);
    let window = DateWindow::new(experiment.start + Days::new(first), experiment.start + Days::new(day)).unwrap();
    let (mut counts, mut acts) = (Vec::new(), Vec::new());
    for past in first..=day {
        let on = experiment.start + Days::new(past);
        for (arm, key) in [(0, "a"), (1, "b")].into_iter().take(if life.has_both_arms(past) { 2 } else { 1 }) {
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
    if life.form_is_silent(day) {
        return;
    }
    let rows: Vec<SourceRow<'_>> = acts
        .iter()
        .map(|(id, key, at)| {
            SourceRow::Response(ResponseRow {
                response_id: id.as_str().into(),
                person: Some(id.as_str().into()),
                void: None,
                answers: vec![],
                depth: Depth::Email,
                arm_key: Some(Cow::Borrowed(*key)),
                at: *at,
            })
        })
        .collect();
    rig.put(&experiment.sources[1], window, at, &rows).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_every_verdict_of_a_history_is_derived_again_bit_for_bit() {
    let size = std::env::var("WILLITSELL_HISTORY").unwrap_or_else(|_| "6x60".into());
    let (concepts, days) = size.split_once('x').expect("WILLITSELL_HISTORY=50x200");
    let (concepts, days): (u64, u64) = (concepts.parse().unwrap(), days.parse().unwrap());
    let mut rig = Rig::new().await;
    let began = Instant::now();
    let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
    let mut verdicts = 0;
    let mut tests: Vec<_> =
        (0..concepts).map(|number| Life { number, days }).map(|life| (life, life.concept())).collect();
    for day in 0..days {
        for (life, experiment) in &mut tests {
            life.edit(experiment, day);
            read_all(&rig, experiment, *life, day).await;
            rig.fail(&experiment.sources[1], life.form_is_silent(day));
            let Some(stored) = rig.slot(experiment, morning(experiment.start + Days::new(day + 1))).await else {
                continue;
            };
            verdicts += 1;
            let card = &stored.scorecard;
            let mut count = |what, times| *counted.entry(what).or_default() += times;
            count(card.verdict.word(), 1);
            card.reasons.iter().for_each(|reason| count(reason.word(), 1));
            count("took the place of another", u64::from(stored.replaces.is_some()));
            count("with an arm taken out", u64::from(card.arms.len() > experiment.arms.len()));
            count("with a raised cap", u64::from(card.raises().count() > 0));
            count("decisions", life.decide(&rig, &stored).await);
        }
    }
    let lived_through = began.elapsed();
    let began = Instant::now();
    let mut all = Replayed::default();
    for number in 0..concepts {
        let replayed = rig.replay(&ConceptId::new(format!("concept-{number}"))).await;
        assert_eq!(replayed.first_difference, None, "concept {number}");
        all.verdicts += replayed.verdicts;
        all.same += replayed.same;
    }
    let count = |sql| rig.raw().query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    let setups = count("SELECT COUNT(*) FROM setup");
    let revisions = count("SELECT (SELECT COUNT(*) FROM observation_before) + (SELECT COUNT(*) FROM response_before)");
    println!(
        "{concepts} concepts, {days} days: {} of {} verdicts derived again, bit for bit, in {:.1?}; lived through in \
         {lived_through:.1?}; {revisions} revisions, {setups} setups; {counted:?}",
        all.same,
        all.verdicts,
        began.elapsed()
    );
    assert_eq!((all.verdicts, all.same), (verdicts, verdicts));
    assert!(setups.unsigned_abs() < 4 * concepts, "each distinct setup once");
    // A history worth replaying.
    assert!(revisions > 100);
    for what in ["BUILD", "KILL", "COLLECTING", "REVIEW", "BLOCKED", "cap_reached", "portfolio", "stale"] {
        assert!(counted.contains_key(what), "no {what}: {counted:?}");
    }
    for what in ["took the place of another", "with an arm taken out", "with a raised cap", "decisions"] {
        assert!(counted[what] > 1, "none {what}: {counted:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_a_verdict_blocked_by_a_silent_source_is_derived_again_after_it_has_spoken() {
    let mut rig = Rig::new().await;
    let life = Life { number: 3, days: 60 };
    let experiment = life.concept();
    let form = &experiment.sources[1];
    let mut stored = Vec::new();
    for day in 0..24 {
        read_all(&rig, &experiment, life, day).await;
        rig.fail(form, life.form_is_silent(day));
        stored.extend(rig.slot(&experiment, morning(experiment.start + Days::new(day + 1))).await);
    }
    let is_stale = |card: &&StoredScorecard| matches!(&card.scorecard.reasons[..], [Reason::Stale { .. }]);
    let stale: Vec<_> = stored.iter().filter(is_stale).collect();
    assert_eq!((stored.len(), stale.len()), (23, 3), "the first silent morning passes without a verdict");
    for card in stale {
        let basis = rig.parts.store.basis(card.id).await.unwrap();
        assert_eq!(basis.cause, Cause::Stale);
        // The days that were missing then are there now.
        assert!(rig.parts.store.pulls(&form.id).await.unwrap().iter().any(|pull| pull.id > basis.known.pull));
    }
    let replayed = rig.replay(&experiment.concept.id).await;
    assert_eq!(replayed, Replayed { verdicts: 23, same: 23, ..Replayed::default() });
    // Had every source answered, the sum of the same data would say something else.
    let forged = "UPDATE scorecard SET cause = 'decided' WHERE cause = 'stale'";
    assert_eq!(rig.raw().execute(forged, []).unwrap(), 3);
    assert_eq!(rig.replay(&experiment.concept.id).await.same, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn p4_who_edits_the_store_is_found_out() {
    let (life, days) = (Life { number: 4, days: 24 }, 24);
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
        let experiment = life.concept();
        for day in 0..days {
            read_all(&rig, &experiment, life, day).await;
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
