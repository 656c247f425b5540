//! Who may do what, where several processes share a store on a server. Each that does more than a write gets a number that no
//! other ever has, its fence, and a lease on it that runs by the server's clock alone. Every write of it first asks whether
//! its number still holds: one that was stopped or cut off for longer finds it gone, and can change nothing any more.
//! In a store in a file the operating system's locks do this: see `files.rs`.

use std::sync::{Arc, Weak};
use std::time::Duration;

use chrono::{DateTime, Utc};
use sqlx::{AssertSqlSafe, Executor};
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::error::StoreError;
use super::postgres::Server;
use super::transaction::{Connection, silence};

/// How long a process may keep silent before others take over its work, and how often it speaks.
const LEASE: Duration = Duration::from_secs(30);
const RENEWED_EVERY: Duration = Duration::from_secs(7);
const RENEWED_WITHIN: Duration = Duration::from_secs(6);

/// What must be left of the lease for something to go on that nobody else may do at the same time.
const LEFT: Duration = Duration::from_secs(5);

/// How far the clocks of a process and of the server may be apart: above what an answer takes.
const APART: Duration = Duration::from_mins(1);

/// How often it is asked whether something that another process holds is free.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// The server's clock, in UTC milliseconds: those of the processes may differ.
const NOW: &str = "CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";

/// What a process is known as.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    fence: i64,
    /// By our own clock, which runs on while we are stopped: no sooner than the server's.
    until: Instant,
}

/// Asks, behind another question, for a row that is there as long as a number holds.
pub fn is_live(fence: i64) -> String {
    format!("; SELECT fence FROM node WHERE fence = {fence} AND until > {NOW}")
}

/// Something that one process has at a time. Given back when dropped; when its process dies, after its lease.
#[derive(Debug)]
pub struct Lease {
    server: Arc<Server>,
    name: String,
    /// The number of the process when it took it.
    node: i64,
    /// Of this one time: what is given back late must not end what was taken since.
    fence: i64,
}

impl Server {
    /// The number of this process, while it thinks it has one.
    pub fn fence(&self) -> Option<i64> {
        self.known().map(|node| node.fence)
    }

    /// Whether nobody can have taken over our work yet. Asks nobody, so that it can be asked right before something that
    /// cannot be undone.
    pub fn is_ours(&self) -> bool {
        self.known().is_none_or(|node| Instant::now() < node.until)
    }

    /// The number of this process, which gets one where it had none.
    ///
    /// # Errors
    /// [`StoreError::Fenced`] where it had one that holds no more: whoever works under it must end first.
    async fn join(self: &Arc<Self>) -> Result<i64, StoreError> {
        let _one = self.joining.lock().await;
        match self.known() {
            Some(node) if Instant::now() < node.until => Ok(node.fence),
            Some(_) => Err(StoreError::Fenced),
            None => self.number().await,
        }
    }

    /// As [`Self::join`], where nothing is under way that was begun under another number.
    pub async fn join_anew(self: &Arc<Self>) -> Result<i64, StoreError> {
        let _one = self.joining.lock().await;
        match self.known() {
            Some(node) if Instant::now() < node.until => Ok(node.fence),
            _ => self.number().await,
        }
    }

    async fn number(self: &Arc<Self>) -> Result<i64, StoreError> {
        let mut write = self.write_as(None).await?;
        bury(&mut write).await?;
        let fence = next(&mut write).await?;
        // After the wait for our turn, which may be longer than the lease, and before the server looks at its clock.
        let asked = Instant::now();
        let until = format!("INSERT INTO node (fence, name, until) VALUES ($1, $2, {NOW} + $3)");
        sqlx::query(AssertSqlSafe(until)).bind(fence).bind(called()).bind(millis(LEASE)).execute(&mut *write).await?;
        write.commit().await?;
        self.node.send_replace(Some(Node { fence, until: asked + LEASE }));
        tokio::spawn(keep_up(Arc::downgrade(self), fence));
        Ok(fence)
    }

    /// Takes something that only one process may have, waiting for it; or names the process that has it.
    pub async fn lease(self: &Arc<Self>, name: &str, patience: Duration) -> Result<Lease, StoreError> {
        let node = self.join().await?;
        let (end, mut wait) = (Instant::now() + patience, ASK_AGAIN);
        loop {
            // Whoever waits keeps nobody from writing.
            let holder = self.holder(name, node).await?;
            if holder.is_none()
                && let Some(fence) = self.take(name, node).await?
            {
                return Ok(Lease { server: Arc::clone(self), name: name.to_owned(), node, fence });
            }
            if Instant::now() >= end {
                return Err(StoreError::Claimed { holder: holder.unwrap_or_else(|| "unknown".to_owned()) });
            }
            sleep(wait).await;
            wait = (wait * 2).min(ASK_AGAIN * 16);
        }
    }

