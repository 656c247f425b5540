//! People whom several sources tell of: who counts, on which day, and what is said of those who do not.

use willitsell::decide::derivation;
use willitsell::decide::funnel::{Funnel, Left};
use willitsell::domain::icp::{IcpRule, IcpTest};
use willitsell::domain::response::{DomainHash, Mark, Void};

use super::*;

/// [`experiment`] with a till beside the form, a mailing list that verifies, and rules on who is wanted.
fn deep() -> Experiment {
    let mut experiment = experiment(&["a"]);
    let form = experiment.sources[1].clone();
    let people = |id: &str, deepest: Depth, deciding: &[MetricId]| Source {
        id: SourceId::new(id),
        people: Some(deepest),
        metrics: [&[MetricId::SIGNUPS, MetricId::VERIFIED_SIGNUPS, MetricId::QUALIFIED_SIGNUPS], deciding].concat(),
        ..form.clone()
    };
    experiment.sources[1] = people("form", Depth::Email, &[]);
    experiment.sources.push(people("list", Depth::VerifiedEmail, &[]));
    experiment.sources.push(people(
        "till",
        Depth::Deposit,
        &[MetricId::DEPOSITS, MetricId::PAYMENTS, MetricId::REFUNDS],
    ));
    experiment.arms[0].keys.insert(SourceId::new("till"), vec!["a".into()]);
    experiment.policy.icp = vec![IcpRule { field: "employees".into(), test: IcpTest::Within(Some(20.0), Some(200.0)) }];
    experiment.internal = vec!["acme.com".into()];
    experiment
}

/// The person of a sign-up, as another source tells of them.
fn told(by: &str, of: &Response, depth: Depth, days_later: u64) -> Response {
    Response {
        source: SourceId::new(by),
        response_id: format!("{by}-{}", of.response_id),
        depth,
        arm_key: if by == "till" { "a".into() } else { String::new() },
        at: of.at + Days::new(days_later),
        ..of.clone()
    }
}

/// 20 days of 8 sign-ups: of each day one is a trial, one a colleague, one a throwaway; of the others, four are verified
/// the next day, two of them too large; one pays and one is paid back.
fn mixed(experiment: &Experiment) -> Inputs {
    let mut data = inputs(experiment, 20, &[SELLS]);
    data.internal = [DomainHash::from_hex("ours".into())].into();
    let mut others = Vec::new();
    for (number, act) in data.responses.iter_mut().enumerate() {
        match number % 8 {
            0 => act.mark = Some(Mark::Test),
            1 => act.domain = Some(DomainHash::from_hex("ours".into())),
            2 => act.mark = Some(Mark::Disposable),
            place @ 3..=6 => {
                let size = if place < 5 { "51-200" } else { "201+" };
                act.answers = [("employees", size)].into_iter().collect();
                others.push(told("list", act, Depth::VerifiedEmail, 1));
                others.extend((place == 3).then(|| told("till", act, Depth::Deposit, 1)));
                others.extend(
                    (place == 4)
                        .then(|| Response { void: Some(Void::Refunded), ..told("till", act, Depth::Deposit, 1) }),
                );
            }
            _ => {}
        }
    }
    data.responses.extend(others);
    data
}

fn funnel(experiment: &Experiment, data: &Inputs) -> Funnel {
    let card = decide(experiment, 20, data);
    derivation::derive(experiment, &generation(), data, &card).funnel.remove(0)
}

fn count(funnel: &Funnel, metric: MetricId) -> f64 {
    funnel.steps.iter().find(|step| step.metric == metric).unwrap().count
}

