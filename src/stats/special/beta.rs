//! The beta distribution and those that are it in other words: the binomial and Student's t.
//!
//! `statrs` stops its continued fraction after 140 terms and forms the factor before it from logarithms that all but
//! cancel (case `beta_inc_reg_far_904` of `tests/it/stats_far.json`: nine digits); its inverse is wrong in far tails
//! (`beta_quantile_far_001`) and panics in some.

use std::f64::consts::TAU;

use super::{LARGE, climb, complement, deviance, ln_gamma, stirling_rest};

/// Of a continued fraction; about the square root of the larger shape is enough.
const MOST_TERMS: f64 = 1e5;

/// ln B(a, b) for positive `a` and `b`. Relative or absolute error below 1e-12.
///
/// `statrs` takes a difference of three large logarithms (`ln_beta_far_157`).
pub fn ln_beta(a: f64, b: f64) -> f64 {
    let (small, large) = (a.min(b), a.max(b));
    let sum = small + large;
    if large < LARGE {
        return ln_gamma(small) + (ln_gamma(large) - ln_gamma(sum));
    }
    let rest = stirling_rest(large) - stirling_rest(sum);
    let shrink = (large - 0.5) * (small / large).ln_1p();
    if small < LARGE {
        // ln Γ(large) − ln Γ(sum) by Stirling's formula, what is common to both left out.
        return ln_gamma(small) + rest - shrink - small * (sum.ln() - 1.0);
    }
    0.5 * (TAU / large).ln() + stirling_rest(small) + rest + (small - 0.5) * (small / sum).ln()
        - large * (small / large).ln_1p()
}

/// A place in (0, 1) as seen from both ends, each to full accuracy.
#[derive(Clone, Copy)]
struct Place {
    x: f64,
    y: f64,
    ln_x: f64,
    ln_y: f64,
}

impl Place {
    /// From two parts of one, both above zero.
    fn of(x: f64, y: f64) -> Self {
        let (ln_x, ln_y) = if x < y { (x.ln(), (-x).ln_1p()) } else { ((-y).ln_1p(), y.ln()) };
        Self { x, y, ln_x, ln_y }
    }

    /// From the log odds of x.
    fn at(log_odds: f64) -> Self {
        // e^710 is beyond the largest float, and its reciprocal is the right part all the same.
        let (x, y) = (1.0 / (1.0 + (-log_odds).exp()), 1.0 / (1.0 + log_odds.exp()));
        let small = (-log_odds.abs()).exp().ln_1p();
        let (ln_x, ln_y) = if log_odds < 0.0 { (log_odds - small, -small) } else { (-small, -log_odds - small) };
        Self { x, y, ln_x, ln_y }
    }

    fn swapped(self) -> Self {
        Self { x: self.y, y: self.x, ln_x: self.ln_y, ln_y: self.ln_x }
    }
}

/// (a + b) x − a to full accuracy.
fn above_mean(a: f64, b: f64, at: Place) -> f64 {
    let n = a + b;
    // What n has lost to rounding is given back.
    let lost = if a > b { b - (n - a) } else { a - (n - b) };
    if at.x < at.y { n.mul_add(at.x, -a) + lost * at.x } else { -(n.mul_add(at.y, -b) + lost * at.y) }
}

/// Logarithm of `x^a · y^b / B(a, b)`, which is the density of the log odds of a beta variable. For large shapes it is
/// put together from what remains after its terms have cancelled, as in [`super::ln_density`].
fn ln_density(a: f64, b: f64, at: Place) -> f64 {
    if a < LARGE || b < LARGE {
        return a * at.ln_x + b * at.ln_y - ln_beta(a, b);
    }
    let (n, over) = (a + b, above_mean(a, b, at));
    let rest = stirling_rest(n) - stirling_rest(a) - stirling_rest(b);
    rest - deviance(a, n * at.x, over) - deviance(b, n * at.y, -over) + 0.5 * (a / n * b / TAU).ln()
}

