//! Several concepts at once: which BUILDs stand beside others, and that none stands that would not stand alone.

use std::cell::RefCell;

use proptest::prelude::*;
use willitsell::decide::portfolio::bar;
use willitsell::domain::portfolio::{Others, Withheld};
use willitsell::domain::verdict::{Lean, Reason, Verdict};

use super::*;

fn beside(concepts: usize, builds: usize, withheld: &[f64], before: Option<&Scorecard>) -> Others {
    let before = before.cloned().map(Box::new);
    Others { known: 1, concepts, builds, withheld: withheld.to_vec(), before }
}

fn decided(experiment: &Experiment, days: u64, data: &Inputs, others: Others) -> Scorecard {
    decide(experiment, days, &Inputs { others: Some(Box::new(others)), ..data.clone() })
}

fn withheld(card: &Scorecard) -> Withheld {
    card.withheld().unwrap_or_else(|| panic!("{:?} {:?}", card.verdict, card.reasons))
}

/// Not far below the build bar: a BUILD that comes slowly.
pub const BARELY: Daily = Daily { key: "a", visits: 100, signups: |day| 4 + u64::from(day % 5 == 0), spend: 300 };

#[test]
fn one_of_two_concepts_is_judged_for_itself_and_one_of_twenty_needs_more() {
    let experiment = experiment(&["a"]);
    let data = inputs(&experiment, 40, &[BARELY]);
    let first = (14..40).find(|&days| decide(&experiment, days, &data).verdict == Verdict::Build).unwrap();
    let alone = decide(&experiment, first, &data);
    assert_eq!(decided(&experiment, first, &data, beside(1, 0, &[], None)), alone);

    let among = decided(&experiment, first, &data, beside(19, 0, &[], None));
    assert_eq!(among.verdict, Verdict::Collecting);
    assert_eq!(among.arms[0].verdict, Verdict::Collecting);
    let said = withheld(&among);
    assert_eq!((said.concepts, said.builds), (20, 1));
    assert!((said.needed - 400f64.ln()).abs() < 1e-12);
    assert_eq!(Some(said.evidence), alone.arms[0].evidence.log_e_build);
    // What BUILDs of others make room for: a second of twenty needs half as much.
    let second = withheld(&decided(&experiment, first, &data, beside(19, 1, &[], None)));
    assert!((second.needed - 200f64.ln()).abs() < 1e-12);

    // With more days there is enough, and then BUILD begins.
    let later = (first..40)
        .map(|days| decided(&experiment, days, &data, beside(19, 0, &[], Some(&among))))
        .find(|card| card.verdict == Verdict::Build)
        .unwrap();
    assert!(later.arms[0].since > alone.arms[0].since);
    assert_eq!(later.arms[0].since, Some(later.as_of.date_naive()));
}

#[test]
fn a_build_stays_whatever_the_others_do_and_keeps_its_day() {
    let experiment = experiment(&["a"]);
    let data = inputs(&experiment, 40, &[SELLS]);
    let given = decided(&experiment, 25, &data, beside(3, 0, &[], None));
    assert_eq!(given.verdict, Verdict::Build);
    let mut late = given.clone();
    late.arms[0].since = Some(day("2026-03-26"));
    let kept = decided(&experiment, 30, &data, beside(1_000_000, 0, &[], Some(&late)));
    assert_eq!((kept.verdict, kept.arms[0].since), (Verdict::Build, Some(day("2026-03-26"))));
    let too_many = beside(1_000_000_000_000_000_000, 0, &[], None);
    assert_eq!(withheld(&decided(&experiment, 20, &data, too_many)).builds, 1);
}

