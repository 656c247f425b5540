//! What the proof of the error rates tries: bars and volumes, shapes of day-to-day noise, and truths, put
//! together into cells. Knows how to name a cell, and nothing of what must come out.

use super::{Reporting, Trial, Watch};
use crate::decide::judge::Rule;
use crate::domain::concept::{Boundary, Dispersion, Model, Multiplicity, Policy, Rate};
use crate::domain::metric::MetricId;
use crate::stats::plan::Distance;
use crate::stats::simulate::{Campaign, Drift, NullSide, Shocks, Spread, Traffic};

/// Looks at a campaign, one a day.
pub const DAYS: u32 = 60;
/// Looks at a campaign that goes on for months.
pub const MONTHS: u32 = 180;

/// Where the truth lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Truth {
    /// Exactly at the kill bar: BUILD is wrong.
    KillBar,
    /// Exactly at the build bar: KILL is wrong.
    BuildBar,
    /// As far from both: nothing is wrong, and everything takes longest.
    Middle,
}

/// The bars of one model, the most usual volume to try them at, and for a comparison the control's rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bars {
    /// Which question decides.
    pub model: Model,
    /// In the units of a policy.
    pub kill: f64,
    /// In the units of a policy.
    pub build: f64,
    /// Visits or spend a day; of both arms together.
    pub per_day: f64,
    /// The control's rate; 0 without one.
    pub base: f64,
}

const fn rate(kill: f64, build: f64, per_day: f64) -> Bars {
    Bars { model: Model::Rate, kill, build, per_day, base: 0.0 }
}

const fn cost(kill: f64, build: f64, per_day: f64) -> Bars {
    Bars { model: Model::Cpa, kill, build, per_day, base: 0.0 }
}

const fn pair(base: f64, kill: f64, build: f64, per_day: f64) -> Bars {
    Bars { model: Model::Compare, kill, build, per_day, base }
}

/// From under one conversion a day to ninety. The last three are fresh: no constant was chosen on them.
pub const RATES: [Bars; 7] = [
    rate(0.02, 0.03, 200.0),
    rate(0.01, 0.015, 1_000.0),
    rate(0.05, 0.07, 100.0),
    rate(0.10, 0.13, 50.0),
    rate(0.017, 0.027, 350.0),
    rate(0.033, 0.046, 2_000.0),
    rate(0.012, 0.02, 60.0),
];
/// From two conversions a day to seventy-five.
pub const COSTS: [Bars; 5] = [
    cost(30.0, 20.0, 300.0),
    cost(60.0, 40.0, 100.0),
    cost(12.0, 8.0, 600.0),
    cost(90.0, 65.0, 900.0),
    cost(45.0, 33.0, 2_000.0),
];
/// From twelve conversions a day to sixty, both arms together.
pub const PAIRS: [Bars; 5] = [
    pair(0.05, 1.0, 1.2, 1_000.0),
    pair(0.02, 1.0, 1.5, 600.0),
    pair(0.10, 1.0, 1.3, 200.0),
    pair(0.03, 1.0, 1.25, 2_000.0),
    pair(0.07, 1.1, 1.4, 400.0),
];
/// A shape of day-to-day noise, with the letter of statistics.md section 14.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// For people.
    pub name: &'static str,
    /// For the simulator, with any drift on the side of the kill bar.
    pub shocks: Shocks,
}

const fn shape(name: &'static str, spread: Spread, weekdays: bool) -> Shape {
    Shape { name, shocks: Shocks { spread, weekdays, drift: Drift::None, own: 0.0 } }
}

const fn persistent(variation: f64) -> Spread {
    Spread::Persistent { variation, correlation: 0.5 }
}

const fn drifting(name: &'static str, drift: Drift, spread: Spread) -> Shape {
    Shape { name, shocks: Shocks { spread, weekdays: false, drift, own: 0.0 } }
}

const fn trend(per_day: f64) -> Drift {
    Drift::Trend { per_day, side: NullSide::AtMost }
}

const fn shift(by: f64) -> Drift {
    Drift::Shift { by, side: NullSide::AtMost }
}

/// (a)
pub const IDEAL: Shape = shape("(a)", Spread::None, false);
/// (b) and (c) with gamma noise.
pub const GAMMA: [Shape; 2] =
    [shape("(b) gamma", Spread::Gamma(0.2), true), shape("(c) gamma", Spread::Gamma(0.35), true)];
