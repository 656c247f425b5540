//! What must hold before a manifest may be used: words known, paths in the supported part, placeholders
//! known and in their place, addresses literal and https, secrets never literal, dates and an example
//! there. Every mistake is told at once, with its line and what to do.

mod reading;

use std::collections::BTreeSet;
use std::ops::Range;

use chrono::NaiveDate;
use regex::Regex;
use serde_spanned::Spanned;
use toml::Value;

use super::fill::{DateForm, End, Hole, Template};
use super::path::Path;
use super::raw::{self, Mistakes, Raw, RawAuth, RawDays, RawLogin, RawPage, RawRequest, RawSetting, nearest};
use super::{Cursor, CursorPlace, DayZone, Json, Manifest, ManifestError, Proof, Request};
use crate::connect::auth::ClientAuth;
use crate::connect::http::{HeaderName, Method, address};
use crate::domain::connector::{ConnectorInfo, SettingInfo, SettingValue, Settings};

/// Reads and checks a manifest.
pub(super) fn load(file: &str, text: &str) -> Result<Manifest, ManifestError> {
    let mut mistakes = Mistakes::new(text);
    let manifest = raw::read(&mut mistakes).and_then(|raw| {
        let mut names: Vec<_> = raw.settings.iter().map(|(name, _)| name.get_ref().clone()).collect();
        names.extend(raw.api_version.is_some().then(|| "api_version".to_owned()));
        let secret = raw.settings.iter().filter(|(_, setting)| setting.secret);
        let optional = raw.settings.iter().filter(|(_, setting)| setting.optional);
        Check {
            secret: secret.map(|(name, _)| name.get_ref().clone()).collect(),
            optional: optional.map(|(name, _)| name.get_ref().clone()).collect(),
            names,
            used: BTreeSet::new(),
            mistakes: &mut mistakes,
        }
        .manifest(file, raw)
    });
    let mut found = mistakes.found;
    found.sort_by_key(|mistake| mistake.line);
    match manifest {
        Some(manifest) if found.is_empty() => Ok(manifest),
        _ => Err(ManifestError { file: file.to_owned(), mistakes: found }),
    }
}

/// Where a placeholder may stand decides which it may be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Secrets too, and alone an optional setting.
    Header,
    /// Query, body, address.
    Request,
}

struct Check<'m, 't> {
    names: Vec<String>,
    secret: BTreeSet<String>,
    optional: BTreeSet<String>,
    used: BTreeSet<String>,
    mistakes: &'m mut Mistakes<'t>,
}

impl Check<'_, '_> {
    fn wrong<T>(&mut self, span: Range<usize>, what: impl Into<String>) -> Option<T> {
        self.mistakes.add(span, what);
        None
    }

    fn manifest(mut self, file: &str, raw: Raw) -> Option<Manifest> {
        let proof = self.proof(raw.login.as_ref(), raw.auth.as_ref());
        let request = raw.request.as_ref().and_then(|request| self.request(request));
        let cursor = raw.page.as_ref().map(|page| self.cursor(page.get_ref(), request.as_ref()));
        let days = raw.days.as_ref().and_then(|days| self.days(days.get_ref(), request.as_ref()));
        let limits = raw.limits.as_ref().map(|limits| self.limits(limits.get_ref()));
        let errors: Vec<_> = raw.error.iter().map(|rule| self.error_rule(rule)).collect();
        let rows = raw.rows.as_ref().and_then(|rows| self.rows(rows.get_ref()));
        let response = raw.response.as_ref().map(|response| self.response(response.get_ref(), days.as_ref()));
        let metrics = self.metrics(&raw.metric, response.is_some());
        let examples = self.examples(&raw.example);
        let base = request.as_ref().map(|request| request.base.clone());
        let info = self.info(file, raw, base.as_deref(), matches!(proof, Some(Proof::Oauth2 { .. })));
        Some(Manifest {
            info: ConnectorInfo { metrics: metrics.iter().map(|metric| metric.id).collect(), ..info? },
            proof: proof?,
            days: days?,
            request: request?,
            cursor: or_unused(cursor)?,
            limits: limits.unwrap_or_default(),
            errors: errors.into_iter().collect::<Option<_>>()?,
            rows: rows?,
            metrics,
            response: or_unused(response)?,
            examples,
        })
    }

