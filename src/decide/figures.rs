//! How numbers, rates, ranges and days are printed (design.md section 7). Nothing printed may seem to
//! contradict what was compared: where rounding would put a rate on the wrong side of a bar, or on it,
//! digits are added. Money prints itself.

use chrono::{Datelike, NaiveDate};

use crate::domain::metric::{MetricId, Unit};
use crate::domain::money::thousands;

/// Digits beyond these are noise of the float, not of the data.
const MOST_DECIMALS: usize = 8;

/// Fewer than this many are never given as a share.
const FEWEST_FOR_A_SHARE: f64 = 20.0;

/// A bar, exactly as set and with at least one decimal: `3.0%`, `2.25%`.
pub fn bar(rate: f64) -> String {
    let text = format!("{:.MOST_DECIMALS$}", rate * 100.0);
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
    let decimals = decimals.trim_end_matches('0');
    format!("{whole}.{}%", if decimals.is_empty() { "0" } else { decimals })
}

/// A rate as it stands among the bars: `6.0%`, `under 0.1%`.
pub fn rate(rate: f64, bars: &[f64]) -> String {
    let decimals = decimals(rate, bars);
    let text = format!("{:.decimals$}%", rate * 100.0);
    if rate > 0.0 && text == "0.0%" { "under 0.1%".into() } else { text }
}

/// An end of a range said alone, with the bars it is compared to: `2.1%`, `0.0%`.
pub fn end(rate: f64, bars: &[f64]) -> String {
    format!("{:.*}%", decimals(rate, bars), rate * 100.0)
}

/// A range among the bars, the same decimals at both ends: `4.0 to 8.5%`.
pub fn range(low: f64, high: f64, bars: &[f64]) -> String {
    let mut decimals = decimals(low, bars).max(decimals(high, bars));
    let print = |value: f64, decimals: usize| format!("{:.decimals$}", value * 100.0);
    while low < high && print(low, decimals) == print(high, decimals) && decimals < MOST_DECIMALS {
        decimals += 1;
    }
    format!("{} to {}%", print(low, decimals), print(high, decimals))
}

/// How many decimals, at least one, keep a rate on its side of every bar.
fn decimals(rate: f64, bars: &[f64]) -> usize {
    // Printed with one decimal, a rate moves by half as much at most.
    if bars.iter().all(|bar| (rate - bar).abs() > 0.001) {
        return 1;
    }
    let keeps_sides = |decimals: usize| {
        bars.iter().all(|&bar| printed(rate, decimals).total_cmp(&printed(bar, MOST_DECIMALS)) == rate.total_cmp(&bar))
    };
    (1..MOST_DECIMALS).find(|&decimals| keeps_sides(decimals)).unwrap_or(MOST_DECIMALS)
}

/// The number a reader sees: read back from the text, because printing rounds in its own way.
fn printed(rate: f64, decimals: usize) -> f64 {
    format!("{:.decimals$}", rate * 100.0).parse().unwrap_or(f64::NAN)
}

/// A share in whole per cent, for guardrails and money: `70%`. One that is not whole never prints as
/// none or all.
pub fn share(share: f64) -> String {
    let percent = share * 100.0;
    if percent > 0.0 && percent < 0.5 {
        "under 1%".into()
    } else if (99.5..100.0).contains(&percent) {
        "over 99%".into()
    } else {
        format!("{percent:.0}%")
    }
}

/// A chance that is only as good as its assumptions: whole per cent, never none or all.
pub fn chance(chance: f64) -> String {
    share(chance.clamp(1e-9, 1.0 - 1e-9))
}

/// A rate that was worked out and not set, as a bar would print, with at most two decimals: `3.03%`.
pub fn bar_about(rate: f64) -> String {
    bar((rate * 1e4).round() / 1e4)
}

/// A number that is only an estimate, rounded up to two digits: `2,800` for 2,717.
pub fn about(number: f64) -> f64 {
    let step = 10f64.powf((number.max(1.0).log10().floor() - 1.0).max(0.0));
    (number / step).ceil() * step
}

