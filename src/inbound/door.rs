//! Where deliveries come in: one address for each source. Whatever is too large, too slow, packed, too much at once or not
//! signed is turned away before anything is read from it; what is left waits for [`super::keep`] and is answered once it
//! is on disk. No body is kept or logged.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use chrono::{DateTime, Utc};
use ring::digest::{SHA256, digest};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::InboundError;
use super::signature::{Delivery, Refused, Verifier};
use crate::domain::id::SourceId;
use crate::domain::inbound::Listen;
use crate::listen;

/// Most connections that are open at one time: further ones wait in the system's queue.
const CONNECTIONS: usize = 512;

/// Most deliveries under way at one time, of all sources and of each.
const AT_ONCE: usize = 128;
const AT_ONCE_EACH: usize = 64;

/// Most deliveries that wait to be kept.
pub(super) const WAITING: usize = 256;

/// How long a sender may take for its body: senders are servers.
const BODY_WITHIN: Duration = Duration::from_secs(2);

/// How long a sender is let wait, once all of its delivery is here.
const ANSWER_WITHIN: Duration = Duration::from_secs(1);

/// After how many seconds a sender that was turned away may come again.
const COME_AGAIN: &str = "5";

/// A delivery that is its sender's, on its way to the store.
pub(super) struct Waiting {
    pub(super) source: SourceId,
    /// What tells it from all others of the source.
    pub(super) name: String,
    pub(super) body: Bytes,
    pub(super) answer: oneshot::Sender<Outcome>,
}

/// What became of a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is on disk, or its source is due to be read.
    Kept,
    /// The store cannot be written.
    Failed,
    /// It cannot be read, and nobody can be asked for what it brings.
    Unreadable,
}

/// One source's door.
struct Entrance {
    verifier: Verifier,
    at_once: Arc<Semaphore>,
}

/// What every request needs.
struct Shared {
    /// As senders call us, without a slash at its end.
    public_url: String,
    body_limit: usize,
    entrances: BTreeMap<SourceId, Entrance>,
    at_once: Arc<Semaphore>,
    waiting: mpsc::Sender<Waiting>,
    now: fn() -> DateTime<Utc>,
}

/// An address that is listened at.
pub(super) struct Door {
    listener: TcpListener,
    shared: Arc<Shared>,
}

impl Door {
    /// Begins to listen. `now` says what time it is.
    ///
    /// # Errors
    /// [`InboundError::Listen`] when the address cannot be had.
    pub(super) async fn open(
        listen: &Listen,
        verifiers: BTreeMap<SourceId, Verifier>,
        waiting: mpsc::Sender<Waiting>,
        now: fn() -> DateTime<Utc>,
    ) -> Result<Self, InboundError> {
        let failed = |source| InboundError::Listen { address: listen.address, source };
        let listener = TcpListener::bind(listen.address).await.map_err(failed)?;
        let entrance = |verifier| Entrance { verifier, at_once: Arc::new(Semaphore::new(AT_ONCE_EACH)) };
        let shared = Shared {
            public_url: listen.url(),
            body_limit: listen.body_limit,
            entrances: verifiers.into_iter().map(|(source, verifier)| (source, entrance(verifier))).collect(),
            at_once: Arc::new(Semaphore::new(AT_ONCE)),
            waiting,
            now,
        };
        Ok(Self { listener, shared: Arc::new(shared) })
    }

    /// Where it listens: with the port that was free, where any was asked for.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// Answers until `stop` is cancelled; connections that are open then are given up.
    pub(super) async fn answer(self, stop: CancellationToken) {
        let routes = Router::new()
            .route("/in/{source}", post(without_key))
            .route("/in/{source}/{key}", post(with_key))
            .with_state(self.shared);
        listen::answer(self.listener, routes, CONNECTIONS, |_| listen::Entrance::Open, stop).await;
    }
}

async fn without_key(state: State<Arc<Shared>>, Path(source): Path<String>, request: Request) -> Response {
    receive(&state, &source, "", request).await
}

