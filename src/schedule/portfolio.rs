//! Asks what other concepts stand at where a verdict needs it: only a BUILD does, so all others cost nothing.

use chrono::{DateTime, Utc};

use crate::domain::decision::Setup;
use crate::domain::observation::Inputs;
use crate::domain::portfolio::FalseBuildRate;
use crate::domain::verdict::{Scorecard, Verdict};
use crate::store::{Store, StoreError};

/// Whether a scorecard that was decided for itself must be decided again beside the other concepts.
pub fn concerns(setup: &Setup, alone: &Scorecard) -> bool {
    setup.experiment.false_build_rate == FalseBuildRate::Together && alone.verdict == Verdict::Build
}

/// Gives `inputs` what is known of the other concepts: now, or up to the verdict `known`.
///
/// # Errors
/// [`StoreError`].
pub async fn ask(
    store: &Store,
    setup: &Setup,
    inputs: &mut Inputs,
    as_of: DateTime<Utc>,
    known: Option<i64>,
) -> Result<(), StoreError> {
    let Setup { experiment, generation } = setup;
    let others = store.others(&experiment.concept.id, generation.number, as_of, known).await?;
    inputs.others = Some(Box::new(others));
    Ok(())
}
