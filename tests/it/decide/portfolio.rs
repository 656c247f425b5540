//! Several concepts at once: which BUILDs stand beside others, and that none stands that would not stand alone.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use proptest::prelude::*;
use willitsell::decide::Counted;
use willitsell::decide::portfolio::{bar, selected};
use willitsell::domain::portfolio::{Given, Others, Peer, Proof, Withheld};
use willitsell::domain::verdict::{Flag, Lean, Reason, Verdict};

use super::*;

/// Among so many others, of which some have all the evidence one could want, and some so much beyond their own alpha.
fn beside(others: usize, builds: usize, excess: &[f64], before: Option<&Scorecard>) -> Others {
    let excess = excess.iter().copied().chain(std::iter::repeat_n(f64::INFINITY, builds));
    let built = |excess| Peer { proof: steps(&[("2026-01-01", excess)]), until: None, judged: None };
    let peers = excess.map(|excess| Arc::new(built(excess))).collect();
    Others { known: 1, concepts: others + 1, peers, before: before.cloned().map(Box::new) }
}

fn steps(steps: &[(&str, f64)]) -> Vec<Proof> {
    steps.iter().map(|(from, excess)| Proof { from: day(from), excess: Some(*excess) }).collect()
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
    let proof = vec![Proof { from: given.from, excess: Some(excess) }];
    assert_eq!(of_two, Scorecard { given: Some(given), proof, ..alone.clone() });

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
    let builds = |days: &u64| decided(&experiment, *days, &data, beside(3, 0, &[], None)).verdict == Verdict::Build;
    let first = (10..40).find(builds).unwrap();
    let given = decided(&experiment, first, &data, beside(3, 0, &[], None));
    let proof = given.arms[0].evidence.log_e_build.unwrap() + 0.05f64.ln();
    assert_eq!((given.verdict, given.beyond_own()), (Verdict::Build, Some(proof)));
    let later = decided(&experiment, 30, &data, beside(3, 0, &[], Some(&given)));
    assert_ne!(later.arms[0].evidence.log_e_build, given.arms[0].evidence.log_e_build);
    assert_eq!((later.given, later.beyond_own()), (given.given, Some(proof)));
}

#[test]
fn proof_of_a_day_on_which_nobody_looked_counts() {
    let mut experiment = experiment(&["a"]);
    // Enough for one of twenty on some day, then poor days until the cap.
    let worse = Daily { signups: |day| if day > 32 { 3 } else { barely(day) }, ..BARELY };
    let data = inputs(&experiment, 60, &[worse]);
    let alone = |days| decided(&experiment, days, &data, beside(19, 0, &[], None));
    let first = (14..36).find(|&days| alone(days).verdict == Verdict::Build).unwrap();
    let daily = alone(first).given;
    experiment.policy.horizon_days = 50;
    let last = decide(&experiment, 58, &data);
    assert!(last.arms[0].evidence.log_e_build.unwrap() < 400f64.ln(), "{last:?}");
    let late = decided(&experiment, 58, &data, beside(19, 0, &[], None));
    assert_eq!((late.verdict, late.given, late.arms[0].since), (Verdict::Build, daily, Some(late.as_of.date_naive())));
    // Proof from after a cap, and from days on which it would have taken more, does not.
    experiment.policy.horizon_days = 14;
    assert_eq!(decided(&experiment, 58, &data, beside(19, 0, &[], None)).verdict, Verdict::Review);
    let room = |from: &str| {
        let built = Peer { proof: steps(&[(from, f64::INFINITY)]), until: None, judged: None };
        Others { peers: vec![Arc::new(built)], ..beside(99, 0, &[], None) }
    };
    experiment.policy.horizon_days = 50;
    let given = |others| decided(&experiment, 58, &data, others).given.map(|given| given.needed);
    assert_eq!(given(beside(99, 0, &[], None)), None);
    assert_eq!(given(room("2026-03-02")), Some(Some(1000f64.ln())));
    assert_eq!(given(room("2026-04-20")), None);
}

