//! What no order, repetition or stranger's row may change.

use proptest::prelude::*;
use willitsell::domain::metric::MetricId;
use willitsell::domain::observation::Inputs;
use willitsell::domain::verdict::Verdict;

use super::*;

/// Rows and answers of three weeks on two arms and an unclaimed key, with people who come back.
fn any_inputs() -> impl Strategy<Value = Inputs> {
    let key = || prop::sample::select(vec!["a", "b", "other", ""]);
    let rows = prop::collection::btree_map((0u64..21, key()), (0i64..200, 0i64..500), 0..40);
    let acts = prop::collection::vec((0u64..21, 0i64..1440, key(), prop::option::of(0u8..6)), 0..60);
    (rows, acts).prop_map(|(rows, acts)| {
        let experiment = experiment(&["a", "b"]);
        let mut data = Inputs { pulls: pulls(&experiment, 21), ..Inputs::default() };
        for ((number, key), (visits, spend)) in rows {
            // Money on keys no arm claims blocks: a story of its own.
            let spend = if ["a", "b"].contains(&key) { spend } else { 0 };
            let counted = [(MetricId::VISITS, visits), (MetricId::SPEND, spend)];
            data.observations.push(row("ads", experiment.start + Days::new(number), key, &counted));
        }
        for (id, (number, minute, key, person)) in acts.into_iter().enumerate() {
            let on = experiment.start + Days::new(number);
            let act = signup(
                &format!("{id:03}"),
                key,
                on.and_hms_opt(0, 0, 0).unwrap().and_utc() + TimeDelta::minutes(minute),
            );
            let person = person.map(|number| PersonHash::from_hex(number.to_string()));
            data.responses.push(Response { person, ..act });
        }
        data
    })
}

proptest! {
    #[test]
    fn d2_the_order_of_the_data_does_not_matter(data in any_inputs(), turn in 0usize..60) {
        let experiment = experiment(&["a", "b"]);
        let mut other = data.clone();
        other.observations.reverse();
        other.pulls.reverse();
        let turn = turn.min(other.responses.len());
        other.responses.rotate_left(turn);
        prop_assert_eq!(decide(&experiment, 21, &data), decide(&experiment, 21, &other));
    }

    #[test]
    fn d2_what_is_imported_twice_counts_once(data in any_inputs()) {
        let experiment = experiment(&["a", "b"]);
        let mut twice = data.clone();
        twice.observations.extend(data.observations.iter().cloned());
        twice.responses.extend(data.responses.iter().cloned());
        let again = data.pulls.iter().map(|pull| Pull { id: pull.id + 1000, ..pull.clone() });
        twice.pulls.extend(again);
        prop_assert_eq!(decide(&experiment, 21, &data), decide(&experiment, 21, &twice));
    }

    #[test]
    fn an_unclaimed_key_never_changes_what_an_arm_shows(data in any_inputs(), visits in 0i64..500, minute in 0i64..30_000) {
        let experiment = experiment(&["a", "b"]);
        let mut more = data.clone();
        more.observations.push(row("ads", day("2026-03-09"), "stranger", &[(MetricId::VISITS, visits)]));
        let at = experiment.start.and_hms_opt(0, 0, 0).unwrap().and_utc() + TimeDelta::minutes(minute);
        // Even by somebody who also acted on an arm.
        let person = Some(PersonHash::from_hex("1".into()));
        more.responses.push(Response { person, ..signup("stranger", "stranger", at) });
        let before: Vec<_> = decide(&experiment, 21, &data).arms.into_iter().map(|arm| arm.evidence.successes.to_bits()).collect();
        let after: Vec<_> = decide(&experiment, 21, &more).arms.into_iter().map(|arm| arm.evidence.successes.to_bits()).collect();
        prop_assert_eq!(before, after);
    }

    #[test]
    fn a_past_day_is_judged_alike_whatever_came_after(data in any_inputs(), days in 3u64..21) {
        let experiment = experiment(&["a", "b"]);
        let instant = as_of(&experiment, days);
        let mut then = data.clone();
        let settled = instant.date_naive() - Days::new(3);
        then.observations.retain(|one| one.day <= settled);
        then.responses.retain(|one| one.at.date_naive() <= settled);
        let (now, then) = (decide(&experiment, days, &data), decide(&experiment, days, &then));
        prop_assert_eq!(now.data_hash, then.data_hash);
        // A young row can prove that a silent source is read; it says nothing of how a rate stands.
        if now.verdict != Verdict::Blocked && then.verdict != Verdict::Blocked {
            prop_assert_eq!(now.arms, then.arms);
        }
    }
}
