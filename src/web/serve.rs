//! Who gets to see the pages, and under which limits: one host, GET alone, so many connections, so long for headers and for
//! an answer. Nothing here writes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Json, Router};
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::asked::Asked;
use super::assets::Assets;
use super::concept::page::{ArmsPage, ConceptPage, Waiting};
use super::concept::{Concept, Stored};
use super::decisions::{self, Changes, Decisions};
use super::frame::{self, Around, Page};
use super::health::{self, Health};
use super::login::{self, Draw, Login, Visit};
use super::moment::{Known, Moment};
use super::money::Ledger;
use super::portfolio::Portfolio;
use crate::domain::web::Web;
use crate::listen::{self, Entrance};
use crate::schedule::daemon::Work;
use crate::store::StoreError;

/// Most connections that are open at one time: one more takes the place of one that asks nothing.
const CONNECTIONS: usize = 256;

/// Most pages that are read and made at one time, so that pulls and verdicts go on beside them.
const AT_ONCE: usize = 4;

/// How long a page may take, with its wait for others.
const WITHIN: Duration = Duration::from_secs(5);

/// Longest address that is looked at.
const LONGEST_PATH: usize = 2000;

/// Nothing from elsewhere, nothing written into a page, nobody's frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; base-uri 'none'; form-action \
                      'self'; frame-ancestors 'none'";

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
    web: watch::Receiver<Web>,
    login: Login,
    assets: Assets,
    work: watch::Receiver<Arc<Work>>,
    reading: Arc<Semaphore>,
    known: Arc<Known>,
}

/// Why there is no page.
enum Wrong {
    /// Nothing stands there.
    Unknown,
    /// It took too long.
    Late,
    /// The store cannot be read.
    Store(StoreError),
    /// The program is wrong.
    Fault,
}

impl Pages {
    /// Begins to listen. `draw` gives what nobody can guess, for logins.
    ///
    /// # Errors
    /// [`WebError`].
    pub async fn open(
        address: SocketAddr,
        web: watch::Receiver<Web>,
        work: watch::Receiver<Arc<Work>>,
        draw: Draw,
    ) -> Result<Self, WebError> {
        let listener = TcpListener::bind(address).await.map_err(|source| WebError { address, source })?;
        let site = Site {
            web,
            login: Login::new(draw),
            assets: Assets::default(),
            work,
            reading: Arc::new(Semaphore::new(AT_ONCE)),
            known: Arc::default(),
        };
        Ok(Self { listener, site: Arc::new(site) })
    }

    /// Where it listens: with the port that was free, where any was asked for.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listener.local_addr().ok()
    }

    /// Answers until `stop` is cancelled; connections that are open then are given up.
    pub async fn run(self, stop: CancellationToken) {
        let Self { listener, site } = self;
        let web = site.web.clone();
        let entrance = move |from| match &*web.borrow() {
            web if !web.lets_in(from) => Entrance::Closed,
            Web { tls: Some(tls), .. } => Entrance::Encrypted(tls.clone()),
            _ => Entrance::Open,
        };
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
        listen::answer(listener, routes, CONNECTIONS, entrance, stop).await;
    }
}

