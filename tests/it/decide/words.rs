//! Every sentence and message, as a reader gets it.

use willitsell::decide::{Lately, derivation, explain, message::message};
use willitsell::domain::message::Message;
use willitsell::domain::verdict::{ArmScore, Evidence, GuardrailScore, Lean, Reason, Verdict};

use super::aloud::FORBIDDEN;
use super::cards::{SENTENCES, every_card};
use super::*;

/// A scorecard of Wed 18 March, settled to Sun 15 March, with an arm for each piece of evidence.
pub fn card(verdict: Verdict, reasons: &[Reason], arms: &[(Verdict, Option<Reason>, Evidence)]) -> Scorecard {
    let names = ["a", "b", "c"];
    Scorecard {
        concept: ConceptId::new("invoice-autopilot"),
        generation: 1,
        as_of: "2026-03-18T06:00:00Z".parse().unwrap(),
        last_settled_day: day("2026-03-15"),
        verdict,
        reasons: reasons.to_vec(),
        arms: arms
            .iter()
            .zip(names)
            .map(|((verdict, reason, evidence), name)| ArmScore {
                arm: ArmId::new(name),
                verdict: *verdict,
                reason: reason.clone(),
                since: verdict.is_terminal().then(|| day("2026-03-15")),
                evidence: evidence.clone(),
                guardrails: vec![],
                spend: Some(usd("3170")),
                cost_per_act: (evidence.successes > 0.0).then(|| usd("3170").times(1.0 / evidence.successes).unwrap()),
            })
            .collect(),
        guardrails: vec![],
        spend: Some(usd("3170")),
        spend_after: None,
        given: None,
        proof: vec![],
        best: vec![],
        unmapped: None,
        unseen: vec![],
        day_notes: vec![],
        decisions: vec![],
        policy_hash: "5f1c".into(),
        data_hash: "90ab".into(),
        program_version: "0.1.0".into(),
    }
}

pub fn seen(successes: f64, trials: f64, low: f64, high: f64) -> Evidence {
    Evidence {
        days: 14,
        trials,
        successes,
        estimate: Some(successes / trials),
        low: Some(low),
        high: Some(high),
        log_e_build: Some(6.4),
        log_e_kill: Some(-5.0),
        build_at: Some(2.9),
        kill_at: Some(3.3),
        phi: Some(1.4),
        flags: vec![],
    }
}

pub fn sells() -> Scorecard {
    let card = card(Verdict::Build, &[], &[(Verdict::Build, None, seen(74.0, 1240.0, 0.0402, 0.0849))]);
    let cost = GuardrailScore {
        name: "cost per sign-up".into(),
        value: Some(42.84),
        low: Some(31.2),
        high: Some(58.9),
        limit: 84.0,
        is_max: true,
        breached: false,
    };
    Scorecard { guardrails: vec![cost], ..card }
}

pub fn dud() -> Scorecard {
    let mut evidence = seen(9.0, 1050.0, 0.0, 0.0209);
    (evidence.log_e_build, evidence.log_e_kill) = (Some(-5.1), Some(4.6));
    let card = card(Verdict::Kill, &[], &[(Verdict::Kill, None, evidence)]);
    let mut arms = card.arms.clone();
    (arms[0].spend, arms[0].cost_per_act) = (Some(usd("2520")), Some(usd("280")));
    Scorecard { arms, spend: Some(usd("2520")), ..card }
}

pub fn autopilot() -> Experiment {
    let mut experiment = experiment(&["a"]);
    experiment.policy.guardrails = vec![cost_guardrail(84.0)];
    experiment.money.team_cost_per_week = Some(usd("7800"));
    experiment.money.build_weeks = Some(6.0);
    experiment
}

pub fn team_chat() -> Experiment {
    let mut experiment = autopilot();
    experiment.concept.title = "Team Chat Widget".into();
    experiment
}

