//! What others would have decided in the same campaigns: a test made for one look and a posterior
//! probability, both looked at every day. Only for comparison: no verdict of ours comes from here.

use statrs::distribution::{ContinuousCDF, Normal};
use statrs::function::beta::beta_reg;

use super::Rule;
use crate::domain::concept::Model;
use crate::domain::verdict::Verdict;
use crate::stats::simulate::Day;
use crate::stats::special::gamma_q;

/// Both rules, ready for the bars and error rates of a policy.
pub(super) struct Peers {
    model: Model,
    bars: [f64; 2],
    /// Evidence that is enough for BUILD and for KILL: in standard errors, and as a probability.
    z: [f64; 2],
    probability: [f64; 2],
    min_days: usize,
}

/// Where both rules stand: standard errors above each bar, and the probability of being above it.
struct Standing {
    z: [f64; 2],
    above: [f64; 2],
}

impl Peers {
    pub(super) fn new(rule: &Rule<'_>) -> Self {
        let policy = rule.policy;
        let errors = [policy.alpha, policy.beta];
        Self {
            model: policy.model,
            bars: [policy.kill_bar, policy.build_bar],
            z: errors.map(|error| Normal::standard().inverse_cdf(1.0 - error)),
            probability: errors.map(|error| 1.0 - error),
            min_days: usize::try_from(policy.min_days).unwrap_or(usize::MAX),
        }
    }

    /// The first verdict of each.
    pub(super) fn verdicts(&self, days: &[Day]) -> (Verdict, Verdict) {
        let (mut fixed_horizon, mut posterior) = (Verdict::Collecting, Verdict::Collecting);
        let mut sum = Day::default();
        for (day, number) in days.iter().zip(1..) {
            sum.exposure += day.exposure;
            sum.count += day.count;
            sum.control_exposure += day.control_exposure;
            sum.control_count += day.control_count;
            if number < self.min_days {
                continue;
            }
            let standing = self.standing(&sum);
            let first = |verdict: Verdict, build: bool, kill: bool| match verdict {
                Verdict::Collecting if build => Verdict::Build,
                Verdict::Collecting if kill => Verdict::Kill,
                already => already,
            };
            fixed_horizon = first(fixed_horizon, standing.z[0] > self.z[0], -standing.z[1] > self.z[1]);
            let below = 1.0 - standing.above[1];
            posterior = first(posterior, standing.above[0] > self.probability[0], below > self.probability[1]);
            if fixed_horizon != Verdict::Collecting && posterior != Verdict::Collecting {
                break;
            }
        }
        (fixed_horizon, posterior)
    }

    /// The priors are Jeffreys': a beta distribution with two halves, a gamma distribution with one. Two arms are
    /// pooled over their days, as most calculators do.
    fn standing(&self, sum: &Day) -> Standing {
        let chance = |chance: f64, count: f64, trials: f64| {
            let z = (count - trials * chance) / (trials * chance * (1.0 - chance)).sqrt();
            (z, 1.0 - beta_reg(count + 0.5, (trials - count).max(0.0) + 0.5, chance))
        };
        let at = |bar: f64| match self.model {
            Model::Rate => chance(bar, sum.count, sum.exposure),
            Model::Cpa => {
                let expected = sum.exposure / bar;
                // Above the rate that a cost stands for is below the cost.
                ((sum.count - expected) / expected.sqrt(), gamma_q(sum.count + 0.5, expected))
            }
            Model::Compare => {
                let weighed = bar * sum.exposure;
                chance(weighed / (weighed + sum.control_exposure), sum.count, sum.count + sum.control_count)
            }
        };
        let [kill, build] = self.bars.map(at);
        Standing { z: [kill.0, build.0], above: [kill.1, build.1] }
    }
}
