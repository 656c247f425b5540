//! Who gets to see the pages, and under which limits: one host, GET alone, so many connections, so long for headers and for
//! an answer. Nothing here writes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use thiserror::Error;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::assets::Assets;
use super::concept::Concept;
use super::concept::page::{ArmsPage, ConceptPage, Waiting};
use super::decisions::Decisions;
use super::frame::{self, Page};
use super::health::Health;
use super::moment::Moment;
use super::money::Ledger;
use super::portfolio::Portfolio;
use crate::domain::web::Web;
use crate::schedule::daemon::Work;
use crate::store::StoreError;

/// Most connections that are open at one time: further ones wait in the system's queue.
const CONNECTIONS: usize = 256;

/// How long a browser may take for its headers.
const HEADERS_WITHIN: Duration = Duration::from_secs(10);

/// Most pages that are read from the store at one time, so that pulls and verdicts go on beside them.
const READ_AT_ONCE: usize = 4;

/// How long a page may be read from the store, with its wait for others.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// Longest address that is looked at.
const LONGEST_PATH: usize = 2000;

/// Nothing from elsewhere, nothing written into a page, nobody's frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; form-action \
                      'none'; frame-ancestors 'none'";

/// The pages cannot be served.
#[derive(Debug, Error)]
#[error("web.listen: {address} cannot be listened at: {source}; end what listens there, or name another port")]
pub struct WebError {
    address: SocketAddr,
    source: std::io::Error,
}

/// Answers, once it runs.
pub struct Pages {
    listener: TcpListener,
    site: Arc<Site>,
}

/// What every request needs.
struct Site {
    web: Web,
    assets: Assets,
    work: watch::Receiver<Arc<Work>>,
    reading: Semaphore,
}

/// Why there is no page.
enum Wrong {
    /// Nothing stands there.
    Unknown,
    /// It took too long.
    Late,
    /// The store cannot be read.
    Store(StoreError),
}

impl Pages {
    /// Begins to listen.
    ///
    /// # Errors
    /// [`WebError`].
    pub async fn open(address: SocketAddr, web: Web, work: watch::Receiver<Arc<Work>>) -> Result<Self, WebError> {
        let listener = TcpListener::bind(address).await.map_err(|source| WebError { address, source })?;
        let site = Site { web, assets: Assets::default(), work, reading: Semaphore::new(READ_AT_ONCE) };
        Ok(Self { listener, site: Arc::new(site) })
    }

    /// Where it listens: with the port that was free, where any was asked for.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// Answers until `stop` is cancelled; connections that are open then are given up.
    pub async fn run(self, stop: CancellationToken) {
        let Self { listener, site } = self;
        let routes = Router::new()
            .route("/", get(portfolio))
            .route("/concepts/{id}", get(concept))
            .route("/concepts/{id}/arms", get(arms))
            .route("/money", get(money))
            .route("/decisions", get(decisions))
            .route("/health", get(health))
            .fallback(elsewhere)
            .layer(from_fn_with_state(Arc::clone(&site), guarded))
            .with_state(site);
        let connections = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(permit) = connections.clone().acquire_owned().await else { return };
            let stream = tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        // Out of descriptors, mostly: it passes when connections end.
                        tracing::warn!(%error, "a connection to the pages could not be taken");
                        tokio::time::sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                },
                () = stop.cancelled() => return,
            };
            tokio::spawn(answer(stream, routes.clone(), permit, stop.clone()));
        }
    }
}

async fn answer(stream: TcpStream, routes: Router, _permit: OwnedSemaphorePermit, stop: CancellationToken) {
    let service = TowerToHyperService::new(routes);
    let mut http = http1::Builder::new();
    let http = http.timer(TokioTimer::new()).header_read_timeout(HEADERS_WITHIN);
    tokio::select! {
        // What a browser does wrong is its own business: it gets no answer.
        _ = http.serve_connection(TokioIo::new(stream), service) => {}
        () = stop.cancelled() => {}
    }
}

