//! Which of several versions is the best: those that no other beats (statistics.md section 8). Every version is held against
//! every other, day by day, by the sequential comparison, so that looking daily costs nothing and traffic may move between
//! them; nothing is ranked by estimates alone. Each comparison has alpha ÷ (versions − 1): the chance that the others ever
//! rule out a version that is truly the best is at most alpha.

use serde::Serialize;

use super::figures;
use super::judge::{ArmDay, Rule, Settled};
use super::tally::Tally;
use super::{explain, measure};
use crate::domain::concept::{Experiment, Model, Multiplicity, Policy};
use crate::domain::id::ArmId;
use crate::domain::verdict::{Scorecard, Verdict};

/// The ratios of rates between which a comparison decides (statistics.md section 2).
const NO_BETTER: f64 = 1.0;
const BETTER: f64 = 1.2;

/// A ratio that is at least less than this prints as at least nothing.
const LEAST_TOLD: f64 = 0.005;

/// Spend is compared in parts of a unit so small that no act is cheaper.
const PARTS: f64 = 1e6;

/// Which versions may be the best, and how the one in front stands beside each other.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Best {
    /// Those not ruled out, the highest estimate first: one is the best, several cannot be told apart yet.
    pub open: Vec<ArmId>,
    /// The first of them beside each other version.
    pub beside: Vec<Beside>,
}

/// A version's rate as a multiple of another's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Beside {
    /// Whose rate…
    pub arm: ArmId,
    /// …as a multiple of whose.
    pub other: ArmId,
    /// The ratio; `None` where one of them has no act.
    pub ratio: Option<f64>,
    /// Lower end of its range.
    pub low: Option<f64>,
    /// Upper end; `None` where it has none.
    pub high: Option<f64>,
    /// Whether it is surely higher.
    pub beats: bool,
}

/// The tested versions compared with each other on their settled days; `None` where there are fewer than two.
pub(super) fn best(experiment: &Experiment, tally: &Tally<'_>) -> Option<Best> {
    let mut series: Vec<(&ArmId, Vec<ArmDay>)> = tally
        .arms
        .iter()
        .filter(|(arm, _)| !arm.control)
        .map(|(arm, days)| {
            let settled: Vec<_> = tally.settled(days).cloned().collect();
            let mut days = super::series(&experiment.policy, tally, &settled);
            if experiment.policy.model == Model::Cpa {
                for day in &mut days {
                    day.exposures *= PARTS;
                }
            }
            (&arm.id, days)
        })
        .collect();
    if series.len() < 2 {
        return None;
    }
    let estimate = |days: &[ArmDay]| {
        let [acts, exposures] =
            days.iter().fold([0.0; 2], |sum, day| [sum[0] + day.conversions, sum[1] + day.exposures]);
        if exposures > 0.0 { acts / exposures } else { f64::NEG_INFINITY }
    };
    series.sort_by(|one, other| estimate(&other.1).total_cmp(&estimate(&one.1)));
    let policy = comparison(&experiment.policy, series.len());
    let is_beaten = |at: usize| {
        let by = |other: usize| other != at && compare(&policy, &series[other], &series[at]).beats;
        (0..series.len()).any(by)
    };
    let open: Vec<usize> = (0..series.len()).filter(|&at| !is_beaten(at)).collect();
    let first = open.first().copied().unwrap_or(0);
    let beside = (0..series.len()).filter(|&at| at != first);
    Some(Best {
        beside: beside.map(|at| compare(&policy, &series[first], &series[at])).collect(),
        open: open.into_iter().map(|at| series[at].0.clone()).collect(),
    })
}

/// The policy by which one version is held against another. What it takes before any verdict stays as it is.
fn comparison(policy: &Policy, versions: usize) -> Policy {
    let others = f64::from(u32::try_from(versions - 1).unwrap_or(u32::MAX));
    Policy {
        model: Model::Compare,
        kill_bar: NO_BETTER,
        build_bar: BETTER,
        alpha: policy.alpha / others,
        beta: policy.alpha / others,
        // Spend is what acts are counted on there, and no number of people.
        min_exposures: if policy.model == Model::Cpa { 0 } else { policy.min_exposures },
        multiplicity: Multiplicity::None,
        guardrails: vec![],
        ..policy.clone()
    }
}

