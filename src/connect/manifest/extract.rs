//! Reads a page once by its compiled paths: `serde_json` drives the tree, what is not wanted is skipped,
//! nothing becomes a generic value. What was found stays as the page's own text until somebody asks for
//! a number or a name, so numbers never pass through a float. What a match means is `rows`' business.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize as _;
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::path::Literal;
use super::plan::{Elements, Node, Plan, SlotTest};

/// What stood at the end of a path, or on the way to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen<'p> {
    /// The value's own text in the page.
    Value(&'p str),
    /// `null` on the way.
    Nothing,
    /// Another kind than the path needs, on the way.
    Wrong(Kind),
}

/// Kinds of JSON values, as named in messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    Array,
    Text,
    Number,
    Truth,
    Null,
}

impl Kind {
    /// Tells by the first byte.
    pub(super) fn of(json: &str) -> Self {
        match json.as_bytes().first() {
            Some(b'{') => Self::Object,
            Some(b'[') => Self::Array,
            Some(b'"') => Self::Text,
            Some(b't' | b'f') => Self::Truth,
            Some(b'n') => Self::Null,
            _ => Self::Number,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Object => "an object",
            Self::Array => "a list",
            Self::Text => "text",
            Self::Number => "a number",
            Self::Truth => "true or false",
            Self::Null => "null",
        })
    }
}

/// What a text value says, its escapes undone. Borrows from the page where nothing was escaped.
pub(super) fn unquoted(json: &str) -> Cow<'_, str> {
    let inner = json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap_or(json);
    if inner.contains('\\') {
        // The reader has already accepted this text, so it decodes; a lone surrogate is the exception.
        serde_json::from_str::<String>(json).map_or(Cow::Borrowed(inner), Cow::Owned)
    } else {
        Cow::Borrowed(inner)
    }
}

/// Whether a value is the literal. Numbers are equal when their decimal digits are.
pub(super) fn is_literal(json: &str, literal: &Literal) -> bool {
    match literal {
        Literal::Text(text) => match json.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
            Some(inner) if inner.contains('\\') => unquoted(json) == text.as_str(),
            inner => inner == Some(text.as_str()),
        },
        Literal::Whole(whole) => {
            Kind::of(json) == Kind::Number && super::number::decimal(json).is_some_and(|seen| seen.is_whole(*whole))
        }
        Literal::Truth(truth) => json == if *truth { "true" } else { "false" },
        Literal::Null => json == "null",
    }
}

/// The matches of every path.
#[derive(Debug)]
pub(super) struct Found<'p> {
    slots: Vec<Vec<Seen<'p>>>,
    /// Lists on the way to the rows that should be there, less those that were met.
    missing_lists: isize,
}

impl<'p> Found<'p> {
    /// Matches of one path, in the order of the page.
    pub(super) fn all(&self, slot: usize) -> &[Seen<'p>] {
        &self.slots[slot]
    }

    /// The list of rows was there: where lists hold lists, each of them.
    pub(super) fn list(&self) -> bool {
        self.missing_lists == 0
    }

    fn promote(&mut self, from: usize, to: usize) {
        let mut waiting = std::mem::take(&mut self.slots[from]);
        self.slots[to].append(&mut waiting);
        self.slots[from] = waiting;
    }

    fn holds(&self, test: &SlotTest) -> bool {
        match test {
            SlotTest::Has(slot) => !self.slots[*slot].is_empty(),
            SlotTest::Compare { slot, equal, literal } => {
                let same = matches!(self.slots[*slot][..], [Seen::Value(json)] if is_literal(json, literal));
                same == *equal
            }
            SlotTest::And(left, right) => self.holds(left) && self.holds(right),
            SlotTest::Or(left, right) => self.holds(left) || self.holds(right),
            SlotTest::Not(inner) => !self.holds(inner),
        }
    }
}

/// Is shown every row as soon as it was read.
pub(super) trait RowReader<'p> {
    /// Takes what the row's paths matched; the matches are gone afterwards.
    fn row(&mut self, found: &Found<'p>) -> Result<(), Fault>;
}

impl RowReader<'_> for () {
    fn row(&mut self, _: &Found<'_>) -> Result<(), Fault> {
        Ok(())
    }
}

/// Why a value cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) path: String,
    /// Counted from 1 in its page.
    pub(super) row: Option<u64>,
    pub(super) saw: String,
    /// Where in the page, when the value itself is known.
    pub(super) byte: Option<usize>,
}

/// Why a page could not be read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Broken {
    /// It ends in the middle.
    Torn,
    /// It is not JSON from this byte on, or nested too deep.
    NotJson { byte: usize },
    /// A value cannot be used.
    Fault { fault: Fault, byte: usize },
}

