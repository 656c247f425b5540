//! Every verdict, reason and flag as a plain sentence that a reader without statistics takes in at
//! once (design.md section 6). How figures print is `figures`; the long way to a verdict `derivation`.

use std::mem::discriminant;

use chrono::{Days, NaiveDate};

use super::best;
use super::capped;
use super::decision;
use super::defects;
use super::figures;
use super::flags;
use super::keys;
use super::measure;
use super::money;
use super::next;
use super::notes;
use super::portfolio;
use crate::domain::concept::{Experiment, Model, Rate};
use crate::domain::id::ArmId;
use crate::domain::metric::{MetricId, Unit};
use crate::domain::millionths;
use crate::domain::money::{Currency, Money};
use crate::domain::verdict::{ArmScore, Evidence, Flag, GuardrailScore, Reason, Scorecard, Verdict};

/// The verdict with its concept and its sentence: `BUILD: Invoice Autopilot. 74 of 1,240 …`.
pub fn banner(experiment: &Experiment, card: &Scorecard) -> String {
    let besides = withheld(card).map(ToOwned::to_owned).or_else(|| reached_before(experiment, card));
    let besides = besides.map_or_else(String::new, |besides| format!(", {besides}"));
    format!("{}: {}{besides}. {}", card.verdict, experiment.concept.title, sentence(experiment, card))
}

/// `reached on Wed 18 Mar`, of a verdict that is not of today; a cap says itself when it was reached.
pub fn reached_before(experiment: &Experiment, card: &Scorecard) -> Option<String> {
    let at_cap = card.arms.iter().any(|arm| matches!(arm.reason, Some(Reason::CapReached { .. })));
    let (since, today) = (since(experiment, card), today(experiment, card));
    let is_old = card.verdict.is_terminal() && !at_cap && since < today;
    is_old.then(|| format!("reached on {}", figures::day(since, today)))
}

/// What a defect of the data holds back, and until when.
pub fn withheld(card: &Scorecard) -> Option<&'static str> {
    let until = if card.reasons.iter().any(next::ends_the_test) {
        "this test can give no verdict"
    } else if card.reasons.iter().all(next::ends_by_itself) {
        "no verdict for now"
    } else {
        "no verdict until this is fixed"
    };
    (card.verdict == Verdict::Blocked).then_some(until)
}

/// What the verdict rests on, for a reader who has the verdict before their eyes.
pub fn sentence(experiment: &Experiment, card: &Scorecard) -> String {
    let mut parts = match card.verdict {
        Verdict::Build => build(experiment, card),
        Verdict::Kill => kill(experiment, card),
        Verdict::Collecting | Verdict::Review => card.reasons.iter().map(|why| reason(experiment, card, why)).collect(),
        Verdict::Blocked => {
            let told = card.reasons.iter().filter(|why| !told_with_the_spend(card, why));
            told.map(|why| reason(experiment, card, why)).collect()
        }
    };
    if card.verdict != Verdict::Blocked {
        parts.extend(flags::told(experiment, card));
    }
    parts.extend(notes::told(experiment, card));
    parts.extend(decision::raises(experiment, card));
    parts.join(" ")
}

/// Acts on the very campaigns whose spend belongs to no arm: one fault, one sentence.
pub fn told_with_the_spend(card: &Scorecard, why: &Reason) -> bool {
    let Reason::UnmappedActs { keys, .. } = why else { return false };
    let spend = card.reasons.iter().find_map(|why| match why {
        Reason::UnmappedSpend { keys, .. } => Some(keys),
        _ => None,
    });
    spend.is_some_and(|spent| keys.iter().all(|key| spent.contains(key)))
}

