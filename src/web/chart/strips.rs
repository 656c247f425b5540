//! Strips of days: how each day of each source changed since it was first read, and how its pulls went. Height, crosses, hatching and
//! figures carry what they say, never colour.

use chrono::NaiveDate;
use maud::{Markup, html};

use super::scale::Days;
use super::{Room, Table, Words, cut, drawing, figure, px, width_of};

/// How a day's pull went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pulled {
    /// In time.
    Worked,
    /// Late, or at a second try.
    Recovered,
    /// Not at all.
    Failed,
    /// None was due.
    NotDue,
}

impl Pulled {
    /// In a word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Worked => "worked",
            Self::Recovered => "late, then recovered",
            Self::Failed => "failed",
            Self::NotDue => "not due",
        }
    }
}

/// Pulls of one source, a cell each day, the latest last. `label` says the same in words.
pub fn pulls(label: &str, days: &[Pulled]) -> Markup {
    const EACH: f64 = 21.0;
    let count = u32::try_from(days.len()).unwrap_or(u32::MAX);
    html! {
        svg class="pulls" viewBox=(format!("0 0 {} 20", px(EACH * f64::from(count)))) role="img" aria-label=(label) {
            @for (at, pulled) in (0_u32..).zip(days) {
                @let x = EACH * f64::from(at);
                @match pulled {
                    Pulled::Worked => rect class="pull" x=(px(x)) y="0" width="17" height="20" {},
                    Pulled::Recovered => {
                        rect class="pull-box" x=(px(x + 0.75)) y="0.75" width="15.5" height="18.5" {}
                        rect class="pull" x=(px(x)) y="10" width="17" height="10" {}
                    }
                    Pulled::Failed => {
                        rect class="pull-failed" x=(px(x + 1.0)) y="1" width="15" height="18" {}
                        path class="pull-cross" d=(format!("M{} 5l7 10m0 -10l-7 10", px(x + 5.0))) {}
                    }
                    Pulled::NotDue => rect class="pull-box" x=(px(x + 0.75)) y="0.75" width="15.5" height="18.5" {},
                }
            }
        }
    }
}

/// One source's days.
#[derive(Clone, Debug)]
pub struct Restated {
    /// Whose.
    pub source: String,
    /// By how much each day changed between its first reading and now, as a share; `None` where there is no data. As many as there are
    /// days.
    pub changes: Vec<Option<f64>>,
    /// Its last settled day.
    pub settled_to: Option<NaiveDate>,
}

/// The restatement chart.
pub struct Restatements<'a> {
    /// What it is called.
    pub words: Words<'a>,
    /// First and last day.
    pub days: [NaiveDate; 2],
    /// A row each.
    pub sources: &'a [Restated],
    /// A day as printed.
    pub date: &'a dyn Fn(NaiveDate) -> String,
}

/// Shares from which the shade is another, and from which the figure is printed.
const STEPS: [(f64, &str); 4] = [(0.005, "to 2%"), (0.02, "to 5%"), (0.05, "to 20%"), (0.2, "over 20%")];

