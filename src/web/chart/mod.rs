//! Charts as SVG: numbers and finished words in, markup out. Every chart shows a range against the same two bars (solid: break-even,
//! dashed: worth finding), says its finding in a heading, and carries its data as a table. Knows nothing of concepts, stores
//! and policies, and formats no number. Scales and ticks are `scale`'s; looks stand in `chart.css`, as classes over the page's tokens.

pub mod funnel;
pub mod meter;
pub mod over_time;
pub mod prices;
pub mod rows;
pub mod scale;
pub mod tile;

use maud::{Markup, html};

/// What a mark means: the verdict it stands for, or that there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// BUILD: filled.
    Build,
    /// KILL: filled.
    Kill,
    /// REVIEW: solid, not filled.
    Review,
    /// No promise yet: dashed.
    Open,
    /// No verdict is meant: ink.
    Ink,
}

impl Tone {
    fn class(self) -> &'static str {
        match self {
            Self::Build => "t-build",
            Self::Kill => "t-kill",
            Self::Review => "t-review",
            Self::Open => "t-open",
            Self::Ink => "t-ink",
        }
    }

    /// The verdict's shape around the origin, 12 units high; nothing of what is no verdict.
    fn shape(self) -> Markup {
        html! {
            @match self {
                Self::Build => path class="fill" d="M-6.5 5.5 0 -6.5 6.5 5.5Z" {},
                Self::Kill => rect class="fill" x="-5.5" y="-5.5" width="11" height="11" {},
                Self::Review => path class="outline" d="M0 -6.5 6.5 0 0 6.5 -6.5 0Z" {},
                Self::Open | Self::Ink => {}
            }
        }
    }
}

/// What a chart is called and says. `id` is unique on its page.
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    /// Begins every id in the chart.
    pub id: &'a str,
    /// The finding.
    pub heading: &'a str,
    /// What is drawn.
    pub sub: &'a str,
    /// What somebody who cannot see it is told: start, end, range, verdict.
    pub description: &'a str,
}

/// The data behind a chart, as printed. The first cell of a row names it.
#[derive(Clone, Debug, Default)]
pub struct Table {
    /// One for each column.
    pub heads: Vec<String>,
    /// As wide as the heads.
    pub rows: Vec<Vec<String>>,
}

/// How much room a drawing needs before the narrow one takes its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// Most of a page.
    Page,
    /// Half of one.
    Half,
}

/// A chart with its heading, the drawing for wide pages, the one for narrow ones and its data.
pub fn figure(words: Words<'_>, room: Room, drawings: [&Markup; 2], below: &Markup, table: &Table) -> Markup {
    let [wide, narrow] = drawings;
    let class = if room == Room::Half { "chart half" } else { "chart" };
    html! {
        figure class=(class) aria-labelledby=(format!("{}-h", words.id)) {
            h2 id=(format!("{}-h", words.id)) { (words.heading) }
            @if !words.sub.is_empty() { p class="sub" { (words.sub) } }
            div class="wide" { (wide) }
            div class="narrow" { (narrow) }
            (below)
            (data(table))
        }
    }
}

/// The data as a real table, closed.
pub fn data(table: &Table) -> Markup {
    html! {
        @if !table.rows.is_empty() {
            details {
                summary { "Same data as a table" }
                div class="data" tabindex="0" role="group" aria-label="Same data as a table" {
                    table {
                        thead { tr { @for head in &table.heads { th scope="col" { (head) } } } }
                        tbody {
                            @for row in &table.rows {
                                tr { @for (at, cell) in row.iter().enumerate() {
                                    @if at == 0 { th scope="row" { (cell) } } @else { td { (cell) } }
                                } }
                            }
                        }
                    }
                }
            }
        }
    }
}

/// One drawing, with its title and description. `which` tells several drawings of one chart apart.
fn drawing(words: Words<'_>, which: &str, [width, height]: [f64; 2], content: &Markup) -> Markup {
    let (title, description) = (format!("{}-{which}-t", words.id), format!("{}-{which}-d", words.id));
    html! {
        svg viewBox=(format!("0 0 {width} {height}")) width=(width) role="img" aria-labelledby=(format!("{title} {description}")) {
            title id=(title) { (words.heading) }
            desc id=(description) { (words.description) }
            (content)
        }
    }
}

