//! The verdict rule (statistics.md sections 4 to 7 and 9) on one arm's daily counts, and the concept's
//! verdict from its arms'. Shared by `decide` and `replay --counts`. Knows nothing of sources, health
//! gates or words for readers: those are `tally`, `gates` and `explain`.

use chrono::{Days, NaiveDate};

use crate::domain::concept::{Boundary, Dispersion, Guardrail, Limit, Multiplicity, Policy};
use crate::domain::verdict::{Evidence, Flag, GuardrailScore, Lean, Reason, Verdict};
use crate::stats::dispersion::{AUTO, DayNoise, INDEPENDENT};
use crate::stats::rate::Bars;
use crate::stats::sequential::{Assessment, Design};
use crate::stats::{counts, guardrail};

/// Residuals of successive days that go together more than this, over at least this many days, make a
/// verdict provisional (statistics.md section 14, limit 4).
const AUTOCORRELATED: f64 = 0.5;
const AUTOCORRELATED_DAYS: u32 = 21;

/// One arm on one day. Every number is finite and not negative.
#[derive(Clone, Debug, PartialEq)]
pub struct ArmDay {
    /// A calendar date.
    pub day: NaiveDate,
    /// What people could have acted on: visits.
    pub exposures: f64,
    /// Acts, possibly fractional.
    pub conversions: f64,
    /// Spend in units of the currency.
    pub spend: f64,
    /// Numerator and denominator of each guardrail, in the policy's order.
    pub guardrails: Vec<[f64; 2]>,
}

/// What one arm is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'a> {
    /// A checked policy: bars and error rates in order and inside (0, 1).
    pub policy: &'a Policy,
    /// Tested arms of the concept, control excluded.
    pub arms: u32,
    /// The arm's share of the budget cap, in units of the currency.
    pub arm_budget_cap: Option<f64>,
    /// Last day of the test, where set: works like a horizon once it has settled.
    pub stop: Option<NaiveDate>,
}

/// Where an arm stands on one as-of day.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// The day one looks.
    pub as_of: NaiveDate,
    /// The verdict of the latching day, once there is one.
    pub verdict: Verdict,
    /// Its reason.
    pub reason: Option<Reason>,
    /// The latching as-of day.
    pub since: Option<NaiveDate>,
    /// What the days settled so far say, latched or not.
    pub evidence: Evidence,
    /// Each guardrail on the days settled so far, in the policy's order.
    pub guardrails: Vec<GuardrailScore>,
}

/// Judges one arm on every as-of day from `first_as_of` to `last_as_of`. `days` come in date order, one
/// per day; a missing day is absent, not zero. The first terminal verdict stays, with its reason; the
/// numbers and flags follow the data.
pub fn looks(rule: &Rule<'_>, days: &[ArmDay], first_as_of: NaiveDate, last_as_of: NaiveDate) -> Vec<Look> {
    let lag = Days::new(u64::from(rule.policy.maturity_lag_days));
    let mut waiting = days.iter().peekable();
    let mut settled = Settled::new(*rule);
    let (mut verdict, mut reason, mut since) = (Verdict::Collecting, None, None);
    let mut looks = Vec::new();
    for as_of in first_as_of.iter_days().take_while(|&day| day <= last_as_of) {
        let last_settled = as_of.checked_sub_days(lag);
        while let Some(day) = waiting.next_if(|day| Some(day.day) <= last_settled) {
            settled.add(day);
        }
        let said = settled.assess();
        if since.is_none() {
            (verdict, reason) = settled.judge(said.as_ref(), last_settled);
            since = verdict.is_terminal().then_some(as_of);
        }
        let evidence = settled.evidence(said.as_ref(), verdict);
        let guardrails = settled.guardrail_scores();
        looks.push(Look { as_of, verdict, reason: reason.clone(), since, evidence, guardrails });
    }
    looks
}

