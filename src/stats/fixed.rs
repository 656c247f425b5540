//! Methods for a sample whose size was fixed before: what a daily look makes of them is shown beside our own test by the
//! simulation, and what they promise without daily looks is the yardstick of a plan. None decides anything here.

use super::special::beta::{beta_quantile, ln_density_ratio};
use super::special::{normal, poisson_at_least, poisson_at_most};

/// Wilson's interval for `successes` of `trials` (Wilson 1927), `0 < confidence < 1`; nothing is ruled out without a trial.
pub fn wilson(successes: f64, trials: f64, confidence: f64) -> (f64, f64) {
    if trials <= 0.0 {
        return (0.0, 1.0);
    }
    let z = -normal::quantile((1.0 - confidence) / 2.0);
    let upper = |successes: f64| {
        let spread = z * (successes * (trials - successes) / trials + z * z / 4.0).sqrt();
        ((successes + z * z / 2.0 + spread) / (trials + z * z)).min(1.0)
    };
    // The two ends are the roots of one quadratic; their product is exact where a difference would cancel.
    let high = upper(successes);
    let low = successes / trials * (successes / (trials + z * z)) / high;
    (low, high)
}

/// The interval of Clopper and Pearson (1934): at least `confidence` whatever the true rate is.
pub fn clopper_pearson(successes: f64, trials: f64, confidence: f64) -> (f64, f64) {
    let tail = (1.0 - confidence) / 2.0;
    let failures = trials - successes;
    let low = if successes > 0.0 { beta_quantile(tail, 1.0 - tail, successes, failures + 1.0) } else { 0.0 };
    let high = if failures > 0.0 { beta_quantile(1.0 - tail, tail, successes + 1.0, failures) } else { 1.0 };
    (low, high)
}

/// z and its two-sided tail of the pooled test that two arms of `(successes, trials)` have one rate; positive when the
/// second has the higher one. No difference where nothing or everything succeeded.
pub fn two_proportions(first: (f64, f64), second: (f64, f64)) -> (f64, f64) {
    let pooled = (first.0 + second.0) / (first.1 + second.1);
    let variance = pooled * (1.0 - pooled) * (1.0 / first.1 + 1.0 / second.1);
    let difference = (second.0 * first.1 - first.0 * second.1) / (first.1 * second.1);
    let z = if variance > 0.0 { difference / variance.sqrt() } else { 0.0 };
    (z, (2.0 * normal::cdf(-z.abs())).min(1.0))
}

/// Fisher's exact test of a two-by-two table of whole counts `[[a, b], [c, d]]`, two-sided: the chance, given all four
/// sums, of a table at most as likely as this one.
pub fn fisher_exact([[a, b], [c, d]]: [[f64; 2]; 2]) -> f64 {
    // As likely but for rounding.
    const TIE: f64 = 1.0 + 1e-10;
    // Chance of the next table up over that of this one, and the same downwards.
    let up = |k: f64| (b - k) * (c - k) / ((a + k + 1.0) * (d + k + 1.0));
    let down = |k: f64| (a - k) * (d - k) / ((b + k + 1.0) * (c + k + 1.0));
    // Sums of the chances of all further tables and of the unlikely ones, in units of this one's.
    let walk = |ratio: &dyn Fn(f64) -> f64| {
        let (mut all, mut unlikely, mut weight, mut away) = (0.0, 0.0, 1.0, 0.0);
        loop {
            weight *= ratio(away);
            away += 1.0;
            // Chances rise to the likeliest table and fall from there on, and this one weighs 1.
            if weight < f64::EPSILON * f64::EPSILON || weight.is_infinite() {
                return (all + weight, unlikely);
            }
            all += weight;
            if weight <= TIE {
                unlikely += weight;
            }
        }
    };
    let ((above, unlikely_above), (below, unlikely_below)) = (walk(&up), walk(&down));
    (1.0 + unlikely_above + unlikely_below) / (1.0 + above + below)
}

/// Exact one-sided tails of `events` over `exposure` against a rate of `rate`: the chance of at least that many and of
/// at most that many.
pub fn poisson_tails(events: f64, exposure: f64, rate: f64) -> (f64, f64) {
    (poisson_at_least(events, exposure * rate), poisson_at_most(events, exposure * rate))
}

/// Visits a one-sided test of p0 against p1 needs that looks once (normal approximation).
pub fn one_sample_size(p0: f64, p1: f64, alpha: f64, beta: f64) -> f64 {
    let reach = |error: f64, p: f64| -normal::quantile(error) * (p * (1.0 - p)).sqrt();
    ((reach(alpha, p0) + reach(beta, p1)) / (p1 - p0)).powi(2)
}

/// Visits per arm a one-sided test of two equal arms needs that looks once (pooled under no difference).
pub fn two_sample_size(p1: f64, p2: f64, alpha: f64, beta: f64) -> f64 {
    let middle = f64::midpoint(p1, p2);
    let reach = |error: f64, variance: f64| -normal::quantile(error) * variance.sqrt();
    let apart = reach(beta, p1 * (1.0 - p1) + p2 * (1.0 - p2));
    ((reach(alpha, 2.0 * middle * (1.0 - middle)) + apart) / (p2 - p1)).powi(2)
}

/// Log evidence against a rate of `rate` of a mixture over all rates, weighted by a beta prior (Ville 1939).
pub fn beta_mixture(prior: (f64, f64), successes: f64, trials: f64, rate: f64) -> f64 {
    ln_density_ratio(prior, successes, trials, rate)
}

/// Half width of the asymptotic confidence sequence (Waudby-Smith et al. 2021) around a mean of `trials` values whose
/// estimate has `variance`; tightest near `tuning` trials.
pub fn asymptotic_half_width(variance: f64, trials: f64, alpha: f64, tuning: f64) -> f64 {
    let cost = -2.0 * alpha.ln();
    let spread = trials * (cost + cost.ln_1p()) / tuning;
    (variance * 2.0 * (spread + 1.0) / spread * (0.5 * spread.ln_1p() - alpha.ln())).sqrt()
}
