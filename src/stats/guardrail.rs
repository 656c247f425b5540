//! A limit on a ratio of two daily sums, watched by a one-sided sequential test of "at the limit"
//! against "at the harm rate" (Poisson likelihood ratio, Wald 1947). Knows no direction of its own:
//! a harm rate above the limit guards upwards, below it downwards.

use super::dispersion::{DayNoise, Residuals, Sums, pearson_phi};

/// The days of a guarded ratio so far.
#[derive(Clone, Debug)]
pub struct Series {
    limit: f64,
    harm: f64,
    noise: DayNoise,
    sums: Sums,
}

impl Series {
    /// No day yet. `limit` and `harm` are positive.
    pub fn new(limit: f64, harm: f64, noise: DayNoise) -> Self {
        Self { limit, harm, noise, sums: Sums::around(limit) }
    }

    /// Adds the next day in date order, with a positive `denominator`.
    pub fn add(&mut self, numerator: f64, denominator: f64) {
        self.sums.add(numerator, denominator);
    }

    /// Back to no day.
    pub fn clear(&mut self) {
        self.sums.clear();
    }

    /// The ratio of all days; NaN without one.
    pub fn ratio(&self) -> f64 {
        self.sums.count() / self.sums.exposure()
    }

    /// Log evidence that the days run at the `harm` rate and not at `limit`, day noise divided out. A breach is shown
    /// when it reaches `ln(guardrails / error rate)`, at whatever day one looks (Ville 1939).
    pub fn log_evidence(&self) -> f64 {
        let phi = match self.noise {
            DayNoise::Known(phi) => phi,
            DayNoise::Estimated(_) => self.phi(),
        };
        (self.sums.count() * (self.harm / self.limit).ln() - self.sums.exposure() * (self.harm - self.limit)) / phi
    }

    /// Dispersion of the days around their ratio.
    pub fn phi(&self) -> f64 {
        let residuals = self.residuals();
        pearson_phi(residuals.pearson, residuals.days)
    }

    /// Residuals of the days around their ratio.
    pub fn residuals(&self) -> Residuals {
        self.sums.residuals(self.ratio(), self.ratio())
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "what is exact by construction is compared exactly")]
mod tests {
    use super::*;
    use crate::stats::dispersion::AUTO;

    const NONE: DayNoise = DayNoise::Known(1.0);

    fn log_evidence(days: &[(f64, f64)], limit: f64, harm: f64, noise: DayNoise) -> f64 {
        let mut series = Series::new(limit, harm, noise);
        for &(numerator, denominator) in days {
            series.add(numerator, denominator);
        }
        series.log_evidence()
    }

    #[test]
    fn harm_gathers_evidence_and_health_loses_it() {
        let ill = vec![(8.0, 100.0); 20];
        let well = vec![(3.0, 100.0); 20];
        assert!(log_evidence(&ill, 0.05, 0.0625, NONE) > 3.0);
        assert!(log_evidence(&well, 0.05, 0.0625, NONE) < -3.0);
        // Downwards: too little of something good.
        assert!(log_evidence(&well, 0.05, 0.04, NONE) > 3.0);
        assert!(log_evidence(&ill, 0.05, 0.04, NONE) < -3.0);
    }

    #[test]
    fn noise_divides_and_nothing_proves_nothing() {
        let ill = vec![(8.0, 100.0), (2.0, 100.0), (20.0, 100.0), (9.0, 100.0)];
        let plain = log_evidence(&ill, 0.05, 0.0625, NONE);
        let estimated = log_evidence(&ill, 0.05, 0.0625, DayNoise::Estimated(&AUTO));
        assert!(estimated > 0.0 && estimated < plain);
        assert_eq!(log_evidence(&[], 0.05, 0.0625, DayNoise::Estimated(&AUTO)), 0.0);
    }
}
