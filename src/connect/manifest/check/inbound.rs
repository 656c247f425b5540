//! The part of the checks that is about deliveries a vendor sends by itself.

use serde_spanned::Spanned;

use super::super::DayZone;
use super::super::inbound::{ActRule, InboundRule};
use super::super::path::{Path, Step};
use super::super::raw::{Raw, RawEvent, RawInbound, RawResponse, RawRows};
use super::Check;
use crate::domain::inbound::Scheme;

/// Longest that a sender may be silent, in days.
const LONGEST_SILENCE: u32 = 30;

impl Check<'_, '_> {
    /// Longest, in days, that a sender is silent that cannot be asked: of a file whose deliveries are all there is.
    pub(super) fn alone(&mut self, raw: &Spanned<RawInbound>, all: &Raw) -> Option<u32> {
        self.no_address(all, "without `[request]` deliveries are all there is");
        if raw.get_ref().act.is_none() {
            return self.wrong(
                raw.span(),
                "without `[request]` deliveries are all there is: say with `act` where one brings its act",
            );
        }
        if let Some(each) = all.rows.as_ref().map(|rows| &rows.get_ref().each).filter(|each| each.get_ref() != "$[*]") {
            return self.wrong(each.span(), "each delivery's act is a row: write `each = \"$[*]\"`");
        }
        match &raw.get_ref().silent_days {
            Some(days) if (1..=LONGEST_SILENCE).contains(days.get_ref()) => Some(*days.get_ref()),
            Some(days) => self.wrong(days.span(), format!("`silent_days` is a number of days, from 1 to {LONGEST_SILENCE}")),
            None => self.wrong(
                raw.span(),
                "`silent_days` is missing: without `[request]` nobody can be asked, so say after how many days without a \
                 delivery something must be wrong",
            ),
        }
    }

    pub(super) fn inbound(
        &mut self,
        raw: &Spanned<RawInbound>,
        all: &Raw,
        days: Option<&DayZone>,
    ) -> Option<InboundRule> {
        let (span, raw) = (raw.span(), raw.get_ref());
        let scheme = Scheme::ALL[self.one_of(&raw.scheme, &Scheme::ALL.map(Scheme::name))?];
        if let Some(days) = raw.silent_days.as_ref().filter(|_| all.request.is_some()) {
            return self.wrong(
                days.span(),
                "`silent_days` is for senders that cannot be asked: leave it, or `[request]`, out",
            );
        }
        let Some(act) = &raw.act else {
            if raw.event.is_some() || raw.id.is_some() || raw.only.is_some() || raw.void.is_some() {
                return self
                    .wrong(span, "without `act` a delivery says only that there is something new: leave the rest out");
            }
            return Some(InboundRule { scheme, act: None });
        };
        if scheme == Scheme::Path {
            return self
                .wrong(act.span(), "nothing proves what such a delivery says: leave `act` out, and it is asked for");
        }
        let (Some(rows), Some(response)) = (&all.rows, &all.response) else {
            return self.wrong(act.span(), "`act` is for people's acts: it needs `[response]`");
        };
        let event = match &raw.event {
            None => None,
            Some(event) => Some(self.event(event)?),
        };
        let at = self.names(act)?;
        let (rows, response) = (rows.get_ref(), response.get_ref());
        let rows = RawRows {
            each: Spanned::new(act.span(), "$[*]".to_owned()),
            only: raw.only.clone().unwrap_or_else(|| rows.only.clone()),
            none_if: None,
            id: None,
            day: rows.day.clone(),
            arm: rows.arm.clone(),
            full_at: None,
            newest_first: None,
            lines: None,
        };
        let response = RawResponse {
            id: raw.id.as_ref().map_or_else(
                || response.id.clone(),
                |id| Spanned::new(id.span(), toml::Value::String(id.get_ref().clone())),
            ),
            void: raw.void.clone().unwrap_or_else(|| response.void.clone()),
            ..response.clone()
        };
        let lists = std::mem::replace(&mut self.lists, 1);
        let rows = self.rows(&rows, days, true);
        let response = self.response(&response, days);
        self.lists = lists;
        Some(InboundRule { scheme, act: Some(ActRule { event, at, rows: rows?, response: response? }) })
    }

    fn event(&mut self, raw: &Spanned<RawEvent>) -> Option<(Vec<String>, Vec<String>)> {
        let RawEvent { path, r#in } = raw.get_ref();
        if r#in.get_ref().is_empty() {
            return self.wrong(r#in.span(), "the list holds the events that bring an act, at least one");
        }
        Some((self.names(path)?, r#in.get_ref().clone()))
    }

    /// A path of names alone.
    fn names(&mut self, path: &Spanned<String>) -> Option<Vec<String>> {
        let parsed = match Path::parse(path.get_ref()) {
            Ok(parsed) => parsed,
            Err(what) => return self.wrong(path.span(), what),
        };
        let name = |step: &Step| match step {
            Step::Name(name) => Some(name.clone()),
            _ => None,
        };
        match parsed.steps.iter().map(name).collect() {
            Some(names) if parsed.up == 0 => Some(names),
            _ => self.wrong(path.span(), "in a delivery names alone lead to it: `$.data.object`"),
        }
    }
}
