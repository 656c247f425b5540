//! The loops of `run`: one wakes at least every half minute, asks the store what is due and has it done; the second delivers
//! what that gave rise to; the third reads sources that their vendors say have something new; the last reads the store through once a day.
//! A slow source keeps nothing waiting but its own experiments; a loop that ends by itself ends all.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use thiserror::Error;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::agreement::Agreement;
use super::deliver::{Delivered, deliver};
use super::due::{AHEAD, DueRun, due, next_slot};
use super::early::{Early, read_early};
use super::notices::Notices;
use super::portfolio;
use super::pull::SourceFailed;
use super::tick::{Asked, Ticked, ask, judge, open};
use super::{Panicked, Parts, caught};
use crate::domain::concept::Experiment;
use crate::domain::id::ConceptId;
use crate::domain::inbound::Told;
use crate::domain::run::Run;
use crate::domain::theme::Theme;
use crate::health::Ended;
use crate::store::StoreError;

/// Longest sleep: a clock that was stepped, or a host that slept, is noticed within this time.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// How often the whole store is read through.
const BETWEEN_CHECKS: Duration = Duration::from_hours(24);

/// Most concepts that are judged together. More save nothing (`benches/decide.rs`), and what is stored of their sources
/// waits in memory.
const AT_ONCE: usize = 32;

/// Runs that are opened at the same time: each writes, and the database writes one after the other.
const OPENED_AT_ONCE: usize = 4;

/// When asked to stop, what is under way may finish for so long; what is cut short then leaves no trace but an open run.
const FINISHING: Duration = Duration::from_secs(10);

/// What the loops work with. A configuration that is read again takes its place whole.
pub struct Work {
    /// Store, connectors, sources, tokens, notifiers.
    pub parts: Parts,
    /// What is tested.
    pub experiments: Vec<Experiment>,
    /// What answers are grouped by, concept by concept: for the pages alone.
    pub themes: BTreeMap<ConceptId, Vec<Theme>>,
    /// Slots that were missed longer ago than this are told of and not run.
    pub catch_up: chrono::Duration,
    /// What others on the same store must work with too.
    pub agreement: Agreement,
}

/// Why the daemon ended although nobody asked it to: the process should end too, so that its service manager starts it again.
#[derive(Debug, Error)]
pub enum Died {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A fault of the program.
    #[error(
        "the part of the daemon that {0} has failed, which is a fault of willitsell: the log says where. Start it again"
    )]
    Loop(&'static str),
}

/// What the loops share.
struct Shared {
    work: watch::Receiver<Arc<Work>>,
    /// There may be something to deliver.
    decided: Notify,
    opening: Semaphore,
    stop: CancellationToken,
}

impl Shared {
    fn work(&self) -> Arc<Work> {
        Arc::clone(&self.work.borrow())
    }
}

/// How long a store that failed is left alone.
const BEGIN_ANEW: Duration = Duration::from_secs(5);

