//! The days of one arm that have settled, and what the rule says of them. Not for dates: `looks` decides which days
//! those are.

use chrono::NaiveDate;

use super::{ArmDay, Hold, Rule};
use crate::decide::raise::Raise;
use crate::domain::concept::{Boundary, Dispersion, Guardrail, Limit, Model, Multiplicity, Policy};
use crate::domain::portfolio::Withheld;
use crate::domain::verdict::{Evidence, Flag, GuardrailScore, Lean, Reason, Verdict};
use crate::stats::dispersion::{AUTO, DayNoise, INDEPENDENT};
use crate::stats::sequential::{Assessment, Design, Running};
use crate::stats::{compare, counts, cpa, guardrail, rate};

/// Residuals of successive days that go together more than this, over at least this many days, make a
/// verdict provisional (statistics.md section 14, limit 4).
const AUTOCORRELATED: f64 = 0.5;
const AUTOCORRELATED_DAYS: u32 = 21;

/// The test of a policy's model, running.
#[derive(Clone, Debug)]
enum Active {
    Rate(counts::Series<rate::Bars>),
    Cpa(counts::Series<cpa::Bars>),
    Compare(compare::Series),
}

impl Active {
    fn new(rule: &Rule<'_>) -> Self {
        let Policy { kill_bar, build_bar, model, .. } = *rule.policy;
        match model {
            Model::Rate => Self::Rate(counts::Series::new(design(rule, rate::Bars::new(kill_bar, build_bar)))),
            Model::Cpa => Self::Cpa(counts::Series::new(design(rule, cpa::Bars::of_costs(kill_bar, build_bar)))),
            Model::Compare => {
                Self::Compare(compare::Series::new(design(rule, compare::Bars::new(kill_bar, build_bar))))
            }
        }
    }

    fn running(&self) -> &dyn Running {
        match self {
            Self::Rate(series) => series,
            Self::Cpa(series) => series,
            Self::Compare(series) => series,
        }
    }

    fn clear(&mut self) {
        match self {
            Self::Rate(series) => series.clear(),
            Self::Cpa(series) => series.clear(),
            Self::Compare(series) => series.clear(),
        }
    }

    /// In the unit of the policy's bars: a cost is exposures per act, where the test counts acts per exposure.
    fn in_units_of_bars(&self, value: f64) -> f64 {
        if matches!(self, Self::Cpa(_)) { 1.0 / value } else { value }
    }
}

fn noise(policy: &Policy) -> DayNoise {
    match policy.dispersion {
        Dispersion::Auto => DayNoise::Estimated(&AUTO),
        Dispersion::Independent => DayNoise::Estimated(&INDEPENDENT),
        Dispersion::None => DayNoise::Known(1.0),
        Dispersion::Known(phi) => DayNoise::Known(phi),
    }
}

fn design<B>(rule: &Rule<'_>, bars: B) -> Design<B> {
    let policy = rule.policy;
    let sharing = match policy.multiplicity {
        Multiplicity::Bonferroni => f64::from(rule.arms.max(1)),
        Multiplicity::None => 1.0,
    };
    Design {
        bars,
        alpha: policy.alpha / sharing,
        beta: policy.beta,
        noise: noise(policy),
        daily: policy.boundary == Boundary::Daily,
    }
}