/// The message where nothing lies between the last sound scorecard and `previous`.
fn after(experiment: &Experiment, previous: Option<&Scorecard>, now: &Scorecard) -> Option<Message> {
    let sound = previous.filter(|card| card.verdict != Verdict::Blocked);
    message(experiment, previous, sound, now, &[], Lately::default)
}

fn lines(experiment: &Experiment, previous: Option<&Scorecard>, now: &Scorecard) -> String {
    let message = after(experiment, previous, now).expect("a message");
    assert!(message.lines.len() <= 4, "five lines with the headline");
    let rest = message.lines.iter().map(|(label, line)| format!("{label:<10}{line}"));
    [message.headline.clone()].into_iter().chain(rest).collect::<Vec<_>>().join("\n")
}

pub fn one_arm(verdict: Verdict, reason: &Reason, evidence: Evidence) -> Scorecard {
    card(verdict, std::slice::from_ref(reason), &[(verdict, Some(reason.clone()), evidence)])
}

pub fn blocked(reason: Reason) -> Scorecard {
    let hidden = Evidence { days: 14, trials: 1240.0, successes: 74.0, ..Evidence::default() };
    card(Verdict::Blocked, &[reason], &[(Verdict::Blocked, None, hidden)])
}

pub fn cap(lean: Lean) -> Reason {
    Reason::CapReached { lean: Some(lean) }
}

#[test]
fn every_verdict_and_reason_is_a_plain_sentence() {
    let cards = every_card();
    assert_eq!(cards.len(), SENTENCES.len());
    for ((experiment, card), sentence) in cards.iter().zip(SENTENCES) {
        assert_eq!(explain::banner(experiment, card), sentence);
    }
}

#[test]
fn the_five_lines_of_a_build_and_of_a_kill() {
    assert_eq!(
        lines(&autopilot(), None, &sells()),
        "BUILD · Invoice Autopilot · reached on Sun 15 Mar · decide by Fri 20 Mar (owner: Dana, head of product)
Why       6.0% signed up (range 4.0 to 8.5%); break-even, fixed on Mon 2 Mar, is 3.0%.
Evidence  74 of 1,240 visitors, 14 settled days to Sun 15 Mar
Money     $3,170 spent to Sun 15 Mar · $42.84 per sign-up (limit $84) · building it would cost $46,800
Next      Decide whether to build, as recommended, or to kill · stop the ads in either case"
    );
    assert_eq!(
        lines(&team_chat(), None, &dud()),
        "KILL · Team Chat Widget · reached on Sun 15 Mar · decide by Fri 20 Mar (owner: Dana, head of product)
Why       0.9% signed up (range 0.0 to 2.1%); even the best case (2.1%) misses the 4.5% worth building for, and break-even (3.0%) too.
Evidence  9 of 1,050 visitors, 14 settled days to Sun 15 Mar
Money     $2,520 spent to Sun 15 Mar · $280 per sign-up (over the limit of $84) · not building it saves up to $46,800
Next      Decide whether to kill, as recommended, or to build all the same · stop the ads in either case"
    );
}

#[test]
fn a_share_of_what_are_no_people_says_of_what() {
    let mut clicks = autopilot();
    clicks.policy.primary.denominator = MetricId::CLICKS;
    assert!(lines(&clicks, None, &sells()).contains("Why       6.0% of clicks led to a sign-up (range 4.0 to 8.5%);"));
}

#[test]
fn the_time_to_decide_runs_from_the_first_day_of_the_verdict_and_stays() {
    let stale = blocked(Reason::Stale { source: SourceId::new("ads"), last_pull: None });
    let told_on = |day: &str| {
        let now = Scorecard { as_of: format!("{day}T06:00:00Z").parse().unwrap(), ..sells() };
        message(&autopilot(), Some(&stale), Some(&sells()), &now, &[], Lately::default).unwrap().headline
    };
    for (day, by) in [
        ("2026-03-16", "decide by Fri 20 Mar"),
        ("2026-03-20", "decide by Fri 20 Mar"),
        ("2026-03-21", "decide now"),
        ("2026-04-21", "decide now"),
    ] {
        let headline = told_on(day);
        assert!(headline.contains(&format!("reached on Sun 15 Mar · {by} (owner: ")), "{day}: {headline}");
    }
}