/// Why a verdict is not BUILD or KILL.
pub fn reason(experiment: &Experiment, card: &Scorecard, why: &Reason) -> String {
    match why {
        Reason::Insufficient
        | Reason::Undecided
        | Reason::Srm
        | Reason::CapReached { .. }
        | Reason::Guardrail { .. } => {
            // Arms at their cap may lean to different sides: each says its own.
            let concerned = card.arms.iter().filter_map(|arm| Some((arm, arm.reason.as_ref()?)));
            let sentences: Vec<String> = concerned
                .filter(|(_, own)| discriminant(*own) == discriminant(why))
                .map(|(arm, own)| match who(experiment, card, arm) {
                    name if name.is_empty() => figures::capital(&of_arm(experiment, card, arm, own)),
                    name => name + &of_arm(experiment, card, arm, own),
                })
                .collect();
            sentences.join(" ")
        }
        Reason::Portfolio(withheld) => {
            let held = card.arms.iter().filter(|arm| arm.reason.as_ref().is_some_and(|own| own.withheld().is_some()));
            let counted =
                held.map(|arm| format!("{}{}.", who(experiment, card, arm), acted(experiment, &arm.evidence)));
            counted.chain([portfolio::sentence(withheld)]).collect::<Vec<_>>().join(" ")
        }
        Reason::ArmsDisagree => {
            let stands = card.arms.iter().map(|arm| {
                let name = name(experiment, &arm.arm);
                match &arm.reason {
                    Some(why) => format!("{name}: {}", of_arm(experiment, card, arm, why)),
                    None => format!("{name} is {}: {}.", arm.verdict, acted(experiment, &arm.evidence)),
                }
            });
            let stands = stands.collect::<Vec<_>>().join(" ");
            format!("The versions disagree: none is BUILD, and not all are KILL. {stands}")
        }
        _ => defects::defect(experiment, card, why),
    }
}

/// `$412 of the $2,290 spent to Sun 15 Mar (18%) went to campaigns that belong to no version of this test ("7003" of source
/// "ads")`.
pub fn unmapped(
    experiment: &Experiment,
    card: &Scorecard,
    (amount, share): (Option<Money>, f64),
    keys: &[String],
) -> String {
    let keys = figures::list(&keys::named(experiment, keys));
    let to = figures::day(card.last_settled_day, today(experiment, card));
    let part = figures::share(share);
    let all = card.spend.zip(amount).and_then(|(own, rest)| own.plus(rest).ok());
    let spent = match (amount, all) {
        (Some(amount), _) if share >= 1.0 => format!("All spend to {to} ({amount})"),
        (Some(amount), Some(all)) => format!("{amount} of the {all} spent to {to} ({part})"),
        (Some(amount), None) => format!("{amount} ({part} of the spend to {to})"),
        (None, _) => format!("Part of the money ({part} of the spend to {to})"),
    };
    format!("{spent} went to campaigns that belong to no version of this test ({keys})")
}

/// Spend that belongs to no arm, whether or not it is enough to block.
pub fn left_out(experiment: &Experiment, card: &Scorecard) -> Option<String> {
    match &card.unmapped {
        Some(Reason::UnmappedSpend { amount, share, keys }) => {
            Some(format!("{}.", unmapped(experiment, card, (*amount, *share), keys)))
        }
        _ => None,
    }
}

fn build(experiment: &Experiment, card: &Scorecard) -> Vec<String> {
    let above: Vec<&ArmScore> = card.arms.iter().filter(|arm| arm.verdict == Verdict::Build).collect();
    let mut parts = vec![];
    for (position, arm) in above.iter().enumerate() {
        let who = who(experiment, card, arm);
        let break_even = if position == 0 { format!("; {}", break_even(experiment, card)) } else { String::new() };
        parts.push(format!("{who}{}{break_even}.", acted(experiment, &arm.evidence)));
    }
    parts.extend(slipped(experiment, card));
    parts.extend(best::said(experiment, card, &card.best));
    if !card.guardrails.is_empty() {
        parts.push(guardrails(card));
    }
    parts.extend(weak_point(experiment, card));
    parts
}

