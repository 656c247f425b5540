//! What chance alone can do to daily counts: the bounds behind the health gates on traffic. Not for verdicts on a rate:
//! those are `rate`, `cpa` and `compare`.

use super::special::beta::beta_cdf;

/// How surely fewer than a share of `rate` came through: `−ln` of Chernoff's bound on the chance of at most `successes`
/// among `trials` (Hoeffding 1963, theorem 1). At least 0; 0 where as many or more came.
///
/// `0 <= successes`, `0 <= trials`, `0 < rate < 1`.
pub fn too_few(successes: f64, trials: f64, rate: f64) -> f64 {
    if trials <= 0.0 || successes >= rate * trials {
        return 0.0;
    }
    let share = successes / trials;
    let here = if share > 0.0 { share * (share / rate).ln() } else { 0.0 };
    trials * (here + (1.0 - share) * ((1.0 - share) / (1.0 - rate)).ln())
}

/// How surely `count` is more than a Poisson number with this mean: `−ln` of Chernoff's bound on the chance of at
/// least as many. At least 0; 0 where it is no more than the mean; infinite above a mean of 0.
pub fn too_many(count: f64, mean: f64) -> f64 {
    if count <= mean { 0.0 } else { count * (count / mean).ln() - (count - mean) }
}

/// How surely something stopped: `−ln` of the chance that all of `acts`, each equally likely on any part of the whole
/// exposure, fell into the part `before` and none into the part `after`.
///
/// `0 <= acts`, `0 < before`, `0 <= after`.
pub fn stopped(acts: f64, before: f64, after: f64) -> f64 {
    acts * ((before + after) / before).ln()
}

/// Other days, to compare one with.
#[derive(Clone, Copy, Debug)]
pub struct Others {
    /// How many, at least one.
    pub days: f64,
    /// What they counted.
    pub count: f64,
    /// On how much, more than 0.
    pub basis: f64,
}

impl Others {
    /// What they lead one to expect on so much.
    pub fn expected(&self, basis: f64) -> f64 {
        self.count / self.basis * basis
    }

    /// Chance of at least `count > 0` on a day with this basis above 0, where days differ by a gamma factor with
    /// coefficient of variation `cv` and the rate is known only from these days: the tail of a negative binomial whose
    /// relative variance is the day's noise, the noise of the others' mean, and the error of their count.
    pub fn chance(&self, count: f64, basis: f64, cv: f64) -> f64 {
        let mean = (self.count + 0.5) / self.basis * basis;
        let shape = 1.0 / (cv * cv * (1.0 + 1.0 / self.days) + 1.0 / (self.count + 1.0));
        beta_cdf(mean / (mean + shape), count, shape)
    }
}

#[cfg(test)]
mod tests {
    use super::super::special::beta::binomial_at_most;
    use super::super::special::poisson_at_least;
    use super::*;

    #[test]
    fn bounds_are_never_below_the_exact_chance() {
        for trials in [1.0, 10.0, 77.0, 2000.0_f64] {
            for share in [0.0, 0.1, 0.5, 0.79] {
                let successes = (share * trials).floor();
                let exact = binomial_at_most(successes, trials, 0.8);
                assert!((-too_few(successes, trials, 0.8)).exp() >= exact * (1.0 - 1e-9), "{successes} of {trials}");
            }
            for more in [1.0, 1.1, 2.0, 9.0] {
                let count = (more * trials).ceil();
                assert!(
                    (-too_many(count, trials)).exp() >= poisson_at_least(count, trials) * (1.0 - 1e-9),
                    "{count} for {trials}"
                );
            }
        }
        assert!((too_few(0.0, 10.0, 0.6) + 10.0 * 0.4_f64.ln()).abs() < 1e-12);
        assert!(too_many(3.0, 0.0).is_infinite() && too_many(0.0, 0.0) < f64::MIN_POSITIVE);
    }

    #[test]
    fn nothing_where_there_is_nothing_to_be_sure_of() {
        let none = [too_few(0.0, 0.0, 0.8), too_few(80.0, 100.0, 0.8), too_many(5.0, 5.0), stopped(0.0, 10.0, 100.0)];
        assert!(none.iter().all(|evidence| evidence.abs() < f64::MIN_POSITIVE), "{none:?}");
        assert!((stopped(3.0, 1.0, 1.0) - 8.0_f64.ln()).abs() < 1e-12);
    }

    #[test]
    fn with_many_others_and_no_day_noise_a_day_is_poisson() {
        let others = Others { days: 1e6, count: 4e9, basis: 1e9 };
        let (chance, exact) = (others.chance(12.0, 1.0, 1e-4), poisson_at_least(12.0, 4.0));
        assert!((chance / exact - 1.0).abs() < 1e-4, "{chance} {exact}");
        assert!(others.chance(12.0, 1.0, 0.35) > 5.0 * exact, "day noise makes the same count likelier");
    }
}
