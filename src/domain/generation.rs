//! The tests of a concept, one after the other. Not what they found: see `verdict.rs`.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

/// One test of a concept: a changed policy opens the next, which counts from the day of the change, so
/// that no bar is ever set after its data was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// 1 for the first.
    pub number: u32,
    /// First day it counts, in the experiment's zone.
    pub first_day: NaiveDate,
    /// SHA-256 of its policy, in hex.
    pub policy_hash: String,
}

impl Generation {
    /// The test of a concept that a policy belongs to on a day: the `last` one, or the next where the policy has changed.
    /// `start` is the first day of the first. Until a test's first day nothing has been seen, so until then a change
    /// opens no other.
    #[must_use]
    pub fn on(last: Option<&Self>, policy_hash: &str, today: NaiveDate, start: NaiveDate) -> Self {
        let policy_hash = policy_hash.to_owned();
        match last {
            Some(last) if last.first_day <= today && last.policy_hash == policy_hash => last.clone(),
            Some(last) if last.first_day <= today => Self { number: last.number + 1, first_day: today, policy_hash },
            // A later test of which nothing was seen (the clock went back, or the zone changed) keeps its place: an
            // earlier one's data was seen, and is never judged anew.
            Some(last) if last.number > 1 => Self { policy_hash, ..last.clone() },
            _ => Self { number: 1, first_day: start, policy_hash },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_policy_opens_the_next_test_once_a_day_was_seen() {
        let mut last = None;
        let mut open = |hash: &str, today: &str, start: &str| {
            let test = Generation::on(last.as_ref(), hash, today.parse().unwrap(), start.parse().unwrap());
            last = Some(test.clone());
            (test.number, test.first_day.to_string())
        };
        assert_eq!(open("a", "2026-03-01", "2026-03-05"), (1, "2026-03-05".into()));
        assert_eq!(open("b", "2026-03-02", "2026-03-06"), (1, "2026-03-06".into()), "nothing was seen yet");
        assert_eq!(open("b", "2026-03-06", "2026-03-06"), (1, "2026-03-06".into()));
        assert_eq!(open("c", "2026-03-09", "2026-03-06"), (2, "2026-03-09".into()), "counts from the change");
        assert_eq!(open("c", "2026-03-20", "2026-03-06"), (2, "2026-03-09".into()));
        assert_eq!(open("b", "2026-03-21", "2026-03-06"), (3, "2026-03-21".into()), "back is a change too");
        assert_eq!(open("d", "2026-03-20", "2026-03-06"), (3, "2026-03-21".into()), "a clock that went back");
        assert_eq!(open("d", "2026-03-21", "2026-03-06"), (3, "2026-03-21".into()), "reopens no earlier test");
    }
}
