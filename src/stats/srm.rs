//! Whether traffic was split as meant: a sequential test of counts against fixed shares, by a Dirichlet mixture
//! around the shares (Lindon & Malek 2022, arXiv:2011.03567). Only for splits someone owns; knows no arm and no day.

use super::special::ln_gamma;

/// Log evidence that `(count, share)` pairs were not split by their shares, which are positive and add up to 1.
/// `concentration`, positive, says how close to the shares a fault is looked for. An error rate `a` holds at all looks
/// at once where the alarm is at `ln(1 / a)`.
pub fn log_evidence(split: impl IntoIterator<Item = (f64, f64)>, concentration: f64) -> f64 {
    let mut total = 0.0;
    let mut sum = 0.0;
    for (count, share) in split {
        let prior = concentration * share;
        sum += rise(prior, count) - count * share.ln();
        total += count;
    }
    sum - rise(concentration, total)
}

/// `ln Gamma(x + n) − ln Gamma(x)`.
fn rise(x: f64, n: f64) -> f64 {
    ln_gamma(x + n) - ln_gamma(x)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "what is exact by construction is compared exactly")]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_no_evidence_and_a_skew_is() {
        let even = |a: f64, b: f64| log_evidence([(a, 0.5), (b, 0.5)], 1_000.0);
        assert_eq!(even(0.0, 0.0), 0.0);
        assert!(even(12_000.0, 12_000.0) < -1.0);
        assert!(even(12_480.0, 11_520.0) > 6.9, "52 to 48");
        let thirds = [(900.0, 0.6), (300.0, 0.2), (310.0, 0.2)];
        assert!(log_evidence(thirds, 1_000.0) < 0.0);
    }
}
