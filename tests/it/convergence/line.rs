//! The line between a daemon and its PostgreSQL, on which one question in a hundred goes wrong: it never arrives, or its answer
//! does not, or the daemon is killed over it, or its connection has ended when it is next used. Whoever renews a lease is left
//! alone: when it does so is the machine's affair.
//!
//! What goes wrong is drawn by the step of the day, the words of a question and how often they came in that step, so that it does
//! not depend on the order in which the machine lets questions arrive that are under way at the same time.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use super::Faults;
use crate::postgres::Database;

/// One question in so many goes wrong.
const ONE_IN: u32 = 100;

/// Asks whether the server speaks encrypted, in place of a first message.
const IS_ENCRYPTED: [u8; 4] = 80_877_103_u32.to_be_bytes();

/// What becomes of a question.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fate {
    Passes,
    /// The connection ends before the server hears it.
    Lost,
    /// The server does it, and the connection ends before the answer comes.
    Unanswered,
    /// It is answered, and the connection ends before the next transaction begins.
    Stale,
    /// The process ends before the server hears it.
    KilledBefore,
    /// The server does it, and the process ends before the answer comes.
    KilledAfter,
}

/// A line; it ends with the test.
pub struct Line {
    /// The store's address over this line.
    pub url: String,
    kills: mpsc::UnboundedReceiver<u64>,
    state: Arc<State>,
}

struct State {
    upstream: String,
    is_calm: AtomicBool,
    seed: u64,
    faults: Faults,
    day: Mutex<Day>,
    kill: mpsc::UnboundedSender<u64>,
}

#[derive(Default)]
struct Day {
    step: u64,
    /// How often the process was started anew.
    start: u64,
    /// How often which words came in this step.
    asked: HashMap<u64, u64>,
    questions: u64,
}

