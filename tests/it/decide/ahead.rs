//! What lies ahead of a test, what would change where it stands, and what its owner is told of that.

use willitsell::decide::Counted;
use willitsell::decide::derivation::derive;
use willitsell::decide::flips::{Flips, Without};
use willitsell::decide::message::notices;
use willitsell::decide::outlook::Outlook;
use willitsell::domain::verdict::{Reason, Verdict};

use super::models::{OLD, comparison, costs};
use super::*;

fn ahead(experiment: &Experiment, days: u64, data: &Inputs) -> Outlook {
    let (card, outlook) = Counted::of(experiment, &generation(), data, as_of(experiment, days)).with_outlook();
    outlook.unwrap_or_else(|| panic!("{:?}", card.verdict))
}

fn flips(experiment: &Experiment, days: u64, data: &Inputs) -> Flips {
    derive(experiment, &generation(), data, &decide(experiment, days, data)).flips
}

#[test]
fn a_projection_comes_true_when_the_days_ahead_are_like_those_before() {
    let experiment = experiment(&["a"]);
    // All of a pattern of one or two weeks, of which two weeks have settled.
    let patterns: [fn(u64) -> u64; 5] = [
        |day| 3 + day % 2,
        |day| 4 + day % 2,
        |_| 4,
        |day| 3 + u64::from(day % 7 == 0),
        |day| 5 - u64::from(day % 7 == 0),
    ];
    let mut projected = 0;
    for signups in patterns {
        let later = inputs(&experiment, 64, &[Daily { signups, ..BETWEEN }]);
        if decide(&experiment, 16, &later).verdict != Verdict::Collecting {
            continue;
        }
        projected += 1;
        let today = ahead(&experiment, 16, &later);
        let likely = today.arms[0].likely.clone().unwrap();
        let came = (16..64).map(|day| decide(&experiment, day, &later)).find(|card| card.verdict.is_terminal());
        let came = came.unwrap();
        assert_eq!((likely.verdict, Some(likely.on)), (came.verdict, came.arms[0].since));
        let more = f64::from(likely.days);
        assert_eq!((likely.days, likely.exposures), (came.arms[0].evidence.days - 14, more * 100.0));
        assert_eq!(likely.spend, Some(usd("300").times(more).unwrap()));
    }
    assert!(projected >= 2, "{projected}");
}

#[test]
fn build_is_out_of_reach_only_when_even_the_best_days_would_not_bring_it() {
    let mut experiment = experiment(&["a"]);
    let thin =
        inputs(&experiment, 70, &[Daily { visits: 12, spend: 40, signups: |day| u64::from(day % 3 == 0), ..BETWEEN }]);
    // Twelve visitors a day: 720 in all of the sixty days.
    experiment.policy.budget_cap = Some(usd("1200"));
    let early = ahead(&experiment, 8, &thin);
    assert!(early.arms.is_empty() && !early.build_out_of_reach, "a week of settled days first");
    let told: Vec<u64> = (9..32).filter(|&days| ahead(&experiment, days, &thin).build_out_of_reach).collect();
    let first = *told.first().expect("it becomes futile");
    assert_eq!(told, (first..32).collect::<Vec<_>>(), "and stays so");
    // What is called out of reach is: from that day on, days at the best rate lead to no BUILD.
    let outlook = ahead(&experiment, first, &thin);
    let high = decide(&experiment, first, &thin).arms[0].evidence.high.unwrap().max(0.045);
    assert_ne!(outlook.arms[0].likely.as_ref().unwrap().verdict, Verdict::Build);
    let mut best = thin.clone();
    best.responses.retain(|act| act.at.date_naive() < experiment.start + Days::new(first - 2));
    let mut owed = 0.0;
    for number in first - 2..40 {
        owed += 12.0 * high;
        while owed >= 1.0 {
            owed -= 1.0;
            let at = (experiment.start + Days::new(number)).and_hms_opt(9, 0, 0).unwrap().and_utc();
            let id = format!("best-{}", best.responses.len());
            best.responses.push(signup(&id, "a", at));
        }
    }
    let until_then = |data: &Inputs| {
        let end = experiment.start + Days::new(40);
        data.responses.iter().filter(|act| act.at.date_naive() < end).count()
    };
    assert!(until_then(&best) > until_then(&thin) + 2, "better days than there were");
    let ends: Vec<_> = (first..40).map(|days| decide(&experiment, days, &best).verdict).collect();
    assert!(!ends.contains(&Verdict::Build), "{ends:?}");
    // With traffic enough nothing is out of reach.
    let rich = inputs(&experiment, 20, &[Daily { spend: 10, ..BETWEEN }]);
    let outlook = ahead(&experiment, 20, &rich);
    assert!(!outlook.build_out_of_reach && !outlook.kill_out_of_reach, "{outlook:?}");
}

