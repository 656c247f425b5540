//! N3: a process that ends at the worst moments of telling, many times. A receiver that deduplicates counts every message
//! once; a chat that cannot sees at most one more, and that one says that it may be a repeat.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use rand::RngExt;
use tokio::sync::Notify;
use willitsell::schedule::deliver::deliver;

use super::*;
use crate::recall::Rig;

/// Where the process ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Crash {
    BeforeSend,
    AfterSend,
    AfterRecord,
}

/// A receiver whose process ends at a certain moment: it says so, and nothing happens any more.
struct Failing {
    inner: Box<dyn Notifier>,
    crash: Crash,
    reached: Arc<Notify>,
}

#[async_trait]
impl Notifier for Failing {
    async fn send(&self, delivery: &Delivery, now: DateTime<Utc>) -> Result<(), NotifyError> {
        match self.crash {
            Crash::BeforeSend => {}
            Crash::AfterSend => self.inner.send(delivery, now).await?,
            Crash::AfterRecord => return self.inner.send(delivery, now).await,
        }
        self.reached.notify_one();
        std::future::pending().await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn n3_crashes_before_and_after_sending_and_recording() {
    let crashes: u32 = std::env::var("WILLITSELL_NOTICE_CRASHES").map_or(24, |all| all.parse().unwrap());
    let sandbox = start().await;
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let kinds = ["webhook", "slack"];
    let mut rig = Rig::new().await;
    let (mut wanted, mut clock) = (Vec::new(), now());
    for number in 0..crashes {
        clock += Duration::from_mins(1);
        sandbox.set_now(clock);
        let mut message = delivery(1).message;
        message.concept = ConceptId::new(format!("concept-{number}"));
        message.decided_at = clock;
        let all: Vec<_> = kinds.iter().map(|kind| Delivery::first(&message, &DestinationId::new(*kind))).collect();
        wanted.extend(all.iter().map(|it| it.id.clone()));
        rig.parts.store.add_notices(&all).await.unwrap();

        let crash = [Crash::BeforeSend, Crash::AfterSend, Crash::AfterRecord][rng.random_range(0..3)];
        let reached = Arc::new(Notify::new());
        rig.parts.notifiers = kinds
            .iter()
            .map(|kind| {
                let inner = notifier(&sandbox, kind, client());
                let failing: Box<dyn Notifier> = Box::new(Failing { inner, crash, reached: Arc::clone(&reached) });
                (DestinationId::new(*kind), failing)
            })
            .collect();
        tokio::select! {
            done = deliver(&rig.parts, clock, &mut rng) => { done.unwrap(); }
            () = reached.notified() => {}
        }
        // The next process finds what this one left behind.
        rig = rig.restarted().await;
        rig.parts.notifiers =
            kinds.iter().map(|kind| (DestinationId::new(*kind), notifier(&sandbox, kind, client()))).collect();
        deliver(&rig.parts, clock, &mut rng).await.unwrap();
        assert_eq!(rig.parts.store.undelivered().await.unwrap(), [], "{crash:?}");
    }
    let mut seen: BTreeMap<String, Vec<bool>> = BTreeMap::new();
    for message in sandbox.messages() {
        let id = message.delivery_id.unwrap();
        // The first of an id is no repeat; a program drops the others by it.
        assert_eq!(message.repeat, seen.contains_key(&id));
        let marked = texts(&message.body).iter().any(|text| text.contains("may repeat"));
        seen.entry(id).or_default().push(marked);
    }
    assert_eq!(seen.len(), wanted.len(), "each arrived");
    let mut repeated = 0;
    for (id, marks) in &seen {
        assert!(wanted.contains(id) && marks.len() <= 2, "{id}: {marks:?}");
        if id.ends_with("_slack") {
            assert!(marks.iter().skip(1).all(|marked| *marked), "{id}: a repeat says so: {marks:?}");
        }
        repeated += marks.len() - 1;
    }
    assert!(repeated > 0, "some crash came between sending and recording");
    println!("{crashes} crashes, {} messages, {repeated} repeats, all with their id", wanted.len());
}
