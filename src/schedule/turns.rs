//! Who reads which source now, and how many are read side by side.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use std::time::Duration;

use tokio::sync::{OwnedMutexGuard, OwnedSemaphorePermit, Semaphore};

use super::Parts;
use crate::domain::id::SourceId;
use crate::store::{Alone, StoreError};

/// Longest wait for another process that reads the source: some windows of the longest that each may take.
const LONGEST_TURN: Duration = Duration::from_hours(4);

/// Whose turn it is to read a source. Readings of one source follow each other: of two at once, the one that asked first might
/// be stored last, and put older answers in place of newer ones. Sources are read side by side, up to a number.
#[derive(Debug)]
pub struct Turns {
    sources: Mutex<BTreeMap<SourceId, Arc<tokio::sync::Mutex<()>>>>,
    places: Arc<Semaphore>,
}

/// The right to read a source now; it ends when dropped.
#[derive(Debug)]
pub struct Turn {
    _source: OwnedMutexGuard<()>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Turns {
    /// With places for so many sources.
    pub fn new(at_once: u32) -> Self {
        let places = usize::try_from(at_once.max(1)).unwrap_or(1);
        Self { sources: Mutex::default(), places: Arc::new(Semaphore::new(places)) }
    }

    /// Waits until nobody reads the source, here and by what else there is to be `alone`, and then until a place is free; then
    /// it is the caller's turn until what is given back is dropped. Which days are due is to be asked after that: whoever had
    /// the turn before may have read them.
    ///
    /// # Errors
    /// Those of `alone`.
    pub async fn of<A, E>(&self, source: &SourceId, alone: impl Future<Output = Result<A, E>>) -> Result<(A, Turn), E> {
        // In this order: whoever waits for a source takes no place from others.
        let source = self.source(source).lock_owned().await;
        let alone = alone.await?;
        Ok((alone, Turn { _source: source, _place: Arc::clone(&self.places).acquire_owned().await.ok() }))
    }

    /// As [`Self::of`], but `None` at once where somebody reads the source now, or no place is free.
    pub fn free(&self, source: &SourceId) -> Option<Turn> {
        let source = self.source(source).try_lock_owned().ok()?;
        Some(Turn { _source: source, _place: Some(Arc::clone(&self.places).try_acquire_owned().ok()?) })
    }

    fn source(&self, source: &SourceId) -> Arc<tokio::sync::Mutex<()>> {
        let mut sources = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(sources.entry(source.clone()).or_default())
    }
}

/// Waits until nobody reads a source, in this process or in another that shares the store; see [`Turns`].
///
/// # Errors
/// [`StoreError`] when the store fails, or another process has been reading the source for longer than any may.
pub async fn turn(parts: &Parts, source: &SourceId) -> Result<(Alone, Turn), StoreError> {
    let named = named(source);
    parts.turns.of(source, parts.store.alone(&named, LONGEST_TURN)).await
}

/// As [`turn`], but `None` at once where somebody reads the source now.
///
/// # Errors
/// [`StoreError`] when the store fails.
pub async fn free_turn(parts: &Parts, source: &SourceId) -> Result<Option<(Alone, Turn)>, StoreError> {
    let Some(here) = parts.turns.free(source) else { return Ok(None) };
    match parts.store.alone(&named(source), Duration::ZERO).await {
        Ok(alone) => Ok(Some((alone, here))),
        Err(StoreError::Claimed { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

fn named(source: &SourceId) -> String {
    format!("source {source}")
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn c5_a_source_is_read_once_at_a_time_and_whoever_waits_for_it_takes_no_place() {
        let turns = Arc::new(Turns::new(2));
        let (slow, quick) = (SourceId::new("slow"), SourceId::new("quick"));
        let here = || std::future::ready(Ok::<_, Infallible>(()));
        let Ok(held) = turns.of(&slow, here()).await;
        assert!(turns.free(&slow).is_none(), "somebody reads it");
        let waiting = tokio::spawn({
            let (turns, slow) = (Arc::clone(&turns), slow.clone());
            async move { turns.of(&slow, here()).await }
        });
        tokio::task::yield_now().await;
        let other = turns.free(&quick).expect("the second place is free");
        assert!(turns.free(&SourceId::new("third")).is_none(), "there are two places");
        drop((held, other));
        drop(waiting.await.unwrap());
        assert!(turns.free(&slow).is_some());
    }

    #[tokio::test]
    async fn whoever_waits_for_another_process_takes_no_place() {
        let turns = Turns::new(1);
        let (theirs, ours) = (SourceId::new("theirs"), SourceId::new("ours"));
        let mut waiting = Box::pin(turns.of(&theirs, std::future::pending::<Result<(), Infallible>>()));
        assert!(timeout(Duration::ZERO, &mut waiting).await.is_err());
        assert!(turns.free(&ours).is_some(), "the only place");
        assert!(turns.free(&theirs).is_none());
    }
}
