//! What one window has brought so far: which rows are new, where the pages end, repeat or contradict each
//! other, and the facts they agree on. Asking for them is `page`'s business.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde_json::value::RawValue;

use super::Manifest;
use super::extract::{Found, unquoted};
use super::facts::Heard;
use super::identity::{Ledger, Row};
use super::number::shown;
use super::page::Halt;
use super::pager::Brought;
use super::rows::{PageRows, Reader, Stood};
use crate::connect::{PullError, PullFacts, PullRequest};
use crate::domain::connector::{Facts, Field, RowSink};
use crate::domain::money::Currency;
use crate::domain::observation::DateWindow;

/// Most bytes of one window, all pages together.
pub(super) const WINDOW_BYTES: usize = 2 * 1024 * 1024 * 1024;

/// What a window has brought so far.
pub(super) struct Window {
    /// The days it speaks for.
    covered: DateWindow,
    ledger: Ledger,
    pub(super) pages: u32,
    bytes: usize,
    /// Rows on all pages, whether used or not.
    seen: u64,
    rows: u64,
    repeats: u64,
    outside: Option<(u64, NaiveDate)>,
    zone: Option<String>,
    currency: Option<String>,
    fields: Vec<Stood>,
    /// Pages in a row that brought nothing new.
    stale_pages: u32,
    pub(super) heard: Heard,
}

impl Window {
    pub(super) fn new(reader: &Reader, covered: DateWindow) -> Self {
        Self {
            covered,
            ledger: Ledger::default(),
            pages: 0,
            bytes: 0,
            seen: 0,
            rows: 0,
            repeats: 0,
            outside: None,
            zone: None,
            currency: None,
            fields: reader.no_fields(),
            stale_pages: 0,
            heard: Heard::default(),
        }
    }