    /// Name, dates and settings: what others may know of the connector.
    fn info(&mut self, file: &str, raw: Raw, base: Option<&str>, needs_login: bool) -> Option<ConnectorInfo> {
        let (name, docs) = (raw.name?, raw.docs?);
        let stem = file.rsplit('/').next().unwrap_or(file).trim_end_matches(".toml");
        if name.get_ref() != stem {
            self.wrong::<()>(name.span(), format!("`name` must be the file's own: write `name = \"{stem}\"`"));
        }
        self.https(&docs);
        let sunset_on = raw.sunset_on?;
        let sunset_on = if sunset_on.get_ref() == "unknown" { None } else { self.date(&sunset_on, " or `unknown`") };
        let checked_on = self.date(&raw.checked_on?, "");
        self.one_of(&raw.verified?, &["live", "recorded", "documented"]);
        // Only where all else could be read is it sure that nothing uses a setting.
        let complete = self.mistakes.found.is_empty();
        let mut settings = Vec::new();
        for (name, setting) in &raw.settings {
            if complete && !self.used.contains(name.get_ref()) {
                self.wrong::<()>(name.span(), format!("nothing uses `{{{}}}`: use it or leave it out", name.get_ref()));
            }
            settings.push(self.setting(name, setting, base == Some(name.get_ref())));
        }
        if let Some(version) = raw.api_version.as_ref().filter(|_| complete && !self.used.contains("api_version")) {
            self.wrong::<()>(version.span(), "nothing uses `{api_version}`: put it into `url`, or leave it out");
        }
        let api_version = raw.api_version.map(Spanned::into_inner);
        // A user may name a newer version before we do.
        settings.extend(api_version.clone().map(|version| SettingInfo {
            name: "api_version".to_owned(),
            help: "a newer version of the vendor's API than the one written here".to_owned(),
            secret: false,
            default: Some(version),
            optional: false,
            pattern: Some("^[0-9A-Za-z.-]+$".to_owned()),
            choices: Vec::new(),
            address: false,
        }));
        // What a vendor allows differs from account to account.
        let per_second = raw.limits.as_ref().and_then(|limits| limits.get_ref().per_second.as_ref());
        settings.extend(per_second.map(|rate| SettingInfo {
            name: "per_second".to_owned(),
            help: "calls a second, where your account may make more or fewer".to_owned(),
            secret: false,
            default: Some(rate.get_ref().to_string()),
            optional: false,
            pattern: Some(r"^([1-9][0-9]{0,3}(\.[0-9]{1,3})?|0\.[0-9]{0,2}[1-9])$".to_owned()),
            choices: Vec::new(),
            address: false,
        }));
        let days = raw.days?.into_inner();
        Some(ConnectorInfo {
            name: name.into_inner(),
            title: raw.title?.into_inner(),
            docs: docs.into_inner(),
            api_version,
            sunset_on,
            checked_on,
            settings,
            needs_login,
            metrics: Vec::new(),
            lookback_days: days.lookback,
            longest_days: days.longest,
            scheduled_by: None,
        })
    }

    fn setting(&mut self, name: &Spanned<String>, raw: &RawSetting, address: bool) -> SettingInfo {
        match &raw.default {
            Some(default) if raw.secret => {
                self.wrong(default.span(), "a secret has no default: every user gives a reference to their own")
            }
            Some(default) if address => self.https(default),
            Some(default) if raw.optional => {
                self.wrong(default.span(), "a setting with a default is never left out: remove `optional`")
            }
            None if address => self.wrong(name.span(), "an address has a default: the vendor's own, https and literal"),
            _ => None::<()>,
        };
        if let Some(pattern) = &raw.pattern {
            let anchored = pattern.get_ref().starts_with('^') && pattern.get_ref().ends_with('$');
            if Regex::new(pattern.get_ref()).is_err() || !anchored {
                self.wrong::<()>(pattern.span(), "`pattern` must be a regular expression between `^` and `$`");
            }
        }
        SettingInfo {
            name: name.get_ref().clone(),
            help: raw.help.clone(),
            secret: raw.secret,
            default: raw.default.as_ref().map(|default| default.get_ref().clone()),
            optional: raw.optional,
            pattern: raw.pattern.as_ref().map(|pattern| pattern.get_ref().clone()),
            choices: Vec::new(),
            address,
        }
    }

