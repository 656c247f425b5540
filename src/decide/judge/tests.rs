//! What the rule says of one arm's days, day by day. What whole files of counts give is tested with `replay`.

use super::*;
use crate::domain::concept::{Boundary, Dispersion, Guardrail, Limit, Model, Multiplicity, Rate};
use crate::domain::id::ArmId;
use crate::domain::metric::MetricId;
use crate::domain::verdict::Flag;

fn policy() -> Policy {
    Policy {
        primary: Rate { name: "signup".to_owned(), numerator: MetricId::SIGNUPS, denominator: MetricId::CLICKS },
        kill_bar: 0.02,
        build_bar: 0.03,
        alpha: 0.05,
        beta: 0.05,
        min_days: 14,
        min_exposures: 300,
        min_conversions: 10,
        maturity_lag_days: 3,
        horizon_days: 60,
        budget_cap: None,
        dispersion: Dispersion::None,
        boundary: Boundary::Daily,
        multiplicity: Multiplicity::Bonferroni,
        guardrails: Vec::new(),
        guardrail_alpha: 0.05,
        model: Model::Rate,
        bar_currency: None,
        srm: None,
        icp: vec![],
    }
}

fn rule(policy: &Policy) -> Rule<'_> {
    Rule { policy, arms: 1, arm_budget_cap: None, stop: None, uneven_since: None }
}

fn day(number: u64) -> NaiveDate {
    NaiveDate::default() + Days::new(number)
}

fn steady(days: u64, exposures: f64, conversions: f64, guardrail: &[[f64; 2]]) -> Vec<ArmDay> {
    let one = |number| ArmDay {
        day: day(number),
        exposures,
        conversions,
        control: [0.0; 2],
        spend: 1.0,
        guardrails: guardrail.to_vec(),
    };
    (0..days).map(one).collect()
}

/// The last of the looks at `days`.
fn end(rule: &Rule<'_>, days: &[ArmDay]) -> Look {
    let last = days.last().map_or(day(0), |last| last.day) + Days::new(u64::from(rule.policy.maturity_lag_days));
    looks(rule, days, day(0), last).pop().unwrap()
}

const UNDECIDED: (Verdict, Option<Reason>) = (Verdict::Collecting, Some(Reason::Undecided));
const INSUFFICIENT: (Verdict, Option<Reason>) = (Verdict::Collecting, Some(Reason::Insufficient));
const BUILD: (Verdict, Option<Reason>) = (Verdict::Build, None);
const KILL: (Verdict, Option<Reason>) = (Verdict::Kill, None);

/// At its cap, with nothing counted.
const NOTHING: (Verdict, Option<Reason>) = (Verdict::Review, Some(Reason::CapReached { lean: None }));

fn cap(lean: Lean) -> (Verdict, Option<Reason>) {
    (Verdict::Review, Some(Reason::CapReached { lean: Some(lean) }))
}

fn said(look: Look) -> (Verdict, Option<Reason>) {
    (look.verdict, look.reason)
}

#[test]
fn minimums_hold_back_a_verdict_the_evidence_would_give() {
    let policy = policy();
    assert_eq!(said(end(&rule(&policy), &steady(13, 100.0, 0.0, &[]))), INSUFFICIENT);
    assert_eq!(said(end(&rule(&policy), &steady(14, 100.0, 0.0, &[]))), KILL);
    // 14 days, 294 exposures: one short of a whole day of the minimum.
    assert_eq!(said(end(&rule(&policy), &steady(14, 21.0, 0.0, &[]))), INSUFFICIENT);
    assert_eq!(said(end(&rule(&policy), &steady(14, 22.0, 0.0, &[]))), KILL);
}

#[test]
fn build_needs_acts_as_well_as_evidence() {
    let policy = Policy { min_conversions: 71, ..policy() };
    let short = end(&rule(&policy), &steady(14, 100.0, 5.0, &[]));
    assert!(short.evidence.log_e_build >= short.evidence.build_at);
    assert_eq!(said(short), UNDECIDED);
    assert_eq!(said(end(&rule(&policy), &steady(15, 100.0, 5.0, &[]))), BUILD);
}

