//! The comparison of a variant with a control: the ratio of their rates against two bars, `0 < r0 < r1`. Conditional on
//! each day's total, so that a shock common to both arms cancels and traffic may move between them (statistics.md
//! section 2, Q3). Knows no verdict.

use super::dispersion::{DayNoise, Phi, Residuals, pearson_phi};
use super::root;
use super::sequential::{Assessment, Design, Enough, Running, overshoot};

/// Logarithms of ratios beyond this are no ratios.
const FARTHEST: f64 = 50.0;

/// The two bars, and the step between them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bars {
    r0: f64,
    r1: f64,
    delta: f64,
}

impl Bars {
    /// Takes checked bars. Others give numbers that are not finite, and so no evidence.
    pub fn new(r0: f64, r1: f64) -> Self {
        Self { r0, r1, delta: (r1 / r0).ln() }
    }
}

/// One day of both arms: successes and exposures of the control, then of the variant, exposures positive.
pub type Day = [f64; 4];

/// A day as the test needs it.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// Successes of the variant.
    variant: f64,
    /// Successes of both.
    both: f64,
    /// Exposures of the control ÷ those of the variant.
    shares: f64,
}

impl Seen {
    /// θ: the chance that a success is the variant's, if its rate is `ratio` times the control's.
    fn chance(&self, ratio: f64) -> f64 {
        ratio / (ratio + self.shares)
    }
}

/// The days of a test so far.
#[derive(Clone, Debug)]
pub struct Series {
    design: Design<Bars>,
    enough: Enough,
    /// Those with a success; others say nothing about the ratio.
    seen: Vec<Seen>,
    days: f64,
    exposures: f64,
    /// Successes of the variant and of the control.
    successes: [f64; 2],
    log_ratio: f64,
    /// Σ of the variance of the variant's successes halfway between the bars.
    information: f64,
    /// Numerator and denominator of the ratio of Mantel and Haenszel, from which the search for the estimate starts.
    pooled: [f64; 2],
}

impl Series {
    /// No day yet.
    pub fn new(design: Design<Bars>) -> Self {
        Self {
            design,
            enough: design.enough(),
            seen: Vec::new(),
            days: 0.0,
            exposures: 0.0,
            successes: [0.0; 2],
            log_ratio: 0.0,
            information: 0.0,
            pooled: [0.0; 2],
        }
    }

    /// Adds the next day in date order.
    pub fn add(&mut self, [control, control_exposures, variant, exposures]: Day) {
        let bars = self.design.bars;
        let day = Seen { variant, both: control + variant, shares: control_exposures / exposures };
        self.days += 1.0;
        self.exposures += exposures;
        self.successes[0] += variant;
        self.successes[1] += control;
        if day.both > 0.0 {
            self.log_ratio +=
                variant * bars.delta - day.both * f64::ln_1p(day.chance(bars.r0) * f64::exp_m1(bars.delta));
            let middle = day.chance((bars.r0 * bars.r1).sqrt());
            self.information += day.both * middle * (1.0 - middle);
            let of_variant = day.chance(1.0);
            self.pooled[0] += variant * (1.0 - of_variant);
            self.pooled[1] += control * of_variant;
            self.seen.push(day);
        }
    }

    /// L: log-likelihood ratio of r1 to r0.
    pub fn log_ratio(&self) -> f64 {
        self.log_ratio
    }

    /// r̂, the ratio that explains the days best: infinite without a success of the control, 0 without one of the
    /// variant, NaN without either.
    pub fn ratio(&self) -> f64 {
        let [variant, control] = self.successes;
        if control <= 0.0 || variant <= 0.0 {
            return variant / control;
        }
        let start = (self.pooled[0] / self.pooled[1]).ln();
        let falls = |u: f64| {
            let ratio = u.exp();
            self.seen.iter().fold((variant, 0.0), |(value, slope), day| {
                let chance = day.chance(ratio);
                (value - day.both * chance, slope - day.both * chance * (1.0 - chance))
            })
        };
        root::between(-FARTHEST, FARTHEST, start, false, falls).exp()
    }

    /// Residuals of the days with a success around a `ratio`; all zero at a ratio of 0 or ∞.
    pub fn residuals(&self, ratio: f64) -> Residuals {
        let mut sums = Residuals { days: 0.0, pearson: 0.0, lag_sum: 0.0 };
        let mut last = 0.0;
        for day in &self.seen {
            let chance = day.chance(ratio);
            let variance = day.both * chance * (1.0 - chance);
            let residual = if variance > 0.0 { (day.variant - day.both * chance) / variance.sqrt() } else { 0.0 };
            sums.days += 1.0;
            sums.pearson += residual * residual;
            sums.lag_sum += residual * last;
            last = residual;
        }
        sums
    }