async fn with_key(
    state: State<Arc<Shared>>,
    Path((source, key)): Path<(String, String)>,
    request: Request,
) -> Response {
    receive(&state, &source, &key, request).await
}

/// Turned away, and why.
type Turned = (StatusCode, &'static str);

const TOO_LARGE: Turned = (StatusCode::PAYLOAD_TOO_LARGE, "the body is too large");
const TOO_MUCH: Turned = (StatusCode::TOO_MANY_REQUESTS, "too much at once");
const UNREADABLE: Turned =
    (StatusCode::UNPROCESSABLE_ENTITY, "it cannot be read: it is of another form than is known here");
const DOWN: Turned = (StatusCode::SERVICE_UNAVAILABLE, "not kept: send it again");

async fn receive(shared: &Shared, source: &str, key: &str, request: Request) -> Response {
    match take(shared, source, key, request).await {
        Ok(()) => StatusCode::OK.into_response(),
        Err((status, why)) => {
            tracing::info!(source, status = status.as_u16(), why, "a delivery was turned away");
            let again = matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE);
            let mut response = (status, why).into_response();
            if again {
                response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static(COME_AGAIN));
            }
            response
        }
    }
}

async fn take(shared: &Shared, source: &str, key: &str, request: Request) -> Result<(), Turned> {
    let id = SourceId::new(source);
    let entrance = shared.entrances.get(&id).ok_or((StatusCode::NOT_FOUND, "there is no such source"))?;
    let (parts, body) = request.into_parts();
    if packed(&parts.headers) {
        return Err((StatusCode::UNSUPPORTED_MEDIA_TYPE, "send the body as it is, not compressed"));
    }
    let length = parts.headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: usize| length > shared.body_limit) {
        return Err(TOO_LARGE);
    }
    let _all = shared.at_once.try_acquire().map_err(|_| TOO_MUCH)?;
    let _own = entrance.at_once.try_acquire().map_err(|_| TOO_MUCH)?;
    let body = whole(body, shared.body_limit).await?;
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let uri = format!("{}{path}", shared.public_url);
    let delivery = Delivery { method: parts.method.as_str(), uri: &uri, key, headers: &parts.headers, body: &body };
    let name = entrance.verifier.verify(&delivery, (shared.now)()).map_err(refused)?;
    let name = name.map_or_else(|| format!("body {}", hex(digest(&SHA256, &body).as_ref())), |id| format!("id {id}"));
    let (answer, kept) = oneshot::channel();
    let waiting = Waiting { source: id, name, body, answer };
    shared.waiting.try_send(waiting).map_err(|error| match error {
        mpsc::error::TrySendError::Full(_) => TOO_MUCH,
        mpsc::error::TrySendError::Closed(_) => DOWN,
    })?;
    match timeout(ANSWER_WITHIN, kept).await {
        Ok(Ok(Outcome::Kept)) => Ok(()),
        Ok(Ok(Outcome::Unreadable)) => Err(UNREADABLE),
        // It may be kept all the same: then it is known when it comes again.
        Ok(Ok(Outcome::Failed) | Err(_)) | Err(_) => Err(DOWN),
    }
}

fn packed(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::CONTENT_ENCODING)
        .iter()
        .any(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity"))
}

/// The whole body, within its limits.
async fn whole(body: Body, limit: usize) -> Result<Bytes, Turned> {
    match timeout(BODY_WITHIN, to_bytes(body, limit)).await {
        Err(_) => Err((StatusCode::REQUEST_TIMEOUT, "the body was too slow")),
        Ok(Ok(body)) => Ok(body),
        // Whoever breaks off sees no answer; so this one is for a body without a stated length.
        Ok(Err(_)) => Err(TOO_LARGE),
    }
}

fn refused(why: Refused) -> Turned {
    let why = match why {
        Refused::Unsigned => "a signature is missing, or cannot be read",
        Refused::Wrong => "the signature does not fit",
        Refused::Stale => "it was signed too long ago, or the clocks differ",
    };
    (StatusCode::UNAUTHORIZED, why)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
