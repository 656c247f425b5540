//! What people say: the operator of days (`set_aside_days`, `real_days`), on every verdict, and how to say it; from
//! when there can be a verdict.

use chrono::{Days, NaiveDate};

use super::explain::{today, told_with_the_spend};
use super::figures;
use super::gates;
use super::keys;
use super::tally::{Calendar, Tally};
use crate::domain::concept::{Experiment, Model};
use crate::domain::day_note::{DayNote, Word};
use crate::domain::verdict::{ArmScore, Flag, Reason, Scorecard, Verdict};

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

/// The lines to write for it: for every doubt about days, days that cannot be right, and every key that no version claims, that
/// blocks, and for a KILL because nobody acted, for the tracking may be broken.
pub fn how_to_settle(experiment: &Experiment, tally: &Tally<'_>, card: &Scorecard) -> Vec<String> {
    let mut doubts: Vec<Vec<[NaiveDate; 2]>> =
        card.reasons.iter().map(doubted).filter(|days| !days.is_empty()).collect();
    doubts.dedup();
    let or_true = " If the numbers are true, write `real_days` in place of `set_aside_days`.";
    let doubts = doubts.into_iter().map(|stretches| leave_out(experiment, card, &stretches) + or_true);
    let wrong = card.reasons.iter().filter_map(|why| match why {
        Reason::ImpossibleCounts { .. } => {
            let days: Vec<NaiveDate> = gates::impossible_days(experiment, tally).into_iter().collect();
            Some(leave_out(experiment, card, &runs(&days)))
        }
        Reason::UnmappedActs { keys, .. } if !keys::can_be_named(keys) && !told_with_the_spend(card, why) => {
            Some(leave_out_until_mended(experiment))
        }
        _ => None,
    });
    let unclaimed = card.reasons.iter().flat_map(|why| match why {
        Reason::UnmappedSpend { keys, .. } | Reason::UnmappedActs { keys, .. } => &keys[..],
        _ => &[],
    });
    let none_came = |arm: &ArmScore| arm.evidence.flags.contains(&Flag::ZeroConversions);
    let broken = card.verdict == Verdict::Kill && card.arms.iter().any(none_came);
    let broken = broken.then(|| leave_out_until_mended(experiment));
    doubts.chain(wrong).chain(keys::to_write(experiment, unclaimed)).chain(broken).collect()
}

/// The stretches of days that a reason speaks of.
fn doubted(why: &Reason) -> Vec<[NaiveDate; 2]> {
    match why {
        Reason::TrackingGap { first_day, last_day, .. } | Reason::TrackingBroken { first_day, last_day, .. } => {
            vec![[*first_day, *last_day]]
        }
        // The days between two bursts are as good as any.
        Reason::BotBurst { days, .. } => runs(days),
        _ => vec![],
    }
}

/// Days in order as stretches.
fn runs(days: &[NaiveDate]) -> Vec<[NaiveDate; 2]> {
    let runs = days.chunk_by(|day, next| day.succ_opt() == Some(*next));
    runs.filter_map(|run| Some([*run.first()?, *run.last()?])).collect()
}

/// What to write so that some days do not count. A fault that lasts goes on after the last day that has settled.
fn leave_out(experiment: &Experiment, card: &Scorecard, stretches: &[[NaiveDate; 2]]) -> String {
    let settled = card.last_settled_day;
    let all = |[first, last]: &[NaiveDate; 2]| *first <= experiment.start && settled <= *last;
    let all = if stretches.iter().any(all) { " (all settled days so far)" } else { "" };
    let longer = if stretches.iter().any(|[_, last]| settled <= *last) {
        let settled = figures::day(settled, today(experiment, card));
        format!(" If the fault goes on after {settled}, put the day it ends as `last`.")
    } else {
        String::new()
    };
    let tables: Vec<String> = stretches
        .iter()
        .map(|[first, last]| {
            let last = if first == last { String::new() } else { format!(", last = \"{last}\"") };
            format!("{{ first = \"{first}\"{last}, reason = \"…\" }}")
        })
        .collect();
    let is_one = matches!(stretches, [[first, last]] if first == last);
    format!(
        "To leave {} out{all}, write `set_aside_days = [{}]` {}.{longer}",
        if is_one { "that day" } else { "those days" },
        tables.join(", "),
        where_days_stand(experiment)
    )
}

/// The same of days whose last one nobody knows yet.
fn leave_out_until_mended(experiment: &Experiment) -> String {
    format!(
        "To leave out the days up to and including the day of the repair, write `set_aside_days = [{{ first = \"{}\", last = \"…\", reason = \"…\" }}]` \
         {}, with that day as `last`.",
        experiment.start,
        where_days_stand(experiment)
    )
}

/// Where the operator speaks of days, and what may stand there already: a table that has a line twice is none.
fn where_days_stand(experiment: &Experiment) -> String {
    let has_some = experiment.day_notes.iter().any(|note| note.word == Word::SetAside);
    let beside = if has_some { ", beside the days that stand there already" } else { "" };
    format!("under `[experiment.{}]` in the configuration file{beside}", experiment.concept.id)
}

/// The first day on which there can be a verdict, where so many days are missing.
pub fn no_sooner(missing: u32, today: NaiveDate) -> String {
    let first = today.checked_add_days(Days::new(u64::from(missing))).filter(|_| missing > 0);
    first.map_or_else(String::new, |day| format!("; no BUILD or KILL before {}", figures::day(day, today)))
}

/// `18 days`; where the money and the list of days speak of more, `17 of 18 settled days`.
pub fn days_seen(experiment: &Experiment, arm: &ArmScore, settled: usize) -> String {
    let (days, policy) = (figures::days(arm.evidence.days), &experiment.policy);
    let all = policy.model == Model::Cpa || usize::try_from(arm.evidence.days).is_ok_and(|days| days >= settled);
    if all { days } else { format!("{} of {settled} settled days", arm.evidence.days) }
}

/// When the last day known today is settled.
pub fn settles_on(experiment: &Experiment, today: NaiveDate) -> String {
    let last = experiment.stop.map_or(today, |stop| stop.min(today));
    let counts = last.checked_add_days(Days::new(u64::from(experiment.policy.maturity_lag_days))).unwrap_or(last);
    let what = if last < today { "The last day" } else { "Today" };
    format!("{what} ({}) settles on {}.", figures::day(last, today), figures::day(counts, today))
}
