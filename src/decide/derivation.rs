//! The long way to a verdict, for the reader who checks the claim: the rule, the days that counted,
//! what would change the verdict, and the fingerprints to recompute it from.

use chrono::NaiveDate;
use serde::Serialize;

use super::explain::{self, acted};
use super::figures;
use super::tally::{DayCounts, Tally, units};
use crate::domain::concept::Experiment;
use crate::domain::millionths;
use crate::domain::money::Money;
use crate::domain::observation::Inputs;
use crate::domain::verdict::{ArmScore, Evidence, Generation, Reason, Scorecard, Verdict};
use crate::stats::rate::Bars;

/// One heading and what stands below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Section {
    /// What it answers.
    pub title: String,
    /// One sentence or row each.
    pub lines: Vec<String>,
}

/// From the verdict back to the days it came from. `data` is what the scorecard was decided on.
pub fn sections(experiment: &Experiment, generation: &Generation, data: &Inputs, card: &Scorecard) -> Vec<Section> {
    let tally = Tally::of(experiment, generation, data, card.as_of);
    let section = |title: &str, lines: Vec<String>| Section { title: title.into(), lines };
    let mut sections = vec![
        section("Verdict", vec![explain::banner(experiment, card)]),
        section("The rule", rule(experiment)),
        section("What was seen", card.arms.iter().flat_map(|arm| seen(experiment, card, arm)).collect()),
    ];
    if card.verdict != Verdict::Blocked {
        let flips = card.arms.iter().filter_map(|arm| {
            let what = flip(experiment, card, arm)?;
            Some(format!("{}{what}", explain::who(experiment, card, arm)))
        });
        sections.push(section("What would change it", flips.collect()));
    }
    for (arm, days) in &tally.arms {
        let title = format!("Days of {}{}", arm.title, if arm.control { " (reference, not judged)" } else { "" });
        sections.push(section(&title, day_rows(experiment, card, &tally, days)));
    }
    sections.push(section(
        "Fingerprints",
        vec![
            format!("policy {} (test {})", card.policy_hash, card.generation),
            format!("data {}", card.data_hash),
            format!("willitsell {}", card.program_version),
        ],
    ));
    sections.retain(|section| !section.lines.is_empty());
    sections
}

fn rule(experiment: &Experiment) -> Vec<String> {
    let policy = &experiment.policy;
    let rate = &policy.primary;
    let in_hundred = |error: f64| figures::bar(error).trim_end_matches(['%', '0']).trim_end_matches('.').to_owned();
    let mut lines = vec![
        format!("{} = {} ÷ {}", rate.name, figures::many(rate.numerator), figures::many(rate.denominator)),
        format!(
            "BUILD when the whole range is above break-even, {}: at most {} in 100 concepts at or below it ever get there.",
            figures::bar(policy.kill_bar),
            in_hundred(policy.alpha)
        ),
        format!(
            "KILL when the whole range is below worth building for, {}: at most {} in 100 concepts at or above it ever get there.",
            figures::bar(policy.build_bar),
            in_hundred(policy.beta)
        ),
        format!(
            "Before either: {} with {}, {} per version; for BUILD also {}.",
            figures::days(policy.min_days),
            figures::many(rate.denominator),
            figures::counted(explain::whole(policy.min_exposures), rate.denominator),
            figures::counted(explain::whole(policy.min_conversions), rate.numerator)
        ),
        format!("A day counts after {}; younger days are not looked at.", figures::days(policy.maturity_lag_days)),
    ];
    if experiment.arms.iter().filter(|arm| !arm.control).count() > 1 {
        lines.push(
            "Each version is delivered with its own audience: a difference between versions may be the audience's."
                .into(),
        );
    }
    lines
}

fn seen(experiment: &Experiment, card: &Scorecard, arm: &ArmScore) -> Vec<String> {
    let who = explain::who(experiment, card, arm);
    let evidence = &arm.evidence;
    let mut lines = vec![format!("{who}{}, over {}.", acted(experiment, evidence), figures::days(evidence.days))];
    let ratio =
        |evidence: Option<f64>, needed: Option<f64>| Some(evidence? / needed?).filter(|ratio| ratio.is_finite());
    if let (Some(build), Some(kill)) =
        (ratio(evidence.log_e_build, evidence.build_at), ratio(evidence.log_e_kill, evidence.kill_at))
    {
        lines.push(format!(
            "{who}{} BUILD needs, {} KILL needs.",
            capital(&figures::factor(build)),
            figures::factor(kill)
        ));
    }
    if let Some(phi) = evidence.phi.filter(|&phi| phi > 1.0) {
        lines.push(format!(
            "{who}Days differ more than chance alone explains, so the evidence is divided by {phi:.2} (phi)."
        ));
    }
    lines
}

