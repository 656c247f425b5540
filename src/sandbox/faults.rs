//! What can go wrong at a fake vendor, on request: an answer of one's own, a body torn off, a delay, a
//! page that repeats. What a vendor's errors look like stands in that vendor's file.

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, StreamExt};

use super::{Endpoint, Shared};

/// The next answer of an endpoint, spoiled.
#[derive(Clone, Debug)]
pub enum Fault {
    /// This answer, whatever was asked.
    Answer(Answer),
    /// The right answer with its full length declared, cut off in the middle of the body.
    Torn,
    /// The right answer, after a while.
    Slow(Duration),
    /// The right answer, given a while after what it answers was done.
    Late(Duration),
    /// A page that names itself as the next one, for ever.
    PageLoop,
    /// The right answer, one name of its objects changed to another.
    Renamed(&'static str, &'static str),
}

impl Fault {
    /// A JSON answer.
    pub fn json(status: u16, body: impl Into<String>) -> Self {
        Answer::json(status, body.into()).into()
    }

    /// A bare status.
    pub fn status(status: u16) -> Self {
        Self::json(status, "")
    }

    /// What a captive portal or a login page answers instead of an API.
    pub fn html() -> Self {
        let page = "<!DOCTYPE html><html><title>Sign in</title><body>Please sign in to continue.</body></html>";
        Answer::json(200, page.into()).with("content-type", "text/html; charset=utf-8").into()
    }
}

impl From<Answer> for Fault {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

/// An answer written out.
#[derive(Clone, Debug)]
pub struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Answer {
    /// An answer whose content type is JSON unless another is set.
    pub fn json(status: u16, body: String) -> Self {
        Self::new(status, "application/json", body)
    }

    pub(super) fn new(status: u16, content_type: &str, body: String) -> Self {
        Self { status, headers: vec![("content-type", content_type.into())], body }
    }

    /// Sets a header.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

impl IntoResponse for Answer {
    fn into_response(self) -> Response {
        let mut response = Response::new(Body::from(self.body));
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(name, value);
            }
        }
        response
    }
}

/// Marks a request whose page is to name itself as the next one.
#[derive(Clone, Copy)]
pub(super) struct PageLoop;

/// Counts the call and spoils its answer when one is due.
pub(super) async fn spoil(
    State((endpoint, state)): State<(Endpoint, Shared)>,
    mut request: Request,
    next: Next,
) -> Response {
    match state.next_fault(endpoint) {
        None => next.run(request).await,
        Some(Fault::Answer(answer)) => answer.into_response(),
        Some(Fault::Torn) => torn(next.run(request).await).await,
        Some(Fault::Slow(wait)) => {
            tokio::time::sleep(wait).await;
            next.run(request).await
        }
        Some(Fault::Late(wait)) => {
            let response = next.run(request).await;
            tokio::time::sleep(wait).await;
            response
        }
        Some(Fault::PageLoop) => {
            request.extensions_mut().insert(PageLoop);
            next.run(request).await
        }
        Some(Fault::Renamed(from, to)) => renamed(next.run(request).await, from, to).await,
    }
}

async fn renamed(response: Response, from: &str, to: &str) -> Response {
    let (mut head, body) = response.into_parts();
    let whole = to_bytes(body, usize::MAX).await.unwrap_or_default();
    let text = String::from_utf8_lossy(&whole).replace(&format!("\"{from}\":"), &format!("\"{to}\":"));
    head.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(head, Body::from(text))
}

async fn torn(response: Response) -> Response {
    let (mut head, body) = response.into_parts();
    let whole = to_bytes(body, usize::MAX).await.unwrap_or_default();
    head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(whole.len()));
    let half: Result<Bytes, io::Error> = Ok(whole.slice(..whole.len() / 2));
    // The pause lets the first half leave before the connection is cut.
    let cut = async {
        tokio::task::yield_now().await;
        Err(io::ErrorKind::ConnectionReset.into())
    };
    Response::from_parts(head, Body::from_stream(stream::iter([half]).chain(stream::once(cut))))
}
