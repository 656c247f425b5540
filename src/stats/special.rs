//! Special functions to the accuracy that verdicts rest on: the gamma family here, [`beta`] and [`normal`] beside
//! it. `statrs` has the incomplete gamma and beta functions and their inverses too, but loses digits from shapes of
//! about 2,000 on and in far tails.

pub mod beta;
pub mod normal;

use std::f64::consts::TAU;

/// Relative error below 1e-13; near its zeros, 1 and 2, an absolute one below 1e-14.
pub use statrs::function::gamma::ln_gamma;

/// Of a continued fraction: far more than any shape up to 1e5 asks for.
const MOST_TERMS: f64 = 1e5;

/// From this shape on, Stirling's series is exact to the last digit.
const LARGE: f64 = 10.0;

/// Regularised lower incomplete gamma function P(shape, x): the chance that a gamma variable of this shape and
/// rate 1 is at most `x`, for `shape > 0` and `x >= 0`; NaN outside. Relative error below 1e-11 for shapes from
/// 0.1 to 1e5.
pub fn gamma_p(shape: f64, x: f64) -> f64 {
    if is_inside(shape, x) { ln_gamma_p(shape, x, x.ln()).0.exp() } else { f64::NAN }
}

/// Its complement, Q = 1 − P, to the same relative error also where it is small.
pub fn gamma_q(shape: f64, x: f64) -> f64 {
    if is_inside(shape, x) { ln_gamma_q(shape, x, x.ln()).0.exp() } else { f64::NAN }
}

fn is_inside(shape: f64, x: f64) -> bool {
    shape > 0.0 && shape.is_finite() && x >= 0.0
}

/// ln P and its derivative by ln x.
fn ln_gamma_p(shape: f64, x: f64, ln_x: f64) -> (f64, f64) {
    let density = ln_density(shape, x, ln_x);
    if x < shape + 1.0 {
        let sum = series(shape, x);
        return (density + sum.ln(), shape / sum);
    }
    let (ln_q, slope) = continued(shape, x, density);
    complement(ln_q, slope)
}

/// ln Q and the derivative of −ln Q by ln x.
fn ln_gamma_q(shape: f64, x: f64, ln_x: f64) -> (f64, f64) {
    let density = ln_density(shape, x, ln_x);
    if x < shape + 1.0 {
        let sum = series(shape, x);
        return complement(density + sum.ln(), shape / sum);
    }
    continued(shape, x, density)
}

/// From the logarithm of a tail and its slope to those of the other tail.
fn complement(ln_tail: f64, slope: f64) -> (f64, f64) {
    // Rounding may lift a tail above one.
    let ln_tail = ln_tail.min(0.0);
    let other = -ln_tail.exp_m1();
    (if ln_tail < -1.0 { (-ln_tail.exp()).ln_1p() } else { other.ln() }, slope * ln_tail.exp() / other)
}

/// P ÷ density by its power series, whose terms fall from the first on.
fn series(shape: f64, x: f64) -> f64 {
    let (mut term, mut sum, mut n) = (1.0, 1.0, shape);
    while term > sum * f64::EPSILON / 4.0 {
        n += 1.0;
        term *= x / n;
        sum += term;
    }
    sum
}

/// ln Q and the slope of −ln Q from [`ln_density`] and the continued fraction of Q.
fn continued(shape: f64, x: f64, density: f64) -> (f64, f64) {
    if x.is_infinite() {
        return (f64::NEG_INFINITY, f64::INFINITY);
    }
    let fraction = continued_fraction(shape, x);
    (density + (shape * fraction).ln(), 1.0 / fraction)
}

/// Q ÷ (shape · density) by its continued fraction, with Lentz's method.
#[expect(clippy::many_single_char_names, reason = "the letters of Lentz's method wherever it is written down")]
fn continued_fraction(shape: f64, x: f64) -> f64 {
    let mut b = x + 1.0 - shape;
    let mut d = 1.0 / b;
    let (mut c, mut fraction, mut n) = (f64::INFINITY, d, 0.0);
    // About the square root of the shape is enough; a factor that is 1 but for rounding may never be 1.
    while n < MOST_TERMS {
        n += 1.0;
        let a = n * (shape - n);
        b += 2.0;
        d = 1.0 / (a * d + b);
        c = b + a / c;
        fraction *= c * d;
        if (c * d - 1.0).abs() < 2.0 * f64::EPSILON {
            break;
        }
    }
    fraction
}

