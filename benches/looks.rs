//! Looks per second of each model, on one thread: a look is one more settled day, the verdict of that day and the range
//! that goes with it, through `judge::Settled`, as the simulator and every verdict take it. Beside it, in the same
//! run and in turns, a loop written by hand for that model alone: the same formulas on plain numbers, no policy, no
//! guardrail, no flag, no residual that does not enter the verdict.
//!
//! ```sh
//! cargo bench --bench looks            # campaigns of 60 days
//! cargo bench --bench looks -- 200     # or of so many
//! ```
//! On a loaded machine with 2 cores, in million looks a second, ours and by hand: with noise estimated (`auto`) rate 5.0
//! and 6.6, cpa 18.6 and 27.4, compare 0.44 and 0.48; with none rate 16.4 and 34.8, cpa 24.4 and 83.2, compare 0.48 and
//! 0.45. A comparison goes through all days at every look, so it slows down as they grow.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark that cannot go on should say where")]

use std::hint::black_box;
use std::time::Instant;

use chrono::{Days, NaiveDate};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use willitsell::decide::judge::{ArmDay, Rule, Settled};
use willitsell::domain::concept::{Boundary, Dispersion, Model, Multiplicity, Policy, Rate};
use willitsell::domain::metric::MetricId;
use willitsell::domain::verdict::Verdict;

mod looks {
    pub mod by_hand;
}
use looks::by_hand::{Compare, Counts, Loop};

/// Different campaigns, so that no branch is learnt by heart.
const CAMPAIGNS: u64 = 50;
const ROUNDS: usize = 5;
/// A side runs at least this long in each round, in seconds.
const LEAST: f64 = 0.4;

fn policy(model: Model, dispersion: Dispersion) -> Policy {
    let (kill_bar, build_bar) = match model {
        Model::Rate => (0.02, 0.03),
        Model::Cpa => (30.0, 20.0),
        Model::Compare => (1.0, 1.2),
    };
    Policy {
        primary: Rate { name: "signup".to_owned(), numerator: MetricId::SIGNUPS, denominator: MetricId::CLICKS },
        kill_bar,
        build_bar,
        alpha: 0.05,
        beta: 0.05,
        min_days: 14,
        min_exposures: 300,
        min_conversions: 10,
        maturity_lag_days: 3,
        horizon_days: 10_000,
        budget_cap: None,
        dispersion,
        boundary: Boundary::Daily,
        multiplicity: Multiplicity::Bonferroni,
        guardrails: Vec::new(),
        guardrail_alpha: 0.05,
        model,
        bar_currency: None,
        srm: None,
        icp: vec![],
    }
}

/// One campaign: 40 to 200 visits (or so much money) a day and arm, in the middle between the bars.
fn campaign(model: Model, days: u64, seed: u64) -> Vec<ArmDay> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut acts = |exposures: f64, rate: f64| (exposures * rate * random.random_range(0.2..1.8)).round();
    let mut sizes = ChaCha8Rng::seed_from_u64(seed ^ 0xdead);
    (0..days)
        .map(|number| {
            let [mine, other] = [(); 2].map(|()| f64::from(sizes.random_range(40..200_u32)));
            let (exposures, conversions, control) = match model {
                Model::Rate => (mine, acts(mine, 0.025), [0.0; 2]),
                Model::Cpa => (mine, acts(mine, 1.0 / 25.0), [0.0; 2]),
                Model::Compare => (mine, acts(mine, 0.11), [acts(other, 0.1), other]),
            };
            ArmDay {
                day: NaiveDate::default() + Days::new(number),
                exposures,
                conversions,
                control,
                spend: mine,
                guardrails: Vec::new(),
            }
        })
        .collect()
}

/// Every look of every campaign; how many spoke, and the sum of the ranges' ends that exist.
fn ours(settled: &mut Settled<'_>, campaigns: &[Vec<ArmDay>]) -> (u64, f64) {
    let (mut spoke, mut ends) = (0, 0.0);
    for days in campaigns {
        settled.clear();
        for day in days {
            settled.add(day);
            let said = settled.assess();
            let (verdict, _) = settled.judge(said.as_ref(), Some(day.day));
            spoke += u64::from(matches!(verdict, Verdict::Build | Verdict::Kill));
            let (low, high) = settled.interval(&said.unwrap());
            ends += [low, high].into_iter().filter(|end| end.is_finite()).sum::<f64>();
        }
    }
    (spoke, ends)
}

fn by_hand<L: Loop>(start: &L, campaigns: &[Vec<ArmDay>]) -> (u64, f64) {
    let (mut spoke, mut ends) = (0, 0.0);
    let mut running = start.clone();
    for days in campaigns {
        running.clear();
        for (number, day) in (1..).zip(days) {
            let (decided, low, high) = running.look(number, day);
            spoke += u64::from(decided);
            ends += [low, high].into_iter().filter(|end| end.is_finite()).sum::<f64>();
        }
    }
    (spoke, ends)
}

/// Nanoseconds a look takes.
fn timed(looks: f64, mut side: impl FnMut() -> (u64, f64)) -> f64 {
    let (began, mut passes) = (Instant::now(), 0.0);
    while began.elapsed().as_secs_f64() < LEAST {
        black_box(side());
        passes += 1.0;
    }
    began.elapsed().as_secs_f64() * 1e9 / (passes * looks)
}

fn compare<L: Loop>(name: &str, policy: &Policy, days: u64, start: &L) {
    let campaigns: Vec<_> = (0..CAMPAIGNS).map(|seed| campaign(policy.model, days, seed)).collect();
    let rule = Rule { policy, arms: 1, arm_budget_cap: None, stop: None, uneven_since: None };
    let mut settled = Settled::new(rule);
    let (mine, theirs) = (ours(&mut settled, &campaigns), by_hand(start, &campaigns));
    assert_eq!(mine.0, theirs.0, "{name}: the loop by hand says the same verdicts");
    assert!((mine.1 - theirs.1).abs() <= 1e-6 * theirs.1, "{name}: {mine:?} and by hand {theirs:?}");
    #[expect(clippy::cast_precision_loss, reason = "thousands of looks")]
    let looks = (CAMPAIGNS * days) as f64;
    let mut times: Vec<[f64; 2]> = (0..ROUNDS)
        .map(|_| [timed(looks, || ours(&mut settled, &campaigns)), timed(looks, || by_hand(start, &campaigns))])
        .collect();
    times.sort_by(|one, other| (one[0] / one[1]).total_cmp(&(other[0] / other[1])));
    let [mine, theirs] = times[ROUNDS / 2];
    println!(
        "{name:22} {:>6.2} million looks/s ({mine:.0} ns), by hand {:>6.2} ({theirs:.0} ns), ratio {:.2}",
        1e3 / mine,
        1e3 / theirs,
        mine / theirs
    );
}

fn main() {
    let days = std::env::args().skip(1).find_map(|arg| arg.parse().ok()).unwrap_or(60);
    println!("campaigns of {days} days");
    for (name, dispersion, auto) in [("auto", Dispersion::Auto, true), ("none", Dispersion::None, false)] {
        let rate = Counts::rate(0.02, 0.03, auto);
        compare(&format!("rate, {name}"), &policy(Model::Rate, dispersion), days, &rate);
        let cpa = Counts::cpa(30.0, 20.0, auto);
        compare(&format!("cpa, {name}"), &policy(Model::Cpa, dispersion), days, &cpa);
        let pair = Compare::new(1.0, 1.2, auto);
        compare(&format!("compare, {name}"), &policy(Model::Compare, dispersion), days, &pair);
    }
}