#[test]
fn two_that_are_not_enough_one_by_one_may_be_enough_together() {
    let experiment = experiment(&["a"]);
    let data = inputs(&experiment, 40, &[BARELY]);
    let days = (14..40)
        .find(|&days| {
            let card = decide(&experiment, days, &data);
            card.verdict == Verdict::Build && card.arms[0].evidence.log_e_build.unwrap() > 41f64.ln()
        })
        .unwrap();
    let alone = decided(&experiment, days, &data, beside(3, 0, &[], None));
    assert!(withheld(&alone).evidence < 80f64.ln(), "{alone:?}");
    // Another has 41 times its odds at alpha 0.05: with it there would be two of four, and 40 are enough for each.
    let excess = 41f64.ln() + 0.05f64.ln();
    assert_eq!(decided(&experiment, days, &data, beside(3, 0, &[excess], None)).verdict, Verdict::Build);
    // What was stored counts once more, for others may have counted on it.
    let mut stored = alone.clone();
    stored.reasons = vec![Reason::Portfolio(Withheld { evidence: 81f64.ln(), ..withheld(&alone) })];
    assert_eq!(decided(&experiment, days, &data, beside(3, 0, &[], Some(&stored))).verdict, Verdict::Build);
}

#[test]
fn at_its_cap_a_person_looks_and_more_evidence_after_it_does_not_count() {
    let mut experiment = experiment(&["a"]);
    experiment.policy.horizon_days = 21;
    let data = inputs(&experiment, 60, &[BARELY]);
    let many = |days: u64, before: Option<&Scorecard>| decided(&experiment, days, &data, beside(999, 0, &[], before));
    let last = many(22, None);
    assert_eq!((last.verdict, last.reasons.len()), (Verdict::Collecting, 1));
    let capped = many(23, Some(&last));
    assert_eq!(capped.verdict, Verdict::Review);
    assert_eq!(capped.reasons[0], Reason::CapReached { lean: Lean::Build });
    let frozen = withheld(&capped);
    let later = many(40, Some(&capped));
    assert_eq!(withheld(&later).evidence, frozen.evidence);
    assert!(later.arms[0].evidence.log_e_build.unwrap() > frozen.evidence);
    // Others' BUILDs can still make room for it.
    let room = decided(&experiment, 40, &data, beside(999, 998, &[], Some(&capped)));
    assert_eq!((room.verdict, room.arms[0].since), (Verdict::Build, Some(room.as_of.date_naive())));
}

#[test]
fn what_is_withheld_is_said_with_how_far_it_has_come() {
    let experiment = experiment(&["a"]);
    let data = inputs(&experiment, 40, &[BARELY]);
    let days = (14..40).find(|&days| decide(&experiment, days, &data).verdict == Verdict::Build).unwrap();
    let card = decided(&experiment, days, &data, beside(19, 0, &[], None));
    let share = (withheld(&card).share() * 100.0).round();
    let said = willitsell::decide::explain::sentence(&experiment, &card);
    assert!(said.contains("enough for BUILD if this were the only test. But 20 concepts have been tested"), "{said}");
    assert!(said.contains("of their BUILDs together at most 5% may be wrong"), "{said}");
    assert!(said.contains(&format!("its proof is {share:.0}% of the way there.")), "{said}");

    // What would change it is what the other concepts ask for, and applying it gives BUILD.
    let data = Inputs { others: Some(Box::new(beside(19, 0, &[], None))), ..data };
    let derivation = willitsell::decide::derivation::derive(&experiment, &generation(), &data, &card);
    let more = derivation.flips.acts.iter().find(|flip| flip.to == Verdict::Build).unwrap().acts;
    assert!(more > 0.0);
    let rule = &derivation.sections.iter().find(|section| section.title == "The rule").unwrap().lines;
    assert!(rule.iter().any(|line| line.starts_with("20 concepts have been tested.") && line.contains("2.0 times")));
    let outlook = derivation.outlook.unwrap();
    let likely = outlook.arms[0].likely.as_ref().unwrap();
    assert_eq!(likely.verdict, Verdict::Build);
    assert!(likely.days > 0, "BUILD lies ahead, not behind: {likely:?}");
}

/// A store's worth of concepts that look at each other once a day.
struct World {
    alpha: Vec<f64>,
    standing: RefCell<Vec<(bool, Option<f64>)>>,
}

impl World {
    fn new(alpha: &[f64]) -> Self {
        Self { alpha: alpha.to_vec(), standing: RefCell::new(vec![(false, None); alpha.len()]) }
    }

