//! How often the rule is wrong when the truth sits on a bar: seeded campaigns, looked at every day.

use chrono::{Days, NaiveDate};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use rand_distr::{Binomial, Distribution, Gamma};
use willitsell::decide::judge::{ArmDay, Look, Rule, looks};
use willitsell::domain::concept::{Dispersion, Policy};
use willitsell::domain::verdict::Verdict;

use super::first_day;

const KILL_BAR: f64 = 0.02;
const BUILD_BAR: f64 = 0.03;
const DAYS: u64 = 60;

/// No day noise, looked at once a day from the first day on.
fn policy(maturity_lag_days: u32) -> Policy {
    Policy {
        kill_bar: KILL_BAR,
        build_bar: BUILD_BAR,
        min_days: 1,
        min_exposures: 0,
        min_conversions: 0,
        maturity_lag_days,
        horizon_days: 1_000,
        dispersion: Dispersion::None,
        ..crate::decide::policy()
    }
}

fn day(number: u64) -> NaiveDate {
    first_day() + Days::new(number)
}

/// About 200 visits a day, their number varying by a fifth, each converting at `rate`.
fn campaign(rate: f64, rng: &mut ChaCha8Rng) -> Vec<ArmDay> {
    let traffic = Gamma::<f64>::new(25.0, 8.0).unwrap();
    (0..DAYS)
        .map(|number| {
            let visits = f64::max(traffic.sample(rng), 1.0).round();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few hundred visits")]
            let acts = Binomial::new(visits as u64, rate).unwrap().sample(rng);
            ArmDay {
                day: day(number),
                exposures: visits,
                conversions: f64::from(u32::try_from(acts).unwrap()),
                control: [0.0; 2],
                spend: 0.0,
                guardrails: Vec::new(),
            }
        })
        .collect()
}

/// Three Monte-Carlo standard errors of a share of 0.05.
fn margin(runs: u32) -> f64 {
    3.0 * (0.05 * 0.95 / f64::from(runs)).sqrt()
}

#[test]
fn wrong_verdicts_at_the_bars_stay_within_alpha_and_beta_and_cost_what_wald_says() {
    const RUNS: u32 = 3_000;
    let policy = policy(0);
    let rule = Rule { policy: &policy, arms: 1, arm_budget_cap: None, stop: None, uneven_since: None };
    // Expected visits at each bar, section 12 of the statistics design.
    for (truth, wrong, bound) in [(KILL_BAR, Verdict::Build, 1_364.5), (BUILD_BAR, Verdict::Kill, 1_196.3)] {
        let mut rng = ChaCha8Rng::seed_from_u64(20_260_301);
        let (mut errors, mut visits) = (0, 0.0);
        for _ in 0..RUNS {
            let looks = looks(&rule, &campaign(truth, &mut rng), day(0), day(DAYS - 1));
            let end: &Look = looks.iter().find(|look| look.since.is_some()).or(looks.last()).unwrap();
            errors += u32::from(end.verdict == wrong);
            visits += end.evidence.trials;
        }
        let (share, cost) = (f64::from(errors) / f64::from(RUNS), visits / f64::from(RUNS) / bound);
        println!("truth {truth}: wrong {wrong} in {share:.4} of {RUNS} runs, visits {cost:.3} of the bound");
        assert!(share <= 0.05 + margin(RUNS), "{wrong} at {truth}: {share}");
        assert!(share >= 0.02, "{wrong} at {truth}: {share} is too good to be this test");
        assert!(cost <= 1.15, "{cost} of the bound");
    }
}

/// What is known on day `today`: 60 % of a day's acts arrive on the day, 25 % and 15 % on the next two.
fn known_on(today: u64, campaign: &[ArmDay], late: &[[f64; 3]]) -> Vec<ArmDay> {
    let seen = (0..=today).zip(campaign).zip(late);
    seen.map(|((number, day), late)| {
        let arrived = usize::try_from(today - number).unwrap().min(2);
        ArmDay { conversions: late[..=arrived].iter().sum(), ..day.clone() }
    })
    .collect()
}

#[test]
fn d3_late_conversions_kill_nothing_once_days_must_settle() {
    const RUNS: u32 = 1_000;
    let wrong_kills = |lag: u32| {
        let policy = policy(lag);
        let rule = Rule { policy: &policy, arms: 1, arm_budget_cap: None, stop: None, uneven_since: None };
        let mut rng = ChaCha8Rng::seed_from_u64(60_25_15);
        let killed = (0..RUNS).filter(|_| {
            let campaign = campaign(BUILD_BAR, &mut rng);
            let late: Vec<[f64; 3]> = campaign.iter().map(|day| delays(day.conversions, &mut rng)).collect();
            let verdict = |today: u64| {
                let known = known_on(today, &campaign, &late);
                looks(&rule, &known, day(today), day(today)).remove(0).verdict
            };
            (0..DAYS).map(verdict).find(|verdict| verdict.is_terminal()) == Some(Verdict::Kill)
        });
        f64::from(u32::try_from(killed.count()).unwrap()) / f64::from(RUNS)
    };
    let (at_once, settled) = (wrong_kills(0), wrong_kills(2));
    println!("wrong KILL at the build bar: {at_once:.3} at once, {settled:.3} with a lag of two days");
    assert!(settled <= 0.05 + margin(RUNS), "{settled}");
    assert!(at_once > 0.08, "{at_once}: without a lag late conversions should have looked like a bad concept");
}

/// Splits a day's acts by when they are reported.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a few dozen acts")]
fn delays(acts: f64, rng: &mut ChaCha8Rng) -> [f64; 3] {
    let part = |of: f64, share: f64, rng: &mut ChaCha8Rng| {
        f64::from(u32::try_from(Binomial::new(of as u64, share).unwrap().sample(rng)).unwrap())
    };
    let at_once = part(acts, 0.60, rng);
    let next_day = part(acts - at_once, 0.25 / 0.40, rng);
    [at_once, next_day, acts - at_once - next_day]
}
