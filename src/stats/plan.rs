//! How much a sequential test between two bars needs, before it begins: Wald's bound where the truth is at a bar, Hoeffding's
//! between them, and a cap for the undecided. Knows no day and no price: a unit is a trial, or for `events` a unit of
//! exposure, or for `compare` a trial in each arm.

use std::f64::consts::PI;

use super::special::deviance;

/// What telling two bars apart takes per unit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Distance {
    /// Where the two bars are equally far away: the hardest truth. A rate, or for `compare` the variant's ratio.
    pub middle: f64,
    /// Variance of one unit's log-likelihood ratio there.
    variance: f64,
    /// Information per unit (Kullback–Leibler) that speaks against p1 when p0 is true.
    at_p0: f64,
    /// … against p0 when p1 is true.
    at_p1: f64,
    /// … against either when the middle is.
    at_middle: f64,
}

/// Expected units until a verdict, at the least, for errors `alpha` (at p0) and `beta` (at p1).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bounds {
    /// The truth is p0 (Wald 1947).
    pub at_p0: f64,
    /// The truth is p1.
    pub at_p1: f64,
    /// The truth is the middle: no test with these errors can do with less (Hoeffding 1960).
    pub at_middle: f64,
}

impl Distance {
    /// Success chances, `0 < p0 < p1 < 1`.
    pub fn rate(p0: f64, p1: f64) -> Self {
        let cost = ((p1 - p0) / (1.0 - p1)).ln_1p();
        let delta = ((p1 - p0) / p0).ln_1p() + cost;
        let middle = cost / delta;
        Self {
            middle,
            variance: middle * (1.0 - middle) * delta * delta,
            at_p0: between_chances(p0, p1),
            at_p1: between_chances(p1, p0),
            at_middle: between_chances(middle, p0).max(between_chances(middle, p1)),
        }
    }

    /// Events per unit of exposure, `0 < p0 < p1`.
    pub fn events(p0: f64, p1: f64) -> Self {
        let delta = ((p1 - p0) / p0).ln_1p();
        let middle = (p1 - p0) / delta;
        Self {
            middle,
            variance: middle * delta * delta,
            at_p0: between_rates(p0, p1),
            at_p1: between_rates(p1, p0),
            at_middle: between_rates(middle, p0).max(between_rates(middle, p1)),
        }
    }

    /// A variant's rate over the control's, `0 < r0 < r1`, both arms with equal traffic, given `successes` per trial of
    /// the control. Conditional on the successes of both, so successes are taken to be rare.
    pub fn compare(r0: f64, r1: f64, successes: f64) -> Self {
        let share = |ratio: f64| ratio / (1.0 + ratio);
        let middle = (r0 * r1).sqrt();
        let delta = ((r1 - r0) / r0).ln_1p();
        let at = |truth: f64, other: f64| successes * (1.0 + truth) * between_chances(share(truth), share(other));
        Self {
            middle,
            variance: successes * (1.0 + middle) * share(middle) * (1.0 - share(middle)) * delta * delta,
            at_p0: at(r0, r1),
            at_p1: at(r1, r0),
            at_middle: at(middle, r0).max(at(middle, r1)),
        }
    }

    /// The least any test with these errors needs where nothing but chance varies; `alpha + beta < 1`. Day noise
    /// multiplies it by phi.
    pub fn bounds(&self, alpha: f64, beta: f64) -> Bounds {
        let quarter = self.variance.sqrt() / 4.0;
        let reach = (quarter * quarter - self.at_middle * (alpha + beta).ln()).sqrt() - quarter;
        Bounds {
            at_p0: between([alpha, 1.0 - alpha], [1.0 - beta, beta]) / self.at_p0,
            at_p1: between([beta, 1.0 - beta], [1.0 - alpha, alpha]) / self.at_p1,
            at_middle: (reach / self.at_middle).powi(2),
        }
    }

    /// What our own test needs on average where the truth is the middle (a Brownian motion between two thresholds).
    pub fn expected_at_middle(&self, alpha: f64, beta: f64) -> f64 {
        alpha.ln() * beta.ln() / self.variance
    }

    /// Units after which our own test is still undecided with chance `undecided` where the truth is the middle: the
    /// first term of the series for a Brownian motion between two thresholds, which is enough where `undecided` is small.
    pub fn cap(&self, alpha: f64, beta: f64, undecided: f64) -> f64 {
        let (width, down) = (-alpha.ln() - beta.ln(), -beta.ln());
        let decay = (4.0 * (PI * down / width).sin() / (PI * undecided)).ln().max(0.0);
        2.0 * width * width / (PI * PI * self.variance) * decay
    }
}

/// Kullback–Leibler information of one success chance against another.
fn between_chances(truth: f64, other: f64) -> f64 {
    between([truth, 1.0 - truth], [other, 1.0 - other])
}

/// The same, both outcomes given because one less a small chance has lost its digits.
fn between(truth: [f64; 2], other: [f64; 2]) -> f64 {
    between_rates(truth[0], other[0]) + between_rates(truth[1], other[1])
}

/// `truth · ln(truth / other) − truth + other`, to full accuracy also where they are close.
fn between_rates(truth: f64, other: f64) -> f64 {
    if truth <= 0.0 { other } else { deviance(truth, other, other - truth) }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "what is exact by construction is compared exactly")]
mod tests {
    use super::*;

    #[test]
    fn the_worked_example_of_the_design() {
        // 2 % against 3 %, both errors 5 %: 1,365 and 1,196 visits at the bars, about 2,158 between, cap about 4,450.
        let distance = Distance::rate(0.02, 0.03);
        let bounds = distance.bounds(0.05, 0.05);
        assert_eq!((bounds.at_p0.round(), bounds.at_p1.round()), (1_365.0, 1_196.0));
        assert_eq!(distance.expected_at_middle(0.05, 0.05).round(), 2_158.0);
        assert!((distance.cap(0.05, 0.05, 0.1) - 4_450.0).abs() < 1.0);
        assert!(bounds.at_middle < distance.expected_at_middle(0.05, 0.05), "a bound lies below what a test needs");
    }

    #[test]
    fn rare_events_are_the_same_whether_counted_by_trial_or_by_exposure() {
        let (trials, exposure) = (Distance::rate(2e-6, 3e-6), Distance::events(2e-6, 3e-6));
        let (one, other) = (trials.bounds(0.05, 0.1), exposure.bounds(0.05, 0.1));
        for (one, other) in [(one.at_p0, other.at_p0), (one.at_p1, other.at_p1), (one.at_middle, other.at_middle)] {
            assert!((one / other - 1.0).abs() < 1e-5, "{one} {other}");
        }
    }

    #[test]
    fn comparing_two_arms_takes_about_twice_as_much_in_each_as_one_arm_against_a_known_rate() {
        let (two, one) = (Distance::compare(1.0, 1.1, 0.01), Distance::events(0.01, 0.011));
        let ratio = two.bounds(0.05, 0.05).at_p0 / one.bounds(0.05, 0.05).at_p0;
        assert!((ratio - 2.0).abs() < 0.1, "{ratio}");
        let ratio = two.cap(0.05, 0.05, 0.1) / one.cap(0.05, 0.05, 0.1);
        assert!((ratio - 2.0).abs() < 0.1, "{ratio}");
    }

    #[test]
    fn a_cap_that_may_leave_everything_undecided_is_none() {
        assert_eq!(Distance::rate(0.02, 0.03).cap(0.05, 0.45, 1.0), 0.0);
    }
}
