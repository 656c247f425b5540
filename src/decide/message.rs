//! The five lines people are told (product.md section 9), one message a change of state. Not for
//! sending or escaping: that is the notifiers' business.

use std::mem::discriminant;

use chrono::Days;

use super::best;
use super::decision;
use super::explain::{self, today};
use super::figures;
use super::flags;
use super::measure;
use super::money as economics;
use super::next;
use super::notes;
use super::outlook::{self, Budget, Outlook};
use super::revision::{self, Changed};
use crate::domain::concept::{Experiment, Guardrail, Limit, Model};
use crate::domain::message::Message;
use crate::domain::metric::MetricId;
use crate::domain::millionths;
use crate::domain::money::Money;
use crate::domain::verdict::{Reason, Scorecard, SpendAfter, Verdict};

/// How `now` differs from what was last told.
enum Change<'a> {
    /// A verdict, a cause to look, or a defect that is new.
    Reached,
    /// An earlier verdict that the numbers, restated, no longer carry.
    Withdrawn(&'a Scorecard),
    /// An earlier verdict that cannot be confirmed while the data is defective.
    Suspended(&'a Scorecard),
    /// The data can be trusted again.
    Recovered,
}

/// The message for the step from `previous`, the concept's last stored scorecard, to `now`; `None` when
/// nothing a reader must know changed: a range that moved, a first COLLECTING, a new test begun. `sound` is
/// the last stored scorecard that was not BLOCKED: while the data is defective, what it said is suspended,
/// not gone. `changed` are the days that [`withdrawn`]'s verdict saw otherwise, `ads` what the ads of a test without a
/// verdict spend on a day.
pub fn message(
    experiment: &Experiment,
    previous: Option<&Scorecard>,
    sound: Option<&Scorecard>,
    now: &Scorecard,
    changed: &[Changed],
    ads: Option<&SpendAfter>,
) -> Option<Message> {
    let of_this_test = |card: &&Scorecard| card.generation == now.generation;
    let change = change(previous.filter(of_this_test), sound.filter(of_this_test), now)?;
    let decided = decision::latest(&now.decisions).map(|it| decision::decided(experiment, it, today(experiment, now)));
    let parts = [
        Some(("Why", why(experiment, &change, now))),
        change
            .withdrawn()
            .and_then(|earlier| revision::line(experiment, changed, earlier, now))
            .map(|line| ("Changed", line)),
        decided.map(|decided| ("Decided", decided)),
        evidence(experiment, now).map(|line| ("Evidence", line)),
        money(experiment, now).map(|line| ("Money", line)),
        Some(("Next", next(experiment, &change, now, ads))),
    ];
    Some(Message {
        concept: now.concept.clone(),
        verdict: Some(now.verdict),
        decision: None,
        headline: headline(experiment, &change, now),
        lines: parts.into_iter().flatten().map(|(label, line)| (label.to_owned(), line)).collect(),
        decided_at: now.as_of,
    })
}

/// Something its owner should know of a test that collects, once.
pub struct Notice {
    /// The same however often it is worked out, and another once a cap was raised.
    pub id: String,
    /// What is said.
    pub message: Message,
}

/// That BUILD is out of reach within the cap, and that most of the budget is used without a verdict (product.md
/// section 9). Neither is a verdict: the test stays COLLECTING until KILL or the cap.
pub fn notices(experiment: &Experiment, now: &Scorecard, outlook: &Outlook) -> Vec<Notice> {
    let left = outlook.budget.and_then(|budget| budget.cap.minus(budget.spent).ok()).filter(|left| left.micros > 0);
    let (horizon_days, cap) = explain::caps(experiment, now);
    let cap = cap.map_or(0, |cap| cap.micros);
    let notice = |kind: &str, what: &str, why: Vec<String>, next: String| {
        let owner = experiment.owner.as_ref().map_or_else(String::new, |owner| format!(" (owner: {owner})"));
        let parts = [
            Some(("Why", why.join(" "))),
            evidence(experiment, now).map(|line| ("Evidence", line)),
            money(experiment, now).map(|line| ("Money", line)),
            Some(("Next", next)),
        ];
        Notice {
            id: format!("{kind}_{}_{}_{}_{cap}", now.concept, now.generation, horizon_days),
            message: Message {
                concept: now.concept.clone(),
                verdict: None,
                decision: None,
                headline: format!("{} · {} · {what}{owner}", now.verdict, experiment.concept.title),
                lines: parts.into_iter().flatten().map(|(label, line)| (label.to_owned(), line)).collect(),
                decided_at: now.as_of,
            },
        }
    };
    let mut notices = Vec::new();
    if outlook.build_out_of_reach {
        let saved = left.map_or_else(String::new, |left| format!(" and keep up to {}", left.as_set()));
        let next = format!("Stop the ads{saved}, raise the cap, or let it run: this is no verdict");
        let why = outlook::out_of_reach(experiment, now, outlook).into_iter().collect();
        notices.push(notice("futile", "BUILD is out of reach", why, next));
    }
    if let Some(budget) = outlook.budget.filter(Budget::is_nearly_used) {
        let used = figures::share(budget.spent.over(budget.cap).unwrap_or(1.0));
        let mut why = vec![outlook::used(&budget)];
        why.extend(outlook::ahead_of_all(experiment, now, outlook));
        let next = "Raise the cap, stop the ads, or let it run: at the cap you decide".to_owned();
        notices.push(notice("budget", &format!("{used} of the budget is used without a verdict"), why, next));
    }
    notices
}

/// The verdict that `now` takes the place of because the numbers it rested on were restated.
pub fn withdrawn<'a>(
    previous: Option<&Scorecard>,
    sound: Option<&'a Scorecard>,
    now: &Scorecard,
) -> Option<&'a Scorecard> {
    let of_this_test = |card: &&Scorecard| card.generation == now.generation;
    change(previous.filter(of_this_test), sound.filter(of_this_test), now)?.withdrawn()
}