    /// Which other process has something.
    async fn holder(self: &Arc<Self>, name: &str, node: i64) -> Result<Option<String>, StoreError> {
        let held = format!(
            "SELECT node.name FROM lease JOIN node ON node.fence = lease.node \
             WHERE lease.name = $1 AND lease.node <> $2 AND node.until > {NOW}"
        );
        let held = sqlx::query_scalar(AssertSqlSafe(held)).bind(name).bind(node);
        Ok(held.fetch_optional(&mut *self.read().await?).await?)
    }

    /// The number of the lease, where nobody was faster.
    async fn take(self: &Arc<Self>, name: &str, node: i64) -> Result<Option<i64>, StoreError> {
        let mut write = self.write().await?;
        bury(&mut write).await?;
        let fence = next(&mut write).await?;
        let taken = sqlx::query(
            "INSERT INTO lease (name, node, fence) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE \
             SET node = excluded.node, fence = excluded.fence \
             WHERE lease.node = excluded.node OR NOT EXISTS (SELECT 1 FROM node WHERE node.fence = lease.node)",
        )
        .bind(name)
        .bind(node)
        .bind(fence)
        .execute(&mut *write)
        .await?;
        write.commit().await?;
        Ok((taken.rows_affected() == 1).then_some(fence))
    }

    /// Gives back all that this process has.
    pub(super) async fn leave(self: &Arc<Self>) {
        let Some(Node { fence, .. }) = self.known() else { return };
        // What fails here runs out by itself.
        let left = async {
            let mut write = self.renew().await?;
            for gone in ["DELETE FROM lease WHERE node = $1", "DELETE FROM node WHERE fence = $1"] {
                sqlx::query(gone).bind(fence).execute(&mut *write).await?;
            }
            write.commit().await
        };
        _ = timeout(RENEWED_WITHIN, left).await;
    }

    /// Notes that a number holds no more, so that another is got before anything else is begun.
    pub(super) fn lapsed(&self, fence: Option<i64>) {
        self.now_until(fence, Instant::now());
    }

    /// Waits until others may take over what is done under this process's number; for ever where it has none.
    pub(super) async fn cut_off(&self) {
        match self.fence() {
            Some(fence) => self.runs_out(fence, Duration::ZERO).await,
            None => std::future::pending().await,
        }
    }

    /// Waits until the lease on a number runs out, or so long `before`.
    async fn runs_out(&self, fence: i64, before: Duration) {
        let mut node = self.node.subscribe();
        loop {
            let Some(until) = node.borrow_and_update().filter(|node| node.fence == fence).map(|node| node.until) else {
                return;
            };
            tokio::select! {
                Ok(()) = node.changed() => {}
                () = sleep_until(until.checked_sub(before).unwrap_or(until)) => return,
            }
        }
    }

    /// Notes until when the lease on a number runs, where it is still ours.
    fn now_until(&self, fence: Option<i64>, until: Instant) {
        self.node.send_if_modified(|node| {
            let node = node.as_mut().filter(|node| Some(node.fence) == fence);
            node.map(|node| node.until = until).is_some()
        });
    }

    /// See `Store::must_agree_on`.
    pub(super) async fn must_agree_on(self: &Arc<Self>, now: DateTime<Utc>) -> Result<(), StoreError> {
        let (ours, asked) = (now.timestamp_millis(), Instant::now());
        let theirs: i64 =
            sqlx::query_scalar(AssertSqlSafe(format!("SELECT {NOW}"))).fetch_one(&mut *self.read().await?).await?;
        // It looked at its clock some time between the question and the answer.
        let (ahead, behind) = (ours - theirs, theirs - millis(asked.elapsed()) - ours);
        let apart = |seconds, side| Err(StoreError::Clock { seconds, side });
        if ahead > millis(APART) {
            apart(ahead / 1000, "ahead of")
        } else if behind > millis(APART) {
            apart(behind / 1000, "behind")
        } else {
            Ok(())
        }
    }

    /// See `Store::overruled`.
    pub(super) async fn overruled(
        self: &Arc<Self>,
        works_with: &str,
        since: DateTime<Utc>,
    ) -> Result<Option<String>, StoreError> {
        let Some(fence) = self.fence() else { return Ok(None) };
        let since = since.timestamp_millis();
        let mut read = self.read().await?;
        let known: Option<String> = sqlx::query_scalar("SELECT works_with FROM node WHERE fence = $1 AND since = $2")
            .bind(fence)
            .bind(since)
            .fetch_optional(&mut *read)
            .await?;
        let other = format!(
            "SELECT name FROM node WHERE until > {NOW} AND works_with <> '' AND works_with <> $1 \
             AND (since > $2 OR (since = $2 AND fence > $3)) ORDER BY since DESC LIMIT 1"
        );
        let other = sqlx::query_scalar(AssertSqlSafe(other)).bind(works_with).bind(since).bind(fence);
        let other = other.fetch_optional(&mut *read).await?;
        read.rollback().await?;
        if known.as_deref() != Some(works_with) {
            let mut write = self.renew().await?;
            sqlx::query("UPDATE node SET works_with = $1, since = $2 WHERE fence = $3")
                .bind(works_with)
                .bind(since)
                .bind(fence)
                .execute(&mut *write)
                .await?;
            write.commit().await?;
        }
        Ok(other)
    }