/// Runs until `stop` is cancelled, as `live` does. Where a store on a server fails for a while, or others went on with our
/// work meanwhile, or the disk of a file is full, all that is under way is given up and begun anew.
///
/// # Errors
/// [`Died`], when the store or a loop fails.
pub async fn run(
    work: watch::Receiver<Arc<Work>>,
    told: watch::Receiver<Told>,
    stop: &CancellationToken,
) -> Result<(), Died> {
    loop {
        let now = Arc::clone(&work.borrow());
        let Parts { store, clock, .. } = &now.parts;
        let ended = match live(work.clone(), told.clone(), &stop.child_token()).await {
            Err(Died::Store(error)) => Err(Died::Store(store.looked_into(error).await)),
            ended => ended,
        };
        match ended {
            Err(Died::Store(error)) if store.is_on_a_server() && error.may_pass() && !stop.is_cancelled() => {
                tracing::warn!(%error, "all that was under way is given up, and begun anew in a moment");
            }
            Err(Died::Store(error)) if is_full(&now.parts, &error).await && !stop.is_cancelled() => {
                tracing::warn!(%error, "all that was under way is given up, and begun anew once there is room");
                if !until_there_is_room(&now.parts, stop).await {
                    return Ok(());
                }
                continue;
            }
            ended => return ended,
        }
        loop {
            tokio::select! {
                () = clock.sleep(BEGIN_ANEW) => {}
                () = stop.cancelled() => return Ok(()),
            }
            match store.claim().await {
                Ok(_) => break,
                Err(error) if error.may_pass() => tracing::warn!(%error, "not yet"),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Whether a store failed because its disk is full: some files of SQLite's are refused in other words.
async fn is_full(parts: &Parts, error: &StoreError) -> bool {
    match error {
        StoreError::Full => true,
        StoreError::Disk(_) => !parts.store.has_room().await,
        _ => false,
    }
}

/// Says that the disk is full for as long as it is, and that the process lives; whether there is room, and nobody asked to stop.
async fn until_there_is_room(parts: &Parts, stop: &CancellationToken) -> bool {
    let Parts { store, clock, health, .. } = parts;
    health.note(|state| state.disk_full = true);
    loop {
        health.round(clock.now(), clock.elapsed());
        tokio::select! {
            () = clock.sleep(BEGIN_ANEW) => {}
            () = stop.cancelled() => return false,
        }
        if store.has_room().await {
            health.note(|state| state.disk_full = false);
            return true;
        }
    }
}

/// Runs until `stop` is cancelled. Sources that vendors `told` of are read before their slot. The caller holds the store's
/// claim. When it is cancelled nothing more is begun, and what is under way may finish for ten seconds; what is cut short then
/// leaves no trace but an open run, which the next start takes up, or an attempt without an answer, which it repeats and marks so.
///
/// # Errors
/// [`Died`], when the store or a loop fails.
async fn live(
    work: watch::Receiver<Arc<Work>>,
    told: watch::Receiver<Told>,
    stop: &CancellationToken,
) -> Result<(), Died> {
    let shared =
        Arc::new(Shared { work, decided: Notify::new(), opening: Semaphore::new(OPENED_AT_ONCE), stop: stop.clone() });
    let work = shared.work();
    let parts = &work.parts;
    parts.health.note(|state| state.under_way.clear());
    let abandoned = parts.store.abandon_open_runs(parts.clock.now()).await?;
    if abandoned > 0 {
        tracing::warn!(abandoned, "an earlier process ended in the middle of its work; it is taken up again");
    }
    // Tasks of their own: a receiver that keeps silent must not delay the next slot, so no loop waits for another.
    let mut loops = JoinSet::new();
    let (decides, delivers, reads) = (Arc::clone(&shared), Arc::clone(&shared), Arc::clone(&shared));
    let (checks, holds) = (Arc::clone(&shared), Arc::clone(&shared));
    loops.spawn(async move { ("decides", caught(decide_when_due(&decides)).await) });
    loops.spawn(async move { ("sends messages", caught(deliver_when_due(&delivers)).await) });
    loops.spawn(async move { ("reads what vendors tell of", caught(read_when_told(&reads, told)).await) });
    loops.spawn(async move { ("reads the store through", caught(check_daily(&checks)).await) });
    loops.spawn(async move { ("holds its lease", caught(hold_lease(&holds)).await) });
    let finishing = async {
        stop.cancelled().await;
        parts.clock.sleep(FINISHING).await;
    };
    tokio::pin!(finishing);
    let mut ended = Ok(());
    loop {
        let done = tokio::select! {
            done = loops.join_next() => done,
            () = &mut finishing => break,
        };
        let died = match done {
            None => break,
            Some(Ok((_, Ok(Ok(()))))) if stop.is_cancelled() => continue,
            Some(Ok((_, Ok(Err(died))))) => died,
            Some(Ok((name, _))) => Died::Loop(name),
            Some(Err(_)) => Died::Loop("does its work"),
        };
        ended = ended.and(Err(died));
        stop.cancel();
    }
    loops.shutdown().await;
    ended
}

/// A slot whose sources were asked; `None` where another process had it.
type Answer = Result<Option<Asked>, StoreError>;

/// The slots under way: whose sources are being asked, and whose were and are to be judged.
#[derive(Default)]
struct UnderWay {
    concepts: BTreeSet<ConceptId>,
    asking: JoinSet<(ConceptId, Result<Answer, Panicked>)>,
}

async fn decide_when_due(shared: &Arc<Shared>) -> Result<(), Died> {
    let mut work = shared.work.clone();
    let mut notices = Notices::default();
    let mut under_way = UnderWay::default();
    loop {
        let now = Arc::clone(&work.borrow_and_update());
        let Work { parts, experiments, .. } = &*now;
        let clock = &parts.clock;
        let (at, began) = (clock.now(), clock.elapsed());
        parts.store.must_agree_on(clock.now()).await?;
        let overruled = now.agreement.overruled(parts).await?;
        if let Some(other) = &overruled {
            tracing::warn!(
                %other,
                "another willitsell on this store runs another version or configuration, read later than this one's: nothing is \
                 begun here until they are the same"
            );
        }
        if overruled.is_none() && !shared.stop.is_cancelled() {
            take_up(shared, &now, at, &mut under_way).await?;
        }
        if overruled.is_none() {
            notices.write_down(parts, experiments, at).await?;
        }
        parts.health.note(|state| {
            state.overruled = overruled;
            state.log_bytes = parts.store.log_bytes();
        });
        parts.store.expire_free_text(at).await?;
        shared.decided.notify_one();
        parts.health.round(at, clock.elapsed());
        // Counted from when it was asked what is due, so that no slot waits for what this round took.
        let took = clock.elapsed().saturating_sub(began);
        let mut wake = clock.sleep(until_next(experiments, at).saturating_sub(took));
        loop {
            let answered = tokio::select! {
                Some(done) = under_way.asking.join_next() => under_way.answered(parts, done)?,
                () = &mut wake => break,
                Ok(()) = work.changed() => break,
                () = shared.stop.cancelled(), if under_way.asking.is_empty() => return Ok(()),
            };
            for (concept, ticked) in judge(parts, answered).await? {
                report(parts, &concept, &ticked);
                under_way.ended(parts, &concept);
            }
            shared.decided.notify_one();
        }
    }
}

/// Opens what is due and has its sources asked.
async fn take_up(
    shared: &Arc<Shared>,
    work: &Arc<Work>,
    now: DateTime<Utc>,
    under_way: &mut UnderWay,
) -> Result<(), Died> {
    let Work { parts, experiments, catch_up, .. } = &**work;
    // One that comes while an earlier one is under way waits until that has ended: the latest of them is due then.
    let idle = experiments.iter().filter(|experiment| !under_way.concepts.contains(&experiment.concept.id));
    let left = parts.store.take_over(now).await?;
    if left > 0 {
        tracing::warn!(left, "another process fell silent in the middle of its work; it is taken up again");
    }
    let last = parts.store.last_runs_until(now + AHEAD).await?;
    // One that another process is at waits likewise.
    let is_open = |experiment: &&Experiment| {
        last.iter().any(|run| run.concept == experiment.concept.id && run.finished_at.is_none())
    };
    let idle = idle.filter(|experiment| !parts.store.is_on_a_server() || !is_open(experiment));
    let due = due(idle, &last, now, *catch_up);
    for late in &due.too_old {
        let (concept, slot) = (&late.concept, late.due_at);
        tracing::warn!(%concept, %slot, missed = late.missed, "missed for too long to be caught up: its next slot runs");
        parts.store.miss_run(&Run { finished_at: Some(now), ..late.run(now) }).await?;
        parts.health.note(|state| state.misfired += 1 + u64::from(late.missed));
    }
    if !due.runs.is_empty() {
        portfolio::begin(&parts.store, experiments, now).await?;
    }
    for due in due.runs {
        if due.missed > 0 {
            tracing::warn!(concept = %due.concept, missed = due.missed, "slots were missed; this run catches up");
        }
        under_way.concepts.insert(due.concept.clone());
        parts.health.note(|state| {
            state.missed += u64::from(due.missed);
            state.under_way.insert(due.concept.clone(), now);
        });
        let (shared, work) = (Arc::clone(shared), Arc::clone(work));
        under_way.asking.spawn(async move {
            let asked = caught(begin(&shared, &work, &due)).await;
            (due.concept, asked)
        });
    }
    Ok(())
}

/// Opens one slot and asks its sources.
async fn begin(shared: &Shared, work: &Work, due: &DueRun) -> Answer {
    let Some(experiment) = work.experiments.iter().find(|experiment| experiment.concept.id == due.concept) else {
        return Ok(None);
    };
    let opening = shared.opening.acquire().await;
    let run = open(&work.parts, due, work.parts.clock.now()).await?;
    drop(opening);
    match run {
        Some(run) => ask(&work.parts, experiment, run).await.map(Some),
        None => Ok(None),
    }
}

impl UnderWay {
    /// Who has answered, with all that have by now.
    fn answered(
        &mut self,
        parts: &Parts,
        first: Result<(ConceptId, Result<Answer, Panicked>), JoinError>,
    ) -> Result<Vec<Asked>, Died> {
        let (mut answered, mut next) = (Vec::new(), Some(first));
        while let Some(done) = next {
            let fault = || Died::Loop("asks sources");
            let (concept, answer) = done.map_err(|_| fault())?;
            if let Some(asked) = answer.map_err(|Panicked| fault())?? {
                answered.push(asked);
            } else {
                tracing::info!(%concept, "this slot has run already");
                self.ended(parts, &concept);
            }
            next = if answered.len() < AT_ONCE { self.asking.try_join_next() } else { None };
        }
        Ok(answered)
    }

    fn ended(&mut self, parts: &Parts, concept: &ConceptId) {
        self.concepts.remove(concept);
        parts.health.note(|state| _ = state.under_way.remove(concept));
    }
}

/// How long nothing will be due, as far as the clock is right.
fn until_next(experiments: &[Experiment], now: DateTime<Utc>) -> Duration {
    let next = experiments.iter().filter_map(|experiment| next_slot(experiment, now)).min();
    next.and_then(|next| (next - now).to_std().ok()).unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP)
}

async fn deliver_when_due(shared: &Shared) -> Result<(), Died> {
    loop {
        let work = shared.work();
        let Parts { clock, health, .. } = &work.parts;
        let mut rng = ChaCha8Rng::from_rng(&mut rand::rng());
        match caught(deliver(&work.parts, clock.now(), &mut rng)).await {
            Ok(delivered) => {
                let Delivered { sent, postponed, given_up } = delivered?;
                health.note(|state| state.messages.add(sent, postponed, given_up));
            }
            // Tried again with the next wake; verdicts go on.
            Err(Panicked) => health.panicked("deliver"),
        }
        tokio::select! {
            () = shared.decided.notified() => {}
            () = clock.sleep(LONGEST_SLEEP) => {}
            () = shared.stop.cancelled() => return Ok(()),
        }
    }
}

/// Without its lease nothing can be written: that must not wait until something is to be, since deliveries that come by
/// themselves would be turned away until then.
async fn hold_lease(shared: &Shared) -> Result<(), Died> {
    let work = shared.work();
    tokio::select! {
        () = work.parts.store.cut_off() => Err(StoreError::Fenced.into()),
        () = shared.stop.cancelled() => Ok(()),
    }
}

/// A store that is damaged must not be decided on, nor written to.
async fn check_daily(shared: &Shared) -> Result<(), Died> {
    loop {
        let work = shared.work();
        work.parts.store.check().await?;
        tokio::select! {
            () = work.parts.clock.sleep(BETWEEN_CHECKS) => {}
            () = shared.stop.cancelled() => return Ok(()),
        }
    }
}

/// Reads sources whose vendor sent something. A source that fails is left to its slot.
async fn read_when_told(shared: &Shared, mut told: watch::Receiver<Told>) -> Result<(), Died> {
    let mut early = Early::default();
    // Nobody tells anything any more, once there is nobody who listens for vendors.
    let mut is_told = true;
    loop {
        let work = shared.work();
        let Work { parts, experiments, .. } = &*work;
        let next = early.next(&told.borrow_and_update(), parts.clock.elapsed());
        let wait = async {
            match next {
                Some(next) => {
                    parts.clock.sleep(next.not_before.saturating_sub(parts.clock.elapsed())).await;
                    next
                }
                None => std::future::pending().await,
            }
        };
        let next = tokio::select! {
            changed = told.changed(), if is_told => {
                is_told = changed.is_ok();
                continue;
            }
            next = wait => next,
            () = shared.stop.cancelled() => return Ok(()),
        };
        let read = caught(read_early(parts, experiments, &next.source, next.told, parts.clock.now())).await;
        let read = read.unwrap_or_else(|Panicked| {
            parts.health.panicked("pull");
            Err(SourceFailed::Panicked(next.source.clone()))
        });
        early.ended(next, !matches!(read, Ok(false)), parts.clock.elapsed());
        if let Err(failure) = read {
            tracing::warn!(%failure, "not read early: its next slot asks again");
        }
    }
}

fn report(parts: &Parts, concept: &ConceptId, ticked: &Result<Ticked, StoreError>) {
    let ended = match ticked {
        Err(error) => {
            tracing::error!(%concept, %error, "not decided: what is stored of it cannot be read");
            Ended::Unjudged
        }
        Ok(Ticked::AlreadyRan) => return tracing::info!(%concept, "this slot has run already"),
        Ok(Ticked::Decided { scorecard, .. }) => {
            tracing::info!(%concept, verdict = %scorecard.scorecard.verdict, as_of = %scorecard.scorecard.as_of, "decided");
            Ended::Decided
        }
        Ok(Ticked::Failed { failures, .. }) => {
            tracing::warn!(%concept, failed = failures.len(), "not decided: a source failed");
            Ended::SourceFailed
        }
    };
    parts.health.note(|state| state.ran(concept, ended));
}
