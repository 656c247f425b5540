//! `replay CONCEPT`: every stored verdict derived again (see `stored.rs`). `replay --counts`: a policy over recorded
//! counts. Reads both files whole, judges every arm on every as-of day, and gives the lines to print. Applies the verdict
//! rule alone: no health gates, so never BLOCKED. Prints nothing itself, so that bad input leaves nothing half said.

mod counts;
mod policy;
pub mod stored;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrono::{Days, NaiveDate};
use clap::Args;
use serde::Serialize;
use thiserror::Error;

use super::output::{Failure, Output};
use crate::decide::figures;
use crate::decide::judge::{self, Look, Rule};
use crate::domain::concept::{Model, Policy};
use crate::domain::verdict::{Flag, Lean, Reason, Verdict};

/// Arguments of `replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Derive every stored verdict on this concept again, from what was known on its day, and compare bit for bit.
    #[arg(required_unless_present = "counts", conflicts_with = "counts")]
    concept: Option<String>,
    /// Daily counts: CSV with day, arm and any of impressions, clicks, visits, conversions, spend. A rate and a
    /// comparison need visits and conversions, a cost per conversion needs spend and conversions.
    #[arg(long, value_name = "FILE", requires = "policy")]
    counts: Option<PathBuf>,
    /// The policy, as JSON with the keys of `[experiment.KEY.policy]`, for example `{"kill_bar": 0.02}`,
    /// `{"metric": "cpa", "kill_bar": 30}` or `{"metric": "compare", "control": "old page"}`.
    #[arg(long, value_name = "FILE", requires = "counts")]
    policy: Option<PathBuf>,
}

/// Derives stored verdicts again; or applies the policy and prints a line per as-of day and arm, then one for the concept.
///
/// # Errors
/// What is wrong with either file, before anything is printed; of stored verdicts, when one cannot be derived again.
pub async fn run(args: &ReplayArgs, path: &Path, output: &Output) -> Result<ExitCode, Failure> {
    if let Some(concept) = &args.concept {
        return stored::run(concept, path, output).await;
    }
    let (Some(csv), Some(policy)) = (&args.counts, &args.policy) else {
        return Err(Failure::usage("name a concept, or both --counts FILE and --policy FILE"));
    };
    let replay = counts(csv, policy).map_err(|error| Failure::usage(error.to_string()))?;
    for warning in &replay.warnings {
        output.note(&format!("warning: {warning}"));
    }
    for line in &replay.lines {
        output.show(line, || sentence(line, replay.model));
    }
    Ok(ExitCode::SUCCESS)
}

fn sentence(line: &Line, model: Model) -> String {
    let reason = line.reason.as_deref().map(|reason| format!(" ({reason})")).unwrap_or_default();
    let counts = match (line.successes, line.trials) {
        (Some(successes), Some(trials)) => {
            let (successes, trials) = (figures::count(successes), figures::count(trials));
            let between = if model == Model::Cpa { "for" } else { "of" };
            format!("  {successes} {between} {trials}{}", range(line, model))
        }
        _ => String::new(),
    };
    format!("{}  {:<12} {}{reason}{counts}", line.day, line.arm, line.verdict)
}

/// ` (0.69%, range 0.29 to 1.21%)`, as far as there is one; of a cost ` (24.39 each, range 16.25 to 39.28)`, of a
/// comparison ` (1.46 times the control, range 0.43 to 7.31)`.
fn range(line: &Line, model: Model) -> String {
    let (unit, per, what) = match model {
        Model::Rate => (100.0, "%", ""),
        Model::Cpa => (1.0, "", " each"),
        Model::Compare => (1.0, "", " times the control"),
    };
    let print = |value: Option<f64>| value.map(|value| format!("{:.2}", value * unit));
    let range = match (print(line.low), print(line.high)) {
        (Some(low), Some(high)) => Some(format!("range {low} to {high}{per}")),
        (Some(low), None) if model != Model::Rate => Some(format!("range from {low}, unbounded")),
        _ => None,
    };
    let estimate = print(line.estimate).map(|estimate| format!("{estimate}{per}{what}"));
    let said: Vec<String> = estimate.into_iter().chain(range.filter(|_| line.days > Some(0))).collect();
    if said.is_empty() { String::new() } else { format!(" ({})", said.join(", ")) }
}

