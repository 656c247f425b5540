//! Which rows are an arm's, by exact keys and patterns, and what is said of the acts of a platform.

use willitsell::decide::policy_hash;
use willitsell::domain::concept::Arm;
use willitsell::domain::id::SourceId;
use willitsell::domain::metric::MetricId;
use willitsell::domain::observation::Inputs;
use willitsell::domain::verdict::{Flag, Reason, Verdict};

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
    assert!(
        said.contains("$9,000") && said.contains("\"cats-de\" of source \"ads\", which patterns of two versions fit"),
        "{said}"
    );
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

#[test]
fn h22_a_zone_that_changes_mid_test_blocks_until_all_days_are_read_in_one() {
    let experiment = experiment(&["a"]);
    let mut data = inputs(&experiment, 20, &[SELLS]);
    let last = data.pulls.iter().filter(|pull| pull.source.as_str() == "ads").map(|pull| pull.id).max();
    // Only the days of the last pull are read in the new zone: those before keep the old one.
    for pull in &mut data.pulls {
        if Some(pull.id) == last {
            (pull.day_zone, pull.first_day) = (Tz::Europe__Berlin, day("2026-03-10"));
        }
    }
    let card = decide(&experiment, 20, &data);
    assert_eq!(card.verdict, Verdict::Blocked);
    let zones = vec!["Europe/Berlin".to_owned(), "UTC".to_owned()];
    assert_eq!(card.reasons, [Reason::MixedZones { source: SourceId::new("ads"), zones }]);
    let said = willitsell::decide::explain::sentence(&experiment, &card);
    assert!(said.contains("Europe/Berlin and UTC") && said.contains("pull --source ads --since 2026-03-02"), "{said}");
    for pull in &mut data.pulls {
        if Some(pull.id) == last {
            pull.first_day = experiment.start;
        }
    }
    assert_eq!(decide(&experiment, 20, &data).verdict, Verdict::Build, "all days read again in one zone");
}

#[test]
fn h23_a_currency_that_changes_mid_test_blocks_with_both() {
    let experiment = experiment(&["a"]);
    let mut data = inputs(&experiment, 20, &[SELLS]);
    let last = data.pulls.iter().filter(|pull| pull.currency.is_some()).map(|pull| pull.id).max();
    for pull in &mut data.pulls {
        if Some(pull.id) == last {
            (pull.currency, pull.first_day) = (Currency::from_code("EUR"), day("2026-03-10"));
        }
    }
    let card = decide(&experiment, 20, &data);
    assert_eq!(card.reasons, [Reason::MixedCurrencies { currencies: vec!["EUR".into(), "USD".into()] }]);
    assert_eq!((card.verdict, card.spend), (Verdict::Blocked, None), "nothing is added up");
}

#[test]
fn explain_says_what_each_sources_numbers_mean() {
    let mut experiment = experiment(&["a"]);
    experiment.sources[0].fractional = vec![MetricId::CONVERSIONS];
    let mut data = inputs(&experiment, 20, &[SELLS]);
    for pull in &mut data.pulls {
        pull.facts.clicks = Some("link clicks".into());
        pull.facts.attribution = Some("7-day click".into());
    }
    let card = decide(&experiment, 20, &data);
    let sections = willitsell::decide::derivation::derive(&experiment, &generation(), &data, &card).sections;
    let means = &sections.iter().find(|section| section.title == "Sources").unwrap().lines;
    assert_eq!(
        means[0],
        "\"ads\": clicks: link clicks; credited for: 7-day click; days in UTC; money in USD; conversions need not be \
         whole. A day settles after 3 days."
    );
}

#[test]
fn explain_shows_the_lines_to_write_for_keys_of_no_version_in_every_form() {
    let mut experiment = experiment(&["a", "b"]);
    experiment.sources[0].set_aside.insert("brand".into());
    let [one, other] = ["7003", "7009"].map(|key| Daily { key, ..DUD });
    let data = inputs(&experiment, 20, &[SELLS, Daily { key: "b", ..SELLS }, one, other]);
    let card = decide(&experiment, 20, &data);
    assert_eq!(card.verdict, Verdict::Blocked);
    let sections = willitsell::decide::derivation::derive(&experiment, &generation(), &data, &card).sections;
    let verdict = &sections[0].lines;
    assert!(verdict[0].ends_with("the lines to write stand below."), "{}", verdict[0]);
    assert_eq!(
        verdict[2..],
        [
            "If \"7003\" and \"7009\" of source \"ads\" belong to Plan a, change the line `keys` under \
             `[experiment.invoice-autopilot.arm.a]` in the configuration file to:",
            "keys = { ads = [\"a\", \"7003\", \"7009\"], form = [\"a\"] }",
            "If \"7003\" and \"7009\" of source \"ads\" belong to Plan b, change the line `keys` under \
             `[experiment.invoice-autopilot.arm.b]` in the configuration file to:",
            "keys = { ads = [\"b\", \"7003\", \"7009\"], form = [\"b\"] }",
            "If they have no part in any test, add to the line `set_aside` under `[source.ads]`, or begin it:",
            "set_aside = [\"7003\", \"7009\"]",
            "If one belongs here and another there, write each only where it belongs.",
        ]
    );
}
