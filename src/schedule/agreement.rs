//! Whether processes that share a store work with the same: the same program, the same tests, the same settings. Two that
//! differ would judge by turns by different rules.

use chrono::{DateTime, Utc};
use ring::digest::{Context, SHA256};

use super::Parts;
use crate::domain::concept::Experiment;
use crate::domain::connector::SettingValue;
use crate::store::StoreError;

/// What a process works with.
#[derive(Clone, Debug)]
pub struct Agreement {
    /// The same for two that agree.
    hash: String,
    /// When it was read.
    since: DateTime<Utc>,
}

impl Agreement {
    /// Of a configuration that was read at `since`. Secrets are no part of it, for each machine may keep its own.
    pub fn of(parts: &Parts, experiments: &[Experiment], since: DateTime<Utc>) -> Self {
        let mut all = Context::new(&SHA256);
        let mut add = |text: &str| {
            all.update(&text.len().to_be_bytes());
            all.update(text.as_bytes());
        };
        add(env!("CARGO_PKG_VERSION"));
        for experiment in experiments {
            // What a verdict is stored with; one that cannot be written down is told by its name alone.
            add(&serde_json::to_string(experiment).unwrap_or_else(|_| experiment.concept.id.to_string()));
        }
        for (id, access) in &parts.sources {
            add(id.as_str());
            add(&access.source.connector);
            for (name, value) in access.settings.iter() {
                if let SettingValue::Plain(value) = value {
                    add(name);
                    add(value);
                }
            }
        }
        let hash = all.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        Self { hash, since }
    }

    /// Refuses nothing in a store in a file; on a server, says which other process works with something else that was read later.
    ///
    /// # Errors
    /// [`StoreError`] when the store cannot be asked.
    pub async fn overruled(&self, parts: &Parts) -> Result<Option<String>, StoreError> {
        parts.store.overruled(&self.hash, self.since).await
    }
}
