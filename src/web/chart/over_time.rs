//! The range day by day against both bars, with the settled edge, the day of the verdict, since when the evidence was enough, and what
//! was counted each day below.

use chrono::NaiveDate;
use maud::{Markup, html};

use super::scale::{Days, Linear};
use super::{Room, Table, Tone, Words, drawing, figure, px, spread, width_of};

/// A bar across the whole chart.
#[derive(Clone, Debug)]
pub struct Bar {
    /// Where.
    pub at: f64,
    /// Its figure and name: `3.0% break-even`.
    pub name: String,
    /// What else there is to say of it: `kill bar, set 2 Mar`.
    pub note: String,
}

/// What all settled days up to one said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// Lower end.
    pub low: f64,
    /// What was counted; `None` where it cannot be given.
    pub value: Option<f64>,
    /// Upper end, which may be infinite.
    pub high: f64,
}

/// One day of the test.
#[derive(Clone, Debug)]
pub struct Day {
    /// Which.
    pub day: NaiveDate,
    /// Whether it is old enough to count.
    pub settled: bool,
    /// What was counted on it; `None` where nobody knows.
    pub acts: Option<f64>,
    /// The same as printed.
    pub printed: String,
    /// What all settled days up to it say, where it counts.
    pub range: Option<Range>,
}

/// The day of a verdict.
#[derive(Clone, Debug)]
pub struct Mark {
    /// The last settled day it rested on.
    pub day: NaiveDate,
    /// `BUILD on the days to Sun 15 Mar`.
    pub label: String,
    /// An earlier one that no longer stands is struck through.
    pub is_withdrawn: bool,
}

/// Evidence that came before the policy allowed a verdict.
#[derive(Clone, Debug)]
pub struct Early {
    /// Since when.
    pub since: NaiveDate,
    /// `enough evidence since Tue 10 Mar`.
    pub label: String,
    /// `policy waits for 14 settled days`.
    pub why: String,
}

/// The chart.
pub struct OverTime<'a> {
    /// What it is called.
    pub words: Words<'a>,
    /// What the verdict is, of this version.
    pub tone: Tone,
    /// Every day of the test in order.
    pub days: &'a [Day],
    /// Break-even, which is solid, and worth finding, which is dashed.
    pub bars: [Bar; 2],
    /// The day from which on the range stays clear of the bar that decides.
    pub clear_since: Option<NaiveDate>,
    /// Days of verdicts.
    pub marks: Vec<Mark>,
    /// Evidence before the policy.
    pub early: Option<Early>,
    /// Figure and name of the ends of the last range and of its value, the upper end first: `("8.5%", "best case")`.
    pub ends: Option<[(String, &'static str); 3]>,
    /// A value as the axis prints it.
    pub axis: &'a dyn Fn(f64) -> String,
    /// What the columns count: `Sign-ups a day`.
    pub counts: &'a str,
    /// The first and last settled day and each Monday, as printed.
    pub date: &'a dyn Fn(NaiveDate) -> String,
    /// The data behind it.
    pub table: Table,
}

/// The measures of one drawing.
struct Frame {
    which: &'static str,
    width: f64,
    left: f64,
    right: f64,
    top: f64,
    bottom: f64,
    /// Room within the plot beside the last range.
    beside: f64,
    is_narrow: bool,
}

const WIDE: Frame = Frame {
    which: "wide",
    width: 820.0,
    left: 42.0,
    right: 666.0,
    top: 36.0,
    bottom: 316.0,
    beside: 104.0,
    is_narrow: false,
};
const NARROW: Frame = Frame {
    which: "narrow",
    width: 350.0,
    left: 34.0,
    right: 346.0,
    top: 40.0,
    bottom: 250.0,
    beside: 46.0,
    is_narrow: true,
};
/// As on a sheet of paper: lower.
const SHEET: Frame = Frame {
    which: "sheet",
    width: 790.0,
    left: 40.0,
    right: 642.0,
    top: 28.0,
    bottom: 206.0,
    beside: 104.0,
    is_narrow: false,
};
/// The tallest column of the strip below.
const COLUMN: f64 = 30.0;
/// How wide a day is at most.
const WIDEST_DAY: f64 = 44.0;

impl OverTime<'_> {
    /// With both drawings.
    pub fn figure(&self) -> Markup {
        figure(self.words, Room::Page, [&self.drawn(&WIDE), &self.drawn(&NARROW)], &html! {}, &self.table)
    }

    /// The drawing for a sheet of paper alone.
    pub fn sheet(&self) -> Markup {
        self.drawn(&SHEET)
    }

    fn drawn(&self, frame: &Frame) -> Markup {
        let content = Drawing::of(self, frame).map_or_else(|| html! {}, |drawing| drawing.content());
        drawing(
            self.words,
            frame.which,
            [frame.width, frame.bottom + if frame.is_narrow { 118.0 } else { 104.0 }],
            &content,
        )
    }

    /// The highest value drawn: what lies beyond is cut off, never squeezed.
    fn reach(&self) -> f64 {
        let ranges: Vec<&Range> = self.days.iter().filter_map(|day| day.range.as_ref()).collect();
        let late = &ranges[ranges.len() - ranges.len().div_ceil(3)..];
        let bars = self.bars.iter().map(|bar| bar.at * 1.6).fold(0.0, f64::max);
        let ends = late.iter().map(|range| range.high).filter(|high| high.is_finite());
        // One that is far beyond says less than the bars would lose.
        ends.fold(bars, f64::max).min(bars * 4.0)
    }
}

