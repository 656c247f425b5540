//! What day-to-day noise costs: how far the daily residuals exceed what chance alone would give, and
//! the factor phi the evidence is divided by for it. Knows no model: the rate model and the guardrails
//! hand in their rate and variance.

use std::sync::OnceLock;

use super::special::chi_squared_quantile;

/// Prior dispersion φ0 and the days it is worth, ν0: without data, days are taken to be as noisy as
/// chance makes them.
pub const PRIOR: f64 = 1.0;
/// Degrees of freedom of [`PRIOR`].
pub const PRIOR_DF: f64 = 4.0;

/// Days whose quantiles are kept; those of longer tests are worked out each time.
const KEPT_DAYS: usize = 512;

/// How day noise enters a test.
#[derive(Clone, Copy, Debug)]
pub enum DayNoise {
    /// A known long-run dispersion, at least 1; 1 is "none".
    Known(f64),
    /// Estimated from the days themselves.
    Estimated(&'static Constants),
}

/// One row of calibrated constants. They were found together by simulation: changing one alone breaks
/// the error bound.
#[derive(Debug)]
pub struct Constants {
    /// w: what visible persistence between successive days adds.
    pub lag_weight: f64,
    /// Chi-squared quantile under the usual estimate: a small one makes it cautious.
    pub up_quantile: ChiSquared,
    /// Chi-squared quantile under the estimate that even the cap must respect.
    pub low_quantile: ChiSquared,
    /// f: what two weeks of days do not show of their long-run variance.
    pub inflation: f64,
    /// κ: the largest plausible long-run squared coefficient of variation of the daily rate.
    pub plausible: f64,
    /// m: factor on the threshold against p1.
    pub threshold_factor: f64,
}

/// Day shocks that persist: lag-1 autocorrelation to 0.6, coefficient of variation to 0.35.
pub static AUTO: Constants = Constants {
    lag_weight: 0.5,
    up_quantile: ChiSquared::new(0.3),
    low_quantile: ChiSquared::new(0.9),
    inflation: 4.5,
    plausible: 0.30,
    threshold_factor: 1.15,
};

/// Independent day shocks and weekday patterns, coefficient of variation to 0.35.
pub static INDEPENDENT: Constants = Constants {
    lag_weight: 0.3,
    up_quantile: ChiSquared::new(0.5),
    low_quantile: ChiSquared::new(0.8),
    inflation: 2.2,
    plausible: 0.20,
    threshold_factor: 1.05,
};

/// The quantile under the estimate from the Pearson statistic alone.
static PEARSON: ChiSquared = ChiSquared::new(0.2);

/// One quantile of the chi-squared distributions with [`PRIOR_DF`] degrees of freedom and one for each day after the
/// first. It depends on nothing else, so each is worked out once and kept.
#[derive(Debug)]
pub struct ChiSquared {
    quantile: f64,
    by_days: [OnceLock<f64>; KEPT_DAYS],
}

impl ChiSquared {
    const fn new(quantile: f64) -> Self {
        Self { quantile, by_days: [const { OnceLock::new() }; KEPT_DAYS] }
    }

    fn after(&self, days: f64) -> f64 {
        let work_out = || chi_squared_quantile(self.quantile, PRIOR_DF + (days - 1.0).max(0.0));
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "days are counted; a cast saturates"
        )]
        let position = days as usize;
        self.by_days.get(position).map_or_else(work_out, |kept| *kept.get_or_init(work_out))
    }
}

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
    /// Lag-1 autocorrelation; `None` when nothing varies.
    pub fn autocorrelation(&self) -> Option<f64> {
        (self.pearson > 0.0).then(|| self.lag_sum / self.pearson)
    }
}

/// Running sums over `(count, exposure)` days, from which their residuals around any rate follow without going
/// through the days again. Counts are kept as differences from what a constant rate near the true one would give,
/// so that little cancels.
#[derive(Clone, Debug)]
pub struct Sums {
    centre: f64,
    days: f64,
    count: f64,
    exposure: f64,
    /// Σ of `count − exposure · centre`.
    excess: f64,
    /// With z = (count − exposure · centre) ÷ √exposure and m = √exposure: Σ z²,
    squares: f64,
    /// and over successive days: Σ of z times the z before,
    lag_zz: f64,
    /// Σ of z times the m before and m times the z before,
    lag_zm: f64,
    /// Σ of m times the m before.
    lag_mm: f64,
    /// z and m of the last day.
    last: [f64; 2],
}

