//! What people say: the operator of days (`set_aside_days`, `real_days`), on every verdict, and how to say it; from
//! when there can be a verdict.

use chrono::{Days, NaiveDate};

use super::explain::today;
use super::figures;
use super::tally::Calendar;
use crate::domain::concept::Experiment;
use crate::domain::day_note::{DayNote, Word};
use crate::domain::verdict::{Reason, Scorecard};

/// Those that speak of a settled day of the test.
pub fn settled(experiment: &Experiment, calendar: &Calendar) -> Vec<DayNote> {
    let concerns = |note: &&DayNote| calendar.first <= note.last && note.first <= calendar.last_settled;
    experiment.day_notes.iter().filter(concerns).cloned().collect()
}

/// A sentence for each.
pub fn told(experiment: &Experiment, card: &Scorecard) -> Vec<String> {
    let today = today(experiment, card);
    let sentence = |note: &DayNote| {
        let days = match (figures::day(note.first, today), figures::day(note.last, today)) {
            (first, last) if first == last => first,
            (first, last) => format!("{first} to {last}"),
        };
        let reason = note.reason.trim_end_matches('.');
        match note.word {
            Word::SetAside => format!("Set aside by the operator: {days} ({reason})."),
            Word::Real => format!("Declared real by the operator: {days} ({reason})."),
        }
    };
    card.day_notes.iter().map(sentence).collect()
}

/// The two ways to settle a doubt about days, without the lines to write: those are long, and `explain` shows them.
pub fn two_ways(experiment: &Experiment) -> String {
    format!(
        "If the numbers are true, say so; if not, leave those days out: `willitsell explain {}` shows how.",
        experiment.concept.id
    )
}

/// The lines to write for it, for every doubt about days that blocks.
pub fn how_to_settle(experiment: &Experiment, card: &Scorecard) -> Vec<String> {
    let mut stretches: Vec<[NaiveDate; 2]> = card.reasons.iter().filter_map(doubted).collect();
    stretches.dedup();
    let whose = |[first, last]: [NaiveDate; 2]| {
        let all = first <= experiment.start && card.last_settled_day <= last;
        lines_to_write(experiment, first, last, if all { " (all there are so far)" } else { "" })
    };
    stretches.into_iter().map(whose).collect()
}

/// The days that a reason speaks of.
fn doubted(why: &Reason) -> Option<[NaiveDate; 2]> {
    match why {
        Reason::TrackingGap { first_day, last_day, .. } | Reason::TrackingBroken { first_day, last_day, .. } => {
            Some([*first_day, *last_day])
        }
        Reason::BotBurst { days, .. } => Some([*days.first()?, *days.last()?]),
        _ => None,
    }
}

fn lines_to_write(experiment: &Experiment, first: NaiveDate, last: NaiveDate, all: &str) -> String {
    let last = if first == last { String::new() } else { format!(", last = \"{last}\"") };
    format!(
        "To leave those days out{all}, write `set_aside_days = [{{ first = \"{first}\"{last}, reason = \"…\" }}]` under \
         `[experiment.{}]` in the configuration file. If the numbers are true, write `real_days` in place of `set_aside_days`.",
        experiment.concept.id
    )
}

/// The first day on which there can be a verdict, where so many days are missing.
pub fn no_sooner(missing: u32, today: NaiveDate) -> String {
    let first = today.checked_add_days(Days::new(u64::from(missing))).filter(|_| missing > 0);
    first.map_or_else(String::new, |day| format!("; no BUILD or KILL before {}", figures::day(day, today)))
}
