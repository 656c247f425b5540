//! Costs per act and comparisons, from observations and responses to verdict and words; the split that is watched; and
//! that no verdict depends on when anybody looked.

use proptest::prelude::*;
use willitsell::decide::{Lately, derivation, explain, message::message};
use willitsell::domain::verdict::{Reason, Verdict};

use super::*;

/// What an act costs: break-even at $60, worth finding at $40.
pub fn costs(arms: &[&str]) -> Experiment {
    let mut experiment = experiment(arms);
    let policy = &mut experiment.policy;
    policy.model = Model::Cpa;
    policy.primary.denominator = MetricId::SPEND;
    (policy.kill_bar, policy.build_bar, policy.min_exposures) = (60.0, 40.0, 0);
    policy.bar_currency = Some(usd("1").currency);
    experiment
}

/// The last arm is the control.
pub fn comparison(arms: &[&str]) -> Experiment {
    let mut experiment = experiment(arms);
    let policy = &mut experiment.policy;
    policy.model = Model::Compare;
    (policy.kill_bar, policy.build_bar) = (1.0, 1.2);
    experiment.arms.last_mut().unwrap().control = true;
    experiment
}

pub const OLD: Daily = Daily { key: "old", visits: 100, signups: |_| 4, spend: 300 };

fn all_words(experiment: &Experiment, card: &Scorecard, data: &Inputs) -> String {
    let sections = derivation::derive(experiment, &generation(), data, card).sections;
    let lines = sections.iter().flat_map(|section| section.lines.clone());
    let told =
        message(experiment, None, None, card, &[], Lately::default).map(|message| message.lines).unwrap_or_default();
    let told = told.into_iter().map(|(label, line)| format!("{label} {line}"));
    lines.chain(told).collect::<Vec<_>>().join("\n")
}

#[test]
fn a_cheap_act_is_a_build_told_in_money() {
    let experiment = costs(&["a"]);
    let data = inputs(&experiment, 20, &[SELLS]);
    let card = decide(&experiment, 20, &data);
    let evidence = &card.arms[0].evidence;
    assert_eq!((card.verdict, evidence.trials, evidence.successes), (Verdict::Build, 5_400.0, 144.0));
    assert_eq!(evidence.estimate, Some(37.5));
    let banner = explain::banner(&experiment, &card);
    assert!(
        banner.starts_with(
            "BUILD: Invoice Autopilot, reached on Wed 18 Mar. 144 sign-ups for $5,400 ($37.50 each, range $"
        ),
        "{banner}"
    );
    assert!(banner.contains("; break-even, fixed on Mon 2 Mar, is $60."), "{banner}");
    let words = all_words(&experiment, &card, &data);
    for wanted in [
        "spend ÷ sign-ups",
        "BUILD when the whole range is below $60 (break-even).",
        "KILL when the whole range is above $40 (worth building for).",
        "Why $37.50 per sign-up (range $",
        "Evidence 144 sign-ups for $5,400, 18 settled days",
        "fewer sign-ups on the same days, it would",
    ] {
        assert!(words.contains(wanted), "{wanted}:\n{words}");
    }
    assert!(!words.contains('%') && !words.contains("visitor"), "{words}");
}

#[test]
fn a_dear_act_is_a_kill_and_one_between_collects() {
    let experiment = costs(&["a"]);
    let dear = inputs(&experiment, 20, &[DUD]);
    let card = decide(&experiment, 20, &dear);
    assert_eq!(card.verdict, Verdict::Kill);
    let words = all_words(&experiment, &card, &dear);
    assert!(words.contains("Even the best case ($"), "{words}");
    assert!(words.contains("is above the $40 worth building for, and above break-even ($60) too"), "{words}");
    let between = inputs(&experiment, 20, &[Daily { signups: |_| 6, ..SELLS }]);
    let card = decide(&experiment, 20, &between);
    assert_eq!(card.verdict, Verdict::Collecting);
    let words = all_words(&experiment, &card, &between);
    assert!(words.contains("still covers both break-even ($60) and the $40 worth building for"), "{words}");
    // Not one act: no cost of one, and money enough gone.
    let mut none = inputs(&experiment, 20, &[Daily { signups: |_| 0, ..SELLS }]);
    none.responses.push(signup("test", "", as_of(&experiment, 1)));
    let card = decide(&experiment, 20, &none);
    assert_eq!((card.verdict, card.arms[0].evidence.estimate, card.arms[0].evidence.high), (Verdict::Kill, None, None));
    let words = all_words(&experiment, &card, &none);
    assert!(words.contains("0 sign-ups for $5,400 (at least $") && !words.contains("inf"), "{words}");
}

