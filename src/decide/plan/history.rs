//! What a store already knows of a concept's traffic: what a click costs, how many clicks become visitors, how much rates
//! differ from day to day. Of its own ads; where those ran too little, of all that its sources counted, whichever concept
//! the ads were for.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use serde::Serialize;

use crate::decide::keys::ArmKeys;
use crate::decide::tally::units;
use crate::domain::concept::{Experiment, Model};
use crate::domain::metric::{METRICS, MetricId};
use crate::domain::money::{Currency, Money};
use crate::domain::observation::{Inputs, Observation};

/// Fewer days than this say little of a price and nothing of how days differ.
const FEWEST_DAYS: usize = 14;

/// Below this a measured variation is taken to be luck: weekdays alone make a tenth.
const LEAST_VARIATION: f64 = 0.1;

/// Beyond this it is no noise but a changed campaign.
const MOST_VARIATION: f64 = 0.6;

/// Numbers so far, each where there is enough to tell.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct History {
    /// Whether they are of the concept's own ads alone, not of all ads in its sources.
    pub own: bool,
    /// Settled days with ads.
    pub days: usize,
    /// The last of them.
    pub last_day: NaiveDate,
    /// Mean spend of such a day.
    pub spend_per_day: Option<Money>,
    /// Spend ÷ clicks.
    pub cost_per_click: Option<Money>,
    /// Visits ÷ clicks.
    pub visit_rate: Option<f64>,
    /// Acts ÷ exposures of the deciding rate; of a comparison, the control's.
    pub rate: Option<f64>,
    /// Coefficient of variation of its daily truth, chance taken out.
    pub variation: Option<f64>,
}

type ByDay = BTreeMap<NaiveDate, [i128; METRICS]>;

/// What `data`, all of the experiment's sources and any days, says of days settled on `today`; `None` of fewer than two
/// weeks of ads.
pub fn history(experiment: &Experiment, data: &Inputs, today: NaiveDate) -> Option<History> {
    let lag = Days::new(u64::from(experiment.policy.maturity_lag_days));
    let last_settled = today.checked_sub_days(lag)?;
    let settled = || data.observations.iter().filter(|row| row.day <= last_settled);
    let keys = ArmKeys::of(&experiment.arms, &experiment.sources);
    let arm = |row: &Observation| keys.arm(&row.source, &row.arm_key).and_then(|at| experiment.arms.get(at));
    let of_own_ads = by_day(settled().filter(|row| arm(row).is_some()));
    let own = of_own_ads.len() >= FEWEST_DAYS;
    let days = if own { of_own_ads } else { by_day(settled()) };
    let last_day = *days.keys().last().filter(|_| days.len() >= FEWEST_DAYS)?;

    let total = |days: &ByDay, metric: MetricId| units(days.values().map(|sums| sums[metric.index()]).sum());
    let [clicks, visits, spend] =
        [MetricId::CLICKS, MetricId::VISITS, MetricId::SPEND].map(|metric| total(&days, metric));
    let money =
        |amount: f64| Money { micros: 1_000_000, currency: currency(data)? }.times(amount).filter(|_| spend > 0.0);
    let (acts, exposures) = (experiment.policy.primary.numerator, experiment.policy.primary.denominator);
    let series: Vec<(f64, f64)> = days
        .values()
        .map(|sums| (units(sums[acts.index()]), units(sums[exposures.index()])))
        .filter(|day| day.1 > 0.0)
        .collect();
    let of_control = || by_day(settled().filter(|row| arm(row).is_some_and(|arm| arm.control)));
    let rate_of = |days: &ByDay| Some(total(days, acts) / total(days, exposures));
    let rate = if own && experiment.policy.model == Model::Compare { rate_of(&of_control()) } else { rate_of(&days) };
    Some(History {
        own,
        days: days.len(),
        last_day,
        spend_per_day: money(spend / count(days.len())),
        cost_per_click: if clicks > 0.0 { money(spend / clicks) } else { None },
        visit_rate: Some(visits / clicks).filter(|rate| *rate > 0.0 && *rate <= 1.1),
        rate: rate.filter(|rate| *rate > 0.0 && *rate < 1.0),
        variation: variation(&series),
    })
}

/// What rows count together, on days with traffic.
fn by_day<'a>(rows: impl Iterator<Item = &'a Observation>) -> ByDay {
    let mut days = ByDay::new();
    for row in rows {
        let sums = days.entry(row.day).or_default();
        for metric in MetricId::all() {
            sums[metric.index()] += i128::from(row.values.get(metric).unwrap_or(0));
        }
    }
    days.retain(|_, sums| sums[MetricId::CLICKS.index()] > 0 || sums[MetricId::VISITS.index()] > 0);
    days
}

/// The one currency that all pulls with money are in.
fn currency(data: &Inputs) -> Option<Currency> {
    let mut named = data.pulls.iter().filter_map(|pull| pull.currency);
    let first = named.next()?;
    named.all(|currency| currency == first).then_some(first)
}

/// Coefficient of variation of the daily rate beyond chance, by moments: `cv² = (S/(T − 1) − 1) / g` with the Pearson
/// statistic S and the load g of statistics.md section 3. `None` where chance alone drowns it.
fn variation(days: &[(f64, f64)]) -> Option<f64> {
    let (acts, exposures) = days.iter().fold((0.0, 0.0), |sum, day| (sum.0 + day.0, sum.1 + day.1));
    let rate = acts / exposures;
    let load = exposures / count(days.len()) * rate / (1.0 - rate);
    // With fewer acts a day even a large variation cannot be told from luck in so few days.
    if days.len() < FEWEST_DAYS || !(load.is_finite() && load >= 3.0) {
        return None;
    }
    let square = |day: &(f64, f64)| (day.0 - day.1 * rate).powi(2) / (day.1 * rate * (1.0 - rate));
    let spread = days.iter().map(square).sum::<f64>() / (count(days.len()) - 1.0);
    Some(((spread - 1.0).max(0.0) / load).sqrt().clamp(LEAST_VARIATION, MOST_VARIATION))
}

#[expect(clippy::cast_precision_loss, reason = "days of a campaign")]
fn count(of: usize) -> f64 {
    of as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_that_differ_by_chance_alone_still_count_as_days() {
        // A fifth up and a fifth down, about 20 acts a day.
        let differing: Vec<_> = (0..28).map(|day| (if day % 2 == 0 { 24.0 } else { 16.0 }, 1_000.0)).collect();
        let cv = variation(&differing).unwrap();
        assert!((LEAST_VARIATION..0.2).contains(&cv), "{cv}");
        let wild: Vec<_> = (0..28).map(|day| (if day % 2 == 0 { 30.0 } else { 10.0 }, 1_000.0)).collect();
        assert!((variation(&wild).unwrap() - 0.46).abs() < 0.02);
        assert_eq!(variation(&vec![(20.0, 1_000.0); 28]), Some(LEAST_VARIATION));
        assert_eq!(variation(&vec![(1.0, 50.0); 28]), None, "one act a day says nothing");
        assert_eq!(variation(&[(20.0, 1_000.0); 5]), None);
        assert_eq!(variation(&vec![(10.0, 10.0); 28]), None);
    }
}