impl Line {
    pub async fn to(database: &Database, seed: u64, faults: &Faults) -> Self {
        let mut url = url::Url::parse(&database.url).unwrap();
        let (kill, kills) = mpsc::unbounded_channel();
        let state = Arc::new(State {
            upstream: format!("127.0.0.1:{}", url.port().unwrap()),
            is_calm: AtomicBool::new(false),
            seed,
            faults: Arc::clone(faults),
            day: Mutex::default(),
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

    /// From now on nothing goes wrong.
    pub fn calm(&self) {
        self.state.is_calm.store(true, Ordering::Relaxed);
    }

    /// The next step of the day begins.
    pub fn step(&self) {
        let mut day = self.state.day.lock().unwrap();
        day.step += 1;
        day.asked.clear();
    }

    /// Another process begins: the one before is killed over nothing any more.
    pub fn begin(&mut self) {
        self.state.day.lock().unwrap().start += 1;
        while self.kills.try_recv().is_ok() {}
    }

    /// Waits until the process should be killed: the how manyeth it is.
    pub async fn kills(&mut self) -> Option<u64> {
        let now = self.state.day.lock().unwrap().start;
        loop {
            let start = self.kills.recv().await?;
            if start == now {
                return Some(start);
            }
        }
    }

    pub fn questions(&self) -> u64 {
        self.state.day.lock().unwrap().questions
    }
}

/// What a client says, message by message.
struct Client {
    from: OwnedReadHalf,
    heard: Vec<u8>,
    has_begun: bool,
}

/// What is said in one go, up to where an answer is waited for.
struct Said {
    bytes: Vec<u8>,
    /// In SQL, where it is a question.
    words: Option<String>,
}

impl Client {
    /// The next message; `None` at the end.
    async fn message(&mut self) -> Option<Vec<u8>> {
        loop {
            // At first without a letter before its length.
            let before = usize::from(self.has_begun);
            if let Some(length) = self.heard.get(before..before + 4) {
                let length = before + u32::from_be_bytes(length.try_into().unwrap()) as usize;
                if self.heard.len() >= length {
                    return Some(self.heard.drain(..length).collect());
                }
            }
            if self.from.read_buf(&mut self.heard).await.ok()? == 0 {
                return None;
            }
        }
    }

    async fn says(&mut self) -> Option<Said> {
        let mut said = Said { bytes: Vec::new(), words: None };
        loop {
            let message = self.message().await?;
            let text = |from: usize| message[from..].split(|byte| *byte == 0).next().map(String::from_utf8_lossy);
            let is_end = if self.has_begun {
                match message[0] {
                    b'Q' => said.words = text(5).map(Into::into),
                    // The statement has no name.
                    b'P' => said.words = text(6).map(Into::into),
                    b'B' if said.words.is_none() => said.words = Some(String::new()),
                    _ => {}
                }
                !matches!(message[0], b'P' | b'B' | b'D' | b'E' | b'C')
            } else {
                self.has_begun = message[4..8] != IS_ENCRYPTED;
                true
            };
            said.bytes.extend(message);
            if is_end {
                return Some(said);
            }
        }
    }
}

impl State {
    async fn connect(self: Arc<Self>, client: TcpStream) {
        let Ok(server) = TcpStream::connect(&self.upstream).await else { return };
        for end in [&client, &server] {
            end.set_nodelay(true).unwrap();
        }
        let ((from_us, mut to_us), (mut from_it, mut to_it)) = (client.into_split(), server.into_split());
        let (is_lost, is_killed) = (AtomicBool::new(false), AtomicBool::new(false));
        let start = self.day.lock().unwrap().start;
        let asks = async {
            let mut client = Client { from: from_us, heard: Vec::new(), has_begun: false };
            let (mut is_asking, mut is_stale, mut last) = (false, false, String::new());
            while let Some(Said { bytes, words }) = client.says().await {
                let mut fate = Fate::Passes;
                match words.as_deref() {
                    None | Some("ROLLBACK") => {}
                    Some(words) if words.starts_with("BEGIN") => {
                        is_asking = !words.contains("lock_timeout = '5s'");
                        if is_stale {
                            return;
                        }
                    }
                    Some(words) if is_asking => {
                        // What was prepared is asked, or what was asked is kept.
                        if !words.is_empty() && words != "COMMIT" {
                            words.clone_into(&mut last);
                        }
                        fate = self.fate(start, words, &last);
                    }
                    Some(_) => {}
                }
                match fate {
                    Fate::Passes => {}
                    Fate::Lost => return,
                    Fate::Stale => is_stale = true,
                    Fate::KilledBefore => {
                        _ = self.kill.send(start);
                        // The server hears that it is gone, as from any process that dies.
                        while client.says().await.is_some() {}
                        return;
                    }
                    Fate::Unanswered => is_lost.store(true, Ordering::Relaxed),
                    Fate::KilledAfter => is_killed.store(true, Ordering::Relaxed),
                }
                if to_it.write_all(&bytes).await.is_err() {
                    return;
                }
            }
        };
        let answers = async {
            let mut bytes = vec![0; 1 << 16];
            while let Ok(read @ 1..) = from_it.read(&mut bytes).await {
                if is_killed.load(Ordering::Relaxed) {
                    _ = self.kill.send(start);
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

    /// Of a question of some words, or of the one whose words are `of`.
    fn fate(&self, start: u64, words: &str, of: &str) -> Fate {
        let mut day = self.day.lock().unwrap();
        if self.is_calm.load(Ordering::Relaxed) || start != day.start {
            return Fate::Passes;
        }
        day.questions += 1;
        // Numbers of processes are never the same twice.
        let mut hash = DefaultHasher::new();
        of.split(|letter: char| letter.is_ascii_digit()).for_each(|part| part.hash(&mut hash));
        (words.is_empty(), words == "COMMIT").hash(&mut hash);
        let asked = day.asked.entry(hash.finish()).or_default();
        *asked += 1;
        let time = *asked;
        (self.seed, day.step, time).hash(&mut hash);
        let mut rng = ChaCha8Rng::seed_from_u64(hash.finish());
        if !rng.random_ratio(1, ONE_IN) {
            return Fate::Passes;
        }
        let fate = match rng.random_range(0..10) {
            0..3 => Fate::Lost,
            3..6 => Fate::Unanswered,
            6..8 => Fate::Stale,
            8 => Fate::KilledBefore,
            _ => Fate::KilledAfter,
        };
        let what = if words == "COMMIT" { "the commit of " } else { "" };
        let told = format!("step {}: {fate:?}: {what}{:.60}, time {time}", day.step, of.escape_debug().to_string());
        self.faults.lock().unwrap().push(told);
        fate
    }
}
