//! What a test is worth, what it saved, and what goes on being spent after it (product.md sections 3 and 5). Pure
//! arithmetic on the user's inputs and a scorecard; amounts are integer millionths, floats are only factors, and
//! two currencies are never brought together: what would need it is left out. How each figure opens to its formula
//! is `account`.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{Days, NaiveDate};
use serde::Serialize;

use super::figures;
use super::keys::{ArmKeys, Owner};
use super::tally::{Calendar, Tally, last_known};
use crate::domain::concept::{Experiment, Habit, MoneyInputs};
use crate::domain::economics::DEFAULT_CHANCE_IT_SELLS;
use crate::domain::id::{ConceptId, SourceId};
use crate::domain::metric::MetricId;
use crate::domain::money::{Currency, Money};
use crate::domain::observation::Inputs;
use crate::domain::verdict::{ArmScore, Scorecard, SpendAfter, Verdict};

/// How many days after the last one known its spend still tells of now.
const TELLS_OF_NOW: u64 = 3;

/// Expected value with a test: what following it is worth, less what it costs. See
/// [`MoneyInputs::following_a_test`] for `alpha` and `beta`.
pub fn with_test(inputs: &MoneyInputs, alpha: f64, beta: f64, cost: Money) -> Option<Money> {
    inputs.following_a_test(alpha, beta)?.minus(cost).ok()
}

/// Expected loss avoided where the habit is to build: (1 − π)(1 − f)·C − π(1 − s)(V − C), waste prevented less
/// winners missed, with f = `alpha` and 1 − s = `beta`.
pub fn loss_avoided(inputs: &MoneyInputs, alpha: f64, beta: f64) -> Option<Money> {
    let chance = inputs.prior();
    let prevented = inputs.build_cost()?.times((1.0 - chance) * (1.0 - alpha))?;
    prevented.minus(inputs.gain()?.times(chance * beta)?).ok()
}

/// Share of untested features that fails: as declared, else what is left of the default chance that one sells.
pub fn share_failing(inputs: &MoneyInputs) -> f64 {
    inputs.share_failing.unwrap_or(1.0 - DEFAULT_CHANCE_IT_SELLS)
}

/// Annual waste at such features a year: expected, and the upper bound with all of them failing.
pub fn annual_waste(inputs: &MoneyInputs) -> Option<[Money; 2]> {
    let all = inputs.build_cost()?.times(inputs.features_per_year?)?;
    Some([all.times(share_failing(inputs))?, all])
}

/// CAC as a test implies it: cost of an act ÷ share of acts that become paying customers.
pub fn acquisition_cost(inputs: &MoneyInputs, cost_per_act: Money) -> Option<Money> {
    cost_per_act.times(1.0 / inputs.signup_to_paid?)
}

/// LTV ÷ CAC; `None` in two currencies.
pub fn lifetime_ratio(inputs: &MoneyInputs, acquisition: Money) -> Option<f64> {
    inputs.lifetime_value()?.over(acquisition)
}

/// Months until a customer has paid back what it cost to win: CAC ÷ (price × gross margin).
pub fn payback_months(inputs: &MoneyInputs, acquisition: Money) -> Option<f64> {
    acquisition.over(inputs.price_per_month?.times(inputs.gross_margin?)?)
}

/// Each arm's own cost of an act, weighed by its acts, so that the reference arm's money is not among it. `None`
/// without an act or spend.
pub fn cost_per_act<'a>(arms: impl IntoIterator<Item = &'a ArmScore, IntoIter: Clone>) -> Option<Money> {
    let arms = arms.into_iter();
    let acts: f64 = arms.clone().map(|arm| arm.evidence.successes).sum();
    let parts = arms.filter_map(|arm| arm.cost_per_act?.times(arm.evidence.successes / acts));
    parts.reduce(|sum, part| sum.plus(part).unwrap_or(sum)).filter(|_| acts > 0.0)
}

/// Chance that the concept would have been built without the test: as declared, else by the declared habit.
pub fn chance_of_building(inputs: &MoneyInputs) -> Option<f64> {
    inputs.chance_it_would_be_built.or(match inputs.habit? {
        Habit::Build => Some(1.0),
        Habit::Leave => Some(0.0),
    })
}

