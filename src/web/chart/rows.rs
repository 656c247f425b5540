//! Rates with their ranges, a row each, on one scale with both bars through all rows: as in a forest plot.

use maud::{Markup, html};

use super::scale::Linear;
use super::{Room, Table, Tone, Words, cut, drawing, figure, px, range_line, width_of};

/// One row.
#[derive(Clone, Debug)]
pub struct Row {
    /// What it is.
    pub name: String,
    /// `74 of 1,240`.
    pub counts: String,
    /// `6.0%`.
    pub value: String,
    /// `4.0 to 8.5%`, or why there is none.
    pub range: String,
    /// Lower end, value and upper end; `None` where too few are known to draw any.
    pub drawn: Option<[f64; 3]>,
    /// How it looks.
    pub tone: Tone,
    /// Whether it is the sum of the others.
    pub is_total: bool,
}

/// The chart.
pub struct Rows<'a> {
    /// What it is called.
    pub words: Words<'a>,
    /// The total first.
    pub rows: &'a [Row],
    /// Break-even and worth finding, with their words.
    pub bars: [(f64, &'a str); 2],
    /// A value as the axis prints it.
    pub axis: &'a dyn Fn(f64) -> String,
    /// How much of a page it has.
    pub room: Room,
    /// What stands directly below, always.
    pub warning: &'a str,
}

impl Rows<'_> {
    /// With both drawings.
    pub fn figure(&self) -> Markup {
        let heads = ["Version or channel", "Counted", "Rate", "Range"].map(ToOwned::to_owned).to_vec();
        let row = |row: &Row| vec![row.name.clone(), row.counts.clone(), row.value.clone(), row.range.clone()];
        let table = Table { heads, rows: self.rows.iter().map(row).collect() };
        let warning = html! { @if !self.warning.is_empty() { p class="warn" { (self.warning) } } };
        figure(self.words, self.room, [&self.wide(), &self.narrow()], &warning, &table)
    }

    fn scale(&self, [from, to]: [f64; 2]) -> Linear {
        let bars = self.bars.iter().map(|bar| bar.0 * 1.6).fold(0.0, f64::max);
        let ends = self
            .rows
            .iter()
            .filter_map(|row| row.drawn)
            .map(|[_, value, high]| if high.is_finite() { high } else { value });
        Linear::up_to(ends.fold(bars, f64::max).min(bars * 5.0), 5, [from, to])
    }

    #[expect(clippy::cast_precision_loss, reason = "a few rows")]
    fn height(&self, each: f64) -> f64 {
        each * self.rows.len() as f64
    }

    fn wide(&self) -> Markup {
        const EACH: f64 = 50.0;
        let (width, top) = (if self.room == Room::Half { 584.0 } else { 820.0 }, 26.0);
        let names = self.rows.iter().map(|row| width_of(&row.name) * 1.2).fold(110.0, f64::max).min(width * 0.3) + 16.0;
        let figures = self.rows.iter().map(|row| width_of(&row.range)).fold(80.0, f64::max) + 16.0;
        let x = self.scale([names, width - figures]);
        let bottom = top + self.height(EACH);
        let content = html! {
            (self.bar_names(&x, width))
            (self.bars(&x, [top - 6.0, bottom]))
            @for (at, row) in (0_u32..).zip(self.rows) {
                @let y = top + EACH * (f64::from(at) + 0.5);
                text class="s name" x="0" y=(px(y - 3.0)) { (cut(&row.name, (names - 16.0) / 1.17)) }
                text x="0" y=(px(y + 14.0)) { (row.counts) }
                text class="s name end" x=(px(width)) y=(px(y - 3.0)) { (row.value) }
                text class="end" x=(px(width)) y=(px(y + 14.0)) { (row.range) }
                (Self::mark(row, &x, y, [names, width - figures]))
                @if at > 0 { line class="grid" x1="0" x2=(px(width)) y1=(px(y - EACH / 2.0)) y2=(px(y - EACH / 2.0)) {} }
            }
            (self.ticks(&x, bottom + 18.0, 7))
        };
        drawing(self.words, "wide", [width, bottom + 24.0], &content)
    }

    /// Names and figures above each line, for there is no room beside it.
    fn narrow(&self) -> Markup {
        const EACH: f64 = 66.0;
        let (width, top) = (350.0, 34.0);
        let x = self.scale([6.0, width - 6.0]);
        let bottom = top + self.height(EACH);
        let content = html! {
            (self.bar_names(&x, width))
            @for (at, row) in (0_u32..).zip(self.rows) {
                @let y = top + EACH * f64::from(at) + 44.0;
                text class="s name" x="0" y=(px(y - 30.0)) { (cut(&row.name, 300.0 / 1.17 - width_of(&row.value))) }
                text class="s name end" x=(px(width)) y=(px(y - 30.0)) { (row.value) }
                text x="0" y=(px(y - 15.0)) { (row.counts) }
                text class="end" x=(px(width)) y=(px(y - 15.0)) { (row.range) }
                (self.bars(&x, [y - 10.0, y + 10.0]))
                (Self::mark(row, &x, y, [6.0, width - 6.0]))
            }
            (self.ticks(&x, bottom + 18.0, 4))
        };
        drawing(self.words, "narrow", [width, bottom + 24.0], &content)
    }

    fn bar_names(&self, x: &Linear, width: f64) -> Markup {
        let [solid, dashed] = self.bars;
        let [left, right] = if solid.0 <= dashed.0 { [solid, dashed] } else { [dashed, solid] };
        // The left name ends at its bar, the right one begins at its own.
        let [ends, begins] = [x.at(left.0) - 4.0, x.at(right.0) + 4.0];
        let ends = ends.max(width_of(left.1) * 1.05);
        html! {
            text class="s end" x=(px(ends)) y="12" { (left.1) }
            text class="s" x=(px(begins.max(ends + 10.0).min(width - width_of(right.1) * 1.05))) y="12" { (right.1) }
        }
    }

    fn bars(&self, x: &Linear, [top, bottom]: [f64; 2]) -> Markup {
        let [solid, dashed] = self.bars.map(|bar| px(x.at(bar.0)));
        html! {
            line class="bar" x1=(solid) x2=(solid) y1=(px(top)) y2=(px(bottom)) {}
            line class="bar dashed" x1=(dashed) x2=(dashed) y1=(px(top)) y2=(px(bottom)) {}
        }
    }

    fn mark(row: &Row, x: &Linear, y: f64, [from, to]: [f64; 2]) -> Markup {
        let Some([low, value, high]) = row.drawn.map(|ends| ends.map(|end| x.at(end))) else {
            return html! { text class="halo" x=(px(from + 6.0)) y=(px(y + 4.0)) { "too few to draw" } };
        };
        if row.is_total && high <= to {
            let shape = format!(
                "M{} {}L{} {} {} {} {} {}Z",
                px(low),
                px(y),
                px(value),
                px(y - 9.0),
                px(high),
                px(y),
                px(value),
                px(y + 9.0)
            );
            return html! { g class=(row.tone.class()) { path class="diamond" d=(shape) {} } };
        }
        range_line(row.tone, y, [low, value, high], [from, to])
    }

    fn ticks(&self, x: &Linear, y: f64, most: usize) -> Markup {
        html! { @for tick in x.ticks(most) { text class="mid" x=(px(x.at(tick).max(8.0))) y=(px(y)) { ((self.axis)(tick)) } } }
    }
}