#[test]
fn the_owner_is_told_once_that_build_is_out_of_reach_and_that_the_budget_is_nearly_used() {
    let mut experiment = super::money::autopilot();
    experiment.policy.guardrails.clear();
    experiment.policy.budget_cap = Some(usd("1200"));
    let thin =
        inputs(&experiment, 40, &[Daily { visits: 12, spend: 40, signups: |day| u64::from(day % 3 == 0), ..BETWEEN }]);
    let mut told = std::collections::BTreeMap::new();
    let mut ids = vec![];
    for days in 1..40 {
        let (card, outlook) = Counted::of(&experiment, &generation(), &thin, as_of(&experiment, days)).with_outlook();
        let Some(outlook) = outlook else { continue };
        for notice in notices(&experiment, &card, &outlook) {
            ids.push(notice.id.clone());
            told.entry(notice.id).or_insert((days, notice.message));
        }
    }
    assert!(ids.len() > told.len(), "it is worked out anew each day");
    assert!(ids.iter().all(|id| id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))));
    let shown: Vec<String> = told
        .values()
        .map(|(_, message)| {
            assert_eq!(message.verdict, None, "a notice, not a verdict");
            let lines: Vec<_> = message.lines.iter().map(|(label, line)| format!("{label:<10}{line}")).collect();
            format!("{}\n{}", message.headline, lines.join("\n"))
        })
        .collect();
    assert_eq!(shown.len(), 2, "{shown:#?}");
    assert_eq!(shown, [BUDGET, FUTILE]);
    // A raised cap is another test of patience: it may be told again.
    experiment.policy.budget_cap = Some(usd("1300"));
    let (card, outlook) = Counted::of(&experiment, &generation(), &thin, as_of(&experiment, 30)).with_outlook();
    assert!(notices(&experiment, &card, &outlook.unwrap()).iter().all(|notice| !told.contains_key(&notice.id)));
    // A last day that was fixed before the test is raised by nobody.
    experiment.stop = Some(day("2026-04-10"));
    let (card, outlook) = Counted::of(&experiment, &generation(), &thin, as_of(&experiment, 20)).with_outlook();
    let futile = notices(&experiment, &card, &outlook.unwrap()).remove(0).message.lines;
    assert!(futile[0].1.contains("before the cap (60 settled days, $1,300 or the end on Fri 10 Apr)"), "{futile:?}");
    let next = &futile.last().unwrap().1;
    assert!(next.starts_with("Stop the ads or let it run") && next.ends_with(": this is no verdict"), "{next}");
}

#[test]
fn so_many_acts_more_or_fewer_change_the_verdict_and_one_less_does_not() {
    let experiment = experiment(&["a"]);
    for arm in [SELLS, DUD, BETWEEN] {
        let data = inputs(&experiment, 20, &[arm]);
        let now = decide(&experiment, 20, &data);
        let acts = flips(&experiment, 20, &data).acts;
        assert!(!acts.is_empty(), "{:?}", now.verdict);
        for flip in acts {
            assert_ne!(flip.to, now.verdict);
            assert_eq!(flip.acts.fract(), 0.0);
            assert_eq!(flip.acts > 0.0, flip.to == Verdict::Build || now.verdict == Verdict::Kill, "{flip:?}");
        }
    }
    // Before the minimums no number of acts makes a verdict.
    let early = inputs(&experiment, 10, &[BETWEEN]);
    assert_eq!(flips(&experiment, 10, &early).acts, []);
}

#[test]
fn a_unit_of_money_may_bring_several_acts_more() {
    let mut experiment = costs(&["a"]);
    (experiment.policy.kill_bar, experiment.policy.build_bar) = (0.9, 0.6);
    // $44 a day: 73 cents each.
    let data = inputs(&experiment, 20, &[Daily { signups: |_| 60, spend: 44, ..SELLS }]);
    assert_eq!(decide(&experiment, 20, &data).verdict, Verdict::Collecting);
    let acts = flips(&experiment, 20, &data).acts;
    let build = acts.iter().find(|flip| flip.to == Verdict::Build).expect("more acts for the same money are a BUILD");
    assert!(build.acts > 0.0 && build.acts < 1000.0, "{build:?}");
}

#[test]
fn acts_of_the_control_change_a_comparison_as_those_of_the_version_do() {
    let experiment = comparison(&["a", "old"]);
    let data = inputs(&experiment, 20, &[SELLS, OLD]);
    let card = decide(&experiment, 20, &data);
    assert_eq!(card.verdict, Verdict::Build);
    let acts = flips(&experiment, 20, &data).acts;
    let fewer = acts.iter().find(|flip| !flip.of_control).expect("fewer of its own");
    let more = acts.iter().find(|flip| flip.of_control).expect("more of the control's");
    assert!(fewer.acts < 0.0 && more.acts > 0.0 && fewer.to != Verdict::Build && more.to != Verdict::Build, "{acts:?}");
    let said = derive(&experiment, &generation(), &data, &card).sections;
    let said = &said.iter().find(|section| section.title == "What would change it").unwrap().lines;
    assert!(said.iter().any(|line| line.contains(" more sign-ups of Plan old on the same days, it would")), "{said:?}");
    // So many more in the data give that verdict, and one less does not.
    let with = |acts: u32| {
        let mut data = data.clone();
        for observation in data.observations.iter_mut().filter(|row| *row.arm_key == *"old") {
            let number = u32::try_from((observation.day - experiment.start).num_days()).unwrap();
            // Settled days only, as evenly as people come.
            if number < 18 {
                let more = acts * (number + 1) / 18 - acts * number / 18;
                let at = observation.day.and_hms_opt(9, 0, 0).unwrap().and_utc();
                data.responses.extend((0..more).map(|one| signup(&format!("more-{number}-{one}"), "old", at)));
            }
        }
        decide(&experiment, 20, &data).verdict
    };
    let acts: u32 = more.acts.to_string().parse().unwrap();
    assert_eq!((with(acts + 2), with(acts - 2)), (more.to, Verdict::Build));
}

