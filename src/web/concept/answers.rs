//! The five questions that whoever pays for the test asks, each answered in a few words and one line: how sure, what did it cost, should
//! the ads stop, what if a part is wrong, who decides.

use serde::Serialize;

use super::Concept;
use super::charts::ends_said;
use super::evidence::Meter;
use crate::decide::{explain, figures, flips, measure, message, money, next, outlook};
use crate::domain::concept::Model;
use crate::domain::verdict::{Lean, Reason, Verdict};

/// One question with its answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// What is asked.
    pub question: String,
    /// At most six words or so.
    pub short: String,
    /// One line of support.
    pub support: String,
}

fn answer(question: impl Into<String>, short: impl Into<String>, support: impl Into<String>) -> Answer {
    Answer { question: question.into(), short: short.into(), support: support.into() }
}

/// All five, in the order they are asked.
pub fn answers(concept: &Concept) -> [Answer; 5] {
    [how_sure(concept), what_cost(concept), ads(concept), what_if(concept), who(concept)]
}

fn how_sure(concept: &Concept) -> Answer {
    const QUESTION: &str = "How sure are we?";
    let (experiment, card) = (concept.experiment(), concept.card());
    let policy = &experiment.policy;
    let ends = concept.lead().and_then(|arm| ends_said(concept, arm));
    let in_hundred = |error: f64| figures::bar(error).trim_end_matches(['%', '0']).trim_end_matches('.').to_owned();
    match (card.verdict, ends) {
        (Verdict::Build, Some([_, _, (worst, _)])) => answer(
            QUESTION,
            format!("Even the worst case, {worst}, pays"),
            format!("At most {} in 100 ideas that miss break-even ever get BUILD.", in_hundred(policy.alpha)),
        ),
        (Verdict::Kill, Some([(best, _), _, _])) => answer(
            QUESTION,
            format!("Even the best case, {best}, falls short"),
            format!("At most {} in 100 ideas worth building ever get KILL.", in_hundred(policy.beta)),
        ),
        (Verdict::Review, _) => {
            let lean = card.reasons.iter().find_map(|why| match why {
                Reason::CapReached { lean: Some(lean) } => Some(*lean),
                _ => None,
            });
            let short = match lean {
                Some(Lean::Build) => "Not sure: leans to BUILD",
                Some(Lean::Kill) => "Not sure: leans to KILL",
                None => "Not sure: a person must look",
            };
            answer(QUESTION, short, "A lean carries no promise.")
        }
        (Verdict::Blocked, _) => {
            answer(QUESTION, "Not known: data in doubt", "The range is withheld until the data is sound.")
        }
        _ => {
            let ahead = concept.derivation.outlook.as_ref().and_then(|ahead| {
                let likely =
                    ahead.arms.iter().filter_map(|arm| arm.likely.as_ref()).min_by_key(|likely| likely.days)?;
                let day = concept.day(likely.on);
                Some(format!(
                    "About {} more, if days stay as they are: {} about {day}.",
                    figures::days(likely.days),
                    likely.verdict
                ))
            });
            let meter = concept.lead().map(|arm| Meter::of(concept, arm));
            let short = match meter {
                Some(meter) if meter.share > 0.0 => format!("Not yet: {}", meter.said),
                _ => "Not known yet".to_owned(),
            };
            let wait = || explain::sentence(experiment, card);
            answer(QUESTION, short, ahead.unwrap_or_else(wait))
        }
    }
}

fn what_cost(concept: &Concept) -> Answer {
    const QUESTION: &str = "What did it cost?";
    let (experiment, card) = (concept.experiment(), concept.card());
    let cap = explain::caps(experiment, card).1;
    let Some(spend) = card.spend else {
        return answer(QUESTION, "Not known", "No source tells what the ads cost.");
    };
    let of = cap.map_or_else(String::new, |cap| format!(" of {}", cap.as_set()));
    let support = message::per_act(experiment, card)
        .filter(|_| spend.micros > 0)
        .map(|text| format!("{}.", figures::capital(&text)));
    answer(QUESTION, format!("{spend}{of}"), support.unwrap_or_default())
}

fn ads(concept: &Concept) -> Answer {
    const QUESTION: &str = "Should the ads stop?";
    let (experiment, card, today) = (concept.experiment(), concept.card(), concept.today());
    let still = money::still_spending(card, today).map(|text| format!("{}.", figures::capital(&text)));
    let is_known = card.spend.is_some();
    let quiet = || {
        let said = if is_known { "None is known to spend any more." } else { "No source tells what they spend." };
        said.to_owned()
    };
    match card.verdict {
        Verdict::Build | Verdict::Kill if !is_known => answer(QUESTION, "Yes, either way", quiet()),
        Verdict::Build | Verdict::Kill if still.is_none() => answer(QUESTION, "They have stopped", quiet()),
        Verdict::Build | Verdict::Kill => answer(QUESTION, "Yes, either way", still.unwrap_or_default()),
        Verdict::Review => answer(QUESTION, "Yes, until somebody decides", still.unwrap_or_else(quiet)),
        Verdict::Collecting => answer(QUESTION, "No, the test goes on", "They stop at a verdict, or at the cap."),
        Verdict::Blocked => {
            let pause = next::to_do(experiment, card, None).contains("pause the ads");
            let short = if pause { "Pause them until it is fixed" } else { "They may run on" };
            answer(QUESTION, short, still.unwrap_or_else(|| "No verdict can be given meanwhile.".to_owned()))
        }
    }
}

