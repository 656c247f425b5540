//! How the true rate of a campaign varies from day to day: factors of mean 1, one for each arm of a
//! pair. The shapes are those of the statistics design, section 14 (a) to (e). Knows no counts.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, StandardNormal};

use super::mean_one;

/// What weekdays do to a rate, Monday first; divided by their mean before use.
const WEEKDAYS: [f64; 7] = [1.1, 1.05, 1.0, 1.0, 0.95, 0.8, 0.85];

/// First and last day, counted from 1, on which a rate may shift.
const SHIFT_DAYS: std::ops::RangeInclusive<usize> = 8..=41;

/// The distribution of the day factors.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Spread {
    /// Every day is like the others.
    None,
    /// Gamma with this coefficient of variation.
    Gamma(f64),
    /// Log-normal with this coefficient of variation.
    LogNormal(f64),
    /// Log-normal with this coefficient of variation; a bad day is often followed by another.
    Persistent {
        /// Coefficient of variation.
        variation: f64,
        /// Correlation of the logarithms of successive days.
        correlation: f64,
    },
}

/// Which way the truth must not leave a bar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NullSide {
    /// The mean so far is never above the stated rate.
    AtMost,
    /// The mean so far is never below it.
    AtLeast,
}

/// A rate that does not stay what it was. The path is scaled so that its mean so far touches the stated
/// rate and never leaves the side named.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Drift {
    /// It stays.
    None,
    /// Times `1 + per_day` every day.
    Trend {
        /// 0.01 is one per cent a day.
        per_day: f64,
        /// Which side.
        side: NullSide,
    },
    /// Times `1 + by` from some day on.
    Shift {
        /// 0.2 is a fifth more.
        by: f64,
        /// Which side.
        side: NullSide,
    },
}

/// Everything that moves the true rate of a day.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shocks {
    /// Day factors, shared by both arms of a pair.
    pub spread: Spread,
    /// Whether weekdays differ; the first day is any of them.
    pub weekdays: bool,
    /// Whether the rate stays what it was.
    pub drift: Drift,
    /// Coefficient of variation of further gamma factors, each arm of a pair its own; else 0.
    pub own: f64,
}

impl Shocks {
    /// Every day is like the others.
    pub const NONE: Self = Self { spread: Spread::None, weekdays: false, drift: Drift::None, own: 0.0 };

    /// Replaces `factors` by those of a new campaign: of the only arm or the variant, and of the control.
    pub(super) fn draw(&self, rng: &mut ChaCha8Rng, factors: &mut [[f64; 2]]) {
        factors.fill([1.0; 2]);
        self.drift.draw(rng, factors);
        self.spread.draw(rng, factors);
        if self.weekdays {
            let mean = WEEKDAYS.iter().sum::<f64>() / 7.0;
            let first = rng.random_range(0..7);
            for (number, factor) in factors.iter_mut().enumerate() {
                times(factor, WEEKDAYS[(first + number) % 7] / mean);
            }
        }
        if let Some(gamma) = mean_one(self.own).filter(|_| self.own > 0.0) {
            for factor in factors.iter_mut().flatten() {
                *factor *= gamma.sample(rng);
            }
        }
    }
}

impl Spread {
    fn draw(self, rng: &mut ChaCha8Rng, factors: &mut [[f64; 2]]) {
        let (variation, correlation) = match self {
            Self::None => return,
            Self::Gamma(variation) => {
                let Some(gamma) = mean_one(variation) else { return };
                for factor in factors {
                    times(factor, gamma.sample(rng));
                }
                return;
            }
            Self::LogNormal(variation) => (variation, 0.0),
            Self::Persistent { variation, correlation } => (variation, correlation),
        };
        // The first day is drawn from where the process settles, so that no day is special.
        let square = (variation * variation).ln_1p();
        let (sigma, fresh) = (square.sqrt(), (1.0 - correlation * correlation).sqrt());
        let mut state: f64 = StandardNormal.sample(rng);
        for factor in factors {
            times(factor, (sigma * state - square / 2.0).exp());
            let innovation: f64 = StandardNormal.sample(rng);
            state = correlation * state + fresh * innovation;
        }
    }
}

impl Drift {
    fn draw(self, rng: &mut ChaCha8Rng, factors: &mut [[f64; 2]]) {
        let side = match self {
            Self::None => return,
            Self::Trend { per_day, side } => {
                let mut level = 1.0;
                for factor in factors.iter_mut() {
                    times(factor, level);
                    level *= 1.0 + per_day;
                }
                side
            }
            Self::Shift { by, side } => {
                let day = rng.random_range(SHIFT_DAYS);
                for factor in factors.iter_mut().skip(day - 1) {
                    times(factor, 1.0 + by);
                }
                side
            }
        };
        let (mut sum, mut days, mut furthest) = (0.0, 0.0, factors.first().map_or(1.0, |factor| factor[0]));
        for [factor, _] in factors.iter() {
            sum += factor;
            days += 1.0;
            furthest = match side {
                NullSide::AtMost => f64::max(furthest, sum / days),
                NullSide::AtLeast => f64::min(furthest, sum / days),
            };
        }
        for factor in factors {
            times(factor, 1.0 / furthest);
        }
    }
}