#[test]
fn only_settled_days_count_and_the_verdict_remembers_when() {
    let policy = policy();
    let days = steady(20, 100.0, 5.0, &[]);
    let looks = looks(&rule(&policy), &days, day(0), day(22));
    assert_eq!(looks.len(), 23);
    let seen: Vec<u32> = looks.iter().map(|look| look.evidence.days).collect();
    assert_eq!(seen, [&[0; 3][..], &(1..=20).collect::<Vec<_>>()].concat());
    assert_eq!(looks[15].since, None);
    assert!(looks[16..].iter().all(|look| (look.verdict, look.since) == (Verdict::Build, Some(day(16)))));
}

#[test]
fn more_arms_ask_more_evidence_for_build_and_none_for_kill() {
    let policy = policy();
    let days = steady(20, 100.0, 2.4, &[]);
    let alone = end(&rule(&policy), &days).evidence;
    let among = end(&Rule { arms: 4, ..rule(&policy) }, &days).evidence;
    let more = among.build_at.unwrap() - alone.build_at.unwrap();
    assert!((more - 4.0_f64.ln()).abs() < 1e-12, "{more}");
    assert_eq!(among.kill_at, alone.kill_at);
    let each_its_own = Policy { multiplicity: Multiplicity::None, ..policy };
    assert_eq!(end(&Rule { arms: 4, ..rule(&each_its_own) }, &days).evidence.build_at, alone.build_at);
}

#[test]
fn horizon_budget_and_stop_end_a_test_that_is_undecided_or_too_thin() {
    let policy = policy();
    let (for_it, against_it) = (steady(20, 40.0, 1.0, &[]), steady(20, 40.0, 0.9, &[]));
    let horizon = Policy { horizon_days: 20, ..policy.clone() };
    assert_eq!(said(end(&rule(&horizon), &for_it)), cap(Lean::Build));
    assert_eq!(said(end(&rule(&horizon), &against_it)), cap(Lean::Kill));

    let spent = Rule { arm_budget_cap: Some(5.0), ..rule(&policy) };
    let looks = looks(&spent, &for_it, day(0), day(22));
    assert_eq!(looks[6].verdict, Verdict::Collecting);
    // The fifth day has settled on the eighth: below the minimum of days, and out of money.
    assert_eq!((looks[7].verdict, looks[7].evidence.days), (Verdict::Review, 5));

    let stopped = Rule { stop: Some(day(10)), ..rule(&policy) };
    let looks = super::looks(&stopped, &for_it[..3], day(0), day(20));
    assert_eq!(looks[12].verdict, Verdict::Collecting, "its last day has not settled");
    assert_eq!((looks[13].verdict, looks[13].since), (Verdict::Review, Some(day(13))));
    // Nothing counted leans to no side.
    assert_eq!(said(super::looks(&stopped, &[], day(0), day(13)).pop().unwrap()), NOTHING);
    let no_visits = steady(11, 0.0, 0.0, &[]);
    assert_eq!(said(super::looks(&stopped, &no_visits, day(0), day(13)).pop().unwrap()), NOTHING);
}

#[test]
fn a_limit_from_below_or_above_vetoes_build_and_the_first_one_is_named() {
    let limit = |name: &str, limit: Limit| Guardrail {
        name: name.to_owned(),
        numerator: MetricId::LEADS,
        denominator: MetricId::SIGNUPS,
        limit,
        margin: 0.25,
    };
    let policy =
        Policy { guardrails: vec![limit("spam", Limit::Max(0.2)), limit("paid", Limit::Min(0.5))], ..policy() };
    let judged = |guardrails: &[[f64; 2]]| end(&rule(&policy), &steady(20, 200.0, 10.0, guardrails));
    let veto = |name: &str| (Verdict::Review, Some(Reason::Guardrail { name: name.to_owned() }));
    assert_eq!(said(judged(&[[1.0, 10.0], [6.0, 10.0]])), BUILD);
    assert_eq!(said(judged(&[[1.0, 10.0], [2.0, 10.0]])), veto("paid"));
    assert_eq!(said(judged(&[[5.0, 10.0], [2.0, 10.0]])), veto("spam"));
    // Nothing to divide by is no breach.
    let empty = judged(&[[0.0, 0.0], [3.0, 0.0]]);
    assert_eq!(empty.guardrails.iter().map(|score| score.value).collect::<Vec<_>>(), [None, None]);
    assert_eq!(said(empty), BUILD);
}

