//! A person's consent: the address of the vendor's page, and what its answer is exchanged for. PKCE (S256) and
//! a one-time state always. Not how the answer gets here: that is the command's business.

use chrono::{DateTime, Utc};
use oauth2::basic::BasicClient;
use oauth2::{AuthUrl, ClientId, CsrfToken, PkceCodeChallenge, RedirectUrl, Scope};
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

use super::endpoint::{Asked, ask};
use super::{Auth, AuthError, Grant, Oauth2, fingerprint};
use crate::connect::http::{HttpError, Url, address, evidence};
use crate::domain::connector::{Kept, Login};

/// Why an answer of the consent page is of no use. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AnswerError {
    /// Another login's, an older one, or somebody else's.
    #[error("this answer belongs to another login (its `state` is not the one that was sent)")]
    Foreign,
    /// The person or the vendor said no.
    #[error("the vendor gave no consent ({0})")]
    Denied(String),
    /// There is nothing in it.
    #[error("there is neither a code nor an error in this answer")]
    Empty,
}

/// A consent that was asked for and not yet given. Good for one answer.
pub struct Consent {
    page: Url,
    state: SecretString,
    verifier: SecretString,
    redirect: RedirectUrl,
}

impl std::fmt::Debug for Consent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Consent").field("redirect", &self.redirect.as_str()).finish_non_exhaustive()
    }
}

impl Consent {
    /// Prepares one. `redirect` is where the vendor sends the person's browser.
    ///
    /// # Errors
    /// [`AuthError::Http`] for an address that cannot be used.
    pub fn new(login: &Login, oauth2: &Oauth2, redirect: &Url) -> Result<Self, AuthError> {
        let vendors = oauth2.authorize_url.as_deref().unwrap_or_default();
        let page = address(login.authorize_url.as_deref().unwrap_or(vendors)).map_err(HttpError::from)?;
        let redirect = RedirectUrl::from_url(redirect.clone());
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let client = BasicClient::new(ClientId::new(login.client_id.clone()))
            .set_auth_uri(AuthUrl::from_url(page))
            .set_redirect_uri(redirect.clone());
        let mut request = client.authorize_url(CsrfToken::new_random).set_pkce_challenge(challenge);
        for scope in &oauth2.scopes {
            request = request.add_scope(Scope::new(scope.clone()));
        }
        for (name, value) in &oauth2.authorize {
            request = request.add_extra_param(name, value);
        }
        let (page, state) = request.url();
        Ok(Self { page, state: state.secret().as_str().into(), verifier: verifier.secret().as_str().into(), redirect })
    }

    /// The vendor's page. Holds no secret: the client id, the state and the hash of the verifier.
    pub fn page(&self) -> &Url {
        &self.page
    }

    /// The code in the address the vendor sent the browser to.
    ///
    /// # Errors
    /// [`AnswerError`].
    pub fn code(&self, answer: &Url) -> Result<SecretString, AnswerError> {
        let said = |name: &str| {
            let mut values =
                answer.query_pairs().filter(|(found, _)| found == name).map(|(_, value)| value.into_owned());
            values.next().filter(|value| !value.is_empty() && values.next().is_none())
        };
        let state = said("state").ok_or_else(|| {
            let is_empty = said("code").is_none() && said("error").is_none();
            if is_empty { AnswerError::Empty } else { AnswerError::Foreign }
        })?;
        // Their hashes: how long it takes says nothing about the state.
        if fingerprint(&[&state]) != fingerprint(&[self.state.expose_secret()]) {
            return Err(AnswerError::Foreign);
        }
        match (said("code"), said("error")) {
            (_, Some(error)) => {
                let why = said("error_description").map(|text| format!("{error}: {text}")).unwrap_or(error);
                Err(AnswerError::Denied(evidence(why.as_bytes(), &[self.state.clone(), self.verifier.clone()])))
            }
            (Some(code), None) => Ok(code.into()),
            (None, None) => Err(AnswerError::Empty),
        }
    }

    /// Exchanges the code for tokens and keeps them; whatever was refused before is forgotten.
    ///
    /// # Errors
    /// [`AuthError`]: a code is good for one exchange, so the person must begin anew.
    pub async fn redeem(
        &self,
        auth: &Auth,
        grant: &Grant<'_>,
        code: &SecretString,
        now: DateTime<Utc>,
    ) -> Result<Kept, AuthError> {
        let asked = Asked::Code { code, verifier: &self.verifier, redirect: &self.redirect };
        let granted = ask(&auth.http, grant.login, grant.oauth2, asked, now).await?;
        auth.keep(grant, granted, now).await
    }
}
