//! The table of statistics.md section 14: what is tried in each row, what must come out, and whether it does.
//! Prints nothing.

use std::collections::BTreeMap;

use rayon::prelude::*;
use serde::Serialize;

use super::cells::{
    Bars, COSTS, Cell, DAYS, DRIFTING, GAMMA, IDEAL, LOG_NORMAL, MONTHS, Manner, PAIRS, PERSISTENT, RATES,
    SHARED_AND_OWN, Shape, Truth,
};
use super::portfolio::{self, Portfolio};
use super::{Measured, Reporting, Share, measure};
use crate::domain::concept::{Boundary, Dispersion};
use crate::stats::fixed::clopper_pearson;
use crate::stats::simulate::Traffic;

/// The rows there are, in order; D10 is that of the fault table and runs only when named.
pub const ROWS: [&str; 15] = ["1", "2", "3", "4", "4b", "4c", "5", "5b", "5c", "5d", "6", "7", "8", "9", "D10"];

/// Days of traffic that every test needs that waits two whole weeks.
const TWO_WEEKS: f64 = 14.0;
/// Days of traffic that the smaller of Wald's bounds takes where cost is measured for a test that does not wait: with
/// less, a verdict is dear only because it must wait for a day to end.
const SEVERAL_DAYS: [f64; 7] = [5.0, 6.0, 8.0, 10.0, 5.0, 7.0, 6.0];
/// The same for one that waits two weeks.
const SEVERAL_WEEKS: [f64; 3] = [15.0, 18.0, 22.0];
/// Standard errors that chance may add to a figure before a requirement counts as broken.
const TOLERANCE: f64 = 3.0;

/// What a requirement limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quantity {
    /// Share of BUILD with the truth at the kill bar.
    WrongBuild,
    /// The value below which that share lies with 99 % confidence.
    WrongBuildAtMost,
    /// Share of KILL with the truth at the build bar.
    WrongKill,
    /// Expected exposure ÷ bound, with the truth at a bar.
    CostAtBars,
    /// The same, only where the bound is at least that many days of traffic.
    CostOfLong(u8),
    /// Expected exposure ÷ the larger of the bound and 14 days of traffic, only where the bound is less than that many
    /// days.
    CostOfShort(u8),
    /// Expected exposure ÷ bound, with the truth between the bars.
    CostBetween,
    /// Share of runs whose interval ever missed the truth.
    Misses,
    /// Share of wrong BUILDs among all BUILDs of many concepts.
    FalseShare,
}

impl Quantity {
    /// For people, before "at most".
    pub fn words(self) -> &'static str {
        match self {
            Self::WrongBuild => "wrong BUILD",
            Self::WrongBuildAtMost => "wrong BUILD, upper 99 % bound",
            Self::WrongKill => "wrong KILL",
            Self::CostAtBars | Self::CostOfLong(_) => "cost at the bars ÷ bound",
            Self::CostOfShort(_) => "cost at the bars ÷ bound or 14 days",
            Self::CostBetween => "cost between the bars ÷ bound",
            Self::Misses => "interval ever misses the truth",
            Self::FalseShare => "wrong among all BUILDs",
        }
    }

    /// Whether a figure is a share of runs, and its limit a chance that may be met exactly.
    fn is_share(self) -> bool {
        matches!(self, Self::WrongBuild | Self::WrongKill | Self::Misses)
    }

    fn of(self, cell: &Cell, measured: &Measured) -> Option<Figure> {
        let is_bar = cell.truth != Truth::Middle;
        let share = |share: &Share| Figure { value: share.value(), error: share.error() };
        let cost = |by: f64| Figure { value: measured.exposure.value / by, error: measured.exposure.error / by };
        let two_weeks = TWO_WEEKS * cell.per_day;
        let is_below = |days: u8| cell.bound < f64::from(days) * cell.per_day;
        let build = &measured.verdicts.build;
        match self {
            Self::WrongBuild => (cell.truth == Truth::KillBar).then(|| share(build)),
            Self::WrongBuildAtMost => (cell.truth == Truth::KillBar).then(|| Figure {
                // Two-sided with 98 % is one-sided with 99 %.
                value: clopper_pearson(number(build.count), number(build.runs), 0.98).1,
                error: build.error(),
            }),
            Self::WrongKill => (cell.truth == Truth::BuildBar).then(|| share(&measured.verdicts.kill)),
            Self::CostAtBars => is_bar.then(|| cost(cell.bound)),
            Self::CostOfLong(days) => (is_bar && !is_below(days)).then(|| cost(cell.bound)),
            Self::CostOfShort(days) => (is_bar && is_below(days)).then(|| cost(cell.bound.max(two_weeks))),
            Self::CostBetween => (!is_bar).then(|| cost(cell.bound)),
            Self::Misses => cell.watch.interval.then(|| share(&measured.missed)),
            Self::FalseShare => None,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "runs are far below 2^53")]