#[test]
fn two_that_wait_for_each_other_are_judged_by_the_same_day() {
    let experiment = experiment(&["a"]);
    let data = inputs(&experiment, 40, &[BARELY]);
    let days = (14..40)
        .find(|&days| decide(&experiment, days, &data).arms[0].evidence.log_e_build.unwrap() >= 40f64.ln())
        .unwrap();
    let first = (14..40).find(|&days| decide(&experiment, days, &data).verdict == Verdict::Build).unwrap();
    let waits = decided(&experiment, days - 1, &data, beside(3, 0, &[], None));
    let told = decided(&experiment, days, &data, beside(3, 0, &[], Some(&waits)));
    assert!(withheld(&told).evidence < 80f64.ln() && days > first, "{told:?}");
    // Another has 41 times its odds (40 are enough for two of four), but on a day of which this one knows nothing yet; or of which the other does not.
    let (enough, on) = (41f64.ln() + 0.05f64.ln(), waits.last_settled_day);
    let beside_one =
        |peer: Peer, before: &Scorecard| Others { peers: vec![Arc::new(peer)], ..beside(3, 0, &[], Some(before)) };
    let waiting = |from: NaiveDate, until: NaiveDate, judged: &Scorecard| {
        let proof = vec![Proof { from, excess: Some(enough) }];
        Peer { proof, until: Some(until), judged: Some(judged.as_of) }
    };
    let verdict =
        |days: u64, peer: Peer, before: &Scorecard| decided(&experiment, days, &data, beside_one(peer, before)).verdict;
    let later = on + Days::new(1);
    assert_eq!(verdict(days, waiting(on, on, &waits), &waits), Verdict::Collecting);
    assert_eq!(verdict(days, waiting(later + Days::new(1), later + Days::new(1), &waits), &waits), Verdict::Collecting);
    // Of the same day it is enough, on that day and whenever somebody looks.
    assert_eq!(verdict(days, waiting(on, later, &waits), &waits), Verdict::Build);
    assert_eq!(verdict(days + 1, waiting(on, later, &told), &told), Verdict::Build);
    // But not if the other has not been judged since: it may be out of the file for good.
    assert_eq!(verdict(days + 1, waiting(on, later, &waits), &told), Verdict::Collecting);
    let built = Peer { judged: None, ..waiting(on, later, &waits) };
    assert_eq!(verdict(days + 1, built, &told), Verdict::Build);
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
    assert_eq!(capped.reasons[0], Reason::CapReached { lean: Some(Lean::Build) });
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
    assert_eq!(alone.arms[1].reason, Some(Reason::CapReached { lean: Some(Lean::Build) }));
    assert!(alone.arms[1].guardrails[0].breached && evidence(1) > 10_000f64.ln(), "{}", evidence(1));
    // At its cap it had what it keeps.
    let at_cap = decide(&experiment, 20, &data).arms[0].evidence.log_e_build.unwrap() - 2f64.ln();
    let card = decided(&experiment, 45, &data, beside(9_999, 0, &[], None));
    assert_eq!(card.verdict, Verdict::Review);
    assert!((withheld(&card).evidence - at_cap).abs() < 1e-12 && at_cap < evidence(0), "{at_cap} {card:?}");
}

