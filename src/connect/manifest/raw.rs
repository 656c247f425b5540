//! The exact shape of a manifest, spans kept so that every mistake names its line. Whether the words make
//! sense together is `check`'s business.

mod shape;

use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeOwned, IntoDeserializer};
use serde_spanned::Spanned;
use toml::de::{DeTable, DeValue};

pub(super) use shape::*;

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
    // Of a program, or of a sender that cannot be asked, there is none.
    let asks_address = !["program", "inbound"].iter().any(|word| file.table.contains_key(*word));
    let raw = Raw {
        name: file.must("name"),
        title: file.must("title"),
        docs: file.must("docs"),
        api_version: file.must("api_version"),
        sunset_on: file.must("sunset_on"),
        checked_on: file.must("checked_on"),
        verified: file.must("verified"),
        settings: file.named("settings").into_iter().map(|(name, value)| (name, value.into_inner())).collect(),
        login: file.one("login"),
        auth: file.one("auth"),
        account: file.one("account"),
        days: file.must("days"),
        program: file.one("program"),
        request: if asks_address { file.must("request") } else { file.one("request") },
        page: file.one("page"),
        fan: file.one("fan"),
        report: file.one("report"),
        limits: file.one("limits"),
        error: file.list("error"),
        rows: file.must("rows"),
        metric: file.named("metric"),
        response: file.one("response"),
        inbound: file.one("inbound"),
        facts: file.one("facts"),
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
