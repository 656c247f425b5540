//! Who may see the pages where a password is asked for: the form, the sessions, and the answers to who has none. Which addresses
//! and names are answered at all is decided before, in `serve.rs`.

mod sessions;
mod throttle;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use maud::html;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use url::form_urlencoded;

use self::sessions::{LASTS, Sessions, named};
use self::throttle::Throttle;
use super::asked::wants_json;
use super::assets::Assets;
use super::frame;
use crate::domain::password::Password;
use crate::domain::web::Web;

/// Where one logs in, and where one logs out.
pub const LOGIN: &str = "/login";
const LOGOUT: &str = "/logout";

/// What a browser keeps while it is logged in, and while it has a form open. The prefix keeps them from being set by another host,
/// or without encryption.
const SESSION: &str = "__Host-session";
const FORM: &str = "__Host-form";

/// Largest form in bytes, how long it may take to come, and how many may be coming at one time: whoever dawdles over one takes
/// no place from who only reads.
const LARGEST_FORM: usize = 4096;
const FORM_WITHIN: Duration = Duration::from_secs(3);
const FORMS: usize = 16;

/// Passwords looked at at one time: each takes the memory of its hash.
const AT_ONCE: usize = 2;

/// How long one may wait for its turn.
const TURN_WITHIN: Duration = Duration::from_secs(5);

/// What is drawn at random.
pub type Draw = fn() -> [u8; 32];

/// Asks for the password, and remembers who knew it.
pub struct Login {
    sessions: Sessions,
    throttle: Throttle,
    looking: Arc<Semaphore>,
    /// Forms that are on their way.
    coming: Semaphore,
    draw: Draw,
    /// The password that sessions began with: another one ends them.
    of: Mutex<Option<Password>>,
}

/// Where a request comes from, and what it may go on.
pub struct Visit<'a> {
    pub web: &'a Web,
    pub assets: &'a Assets,
    pub from: IpAddr,
    /// By a clock that nobody can set.
    pub now: Duration,
}

impl Login {
    /// Nobody is logged in.
    pub fn new(draw: Draw) -> Self {
        Self {
            sessions: Sessions::new(draw()),
            throttle: Throttle::default(),
            looking: Arc::new(Semaphore::new(AT_ONCE)),
            coming: Semaphore::new(FORMS),
            draw,
            of: Mutex::default(),
        }
    }

    /// Whether an address is the login's own.
    pub fn is_at(path: &str) -> bool {
        matches!(path, LOGIN | LOGOUT)
    }

    /// Whether whoever sent these headers may see the pages.
    pub fn knows(&self, headers: &HeaderMap, visit: &Visit<'_>) -> bool {
        let Some(password) = &visit.web.password else { return true };
        let mut of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        if of.as_ref() != Some(password) {
            self.sessions.end_all();
            *of = Some(password.clone());
        }
        drop(of);
        cookie(headers, SESSION).is_some_and(|name| self.sessions.goes_on(name, visit.now))
    }

    /// Answers at the login's own addresses.
    pub async fn answer(&self, request: Request, visit: &Visit<'_>) -> Response {
        let (parts, body) = request.into_parts();
        let is_in = visit.web.password.is_some() && self.knows(&parts.headers, visit);
        let path = parts.uri.path();
        match parts.method {
            Method::GET | Method::HEAD if visit.web.password.is_none() => see("/"),
            Method::GET | Method::HEAD if path == LOGIN && is_in => see("/"),
            Method::GET | Method::HEAD if path == LOGIN => {
                let query = parts.uri.query().unwrap_or_default();
                self.form(visit, &parts.headers, StatusCode::OK, None, &field(query.as_bytes(), "to"))
            }
            Method::GET | Method::HEAD if is_in => self.leaving(visit, &parts.headers),
            Method::GET | Method::HEAD => see(LOGIN),
            Method::POST => self.sent(path, &parts.headers, body, visit).await,
            _ => (StatusCode::METHOD_NOT_ALLOWED, [(header::ALLOW, "GET, HEAD, POST")], "").into_response(),
        }
    }

