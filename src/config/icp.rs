//! `icp = [{ field = …, … }]` of a policy: who the concept is for, as rules on answers that the sources keep.

use serde_spanned::Spanned;

use super::check::Check;
use super::raw::{self, Section};
use super::report::{quoted, suggestion};
use crate::domain::icp::{IcpRule, IcpTest};

/// The ways to write a rule.
const TESTS: [&str; 6] = ["is", "one_of", "not", "between", "at_least", "at_most"];

/// Reads the rules. `fields` are the answers that the experiment's sources keep; `None` where not all sources are known.
pub(super) fn rules(check: &Check<'_>, policy: &Section<'_>, fields: Option<&[&str]>) -> Vec<IcpRule> {
    let sections = policy.tables("icp", &raw::ICP).unwrap_or_default();
    sections.iter().filter_map(|section| rule(check, section, fields)).collect()
}

fn rule(check: &Check<'_>, section: &Section<'_>, fields: Option<&[&str]>) -> Option<IcpRule> {
    let field = section.need("field", "name the answer it asks about: field = \"employees\"");
    if let (Some(field), Some(fields)) = (&field, fields)
        && !fields.contains(field.get_ref())
    {
        let what = format!("no source here keeps an answer called {}", quoted(field.get_ref()));
        let none = "name it in its source: answers = { employees = \"what the form calls the question\" }";
        check.report.error(field.span(), what, suggestion(field.get_ref(), fields, none));
    }
    let written: Vec<&str> = TESTS.into_iter().filter(|test| section.has(test)).collect();
    let test = match written.as_slice() {
        ["is"] => words(section, "is").map(IcpTest::OneOf),
        ["one_of"] => words(section, "one_of").map(IcpTest::OneOf),
        ["not"] => words(section, "not").map(IcpTest::NoneOf),
        ["between"] => between(check, section),
        ["at_least"] => section.number("at_least").map(|least| IcpTest::Within(Some(least.into_inner()), None)),
        ["at_most"] => section.number("at_most").map(|most| IcpTest::Within(None, Some(most.into_inner()))),
        ["at_least", "at_most"] => {
            let (least, most) = section.number("at_least").zip(section.number("at_most"))?;
            ends(check, section, "at_most", least.into_inner(), &most)
        }
        _ => {
            let what =
                format!("a rule of {} says {}", section.path, if written.is_empty() { "nothing" } else { "too much" });
            let advice = format!("write one of {}, as in between = [20, 200]", TESTS.join(", "));
            check.report.error(section.span.clone(), what, advice);
            None
        }
    };
    Some(IcpRule { field: (*field?.get_ref()).to_owned(), test: test? })
}

/// One word, or a list of them.
fn words(section: &Section<'_>, key: &str) -> Option<Vec<String>> {
    let words: Vec<String> = if section.is_list(key) {
        section.texts(key)?.into_iter().map(|word| word.into_inner().to_owned()).collect()
    } else {
        vec![(*section.text(key)?.get_ref()).to_owned()]
    };
    Some(words).filter(|words| !words.is_empty())
}

fn between(check: &Check<'_>, section: &Section<'_>) -> Option<IcpTest> {
    let numbers = section.numbers("between")?;
    let [least, most] = numbers.as_slice() else {
        let what = format!("{} is {} numbers", section.dotted("between"), numbers.len());
        check.report.error(section.key_span("between"), what, "write the least and the most: between = [20, 200]");
        return None;
    };
    ends(check, section, "between", *least.get_ref(), most)
}

fn ends(check: &Check<'_>, section: &Section<'_>, key: &str, least: f64, most: &Spanned<f64>) -> Option<IcpTest> {
    if least > *most.get_ref() {
        let what = format!("{}: nothing is at least {least} and at most {}", section.dotted(key), most.get_ref());
        check.report.error(most.span(), what, "write the smaller number first");
        return None;
    }
    Some(IcpTest::Within(Some(least), Some(*most.get_ref())))
}
