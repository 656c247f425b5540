//! What several pages are made of: a verdict's word with its shape, its banner, text with commands and figures in it,
//! instants. Numbers print themselves (`decide::figures`, `decide::measure`).

use std::sync::LazyLock;

use chrono::{DateTime, NaiveDate, SecondsFormat, TimeDelta, Utc};
use chrono_tz::Tz;
use maud::{Markup, PreEscaped, Render, html};
use regex::Regex;

use crate::decide::figures;
use crate::domain::verdict::Verdict;

/// What a verdict is called in the style sheet.
pub fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Build => "build",
        Verdict::Kill => "kill",
        Verdict::Collecting => "collecting",
        Verdict::Review => "review",
        Verdict::Blocked => "blocked",
    }
}

/// A verdict's shape; never without its word beside it.
pub fn shape(verdict: Verdict) -> Markup {
    html! {
        svg.glyph viewBox="0 0 16 16" fill="currentColor" aria-hidden="true" {
            @match verdict {
                Verdict::Build => path d="M8 1 15.5 14.5H.5Z" {},
                Verdict::Kill => path d="M1.5 1.5h13v13h-13z" {},
                Verdict::Review => path d="M8 .8 15.2 8 8 15.2.8 8Z" fill="none" stroke="currentColor" stroke-width="2" {},
                Verdict::Collecting => {
                    circle cx="8" cy="8" r="6.4" fill="none" stroke="currentColor" stroke-width="2" {}
                    path d="M8 8V1.6A6.4 6.4 0 0 1 14.4 8Z" {}
                }
                Verdict::Blocked => {
                    path d="M5 1h6l4 4v6l-4 4H5l-4-4V5Z" fill="none" stroke="currentColor" stroke-width="2" {}
                    path d="M4 7h8v2H4z" {}
                }
            }
        }
    }
}

/// The word in a row or above a job.
pub fn badge(verdict: Verdict) -> Markup {
    html! {
        span class={ "badge " (class(verdict)) } {
            @if verdict == Verdict::Blocked { span.hatch aria-hidden="true" {} } @else { (shape(verdict)) }
            (verdict.word())
        }
    }
}

/// A verdict as a whole: its word, short lines below it, the concept's name and what there is to say. `level` is the
/// heading's, 1 to 3.
pub fn banner(verdict: Verdict, below: &[Markup], level: u8, name: &Markup, text: &Markup) -> Markup {
    html! {
        div class={ "banner " (class(verdict)) } {
            div.verdict {
                div.word { (shape(verdict)) (verdict.word()) }
                @for line in below { div.below { (line) } }
            }
            div.text {
                @match level {
                    1 => h1 { (name) },
                    2 => h2 { (name) },
                    _ => h3 { (name) },
                }
                (text)
            }
        }
    }
}

/// A sentence of ours, in which commands stand between backticks.
pub fn prose(text: &str) -> Markup {
    let mut parts = text.split('`');
    let first = parts.next().unwrap_or_default();
    html! {
        (first)
        @for (position, part) in parts.enumerate() {
            @if position % 2 == 0 { code { (part) } } @else { (part) }
        }
    }
}

/// As [`prose`], with every rate, range, count of a count and sum set off.
pub fn lead(text: &str) -> Markup {
    static FIGURE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"`[^`]*`|\d[\d,]* of \d[\d,]*|[$€£¥]\d[\d,]*(?:\.\d+)?(?: to [$€£¥]\d[\d,]*(?:\.\d+)?)?|\d[\d.]*(?: to \d[\d.]*)?%").ok()
    });
    let Some(figure) = FIGURE.as_ref() else { return prose(text) };
    let mut marked = String::new();
    let mut end = 0;
    for found in figure.find_iter(text) {
        text[end..found.start()].render_to(&mut marked);
        let part = found.as_str();
        let part = if part.starts_with('`') {
            prose(part)
        } else {
            html! { b { (part) } }
        };
        part.render_to(&mut marked);
        end = found.end();
    }
    text[end..].render_to(&mut marked);
    PreEscaped(marked)
}

/// A day of an ad account, which is never shifted: `Sun 15 Mar`.
pub fn day(day: NaiveDate, today: NaiveDate) -> Markup {
    html! { time.nobreak datetime=(day) { (figures::day(day, today)) } }
}

/// An instant: `14 min ago` under a day, else its day and time, in this zone until the reader's is known.
pub fn when(at: DateTime<Utc>, now: DateTime<Utc>, zone: Tz) -> Markup {
    let local = at.with_timezone(&zone);
    let exact = format!(
        "{} {} {zone}",
        figures::day(local.date_naive(), now.with_timezone(&zone).date_naive()),
        local.format("%H:%M")
    );
    let stamp = at.to_rfc3339_opts(SecondsFormat::Secs, true);
    html! {
        @match ago(now - at) {
            Some(ago) => time.nobreak datetime=(stamp) title=(exact) data-at="ago" { (ago) },
            None => time.nobreak datetime=(stamp) title=(exact) data-at="exact" { (exact) },
        }
    }
}

/// `14 min ago`, `3 h ago`; nothing from a day on, or of what is still to come.
fn ago(passed: TimeDelta) -> Option<String> {
    match passed.num_minutes() {
        0 => Some("just now".to_owned()),
        minutes @ 1..60 => Some(format!("{minutes} min ago")),
        minutes @ 60..1440 => Some(format!("{} h ago", minutes / 60)),
        _ => None,
    }
}

/// Something that is missing, old or broken, in place of what would stand there: what, in the first words, and what to do.
pub fn state(what: &str, more: &[&str]) -> Markup {
    html! {
        div.state {
            p { b { (prose(what)) } }
            @for line in more { p { (prose(line)) } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w4_what_others_wrote_is_text() {
        let hostile = "<script>alert(1)</script> `<img src=x onerror=alert(1)>` 5% of <b>";
        for marked in [prose(hostile).into_string(), lead(hostile).into_string()] {
            assert!(!marked.contains("<script") && !marked.contains("<img") && !marked.ends_with("<b>"), "{marked}");
        }
    }

    #[test]
    fn figures_are_set_off() {
        let said = lead("74 of 1,240 visitors (6.0%, range 4.0 to 8.5%) cost $3,170. Run `a 5%`").into_string();
        let expected = "<b>74 of 1,240</b> visitors (<b>6.0%</b>, range <b>4.0 to 8.5%</b>) cost <b>$3,170</b>. Run <code>a 5%</code>";
        assert_eq!(said, expected);
    }

    #[test]
    fn time_is_relative_for_a_day() {
        let ago = |minutes| ago(TimeDelta::minutes(minutes));
        assert_eq!(ago(0).unwrap() + " " + &ago(14).unwrap() + " " + &ago(200).unwrap(), "just now 14 min ago 3 h ago");
        assert_eq!((ago(1440), ago(-1)), (None, None));
    }
}
