//! A story for every verdict and every reason, from daily counts to all that is read of it: the five lines and `explain`.
//! No word in them needs a statistician. To read them all: `cargo test --test it aloud -- --nocapture`.

use std::collections::BTreeMap;

use willitsell::decide::message::{message, notices};
use willitsell::decide::{Counted, decision, derivation, explain, policy_hash, revision};
use willitsell::domain::decision::{Choice, Decision, Setup};
use willitsell::domain::message::Message;
use willitsell::domain::observation::Shrink;
use willitsell::domain::portfolio::Others;
use willitsell::domain::verdict::{Generation, Lean, Reason, Verdict};

use super::doubts::shrink;
use super::models::{OLD, comparison, costs, even_split};
use super::portfolio::BARELY;
use super::traffic::{days, with_clicks};
use super::words::autopilot;
use super::*;

/// What happened, as the program sees it on the morning after so many days.
struct Story {
    /// What must come of it: a verdict or the name of its reason.
    wanted: &'static str,
    experiment: Experiment,
    days: u64,
    data: Inputs,
}

impl Story {
    fn card(&self) -> Scorecard {
        willitsell::decide::decide(
            &self.experiment,
            &begun(&self.experiment),
            &self.data,
            as_of(&self.experiment, self.days),
        )
    }

    /// The message and the long form, a line each.
    fn told(&self) -> Vec<String> {
        let (card, begun) = (self.card(), begun(&self.experiment));
        let lately = || Counted::of(&self.experiment, &begun, &self.data, card.as_of).lately();
        let message = message(&self.experiment, None, None, &card, &[], lately);
        let lines = message.into_iter().flat_map(in_lines);
        let sections = derivation::derive(&self.experiment, &begun, &self.data, &card).sections;
        let long = sections.into_iter().flat_map(|section| {
            [section.title].into_iter().chain(section.lines.into_iter().map(|line| format!("  {line}")))
        });
        lines.chain(["--- explain".to_owned()]).chain(long).collect()
    }
}

fn begun(experiment: &Experiment) -> Generation {
    Generation { policy_hash: policy_hash(experiment), ..generation() }
}

fn in_lines(message: Message) -> Vec<String> {
    let lines = message.lines.into_iter().map(|(label, line)| format!("{label:<9} {line}"));
    [message.headline].into_iter().chain(lines).collect()
}

/// The same on the day its verdict was reached: the day on which people are told.
fn on_its_day(experiment: &Experiment, days: u64, arms: &[Daily], wanted: &'static str) -> Story {
    let reached = |story: &Story| {
        let card = story.card();
        card.verdict.word() == wanted || card.reasons.iter().any(|why| why.word() == wanted)
    };
    let of = |days| story(wanted, experiment.clone(), days, arms, as_it_is);
    (1..=days).map(of).find(reached).expect(wanted)
}

/// `days` days of an experiment's arms, changed by what went wrong.
fn story(
    wanted: &'static str,
    experiment: Experiment,
    days: u64,
    arms: &[Daily],
    change: impl FnOnce(&mut Inputs),
) -> Story {
    let mut data = inputs(&experiment, days, arms);
    change(&mut data);
    Story { wanted, experiment, days, data }
}

fn as_it_is(_: &mut Inputs) {}

fn with(change: impl FnOnce(&mut Experiment)) -> Experiment {
    let mut experiment = autopilot();
    change(&mut experiment);
    experiment
}

fn two_arms() -> Experiment {
    Experiment { arms: experiment(&["a", "b"]).arms, ..autopilot() }
}

fn verdicts() -> Vec<Story> {
    let other = Daily { key: "b", ..BETWEEN };
    vec![
        on_its_day(&autopilot(), 20, &[SELLS], "BUILD"),
        on_its_day(&two_arms(), 20, &[SELLS, other], "BUILD"),
        on_its_day(&costs(&["a"]), 20, &[SELLS], "BUILD"),
        on_its_day(&comparison(&["a", "old"]), 20, &[SELLS, OLD], "BUILD"),
        on_its_day(&autopilot(), 20, &[DUD], "KILL"),
        on_its_day(&two_arms(), 24, &[DUD, Daily { key: "b", ..DUD }], "KILL"),
        on_its_day(&costs(&["a"]), 20, &[DUD], "KILL"),
        // One answer, too young to count: it proves that the form is read.
        on_its_day(&autopilot(), 20, &[Daily { signups: |day| u64::from(day == 15), ..DUD }], "KILL"),
        story("BUILD", autopilot(), 24, &[SELLS], as_it_is),
        story("insufficient", autopilot(), 10, &[SELLS], as_it_is),
        story("undecided", autopilot(), 22, &[BETWEEN], as_it_is),
        beside_others(),
        story("undecided", autopilot(), 22, &[BETWEEN], |data| data.decisions = vec![extended()]),
    ]
}

