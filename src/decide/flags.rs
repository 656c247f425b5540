//! What a reader must know about the counts that no verdict says: each flag, field and way of delivery as a sentence.

use super::explain::today;
use super::figures;
use super::unseen;
use crate::domain::concept::{Experiment, Model, Policy, Rate};
use crate::domain::verdict::{Flag, Scorecard};

/// What a reader must know about the counts of all arms.
pub fn told(experiment: &Experiment, card: &Scorecard) -> Vec<String> {
    let mut flags: Vec<Flag> = card.arms.iter().flat_map(|arm| arm.evidence.flags.iter().copied()).collect();
    flags.sort_unstable();
    flags.dedup();
    flags
        .into_iter()
        .map(|one| flag(&experiment.policy.primary, one))
        .chain(unseen::told(card, today(experiment, card)))
        .chain(observed_only(experiment))
        .collect()
}

/// What a comparison of versions whose visitors nobody split by chance cannot say.
pub fn observed_only(experiment: &Experiment) -> Option<String> {
    let Policy { model, srm, .. } = &experiment.policy;
    (*model == Model::Compare && srm.is_none()).then(|| {
        "Each version was delivered with its own audience, so part or all of the difference may come from the people: weigh \
         that before you decide."
            .to_owned()
    })
}

/// What a reader must know about the counts.
fn flag(rate: &Rate, flag: Flag) -> String {
    let (acts, exposures) = (figures::many(rate.numerator), figures::many(rate.denominator));
    match flag {
        Flag::AutocorrelatedDays => "Good and bad days came in runs, so take this as provisional: a second test run \
                                     would settle it."
            .to_owned(),
        Flag::ConversionsWithoutExposure => format!(
            "At least one day has {acts} but no {exposures}: that day is left out, and there can be no BUILD until its \
             counts are mended."
        ),
        Flag::ConversionsExceedVisits => format!(
            "At least one day has more {acts} than {exposures}: the surplus is left out, and there can be no BUILD \
             until its counts are mended."
        ),
        Flag::FractionalConversions => format!(
            "The platform estimates part of these {acts} or shares one among several clicks, so they are not all people."
        ),
        Flag::TrackingGap => {
            "At least one version counts fewer visitors than 80% of its clicks, or more than 110%: check that \
                              the page counts every visitor once before you rely on this."
                .to_owned()
        }
        Flag::RestatedDays => {
            "At least one day changed by more than a fifth after it had counted: find out why before you rely on this."
                .to_owned()
        }
        Flag::ZeroConversions => {
            format!(
                "No {} was counted on any settled day: check the tracking before you believe this.",
                rate.numerator.metric().noun
            )
        }
    }
}