/// A BUILD whose numbers have moved since: a verdict stays, the range follows the data.
pub fn slipped(experiment: &Experiment, card: &Scorecard) -> Option<String> {
    let policy = &experiment.policy;
    let built = card.arms.iter().filter(|arm| arm.verdict == Verdict::Build);
    let slipped = |arm: &&ArmScore| ends(&arm.evidence).is_some_and(|ends| !measure::clears_break_even(policy, ends));
    let since = figures::day(built.filter(slipped).find_map(|arm| arm.since)?, today(experiment, card));
    let side = measure::good_side(policy);
    Some(format!("The whole range was {side} break-even on {since}; it has widened since."))
}

fn kill(experiment: &Experiment, card: &Scorecard) -> Vec<String> {
    let mut parts = vec![format!("{}.", figures::capital(&best_case(experiment, card)))];
    parts.extend(
        card.arms.iter().map(|arm| format!("{}{}.", who(experiment, card, arm), acted(experiment, &arm.evidence))),
    );
    parts.extend(experiment.money.build_cost().map(|cost| format!("Not building it saves up to {cost}.")));
    parts.extend(money::still_spending(card, today(experiment, card)).map(|ads| figures::capital(&ads) + "."));
    parts
}

/// `even the best case (2.1%) misses the 4.5% worth building for, and break-even too`; where the numbers
/// have moved since the verdict, that it was so on its day.
pub fn best_case(experiment: &Experiment, card: &Scorecard) -> String {
    let policy = &experiment.policy;
    let worth = measure::bar(policy, policy.build_bar);
    let whose = match card.arms.len() {
        1 => "the best case",
        2 => "the best case of both",
        _ => "the best case of all",
    };
    let best_ends = card.arms.iter().filter_map(|arm| Some(measure::best(policy, ends(&arm.evidence)?)));
    let best = best_ends.reduce(|best, one| if measure::is_better(policy, one, best) { one } else { best });
    match best {
        Some(best) if !measure::is_better(policy, best, policy.build_bar) => {
            let best_case = measure::end(policy, best);
            let missed = measure::is_better(policy, policy.kill_bar, best);
            let break_even = measure::bar(policy, policy.kill_bar);
            // A cost that is too high misses nothing.
            let (verb, preposition) = if policy.model == Model::Cpa { ("is above", "above ") } else { ("misses", "") };
            let too = if missed { format!(", and {preposition}break-even ({break_even}) too") } else { String::new() };
            format!("even {whose} ({best_case}) {verb} the {worth} worth building for{too}")
        }
        _ => {
            let since = figures::day(since(experiment, card), today(experiment, card));
            let was = if policy.model == Model::Cpa { "was above" } else { "missed" };
            format!("on {since} even {whose} {was} the {worth} worth building for; the range has widened since")
        }
    }
}

/// `break-even, fixed on Mon 2 Mar, is 3.0%`. A later test of the same concept says that it is one.
pub fn break_even(experiment: &Experiment, card: &Scorecard) -> String {
    let policy = &experiment.policy;
    let mut bar = measure::bar(policy, policy.kill_bar);
    if policy.model == Model::Compare && policy.kill_bar.total_cmp(&1.0).is_eq() {
        bar = format!("the rate of {} ({bar})", control(experiment));
    }
    if card.generation == 1 {
        let fixed = figures::day(experiment.start, today(experiment, card));
        format!("break-even, fixed on {fixed}, is {bar}")
    } else {
        format!("break-even, changed after the start (this is test {}), is {bar}", card.generation)
    }
}

/// Which guardrails are breached, or that none is; that they hold only where no value lies beyond its limit.
fn guardrails(card: &Scorecard) -> String {
    let scores = &card.guardrails;
    let breached: Vec<String> = scores.iter().filter(|score| score.breached).map(|score| score.name.clone()).collect();
    let mut all = card.arms.iter().flat_map(|arm| &arm.guardrails).chain(scores);
    if !breached.is_empty() {
        format!("Breached: {}.", figures::list(&breached))
    } else if all.any(is_beyond) {
        "No limit (guardrail) is breached.".into()
    } else {
        "All limits (guardrails) hold.".into()
    }
}

