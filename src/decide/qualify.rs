//! Responses to acts that count: one a person, at their first act inside the test, on the arm whose
//! key it carries. Not for counts that a source has already added up: those are `tally`'s.

use std::collections::{BTreeMap, HashSet};

use chrono::NaiveDate;
use chrono_tz::Tz;

use super::keys::ArmKeys;
use crate::domain::observation::DateWindow;
use crate::domain::response::{Depth, Response};

/// One act that counts.
pub struct Act {
    /// Position of its arm in the experiment.
    pub arm: usize,
    /// Its day, cut in the experiment's zone.
    pub day: NaiveDate,
}

/// The acts that count as sign-ups. A person seen twice, across sources and arms, counts once, at the
/// earliest act (ties by source, then response id); acts where no person is known count each. Only
/// acts on an arm and inside `days` are looked at: what belongs to no arm is no part of the test, so
/// it can take nobody away from one. A click is no sign-up.
pub fn acts(responses: &[Response], keys: &ArmKeys<'_>, zone: Tz, days: DateWindow) -> Vec<Act> {
    let mut claimed: Vec<(&Response, Act)> = sign_ups(responses, zone, days)
        .filter_map(|(response, day)| {
            let arm = keys.arm(&response.source, &response.arm_key)?;
            Some((response, Act { arm, day }))
        })
        .collect();
    // Already in order of source and id, which a stable sort keeps among equal instants.
    claimed.sort_by_key(|(response, _)| response.at);
    let mut seen = HashSet::new();
    claimed
        .into_iter()
        .filter(|(response, _)| response.person.as_ref().is_none_or(|person| seen.insert(person)))
        .map(|(_, act)| act)
        .collect()
}

/// Sign-ups that no arm claims, one for each act.
pub fn unclaimed<'a>(
    responses: &'a [Response],
    keys: &ArmKeys<'_>,
    zone: Tz,
    days: DateWindow,
) -> impl Iterator<Item = &'a Response> {
    sign_ups(responses, zone, days)
        .map(|(response, _)| response)
        .filter(|response| keys.owner(&response.source, &response.arm_key).is_none())
}

/// Every sign-up on these days once, as the latest pull knows it, in order of source and id.
fn sign_ups(responses: &[Response], zone: Tz, days: DateWindow) -> impl Iterator<Item = (&Response, NaiveDate)> {
    let mut latest = BTreeMap::new();
    for response in responses {
        let known = latest.entry((&response.source, &response.response_id)).or_insert(response);
        if response.pull_id > known.pull_id {
            *known = response;
        }
    }
    latest
        .into_values()
        .filter(|response| response.depth >= Depth::Email)
        .map(move |response| (response, response.at.with_timezone(&zone).date_naive()))
        .filter(move |(_, day)| days.contains(*day))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::concept::Arm;
    use crate::domain::id::{ArmId, SourceId};
    use crate::domain::response::PersonHash;

    fn response(id: &str, person: Option<&str>, arm_key: &str, at: &str) -> Response {
        Response {
            source: SourceId::new("landing"),
            response_id: id.into(),
            person: person.map(|name| PersonHash::from_hex(name.into())),
            depth: Depth::Email,
            arm_key: arm_key.into(),
            at: at.parse().unwrap(),
            pull_id: 1,
        }
    }

    /// Position of the arm and day of each act; arms `a` and `b` claim their own names on `landing`.
    fn count(responses: &[Response]) -> Vec<(usize, String)> {
        let arms = ["a", "b"].map(|name| Arm {
            id: ArmId::new(name),
            title: name.into(),
            control: false,
            keys: [(SourceId::new("landing"), vec![name.to_owned()])].into(),
            until: None,
        });
        let days = DateWindow::new("2026-03-02".parse().unwrap(), "2026-03-31".parse().unwrap()).unwrap();
        acts(responses, &ArmKeys::of(&arms, &[]), Tz::Europe__Berlin, days)
            .into_iter()
            .map(|act| (act.arm, act.day.to_string()))
            .collect()
    }

    #[test]
    fn a_person_counts_once_at_the_first_act_across_arms() {
        let acts = count(&[
            response("2", Some("ann"), "b", "2026-03-05T12:00:00Z"),
            response("1", Some("ann"), "a", "2026-03-04T12:00:00Z"),
            response("3", Some("bob"), "b", "2026-03-06T12:00:00Z"),
        ]);
        assert_eq!(acts, [(0, "2026-03-04".to_owned()), (1, "2026-03-06".to_owned())]);
    }

    #[test]
    fn equal_instants_go_to_the_first_source_then_the_first_id() {
        let mut early = response("9", Some("ann"), "b", "2026-03-04T12:00:00Z");
        early.source = SourceId::new("form");
        let same = "2026-03-04T12:00:00Z";
        assert_eq!(count(&[response("2", Some("ann"), "a", same), response("1", Some("ann"), "b", same)])[0].0, 1);
        // "form" has no keys for any arm here, so it cannot take Ann away from "landing".
        assert_eq!(count(&[early, response("2", Some("ann"), "a", same)]).len(), 1);
    }

    #[test]
    fn unknown_people_count_each_and_the_same_id_counts_once() {
        let act = response("1", None, "a", "2026-03-04T12:00:00Z");
        let other = response("2", None, "a", "2026-03-04T12:00:00Z");
        assert_eq!(count(&[act.clone(), other, act]).len(), 2);
    }

    #[test]
    fn d2_a_restated_act_counts_as_last_known() {
        let before = response("1", Some("ann"), "a", "2026-03-04T12:00:00Z");
        let now = Response { arm_key: "b".into(), pull_id: 2, ..before.clone() };
        assert_eq!(count(&[now.clone(), before.clone()]), count(&[before, now]));
    }

    #[test]
    fn days_are_cut_in_the_experiments_zone_and_outside_ones_do_not_count() {
        // 23:30 UTC is the next day in Berlin.
        let acts = count(&[
            response("1", Some("ann"), "a", "2026-03-04T23:30:00Z"),
            response("2", Some("bob"), "a", "2026-03-31T23:30:00Z"),
            response("3", Some("cy"), "a", "2026-03-01T22:59:00Z"),
            response("4", Some("dee"), "elsewhere", "2026-03-04T12:00:00Z"),
            Response { depth: Depth::Click, ..response("5", Some("eve"), "a", "2026-03-04T12:00:00Z") },
        ]);
        assert_eq!(acts, [(0, "2026-03-05".to_owned())]);
    }
}
