//! Access tokens by OAuth2 refresh: one token call at a time per login, saved before first use, and
//! no storm of calls after a refusal. Not how a call shows its token: the connector says that.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use oauth2::basic::{BasicClient, BasicErrorResponse, BasicErrorResponseType, BasicTokenResponse};
use oauth2::{AsyncHttpClient, HttpRequest, HttpResponse, RequestTokenError, TokenResponse};
use oauth2::{AuthType, ClientId, ClientSecret, RefreshToken, Scope, TokenUrl};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use thiserror::Error;

use super::http::{
    Answer, Call, HeaderValue, Http, HttpError, Method, Url, address, evidence, header, host_and_port, retry_after,
};
use crate::domain::connector::{Login, Token, TokenVault, VaultError};
use crate::domain::id::LoginId;

/// After a refusal that only a person can mend, the same refresh token is not tried again so soon.
const REFUSED_FOR: TimeDelta = TimeDelta::hours(1);

/// Why there is no access token. Never holds a token or a secret.
#[derive(Clone, Debug, Error)]
pub enum AuthError {
    /// The user's file gives no refresh token.
    #[error(
        "[login.{login}] has no refresh token, so nothing can be read with it; set `refresh_token` there, for example to \"env:NAME\""
    )]
    NoRefreshToken {
        /// The login.
        login: LoginId,
    },
    /// The vendor ended the consent: a person must give it again.
    #[error(
        "the vendor no longer accepts the refresh token of [login.{login}] ({why}); get a new one and put it where `refresh_token` of [login.{login}] points, then start again"
    )]
    Refused {
        /// The login.
        login: LoginId,
        /// In the vendor's words, shortened.
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
        retry_after: Option<std::time::Duration>,
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

impl From<VaultError> for AuthError {
    fn from(error: VaultError) -> Self {
        Self::Vault(error.to_string())
    }
}

impl AuthError {
    /// Only a person can mend it, so trying again is of no use.
    pub fn needs_person(&self) -> bool {
        matches!(self, Self::NoRefreshToken { .. } | Self::Refused { .. } | Self::Client { .. } | Self::NotAHeader)
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

/// Gives out access tokens. Clones share what they know of refusals.
#[derive(Clone, Debug)]
pub struct Auth {
    http: Http,
    refusals: Arc<Mutex<HashMap<LoginId, Refusal>>>,
}

#[derive(Debug)]
struct Refusal {
    refresh: SecretString,
    at: DateTime<Utc>,
    error: AuthError,
}

impl Auth {
    /// Calls token addresses through this client.
    pub fn new(http: Http) -> Self {
        Self { http, refusals: Arc::default() }
    }

    /// The login's access token, renewed first when four fifths of its life are over.
    ///
    /// # Errors
    /// See [`AuthError`].
    pub async fn access(&self, grant: &Grant<'_>, now: DateTime<Utc>) -> Result<SecretString, AuthError> {
        match grant.vault.load(&grant.login.id).await? {
            Some(token) if is_fresh(&token, now) => Ok(token.access),
            _ => self.renew_unless(grant, now, |token| is_fresh(token, now)).await,
        }
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
        let mut lock = grant.vault.lock(&login.id).await?;
        // Whoever held the lock before may have renewed it.
        let held = grant.vault.load(&login.id).await?;
        let rotated = match held {
            Some(token) if good(&token) => return Ok(token.access),
            Some(token) => token.refresh,
            None => None,
        };
        let refresh = rotated
            .clone()
            .or_else(|| login.refresh_token.clone())
            .or_else(|| (grant.oauth2.grant == GrantKind::ClientCredentials).then(|| "".into()))
            .ok_or_else(|| AuthError::NoRefreshToken { login: login.id.clone() })?;
        self.recall(&login.id, &refresh, now)?;
        let granted = match self.ask(grant, &refresh, now).await {
            Ok(granted) => granted,
            Err(error) => {
                self.remember(&login.id, refresh, now, &error);
                return Err(error);
            }
        };
        let token = Token {
            access: granted.access_token().secret().as_str().into(),
            issued_at: now,
            expires_at: granted
                .expires_in()
                .and_then(|life| TimeDelta::from_std(life).ok())
                .and_then(|life| now.checked_add_signed(life)),
            refresh: granted.refresh_token().map(|token| token.secret().as_str().into()).or(rotated),
        };
        let access = token.access.clone();
        lock.save(token).await?;
        Ok(access)
    }

    /// One token call.
    async fn ask(
        &self,
        grant: &Grant<'_>,
        refresh: &SecretString,
        now: DateTime<Utc>,
    ) -> Result<BasicTokenResponse, AuthError> {
        let login = grant.login;
        let url = address(login.token_url.as_deref().unwrap_or(&grant.oauth2.token_url)).map_err(HttpError::from)?;
        let oauth2 = grant.oauth2;
        let mut client = BasicClient::new(ClientId::new(login.client_id.clone())).set_auth_type(match oauth2.client {
            ClientAuth::Body | ClientAuth::None => AuthType::RequestBody,
            ClientAuth::Basic => AuthType::BasicAuth,
        });
        if let Some(secret) = login.client_secret.as_ref().filter(|_| oauth2.client != ClientAuth::None) {
            client = client.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()));
        }
        let client = client.set_token_uri(TokenUrl::from_url(url.clone()));
        let endpoint = Endpoint {
            http: &self.http,
            login: &login.id,
            hosts: [host_and_port(&url)],
            url,
            secrets: login.client_secret.iter().chain([refresh]).cloned().collect(),
            now,
        };
        if oauth2.grant == GrantKind::ClientCredentials {
            let mut request = client.exchange_client_credentials();
            for scope in &oauth2.scopes {
                request = request.add_scope(Scope::new(scope.clone()));
            }
            for (name, value) in &oauth2.extra {
                request = request.add_extra_param(name, value);
            }
            return request.request_async(&endpoint).await.map_err(|error| endpoint.meaning(error));
        }
        let refresh = RefreshToken::new(refresh.expose_secret().to_owned());
        let mut request = client.exchange_refresh_token(&refresh);
        for (name, value) in &oauth2.extra {
            request = request.add_extra_param(name, value);
        }
        request.request_async(&endpoint).await.map_err(|error| endpoint.meaning(error))
    }

    /// The refusal this refresh token met within the last hour, if any.
    fn recall(&self, login: &LoginId, refresh: &SecretString, now: DateTime<Utc>) -> Result<(), AuthError> {
        let refusals = self.refusals.lock().unwrap_or_else(PoisonError::into_inner);
        match refusals.get(login) {
            Some(refusal)
                if refusal.refresh.expose_secret() == refresh.expose_secret() && now - refusal.at < REFUSED_FOR =>
            {
                Err(refusal.error.clone())
            }
            _ => Ok(()),
        }
    }

    fn remember(&self, login: &LoginId, refresh: SecretString, at: DateTime<Utc>, error: &AuthError) {
        if error.needs_person() {
            let refusal = Refusal { refresh, at, error: error.clone() };
            self.refusals.lock().unwrap_or_else(PoisonError::into_inner).insert(login.clone(), refusal);
        }
    }
}

/// Less than four fifths of the life the vendor stated is over. Where it stated none, a token is
/// good until it is refused. A clock that jumps costs at most one refused call or one early renewal.
fn is_fresh(token: &Token, now: DateTime<Utc>) -> bool {
    token.expires_at.is_none_or(|end| now < token.issued_at + (end - token.issued_at) / 5 * 4)
}

/// One token address during one call.
struct Endpoint<'a> {
    http: &'a Http,
    login: &'a LoginId,
    url: Url,
    hosts: [String; 1],
    secrets: Vec<SecretString>,
    now: DateTime<Utc>,
}