impl Restatements<'_> {
    /// With both drawings.
    pub fn figure(&self) -> Markup {
        let [first, last] = self.days;
        let dates: Vec<NaiveDate> = first.iter_days().take_while(|day| *day <= last).collect();
        let heads = ["Day".to_owned()].into_iter().chain(self.sources.iter().map(|one| one.source.clone())).collect();
        let row = |(at, day): (usize, &NaiveDate)| {
            let said = self.sources.iter().map(|one| match one.changes.get(at).copied().flatten() {
                Some(change) => format!("{}%", figure_of(change)),
                None => "no data".to_owned(),
            });
            [(self.date)(*day)].into_iter().chain(said).collect()
        };
        let table = Table { heads, rows: dates.iter().enumerate().map(row).collect() };
        let drawn = |which, width, names| self.drawn(which, width, names, &dates);
        figure(self.words, Room::Page, [&drawn("wide", 1160.0, 130.0), &drawn("narrow", 350.0, 0.0)], &html! {}, &table)
    }

    fn drawn(&self, which: &str, width: f64, names: f64, dates: &[NaiveDate]) -> Markup {
        let is_narrow = names == 0.0;
        let each = if is_narrow { 52.0 } else { 32.0 };
        let days = Days::new(self.days[0], self.days[1], [names, width], 60.0);
        let hatch = format!("{}-{which}-p", self.words.id);
        let count = u32::try_from(self.sources.len()).unwrap_or(u32::MAX);
        let bottom = 18.0 + each * f64::from(count);
        let content = html! {
            defs {
                pattern id=(hatch) width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                    rect class="step-4" width="5" height="5" {}
                    line class="light" x1="0" y1="0" x2="0" y2="5" {}
                }
            }
            @for (at, source) in (0_u32..).zip(self.sources) {
                @let y = 18.0 + each * f64::from(at) + if is_narrow { 18.0 } else { 0.0 };
                text class="s" x="0" y=(px(if is_narrow { y - 5.0 } else { y + 17.0 })) { (cut(&source.source, if is_narrow { width } else { names - 10.0 })) }
                @for (day, change) in dates.iter().zip(&source.changes) { (Self::cell(&days, *day, *change, y, &hatch)) }
                @if let Some(settled) = source.settled_to.filter(|day| *day >= self.days[0] && *day <= self.days[1]) {
                    line class="settled" x1=(px(days.end(settled))) x2=(px(days.end(settled))) y1=(px(y - 3.0)) y2=(px(y + 29.0)) {}
                }
            }
            text class=(if is_narrow { "end" } else { "s end" }) x=(px(width)) y="10" { "thick line: settled up to here" }
            @for day in days.mondays(if is_narrow { 3 } else { 8 }) {
                @let text = (self.date)(day);
                text x=(px((days.at(day) - days.column() / 2.0).min(width - width_of(&text)))) y=(px(bottom + 14.0)) { (text) }
            }
            (Self::key(bottom + 28.0, names, width, &hatch))
        };
        drawing(self.words, which, [width, bottom + if is_narrow { 84.0 } else { 50.0 }], &content)
    }

    fn cell(days: &Days, day: NaiveDate, change: Option<f64>, y: f64, hatch: &str) -> Markup {
        let (x, column) = (days.at(day), days.column());
        let Some(change) = change else {
            return html! { rect class="no-data" x=(px(x - column / 2.0 + 1.0)) y=(px(y + 0.5)) width=(px((column - 2.0).max(1.0))) height="25" {} };
        };
        let step = STEPS.iter().filter(|(from, _)| change >= *from).count();
        let figure = format!("{}%", figure_of(change));
        let is_hatched = step == STEPS.len();
        html! {
            rect class=(format!("step-{step}")) x=(px(x - column / 2.0 + 0.75)) y=(px(y)) width=(px((column - 1.5).max(1.0))) height="26"
                fill=[is_hatched.then(|| format!("url(#{hatch})"))] {}
            @if change >= 0.05 && width_of(&figure) < column {
                text class=(if is_hatched { "mid on-dark boxed" } else { "mid on-dark" }) x=(px(x)) y=(px(y + 17.0)) { (figure) }
            }
        }
    }

    fn key(y: f64, from: f64, width: f64, hatch: &str) -> Markup {
        let entries = ["under 0.5%"].into_iter().chain(STEPS.iter().map(|(_, name)| *name)).chain(["no data"]);
        let mut x = from;
        let mut line = y;
        let placed: Vec<_> = entries
            .enumerate()
            .map(|(at, name)| {
                let wide = width_of(name) + 36.0;
                if x + wide > width {
                    (x, line) = (from, line + 20.0);
                }
                let place = (at, name, x, line);
                x += wide;
                place
            })
            .collect();
        html! {
            @for (at, name, x, y) in placed {
                @if name == "no data" {
                    rect class="no-data" x=(px(x + 0.5)) y=(px(y + 0.5)) width="13" height="11" {}
                } @else {
                    rect class=(format!("step-{at}")) x=(px(x)) y=(px(y)) width="14" height="12" fill=[(at == STEPS.len()).then(|| format!("url(#{hatch})"))] {}
                }
                text x=(px(x + 19.0)) y=(px(y + 10.5)) { (name) }
            }
        }
    }
}

/// Whole per cent.
fn figure_of(change: f64) -> String {
    format!("{:.0}", change * 100.0)
}
