//! The vendors' token endpoints, each a row of a table: how the client proves itself, whether the
//! refresh token is replaced, how long either token lasts, what else must be sent. One book keeps every
//! token; time is simulated. Which rights a token carries is not looked at.

mod consent;

use std::collections::BTreeMap;

use axum::extract::{Form, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};

use super::faults::Answer;
use super::{Endpoint, Secrets, Setup, Shared, held};

/// A vendor's token endpoint.
pub(super) struct Issuer {
    endpoint: Endpoint,
    pub(super) path: &'static str,
    /// Client id and secret as HTTP Basic and not in the body.
    basic: bool,
    /// Every renewal replaces the refresh token.
    rotates: bool,
    /// Seconds an access token lasts.
    access: i64,
    refresh: Refresh,
    scope: &'static str,
    /// The scope must be sent again at a renewal.
    scope_again: bool,
    /// Status of a client that is not known.
    unknown_client: u16,
    /// Begins an access token.
    prefix: &'static str,
}

/// How long a refresh token lasts.
#[derive(Clone, Copy)]
enum Refresh {
    Endless,
    /// Days from its own issue.
    Days(i64),
    /// Days from the login, not extended by use.
    DaysFromLogin(i64),
}

pub(super) const GOOGLE: Issuer = Issuer {
    endpoint: Endpoint::GoogleToken,
    path: "/token",
    basic: false,
    rotates: false,
    access: 3_599,
    refresh: Refresh::Endless,
    scope: "https://www.googleapis.com/auth/adwords",
    scope_again: false,
    unknown_client: 401,
    prefix: "ya29.",
};

pub(super) const LINKEDIN: Issuer = Issuer {
    endpoint: Endpoint::LinkedinToken,
    path: "/oauth/v2/accessToken",
    access: 5_184_000,
    refresh: Refresh::DaysFromLogin(365),
    scope: "r_ads,r_ads_reporting",
    prefix: "AQ",
    ..GOOGLE
};

pub(super) const MICROSOFT: Issuer = Issuer {
    endpoint: Endpoint::MicrosoftToken,
    path: "/common/oauth2/v2.0/token",
    rotates: true,
    access: 3_600,
    scope: "https://ads.microsoft.com/msads.manage offline_access",
    scope_again: true,
    prefix: "EwB",
    ..GOOGLE
};

pub(super) const REDDIT: Issuer = Issuer {
    endpoint: Endpoint::RedditToken,
    path: "/api/v1/access_token",
    basic: true,
    access: 86_400,
    scope: "adsread",
    prefix: "eyJ",
    ..GOOGLE
};

pub(super) const PINTEREST: Issuer = Issuer {
    endpoint: Endpoint::PinterestToken,
    path: "/v5/oauth/token",
    basic: true,
    rotates: true,
    access: 30 * 86_400,
    refresh: Refresh::Days(60),
    scope: "ads:read",
    prefix: "pina_",
    ..GOOGLE
};

/// Where a vendor's consent page is, on the host of its token endpoint.
pub(super) const CONSENT: &str = consent::PATH;

const ISSUERS: [&Issuer; 5] = [&GOOGLE, &LINKEDIN, &MICROSOFT, &REDDIT, &PINTEREST];

/// Every token given out.
pub(super) struct TokenBook {
    access: BTreeMap<(Endpoint, String), Access>,
    refresh: BTreeMap<(Endpoint, String), Family>,
    given: u64,
    calls: Option<u32>,
    reuse_revokes: bool,
    codes: BTreeMap<String, consent::Code>,
}

struct Access {
    ends: DateTime<Utc>,
    calls_left: Option<u32>,
}

/// A refresh token, and the login from which it came.
#[derive(Clone)]
struct Family {
    /// The first refresh token of the login.
    first: String,
    login: DateTime<Utc>,
    ends: Option<DateTime<Utc>>,
    /// Another one has taken its place.
    replaced: bool,
}

/// What a renewal brings.
struct Renewed {
    access: String,
    /// With the seconds until it ends.
    refresh: Option<(String, Option<i64>)>,
}

/// Whether an access token opens the door.
pub(super) enum Admitted {
    Yes,
    Expired,
    Unknown,
}

impl TokenBook {
    /// Somebody logged in to every vendor when the sandbox started.
    pub(super) fn of(setup: &Setup) -> Self {
        let (calls, reuse_revokes) = (setup.token_calls, setup.reuse_revokes);
        let mut book = Self {
            access: BTreeMap::new(),
            refresh: BTreeMap::new(),
            given: 0,
            calls,
            reuse_revokes,
            codes: BTreeMap::new(),
        };
        for issuer in ISSUERS {
            book.start(issuer, first_refresh_token(&setup.secrets, issuer.endpoint), setup.now);
        }
        book
    }

    /// A login: `token` renews from now on.
    fn start(&mut self, issuer: &Issuer, token: String, now: DateTime<Utc>) {
        let ends = issuer.refresh_ends(now, now);
        self.refresh
            .insert((issuer.endpoint, token.clone()), Family { first: token, login: now, ends, replaced: false });
    }

    /// `None` for a refresh token that renews nothing.
    fn renew(&mut self, issuer: &Issuer, token: &str, now: DateTime<Utc>) -> Option<Renewed> {
        let key = (issuer.endpoint, token.to_owned());
        let family = self.refresh.get(&key)?.clone();
        if family.replaced {
            if self.reuse_revokes {
                self.refresh.retain(|(endpoint, _), it| *endpoint != issuer.endpoint || it.first != family.first);
                return None;
            }
        } else if family.ends.is_some_and(|ends| ends <= now) {
            return None;
        }
        let access = self.give_access(issuer, &family.first, now);
        let refresh = issuer.rotates.then(|| {
            let next = format!("{}.{}", family.first, self.given);
            let ends = issuer.refresh_ends(family.login, now);
            if let Some(it) = self.refresh.get_mut(&key) {
                it.replaced = true;
            }
            self.refresh.insert((issuer.endpoint, next.clone()), Family { ends, replaced: false, ..family });
            (next, ends.map(|ends| (ends - now).num_seconds()))
        });
        Some(Renewed { access, refresh })
    }

