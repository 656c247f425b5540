//! The rate model: successes per trial against two bars, p0 < p1. A sequential likelihood-ratio test
//! whose error bounds hold at all looks at once (Wald 1947; Ville 1939), with day noise divided out
//! and Siegmund's correction for looking once a day (Siegmund 1985). Knows no verdict: it weighs
//! evidence against "at most p0" and against "at least p1" and says where each would be enough.

use super::dispersion::{DayNoise, Phi, Residuals};

/// Expected overshoot of a boundary by a discretely watched Brownian motion (Siegmund 1985).
const SIEGMUND: f64 = 0.583;

/// The correction never takes more than this from a threshold.
const MOST_CORRECTION: f64 = 1.0;

/// The two bars, `0 < p0 < p1 < 1`, and what one success and one trial say between them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bars {
    p0: f64,
    p1: f64,
    delta: f64,
    cost: f64,
}

impl Bars {
    /// Takes checked bars. Others give numbers that are not finite, and so no evidence.
    pub fn new(p0: f64, p1: f64) -> Self {
        let cost = f64::ln_1p(-p0) - f64::ln_1p(-p1);
        Self { p0, p1, delta: (p1 / p0).ln() + cost, cost }
    }

    /// L: log-likelihood ratio of p1 to p0. Positive speaks against p0, negative against p1.
    pub fn log_ratio(&self, successes: f64, trials: f64) -> f64 {
        successes * self.delta - trials * self.cost
    }

    /// Siegmund's correction: how far evidence overshoots a threshold that is looked at once a day.
    pub fn overshoot(&self, trials_per_day: f64, phi: f64) -> f64 {
        let middle = self.cost / self.delta;
        let information = middle * (1.0 - middle) * trials_per_day;
        (SIEGMUND * self.delta * (information / phi).sqrt()).min(MOST_CORRECTION)
    }

    /// The interval dual to the test. `room_p0` and `room_p1` are threshold × phi of the two sides. Its
    /// lower end is at or above p0 exactly when `L ≥ room_p0`, its upper end at or below p1 exactly when
    /// `−L ≥ room_p1`.
    pub fn interval(&self, successes: f64, trials: f64, room_p0: f64, room_p1: f64) -> (f64, f64) {
        let evidence = successes * self.delta;
        let low = f64::exp_m1((evidence - room_p0) / trials) / f64::exp_m1(self.delta);
        let high = f64::exp_m1(-(evidence + room_p1) / trials) / f64::exp_m1(-self.delta);
        (low.clamp(0.0, 1.0), high.clamp(0.0, 1.0))
    }
}

/// A test as fixed before its data.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Design {
    /// Where it decides.
    pub bars: Bars,
    /// Error rate at p0: chance of enough evidence against a true rate at or below it.
    pub alpha: f64,
    /// Error rate at p1.
    pub beta: f64,
    /// How day noise is paid for.
    pub noise: DayNoise,
    /// Whether thresholds are corrected for looking once a day.
    pub daily: bool,
}

/// Evidence on one side and the value at which it is enough.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Side {
    /// Log evidence, day noise divided out.
    pub evidence: f64,
    /// Where it is enough.
    pub threshold: f64,
}

impl Side {
    /// Whether the evidence is enough.
    pub fn is_reached(&self) -> bool {
        self.evidence >= self.threshold
    }
}

/// What a series of days says.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Assessment {
    /// N.
    pub trials: f64,
    /// X.
    pub successes: f64,
    /// X ÷ N.
    pub estimate: f64,
    /// Lower end of the interval that holds at all looks at once.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
    /// Dispersion.
    pub phi: Phi,
    /// Against rates at or below p0.
    pub against_p0: Side,
    /// Against rates at or above p1.
    pub against_p1: Side,
    /// The days' residuals around the estimate.
    pub residuals: Residuals,
}

impl Design {
    /// Weighs `(successes, trials)` days in date order, each with positive trials and at most that many
    /// successes. `None` without a day.
    pub fn assess(&self, days: &[(f64, f64)]) -> Option<Assessment> {
        let (successes, trials) = days.iter().fold((0.0, 0.0), |(x, n), day| (x + day.0, n + day.1));
        if days.is_empty() {
            return None;
        }
        let estimate = successes / trials;
        let residuals = Residuals::new(days, estimate, estimate * (1.0 - estimate));
        let per_day = trials / residuals.days;
        let (phi, factor) = self.dispersion(&residuals, estimate, per_day);
        let threshold = |error: f64, factor: f64, phi: f64| {
            factor * -error.ln() - if self.daily { self.bars.overshoot(per_day, phi) } else { 0.0 }
        };
        let log_ratio = self.bars.log_ratio(successes, trials);
        let against_p0 =
            Side { evidence: log_ratio / phi.against_p0, threshold: threshold(self.alpha, 1.0, phi.against_p0) };
        // Adding zero turns the negative zero of no evidence into a plain one.
        let against_p1 = Side {
            evidence: -log_ratio / phi.against_p1 + 0.0,
            threshold: threshold(self.beta, factor, phi.against_p1),
        };
        let (low, high) = self.bars.interval(
            successes,
            trials,
            phi.against_p0 * against_p0.threshold,
            phi.against_p1 * against_p1.threshold,
        );
        Some(Assessment { trials, successes, estimate, low, high, phi, against_p0, against_p1, residuals })
    }

