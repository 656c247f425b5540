//! What form tools keep of the world's acts: forms that were begun and not finished, answers edited later, and what
//! people write who mean harm. How a vendor prints it is not known here.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, Utc};

use super::world::People;
use super::{World, chance};

/// A form somebody has begun.
pub(super) struct Submission {
    /// Tells it from all others.
    pub(super) number: u64,
    pub(super) email: String,
    /// What the hidden field says.
    pub(super) arm: String,
    pub(super) campaign: u64,
    /// Of a few, two days before it was finished.
    pub(super) begun_at: DateTime<Utc>,
    /// When it was finished; `None`: not yet, or never.
    pub(super) done_at: Option<DateTime<Utc>>,
    /// When the answers were changed afterwards, if they were.
    pub(super) edited_at: Option<DateTime<Utc>>,
    /// What the person wrote.
    pub(super) why: &'static str,
    /// Draws what else a vendor tells of it.
    pub(super) bits: u64,
}

impl Submission {
    /// When it last changed.
    pub(super) fn changed_at(&self) -> DateTime<Utc> {
        self.edited_at.or(self.done_at).unwrap_or(self.begun_at)
    }
}

const WHY: [&str; 6] = [
    "Too slow today",
    "Heard of it from a friend",
    "Curious what it costs; \"quotes\", commas, and\nlines",
    "<script>alert(1)</script> =HYPERLINK(\"http://evil.example\")",
    "'; DROP TABLE response; -- \u{202e}\u{0}\u{1f}",
    "",
];
/// What stands in the hidden field of a link that somebody changed.
pub(super) const FORGED: [&str; 3] =
    ["<img src=x onerror=alert(1)>", "a\u{1e}b\u{1f}c\u{0}", "../../arms?utm_content=kit-29&x='\"]"];

/// Every submission of a form that is shown at `now`, in the order in which they were begun.
pub(super) fn submissions(world: &World, form_id: &str, now: DateTime<Utc>) -> Vec<Submission> {
    let mut all = Vec::new();
    // Those who finish in the next two days may have begun.
    for act in world.acts(form_id, now + Duration::days(2)) {
        let number = u64::from_str_radix(act.response_id.get(..16).unwrap_or_default(), 16).unwrap_or_default();
        let bits = chance::mix(number);
        let slow = bits.is_multiple_of(11);
        let begun_at = act.at - if slow { Duration::days(2) } else { Duration::seconds(90) };
        let edited_at = Some(act.at + Duration::hours(30)).filter(|at| bits % 13 == 3 && *at <= now);
        let why = WHY[usize::try_from(bits >> 32).unwrap_or_default().wrapping_add(usize::from(edited_at.is_some()))
            % WHY.len()];
        let (email, arm, campaign) = (act.email.clone(), act.arm.clone(), act.campaign);
        let whole = Submission { number, email, arm, campaign, begun_at, done_at: Some(act.at), edited_at, why, bits };
        if act.at > now {
            if begun_at <= now {
                all.push(Submission { done_at: None, ..whole });
            }
            continue;
        }
        let other = |nth: u64, email: String, arm: &str, done_at| {
            let number = chance::mix(number ^ nth) | 1;
            Submission {
                number,
                email,
                arm: arm.to_owned(),
                campaign,
                begun_at,
                done_at,
                edited_at: None,
                why,
                bits: chance::mix(number),
            }
        };
        if bits % 8 == 1 {
            all.push(other(1, format!("unfinished.{bits:x}@example.com"), &act.arm, None));
        }
        if bits % 29 == 2 {
            let arm = FORGED[usize::try_from(bits >> 40).unwrap_or_default() % FORGED.len()];
            all.push(other(2, format!("'\"><x>{bits:x}@example.com"), arm, Some(act.at)));
        }
        // Besides those the world deletes, for whoever asks for it.
        let removed = bits % 19 == 6 && act.at + Duration::hours(40) <= now;
        if act.is_shown(now) && !removed {
            all.push(whole);
        }
    }
    all.sort_by_key(|submission| (submission.begun_at, submission.number));
    all
}

/// Each person once, in the order of their first finished form that is still there.
pub(super) fn people(world: &World, form_id: &str, now: DateTime<Utc>) -> Vec<Submission> {
    let mut done: Vec<_> = submissions(world, form_id, now).into_iter().filter(|it| it.done_at.is_some()).collect();
    done.sort_by_key(|submission| (submission.done_at, submission.number));
    let mut seen = BTreeSet::new();
    done.retain(|submission| seen.insert(submission.email.to_lowercase()));
    done
}

/// How many things each arm has on each of the world's days.
pub(super) fn by_day<'a>(world: &World, acts: impl Iterator<Item = (DateTime<Utc>, &'a str)>) -> People {
    let mut counts = People::new();
    for (at, arm) in acts.filter(|(_, arm)| !FORGED.contains(arm)) {
        *counts.entry((at.with_timezone(&world.zone).date_naive(), arm.to_owned())).or_default() += 1;
    }
    counts
}

/// The truth of every tool that counts those who finished, as it shows them at `now`.
pub fn truth(world: &World, form_id: &str, now: DateTime<Utc>) -> People {
    by_day(world, people(world, form_id, now).iter().filter_map(|person| Some((person.done_at?, person.arm.as_str()))))
}
