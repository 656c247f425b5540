//! Placeholders: a setting, an end of the window in one of the date forms, the page size. Known and
//! checked when the file loads, filled when a source is asked, escaped for the place they stand in.
//! Nothing computes.

use chrono::Datelike;
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
    Setting(String),
    Day(End, DateForm),
    PageSize,
}

/// Which day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum End {
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
}

const WINDOW: [&str; 3] = ["window.start", "window.end", "window.next"];
const FORMS: [(&str, DateForm); 5] = [
    ("year", DateForm::Year),
    ("month", DateForm::Month),
    ("day", DateForm::Day),
    ("epoch_s", DateForm::EpochSeconds),
    ("epoch_ms", DateForm::EpochMillis),
];

impl Hole {
    /// The end of the window it is, and how it is written.
    pub(super) fn as_day(&self) -> Option<(End, DateForm)> {
        match self {
            Self::Day(end, form) => Some((*end, *form)),
            _ => None,
        }
    }

    fn named(name: &str, settings: &[&str]) -> Result<Self, String> {
        if let Some(rest) = name.strip_prefix("window.") {
            let (end, form) = rest.split_once('.').map_or((rest, None), |(end, form)| (end, Some(form)));
            let end = match end {
                "start" => End::Start,
                "end" => End::Last,
                "next" => End::Next,
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
        if name == "page.size" {
            return Ok(Self::PageSize);
        }
        if settings.contains(&name) {
            return Ok(Self::Setting(name.to_owned()));
        }
        let known: Vec<_> = settings.iter().copied().chain(WINDOW).chain(["page.size"]).collect();
        Err(format!("`{{{name}}}` is not a setting or placeholder: {}", nearest(name, &known)))
    }
}

/// What placeholders are filled with.
pub(super) struct Filling<'a> {
    pub(super) settings: &'a Settings,
    pub(super) window: DateWindow,
    /// Zone in which days become instants.
    pub(super) zone: Tz,
    pub(super) page_size: Option<u32>,
}

impl Filling<'_> {
    /// `None` for a setting that was not given.
    fn hole(&self, hole: &Hole) -> Option<String> {
        match hole {
            Hole::Setting(name) => self.settings.get(name).map(|value| match value {
                SettingValue::Plain(text) => text.clone(),
                SettingValue::Secret(secret) => secret.expose_secret().to_owned(),
            }),
            Hole::PageSize => self.page_size.map(|size| size.to_string()),
            Hole::Day(end, form) => {
                let last = self.window.last();
                let next = last.succ_opt().unwrap_or(last);
                let day = match end {
                    End::Start => self.window.first(),
                    End::Last => last,
                    End::Next => next,
                };
                let instant =
                    || if *end == End::Last { first_instant(next, self.zone) } else { first_instant(day, self.zone) };
                let back = i64::from(*end == End::Last);
                Some(match form {
                    DateForm::Date => day.to_string(),
                    DateForm::Year => day.year().to_string(),
                    DateForm::Month => day.month().to_string(),
                    DateForm::Day => day.day().to_string(),
                    DateForm::EpochSeconds => (instant().timestamp() - back).to_string(),
                    DateForm::EpochMillis => (instant().timestamp_millis() - back).to_string(),
                })
            }
        }
    }
}

impl Template {
    /// Reads a text and checks its placeholders against the settings there are.
    ///
    /// # Errors
    /// A sentence naming the placeholder and the nearest right one.
    pub(super) fn parse(text: &str, settings: &[&str]) -> Result<Self, String> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after
                .split_once('}')
                .ok_or_else(|| format!("`{text}` opens a placeholder with `{{` and never closes it"))?;
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            parts.push(Part::Hole(Hole::named(name, settings)?));
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
            Hole::Setting(name) => Some(name.as_str()),
            _ => None,
        })
    }

    /// The setting it is, when it is one placeholder and nothing else.
    pub(super) fn only_setting(&self) -> Option<&str> {
        match self.0.as_slice() {
            [Part::Hole(Hole::Setting(name))] => Some(name),
            _ => None,
        }
    }

    /// The setting it begins with, and what follows.
    pub(super) fn after_setting(&self) -> Option<(&str, Self)> {
        match self.0.split_first() {
            Some((Part::Hole(Hole::Setting(name)), rest)) => Some((name, Self(rest.to_vec()))),
            _ => None,
        }
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

    /// Filled in with every placeholder escaped for a single-quoted `JSONPath` literal.
    pub(super) fn fill_path(&self, settings: &Settings) -> Option<String> {
        self.fill_with(|hole| match hole {
            Hole::Setting(name) => settings
                .plain(name)
                .map(|value| value.replace('\\', "\\\\").replace('\'', "\\'").replace(|c: char| c.is_control(), " ")),
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

#[cfg(test)]
mod tests {
    use chrono::NaiveDate;

    use super::*;

    fn filled(text: &str, zone: Tz) -> String {
        let day = |text: &str| text.parse().unwrap();
        let mut settings = Settings::default();
        settings.insert("id", SettingValue::Plain("a/b 'c'".into()));
        let window = DateWindow::new(day("2026-03-28"), day("2026-03-29")).unwrap();
        let filling = Filling { settings: &settings, window, zone, page_size: Some(500) };
        Template::parse(text, &["id", "unset"]).unwrap().fill(&filling).unwrap()
    }

    #[test]
    fn the_window_comes_in_a_closed_list_of_forms() {
        let utc = Tz::UTC;
        assert_eq!(filled("{window.start}..{window.end}..{window.next}", utc), "2026-03-28..2026-03-29..2026-03-30");
        assert_eq!(filled("{window.end.year}/{window.end.month}/{window.end.day}", utc), "2026/3/29");
        assert_eq!(filled("{window.start.epoch_s}", utc), "1774656000");
        assert_eq!(filled("{window.end.epoch_s}", utc), "1774828799");
        assert_eq!(filled("{window.end.epoch_ms}", utc), "1774828799999");
        assert_eq!(filled("{window.next.epoch_s}", utc), "1774828800");
        assert_eq!(filled("{id}:{page.size}", utc), "a/b 'c':500");
    }

    #[test]
    fn days_become_instants_in_their_zone_across_a_change_of_clocks() {
        let berlin = Tz::Europe__Berlin;
        assert_eq!(filled("{window.start.epoch_s}", berlin), (1_774_656_000 - 3600).to_string());
        assert_eq!(filled("{window.end.epoch_s}", berlin), (1_774_828_799 - 7200).to_string());
    }

    #[test]
    fn unknown_placeholders_name_the_nearest() {
        for (text, near) in [
            ("{windw.start}", "`window.start`"),
            ("{window.begin}", "`window."),
            ("{window.start.epoch}", "`epoch_s`"),
            ("{idd}", "`id`"),
            ("{id", "never closes"),
        ] {
            let error = Template::parse(text, &["id"]).unwrap_err();
            assert!(error.contains(near), "{text}: {error}");
        }
    }

    #[test]
    fn a_setting_that_was_not_given_fills_nothing() {
        let settings = Settings::default();
        let day = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
        let window = DateWindow::new(day, day).unwrap();
        let filling = Filling { settings: &settings, window, zone: Tz::UTC, page_size: None };
        assert_eq!(Template::parse("x{unset}", &["unset"]).unwrap().fill(&filling), None);
        assert_eq!(Template::parse("{page.size}", &[]).unwrap().fill(&filling), None);
    }

    #[test]
    fn segments_are_cut_at_literal_slashes_only() {
        let template = Template::parse("/forms/{id}/x:{id}", &["id"]).unwrap();
        assert_eq!(template.segments().len(), 4);
    }
}
