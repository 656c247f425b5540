//! By how much each source's past days have changed since they were first read whole: a table whose cells are shaded, so that it
//! is its own words.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use maud::{Markup, html};
use serde::Serialize;

use crate::decide::figures;
use crate::domain::concept::Source;
use crate::domain::millionths;
use crate::domain::observation::{DateWindow, Inputs};
use crate::store::{Settling, StoreError, View};
use crate::web::moment::Moment;

/// Days that are looked at, and how many of them a narrow page shows.
const DAYS: u64 = 21;
const NARROW: usize = 7;

/// Most sources that are.
const SOURCES: usize = 12;

/// Fewer than this many are never given as a share.
const FEWEST: i64 = 20 * millionths::ONE;

/// From which change on a day is shaded, each darker than the one before; from the third on the figure stands in the cell.
const STEPS: [f64; 4] = [0.005, 0.02, 0.05, 0.20];

/// One source's days.
#[derive(Debug, Serialize)]
pub(super) struct Moved {
    source: String,
    /// How much of what it counts most changed on each day, as a share; `None` of days that were not read.
    days: Vec<(NaiveDate, Option<f64>)>,
    /// The last day that counts.
    settled_to: Option<NaiveDate>,
}

/// Of the first of some sources, each with the last day of it that has settled.
///
/// # Errors
/// [`StoreError`] where the store cannot be read.
pub(super) async fn read(
    moment: &Moment,
    view: &mut View,
    sources: &[(&Source, Option<NaiveDate>)],
) -> Result<Vec<Moved>, StoreError> {
    let today = moment.date();
    let sources = &sources[..sources.len().min(SOURCES)];
    let window = today.checked_sub_days(Days::new(DAYS)).zip(today.pred_opt());
    let Some(window) = window.and_then(|(first, last)| DateWindow::new(first, last)) else { return Ok(vec![]) };
    let asked: Vec<_> = sources.iter().map(|(source, _)| (&source.id, window)).collect();
    let mut rows = view.rows(&asked, None).await?;
    let mut moved = Vec::new();
    for (source, settled_to) in sources {
        let now = rows.inputs(std::slice::from_ref(&source.id), window)?;
        let known_at = now.pulls.iter().map(|pull| pull.id).max().unwrap_or(0);
        let settling = Settling { days: window, lag_days: 1, zone: moment.zone(), known_at };
        let then = rows.first_settled(&now, &[source], &settling)?;
        let was_read = |day: NaiveDate| {
            now.pulls
                .iter()
                .any(|pull| pull.covers(day) && pull.committed_at.with_timezone(&pull.day_zone).date_naive() > day)
        };
        let (after, before) = (counted(source, &now), then.as_ref().map(|then| counted(source, then)));
        let days = window.first().iter_days().take_while(|day| *day <= window.last()).map(|day| {
            let change = before.as_ref().map_or(0.0, |before| change(before.get(&day), after.get(&day)));
            (day, was_read(day).then_some(change))
        });
        moved.push(Moved { source: source.id.to_string(), days: days.collect(), settled_to: *settled_to });
    }
    Ok(moved)
}

/// What stands for each day: every metric's sum, then the acts.
fn counted(source: &Source, inputs: &Inputs) -> BTreeMap<NaiveDate, Vec<i64>> {
    let mut days: BTreeMap<NaiveDate, Vec<i64>> = BTreeMap::new();
    let width = source.metrics.len() + 1;
    for row in &inputs.observations {
        let sums = days.entry(row.day).or_insert_with(|| vec![0; width]);
        for (sum, metric) in sums.iter_mut().zip(&source.metrics) {
            *sum = sum.saturating_add(row.values.get(*metric).unwrap_or(0));
        }
    }
    let zone = inputs.pulls.last().map_or(chrono_tz::UTC, |pull| pull.day_zone);
    for act in inputs.responses.iter().filter(|act| act.void.is_none()) {
        let sums = days.entry(act.at.with_timezone(&zone).date_naive()).or_insert_with(|| vec![0; width]);
        sums[width - 1] += millionths::ONE;
    }
    days
}

/// The largest change of any of them, as a share of the larger number; of too few for a share, none.
#[expect(clippy::cast_precision_loss, reason = "a share, for reading")]
fn change(before: Option<&Vec<i64>>, after: Option<&Vec<i64>>) -> f64 {
    let none = Vec::new();
    let (before, after) = (before.unwrap_or(&none), after.unwrap_or(&none));
    let at = |sums: &Vec<i64>, position: usize| sums.get(position).copied().unwrap_or(0);
    let shares = (0..before.len().max(after.len())).map(|position| {
        let (was, is) = (at(before, position), at(after, position));
        let of = was.max(is);
        if of < FEWEST { 0.0 } else { (is - was).abs() as f64 / of as f64 }
    });
    shares.fold(0.0, f64::max)
}

/// The section; nothing where no day was read.
pub(super) fn drawn(moved: &[Moved], today: NaiveDate) -> Markup {
    let all =
        moved.iter().flat_map(|one| one.days.iter().filter_map(move |(day, change)| Some((one, *day, (*change)?))));
    let Some(largest) = all.max_by(|one, other| one.2.total_cmp(&other.2)) else { return html! {} };
    let days: Vec<NaiveDate> =
        moved.first().map_or_else(Vec::new, |one| one.days.iter().map(|(day, _)| *day).collect());
    let older = days.len().saturating_sub(NARROW);
    html! {
        section.section aria-labelledby="moved" {
            h2 id="moved" {
                @match largest {
                    (_, _, change) if change < STEPS[0] => "No past day moved after it was read whole",
                    (one, day, change) => { "Past days still move; " (one.source) " moved most: " (figures::share(change)) " on " (figures::day(day, today)) },
                }
            }
            p.sub { "Change of each day between its first reading after it had ended and now. Only days left of the thick line, the settled edge, count towards a verdict." }
            table.moved {
                thead { tr {
                    th scope="col" { "Source" }
                    @for (position, day) in days.iter().enumerate() {
                        th.older[position < older] scope="col" {
                            span.hidden { (figures::day(*day, today)) }
                            span aria-hidden="true" { @if day.format("%u").to_string() == "1" || position + 1 == days.len() { (day.format("%-d %b")) } }
                        }
                    }
                } }
                tbody { @for one in moved { tr {
                    th scope="row" { (one.source) }
                    @for (position, (day, change)) in one.days.iter().enumerate() {
                        td class={ (shade(*change)) @if position < older { " older" } @if one.settled_to == Some(*day) { " edge" } } title={ (figures::day(*day, today)) ": " (said(*change)) } {
                            @match change {
                                Some(change) if *change >= STEPS[2] => span { (figures::share(*change)) },
                                other => span.hidden { (said(*other)) },
                            }
                        }
                    }
                } } }
            }
            p.note.key {
                "Light to dark: under 0.5%, to 2%, to 5%, to 20% with its figure; hatched: over 20%. Dashed: not read."
            }
        }
    }
}

fn said(change: Option<f64>) -> String {
    match change {
        None => "not read".to_owned(),
        Some(change) if change < STEPS[0] => "under 0.5%".to_owned(),
        Some(change) => figures::share(change),
    }
}

fn shade(change: Option<f64>) -> &'static str {
    match change {
        None => "unread",
        Some(change) if change < STEPS[0] => "still",
        Some(change) if change < STEPS[1] => "little",
        Some(change) if change < STEPS[2] => "some",
        Some(change) if change <= STEPS[3] => "much",
        Some(_) => "most",
    }
}
