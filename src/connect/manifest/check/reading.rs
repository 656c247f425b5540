//! The half of the checks that is about answers: limits, rows, metrics, responses, examples.

use std::collections::BTreeMap;

use serde_spanned::Spanned;
use toml::Value;

use super::super::number::Form;
use super::super::path::{Path, Step};
use super::super::raw::{RawExample, RawLimits, RawMetric, RawResponse, RawRows, nearest, unknown};
use super::super::{DayZone, Example, Expected, Limits, MetricRule, NumberRule, ResponseRule, Rows};
use super::{Check, or_unused};
use crate::domain::metric::{CATALOGUE, MetricId, Unit};
use crate::domain::millionths;
use crate::domain::response::Depth;

impl Check<'_, '_> {
    pub(super) fn limits(&mut self, raw: &RawLimits) -> Limits {
        if let Some(rate) = &raw.per_second
            && !(0.001..=9999.0).contains(rate.get_ref())
        {
            self.wrong::<()>(rate.span(), "`per_second` is a number from 0.001 to 9999");
        }
        if let Some(wait) = &raw.wait_body {
            self.one_of(&wait.unit, &["duration"]);
        }
        Limits {
            per_second: raw.per_second.as_ref().map(|rate| *rate.get_ref()),
            wait_body: raw.wait_body.as_ref().and_then(|wait| self.path(&wait.path)),
            message: raw.message.as_ref().and_then(|message| self.path(message)),
        }
    }

    pub(super) fn rows(&mut self, raw: &RawRows) -> Option<Rows> {
        let each = self.path(&raw.each);
        let is_list = |steps: &[Step]| matches!(steps, [names @ .., Step::Every] if names.iter().all(|step| matches!(step, Step::Name(_))));
        if each.is_some() && !Path::parse(raw.each.get_ref()).is_ok_and(|path| is_list(&path.steps)) {
            self.wrong::<()>(raw.each.span(), "`each` is names and then one `[*]`: `$.results[*]`");
        }
        let none_if = raw.none_if.as_ref().map(|path| self.path(path));
        let id = raw.id.as_ref().map(|path| self.path(path));
        let day = self.path(&raw.day);
        let arms = match raw.arm.get_ref() {
            Value::String(path) => vec![path.clone()],
            Value::Array(paths) if !paths.is_empty() && paths.iter().all(Value::is_str) => {
                paths.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            _ => {
                return self
                    .wrong(raw.arm.span(), "`arm` is a path, or a list of paths of which the first there counts");
            }
        };
        let arm: Option<Vec<_>> = arms.into_iter().map(|path| self.path(&Spanned::new(raw.arm.span(), path))).collect();
        Some(Rows { each: each?, none_if: or_unused(none_if)?, id: or_unused(id)?, day: day?, arm: arm? })
    }

    pub(super) fn response(&mut self, raw: &RawResponse, days: Option<&DayZone>) -> Option<ResponseRule> {
        if !matches!(days, Some(DayZone::Experiment) | None) {
            self.wrong::<()>(raw.id.span(), "a response is an instant: write `zone = \"experiment\"` in `[days]`");
        }
        let id = self.path(&raw.id);
        let person = raw.person.as_ref().map(|person| self.path(person));
        let depths = Depth::ALL.map(Depth::name);
        let depth = self.one_of(&raw.depth, &depths).map(|position| Depth::ALL[position]);
        Some(ResponseRule { id: id?, person: or_unused(person)?, depth: depth? })
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
        let id = MetricId::named(name.get_ref());
        let Some(id) = id else {
            let known: Vec<_> = CATALOGUE.iter().map(|metric| metric.name).collect();
            let near = nearest(name.get_ref(), &known);
            return self.wrong(name.span(), format!("there is no metric `{}`: {near}", name.get_ref()));
        };
        let forms = [&raw.sum, &raw.money, &raw.micros];
        let form = [if raw.fractional { Form::Fractional } else { Form::Whole }, Form::Money, Form::Micros];
        let mut given = forms.iter().zip(form).filter_map(|(path, form)| Some((path.as_ref()?, form)));
        let (path, form) = match (given.next(), given.next(), &raw.count) {
            (None, None, Some(count)) if *count.get_ref() => {
                let alone = raw.currency.is_none() && raw.absent.is_none() && !raw.fractional;
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
            return self.wrong(span, "money needs `currency`, the path of its code in each row, and only money has it");
        }
        if let Some(absent) = raw.absent.as_ref().filter(|absent| *absent.get_ref() != 0) {
            return self.wrong(absent.span(), "a number that is not there can only count as `absent = 0`");
        }
        let path = self.path(path);
        let currency = raw.currency.as_ref().map(|currency| self.path(currency));
        Some(MetricRule {
            id,
            number: Some(NumberRule {
                form,
                path: path?,
                currency: or_unused(currency)?,
                absent_is_zero: raw.absent.is_some(),
            }),
        })
    }

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
        let expect: Option<Vec<_>> = raw
            .expect
            .iter()
            .map(|row| match expected(row) {
                Ok(row) => Some(row),
                Err(what) => self.wrong(span.clone(), what),
            })
            .collect();
        let settings = raw.settings.iter().map(|(name, value)| (name.get_ref().clone(), value.clone())).collect();
        Some(Example { line, page: raw.page.clone(), settings, expect: expect? })
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