    /// One day with these log e-values, decided in this order.
    fn day(&self, evidence: &[f64], order: &[usize]) {
        let before = self.standing.borrow().clone();
        for &concept in order {
            let alpha = self.alpha[concept];
            let (built, own) = before[concept];
            if built {
                continue;
            }
            let others = before.iter().zip(&self.alpha).enumerate().filter(|(other, _)| *other != concept);
            let builds = others.clone().filter(|(_, ((built, _), _))| *built).count();
            let excess: Vec<f64> = others
                .filter_map(|(_, ((built, withheld), alpha))| withheld.filter(|_| !built).map(|e| e + alpha.ln()))
                .collect();
            let enough_alone = evidence[concept] >= -alpha.ln();
            let bar = bar(before.len() - 1, builds, &excess, alpha);
            let needed = bar.map_or(f64::NEG_INFINITY, |bar| bar.needed);
            let has = own.map_or(evidence[concept], |own| own.max(evidence[concept]));
            let given = enough_alone && has >= needed;
            let withheld = (enough_alone && !given).then_some(evidence[concept]);
            self.standing.borrow_mut()[concept] = (given, withheld);
        }
    }

    fn built(&self) -> Vec<bool> {
        self.standing.borrow().iter().map(|(built, _)| *built).collect()
    }
}

proptest! {
    #[test]
    fn never_more_builds_than_alone_those_given_stay_and_the_order_changes_nothing(
        alpha in prop::collection::vec(0.01f64..0.2, 1..9),
        days in prop::collection::vec(prop::collection::vec(-2.0f64..8.0, 9), 1..8),
        seed in prop::collection::vec(any::<prop::sample::Index>(), 9),
    ) {
        let order: Vec<usize> = (0..alpha.len()).collect();
        let mut other = order.clone();
        for (at, index) in seed.iter().take(other.len()).enumerate() {
            let to = index.index(order.len());
            other.swap(at, to);
        }
        let (world, shuffled) = (World::new(&alpha), World::new(&alpha));
        let mut alone = vec![false; alpha.len()];
        let mut built = world.built();
        for evidence in &days {
            world.day(evidence, &order);
            shuffled.day(evidence, &other);
            prop_assert_eq!(world.built(), shuffled.built());
            for concept in 0..alpha.len() {
                alone[concept] |= evidence[concept] >= -alpha[concept].ln();
                prop_assert!(alone[concept] || !world.built()[concept]);
                prop_assert!(world.built()[concept] || !built[concept]);
            }
            built = world.built();
        }
    }

    #[test]
    fn more_evidence_anywhere_never_costs_a_build(
        evidence in prop::collection::vec(0.0f64..8.0, 3..9),
        more in prop::collection::vec(0.0f64..2.0, 9),
        alpha in 0.01f64..0.2,
    ) {
        let alpha = vec![alpha; evidence.len()];
        let order: Vec<usize> = (0..alpha.len()).collect();
        let better: Vec<f64> = evidence.iter().zip(&more).map(|(one, more)| one + more).collect();
        let (less, more) = (World::new(&alpha), World::new(&alpha));
        for _ in 0..3 {
            less.day(&evidence, &order);
            more.day(&better, &order);
            for (less, more) in less.built().into_iter().zip(more.built()) {
                prop_assert!(more || !less);
            }
        }
    }

    #[test]
    fn those_that_stay_are_those_e_bh_selects(evidence in prop::collection::vec(-1.0f64..9.0, 3..12)) {
        let alpha = vec![0.05; evidence.len()];
        let order: Vec<usize> = (0..alpha.len()).collect();
        let world = World::new(&alpha);
        for _ in 0..2 {
            world.day(&evidence, &order);
        }
        let selected = willitsell::stats::many::e_bh(&evidence, evidence.len(), 0.05);
        let built: Vec<usize> = order.into_iter().filter(|&concept| world.built()[concept]).collect();
        prop_assert_eq!(built, selected);
    }
}
