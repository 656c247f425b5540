//! Which answer means what: the file's own rules first, also asked of a 200, then the built-in ones. Not
//! how often something is tried again: that is `ask`'s business.

use std::time::Duration;

use super::extract::{Broken, Found, Kind, Seen, is_literal, unquoted};
use super::fill::Template;
use super::path::Literal;
use super::rows::{PageRows, Reader, Reading};

/// One `[[error]]`: every condition it has must hold.
#[derive(Debug)]
pub(super) struct ErrorRule {
    /// One of these, unless empty.
    pub(super) status: Vec<u16>,
    /// What the values at some paths must be.
    pub(super) values: Vec<(Template, Values)>,
    pub(super) then: Then,
    /// How long to wait where the answer does not say.
    pub(super) wait: Option<Duration>,
    /// What is wrong where the answer does not say.
    pub(super) says: Option<String>,
}

/// What is asked of the values at a path. Where nothing stands there, nothing holds.
#[derive(Debug)]
pub(super) enum Values {
    /// One of them is in the list.
    In(Vec<Choice>),
    /// None of them is.
    NotIn(Vec<Choice>),
    /// One of them contains this, in small letters.
    Text(String),
}

/// One entry of such a list.
#[derive(Debug)]
pub(super) enum Choice {
    One(Literal),
    /// A whole number from the first to the last.
    Range(i64, i64),
}

/// What to do about an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Then {
    /// Ask again after a pause.
    Retry,
    /// Ask again when the vendor says.
    Wait,
    /// Renew the access token and ask again, once.
    Renew,
    /// A person must mend access.
    Login,
    /// Ask for fewer days at once.
    Shrink,
    /// This account cannot be read, others can.
    Skip,
    /// There is nothing: zero rows.
    Empty,
    /// The API version has ended.
    Retired,
    /// A person must look.
    Stop,
}

impl Then {
    pub(super) const ALL: [Self; 9] = [
        Self::Retry,
        Self::Wait,
        Self::Renew,
        Self::Login,
        Self::Shrink,
        Self::Skip,
        Self::Empty,
        Self::Retired,
        Self::Stop,
    ];

    /// As written in a manifest.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Wait => "wait",
            Self::Renew => "renew",
            Self::Login => "login",
            Self::Shrink => "shrink",
            Self::Skip => "skip",
            Self::Empty => "empty",
            Self::Retired => "retired",
            Self::Stop => "stop",
        }
    }

    /// What a failing status means where no rule of the file says so.
    fn built_in(status: u16, has_login: bool) -> Option<Self> {
        match status {
            200..=299 => None,
            401 if has_login => Some(Self::Renew),
            401 => Some(Self::Login),
            429 => Some(Self::Wait),
            500..=599 => Some(Self::Retry),
            _ => Some(Self::Stop),
        }
    }
}

impl Values {
    /// Whether what stands at a path meets it.
    pub(super) fn hold(&self, seen: &[Seen<'_>]) -> bool {
        let mut values = seen.iter().filter_map(|seen| match seen {
            Seen::Value(json) => Some(*json),
            Seen::Nothing | Seen::Wrong(_) => None,
        });
        let any_in = |list: &[Choice], json: &str| list.iter().any(|choice| choice.is(json));
        match self {
            Self::In(list) => values.any(|json| any_in(list, json)),
            Self::NotIn(list) => {
                let mut values = values.peekable();
                values.peek().is_some() && !values.any(|json| any_in(list, json))
            }
            Self::Text(text) => values.any(|json| unquoted(json).to_lowercase().contains(text)),
        }
    }
}

impl Choice {
    fn is(&self, json: &str) -> bool {
        match self {
            Self::One(literal) => is_literal(json, literal),
            Self::Range(first, last) => json.parse::<i64>().is_ok_and(|number| (*first..=*last).contains(&number)),
        }
    }
}

/// An answer, judged.
pub(super) enum Judged<'p> {
    Rows(Found<'p>, PageRows<'p>),
    /// With what the vendor says about it, where it says so.
    Then(Then, Said),
    /// Neither rows nor an error the file knows.
    Unreadable(Unreadable),
}

/// What the vendor says about a failure.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) message: Option<String>,
    /// As written: `5s`.
    pub(super) wait: Option<String>,
    /// What the file says where the vendor does not.
    pub(super) fixed: Option<Duration>,
}

/// Why an answer with a good status is none.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// A web page, or other text.
    NotApi,
    Empty,
    Broken(Broken),
}

