//! Money: the worked example of product.md section 8 to the cent, the ledger, what is spent after a verdict, and how
//! each figure opens.

use willitsell::decide::Lately;
use willitsell::decide::account::Figure;
use willitsell::decide::derivation::derive;
use willitsell::decide::message::Notice;
use willitsell::decide::money::*;
use willitsell::decide::spending::notice;
use willitsell::domain::decision::{Choice, Decision};
use willitsell::domain::verdict::{Lean, Reason, SpendAfter, Verdict};

use super::words::{blocked, cap, dud, one_arm, seen, sells};
use super::*;

/// Invoice Autopilot with every input of its example.
pub fn autopilot() -> Experiment {
    let mut experiment = super::words::autopilot();
    experiment.money = MoneyInputs {
        team_cost_per_week: Some(usd("7800")),
        build_weeks: Some(6.0),
        features_per_year: Some(4.0),
        gross_profit: Some(usd("150000")),
        chance_it_sells: Some(0.30),
        test_cost: Some(usd("3500")),
        price_per_month: Some(usd("79")),
        gross_margin: Some(0.80),
        monthly_churn: Some(0.03),
        signup_to_paid: Some(0.12),
        cost_per_visitor: Some(usd("2.55")),
        ..MoneyInputs::default()
    };
    experiment
}

fn anyway() -> Experiment {
    let mut experiment = autopilot();
    experiment.money.habit = Some(Habit::Build);
    experiment
}

/// One line of the message for the step from `previous`.
fn line_of(label: &str, experiment: &Experiment, previous: Option<&Scorecard>, now: &Scorecard) -> Option<String> {
    let sound = previous.filter(|card| card.verdict != Verdict::Blocked);
    let message = willitsell::decide::message::message(experiment, previous, sound, now, &[], Lately::default).unwrap();
    message.lines.into_iter().find(|(name, _)| name == label).map(|(_, line)| line)
}

#[test]
fn the_money_line_of_every_verdict_leaves_out_what_nobody_knows() {
    let review = one_arm(Verdict::Review, &cap(Lean::Build), seen(44.0, 1240.0, 0.0201, 0.0561));
    let collecting = one_arm(Verdict::Collecting, &Reason::Undecided, seen(44.0, 1240.0, 0.0201, 0.0561));
    let defect = blocked(Reason::NoData { sources: vec![SourceId::new("form")] });
    let bare = experiment(&["a"]);
    let act_only = {
        let mut experiment = autopilot();
        experiment.policy.guardrails.clear();
        experiment.money.team_cost_per_week = None;
        experiment
    };
    let unpaid = |card: &Scorecard| {
        let mut card = card.clone();
        card.spend = None;
        (card.arms[0].spend, card.arms[0].cost_per_act) = (None, None);
        card
    };
    let (build, kill) = (sells(), dud());
    let stake = "building it would cost $46,800";
    for (verdict, previous, full, plain) in [
        (
            &build,
            None,
            format!("$3,170 spent to Sun 15 Mar · $42.84 per sign-up (limit $84) · {stake}"),
            "$3,170 spent to Sun 15 Mar · $42.84 per sign-up",
        ),
        (
            &kill,
            None,
            "$2,520 spent to Sun 15 Mar · $280 per sign-up (over the limit of $84) · not building it saves up to $46,800"
                .to_owned(),
            "$2,520 spent to Sun 15 Mar · $280 per sign-up",
        ),
        (
            &review,
            None,
            format!("$3,170 spent to Sun 15 Mar · $72.05 per sign-up (limit $84) · {stake}"),
            "$3,170 spent to Sun 15 Mar · $72.05 per sign-up",
        ),
        (
            &collecting,
            Some(&defect),
            format!("$3,170 spent to Sun 15 Mar · $72.05 per sign-up (limit $84) · {stake}"),
            "$3,170 spent to Sun 15 Mar · $72.05 per sign-up",
        ),
        (&defect, None, format!("$3,170 spent to Sun 15 Mar · {stake}"), "$3,170 spent to Sun 15 Mar"),
    ] {
        let money = |experiment: &Experiment, now: &Scorecard| line_of("Money", experiment, previous, now);
        assert_eq!(money(&autopilot(), verdict), Some(full), "{}", verdict.verdict);
        assert_eq!(money(&bare, verdict).as_deref(), Some(plain), "{}", verdict.verdict);
        assert_eq!(money(&bare, &unpaid(verdict)), None, "{}", verdict.verdict);
        let limited = money(&act_only, verdict).unwrap();
        assert_eq!(limited.contains("limit $84.27)") || limited.contains("over the limit of $84.27)"), verdict.verdict != Verdict::Blocked, "{limited}");
    }
    let mut running = kill;
    running.spend_after = Some(SpendAfter {
        since: day("2026-03-15"),
        total: usd("0"),
        settled: usd("0"),
        last_day: day("2026-03-17"),
        on_last_day: usd("90"),
        ads: 2,
    });
    let next = line_of("Next", &autopilot(), None, &running).unwrap();
    assert_eq!(
        next,
        "Decide whether to kill, as recommended, or to build all the same · stop the ads in either case: two ads are still spending $90 a day together"
    );
    let review = Scorecard { spend_after: running.spend_after, ..review };
    let next = line_of("Next", &autopilot(), None, &review).unwrap();
    assert!(
        next.ends_with(
            "test longer with a larger cap · stop the ads until you have decided: two ads are still spending $90 a day together"
        ),
        "{next}"
    );
}

