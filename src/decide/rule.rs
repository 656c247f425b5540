//! The rule a verdict follows, as fixed at the start, in words: what decides, the two bars and their promises, what a verdict
//! needs, caps and limits.

use super::explain;
use super::figures;
use super::measure;
use super::notes;
use super::outlook;
use crate::domain::concept::{Experiment, Guardrail, Limit, Model};
use crate::domain::verdict::Scorecard;

/// The rule of a test, one sentence each; `beside_others` where verdicts of several tests are held to one share of wrong BUILDs.
pub fn sentences(experiment: &Experiment, card: &Scorecard, beside_others: bool) -> Vec<String> {
    let today = explain::today(experiment, card);
    let policy = &experiment.policy;
    let rate = &policy.primary;
    let (acts, exposures) = (figures::many(rate.numerator), figures::many(rate.denominator));
    let (good, bad) = (measure::good_side(policy), measure::bad_side(policy));
    let in_hundred = |error: f64| figures::bar(error).trim_end_matches(['%', '0']).trim_end_matches('.').to_owned();
    let tested = experiment.arms.iter().filter(|arm| !arm.control).count();
    let bar = |bar: f64| match policy.model {
        Model::Rate | Model::Cpa => measure::bar(policy, bar),
        Model::Compare => format!("{} the rate of {}", measure::bar(policy, bar), explain::control(experiment)),
    };
    let mut lines = vec![
        match policy.model {
            Model::Rate => format!("What decides: {acts} ÷ {exposures}."),
            Model::Cpa => format!("What decides: {exposures} ÷ {acts}."),
            Model::Compare => format!(
                "What decides: {acts} ÷ {exposures}, compared with {} on the same days.",
                explain::control(experiment)
            ),
        },
        {
            let [worst, best] = if policy.model == Model::Cpa { ["upper", "lower"] } else { ["lower", "upper"] };
            format!(
                "Its range is where the truth may lie, chance included: the {worst} end is the worst case, the {best} end \
                 the best."
            )
        },
        format!(
            "BUILD when the whole range is {good} {} (break-even){}. Of concepts that truly only break even, or do worse, at most \
             {} in 100 ever get BUILD.",
            bar(policy.kill_bar),
            if beside_others { " and there is more proof than a single test would need (see below)" } else { "" },
            in_hundred(policy.alpha)
        ),
        format!(
            "KILL when the whole range is {bad} {} (worth building for). Of concepts that truly are that good, or better, at most \
             {} in 100 ever get KILL.",
            bar(policy.build_bar),
            in_hundred(policy.beta)
        ),
        "A concept that truly lies between the two may get either, and either will do: building it loses no money and \
         gains little."
            .to_owned(),
        format!(
            "For BUILD or KILL, {} needs {}{} settled days with {exposures}; BUILD also needs {}.",
            if tested == 1 { "the test" } else { "each version" },
            match policy.min_exposures {
                0 => String::new(),
                least => format!("{} and ", figures::counted(explain::whole(least), rate.denominator)),
            },
            policy.min_days,
            figures::counted(explain::whole(policy.min_conversions), rate.numerator)
        ),
        format!(
            "At the cap ({}) a test without BUILD or KILL becomes REVIEW: then you decide.",
            outlook::caps(experiment, card)
        ),
        format!(
            "A day is settled once it is {} old, and counts once every source was read after that. Younger days do not count \
             yet. {}",
            figures::days(policy.maturity_lag_days),
            notes::settles_on(experiment, today)
        ),
    ];
    if policy.model == Model::Compare && policy.srm.is_none() {
        let audiences = "Both hold for each version with the people who saw it: a difference may come from the people.";
        // Behind what BUILD and KILL promise.
        lines.insert(4, audiences.to_owned());
    }
    lines.extend(limits(experiment, card));
    if tested > 1 {
        lines.push(
            "One version at BUILD makes the whole test BUILD; the test is KILL only when every version is.".into(),
        );
        if explain::caps(experiment, card).1.is_some() {
            lines.push("Each version has an equal share of the money up to the cap.".into());
        }
    }
    if policy.model != Model::Compare && tested > 1 && policy.srm.is_none() {
        lines.push(
            "Each version is shown to people of its own: a difference between versions may come from the people."
                .into(),
        );
    }
    lines
}

/// What else must hold for BUILD: the guardrails, with the word for them.
fn limits(experiment: &Experiment, card: &Scorecard) -> Option<String> {
    let set_in = || experiment.policy.budget_cap.into_iter().chain(experiment.money.amounts()).next();
    let currency = card.spend.or_else(set_in).map(|money| money.currency);
    let limit = |rail: &Guardrail| {
        let (least_or_most, limit) = match rail.limit {
            Limit::Max(limit) => ("most", limit),
            Limit::Min(limit) => ("least", limit),
        };
        format!("{} at {least_or_most} {}", rail.name, explain::limit_figure(rail.numerator, limit, currency))
    };
    let limits: Vec<String> = experiment.policy.guardrails.iter().map(limit).collect();
    (!limits.is_empty()).then(|| {
        format!(
            "Limits (guardrails): {}. While one is breached, there is REVIEW in place of BUILD; KILL does not depend on them.",
            limits.join(", ")
        )
    })
}
