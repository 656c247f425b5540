//! One look at the account before its rows: the zone its days are cut in, the currency it counts in. Only for
//! vendors whose rows do not say so.

use chrono_tz::Tz;

use super::ask::Asker;
use super::call::Prepared;
use super::fill::Template;
use super::look::Look;
use super::number::shown;
use super::rows::Reader;
use super::{Manifest, Request};
use crate::connect::{PullError, PullFacts, PullRequest};
use crate::domain::money::Currency;

/// `[account]`
#[derive(Debug)]
pub(super) struct AccountRule {
    pub(super) request: Request,
    pub(super) zone: Option<Template>,
    pub(super) currency: Option<Template>,
}

/// What the account says; nothing where nobody needs to know.
#[derive(Clone, Copy, Default)]
pub(super) struct Account {
    pub(super) zone: Option<Tz>,
    currency: Option<Currency>,
}

impl Account {
    /// Looks, where the manifest has an `[account]`.
    ///
    /// # Errors
    /// [`PullError`] as for a page of rows, and where what stands there is no zone or no currency.
    pub(super) async fn look_up(
        manifest: &Manifest,
        request: &PullRequest<'_>,
        asker: &mut Asker<'_>,
        reader: &Reader,
    ) -> Result<Self, PullError> {
        let Some(rule) = &manifest.account else { return Ok(Self::default()) };
        let paths: Vec<_> = [&rule.zone, &rule.currency].into_iter().flatten().collect();
        let look = Look::compile(&paths, request.settings)
            .map_err(|saw| PullError::Shape { path: "[account]".to_owned(), saw })?;
        let prepared = Prepared::new(&rule.request, &asker.filling())?;
        let texts = look.ask(asker, &prepared, &[], reader).await?.unwrap_or_default();
        let mut texts = look.paths().zip(texts.into_iter().map(Some).chain(std::iter::repeat(None)));
        let mut next = || match texts.next() {
            Some((path, Some(texts))) => match texts.as_slice() {
                [text] => Ok((path.to_owned(), text.clone())),
                [] => Err(not(path, "nothing stands there; may this login read the account?")),
                _ => Err(not(path, "several values stand there, where the account has one")),
            },
            Some((path, None)) => Err(not(path, "the vendor says there is no such account; check the settings")),
            None => Err(not("[account]", "nothing is asked of it")),
        };
        let mut account = Self::default();
        if rule.zone.is_some() {
            let (path, text) = next()?;
            let zone = text.parse::<Tz>();
            account.zone =
                Some(zone.map_err(|_| asker.cleaned(wrong(&path, &text, "a time zone such as Europe/Berlin")))?);
        }
        if rule.currency.is_some() {
            let (path, text) = next()?;
            let currency = Currency::from_code(&text);
            account.currency =
                Some(currency.ok_or_else(|| asker.cleaned(wrong(&path, &text, "a currency code such as EUR")))?);
        }
        Ok(account)
    }

    /// What is known of a window with it.
    pub(super) fn complete(self, facts: PullFacts) -> PullFacts {
        PullFacts { day_zone: self.zone.unwrap_or(facts.day_zone), currency: self.currency.or(facts.currency), ..facts }
    }
}

fn not(path: &str, saw: &str) -> PullError {
    PullError::Shape { path: path.to_owned(), saw: saw.to_owned() }
}

fn wrong(path: &str, text: &str, what: &str) -> PullError {
    not(path, &format!("{} is not {what}", shown(text)))
}
