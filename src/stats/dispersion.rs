//! What day-to-day noise costs: how far the daily residuals exceed what chance alone would give, and
//! the factor phi the evidence is divided by for it. Knows no model: the rate model and the guardrails
//! hand in their rate and variance.

use super::special::chi_squared_quantile;

/// Prior dispersion φ0 and the days it is worth, ν0: without data, days are taken to be as noisy as
/// chance makes them.
pub const PRIOR: f64 = 1.0;
/// Degrees of freedom of [`PRIOR`].
pub const PRIOR_DF: f64 = 4.0;

/// How day noise enters a test.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum DayNoise {
    /// A known long-run dispersion, at least 1; 1 is "none".
    Known(f64),
    /// Estimated from the days themselves.
    Estimated(Constants),
}

/// One row of calibrated constants. They were found together by simulation: changing one alone breaks
/// the error bound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// w: what visible persistence between successive days adds.
    pub lag_weight: f64,
    /// Chi-squared quantile under the usual estimate: a small one makes it cautious.
    pub up_quantile: f64,
    /// Chi-squared quantile under the estimate that even the cap must respect.
    pub low_quantile: f64,
    /// f: what two weeks of days do not show of their long-run variance.
    pub inflation: f64,
    /// κ: the largest plausible long-run squared coefficient of variation of the daily rate.
    pub plausible: f64,
    /// m: factor on the threshold against p1.
    pub threshold_factor: f64,
}

/// Day shocks that persist: lag-1 autocorrelation to 0.6, coefficient of variation to 0.35.
pub const AUTO: Constants = Constants {
    lag_weight: 0.5,
    up_quantile: 0.3,
    low_quantile: 0.9,
    inflation: 4.5,
    plausible: 0.30,
    threshold_factor: 1.15,
};

/// Independent day shocks and weekday patterns, coefficient of variation to 0.35.
pub const INDEPENDENT: Constants = Constants {
    lag_weight: 0.3,
    up_quantile: 0.5,
    low_quantile: 0.8,
    inflation: 2.2,
    plausible: 0.20,
    threshold_factor: 1.05,
};

/// Dispersion on each side of a test, at least 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Phi {
    /// Divides evidence against rates at or below p0.
    pub against_p0: f64,
    /// Divides evidence against rates at or above p1: larger, because the error is counted at p1, where
    /// a day shock moves more successes.
    pub against_p1: f64,
}

/// Sums over the standardised residuals of successive days.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Residuals {
    /// How many days.
    pub days: f64,
    /// Σ of squares.
    pub pearson: f64,
    /// Σ of each residual times the one of the day before.
    pub lag_sum: f64,
}

impl Residuals {
    /// Residuals of `(count, exposure)` days around `rate`, where one unit of exposure has variance
    /// `unit_variance`. All zero when the variance is: nothing varies, nothing is learnt.
    pub fn new(days: &[(f64, f64)], rate: f64, unit_variance: f64) -> Self {
        let mut sums = Self { days: 0.0, pearson: 0.0, lag_sum: 0.0 };
        let mut previous = 0.0;
        for &(count, exposure) in days {
            let variance = exposure * unit_variance;
            let residual = if variance > 0.0 { (count - exposure * rate) / variance.sqrt() } else { 0.0 };
            sums.days += 1.0;
            sums.pearson += residual * residual;
            sums.lag_sum += residual * previous;
            previous = residual;
        }
        sums
    }

    /// Lag-1 autocorrelation; `None` when nothing varies.
    pub fn autocorrelation(&self) -> Option<f64> {
        (self.pearson > 0.0).then(|| self.lag_sum / self.pearson)
    }
}

impl Constants {
    /// Dispersion of a count model. `load` is the variance load g (dispersion is about 1 + load · cv²);
    /// `raise` is p1 ÷ estimate, kept between 1 and p1 ÷ p0.
    pub fn phi(&self, residuals: &Residuals, load: f64, raise: f64) -> Phi {
        let noise = PRIOR_DF * PRIOR + (residuals.pearson + self.lag_weight * residuals.lag_sum).max(0.0);
        let df = PRIOR_DF + residuals.days - 1.0;
        let excess = |quantile| (self.inflation * (noise / chi_squared_quantile(quantile, df) - 1.0)).max(0.0);
        // The cap: with few counts a day no plausible shock matters much, and chance must not stretch the test.
        let cap = (self.plausible * load).max(excess(self.low_quantile));
        let extra = excess(self.up_quantile).min(cap);
        Phi { against_p0: 1.0 + extra, against_p1: 1.0 + extra * raise }
    }
}

/// Dispersion from the Pearson statistic of `days` days alone:
/// `max(1, (prior_df·prior + pearson) / χ²_quantile(prior_df + days − 1))`.
pub fn pearson_phi(pearson: f64, days: f64, prior: f64, prior_df: f64, quantile: f64) -> f64 {
    let df = prior_df + (days - 1.0).max(0.0);
    ((prior_df * prior + pearson) / chi_squared_quantile(quantile, df)).max(1.0)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "what is exact by construction is compared exactly")]
mod tests {
    use super::*;

    #[test]
    fn days_that_only_vary_by_chance_cost_nothing() {
        let even = vec![(4.0, 200.0); 28];
        let residuals = Residuals::new(&even, 0.02, 0.02 * 0.98);
        assert!(residuals.pearson < 1e-20 && residuals.days == 28.0);
        let phi = AUTO.phi(&residuals, 4.0, 1.5);
        assert_eq!((phi.against_p0, phi.against_p1), (1.0, 1.0));
    }

    #[test]
    fn the_cap_follows_the_load() {
        let wild: Vec<_> = (0..28).map(|day| (if day % 2 == 0 { 7.0 } else { 1.0 }, 200.0)).collect();
        let residuals = Residuals::new(&wild, 0.02, 0.02 * 0.98);
        assert!(residuals.lag_sum < 0.0, "alternating days are not persistent");
        let (thin, thick) = (AUTO.phi(&residuals, 0.1, 1.0), AUTO.phi(&residuals, 100.0, 1.0));
        assert!((thin.against_p0 - 1.03).abs() < 1e-12, "{thin:?}");
        assert!(thick.against_p0 >= thin.against_p0);
    }

    #[test]
    fn nothing_varies_at_the_ends() {
        let none = Residuals::new(&[(0.0, 10.0), (0.0, 12.0)], 0.0, 0.0);
        assert_eq!((none.pearson, none.lag_sum, none.autocorrelation()), (0.0, 0.0, None));
    }

    #[test]
    fn persistence_shows() {
        let drift: Vec<_> = (0..30).map(|day| (if day < 15 { 10.0 } else { 30.0 }, 1_000.0)).collect();
        let r = Residuals::new(&drift, 0.02, 0.02 * 0.98).autocorrelation().unwrap();
        assert!(r > 0.8, "{r}");
    }
}
