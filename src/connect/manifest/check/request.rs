//! The quarter of the checks that is about what is sent: address, query, headers, body.

use std::collections::BTreeMap;
use std::ops::Range;

use serde_spanned::Spanned;
use toml::Value;

use super::super::account::AccountRule;
use super::super::fill::{DateForm, Hole, Special, Template};
use super::super::raw::{Raw, RawAccount, RawRequest};
use super::super::{Body, Json, Param, Request};
use super::{Check, Place, is_plain, or_unused};
use crate::connect::http::{HeaderName, Method, address, header};

/// Headers that are the client's own affair.
pub(super) const OURS: [HeaderName; 6] = [
    header::AUTHORIZATION,
    header::HOST,
    header::CONTENT_LENGTH,
    header::TRANSFER_ENCODING,
    header::ACCEPT_ENCODING,
    header::CONNECTION,
];

impl Check<'_, '_> {
    /// Checks any call; `special` says which placeholders it has besides settings.
    pub(super) fn request_like(&mut self, raw: &RawRequest, special: &[Special]) -> Option<Request> {
        let before = std::mem::replace(&mut self.special, special.to_vec());
        let request = self.request(raw);
        self.special = before;
        request
    }

    /// `[account]`: one `GET` with the headers of `[request]`.
    pub(super) fn account(
        &mut self,
        raw: &RawAccount,
        header: BTreeMap<Spanned<String>, Spanned<String>>,
    ) -> Option<AccountRule> {
        let request = RawRequest {
            method: Spanned::new(raw.url.span(), "GET".to_owned()),
            url: raw.url.clone(),
            query: raw.query.clone(),
            header,
            raw_query: None,
            json: None,
            form: None,
        };
        let request = self.request_like(&request, &[]);
        if raw.currency.is_none() && raw.zone.is_none() {
            self.wrong::<()>(raw.url.span(), "`account` is asked for its `currency`, its `zone` or both: name a path");
        }
        let currency = raw.currency.as_ref().map(|path| self.path(path));
        let zone = raw.zone.as_ref().map(|path| self.path(path));
        Some(AccountRule { request: request?, currency: or_unused(currency)?, zone: or_unused(zone)? })
    }

    /// What is said to come from the account must be asked of it, and nothing else.
    pub(super) fn account_serves(&mut self, raw: &Raw) {
        let account = raw.account.as_ref().map(Spanned::get_ref);
        let zone = raw.days.iter().map(|days| &days.get_ref().zone);
        let currency = raw.metric.iter().filter_map(|(_, metric)| metric.get_ref().currency.as_ref());
        let of_account = |text: &&Spanned<String>| text.get_ref() == "account";
        for (word, asked, wanted) in [
            ("zone", account.and_then(|account| account.zone.as_ref()), zone.clone().find(of_account)),
            ("currency", account.and_then(|account| account.currency.as_ref()), currency.clone().find(of_account)),
        ] {
            match (asked, wanted) {
                (None, Some(wanted)) => {
                    let what = format!("the account is not asked for it: write `{word}`, a path, in `[account]`");
                    self.wrong::<()>(wanted.span(), what);
                }
                (Some(asked), None) => {
                    let what =
                        format!("nothing uses the account's `{word}`: write `{word} = \"account\"`, or leave it out");
                    self.wrong::<()>(asked.span(), what);
                }
                _ => {}
            }
        }
    }

    fn request(&mut self, raw: &RawRequest) -> Option<Request> {
        let method = match self.one_of(&raw.method, &["GET", "POST"])? {
            0 => Method::GET,
            _ => Method::POST,
        };
        let url = self.template(&raw.url, Place::Request);
        let based = url.as_ref().and_then(Template::after_setting);
        if url.is_some() && based.is_none() {
            self.wrong::<()>(
                raw.url.span(),
                "an address begins with a setting whose default is the vendor's host: `{base_url}/…`",
            );
        }
        let raw_query = match &raw.raw_query {
            Some(text) => Some(self.template(text, Place::Request)?),
            None => None,
        };
        let query = self.params(&raw.query)?;
        let headers = self.headers(&raw.header)?;
        let body = match (&raw.json, &raw.form) {
            (None, None) => None,
            _ if method == Method::GET => {
                return self.wrong(raw.method.span(), "a GET has no body: write `method = \"POST\"` or use `query`");
            }
            (Some(_), Some(_)) => return self.wrong(raw.method.span(), "a body is `json` or `form`, not both"),
            (Some(members), None) => Some(Body::Json(Json::Object(
                members
                    .iter()
                    .map(|(name, value)| Some((name.clone(), self.json(value.span(), value.get_ref())?)))
                    .collect::<Option<_>>()?,
            ))),
            (None, Some(fields)) => Some(Body::Form(self.params(fields)?)),
        };
        let (base, path) = based?;
        let base = base.to_owned();
        if base == "api_version" {
            return self
                .wrong(raw.url.span(), "`api_version` is no address: an address begins with a setting that is one");
        }
        self.addresses.insert(base.clone());
        let labelled = self.labelled(&base)?;
        Some(Request { method, base, labelled, path, raw_query, query, headers, body })
    }

