//! Which keys the rows of a source carry, with how many rows and how much money: to be shown to a person who gives keys
//! to arms. Not who claims them.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::domain::connector::{RowSink, SinkError, SourceRow};
use crate::domain::metric::MetricId;
use crate::store;

/// What one key carries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Rows, days and people's acts alike.
    pub rows: u64,
    /// Spend in millionths.
    pub spend: i64,
}

impl Carried {
    fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.spend = self.spend.saturating_add(other.spend);
    }
}

/// By key, as the store writes it; the empty one is that of rows without.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Survey(BTreeMap<String, Carried>);

impl Survey {
    /// Every key, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// What a key carries; nothing where no row has it.
    pub fn carried(&self, key: &str) -> Carried {
        self.0.get(key).copied().unwrap_or_default()
    }

    /// Adds what was read of other days.
    pub(super) fn merge(&mut self, other: Self) {
        other.0.into_iter().for_each(|(key, carried)| self.0.entry(key).or_default().add(carried));
    }

    fn note(&mut self, key: Option<&str>, spend: i64) {
        let key = store::arm_key(key.unwrap_or_default());
        let row = Carried { rows: 1, spend };
        match self.0.get_mut(key.as_ref()) {
            Some(carried) => carried.add(row),
            None => _ = self.0.insert(key.into_owned(), row),
        }
    }
}

/// Hands the rows of one window on, and notes their keys.
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
                    self.survey.note(arm_key.as_deref(), spend.map_or(0, |&(_, spend)| spend));
                }
                SourceRow::Response(act) => self.survey.note(act.arm_key.as_deref(), 0),
            }
        }
        Ok(())
    }

    async fn clear(&mut self) -> Result<(), SinkError> {
        self.survey = Survey::default();
        self.to.clear().await
    }
}
