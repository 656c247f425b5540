//! The quarter of the checks that is about access: how a call proves itself, to whom.

use serde_spanned::Spanned;

use super::super::Proof;
use super::super::raw::{RawAuth, RawLogin};
use super::{Check, Place};
use crate::connect::auth::ClientAuth;

impl Check<'_, '_> {
    pub(super) fn proof(
        &mut self,
        login: Option<&Spanned<RawLogin>>,
        auth: Option<&Spanned<RawAuth>>,
    ) -> Option<Proof> {
        match (login.map(|login| (login.span(), &login.get_ref().oauth2)), auth) {
            (Some((span, _)), Some(_)) => self.wrong(span, "a call proves itself one way: keep `login` or `auth`"),
            (None, None) => self.wrong(0..0, "`login` or `auth` is missing: say how a call proves itself"),
            (Some((_, oauth2)), None) => {
                self.https(&oauth2.authorize_url);
                self.https(&oauth2.token_url);
                if oauth2.scopes.get_ref().is_empty() {
                    self.wrong::<()>(oauth2.scopes.span(), "`scopes` is empty: name the least that can read");
                }
                let client = match self.one_of(&oauth2.client, &["body", "basic"])? {
                    0 => ClientAuth::Body,
                    _ => ClientAuth::Basic,
                };
                Some(Proof::Oauth2 { token_url: oauth2.token_url.get_ref().clone(), client })
            }
            (None, Some(auth)) => {
                let token = &auth.get_ref().bearer.token;
                let template = self.template(token, Place::Header)?;
                match template.only_setting() {
                    Some(name) if self.secret.contains(name) => Some(Proof::Bearer(template)),
                    _ => self
                        .wrong(token.span(), "a token is never written here: use the placeholder of a secret setting"),
                }
            }
        }
    }
}
