//! The looks as one would write them for one model alone, from statistics.md sections 2 and 3: constants worked out
//! before the first day, running sums, nothing else. Chi-squared quantiles come from a table here too.

use willitsell::decide::judge::ArmDay;
use willitsell::stats::special::chi_squared_quantile;

const DAYS: u32 = 2_000;

pub trait Loop: Clone {
    fn clear(&mut self);
    /// Whether BUILD or KILL is said on this day, and the ends of the range.
    fn look(&mut self, days: u32, day: &ArmDay) -> (bool, f64, f64);
}

fn table(p: f64) -> Vec<f64> {
    (0..DAYS).map(|days| chi_squared_quantile(p, 4.0 + f64::from(days.max(1) - 1))).collect()
}

/// Successes per exposure: of visitors (`rate`), or of a unit of money (`cpa`).
#[derive(Clone)]
pub struct Counts {
    p0: f64,
    p1: f64,
    delta: f64,
    cost: f64,
    centre: f64,
    is_rate: bool,
    /// Chi-squared quantiles at 0.3 and 0.9.
    quantiles: Option<[Vec<f64>; 2]>,
    enough: f64,
    growth: [f64; 2],
    n: f64,
    x: f64,
    sums: [f64; 5],
    last: [f64; 2],
}

impl Counts {
    pub fn rate(p0: f64, p1: f64, auto: bool) -> Self {
        let cost = (-p0).ln_1p() - (-p1).ln_1p();
        Self::new([p0, p1], (p1 / p0).ln() + cost, cost, true, auto)
    }

    pub fn cpa(kill: f64, build: f64, auto: bool) -> Self {
        let (p0, p1) = (1.0 / kill, 1.0 / build);
        Self::new([p0, p1], (kill / build).ln(), p1 - p0, false, auto)
    }

    fn new([p0, p1]: [f64; 2], delta: f64, cost: f64, is_rate: bool, auto: bool) -> Self {
        Self {
            p0,
            p1,
            delta,
            cost,
            centre: cost / delta,
            is_rate,
            quantiles: auto.then(|| [table(0.3), table(0.9)]),
            enough: -0.05_f64.ln(),
            growth: [delta.exp_m1(), (-delta).exp_m1()],
            n: 0.0,
            x: 0.0,
            sums: [0.0; 5],
            last: [0.0; 2],
        }
    }
}

impl Loop for Counts {
    fn clear(&mut self) {
        (self.n, self.x, self.sums, self.last) = (0.0, 0.0, [0.0; 5], [0.0; 2]);
    }

    fn look(&mut self, days: u32, day: &ArmDay) -> (bool, f64, f64) {
        let (x, n) = (day.conversions.min(if self.is_rate { day.exposures } else { f64::MAX }), day.exposures);
        self.x += x;
        self.n += n;
        let days_so_far = f64::from(days);
        let mean = self.x / self.n;
        let (mut phi0, mut phi1, mut factor) = (1.0, 1.0, 1.0);
        if let Some([up, low]) = &self.quantiles {
            let (excess, m) = (x - n * self.centre, n.sqrt());
            let z = excess / m;
            let [before, m_before] = self.last;
            let [sum, squares, zz, zm, mm] = &mut self.sums;
            *sum += excess;
            *squares += z * z;
            *zz += z * before;
            *zm += z * m_before + m * before;
            *mm += m * m_before;
            self.last = [z, m];
            let shift = mean - self.centre;
            let variance = if self.is_rate { mean * (1.0 - mean) } else { mean };
            let (pearson, lags) = if variance > 0.0 {
                let squares = *squares - shift * (2.0 * *sum - shift * self.n);
                (squares.max(0.0) / variance, (*zz - shift * (*zm - shift * *mm)) / variance)
            } else {
                (0.0, 0.0)
            };
            let noise = 4.0 + (pearson + 0.5 * lags).max(0.0);
            let excess = |table: &[f64]| (4.5 * (noise / table[days as usize] - 1.0)).max(0.0);
            let load = self.n / days_so_far * if self.is_rate { mean / (1.0 - mean) } else { mean };
            let extra = excess(up).min((0.3 * load).max(excess(low)));
            phi0 = 1.0 + extra;
            phi1 = 1.0 + extra * (self.p1 / mean).clamp(1.0, self.p1 / self.p0);
            factor = 1.15;
        }
        let middle = if self.is_rate { self.centre * (1.0 - self.centre) } else { self.centre };
        let information = middle * self.n / days_so_far;
        let overshoot = |phi: f64| (0.583 * self.delta * (information / phi).sqrt()).min(1.0);
        let rooms = [phi0 * (self.enough - overshoot(phi0)), phi1 * (factor * self.enough - overshoot(phi1))];
        let evidence = self.x * self.delta;
        let log_ratio = evidence - self.n * self.cost;
        let is_long = days >= 14 && self.n >= 300.0;
        let decided = is_long && (log_ratio >= rooms[0] && self.x >= 10.0 || -log_ratio >= rooms[1]);
        if self.is_rate {
            let low = ((evidence - rooms[0]) / self.n).exp_m1() / self.growth[0];
            let high = (-(evidence + rooms[1]) / self.n).exp_m1() / self.growth[1];
            (decided, low.clamp(0.0, 1.0), high.clamp(0.0, 1.0))
        } else {
            let low = ((evidence - rooms[0]) / (self.n * self.growth[0])).max(0.0);
            let high = ((evidence + rooms[1]) / (self.n * -self.growth[1])).max(0.0);
            (decided, 1.0 / high, 1.0 / low)
        }
    }
}