    /// The default of an address setting, where it holds a placeholder: one whole label of the host.
    #[expect(clippy::option_option, reason = "without a placeholder and not readable are different")]
    fn labelled(&mut self, base: &str) -> Option<Option<Template>> {
        let Some(text) = self.defaults.get(base).filter(|text| text.get_ref().contains('{')).cloned() else {
            return Some(None);
        };
        // The owner of the domain is named in full: the label chooses among its hosts only.
        let label = |text: &str| {
            let (before, rest) = text.split_once('{')?;
            let (_, after) = rest.split_once('}')?;
            let host = before.strip_prefix("https://")?;
            let whole = (host.is_empty() || host.ends_with('.')) && after.starts_with('.');
            let owned = after.split(['/', '?', '#']).next().is_some_and(|owner| owner.matches('.').count() > 1);
            let filled = format!("{before}label{after}");
            (whole && owned && !after.contains('{') && is_plain(&filled) && address(&filled).is_ok()).then_some(())
        };
        if label(text.get_ref()).is_none() {
            let advice = "with one whole label as a placeholder at most: `https://{region}.api.example.com`";
            return self.wrong(text.span(), format!("this must be a literal https address, {advice}"));
        }
        let template = self.template(&text, Place::Request)?;
        let setting = template.settings().next().unwrap_or_default().to_owned();
        if !self.patterned.contains(&setting) && !self.chosen.contains(&setting) {
            let what = format!("`{{{setting}}}` is part of a host, so it needs `choices` or a `pattern`");
            return self.wrong(text.span(), what);
        }
        Some(Some(template))
    }

    fn headers(&mut self, raw: &BTreeMap<Spanned<String>, Spanned<String>>) -> Option<Vec<(HeaderName, Template)>> {
        let mut headers = Vec::new();
        for (name, value) in raw {
            let template = self.template(value, Place::Header)?;
            let Ok(header) = name.get_ref().parse::<HeaderName>() else {
                return self.wrong(name.span(), format!("`{}` is not a header's name", name.get_ref()));
            };
            if OURS.contains(&header) {
                let advice = "is never written here: access is shown by `auth` or `login`, the rest is the client's";
                return self.wrong(name.span(), format!("`{}` {advice}", name.get_ref()));
            }
            let secretive = ["auth", "token", "key", "secret"].iter().any(|word| header.as_str().contains(word));
            if secretive && template.only_setting().is_none() {
                return self.wrong(value.span(), "a secret is never written here: use the placeholder of a setting");
            }
            headers.push((header, template));
        }
        Some(headers)
    }

    fn params(&mut self, raw: &BTreeMap<String, Spanned<Value>>) -> Option<Vec<(String, Param)>> {
        raw.iter().map(|(name, value)| Some((name.clone(), self.param(value.span(), value.get_ref())?))).collect()
    }

    fn param(&mut self, span: Range<usize>, value: &Value) -> Option<Param> {
        let named = match value {
            Value::Table(table) if table.len() == 1 => table.iter().next().map(|(name, value)| (name.as_str(), value)),
            _ => None,
        };
        match (value, named) {
            (Value::Array(items), _) => Some(Param::Each(self.items(&span, items)?)),
            (_, Some(("join", Value::Array(items)))) => Some(Param::Joined(self.items(&span, items)?)),
            (_, Some(("json", value))) => Some(Param::Json(self.json(span, value)?)),
            (value, _) => match scalar(value) {
                Some(text) => Some(Param::One(self.template(&Spanned::new(span, text), Place::Query)?)),
                None => self
                    .wrong(span, "a query value is text, a whole number, a list, `{ join = […] }` or `{ json = … }`"),
            },
        }
    }

