//! Takes deliveries that are their senders' into the store, all that wait in one transaction, and says so once they are on
//! disk. A delivery that brings no act, or one that cannot be read, makes its source due: its next reading knows better.
//! Of a sender that cannot be asked, the first is kept as a sign of life, and the other is not acknowledged.

use std::collections::BTreeMap;

use chrono::{DateTime, Duration, Utc};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::InboundError;
use super::door::{Outcome, WAITING, Waiting};
use crate::connect::{Deliveries, Registry};
use crate::domain::connector::{RowSink, SourceAccess, SourceRow};
use crate::domain::id::SourceId;
use crate::domain::inbound::Told;
use crate::domain::intake::Intake;
use crate::store::{KeptDeliveries, NAMES_KEPT_DAYS, Received, Store};

/// How the deliveries of one source are read.
struct Source {
    /// `None` where they say only that there is something new.
    deliveries: Option<Box<dyn Deliveries>>,
    intake: Intake,
    /// Older acts are not kept.
    oldest: Duration,
    /// Its sender cannot be asked.
    is_alone: bool,
}

/// What a delivery is.
enum Read {
    /// To be kept.
    Delivery(Box<Received>),
    /// To be asked for.
    Ask,
    /// Lost, were it acknowledged.
    Unreadable,
}

/// Reads and keeps deliveries.
pub(super) struct Keeper {
    sources: BTreeMap<SourceId, Source>,
    told: watch::Sender<Told>,
}

impl Keeper {
    pub(super) fn new(
        sources: &BTreeMap<SourceId, SourceAccess>,
        registry: &Registry,
        told: watch::Sender<Told>,
    ) -> Result<Self, InboundError> {
        let mut known = BTreeMap::new();
        for (id, access) in sources {
            let Some(inbound) = &access.inbound else { continue };
            let failed = |why| InboundError::Source(id.clone(), why);
            let name = &access.source.connector;
            let connector = registry.get(name).ok_or_else(|| failed(format!("there is no connector {name:?}")))?;
            let deliveries = connector.deliveries(&access.settings, &access.intake.answers).map_err(failed)?;
            let read_back = connector.info().lookback_days_of(&access.source);
            // Once its name is forgotten, a delivery whose time is not signed cannot be told from a new one.
            let most = if inbound.scheme.signs_time() { read_back } else { read_back.min(NAMES_KEPT_DAYS) };
            let oldest = Duration::days(most.into());
            let (intake, is_alone) = (access.intake.clone(), connector.info().only_sends);
            known.insert(id.clone(), Source { deliveries, intake, oldest, is_alone });
        }
        Ok(Self { sources: known, told })
    }

    pub(super) async fn keep(
        &self,
        store: &Store,
        mut waiting: mpsc::Receiver<Waiting>,
        now: fn() -> DateTime<Utc>,
        stop: &CancellationToken,
    ) {
        let mut together = Vec::new();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                received = waiting.recv_many(&mut together, WAITING) => {
                    if received == 0 {
                        return;
                    }
                }
            }
            let (mut deliveries, mut answers) = (Vec::new(), Vec::new());
            for one in together.drain(..) {
                // Whoever waited too long for an answer has gone.
                match self.read(store, &one, now()).await {
                    Read::Delivery(delivery) => {
                        deliveries.push(*delivery);
                        answers.push(one.answer);
                    }
                    Read::Ask => {
                        let at = now();
                        self.told.send_modify(|told| _ = told.insert(one.source, at));
                        _ = one.answer.send(Outcome::Kept);
                    }
                    Read::Unreadable => {
                        let noted = store.note_unread(&one.source, &one.name, now()).await;
                        if let Err(error) = &noted {
                            tracing::error!(%error, "a delivery that cannot be read could not be noted");
                        }
                        _ = one.answer.send(noted.map_or(Outcome::Failed, |()| Outcome::Unreadable));
                    }
                }
            }
            if deliveries.is_empty() {
                continue;
            }
            let outcome = match store.receive(deliveries, now()).await {
                Ok(kept) => {
                    let KeptDeliveries { new, changed, repeated, old } = kept;
                    tracing::info!(new, changed, repeated, old, "received");
                    if old > 0 {
                        tracing::warn!(
                            old,
                            "acts of days that are not read again were sent, late or once more: not kept"
                        );
                    }
                    Outcome::Kept
                }
                Err(error) => {
                    tracing::error!(%error, "deliveries could not be kept: their senders are asked to send them again");
                    Outcome::Failed
                }
            };
            for answer in answers {
                _ = answer.send(outcome);
            }
        }
    }

    /// What a delivery is.
    async fn read(&self, store: &Store, waiting: &Waiting, now: DateTime<Utc>) -> Read {
        let id = &waiting.source;
        let Some(source) = self.sources.get(id) else { return Read::Ask };
        let Some(deliveries) = &source.deliveries else { return Read::Ask };
        let mut stage = store.stage_of(&source.intake);
        let body = str::from_utf8(&waiting.body).map_err(|_| "it is not UTF-8".to_owned());
        let read = match body.and_then(|body| deliveries.read(body)) {
            Ok(None) if source.is_alone => Ok(()),
            Ok(None) => return Read::Ask,
            Ok(Some(act)) => stage.accept(&[SourceRow::Response(act)]).await.map_err(|error| error.to_string()),
            Err(why) => Err(why),
        };
        match read {
            Ok(()) => Read::Delivery(Box::new(Received {
                source: id.clone(),
                name: waiting.name.clone(),
                stage,
                since: now - source.oldest,
            })),
            Err(why) if source.is_alone => {
                tracing::error!(source = %id, why, "a delivery cannot be read, and its sender cannot be asked: it is not taken");
                Read::Unreadable
            }
            Err(why) => {
                tracing::warn!(source = %id, why, "a delivery cannot be read: its source is read instead");
                Read::Ask
            }
        }
    }
}
