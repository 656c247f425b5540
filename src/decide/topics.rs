//! Who hears of a change of state: a defect is for those who mend it, a verdict for those who decide, and a verdict that
//! cannot be confirmed for both. What is said stands in `message`.

use crate::domain::audience::Topic;
use crate::domain::verdict::{Scorecard, Verdict};

/// What the step from `previous` to `now` is about. `sound` is the last scorecard that was not BLOCKED; all of one test.
pub fn of_change(previous: Option<&Scorecard>, sound: Option<&Scorecard>, now: &Scorecard) -> Vec<Topic> {
    let is_blocked = |card: &Scorecard| card.verdict == Verdict::Blocked;
    let held = sound.is_some_and(|card| card.verdict.is_terminal());
    let of_verdicts = held || now.verdict.is_terminal();
    let of_health = is_blocked(now) || previous.is_some_and(is_blocked);
    let both = [of_verdicts.then_some(Topic::Verdicts), of_health.then_some(Topic::Health)];
    both.into_iter().flatten().collect()
}
