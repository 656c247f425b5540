//! Words that several pages need, shorter than what `decide::explain` says and never more.

use chrono::NaiveDate;

pub use super::urgency::due;
use super::urgency::{Urgency, ads_run, days_of};
use crate::decide::{decision, explain, figures, measure, money, next, raise};
use crate::domain::concept::Experiment;
use crate::domain::decision::Decision;
use crate::domain::money::Money;
use crate::domain::verdict::{Lean, Reason, Scorecard, SpendAfter, Verdict};
use crate::web::moment::Standing;
use crate::web::range::leading;

/// What the row says below the name.
pub fn sentence(experiment: &Experiment, standing: &Standing) -> String {
    if let Some(why) = &standing.unreadable {
        return format!("What is stored of it cannot be read: {why}.");
    }
    let Some(card) = standing.card() else {
        return format!("First numbers after {}.", figures::day(experiment.start, experiment.start));
    };
    match card.verdict {
        Verdict::Build => worst_case(experiment, card),
        Verdict::Kill => figures::capital(&explain::best_case(experiment, card)) + ".",
        Verdict::Review => review(experiment, card),
        Verdict::Collecting | Verdict::Blocked => first(&explain::sentence(experiment, card)).to_owned(),
    }
}

/// `The cap of $4,000 was reached on Sun 15 Mar. The range still covers both …; it leans to BUILD, without a promise.`
fn review(experiment: &Experiment, card: &Scorecard) -> String {
    let all = explain::sentence(experiment, card);
    let arm = leading(card).filter(|arm| explain::ends(&arm.evidence).is_some());
    let Some((arm, Some(Reason::CapReached { lean }))) = arm.map(|arm| (arm, &arm.reason)) else {
        return first(&all).to_owned();
    };
    let lean = lean.map_or("", |lean| match lean {
        Lean::Build => "; it leans to BUILD, without a promise",
        Lean::Kill => "; it leans to KILL, without a promise",
    });
    format!("{} {}{lean}.", first(&all), figures::capital(&explain::covers(experiment, &arm.evidence)))
}

/// `Even the worst case, 4.0%, is above break-even (3.0%).`
fn worst_case(experiment: &Experiment, card: &Scorecard) -> String {
    let policy = &experiment.policy;
    let ends = leading(card).and_then(|arm| explain::ends(&arm.evidence));
    match ends {
        Some(ends) if measure::clears_break_even(policy, ends) => {
            let worst = if measure::best(policy, ends).total_cmp(&ends.0).is_eq() { ends.1 } else { ends.0 };
            let (worst, bar) = (measure::end(policy, worst), measure::bar(policy, policy.kill_bar));
            let name = match card.arms.len() {
                1 => String::new(),
                _ => leading(card).map_or_else(String::new, |arm| format!("{}: ", explain::name(experiment, &arm.arm))),
            };
            let even = if name.is_empty() { "Even" } else { "even" };
            format!("{name}{even} the worst case, {worst}, is {} break-even ({bar}).", measure::good_side(policy))
        }
        _ => first(&explain::sentence(experiment, card)).to_owned(),
    }
}

/// What is to be done, in the row.
pub fn to_do(experiment: &Experiment, standing: &Standing, urgency: Urgency, today: NaiveDate) -> String {
    let Some(card) = standing.card().filter(|_| standing.unreadable.is_none()) else {
        return if standing.unreadable.is_some() { "Run `willitsell status`" } else { "Nothing to do" }.to_owned();
    };
    match urgency {
        Urgency::Blocked => mends(experiment, card),
        Urgency::Undecided { .. } => [Some(decide_by(experiment, card, today)), stop(card, today)]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join("; "),
        Urgency::AdsAfter => stop(card, today).map_or_else(String::new, |stop| figures::capital(&stop)),
        Urgency::Review if raise::helps(experiment, card) => "Choose: extend, or decide on judgement".to_owned(),
        Urgency::Review => "Decide on judgement: build or kill".to_owned(),
        Urgency::NearCap => "Watch the cap".to_owned(),
        Urgency::Decided => standing.decided().map_or_else(String::new, |one| {
            let on = figures::day(one.at.with_timezone(&experiment.timezone).date_naive(), today);
            format!("{} chose {}, {on}", one.by, one.choice.word().to_uppercase())
        }),
        Urgency::Collecting { .. } | Urgency::Unread => "Nothing to do".to_owned(),
    }
}

