//! What time it is, and how to wait: the only place besides `cli` that asks. A test hands in a clock of its own.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use tokio::time::Instant;

/// The clock everything on a schedule goes by.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The time of day, which somebody may put forward or back.
    fn now(&self) -> DateTime<Utc>;

    /// Time since some instant in the past: nobody can put it back, and limits are counted by it.
    fn elapsed(&self) -> Duration;

    /// Waits as long as [`Self::elapsed`] counts.
    async fn sleep(&self, wait: Duration);
}

/// This machine's clock.
#[derive(Debug)]
pub struct System(Instant);

impl Default for System {
    fn default() -> Self {
        Self(Instant::now())
    }
}

#[async_trait]
impl Clock for System {
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }

    fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }

    async fn sleep(&self, wait: Duration) {
        tokio::time::sleep(wait).await;
    }
}