/// The concept's verdict from its arms' (statistics.md section 4): BUILD if any arm says so, KILL if all
/// do, COLLECTING while any collects, else REVIEW. Without an arm there is nothing to say yet.
///
/// COLLECTING is `insufficient` only while that is true of every collecting arm. A cap that all arms
/// reached leans to BUILD if any arm does.
pub fn concept(arms: &[(Verdict, Option<Reason>)]) -> (Verdict, Option<Reason>) {
    let any = |wanted: Verdict| arms.iter().any(|(verdict, _)| *verdict == wanted);
    let any_because = |wanted: &Reason| arms.iter().any(|(_, reason)| reason.as_ref() == Some(wanted));
    if any(Verdict::Build) {
        return (Verdict::Build, None);
    }
    if any(Verdict::Collecting) || arms.is_empty() {
        let undecided = any_because(&Reason::Undecided);
        return (Verdict::Collecting, Some(if undecided { Reason::Undecided } else { Reason::Insufficient }));
    }
    if arms.iter().all(|(verdict, _)| *verdict == Verdict::Kill) {
        return (Verdict::Kill, None);
    }
    let is_cap = |reason: &Option<Reason>| matches!(reason, Some(Reason::CapReached { .. }));
    if arms.iter().all(|(_, reason)| is_cap(reason)) {
        let build = any_because(&Reason::CapReached { lean: Lean::Build });
        return (Verdict::Review, Some(Reason::CapReached { lean: if build { Lean::Build } else { Lean::Kill } }));
    }
    let agreed = arms.windows(2).all(|pair| pair[0].1 == pair[1].1);
    (Verdict::Review, if agreed { arms[0].1.clone() } else { Some(Reason::ArmsDisagree) })
}

fn design(rule: &Rule<'_>) -> Design<Bars> {
    let policy = rule.policy;
    let sharing = match policy.multiplicity {
        Multiplicity::Bonferroni => f64::from(rule.arms.max(1)),
        Multiplicity::None => 1.0,
    };
    Design {
        bars: Bars::new(policy.kill_bar, policy.build_bar),
        alpha: policy.alpha / sharing,
        beta: policy.beta,
        noise: match policy.dispersion {
            Dispersion::Auto => DayNoise::Estimated(&AUTO),
            Dispersion::Independent => DayNoise::Estimated(&INDEPENDENT),
            Dispersion::None => DayNoise::Known(1.0),
            Dispersion::Known(phi) => DayNoise::Known(phi),
        },
        daily: policy.boundary == Boundary::Daily,
    }
}

/// An arm's settled days, as the test takes them: what each look asks is kept up to date, so that a look costs the
/// same however many days came before.
#[derive(Clone, Debug)]
pub struct Settled<'a> {
    rule: Rule<'a>,
    active: counts::Series<Bars>,
    /// In the policy's order; days without a denominator are none of theirs.
    guardrails: Vec<guardrail::Series>,
    /// Money is spent on inactive days too.
    spend: f64,
    acts_without_exposure: bool,
    acts_exceed_exposures: bool,
}

impl<'a> Settled<'a> {
    /// No day has settled yet.
    pub fn new(rule: Rule<'a>) -> Self {
        let design = design(&rule);
        let series = |guardrail: &Guardrail| {
            let (limit, harm) = match guardrail.limit {
                Limit::Max(limit) => (limit, limit * (1.0 + guardrail.margin)),
                Limit::Min(limit) => (limit, limit / (1.0 + guardrail.margin)),
            };
            guardrail::Series::new(limit, harm, design.noise)
        };
        Self {
            rule,
            active: counts::Series::new(design),
            guardrails: rule.policy.guardrails.iter().map(series).collect(),
            spend: 0.0,
            acts_without_exposure: false,
            acts_exceed_exposures: false,
        }
    }

    /// Back to no day; keeps the memory.
    pub fn clear(&mut self) {
        self.active.clear();
        self.guardrails.iter_mut().for_each(guardrail::Series::clear);
        self.spend = 0.0;
        self.acts_without_exposure = false;
        self.acts_exceed_exposures = false;
    }

    /// Takes the next settled day in date order, under the edge cases of statistics.md section 7.
    pub fn add(&mut self, day: &ArmDay) {
        self.spend += day.spend;
        if day.exposures > 0.0 {
            self.acts_exceed_exposures |= day.conversions > day.exposures;
            self.active.add(day.conversions.min(day.exposures), day.exposures);
        } else {
            self.acts_without_exposure |= day.conversions > 0.0;
        }
        for (series, &[numerator, denominator]) in self.guardrails.iter_mut().zip(&day.guardrails) {
            if denominator > 0.0 {
                series.add(numerator, denominator);
            }
        }
    }

    /// What the days so far say; `None` without an active day.
    pub fn assess(&self) -> Option<Assessment> {
        self.active.assess()
    }

