//! Which rows are an arm's, by exact keys and patterns, and what is said of the acts of a platform.

use willitsell::decide::policy_hash;
use willitsell::domain::concept::Arm;
use willitsell::domain::id::SourceId;
use willitsell::domain::metric::MetricId;
use willitsell::domain::observation::Inputs;
use willitsell::domain::verdict::{Flag, Verdict};

use super::*;

#[test]
fn a_row_that_patterns_of_two_arms_fit_belongs_to_nobody_and_its_money_blocks() {
    let mut experiment = experiment(&["a", "b"]);
    let ads = SourceId::new("ads");
    let keys = |arm: &mut Arm, key: &str| arm.keys.get_mut(&SourceId::new("ads")).unwrap().push(key.into());
    keys(&mut experiment.arms[0], "cats-*");
    keys(&mut experiment.arms[1], "*-de");
    let mut data = inputs(&experiment, 20, &[SELLS, Daily { key: "b", ..SELLS }]);
    let spent = |on: &str, key: &str, spend: i64| row("ads", day(on), key, &[(MetricId::SPEND, spend)]);
    data.observations.extend([spent("2026-03-05", "cats-fr", 50), spent("2026-03-06", "dogs-de", 70)]);
    let before = decide(&experiment, 20, &data);
    assert_eq!((before.verdict, &before.unmapped), (Verdict::Build, &None), "each fits one arm");
    data.observations.push(spent("2026-03-07", "cats-de", 9000));
    let card = decide(&experiment, 20, &data);
    assert_eq!(card.verdict, Verdict::Blocked);
    assert_eq!(card.arms[0].spend, before.arms[0].spend, "it counts for neither");
    let said = willitsell::decide::explain::sentence(&experiment, &card);
    assert!(said.contains("$9,000") && said.contains("ads: cats-de, which patterns of two arms fit"), "{said}");
    // An exact key settles it, or set_aside; neither needs a new pull.
    let mut mended = experiment.clone();
    keys(&mut mended.arms[1], "cats-de");
    assert_eq!(decide(&mended, 20, &data).unmapped, None);
    experiment.sources.iter_mut().find(|source| source.id == ads).unwrap().set_aside.insert("cats-de".into());
    assert_eq!(decide(&experiment, 20, &data).unmapped, None);
}

#[test]
fn utm_values_of_a_form_find_their_arm_by_pattern() {
    let mut experiment = experiment(&["a", "b"]);
    let form = SourceId::new("form");
    experiment.arms[0].keys.insert(form.clone(), vec!["cats-*".into()]);
    experiment.arms[1].keys.insert(form, vec!["dogs-*".into()]);
    let mut data = inputs(&experiment, 20, &[SELLS, Daily { key: "b", ..SELLS }]);
    let by_name = decide(&experiment, 20, &data);
    assert_eq!(by_name.arms[0].evidence.successes, 0.0);
    for (number, response) in data.responses.iter_mut().enumerate() {
        let pets = if response.arm_key == "a" { "cats" } else { "dogs" };
        response.arm_key = format!("{pets}-ad-{}", number % 7);
    }
    let card = decide(&experiment, 20, &data);
    assert_eq!(card.verdict, Verdict::Build);
    assert_eq!(card.arms[0].evidence.successes, 18.0 * 8.0);
    assert_eq!(card.arms[1].evidence.successes, 18.0 * 8.0);
}

#[test]
fn acts_that_need_not_be_whole_are_flagged_and_taken_as_they_are() {
    let mut experiment = experiment(&["a"]);
    let data = inputs(&experiment, 20, &[SELLS]);
    assert_eq!(decide(&experiment, 20, &data).arms[0].evidence.flags, []);
    let fixed = policy_hash(&experiment);
    experiment.sources[1].fractional = vec![MetricId::SIGNUPS];
    let card = decide(&experiment, 20, &data);
    assert_eq!(card.arms[0].evidence.flags, [Flag::FractionalConversions], "the source says so");
    assert!(willitsell::decide::explain::sentence(&experiment, &card).contains("estimates part of these sign-ups"));
    assert_eq!(policy_hash(&experiment), fixed);
    experiment.sources[1].fractional.clear();
    experiment.policy.primary.numerator = MetricId::CONVERSIONS;
    let mut counted = Inputs { responses: vec![], ..data };
    for source in &mut experiment.sources {
        source.metrics.push(MetricId::CONVERSIONS);
    }
    for one in &mut counted.observations {
        one.values.set(MetricId::CONVERSIONS, Some(8_500_000));
    }
    experiment.sources.truncate(1);
    counted.pulls.retain(|pull| pull.source == experiment.sources[0].id);
    let card = decide(&experiment, 20, &counted);
    assert_eq!(card.arms[0].evidence.flags, [Flag::FractionalConversions], "or its counts do");
    assert_eq!(card.arms[0].evidence.successes, 18.0 * 8.5, "neither rounded nor cut");
}