    /// A form that was sent: it must come from a page of ours, in the browser that we gave it to.
    async fn sent(&self, path: &str, headers: &HeaderMap, body: Body, visit: &Visit<'_>) -> Response {
        let text =
            |name: header::HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        if !visit.web.is_origin(text(header::ORIGIN), text(header::HOST)) {
            return (StatusCode::FORBIDDEN, "this form was not sent from these pages\n").into_response();
        }
        let Ok(coming) = self.coming.try_acquire() else {
            let wait = FORM_WITHIN.as_secs().to_string();
            let why = "too many forms are being sent at this moment\n";
            return (StatusCode::SERVICE_UNAVAILABLE, [(header::RETRY_AFTER, wait)], why).into_response();
        };
        let Ok(Ok(form)) = timeout(FORM_WITHIN, to_bytes(body, LARGEST_FORM)).await else {
            return (StatusCode::PAYLOAD_TOO_LARGE, "this form is too large, or took too long\n").into_response();
        };
        drop(coming);
        let (kept, token) = (if path == LOGIN { FORM } else { SESSION }, field(&form, "token"));
        let kept = cookie(headers, kept);
        if !kept.is_some_and(|kept| self.sessions.is_token(kept, &token)) {
            let why = "This form was open for too long. Say the password once more.";
            return self.form(visit, headers, StatusCode::FORBIDDEN, Some(why), &field(&form, "to"));
        }
        if path == LOGOUT {
            self.sessions.end(kept.unwrap_or_default(), visit.now);
            let gone = set(SESSION, "", Duration::ZERO);
            return (StatusCode::SEE_OTHER, [(header::LOCATION, LOGIN), (header::SET_COOKIE, &gone)]).into_response();
        }
        self.log_in(&form, headers, visit).await
    }

    async fn log_in(&self, form: &[u8], headers: &HeaderMap, visit: &Visit<'_>) -> Response {
        let to = field(form, "to");
        let Some(password) = visit.web.password.clone() else { return see("/") };
        if let Some(wait) = self.throttle.wait(visit.from, visit.now) {
            return self.wait(visit, headers, wait, &to);
        }
        let Ok(Ok(turn)) = timeout(TURN_WITHIN, Arc::clone(&self.looking).acquire_owned()).await else {
            return self.wait(visit, headers, TURN_WITHIN, &to);
        };
        // Others of the same place may have been wrong meanwhile.
        if let Some(wait) = self.throttle.wait(visit.from, visit.now) {
            return self.wait(visit, headers, wait, &to);
        }
        self.throttle.guess(visit.from, visit.now);
        let (guess, held_against) = (SecretString::from(field(form, "password")), password.clone());
        // The turn is kept until the hash is there, also where nobody waits for it any more: it takes its memory until then.
        let look = move || {
            let _turn = turn;
            held_against.is(guess.expose_secret())
        };
        if !tokio::task::spawn_blocking(look).await.unwrap_or(false) {
            tracing::warn!(from = %throttle::place(visit.from), "a wrong password was tried at the pages");
            let why = "That is not the password.";
            return self.form(visit, headers, StatusCode::FORBIDDEN, Some(why), &to);
        }
        // Another password may have been configured while this one was looked at: a session must not outlive its own.
        let of = self.of.lock().unwrap_or_else(PoisonError::into_inner);
        if of.as_ref() != Some(&password) {
            drop(of);
            let why = "The password was changed just now. Say the new one.";
            return self.form(visit, headers, StatusCode::FORBIDDEN, Some(why), &to);
        }
        self.throttle.forgive(visit.from);
        tracing::info!(from = %throttle::place(visit.from), "somebody logged in to the pages");
        // Whatever session the browser came with is none any more.
        if let Some(before) = cookie(headers, SESSION) {
            self.sessions.end(before, visit.now);
        }
        let session = set(SESSION, &self.sessions.begin((self.draw)(), visit.now), LASTS);
        drop(of);
        let mut response = see(&local(&to));
        for kept in [session, set(FORM, "", Duration::ZERO)] {
            if let Ok(kept) = HeaderValue::from_str(&kept) {
                response.headers_mut().append(header::SET_COOKIE, kept);
            }
        }
        response
    }

