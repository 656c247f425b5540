//! The rate model: successes per trial against two bars, `0 < p0 < p1 < 1` (Wald 1947). Knows no days and no
//! verdict: `counts` runs it over a series.

use super::counts::CountBars;

/// The two bars, and what one success and one trial say between them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bars {
    p0: f64,
    p1: f64,
    delta: f64,
    cost: f64,
    /// e^δ − 1 and e^−δ − 1.
    growth: [f64; 2],
}

impl Bars {
    /// Takes checked bars. Others give numbers that are not finite, and so no evidence.
    pub fn new(p0: f64, p1: f64) -> Self {
        let cost = f64::ln_1p(-p0) - f64::ln_1p(-p1);
        let delta = (p1 / p0).ln() + cost;
        Self { p0, p1, delta, cost, growth: [delta, -delta].map(f64::exp_m1) }
    }
}

impl CountBars for Bars {
    fn p0(&self) -> f64 {
        self.p0
    }

    fn p1(&self) -> f64 {
        self.p1
    }

    fn delta(&self) -> f64 {
        self.delta
    }

    fn cost(&self) -> f64 {
        self.cost
    }

    fn variance(mean: f64) -> f64 {
        mean * (1.0 - mean)
    }

    fn load(mean: f64) -> f64 {
        if mean < 1.0 { mean / (1.0 - mean) } else { 0.0 }
    }

    fn interval(&self, successes: f64, trials: f64, [room_p0, room_p1]: [f64; 2]) -> (f64, f64) {
        let evidence = successes * self.delta;
        let low = f64::exp_m1((evidence - room_p0) / trials) / self.growth[0];
        let high = f64::exp_m1(-(evidence + room_p1) / trials) / self.growth[1];
        (low.clamp(0.0, 1.0), high.clamp(0.0, 1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::counts::Series;
    use crate::stats::dispersion::{AUTO, DayNoise};
    use crate::stats::sequential::{Assessment, Design, Running};
    use proptest::prelude::*;

    /// What the days say, and the interval.
    fn assess(noise: DayNoise, days: &[(f64, f64)]) -> (Assessment, f64, f64) {
        let mut series =
            Series::new(Design { bars: Bars::new(0.02, 0.03), alpha: 0.05, beta: 0.05, noise, daily: true });
        for &(successes, trials) in days {
            series.add(successes, trials);
        }
        let said = series.assess().unwrap();
        let (low, high) = series.interval(&said);
        (said, low, high)
    }

    #[test]
    fn a_success_and_a_trial_weigh_what_the_densities_say() {
        let bars = Bars::new(0.02, 0.03);
        let (hit, miss) = ((0.03_f64 / 0.02).ln(), (0.97_f64 / 0.98).ln());
        assert!((bars.log_ratio(1.0, 1.0) - hit).abs() < 1e-15);
        assert!((bars.log_ratio(0.0, 1.0) - miss).abs() < 1e-15);
        assert!((bars.log_ratio(7.0, 300.0) - (7.0 * hit + 293.0 * miss)).abs() < 1e-12);
    }

    #[test]
    fn no_success_and_nothing_but_successes_stay_finite() {
        for noise in [DayNoise::Known(1.0), DayNoise::Estimated(&AUTO)] {
            let (none, low, high) = assess(noise, &[(0.0, 200.0); 14]);
            assert_eq!((none.estimate, low, none.phi.against_p0), (0.0, 0.0, 1.0));
            assert!(none.against_p1.is_reached() && high < 0.03);
            let (all, low, high) = assess(noise, &[(200.0, 200.0); 14]);
            assert_eq!((all.estimate, high), (1.0, 1.0));
            assert!(all.against_p0.is_reached() && low > 0.02);
        }
    }

    #[test]
    fn looking_once_a_day_is_worth_at_most_one_unit() {
        let bars = Bars::new(0.02, 0.03);
        assert_eq!((bars.overshoot(0.0, 1.0), bars.overshoot(1e12, 1.0)), (0.0, 1.0));
        assert!(bars.overshoot(200.0, 4.0) < bars.overshoot(200.0, 1.0));
    }

    proptest! {
        #[test]
        fn more_successes_never_speak_for_less(
            days in prop::collection::vec((0u32..40, 40u32..400, 0u32..20), 1..40),
            phi in 1.0f64..4.0,
        ) {
            let series = |extra: bool| -> Vec<(f64, f64)> {
                days.iter().map(|&(x, n, more)| (f64::from(if extra { (x + more).min(n) } else { x }), f64::from(n))).collect()
            };
            let (few, low, high) = assess(DayNoise::Known(phi), &series(false));
            let (more, higher_low, higher_high) = assess(DayNoise::Known(phi), &series(true));
            prop_assert!(more.against_p0.evidence >= few.against_p0.evidence);
            prop_assert!(more.against_p1.evidence <= few.against_p1.evidence);
            prop_assert!(higher_low >= low && higher_high >= high && more.estimate >= few.estimate);
        }

        #[test]
        fn the_interval_excludes_a_bar_exactly_when_the_evidence_is_enough(
            days in prop::collection::vec((0.0f64..12.0, 12.0f64..400.0), 1..60),
            estimated: bool,
        ) {
            let noise = if estimated { DayNoise::Estimated(&AUTO) } else { DayNoise::Known(1.0) };
            let (arm, low, high) = assess(noise, &days);
            // On a tie the two sides may round apart.
            if (arm.against_p0.evidence - arm.against_p0.threshold).abs() > 1e-9 {
                prop_assert_eq!(low > 0.02, arm.against_p0.is_reached());
            }
            if (arm.against_p1.evidence - arm.against_p1.threshold).abs() > 1e-9 {
                prop_assert_eq!(high < 0.03, arm.against_p1.is_reached());
            }
            prop_assert!(low <= arm.estimate && arm.estimate <= high);
        }
    }
}
