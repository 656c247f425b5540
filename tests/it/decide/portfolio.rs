//! Several concepts at once: which BUILDs stand beside others, and that none stands that would not stand alone.

use std::cell::RefCell;

use proptest::prelude::*;
use willitsell::decide::Counted;
use willitsell::decide::portfolio::bar;
use willitsell::domain::portfolio::{Given, Others, Withheld};
use willitsell::domain::verdict::{Flag, Lean, Reason, Verdict};

use super::*;

/// Among so many others, of which some have all the evidence one could want, and some so much beyond their own alpha.
fn beside(others: usize, builds: usize, excess: &[f64], before: Option<&Scorecard>) -> Others {
    let before = before.cloned().map(Box::new);
    let excess = excess.iter().copied().chain(std::iter::repeat_n(f64::INFINITY, builds)).collect();
    Others { known: 1, concepts: others + 1, excess, before }
}

fn decided(experiment: &Experiment, days: u64, data: &Inputs, others: Others) -> Scorecard {
    decide(experiment, days, &Inputs { others: Some(Box::new(others)), ..data.clone() })
}

fn withheld(card: &Scorecard) -> Withheld {
    card.withheld().unwrap_or_else(|| panic!("{:?} {:?}", card.verdict, card.reasons))
}

/// Not far below the build bar: a BUILD that comes slowly.
pub const BARELY: Daily = Daily { key: "a", visits: 100, signups: barely, spend: 300 };

fn barely(day: u64) -> u64 {
    4 + u64::from(day.is_multiple_of(5))
}

#[test]
fn one_of_two_concepts_is_judged_for_itself_and_one_of_twenty_needs_more() {
    let experiment = experiment(&["a"]);
    let data = inputs(&experiment, 40, &[BARELY]);
    let first = (14..40).find(|&days| decide(&experiment, days, &data).verdict == Verdict::Build).unwrap();
    let alone = decide(&experiment, first, &data);
    let of_two = decided(&experiment, first, &data, beside(1, 0, &[], None));
    let excess = alone.arms[0].evidence.log_e_build.unwrap() + 0.05f64.ln();
    let given = Given { excess, needed: None, from: alone.last_settled_day };
    assert_eq!(of_two, Scorecard { given: Some(given), ..alone.clone() });

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
}

#[test]
fn a_build_makes_room_for_another_only_with_what_it_was_given_with() {
    // One that was given when it was alone has its own alpha's worth: too little to be one of twenty.
    let weak = bar(20, &[0.1], 0.05).unwrap();
    assert_eq!((weak.builds, weak.needed), (1, 400f64.ln()));
    let strong = bar(20, &[10f64.ln()], 0.05).unwrap();
    assert_eq!((strong.builds, strong.needed), (2, 200f64.ln()));

    // What it is given with stays on it, whatever comes after.
    let experiment = experiment(&["a"]);
    let data = inputs(&experiment, 40, &[SELLS]);
    let given = decided(&experiment, 25, &data, beside(3, 0, &[], None));
    let proof = given.arms[0].evidence.log_e_build.unwrap() + 0.05f64.ln();
    assert_eq!((given.verdict, given.beyond_own()), (Verdict::Build, Some(proof)));
    let later = decided(&experiment, 30, &data, beside(3, 0, &[], Some(&given)));
    assert_ne!(later.arms[0].evidence.log_e_build, given.arms[0].evidence.log_e_build);
    assert_eq!((later.given, later.beyond_own()), (given.given, Some(proof)));
}