#[test]
fn a_version_that_beats_the_control_is_a_build_and_says_whose_audience_it_had() {
    let experiment = comparison(&["a", "old"]);
    let data = inputs(&experiment, 20, &[SELLS, OLD]);
    let card = decide(&experiment, 20, &data);
    assert_eq!((card.verdict, card.arms.len(), card.arms[0].evidence.estimate), (Verdict::Build, 1, Some(2.0)));
    let words = all_words(&experiment, &card, &data);
    for wanted in [
        "144 of 1,800 visitors (2.0 times the rate of Plan old, range 1.",
        "; break-even, fixed on Mon 2 Mar, is the rate of Plan old (1.0 times).",
        "BUILD when the whole range is above 1.0 times the rate of Plan old (break-even).",
        "so part or all of the difference may come from the people",
        "Why Visitors signed up 2.0 times as often as with Plan old",
        "$10,800 spent to Thu 19 Mar ($5,400 on Plan a, $5,400 on Plan old beside it)",
        "Plan old (compared with): 72 of 1,800 visitors signed up.",
    ] {
        assert!(words.contains(wanted), "{wanted}:\n{words}");
    }
    let worse = decide(&experiment, 20, &inputs(&experiment, 20, &[Daily { signups: |_| 2, ..SELLS }, OLD]));
    assert_eq!(worse.verdict, Verdict::Kill);
    // With a split of ours nobody's audience is to blame.
    let mut ours = experiment.clone();
    ours.policy.srm = Some(even_split());
    let card = decide(&ours, 20, &data);
    assert_eq!(card.verdict, Verdict::Build);
    assert!(!all_words(&ours, &card, &data).contains("audience"));
}

#[test]
fn a_control_that_sells_nothing_leaves_no_ratio_and_words_without_an_infinity() {
    let experiment = comparison(&["a", "old"]);
    let mut data = inputs(&experiment, 20, &[SELLS, Daily { signups: |_| 0, ..OLD }]);
    data.responses.push(signup("test", "old", as_of(&experiment, 19)));
    let card = decide(&experiment, 20, &data);
    let evidence = &card.arms[0].evidence;
    assert_eq!((card.verdict, evidence.estimate, evidence.high), (Verdict::Build, None, None));
    let words = all_words(&experiment, &card, &data);
    assert!(words.contains("at least ") && !words.contains("inf") && !words.contains("NaN"), "{words}");
}

pub fn even_split() -> Srm {
    Srm { expected: ["a", "old"].map(|arm| (ArmId::new(arm), 0.5)).into(), alpha: 0.001, concentration: 1_000.0 }
}

#[test]
fn d8_an_uneven_split_blocks_under_every_model_that_counts_visitors_and_names_the_shares() {
    for mut experiment in [experiment(&["a", "old"]), comparison(&["a", "old"])] {
        experiment.policy.srm = Some(even_split());
        let data = inputs(&experiment, 20, &[Daily { visits: 130, ..SELLS }, OLD]);
        let card = decide(&experiment, 20, &data);
        assert_eq!(card.verdict, Verdict::Blocked);
        let [Reason::UnevenSplit { since, arms }] = card.reasons.as_slice() else { panic!("{:?}", card.reasons) };
        assert!(*since < card.last_settled_day && arms[0].1 == 2_340.0, "{since} {arms:?}");
        let sentence = explain::sentence(&experiment, &card);
        assert!(sentence.contains("Plan a got 2,340 of them: 56.5"), "{sentence}");
        assert!(sentence.contains("Plan old got 1,800 of them: 43.5% instead of 50.0%"), "{sentence}");
        // The day it was first sure is the same whenever one looks.
        let later = decide(&experiment, 30, &inputs(&experiment, 30, &[Daily { visits: 130, ..SELLS }, OLD]));
        assert!(matches!(&later.reasons[..], [Reason::UnevenSplit { since: again, .. }] if again == since));
        let even = decide(&experiment, 20, &inputs(&experiment, 20, &[SELLS, OLD]));
        assert_ne!(even.verdict, Verdict::Blocked, "{:?}", even.reasons);
    }
}

