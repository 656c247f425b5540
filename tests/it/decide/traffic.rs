//! Visits that do not fit the clicks, counts that stop dead, bursts; and what the operator says of such days.

use willitsell::decide::{Lately, derivation, explain, message::message};
use willitsell::domain::day_note::{DayNote, Word};
use willitsell::domain::verdict::{Flag, Reason, Verdict};

use super::*;

/// One version; the account counts clicks beside visits.
pub fn with_clicks() -> Experiment {
    let mut experiment = experiment(&["a"]);
    experiment.sources[0].metrics.push(MetricId::CLICKS);
    experiment
}

/// `days` days with so many clicks, visits and sign-ups on each.
pub fn days(experiment: &Experiment, days: u64, of: impl Fn(u64) -> [i64; 3]) -> Inputs {
    let mut data = Inputs { pulls: pulls(experiment, days), ..Inputs::default() };
    for number in 0..days {
        let on = experiment.start + Days::new(number);
        let [clicks, visits, signups] = of(number);
        let counted = [(MetricId::CLICKS, clicks), (MetricId::VISITS, visits), (MetricId::SPEND, 3 * clicks)];
        data.observations.push(row("ads", on, "a", &counted));
        for act in 0..signups {
            let at = on.and_hms_opt(9, 0, 0).unwrap().and_utc() + TimeDelta::seconds(act);
            data.responses.push(signup(&format!("{number}-{act}"), "a", at));
        }
    }
    data
}

fn note(first: &str, last: &str, word: Word) -> DayNote {
    DayNote { first: day(first), last: day(last), word, reason: "the form was down".into() }
}

fn told(experiment: &Experiment, card: &Scorecard) -> String {
    explain::sentence(experiment, card)
}

#[test]
fn visits_far_from_the_clicks_block_and_a_little_away_they_are_told() {
    let experiment = with_clicks();
    let at = |visits: i64| decide(&experiment, 20, &days(&experiment, 20, |_| [100, visits, 4]));
    for (visits, word, flagged) in [
        (40, "tracking_gap", true),
        (55, "tracking_gap", true),
        (65, "", true),
        (79, "", true),
        (80, "", false),
        (100, "", false),
        (109, "", false),
        (120, "tracking_gap", true),
    ] {
        let card = at(visits);
        let words: Vec<&str> = card.reasons.iter().map(Reason::word).filter(|word| *word == "tracking_gap").collect();
        assert_eq!(words.first().copied().unwrap_or_default(), word, "{visits}: {:?}", card.reasons);
        assert_eq!(card.arms[0].evidence.flags.contains(&Flag::TrackingGap), flagged, "{visits}");
    }
    assert_eq!(
        told(&experiment, &at(40)),
        "Plan a: from Mon 2 Mar to Thu 19 Mar there were only 720 visitors for 1,800 clicks; 1,440 to 1,800 are usual. Check that \
         the page counts every visitor and that the ads lead to it. If the numbers are true, say so; if not, leave \
         those days out: `willitsell explain invoice-autopilot` shows the lines to write."
    );
    assert!(
        told(&experiment, &at(65)).contains("fewer visitors than 80% of its clicks"),
        "{}",
        told(&experiment, &at(65))
    );
}

#[test]
fn a_bad_stretch_is_found_inside_good_days_and_a_small_one_does_not_block() {
    let experiment = with_clicks();
    let stretch = |bad: u64| {
        let data = days(&experiment, 40, |day| [100, if (14..14 + bad).contains(&day) { 30 } else { 95 }, 4]);
        decide(&experiment, 40, &data)
    };
    // 38 days have settled: 50 of 3,800 visits are missing for each bad day.
    assert_ne!(stretch(7).verdict, Verdict::Blocked);
    let [Reason::TrackingGap { first_day, last_day, clicks: 800.0, visits: 240.0, .. }] = &stretch(8).reasons[..]
    else {
        panic!("{:?}", stretch(8).reasons);
    };
    assert_eq!((*first_day, *last_day), (day("2026-03-16"), day("2026-03-23")));
}