    fn wait(&self, visit: &Visit<'_>, headers: &HeaderMap, wait: Duration, to: &str) -> Response {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let why = format!("Too many passwords were tried. Try again in {seconds} seconds.");
        let mut response = self.form(visit, headers, StatusCode::TOO_MANY_REQUESTS, Some(&why), to);
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        response
    }

    fn form(
        &self,
        visit: &Visit<'_>,
        headers: &HeaderMap,
        status: StatusCode,
        why: Option<&str>,
        to: &str,
    ) -> Response {
        // A second form in another tab leaves the first one usable.
        let kept = cookie(headers, FORM).map_or_else(|| named((self.draw)()), ToOwned::to_owned);
        let body = html! {
            h1 { "Log in" }
            @if let Some(why) = why { p.wrong role="alert" { (why) } }
            form.login method="post" action=(LOGIN) {
                label for="password" { "Password of these pages" }
                input id="password" name="password" type="password" autocomplete="current-password" required autofocus;
                input type="hidden" name="token" value=(self.sessions.token(&kept));
                input type="hidden" name="to" value=(local(to));
                button { "Log in" }
            }
            p { "Whoever runs willitsell has it. A login lasts 12 hours." }
        };
        let kept = set(FORM, &kept, Duration::from_hours(1));
        (status, [(header::SET_COOKIE, kept)], frame::outside(visit.assets, "Log in", &body)).into_response()
    }

    fn leaving(&self, visit: &Visit<'_>, headers: &HeaderMap) -> Response {
        let session = cookie(headers, SESSION).unwrap_or_default();
        let body = html! {
            h1 { "Log out" }
            form.login method="post" action=(LOGOUT) {
                input type="hidden" name="token" value=(self.sessions.token(session));
                button { "Log out" }
            }
            p { a href="/" { "Back to the portfolio" } }
        };
        frame::outside(visit.assets, "Log out", &body).into_response()
    }
}

/// What somebody gets who is not logged in: the way to the form, or plain words for a program.
pub fn turned_away(request: &Request) -> Response {
    let headers = request.headers();
    if wants_json(headers) {
        let answer = serde_json::json!({ "error": "Nobody is logged in.", "next": ["Log in with a browser."] });
        return (StatusCode::UNAUTHORIZED, axum::Json(answer)).into_response();
    }
    // A link elsewhere brings no cookie of ours along, so that nobody acts in our name; the page itself does.
    if headers.get("sec-fetch-site").is_some_and(|site| site == "cross-site") {
        return (StatusCode::OK, [(header::REFRESH, "0")], "one moment\n").into_response();
    }
    let to = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let query: String = form_urlencoded::Serializer::new(String::new()).append_pair("to", to).finish();
    see(&format!("{LOGIN}?{query}"))
}

fn see(path: &str) -> Response {
    (StatusCode::SEE_OTHER, [(header::LOCATION, path)]).into_response()
}

/// A page of ours: anything else becomes the first one.
fn local(to: &str) -> String {
    let is_ours =
        to.starts_with('/') && !to.starts_with("//") && to.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    if is_ours { to.to_owned() } else { "/".to_owned() }
}

fn field(form: &[u8], name: &str) -> String {
    form_urlencoded::parse(form)
        .find(|(field, _)| field == name)
        .map(|(_, value)| value.into_owned())
        .unwrap_or_default()
}

fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(of, _)| *of == name).map(|(_, value)| value)
}

