//! The five lines people are told (product.md section 9), one message a change of state. Not for
//! sending or escaping: that is the notifiers' business.

use std::mem::discriminant;

use chrono::Days;

use super::explain::{self, today};
use super::money as economics;
use super::outlook::{self, Budget, Outlook};
use super::revision::{self, Changed};
use super::{Lately, best, decision, figures, flags, measure, next, notes, topics};
use crate::domain::audience::Topic;
use crate::domain::concept::{Experiment, Guardrail, Limit, Model};
use crate::domain::message::Message;
use crate::domain::metric::MetricId;
use crate::domain::millionths;
use crate::domain::money::Money;
use crate::domain::verdict::{ArmScore, Reason, Scorecard, SpendAfter, Verdict};

/// How `now` differs from what was last told.
enum Change<'a> {
    /// A verdict, a cause to look, or a defect that is new.
    Reached,
    /// An earlier verdict that the numbers, restated, no longer carry.
    Withdrawn(&'a Scorecard),
    /// An earlier verdict that cannot be confirmed while the data is defective.
    Suspended(&'a Scorecard),
    /// That verdict, once the data can be trusted again.
    Confirmed,
    /// The data can be trusted again.
    Recovered,
}

/// The message for the step from `previous`, the concept's last stored scorecard, to `now`; `None` when
/// nothing a reader must know changed: a range that moved, a first COLLECTING, a new test begun. `sound` is
/// the last stored scorecard that was not BLOCKED: while the data is defective, what it said is suspended,
/// not gone. `changed` are the days that [`withdrawn`]'s verdict saw otherwise; `lately` is asked for where there is something
/// to tell.
pub fn message(
    experiment: &Experiment,
    previous: Option<&Scorecard>,
    sound: Option<&Scorecard>,
    now: &Scorecard,
    changed: &[Changed],
    lately: impl FnOnce() -> Lately,
) -> Option<Message> {
    let of_this_test = |card: &&Scorecard| card.generation == now.generation;
    let change = change(previous.filter(of_this_test), sound.filter(of_this_test), now)?;
    let lately = lately();
    let decided = decision::latest(&now.decisions).map(|it| decision::decided(experiment, it, today(experiment, now)));
    let parts = [
        Some(("Why", why(experiment, &change, now))),
        change
            .withdrawn()
            .and_then(|earlier| revision::line(experiment, changed, earlier, now))
            .map(|line| ("Changed", line)),
        decided.map(|decided| ("Decided", decided)),
        evidence(experiment, now).map(|line| ("Evidence", line)),
        money(experiment, now, &lately).map(|line| ("Money", line)),
        Some(("Next", next(experiment, &change, now, lately.ads.as_ref()))),
    ];
    Some(Message {
        concept: now.concept.clone(),
        verdict: Some(now.verdict),
        decision: None,
        topics: topics::of_change(previous.filter(of_this_test), sound.filter(of_this_test), now),
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
    let (horizon_days, cap) = explain::caps(experiment, now);
    let cap = cap.map_or(0, |cap| cap.micros);
    let lately = Lately { unsettled: outlook.unsettled, ..Lately::default() };
    let notice = |kind: &str, what: &str, why: Vec<String>, next: String| {
        let owner = experiment.owner.as_ref().map_or_else(String::new, |owner| format!(" (owner: {owner})"));
        let parts = [
            Some(("Why", why.join(" "))),
            evidence(experiment, now).map(|line| ("Evidence", line)),
            money(experiment, now, &lately).map(|line| ("Money", line)),
            Some(("Next", next)),
        ];
        Notice {
            id: format!("{kind}_{}_{}_{}_{cap}", now.concept, now.generation, horizon_days),
            message: Message {
                concept: now.concept.clone(),
                verdict: None,
                decision: None,
                topics: vec![Topic::Budget],
                headline: format!("{} · {} · {what}{owner}", now.verdict, experiment.concept.title),
                lines: parts.into_iter().flatten().map(|(label, line)| (label.to_owned(), line)).collect(),
                decided_at: now.as_of,
            },
        }
    };
    let mut notices = Vec::new();
    if outlook.build_out_of_reach {
        let rest = outlook::rest(outlook).map_or_else(String::new, |(rest, over)| {
            let over = over.map_or_else(String::new, |over| format!(", {over} over the cap"));
            format!(" (about {rest} more{over})")
        });
        // Nobody raises the day named as the last one.
        let raise = if experiment.stop.is_none() { ", raise the cap for a chance of BUILD," } else { "" };
        let next = format!("Stop the ads{raise} or let it run{rest}: this is no verdict");
        let why = outlook::out_of_reach(experiment, now, outlook).into_iter().collect();
        notices.push(notice("futile", "BUILD is out of reach", why, next));
    }
    if let Some(budget) = outlook.budget.filter(Budget::is_nearly_used) {
        let used = figures::share(budget.spent.over(budget.cap).unwrap_or(1.0));
        let mut why = vec![outlook::used(now, &budget)];
        why.extend(outlook::ahead_of_all(experiment, now, outlook));
        why.extend(outlook::overrun(outlook));
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
            Self::Reached | Self::Suspended(_) | Self::Confirmed | Self::Recovered => None,
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
        (Verdict::Blocked, _) if held.is_some() => Some(Change::Confirmed),
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
        Change::Reached | Change::Suspended(_) | Change::Confirmed => {
            parts.extend(explain::reached_before(experiment, now));
        }
    }
    let owner = experiment.owner.as_ref().map_or_else(String::new, |owner| format!(" (owner: {owner})"));
    let today = today(experiment, now);
    match now.verdict {
        Verdict::Blocked => parts.push(format!("{}{owner}", explain::withheld(now).unwrap_or_default())),
        Verdict::Build | Verdict::Kill | Verdict::Review => {
            // What takes the place of another verdict is told for the first time, whenever it would have been reached.
            let first_told = match change {
                Change::Withdrawn(_) => today,
                Change::Reached | Change::Suspended(_) | Change::Confirmed | Change::Recovered => {
                    explain::since(experiment, now)
                }
            };
            let due = first_told.checked_add_days(Days::new(u64::from(experiment.decide_within_days)));
            let by = due.filter(|&due| due >= today).map(|due| format!("decide by {}", figures::day(due, today)));
            parts.push(by.unwrap_or_else(|| "decide now".to_owned()) + &owner);
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
        Change::Confirmed => parts.push(format!("The data can be trusted again, and the {} stands.", now.verdict)),
        Change::Recovered => parts.push("The data can be trusted again.".to_owned()),
        Change::Withdrawn(earlier) => {
            let old = dated(experiment, earlier, now);
            parts.push(format!("The numbers of past days changed, so the {old} no longer holds."));
        }
    }
    match now.verdict {
        Verdict::Build => {
            parts.push(format!("{}; {}.", rates(experiment, now, "; "), explain::break_even(experiment, now)));
            parts.extend(explain::slipped(experiment, now));
            parts.extend(best::said(experiment, now, &now.best));
            parts.extend(explain::weak_point(experiment, now));
            parts.extend(flags::told(experiment, now));
            parts.extend(notes::told(experiment, now));
            parts.extend(decision::raises(experiment, now));
        }
        Verdict::Kill => {
            let best_case = explain::best_case(experiment, now);
            parts.push(if now.arms.len() == 1 {
                format!("{}; {best_case}.", rates(experiment, now, "; "))
            } else {
                format!("{}. {}.", rates(experiment, now, ". "), figures::capital(&best_case))
            });
            parts.extend(flags::told(experiment, now));
            parts.extend(notes::told(experiment, now));
            parts.extend(decision::raises(experiment, now));
        }
        Verdict::Collecting | Verdict::Review | Verdict::Blocked => {
            let sentence = explain::sentence(experiment, now);
            // It did not when there was a verdict.
            parts.push(match change {
                Change::Withdrawn(_) => sentence.replacen("The range still covers", "The range now covers", 1),
                _ => sentence,
            });
        }
    }
    parts.join(" ")
}

/// The rate and range of every arm that carries the verdict; their counts stand in the next line.
fn rates(experiment: &Experiment, now: &Scorecard, between: &str) -> String {
    let policy = &experiment.policy;
    let rate = &policy.primary;
    let [before, after] = match policy.model {
        Model::Rate => [String::new(), format!(" {}", explain::share_did(experiment))],
        Model::Cpa => [String::new(), format!(" per {}", rate.numerator.metric().noun)],
        Model::Compare => [
            format!("{} {} ", figures::capital(&figures::many(rate.denominator)), explain::did(experiment)),
            format!(" as often as with {}", explain::control(experiment)),
        ],
    };
    let rates = now.arms.iter().filter(|arm| arm.verdict == now.verdict).filter_map(|arm| {
        let ends = explain::ends(&arm.evidence)?;
        let who = explain::who(experiment, now, arm);
        let range = measure::named_range(policy, ends);
        Some(match arm.evidence.estimate {
            Some(estimate) => format!("{who}{before}{}{after} ({range})", measure::value(policy, estimate)),
            None => format!("{who}{before}{range}{after}"),
        })
    });
    rates.collect::<Vec<_>>().join(between)
}

/// The versions that the reader is to decide about: those that are BUILD, or that are not KILL where others are.
fn meant(card: &Scorecard) -> Vec<&ArmScore> {
    let is_meant = |arm: &&ArmScore| match card.verdict {
        Verdict::Build => arm.verdict == Verdict::Build,
        Verdict::Review => arm.verdict != Verdict::Kill,
        Verdict::Collecting | Verdict::Kill | Verdict::Blocked => true,
    };
    card.arms.iter().filter(is_meant).collect()
}

/// `Plan a and Plan b`.
fn named(experiment: &Experiment, arms: &[&ArmScore]) -> String {
    figures::list(&arms.iter().map(|arm| explain::name(experiment, &arm.arm).to_owned()).collect::<Vec<_>>())
}

/// What it rests on; nothing while nothing is settled or what is cannot be trusted.
fn evidence(experiment: &Experiment, now: &Scorecard) -> Option<String> {
    if now.verdict == Verdict::Blocked {
        return None;
    }
    let meant = meant(now);
    let trials: f64 = meant.iter().map(|arm| arm.evidence.trials).sum();
    let acts: f64 = meant.iter().map(|arm| arm.evidence.successes).sum();
    let counts = measure::counts(&experiment.policy, acts, trials);
    let days = meant.iter().map(|arm| arm.evidence.days).max().filter(|&days| days > 0)?;
    let today = today(experiment, now);
    let settled = figures::day(now.last_settled_day, today);
    let mut parts = vec![
        match now.arms.len() {
            1 => counts,
            all if meant.len() < all => format!("{}: {counts}", named(experiment, &meant)),
            2 => format!("both versions: {counts}"),
            all => format!("all {all} versions: {counts}"),
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
        let least = if score.is_max { "most" } else { "least" };
        let limit = if explain::is_beyond(score) {
            beyond(if score.is_max { "over" } else { "under" }, &limit, score.breached)
        } else {
            format!("limit: at {least} {limit}")
        };
        Some(format!("{} {value} ({limit})", score.name))
    });
    Some([parts.join(", ")].into_iter().chain(rails).collect::<Vec<_>>().join("; "))
}

/// `over the limit of $84, perhaps by chance`: chance alone may do it where no breach is shown.
fn beyond(side: &str, limit: &str, is_breached: bool) -> String {
    format!("{side} the limit of {limit}{}", if is_breached { "" } else { ", perhaps by chance" })
}

/// Spent, per act with its limit, and what is at stake; each part only where it is known.
fn money(experiment: &Experiment, now: &Scorecard, lately: &Lately) -> Option<String> {
    let mut parts = vec![];
    if let Some(spend) = now.spend.filter(|spend| spend.micros > 0) {
        parts.push(spent(experiment, now, spend, lately));
        parts.extend(per_act(experiment, now));
    }
    parts.extend(now.reasons.iter().find_map(|why| match why {
        Reason::MixedCurrencies { currencies } => Some(format!("spent in {}, not added up", figures::list(currencies))),
        _ => None,
    }));
    if let Some(cost) = experiment.money.build_cost() {
        match now.verdict {
            Verdict::Kill => parts.push(format!("not building it saves up to {cost}")),
            _ => parts.push(format!("building it would cost {cost}")),
        }
    }
    (!parts.is_empty()).then(|| parts.join(" · "))
}

/// Whether what is known of the spend is not all, because days were not read or are in doubt.
pub fn is_partial(card: &Scorecard) -> bool {
    card.reasons.iter().any(|why| matches!(why, Reason::Stale { .. } | Reason::FewerRows { .. }))
}

/// `$3,170 spent to Sun 15 Mar, $450 since`; what of it, or besides it, is not the tested versions' own. Days that are not
/// settled count for no verdict, but their money is gone.
fn spent(experiment: &Experiment, now: &Scorecard, spend: Money, lately: &Lately) -> String {
    let at_least = if is_partial(now) { "at least " } else { "" };
    let settled = now.last_settled_day;
    let to = figures::day(lately.spend_until.map_or(settled, |day| day.min(settled)), today(experiment, now));
    let mut text = format!("{at_least}{spend} spent to {to}");
    let tested = now.arms.iter().filter_map(|arm| arm.spend).reduce(|sum, part| sum.plus(part).unwrap_or(sum));
    let of_control = tested.and_then(|tested| Some((tested, spend.minus(tested).ok()?)));
    let of_control = of_control.filter(|(_, rest)| rest.micros > 0 && experiment.arms.iter().any(|arm| arm.control));
    if let Some((tested, rest)) = of_control {
        let (on, beside) = match &now.arms[..] {
            [arm] => (explain::name(experiment, &arm.arm), "it"),
            _ => ("the versions tested", "them"),
        };
        text += &format!(" ({tested} on {on}, {rest} on {} beside {beside})", explain::control(experiment));
    }
    text += &lately.unsettled.map_or_else(String::new, |more| format!(", {more} since"));
    text += &over_the_cap(experiment, now, spend, lately.unsettled).unwrap_or_default();
    if let Some(Reason::UnmappedSpend { amount: Some(amount), .. }) = &now.unmapped {
        text += &format!(", and {amount} more to {to} on campaigns of no version");
    }
    text
}

/// By how much ads that nobody stopped have gone beyond a cap that ended the test. The money of a control is beside it.
fn over_the_cap(experiment: &Experiment, now: &Scorecard, spend: Money, unsettled: Option<Money>) -> Option<String> {
    let at_cap = now.arms.iter().any(|arm| matches!(arm.reason, Some(Reason::CapReached { .. })));
    let cap = explain::caps(experiment, now).1.filter(|_| at_cap && !experiment.arms.iter().any(|arm| arm.control))?;
    let all = unsettled.map_or(Ok(spend), |more| spend.plus(more)).ok()?;
    let over = all.minus(cap).ok().filter(|over| over.micros > 0)?;
    Some(format!(", in all {over} more than the cap"))
}

/// `$42.84 per sign-up (limit $84)`, `… (over the limit of $84, perhaps by chance)`; before the first act, more than all
/// that was spent.
pub fn per_act(experiment: &Experiment, now: &Scorecard) -> Option<String> {
    if now.verdict == Verdict::Blocked {
        return None;
    }
    let noun = experiment.policy.primary.numerator.metric().noun;
    let meant = meant(now);
    let whose = match meant[..] {
        [_] if now.arms.len() == 1 && !experiment.arms.iter().any(|arm| arm.control) => String::new(),
        ref some if some.len() < now.arms.len() || some.len() == 1 => format!(" of {}", named(experiment, some)),
        [_, _] => " for both versions together".to_owned(),
        ref all => format!(" for all {} versions together", all.len()),
    };
    let spent = meant.iter().filter_map(|arm| arm.spend).reduce(|sum, part| sum.plus(part).unwrap_or(sum))?;
    let cost = economics::cost_per_act(meant.iter().copied());
    let rail = experiment.policy.guardrails.iter().position(|rail| is_cost(experiment, rail));
    let is_breached = |rail: usize| {
        let scores = || meant.iter().map(|arm| arm.guardrails.get(rail));
        // Old scorecards and whole tests have it once for all.
        if scores().all(|score| score.is_some()) {
            scores().flatten().any(|score| score.breached)
        } else {
            now.guardrails.get(rail).is_none_or(|score| score.breached)
        }
    };
    let limit = cost_limit(experiment, cost.unwrap_or(spent)).map(|limit| {
        if cost.unwrap_or(spent).micros > limit.micros {
            beyond("over", &limit.as_set(), rail.is_none_or(is_breached))
        } else {
            format!("limit {}", limit.as_set())
        }
    });
    Some(match (cost, limit) {
        (Some(cost), Some(limit)) => format!("{cost} per {noun}{whose} ({limit})"),
        (Some(cost), None) => format!("{cost} per {noun}{whose}"),
        (None, Some(limit)) => format!("no {noun} on settled days for {spent} ({limit})"),
        (None, None) => format!("no {noun} on settled days for {spent}"),
    })
}

/// What an act may cost: the guardrail's limit, else what unit economics allow, in the same currency.
pub fn cost_limit(experiment: &Experiment, cost: Money) -> Option<Money> {
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
    match change {
        Change::Withdrawn(earlier) => {
            let stop = match earlier.verdict {
                Verdict::Build => " · stop any work begun because of the BUILD",
                Verdict::Kill => " · undo what was done because of the KILL",
                _ => "",
            };
            if now.verdict == Verdict::Collecting {
                let ads = ads.and_then(|ads| economics::ads_spending(ads, "", today(experiment, now)));
                let run =
                    ads.map_or_else(|| "start the ads again".to_owned(), |ads| format!("let the ads run ({ads})"));
                return format!("Find out why the numbers changed{stop} · the test goes on: {run}");
            }
            let then = figures::uncapital(&next::to_do(experiment, now, ads));
            format!("First find out why the numbers changed: decide nothing on wrong numbers{stop} · then {then}")
        }
        Change::Suspended(earlier) => next::to_do_meanwhile(experiment, now, ads, &dated(experiment, earlier, now)),
        Change::Reached | Change::Confirmed | Change::Recovered => next::to_do(experiment, now, ads),
    }
}
