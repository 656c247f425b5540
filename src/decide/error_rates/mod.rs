//! How often a rule is wrong and what it costs: the verdict rule itself, run over campaigns whose truth
//! is known. On all cores; what comes out depends on the seed and on nothing else. Draws nothing
//! itself (that is `stats::simulate`) and knows no requirement.

pub mod cells;
mod peers;
pub mod portfolio;
pub mod table;

use chrono::NaiveDate;
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use ring::digest::{SHA256, digest};

use super::judge::{ArmDay, Rule, Settled};
use crate::domain::verdict::Verdict;
use crate::stats::simulate::{Campaign, Day, Traffic, arrivals, generator};
use peers::Peers;

/// From this day on an interval that misses the truth is counted.
const INTERVAL_FROM: usize = 14;
/// Runs a thread takes at once. Sums are added up within a batch and then over batches in their order,
/// so that no digit depends on which thread was first.
const BATCH: u64 = 50;

/// When conversions become known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reporting {
    /// On their day.
    AtOnce,
    /// Up to two days later (`stats::simulate::arrivals`).
    Late,
}

/// A rule, and a kind of campaign it is tried on.
#[derive(Clone, Debug)]
pub struct Trial<'a> {
    /// What decides.
    pub rule: Rule<'a>,
    /// What it is shown.
    pub campaign: Campaign,
    /// Days with ads. Looks go on until the last of them has settled.
    pub days: u32,
    /// When conversions become known.
    pub reporting: Reporting,
    /// What else to measure.
    pub watch: Watch,
    /// Names the trial: two of one name and seed see the same campaigns.
    pub name: String,
}

/// What is measured beside the verdict. Each costs as much as the verdict itself or more.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Watch {
    /// The interval, on every day also after the verdict. Not where conversions come late.
    pub interval: bool,
    /// What others would have decided.
    pub peers: bool,
}

/// A share of runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Share {
    /// How many did it.
    pub count: u64,
    /// Of how many, at least 1.
    pub runs: u64,
}

/// A mean over runs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Mean {
    /// The mean.
    pub value: f64,
    /// Its Monte Carlo standard error.
    pub error: f64,
}

/// How often a way of deciding ended with which verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Verdicts {
    /// BUILD.
    pub build: Share,
    /// KILL.
    pub kill: Share,
}

/// What a rule did in many campaigns of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    /// The rule itself. The remaining runs came to no verdict.
    pub verdicts: Verdicts,
    /// Settled visits or spend when the verdict came, or at the end; of the variant where there are two arms.
    pub exposure: Mean,
    /// The day of the verdict, counted from 1, or of the last look.
    pub days: Mean,
    /// Runs whose interval excluded the truth on any day from the 14th on, verdict or not.
    pub missed: Share,
    /// A z test for a fixed number of visits, looked at every day.
    pub fixed_horizon: Verdicts,
    /// BUILD or KILL once a posterior probability is above 1 − alpha or 1 − beta, looked at every day.
    pub posterior: Verdicts,
}

impl Share {
    /// The share.
    #[expect(clippy::cast_precision_loss, reason = "runs are far below 2^53")]
    pub fn value(&self) -> f64 {
        self.count as f64 / self.runs.max(1) as f64
    }

    /// Its Monte Carlo standard error; half a run is added on either side, so that "never" has one too.
    #[expect(clippy::cast_precision_loss, reason = "runs are far below 2^53")]
    pub fn error(&self) -> f64 {
        let runs = self.runs.max(1) as f64;
        let share = (self.count as f64 + 0.5) / (runs + 1.0);
        (share * (1.0 - share) / runs).sqrt()
    }
}

impl Verdicts {
    /// Runs without BUILD or KILL.
    pub fn undecided(&self) -> Share {
        Share { count: self.build.runs - self.build.count - self.kill.count, runs: self.build.runs }
    }
}

