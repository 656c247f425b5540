//! The range bar of one measure: its range as a line, what was counted as a ring, its limit as a tick, the wrong side of it sunken.

use maud::{Markup, html};

use super::scale::Linear;
use super::{Tone, px, range_line, width_of};

/// Which side of a limit is the wrong one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// Smaller values.
    Below,
    /// Larger ones.
    Above,
}

/// One bar.
#[derive(Clone, Debug)]
pub struct RangeBar<'a> {
    /// What somebody who cannot see it is told: figures, range, limit.
    pub label: &'a str,
    /// Lower end, value and upper end; the last may be infinite.
    pub range: [f64; 3],
    /// Where the limit is, and its words.
    pub limit: (f64, &'a str),
    /// The wrong side of it.
    pub wrong: Wrong,
    /// How the line looks.
    pub tone: Tone,
    /// The largest value there can be, as 1 of a share.
    pub most: Option<f64>,
}

const WIDTH: f64 = 340.0;

impl RangeBar<'_> {
    /// The drawing: one serves wide and narrow pages.
    pub fn drawn(&self) -> Markup {
        let [low, value, high] = self.range;
        let finite = [high, value, self.limit.0].into_iter().filter(|end| end.is_finite()).fold(0.0, f64::max);
        let reach = self.most.filter(|&most| finite > most * 0.75).unwrap_or(finite * 1.2).max(self.limit.0 * 1.3);
        let reach = self.most.map_or(reach, |most| reach.min(most));
        let x = Linear::between(0.0, reach, [4.0, WIDTH - 4.0]);
        let limit = x.at(self.limit.0);
        let [from, to] = match self.wrong {
            Wrong::Below => [4.0, limit],
            Wrong::Above => [limit, WIDTH - 4.0],
        };
        let half = width_of(self.limit.1) / 2.0;
        html! {
            svg class="tile-bar" viewBox=(format!("0 0 {WIDTH} 46")) role="img" aria-label=(self.label) {
                rect class="wrong" x=(px(from)) y="6" width=(px((to - from).max(0.0))) height="16" {}
                line class="axis" x1="4" x2=(px(WIDTH - 4.0)) y1="14" y2="14" {}
                (range_line(self.tone, 14.0, [x.at(low), x.at(value), x.at(high)], [4.0, WIDTH - 4.0]))
                line class="bar" x1=(px(limit)) x2=(px(limit)) y1="3" y2="25" {}
                text class="mid" x=(px(limit.clamp(half + 2.0, WIDTH - half - 2.0))) y="41" { (self.limit.1) }
            }
        }
    }
}