#[test]
fn the_worked_example_comes_out_to_the_cent() {
    let inputs = autopilot().money;
    assert_eq!(inputs.build_cost(), Some(usd("46800")));
    assert_eq!(annual_waste(&inputs), Some([usd("149760"), usd("187200")]), "80 % of four, and all of them");
    assert_eq!(annual_waste(&MoneyInputs { share_failing: Some(0.5), ..inputs.clone() }).unwrap()[0], usd("93600"));
    // s = 0.80, f = 0.05: 24,768 − 1,638 − 3,500.
    assert_eq!(with_test(&inputs, 0.05, 0.20, usd("3500")), Some(usd("19630")));
    assert_eq!(inputs.without_test(), Some(usd("0")));
    assert_eq!(inputs.value_of_information(0.05, 0.20), Some(usd("23130")));
    // 31,122 − 6,192.
    assert_eq!(loss_avoided(&inputs, 0.05, 0.20), Some(usd("24930")));
    // What a test is worth where they would build anyway is just that loss.
    assert_eq!(anyway().money.value_of_information(0.05, 0.20), loss_avoided(&inputs, 0.05, 0.20));
    let cost = cost_per_act(&sells().arms).unwrap();
    assert_eq!(cost.to_string(), "$42.84");
    let acquisition = acquisition_cost(&inputs, cost).unwrap();
    assert_eq!(acquisition.to_string(), "$357");
    assert_eq!(format!("{:.1}", lifetime_ratio(&inputs, acquisition).unwrap()), "5.9");
    assert_eq!(format!("{:.1}", payback_months(&inputs, acquisition).unwrap()), "5.6");
}

#[test]
fn two_currencies_are_never_brought_together() {
    let euro = |amount| Money { currency: Currency::from_code("EUR").unwrap(), ..usd(amount) };
    let inputs = autopilot().money;
    assert_eq!(with_test(&inputs, 0.05, 0.20, euro("3500")), None);
    assert_eq!((lifetime_ratio(&inputs, euro("357")), payback_months(&inputs, euro("357"))), (None, None));
    // Ads in dollars, inputs in euros: what needs both is left out, and said to be.
    let mut experiment = autopilot();
    experiment.money.price_per_month = Some(euro("79"));
    experiment.money.team_cost_per_week = None;
    (experiment.money.gross_profit, experiment.money.test_cost) = (None, None);
    experiment.money.cost_per_visitor = None;
    let data = inputs_of_example(&experiment);
    let derived = derive(&experiment, &generation(), &data, &decide(&experiment, 20, &data));
    let names: Vec<_> = derived.money.iter().map(|figure| figure.name.as_str()).collect();
    assert!(names.contains(&"Cost of winning a customer, implied"), "it needs the ads' money alone: {names:?}");
    assert!(!names.contains(&"Value over cost of a customer") && !names.contains(&"Paid back after"), "{names:?}");
    let said = &derived.sections.iter().find(|section| section.title == "Money").unwrap().lines;
    assert!(said.last().unwrap().starts_with("The ads are paid in USD, the money inputs are in EUR:"), "{said:#?}");
    // A limit worked out from inputs in another currency judges nothing.
    experiment.policy.guardrails = vec![cost_guardrail(84.266_667)];
    let card = decide(&experiment, 20, &data);
    assert_eq!(card.verdict, Verdict::Blocked, "{:?}", card.reasons);
}

