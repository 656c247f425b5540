//! Each verdict and each reason, reached from observations and responses.

use chrono::Days;
use willitsell::decide::{Counted, policy_hash};
use willitsell::domain::concept::{Arm, Limit};
use willitsell::domain::connector::FileRead;
use willitsell::domain::id::{ArmId, SourceId};
use willitsell::domain::metric::MetricId;
use willitsell::domain::money::Currency;
use willitsell::domain::observation::{Inputs, Values};
use willitsell::domain::verdict::{Flag, Lean, Reason, Scorecard, Verdict};

use super::*;

#[test]
fn a_concept_that_sells_is_a_build_after_two_settled_weeks_and_not_before() {
    let experiment = experiment(&["a"]);
    let data = inputs(&experiment, 30, &[SELLS]);
    // 16 days read on day 16: the last settled is the 14th.
    assert_eq!(decide(&experiment, 15, &data).verdict, Verdict::Collecting);
    let card = decide(&experiment, 16, &data);
    assert_eq!((card.verdict, card.reasons.len()), (Verdict::Build, 0));
    assert_eq!(card.last_settled_day, day("2026-03-15"));
    let arm = &card.arms[0];
    assert_eq!((arm.evidence.days, arm.evidence.trials, arm.evidence.successes), (14, 1400.0, 112.0));
    assert_eq!((arm.spend, arm.cost_per_act), (Some(usd("4200")), Some(usd("37.5"))));
    assert_eq!(arm.since, Some(day("2026-03-18")));
    // Asked a week later, it still says when.
    assert_eq!(decide(&experiment, 23, &data).arms[0].since, Some(day("2026-03-18")));
}

#[test]
fn a_dud_is_a_kill() {
    let experiment = experiment(&["a"]);
    let card = decide(&experiment, 20, &inputs(&experiment, 20, &[DUD]));
    assert_eq!((card.verdict, card.reasons.len()), (Verdict::Kill, 0));
}

#[test]
fn not_one_act_is_a_kill_that_asks_for_the_tracking() {
    let experiment = experiment(&["a"]);
    let mut data = inputs(&experiment, 20, &[Daily { signups: |_| 0, ..SELLS }]);
    // A test answer on no arm proves that the form is read.
    data.responses.push(signup("test", "", as_of(&experiment, 1)));
    let card = decide(&experiment, 20, &data);
    assert_eq!(card.verdict, Verdict::Kill);
    assert_eq!(card.arms[0].evidence.flags, [Flag::ZeroConversions]);
    assert_eq!(card.arms[0].cost_per_act, None);
}

#[test]
fn d4_a_count_that_no_row_holds_is_unknown_and_never_zero() {
    let mut experiment = experiment(&["a"]);
    let both = vec![MetricId::VISITS, MetricId::CONVERSIONS];
    experiment.policy.primary.numerator = MetricId::CONVERSIONS;
    for source in &mut experiment.sources {
        source.metrics.clone_from(&both);
    }
    // A file without the column of conversions, and nobody else who counts them.
    let (ads, form) = (SourceId::new("ads"), SourceId::new("form"));
    let mut data = inputs(&experiment, 30, &[Daily { signups: |_| 0, ..SELLS }]);
    let blind = decide(&experiment, 30, &data);
    assert_eq!((blind.verdict, blind.reasons), (Verdict::Blocked, vec![Reason::NoData { sources: vec![ads, form] }]));

    // A second file has them; a day without a row in it is a day without a conversion.
    for number in (0..30).filter(|number| number % 2 == 0) {
        let on = experiment.start + Days::new(number);
        data.observations.push(row("form", on, "a", &[(MetricId::CONVERSIONS, 16)]));
    }
    let card = decide(&experiment, 30, &data);
    let evidence = &card.arms[0].evidence;
    assert_eq!((card.verdict, evidence.days, evidence.successes), (Verdict::Build, 28, 224.0));

    // A later export of it lacks the column: its days say nothing, for or against.
    for observation in data.observations.iter_mut().filter(|one| one.source.as_str() == "form") {
        if observation.day >= day("2026-03-16") {
            observation.values = Values::default();
            observation.values.set(MetricId::CLICKS, Some(0));
        }
    }
    let evidence = &decide(&experiment, 30, &data).arms[0].evidence;
    assert_eq!((evidence.days, evidence.successes), (21, 112.0));
}

