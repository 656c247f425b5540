//! What people are told besides verdicts, each once: a login that needs them, an API that is about to end, a verdict that
//! waits for them, what did not arrive elsewhere, and all of their concepts once a week and a month. Not how a message reaches them:
//! see `deliver`.

use std::collections::BTreeSet;

use chrono::{DateTime, Duration, Utc};

use super::Parts;
use super::{digests, logins, reminders, sunsets};
use crate::domain::concept::Experiment;
use crate::domain::message::Delivery;
use crate::store::StoreError;

/// Remembers what it has written down, so that a loop may ask as often as it likes.
#[derive(Debug, Default)]
pub struct Notices {
    written: BTreeSet<String>,
    /// When it last looked for what waits for a person.
    looked: Option<DateTime<Utc>>,
}

/// How often it does.
const LOOK: Duration = Duration::minutes(10);

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
        let (mut due, mut asked): (Vec<Delivery>, Vec<String>) = (Vec::new(), Vec::new());
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
        if self.looked.is_none_or(|looked| now - looked >= LOOK || now < looked) {
            due.extend(reminders::reminders(&parts.store, experiments, now).await?);
            due.extend(digests::digests(parts, experiments, now, &self.written, &mut asked).await?);
            self.looked = Some(now);
        }
        due.extend(reminders::lost(parts, experiments, now).await?);
        due.retain(|delivery| !self.written.contains(&delivery.id));
        if !due.is_empty() {
            parts.store.add_notices(&due).await?;
        }
        self.written.extend(due.into_iter().map(|delivery| delivery.id).chain(asked));
        Ok(())
    }
}
