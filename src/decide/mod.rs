//! Inputs and policy to a scorecard, and a scorecard to words. Pure: the clock comes in as `as_of`,
//! the data as [`Inputs`], and the same bytes in give the same bytes out.

pub mod account;
pub mod best;
mod capped;
pub mod course;
pub mod decision;
mod defects;
pub mod derivation;
pub mod digest;
pub mod error_rates;
pub mod explain;
pub mod figures;
pub mod flags;
pub mod flips;
pub mod funnel;
mod gates;
pub mod judge;
pub mod keys;
pub mod measure;
pub mod message;
pub mod money;
pub mod next;
mod notes;
pub mod outlook;
pub mod plan;
pub mod portfolio;
pub mod prices;
mod pulls;
mod qualify;
pub mod raise;
pub mod removed;
mod restated;
pub mod revision;
mod rule;
pub mod spending;
mod tally;
mod topics;
mod traffic;
mod unseen;

use std::collections::BTreeSet;
use std::fmt::Write;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use ring::digest::{SHA256, digest};
use serde::Serialize;

use crate::domain::concept::{Arm, Experiment, Limit, Model, Policy};
use crate::domain::millionths;
use crate::domain::money::Money;
use crate::domain::observation::Inputs;
use crate::domain::verdict::{
    ArmScore, Evidence, Flag, Generation, GuardrailScore, Reason, Scorecard, SpendAfter, Verdict,
};
pub use gates::primary_sources;
use judge::{ArmDay, Hold, Look, Rule, Watch};
pub use keys::{ArmKeys, Owner};
use outlook::Outlook;
use tally::{Calendar, DayCounts, Tally, units};

/// The scorecard of one test at one instant: see [`Counted`].
pub fn decide(experiment: &Experiment, generation: &Generation, data: &Inputs, as_of: DateTime<Utc>) -> Scorecard {
    Counted::of(experiment, generation, data, as_of).decide()
}

/// One test at one instant, everything in it counted once. What it says depends on nothing but what it is made of: not on
/// when or how often it was asked before.
pub struct Counted<'a> {
    experiment: &'a Experiment,
    generation: &'a Generation,
    data: &'a Inputs,
    tally: Tally<'a>,
}

impl<'a> Counted<'a> {
    /// Counts what `data` holds for the test at `as_of`.
    pub fn of(experiment: &'a Experiment, generation: &'a Generation, data: &'a Inputs, as_of: DateTime<Utc>) -> Self {
        Self { experiment, generation, data, tally: Tally::of(experiment, generation, data, as_of) }
    }

    /// The scorecard.
    pub fn decide(&self) -> Scorecard {
        self.decided(&watched(self.experiment, &self.tally, None))
    }

    /// The scorecard, and what lies ahead of a test that collects.
    pub fn with_outlook(&self) -> (Scorecard, Option<Outlook>) {
        let Self { experiment, tally, .. } = self;
        let alone = watched(experiment, tally, None);
        let card = self.decided(&alone);
        // Beside other concepts BUILD takes more.
        let hold = tally.hold.filter(|_| card.verdict == Verdict::Collecting);
        let ahead = if hold.is_some() { watched(experiment, tally, hold) } else { alone };
        let outlook = outlook::outlook(experiment, tally, &ahead, &card);
        (card, outlook)
    }

