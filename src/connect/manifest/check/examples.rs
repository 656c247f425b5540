//! The part of the checks that is about a file's own examples: what they say, not whether the file agrees.

use std::collections::BTreeMap;

use serde_spanned::Spanned;
use toml::Value;

use super::super::errors::Then;
use super::super::raw::{RawExample, unknown};
use super::super::{Example, Expected, Meaning};
use super::Check;
use crate::domain::metric::MetricId;
use crate::domain::millionths;

impl Check<'_, '_> {
    pub(super) fn examples(&mut self, raw: &[Spanned<RawExample>]) -> Vec<Example> {
        if raw.is_empty() {
            self.wrong::<()>(0..0, "`[[example]]` is missing: show an answer and what it means, without real data");
        }
        raw.iter().filter_map(|example| self.example(example)).collect()
    }

    fn example(&mut self, raw: &Spanned<RawExample>) -> Option<Example> {
        let (span, raw) = (raw.span(), raw.get_ref());
        let line = self.mistakes.line(span.start);
        for name in raw.settings.keys().filter(|name| !self.names.contains(name.get_ref())).collect::<Vec<_>>() {
            let known: Vec<_> = self.names.iter().map(String::as_str).collect();
            let what = unknown(name.get_ref(), &known);
            self.wrong::<()>(name.span(), what);
        }
        let pages =
            match (&raw.page, &raw.pages, &raw.delivery) {
                (Some(page), None, None) => vec![page.clone()],
                (None, Some(pages), None) if !pages.get_ref().is_empty() => pages.get_ref().clone(),
                (None, None, Some(delivery)) if raw.then.is_none() => vec![delivery.clone()],
                _ => return self.wrong(
                    span,
                    "an example shows an answer: write `page`, `pages` for several calls, or `delivery` with `expect`",
                ),
            };
        let means = match (&raw.expect, &raw.then) {
            (Some(rows), None) => {
                if let Some(status) = raw.status.as_ref().filter(|status| !(200..300).contains(status.get_ref())) {
                    return self.wrong(status.span(), "only an answer with status 200 has rows: leave `status` out");
                }
                let rows: Option<Vec<_>> = rows
                    .iter()
                    .map(|row| match expected(row) {
                        Ok(row) => Some(row),
                        Err(what) => self.wrong(span.clone(), what),
                    })
                    .collect();
                Meaning::Rows(rows?)
            }
            (None, Some(then)) => {
                if pages.len() > 1 {
                    return self.wrong(span, "`then` is about one answer: write `page`");
                }
                let words: Vec<_> = Then::ALL.iter().map(|then| then.word()).collect();
                let then = Then::ALL[self.one_of(then, &words)?];
                Meaning::Then(raw.status.as_ref().map_or(200, |status| *status.get_ref()), then)
            }
            _ => {
                return self.wrong(
                    span,
                    "an example says what its answer means: `expect` with rows, or `then` with what an error leads to",
                );
            }
        };
        let settings = raw.settings.iter().map(|(name, value)| (name.get_ref().clone(), value.clone())).collect();
        Some(Example { line, is_delivery: raw.delivery.is_some(), pages, settings, means })
    }
}

fn expected(row: &BTreeMap<String, Value>) -> Result<Expected, String> {
    let mut expected = Expected { arm: None, day: chrono::NaiveDate::MIN, values: Vec::new() };
    for (name, value) in row {
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Integer(number) => number.to_string(),
            _ => return Err(format!("`{name}` of an example is text or a whole number")),
        };
        match name.as_str() {
            "arm" => expected.arm = Some(text),
            "day" => expected.day = text.parse().map_err(|_| format!("`{text}` is not a day"))?,
            _ => {
                let metric = MetricId::named(name).ok_or_else(|| format!("there is no metric `{name}`"))?;
                let value = millionths::parse(&text).map_err(|error| format!("`{text}` {error}"))?;
                expected.values.push((metric, value));
            }
        }
    }
    if expected.day == chrono::NaiveDate::MIN {
        Err("an example's row needs its `day`".to_owned())
    } else {
        Ok(expected)
    }
}