/// Logarithm of `x^shape · e^−x / Gamma(shape + 1)`. Its terms are as large as the shape and all but cancel, so for
/// large shapes it is put together from what remains of them (Loader 2000, "Fast and accurate computation of
/// binomial probabilities").
fn ln_density(shape: f64, x: f64, ln_x: f64) -> f64 {
    if shape < LARGE {
        return shape * ln_x - x - ln_gamma(shape + 1.0);
    }
    -deviance(shape, x, x - shape) - stirling_rest(shape) - 0.5 * (TAU * shape).ln()
}

/// `observed · ln(observed / mean) + mean − observed`, never negative. The difference `mean − observed` comes by itself,
/// because the caller may know it more exactly.
pub(super) fn deviance(observed: f64, mean: f64, difference: f64) -> f64 {
    let e = difference / observed;
    if e.abs() > 0.5 { difference - observed * (mean / observed).ln() } else { observed * excess(e) }
}

/// `e − ln(1 + e)`, which is about `e² / 2`, for `−0.5 <= e <= 0.5`.
fn excess(e: f64) -> f64 {
    // ln(1 + e) = 2 artanh(r), and e = 2r / (1 − r).
    let r = e / (2.0 + e);
    let square = r * r;
    let (mut power, mut sum, mut n) = (square * r, 0.0, 3.0);
    while power.abs() > f64::EPSILON * square {
        sum += power / n;
        power *= square;
        n += 2.0;
    }
    r * e - 2.0 * sum
}

/// What Stirling's formula leaves out: `ln Gamma(x + 1) − (x + ½) ln x + x − ½ ln 2π`, for `x >= 10`.
fn stirling_rest(x: f64) -> f64 {
    const BERNOULLI: [f64; 7] =
        [1.0 / 12.0, -1.0 / 360.0, 1.0 / 1260.0, -1.0 / 1680.0, 1.0 / 1188.0, -691.0 / 360_360.0, 1.0 / 156.0];
    let inverse = 1.0 / (x * x);
    BERNOULLI.iter().rev().fold(0.0, |sum, term| sum * inverse + term) / x
}

/// Quantile of the chi-squared distribution: the `x` with `P(X <= x) = p`, for `0 < p < 1` and
/// `df > 0`; NaN outside. Relative error below 1e-12 for `df` up to 1e5.
///
/// `statrs` stops its own search at a relative 1e-11 (reference cases `chi2_quantile_05` and `_06`),
/// works with the larger tail above the median, and never goes below 1e-9.
pub fn chi_squared_quantile(p: f64, df: f64) -> f64 {
    if !(p > 0.0 && p < 1.0 && df > 0.0 && df.is_finite()) {
        return f64::NAN;
    }
    let shape = df / 2.0;
    let u = if p <= 0.5 {
        climb(p.ln(), shape.ln(), |u| ln_gamma_p(shape, u.exp(), u))
    } else {
        -climb((1.0 - p).ln(), -shape.ln(), |minus_u| ln_gamma_q(shape, (-minus_u).exp(), -minus_u))
    };
    2.0 * u.exp()
}

/// Where the logarithm of a tail, which rises and is concave, reaches `target`: Newton's method. `tail` gives the
/// logarithm and its slope.
///
/// The tails of the logarithm of a gamma variable, of the log odds of a beta variable and of a normal variable are
/// log-concave (Prékopa 1971), so from its first step on the iteration comes from below and needs no bracket. It has
/// arrived when it would turn back, which only rounding makes it do.
fn climb(target: f64, start: f64, tail: impl Fn(f64) -> (f64, f64)) -> f64 {
    const MOST_STEPS: usize = 500;
    let mut u = start;
    for taken in 0..MOST_STEPS {
        let (ln_tail, slope) = tail(u);
        let step = (target - ln_tail) / slope;
        if !step.is_finite() || taken > 1 && step <= 0.0 {
            break;
        }
        u += step;
        if step.abs() < 1e-15 * u.abs() {
            break;
        }
    }
    u
}

/// Chance of at most `k` events where `mean` are expected, `k >= 0`, `mean >= 0`.
pub fn poisson_at_most(k: f64, mean: f64) -> f64 {
    gamma_q(k + 1.0, mean)
}

