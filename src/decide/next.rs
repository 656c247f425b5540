//! What the reader is to do: the last line of a message, and of the first part of an explanation. One thing for each
//! verdict and each reason, and what the ads spend meanwhile.

use super::explain;
use super::figures;
use super::money;
use crate::domain::concept::Experiment;
use crate::domain::verdict::{Flag, Reason, Scorecard, SpendAfter, Verdict};

/// `Approve, override or extend · stop the ads either way: …`. `ads` is what they spend while there is no verdict; what
/// they spend after one stands on the scorecard.
pub fn to_do(experiment: &Experiment, card: &Scorecard, ads: Option<&SpendAfter>) -> String {
    let spending = |still: &str| {
        let ads = money::ads_spending(card.spend_after.as_ref().or(ads)?, still)?;
        // What the control's ads cost is not theirs.
        let control = experiment.arms.iter().find(|arm| arm.control);
        Some(ads + &control.map_or_else(String::new, |arm| format!(", besides those of {}", arm.title)))
    };
    let stop = |when: &str| {
        let ads = spending(" still").map_or_else(String::new, |ads| format!(": {ads}"));
        format!("stop the ads {when}{ads}")
    };
    let meanwhile = |text: &str| spending("").map_or_else(String::new, |ads| format!(" · {text}{ads}"));
    match card.verdict {
        Verdict::Build => {
            let weak = explain::weakest(experiment, card);
            let weak = weak.map_or_else(String::new, |weak| format!(" · weak spot: {weak}"));
            format!("Approve, override or extend · {}{weak}", stop("either way"))
        }
        Verdict::Kill => {
            let counted = |flag: &Flag| *flag != Flag::ZeroConversions;
            let check = card.arms.iter().flat_map(|arm| &arm.evidence.flags).all(counted);
            let approve = if check { "Approve or override" } else { "Check the tracking, then approve or override" };
            format!("{approve} · {}", stop("either way"))
        }
        Verdict::Review => {
            let decide = card.reasons.first().map_or_else(|| "Decide: build or kill".to_owned(), settles);
            spending("").map_or_else(|| decide.clone(), |_| format!("{decide} · {}", stop("until then")))
        }
        Verdict::Collecting => format!("Nothing to do: the test goes on{}", meanwhile("")),
        Verdict::Blocked if card.reasons.iter().any(ends_the_test) => {
            format!("Mend what splits the visitors, then begin a new test · {}", stop("until then"))
        }
        Verdict::Blocked => {
            let mut things: Vec<String> = card.reasons.iter().filter_map(mends).collect();
            things.dedup();
            let split = |why: &Reason| matches!(why, Reason::MixedCurrencies { .. });
            let goes_on = if card.reasons.iter().any(split) { "" } else { " · the test goes on once this is fixed" };
            format!("{}{goes_on}{}", things.join(" · "), meanwhile("meanwhile "))
        }
    }
}

/// What to write once somebody has decided: first what the verdict recommends, then what else there is.
pub fn how_to_decide(experiment: &Experiment, card: &Scorecard) -> Option<String> {
    let (choice, others) = match card.verdict {
        Verdict::Build => ("build", "`kill` or `extend` in its place to override it"),
        Verdict::Kill => ("kill", "`build` in its place to override it"),
        Verdict::Review => ("build", "`kill` in its place, or `extend` with `--days` or `--budget` to test again"),
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
        _ => "Decide: build, kill, or test again with a larger cap".to_owned(),
    }
}

/// What mends a defect.
fn mends(why: &Reason) -> Option<String> {
    Some(match why {
        Reason::NoData { sources } => {
            let names: Vec<String> = sources.iter().map(ToString::to_string).collect();
            format!("Find out why nothing comes from {}", figures::list(&names))
        }
        Reason::Stale { .. } => "Run `willitsell pull`".to_owned(),
        Reason::UnmappedSpend { .. } => "Say which version each campaign tests".to_owned(),
        Reason::UnmappedActs { .. } => "Give each version its keys".to_owned(),
        Reason::NamelessActs { .. } => "Have one source tell who acted".to_owned(),
        Reason::MixedCurrencies { .. } => "Give each currency its own experiment".to_owned(),
        Reason::MixedZones { source, .. } => format!("Read all days of {source} again"),
        Reason::DayZones { .. } => "Set the same time zone in both accounts".to_owned(),
        Reason::FewerRows { source, .. } => format!("Check what the account of {source} shows"),
        Reason::Restated { .. } => "Find out what changed in the source".to_owned(),
        Reason::ImpossibleCounts { .. } => "Check what both numbers count".to_owned(),
        Reason::TrackingGap { .. } => "Check the page".to_owned(),
        Reason::TrackingBroken { .. } => "Check the page and the form".to_owned(),
        Reason::BotBurst { .. } => "See who they were".to_owned(),
        _ => return None,
    })
}
