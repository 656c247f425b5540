//! What was asked for besides the address: as a page or as JSON, and which part of a long list. Lists are asked for by links
//! alone, so all of it works without script, and what makes no sense is the first page of everything.

use std::convert::Infallible;
use std::ops::Range;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use maud::{Markup, html};
use serde::Serialize;

use super::parts;
use crate::domain::verdict::Verdict;

/// Most rows of one page of a list.
const ROWS: usize = 100;

/// A list with fewer rows is seen at a glance, and need not be narrowed.
const NARROWED_FROM: usize = 20;

/// The verdicts a list can be narrowed to, in the order of urgency.
const VERDICTS: [Verdict; 5] = [Verdict::Blocked, Verdict::Build, Verdict::Kill, Verdict::Review, Verdict::Collecting];

/// What was asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked {
    /// JSON, and not a page to look at.
    pub is_json: bool,
    /// Which page of the list, from 0.
    page: usize,
    /// Only rows with this verdict.
    pub verdict: Option<Verdict>,
}

impl<S: Sync> FromRequestParts<S> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(request: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self { is_json: wants_json(&request.headers), ..Self::of(request.uri.query().unwrap_or_default()) })
    }
}

/// Whether JSON was asked for, and not a page.
pub fn wants_json(headers: &HeaderMap) -> bool {
    let accepts = headers.get_all(header::ACCEPT).iter().filter_map(|accept| accept.to_str().ok());
    let accepts = accepts.collect::<Vec<_>>().join(",");
    accepts.contains("application/json") && !accepts.contains("text/html")
}

impl Asked {
    fn of(query: &str) -> Self {
        let mut asked = Self::default();
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "page" => asked.page = value.parse::<usize>().map_or(0, |page| page.saturating_sub(1)),
                "verdict" => asked.verdict = VERDICTS.into_iter().find(|verdict| parts::class(*verdict) == value),
                _ => {}
            }
        }
        asked
    }

    /// The part of a list of `all` rows that was asked for, at an address.
    pub fn part(self, path: &'static str, all: usize) -> Part {
        let pages = all.div_ceil(ROWS).max(1);
        Part { page: self.page.min(pages - 1), pages, rows: all, path, verdict: self.verdict }
    }
}

/// One page of a list.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Part {
    /// From 0.
    #[serde(serialize_with = "from_one")]
    page: usize,
    pages: usize,
    rows: usize,
    #[serde(skip)]
    path: &'static str,
    verdict: Option<Verdict>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands over a reference")]
fn from_one<S: serde::Serializer>(page: &usize, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u64(*page as u64 + 1)
}

impl Part {
    /// Which rows are in it.
    pub fn range(&self) -> Range<usize> {
        let first = self.page * ROWS;
        first..self.rows.min(first + ROWS)
    }

    /// `1 to 100 of 1,000 concepts shown.`
    pub fn said(&self, what: &str) -> String {
        let count = |number: usize| crate::decide::figures::count(f64::from(u32::try_from(number).unwrap_or(u32::MAX)));
        let Range { start, end } = self.range();
        match self.pages {
            1 => format!("{} {what} shown.", count(self.rows)),
            _ => format!("{} to {} of {} {what} shown.", count(start + 1), count(end), count(self.rows)),
        }
    }

    fn address(&self, page: usize, verdict: Option<Verdict>) -> String {
        let mut address = self.path.to_owned();
        let parts = [
            verdict.map(|verdict| format!("verdict={}", parts::class(verdict))),
            (page > 0).then(|| format!("page={}", page + 1)),
        ];
        for (position, part) in parts.into_iter().flatten().enumerate() {
            address.push(if position == 0 { '?' } else { '&' });
            address.push_str(&part);
        }
        address
    }

    /// The way to the other pages; nothing where there is one. `what` is listed.
    pub fn pages(&self, what: &str) -> Markup {
        html! {
            @if self.pages > 1 {
                nav.paging aria-label={ "Pages of " (what) } {
                    @if self.page > 0 { a href=(self.address(self.page - 1, self.verdict)) rel="prev" { "Earlier " (what) } }
                    span { "Page " (self.page + 1) " of " (self.pages) }
                    @if self.page + 1 < self.pages { a href=(self.address(self.page + 1, self.verdict)) rel="next" { "Further " (what) } }
                }
            }
        }
    }

    /// The way to the rows with one verdict, with how many there are; nothing where they are few, or all have the same.
    pub fn verdicts(&self, of: &[Option<Verdict>]) -> Markup {
        let all = of.len();
        let counts = VERDICTS.map(|verdict| (verdict, of.iter().filter(|one| **one == Some(verdict)).count()));
        let kinds = counts.iter().filter(|(_, count)| *count > 0 && *count < all).count();
        html! {
            @if kinds > 0 && all >= NARROWED_FROM {
                nav.paging aria-label="Verdicts" {
                    a href=(self.path) aria-current=[self.verdict.is_none().then_some("true")] { "All (" (all) ")" }
                    @for (verdict, count) in counts.iter().filter(|(_, count)| *count > 0) {
                        a href=(self.address(0, Some(*verdict))) aria-current=[(self.verdict == Some(*verdict)).then_some("true")] {
                            (parts::shape(*verdict)) " " (verdict.word()) " (" (count) ")"
                        }
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_on_one_page_and_nonsense_is_the_first() {
        for all in [0, 1, 100, 101, 1000] {
            let part = |page| Asked { page, ..Asked::default() }.part("/", all);
            let rows: Vec<usize> = (0..part(0).pages).flat_map(|page| part(page).range()).collect();
            assert_eq!(rows, (0..all).collect::<Vec<_>>());
            assert!(part(usize::MAX).range().end <= all);
        }
        for query in ["page=-1", "page=0", "page=x&verdict=", "verdict=<b>", "page=99999999999999999999999"] {
            let asked = Asked::of(query);
            assert_eq!((asked.page, asked.verdict), (0, None), "{query}");
        }
        let asked = Asked::of("verdict=kill&page=3");
        assert_eq!((asked.page, asked.verdict), (2, Some(Verdict::Kill)));
        assert_eq!(asked.part("/", 1000).address(3, asked.verdict), "/?verdict=kill&page=4");
    }
}