/// Enough for BUILD alone, but one of twenty concepts.
fn beside_others() -> Story {
    let at = |days| story("portfolio", autopilot(), days, &[BARELY], as_it_is);
    let alone = (14..60).map(at).find(|story| story.card().verdict == Verdict::Build).unwrap();
    let others = Others { known: 1, concepts: 20, peers: vec![], before: None };
    Story { data: Inputs { others: Some(Box::new(others)), ..alone.data }, ..alone }
}

fn extended() -> Decision {
    Decision {
        id: 1,
        concept: ConceptId::new("invoice-autopilot"),
        generation: 1,
        choice: Choice::Extend,
        by: "Dana".into(),
        reason: "the fair is next week".into(),
        at: "2026-03-20T09:00:00Z".parse().unwrap(),
        scorecard: 18,
        verdict: Verdict::Collecting,
        days: Some(10),
        budget: None,
    }
}

fn reviews() -> Vec<Story> {
    let short = |experiment: &mut Experiment| experiment.policy.horizon_days = 18;
    let dear = with(|experiment| experiment.policy.guardrails = vec![cost_guardrail(20.0)]);
    let money = with(|experiment| experiment.policy.budget_cap = Some(usd("5000")));
    let mut disagree = two_arms();
    disagree.policy.horizon_days = 25;
    vec![
        on_its_day(&with(short), 30, &[BETWEEN], "cap_reached"),
        on_its_day(&money, 30, &[BETWEEN], "cap_reached"),
        story("cap_reached", with(short), 30, &[Daily { signups: |_| 4, ..BETWEEN }], as_it_is),
        on_its_day(&dear, 20, &[SELLS], "guardrail"),
        // One answer, too young to count, and clicks that led to a page which counts nobody.
        on_its_day(&money, 30, &[Daily { visits: 0, signups: |day| u64::from(day == 18), ..DUD }], "cap_reached"),
        on_its_day(&disagree, 40, &[DUD, Daily { key: "b", ..BETWEEN }], "arms_disagree"),
    ]
}

fn defects() -> Vec<Story> {
    let of = |source: &'static str| move |pull: &&mut Pull| pull.source.as_str() == source;
    vec![
        story("no_data", autopilot(), 20, &[SELLS], |data| data.responses.clear()),
        story("stale", autopilot(), 20, &[SELLS], |data| {
            data.pulls.retain(|pull| pull.source.as_str() != "ads" || pull.id < 36);
            let unread = data.pulls.iter().filter(|pull| pull.source.as_str() == "ads").map(|pull| pull.last_day).max();
            data.observations.retain(|row| Some(row.day) < unread);
        }),
        story("unmapped_spend", autopilot(), 20, &[SELLS, Daily { key: "7003", ..DUD }], as_it_is),
        story("unmapped_acts", autopilot(), 20, &[SELLS], |data| {
            data.responses.iter_mut().for_each(|act| act.arm_key.clear());
        }),
        story("unmapped_acts", autopilot(), 20, &[SELLS], |data| {
            data.responses.iter_mut().for_each(|act| act.arm_key = "newsletter".into());
        }),
        nameless_acts(),
        story("mixed_currencies", autopilot(), 20, &[SELLS], |data| {
            let last = data.pulls.iter_mut().rfind(of("ads")).unwrap();
            (last.currency, last.first_day) = (Currency::from_code("EUR"), day("2026-03-10"));
        }),
        story("mixed_zones", autopilot(), 20, &[SELLS], |data| {
            let last = data.pulls.iter_mut().rfind(of("ads")).unwrap();
            (last.day_zone, last.first_day) = (Tz::Europe__Berlin, day("2026-03-10"));
        }),
        day_zones(),
        fewer_rows(),
        story("impossible_counts", autopilot(), 20, &[SELLS], |data| {
            for row in data.observations.iter_mut().take(4) {
                row.values.set(MetricId::VISITS, Some(7 * ONE));
            }
        }),
        story("restated", autopilot(), 20, &[SELLS], |data| {
            data.first_settled = Some(Box::new(data.clone()));
            data.responses.retain(|act| act.at.date_naive() > day("2026-03-06"));
        }),
        {
            let mut split = comparison(&["a", "old"]);
            split.policy.srm = Some(even_split());
            story("uneven_split", split, 20, &[Daily { visits: 130, ..SELLS }, OLD], as_it_is)
        },
        clicked("tracking_gap", |_| [100, 40, 4]),
        clicked("tracking_gap", |_| [100, 130, 4]),
        clicked("tracking_broken", |day| if day == 10 { [30, 0, 0] } else { [100, 90, 8] }),
        clicked("tracking_broken", |day| [100, 90, if day < 10 { 8 } else { 0 }]),
        clicked("bot_burst", |day| [100, 90, if day == 6 { 70 } else { 3 }]),
    ]
}

