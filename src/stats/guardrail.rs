//! A limit on a ratio of two daily sums, watched by a one-sided sequential test of "at the limit"
//! against "at the harm rate" (Poisson likelihood ratio, Wald 1947). Knows no direction of its own:
//! a harm rate above the limit guards upwards, below it downwards.

use super::dispersion::{DayNoise, PRIOR, PRIOR_DF, Residuals, pearson_phi};

/// Chi-squared quantile of the dispersion estimate of a single ratio.
pub const QUANTILE: f64 = 0.2;

/// Log evidence that `(numerator, denominator)` days run at the `harm` rate and not at `limit`, both
/// positive, day noise divided out. Days need a positive denominator. A breach is shown when it
/// reaches `ln(guardrails / error rate)`, at whatever day one looks (Ville 1939).
pub fn log_evidence(days: &[(f64, f64)], limit: f64, harm: f64, noise: DayNoise) -> f64 {
    let (count, exposure) = days.iter().fold((0.0, 0.0), |(x, d), day| (x + day.0, d + day.1));
    (count * (harm / limit).ln() - exposure * (harm - limit)) / phi(days, count, exposure, noise)
}

fn phi(days: &[(f64, f64)], count: f64, exposure: f64, noise: DayNoise) -> f64 {
    match noise {
        DayNoise::Known(phi) => phi,
        DayNoise::Estimated(_) => {
            let rate = if exposure > 0.0 { count / exposure } else { 0.0 };
            let residuals = Residuals::new(days, rate, rate);
            pearson_phi(residuals.pearson, residuals.days, PRIOR, PRIOR_DF, QUANTILE)
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "what is exact by construction is compared exactly")]
mod tests {
    use super::*;
    use crate::stats::dispersion::AUTO;

    const NONE: DayNoise = DayNoise::Known(1.0);

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
        let estimated = log_evidence(&ill, 0.05, 0.0625, DayNoise::Estimated(AUTO));
        assert!(estimated > 0.0 && estimated < plain);
        assert_eq!(log_evidence(&[], 0.05, 0.0625, DayNoise::Estimated(AUTO)), 0.0);
    }
}
