//! Telling people: one file for each kind of receiver, and what they share about trying again. Which
//! messages exist is decided elsewhere, and the store keeps them until they are delivered; nothing
//! here reads or writes either.

mod discord;
mod email;
mod endpoint;
mod google_chat;
mod mattermost;
mod plain;
mod shown;
mod slack;
mod teams;
mod webhook;

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use rand::{Rng, RngExt};
use thiserror::Error;

use crate::domain::message::{Delivery, Destination, NotifierInfo};

/// One kind of receiver.
struct Kind {
    info: fn() -> NotifierInfo,
    build: fn(&Destination, reqwest::Client) -> Built,
}

type Built = Result<Box<dyn Notifier>, NotifyError>;

/// Every kind. A new one is a file beside this one and a line here.
const KINDS: [Kind; 7] = [
    Kind { info: slack::info, build: slack::build },
    Kind { info: webhook::info, build: webhook::build },
    Kind { info: mattermost::info, build: mattermost::build },
    Kind { info: discord::info, build: discord::build },
    Kind { info: teams::info, build: teams::build },
    Kind { info: google_chat::info, build: google_chat::build },
    Kind { info: email::info, build: email::build },
];

/// A place messages go to.
#[async_trait]
pub trait Notifier: Send + Sync {
    /// Makes one attempt. A delivery that `may_repeat` says so to its reader. `now` signs the attempt and is what a date in `Retry-After`
    /// is measured from.
    async fn send(&self, delivery: &Delivery, now: DateTime<Utc>) -> Result<(), NotifyError>;
}

/// Why a message did not arrive. Neither text holds an address, a secret or what the receiver wrote.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotifyError {
    /// Trying again cannot help: a person must act.
    #[error("{advice}")]
    Permanent {
        /// What to do.
        advice: String,
    },
    /// It arrived, but not everywhere it should: a person must act, and what arrived is not sent again.
    #[error("{advice}")]
    Partly {
        /// What to do.
        advice: String,
    },
    /// Try again, not sooner than asked and not sooner than [`next_attempt`] says.
    #[error("{what}; it is tried again later")]
    Temporary {
        /// What the receiver asked for, 1 second to 1 hour.
        retry_after: Option<Duration>,
        /// It was handed over, and no answer came, or only that something failed: the receiver may have it all the same.
        may_have_arrived: bool,
        /// What happened.
        what: String,
    },
}

/// Every kind of notifier with what it needs, for the configuration check.
pub fn kinds() -> Vec<NotifierInfo> {
    KINDS.iter().map(|kind| (kind.info)()).collect()
}

/// Makes the notifier of a configured destination. The client must not follow redirects.
///
/// # Errors
/// [`NotifyError::Permanent`] when a setting is missing or unusable.
pub fn build(destination: &Destination, client: reqwest::Client) -> Result<Box<dyn Notifier>, NotifyError> {
    let Some(kind) = KINDS.iter().find(|kind| (kind.info)().kind == destination.kind) else {
        let known: Vec<_> = KINDS.iter().map(|kind| (kind.info)().kind).collect();
        let advice = format!("`{}` is no kind of notifier; use one of: {}", destination.kind, known.join(", "));
        return Err(NotifyError::Permanent { advice });
    };
    (kind.build)(destination, client)
}

/// Seconds to wait before each attempt: the example schedule of Standard Webhooks 1.0.0, 75 hours in all.
const WAITS: [u64; 10] = [0, 5, 5 * 60, 30 * 60, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR];
const HOUR: u64 = 60 * 60;

/// How long to wait before the next attempt when `attempts` have been begun: nothing before the first,
/// then the schedule's wait, a tenth shorter or longer at random so that many messages do not return
/// together. `None`: exhausted, give up and report it.
pub fn next_attempt(attempts: u32, rng: &mut impl Rng) -> Option<Duration> {
    let wait = WAITS.get(usize::try_from(attempts).ok()?)?;
    Some(Duration::from_secs(*wait).mul_f64(rng.random_range(0.9..=1.1)))
}
