//! Data that contradicts itself or what it was: BLOCKED, unless it is a stray row or the user knows.

use willitsell::domain::observation::Shrink;
use willitsell::domain::verdict::{Reason, Verdict};

use super::*;

/// Twenty days of a concept that sells, seen from the ads and from the form.
fn sound() -> (Experiment, Inputs) {
    let experiment = experiment(&["a"]);
    let data = inputs(&experiment, 20, &[SELLS]);
    (experiment, data)
}

pub fn shrink() -> Shrink {
    Shrink {
        source: SourceId::new("ads"),
        first_day: day("2026-03-02"),
        last_day: day("2026-03-15"),
        rows: [14, 7],
        metric: Some(MetricId::SPEND),
        amounts: [4200 * ONE, 2100 * ONE],
        seen_at: "2026-03-19T06:00:00Z".parse().unwrap(),
    }
}

#[test]
fn h24_a_source_that_shows_less_than_before_blocks_until_the_user_accepts_it() {
    let (mut experiment, mut data) = sound();
    assert_eq!(decide(&experiment, 20, &data).verdict, Verdict::Build);
    data.shrinks = vec![shrink()];
    let card = decide(&experiment, 20, &data);
    assert_eq!(card.verdict, Verdict::Blocked);
    let [Reason::FewerRows { rows: [14, 7], amounts, seen_on, .. }] = &card.reasons[..] else {
        panic!("{:?}", card.reasons);
    };
    assert_eq!((*amounts, *seen_on), ([4200.0, 2100.0], day("2026-03-19")));

    // Today is 22 March: a day before it was seen accepts nothing, nor does one that is still to come.
    for (until, verdict) in [
        ("2026-03-18", Verdict::Blocked),
        ("2026-03-19", Verdict::Build),
        ("2026-03-22", Verdict::Build),
        ("2026-03-23", Verdict::Blocked),
    ] {
        experiment.sources[0].accept_shrink = Some(day(until));
        assert_eq!(decide(&experiment, 20, &data).verdict, verdict, "{until}");
    }
    // The other source's word is not this one's.
    experiment.sources[0].accept_shrink = None;
    experiment.sources[1].accept_shrink = Some(day("2026-03-19"));
    assert_eq!(decide(&experiment, 20, &data).verdict, Verdict::Blocked);
    // Days before the test, or of another experiment's source, are none of its business.
    data.shrinks[0] = Shrink { first_day: day("2026-02-01"), last_day: day("2026-03-01"), ..shrink() };
    assert_eq!(decide(&experiment, 20, &data).verdict, Verdict::Build);
    data.shrinks[0] = Shrink { source: SourceId::new("elsewhere"), ..shrink() };
    assert_eq!(decide(&experiment, 20, &data).verdict, Verdict::Build);
}

#[test]
fn h20_counts_that_cannot_be_block_above_a_share_of_the_days_and_not_for_a_stray_row() {
    let (experiment, data) = sound();
    let spoilt = |days: usize, values: [(MetricId, i64); 2]| {
        let mut data = data.clone();
        for one in data.observations.iter_mut().take(days) {
            for (metric, value) in values {
                one.values.set(metric, Some(value * ONE));
            }
        }
        decide(&experiment, 20, &data)
    };
    // 18 days have settled; three are more than a twentieth of them.
    let strange = [(MetricId::CLICKS, 7), (MetricId::IMPRESSIONS, 5)];
    for (days, verdict) in [(2, Verdict::Build), (3, Verdict::Blocked)] {
        assert_eq!(spoilt(days, strange).verdict, verdict, "{days} days");
    }
    let card = spoilt(4, strange);
    let [Reason::ImpossibleCounts { arm_days: 4, of: 18, examples }] = &card.reasons[..] else {
        panic!("{:?}", card.reasons);
    };
    assert_eq!((examples.len(), examples[0].as_str()), (3, "Plan a on 2026-03-05: 7 clicks, 5 impressions"));
    assert_eq!(spoilt(20, [(MetricId::CLICKS, 5), (MetricId::IMPRESSIONS, 5)]).verdict, Verdict::Build);

    // Eight sign-ups a day of fewer visitors, or of none.
    let fewer = [(MetricId::VISITS, 7), (MetricId::SPEND, 300)];
    let card = spoilt(3, fewer);
    let [Reason::ImpossibleCounts { arm_days: 3, examples, .. }] = &card.reasons[..] else {
        panic!("{:?}", card.reasons);
    };
    assert_eq!(examples[0], "Plan a on 2026-03-04: 8 sign-ups, 7 visitors");
    assert_eq!(spoilt(3, [(MetricId::VISITS, 0), (MetricId::SPEND, 300)]).verdict, Verdict::Blocked);
    // Of one such day the surplus is left out, and only BUILD is withheld.
    assert_eq!(spoilt(1, fewer).verdict, Verdict::Collecting);
}

#[test]
fn h20_in_a_long_test_a_few_days_are_few() {
    let experiment = experiment(&["a"]);
    let mut data = inputs(&experiment, 70, &[BETWEEN]);
    for one in data.observations.iter_mut().take(3) {
        one.values.set(MetricId::CLICKS, Some(7 * ONE));
        one.values.set(MetricId::IMPRESSIONS, Some(5 * ONE));
    }
    assert_ne!(decide(&experiment, 70, &data).verdict, Verdict::Blocked, "3 of 68 days");
    assert_eq!(decide(&experiment, 50, &data).verdict, Verdict::Blocked, "3 of 48 days");
}
