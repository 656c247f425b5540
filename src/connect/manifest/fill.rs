//! Placeholders: a setting, an end of the window in one of the date forms, the page size, an id of a
//! fan-out, a report's job. Known and checked when the file loads, filled when a source is asked, escaped
//! for the place they stand in. Nothing computes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;

use chrono::{DateTime, Datelike, Days, SecondsFormat, Utc};
use chrono_tz::Tz;
use secrecy::ExposeSecret;

use super::raw::nearest;
use crate::domain::connector::{SettingValue, Settings};
use crate::domain::observation::{DateWindow, first_instant};

/// Text with placeholders in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    Hole(Hole),
}

/// One placeholder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Hole {
    /// What the user wrote, or what is sent in its place.
    Setting(String, Option<Sent>),
    Day(End, DateForm),
    PageSize,
    /// The one id of a fan-out's batch.
    Id,
    /// All ids of a fan-out's batch: stands alone in a list, which holds one item for each.
    Ids,
    /// The open job of a report.
    Job,
}

/// What is sent for each word a user may choose.
pub(super) type Sent = Arc<BTreeMap<String, String>>;

/// The placeholders there are in one place.
#[derive(Clone, Copy)]
pub(super) struct Known<'k> {
    /// Names of settings, in the order of the file.
    pub(super) settings: &'k [String],
    /// Of settings that are chosen from a table: what is sent.
    pub(super) sent: &'k BTreeMap<String, Sent>,
    pub(super) special: &'k [Special],
}

/// Placeholders that only some calls have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Special {
    Window,
    PageSize,
    Id,
    Ids,
    Job,
}

impl Special {
    /// Of the call that brings the rows, where nothing comes before it.
    pub(super) const ROWS: &'static [Self] = &[Self::Window, Self::PageSize];

    fn names(self) -> &'static [&'static str] {
        match self {
            Self::Window => &WINDOW,
            Self::PageSize => &["page.size"],
            Self::Id => &["id"],
            Self::Ids => &["ids"],
            Self::Job => &["job"],
        }
    }
}

/// Which day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
    /// Two days before the first: a bound that may be exclusive, late or in another zone.
    Early,
    /// First day; as an instant, its first.
    Start,
    /// Last day; as an instant, its last second or millisecond.
    Last,
    /// The day after the last; as an instant, its first.
    Next,
}

/// How a day is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DateForm {
    Date,
    Year,
    Month,
    Day,
    EpochSeconds,
    EpochMillis,
    /// `2026-11-01T00:00:00Z`
    Instant,
    /// `2026-11-01T00:00:00+01:00`, the offset of the days' zone then.
    Offset,
}

impl DateForm {
    /// Written so, a day needs its zone known.
    pub(super) fn is_instant(self) -> bool {
        matches!(self, Self::EpochSeconds | Self::EpochMillis | Self::Instant | Self::Offset)
    }
}

/// How long before the first day `window.early` is.
const EARLY: Days = Days::new(2);
const WINDOW: [&str; 4] = ["window.start", "window.end", "window.next", "window.early"];
const FORMS: [(&str, DateForm); 7] = [
    ("year", DateForm::Year),
    ("month", DateForm::Month),
    ("day", DateForm::Day),
    ("epoch_s", DateForm::EpochSeconds),
    ("epoch_ms", DateForm::EpochMillis),
    ("instant", DateForm::Instant),
    ("offset", DateForm::Offset),
];

impl Hole {
    /// The end of the window it is, and how it is written.
    pub(super) fn as_day(&self) -> Option<(End, DateForm)> {
        match self {
            Self::Day(end, form) => Some((*end, *form)),
            _ => None,
        }
    }