#[test]
fn d3_days_that_were_last_read_before_they_settled_do_not_count() {
    let mut experiment = experiment(&["a"]);
    let mut data = inputs(&experiment, 30, &[SELLS]);
    // Brought by hand on the morning of day 16 and never again: the last three days still lacked late acts.
    let last = experiment.start + Days::new(16);
    data.pulls.retain(|pull| pull.committed_at.date_naive() <= last);
    for source in &mut experiment.sources {
        source.scheduled = false;
    }
    assert_eq!(decide(&experiment, 16, &data).arms[0].evidence.days, 14);
    assert_eq!(decide(&experiment, 30, &data).arms[0].evidence.days, 14);
    // Settled by the clock of the experiment, wherever the source's own days begin.
    for pull in &mut data.pulls {
        pull.day_zone = chrono_tz::America::Los_Angeles;
    }
    assert_eq!(decide(&experiment, 30, &data).arms[0].evidence.days, 14);
}

#[test]
fn between_the_bars_it_collects_until_a_cap_and_then_leans() {
    let mut experiment = experiment(&["a"]);
    experiment.policy.horizon_days = 20;
    let data = inputs(&experiment, 40, &[BETWEEN]);
    let early = decide(&experiment, 10, &data);
    assert_eq!((early.verdict, early.reasons), (Verdict::Collecting, vec![Reason::Insufficient]));
    let waiting = decide(&experiment, 21, &data);
    assert_eq!((waiting.verdict, waiting.reasons), (Verdict::Collecting, vec![Reason::Undecided]));
    let capped = decide(&experiment, 22, &data);
    let cap = vec![Reason::CapReached { lean: Some(Lean::Kill) }];
    assert_eq!((capped.verdict, capped.reasons), (Verdict::Review, cap));
}

#[test]
fn money_and_the_stop_are_caps_too() {
    let mut experiment = experiment(&["a"]);
    let data = inputs(&experiment, 40, &[BETWEEN]);
    experiment.policy.budget_cap = Some(usd("6000"));
    assert_eq!(decide(&experiment, 21, &data).verdict, Verdict::Collecting);
    assert_eq!(decide(&experiment, 22, &data).verdict, Verdict::Review);
    experiment.policy.budget_cap = None;
    experiment.stop = Some(day("2026-03-20"));
    let card = decide(&experiment, 30, &data);
    assert_eq!((card.verdict, card.last_settled_day), (Verdict::Review, day("2026-03-20")));
    assert_eq!(card.arms[0].evidence.days, 19, "days after the stop do not count");
}

#[test]
fn a_breached_guardrail_turns_build_into_review() {
    let mut experiment = experiment(&["a"]);
    experiment.policy.guardrails = vec![cost_guardrail(20.0)];
    let card = decide(&experiment, 20, &inputs(&experiment, 20, &[SELLS]));
    assert_eq!(card.verdict, Verdict::Review);
    assert_eq!(card.reasons, [Reason::Guardrail { name: "cost per sign-up".into() }]);
    assert_eq!((card.guardrails[0].value, card.guardrails[0].breached), (Some(37.5), true));
    experiment.policy.guardrails[0].limit = Limit::Max(84.0);
    let card = decide(&experiment, 20, &inputs(&experiment, 20, &[SELLS]));
    assert_eq!((card.verdict, card.guardrails[0].breached), (Verdict::Build, false));
}