#[test]
fn a_concept_follows_from_its_arms() {
    let veto = (Verdict::Review, Some(Reason::Guardrail { name: "spam".to_owned() }));
    let disagree = (Verdict::Review, Some(Reason::ArmsDisagree));
    for (arms, expected) in [
        (vec![], INSUFFICIENT),
        (vec![KILL, BUILD, UNDECIDED], BUILD),
        (vec![KILL, KILL], KILL),
        (vec![KILL, UNDECIDED, cap(Lean::Kill)], UNDECIDED),
        (vec![INSUFFICIENT, KILL], INSUFFICIENT),
        (vec![INSUFFICIENT, UNDECIDED], UNDECIDED),
        (vec![veto.clone()], veto.clone()),
        (vec![cap(Lean::Kill), cap(Lean::Kill)], cap(Lean::Kill)),
        (vec![cap(Lean::Kill), cap(Lean::Build)], cap(Lean::Build)),
        (vec![NOTHING, cap(Lean::Build)], cap(Lean::Build)),
        // One of two says nothing of the other.
        (vec![NOTHING, cap(Lean::Kill)], NOTHING),
        (vec![NOTHING, NOTHING], NOTHING),
        (vec![KILL, cap(Lean::Kill)], disagree.clone()),
        (vec![veto, cap(Lean::Kill)], disagree),
    ] {
        assert_eq!(concept(&arms), expected, "{arms:?}");
    }
}

/// Equal days of a variant beside a control.
fn beside(days: u64, control: [f64; 2], exposures: f64, conversions: f64) -> Vec<ArmDay> {
    let days = steady(days, exposures, conversions, &[]);
    days.into_iter().map(|day| ArmDay { control, ..day }).collect()
}

fn comparison() -> Policy {
    Policy { model: Model::Compare, kill_bar: 1.0, build_bar: 1.2, ..policy() }
}

#[test]
fn a_cost_per_act_is_judged_and_told_in_money() {
    // Bars as costs: below 30 break-even, at 20 worth finding.
    let policy = Policy { model: Model::Cpa, kill_bar: 30.0, build_bar: 20.0, min_exposures: 0, ..policy() };
    let cheap = end(&rule(&policy), &steady(20, 100.0, 7.0, &[]));
    let Evidence { trials, successes, estimate, low, high, .. } = cheap.evidence.clone();
    assert_eq!((trials, successes), (2_000.0, 140.0));
    assert!((estimate.unwrap() - 100.0 / 7.0).abs() < 1e-12);
    assert!(low < estimate && estimate < high && high < Some(30.0), "the whole range is cheaper than break-even");
    assert_eq!(said(cheap), BUILD);
    let dear = end(&rule(&policy), &steady(20, 100.0, 2.0, &[]));
    assert!(dear.evidence.low > Some(20.0));
    assert_eq!(said(dear), KILL);
    // Money without an act has no cost per act, and one that is too dear from below.
    let none = end(&rule(&policy), &steady(20, 100.0, 0.0, &[]));
    assert_eq!((none.evidence.estimate, none.evidence.high), (None, None));
    assert!(none.evidence.low > Some(20.0) && none.evidence.flags == [Flag::ZeroConversions]);
    assert_eq!(said(none), KILL);
}

#[test]
fn a_unit_of_money_may_bring_several_acts() {
    let policy = Policy { model: Model::Cpa, kill_bar: 0.3, build_bar: 0.2, min_exposures: 0, ..policy() };
    let look = end(&rule(&policy), &steady(20, 10.0, 100.0, &[]));
    assert_eq!((look.evidence.successes, look.evidence.flags.clone()), (2_000.0, vec![]));
    assert_eq!(said(look), BUILD);
}

#[test]
fn a_variant_is_judged_by_its_ratio_to_the_control() {
    let policy = comparison();
    let better = end(&rule(&policy), &beside(20, [20.0, 1_000.0], 500.0, 15.0));
    assert_eq!((better.evidence.trials, better.evidence.successes), (10_000.0, 300.0));
    assert!((better.evidence.estimate.unwrap() - 1.5).abs() < 1e-12);
    assert_eq!(said(better), BUILD);
    assert_eq!(said(end(&rule(&policy), &beside(20, [20.0, 1_000.0], 500.0, 8.0))), KILL);
    assert_eq!(said(end(&rule(&policy), &beside(20, [2.0, 100.0], 50.0, 1.0))), UNDECIDED);
}