#[test]
fn where_a_platform_counts_no_visits_its_clicks_are_not_compared_with_another_s() {
    let mut experiment = with_clicks();
    let other = Source { id: SourceId::new("other"), metrics: vec![MetricId::CLICKS], ..experiment.sources[0].clone() };
    experiment.sources.push(other);
    experiment.arms[0].keys.insert(SourceId::new("other"), vec!["a".into()]);
    let mut data = days(&experiment, 20, |_| [50, 45, 4]);
    for number in 0..20 {
        data.observations.push(row("other", experiment.start + Days::new(number), "a", &[(MetricId::CLICKS, 100)]));
    }
    assert_eq!(decide(&experiment, 20, &data).verdict, Verdict::Build);
    // A page of our own sees the visitors of both.
    experiment.sources[1].metrics.push(MetricId::VISITS);
    for number in 0..20 {
        data.observations.push(row("form", experiment.start + Days::new(number), "a", &[(MetricId::VISITS, 0)]));
    }
    assert_eq!(decide(&experiment, 20, &data).verdict, Verdict::Blocked);
}

#[test]
fn d7_clicks_without_visits_block_from_thirty_on_until_the_days_are_set_aside() {
    let mut experiment = with_clicks();
    let at = |clicks: i64| days(&experiment, 20, move |day| if day == 10 { [clicks, 0, 0] } else { [100, 90, 8] });
    assert_eq!(decide(&experiment, 20, &at(29)).verdict, Verdict::Build);
    let data = at(30);
    let card = decide(&experiment, 20, &data);
    let [Reason::TrackingBroken { passed: 30.0, expected: 27.0, lasts: false, .. }] = &card.reasons[..] else {
        panic!("{:?}", card.reasons);
    };
    assert_eq!(
        told(&experiment, &card),
        "Plan a: on Thu 12 Mar no visitor was counted for 30 clicks; about 27 would be expected. Check that the \
         page worked and its visitors were counted. If the numbers are true, say so; if not, leave that day out: `willitsell explain invoice-autopilot` shows the lines to write."
    );
    let sections = derivation::derive(&experiment, &generation(), &data, &card).sections;
    let lines = "To leave that day out, write `set_aside_days = [{ first = \"2026-03-12\", reason = \"…\" }]` under \
                 `[experiment.invoice-autopilot]` in the configuration file. If the numbers are true, write `real_days` in \
                 place of `set_aside_days`.";
    assert!(sections[0].lines.iter().any(|line| line == lines), "{:?}", sections[0].lines);
    let notice = message(&experiment, None, None, &card, &[], Lately::default).unwrap();
    assert!(notice.headline.starts_with("BLOCKED"), "{notice:?}");

    let before = willitsell::decide::policy_hash(&experiment);
    experiment.day_notes = vec![note("2026-03-12", "2026-03-12", Word::SetAside)];
    let card = decide(&experiment, 20, &data);
    assert_eq!((card.verdict, card.arms[0].evidence.days), (Verdict::Build, 17));
    assert_eq!(willitsell::decide::policy_hash(&experiment), before, "no new test");
    let said = "Set aside by the operator: Thu 12 Mar (the form was down).";
    assert!(told(&experiment, &card).contains(said), "{}", told(&experiment, &card));
    let built = message(&experiment, None, None, &card, &[], Lately::default).unwrap();
    assert!(built.lines[0].1.contains(said), "{built:?}");
    // On a verdict that is blocked for another reason too.
    experiment.start = day("2026-02-20");
    assert!(told(&experiment, &decide(&experiment, 60, &data)).contains(said));
}

#[test]
fn d7_before_the_first_visit_six_of_ten_clicks_should_have_come() {
    let experiment = with_clicks();
    let at = |clicks: i64| {
        decide(&experiment, 20, &days(&experiment, 20, |day| if day == 0 { [clicks, 0, 0] } else { [100, 90, 8] }))
    };
    assert_eq!((at(29).verdict, at(30).verdict), (Verdict::Build, Verdict::Blocked));
}

