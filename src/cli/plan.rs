//! `plan`: what a test will take before it begins, and how likely it gives which verdict. Gathers the question from
//! flags, configuration and store; what follows from it is `decide::plan`, what it prints `text`.

mod ask;
mod text;

use std::path::Path;
use std::process::ExitCode;

use clap::{Args, ValueEnum};
use serde::Serialize;

use self::ask::Asked;
use super::output::{Failure, Output};
use crate::decide::plan::chances::{Chance, chances};
use crate::decide::plan::history::History;
use crate::decide::plan::published::{self, PublishedAct, PublishedPrice};
use crate::decide::plan::{Plan, plan};
use crate::domain::concept::Model;
use crate::domain::money::Money;

/// Arguments of `plan`.
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// A concept of the configuration: its bars, arms and limits, and what the store knows of prices and days. What is
    /// given below goes before them.
    concept: Option<String>,
    /// What the bars are of [default: rate].
    #[arg(long, value_enum)]
    model: Option<ModelName>,
    /// Break-even: a rate such as 0.02 or 2%. For cpa, the most an act may cost; for compare, a ratio [default there: 1].
    #[arg(long, value_name = "BAR", value_parser = number)]
    kill_bar: Option<f64>,
    /// Worth building for [default: 1.5 times the kill bar; for cpa the kill bar ÷ 1.5; for compare 1.2].
    #[arg(long, value_name = "BAR", value_parser = number)]
    build_bar: Option<f64>,
    /// Take published bars for a deciding act: email, verified, qualified, demo, card or deposit.
    #[arg(long, value_name = "ACT", conflicts_with_all = ["kill_bar", "concept"])]
    act: Option<String>,
    /// For compare: the rate of the offer you already have.
    #[arg(long, value_name = "RATE", value_parser = number)]
    base_rate: Option<f64>,
    /// What a click costs.
    #[arg(long, value_name = "AMOUNT")]
    cpc: Option<String>,
    /// Share of clicks that arrive on the page [default: your own, else 0.9].
    #[arg(long, value_name = "SHARE", value_parser = number)]
    visit_rate: Option<f64>,
    /// What the ads spend a day, all arms together.
    #[arg(long, value_name = "AMOUNT")]
    daily_budget: Option<String>,
    /// The most the test may cost [default: the concept's cap, else none].
    #[arg(long, value_name = "AMOUNT")]
    budget: Option<String>,
    /// What the amounts are in [default: the concept's, else USD].
    #[arg(long, value_name = "CODE")]
    currency: Option<String>,
    /// The most days the test may count [default: 60].
    #[arg(long, value_name = "DAYS", value_parser = clap::value_parser!(u32).range(1..=3650))]
    horizon_days: Option<u32>,
    /// Chance of BUILD at the kill bar [default: 0.05].
    #[arg(long, value_name = "CHANCE", value_parser = number)]
    alpha: Option<f64>,
    /// Chance of KILL at the build bar [default: 0.05].
    #[arg(long, value_name = "CHANCE", value_parser = number)]
    beta: Option<f64>,
    /// Versions tested side by side; for compare, without the offer you already have [default: 1].
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..=100))]
    arms: Option<u32>,
    /// How day noise is paid for: auto, independent, none, or a number from 1 [default: auto].
    #[arg(long, value_name = "HOW")]
    dispersion: Option<String>,
    /// How much the true rate differs from day to day, as a share of it [default: your own, else 0.2].
    #[arg(long, value_name = "SHARE", value_parser = number)]
    variation: Option<f64>,
    /// Simulated tests for each truth.
    #[arg(long, value_name = "COUNT", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    runs: u64,
    /// Begins the simulated tests; the same seed gives the same table.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

/// What the bars are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ModelName {
    /// Acts per visitor.
    Rate,
    /// Money per act.
    Cpa,
    /// Against an offer you already have.
    Compare,
}