/// A second form that asks for no address, on the same page.
fn nameless_acts() -> Story {
    let mut experiment = autopilot();
    experiment.sources.push(Source { id: SourceId::new("poll"), ..experiment.sources[1].clone() });
    experiment.arms[0].keys.insert(SourceId::new("poll"), vec!["a".into()]);
    story("nameless_acts", experiment, 20, &[SELLS], |data| {
        let of_poll = |act: &Response| Response { source: SourceId::new("poll"), person: None, ..act.clone() };
        let others: Vec<_> = data.responses.iter().take(60).map(of_poll).collect();
        data.responses.extend(others);
    })
}

/// Sign-ups and visitors that are both counted by days, in two zones.
fn day_zones() -> Story {
    let mut experiment = autopilot();
    for source in experiment.sources.iter_mut().filter(|source| source.id.as_str() == "form") {
        source.people = None;
    }
    let days: Vec<_> = (0..20).map(|number| experiment.start + Days::new(number)).collect();
    story("day_zones", experiment, 20, &[SELLS], |data| {
        data.responses.clear();
        data.observations.extend(days.iter().map(|&on| row("form", on, "a", &[(MetricId::SIGNUPS, 8)])));
        data.pulls
            .iter_mut()
            .filter(|pull| pull.source.as_str() == "form")
            .for_each(|pull| pull.day_zone = Tz::America__Los_Angeles);
    })
}

/// Two campaigns of one version; of one of them the account no longer shows two weeks. A second reading agreed, so the fewer
/// rows are those that are used.
fn fewer_rows() -> Story {
    let experiment = with(|experiment| {
        experiment.arms[0].keys.values_mut().for_each(|keys| keys.push("second".into()));
    });
    let half = |key| Daily { key, visits: 50, signups: |_| 4, spend: 150 };
    story("fewer_rows", experiment, 20, &[half("a"), half("second")], |data| {
        data.shrinks = vec![Shrink { rows: [28, 14], ..shrink() }];
        data.observations.retain(|row| *row.arm_key != *"second" || row.day > day("2026-03-15"));
    })
}

/// A test whose account counts clicks too: clicks, visitors and sign-ups of each day.
fn clicked(wanted: &'static str, of: impl Fn(u64) -> [i64; 3]) -> Story {
    let experiment = Experiment { sources: with_clicks().sources, ..autopilot() };
    let data = days(&experiment, 20, of);
    Story { wanted, experiment, days: 20, data }
}

fn stories() -> Vec<Story> {
    verdicts().into_iter().chain(reviews()).chain(defects()).collect()
}

/// Its place among all reasons. One that is new stops here until it has a story above, and raises [`REASONS`].
fn place(reason: &Reason) -> usize {
    match reason {
        Reason::Insufficient => 0,
        Reason::Undecided => 1,
        // Only `replay --counts` says it: `explain` has no part in it.
        Reason::Srm => 2,
        Reason::Guardrail { .. } => 3,
        Reason::CapReached { lean: Some(Lean::Build) } => 4,
        Reason::CapReached { lean: Some(Lean::Kill) } => 5,
        Reason::ArmsDisagree => 6,
        Reason::NoData { .. } => 7,
        Reason::Stale { .. } => 8,
        Reason::UnmappedSpend { .. } => 9,
        Reason::UnmappedActs { .. } => 10,
        Reason::MixedCurrencies { .. } => 11,
        Reason::MixedZones { .. } => 12,
        Reason::FewerRows { .. } => 13,
        Reason::UnevenSplit { .. } => 14,
        Reason::TrackingGap { .. } => 15,
        Reason::TrackingBroken { .. } => 16,
        Reason::BotBurst { .. } => 17,
        Reason::Restated { .. } => 18,
        Reason::ImpossibleCounts { .. } => 19,
        Reason::Portfolio(_) => 20,
        Reason::DayZones { .. } => 21,
        Reason::NamelessActs { .. } => 22,
        Reason::CapReached { lean: None } => 23,
    }
}

const REASONS: usize = 24;

