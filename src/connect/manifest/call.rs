//! One call as it is sent: address, query, headers and body, filled in from a checked `Request`. What changes
//! from page to page is added to a copy. Not when it is sent and not how often: that is `ask`'s business.

use secrecy::SecretString;
use serde_json::Value;

use super::fill::{Filling, Template};
use super::{Body, Json, Param, Request};
use crate::connect::PullError;
use crate::connect::auth::secret_header;
use crate::connect::http::{HeaderMap, HeaderName, HeaderValue, HttpError, Method, Url, address, header};

/// A call with everything in it that stays the same from page to page.
#[derive(Clone)]
pub(super) struct Prepared {
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Filled,
}

#[derive(Clone)]
enum Filled {
    None,
    Json(Value),
    Form(String),
}

/// What one page's call has besides.
#[derive(Clone, Copy)]
pub(super) enum Extra<'e> {
    /// Another parameter of the query.
    Query(&'e str, &'e str),
    /// Another member of the JSON body, below these names.
    Json(&'e [String], &'e Value),
    /// Another header.
    Header(&'e HeaderName, &'e str),
    /// This address instead, absolute or relative; only where it is one of the connector's hosts.
    Address(&'e str, Verb),
}

/// How a page is asked for whose address the vendor gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    /// As the first page, with its body.
    Same,
    /// With `GET` and no body.
    Get,
}

/// One call, complete but for its proof.
pub(super) struct Outgoing {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Vec<u8>>,
}

impl Prepared {
    /// Fills a call in.
    ///
    /// # Errors
    /// [`PullError`] where a setting is missing or is not what the place can hold.
    pub(super) fn new(request: &Request, filling: &Filling<'_>) -> Result<Self, PullError> {
        Ok(Self {
            method: request.method.clone(),
            url: request.fill_url(filling)?,
            headers: request.fill_headers(filling)?,
            body: match &request.body {
                None => Filled::None,
                Some(Body::Json(json)) => Filled::Json(json.fill(filling)?),
                Some(Body::Form(fields)) => Filled::Form(form(fields, filling)?),
            },
        })
    }

