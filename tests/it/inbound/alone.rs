//! A sender that cannot be asked: its acts are kept, its silence is no zero, and what cannot be read is not acknowledged.

use base64::prelude::{BASE64_STANDARD, Engine};
use chrono::{DateTime, NaiveDate, Utc};
use ring::hmac;
use serde_json::json;
use willitsell::app::App;
use willitsell::connect::manifest::Manifest;
use willitsell::domain::id::SourceId;
use willitsell::domain::observation::DateWindow;
use willitsell::schedule::pull::{Errand, pull};

use super::{ids, post, receiving_at};
use crate::project::Project;

const KEY: &[u8] = b"twenty-four bytes or more";

fn project(more: &str) -> Project {
    let project = Project::new(&format!(
        r#"
[inbound]
listen = "127.0.0.1:0"
[source.form]
connector = "signed_form"
{more}
[source.ads]
connector = "file"
[experiment.cats]
title = "Cats"
hypothesis = "Cats"
schedule = "0 6 * * *"
timezone = "UTC"
start = "2026-03-01"
sources = ["ads", "form"]
[experiment.cats.arm.a]
keys = {{ ads = ["a"], form = ["a"] }}
[experiment.cats.rate.signup]
numerator = "signups"
denominator = "clicks"
[experiment.cats.policy]
primary = "signup"
kill_bar = 0.02
build_bar = 0.03
"#
    ));
    project.secret("form", &format!("whsec_{}", BASE64_STANDARD.encode(KEY)));
    project
}

const INBOUND: &str = "inbound = { secret = \"file:secrets/form\" }";

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn fourth() -> DateTime<Utc> {
    at("2026-03-04T12:00:00Z")
}

fn ninth() -> DateTime<Utc> {
    at("2026-03-09T12:00:00Z")
}

/// Sends this, with this id, at this time.
async fn deliver(to: std::net::SocketAddr, now: DateTime<Utc>, id: &str, body: &serde_json::Value) -> Option<u16> {
    let (body, time) = (body.to_string(), now.timestamp().to_string());
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, KEY), format!("{id}.{time}.{body}").as_bytes());
    let headers = [
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", time),
        ("webhook-signature", format!("v1,{}", BASE64_STANDARD.encode(tag))),
    ];
    post(to, "/in/form", &headers, &body).await
}

fn act(id: &str) -> serde_json::Value {
    let data = json!({ "id": id, "at": "2026-03-04T11:59:00Z", "arm": "a", "email": format!("{id}@acme.io") });
    json!({ "type": "act", "timestamp": "2026-03-04T11:59:01Z", "data": data })
}

/// The form says that it is alive, at each of these times.
async fn alive(app: &App, times: &[fn() -> DateTime<Utc>]) {
    for &time in times {
        receiving_at(app, time, async |to| {
            let id = time().to_string();
            assert_eq!(deliver(to, time(), &id, &json!({ "type": "alive" })).await, Some(200));
        })
        .await;
    }
}

/// Pulls the form from the start on; gives back the days that it spoke for, and the warnings.
async fn pulled(app: &App, now: DateTime<Utc>) -> Result<(String, Vec<String>), String> {
    let source = SourceId::new("form");
    let today = now.date_naive();
    let window = DateWindow::new("2026-03-01".parse().unwrap(), today).unwrap();
    let errand = Errand { run_id: "run", zone: chrono_tz::Tz::UTC, due_at: now, now };
    let pulled = pull(&app.parts, &app.parts.sources[&source], window, errand, None).await;
    let pulled = pulled.map_err(|error| error.to_string())?;
    assert_eq!((pulled.new, pulled.changed, pulled.vanished), (0, 0, 0));
    let last = app.parts.store.pulls(&source).await.unwrap().pop().unwrap();
    Ok((format!("{} {}", last.first_day, last.last_day), pulled.warnings))
}

#[tokio::test]
async fn silence_is_no_zero_and_a_sign_of_life_is() {
    let project = project(INBOUND);
    let app = project.app().await;
    let error = pulled(&app, fourth()).await.unwrap_err();
    assert!(error.contains("nothing was delivered yet"), "{error}");
    let due = receiving_at(&app, fourth, async |to| {
        assert_eq!(deliver(to, fourth(), "m1", &act("1")).await, Some(200));
    })
    .await;
    assert_eq!(due, Vec::<String>::new(), "there is nobody to be asked");
    // Days before the form was wired up are none on which nobody acted; that today is running says nothing of it.
    let (days, warnings) = pulled(&app, fourth()).await.unwrap();
    assert_eq!(days, "2026-03-04 2026-03-04");
    assert!(warnings[0].contains("before 2026-03-04: days before 2026-03-06"), "{warnings:?}");
    assert_eq!(pulled(&app, at("2026-03-06T23:59:59Z")).await.unwrap().0, "2026-03-06 2026-03-06");
    let error = pulled(&app, at("2026-03-07T00:00:00Z")).await.unwrap_err();
    assert!(error.contains("since 2026-03-04") && error.contains("2 days"), "{error}");
    // What was sent during a silence may have been given up.
    alive(&app, &[ninth, || at("2026-03-11T12:00:00Z")]).await;
    let (days, warnings) = pulled(&app, at("2026-03-11T12:00:00Z")).await.unwrap();
    assert_eq!(days, "2026-03-11 2026-03-11");
    assert!(warnings[0].contains("from 2026-03-04 to 2026-03-09: days before 2026-03-11"), "{warnings:?}");
    // Something came before they began and after they had ended.
    alive(&app, &[|| at("2026-03-13T00:00:00Z"), || at("2026-03-14T00:00:00Z")]).await;
    assert_eq!(pulled(&app, at("2026-03-14T12:00:00Z")).await.unwrap().0, "2026-03-11 2026-03-12");
    assert_eq!(ids(&app.parts.store, "form").await, ["1"], "no pull has taken it away");
    project.assert_no_secret_kept();
}