#[test]
fn a_person_counts_once_however_many_sources_tell_of_them_and_each_depth_is_shown() {
    let experiment = deep();
    let data = mixed(&experiment);
    let funnel = funnel(&experiment, &data);
    // 18 days have settled; what was verified or paid came a day later.
    let counted = [
        (MetricId::VISITS, 1800.0),
        (MetricId::SIGNUPS, 18.0 * 5.0),
        (MetricId::VERIFIED_SIGNUPS, 17.0 * 4.0),
        (MetricId::QUALIFIED_SIGNUPS, 17.0 * 2.0),
        (MetricId::PAYMENTS, 17.0 * 2.0),
        (MetricId::REFUNDS, 17.0),
        (MetricId::DEPOSITS, 17.0),
    ];
    for (metric, expected) in counted {
        assert_eq!(count(&funnel, metric), expected, "{metric}");
    }
    let left: Vec<(String, u32)> =
        funnel.left_out.iter().map(|Left { why, acts }| (format!("{why:?}"), *acts)).collect();
    let expected = [("Test", 18), ("Internal", 18), ("Disposable", 18), ("Repeat", 34), ("OutsideIcp", 34)];
    assert_eq!(left, expected.map(|(why, acts)| (why.to_owned(), acts)));
    let card = decide(&experiment, 20, &data);
    assert_eq!(card.arms[0].evidence.successes, 90.0, "only the deciding depth decides");
    let told = derivation::derive(&experiment, &generation(), &data, &card).sections;
    let lines = told.iter().find(|section| section.title == "How far people got").unwrap().lines.join("\n");
    for part in [
        "1,800 visitors, 90 sign-ups, 68 verified sign-ups, 34 qualified sign-ups, 34 payments, 17 refunds, 17 deposits.",
        "34 of 68 verified sign-ups: a share of the ICP of 50%.",
        "17 of 34 payments: a refund rate of 50%.",
    ] {
        assert!(lines.contains(part), "{part}\n{lines}");
    }
    let left_out = &told.iter().find(|section| section.title == "What was left out").unwrap().lines;
    let answers = "Answers left out: 18 by trial addresses, 18 by your own people, 18 by throwaway addresses, 34 by people who had signed up before and 34 outside the ICP.";
    assert_eq!(left_out[..], [answers]);
}

#[test]
fn a_depth_that_no_source_can_tell_of_is_not_shown_as_zero() {
    let mut experiment = deep();
    let mut data = mixed(&experiment);
    data.responses.retain(|response| response.source.as_str() == "form");
    let verified = [MetricId::VERIFIED_SIGNUPS, MetricId::QUALIFIED_SIGNUPS];
    let shown = |experiment: &Experiment| {
        let steps = funnel(experiment, &data).steps;
        verified.map(|metric| steps.iter().find(|step| step.metric == metric).map(|step| step.count))
    };
    assert_eq!(shown(&experiment), [None, None]);
    experiment.policy.primary.numerator = MetricId::VERIFIED_SIGNUPS;
    assert_eq!(shown(&experiment)[0], Some(0.0), "what decides is shown");
}

#[test]
fn every_depth_can_decide_and_icp_share_and_refunds_can_be_limits() {
    let mut experiment = deep();
    let data = mixed(&experiment);
    for (metric, acts) in [(MetricId::QUALIFIED_SIGNUPS, 34.0), (MetricId::DEPOSITS, 17.0)] {
        experiment.policy.primary.numerator = metric;
        let card = decide(&experiment, 20, &data);
        assert_eq!((card.verdict, card.arms[0].evidence.successes), (card.arms[0].verdict, acts), "{metric}");
    }
    experiment.policy.primary.numerator = MetricId::SIGNUPS;
    let limit = |name: &str, numerator, denominator, limit| Guardrail {
        name: name.into(),
        numerator,
        denominator,
        limit,
        margin: 0.25,
    };
    experiment.policy.guardrails = vec![
        limit("icp_share", MetricId::QUALIFIED_SIGNUPS, MetricId::VERIFIED_SIGNUPS, Limit::Min(0.9)),
        limit("refunds", MetricId::REFUNDS, MetricId::PAYMENTS, Limit::Max(0.1)),
    ];
    let card = decide(&experiment, 20, &data);
    let scores: Vec<_> = card.guardrails.iter().map(|score| (score.value, score.breached)).collect();
    assert_eq!(scores, [(Some(0.5), true), (Some(0.5), false)], "17 refunds are few for a test that holds on any day");
}

