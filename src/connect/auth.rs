//! Access tokens: one token call at a time per login, saved before first use, and no storm of calls after a
//! refusal. Not how a call shows its token: the connector says that; and not how a person logs in: see `consent`.

pub mod consent;
mod endpoint;
pub mod standing;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use ring::digest;
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

use self::endpoint::{Asked, Granted, ask};
use super::http::{HeaderValue, Http, HttpError};
use crate::domain::connector::{Kept, Login, Refusal, Token, TokenLock, TokenVault, VaultError};
use crate::domain::id::LoginId;

/// After a refusal that only a person can mend, the same token is not tried again so soon.
const REFUSED_FOR: TimeDelta = TimeDelta::hours(1);

/// Why there is no access token. Never holds a token or a secret.
#[derive(Clone, Debug, Error)]
pub enum AuthError {
    /// Nobody has logged in yet.
    #[error("nobody has logged in as [login.{login}] yet")]
    NoToken {
        /// The login.
        login: LoginId,
    },
    /// The vendor ended the consent: a person must give it again.
    #[error("the vendor no longer accepts [login.{login}] ({why})")]
    Refused {
        /// The login.
        login: LoginId,
        /// In the vendor's words, shortened.
        why: String,
    },
    /// What is kept of the login cannot be opened: it must be got anew.
    #[error("what is kept of [login.{login}] cannot be opened: {why}; nothing else is lost")]
    Sealed {
        /// The login.
        login: LoginId,
        /// What is wrong.
        why: String,
    },
    /// Client id or secret are wrong, or the application may not do this.
    #[error(
        "the vendor does not accept the application of [login.{login}] ({why}); check `client_id` and `client_secret` there"
    )]
    Client {
        /// The login.
        login: LoginId,
        /// In the vendor's words, shortened.
        why: String,
    },
    /// The token address is busy or broken: try later.
    #[error("{host} cannot give out tokens at the moment (status {status})")]
    Busy {
        /// Who was asked.
        host: String,
        /// The status.
        status: u16,
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
    },
    /// What came back is no token: a web page, another form, another address.
    #[error("{host} answered something that is not a token ({saw}); check the token address of [login.{login}]")]
    NotToken {
        /// The login.
        login: LoginId,
        /// Who was asked.
        host: String,
        /// What it was, in our words.
        saw: String,
    },
    /// The secret cannot stand in a header.
    #[error(
        "the secret holds a line break or another character that no header may hold; look for a stray line end where it is kept"
    )]
    NotAHeader,
    /// The call failed.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The token could not be read or kept.
    #[error("{0}")]
    Vault(String),
}

impl AuthError {
    /// Nothing is known to be wrong with the login: whoever gives out its tokens does not answer as it should.
    pub fn may_pass(&self) -> bool {
        matches!(self, Self::Busy { .. } | Self::NotToken { .. } | Self::Http(_))
    }

    /// Only logging in anew mends it.
    pub fn needs_login(&self) -> bool {
        matches!(self, Self::NoToken { .. } | Self::Refused { .. } | Self::Sealed { .. })
    }

    /// The answer may have been lost on its way: whether the vendor acted is not known.
    fn is_lost(&self) -> bool {
        matches!(self, Self::Http(HttpError::Timeout { .. } | HttpError::Torn { .. }))
    }
}

/// How the application proves itself on a token call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAuth {
    /// Id and secret in the form.
    Body,
    /// Id and secret as HTTP Basic.
    Basic,
    /// A public application: the id alone, in the form.
    None,
}

/// Where access comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrantKind {
    /// A person's consent, then a refresh token.
    Code,
    /// The application's own id and secret.
    ClientCredentials,
}

/// A vendor's OAuth2, as its manifest says.
#[derive(Clone, Debug)]
pub struct Oauth2 {
    /// The page at which a person gives consent; present unless the grant needs none.
    pub authorize_url: Option<String>,
    /// Where tokens are given out.
    pub token_url: String,
    /// What is asked for.
    pub scopes: Vec<String>,
    /// How the application proves itself.
    pub client: ClientAuth,
    /// Where access comes from.
    pub grant: GrantKind,
    /// Further query of the consent page.
    pub authorize: Vec<(String, String)>,
    /// Further fields of every token call.
    pub extra: Vec<(String, String)>,
    /// The vendor gives a new refresh token with each access token; the one before ends.
    pub rotates: bool,
    /// Days a refresh token lives: from the login, or where it rotates from the last renewal.
    pub ends_after: Option<u32>,
}