    fn decided(&self, alone: &[Watched<'_>]) -> Scorecard {
        let Self { experiment, generation, data, tally } = self;
        let unmapped = gates::unmapped_spend(tally);
        let restated = restated::restated(experiment, generation, data, tally);
        let mut defects = gates::defects(experiment, data, tally, unmapped.as_ref());
        defects.extend(traffic::defects(experiment, tally));
        defects.extend(restated.defect);
        let mut card = self.scorecard(alone, unmapped, defects);
        if let Some(others) = data.others.as_deref().filter(|_| card.verdict == Verdict::Build) {
            let unmapped = card.unmapped.clone();
            let held = |hold| {
                let held = watched(experiment, tally, Some(hold));
                let card = self.scorecard(&held, unmapped.clone(), vec![]);
                (card, portfolio::best(held.iter().map(|one| one.watch.proof())))
            };
            card = portfolio::beside(experiment, others, card, held);
        }
        flag(&mut card, tally, &restated.arms);
        if card.verdict == Verdict::Build {
            card.best = best::best(experiment, tally).map_or_else(Vec::new, |best| best.open);
        }
        if card.verdict.is_terminal() {
            card.spend_after = money::spend_after(experiment, data, tally, explain::since(experiment, &card));
        }
        card
    }

    /// For a run in which a source failed, so that nothing may be decided on part of the data: the BLOCKED
    /// scorecard where a source of the deciding rate has not been read for two slots, else `None`.
    pub fn stale(&self) -> Option<Scorecard> {
        let Self { experiment, data, tally, .. } = self;
        let defects = gates::stale(experiment, data, &tally.calendar, tally.as_of);
        let unmapped = gates::unmapped_spend(tally);
        let watched = watched(experiment, tally, None);
        (!defects.is_empty()).then(|| self.scorecard(&watched, unmapped, defects))
    }

    /// The money that no scorecard of this instant holds.
    pub fn lately(&self) -> Lately {
        let Self { experiment, data, tally, .. } = self;
        Lately {
            unsettled: money::unsettled(tally),
            spend_until: {
                let Calendar { first, last_settled, .. } = tally.calendar;
                let told = money::told_until(experiment, data, &tally.calendar);
                (first <= last_settled).then(|| money::known_until(experiment, data, [first, last_settled], told))
            },
            ads: money::spend_after(experiment, data, tally, tally.calendar.today),
        }
    }

    fn scorecard(&self, watched: &[Watched<'_>], unmapped: Option<Reason>, defects: Vec<Reason>) -> Scorecard {
        let Self { experiment, generation, data, tally } = self;
        let blocked = !defects.is_empty();
        let looks: Vec<Look> = watched.iter().map(|one| one.look(&tally.calendar)).collect();
        let (verdict, reasons) = if blocked {
            (Verdict::Blocked, defects)
        } else {
            let (verdict, reason) = judge::concept(&verdicts(watched));
            (verdict, reason.into_iter().collect())
        };
        let mut guardrails = guardrail_scores(experiment, tally, watched, &looks);
        if blocked {
            guardrails.iter_mut().for_each(withhold_range);
        }
        let arms = watched
            .iter()
            .zip(looks)
            .map(|(Watched { arm, counts: days, .. }, look)| {
                let mut score = arm_score(arm, tally, days, look);
                let flags = &mut score.evidence.flags;
                flags.extend(is_fractional(experiment, tally, days).then_some(Flag::FractionalConversions));
                flags.extend(traffic::is_doubtful(experiment, tally, arm, days).then_some(Flag::TrackingGap));
                flags.sort_unstable();
                if blocked { withheld(score) } else { score }
            })
            .collect();
        let spend = tally.arms.iter().flat_map(|(_, days)| tally.settled(days)).map(|day| day.spend).sum();
        Scorecard {
            concept: experiment.concept.id.clone(),
            generation: generation.number,
            as_of: tally.as_of,
            last_settled_day: tally.calendar.last_settled,
            verdict,
            reasons,
            arms,
            guardrails,
            spend: tally.money(spend),
            spend_after: None,
            given: None,
            proof: vec![],
            best: vec![],
            unmapped,
            unseen: unseen::unseen(experiment, data, &tally.calendar),
            day_notes: notes::settled(experiment, &tally.calendar),
            decisions: data.decisions.clone(),
            policy_hash: generation.policy_hash.clone(),
            data_hash: data_hash(tally),
            program_version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// Marks the arms of which a day changed by much after it had counted.
fn flag(card: &mut Scorecard, tally: &Tally<'_>, restated: &BTreeSet<usize>) {
    for (arm, _) in restated.iter().map(|&position| &tally.arms[position]) {
        for score in card.arms.iter_mut().filter(|score| score.arm == arm.id) {
            score.evidence.flags.push(Flag::RestatedDays);
            score.evidence.flags.sort_unstable();
        }
    }
}

/// Money of a test that its scorecard does not hold.
#[derive(Clone, Debug, Default)]
pub struct Lately {
    /// Spent by the ads of all arms on days that have not settled; `None` where nothing is, or nobody knows.
    pub unsettled: Option<Money>,
    /// The last settled day whose spend is known; `None` where no day has settled, or nobody knows.
    pub spend_until: Option<NaiveDate>,
    /// What the tested arms' ads spend on a day now; `None` where nothing is, or nobody knows.
    pub ads: Option<SpendAfter>,
}

/// SHA-256, in hex, of what is fixed when a test begins: the policy, the arms, the days. Titles and
/// keys are not among it: mending a name or a mapping opens no new test.
pub fn policy_hash(experiment: &Experiment) -> String {
    #[derive(Serialize)]
    struct Fixed<'a> {
        policy: &'a Policy,
        arms: Vec<(&'a str, bool)>,
        start: NaiveDate,
        stop: Option<NaiveDate>,
        timezone: Tz,
    }
    let fixed = Fixed {
        policy: &experiment.policy,
        arms: experiment.arms.iter().map(|arm| (arm.id.as_str(), arm.control)).collect(),
        start: experiment.start,
        stop: experiment.stop,
        timezone: experiment.timezone,
    };
    // Fields stand in the order written above, so the text is the same every time.
    #[expect(clippy::expect_used, reason = "plain data whose map keys are all field names")]
    let text = serde_json::to_vec(&fixed).expect("plain data is always JSON");
    hex(&text)
}

/// SHA-256, in hex, of the settled series: every arm, day and count a verdict rests on.
fn data_hash(tally: &Tally<'_>) -> String {
    let Calendar { first, last_settled, .. } = tally.calendar;
    // Every arm has the same days.
    let settled = first.iter_days().take_while(|&day| day <= last_settled);
    let dates: Vec<String> = settled.map(date).collect();
    let mut text = String::with_capacity(tally.arms.len() * dates.len() * BYTES_A_DAY);
    let mut digits = itoa::Buffer::new();
    let mut write = |text: &mut String, count: i128| {
        // Most are small, and those are quicker to write.
        text.push_str(match i64::try_from(count) {
            Ok(count) => digits.format(count),
            Err(_) => digits.format(count),
        });
    };
    for (arm, days) in &tally.arms {
        for (day, date) in tally.settled(days).zip(&dates) {
            text.push_str(arm.id.as_str());
            text.push('\t');
            text.push_str(date);
            text.push_str(if day.covered { "\ttrue" } else { "\tfalse" });
            for count in [day.exposures, day.conversions, day.spend] {
                text.push('\t');
                write(&mut text, count);
            }
            text.push_str("\t[");
            for (position, [numerator, denominator]) in day.guardrails.iter().enumerate() {
                text.push_str(if position > 0 { ", [" } else { "[" });
                write(&mut text, *numerator);
                text.push_str(", ");
                write(&mut text, *denominator);
                text.push(']');
            }
            text.push_str("]\n");
        }
    }
    hex(text.as_bytes())
}

/// A day in text that need not grow: that would take longer than to write it.
fn date(day: NaiveDate) -> String {
    let mut text = String::with_capacity("2026-03-02".len());
    // Into a `String` it cannot fail.
    let _ = write!(text, "{day}");
    text
}

/// About how long the line of one arm and day is.
const BYTES_A_DAY: usize = 64;

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(64);
    for byte in digest(&SHA256, bytes).as_ref() {
        text.extend([byte >> 4, byte & 15].map(|nibble| char::from(b"0123456789abcdef"[usize::from(nibble)])));
    }
    text
}

/// A tested arm, its days, and where they lead.
struct Watched<'a> {
    arm: &'a Arm,
    counts: &'a [DayCounts],
    /// The same days as the judge takes them.
    days: Vec<ArmDay>,
    /// As of today; of a test not begun, that nothing is there yet.
    watch: Watch<'a>,
}

impl Watched<'_> {
    /// The judge's view as of today.
    fn look(&self, calendar: &Calendar) -> Look {
        let look = self.watch.look(calendar.today);
        let has_begun = calendar.first <= calendar.today;
        if has_begun { look } else { Look { guardrails: Vec::new(), ..look } }
    }
}

/// Every tested arm up to today.
fn watched<'a>(experiment: &'a Experiment, tally: &'a Tally<'_>, hold: Option<Hold>) -> Vec<Watched<'a>> {
    let arms = tally.arms.iter().filter(|(arm, _)| !arm.control).count();
    let of_arm = |(arm, counts): &'a (&Arm, Vec<DayCounts>)| {
        let days = series(&experiment.policy, tally, counts);
        Watched { arm, counts, watch: watch(experiment, tally, (arm, &days), arms, hold), days }
    };
    tally.arms.iter().filter(|(arm, _)| !arm.control).map(of_arm).collect()
}

