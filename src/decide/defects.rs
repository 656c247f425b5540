//! Every defect of the data as a plain sentence: what is wrong, and what ends it; that there is no verdict is said
//! before it. When there is one is `gates`' business; other sentences are `explain`'s.

use chrono::NaiveDate;

use super::explain::{guardrail_figure, name, today, unmapped};
use super::figures;
use super::keys::disputed_named;
use super::notes::two_ways;
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
                    format!(
                        "Source {source} was last read on {day}; no reading planned since then has brought anything, so \
                         its later days are missing"
                    )
                }
                None => format!("Source {source} has never been read, although two readings or more were planned"),
            };
            format!("{read}. To see what is wrong, run `willitsell pull`.")
        }
        Reason::UnmappedSpend { amount, share, keys } => format!(
            "{}. Add each to the keys of the version (arm) it tests, or to set_aside of its source.",
            unmapped(experiment, *amount, *share, keys)
        ),
        Reason::UnmappedActs { acts, keys } => format!(
            "None of the {} so far says which version it belongs to ({}). Give each version (arm) its keys, or have the \
             form pass on where a person came from.",
            figures::counted(*acts, experiment.policy.primary.numerator),
            figures::list(&disputed_named(experiment, keys))
        ),
        Reason::NamelessActs { acts, counted, sources } => nameless_acts(experiment, *acts, *counted, sources),
        Reason::MixedZones { source, zones } => format!(
            "Source {source} was read in {} time zones, {}, so its days are not the same hours. If the account's zone was \
             changed, read all days again: `willitsell pull --source {source} --since {}`.",
            figures::in_words(u32::try_from(zones.len()).unwrap_or(u32::MAX)),
            figures::list(zones),
            experiment.start
        ),
        Reason::DayZones { acts, acts_zone, exposures, exposures_zone } => format!(
            "Source {acts} counts days of {acts_zone} and source {exposures} days of {exposures_zone}, which are not the \
             same hours. Set the same time zone in both accounts. Or read {} one by one, from a source that says when \
             each came: those fit the days of any zone.",
            figures::many(experiment.policy.primary.numerator)
        ),
        Reason::MixedCurrencies { currencies } => format!(
            "The money of this test is in {}. Amounts in different currencies are never added up, so nobody can say what a \
             {} costs. Have all accounts and the budget in one currency. Where that cannot be, split the test: an experiment \
             of its own for each currency.",
            figures::list(currencies),
            experiment.policy.primary.numerator.metric().noun
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
                "For {} to {}, source {source} now shows {}; before, it showed {}. Check that the account still shows \
                 everything and that nobody has narrowed its access. If the lower numbers are right, write accept_shrink = \
                 \"{seen_on}\" under [source.{source}], and they count.",
                figures::day(*first_day, today),
                figures::day(*last_day, today),
                size(1),
                size(0)
            )
        }
        Reason::Restated { .. } => restated::told(experiment, card, why),
        Reason::ImpossibleCounts { arm_days, of, examples } => format!(
            "On {arm_days} of {}{} more was counted than can be, for example {}. Check that both numbers count the same \
             people on the same pages. Where an ad platform counts conversions, have it leave out people who saw the ad \
             but did not click.",
            figures::days(*of),
            if card.arms.len() > 1 { " of the versions" } else { "" },
            examples.iter().map(|one| example(one, today)).collect::<Vec<_>>().join("; ")
        ),
        Reason::UnevenSplit { since, arms } => {
            let all: f64 = arms.iter().map(|(_, visitors, _)| visitors).sum();
            let shares = arms.iter().map(|(arm, visitors, meant)| {
                let (got, meant) = (figures::rate(visitors / all, &[*meant]), figures::bar(*meant));
                format!("{} got {} of them, {got} instead of {meant}", name(experiment, arm), figures::count(*visitors))
            });
            format!(
                "Visitors are not split between the versions as planned: {}. Since {} that is too much for chance, so this \
                 test stays blocked. Mend what splits them, then begin a new test: any change of its policy does.",
                shares.collect::<Vec<_>>().join("; "),
                figures::day(*since, today)
            )
        }
        _ => traffic(experiment, why, today),
    }
}

