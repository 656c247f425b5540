//! The quarter of the checks that is about how much is asked at once: pages and days.

use std::collections::BTreeSet;
use std::ops::Range;

use serde_spanned::Spanned;
use toml::Value;

use super::super::call::Verb;
use super::super::fan::{self, Fan};
use super::super::fill::{DateForm, End, Hole, Special};
use super::super::path::{Path, Step};
use super::super::raw::{RawDays, RawFan, RawPage, RawRequest, unknown};
use super::super::{Body, DayZone, Json, PageKind, PagePlace, Paging, Request};
use super::request::OURS;
use super::{Check, or_unused};

/// No vendor keeps days for longer than a century.
const MOST_DAYS: u32 = 36_525;

/// Placeholders of the call that brings the rows.
pub(super) fn special(fan: Option<&RawFan>) -> Vec<Special> {
    let one = |fan: &RawFan| fan.batch.as_ref().is_none_or(|batch| *batch.get_ref() == 1);
    let ids = fan.map(|fan| if one(fan) { Special::Id } else { Special::Ids });
    Special::ROWS.iter().copied().chain(ids).collect()
}

impl Check<'_, '_> {
    /// Reads a paging table of this call.
    pub(super) fn paging(&mut self, raw: &Spanned<RawPage>, request: Option<&Request>) -> Option<Paging> {
        let (span, raw) = (raw.span(), raw.get_ref());
        let (span, kind, size, total) = match (&raw.cursor, &raw.next, &raw.number, &raw.offset) {
            (Some(cursor), None, None, None) => {
                let (span, cursor) = (cursor.span(), cursor.get_ref());
                let from = self.path(&cursor.from);
                let goes_on = cursor.r#while.as_ref().map(|path| self.path(path));
                let place = self.place(cursor.from.span(), [&cursor.query, &cursor.json, &cursor.header], request);
                let kind = PageKind::Cursor { from: from?, goes_on: or_unused(goes_on)?, place: place? };
                (span, kind, cursor.size, &cursor.total)
            }
            (None, Some(next), None, None) => {
                let (span, next) = (next.span(), next.get_ref());
                let verb = match &next.verb {
                    Some(verb) => [Verb::Same, Verb::Get][self.one_of(verb, &["same", "GET"])?],
                    None => Verb::Same,
                };
                (span, PageKind::Next { from: self.path(&next.from)?, verb }, next.size, &next.total)
            }
            (None, None, Some(number), None) => {
                let (span, number) = (number.span(), number.get_ref());
                let place = self.place(span.clone(), [&number.query, &number.json, &None], request);
                let last = number.last.as_ref().map(|path| self.path(path));
                let goes_on = number.r#while.as_ref().map(|path| self.path(path));
                if let (Some(_), Some(goes_on)) = (&number.last, &number.r#while) {
                    let what = "`last` and `while` both say when the pages end: write one of them";
                    return self.wrong(goes_on.span(), what);
                }
                let first = number.first.unwrap_or(1);
                let kind =
                    PageKind::Number { place: place?, first, last: or_unused(last)?, goes_on: or_unused(goes_on)? };
                (span, kind, number.size, &number.total)
            }
            (None, None, None, Some(offset)) => {
                let (span, offset) = (offset.span(), offset.get_ref());
                let place = self.place(span.clone(), [&offset.query, &offset.json, &None], request)?;
                let goes_on = offset.r#while.as_ref().map(|path| self.path(path));
                (span, PageKind::Offset { place, goes_on: or_unused(goes_on)? }, offset.size, &offset.total)
            }
            _ => {
                return self
                    .wrong(span, "say how pages are named: `cursor`, `next`, `number` or `offset`, one of them");
            }
        };
        let total = total.as_ref().map(|path| self.path(path));
        if size.is_some() != request?.holes().any(|hole| *hole == Hole::PageSize) {
            return self.wrong(span, "`size` and `{page.size}` in the request belong together: write both or none");
        }
        Some(Paging { kind, size, total: or_unused(total)? })
    }

