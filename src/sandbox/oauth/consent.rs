//! The vendors' consent pages, with a person behind them who always agrees; and the exchange of the code that
//! brings. PKCE is asked for, a code is good once, and its second use ends what came of the first.

use std::collections::BTreeMap;

use axum::extract::Query;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use ring::digest;

use super::{Issuer, TokenBook, first_refresh_token};
use crate::sandbox::{Endpoint, Secrets, Shared, held};

/// Where the page of every vendor is, on the host of its token endpoint.
pub(in crate::sandbox) const PATH: &str = "/authorize";

/// What a person agreed to.
pub(super) struct Code {
    endpoint: Endpoint,
    challenge: String,
    redirect: String,
    /// The refresh token it was exchanged for.
    first: Option<String>,
}

/// Answers as if the person had agreed at once.
pub(super) fn agree(issuer: &Issuer, state: &Shared, Query(asked): Query<BTreeMap<String, String>>) -> Response {
    let asked = |name: &str| asked.get(name).map(String::as_str).unwrap_or_default();
    let secrets = &state.setup.secrets;
    let refused = |why: &str| (StatusCode::BAD_REQUEST, why.to_owned()).into_response();
    if asked("response_type") != "code" || asked("client_id") != secrets.client_id {
        return refused("unknown application");
    }
    if asked("code_challenge_method") != "S256" || asked("code_challenge").len() != 43 || asked("state").len() < 16 {
        return refused("PKCE with S256 and a state are needed");
    }
    if asked("scope").is_empty() {
        return refused("no scope");
    }
    let redirect = asked("redirect_uri");
    let Ok(mut back) = url::Url::parse(redirect) else { return refused("no redirect") };
    if back.host_str() != Some("127.0.0.1") || back.scheme() != "http" {
        return refused("this redirect is not registered");
    }
    let mut book = held(&state.tokens);
    book.given += 1;
    let code = format!("code.{}.{}", first_refresh_token(secrets, issuer.endpoint), book.given);
    let kept = Code {
        endpoint: issuer.endpoint,
        challenge: asked("code_challenge").to_owned(),
        redirect: redirect.to_owned(),
        first: None,
    };
    book.codes.insert(code.clone(), kept);
    back.query_pairs_mut().append_pair("code", &code).append_pair("state", asked("state"));
    (StatusCode::FOUND, [(header::LOCATION, back.to_string())]).into_response()
}

impl TokenBook {
    /// The access and refresh token a code brings, once.
    pub(super) fn redeem(
        &mut self,
        issuer: &Issuer,
        secrets: &Secrets,
        form: &BTreeMap<String, String>,
        now: DateTime<Utc>,
    ) -> Option<(String, String)> {
        let given = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
        let code = self.codes.get_mut(given("code")).filter(|code| code.endpoint == issuer.endpoint)?;
        if let Some(first) = &code.first {
            self.refresh.retain(|_, family| family.first != *first);
            return None;
        }
        let hash = digest::digest(&digest::SHA256, given("code_verifier").as_bytes());
        if BASE64_URL_SAFE_NO_PAD.encode(hash) != code.challenge || given("redirect_uri") != code.redirect {
            return None;
        }
        self.given += 1;
        let first = format!("{}.login{}", first_refresh_token(secrets, issuer.endpoint), self.given);
        code.first = Some(first.clone());
        self.start(issuer, first.clone(), now);
        let access = self.give_access(issuer, &first, now);
        Some((access, first))
    }
}