/// The verdict of each.
fn verdicts<'w>(watched: impl IntoIterator<Item = &'w Watched<'w>>) -> Vec<(Verdict, Option<Reason>)> {
    watched.into_iter().map(|one| one.watch.verdict()).collect()
}

/// One of `arms` tested arms, judged by the experiment's policy on every day up to today.
fn watch<'a>(
    experiment: &'a Experiment,
    tally: &Tally<'_>,
    arm: (&Arm, &[ArmDay]),
    arms: usize,
    hold: Option<Hold>,
) -> Watch<'a> {
    watch_daily(experiment, tally, arm, arms, hold, |_, _| {})
}

/// As [`watch`]; what stands on each day is told.
fn watch_daily<'a>(
    experiment: &'a Experiment,
    tally: &Tally<'_>,
    (arm, days): (&Arm, &[ArmDay]),
    arms: usize,
    hold: Option<Hold>,
    mut told: impl FnMut(NaiveDate, &Watch<'a>),
) -> Watch<'a> {
    let policy = &experiment.policy;
    let arms = u32::try_from(arms).unwrap_or(u32::MAX);
    let rule = Rule {
        policy,
        arms,
        arm_budget_cap: policy.budget_cap.map(|cap| millionths::to_f64(cap.micros) / f64::from(arms)),
        stop: [experiment.stop, arm.until].into_iter().flatten().min(),
        // An uneven split blocks every verdict instead: see `gates`.
        uneven_since: None,
    };
    let mut watch = Watch::new(rule, raise::raises(experiment, tally.decisions, arms), hold);
    let mut waiting = days.iter().peekable();
    let Calendar { first, today, .. } = tally.calendar;
    for as_of in first.iter_days().take_while(|&day| day <= today) {
        watch.go_on(as_of, &mut waiting);
        told(as_of, &watch);
    }
    watch
}