    /// Where the name of a page goes: into the query, the body or a header.
    fn place(
        &mut self,
        span: Range<usize>,
        [query, json, header]: [&Option<Spanned<String>>; 3],
        request: Option<&Request>,
    ) -> Option<PagePlace> {
        match (query, json, header) {
            (Some(name), None, None) => Some(PagePlace::Query(name.get_ref().clone())),
            (None, Some(name), None) => match &request?.body {
                Some(Body::Json(body)) => self.place_in(body, name),
                _ => self.wrong(name.span(), "this goes into the body, but there is no `[request.json]`"),
            },
            (None, None, Some(name)) => match name.get_ref().parse() {
                Ok(header) if OURS.contains(&header) => {
                    self.wrong(name.span(), format!("`{}` names no page: it is the client's own", name.get_ref()))
                }
                Ok(header) => Some(PagePlace::Header(header)),
                Err(_) => self.wrong(name.span(), format!("`{}` is not a header's name", name.get_ref())),
            },
            _ => self.wrong(span, "say where the name of the page goes: `query`, `json` or `header`, one of them"),
        }
    }

    /// A name in the body, with dots where it is in a table of the body.
    fn place_in(&mut self, body: &Json, name: &Spanned<String>) -> Option<PagePlace> {
        let names: Vec<String> = name.get_ref().split('.').map(str::to_owned).collect();
        if names.iter().any(|name| name.is_empty() || name.contains(['$', '[', ']', '*'])) {
            return self.wrong(name.span(), "write names with dots between, as `cursor` or `pagination.offset`");
        }
        let (own, tables) = names.split_last()?;
        let mut table = body;
        for (depth, wanted) in tables.iter().enumerate() {
            let Json::Object(members) = table else { break };
            let Some((_, inner)) = members.iter().find(|(name, _)| name == wanted) else {
                let missing = names[..=depth].join(".");
                return self.wrong(
                    name.span(),
                    format!("`[request.json]` has no table `{missing}`: write `{missing} = {{}}` there"),
                );
            };
            table = inner;
        }
        match table {
            Json::Object(members) if members.iter().any(|(name, _)| name == own) => self.wrong(
                name.span(),
                format!(
                    "`[request.json]` has `{}` too: leave it out there, it is sent with every page",
                    name.get_ref()
                ),
            ),
            Json::Object(_) => Some(PagePlace::Json(names)),
            _ => self.wrong(name.span(), "this goes into a table of `[request.json]`, and what stands there is none"),
        }
    }

    /// The ids that the request names, listed first.
    pub(super) fn fan(&mut self, raw: &RawFan, request: Option<&Request>) -> Option<Fan> {
        let list = RawRequest {
            method: Spanned::new(raw.url.span(), "GET".to_owned()),
            url: raw.url.clone(),
            query: raw.query.clone(),
            header: raw.header.clone(),
            raw_query: None,
            json: None,
            form: None,
        };
        let list = self.request_like(&list, Special::ROWS);
        let paging = raw.page.as_ref().map(|page| self.paging(page, list.as_ref()));
        let (path, cut) = match raw.each.get_ref() {
            Value::String(path) => (Some(path.as_str()), None),
            Value::Table(each) => {
                if let Some(word) = each.keys().find(|word| !["path", "cut"].contains(&word.as_str())) {
                    return self.wrong(raw.each.span(), unknown(word, &["path", "cut"]));
                }
                (each.get("path").and_then(Value::as_str), each.get("cut").and_then(Value::as_str))
            }
            _ => (None, None),
        };
        let Some(path) = path.filter(|_| cut != Some("")) else {
            let what = "`each` is the path of the ids, or `{ path = …, cut = \"what each begins with\" }`";
            return self.wrong(raw.each.span(), what);
        };
        let each = self.path(&Spanned::new(raw.each.span(), path.to_owned()));
        let is_list = Path::parse(path).is_ok_and(|path| match fan::split(&path) {
            Some((list, _)) => list.steps.split_last().is_some_and(|(_, names)| !names.contains(&Step::Every)),
            None => false,
        });
        if each.is_some() && !is_list {
            self.wrong::<()>(raw.each.span(), "`each` leads to one list and then to the id: `$.items[*].id`");
        }
        let batch = raw.batch.as_ref().map_or(1, |batch| *batch.get_ref());
        if let Some(batch) = raw.batch.as_ref().filter(|batch| !(1..=10_000).contains(batch.get_ref())) {
            self.wrong::<()>(batch.span(), "`batch` is how many ids one request may name, from 1 to 10000");
        }
        let (hole, word) = if batch == 1 { (Hole::Id, "{id}") } else { (Hole::Ids, "{ids}") };
        if !request?.holes().any(|known| *known == hole) {
            let span = raw.batch.as_ref().map_or_else(|| raw.each.span(), Spanned::span);
            self.wrong::<()>(span, format!("the request names no ids: write `{word}` in it, or leave `[fan]` out"));
        }
        let cut = cut.map(str::to_owned);
        Some(Fan { request: list?, each: each?, cut, paging: or_unused(paging)?, batch })
    }

