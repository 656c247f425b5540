//! Deliveries from outside: whatever is forged, old, too large, too slow or too much is turned away, and what is
//! acknowledged is in the store, once.

mod alone;
mod kill;

use std::net::SocketAddr;

use base64::prelude::{BASE64_STANDARD, Engine};
use chrono::{DateTime, Utc};
use ring::hmac;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use willitsell::app::App;
use willitsell::domain::id::SourceId;
use willitsell::domain::inbound::Told;
use willitsell::domain::observation::DateWindow;
use willitsell::inbound::Inbound;
use willitsell::sandbox::{Endpoint, Sandbox, demo};
use willitsell::store::Store;

use crate::project::{Project, setup};

const SECRET: &str = "typeform-webhook-secret";
const OLD: &str = "typeform-webhook-secret-of-before";
const JOTFORM: &str = "9b1d0c7e5f3a2b4c6d8e0f1a2b3c4d5e";

/// When the acts of [`body`] were sent.
const SENT_AT: &str = "2026-03-04T11:59:00Z";

fn now() -> DateTime<Utc> {
    "2026-03-04T12:00:00Z".parse().unwrap()
}

/// A form, another of a vendor that signs nothing, and payments, whose test begins in a far year: nothing is ever due.
pub fn project(listen: &str) -> Project {
    let project = Project::new(&format!(
        r#"
[inbound]
listen = "{listen}"
[source.form]
connector = "typeform"
settings = {{ form_id = "F1", token = "file:secrets/token" }}
inbound = {{ secret = ["file:secrets/new", "file:secrets/old"] }}
[source.jot]
connector = "jotform"
settings = {{ form_id = "250000000000000", token = "file:secrets/token", zone = "UTC" }}
inbound = {{ secret = "file:secrets/path" }}
[source.till]
connector = "stripe_checkout"
settings = {{ token = "file:secrets/token" }}
inbound = {{ secret = "file:secrets/stripe" }}
[source.ads]
connector = "file"
[experiment.cats]
title = "Cats"
hypothesis = "Cats"
schedule = "0 6 * * *"
timezone = "UTC"
start = "2199-01-01"
stop = "2199-03-01"
sources = ["ads", "form", "jot", "till"]
[experiment.cats.arm.a]
keys = {{ ads = ["a"], form = ["a"], jot = ["a"], till = ["a"] }}
[experiment.cats.rate.signup]
numerator = "signups"
denominator = "clicks"
[experiment.cats.policy]
primary = "signup"
kill_bar = 0.02
build_bar = 0.03
"#
    ));
    for (name, secret) in [("token", "t"), ("new", SECRET), ("old", OLD), ("path", JOTFORM), ("stripe", "whsec_till")] {
        project.secret(name, secret);
    }
    project
}

/// What Typeform sends for an act.
pub fn body(id: &str, email: &str) -> String {
    json!({ "event_id": format!("event-{id}"), "event_type": "form_response", "form_response": {
        "form_id": "F1", "token": id, "submitted_at": SENT_AT, "hidden": { "arm": "a" },
        "answers": [{ "type": "email", "email": email }] } })
    .to_string()
}

pub fn signed(secret: &str, body: &str) -> (&'static str, String) {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), body.as_bytes());
    ("Typeform-Signature", format!("sha256={}", BASE64_STANDARD.encode(tag)))
}

/// Sends a request and gives back its status; `None` where the connection broke.
pub async fn send(to: SocketAddr, verb: &str, path: &str, headers: &[(&str, String)], body: &[u8]) -> Option<u16> {
    let mut stream = TcpStream::connect(to).await.ok()?;
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let length = body.len();
    let head =
        format!("{verb} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n{headers}\r\n");
    stream.write_all(&[head.as_bytes(), body].concat()).await.ok()?;
    answer(&mut stream).await
}

