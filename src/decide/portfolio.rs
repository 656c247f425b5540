//! Several concepts at once: which BUILDs may stand when of all of them together at most alpha may be wrong (e-BH,
//! statistics.md section 8). Takes BUILD away or leaves it; never gives one that a concept would not have alone.
//!
//! A concept has BUILD when its e-value reaches m ÷ (k · alpha). m is the number of concepts that were ever tested: all of the
//! configuration from their first day on, judged already or not, and all that the store has seen, also where they were taken
//! out of the file since: whoever drops the duds may not ask less of the rest. k is the number of BUILDs there would be with
//! this one among concepts with BUILD, or whose BUILD is withheld: evidence that is not enough alone is not enough together.
//! Each counts with what its evidence has beyond its own alpha, a BUILD with what it had on the day it was given: one given
//! when fewer were tested stays, but makes room for another only if it is enough for that beside as many as there are now.
//!
//! What concepts know of each other is as old as their last verdicts, so what was stored may be what another counted on:
//! a withheld BUILD is given for that too, and one whose test has ended for what it had at the end. All of it only as long as
//! the days as they are known today still carry it: a BUILD too is withdrawn where restated days would not have given it.

use chrono::{Days, NaiveDate};

use super::judge::Hold;
use super::{explain, figures};
use crate::domain::concept::Experiment;
use crate::domain::portfolio::{Given, Others, Withheld, ratio};
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

/// The bar among so many `concepts`, this one too; the other ones that have BUILD, or would have it alone, with so much
/// `excess` over their own alpha. `None` where there are too few concepts.
pub fn bar(concepts: usize, excess: &[f64], alpha: f64) -> Option<Bar> {
    // Whether this one is selected depends on its own evidence only through the bar it must reach if it is: so it stands
    // here as one that is.
    let excess: Vec<f64> = excess.iter().copied().chain([f64::INFINITY]).collect();
    let concepts = concepts.max(excess.len());
    let builds = e_bh(&excess, concepts, 1.0).len();
    (concepts >= LEAST).then(|| Bar { concepts, builds, needed: (ratio(concepts, builds) / alpha).ln() })
}