/// Chance, after the data, that the rate is at break-even and not worth building, by Bayes' rule between just these
/// two: before the data the concept sells, with a rate at the build bar, with chance π, else it is at the kill bar.
/// The data enters as the likelihood ratio of the two bars, day noise divided out of its logarithm on the side where
/// noise costs more; that ratio does not depend on when the test stopped. Of several arms the one with the least
/// evidence speaks, because one that sells is enough. An assumption, not a promise of the test, and printed as one.
pub fn chance_below_the_bar(inputs: &MoneyInputs, card: &Scorecard) -> Option<f64> {
    let least = card.arms.iter().map(|arm| arm.evidence.log_e_kill).collect::<Option<Vec<_>>>()?;
    let least = least.into_iter().min_by(f64::total_cmp)?;
    let prior = inputs.prior();
    Some((1.0 - prior) / (prior * (-least).exp() + 1.0 - prior))
}

/// What the ledger books for one KILL.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Booked {
    /// C.
    pub build_cost: Money,
    /// Chance that it would have been built.
    pub would_be_built: f64,
    /// Chance, after the data, that building would have lost.
    pub below_the_bar: f64,
    /// The product of the three: expected, not certain.
    pub expected: Money,
}

/// The ledger's entry for a concept: only of a KILL that nobody overrode, and only where it is declared how likely
/// the concept would have been built.
pub fn booked(experiment: &Experiment, card: &Scorecard, overridden: bool) -> Option<Booked> {
    if card.verdict != Verdict::Kill || overridden {
        return None;
    }
    let inputs = &experiment.money;
    let build_cost = inputs.build_cost()?;
    let would_be_built = chance_of_building(inputs)?;
    let below_the_bar = chance_below_the_bar(inputs, card)?;
    let expected = build_cost.times(would_be_built)?.times(below_the_bar)?;
    Some(Booked { build_cost, would_be_built, below_the_bar, expected })
}

/// All concepts in one currency.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Totals {
    /// What all of it is in.
    pub currency: Currency,
    /// Concepts with any of it.
    pub concepts: u32,
    /// Settled spend of all tests.
    pub spent: Money,
    /// Build cost of what is not decided yet, or says BUILD.
    pub at_stake: Money,
    /// KILLs that are booked.
    pub kills: u32,
    /// What they are expected to have saved.
    pub avoided: Money,
    /// Spent after verdicts, settled or not.
    pub after_verdicts: Money,
}

/// The portfolio's ledger: totals by currency. A concept counts once, with the last scorecard given for it; the
/// flag beside it says that a person overrode its verdict.
pub fn ledger<'a>(concepts: impl IntoIterator<Item = (&'a Experiment, &'a Scorecard, bool)>) -> Vec<Totals> {
    let once: BTreeMap<&ConceptId, _> = concepts.into_iter().map(|concept| (&concept.1.concept, concept)).collect();
    let mut totals: BTreeMap<Currency, Totals> = BTreeMap::new();
    for (experiment, card, overridden) in once.into_values() {
        let stakes = !matches!(card.verdict, Verdict::Kill) || overridden;
        let parts = [
            (0, card.spend.filter(|spend| spend.micros != 0)),
            (1, experiment.money.build_cost().filter(|_| stakes)),
            (2, booked(experiment, card, overridden).map(|booked| booked.expected)),
            (3, card.spend_after.as_ref().map(|after| after.total).filter(|total| total.micros != 0)),
        ];
        let mut seen = BTreeSet::new();
        for (part, amount) in parts.into_iter().filter_map(|(part, amount)| Some((part, amount?))) {
            let nothing = Money { micros: 0, ..amount };
            let total = totals.entry(amount.currency).or_insert_with(|| Totals {
                currency: amount.currency,
                concepts: 0,
                spent: nothing,
                at_stake: nothing,
                kills: 0,
                avoided: nothing,
                after_verdicts: nothing,
            });
            total.concepts += u32::from(seen.insert(amount.currency));
            total.kills += u32::from(part == 2);
            let sum = match part {
                0 => &mut total.spent,
                1 => &mut total.at_stake,
                2 => &mut total.avoided,
                _ => &mut total.after_verdicts,
            };
            *sum = sum.plus(amount).unwrap_or(*sum);
        }
    }
    totals.into_values().collect()
}

/// What the ads of all arms have cost on days that have not settled yet; `None` where that is nothing, or not known.
pub fn unsettled(tally: &Tally<'_>) -> Option<Money> {
    let young = tally.arms.iter().flat_map(|(_, days)| days).filter(|day| day.day > tally.calendar.last_settled);
    tally.money(young.map(|day| day.spend).sum()).filter(|spent| spent.micros > 0)
}