impl<'a> Change<'a> {
    fn withdrawn(&self) -> Option<&'a Scorecard> {
        match self {
            Self::Withdrawn(earlier) => Some(earlier),
            Self::Reached | Self::Suspended(_) | Self::Recovered => None,
        }
    }
}

fn change<'a>(previous: Option<&Scorecard>, sound: Option<&'a Scorecard>, now: &Scorecard) -> Option<Change<'a>> {
    let before = previous.map_or(Verdict::Collecting, |card| card.verdict);
    let held = sound.filter(|card| card.verdict.is_terminal());
    match (before, now.verdict) {
        (Verdict::Collecting, Verdict::Collecting) => None,
        (old, new) if old == new => {
            // A new cause to look, or a new defect to mend, is a new job for the reader. A defect keeps
            // growing or shrinking until it is mended; a cause to look changes only when days are restated.
            let same = |old, why| match new {
                Verdict::Blocked => discriminant(old) == discriminant(why),
                _ => old == why,
            };
            let known = |why| previous.is_some_and(|card| card.reasons.iter().any(|old| same(old, why)));
            (!now.reasons.iter().all(known)).then_some(Change::Reached)
        }
        (_, Verdict::Blocked) => Some(held.map_or(Change::Reached, Change::Suspended)),
        // The person who raised the cap knows, and everyone was told then.
        (Verdict::Review, Verdict::Collecting) if held.is_some_and(|card| was_extended(card, now)) => None,
        // The numbers still carry what they carried: other concepts no longer withhold it.
        (Verdict::Review, Verdict::Build) if held.is_some_and(|card| card.withheld().is_some()) => {
            Some(Change::Reached)
        }
        (_, new) if held.is_some_and(|card| card.verdict != new) => held.map(Change::Withdrawn),
        (Verdict::Blocked, Verdict::Collecting) => Some(Change::Recovered),
        _ => Some(Change::Reached),
    }
}

/// Whether an earlier verdict stood at a cap that was raised since.
fn was_extended(earlier: &Scorecard, now: &Scorecard) -> bool {
    let at_cap = earlier.arms.iter().any(|arm| matches!(arm.reason, Some(Reason::CapReached { .. })));
    at_cap && now.raises().count() > earlier.raises().count()
}