/// Turns away what is not meant for these pages, who may not see them, and what is more than a question, and says on every
/// answer what a browser may do.
async fn guarded(
    State(site): State<Arc<Site>>,
    Extension(listen::From(from)): Extension<listen::From>,
    request: Request,
    next: Next,
) -> Response {
    let web = site.web.borrow().clone();
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let is_ours = host.is_some_and(|host| web.answers_to(host));
    let is_question = matches!(*request.method(), Method::GET | Method::HEAD);
    let is_short = request.uri().path_and_query().is_none_or(|path| path.as_str().len() <= LONGEST_PATH);
    // What cannot be read is nobody's address.
    let forwarded = request.headers().get_all("x-forwarded-for").iter().map(|list| list.to_str().unwrap_or_default());
    let visit = Visit {
        web: &web,
        assets: &site.assets,
        from: web.visitor(from, forwarded),
        now: site.work.borrow().parts.clock.elapsed(),
    };
    let mut response = if !web.lets_in(from) {
        // A connection from before the configuration was read again.
        (StatusCode::FORBIDDEN, "these pages are reached through their proxy alone\n").into_response()
    } else if !is_short {
        (StatusCode::URI_TOO_LONG, "this address is too long\n").into_response()
    } else if !is_ours {
        let advice = "this name is not one of these pages': ask at 127.0.0.1 or localhost, or write web.url\n";
        (StatusCode::MISDIRECTED_REQUEST, advice).into_response()
    } else if Login::is_at(request.uri().path()) {
        site.login.answer(request, &visit).await
    } else if !is_question {
        (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD")], "these pages only read\n").into_response()
    } else if site.login.knows(request.headers(), &visit) || site.assets.answer(request.uri().path()).is_some() {
        next.run(request).await
    } else {
        login::turned_away(&request)
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        // Without any, a browser would not say either that a form was sent from here.
        (header::REFERRER_POLICY, "same-origin"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

type Here = State<Arc<Site>>;

async fn portfolio(State(site): Here, asked: Asked) -> Response {
    let make =
        move |site: &Site, moment: Moment| site.show(asked, &Around::of(&moment), &Portfolio::of(&moment, asked));
    site.page(asked, Moment::of(site.work(), site.known()), make).await
}

async fn concept(State(site): Here, asked: Asked, Path(id): Path<String>) -> Response {
    site.concept(asked, &id, |concept| ConceptPage { concept }).await
}

async fn arms(State(site): Here, asked: Asked, Path(id): Path<String>) -> Response {
    site.concept(asked, &id, |concept| ArmsPage { concept }).await
}

async fn money(State(site): Here, asked: Asked) -> Response {
    let make = move |site: &Site, moment: Moment| site.show(asked, &Around::of(&moment), &Ledger::of(&moment, asked));
    site.page(asked, Moment::of(site.work(), site.known()), make).await
}

async fn decisions(State(site): Here, asked: Asked) -> Response {
    let make = move |site: &Site, (moment, changes): (Moment, Changes)| {
        site.show(asked, &Around::of(&moment), &Decisions::of(&moment, &changes, asked))
    };
    site.page(asked, decisions::read(site.work(), site.known()), make).await
}

async fn health(State(site): Here, asked: Asked) -> Response {
    let make = move |site: &Site, (moment, read): (Moment, health::Read)| {
        site.show(asked, &Around::of(&moment), &Health::of(&moment, read))
    };
    site.page(asked, health::read(site.work(), site.known(), asked), make).await
}

async fn elsewhere(State(site): Here, asked: Asked, request: Request) -> Response {
    site.assets.answer(request.uri().path()).unwrap_or_else(|| site.wrong(asked, &Wrong::Unknown))
}

impl Site {
    fn work(&self) -> Arc<Work> {
        Arc::clone(&self.work.borrow())
    }

    fn known(&self) -> Arc<Known> {
        Arc::clone(&self.known)
    }

    /// One concept as it stands, or that it has no verdict yet.
    async fn concept<P: Page + 'static>(self: &Arc<Self>, asked: Asked, id: &str, page: fn(Concept) -> P) -> Response {
        let work = self.work();
        let Some(at) = work.experiments.iter().position(|experiment| experiment.concept.id.as_str() == id) else {
            return self.wrong(asked, &Wrong::Unknown);
        };
        let known = self.known();
        let read = async move {
            let mut view = work.parts.store.view();
            let around = Around::of(&Moment::seen(Arc::clone(&work), &known, &mut view).await?);
            let experiment = &work.experiments[at];
            let rules = work.themes.get(&experiment.concept.id).map_or(&[][..], Vec::as_slice);
            let found = Stored::read(&work.parts.store, &mut view, experiment, rules, around.now).await?;
            let waiting = || Waiting::of(experiment, around.today(experiment), &work.parts.health.state());
            Ok((found.ok_or_else(waiting), around))
        };
        let make = move |site: &Self, (found, around): (Result<Stored, Waiting>, Around)| match found {
            Ok(found) => site.show(asked, &around, &page(found.concept(around.now))),
            Err(waiting) => site.show(asked, &around, &waiting),
        };
        self.page(asked, read, make).await
    }

    /// Reads from the store and makes a page of it, beside few others and not for long, on a thread that keeps nobody waiting.
    async fn page<R: 'static>(
        self: &Arc<Self>,
        asked: Asked,
        read: impl Future<Output = Result<R, StoreError>> + Send + 'static,
        make: impl FnOnce(&Self, R) -> Response + Send + 'static,
    ) -> Response {
        let (site, here, clock) = (Arc::clone(self), Handle::current(), Arc::clone(&self.work().parts.clock));
        let answer = async {
            let turn = Arc::clone(&self.reading).acquire_owned().await.map_err(|_| Wrong::Late)?;
            let thread = tokio::task::spawn_blocking(move || {
                // It is held for as long as this goes on, also when nobody waits for it any more.
                let _turn = turn;
                let began = clock.elapsed();
                let read = here.block_on(read).map_err(Wrong::Store)?;
                let was_read = clock.elapsed();
                let page = make(&site, read);
                Ok((page, [was_read.saturating_sub(began), clock.elapsed().saturating_sub(was_read)]))
            });
            thread.await.map_err(|_| Wrong::Fault)?
        };
        match timeout(WITHIN, answer).await.unwrap_or(Err(Wrong::Late)) {
            Ok((mut page, took)) => {
                let [reading, making] = took.map(|took| took.as_secs_f64() * 1e3);
                if let Ok(took) = HeaderValue::try_from(format!("store;dur={reading:.2}, page;dur={making:.2}")) {
                    page.headers_mut().insert("server-timing", took);
                }
                page
            }
            Err(wrong) => self.wrong(asked, &wrong),
        }
    }

    /// A page as it was asked for.
    fn show(&self, asked: Asked, around: &Around, page: &impl Page) -> Response {
        let vary = [(header::VARY, "accept")];
        if asked.is_json {
            (vary, Json(page)).into_response()
        } else {
            // Not held while the page is laid out: whoever reads the configuration again would wait for that.
            let has_login = self.web.borrow().password.is_some();
            (vary, frame::framed(&self.assets, around, has_login, page)).into_response()
        }
    }

    fn wrong(&self, asked: Asked, wrong: &Wrong) -> Response {
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
            Wrong::Fault => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "This page could not be made",
                "This is a fault of willitsell; its log says where.",
                vec!["Data is safe; collecting goes on. `willitsell explain CONCEPT` says the same at the terminal."],
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
        if asked.is_json {
            let answer = serde_json::json!({ "error": what, "next": more });
            return (status, Json(answer)).into_response();
        }
        (status, frame::failed(&self.assets, title, what, &more)).into_response()
    }
}