fn inputs_of_example(experiment: &Experiment) -> Inputs {
    inputs(experiment, 20, &[SELLS])
}

#[test]
fn the_ledger_books_a_kill_once_with_what_was_declared_and_an_override_cancels_it() {
    let (declared, kill) = (anyway(), dud());
    let entry = booked(&declared, &kill, false).unwrap();
    // Evidence of 4.6 against a concept that sells with chance 0.3: 0.7 ÷ (0.7 + 0.3·e^−4.6).
    assert!((entry.below_the_bar - 0.7 / (0.7 + 0.3 * (-4.6_f64).exp())).abs() < 1e-12, "{entry:?}");
    assert_eq!((entry.build_cost, entry.would_be_built), (usd("46800"), 1.0));
    assert_eq!(entry.expected, usd("46800").times(entry.below_the_bar).unwrap());
    assert!(entry.expected.micros < usd("46800").micros && entry.expected.micros > usd("46000").micros);
    let mut half = declared.clone();
    half.money.chance_it_would_be_built = Some(0.5);
    assert_eq!(booked(&half, &kill, false).unwrap().expected, usd("23400").times(entry.below_the_bar).unwrap());
    // Nobody said how likely it would have been built; somebody overrode it; it is no KILL; the data is not trusted.
    assert_eq!(booked(&autopilot(), &kill, false), None);
    assert_eq!(booked(&declared, &kill, true), None);
    assert_eq!(booked(&declared, &sells(), false), None);
    let mut hidden = kill.clone();
    hidden.arms[0].evidence.log_e_kill = None;
    assert_eq!(booked(&declared, &hidden, false), None);

    let other = Scorecard { concept: ConceptId::new("other"), ..sells() };
    let totals = ledger([(&declared, &kill, false), (&declared, &other, false), (&declared, &kill, false)]);
    assert_eq!(totals.len(), 1);
    assert_eq!(
        (totals[0].concepts, totals[0].kills, totals[0].avoided),
        (2, 1, entry.expected),
        "a concept counts once"
    );
    assert_eq!((totals[0].spent, totals[0].at_stake), (usd("5690"), usd("46800")));
    let overridden = ledger([(&declared, &kill, true)]);
    assert_eq!((overridden[0].kills, overridden[0].avoided, overridden[0].at_stake), (0, usd("0"), usd("46800")));
    let mut euro = other;
    euro.spend = Some(Money { currency: Currency::from_code("EUR").unwrap(), ..usd("10") });
    let apart = ledger([(&declared, &kill, false), (&experiment(&["a"]), &euro, false)]);
    let spent: Vec<String> = apart.iter().map(|totals| totals.spent.to_string()).collect();
    assert_eq!(spent, ["€10.00", "$2,520"]);
}

#[test]
fn more_evidence_against_a_concept_never_makes_it_likelier_to_sell() {
    let inputs = autopilot().money;
    let chance = |evidence: f64| {
        let mut card = dud();
        card.arms[0].evidence.log_e_kill = Some(evidence);
        chance_below_the_bar(&inputs, &card).unwrap()
    };
    assert!((chance(0.0) - 0.7).abs() < 1e-12, "no evidence leaves what was thought before");
    let rising: Vec<f64> = [-800.0, -3.0, 0.0, 3.0, 5.0, 800.0].map(chance).into();
    assert!(rising.is_sorted() && rising.iter().all(|chance| (0.0..=1.0).contains(chance)), "{rising:?}");
    let mut two = dud();
    two.arms.push(two.arms[0].clone());
    two.arms[1].evidence.log_e_kill = Some(2.0);
    assert!((chance_below_the_bar(&inputs, &two).unwrap() - chance(2.0)).abs() < 1e-12, "one that sells is enough");
}