/// Everything printed.
#[derive(Serialize)]
struct Planned<'a> {
    concept: Option<&'a str>,
    model: Model,
    base_rate: Option<f64>,
    kill_bar: f64,
    build_bar: f64,
    daily_budget: Money,
    visitors_per_day: Option<f64>,
    variation: f64,
    history: Option<History>,
    #[serde(flatten)]
    plan: &'a Plan,
    fits: bool,
    chances: &'a [Chance],
    runs: u64,
    worth: Option<Worth>,
    assumptions: &'a [String],
}

/// What the answer is worth, where the concept's money inputs say.
#[derive(Clone, Copy, Debug, Serialize)]
struct Worth {
    /// What following the test is worth beyond doing without it.
    information: Money,
    /// The most a test should cost: the smaller of a tenth of the build cost and half of the above.
    spend_cap: Option<Money>,
}

#[derive(Serialize)]
struct Published {
    acts: &'static [PublishedAct],
    prices: &'static [PublishedPrice],
}

/// Plans a test, or shows published rates where there are no bars to plan between.
///
/// # Errors
/// What is missing or means nothing, with what to write. A plan that does not fit is printed, and ends with code 1.
pub async fn run(args: &PlanArgs, config: &Path, output: &Output) -> Result<ExitCode, Failure> {
    if args.concept.is_none() && args.kill_bar.is_none() && args.act.is_none() && args.model.is_none() {
        let published = Published { acts: &published::ACTS, prices: &published::PRICES };
        output.show(&published, text::published);
        return Ok(ExitCode::SUCCESS);
    }
    let asked = Asked::of(args, config).await?;
    let question = &asked.question;
    let found = plan(question);
    let bar = output.progress(question.truths().iter().map(|_| args.runs).sum(), "simulated tests");
    let chances = chances(question, args.runs, args.seed, &|more| bar.inc(more));
    bar.finish_and_clear();
    let worth = worth(&asked, &chances);
    let by_visitors = !matches!(question.policy.model, Model::Cpa);
    let planned = Planned {
        concept: args.concept.as_deref(),
        model: question.policy.model,
        base_rate: (question.policy.model == Model::Compare).then_some(question.base_rate),
        kill_bar: question.policy.kill_bar,
        build_bar: question.policy.build_bar,
        daily_budget: question.daily_budget,
        visitors_per_day: by_visitors.then_some(question.visitors_per_day),
        variation: question.variation,
        history: asked.history,
        plan: &found,
        fits: found.misfits.is_empty(),
        chances: &chances,
        runs: args.runs,
        worth,
        assumptions: &asked.assumptions,
    };
    output.show(&planned, || text::planned(&asked, &planned));
    Ok(if planned.fits { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// With the simulated chances: of BUILD where it sells (at the build bar) and where it does not (at the kill bar).
fn worth(asked: &Asked, chances: &[Chance]) -> Option<Worth> {
    let policy = &asked.question.policy;
    let money = asked.money.as_ref()?;
    let build_at = |bar: f64| {
        let nearest = |one: &&Chance, other: &&Chance| (one.truth - bar).abs().total_cmp(&(other.truth - bar).abs());
        Some(chances.iter().min_by(nearest)?.build)
    };
    let information = money.value_of_information(build_at(policy.kill_bar)?, 1.0 - build_at(policy.build_bar)?)?;
    Some(Worth { information, spend_cap: money.spend_cap(policy.alpha, policy.beta) })
}

/// `0.02` or `2%`.
fn number(text: &str) -> Result<f64, String> {
    let (digits, unit) = text.trim().strip_suffix('%').map_or((text.trim(), 1.0), |digits| (digits.trim_end(), 100.0));
    match digits.parse::<f64>() {
        Ok(value) if value.is_finite() && value >= 0.0 => Ok(value / unit),
        _ => Err("write a plain number such as 0.02, or 2%".to_owned()),
    }
}
