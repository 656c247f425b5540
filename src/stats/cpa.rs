//! The model of counts per exposure: Poisson counts at a mean of so many a unit (of money, of visits where one can
//! convert twice), against two bars, `0 < λ0 < λ1` (Wald 1947). Knows no days and no verdict: `counts` runs it over a
//! series.

use super::counts::CountBars;

/// The two bars, and what one count and one unit say between them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bars {
    rate0: f64,
    rate1: f64,
    delta: f64,
    /// e^δ − 1 and 1 − e^−δ.
    growth: [f64; 2],
}

impl Bars {
    /// Takes checked bars as costs, `0 < build_cost < kill_cost`: their inverses are λ0 and λ1. Others
    /// give numbers that are not finite, and so no evidence.
    pub fn of_costs(kill_cost: f64, build_cost: f64) -> Self {
        let delta = (kill_cost / build_cost).ln();
        let growth = [f64::exp_m1(delta), -f64::exp_m1(-delta)];
        Self { rate0: 1.0 / kill_cost, rate1: 1.0 / build_cost, delta, growth }
    }
}

impl CountBars for Bars {
    fn p0(&self) -> f64 {
        self.rate0
    }

    fn p1(&self) -> f64 {
        self.rate1
    }

    fn delta(&self) -> f64 {
        self.delta
    }

    fn cost(&self) -> f64 {
        self.rate1 - self.rate0
    }

    fn variance(mean: f64) -> f64 {
        mean
    }

    fn load(mean: f64) -> f64 {
        mean
    }

    fn interval(&self, counts: f64, exposure: f64, [room0, room1]: [f64; 2]) -> (f64, f64) {
        let evidence = counts * self.delta;
        let low = (evidence - room0) / (exposure * self.growth[0]);
        let high = (evidence + room1) / (exposure * self.growth[1]);
        (low.max(0.0), high.max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::counts::Series;
    use crate::stats::dispersion::{AUTO, DayNoise, INDEPENDENT};
    use crate::stats::sequential::{Assessment, Design, Running};
    use proptest::prelude::*;

    fn assess(noise: DayNoise, days: &[(f64, f64)]) -> (Assessment, f64, f64) {
        let mut series =
            Series::new(Design { bars: Bars::of_costs(30.0, 20.0), alpha: 0.05, beta: 0.05, noise, daily: true });
        for &(counts, exposure) in days {
            series.add(counts, exposure);
        }
        let said = series.assess().unwrap();
        let (low, high) = series.interval(&said);
        (said, low, high)
    }

    #[test]
    fn a_count_and_a_unit_weigh_what_the_densities_say() {
        let bars = Bars::of_costs(30.0, 20.0);
        assert!((bars.log_ratio(1.0, 0.0) - 1.5_f64.ln()).abs() < 1e-15);
        assert!((bars.log_ratio(0.0, 60.0) + 1.0).abs() < 1e-15);
    }

    #[test]
    fn money_without_a_count_speaks_against_the_better_bar() {
        for noise in [DayNoise::Known(1.0), DayNoise::Estimated(&AUTO)] {
            let (none, low, high) = assess(noise, &[(0.0, 40.0); 14]);
            assert_eq!((none.estimate, low, none.phi.against_p0), (0.0, 0.0, 1.0));
            assert!(none.against_p1.is_reached() && high < 1.0 / 20.0);
        }
    }

    proptest! {
        #[test]
        fn the_interval_excludes_a_bar_exactly_when_the_evidence_is_enough(
            days in prop::collection::vec((0.0f64..30.0, 0.5f64..400.0), 1..60), noise in 0usize..3,
        ) {
            let noise = [DayNoise::Known(1.0), DayNoise::Estimated(&AUTO), DayNoise::Estimated(&INDEPENDENT)][noise];
            let (arm, low, high) = assess(noise, &days);
            if (arm.against_p0.evidence - arm.against_p0.threshold).abs() > 1e-9 {
                prop_assert_eq!(low > 1.0 / 30.0, arm.against_p0.is_reached());
            }
            if (arm.against_p1.evidence - arm.against_p1.threshold).abs() > 1e-9 {
                prop_assert_eq!(high < 1.0 / 20.0, arm.against_p1.is_reached());
            }
            prop_assert!(low <= arm.estimate && arm.estimate <= high);
        }
    }
}