#[test]
fn a_guardrails_range_excludes_its_limit_when_it_is_breached_and_each_version_has_its_own() {
    let mut experiment = experiment(&["a", "b"]);
    experiment.policy.guardrails = vec![cost_guardrail(34.0)];
    // 37.50 an act for one, 60 for the other.
    let data = inputs(&experiment, 20, &[SELLS, Daily { key: "b", signups: |_| 5, ..SELLS }]);
    let card = decide(&experiment, 20, &data);
    for arm in &card.arms {
        let score = &arm.guardrails[0];
        let (low, high) = (score.low.unwrap(), score.high.unwrap());
        assert!(low <= score.value.unwrap() && score.value.unwrap() <= high, "{score:?}");
        assert_eq!(low >= score.limit, score.breached, "{score:?}");
    }
    let [one, other] = [0, 1].map(|arm| &card.arms[arm].guardrails[0]);
    assert_eq!((one.breached, other.breached, card.guardrails[0].breached), (false, true, true));
    assert_eq!((card.guardrails[0].low, card.guardrails[0].high), (None, None), "each version has its own test");
    let sections = willitsell::decide::derivation::derive(&experiment, &generation(), &data, &card).sections;
    let rails = &sections.iter().find(|section| section.title == "Limits (guardrails)").unwrap().lines;
    let wanted = "Plan a: cost per sign-up: $37.50 (range $33.39 to $41.94). Limit: at most $34. Over it, but that may be chance: not breached.";
    assert_eq!(rails[0], wanted, "{rails:#?}");
    assert!(
        rails[1].ends_with(
            "Limit: at most $34. Breached: to keep to $34 each, $5,400 would have had to bring 159 sign-ups."
        ),
        "{rails:#?}"
    );
    let alone = decide(&Experiment { arms: experiment.arms[..1].to_vec(), ..experiment.clone() }, 20, &data);
    assert_eq!(alone.guardrails[0].low, alone.arms[0].guardrails[0].low);
}

#[test]
fn arms_that_end_differently_disagree() {
    let mut experiment = experiment(&["a", "b"]);
    experiment.policy.horizon_days = 25;
    let data = inputs(&experiment, 40, &[DUD, Daily { key: "b", ..BETWEEN }]);
    let card = decide(&experiment, 40, &data);
    assert_eq!((card.verdict, card.reasons), (Verdict::Review, vec![Reason::ArmsDisagree]));
    assert_eq!([card.arms[0].verdict, card.arms[1].verdict], [Verdict::Kill, Verdict::Review]);
}

#[test]
fn the_reference_arm_is_read_and_never_judged() {
    let mut experiment = experiment(&["a", "b"]);
    experiment.arms[1].control = true;
    let card = decide(&experiment, 20, &inputs(&experiment, 20, &[DUD, Daily { key: "b", ..SELLS }]));
    assert_eq!((card.verdict, card.arms.len()), (Verdict::Kill, 1));
    assert_eq!(card.spend, Some(usd("10800")), "its money is money spent");
    assert_eq!(card.unmapped, None);
}

#[test]
fn the_cap_is_split_equally_among_tested_arms() {
    let mut experiment = experiment(&["a", "b", "c"]);
    experiment.arms[2].control = true;
    experiment.policy.budget_cap = Some(usd("9600"));
    let data = inputs(&experiment, 30, &[BETWEEN, Daily { key: "b", ..BETWEEN }]);
    assert_eq!(decide(&experiment, 17, &data).verdict, Verdict::Collecting, "15 days of 300 each");
    assert_eq!(decide(&experiment, 18, &data).verdict, Verdict::Review, "16 days: 4,800 each");
}

