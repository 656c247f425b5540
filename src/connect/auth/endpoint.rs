//! One call to a token address, in the forms of RFC 6749 and the forms vendors stray into. Not when one is
//! made, nor what is kept of it.

use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};
use oauth2::basic::{BasicClient, BasicErrorResponse, BasicErrorResponseType, BasicTokenResponse};
use oauth2::{
    AsyncHttpClient, AuthType, AuthorizationCode, ClientId, ClientSecret, HttpRequest, HttpResponse, PkceCodeVerifier,
    RedirectUrl, RefreshToken, RequestTokenError, Scope, TokenResponse, TokenUrl,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::{AuthError, ClientAuth, GrantKind, Oauth2};
use crate::connect::http::{
    Answer, Call, Http, HttpError, Method, Url, address, evidence, header, host_and_port, retry_after,
};
use crate::domain::connector::{Login, Token};
use crate::domain::id::LoginId;

/// What a token is asked for with.
pub(super) enum Asked<'a> {
    /// A refresh token; or nothing, where the application's own credentials are enough.
    Renewal(&'a SecretString),
    /// The code a person's consent brought.
    Code {
        /// As the vendor handed it over.
        code: &'a SecretString,
        /// Proves that whoever shows the code is whoever asked for it.
        verifier: &'a SecretString,
        /// As it was in the address of the consent page.
        redirect: &'a RedirectUrl,
    },
}

/// What a token address gave.
pub(super) struct Granted {
    answer: BasicTokenResponse,
    /// Seconds its refresh token lives, where the vendor says.
    refresh_life: Option<i64>,
}

impl Granted {
    /// As it is kept. `before` is what was kept so far, unless the token asked with is `new`.
    pub(super) fn token(self, oauth2: &Oauth2, before: Option<Token>, new: bool, now: DateTime<Utc>) -> Token {
        let rotated: Option<SecretString> = self.answer.refresh_token().map(|token| token.secret().as_str().into());
        let stated = self.refresh_life.and_then(TimeDelta::try_seconds);
        let first = new || before.is_none();
        let from_now = if first || (oauth2.rotates && rotated.is_some()) { oauth2.ends_after } else { None };
        let ends = stated.or_else(|| from_now.and_then(|days| TimeDelta::try_days(days.into())));
        let (last_refresh, last_end) = before.map(|token| (token.refresh, token.refresh_ends_at)).unwrap_or_default();
        Token {
            access: self.answer.access_token().secret().as_str().into(),
            issued_at: now,
            expires_at: self
                .answer
                .expires_in()
                .and_then(|life| TimeDelta::from_std(life).ok())
                .and_then(|life| now.checked_add_signed(life)),
            refresh: rotated.or(last_refresh),
            refresh_ends_at: ends.and_then(|life| now.checked_add_signed(life)).or(last_end),
        }
    }
}

/// One token call.
pub(super) async fn ask(
    http: &Http,
    login: &Login,
    oauth2: &Oauth2,
    asked: Asked<'_>,
    now: DateTime<Utc>,
) -> Result<Granted, AuthError> {
    let url = address(login.token_url.as_deref().unwrap_or(&oauth2.token_url)).map_err(HttpError::from)?;
    let mut client = BasicClient::new(ClientId::new(login.client_id.clone())).set_auth_type(match oauth2.client {
        ClientAuth::Body | ClientAuth::None => AuthType::RequestBody,
        ClientAuth::Basic => AuthType::BasicAuth,
    });
    if let Some(secret) = login.client_secret.as_ref().filter(|_| oauth2.client != ClientAuth::None) {
        client = client.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()));
    }
    let client = client.set_token_uri(TokenUrl::from_url(url.clone()));
    let shown: Vec<&SecretString> = match &asked {
        Asked::Renewal(refresh) => vec![refresh],
        Asked::Code { code, verifier, .. } => vec![code, verifier],
    };
    let endpoint = Endpoint {
        http,
        login: &login.id,
        hosts: [host_and_port(&url)],
        url,
        secrets: login.client_secret.iter().chain(shown).cloned().collect(),
        now,
        refresh_life: Mutex::new(None),
    };
    let answer = match asked {
        Asked::Renewal(_) if oauth2.grant == GrantKind::ClientCredentials => {
            let mut request = client.exchange_client_credentials();
            for scope in &oauth2.scopes {
                request = request.add_scope(Scope::new(scope.clone()));
            }
            for (name, value) in &oauth2.extra {
                request = request.add_extra_param(name, value);
            }
            request.request_async(&endpoint).await
        }
        Asked::Renewal(refresh) => {
            let refresh = RefreshToken::new(refresh.expose_secret().to_owned());
            let mut request = client.exchange_refresh_token(&refresh);
            for (name, value) in &oauth2.extra {
                request = request.add_extra_param(name, value);
            }
            request.request_async(&endpoint).await
        }
        Asked::Code { code, verifier, redirect } => {
            let code = AuthorizationCode::new(code.expose_secret().to_owned());
            let verifier = PkceCodeVerifier::new(verifier.expose_secret().to_owned());
            let client = client.set_redirect_uri(redirect.clone());
            let mut request = client.exchange_code(code).set_pkce_verifier(verifier);
            for (name, value) in &oauth2.extra {
                request = request.add_extra_param(name, value);
            }
            request.request_async(&endpoint).await
        }
    };
    let answer = answer.map_err(|error| endpoint.meaning(error))?;
    let refresh_life = *endpoint.refresh_life.lock().unwrap_or_else(PoisonError::into_inner);
    Ok(Granted { answer, refresh_life })
}

/// One token address during one call.
struct Endpoint<'a> {
    http: &'a Http,
    login: &'a LoginId,
    url: Url,
    hosts: [String; 1],
    secrets: Vec<SecretString>,
    now: DateTime<Utc>,
    refresh_life: Mutex<Option<i64>>,
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
        // Not of the standard, and said by many: how long the refresh token lives.
        let life = fields.get("refresh_token_expires_in").and_then(Value::as_i64).filter(|life| *life > 0);
        *self.refresh_life.lock().unwrap_or_else(PoisonError::into_inner) = life;
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