#[test]
fn more_acts_than_money_are_no_impossible_counts() {
    let mut experiment = costs(&["a"]);
    (experiment.policy.kill_bar, experiment.policy.build_bar) = (1.2, 0.8);
    let data = inputs(&experiment, 20, &[Daily { spend: 2, ..SELLS }]);
    assert_eq!(decide(&experiment, 20, &data).verdict, Verdict::Build);
}

fn campaign() -> impl Strategy<Value = Vec<(i64, u8, i64, i64)>> {
    prop::collection::vec((0i64..200, 0u8..9, 0i64..400, 0i64..8), 25..30)
}

/// A control with steady traffic beside an arm that has any.
fn data(experiment: &Experiment, days: &[(i64, u8, i64, i64)]) -> Inputs {
    let mut data = Inputs { pulls: pulls(experiment, 30), ..Inputs::default() };
    for (number, &(visits, acts, spend, old)) in (0..).zip(days) {
        let on = experiment.start + Days::new(number);
        let counted = [(MetricId::VISITS, visits), (MetricId::SPEND, spend)];
        data.observations.push(row("ads", on, "a", &counted));
        data.observations.push(row("ads", on, "old", &[(MetricId::VISITS, 100), (MetricId::SPEND, 100)]));
        for (key, acts) in [("a", i64::from(acts).min(visits)), ("old", old)] {
            for act in 0..acts {
                let at = on.and_hms_opt(9, 0, 0).unwrap().and_utc() + TimeDelta::minutes(act);
                data.responses.push(signup(&format!("{key}-{number}-{act}"), key, at));
            }
        }
    }
    data
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Row 10 of statistics.md section 14.
    #[test]
    fn missed_and_shuffled_runs_and_later_rows_change_no_verdict_and_no_date(
        days in campaign(), missed in prop::collection::vec(prop::bool::ANY, 31), first_look in 17u64..24,
    ) {
        for experiment in [experiment(&["a", "old"]), costs(&["a", "old"]), comparison(&["a", "old"])] {
            let data = data(&experiment, &days);
            let every_day: Vec<Scorecard> = (first_look..=28).map(|day| decide(&experiment, day, &data)).collect();
            let last = every_day.last().unwrap();

            // Runs that never happened, and the others in another order; the last one was made.
            let mut sparse = data.clone();
            sparse.pulls.retain(|pull| pull.committed_at.date_naive() >= as_of(&experiment, 28).date_naive()
                || !missed[usize::try_from((pull.last_day - experiment.start).num_days()).unwrap()]);
            sparse.pulls.reverse();
            sparse.observations.reverse();
            prop_assert_eq!(&decide(&experiment, 28, &sparse), last);

            // Whoever looked earlier, at whatever days, saw each verdict from its date on and not before.
            for (day, card) in (first_look..).zip(&every_day) {
                if card.verdict == Verdict::Blocked || last.verdict == Verdict::Blocked {
                    continue;
                }
                let today = as_of(&experiment, day).date_naive();
                for (arm, at_last) in card.arms.iter().zip(&last.arms) {
                    let reached = at_last.since.filter(|since| *since <= today);
                    prop_assert_eq!(arm.since, reached);
                    if reached.is_some() {
                        prop_assert_eq!((&arm.verdict, &arm.reason), (&at_last.verdict, &at_last.reason));
                    }
                }
            }

            // Rows of days that have not settled yet.
            let mut ahead = data.clone();
            ahead.observations.push(row("ads", experiment.start + Days::new(28), "a", &[(MetricId::VISITS, 9_999)]));
            prop_assert_eq!(&decide(&experiment, 28, &ahead).arms, &last.arms);
        }
    }
}
