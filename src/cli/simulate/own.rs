//! What one policy does at its own bars: how often it is wrong, what it costs, and what others would have said.

use std::path::Path;
use std::process::ExitCode;

use rayon::prelude::*;
use serde::Serialize;

use super::SimulateArgs;
use crate::app;
use crate::cli::output::{Failure, Output, counted, wrapped};
use crate::cli::replay;
use crate::decide::error_rates::cells::{Bars, Cell, Shape, Truth};
use crate::decide::error_rates::{Measured, Share, measure};
use crate::decide::figures;
use crate::domain::concept::{Dispersion, Model, Policy};
use crate::stats::simulate::{Drift, NullSide, Shocks, Spread};

/// A case of a policy of one's own, measured. Shares are of runs.
#[derive(Serialize)]
struct Case<'a> {
    days: &'a str,
    truth: &'static str,
    build: f64,
    build_error: f64,
    kill: f64,
    kill_error: f64,
    undecided: f64,
    /// Visits or spend until the verdict, of one arm.
    exposure: f64,
    exposure_error: f64,
    /// What any rule with these error rates needs; the rule's own ÷ that.
    least_possible: f64,
    of_least_possible: f64,
    last_day: f64,
    interval_missed: Option<f64>,
    daily_z_test: [f64; 2],
    daily_posterior: [f64; 2],
    runs: u64,
    seed: u64,
}

pub(super) fn run(args: &SimulateArgs, config: &Path, output: &Output) -> Result<ExitCode, Failure> {
    let (policy, arms) = policy(args, config, output)?;
    let bars = Bars {
        model: policy.model,
        kill: policy.kill_bar,
        build: policy.build_bar,
        per_day: args.visits_per_day,
        base: args.base_rate,
    };
    let cells = cells(&policy, arms, &bars, args.cv);
    let total = args.runs.saturating_mul(u64::try_from(cells.len()).unwrap_or(u64::MAX));
    let bar = output.progress(total, "simulating");
    let measured: Vec<Measured> =
        cells.par_iter().map(|(_, cell)| measure(&cell.trial(), args.runs, args.seed, &|more| bar.inc(more))).collect();
    bar.finish_and_clear();
    output.say(&introduction(args, &policy));
    let mut shown = "";
    for ((shape, cell), measured) in cells.iter().zip(&measured) {
        if shape.name != shown {
            output.say(&format!("\n{}", shape.name));
            shown = shape.name;
        }
        let case = case(args, shape, cell, measured);
        output.show(&case, || text(&case, &policy));
    }
    Ok(ExitCode::SUCCESS)
}

/// The policy asked for, and how many arms share its alpha.
fn policy(args: &SimulateArgs, config: &Path, output: &Output) -> Result<(Policy, u32), Failure> {
    if let Some(path) = &args.policy {
        let (policy, warnings) = replay::policy_of(path)?;
        for warning in warnings {
            output.note(&format!("warning: {warning}"));
        }
        return Ok((policy, 1));
    }
    let wanted = args.concept.as_deref().unwrap_or_default();
    let registry = app::registry_of(config)?;
    let loaded = app::load_config(config, &registry)?;
    let experiments = &loaded.config.experiments;
    let Some(experiment) = experiments.iter().find(|experiment| experiment.concept.id.as_str() == wanted) else {
        let known: Vec<&str> = experiments.iter().map(|experiment| experiment.concept.id.as_str()).collect();
        return Err(Failure::usage(format!("there is no [experiment.{wanted}]; there are: {}", known.join(", "))));
    };
    let arms = experiment.arms.iter().filter(|arm| !arm.control).count();
    Ok((experiment.policy.clone(), u32::try_from(arms).unwrap_or(u32::MAX)))
}

