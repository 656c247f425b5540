//! The quarter of the checks that is about access: how a call proves itself, to whom.

use std::collections::BTreeMap;

use serde_spanned::Spanned;

use super::super::fill::Template;
use super::super::proof::Proof;
use super::super::raw::{RawAuth, RawLogin, RawOauth2};
use super::{Check, Place};
use crate::connect::auth::{ClientAuth, GrantKind, Oauth2};
use crate::connect::http::{HeaderName, header};

/// What the login's own calls say by themselves, each from its own place.
const SAID_BY_US: [&str; 14] = [
    "access_token",
    "client_assertion",
    "client_id",
    "client_secret",
    "code",
    "code_challenge",
    "code_challenge_method",
    "code_verifier",
    "grant_type",
    "password",
    "redirect_uri",
    "refresh_token",
    "response_type",
    "state",
];

impl Check<'_, '_> {
    pub(super) fn proof(
        &mut self,
        login: Option<&Spanned<RawLogin>>,
        auth: Option<&Spanned<RawAuth>>,
    ) -> Option<Proof> {
        match (login.map(|login| (login.span(), &login.get_ref().oauth2)), auth) {
            (Some((span, _)), Some(_)) => self.wrong(span, "a call proves itself one way: keep `login` or `auth`"),
            (None, None) => self.wrong(0..0, "`login` or `auth` is missing: say how a call proves itself"),
            (Some((_, oauth2)), None) => self.oauth2(oauth2).map(Proof::Oauth2),
            (None, Some(auth)) => self.auth(auth),
        }
    }

    fn oauth2(&mut self, raw: &RawOauth2) -> Option<Oauth2> {
        let grant = match &raw.grant {
            Some(word) => self.one_of(word, &["code", "client_credentials"])?,
            None => 0,
        };
        let grant = if grant == 0 { GrantKind::Code } else { GrantKind::ClientCredentials };
        let client = match self.one_of(&raw.client, &["body", "basic", "none"])? {
            0 => ClientAuth::Body,
            1 => ClientAuth::Basic,
            _ => ClientAuth::None,
        };
        self.https(&raw.token_url);
        let authorize_url = match (&raw.authorize_url, grant) {
            (Some(url), GrantKind::Code) => {
                self.https(url);
                Some(url.get_ref().clone())
            }
            (None, GrantKind::Code) => {
                return self.wrong(
                    raw.token_url.span(),
                    "`authorize_url` is missing: the page at which a person gives consent, for `willitsell auth`",
                );
            }
            (Some(url), GrantKind::ClientCredentials) => {
                return self.wrong(url.span(), "client credentials need no person: leave out `authorize_url`");
            }
            (None, GrantKind::ClientCredentials) => None,
        };
        if grant == GrantKind::ClientCredentials && client == ClientAuth::None {
            return self.wrong(
                raw.client.span(),
                "client credentials are the application's own: write `client = \"body\"` or \"basic\"",
            );
        }
        if raw.scopes.get_ref().is_empty() && grant == GrantKind::Code {
            self.wrong::<()>(raw.scopes.span(), "`scopes` is empty: name the least that can read");
        }
        if let Some(days) = raw.ends_after.as_ref().filter(|days| *days.get_ref() == 0) {
            self.wrong::<()>(days.span(), "`ends_after` counts days from the login: write 1 or more, or leave it out");
        }
        Some(Oauth2 {
            authorize_url,
            token_url: raw.token_url.get_ref().clone(),
            scopes: raw.scopes.get_ref().clone(),
            client,
            grant,
            authorize: self.literal_pairs(&raw.authorize)?,
            extra: self.literal_pairs(&raw.extra)?,
            rotates: raw.rotates,
            ends_after: raw.ends_after.as_ref().map(|days| *days.get_ref()),
        })
    }

    /// Names and texts that every user sends alike.
    fn literal_pairs(&mut self, raw: &BTreeMap<Spanned<String>, Spanned<String>>) -> Option<Vec<(String, String)>> {
        let mut pairs = Vec::new();
        for (name, value) in raw {
            if SAID_BY_US.contains(&name.get_ref().as_str()) {
                let what = format!("`{}` is said by the login itself: leave it out here", name.get_ref());
                return self.wrong(name.span(), what);
            }
            if value.get_ref().contains(['{', '}']) {
                return self.wrong(value.span(), "only a literal text may stand here, the same for every user");
            }
            pairs.push((name.get_ref().clone(), value.get_ref().clone()));
        }
        Some(pairs)
    }