    /// Dispersion, and the factor on the threshold against p1.
    fn dispersion(&self, residuals: &Residuals, estimate: f64, per_day: f64) -> (Phi, f64) {
        match self.noise {
            DayNoise::Known(phi) => (Phi { against_p0: phi, against_p1: phi }, 1.0),
            DayNoise::Estimated(constants) => {
                let load = variance_load(estimate, per_day);
                let raise = (self.bars.p1 / estimate).min(self.bars.p1 / self.bars.p0).max(1.0);
                (constants.phi(residuals, load, raise), constants.threshold_factor)
            }
        }
    }
}

/// g: how much of a day shock shows in a day's count; its dispersion is about `1 + g · cv²`.
pub fn variance_load(estimate: f64, trials_per_day: f64) -> f64 {
    if estimate < 1.0 { trials_per_day * estimate / (1.0 - estimate) } else { 0.0 }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "what is exact by construction is compared exactly")]
mod tests {
    use super::*;
    use crate::stats::dispersion::AUTO;
    use proptest::prelude::*;

    fn design(noise: DayNoise) -> Design {
        Design { bars: Bars::new(0.02, 0.03), alpha: 0.05, beta: 0.05, noise, daily: true }
    }

    #[test]
    fn a_success_and_a_trial_weigh_what_the_densities_say() {
        let bars = Bars::new(0.02, 0.03);
        let (hit, miss) = ((0.03_f64 / 0.02).ln(), (0.97_f64 / 0.98).ln());
        assert!((bars.log_ratio(1.0, 1.0) - hit).abs() < 1e-15);
        assert!((bars.log_ratio(0.0, 1.0) - miss).abs() < 1e-15);
        assert!((bars.log_ratio(7.0, 300.0) - (7.0 * hit + 293.0 * miss)).abs() < 1e-12);
    }

    #[test]
    fn no_success_and_nothing_but_successes_stay_finite() {
        for noise in [DayNoise::Known(1.0), DayNoise::Estimated(AUTO)] {
            let none = design(noise).assess(&vec![(0.0, 200.0); 14]).unwrap();
            assert_eq!((none.estimate, none.low, none.phi.against_p0), (0.0, 0.0, 1.0));
            assert!(none.against_p1.is_reached() && none.high < 0.03);
            let all = design(noise).assess(&vec![(200.0, 200.0); 14]).unwrap();
            assert_eq!((all.estimate, all.high), (1.0, 1.0));
            assert!(all.against_p0.is_reached() && all.low > 0.02);
        }
        assert_eq!(design(DayNoise::Known(1.0)).assess(&[]), None);
    }

    #[test]
    fn looking_once_a_day_is_worth_at_most_one_unit() {
        let bars = Bars::new(0.02, 0.03);
        assert_eq!(bars.overshoot(0.0, 1.0), 0.0);
        assert_eq!(bars.overshoot(1e12, 1.0), MOST_CORRECTION);
        assert!(bars.overshoot(200.0, 4.0) < bars.overshoot(200.0, 1.0));
    }

    proptest! {
        #[test]
        fn more_successes_never_speak_for_less(
            days in prop::collection::vec((0u32..40, 40u32..400, 0u32..20), 1..40),
            phi in 1.0f64..4.0,
        ) {
            let series = |extra: bool| -> Vec<(f64, f64)> {
                days.iter().map(|&(x, n, more)| (f64::from(if extra { (x + more).min(n) } else { x }), f64::from(n))).collect()
            };
            let (few, more) = (series(false), series(true));
            let design = design(DayNoise::Known(phi));
            let (few, more) = (design.assess(&few).unwrap(), design.assess(&more).unwrap());
            prop_assert!(more.against_p0.evidence >= few.against_p0.evidence);
            prop_assert!(more.against_p1.evidence <= few.against_p1.evidence);
            prop_assert!(more.low >= few.low && more.high >= few.high && more.estimate >= few.estimate);
        }

        #[test]
        fn the_interval_excludes_a_bar_exactly_when_the_evidence_is_enough(
            days in prop::collection::vec((0.0f64..12.0, 12.0f64..400.0), 1..60),
            estimated: bool,
        ) {
            let noise = if estimated { DayNoise::Estimated(AUTO) } else { DayNoise::Known(1.0) };
            let arm = design(noise).assess(&days).unwrap();
            // On a tie the two sides may round apart.
            if (arm.against_p0.evidence - arm.against_p0.threshold).abs() > 1e-9 {
                prop_assert_eq!(arm.low > 0.02, arm.against_p0.is_reached());
            }
            if (arm.against_p1.evidence - arm.against_p1.threshold).abs() > 1e-9 {
                prop_assert_eq!(arm.high < 0.03, arm.against_p1.is_reached());
            }
            prop_assert!(arm.low <= arm.estimate && arm.estimate <= arm.high);
        }
    }
}