/// What a replay gives: the lines for standard output, and what a careful reader is told beside them.
#[derive(Debug, PartialEq)]
pub struct Replay {
    /// One per as-of day and arm, and one per as-of day for the concept.
    pub lines: Vec<Line>,
    /// Settings that are allowed and unwise, a sentence each.
    pub warnings: Vec<String>,
    /// Which question was asked: what the numbers of a line are.
    pub model: Model,
}

/// Where one arm, or the concept, stands on one as-of day. Fields are printed in this order.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Line {
    /// The as-of day.
    pub day: NaiveDate,
    /// The arm; `*` for the concept, whose numbers are all absent.
    pub arm: String,
    /// Of the latching day, once there is one.
    pub verdict: Verdict,
    /// `None` for BUILD and KILL.
    pub reason: Option<String>,
    /// With `cap_reached` only, and where anything was counted.
    pub lean: Option<Lean>,
    /// Active settled days.
    pub days: Option<u32>,
    /// Visits of those days; under `cpa` their spend.
    pub trials: Option<f64>,
    /// Conversions of those days, at most the visits of each.
    pub successes: Option<f64>,
    /// successes ÷ trials; under `cpa` the cost of a conversion, under `compare` the ratio to the control's rate. Absent
    /// where there is none.
    pub estimate: Option<f64>,
    /// Lower end of the anytime interval, in the unit of the estimate.
    pub low: Option<f64>,
    /// Its upper end; absent where it is unbounded.
    pub high: Option<f64>,
    /// Log evidence for BUILD, day noise divided out.
    pub log_e_build: Option<f64>,
    /// Log evidence for KILL, day noise divided out.
    pub log_e_kill: Option<f64>,
    /// Dispersion on the BUILD side.
    pub phi: Option<f64>,
    /// In order of name.
    pub flags: Vec<Flag>,
}

/// Why nothing was judged.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// Check the path and its permissions.
    #[error("{} cannot be read ({source}). Check the path and its permissions.", path.display())]
    CheckPath {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Save the file as UTF-8.
    #[error("{} is not UTF-8 text. Save it as UTF-8 (in a spreadsheet: CSV UTF-8).", path.display())]
    SaveAsUtf8 {
        /// Which file.
        path: PathBuf,
    },
    /// Mend the policy.
    #[error("{}: {problem}.", path.display())]
    MendPolicy {
        /// Which file.
        path: PathBuf,
        /// What is wrong and what to write.
        problem: String,
    },
    /// Mend the counts as a whole: a column, an arm.
    #[error("{}: {problem}.", path.display())]
    MendCounts {
        /// Which file.
        path: PathBuf,
        /// What is wrong and what to write.
        problem: String,
    },
    /// Mend one line of the counts.
    #[error("{}, line {line}: {problem}.", path.display())]
    MendLine {
        /// Which file.
        path: PathBuf,
        /// Counted from 1, the header included.
        line: u64,
        /// What is wrong and what to write.
        problem: String,
    },
}

/// The policy of a file alone, and what a careful reader is told of it.
pub(super) fn policy_of(path: &Path) -> Result<(Policy, Vec<String>), Failure> {
    let read = text(path).and_then(|text| {
        policy::read(&text).map_err(|problem| ReplayError::MendPolicy { path: path.to_owned(), problem })
    });
    let replayed = read.map_err(|error| Failure::usage(error.to_string()))?;
    Ok((replayed.policy, replayed.warnings))
}

