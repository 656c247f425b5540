//! Logins in the real store: sealed, renewed by one at a time in this process and between processes, and
//! asking for a person once when nothing else helps.

mod nodes;
mod program;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta, Utc};
use secrecy::ExposeSecret;
use tempfile::TempDir;
use willitsell::connect::auth::standing::{Standing, standing};
use willitsell::connect::auth::{Auth, AuthError, ClientAuth, Grant, GrantKind, Oauth2};
use willitsell::connect::http::{Http, Limits};
use willitsell::domain::concept::Source;
use willitsell::domain::connector::{Kept, Login, Settings, SourceAccess, Token, TokenLock, TokenVault, VaultError};
use willitsell::domain::id::{LoginId, SourceId};
use willitsell::domain::intake::Intake;
use willitsell::schedule::logins::{Finding, findings};
use willitsell::store::{Store, Tokens};

use crate::canary::{CANARY, assert_no_canary, assert_no_canary_below};
use crate::fake_server::{FakeServer, json};

fn noon() -> DateTime<Utc> {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn login(token_url: &str) -> Login {
    Login {
        id: LoginId::new("ads"),
        client_id: "client".into(),
        client_secret: Some(format!("{CANARY}-client").into()),
        refresh_token: Some(format!("{CANARY}-0").into()),
        token_url: Some(token_url.to_owned()),
        authorize_url: None,
        redirect_port: None,
        program: "willitsell".into(),
    }
}

fn oauth2() -> Oauth2 {
    Oauth2 {
        authorize_url: Some("https://consent.invalid/".into()),
        token_url: "https://token.invalid/".into(),
        scopes: vec!["read".into()],
        client: ClientAuth::Body,
        grant: GrantKind::Code,
        authorize: vec![],
        extra: vec![],
        rotates: true,
        ends_after: Some(60),
    }
}

/// A vendor that replaces the refresh token at every call and ends the login when an old one comes back. Gives
/// access for an hour.
async fn strict_vendor() -> (FakeServer, Arc<Mutex<Result<usize, String>>>) {
    let current = Arc::new(Mutex::new(Ok(0)));
    let state = Arc::clone(&current);
    let server = FakeServer::start(move |_, request| {
        let form: std::collections::HashMap<String, String> =
            url::form_urlencoded::parse(&request.body).into_owned().collect();
        let mut current = state.lock().unwrap();
        let shown = form["refresh_token"].clone();
        match *current {
            Ok(nth) if shown == format!("{CANARY}-{nth}") => {
                *current = Ok(nth + 1);
                let next = nth + 1;
                json(
                    200,
                    &format!(
                        r#"{{"access_token":"{CANARY}-a{nth}","refresh_token":"{CANARY}-{next}","expires_in":3600}}"#
                    ),
                )
            }
            _ => {
                *current = Err(shown);
                json(400, r#"{"error":"invalid_grant"}"#)
            }
        }
    })
    .await;
    (server, current)
}

struct Machine {
    folder: TempDir,
    store: Store,
}

impl Machine {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&url(folder.path())).await.unwrap();
        Self { folder, store }
    }

    fn tokens(&self) -> Tokens {
        self.store.tokens(None)
    }

    fn key(&self) -> std::path::PathBuf {
        self.folder.path().join("a.db.token-key")
    }
}

fn url(folder: &std::path::Path) -> String {
    format!("sqlite://{}", folder.join("a.db").display())
}

fn auth() -> Auth {
    Auth::new(Http::new(Limits::default()).unwrap())
}

async fn access(auth: &Auth, login: &Login, vault: &dyn TokenVault, now: DateTime<Utc>) -> Result<String, AuthError> {
    let grant = Grant { login, vault, oauth2: &oauth2() };
    auth.access(&grant, now).await.map(|token| token.expose_secret().to_owned())
}

