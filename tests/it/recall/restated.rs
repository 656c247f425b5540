//! D1: figures of past days change after a verdict. It is withdrawn or revised by name, once, with the days that changed;
//! where much of everything moved, there is no verdict at all until it is sorted out.

use chrono::Days;
use willitsell::domain::concept::{Dispersion, Experiment};
use willitsell::domain::connector::{ResponseRow, SourceRow};
use willitsell::domain::id::DestinationId;
use willitsell::domain::metric::MetricId;
use willitsell::domain::millionths::ONE;
use willitsell::domain::observation::DateWindow;
use willitsell::domain::response::Depth;
use willitsell::domain::verdict::{Flag, Reason, StoredScorecard, Verdict};

use super::{Rig, morning};
use crate::decide::experiment;

/// A test whose BUILD rests on its first two weeks, told to one receiver.
fn concept() -> Experiment {
    let mut experiment = experiment(&["a"]);
    experiment.policy.dispersion = Dispersion::None;
    experiment.notify = vec![DestinationId::new("team")];
    experiment
}

/// The morning after `days` days: everything is read, and decided. `acts` says how many signed up on a day.
async fn live(rig: &Rig, experiment: &Experiment, days: u64, acts: impl Fn(u64) -> u64) -> StoredScorecard {
    let at = morning(experiment.start + Days::new(days));
    let window = DateWindow::new(experiment.start, experiment.start + Days::new(days - 1)).unwrap();
    let dates: Vec<_> = window.first().iter_days().take(usize::try_from(days).unwrap()).collect();
    let values = [(MetricId::VISITS, 100 * ONE), (MetricId::SPEND, 50 * ONE)];
    let rows: Vec<_> =
        dates.iter().map(|&day| SourceRow::Counts { arm_key: Some("a".into()), day, values: &values }).collect();
    rig.put(&experiment.sources[0], window, at, &rows).await;
    let rows: Vec<_> = (0..days)
        .zip(&dates)
        .flat_map(|(number, &day)| (0..acts(number)).map(move |act| (number, day, act)))
        .map(|(number, day, act)| {
            SourceRow::Response(ResponseRow {
                response_id: format!("{number}-{act}").into(),
                person: None,
                void: None,
                answers: vec![],
                depth: Depth::Email,
                arm_key: Some("a".into()),
                at: day.and_hms_opt(9, 0, 0).unwrap().and_utc(),
            })
        })
        .collect();
    rig.put(&experiment.sources[1], window, at, &rows).await;
    rig.tick(experiment, at).await
}

/// Five a day for two weeks, three or four from then on.
fn sound(day: u64) -> u64 {
    if day < 14 { 5 } else { 3 + day % 2 }
}

