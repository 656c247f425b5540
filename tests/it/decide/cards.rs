//! A scorecard of every kind, and the sentence that is said of each.

use willitsell::domain::verdict::{Evidence, Flag, GuardrailScore, Lean, Reason, Verdict};

use super::words::{autopilot, blocked, cap, card, dud, one_arm, seen, sells, team_chat};
use super::*;

/// Scorecards of every kind, each with its experiment.
pub fn every_card() -> Vec<(Experiment, Scorecard)> {
    let between = || seen(44.0, 1240.0, 0.0201, 0.0561);
    let flagged = |flag| Evidence { flags: vec![flag], ..seen(74.0, 1240.0, 0.0402, 0.0849) };
    let early = |days, trials| Evidence { days, trials, successes: 3.0, ..Evidence::default() };
    let mut capped = autopilot();
    capped.policy.budget_cap = Some(usd("3000"));
    let mut stopped = autopilot();
    stopped.stop = Some(day("2026-03-15"));
    let mut days = autopilot();
    days.policy.horizon_days = 14;
    let mut changed = autopilot();
    changed.policy.build_bar = 0.05;
    let two = || Experiment { arms: experiment(&["a", "b"]).arms, ..autopilot() };
    let mut clicks = autopilot();
    clicks.policy.primary.denominator = MetricId::CLICKS;
    let guardrail = Reason::Guardrail { name: "cost per sign-up".into() };
    let mut breached = one_arm(Verdict::Review, &guardrail, seen(74.0, 1240.0, 0.0402, 0.0849));
    breached.guardrails = vec![GuardrailScore { value: Some(112.4), breached: true, ..sells().guardrails[0].clone() }];
    let kill = |successes, high| (Verdict::Kill, None, seen(successes, 1050.0, 0.0, high));
    let build = || (Verdict::Build, None, seen(74.0, 1240.0, 0.0402, 0.0849));
    let collecting = || (Verdict::Collecting, Some(Reason::Undecided), seen(30.0, 692.0, 0.0231, 0.0712));
    vec![
        (autopilot(), sells()),
        (changed, Scorecard { generation: 2, ..sells() }),
        (team_chat(), dud()),
        (autopilot(), card(Verdict::Build, &[], &[(Verdict::Build, None, seen(74.0, 1240.0, 0.029, 0.0849))])),
        (team_chat(), card(Verdict::Kill, &[], &[kill(31.0, 0.0461)])),
        (team_chat(), card(Verdict::Kill, &[], &[kill(31.0, 0.044_96)])),
        (clicks, sells()),
        (two(), card(Verdict::Build, &[], &[build(), collecting()])),
        (two(), card(Verdict::Build, &[], &[build(), kill(9.0, 0.0209)])),
        (two(), card(Verdict::Kill, &[], &[kill(9.0, 0.0209), kill(12.0, 0.0244)])),
        (autopilot(), card(Verdict::Build, &[], &[(Verdict::Build, None, flagged(Flag::AutocorrelatedDays))])),
        (
            team_chat(),
            card(
                Verdict::Kill,
                &[],
                &[(
                    Verdict::Kill,
                    None,
                    Evidence { flags: vec![Flag::ZeroConversions], ..seen(0.0, 1050.0, 0.0, 0.0091) },
                )],
            ),
        ),
        (
            autopilot(),
            Scorecard {
                as_of: "2026-03-03T06:00:00Z".parse().unwrap(),
                ..one_arm(Verdict::Collecting, &Reason::Insufficient, Evidence::default())
            },
        ),
        (autopilot(), one_arm(Verdict::Collecting, &Reason::Insufficient, Evidence::default())),
        (autopilot(), one_arm(Verdict::Collecting, &Reason::Insufficient, early(9, 118.0))),
        (autopilot(), one_arm(Verdict::Collecting, &Reason::Insufficient, early(15, 11.0))),
        (autopilot(), one_arm(Verdict::Collecting, &Reason::Undecided, between())),
        (autopilot(), one_arm(Verdict::Collecting, &Reason::Undecided, seen(7.0, 80.0, 0.0312, 0.21))),
        (autopilot(), one_arm(Verdict::Collecting, &Reason::Undecided, flagged(Flag::ConversionsWithoutExposure))),
        (autopilot(), one_arm(Verdict::Collecting, &Reason::Undecided, flagged(Flag::ConversionsExceedVisits))),
        (days, one_arm(Verdict::Review, &cap(Lean::Build), between())),
        (capped.clone(), one_arm(Verdict::Review, &cap(Lean::Kill), between())),
        (stopped, one_arm(Verdict::Review, &cap(Lean::Kill), seen(9.0, 250.0, 0.0, 0.0401))),
        (autopilot(), breached),
        (
            two(),
            card(
                Verdict::Review,
                &[Reason::ArmsDisagree],
                &[kill(9.0, 0.0209), (Verdict::Review, Some(cap(Lean::Build)), between())],
            ),
        ),
        (
            Experiment { arms: two().arms, ..capped },
            card(
                Verdict::Review,
                &[cap(Lean::Build)],
                &[
                    (Verdict::Review, Some(cap(Lean::Kill)), between()),
                    (Verdict::Review, Some(cap(Lean::Build)), between()),
                ],
            ),
        ),
    ]
    .into_iter()
    .chain(every_defect())
    .collect()
}