#[test]
fn a_day_without_a_row_is_zero_only_where_a_good_pull_speaks_for_it() {
    let experiment = experiment(&["a"]);
    let whole = inputs(&experiment, 20, &[SELLS]);
    let mut gap = whole.clone();
    // The ads of Tue 10 March were never read: neither a visitor nor a sign-up of that day counts.
    gap.pulls.retain(|pull| pull.source != SourceId::new("ads"));
    for (first, last) in [("2026-03-02", "2026-03-09"), ("2026-03-11", "2026-03-22")] {
        let pull = Pull { first_day: day(first), last_day: day(last), ..whole.pulls.iter().last().unwrap().clone() };
        gap.pulls.push(Pull { source: SourceId::new("ads"), currency: Some(usd("0").currency), ..pull });
    }
    let card = decide(&experiment, 20, &gap);
    assert_eq!((card.arms[0].evidence.days, card.arms[0].evidence.trials), (17, 1700.0));
    assert_eq!(card.arms[0].evidence.successes, 17.0 * 8.0);
    assert_eq!(card.arms[0].spend, Some(usd("5400")), "money gone is gone");
    assert_eq!(card.arms[0].cost_per_act, Some(usd("37.5")));
    // Read, and without a row: a day without delivery, on which eight people acted.
    let mut silent = whole;
    silent.observations.retain(|one| one.day != day("2026-03-10"));
    let card = decide(&experiment, 20, &silent);
    assert_eq!(card.arms[0].evidence.flags, [Flag::ConversionsWithoutExposure]);
    assert_eq!(card.verdict, Verdict::Collecting, "BUILD is withheld");
}

#[test]
fn a_day_still_running_when_it_was_last_read_is_not_known() {
    let mut experiment = experiment(&["a"]);
    experiment.policy.maturity_lag_days = 0;
    let data = inputs(&experiment, 10, &[SELLS]);
    // Nothing was read since 06:00 on the last day: that day itself is not complete.
    let card = decide(&experiment, 20, &Inputs { pulls: pulls(&experiment, 9), ..data });
    assert_eq!(card.verdict, Verdict::Blocked, "and by now it is stale");
    assert_eq!(card.arms[0].evidence.days, 9);
}

#[test]
fn a_new_generation_counts_from_its_own_first_day() {
    let experiment = experiment(&["a"]);
    let data = inputs(&experiment, 30, &[SELLS]);
    let second = Generation { number: 2, first_day: day("2026-03-12"), policy_hash: "changed".into() };
    let card = willitsell::decide::decide(&experiment, &second, &data, as_of(&experiment, 20));
    assert_eq!((card.generation, card.arms[0].evidence.days), (2, 8));
    assert_eq!((card.verdict, card.policy_hash.as_str()), (Verdict::Collecting, "changed"));
}

#[test]
fn counts_of_a_source_that_adds_up_itself_join_those_of_people() {
    let mut experiment = experiment(&["a"]);
    let mut data = inputs(&experiment, 20, &[SELLS]);
    let sheet = Source { id: SourceId::new("sheet"), scheduled: false, ..experiment.sources[1].clone() };
    experiment.sources.push(sheet);
    experiment.arms[0].keys.insert(SourceId::new("sheet"), vec!["x".into(), "y".into()]);
    data.pulls = pulls(&experiment, 20);
    data.observations.push(row("sheet", day("2026-03-04"), "x", &[(MetricId::SIGNUPS, 2)]));
    data.observations.push(row("sheet", day("2026-03-04"), "y", &[(MetricId::SIGNUPS, 1)]));
    // The form's own total of the people it handed over would count them twice.
    data.observations.push(row("form", day("2026-03-04"), "a", &[(MetricId::SIGNUPS, 8)]));
    assert_eq!(decide(&experiment, 20, &data).arms[0].evidence.successes, 18.0 * 8.0 + 3.0);
}

fn no_number_is_absurd(card: &Scorecard) {
    for arm in &card.arms {
        let evidence = &arm.evidence;
        let optional = [evidence.estimate, evidence.low, evidence.high, evidence.log_e_build, evidence.phi];
        assert!(
            [evidence.trials, evidence.successes].into_iter().chain(optional.into_iter().flatten()).all(f64::is_finite)
        );
    }
}

