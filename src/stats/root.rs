//! Roots of monotone functions of one number.

/// More than bisection alone would need for the last digit.
const MOST_STEPS: usize = 200;

/// A Newton step this small, relative to where it leads, leaves an error of its square.
const LAST_STEP: f64 = 1e-8;

/// The root of a function in `from..=to` that rises or falls throughout and changes sign there: Newton's method from
/// `start`, with a bisection wherever a step would leave what is known to hold the root or gain too little.
/// `value_and_slope` gives both at a point.
pub(super) fn between(from: f64, to: f64, start: f64, rises: bool, value_and_slope: impl Fn(f64) -> (f64, f64)) -> f64 {
    let (mut below, mut above) = (from, to);
    let mut x = if start > from && start < to { start } else { f64::midpoint(from, to) };
    let mut last_step = to - from;
    for _ in 0..MOST_STEPS {
        let (value, slope) = value_and_slope(x);
        if value == 0.0 {
            return x;
        }
        if (value > 0.0) == rises {
            above = x;
        } else {
            below = x;
        }
        let newton = x - value / slope;
        // A step must at least halve the one before it, or bisection is quicker. A NaN is no step.
        let good = newton > below && newton < above && (newton - x).abs() <= 0.5 * last_step.abs();
        let next = if good { newton } else { f64::midpoint(below, above) };
        last_step = next - x;
        x = next;
        let enough = if good { LAST_STEP } else { 2.0 * f64::EPSILON };
        if last_step.abs() <= enough * x.abs().max(1.0) {
            break;
        }
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn finds_roots_in_few_steps_from_anywhere() {
        for root in [-40.0, -1e-3, 0.0, 0.7, 30.0] {
            for start in [-60.0, -50.0, -3.0, 0.0, 49.0, f64::NAN] {
                for sign in [1.0, -1.0] {
                    let steps = Cell::new(0);
                    let logistic = |x: f64| {
                        steps.set(steps.get() + 1);
                        let share = 1.0 / (1.0 + (root - x).exp());
                        (sign * (share - 0.5), sign * share * (1.0 - share))
                    };
                    let found = between(-50.0, 50.0, start, sign > 0.0, logistic);
                    assert!((found - root).abs() <= 1e-14 * f64::max(1.0, root.abs()), "{found} for {root}");
                    assert!(steps.get() < 30, "{} steps from {start} to {root}", steps.get());
                }
            }
        }
    }
}