fn every_defect() -> Vec<(Experiment, Scorecard)> {
    let at = Some("2026-03-15T06:00:02Z".parse().unwrap());
    let source = || SourceId::new("ads");
    vec![
        (autopilot(), blocked(Reason::NoData { sources: vec![SourceId::new("form")] })),
        (autopilot(), blocked(Reason::NoData { sources: vec![source(), SourceId::new("form")] })),
        (autopilot(), blocked(Reason::Stale { source: source(), last_pull: at })),
        (autopilot(), blocked(Reason::Stale { source: source(), last_pull: None })),
        (
            autopilot(),
            blocked(Reason::UnmappedSpend {
                amount: Some(usd("412.5")),
                share: 0.18,
                keys: vec!["ads: 7003".into(), "ads: 7009".into()],
            }),
        ),
        (autopilot(), blocked(Reason::UnmappedActs { acts: 12.0, keys: vec!["form: no key".into()] })),
        (
            autopilot(),
            blocked(Reason::FewerRows {
                source: source(),
                first_day: day("2026-03-02"),
                last_day: day("2026-03-12"),
                rows: [1320, 1],
                metric: Some(MetricId::SPEND),
                amounts: [3170.0, 12.5],
                seen_on: day("2026-03-17"),
            }),
        ),
        (
            autopilot(),
            blocked(Reason::FewerRows {
                source: SourceId::new("form"),
                first_day: day("2026-03-02"),
                last_day: day("2026-03-12"),
                rows: [74, 40],
                metric: None,
                amounts: [0.0, 0.0],
                seen_on: day("2026-03-17"),
            }),
        ),
        (
            autopilot(),
            blocked(Reason::ImpossibleCounts {
                arm_days: 4,
                of: 14,
                examples: vec!["Plan a on 2026-03-12: 12 sign-ups, 10 visitors".into()],
            }),
        ),
        (
            autopilot(),
            blocked(Reason::NamelessActs { acts: 12.0, counted: 74.0, sources: vec![SourceId::new("poll")] }),
        ),
        (autopilot(), blocked(Reason::MixedCurrencies { currencies: vec!["EUR".into(), "USD".into()] })),
    ]
}

