//! The verdict rule (statistics.md sections 4 to 7 and 9) on one arm's daily counts, and the concept's
//! verdict from its arms'. Shared by `decide` and `replay --counts`. Knows nothing of sources, health
//! gates or words for readers: those are `tally`, `gates` and `explain`.

mod settled;
#[cfg(test)]
mod tests;

use std::borrow::Borrow;
use std::iter::Peekable;
use std::vec::IntoIter;

use chrono::{Days, NaiveDate};

use super::raise::Raise;
use crate::domain::concept::{Policy, Srm};
use crate::domain::portfolio::Proof;
use crate::domain::verdict::{Evidence, GuardrailScore, Lean, Reason, Verdict};
use crate::stats::srm;
pub use settled::Settled;

/// One arm on one day. Every number is finite and not negative.
#[derive(Clone, Debug, PartialEq)]
pub struct ArmDay {
    /// A calendar date.
    pub day: NaiveDate,
    /// What acts are counted on: visits, or under `cpa` the spend of the same day in units of the currency.
    pub exposures: f64,
    /// Acts, possibly fractional.
    pub conversions: f64,
    /// Acts and visits of the control, under `compare`; both 0 where nothing is known of it.
    pub control: [f64; 2],
    /// Spend in units of the currency.
    pub spend: f64,
    /// Numerator and denominator of each guardrail, in the policy's order.
    pub guardrails: Vec<[f64; 2]>,
}

/// What one arm is judged by.
#[derive(Clone, Copy, Debug)]
pub struct Rule<'a> {
    /// A checked policy: bars in order and inside their range, error rates inside (0, 1).
    pub policy: &'a Policy,
    /// Tested arms of the concept, control excluded.
    pub arms: u32,
    /// The arm's share of the budget cap, in units of the currency.
    pub arm_budget_cap: Option<f64>,
    /// Last day of the test, where set: works like a horizon once it has settled.
    pub stop: Option<NaiveDate>,
    /// The day whose counts, once settled, first show an uneven split: see [`uneven_since`].
    pub uneven_since: Option<NaiveDate>,
}

/// A BUILD that takes more than the arm's own rule, because other concepts are tested too.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hold {
    /// Concepts ever tested.
    pub concepts: usize,
    /// BUILDs there would be with this one.
    pub builds: usize,
    /// The concept's log e-value that it takes.
    pub needed: f64,
    /// When that much will do; `None` where BUILD is withheld whatever the evidence, to see what there is of it.
    pub lifts: Option<Lifts>,
}

/// When a BUILD is no longer withheld.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Lifts {
    /// The last settled day of the first look at which what is needed will do.
    pub from: NaiveDate,
    /// What will do at any look, as if no other concept had BUILD.
    pub anytime: f64,
}

impl Hold {
    fn lifts(&self, evidence: f64, last_settled: Option<NaiveDate>) -> bool {
        let will_do =
            |lifts: Lifts| evidence >= lifts.anytime || (evidence >= self.needed && last_settled >= Some(lifts.from));
        self.lifts.is_some_and(will_do)
    }
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
    let mut watch = Watch::new(*rule, Vec::new(), None);
    let mut waiting = days.iter().peekable();
    let as_ofs = first_as_of.iter_days().take_while(|day| *day <= last_as_of);
    let look = |as_of: NaiveDate| {
        watch.go_on(as_of, &mut waiting);
        watch.look(as_of)
    };
    as_ofs.map(look).collect()
}

/// One arm's test as it is watched day by day. A cap is no claim about the rate, so a test that stood at its cap goes on
/// from the day people raise it; BUILD, KILL and a guardrail's breach stay.
#[derive(Clone, Debug)]
pub struct Watch<'a> {
    settled: Settled<'a>,
    lag: Days,
    /// Those still to come, in order of day.
    raises: Peekable<IntoIter<Raise>>,
    verdict: Verdict,
    reason: Option<Reason>,
    since: Option<NaiveDate>,
    /// Where BUILD is withheld whatever the evidence.
    proof: Vec<Proof>,
}

impl<'a> Watch<'a> {
    /// No day has settled yet. `raises` come in order of day; a `hold` sets BUILD higher.
    pub fn new(rule: Rule<'a>, raises: Vec<Raise>, hold: Option<Hold>) -> Self {
        Self {
            settled: Settled::held(rule, hold),
            lag: Days::new(u64::from(rule.policy.maturity_lag_days)),
            raises: raises.into_iter().peekable(),
            verdict: Verdict::Collecting,
            reason: Some(Reason::Insufficient),
            since: None,
            proof: Vec::new(),
        }
    }

    /// The same without guardrails.
    pub(super) fn without_guardrails(self) -> Self {
        Self { settled: self.settled.without_guardrails(), ..self }
    }