/// The test once more without its weakest channel or version; of one without parts, how far the counts may be wrong.
fn what_if(concept: &Concept) -> Answer {
    let (experiment, card) = (concept.experiment(), concept.card());
    let policy = &experiment.policy;
    let flips = &concept.derivation.flips;
    if card.verdict == Verdict::Blocked {
        return answer(
            "What if the counts are wrong?",
            "That is what must be found out",
            "Nothing is decided on data in doubt.",
        );
    }
    let evidence = |value: Option<f64>| value.unwrap_or(f64::NEG_INFINITY);
    let channel = concept
        .cells
        .iter()
        .min_by(|one, other| evidence(one.evidence.log_e_build).total_cmp(&evidence(other.evidence.log_e_build)));
    let version = card
        .arms
        .iter()
        .min_by(|one, other| evidence(one.evidence.log_e_build).total_cmp(&evidence(other.evidence.log_e_build)));
    let weakest = match (channel, version.filter(|_| card.arms.len() > 1)) {
        (Some(cell), _) => Some((cell.channel.clone(), &cell.evidence)),
        (None, Some(arm)) => Some((explain::name(experiment, &arm.arm).to_owned(), &arm.evidence)),
        (None, None) => None,
    };
    let Some((part, evidence)) = weakest.filter(|_| flips.has_parts) else {
        let line = flips::sentences(experiment, card, flips).into_iter().next();
        let short = if line.is_some() { wrong_counts(concept) } else { "No count alone changes it".to_owned() };
        return answer("What if the counts are wrong?", short, line.unwrap_or_default());
    };
    let without = flips.without.iter().find(|without| without.part == part);
    let short = match without {
        Some(without) => format!("Without it: {}", without.verdict),
        None => format!("{} still stands", card.verdict),
    };
    let alone = explain::ends(evidence).map(|ends| format!("{part} alone: {}.", measure::named_range(policy, ends)));
    answer(format!("What if {part} is wrong?"), short, alone.unwrap_or_default())
}

/// How many acts more or fewer it takes.
fn wrong_counts(concept: &Concept) -> String {
    let noun = concept.experiment().policy.primary.numerator;
    let flips = concept.derivation.flips.acts.iter().filter(|flip| !flip.of_control);
    match flips.min_by(|one, other| one.acts.abs().total_cmp(&other.acts.abs())) {
        Some(flip) if flip.acts < 0.0 => {
            format!("{} would undo it", figures::capital(&figures::fewer(-flip.acts, noun)))
        }
        Some(flip) => format!("{} would change it", figures::capital(&figures::further(flip.acts, noun))),
        None => "No count alone changes it".to_owned(),
    }
}

fn who(concept: &Concept) -> Answer {
    const QUESTION: &str = "Who decides, by when?";
    let (experiment, card) = (concept.experiment(), concept.card());
    if let Some(decision) = concept.decided() {
        let on = concept.day(decision.at.with_timezone(&experiment.timezone).date_naive());
        let against = if decision.is_override() { format!(", against {}", decision.verdict) } else { String::new() };
        return answer(
            QUESTION,
            format!("{} chose to {}, {on}{against}", decision.by, decision.choice),
            decision.reason.clone(),
        );
    }
    // `Dana, head of product`: the name, and what she is.
    let (name, role) =
        experiment.owner.as_deref().map_or(("", ""), |owner| owner.split_once(", ").unwrap_or((owner, "")));
    let support =
        |then: &str| if role.is_empty() { then.to_owned() } else { format!("{}. {then}", figures::capital(role)) };
    match concept.due() {
        Some(due) => {
            let is_over = due < concept.now.with_timezone(&experiment.timezone).date_naive();
            let by = if is_over { format!("was due {}", concept.day(due)) } else { format!("by {}", concept.day(due)) };
            let short = if name.is_empty() { figures::capital(&by) } else { format!("{name}, {by}") };
            answer(QUESTION, short, support("Approve, override or extend."))
        }
        None if name.is_empty() => answer(QUESTION, "Nobody yet", "No owner is named for this concept."),
        None => {
            let when = match card.verdict {
                Verdict::Blocked => "once the data is sound".to_owned(),
                _ => likely(concept).unwrap_or_else(|| "once there is a verdict".to_owned()),
            };
            answer(QUESTION, format!("{name}, {when}"), support("Nothing to decide today."))
        }
    }
}

fn likely(concept: &Concept) -> Option<String> {
    let ahead: &outlook::Outlook = concept.derivation.outlook.as_ref()?;
    let day = ahead.arms.iter().filter_map(|arm| arm.likely.as_ref()).map(|likely| likely.on).min()?;
    (concept.experiment().policy.model != Model::Compare).then(|| format!("about {}", concept.day(day)))
}