impl<'c> AsyncHttpClient<'c> for Endpoint<'_> {
    type Error = AuthError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, AuthError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}

impl Endpoint<'_> {
    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, AuthError> {
        let (parts, body) = request.into_parts();
        let call = Call {
            method: Method::POST,
            url: self.url.clone(),
            headers: parts.headers,
            body: Some(body),
            hosts: &self.hosts,
            pace: None,
            secrets: &self.secrets,
        };
        self.standard_form(&self.http.call(&call).await?)
    }

    /// Brings a token answer into the form of RFC 6749 section 5, from which vendors stray: errors
    /// with status 200, a life given as text or 0, no token type.
    fn standard_form(&self, answer: &Answer) -> Result<HttpResponse, AuthError> {
        let mut status = answer.status;
        if status == 429 || status >= 500 {
            let wait = answer.headers.get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
            let retry_after = wait.and_then(|value| retry_after(value, self.now));
            return Err(AuthError::Busy { host: self.hosts[0].clone(), status, retry_after });
        }
        let Ok(Value::Object(mut fields)) = serde_json::from_slice(&answer.body) else {
            let page = answer.body.trim_ascii_start().first() == Some(&b'<');
            let saw = if page { "a web page" } else { "no JSON object" };
            return Err(self.not_token(format!("{saw}, status {status}")));
        };
        if status == 200 && fields.contains_key("error") {
            status = 400;
        }
        if fields.get("expires_in").is_some_and(|life| life.as_u64().is_none_or(|life| life == 0)) {
            fields.remove("expires_in");
        }
        fields.entry("token_type").or_insert_with(|| "bearer".into());
        let mut standard = HttpResponse::new(Value::Object(fields).to_string().into_bytes());
        *standard.status_mut() = status.try_into().map_err(|_| self.not_token(format!("status {status}")))?;
        Ok(standard)
    }

    fn meaning(&self, error: RequestTokenError<AuthError, BasicErrorResponse>) -> AuthError {
        let refusal = match error {
            RequestTokenError::Request(error) => return error,
            RequestTokenError::ServerResponse(refusal) => refusal,
            // Both hold the body, which may hold a token.
            RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
                return self.not_token("JSON without an access token".to_owned());
            }
        };
        let mut why = refusal.error().as_ref().to_owned();
        if let Some(description) = refusal.error_description() {
            why = format!("{why}: {description}");
        }
        let why = evidence(why.as_bytes(), &self.secrets);
        let login = self.login.clone();
        match refusal.error() {
            BasicErrorResponseType::InvalidGrant => AuthError::Refused { login, why },
            BasicErrorResponseType::InvalidClient | BasicErrorResponseType::UnauthorizedClient => {
                AuthError::Client { login, why }
            }
            _ => self.not_token(format!("the error `{why}`")),
        }
    }

    fn not_token(&self, saw: String) -> AuthError {
        AuthError::NotToken { login: self.login.clone(), host: self.hosts[0].clone(), saw }
    }
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
