//! The evidence so far on one track: nothing in the middle, KILL reached at its left end, BUILD at its right.

use maud::{Markup, html};

use super::{Tone, Words, drawing, px};

/// The meter.
pub struct Meter<'a> {
    /// What it is called.
    pub words: Words<'a>,
    /// Towards which of BUILD and KILL it fills; `None` where there is no evidence, or it is withheld.
    pub towards: Option<Tone>,
    /// Evidence ÷ what is needed, at least 0.
    pub share: f64,
    /// `62% of what is needed`.
    pub said: &'a str,
}

const WIDTH: f64 = 372.0;

impl Meter<'_> {
    /// The heading, the track and what it says.
    pub fn figure(&self) -> Markup {
        html! {
            figure class="chart meter" aria-labelledby=(format!("{}-h", self.words.id)) {
                h2 id=(format!("{}-h", self.words.id)) { (self.words.heading) }
                p class="sub" { (self.words.sub) }
                (drawing(self.words, "meter", [WIDTH, 76.0], &self.track()))
            }
        }
    }

    fn track(&self) -> Markup {
        let [from, to] = [2.0, WIDTH - 2.0];
        let middle = WIDTH / 2.0;
        let share = self.share.clamp(0.0, 1.0);
        let is_full = self.share >= 1.0;
        let reached = |tone: Tone| is_full && self.towards == Some(tone);
        html! {
            @for (tone, name) in [(Tone::Kill, "KILL"), (Tone::Build, "BUILD")] {
                @let is_left = tone == Tone::Kill;
                g class=(format!("{}{}", tone.class(), if reached(tone) { "" } else { " hollow" })) {
                    g transform=(format!("translate({} 12)", px(if is_left { from + 7.0 } else { to - 8.0 }))) { (tone.shape()) }
                }
                text class=(if is_left { "s" } else { "s end" }) x=(px(if is_left { from + 20.0 } else { to - 21.0 })) y="16" { (name) }
            }
            rect class="track" x=(px(from)) y="28" width=(px(to - from)) height="20" {}
            @if let Some(tone) = self.towards.filter(|_| share > 0.0) {
                @let length = (middle - from) * share;
                rect class=(format!("{} {}", tone.class(), if is_full { "fill" } else { "part" }))
                    x=(px(if tone == Tone::Kill { middle - length } else { middle })) y="29" width=(px(length)) height="18" {}
            }
            line class="zero" x1=(px(middle)) x2=(px(middle)) y1="24" y2="52" {}
            line class="bar" x1=(px(from)) x2=(px(from)) y1="24" y2="52" {}
            line class="bar" x1=(px(to)) x2=(px(to)) y1="24" y2="52" {}
            text x=(px(from)) y="68" { "enough" }
            text class="s mid" x=(px(middle)) y="68" { (self.said) }
            text class="end" x=(px(to)) y="68" { "enough" }
        }
    }
}