#[test]
fn a_comparison_needs_both_arms_each_day_and_minimums_are_the_variant_s_own() {
    let policy = Policy { min_conversions: 301, ..comparison() };
    let mut days = beside(21, [20.0, 1_000.0], 500.0, 15.0);
    days[3].control = [0.0; 2];
    let look = end(&rule(&policy), &days);
    assert_eq!((look.evidence.days, look.evidence.trials), (20, 10_000.0), "the control was not seen on one day");
    assert_eq!(said(look), UNDECIDED, "300 acts of the variant, 400 of the control");
    let policy = Policy { min_conversions: 300, ..comparison() };
    assert_eq!(said(end(&rule(&policy), &days)), BUILD);
}

#[test]
fn a_comparison_with_estimated_noise_is_not_corrected_for_daily_looks() {
    let at = |dispersion, boundary| {
        let policy = Policy { dispersion, boundary, ..comparison() };
        let evidence = end(&rule(&policy), &beside(20, [20.0, 1_000.0], 500.0, 11.0)).evidence;
        (evidence.build_at.unwrap(), evidence.kill_at.unwrap())
    };
    let plain = -0.05_f64.ln();
    for dispersion in [Dispersion::Auto, Dispersion::Independent] {
        assert_eq!(at(dispersion, Boundary::Daily), (plain, plain));
    }
    assert!(at(Dispersion::None, Boundary::Daily).0 < plain - 0.1);
    assert_eq!(at(Dispersion::None, Boundary::Strict), (plain, plain));
}

#[test]
fn an_uneven_split_ends_comparing_for_good_until_the_cap() {
    let policy = Policy { horizon_days: 30, ..comparison() };
    let days = beside(40, [20.0, 1_000.0], 500.0, 15.0);
    let uneven = Rule { uneven_since: Some(day(5)), ..rule(&policy) };
    let said: Vec<_> = looks(&uneven, &days, day(0), day(42)).into_iter().map(said).collect();
    let srm = (Verdict::Collecting, Some(Reason::Srm));
    // Too few days comes first; the thirtieth day has settled on the thirty-third.
    assert_eq!(said[15], INSUFFICIENT);
    assert!(said[16..32].iter().all(|one| *one == srm), "{said:?}");
    assert!(said[32..].iter().all(|one| *one == cap(Lean::Build)));
    // An alarm after the verdict takes nothing back, and one under another model is not asked.
    let late = Rule { uneven_since: Some(day(20)), ..rule(&policy) };
    assert_eq!(super::looks(&late, &days, day(0), day(42)).pop().map(super::tests::said), Some(BUILD));
    let rate = super::tests::policy();
    let uneven = Rule { uneven_since: Some(day(0)), ..rule(&rate) };
    assert_eq!(super::tests::said(end(&uneven, &steady(20, 100.0, 5.0, &[]))), BUILD);
}

#[test]
fn a_split_is_watched_day_by_day_and_an_alarm_stays() {
    let split =
        Srm { expected: ["a", "b"].map(|arm| (ArmId::new(arm), 0.5)).into(), alpha: 0.001, concentration: 1_000.0 };
    let since = |visits: &[[f64; 2]]| {
        uneven_since(
            &split,
            visits.iter().enumerate().map(|(number, visits)| (day(u64::try_from(number).unwrap()), &visits[..])),
        )
    };
    assert_eq!(since(&[[200.0, 200.0]; 60]), None);
    let skewed = [[216.0, 184.0]; 60];
    let alarm = since(&skewed).unwrap();
    // Days that make up for it come too late.
    let mended: Vec<_> = skewed.into_iter().chain([[184.0, 216.0]; 60]).collect();
    assert_eq!(since(&mended), Some(alarm));
    assert_eq!(since(&skewed[..usize::try_from((alarm - day(0)).num_days()).unwrap()]), None);
}

#[test]
fn a_cleared_series_judges_as_a_new_one() {
    for policy in [policy(), Policy { dispersion: Dispersion::Auto, ..comparison() }] {
        let days = beside(20, [20.0, 1_000.0], 500.0, 15.0);
        let mut settled = Settled::new(rule(&policy));
        let mut judged = |days: &[ArmDay]| {
            settled.clear();
            for day in days {
                settled.add(day);
            }
            let said = settled.assess();
            (settled.judge(said.as_ref(), None), said, settled.interval(&said.unwrap()))
        };
        let first = judged(&days);
        judged(&days[..3]);
        assert_eq!(judged(&days), first);
    }
}