#[test]
fn what_is_unknown_is_left_out_rather_than_invented() {
    let experiment = Experiment { owner: None, ..experiment(&["a"]) };
    let mut card = sells();
    card.spend = None;
    (card.arms[0].spend, card.arms[0].cost_per_act) = (None, None);
    card.guardrails.clear();
    assert_eq!(
        lines(&experiment, None, &card),
        "BUILD · Invoice Autopilot · reached on Sun 15 Mar · decide by Fri 20 Mar
Why       6.0% signed up (range 4.0 to 8.5%); break-even, fixed on Mon 2 Mar, is 3.0%.
Evidence  74 of 1,240 visitors, 14 settled days to Sun 15 Mar
Next      Decide whether to build, as recommended, or to kill · stop the ads in either case"
    );
}

#[test]
fn what_was_spent_for_no_act_is_told() {
    let none = seen(0.0, 1050.0, 0.0, 0.0091);
    let card = card(Verdict::Kill, &[], &[(Verdict::Kill, None, none)]);
    assert!(
        lines(&team_chat(), None, &card).contains("· no sign-up on settled days for $3,170 (over the limit of $84) ·")
    );
}

#[test]
fn other_guardrails_channels_and_versions_stand_in_the_evidence() {
    let mut experiment = Experiment { arms: experiment(&["a", "b"]).arms, ..autopilot() };
    experiment.sources[1].channel = Some("meta_ads".into());
    experiment.policy.guardrails.push(Guardrail {
        name: "opened the form".into(),
        numerator: MetricId::FORM_OPENS,
        denominator: MetricId::VISITS,
        limit: Limit::Min(0.4),
        margin: 0.25,
    });
    let arm = || (Verdict::Build, None, seen(74.0, 1240.0, 0.0402, 0.0849));
    let opened = GuardrailScore {
        name: "opened the form".into(),
        value: Some(0.703),
        low: None,
        high: None,
        limit: 0.4,
        is_max: false,
        breached: false,
    };
    let mut now = card(Verdict::Build, &[], &[arm(), arm()]);
    now.guardrails = vec![sells().guardrails[0].clone(), opened];
    let evidence = "Evidence  both versions: 148 of 2,480 visitors, 14 settled days to Sun 15 Mar, 2 channels; \
                    opened the form 70% (limit: at least 40%)\n";
    assert!(lines(&experiment, None, &now).contains(evidence), "{}", lines(&experiment, None, &now));
}

#[test]
fn n4_there_is_one_message_a_change_of_state_and_none_when_only_the_range_moved() {
    let experiment = autopilot();
    let collecting = one_arm(Verdict::Collecting, &Reason::Undecided, seen(44.0, 1240.0, 0.0201, 0.0561));
    let early = one_arm(Verdict::Collecting, &Reason::Insufficient, Evidence::default());
    let moved =
        Scorecard { arms: one_arm(Verdict::Build, &cap(Lean::Build), seen(80.0, 1300.0, 0.041, 0.08)).arms, ..sells() };
    let review = one_arm(Verdict::Review, &cap(Lean::Build), seen(44.0, 1240.0, 0.0201, 0.0561));
    let leans = one_arm(Verdict::Review, &cap(Lean::Kill), seen(20.0, 1240.0, 0.0101, 0.0361));
    let stale = blocked(Reason::Stale { source: SourceId::new("ads"), last_pull: None });
    let silent = blocked(Reason::NoData { sources: vec![SourceId::new("form")] });
    let told = |previous: Option<&Scorecard>, now: &Scorecard| after(&experiment, previous, now).is_some();
    for (previous, now) in [
        (None, &early),
        (Some(&early), &collecting),
        (Some(&sells()), &moved),
        (Some(&dud()), &dud()),
        (Some(&review), &review),
        (Some(&stale), &stale),
    ] {
        assert!(!told(previous, now), "{} again", now.verdict);
    }
    for (previous, now) in [
        (None, &sells()),
        (Some(&collecting), &dud()),
        (Some(&collecting), &review),
        (Some(&collecting), &stale),
        (Some(&stale), &silent),
        (Some(&review), &leans),
        (Some(&stale), &collecting),
        (Some(&stale), &sells()),
        (Some(&sells()), &stale),
        (Some(&sells()), &collecting),
    ] {
        assert!(told(previous, now), "now {}", now.verdict);
    }
    // A new test begins in silence, and does not withdraw the verdict of the one before.
    assert!(!told(Some(&sells()), &Scorecard { generation: 2, ..collecting }));
}

