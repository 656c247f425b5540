//! Where a password is asked for: who has none sees nothing, guesses become slow, a login is one browser's own, and what others
//! send in its name is refused (W1, W2).

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderName};
use reqwest::redirect;
use secrecy::{ExposeSecret, SecretString};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use willitsell::connect::http::Method;
use willitsell::domain::password::{self, Password};
use willitsell::domain::tls::Tls;
use willitsell::domain::web::Web;
use willitsell::web::Pages;

use super::browser::Browser;
use super::hostile::EVERY_VERDICT;
use super::site::{Site, Wanted};

/// Pages that ask for a password; ended when dropped.
struct Guarded {
    site: Site,
    base: String,
    web: watch::Sender<Web>,
    stop: CancellationToken,
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn secret() -> SecretString {
    password::password([7; 20])
}

fn kept(password: &SecretString) -> Password {
    Password::from_hash(&Password::hash(password, [3; 16]).unwrap()).unwrap()
}

async fn guarded(more: Web) -> Guarded {
    let wanted = EVERY_VERDICT.map(|verdict| Wanted { title: "A concept", owner: "Dana", arm: "One", verdict });
    let site = Site::of(&wanted[..1], None).await;
    let is_encrypted = more.tls.is_some();
    let (web, said) = watch::channel(Web { password: Some(kept(&secret())), ..more });
    let (_, work) = watch::channel(Arc::clone(&site.work));
    let any: SocketAddr = "127.0.0.1:0".parse().unwrap();
    let pages = Pages::open(any, said, work, rand::random).await.unwrap();
    let base = format!("{}://{}", if is_encrypted { "https" } else { "http" }, pages.address().unwrap());
    let stop = CancellationToken::new();
    tokio::spawn(pages.run(stop.clone()));
    Guarded { site, base, web, stop }
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    /// What the browser is told to keep under a name.
    fn cookie(&self, name: &str) -> Option<String> {
        let mut set = self.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap());
        let found = set.find_map(|value| value.strip_prefix(&format!("{name}=")))?;
        Some(found.split(';').next().unwrap().to_owned())
    }

    fn token(&self) -> String {
        let (_, rest) = self.body.split_once("name=\"token\" value=\"").expect("a form");
        rest.split('"').next().unwrap().to_owned()
    }

    fn leads_to(&self) -> &str {
        self.headers["location"].to_str().unwrap()
    }
}

impl Guarded {
    async fn ask(&self, method: Method, path: &str, headers: &[(&str, &str)], form: &str) -> Answer {
        let client = reqwest::Client::builder().redirect(redirect::Policy::none()).build().unwrap();
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        let request = client.request(method, format!("{}{path}", self.base)).body(form.to_owned());
        let answer = request.headers(map).send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        Answer { status, headers, body: answer.text().await.unwrap() }
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.ask(Method::GET, path, headers, "").await
    }

    /// A form of ours, sent from our own page; with more headers, of which the later ones count.
    async fn send(&self, form: &Answer, password: &str, headers: &[(&str, &str)]) -> Answer {
        let cookie = format!("__Host-form={}", form.cookie("__Host-form").unwrap());
        let mut all = vec![("origin", self.base.as_str()), ("cookie", &cookie)];
        all.extend(headers);
        let body = format!("token={}&to=%2Fmoney&password={password}", form.token());
        self.ask(Method::POST, "/login", &all, &body).await
    }

