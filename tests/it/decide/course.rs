//! What pictures are drawn of: the range of every day is the one a verdict of that day had, and the last is the scorecard's.

use willitsell::decide::course::{cells, courses};
use willitsell::domain::verdict::{Evidence, Verdict};

use super::*;

/// What is drawn of a day: counts and range.
fn drawn(evidence: &Evidence) -> (f64, f64, Option<f64>, Option<f64>, Option<f64>) {
    (evidence.successes, evidence.trials, evidence.low, evidence.estimate, evidence.high)
}

#[test]
fn the_range_of_every_day_is_that_of_its_own_scorecard() {
    let experiment = experiment(&["a", "b"]);
    let data = inputs(&experiment, 40, &[SELLS, Daily { key: "b", ..BETWEEN }]);
    let card = decide(&experiment, 40, &data);
    let all = courses(&experiment, &generation(), &data, &card);
    assert_eq!(all.iter().map(|course| course.arm.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    for (course, score) in all.iter().zip(&card.arms) {
        let settled: Vec<_> = course.days.iter().filter(|day| day.settled).collect();
        let last = settled.last().unwrap();
        assert_eq!(last.day, card.last_settled_day);
        assert_eq!(drawn(last.evidence.as_ref().unwrap()), drawn(&score.evidence));
        assert!(course.days.iter().filter(|day| !day.settled).all(|day| day.evidence.is_none()));
        assert!(course.days.len() > settled.len(), "young days are counted, and say nothing yet");
    }
    // Earlier days say what verdicts of their own day said.
    for days in [4_u64, 10, 17, 30] {
        let then = decide(&experiment, days, &data);
        for (course, score) in all.iter().zip(&then.arms) {
            let same = course.days.iter().find(|day| day.day == then.last_settled_day).unwrap();
            assert_eq!(drawn(same.evidence.as_ref().unwrap()), drawn(&score.evidence), "{days} days, {}", course.arm);
        }
    }
}

#[test]
fn while_the_data_cannot_be_trusted_no_range_is_drawn() {
    let experiment = experiment(&["a"]);
    let data = inputs(&experiment, 30, &[SELLS]);
    let mut card = decide(&experiment, 30, &data);
    card.verdict = Verdict::Blocked;
    let all = courses(&experiment, &generation(), &data, &card);
    assert!(all[0].days.iter().all(|day| day.evidence.is_none()));
    assert!(all[0].days.iter().any(|day| day.acts.is_some()), "counts are shown all the same");
    assert!(cells(&experiment, &generation(), &data, &card).is_empty());
}

#[test]
fn a_channel_alone_is_judged_by_its_own_days_and_both_make_the_whole() {
    let mut experiment = experiment(&["a"]);
    let both = [MetricId::VISITS, MetricId::SPEND, MetricId::SIGNUPS];
    let of = |id: &str, channel: &str, like: &Source| Source {
        id: SourceId::new(id),
        channel: Some(channel.into()),
        metrics: both.to_vec(),
        people: None,
        ..like.clone()
    };
    experiment.sources =
        vec![of("ads", "search", &experiment.sources[0]), of("form", "social", &experiment.sources[0])];
    let mut data = inputs(&experiment, 30, &[SELLS]);
    data.responses.clear();
    for row in &mut data.observations {
        row.values.set(MetricId::SIGNUPS, Some(6 * ONE));
        row.values.set(MetricId::VISITS, Some(100 * ONE));
    }
    let also: Vec<Observation> = data
        .observations
        .iter()
        .map(|row| {
            let mut row = Observation { source: SourceId::new("form"), ..row.clone() };
            row.values.set(MetricId::SIGNUPS, Some(2 * ONE));
            row
        })
        .collect();
    data.observations.extend(also);
    let card = decide(&experiment, 30, &data);
    let cells = cells(&experiment, &generation(), &data, &card);
    let of = |channel: &str| &cells.iter().find(|cell| cell.channel == channel).unwrap().evidence;
    let (search, social) = (of("search"), of("social"));
    assert_eq!(search.trials + social.trials, card.arms[0].evidence.trials);
    assert_eq!(search.successes + social.successes, card.arms[0].evidence.successes);
    assert!(search.low.unwrap() > 0.03 && social.high.unwrap() < 0.045, "{cells:?}");
}