#[test]
fn d1_a_withdrawn_verdict_is_named_with_its_date() {
    let now = one_arm(Verdict::Collecting, &Reason::Undecided, seen(44.0, 1240.0, 0.0201, 0.0561));
    let withdrawn = lines(&autopilot(), Some(&sells()), &now);
    assert!(withdrawn.starts_with("COLLECTING · Invoice Autopilot · BUILD of Sun 15 Mar is withdrawn\n"));
    assert!(
        withdrawn
            .contains("Why       The numbers of past days changed, so the BUILD of Sun 15 Mar no longer holds. 44 of")
    );
    assert!(withdrawn.ends_with(
        "Find out why the numbers changed · stop any work begun because of the BUILD · the test goes on: start the ads again"
    ));
    let turned = lines(&autopilot(), Some(&sells()), &dud());
    let headline = "KILL · Invoice Autopilot · BUILD of Sun 15 Mar is revised · decide by Mon 23 Mar (owner: Dana, head of product)\n";
    assert!(turned.starts_with(headline));
}

#[test]
fn a_defect_and_its_end_are_told_once_each() {
    let stale = blocked(Reason::Stale { source: SourceId::new("ads"), last_pull: None });
    assert_eq!(
        lines(&experiment(&["a"]), Some(&sells()), &stale),
        "BLOCKED · Invoice Autopilot · no verdict until this is fixed (owner: Dana, head of product)
Why       The BUILD of Sun 15 Mar cannot be confirmed for now. Source \"ads\" has never been read, although two readings or more were planned. To see what is wrong, run `willitsell pull`.
Money     at least $3,170 spent to Sun 15 Mar
Next      Run `willitsell pull` · once the data can be trusted again, the BUILD of Sun 15 Mar is confirmed or withdrawn: until then decide nothing and leave everything as it is, the ads too"
    );
    let now = one_arm(Verdict::Collecting, &Reason::Undecided, seen(44.0, 1240.0, 0.0201, 0.0561));
    let recovered = lines(&autopilot(), Some(&stale), &now);
    assert!(recovered.starts_with(
        "COLLECTING · Invoice Autopilot · data sound again\nWhy       The data can be trusted again. 44 of"
    ));
}

