//! What the reader is to do: the last line of a message, and of the first part of an explanation. One thing for each
//! verdict and each reason, and what the ads spend meanwhile.

use super::explain;
use super::figures;
use super::money;
use crate::domain::concept::Experiment;
use crate::domain::verdict::{Flag, Reason, Scorecard, SpendAfter, Verdict};

/// `Decide: build as recommended, kill, or test longer · stop the ads …`. `ads` is what they spend while there is no verdict; what
/// they spend after one stands on the scorecard.
pub fn to_do(experiment: &Experiment, card: &Scorecard, ads: Option<&SpendAfter>) -> String {
    let spending = |still: &str| {
        let today = explain::today(experiment, card);
        let ads = money::ads_spending(card.spend_after.as_ref().or(ads)?, still, today)?;
        // What the control's ads cost is not theirs.
        let control = experiment.arms.iter().find(|arm| arm.control);
        Some(ads + &control.map_or_else(String::new, |arm| format!(", not counting those of {}", arm.title)))
    };
    let stop = |when: &str| {
        let ads = spending(" still").map_or_else(String::new, |ads| format!(": {ads}"));
        format!("stop the ads {when}{ads}")
    };
    match card.verdict {
        Verdict::Build => {
            let weak = explain::weakest(experiment, card);
            let weak = weak.map_or_else(String::new, |weak| format!(" · weak spot: {weak}"));
            format!("Decide: build as recommended, kill, or test longer · {}{weak}", stop("unless you test longer"))
        }
        Verdict::Kill => {
            let counted = |flag: &Flag| *flag != Flag::ZeroConversions;
            let check = card.arms.iter().flat_map(|arm| &arm.evidence.flags).all(counted);
            let decide = if check { "Decide" } else { "Check the tracking, then decide" };
            format!("{decide}: kill as recommended, or build all the same · {}", stop("in either case"))
        }
        Verdict::Review => {
            let decide = card.reasons.first().map_or_else(|| "Decide: build or kill".to_owned(), settles);
            spending("").map_or_else(|| decide.clone(), |_| format!("{decide} · {}", stop("until you have decided")))
        }
        Verdict::Collecting => {
            let ads = spending("").map_or_else(String::new, |ads| format!(" · {ads}"));
            format!("Nothing to do: the test goes on{ads}")
        }
        Verdict::Blocked if card.reasons.iter().any(ends_the_test) => {
            format!("Mend what splits the visitors, then begin a new test · {}", stop("until then"))
        }
        Verdict::Blocked => {
            let split = |why: &Reason| matches!(why, Reason::MixedCurrencies { .. });
            let goes_on = if card.reasons.iter().any(split) { "" } else { " · the test goes on once this is fixed" };
            let ads = match spending("") {
                Some(ads) if card.reasons.iter().any(|why| spoils_days(card, why)) => {
                    format!(" · pause the ads until then: {ads}")
                }
                Some(ads) => format!(" · the ads may run on: {ads}"),
                None => String::new(),
            };
            format!("{}{goes_on}{ads}", repairs(card))
        }
    }
}

/// The same where a defect holds up a verdict that had been given, `dated`.
pub fn to_do_meanwhile(experiment: &Experiment, card: &Scorecard, ads: Option<&SpendAfter>, dated: &str) -> String {
    if card.reasons.iter().any(ends_the_test) {
        return to_do(experiment, card, ads);
    }
    let repairs = repairs(card);
    format!("{repairs} · then the {dated} is confirmed or withdrawn: until then leave all as it is, the ads too")
}

/// What mends every defect.
fn repairs(card: &Scorecard) -> String {
    let mut things: Vec<String> = card.reasons.iter().filter_map(mends).collect();
    things.dedup();
    things.join(" · ")
}

/// Whether days go on being lost while a defect lasts: no later reading brings back what nobody counted.
fn spoils_days(card: &Scorecard, why: &Reason) -> bool {
    match why {
        Reason::NoData { .. } | Reason::ImpossibleCounts { .. } => true,
        Reason::TrackingBroken { lasts, .. } => *lasts,
        Reason::TrackingGap { last_day, .. } => *last_day >= card.last_settled_day,
        _ => false,
    }
}

/// What to write once somebody has decided: first what the verdict recommends, then what else there is.
pub fn how_to_decide(experiment: &Experiment, card: &Scorecard) -> Option<String> {
    let (choice, others) = match card.verdict {
        Verdict::Kill => ("kill", "`build` in place of `kill` to decide against it"),
        Verdict::Build | Verdict::Review => {
            ("build", "`kill` in place of `build`, or `extend` with `--days` or `--budget` to test longer")
        }
        Verdict::Collecting | Verdict::Blocked => return None,
    };
    let concept = &experiment.concept.id;
    Some(format!(
        "To write the decision down: `willitsell decide {concept} {choice} --by NAME --reason TEXT`; {others}."
    ))
}

/// Whether no mending brings a verdict of this test.
pub fn ends_the_test(why: &Reason) -> bool {
    matches!(why, Reason::UnevenSplit { .. })
}

/// What settles a REVIEW.
fn settles(why: &Reason) -> String {
    match why {
        Reason::Guardrail { name } => format!("Decide: build although {name} is beyond its limit, or kill"),
        Reason::ArmsDisagree => "Decide: build, kill, or test one version again".to_owned(),
        _ => "Decide: build, kill, or test longer with a larger cap".to_owned(),
    }
}

/// What mends a defect.
fn mends(why: &Reason) -> Option<String> {
    Some(match why {
        Reason::NoData { sources } => {
            let names: Vec<String> = sources.iter().map(ToString::to_string).collect();
            let what = if names.len() == 1 { "source" } else { "sources" };
            format!("Find out why nothing comes from {what} {}", figures::list(&names))
        }
        Reason::Stale { .. } => "Run `willitsell pull`".to_owned(),
        Reason::UnmappedSpend { .. } => "Say which version each campaign tests".to_owned(),
        Reason::UnmappedActs { .. } => "Have each answer say which version it belongs to".to_owned(),
        Reason::NamelessActs { .. } => "Have the form ask for an address, or count in one source only".to_owned(),
        Reason::MixedCurrencies { .. } => "Use one currency, or split the test: one for each".to_owned(),
        Reason::MixedZones { source, .. } => format!("Read all days of source {source} again"),
        Reason::DayZones { .. } => "Set the same time zone in both accounts".to_owned(),
        Reason::FewerRows { source, .. } => format!("Check what the account of source {source} shows"),
        Reason::Restated { .. } => "Find out what changed in the source".to_owned(),
        Reason::ImpossibleCounts { .. } => "Check why more was counted than can be".to_owned(),
        Reason::TrackingGap { .. } => "Check how the page counts visitors".to_owned(),
        Reason::TrackingBroken { .. } => "Check the page and the form".to_owned(),
        Reason::BotBurst { .. } => "Find out whether those were people".to_owned(),
        _ => return None,
    })
}