/// Reads a page.
///
/// # Errors
/// [`Broken`] at the first byte that cannot be read or row that cannot be used.
pub(super) fn read<'p, R: RowReader<'p>>(plan: &Plan, page: &'p str, rows: R) -> Result<(Found<'p>, R), Broken> {
    let found = Found { slots: vec![Vec::new(); plan.slots], missing_lists: 1 };
    let mut run = Run { plan, found, rows, fault: None };
    let mut json = serde_json::Deserializer::from_str(page);
    let read = At { node: &plan.nodes[0], run: &mut run }.deserialize(&mut json).and_then(|()| json.end());
    match (read, run.fault) {
        (Ok(()), _) => Ok((run.found, run.rows)),
        (Err(error), Some(fault)) => {
            let byte = fault.byte.unwrap_or_else(|| offset(page, &error));
            Err(Broken::Fault { fault, byte })
        }
        (Err(error), None) if error.is_eof() => Err(Broken::Torn),
        (Err(error), None) => Err(Broken::NotJson { byte: offset(page, &error) }),
    }
}

/// Where an error stands, in bytes from the start of the page.
fn offset(page: &str, error: &serde_json::Error) -> usize {
    let before: usize = page.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    before + error.column()
}

struct Run<'r, 'p, R> {
    plan: &'r Plan,
    found: Found<'p>,
    rows: R,
    fault: Option<Fault>,
}

impl<'p, R> Run<'_, 'p, R> {
    fn fail<E: serde::de::Error>(&mut self, fault: Fault) -> E {
        self.fault = Some(fault);
        E::custom("see the fault")
    }

    fn push(&mut self, slots: &[usize], seen: Seen<'p>) {
        for &slot in slots {
            self.found.slots[slot].push(seen);
        }
    }
}

/// A member or element, seen by the filters and `[-1]` of what it is part of.
struct Part<'a, 'r, 'p, R> {
    of: &'r Node,
    at: At<'a, 'r, 'p, R>,
}

impl<'p, R: RowReader<'p>> DeserializeSeed<'p> for Part<'_, '_, 'p, R> {
    type Value = ();

    fn deserialize<D: Deserializer<'p>>(self, deserializer: D) -> Result<(), D::Error> {
        let Part { of, at: At { node, run } } = self;
        for last in &of.lasts {
            run.found.slots[last.from].clear();
        }
        for filter in &of.filters {
            run.found.slots[filter.promote.from].clear();
            for &field in &filter.fields {
                run.found.slots[field].clear();
            }
        }
        At { node, run: &mut *run }.deserialize(deserializer)?;
        for filter in &of.filters {
            if run.found.holds(&filter.test) {
                run.found.promote(filter.promote.from, filter.promote.to);
            }
        }
        Ok(())
    }
}

/// One value, and what is wanted of it.
struct At<'a, 'r, 'p, R> {
    node: &'r Node,
    run: &'a mut Run<'r, 'p, R>,
}

impl<'p, R: RowReader<'p>> DeserializeSeed<'p> for At<'_, '_, 'p, R> {
    type Value = ();

    fn deserialize<D: Deserializer<'p>>(self, deserializer: D) -> Result<(), D::Error> {
        let At { node, run } = self;
        for &slot in &node.clears {
            run.found.slots[slot].clear();
        }
        if let Some(above) = &node.above {
            // Rows want something of what they are part of, which may stand behind them: it is read first.
            let json = <&'p RawValue>::deserialize(deserializer)?.get();
            for &slot in &above.clears {
                run.found.slots[slot].clear();
            }
            for node in [&run.plan.nodes[above.node], node] {
                let mut again = serde_json::Deserializer::from_str(json);
                let at = At { node, run: &mut *run };
                at.value(&mut again).map_err(D::Error::custom)?;
            }
            return Ok(());
        }
        At { node, run: &mut *run }.value(deserializer)?;
        if node.row { run.rows.row(&run.found).map_err(|fault| run.fail(fault)) } else { Ok(()) }
    }
}

impl<'p, R: RowReader<'p>> At<'_, '_, 'p, R> {
    /// The value itself, and what is wanted within.
    fn value<D: Deserializer<'p>>(self, deserializer: D) -> Result<(), D::Error> {
        let At { node, run } = self;
        if node.takes.is_empty() {
            deserializer.deserialize_any(At { node, run: &mut *run })?;
        } else {
            let json = <&'p RawValue>::deserialize(deserializer)?.get();
            run.push(&node.takes, Seen::Value(json));
            if !node.leaf {
                // Wanted whole and in parts, which is rare: its text is read a second time.
                let mut again = serde_json::Deserializer::from_str(json);
                again.deserialize_any(At { node, run: &mut *run }).map_err(D::Error::custom)?;
            }
        }
        Ok(())
    }
}