async fn answer(stream: &mut TcpStream) -> Option<u16> {
    let mut answer = Vec::new();
    // A door that has turned a body away may close on the rest of it.
    _ = stream.read_to_end(&mut answer).await;
    str::from_utf8(answer.get(9..12)?).ok()?.parse().ok()
}

async fn post(to: SocketAddr, path: &str, headers: &[(&str, String)], body: &str) -> Option<u16> {
    send(to, "POST", path, headers, body.as_bytes()).await
}

async fn act(to: SocketAddr, id: &str) -> Option<u16> {
    let body = body(id, "ann@acme.io");
    post(to, "/in/form", &[signed(SECRET, &body)], &body).await
}

/// Runs a test beside the program that receives, and gives back the sources it made due.
async fn receiving(app: &App, test: impl AsyncFnOnce(SocketAddr)) -> Vec<String> {
    receiving_at(app, now, test).await
}

/// As [`receiving`], at another time.
async fn receiving_at(app: &App, now: fn() -> DateTime<Utc>, test: impl AsyncFnOnce(SocketAddr)) -> Vec<String> {
    let (tell, told) = watch::channel(Told::new());
    let listen = app.loaded.config.inbound.as_ref().unwrap();
    let inbound = Inbound::open(listen, &app.parts.sources, &app.parts.registry, tell, now).await.unwrap();
    let address = inbound.address().unwrap();
    let stop = CancellationToken::new();
    tokio::join!(inbound.run(&app.parts.store, &stop), async {
        test(address).await;
        stop.cancel();
    });
    let told = told.borrow();
    assert!(told.values().all(|at| *at == now()));
    told.keys().map(ToString::to_string).collect()
}

pub async fn ids(store: &Store, source: &str) -> Vec<String> {
    let always = DateWindow::new("2026-01-01".parse().unwrap(), "2199-12-31".parse().unwrap()).unwrap();
    let inputs = store.inputs(&[SourceId::new(source)], always, None).await.unwrap();
    inputs.responses.into_iter().map(|act| act.response_id).collect()
}

async fn stored(app: &App) -> Vec<String> {
    ids(&app.parts.store, "form").await
}

#[tokio::test]
async fn i1_nothing_forged_is_stored_and_both_secrets_pass() {
    let project = project("127.0.0.1:0");
    let app = project.app().await;
    let due = receiving(&app, async |to| {
        let whole = body("r1", "ann@acme.io");
        let (name, signature) = signed(SECRET, &whole);
        let cut = signature[..signature.len() - 5].to_owned();
        let sha1 =
            hmac::sign(&hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, SECRET.as_bytes()), whole.as_bytes());
        let again = serde_json::to_string_pretty(&serde_json::from_str::<Value>(&whole).unwrap()).unwrap();
        for (headers, body) in [
            (vec![], &whole),
            (vec![(name, String::new())], &whole),
            (vec![(name, cut)], &whole),
            (vec![(name, format!("sha1={}", BASE64_STANDARD.encode(sha1)))], &whole),
            (vec![(name, format!("sha256={}", BASE64_STANDARD.encode(sha1)))], &whole),
            (vec![signed("another secret", &whole)], &whole),
            (vec![signed(SECRET, &whole)], &again),
            (vec![(name, signature.clone()), (name, signature.clone())], &whole),
            (vec![("X-Typeform-Signature", signature.clone())], &whole),
        ] {
            assert_eq!(post(to, "/in/form", &headers, body).await, Some(401), "{headers:?}");
        }
        assert_eq!(post(to, "/in/till", &[(name, signature.clone())], &whole).await, Some(401), "another source");
        assert_eq!(stored(&app).await, Vec::<String>::new());
        assert_eq!(post(to, "/in/form", &[(name, signature)], &whole).await, Some(200));
        let second = body("r2", "bob@acme.io");
        assert_eq!(post(to, "/in/form", &[signed(OLD, &second)], &second).await, Some(200), "while it is exchanged");
        assert_eq!(post(to, "/in/nowhere", &[], &second).await, Some(404));
        assert_eq!(post(to, "/", &[], &second).await, Some(404));
        assert_eq!(send(to, "GET", "/in/form", &[], b"").await, Some(405));
    })
    .await;
    assert_eq!((stored(&app).await, due), (vec!["r1".to_owned(), "r2".into()], vec![]));
    project.assert_no_secret_kept();
}