    fn items(&mut self, span: &Range<usize>, items: &[Value]) -> Option<Vec<Template>> {
        if items.is_empty() {
            return self.wrong(span.clone(), "this list is empty: leave the parameter out");
        }
        items
            .iter()
            .map(|item| match scalar(item) {
                Some(text) => self.template(&Spanned::new(span.clone(), text), Place::Item),
                None => self.wrong(span.clone(), "a list in a query holds texts and whole numbers"),
            })
            .collect()
    }

    fn json(&mut self, span: Range<usize>, value: &Value) -> Option<Json> {
        self.json_in(Place::Request, &span, value)
    }

    pub(super) fn json_in(&mut self, place: Place, span: &Range<usize>, value: &Value) -> Option<Json> {
        let inner = if place == Place::Config { place } else { Place::Request };
        Some(match value {
            Value::String(text) => Json::Text(self.template(&Spanned::new(span.clone(), text.clone()), place)?),
            Value::Integer(number) => Json::Plain((*number).into()),
            Value::Boolean(truth) => Json::Plain((*truth).into()),
            Value::Array(items) => {
                let place = if place == Place::Config { place } else { Place::Item };
                Json::List(items.iter().map(|item| self.json_in(place, span, item)).collect::<Option<_>>()?)
            }
            Value::Table(members) => match (members.len(), members.get("number")) {
                (1, Some(Value::String(text))) => Json::Number(self.number(&Spanned::new(span.clone(), text.clone()))?),
                _ => Json::Object(
                    members
                        .iter()
                        .map(|(name, value)| Some((name.clone(), self.json_in(inner, span, value)?)))
                        .collect::<Option<_>>()?,
                ),
            },
            Value::Float(_) | Value::Datetime(_) => {
                return self.wrong(span.clone(), "a body holds text, whole numbers, true, false, lists and tables");
            }
        })
    }

    /// `{ number = "{placeholder}" }`
    fn number(&mut self, text: &Spanned<String>) -> Option<Template> {
        let template = self.template(text, Place::Request)?;
        let whole = |hole: &Hole| match hole {
            Hole::PageSize => true,
            Hole::Day(_, form) => !matches!(form, DateForm::Date | DateForm::Instant | DateForm::Offset),
            Hole::Setting(name, _) => self.patterned.contains(name),
            Hole::Id | Hole::Ids | Hole::Job => false,
        };
        if template.only_hole().is_some_and(whole) {
            return Some(template);
        }
        self.wrong(
            text.span(),
            "`number` is one placeholder that is a whole number: a part of a day, or a setting with a `pattern` of digits",
        )
    }
}

fn scalar(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Boolean(truth) => Some(truth.to_string()),
        _ => None,
    }
}

impl Request {
    /// Names of the settings in what is sent, but for proof.
    pub(in super::super) fn settings(&self) -> impl Iterator<Item = &str> {
        let in_headers = self.headers.iter().flat_map(|(_, template)| template.settings());
        let elsewhere = self.holes().filter_map(|hole| match hole {
            Hole::Setting(name, _) => Some(name.as_str()),
            _ => None,
        });
        in_headers.chain(elsewhere)
    }

    /// Every placeholder of what is sent, but for headers and proof.
    pub(in super::super) fn holes(&self) -> impl Iterator<Item = &Hole> {
        let mut holes: Vec<_> = self.path.holes().chain(self.raw_query.iter().flat_map(Template::holes)).collect();
        let form = match &self.body {
            Some(Body::Form(fields)) => fields.as_slice(),
            _ => &[],
        };
        for (_, param) in self.query.iter().chain(form) {
            match param {
                Param::One(template) => holes.extend(template.holes()),
                Param::Each(items) | Param::Joined(items) => holes.extend(items.iter().flat_map(Template::holes)),
                Param::Json(json) => json.collect_holes(&mut holes),
            }
        }
        if let Some(Body::Json(json)) = &self.body {
            json.collect_holes(&mut holes);
        }
        holes.into_iter()
    }
}

impl Json {
    /// Every placeholder in it.
    pub(in super::super) fn holes(&self) -> impl Iterator<Item = &Hole> {
        let mut holes = Vec::new();
        self.collect_holes(&mut holes);
        holes.into_iter()
    }

    fn collect_holes<'a>(&'a self, holes: &mut Vec<&'a Hole>) {
        match self {
            Self::Text(template) | Self::Number(template) => holes.extend(template.holes()),
            Self::Plain(_) => {}
            Self::List(items) => items.iter().for_each(|item| item.collect_holes(holes)),
            Self::Object(members) => members.iter().for_each(|(_, member)| member.collect_holes(holes)),
        }
    }
}
