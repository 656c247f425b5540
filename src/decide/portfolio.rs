//! Several concepts at once: which BUILDs may stand when together they share alpha (e-BH, statistics.md section 8). Takes BUILD
//! away or leaves it; never gives one that a concept would not have alone.
//!
//! On each settled day e-BH is asked with the evidence of the days up to it: the k concepts that each have an e-value of at
//! least m ÷ (k · alpha) are selected, k as many as can be, and a selected one keeps the e-value of that day. So what is
//! selected depends on the days that are known and not on who looked when: whoever looks goes over all past days, and of other
//! concepts counts only what their stored verdicts show of the same days. m is the number of concepts that were ever tested:
//! all of the configuration from their first day on, judged already or not, and all that the store has seen, also where they
//! were taken out of the file since: whoever drops the duds may not ask less of the rest. Among the k is a concept with BUILD,
//! and one that has to wait for it as long as it is judged as often as the one that asks; evidence that is not enough alone is
//! not enough together. Each counts with what its evidence has beyond its own alpha.
//!
//! What it promises. Let concept i be selected on day d with m and k as they were then. All k of them find the same on that
//! day, and keep it, so there are at least k BUILDs, of which i is at most the 1/k-th part; and 1/k ≤ e(d) · alpha/m. d is known
//! on day d, so where i is not worth building, and its acts are no more than its kill bar allows given all days before, of
//! other concepts too, the mean of e(d) is at most 1 (Ville). So each such concept adds at most alpha/m to the mean share of
//! wrong BUILDs: alpha for concepts that are begun together, and alpha · (1 + 1 + 1/3 + … + 1/m) for ones that are begun one
//! after the other, the first two of which are judged for themselves. Restated days may take a BUILD away, and with it
//! what others counted on.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::NaiveDate;

use super::judge::{Hold, Lifts};
use super::{explain, figures};
use crate::domain::concept::Experiment;
use crate::domain::portfolio::{Given, Others, Peer, Proof, Withheld, ratio};
use crate::domain::verdict::{Reason, Scorecard, Verdict};
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
    (concepts >= LEAST).then(|| Bar { concepts, builds, needed: log_e(concepts, builds, alpha) })
}

/// The log e-value that one of so many BUILDs among so many concepts takes.
fn log_e(concepts: usize, builds: usize, alpha: f64) -> f64 {
    (ratio(concepts, builds) / alpha).ln()
}

impl Bar {
    /// Of the concept of `experiment` beside the others, by what is known of them last.
    fn beside(others: &Others, experiment: &Experiment) -> Option<Self> {
        let last = |peer: &Peer| peer.proof.last().and_then(|last| last.excess);
        let excess: Vec<f64> = counted(others).into_iter().filter_map(last).collect();
        bar(others.concepts, &excess, experiment.policy.alpha)
    }

    /// The bar as the judge takes it.
    fn hold(self, lifts: Option<Lifts>) -> Hold {
        let Self { concepts, builds, needed } = self;
        Hold { concepts, builds, needed, lifts }
    }
}

/// The other concepts that may make room: not those whose BUILD is withheld and that nobody has judged since this one was
/// judged before. They are out of the file, or blocked, and may never have it.
fn counted(others: &Others) -> Vec<&Peer> {
    let before = others.before.as_ref().map(|before| before.as_of);
    let is_judged = |peer: &&Peer| peer.judged.is_none_or(|judged| before.is_some_and(|before| judged >= before));
    others.peers.iter().map(Arc::as_ref).filter(is_judged).collect()
}

/// What a BUILD takes on the days that are known, and from the last settled one on, for questions about days that are still to
/// come or changed; `None` where nothing was asked of other concepts.
pub(super) fn ahead(experiment: &Experiment, others: Option<&Others>, last_settled: NaiveDate) -> Option<Hold> {
    let bar = Bar::beside(others?, experiment)?;
    let anytime = log_e(bar.concepts, 1, experiment.policy.alpha);
    Some(bar.hold(Some(Lifts { from: last_settled, anytime })))
}

/// What a concept that has evidence like this is selected with beside `others`: on the first day on which it is. `until` is the
/// last day that it may count, where that is not open.
pub fn selected(others: &Others, proof: &[Proof], until: Option<NaiveDate>, alpha: f64) -> Option<Given> {
    let peers = counted(others);
    let all = || peers.iter().map(|peer| peer.proof.as_slice()).chain([proof]);
    let days: BTreeSet<NaiveDate> = all().flatten().map(|step| step.from).collect();
    let is_known = |peer: &Peer, day: NaiveDate| peer.until.is_none_or(|until| day <= until);
    let mut kept = vec![None; peers.len()];
    for day in days.into_iter().take_while(|&day| until.is_none_or(|until| day <= until)) {
        let others_on = peers.iter().zip(&kept).enumerate().filter_map(|(at, (peer, kept))| {
            let known = || Proof::on(&peer.proof, day).filter(|_| is_known(peer, day));
            Some((Some(at), kept.or_else(known)?))
        });
        let own = Proof::on(proof, day);
        let standing: Vec<(Option<usize>, f64)> = others_on.chain(own.map(|own| (None, own))).collect();
        let evidence: Vec<f64> = standing.iter().map(|(_, excess)| *excess).collect();
        let concepts = others.concepts.max(peers.len() + 1);
        let chosen = e_bh(&evidence, concepts, 1.0);
        for &(which, excess) in chosen.iter().map(|&at| &standing[at]) {
            match which {
                Some(other) => kept[other] = Some(excess),
                None => return Some(Given { excess, needed: Some(log_e(concepts, chosen.len(), alpha)), from: day }),
            }
        }
    }
    None
}