#[test]
fn every_verdict_and_reason_has_a_story_read_aloud() {
    let mut seen: BTreeMap<usize, &str> = BTreeMap::from([(place(&Reason::Srm), "srm")]);
    for story in stories() {
        let card = story.card();
        let words: Vec<&str> = [card.verdict.word()].into_iter().chain(card.reasons.iter().map(Reason::word)).collect();
        assert!(words.contains(&story.wanted) && words.len() <= 2, "{}: {words:?}", story.wanted);
        seen.extend(card.reasons.iter().map(|reason| (place(reason), reason.word())));
        println!("\n=== {}\n{}", words.join(", "), story.told().join("\n"));
    }
    assert_eq!(seen.keys().copied().collect::<Vec<_>>(), (0..REASONS).collect::<Vec<_>>(), "without a story: {seen:?}");
}

/// What somebody who heard it once asked about it: what to do with the ads, where the rest of the money went, whether a
/// number is good, since when. Each sentence stands in a story of this name.
const ASKED: [(&str, &str); 94] = [
    ("BUILD", "Money     $4,200 spent to Sun 15 Mar, $600 since · $37.50 per sign-up (limit $84)"),
    (
        "BUILD",
        "Spent since: $600 = the same on days that have not settled yet (Mon 16 Mar to Tue 17 Mar, 2 rows of source \"ads\").",
    ),
    ("BUILD", "$1,200 since · $37.50 per sign-up of Plan a (limit $84)"),
    ("BUILD", "Decide whether to build Plan a, as recommended, or to kill ·"),
    ("KILL", "$1,200 since · $600 per sign-up for both versions together (over the limit of $84)"),
    (
        "BUILD",
        "$8,400 spent to Sun 15 Mar ($4,200 on Plan a, $4,200 on Plan old beside it), $1,200 since · $37.50 per sign-up of Plan a",
    ),
    ("BUILD", "BUILD · Invoice Autopilot · reached on Wed 18 Mar · decide now"),
    ("KILL", "$600 per sign-up (over the limit of $84) ·"),
    ("KILL", "to build all the same · stop the ads in either case: one ad is still spending $300 a day"),
    ("undecided", "With about 3 fewer sign-ups on the same days, it would be KILL."),
    (
        "insufficient",
        "The 64 sign-ups so far are too many for KILL before the cap (60 settled days). That could change only if fewer than 3.0% (break-even) signed up on the days left.",
    ),
    ("cap_reached", "$85.71 per sign-up (over the limit of $84, perhaps by chance) ·"),
    ("stale", "Readings were planned since then, but nothing has come, so its later days are missing."),
    ("stale", "the test goes on once this is fixed · the ads may run on"),
    (
        "stale",
        "Tue 17 Mar to Thu 19 Mar: do not count, because not every source was read after they had settled; $600 spent, as far as known",
    ),
    ("stale", "at least $5,100 spent to Wed 18 Mar ·"),
    (
        "mixed_currencies",
        "so nobody can say what a sign-up costs. See that it reads one account, in one currency, then read all days again:",
    ),
    ("mixed_currencies", "Limits (guardrails): cost per sign-up at most $84."),
    ("mixed_currencies", "Money     spent in EUR and USD, not added up ·"),
    (
        "mixed_currencies",
        "Next      Set source \"ads\" to one currency, then read all its days again · the test goes on then · pause the ads until then",
    ),
    (
        "restated",
        "40 of 144 sign-ups were taken away after their days had counted (5 days from Mon 2 Mar to Fri 6 Mar). Find out what changed in source \"form\".",
    ),
    ("restated", "BLOCKED · Invoice Autopilot · no verdict for now (owner"),
    ("restated", "then they count. If nobody does anything, they count once enough new days are in, about Sun 29 Mar."),
    ("restated", "the test goes on then, or about Sun 29 Mar · the ads may run on"),
    (
        "unmapped_spend",
        "Say in the configuration file which version each belongs to, or that it has no part in any test: `willitsell explain invoice-autopilot` shows the lines to write.",
    ),
    ("unmapped_acts", "The form must record, for each person, the campaign or the version of the page they came from."),
    (
        "unmapped_acts",
        "the configuration file does not mention their marks (\"newsletter\" of source \"form\"). Say there which version they belong to (then they count), or that they have no part in any test (then they stay out)",
    ),
    (
        "impossible_counts",
        "the counts cannot be right, for example Plan a on Thu 5 Mar: 8 sign-ups from 7 visitors. Check",
    ),
    (
        "uneven_split",
        "then begin a new test: in the configuration file, change `start` under `[experiment.invoice-autopilot]` to the day after the repair.",
    ),
    (
        "guardrail",
        "Limits (guardrails): cost per sign-up at most $20. While one is breached, there is REVIEW in place of BUILD;",
    ),
    (
        "cap_reached",
        "At the cap (60 settled days or $5,000) a test without BUILD or KILL becomes REVIEW: then you decide.",
    ),
    ("no_data", "this is fixed · pause the ads until then: one ad is spending $300 a day"),
    ("tracking_gap", "this is fixed · pause the ads until then: one ad is spending $300 a day"),
    ("tracking_broken", "this is fixed · pause the ads until then: one ad is spending $300 a day"),
    ("tracking_broken", "this is fixed · the ads may run on: one ad is spending $300 a day"),
    ("unmapped_spend", "this is fixed · the ads may run on: one ad is spending $300 a day"),
    ("portfolio", "So BUILD takes more proof than there is here."),
    ("portfolio", "here about 67 sign-ups on these days, where 58 would do for a single test."),
    ("portfolio", "(break-even) and there is more proof than a single test would need (see below)."),
    (
        "impossible_counts",
        "140 of 1,428 visitors signed up, over 18 days.\n  Left out: 4 sign-ups beyond the number of visitors",
    ),
    (
        "stale",
        "Spent: $5,100 = what the ads of all versions cost, as far as known (settled days Mon 2 Mar to Wed 18 Mar, 17 rows of source \"ads\"; $600 of it on days that are left out or not fully read yet, see the list of days).",
    ),
    (
        "stale",
        "A day is settled once it is 3 days old, and counts once every source was read after that. Younger days do not count yet. Today (Sun 22 Mar) settles on Wed 25 Mar.",
    ),
    ("cap_reached", "$5,100 spent to Wed 18 Mar, $600 since, in all $700 more than the cap ·"),
    ("cap_reached", "With about 13 fewer sign-ups on the days to Thu 19 Mar, it would have been KILL before the cap."),
    ("arms_disagree", "Evidence  Plan b: 87 of 2,500 visitors,"),
    ("arms_disagree", "$86.21 per sign-up of Plan b (over the limit of $84, perhaps by chance)"),
    (
        "arms_disagree",
        "Cost per sign-up of Plan b: $86.21 = its cost ÷ its sign-ups. Its cost $7,500 (settled days, from",
    ),
    ("arms_disagree", "Decide whether to build Plan b, to kill both, or to test longer with a larger cap ·"),
    ("unmapped_spend", "no part in any test: the lines to write stand below.\n"),
    ("unmapped_spend", "Why       $5,400 of the $10,800 spent to Thu 19 Mar (50%) went to campaigns"),
    (
        "unmapped_spend",
        "$5,400 spent to Thu 19 Mar, $600 since, and $5,400 more to Thu 19 Mar on campaigns of no version",
    ),
    (
        "unmapped_spend",
        "If \"7003\" of source \"ads\" belongs to Plan a, change the line `keys` under `[experiment.invoice-autopilot.arm.a]` in the configuration file to:\n  keys = { ads = [\"a\", \"7003\"], form = [\"a\"] }\n  If it has no part in any test, write under `[source.ads]`:\n  set_aside = [\"7003\"]\n",
    ),
    ("unmapped_acts", "keys = { ads = [\"a\"], form = [\"a\", \"newsletter\"] }\n"),
    ("unmapped_spend", "one ad is spending $300 a day, not counting campaigns of no version"),
    ("unmapped_acts", "1,800 visitors over 18 days; which of the 144 sign-ups are theirs is not known."),
    ("unmapped_acts", "Say to which version those sign-ups belong, or that they have no part in any test ·"),
    ("mixed_currencies", "\"ads\": days in UTC; money in EUR and USD."),
    ("mixed_zones", "\"ads\": days in Europe/Berlin and UTC; money in USD."),
    ("tracking_broken", "Plan a: from Thu 12 Mar to Thu 19 Mar no sign-up was counted for 720 visitors;"),
    ("KILL", "no sign-up on settled days for $4,200 (over the limit of $84) ·"),
    (
        "KILL",
        "Cost per sign-up: no sign-up on any settled day. Limit: at most $84. Breached: to keep to $84 each, $4,200 would have had to bring 50 sign-ups.",
    ),
    ("BUILD", "Plan b is not part of this BUILD: its range (2.4 to 4.9%) is not yet all above break-even.\nEvidence"),
    ("BUILD", "KILL when the whole range is below 1.2 times the rate of Plan old (worth building for)."),
    (
        "nameless_acts",
        "Next      Count sign-ups without source \"poll\", or have source \"poll\" ask for an e-mail address ·",
    ),
    (
        "cap_reached",
        "The cap of $5,000 was reached on Sat 21 Mar. No visitor was counted on any settled day, so it leans to neither side.",
    ),
    ("cap_reached", "Find out why no visitor was counted, then decide whether to build, to kill, or to test longer"),
    (
        "nameless_acts",
        "In the configuration file, delete `poll = …` from the line `keys` under `[experiment.invoice-autopilot.arm.a]`: then",
    ),
    ("KILL", "if it is broken, repair it and leave out all days up to the repair · stop the ads until you know"),
    ("KILL", "\n  To leave out the days up to and including the day of the repair, write `set_aside_days = ["),
    ("no_data", "check that it has a column of sign-ups."),
    ("tracking_gap", "there were only 720 visitors for 1,800 clicks; 1,440 to 1,800 are usual."),
    ("tracking_broken", "leave that day out: the lines to write stand below."),
    ("fewer_rows", "two ads are spending $300 a day together"),
    ("uneven_split", "Already by Sun 8 Mar that was too uneven for chance, so this test can give no verdict any more."),
    ("guardrail", "Limit: at most $20. Breached: to keep to $20 each, $4,200 would have had to bring 210 sign-ups."),
    ("arms_disagree", "Breached: to keep to $84 each, $7,500 would have had to bring 90 sign-ups."),
    ("cap_reached", "Breached: to keep to $84 each, $5,100 would have had to bring 61 sign-ups."),
    (
        "cap_reached",
        "write `extend --days N` in its place: N is added to the cap of 18 settled days. As 28 have settled already, it must be more than 10.",
    ),
    (
        "cap_reached",
        "write `extend --budget AMOUNT` in its place: AMOUNT is added to the cap of $5,000. As $5,700 is spent already, it must be more than $700.",
    ),
    ("no_data", "1,800 visitors over 18 days; whether any of them signed up is not known."),
    (
        "unmapped_acts",
        "Once it does, leave out the days up to then, or they count as days without sign-ups: `willitsell explain invoice-autopilot` shows the lines to write.",
    ),
    (
        "unmapped_acts",
        "Next      Have the form record where each person came from, then leave out the days up to the repair · the test goes on once this is fixed · pause the ads until then: one",
    ),
    (
        "unmapped_acts",
        "To leave out the days up to and including the day of the repair, write `set_aside_days = [{ first = \"2026-03-02\", last = \"…\", reason = \"…\" }]` under `[experiment.invoice-autopilot]` in the configuration file, with that day as `last`.",
    ),
    (
        "unmapped_acts",
        "Say to which version those sign-ups belong, or that they have no part in any test · the test goes on once this is fixed · the ads may run on",
    ),
    (
        "nameless_acts",
        "then new sign-ups count, and the test goes on once no more than 10 in 100 of all sign-ups lack one (now 60 of 204).",
    ),
    (
        "nameless_acts",
        "What was left out\n  Answers left out: 60 without an address, of people whom another source may count too.",
    ),
    (
        "day_zones",
        "Set the same time zone in both accounts, then read all days again for the account you changed: `willitsell pull --source NAME --since 2026-03-02`.",
    ),
    (
        "fewer_rows",
        "write `accept_shrink = \"2026-03-22\"` under `[source.ads]` in the configuration file: then they count.",
    ),
    ("impossible_counts", "Check how both numbers are counted, then leave the wrong days out ·"),
    (
        "impossible_counts",
        "To leave those days out, write `set_aside_days = [{ first = \"2026-03-02\", last = \"2026-03-05\", reason = \"…\" }]` under `[experiment.invoice-autopilot]` in the configuration file.\n",
    ),
    (
        "tracking_gap",
        "To leave those days out (all settled days so far), write `set_aside_days = [{ first = \"2026-03-02\", last = \"2026-03-19\", reason = \"…\" }]` under `[experiment.invoice-autopilot]` in the configuration file. If the fault goes on after Thu 19 Mar, put the day it ends as `last`. If the numbers are true, write `real_days` in place",
    ),
    (
        "tracking_broken",
        "in the configuration file. If the fault goes on after Thu 19 Mar, put the day it ends as `last`. If the numbers are true,",
    ),
    ("BUILD", "so do not compare the two."),
    (
        "BUILD",
        "Its range is where the truth may lie, chance included: the lower end is the worst case, the upper end the best.",
    ),
];

