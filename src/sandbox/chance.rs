//! The few random draws the simulated world needs, each from a generator handed in. A draw whose
//! parameters make no sense (a mean of zero) is zero.

use rand::{Rng, RngExt};
use rand_distr::{Binomial, Distribution, Gamma, Poisson};

/// A factor of mean 1 with the given coefficient of variation.
pub(super) fn gamma(rng: &mut impl Rng, variation: f64) -> f64 {
    let shape = 1.0 / (variation * variation);
    Gamma::new(shape, 1.0 / shape).map_or(1.0, |gamma| gamma.sample(rng))
}

/// A count with the given mean.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a Poisson draw is a small whole number")]
pub(super) fn poisson(rng: &mut impl Rng, mean: f64) -> u64 {
    Poisson::new(mean).map_or(0, |poisson| poisson.sample(rng) as u64)
}

/// How many of `trials` succeed.
pub(super) fn binomial(rng: &mut impl Rng, trials: u64, rate: f64) -> u64 {
    Binomial::new(trials, rate).map_or(0, |binomial| binomial.sample(rng))
}

/// A position, by the shares of each, which add up to 1.
pub(super) fn pick(rng: &mut impl Rng, shares: &[f64]) -> usize {
    let mut left: f64 = rng.random();
    shares
        .iter()
        .position(|share| {
            left -= share;
            left < 0.0
        })
        .unwrap_or(0)
}

/// Somebody.
pub(super) fn first_name(rng: &mut impl Rng) -> &'static str {
    const NAMES: [&str; 16] = [
        "amara", "bjorn", "chiara", "dmitri", "eun-ji", "farid", "greta", "hiro", "imani", "joao", "kirsten", "lucia",
        "mateo", "nadia", "oskar", "priya",
    ];
    NAMES[rng.random_range(0..NAMES.len())]
}

/// Scatters the bits of a number (the output step of `SplitMix64`, Steele, Lea and Flood 2014).
pub(super) fn mix(number: u64) -> u64 {
    let number = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    number ^ (number >> 31)
}