/// Says what an answer means. It is read once; a second time only when its rows cannot be used, to see
/// whether the vendor says why.
pub(super) fn judge<'p>(
    reader: &Reader,
    rules: &[ErrorRule],
    status: u16,
    page: &'p str,
    has_login: bool,
    reading: Reading,
) -> Judged<'p> {
    let good = (200..300).contains(&status);
    let looks_like_json = matches!(page.trim_start().as_bytes().first(), Some(b'{' | b'['));
    let outcome = if good && looks_like_json { reader.read(page, reading) } else { Err(Broken::Torn) };
    let broken = match outcome {
        Ok((found, rows)) => {
            return match first_rule(reader, rules, status, Some(&found)) {
                Some(rule) => Judged::Then(rule.then, said(reader, Some(&found), Some(rule))),
                None => Judged::Rows(found, rows),
            };
        }
        Err(broken) => broken,
    };
    let found = if looks_like_json { reader.probe(page) } else { None };
    let rule = first_rule(reader, rules, status, found.as_ref());
    let then = rule.map_or_else(|| Then::built_in(status, has_login), |rule| Some(rule.then));
    match then {
        Some(then) => Judged::Then(then, said(reader, found.as_ref(), rule)),
        None if page.trim().is_empty() => Judged::Unreadable(Unreadable::Empty),
        None if !looks_like_json => Judged::Unreadable(Unreadable::NotApi),
        None => Judged::Unreadable(Unreadable::Broken(broken)),
    }
}

/// An answer that holds no rows, judged.
pub(super) enum Plain {
    /// To be read by its own paths.
    Good,
    Then(Then, Said),
    Unreadable(Unreadable),
}

/// As [`judge`], of an answer that holds no rows.
pub(super) fn judge_plain(reader: &Reader, rules: &[ErrorRule], status: u16, page: &str, has_login: bool) -> Plain {
    let looks_like_json = matches!(page.trim_start().as_bytes().first(), Some(b'{' | b'['));
    let found = if looks_like_json { reader.probe(page) } else { None };
    let rule = first_rule(reader, rules, status, found.as_ref());
    let then = rule.map_or_else(|| Then::built_in(status, has_login), |rule| Some(rule.then));
    match then {
        Some(then) => Plain::Then(then, said(reader, found.as_ref(), rule)),
        None if page.trim().is_empty() => Plain::Unreadable(Unreadable::Empty),
        None if !looks_like_json => Plain::Unreadable(Unreadable::NotApi),
        None => Plain::Good,
    }
}

/// The first rule whose conditions all hold.
fn first_rule<'r>(
    reader: &Reader,
    rules: &'r [ErrorRule],
    status: u16,
    found: Option<&Found<'_>>,
) -> Option<&'r ErrorRule> {
    rules.iter().zip(&reader.rules).find_map(|(rule, slots)| {
        let by_status = rule.status.is_empty() || rule.status.contains(&status);
        let holds = |((_, values), slot): (&(Template, Values), &usize)| {
            found.is_some_and(|found| values.hold(found.all(*slot)))
        };
        (by_status && rule.values.iter().zip(slots).all(holds)).then_some(rule)
    })
}

fn said(reader: &Reader, found: Option<&Found<'_>>, rule: Option<&ErrorRule>) -> Said {
    let text = |slot: usize, kinds: &[Kind]| {
        found?.all(slot).iter().find_map(|seen| match seen {
            Seen::Value(json) if kinds.contains(&Kind::of(json)) => Some(unquoted(json).into_owned()),
            _ => None,
        })
    };
    Said {
        message: (reader.message.iter().find_map(|&slot| text(slot, &[Kind::Text])))
            .or_else(|| rule.and_then(|rule| rule.says.clone())),
        wait: reader.wait.and_then(|slot| text(slot, &[Kind::Text, Kind::Number])),
        fixed: rule.and_then(|rule| rule.wait),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen<'p>(values: &[&'p str]) -> Vec<Seen<'p>> {
        values.iter().map(|json| Seen::Value(json)).collect()
    }

    #[test]
    fn values_hold_only_where_something_stands() {
        let listed = || vec![Choice::One(Literal::Whole(0)), Choice::One(Literal::Text("OK".into()))];
        assert!(Values::In(listed()).hold(&seen(&["5", "0"])));
        assert!(!Values::In(listed()).hold(&seen(&["\"0\""])), "text is not a number");
        assert!(!Values::In(listed()).hold(&[]));
        assert!(Values::NotIn(listed()).hold(&seen(&["40100"])));
        assert!(!Values::NotIn(listed()).hold(&seen(&["40100", "\"OK\""])));
        assert!(!Values::NotIn(listed()).hold(&[]));
        let codes = Values::In(vec![Choice::Range(80_000, 80_014)]);
        for (json, holds) in [("80000", true), ("80014", true), ("80015", false), ("\"80004\"", false), ("8e4", false)]
        {
            assert_eq!(codes.hold(&seen(&[json])), holds, "{json}");
        }
        assert!(Values::Text("too many".into()).hold(&seen(&["\"Too Many requests\""])));
        assert!(!Values::Text("too many".into()).hold(&[Seen::Wrong(Kind::Array)]));
    }

    #[test]
    fn built_in_rules_come_from_the_status() {
        for (status, has_login, then) in [
            (200, true, None),
            (204, false, None),
            (401, true, Some(Then::Renew)),
            (401, false, Some(Then::Login)),
            (403, true, Some(Then::Stop)),
            (404, true, Some(Then::Stop)),
            (302, true, Some(Then::Stop)),
            (429, false, Some(Then::Wait)),
            (500, false, Some(Then::Retry)),
            (503, false, Some(Then::Retry)),
        ] {
            assert_eq!(Then::built_in(status, has_login), then, "{status}");
        }
    }
}