#[test]
fn d1_a_verdict_that_a_defect_suspended_is_withdrawn_by_name_when_it_does_not_return() {
    let (experiment, build, dud) = (autopilot(), sells(), dud());
    let stale = blocked(Reason::Stale { source: SourceId::new("ads"), last_pull: None });
    let collecting = one_arm(Verdict::Collecting, &Reason::Undecided, seen(44.0, 1240.0, 0.0201, 0.0561));
    let returned =
        |now: &Scorecard| message(&experiment, Some(&stale), Some(&build), now, &[], Lately::default).unwrap();
    let headline = |now: &Scorecard| returned(now).headline;
    assert_eq!(headline(&collecting), "COLLECTING · Invoice Autopilot · BUILD of Sun 15 Mar is withdrawn");
    assert!(headline(&dud).contains("BUILD of Sun 15 Mar is revised"), "{}", headline(&dud));
    assert!(
        headline(&build).starts_with("BUILD · Invoice Autopilot · reached on Sun 15 Mar · decide"),
        "{}",
        headline(&build)
    );
    let why = &returned(&build).lines[0].1;
    assert!(why.starts_with("The data can be trusted again, and the BUILD stands. 6.0% signed up"), "{why}");
    // That of an earlier test was never this one's to withdraw.
    let other = Scorecard { generation: 0, ..build.clone() };
    let now = message(&experiment, Some(&stale), Some(&other), &collecting, &[], Lately::default).unwrap();
    assert!(now.headline.ends_with("data sound again"), "{}", now.headline);
}

#[test]
fn the_long_form_goes_from_the_rule_to_the_days_and_to_what_would_change_it() {
    let experiment = experiment(&["a"]);
    let data = inputs(&experiment, 22, &[BETWEEN]);
    let card = decide(&experiment, 22, &data);
    let sections = derivation::derive(&experiment, &generation(), &data, &card).sections;
    let titles: Vec<&str> = sections.iter().map(|section| section.title.as_str()).collect();
    let parts = "Verdict, The rule, What was seen, What would change it, What lies ahead, Money, Days of Plan a, Sources, \
                 Fingerprints";
    assert_eq!(titles.join(", "), parts);
    let next = "Next: Nothing to do · the test goes on · one ad is spending $300 a day.";
    assert_eq!(sections[0].lines[1..], [next]);
    assert_eq!(sections[2].lines.len(), 1, "what is missing is said in acts alone: {:?}", sections[2].lines);
    let acts = [
        "With about 11 more sign-ups on the same days, it would be BUILD.",
        "With about 3 fewer sign-ups on the same days, it would be KILL.",
    ];
    assert_eq!(sections[3].lines, acts);
    let outlook = "Estimate, if days stay like the last 20: KILL about Mon 6 Apr, once 13 more days have settled. By then \
                   1,300 more visitors, 45 more sign-ups and another $3,900 will count.";
    assert_eq!(sections[4].lines, [outlook]);
    assert_eq!(sections[6].lines[0], "Mon 2 Mar: 100 visitors, 3 sign-ups, $300");
    assert_eq!(sections[6].lines.len(), 23);
    assert_eq!(sections[6].lines[20], "Sun 22 Mar: 100 visitors, 3 sign-ups, $300 (not settled, does not count yet)");
    assert!(sections[8].lines.contains(&format!("data {}", card.data_hash)));
    // The outlook comes true: 20 days had settled, 13 more were asked for.
    let later = inputs(&experiment, 60, &[BETWEEN]);
    let since = decide(&experiment, 60, &later).arms[0].since.unwrap();
    let settled = (since - experiment.start).num_days() - 2;
    assert_eq!(settled, 33, "KILL after so many settled days");
}

#[test]
fn the_acts_between_a_verdict_and_its_withdrawal_are_counted() {
    let experiment = experiment(&["a"]);
    let data = inputs(&experiment, 20, &[SELLS]);
    let change = |data: &Inputs| {
        let sections = derivation::derive(&experiment, &generation(), data, &decide(&experiment, 20, data));
        sections.sections.into_iter().find(|section| section.title == "What would change it").unwrap().lines.remove(0)
    };
    assert_eq!(change(&data), "With about 72 fewer sign-ups on the same days, it would not be BUILD yet.");
    // Of every eight settled sign-ups, 18 times eight in all, some are taken back.
    let without = |taken: usize| {
        let mut fewer = data.clone();
        let mut place = 0;
        fewer.responses.retain(|_| {
            place += 1;
            (place - 1) % 8 >= taken
        });
        decide(&experiment, 20, &fewer).verdict
    };
    assert_eq!((without(3), without(4)), (Verdict::Build, Verdict::Collecting), "54 and 72 fewer");
}