#[test]
fn d7_sign_ups_that_stop_dead_are_named_with_the_day_and_few_that_fade_are_no_fault() {
    let experiment = with_clicks();
    let stops = decide(&experiment, 30, &days(&experiment, 30, |day| [100, 90, if day < 15 { 5 } else { 0 }]));
    assert_eq!(stops.verdict, Verdict::Blocked);
    let sentence = told(&experiment, &stops);
    assert!(
        sentence
            .starts_with("Plan a: from Tue 17 Mar to Sun 29 Mar no sign-up was counted for 1,170 visitors; about 65"),
        "{sentence}"
    );
    // Friends and family at first, then nobody: a KILL, as it should be.
    let fades = decide(&experiment, 30, &days(&experiment, 30, |day| [100, 90, if day < 4 { 2 } else { 0 }]));
    assert_eq!((fades.verdict, &fades.reasons[..]), (Verdict::Kill, &[][..]), "{}", told(&experiment, &fades));
    let none = decide(&experiment, 30, &days(&experiment, 30, |day| [100, 90, i64::from(day == 2)]));
    assert_eq!(none.verdict, Verdict::Kill);
}

#[test]
fn d7_form_openings_that_stop_while_visitors_come_block() {
    let mut experiment = with_clicks();
    experiment.sources[1].metrics.push(MetricId::FORM_OPENS);
    let mut data = days(&experiment, 20, |_| [100, 90, 4]);
    for number in 0..20 {
        let opened = if number < 10 { 12 } else { 0 };
        data.observations.push(row(
            "form",
            experiment.start + Days::new(number),
            "a",
            &[(MetricId::FORM_OPENS, opened)],
        ));
    }
    let card = decide(&experiment, 20, &data);
    let [Reason::TrackingBroken { to: MetricId::FORM_OPENS, first_day, lasts: true, .. }] = &card.reasons[..] else {
        panic!("{:?}", card.reasons);
    };
    assert_eq!(*first_day, day("2026-03-12"));
}

#[test]
fn d8_a_burst_blocks_with_its_day_until_it_is_set_aside_or_declared_real() {
    let mut experiment = with_clicks();
    let data = days(&experiment, 20, |day| [100, 90, if day == 6 { 70 } else { 3 + i64::from(day % 2 == 0) }]);
    let card = decide(&experiment, 20, &data);
    assert_eq!(card.verdict, Verdict::Blocked);
    assert!(
        told(&experiment, &card).starts_with(
            "Plan a: there were 70 sign-ups on Sun 8 Mar; going by the other days, about 3 would be expected. This may be \
             bots: see who they were."
        ),
        "{}",
        told(&experiment, &card)
    );
    experiment.day_notes = vec![note("2026-03-08", "2026-03-08", Word::SetAside)];
    let without = decide(&experiment, 20, &data);
    assert_ne!(without.verdict, Verdict::Blocked);
    assert_eq!((without.arms[0].evidence.days, without.arms[0].evidence.successes), (17, 59.0));
    experiment.day_notes[0].word = Word::Real;
    let with = decide(&experiment, 20, &data);
    assert_ne!(with.verdict, Verdict::Blocked);
    assert_eq!((with.arms[0].evidence.days, with.arms[0].evidence.successes), (18, 129.0));
    assert!(told(&experiment, &with).contains("Declared real by the operator: Sun 8 Mar (the form was down)."));
    assert_ne!(with.data_hash, without.data_hash);
}

#[test]
fn d8_a_burst_of_visitors_is_seen_and_a_bigger_budget_is_none() {
    let experiment = with_clicks();
    let card = decide(&experiment, 20, &days(&experiment, 20, |day| [100, if day == 6 { 2000 } else { 90 }, 3]));
    assert!(
        card.reasons.iter().any(|why| matches!(why, Reason::BotBurst { metric: MetricId::VISITS, .. })),
        "{:?}",
        card.reasons
    );
    // From 20 clicks a day to 600.
    let grown = days(&experiment, 20, |day| if day < 10 { [20, 18, 1] } else { [600, 540, 30] });
    assert_ne!(decide(&experiment, 20, &grown).verdict, Verdict::Blocked);
    let one_day = days(&experiment, 20, |day| if day == 10 { [900, 800, 45] } else { [20, 18, 1] });
    assert_ne!(decide(&experiment, 20, &one_day).verdict, Verdict::Blocked);
}