    /// Looks on the next day: at those of `waiting`, which come in date order, that have settled by then.
    pub fn go_on<D: Borrow<ArmDay>>(&mut self, as_of: NaiveDate, waiting: &mut Peekable<impl Iterator<Item = D>>) {
        let last_settled = as_of.checked_sub_days(self.lag);
        while let Some(day) = waiting.next_if(|day| Some(day.borrow().day) <= last_settled) {
            self.settled.add(day.borrow());
        }
        let mut stands = self.since.is_some();
        while let Some(raise) = self.raises.next_if(|raise| raise.from <= as_of) {
            self.settled.raise(&raise);
            stands &= !matches!(self.reason, Some(Reason::CapReached { .. }));
        }
        if !stands {
            let said = self.settled.assess();
            (self.verdict, self.reason) = self.settled.judge(said.as_ref(), last_settled);
            self.since = self.verdict.is_terminal().then_some(as_of);
            if let Some(from) = last_settled.filter(|_| self.settled.withholds_all()) {
                let excess = self.settled.proof(said.as_ref(), Some(from)).filter(|_| self.is_open());
                if self.proof.last().and_then(|last| last.excess) != excess {
                    self.proof.push(Proof { from, excess });
                }
            }
        }
    }

    /// Whether what there is of evidence for BUILD still counts. At its cap it stays what it is.
    fn is_open(&self) -> bool {
        let is_cap = || matches!(self.reason, Some(Reason::CapReached { .. }));
        self.verdict == Verdict::Collecting || (self.verdict == Verdict::Review && is_cap())
    }

    /// Where BUILD is withheld whatever the evidence: what that came to, look by look.
    pub(super) fn proof(&self) -> &[Proof] {
        &self.proof
    }

    /// The verdict that stays, with its reason; COLLECTING before there is one.
    pub fn verdict(&self) -> (Verdict, Option<Reason>) {
        (self.verdict, self.reason.clone())
    }

    /// Whether a verdict stays.
    pub fn is_decided(&self) -> bool {
        self.since.is_some()
    }

    /// What is told on the day last looked at.
    pub fn look(&self, as_of: NaiveDate) -> Look {
        let Self { settled, verdict, reason, since, .. } = self;
        let evidence = settled.evidence(settled.assess().as_ref(), *verdict);
        let guardrails = settled.guardrail_scores();
        Look { as_of, verdict: *verdict, reason: reason.clone(), since: *since, evidence, guardrails }
    }
}

/// The first day whose counts, with all before it, show that traffic is not split as meant (statistics.md section 10);
/// looked at once a day, an alarm stays. `visits` are those of the arms in the order of `split.expected`, by day.
pub fn uneven_since<'v>(split: &Srm, visits: impl IntoIterator<Item = (NaiveDate, &'v [f64])>) -> Option<NaiveDate> {
    let enough = -split.alpha.ln();
    let mut sums = vec![0.0; split.expected.len()];
    visits.into_iter().find_map(|(day, visits)| {
        for (sum, visits) in sums.iter_mut().zip(visits) {
            *sum += visits;
        }
        let counted = sums.iter().copied().zip(split.expected.values().copied());
        (srm::log_evidence(counted, split.concentration) >= enough).then_some(day)
    })
}

/// The concept's verdict from its arms' (statistics.md section 4): BUILD if any arm says so, KILL if all
/// do, COLLECTING while any collects, else REVIEW. Without an arm there is nothing to say yet.
///
/// COLLECTING is `portfolio` where that withholds any arm's BUILD, `insufficient` only while that is true of every
/// collecting arm, and `srm` only where none is undecided. A cap that all arms reached leans to BUILD if any arm does, and to KILL if all do.
pub fn concept(arms: &[(Verdict, Option<Reason>)]) -> (Verdict, Option<Reason>) {
    let any = |wanted: Verdict| arms.iter().any(|(verdict, _)| *verdict == wanted);
    let any_because = |wanted: &Reason| arms.iter().any(|(_, reason)| reason.as_ref() == Some(wanted));
    if any(Verdict::Build) {
        return (Verdict::Build, None);
    }
    if any(Verdict::Collecting) || arms.is_empty() {
        let withheld = arms.iter().filter_map(|(_, reason)| reason.as_ref()?.withheld());
        let withheld = withheld.max_by(|one, other| one.evidence.total_cmp(&other.evidence)).map(Reason::Portfolio);
        let reason = withheld.or_else(|| [Reason::Undecided, Reason::Srm].into_iter().find(any_because));
        return (Verdict::Collecting, reason.or(Some(Reason::Insufficient)));
    }
    if arms.iter().all(|(verdict, _)| *verdict == Verdict::Kill) {
        return (Verdict::Kill, None);
    }
    let is_cap = |reason: &Option<Reason>| matches!(reason, Some(Reason::CapReached { .. }));
    if arms.iter().all(|(_, reason)| is_cap(reason)) {
        let leaning = |lean: Lean| Reason::CapReached { lean: Some(lean) };
        let all_against = || arms.iter().all(|(_, reason)| reason.as_ref() == Some(&leaning(Lean::Kill)));
        let lean =
            if any_because(&leaning(Lean::Build)) { Some(Lean::Build) } else { all_against().then_some(Lean::Kill) };
        return (Verdict::Review, Some(Reason::CapReached { lean }));
    }
    let agreed = arms.windows(2).all(|pair| pair[0].1 == pair[1].1);
    (Verdict::Review, if agreed { arms[0].1.clone() } else { Some(Reason::ArmsDisagree) })
}