/// An arm's days as the judge takes them, with those of the control beside them where that is the question.
fn series(policy: &Policy, tally: &Tally<'_>, days: &[DayCounts]) -> Vec<ArmDay> {
    let control = tally.arms.iter().find(|(arm, _)| arm.control && policy.model == Model::Compare);
    // Every arm begins on the same day.
    let of_control = |position: usize| {
        let same = control.and_then(|(_, days)| days.get(position));
        same.map_or([0.0; 2], |day| [units(day.conversions), units(day.exposures)])
    };
    let day = |(position, day): (usize, &DayCounts)| ArmDay {
        day: day.day,
        exposures: units(day.exposures),
        conversions: units(day.conversions),
        control: of_control(position),
        spend: units(day.spend),
        guardrails: day.guardrails.iter().map(|pair| pair.map(units)).collect(),
    };
    days.iter().enumerate().map(day).collect()
}

fn arm_score(arm: &Arm, tally: &Tally<'_>, days: &[DayCounts], look: Look) -> ArmScore {
    let settled = || tally.settled(days);
    let spend = tally.money(settled().map(|day| day.spend).sum());
    let acts = units(settled().map(|day| day.conversions).sum());
    // Money of days without a known number of acts would make each act look dearer than it was.
    let spend_on_acts = tally.money(settled().filter(|day| day.covered).map(|day| day.spend).sum());
    ArmScore {
        arm: arm.id.clone(),
        verdict: look.verdict,
        reason: look.reason,
        since: look.since,
        evidence: look.evidence,
        guardrails: look.guardrails,
        spend,
        cost_per_act: spend_on_acts.filter(|_| acts > 0.0).and_then(|money| money.times(1.0 / acts)),
    }
}