#[tokio::test]
async fn i1_a_sender_that_signs_nothing_is_asked_and_never_believed() {
    let project = project("127.0.0.1:0");
    let app = project.app().await;
    let due = receiving(&app, async |to| {
        let form = "submissionID=1&formID=250000000000000";
        for path in
            ["/in/jot", "/in/jot/", "/in/jot/guess", &format!("/in/jot/{JOTFORM}0"), &format!("/in/form/{JOTFORM}")]
        {
            assert!(matches!(post(to, path, &[], form).await, Some(401 | 404)), "{path}");
        }
        assert_eq!(post(to, &format!("/in/jot/{JOTFORM}"), &[], form).await, Some(200));
    })
    .await;
    assert_eq!(due, ["jot"]);
    assert_eq!(ids(&app.parts.store, "jot").await, Vec::<String>::new());
}

#[tokio::test]
async fn i2_repeats_are_acknowledged_and_kept_once_and_old_ones_refused() {
    let project = project("127.0.0.1:0");
    let app = project.app().await;
    let paid = json!({ "id": "evt_1", "type": "checkout.session.completed", "data": { "object": {
        "id": "cs_1", "created": 1_772_625_000, "livemode": true, "mode": "payment", "payment_status": "paid",
        "metadata": { "utm_content": "a" }, "payment_intent": "pi_1", "customer_details": { "email": "ann@acme.io" } } } })
    .to_string();
    let stripe = |at: i64| {
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, b"whsec_till"), format!("{at}.{paid}").as_bytes());
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        [("Stripe-Signature", format!("t={at},v1={hex}"))]
    };
    let due = receiving(&app, async |to| {
        for _ in 0..3 {
            assert_eq!(act(to, "r1").await, Some(200));
        }
        let at = now().timestamp();
        assert_eq!(post(to, "/in/till", &stripe(at - 301), &paid).await, Some(401));
        assert_eq!(post(to, "/in/till", &stripe(at + 301), &paid).await, Some(401));
        assert_eq!(ids(&app.parts.store, "till").await, Vec::<String>::new());
        for sent in [at - 300, at, at + 300] {
            assert_eq!(post(to, "/in/till", &stripe(sent), &paid).await, Some(200));
        }
    })
    .await;
    assert_eq!(
        (stored(&app).await, ids(&app.parts.store, "till").await),
        (vec!["r1".to_owned()], vec!["cs_1".to_owned()])
    );
    assert_eq!(due, Vec::<String>::new());
}

/// Typeform signs no time, so what it sent passes for ever. Days are read again for three days.
#[tokio::test]
async fn i2_an_act_of_a_day_that_is_not_read_again_is_acknowledged_and_not_kept() {
    let project = project("127.0.0.1:0");
    let app = project.app().await;
    let due = receiving(&app, async |to| {
        for (id, sent_at) in [("r1", "2026-03-01T11:59:59Z"), ("r2", "2026-03-01T12:00:00Z")] {
            let body = body(id, "ann@acme.io").replace(SENT_AT, sent_at);
            assert_eq!(post(to, "/in/form", &[signed(SECRET, &body)], &body).await, Some(200), "{sent_at}");
        }
    })
    .await;
    assert_eq!((stored(&app).await, due), (vec!["r2".to_owned()], vec![]));
}

