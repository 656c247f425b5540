//! The part of the checks that is about a program asked in place of a vendor's address.

use std::time::Duration;

use serde_spanned::Spanned;

use super::super::Json;
use super::super::fill::{DateForm, End, Hole, Special};
use super::super::program::{PATH, Program, Speaks};
use super::super::raw::{Raw, RawProgram};
use super::{Check, Place};

/// How long a program may run where the file does not say.
const WITHIN: Duration = Duration::from_mins(30);

impl Check<'_, '_> {
    pub(super) fn program(&mut self, raw: &Spanned<RawProgram>, all: &Raw) -> Option<Program> {
        self.no_address(all, "a program is asked and no address");
        if let Some(inbound) = &all.inbound {
            self.wrong::<()>(inbound.span(), "a program is asked, so there is no `inbound`: leave it out");
        }
        let (span, raw) = (raw.span(), raw.get_ref());
        if all.settings.iter().any(|(name, _)| name.get_ref() == PATH) {
            let what = format!("`{PATH}` is a setting of every connector that runs one: leave it out of `[settings]`");
            self.wrong::<()>(span.clone(), what);
        }
        let speaks = match (self.one_of(&raw.speaks, &["singer", "lines"])?, &raw.stream, &raw.selects) {
            (0, Some(stream), selects) => Speaks::Singer {
                stream: self.words(stream)?,
                selects: selects.as_ref().is_none_or(|selects| *selects.get_ref()),
            },
            (0, None, _) => {
                return self.wrong(raw.speaks.span(), "`stream` is missing: name the tap's stream whose records count");
            }
            (_, None, None) => Speaks::Lines,
            _ => return self.wrong(raw.speaks.span(), "`stream` and `selects` are of Singer taps: leave them out"),
        };
        let tells_news = self.one_of(&raw.tells, &["all", "news"])? == 1;
        if tells_news && all.response.is_none() {
            // Counts of a day are added up from rows that may come in parts: which of them are old cannot be told.
            let what = "news can be added to people's acts only, which have ids: write `tells = \"all\"`";
            return self.wrong(raw.tells.span(), what);
        }
        if let Some(each) = all.rows.as_ref().map(|rows| &rows.get_ref().each).filter(|each| each.get_ref() != "$[*]") {
            return self.wrong(each.span(), "each record is a row: write `each = \"$[*]\"`");
        }
        let within = match &raw.within {
            Some(within) => self.duration(within)?,
            None => WITHIN,
        };
        let before = std::mem::replace(&mut self.special, vec![Special::Window]);
        let members = raw
            .config
            .iter()
            .map(|(name, value)| Some((name.clone(), self.json_in(Place::Config, &value.span(), value.get_ref())?)))
            .collect::<Option<_>>();
        self.special = before;
        Some(Program { speaks, tells_news, within, config: Json::Object(members?) })
    }

    /// What only an address has.
    pub(super) fn no_address(&mut self, all: &Raw, why: &str) {
        let words = [
            ("request", all.request.as_ref().map(Spanned::span)),
            ("login", all.login.as_ref().map(Spanned::span)),
            ("auth", all.auth.as_ref().map(Spanned::span)),
            ("account", all.account.as_ref().map(Spanned::span)),
            ("page", all.page.as_ref().map(Spanned::span)),
            ("fan", all.fan.as_ref().map(Spanned::span)),
            ("report", all.report.as_ref().map(Spanned::span)),
            ("limits", all.limits.as_ref().map(Spanned::span)),
            ("error", all.error.first().map(Spanned::span)),
        ];
        for (word, span) in words.into_iter().filter_map(|(word, span)| Some((word, span?))) {
            self.wrong::<()>(span, format!("{why}, so there is no `{word}`: leave it out"));
        }
    }
}

impl Program {
    /// The days that it is told.
    pub(super) fn days(&self) -> Vec<(End, DateForm)> {
        match self.speaks {
            Speaks::Lines => vec![(End::Start, DateForm::Date), (End::Last, DateForm::Date)],
            Speaks::Singer { .. } => days_of(self.config.holes()),
        }
    }
}

/// The days among placeholders.
pub(super) fn days_of<'h>(holes: impl Iterator<Item = &'h Hole>) -> Vec<(End, DateForm)> {
    holes.filter_map(Hole::as_day).collect()
}