/// One version held against another on the days both had.
fn compare(policy: &Policy, (arm, days): &(&ArmId, Vec<ArmDay>), (other, of_other): &(&ArmId, Vec<ArmDay>)) -> Beside {
    let mut settled = Settled::new(Rule { policy, arms: 1, arm_budget_cap: None, stop: None, uneven_since: None });
    for day in days {
        let same = of_other.iter().find(|other| other.day == day.day);
        let control = same.map_or([0.0; 2], |other| [other.conversions, other.exposures]);
        settled.add(&ArmDay { control, guardrails: vec![], ..day.clone() });
    }
    let said = settled.assess();
    let finite = |value: f64| Some(value).filter(|value| value.is_finite());
    let (low, high) = said.as_ref().map(|said| settled.interval(said)).unzip();
    Beside {
        arm: (*arm).clone(),
        other: (*other).clone(),
        ratio: said.and_then(|said| finite(said.estimate)),
        low: low.and_then(finite),
        high: high.and_then(finite),
        beats: settled.judge(said.as_ref(), None).0 == Verdict::Build,
    }
}

/// `Annual does better than Monthly. But each was delivered …`, or that they cannot be told apart yet; `None`
/// where there is nothing to compare.
pub(super) fn said(experiment: &Experiment, card: &Scorecard, open: &[ArmId]) -> Option<String> {
    let name = |id: &ArmId| explain::name(experiment, id).to_owned();
    let behind: Vec<String> = card.arms.iter().map(|arm| &arm.arm).filter(|id| !open.contains(id)).map(name).collect();
    let audience = if experiment.policy.srm.is_some() {
        ""
    } else {
        " But each was delivered with its own audience, so part or all of that may come from the people."
    };
    match open {
        [] => None,
        [one] => Some(format!("{} does better than {}.{audience}", name(one), figures::list(&behind))),
        several => {
            let tied = figures::list(&several.iter().map(name).collect::<Vec<_>>());
            let rest = if behind.is_empty() {
                String::new()
            } else {
                format!(
                    " {} {} behind.{audience}",
                    figures::list(&behind),
                    if behind.len() == 1 { "is" } else { "are" }
                )
            };
            Some(format!("{tied} cannot be told apart yet.{rest}"))
        }
    }
}

/// Where the versions stand beside each other, one sentence each.
pub(super) fn sentences(experiment: &Experiment, card: &Scorecard, best: &Best) -> Vec<String> {
    let name = |id: &ArmId| explain::name(experiment, id).to_owned();
    let what = if experiment.policy.model == Model::Cpa { "acts per money" } else { "rate" };
    let policy = comparison(&experiment.policy, card.arms.len().max(2));
    let beside = |one: &Beside| {
        let (arm, other) = (name(&one.arm), name(&one.other));
        let ends = one.low.map(|low| (low, one.high.unwrap_or(f64::INFINITY)));
        match (one.ratio, ends) {
            // Any ratio fits: there is no more to say than that they cannot be told apart.
            (_, Some((low, high))) if low < LEAST_TOLD && high.is_infinite() => None,
            (Some(ratio), Some(ends)) => {
                let range = measure::named_range(&policy, ends);
                Some(format!("{arm} has {} the {what} of {other} ({range}).", measure::value(&policy, ratio)))
            }
            (None, Some(ends)) => Some(format!("{arm} has {} the {what} of {other}.", measure::range(&policy, ends))),
            _ => Some(format!("{arm} and {other} have no settled day in common yet.")),
        }
    };
    said(experiment, card, &best.open).into_iter().chain(best.beside.iter().filter_map(beside)).collect()
}