#[tokio::test]
async fn a_delivery_without_an_act_or_of_another_form_makes_its_source_due() {
    let project = project("127.0.0.1:0");
    let app = project.app().await;
    let due = receiving(&app, async |to| {
        for body in [
            body("r1", "ann@acme.io").replace("form_response\"", "form_response_partial\""),
            body("r1", "ann@acme.io").replace("\"F1\"", "\"F2\""),
            body("r1", "ann@acme.io").replace("token", "id"),
            body("", "ann@acme.io"),
            "no JSON".to_owned(),
        ] {
            assert_eq!(post(to, "/in/form", &[signed(SECRET, &body)], &body).await, Some(200), "{body}");
        }
    })
    .await;
    assert_eq!((due, stored(&app).await), (vec!["form".to_owned()], vec![]));
}

#[tokio::test]
async fn however_much_one_source_is_sent_no_other_is_forgotten() {
    let project = project("127.0.0.1:0");
    let app = project.app().await;
    let due = receiving(&app, async |to| {
        for _ in 0..100 {
            assert_eq!(post(to, &format!("/in/jot/{JOTFORM}"), &[], "x").await, Some(200));
        }
        assert_eq!(post(to, "/in/form", &[signed(SECRET, "{}")], "{}").await, Some(200));
    })
    .await;
    assert_eq!(due, ["form", "jot"]);
}

