//! The exact shape of a manifest, spans kept so that every mistake names its line. Whether the words make
//! sense together is `check`'s business.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use serde::Deserialize;
use serde::de::{DeserializeOwned, IntoDeserializer};
use serde_spanned::Spanned;
use toml::de::{DeTable, DeValue};

/// Something wrong in a manifest, with what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Counted from 1.
    pub line: usize,
    /// What is wrong and how to mend it.
    pub what: String,
}

/// Collects mistakes, so that all are told at once.
pub(super) struct Mistakes<'t> {
    text: &'t str,
    pub(super) found: Vec<Mistake>,
}

impl<'t> Mistakes<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, found: Vec::new() }
    }

    pub(super) fn add(&mut self, span: Range<usize>, what: impl Into<String>) {
        self.found.push(Mistake { line: self.line(span.start), what: what.into() });
    }

    pub(super) fn line(&self, byte: usize) -> usize {
        self.text.get(..byte).unwrap_or(self.text).matches('\n').count() + 1
    }
}

/// A manifest as written. What could not be read is left out and noted as a mistake.
pub(super) struct Raw {
    pub(super) name: Option<Spanned<String>>,
    pub(super) title: Option<Spanned<String>>,
    pub(super) docs: Option<Spanned<String>>,
    pub(super) api_version: Option<Spanned<String>>,
    pub(super) sunset_on: Option<Spanned<String>>,
    pub(super) checked_on: Option<Spanned<String>>,
    pub(super) verified: Option<Spanned<String>>,
    pub(super) settings: Vec<(Spanned<String>, RawSetting)>,
    pub(super) login: Option<Spanned<RawLogin>>,
    pub(super) auth: Option<Spanned<RawAuth>>,
    pub(super) days: Option<Spanned<RawDays>>,
    pub(super) request: Option<Spanned<RawRequest>>,
    pub(super) page: Option<Spanned<RawPage>>,
    pub(super) limits: Option<Spanned<RawLimits>>,
    pub(super) error: Vec<Spanned<RawError>>,
    pub(super) rows: Option<Spanned<RawRows>>,
    pub(super) metric: Vec<(Spanned<String>, Spanned<RawMetric>)>,
    pub(super) response: Option<Spanned<RawResponse>>,
    pub(super) example: Vec<Spanned<RawExample>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSetting {
    pub(super) help: String,
    #[serde(default)]
    pub(super) secret: bool,
    pub(super) default: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) optional: bool,
    pub(super) pattern: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLogin {
    pub(super) oauth2: RawOauth2,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawOauth2 {
    pub(super) authorize_url: Spanned<String>,
    pub(super) token_url: Spanned<String>,
    pub(super) scopes: Spanned<Vec<String>>,
    pub(super) client: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAuth {
    pub(super) bearer: RawBearer,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBearer {
    pub(super) token: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDays {
    pub(super) zone: Spanned<String>,
    pub(super) ends: Spanned<String>,
    pub(super) longest: Option<u32>,
    pub(super) lookback: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRequest {
    pub(super) method: Spanned<String>,
    pub(super) url: Spanned<String>,
    #[serde(default)]
    pub(super) query: BTreeMap<String, Spanned<toml::Value>>,
    #[serde(default)]
    pub(super) header: BTreeMap<Spanned<String>, Spanned<String>>,
    pub(super) json: Option<BTreeMap<String, Spanned<toml::Value>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPage {
    pub(super) cursor: RawCursor,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCursor {
    pub(super) from: Spanned<String>,
    pub(super) query: Option<String>,
    pub(super) json: Option<String>,
    pub(super) size: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLimits {
    pub(super) per_second: Option<Spanned<f64>>,
    pub(super) wait_body: Option<RawWait>,
    pub(super) message: Option<Spanned<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWait {
    pub(super) path: Spanned<String>,
    pub(super) unit: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawError {
    #[serde(default)]
    pub(super) status: Vec<u16>,
    pub(super) path: Option<Spanned<String>>,
    pub(super) r#in: Option<Spanned<Vec<toml::Value>>>,
    pub(super) not_in: Option<Spanned<Vec<toml::Value>>>,
    pub(super) text: Option<Spanned<String>>,
    pub(super) then: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRows {
    pub(super) each: Spanned<String>,
    pub(super) none_if: Option<Spanned<String>>,
    pub(super) id: Option<Spanned<String>>,
    pub(super) day: Spanned<String>,
    pub(super) arm: Spanned<toml::Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawMetric {
    pub(super) sum: Option<Spanned<String>>,
    pub(super) money: Option<Spanned<String>>,
    pub(super) micros: Option<Spanned<String>>,
    pub(super) count: Option<Spanned<bool>>,
    pub(super) currency: Option<Spanned<String>>,
    pub(super) absent: Option<Spanned<i64>>,
    #[serde(default)]
    pub(super) fractional: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawResponse {
    pub(super) id: Spanned<String>,
    pub(super) person: Option<Spanned<String>>,
    pub(super) depth: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawExample {
    pub(super) page: String,
    #[serde(default)]
    pub(super) settings: BTreeMap<Spanned<String>, String>,
    pub(super) expect: Vec<BTreeMap<String, toml::Value>>,
}

/// Reads the shape. Every table, setting, metric, rule and example is read by itself, so that a mistake in
/// one does not hide those in the others.
pub(super) fn read(mistakes: &mut Mistakes<'_>) -> Option<Raw> {
    let (table, errors) = DeTable::parse_recoverable(mistakes.text);
    for error in &errors {
        mistakes.add(error.span().unwrap_or_default(), error.message());
    }
    if !errors.is_empty() {
        return None;
    }
    let mut file = File { table: table.into_inner(), words: Vec::new(), mistakes };
    let raw = Raw {
        name: file.must("name"),
        title: file.must("title"),
        docs: file.must("docs"),
        api_version: file.one("api_version"),
        sunset_on: file.must("sunset_on"),
        checked_on: file.must("checked_on"),
        verified: file.must("verified"),
        settings: file.named("settings").into_iter().map(|(name, value)| (name, value.into_inner())).collect(),
        login: file.one("login"),
        auth: file.one("auth"),
        days: file.must("days"),
        request: file.must("request"),
        page: file.one("page"),
        limits: file.one("limits"),
        error: file.list("error"),
        rows: file.must("rows"),
        metric: file.named("metric"),
        response: file.one("response"),
        example: file.list("example"),
    };
    file.refuse_the_rest();
    Some(raw)
}

struct File<'t, 'm> {
    table: DeTable<'t>,
    words: Vec<&'static str>,
    mistakes: &'m mut Mistakes<'t>,
}

impl<'t> File<'t, '_> {
    fn take(&mut self, word: &'static str) -> Option<Spanned<DeValue<'t>>> {
        self.words.push(word);
        self.table.remove(word)
    }

    fn decode<T: DeserializeOwned>(&mut self, value: Spanned<DeValue<'t>>) -> Option<Spanned<T>> {
        let span = value.span();
        match T::deserialize(value.into_deserializer()) {
            Ok(decoded) => Some(Spanned::new(span, decoded)),
            Err(error) => {
                self.mistakes.add(error.span().unwrap_or(span), in_plain_words(error.message()));
                None
            }
        }
    }

    fn one<T: DeserializeOwned>(&mut self, word: &'static str) -> Option<Spanned<T>> {
        let value = self.take(word)?;
        self.decode(value)
    }

    /// As [`File::one`], of a word every manifest has.
    fn must<T: DeserializeOwned>(&mut self, word: &'static str) -> Option<Spanned<T>> {
        if !self.table.contains_key(word) {
            self.mistakes.add(0..0, format!("`{word}` is missing: every manifest says it"));
        }
        self.one(word)
    }

    fn list<T: DeserializeOwned>(&mut self, word: &'static str) -> Vec<Spanned<T>> {
        let Some(value) = self.take(word) else { return Vec::new() };
        let span = value.span();
        let DeValue::Array(items) = value.into_inner() else {
            self.mistakes.add(span, format!("`{word}` is written as one or more `[[{word}]]`"));
            return Vec::new();
        };
        items.into_iter().filter_map(|item| self.decode(item)).collect()
    }

    fn named<T: DeserializeOwned>(&mut self, word: &'static str) -> Vec<(Spanned<String>, Spanned<T>)> {
        let Some(value) = self.take(word) else { return Vec::new() };
        let span = value.span();
        let DeValue::Table(entries) = value.into_inner() else {
            self.mistakes.add(span, format!("`{word}` is written as a table, `[{word}]`"));
            return Vec::new();
        };
        entries
            .into_iter()
            .filter_map(|(name, value)| {
                let name = Spanned::new(name.span(), name.into_inner().into_owned());
                Some((name, self.decode(value)?))
            })
            .collect()
    }

    fn refuse_the_rest(self) {
        for (name, _) in &self.table {
            self.mistakes.add(name.span(), unknown(name.get_ref(), &self.words));
        }
    }
}

/// "`nmae` is not a word here: did you mean `name`?"
pub(super) fn unknown(name: &str, known: &[&str]) -> String {
    format!("`{name}` is not known here: {}", nearest(name, known))
}

/// The nearest of some words, or all of them where none is near.
pub(super) fn nearest(name: &str, known: &[&str]) -> String {
    match known.iter().max_by(|a, b| strsim::jaro_winkler(name, a).total_cmp(&strsim::jaro_winkler(name, b))) {
        Some(near) if strsim::jaro_winkler(name, near) > 0.8 => format!("did you mean `{near}`?"),
        Some(only) if known.len() == 1 => format!("write `{only}`"),
        Some(_) => format!("write one of `{}`", known.join("`, `")),
        None => "leave it out".to_owned(),
    }
}

/// What serde says, in our words.
fn in_plain_words(message: &str) -> String {
    let quoted: Vec<_> = message.split('`').skip(1).step_by(2).collect();
    match quoted.as_slice() {
        [name, known @ ..] if message.starts_with("unknown field") => unknown(name, known),
        [name] if message.starts_with("missing field") => format!("`{name}` is missing: write it"),
        _ => message.trim().to_owned(),
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.what)
    }
}