#[test]
fn of_no_act_none_can_be_taken_away() {
    let experiment = experiment(&["a"]);
    let data = inputs(&experiment, 20, &[Daily { signups: |day| u64::from(day == 19), ..DUD }]);
    let card = decide(&experiment, 20, &data);
    assert_eq!((card.verdict, card.arms[0].evidence.successes), (Verdict::Kill, 0.0));
    let acts = derivation::derive(&experiment, &generation(), &data, &card).flips.acts;
    let [more] = &acts[..] else { panic!("{acts:?}") };
    assert_eq!((more.acts > 0.0, more.to), (true, Verdict::Collecting));
}

#[test]
fn no_text_uses_a_word_that_needs_a_statistician_or_promises_too_much() {
    let data = inputs(&experiment(&["a", "b"]), 20, &[SELLS, Daily { key: "b", ..BETWEEN }]);
    for (experiment, card) in every_card() {
        let message = after(&experiment, None, &card);
        let message = message.into_iter().flat_map(|one| {
            [one.headline].into_iter().chain(one.lines.into_iter().map(|(label, line)| format!("{label} {line}")))
        });
        let sections = derivation::derive(&experiment, &generation(), &data, &card).sections;
        let sections = sections.into_iter().flat_map(|section| [vec![section.title], section.lines].concat());
        for text in [explain::banner(&experiment, &card)].into_iter().chain(message).chain(sections) {
            for word in FORBIDDEN {
                assert!(!text.contains(word), "{word:?} in {text:?}");
            }
        }
    }
}

#[test]
fn money_in_two_currencies_is_laid_to_the_source_or_to_the_limits_that_have_it() {
    let mixed = || blocked(Reason::MixedCurrencies { currencies: vec!["EUR".into(), "USD".into()] });
    let mut limits = autopilot();
    limits.policy.budget_cap = Some(usd("3000"));
    let mut two_accounts = limits.clone();
    two_accounts.sources.push(Source { id: SourceId::new("meta"), ..two_accounts.sources[0].clone() });
    for (experiment, says, mends) in [
        (
            autopilot(),
            "Source \"ads\" brought money in EUR and USD.",
            "Set source \"ads\" to one currency, then read all its days again",
        ),
        (
            limits,
            "Source \"ads\" brought money in EUR, and the configuration file sets limits in USD.",
            "Set the limits in the currency of the account",
        ),
        (
            two_accounts,
            "The money of this test is in EUR and USD (`willitsell explain invoice-autopilot` shows which source is in which).",
            "Use one currency, or split the test: one for each",
        ),
    ] {
        let sentence = explain::sentence(&experiment, &mixed());
        assert!(sentence.starts_with(says), "{sentence}");
        assert!(lines(&experiment, None, &mixed()).contains(&format!("Next      {mends}")), "{says}");
    }
}

#[test]
fn the_days_between_two_bursts_are_not_set_aside_with_them() {
    let days = ["2026-03-08", "2026-03-09", "2026-03-12"].map(day).to_vec();
    let burst = Reason::BotBurst { arm: ArmId::new("a"), metric: MetricId::SIGNUPS, count: 90.0, expected: 9.0, days };
    let (experiment, card) = (autopilot(), blocked(burst));
    let data = inputs(&experiment, 16, &[SELLS]);
    let told = derivation::derive(&experiment, &generation(), &data, &card).sections.remove(0).lines.join("\n");
    let lines = "To leave those days out, write `set_aside_days = [{ first = \"2026-03-08\", last = \"2026-03-09\", reason = \
                 \"…\" }, { first = \"2026-03-12\", reason = \"…\" }]` under";
    assert!(told.contains(lines), "{told}");
}
