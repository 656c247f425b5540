//! Observations and responses to what was counted for each arm on each day of the test. Sums are
//! exact integers. Not for judging: which days have settled is asked of the [`Calendar`], what they
//! say of `judge`.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use chrono::{DateTime, Days, NaiveDate, Utc};

use super::judge::Hold;
use super::keys::{ArmKeys, Owner};
use super::portfolio;
use super::pulls::{Known, Pulls, is_same_day};
use super::qualify::{self, Act, LeftOut, Qualified, Rules};
use crate::domain::concept::{Arm, Experiment, Guardrail, Limit, Policy};
use crate::domain::day_note::Word;
use crate::domain::decision::Decision;
use crate::domain::id::{ArmId, SourceId};
use crate::domain::metric::{METRICS, MetricId};
use crate::domain::millionths;
use crate::domain::money::{Currency, Money};
use crate::domain::observation::{DateWindow, Inputs, Observation, Values};
use crate::domain::verdict::Generation;

/// The days of a test as seen at one instant, in the experiment's zone.
#[derive(Clone, Copy, Debug)]
pub struct Calendar {
    /// First day that counts.
    pub first: NaiveDate,
    /// The day of `as_of`.
    pub today: NaiveDate,
    /// Last day old enough to count and not after the stop; may lie before `first`.
    pub last_settled: NaiveDate,
    /// From `first` to today or the stop; `None` before the test begins.
    pub days: Option<DateWindow>,
}

impl Calendar {
    /// The calendar at `as_of`.
    pub fn at(experiment: &Experiment, generation: &Generation, as_of: DateTime<Utc>) -> Self {
        let first = experiment.start.max(generation.first_day);
        let today = as_of.with_timezone(&experiment.timezone).date_naive();
        let not_after_stop = |day: NaiveDate| experiment.stop.map_or(day, |stop| day.min(stop));
        let lag = Days::new(u64::from(experiment.policy.maturity_lag_days));
        let last_settled = not_after_stop(today.checked_sub_days(lag).unwrap_or(NaiveDate::MIN));
        Self { first, today, last_settled, days: DateWindow::new(first, not_after_stop(today)) }
    }
}

/// What was counted for one arm on one day, in millionths. `i128` holds any sum of `i64`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DayCounts {
    /// Which day.
    pub day: NaiveDate,
    /// Whether a good pull of every source of the deciding rate speaks for this day, made once it had
    /// settled where it counts, and the day is not set aside. Otherwise exposures and conversions are 0 and say nothing: the day is no part of the test.
    pub covered: bool,
    /// The deciding rate's denominator.
    pub exposures: i128,
    /// The deciding rate's numerator.
    pub conversions: i128,
    /// What it cost, covered or not: money gone is gone.
    pub spend: i128,
    /// Numerator and denominator of each guardrail, in the policy's order; both 0 unless all its
    /// sources speak for this day.
    pub guardrails: Vec<[i128; 2]>,
    sums: Sums,
    known: Known,
}

impl DayCounts {
    /// A day of which nothing is counted yet.
    fn on(day: NaiveDate) -> Self {
        Self {
            day,
            covered: false,
            exposures: 0,
            conversions: 0,
            spend: 0,
            guardrails: Vec::new(),
            sums: Sums::default(),
            known: Known::default(),
        }
    }

    /// Takes from the sums, once all is counted, what the policy's rates read, where their sources know the day.
    fn settle(&mut self, policy: &Policy, known: &Known) {
        let sums = &self.sums;
        let both = |numerator: MetricId, denominator: MetricId| {
            let [numerator, denominator] = [numerator.index(), denominator.index()];
            (known[numerator] && known[denominator]).then(|| [sums[numerator], sums[denominator]])
        };
        let primary = both(policy.primary.numerator, policy.primary.denominator);
        let guardrail = |rail: &Guardrail| both(rail.numerator, rail.denominator).unwrap_or_default();
        self.covered = primary.is_some();
        [self.conversions, self.exposures] = primary.unwrap_or_default();
        self.spend = sums[MetricId::SPEND.index()];
        self.guardrails = policy.guardrails.iter().map(guardrail).collect();
        self.known = *known;
    }

