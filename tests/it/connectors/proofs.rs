//! How a call proves itself: each way reaches the vendor where it expects it, and nobody else sees it.

use base64::Engine;
use willitsell::connect::PullError;
use willitsell::connect::manifest::{Manifest, Patience};

use super::{embedded, hasty, pages, pull_with, vendor};
use crate::canary::{CANARY, assert_no_canary};
use crate::fake_server::json;

/// The form tool's manifest, proving itself another way.
fn with_auth(auth: &str) -> String {
    let text = embedded("typeform").replacen("[auth.bearer]\ntoken = \"{token}\"", auth, 1);
    assert!(text.contains(auth));
    text
}

const NOTHING: &str = r#"{"items":[],"total_items":0,"page_count":0}"#;

#[tokio::test]
async fn every_way_of_proof_reaches_the_vendor_and_is_shown_nowhere() {
    let basic = |user: &str, password: &str| {
        format!("Basic {}", base64::prelude::BASE64_STANDARD.encode(format!("{user}:{password}")))
    };
    for (auth, header, value) in [
        ("[auth.bearer]\ntoken = \"{token}\"", "authorization", format!("Bearer {CANARY}")),
        ("[auth.header]\nAccess-Token = \"{token}\"", "access-token", CANARY.to_owned()),
        ("[auth.header]\nX-App = \"{form_id}\"\nX-Key = \"Token {token}\"", "x-key", format!("Token {CANARY}")),
        ("[auth.basic]\nuser = \"api\"\npassword = \"{token}\"", "authorization", basic("api", CANARY)),
        ("[auth.basic]\nuser = \"{token}\"\npassword = \"\"", "authorization", basic(CANARY, "")),
    ] {
        let server = pages(vec![NOTHING.to_owned()]).await;
        let pulled = pull_with(&with_auth(auth), "typeform", &server, Patience::default()).await;
        assert_eq!(pulled.facts().rows, 0, "{auth}");
        let seen = server.seen();
        assert_eq!(seen[0].headers[header], value, "{auth}");
        assert!(!seen[0].target.contains(CANARY));

        // A vendor that repeats everything it was sent.
        let echo = vendor(|_, seen| json(403, &format!("no: {} {:?}", seen.target, seen.headers))).await;
        let refused = pull_with(&with_auth(auth), "typeform", &echo, hasty()).await;
        assert_no_canary(refused.error());
    }
}

#[tokio::test]
async fn a_key_in_the_query_is_never_shown() {
    let text = with_auth("[auth.query]\napi_key = \"{token}\"");
    let server = pages(vec![NOTHING.to_owned()]).await;
    pull_with(&text, "typeform", &server, Patience::default()).await.facts();
    let target = &server.seen()[0].target;
    assert!(target.contains(&format!("api_key={CANARY}")) && target.contains("page_size="), "{target}");
    assert!(!server.seen()[0].headers.contains_key("authorization"));

    let echo = vendor(|_, seen| json(400, &format!(r#"{{"description":"bad {}"}}"#, seen.target))).await;
    let refused = pull_with(&text, "typeform", &echo, hasty()).await;
    assert!(refused.error().contains("[hidden]"), "{}", refused.error());
    let unauthorised = vendor(|_, _| json(401, "{}")).await;
    let refused = pull_with(&text, "typeform", &unauthorised, hasty()).await;
    assert!(matches!(refused.outcome, Err(PullError::Credentials { .. })));
    assert!(refused.error().contains("setting `token`"), "{}", refused.error());
    let gone = "http://127.0.0.1:9/";
    let closed = text.replace("https://api.typeform.com", gone);
    assert!(Manifest::load("typeform.toml", &closed).is_err(), "only the user's own file may name another address");
}

#[test]
fn f7_a_proof_that_proves_nothing_or_is_written_out_is_refused() {
    for (auth, advice) in [
        ("[auth.bearer]\ntoken = \"abc123\"", "never written here"),
        ("[auth.bearer]\ntoken = \"{form_id}\"", "never written here"),
        ("[auth.header]\nAccess-Token = \"abc123\"", "never written here"),
        ("[auth.header]\nAccess-Token = \"{form_id}\"", "nothing here is secret"),
        ("[auth.header]\nHost = \"{token}\"", "proves nothing"),
        ("[auth.header]\n\"no name\" = \"{token}\"", "not a header's name"),
        ("[auth.header]\nX-Key = \"a1b2c3 {token}\"", "never written here"),
        ("[auth.query]\nkey = \"{window.start}\"", "not a setting or placeholder"),
        ("[auth.basic]\nuser = \"api\"\npassword = \"letmein\"", "never written here"),
        ("[auth.basic]\nuser = \"api\"\npassword = \"\"", "nothing here is secret"),
        ("[auth]\nbearer = { token = \"{token}\" }\nquery = { key = \"{token}\" }", "says one way"),
        ("[auth.cookie]\nsession = \"{token}\"", "`cookie` is not known here"),
    ] {
        let error = Manifest::load("typeform.toml", &with_auth(auth)).expect_err(auth).to_string();
        assert!(error.contains(advice), "{auth}: {error}");
    }
    let login = |from: &str, to: &str| {
        let plain: Vec<_> = embedded("google_ads").lines().filter(|line| !line.starts_with("authorize ")).collect();
        let text = plain.join("\n").replacen(from, to, 1);
        Manifest::load("google_ads.toml", &text).map(|_| ()).map_err(|error| error.to_string())
    };
    let client = "client        = \"body\"";
    for (to, advice) in [
        ("client = \"header\"", "write one of `body`, `basic`, `none`"),
        ("client = \"body\"\ngrant = \"password\"", "write one of `code`, `client_credentials`"),
        ("client = \"body\"\ngrant = \"client_credentials\"", "leave out `authorize_url`"),
        ("client = \"body\"\nextra = { refresh_token = \"x\" }", "said by the login itself"),
        ("client = \"body\"\nauthorize = { state = \"x\" }", "said by the login itself"),
        ("client = \"body\"\nextra = { scope = \"{customer_id}\" }", "literal text"),
        ("client = \"body\"\nends_after = 0", "1 or more"),
        ("client = \"body\"\nrotate = true", "did you mean `rotates`?"),
    ] {
        let error = login(client, to).expect_err(to);
        assert!(error.contains(advice), "{to}: {error}");
    }
    for to in [
        "client = \"none\"\nrotates = true\nends_after = 60\nauthorize = { access_type = \"offline\" }",
        "client = \"basic\"\nextra = { scope = \"ads offline_access\" }",
    ] {
        login(client, to).unwrap();
    }
    let application =
        login("authorize_url = \"https://accounts.google.com/o/oauth2/v2/auth\"", "grant = \"client_credentials\"");
    application.unwrap();
}
