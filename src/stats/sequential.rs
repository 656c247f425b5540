//! What the three models share: a test as fixed before its data, the evidence on each side, and the value at
//! which it is enough (Wald 1947; Ville 1939), corrected for looking once a day (Siegmund 1985). Knows no model:
//! `rate`, `cpa` and `compare` hand in their log-likelihood ratio, information and dispersion.

use super::dispersion::{DayNoise, Phi, Residuals};

/// Expected overshoot of a boundary by a discretely watched Brownian motion (Siegmund 1985).
const SIEGMUND: f64 = 0.583;

/// The correction never takes more than this from a threshold.
const MOST_CORRECTION: f64 = 1.0;

/// A test as fixed before its data, between the `bars` of its model.
#[derive(Clone, Copy, Debug)]
pub struct Design<B> {
    /// Where it decides.
    pub bars: B,
    /// Error rate at p0: chance of enough evidence against a true value at or below it.
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
    /// N or E: exposures; of a comparison, the variant's.
    pub trials: f64,
    /// X: what was counted; of a comparison, the variant's.
    pub successes: f64,
    /// X ÷ N, or the ratio of rates; infinite or NaN where there is none.
    pub estimate: f64,
    /// Dispersion.
    pub phi: Phi,
    /// Against values at or below p0.
    pub against_p0: Side,
    /// Against values at or above p1.
    pub against_p1: Side,
    /// The days' residuals around the estimate.
    pub residuals: Residuals,
}

impl Assessment {
    /// Threshold × phi of each side: the log-likelihood ratio at which it is reached.
    pub(super) fn rooms(&self) -> [f64; 2] {
        [self.phi.against_p0 * self.against_p0.threshold, self.phi.against_p1 * self.against_p1.threshold]
    }
}

/// The days of a test so far, whichever its model.
pub trait Running {
    /// How many days there are.
    fn days(&self) -> f64;
    /// What they say; `None` without a day.
    fn assess(&self) -> Option<Assessment>;
    /// The interval dual to what [`Running::assess`] said, on the scale of the bars; it holds at all looks at once.
    fn interval(&self, said: &Assessment) -> (f64, f64);
    /// Back to no day; keeps the memory.
    fn clear(&mut self);
}

/// How far evidence that grows by `delta` a success overshoots a threshold looked at once a day, `information`
/// being V̄, the mean variance of a day's successes halfway between the bars.
pub(super) fn overshoot(delta: f64, information: f64, phi: f64) -> f64 {
    (SIEGMUND * delta * (information / phi).sqrt()).min(MOST_CORRECTION)
}

/// ln(1/alpha) and ln(1/beta), worked out before the first day.
#[derive(Clone, Copy, Debug)]
pub(super) struct Enough {
    against_p0: f64,
    against_p1: f64,
    daily: bool,
}

impl<B> Design<B> {
    /// What stays the same at every look.
    pub(super) fn enough(&self) -> Enough {
        Enough { against_p0: -self.alpha.ln(), against_p1: -self.beta.ln(), daily: self.daily }
    }
}

impl Enough {
    /// Both sides of the test, given the log-likelihood ratio of p1 to p0, the correction at a dispersion, and the
    /// factor m on the threshold against p1.
    pub(super) fn sides(&self, log_ratio: f64, phi: Phi, factor: f64, correction: impl Fn(f64) -> f64) -> (Side, Side) {
        let threshold =
            |enough: f64, factor: f64, phi: f64| factor * enough - if self.daily { correction(phi) } else { 0.0 };
        let against_p0 =
            Side { evidence: log_ratio / phi.against_p0, threshold: threshold(self.against_p0, 1.0, phi.against_p0) };
        // Adding zero turns the negative zero of no evidence into a plain one.
        let against_p1 = Side {
            evidence: -log_ratio / phi.against_p1 + 0.0,
            threshold: threshold(self.against_p1, factor, phi.against_p1),
        };
        (against_p0, against_p1)
    }
}