#[test]
fn d4_little_or_nothing_is_collecting_and_never_a_division_by_zero() {
    let experiment = experiment(&["a"]);
    let nothing = Inputs::default();
    let silent = Inputs { pulls: pulls(&experiment, 60), ..Inputs::default() };
    let idle = inputs(&experiment, 60, &[Daily { visits: 0, signups: |_| 0, spend: 0, ..SELLS }]);
    for (days, data) in [(0, &nothing), (0, &silent), (4, &silent), (4, &idle)] {
        let card = decide(&experiment, days, data);
        assert_eq!((card.verdict, &card.reasons), (Verdict::Collecting, &vec![Reason::Insufficient]), "{days} days");
        no_number_is_absurd(&card);
    }
    let equal = Daily { visits: 1, signups: |_| 1, spend: 0, ..SELLS };
    for data in [inputs(&experiment, 60, &[equal]), inputs(&experiment, 60, &[DUD])] {
        for days in [0, 1, 5, 20, 60] {
            no_number_is_absurd(&decide(&experiment, days, &data));
        }
    }
}

#[test]
fn before_it_begins_a_test_is_collecting() {
    let experiment = experiment(&["a"]);
    let before = "2026-02-20T06:00:00Z".parse().unwrap();
    let card = willitsell::decide::decide(&experiment, &generation(), &Inputs::default(), before);
    assert_eq!((card.verdict, card.reasons), (Verdict::Collecting, vec![Reason::Insufficient]));
}

#[test]
fn a_source_that_brings_nothing_blocks_once_days_have_settled() {
    let experiment = experiment(&["a"]);
    let data = inputs(&experiment, 20, &[Daily { signups: |_| 0, ..SELLS }]);
    assert_eq!(decide(&experiment, 4, &data).verdict, Verdict::Collecting);
    let card = decide(&experiment, 5, &data);
    assert_eq!(card.verdict, Verdict::Blocked);
    assert_eq!(card.reasons, [Reason::NoData { sources: vec![SourceId::new("form")] }]);
    assert_eq!((card.arms[0].verdict, card.arms[0].evidence.low), (Verdict::Blocked, None), "the range is withheld");
    assert_eq!(card.arms[0].evidence.trials, 300.0);
}

#[test]
fn a_source_not_read_for_two_slots_is_stale_and_an_imported_one_never() {
    let mut experiment = experiment(&["a"]);
    let mut data = inputs(&experiment, 20, &[SELLS]);
    data.pulls.retain(|pull| pull.source != SourceId::new("ads") || pull.committed_at < as_of(&experiment, 18));
    let failed = |days: u64, experiment: &Experiment| {
        Counted::of(experiment, &generation(), &data, as_of(experiment, days)).stale()
    };
    // Read on day 17; the slots of day 18 and 19 failed.
    assert_eq!(failed(18, &experiment), None);
    let card = failed(19, &experiment).unwrap();
    assert_eq!(card.verdict, Verdict::Blocked);
    let last_pull = Some(day("2026-03-19").and_hms_opt(6, 0, 1).unwrap().and_utc());
    assert_eq!(card.reasons, [Reason::Stale { source: SourceId::new("ads"), last_pull }]);
    assert_eq!(card, decide(&experiment, 19, &data));
    // A stopped test whose last day was read after it settled waits for nothing more.
    experiment.stop = Some(day("2026-03-16"));
    assert_eq!(failed(30, &experiment), None);
    experiment.stop = None;
    experiment.sources[0].scheduled = false;
    assert_eq!(failed(19, &experiment), None);
}

#[test]
fn a_folder_into_which_nothing_was_dropped_is_no_defect_and_one_that_cannot_be_read_is() {
    let experiment = experiment(&["a"]);
    let mut data = inputs(&experiment, 20, &[SELLS]);
    let of_ads = |pull: &Pull| pull.source == SourceId::new("ads");
    data.pulls.retain(|pull| !of_ads(pull) || pull.committed_at < as_of(&experiment, 18));
    for pull in data.pulls.iter_mut().filter(|pull| of_ads(pull)) {
        pull.facts.file =
            Some(FileRead { content: "a".into(), modified: pull.committed_at, is_for_its_days: true, is_whole: true });
    }
    let stale = |reason: &Reason| matches!(reason, Reason::Stale { .. });
    assert!(!decide(&experiment, 19, &data).reasons.iter().any(stale));
    let failed = Counted::of(&experiment, &generation(), &data, as_of(&experiment, 19)).stale().unwrap();
    assert!(failed.reasons.iter().any(stale));
}

