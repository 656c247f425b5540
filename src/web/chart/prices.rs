//! What each price brings: how many take it, and what a hundred visitors pay. Two small panels that share their rows. Ink only.

use maud::{Markup, html};

use super::scale::Linear;
use super::{Room, Table, Tone, Words, drawing, figure, px, range_line};

/// One price.
#[derive(Clone, Debug)]
pub struct Price {
    /// `$49`.
    pub name: String,
    /// Ends and value of the rate.
    pub rate: [f64; 3],
    /// The same as printed.
    pub rate_said: [String; 2],
    /// Ends and value of what a hundred visitors bring, in units of the currency.
    pub revenue: [f64; 3],
    /// The same as printed.
    pub revenue_said: [String; 2],
}

/// The chart.
pub struct Prices<'a> {
    /// What it is called.
    pub words: Words<'a>,
    /// In ascending order.
    pub prices: &'a [Price],
    /// What the rate is of: `Share of visitors who signed up`.
    pub of_what: [&'a str; 2],
}

impl Prices<'_> {
    /// With both drawings.
    pub fn figure(&self) -> Markup {
        let row = |price: &Price| {
            let said = price.rate_said.iter().chain(&price.revenue_said).cloned();
            [price.name.clone()].into_iter().chain(said).collect()
        };
        let heads = ["Price", self.of_what[0], "Range", self.of_what[1], "Range"].map(ToOwned::to_owned).to_vec();
        let table = Table { heads, rows: self.prices.iter().map(row).collect() };
        let wide = html! { (self.panel(0, [90.0, 420.0])) (self.panel(1, [490.0, 820.0])) };
        let wide = drawing(self.words, "wide", [820.0, self.height()], &wide);
        let narrow = html! {
            (self.panel(0, [70.0, 346.0]))
            g transform=(format!("translate(0 {})", px(self.height() + 16.0))) { (self.panel(1, [70.0, 346.0])) }
        };
        let narrow = drawing(self.words, "narrow", [350.0, self.height() * 2.0 + 16.0], &narrow);
        figure(self.words, Room::Page, [&wide, &narrow], &html! {}, &table)
    }

    #[expect(clippy::cast_precision_loss, reason = "a few prices")]
    fn height(&self) -> f64 {
        30.0 + 44.0 * self.prices.len() as f64
    }

    fn panel(&self, which: usize, [from, to]: [f64; 2]) -> Markup {
        let ends = |price: &Price| if which == 0 { price.rate } else { price.revenue };
        let most = self.prices.iter().map(|price| ends(price)[2]).fold(0.0, f64::max);
        let x = Linear::up_to(most, 4, [from, to]);
        html! {
            text class="s" x=(px(if from > 200.0 { from } else { 0.0 })) y="12" { (self.of_what[which]) }
            @for (at, price) in (0_u32..).zip(self.prices) {
                @let y = 44.0 + 44.0 * f64::from(at);
                @let said = if which == 0 { &price.rate_said } else { &price.revenue_said };
                @if from < 200.0 { text class="s name" x="0" y=(px(y + 4.0)) { (price.name) } }
                line class="axis" x1=(px(from)) x2=(px(to)) y1=(px(y)) y2=(px(y)) {}
                (range_line(Tone::Ink, y, ends(price).map(|end| x.at(end)), [from, to]))
                text x=(px(from)) y=(px(y + 21.0)) { tspan class="s" { (said[0]) } " · " (said[1]) }
            }
        }
    }
}
