//! What would change where a test stands today: how many acts more or fewer on the same days, and which version,
//! channel or source left out. Every answer is the verdict rule applied to the changed days from the first on, not a
//! formula beside it. What lies ahead is `outlook`.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use serde::Serialize;

use super::judge::{self, ArmDay, Hold};
use super::tally::{DayCounts, Tally};
use super::{explain, figures, series, verdicts, watch, watched};
use crate::domain::concept::{Arm, Experiment, Model, Policy, Source};
use crate::domain::id::ArmId;
use crate::domain::observation::Inputs;
use crate::domain::verdict::{ArmScore, Generation, Reason, Scorecard, Verdict};

/// What would change a verdict.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Flips {
    /// Acts more or fewer.
    pub acts: Vec<ActsFlip>,
    /// Parts that the concept's verdict hangs on.
    pub without: Vec<Without>,
    /// Whether there were parts that could be left out.
    pub has_parts: bool,
}

/// So many acts more (or, below zero, fewer) on the same days would change an arm's verdict.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ActsFlip {
    /// Whose verdict.
    pub arm: ArmId,
    /// Whether the acts are those of the control it is compared with, and not its own.
    pub of_control: bool,
    /// How many.
    pub acts: f64,
    /// What it would then be.
    pub to: Verdict,
}

/// A part without which the concept's verdict would be another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Without {
    /// A version's title, a channel or a source.
    pub part: String,
    /// What it would then be.
    pub verdict: Verdict,
}

/// What would change the verdict of `card`, which was decided on `data`; nothing while the data is defective.
pub fn flips(
    experiment: &Experiment,
    generation: &Generation,
    data: &Inputs,
    tally: &Tally<'_>,
    card: &Scorecard,
) -> Flips {
    if card.verdict == Verdict::Blocked {
        return Flips { acts: vec![], without: vec![], has_parts: false };
    }
    let tested: Vec<_> = tally.arms.iter().filter(|(arm, _)| !arm.control).collect();
    let mut acts = Vec::new();
    for ((arm, days), score) in tested.iter().zip(&card.arms) {
        // What came after a cap changes nothing.
        let last = at_cap(experiment, score).unwrap_or(tally.calendar.last_settled);
        let settled: Vec<_> = tally.settled(days).filter(|day| day.day <= last).cloned().collect();
        let days = series(&experiment.policy, tally, &settled);
        let verdict = |days: &[ArmDay]| watch(experiment, tally, (arm, days), tested.len(), tally.hold).verdict().0;
        let flip = |of_control| {
            let arm = score.arm.clone();
            move |(acts, to)| ActsFlip { arm: arm.clone(), of_control, acts, to }
        };
        acts.extend(Change::both(&experiment.policy, &days, &verdict).map(flip(false)));
        if experiment.policy.model == Model::Compare {
            let verdict = |days: &[ArmDay]| verdict(&exchanged(days));
            acts.extend(Change::both(&experiment.policy, &exchanged(&days), &verdict).map(flip(true)));
        }
    }
    let mut parts = without_an_arm(experiment, tally);
    parts.extend(without_a_channel(experiment, generation, data, card));
    let has_parts = !parts.is_empty();
    parts.retain(|part| part.verdict != card.verdict);
    Flips { acts, without: parts, has_parts }
}

/// The last day that had settled when an arm came to its cap.
fn at_cap(experiment: &Experiment, arm: &ArmScore) -> Option<NaiveDate> {
    let since = arm.since.filter(|_| matches!(arm.reason, Some(Reason::CapReached { .. })))?;
    since.checked_sub_days(Days::new(experiment.policy.maturity_lag_days.into()))
}

/// How many acts on its days so far the only version takes for BUILD beside other concepts, and alone; `None` where nothing is
/// asked of others, or no number of acts gives it.
pub(super) fn takes(experiment: &Experiment, tally: &Tally<'_>) -> Option<[f64; 2]> {
    tally.hold?;
    let mut tested = tally.arms.iter().filter(|(arm, _)| !arm.control);
    let ((arm, days), None) = (tested.next()?, tested.next()) else { return None };
    let settled: Vec<_> = tally.settled(days).cloned().collect();
    let days = series(&experiment.policy, tally, &settled);
    let so_far: f64 = days.iter().map(|day| day.conversions).sum();
    let fewest = |hold: Option<Hold>| {
        let verdict = |days: &[ArmDay]| watch(experiment, tally, (arm, days), 1, hold).verdict().0;
        let changes = Change::both(&experiment.policy, &days, &verdict);
        if verdict(&days) == Verdict::Build {
            // One fewer than those that may be missing.
            changes.map(|(acts, _)| so_far + acts + 1.0).find(|&acts| acts <= so_far)
        } else {
            changes.filter(|(_, to)| *to == Verdict::Build).map(|(acts, _)| so_far + acts).next()
        }
    };
    Some([fewest(tally.hold)?, fewest(None)?])
}

