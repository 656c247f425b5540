//! `/healthz`, `/readyz` and `/metrics`, on this machine alone and for whoever asks: nothing here is a secret, and nothing changes
//! anything.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State as Known};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use serde::Serialize;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Health, metrics};

/// Time on a clock that nobody can set, as [`super::State::is_alive`] wants it.
pub type Elapsed = Arc<dyn Fn() -> Duration + Send + Sync>;

/// What `OpenMetrics` is called among the types of content.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The address cannot be had.
#[derive(Debug, Error)]
#[error("health.listen: {address} cannot be listened at: {source}; end what listens there, or name another port")]
pub struct ListenError {
    address: SocketAddr,
    source: std::io::Error,
}

/// Answers, once it runs.
pub struct Pages {
    listener: TcpListener,
    router: Router,
}

#[derive(Clone)]
struct Asked {
    health: Arc<Health>,
    elapsed: Elapsed,
}

impl Pages {
    /// Begins to listen.
    ///
    /// # Errors
    /// [`ListenError`].
    pub async fn open(address: SocketAddr, health: Arc<Health>, elapsed: Elapsed) -> Result<Self, ListenError> {
        let listener = TcpListener::bind(address).await.map_err(|source| ListenError { address, source })?;
        let router = Router::new()
            .route("/healthz", get(healthz))
            .route("/readyz", get(readyz))
            .route("/metrics", get(figures))
            .layer(from_fn(meant_for_us))
            .with_state(Asked { health, elapsed });
        Ok(Self { listener, router })
    }

    /// Where it listens.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// Answers until it is dropped, or `stop` is cancelled.
    pub async fn run(self, stop: CancellationToken) {
        let Self { listener, router } = self;
        let serving = axum::serve(listener, router).into_future();
        tokio::select! {
            ended = serving => if let Err(error) = ended {
                tracing::warn!(%error, "nobody can ask any more how the daemon is doing");
            },
            () = stop.cancelled() => {}
        }
    }
}

/// A page elsewhere may lead a browser here under a name of its own.
async fn meant_for_us(request: Request, next: Next) -> Response {
    if is_this_machine(request.headers()) {
        next.run(request).await
    } else {
        (StatusCode::MISDIRECTED_REQUEST, "ask at 127.0.0.1 or localhost\n").into_response()
    }
}

fn is_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else { return false };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name == "localhost" || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The process lives, and the loop that everything hangs on still turns.
async fn healthz(Known(asked): Known<Asked>) -> Response {
    if asked.health.state().is_alive((asked.elapsed)()) {
        (StatusCode::OK, "ok\n").into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, "nothing was asked what is due for ten minutes: start it again\n")
            .into_response()
    }
}

#[derive(Serialize)]
struct Standing {
    ready: bool,
    rounds: u64,
    last_round: Option<String>,
    under_way: Vec<String>,
    troubles: Vec<String>,
}

/// It has taken up its work; what somebody should look at stands in `troubles`.
async fn readyz(Known(asked): Known<Asked>) -> Response {
    let state = asked.health.state();
    let ready = state.rounds > 0 && state.is_alive((asked.elapsed)());
    let code = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let answer = Standing {
        ready,
        rounds: state.rounds,
        last_round: state.last_round.map(|(at, _)| at.to_rfc3339()),
        under_way: state.under_way.keys().map(ToString::to_string).collect(),
        troubles: state.troubles(),
    };
    (code, Json(answer)).into_response()
}

async fn figures(Known(asked): Known<Asked>) -> Response {
    match metrics::text(&asked.health.state()) {
        Ok(text) => ([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w3_whoever_names_another_host_is_turned_away() {
        let is_let_in = |host: Option<&str>| {
            let headers = host.map(|host| (header::HOST, host.parse().unwrap())).into_iter().collect();
            is_this_machine(&headers)
        };
        for host in ["127.0.0.1:9464", "127.0.0.1", "localhost:9464", "localhost", "[::1]:9464", "[::1]"] {
            assert!(is_let_in(Some(host)), "{host}");
        }
        for host in
            ["evil.example", "evil.example:9464", "127.0.0.1.evil.example", "localhost.evil.example:80", "10.0.0.1", ""]
        {
            assert!(!is_let_in(Some(host)), "{host}");
        }
        assert!(!is_let_in(None));
    }
}
