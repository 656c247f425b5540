//! How far the reading of a window has come, for whoever decides how long it may still take.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::Notify;

/// What has come so far. Whoever asks notes it; whoever waits hears of it.
#[derive(Debug, Default)]
pub struct Progress {
    pages: AtomicU64,
    bytes: AtomicU64,
    came: Notify,
}

impl Progress {
    /// A page's rows were read.
    pub fn page(&self) {
        self.pages.fetch_add(1, Ordering::Relaxed);
        self.came.notify_one();
    }

    /// An answer came, of so many bytes, whatever it says.
    pub fn answer(&self, bytes: usize) {
        self.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.came.notify_one();
    }

    /// Pages so far.
    pub fn pages(&self) -> u64 {
        self.pages.load(Ordering::Relaxed)
    }

    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Waits until something has come since this was last asked.
    pub async fn more(&self) {
        self.came.notified().await;
    }
}
