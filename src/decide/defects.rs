//! Every defect of the data as a plain sentence: what is wrong, that there is no verdict, and what ends it. When
//! there is one is `gates`' business; other sentences are `explain`'s.

use chrono::NaiveDate;

use super::explain::{guardrail_figure, name, today, unmapped};
use super::figures;
use super::keys::disputed_named;
use super::notes::how_to_settle;
use super::restated;
use crate::domain::concept::Experiment;
use crate::domain::id::SourceId;
use crate::domain::metric::{MetricId, Unit};
use crate::domain::money::thousands;
use crate::domain::verdict::{Reason, Scorecard};

/// Why nothing is decided; nothing for a reason that is no defect.
pub fn defect(experiment: &Experiment, card: &Scorecard, why: &Reason) -> String {
    let today = today(experiment, card);
    match why {
        Reason::NoData { sources } => no_data(experiment, sources),
        Reason::Stale { source, last_pull } => {
            let read = match last_pull {
                Some(at) => {
                    let day = figures::day(at.with_timezone(&experiment.timezone).date_naive(), today);
                    format!("Source {source} was last read on {day}; two planned readings since then brought nothing")
                }
                None => format!("Source {source} has never been read, although two readings were planned"),
            };
            format!("{read}, so there is no verdict. Run `willitsell pull` to see what is wrong.")
        }
        Reason::UnmappedSpend { amount, share, keys } => format!(
            "{}, so there is no verdict. Add each to the keys of the arm it tests, or to set_aside of its source.",
            unmapped(experiment, *amount, *share, keys)
        ),
        Reason::UnmappedActs { acts, keys } => format!(
            "None of the {} so far says which arm it belongs to ({}), so there is no verdict. Add the keys to their \
             arms, or have the form pass on where a person came from.",
            figures::counted(*acts, experiment.policy.primary.numerator),
            figures::list(&disputed_named(experiment, keys))
        ),
        Reason::MixedZones { source, zones } => format!(
            "Days of source {source} were read in {}, which are not the same hours, so there is no verdict. If the \
             account's zone was changed, read all days again: `willitsell pull --source {source} --since {}`.",
            figures::list(zones),
            experiment.start
        ),
        Reason::DayZones { acts, acts_zone, exposures, exposures_zone } => format!(
            "Source {acts} counts days of {acts_zone} and source {exposures} days of {exposures_zone}, which are not the \
             same hours, so there is no verdict. Set the same time zone in both accounts, or let acts be counted by a \
             source that hands over the people: those are cut into days where the visitors are counted."
        ),
        Reason::MixedCurrencies { currencies } => format!(
            "Money is in {}, which are never added, so there is no verdict. Give each currency its own experiment.",
            figures::list(currencies)
        ),
        Reason::FewerRows { source, first_day, last_day, rows, metric, amounts, seen_on } => {
            let amount = |metric: MetricId, value| match metric.metric().unit {
                Unit::Money => {
                    let money = guardrail_figure(metric, value, card.spend.map(|spend| spend.currency));
                    format!("{money} of spend")
                }
                Unit::Count => figures::counted(value, metric),
            };
            let size = |at: usize| {
                let rows = count(rows[at]);
                metric.map_or_else(|| rows.clone(), |metric| format!("{rows} and {}", amount(metric, amounts[at])))
            };
            format!(
                "Source {source} now shows {} for {} to {} where it showed {}, so there is no verdict. Check that the \
                 account still shows everything and that nobody has narrowed its access. If that is how it should be, write \
                 accept_shrink = \"{seen_on}\" under [source.{source}]: what was seen up to that day then counts.",
                size(1),
                figures::day(*first_day, today),
                figures::day(*last_day, today),
                size(0)
            )
        }
        Reason::Restated { .. } => restated::told(why, today),
        Reason::ImpossibleCounts { arm_days, of, examples } => format!(
            "On {arm_days} of {}, each version's counted apart, the counts cannot be right ({}), so there is no verdict. \
             Check that both numbers count the same people on the same pages; of a platform's own conversions, leave \
             out those after a view alone.",
            figures::days(*of),
            examples.join("; ")
        ),
        Reason::UnevenSplit { since, arms } => {
            let all: f64 = arms.iter().map(|(_, visitors, _)| visitors).sum();
            let shares = arms.iter().map(|(arm, visitors, meant)| {
                let (got, meant) = (figures::rate(visitors / all, &[*meant]), figures::bar(*meant));
                format!(
                    "{}: {} visitors, {got} where {meant} was meant",
                    name(experiment, arm),
                    figures::count(*visitors)
                )
            });
            format!(
                "Since {} it can no longer be chance that visitors are not split between the versions as they were meant to \
                 be ({}), so there is no verdict. Mend what splits them; then begin a new test by a change of its policy, \
                 for this one stays blocked.",
                figures::day(*since, today),
                shares.collect::<Vec<_>>().join("; ")
            )
        }
        _ => traffic(experiment, why, today),
    }
}