#[test]
fn what_was_asked_on_hearing_them_is_answered() {
    let told: Vec<(&str, String)> = stories().iter().map(|story| (story.wanted, story.told().join("\n"))).collect();
    for (wanted, answer) in ASKED {
        let of_it: Vec<&String> = told.iter().filter(|(name, _)| *name == wanted).map(|(_, text)| text).collect();
        assert!(of_it.iter().any(|text| text.contains(answer)), "{wanted}: {answer}\n{of_it:#?}");
    }
    // What to do names nothing that is not to be done, and is no list after a second colon.
    assert!(told.iter().all(|(_, text)| !text.contains("weak spot") && !text.contains("Next: Decide:")));
    // Dots join what is all to be done; nothing begins beside what nobody has heard of yet.
    assert!(told.iter().all(|(_, text)| !text.contains(" · or ") && !text.contains("Why       Another ")));
    // How far it is, is said in acts alone.
    assert!(told.iter().all(|(_, text)| !text.contains("% of ")));
}

#[test]
fn what_was_added_to_past_days_is_not_what_was_taken_away() {
    let restated = |change: fn(&mut Inputs)| {
        let story = story("restated", autopilot(), 20, &[SELLS], |data| {
            data.first_settled = Some(Box::new(data.clone()));
            data.first_settled.as_mut().unwrap().responses.retain(|act| act.at.date_naive() > day("2026-03-06"));
            change(data);
        });
        explain::sentence(&story.experiment, &story.card())
    };
    let added = restated(|_| {});
    assert!(added.starts_with("40 of 144 sign-ups were added after their days"), "{added}");
    assert!(added.contains("If sign-ups often come late, a larger `maturity_lag_days` there helps"), "{added}");
    let both = restated(|data| data.responses.retain(|act| act.at.date_naive() != day("2026-03-09")));
    assert!(both.starts_with("Of 144 sign-ups, 40 were added and 8 taken away after their days"), "{both}");
}