    /// The range that goes with it.
    pub fn interval(&self, said: &Assessment) -> (f64, f64) {
        self.active.interval(said)
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "days are counted one by one")]
    fn active_days(&self) -> u32 {
        self.active.days() as u32
    }

    /// The rule of statistics.md section 4 on what [`Settled::assess`] said, first match first: the verdict of this
    /// look alone, whatever earlier ones gave. `last_settled` is the last day old enough to count.
    pub fn judge(&self, said: Option<&Assessment>, last_settled: Option<NaiveDate>) -> (Verdict, Option<Reason>) {
        let Rule { policy, arm_budget_cap, stop, .. } = self.rule;
        let days = self.active_days();
        let enough = said.filter(|arm| days >= policy.min_days && arm.trials >= whole(policy.min_exposures));
        if let Some(arm) = enough {
            let trusted = !self.acts_without_exposure && !self.acts_exceed_exposures;
            if arm.against_p0.is_reached() && arm.successes >= whole(policy.min_conversions) && trusted {
                return match self.first_breached() {
                    Some(breached) => (Verdict::Review, Some(Reason::Guardrail { name: breached.name.clone() })),
                    None => (Verdict::Build, None),
                };
            }
            if arm.against_p1.is_reached() {
                return (Verdict::Kill, None);
            }
        }
        let stopped = stop.is_some_and(|stop| last_settled.is_some_and(|day| day >= stop));
        let spent = arm_budget_cap.is_some_and(|cap| self.spend >= cap);
        if days >= policy.horizon_days || spent || stopped {
            let build = said.is_some_and(|arm| arm.against_p0.evidence > 0.0);
            return (Verdict::Review, Some(Reason::CapReached { lean: if build { Lean::Build } else { Lean::Kill } }));
        }
        (Verdict::Collecting, Some(if enough.is_some() { Reason::Undecided } else { Reason::Insufficient }))
    }

    fn evidence(&self, said: Option<&Assessment>, verdict: Verdict) -> Evidence {
        let number = |pick: fn(&Assessment) -> f64| said.map(pick).filter(|value| value.is_finite());
        let (low, high) = said.map(|arm| self.interval(arm)).unzip();
        let (trials, successes) = said.map_or((0.0, 0.0), |arm| (arm.trials, arm.successes));
        let days = self.active_days();
        let autocorrelation = said.and_then(|arm| arm.residuals.autocorrelation());
        let flags = [
            (
                Flag::AutocorrelatedDays,
                days >= AUTOCORRELATED_DAYS && autocorrelation.is_some_and(|r| r > AUTOCORRELATED),
            ),
            (Flag::ConversionsExceedVisits, self.acts_exceed_exposures),
            (Flag::ConversionsWithoutExposure, self.acts_without_exposure),
            (Flag::ZeroConversions, verdict == Verdict::Kill && successes <= 0.0),
        ];
        Evidence {
            days,
            trials,
            successes,
            estimate: number(|arm| arm.estimate),
            low: low.filter(|low| low.is_finite()),
            high: high.filter(|high| high.is_finite()),
            log_e_build: number(|arm| arm.against_p0.evidence),
            log_e_kill: number(|arm| arm.against_p1.evidence),
            build_at: number(|arm| arm.against_p0.threshold),
            kill_at: number(|arm| arm.against_p1.threshold),
            phi: number(|arm| arm.phi.against_p0),
            flags: flags.into_iter().filter_map(|(flag, raised)| raised.then_some(flag)).collect(),
        }
    }

    /// Each guardrail with its own sequential test (statistics.md section 9), in the policy's order.
    fn watched(&self) -> impl Iterator<Item = (&'a Guardrail, &guardrail::Series, bool)> {
        let Policy { guardrails, guardrail_alpha, .. } = self.rule.policy;
        let count = f64::from(u32::try_from(guardrails.len()).unwrap_or(u32::MAX));
        let threshold = (count / guardrail_alpha).ln();
        let breached = move |series: &guardrail::Series| series.log_evidence() >= threshold;
        guardrails.iter().zip(&self.guardrails).map(move |(rail, series)| (rail, series, breached(series)))
    }

    fn first_breached(&self) -> Option<&'a Guardrail> {
        self.watched().find_map(|(guardrail, _, breached)| breached.then_some(guardrail))
    }

    fn guardrail_scores(&self) -> Vec<GuardrailScore> {
        let score = |(guardrail, series, breached): (&Guardrail, &guardrail::Series, bool)| {
            let (limit, is_max) = match guardrail.limit {
                Limit::Max(limit) => (limit, true),
                Limit::Min(limit) => (limit, false),
            };
            let value = Some(series.ratio()).filter(|value| value.is_finite());
            GuardrailScore { name: guardrail.name.clone(), value, limit, is_max, breached }
        };
        self.watched().map(score).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a minimum beyond 2^53 is never met either way")]
fn whole(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::concept::Rate;
    use crate::domain::metric::MetricId;

    fn policy() -> Policy {
        Policy {
            primary: Rate { name: "signup".to_owned(), numerator: MetricId::SIGNUPS, denominator: MetricId::CLICKS },
            kill_bar: 0.02,
            build_bar: 0.03,
            alpha: 0.05,
            beta: 0.05,
            min_days: 14,
            min_exposures: 300,
            min_conversions: 10,
            maturity_lag_days: 3,
            horizon_days: 60,
            budget_cap: None,
            dispersion: Dispersion::None,
            boundary: Boundary::Daily,
            multiplicity: Multiplicity::Bonferroni,
            guardrails: Vec::new(),
            guardrail_alpha: 0.05,
        }
    }

    fn rule(policy: &Policy) -> Rule<'_> {
        Rule { policy, arms: 1, arm_budget_cap: None, stop: None }
    }

    fn day(number: u64) -> NaiveDate {
        NaiveDate::default() + Days::new(number)
    }

    fn steady(days: u64, exposures: f64, conversions: f64, guardrail: &[[f64; 2]]) -> Vec<ArmDay> {
        let one =
            |number| ArmDay { day: day(number), exposures, conversions, spend: 1.0, guardrails: guardrail.to_vec() };
        (0..days).map(one).collect()
    }

    /// The last of the looks at `days`.
    fn end(rule: &Rule<'_>, days: &[ArmDay]) -> Look {
        let last = days.last().map_or(day(0), |last| last.day) + Days::new(u64::from(rule.policy.maturity_lag_days));
        looks(rule, days, day(0), last).pop().unwrap()
    }

    const UNDECIDED: (Verdict, Option<Reason>) = (Verdict::Collecting, Some(Reason::Undecided));
    const INSUFFICIENT: (Verdict, Option<Reason>) = (Verdict::Collecting, Some(Reason::Insufficient));
    const BUILD: (Verdict, Option<Reason>) = (Verdict::Build, None);
    const KILL: (Verdict, Option<Reason>) = (Verdict::Kill, None);

    fn cap(lean: Lean) -> (Verdict, Option<Reason>) {
        (Verdict::Review, Some(Reason::CapReached { lean }))
    }

    fn said(look: Look) -> (Verdict, Option<Reason>) {
        (look.verdict, look.reason)
    }

    #[test]
    fn minimums_hold_back_a_verdict_the_evidence_would_give() {
        let policy = policy();
        assert_eq!(said(end(&rule(&policy), &steady(13, 100.0, 0.0, &[]))), INSUFFICIENT);
        assert_eq!(said(end(&rule(&policy), &steady(14, 100.0, 0.0, &[]))), KILL);
        // 14 days, 294 exposures: one short of a whole day of the minimum.
        assert_eq!(said(end(&rule(&policy), &steady(14, 21.0, 0.0, &[]))), INSUFFICIENT);
        assert_eq!(said(end(&rule(&policy), &steady(14, 22.0, 0.0, &[]))), KILL);
    }

    #[test]
    fn build_needs_acts_as_well_as_evidence() {
        let policy = Policy { min_conversions: 71, ..policy() };
        let short = end(&rule(&policy), &steady(14, 100.0, 5.0, &[]));
        assert!(short.evidence.log_e_build >= short.evidence.build_at);
        assert_eq!(said(short), UNDECIDED);
        assert_eq!(said(end(&rule(&policy), &steady(15, 100.0, 5.0, &[]))), BUILD);
    }

    #[test]
    fn only_settled_days_count_and_the_verdict_remembers_when() {
        let policy = policy();
        let days = steady(20, 100.0, 5.0, &[]);
        let looks = looks(&rule(&policy), &days, day(0), day(22));
        assert_eq!(looks.len(), 23);
        let seen: Vec<u32> = looks.iter().map(|look| look.evidence.days).collect();
        assert_eq!(seen, [&[0; 3][..], &(1..=20).collect::<Vec<_>>()].concat());
        assert_eq!(looks[15].since, None);
        assert!(looks[16..].iter().all(|look| (look.verdict, look.since) == (Verdict::Build, Some(day(16)))));
    }

    #[test]
    fn more_arms_ask_more_evidence_for_build_and_none_for_kill() {
        let policy = policy();
        let days = steady(20, 100.0, 2.4, &[]);
        let alone = end(&rule(&policy), &days).evidence;
        let among = end(&Rule { arms: 4, ..rule(&policy) }, &days).evidence;
        let more = among.build_at.unwrap() - alone.build_at.unwrap();
        assert!((more - 4.0_f64.ln()).abs() < 1e-12, "{more}");
        assert_eq!(among.kill_at, alone.kill_at);
        let each_its_own = Policy { multiplicity: Multiplicity::None, ..policy };
        assert_eq!(end(&Rule { arms: 4, ..rule(&each_its_own) }, &days).evidence.build_at, alone.build_at);
    }

    #[test]
    fn horizon_budget_and_stop_end_a_test_that_is_undecided_or_too_thin() {
        let policy = policy();
        let (for_it, against_it) = (steady(20, 40.0, 1.0, &[]), steady(20, 40.0, 0.9, &[]));
        let horizon = Policy { horizon_days: 20, ..policy.clone() };
        assert_eq!(said(end(&rule(&horizon), &for_it)), cap(Lean::Build));
        assert_eq!(said(end(&rule(&horizon), &against_it)), cap(Lean::Kill));

        let spent = Rule { arm_budget_cap: Some(5.0), ..rule(&policy) };
        let looks = looks(&spent, &for_it, day(0), day(22));
        assert_eq!(looks[6].verdict, Verdict::Collecting);
        // The fifth day has settled on the eighth: below the minimum of days, and out of money.
        assert_eq!((looks[7].verdict, looks[7].evidence.days), (Verdict::Review, 5));

        let stopped = Rule { stop: Some(day(10)), ..rule(&policy) };
        let looks = super::looks(&stopped, &for_it[..3], day(0), day(20));
        assert_eq!(looks[12].verdict, Verdict::Collecting, "its last day has not settled");
        assert_eq!((looks[13].verdict, looks[13].since), (Verdict::Review, Some(day(13))));
        assert_eq!(said(super::looks(&stopped, &[], day(0), day(13)).pop().unwrap()), cap(Lean::Kill));
    }

    #[test]
    fn a_limit_from_below_or_above_vetoes_build_and_the_first_one_is_named() {
        let limit = |name: &str, limit: Limit| Guardrail {
            name: name.to_owned(),
            numerator: MetricId::LEADS,
            denominator: MetricId::SIGNUPS,
            limit,
            margin: 0.25,
        };
        let policy =
            Policy { guardrails: vec![limit("spam", Limit::Max(0.2)), limit("paid", Limit::Min(0.5))], ..policy() };
        let judged = |guardrails: &[[f64; 2]]| end(&rule(&policy), &steady(20, 200.0, 10.0, guardrails));
        let veto = |name: &str| (Verdict::Review, Some(Reason::Guardrail { name: name.to_owned() }));
        assert_eq!(said(judged(&[[1.0, 10.0], [6.0, 10.0]])), BUILD);
        assert_eq!(said(judged(&[[1.0, 10.0], [2.0, 10.0]])), veto("paid"));
        assert_eq!(said(judged(&[[5.0, 10.0], [2.0, 10.0]])), veto("spam"));
        // Nothing to divide by is no breach.
        let empty = judged(&[[0.0, 0.0], [3.0, 0.0]]);
        assert_eq!(empty.guardrails.iter().map(|score| score.value).collect::<Vec<_>>(), [None, None]);
        assert_eq!(said(empty), BUILD);
    }

    #[test]
    fn a_concept_follows_from_its_arms() {
        let veto = (Verdict::Review, Some(Reason::Guardrail { name: "spam".to_owned() }));
        let disagree = (Verdict::Review, Some(Reason::ArmsDisagree));
        for (arms, expected) in [
            (vec![], INSUFFICIENT),
            (vec![KILL, BUILD, UNDECIDED], BUILD),
            (vec![KILL, KILL], KILL),
            (vec![KILL, UNDECIDED, cap(Lean::Kill)], UNDECIDED),
            (vec![INSUFFICIENT, KILL], INSUFFICIENT),
            (vec![INSUFFICIENT, UNDECIDED], UNDECIDED),
            (vec![veto.clone()], veto.clone()),
            (vec![cap(Lean::Kill), cap(Lean::Kill)], cap(Lean::Kill)),
            (vec![cap(Lean::Kill), cap(Lean::Build)], cap(Lean::Build)),
            (vec![KILL, cap(Lean::Kill)], disagree.clone()),
            (vec![veto, cap(Lean::Kill)], disagree),
        ] {
            assert_eq!(concept(&arms), expected, "{arms:?}");
        }
    }
}