struct Drawing<'a> {
    chart: &'a OverTime<'a>,
    frame: &'a Frame,
    days: Days,
    y: Linear,
    last_settled: Option<&'a Day>,
}

impl<'a> Drawing<'a> {
    fn of(chart: &'a OverTime<'a>, frame: &'a Frame) -> Option<Self> {
        let (first, last) = (chart.days.first()?.day, chart.days.last()?.day);
        let whole = Days::new(first, last, [frame.left, frame.right], WIDEST_DAY);
        let last_settled = chart.days.iter().rfind(|day| day.settled);
        // Beside the last range there is room for its figures.
        let beside = last_settled.map_or(0.0, |day| frame.right - whole.at(day.day));
        let days = if beside < frame.beside && chart.ends.is_some() {
            let share = (frame.right - frame.left - frame.beside) / (frame.right - frame.left - beside).max(1.0);
            Days::new(first, last, [frame.left, frame.left + (frame.right - frame.left) * share], WIDEST_DAY)
        } else {
            whole
        };
        let y = Linear::up_to(chart.reach(), 7, [frame.bottom, frame.top]);
        Some(Self { chart, frame, days, y, last_settled })
    }

    fn content(&self) -> Markup {
        let Frame { which, left, right, top, bottom, .. } = *self.frame;
        let (clip, hatch) =
            (format!("{}-{which}-c", self.chart.words.id), format!("{}-{which}-p", self.chart.words.id));
        html! {
            defs {
                clipPath id=(clip) { rect x=(px(left)) y=(px(top)) width=(px(right - left)) height=(px(bottom - top)) {} }
                pattern id=(hatch) width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)" {
                    line class="hatch" x1="0" y1="0" x2="0" y2="6" {}
                }
            }
            (self.grid())
            (self.unsettled(&hatch))
            g clip-path=(format!("url(#{clip})")) { (self.band()) }
            (self.bars())
            (self.early())
            (self.marks())
            (self.last_range())
            (self.dates())
            (self.columns())
            @if let [first, .., last] = self.chart.days {
                // Where the script finds the day under the pointer.
                g data-first=(px(self.days.at(first.day))) data-last=(px(self.days.at(last.day))) data-top=(px(top)) data-bottom=(px(bottom)) {}
            }
        }
    }

    fn grid(&self) -> Markup {
        let Frame { left, right, .. } = *self.frame;
        let ticks = self.y.ticks(8);
        html! {
            @for (at, tick) in ticks.iter().enumerate() {
                line class="grid" x1=(px(left)) x2=(px(right)) y1=(px(self.y.at(*tick))) y2=(px(self.y.at(*tick))) {}
                @let text = (self.chart.axis)(*tick);
                text class="end" x=(px(left - 6.0)) y=(px(self.y.at(*tick) + 4.0)) {
                    // The unit stands once, at the top.
                    (if at + 1 == ticks.len() { text.as_str() } else { text.trim_end_matches('%') })
                }
            }
        }
    }

    /// The settled edge, and hatching right of it.
    fn unsettled(&self, hatch: &str) -> Markup {
        let Frame { left, top, bottom, .. } = *self.frame;
        let Some(last) = self.chart.days.last().filter(|day| !day.settled) else { return html! {} };
        let edge = self.last_settled.map_or(left, |day| self.days.end(day.day));
        let end = self.days.end(last.day);
        html! {
            rect x=(px(edge)) y=(px(top)) width=(px(end - edge)) height=(px(bottom - top)) fill=(format!("url(#{hatch})")) {}
            line class="edge" x1=(px(edge)) x2=(px(edge)) y1=(px(top)) y2=(px(bottom + 62.0)) {}
            @if edge + 66.0 < self.frame.right + 10.0 { text class="halo" x=(px(edge + 5.0)) y=(px(top + 13.0)) { "not settled" } }
        }
    }

    fn seen(&self) -> impl DoubleEndedIterator<Item = (f64, &'a Day, Range)> {
        self.chart.days.iter().filter_map(|day| Some((self.days.at(day.day), day, day.range?)))
    }

    fn band(&self) -> Markup {
        let clear = |day: &Day| self.chart.clear_since.is_some_and(|since| day.day >= since);
        let before: Vec<_> = self.seen().filter(|(_, day, _)| !clear(day)).collect();
        let mut after: Vec<_> = self.seen().filter(|(_, day, _)| clear(day)).collect();
        // Both parts meet on the first clear day.
        let meeting = after.first().copied();
        let before: Vec<_> = before.into_iter().chain(meeting).collect();
        if after.len() == 1 {
            after.clear();
        }
        let area = |part: &[(f64, &Day, Range)]| {
            let top = part.iter().map(|(x, _, range)| (*x, self.y.at(range.high)));
            let bottom = part.iter().rev().map(|(x, _, range)| (*x, self.y.at(range.low)));
            points(top.chain(bottom))
        };
        let line = |pick: &dyn Fn(&Range) -> Option<f64>| {
            points(self.seen().filter_map(|(x, _, range)| Some((x, self.y.at(pick(&range)?)))))
        };
        html! {
            polygon class="band" points=(area(&before)) {}
            @if !after.is_empty() { polygon class=(format!("band clear {}", self.chart.tone.class())) points=(area(&after)) {} }
            polyline class="rim" points=(line(&|range| Some(range.low))) {}
            polyline class="rim" points=(line(&|range| Some(range.high))) {}
            polyline class="rate" points=(line(&|range| range.value)) {}
        }
    }

    fn bars(&self) -> Markup {
        let Frame { left, right, top, bottom, is_narrow, .. } = *self.frame;
        let [solid, dashed] = &self.chart.bars;
        let at = [self.y.at(solid.at), self.y.at(dashed.at)];
        // Within a narrow plot the names stand where the last range does not.
        let is_early = self.seen().next_back().is_some_and(|(x, _, _)| x < left + 110.0);
        let (class, x) = if is_early { ("s halo end", right - 4.0) } else { ("s halo", left + 4.0) };
        // Each label has a second line on its outer side.
        let text_at = spread(&[at[0] + 4.0, at[1] + 4.0], 18.0, [top + 26.0, bottom - 10.0]);
        html! {
            line class="bar" x1=(px(left)) x2=(px(right)) y1=(px(at[0])) y2=(px(at[0])) {}
            line class="bar dashed" x1=(px(left)) x2=(px(right)) y1=(px(at[1])) y2=(px(at[1])) {}
            @if is_narrow {
                @for (bar, y) in [(solid, at[0]), (dashed, at[1])] {
                    @let is_lower = y >= at[0].max(at[1]);
                    text class=(class) x=(px(x)) y=(px(if is_lower { y + 14.0 } else { y - 5.0 })) { (bar.name) }
                }
            } @else {
                @for (bar, (line, y)) in [(solid, (at[0], text_at[0])), (dashed, (at[1], text_at[1]))] {
                    @let is_lower = line >= at[0].max(at[1]);
                    text class="s" x=(px(right + 8.0)) y=(px(y)) { (bar.name) }
                    text x=(px(right + 8.0)) y=(px(if is_lower { y + 14.0 } else { y - 14.0 })) { (bar.note) }
                }
            }
        }
    }

    /// A ring where the evidence became enough, and how long the policy waited.
    fn early(&self) -> Markup {
        let Some(early) = &self.chart.early else { return html! {} };
        let Some(verdict) = self.chart.marks.iter().rfind(|mark| !mark.is_withdrawn) else { return html! {} };
        let Some((_, _, range)) = self.seen().find(|(_, day, _)| day.day == early.since) else { return html! {} };
        let [from, to] = [self.days.at(early.since), self.days.at(verdict.day)];
        // On the end that cleared its bar: the one nearest to it.
        let bar = &self.chart.bars[usize::from(self.chart.tone == Tone::Kill)];
        let end = if (range.low - bar.at).abs() < (range.high - bar.at).abs() { range.low } else { range.high };
        let Frame { left, top, bottom, is_narrow, .. } = *self.frame;
        let is_below = end <= range.low;
        let y =
            if is_below { (self.y.at(end) + 34.0).min(bottom - 12.0) } else { (self.y.at(end) - 34.0).max(top + 24.0) };
        // Its words stand on no bar.
        let bars = self.chart.bars.each_ref().map(|bar| self.y.at(bar.at));
        let is_on_a_bar = bars.iter().any(|bar| (y - bar).abs() < 14.0);
        let lowest = bars[0].max(bars[1]);
        let y = if is_below && is_on_a_bar && lowest + 20.0 < bottom - 4.0 { lowest + 20.0 } else { y };
        let label = early.label.as_str();
        let fits_left = width_of(label) + 12.0 < from - left;
        let fits_within = width_of(&early.why) < to - from;
        html! {
            g class=(self.chart.tone.class()) {
                line class="thin" x1=(px(from)) x2=(px(from)) y1=(px(self.y.at(end))) y2=(px(y)) {}
                line class="thin" x1=(px(from)) x2=(px(to)) y1=(px(y)) y2=(px(y)) {}
                line class="thin" x1=(px(to)) x2=(px(to)) y1=(px(y - 4.0)) y2=(px(y + 4.0)) {}
                circle class="ring" cx=(px(from)) cy=(px(self.y.at(end))) r="4" {}
            }
            @if !is_narrow && fits_left { text class="halo end" x=(px(from - 8.0)) y=(px(y + 4.0)) { (label) } }
            @if !is_narrow && !fits_left { text class="halo" x=(px(to + 8.0)) y=(px(y + 4.0)) { (label) @if !fits_within && !early.why.is_empty() { ", " (early.why) } } }
            @if !is_narrow && fits_within {
                text class="halo mid" x=(px(f64::midpoint(from, to))) y=(px(y - 6.0)) { (early.why) }
            }
        }
    }

    fn marks(&self) -> Markup {
        let Frame { left, right, top, is_narrow, .. } = *self.frame;
        html! {
            @for mark in &self.chart.marks {
                @let x = self.days.at(mark.day);
                @let y = top - 16.0;
                @if mark.is_withdrawn {
                    // Above the one that stands.
                    @let half = width_of(&mark.label) / 2.0;
                    text class="halo mid struck" x=(px(x.clamp(left.min(half), right - half))) y=(px(y - 10.0)) { (mark.label) }
                } @else {
                    @let high = self.seen().find(|(_, day, _)| day.day == mark.day).map_or(top, |(_, _, range)| self.y.at(range.high));
                    g class=(self.chart.tone.class()) {
                        line class="thin" x1=(px(x)) x2=(px(x)) y1=(px(y + 8.0)) y2=(px(high.max(top))) {}
                        g transform=(format!("translate({} {})", px(x), px(y))) { (self.chart.tone.shape()) }
                    }
                    @let wide = width_of(&mark.label) * 1.08;
                    @let first = if is_narrow { 0.0 } else { left };
                    @if wide + 12.0 < x - first {
                        text class="s end" x=(px(x - 12.0)) y=(px(y + 4.0)) { (mark.label) }
                    } @else if x + 12.0 + wide < self.frame.width {
                        text class="s" x=(px(x + 12.0)) y=(px(y + 4.0)) { (mark.label) }
                    } @else {
                        // Beside neither side is there room: above.
                        text class="s end" x=(px(self.frame.width)) y=(px(y - 11.0)) { (mark.label) }
                    }
                }
            }
        }
    }

    /// The last range with its figures.
    fn last_range(&self) -> Markup {
        let Frame { top, bottom, is_narrow, .. } = *self.frame;
        let Some((x, _, range)) = self.seen().next_back() else { return html! {} };
        let [low, high] = [self.y.at(range.low), self.y.at(range.high)].map(|y| y.clamp(top, bottom));
        let value = range.value.map(|value| self.y.at(value));
        let is_cut = self.y.at(range.high) < top;
        let wanted = [high + 4.0, value.unwrap_or(f64::midpoint(low, high)) + 4.0, low + 4.0];
        // Below the words that stand at the top of the unsettled days.
        let placed = spread(&wanted, 14.0, [top + 28.0, bottom - 2.0]);
        html! {
            g class=(self.chart.tone.class()) {
                line class="whisker" x1=(px(x)) x2=(px(x)) y1=(px(low)) y2=(px(high)) {}
                line class="whisker" x1=(px(x - 6.0)) x2=(px(x + 6.0)) y1=(px(low)) y2=(px(low)) {}
                @if is_cut {
                    path class="fill" d=(format!("M{} {}l6 9h-12Z", px(x), px(top))) {}
                } @else {
                    line class="whisker" x1=(px(x - 6.0)) x2=(px(x + 6.0)) y1=(px(high)) y2=(px(high)) {}
                }
                @if let Some(value) = value.filter(|value| *value >= top) { circle class="dot" cx=(px(x)) cy=(px(value)) r="5" {} }
            }
            @if let Some(ends) = &self.chart.ends {
                @for ((figure, name), y) in ends.iter().zip(&placed) {
                    text class="s halo" x=(px(x + 11.0)) y=(px(*y)) {
                        (figure) @if !is_narrow { tspan class="plain" { " " (name) } }
                    }
                }
            }
        }
    }

    fn dates(&self) -> Markup {
        let Frame { left, right, bottom, is_narrow, .. } = *self.frame;
        let last = self.last_settled.map(|day| day.day);
        let room = if is_narrow { 62.0 } else { 84.0 };
        let mut named = self.days.mondays(if is_narrow { 3 } else { 7 });
        let first = self.chart.days.first().map(|day| day.day);
        if let Some(first) =
            first.filter(|first| named.first().is_none_or(|monday| self.days.at(*monday) - self.days.at(*first) > room))
        {
            named.insert(0, first);
        }
        named.retain(|day| {
            last.is_none_or(|last| *day == last || (self.days.at(last) - self.days.at(*day)).abs() > room)
        });
        named.extend(last.filter(|last| !named.contains(last)));
        let is_open = self.chart.days.last().is_some_and(|day| !day.settled);
        let edge = last.filter(|_| is_open).map_or(f64::INFINITY, |last| self.days.end(last));
        html! {
            line class="axis" x1=(px(left)) x2=(px(right)) y1=(px(bottom)) y2=(px(bottom)) {}
            @for day in named {
                @let x = self.days.at(day);
                @let text = (self.chart.date)(day);
                // Beside the settled edge, not on it.
                @let most = if Some(day) == last { edge - width_of(&text) / 2.0 - 2.0 } else { right };
                line class="axis" x1=(px(x)) x2=(px(x)) y1=(px(bottom)) y2=(px(bottom + 4.0)) {}
                text class="mid" x=(px(x.min(most).max(width_of(&text) / 2.0))) y=(px(bottom + 17.0)) { (text) }
            }
        }
    }

    /// What was counted each day: filled once settled, outlined before.
    fn columns(&self) -> Markup {
        const YOUNG: &str = "Outlined: not settled, not counted yet.";
        let Frame { left, bottom, is_narrow, .. } = *self.frame;
        let has_young = self.chart.days.iter().any(|day| !day.settled);
        let base = bottom + 62.0;
        let most = self.chart.days.iter().filter_map(|day| day.acts).fold(0.0, f64::max);
        let height = Linear::between(0.0, if most > 0.0 { most } else { 1.0 }, [0.0, COLUMN]);
        let column = self.days.column();
        // Figures stand below only where all fit.
        let widest = self.chart.days.iter().map(|day| width_of(&day.printed)).fold(0.0, f64::max);
        let are_named = widest + 3.0 < column;
        let largest = self
            .chart
            .days
            .iter()
            .filter(|day| day.acts.is_some())
            .max_by(|one, other| one.acts.unwrap_or(0.0).total_cmp(&other.acts.unwrap_or(0.0)));
        html! {
            @for day in self.chart.days {
                @let x = self.days.at(day.day);
                @let tall = day.acts.map_or(0.0, |acts| height.at(acts));
                @let wide = (column * 0.6).min(24.0);
                @if day.acts.is_some() {
                    rect class=(if day.settled { "count" } else { "count young" }) x=(px(x - wide / 2.0)) y=(px(base - tall)) width=(px(wide)) height=(px(tall)) {}
                }
                @if are_named { text class="mid count-figure" x=(px(x)) y=(px(base + 14.0)) { (day.printed) } }
            }
            text x=(px(left)) y=(px(base + 34.0)) {
                (self.chart.counts)
                @if !are_named { @if let Some(largest) = largest { ", at most " (largest.printed) } }
                "."
                @if has_young && !is_narrow { " " (YOUNG) }
            }
            @if has_young && is_narrow { text x=(px(left)) y=(px(base + 50.0)) { (YOUNG) } }
        }
    }
}

fn points(points: impl Iterator<Item = (f64, f64)>) -> String {
    points.map(|(x, y)| format!("{},{}", px(x), px(y))).collect::<Vec<_>>().join(" ")
}
