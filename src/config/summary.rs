//! What `willitsell check` prints when nothing is wrong: each experiment in the words of its policy,
//! and when it runs next.

use std::fmt::Write;

use chrono::{DateTime, Utc};

use super::Config;
use crate::domain::concept::{Experiment, Limit, Model, Policy};
use crate::domain::metric::{MetricId, Unit};
use crate::domain::money::thousands;

/// How many coming runs are shown: enough to see a weekend left out.
const RUNS_SHOWN: usize = 5;

/// One paragraph an experiment: what decides, what is read, who is told, when it runs next.
pub fn summary(config: &Config, now: DateTime<Utc>) -> String {
    config.experiments.iter().map(|experiment| paragraph(experiment, now)).collect::<Vec<_>>().join("\n")
}

fn paragraph(experiment: &Experiment, now: DateTime<Utc>) -> String {
    let Experiment { concept, policy, .. } = experiment;
    let sources: Vec<_> =
        experiment.sources.iter().map(|source| format!("{} ({})", source.id, source.connector)).collect();
    let told = experiment.notify.iter().map(ToString::to_string);
    let heard = experiment.audiences.iter().map(|audience| format!("{} (some of it)", audience.name));
    let told: Vec<_> = told.chain(heard).collect();
    let judged = |control| {
        let arms = experiment.arms.iter().filter(move |arm| arm.control == control);
        arms.map(|arm| arm.id.to_string()).collect::<Vec<_>>().join(", ")
    };
    let beside = if judged(true).is_empty() { String::new() } else { format!("; beside {}", judged(true)) };
    let mut text = format!("{}: {}\n", concept.id, concept.title);
    let mut line = |label: &str, words: String| {
        let _ = writeln!(text, "  {label:<10} {words}");
    };
    line("Decides", deciding(policy));
    line("Arms", format!("{}{beside}", judged(false)));
    line("Reads", sources.join(", "));
    line("Earliest", earliest(policy));
    line("Latest", latest(experiment));
    for guardrail in &policy.guardrails {
        let limit = match guardrail.limit {
            Limit::Max(most) => format!("at most {}", number(most)),
            Limit::Min(least) => format!("at least {}", number(least)),
        };
        line("Guardrail", format!("{}: {} ÷ {}, {limit}", guardrail.name, guardrail.numerator, guardrail.denominator));
    }
    line("Tells", if told.is_empty() { "nobody".to_owned() } else { told.join(", ") });
    line("Next runs", next_runs(experiment, now));
    text
}

fn deciding(policy: &Policy) -> String {
    let rate = &policy.primary;
    let (numerator, denominator) = (many(rate.numerator), many(rate.denominator));
    let (what, better, worse) = match policy.model {
        Model::Rate => (format!("{numerator} ÷ {denominator}"), "above", "below"),
        Model::Compare => (format!("{numerator} ÷ {denominator}, as a multiple of the control's"), "above", "below"),
        Model::Cpa => (format!("{denominator} ÷ {numerator}"), "below", "above"),
    };
    let bar = |bar: f64| match (policy.model, policy.bar_currency) {
        (Model::Rate, _) => percent(bar),
        (Model::Cpa, Some(currency)) => format!("{}{}", currency.symbol(), number(bar)),
        (Model::Cpa, None) => number(bar),
        (Model::Compare, _) => format!("{} times", number(bar)),
    };
    format!(
        "{} ({}): BUILD when surely {} {}, KILL when surely {} {}",
        rate.name,
        what,
        better,
        bar(policy.kill_bar),
        worse,
        bar(policy.build_bar)
    )
}

fn earliest(policy: &Policy) -> String {
    let exposures = match policy.min_exposures {
        0 => String::new(),
        least => format!(" and {} {}", thousands(least), many(policy.primary.denominator)),
    };
    format!(
        "after {} settled days (a day settles after {} {}){exposures}; BUILD also needs {} {}",
        policy.min_days,
        policy.maturity_lag_days,
        if policy.maturity_lag_days == 1 { "day" } else { "days" },
        policy.min_conversions,
        many(policy.primary.numerator)
    )
}

fn latest(experiment: &Experiment) -> String {
    let mut ends = vec![format!("after {} settled days", experiment.policy.horizon_days)];
    ends.extend(experiment.stop.map(|stop| format!("when {stop} has settled")));
    ends.extend(experiment.policy.budget_cap.map(|cap| format!("when {cap} is spent")));
    let which = if ends.len() > 1 { ", whichever comes first" } else { "" };
    format!("{}{which}", ends.join(", or "))
}

fn next_runs(experiment: &Experiment, now: DateTime<Utc>) -> String {
    let next = |at: &DateTime<Utc>| experiment.schedule.next_after(*at, experiment.timezone);
    let runs = std::iter::successors(next(&now), next).take(RUNS_SHOWN);
    let local: Vec<_> =
        runs.map(|at| at.with_timezone(&experiment.timezone).format("%a %-d %b %H:%M").to_string()).collect();
    format!("{} ({})", local.join(", "), experiment.timezone)
}

/// Many of a metric: `sign-ups`, `clicks`; money as it is.
fn many(metric: MetricId) -> String {
    let metric = metric.metric();
    match metric.unit {
        Unit::Count => format!("{}s", metric.noun),
        Unit::Money => metric.name.to_owned(),
    }
}

/// As a person writes a rate: `3%`, `0.8%`.
fn percent(share: f64) -> String {
    format!("{}%", number(share * 100.0))
}

/// At most four decimals, none for show.
fn number(value: f64) -> String {
    let text = format!("{value:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