/// A dud whose second campaign joins `a`, killed on some day and never stopped.
fn killed(days: u64) -> (Experiment, Inputs) {
    let mut experiment = autopilot();
    experiment.policy.guardrails.clear();
    experiment.arms[0].keys.get_mut(&SourceId::new("ads")).unwrap().push("a2".into());
    let second = Daily { key: "a2", visits: 0, signups: |_| 0, spend: 60 };
    let data = inputs(&experiment, days, &[Daily { spend: 30, ..DUD }, second]);
    (experiment, data)
}

#[test]
fn spend_after_a_verdict_runs_from_its_day_until_the_ads_stop() {
    let (experiment, mut data) = killed(30);
    let first = (14..30).map(|day| decide(&experiment, day, &data)).find(|card| card.verdict == Verdict::Kill).unwrap();
    let since = first.arms[0].since.unwrap();
    assert_eq!(since, first.as_of.date_naive());
    let eve = since - Days::new(1);
    let on = |total: &str, settled: &str, last_day, last: &str, ads| SpendAfter {
        since,
        total: usd(total),
        settled: usd(settled),
        last_day,
        on_last_day: usd(last),
        ads,
    };
    assert_eq!(first.spend_after, Some(on("0", "0", eve, "90", 2)), "the ads of the day before are all that is known");
    assert!(
        willitsell::decide::explain::banner(&experiment, &first)
            .ends_with("Two ads are still spending $90 a day together.")
    );
    let number = u64::try_from((since - experiment.start).num_days()).unwrap();
    let later = decide(&experiment, number + 5, &data);
    assert_eq!(later.spend_after, Some(on("450", "270", since + Days::new(4), "90", 2)));
    // One stops after the verdict, then the other.
    let stops = |data: &mut Inputs, key: &str, day: NaiveDate| {
        data.observations.retain(|row| *row.arm_key != *key || row.day < day);
    };
    stops(&mut data, "a2", since + Days::new(2));
    let later = decide(&experiment, number + 5, &data);
    assert_eq!(later.spend_after, Some(on("270", "210", since + Days::new(4), "30", 1)));
    assert!(still_spending(&later, later.as_of.date_naive()).unwrap() == "one ad is still spending $30 a day");
    stops(&mut data, "a", since + Days::new(2));
    let later = decide(&experiment, number + 9, &data);
    assert_eq!(later.spend_after, Some(on("180", "180", since + Days::new(8), "0", 0)));
    assert_eq!(still_spending(&later, later.as_of.date_naive()), None);
    // Also after the test's last day, when nothing counts any more.
    let (mut ended, data) = killed(30);
    ended.stop = Some(day("2026-03-08"));
    let card = decide(&ended, 20, &data);
    assert_eq!(card.verdict, Verdict::Review);
    let after = card.spend_after.unwrap();
    assert_eq!((after.since, after.total, after.on_last_day), (day("2026-03-11"), usd("990"), usd("90")));
    // A test that collects has no verdict to spend after.
    assert_eq!(decide(&ended, 6, &data).spend_after, None);
}

