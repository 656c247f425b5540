//! The five lines people are told (product.md section 9), one message a change of state. Not for
//! sending or escaping: that is the notifiers' business.

use std::mem::discriminant;

use chrono::Days;

use super::explain::{self, today};
use super::figures;
use crate::domain::concept::{Experiment, Limit};
use crate::domain::message::Message;
use crate::domain::metric::MetricId;
use crate::domain::millionths;
use crate::domain::money::Money;
use crate::domain::verdict::{Scorecard, Verdict};

/// How `now` differs from what was last told.
enum Change<'a> {
    /// A verdict, a cause to look, or a defect that is new.
    Reached,
    /// An earlier verdict that the numbers, restated, no longer carry.
    Withdrawn(&'a Scorecard),
    /// The data can be trusted again.
    Recovered,
}

/// The message for the step from `previous`, the concept's last stored scorecard, to `now`; `None` when
/// nothing a reader must know changed: a range that moved, a first COLLECTING, a new test begun.
pub fn message(experiment: &Experiment, previous: Option<&Scorecard>, now: &Scorecard) -> Option<Message> {
    let change = change(previous.filter(|card| card.generation == now.generation), now)?;
    let parts = [
        Some(("Why", why(experiment, &change, now))),
        evidence(experiment, now).map(|line| ("Evidence", line)),
        money(experiment, now).map(|line| ("Money", line)),
        Some(("Next", next(experiment, now))),
    ];
    Some(Message {
        concept: now.concept.clone(),
        verdict: now.verdict,
        headline: headline(experiment, &change, now),
        lines: parts.into_iter().flatten().map(|(label, line)| (label.to_owned(), line)).collect(),
        decided_at: now.as_of,
    })
}

fn change<'a>(previous: Option<&'a Scorecard>, now: &Scorecard) -> Option<Change<'a>> {
    let before = previous.map_or(Verdict::Collecting, |card| card.verdict);
    match (before, now.verdict) {
        (Verdict::Collecting, Verdict::Collecting) => None,
        (Verdict::Blocked, Verdict::Collecting) => Some(Change::Recovered),
        (old, new) if old == new => {
            // A new cause to look, or a new defect to mend, is a new job for the reader.
            let known = |why| {
                previous.is_some_and(|card| card.reasons.iter().any(|old| discriminant(old) == discriminant(why)))
            };
            (!now.reasons.iter().all(known)).then_some(Change::Reached)
        }
        (old, new) if old.is_terminal() && new != Verdict::Blocked => previous.map(Change::Withdrawn),
        _ => Some(Change::Reached),
    }
}

fn headline(experiment: &Experiment, change: &Change<'_>, now: &Scorecard) -> String {
    let mut parts = vec![now.verdict.to_string(), experiment.concept.title.clone()];
    match change {
        Change::Withdrawn(earlier) => parts.push(format!("{} is withdrawn", dated(experiment, earlier, now))),
        Change::Recovered => parts.push("data sound again".to_owned()),
        Change::Reached => {}
    }
    let owner = experiment.owner.as_ref().map_or_else(String::new, |owner| format!(" (owner: {owner})"));
    let today = today(experiment, now);
    match now.verdict {
        Verdict::Blocked => parts.push(format!("no verdict until the data is mended{owner}")),
        Verdict::Build | Verdict::Kill | Verdict::Review => {
            let due = today.checked_add_days(Days::new(u64::from(experiment.decide_within_days))).unwrap_or(today);
            parts.push(format!("decide by {}{owner}", figures::day(due, today)));
        }
        Verdict::Collecting => {}
    }
    parts.join(" · ")
}

/// `BUILD of Sun 15 Mar`.
fn dated(experiment: &Experiment, earlier: &Scorecard, now: &Scorecard) -> String {
    format!("{} of {}", earlier.verdict, figures::day(explain::since(experiment, earlier), today(experiment, now)))
}

fn why(experiment: &Experiment, change: &Change<'_>, now: &Scorecard) -> String {
    let sentence = match now.verdict {
        Verdict::Build => build(experiment, now),
        _ => explain::sentence(experiment, now),
    };
    match change {
        Change::Reached => sentence,
        Change::Recovered => format!("The data can be trusted again. {sentence}"),
        Change::Withdrawn(earlier) => {
            let (then, since) = (acts(earlier), acts(now));
            let noun = figures::many(experiment.policy.primary.numerator);
            let restated = if since < then {
                format!("from {} to {} {noun}", figures::count(then), figures::count(since))
            } else {
                "by a source".to_owned()
            };
            let old = dated(experiment, earlier, now);
            format!("Past days were restated {restated}, which no longer supports the {old}. {sentence}")
        }
    }
}

/// Shorter than the page's sentence: the counts stand in the next line.
fn build(experiment: &Experiment, now: &Scorecard) -> String {
    let above = now.arms.iter().filter(|arm| arm.verdict == Verdict::Build);
    let bars = [experiment.policy.kill_bar, experiment.policy.build_bar];
    let rates: Vec<String> = above
        .filter_map(|arm| {
            let (low, high) = explain::ends(&arm.evidence)?;
            let rate = figures::rate(arm.evidence.estimate?, &bars);
            Some(format!(
                "{}{rate} {} (range {})",
                explain::who(experiment, now, arm),
                explain::did(experiment),
                figures::range(low, high, &bars)
            ))
        })
        .collect();
    format!("{}; {}", rates.join("; "), explain::break_even(experiment, now))
}

