//! The part of RFC 9535 (`JSONPath`) a manifest may use: names, an index from the start, `[-1]`, `*`, and
//! filters that test presence or compare a field below `@` with a literal. Anything else is refused by
//! name when the file loads. Reading a page by these paths is `extract`'s business.

use rsonpath_syntax::num::JsonNumber;
use rsonpath_syntax::{
    Comparable, ComparisonExpr, ComparisonOp, Index, JsonPathQuery, Literal as RawLiteral, LogicalExpr, Segment,
    Selector, SingularJsonPathQuery, SingularSegment, TestExpr,
};

/// Longest path, in bytes, and most steps of one: a path is taken apart step by step, each within the one before.
const LONGEST: usize = 2000;
const MOST_STEPS: usize = 127;

/// One parsed path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Path {
    /// As written, for messages.
    pub(super) text: String,
    /// Begins so many lists above the row, `^` each; 0 begins where it is read.
    pub(super) up: usize,
    pub(super) steps: Vec<Step>,
}

/// One step down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Name(String),
    /// Counted from the start.
    Index(u64),
    /// `[-1]`
    Last,
    /// `[*]`
    Every,
    Filter(Test),
}

/// What a filter asks of each element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Test {
    Has(Vec<Step>),
    Compare { field: Vec<Step>, equal: bool, literal: Literal },
    And(Box<Test>, Box<Test>),
    Or(Box<Test>, Box<Test>),
    Not(Box<Test>),
}

/// What a field may be compared with: in a filter, and in an error rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Literal {
    Text(String),
    Whole(i64),
    Truth(bool),
    Null,
}

impl Path {
    /// Reads a path.
    ///
    /// # Errors
    /// A sentence that says which part is not supported or where the text stops being a path.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        if text.len() > LONGEST {
            return Err(format!("a path of more than {LONGEST} bytes leads nowhere: shorten it"));
        }
        let below = text.trim_start_matches('^');
        let up = text.len() - below.len();
        let whole = if up > 0 { format!("${below}") } else { text.to_owned() };
        let query = rsonpath_syntax::parse(&whole).map_err(|error| {
            let first = error.to_string();
            let line = first.lines().find(|line| !line.trim().is_empty()).unwrap_or("it does not parse").to_owned();
            format!("`{text}` is not a JSONPath ({}): it must read like `$.results[*].id`", line.trim())
        })?;
        let steps = steps(&query).map_err(|what| format!("`{text}`: {what}"))?;
        if steps.len() > MOST_STEPS {
            return Err(format!("a path of more than {MOST_STEPS} steps leads deeper than any answer: shorten it"));
        }
        Ok(Self { text: text.to_owned(), up, steps })
    }

    /// Lists it goes through, element by element.
    pub(super) fn lists(&self) -> usize {
        self.steps.iter().filter(|step| **step == Step::Every).count()
    }
}

/// A text as it may stand between single quotes in a path.
pub(super) fn quoted(text: String) -> String {
    if text.contains(|c: char| matches!(c, '\\' | '\'') || c.is_control()) {
        return text.replace('\\', "\\\\").replace('\'', "\\'").replace(|c: char| c.is_control(), " ");
    }
    text
}

fn steps(query: &JsonPathQuery) -> Result<Vec<Step>, String> {
    query
        .segments()
        .iter()
        .map(|segment| match segment {
            Segment::Descendant(_) => Err("`..` is not supported: write the way down step by step".to_owned()),
            Segment::Child(selectors) => match selectors.as_slice() {
                [only] => step(only),
                _ => Err("several selectors in one `[…]` are not supported: give each its own path".to_owned()),
            },
        })
        .collect()
}

fn step(selector: &Selector) -> Result<Step, String> {
    match selector {
        Selector::Name(name) => Ok(Step::Name(name.unquoted().to_owned())),
        Selector::Wildcard => Ok(Step::Every),
        Selector::Index(index) => element(index),
        Selector::Slice(_) => Err("slices such as `[1:3]` are not supported".to_owned()),
        Selector::Filter(expression) => Ok(Step::Filter(test(expression)?)),
    }
}

fn element(index: &Index) -> Result<Step, String> {
    match index {
        Index::FromStart(index) => Ok(Step::Index(index.as_u64())),
        Index::FromEnd(back) if back.as_u64() == 1 => Ok(Step::Last),
        Index::FromEnd(_) => Err("of the elements counted from the end only `[-1]` is supported".to_owned()),
    }
}

