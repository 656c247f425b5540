//! How a login stands, from what is kept of it: for those who tell people. Asks nobody.

use chrono::{DateTime, Utc};
use secrecy::ExposeSecret;

use super::{GrantKind, Oauth2, fingerprint, is_new, is_over};
use crate::domain::connector::{Kept, Login};

/// How a login stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// It works, as far as anyone knows.
    Good {
        /// When it ends by itself, so that a person must log in again; `None` where it does not, or the
        /// vendor does not say.
        ends: Option<DateTime<Utc>>,
    },
    /// Nobody has logged in.
    NoToken,
    /// The vendor refused it.
    Refused {
        /// When.
        at: DateTime<Utc>,
        /// In its words, shortened.
        why: String,
        /// It refused client id or secret, not the consent.
        application: bool,
    },
    /// It ended by itself.
    Ended,
}

/// How a login stands at `now`.
pub fn standing(login: &Login, oauth2: &Oauth2, kept: &Kept, now: DateTime<Utc>) -> Standing {
    let consent = oauth2.grant == GrantKind::Code;
    let new = is_new(login, kept.given.as_ref());
    let stored = kept.token.as_ref().and_then(|token| token.refresh.as_ref());
    let tried = if new { login.refresh_token.as_ref() } else { stored.or(login.refresh_token.as_ref()) };
    if let Some(refusal) = &kept.refusal
        && refusal.of == of(login, if consent { tried.map_or("", ExposeSecret::expose_secret) } else { "" })
    {
        let (at, why, application) = (refusal.at, refusal.why.clone(), refusal.application);
        return Standing::Refused { at, why, application };
    }
    match &kept.token {
        _ if !consent || new => Standing::Good { ends: None },
        None if login.refresh_token.is_none() => Standing::NoToken,
        None => Standing::Good { ends: None },
        Some(token) => match (tried.is_some(), token.refresh_ends_at) {
            (true, Some(end)) if end <= now => Standing::Ended,
            (true, ends) => Standing::Good { ends },
            (false, _) if is_over(token, now) => Standing::Ended,
            (false, _) => Standing::Good { ends: token.expires_at },
        },
    }
}

/// What a refusal was of: the application and the token together, so that mending either is tried at once.
pub(super) fn of(login: &Login, tried: &str) -> String {
    let secret = login.client_secret.as_ref().map_or("", ExposeSecret::expose_secret);
    fingerprint(&[&login.client_id, secret, tried])
}