/// ln of the prior density of `x` less ln of its density after `k` of `n` trials succeeded, for a beta prior: the
/// mixture evidence against a success chance of `x` (Dickey 1971).
pub(in crate::stats) fn ln_density_ratio(prior: (f64, f64), k: f64, n: f64, x: f64) -> f64 {
    let at = Place::of(x, 1.0 - x);
    ln_density(prior.0, prior.1, at) - ln_density(prior.0 + k, prior.1 + (n - k), at)
}

/// ln of the chance that a beta variable lies below `at`, and its slope by the log odds.
fn ln_lower(a: f64, b: f64, at: Place) -> (f64, f64) {
    if at.x > (a + 1.0) / (a + b + 2.0) {
        let other = ln_tail(b, a, at.swapped());
        // One less nearly one has lost its digits, which happens only where b is tiny; there the fraction still converges.
        if other.0 < -0.1 {
            return complement(other.0, other.1);
        }
    }
    ln_tail(a, b, at)
}

/// The same straight from the continued fraction, which is quick below the mean.
fn ln_tail(a: f64, b: f64, at: Place) -> (f64, f64) {
    let fraction = continued_fraction(a, b, at);
    (ln_density(a, b, at) + fraction.ln(), 1.0 / fraction)
}

/// I ÷ density by the continued fraction of Didonato and Morris (1992, algorithm 708, equation 9), with Lentz's method.
/// Unlike the usual one, which it takes two terms of at a time, it loses nothing where x is nearly one.
#[expect(clippy::many_single_char_names, reason = "the letters of Lentz's method wherever it is written down")]
fn continued_fraction(a: f64, b: f64, at: Place) -> f64 {
    let Place { x, y, .. } = at;
    let below = 1.0 - above_mean(a, b, at);
    let mut d = (a + 1.0) / (a * below);
    let (mut c, mut fraction, mut n) = (f64::INFINITY, d, 0.0);
    while n < MOST_TERMS {
        n += 1.0;
        let w = n * (b - n) * x;
        let numerator = (a + n - 1.0) / (a + 2.0 * n - 1.0) * ((a + b + n - 1.0) / (a + 2.0 * n - 1.0)) * w * x;
        let denominator = n + w / (a + 2.0 * n - 1.0) + (a + n) / (a + 2.0 * n + 1.0) * (below + n * (1.0 + y));
        d = 1.0 / (numerator * d + denominator);
        c = denominator + numerator / c;
        fraction *= c * d;
        if (c * d - 1.0).abs() < 2.0 * f64::EPSILON {
            break;
        }
    }
    fraction
}

/// Regularised incomplete beta function I: the chance that a beta variable with these shapes is at most `x`, for
/// positive shapes and `0 <= x <= 1`; NaN outside. Relative error below 1e-11 for shapes up to 1e7.
pub fn beta_cdf(x: f64, a: f64, b: f64) -> f64 {
    if !(a > 0.0 && b > 0.0 && a.is_finite() && b.is_finite() && (0.0..=1.0).contains(&x)) {
        f64::NAN
    } else if x <= 0.0 || x >= 1.0 {
        x
    } else {
        ln_lower(a, b, Place::of(x, 1.0 - x)).0.exp()
    }
}

/// The `x` a beta variable is below with chance `p`, and above with chance `q = 1 − p`, both above zero, for positive
/// shapes; NaN outside. Both are asked for because the smaller is the exact one. Relative error below 1e-11.
pub fn beta_quantile(p: f64, q: f64, a: f64, b: f64) -> f64 {
    Place::at(log_odds_quantile(p, q, a, b)).x
}