fn times(both: &mut [f64; 2], factor: f64) {
    for one in both {
        *one *= factor;
    }
}

#[cfg(test)]
mod tests {
    use super::super::generator;
    use super::*;

    fn drawn(shocks: Shocks, run: u64, days: usize) -> Vec<[f64; 2]> {
        let mut factors = vec![[0.0; 2]; days];
        shocks.draw(&mut generator(11, 5, run), &mut factors);
        factors
    }

    /// Mean, coefficient of variation and lag-1 correlation.
    fn moments(values: &[f64]) -> (f64, f64, f64) {
        #[expect(clippy::cast_precision_loss, reason = "a few thousand days")]
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        let variance = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n;
        let lagged = values.windows(2).map(|pair| (pair[0] - mean) * (pair[1] - mean)).sum::<f64>() / n;
        (mean, variance.sqrt() / mean, lagged / variance)
    }

    #[test]
    fn day_factors_have_mean_one_and_the_variation_asked_for() {
        for (spread, variation, correlation) in [
            (Spread::Gamma(0.2), 0.2, 0.0),
            (Spread::LogNormal(0.35), 0.35, 0.0),
            (Spread::Persistent { variation: 0.3, correlation: 0.5 }, 0.3, 0.5),
        ] {
            let first: Vec<f64> =
                drawn(Shocks { spread, ..Shocks::NONE }, 1, 40_000).iter().map(|both| both[0]).collect();
            let logs: Vec<f64> = first.iter().map(|factor| factor.ln()).collect();
            let ((mean, cv, _), (_, _, lag)) = (moments(&first), moments(&logs));
            assert!((mean - 1.0).abs() < 0.01 && (cv - variation).abs() < 0.01, "{spread:?}: {mean} {cv}");
            assert!((lag - correlation).abs() < 0.02, "{spread:?}: {lag}");
        }
    }

    #[test]
    fn weekdays_repeat_and_begin_anywhere() {
        let weeks = Shocks { weekdays: true, ..Shocks::NONE };
        let starts: std::collections::BTreeSet<u64> = (0..60)
            .map(|run| {
                let factors = drawn(weeks, run, 14);
                assert_eq!(factors[..7], factors[7..]);
                let sum: f64 = factors[..7].iter().map(|both| both[0]).sum();
                assert!((sum - 7.0).abs() < 1e-12);
                factors[0][0].to_bits()
            })
            .collect();
        assert_eq!(starts.len(), 6, "two of the seven weekdays are alike");
    }

    #[test]
    fn the_mean_of_a_drifting_rate_touches_its_bar_and_never_leaves_the_side() {
        for by in [0.2, -0.2] {
            for side in [NullSide::AtMost, NullSide::AtLeast] {
                for drift in [Drift::Trend { per_day: by / 20.0, side }, Drift::Shift { by, side }] {
                    for run in 0..20 {
                        let factors = drawn(Shocks { drift, ..Shocks::NONE }, run, 60);
                        let (mut sum, mut days) = (0.0, 0.0);
                        let means: Vec<f64> = factors
                            .iter()
                            .map(|both| {
                                (sum, days) = (sum + both[0], days + 1.0);
                                sum / days
                            })
                            .collect();
                        let (low, high) =
                            means.iter().fold((f64::MAX, 0.0_f64), |(low, high), m| (low.min(*m), high.max(*m)));
                        let touches = if side == NullSide::AtMost { high } else { low };
                        assert!((touches - 1.0).abs() < 1e-12, "{drift:?}: {low} {high}");
                        assert!(high - low > 0.01, "{drift:?} does not drift");
                    }
                }
            }
        }
    }

    #[test]
    fn arms_share_what_is_shared_and_nothing_else() {
        let spread = Spread::Gamma(0.3);
        assert!(
            drawn(Shocks { spread, ..Shocks::NONE }, 1, 60).iter().all(|both| both[0].to_bits() == both[1].to_bits())
        );
        let ratios: Vec<f64> = drawn(Shocks { spread, own: 0.15, ..Shocks::NONE }, 1, 20_000)
            .iter()
            .map(|both| both[0] / both[1])
            .collect();
        let (_, variation, _) = moments(&ratios);
        // Of a ratio of two independent factors of cv 0.15.
        assert!((variation - 0.15 * 2.0_f64.sqrt()).abs() < 0.02, "{variation}");
    }
}