impl Bar {
    /// Of the concept of `experiment` beside the others.
    fn beside(others: &Others, experiment: &Experiment) -> Option<Self> {
        bar(others.concepts, &others.excess, experiment.policy.alpha)
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

/// The scorecard of a concept that has BUILD `alone`, beside `others`. `held` is what it is when BUILD takes more, or no
/// evidence is enough for it: whatever the rule gives instead, KILL and the caps among it.
pub(super) fn beside(
    experiment: &Experiment,
    others: &Others,
    alone: Scorecard,
    held: impl Fn(Hold) -> Scorecard,
) -> Scorecard {
    let before = others.before.as_deref();
    let bar = Bar::beside(others, experiment);
    if let Some(before) = before.filter(|before| before.verdict == Verdict::Build) {
        let took = before.given.and_then(|given| Some((given, given.needed?, bar?)));
        let still_carry = |(given, needed, bar): (Given, f64, Bar)| {
            held(Bar { needed, ..bar }.hold(Some(given.from))).verdict == Verdict::Build
        };
        if took.is_none_or(still_carry) {
            return no_sooner_than(experiment, before, alone);
        }
    }
    let Some(bar) = bar else { return as_if_alone(experiment, alone) };
    let mut card = held(bar.hold(None));
    let Some(today) = best(experiment, &card) else { return card };
    let then = before.and_then(Scorecard::withheld).map(|withheld| withheld.evidence);
    let has_ended = [before.map(|before| before.verdict), Some(card.verdict)] == [Some(Verdict::Review); 2];
    if has_ended && then.is_none() {
        return card;
    }
    let was_enough = then.is_some_and(|then| then >= bar.needed);
    // More evidence after a cap does not count.
    let end = ended(experiment, &card).filter(|_| card.verdict == Verdict::Review);
    let from = match before.filter(|_| was_enough) {
        Some(_) if has_ended => end,
        Some(before) => Some(before.last_settled_day),
        None if has_ended => None,
        None => end.or((today >= bar.needed).then_some(card.last_settled_day)),
    };
    if let Some(from) = from.filter(|&from| held(bar.hold(Some(from))).verdict == Verdict::Build) {
        let evidence = if end.is_some() { bar.needed } else { today.max(bar.needed) };
        let given = Given { excess: evidence + experiment.policy.alpha.ln(), needed: Some(bar.needed), from };
        return as_of_today(experiment, Scorecard { given: Some(given), ..alone });
    }
    // What it had at the end, unless days have changed so that it no longer had that.
    let evidence = then.filter(|_| has_ended && !was_enough).unwrap_or(today);
    let Bar { concepts, builds, needed } = bar;
    if card.verdict == Verdict::Review && (has_ended || enough_alone(&card)) {
        card.reasons.push(Reason::Portfolio(Withheld { concepts, builds, evidence, needed }));
    }
    card
}

/// The last settled day of the look at which the first arm came to its cap.
fn ended(experiment: &Experiment, card: &Scorecard) -> Option<NaiveDate> {
    let at_cap = card.arms.iter().filter(|arm| matches!(arm.reason, Some(Reason::CapReached { .. })));
    let looked = at_cap.filter_map(|arm| arm.since).min()?;
    looked.checked_sub_days(Days::new(experiment.policy.maturity_lag_days.into()))
}

/// The concept's log e-value: that of its best arm that neither KILL nor a guardrail ended, shared among all arms. Counts
/// that cannot be are no evidence.
fn best(experiment: &Experiment, card: &Scorecard) -> Option<f64> {
    let is_open = |arm: &ArmScore| match &arm.reason {
        Some(reason) => matches!(reason, Reason::Portfolio(_) | Reason::CapReached { .. } | Reason::Undecided),
        None => arm.verdict == Verdict::Build,
    };
    let cannot_be = |flag: &Flag| matches!(flag, Flag::ConversionsExceedVisits | Flag::ConversionsWithoutExposure);
    let is_sound = |arm: &ArmScore| {
        !arm.evidence.flags.iter().any(cannot_be) && !arm.guardrails.iter().any(|guardrail| guardrail.breached)
    };
    let arms = card.arms.iter().filter(|arm| is_open(arm) && is_sound(arm));
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

/// A BUILD beside others begins on the day it is given, however long it was withheld or nobody looked.
fn as_of_today(experiment: &Experiment, mut card: Scorecard) -> Scorecard {
    let today = explain::today(experiment, &card);
    for arm in card.arms.iter_mut().filter(|arm| arm.verdict == Verdict::Build) {
        arm.since = Some(today);
    }
    card
}

/// A BUILD that takes no more than alone, with what other concepts may count on.
fn as_if_alone(experiment: &Experiment, card: Scorecard) -> Scorecard {
    let given = |evidence: f64| Given {
        excess: evidence + experiment.policy.alpha.ln(),
        needed: None,
        from: card.last_settled_day,
    };
    Scorecard { given: best(experiment, &card).map(given), ..card }
}

/// A BUILD stands since the day it was given, also where it was withheld until then, and with what it was given with.
fn no_sooner_than(experiment: &Experiment, before: &Scorecard, mut card: Scorecard) -> Scorecard {
    for arm in card.arms.iter_mut().filter(|arm| arm.verdict == Verdict::Build) {
        let then = before.arms.iter().find(|then| then.arm == arm.arm && then.verdict == Verdict::Build);
        arm.since = arm.since.max(then.and_then(|then| then.since));
    }
    match before.given {
        Some(_) => Scorecard { given: before.given, ..card },
        // Nobody asked for the others then.
        None => as_if_alone(experiment, card),
    }
}

/// `That would be enough for BUILD if this were the only test. But 4 concepts have been tested …`
pub(super) fn sentence(withheld: &Withheld) -> String {
    format!(
        "That would be enough for BUILD if this were the only test. But {} concepts have been tested, and the more are \
         tested, the more look good by luck. So BUILD takes more proof than there is here.",
        withheld.concepts
    )
}

/// What the rule adds where several concepts are tested.
pub(super) fn rule(experiment: &Experiment, others: &Others) -> Option<String> {
    let Bar { concepts, builds, needed } = Bar::beside(others, experiment)?;
    let alone = -experiment.policy.alpha.ln();
    Some(format!(
        "{concepts} concepts have been tested. So that of all their BUILDs together at most {} are wrong, BUILD takes {} \
         the evidence it would take alone.{}",
        figures::share(experiment.policy.alpha),
        figures::factor(needed / alone),
        match builds {
            1 => String::new(),
            2 => " Another concept has that much too: without it, BUILD would take more.".to_owned(),
            more => format!(" {} others have that much too: without them, BUILD would take more.", more - 1),
        },
    ))
}