#[tokio::test]
async fn days_are_read_from_the_start_where_the_form_was_heard_before_it() {
    let project = project(INBOUND);
    let app = project.app().await;
    alive(&app, &[|| at("2026-02-27T12:00:00Z"), || at("2026-03-01T12:00:00Z"), || at("2026-03-03T12:00:00Z")]).await;
    let nothing: Vec<String> = Vec::new();
    assert_eq!(pulled(&app, fourth()).await.unwrap(), ("2026-03-01 2026-03-01".to_owned(), nothing));
}

#[tokio::test]
async fn what_cannot_be_read_and_every_silence_are_remembered_however_long_ago() {
    let project = project(INBOUND);
    let app = project.app().await;
    let mut renamed = act("1");
    renamed["data"]["submitted"] = renamed["data"]["at"].take();
    receiving_at(&app, fourth, async |to| {
        assert_eq!(deliver(to, fourth(), "m1", &renamed).await, Some(422));
        assert_eq!(deliver(to, fourth(), "m2", &act("2")).await, Some(200));
        assert_eq!(deliver(to, fourth(), "m3", &act("3")).await, Some(200));
    })
    .await;
    alive(&app, &[|| at("2026-04-10T12:00:00Z"), || at("2026-06-01T12:00:00Z")]).await;
    let day = |text: &str| text.parse::<NaiveDate>().unwrap();
    let heard = app.parts.store.heard(&SourceId::new("form"), None).await.unwrap();
    assert_eq!(heard.unread, Some(day("2026-03-04")));
    assert_eq!(heard.days, [day("2026-03-04"), day("2026-04-10"), day("2026-06-01")]);
    let error = pulled(&app, at("2026-06-01T12:00:00Z")).await.unwrap_err();
    assert!(error.contains("2026-03-04") && error.contains("accept_shrink"), "{error}");
}

#[tokio::test]
async fn what_cannot_be_read_is_not_acknowledged_and_holds_everything_up() {
    let project = project(INBOUND);
    let app = project.app().await;
    let mut renamed = act("1");
    renamed["data"]["submitted"] = renamed["data"]["at"].take();
    receiving_at(&app, fourth, async |to| {
        assert_eq!(deliver(to, fourth(), "alive", &json!({ "type": "alive" })).await, Some(200));
        assert_eq!(deliver(to, fourth(), "m1", &renamed).await, Some(422));
        assert_eq!(deliver(to, fourth(), "m1", &renamed).await, Some(422), "nor is it known when it comes again");
        assert_eq!(deliver(to, fourth(), "m2", &act("2")).await, Some(200), "others are taken all the same");
    })
    .await;
    let error = pulled(&app, fourth()).await.unwrap_err();
    assert!(
        error.contains("2026-03-04") && error.contains("signed_form.toml") && error.contains("accept_shrink"),
        "{error}"
    );
    let (source, day) = (SourceId::new("form"), "2026-03-04".parse().unwrap());
    assert_eq!(app.parts.store.heard(&source, Some(day)).await.unwrap().unread, None, "the user lets it be");
    // Its sender tries again, and it can be read now.
    receiving_at(&app, fourth, async |to| {
        assert_eq!(deliver(to, fourth(), "m1", &act("1")).await, Some(200));
    })
    .await;
    assert!(pulled(&app, fourth()).await.is_ok());
    assert_eq!(ids(&app.parts.store, "form").await, ["1", "2"]);
}

#[test]
fn a_source_that_only_sends_must_be_listened_to() {
    let ended = project("").run(&["check"]);
    assert!(ended.code != 0 && ended.stderr.contains("it only sends"), "{ended:#?}");
    let shown = project(INBOUND).succeeds(&["connectors", "show", "signed_form"]);
    assert!(shown.contains("inbound = { secret = "), "{shown}");
}

#[test]
fn a_file_without_a_request_says_how_long_its_sender_may_be_silent() {
    let (_, text) =
        willitsell::connect::Registry::manifests().iter().find(|(file, _)| *file == "signed_form.toml").unwrap();
    let wrong = |text: &str| Manifest::load("signed_form.toml", text).unwrap_err().to_string();
    assert!(Manifest::load("signed_form.toml", text).is_ok());
    for (from, to, why) in [
        ("silent_days = 2 ", "", "`silent_days` is missing"),
        ("silent_days = 2", "silent_days = 31", "from 1 to 30"),
        ("act         = \"$.data\"\n", "", "`act`"),
        ("scheme      = \"standard\"", "scheme = \"path\"", "nothing proves"),
        ("each = \"$[*]\"", "each = \"$.rows[*]\"", "is a row"),
        ("[rows]\n", "[limits]\nper_second = 1\n[rows]\n", "no `limits`"),
        ("ends     = \"none\"", "ends     = \"inclusive\"", "`ends`"),
    ] {
        assert!(text.contains(from), "{from}");
        let error = wrong(&text.replacen(from, to, 1));
        assert!(error.contains(why), "{why}: {error}");
    }
}