#[test]
fn what_to_decide_and_how_to_write_it_name_the_same_choices() {
    for story in stories().into_iter().filter(|story| story.card().verdict.is_terminal()) {
        let told = story.told();
        let next = told.iter().find(|line| line.starts_with("Next ")).unwrap();
        let how = told.iter().find(|line| line.starts_with("  To write the decision down")).unwrap();
        assert!(["build", "kill"].iter().all(|choice| next.contains(choice) && how.contains(choice)), "{next}\n{how}");
        assert_eq!(next.contains("test longer"), how.contains("`extend "), "{next}\n{how}");
        let ended_by_a_cap = ["cap_reached", "arms_disagree"].contains(&story.wanted);
        assert_eq!(next.contains("test longer"), ended_by_a_cap, "{}: {next}", story.wanted);
    }
    // What was fixed as the last day before the test began is raised by nobody.
    let stopped = with(|experiment| experiment.stop = Some(day("2026-03-18")));
    let stopped = on_its_day(&stopped, 30, &[BETWEEN], "cap_reached").told();
    let next = stopped.iter().find(|line| line.starts_with("Next ")).unwrap();
    assert!(next.contains("Decide whether to build or to kill ·"), "{next}");
}

/// Words that need a statistician, or promise too much.
pub const FORBIDDEN: [&str; 23] = [
    "significan",
    "confiden",
    "p-value",
    "posterior",
    "likelihood",
    "hypothes",
    "variance",
    "deviation",
    "dispersion",
    "e-value",
    "null",
    "lift",
    "proven to work",
    "winner",
    "failed",
    "!",
    "baseline",
    "green",
    " red ",
    "NaN",
    "inf ",
    "  ",
    " .",
];