/// The evidence of a concept: that of its best arm, look by look.
pub(super) fn best<'p>(arms: impl Iterator<Item = &'p [Proof]>) -> Vec<Proof> {
    let arms: Vec<&[Proof]> = arms.collect();
    let days: BTreeSet<NaiveDate> = arms.iter().copied().flatten().map(|step| step.from).collect();
    let on = |from: NaiveDate| {
        let excess = arms.iter().filter_map(|arm| Proof::on(arm, from)).reduce(f64::max);
        Proof { from, excess }
    };
    days.into_iter().map(on).collect()
}

/// The scorecard of a concept that has BUILD `alone`, beside `others`. `held` is what it is when BUILD takes more, whatever the
/// rule gives instead, KILL and the caps among it, and what evidence it has then.
pub(super) fn beside(
    experiment: &Experiment,
    others: &Others,
    alone: Scorecard,
    held: impl Fn(Hold) -> (Scorecard, Vec<Proof>),
) -> Scorecard {
    let alpha = experiment.policy.alpha;
    let bar = Bar::beside(others, experiment);
    let for_itself = Bar { concepts: others.concepts, builds: 1, needed: log_e(1, 1, alpha) };
    let (mut card, proof) = held(bar.unwrap_or(for_itself).hold(None));
    let first = proof.iter().find_map(|step| Some(Given { excess: step.excess?, needed: None, from: step.from }));
    if let Some(before) = others.before.as_deref().filter(|before| before.verdict == Verdict::Build) {
        // Where there was none, nobody asked for the others then.
        let given = before.given.or(first);
        let needed = given.and_then(|given| Some((given.from, given.needed? + alpha.ln())));
        if needed.is_none_or(|(from, needed)| still_carry(&proof, from, needed)) {
            return with(no_sooner_than(before, alone), given, &proof);
        }
    }
    let Some(bar) = bar else { return with(alone, first, &proof) };
    let until = (card.verdict == Verdict::Collecting).then_some(card.last_settled_day);
    if let Some(given) = selected(others, &proof, until, alpha) {
        return with(as_of_today(experiment, alone), Some(given), &proof);
    }
    let last = proof.last().and_then(|last| last.excess);
    if let Some(excess) = last.filter(|_| card.verdict == Verdict::Review) {
        let Bar { concepts, builds, needed } = bar;
        card.reasons.push(Reason::Portfolio(Withheld { concepts, builds, evidence: excess - alpha.ln(), needed }));
    }
    Scorecard { proof, ..card }
}

/// Whether evidence that was enough from some day on still is, as its days are known today.
fn still_carry(proof: &[Proof], from: NaiveDate, needed: f64) -> bool {
    let later = proof.iter().filter(|step| step.from >= from).filter_map(|step| step.excess);
    Proof::on(proof, from).into_iter().chain(later).any(|excess| excess >= needed)
}

/// A BUILD with what it was given with, and what evidence there was until then.
fn with(card: Scorecard, given: Option<Given>, proof: &[Proof]) -> Scorecard {
    let until = given.map(|given| (given.from, Proof { from: given.from, excess: Some(given.excess) }));
    let proof = until.map_or_else(Vec::new, |(day, last)| {
        proof.iter().copied().filter(|step| step.from < day).chain([last]).collect()
    });
    Scorecard { given, proof, ..card }
}

/// A BUILD beside others begins on the day it is given, however long it was withheld or nobody looked.
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

/// `That would be enough for BUILD if this were the only test. But 4 concepts have been tested …`
pub(super) fn sentence(withheld: &Withheld) -> String {
    format!(
        "That would be enough for BUILD if this were the only test. But {} concepts have been tested, and the more are \
         tested, the more look good by luck. So BUILD takes more proof than there is here.",
        withheld.concepts
    )
}

/// What the rule adds where several concepts are tested. `takes` is how many acts on the days so far BUILD takes beside the
/// others, and alone, where that is known.
pub(super) fn rule(experiment: &Experiment, others: &Others, takes: Option<[f64; 2]>) -> Option<String> {
    let Bar { concepts, builds, .. } = Bar::beside(others, experiment)?;
    let noun = experiment.policy.primary.numerator;
    let takes = takes.filter(|[together, alone]| together > alone).map_or_else(String::new, |[together, alone]| {
        let (together, alone) = (figures::counted(together, noun), figures::count(alone));
        format!(": here about {together} on these days, where {alone} would do for a single test")
    });
    Some(format!(
        "{concepts} concepts have been tested, and the more are tested, the more look good by luck. So BUILD takes more \
         proof{takes}.{}",
        match builds {
            1 => String::new(),
            2 => " Another concept has that much too: without it, BUILD would take more.".to_owned(),
            more => format!(" {} others have that much too: without them, BUILD would take more.", more - 1),
        },
    ))
}
