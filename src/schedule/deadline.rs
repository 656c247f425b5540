//! How long one window of a source may take: what comes puts a soft deadline off, up to a hard one. Counted by a clock that
//! nobody can set.

use std::fmt;
use std::pin::pin;
use std::time::Duration;

use async_trait::async_trait;

use super::clock::Clock;
use crate::connect::Progress;
use crate::domain::connector::{ConnectorInfo, RowSink, SinkError, SourceRow};

/// Without an answer or a page for so long, nothing is expected any more. Longer than a connector waits between two tries.
const SILENCE: Duration = Duration::from_mins(15);

/// Longest that a window may take, however much comes.
const WHOLE: Duration = Duration::from_hours(2);

/// The two deadlines of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// Put off by whatever comes.
    pub silence: Duration,
    /// Put off by nothing.
    pub whole: Duration,
}

impl Deadlines {
    /// Of a connector's windows: what its vendor may take to prepare a report comes on top.
    pub fn of(info: &ConnectorInfo) -> Self {
        Self { silence: SILENCE + info.prepares_for, whole: WHOLE + info.prepares_for }
    }
}

/// Which deadline has passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Late {
    /// Nothing came for so long, after so many pages.
    Silent(Duration, u64),
    /// Not done within so long.
    Unfinished(Duration),
}

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = |long: &Duration| long.as_secs() / 60;
        match self {
            Self::Silent(long, 0) => write!(f, "nothing came within {} minutes", minutes(long)),
            Self::Silent(long, 1) => write!(f, "nothing came for {} minutes after the first page", minutes(long)),
            Self::Silent(long, pages) => write!(f, "nothing came for {} minutes after {pages} pages", minutes(long)),
            Self::Unfinished(long) => write!(f, "no complete answer within {} minutes", minutes(long)),
        }
    }
}

/// Does some work unless a deadline passes, which ends it where it stands.
///
/// # Errors
/// Which deadline.
pub async fn within<T>(
    deadlines: Deadlines,
    clock: &dyn Clock,
    progress: &Progress,
    work: impl Future<Output = T>,
) -> Result<T, Late> {
    let (mut work, mut hard) = (pin!(work), clock.sleep(deadlines.whole));
    loop {
        let soft = clock.sleep(deadlines.silence);
        tokio::select! {
            done = &mut work => return Ok(done),
            () = &mut hard => return Err(Late::Unfinished(deadlines.whole)),
            () = progress.more() => {}
            () = soft => return Err(Late::Silent(deadlines.silence, progress.pages())),
        }
    }
}

/// Hands the rows of a window on, and notes each page.
pub struct Paged<'a> {
    /// Where they go.
    pub to: &'a mut dyn RowSink,
    /// Where the page is noted.
    pub progress: &'a Progress,
}

#[async_trait]
impl RowSink for Paged<'_> {
    async fn accept(&mut self, page: &[SourceRow<'_>]) -> Result<(), SinkError> {
        self.progress.page();
        self.to.accept(page).await
    }

    async fn clear(&mut self) -> Result<(), SinkError> {
        self.to.clear().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::clock::System;

    const SHORT: Deadlines = Deadlines { silence: Duration::from_millis(400), whole: Duration::from_secs(20) };

    async fn ends(deadlines: Deadlines, work: impl AsyncFnOnce(&Progress)) -> Result<(), Late> {
        let (clock, progress) = (System::default(), Progress::default());
        within(deadlines, &clock, &progress, work(&progress)).await
    }

    #[tokio::test]
    async fn c7_what_hangs_is_ended() {
        let hung = async |_: &Progress| std::future::pending().await;
        assert_eq!(ends(SHORT, hung).await, Err(Late::Silent(SHORT.silence, 0)));
        let after_one = async |progress: &Progress| {
            progress.page();
            std::future::pending::<()>().await;
        };
        assert_eq!(ends(SHORT, after_one).await, Err(Late::Silent(SHORT.silence, 1)));
    }

    #[tokio::test]
    async fn c9_what_is_slow_and_steady_is_not_taken_for_stuck_up_to_the_hard_deadline() {
        let steady = async |progress: &Progress| {
            for step in 0..10 {
                tokio::time::sleep(Duration::from_millis(100)).await;
                if step % 2 == 0 { progress.page() } else { progress.answer(1) }
            }
        };
        assert_eq!(ends(SHORT, steady).await, Ok(()), "a second is more than twice as long as it may be silent");
        let endless = async |progress: &Progress| {
            loop {
                tokio::time::sleep(Duration::from_millis(20)).await;
                progress.answer(1);
            }
        };
        let whole = Duration::from_millis(900);
        assert_eq!(ends(Deadlines { whole, ..SHORT }, endless).await, Err(Late::Unfinished(whole)));
    }
}
