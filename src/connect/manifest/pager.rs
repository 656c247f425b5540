//! Which page is next: a cursor, an address, a number or an offset; where pages lead in a circle, and whether
//! as many rows came as the vendor counts. Not what stands on a page and not how it is asked for.

use std::collections::HashSet;

use serde_json::Value;

use super::ask::Asker;
use super::call::{Extra, Verb};
use super::extract::{Fault, Found, Seen};
use super::fill::Template;
use super::page::Halt;
use super::taker::text;
use super::{PageKind, PagePlace, Paging};
use crate::connect::PullError;

/// Where a page says something of the pages after it, by slot.
#[derive(Clone, Debug, Default)]
pub(super) struct MarkSlots {
    next: Option<usize>,
    goes_on: Option<usize>,
    last: Option<usize>,
    total: Option<usize>,
}

impl MarkSlots {
    /// Puts every path of a paging table into a plan.
    ///
    /// # Errors
    /// Whatever `add` says.
    pub(super) fn add<E>(
        paging: Option<&Paging>,
        mut add: impl FnMut(&Template) -> Result<usize, E>,
    ) -> Result<Self, E> {
        let Some(paging) = paging else { return Ok(Self::default()) };
        let (next, goes_on, last) = match &paging.kind {
            PageKind::Cursor { from, goes_on, .. } => (Some(from), goes_on.as_ref(), None),
            PageKind::Next { from, .. } => (Some(from), None, None),
            PageKind::Number { last, goes_on, .. } => (None, goes_on.as_ref(), last.as_ref()),
            PageKind::Offset { goes_on, .. } => (None, goes_on.as_ref(), None),
        };
        let mut maybe = |path: Option<&Template>| path.map(&mut add).transpose();
        Ok(Self {
            next: maybe(next)?,
            goes_on: maybe(goes_on)?,
            last: maybe(last)?,
            total: maybe(paging.total.as_ref())?,
        })
    }

    /// Reads them of one page; `paths` are those of the plan, as written. One that says that it has `none` need not count them.
    pub(super) fn read(&self, paths: &[String], page: &str, found: &Found<'_>, none: bool) -> Result<Marks, Fault> {
        let read = |slot: Option<usize>| match slot {
            Some(slot) => Ok(text(&paths[slot], page, found.all(slot), false)?.map(std::borrow::Cow::into_owned)),
            None => Ok(None),
        };
        let number = |slot: Option<usize>| match (slot, read(slot)?) {
            (Some(slot), Some(text)) => text.parse().map(Some).map_err(|_| Fault {
                path: paths[slot].clone(),
                row: None,
                saw: format!("`{text}` is not a whole number"),
                byte: None,
            }),
            (Some(slot), None) => {
                Err(Fault { path: paths[slot].clone(), row: None, saw: "nothing stands there".to_owned(), byte: None })
            }
            (None, _) => Ok(None),
        };
        let there =
            |seen: &Seen<'_>| matches!(seen, Seen::Value(json) if !["null", "false", "\"\"", "0"].contains(json));
        Ok(Marks {
            next: read(self.next)?,
            goes_on: self.goes_on.map(|slot| found.all(slot).iter().any(there)),
            last: number(self.last)?,
            total: if none && read(self.total)?.is_none() { self.total.map(|_| 0) } else { number(self.total)? },
        })
    }
}

/// What one page says of the pages after it.
pub(super) struct Marks {
    next: Option<String>,
    goes_on: Option<bool>,
    last: Option<u64>,
    total: Option<u64>,
}

impl Marks {
    /// How many rows there are in all, where the vendor counts them.
    pub(super) fn total(&self) -> Option<u64> {
        self.total
    }
}

/// What one page brought.
#[derive(Clone, Copy)]
pub(super) struct Brought {
    /// Rows or ids on it.
    pub(super) rows: u64,
    /// Those of them that were on an earlier page.
    pub(super) repeats: u64,
    /// There were such, and nothing new that counts.
    pub(super) stale: bool,
}

