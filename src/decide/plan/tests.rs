//! The plan against the worked example of the design, what would fit against itself, and what is said.

use super::*;
use crate::domain::concept::{Boundary, Rate};
use crate::domain::metric::MetricId;
use crate::domain::money::{Currency, parse_amount};

fn usd(text: &str) -> Money {
    parse_amount(text, Currency::from_code("USD").unwrap()).unwrap()
}

/// 2 % against 3 %, both errors 5 %, 200 visitors a day for $200.
fn question() -> Question {
    let policy = Policy {
        primary: Rate { name: "signup".to_owned(), numerator: MetricId::SIGNUPS, denominator: MetricId::VISITS },
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
    };
    let daily_budget = usd("200");
    Question { policy, base_rate: 0.02, arms: 1, daily_budget, visitors_per_day: 200.0, variation: 0.2 }
}

fn with(change: impl FnOnce(&mut Policy)) -> Question {
    let mut question = question();
    change(&mut question.policy);
    question
}

fn barred(model: Model, kill_bar: f64, build_bar: f64) -> Question {
    with(|policy| (policy.model, policy.kill_bar, policy.build_bar) = (model, kill_bar, build_bar))
}

#[test]
fn the_worked_example_in_days_and_money() {
    let found = plan(&question());
    // 1,365 and 1,196 visitors take 7 and 6 days, so the two weeks rule; 4,450 take 23 days, and 3 more to settle.
    assert_eq!(found.expected.map(|effort| effort.days), [17, 17, 17]);
    assert_eq!((found.cap.days, found.cap.cost, found.cap.visitors), (26, usd("5200"), Some(4_600.0)));
    assert!(found.misfits.is_empty() && found.proposals.is_empty() && found.cautions.is_empty(), "{found:?}");
    // Day noise, 5 acts a day at cv 0.2, costs a factor 1.5 × (1 + 0.0247 × 200 × 0.04).
    let noisy = plan(&with(|policy| policy.dispersion = Dispersion::Auto));
    assert_eq!(noisy.cap.days, 43);
    let known = plan(&with(|policy| policy.dispersion = Dispersion::Known(2.0)));
    assert_eq!(known.cap.days, 48);
    // Two arms have half the traffic each, and half of alpha.
    let two = plan(&Question { arms: 2, ..question() });
    assert_eq!(two.cap.days, 59);
}

#[test]
fn what_does_not_fit_comes_with_what_would() {
    for question in [
        with(|policy| policy.horizon_days = 16),
        with(|policy| policy.budget_cap = Some(usd("4000"))),
        with(|policy| policy.budget_cap = Some(usd("1000"))),
        with(|policy| (policy.horizon_days, policy.budget_cap) = (20, Some(usd("4400")))),
        barred(Model::Cpa, 90.0, 80.0),
        barred(Model::Compare, 1.0, 1.2),
    ] {
        let found = plan(&question);
        assert!(!found.misfits.is_empty() && found.proposals.len() > 1, "{found:?}");
        for proposal in found.proposals {
            let mut mended = question.clone();
            match proposal {
                Proposal::WiderBars { kill_bar, build_bar, daily_budget, .. } => {
                    let factor =
                        millionths::to_f64(daily_budget.micros) / millionths::to_f64(mended.daily_budget.micros);
                    mended = mended.with_daily_budget(factor).unwrap();
                    assert!((build_bar / kill_bar).ln().abs() > (mended.policy.build_bar / kill_bar).ln().abs());
                    (mended.policy.kill_bar, mended.policy.build_bar) = (kill_bar, build_bar);
                }
                Proposal::HigherLimits { horizon_days, budget } => {
                    mended.policy.horizon_days = horizon_days.unwrap_or(mended.policy.horizon_days);
                    mended.policy.budget_cap = Some(budget);
                }
                Proposal::OtherSpend { daily_budget, .. } => {
                    let factor =
                        millionths::to_f64(daily_budget.micros) / millionths::to_f64(mended.daily_budget.micros);
                    mended = mended.with_daily_budget(factor).unwrap();
                }
            }
            assert!(fits(&mended), "{proposal:?} of {question:?}");
        }
    }
}

#[test]
fn what_a_planner_should_know_is_said() {
    let cautions = |question: &Question| plan(question).cautions;
    let thin = Question { visitors_per_day: 40.0, ..question() };
    assert_eq!(cautions(&thin), [Caution::FewActs { per_day: 0.8 }]);
    let close = with(|policy| (policy.build_bar, policy.dispersion) = (0.024, Dispersion::Auto));
    let thick = Question { visitors_per_day: 4_000.0, ..close };
    let [Caution::DaysRule { days, days_at_twice }] = cautions(&thick)[..] else { panic!("{:?}", cautions(&thick)) };
    assert!(days_at_twice < days && f64::from(days_at_twice) > 0.75 * f64::from(days), "{days_at_twice} of {days}");
    let quick = Question { visitors_per_day: 5_000.0, ..question() };
    assert_eq!(cautions(&quick), [Caution::MinimumRules { days: 17 }]);
    assert_eq!(cautions(&with(|policy| policy.build_bar = 0.2)).last(), Some(&Caution::BarsFarApart));
}

#[test]
fn truths_stand_one_step_apart() {
    let rate = question().truths();
    assert_eq!((rate.len(), rate[1], rate[3]), (5, 0.02, 0.03));
    assert!(rate.is_sorted() && (rate[4] - 0.045).abs() < 1e-12);
    let cpa = barred(Model::Cpa, 60.0, 40.0);
    assert!(cpa.truths().is_sorted_by(|one, next| one > next), "{:?}", cpa.truths());
    assert_eq!(with(|policy| (policy.kill_bar, policy.build_bar) = (0.5, 0.8)).truths().len(), 4, "no rate above 1");
}