fn number(count: u64) -> f64 {
    count as f64
}

/// A measured figure and its Monte Carlo standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Figure {
    value: f64,
    error: f64,
}

/// Whether a requirement is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Holds {
    /// It is.
    Yes,
    /// The figure is above it by no more than chance explains: three standard errors.
    WithinError,
    /// The figure is above it by more than that.
    No,
}

/// One requirement of a row, measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// Of the row: `4b`.
    pub row: &'static str,
    /// What is tried.
    pub configuration: &'static str,
    /// What is limited.
    pub quantity: &'static str,
    /// The limit.
    pub at_most: f64,
    /// The worst cell's figure.
    pub measured: f64,
    /// Its Monte Carlo standard error.
    pub error: f64,
    /// The smallest figure of any cell.
    pub best: f64,
    /// Whether it holds.
    pub holds: Holds,
    /// The worst cell.
    pub worst_cell: String,
    /// How many cells were tried, and with how many runs each.
    pub cells: usize,
    /// Runs of each cell.
    pub runs: u64,
}

/// What others did in the same cells: the smallest and the largest share.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Beside {
    /// Of the row.
    pub row: &'static str,
    /// Who.
    pub rule: &'static str,
    /// What is counted.
    pub quantity: &'static str,
    /// In the cell where it is least.
    pub least: f64,
    /// In the cell where it is most.
    pub most: f64,
}

