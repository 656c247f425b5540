//! Many concepts at once: how many of the BUILDs are wrong when each concept has its own alpha, and when
//! they share it by e-BH (statistics.md section 8).

use chrono::NaiveDate;
use rayon::prelude::*;

use super::cells::{Bars, GAMMA, IDEAL, Manner, RATES, Shape, Truth};
use super::{BATCH, Mean, cell, mean};
use crate::decide::judge::{ArmDay, Rule, Settled};
use crate::domain::concept::{Boundary, Dispersion, Policy};
use crate::domain::verdict::Verdict;
use crate::stats::many::e_bh;
use crate::stats::simulate::{Campaign, Day, generator};

/// Concepts that run together, the first of them good.
const CONCEPTS: usize = 20;
const GOOD: usize = 4;
const DAYS: u32 = 45;

/// Twenty concepts under one policy.
pub struct Portfolio {
    /// What is tried.
    pub name: String,
    /// Each concept's own rule.
    policy: Policy,
    /// Truth at the build bar.
    good: Campaign,
    /// Truth at the kill bar.
    bad: Campaign,
}

/// What came of one way to share alpha.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Shared {
    /// Wrong BUILDs ÷ BUILDs, 0 without any.
    pub false_share: Mean,
    /// Good concepts with BUILD ÷ good concepts.
    pub power: Mean,
}

/// Both ways, on the same campaigns.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Said {
    /// Each concept by itself.
    pub alone: Shared,
    /// By e-BH.
    pub together: Shared,
}

/// Where a concept stands after a day.
#[derive(Clone, Copy)]
struct Standing {
    /// By its own alpha.
    alone: Verdict,
    /// Beside the others.
    together: Verdict,
    /// The log e-value of a BUILD: withheld, or as it was given.
    proof: Option<f64>,
}

const BEGUN: Standing = Standing { alone: Verdict::Collecting, together: Verdict::Collecting, proof: None };

impl Standing {
    /// After one more day, which alone gives `verdict` with this log e-value; a BUILD beside others is withheld.
    fn next(&mut self, verdict: Verdict, evidence: Option<f64>) {
        if self.alone == Verdict::Collecting {
            self.alone = verdict;
        }
        if self.together == Verdict::Collecting {
            let is_build = verdict == Verdict::Build;
            self.proof = evidence.filter(|_| is_build);
            self.together = if is_build { Verdict::Collecting } else { verdict };
        }
    }
}

/// Gives BUILD to those whose evidence of the day is enough beside all others'.
fn share(standing: &mut [Standing], alpha: f64) {
    let excess: Vec<f64> = standing.iter().map(|one| one.proof.map_or(f64::NAN, |proof| proof + alpha.ln())).collect();
    for at in e_bh(&excess, standing.len(), 1.0) {
        standing[at].together = Verdict::Build;
    }
}

/// 500 visits a day for each concept, days alike and not.
pub(super) fn usual() -> Vec<Portfolio> {
    let bars = Bars { per_day: 500.0, ..RATES[0] };
    let manner = Manner { dispersion: Dispersion::Auto, boundary: Boundary::Daily, min_days: 14, lag: 0, days: DAYS };
    let portfolio = |shape: &Shape| Portfolio {
        name: format!("20 concepts, 2-3 %, 500 visits a day, {}", shape.name),
        policy: manner.policy(&bars),
        good: Campaign { traffic: bars.traffic(Truth::BuildBar), shocks: shape.shocks },
        bad: Campaign { traffic: bars.traffic(Truth::KillBar), shocks: shape.shocks },
    };
    [IDEAL, GAMMA[0]].iter().map(portfolio).collect()
}

/// Runs a portfolio `runs` times.
pub(super) fn measure(portfolio: &Portfolio, runs: u64, seed: u64, progress: &(dyn Fn(u64) + Sync)) -> Said {
    let batches: Vec<Vec<[f64; 4]>> = (0..runs.div_ceil(BATCH))
        .into_par_iter()
        .map(|batch| {
            let numbers = batch * BATCH..((batch + 1) * BATCH).min(runs);
            let shares = numbers.clone().map(|run| run_once(portfolio, seed, run)).collect();
            progress(numbers.end - numbers.start);
            shares
        })
        .collect();
    let share = |which: usize| {
        let sums = batches
            .iter()
            .flatten()
            .fold([0.0; 2], |[sum, squares], shares| [sum + shares[which], squares + shares[which] * shares[which]]);
        mean(sums, runs)
    };
    Said {
        alone: Shared { false_share: share(0), power: share(1) },
        together: Shared { false_share: share(2), power: share(3) },
    }
}

/// False share and power alone, then together.
fn run_once(portfolio: &Portfolio, seed: u64, run: u64) -> [f64; 4] {
    let policy = &portfolio.policy;
    let rule = Rule { policy, arms: 1, arm_budget_cap: None, stop: None, uneven_since: None };
    let length = super::whole(DAYS);
    let mut factors = vec![[1.0; 2]; length];
    let first = cell(&portfolio.name);
    let campaigns: Vec<Vec<Day>> = (0..CONCEPTS)
        .zip(0..)
        .map(|(concept, number)| {
            let mut days = vec![Day::default(); length];
            let campaign = if concept < GOOD { &portfolio.good } else { &portfolio.bad };
            // Runs of one concept are streams of one cell, and concepts are cells.
            campaign.draw(&mut generator(seed, first.wrapping_add(number), run), &mut days, &mut factors);
            days
        })
        .collect();
    let mut settled: Vec<Settled<'_>> = (0..CONCEPTS).map(|_| Settled::new(rule)).collect();
    let mut standing = [BEGUN; CONCEPTS];
    for (at, day) in NaiveDate::default().iter_days().take(length).enumerate() {
        for ((settled, days), standing) in settled.iter_mut().zip(&campaigns).zip(&mut standing) {
            settled.add(&ArmDay {
                day,
                exposures: days[at].exposure,
                conversions: days[at].count,
                control: [0.0; 2],
                spend: 0.0,
                guardrails: Vec::new(),
            });
            let said = settled.assess();
            let (verdict, _) = settled.judge(said.as_ref(), Some(day));
            let evidence = said.map(|said| settled.log_e_value(&said));
            standing.next(verdict, evidence);
        }
        share(&mut standing, policy.alpha);
    }
    let [alone, together] = [
        standing.map(|standing| standing.alone == Verdict::Build),
        standing.map(|standing| standing.together == Verdict::Build),
    ]
    .map(|built| {
        let count = |which: &[bool]| which.iter().filter(|&&built| built).fold(0.0, |sum, _| sum + 1.0);
        let (right, wrong) = (count(&built[..GOOD]), count(&built[GOOD..]));
        [wrong / f64::max(right + wrong, 1.0), right / count(&[true; GOOD])]
    });
    [alone[0], alone[1], together[0], together[1]]
}
