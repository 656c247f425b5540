//! Every defect of the data as a plain sentence: what is wrong, and what ends it; that there is no verdict is said
//! before it. When there is one is `gates`' business; other sentences are `explain`'s.

use std::collections::BTreeSet;

use chrono::NaiveDate;

use super::explain::{guardrail_figure, name, today, unmapped};
use super::figures;
use super::figures::quoted;
use super::gates::NAMELESS_SHARE_AT_MOST;
use super::keys;
use super::notes::{two_ways, where_to_look};
use super::restated;
use super::tally::currencies_set;
use super::traffic::WARN_BELOW;
use crate::domain::concept::{Experiment, Source};
use crate::domain::id::SourceId;
use crate::domain::metric::{MetricId, Unit};
use crate::domain::money::{Money, thousands};
use crate::domain::verdict::{Reason, Scorecard};

/// Why nothing is decided; nothing for a reason that is no defect.
pub fn defect(experiment: &Experiment, card: &Scorecard, why: &Reason) -> String {
    let today = today(experiment, card);
    match why {
        Reason::NoData { sources } => no_data(experiment, sources),
        Reason::Stale { source, last_pull } => {
            let day = last_pull.map(|at| figures::day(at.with_timezone(&experiment.timezone).date_naive(), today));
            let read = day.map_or_else(
                || "has never been read, although two readings or more were planned.".to_owned(),
                |day| {
                    format!(
                        "was last read on {day}. Readings were planned since then, but nothing has come, so its later days \
                         are missing."
                    )
                },
            );
            format!("Source {} {read} To see what is wrong, run `willitsell pull`.", quoted(source))
        }
        Reason::UnmappedSpend { amount, share, keys } => unmapped_spend(experiment, card, (*amount, *share), keys),
        Reason::UnmappedActs { acts, keys } => unmapped_acts(experiment, *acts, keys),
        Reason::NamelessActs { acts, counted, sources } => nameless_acts(experiment, *acts, *counted, sources),
        Reason::MixedZones { source, zones } => format!(
            "Source {} was read in {} time zones, {}, so its days do not cover the same hours. Keep \
             the account in one of them, and read all days again: `willitsell pull --source {source} --since {}`.",
            quoted(source),
            figures::in_words(u32::try_from(zones.len()).unwrap_or(u32::MAX)),
            figures::list(zones),
            experiment.start
        ),
        Reason::DayZones { acts, acts_zone, exposures, exposures_zone } => format!(
            "Source {} counts by days of {acts_zone}, source {} by days of {exposures_zone}: those cover different hours. \
             Set the same time zone in both accounts, then read all days again for the account you changed: `willitsell \
             pull --source NAME --since {}`. Or count {} from a source that says when each one came: those fit any time zone.",
            quoted(acts),
            quoted(exposures),
            experiment.start,
            figures::many(experiment.policy.primary.numerator)
        ),
        Reason::MixedCurrencies { currencies } => mixed_currencies(experiment, currencies),
        Reason::FewerRows { source, first_day, last_day, rows, metric, amounts, .. } => {
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
                "Source {} now shows {} for {} to {}. Before, it showed {}. Check that the account still shows everything \
                 and that nobody has narrowed its access. {}",
                quoted(source),
                size(1),
                figures::day(*first_day, today),
                figures::day(*last_day, today),
                size(0),
                accept("the lower numbers are right", today, experiment.sources.iter().find(|one| one.id == *source))
            )
        }
        Reason::Restated { .. } => restated::told(experiment, card, why),
        Reason::ImpossibleCounts { arm_days, of, examples } => format!(
            "On {arm_days} of {}{} the counts cannot be right{}. Check that both numbers count the same people on the same \
             pages. If an ad platform counts the {}, have it count only people who clicked an ad. Then leave \
             those days out: {}.",
            figures::days(*of),
            if card.arms.len() > 1 { " of the versions" } else { "" },
            // One shows what is meant; the days of `explain` show all.
            examples.first().map_or_else(String::new, |one| format!(", for example {}", example(one, today))),
            figures::many(experiment.policy.primary.numerator),
            where_to_look(experiment)
        ),
        Reason::UnevenSplit { since, arms } => {
            let all: f64 = arms.iter().map(|(_, visitors, _)| visitors).sum();
            let shares = arms.iter().map(|(arm, visitors, meant)| {
                let (got, meant) = (figures::rate(visitors / all, &[*meant]), figures::bar(*meant));
                format!("{} got {} of them: {got} instead of {meant}", name(experiment, arm), figures::count(*visitors))
            });
            format!(
                "Visitors are not split between the versions as planned. {}. Already by {} that was too uneven for chance, so \
                 this test can give no verdict any more. Repair what splits them, then begin a new test: in the configuration \
                 file, change `start` under `[experiment.{}]` to the day after the repair.",
                shares.collect::<Vec<_>>().join(". "),
                figures::day(*since, today),
                experiment.concept.id
            )
        }
        _ => traffic(experiment, why, today),
    }
}