fn a_kept(refresh: &str) -> Kept {
    let token = Token {
        access: format!("{CANARY}-access").into(),
        issued_at: noon(),
        expires_at: Some(noon() + TimeDelta::hours(1)),
        refresh: Some(refresh.into()),
        refresh_ends_at: None,
    };
    Kept { token: Some(token), given: Some("hash".into()), refusal: None }
}

/// What the issue asks for; a quick look while working may set fewer.
fn rounds(asked: usize) -> usize {
    std::env::var("WILLITSELL_ROUNDS").ok().map_or(asked, |rounds| rounds.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a4_two_processes_make_one_token_call_a_round() {
    let rounds = rounds(100);
    let (vendor, state) = strict_vendor().await;
    let machine = Machine::new().await;
    let child = || {
        std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "logins::a4_a_process_of_its_own", "--ignored", "--quiet"])
            .env("WILLITSELL_A4_FOLDER", machine.folder.path())
            .env("WILLITSELL_A4_VENDOR", vendor.url("/token").as_str())
            .env("WILLITSELL_ROUNDS", rounds.to_string())
            .stdout(std::process::Stdio::piped())
            .spawn()
            .unwrap()
    };
    let children = [child(), child()];
    for child in children {
        let ended = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
    }
    let calls = vendor.seen().len();
    println!("a4: {rounds} rounds in two processes of 4 callers each: {calls} token calls, none revoked");
    assert_eq!((calls, state.lock().unwrap().clone()), (rounds, Ok(rounds)));
}

/// One of the processes of the test above.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "run by a4_two_processes_make_one_token_call_a_round"]
async fn a4_a_process_of_its_own() {
    let folder = std::path::PathBuf::from(std::env::var("WILLITSELL_A4_FOLDER").unwrap());
    let login = login(&std::env::var("WILLITSELL_A4_VENDOR").unwrap());
    let store = Store::open(&url(&folder)).await.unwrap();
    let (auth, tokens) = (auth(), store.tokens(None));
    for round in 0..rounds(1) {
        let now = noon() + TimeDelta::hours(round.try_into().unwrap());
        let all = futures_util::future::join_all((0..4).map(|_| access(&auth, &login, &tokens, now))).await;
        assert!(all.iter().all(Result::is_ok), "{all:?}");
    }
    store.close().await;
}

/// A store that forgets what it is told, as a process that dies before it could tell it.
struct Dying<'a>(&'a Tokens);

struct Dead(Box<dyn TokenLock>);

#[async_trait]
impl TokenVault for Dying<'_> {
    async fn load(&self, login: &LoginId) -> Result<Kept, VaultError> {
        self.0.load(login).await
    }

    async fn lock(&self, login: &LoginId) -> Result<Box<dyn TokenLock>, VaultError> {
        Ok(Box::new(Dead(self.0.lock(login).await?)))
    }
}

#[async_trait]
impl TokenLock for Dead {
    async fn must_last(&mut self) -> Result<(), VaultError> {
        self.0.must_last().await
    }

    async fn nearly_lost(&mut self) {
        self.0.nearly_lost().await;
    }

    async fn save(&mut self, _: &Kept) -> Result<(), VaultError> {
        Err(VaultError::Failed("dead".into()))
    }
}

#[tokio::test]
async fn a5_after_a_crash_between_rotation_and_commit_a_person_is_asked_for_once() {
    let (vendor, _) = strict_vendor().await;
    let machine = Machine::new().await;
    let (tokens, login) = (machine.tokens(), login(vendor.url("/token").as_str()));
    access(&auth(), &login, &Dying(&tokens), noon()).await.unwrap_err();
    assert_eq!(vendor.seen().len(), 1, "the vendor has rotated");
    // Every start is a new process. One token call an hour at most, and nobody is asked twice.
    for minute in 0..180 {
        let error = access(&auth(), &login, &tokens, noon() + TimeDelta::minutes(minute)).await.unwrap_err();
        assert!(error.needs_login(), "{error:?}");
        let kept = tokens.load(&login.id).await.unwrap();
        assert!(matches!(standing(&login, &oauth2(), &kept, noon()), Standing::Refused { .. }));
        assert_eq!(vendor.seen().len(), 2 + usize::try_from(minute / 60).unwrap());
    }
    // A new one in the user's file is tried at once, and mends it for good.
    let (vendor, _) = strict_vendor().await;
    let mended = Login { client_id: "another".into(), token_url: Some(vendor.url("/token").to_string()), ..login };
    assert_eq!(access(&auth(), &mended, &tokens, noon()).await.unwrap(), format!("{CANARY}-a0"));
    let kept = tokens.load(&mended.id).await.unwrap();
    let ends = Some(noon() + TimeDelta::days(60));
    assert_eq!(standing(&mended, &oauth2(), &kept, noon()), Standing::Good { ends });
}