/// A count, one decimal where the source counts in fractions: `1,240`, `2.5`.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts are not negative, nor beyond u64")]
pub fn count(number: f64) -> String {
    let tenths = (number * 10.0).round() as u64;
    match tenths % 10 {
        0 => thousands(tenths / 10),
        rest => format!("{}.{rest}", thousands(tenths / 10)),
    }
}

/// A count with its noun: `1 visitor`, `1,240 visitors`.
pub fn counted(number: f64, metric: MetricId) -> String {
    with_noun(number, "", metric)
}

/// A count that is still to come: `1 more visitor`, `1,240 more visitors`.
pub fn further(number: f64, metric: MetricId) -> String {
    with_noun(number, "more ", metric)
}

/// A count that would have to go: `18 fewer sign-ups`.
pub fn fewer(number: f64, metric: MetricId) -> String {
    with_noun(number, "fewer ", metric)
}

fn with_noun(number: f64, which: &str, metric: MetricId) -> String {
    let count = count(number);
    let plural = if count == "1" { "" } else { "s" };
    format!("{count} {which}{}{plural}", metric.metric().noun)
}

/// Many of a metric: `visitors`; of money, `spend`.
pub fn many(metric: MetricId) -> String {
    let metric = metric.metric();
    match metric.unit {
        Unit::Count => format!("{}s", metric.noun),
        Unit::Money => metric.name.to_owned(),
    }
}

/// A count of days: `1 day`, `14 days`.
pub fn days(number: u32) -> String {
    if number == 1 { "1 day".into() } else { format!("{} days", thousands(number.into())) }
}

/// A small count in a sentence, as a word up to ten: `two`, `12`.
pub fn in_words(number: u32) -> String {
    const WORDS: [&str; 11] = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"];
    usize::try_from(number)
        .ok()
        .and_then(|at| WORDS.get(at))
        .map_or_else(|| thousands(number.into()), ToString::to_string)
}

/// Whether a part of so many may be given as a share.
pub fn enough_for_a_share(whole: f64) -> bool {
    whole >= FEWEST_FOR_A_SHARE
}

/// A day, with its year unless that is the reader's: `Sun 15 Mar`, `Thu 31 Dec 2026`.
pub fn day(day: NaiveDate, today: NaiveDate) -> String {
    let form = if day.year() == today.year() { "%a %-d %b" } else { "%a %-d %b %Y" };
    day.format(form).to_string()
}

/// A stretch of days: `on Sun 15 Mar`, `from Thu 12 Mar to Sun 15 Mar`.
pub fn stretch(first: NaiveDate, last: NaiveDate, today: NaiveDate) -> String {
    if first == last {
        format!("on {}", day(first, today))
    } else {
        format!("from {} to {}", day(first, today), day(last, today))
    }
}

/// A name somebody gave, so that it is not read as a word of the sentence: `"form"`.
pub fn quoted(name: impl std::fmt::Display) -> String {
    format!("\"{name}\"")
}

/// Sources by name: `source "form"`, `sources "ads" and "form"`.
pub fn sources(names: impl IntoIterator<Item: std::fmt::Display>) -> String {
    let names: Vec<String> = names.into_iter().map(quoted).collect();
    format!("{} {}", if names.len() == 1 { "source" } else { "sources" }, list(&names))
}

/// Names in a sentence: `a`, `a and b`, `a, b and c`.
pub fn list(names: &[String]) -> String {
    joined(names, "and")
}

/// One of several: `a`, `a or b`, `a, b or c`.
pub fn either(names: &[String]) -> String {
    joined(names, "or")
}

fn joined(names: &[String], word: &str) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} {word} {last}", most.join(", ")),
    }
}