/// A horizontal range: a line with a ring at the value, both ends of the line inside `from` and `to`. Where it goes on beyond, an arrow
/// says so.
fn range_line(tone: Tone, y: f64, [low, value, high]: [f64; 3], [from, to]: [f64; 2]) -> Markup {
    let inside = |x: f64| x.clamp(from, to);
    let beyond = high > to;
    html! {
        g class=(tone.class()) {
            line class="range" x1=(px(inside(low))) x2=(px(inside(high) - if beyond { 7.0 } else { 0.0 })) y1=(px(y)) y2=(px(y)) {}
            @if beyond {
                path class="fill" d=(format!("M{} {}l9 6-9 6Z", px(to - 9.0), px(y - 6.0))) {}
            }
            @if (from..=to).contains(&value) { circle class="ring" cx=(px(value)) cy=(px(y)) r="6" {} }
        }
    }
}

/// A coordinate, to a tenth.
fn px(at: f64) -> String {
    let text = format!("{at:.1}");
    text.strip_suffix(".0").map(ToOwned::to_owned).unwrap_or(text)
}

/// About how wide a text is, at a size of 12.
fn width_of(text: &str) -> f64 {
    let of = |c: char| match c {
        'i' | 'j' | 'l' | '.' | ',' | '\'' | '|' | ' ' | ':' | 't' | 'f' | 'I' => 3.6,
        'm' | 'w' | 'M' | 'W' | '%' => 10.2,
        c if c.is_uppercase() => 8.2,
        c if c.is_ascii() => 6.7,
        _ => 9.0,
    };
    text.chars().map(of).sum()
}

/// A text cut so that it is at most about so wide at a size of 12: in its middle, for names of versions differ at their ends.
fn cut(text: &str, width: f64) -> String {
    if width_of(text) <= width {
        return text.to_owned();
    }
    let all: Vec<char> = text.chars().collect();
    let short = |kept: usize| {
        let end = kept / 3;
        let [first, last] = [&all[..kept - end], &all[all.len() - end..]].map(|part| part.iter().collect::<String>());
        format!("{}…{}", first.trim_end(), last.trim_start())
    };
    (1..all.len()).rev().map(short).find(|short| width_of(short) <= width).unwrap_or_else(|| "…".to_owned())
}

/// Places for labels that want to stand at some heights, from the top down, at least `gap` apart and inside `from` and `to`.
fn spread(wanted: &[f64], gap: f64, [from, to]: [f64; 2]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..wanted.len()).collect();
    order.sort_by(|&one, &other| wanted[one].total_cmp(&wanted[other]));
    let mut placed = wanted.to_vec();
    let mut least = from;
    for &at in &order {
        placed[at] = wanted[at].max(least);
        least = placed[at] + gap;
    }
    // What was pushed beyond the end goes back up.
    let mut most = to;
    for &at in order.iter().rev() {
        placed[at] = placed[at].min(most);
        most = placed[at] - gap;
    }
    placed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_stand_apart_and_inside() {
        assert_eq!(spread(&[50.0, 52.0, 10.0], 14.0, [0.0, 100.0]), [50.0, 64.0, 10.0]);
        assert_eq!(spread(&[95.0, 99.0], 14.0, [0.0, 100.0]), [86.0, 100.0]);
        assert_eq!(spread(&[], 14.0, [0.0, 100.0]), Vec::<f64>::new());
    }

    #[test]
    fn long_names_are_cut_and_say_so() {
        assert_eq!(cut("Search", 100.0), "Search");
        let long = cut(&"Wide words ".repeat(8), 100.0);
        assert!(long.contains('…') && width_of(&long) <= 100.0, "{long}");
        assert!(cut(&format!("{} a", "Plan ".repeat(30)), 120.0).ends_with('a'), "what tells it apart stays");
        assert_eq!(cut("Wide", 1.0), "…");
    }

    #[test]
    fn names_are_text_and_never_markup() {
        let words =
            Words { id: "x", heading: "<script>alert(1)</script>", sub: "a & b", description: "\"><img src=x>" };
        let none = html! {};
        let drawn = drawing(words, "wide", [10.0, 10.0], &none);
        let text = figure(words, Room::Page, [&drawn, &none], &none, &Table::default()).into_string();
        assert!(!text.contains("<script") && !text.contains("<img"), "{text}");
        assert!(text.contains("&lt;script&gt;") && text.contains("a &amp; b"), "{text}");
    }
}