/// That sources have brought nothing, and what may be wrong with them.
fn no_data(experiment: &Experiment, sources: &[SourceId]) -> String {
    let names: Vec<String> = sources.iter().map(ToString::to_string).collect();
    let nothing = format!(
        "Since the test began, none of the numbers that decide it have come from {}, so there is no verdict",
        figures::list(&names)
    );
    let by_hand = experiment.sources.iter().find(|source| sources.contains(&source.id) && !source.scheduled);
    if let Some(source) = by_hand {
        return format!("{nothing}. Import a report of those days: `willitsell import FILE --source {}`.", source.id);
    }
    let read = if let [_] = names[..] { "it reads" } else { "each of them reads" };
    format!(
        "{nothing}. Check that {read} the right account; of a file, that the column is there. If it is a form that nobody \
         has filled in yet, send one test answer."
    )
}

/// Why traffic is not believed.
fn traffic(experiment: &Experiment, why: &Reason, today: NaiveDate) -> String {
    match why {
        Reason::TrackingGap { arm, first_day, last_day, clicks, visits } => {
            let what = if visits < clicks {
                "Check that the page counts every visitor and that the ads lead to it."
            } else {
                "Check that the page counts nobody twice, and that every campaign that leads there is among the keys."
            };
            format!(
                "{}: {} there were {} for {}, so there is no verdict. {what} {}",
                name(experiment, arm),
                figures::stretch(*first_day, *last_day, today),
                figures::counted(*visits, MetricId::VISITS),
                figures::counted(*clicks, MetricId::CLICKS),
                how_to_settle(experiment, *first_day, *last_day)
            )
        }
        Reason::TrackingBroken { arm, from, passed, to, expected, first_day, last_day, lasts } => {
            let when = if *lasts {
                format!("since {}", figures::day(*first_day, today))
            } else {
                figures::stretch(*first_day, *last_day, today)
            };
            let went_on = match from.metric().unit {
                Unit::Count => figures::counted(*passed, *from),
                Unit::Money => format!("{} of spend", figures::count(*passed)),
            };
            format!(
                "{}: {when} no {} was counted for {went_on}, where about {} would be expected, so there is no verdict. \
                 Check that the page and the form still count. {}",
                name(experiment, arm),
                to.metric().noun,
                figures::count(expected.round()),
                how_to_settle(experiment, *first_day, *last_day)
            )
        }
        Reason::BotBurst { arm, metric, count, expected, days } => {
            let on: Vec<String> = days.iter().map(|&day| figures::day(day, today)).collect();
            let (first, last) = (days.first().copied().unwrap_or(today), days.last().copied().unwrap_or(today));
            format!(
                "{}: there were {} on {}, where the other days lead one to expect about {}, so there is no verdict. This \
                 is what machines look like: see who they were. {}",
                name(experiment, arm),
                figures::counted(*count, *metric),
                figures::list(&on),
                figures::count(expected.round()),
                how_to_settle(experiment, first, last)
            )
        }
        _ => String::new(),
    }
}

fn count(rows: i64) -> String {
    if rows == 1 { "1 row".into() } else { format!("{} rows", thousands(u64::try_from(rows).unwrap_or(0))) }
}