    /// The interval whose lower end is at or above r0 exactly when `L ≥ room_p0`, and whose upper end is at or below
    /// r1 exactly when `−L ≥ room_p1`. `estimate` is where the search starts.
    pub fn interval_within(&self, estimate: f64, room_p0: f64, room_p1: f64) -> (f64, f64) {
        let delta = self.design.bars.delta;
        let low = self.end(estimate, delta, room_p0);
        let high = self.end(estimate, -delta, room_p1);
        (low.unwrap_or(0.0), high.unwrap_or(f64::INFINITY))
    }

    /// The ratio at which the log-likelihood ratio of the ratio e^`step` times as large to itself is `room`.
    fn end(&self, estimate: f64, step: f64, room: f64) -> Option<f64> {
        let grown = f64::exp_m1(step);
        let beyond = |u: f64| {
            let ratio = u.exp();
            self.seen.iter().fold((-room, 0.0), |(value, slope), day| {
                let chance = day.chance(ratio);
                // d/du of ln(1 + chance · grown).
                let growth = grown * chance * (1.0 - chance) / (1.0 + chance * grown);
                (value + day.variant * step - day.both * f64::ln_1p(chance * grown), slope - day.both * growth)
            })
        };
        // As the ratio grows, evidence for a larger one falls and evidence for a smaller one rises. Among ratios without
        // end, every success of the one arm speaks against it in full and none of the other says anything.
        let [variant, control] = self.successes;
        let (most, least, farthest) =
            if step > 0.0 { (variant, control, FARTHEST) } else { (control, variant, -FARTHEST) };
        let (at_most, at_least) = (most * step.abs() - room, -least * step.abs() - room);
        if at_most.is_nan() || at_most <= 0.0 {
            return None;
        }
        if at_least >= 0.0 {
            return Some(farthest.exp());
        }
        let information: f64 = self
            .seen
            .iter()
            .map(|day| {
                let chance = day.chance(estimate);
                day.both * chance * (1.0 - chance)
            })
            .sum();
        // Where the log-likelihood is a parabola around the estimate, the end is here.
        let start = estimate.ln() - step / 2.0 - room / (step * information);
        Some(root::between(-FARTHEST, FARTHEST, start, step < 0.0, beyond).exp())
    }
}

impl Running for Series {
    fn days(&self) -> f64 {
        self.days
    }

    fn clear(&mut self) {
        let seen = std::mem::take(&mut self.seen);
        *self = Self { seen, ..Self::new(self.design) };
        self.seen.clear();
    }

    fn assess(&self) -> Option<Assessment> {
        if self.days < 1.0 {
            return None;
        }
        let estimate = self.ratio();
        let residuals = self.residuals(estimate);
        let (phi, corrects) = match self.design.noise {
            DayNoise::Known(phi) => (phi, 1.0),
            // What the correction would save pays for estimating phi.
            DayNoise::Estimated(_) => (pearson_phi(residuals.pearson, residuals.days), 0.0),
        };
        let phi = Phi { against_p0: phi, against_p1: phi };
        let (against_p0, against_p1) = self.enough.sides(self.log_ratio, phi, 1.0, |phi| {
            corrects * overshoot(self.design.bars.delta, self.information / self.days, phi)
        });
        let (trials, successes) = (self.exposures, self.successes[0]);
        Some(Assessment { trials, successes, estimate, phi, against_p0, against_p1, residuals })
    }