#[test]
fn d2_acts_that_name_nobody_are_no_further_signups_beside_a_form_that_names_them() {
    let mut experiment = experiment(&["a"]);
    let deals = Source { id: SourceId::new("deals"), people: Some(Depth::Order), ..experiment.sources[1].clone() };
    experiment.sources.push(Source { nameless: true, metrics: vec![MetricId::ORDERS], ..deals });
    experiment.arms[0].keys.insert(SourceId::new("deals"), vec!["a".into()]);
    let mut data = inputs(&experiment, 20, &[BETWEEN]);
    let before = decide(&experiment, 20, &data).arms[0].evidence.clone();
    let of_deals = |act: &Response| Response { person: None, ..told("till", act, Depth::Order, 0) };
    let deals: Vec<_> = data.responses.iter().map(of_deals).collect();
    data.responses.extend(deals.into_iter().map(|act| Response { source: SourceId::new("deals"), ..act }));
    assert_eq!(decide(&experiment, 20, &data).arms[0].evidence, before, "who ordered had signed up");
    assert_eq!(count(&funnel(&experiment, &data), MetricId::ORDERS), before.successes);
    experiment.policy.primary.numerator = MetricId::VERIFIED_SIGNUPS;
    experiment.sources[1].metrics.push(MetricId::VERIFIED_SIGNUPS);
    assert_eq!(decide(&experiment, 20, &data).arms[0].evidence.successes, 0.0, "nobody's address was verified");
}

#[test]
fn d2_the_order_in_which_sources_tell_of_people_changes_nothing() {
    let experiment = deep();
    let mut data = mixed(&experiment);
    let before = decide(&experiment, 20, &data);
    data.responses.reverse();
    assert_eq!(decide(&experiment, 20, &data), before);
    data.responses.rotate_left(77);
    let twice = data.responses.clone();
    data.responses.extend(twice);
    assert_eq!(decide(&experiment, 20, &data), before);
}

#[test]
fn h22_acts_of_people_are_cut_into_days_where_the_visitors_are_counted() {
    let experiment = experiment(&["a"]);
    let mut data = inputs(&experiment, 20, &[SELLS]);
    // All in the early morning in UTC, which is the evening before in Los Angeles.
    for act in &mut data.responses {
        act.at = act.at.date_naive().and_hms_opt(4, 0, 0).unwrap().and_utc();
    }
    let days = |data: &Inputs| decide(&experiment, 20, data).arms[0].evidence.clone();
    assert_eq!(days(&data).successes, 18.0 * 8.0);
    for pull in data.pulls.iter_mut().filter(|pull| pull.source.as_str() == "ads") {
        pull.day_zone = Tz::America__Los_Angeles;
    }
    let cut = days(&data);
    // Those of the first day belong to the day before the test, each other day's to the one before.
    assert_eq!((cut.trials, cut.successes), (1800.0, 18.0 * 8.0));
    data.responses.retain(|act| act.at.date_naive() != day("2026-03-03"));
    let without = days(&data);
    assert_eq!(without.successes, 17.0 * 8.0, "the first day has none now");
    // Where the account is ahead, its first day began before people were asked for.
    for pull in data.pulls.iter_mut().filter(|pull| pull.source.as_str() == "ads") {
        pull.day_zone = Tz::Asia__Tokyo;
    }
    let ahead = days(&data);
    assert_eq!(ahead.days, 17);
}

#[test]
fn what_is_left_out_of_a_source_is_not_read() {
    let mut experiment = experiment(&["a"]);
    let data = inputs(&experiment, 20, &[SELLS]);
    let mut page = experiment.sources[0].clone();
    (page.id, page.metrics) = (SourceId::new("page"), vec![MetricId::VISITS]);
    experiment.sources[0].metrics.retain(|metric| *metric != MetricId::VISITS);
    experiment.sources[0].leave_out = [MetricId::VISITS].into();
    experiment.sources.push(page);
    experiment.arms[0].keys.insert(SourceId::new("page"), vec!["a".into()]);
    let mut data = Inputs { pulls: pulls(&experiment, 20), ..data };
    for number in 0..20 {
        data.observations.push(row("page", experiment.start + Days::new(number), "a", &[(MetricId::VISITS, 90)]));
    }
    let card = decide(&experiment, 20, &data);
    assert_eq!(card.arms[0].evidence.trials, 18.0 * 90.0);
    assert_eq!(card.spend, Some(usd("5400")));
}