/// Chance of at least `k` events where `mean` are expected, `k >= 0`, `mean >= 0`.
pub fn poisson_at_least(k: f64, mean: f64) -> f64 {
    if k > 0.0 { gamma_p(k, mean) } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_where_a_closed_form_exists() {
        // With two degrees of freedom the distribution is exponential with mean 2.
        for p in [1e-12, 1e-3, 0.3, 0.5, 0.8, 0.999_999] {
            let exact = -2.0 * f64::ln_1p(-p);
            assert!((chi_squared_quantile(p, 2.0) / exact - 1.0).abs() < 1e-13, "{p}");
        }
    }

    #[test]
    fn far_tails_hold() {
        // Reference values computed with 50 digits.
        for (p, df, expected) in [
            (1e-12, 0.5, 1.349_939_578_622_356e-48),
            (1e-6, 1.0, 1.570_796_326_795_718_9e-12),
            (1.0 - 1e-10, 1.0, 41.821_456_202_982_79),
        ] {
            let got = chi_squared_quantile(p, df);
            assert!((got / expected - 1.0).abs() < 1e-12, "p {p}, df {df}: {got:e}");
        }
    }

    #[test]
    #[expect(clippy::unreadable_literal, reason = "as they were computed, to be searched for")]
    fn large_shapes_hold() {
        type Function = fn(f64, f64) -> f64;
        // Reference values computed with 50 digits.
        let cases: &[(Function, f64, f64, f64)] = &[
            (gamma_p, 0.25, 0.025, 0.4365179101838692),
            (gamma_p, 0.25, 0.5, 0.8464864041916775),
            (gamma_q, 0.25, 4.25, 0.001156177469107637),
            (gamma_q, 0.25, 0.5, 0.15351359580832247),
            (gamma_p, 31.5, 3.1500000000000004, 5.093101466361122e-21),
            (gamma_p, 31.5, 31.55612486080161, 0.5276728931066245),
            (gamma_q, 31.5, 315.0, 1.8714843554622113e-94),
            (gamma_q, 31.5, 31.55612486080161, 0.47232710689337554),
            (gamma_p, 2000.0, 1642.2291236000337, 7.548103248016056e-18),
            (gamma_p, 2000.0, 2000.4472135955, 0.5069622926117298),
            (gamma_q, 2000.0, 2357.7708763999663, 1.8005731136846644e-14),
            (gamma_q, 2000.0, 2000.4472135955, 0.4930377073882703),
            (gamma_p, 50000.0, 48211.14561800017, 2.840902375309148e-16),
            (gamma_p, 50000.0, 50002.2360679775, 0.5045839685708247),
            (gamma_q, 50000.0, 51788.85438199983, 1.307535777949892e-15),
            (gamma_q, 50000.0, 50002.2360679775, 0.4954160314291754),
            (gamma_p, 100000.0, 97470.1778718653, 3.5899904413646246e-16),
            (gamma_p, 100000.0, 100003.16227766017, 0.5044098120262372),
            (gamma_q, 100000.0, 102529.8221281347, 1.0561434323529743e-15),
            (gamma_q, 100000.0, 100003.16227766017, 0.49559018797376275),
        ];
        for &(function, shape, x, expected) in cases {
            let got = function(shape, x);
            assert!((got / expected - 1.0).abs() < 1e-11, "shape {shape}, x {x}: {got:e}");
        }
        for (p, df, expected) in [
            (1e-06, 4000.0, 3589.14331776168),
            (0.3, 4000.0, 3952.6172543349594),
            (0.99, 4000.0, 4211.011418981688),
            (1e-06, 30000.0, 28850.016383523493),
            (0.3, 30000.0, 29871.06689821411),
            (0.99, 30000.0, 30572.77609467514),
            (1e-06, 100000.0, 97888.58221843735),
            (0.3, 100000.0, 99764.99850203609),
            (0.99, 100000.0, 101043.31473677837),
        ] {
            let got = chi_squared_quantile(p, df);
            assert!((got / expected - 1.0).abs() < 1e-12, "p {p}, df {df}: {got:e}");
        }
        assert_eq!((gamma_p(3.0, 0.0), gamma_q(30.0, 0.0), gamma_q(3.0, f64::INFINITY)), (0.0, 1.0, 0.0));
        assert!(gamma_p(0.0, 1.0).is_nan() && gamma_q(1.0, -1.0).is_nan() && gamma_p(1.0, f64::NAN).is_nan());
    }

    #[test]
    fn quantile_and_distribution_are_inverse() {
        for df in [1.0, 4.0, 17.0, 63.0, 369.0, 1_000.0] {
            for p in [0.01, 0.2, 0.3, 0.5, 0.8, 0.9, 0.99] {
                let back = gamma_p(df / 2.0, chi_squared_quantile(p, df) / 2.0);
                assert!((back / p - 1.0).abs() < 1e-11, "p {p}, df {df}: {back}");
            }
        }
        assert!(chi_squared_quantile(0.0, 3.0).is_nan() && chi_squared_quantile(0.5, f64::NAN).is_nan());
    }
}
