//! A sign of life to somebody outside, who notices when it does not come. The address is a secret: whoever knows it can say that
//! all is well. It is in no log and no error.

use std::time::Duration;

use reqwest::{Client, Url};
use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;

use super::Health;

/// Called at most this often, but at once when trouble comes or goes.
const EVERY: Duration = Duration::from_mins(1);

/// Calls an address after each round, and the one below it that ends in `/fail` where something needs a person.
pub struct Heartbeat {
    client: Client,
    well: Url,
    fail: Url,
}

impl Heartbeat {
    /// To this address; `None` where it is none, which a checked configuration rules out.
    pub fn to(address: &SecretString, client: Client) -> Option<Self> {
        let well: Url = address.expose_secret().parse().ok()?;
        let mut fail = well.clone();
        fail.path_segments_mut().ok()?.pop_if_empty().push("fail");
        Some(Self { client, well, fail })
    }

    /// Calls until `stop` is cancelled. What does not get through is not tried again: the next round is.
    pub async fn run(self, health: &Health, stop: CancellationToken) {
        let mut rounds = health.rounds();
        let mut said = None;
        loop {
            tokio::select! {
                more = rounds.changed() => if more.is_err() { return },
                () = stop.cancelled() => return,
            }
            let is_well = health.state().troubles().is_empty();
            let is_due = said.is_none_or(|(was_well, at): (bool, tokio::time::Instant)| {
                was_well != is_well || at.elapsed() >= EVERY
            });
            if is_due {
                said = Some((is_well, tokio::time::Instant::now()));
                self.call(if is_well { &self.well } else { &self.fail }).await;
            }
        }
    }

    async fn call(&self, address: &Url) {
        match self.client.get(address.clone()).send().await {
            Ok(answer) if answer.status().is_success() => {}
            Ok(answer) => tracing::warn!(status = answer.status().as_u16(), "the heartbeat was not taken"),
            // What the library says of it may hold the address.
            Err(_) => tracing::warn!("the heartbeat did not get through"),
        }
    }
}