/// The pages of one call, one after the other.
pub(super) struct Pager<'m> {
    paging: Option<&'m Paging>,
    at: At,
    known: HashSet<String>,
    pages: u64,
    /// Pages in a row that held nothing.
    empty: u32,
    rows: u64,
    repeats: u64,
    last: Option<u64>,
    total: Option<u64>,
}

/// Most pages without a row, one after the other: some vendors give a few where they leave rows out.
const MOST_EMPTY: u32 = 100;
/// Longest name or address of a page, in bytes: all of a call are remembered.
const LONGEST_NAME: usize = 64 << 10;

/// The page to ask for.
enum At {
    First,
    Cursor(String, Value),
    Address(String),
    Number(Value),
}

impl<'m> Pager<'m> {
    pub(super) fn new(paging: Option<&'m Paging>) -> Self {
        let at = match paging.map(|paging| &paging.kind) {
            Some(PageKind::Number { first, .. }) => At::Number((*first).into()),
            Some(PageKind::Offset { .. }) => At::Number(0.into()),
            Some(PageKind::Cursor { .. } | PageKind::Next { .. }) | None => At::First,
        };
        Self { paging, at, known: HashSet::new(), pages: 0, empty: 0, rows: 0, repeats: 0, last: None, total: None }
    }

    /// What the page's call has besides. `number` lends the text of a page's number a place to stand.
    pub(super) fn extra<'e>(&'e self, number: &'e mut String) -> Option<Extra<'e>> {
        let (text, value): (&str, &Value) = match &self.at {
            At::First => return None,
            At::Address(address) => return Some(Extra::Address(address, self.verb())),
            At::Cursor(text, value) => (text, value),
            At::Number(value) => {
                *number = value.to_string();
                (number, value)
            }
        };
        Some(match self.paging?.kind.place()? {
            PagePlace::Query(name) => Extra::Query(name, text),
            PagePlace::Json(names) => Extra::Json(names, value),
            PagePlace::Header(name) => Extra::Header(name, text),
        })
    }

    fn verb(&self) -> Verb {
        match self.paging.map(|paging| &paging.kind) {
            Some(PageKind::Next { verb, .. }) => *verb,
            _ => Verb::Same,
        }
    }

    /// Takes note of a page; returns whether there is another, which is asked for next.
    ///
    /// # Errors
    /// Where pages lead in a circle, or do not fit together.
    pub(super) fn turn(&mut self, marks: Marks, brought: Brought, asker: &Asker<'_>) -> Result<bool, Halt> {
        let Some(paging) = self.paging else { return Ok(false) };
        self.pages += 1;
        self.rows += brought.rows;
        self.repeats += brought.repeats;
        unchanged(&mut self.last, marks.last, "pages")?;
        unchanged(&mut self.total, marks.total, "rows")?;
        let by_place = matches!(paging.kind, PageKind::Number { .. } | PageKind::Offset { .. });
        if by_place && brought.stale {
            return Err(moved(&format!("page {} brought only rows that were there before", self.pages)));
        }
        let more = match &paging.kind {
            PageKind::Cursor { .. } => match (marks.next, marks.goes_on) {
                (_, Some(false)) | (None, None) => None,
                // An empty page may stand between others; one that leads nowhere new is the last.
                (Some(cursor), None) if brought.rows == 0 && self.known.contains(&cursor) => None,
                (Some(cursor), _) => Some(At::Cursor(cursor.clone(), cursor.into())),
                (None, Some(true)) => {
                    return Err(wrong("the page says that it goes on, and does not name the next one".to_owned()));
                }
            },
            PageKind::Next { .. } => marks.next.map(At::Address),
            PageKind::Number { first, .. } => {
                let more = match marks.last {
                    Some(last) if brought.rows == 0 && self.pages <= last => {
                        return Err(moved(&format!("page {} of {last} is empty", self.pages)));
                    }
                    Some(last) => self.pages < last,
                    None => marks.goes_on.unwrap_or(brought.rows > 0),
                };
                more.then(|| At::Number((u64::from(*first) + self.pages).into()))
            }
            // By what came and not by what was asked for: a vendor may give fewer at once than that.
            PageKind::Offset { .. } => {
                let more = match marks.goes_on {
                    Some(true) if brought.rows == 0 => {
                        return Err(moved(&format!("page {} is empty and says that it goes on", self.pages)));
                    }
                    Some(goes_on) => goes_on,
                    None => brought.rows > 0 && marks.total.is_none_or(|total| self.rows < total),
                };
                more.then(|| At::Number(self.rows.into()))
            }
        };
        let Some(at) = more else { return self.end() };
        self.empty = if brought.rows == 0 { self.empty + 1 } else { 0 };
        if self.empty > MOST_EMPTY {
            return Err(wrong(format!("{MOST_EMPTY} pages in a row hold nothing, and each names another")));
        }
        self.enter(&at, asker)?;
        self.at = at;
        Ok(true)
    }