fn set(name: &str, value: &str, lasts: Duration) -> String {
    format!("{name}={value}; Path=/; Max-Age={}; HttpOnly; Secure; SameSite=Strict", lasts.as_secs())
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    const HOST: &str = "127.0.0.1:8437";

    fn web(password: &str) -> Web {
        let hash = Password::hash(&password.into(), [7; 16]).unwrap();
        Web { password: Some(Password::from_hash(&hash).unwrap()), ..Web::default() }
    }

    /// The form as a browser sends it that was given one.
    fn form(login: &Login, body: Option<&str>) -> Request {
        let body = match body {
            Some(password) => Body::from(format!("token={}&password={password}", login.sessions.token("kept"))),
            None => Body::from_stream(stream::pending::<Result<Vec<u8>, std::io::Error>>()),
        };
        Request::post(LOGIN)
            .header(header::HOST, HOST)
            .header(header::ORIGIN, format!("http://{HOST}"))
            .header(header::COOKIE, format!("{FORM}=kept"))
            .body(body)
            .unwrap()
    }

    fn visit<'a>(web: &'a Web, assets: &'a Assets) -> Visit<'a> {
        Visit { web, assets, from: "203.0.113.7".parse().unwrap(), now: Duration::ZERO }
    }

    /// Until a hash is under way.
    async fn is_looking(login: &Login) {
        while login.looking.available_permits() == AT_ONCE {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn w1_a_guess_takes_its_turn_until_its_hash_is_there_also_where_nobody_waits_for_it() {
        let (login, web, assets) = (Login::new(|| [1; 32]), web("right"), Assets::default());
        let visit = visit(&web, &assets);
        tokio::select! {
            _ = login.answer(form(&login, Some("wrong")), &visit) => panic!("answered before it was given up"),
            () = is_looking(&login) => {}
        }
        assert_eq!(login.looking.available_permits(), AT_ONCE - 1, "its memory is taken still");
        let all = login.looking.acquire_many(AT_ONCE.try_into().unwrap()).await;
        assert!(all.is_ok(), "and given back");
    }

    #[tokio::test]
    async fn w1_a_password_that_is_changed_while_it_is_looked_at_opens_nothing() {
        let (login, old, new, assets) = (Login::new(|| [1; 32]), web("old"), web("new"), Assets::default());
        let (before, after) = (visit(&old, &assets), visit(&new, &assets));
        let change = async {
            is_looking(&login).await;
            assert!(!login.knows(&HeaderMap::new(), &after));
        };
        let (answer, ()) = tokio::join!(login.answer(form(&login, Some("old")), &before), change);
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        let kept = answer.headers().get_all(header::SET_COOKIE);
        assert!(kept.iter().all(|kept| !kept.to_str().unwrap().starts_with(SESSION)));
        let answer = login.answer(form(&login, Some("new")), &after).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER, "the new one does");
    }

    #[tokio::test]
    async fn w6_whoever_dawdles_over_a_form_keeps_so_many_from_theirs_and_no_more() {
        let (login, web, assets) = (Login::new(|| [1; 32]), web("right"), Assets::default());
        let visit = visit(&web, &assets);
        let mut dawdling: Vec<_> = (0..FORMS).map(|_| Box::pin(login.answer(form(&login, None), &visit))).collect();
        for one in &mut dawdling {
            assert!(timeout(Duration::ZERO, one).await.is_err());
        }
        let answer = login.answer(form(&login, Some("right")), &visit).await;
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.headers().contains_key(header::RETRY_AFTER));
        dawdling.clear();
        let answer = login.answer(form(&login, Some("right")), &visit).await;
        assert_eq!(answer.status(), StatusCode::SEE_OTHER);
    }

    #[test]
    fn w1_a_login_leads_to_a_page_of_ours_and_nowhere_else() {
        for ours in ["/", "/concepts/tea?x=1#y", "/money"] {
            assert_eq!(local(ours), ours);
        }
        for other in ["", "//evil.example", "https://evil.example", "/\\evil.example", "money", "/a\r\nb", "/ä"] {
            assert_eq!(local(other), "/", "{other}");
        }
    }
}
