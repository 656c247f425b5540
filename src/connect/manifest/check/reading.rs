//! The part of the checks that is about limits and metrics. Rows and people's acts: see `rows`.

use serde_spanned::Spanned;
use toml::Value;

use super::super::fill::Template;
use super::super::number::Form;
use super::super::raw::{RawLimits, RawMetric, nearest};
use super::super::{CurrencyRule, HeaderHint, Limits, MetricRule, NumberRule};
use super::{Check, or_unused};
use crate::connect::http::WaitUnit;
use crate::domain::metric::{MetricId, Unit};
use crate::domain::money::Currency;

impl Check<'_, '_> {
    pub(super) fn limits(&mut self, raw: &RawLimits) -> Limits {
        if let Some(rate) = &raw.per_second
            && !(0.001..=9999.0).contains(rate.get_ref())
        {
            self.wrong::<()>(rate.span(), "`per_second` is a number from 0.001 to 9999");
        }
        if let Some(most) = raw.concurrent.as_ref().filter(|most| !(1..=100).contains(most.get_ref())) {
            self.wrong::<()>(most.span(), "`concurrent` is a number of calls from 1 to 100");
        }
        Limits {
            per_second: raw.per_second.as_ref().map(|rate| *rate.get_ref()),
            concurrent: raw.concurrent.as_ref().map(|most| *most.get_ref()),
            wait: raw.wait.as_ref().and_then(|wait| self.duration(wait)),
            wait_body: raw
                .wait_body
                .as_ref()
                .and_then(|wait| Some((self.path(&wait.path)?, self.wait_unit(&wait.unit)?))),
            wait_header: raw.wait_header.as_ref().and_then(|wait| {
                let unit = self.wait_unit(&wait.unit);
                self.header_hint(&wait.name, wait.path.as_ref(), unit?)
            }),
            busy: raw.busy.as_ref().and_then(|busy| {
                let percent = busy.percent.as_ref().map_or(80, |percent| *percent.get_ref());
                if !(1..=100).contains(&percent) {
                    let span = busy.percent.as_ref().map(Spanned::span).unwrap_or_default();
                    self.wrong::<()>(span, "`percent` is a number from 1 to 100");
                }
                Some((self.header_hint(&busy.name, busy.path.as_ref(), WaitUnit::Seconds)?, percent))
            }),
            message: raw.message.as_ref().map(|message| self.message(message)).unwrap_or_default(),
        }
    }

    fn message(&mut self, raw: &Spanned<toml::Value>) -> Vec<Template> {
        let Some(paths) = texts(raw.get_ref()) else {
            let what = "`message` is a path, or a list of paths of which the first there counts";
            return self.wrong(raw.span(), what).unwrap_or_default();
        };
        paths.into_iter().filter_map(|path| self.path(&Spanned::new(raw.span(), path))).collect()
    }

    fn wait_unit(&mut self, word: &Spanned<String>) -> Option<WaitUnit> {
        let words = WaitUnit::NAMED.map(|(word, _)| word);
        self.one_of(word, &words).map(|position| WaitUnit::NAMED[position].1)
    }

    fn header_hint(
        &mut self,
        name: &Spanned<String>,
        path: Option<&Spanned<String>>,
        unit: WaitUnit,
    ) -> Option<HeaderHint> {
        let path = path.map(|path| self.path(path));
        match name.get_ref().parse() {
            Ok(name) => Some(HeaderHint { name, path: or_unused(path)?, unit }),
            Err(_) => self.wrong(name.span(), format!("`{}` is not a header's name", name.get_ref())),
        }
    }

    pub(super) fn metrics(
        &mut self,
        raw: &[(Spanned<String>, Spanned<RawMetric>)],
        responses: bool,
    ) -> Vec<MetricRule> {
        if raw.is_empty() {
            self.wrong::<()>(0..0, "`metric` is missing: say what is counted, `[metric]`");
        }
        let mut metrics: Vec<_> = raw.iter().filter_map(|(name, rule)| self.metric(name, rule, responses)).collect();
        metrics.sort_by_key(|metric| metric.id);
        metrics
    }

