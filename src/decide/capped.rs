//! An arm at its cap, as a sentence: which cap, since when, where its numbers stand and to which side they lean. Numbers
//! follow the data after that day; what the cap ended stays ended.

use super::explain::{self, acted, arm_cap, ends, name, today, whole};
use super::figures;
use super::measure;
use crate::domain::concept::{Experiment, Model, Policy};
use crate::domain::verdict::{ArmScore, Evidence, Flag, Lean, Reason, Scorecard, Verdict};

/// `the cap of 18 settled days was reached on Sun 22 Mar. 98 of 2,800 visitors (…) signed up; the range still … It leans to
/// KILL: …`
pub fn sentence(experiment: &Experiment, card: &Scorecard, arm: &ArmScore, lean: Option<Lean>) -> String {
    let Some(lean) = lean else { return nothing_counted(experiment, card, arm) };
    let until = experiment.arms.iter().find(|one| one.id == arm.arm).and_then(|one| one.until);
    let last = [until, experiment.stop].into_iter().flatten().min();
    let lately = arm.since.is_some_and(|since| since < today(experiment, card))
        && last.is_none_or(|last| card.last_settled_day < last);
    let stands = match came_late(experiment, &arm.evidence) {
        Some((side, verdict)) => format!("the range is now {side}, but the cap came first, so it is no {verdict}"),
        None => explain::covers(experiment, &arm.evidence),
    };
    format!(
        "{}. {}{}. {}. {}",
        cap(experiment, card, arm),
        if lately { "With the days since, " } else { "" },
        acted(experiment, &arm.evidence),
        figures::capital(&stands),
        leans(experiment, card, arm, lean)
    )
}

/// `The cap of $5,000 was reached on Sat 21 Mar. No visitor was counted on any settled day, so it leans to neither side.`
fn nothing_counted(experiment: &Experiment, card: &Scorecard, arm: &ArmScore) -> String {
    let cap = cap(experiment, card, arm);
    if arm.evidence.days > 0 {
        // What was restated since makes no verdict of it.
        let acted = acted(experiment, &arm.evidence);
        return format!("{cap}, before anything was counted. With the days since, {acted}.");
    }
    let who = if card.arms.len() == 1 { "it" } else { name(experiment, &arm.arm) };
    let noun = experiment.policy.primary.denominator.metric().noun;
    let nothing = match experiment.policy.model {
        Model::Rate => format!("No {noun} was counted on any settled day"),
        Model::Cpa => "Nothing was spent on any settled day".to_owned(),
        Model::Compare => {
            format!("On no settled day was a {noun} counted both of it and of {}", explain::control(experiment))
        }
    };
    format!("{cap}. {nothing}, so {who} leans to neither side.")
}

/// Which cap it was: days first, as the policy names them first.
fn cap(experiment: &Experiment, card: &Scorecard, arm: &ArmScore) -> String {
    let today = today(experiment, card);
    let spent = arm_cap(experiment, card).zip(arm.spend).is_some_and(|(share, spend)| spend.micros >= share.micros);
    let (horizon_days, budget_cap) = explain::caps(experiment, card);
    let until = experiment.arms.iter().find(|one| one.id == arm.arm).and_then(|one| one.until);
    let was =
        arm.since.map_or_else(|| "is reached".to_owned(), |day| format!("was reached on {}", figures::day(day, today)));
    match (budget_cap, experiment.stop) {
        _ if arm.evidence.days >= horizon_days => format!("the cap of {horizon_days} settled days {was}"),
        (Some(cap), _) if spent && card.arms.len() > 1 => format!("its share of the {} cap {was}", cap.as_set()),
        (Some(cap), _) if spent => format!("the cap of {} {was}", cap.as_set()),
        _ if until.is_some_and(|until| until <= card.last_settled_day) => {
            let until = until.map_or_else(String::new, |until| figures::day(until, today));
            format!("it was taken out of the configuration after {until}")
        }
        (_, Some(stop)) if card.last_settled_day >= stop => format!("the test ended on {}", figures::day(stop, today)),
        _ => format!("the cap {was}"),
    }
}