/// A job in a few words, to follow the concept's name, and one reason.
pub fn job(experiment: &Experiment, standing: &Standing, urgency: Urgency, today: NaiveDate) -> [String; 2] {
    let Some(card) = standing.card().filter(|_| standing.unreadable.is_none()) else {
        return ["its records cannot be read".to_owned(), sentence(experiment, standing) + " Run `willitsell status`."];
    };
    let act = match urgency {
        Urgency::Blocked => figures::uncapital(&mends(experiment, card)),
        Urgency::AdsAfter => stop(card, today).unwrap_or_default(),
        Urgency::Review if raise::helps(experiment, card) => "extend or decide".to_owned(),
        _ => figures::uncapital(&decide_by(experiment, card, today)),
    };
    let ads = match urgency {
        Urgency::Undecided { .. } => {
            stop(card, today).map(|stop| format!(" {} in either case.", figures::capital(&stop)))
        }
        Urgency::AdsAfter => {
            card.spend_after.as_ref().map(|after| format!(" {} spent since the verdict.", after.total))
        }
        _ => None,
    };
    [act, sentence(experiment, standing) + &ads.unwrap_or_default()]
}

fn mends(experiment: &Experiment, card: &Scorecard) -> String {
    next::to_do(experiment, card, None).split(" · ").next().unwrap_or_default().to_owned()
}

fn decide_by(experiment: &Experiment, card: &Scorecard, today: NaiveDate) -> String {
    let due = due(experiment, card);
    if due < today {
        format!("Decide now, due since {}", figures::day(due, today))
    } else {
        format!("Decide by {}", figures::day(due, today))
    }
}

/// `stop two ads ($90 a day)`.
fn stop(card: &Scorecard, today: NaiveDate) -> Option<String> {
    let SpendAfter { ads, on_last_day, .. } = card.spend_after.as_ref().filter(|_| ads_run(card, today))?;
    let noun = if *ads == 1 { "ad" } else { "ads" };
    Some(format!("stop {} {noun} ({} a day)", figures::in_words(*ads), on_last_day.as_set()))
}

/// `$3,170 of $3,500`; what is spent where there is no cap.
pub fn spent(experiment: &Experiment, card: &Scorecard) -> Option<String> {
    let cap = explain::caps(experiment, card).1;
    let spend = card.spend?;
    Some(cap.map_or_else(|| spend.to_string(), |cap| format!("{spend} of {}", cap.as_set())))
}

/// `day 14`.
pub fn day(card: &Scorecard) -> Option<String> {
    Some(days_of(card)).filter(|&days| days > 0).map(|days| format!("day {days}"))
}

/// The first sentence of some.
pub fn first(text: &str) -> &str {
    let ends = text
        .match_indices(". ")
        .find(|(at, _)| text[at + 2..].starts_with(|letter: char| letter.is_uppercase() || letter.is_ascii_digit()));
    ends.map_or(text, |(at, _)| &text[..=at])
}

/// Whether somebody decided to build after all, so that nothing is saved.
pub fn is_overridden(standing: &Standing) -> bool {
    decision::latest(&standing.decisions).is_some_and(Decision::is_override)
}

/// What building would cost, where that is still open.
pub fn at_stake(experiment: &Experiment, standing: &Standing) -> Option<Money> {
    let is_killed =
        standing.verdict() == Some(Verdict::Kill) && standing.decided().is_some() && !is_overridden(standing);
    experiment.money.build_cost().filter(|_| !is_killed)
}

/// The ledger over all concepts.
pub fn ledger<'a>(concepts: impl Iterator<Item = (&'a Experiment, &'a Standing)>) -> Vec<money::Totals> {
    money::ledger(
        concepts.filter_map(|(experiment, standing)| Some((experiment, standing.card()?, is_overridden(standing)))),
    )
}

/// A number that begins a sentence: `Four`, `12`.
pub fn counted(number: usize) -> String {
    figures::capital(&figures::in_words(u32::try_from(number).unwrap_or(u32::MAX)))
}