/// What renewing one login takes.
#[derive(Clone, Copy)]
pub struct Grant<'a> {
    /// From the user's file; its `token_url`, where given, goes before the vendor's.
    pub login: &'a Login,
    /// Where its token lives.
    pub vault: &'a dyn TokenVault,
    /// The vendor's way.
    pub oauth2: &'a Oauth2,
}

/// Gives out access tokens. Clones share what could not be saved yet.
#[derive(Clone, Debug)]
pub struct Auth {
    http: Http,
    unsaved: Unsaved,
}

/// Logins whose new state the store did not take (a full disk), with the mark of what it held then.
type Unsaved = Arc<Mutex<HashMap<LoginId, (String, Kept)>>>;

impl Auth {
    /// Calls token addresses through this client.
    pub fn new(http: Http) -> Self {
        Self { http, unsaved: Arc::default() }
    }

    /// The same through another client, for a configuration that is read again: a refresh token that could not be saved yet may be
    /// the only one there is.
    #[must_use]
    pub fn through(&self, http: Http) -> Self {
        Self { http, unsaved: Arc::clone(&self.unsaved) }
    }

    /// The login's access token, renewed first when four fifths of its life are over.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub async fn access(&self, grant: &Grant<'_>, now: DateTime<Utc>) -> Result<SecretString, AuthError> {
        let good = |token: &Token| is_fresh(token, now) || (!renewable(grant, token) && !is_over(token, now));
        match load(grant).await? {
            Kept { token: Some(token), given, .. } if good(&token) && !is_new(grant.login, given.as_ref()) => {
                Ok(token.access)
            }
            _ => self.renew_unless(grant, now, good).await,
        }
    }

    /// The token that was got before, and when it ends, while it still serves: for when no other can be had.
    pub async fn kept(&self, grant: &Grant<'_>, now: DateTime<Utc>) -> Option<(SecretString, DateTime<Utc>)> {
        let Kept { token, given, .. } = load(grant).await.ok()?;
        let token = token.filter(|token| !is_over(token, now) && !is_new(grant.login, given.as_ref()))?;
        token.expires_at.map(|end| (token.access, end))
    }

    /// Another access token after a vendor answered 401 to `failed`: the one that somebody else
    /// has renewed meanwhile, or a new one.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub async fn renew(
        &self,
        grant: &Grant<'_>,
        failed: &SecretString,
        now: DateTime<Utc>,
    ) -> Result<SecretString, AuthError> {
        self.renew_unless(grant, now, |token| token.access.expose_secret() != failed.expose_secret()).await
    }

    async fn renew_unless(
        &self,
        grant: &Grant<'_>,
        now: DateTime<Utc>,
        good: impl Fn(&Token) -> bool,
    ) -> Result<SecretString, AuthError> {
        let login = grant.login;
        let mut lock = grant.vault.lock(&login.id).await.map_err(|error| failed(login, error))?;
        // Whoever held the lock before may have renewed it.
        let mut kept = load(grant).await?;
        let unsaved = held(&self.unsaved).get(&login.id).cloned();
        if let Some((_, unsaved)) = unsaved.filter(|(over, _)| *over == mark(&kept)) {
            lock.save(&unsaved).await.map_err(|error| failed(login, error))?;
            kept = unsaved;
        }
        held(&self.unsaved).remove(&login.id);
        let new = is_new(login, kept.given.as_ref());
        if let Some(token) = kept.token.as_ref().filter(|token| !new && good(token)) {
            return Ok(token.access.clone());
        }
        let tried = tried(grant, &kept, new)?;
        let of = standing::of(login, tried.expose_secret());
        recall(login, &kept, &of, now)?;
        let renewal = Renewal {
            http: self.http.clone(),
            unsaved: Arc::clone(&self.unsaved),
            login: login.clone(),
            oauth2: grant.oauth2.clone(),
            kept,
            new,
            tried,
            of,
            now,
        };
        // By itself: a caller that is cut short between the vendor's answer and the store would lose the
        // only refresh token there is.
        let renewed = tokio::spawn(renewal.run(lock)).await;
        renewed.map_err(|_| AuthError::Vault(format!("renewing [login.{}] was cut short", login.id)))?
    }

    /// Keeps what a person's consent has brought, and forgets what was refused before.
    ///
    /// # Errors
    /// [`AuthError::Vault`].
    async fn keep(&self, grant: &Grant<'_>, granted: Granted, now: DateTime<Utc>) -> Result<Kept, AuthError> {
        let login = grant.login;
        let mut lock = grant.vault.lock(&login.id).await.map_err(|error| failed(login, error))?;
        held(&self.unsaved).remove(&login.id);
        let kept = Kept {
            token: Some(granted.token(grant.oauth2, None, true, now)),
            // The file's own token is older than this consent, whatever it is.
            given: login.refresh_token.as_ref().map(|token| fingerprint(&[token.expose_secret()])),
            refusal: None,
        };
        lock.save(&kept).await.map_err(|error| failed(login, error))?;
        Ok(kept)
    }
}