#[test]
fn an_export_says_no_more_of_a_day_than_when_it_was_written_however_late_it_is_read() {
    let experiment = experiment(&["a"]);
    let mut data = inputs(&experiment, 20, &[SELLS]);
    let counted = |data: &Inputs| decide(&experiment, 20, data).arms[0].evidence.days;
    assert_eq!(counted(&data), 18);
    for pull in data.pulls.iter_mut().filter(|pull| pull.source == SourceId::new("ads")) {
        let modified = pull.committed_at.min(as_of(&experiment, 10));
        let file = FileRead { content: "a".into(), modified, is_for_its_days: false, is_whole: true };
        pull.facts.file = Some(file);
    }
    assert_eq!(counted(&data), 8, "days that had settled on day 10");
}

#[test]
fn a_source_never_read_is_stale_after_two_slots() {
    let experiment = experiment(&["a"]);
    let early = "2026-03-02T06:00:00Z".parse().unwrap();
    assert_eq!(Counted::of(&experiment, &generation(), &Inputs::default(), early).stale(), None);
    let card = Counted::of(&experiment, &generation(), &Inputs::default(), as_of(&experiment, 1)).stale().unwrap();
    let old = Pull { committed_at: "2026-02-20T06:00:00Z".parse().unwrap(), ..pulls(&experiment, 0).remove(0) };
    let before = Inputs { pulls: vec![old], ..Inputs::default() };
    assert_eq!(
        Counted::of(&experiment, &generation(), &before, as_of(&experiment, 0)).stale(),
        None,
        "the first slot of the test"
    );
    let never = |id| Reason::Stale { source: SourceId::new(id), last_pull: None };
    assert_eq!(card.reasons, [never("ads"), never("form")]);
}

#[test]
fn money_on_unclaimed_keys_is_reported_and_blocks_above_a_tenth() {
    let experiment = experiment(&["a"]);
    let mut data = inputs(&experiment, 20, &[SELLS]);
    let other = |on: &str, key: &str, spend: i64| row("ads", day(on), key, &[(MetricId::SPEND, spend)]);
    // 18 settled days of 300 are 5,400; 600 beside them are a tenth of all 6,000.
    data.observations.extend([other("2026-03-05", "zeta", 200), other("2026-03-06", "beta", 400)]);
    data.observations.push(other("2026-03-21", "late", 9000));
    let keys = vec!["ads: beta".to_owned(), "ads: zeta".to_owned()];
    let card = decide(&experiment, 20, &data);
    assert_eq!(card.verdict, Verdict::Build, "a tenth is not above a tenth, and unsettled money waits");
    let reported = Reason::UnmappedSpend { amount: Some(usd("600")), share: 0.1, keys };
    assert_eq!(card.unmapped, Some(reported));
    data.observations.push(other("2026-03-07", "beta", 1));
    let card = decide(&experiment, 20, &data);
    assert_eq!(card.verdict, Verdict::Blocked);
    assert!(matches!(&card.reasons[..], [Reason::UnmappedSpend { amount, .. }] if *amount == Some(usd("601"))));
    // Campaigns that other experiments claim, or the user set aside, are nobody's mistake.
    let mut aside = experiment.clone();
    for source in &mut aside.sources {
        source.set_aside.extend(["beta".into(), "zeta".into()]);
    }
    let card = decide(&aside, 20, &data);
    assert_eq!((card.verdict, card.unmapped), (Verdict::Build, None));
    // A mended mapping needs no new pull.
    let mut mended = experiment;
    mended.arms[0].keys.get_mut(&SourceId::new("ads")).unwrap().extend(["beta".into(), "zeta".into()]);
    assert_eq!(decide(&mended, 20, &data).verdict, Verdict::Build);
}