/// A row before it is measured.
pub struct Row {
    /// `4b`.
    pub number: &'static str,
    configuration: &'static str,
    asks: Vec<(Quantity, f64)>,
    cells: Vec<Cell>,
    /// The same campaigns under a worse rule, and its name.
    contrast: Option<(&'static str, Vec<Cell>)>,
    portfolios: Vec<Portfolio>,
}

const fn manner(dispersion: Dispersion, boundary: Boundary, min_days: u32) -> Manner {
    Manner { dispersion, boundary, min_days, lag: 0, days: DAYS }
}

const STRICT: Manner = manner(Dispersion::None, Boundary::Strict, 1);
const DAILY: Manner = manner(Dispersion::None, Boundary::Daily, 1);
const AUTO: Manner = manner(Dispersion::Auto, Boundary::Daily, 14);
const AUTO_WEEK: Manner = manner(Dispersion::Auto, Boundary::Daily, 7);
const INDEPENDENT: Manner = manner(Dispersion::Independent, Boundary::Daily, 14);
const WRONG: [(Quantity, f64); 2] = [(Quantity::WrongBuild, 0.05), (Quantity::WrongKill, 0.05)];

/// The row of a number; `None` of another. `runs` decide how many portfolios a cell has.
pub fn row(number: &str) -> Option<Row> {
    let number = *ROWS.iter().find(|known| known.eq_ignore_ascii_case(number))?;
    let counts = [&RATES[..], &COSTS].concat();
    let in_steps =
        |bars: &[Bars]| -> Vec<Bars> { bars.iter().zip(SEVERAL_DAYS).map(|(bars, days)| bars.worth(days)).collect() };
    let slow = [RATES[0], RATES[4], COSTS[0]].iter().flat_map(|bars| SEVERAL_WEEKS.map(|days| bars.worth(days)));
    let fast_and_slow = [counts.clone(), slow.collect()].concat();
    let all = [Truth::KillBar, Truth::BuildBar, Truth::Middle];
    let both = |more: &[(Quantity, f64)]| [&WRONG[..], more].concat();
    let noisy = [&[IDEAL][..], &GAMMA, &LOG_NORMAL].concat();
    let (configuration, asks, cells) = match number {
        "1" => ("none, strict; ideal; all models", both(&[]), {
            STRICT.at_bars(&[&counts[..], &PAIRS].concat(), &[IDEAL])
        }),
        "2" => (
            "none, daily, from day 1; ideal; rate and cost",
            both(&[(Quantity::CostAtBars, 1.15), (Quantity::CostBetween, 1.30)]),
            DAILY.cells(&[in_steps(&RATES), in_steps(&COSTS)].concat(), &[IDEAL], &all),
        ),
        "3" => (
            "none, daily, from day 1; ideal; compare",
            both(&[(Quantity::CostAtBars, 1.20), (Quantity::CostBetween, 1.40)]),
            DAILY.cells(&in_steps(&PAIRS), &[IDEAL], &all),
        ),
        "4" => ("auto, from day 14; (a)-(c); rate and cost", both(&[]), AUTO.at_bars(&counts, &noisy)),
        "4b" => (
            "independent, from day 14; (a), (b) gamma, (c); rate and cost",
            both(&[]),
            INDEPENDENT.at_bars(&counts, &[&[IDEAL][..], &GAMMA, &LOG_NORMAL[1..]].concat()),
        ),
        "4c" => (
            "auto, from day 7; (a), shared and own shocks; compare",
            both(&[]),
            AUTO_WEEK.at_bars(&PAIRS, &[IDEAL, SHARED_AND_OWN]),
        ),
        "5" => ("auto, from day 14; (d); rate and cost", both(&[]), AUTO.at_bars(&counts, &PERSISTENT)),
        "5b" => ("auto, from day 14; (e); rate and cost", both(&[]), AUTO.at_bars(&counts, &DRIFTING)),
        "5c" => (
            "auto, from day 14; (a); rate and cost",
            vec![(Quantity::CostOfLong(14), 1.75), (Quantity::CostOfShort(14), 2.0)],
            AUTO.at_bars(&fast_and_slow, &[IDEAL]),
        ),
        "5d" => (
            "independent, from day 14; (a); rate and cost",
            // Between 14 and 20 days the two weeks' wait alone takes up to 1.33 of the bound, before any noise is paid for.
            vec![(Quantity::CostOfLong(20), 1.40), (Quantity::CostOfShort(20), 1.55)],
            INDEPENDENT.at_bars(&fast_and_slow, &[IDEAL]),
        ),
        "6" => (
            "auto, from day 14; visits 50/50 to 85/15, base +60 %; compare",
            vec![(Quantity::WrongBuild, 0.05)],
            moved(AUTO.cells(&PAIRS, &[OPTIMISED], &[Truth::KillBar])),
        ),
        "7" => (
            "none, daily; conversions up to 2 days late, lag 2; rate",
            vec![(Quantity::WrongKill, 0.05)],
            late(&Manner { lag: 2, ..DAILY }, &in_steps(&RATES)),
        ),
        "8" => ("auto, from day 14; (a)-(d); rate and cost", vec![(Quantity::Misses, 0.10)], {
            AUTO.cells(&counts, &[&noisy[..], &PERSISTENT].concat(), &all)
        }),
        "9" => ("e-BH over 20 concepts, 4 good, 45 days", vec![(Quantity::FalseShare, 0.05)], Vec::new()),
        _ => {
            let bars = [RATES[0], COSTS[0], PAIRS[0]];
            let months = |manner: Manner, shapes: &[Shape]| {
                Manner { days: MONTHS, ..manner }.cells(&bars, shapes, &[Truth::KillBar])
            };
            let noisy = months(AUTO, &[IDEAL, GAMMA[0], PERSISTENT[0]]);
            let cells = [months(STRICT, &[IDEAL]), months(INDEPENDENT, &[IDEAL, GAMMA[0]]), noisy].concat();
            ("looked at daily for six months; all models", vec![(Quantity::WrongBuildAtMost, 0.05)], cells)
        }
    };
    let contrast = (number == "7").then(|| ("without a lag", late(&DAILY, &in_steps(&RATES))));
    let cells = if matches!(number, "1" | "4" | "5" | "6") { watched(cells) } else { cells };
    let portfolios = if number == "9" { portfolio::usual() } else { Vec::new() };
    Some(Row { number, configuration, asks, cells, contrast, portfolios })
}

const OPTIMISED: Shape = Shape { name: "visits moved to the variant", shocks: IDEAL.shocks };

/// With others beside it.
fn watched(mut cells: Vec<Cell>) -> Vec<Cell> {
    for cell in &mut cells {
        cell.watch.peers = true;
    }
    cells
}

fn moved(mut cells: Vec<Cell>) -> Vec<Cell> {
    for cell in &mut cells {
        if let Traffic::Pair { optimised, .. } = &mut cell.campaign.traffic {
            *optimised = true;
        }
    }
    cells
}

fn late(manner: &Manner, bars: &[Bars]) -> Vec<Cell> {
    let mut cells = manner.cells(bars, &[IDEAL], &[Truth::BuildBar]);
    for cell in &mut cells {
        cell.reporting = Reporting::Late;
        cell.name = format!("{}, conversions late, lag {}", cell.name, manner.lag);
    }
    cells
}

/// Every cell of some rows once, with everything any of them watches.
fn unique(rows: &[Row]) -> Vec<Cell> {
    let mut cells: BTreeMap<&str, Cell> = BTreeMap::new();
    for row in rows {
        for cell in row.cells.iter().chain(row.contrast.iter().flat_map(|(_, cells)| cells)) {
            let known = cells.entry(&cell.name).or_insert_with(|| cell.clone());
            known.watch.peers |= cell.watch.peers;
            known.watch.interval |= cell.watch.interval;
        }
    }
    cells.into_values().collect()
}

/// How many runs `table` will tell `progress` of.
pub fn total_runs(rows: &[Row], runs: u64) -> u64 {
    let portfolios: usize = rows.iter().map(|row| row.portfolios.len()).sum();
    u64::try_from(unique(rows).len() + portfolios).map_or(u64::MAX, |cells| cells * runs)
}

/// Measures every cell of the rows with `runs` campaigns each, and holds the rows against their requirements.
pub fn table(rows: &[Row], runs: u64, seed: u64, progress: &(dyn Fn(u64) + Sync)) -> (Vec<Line>, Vec<Beside>) {
    let measured: BTreeMap<String, Measured> = unique(rows)
        .into_par_iter()
        .map(|cell| {
            let measured = measure(&cell.trial(), runs, seed, progress);
            (cell.name, measured)
        })
        .collect();
    let (mut lines, mut beside) = (Vec::new(), Vec::new());
    for row in rows {
        for &(quantity, at_most) in &row.asks {
            let figures = row
                .cells
                .iter()
                .filter_map(|cell| Some((cell.name.clone(), quantity.of(cell, &measured[&cell.name])?)));
            lines.extend(row.line(quantity, at_most, runs, figures));
        }
        beside.extend(row.beside(&measured));
        let portfolios: Vec<_> = row
            .portfolios
            .iter()
            .map(|portfolio| (portfolio.name.clone(), portfolio::measure(portfolio, runs, seed, progress)))
            .collect();
        for &(quantity, at_most) in &row.asks {
            let figures = portfolios.iter().map(|(name, said)| {
                (
                    name.clone(),
                    Figure { value: said.together.false_share.value, error: said.together.false_share.error },
                )
            });
            lines.extend(row.line(quantity, at_most, runs, figures));
        }
        let of = |rule, quantity, value: fn(&portfolio::Said) -> f64| {
            range(portfolios.iter().map(|(_, said)| value(said))).map(|(least, most)| Beside {
                row: row.number,
                rule,
                quantity,
                least,
                most,
            })
        };
        beside.extend(of("alpha for each concept", "wrong among all BUILDs", |said| said.alone.false_share.value));
        beside.extend(of("alpha for each concept", "good concepts found", |said| said.alone.power.value));
        beside.extend(of("e-BH", "good concepts found", |said| said.together.power.value));
    }
    (lines, beside)
}

impl Row {
    fn line(
        &self,
        quantity: Quantity,
        at_most: f64,
        runs: u64,
        figures: impl Iterator<Item = (String, Figure)>,
    ) -> Option<Line> {
        let figures: Vec<(String, Figure)> = figures.collect();
        let (worst_cell, worst) = figures.iter().max_by(|one, other| one.1.value.total_cmp(&other.1.value))?;
        let best = figures.iter().map(|(_, figure)| figure.value).fold(f64::INFINITY, f64::min);
        let error = if quantity.is_share() { (at_most * (1.0 - at_most) / number(runs)).sqrt() } else { worst.error };
        let tolerance = if quantity == Quantity::WrongBuildAtMost { 0.0 } else { TOLERANCE * error };
        let holds = match worst.value {
            value if value <= at_most => Holds::Yes,
            value if value <= at_most + tolerance => Holds::WithinError,
            _ => Holds::No,
        };
        Some(Line {
            row: self.number,
            configuration: self.configuration,
            quantity: quantity.words(),
            at_most,
            measured: worst.value,
            error: worst.error,
            best,
            holds,
            worst_cell: worst_cell.clone(),
            cells: figures.len(),
            runs,
        })
    }