    fn interval(&self, said: &Assessment) -> (f64, f64) {
        let [room_p0, room_p1] = said.rooms();
        self.interval_within(said.estimate, room_p0, room_p1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::dispersion::AUTO;
    use proptest::prelude::*;

    fn series(noise: DayNoise, days: &[Day]) -> Series {
        let mut series = Series::new(Design { bars: Bars::new(1.0, 1.2), alpha: 0.05, beta: 0.05, noise, daily: true });
        for &day in days {
            series.add(day);
        }
        series
    }

    #[test]
    fn equal_traffic_and_one_day_is_a_binomial() {
        let one = series(DayNoise::Known(1.0), &[[30.0, 1_000.0, 45.0, 1_000.0]]);
        assert!((one.ratio() - 1.5).abs() < 1e-13);
        let theta: f64 = 1.2 / 2.2;
        let plain = 45.0 * (theta / 0.5).ln() + 30.0 * ((1.0 - theta) / 0.5).ln();
        assert!((one.log_ratio() - plain).abs() < 1e-12);
    }

    #[test]
    fn an_arm_without_successes_has_no_end_on_its_side() {
        let days = |control: f64, variant: f64| vec![[control, 500.0, variant, 400.0]; 20];
        for noise in [DayNoise::Known(1.0), DayNoise::Estimated(&AUTO)] {
            let only_variant = series(noise, &days(0.0, 3.0));
            let said = only_variant.assess().unwrap();
            assert_eq!((said.estimate, said.residuals.pearson), (f64::INFINITY, 0.0));
            let (low, high) = only_variant.interval(&said);
            assert!(low > 1.0 && high == f64::INFINITY);
            let only_control = series(noise, &days(3.0, 0.0));
            let said = only_control.assess().unwrap();
            assert_eq!((said.estimate, said.residuals.pearson), (0.0, 0.0));
            let (low, high) = only_control.interval(&said);
            assert!(low == 0.0 && high < 1.2);
            let nothing = series(noise, &days(0.0, 0.0));
            let said = nothing.assess().unwrap();
            assert!(said.estimate.is_nan() && !said.against_p0.is_reached() && !said.against_p1.is_reached());
            assert_eq!(nothing.interval(&said), (0.0, f64::INFINITY));
        }
    }

    #[test]
    fn a_cleared_series_is_a_new_one() {
        let days = [[9.0, 300.0, 14.0, 310.0], [8.0, 280.0, 9.0, 300.0]];
        let mut again = series(DayNoise::Estimated(&AUTO), &days);
        again.clear();
        assert!(again.assess().is_none());
        for day in days {
            again.add(day);
        }
        assert_eq!(again.assess(), series(DayNoise::Estimated(&AUTO), &days).assess());
    }

    fn campaign() -> impl Strategy<Value = Vec<Day>> {
        let day = (0.0f64..12.0, 12.0f64..900.0, 0.0f64..12.0, 12.0f64..900.0, 0u8..8);
        prop::collection::vec(
            day.prop_map(|(a, n, b, m, gap)| if gap == 0 { [0.0, n, 0.0, m] } else { [a, n, b, m] }),
            1..60,
        )
    }

    proptest! {
        #[test]
        fn sums_are_those_of_the_formulas(days in campaign()) {
            let series = series(DayNoise::Estimated(&AUTO), &days);
            let delta = 1.2f64.ln();
            let plain: f64 = days.iter()
                .map(|[a, n, b, m]| b * delta - (a + b) * ((n + 1.2 * m).ln() - (n + m).ln()))
                .sum();
            prop_assert!((series.log_ratio() - plain).abs() <= 1e-10 * (1.0 + plain.abs()));
            let estimate = series.ratio();
            if estimate.is_finite() && estimate > 0.0 {
                let surplus: f64 = days.iter()
                    .map(|[a, n, b, m]| b - (a + b) * estimate * m / (n + estimate * m))
                    .sum();
                let total: f64 = days.iter().map(|[a, _, b, _]| a + b).sum();
                prop_assert!(surplus.abs() <= 1e-10 * total, "{surplus}");
                let pearson: f64 = days.iter().filter(|[a, _, b, _]| a + b > 0.0)
                    .map(|[a, n, b, m]| {
                        let theta = estimate * m / (n + estimate * m);
                        (b - (a + b) * theta).powi(2) / ((a + b) * theta * (1.0 - theta))
                    })
                    .sum();
                prop_assert!((series.residuals(estimate).pearson - pearson).abs() <= 1e-10 * (1.0 + pearson));
            }
        }

        #[test]
        fn the_interval_excludes_a_bar_exactly_when_the_evidence_is_enough(days in campaign(), estimated: bool) {
            let noise = if estimated { DayNoise::Estimated(&AUTO) } else { DayNoise::Known(1.0) };
            let series = series(noise, &days);
            let said = series.assess().unwrap();
            let (low, high) = series.interval(&said);
            if (said.against_p0.evidence - said.against_p0.threshold).abs() > 1e-9 {
                prop_assert_eq!(low > 1.0, said.against_p0.is_reached());
            }
            if (said.against_p1.evidence - said.against_p1.threshold).abs() > 1e-9 {
                prop_assert_eq!(high < 1.2, said.against_p1.is_reached());
            }
            prop_assert!(said.estimate.is_nan() || (low <= said.estimate && said.estimate <= high));
        }
    }
}