    /// Where days begin and end, and whether answers hold others than those asked for; `asked` are the days it names.
    pub(super) fn days(&mut self, raw: &RawDays, asked: Option<Vec<(End, DateForm)>>) -> Option<(DayZone, bool)> {
        let zone = match raw.zone.get_ref().as_str() {
            "experiment" => DayZone::Experiment,
            "account" => DayZone::Account,
            setting if setting.contains('{') => {
                let name = self.words(&raw.zone)?;
                self.zone = name.only_setting().map(str::to_owned);
                DayZone::Stated(name)
            }
            path if path.starts_with(['$', '^']) => DayZone::Row(self.row_path(&raw.zone)?),
            name => match name.parse() {
                Ok(zone) => DayZone::Fixed(zone),
                Err(_) => {
                    return self.wrong(
                        raw.zone.span(),
                        "`zone` is a path in each row, a name such as `Europe/Berlin` or `UTC`, a setting that holds one, `account` where `[account]` finds it, or `experiment` where the vendor gives instants",
                    );
                }
            },
        };
        for (days, what) in [(&raw.longest, "longest"), (&raw.oldest, "oldest")] {
            if let Some(days) = days.as_ref().filter(|days| !(1..=MOST_DAYS).contains(days.get_ref())) {
                self.wrong::<()>(days.span(), format!("`{what}` is a number of days, from 1 to {MOST_DAYS}"));
            }
        }
        let ends = self.one_of(&raw.ends, &["inclusive", "exclusive", "open", "none"])?;
        let asked = asked?;
        let days: BTreeSet<_> = asked.iter().map(|(end, _)| *end).collect();
        let (fits, must) = match ends {
            0 => (days == BTreeSet::from([End::Start, End::Last]), "ask for {window.start} to {window.end}"),
            1 => (
                days == BTreeSet::from([End::Start, End::Next]) || days == BTreeSet::from([End::Early, End::Next]),
                "ask for {window.start} or {window.early} to {window.next}",
            ),
            2 => (
                days == BTreeSet::from([End::Start]) || days == BTreeSet::from([End::Early]),
                "ask from {window.start} or {window.early} on",
            ),
            _ => (days.is_empty(), "name no day"),
        };
        if !fits {
            return self
                .wrong(raw.ends.span(), format!("the request must {must}, as `ends` says, and for no other day"));
        }
        let unbounded = ends > 1;
        if let Some(longest) = raw.longest.as_ref().filter(|_| unbounded) {
            let what = "every call reads on to the newest row, so parts would read the same again: leave `longest` out";
            return self.wrong(longest.span(), what);
        }
        let instants = asked.iter().any(|(_, form)| form.is_instant());
        if instants && matches!(zone, DayZone::Row(_)) {
            return self.wrong(
                raw.zone.span(),
                "the request asks by instants, so the zone must be known before: `zone = \"experiment\"`",
            );
        }
        Some((zone, unbounded))
    }
}
