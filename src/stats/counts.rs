//! A running test of successes per exposure: each added day costs the same, however many there were. Knows what the
//! `rate` and the `cpa` model have in common; what a success and an exposure weigh is theirs to say.

use super::dispersion::{DayNoise, Phi, Sums};
use super::sequential::{Assessment, Design, Enough, Running, overshoot};

/// Two bars, p0 < p1, on the mean of successes per exposure.
pub trait CountBars: Copy {
    /// The lower bar.
    fn p0(&self) -> f64;
    /// The upper bar.
    fn p1(&self) -> f64;
    /// δ: what one success adds to L.
    fn delta(&self) -> f64;
    /// What one exposure takes from L.
    fn cost(&self) -> f64;
    /// Variance of the successes of one exposure, where their mean is `mean`.
    fn variance(mean: f64) -> f64;
    /// Squared mean ÷ variance of one exposure: how much of a day shock shows in it. 0 where nothing varies.
    fn load(mean: f64) -> f64;
    /// The interval dual to the test. `rooms` are threshold × phi of the two sides. Its lower end is at or above
    /// p0 exactly when `L ≥ rooms[0]`, its upper end at or below p1 exactly when `−L ≥ rooms[1]`.
    fn interval(&self, successes: f64, exposures: f64, rooms: [f64; 2]) -> (f64, f64);

    /// L: log-likelihood ratio of p1 to p0. Positive speaks against p0, negative against p1.
    fn log_ratio(&self, successes: f64, exposures: f64) -> f64 {
        successes * self.delta() - exposures * self.cost()
    }

    /// The mean halfway between the bars, where a day moves L neither way.
    fn middle(&self) -> f64 {
        self.cost() / self.delta()
    }

    /// Siegmund's correction: how far evidence overshoots a threshold that is looked at once a day.
    fn overshoot(&self, exposures_per_day: f64, phi: f64) -> f64 {
        overshoot(self.delta(), Self::variance(self.middle()) * exposures_per_day, phi)
    }
}

/// The days of a test so far.
#[derive(Clone, Debug)]
pub struct Series<B> {
    design: Design<B>,
    enough: Enough,
    sums: Sums,
}

impl<B: CountBars> Series<B> {
    /// No day yet.
    pub fn new(design: Design<B>) -> Self {
        Self { design, enough: design.enough(), sums: Sums::around(design.bars.middle()) }
    }

    /// Adds the next day in date order, with positive `exposures`.
    pub fn add(&mut self, successes: f64, exposures: f64) {
        self.sums.add(successes, exposures);
    }
}

impl<B: CountBars> Running for Series<B> {
    fn days(&self) -> f64 {
        self.sums.days()
    }

    fn clear(&mut self) {
        self.sums.clear();
    }

    fn assess(&self) -> Option<Assessment> {
        let (days, successes, trials) = (self.sums.days(), self.sums.count(), self.sums.exposure());
        if days < 1.0 {
            return None;
        }
        let bars = &self.design.bars;
        let estimate = successes / trials;
        let residuals = self.sums.residuals(estimate, B::variance(estimate));
        let per_day = trials / days;
        let (phi, factor) = match self.design.noise {
            DayNoise::Known(phi) => (Phi { against_p0: phi, against_p1: phi }, 1.0),
            DayNoise::Estimated(constants) => {
                // The estimate may be 0, and any number ÷ 0 is beyond the largest raise.
                let raise = (bars.p1() / estimate).clamp(1.0, bars.p1() / bars.p0());
                (constants.phi(&residuals, per_day * B::load(estimate), raise), constants.threshold_factor)
            }
        };
        let (against_p0, against_p1) =
            self.enough.sides(bars.log_ratio(successes, trials), phi, factor, |phi| bars.overshoot(per_day, phi));
        Some(Assessment { trials, successes, estimate, phi, against_p0, against_p1, residuals })
    }

    fn interval(&self, said: &Assessment) -> (f64, f64) {
        self.design.bars.interval(said.successes, said.trials, said.rooms())
    }
}