    fn auth(&mut self, raw: &Spanned<RawAuth>) -> Option<Proof> {
        let auth = raw.get_ref();
        match (&auth.bearer, &auth.header, &auth.query, &auth.basic) {
            (Some(bearer), None, None, None) => self.secret_alone(&bearer.token).map(Proof::Bearer),
            (None, Some(names), None, None) => {
                let mut headers = Vec::new();
                for (name, value) in names {
                    let Ok(header) = name.get_ref().parse::<HeaderName>() else {
                        return self.wrong(name.span(), format!("`{}` is not a header's name", name.get_ref()));
                    };
                    if [header::HOST, header::CONTENT_LENGTH, header::CONTENT_TYPE, header::ACCEPT_ENCODING]
                        .contains(&header)
                    {
                        return self.wrong(name.span(), format!("`{}` proves nothing: leave it out", name.get_ref()));
                    }
                    headers.push((header, self.with_a_setting(value)?));
                }
                self.with_a_secret(raw, headers.iter().map(|(_, value)| value))?;
                Some(Proof::Headers(headers))
            }
            (None, None, Some(names), None) => {
                let mut query = Vec::new();
                for (name, value) in names {
                    query.push((name.get_ref().clone(), self.with_a_setting(value)?));
                }
                self.with_a_secret(raw, query.iter().map(|(_, value)| value))?;
                Some(Proof::Query(query))
            }
            (None, None, None, Some(basic)) => {
                let user = self.template(&basic.user, Place::Header)?;
                // Some vendors take the key as the name and an empty password.
                let password = if basic.password.get_ref().is_empty() {
                    self.template(&basic.password, Place::Header)?
                } else {
                    self.secret_alone(&basic.password)?
                };
                self.with_a_secret(raw, [&user, &password].into_iter())?;
                self.never_left_out(&basic.user, &user)?;
                Some(Proof::Basic { user, password })
            }
            _ => self.wrong(raw.span(), "`auth` says one way: `bearer`, `header`, `query` or `basic`"),
        }
    }

    /// A placeholder of a secret setting and nothing else.
    fn secret_alone(&mut self, text: &Spanned<String>) -> Option<Template> {
        let template = self.template(text, Place::Header)?;
        if template.only_setting().is_some_and(|name| self.secret.contains(name)) {
            self.never_left_out(text, &template)?;
            return Some(template);
        }
        self.wrong(text.span(), "a token is never written here: use the placeholder of a secret setting")
    }

    /// A placeholder, with at most a word or two around it: `Token {token}`.
    fn with_a_setting(&mut self, text: &Spanned<String>) -> Option<Template> {
        let template = self.template(text, Place::Header)?;
        let around = text.get_ref().split('{').enumerate().map(|(number, part)| match part.split_once('}') {
            Some((_, after)) if number > 0 => after,
            _ => part,
        });
        let plain = |part: &str| part.chars().all(|c| c.is_ascii_alphabetic() || " -_=:\"".contains(c));
        if template.settings().next().is_none()
            || !around.clone().all(plain)
            || around.map(str::len).sum::<usize>() > 40
        {
            return self.wrong(
                text.span(),
                "a token is never written here: use the placeholder of a setting, at most with the vendor's word before it",
            );
        }
        self.never_left_out(text, &template)?;
        Some(template)
    }

    fn with_a_secret<'a>(
        &mut self,
        raw: &Spanned<RawAuth>,
        templates: impl Iterator<Item = &'a Template>,
    ) -> Option<()> {
        let mut settings = templates.flat_map(Template::settings);
        if settings.any(|name| self.secret.contains(name)) {
            return Some(());
        }
        self.wrong(raw.span(), "nothing here is secret, so it proves nothing: write `secret = true` at the setting")
    }

    fn never_left_out(&mut self, text: &Spanned<String>, template: &Template) -> Option<()> {
        match template.settings().find(|name| self.optional.contains(*name)) {
            Some(name) => {
                let what = format!("no call proves itself without `{{{name}}}`: remove `optional` from the setting");
                self.wrong(text.span(), what)
            }
            None => Some(()),
        }
    }
}