/// Four kinds of days, three truths each.
fn cells(policy: &Policy, arms: u32, bars: &Bars, cv: f64) -> Vec<(Shape, Cell)> {
    let shape = |name, spread, weekdays, drift| Shape { name, shocks: Shocks { spread, weekdays, drift, own: 0.0 } };
    let persistent = Spread::Persistent { variation: cv, correlation: 0.5 };
    let falling = Drift::Trend { per_day: -0.01, side: NullSide::AtMost };
    let shapes = [
        shape("Days that differ by chance alone", Spread::None, false, Drift::None),
        shape("Days that differ, each for itself, and weekdays", Spread::Gamma(cv), true, Drift::None),
        shape("Days that differ, a bad one often followed by another", persistent, true, Drift::None),
        shape("A rate that falls by 1 % a day, and days that differ", Spread::Gamma(cv), false, falling),
    ];
    let truths = [Truth::KillBar, Truth::Middle, Truth::BuildBar];
    let cell = |shape: Shape| {
        truths.map(|truth| {
            let mut cell = Cell { arms, ..bars.cell(policy.clone(), "your policy", &shape, truth) };
            cell.watch.peers = true;
            cell.watch.interval = shape.shocks.drift == Drift::None && policy.model != Model::Compare;
            (shape, cell)
        })
    };
    shapes.into_iter().flat_map(cell).collect()
}

fn case<'a>(args: &SimulateArgs, shape: &'a Shape, cell: &Cell, measured: &Measured) -> Case<'a> {
    let Measured { verdicts, exposure, .. } = *measured;
    let pair = |verdicts: crate::decide::error_rates::Verdicts| [verdicts.build.value(), verdicts.kill.value()];
    Case {
        days: shape.name,
        truth: match cell.truth {
            Truth::KillBar => "at the kill bar",
            Truth::Middle => "between the bars",
            Truth::BuildBar => "at the build bar",
        },
        build: verdicts.build.value(),
        build_error: verdicts.build.error(),
        kill: verdicts.kill.value(),
        kill_error: verdicts.kill.error(),
        undecided: verdicts.undecided().value(),
        exposure: exposure.value,
        exposure_error: exposure.error,
        least_possible: cell.bound,
        of_least_possible: exposure.value / cell.bound,
        last_day: measured.days.value,
        interval_missed: cell.watch.interval.then(|| Share::value(&measured.missed)),
        daily_z_test: pair(measured.fixed_horizon),
        daily_posterior: pair(measured.posterior),
        runs: args.runs,
        seed: args.seed,
    }
}

fn introduction(args: &SimulateArgs, policy: &Policy) -> String {
    let unit = match policy.model {
        Model::Rate => "visits a day",
        Model::Cpa => "a day spent",
        Model::Compare => "visits a day for both arms",
    };
    let noise = match policy.dispersion {
        Dispersion::Auto => "estimated, persisting days allowed for".to_owned(),
        Dispersion::Independent => "estimated, days taken as independent".to_owned(),
        Dispersion::None => "not paid for".to_owned(),
        Dispersion::Known(phi) => format!("a known factor of {phi}"),
    };
    wrapped(
        &format!(
            "Kill bar {}, build bar {}, {} {unit}, day noise {noise}. {} for each line, seed {}. Behind ± stands the \
             standard error.",
            policy.kill_bar,
            policy.build_bar,
            figures::count(args.visits_per_day),
            counted(args.runs, "simulated campaign"),
            args.seed
        ),
        0,
    )
}

fn text(case: &Case<'_>, policy: &Policy) -> String {
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let wrong = |is: bool| if is { " (wrong)" } else { "" };
    let unit = if policy.model == Model::Cpa { "spent" } else { "visits" };
    let missed = case.interval_missed.map(|share| format!("; range missed the truth in {}", percent(share)));
    let first = format!(
        "  Truth {}: BUILD {} ± {:.1}{}, KILL {} ± {:.1}{}, neither {}; {} {unit} until then, {:.2} times the least \
         possible{}.",
        case.truth,
        percent(case.build),
        case.build_error * 100.0,
        wrong(case.truth == "at the kill bar"),
        percent(case.kill),
        case.kill_error * 100.0,
        wrong(case.truth == "at the build bar"),
        percent(case.undecided),
        figures::count(case.exposure.round()),
        case.of_least_possible,
        missed.unwrap_or_default(),
    );
    let [z, posterior] = [case.daily_z_test, case.daily_posterior].map(|[build, kill]| match case.truth {
        "at the kill bar" => format!("BUILD {}", percent(build)),
        "at the build bar" => format!("KILL {}", percent(kill)),
        _ => format!("BUILD {}, KILL {}", percent(build), percent(kill)),
    });
    let others = format!("    Looked at daily, a z test would say {z}; a posterior rule {posterior}.");
    format!("{}\n{}", wrapped(&first, 4), wrapped(&others, 4))
}