#[test]
fn acts_that_all_lack_an_arm_are_no_sign_of_a_concept_nobody_wants() {
    let experiment = experiment(&["a"]);
    let mut data = inputs(&experiment, 20, &[SELLS]);
    for response in &mut data.responses {
        response.arm_key.clear();
    }
    let card = decide(&experiment, 20, &data);
    let keys = vec!["form: no key".to_owned()];
    assert_eq!((card.verdict, card.reasons), (Verdict::Blocked, vec![Reason::UnmappedActs { acts: 144.0, keys }]));
    // One on an arm shows that arms are passed on: the others came by other ways.
    data.responses[0].arm_key = "a".into();
    assert_eq!(decide(&experiment, 20, &data).verdict, Verdict::Kill);
}

#[test]
fn h23_two_currencies_are_never_added() {
    let mut experiment = experiment(&["a"]);
    let data = inputs(&experiment, 20, &[SELLS]);
    experiment.policy.budget_cap = Some(Money { micros: 5_000_000_000, currency: Currency::from_code("EUR").unwrap() });
    let card = decide(&experiment, 20, &data);
    assert_eq!((card.verdict, card.spend, card.arms[0].spend), (Verdict::Blocked, None, None));
    assert_eq!(card.reasons, [Reason::MixedCurrencies { currencies: vec!["EUR".into(), "USD".into()] }]);
    experiment.policy.budget_cap = None;
    let mut mended = data.clone();
    // A file read in the wrong currency, then read again: the last reading of a day speaks for it.
    for pull in &mut mended.pulls {
        if pull.id < 20 {
            pull.currency = Currency::from_code("EUR");
        }
    }
    assert_eq!(decide(&experiment, 20, &mended).verdict, Verdict::Build);
}

#[test]
fn days_and_their_settling_are_the_experiments_own() {
    let mut experiment = experiment(&["a"]);
    experiment.timezone = Tz::America__New_York;
    let data = inputs(&experiment, 20, &[SELLS]);
    // 03:00 UTC on 22 March is still the 21st in New York.
    let night = "2026-03-22T03:00:00Z".parse().unwrap();
    let card = willitsell::decide::decide(&experiment, &generation(), &data, night);
    assert_eq!((card.last_settled_day, card.arms[0].evidence.days), (day("2026-03-18"), 17));
}

#[test]
fn the_policy_fingerprint_holds_what_is_fixed_at_the_start_and_no_more() {
    let experiment = experiment(&["a"]);
    let fixed = policy_hash(&experiment);
    assert_eq!(fixed.len(), 64);
    let changed = |change: fn(&mut Experiment)| {
        let mut other = experiment.clone();
        change(&mut other);
        policy_hash(&other)
    };
    for same in [
        changed(|one| one.concept.title = "Another".into()),
        changed(|one| one.arms[0].title = "Another".into()),
        changed(|one| one.arms[0].keys.clear()),
        changed(|one| one.owner = None),
    ] {
        assert_eq!(same, fixed);
    }
    let mut seen = vec![fixed];
    for other in [
        changed(|one| one.policy.build_bar = 0.05),
        changed(|one| one.policy.budget_cap = Some(usd("1"))),
        changed(|one| one.start = one.start + Days::new(1)),
        changed(|one| one.stop = Some(one.start)),
        changed(|one| one.timezone = Tz::Europe__Berlin),
        changed(|one| one.arms[0].control = true),
        changed(|one| {
            one.arms.push(Arm {
                id: ArmId::new("b"),
                title: String::new(),
                control: false,
                keys: [].into(),
                price: None,
                until: None,
            });
        }),
    ] {
        assert!(!seen.contains(&other));
        seen.push(other);
    }
}

#[test]
fn the_data_fingerprint_follows_settled_counts_only() {
    let experiment = experiment(&["a"]);
    let data = inputs(&experiment, 20, &[SELLS]);
    let fingerprint = |data: &Inputs| decide(&experiment, 20, data).data_hash;
    let mut young = data.clone();
    young.observations.last_mut().unwrap().values.set(MetricId::VISITS, Some(1));
    assert_eq!(fingerprint(&young), fingerprint(&data));
    let mut restated = data.clone();
    restated.observations[3].values.set(MetricId::VISITS, Some(99_000_000));
    assert_ne!(fingerprint(&restated), fingerprint(&data));
}