    /// Hands a page's rows over.
    pub(super) async fn take<'p>(
        &mut self,
        reader: &Reader,
        page: &'p str,
        found: &Found<'p>,
        mut rows: PageRows<'p>,
        sink: &mut dyn RowSink,
    ) -> Result<Brought, Halt> {
        self.pages += 1;
        self.bytes = self.bytes.saturating_add(page.len());
        if !found.list() && !reader.says_none(page, found) {
            return Err(PullError::Shape { path: reader.each.clone(), saw: no_list(page) }.into());
        }
        self.heard.listen(reader, page, found)?;
        self.seen += rows.seen;
        let (zone_path, currency_path) = reader.zone_and_currency();
        same(&mut self.zone, rows.zone, zone_path)?;
        same(&mut self.currency, rows.currency, currency_path)?;
        for (ever, here) in self.fields.iter_mut().zip(&rows.fields) {
            *ever = ever.and(*here);
        }
        if let Some((count, day)) = rows.outside {
            let (before, first) = self.outside.unwrap_or((0, day));
            self.outside = Some((before + count, first));
        }
        let repeats = self.repeats;
        let ledger = &mut self.ledger;
        let batch = rows.batch(|fingerprint, name| match ledger.enter(fingerprint) {
            Row::New => Ok(true),
            Row::Repeat => {
                self.repeats += 1;
                Ok(false)
            }
            Row::Contradiction => Err(Halt::Moved(PullError::Shape {
                path: reader.each.clone(),
                saw: format!("{} comes twice and says two things, and did so when all was read once more", name()),
            })),
        })?;
        let stale = batch.is_empty() && self.repeats > repeats;
        self.stale_pages = if stale { self.stale_pages + 1 } else { 0 };
        if !batch.is_empty() {
            self.rows += batch.len() as u64;
            sink.accept(&batch).await.map_err(PullError::from)?;
        }
        drop(batch);
        Ok(Brought { rows: rows.seen, repeats: self.repeats - repeats, stale })
    }

    /// Something else is asked for: its pages are new even where those before were not.
    pub(super) fn begin_call(&mut self) {
        self.stale_pages = 0;
    }

    /// Refuses to go on where the pages do not end.
    pub(super) fn go_on(&self, most_pages: u32, next: Option<&str>) -> Result<(), PullError> {
        let next = next.map(|next| format!("; the next would be `{next}`")).unwrap_or_default();
        let endless = |why: String| Err(PullError::Shape { path: "the next page".to_owned(), saw: why });
        if self.stale_pages > 1 {
            return endless(format!("two pages brought only rows that were there before{next}"));
        }
        if self.pages >= most_pages {
            return endless(format!("more than {most_pages} pages{next}; ask for fewer days"));
        }
        if self.bytes > WINDOW_BYTES {
            return endless(format!("more than {WINDOW_BYTES} bytes in {} pages; ask for fewer days", self.pages));
        }
        Ok(())
    }

    pub(super) fn facts(
        self,
        reader: &Reader,
        request: &PullRequest<'_>,
        manifest: &Manifest,
    ) -> Result<PullFacts, PullError> {
        let (zone_path, currency_path) = reader.zone_and_currency();
        let not = |path: Option<&str>, value: &str, what: &str| PullError::Shape {
            path: path.unwrap_or(&manifest.info.name).to_owned(),
            saw: format!("{} is not {what}", shown(value)),
        };
        let day_zone = match &self.zone {
            None => manifest.days.zone(request),
            Some(json) => {
                unquoted(json).parse::<Tz>().map_err(|_| not(zone_path, json, "a time zone such as Europe/Berlin"))?
            }
        };
        let stated = reader.stated_currency.as_ref().map(|code| format!("\"{code}\""));
        let currency = match self.currency.as_ref().or(stated.as_ref()) {
            None => None,
            Some(json) => Some(
                Currency::from_code(&unquoted(json))
                    .ok_or_else(|| not(currency_path, json, "a currency code such as EUR"))?,
            ),
        };
        let mut warnings = Vec::new();
        if self.seen == 0 && manifest.response.is_some() && self.covered.first() < self.covered.last() {
            let (first, last) = (self.covered.first(), self.covered.last());
            warnings.push(format!(
                "nobody from {first} to {last}: if somebody was there, check the address and what is asked for in the source's settings, for some vendors answer with an empty list in the wrong region"
            ));
        }
        if self.repeats > 0 {
            warnings.push(format!("{} rows came twice, word for word, and were counted once", self.repeats));
        }
        if let Some((count, day)) = self.outside.filter(|_| !manifest.answers_more()) {
            warnings.push(format!("{count} rows of days that were not asked for, such as {day}, were left out"));
        }
        // No rows say nothing of what stands in them.
        let fields = if self.rows > 0 { reader.fields(self.rows, &self.fields) } else { Vec::new() };
        for Field { metric, path, of, .. } in fields.iter().filter(|field| field.rows == 0) {
            let rows = if *of == 1 { "the only row".to_owned() } else { format!("any of {of} rows") };
            warnings.push(format!(
                "nothing called `{path}` in {rows}, so {metric} counts as zero: either there were none yet, or the vendor renamed it"
            ));
        }
        let (facts, upgraded) = self.heard.into_facts(reader, request.settings.plain("api_version"));
        let facts = Facts { fields, ..facts };
        warnings.extend(upgraded);
        Ok(PullFacts { pages: self.pages, rows: self.rows, day_zone, currency, facts, covered: self.covered, warnings })
    }
}

/// What stands where the list of rows should: the page's own names, never its values.
fn no_list(page: &str) -> String {
    match serde_json::from_str::<BTreeMap<String, &RawValue>>(page) {
        Ok(members) if members.is_empty() => "no list of rows there; the answer is `{}`".to_owned(),
        Ok(members) => {
            let names: Vec<_> = members.keys().take(8).map(|name| format!("`{name}`")).collect();
            format!("no list of rows there; the answer has {}", names.join(", "))
        }
        Err(_) => "no list of rows there".to_owned(),
    }
}

/// Zone and currency belong to the account: one for the whole window.
fn same(before: &mut Option<String>, now: Option<&str>, path: Option<&str>) -> Result<(), PullError> {
    match (before.as_deref(), now) {
        (Some(before), Some(now)) if before != now => Err(PullError::Shape {
            path: path.unwrap_or_default().to_owned(),
            saw: format!("{} differs from {} on the pages before", shown(now), shown(before)),
        }),
        (None, Some(now)) => {
            *before = Some(now.to_owned());
            Ok(())
        }
        _ => Ok(()),
    }
}
