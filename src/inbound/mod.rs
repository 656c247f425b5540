//! Deliveries that vendors send by themselves: who sent them, and what becomes of them. An act that a delivery brings is
//! on disk before it is acknowledged; one that brings none makes its source due to be read. Asking vendors is `connect`'s
//! business.

mod door;
mod keep;
pub mod signature;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use chrono::{DateTime, Utc};
use thiserror::Error;
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use self::door::Door;
use self::keep::Keeper;
use self::signature::Verifier;
use crate::connect::Registry;
use crate::domain::connector::SourceAccess;
use crate::domain::id::SourceId;
use crate::domain::inbound::{Listen, Told};
use crate::store::Store;

/// Why nothing can be received.
#[derive(Debug, Error)]
pub enum InboundError {
    /// The address cannot be had.
    #[error("inbound.listen: {address} cannot be listened at: {source}; end what listens there, or name another port")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// A secret is none.
    #[error("source.{0}.inbound: {1}")]
    Secret(SourceId, &'static str),
    /// A connector cannot read its vendor's deliveries with the settings of a source.
    #[error("source.{0}: {1}")]
    Source(SourceId, String),
}

/// Receives deliveries, once it runs.
pub struct Inbound {
    door: Door,
    waiting: mpsc::Receiver<door::Waiting>,
    keeper: Keeper,
    now: fn() -> DateTime<Utc>,
}

impl Inbound {
    /// Begins to listen for the sources that are to receive anything. `now` says what time it is; `told` gets
    /// the sources that should be read.
    ///
    /// # Errors
    /// [`InboundError`].
    pub async fn open(
        listen: &Listen,
        sources: &BTreeMap<SourceId, SourceAccess>,
        registry: &Registry,
        told: watch::Sender<Told>,
        now: fn() -> DateTime<Utc>,
    ) -> Result<Self, InboundError> {
        let mut verifiers = BTreeMap::new();
        for (id, access) in sources {
            if let Some(inbound) = &access.inbound {
                let verifier = Verifier::new(inbound).map_err(|why| InboundError::Secret(id.clone(), why))?;
                verifiers.insert(id.clone(), verifier);
            }
        }
        let keeper = Keeper::new(sources, registry, told)?;
        let (sender, waiting) = mpsc::channel(door::WAITING);
        let door = Door::open(listen, verifiers, sender, now).await?;
        Ok(Self { door, waiting, keeper, now })
    }

    /// Where it listens.
    pub fn address(&self) -> Option<SocketAddr> {
        self.door.address()
    }

    /// Receives until `stop` is cancelled. What was acknowledged by then is on disk.
    pub async fn run(self, store: &Store, stop: &CancellationToken) {
        let Self { door, waiting, keeper, now } = self;
        let answering = tokio::spawn(door.answer(stop.clone()));
        keeper.keep(store, waiting, now, stop).await;
        answering.abort();
    }
}
