//! The line between a daemon and its PostgreSQL, on which one question in a hundred goes wrong: it never arrives, or its answer
//! does not, or the daemon is killed over it. Whoever renews a lease is left alone: when it does so is the machine's affair, and
//! what goes wrong must not depend on that.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::postgres::Database;

/// One question in so many goes wrong.
const ONE_IN: u32 = 100;

/// What becomes of a question.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Passes,
    /// The connection ends before the server hears it.
    Lost,
    /// The server does it, and the connection ends before the answer comes.
    Unanswered,
    /// The process ends before the server hears it.
    KilledBefore,
    /// The process ends before the answer comes.
    KilledAfter,
}

/// A line; it ends with the test.
pub struct Line {
    /// The store's address over this line.
    pub url: String,
    /// Whoever should be killed now.
    pub kills: mpsc::UnboundedReceiver<()>,
    state: Arc<State>,
}

struct State {
    upstream: String,
    is_calm: AtomicBool,
    seed: u64,
    /// With the number of questions, and of steps.
    draw: Mutex<(ChaCha8Rng, u64, u64)>,
    faults: Mutex<Vec<String>>,
    kill: mpsc::UnboundedSender<()>,
}

impl Line {
    pub async fn to(database: &Database, seed: u64) -> Self {
        let mut url = url::Url::parse(&database.url).unwrap();
        let (kill, kills) = mpsc::unbounded_channel();
        let state = Arc::new(State {
            upstream: format!("127.0.0.1:{}", url.port().unwrap()),
            is_calm: AtomicBool::new(false),
            seed,
            draw: Mutex::new((ChaCha8Rng::seed_from_u64(seed), 0, 0)),
            faults: Mutex::default(),
            kill,
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port())).unwrap();
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(Arc::clone(&shared).connect(client));
            }
        });
        Self { url: url.to_string(), kills, state }
    }

    /// From now on nothing goes wrong; gives back what did.
    pub fn calm(&self) -> Vec<String> {
        self.state.is_calm.store(true, Ordering::Relaxed);
        std::mem::take(&mut self.state.faults.lock().unwrap())
    }

    /// What goes wrong from now on depends on how often this was called, and not on how much was asked before.
    pub fn step(&self) {
        let mut draw = self.state.draw.lock().unwrap();
        let (seed, step) = (self.state.seed, draw.2 + 1);
        *draw = (ChaCha8Rng::seed_from_u64(seed ^ step << 32), draw.1, step);
    }

    pub fn questions(&self) -> u64 {
        self.state.draw.lock().unwrap().1
    }
}

impl State {
    async fn connect(self: Arc<Self>, client: TcpStream) {
        let Ok(server) = TcpStream::connect(&self.upstream).await else { return };
        let ((mut from_us, mut to_us), (mut from_it, mut to_it)) = (client.into_split(), server.into_split());
        let (is_lost, is_killed, mut is_asking) = (AtomicBool::new(false), AtomicBool::new(false), false);
        let asks = async {
            let mut bytes = vec![0; 1 << 20];
            while let Ok(read @ 1..) = from_us.read(&mut bytes).await {
                let question = &bytes[..read];
                let has = |word: &[u8]| question.windows(word.len()).any(|part| part == word);
                if has(b"BEGIN") {
                    is_asking = !has(b"lock_timeout = '5s'");
                }
                let fate = if is_asking { self.fate() } else { Fate::Passes };
                match fate {
                    Fate::Passes => {}
                    Fate::Lost => return,
                    Fate::KilledBefore => {
                        _ = self.kill.send(());
                        // The server hears that it is gone, as from any process that dies.
                        while let Ok(1..) = from_us.read(&mut bytes).await {}
                        return;
                    }
                    Fate::Unanswered => is_lost.store(true, Ordering::Relaxed),
                    Fate::KilledAfter => is_killed.store(true, Ordering::Relaxed),
                }
                if to_it.write_all(question).await.is_err() {
                    return;
                }
                if fate == Fate::KilledAfter {
                    // What is asked in one go is done in one go.
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                    _ = self.kill.send(());
                }
            }
        };
        let answers = async {
            let mut bytes = vec![0; 1 << 20];
            while let Ok(read @ 1..) = from_it.read(&mut bytes).await {
                if is_killed.load(Ordering::Relaxed) {
                    return std::future::pending().await;
                }
                if is_lost.load(Ordering::Relaxed) || to_us.write_all(&bytes[..read]).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = asks => {}
            () = answers => {}
        }
    }

    fn fate(&self) -> Fate {
        if self.is_calm.load(Ordering::Relaxed) {
            return Fate::Passes;
        }
        let mut draw = self.draw.lock().unwrap();
        let (rng, questions, _) = &mut *draw;
        *questions += 1;
        if !rng.random_ratio(1, ONE_IN) {
            return Fate::Passes;
        }
        let fate = match rng.random_range(0..10) {
            0..4 => Fate::Lost,
            4..8 => Fate::Unanswered,
            8 => Fate::KilledBefore,
            _ => Fate::KilledAfter,
        };
        self.faults.lock().unwrap().push(format!("question {questions} to the store: {fate:?}"));
        fate
    }
}
