//! Fields of the deciding rate that stand in no row of a source: a platform leaves zeros out, and a field it renamed
//! looks the same. Where there had been something on the days read, the pull has failed already: see `store::fields`.

use chrono::NaiveDate;

use super::figures;
use super::gates::primary_sources;
use super::tally::Calendar;
use crate::domain::concept::{Experiment, Source};
use crate::domain::metric::MetricId;
use crate::domain::observation::{Inputs, Pull};
use crate::domain::verdict::{Scorecard, Unseen};

/// Those of which the last reading of each source's newest day found nothing.
pub fn unseen(experiment: &Experiment, data: &Inputs, calendar: &Calendar) -> Vec<Unseen> {
    let rate = &experiment.policy.primary;
    let decides = |metric: MetricId| metric == rate.numerator || metric == rate.denominator;
    let of_source = |source: &Source| -> Vec<Unseen> {
        let is_of_test = |pull: &&Pull| pull.source == source.id && pull.last_day >= calendar.first;
        let read = || data.pulls.iter().filter(is_of_test).filter(|pull| !pull.facts.fields.is_empty());
        let Some(last) = read().max_by_key(|pull| (pull.last_day, pull.id)) else { return Vec::new() };
        let nothing = last.facts.fields.iter().filter(|field| field.rows == 0 && decides(field.metric));
        nothing
            .map(|field| Unseen {
                source: source.id.clone(),
                metric: field.metric,
                path: field.path.clone(),
                rows: field.of,
                last_day: read()
                    .flat_map(|pull| &pull.facts.fields)
                    .filter(|then| then.metric == field.metric && then.path == field.path)
                    .filter_map(|then| then.last_day)
                    .filter(|&day| day >= calendar.first)
                    .max(),
            })
            .collect()
    };
    primary_sources(experiment).flat_map(of_source).collect()
}

/// What a reader must know of them.
pub fn told(card: &Scorecard, today: NaiveDate) -> impl Iterator<Item = String> {
    card.unseen.iter().map(move |Unseen { source, metric, path, rows, last_day }| {
        let (many, source, path) = (figures::many(*metric), figures::quoted(source), figures::quoted(path));
        let rows = match u32::try_from(*rows).map_or(f64::INFINITY, f64::from) {
            1.0 => "its only row".to_owned(),
            rows => format!("any of {} rows", figures::count(rows)),
        };
        match last_day {
            None => format!(
                "Source {source} sent nothing called {path} in {rows}: either there were no {many} yet, or the vendor \
                 renamed it."
            ),
            Some(day) => format!(
                "Source {source} last sent {path} for {}, and nothing called so in {rows} when last read: either \
                 there were no more {many}, or the vendor renamed it.",
                figures::day(*day, today)
            ),
        }
    })
}