#[test]
fn a_version_that_carries_the_verdict_alone_is_named() {
    let experiment = experiment(&["a", "b"]);
    let data = inputs(&experiment, 20, &[SELLS, Daily { key: "b", ..BETWEEN }]);
    let flips = flips(&experiment, 20, &data);
    assert_eq!(flips.without, [Without { part: "Plan a".into(), verdict: Verdict::Collecting }]);
    let both = inputs(&experiment, 20, &[SELLS, Daily { key: "b", ..SELLS }]);
    let said = derive(&experiment, &generation(), &both, &decide(&experiment, 20, &both)).sections;
    let said = &said.iter().find(|section| section.title == "What would change it").unwrap().lines;
    let firm = "Leave out either version, and it would still be BUILD.";
    assert_eq!(said.last().unwrap(), firm);
}

/// Two platforms that count visitors and acts themselves.
fn two_platforms() -> (Experiment, Inputs) {
    let mut experiment = experiment(&["a"]);
    experiment.policy.primary.numerator = MetricId::CONVERSIONS;
    let supplied = vec![MetricId::VISITS, MetricId::SPEND, MetricId::CONVERSIONS];
    for (source, channel) in experiment.sources.iter_mut().zip(["google_ads", "meta_ads"]) {
        (source.metrics, source.channel) = (supplied.clone(), Some(channel.into()));
    }
    let mut data = Inputs { pulls: pulls(&experiment, 20), ..Inputs::default() };
    for number in 0..20 {
        let on = experiment.start + Days::new(number);
        for (source, acts) in [("ads", 3), ("form", 9)] {
            let counted = [(MetricId::VISITS, 100), (MetricId::SPEND, 100), (MetricId::CONVERSIONS, acts)];
            data.observations.push(row(source, on, "a", &counted));
        }
    }
    (experiment, data)
}

#[test]
fn a_channel_that_carries_the_verdict_is_named_where_its_acts_can_be_told_apart() {
    let (experiment, data) = two_platforms();
    assert_eq!(decide(&experiment, 20, &data).verdict, Verdict::Build);
    let without = flips(&experiment, 20, &data).without;
    assert_eq!(without.len(), 1, "{without:?}");
    assert_eq!(without[0].part, "meta_ads");
    assert_ne!(without[0].verdict, Verdict::Build);
    // Visitors of two channels whose acts come from one form cannot be told apart.
    let one_form = experiment_of_form();
    assert!(!flips(&one_form, 20, &inputs(&one_form, 20, &[SELLS])).has_parts);
}

fn experiment_of_form() -> Experiment {
    experiment(&["a"])
}

#[test]
fn a_blocked_test_has_no_future_and_no_flips() {
    let experiment = experiment(&["a"]);
    let data = inputs(&experiment, 20, &[Daily { signups: |_| 0, ..SELLS }]);
    let card = decide(&experiment, 20, &data);
    assert!(matches!(card.reasons[..], [Reason::NoData { .. }]));
    let derived = derive(&experiment, &generation(), &data, &card);
    assert_eq!((derived.outlook, derived.flips.acts.len()), (None, 0));
}

const BUDGET: &str = "\
COLLECTING · Invoice Autopilot · 80% of the budget is used without a verdict (owner: Dana, head of product)
Why       $960 is spent, 80% of the cap of $1,200. Only settled days count towards the cap: the test ends once they have cost $1,200. So far they have cost $840. Estimate, if days stay like the last 21: REVIEW (at the cap, leaning to KILL) about Fri 3 Apr, once 9 more days have settled. By then 110 more visitors, 3 more sign-ups and another $360 will count. If the ads run until then, about $1,320 will be spent, $120 more than the cap.
Evidence  7 of 252 visitors, 21 settled days to Sun 22 Mar
Money     $840 spent to Sun 22 Mar, $120 since · $120 per sign-up (over the limit of $84.27) · building it would cost $46,800
Next      Raise the cap, stop the ads, or let it run: at the cap you decide";

const FUTILE: &str = "\
COLLECTING · Invoice Autopilot · BUILD is out of reach (owner: Dana, head of product)
Why       Neither BUILD nor KILL can be reached before the cap (60 settled days or $1,200), however the days left turn out: you will have to decide.
Evidence  6 of 204 visitors, 17 settled days to Wed 18 Mar
Money     $680 spent to Wed 18 Mar, $120 since · $113 per sign-up (over the limit of $84.27) · building it would cost $46,800
Next      Stop the ads, raise the cap for a chance of BUILD, or let it run (about $520 more, $120 over the cap): this is no verdict";