#[test]
fn what_others_may_have_counted_on_still_counts_unless_days_have_changed() {
    let experiment = experiment(&["a"]);
    // The day that settles last is a bad one.
    let signups: fn(u64) -> u64 = |day| if day == 31 { 0 } else { barely(day) };
    let worse = Daily { signups, ..BARELY };
    let data = inputs(&experiment, 40, &[worse]);
    let (then, now) = (decide(&experiment, 33, &data), decide(&experiment, 34, &data));
    let evidence = |card: &Scorecard| card.arms[0].evidence.log_e_build.unwrap();
    let needed = |others: usize| bar(others + 1, &[], 0.05).unwrap().needed;
    let others = (2..1000).find(|others| needed(*others) > evidence(&now)).unwrap();
    let needed = needed(others);
    assert!(evidence(&now) < needed && needed <= evidence(&then), "{} {}", evidence(&now), evidence(&then));

    let waits = decided(&experiment, 33, &data, beside(999, 0, &[], None));
    assert!(withheld(&waits).evidence >= needed);
    let unknown = decided(&experiment, 34, &data, beside(others, 0, &[], None));
    assert_eq!(unknown.verdict, Verdict::Collecting);
    let given = decided(&experiment, 34, &data, beside(others, 0, &[], Some(&waits)));
    assert_eq!((given.verdict, given.beyond_own()), (Verdict::Build, Some(needed + 0.05f64.ln())));

    // Restated since, yesterday's days carry less than they did.
    let fewer = Daily { signups: |day| if day > 27 { 1 } else { barely(day) }, ..BARELY };
    let restated = inputs(&experiment, 40, &[fewer]);
    assert_eq!(decide(&experiment, 34, &restated).verdict, Verdict::Build, "it would have been enough earlier, alone");
    let card = decided(&experiment, 34, &restated, beside(others, 0, &[], Some(&waits)));
    assert_eq!(card.verdict, Verdict::Collecting);
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

    // But not if days of the test were restated, so that it no longer had at its end what it was stored with.
    let fewer = Daily { signups: |day| if day > 13 { 3 } else { barely(day) }, ..BARELY };
    let restated = inputs(&experiment, 60, &[fewer]);
    assert_eq!(decide(&experiment, 40, &restated).verdict, Verdict::Build, "enough alone all the same");
    let excess = frozen.evidence + 0.05f64.ln();
    let others = (1..998).rev().find(|builds| bar(1000, &vec![f64::INFINITY; *builds], 0.05).unwrap().needed > 3.2);
    let others = beside(999, others.unwrap(), &[excess], Some(&capped));
    assert!(bar(1000, &others.excess, 0.05).unwrap().needed <= frozen.evidence);
    assert_eq!(decided(&experiment, 40, &data, others.clone()).verdict, Verdict::Build);
    assert_eq!(decided(&experiment, 40, &restated, others).verdict, Verdict::Review);
}

#[test]
fn a_build_stays_with_poor_days_after_it_and_goes_where_those_before_it_are_restated() {
    let experiment = experiment(&["a"]);
    let later = Daily { signups: |day| if day > 32 { 3 } else { barely(day) }, ..BARELY };
    let data = inputs(&experiment, 50, &[later]);
    let waits = |days| decided(&experiment, days, &data, beside(19, 0, &[], None));
    let first = (14..36).find(|&days| waits(days).verdict == Verdict::Build).unwrap();
    let given = waits(first);
    let needed = 400f64.ln();
    assert_eq!(given.given.and_then(|given| given.needed), Some(needed));
    let evidence = |data: &Inputs, days| decide(&experiment, days, data).arms[0].evidence.log_e_build.unwrap();
    assert!(evidence(&data, 50) < needed, "{}", evidence(&data, 50));
    let kept = decided(&experiment, 50, &data, beside(19, 0, &[], Some(&given)));
    assert_eq!((kept.verdict, kept.given), (Verdict::Build, given.given));

    let fewer = Daily { signups: |day| if day > 17 { 3 } else { barely(day) }, ..BARELY };
    let restated = inputs(&experiment, 50, &[fewer]);
    assert_eq!(decide(&experiment, 50, &restated).verdict, Verdict::Build, "enough alone all the same");
    assert!(evidence(&restated, first) < needed);
    let gone = decided(&experiment, 50, &restated, beside(19, 0, &[], Some(&given)));
    assert_eq!((gone.verdict, gone.given), (Verdict::Kill, None));
}

