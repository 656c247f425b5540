//! What people say: the operator of days (`set_aside_days`, `real_days`), on every verdict, and how to say it; from
//! when there can be a verdict.

use chrono::{Days, NaiveDate};

use super::explain::today;
use super::figures;
use super::keys;
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

/// The two ways to settle a doubt about so many days, without the lines to write: those are long, and `explain` shows them.
pub fn two_ways(experiment: &Experiment, days: usize) -> String {
    let days = if days == 1 { "that day" } else { "those days" };
    format!("If the numbers are true, say so; if not, leave {days} out: {}.", where_to_look(experiment))
}

/// Where a message sends its reader for what is too long for it.
pub fn where_to_look(experiment: &Experiment) -> String {
    format!("`willitsell explain {}` shows the lines to write", experiment.concept.id)
}

/// The same sentence where those lines stand below it.
pub fn look_below(experiment: &Experiment, sentence: &str) -> String {
    sentence.replace(&where_to_look(experiment), "the lines to write stand below")
}

/// The lines to write for it, for every doubt about days, and every key that no version claims, that blocks.
pub fn how_to_settle(experiment: &Experiment, card: &Scorecard) -> Vec<String> {
    let mut doubts: Vec<Vec<[NaiveDate; 2]>> =
        card.reasons.iter().map(doubted).filter(|days| !days.is_empty()).collect();
    doubts.dedup();
    let whose = |stretches: Vec<[NaiveDate; 2]>| {
        let all = |[first, last]: &[NaiveDate; 2]| *first <= experiment.start && card.last_settled_day <= *last;
        let all = if stretches.iter().any(all) { " (all there are so far)" } else { "" };
        lines_to_write(experiment, &stretches, all)
    };
    let unclaimed = card.reasons.iter().flat_map(|why| match why {
        Reason::UnmappedSpend { keys, .. } | Reason::UnmappedActs { keys, .. } => &keys[..],
        _ => &[],
    });
    doubts.into_iter().map(whose).chain(keys::to_write(experiment, unclaimed)).collect()
}

/// The stretches of days that a reason speaks of.
fn doubted(why: &Reason) -> Vec<[NaiveDate; 2]> {
    match why {
        Reason::TrackingGap { first_day, last_day, .. } | Reason::TrackingBroken { first_day, last_day, .. } => {
            vec![[*first_day, *last_day]]
        }
        // The days between two bursts are as good as any.
        Reason::BotBurst { days, .. } => {
            let runs = days.chunk_by(|day, next| day.succ_opt() == Some(*next));
            runs.filter_map(|run| Some([*run.first()?, *run.last()?])).collect()
        }
        _ => vec![],
    }
}

fn lines_to_write(experiment: &Experiment, stretches: &[[NaiveDate; 2]], all: &str) -> String {
    let tables: Vec<String> = stretches
        .iter()
        .map(|[first, last]| {
            let last = if first == last { String::new() } else { format!(", last = \"{last}\"") };
            format!("{{ first = \"{first}\"{last}, reason = \"…\" }}")
        })
        .collect();
    let is_one = matches!(stretches, [[first, last]] if first == last);
    format!(
        "To leave {} out{all}, write `set_aside_days = [{}]` under `[experiment.{}]` in the configuration file. If the numbers \
         are true, write `real_days` in place of `set_aside_days`.",
        if is_one { "that day" } else { "those days" },
        tables.join(", "),
        experiment.concept.id
    )
}

/// The first day on which there can be a verdict, where so many days are missing.
pub fn no_sooner(missing: u32, today: NaiveDate) -> String {
    let first = today.checked_add_days(Days::new(u64::from(missing))).filter(|_| missing > 0);
    first.map_or_else(String::new, |day| format!("; no BUILD or KILL before {}", figures::day(day, today)))
}