#[tokio::test]
async fn the_last_token_given_goes_first_until_the_file_holds_another() {
    let (vendor, state) = strict_vendor().await;
    let machine = Machine::new().await;
    let (auth, tokens, mut login) = (auth(), machine.tokens(), login(vendor.url("/token").as_str()));
    for hour in 0..3 {
        access(&auth, &login, &tokens, noon() + TimeDelta::hours(hour)).await.unwrap();
    }
    login.refresh_token = None;
    access(&auth, &login, &tokens, noon() + TimeDelta::hours(3)).await.unwrap();
    assert_eq!(state.lock().unwrap().clone(), Ok(4), "the file's token is needed only to begin");
    login.refresh_token = Some("another person's".into());
    let error = access(&auth, &login, &tokens, noon() + TimeDelta::hours(3)).await.unwrap_err();
    assert!(error.needs_login(), "the user's wish is not passed over: {error}");
    assert_eq!(state.lock().unwrap().clone(), Err("another person's".to_owned()));
}

#[tokio::test]
async fn a_lost_key_or_a_swapped_row_asks_for_a_login_and_loses_nothing_else() {
    let machine = Machine::new().await;
    let tokens = machine.tokens();
    let ids = ["one", "two"].map(LoginId::new);
    for id in &ids {
        tokens.lock(id).await.unwrap().save(&a_kept(&format!("{CANARY}-{id}"))).await.unwrap();
    }
    let refresh = async |tokens: &Tokens, id: &LoginId| {
        tokens.load(id).await.map(|kept| kept.token.unwrap().refresh.unwrap().expose_secret().to_owned())
    };
    assert_eq!(refresh(&tokens, &ids[1]).await.unwrap(), format!("{CANARY}-two"));
    assert!(tokens.load(&LoginId::new("three")).await.unwrap().token.is_none());

    let old = std::fs::read(machine.key()).unwrap();
    assert_eq!(tokens.rotate_key().await.unwrap(), 2);
    assert_ne!(std::fs::read(machine.key()).unwrap(), old);
    for id in &ids {
        assert_eq!(refresh(&tokens, id).await.unwrap(), format!("{CANARY}-{id}"));
    }
    let key = std::fs::read(machine.key()).unwrap();
    std::fs::write(machine.key(), &old).unwrap();
    assert!(matches!(tokens.load(&ids[0]).await, Err(VaultError::Sealed(_))), "the old key opens nothing");
    std::fs::remove_file(machine.key()).unwrap();
    let without_a_file = Login { refresh_token: None, id: ids[0].clone(), ..login("https://t.invalid/") };
    let error = access(&auth(), &without_a_file, &tokens, noon()).await.unwrap_err();
    assert!(error.needs_login() && error.to_string().contains("a.db.token-key"), "{error}");
    // Logging in makes another key; the other login can still be had back with its own.
    tokens.lock(&ids[0]).await.unwrap().save(&a_kept("new")).await.unwrap();
    assert_eq!(refresh(&tokens, &ids[0]).await.unwrap(), "new");
    assert!(refresh(&tokens, &ids[1]).await.is_err());
    let both = [std::fs::read(machine.key()).unwrap(), key].concat();
    std::fs::write(machine.key(), both).unwrap();
    assert_eq!(refresh(&tokens, &ids[1]).await.unwrap(), format!("{CANARY}-two"));

    machine.store.close().await;
    let database = rusqlite::Connection::open(machine.folder.path().join("a.db")).unwrap();
    database.execute_batch("CREATE TABLE copy AS SELECT * FROM login; UPDATE login SET sealed = (SELECT sealed FROM copy WHERE copy.login_id != login.login_id)").unwrap();
    drop(database);
    let store = Store::open(&url(machine.folder.path())).await.unwrap();
    for id in &ids {
        assert!(matches!(store.tokens(None).load(id).await, Err(VaultError::Sealed(_))), "rows cannot be swapped");
    }
    store.close().await;
    assert_no_canary_below(machine.folder.path(), &[]);
}