    fn known(&self) -> Option<Node> {
        *self.node.borrow()
    }

    /// Whether the lease still held, and now runs anew.
    async fn renewed(self: &Arc<Self>, fence: i64) -> Result<bool, StoreError> {
        let asked = Instant::now();
        let mut write = self.renew().await?;
        let longer = format!("UPDATE node SET until = {NOW} + $1 WHERE fence = $2 AND until > {NOW}");
        let renewed = sqlx::query(AssertSqlSafe(longer)).bind(millis(LEASE)).bind(fence).execute(&mut *write).await?;
        write.commit().await?;
        let is_held = renewed.rows_affected() == 1;
        // Where it did not, every write says so from now on.
        self.now_until(Some(fence), if is_held { asked + LEASE } else { asked });
        Ok(is_held)
    }
}

/// Renews the lease for as long as the store is open and the number holds.
async fn keep_up(server: Weak<Server>, fence: i64) {
    loop {
        sleep(RENEWED_EVERY).await;
        let Some(server) = server.upgrade() else { return };
        // One that fails is tried again until the lease has run out.
        if let Ok(Ok(false)) = timeout(RENEWED_WITHIN, server.renewed(fence)).await {
            return;
        }
    }
}

/// A number that nobody else ever gets: 56 random bits. One that is counted up would be given twice where a standby takes
/// over that had not heard of the last.
async fn next(write: &mut Connection) -> Result<i64, StoreError> {
    let drawn = "SELECT CAST(CAST('x' || substr(replace(CAST(gen_random_uuid() AS TEXT), '-', ''), 1, 15) AS BIT(60)) AS BIGINT)";
    Ok(sqlx::query_scalar(drawn).fetch_one(write).await?)
}

/// Takes out the numbers of processes that kept silent for too long: what they held is anybody's, and they can write no
/// more. One that speaks at this very moment is left alone.
pub async fn bury(write: &mut Connection) -> Result<(), StoreError> {
    let dead =
        format!("DELETE FROM node WHERE fence IN (SELECT fence FROM node WHERE until <= {NOW} FOR UPDATE SKIP LOCKED)");
    write.execute(AssertSqlSafe(dead)).await?;
    Ok(())
}

fn millis(span: Duration) -> i64 {
    i64::try_from(span.as_millis()).unwrap_or(i64::MAX)
}

/// Tells people which process it is.
fn called() -> String {
    let host = rustix::system::uname();
    format!("{} on {}", std::process::id(), host.nodename().to_string_lossy())
}

impl Lease {
    /// Refuses where somebody else may have it by now; else makes the lease run anew. Asked before what no transaction can
    /// undo and only one process may do.
    pub async fn must_last(&self) -> Result<(), StoreError> {
        let renewed = timeout(RENEWED_WITHIN, self.server.renewed(self.node)).await;
        if !renewed.map_err(|_| StoreError::from(silence()))?? {
            return Err(StoreError::Fenced);
        }
        self.must_hold(&mut *self.server.read().await?).await
    }

    /// Waits until too little is left of the lease for what only one process may do: it must have ended before another begins it.
    pub async fn nearly_lost(&self) {
        self.server.runs_out(self.node, LEFT).await;
    }

    /// Waits until somebody else may have it.
    pub async fn lost(&self) {
        self.server.runs_out(self.node, Duration::ZERO).await;
    }

    /// Refuses to write where somebody else has it by now.
    pub async fn must_hold(&self, write: &mut Connection) -> Result<(), StoreError> {
        let held = sqlx::query("SELECT fence FROM lease WHERE name = $1 AND fence = $2")
            .bind(&self.name)
            .bind(self.fence)
            .fetch_optional(write)
            .await?;
        held.map(|_| ()).ok_or(StoreError::Fenced)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Ok(runtime) = Handle::try_current() else { return };
        let (server, name, fence) = (Arc::clone(&self.server), std::mem::take(&mut self.name), self.fence);
        runtime.spawn(async move {
            // What fails here is taken again by this process, or runs out with it.
            let given_back = async {
                let mut write = server.renew().await?;
                sqlx::query("DELETE FROM lease WHERE name = $1 AND fence = $2")
                    .bind(name)
                    .bind(fence)
                    .execute(&mut *write)
                    .await?;
                write.commit().await
            };
            _ = timeout(RENEWED_WITHIN, given_back).await;
        });
    }
}