    fn named(name: &str, known: &Known<'_>) -> Result<Self, String> {
        let special = known.special;
        let refused = || {
            let mut there: Vec<&str> = special.iter().flat_map(|special| special.names()).copied().collect();
            there.extend(known.settings.iter().map(String::as_str));
            format!("`{{{name}}}` is not a setting or placeholder here: {}", nearest(name, &there))
        };
        if let Some(rest) = name.strip_prefix("window.").filter(|_| special.contains(&Special::Window)) {
            let (end, form) = rest.split_once('.').map_or((rest, None), |(end, form)| (end, Some(form)));
            let end = match end {
                "start" => End::Start,
                "end" => End::Last,
                "next" => End::Next,
                "early" => End::Early,
                _ => return Err(format!("`{{{name}}}` is not a placeholder: {}", nearest(name, &WINDOW))),
            };
            let form = match form {
                None => DateForm::Date,
                Some(form) => {
                    FORMS.iter().find(|(known, _)| *known == form).map(|(_, form)| *form).ok_or_else(|| {
                        let known: Vec<_> = FORMS.iter().map(|(known, _)| *known).collect();
                        format!("`{{{name}}}` is not a date form: {}", nearest(form, &known))
                    })?
                }
            };
            return Ok(Self::Day(end, form));
        }
        match name {
            "page.size" if special.contains(&Special::PageSize) => return Ok(Self::PageSize),
            "id" if special.contains(&Special::Id) => return Ok(Self::Id),
            "ids" if special.contains(&Special::Ids) => return Ok(Self::Ids),
            "job" if special.contains(&Special::Job) => return Ok(Self::Job),
            _ => {}
        }
        let is_setting = |name: &str| known.settings.iter().any(|known| known == name);
        if let Some(setting) = name.strip_suffix(".word").filter(|setting| is_setting(setting)) {
            return if known.sent.contains_key(setting) {
                Ok(Self::Setting(setting.to_owned(), None))
            } else {
                Err(format!("`{{{name}}}`: `{setting}` is sent as the user writes it; write `{{{setting}}}`"))
            };
        }
        if is_setting(name) {
            return Ok(Self::Setting(name.to_owned(), known.sent.get(name).cloned()));
        }
        Err(refused())
    }
}

/// What placeholders are filled with.
#[derive(Clone, Copy)]
pub(super) struct Filling<'a> {
    pub(super) settings: &'a Settings,
    pub(super) window: DateWindow,
    /// Zone in which days become instants.
    pub(super) zone: Tz,
    pub(super) page_size: Option<u32>,
    /// One batch of a fan-out's ids.
    pub(super) ids: &'a [String],
    /// The open job of a report.
    pub(super) job: Option<&'a str>,
}

impl Filling<'_> {
    /// `None` for what was not given.
    fn hole(&self, hole: &Hole) -> Option<String> {
        match hole {
            Hole::Setting(name, sent) => self.settings.get(name).map(|value| match value {
                SettingValue::Plain(text) => written(text, sent.as_ref()),
                SettingValue::Secret(secret) => secret.expose_secret().to_owned(),
            }),
            Hole::PageSize => self.page_size.map(|size| size.to_string()),
            Hole::Day(end, form) => Some(self.day(*end, *form)),
            Hole::Id => match self.ids {
                [id] => Some(id.clone()),
                _ => None,
            },
            Hole::Ids => None,
            Hole::Job => self.job.map(str::to_owned),
        }
    }

    fn day(&self, end: End, form: DateForm) -> String {
        let last = self.window.last();
        let next = last.succ_opt().unwrap_or(last);
        let day = match end {
            End::Early => self.window.first().checked_sub_days(EARLY).unwrap_or(self.window.first()),
            End::Start => self.window.first(),
            End::Last => last,
            End::Next => next,
        };
        // The last instant of a day is told in the vendor's own unit before the next day's first.
        let back = i64::from(end == End::Last);
        let first = || first_instant(if end == End::Last { next } else { day }, self.zone);
        let second = || DateTime::<Utc>::from_timestamp(first().timestamp() - back, 0).unwrap_or_else(first);
        match form {
            DateForm::Date => day.to_string(),
            DateForm::Year => day.year().to_string(),
            DateForm::Month => day.month().to_string(),
            DateForm::Day => day.day().to_string(),
            DateForm::EpochSeconds => second().timestamp().to_string(),
            DateForm::EpochMillis => (first().timestamp_millis() - back).to_string(),
            DateForm::Instant => second().to_rfc3339_opts(SecondsFormat::Secs, true),
            DateForm::Offset => second().with_timezone(&self.zone).to_rfc3339_opts(SecondsFormat::Secs, false),
        }
    }
}

/// A setting as it is sent.
fn written(text: &str, sent: Option<&Sent>) -> String {
    sent.and_then(|sent| sent.get(text)).map_or(text, String::as_str).to_owned()
}