/// (b) and (c) with log-normal noise.
pub const LOG_NORMAL: [Shape; 2] =
    [shape("(b) log-normal", Spread::LogNormal(0.2), true), shape("(c) log-normal", Spread::LogNormal(0.35), true)];
/// (d)
pub const PERSISTENT: [Shape; 4] = [
    shape("(d) 0.2", persistent(0.2), false),
    shape("(d) 0.2 with weekdays", persistent(0.2), true),
    shape("(d) 0.3", persistent(0.3), false),
    shape("(d) 0.3 with weekdays", persistent(0.3), true),
];
/// (e)
pub const DRIFTING: [Shape; 8] = [
    drifting("(e) +1 % a day", trend(0.01), Spread::None),
    drifting("(e) -1 % a day", trend(-0.01), Spread::None),
    drifting("(e) shift +20 %", shift(0.2), Spread::None),
    drifting("(e) shift -20 %", shift(-0.2), Spread::None),
    drifting("(e) +1 % a day, noise 0.2", trend(0.01), Spread::Gamma(0.2)),
    drifting("(e) -1 % a day, noise 0.2", trend(-0.01), Spread::Gamma(0.2)),
    drifting("(e) shift +20 %, noise 0.2", shift(0.2), Spread::Gamma(0.2)),
    drifting("(e) shift -20 %, noise 0.2", shift(-0.2), Spread::Gamma(0.2)),
];
/// Shared by both arms, and each arm's own on top.
pub const SHARED_AND_OWN: Shape = Shape {
    name: "shared 0.3, weekdays, own 0.15",
    shocks: Shocks { spread: Spread::Gamma(0.3), weekdays: true, drift: Drift::None, own: 0.15 },
};

/// A rule under trial, as a policy says it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Manner {
    /// How day noise is paid for.
    pub dispersion: Dispersion,
    /// Whether thresholds are corrected for looking once a day.
    pub boundary: Boundary,
    /// Days before any verdict.
    pub min_days: u32,
    /// Days until one counts.
    pub lag: u32,
    /// Looks.
    pub days: u32,
}

/// One campaign, one rule, one truth.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Unique: what it tries, in words.
    pub name: String,
    /// The rule.
    pub policy: Policy,
    /// What it is shown.
    pub campaign: Campaign,
    /// Days of ads.
    pub days: u32,
    /// Arms that share alpha.
    pub arms: u32,
    /// Where the truth lies.
    pub truth: Truth,
    /// When conversions become known.
    pub reporting: Reporting,
    /// What else to measure.
    pub watch: Watch,
    /// Exposure that no rule with these error rates can do without, of one arm.
    pub bound: f64,
    /// Exposure of a day, of one arm.
    pub per_day: f64,
}

impl Bars {
    /// At a volume of which the smaller of Wald's bounds takes so many days.
    #[must_use]
    pub fn worth(self, days: f64) -> Self {
        let bounds = self.distance().bounds(0.05, 0.05);
        let arms = if self.model == Model::Compare { 2.0 } else { 1.0 };
        let per_day = (arms * bounds.at_p0.min(bounds.at_p1) / days).round();
        Self { per_day, ..self }
    }

    /// What telling the bars apart takes per visit or unit of spend, of one arm.
    pub fn distance(&self) -> Distance {
        match self.model {
            Model::Rate => Distance::rate(self.kill, self.build),
            Model::Cpa => Distance::events(1.0 / self.kill, 1.0 / self.build),
            Model::Compare => Distance::compare(self.kill, self.build, self.base),
        }
    }

    /// Traffic with the truth at one of three places.
    pub fn traffic(&self, truth: Truth) -> Traffic {
        let per_day = self.per_day;
        let at = |kill: f64, build: f64| match truth {
            Truth::KillBar => kill,
            Truth::BuildBar => build,
            Truth::Middle => self.distance().middle,
        };
        match self.model {
            Model::Rate => Traffic::Visits { per_day, rate: at(self.kill, self.build) },
            Model::Cpa => Traffic::Spend { per_day, rate: at(1.0 / self.kill, 1.0 / self.build) },
            Model::Compare => {
                Traffic::Pair { per_day, base: self.base, ratio: at(self.kill, self.build), optimised: false }
            }
        }
    }

