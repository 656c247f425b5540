//! When the version of a vendor's API that a connector speaks comes to its end, and at which steps before that a
//! person is told. Pure: today is an argument.

use chrono::NaiveDate;

use super::connector::{ConnectorInfo, Home, Settings};

/// Days before the end at which a person is told; 0: it is over.
pub const STEPS: [i64; 4] = [0, 7, 30, 90];

/// A fact is taken for old after so many days, where nobody knows when the version ends.
const OLD: i64 = 90;

/// An end that is near, or past.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sunset {
    /// The step it has come to, one of [`STEPS`].
    pub step: i64,
    /// What happens when, and what to do.
    pub what: String,
}

/// The end of the version that a source asks, once it is at most 90 days away. A source that names another version
/// than its connector does is on its own.
pub fn sunset(info: &ConnectorInfo, settings: Option<&Settings>, today: NaiveDate) -> Option<Sunset> {
    let version = info.api_version.as_deref();
    if settings.and_then(|settings| settings.plain("api_version")).is_some_and(|asked| Some(asked) != version) {
        return None;
    }
    let left = days_left(info, today)?;
    let step = *STEPS.iter().find(|&&step| left <= step)?;
    let ends = info.sunset_on?;
    let version = version.map_or("the API".to_owned(), |version| format!("version {version} of the API"));
    let when = match left {
        ..0 => format!("was to end on {ends} and may stop to answer any day"),
        0 => "ends today".to_owned(),
        1 => format!("ends tomorrow, on {ends}"),
        _ => format!("ends on {ends}, in {left} days"),
    };
    Some(Sunset { step, what: format!("{} is asked by {version}, which {when}: {}", info.title, advice(info)) })
}

/// What to check where nobody knows an end: the vendor's documentation, once in a quarter.
pub fn unchecked(info: &ConnectorInfo, today: NaiveDate) -> Option<String> {
    let checked_on = info.checked_on.filter(|_| info.sunset_on.is_none() && info.api_version.is_some())?;
    let age = (today - checked_on).num_days();
    (age > OLD).then(|| {
        format!(
            "{}: nobody has looked for {age} days whether version {} of the API ends: {}",
            info.title,
            info.api_version.as_deref().unwrap_or_default(),
            advice(info)
        )
    })
}

/// Days until the version ends; below 0 once it is over. `None` where that is not known.
pub fn days_left(info: &ConnectorInfo, today: NaiveDate) -> Option<i64> {
    info.sunset_on.map(|ends| (ends - today).num_days())
}

fn advice(info: &ConnectorInfo) -> String {
    let own = match info.home {
        Home::BuiltIn => "update willitsell, or try `api_version` in the settings".to_owned(),
        Home::Folder => format!("mend `api_version`, `sunset_on` and `checked_on` in {}.toml", info.name),
    };
    format!("look at {}, then {own}", info.docs)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::connector::SettingValue;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn info(sunset_on: Option<&str>) -> ConnectorInfo {
        ConnectorInfo {
            name: "ads".into(),
            title: "Ads".into(),
            docs: "https://example.com/docs".into(),
            api_version: Some("v3".into()),
            sunset_on: sunset_on.map(day),
            checked_on: Some(day("2026-01-01")),
            ..ConnectorInfo::default()
        }
    }

    #[test]
    fn h27_every_day_of_a_year_is_at_the_step_it_should_be() {
        let info = info(Some("2026-12-01"));
        let mut steps = Vec::new();
        for today in day("2026-06-01").iter_days().take_while(|&today| today < day("2027-01-01")) {
            let left = (day("2026-12-01") - today).num_days();
            let step = sunset(&info, None, today).map(|sunset| sunset.step);
            let expected = match left {
                91.. => None,
                31..=90 => Some(90),
                8..=30 => Some(30),
                1..=7 => Some(7),
                _ => Some(0),
            };
            assert_eq!(step, expected, "{today}");
            if steps.last() != Some(&step) {
                steps.push(step);
            }
        }
        assert_eq!(steps, [None, Some(90), Some(30), Some(7), Some(0)]);
        let said = sunset(&info, None, day("2026-11-02")).unwrap().what;
        assert!(said.contains("version v3") && said.contains("on 2026-12-01, in 29 days"), "{said}");
        assert!(said.contains("https://example.com/docs") && said.contains("update willitsell"), "{said}");
    }

    #[test]
    fn h27_a_source_that_names_a_newer_version_is_not_warned() {
        let (info, today) = (info(Some("2026-12-01")), day("2026-11-30"));
        let mut settings = Settings::default();
        settings.insert("api_version", SettingValue::Plain("v3".into()));
        assert!(sunset(&info, Some(&settings), today).is_some());
        settings.insert("api_version", SettingValue::Plain("v4".into()));
        assert_eq!(sunset(&info, Some(&settings), today), None);
    }

    #[test]
    fn h27_an_unknown_end_is_looked_up_once_in_a_quarter() {
        let unknown = info(None);
        assert_eq!(unchecked(&unknown, day("2026-04-01")), None);
        let said = unchecked(&unknown, day("2026-04-02")).unwrap();
        assert!(said.contains("for 91 days") && said.contains("v3"), "{said}");
        assert_eq!(sunset(&unknown, None, day("2030-01-01")), None);
        assert_eq!(unchecked(&info(Some("2027-01-01")), day("2026-12-01")), None, "its end is known");
        let own = ConnectorInfo { home: Home::Folder, ..unknown };
        assert!(unchecked(&own, day("2026-12-01")).unwrap().contains("in ads.toml"));
    }
}