#[test]
fn a_test_that_ended_without_proof_is_judged_by_its_days_as_they_are_known_now() {
    let mut experiment = experiment(&["a"]);
    experiment.policy.horizon_days = 21;
    let ended = decided(&experiment, 30, &inputs(&experiment, 40, &[BETWEEN]), beside(3, 0, &[], None));
    assert_eq!((ended.verdict, ended.withheld(), ended.proof.len()), (Verdict::Review, None, 0));
    let restated = inputs(&experiment, 40, &[SELLS]);
    let card = decided(&experiment, 31, &restated, beside(3, 0, &[], Some(&ended)));
    assert_eq!(
        (card.verdict, card.given),
        (Verdict::Build, decided(&experiment, 31, &restated, beside(3, 0, &[], None)).given)
    );
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
    assert!(rule.iter().any(|line| line.starts_with("20 concepts have been tested,")));
    // How many it takes is what there is and what is missing; alone, what there is was just enough.
    let there = card.arms[0].evidence.successes;
    let takes = format!("here about {} sign-ups on these days, where {} would do", there + more, there - 1.0);
    assert!(rule.iter().any(|line| line.contains(&takes)), "{takes}: {rule:?}");
    for (builds, says) in [
        (0, "for a single test."),
        (1, "for a single test. Another concept has that much too: without it, BUILD would take more."),
        (2, "for a single test. 2 others have that much too: without them, BUILD would take more."),
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

/// A store's worth of concepts that look at each other by what the others were on the day before.
struct World {
    alpha: Vec<f64>,
    /// The evidence of each on every day so far.
    days: Vec<Vec<f64>>,
    /// Of each, what its last look knew and what it came to.
    seen: Vec<Seen>,
}

#[derive(Clone, Default)]
struct Seen {
    looked: Option<NaiveDate>,
    proof: Vec<Proof>,
    given: Option<Given>,
}

fn nth(at: usize) -> NaiveDate {
    day("2026-03-02") + Days::new(at.try_into().unwrap())
}

fn at(day: NaiveDate) -> DateTime<Utc> {
    day.and_hms_opt(6, 0, 0).unwrap().and_utc()
}

impl World {
    fn new(alpha: &[f64]) -> Self {
        Self { alpha: alpha.to_vec(), days: Vec::new(), seen: vec![Seen::default(); alpha.len()] }
    }

    /// One more day with these log e-values, looked at by some, in this order.
    fn day(&mut self, evidence: &[f64], looks: &[usize]) {
        self.days.push(evidence.to_vec());
        let before = self.seen.clone();
        for &concept in looks {
            if before[concept].given.is_none() {
                self.seen[concept] = self.look(concept, &before);
            }
        }
    }

    fn look(&self, concept: usize, before: &[Seen]) -> Seen {
        let alpha = self.alpha[concept];
        let today = nth(self.days.len() - 1);
        let excess = |(on, evidence): (usize, &Vec<f64>)| {
            let excess = evidence[concept] + alpha.ln();
            Proof { from: nth(on), excess: (excess >= 0.0).then_some(excess) }
        };
        let proof: Vec<Proof> = self.days.iter().enumerate().map(excess).collect();
        let peer = |(other, seen): (usize, &Seen)| {
            let waits = seen.given.is_none();
            let peer = Peer {
                proof: seen.proof.clone(),
                until: seen.looked.filter(|_| waits),
                judged: waits.then_some(at(today)),
            };
            (other != concept && seen.looked.is_some()).then(|| Arc::new(peer))
        };
        let peers = before.iter().enumerate().filter_map(peer).collect();
        let alone = decide(&experiment(&["a"]), 1, &Inputs::default());
        let mine = Box::new(Scorecard { as_of: at(today), ..alone });
        let others = Others { known: 1, concepts: before.len(), peers, before: Some(mine) };
        let Some(given) = selected(&others, &proof, Some(today), alpha) else {
            return Seen { looked: Some(today), proof, given: None };
        };
        let last = Proof { from: given.from, excess: Some(given.excess) };
        let until = proof.into_iter().filter(|step| step.from < given.from).chain([last]).collect();
        Seen { looked: Some(today), proof: until, given: Some(given) }
    }

    fn given(&self) -> Vec<Option<NaiveDate>> {
        self.seen.iter().map(|seen| Some(seen.given?.from)).collect()
    }

    fn built(&self) -> Vec<bool> {
        self.seen.iter().map(|seen| seen.given.is_some()).collect()
    }
}

/// What e-BH selects on each day of concepts that keep what they were selected with.
fn oracle(alpha: f64, days: &[Vec<f64>], concepts: usize) -> Vec<bool> {
    let mut built = vec![false; concepts];
    let mut kept = vec![f64::NEG_INFINITY; concepts];
    for evidence in days {
        let standing: Vec<f64> = (0..concepts)
            .map(|at| if built[at] { kept[at] } else { evidence[at] })
            .map(|evidence| if evidence + alpha.ln() >= 0.0 { evidence } else { f64::NEG_INFINITY })
            .collect();
        for at in willitsell::stats::many::e_bh(&standing, concepts, alpha) {
            built[at] = true;
            kept[at] = standing[at];
        }
    }
    built
}

proptest! {
    #[test]
    fn what_is_built_depends_on_the_days_and_not_on_who_looked_when(
        concepts in 3usize..7,
        days in prop::collection::vec(prop::collection::vec(1.0f64..7.0, 7), 1..7),
        looks in prop::collection::vec(prop::collection::vec(any::<bool>(), 7), 7),
    ) {
        let mut world = World::new(&vec![0.05; concepts]);
        for (evidence, looks) in days.iter().zip(&looks) {
            let looks: Vec<usize> = (0..concepts).filter(|&at| looks[at]).collect();
            world.day(evidence, &looks);
        }
        // Then nothing more comes of it, and all look until none of them can tell the others anything new.
        for _ in 0..concepts + 2 {
            world.day(&[0.0; 7], &(0..concepts).collect::<Vec<_>>());
        }
        prop_assert_eq!(world.built(), oracle(0.05, &days, concepts));
    }

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
        let (mut world, mut shuffled) = (World::new(&alpha), World::new(&alpha));
        let mut alone = vec![false; alpha.len()];
        let mut built = world.built();
        for evidence in &days {
            world.day(evidence, &order);
            shuffled.day(evidence, &other);
            prop_assert_eq!(world.given(), shuffled.given());
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
        let (mut less, mut more) = (World::new(&alpha), World::new(&alpha));
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
        let mut world = World::new(&alpha);
        for _ in 0..2 {
            world.day(&evidence, &order);
        }
        let selected = willitsell::stats::many::e_bh(&evidence, evidence.len(), 0.05);
        let built: Vec<usize> = order.into_iter().filter(|&concept| world.built()[concept]).collect();
        prop_assert_eq!(built, selected);
    }
}