/// A variant beside a control, each day given its total.
#[derive(Clone)]
pub struct Compare {
    ratios: [f64; 2],
    delta: f64,
    quantiles: Option<Vec<f64>>,
    enough: f64,
    /// Acts of the variant, of both, and visits of the control for each of the variant.
    days: Vec<[f64; 3]>,
    n: f64,
    x: f64,
    control: f64,
    log_ratio: f64,
    information: f64,
    pooled: [f64; 2],
}

impl Compare {
    pub fn new(r0: f64, r1: f64, auto: bool) -> Self {
        Self {
            ratios: [r0, r1],
            delta: (r1 / r0).ln(),
            quantiles: auto.then(|| table(0.2)),
            enough: -0.05_f64.ln(),
            days: Vec::new(),
            n: 0.0,
            x: 0.0,
            control: 0.0,
            log_ratio: 0.0,
            information: 0.0,
            pooled: [0.0; 2],
        }
    }

    /// Newton's method, on the logarithm of the ratio.
    fn root(&self, start: f64, value_and_slope: impl Fn(&[f64; 3], f64) -> (f64, f64), constant: f64) -> f64 {
        let mut u = start;
        for _ in 0..50 {
            let ratio = u.exp();
            let (mut value, mut slope) = (constant, 0.0);
            for day in &self.days {
                let (plus, steeper) = value_and_slope(day, ratio / (ratio + day[2]));
                value += plus;
                slope += steeper;
            }
            let step = (value / slope).clamp(-1.0, 1.0);
            u -= step;
            if step.abs() < 1e-12 {
                break;
            }
        }
        u
    }

    /// The end of the range on one side, where there is one.
    fn end(&self, start: f64, step: f64, room: f64) -> Option<f64> {
        let most = if step > 0.0 { self.x * step } else { -self.control * step };
        let growth = step.exp_m1();
        (most > room).then(|| {
            let side = |day: &[f64; 3], chance: f64| {
                let odds = 1.0 + chance * growth;
                (day[0] * step - day[1] * odds.ln(), -day[1] * growth * chance * (1.0 - chance) / odds)
            };
            self.root(start, side, -room).exp()
        })
    }
}

impl Loop for Compare {
    fn clear(&mut self) {
        self.days.clear();
        (self.n, self.x, self.control, self.log_ratio) = (0.0, 0.0, 0.0, 0.0);
        (self.information, self.pooled) = (0.0, [0.0; 2]);
    }

    fn look(&mut self, days: u32, day: &ArmDay) -> (bool, f64, f64) {
        let [control, control_n] = day.control;
        let (x, n) = (day.conversions.min(day.exposures), day.exposures);
        let (control, shares) = (control.min(control_n), control_n / n);
        let both = x + control;
        self.n += n;
        if both > 0.0 {
            let [r0, r1] = self.ratios;
            self.x += x;
            self.control += control;
            self.log_ratio += x * self.delta - both * (r0 / (r0 + shares) * self.delta.exp_m1()).ln_1p();
            let middle = (r0 * r1).sqrt();
            let middle = middle / (middle + shares);
            self.information += both * middle * (1.0 - middle);
            let plain = 1.0 / (1.0 + shares);
            self.pooled[0] += x * (1.0 - plain);
            self.pooled[1] += control * plain;
            self.days.push([x, both, shares]);
        }
        let estimate = if self.x <= 0.0 || self.control <= 0.0 {
            self.x / self.control
        } else {
            let start = (self.pooled[0] / self.pooled[1]).ln();
            self.root(start, |day, chance| (-day[1] * chance, -day[1] * chance * (1.0 - chance)), self.x).exp()
        };
        let (mut pearson, mut curvature) = (0.0, 0.0);
        for &[x, both, shares] in &self.days {
            let chance = estimate / (estimate + shares);
            let variance = both * chance * (1.0 - chance);
            curvature += variance;
            pearson += if variance > 0.0 { (x - both * chance).powi(2) / variance } else { 0.0 };
        }
        let (phi, correction) = match &self.quantiles {
            Some(table) => (((4.0 + pearson) / table[self.days.len()]).max(1.0), 0.0),
            None => (1.0, (0.583 * self.delta * (self.information / f64::from(days)).sqrt()).min(1.0)),
        };
        let room = phi * (self.enough - correction);
        let start = |step: f64| estimate.ln() - step / 2.0 - room / (step * curvature);
        let low = self.end(start(self.delta), self.delta, room).unwrap_or(0.0);
        let high = self.end(start(-self.delta), -self.delta, room).unwrap_or(f64::INFINITY);
        let is_long = days >= 14 && self.n >= 300.0;
        let decided = is_long && (self.log_ratio >= room && self.x >= 10.0 || -self.log_ratio >= room);
        (decided, low, high)
    }
}