#[test]
fn ads_that_go_on_after_a_verdict_are_told_once_a_day_until_they_stop() {
    let (mut experiment, mut data) = killed(30);
    let first = (14..30).find(|&day| decide(&experiment, day, &data).verdict == Verdict::Kill).unwrap();
    let card = |experiment: &Experiment, data: &Inputs, days| decide(experiment, first + days, data);
    let since = card(&experiment, &data, 0).as_of.date_naive();
    // One stops two days later, the other three.
    for (key, days) in [("a", 2), ("a2", 3)] {
        data.observations.retain(|row| *row.arm_key != *key || row.day < since + Days::new(days));
    }
    let mut told = vec![];
    for days in 1..10 {
        let (before, now) = (card(&experiment, &data, days - 1), card(&experiment, &data, days));
        let Some(Notice { id, message }) = notice(&experiment, Some(&before), &now, false) else { continue };
        assert_eq!((message.verdict, message.decided_at), (None, now.as_of));
        let lines: Vec<_> = message.lines.iter().map(|(label, line)| format!("{label:<10}{line}")).collect();
        told.push(format!("{id}\n{}\n{}", message.headline, lines.join("\n")));
        assert!(notice(&experiment, Some(&now), &now, false).is_none(), "a second look on the same day");
        let beside = notice(&experiment, Some(&before), &now, true);
        assert_eq!(beside.is_some(), id.starts_with("stopped"), "beside a message that says what is spent");
    }
    assert_eq!(told, SPENDING, "{told:#?}");
    // What a person decided is said, and that nobody need decide any more.
    let (before, mut now) = (card(&experiment, &data, 0), card(&experiment, &data, 1));
    now.decisions = vec![Decision {
        id: 1,
        scorecard: 1,
        generation: now.generation,
        concept: experiment.concept.id.clone(),
        choice: Choice::Kill,
        by: "Dana".into(),
        reason: "as recommended".into(),
        verdict: Verdict::Kill,
        at: now.as_of,
        days: None,
        budget: None,
    }];
    let lines = notice(&experiment, Some(&before), &now, false).unwrap().message.lines;
    let decided = format!("Dana decided on {} to kill: as recommended.", now.as_of.format("%a %-d %b"));
    assert_eq!((&lines[0].1, lines.last().unwrap().1.as_str()), (&decided, "Stop the ads"));
    // What goes on because a person wants it to is no news.
    for choice in [Choice::Build, Choice::Extend] {
        now.decisions[0].choice = choice;
        assert!(notice(&experiment, Some(&before), &now, false).is_none(), "{choice}");
    }
    now.decisions.clear();
    // At a REVIEW they may go on later.
    experiment.stop = Some(day("2026-03-08"));
    let review = decide(&experiment, 20, &killed(30).1);
    let said = notice(&experiment, None, &review, false).unwrap().message.lines;
    assert_eq!((review.verdict, said[1].1.as_str()), (Verdict::Review, "Decide, and stop the ads until then"));
    // Of a test that collects, or whose days are known only until long ago, nothing is said.
    assert!(notice(&experiment, None, &decide(&experiment, 6, &killed(30).1), false).is_none());
    let mut late = now;
    late.as_of += TimeDelta::days(4);
    assert!(notice(&experiment, Some(&before), &late, false).is_none());
}

const SPENDING: [&str; 4] = [
    "spending_invoice-autopilot_1_2026-03-18
KILL · Invoice Autopilot · two ads are still spending $90 a day together (owner: Dana, head of product)
Money     $90 spent on Wed 18 Mar, the day of the KILL
Next      Decide, and stop the ads in either case",
    "spending_invoice-autopilot_1_2026-03-19
KILL · Invoice Autopilot · two ads are still spending $90 a day together (owner: Dana, head of product)
Money     $90 spent on Thu 19 Mar · $180 since the KILL of Wed 18 Mar
Next      Decide, and stop the ads in either case",
    "spending_invoice-autopilot_1_2026-03-20
KILL · Invoice Autopilot · one ad is still spending $60 a day (owner: Dana, head of product)
Money     $60 spent on Fri 20 Mar · $240 since the KILL of Wed 18 Mar
Next      Decide, and stop the ads in either case",
    "stopped_invoice-autopilot_1_2026-03-21
KILL · Invoice Autopilot · the ads have stopped
Money     nothing spent on Sat 21 Mar · $240 since the KILL of Wed 18 Mar",
];

fn figure<'a>(figures: &'a [Figure], name: &str) -> &'a Figure {
    let names: Vec<_> = figures.iter().map(|figure| figure.name.as_str()).collect();
    figures.iter().find(|figure| figure.name == name).unwrap_or_else(|| panic!("{name}: {names:?}"))
}

