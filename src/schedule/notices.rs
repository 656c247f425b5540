//! What people are told besides verdicts, each once: a login that needs them, an API that is about to end. Not how a message reaches them:
//! see `deliver`.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};

use super::Parts;
use super::{logins, sunsets};
use crate::domain::concept::Experiment;
use crate::domain::message::Delivery;
use crate::store::StoreError;

/// Remembers what it has written down, so that a loop may ask as often as it likes.
#[derive(Debug, Default)]
pub struct Notices {
    written: BTreeSet<String>,
}

impl Notices {
    /// Writes down what is new at `now`, for `deliver` to send.
    ///
    /// # Errors
    /// [`StoreError`]: what was not written down is tried again the next time.
    pub async fn write_down(
        &mut self,
        parts: &Parts,
        experiments: &[Experiment],
        now: DateTime<Utc>,
    ) -> Result<(), StoreError> {
        let mut due: Vec<Delivery> = Vec::new();
        match logins::findings(&parts.sources, &parts.registry, Some(parts.tokens.as_ref()), now).await {
            Ok(findings) => {
                for finding in &findings {
                    if self.written.insert(finding.to_string()) {
                        tracing::warn!(login = %finding.login, "{finding}");
                    }
                }
                due.extend(logins::notices(&findings, experiments, now));
            }
            Err(error) => tracing::warn!(%error, "the logins could not be looked at"),
        }
        let endings = sunsets::endings(&parts.sources, &parts.registry.infos(), now);
        for ending in &endings {
            if self.written.insert(ending.sunset.what.clone()) {
                tracing::warn!("{}", ending.sunset.what);
            }
        }
        due.extend(sunsets::notices(&endings, experiments, now));
        due.retain(|delivery| !self.written.contains(&delivery.id));
        if due.is_empty() {
            return Ok(());
        }
        parts.store.add_notices(&due).await?;
        self.written.extend(due.into_iter().map(|delivery| delivery.id));
        Ok(())
    }
}
