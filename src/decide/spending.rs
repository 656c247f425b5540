//! What is told day by day of ads that go on after a verdict, until they have stopped (product.md section 9). Not what they
//! cost: see `money`.

use super::decision;
use super::explain::today;
use super::figures;
use super::message::Notice;
use super::money;
use super::next;
use crate::domain::audience::Topic;
use crate::domain::concept::Experiment;
use crate::domain::decision::{Choice, Decision};
use crate::domain::message::Message;
use crate::domain::verdict::{Scorecard, Verdict};

/// Days after a verdict from which on spending is late.
const LATE: i64 = 3;

/// What the ads spent on a day that was not known of yet with `sound`, the concept's last stored scorecard that was not
/// BLOCKED; once they have stopped, that, and nothing more. Of days long past it says nothing, nor once a person has decided
/// that the concept goes on; nor, where it `is_told` of the verdict itself, what is spent, which that message says too.
pub fn notice(experiment: &Experiment, sound: Option<&Scorecard>, now: &Scorecard, is_told: bool) -> Option<Notice> {
    let after = now.spend_after.as_ref()?;
    let of_this_test = |card: &&Scorecard| card.generation == now.generation;
    let before = sound.filter(of_this_test).and_then(|card| card.spend_after.as_ref());
    let today = today(experiment, now);
    let is_news = before.is_none_or(|before| before.last_day < after.last_day);
    if !is_news || after.last_day < after.since || !money::tells_of_now(after.last_day, today) {
        return None;
    }
    let is_since = |one: &&Decision| one.at.with_timezone(&experiment.timezone).date_naive() >= after.since;
    let decision = now.decisions.iter().rev().find(is_since);
    if decision.is_some_and(|decision| decision.choice != Choice::Kill) {
        return None;
    }
    let dated = format!("the {} of {}", now.verdict, figures::day(after.since, today));
    let last_day = figures::day(after.last_day, today);
    let ads = next::ads_spending(experiment, now, None, " still");
    if is_told && ads.is_some() {
        return None;
    }
    let (kind, what, lines) = if let Some(ads) = ads {
        let next = match (decision, now.verdict) {
            (Some(_), _) => "Stop the ads",
            (None, Verdict::Review) => "Decide, and stop the ads until then",
            (None, _) => "Decide, and stop the ads in either case",
        };
        let decided = decision.map(|decision| ("Decided", decision::decided(experiment, decision, today)));
        let spent = after.on_last_day.as_set();
        let money = if after.last_day == after.since {
            format!("{spent} spent on {last_day}, the day of the {}", now.verdict)
        } else {
            format!("{spent} spent on {last_day} · {} since {dated}", after.total)
        };
        let owner = experiment.owner.as_ref().map_or_else(String::new, |owner| format!(" (owner: {owner})"));
        let lines = decided.into_iter().chain([("Money", money), ("Next", next.to_owned())]);
        ("spending", ads + &owner, lines.collect::<Vec<_>>())
    } else {
        before.filter(|before| before.on_last_day.micros > 0)?;
        let money = format!("nothing spent on {last_day} · {} since {dated}", after.total);
        ("stopped", "the ads have stopped".to_owned(), vec![("Money", money)])
    };
    // Whoever does not hear of the first days hears of what goes on after them.
    let is_late = (after.last_day - after.since).num_days() >= LATE;
    let topics = [Topic::Spend].into_iter().chain(is_late.then_some(Topic::LateSpend)).collect();
    Some(Notice {
        id: format!("{kind}_{}_{}_{}", now.concept, now.generation, after.last_day),
        message: Message {
            concept: now.concept.clone(),
            verdict: None,
            decision: None,
            topics,
            headline: format!("{} · {} · {what}", now.verdict, experiment.concept.title),
            lines: lines.into_iter().map(|(label, line)| (label.to_owned(), line)).collect(),
            decided_at: now.as_of,
        },
    })
}
