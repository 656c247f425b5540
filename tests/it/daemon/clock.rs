//! C6 and C3 as the whole daemon does them: the clock is put forward and back, the host sleeps, the daemon was down.

use chrono::{DateTime, TimeDelta, Utc};
use willitsell::schedule::clock::Clock;

use super::Rig;

const CONCEPTS: [&str; 3] = ["cat-meals", "plant-sitter", "fridge-chat"];

/// What is done to the clock, and the slot that runs then, if any, with those it catches up.
enum Then {
    /// Time passes.
    Pass(TimeDelta),
    /// Somebody puts the clock.
    Put(TimeDelta),
}

#[tokio::test(flavor = "multi_thread")]
async fn c6_no_step_of_the_clock_runs_a_slot_twice_or_leaves_one_out_unsaid() {
    use Then::{Pass, Put};
    let rig = Rig::start("2026-03-25T12:10:00Z", "0 * * * *").await;
    rig.settled().await;
    let (hours, days) = (TimeDelta::hours, TimeDelta::days);
    let mut expected = vec![("2026-03-25T12:00:00Z", 0)];
    let now = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
    let since_1970 = now("2026-03-26T17:10:00Z") - DateTime::UNIX_EPOCH;
    for (what, then, clock, runs) in [
        ("an hour", Pass(hours(1)), "2026-03-25T13:10:00Z", Some(("2026-03-25T13:00:00Z", 0))),
        ("an hour back", Put(hours(-1)), "2026-03-25T12:10:00Z", None),
        ("that hour once more", Pass(hours(1)), "2026-03-25T13:10:00Z", None),
        ("the one after it", Pass(hours(1)), "2026-03-25T14:10:00Z", Some(("2026-03-25T14:00:00Z", 0))),
        ("an hour ahead", Put(hours(1)), "2026-03-25T15:10:00Z", Some(("2026-03-25T15:00:00Z", 0))),
        ("asleep for eight hours", Pass(hours(8)), "2026-03-25T23:10:00Z", Some(("2026-03-25T23:00:00Z", 7))),
        ("a day ahead", Put(days(1)), "2026-03-26T23:10:00Z", Some(("2026-03-26T23:00:00Z", 23))),
        ("and back", Put(days(-1)), "2026-03-25T23:10:00Z", None),
        ("an hour of that day", Pass(hours(18)), "2026-03-26T17:10:00Z", None),
        ("1970", Put(-since_1970), "1970-01-01T00:00:00Z", None),
        ("an hour of 1970", Pass(hours(1)), "1970-01-01T01:00:00Z", None),
        ("put right", Put(since_1970), "2026-03-26T18:10:00Z", None),
        ("until after the day ahead", Pass(hours(6)), "2026-03-27T00:10:00Z", Some(("2026-03-27T00:00:00Z", 0))),
        ("forty days ahead", Put(days(40)), "2026-05-06T00:10:00Z", Some(("2026-05-06T00:00:00Z", 40 * 24 - 1))),
        ("put right too", Put(days(-40)), "2026-03-27T00:10:00Z", None),
        (
            "nobody waits for those forty days",
            Pass(hours(1)),
            "2026-03-27T01:10:00Z",
            Some(("2026-03-27T01:00:00Z", 0)),
        ),
    ] {
        match then {
            Pass(time) => rig.pass(time),
            Put(by) => {
                // Noticed within half a minute.
                rig.hands.put(by - TimeDelta::seconds(30));
                rig.pass(TimeDelta::seconds(30));
            }
        }
        assert_eq!(rig.hands.now(), now(clock), "{what}: the test's own sum");
        if let Some((slot, _)) = runs {
            rig.ended("cat-meals", slot).await;
        }
        rig.settled().await;
        expected.extend(runs);
        let mut slots: Vec<_> = expected.iter().map(|&(slot, missed)| (now(slot), missed)).collect();
        slots.sort_unstable();
        for concept in CONCEPTS {
            let ran: Vec<_> = rig.runs(concept).await.into_iter().map(|run| (run.due_at, run.missed)).collect();
            assert_eq!(ran, slots, "{what}: {concept}");
        }
    }
    rig.stop().await;
}