fn test(expression: &LogicalExpr) -> Result<Test, String> {
    Ok(match expression {
        LogicalExpr::Or(left, right) => Test::Or(Box::new(test(left)?), Box::new(test(right)?)),
        LogicalExpr::And(left, right) => Test::And(Box::new(test(left)?), Box::new(test(right)?)),
        LogicalExpr::Not(inner) => Test::Not(Box::new(test(inner)?)),
        LogicalExpr::Comparison(comparison) => compare(comparison)?,
        LogicalExpr::Test(TestExpr::Relative(query)) => {
            let field = steps(query)?;
            if !field.iter().all(|step| matches!(step, Step::Name(_) | Step::Index(_))) {
                return Err("a filter may test names and elements below `@`, nothing more".to_owned());
            }
            below_element(field).map(Test::Has)?
        }
        LogicalExpr::Test(TestExpr::Absolute(_)) => return Err(LOOKS_OUTSIDE.to_owned()),
    })
}

const LOOKS_OUTSIDE: &str = "a filter may look only below `@`, not at the rest of the page";

fn below_element(field: Vec<Step>) -> Result<Vec<Step>, String> {
    if field.is_empty() { Err("a filter must name a field below `@`".to_owned()) } else { Ok(field) }
}

fn compare(comparison: &ComparisonExpr) -> Result<Test, String> {
    let equal = match comparison.op() {
        ComparisonOp::EqualTo => true,
        ComparisonOp::NotEqualTo => false,
        _ => return Err("a filter may compare by `==` and `!=` only".to_owned()),
    };
    let (field, literal) = match (comparison.lhs(), comparison.rhs()) {
        (Comparable::RelativeSingularQuery(field), Comparable::Literal(literal))
        | (Comparable::Literal(literal), Comparable::RelativeSingularQuery(field)) => (field, literal),
        (Comparable::AbsoluteSingularQuery(_), _) | (_, Comparable::AbsoluteSingularQuery(_)) => {
            return Err(LOOKS_OUTSIDE.to_owned());
        }
        _ => return Err("a filter may compare a field below `@` with a literal only".to_owned()),
    };
    Ok(Test::Compare { field: below_element(field_steps(field)?)?, equal, literal: to_literal(literal)? })
}

fn field_steps(field: &SingularJsonPathQuery) -> Result<Vec<Step>, String> {
    field
        .segments()
        .map(|segment| match segment {
            SingularSegment::Name(name) => Ok(Step::Name(name.unquoted().to_owned())),
            SingularSegment::Index(Index::FromStart(index)) => Ok(Step::Index(index.as_u64())),
            SingularSegment::Index(Index::FromEnd(_)) => {
                Err("a filter may count elements from the start only".to_owned())
            }
        })
        .collect()
}

fn to_literal(literal: &RawLiteral) -> Result<Literal, String> {
    match literal {
        RawLiteral::String(text) => Ok(Literal::Text(text.unquoted().to_owned())),
        RawLiteral::Bool(truth) => Ok(Literal::Truth(*truth)),
        RawLiteral::Null => Ok(Literal::Null),
        RawLiteral::Number(JsonNumber::Int(whole)) => Ok(Literal::Whole(whole.as_i64())),
        RawLiteral::Number(JsonNumber::Float(_)) => {
            Err("a filter may compare with text, whole numbers, true, false and null".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_supported_part() {
        let path = Path::parse("$.answers[?@.type == 'email' && !(@.x[0] || @.n != 3)].email").unwrap();
        assert_eq!(path.steps.len(), 3);
        let last = Path::parse("$['items'][-1].token").unwrap();
        assert_eq!(last.steps, [Step::Name("items".into()), Step::Last, Step::Name("token".into())]);
        assert_eq!(Path::parse("$.a[*][2]").unwrap().steps[1..], [Step::Every, Step::Index(2)]);
        assert_eq!(Path::parse("$").unwrap().steps, []);
        let parent = Path::parse("^^.customer['id']").unwrap();
        assert_eq!((parent.up, parent.steps.len(), parent.text.as_str()), (2, 2, "^^.customer['id']"));
    }

    #[test]
    fn refuses_the_rest_by_name() {
        for (text, named) in [
            ("results.id", "not a JSONPath"),
            ("$.a[", "not a JSONPath"),
            ("^$.a", "not a JSONPath"),
            ("$..id", "`..`"),
            ("$.a[0,1]", "several selectors"),
            ("$.a[1:3]", "slices"),
            ("$.a[-2]", "`[-1]`"),
            ("$.a[?@.b < 3]", "`==` and `!=`"),
            ("$.a[?@.b == 1.5]", "whole numbers"),
            ("$.a[?@.b == @.c]", "with a literal"),
            ("$.a[?$.b == 3]", "only below `@`"),
            ("$.a[?$.b]", "only below `@`"),
            ("$.a[?@ == 3]", "below `@`"),
            ("$.a[?@.b[*]]", "names and elements"),
            ("$.a[?@.b[-1] == 3]", "from the start"),
        ] {
            let error = Path::parse(text).unwrap_err();
            assert!(error.contains(named), "{text}: {error}");
        }
    }
}