    /// Any metric, where all its sources speak for this day and the day is not set aside.
    pub fn count(&self, metric: MetricId) -> Option<i128> {
        self.known[metric.index()].then(|| self.sums[metric.index()])
    }
}

/// Everything counted in one test.
pub struct Tally<'a> {
    /// The instant it speaks for.
    pub as_of: DateTime<Utc>,
    /// Its days.
    pub calendar: Calendar,
    /// What people decided in the test.
    pub decisions: &'a [Decision],
    /// Every arm, the control too, with every day of the test in date order.
    pub arms: Vec<(&'a Arm, Vec<DayCounts>)>,
    /// Settled spend on keys no arm claims.
    pub unclaimed_spend: Unclaimed<'a>,
    /// Settled acts of the deciding rate with keys no arm claims.
    pub unclaimed_acts: Unclaimed<'a>,
    /// By source, settled acts of the deciding rate on an arm that do not say who did them and that another source may
    /// count too.
    pub nameless: BTreeMap<SourceId, i128>,
    /// What settled spend is in, and the budget cap; `None` is a currency the source did not name.
    pub currencies: BTreeSet<Option<Currency>>,
    /// By source, what its settled spend is in.
    pub currencies_of: BTreeMap<&'a SourceId, BTreeSet<Option<Currency>>>,
    /// Clicks and impressions of rows with more clicks than impressions, by position of the arm and settled day.
    pub clicks_unseen: BTreeMap<(usize, NaiveDate), [i64; 2]>,
    /// By position of the arm, day and reason, how many acts do not count.
    pub left_out: BTreeMap<(usize, NaiveDate, LeftOut), u32>,
    /// By source, the zones its settled days with rows were read in.
    pub zones: BTreeMap<&'a SourceId, BTreeSet<&'static str>>,
    /// What other concepts ask of a BUILD from today on; for questions of what would be, not for the verdict itself.
    pub hold: Option<Hold>,
}

/// A sum for each key of a source that no arm claims.
pub type Unclaimed<'a> = BTreeMap<(&'a SourceId, &'a str), i128>;

/// Sums of one arm and day, by metric.
type Sums = [i128; METRICS];