    /// The call of one page.
    ///
    /// # Errors
    /// [`PullError::Shape`] where the vendor gave something that cannot be sent.
    pub(super) fn with(&self, extras: &[Extra<'_>]) -> Result<Outgoing, PullError> {
        let mut out =
            Outgoing { method: self.method.clone(), url: self.url.clone(), headers: self.headers.clone(), body: None };
        let mut members: Vec<(&[String], &Value)> = Vec::new();
        let mut bare = false;
        for extra in extras {
            match *extra {
                Extra::Query(name, value) => {
                    out.url.query_pairs_mut().append_pair(name, value);
                }
                Extra::Json(names, value) => members.push((names, value)),
                Extra::Header(name, value) => {
                    let value = HeaderValue::from_str(value)
                        .map_err(|_| next_page("it names a page with characters that no header can hold"))?;
                    out.headers.insert(name.clone(), value);
                }
                Extra::Address(address, verb) => {
                    out.url = self.url.join(address).map_err(|_| next_page("what it gives as an address is none"))?;
                    out.url.set_fragment(None);
                    bare |= verb == Verb::Get;
                }
            }
        }
        if bare {
            out.method = Method::GET;
            out.headers.remove(header::CONTENT_TYPE);
            return Ok(out);
        }
        out.body = match &self.body {
            Filled::None => None,
            Filled::Form(text) => Some(text.clone().into_bytes()),
            Filled::Json(json) if members.is_empty() => Some(json.to_string().into_bytes()),
            Filled::Json(json) => {
                let mut json = json.clone();
                for (names, value) in members {
                    let Some((name, tables)) = names.split_last() else { continue };
                    let table = tables.iter().try_fold(&mut json, |table, name| table.get_mut(name));
                    if let Some(Value::Object(table)) = table {
                        table.insert(name.clone(), value.clone());
                    }
                }
                Some(json.to_string().into_bytes())
            }
        };
        Ok(out)
    }
}

impl Prepared {
    /// The same for the same call, whenever it is made; tells nothing of what is in it.
    ///
    /// # Errors
    /// As [`Prepared::with`].
    pub(super) fn fingerprint(&self) -> Result<String, PullError> {
        let out = self.with(&[])?;
        let mut digest = ring::digest::Context::new(&ring::digest::SHA256);
        let headers = out.headers.iter().flat_map(|(name, value)| [name.as_str().as_bytes(), value.as_bytes()]);
        let parts = [out.method.as_str().as_bytes(), out.url.as_str().as_bytes()].into_iter().chain(headers);
        for part in parts.chain(out.body.as_deref()) {
            digest.update(&(part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        Ok(digest.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

fn next_page(saw: &str) -> PullError {
    PullError::Shape { path: "the next page".to_owned(), saw: saw.to_owned() }
}

/// A setting that config should have refused.
fn not_given(what: &str) -> PullError {
    PullError::Credentials { hint: format!("a setting that {what} needs was not given; run `willitsell check`") }
}

fn for_request<T>(filled: Option<T>) -> Result<T, PullError> {
    filled.ok_or_else(|| not_given("the request"))
}

impl Request {
    fn fill_url(&self, filling: &Filling<'_>) -> Result<Url, PullError> {
        let mut url = self.base_url(filling)?;
        {
            let mut path = url.path_segments_mut().map_err(|()| not_given("the address"))?;
            path.pop_if_empty();
            for segment in self.path.segments() {
                let filled = segment.fill(filling).ok_or_else(|| not_given("the address"))?;
                if filled.is_empty() {
                    continue;
                }
                // The address library drops these two, which would lead to another page of the vendor.
                if filled == "." || filled == ".." {
                    return Err(not_given("the address"));
                }
                path.push(&filled);
            }
            if self.path.ends_in_slash() {
                path.push("");
            }
        }
        if let Some(raw) = &self.raw_query {
            url.set_query(Some(&for_request(raw.fill_escaped(filling))?));
        }
        for (name, param) in &self.query {
            for value in param.fill(filling)? {
                url.query_pairs_mut().append_pair(name, &value);
            }
        }
        Ok(url)
    }

    /// The address below which this call's path lies; it names the host.
    pub(super) fn base_url(&self, filling: &Filling<'_>) -> Result<Url, PullError> {
        let base = filling.settings.plain(&self.base).ok_or_else(|| not_given("the address"))?;
        // Only the manifest's own default has a placeholder; what a user writes there is the whole address.
        let base = match self.labelled.as_ref().filter(|_| base.contains('{')) {
            Some(labelled) => labelled.fill_label(filling).ok_or_else(|| not_given("the address"))?,
            None => base.to_owned(),
        };
        address(&base).map_err(|error| PullError::Network(HttpError::from(error).to_string()))
    }

    fn fill_headers(&self, filling: &Filling<'_>) -> Result<HeaderMap, PullError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let kind = match &self.body {
            Some(Body::Json(_)) => Some("application/json"),
            Some(Body::Form(_)) => Some("application/x-www-form-urlencoded"),
            None => None,
        };
        headers.extend(kind.map(|kind| (header::CONTENT_TYPE, HeaderValue::from_static(kind))));
        for (name, template) in &self.headers {
            // A header whose only placeholder is an optional setting that was not given is left out.
            let Some(value) = template.fill(filling) else { continue };
            let value = secret_header(&SecretString::from(value))
                .map_err(|error| PullError::Credentials { hint: error.to_string() })?;
            headers.insert(name.clone(), value);
        }
        Ok(headers)
    }
}

fn form(fields: &[(String, Param)], filling: &Filling<'_>) -> Result<String, PullError> {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    for (name, param) in fields {
        for value in param.fill(filling)? {
            form.append_pair(name, &value);
        }
    }
    Ok(form.finish())
}

impl Param {
    /// The values that stand after the name, none where an optional setting was not given.
    fn fill(&self, filling: &Filling<'_>) -> Result<Vec<String>, PullError> {
        let items = |items: &[Template]| {
            let filled: Option<Vec<_>> = items.iter().map(|item| item.fill_item(filling)).collect();
            for_request(filled).map(|items| items.concat())
        };
        Ok(match self {
            Self::One(template) => for_request(template.fill_item(filling))?,
            Self::Each(list) => items(list)?,
            Self::Joined(list) => Some(items(list)?.join(",")).filter(|text| !text.is_empty()).into_iter().collect(),
            Self::Json(json) => vec![json.fill(filling)?.to_string()],
        })
    }
}

impl Json {
    /// Filled in; a member that is an optional setting nobody gave is left out.
    ///
    /// # Errors
    /// [`PullError`] where a setting is missing or is no whole number where one must stand.
    pub(super) fn fill(&self, filling: &Filling<'_>) -> Result<Value, PullError> {
        Ok(match self {
            Self::Text(template) => for_request(template.fill(filling))?.into(),
            Self::Number(template) => {
                let text = for_request(template.fill(filling))?;
                let whole = text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<u64>().map(Value::from));
                whole.map_err(|_| PullError::Credentials {
                    hint: format!(
                        "the setting `{}` must be a whole number; mend it in the source's settings",
                        template.only_setting().unwrap_or_default()
                    ),
                })?
            }
            Self::Plain(value) => value.clone(),
            Self::List(items) => {
                let mut list = Vec::with_capacity(items.len());
                for item in items {
                    match item {
                        Self::Text(template) => {
                            list.extend(for_request(template.fill_item(filling))?.into_iter().map(Value::from));
                        }
                        other => list.push(other.fill(filling)?),
                    }
                }
                list.into()
            }
            Self::Object(members) => members
                .iter()
                .filter(|(_, value)| !matches!(value, Self::Text(text) if text.only_setting().is_some() && text.fill(filling).is_none()))
                .map(|(name, value)| Ok((name.clone(), value.fill(filling)?)))
                .collect::<Result<serde_json::Map<_, _>, PullError>>()?
                .into(),
        })
    }
}
