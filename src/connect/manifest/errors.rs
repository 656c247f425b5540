//! Which answer means what: the file's own rules first, also asked of a 200, then the built-in ones. Not
//! how often something is tried again: that is `ask`'s business.

use super::extract::{Broken, Found, Kind, Seen, is_literal, unquoted};
use super::fill::Template;
use super::path::Literal;
use super::rows::{PageRows, Reader, Reading};

/// One `[[error]]`: every condition it has must hold.
#[derive(Debug)]
pub(super) struct ErrorRule {
    /// One of these, unless empty.
    pub(super) status: Vec<u16>,
    pub(super) value: Option<(Template, Values)>,
    pub(super) then: Then,
}

/// What is asked of the values at a path. Where nothing stands there, nothing holds.
#[derive(Debug)]
pub(super) enum Values {
    /// One of them is in the list.
    In(Vec<Literal>),
    /// None of them is.
    NotIn(Vec<Literal>),
    /// One of them contains this, in small letters.
    Text(String),
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
    pub(super) const ALL: [Self; 8] =
        [Self::Retry, Self::Wait, Self::Renew, Self::Login, Self::Skip, Self::Empty, Self::Retired, Self::Stop];

    /// As written in a manifest.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Wait => "wait",
            Self::Renew => "renew",
            Self::Login => "login",
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
    fn hold(&self, seen: &[Seen<'_>]) -> bool {
        let mut values = seen.iter().filter_map(|seen| match seen {
            Seen::Value(json) => Some(*json),
            Seen::Nothing | Seen::Wrong(_) => None,
        });
        let any_in = |list: &[Literal], json: &str| list.iter().any(|literal| is_literal(json, literal));
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
                Some(then) => Judged::Then(then, said(reader, &found)),
                None => Judged::Rows(found, rows),
            };
        }
        Err(broken) => broken,
    };
    let found = if looks_like_json { reader.probe(page) } else { None };
    let then = first_rule(reader, rules, status, found.as_ref()).or_else(|| Then::built_in(status, has_login));
    match then {
        Some(then) => Judged::Then(then, found.map(|found| said(reader, &found)).unwrap_or_default()),
        None if page.trim().is_empty() => Judged::Unreadable(Unreadable::Empty),
        None if !looks_like_json => Judged::Unreadable(Unreadable::NotApi),
        None => Judged::Unreadable(Unreadable::Broken(broken)),
    }
}

/// The first rule whose conditions all hold.
fn first_rule(reader: &Reader, rules: &[ErrorRule], status: u16, found: Option<&Found<'_>>) -> Option<Then> {
    rules.iter().zip(&reader.rules).find_map(|(rule, slot)| {
        let by_status = rule.status.is_empty() || rule.status.contains(&status);
        let by_value = match (&rule.value, slot) {
            (Some((_, values)), Some(slot)) => found.is_some_and(|found| values.hold(found.all(*slot))),
            _ => true,
        };
        (by_status && by_value).then_some(rule.then)
    })
}

fn said(reader: &Reader, found: &Found<'_>) -> Said {
    let text = |slot: Option<usize>| {
        found.all(slot?).iter().find_map(|seen| match seen {
            Seen::Value(json) if Kind::of(json) == Kind::Text => Some(unquoted(json).into_owned()),
            _ => None,
        })
    };
    Said { message: text(reader.message), wait: text(reader.wait) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen<'p>(values: &[&'p str]) -> Vec<Seen<'p>> {
        values.iter().map(|json| Seen::Value(json)).collect()
    }

    #[test]
    fn values_hold_only_where_something_stands() {
        let listed = || vec![Literal::Whole(0), Literal::Text("OK".into())];
        assert!(Values::In(listed()).hold(&seen(&["5", "0"])));
        assert!(!Values::In(listed()).hold(&seen(&["\"0\""])), "text is not a number");
        assert!(!Values::In(listed()).hold(&[]));
        assert!(Values::NotIn(listed()).hold(&seen(&["40100"])));
        assert!(!Values::NotIn(listed()).hold(&seen(&["40100", "\"OK\""])));
        assert!(!Values::NotIn(listed()).hold(&[]));
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
