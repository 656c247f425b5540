//! How a call proves itself: where the token of the settings, or the one of the login, stands in it. Not how a
//! token is renewed: that is `connect::auth`'s business.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use secrecy::{ExposeSecret, SecretString};

use super::fill::{Filling, Template};
use crate::connect::auth::{AuthError, Oauth2, secret_header};
use crate::connect::http::{HeaderMap, HeaderName, Url, header};

/// How a call proves itself.
#[derive(Debug)]
pub(super) enum Proof {
    /// A token of the settings, as `Authorization: Bearer`.
    Bearer(Template),
    /// Tokens of the settings in headers of the vendor's own.
    Headers(Vec<(HeaderName, Template)>),
    /// Tokens of the settings in the query; the address is never shown.
    Query(Vec<(String, Template)>),
    /// Two settings, as HTTP Basic.
    Basic {
        /// Before the colon.
        user: Template,
        /// After it.
        password: Template,
    },
    /// An access token of the login, as `Authorization: Bearer`.
    Oauth2(Oauth2),
    /// No address is asked: a program shows what it was told.
    Program,
}

impl Proof {
    /// The login it takes, if it takes one.
    pub(super) fn oauth2(&self) -> Option<&Oauth2> {
        match self {
            Self::Oauth2(oauth2) => Some(oauth2),
            _ => None,
        }
    }

    /// The setting a person should look at when the vendor does not take the proof.
    pub(super) fn setting(&self) -> Option<&str> {
        let templates: Vec<&Template> = match self {
            Self::Bearer(token) => vec![token],
            Self::Headers(headers) => headers.iter().map(|(_, value)| value).collect(),
            Self::Query(names) => names.iter().map(|(_, value)| value).collect(),
            Self::Basic { user, password } => vec![password, user],
            Self::Oauth2(_) | Self::Program => vec![],
        };
        templates.into_iter().find_map(|template| template.settings().next())
    }

    /// What is derived from secrets of the settings and must be hidden like them.
    pub(super) fn derived(&self, filling: &Filling<'_>) -> Option<SecretString> {
        let Self::Basic { user, password } = self else { return None };
        Some(basic(user, password, filling))
    }

    /// Puts the proof on a call. A query name the address already carries (a vendor's own next address may)
    /// is replaced: it is said once, by us. `token` is the login's.
    ///
    /// # Errors
    /// [`AuthError::NotAHeader`].
    pub(super) fn put_on(
        &self,
        token: Option<&SecretString>,
        filling: &Filling<'_>,
        url: &mut Url,
        headers: &mut HeaderMap,
    ) -> Result<(), AuthError> {
        let filled = |template: &Template| template.fill(filling).unwrap_or_default();
        let mut authorize = |value: String| -> Result<(), AuthError> {
            headers.insert(header::AUTHORIZATION, secret_header(&value.into())?);
            Ok(())
        };
        match self {
            Self::Bearer(template) => authorize(format!("Bearer {}", filled(template))),
            Self::Basic { user, password } => {
                authorize(format!("Basic {}", basic(user, password, filling).expose_secret()))
            }
            Self::Oauth2(_) => authorize(format!("Bearer {}", token.map_or("", ExposeSecret::expose_secret))),
            Self::Program => Ok(()),
            Self::Headers(names) => {
                for (name, template) in names {
                    headers.insert(name.clone(), secret_header(&filled(template).into())?);
                }
                Ok(())
            }
            Self::Query(names) => {
                let others: Vec<(String, String)> = url
                    .query_pairs()
                    .filter(|(name, _)| names.iter().all(|(ours, _)| ours != name))
                    .map(|(name, value)| (name.into_owned(), value.into_owned()))
                    .collect();
                // Written anew only where there is something to take out: a vendor's own spelling stays.
                if others.len() < url.query_pairs().count() {
                    url.query_pairs_mut().clear().extend_pairs(others);
                }
                let mut query = url.query_pairs_mut();
                for (name, template) in names {
                    query.append_pair(name, &filled(template));
                }
                Ok(())
            }
        }
    }
}

fn basic(user: &Template, password: &Template, filling: &Filling<'_>) -> SecretString {
    let filled = |template: &Template| template.fill(filling).unwrap_or_default();
    BASE64_STANDARD.encode(format!("{}:{}", filled(user), filled(password))).into()
}