/// Whether the value seen lies beyond the limit, which chance alone may have done.
pub fn is_beyond(score: &GuardrailScore) -> bool {
    score.value.is_some_and(|value| if score.is_max { value > score.limit } else { value < score.limit })
}

/// What a BUILD of one version says least about: another one.
pub fn weak_point(experiment: &Experiment, card: &Scorecard) -> Option<String> {
    let weakest = card
        .arms
        .iter()
        .filter(|arm| arm.verdict != Verdict::Build)
        .min_by(|a, b| a.evidence.log_e_build.unwrap_or(0.0).total_cmp(&b.evidence.log_e_build.unwrap_or(0.0)))?;
    let name = name(experiment, &weakest.arm);
    let policy = &experiment.policy;
    let weak = match (&weakest.reason, ends(&weakest.evidence)) {
        (Some(Reason::Guardrail { name: rail }), _) => format!("by itself it breaches {rail}"),
        (_, Some(ends)) if weakest.verdict == Verdict::Kill && measure::misses_worth(policy, ends) => format!(
            "by itself it is a KILL (range {}; {} would be worth building for)",
            measure::range(policy, ends),
            measure::bar(policy, policy.build_bar)
        ),
        (_, Some(ends)) if !measure::clears_break_even(policy, ends) => {
            let range = measure::range(policy, ends);
            format!("its range ({range}) is not yet all {} break-even", measure::good_side(policy))
        }
        _ => "by itself it has not settled".to_owned(),
    };
    Some(format!("{name} is not part of this BUILD: {weak}."))
}

/// Which version a sentence is about, where there are several.
pub fn who(experiment: &Experiment, card: &Scorecard, arm: &ArmScore) -> String {
    if card.arms.len() == 1 { String::new() } else { format!("{}: ", name(experiment, &arm.arm)) }
}

/// One arm's reason, to follow its name or to begin a sentence.
fn of_arm(experiment: &Experiment, card: &Scorecard, arm: &ArmScore, why: &Reason) -> String {
    match why {
        Reason::Insufficient => insufficient(experiment, card, &arm.evidence),
        Reason::CapReached { lean } => capped::sentence(experiment, card, arm, *lean),
        Reason::Portfolio(_) => {
            format!(
                "{}, which is enough for BUILD alone, but not beside the other concepts.",
                acted(experiment, &arm.evidence)
            )
        }
        Reason::Srm => "visitors are not split as they were meant to be, so nothing can be compared.".into(),
        Reason::Guardrail { name } => format!(
            "{}, which is enough for BUILD. But {}.",
            acted(experiment, &arm.evidence),
            breach(experiment, card, name)
        ),
        _ => undecided(experiment, &arm.evidence),
    }
}

fn insufficient(experiment: &Experiment, card: &Scorecard, evidence: &Evidence) -> String {
    let policy = &experiment.policy;
    let today = today(experiment, card);
    if evidence.days == 0 {
        let first = experiment.start.checked_add_days(Days::new(u64::from(policy.maturity_lag_days)));
        let wait = format!("a day counts after {}", figures::days(policy.maturity_lag_days));
        return match first.filter(|&first| card.generation == 1 && first > today) {
            Some(first) => format!("first numbers on {}: {wait}.", figures::day(first, today)),
            None => format!("no numbers yet: {wait}."),
        };
    }
    let mut have = vec![];
    if evidence.days < policy.min_days {
        have.push(format!("{} of the {} settled days", evidence.days, policy.min_days));
    }
    let min_exposures = whole(policy.min_exposures);
    if evidence.trials < min_exposures {
        have.push(format!(
            "{} of the {} {}",
            figures::count(evidence.trials.floor()),
            figures::count(min_exposures),
            figures::many(policy.primary.denominator)
        ));
    }
    let earliest = notes::no_sooner(policy.min_days.saturating_sub(evidence.days), today);
    format!("too early: {} that a verdict needs{earliest}.", figures::list(&have))
}