/// What is said of each of them, in the same order.
pub const SENTENCES: [&str; 37] = [
    "BUILD: Invoice Autopilot, reached on Sun 15 Mar. 74 of 1,240 visitors (6.0%, range 4.0 to 8.5%) signed up; break-even, fixed on Mon 2 Mar, is 3.0%. All limits (guardrails) hold.",
    "BUILD: Invoice Autopilot, reached on Sun 15 Mar. 74 of 1,240 visitors (6.0%, range 4.0 to 8.5%) signed up; break-even, changed after the start (this is test 2), is 3.0%. All limits (guardrails) hold.",
    "KILL: Team Chat Widget, reached on Sun 15 Mar. Even the best case (2.1%) misses the 4.5% worth building for, and break-even (3.0%) too. 9 of 1,050 visitors (0.9%, range 0.0 to 2.1%) signed up. Not building it saves up to $46,800.",
    "BUILD: Invoice Autopilot, reached on Sun 15 Mar. 74 of 1,240 visitors (6.0%, range 2.9 to 8.5%) signed up; break-even, fixed on Mon 2 Mar, is 3.0%. The whole range was above break-even on Sun 15 Mar; it has widened since.",
    "KILL: Team Chat Widget, reached on Sun 15 Mar. On Sun 15 Mar even the best case missed the 4.5% worth building for; the range has widened since. 31 of 1,050 visitors (2.95%, range 0.0 to 4.6%) signed up. Not building it saves up to $46,800.",
    "KILL: Team Chat Widget, reached on Sun 15 Mar. Even the best case (4.496%) misses the 4.5% worth building for. 31 of 1,050 visitors (2.95%, range 0.000 to 4.496%) signed up. Not building it saves up to $46,800.",
    "BUILD: Invoice Autopilot, reached on Sun 15 Mar. 74 of 1,240 clicks (6.0%, range 4.0 to 8.5%) led to a sign-up; break-even, fixed on Mon 2 Mar, is 3.0%. All limits (guardrails) hold.",
    "BUILD: Invoice Autopilot, reached on Sun 15 Mar. Plan a: 74 of 1,240 visitors (6.0%, range 4.0 to 8.5%) signed up; break-even, fixed on Mon 2 Mar, is 3.0%. Plan b is not part of this BUILD: its range (2.3 to 7.1%) is not yet all above break-even.",
    "BUILD: Invoice Autopilot, reached on Sun 15 Mar. Plan a: 74 of 1,240 visitors (6.0%, range 4.0 to 8.5%) signed up; break-even, fixed on Mon 2 Mar, is 3.0%. Plan b is not part of this BUILD: by itself it is a KILL (range 0.0 to 2.1%; 4.5% would be worth building for).",
    "KILL: Invoice Autopilot, reached on Sun 15 Mar. Even the best case of both (2.4%) misses the 4.5% worth building for, and break-even (3.0%) too. Plan a: 9 of 1,050 visitors (0.9%, range 0.0 to 2.1%) signed up. Plan b: 12 of 1,050 visitors (1.1%, range 0.0 to 2.4%) signed up. Not building it saves up to $46,800.",
    "BUILD: Invoice Autopilot, reached on Sun 15 Mar. 74 of 1,240 visitors (6.0%, range 4.0 to 8.5%) signed up; break-even, fixed on Mon 2 Mar, is 3.0%. Good and bad days came in runs, so take this as provisional: a second test run would settle it.",
    "KILL: Team Chat Widget, reached on Sun 15 Mar. Even the best case (0.9%) misses the 4.5% worth building for, and break-even (3.0%) too. 0 of 1,050 visitors (0.0%, range 0.0 to 0.9%) signed up. Not building it saves up to $46,800. No sign-up was counted on any settled day: check the tracking before you believe this.",
    "COLLECTING: Invoice Autopilot. First numbers on Thu 5 Mar: a day counts after 3 days.",
    "COLLECTING: Invoice Autopilot. No numbers yet: a day counts after 3 days.",
    "COLLECTING: Invoice Autopilot. Too early: 9 of the 14 settled days and 118 of the 300 visitors that a verdict needs; no BUILD or KILL before Mon 23 Mar.",
    "COLLECTING: Invoice Autopilot. Too early: 11 of the 300 visitors that a verdict needs.",
    "COLLECTING: Invoice Autopilot. 44 of 1,240 visitors (3.5%, range 2.0 to 5.6%) signed up. The range still covers both break-even (3.0%) and the 4.5% worth building for.",
    "COLLECTING: Invoice Autopilot. 7 of 80 visitors (8.8%, range 3.1 to 21.0%) signed up: above break-even (3.0%), but BUILD needs 10 sign-ups.",
    "COLLECTING: Invoice Autopilot. 74 of 1,240 visitors (6.0%, range 4.0 to 8.5%) signed up: above break-even (3.0%), but BUILD is withheld. At least one day has sign-ups but no visitors: that day is left out, and there can be no BUILD until its counts are mended.",
    "COLLECTING: Invoice Autopilot. 74 of 1,240 visitors (6.0%, range 4.0 to 8.5%) signed up: above break-even (3.0%), but BUILD is withheld. At least one day has more sign-ups than visitors: the surplus is left out, and there can be no BUILD until its counts are mended.",
    "REVIEW: Invoice Autopilot. The cap of 14 settled days was reached on Sun 15 Mar. With the days since, 44 of 1,240 visitors (3.5%, range 2.0 to 5.6%) signed up. The range still covers both break-even (3.0%) and the 4.5% worth building for. It leans to BUILD, for its numbers look more like 4.5% than like 3.0%: a hint, not a verdict.",
    "REVIEW: Invoice Autopilot. The cap of $3,000 was reached on Sun 15 Mar. With the days since, 44 of 1,240 visitors (3.5%, range 2.0 to 5.6%) signed up. The range still covers both break-even (3.0%) and the 4.5% worth building for. It leans to KILL, for its numbers look more like 3.0% than like 4.5%: a hint, not a verdict.",
    "REVIEW: Invoice Autopilot. The test ended on Sun 15 Mar. 9 of 250 visitors (3.6%, range 0.0 to 4.0%) signed up. The range is below the 4.5% worth building for, but KILL needs 300 visitors. It leans to KILL, for its numbers look more like 3.0% than like 4.5%: a hint, not a verdict.",
    "REVIEW: Invoice Autopilot, reached on Sun 15 Mar. 74 of 1,240 visitors (6.0%, range 4.0 to 8.5%) signed up, which is enough for BUILD. But cost per sign-up ($112) is above its limit of $84.",
    "REVIEW: Invoice Autopilot. The versions disagree: none is BUILD, and not all are KILL. Plan a is KILL: 9 of 1,050 visitors (0.9%, range 0.0 to 2.1%) signed up. Plan b: the cap was reached on Sun 15 Mar. With the days since, 44 of 1,240 visitors (3.5%, range 2.0 to 5.6%) signed up. The range still covers both break-even (3.0%) and the 4.5% worth building for. Plan b leans to BUILD, for its numbers look more like 4.5% than like 3.0%: a hint, not a verdict.",
    "REVIEW: Invoice Autopilot. Plan a: its share of the $3,000 cap was reached on Sun 15 Mar. With the days since, 44 of 1,240 visitors (3.5%, range 2.0 to 5.6%) signed up. The range still covers both break-even (3.0%) and the 4.5% worth building for. Plan a leans to KILL, for its numbers look more like 3.0% than like 4.5%: a hint, not a verdict. Plan b: its share of the $3,000 cap was reached on Sun 15 Mar. With the days since, 44 of 1,240 visitors (3.5%, range 2.0 to 5.6%) signed up. The range still covers both break-even (3.0%) and the 4.5% worth building for. Plan b leans to BUILD, for its numbers look more like 4.5% than like 3.0%: a hint, not a verdict.",
    "BLOCKED: Invoice Autopilot, no verdict until this is fixed. Source \"form\" has brought no sign-ups since the test began. Check that it reads the right account. If it is a file, check that it has a column of sign-ups. If it is a form that nobody has filled in yet, send one test answer.",
    "BLOCKED: Invoice Autopilot, no verdict until this is fixed. Nothing that decides this test has come from sources \"ads\" and \"form\" since it began. Check that each of them reads the right account. If it is a file, check that it has the columns of sign-ups and visitors. If it is a form that nobody has filled in yet, send one test answer.",
    "BLOCKED: Invoice Autopilot, no verdict until this is fixed. Source \"ads\" was last read on Sun 15 Mar. Readings were planned since then, but nothing has come, so its later days are missing. To see what is wrong, run `willitsell pull`.",
    "BLOCKED: Invoice Autopilot, no verdict until this is fixed. Source \"ads\" has never been read, although two readings or more were planned. To see what is wrong, run `willitsell pull`.",
    "BLOCKED: Invoice Autopilot, no verdict until this is fixed. $413 of the $3,583 spent to Sun 15 Mar (18%) went to campaigns that belong to no version of this test (\"7003\" of source \"ads\" and \"7009\" of source \"ads\"). Say in the configuration file which version each belongs to, or that it has no part in any test: `willitsell explain invoice-autopilot` shows the lines to write.",
    "BLOCKED: Invoice Autopilot, no verdict until this is fixed. None of the 12 sign-ups so far can be matched to Plan a: they do not say where the person came from, and do not count without that. The form must record, for each person, the campaign or the version of the page they came from. Once it does, leave out the days up to then, or they count as days without sign-ups: `willitsell explain invoice-autopilot` shows the lines to write.",
    "BLOCKED: Invoice Autopilot, no verdict until this is fixed. Source \"ads\" now shows 1 row and $12.50 of spend for Mon 2 Mar to Thu 12 Mar. Before, it showed 1,320 rows and $3,170 of spend. Check that the account still shows everything and that nobody has narrowed its access. If the lower numbers are right, write `accept_shrink = \"2026-03-18\"` under `[source.ads]` in the configuration file: then they count.",
    "BLOCKED: Invoice Autopilot, no verdict until this is fixed. Source \"form\" now shows 40 rows for Mon 2 Mar to Thu 12 Mar. Before, it showed 74 rows. Check that the account still shows everything and that nobody has narrowed its access. If the lower numbers are right, write `accept_shrink = \"2026-03-18\"` under `[source.form]` in the configuration file: then they count.",
    "BLOCKED: Invoice Autopilot, no verdict until this is fixed. On 4 of 14 days the counts cannot be right, for example Plan a on Thu 12 Mar: 12 sign-ups from 10 visitors. Check that both numbers count the same people on the same pages. If an ad platform counts the sign-ups, have it count only people who clicked an ad. Then leave those days out: `willitsell explain invoice-autopilot` shows the lines to write.",
    "BLOCKED: Invoice Autopilot, no verdict until this is fixed. 12 sign-ups of source \"poll\" carry no e-mail address. They do not count, for they may be the same people as the 74 that other sources counted. In the configuration file, delete `\"poll\"` from the line `sources` under `[experiment.invoice-autopilot]`: then the others count alone. Or have source \"poll\" ask for an address: then new sign-ups count, and the test goes on once no more than 10 in 100 of all sign-ups lack one (now 12 of 86).",
    "BLOCKED: Invoice Autopilot, no verdict until this is fixed. Source \"ads\" brought money in EUR and USD. Amounts in different currencies are never added up, so nobody can say what a sign-up costs. See that it reads one account, in one currency, then read all days again: `willitsell pull --source ads --since 2026-03-02`.",
];