/// Words of the trade, or of the configuration, that stand in no message: whoever gets it may know neither.
const OF_THE_TRADE: [&str; 7] = ["at stake", "bar ", "bars", "(arm)", "fingerprint", "guardrail", " claims"];

#[test]
fn no_word_read_aloud_needs_a_statistician_or_promises_too_much() {
    for story in stories() {
        let told = story.told();
        for line in told.iter().take_while(|line| *line != "--- explain") {
            assert!(OF_THE_TRADE.iter().all(|word| !line.contains(word)), "{line}");
        }
        for line in story.told() {
            let (label, text) = line.split_at(line.len().min(10));
            for word in FORBIDDEN {
                assert!(!text.contains(word), "{word:?} in {label}{text}");
            }
        }
    }
}

/// What is told of a test besides its verdicts: that one no longer holds, what a person decided, what is running out.
fn also_told() -> Vec<(&'static str, Message)> {
    let experiment = autopilot();
    let begun = begun(&experiment);
    let built = decide(&experiment, 20, &inputs(&experiment, 20, &[SELLS]));
    let sells = inputs(&experiment, 21, &[SELLS]);
    // Of every eight sign-ups so many were taken back.
    let without = |taken: usize| {
        let (mut data, mut place) = (sells.clone(), 0);
        data.responses.retain(|_| {
            place += 1;
            (place - 1) % 8 >= taken
        });
        data
    };
    let setup = Setup { experiment: experiment.clone(), generation: begun.clone() };
    let after = |data: &Inputs| {
        let now = decide(&experiment, 21, data);
        let changed = revision::changed(&built, (&setup, &sells), (&setup, data), &now);
        let lately = || Counted::of(&experiment, &begun, data, now.as_of).lately();
        message(&experiment, Some(&built), Some(&built), &now, &changed, lately).unwrap()
    };
    let mut told = vec![("withdrawn", after(&without(4))), ("revised", after(&without(7)))];

    let stale = defects().into_iter().find(|story| story.wanted == "stale").unwrap();
    let (unread, stale) = (&stale.data, stale.card());
    let since = || Counted::of(&experiment, &begun, unread, stale.as_of).lately();
    told.push(("suspended", message(&experiment, Some(&built), Some(&built), &stale, &[], since).unwrap()));
    let later = inputs(&experiment, 22, &[SELLS]);
    let again = decide(&experiment, 22, &later);
    let since = || Counted::of(&experiment, &begun, &later, again.as_of).lately();
    told.push(("confirmed", message(&experiment, Some(&stale), Some(&built), &again, &[], since).unwrap()));
    let between = inputs(&experiment, 22, &[BETWEEN]);
    let collecting = decide(&experiment, 22, &between);
    let since = || Counted::of(&experiment, &begun, &between, collecting.as_of).lately();
    told.push(("sound again", message(&experiment, Some(&stale), None, &collecting, &[], since).unwrap()));

    let taken = |choice, reason: &str| Decision {
        choice,
        verdict: Verdict::Build,
        reason: reason.into(),
        days: None,
        ..extended()
    };
    let overrides = |one: &Decision| decision::Overrides::among(std::slice::from_ref(one));
    for (what, card, one) in [
        ("decided against it", &built, taken(Choice::Kill, "a partner builds the same")),
        ("decided with it", &built, taken(Choice::Build, "it fits the plan of the year")),
        ("extended", &collecting, extended()),
    ] {
        told.push((what, decision::message(&experiment, card, &one, overrides(&one))));
    }

    let tight = with(|experiment| {
        experiment.policy.budget_cap = Some(usd("7200"));
        experiment.policy.kill_bar = 0.034;
    });
    let data = inputs(&tight, 22, &[BETWEEN]);
    let (card, outlook) = Counted::of(&tight, &self::begun(&tight), &data, as_of(&tight, 22)).with_outlook();
    told.extend(notices(&tight, &card, &outlook.unwrap()).into_iter().map(|notice| ("notice", notice.message)));
    told
}

