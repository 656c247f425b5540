//! How many people came how deep, as bars from a common zero: acts only, for a bar of clicks would flatten them.

use maud::{Markup, html};

use super::scale::Linear;
use super::{Room, Table, Tone, Words, drawing, figure, px, width_of};

/// One depth.
#[derive(Clone, Debug)]
pub struct Depth {
    /// What people did.
    pub name: String,
    /// How many.
    pub count: f64,
    /// The same as printed.
    pub printed: String,
    /// `6.0 per 100`; empty where nothing is known of visitors.
    pub per_hundred: String,
    /// Whether it is the one that decides.
    pub decides: bool,
}

/// The chart.
pub struct Funnel<'a> {
    /// What it is called.
    pub words: Words<'a>,
    /// From the least deep.
    pub depths: &'a [Depth],
    /// Of the deciding one.
    pub tone: Tone,
}

impl Funnel<'_> {
    /// With both drawings.
    pub fn figure(&self, heads: [&str; 3]) -> Markup {
        let rows =
            self.depths.iter().map(|depth| vec![depth.name.clone(), depth.printed.clone(), depth.per_hundred.clone()]);
        let table = Table { heads: heads.map(ToOwned::to_owned).to_vec(), rows: rows.collect() };
        figure(self.words, Room::Half, [&self.wide(), &self.narrow()], &html! {}, &table)
    }

    /// Bars right of their names.
    fn wide(&self) -> Markup {
        let names = self.depths.iter().map(|depth| width_of(&depth.name) * 1.2).fold(90.0, f64::max).min(190.0) + 14.0;
        let content = html! {
            @for (at, depth) in (0_u32..).zip(self.depths) {
                @let y = 14.0 + 40.0 * f64::from(at);
                text class=(if depth.decides { "s name" } else { "name" }) x="0" y=(px(y + 5.0)) { (depth.name) }
                (self.bar(depth, [names, 560.0 - self.room()], y - 10.0))
            }
        };
        drawing(self.words, "wide", [560.0, self.height(40.0)], &content)
    }

    /// Bars below their names.
    fn narrow(&self) -> Markup {
        let content = html! {
            @for (at, depth) in (0_u32..).zip(self.depths) {
                @let y = 14.0 + 50.0 * f64::from(at);
                text class=(if depth.decides { "s name" } else { "name" }) x="0" y=(px(y)) { (depth.name) }
                (self.bar(depth, [0.0, 350.0 - self.room()], y + 7.0))
            }
        };
        drawing(self.words, "narrow", [350.0, self.height(50.0)], &content)
    }

    #[expect(clippy::cast_precision_loss, reason = "a dozen depths")]
    fn height(&self, each: f64) -> f64 {
        each * self.depths.len() as f64
    }

    /// What the figures behind the longest bar take.
    fn room(&self) -> f64 {
        self.depths
            .iter()
            .map(|depth| width_of(&figures(depth)) * 1.17 + if depth.decides { 64.0 } else { 10.0 })
            .fold(0.0, f64::max)
    }

    fn bar(&self, depth: &Depth, [from, to]: [f64; 2], y: f64) -> Markup {
        let most = self.depths.iter().map(|depth| depth.count).fold(0.0, f64::max);
        let x = Linear::between(0.0, most, [from, to]);
        let length = (x.at(depth.count) - from).max(if depth.count > 0.0 { 1.5 } else { 0.0 });
        let class = if depth.decides { format!("{} fill", self.tone.class()) } else { "plain-bar".to_owned() };
        html! {
            rect class=(class) x=(px(from)) y=(px(y)) width=(px(length)) height="20" {}
            text class="name" x=(px(from + length + 8.0)) y=(px(y + 15.0)) {
                tspan class="s" { (depth.printed) }
                @if !depth.per_hundred.is_empty() { " · " (depth.per_hundred) }
                @if depth.decides { " " tspan class="s" { "decides" } }
            }
        }
    }
}

fn figures(depth: &Depth) -> String {
    let between = if depth.per_hundred.is_empty() { "" } else { " · " };
    format!("{}{between}{}", depth.printed, depth.per_hundred)
}
