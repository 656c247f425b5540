//! Several concepts at once: which BUILDs may stand when of all of them together at most alpha may be wrong (e-BH,
//! statistics.md section 8). Takes BUILD away or leaves it; never gives one that a concept would not have alone.
//!
//! A concept has BUILD when its e-value reaches m ÷ (k · alpha): m concepts were ever tested, and k have BUILD with this one.
//! One that had BUILD keeps it. Only concepts with BUILD, or whose BUILD is withheld, can be among the k: evidence that is not
//! enough alone is not enough together. Where alphas differ, each counts by what its evidence has beyond its own.

use chrono::NaiveDate;

use super::judge::Hold;
use super::{explain, figures};
use crate::domain::concept::Experiment;
use crate::domain::portfolio::{Others, Withheld, ratio};
use crate::domain::verdict::{ArmScore, Flag, Reason, Scorecard, Verdict};
use crate::stats::many::e_bh;

/// Fewer concepts are each judged for themselves.
pub const LEAST: usize = 3;

/// What BUILD takes of a concept with this `alpha` beside others.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bar {
    /// Concepts ever tested, this one too.
    pub concepts: usize,
    /// BUILDs there would be with this one.
    pub builds: usize,
    /// The log e-value it takes.
    pub needed: f64,
}

/// The bar beside `others` concepts, of which `builds` have BUILD and `withheld` (excess over their own alpha) would have it
/// alone; `None` where there are too few concepts.
pub fn bar(others: usize, builds: usize, withheld: &[f64], alpha: f64) -> Option<Bar> {
    let concepts = others + 1;
    // Whether this one is selected depends on its own evidence only through the bar it must reach if it is: so it stands
    // here as one that is, as do those that have BUILD already.
    let mut excess = withheld.to_vec();
    excess.resize(withheld.len() + builds + 1, f64::INFINITY);
    let builds = e_bh(&excess, concepts, 1.0).len();
    (concepts >= LEAST).then(|| Bar { concepts, builds, needed: (ratio(concepts, builds) / alpha).ln() })
}

impl Bar {
    /// Of the concept of `experiment` beside the others.
    fn beside(others: &Others, experiment: &Experiment) -> Option<Self> {
        bar(others.concepts, others.builds, &others.withheld, experiment.policy.alpha)
    }

    /// The bar as the judge takes it.
    fn hold(self, lifts_from: Option<NaiveDate>) -> Hold {
        let Self { concepts, builds, needed } = self;
        Hold { concepts, builds, needed, lifts_from }
    }
}

/// What a BUILD takes from the last settled day on, for questions about days that are still to come or changed; `None`
/// where nothing was asked of other concepts.
pub(super) fn ahead(experiment: &Experiment, others: Option<&Others>, last_settled: NaiveDate) -> Option<Hold> {
    Some(Bar::beside(others?, experiment)?.hold(Some(last_settled)))
}

/// The scorecard of a concept that has BUILD `alone`, beside `others`. `held` is what it is when no evidence is enough for
/// BUILD: whatever the rule gives instead, KILL and the caps among it.
pub(super) fn beside(
    experiment: &Experiment,
    others: &Others,
    alone: Scorecard,
    held: impl FnOnce(Hold) -> Scorecard,
) -> Scorecard {
    let before = others.before.as_deref();
    if let Some(before) = before.filter(|before| before.verdict == Verdict::Build) {
        return no_sooner_than(before, alone);
    }
    let Some(bar) = Bar::beside(others, experiment) else { return alone };
    let mut card = held(bar.hold(None));
    let Some(today) = best(experiment, &card) else { return card };
    // Others may have counted on what was stored, so it still does. A test that ended keeps what it ended with.
    let then = before.and_then(Scorecard::withheld).map(|withheld| withheld.evidence);
    let ended = [before.map(|before| before.verdict), Some(card.verdict)] == [Some(Verdict::Review); 2];
    if ended && then.is_none() {
        return card;
    }
    let evidence = then.filter(|_| ended).unwrap_or(today);
    if then.map_or(evidence, |then| evidence.max(then)) >= bar.needed {
        return if then.is_some() { as_of_today(experiment, alone) } else { alone };
    }
    let Bar { concepts, builds, needed } = bar;
    let would_do = ended && then.is_some() || enough_alone(&card);
    if card.verdict == Verdict::Review && would_do {
        card.reasons.push(Reason::Portfolio(Withheld { concepts, builds, evidence, needed }));
    }
    card
}

