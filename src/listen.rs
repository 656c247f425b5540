//! Takes connections and answers them, for the pages and for deliveries: so many at one time, so long for their headers, and
//! without giving up when the system runs out of something, encrypted where the caller says so. Who dawdles makes room for who
//! comes. What is answered is the caller's business.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use hyper::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

use crate::domain::tls::Tls;

/// How long somebody may take for the headers of a request, the first one or a later one of a connection.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);

/// How long no connection is taken after one could not be.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// How somebody comes in.
pub enum Entrance {
    /// Not at all.
    Closed,
    /// As they are, which somebody may read along.
    Open,
    /// Encrypted, under our certificate.
    Encrypted(Tls),
}

/// Where a request comes from: put into each.
#[derive(Clone, Copy, Debug)]
pub struct From(pub IpAddr);

/// Answers by `routes` whoever `entrance` lets in, until `stop` is cancelled; connections that are open then are given up. At most `most` are open at one
/// time. One more takes the place of the one that has been without a request for longest; where each has one under way, it
/// waits in the system's queue.
pub async fn answer(
    listener: TcpListener,
    routes: Router,
    most: usize,
    entrance: impl Fn(IpAddr) -> Entrance + Send + Sync,
    stop: CancellationToken,
) {
    let mut open = Open { most, all: VecDeque::new(), tasks: JoinSet::new() };
    let taking = async {
        loop {
            open.make_room().await;
            match listener.accept().await {
                Ok((stream, from)) => match entrance(from.ip()) {
                    Entrance::Closed => {}
                    Entrance::Open => open.add(stream, None, From(from.ip()), routes.clone()),
                    Entrance::Encrypted(tls) => open.add(stream, Some(tls), From(from.ip()), routes.clone()),
                },
                Err(error) => {
                    // Out of descriptors, mostly: it passes when connections end.
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(AFTER_FAILURE).await;
                }
            }
        }
    };
    tokio::select! {
        () = taking => {}
        () = stop.cancelled() => {}
    }
}

/// The connections that are open.
struct Open {
    most: usize,
    /// The oldest first; some may have ended.
    all: VecDeque<Connection>,
    tasks: JoinSet<()>,
}

struct Connection {
    task: AbortHandle,
    /// Whether a request of it is being answered.
    is_asking: Arc<AtomicBool>,
}

impl Open {
    /// Waits until there is room for one more; ends one that asks nothing, where there is none.
    async fn make_room(&mut self) {
        while self.tasks.try_join_next().is_some() {}
        while self.tasks.len() >= self.most {
            self.all.retain(|one| !one.task.is_finished());
            let idle = self.all.iter().position(|one| !one.is_asking.load(Ordering::Relaxed));
            if let Some(one) = idle.and_then(|idle| self.all.remove(idle)) {
                one.task.abort();
            }
            self.tasks.join_next().await;
        }
    }

    fn add(&mut self, stream: TcpStream, tls: Option<Tls>, from: From, routes: Router) {
        if self.all.len() >= self.most {
            self.all.retain(|one| !one.task.is_finished());
        }
        let is_asking = Arc::new(AtomicBool::new(false));
        let asks = Arc::clone(&is_asking);
        let task = self.tasks.spawn(async move {
            let Some(tls) = tls else { return serve(stream, from, routes, asks).await };
            // What the other side does wrong is its own business: it gets no answer.
            if let Ok(Ok(stream)) = timeout(HEADERS_WITHIN, TlsAcceptor::from(tls.config()).accept(stream)).await {
                serve(stream, from, routes, asks).await;
            }
        });
        self.all.push_back(Connection { task, is_asking });
    }
}

async fn serve(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    from: From,
    routes: Router,
    is_asking: Arc<AtomicBool>,
) {
    let routes = TowerToHyperService::new(routes);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(from);
        let (answer, is_asking) = (routes.call(request), Arc::clone(&is_asking));
        is_asking.store(true, Ordering::Relaxed);
        async move {
            let answer = answer.await;
            is_asking.store(false, Ordering::Relaxed);
            answer
        }
    });
    let mut http = http1::Builder::new();
    let http = http.timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN);
    _ = http.serve_connection(TokioIo::new(stream), service).await;
}