    /// One cell, with a policy of these bars and a name for its rule.
    pub fn cell(&self, policy: Policy, rule: &str, shape: &Shape, truth: Truth) -> Cell {
        let bounds = self.distance().bounds(policy.alpha, policy.beta);
        let (place, bound, side) = match truth {
            Truth::KillBar => ("truth at the kill bar", bounds.at_p0, NullSide::AtMost),
            Truth::BuildBar => ("truth at the build bar", bounds.at_p1, NullSide::AtLeast),
            Truth::Middle => ("truth between the bars", bounds.at_middle, NullSide::AtMost),
        };
        let drift = match shape.shocks.drift {
            Drift::None => Drift::None,
            Drift::Trend { per_day, .. } => Drift::Trend { per_day, side },
            Drift::Shift { by, .. } => Drift::Shift { by, side },
        };
        Cell {
            name: format!("{rule}; {} a day, {}, {place}", self.name(), shape.name),
            campaign: Campaign { traffic: self.traffic(truth), shocks: Shocks { drift, ..shape.shocks } },
            days: policy.horizon_days,
            arms: 1,
            truth,
            reporting: Reporting::AtOnce,
            watch: Watch::default(),
            bound,
            per_day: if self.model == Model::Compare { self.per_day / 2.0 } else { self.per_day },
            policy,
        }
    }

    fn name(&self) -> String {
        let Self { kill, build, per_day, base, .. } = *self;
        // Cut to what was meant: 0.07 is 7, and not 7.000000000000001.
        let percent = |share: f64| (share * 1e6).round() / 1e4;
        match self.model {
            Model::Rate => format!("{}-{} %, {per_day} visits", percent(kill), percent(build)),
            Model::Cpa => format!("{kill}-{build} per act, spend {per_day}"),
            Model::Compare => format!("ratio {kill}-{build} on {} %, {per_day} visits", percent(base)),
        }
    }
}

impl Manner {
    /// The policy of this rule at these bars. Minimums that could hide an error are not set.
    pub fn policy(&self, bars: &Bars) -> Policy {
        Policy {
            primary: Rate { name: "rate".to_owned(), numerator: MetricId::CONVERSIONS, denominator: MetricId::VISITS },
            kill_bar: bars.kill,
            build_bar: bars.build,
            model: bars.model,
            bar_currency: None,
            srm: None,
            icp: vec![],
            alpha: 0.05,
            beta: 0.05,
            min_days: self.min_days,
            min_exposures: 0,
            min_conversions: 0,
            maturity_lag_days: self.lag,
            horizon_days: self.days,
            budget_cap: None,
            dispersion: self.dispersion,
            boundary: self.boundary,
            multiplicity: Multiplicity::Bonferroni,
            guardrails: Vec::new(),
            guardrail_alpha: 0.05,
        }
    }

    fn name(&self) -> String {
        let dispersion = match self.dispersion {
            Dispersion::Auto => "auto".to_owned(),
            Dispersion::Independent => "independent".to_owned(),
            Dispersion::None => "none".to_owned(),
            Dispersion::Known(phi) => format!("dispersion {phi}"),
        };
        let boundary = if self.boundary == Boundary::Strict { " strict" } else { "" };
        format!("{dispersion}{boundary} from day {}", self.min_days)
    }

    /// One cell.
    pub fn cell(&self, bars: &Bars, shape: &Shape, truth: Truth) -> Cell {
        let mut cell = bars.cell(self.policy(bars), &self.name(), shape, truth);
        let drifts = shape.shocks.drift != Drift::None;
        cell.watch.interval = self.dispersion == Dispersion::Auto && !drifts && bars.model != Model::Compare;
        cell
    }

    /// Every combination with the truth at either bar.
    pub fn at_bars(&self, bars: &[Bars], shapes: &[Shape]) -> Vec<Cell> {
        self.cells(bars, shapes, &[Truth::KillBar, Truth::BuildBar])
    }

    /// Every combination.
    pub fn cells(&self, bars: &[Bars], shapes: &[Shape], truths: &[Truth]) -> Vec<Cell> {
        let mut cells = Vec::new();
        for bars in bars {
            for shape in shapes {
                cells.extend(truths.iter().map(|&truth| self.cell(bars, shape, truth)));
            }
        }
        cells
    }
}

impl Cell {
    /// As the runner takes it.
    pub fn trial(&self) -> Trial<'_> {
        Trial {
            rule: Rule { policy: &self.policy, arms: self.arms, arm_budget_cap: None, stop: None, uneven_since: None },
            campaign: self.campaign,
            days: self.days,
            reporting: self.reporting,
            watch: self.watch,
            name: self.name.clone(),
        }
    }
}
