//! Campaigns that never were: days of counts with a known truth, so that a rule can be held against
//! it. Which campaign comes out depends on its seed, its cell and its number alone, never on what was
//! drawn before or by how many threads. Knows no rule and no verdict.

mod shocks;

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Binomial, Distribution, Gamma, Poisson};

pub use shocks::{Drift, NullSide, Shocks, Spread};

/// Coefficient of variation of daily traffic.
const TRAFFIC_VARIATION: f64 = 0.2;

/// Shares of a day's conversions that are known on the day itself and on the two after it.
const ARRIVAL: [f64; 3] = [0.60, 0.25, 0.15];

/// What is counted, how much of it a day on average, and the truth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Traffic {
    /// Visits that convert at `rate` each.
    Visits {
        /// Mean visits a day.
        per_day: f64,
        /// Chance of each to convert.
        rate: f64,
    },
    /// Spend that brings `rate` conversions a unit.
    Spend {
        /// Mean spend a day.
        per_day: f64,
        /// Mean conversions per unit of spend.
        rate: f64,
    },
    /// Visits to a variant beside a control.
    Pair {
        /// Mean visits a day of both arms together.
        per_day: f64,
        /// Chance of a control's visit to convert.
        base: f64,
        /// Times as likely is a variant's.
        ratio: f64,
        /// An optimiser moves visits to the variant while everybody converts better, as below.
        optimised: bool,
    },
}

/// Share of visits that an optimiser ends up sending to the variant, the factor the base rate has grown
/// by then, and the days it takes.
const OPTIMISED: (f64, f64, f64) = (0.85, 1.6, 30.0);

/// One day of counts.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Day {
    /// Visits or spend; of the variant where there are two arms.
    pub exposure: f64,
    /// Conversions on it.
    pub count: f64,
    /// Visits of the control.
    pub control_exposure: f64,
    /// Its conversions.
    pub control_count: f64,
}

/// A kind of campaign.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Campaign {
    /// What is counted.
    pub traffic: Traffic,
    /// How the true rate varies from day to day.
    pub shocks: Shocks,
}

/// The generator of one campaign. A `ChaCha` stream of its own for each run (Bernstein 2008): runs can be
/// drawn in any order.
pub fn generator(seed: u64, cell: u64, run: u64) -> ChaCha8Rng {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&seed.to_le_bytes());
    key[8..16].copy_from_slice(&cell.to_le_bytes());
    let mut generator = ChaCha8Rng::from_seed(key);
    generator.set_stream(run);
    generator
}

impl Campaign {
    /// Replaces `days` by as many days of a new campaign. `factors` is scratch space.
    pub fn draw(&self, rng: &mut ChaCha8Rng, days: &mut [Day], factors: &mut [[f64; 2]]) {
        self.shocks.draw(rng, factors);
        let traffic = mean_one(TRAFFIC_VARIATION);
        let mut number = 0.0;
        for (day, &[factor, control_factor]) in days.iter_mut().zip(factors.iter()) {
            let mut amount = |mean: f64| mean * traffic.map_or(1.0, |gamma| gamma.sample(rng));
            *day = match self.traffic {
                Traffic::Visits { per_day, rate } => {
                    let exposure = amount(per_day).round();
                    Day { exposure, count: binomial(rng, exposure, rate * factor), ..Day::default() }
                }
                Traffic::Spend { per_day, rate } => {
                    let exposure = amount(per_day);
                    Day { exposure, count: poisson(rng, exposure * rate * factor), ..Day::default() }
                }
                Traffic::Pair { per_day, base, ratio, optimised } => {
                    let (to_variant, grown, within) = OPTIMISED;
                    let progress = if optimised { f64::min(number / (within - 1.0), 1.0) } else { 0.0 };
                    let share = 0.5 + (to_variant - 0.5) * progress;
                    let base = base * (1.0 + (grown - 1.0) * progress);
                    let exposure = amount(per_day * share).round();
                    let control_exposure = amount(per_day * (1.0 - share)).round();
                    Day {
                        exposure,
                        count: binomial(rng, exposure, base * ratio * factor),
                        control_exposure,
                        control_count: binomial(rng, control_exposure, base * control_factor),
                    }
                }
            };
            number += 1.0;
        }
    }
}

/// Splits a day's whole number of conversions by how many days late they become known.
pub fn arrivals(rng: &mut ChaCha8Rng, count: f64) -> [f64; 3] {
    let at_once = binomial(rng, count, ARRIVAL[0]);
    let next_day = binomial(rng, count - at_once, ARRIVAL[1] / (ARRIVAL[1] + ARRIVAL[2]));
    [at_once, next_day, count - at_once - next_day]
}