    async fn logged_in(&self) -> String {
        let form = self.get("/login", &[]).await;
        let answer = self.send(&form, secret().expose_secret(), &[]).await;
        assert_eq!((answer.status, answer.leads_to()), (303, "/money"), "{}", answer.body);
        format!("__Host-session={}", answer.cookie("__Host-session").unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn w1_who_is_not_logged_in_sees_no_page() {
    let guarded = guarded(Web::default()).await;
    let mut pages = guarded.site.every_page();
    pages.push("/nowhere".into());
    for page in pages {
        for headers in [&[][..], &[("cookie", "__Host-session=made-up")], &[("cookie", "__Host-session=")]] {
            let answer = guarded.get(&page, headers).await;
            assert_eq!(answer.status, 303, "{page}");
            assert!(
                answer.leads_to().starts_with("/login?to=%2F") && answer.body.is_empty(),
                "{page}: {}",
                answer.body
            );
        }
        let answer = guarded.get(&page, &[("accept", "application/json")]).await;
        assert!(answer.status == 401 && !answer.body.contains("A concept"), "{}", answer.body);
        // A link in a message brings no cookie along: the page asks for itself once more.
        let answer = guarded.get(&page, &[("sec-fetch-site", "cross-site")]).await;
        assert_eq!((answer.status, answer.headers["refresh"].to_str().unwrap()), (200, "0"));
        assert!(!answer.body.contains("A concept"));
    }
    let form = guarded.get("/login?to=/money", &[]).await;
    assert!(form.status == 200 && form.body.contains("value=\"/money\""), "{}", form.body);
    let elsewhere = guarded.get("/login?to=//evil.example", &[]).await;
    assert!(!elsewhere.body.contains("evil.example"));
    assert!(form.headers["content-security-policy"].to_str().unwrap().contains("form-action 'self'"));
}

#[tokio::test(flavor = "multi_thread")]
async fn w1_a_login_is_new_is_one_browser_s_own_and_ends() {
    let guarded = guarded(Web::default()).await;
    let form = guarded.get("/login", &[]).await;
    let wrong = guarded.send(&form, "wrong", &[]).await;
    assert!(wrong.status == 403 && wrong.cookie("__Host-session").is_none(), "{}", wrong.body);
    assert!(wrong.body.contains("That is not the password."));
    // One who brings a session of a name that somebody else knows gets another.
    let planted = format!("__Host-form={}; __Host-session=planted", form.cookie("__Host-form").unwrap());
    let right = guarded.send(&form, secret().expose_secret(), &[("cookie", &planted)]).await;
    assert_eq!((right.status, right.leads_to()), (303, "/money"));
    let set =
        right.headers.get_all("set-cookie").iter().find(|set| set.to_str().unwrap().contains("session=")).unwrap();
    let set = set.to_str().unwrap();
    for word in ["; HttpOnly", "; Secure", "; SameSite=Strict", "; Path=/", "; Max-Age=43200"] {
        assert!(set.contains(word) && !set.contains("Domain"), "{set}");
    }
    let session = format!("__Host-session={}", right.cookie("__Host-session").unwrap());
    assert!(session.len() > 50 && session != guarded.logged_in().await);
    assert_eq!(guarded.get("/", &[("cookie", "__Host-session=planted")]).await.status, 303);
    let page = guarded.get("/", &[("cookie", &session)]).await;
    assert!(page.status == 200 && page.body.contains("A concept") && page.body.contains("/logout"));

    // W2: a link to it logs nobody out, nor does a form without its token.
    let leaving = guarded.get("/logout", &[("cookie", &session)]).await;
    assert_eq!(leaving.status, 200);
    let token = leaving.token();
    let origin = ("origin", guarded.base.as_str());
    for (headers, form) in [
        (vec![origin, ("cookie", session.as_str())], String::new()),
        (vec![origin, ("cookie", session.as_str())], format!("token={}", form.token())),
        (vec![("origin", "https://evil.example"), ("cookie", session.as_str())], format!("token={token}")),
        (vec![("cookie", session.as_str())], format!("token={token}")),
    ] {
        assert_eq!(guarded.ask(Method::POST, "/logout", &headers, &form).await.status, 403, "{headers:?}");
        assert_eq!(guarded.get("/", &[("cookie", &session)]).await.status, 200);
    }
    let headers = [origin, ("cookie", session.as_str())];
    let left = guarded.ask(Method::POST, "/logout", &headers, &format!("token={token}")).await;
    assert_eq!((left.status, left.leads_to(), left.cookie("__Host-session")), (303, "/login", Some(String::new())));
    assert_eq!(guarded.get("/", &[("cookie", &session)]).await.status, 303, "who kept it has nothing");

    // Another password ends what began with the one before.
    let session = guarded.logged_in().await;
    guarded.web.send_modify(|web| web.password = Some(kept(&"another".into())));
    assert_eq!(guarded.get("/", &[("cookie", &session)]).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn w1_guesses_are_slowed_down_for_whoever_makes_them() {
    let proxy = "127.0.0.1".parse().unwrap();
    let web = Web { url: Some("https://tests.example.com".into()), proxies: vec![proxy], ..Web::default() };
    let guarded = guarded(web).await;
    let host = ("host", "tests.example.com");
    let form = guarded.get("/login", &[host]).await;
    let origin = ("origin", "https://tests.example.com");
    let by = |address| [host, origin, ("x-forwarded-for", address)];
    // What somebody writes into it before the proxy does is not believed.
    let liar = ["1.1.1.1, 203.0.113.7", "2.2.2.2, 203.0.113.7", "203.0.113.7", "3.3.3.3,203.0.113.7", "203.0.113.7"];
    for address in liar {
        assert_eq!(guarded.send(&form, "wrong", &by(address)).await.status, 403);
    }
    let right = secret();
    let slowed = guarded.send(&form, right.expose_secret(), &by("203.0.113.7")).await;
    assert_eq!(slowed.status, 429, "also with the right one");
    let wait: u64 = slowed.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=30).contains(&wait) && slowed.body.contains("Too many passwords"), "{wait}: {}", slowed.body);
    assert_eq!(guarded.send(&form, right.expose_secret(), &by("203.0.113.8")).await.status, 303);
}

#[tokio::test(flavor = "multi_thread")]
async fn w2_a_form_that_was_not_sent_from_our_page_is_refused() {
    let guarded = guarded(Web::default()).await;
    let (form, other) = (guarded.get("/login", &[]).await, guarded.get("/login", &[]).await);
    let right = secret();
    for origin in ["https://evil.example", "null", "http://localhost:1", ""] {
        let answer = guarded.send(&form, right.expose_secret(), &[("origin", origin)]).await;
        assert!(answer.status == 403 && answer.cookie("__Host-session").is_none(), "{origin}");
    }
    for cookie in [format!("__Host-form={}", other.cookie("__Host-form").unwrap()), "a=b".into()] {
        assert_eq!(guarded.send(&form, right.expose_secret(), &[("cookie", &cookie)]).await.status, 403, "{cookie}");
    }
    let session = guarded.logged_in().await;
    for path in ["/", "/money", "/nowhere"] {
        let headers = [("origin", guarded.base.as_str()), ("cookie", session.as_str())];
        assert_eq!(guarded.ask(Method::POST, path, &headers, "").await.status, 405, "{path}");
    }
    let large = "x".repeat(5_000);
    assert_eq!(guarded.send(&form, &large, &[]).await.status, 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn w1_over_https_nobody_is_answered_in_the_clear() {
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let (chain, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    let web = Web { tls: Some(Tls::from_pem(&chain, &key.into()).unwrap()), ..Web::default() };
    let guarded = guarded(web).await;
    let root = reqwest::Certificate::from_pem(chain.as_bytes()).unwrap();
    let client = reqwest::Client::builder().redirect(redirect::Policy::none()).tls_certs_only([root]).build().unwrap();
    let answer = client.get(&guarded.base).send().await.unwrap();
    assert_eq!(answer.status(), 303);
    let trusting_others = reqwest::Client::builder().build().unwrap();
    assert!(trusting_others.get(&guarded.base).send().await.is_err());
    let mut clear = tokio::net::TcpStream::connect(guarded.base.strip_prefix("https://").unwrap()).await.unwrap();
    clear.write_all(b"GET /login HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut said = Vec::new();
    _ = clear.read_to_end(&mut said).await;
    assert!(!String::from_utf8_lossy(&said).contains("HTTP/1.1"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn w1_a_browser_logs_in_and_out() {
    let Some(browser) = Browser::start().await else { return };
    let guarded = guarded(Web::default()).await;
    browser.open(&format!("{}/money", guarded.base)).await;
    shows(&browser, "Log in").await;
    let fill = format!(
        "document.querySelector('#password').value = '{}'; document.querySelector('form').submit(); return 1",
        secret().expose_secret()
    );
    browser.run(&fill).await;
    shows(&browser, "Testing has cost").await;
    assert_eq!(browser.run("return document.cookie").await, "", "no script reads it");
    browser.open(&format!("{}/logout", guarded.base)).await;
    shows(&browser, "Log out").await;
    browser.run("document.querySelector('form').submit(); return 1").await;
    shows(&browser, "Log in").await;
    browser.open(&format!("{}/", guarded.base)).await;
    shows(&browser, "Log in").await;
    assert_eq!(browser.complaints().await, [""; 0]);
}

/// Waits until a page is there whose first heading begins so.
async fn shows(browser: &Browser, heading: &str) {
    let mut seen = serde_json::Value::Null;
    for _ in 0..200 {
        seen = browser.run("return document.querySelector('h1')?.textContent ?? null").await;
        if seen.as_str().is_some_and(|seen| seen.starts_with(heading)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{heading} never came, but {seen}");
}
