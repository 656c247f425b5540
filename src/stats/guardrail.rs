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
    /// Σ of numerators on days without a denominator.
    alone: f64,
}

impl Series {
    /// No day yet. `limit` and `harm` are positive.
    pub fn new(limit: f64, harm: f64, noise: DayNoise) -> Self {
        Self { limit, harm, noise, sums: Sums::around(limit), alone: 0.0 }
    }

    /// Adds the next day in date order. A day without a `denominator` says nothing of how much days differ, but its
    /// numerator counts: money spent on days without an act is part of what an act cost.
    pub fn add(&mut self, numerator: f64, denominator: f64) {
        if denominator > 0.0 {
            self.sums.add(numerator, denominator);
        } else {
            self.alone += numerator;
        }
    }

    /// Back to no day.
    pub fn clear(&mut self) {
        self.sums.clear();
        self.alone = 0.0;
    }

    fn numerator(&self) -> f64 {
        self.sums.count() + self.alone
    }

    /// The ratio of all days; NaN without one.
    pub fn ratio(&self) -> f64 {
        self.numerator() / self.sums.exposure()
    }

    /// Log evidence that the days run at the `harm` rate and not at `limit`, day noise divided out. A breach is shown
    /// when it reaches `ln(guardrails / error rate)`, at whatever day one looks (Ville 1939).
    pub fn log_evidence(&self) -> f64 {
        let step = (self.harm / self.limit).ln();
        (self.numerator() * step - self.sums.exposure() * (self.harm - self.limit)) / self.divisor()
    }

    /// The range that goes with the test: the limits that these days do not break when a breach is shown at
    /// `threshold`. With m the harm's distance from the limit as a share, X and D the sums, its lower end
    /// `(X·ln(1+m) − phi·threshold) / (D·m)` is at or above a limit from above exactly when that is breached, and its
    /// upper end `(X·ln(1+m) + phi·threshold)·(1+m) / (D·m)` at or below one from below. Each end misses the true ratio,
    /// at any look, with at most the chance the threshold stands for. `None` without a day.
    pub fn interval(&self, threshold: f64) -> Option<(f64, f64)> {
        let ratio = (self.harm / self.limit).max(self.limit / self.harm);
        let (seen, room) = (self.numerator() * ratio.ln(), self.divisor() * threshold);
        let unit = self.sums.exposure() * (ratio - 1.0);
        (unit > 0.0).then(|| (((seen - room) / unit).max(0.0), (seen + room) * ratio / unit))
    }

    /// What evidence is divided by.
    fn divisor(&self) -> f64 {
        match self.noise {
            DayNoise::Known(phi) => phi,
            DayNoise::Estimated(_) => self.phi(),
        }
    }

    /// Dispersion of the days around their ratio.
    pub fn phi(&self) -> f64 {
        let residuals = self.residuals();
        pearson_phi(residuals.pearson, residuals.days)
    }

    /// Residuals of the days with a denominator around the ratio of all.
    pub fn residuals(&self) -> Residuals {
        let ratio = self.ratio();
        self.sums.residuals(ratio, if ratio.is_finite() { ratio } else { 0.0 })
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "what is exact by construction is compared exactly")]
mod tests {
    use proptest::prelude::*;

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

    #[test]
    fn what_days_without_a_denominator_cost_counts() {
        let whole = [(90.0, 3.0), (100.0, 2.0), (110.0, 4.0)];
        let mut with_idle_days = whole.to_vec();
        with_idle_days.insert(1, (80.0, 0.0));
        with_idle_days.push((90.0, 0.0));
        let ratio = |days: &[(f64, f64)]| {
            let mut series = Series::new(40.0, 50.0, NONE);
            for &(numerator, denominator) in days {
                series.add(numerator, denominator);
            }
            (series.ratio(), series.residuals().days)
        };
        assert_eq!((ratio(&whole), ratio(&with_idle_days)), ((300.0 / 9.0, 3.0), (470.0 / 9.0, 3.0)));
        assert!(log_evidence(&whole, 40.0, 50.0, NONE) < 0.0);
        assert!(log_evidence(&with_idle_days, 40.0, 50.0, NONE) > 3.0);
        assert!(log_evidence(&[(80.0, 0.0)], 40.0, 50.0, DayNoise::Estimated(&AUTO)) > 3.0);
    }

    proptest! {
        #[test]
        fn the_range_excludes_the_limit_exactly_when_it_is_breached(
            days in prop::collection::vec((0.0f64..60.0, 1.0f64..400.0), 1..60),
            limit in 0.001f64..2.0,
            margin in 0.05f64..1.0,
            threshold in 1.0f64..6.0,
            estimated: bool,
        ) {
            let noise = if estimated { DayNoise::Estimated(&AUTO) } else { DayNoise::Known(1.3) };
            let watch = |harm: f64| {
                let mut series = Series::new(limit, harm, noise);
                for &(numerator, denominator) in &days {
                    series.add(numerator, denominator);
                }
                let (low, high) = series.interval(threshold).unwrap();
                prop_assert!(low <= series.ratio() && series.ratio() <= high);
                // On a tie the two may round apart.
                let is_tie = (series.log_evidence() - threshold).abs() < 1e-9;
                let excluded = if harm > limit { low > limit } else { high < limit };
                prop_assert!(is_tie || excluded == (series.log_evidence() >= threshold), "{} to {}", low, high);
                Ok(())
            };
            watch(limit * (1.0 + margin))?;
            watch(limit / (1.0 + margin))?;
        }
    }

    #[test]
    fn no_day_has_no_range() {
        assert_eq!(Series::new(0.05, 0.0625, NONE).interval(3.0), None);
    }
}
