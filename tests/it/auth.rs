//! Access tokens: renewed once, kept before use, and no storm when a vendor refuses.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, TimeZone, Utc};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::OwnedMutexGuard;
use willitsell::app::App;
use willitsell::connect::auth::{Auth, AuthError, ClientAuth, Grant, GrantKind, Oauth2, secret_header};
use willitsell::connect::http::{Http, HttpError, Limits};
use willitsell::domain::connector::{Kept, Login, TokenLock, TokenVault, VaultError};
use willitsell::domain::id::LoginId;
use willitsell::sandbox::Sandbox;

use crate::canary::{CANARY, assert_no_canary};
use crate::fake_server::{FakeServer, Seen, Step, answer, json};
use crate::project::{Project, setup};

/// Keeps tokens in memory; refuses to once `broken` is set.
#[derive(Default)]
struct Vault {
    tokens: Arc<Mutex<HashMap<LoginId, Kept>>>,
    one_at_a_time: Arc<tokio::sync::Mutex<()>>,
    broken: bool,
}

struct Lock {
    tokens: Arc<Mutex<HashMap<LoginId, Kept>>>,
    login: LoginId,
    broken: bool,
    _held: OwnedMutexGuard<()>,
}

#[async_trait]
impl TokenVault for Vault {
    async fn load(&self, login: &LoginId) -> Result<Kept, VaultError> {
        Ok(self.tokens.lock().unwrap().get(login).cloned().unwrap_or_default())
    }

    async fn lock(&self, login: &LoginId) -> Result<Box<dyn TokenLock>, VaultError> {
        Ok(Box::new(Lock {
            tokens: Arc::clone(&self.tokens),
            login: login.clone(),
            broken: self.broken,
            _held: Arc::clone(&self.one_at_a_time).lock_owned().await,
        }))
    }
}

#[async_trait]
impl TokenLock for Lock {
    async fn must_last(&mut self) -> Result<(), VaultError> {
        Ok(())
    }

    async fn nearly_lost(&mut self) {
        std::future::pending::<()>().await;
    }

    async fn save(&mut self, kept: &Kept) -> Result<(), VaultError> {
        if self.broken {
            return Err(VaultError::Failed("disk full".to_owned()));
        }
        self.tokens.lock().unwrap().insert(self.login.clone(), kept.clone());
        Ok(())
    }
}

/// One login at one token server.
struct Scene {
    server: FakeServer,
    auth: Auth,
    vault: Vault,
    login: Login,
    oauth2: Oauth2,
}

impl Scene {
    async fn new(script: impl Fn(usize, &Seen) -> Vec<Step> + Send + Sync + 'static) -> Self {
        let server = FakeServer::start(script).await;
        let login = Login {
            id: LoginId::new("google"),
            client_id: "client-7".to_owned(),
            client_secret: Some(format!("{CANARY}-client").into()),
            refresh_token: Some("refresh-0".into()),
            token_url: Some(server.url("/token").to_string()),
            authorize_url: None,
            redirect_port: None,
            program: "willitsell".into(),
        };
        let auth = Auth::new(Http::new(Limits::default()).unwrap());
        let oauth2 = Oauth2 {
            authorize_url: Some("https://consent.invalid/".to_owned()),
            token_url: "https://token.invalid/".to_owned(), // the login's own address goes before it
            scopes: vec!["read".to_owned()],
            client: ClientAuth::Body,
            grant: GrantKind::Code,
            authorize: vec![],
            extra: vec![],
            rotates: true,
            ends_after: None,
        };
        Self { server, auth, vault: Vault::default(), login, oauth2 }
    }

    fn grant(&self) -> Grant<'_> {
        Grant { login: &self.login, vault: &self.vault, oauth2: &self.oauth2 }
    }

    async fn access(&self, now: DateTime<Utc>) -> Result<String, AuthError> {
        let token = self.auth.access(&self.grant(), now).await?;
        Ok(token.expose_secret().to_owned())
    }

    async fn renew(&self, failed: &str, now: DateTime<Utc>) -> Result<String, AuthError> {
        let token = self.auth.renew(&self.grant(), &failed.into(), now).await?;
        Ok(token.expose_secret().to_owned())
    }

    fn calls(&self) -> usize {
        self.server.seen().len()
    }
}

fn noon() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 11, 22, 12, 0, 0).unwrap()
}