    fn give_access(&mut self, issuer: &Issuer, first: &str, now: DateTime<Utc>) -> String {
        self.given += 1;
        let access = format!("{}{first}.{}", issuer.prefix, self.given);
        let ends = now + Duration::seconds(issuer.access);
        self.access.insert((issuer.endpoint, access.clone()), Access { ends, calls_left: self.calls });
        access
    }

    pub(super) fn admit(&mut self, endpoint: Endpoint, token: &str, now: DateTime<Utc>) -> Admitted {
        let Some(access) = self.access.get_mut(&(endpoint, token.to_owned())) else { return Admitted::Unknown };
        if access.ends <= now || access.calls_left == Some(0) {
            return Admitted::Expired;
        }
        access.calls_left = access.calls_left.map(|left| left - 1);
        Admitted::Yes
    }

    pub(super) fn expire_access(&mut self) {
        for access in self.access.values_mut() {
            access.calls_left = Some(0);
        }
    }

    pub(super) fn revoke(&mut self, endpoint: Endpoint) {
        self.refresh.retain(|(of, _), _| *of != endpoint);
    }
}

impl Issuer {
    fn refresh_ends(&self, login: DateTime<Utc>, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        match self.refresh {
            Refresh::Endless => None,
            Refresh::Days(days) => Some(now + Duration::days(days)),
            Refresh::DaysFromLogin(days) => Some(login + Duration::days(days)),
        }
    }
}

/// Google's is the secret itself; another vendor's begins with its name, so that none opens two doors.
pub(super) fn first_refresh_token(secrets: &Secrets, endpoint: Endpoint) -> String {
    match endpoint {
        Endpoint::GoogleToken => secrets.refresh_token.clone(),
        other => format!("{other:?}.{}", secrets.refresh_token),
    }
}

pub(super) fn google() -> Router<Shared> {
    serve(&GOOGLE)
}

pub(super) fn linkedin() -> Router<Shared> {
    serve(&LINKEDIN)
}

pub(super) fn microsoft() -> Router<Shared> {
    serve(&MICROSOFT)
}

pub(super) fn reddit() -> Router<Shared> {
    serve(&REDDIT)
}

pub(super) fn pinterest() -> Router<Shared> {
    serve(&PINTEREST)
}

fn serve(issuer: &'static Issuer) -> Router<Shared> {
    let answer = move |State(state): State<Shared>, headers: HeaderMap, Form(form): Form<BTreeMap<String, String>>| {
        let answer = token(issuer, &state, &headers, &form).map(Json);
        std::future::ready(answer.into_response())
    };
    let agree = move |State(state): State<Shared>, asked: Query<BTreeMap<String, String>>| {
        std::future::ready(consent::agree(issuer, &state, asked))
    };
    Router::new().route(issuer.path, post(answer)).route(consent::PATH, get(agree))
}

fn token(
    issuer: &Issuer,
    state: &Shared,
    headers: &HeaderMap,
    form: &BTreeMap<String, String>,
) -> Result<Value, Answer> {
    let secrets = &state.setup.secrets;
    let given = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    let with_code = given("grant_type") == "authorization_code";
    if !with_code && given("grant_type") != "refresh_token" {
        return Err(issuer.refusal(400, "unsupported_grant_type", "Invalid grant_type"));
    }
    let known = if issuer.basic {
        let pair = BASE64_STANDARD.encode([&*secrets.client_id, ":", &*secrets.client_secret].concat());
        let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        sent.and_then(|value| value.strip_prefix("Basic ")) == Some(pair.as_str())
    } else {
        given("client_id") == secrets.client_id && given("client_secret") == secrets.client_secret
    };
    if !known {
        return Err(issuer.refusal(issuer.unknown_client, "invalid_client", "The OAuth client was not found."));
    }
    if issuer.scope_again && given("scope") != issuer.scope {
        return Err(issuer.refusal(400, "invalid_scope", "The scope must be sent again and be the one agreed to."));
    }
    if with_code {
        let Some((access, refresh)) = held(&state.tokens).redeem(issuer, secrets, form, state.now()) else {
            return Err(issuer.refusal(400, "invalid_grant", "The code is not valid."));
        };
        let life = issuer.access;
        return Ok(
            json!({ "access_token": access, "expires_in": life, "refresh_token": refresh, "token_type": "bearer" }),
        );
    }
    let renewed = held(&state.tokens).renew(issuer, given("refresh_token"), state.now());
    let Some(renewed) = renewed else {
        return Err(issuer.refusal(400, "invalid_grant", "Token has been expired or revoked."));
    };
    let mut answer = json!({
        "access_token": renewed.access,
        "expires_in": issuer.access,
        "scope": issuer.scope,
        "token_type": "bearer",
    });
    if let Some((token, seconds)) = renewed.refresh {
        answer["refresh_token"] = token.into();
        if let Some(seconds) = seconds {
            answer["refresh_token_expires_in"] = seconds.into();
        }
    }
    Ok(answer)
}

impl Issuer {
    fn refusal(&self, status: u16, error: &str, description: &str) -> Answer {
        let mut body = json!({ "error": error, "error_description": description });
        if self.endpoint == Endpoint::MicrosoftToken {
            body["error_description"] = format!("AADSTS70000: {description}").into();
            body["error_codes"] = json!([70_000]);
        }
        Answer::json(status, body.to_string())
    }
}