/// `It leans to KILL, for its numbers look more like 3.0% than like 4.5%: a hint, not a verdict.`
fn leans(experiment: &Experiment, card: &Scorecard, arm: &ArmScore, lean: Lean) -> String {
    let who = if card.arms.len() == 1 { "It" } else { name(experiment, &arm.arm) };
    let policy = &experiment.policy;
    let [kill, build] = [policy.kill_bar, policy.build_bar].map(|bar| measure::bar(policy, bar));
    let (verdict, [like, unlike]) = match lean {
        Lean::Build => (Verdict::Build, [build, kill]),
        Lean::Kill => (Verdict::Kill, [kill, build]),
    };
    let because =
        arm.evidence.log_e_build.map(|_| format!(", for its numbers look more like {like} than like {unlike}"));
    format!("{who} leans to {verdict}{}: a hint, not a verdict.", because.unwrap_or_default())
}

/// The numbers follow the data after a cap was reached, and may since have come to all that a verdict needs: on which side
/// of its bar the range lies then, and of which verdict.
fn came_late(experiment: &Experiment, evidence: &Evidence) -> Option<(String, Verdict)> {
    let policy = &experiment.policy;
    let ends = ends(evidence)?;
    if evidence.days < policy.min_days || evidence.trials < whole(policy.min_exposures) {
        return None;
    }
    let enough_acts = evidence.successes >= whole(policy.min_conversions);
    if measure::clears_break_even(policy, ends) && enough_acts {
        let (good, bar) = (measure::good_side(policy), measure::bar(policy, policy.kill_bar));
        Some((format!("{good} break-even ({bar})"), Verdict::Build))
    } else if measure::misses_worth(policy, ends) {
        let (bad, bar) = (measure::bad_side(policy), measure::bar(policy, policy.build_bar));
        Some((format!("{bad} the {bar} worth building for"), Verdict::Kill))
    } else {
        None
    }
}

/// What a verdict takes besides evidence, and is not there: `14 settled days and 300 visitors`.
pub fn minimums_missing(policy: &Policy, evidence: &Evidence, verdict: Verdict) -> Option<String> {
    let mut missing = Vec::new();
    if evidence.days < policy.min_days {
        missing.push(format!("{} settled days", policy.min_days));
    }
    if evidence.trials < whole(policy.min_exposures) {
        missing.push(figures::counted(whole(policy.min_exposures), policy.primary.denominator));
    }
    if verdict == Verdict::Build && evidence.successes < whole(policy.min_conversions) {
        missing.push(figures::counted(whole(policy.min_conversions), policy.primary.numerator));
    }
    (!missing.is_empty()).then(|| figures::list(&missing))
}

/// What an arm with evidence enough for a verdict it has not got is short of, to follow `The evidence is 5.7 times what BUILD
/// needs`; nothing where it has it, or where nothing here says why.
pub fn short_of(experiment: &Experiment, arm: &ArmScore, verdict: Verdict) -> Option<String> {
    let evidence = &arm.evidence;
    let distrusted = |flag: &Flag| matches!(flag, Flag::ConversionsWithoutExposure | Flag::ConversionsExceedVisits);
    if arm.verdict == verdict {
        None
    } else if let Some(missing) = minimums_missing(&experiment.policy, evidence, verdict) {
        Some(format!("but {verdict} also needs {missing}"))
    } else if verdict == Verdict::Build && evidence.flags.iter().any(distrusted) {
        Some("but BUILD is withheld until its counts are mended".to_owned())
    } else {
        match arm.reason {
            Some(Reason::CapReached { .. }) => Some("but only since the cap was reached".to_owned()),
            Some(Reason::Guardrail { .. }) => Some("but a limit is breached".to_owned()),
            _ => None,
        }
    }
}