#[test]
fn a_build_beside_others_begins_on_the_day_it_is_given_however_long_nobody_looked() {
    let experiment = experiment(&["a"]);
    let data = inputs(&experiment, 40, &[SELLS]);
    let early = decided(&experiment, 12, &data, beside(3, 0, &[], None));
    assert_eq!((early.verdict, early.withheld()), (Verdict::Collecting, None));
    let after = decided(&experiment, 35, &data, beside(3, 0, &[], Some(&early)));
    assert!(decide(&experiment, 35, &data).arms[0].since < Some(day("2026-03-25")));
    assert_eq!((after.verdict, after.arms[0].since), (Verdict::Build, Some(after.as_of.date_naive())));
}

#[test]
fn an_arm_whose_counts_cannot_be_or_that_breaches_a_limit_carries_no_build() {
    let mut experiment = experiment(&["a", "b"]);
    // People without a visitor on one day, and far more proof than the other.
    let b = Daily { key: "b", signups: |_| 9, ..BARELY };
    let mut data = inputs(&experiment, 40, &[BARELY, b]);
    data.observations.retain(|row| *row.arm_key != *"b" || row.day != experiment.start);
    let alone = decide(&experiment, 38, &data);
    let evidence = |at: usize| alone.arms[at].evidence.log_e_build.unwrap() - 2f64.ln();
    assert_eq!((alone.verdict, alone.arms[1].verdict), (Verdict::Build, Verdict::Collecting));
    assert!(alone.arms[1].evidence.flags.contains(&Flag::ConversionsWithoutExposure));
    let others = (2..1000).find(|others| bar(others + 1, &[], 0.05).unwrap().needed > evidence(0)).unwrap();
    assert!(bar(others + 1, &[], 0.05).unwrap().needed < evidence(1), "{} {}", evidence(0), evidence(1));
    let card = decided(&experiment, 38, &data, beside(others, 0, &[], None));
    assert_eq!((card.verdict, withheld(&card).evidence), (Verdict::Collecting, evidence(0)));

    // At its cap without enough; what came later is much, and too dear.
    experiment.policy.horizon_days = 18;
    experiment.policy.guardrails = vec![cost_guardrail(60.0)];
    let a = Daily { signups: |_| 5, ..BARELY };
    let b = Daily { key: "b", signups: |day| if day < 18 { 4 } else { 15 }, spend: 3000, ..BARELY };
    let data = inputs(&experiment, 50, &[a, b]);
    let alone = decide(&experiment, 45, &data);
    let evidence = |at: usize| alone.arms[at].evidence.log_e_build.unwrap() - 2f64.ln();
    assert_eq!((alone.verdict, alone.arms[1].verdict), (Verdict::Build, Verdict::Review));
    assert_eq!(alone.arms[1].reason, Some(Reason::CapReached { lean: Lean::Build }));
    assert!(alone.arms[1].guardrails[0].breached && evidence(1) > 10_000f64.ln(), "{}", evidence(1));
    let card = decided(&experiment, 45, &data, beside(9_999, 0, &[], None));
    assert_eq!((card.verdict, withheld(&card).evidence), (Verdict::Review, evidence(0)));
}

#[test]
fn a_test_that_ended_without_proof_stays_ended_when_its_days_look_better_later() {
    let mut experiment = experiment(&["a"]);
    experiment.policy.horizon_days = 21;
    let ended = decided(&experiment, 30, &inputs(&experiment, 40, &[BETWEEN]), beside(3, 0, &[], None));
    assert_eq!((ended.verdict, ended.withheld()), (Verdict::Review, None));
    let restated = inputs(&experiment, 40, &[SELLS]);
    assert_eq!(decided(&experiment, 31, &restated, beside(3, 0, &[], None)).verdict, Verdict::Build);
    let card = decided(&experiment, 31, &restated, beside(3, 0, &[], Some(&ended)));
    assert_eq!((card.verdict, card.withheld()), (Verdict::Review, None));
}