impl<'a> Tally<'a> {
    /// Counts everything `data` holds for the test at `as_of`. The order of `data` does not matter,
    /// and what stands in it twice counts once.
    pub fn of(experiment: &'a Experiment, generation: &Generation, data: &'a Inputs, as_of: DateTime<Utc>) -> Self {
        let calendar = Calendar::at(experiment, generation, as_of);
        let mut tally = Self {
            as_of,
            calendar,
            decisions: &data.decisions,
            arms: experiment.arms.iter().map(|arm| (arm, Vec::new())).collect(),
            unclaimed_spend: BTreeMap::new(),
            unclaimed_acts: BTreeMap::new(),
            clicks_unseen: BTreeMap::new(),
            left_out: BTreeMap::new(),
            nameless: BTreeMap::new(),
            zones: BTreeMap::new(),
            currencies_of: BTreeMap::new(),
            hold: portfolio::ahead(experiment, data.others.as_deref(), calendar.last_settled),
            currencies: currencies_set(experiment).map(Some).collect(),
        };
        let Some(days) = calendar.days else { return tally };

        let policy = &experiment.policy;
        let keys = ArmKeys::of(&experiment.arms, &experiment.sources);
        let people_known: HashSet<&SourceId> = data.responses.iter().map(|response| &response.source).collect();
        let pulls = Pulls::of(experiment, data, days, calendar.today);
        let length = usize::try_from(days.days()).unwrap_or_default();
        for (_, counted) in &mut tally.arms {
            *counted = days.first().iter_days().take(length).map(DayCounts::on).collect();
        }
        let mut zone_of = None;
        for rows in last_known(data).chunk_by(|one, next| is_same_day(one, next)) {
            let (source, day) = (&rows[0].source, rows[0].day);
            let position = experiment.sources.iter().position(|one| &one.id == source);
            let Some(position) = position.filter(|_| days.contains(day)) else { continue };
            let is_settled = day <= calendar.last_settled;
            // A window without rows may not know its zone; a day with rows was read by one that does.
            if let Some(pull) = pulls.latest(position, day).filter(|_| is_settled) {
                // Of most days the same.
                if zone_of.replace((position, pull.day_zone)) != Some((position, pull.day_zone)) {
                    tally.zones.entry(source).or_default().insert(pull.day_zone.name());
                }
                if rows.iter().any(|row| row.values.get(MetricId::SPEND).is_some_and(|spend| spend != 0)) {
                    tally.currencies.insert(pull.currency);
                    tally.currencies_of.entry(source).or_default().insert(pull.currency);
                }
            }
            let of = (&experiment.sources[position].leave_out, people_known.contains(source));
            let counts = is_settled && experiment.word_on(day) != Some(Word::SetAside);
            let keys = keys.of_source(source);
            for Observation { arm_key, values, .. } in rows {
                match keys.and_then(|keys| keys.owner(arm_key)).filter(|&owner| counts_for(experiment, owner, day)) {
                    Some(Owner::Arm(arm)) => {
                        let [clicks, seen] = [MetricId::CLICKS, MetricId::IMPRESSIONS].map(|metric| values.get(metric));
                        if let (true, Some(clicks), Some(seen)) = (counts && clicks > seen, clicks, seen) {
                            tally.clicks_unseen.insert((arm, day), [clicks, seen]);
                        }
                        add(tally.sums(arm, day), values, of);
                    }
                    None if is_settled => {
                        let mut sums = Sums::default();
                        add(&mut sums, values, of);
                        let key = (source, &**arm_key);
                        *tally.unclaimed_spend.entry(key).or_default() += sums[MetricId::SPEND.index()];
                        *tally.unclaimed_acts.entry(key).or_default() += sums[policy.primary.numerator.index()];
                    }
                    Some(Owner::Elsewhere) | None => {}
                }
            }
        }
        let rules = |days| Rules::of(experiment, data, &keys, pulls.acts_zone, days);
        let Qualified { acts, left_out, nameless } = qualify::qualified(&data.responses, &rules(days));
        for act in acts.into_iter().filter(|act| counts_for(experiment, Owner::Arm(act.arm), act.day)) {
            tally.sums(act.arm, act.day)[act.metric.index()] += i128::from(millionths::ONE);
        }
        let decides = |act: &Act| act.metric == policy.primary.numerator && act.day <= calendar.last_settled;
        for (source, act) in nameless.into_iter().filter(|(_, act)| decides(act)) {
            if counts_for(experiment, Owner::Arm(act.arm), act.day) {
                *tally.nameless.entry(source).or_default() += i128::from(millionths::ONE);
            }
        }
        tally.left_out = left_out;
        tally.left_out.retain(|&(arm, day, _), _| counts_for(experiment, Owner::Arm(arm), day));

        let settled = DateWindow::new(calendar.first, calendar.last_settled);
        if let Some(settled) = settled.filter(|_| policy.primary.numerator.is_of_people()) {
            for act in qualify::unclaimed(&data.responses, &rules(settled), policy.primary.numerator) {
                *tally.unclaimed_acts.entry((&act.source, &act.arm_key)).or_default() += i128::from(millionths::ONE);
            }
        }

        for (offset, day) in days.first().iter_days().take(length).enumerate() {
            let set_aside = experiment.word_on(day) == Some(Word::SetAside);
            let known = if set_aside { Known::default() } else { pulls.metrics(offset) };
            tally.arms.iter_mut().for_each(|(_, counted)| counted[offset].settle(policy, &known));
        }
        for (arm, counted) in &mut tally.arms {
            counted.retain(|day| arm.until.is_none_or(|until| day.day <= until));
        }
        tally
    }

    /// What is counted of an arm on a day of the test, which it has until all is.
    fn sums(&mut self, arm: usize, day: NaiveDate) -> &mut Sums {
        let first = self.calendar.days.map_or(day, |days| days.first());
        &mut self.arms[arm].1[usize::try_from((day - first).num_days()).unwrap_or_default()].sums
    }