/// What it would take to change where an arm stands.
fn flip(experiment: &Experiment, card: &Scorecard, arm: &ArmScore) -> Option<String> {
    match arm.verdict {
        Verdict::Collecting => Some(outlook(experiment, card, arm)),
        Verdict::Build | Verdict::Kill => Some(margin(experiment, arm)),
        Verdict::Review => Some(match arm.reason {
            Some(Reason::Guardrail { .. }) => "A person weighs the breached limit against the rate.".into(),
            _ => "A person decides, or a new test with a larger cap settles it.".into(),
        }),
        Verdict::Blocked => None,
    }
}

/// The verdict ahead at the present rate. Evidence at a constant rate grows in proportion to visitors,
/// so the factor still missing is needed ÷ present.
fn outlook(experiment: &Experiment, card: &Scorecard, arm: &ArmScore) -> String {
    let policy = &experiment.policy;
    let Evidence { days, trials, successes, .. } = arm.evidence;
    let ahead = |evidence: Option<f64>, needed: Option<f64>| {
        Some(needed? / evidence?).filter(|factor| factor.is_finite() && *factor > 0.0)
    };
    let minimums = (f64::from(policy.min_days) / f64::from(days)).max(explain::whole(policy.min_exposures) / trials);
    let build = ahead(arm.evidence.log_e_build, arm.evidence.build_at)
        .map(|factor| (Verdict::Build, factor.max(minimums).max(explain::whole(policy.min_conversions) / successes)));
    let kill = ahead(arm.evidence.log_e_kill, arm.evidence.kill_at).map(|factor| (Verdict::Kill, factor.max(minimums)));
    let Some((verdict, factor)) = build.or(kill).filter(|(_, factor)| factor.is_finite()) else {
        return "Not known yet: there is nothing to reckon with.".into();
    };
    if factor <= 1.0 {
        return format!("The evidence is there for {verdict}; what withholds it is named above.");
    }
    let more = factor - 1.0;
    let visitors = figures::counted((trials * more).ceil(), policy.primary.denominator);
    let acts = figures::counted((successes * more).ceil(), policy.primary.numerator);
    let needed = format!(
        "At the present rate {verdict} takes about {visitors} more, with {acts}: {} more like those so far",
        days_like((f64::from(days) * more).ceil())
    );
    let share = policy
        .budget_cap
        .map(|cap| millionths::to_f64(cap.micros) / f64::from(u32::try_from(card.arms.len()).unwrap_or(u32::MAX)));
    let spend = arm.spend.map(|spend| millionths::to_f64(spend.micros) * factor);
    if f64::from(days) * factor > f64::from(policy.horizon_days) {
        format!("{needed}. That is beyond the cap of {}: it would end in REVIEW.", figures::days(policy.horizon_days))
    } else if share.zip(spend).is_some_and(|(share, spend)| spend > share) {
        format!("{needed}. That is beyond the budget cap: it would end in REVIEW.")
    } else {
        needed + "."
    }
}

/// How many acts stand between a verdict and its withdrawal, on the same days: what the log-likelihood
/// ratio holds beyond what was needed, over what one act adds to it.
fn margin(experiment: &Experiment, arm: &ArmScore) -> String {
    let policy = &experiment.policy;
    let evidence = &arm.evidence;
    let (side, seen, needed) = match arm.verdict {
        Verdict::Build => ("fewer", evidence.log_e_build, evidence.build_at),
        _ => ("more", evidence.log_e_kill, evidence.kill_at),
    };
    let act = Bars::new(policy.kill_bar, policy.build_bar).log_ratio(1.0, 0.0);
    let beyond = needed.zip(seen).map(|(needed, seen)| 1.0 - needed / seen).filter(|&share| share >= 0.0);
    let log_ratio = evidence.log_e_build.zip(evidence.phi).map(|(build, phi)| (build * phi).abs());
    match beyond.zip(log_ratio) {
        Some((beyond, log_ratio)) => format!(
            "Restated counts with about {} {side} on the same days would withdraw it.",
            figures::counted((beyond * log_ratio / act).floor() + 1.0, policy.primary.numerator)
        ),
        None => {
            "The evidence has slipped below what was needed since; it stands unless earlier days are restated.".into()
        }
    }
}

fn day_rows(experiment: &Experiment, card: &Scorecard, tally: &Tally<'_>, days: &[DayCounts]) -> Vec<String> {
    let policy = &experiment.policy;
    let today = explain::today(experiment, card);
    days.iter()
        .map(|day| {
            let mut parts = if day.covered {
                vec![
                    figures::counted(units(day.exposures), policy.primary.denominator),
                    figures::counted(units(day.conversions), policy.primary.numerator),
                ]
            } else {
                vec!["not read from every source".to_owned()]
            };
            if day.spend != 0 {
                parts.extend(tally.money(day.spend).map(|money: Money| money.to_string()));
            }
            let counts = |date: NaiveDate| date <= tally.calendar.last_settled;
            let left_out = if counts(day.day) { "" } else { " (not settled, does not count yet)" };
            format!("{}: {}{left_out}", figures::day(day.day, today), parts.join(", "))
        })
        .collect()
}

fn days_like(number: f64) -> String {
    let count = figures::count(number);
    if count == "1" { "1 day".into() } else { format!("{count} days") }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
