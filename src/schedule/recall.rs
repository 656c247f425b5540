//! All that a verdict rests on, read from the store: as it is now, or as it was when a stored verdict was reached. So a
//! verdict is first derived and later derived again on one path.

use chrono::{DateTime, Utc};

use crate::decide;
use crate::domain::decision::{Cause, Known, Setup};
use crate::domain::id::SourceId;
use crate::domain::observation::{DateWindow, Inputs};
use crate::domain::verdict::Scorecard;
use crate::store::{Settling, Store, StoreError};

/// Everything stored since the test's first day: now, or up to what was `known`.
///
/// # Errors
/// [`StoreError`].
pub async fn inputs(
    store: &Store,
    setup: &Setup,
    as_of: DateTime<Utc>,
    known: Option<Known>,
) -> Result<Inputs, StoreError> {
    let Setup { experiment, generation } = setup;
    let today = as_of.with_timezone(&experiment.timezone).date_naive();
    let sources: Vec<SourceId> = experiment.sources.iter().map(|source| source.id.clone()).collect();
    let mut inputs = match DateWindow::new(generation.first_day, today) {
        Some(days) => store.inputs(&sources, days, known.map(|known| known.pull)).await?,
        None => Inputs::default(),
    };
    inputs.internal = store.domains(&experiment.internal)?;
    if let Some(days) = DateWindow::new(generation.first_day, today) {
        let settling = Settling {
            days,
            lag_days: experiment.policy.maturity_lag_days,
            zone: experiment.timezone,
            known_at: self::known(&inputs).pull,
        };
        let deciding: Vec<_> = decide::primary_sources(experiment).collect();
        inputs.first_settled = store.first_settled(&inputs, &deciding, &settling).await?.map(Box::new);
    }
    inputs.decisions = store.decisions(&experiment.concept.id, known.map(|known| known.decision)).await?;
    inputs.decisions.retain(|decision| decision.generation == generation.number);
    Ok(inputs)
}

/// Up to where these inputs know the store.
pub fn known(inputs: &Inputs) -> Known {
    Known {
        pull: inputs.pulls.iter().map(|pull| pull.id).max().unwrap_or(0),
        decision: inputs.decisions.iter().map(|decision| decision.id).max().unwrap_or(0),
        scorecard: inputs.others.as_ref().map_or(0, |others| others.known),
    }
}

/// Decides as the program would have on that instant; `None` where it would not have decided at all.
pub fn derive(setup: &Setup, cause: Cause, inputs: &Inputs, as_of: DateTime<Utc>) -> Option<Scorecard> {
    let Setup { experiment, generation } = setup;
    match cause {
        Cause::Decided => Some(decide::decide(experiment, generation, inputs, as_of)),
        Cause::Stale => decide::stale(experiment, generation, inputs, as_of),
    }
}