/// Whether the acts of the deciding rate need not be whole: a source says so, or some are not. The test takes them
/// as they are (statistics.md section 6); what is modelled is an estimate, and no count of people.
fn is_fractional(experiment: &Experiment, tally: &Tally<'_>, days: &[DayCounts]) -> bool {
    let acts = experiment.policy.primary.numerator;
    experiment.sources.iter().any(|source| source.fractional.contains(&acts))
        || tally.settled(days).any(|day| !is_whole(day.conversions))
}

fn is_whole(sum: i128) -> bool {
    // Most sums are small, and the processor divides those.
    i64::try_from(sum).map_or_else(|_| sum % i128::from(millionths::ONE) == 0, |sum| sum % millionths::ONE == 0)
}

/// What may be shown of an arm while its data cannot be trusted: counts, but no range and no verdict.
fn withheld(mut score: ArmScore) -> ArmScore {
    score.guardrails.iter_mut().for_each(withhold_range);
    let Evidence { days, trials, successes, flags, .. } = score.evidence;
    let evidence = Evidence { days, trials, successes, flags, ..Evidence::default() };
    ArmScore { verdict: Verdict::Blocked, reason: None, since: None, evidence, ..score }
}

fn withhold_range(score: &mut GuardrailScore) {
    (score.low, score.high) = (None, None);
}

/// Each guardrail over all tested arms: its value from their sums, breached where any arm's own test
/// shows it.
fn guardrail_scores(
    experiment: &Experiment,
    tally: &Tally<'_>,
    watched: &[Watched<'_>],
    looks: &[Look],
) -> Vec<GuardrailScore> {
    experiment
        .policy
        .guardrails
        .iter()
        .enumerate()
        .map(|(position, rail)| {
            let [numerator, denominator] = watched
                .iter()
                .flat_map(|one| tally.settled(one.counts))
                .map(|day| day.guardrails[position])
                .fold([0, 0], |sum, pair| [sum[0] + pair[0], sum[1] + pair[1]]);
            let (limit, is_max) = match rail.limit {
                Limit::Max(limit) => (limit, true),
                Limit::Min(limit) => (limit, false),
            };
            GuardrailScore {
                name: rail.name.clone(),
                value: (denominator > 0).then(|| units(numerator) / units(denominator)),
                low: alone(looks, position).and_then(|score| score.low),
                high: alone(looks, position).and_then(|score| score.high),
                limit,
                is_max,
                breached: looks.iter().any(|look| look.guardrails.get(position).is_some_and(|score| score.breached)),
            }
        })
        .collect()
}

/// A guardrail of the only arm there is.
fn alone(looks: &[Look], position: usize) -> Option<&GuardrailScore> {
    match looks {
        [look] => look.guardrails.get(position),
        _ => None,
    }
}
