//! Where the vendor sends the browser after a consent: one answer on a loopback port, then a page without
//! secrets at an address without secrets.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::cli::output::Failure;
use crate::connect::auth::consent::{AnswerError, Consent};
use crate::connect::http::Url;

/// Where the vendor sends the browser.
pub const PATH: &str = "/callback";
/// Where the browser is sent on, so that no code stays in its address bar and history.
const CLEAN: &str = "/done";
/// How long the browser may take to ask for the last page.
const LAST_PAGE: Duration = Duration::from_secs(2);

type Told = oneshot::Sender<Result<SecretString, AnswerError>>;

struct Waiting {
    consent: Arc<Consent>,
    host: String,
    told: Mutex<Option<Told>>,
    seen: Notify,
}

/// Keeps the last page up until it was asked for.
pub struct Answered {
    waiting: Arc<Waiting>,
    _stop: DropGuard,
}

impl Answered {
    /// Waits a moment for the browser to ask for the last page.
    pub async fn finish(self) {
        let _ = tokio::time::timeout(LAST_PAGE, self.waiting.seen.notified()).await;
    }
}

/// Waits for the answer to a consent. Answers that belong to another are refused and change nothing; the first
/// of its own counts, and no other after it.
///
/// # Errors
/// When the vendor or the person said no.
pub async fn wait(listener: TcpListener, consent: Arc<Consent>) -> Result<(SecretString, Answered), Failure> {
    let host = listener.local_addr().map_err(|error| Failure::general(error.to_string()))?.to_string();
    let (told, answer) = oneshot::channel();
    let waiting = Arc::new(Waiting { consent, host, told: Mutex::new(Some(told)), seen: Notify::new() });
    let routes = Router::new()
        .route(PATH, get(answered))
        .route(CLEAN, get(done))
        .fallback(|| async { page(StatusCode::NOT_FOUND, "There is nothing here.") })
        .with_state(Arc::clone(&waiting));
    let stop = CancellationToken::new();
    tokio::spawn(axum::serve(listener, routes).with_graceful_shutdown(stop.clone().cancelled_owned()).into_future());
    let answered = Answered { waiting, _stop: stop.drop_guard() };
    match answer.await {
        Ok(Ok(code)) => Ok((code, answered)),
        Ok(Err(error)) => {
            answered.finish().await;
            Err(Failure::general(format!("{error}; nothing was changed")))
        }
        Err(_) => Err(Failure::general("waiting for the browser was cut short; nothing was changed")),
    }
}

async fn answered(State(waiting): State<Arc<Waiting>>, headers: HeaderMap, uri: Uri) -> Response {
    let asked = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let url = Url::parse(&format!("http://{}{uri}", waiting.host)).ok().filter(|_| asked == Some(&waiting.host));
    let Some(url) = url else { return page(StatusCode::BAD_REQUEST, "This is not an answer to this login.") };
    let answer = waiting.consent.code(&url);
    if matches!(answer, Err(AnswerError::Foreign | AnswerError::Empty)) {
        return page(StatusCode::BAD_REQUEST, "This is not an answer to this login.");
    }
    let told = waiting.told.lock().unwrap_or_else(PoisonError::into_inner).take();
    match told {
        Some(told) => {
            // Whoever waited may have given up meanwhile.
            let _ = told.send(answer);
            let mut response = page(StatusCode::SEE_OTHER, "Go on.");
            response.headers_mut().insert(header::LOCATION, header::HeaderValue::from_static(CLEAN));
            response
        }
        None => page(StatusCode::GONE, "This login was answered already."),
    }
}

async fn done(State(waiting): State<Arc<Waiting>>) -> Response {
    waiting.seen.notify_one();
    page(
        StatusCode::OK,
        "The answer has arrived. Go back to the terminal: it says whether the login worked. You can close this page.",
    )
}

fn page(status: StatusCode, text: &str) -> Response {
    let safe = [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'"),
        (header::CONNECTION, "close"),
    ];
    (status, safe, Html(format!("<!doctype html><title>willitsell</title><p>{text}</p>"))).into_response()
}