impl Template {
    /// Reads a text and checks its placeholders against the settings there are.
    ///
    /// # Errors
    /// A sentence naming the placeholder and the nearest right one.
    pub(super) fn parse(text: &str, known: &Known<'_>) -> Result<Self, String> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after
                .split_once('}')
                .ok_or_else(|| format!("`{text}` opens a placeholder with `{{` and never closes it"))?;
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::Hole(Hole::named(name, known)?));
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self(parts))
    }

    /// Its placeholders.
    pub(super) fn holes(&self) -> impl Iterator<Item = &Hole> {
        self.0.iter().filter_map(|part| match part {
            Part::Hole(hole) => Some(hole),
            Part::Text(_) => None,
        })
    }

    /// Names of the settings in it.
    pub(super) fn settings(&self) -> impl Iterator<Item = &str> {
        self.holes().filter_map(|hole| match hole {
            Hole::Setting(name, _) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The setting it is, when it is one placeholder and nothing else.
    pub(super) fn only_setting(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Part::Hole(Hole::Setting(name, _))] => Some(name),
            _ => None,
        }
    }

    /// It is one placeholder and nothing else.
    pub(super) fn only_hole(&self) -> Option<&Hole> {
        match self.0.as_slice() {
            [Part::Hole(hole)] => Some(hole),
            _ => None,
        }
    }

    /// The setting it begins with, and the path that follows: nothing that could become part of a host.
    pub(super) fn after_setting(&self) -> Option<(&str, Self)> {
        match self.0.split_first()? {
            (Part::Hole(Hole::Setting(name, _)), []) => Some((name, Self(Vec::new()))),
            (Part::Hole(Hole::Setting(name, _)), rest @ [Part::Text(path), ..]) if path.starts_with('/') => {
                Some((name, Self(rest.to_vec())))
            }
            _ => None,
        }
    }

    /// Whether its literal text ends in `/`, which is part of an address: some vendors know no other.
    pub(super) fn ends_in_slash(&self) -> bool {
        matches!(self.0.last(), Some(Part::Text(text)) if text.ends_with('/'))
    }

    /// Splits its literal text at each `/`: the segments of a path, to be escaped one by one.
    pub(super) fn segments(&self) -> Vec<Self> {
        let mut segments = vec![Vec::new()];
        for part in &self.0 {
            match part {
                Part::Hole(_) => segments.last_mut().into_iter().for_each(|segment| segment.push(part.clone())),
                Part::Text(text) => {
                    for (number, piece) in text.split('/').enumerate() {
                        if number > 0 {
                            segments.push(Vec::new());
                        }
                        if !piece.is_empty() {
                            segments
                                .last_mut()
                                .into_iter()
                                .for_each(|segment| segment.push(Part::Text(piece.to_owned())));
                        }
                    }
                }
            }
        }
        segments.into_iter().map(Self).collect()
    }

    /// Filled in as it is; whoever puts it into a query, a header or JSON escapes it there. `None` where a
    /// setting in it was not given.
    pub(super) fn fill(&self, filling: &Filling<'_>) -> Option<String> {
        self.fill_with(|hole| filling.hole(hole))
    }

    /// As an item of a list: one text, none where it is an optional setting that was not given, or one for
    /// each id where it is `{ids}`.
    pub(super) fn fill_item(&self, filling: &Filling<'_>) -> Option<Vec<String>> {
        match self.only_hole() {
            Some(Hole::Ids) => Some(filling.ids.to_vec()),
            Some(Hole::Setting(..)) => Some(self.fill(filling).into_iter().collect()),
            _ => self.fill(filling).map(|text| vec![text]),
        }
    }

    /// Filled in with every placeholder percent-escaped but for letters, digits and `-._~`.
    pub(super) fn fill_escaped(&self, filling: &Filling<'_>) -> Option<String> {
        self.fill_with(|hole| filling.hole(hole).map(|text| percent_escaped(&text)))
    }

    /// Filled in where every placeholder is one label of a host, and `None` where it is none.
    pub(super) fn fill_label(&self, filling: &Filling<'_>) -> Option<String> {
        self.fill_with(|hole| {
            let text = filling.hole(hole)?;
            let whole = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
            (whole && (1..=63).contains(&text.len())).then_some(text)
        })
    }

    /// Filled in with settings that are not secret, each `escaped` for its place.
    pub(super) fn fill_plain(&self, settings: &Settings, escaped: impl Fn(String) -> String) -> Option<String> {
        self.fill_with(|hole| match hole {
            Hole::Setting(name, sent) => settings.plain(name).map(|value| escaped(written(value, sent.as_ref()))),
            _ => None,
        })
    }

    fn fill_with(&self, value: impl Fn(&Hole) -> Option<String>) -> Option<String> {
        self.0
            .iter()
            .map(|part| match part {
                Part::Text(text) => Some(text.clone()),
                Part::Hole(hole) => value(hole),
            })
            .collect()
    }
}

fn percent_escaped(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut escaped, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            escaped.push(char::from(byte));
        } else {
            let _ = write!(escaped, "%{byte:02X}");
        }
        escaped
    })
}

#[cfg(test)]
mod tests;
