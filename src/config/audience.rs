//! `[audience.NAME]`: who hears of what, and when they do not want to.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{NaiveTime, TimeDelta};
use chrono_tz::Tz;

use super::check::Check;
use super::defaults;
use super::experiment::{receivers, zone_advice};
use super::raw::{self, Section};
use super::report::{quoted, suggestion};
use crate::domain::audience::{Audience, Quiet, ROLES, Topic};
use crate::domain::message::Destination;

/// Reads `[audience.NAME]`; `None` for each that has an error.
pub(super) fn audiences<'t>(
    check: &Check<'_>,
    root: &Section<'t>,
    destinations: &BTreeMap<&str, Option<Destination>>,
) -> BTreeMap<&'t str, Option<Audience>> {
    let sections = root.named("audience", &raw::AUDIENCE);
    sections.into_iter().map(|(name, section)| (name, audience(check, name, &section, destinations))).collect()
}

fn audience(
    check: &Check<'_>,
    name: &str,
    section: &Section<'_>,
    destinations: &BTreeMap<&str, Option<Destination>>,
) -> Option<Audience> {
    check.declares(section);
    section.require("notify", "add notify = [\"NAME\"] with a name from [notify.NAME.KIND]");
    let told = receivers(check, section, destinations);
    let hears = hears(check, name, section);
    let grace = grace(check, section);
    let zone = zone(check, section);
    let quiet = quiet(check, section, zone);
    Some(Audience {
        name: name.to_owned(),
        destinations: told,
        hears: hears?,
        grace: grace?,
        quiet,
        zone,
        digest: section.flag("digest").unwrap_or(defaults::DIGEST),
        agenda: section.flag("agenda").unwrap_or(defaults::AGENDA),
    })
}

/// What is written, else what the role hears, else what that of the same name does.
fn hears(check: &Check<'_>, name: &str, section: &Section<'_>) -> Option<BTreeSet<Topic>> {
    let roles = || ROLES.iter().map(|(role, _)| *role);
    let role = section.text("role");
    if let Some(role) = &role
        && !roles().any(|known| known == *role.get_ref())
    {
        let advice = suggestion(role.get_ref(), &roles().collect::<Vec<_>>(), "there are none");
        check.report.error(role.span(), format!("there is no role called {}", quoted(role.get_ref())), advice);
        return None;
    }
    let Some(written) = section.texts("hears").filter(|written| !written.is_empty()) else {
        let role = role.as_ref().map_or(name, |role| role.get_ref());
        let known = ROLES.iter().find(|(known, _)| *known == role).map(|(_, hears)| hears.iter().copied().collect());
        if known.is_none() {
            let what = format!("{} hears of nothing", section.path);
            let advice = "add role = \"cmo\", \"product\", \"owner\" or \"operations\", or hears = [\"verdicts\", …]";
            check.report.error(section.span.clone(), what, advice);
        }
        return known;
    };
    let names: Vec<&str> = Topic::ALL.iter().map(|(word, _)| *word).collect();
    let mut hears = BTreeSet::new();
    for word in written {
        let topic = Topic::ALL.iter().find(|(known, _)| known == word.get_ref());
        if topic.is_none() {
            let what = format!("there is nothing called {} to hear of", quoted(word.get_ref()));
            check.report.error(word.span(), what, suggestion(word.get_ref(), &names, "there is nothing"));
        }
        hears.extend(topic.map(|(_, topic)| *topic));
    }
    Some(hears)
}

/// `2h`, `90m`, `1d`.
fn grace(check: &Check<'_>, section: &Section<'_>) -> Option<TimeDelta> {
    let Some(written) = section.text("grace") else {
        return (!section.has("grace")).then(TimeDelta::zero);
    };
    let text = written.get_ref().trim();
    let length = text.char_indices().last().and_then(|(at, unit)| {
        let number: i64 = text[..at].trim().parse().ok().filter(|number| (0..=1_000).contains(number))?;
        match unit {
            'm' => TimeDelta::try_minutes(number),
            'h' => TimeDelta::try_hours(number),
            'd' => TimeDelta::try_days(number),
            _ => None,
        }
    });
    let length = length.filter(|length| *length <= TimeDelta::days(7));
    if length.is_none() {
        let what = format!("{} is no length of time up to a week", quoted(text));
        check.report.error(written.span(), what, "write minutes, hours or days: \"90m\", \"2h\", \"1d\"");
    }
    length
}

fn zone(check: &Check<'_>, section: &Section<'_>) -> Option<Tz> {
    let written = section.text("timezone")?;
    let zone = written.get_ref().parse().ok();
    if zone.is_none() {
        let what = format!("there is no time zone called {}", quoted(written.get_ref()));
        check.report.error(written.span(), what, zone_advice(written.get_ref()));
    }
    zone
}

fn quiet(check: &Check<'_>, section: &Section<'_>, zone: Option<Tz>) -> Option<Quiet> {
    let hours = match section.text("quiet") {
        Some(written) => {
            let time = |text: &str| NaiveTime::parse_from_str(text.trim(), "%H:%M").ok();
            let ends = written.get_ref().split_once('-').and_then(|(from, to)| Some((time(from)?, time(to)?)));
            let ends = ends.filter(|(from, to)| from != to);
            if ends.is_none() {
                let what = format!("{} are no hours", quoted(written.get_ref()));
                check.report.error(written.span(), what, "write from when to when: \"20:00-08:00\"");
                return None;
            }
            ends
        }
        None => None,
    };
    let weekends = section.flag("quiet_weekends").unwrap_or(false);
    let is_wanted = hours.is_some() || weekends;
    if is_wanted {
        section.require("timezone", "write whose clocks: timezone = \"Europe/Berlin\"");
    }
    zone.filter(|_| is_wanted).map(|zone| Quiet { zone, hours, weekends })
}