/// Turns away what is not meant for these pages, or is more than a question, and says on every answer what a browser may do.
async fn guarded(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let is_ours = host.is_some_and(|host| site.web.answers_to(host));
    let is_question = matches!(*request.method(), Method::GET | Method::HEAD);
    let is_short = request.uri().path_and_query().is_none_or(|path| path.as_str().len() <= LONGEST_PATH);
    let mut response = if !is_ours {
        let advice = "this name is not one of these pages': ask at 127.0.0.1 or localhost, or write web.url\n";
        (StatusCode::MISDIRECTED_REQUEST, advice).into_response()
    } else if !is_question {
        (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")], "these pages only read\n").into_response()
    } else if !is_short {
        (StatusCode::URI_TOO_LONG, "this address is too long\n").into_response()
    } else {
        next.run(request).await
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

type Asked = State<Arc<Site>>;

async fn portfolio(State(site): Asked, headers: HeaderMap) -> Response {
    let moment = site.moment().await;
    site.show(&headers, moment.map(|moment| (Portfolio::of(&moment), moment)))
}

async fn concept(State(site): Asked, headers: HeaderMap, Path(id): Path<String>) -> Response {
    match site.concept(&id).await {
        Ok((Ok(concept), moment)) => site.show(&headers, Ok((ConceptPage { concept }, moment))),
        Ok((Err(waiting), moment)) => site.show(&headers, Ok((waiting, moment))),
        Err(wrong) => site.wrong(&headers, &wrong),
    }
}

async fn arms(State(site): Asked, headers: HeaderMap, Path(id): Path<String>) -> Response {
    match site.concept(&id).await {
        Ok((Ok(concept), moment)) => site.show(&headers, Ok((ArmsPage { concept }, moment))),
        Ok((Err(waiting), moment)) => site.show(&headers, Ok((waiting, moment))),
        Err(wrong) => site.wrong(&headers, &wrong),
    }
}

async fn money(State(site): Asked, headers: HeaderMap) -> Response {
    let moment = site.moment().await;
    site.show(&headers, moment.map(|moment| (Ledger::of(&moment), moment)))
}

async fn decisions(State(site): Asked, headers: HeaderMap) -> Response {
    let read = async |moment: Moment| Ok((Decisions::read(&moment).await?, moment));
    site.show(&headers, site.read(read).await)
}

async fn health(State(site): Asked, headers: HeaderMap) -> Response {
    let read = async |moment: Moment| Ok((Health::read(&moment).await?, moment));
    site.show(&headers, site.read(read).await)
}

async fn elsewhere(State(site): Asked, headers: HeaderMap, request: Request) -> Response {
    site.assets.answer(request.uri().path()).unwrap_or_else(|| site.wrong(&headers, &Wrong::Unknown))
}

impl Site {
    /// Where everything stands now.
    async fn moment(&self) -> Result<Moment, Wrong> {
        let work = Arc::clone(&self.work.borrow());
        self.within(Moment::of(work)).await
    }

    /// One concept, or that it has no verdict yet.
    async fn concept(&self, id: &str) -> Result<(Result<Concept, Waiting>, Moment), Wrong> {
        let moment = self.moment().await?;
        let (experiment, _) = moment.concept(id).ok_or(Wrong::Unknown)?;
        let work = &moment.work;
        let rules = work.themes.get(&experiment.concept.id).map_or(&[][..], Vec::as_slice);
        let read = self.within(Concept::read(&work.parts.store, experiment, rules, moment.now)).await?;
        Ok((read.ok_or_else(|| Waiting::of(experiment, moment.today(experiment))), moment))
    }

    /// A page that needs more from the store than where everything stands.
    async fn read<T>(&self, read: impl AsyncFnOnce(Moment) -> Result<T, StoreError>) -> Result<T, Wrong> {
        let work = Arc::clone(&self.work.borrow());
        self.within(async { read(Moment::of(work).await?).await }).await
    }

    /// Reads from the store, beside few others and not for long.
    async fn within<T>(&self, read: impl Future<Output = Result<T, StoreError>>) -> Result<T, Wrong> {
        let read = async {
            let _turn = self.reading.acquire().await.map_err(|_| Wrong::Late)?;
            read.await.map_err(Wrong::Store)
        };
        timeout(READ_WITHIN, read).await.unwrap_or(Err(Wrong::Late))
    }

    /// A page as it was asked for.
    fn show<P: Page>(&self, headers: &HeaderMap, made: Result<(P, Moment), Wrong>) -> Response {
        let vary = [(header::VARY, "accept")];
        match made {
            Ok((page, _)) if wants_json(headers) => (vary, Json(page)).into_response(),
            Ok((page, moment)) => (vary, frame::framed(&self.assets, &moment, &page)).into_response(),
            Err(wrong) => self.wrong(headers, &wrong),
        }
    }

    fn wrong(&self, headers: &HeaderMap, wrong: &Wrong) -> Response {
        let (status, title, what, more) = match wrong {
            Wrong::Unknown => {
                let advice = vec!["Every page can be reached from the portfolio."];
                (StatusCode::NOT_FOUND, "There is no such page", "Nothing stands at this address.", advice)
            }
            Wrong::Late => (
                StatusCode::SERVICE_UNAVAILABLE,
                "This page took too long",
                "The store was busy for five seconds.",
                vec!["Data is safe; collecting goes on. Load the page again."],
            ),
            Wrong::Store(error) => {
                tracing::warn!(%error, "a page could not be read from the store");
                let advice = vec!["Data is safe; collecting goes on. Run `willitsell status` to see what is wrong."];
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "This page could not be read",
                    "The store could not be read.",
                    advice,
                )
            }
        };
        if wants_json(headers) {
            let answer = serde_json::json!({ "error": what, "next": more });
            return (status, Json(answer)).into_response();
        }
        (status, frame::failed(&self.assets, title, what, &more)).into_response()
    }
}

/// Whether JSON was asked for, and not a page.
fn wants_json(headers: &HeaderMap) -> bool {
    let accepts =
        headers.get_all(header::ACCEPT).iter().filter_map(|accept| accept.to_str().ok()).collect::<Vec<_>>().join(",");
    accepts.contains("application/json") && !accepts.contains("text/html")
}