    /// Refuses a page that was asked for before.
    fn enter(&mut self, at: &At, asker: &Asker<'_>) -> Result<(), Halt> {
        let (name, shown) = match at {
            At::Cursor(cursor, _) => (cursor, format!("the page `{}`", asker.shown(cursor))),
            // It may hold a token.
            At::Address(address) => (address, "the same address".to_owned()),
            At::First | At::Number(_) => return Ok(()),
        };
        if name.len() > LONGEST_NAME {
            return Err(wrong(format!("the page names the next one in more than {LONGEST_NAME} bytes")));
        }
        if self.known.insert(name.clone()) {
            return Ok(());
        }
        Err(wrong(format!("the vendor leads in a circle: it names {shown} a second time")))
    }

    /// The name of the page to ask for, as it may be shown.
    pub(super) fn shown(&self, asker: &Asker<'_>) -> Option<String> {
        match &self.at {
            At::Cursor(name, _) => Some(asker.shown(name)),
            At::Number(number) => Some(number.to_string()),
            At::First | At::Address(_) => None,
        }
    }

    /// The vendor says that there is nothing where a page should be: good as a first answer, and after others
    /// where none of them promised more.
    ///
    /// # Errors
    /// Where one did.
    pub(super) fn nothing(&self) -> Result<(), Halt> {
        let promised = matches!(
            self.paging.map(|paging| &paging.kind),
            Some(
                PageKind::Next { .. }
                    | PageKind::Cursor { goes_on: Some(_), .. }
                    | PageKind::Number { last: Some(_), .. }
                    | PageKind::Number { goes_on: Some(_), .. }
                    | PageKind::Offset { goes_on: Some(_), .. }
            )
        );
        if self.pages > 0 && promised {
            let page = self.pages + 1;
            return Err(moved(&format!("page {page} is said to hold nothing, and the one before leads to it")));
        }
        self.end().map(|_| ())
    }

    /// There are no more pages: as many rows must have come as there are.
    fn end(&self) -> Result<bool, Halt> {
        let came = self.rows - self.repeats;
        match self.total {
            Some(total) if total != came => {
                Err(moved(&format!("the vendor counts {total} rows, and {came} different ones came")))
            }
            _ => Ok(false),
        }
    }
}

/// A count that every page must repeat.
fn unchanged(before: &mut Option<u64>, now: Option<u64>, what: &str) -> Result<(), Halt> {
    match (*before, now) {
        (Some(before), Some(now)) if before != now => {
            Err(moved(&format!("there were {before} {what} in all, and on a later page {now}")))
        }
        _ => {
            *before = now;
            Ok(())
        }
    }
}

fn wrong(saw: String) -> Halt {
    Halt::Failed(PullError::Shape { path: "the next page".to_owned(), saw })
}

/// Rows moved between the pages while they were read.
fn moved(saw: &str) -> Halt {
    Halt::Moved(PullError::Shape {
        path: "the next page".to_owned(),
        saw: format!("{saw}; it was no better when all was read once more"),
    })
}

impl PageKind {
    /// Where the name of a page goes; an address goes nowhere, it is asked.
    fn place(&self) -> Option<&PagePlace> {
        match self {
            Self::Cursor { place, .. } | Self::Number { place, .. } | Self::Offset { place, .. } => Some(place),
            Self::Next { .. } => None,
        }
    }
}