fn undecided(experiment: &Experiment, evidence: &Evidence) -> String {
    let policy = &experiment.policy;
    let counted = acted(experiment, evidence);
    let withheld = evidence
        .flags
        .iter()
        .any(|flag| matches!(flag, Flag::ConversionsWithoutExposure | Flag::ConversionsExceedVisits));
    let (side, clears) = (measure::good_side(policy), |ends| measure::clears_break_even(policy, ends));
    match ends(evidence) {
        Some(ends) if clears(ends) && evidence.successes < whole(policy.min_conversions) => format!(
            "{counted}: {side} break-even ({}), but BUILD needs {}.",
            measure::bar(policy, policy.kill_bar),
            figures::counted(whole(policy.min_conversions), policy.primary.numerator)
        ),
        Some(ends) if clears(ends) && withheld => {
            let bar = measure::bar(policy, policy.kill_bar);
            format!("{counted}: {side} break-even ({bar}), but BUILD is withheld.")
        }
        _ => format!("{counted}. {}.", figures::capital(&covers(experiment, evidence))),
    }
}

/// Where the range lies, after a count that has given it.
pub fn covers(experiment: &Experiment, evidence: &Evidence) -> String {
    let policy = &experiment.policy;
    let (break_even, worth) = (measure::bar(policy, policy.kill_bar), measure::bar(policy, policy.build_bar));
    let (good, bad) = (measure::good_side(policy), measure::bad_side(policy));
    let short_of = |verdict| {
        let missing = capped::minimums_missing(policy, evidence, verdict);
        missing.map_or_else(String::new, |missing| format!(", but {verdict} needs {missing}"))
    };
    match ends(evidence) {
        None => "there is no range yet".into(),
        Some(ends) if measure::clears_break_even(policy, ends) => {
            format!("the range is {good} break-even ({break_even}){}", short_of(Verdict::Build))
        }
        Some(ends) if measure::misses_worth(policy, ends) => {
            format!("the range is {bad} the {worth} worth building for{}", short_of(Verdict::Kill))
        }
        Some(_) => format!("the range still covers both break-even ({break_even}) and the {worth} worth building for"),
    }
}

/// Active settled days and money after which the test is at its cap, as raised so far.
pub fn caps(experiment: &Experiment, card: &Scorecard) -> (u32, Option<Money>) {
    decision::caps(&experiment.policy, card.raises())
}

/// An arm's equal share of the budget cap.
pub fn arm_cap(experiment: &Experiment, card: &Scorecard) -> Option<Money> {
    let arms = i64::try_from(card.arms.len().max(1)).unwrap_or(i64::MAX);
    caps(experiment, card).1.map(|cap| Money { micros: cap.micros / arms, ..cap })
}

fn breach(experiment: &Experiment, card: &Scorecard, name: &str) -> String {
    let rail = experiment.policy.guardrails.iter().find(|rail| rail.name == name);
    let score = card.guardrails.iter().find(|score| score.name == name);
    let Some((rail, score)) = rail.zip(score) else { return format!("{name} is beyond its limit") };
    let print = |value| guardrail_figure(rail.numerator, value, card.spend.map(|spend| spend.currency));
    // One arm's breach need not show in the value of all arms together.
    let shows = |value: &f64| if score.is_max { *value > score.limit } else { *value < score.limit };
    let value = score.value.filter(shows).map_or_else(String::new, |value| format!(" ({})", print(value)));
    let side = if score.is_max { "above" } else { "below" };
    format!(
        "{name}{value} is {side} its limit of {}",
        limit_figure(rail.numerator, score.limit, card.spend.map(|spend| spend.currency))
    )
}

/// A guardrail's value: money per act, or a share in whole per cent.
pub fn guardrail_figure(numerator: MetricId, value: f64, currency: Option<Currency>) -> String {
    match (numerator.metric().unit, currency) {
        (Unit::Money, Some(currency)) => Money { micros: millionths::ONE, currency }
            .times(value)
            .map_or_else(|| figures::count(value), |money| money.to_string()),
        (Unit::Money, None) => figures::count(value),
        (Unit::Count, _) => figures::share(value),
    }
}