/// The headlines and lines of all messages on verdicts so far, oldest first: not what the ads go on spending. Nobody delivers
/// them here, so newer ones have taken the place of older ones.
fn told(rig: &Rig) -> Vec<String> {
    let raw = rig.raw();
    let mut written = raw.prepare("SELECT message FROM delivery ORDER BY written, id").unwrap();
    let messages = written.query_map([], |row| row.get::<_, String>(0)).unwrap();
    let messages = messages.map(|message| serde_json::from_str(&message.unwrap()).unwrap());
    let text = |message: willitsell::domain::message::Message| {
        let lines = message.lines.iter().map(|(label, line)| format!("{label}: {line}"));
        [message.headline.clone()].into_iter().chain(lines).collect::<Vec<_>>().join("\n")
    };
    messages.filter(|message: &willitsell::domain::message::Message| message.verdict.is_some()).map(text).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn d1_a_verdict_that_restated_days_no_longer_carry_is_withdrawn_once_and_returns_with_them() {
    let rig = Rig::new().await;
    let experiment = concept();
    let mut build = None;
    for days in 1..=28 {
        let stored = live(&rig, &experiment, days, sound).await;
        if stored.scorecard.verdict == Verdict::Build {
            build.get_or_insert(stored);
        }
    }
    let build = build.expect("a BUILD within four weeks");
    assert_eq!(told(&rig).len(), 1, "one message of the BUILD: {:#?}", told(&rig));

    // Three days of the first week lose their sign-ups: spam, says the form.
    let restated = |day| if (4..7).contains(&day) { 0 } else { sound(day) };
    let withdrawn = live(&rig, &experiment, 29, restated).await;
    assert_eq!(withdrawn.scorecard.verdict, Verdict::Collecting, "{:?}", withdrawn.scorecard);
    let predecessor = withdrawn.replaces.expect("it names the verdict whose place it takes");
    let history = rig.parts.store.scorecard_history(&experiment.concept.id, 100).await.unwrap();
    let earlier = history.iter().find(|stored| stored.id == predecessor).unwrap();
    assert_eq!(earlier.scorecard.verdict, Verdict::Build);
    assert!(history.iter().any(|stored| stored.scorecard == build.scorecard), "the first BUILD stays on record");
    assert!(withdrawn.scorecard.arms[0].evidence.flags.contains(&Flag::RestatedDays));
    let messages = told(&rig);
    assert_eq!(messages.len(), 2, "{messages:#?}");
    let message = &messages[1];
    assert!(message.starts_with("COLLECTING · Invoice Autopilot · BUILD of Wed 18 Mar is withdrawn"), "{message}");
    let changed =
        "Changed: Fri 6 Mar, Sat 7 Mar and Sun 8 Mar: 15 sign-ups when read on Mon 30 Mar, 0 now (source \"form\")\n";
    assert!(message.contains(changed), "{message}\n{changed}");

    // The same again, over a restart: nothing more is said.
    let rig = rig.restarted().await;
    let again = live(&rig, &experiment, 30, restated).await;
    assert_eq!((again.scorecard.verdict, again.replaces), (Verdict::Collecting, None));
    assert_eq!(told(&rig).len(), 2);

    // The days return, and with them the verdict: a new one.
    let once_more = live(&rig, &experiment, 31, sound).await;
    assert_eq!(once_more.scorecard.verdict, Verdict::Build);
    assert_eq!(once_more.replaces, Some(again.id));
    assert!(!once_more.scorecard.arms[0].evidence.flags.contains(&Flag::RestatedDays), "as when first read");
    let messages = told(&rig);
    assert_eq!(messages.len(), 3);
    assert!(
        messages[2].starts_with("BUILD · Invoice Autopilot · reached on Wed 18 Mar · decide now"),
        "{}",
        messages[2]
    );

    let replayed = rig.replay(&experiment.concept.id).await;
    assert_eq!((replayed.verdicts, replayed.same), (31, 31), "{replayed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn d1_a_verdict_that_turns_into_another_is_revised_by_name() {
    let rig = Rig::new().await;
    let experiment = concept();
    // Too few later on, so that without the first days the sum says KILL.
    let lean = |day| if day < 14 { 5 } else { 1 };
    for days in 1..=30 {
        live(&rig, &experiment, days, lean).await;
    }
    let restated = |day| if (4..7).contains(&day) { 0 } else { lean(day) };
    let revised = live(&rig, &experiment, 31, restated).await;
    assert_eq!(revised.scorecard.verdict, Verdict::Kill, "{:?}", revised.scorecard);
    let last = told(&rig).pop().unwrap();
    assert!(last.starts_with("KILL · Invoice Autopilot · BUILD of Wed 18 Mar is revised · decide by"), "{last}");
    assert!(
        last.contains(
            "Changed: Fri 6 Mar, Sat 7 Mar and Sun 8 Mar: 15 sign-ups when read on Wed 1 Apr, 0 now (source \"form\")"
        ),
        "{last}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn d1_there_is_no_verdict_while_much_of_what_had_counted_moves() {
    let rig = Rig::new().await;
    let experiment = concept();
    for days in 1..=20 {
        // Most act late, but inside the lag: that is no restatement.
        let stored = live(&rig, &experiment, days, |day| match days - day {
            1 => 1,
            2 => 3,
            _ => sound(day),
        })
        .await;
        let card = stored.scorecard;
        assert_ne!(card.verdict, Verdict::Blocked, "{days}: {:?}", card.reasons);
        assert!(card.arms[0].evidence.flags.is_empty(), "{days}: {:?}", card.arms[0].evidence.flags);
    }
    let restated = |day| if day < 5 { 0 } else { sound(day) };
    let blocked = live(&rig, &experiment, 21, restated).await.scorecard;
    let [Reason::Restated { moved, days, metric: MetricId::SIGNUPS, .. }] = &blocked.reasons[..] else {
        panic!("{:?} {:?}", blocked.verdict, blocked.reasons)
    };
    assert_eq!((moved.to_string().as_str(), *days), ("25", 5));
    let last = told(&rig).pop().unwrap();
    assert!(last.contains("The BUILD of Wed 18 Mar cannot be confirmed for now."), "{last}");
    assert!(
        last.contains(
            "25 of 87 sign-ups were taken away after their days had counted (5 days from Mon 2 Mar to Fri 6 Mar). \
             Find out what changed in source \"form\". If the new numbers are right, write `accept_shrink = \"2026-03-23\"` \
             under `[source.form]` in the configuration file: then they count. If nobody \
             does anything, they count once enough new days are in, about Wed 1 Apr."
        ),
        "{last}"
    );
    // Other days come to outweigh them.
    let mut days = 22;
    while live(&rig, &experiment, days, restated).await.scorecard.verdict == Verdict::Blocked {
        days += 1;
        assert!(days < 60, "it never ends");
    }
    // Wed 1 Apr is 30 days after the start; since the middle of the test fewer sign up than before.
    assert!((30..=33).contains(&days), "about when it was told, not in {days} days");
    let replayed = rig.replay(&experiment.concept.id).await;
    assert_eq!((replayed.verdicts, replayed.same), (days, days), "{replayed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn d1_a_verdict_is_withdrawn_also_where_what_it_was_decided_with_can_no_longer_be_read() {
    let mut rig = Rig::new().await;
    let mut experiment = concept();
    for days in 1..=26 {
        live(&rig, &experiment, days, sound).await;
    }
    let setup: String = rig.raw().query_row("SELECT setup FROM scorecard WHERE id = 26", [], |row| row.get(0)).unwrap();
    experiment.concept.title = "A better name".into();
    let form = experiment.sources[1].clone();
    rig.fail(&form, true);
    let silent = [27, 28, 29].map(|days| morning(experiment.start + Days::new(days)));
    let mut last = None;
    for at in silent {
        last = rig.slot(&experiment, at).await.or(last);
    }
    assert_eq!(last.map(|stored| stored.scorecard.verdict), Some(Verdict::Blocked));
    assert_eq!(rig.raw().execute("UPDATE setup SET body = '{' WHERE hash = ?1", [setup]).unwrap(), 1);

    rig.fail(&form, false);
    let withdrawn = live(&rig, &experiment, 30, |day| if (4..7).contains(&day) { 0 } else { sound(day) }).await;
    assert_eq!(withdrawn.scorecard.verdict, Verdict::Collecting, "{:?}", withdrawn.scorecard.reasons);
    let message = told(&rig).pop().unwrap();
    assert!(message.contains("is withdrawn") && !message.contains("Changed:"), "{message}");
}