#[tokio::test]
async fn a_login_of_another_process_is_waited_for() {
    let machine = Machine::new().await;
    let (one, two) = (machine.tokens(), machine.tokens());
    let id = LoginId::new("ads");
    let held = one.lock(&id).await.unwrap();
    two.lock(&LoginId::new("other")).await.unwrap();
    let waiting = tokio::spawn(async move { two.lock(&LoginId::new("ads")).await.map(drop) });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    drop(held);
    waiting.await.unwrap().unwrap();
    assert_no_canary(format!("{one:?}"));
}

#[tokio::test]
async fn a7_a_login_that_ends_is_told_of_14_3_and_1_days_before_with_the_command() {
    let machine = Machine::new().await;
    let tokens = machine.tokens();
    let login = Login { refresh_token: None, ..login("https://t.invalid/") };
    let source = |name: &str| SourceAccess {
        source: Source {
            id: SourceId::new(name),
            connector: "google_ads".into(),
            channel: None,
            maturity_lag_days: 3,
            metrics: vec![],
            leave_out: [].into(),
            people: None,
            depth: None,
            nameless: false,
            names_apart: false,
            fractional: vec![],
            scheduled: true,
            set_aside: [].into(),
            accept_shrink: None,
        },
        settings: Settings::default(),
        login: Some(login.clone()),
        intake: Intake::default(),
        inbound: None,
    };
    let sources = ["brand", "search"].map(|name| (SourceId::new(name), source(name))).into();
    let registry = willitsell::app::registry().unwrap();
    let at = |day: i64| noon() + TimeDelta::days(day);
    let told = async |day: i64| findings(&sources, &registry, Some(&tokens), at(day)).await.unwrap();
    assert!(told(0).await[0].to_string().contains("has no token yet: run `willitsell auth brand`"));

    // A refresh token with a hard end, and access that nothing renews.
    let renewed = |kept: &mut Kept| kept.token.as_mut().unwrap().refresh_ends_at = Some(noon() + TimeDelta::days(60));
    let alone = |kept: &mut Kept| {
        let token = kept.token.as_mut().unwrap();
        (token.refresh, token.expires_at) = (None, Some(noon() + TimeDelta::days(60)));
    };
    for prepare in [&renewed as &dyn Fn(&mut Kept), &alone] {
        let mut kept = a_kept("refresh");
        prepare(&mut kept);
        tokens.lock(&login.id).await.unwrap().save(&kept).await.unwrap();
        let mut keys = Vec::new();
        for day in 0..62 {
            let found = told(day).await;
            let text = found.first().map(ToString::to_string);
            assert_eq!(text.is_some(), day >= 46, "{day}: {text:?}");
            let stopped = found.first().is_some_and(Finding::stops);
            assert_eq!(stopped, day >= 60, "{day}: {text:?}");
            assert!(text.is_none_or(|text| text.contains("willitsell auth brand")));
            keys.extend(found.first().map(Finding::key));
        }
        keys.dedup();
        let ends = |step: u8| format!("login_ads_ends_2027-01-21_{step}");
        assert_eq!(keys, [ends(14), ends(3), ends(1), "login_ads_ended".to_owned()]);
    }
    assert!(told(55).await[0].to_string().contains("test mode"), "the application's own setting is named");
}
