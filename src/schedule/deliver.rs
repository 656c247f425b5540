//! Empties the outbox: each delivery is tried, and what came of it is written down before the next.
//! A notifier that is down never loses a verdict and never delays one.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rand::Rng;

use super::Parts;
use crate::domain::message::Delivery;
use crate::notify::{self, NotifyError};
use crate::store::StoreError;

/// What became of the deliveries that were due.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Accepted by their receivers.
    pub sent: u32,
    /// To be tried again later.
    pub postponed: u32,
    /// Never to be tried again; `status` shows them.
    pub given_up: u32,
}

/// Tries every delivery that is due at `now` once.
///
/// # Errors
/// [`StoreError`]: what was sent but not written down is sent again with the same id, marked as a
/// possible repeat.
pub async fn deliver(parts: &Parts, now: DateTime<Utc>, rng: &mut impl Rng) -> Result<Delivered, StoreError> {
    let mut delivered = Delivered::default();
    let due = parts.store.due_deliveries(now).await?;
    if due.is_empty() {
        return Ok(delivered);
    }
    // Where another process is at it, it tells these too.
    let _alone = match parts.store.alone("messages", Duration::ZERO).await {
        Ok(alone) => alone,
        Err(StoreError::Claimed { .. }) => return Ok(delivered),
        Err(error) => return Err(error),
    };
    for delivery in due {
        let Some(notifier) = parts.notifiers.get(&delivery.destination) else {
            let gone = format!("no [notify.{}] is configured any more", delivery.destination);
            parts.store.give_up(&delivery.id, &gone).await?;
            delivered.given_up += 1;
            continue;
        };
        let Some(delivery) = parts.store.begin_attempt(&delivery.id, now).await? else { continue };
        // Stopped in between for longer than its lease, it would tell what another process tells by now.
        if !parts.store.may_act() {
            return Err(StoreError::Fenced);
        }
        // As configured now: what waited for long is put like all else.
        let (message, page) =
            (parts.telling.put(&delivery.message, &delivery.destination), parts.telling.page(&delivery.message));
        let delivery = Delivery { message, page, ..delivery };
        let error = match notifier.send(&delivery, now).await {
            Ok(()) => {
                parts.store.mark_delivered(&delivery.id, now).await?;
                parts.health.note(|state| _ = state.left_out.remove(&delivery.destination));
                delivered.sent += 1;
                continue;
            }
            Err(error) => error,
        };
        tracing::warn!(delivery = %delivery.id, destination = %delivery.destination, %error, "not delivered to all");
        let (wait, may_have_arrived) = match &error {
            NotifyError::Partly { .. } => {
                parts.store.mark_delivered(&delivery.id, now).await?;
                parts.health.note(|state| _ = state.left_out.insert(delivery.destination.clone()));
                delivered.sent += 1;
                continue;
            }
            NotifyError::Permanent { .. } => (None, false),
            NotifyError::Temporary { retry_after, may_have_arrived, .. } => {
                let wait = notify::next_attempt(delivery.attempts, rng);
                (wait.map(|wait| retry_after.map_or(wait, |asked| asked.max(wait))), *may_have_arrived)
            }
        };
        if let Some(wait) = wait.and_then(|wait| chrono::Duration::from_std(wait).ok()) {
            let at = delivery.quiet.map_or(now + wait, |quiet| quiet.end(now + wait));
            parts.store.postpone(&delivery.id, at, may_have_arrived, &error.to_string()).await?;
            delivered.postponed += 1;
        } else {
            parts.store.give_up(&delivery.id, &error.to_string()).await?;
            delivered.given_up += 1;
        }
    }
    Ok(delivered)
}