/// `access-0`, `access-1` … good for an hour, with the refresh token left as it is.
fn numbered(nth: usize, _: &Seen) -> Vec<Step> {
    json(200, &format!(r#"{{"access_token":"access-{nth}","token_type":"Bearer","expires_in":3600}}"#))
}

fn form(request: &Seen) -> HashMap<String, String> {
    url::form_urlencoded::parse(&request.body).into_owned().collect()
}

#[tokio::test]
async fn the_token_call_is_a_form_and_the_token_is_kept() {
    let mut scene = Scene::new(numbered).await;
    assert_eq!(scene.access(noon()).await.unwrap(), "access-0");
    assert_eq!(scene.access(noon() + TimeDelta::minutes(47)).await.unwrap(), "access-0");
    scene.login.client_secret = Some("s p".into());
    scene.oauth2.client = ClientAuth::Basic;
    scene.access(noon() + TimeDelta::minutes(49)).await.unwrap();

    let seen = scene.server.seen();
    assert_eq!((seen[0].method.as_str(), seen[0].target.as_str()), ("POST", "/token"));
    let body = form(&seen[0]);
    assert_eq!(body["grant_type"], "refresh_token");
    assert_eq!(body["refresh_token"], "refresh-0");
    assert_eq!(body["client_id"], "client-7");
    assert_eq!(body["client_secret"], format!("{CANARY}-client"));
    assert!(!form(&seen[1]).contains_key("client_secret"));
    assert_eq!(seen[1].headers["authorization"], "Basic Y2xpZW50LTc6cytw");
}

#[tokio::test]
async fn a1_after_a_401_one_renewal_serves_everybody() {
    let scene = Scene::new(numbered).await;
    let first = scene.access(noon()).await.unwrap();
    let both = tokio::join!(scene.renew(&first, noon()), scene.renew(&first, noon()));
    assert_eq!((both.0.unwrap(), both.1.unwrap()), ("access-1".to_owned(), "access-1".to_owned()));
    assert_eq!(scene.calls(), 2, "one for the first token, one for both renewals");
    assert_eq!(scene.renew("access-1", noon()).await.unwrap(), "access-2");
}

#[tokio::test]
async fn a2_a_refused_refresh_token_is_not_tried_again_for_an_hour() {
    let refused = r#"{"error":"invalid_grant","error_description":"Token has been expired or revoked."}"#;
    let mut scene = Scene::new(move |_, request| match form(request)["refresh_token"].as_str() {
        "refresh-0" => json(400, refused),
        _ => json(200, r#"{"access_token":"good","token_type":"bearer"}"#),
    })
    .await;
    let all = futures_util::future::join_all((0..16).map(|_| scene.access(noon()))).await;
    for error in all.into_iter().map(Result::unwrap_err) {
        assert!(matches!(error, AuthError::Refused { .. }) && error.needs_login());
        let text = error.to_string();
        for part in ["[login.google]", "expired or revoked"] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }
    scene.access(noon() + TimeDelta::minutes(59)).await.unwrap_err();
    assert_eq!(scene.calls(), 1);
    scene.access(noon() + TimeDelta::minutes(60)).await.unwrap_err();
    assert_eq!(scene.calls(), 2);

    scene.login.refresh_token = Some("refresh-new".into());
    assert_eq!(scene.access(noon() + TimeDelta::minutes(61)).await.unwrap(), "good", "a new one is tried at once");

    scene.login.id = LoginId::new("other");
    scene.login.refresh_token = None;
    let none = scene.access(noon()).await.unwrap_err();
    assert!(matches!(none, AuthError::NoToken { .. }) && none.to_string().contains("[login.other]"));
    assert_eq!(scene.calls(), 3);
}

#[tokio::test]
async fn a3_a_rotated_token_is_kept_before_the_access_token_is_used() {
    let rotating = |nth: usize, request: &Seen| {
        if form(request)["refresh_token"] != format!("refresh-{nth}") {
            return json(400, r#"{"error":"invalid_grant"}"#);
        }
        let next = nth + 1;
        json(200, &format!(r#"{{"access_token":"access-{nth}","refresh_token":"refresh-{next}","expires_in":3600}}"#))
    };
    let once = |nth: usize, request: &Seen| match (nth, form(request)["refresh_token"].as_str()) {
        (0, "refresh-0") => json(200, r#"{"access_token":"first","refresh_token":"refresh-1"}"#),
        (_, "refresh-1") => json(200, &format!(r#"{{"access_token":"later-{nth}"}}"#)),
        _ => json(400, r#"{"error":"invalid_grant"}"#),
    };
    let scene = Scene::new(once).await;
    for (failed, next) in [("none", "first"), ("first", "later-1"), ("later-1", "later-2")] {
        assert_eq!(scene.renew(failed, noon()).await.unwrap(), next, "the last one given stays in use");
    }
    let mut scene = Scene::new(rotating).await;
    for hour in 0..3 {
        let access = scene.access(noon() + TimeDelta::hours(hour)).await.unwrap();
        assert_eq!(access, format!("access-{hour}"));
        let kept = scene.vault.load(&scene.login.id).await.unwrap().token.unwrap();
        assert_eq!(kept.refresh.unwrap().expose_secret(), format!("refresh-{}", hour + 1));
    }
    scene.vault.broken = true;
    let unkept = scene.access(noon() + TimeDelta::hours(3)).await.unwrap_err();
    assert!(matches!(unkept, AuthError::Vault(_)), "{unkept:?}");
    assert_eq!(scene.calls(), 4);
    // What the vendor gave is not lost: it is kept as soon as there is room, and no old token is shown again.
    scene.access(noon() + TimeDelta::hours(3)).await.unwrap_err();
    scene.vault.broken = false;
    assert_eq!(scene.access(noon() + TimeDelta::hours(3)).await.unwrap(), "access-3");
    assert_eq!(scene.calls(), 4);
    assert_eq!(scene.access(noon() + TimeDelta::hours(4)).await.unwrap(), "access-4");
}

#[tokio::test]
async fn a3_a_configuration_that_is_read_again_still_has_the_token_that_was_not_saved() {
    let sandbox = Sandbox::start(setup("2026-04-20T12:00:00Z")).await.unwrap();
    let project = Project::demo(&sandbox);
    let app = project.app().await;
    let mut scene = Scene::new(numbered).await;
    scene.auth = app.parts.registry.auth().clone();
    scene.vault.broken = true;
    scene.access(noon()).await.unwrap_err();
    let again = App::again(&project.path().join("willitsell.toml"), &app.parts).unwrap();
    scene.auth = again.parts.registry.auth().clone();
    scene.vault.broken = false;
    assert_eq!(scene.access(noon()).await.unwrap(), "access-0");
    assert_eq!(scene.calls(), 1, "the old one is not shown again");
}

#[tokio::test]
async fn a3_a_lost_answer_is_asked_for_once_more_and_then_a_person_is() {
    // The vendor rotates, and the answer never arrives; whoever shows the old token again is refused.
    let scene = Scene::new(|nth, _| match nth {
        0 => vec![Step::Send(b"HTTP/1.1 200 OK\r\ncontent-length: 500\r\n\r\n{\"access_token\":".to_vec())],
        _ => json(400, r#"{"error":"invalid_grant"}"#),
    })
    .await;
    for minute in [0, 1, 30, 59] {
        let error = scene.access(noon() + TimeDelta::minutes(minute)).await.unwrap_err();
        assert!(matches!(error, AuthError::Refused { .. }) && error.needs_login(), "{error:?}");
    }
    assert_eq!(scene.calls(), 2, "the old one is tried once");

    let lenient = Scene::new(|nth, _| match nth {
        0 => vec![],
        _ => json(200, r#"{"access_token":"second","refresh_token":"refresh-1"}"#),
    })
    .await;
    assert_eq!(lenient.access(noon()).await.unwrap(), "second");
    // A vendor that never answers is no reason to ask for a person.
    let mute = Scene::new(|_, _| vec![]).await;
    let error = mute.access(noon()).await.unwrap_err();
    assert!(matches!(error, AuthError::Http(_)) && mute.calls() == 2, "{error:?}");
}

#[tokio::test]
async fn a_public_application_extra_fields_and_an_application_by_itself() {
    let mut scene = Scene::new(numbered).await;
    scene.oauth2.client = ClientAuth::None;
    scene.oauth2.extra = vec![("scope".to_owned(), "ads offline_access".to_owned())];
    scene.access(noon()).await.unwrap();
    scene.oauth2 =
        Oauth2 { client: ClientAuth::Basic, grant: GrantKind::ClientCredentials, extra: vec![], ..scene.oauth2 };
    scene.login.refresh_token = None;
    scene.login.id = LoginId::new("application");
    assert_eq!(scene.access(noon()).await.unwrap(), "access-1");
    assert_eq!(scene.access(noon() + TimeDelta::hours(1)).await.unwrap(), "access-2");
    let seen = scene.server.seen();
    let public = form(&seen[0]);
    assert_eq!((public["client_id"].as_str(), public["scope"].as_str()), ("client-7", "ads offline_access"));
    assert!(!public.contains_key("client_secret") && !seen[0].headers.contains_key("authorization"));
    let own = form(&seen[1]);
    assert_eq!((own["grant_type"].as_str(), own["scope"].as_str()), ("client_credentials", "read"));
    assert!(seen[1].headers["authorization"].starts_with("Basic ") && !own.contains_key("refresh_token"));
}

#[tokio::test]
async fn a6_life_in_every_form_and_a_wrong_clock() {
    for (life, renewed_by_time) in [
        (r#","expires_in":3600"#, true),
        ("", false),
        (r#","expires_in":0"#, false),
        (r#","expires_in":"3600""#, false),
        (r#","expires_in":null"#, false),
        (r#","expires_in":-1"#, false),
        (r#","expires_in":18446744073709551615"#, false),
    ] {
        let scene = Scene::new(move |nth, _| json(200, &format!(r#"{{"access_token":"access-{nth}"{life}}}"#))).await;
        let after = |minutes| noon() + TimeDelta::minutes(minutes);
        for minute in [0, 47, -10, 10] {
            assert_eq!(scene.access(after(minute)).await.unwrap(), "access-0", "{life} {minute}");
        }
        let later = scene.access(after(49)).await.unwrap();
        assert_eq!(later, if renewed_by_time { "access-1" } else { "access-0" }, "{life}: four fifths are 48 minutes");
        // The clock may be wrong and the life unknown: a 401 renews whatever the time.
        assert_ne!(scene.renew(&later, after(-600)).await.unwrap(), later, "{life}");
    }
}

#[tokio::test]
async fn a9_whatever_a_token_endpoint_answers_is_named_and_shows_no_token() {
    let theirs = FakeServer::always(json(200, "{}")).await;
    let away = theirs.url("/caught").to_string();
    let echo = format!(r#""error_description":"bad {CANARY}-client for {CANARY}""#);
    let object = |error: &str| format!(r#"{{"error":"{error}",{echo}}}"#);
    let mut table: Vec<(&str, Vec<Step>)> = vec![
        ("Refused", json(200, &object("invalid_grant"))),
        ("Refused", json(400, &object("invalid_grant"))),
        ("Client", json(200, &object("invalid_client"))),
        ("Client", json(401, &object("unauthorized_client"))),
        ("NotToken", json(400, &object("invalid_scope"))),
        ("NotToken", json(200, &format!(r#"{{"error":{{"message":"{CANARY}"}}}}"#))),
        ("NotToken", answer(200, &[("content-type", "text/html")], format!(" <html>{CANARY}"))),
        ("NotToken", json(200, &format!(r#"{{"token":"{CANARY}"}}"#))),
        ("NotToken", json(200, &format!(r#"{{"access_token":["{CANARY}"]}}"#))),
        ("NotToken", json(200, &format!(r#"{{"access_token":"{CANARY}""#))),
        ("NotToken", json(200, &format!(r#"["{CANARY}"]"#))),
        ("NotToken", json(201, &format!(r#"{{"access_token":"{CANARY}"}}"#))),
        ("NotToken", json(404, "")),
        ("NotToken", json(200, "")),
        ("Busy", answer(429, &[("retry-after", "7")], CANARY)),
        ("Busy", answer(503, &[], format!("<html>{CANARY}"))),
    ];
    for status in [301, 302, 303, 307, 308] {
        for to in [away.as_str(), "/elsewhere"] {
            table.push(("Redirect", answer(status, &[("location", to)], CANARY)));
        }
    }
    for (expected, steps) in table {
        let name = format!("{expected} from {steps:?}");
        let mut scene = Scene::new(move |_, _| steps.clone()).await;
        scene.login.refresh_token = Some(CANARY.into());
        let error = scene.access(noon()).await.unwrap_err();
        let kind = match &error {
            AuthError::Refused { .. } => "Refused",
            AuthError::Client { .. } => "Client",
            AuthError::NotToken { .. } => "NotToken",
            AuthError::Busy { status, retry_after, .. } => {
                assert_eq!(retry_after.map(|wait| wait.as_secs()), (*status == 429).then_some(7));
                "Busy"
            }
            AuthError::Http(HttpError::Redirect { .. }) => "Redirect",
            _ => "another",
        };
        assert_eq!(kind, expected, "{name}: {error:?}");
        assert_no_canary(format!("{error} {error:?} {:?}", scene.auth));
        assert_eq!(scene.calls(), 1, "{name}: one token call a failure");
    }
    assert!(theirs.seen().is_empty());
}

#[test]
fn a_header_holds_a_secret_or_refuses_it() {
    let header = secret_header(&format!("Bearer {CANARY}").into()).unwrap();
    assert!(header.is_sensitive() && header.as_bytes().ends_with(CANARY.as_bytes()));
    assert_no_canary(format!("{header:?}"));
    for stray in ["\n", "\r\nx-admin: 1", "\t", "\0", "\u{7f}", "ä"] {
        let secret = SecretString::from(format!("{CANARY}{stray}"));
        let error = secret_header(&secret).unwrap_err();
        assert_no_canary(format!("{error} {error:?}"));
    }
}