/// One token call and what comes of it.
struct Renewal {
    http: Http,
    unsaved: Unsaved,
    login: Login,
    oauth2: Oauth2,
    kept: Kept,
    /// The file's token is another than before.
    new: bool,
    tried: SecretString,
    of: String,
    now: DateTime<Utc>,
}

impl Renewal {
    async fn run(self, mut lock: Box<dyn TokenLock>) -> Result<SecretString, AuthError> {
        let over = mark(&self.kept);
        let granted = match self.call(lock.as_mut()).await {
            // Whether the vendor has replaced the token is not known: the old one is tried once more.
            Err(error) if error.is_lost() => self.call(lock.as_mut()).await,
            other => other,
        };
        let Self { unsaved, login, oauth2, kept, new, of, now, .. } = self;
        let (kept, outcome) = match granted {
            Ok(granted) => {
                let before = kept.token.filter(|_| !new);
                let token = granted.token(&oauth2, before, new, now);
                let access = token.access.clone();
                let given = login.refresh_token.as_ref().map(|token| fingerprint(&[token.expose_secret()]));
                (Kept { token: Some(token), given, refusal: None }, Ok(access))
            }
            Err(error) => match refusal(&error, of, now) {
                Some(refusal) => (Kept { refusal: Some(refusal), ..kept }, Err(error)),
                None => return Err(error),
            },
        };
        if let Err(error) = lock.save(&kept).await {
            held(&unsaved).insert(login.id.clone(), (over, kept));
            outcome?;
            return Err(failed(&login, error));
        }
        outcome
    }
}

impl Renewal {
    /// Shows the token, while nobody else can: a vendor that sees one twice may end the login.
    async fn call(&self, lock: &mut dyn TokenLock) -> Result<Granted, AuthError> {
        lock.must_last().await.map_err(|error| failed(&self.login, error))?;
        tokio::select! {
            biased;
            () = lock.nearly_lost() => Err(AuthError::Vault(format!(
                "renewing [login.{}] was given up: this willitsell was cut off from its store, and another may renew it",
                self.login.id
            ))),
            granted = ask(&self.http, &self.login, &self.oauth2, Asked::Renewal(&self.tried), self.now) => granted,
        }
    }
}

/// What is kept of a login. What cannot be opened counts as nothing where the user's file has a token.
async fn load(grant: &Grant<'_>) -> Result<Kept, AuthError> {
    match grant.vault.load(&grant.login.id).await {
        Ok(kept) => Ok(kept),
        Err(VaultError::Sealed(_))
            if grant.login.refresh_token.is_some() || grant.oauth2.grant == GrantKind::ClientCredentials =>
        {
            Ok(Kept::default())
        }
        Err(error) => Err(failed(grant.login, error)),
    }
}

fn failed(login: &Login, error: VaultError) -> AuthError {
    match error {
        VaultError::Sealed(why) => AuthError::Sealed { login: login.id.clone(), why },
        VaultError::Failed(why) => AuthError::Vault(why),
    }
}

