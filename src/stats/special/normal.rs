//! The standard normal distribution, in tails of any depth.
//!
//! The error function of `statrs` and its inverse are wrong from the eleventh digit on (reference cases
//! `norm_cdf_02` and `norm_quantile_03`), so both tails come from the incomplete gamma function.

use std::f64::consts::{LN_2, TAU};

use super::{climb, ln_gamma_p, ln_gamma_q};

/// Chance that a standard normal variable is at most `x`. Relative error below 1e-12.
pub fn cdf(x: f64) -> f64 {
    ln_upper(-x).exp()
}

/// Logarithm of the chance that it is above `x`: finite for `x` up to 1e154. Relative error below 1e-12.
pub fn ln_upper(x: f64) -> f64 {
    // The square of a normal variable, halved, is a gamma variable of shape one half.
    let half_square = x * x / 2.0;
    if x < 0.0 {
        let inside = ln_gamma_p(0.5, half_square, half_square.ln()).0.exp();
        // ½ + ½ P; seen from one where it is nearer.
        if inside < 0.5 { inside.ln_1p() - LN_2 } else { (-ln_upper(-x).exp()).ln_1p() }
    } else {
        ln_gamma_q(0.5, half_square, half_square.ln()).0 - LN_2
    }
}

/// The `x` with chance `p` below it, for `0 < p < 1`; NaN outside. Relative error below 1e-12, near one half an
/// absolute one below 1e-15.
pub fn quantile(p: f64) -> f64 {
    if !(p > 0.0 && p < 1.0) {
        return f64::NAN;
    }
    let (tail, sign) = if p <= 0.5 { (p, 1.0) } else { (1.0 - p, -1.0) };
    let x = climb(tail.ln(), 0.0, |x| {
        let ln_tail = ln_upper(-x);
        (ln_tail, (-0.5 * x * x - 0.5 * TAU.ln() - ln_tail).exp())
    });
    // Adding zero turns a negative zero into a plain one.
    sign * x + 0.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_argument_gives_a_number_that_is_not_one() {
        assert_eq!((cdf(f64::NEG_INFINITY), cdf(f64::INFINITY)), (0.0, 1.0));
        assert_eq!((ln_upper(f64::INFINITY), ln_upper(f64::NEG_INFINITY)), (f64::NEG_INFINITY, 0.0));
        assert_eq!((quantile(0.5).to_bits(), quantile(0.0).is_nan(), quantile(f64::NAN).is_nan()), (0, true, true));
    }
}