/// With its first letter a capital.
pub fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// As it stands within a sentence: `decide whether to build`.
pub fn uncapital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BARS: [f64; 2] = [0.03, 0.045];

    #[test]
    fn bars_print_exactly_as_set() {
        for (set, printed) in [
            (0.03, "3.0%"),
            (0.0225, "2.25%"),
            (0.1 * 1.5, "15.0%"),
            (0.03 * 1.5, "4.5%"),
            (0.004, "0.4%"),
            (0.000_123, "0.0123%"),
            (0.5, "50.0%"),
        ] {
            assert_eq!(bar(set), printed);
        }
    }

    #[test]
    fn rates_have_one_decimal_unless_a_bar_needs_more() {
        for (value, printed) in [
            (74.0 / 1240.0, "6.0%"),
            (0.0, "0.0%"),
            (0.0004, "under 0.1%"),
            (0.0301, "3.01%"),
            (0.029_999, "2.9999%"),
            (0.03, "3.0%"),
            (1.0, "100.0%"),
        ] {
            assert_eq!(rate(value, &BARS), printed);
        }
        // Rounded it would cross the bar, not only touch it.
        assert_eq!(end(0.0296, &[0.0298]), "2.96%");
        assert_eq!(end(0.0004, &BARS), "0.0%");
    }

    #[test]
    fn ranges_have_the_same_decimals_at_both_ends() {
        assert_eq!(range(0.0402, 0.0849, &BARS), "4.0 to 8.5%");
        assert_eq!(range(0.0, 0.0209, &BARS), "0.0 to 2.1%");
        assert_eq!(range(0.0304, 0.085, &BARS), "3.04 to 8.50%");
        assert_eq!(range(0.0042, 0.0044, &[0.003]), "0.42 to 0.44%");
        assert_eq!(range(0.0042, 0.0058, &[0.004, 0.006]), "0.42 to 0.58%");
    }

    proptest::proptest! {
        #[test]
        fn what_is_printed_never_disagrees_with_what_was_compared(
            rate in 0.0..0.2f64, bar in 0.001..0.1f64, near in -1e-4..1e-4f64,
        ) {
            let bar = (bar * 1e4).round() / 1e4;
            for rate in [rate, (bar + near).max(0.0)] {
                let text = end(rate, &[bar]);
                let printed: f64 = text.trim_end_matches('%').parse().unwrap();
                let set: f64 = super::bar(bar).trim_end_matches('%').parse().unwrap();
                if (rate - bar).abs() > 1e-9 {
                    proptest::prop_assert_eq!(printed.total_cmp(&set), rate.total_cmp(&bar), "{} against {}", text, bar);
                }
            }
        }
    }

    #[test]
    fn shares_counts_and_days() {
        assert_eq!(share(52.0 / 74.0), "70%");
        assert_eq!((share(0.001), share(0.999), share(1.0)), ("under 1%".into(), "over 99%".into(), "100%".into()));
        let about = [0.0, 7.2, 96.0, 101.0, 2717.0].map(|number| count(about(number)));
        assert_eq!(about, ["0", "8", "96", "110", "2,800"]);
        assert_eq!((count(1240.0), count(2.5), count(0.04)), ("1,240".into(), "2.5".into(), "0".into()));
        assert_eq!(counted(1.0, MetricId::VISITS), "1 visitor");
        assert_eq!(counted(0.0, MetricId::SIGNUPS), "0 sign-ups");
        let today: NaiveDate = "2026-03-18".parse().unwrap();
        assert_eq!(day("2026-03-15".parse().unwrap(), today), "Sun 15 Mar");
        assert_eq!(day("2025-12-31".parse().unwrap(), today), "Wed 31 Dec 2025");
        let names = ["a", "b", "c"].map(String::from);
        assert_eq!((list(&names[..2]), list(&names)), ("a and b".into(), "a, b and c".into()));
        assert_eq!((either(&names[..2]), either(&names)), ("a or b".into(), "a, b or c".into()));
        assert_eq!(sources(&names[..1]) + "; " + &sources(&names[..2]), "source \"a\"; sources \"a\" and \"b\"");
    }
}