/// Money in several currencies: whose it is as far as the configuration tells, and what ends it.
fn mixed_currencies(experiment: &Experiment, currencies: &[String]) -> String {
    let all = figures::list(currencies);
    let (what, mend) = match Spending::of(experiment, currencies) {
        Spending::OneSource(source) => (
            format!("Source {} brought money in {all}", quoted(source)),
            format!(
                "See that it reads one account, in one currency, then read all days again: `willitsell pull --source {source} --since {}`.",
                experiment.start
            ),
        ),
        Spending::BesideLimits(source, set) => {
            let others: Vec<String> = currencies.iter().filter(|one| **one != set).cloned().collect();
            (
                format!(
                    "Source {} brought money in {}, and the configuration file sets limits in {set}",
                    quoted(source),
                    figures::list(&others)
                ),
                "Write the limits there in the currency of the account.".to_owned(),
            )
        }
        Spending::Several => (
            format!("The money of this test is in {all} (`willitsell explain {}` shows which source is in which)", experiment.concept.id),
            "Have all accounts and the budget in one currency. Where that cannot be, split the test: an experiment of its own for \
             each currency."
                .to_owned(),
        ),
    };
    format!(
        "{what}. Amounts in different currencies are never added up, so nobody can say what a {} costs. {mend}",
        experiment.policy.primary.numerator.metric().noun
    )
}