/// The days with the control in the place of the arm.
fn exchanged(days: &[ArmDay]) -> Vec<ArmDay> {
    let exchanged = |day: &ArmDay| {
        let [conversions, exposures] = day.control;
        ArmDay { conversions, exposures, control: [day.conversions, day.exposures], ..day.clone() }
    };
    days.iter().map(exchanged).collect()
}

/// A way to change an arm's days by a number of acts.
struct Change {
    /// 1 for more, -1 for fewer.
    sign: f64,
    /// The most acts it can be.
    room: f64,
    apply: fn(&[ArmDay], f64) -> Vec<ArmDay>,
}

impl Change {
    /// The fewest acts more, and the fewest fewer, that give another verdict.
    fn both(
        policy: &Policy,
        days: &[ArmDay],
        verdict: &dyn Fn(&[ArmDay]) -> Verdict,
    ) -> impl Iterator<Item = (f64, Verdict)> {
        let more = if policy.model == Model::Cpa { Self::more_for_money(policy, days) } else { Self::more(days) };
        [more, Self::fewer(days)].into_iter().filter_map(|change| change.fewest(days, verdict))
    }

    /// Spread over the days as their spend is. A unit of money may bring several acts, but no more than what brings down their
    /// cost to a hundredth of the build bar.
    fn more_for_money(policy: &Policy, days: &[ArmDay]) -> Self {
        let spend: f64 = days.iter().map(|day| day.exposures).sum();
        let apply = |days: &[ArmDay], acts: f64| {
            let spend: f64 = days.iter().map(|day| day.exposures).sum();
            let more = |day: &ArmDay| day.conversions + acts * day.exposures / spend;
            days.iter().map(|day| ArmDay { conversions: more(day), ..day.clone() }).collect()
        };
        Self { sign: 1.0, room: 100.0 * spend / policy.build_bar, apply }
    }

    /// Spread over the days as their exposures are, and never more acts than exposures.
    fn more(days: &[ArmDay]) -> Self {
        let room = days.iter().map(|day| (day.exposures - day.conversions).max(0.0)).sum();
        let apply = |days: &[ArmDay], acts: f64| {
            let exposures: f64 = days.iter().map(|day| day.exposures).sum();
            let more = |day: &ArmDay| (day.conversions + acts * day.exposures / exposures).min(day.exposures);
            days.iter().map(|day| ArmDay { conversions: more(day).max(day.conversions), ..day.clone() }).collect()
        };
        Self { sign: 1.0, room, apply }
    }

    /// Taken from the days as their acts are.
    fn fewer(days: &[ArmDay]) -> Self {
        let apply = |days: &[ArmDay], acts: f64| {
            let all: f64 = days.iter().map(|day| day.conversions).sum();
            let fewer = |day: &ArmDay| day.conversions * (1.0 - acts / all);
            days.iter().map(|day| ArmDay { conversions: fewer(day), ..day.clone() }).collect()
        };
        Self { sign: -1.0, room: days.iter().map(|day| day.conversions).sum(), apply }
    }

    /// The smallest whole number of acts that gives another verdict, found by doubling and halving: the rule knows no
    /// step back once enough is changed.
    fn fewest(&self, days: &[ArmDay], verdict: &dyn Fn(&[ArmDay]) -> Verdict) -> Option<(f64, Verdict)> {
        let (now, room) = (verdict(days), self.room.floor());
        if room < 1.0 {
            return None;
        }
        let after = |acts: f64| Some(verdict(&(self.apply)(days, acts))).filter(|then| *then != now);
        let (mut too_few, mut enough) = (0.0, 1.0_f64);
        while after(enough.min(room)).is_none() {
            if enough >= room {
                return None;
            }
            (too_few, enough) = (enough, enough * 2.0);
        }
        enough = enough.min(room);
        while enough - too_few > 1.0 {
            let middle = f64::midpoint(too_few, enough).floor();
            if after(middle).is_some() { enough = middle } else { too_few = middle }
        }
        Some((self.sign * enough, after(enough)?))
    }
}

