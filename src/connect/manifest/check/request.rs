//! The quarter of the checks that is about what is sent: address, query, headers, body.

use std::ops::Range;

use serde_spanned::Spanned;
use toml::Value;

use super::super::fill::{Hole, Template};
use super::super::raw::RawRequest;
use super::super::{Json, Request};
use super::{Check, Place};
use crate::connect::http::{HeaderName, Method};

impl Check<'_, '_> {
    pub(super) fn request(&mut self, raw: &Spanned<RawRequest>) -> Option<Request> {
        let raw = raw.get_ref();
        let method = match self.one_of(&raw.method, &["GET", "POST"])? {
            0 => Method::GET,
            _ => Method::POST,
        };
        let url = self.template(&raw.url, Place::Request);
        let address = url.as_ref().and_then(Template::after_setting);
        if url.is_some() && address.is_none() {
            self.wrong::<()>(
                raw.url.span(),
                "an address begins with a setting whose default is the vendor's host: `{base_url}/…`",
            );
        }
        let mut query = Vec::new();
        for (name, value) in &raw.query {
            let text = match value.get_ref() {
                Value::String(text) => text.clone(),
                Value::Integer(number) => number.to_string(),
                _ => return self.wrong(value.span(), "a query value is text or a whole number"),
            };
            query.push((name.clone(), self.template(&Spanned::new(value.span(), text), Place::Request)?));
        }
        let mut headers = Vec::new();
        for (name, value) in &raw.header {
            let template = self.template(value, Place::Header)?;
            let Ok(header) = name.get_ref().parse::<HeaderName>() else {
                return self.wrong(name.span(), format!("`{}` is not a header's name", name.get_ref()));
            };
            let secretive = ["auth", "token", "key", "secret"].iter().any(|word| header.as_str().contains(word));
            if secretive && template.only_setting().is_none() {
                return self.wrong(value.span(), "a secret is never written here: use the placeholder of a setting");
            }
            headers.push((header, template));
        }
        let json = match &raw.json {
            Some(_) if method == Method::GET => {
                return self.wrong(raw.method.span(), "a GET has no body: write `method = \"POST\"` or use `query`");
            }
            Some(members) => {
                let members = members
                    .iter()
                    .map(|(name, value)| Some((name.clone(), self.json(value.span(), value.get_ref())?)))
                    .collect::<Option<_>>()?;
                Some(Json::Object(members))
            }
            None => None,
        };
        let (base, path) = address?;
        Some(Request { method, base: base.to_owned(), path, query, headers, json })
    }

    fn json(&mut self, span: Range<usize>, value: &Value) -> Option<Json> {
        Some(match value {
            Value::String(text) => Json::Text(self.template(&Spanned::new(span, text.clone()), Place::Request)?),
            Value::Integer(number) => Json::Plain((*number).into()),
            Value::Boolean(truth) => Json::Plain((*truth).into()),
            Value::Array(items) => {
                Json::List(items.iter().map(|item| self.json(span.clone(), item)).collect::<Option<_>>()?)
            }
            Value::Table(members) => Json::Object(
                members
                    .iter()
                    .map(|(name, value)| Some((name.clone(), self.json(span.clone(), value)?)))
                    .collect::<Option<_>>()?,
            ),
            Value::Float(_) | Value::Datetime(_) => {
                return self.wrong(span, "a body holds text, whole numbers, true, false, lists and tables");
            }
        })
    }
}

impl Request {
    /// Every placeholder of what is sent, but for proof.
    pub(super) fn holes(&self) -> impl Iterator<Item = &Hole> {
        let mut holes: Vec<_> = self.path.holes().collect();
        holes.extend(self.query.iter().flat_map(|(_, template)| template.holes()));
        if let Some(json) = &self.json {
            json.collect_holes(&mut holes);
        }
        holes.into_iter()
    }
}

impl Json {
    fn collect_holes<'a>(&'a self, holes: &mut Vec<&'a Hole>) {
        match self {
            Self::Text(template) => holes.extend(template.holes()),
            Self::Plain(_) => {}
            Self::List(items) => items.iter().for_each(|item| item.collect_holes(holes)),
            Self::Object(members) => members.iter().for_each(|(_, member)| member.collect_holes(holes)),
        }
    }
}