fn headline(experiment: &Experiment, change: &Change<'_>, now: &Scorecard) -> String {
    let mut parts = vec![now.verdict.to_string(), experiment.concept.title.clone()];
    match change {
        Change::Withdrawn(earlier) => parts.push({
            let earlier = dated(experiment, earlier, now);
            format!("{earlier} is {}", if now.verdict.is_terminal() { "revised" } else { "withdrawn" })
        }),
        Change::Recovered => parts.push("data sound again".to_owned()),
        Change::Reached | Change::Suspended(_) => {}
    }
    let owner = experiment.owner.as_ref().map_or_else(String::new, |owner| format!(" (owner: {owner})"));
    let today = today(experiment, now);
    match now.verdict {
        Verdict::Blocked => parts.push(format!("{}{owner}", explain::withheld(now).unwrap_or_default())),
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
    let mut parts = vec![];
    match change {
        Change::Reached => {}
        Change::Suspended(earlier) => {
            parts.push(format!("The {} cannot be confirmed for now.", dated(experiment, earlier, now)));
        }
        Change::Recovered => parts.push("The data can be trusted again.".to_owned()),
        Change::Withdrawn(earlier) => {
            let noun = figures::many(experiment.policy.primary.numerator);
            let (then, today) = (figures::count(acts(earlier)), figures::count(acts(now)));
            let old = dated(experiment, earlier, now);
            parts.push(format!(
                "The numbers of past days changed ({then} {noun} then, {today} now), so the {old} no longer holds."
            ));
        }
    }
    match now.verdict {
        Verdict::Build => {
            parts.push(format!("{}; {}.", rates(experiment, now, "; "), explain::break_even(experiment, now)));
            parts.extend(explain::slipped(experiment, now));
            parts.extend(best::said(experiment, now, &now.best));
            parts.extend(flags::told(experiment, now));
            parts.extend(notes::told(experiment, now));
            parts.extend(decision::raises(experiment, now));
        }
        Verdict::Kill => {
            let best_case = explain::best_case(experiment, now);
            parts.push(if now.arms.len() == 1 {
                format!("{}; {best_case}.", rates(experiment, now, "; "))
            } else {
                format!("{}. {}.", rates(experiment, now, ". "), explain::capital(&best_case))
            });
            parts.extend(flags::told(experiment, now));
            parts.extend(notes::told(experiment, now));
            parts.extend(decision::raises(experiment, now));
        }
        Verdict::Collecting | Verdict::Review | Verdict::Blocked => parts.push(explain::sentence(experiment, now)),
    }
    parts.join(" ")
}

/// The rate and range of every arm that carries the verdict; their counts stand in the next line.
fn rates(experiment: &Experiment, now: &Scorecard, between: &str) -> String {
    let policy = &experiment.policy;
    let did = match policy.model {
        Model::Rate => explain::did(experiment),
        Model::Cpa => format!("per {}", policy.primary.numerator.metric().noun),
        Model::Compare => {
            format!("as many {} as with {}", explain::did(experiment), explain::control(experiment))
        }
    };
    let rates = now.arms.iter().filter(|arm| arm.verdict == now.verdict).filter_map(|arm| {
        let range = measure::range(policy, explain::ends(&arm.evidence)?);
        let who = explain::who(experiment, now, arm);
        Some(match arm.evidence.estimate {
            Some(estimate) => format!("{who}{} {did} (range {range})", measure::value(policy, estimate)),
            None => format!("{who}{range} {did}"),
        })
    });
    rates.collect::<Vec<_>>().join(between)
}

fn acts(card: &Scorecard) -> f64 {
    card.arms.iter().map(|arm| arm.evidence.successes).sum()
}

/// What it rests on; nothing while nothing is settled or what is cannot be trusted.
fn evidence(experiment: &Experiment, now: &Scorecard) -> Option<String> {
    if now.verdict == Verdict::Blocked {
        return None;
    }
    let trials: f64 = now.arms.iter().map(|arm| arm.evidence.trials).sum();
    let days = now.arms.iter().map(|arm| arm.evidence.days).max().filter(|&days| days > 0)?;
    let today = today(experiment, now);
    let settled = figures::day(now.last_settled_day, today);
    let mut parts = vec![
        match now.arms.len() {
            1 => measure::counts(&experiment.policy, acts(now), trials),
            2 => format!("both versions: {}", measure::counts(&experiment.policy, acts(now), trials)),
            all => format!("all {all} versions: {}", measure::counts(&experiment.policy, acts(now), trials)),
        },
        format!("{} {} to {settled}", days, if days == 1 { "settled day" } else { "settled days" }),
    ];
    let mut channels: Vec<&str> = experiment.sources.iter().filter_map(|source| source.channel.as_deref()).collect();
    channels.sort_unstable();
    channels.dedup();
    if channels.len() > 1 {
        parts.push(format!("{} channels", channels.len()));
    }
    let currency = now.spend.map(|spend| spend.currency);
    // What an act costs, and may, stands in the next line.
    let others =
        now.guardrails.iter().zip(&experiment.policy.guardrails).filter(|(_, rail)| !is_cost(experiment, rail));
    let rails = others.filter_map(|(score, rail)| {
        let value = explain::guardrail_figure(rail.numerator, score.value?, currency);
        let limit = explain::limit_figure(rail.numerator, score.limit, currency);
        Some(format!("{} {value} (limit {limit})", score.name))
    });
    Some([parts.join(", ")].into_iter().chain(rails).collect::<Vec<_>>().join("; "))
}

/// Spent, per act with its limit, and what is at stake; each part only where it is known.
fn money(experiment: &Experiment, now: &Scorecard) -> Option<String> {
    let mut parts = vec![];
    if let Some(spend) = now.spend.filter(|spend| spend.micros > 0) {
        parts.push(spent(experiment, now, spend));
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

/// `$3,170 spent to Sun 15 Mar`; what of it, or besides it, is not the tested versions' own.
fn spent(experiment: &Experiment, now: &Scorecard, spend: Money) -> String {
    let mut text = format!("{spend} spent to {}", figures::day(now.last_settled_day, today(experiment, now)));
    let tested = now.arms.iter().filter_map(|arm| arm.spend).reduce(|sum, part| sum.plus(part).unwrap_or(sum));
    let of_control = tested.and_then(|tested| spend.minus(tested).ok()).filter(|rest| rest.micros > 0);
    if let Some(rest) = of_control.filter(|_| experiment.arms.iter().any(|arm| arm.control)) {
        text += &format!(", {rest} of it on {}", explain::control(experiment));
    }
    if let Some(Reason::UnmappedSpend { amount: Some(amount), .. }) = &now.unmapped {
        text += &format!(", and {amount} more on campaigns of no version");
    }
    text
}

/// `$42.84 per sign-up (limit $84)`; before the first act, more than all that was spent.
fn per_act(experiment: &Experiment, now: &Scorecard) -> Option<String> {
    if now.verdict == Verdict::Blocked {
        return None;
    }
    let noun = experiment.policy.primary.numerator.metric().noun;
    let spent = now.arms.iter().filter_map(|arm| arm.spend).reduce(|sum, part| sum.plus(part).unwrap_or(sum))?;
    let cost = economics::cost_per_act(now);
    let limit = cost_limit(experiment, cost.unwrap_or(spent)).map(|limit| format!("limit {}", limit.as_set()));
    Some(match (cost, limit) {
        (Some(cost), Some(limit)) => format!("{cost} per {noun} ({limit})"),
        (Some(cost), None) => format!("{cost} per {noun}"),
        (None, Some(limit)) => format!("more than {spent} per {noun} (none yet; {limit})"),
        (None, None) => format!("more than {spent} per {noun} (none yet)"),
    })
}

/// What an act may cost: the guardrail's limit, else what unit economics allow, in the same currency.
fn cost_limit(experiment: &Experiment, cost: Money) -> Option<Money> {
    let rail = experiment.policy.guardrails.iter().find(|rail| is_cost(experiment, rail));
    match rail.map(|rail| rail.limit) {
        Some(Limit::Max(limit)) => Money { micros: millionths::ONE, ..cost }.times(limit),
        _ => experiment.money.allowed_cost_per_act().filter(|limit| limit.currency == cost.currency),
    }
}

/// Whether a guardrail limits what one deciding act costs.
pub fn is_cost(experiment: &Experiment, rail: &Guardrail) -> bool {
    rail.numerator == MetricId::SPEND
        && rail.denominator == experiment.policy.primary.numerator
        && matches!(rail.limit, Limit::Max(_))
}

fn next(experiment: &Experiment, change: &Change<'_>, now: &Scorecard, ads: Option<&SpendAfter>) -> String {
    if now.verdict == Verdict::Collecting && matches!(change, Change::Withdrawn(_)) {
        return "Hold what was begun on that verdict · the test goes on".into();
    }
    next::to_do(experiment, now, ads)
}