impl<'p, R: RowReader<'p>> Visitor<'p> for At<'_, '_, 'p, R> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'p>>(self, mut map: A) -> Result<(), A::Error> {
        let At { node, run } = self;
        run.push(&node.need_array, Seen::Wrong(Kind::Object));
        // Most objects have no wildcard; even dropping an empty set costs time in every one of them.
        let (mut seen, mut others) = (0_u64, None::<BTreeSet<_>>);
        while let Some(key) = map.next_key_seed(KeyOf(node))? {
            let target = match key {
                Key::Unwanted => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
                Key::Named(number, target) => {
                    if seen & (1 << number) != 0 {
                        return Err(run.fail(twice(&node.names[number].0)));
                    }
                    seen |= 1 << number;
                    target
                }
                Key::Member(name, target) => {
                    let repeated = twice(&name);
                    if !others.get_or_insert_default().insert(name) {
                        return Err(run.fail(repeated));
                    }
                    target
                }
            };
            map.next_value_seed(Part { of: node, at: At { node: &run.plan.nodes[target], run: &mut *run } })?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'p>>(self, mut list: A) -> Result<(), A::Error> {
        let At { node, run } = self;
        run.push(&node.need_object, Seen::Wrong(Kind::Array));
        if node.list.is_some() {
            run.found.missing_lists -= 1;
        }
        for position in 0.. {
            let by_index = node.index.iter().find(|(at, _)| *at == position).map(|(_, target)| *target);
            let more = if let Some(target) = by_index.or(node.element) {
                let target = &run.plan.nodes[target];
                list.next_element_seed(Part { of: node, at: At { node: target, run: &mut *run } })?
            } else {
                list.next_element::<IgnoredAny>()?.map(|_| ())
            };
            if more.is_none() {
                break;
            }
            if node.list == Some(Elements::Parents) {
                run.found.missing_lists += 1;
            }
        }
        for last in &node.lasts {
            run.found.promote(last.from, last.to);
        }
        Ok(())
    }

    fn visit_borrowed_str<E: serde::de::Error>(self, _: &'p str) -> Result<(), E> {
        self.scalar(Kind::Text);
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, _: &str) -> Result<(), E> {
        self.scalar(Kind::Text);
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(self, _: bool) -> Result<(), E> {
        self.scalar(Kind::Truth);
        Ok(())
    }

    fn visit_i64<E: serde::de::Error>(self, _: i64) -> Result<(), E> {
        self.scalar(Kind::Number);
        Ok(())
    }

    fn visit_u64<E: serde::de::Error>(self, _: u64) -> Result<(), E> {
        self.scalar(Kind::Number);
        Ok(())
    }

    fn visit_f64<E: serde::de::Error>(self, _: f64) -> Result<(), E> {
        self.scalar(Kind::Number);
        Ok(())
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.scalar(Kind::Null);
        Ok(())
    }
}

impl<R> At<'_, '_, '_, R> {
    /// Something that is neither object nor array where a path may go on.
    fn scalar(self, kind: Kind) {
        let seen = if kind == Kind::Null { Seen::Nothing } else { Seen::Wrong(kind) };
        for slots in [&self.node.need_object, &self.node.need_array, &self.node.need_either] {
            self.run.push(slots, seen);
        }
    }
}

fn twice(name: &str) -> Fault {
    Fault { path: name.to_owned(), row: None, saw: "the same name twice in one object".to_owned(), byte: None }
}

/// What a member's name means to a node.
enum Key<'p> {
    Unwanted,
    Named(usize, usize),
    Member(Cow<'p, str>, usize),
}

/// Looks a member's name up.
struct KeyOf<'r>(&'r Node);

impl KeyOf<'_> {
    fn named<'p>(&self, name: &str) -> Option<Key<'p>> {
        self.0
            .names
            .iter()
            .position(|(wanted, _)| **wanted == *name)
            .map(|number| Key::Named(number, self.0.names[number].1))
    }
}

impl<'p> DeserializeSeed<'p> for KeyOf<'_> {
    type Value = Key<'p>;

    fn deserialize<D: Deserializer<'p>>(self, deserializer: D) -> Result<Key<'p>, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'p> Visitor<'p> for KeyOf<'_> {
    type Value = Key<'p>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_borrowed_str<E>(self, name: &'p str) -> Result<Key<'p>, E> {
        let other = || self.0.member.map_or(Key::Unwanted, |target| Key::Member(Cow::Borrowed(name), target));
        Ok(self.named(name).unwrap_or_else(other))
    }

    fn visit_str<E>(self, name: &str) -> Result<Key<'p>, E> {
        let other = || self.0.member.map_or(Key::Unwanted, |target| Key::Member(Cow::Owned(name.to_owned()), target));
        Ok(self.named(name).unwrap_or_else(other))
    }
}

#[cfg(test)]
mod tests;
