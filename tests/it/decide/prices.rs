//! Versions at different prices: what each brings, and which may earn the most.

use willitsell::decide::derivation::{Derivation, derive};

use super::*;

const CHEAP: Daily = Daily { key: "a", visits: 200, signups: |_| 16, spend: 300 };
const DEAR: Daily = Daily { key: "b", visits: 200, signups: |day| 12 + day % 2, spend: 300 };

fn ladder(prices: &[&str]) -> Experiment {
    let names = ["a", "b", "c"];
    let mut experiment = experiment(&names[..prices.len()]);
    for (arm, price) in experiment.arms.iter_mut().zip(prices) {
        arm.price = Some(usd(price));
    }
    experiment
}

fn derived(experiment: &Experiment, days: u64, data: &Inputs) -> Derivation {
    derive(experiment, &generation(), data, &decide(experiment, days, data))
}

fn lines(derived: &Derivation) -> Vec<String> {
    let section = derived.sections.iter().find(|section| section.title == "Prices");
    section.map(|section| section.lines.clone()).unwrap_or_default()
}

#[test]
fn a_price_that_surely_brings_more_is_named_and_the_figures_are_those_of_the_counts() {
    let experiment = ladder(&["20", "60"]);
    let data = inputs(&experiment, 60, &[CHEAP, DEAR]);
    let derived = derived(&experiment, 60, &data);
    let [low, high] = &derived.prices[..] else { panic!("{:?}", derived.prices) };
    assert_eq!((low.acts, low.exposures, low.revenue), (16.0 * 58.0, 200.0 * 58.0, usd("160")));
    assert_eq!((low.open, high.open), (false, true));
    for one in [low, high] {
        assert!(one.rate_range.0 < one.rate && one.rate < one.rate_range.1);
        let expected = one.price.times(one.rate_range.0 * 100.0).unwrap();
        assert_eq!(one.revenue_range.0, expected);
    }
    assert!(low.rate_range.0 >= high.rate_range.0 && high.rate_range.1 <= low.rate_range.1);
    let lines = lines(&derived);
    assert!(lines[0].starts_with("$20: 928 of 11,600 visitors signed up (8.0%, range "), "{lines:?}");
    assert!(lines[0].contains("; $160 for 100 visitors (range $"), "{lines:?}");
    assert!(lines[0].ends_with(", surely less than another price."), "{lines:?}");
    assert_eq!(lines[2], "$60 earns the most.");
    assert!(lines[3].starts_with("Counted are sign-ups: what people say"));
}

#[test]
fn prices_that_bring_about_the_same_stay_open_and_none_is_ruled_out_before_two_weeks() {
    let close = ladder(&["20", "26"]);
    let data = inputs(&close, 60, &[CHEAP, DEAR]);
    let said = lines(&derived(&close, 60, &data));
    assert_eq!(said[2], "Which price earns the most is still open between $20 and $26.");
    let far = ladder(&["20", "600"]);
    let data = inputs(&far, 10, &[CHEAP, DEAR]);
    assert!(derived(&far, 10, &data).prices.iter().all(|one| one.open));
}

#[test]
fn a_rate_that_rises_with_the_price_is_smoothed_and_equal_prices_are_one() {
    let experiment = ladder(&["20", "30", "20"]);
    let more = Daily { key: "b", ..CHEAP };
    let fewer = Daily { key: "a", ..DEAR };
    let same = Daily { key: "c", ..DEAR };
    let data = inputs(&experiment, 40, &[fewer, more, same]);
    let derived = derived(&experiment, 40, &data);
    assert_eq!(derived.prices.len(), 2);
    assert_eq!(derived.prices[0].arms, ["a", "c"].map(ArmId::new));
    assert_eq!(derived.prices[0].exposures, 400.0 * 38.0);
    assert!((derived.prices[0].rate - derived.prices[1].rate).abs() < 1e-12, "none is taken more often for more");
}

#[test]
fn a_price_without_a_settled_day_is_named_beside_the_others_and_keeps_the_question_open() {
    let experiment = ladder(&["20", "40", "600"]);
    let dear = Daily { key: "c", ..DEAR };
    let data = inputs(&experiment, 60, &[CHEAP, dear]);
    let derived = derived(&experiment, 60, &data);
    assert_eq!(derived.prices.iter().map(|one| one.price).collect::<Vec<_>>(), ["20", "600"].map(usd));
    let said = lines(&derived);
    assert!(said[0].starts_with("$20: ") && said[1].starts_with("$600: "), "{said:?}");
    assert_eq!(said[2], "$40: no settled day yet.");
    assert_eq!(said[3], "Which price earns the most is still open between $20, $40 and $600.");
}

#[test]
fn without_two_prices_nothing_is_said_of_them() {
    for experiment in [experiment(&["a", "b"]), ladder(&["20"])] {
        let data = inputs(&experiment, 30, &[CHEAP, DEAR]);
        assert!(derived(&experiment, 30, &data).prices.is_empty());
    }
    let plain = serde_json::to_string(&experiment(&["a"]).arms).unwrap();
    assert!(!plain.contains("price"), "stored setups stay as they were");
}