#[tokio::test]
async fn i3_large_packed_slow_and_too_many_deliveries_are_turned_away() {
    let project = project("127.0.0.1:0");
    let app = project.app().await;
    receiving(&app, async |to| {
        // A gigabyte is refused by its length, before any of it is read.
        let mut stream = TcpStream::connect(to).await.unwrap();
        stream
            .write_all(b"POST /in/form HTTP/1.1\r\nHost: x\r\nContent-Length: 1073741824\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        assert_eq!(answer(&mut stream).await, Some(413));
        // One without a length, once it is too much.
        let mut stream = TcpStream::connect(to).await.unwrap();
        stream
            .write_all(b"POST /in/form HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n")
            .await
            .unwrap();
        let chunk = [b"10000\r\n".as_slice(), &vec![b' '; 0x10000], b"\r\n"].concat();
        for _ in 0..5 {
            _ = stream.write_all(&chunk).await;
        }
        assert!(matches!(answer(&mut stream).await, Some(413) | None));
        let whole = body("r1", "ann@acme.io");
        let packed = [signed(SECRET, &whole), ("Content-Encoding", "gzip".to_owned())];
        assert_eq!(post(to, "/in/form", &packed, &whole).await, Some(415));
        let largest = format!("{whole}{}", " ".repeat(256 * 1024 - whole.len()));
        assert_eq!(post(to, "/in/form", &[signed(SECRET, &largest)], &largest).await, Some(200), "256 KiB");
        let larger = format!("{largest} ");
        assert_eq!(post(to, "/in/form", &[signed(SECRET, &larger)], &larger).await, Some(413));

        // Sixty-four that send nothing shut their own source's door, and no other's.
        let mut slow = Vec::new();
        for _ in 0..64 {
            let mut stream = TcpStream::connect(to).await.unwrap();
            stream
                .write_all(b"POST /in/form HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nConnection: close\r\n\r\n")
                .await
                .unwrap();
            slow.push(stream);
        }
        let mut answers = Vec::new();
        while answers.last() != Some(&Some(429)) {
            answers.push(act(to, "r2").await);
            assert!(answers.len() < 1000, "never full");
        }
        assert_eq!(post(to, &format!("/in/jot/{JOTFORM}"), &[], "x").await, Some(200));
        for stream in &mut slow {
            assert_eq!(answer(stream).await, Some(408));
        }
        assert_eq!(act(to, "r3").await, Some(200));
    })
    .await;
    assert_eq!(stored(&app).await.first().map(String::as_str), Some("r1"));
}

#[tokio::test]
async fn i4_a_store_that_fails_acknowledges_nothing() {
    let project = project("127.0.0.1:0");
    let app = project.app().await;
    let raw = |sql: &str| {
        rusqlite::Connection::open(project.path().join("willitsell.db")).unwrap().execute_batch(sql).unwrap();
    };
    receiving(&app, async |to| {
        raw("CREATE TRIGGER fails BEFORE INSERT ON received BEGIN SELECT RAISE(ABORT, 'disk'); END");
        let (one, two) = tokio::join!(act(to, "r1"), act(to, "r2"));
        assert_eq!((one, two), (Some(503), Some(503)));
        assert_eq!(stored(&app).await, Vec::<String>::new());
        raw("DROP TRIGGER fails");
        assert_eq!(act(to, "r1").await, Some(200));
    })
    .await;
    assert_eq!(stored(&app).await, ["r1"]);
}

/// A tool of the user's own, which signs as the standard says and lists its acts too.
const OWN: &str = r#"
name        = "own_form"
title       = "Our own form"
docs        = "https://forms.acme.io/docs"
api_version = "none"
sunset_on   = "unknown"
checked_on  = "2026-11-22"
verified    = "documented"
[settings]
token    = { help = "a token", secret = true }
base_url = { help = "another address", default = "https://forms.acme.io" }
[auth.bearer]
token = "{token}"
[days]
zone     = "experiment"
ends     = "none"
lookback = 3
[request]
method = "GET"
url    = "{base_url}/acts"
[rows]
each = "$[*]"
day  = "$.at"
arm  = "$.arm"
[response]
id     = "$.id"
person = "$.email"
depth  = "email"
answer = "$.answers['{answer}']"
[inbound]
scheme = "standard"
event  = { path = "$.type", in = ["form.sent"] }
act    = "$.data"
[metric]
signups = { count = true }
[[example]]
page   = '[{"id":"1","at":"2026-03-01T09:00:00Z","arm":"a","email":"a@example.com","answers":{"why":"so"}}]'
expect = [{ arm = "a", day = "2026-03-01", signups = 1 }]
[[example]]
delivery = '{"type":"form.sent","data":{"id":"1","at":"2026-03-01T09:00:00Z","arm":"a","email":"a@example.com"}}'
expect   = [{ arm = "a", day = "2026-03-01", signups = 1 }]
"#;

#[tokio::test]
async fn a_form_of_ones_own_that_signs_as_the_standard_says_is_received_too() {
    let project = project("127.0.0.1:0");
    std::fs::create_dir(project.path().join("connectors")).unwrap();
    project.write("connectors/own_form.toml", OWN);
    let text = std::fs::read_to_string(project.path().join("willitsell.toml")).unwrap();
    let own = "[source.own]\nconnector = \"own_form\"\nhosts = [\"forms.acme.io\"]\n\
               settings = { token = \"file:secrets/token\" }\ninbound = { secret = \"file:secrets/own\" }\n";
    project.write("willitsell.toml", format!("connectors = \"connectors\"\n{text}{own}"));
    project.secret("own", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
    let app = project.app().await;
    let body = r#"{"type":"form.sent","data":{"id":"1","at":"2026-03-04T11:59:00Z","arm":"a","email":"ann@acme.io"}}"#;
    let sign = |id: &str, at: i64| {
        let key = BASE64_STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), format!("{id}.{at}.{body}").as_bytes());
        let signature = format!("v1,{}", BASE64_STANDARD.encode(tag));
        [("webhook-id", id.to_owned()), ("webhook-timestamp", at.to_string()), ("webhook-signature", signature)]
    };
    receiving(&app, async |to| {
        let at = now().timestamp();
        assert_eq!(post(to, "/in/own", &sign("msg_1", at - 301), body).await, Some(401));
        assert_eq!(post(to, "/in/own", &sign("msg_1", at), body).await, Some(200));
        assert_eq!(post(to, "/in/own", &sign("msg_1", at + 60), body).await, Some(200), "tried again");
    })
    .await;
    assert_eq!(ids(&app.parts.store, "own").await, ["1"]);
}