fn log_odds_quantile(p: f64, q: f64, a: f64, b: f64) -> f64 {
    if !(p > 0.0 && q > 0.0 && a > 0.0 && b > 0.0 && a.is_finite() && b.is_finite()) {
        f64::NAN
    } else if p <= q {
        climb(p.ln(), (a / b).ln(), |u| ln_lower(a, b, Place::at(u)))
    } else {
        -log_odds_quantile(q, p, b, a)
    }
}

/// Chance that a Student's t variable with `df > 0` degrees of freedom is at most `t`. Relative error below 1e-11.
pub fn student_cdf(t: f64, df: f64) -> f64 {
    let square = t / df.sqrt() * (t / df.sqrt());
    let (x, y) = (1.0 / (1.0 + square), 1.0 / (1.0 + 1.0 / square));
    let beyond = if x <= 0.0 {
        0.0
    } else if y <= 0.0 {
        0.5
    } else {
        0.5 * ln_lower(df / 2.0, 0.5, Place::of(x, y)).0.exp()
    };
    if t.is_nan() || df.is_nan() || df <= 0.0 {
        f64::NAN
    } else if t < 0.0 {
        beyond
    } else {
        1.0 - beyond
    }
}

/// The `t` a Student's t variable is below with chance `p`, for `0 < p < 1`; NaN outside. Relative error below 1e-10.
#[expect(clippy::float_cmp, reason = "only the middle itself is the middle")]
pub fn student_quantile(p: f64, df: f64) -> f64 {
    if p == 0.5 && df > 0.0 {
        return 0.0;
    }
    let tail = p.min(1.0 - p);
    let log_odds = log_odds_quantile(2.0 * tail, 1.0 - 2.0 * tail, df / 2.0, 0.5);
    (p - 0.5).signum() * df.sqrt() * (-log_odds / 2.0).exp()
}

/// Chance of at most `k` successes in `n` trials of chance `p`, `0 <= p <= 1`, `k` and `n` not negative.
pub fn binomial_at_most(k: f64, n: f64, p: f64) -> f64 {
    if k >= n || p <= 0.0 {
        1.0
    } else if p >= 1.0 {
        0.0
    } else {
        ln_lower(n - k, k + 1.0, Place::of(1.0 - p, p)).0.exp()
    }
}

/// Chance of at least `k` successes in `n` trials of chance `p`.
pub fn binomial_at_least(k: f64, n: f64, p: f64) -> f64 {
    if k <= 0.0 {
        1.0
    } else if k > n || p <= 0.0 {
        0.0
    } else if p >= 1.0 {
        1.0
    } else {
        ln_lower(k, n - k + 1.0, Place::of(p, 1.0 - p)).0.exp()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ends_are_exact_and_what_is_outside_is_not_a_number() {
        assert_eq!((beta_cdf(0.0, 2.0, 3.0), beta_cdf(1.0, 2.0, 3.0)), (0.0, 1.0));
        assert!(beta_cdf(1.1, 2.0, 3.0).is_nan() && beta_cdf(0.5, 0.0, 3.0).is_nan());
        assert!(beta_quantile(0.0, 1.0, 2.0, 3.0).is_nan() && student_quantile(1.0, 3.0).is_nan());
        assert_eq!((student_cdf(0.0, 3.0), student_quantile(0.5, 3.0)), (0.5, 0.0));
        assert_eq!((student_cdf(f64::NEG_INFINITY, 3.0), student_cdf(1e200, 3.0)), (0.0, 1.0));
        assert!(student_cdf(f64::NAN, 3.0).is_nan() && student_cdf(1.0, -1.0).is_nan());
        assert_eq!((binomial_at_most(7.0, 7.0, 0.3), binomial_at_least(8.0, 7.0, 0.3)), (1.0, 0.0));
    }

    #[test]
    fn shapes_far_beyond_any_campaign_still_give_a_chance() {
        for shape in [1e9, 1e12] {
            let half = beta_cdf(0.5, shape, shape);
            assert!((half - 0.5).abs() < 1e-5, "{shape}: {half}");
        }
    }
}
