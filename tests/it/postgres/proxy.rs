//! Between a store and its server: passes on, keeps silent, cuts what there is, is not there, or leads elsewhere.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::Database;

/// What becomes of a connection in which a transaction is to end. Once.
#[derive(Clone, Copy, PartialEq)]
pub enum AtCommit {
    Passes,
    /// The server never hears of it.
    CutBefore,
    /// The server does it, and nobody hears of that.
    CutAfter,
    /// And the server is away from then on.
    CutAfterAndGone,
}

pub struct Proxy {
    pub port: u16,
    /// Else it keeps silent, and no end hears of it.
    pub passes: watch::Sender<bool>,
    /// Else whoever comes is turned away.
    pub is_there: watch::Sender<bool>,
    pub at_commit: watch::Sender<AtCommit>,
    /// How often somebody was.
    pub turned_away: watch::Sender<u32>,
    to: watch::Sender<u16>,
    cuts: watch::Sender<u32>,
}

/// One connection.
#[derive(Clone)]
struct Line {
    passes: watch::Receiver<bool>,
    at_commit: watch::Sender<AtCommit>,
    is_there: watch::Sender<bool>,
    is_mute: Arc<AtomicBool>,
}

impl Proxy {
    /// To the server of a database, and the address that leads through it.
    pub async fn to(database: &Database) -> (Self, String) {
        let mut url = url::Url::parse(&database.url).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let proxy = Self {
            port,
            passes: watch::Sender::new(true),
            is_there: watch::Sender::new(true),
            at_commit: watch::Sender::new(AtCommit::Passes),
            turned_away: watch::Sender::new(0),
            to: watch::Sender::new(database.port),
            cuts: watch::Sender::new(0),
        };
        let (to, cuts, turned_away) = (proxy.to.subscribe(), proxy.cuts.clone(), proxy.turned_away.clone());
        let line = Line {
            passes: proxy.passes.subscribe(),
            at_commit: proxy.at_commit.clone(),
            is_there: proxy.is_there.clone(),
            is_mute: Arc::default(),
        };
        tokio::spawn(async move {
            while let Ok((inner, _)) = listener.accept().await {
                if !*line.is_there.borrow() {
                    turned_away.send_modify(|times| *times += 1);
                    continue;
                }
                let (upstream, mut cut) = (*to.borrow(), cuts.subscribe());
                let line = Line { is_mute: Arc::default(), ..line.clone() };
                tokio::spawn(async move {
                    let Ok(outer) = TcpStream::connect(("127.0.0.1", upstream)).await else { return };
                    let ((from_us, to_us), (from_it, to_it)) = (inner.into_split(), outer.into_split());
                    tokio::select! {
                        _ = cut.changed() => {}
                        () = asked(from_us, to_it, line.clone()) => {}
                        () = answered(from_it, to_us, line) => {}
                    }
                });
            }
        });
        url.set_port(Some(port)).unwrap();
        (proxy, url.to_string())
    }

    /// Cuts every connection.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    /// New connections lead to another server of this machine.
    pub fn lead_to(&self, port: u16) {
        self.to.send_replace(port);
    }
}

async fn asked(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut line: Line) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        // What was on its way when the line fell silent stays on its way.
        if line.passes.wait_for(|passes| *passes).await.is_err() {
            return;
        }
        let ends = bytes[..read].windows(7).any(|word| word == b"COMMIT\0");
        let what = if ends { line.at_commit.send_replace(AtCommit::Passes) } else { AtCommit::Passes };
        if what == AtCommit::CutBefore {
            return;
        }
        line.is_mute.store(what != AtCommit::Passes, Ordering::SeqCst);
        if to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
        if what != AtCommit::Passes {
            line.is_there.send_replace(what == AtCommit::CutAfter);
            tokio::time::sleep(Duration::from_millis(500)).await;
            return;
        }
    }
}

async fn answered(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut line: Line) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if line.is_mute.load(Ordering::SeqCst) {
            return std::future::pending().await;
        }
        if line.passes.wait_for(|passes| *passes).await.is_err() || to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