    /// The settled days of one arm's series, in date order.
    pub fn settled(&self, days: &'a [DayCounts]) -> impl Iterator<Item = &'a DayCounts> {
        let last = self.calendar.last_settled;
        days.iter().filter(move |day| day.day <= last)
    }

    /// How many settled days the money and the list of days of an arm speak of.
    pub fn settled_days(&self, arm: &ArmId) -> usize {
        self.arms.iter().filter(|(one, _)| one.id == *arm).map(|(_, days)| self.settled(days).count()).sum()
    }

    /// An amount in the one currency of the test; `None` where sources name none or several, or no
    /// spend was seen.
    pub fn money(&self, micros: i128) -> Option<Money> {
        let mut named = self.currencies.iter();
        match (named.next(), named.next()) {
            (Some(&Some(currency)), None) => Some(Money { micros: i64::try_from(micros).ok()?, currency }),
            _ => None,
        }
    }
}

/// The currencies that the configuration sets limits of the test in: the budget cap's, and that of the money inputs where a guardrail on
/// spend was worked out from them.
pub fn currencies_set(experiment: &Experiment) -> impl Iterator<Item = Currency> {
    let allowed = experiment.money.allowed_cost_per_act();
    let from_inputs = allowed.filter(|allowed| {
        let limit = Limit::Max(millionths::to_f64(allowed.micros));
        experiment.policy.guardrails.iter().any(|rail| rail.numerator == MetricId::SPEND && rail.limit == limit)
    });
    let amounts = [experiment.policy.budget_cap, from_inputs].into_iter().flatten();
    amounts.map(|amount| amount.currency).chain(experiment.policy.bar_currency)
}

/// Whether what an arm's key brought on a day is still the arm's.
fn counts_for(experiment: &Experiment, owner: Owner, day: NaiveDate) -> bool {
    let Owner::Arm(position) = owner else { return true };
    experiment.arms[position].until.is_none_or(|until| day <= until)
}

/// Each observation once, as the latest pull knows it, in order of source, day and key.
pub fn last_known(data: &Inputs) -> Vec<&Observation> {
    // As the store gives them.
    let is_before = |one: &Observation, next: &Observation| {
        (&one.source, one.day, &one.arm_key) < (&next.source, next.day, &next.arm_key)
    };
    if data.observations.is_sorted_by(is_before) {
        return data.observations.iter().collect();
    }
    let mut latest: BTreeMap<_, &Observation> = BTreeMap::new();
    for observation in &data.observations {
        let key = (&observation.source, observation.day, &observation.arm_key);
        let known = latest.entry(key).or_insert(observation);
        if observation.pull_id > known.pull_id {
            *known = observation;
        }
    }
    latest.into_values().collect()
}

/// An exact sum as the statistics take it: in whole units.
#[expect(clippy::cast_precision_loss, reason = "statistics work in floats; 2^53 millionths are 9 billion units")]
pub fn units(sum: i128) -> f64 {
    // Most sums are small, and the processor knows those.
    i64::try_from(sum).map_or_else(|_| long(sum), |sum| sum as f64) / 1e6
}

/// Apart, because a compiler that sees both ways takes the long one for every sum.
#[cold]
#[inline(never)]
#[expect(clippy::cast_precision_loss, reason = "see `units`")]
fn long(sum: i128) -> f64 {
    sum as f64
}

/// Adds what a row of a source supplies, without what is left out of it; sign-ups of one that hands over the people are
/// counted from those.
fn add(sums: &mut Sums, values: &Values, (left_out, gives_people): (&BTreeSet<MetricId>, bool)) {
    for (metric, value) in values.supplied() {
        if !(left_out.contains(&metric) || gives_people && metric == MetricId::SIGNUPS) {
            sums[metric.index()] += i128::from(value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_exact_beyond_any_single_count() {
        let mut sums = Sums::default();
        let mut values = Values::default();
        values.set(MetricId::VISITS, Some(i64::MAX));
        values.set(MetricId::SIGNUPS, Some(2_500_000));
        add(&mut sums, &values, (&BTreeSet::new(), false));
        add(&mut sums, &values, (&BTreeSet::from([MetricId::CLICKS]), true));
        add(&mut sums, &values, (&BTreeSet::from([MetricId::VISITS, MetricId::SIGNUPS]), false));
        assert_eq!(sums[MetricId::VISITS.index()], 2 * i128::from(i64::MAX));
        assert!((units(sums[MetricId::SIGNUPS.index()]) - 2.5).abs() < f64::EPSILON, "people are counted elsewhere");
    }
}