/// An arm's settled days, as the test takes them: what each look asks is kept up to date, so that a look costs the
/// same however many days came before.
#[derive(Clone, Debug)]
pub struct Settled<'a> {
    rule: Rule<'a>,
    hold: Option<Hold>,
    /// Active settled days that people added to the horizon.
    more_days: u32,
    active: Active,
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
        Self::held(rule, None)
    }

    /// As [`Settled::new`], with BUILD set higher.
    pub fn held(rule: Rule<'a>, hold: Option<Hold>) -> Self {
        let series = |guardrail: &Guardrail| {
            let (limit, harm) = match guardrail.limit {
                Limit::Max(limit) => (limit, limit * (1.0 + guardrail.margin)),
                Limit::Min(limit) => (limit, limit / (1.0 + guardrail.margin)),
            };
            guardrail::Series::new(limit, harm, noise(rule.policy))
        };
        Self {
            rule,
            hold,
            more_days: 0,
            active: Active::new(&rule),
            guardrails: rule.policy.guardrails.iter().map(series).collect(),
            spend: 0.0,
            acts_without_exposure: false,
            acts_exceed_exposures: false,
        }
    }

    /// The same days, judged by the deciding rate alone.
    pub(super) fn without_guardrails(self) -> Self {
        Self { guardrails: Vec::new(), ..self }
    }

    /// Back to no day; keeps the memory.
    pub fn clear(&mut self) {
        self.active.clear();
        self.guardrails.iter_mut().for_each(guardrail::Series::clear);
        self.spend = 0.0;
        self.acts_without_exposure = false;
        self.acts_exceed_exposures = false;
    }

    /// From now on the caps are higher.
    pub fn raise(&mut self, raise: &Raise) {
        self.more_days = self.more_days.saturating_add(raise.days);
        self.rule.arm_budget_cap = self.rule.arm_budget_cap.map(|cap| cap + raise.arm_budget);
    }

    /// Takes the next settled day in date order, under the edge cases of statistics.md section 7.
    pub fn add(&mut self, day: &ArmDay) {
        self.spend += day.spend;
        let ArmDay { exposures, conversions, control: [control, control_exposures], .. } = *day;
        let is_lost = |acts: f64, exposures: f64| exposures <= 0.0 && acts > 0.0;
        self.acts_without_exposure |= is_lost(conversions, exposures) || is_lost(control, control_exposures);
        match &mut self.active {
            Active::Rate(series) if exposures > 0.0 => {
                self.acts_exceed_exposures |= conversions > exposures;
                series.add(conversions.min(exposures), exposures);
            }
            // A unit of money may bring several acts.
            Active::Cpa(series) if exposures > 0.0 => series.add(conversions, exposures),
            Active::Compare(series) if exposures > 0.0 && control_exposures > 0.0 => {
                self.acts_exceed_exposures |= conversions > exposures || control > control_exposures;
                let control = control.min(control_exposures);
                series.add([control, control_exposures, conversions.min(exposures), exposures]);
            }
            _ => {}
        }
        for (series, &[numerator, denominator]) in self.guardrails.iter_mut().zip(&day.guardrails) {
            series.add(numerator, denominator);
        }
    }

    /// What the days so far say; `None` without an active day.
    pub fn assess(&self) -> Option<Assessment> {
        self.active.running().assess()
    }

    /// The range that goes with it, in the unit of the policy's bars; an end that is not bounded is infinite.
    pub fn interval(&self, said: &Assessment) -> (f64, f64) {
        let (low, high) = self.active.running().interval(said);
        let (one, other) = (self.active.in_units_of_bars(low), self.active.in_units_of_bars(high));
        if one <= other { (one, other) } else { (other, one) }
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "days are counted one by one")]
    fn active_days(&self) -> u32 {
        self.active.running().days() as u32
    }

    /// The rule of statistics.md section 4 on what [`Settled::assess`] said, first match first: the verdict of this
    /// look alone, whatever earlier ones gave. `last_settled` is the last day old enough to count.
    pub fn judge(&self, said: Option<&Assessment>, last_settled: Option<NaiveDate>) -> (Verdict, Option<Reason>) {
        let Rule { policy, arm_budget_cap, stop, .. } = self.rule;
        let days = self.active_days();
        let enough = self.enough(said);
        let uneven = self.is_uneven(last_settled);
        let mut withheld = None;
        if let Some(arm) = enough.filter(|_| !uneven) {
            if let Some(evidence) = self.log_e_proof(said, last_settled) {
                withheld = self.hold.filter(|hold| !hold.lifts(evidence, last_settled)).map(|hold| {
                    let Hold { concepts, builds, needed, .. } = hold;
                    Reason::Portfolio(Withheld { concepts, builds, evidence, needed })
                });
                match self.first_breached() {
                    Some(breached) => {
                        return (Verdict::Review, Some(Reason::Guardrail { name: breached.name.clone() }));
                    }
                    None if withheld.is_none() => return (Verdict::Build, None),
                    None => {}
                }
            }
            if arm.against_p1.is_reached() {
                return (Verdict::Kill, None);
            }
        }
        let stopped = stop.is_some_and(|stop| last_settled.is_some_and(|day| day >= stop));
        let spent = arm_budget_cap.is_some_and(|cap| self.spend >= cap);
        if days >= policy.horizon_days.saturating_add(self.more_days) || spent || stopped {
            // Where nothing was counted, nothing leans.
            let lean = said.map(|arm| if arm.against_p0.evidence > 0.0 { Lean::Build } else { Lean::Kill });
            return (Verdict::Review, Some(Reason::CapReached { lean }));
        }
        let reason = match enough {
            None => Reason::Insufficient,
            Some(_) if uneven => Reason::Srm,
            Some(_) => withheld.unwrap_or(Reason::Undecided),
        };
        (Verdict::Collecting, Some(reason))
    }

    /// What was said, where there are days and exposures enough for a verdict.
    fn enough<'s>(&self, said: Option<&'s Assessment>) -> Option<&'s Assessment> {
        let policy = self.rule.policy;
        said.filter(|arm| self.active_days() >= policy.min_days && arm.trials >= whole(policy.min_exposures))
    }

    fn is_uneven(&self, last_settled: Option<NaiveDate>) -> bool {
        let Rule { policy, uneven_since, .. } = self.rule;
        policy.model == Model::Compare && uneven_since.is_some_and(|day| last_settled >= Some(day))
    }

    /// The concept's log e-value, were this its best arm, of a look at which BUILD alone would be right but for guardrails.
    fn log_e_proof(&self, said: Option<&Assessment>, last_settled: Option<NaiveDate>) -> Option<f64> {
        let arm = self.enough(said).filter(|_| !self.is_uneven(last_settled))?;
        let trusted = !self.acts_without_exposure && !self.acts_exceed_exposures;
        let reached = arm.against_p0.is_reached() && arm.successes >= whole(self.rule.policy.min_conversions);
        (reached && trusted).then(|| self.log_e_value(arm))
    }

    /// The same beyond ln(1/alpha): what other concepts may count on.
    pub(super) fn proof(&self, said: Option<&Assessment>, last_settled: Option<NaiveDate>) -> Option<f64> {
        self.log_e_proof(said, last_settled).map(|evidence| evidence + self.rule.policy.alpha.ln())
    }

    /// Whether BUILD is withheld whatever the evidence.
    pub(super) fn withholds_all(&self) -> bool {
        self.hold.is_some_and(|hold| hold.lifts.is_none())
    }

    /// The concept's log e-value, were this its best arm: its evidence shared among the arms (statistics.md section 8).
    pub fn log_e_value(&self, said: &Assessment) -> f64 {
        said.against_p0.evidence - f64::from(self.rule.arms.max(1)).ln()
    }

    /// What is told of a look, whatever was latched before it.
    pub(super) fn evidence(&self, said: Option<&Assessment>, verdict: Verdict) -> Evidence {
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
            estimate: said.map(|arm| self.active.in_units_of_bars(arm.estimate)).filter(|value| value.is_finite()),
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

    /// Evidence at which a guardrail is breached.
    fn guardrail_threshold(&self) -> f64 {
        let Policy { guardrails, guardrail_alpha, .. } = self.rule.policy;
        let count = f64::from(u32::try_from(guardrails.len()).unwrap_or(u32::MAX));
        (count / guardrail_alpha).ln()
    }

    /// Each guardrail with its own sequential test (statistics.md section 9), in the policy's order.
    fn watched(&self) -> impl Iterator<Item = (&'a Guardrail, &guardrail::Series, bool)> {
        let (guardrails, threshold) = (&self.rule.policy.guardrails, self.guardrail_threshold());
        let breached = move |series: &guardrail::Series| series.log_evidence() >= threshold;
        guardrails.iter().zip(&self.guardrails).map(move |(rail, series)| (rail, series, breached(series)))
    }

    fn first_breached(&self) -> Option<&'a Guardrail> {
        self.watched().find_map(|(guardrail, _, breached)| breached.then_some(guardrail))
    }

    pub(super) fn guardrail_scores(&self) -> Vec<GuardrailScore> {
        let threshold = self.guardrail_threshold();
        let score = |(guardrail, series, breached): (&Guardrail, &guardrail::Series, bool)| {
            let (limit, is_max) = match guardrail.limit {
                Limit::Max(limit) => (limit, true),
                Limit::Min(limit) => (limit, false),
            };
            let value = Some(series.ratio()).filter(|value| value.is_finite());
            let (low, high) =
                series.interval(threshold).filter(|(low, high)| low.is_finite() && high.is_finite()).unzip();
            GuardrailScore { name: guardrail.name.clone(), value, low, high, limit, is_max, breached }
        };
        self.watched().map(score).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "a minimum beyond 2^53 is never met either way")]
fn whole(count: u64) -> f64 {
    count as f64
}