fn acts(card: &Scorecard) -> f64 {
    card.arms.iter().map(|arm| arm.evidence.successes).sum()
}

/// What it rests on; nothing while there is nothing settled.
fn evidence(experiment: &Experiment, now: &Scorecard) -> Option<String> {
    let trials: f64 = now.arms.iter().map(|arm| arm.evidence.trials).sum();
    let days = now.arms.iter().map(|arm| arm.evidence.days).max().filter(|&days| days > 0)?;
    let today = today(experiment, now);
    let settled = figures::day(now.last_settled_day, today);
    let mut parts = vec![
        figures::counted(trials, experiment.policy.primary.denominator),
        format!("{} {} to {settled}", days, if days == 1 { "settled day" } else { "settled days" }),
    ];
    let mut channels: Vec<&str> = experiment.sources.iter().filter_map(|source| source.channel.as_deref()).collect();
    channels.sort_unstable();
    channels.dedup();
    if channels.len() > 1 {
        parts.push(format!("{} channels", channels.len()));
    }
    if now.arms.len() > 1 {
        parts.push(format!("{} versions", now.arms.len()));
    }
    let currency = now.spend.map(|spend| spend.currency);
    let rails = now.guardrails.iter().zip(&experiment.policy.guardrails).filter_map(|(score, rail)| {
        let value = explain::guardrail_figure(rail.numerator, score.value?, currency);
        let limit = explain::guardrail_figure(rail.numerator, score.limit, currency);
        Some(format!("{} {value} (limit {limit})", score.name))
    });
    let rails: Vec<String> = if now.verdict == Verdict::Blocked { vec![] } else { rails.collect() };
    Some([vec![parts.join(", ")], rails].concat().join("; "))
}

/// Spent, per act with its limit, and what is at stake; each part only where it is known.
fn money(experiment: &Experiment, now: &Scorecard) -> Option<String> {
    let mut parts = vec![];
    if let Some(spend) = now.spend.filter(|spend| spend.micros > 0) {
        parts.push(format!("{spend} spent"));
        parts.extend(per_act(experiment, now));
    }
    if let Some(cost) = experiment.money.build_cost() {
        match now.verdict {
            Verdict::Kill => parts.push(format!("expected build cost avoided: up to {cost}")),
            _ => parts.push(format!("build at stake {cost}")),
        }
    }
    (!parts.is_empty()).then(|| parts.join(" · "))
}

/// `$42.84 per sign-up (limit $84)`; before the first act, more than all that was spent.
fn per_act(experiment: &Experiment, now: &Scorecard) -> Option<String> {
    if now.verdict == Verdict::Blocked {
        return None;
    }
    let noun = experiment.policy.primary.numerator.metric().noun;
    let acts = acts(now);
    // Each arm's own cost of an act, weighed by its acts: the reference arm's money is not among it.
    let cost = now.arms.iter().filter_map(|arm| arm.cost_per_act?.times(arm.evidence.successes / acts));
    let cost = cost.reduce(|sum, part| sum.plus(part).unwrap_or(sum));
    let spent = now.arms.iter().filter_map(|arm| arm.spend).reduce(|sum, part| sum.plus(part).unwrap_or(sum))?;
    match cost {
        Some(cost) if acts > 0.0 => {
            let limit = cost_limit(experiment, cost);
            let limit = limit.map_or_else(String::new, |limit| format!(" (limit {limit})"));
            Some(format!("{cost} per {noun}{limit}"))
        }
        _ => Some(format!("more than {spent} per {noun} (none yet)")),
    }
}

/// What an act may cost: the guardrail's limit, else what unit economics allow, in the same currency.
fn cost_limit(experiment: &Experiment, cost: Money) -> Option<Money> {
    let rails = &experiment.policy.guardrails;
    let rail = rails.iter().find_map(|rail| match rail.limit {
        Limit::Max(limit)
            if rail.numerator == MetricId::SPEND && rail.denominator == experiment.policy.primary.numerator =>
        {
            Money { micros: millionths::ONE, ..cost }.times(limit)
        }
        _ => None,
    });
    rail.or_else(|| experiment.money.allowed_cost_per_act().filter(|limit| limit.currency == cost.currency))
}

fn next(experiment: &Experiment, now: &Scorecard) -> String {
    match now.verdict {
        Verdict::Build => {
            let weak =
                explain::weakest(experiment, now).map_or_else(String::new, |weak| format!(" · weak spot: {weak}"));
            format!("Approve, override or extend · stop the ads either way{weak}")
        }
        Verdict::Kill => "Approve or override · stop the ads either way".into(),
        Verdict::Review => "A person decides: build, kill, or test again with a larger cap".into(),
        Verdict::Collecting => "Nothing to do: the test goes on".into(),
        Verdict::Blocked => "Mend the data; the test goes on by itself".into(),
    }
}