/// The concept's log e-value: that of its best arm that neither KILL nor a guardrail ended, shared among all arms. Counts
/// that cannot be are no evidence.
fn best(experiment: &Experiment, held: &Scorecard) -> Option<f64> {
    let open = |reason: &Reason| matches!(reason, Reason::Portfolio(_) | Reason::CapReached { .. } | Reason::Undecided);
    let cannot_be = |flag: &Flag| matches!(flag, Flag::ConversionsExceedVisits | Flag::ConversionsWithoutExposure);
    let is_sound = |arm: &ArmScore| {
        !arm.evidence.flags.iter().any(cannot_be) && !arm.guardrails.iter().any(|guardrail| guardrail.breached)
    };
    let arms = held.arms.iter().filter(|arm| arm.reason.as_ref().is_some_and(open) && is_sound(arm));
    let best = arms.filter_map(|arm| arm.evidence.log_e_build).reduce(f64::max)?;
    let tested = experiment.arms.iter().filter(|arm| !arm.control).count();
    Some(best - ratio(tested.max(1), 1).ln())
}

/// Whether an arm at its cap has what BUILD takes alone.
fn enough_alone(card: &Scorecard) -> bool {
    let enough = |arm: &ArmScore| {
        let evidence = &arm.evidence;
        let reached = evidence.log_e_build.zip(evidence.build_at).is_some_and(|(have, need)| have >= need);
        reached && matches!(arm.reason, Some(Reason::CapReached { .. }))
    };
    card.arms.iter().any(enough)
}

/// A BUILD that was withheld begins on the day it is given.
fn as_of_today(experiment: &Experiment, mut card: Scorecard) -> Scorecard {
    let today = explain::today(experiment, &card);
    for arm in card.arms.iter_mut().filter(|arm| arm.verdict == Verdict::Build) {
        arm.since = Some(today);
    }
    card
}

/// A BUILD stands since the day it was given, also where it was withheld until then.
fn no_sooner_than(before: &Scorecard, mut card: Scorecard) -> Scorecard {
    for arm in card.arms.iter_mut().filter(|arm| arm.verdict == Verdict::Build) {
        let then = before.arms.iter().find(|then| then.arm == arm.arm && then.verdict == Verdict::Build);
        arm.since = arm.since.max(then.and_then(|then| then.since));
    }
    card
}

/// `It would be enough for BUILD alone. But 4 concepts are tested at once …`
pub(super) fn sentence(experiment: &Experiment, withheld: &Withheld) -> String {
    format!(
        "It would be enough for BUILD if this were the only test. But {} concepts have been tested, and of their BUILDs \
         together at most {} may be wrong: its proof is {} of the way there.",
        withheld.concepts,
        figures::share(experiment.policy.alpha),
        figures::share(withheld.share()),
    )
}

/// What the rule adds where several concepts are tested.
pub(super) fn rule(experiment: &Experiment, others: &Others) -> Option<String> {
    let Bar { concepts, builds, needed } = Bar::beside(others, experiment)?;
    let alone = -experiment.policy.alpha.ln();
    Some(format!(
        "{concepts} concepts have been tested. So that of their BUILDs together at most {} are wrong, BUILD takes {} the \
         evidence it would take alone ({}).",
        figures::share(experiment.policy.alpha),
        figures::factor(needed / alone),
        if builds == 1 { "it would be the only one".to_owned() } else { format!("it would be one of {builds}") },
    ))
}
