//! What people who belong to a concept wrote, read from the store. How it is grouped is `crate::themes`'s.

use chrono::{DateTime, Utc};

use crate::decide::ArmKeys;
use crate::domain::concept::Experiment;
use crate::domain::id::SourceId;
use crate::domain::theme::Theme;
use crate::store::{Store, StoreError};
use crate::themes::{Themes, group};

/// What people wrote since a concept's test began, in groups by these themes.
///
/// # Errors
/// [`StoreError`].
pub async fn said(
    store: &Store,
    experiment: &Experiment,
    rules: &[Theme],
    now: DateTime<Utc>,
) -> Result<Themes, StoreError> {
    let sources: Vec<SourceId> = experiment.sources.iter().map(|source| source.id.clone()).collect();
    let mut said = store.free_text(&sources, now).await?;
    let arms = ArmKeys::of(&experiment.arms, &experiment.sources);
    said.retain(|text| {
        let day = text.at.with_timezone(&experiment.timezone).date_naive();
        arms.arm(&text.source, &text.arm_key).is_some() && day >= experiment.start
    });
    let texts: Vec<&str> = said.iter().map(|text| text.text.as_str()).collect();
    Ok(group(rules, &texts))
}