impl Sums {
    /// No day yet; `centre` is a rate near which theirs is expected.
    pub fn around(centre: f64) -> Self {
        Self {
            centre,
            days: 0.0,
            count: 0.0,
            exposure: 0.0,
            excess: 0.0,
            squares: 0.0,
            lag_zz: 0.0,
            lag_zm: 0.0,
            lag_mm: 0.0,
            last: [0.0; 2],
        }
    }

    /// Adds the next day in date order, with positive `exposure`.
    pub fn add(&mut self, count: f64, exposure: f64) {
        let excess = count - exposure * self.centre;
        let m = exposure.sqrt();
        let z = excess / m;
        let [last_z, last_m] = self.last;
        self.days += 1.0;
        self.count += count;
        self.exposure += exposure;
        self.excess += excess;
        self.squares += z * z;
        self.lag_zz += z * last_z;
        self.lag_zm += z * last_m + m * last_z;
        self.lag_mm += m * last_m;
        self.last = [z, m];
    }

    /// Back to no day.
    pub fn clear(&mut self) {
        *self = Self::around(self.centre);
    }

    /// How many days there are.
    pub fn days(&self) -> f64 {
        self.days
    }

    /// Σ of counts.
    pub fn count(&self) -> f64 {
        self.count
    }

    /// Σ of exposures.
    pub fn exposure(&self) -> f64 {
        self.exposure
    }

    /// Residuals of the days around `rate`, where one unit of exposure has variance `unit_variance`. All zero when
    /// the variance is: nothing varies, nothing is learnt.
    pub fn residuals(&self, rate: f64, unit_variance: f64) -> Residuals {
        if unit_variance <= 0.0 {
            return Residuals { days: self.days, pearson: 0.0, lag_sum: 0.0 };
        }
        let shift = rate - self.centre;
        let squares = self.squares - shift * (2.0 * self.excess - shift * self.exposure);
        let lags = self.lag_zz - shift * (self.lag_zm - shift * self.lag_mm);
        Residuals {
            days: self.days,
            // Rounding may leave less than nothing. Sums too large for numbers are no proof of quiet days.
            pearson: if squares.is_nan() { f64::INFINITY } else { squares.max(0.0) / unit_variance },
            lag_sum: if lags.is_nan() { 0.0 } else { lags / unit_variance },
        }
    }
}

impl Constants {
    /// Dispersion of a count model. `load` is the variance load g (dispersion is about 1 + load · cv²);
    /// `raise` is p1 ÷ estimate, kept between 1 and p1 ÷ p0.
    pub fn phi(&self, residuals: &Residuals, load: f64, raise: f64) -> Phi {
        let noise = PRIOR_DF * PRIOR + (residuals.pearson + self.lag_weight * residuals.lag_sum).max(0.0);
        let excess = |quantile: &ChiSquared| (self.inflation * (noise / quantile.after(residuals.days) - 1.0)).max(0.0);
        // The cap: with few counts a day no plausible shock matters much, and chance must not stretch the test.
        let cap = (self.plausible * load).max(excess(&self.low_quantile));
        let extra = excess(&self.up_quantile).min(cap);
        Phi { against_p0: 1.0 + extra, against_p1: 1.0 + extra * raise }
    }
}

