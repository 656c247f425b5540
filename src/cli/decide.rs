//! `decide`: writes down what a person decided on a verdict, and tells who is to be told. The program recommends; the
//! record says what became of it. Nothing recorded is ever changed: a change of mind is another decision.

use std::path::Path;
use std::process::ExitCode;

use chrono::Utc;
use clap::{Args, ValueEnum};
use serde::Serialize;

use super::output::{Failure, Output, one_line, wrapped};
use super::{experiment_named, next_command};
use crate::app::App;
use crate::decide::decision::{self, Overrides};
use crate::decide::raise::helps;
use crate::domain::audience;
use crate::domain::concept::Experiment;
use crate::domain::decision::{Choice, Decision};
use crate::domain::money::{Money, parse_amount};
use crate::domain::verdict::{StoredScorecard, Verdict};
use crate::schedule::recall;

/// Longest reason in characters: it is printed below every later verdict.
const LONGEST_REASON: usize = 300;

/// Arguments of `decide`.
#[derive(Debug, Args)]
pub struct DecideArgs {
    /// KEY of `[experiment.KEY]` in the configuration; `status` lists them.
    concept: String,
    /// What was decided.
    #[arg(value_enum)]
    choice: Chosen,
    /// Whose decision it is.
    #[arg(long, value_name = "NAME")]
    by: String,
    /// Why, in a sentence: it is kept for good.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// With `extend`: how many more active settled days the test may take (on top of `horizon_days`).
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    days: Option<i64>,
    /// With `extend`: how much more may be spent (on top of `budget_cap`), in its currency.
    #[arg(long, value_name = "AMOUNT", allow_negative_numbers = true)]
    budget: Option<String>,
    /// Record it and tell nobody.
    #[arg(long)]
    quiet: bool,
    /// Show what would be recorded and told, and do neither.
    #[arg(long)]
    dry_run: bool,
}

/// What may be decided.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Chosen {
    /// It is built.
    Build,
    /// It is not.
    Kill,
    /// The test may take longer or cost more; its bars stay.
    Extend,
}

impl From<Chosen> for Choice {
    fn from(chosen: Chosen) -> Self {
        match chosen {
            Chosen::Build => Self::Build,
            Chosen::Kill => Self::Kill,
            Chosen::Extend => Self::Extend,
        }
    }
}

#[derive(Serialize)]
struct Recorded<'a> {
    #[serde(flatten)]
    decision: &'a Decision,
    /// Whether it goes against the verdict.
    against: bool,
    /// Decisions to build or to kill on all concepts, this one included.
    decisions: usize,
    /// Those of them against the verdict.
    overrides: usize,
    /// Who will be told.
    told: Vec<&'a str>,
    dry_run: bool,
}

