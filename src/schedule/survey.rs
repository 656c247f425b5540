//! Which keys the rows of a source carry, with how many rows and how much money: to be shown to a person who gives keys
//! to arms. Not who claims them.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono_tz::Tz;

use crate::domain::connector::{RowSink, SinkError, SourceRow};
use crate::domain::id::SourceId;
use crate::domain::metric::MetricId;
use crate::domain::observation::DateWindow;
use crate::store::{Store, StoreError};

/// What one key carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Rows, days and people's acts alike.
    pub rows: u64,
    /// Spend in millionths.
    pub spend: i64,
}

/// By key; the empty one is that of rows without.
pub type Survey = BTreeMap<String, Carried>;

fn add(survey: &mut Survey, key: &str, spend: i64) {
    if !survey.contains_key(key) {
        survey.insert(key.to_owned(), Carried::default());
    }
    if let Some(carried) = survey.get_mut(key) {
        carried.rows += 1;
        carried.spend = carried.spend.saturating_add(spend);
    }
}

/// What is stored of a source for some days.
///
/// # Errors
/// [`StoreError`] when the store cannot be read.
pub async fn stored(store: &Store, source: &SourceId, days: DateWindow, zone: Tz) -> Result<Survey, StoreError> {
    let mut survey = Survey::new();
    // A week at a time, so that memory does not grow with the window.
    for week in days.slices(Some(7)) {
        let inputs = store.inputs(std::slice::from_ref(source), week, None).await?;
        for row in &inputs.observations {
            add(&mut survey, &row.arm_key, row.values.get(MetricId::SPEND).unwrap_or(0));
        }
        let inside = inputs.responses.iter().filter(|act| week.contains(act.at.with_timezone(&zone).date_naive()));
        inside.for_each(|act| add(&mut survey, &act.arm_key, 0));
    }
    Ok(survey)
}

/// Hands rows on, and notes their keys.
pub(super) struct Noting<'a> {
    pub(super) to: &'a mut dyn RowSink,
    pub(super) survey: Survey,
}

#[async_trait]
impl RowSink for Noting<'_> {
    async fn accept(&mut self, page: &[SourceRow<'_>]) -> Result<(), SinkError> {
        self.to.accept(page).await?;
        for row in page {
            match row {
                SourceRow::Counts { arm_key, values, .. } => {
                    let spend = values.iter().find(|(metric, _)| *metric == MetricId::SPEND);
                    add(&mut self.survey, arm_key.as_deref().unwrap_or_default(), spend.map_or(0, |&(_, spend)| spend));
                }
                SourceRow::Response(act) => add(&mut self.survey, act.arm_key.as_deref().unwrap_or_default(), 0),
            }
        }
        Ok(())
    }

    async fn clear(&mut self) -> Result<(), SinkError> {
        self.survey.clear();
        self.to.clear().await
    }
}