/// Acts that do not say who did them.
fn nameless_acts(experiment: &Experiment, acts: f64, counted: f64, sources: &[SourceId]) -> String {
    let numerator = experiment.policy.primary.numerator;
    let sources = figures::list(&sources.iter().map(ToString::to_string).collect::<Vec<_>>());
    let acts = figures::counted(acts, numerator);
    if [MetricId::VERIFIED_SIGNUPS, MetricId::QUALIFIED_SIGNUPS].contains(&numerator) {
        return format!(
            "{acts} of source {sources} carry no address and count for nothing, because no address of theirs was verified. Have \
             the form ask for an address, or let another act decide, such as signups."
        );
    }
    format!(
        "{acts} of source {sources} carry no address and count for nothing, because they may be the same people as among the {} \
         of other sources. Have the form ask for an address, or count this act in one source only: take the other out of the \
         keys of the version (arm).",
        figures::count(counted)
    )
}

/// That sources have brought nothing, and what may be wrong with them.
fn no_data(experiment: &Experiment, sources: &[SourceId]) -> String {
    let names: Vec<String> = sources.iter().map(ToString::to_string).collect();
    let rate = &experiment.policy.primary;
    let of = |id: &SourceId| experiment.sources.iter().find(|source| &source.id == id);
    let brings =
        |metric: &MetricId| matches!(sources, [only] if of(only).is_some_and(|it| it.metrics.contains(metric)));
    let nothing = match [rate.numerator, rate.denominator].into_iter().filter(brings).collect::<Vec<_>>()[..] {
        [one] => format!("Source {} has brought no {} since the test began", names[0], figures::many(one)),
        _ => format!("Nothing that decides this test has come from {} since it began", figures::list(&names)),
    };
    let by_hand = experiment.sources.iter().find(|source| sources.contains(&source.id) && !source.scheduled);
    if let Some(source) = by_hand {
        return format!("{nothing}. Import a report of those days: `willitsell import FILE --source {}`.", source.id);
    }
    let read = if let [_] = names[..] { "it reads" } else { "each of them reads" };
    format!(
        "{nothing}. Check that {read} the right account or, if it is a file, that its column is there. If it is a form that \
         nobody has filled in yet, send one test answer."
    )
}

/// Why traffic is not believed.
fn traffic(experiment: &Experiment, why: &Reason, today: NaiveDate) -> String {
    match why {
        Reason::TrackingGap { arm, first_day, last_day, clicks, visits } => {
            let (only, too, what) = if visits < clicks {
                ("only ", "few", "Check that the page counts every visitor and that the ads lead to it.")
            } else {
                let what = "Check that the page counts nobody twice, and that every campaign that leads there is named \
                            among the keys.";
                ("", "many", what)
            };
            format!(
                "{}: {} there were {only}{} for {}: too {too}. {what} {}",
                name(experiment, arm),
                figures::stretch(*first_day, *last_day, today),
                figures::counted(*visits, MetricId::VISITS),
                figures::counted(*clicks, MetricId::CLICKS),
                two_ways(experiment)
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
                "{}: {when} no {} was counted for {went_on}; about {} would be expected. Check that the page and the form \
                 still work and are still counted. {}",
                name(experiment, arm),
                to.metric().noun,
                figures::count(expected.round()),
                two_ways(experiment)
            )
        }
        Reason::BotBurst { arm, metric, count, expected, days } => {
            let on: Vec<String> = days.iter().map(|&day| figures::day(day, today)).collect();
            format!(
                "{}: there were {} on {}; going by the other days, about {} would be expected. Bots look like this: see \
                 who they were. {}",
                name(experiment, arm),
                figures::counted(*count, *metric),
                figures::list(&on),
                figures::count(expected.round()),
                two_ways(experiment)
            )
        }
        _ => String::new(),
    }
}

/// `Plan a on Thu 5 Mar: 8 sign-ups from 7 visitors`, of an example as a reason keeps it.
fn example(kept: &str, today: NaiveDate) -> String {
    let parts = kept.rsplit_once(" on ").and_then(|(arm, rest)| {
        let (day, counts) = rest.split_once(": ")?;
        let (more, fewer) = counts.split_once(", ").filter(|(_, fewer)| !fewer.contains(", "))?;
        Some(format!("{arm} on {}: {more} from {fewer}", figures::day(day.parse().ok()?, today)))
    });
    parts.unwrap_or_else(|| kept.to_owned())
}

fn count(rows: i64) -> String {
    if rows == 1 { "1 row".into() } else { format!("{} rows", thousands(u64::try_from(rows).unwrap_or(0))) }
}