#[test]
fn all_else_that_is_told_is_read_aloud_too() {
    let told = also_told();
    let kinds: std::collections::BTreeSet<&str> = told.iter().map(|(what, _)| *what).collect();
    assert_eq!(kinds.len(), 9, "{kinds:?}");
    let said = |what: &str, line: &str| {
        let of_it =
            || told.iter().filter(|(name, _)| *name == what).map(|(_, message)| in_lines(message.clone()).join("\n"));
        assert!(of_it().any(|text| text.contains(line)), "{what}: {line}\n{:#?}", of_it().collect::<Vec<_>>());
    };
    said(
        "withdrawn",
        "Find out why the numbers changed · stop any work begun because of the BUILD · the test goes on: let the ads run (one ad is spending $300 a day)",
    );
    said(
        "withdrawn",
        "Changed   18 days from Mon 2 Mar to Thu 19 Mar: 144 sign-ups when read on Sun 22 Mar, 72 now (source \"form\")\n",
    );
    said(
        "revised",
        "First find out why the numbers changed: decide nothing on wrong numbers · stop any work begun because of the BUILD · then decide whether to kill, as recommended, or to build all the same · stop the ads in",
    );
    said(
        "suspended",
        "once the data can be trusted again, the BUILD of Wed 18 Mar is confirmed or withdrawn: until then decide nothing and leave everything as it is, the ads too",
    );
    said("suspended", "Money     at least $5,100 spent to Wed 18 Mar ·");
    said(
        "notice",
        "Next      Stop the ads, raise the cap for a chance of BUILD, or let it run (about $1,200 more, $600 over the cap): this is no verdict",
    );
    said("confirmed", "Why       The data can be trusted again, and the BUILD stands. 8.0% signed up");
    said(
        "notice",
        "too few for BUILD before the cap (60 settled days or $7,200). That could change only if more than 4.6% (the best case so far, range 2.6 to 4.6%) signed up on the days left.",
    );
    said("notice", "If the ads run until then, about $7,800 will be spent, $600 more than the cap.");
    said(
        "notice",
        "$6,600 is spent, 92% of the cap of $7,200. Only settled days count towards the cap: the test ends once they have cost $7,200. So far they have cost $6,000. Estimate",
    );
    for (what, message) in told {
        let lines = in_lines(message).join("\n");
        println!("\n=== {what}\n{lines}");
        assert!(!lines.contains(" · or "), "{lines}");
        for word in FORBIDDEN.into_iter().chain(OF_THE_TRADE).filter(|word| *word != "  ") {
            assert!(!lines.contains(word), "{word:?} in {lines}");
        }
    }
}