/// Records a decision.
///
/// # Errors
/// When the concept is unknown or has no verdict, a name or a reason is missing, or a cap would not be raised.
pub async fn run(args: &DecideArgs, path: &Path, output: &Output) -> Result<ExitCode, Failure> {
    let (by, reason) = (one_line(&args.by), one_line(&args.reason));
    if by.is_empty() || reason.is_empty() {
        return Err(Failure::usage("a decision needs a name and a reason: --by NAME --reason TEXT"));
    }
    if by.chars().count() + reason.chars().count() > LONGEST_REASON {
        return Err(Failure::usage(format!(
            "name and reason are printed below every later verdict: keep them within {LONGEST_REASON} characters"
        )));
    }
    let app = App::open(path).await?;
    let store = &app.parts.store;
    let configured = experiment_named(&app.loaded.config.experiments, &args.concept)?;
    let Some(stored) = store.latest_scorecard(&configured.concept.id).await? else {
        return Err(Failure::general(format!(
            "{} has no verdict yet, so there is nothing to decide on: run {}",
            args.concept,
            next_command(path, "run --once")
        )));
    };
    let card = &stored.scorecard;
    let setup = match store.basis(stored.id).await?.setup {
        Some(setup) => setup,
        None => recall::todays_setup(store, configured, card).await?,
    };
    let (days, budget) = raise(args, &setup.experiment, &stored)?;
    let draft = Decision {
        id: 0,
        concept: card.concept.clone(),
        generation: card.generation,
        choice: args.choice.into(),
        by,
        reason,
        at: Utc::now(),
        scorecard: stored.id,
        verdict: card.verdict,
        days,
        budget,
    };
    let mut all = store.all_decisions().await?;
    all.push(draft.clone());
    let overrides = Overrides::among(&all);
    let message = decision::message(&setup.experiment, card, &draft, overrides);
    let deliveries = if args.quiet { Vec::new() } else { audience::deliveries(configured, &message) };
    let recorded = if args.dry_run { draft } else { store.record_decision(&draft, &deliveries).await? };
    let told: Vec<&str> = deliveries.iter().map(|one| one.destination.as_str()).collect();
    let line = Recorded {
        against: recorded.is_override(),
        decision: &recorded,
        decisions: overrides.decisions,
        overrides: overrides.against,
        told: told.clone(),
        dry_run: args.dry_run,
    };
    output.show(&line, || {
        let mut lines = vec![message.headline.clone()];
        lines.extend(message.lines.iter().map(|(label, text)| format!("  {label:<9} {text}")));
        lines.push(match (args.dry_run, told.is_empty()) {
            (true, _) => "Nothing was recorded (dry run).".to_owned(),
            (false, true) => "Recorded. Nobody is told.".to_owned(),
            (false, false) => format!("Recorded. {} will be told by {}.", told.join(", "), next_command(path, "run")),
        });
        lines
            .iter()
            .map(|line| wrapped(line, if line.starts_with(' ') { 12 } else { 0 }))
            .collect::<Vec<_>>()
            .join("\n")
    });
    app.parts.store.close().await;
    Ok(ExitCode::SUCCESS)
}

/// By how much which cap is raised: one at least with `extend`, none without.
fn raise(
    args: &DecideArgs,
    experiment: &Experiment,
    stored: &StoredScorecard,
) -> Result<(Option<u32>, Option<Money>), Failure> {
    let refuse = |why: String| Err(Failure::usage(format!("{why}; nothing was recorded")));
    let verdict = stored.scorecard.verdict;
    match args.choice {
        Chosen::Build | Chosen::Kill if args.days.is_some() || args.budget.is_some() => {
            return refuse("--days and --budget go with `extend`".into());
        }
        Chosen::Build | Chosen::Kill => return Ok((None, None)),
        Chosen::Extend if matches!(verdict, Verdict::Build | Verdict::Kill) => {
            return refuse(format!(
                "{verdict} stands however long the test goes on: `extend` is for a test without BUILD or KILL. To test \
                 again, change the policy, which begins a new test"
            ));
        }
        Chosen::Extend if args.days.is_none() && args.budget.is_none() => {
            return refuse("say what is raised: --days N, --budget AMOUNT or both".into());
        }
        Chosen::Extend => {}
    }
    let days = match args.days {
        Some(days) if days < 1 => {
            return refuse(format!("--days {days} would not raise the cap: a cap is never lowered"));
        }
        Some(_) if experiment.stop.is_some() => {
            return refuse(
                "the test ends on the day named as `stop`, which is part of what was fixed before it began; a later one \
                 begins a new test"
                    .into(),
            );
        }
        Some(days) => match u32::try_from(days).ok().filter(|&days| days <= 3_650) {
            Some(days) => Some(days),
            None => return refuse(format!("--days {days} is more than ten years")),
        },
        None => None,
    };
    let budget = match (&args.budget, experiment.policy.budget_cap) {
        (None, _) => None,
        (Some(_), None) => {
            return refuse("this test has no `budget_cap` that could be raised".into());
        }
        (Some(text), Some(cap)) => match parse_amount(text, cap.currency) {
            Ok(more) if more.micros > 0 && cap.plus(more).is_ok() => Some(more),
            Ok(_) => return refuse(format!("--budget {text} would not raise the cap: a cap is never lowered")),
            Err(error) => return refuse(format!("--budget {text}: {error}")),
        },
    };
    if verdict == Verdict::Review && !helps(experiment, &stored.scorecard) {
        return refuse(
            "a larger cap would not let this test go on, for it is not a cap that ended it: decide `build` or `kill`. To \
             test again, change the policy, which begins a new test"
                .into(),
        );
    }
    Ok((days, budget))
}