    fn proof(&mut self, login: Option<&Spanned<RawLogin>>, auth: Option<&Spanned<RawAuth>>) -> Option<Proof> {
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

    fn request(&mut self, raw: &Spanned<RawRequest>) -> Option<Request> {
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

    fn cursor(&mut self, raw: &RawPage, request: Option<&Request>) -> Option<Cursor> {
        let raw = &raw.cursor;
        let from = self.path(&raw.from)?;
        let place = match (&raw.query, &raw.json) {
            (Some(name), None) => CursorPlace::Query(name.clone()),
            (None, Some(name)) => CursorPlace::Json(name.clone()),
            _ => return self.wrong(raw.from.span(), "say where the cursor goes: `query` or `json`, one of them"),
        };
        let request = request?;
        if matches!(place, CursorPlace::Json(_)) && request.json.is_none() {
            return self.wrong(raw.from.span(), "the cursor goes into the body, but there is no `[request.json]`");
        }
        if raw.size.is_some() != request.holes().any(|hole| *hole == Hole::PageSize) {
            return self
                .wrong(raw.from.span(), "`size` and `{page.size}` in the request belong together: write both or none");
        }
        Some(Cursor { from, place, size: raw.size })
    }

    fn days(&mut self, raw: &RawDays, request: Option<&Request>) -> Option<DayZone> {
        let zone = match raw.zone.get_ref().as_str() {
            "experiment" => DayZone::Experiment,
            path if path.starts_with('$') => DayZone::Row(self.path(&raw.zone)?),
            _ => {
                return self.wrong(
                    raw.zone.span(),
                    "`zone` is a path in each row, or `experiment` where the vendor gives instants",
                );
            }
        };
        let end = match self.one_of(&raw.ends, &["inclusive", "exclusive"])? {
            0 => End::Last,
            _ => End::Next,
        };
        let asked: Vec<_> = request?.holes().filter_map(Hole::as_day).collect();
        let word = if end == End::Last { "{window.end}" } else { "{window.next}" };
        let ends: BTreeSet<_> = asked.iter().map(|(end, _)| *end).collect();
        if ends != BTreeSet::from([End::Start, end]) {
            return self.wrong(
                raw.ends.span(),
                format!("the request must ask for {{window.start}} to {word}, as `ends` says, and no other day"),
            );
        }
        let instants = asked.iter().any(|(_, form)| matches!(form, DateForm::EpochSeconds | DateForm::EpochMillis));
        if instants && matches!(zone, DayZone::Row(_)) {
            return self.wrong(
                raw.zone.span(),
                "the request asks by instants, so the zone must be known before: `zone = \"experiment\"`",
            );
        }
        Some(zone)
    }

    /// Reads a text and its placeholders.
    fn template(&mut self, text: &Spanned<String>, place: Place) -> Option<Template> {
        let names: Vec<_> = self.names.iter().map(String::as_str).collect();
        let template = match Template::parse(text.get_ref(), &names) {
            Ok(template) => template,
            Err(what) => return self.wrong(text.span(), what),
        };
        self.used.extend(template.settings().map(str::to_owned));
        let alone = place == Place::Header && template.only_setting().is_some();
        let misplaced =
            |names: &BTreeSet<String>| template.settings().find(|name| names.contains(*name)).map(str::to_owned);
        if place != Place::Header
            && let Some(name) = misplaced(&self.secret)
        {
            return self.wrong(text.span(), format!("`{{{name}}}` is secret: it may stand in `auth` or a header only"));
        }
        if !alone && let Some(name) = misplaced(&self.optional) {
            return self.wrong(
                text.span(),
                format!("`{{{name}}}` is optional: it may only stand alone in a header, which is then left out"),
            );
        }
        Some(template)
    }

    /// Reads a path and checks it with a hostile value in every placeholder.
    fn path(&mut self, text: &Spanned<String>) -> Option<Template> {
        let template = self.template(text, Place::Request)?;
        if template.settings().count() != template.holes().count() {
            return self.wrong(text.span(), "a path may hold placeholders of settings only");
        }
        let mut settings = Settings::default();
        for name in template.settings() {
            settings.insert(name, SettingValue::Plain("a'b\\c\"d".to_owned()));
        }
        let filled = template.fill_path(&settings).unwrap_or_default();
        match Path::parse(&filled) {
            Ok(_) => Some(template),
            Err(_) if template.settings().count() > 0 => self.wrong(
                text.span(),
                format!(
                    "`{}` is not a path with its placeholder between single quotes: `['{{name}}']`",
                    text.get_ref()
                ),
            ),
            Err(what) => self.wrong(text.span(), what),
        }
    }

    fn https(&mut self, text: &Spanned<String>) -> Option<()> {
        match address(text.get_ref()) {
            Ok(url) if url.scheme() == "https" && !text.get_ref().contains(['{', '}']) => Some(()),
            _ => self.wrong(text.span(), "this must be a literal https address, host and all"),
        }
    }

    fn date(&mut self, text: &Spanned<String>, or: &str) -> Option<NaiveDate> {
        match text.get_ref().parse() {
            Ok(day) => Some(day),
            Err(_) => self.wrong(text.span(), format!("`{}` is not a day: write it as 2026-11-22{or}", text.get_ref())),
        }
    }

    /// Position of a word among those allowed.
    fn one_of(&mut self, word: &Spanned<String>, known: &[&str]) -> Option<usize> {
        match known.iter().position(|known| known == word.get_ref()) {
            Some(position) => Some(position),
            None => self.wrong(
                word.span(),
                format!("`{}` is not known here: {}", word.get_ref(), nearest(word.get_ref(), known)),
            ),
        }
    }
}

/// Outside `None`, the word is not used; inside, a mistake was noted.
#[expect(clippy::option_option, reason = "not used and not readable are different")]
fn or_unused<T>(read: Option<Option<T>>) -> Option<Option<T>> {
    read.map_or(Some(None), |readable| readable.map(Some))
}

impl Request {
    /// Every placeholder of what is sent, but for proof.
    fn holes(&self) -> impl Iterator<Item = &Hole> {
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