/// Judges the counts of `csv` by `policy`, from the first day of the file to its last day + maturity
/// lag, every arm on every day: an arm that starts later has no days until then and collects.
///
/// # Errors
/// [`ReplayError`] for a file that cannot be read, for a policy or a count that means nothing, and for
/// what this version does not judge.
pub fn counts(csv: &Path, policy: &Path) -> Result<Replay, ReplayError> {
    let replayed =
        policy::read(&text(policy)?).map_err(|problem| ReplayError::MendPolicy { path: policy.to_owned(), problem })?;
    let table = counts::read(&text(csv)?, &replayed).map_err(|problem| problem.in_file(csv))?;

    let arms = u32::try_from(table.arms.len()).unwrap_or(u32::MAX);
    let rule = Rule {
        policy: &replayed.policy,
        arms,
        arm_budget_cap: replayed.arm_budget_cap,
        stop: None,
        uneven_since: table.uneven_since,
    };
    let lag = Days::new(u64::from(replayed.policy.maturity_lag_days));
    let last_as_of = table.last_day.checked_add_days(lag).unwrap_or(NaiveDate::MAX);
    let judged: Vec<(String, Vec<Look>)> = table
        .arms
        .into_iter()
        .map(|(arm, days)| (arm, judge::looks(&rule, &days, table.first_day, last_as_of)))
        .collect();
    Ok(Replay { lines: by_day(&judged), warnings: replayed.warnings, model: replayed.policy.model })
}

fn text(path: &Path) -> Result<String, ReplayError> {
    let bytes = std::fs::read(path).map_err(|source| ReplayError::CheckPath { path: path.to_owned(), source })?;
    let text = String::from_utf8(bytes).map_err(|_| ReplayError::SaveAsUtf8 { path: path.to_owned() })?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// From looks by arm to lines by day, the concept's last. All arms have a look for every as-of day.
fn by_day(judged: &[(String, Vec<Look>)]) -> Vec<Line> {
    let as_of_days = judged.first().map_or(0, |(_, looks)| looks.len());
    let mut lines = Vec::with_capacity(as_of_days * (judged.len() + 1));
    for position in 0..as_of_days {
        let verdicts: Vec<_> =
            judged.iter().map(|(_, looks)| (looks[position].verdict, looks[position].reason.clone())).collect();
        lines.extend(judged.iter().map(|(arm, looks)| arm_line(arm, &looks[position])));
        let (verdict, reason) = judge::concept(&verdicts);
        lines.push(concept_line(judged[0].1[position].as_of, verdict, reason.as_ref()));
    }
    lines
}

fn arm_line(arm: &str, look: &Look) -> Line {
    let seen = &look.evidence;
    Line {
        arm: arm.to_owned(),
        days: Some(seen.days),
        trials: Some(seen.trials).filter(|number| number.is_finite()),
        successes: Some(seen.successes).filter(|number| number.is_finite()),
        estimate: seen.estimate,
        low: seen.low,
        high: seen.high,
        log_e_build: seen.log_e_build,
        log_e_kill: seen.log_e_kill,
        phi: seen.phi,
        flags: seen.flags.clone(),
        ..concept_line(look.as_of, look.verdict, look.reason.as_ref())
    }
}

fn concept_line(day: NaiveDate, verdict: Verdict, reason: Option<&Reason>) -> Line {
    let lean = match reason {
        Some(Reason::CapReached { lean }) => *lean,
        _ => None,
    };
    let reason = reason.map(|reason| match reason {
        Reason::Guardrail { name } => format!("{}:{name}", reason.word()),
        _ => reason.word().to_owned(),
    });
    Line {
        day,
        arm: "*".to_owned(),
        verdict,
        reason,
        lean,
        days: None,
        trials: None,
        successes: None,
        estimate: None,
        low: None,
        high: None,
        log_e_build: None,
        log_e_kill: None,
        phi: None,
        flags: Vec::new(),
    }
}
