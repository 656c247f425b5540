//! Reminds of a state that waits for a person: two days after it was told, then weekly, until somebody decides,
//! acknowledges it, or it has passed. Also tells on other channels what could not be delivered on one.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, NaiveDate, Utc};

use super::Parts;
use crate::decide::figures;
use crate::domain::acknowledgement::Acknowledgement;
use crate::domain::audience::{self, Topic};
use crate::domain::concept::Experiment;
use crate::domain::id::{ConceptId, DestinationId};
use crate::domain::message::{Delivery, Message};
use crate::domain::verdict::{StoredScorecard, Verdict};
use crate::store::{Store, StoreError};

/// Days after the message; the next ones come a week after each other.
const FIRST: i64 = 2;
const THEN: i64 = 7;

/// What ids of messages about others that did not arrive begin with: of those nobody is told.
const LOST: &str = "lost_";

/// A change of state that a destination was told, and when that arrived.
struct Told {
    delivery: Delivery,
    at: DateTime<Utc>,
}

/// The reminders that are due at `now`. Their ids stay the same, and of several that were missed there is only the latest.
///
/// # Errors
/// [`StoreError`].
pub async fn reminders(
    store: &Store,
    experiments: &[Experiment],
    now: DateTime<Utc>,
) -> Result<Vec<Delivery>, StoreError> {
    let mut last: BTreeMap<(ConceptId, DestinationId), Told> = BTreeMap::new();
    for (delivery, at) in store.told().await? {
        last.insert((delivery.message.concept.clone(), delivery.destination.clone()), Told { delivery, at });
    }
    let mut due = Vec::new();
    for experiment in experiments {
        let concept = &experiment.concept.id;
        let today = now.with_timezone(&experiment.timezone).date_naive();
        let told = last.values().filter(|told| told.delivery.message.concept == *concept);
        let told: Vec<_> = told.filter(|told| number(told.at, now).is_some()).collect();
        if told.is_empty() {
            continue;
        }
        let Some(stored) = store.latest_scorecard(concept).await? else { continue };
        let decisions = store.decisions(concept, None).await?;
        if decisions.last().is_some_and(|decision| decision.is_on(&stored.scorecard)) {
            continue;
        }
        let acknowledged = store.acknowledgements(concept).await?;
        let waits = |told: &&&Told| waits(&told.delivery.message, &stored, &acknowledged, today);
        due.extend(told.iter().filter(waits).filter_map(|told| reminder(experiment, told, now)));
    }
    Ok(due)
}

/// Whether what was told is still so, and nobody said that they know.
fn waits(told: &Message, stored: &StoredScorecard, acknowledged: &[Acknowledgement], today: NaiveDate) -> bool {
    let verdict = stored.scorecard.verdict;
    verdict != Verdict::Collecting
        && told.change() == Some(verdict)
        && !acknowledged.iter().any(|it| it.holds(told.decided_at, today))
}

/// Which reminder of something told at `since` is due.
fn number(since: DateTime<Utc>, now: DateTime<Utc>) -> Option<i64> {
    let past = now - since - Duration::days(FIRST);
    (past >= Duration::zero()).then(|| 1 + past.num_days() / THEN)
}

fn reminder(experiment: &Experiment, Told { delivery: told, at }: &Told, now: DateTime<Utc>) -> Option<Delivery> {
    let Message { concept, headline, lines, .. } = &told.message;
    let number = number(*at, now)?;
    let since = at.with_timezone(&experiment.timezone).format("%a %-d %b");
    let (state, next) = if told.message.change() == Some(Verdict::Blocked) {
        ("it is not mended yet", "mend what is named")
    } else {
        ("nobody has decided yet", "decide")
    };
    let mut shown = vec![("Since".to_owned(), format!("Told on {since}; {state}"))];
    shown.extend(lines.iter().filter(|(label, _)| label == "Why").cloned());
    let quiet = format!("`willitsell ack {concept} --by NAME` ends these reminders");
    shown.push(("Next".to_owned(), format!("{} · {quiet}", figures::capital(next))));
    let message = Message {
        concept: concept.clone(),
        verdict: None,
        decision: None,
        topics: told.message.topics.clone(),
        headline: format!("Reminder · {headline}"),
        lines: shown,
        decided_at: now,
    };
    // Whoever heard of it, and still does.
    let mut all = audience::deliveries(experiment, &message).into_iter();
    let one = all.find(|one| one.destination == told.destination)?;
    let name = format!("reminder_{concept}_{}_{number}", at.timestamp_millis());
    Some(Delivery { thread: told.thread.clone(), ..one.called(&name) })
}

/// What could not be delivered, told to everybody else who hears of the concept.
///
/// # Errors
/// [`StoreError`].
pub async fn lost(parts: &Parts, experiments: &[Experiment], now: DateTime<Utc>) -> Result<Vec<Delivery>, StoreError> {
    let mut told = Vec::new();
    for lost in parts.store.undelivered().await?.into_iter().filter(|lost| lost.given_up) {
        let Delivery { id, destination, message, .. } = &lost.delivery;
        // Of a destination that was taken out of the file nobody waits for anything.
        if id.starts_with(LOST) || !parts.notifiers.contains_key(destination) {
            continue;
        }
        let Some(experiment) = experiments.iter().find(|one| one.concept.id == message.concept) else { continue };
        let said = message.decided_at.with_timezone(&experiment.timezone).format("%a %-d %b, %H:%M");
        let mut lines = vec![("Lost".to_owned(), format!("{} ({said})", message.headline))];
        lines.extend(lost.last_error.map(|why| ("Why".to_owned(), why)));
        lines.extend(message.lines.iter().filter(|(label, _)| label != "Why").cloned());
        let message = Message {
            concept: message.concept.clone(),
            verdict: None,
            decision: None,
            topics: Topic::ALL.map(|(_, topic)| topic).to_vec(),
            headline: format!("NOT DELIVERED · {destination} was not told of {}", experiment.concept.title),
            lines,
            decided_at: now,
        };
        let others = audience::deliveries(experiment, &message).into_iter();
        let others = others.filter(|other| other.destination != *destination);
        told.extend(others.map(|other| other.called(&format!("{LOST}{id}"))));
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_days_after_then_weekly() {
        let since: DateTime<Utc> = "2026-03-15T06:00:00Z".parse().unwrap();
        let at = |hours: i64| number(since, since + Duration::hours(hours));
        assert_eq!([at(-1), at(0), at(47)], [None; 3]);
        assert_eq!([at(48), at(48 + 167), at(48 + 168), at(48 + 336)], [Some(1), Some(1), Some(2), Some(3)]);
    }
}
