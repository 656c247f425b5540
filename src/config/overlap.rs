//! Sources of one experiment that count the same people or acts for an arm: their counts would be added up (D2). Sources
//! that hand over the people may overlap, for each person counts once; those whose acts name nobody, or name people in a way
//! of their own, may not.

use super::check::Check;
use super::raw::Section;
use super::report::quoted;
use crate::domain::concept::{Arm, Source};
use crate::domain::metric::MetricId;

/// What happens on the page and after it. Platforms count it of the clicks they sent, each its own; whatever counts it on
/// the page counts all of it.
const ON_THE_PAGE: [MetricId; 10] = [
    MetricId::VISITS,
    MetricId::FORM_OPENS,
    MetricId::SIGNUPS,
    MetricId::CONVERSIONS,
    MetricId::LEADS,
    MetricId::DEMOS,
    MetricId::CARDS,
    MetricId::DEPOSITS,
    MetricId::ORDERS,
    // A deposit of one source, and of another the order.
    MetricId::PAYMENTS,
];

/// Reports each metric that two sources of an arm both count; `None` beside a name stands for files, of which nobody
/// knows yet what they hold.
pub(super) fn refuse(check: &Check<'_>, section: &Section<'_>, arms: &[(Section<'_>, Arm)], sources: &[Source]) {
    let mut nameless_told = false;
    for metric in ON_THE_PAGE {
        let mut told = false;
        for (_, arm) in arms {
            let counting = |source: &&Source| {
                source.metrics.contains(&metric) && arm.keys.get(&source.id).is_some_and(|keys| !keys.is_empty())
            };
            let counting: Vec<&Source> = sources.iter().filter(counting).collect();
            let Some((one, other)) = overlapping(&counting, metric).filter(|_| !told) else { continue };
            told = true;
            if one.people.is_some() && other.people.is_some() {
                if !nameless_told {
                    refuse_nameless(check, section, (metric, arm), [one, other]);
                }
                nameless_told = true;
                continue;
            }
            let uncertain = counting.iter().any(|source| source.connector == "file");
            let if_there = if uncertain { ", where the file has them" } else { "" };
            let what = format!(
                "{metric} of arm {} are counted by {} and by {}{if_there}, so each would count twice",
                arm.id,
                quoted(one.id.as_str()),
                quoted(other.id.as_str())
            );
            let platform = if is_platform(one) || other.people.is_some() { one } else { other };
            let advice = format!(
                "let one of them count: write leave_out = [\"{metric}\"] in [source.{}], or take a source out of the keys",
                platform.id
            );
            if uncertain {
                check.report.warn(section.key_span("sources"), what, advice);
            } else {
                check.report.error(section.key_span("sources"), what, advice);
            }
        }
    }
}

/// Acts that name nobody another source would know, beside that other source of the same acts.
fn refuse_nameless(check: &Check<'_>, section: &Section<'_>, (metric, arm): (MetricId, &Arm), pair: [&Source; 2]) {
    let [one, other] = pair;
    let unknown = |source: &Source| source.nameless || source.names_apart;
    let nameless = if unknown(one) { one } else { other };
    let how = if nameless.nameless { "name nobody" } else { "name people by numbers of their own" };
    let what = format!(
        "{metric} of arm {} come from {} and from {}, and the acts of {} {how}, so whoever is in both would count \
         twice",
        arm.id,
        quoted(one.id.as_str()),
        quoted(other.id.as_str()),
        quoted(nameless.id.as_str())
    );
    let advice = format!("let one of them count: take {} out of the keys of the arms, or the other", nameless.id);
    check.report.error(section.key_span("sources"), what, advice);
}

/// Two sources that count the same, where nothing tells whom both have counted.
fn overlapping<'s>(counting: &[&'s Source], metric: MetricId) -> Option<(&'s Source, &'s Source)> {
    let knows_people =
        |source: &Source| source.people.is_some() && !(source.nameless || source.names_apart) && metric.is_of_people();
    counting.iter().enumerate().find_map(|(position, one)| {
        let other = counting[position + 1..]
            .iter()
            .find(|other| !(is_platform(one) && is_platform(other) || knows_people(one) && knows_people(other)));
        other.map(|other| (*one, *other))
    })
}

/// Whether it shows ads, and so sends its own clicks.
fn is_platform(source: &Source) -> bool {
    source.metrics.contains(&MetricId::IMPRESSIONS) || source.metrics.contains(&MetricId::SPEND)
}