/// Tries a rule on `runs` campaigns. `progress` is told how many more are done, from any thread.
pub fn measure(trial: &Trial<'_>, runs: u64, seed: u64, progress: &(dyn Fn(u64) + Sync)) -> Measured {
    let cell = cell(&trial.name);
    let batches: Vec<Sums> = (0..runs.div_ceil(BATCH))
        .into_par_iter()
        .map_init(
            || Scratch::new(trial),
            |scratch, batch| {
                let mut sums = Sums::default();
                let end = ((batch + 1) * BATCH).min(runs);
                for run in batch * BATCH..end {
                    sums.add(&scratch.run(&mut generator(seed, cell, run)));
                }
                progress(end - batch * BATCH);
                sums
            },
        )
        .collect();
    batches.iter().fold(Sums::default(), Sums::plus).measured()
}

/// A number for a name, so that a new trial changes no other's campaigns.
fn cell(name: &str) -> u64 {
    let hash = digest(&SHA256, name.as_bytes());
    hash.as_ref().iter().take(8).fold(0, |number, &byte| number << 8 | u64::from(byte))
}

/// How one campaign ended.
struct Run {
    verdict: Verdict,
    exposure: f64,
    day: u32,
    missed: bool,
    fixed_horizon: Verdict,
    posterior: Verdict,
}

/// What runs of one thread share, so that a run asks for no memory of its own.
struct Scratch<'a> {
    trial: &'a Trial<'a>,
    truth: f64,
    lag: usize,
    days: Vec<Day>,
    factors: Vec<[f64; 2]>,
    series: Vec<ArmDay>,
    arrivals: Vec<[f64; 3]>,
    settled: Settled<'a>,
    peers: Peers,
}

impl<'a> Scratch<'a> {
    fn new(trial: &'a Trial<'a>) -> Self {
        let days = whole(trial.days);
        let dates = NaiveDate::default().iter_days();
        let empty = |day| ArmDay {
            day,
            exposures: 0.0,
            conversions: 0.0,
            control: [0.0; 2],
            spend: 0.0,
            guardrails: Vec::new(),
        };
        Self {
            trial,
            truth: truth(&trial.campaign.traffic),
            lag: whole(trial.rule.policy.maturity_lag_days),
            days: vec![Day::default(); days],
            factors: vec![[1.0; 2]; days],
            series: dates.take(days).map(empty).collect(),
            arrivals: vec![[0.0; 3]; days],
            settled: Settled::new(trial.rule),
            peers: Peers::new(&trial.rule),
        }
    }

    fn run(&mut self, rng: &mut ChaCha8Rng) -> Run {
        self.trial.campaign.draw(rng, &mut self.days, &mut self.factors);
        for (shown, day) in self.series.iter_mut().zip(&self.days) {
            (shown.exposures, shown.conversions) = (day.exposure, day.count);
            shown.control = [day.control_count, day.control_exposure];
            if let Traffic::Spend { .. } = self.trial.campaign.traffic {
                shown.spend = day.exposure;
            }
        }
        let (verdict, day, missed) = match self.trial.reporting {
            Reporting::AtOnce => self.at_once(),
            Reporting::Late => self.late(rng),
        };
        let (fixed_horizon, posterior) = if self.trial.watch.peers {
            self.peers.verdicts(&self.days)
        } else {
            (Verdict::Collecting, Verdict::Collecting)
        };
        let exposure = self.days.iter().take(day - self.lag).map(|day| day.exposure).sum();
        Run { verdict, exposure, day: u32::try_from(day).unwrap_or(u32::MAX), missed, fixed_horizon, posterior }
    }

    /// The first verdict, the as-of day it came on, counted from 1, and whether the interval ever missed the truth.
    /// Before a first day has settled there is nothing to say, so looks begin with it.
    fn at_once(&mut self) -> (Verdict, usize, bool) {
        self.settled.clear();
        let mut ended = None;
        let mut missed = false;
        for (day, number) in self.series.iter().zip(1..) {
            self.settled.add(day);
            let said = self.settled.assess();
            if ended.is_none() {
                let verdict = self.settled.judge(said.as_ref(), Some(day.day)).0;
                ended = verdict.is_terminal().then_some((verdict, number + self.lag));
            }
            if !self.trial.watch.interval && ended.is_some() {
                break;
            }
            if let Some(said) = said.filter(|_| self.trial.watch.interval && number >= INTERVAL_FROM) {
                let (low, high) = self.settled.interval(&said);
                missed |= self.truth < low || self.truth > high;
            }
        }
        let (verdict, day) = ended.unwrap_or((Verdict::Collecting, self.series.len() + self.lag));
        (verdict, day, missed)
    }

