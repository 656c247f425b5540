//! Deliveries at full speed, some twice, some forged, while the program is killed: the store equals what was
//! acknowledged.

use std::collections::{BTreeSet, VecDeque};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use chrono::Utc;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};

use super::{SECRET, SENT_AT, body, ids, project, send, signed};
use crate::project::Project;

/// What the issue of a release asks for is 10000 and 5.
const DELIVERIES: usize = 500;
const KILLS: usize = 1;

/// Senders at one time.
const SENDERS: usize = 48;

fn number(name: &str, otherwise: usize) -> usize {
    std::env::var(name).ok().map_or(otherwise, |number| number.parse().unwrap())
}

#[derive(Clone)]
struct Sent {
    id: String,
    is_forged: bool,
}

/// What senders have seen so far.
#[derive(Default)]
struct Seen {
    acknowledged: BTreeSet<String>,
    repeated: usize,
    refused: usize,
    turned_away: usize,
    broken: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn shows_4_the_store_equals_what_was_acknowledged_however_often_the_program_is_killed() {
    let (deliveries, kills) = (number("WILLITSELL_DELIVERIES", DELIVERIES), number("WILLITSELL_DELIVERY_KILLS", KILLS));
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let project = project(&free.to_string());
    let mut rng = ChaCha8Rng::seed_from_u64(20_260_304);
    let mut all: Vec<Sent> = Vec::new();
    for number in 0..deliveries {
        let is_forged = rng.random_ratio(5, 100);
        let repeats = all.last().filter(|_| rng.random_ratio(10, 100)).cloned();
        all.push(
            repeats
                .filter(|before| !before.is_forged && !is_forged)
                .unwrap_or(Sent { id: format!("r{number}"), is_forged }),
        );
    }
    let valid: BTreeSet<String> = all.iter().filter(|sent| !sent.is_forged).map(|sent| sent.id.clone()).collect();
    let forged = all.iter().filter(|sent| sent.is_forged).count();
    let repeats = deliveries - forged - valid.len();
    let (waiting, seen) = (Arc::new(Mutex::new(VecDeque::from(all))), Arc::new(Mutex::new(Seen::default())));

    let (up, is_up) = watch::channel(false);
    let (progress, mut answered) = mpsc::unbounded_channel();
    let mut child = start(&project, free).await;
    up.send(true).unwrap();
    let began = Instant::now();
    // By the clock of the program, which keeps no act of long ago.
    let sent_at = Utc::now().format("%Y-%m-%dT%H:%M:%SZ").to_string();
    let senders: Vec<_> = (0..SENDERS)
        .map(|_| {
            let queue = (waiting.clone(), seen.clone());
            tokio::spawn(sender(free, sent_at.clone(), queue, is_up.clone(), progress.clone()))
        })
        .collect();
    drop(progress);
    let mut answers = 0;
    let mut killed = 0;
    while answered.recv().await.is_some() {
        answers += 1;
        if killed < kills && answers >= (killed + 1) * deliveries / (kills + 1) {
            killed += 1;
            up.send(false).unwrap();
            child.kill().unwrap();
            child.wait().unwrap();
            // Acknowledged before the store is looked at; nothing can be acknowledged meanwhile.
            let acknowledged = seen.lock().unwrap().acknowledged.clone();
            let store = project.store().await;
            let stored: BTreeSet<String> = ids(&store, "form").await.into_iter().collect();
            store.close().await;
            assert!(acknowledged.is_subset(&stored), "lost: {:?}", acknowledged.difference(&stored));
            assert!(stored.is_subset(&valid), "forged: {:?}", stored.difference(&valid));
            child = start(&project, free).await;
            up.send(true).unwrap();
        }
    }
    let took = began.elapsed();
    for sender in senders {
        sender.await.unwrap();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let seen = Arc::into_inner(seen).unwrap().into_inner().unwrap();
    let store = project.store().await;
    store.check().await.unwrap();
    let mut stored = ids(&store, "form").await;
    stored.sort();
    assert_eq!(killed, kills);
    assert_eq!(seen.refused, forged, "every forged one was refused");
    assert_eq!(seen.acknowledged, valid, "every sender tries until it is acknowledged");
    assert_eq!(stored, valid.iter().cloned().collect::<Vec<_>>(), "each once");
    println!(
        "{deliveries} deliveries ({repeats} repeated, {forged} forged), {killed} kills: {} acts stored in {took:.1?}, {} a second; \
         {} turned away and {} broken off, all sent again",
        stored.len(),
        deliveries as u128 * 1000 / took.as_millis(),
        seen.turned_away,
        seen.broken,
    );
    project.assert_no_secret_kept();
}

/// Starts the program and waits until it listens.
async fn start(project: &Project, address: SocketAddr) -> Child {
    let mut command = project.command(&["run"]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).env("WILLITSELL_LOG", "warn");
    let mut child = command.spawn().unwrap();
    while TcpStream::connect(address).await.is_err() {
        assert!(child.try_wait().unwrap().is_none(), "it ended");
        tokio::task::yield_now().await;
    }
    child
}

/// Sends what waits, each until it is answered for good, as vendors do.
async fn sender(
    to: SocketAddr,
    sent_at: String,
    (waiting, seen): (Arc<Mutex<VecDeque<Sent>>>, Arc<Mutex<Seen>>),
    mut is_up: watch::Receiver<bool>,
    progress: mpsc::UnboundedSender<()>,
) {
    loop {
        let Some(sent) = waiting.lock().unwrap().pop_front() else { return };
        is_up.wait_for(|up| *up).await.unwrap();
        let body = body(&sent.id, &format!("{}@acme.io", sent.id)).replace(SENT_AT, &sent_at);
        let secret = if sent.is_forged { "not the secret" } else { SECRET };
        let status = send(to, "POST", "/in/form", &[signed(secret, &body)], body.as_bytes()).await;
        let mut seen = seen.lock().unwrap();
        match status {
            Some(200) if seen.acknowledged.insert(sent.id.clone()) => {}
            Some(200) => seen.repeated += 1,
            Some(401) => {
                assert!(sent.is_forged, "refused");
                seen.refused += 1;
            }
            again => {
                assert!(matches!(again, Some(429 | 503) | None), "{again:?}");
                *if again.is_some() { &mut seen.turned_away } else { &mut seen.broken } += 1;
                waiting.lock().unwrap().push_back(sent);
                continue;
            }
        }
        progress.send(()).unwrap();
    }
}