/// Dispersion from the Pearson statistic of `days` days alone:
/// `max(1, (ν0·φ0 + pearson) / χ²_0.2(ν0 + days − 1))`.
pub fn pearson_phi(pearson: f64, days: f64) -> f64 {
    let phi = (PRIOR_DF * PRIOR + pearson) / PEARSON.after(days);
    // Sums too large for numbers are no proof of quiet days.
    if phi.is_nan() { f64::INFINITY } else { phi.max(1.0) }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "what is exact by construction is compared exactly")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sums(days: &[(f64, f64)]) -> Sums {
        let mut sums = Sums::around(0.025);
        for &(count, exposure) in days {
            sums.add(count, exposure);
        }
        sums
    }

    /// As statistics.md section 3 writes them.
    fn residuals_one_by_one(days: &[(f64, f64)], rate: f64, unit_variance: f64) -> Residuals {
        let residuals: Vec<f64> = days
            .iter()
            .map(|&(count, exposure)| (count - exposure * rate) / (exposure * unit_variance).sqrt())
            .collect();
        Residuals {
            days: f64::from(u32::try_from(days.len()).unwrap()),
            pearson: residuals.iter().map(|residual| residual * residual).sum(),
            lag_sum: residuals.windows(2).map(|pair| pair[0] * pair[1]).sum(),
        }
    }

    /// How far two ways to add up the same days may part by rounding alone: of T terms a sum errs by at most about T
    /// epsilons of the sum of their sizes. `terms` are the squares that are added up, around the centre and around the
    /// rate; `of_counts` the squares of the counts whose differences they are (the lags are below both, by Cauchy and
    /// Schwarz).
    fn rounding(days: &[(f64, f64)], centre: f64, rate: f64, unit_variance: f64) -> f64 {
        let sum = |square: &dyn Fn(f64, f64) -> f64| {
            days.iter().map(|&(count, exposure)| square(count, exposure).powi(2) / exposure).sum::<f64>()
                / unit_variance
        };
        let around = |middle: f64| sum(&|count, exposure| count - exposure * middle);
        let terms = around(centre) + around(rate) + sum(&|_, exposure| exposure * (rate - centre));
        let of_counts = sum(&|count, exposure| count + exposure * rate.max(centre));
        let each = 8.0 * f64::from(u32::try_from(days.len() + 4).unwrap()) * f64::EPSILON;
        each * (terms + (terms * of_counts).sqrt() + each * of_counts)
    }

    #[test]
    fn days_that_only_vary_by_chance_cost_nothing() {
        let residuals = sums(&[(4.0, 200.0); 28]).residuals(0.02, 0.02 * 0.98);
        assert!(residuals.pearson < 1e-12 && residuals.days == 28.0);
        let phi = AUTO.phi(&residuals, 4.0, 1.5);
        assert_eq!((phi.against_p0, phi.against_p1), (1.0, 1.0));
    }

    #[test]
    fn the_cap_follows_the_load() {
        let wild: Vec<_> = (0..28).map(|day| (if day % 2 == 0 { 7.0 } else { 1.0 }, 200.0)).collect();
        let residuals = sums(&wild).residuals(0.02, 0.02 * 0.98);
        assert!(residuals.lag_sum < 0.0, "alternating days are not persistent");
        let (thin, thick) = (AUTO.phi(&residuals, 0.1, 1.0), AUTO.phi(&residuals, 100.0, 1.0));
        assert!((thin.against_p0 - 1.03).abs() < 1e-12, "{thin:?}");
        assert!(thick.against_p0 >= thin.against_p0);
    }

    #[test]
    fn nothing_varies_at_the_ends() {
        let none = sums(&[(0.0, 10.0), (0.0, 12.0)]).residuals(0.0, 0.0);
        assert_eq!((none.pearson, none.lag_sum, none.autocorrelation()), (0.0, 0.0, None));
    }

    #[test]
    fn persistence_shows() {
        let drift: Vec<_> = (0..30).map(|day| (if day < 15 { 10.0 } else { 30.0 }, 1_000.0)).collect();
        let r = sums(&drift).residuals(0.02, 0.02 * 0.98).autocorrelation().unwrap();
        assert!(r > 0.8, "{r}");
    }

    #[test]
    fn sums_beyond_all_numbers_are_the_noisiest_days_there_are() {
        let residuals = sums(&[(1e300, 1e308), (0.0, 1e308)]).residuals(0.02, 0.02);
        assert_eq!(residuals.pearson, f64::INFINITY);
        assert_eq!(AUTO.phi(&residuals, 1.0, 1.0).against_p0, f64::INFINITY);
    }

    #[test]
    fn a_kept_quantile_is_the_quantile() {
        for days in [0.0, 1.0, 2.0, 60.0, 511.0, 512.0, 4_000.0] {
            let df = PRIOR_DF + f64::max(days - 1.0, 0.0);
            assert_eq!([PEARSON.after(days), PEARSON.after(days)], [chi_squared_quantile(0.2, df); 2]);
        }
    }

    proptest! {
        #[test]
        fn running_sums_are_the_sums_over_the_days(
            days in prop::collection::vec((0.0f64..1.0, 0.01f64..1e5), 1..90), quiet: bool,
        ) {
            // Quiet days share a rate, so that nearly all cancels; loud ones have any up to ten times the centre.
            let rate = |share: f64| if quiet { 0.1 + 1e-3 * share } else { 0.01 + 0.24 * share };
            let days: Vec<(f64, f64)> =
                days.iter().map(|&(share, exposure)| (rate(share) * exposure, exposure)).collect();
            let sums = sums(&days);
            let rate = sums.count() / sums.exposure();
            let (ours, plain) = (sums.residuals(rate, rate), residuals_one_by_one(&days, rate, rate));
            let bound = rounding(&days, sums.centre, rate, rate);
            prop_assert!((ours.pearson - plain.pearson).abs() <= bound, "{ours:?} {plain:?} {bound}");
            prop_assert!((ours.lag_sum - plain.lag_sum).abs() <= bound, "{ours:?} {plain:?} {bound}");
        }
    }
}