/// The pretend Typeform's own acts, sent and read in either order.
#[tokio::test(flavor = "multi_thread")]
async fn an_act_counts_once_whether_sent_before_it_is_read_or_after() {
    let sandbox = Sandbox::start(setup("2026-03-20T12:00:00Z")).await.unwrap();
    let project = Project::demo(&sandbox);
    let concept = demo::concepts().into_iter().next().unwrap();
    let (source, form) = (format!("{}-form", concept.id), concept.truth.form_id);
    let text = std::fs::read_to_string(project.path().join("willitsell.toml")).unwrap();
    let heading = format!("[source.{source}]\n");
    assert!(text.contains(&heading));
    let inbound = format!("{heading}inbound = {{ secret = \"file:secrets/hook\" }}\n");
    project.write(
        "willitsell.toml",
        format!("{}\n[inbound]\nlisten = \"127.0.0.1:0\"\n", text.replace(&heading, &inbound)),
    );
    project.secret("hook", SECRET);
    let items = listed(&sandbox, &form).await;
    assert!(items.len() > 20, "{}", items.len());
    let (early, late) = items.split_at(items.len() / 2);
    let app = project.app().await;
    let deliver = async |items: &[Value]| {
        receiving(&app, async |to| {
            for item in items {
                let mut act = item.clone();
                act["form_id"] = form.clone().into();
                let body = json!({ "event_id": "E", "event_type": "form_response", "form_response": act }).to_string();
                assert_eq!(post(to, &format!("/in/{source}"), &[signed(SECRET, &body)], &body).await, Some(200));
            }
        })
        .await
    };
    let mut known = Vec::new();
    for item in &items {
        known.push(item["token"].as_str().unwrap().to_owned());
    }
    known.sort();
    assert_eq!(deliver(early).await, Vec::<String>::new());
    assert_eq!(ids(&app.parts.store, &source).await.len(), early.len());
    let pull = ["pull", "--json", "--source", &source, "--since", "2026-03-02", "--until", "2026-03-20"];
    let pulled: Value = serde_json::from_str(&project.succeeds(&pull)).unwrap();
    assert_eq!(
        [&pulled["new"], &pulled["changed"], &pulled["vanished"]],
        [&json!(late.len()), &json!(0), &json!(0)],
        "{pulled}"
    );
    let stored = async || {
        let mut stored = ids(&app.parts.store, &source).await;
        stored.sort();
        stored
    };
    assert_eq!(stored().await, known);
    assert_eq!(deliver(&items).await, Vec::<String>::new());
    assert_eq!(stored().await, known);
    let pulled: Value = serde_json::from_str(&project.succeeds(&pull)).unwrap();
    assert_eq!(
        [&pulled["new"], &pulled["changed"], &pulled["vanished"]],
        [&json!(0), &json!(0), &json!(0)],
        "{pulled}"
    );
}

/// All answers to a form, as the pretend Typeform lists them.
async fn listed(sandbox: &Sandbox, form: &str) -> Vec<Value> {
    let url =
        format!("{}/forms/{form}/responses?page_size=1000&response_type=completed", sandbox.url(Endpoint::Typeform));
    let client = willitsell::connect::http::Http::new(willitsell::connect::http::Limits::default()).unwrap().client();
    let request = client.get(url).bearer_auth(&sandbox.secrets().typeform_token);
    let page: Value = serde_json::from_slice(&request.send().await.unwrap().bytes().await.unwrap()).unwrap();
    page["items"].as_array().unwrap().clone()
}

#[test]
fn check_prints_what_to_paste_at_each_vendor() {
    let project = project("127.0.0.1:8438");
    let text = std::fs::read_to_string(project.path().join("willitsell.toml")).unwrap();
    project.write("willitsell.toml", text.replace("[inbound]", "[inbound]\npublic_url = \"https://hooks.acme.io/\""));
    let said = project.succeeds(&["check"]);
    for address in [
        "form: https://hooks.acme.io/in/form\n",
        "jot: https://hooks.acme.io/in/jot/SECRET\n",
        "till: https://hooks.acme.io/in/till\n",
    ] {
        assert!(said.contains(address), "{said}");
    }
    assert!(!said.contains(JOTFORM));
}