/// The concept's verdict without each of its versions.
fn without_an_arm(experiment: &Experiment, tally: &Tally<'_>) -> Vec<Without> {
    let tested: Vec<_> = tally.arms.iter().filter(|(arm, _)| !arm.control).collect();
    if tested.len() < 2 {
        return vec![];
    }
    let without = |left_out: usize| {
        let others = tested.iter().enumerate().filter(|(position, _)| *position != left_out);
        let verdict_of = |(_, (arm, days)): (usize, &&(&Arm, Vec<DayCounts>))| {
            let days = series(&experiment.policy, tally, days);
            watch(experiment, tally, (arm, &days), tested.len() - 1, tally.hold).verdict()
        };
        let verdicts: Vec<_> = others.map(verdict_of).collect();
        Without { part: tested[left_out].0.title.clone(), verdict: judge::concept(&verdicts).0 }
    };
    (0..tested.len()).map(without).collect()
}

/// The concept's verdict without each channel, or source of no channel, that brings both halves of the deciding rate:
/// without the visitors alone, or the acts alone, a rate says nothing.
fn without_a_channel(
    experiment: &Experiment,
    generation: &Generation,
    data: &Inputs,
    card: &Scorecard,
) -> Vec<Without> {
    let parts = channels(experiment);
    if parts.len() < 2 {
        return vec![];
    }
    let without = |(part, left_out): (&str, Vec<&Source>)| {
        let stays = |id| !left_out.iter().any(|source| source.id == id);
        let mut rest = experiment.clone();
        rest.sources.retain(|source| stays(source.id.clone()));
        let mut less = data.clone();
        less.observations.retain(|row| stays(row.source.clone()));
        less.responses.retain(|act| stays(act.source.clone()));
        let tally = Tally::of(&rest, generation, &less, card.as_of);
        Without { part: part.to_owned(), verdict: judge::concept(&verdicts(&watched(&rest, &tally, tally.hold))).0 }
    };
    parts.into_iter().map(without).collect()
}

/// The channels, and sources of no channel, that bring both halves of the deciding rate.
pub(super) fn channels(experiment: &Experiment) -> BTreeMap<&str, Vec<&Source>> {
    let rate = &experiment.policy.primary;
    let mut parts: BTreeMap<&str, Vec<&Source>> = BTreeMap::new();
    for source in &experiment.sources {
        parts.entry(source.channel.as_deref().unwrap_or(source.id.as_str())).or_default().push(source);
    }
    let supplies_both =
        |source: &&Source| [rate.numerator, rate.denominator].iter().all(|metric| source.metrics.contains(metric));
    parts.retain(|_, sources| sources.iter().all(supplies_both));
    parts
}

/// One sentence for each thing that would change the verdict, or one that says that no single part would.
pub fn sentences(experiment: &Experiment, card: &Scorecard, flips: &Flips) -> Vec<String> {
    let noun = experiment.policy.primary.numerator;
    let mut lines: Vec<String> = flips
        .acts
        .iter()
        .filter_map(|flip| {
            let arm = card.arms.iter().find(|arm| arm.arm == flip.arm)?;
            // What a limit withholds, fewer acts do not bring nearer.
            if matches!(arm.reason, Some(Reason::Guardrail { .. })) && flip.to == Verdict::Collecting {
                return None;
            }
            let acts =
                if flip.acts > 0.0 { figures::further(flip.acts, noun) } else { figures::fewer(-flip.acts, noun) };
            let whose = if flip.of_control { format!(" of {}", explain::control(experiment)) } else { String::new() };
            let who = if card.arms.len() == 1 {
                "it".to_owned()
            } else {
                format!("{} by itself", explain::name(experiment, &flip.arm))
            };
            // At its cap an arm stays where it is, so the acts would have had to come before.
            let then = match (&arm.reason, flip.to) {
                (Some(Reason::CapReached { .. }), Verdict::Build | Verdict::Kill) => {
                    format!("would have been {} before the cap", flip.to)
                }
                (_, Verdict::Collecting) => format!("would not be {} yet", arm.verdict),
                _ => format!("would be {}", flip.to),
            };
            let days = match at_cap(experiment, arm).filter(|&last| last < card.last_settled_day) {
                Some(last) => format!("the days to {}", figures::day(last, explain::today(experiment, card))),
                None => "the same days".to_owned(),
            };
            Some(format!("With about {acts}{whose} on {days}, {who} {then}."))
        })
        .collect();
    lines.extend(flips.without.iter().map(|part| format!("Without {} the test would be {}.", part.part, part.verdict)));
    if flips.without.is_empty() && flips.has_parts {
        let kinds = [("version", card.arms.len() > 1), ("channel", channels(experiment).len() > 1)];
        let kinds: Vec<String> = kinds.into_iter().filter(|(_, any)| *any).map(|(kind, _)| kind.to_owned()).collect();
        let part = match &kinds[..] {
            [_] if card.arms.len() == 2 => "either version".to_owned(),
            kinds => format!("any one {}", figures::either(kinds)),
        };
        lines.push(format!("Leave out {part}, and it would still be {}.", card.verdict));
    }
    lines
}