#[test]
fn every_figure_opens_to_its_formula_its_numbers_and_where_they_come_from() {
    let experiment = anyway();
    let data = inputs_of_example(&experiment);
    let card = decide(&experiment, 20, &data);
    let derived = derive(&experiment, &generation(), &data, &card);
    let lines: Vec<String> = derived.money.iter().map(Figure::line).collect();
    let text = lines.join("\n");
    for line in [
        "Spent: $5,400 = what the ads of all versions cost (settled days Mon 2 Mar to Thu 19 Mar, 18 rows of source \"ads\").",
        "Cost per sign-up: $37.50 = cost of the tested versions ÷ sign-ups. Cost of the tested versions $5,400 (settled days, from source \"ads\"); counted 144 sign-ups (settled days, from source \"form\").",
        "Lifetime value of a customer: $2,107 = price × gross margin ÷ monthly churn. Price $79 (money.price_per_month); gross margin 80% (money.gross_margin); monthly churn 3% (money.monthly_churn).",
        "Allowed cost per sign-up: $84.27 = lifetime value ÷ 3 × share that becomes customers. Lifetime value $2,107 (above); share that becomes customers 12% (money.signup_to_paid).",
        "Break-even by these inputs: 3.03% = planned cost per visitor ÷ allowed cost. Cost per visitor $2.55 (money.cost_per_visitor); allowed cost $84.27 (above).",
        "Build cost: $46,800 = weekly team cost × weeks. Weekly team cost $7,800 (money.team_cost_per_week); weeks 6 (money.build_weeks).",
        "Wasted in a year: $149,760 = build cost × features built a year without a test × share that fails. Build cost $46,800 (above); features a year 4 (money.features_per_year); share that fails 80% (default).",
        "Wasted in a year, at most: $187,200 = build cost × features built a year without a test × share that fails. Build cost $46,800 (above); features a year 4 (money.features_per_year); share that fails 100% (the most there can be).",
    ] {
        assert!(lines.iter().any(|found| found == line), "{line}\nis not in\n{text}");
    }
    assert_eq!(figure(&derived.money, "Worth without a test").amount, Some(usd("-1800")));
    // With the promise of the policy, 0.95 and 0.05: 0.3·0.95·103,200 − 0.7·0.05·46,800 − 3,500.
    assert_eq!(figure(&derived.money, "Worth with the test").amount, Some(usd("24274")));
    assert_eq!(figure(&derived.money, "Expected loss a test avoids").amount, Some(usd("29574")));
    assert_eq!(figure(&derived.money, "Value of the answer").amount, Some(usd("29574")));
    for figure in &derived.money {
        assert!(!figure.inputs.is_empty() && figure.inputs.iter().all(|term| !term.from.is_empty()), "{figure:?}");
    }
    // Nothing is invented where nothing is given.
    let bare = super::experiment(&["a"]);
    let names: Vec<_> = derive(&bare, &generation(), &data, &decide(&bare, 20, &data)).money;
    let names: Vec<_> = names.iter().map(|figure| figure.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "Spent",
            "Spent since",
            "Cost per sign-up",
            "Range of the cost per sign-up",
            "Spent after the verdict",
            "Spent a day lately"
        ]
    );
}

#[test]
fn a_kill_opens_what_it_saved_and_what_is_still_spent() {
    let (mut experiment, data) = killed(30);
    experiment.money.habit = Some(Habit::Build);
    let card = decide(&experiment, 25, &data);
    assert_eq!(card.verdict, Verdict::Kill);
    let derived = derive(&experiment, &generation(), &data, &card);
    let avoided = figure(&derived.money, "Expected build cost avoided");
    assert_eq!(avoided.amount, booked(&experiment, &card, false).map(|booked| booked.expected));
    assert!(avoided.formula.contains("expected, not certain"));
    assert_eq!(avoided.inputs[2].value, "over 99%");
    let assumed = "assumed: before the test 30% that it sells and stands at 4.5%, else it stands at 3.0%;";
    assert!(avoided.inputs[2].from.starts_with(assumed), "{avoided:?}");
    let after = figure(&derived.money, "Spent after the verdict");
    assert_eq!(after.amount, card.spend_after.map(|after| after.total));
    assert_eq!(after.inputs.iter().map(|term| term.name).collect::<Vec<_>>(), ["settled days", "younger days"]);
}