    /// Judged anew each day on what is known that day; the first verdict stays.
    fn late(&mut self, rng: &mut ChaCha8Rng) -> (Verdict, usize, bool) {
        for (split, day) in self.arrivals.iter_mut().zip(&self.days) {
            *split = arrivals(rng, day.count);
        }
        let last = self.series.len() + self.lag;
        for today in self.lag + 1..=last {
            self.settled.clear();
            let settled = today - self.lag;
            for ((day, split), number) in self.series.iter_mut().take(settled).zip(&self.arrivals).zip(1..) {
                let days_ago: usize = today - number;
                day.conversions = split[..=days_ago.min(2)].iter().sum();
                self.settled.add(day);
            }
            let verdict = self.settled.judge(self.settled.assess().as_ref(), Some(self.series[settled - 1].day)).0;
            if verdict.is_terminal() {
                return (verdict, today, false);
            }
        }
        (Verdict::Collecting, last, false)
    }
}

fn whole(days: u32) -> usize {
    usize::try_from(days).unwrap_or(usize::MAX)
}

/// The truth in the units of the policy's bars.
fn truth(traffic: &Traffic) -> f64 {
    match *traffic {
        Traffic::Visits { rate, .. } => rate,
        Traffic::Spend { rate, .. } => 1.0 / rate,
        Traffic::Pair { ratio, .. } => ratio,
    }
}

/// Sums over runs.
#[derive(Clone, Copy, Default)]
struct Sums {
    runs: u64,
    /// BUILD and KILL.
    rule: [u64; 2],
    fixed_horizon: [u64; 2],
    posterior: [u64; 2],
    missed: u64,
    /// Sums of values and of their squares.
    exposure: [f64; 2],
    days: [f64; 2],
}

impl Sums {
    fn add(&mut self, run: &Run) {
        self.runs += 1;
        self.missed += u64::from(run.missed);
        for (counts, verdict) in [
            (&mut self.rule, run.verdict),
            (&mut self.fixed_horizon, run.fixed_horizon),
            (&mut self.posterior, run.posterior),
        ] {
            counts[0] += u64::from(verdict == Verdict::Build);
            counts[1] += u64::from(verdict == Verdict::Kill);
        }
        for (sums, value) in [(&mut self.exposure, run.exposure), (&mut self.days, f64::from(run.day))] {
            sums[0] += value;
            sums[1] += value * value;
        }
    }

    fn plus(self, other: &Self) -> Self {
        let counts = |a: [u64; 2], b: [u64; 2]| [a[0] + b[0], a[1] + b[1]];
        let sums = |a: [f64; 2], b: [f64; 2]| [a[0] + b[0], a[1] + b[1]];
        Self {
            runs: self.runs + other.runs,
            rule: counts(self.rule, other.rule),
            fixed_horizon: counts(self.fixed_horizon, other.fixed_horizon),
            posterior: counts(self.posterior, other.posterior),
            missed: self.missed + other.missed,
            exposure: sums(self.exposure, other.exposure),
            days: sums(self.days, other.days),
        }
    }

    fn measured(&self) -> Measured {
        let share = |count| Share { count, runs: self.runs };
        let verdicts = |[build, kill]: [u64; 2]| Verdicts { build: share(build), kill: share(kill) };
        Measured {
            verdicts: verdicts(self.rule),
            exposure: mean(self.exposure, self.runs),
            days: mean(self.days, self.runs),
            missed: share(self.missed),
            fixed_horizon: verdicts(self.fixed_horizon),
            posterior: verdicts(self.posterior),
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "runs are far below 2^53")]
fn mean([sum, squares]: [f64; 2], runs: u64) -> Mean {
    let runs = runs.max(1) as f64;
    let value = sum / runs;
    let variance = (squares / runs - value * value).max(0.0);
    Mean { value, error: (variance / runs).sqrt() }
}
