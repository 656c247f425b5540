//! A person's decision in words: under every later verdict, and as a message of its own; and the caps it may raise. What a decision changes is
//! `judge`'s business: caps alone.

use chrono::NaiveDate;

use super::explain;
use super::figures;
use crate::domain::audience::Topic;
use crate::domain::concept::{Experiment, Policy};
use crate::domain::decision::{Choice, Decision};
use crate::domain::message::Message;
use crate::domain::money::Money;
use crate::domain::verdict::{Scorecard, Verdict};

/// How often people went against the verdict.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Decisions to build or to kill.
    pub decisions: usize,
    /// Those of them against the verdict.
    pub against: usize,
}

impl Overrides {
    /// Counts them.
    pub fn among(decisions: &[Decision]) -> Self {
        let taken = decisions.iter().filter(|decision| decision.choice != Choice::Extend);
        Self { decisions: taken.count(), against: decisions.iter().filter(|decision| decision.is_override()).count() }
    }
}

/// The latest decision to build or to kill.
pub fn latest(decisions: &[Decision]) -> Option<&Decision> {
    decisions.iter().rev().find(|decision| decision.choice != Choice::Extend)
}

/// `Dana decided on Tue 3 Mar to build, against KILL: we have a second source.`
pub fn decided(experiment: &Experiment, decision: &Decision, today: NaiveDate) -> String {
    if decision.choice == Choice::Extend {
        return raised(experiment, decision, today);
    }
    let against = if decision.is_override() { format!(", against {}", decision.verdict) } else { String::new() };
    let on = made_on(experiment, decision, today);
    format!("{} decided on {on} to {}{against}: {}", decision.by, decision.choice, ended(&decision.reason))
}

/// `Dana raised the cap by 30 days on Tue 3 Mar, saying: "the fair is next week".` for every raise a verdict was decided with.
pub fn raises(experiment: &Experiment, card: &Scorecard) -> Vec<String> {
    let today = explain::today(experiment, card);
    card.raises().map(|decision| raised(experiment, decision, today)).collect()
}

fn raised(experiment: &Experiment, decision: &Decision, today: NaiveDate) -> String {
    let by: Vec<String> =
        decision.days.map(figures::days).into_iter().chain(decision.budget.map(|more| more.to_string())).collect();
    let on = made_on(experiment, decision, today);
    let reason = decision.reason.trim_end_matches('.');
    format!("{} raised the cap by {} on {on}, saying: \"{reason}\".", decision.by, figures::list(&by))
}

fn made_on(experiment: &Experiment, decision: &Decision, today: NaiveDate) -> String {
    figures::day(decision.at.with_timezone(&experiment.timezone).date_naive(), today)
}

/// A person's words as a sentence.
fn ended(reason: &str) -> String {
    if reason.ends_with(['.', '!', '?', '…']) { reason.to_owned() } else { format!("{reason}.") }
}

/// The caps with all raises on top.
pub fn caps<'a>(policy: &Policy, raises: impl IntoIterator<Item = &'a Decision>) -> (u32, Option<Money>) {
    raises.into_iter().fold((policy.horizon_days, policy.budget_cap), |(days, budget), raise| {
        let more = budget.zip(raise.budget).and_then(|(cap, more)| cap.plus(more).ok());
        (days.saturating_add(raise.days.unwrap_or(0)), more.or(budget))
    })
}

/// What is told of a decision. `card` is the verdict it was made on, `caps` those that hold now.
pub fn message(experiment: &Experiment, card: &Scorecard, decision: &Decision, overrides: Overrides) -> Message {
    let today = decision.at.with_timezone(&experiment.timezone).date_naive();
    let reached = figures::day(explain::since(experiment, card), today);
    let verdict = match card.verdict {
        Verdict::Build | Verdict::Kill | Verdict::Review => format!("{} of {reached}", card.verdict),
        Verdict::Collecting | Verdict::Blocked => format!("{} so far", card.verdict),
    };
    let (did, next) = match decision.choice {
        Choice::Build | Choice::Kill => (
            format!("decided to {}", decision.choice),
            if card.verdict.is_terminal() {
                "Stop the ads, if they still run"
            } else {
                "Stop the ads, or let the test go on"
            },
        ),
        Choice::Extend => (
            "extended the test".to_owned(),
            match card.verdict {
                Verdict::Review => "Start the ads again, if they stopped: the test goes on by the same rule",
                _ => "Nothing to do: the test goes on by the same rule",
            },
        ),
    };
    let mut lines = vec![("Why", ended(&decision.reason))];
    if decision.choice == Choice::Extend {
        let (days, budget) = caps(&experiment.policy, card.raises().chain([decision]));
        let (days_before, budget_before) = caps(&experiment.policy, card.raises());
        let budget = budget.zip(budget_before).filter(|_| decision.budget.is_some());
        let budget = budget.map(|(cap, before)| format!("{cap} ({before} before)"));
        let used = card.arms.iter().map(|arm| arm.evidence.days).max().unwrap_or(0);
        let days = decision.days.map(|_| format!("{days} settled days ({days_before} before; {used} have passed)"));
        let caps: Vec<String> = days.into_iter().chain(budget).collect();
        lines.push(("Cap", format!("Now {}", figures::list(&caps))));
    }
    lines.push((
        "Verdict",
        if decision.is_override() {
            let often = said(overrides).map_or_else(String::new, |often| format!(" {often}"));
            format!("{verdict}: the decision goes against it.{often}")
        } else {
            verdict
        },
    ));
    lines.push(("Next", next.to_owned()));
    Message {
        concept: decision.concept.clone(),
        verdict: Some(card.verdict),
        decision: Some(decision.choice),
        topics: vec![Topic::Verdicts],
        headline: format!("{} · {} {did}", experiment.concept.title, decision.by),
        lines: lines.into_iter().map(|(label, line)| (label.to_owned(), line)).collect(),
        decided_at: decision.at,
    }
}

/// How often that happened; nothing of a single decision, which says so itself.
pub fn said(Overrides { decisions, against }: Overrides) -> Option<String> {
    let against = if against == 0 { "None".to_owned() } else { against.to_string() };
    (decisions > 1).then(|| format!("{against} of {decisions} decisions so far went against their verdict."))
}