/// Who may have brought money in several currencies.
pub enum Spending<'a> {
    /// The only source of spend alone.
    OneSource(&'a SourceId),
    /// The only source of spend, and the limits, which are in another one.
    BesideLimits(&'a SourceId, String),
    /// Sources that are more than one.
    Several,
}

impl<'a> Spending<'a> {
    /// What the configuration tells of it.
    pub fn of(experiment: &'a Experiment, currencies: &[String]) -> Self {
        let mut sources = experiment.sources.iter().filter(|source| source.metrics.contains(&MetricId::SPEND));
        let (Some(only), None) = (sources.next(), sources.next()) else { return Self::Several };
        let limits: BTreeSet<String> = currencies_set(experiment).map(|currency| currency.code()).collect();
        match (limits.first(), limits.len()) {
            (None, _) => Self::OneSource(&only.id),
            (Some(set), 1) if currencies.len() == 2 => Self::BesideLimits(&only.id, set.clone()),
            _ => Self::Several,
        }
    }
}

/// Money on campaigns of no arm, and what settles whose they are.
fn unmapped_spend(experiment: &Experiment, card: &Scorecard, spent: (Option<Money>, f64), keys: &[String]) -> String {
    let settled_by = if keys::can_be_named(keys) {
        format!(
            "Say in the configuration file which version each belongs to, or that it has no part in any test: {}.",
            where_to_look(experiment)
        )
    } else {
        "Have the source name the campaign in each of its rows.".to_owned()
    };
    format!("{}. {settled_by}", unmapped(experiment, card, spent, keys))
}

/// Acts of no arm, and what settles whose they are.
fn unmapped_acts(experiment: &Experiment, acts: f64, keys: &[String]) -> String {
    let because = if keys::can_be_named(keys) {
        format!(
            "the configuration file does not mention their marks ({}). Say there which version they belong to (then \
             they count), or that they have no part in any test (then they stay out): {}.",
            figures::list(&keys::named(experiment, &keys::with_a_name(keys))),
            where_to_look(experiment)
        )
    } else {
        format!(
            "they do not say where the person came from, and do not count without that. The form must record, for each person, \
             the campaign or the version of the page they came from. Once it does, leave out the days up to then, or they count \
             as days without {}: {}.",
            figures::many(experiment.policy.primary.numerator),
            where_to_look(experiment)
        )
    };
    let whose = match &experiment.arms[..] {
        [only] => &only.title,
        _ => "a version",
    };
    let acts = figures::counted(acts, experiment.policy.primary.numerator);
    format!("None of the {acts} so far can be matched to {whose}: {because}")
}

/// What to write where what a source shows today is right: a day, under the source's table. `None` where it is not known
/// which source that is.
pub fn accept(if_so: &str, today: NaiveDate, source: Option<&Source>) -> String {
    let table = source.map_or_else(|| "[source.NAME]".to_owned(), |source| format!("[source.{}]", source.id));
    let has_one = source.is_some_and(|source| source.accept_shrink.is_some());
    let instead = if has_one { ", in place of the day there" } else { "" };
    format!(
        "If {if_so}, write `accept_shrink = \"{today}\"` under `{table}` in the configuration file{instead}: then they count."
    )
}

/// Acts that do not say who did them.
fn nameless_acts(experiment: &Experiment, acts: f64, counted: f64, sources: &[SourceId]) -> String {
    let numerator = experiment.policy.primary.numerator;
    let without = keys::without(experiment, sources);
    let sources = figures::sources(sources);
    let carry =
        format!("{} of {sources} carry no e-mail address. They do not count", figures::counted(acts, numerator));
    if needs_addresses(experiment) {
        return format!(
            "{carry}, for no address of theirs was verified. Have {sources} ask for an address. Or let an act decide that needs no \
             verified address, such as `signups`: that begins a new test."
        );
    }
    format!(
        "{carry}, for they may be the same people as the {} that other sources counted. In the configuration file, {without}: then \
         the others count alone. Or have {sources} ask for an address: then new {new} count, and \
         the test goes on once no more than {} in 100 of all {new} lack one (now {} of {}).",
        figures::count(counted),
        figures::count(NAMELESS_SHARE_AT_MOST * 100.0),
        figures::count(acts),
        figures::count(acts + counted),
        new = figures::many(numerator)
    )
}

/// Whether an act without an address never counts, whoever else counts it.
pub fn needs_addresses(experiment: &Experiment) -> bool {
    [MetricId::VERIFIED_SIGNUPS, MetricId::QUALIFIED_SIGNUPS].contains(&experiment.policy.primary.numerator)
}

/// That sources have brought nothing, and what may be wrong with them.
fn no_data(experiment: &Experiment, sources: &[SourceId]) -> String {
    let names: Vec<String> = sources.iter().map(quoted).collect();
    let rate = &experiment.policy.primary;
    let of = |id: &SourceId| experiment.sources.iter().find(|source| &source.id == id);
    let brings =
        |metric: &MetricId| matches!(sources, [only] if of(only).is_some_and(|it| it.metrics.contains(metric)));
    let (nothing, column) = match [rate.numerator, rate.denominator].into_iter().filter(brings).collect::<Vec<_>>()[..]
    {
        [one] => (
            format!("Source {} has brought no {} since the test began", names[0], figures::many(one)),
            format!("a column of {}", figures::many(one)),
        ),
        _ => (
            format!("Nothing that decides this test has come from {} since it began", figures::sources(sources)),
            format!("the columns of {} and {}", figures::many(rate.numerator), figures::many(rate.denominator)),
        ),
    };
    let by_hand = experiment.sources.iter().find(|source| sources.contains(&source.id) && !source.scheduled);
    if let Some(source) = by_hand {
        return format!("{nothing}. Import a report of those days: `willitsell import FILE --source {}`.", source.id);
    }
    let read = if let [_] = names[..] { "it reads" } else { "each of them reads" };
    format!(
        "{nothing}. Check that {read} the right account. If it is a file, check that it has {column}. If it is a form that nobody \
         has filled in yet, send one test answer."
    )
}

/// What to check where nothing of a kind was counted any more, or `lasts` no longer: `the page works and its visitors are
/// counted`.
fn works(silent: MetricId, lasts: bool) -> String {
    let (work, take, are) = if lasts { ("works", "takes", "are") } else { ("worked", "took", "were") };
    match silent {
        MetricId::VISITS => format!("the page {work} and its visitors {are} counted"),
        MetricId::FORM_OPENS => format!("the form {work} and its openings {are} counted"),
        acts => format!("the page {take} {acts}, and that they {are} counted", acts = figures::many(acts)),
    }
}

/// Why traffic is not believed.
fn traffic(experiment: &Experiment, why: &Reason, today: NaiveDate) -> String {
    let days = |first: NaiveDate, last: NaiveDate| first.iter_days().take_while(|&day| day <= last).count();
    match why {
        Reason::TrackingGap { arm, first_day, last_day, clicks, visits } => {
            let (only, what) = if visits < clicks {
                ("only ", "Check that the page counts every visitor and that the ads lead to it.")
            } else {
                let what = "Check that the page counts nobody twice, and that the configuration file names every campaign \
                            that leads there.";
                ("", what)
            };
            format!(
                "{}: {} there were {only}{} for {}; {} to {} are usual. {what} {}",
                name(experiment, arm),
                figures::stretch(*first_day, *last_day, today),
                figures::counted(*visits, MetricId::VISITS),
                figures::counted(*clicks, MetricId::CLICKS),
                figures::count((WARN_BELOW * clicks).ceil()),
                figures::count(*clicks),
                two_ways(experiment, days(*first_day, *last_day))
            )
        }
        Reason::TrackingBroken { arm, from, passed, to, expected, first_day, last_day, lasts } => {
            let went_on = match from.metric().unit {
                Unit::Count => figures::counted(*passed, *from),
                Unit::Money => format!("{} of spend", figures::count(*passed)),
            };
            format!(
                "{}: {} no {} was counted for {went_on}; about {} would be expected. Check that {}. {}",
                name(experiment, arm),
                figures::stretch(*first_day, *last_day, today),
                to.metric().noun,
                figures::count(expected.round()),
                works(*to, *lasts),
                two_ways(experiment, days(*first_day, *last_day))
            )
        }
        Reason::BotBurst { arm, metric, count, expected, days: burst } => {
            let on: Vec<String> = burst.iter().map(|&day| figures::day(day, today)).collect();
            format!(
                "{}: there were {} on {}; going by the other days, about {} would be expected. This may be bots: see who \
                 they were. {}",
                name(experiment, arm),
                figures::counted(*count, *metric),
                figures::list(&on),
                figures::count(expected.round()),
                two_ways(experiment, burst.len())
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