/// A gamma variable of mean 1; `None` without variation.
fn mean_one(variation: f64) -> Option<Gamma<f64>> {
    let shape = 1.0 / (variation * variation);
    Gamma::new(shape, 1.0 / shape).ok()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "whole counts far below 2^53"
)]
fn binomial(rng: &mut ChaCha8Rng, trials: f64, rate: f64) -> f64 {
    Binomial::new(trials as u64, rate.min(1.0)).map_or(0.0, |binomial| binomial.sample(rng) as f64)
}

fn poisson(rng: &mut ChaCha8Rng, mean: f64) -> f64 {
    Poisson::new(mean).map_or(0.0, |poisson| poisson.sample(rng))
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALM: Shocks = Shocks { spread: Spread::None, weekdays: false, drift: Drift::None, own: 0.0 };

    fn drawn(campaign: &Campaign, run: u64, days: usize) -> Vec<Day> {
        let (mut out, mut factors) = (vec![Day::default(); days], vec![[0.0; 2]; days]);
        campaign.draw(&mut generator(7, 3, run), &mut out, &mut factors);
        out
    }

    fn mean_and_variation(values: &[f64]) -> (f64, f64) {
        #[expect(clippy::cast_precision_loss, reason = "a few thousand days")]
        let n = values.len() as f64;
        let mean = values.iter().sum::<f64>() / n;
        (mean, (values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / n).sqrt() / mean)
    }

    #[test]
    fn a_run_is_the_same_whatever_was_drawn_before() {
        let campaign = Campaign { traffic: Traffic::Visits { per_day: 200.0, rate: 0.02 }, shocks: CALM };
        let alone = drawn(&campaign, 41, 60);
        let after_others: Vec<_> = (0..=41).map(|run| drawn(&campaign, run, 60)).collect();
        assert_eq!(after_others[41], alone);
        assert_ne!(after_others[40], alone);
        let other_cell = {
            let (mut out, mut factors) = (vec![Day::default(); 60], vec![[0.0; 2]; 60]);
            campaign.draw(&mut generator(7, 4, 41), &mut out, &mut factors);
            out
        };
        assert_ne!(other_cell, alone);
    }

    #[test]
    fn counts_follow_their_truth() {
        let rate = drawn(&Campaign { traffic: Traffic::Visits { per_day: 200.0, rate: 0.05 }, shocks: CALM }, 1, 4_000);
        let (visits, variation) = mean_and_variation(&rate.iter().map(|day| day.exposure).collect::<Vec<_>>());
        assert!((visits - 200.0).abs() < 2.0 && (variation - 0.2).abs() < 0.01, "{visits} {variation}");
        let (conversions, _) = mean_and_variation(&rate.iter().map(|day| day.count).collect::<Vec<_>>());
        assert!((conversions / visits - 0.05).abs() < 0.001, "{conversions}");

        let spend = drawn(&Campaign { traffic: Traffic::Spend { per_day: 300.0, rate: 0.04 }, shocks: CALM }, 2, 4_000);
        let (cost, _) = mean_and_variation(&spend.iter().map(|day| day.exposure).collect::<Vec<_>>());
        let (conversions, _) = mean_and_variation(&spend.iter().map(|day| day.count).collect::<Vec<_>>());
        assert!((conversions / cost - 0.04).abs() < 0.001, "{conversions} {cost}");

        let pair = Traffic::Pair { per_day: 1_000.0, base: 0.04, ratio: 1.5, optimised: true };
        let pair = drawn(&Campaign { traffic: pair, shocks: CALM }, 3, 4_000);
        let late = &pair[30..];
        let of = |pick: fn(&Day) -> f64| late.iter().map(pick).sum::<f64>();
        let (visits, control) = (of(|day| day.exposure), of(|day| day.control_exposure));
        assert!((visits / (visits + control) - 0.85).abs() < 0.005);
        let base = of(|day| day.control_count) / control;
        assert!((base - 0.064).abs() < 0.001 && (of(|day| day.count) / visits / base - 1.5).abs() < 0.03, "{base}");
        assert!((pair[0].exposure - 500.0).abs() < 400.0);
    }

    #[test]
    fn late_conversions_are_all_there_in_the_end() {
        let mut rng = generator(1, 1, 1);
        let mut sums = [0.0; 3];
        for _ in 0..2_000 {
            let late = arrivals(&mut rng, 20.0);
            assert!((late.iter().sum::<f64>() - 20.0).abs() < f64::EPSILON);
            sums.iter_mut().zip(late).for_each(|(sum, part)| *sum += part / 40_000.0);
        }
        assert!(sums.iter().zip(ARRIVAL).all(|(share, expected)| (share - expected).abs() < 0.01), "{sums:?}");
    }
}