    fn beside(&self, measured: &BTreeMap<String, Measured>) -> Vec<Beside> {
        type Peer = fn(&Measured) -> super::Verdicts;
        let peers: [(&str, Peer); 2] = [
            ("a z test looked at daily", |measured| measured.fixed_horizon),
            ("posterior above 0.95, looked at daily", |measured| measured.posterior),
        ];
        let mut beside = Vec::new();
        let watched: Vec<&Cell> = self.cells.iter().filter(|cell| cell.watch.peers).collect();
        for (rule, peer) in peers {
            for (quantity, truth) in [("wrong BUILD", Truth::KillBar), ("wrong KILL", Truth::BuildBar)] {
                let shares = watched.iter().filter(|cell| cell.truth == truth).map(|cell| {
                    let verdicts = peer(&measured[&cell.name]);
                    if truth == Truth::KillBar { verdicts.build.value() } else { verdicts.kill.value() }
                });
                let of = |(least, most)| Beside { row: self.number, rule, quantity, least, most };
                beside.extend(range(shares).map(of));
            }
        }
        if let Some((rule, cells)) = &self.contrast {
            let shares = cells.iter().map(|cell| measured[&cell.name].verdicts.kill.value());
            let of = |(least, most)| Beside { row: self.number, rule, quantity: "wrong KILL", least, most };
            beside.extend(range(shares).map(of));
        }
        beside
    }
}

fn range(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |range, value| {
        let (least, most) = range.unwrap_or((value, value));
        Some((value.min(least), value.max(most)))
    })
}