/// A guardrail's limit, as somebody set it: `$84`, `40%`.
pub fn limit_figure(numerator: MetricId, limit: f64, currency: Option<Currency>) -> String {
    let text = guardrail_figure(numerator, limit, currency);
    text.strip_suffix(".00").map_or_else(|| text.clone(), ToOwned::to_owned)
}

/// `74 of 1,240 visitors (6.0%, range 4.0 to 8.5%) signed up`, `74 sign-ups for $3,170 ($42.84 each, range …)`, `74 of
/// 1,240 visitors (1.46 times the rate of Today, range …) signed up`; shares of fewer than 20 as counts only.
pub fn acted(experiment: &Experiment, evidence: &Evidence) -> String {
    let policy = &experiment.policy;
    let counts = measure::counts(policy, evidence.successes, evidence.trials);
    let is_cost = policy.model == Model::Cpa;
    let of_what = match policy.model {
        Model::Rate => String::new(),
        Model::Cpa => " each".into(),
        Model::Compare => format!(" the rate of {}", control(experiment)),
    };
    let estimate = evidence.estimate.filter(|_| is_cost || figures::enough_for_a_share(evidence.trials));
    let estimate = estimate.map(|estimate| format!("{}{of_what}", measure::value(policy, estimate)));
    let figures = match (estimate, ends(evidence)) {
        (Some(estimate), Some(ends)) => format!(" ({estimate}, {})", measure::named_range(policy, ends)),
        (Some(estimate), None) => format!(" ({estimate})"),
        (None, Some(ends)) if is_cost => format!(" ({}{of_what})", measure::range(policy, ends)),
        (None, _) => String::new(),
    };
    if is_cost { format!("{counts}{figures}") } else { format!("{counts}{figures} {}", did(experiment)) }
}

/// What people call the arm the others are compared with.
pub fn control(experiment: &Experiment) -> &str {
    experiment.arms.iter().find(|arm| arm.control).map_or("the control", |arm| &arm.title)
}

/// `signed up`, of visitors; of clicks, which are no people, `led to a sign-up`.
pub fn did(experiment: &Experiment) -> String {
    let Rate { numerator, denominator, .. } = experiment.policy.primary;
    if denominator == MetricId::VISITS {
        numerator.metric().acts.to_owned()
    } else {
        format!("led to a {}", numerator.metric().noun)
    }
}

/// The same to follow a share: `signed up`, `of clicks led to a sign-up`.
pub fn share_did(experiment: &Experiment) -> String {
    match experiment.policy.primary.denominator {
        MetricId::VISITS => did(experiment),
        other => format!("of {} {}", figures::many(other), did(experiment)),
    }
}

/// Both ends of the range, where there is one; an upper end that is not bounded is infinite.
pub fn ends(evidence: &Evidence) -> Option<(f64, f64)> {
    evidence.low.map(|low| (low, evidence.high.unwrap_or(f64::INFINITY)))
}

/// What people call an arm.
pub fn name<'a>(experiment: &'a Experiment, id: &'a ArmId) -> &'a str {
    experiment.arms.iter().find(|arm| &arm.id == id).map_or(id.as_str(), |arm| &arm.title)
}

/// The day a scorecard speaks for, in the experiment's zone.
pub fn today(experiment: &Experiment, card: &Scorecard) -> NaiveDate {
    card.as_of.with_timezone(&experiment.timezone).date_naive()
}

/// The day a verdict was reached: of a BUILD the first arm's, of the others the last arm's.
pub fn since(experiment: &Experiment, card: &Scorecard) -> NaiveDate {
    let reached = card.arms.iter().filter(|arm| arm.verdict == card.verdict).filter_map(|arm| arm.since);
    let day = if card.verdict == Verdict::Build { reached.min() } else { reached.max() };
    day.unwrap_or_else(|| today(experiment, card))
}

/// A minimum of the policy, to compare a count with.
#[expect(clippy::cast_precision_loss, reason = "minimums of a policy, far below 2^53")]
pub fn whole(minimum: u64) -> f64 {
    minimum as f64
}
