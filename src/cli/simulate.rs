//! `simulate`: the proof of the error rates, or what a policy of one's own would do. Prints tables; what is tried and
//! measured stands in `decide::error_rates`.

mod own;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::output::{Failure, Output, counted, wrapped};
use crate::decide::error_rates::table::{Beside, Holds, Line, ROWS, Row, row, table, total_runs};

/// Enough to see an error rate of 0.05 to within 0.005, in a minute or two on two cores.
const RUNS: u64 = 2_000;
const SEED: u64 = 20_261_122;
/// The column at which what belongs to a requirement begins.
const UNDER: usize = 7;

/// Arguments of `simulate`.
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// Try the policy of this experiment of the configuration, at its own bars, instead of printing the table.
    #[arg(conflicts_with_all = ["policy", "row"])]
    concept: Option<String>,
    /// Try this policy, as JSON with the keys that `replay --policy` takes, instead of printing the table.
    #[arg(long, value_name = "FILE", conflicts_with = "row")]
    policy: Option<PathBuf>,
    /// Only these rows of the table: 1 to 9, 4b, 4c, 5b, 5c, 5d, or D10 (six months of daily looks).
    #[arg(long, value_name = "ROW")]
    row: Vec<String>,
    /// Simulated campaigns for each case; 10000 is the full size.
    #[arg(long, value_name = "NUMBER", default_value_t = RUNS, value_parser = clap::value_parser!(u64).range(1..=10_000_000))]
    runs: u64,
    /// Where chance begins: the same seed gives the same figures.
    #[arg(long, value_name = "NUMBER", default_value_t = SEED)]
    seed: u64,
    /// With a policy: visits a day (of both arms, where two are compared), or spend a day where a cost decides.
    #[arg(long, value_name = "NUMBER", default_value_t = 200.0, value_parser = positive)]
    visits_per_day: f64,
    /// With a policy: how much the true rate varies from day to day, as a share of it.
    #[arg(long, value_name = "SHARE", default_value_t = 0.2, value_parser = variation)]
    cv: f64,
    /// With a policy that compares: the share of the control's visits that convert.
    #[arg(long, value_name = "SHARE", default_value_t = 0.03, value_parser = share)]
    base_rate: f64,
}

fn number(text: &str, wanted: &str, is_right: impl Fn(f64) -> bool) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(number) if is_right(number) => Ok(number),
        _ => Err(format!("write {wanted}")),
    }
}

fn positive(text: &str) -> Result<f64, String> {
    number(text, "a number from 1 to 10000000", |number| (1.0..=1e7).contains(&number))
}

fn variation(text: &str) -> Result<f64, String> {
    number(text, "a number above 0 and up to 1, such as 0.2", |number| number > 0.0 && number <= 1.0)
}

fn share(text: &str) -> Result<f64, String> {
    number(text, "a number above 0 and below 1, such as 0.03", |number| number > 0.0 && number < 1.0)
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Printed<'a> {
    Requirement(&'a Line),
    Beside(&'a Beside),
}

/// Prints the table, or what a policy does.
///
/// # Errors
/// When a row or a concept is not known, or a policy is wrong; nothing has been simulated then.
pub fn run(args: &SimulateArgs, config: &Path, output: &Output) -> Result<ExitCode, Failure> {
    if args.concept.is_some() || args.policy.is_some() {
        return own::run(args, config, output);
    }
    let rows = rows(&args.row)?;
    let total = total_runs(&rows, args.runs);
    let bar = output.progress(total, "simulating");
    let (lines, beside) = table(&rows, args.runs, args.seed, &|more| bar.inc(more));
    bar.finish_and_clear();
    output.say(&wrapped(
        &format!(
            "Simulated campaigns whose truth is known, {} for each case, seed {}. Each line shows the worst case. \
             Behind ± stands the standard error that comes with so many runs; \"within error\" is above its limit by at \
             most three of them.\n",
            counted(args.runs, "campaign"),
            args.seed
        ),
        0,
    ));
    for row in &rows {
        let of_row: Vec<&Line> = lines.iter().filter(|line| line.row == row.number).collect();
        if let Some(first) = of_row.first() {
            output.say(&format!("{:<5}{}", first.row, first.configuration));
        }
        for line in of_row {
            output.show(&Printed::Requirement(line), || requirement(line));
        }
        for beside in beside.iter().filter(|beside| beside.row == row.number) {
            output.show(&Printed::Beside(beside), || {
                let Beside { rule, quantity, least, most, .. } = beside;
                format!("       beside it: {rule}: {quantity} {least:.3} to {most:.3}")
            });
        }
    }
    let broken = lines.iter().filter(|line| line.holds == Holds::No).count();
    if broken == 0 {
        output.say("\nEvery requirement holds.");
        return Ok(ExitCode::SUCCESS);
    }
    let broken = counted(u64::try_from(broken).unwrap_or(u64::MAX), "requirement");
    Err(Failure::general(format!("{broken} missed by more than chance explains: see \"NO\" above")))
}

fn rows(wanted: &[String]) -> Result<Vec<Row>, Failure> {
    if wanted.is_empty() {
        return Ok(ROWS.iter().filter(|&&number| number != "D10").filter_map(|number| row(number)).collect());
    }
    let unknown = |number: &String| Failure::usage(format!("--row {number}: there are {}", ROWS.join(", ")));
    wanted.iter().map(|number| row(number).ok_or_else(|| unknown(number))).collect()
}

fn requirement(line: &Line) -> String {
    let holds = match line.holds {
        Holds::Yes => "yes",
        Holds::WithinError => "within error",
        Holds::No => "NO",
    };
    let measured = format!("{:.4} ± {:.4}", line.measured, line.error);
    let requirement = format!("{} at most {}", line.quantity, line.at_most);
    let cells = u64::try_from(line.cells).unwrap_or(u64::MAX);
    let worst = format!("       worst of {}: {}", counted(cells, "case"), line.worst_cell);
    format!("     {requirement:<46}{measured:>18}   {holds}\n{}", wrapped(&worst, UNDER))
}
