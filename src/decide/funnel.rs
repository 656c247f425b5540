//! How many people came how deep, arm by arm over settled days, and how many acts count for nothing and why. For
//! reading: one depth decides, the others explain.

use std::collections::BTreeMap;

use serde::Serialize;

use super::figures;
use super::qualify::LeftOut;
use super::tally::{DayCounts, Tally, units};
use crate::domain::concept::Arm;
use crate::domain::id::ArmId;
use crate::domain::metric::MetricId;

/// From the click to the order.
const DEPTHS: [MetricId; 12] = [
    MetricId::CLICKS,
    MetricId::VISITS,
    MetricId::FORM_OPENS,
    MetricId::SIGNUPS,
    MetricId::VERIFIED_SIGNUPS,
    MetricId::QUALIFIED_SIGNUPS,
    MetricId::DEMOS,
    MetricId::CARDS,
    MetricId::PAYMENTS,
    MetricId::REFUNDS,
    MetricId::DEPOSITS,
    MetricId::ORDERS,
];

/// How deep the people of one arm came.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Funnel {
    /// Which arm.
    pub arm: ArmId,
    /// Each depth that a source counts, least first.
    pub steps: Vec<Step>,
    /// Acts that count for nothing, or not as much as they might.
    pub left_out: Vec<Left>,
}

/// One depth.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Step {
    /// What is counted.
    pub metric: MetricId,
    /// How many, on the settled days on which it is known.
    pub count: f64,
}

/// How many, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Why.
    pub why: LeftOut,
    /// How many acts.
    pub acts: u32,
}

/// The depths that only an address which somebody verified can reach.
const VERIFIED: [MetricId; 2] = [MetricId::VERIFIED_SIGNUPS, MetricId::QUALIFIED_SIGNUPS];

/// The funnel of every arm, the control's too. `decides` is what the deciding rate counts: a depth beside it that nobody could
/// reach because no source verifies addresses is none.
pub fn funnels(tally: &Tally<'_>, decides: MetricId) -> Vec<Funnel> {
    let of_arm = |(position, (arm, days)): (usize, &(&Arm, Vec<DayCounts>))| {
        let total = |metric: MetricId| {
            let known: Vec<i128> = tally.settled(days).filter_map(|day| day.count(metric)).collect();
            (!known.is_empty()).then(|| Step { metric, count: units(known.iter().sum()) })
        };
        let mut left: BTreeMap<LeftOut, u32> = BTreeMap::new();
        for (&(arm, day, why), &acts) in &tally.left_out {
            if arm == position && day <= tally.calendar.last_settled {
                *left.entry(why).or_default() += acts;
            }
        }
        Funnel {
            arm: arm.id.clone(),
            steps: DEPTHS.into_iter().filter_map(total).collect(),
            left_out: left.into_iter().map(|(why, acts)| Left { why, acts }).collect(),
        }
    };
    let mut funnels: Vec<Funnel> = tally.arms.iter().enumerate().map(of_arm).collect();
    let verified = |funnel: &Funnel| funnel.count(MetricId::VERIFIED_SIGNUPS).is_some_and(|count| count > 0.0);
    if !VERIFIED.contains(&decides) && !funnels.iter().any(verified) {
        for funnel in &mut funnels {
            funnel.steps.retain(|step| !VERIFIED.contains(&step.metric));
        }
    }
    funnels
}

impl Funnel {
    /// How many of a depth; `None` where no source counts it.
    fn count(&self, metric: MetricId) -> Option<f64> {
        self.steps.iter().find(|step| step.metric == metric).map(|step| step.count)
    }

    /// In words, to follow the arm's name: nothing where there is no more to say than the deciding rate does.
    pub fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if self.steps.len() > 2 {
            let steps: Vec<String> = self.steps.iter().map(|step| figures::counted(step.count, step.metric)).collect();
            lines.push(format!("{}.", steps.join(", ")));
        }
        lines.extend(self.share(MetricId::SIGNUPS, MetricId::FORM_OPENS, "a form completion"));
        lines.extend(self.share(MetricId::QUALIFIED_SIGNUPS, MetricId::VERIFIED_SIGNUPS, "a share of the ICP"));
        lines.extend(self.share(MetricId::REFUNDS, MetricId::PAYMENTS, "a refund rate"));
        lines
    }

    /// What counts for nothing, or not as much as it might, in words.
    pub fn left_out_line(&self) -> Option<String> {
        let reasons: Vec<String> =
            self.left_out.iter().map(|left| format!("{} {}", left.acts, in_words(left.why))).collect();
        (!reasons.is_empty()).then(|| format!("Answers left out: {}.", figures::list(&reasons)))
    }

    fn share(&self, part: MetricId, whole: MetricId, called: &str) -> Option<String> {
        let (part_count, whole_count) = (self.count(part)?, self.count(whole).filter(|&whole| whole > 0.0)?);
        let counts = format!("{} of {}", figures::count(part_count), figures::counted(whole_count, whole));
        let enough = figures::enough_for_a_share(whole_count) && part_count <= whole_count;
        enough.then(|| format!("{counts}: {called} of {}.", figures::share(part_count / whole_count)))
    }
}

fn in_words(why: LeftOut) -> &'static str {
    match why {
        LeftOut::Test => "by trial addresses",
        LeftOut::Internal => "by your own people",
        LeftOut::Disposable => "by throwaway addresses",
        LeftOut::Repeat => "by people who had signed up before",
        LeftOut::OutsideIcp => "outside the ICP",
        LeftOut::IcpUnknown => "of whom it is not known whether they are in the ICP",
        LeftOut::Canceled => "called off or moved",
        LeftOut::NoShow => "to which nobody came",
        LeftOut::Nameless => "without an address, of people whom another source may count too",
    }
}