#[test]
fn what_lies_ahead_of_a_test_that_collects_is_reckoned_with_what_build_takes_beside_the_others() {
    let mut experiment = experiment(&["a"]);
    let ahead = |experiment: &Experiment, others: usize| {
        let data = inputs(experiment, 14, &[BARELY]);
        let data = Inputs { others: Some(Box::new(beside(others, 0, &[], None))), ..data };
        let (card, outlook) = Counted::of(experiment, &generation(), &data, as_of(experiment, 14)).with_outlook();
        assert_eq!((card.verdict, card.withheld()), (Verdict::Collecting, None));
        outlook.unwrap()
    };
    let days = |others| ahead(&experiment, others).arms[0].likely.as_ref().map(|likely| likely.days).unwrap();
    assert!(days(1) < days(19), "{} {}", days(1), days(19));
    experiment.policy.horizon_days = 18;
    let out_of_reach = |others| ahead(&experiment, others).build_out_of_reach;
    assert_eq!([1, 1_000_000_000].map(out_of_reach), [false, true]);
}

#[test]
fn what_is_withheld_is_said_and_how_many_more_acts_it_takes() {
    let experiment = experiment(&["a"]);
    let data = inputs(&experiment, 40, &[BARELY]);
    let days = (14..40).find(|&days| decide(&experiment, days, &data).verdict == Verdict::Build).unwrap();
    let card = decided(&experiment, days, &data, beside(19, 0, &[], None));
    let said = willitsell::decide::explain::sentence(&experiment, &card);
    assert!(said.contains("enough for BUILD if this were the only test. But 20 concepts have been tested"), "{said}");
    assert!(said.ends_with("So BUILD takes more proof than there is here."), "{said}");

    // What would change it is what the other concepts ask for, and applying it gives BUILD.
    let data = Inputs { others: Some(Box::new(beside(19, 0, &[], None))), ..data };
    let derivation = willitsell::decide::derivation::derive(&experiment, &generation(), &data, &card);
    let more = derivation.flips.acts.iter().find(|flip| flip.to == Verdict::Build).unwrap().acts;
    assert!(more > 0.0);
    let rule = &derivation.sections.iter().find(|section| section.title == "The rule").unwrap().lines;
    assert!(rule.iter().any(|line| line.starts_with("20 concepts have been tested.") && line.contains("2.0 times")));
    for (builds, says) in [
        (0, "it would take alone."),
        (1, "it would take alone. Another concept has that much too: without it, BUILD would take more."),
        (2, "it would take alone. 2 others have that much too: without them, BUILD would take more."),
    ] {
        let data = Inputs { others: Some(Box::new(beside(19, builds, &[], None))), ..data.clone() };
        let sections = willitsell::decide::derivation::derive(&experiment, &generation(), &data, &card).sections;
        let rule = &sections.iter().find(|section| section.title == "The rule").unwrap().lines;
        assert!(rule.last().unwrap().ends_with(says), "{says}: {rule:?}");
    }
    let outlook = derivation.outlook.unwrap();
    let likely = outlook.arms[0].likely.as_ref().unwrap();
    assert_eq!(likely.verdict, Verdict::Build);
    assert!(likely.days > 0, "BUILD lies ahead, not behind: {likely:?}");
}

/// A store's worth of concepts that look at each other once a day.
struct World {
    alpha: Vec<f64>,
    /// Whether each has BUILD, and the log e-value that it was given with, or that a withheld one has.
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
            let excess: Vec<f64> =
                others.filter_map(|(_, ((_, proof), alpha))| proof.map(|proof| proof + alpha.ln())).collect();
            let enough_alone = evidence[concept] >= -alpha.ln();
            let bar = bar(before.len(), &excess, alpha);
            let needed = bar.map_or(f64::NEG_INFINITY, |bar| bar.needed);
            let has = own.map_or(evidence[concept], |own| own.max(evidence[concept]));
            let given = enough_alone && has >= needed;
            let proof = if given { evidence[concept].max(needed) } else { evidence[concept] };
            self.standing.borrow_mut()[concept] = (given, enough_alone.then_some(proof));
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
