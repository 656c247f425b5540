//! A ladder of prices: how many take the offer at each, what that brings, and which price may earn the most (statistics.md
//! section 11). The ranges of all prices hold together, at every look; people take a dearer offer no more often, so a price
//! lends its neighbours strength.

use std::collections::BTreeMap;

use serde::Serialize;

use super::judge::{ArmDay, Rule, Settled};
use super::tally::Tally;
use super::{explain, figures};
use crate::domain::concept::{Experiment, Model, Multiplicity, Policy};
use crate::domain::id::ArmId;
use crate::domain::millionths;
use crate::domain::money::Money;
use crate::stats::many::{isotonic_decreasing, ladder};

/// What a price is reckoned on.
const VISITORS: f64 = 100.0;

/// One price.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Price {
    /// What the offer costs.
    pub price: Money,
    /// The versions that ask it.
    pub arms: Vec<ArmId>,
    /// Acts on settled days…
    pub acts: f64,
    /// …of so many visitors.
    pub exposures: f64,
    /// Acts ÷ visitors, smoothed so that none is higher than at a lower price.
    pub rate: f64,
    /// Ends of the range of the rate, shared with the other prices.
    pub rate_range: (f64, f64),
    /// Price × rate, of a hundred visitors.
    pub revenue: Money,
    /// Price × ends of the range, of a hundred visitors.
    pub revenue_range: (Money, Money),
    /// Whether it may earn the most.
    pub open: bool,
}

/// A ladder of prices, each in ascending order.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Prices {
    /// Those with settled days.
    pub seen: Vec<Price>,
    /// Those without: nothing rules one of them out.
    pub unseen: Vec<Money>,
}

/// Every price; `None` unless at least two prices have settled days and the question is a rate.
pub(super) fn prices(experiment: &Experiment, tally: &Tally<'_>) -> Option<Prices> {
    let priced = tally.arms.iter().filter_map(|(arm, days)| Some((arm, arm.price.filter(|_| !arm.control)?, days)));
    let mut rungs: BTreeMap<i64, (Money, Vec<ArmId>, BTreeMap<_, ArmDay>)> = BTreeMap::new();
    for (arm, price, days) in priced {
        let (_, arms, sums) = rungs.entry(price.micros).or_insert_with(|| (price, vec![], BTreeMap::new()));
        arms.push(arm.id.clone());
        let settled: Vec<_> = tally.settled(days).cloned().collect();
        for day in super::series(&experiment.policy, tally, &settled) {
            let none = ArmDay { exposures: 0.0, conversions: 0.0, guardrails: vec![], ..day.clone() };
            let sum = sums.entry(day.day).or_insert(none);
            sum.exposures += day.exposures;
            sum.conversions += day.conversions;
        }
    }
    if rungs.len() < 2 || experiment.policy.model != Model::Rate {
        return None;
    }
    let policy = together(&experiment.policy, rungs.len());
    let rule = Rule { policy: &policy, arms: 1, arm_budget_cap: None, stop: None, uneven_since: None };
    let (mut seen, mut unseen) = (Vec::new(), Vec::new());
    // Before, the noise of the days is not known well enough to rule a price out.
    let mut is_early = false;
    for (price, arms, days) in rungs.into_values() {
        let mut settled = Settled::new(rule);
        for day in days.values() {
            settled.add(day);
        }
        let Some(said) = settled.assess() else {
            unseen.push(price);
            is_early = true;
            continue;
        };
        let active = days.values().filter(|day| day.exposures > 0.0).count();
        is_early |= active < usize::try_from(policy.min_days).unwrap_or(usize::MAX);
        seen.push((price, arms, said, settled.interval(&said)));
    }
    if seen.len() < 2 {
        return None;
    }
    let amounts: Vec<f64> = seen.iter().map(|(price, ..)| millionths::to_f64(price.micros)).collect();
    let ends: Vec<(f64, f64)> = seen.iter().map(|(.., ends)| *ends).collect();
    let ladder = ladder(&amounts, &ends);
    let counted: Vec<(f64, f64)> = seen.iter().map(|(.., said, _)| (said.estimate, said.trials)).collect();
    let rates = isotonic_decreasing(&counted);
    let of_hundred = |price: Money, rate: f64| price.times(rate * VISITORS);
    let seen: Option<Vec<Price>> = seen
        .into_iter()
        .enumerate()
        .map(|(at, (price, arms, said, _))| {
            let (low, high) = ladder.rates[at];
            Some(Price {
                price,
                arms,
                acts: said.successes,
                exposures: said.trials,
                rate: rates[at],
                rate_range: (low, high),
                revenue: of_hundred(price, rates[at])?,
                revenue_range: (of_hundred(price, low)?, of_hundred(price, high)?),
                open: is_early || ladder.open.contains(&at),
            })
        })
        .collect();
    Some(Prices { seen: seen?, unseen })
}

/// The policy by which each of so many prices has a range, so that all hold together.
fn together(policy: &Policy, prices: usize) -> Policy {
    let prices = f64::from(u32::try_from(prices).unwrap_or(u32::MAX));
    Policy {
        alpha: policy.alpha / prices,
        beta: policy.beta / prices,
        multiplicity: Multiplicity::None,
        guardrails: vec![],
        ..policy.clone()
    }
}

/// `$29: 74 of 1,240 visitors …`, and which price may earn the most.
pub(super) fn sentences(experiment: &Experiment, prices: &Prices) -> Vec<String> {
    let rate = &experiment.policy.primary;
    let exposures = figures::many(rate.denominator);
    let bars = [experiment.policy.kill_bar, experiment.policy.build_bar];
    let rung = |one: &Price| {
        let (low, high) = one.rate_range;
        let (least, most) = one.revenue_range;
        format!(
            "{}: {} of {} {} ({}, range {}); {} for 100 {exposures} (range {least} to {most}){}.",
            one.price.as_set(),
            figures::count(one.acts),
            figures::counted(one.exposures, rate.denominator),
            explain::did(experiment),
            figures::rate(one.rate, &bars),
            figures::range(low, high, &bars),
            one.revenue,
            if one.open { "" } else { ", surely less than another price" },
        )
    };
    let mut lines: Vec<String> = prices.seen.iter().map(rung).collect();
    lines.extend(prices.unseen.iter().map(|price| format!("{}: no settled day yet.", price.as_set())));
    let open = prices.seen.iter().filter(|one| one.open).map(|one| one.price);
    let mut open: Vec<Money> = open.chain(prices.unseen.iter().copied()).collect();
    open.sort_unstable_by_key(|price| price.micros);
    let open: Vec<String> = open.iter().map(Money::as_set).collect();
    lines.push(match &open[..] {
        [one] => format!("{one} earns the most."),
        several => format!("Which price earns the most is still open between {}.", figures::list(several)),
    });
    lines.push(format!(
        "Counted are {}: what people say they would take at a price is not yet what they pay.",
        figures::many(rate.numerator)
    ));
    lines
}