    fn metric(&mut self, name: &Spanned<String>, raw: &Spanned<RawMetric>, responses: bool) -> Option<MetricRule> {
        let (span, raw) = (raw.span(), raw.get_ref());
        let id = MetricId::counted().find(|id| id.metric().name == name.get_ref());
        let Some(id) = id else {
            let known: Vec<_> = MetricId::counted().map(|id| id.metric().name).collect();
            let near = nearest(name.get_ref(), &known);
            return self.wrong(name.span(), format!("there is no metric `{}`: {near}", name.get_ref()));
        };
        let one = |path: &Option<Spanned<String>>| path.as_ref().map(|path| vec![path.clone()]);
        let sum = raw.sum.as_ref().map(|sum| (sum.span(), texts(sum.get_ref())));
        if let Some((span, None)) = sum {
            return self.wrong(span, "`sum` is a path, or a list of paths that are added");
        }
        let sum = sum.and_then(|(span, paths)| {
            Some(paths?.into_iter().map(|path| Spanned::new(span.clone(), path)).collect::<Vec<_>>())
        });
        let form = [if raw.fractional { Form::Fractional } else { Form::Whole }, Form::Money, Form::Micros];
        let forms = [sum, one(&raw.money), one(&raw.micros)];
        let mut given = forms.into_iter().zip(form).filter_map(|(paths, form)| Some((paths?, form)));
        let (paths, form) = match (given.next(), given.next(), &raw.count) {
            (None, None, Some(count)) if *count.get_ref() => {
                let alone = raw.currency.is_none() && raw.absent.is_none() && raw.empty.is_none();
                let alone = alone && !raw.fractional && !raw.exponent;
                return match (responses, alone) {
                    (true, true) => Some(MetricRule { id, number: None }),
                    (false, _) => self.wrong(span, "`count = true` counts people's acts: it needs `[response]`"),
                    (true, false) => self.wrong(span, "`count = true` stands alone"),
                };
            }
            (Some(one), None, None) => one,
            _ => return self.wrong(span, "a metric is read one way: `sum`, `money`, `micros` or `count = true`"),
        };
        if responses {
            return self.wrong(span, "with `[response]` each row is one person's act: write `count = true`");
        }
        let money = matches!(form, Form::Money | Form::Micros);
        if money != (id.metric().unit == Unit::Money) {
            return self.wrong(
                span,
                format!(
                    "`{id}` is {}",
                    if money { "a count: write `sum`" } else { "money: write `money` or `micros`" }
                ),
            );
        }
        if raw.fractional && form != Form::Fractional {
            return self.wrong(span, "`fractional` belongs to `sum`: money is exact as it is");
        }
        if money != raw.currency.is_some() {
            return self.wrong(
                span,
                "money needs `currency`, the path of its code in each row, or \"account\", or the code, and only money has it",
            );
        }
        if let Some(absent) = raw.absent.as_ref().filter(|absent| *absent.get_ref() != 0) {
            return self.wrong(absent.span(), "a number that is not there can only count as `absent = 0`");
        }
        if let Some(empty) = raw.empty.as_ref().filter(|empty| empty.get_ref().is_empty()) {
            return self.wrong(empty.span(), "`empty` lists the texts that stand for zero, such as \"-\": name one");
        }
        let paths: Option<Vec<_>> = paths.iter().map(|path| self.row_path(path)).collect();
        let currency = raw.currency.as_ref().map(|currency| self.currency(currency));
        Some(MetricRule {
            id,
            number: Some(NumberRule {
                form,
                exponent: raw.exponent,
                paths: paths?,
                currency: or_unused(currency)?,
                absent_is_zero: raw.absent.is_some(),
                empty: raw.empty.as_ref().map(|empty| empty.get_ref().clone()).unwrap_or_default(),
            }),
        })
    }

    fn currency(&mut self, raw: &Spanned<String>) -> Option<CurrencyRule> {
        match raw.get_ref().as_str() {
            "account" => Some(CurrencyRule::Account),
            path if path.starts_with(['$', '^']) => self.row_path(raw).map(CurrencyRule::Row),
            code if code.contains('{') || Currency::from_code(code).is_some() => {
                self.words(raw).map(CurrencyRule::Stated)
            }
            _ => self.wrong(
                raw.span(),
                "`currency` is its code's path in each row, \"account\", or a code in capitals such as \"EUR\"",
            ),
        }
    }
}

/// A text, or a list of texts, at least one.
pub(super) fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(list) if !list.is_empty() => list.iter().map(|text| text.as_str().map(str::to_owned)).collect(),
        _ => None,
    }
}