/// The token of the user's file is another than the one last used: it is what the user wants now.
fn is_new(login: &Login, given: Option<&String>) -> bool {
    login.refresh_token.as_ref().is_some_and(|token| given != Some(&fingerprint(&[token.expose_secret()])))
}

/// What the next token call shows: the file's token where it is new, else the one the vendor gave last, else the
/// file's. Client credentials show nothing more.
fn tried(grant: &Grant<'_>, kept: &Kept, new: bool) -> Result<SecretString, AuthError> {
    let login = grant.login;
    if grant.oauth2.grant == GrantKind::ClientCredentials {
        return Ok("".into());
    }
    let stored = kept.token.as_ref().and_then(|token| token.refresh.as_ref());
    let tried = if new { login.refresh_token.as_ref() } else { stored.or(login.refresh_token.as_ref()) };
    tried.cloned().ok_or_else(|| match &kept.token {
        Some(_) => {
            AuthError::Refused { login: login.id.clone(), why: "its access has ended and cannot be renewed".to_owned() }
        }
        None => AuthError::NoToken { login: login.id.clone() },
    })
}

fn renewable(grant: &Grant<'_>, token: &Token) -> bool {
    grant.oauth2.grant == GrantKind::ClientCredentials || token.refresh.is_some() || grant.login.refresh_token.is_some()
}

/// The refusal the same token met within the last hour, if any.
fn recall(login: &Login, kept: &Kept, of: &str, now: DateTime<Utc>) -> Result<(), AuthError> {
    match &kept.refusal {
        Some(refusal) if refusal.of == of && (now - refusal.at).abs() < REFUSED_FOR => {
            let (login, why) = (login.id.clone(), refusal.why.clone());
            Err(if refusal.application { AuthError::Client { login, why } } else { AuthError::Refused { login, why } })
        }
        _ => Ok(()),
    }
}

fn refusal(error: &AuthError, of: String, at: DateTime<Utc>) -> Option<Refusal> {
    let (why, application) = match error {
        AuthError::Refused { why, .. } => (why, false),
        AuthError::Client { why, .. } => (why, true),
        _ => return None,
    };
    Some(Refusal { at, of, why: why.clone(), application })
}

/// Tells secrets apart without holding them. Kept sealed, as they are.
fn fingerprint(parts: &[&str]) -> String {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(&part.len().to_be_bytes());
        context.update(part.as_bytes());
    }
    context.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Tells states of a login apart.
fn mark(kept: &Kept) -> String {
    let token = kept.token.as_ref();
    let shown =
        |secret: Option<&SecretString>| secret.map_or(String::new(), |secret| secret.expose_secret().to_owned());
    fingerprint(&[
        &shown(token.map(|token| &token.access)),
        &shown(token.and_then(|token| token.refresh.as_ref())),
        kept.given.as_deref().unwrap_or_default(),
        &kept.refusal.as_ref().map(|refusal| refusal.at.timestamp_millis().to_string()).unwrap_or_default(),
    ])
}

fn held<T>(lock: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Less than four fifths of the life the vendor stated is over. Where it stated none, a token is
/// good until it is refused. A clock that jumps costs at most one refused call or one early renewal.
fn is_fresh(token: &Token, now: DateTime<Utc>) -> bool {
    token.expires_at.is_none_or(|end| now < token.issued_at + (end - token.issued_at) / 5 * 4)
}

fn is_over(token: &Token, now: DateTime<Utc>) -> bool {
    token.expires_at.is_some_and(|end| end <= now)
}

/// A header value that holds a secret: marked sensitive, refused when it holds a line break, another
/// control character or a letter beyond ASCII (a pasted quotation mark).
///
/// # Errors
/// [`AuthError::NotAHeader`].
pub fn secret_header(value: &SecretString) -> Result<HeaderValue, AuthError> {
    let text = value.expose_secret();
    if !text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic()) {
        return Err(AuthError::NotAHeader);
    }
    let mut header = HeaderValue::from_str(text).map_err(|_| AuthError::NotAHeader)?;
    header.set_sensitive(true);
    Ok(header)
}
