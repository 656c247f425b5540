//! The part of the checks that is about answers that are no pages: error rules.

use std::ops::Range;
use std::time::Duration;

use serde_spanned::Spanned;
use toml::Value;

use super::super::errors::{Choice, ErrorRule, Then, Values};
use super::super::fill::Template;
use super::super::path::Literal;
use super::super::raw::{RawCondition, RawError};
use super::Check;

/// The longest wait a file may name.
const LONGEST: u64 = 3600;

impl Check<'_, '_> {
    pub(super) fn error_rule(&mut self, raw: &Spanned<RawError>) -> Option<ErrorRule> {
        let (span, raw) = (raw.span(), raw.get_ref());
        let words: Vec<_> = Then::ALL.iter().map(|then| then.word()).collect();
        let then = self.one_of(&raw.then, &words).map(|position| Then::ALL[position]);
        let wait = match &raw.wait {
            None => None,
            Some(wait) if then.is_some_and(|then| !matches!(then, Then::Wait | Then::Retry)) => {
                return self
                    .wrong(wait.span(), "`wait` belongs to `then = \"wait\"` and `then = \"retry\"`: leave it out");
            }
            Some(wait) => Some(self.duration(wait)?),
        };
        let asked = raw.r#in.is_some() || raw.not_in.is_some() || raw.text.is_some();
        let values = match (&raw.path, raw.all.as_slice()) {
            (None, []) if !asked && raw.status.is_empty() => {
                return self.wrong(
                    span,
                    "a rule needs a condition: `status`, `path` with `in`, `not_in` or `text`, or `all` with several of these",
                );
            }
            (None, []) if !asked => Vec::new(),
            (Some(path), []) if asked => {
                vec![self.condition(span, path, raw.r#in.as_ref(), raw.not_in.as_ref(), raw.text.as_ref())?]
            }
            (_, []) => {
                return self.wrong(span, "`path` and one of `in`, `not_in` and `text` belong together: write both");
            }
            (None, conditions) if !asked => {
                let all: Vec<_> = conditions
                    .iter()
                    .map(|condition| {
                        let RawCondition { path, r#in, not_in, text } = condition.get_ref();
                        self.condition(condition.span(), path, r#in.as_ref(), not_in.as_ref(), text.as_ref())
                    })
                    .collect();
                all.into_iter().collect::<Option<_>>()?
            }
            _ => return self.wrong(span, "a rule asks one path, or several in `all`: move this one into `all`"),
        };
        Some(ErrorRule { status: raw.status.clone(), values, then: then?, wait, says: raw.says.clone() })
    }

    fn condition(
        &mut self,
        span: Range<usize>,
        path: &Spanned<String>,
        r#in: Option<&Spanned<Vec<Value>>>,
        not_in: Option<&Spanned<Vec<Value>>>,
        text: Option<&Spanned<String>>,
    ) -> Option<(Template, Values)> {
        let path = self.path(path);
        let values = match (r#in, not_in, text) {
            (Some(list), None, None) => self.choices(list).map(Values::In),
            (None, Some(list), None) => self.choices(list).map(Values::NotIn),
            (None, None, Some(text)) if !text.get_ref().is_empty() => Some(Values::Text(text.get_ref().to_lowercase())),
            _ => self.wrong(span, "a path is asked one thing: write one of `in`, `not_in` and `text`"),
        };
        Some((path?, values?))
    }

    fn choices(&mut self, list: &Spanned<Vec<Value>>) -> Option<Vec<Choice>> {
        let choices: Option<Vec<_>> = list.get_ref().iter().map(choice).collect();
        match choices {
            Some(choices) if !choices.is_empty() => Some(choices),
            _ => self.wrong(
                list.span(),
                "the list holds texts, whole numbers, ranges such as \"80000-80014\", true or false, at least one",
            ),
        }
    }

    /// Reads `60s`, `5m` or `1h`.
    pub(super) fn duration(&mut self, text: &Spanned<String>) -> Option<Duration> {
        let whole = text.get_ref();
        let read = [("s", 1), ("m", 60), ("h", 3600)].iter().find_map(|(unit, seconds)| {
            let number = whole.strip_suffix(unit)?;
            let plain = number.bytes().all(|byte| byte.is_ascii_digit());
            number.parse::<u64>().ok().filter(|_| plain)?.checked_mul(*seconds)
        });
        match read {
            Some(seconds) if (1..=LONGEST).contains(&seconds) => Some(Duration::from_secs(seconds)),
            _ => self.wrong(text.span(), format!("`{whole}` is not a wait: write `60s` or `5m`, at most `1h`")),
        }
    }
}

/// A text of two numbers with a dash between is a range of whole numbers.
fn choice(value: &Value) -> Option<Choice> {
    Some(match value {
        Value::String(text) => match text.split_once('-').map(|(first, last)| (first.parse(), last.parse())) {
            Some((Ok(first), Ok(last))) if first < last => Choice::Range(first, last),
            Some((Ok(_), Ok(_))) => return None,
            _ => Choice::One(Literal::Text(text.clone())),
        },
        Value::Integer(number) => Choice::One(Literal::Whole(*number)),
        Value::Boolean(truth) => Choice::One(Literal::Truth(*truth)),
        _ => return None,
    })
}