/// The last whole day that every source of spend has told of; `None` where one has told of none.
pub fn told_until(experiment: &Experiment, data: &Inputs, calendar: &Calendar) -> Option<NaiveDate> {
    let spends = experiment.sources.iter().filter(|source| source.metrics.contains(&MetricId::SPEND));
    let told = spends.map(|source| {
        let pulls = data.pulls.iter().filter(|pull| pull.source == source.id);
        let whole = |day: NaiveDate, read: NaiveDate| Some(day.min(read.checked_sub_days(Days::new(1))?));
        pulls.filter_map(|pull| whole(pull.last_day, pull.told_at().with_timezone(&pull.day_zone).date_naive())).max()
    });
    let yesterday = calendar.today.checked_sub_days(Days::new(1))?;
    Some(told.collect::<Option<Vec<_>>>()?.into_iter().min()?.min(yesterday))
}

/// The last of some days that spend is known of: all sources of spend have told of it (`told`, see [`told_until`]), or one of
/// them has a row of an arm's.
pub fn known_until(
    experiment: &Experiment,
    data: &Inputs,
    [first, last]: [NaiveDate; 2],
    told: Option<NaiveDate>,
) -> NaiveDate {
    let keys = ArmKeys::of(&experiment.arms, &experiment.sources);
    let spends = |source: &SourceId| {
        experiment.sources.iter().any(|one| &one.id == source && one.metrics.contains(&MetricId::SPEND))
    };
    let rows = last_known(data).into_iter().filter(|row| first <= row.day && row.day <= last && spends(&row.source));
    let of_arms = rows.filter(|row| keys.arm(&row.source, &row.arm_key).is_some()).map(|row| row.day).max();
    last.min(told.unwrap_or(last).max(first).max(of_arms.unwrap_or(first)))
}

/// What the tested arms' ads went on spending from the day of the verdict, also after the test's stop, and what they
/// spent on the last whole day that every source of spend has told; `None` where nothing was spent then or since.
pub fn spend_after(experiment: &Experiment, data: &Inputs, tally: &Tally<'_>, since: NaiveDate) -> Option<SpendAfter> {
    let keys = ArmKeys::of(&experiment.arms, &experiment.sources);
    let is_tested = |owner| matches!(owner, Some(Owner::Arm(arm)) if !experiment.arms[arm].control);
    let last_day = told_until(experiment, data, &tally.calendar)?;
    let (mut total, mut settled, mut last, mut ads) = (0_i128, 0_i128, 0_i128, 0_u32);
    for row in last_known(data) {
        let spend = i128::from(row.values.get(MetricId::SPEND).unwrap_or(0));
        let counts = since.min(last_day) <= row.day && row.day <= last_day;
        if spend == 0 || !counts || !is_tested(keys.owner(&row.source, &row.arm_key)) {
            continue;
        }
        if row.day >= since {
            total += spend;
            settled += if row.day <= tally.calendar.last_settled { spend } else { 0 };
        }
        if row.day == last_day {
            last += spend;
            ads += u32::from(spend > 0);
        }
    }
    // What was last told of before the eve of the verdict says nothing of now.
    let is_fresh = last_day.checked_add_days(Days::new(1)).is_some_and(|next| next >= since);
    let after = SpendAfter {
        since,
        total: tally.money(total)?,
        settled: tally.money(settled)?,
        last_day,
        on_last_day: tally.money(if is_fresh { last } else { 0 })?,
        ads: if is_fresh { ads } else { 0 },
    };
    (after.total.micros > 0 || after.on_last_day.micros > 0).then_some(after)
}

/// `two ads are still spending $90 a day`; nothing once they have stopped.
pub fn still_spending(card: &Scorecard, today: NaiveDate) -> Option<String> {
    ads_spending(card.spend_after.as_ref()?, " still", today)
}

/// `two ads are spending $90 a day`, with ` still` before the verb where that is a word of it; of days long past, as of a
/// report imported late, `two ads spent $90 on Mon 2 Nov, the last day known`.
pub fn ads_spending(after: &SpendAfter, still: &str, today: NaiveDate) -> Option<String> {
    let (last_day, spend) = (figures::day(after.last_day, today), after.on_last_day.as_set());
    let ads = if after.ads == 1 { "ad" } else { "ads" };
    let ads = format!("{} {ads}", figures::in_words(after.ads));
    let together = if after.ads > 1 { " together" } else { "" };
    let told = if tells_of_now(after.last_day, today) {
        format!("{ads} {}{still} spending {spend} a day{together}", if after.ads == 1 { "is" } else { "are" })
    } else {
        format!("{ads} spent {spend}{together} on {last_day}, the last day known")
    };
    (after.on_last_day.micros > 0).then_some(told)
}

/// Whether what was spent on the last day known tells of now.
pub fn tells_of_now(last_day: NaiveDate, today: NaiveDate) -> bool {
    last_day.checked_add_days(Days::new(TELLS_OF_NOW)).is_none_or(|until| today <= until)
}
