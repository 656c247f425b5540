//! What decides, as it is printed and compared under each model: a share of visitors in per cent, the cost of an act in
//! money, a multiple of the control's rate. The sentences around it are others' business.

use super::figures;
use crate::domain::concept::{Model, Policy, Rate};
use crate::domain::money::thousands;

/// Digits beyond these are noise of the float, not of the data.
const MOST_DECIMALS: usize = 8;

/// From this amount on, cents say nothing.
const WHOLE_FROM: f64 = 100.0;

/// A bar, as set: `3.0%`, `$22.50`, `1.2 times`.
pub fn bar(policy: &Policy, bar: f64) -> String {
    match policy.model {
        Model::Rate => figures::bar(bar),
        Model::Cpa => money(policy, bar),
        Model::Compare => format!("{} times", trimmed(bar, 1)),
    }
}

/// An estimate: `6.0%`, `$42.84`, `1.46 times`.
pub fn value(policy: &Policy, value: f64) -> String {
    match policy.model {
        Model::Rate => figures::rate(value, &bars(policy)),
        Model::Cpa => format!("{}{}", symbol(policy), grouped(value, decimals(policy, value))),
        Model::Compare => {
            let text = grouped(value, decimals(policy, value));
            let shorter = text.trim_end_matches('0');
            format!("{shorter}{} times", if shorter.ends_with('.') { "0" } else { "" })
        }
    }
}

/// An end of the range said alone: `2.1%`, `$16.24`, `1.02 times`.
pub fn end(policy: &Policy, end: f64) -> String {
    match policy.model {
        Model::Rate => figures::end(end, &bars(policy)),
        Model::Cpa | Model::Compare => value(policy, end),
    }
}

/// A range, the same decimals at both ends: `4.0 to 8.5%`, `$16.24 to $39.28`, `1.02 to 2.11 times`; without an upper
/// end `at least $16.24`.
pub fn range(policy: &Policy, (low, high): (f64, f64)) -> String {
    if high.is_infinite() {
        return format!("at least {}", end(policy, low));
    }
    if policy.model == Model::Rate {
        return figures::range(low, high, &bars(policy));
    }
    let decimals = decimals(policy, low).max(decimals(policy, high));
    let [low, high] = [low, high].map(|value| grouped(value, decimals));
    if policy.model == Model::Cpa {
        format!("{0}{low} to {0}{high}", symbol(policy))
    } else {
        format!("{low} to {high} times")
    }
}

/// A range by its name, `range 4.0 to 8.5%`; without an upper end it is none, but `at least $16.24`.
pub fn named_range(policy: &Policy, ends: (f64, f64)) -> String {
    let name = if ends.1.is_infinite() { "" } else { "range " };
    format!("{name}{}", range(policy, ends))
}

/// Spend as a count of what was paid for: `$3,170`.
pub fn money(policy: &Policy, amount: f64) -> String {
    let text = format!("{amount:.2}");
    let cents = if text.ends_with(".00") || amount >= WHOLE_FROM { 0 } else { 2 };
    format!("{}{}", symbol(policy), grouped(amount, cents))
}

/// `74 of 1,240 visitors`; of money, `74 sign-ups for $3,170`.
pub fn counts(policy: &Policy, acts: f64, exposures: f64) -> String {
    let Rate { numerator, denominator, .. } = policy.primary;
    if policy.model == Model::Cpa {
        format!("{} for {}", figures::counted(acts, numerator), money(policy, exposures))
    } else {
        format!("{} of {}", figures::count(acts), figures::counted(exposures, denominator))
    }
}

/// On which side of a bar the good ones lie.
pub fn good_side(policy: &Policy) -> &'static str {
    if policy.model == Model::Cpa { "below" } else { "above" }
}

/// On which side of a bar the bad ones lie.
pub fn bad_side(policy: &Policy) -> &'static str {
    if policy.model == Model::Cpa { "above" } else { "below" }
}

/// Whether a whole range is at least break-even.
pub fn clears_break_even(policy: &Policy, (low, high): (f64, f64)) -> bool {
    if policy.model == Model::Cpa { high <= policy.kill_bar } else { low >= policy.kill_bar }
}

/// Whether a whole range misses what is worth finding.
pub fn misses_worth(policy: &Policy, ends: (f64, f64)) -> bool {
    !is_better(policy, best(policy, ends), policy.build_bar)
}

/// The best end of a range.
pub fn best(policy: &Policy, (low, high): (f64, f64)) -> f64 {
    if policy.model == Model::Cpa { low } else { high }
}

/// Whether a value is better than another.
pub fn is_better(policy: &Policy, value: f64, than: f64) -> bool {
    if policy.model == Model::Cpa { value < than } else { value > than }
}

fn bars(policy: &Policy) -> [f64; 2] {
    [policy.kill_bar, policy.build_bar]
}

fn symbol(policy: &Policy) -> String {
    policy.bar_currency.map_or_else(String::new, |currency| currency.symbol())
}

/// How many decimals keep a value on its side of every bar.
fn decimals(policy: &Policy, value: f64) -> usize {
    let least = if policy.model == Model::Cpa && value >= WHOLE_FROM { 0 } else { 2 };
    let rounded = |value: f64, decimals: usize| format!("{value:.decimals$}").parse().unwrap_or(f64::NAN);
    let keeps_sides = |decimals: usize| {
        bars(policy)
            .iter()
            .all(|&bar| rounded(value, decimals).total_cmp(&rounded(bar, MOST_DECIMALS)) == value.total_cmp(&bar))
    };
    (least..MOST_DECIMALS).find(|&decimals| keeps_sides(decimals)).unwrap_or(MOST_DECIMALS)
}

/// With separators of thousands: `1,240.5`.
fn grouped(value: f64, decimals: usize) -> String {
    let text = format!("{value:.decimals$}");
    let (whole, rest) = text.split_once('.').map_or((text.as_str(), None), |(whole, rest)| (whole, Some(rest)));
    let whole = whole.parse().map_or_else(|_| whole.to_owned(), thousands);
    rest.map_or_else(|| whole.clone(), |rest| format!("{whole}.{rest}"))
}

/// At least so many decimals, and no zeros after them.
fn trimmed(value: f64, least: usize) -> String {
    let text = format!("{value:.MOST_DECIMALS$}");
    let (whole, decimals) = text.split_once('.').unwrap_or((&text, ""));
    let decimals = decimals.trim_end_matches('0');
    format!("{whole}.{decimals:0<least$}")
}
