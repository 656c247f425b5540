//! What lies ahead of a test that collects, by projecting each arm's own days forward under the verdict rule: when a
//! verdict is likely and what it still costs, and which verdict is out of reach within the cap. Estimates, worked out
//! from the same days the same way each time; never a verdict. What would change where a test stands today is
//! `flips`.

use chrono::{Days, NaiveDate};
use serde::Serialize;

use super::judge::{ArmDay, Look, Watch};
use super::tally::Tally;
use super::{Watched, explain, figures, measure, money};
use crate::domain::concept::{Experiment, Model, Policy};
use crate::domain::id::ArmId;
use crate::domain::money::Money;
use crate::domain::verdict::{ArmScore, Evidence, Lean, Reason, Scorecard, Verdict};

/// Fewer settled days say too little of the days ahead: weekdays differ.
const FEWEST_DAYS: u32 = 7;

/// The days ahead are taken to be like the latest so many: four whole weeks.
const LIKE_DAYS: usize = 28;

/// Nothing is projected farther than a year.
const FARTHEST_DAYS: usize = 366;

/// Share of the budget cap from which its owner is told.
const BUDGET_TOLD_AT: f64 = 0.8;

/// What lies ahead.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outlook {
    /// Every arm that collects and has had a week.
    pub arms: Vec<Ahead>,
    /// Whether no arm can come to BUILD before its cap.
    pub build_out_of_reach: bool,
    /// Whether not every arm can come to KILL before its cap.
    pub kill_out_of_reach: bool,
    /// Money used of the budget cap, settled or not.
    pub budget: Option<Budget>,
    /// Money of all arms on days that have not settled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsettled: Option<Money>,
}

/// Money used of a cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Budget {
    /// By the tested arms, settled or not.
    pub spent: Money,
    /// The cap of them all.
    pub cap: Money,
}

impl Budget {
    /// Whether its owner should know.
    pub fn is_nearly_used(&self) -> bool {
        self.spent.over(self.cap).is_some_and(|share| share >= BUDGET_TOLD_AT)
    }
}

/// What lies ahead of one arm.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Ahead {
    /// Which arm.
    pub arm: ArmId,
    /// How many of its latest settled days the days ahead are taken to be like.
    pub like_days: usize,
    /// Where that leads first; `None` where nowhere within a year.
    pub likely: Option<Likely>,
    /// Whether BUILD is out of reach before the cap, even at the better of the build bar and the best end of the range.
    pub build_out_of_reach: bool,
    /// The same of KILL, at the worse of the kill bar and the worst end.
    pub kill_out_of_reach: bool,
}

/// A verdict that is likely at today's rates.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Likely {
    /// BUILD, KILL or REVIEW.
    pub verdict: Verdict,
    /// Why not BUILD or KILL.
    pub reason: Option<Reason>,
    /// About when.
    pub on: NaiveDate,
    /// After so many more active days have settled.
    pub days: u32,
    /// With so many more exposures…
    pub exposures: f64,
    /// …and acts.
    pub acts: f64,
    /// For so much more money, where spend is known.
    pub spend: Option<Money>,
}

/// The outlook of a test that collects; `None` of any other, and of one whose days nobody knows.
pub(super) fn outlook(
    experiment: &Experiment,
    tally: &Tally<'_>,
    watched: &[Watched<'_>],
    card: &Scorecard,
) -> Option<Outlook> {
    if card.verdict != Verdict::Collecting {
        return None;
    }
    let tested: Vec<_> = watched.iter().zip(&card.arms).collect();
    let arms: Vec<Ahead> = tested
        .iter()
        .filter(|(_, score)| score.verdict == Verdict::Collecting && score.evidence.days >= FEWEST_DAYS)
        .filter_map(|(one, score)| {
            // A day that was not read says nothing of the days ahead.
            let settled = one.days.iter().zip(tally.settled(one.counts));
            let read: Vec<&ArmDay> = settled.filter(|(_, counts)| counts.covered).map(|(day, _)| day).collect();
            let like = &read[read.len().saturating_sub(LIKE_DAYS)..];
            Course { policy: &experiment.policy, tally, watch: &one.watch, score, like }.ahead()
        })
        .collect();
    let collecting = tested.iter().filter(|(_, score)| score.verdict == Verdict::Collecting).count();
    let all_known = collecting == arms.len();
    let reviewed = tested.iter().any(|(_, score)| score.verdict == Verdict::Review);
    let spent = watched.iter().flat_map(|one| one.counts).map(|day| day.spend).sum();
    let budget = explain::caps(experiment, card).1.zip(tally.money(spent)).map(|(cap, spent)| Budget { spent, cap });
    Some(Outlook {
        build_out_of_reach: all_known && !arms.is_empty() && arms.iter().all(|arm| arm.build_out_of_reach),
        kill_out_of_reach: reviewed || arms.iter().any(|arm| arm.kill_out_of_reach),
        arms,
        budget,
        unsettled: money::unsettled(tally),
    })
}

/// One arm's test, to be continued.
struct Course<'a> {
    policy: &'a Policy,
    tally: &'a Tally<'a>,
    watch: &'a Watch<'a>,
    score: &'a ArmScore,
    like: &'a [&'a ArmDay],
}

impl Course<'_> {
    fn ahead(&self) -> Option<Ahead> {
        let evidence = &self.score.evidence;
        evidence.estimate?;
        let policy = self.policy;
        // Beside a control without acts any ratio fits.
        if policy.model == Model::Compare && self.like.iter().all(|day| day.control[0] <= 0.0) {
            return None;
        }
        let (best, worst) = extremes(policy, evidence);
        // Guardrails are left out: how they will stand is not the question.
        let free = self.watch.clone().without_guardrails();
        let leads_to = |level: f64| {
            let acts = |day: &ArmDay| acts_at(policy.model, day, level);
            self.reached(free.clone(), acts).map(|look| look.verdict)
        };
        Some(Ahead {
            arm: self.score.arm.clone(),
            like_days: self.like.len(),
            likely: self.reached(self.watch.clone(), |day| day.conversions).and_then(|look| self.likely(look)),
            build_out_of_reach: leads_to(best) != Some(Verdict::Build),
            kill_out_of_reach: leads_to(worst) != Some(Verdict::Kill),
        })
    }

    /// The latest days over and over.
    fn days_ahead(&self) -> impl Iterator<Item = (NaiveDate, &ArmDay)> {
        let like = self.like.iter().copied().cycle();
        self.tally.calendar.last_settled.iter_days().skip(1).zip(like).take(FARTHEST_DAYS)
    }

    /// The first verdict when the days ahead are like the latest ones, each with so many acts.
    fn reached(&self, mut watch: Watch<'_>, acts: impl Fn(&ArmDay) -> f64) -> Option<Look> {
        let today = self.tally.calendar.today;
        let last = today.checked_add_days(Days::new(FARTHEST_DAYS as u64))?;
        let ahead = self.days_ahead().map(|(day, like)| ArmDay { day, conversions: acts(like), ..like.clone() });
        let mut ahead = ahead.peekable();
        let as_of = today.iter_days().take_while(|&day| day <= last).find(|&as_of| {
            watch.go_on(as_of, &mut ahead);
            watch.is_decided()
        })?;
        Some(watch.look(as_of))
    }

    /// What it takes to come to a look.
    fn likely(&self, reached: Look) -> Option<Likely> {
        let evidence = &self.score.evidence;
        let settled_then = reached.as_of.checked_sub_days(Days::new(self.policy.maturity_lag_days.into()))?;
        let spend: f64 =
            self.days_ahead().take_while(|(day, _)| *day <= settled_then).map(|(_, like)| like.spend).sum();
        Some(Likely {
            verdict: reached.verdict,
            reason: reached.reason,
            on: reached.as_of,
            days: reached.evidence.days.saturating_sub(evidence.days),
            exposures: reached.evidence.trials - evidence.trials,
            acts: reached.evidence.successes - evidence.successes,
            spend: self.tally.money(1_000_000).and_then(|unit| unit.times(spend)),
        })
    }
}

/// The best and the worst that the days ahead are taken to bring: an end of the range, or the bar where that lies beyond it.
fn extremes(policy: &Policy, evidence: &Evidence) -> (f64, f64) {
    let (kill, build) = (policy.kill_bar, policy.build_bar);
    // Costs are the better the smaller they are; without an act they have no upper end.
    match policy.model {
        Model::Rate | Model::Compare => {
            (evidence.high.map_or(build, |high| high.max(build)), evidence.low.map_or(kill, |low| low.min(kill)))
        }
        Model::Cpa => (
            evidence.low.map_or(build, |low| low.min(build)),
            evidence.high.map_or(f64::INFINITY, |high| high.max(kill)),
        ),
    }
}

/// The acts of a day at a level, which is in the unit of the policy's bars.
fn acts_at(model: Model, day: &ArmDay, level: f64) -> f64 {
    let [control_acts, control_exposures] = day.control;
    match model {
        Model::Rate => day.exposures * level,
        Model::Cpa => day.exposures / level,
        Model::Compare if control_exposures > 0.0 => day.exposures * level * control_acts / control_exposures,
        Model::Compare => 0.0,
    }
}

/// `Estimate, if days stay like the last 20: KILL about Mon 6 Apr, once 13 more days have settled. By then …`
pub fn ahead(experiment: &Experiment, card: &Scorecard, ahead: &Ahead) -> String {
    let rate = &experiment.policy.primary;
    let condition = format!("Estimate, if days stay like the last {}", ahead.like_days);
    let Some(likely) = &ahead.likely else { return format!("{condition}: no verdict within a year.") };
    let on = figures::day(likely.on, explain::today(experiment, card));
    let mut brings = Vec::new();
    if experiment.policy.model != Model::Cpa {
        brings.push(figures::further(figures::about(likely.exposures), rate.denominator));
    }
    brings.push(figures::further(figures::about(likely.acts), rate.numerator));
    brings.extend(likely.spend.filter(|spend| spend.micros > 0).map(|spend| format!("another {spend}")));
    let settled = if likely.days == 1 {
        "1 more day has settled".to_owned()
    } else {
        format!("{} more days have settled", likely.days)
    };
    let why = match &likely.reason {
        Some(Reason::CapReached { lean: Some(lean) }) => {
            let lean = if *lean == Lean::Build { Verdict::Build } else { Verdict::Kill };
            format!(" (at the cap, leaning to {lean})")
        }
        Some(Reason::CapReached { lean: None }) => " (at the cap)".to_owned(),
        Some(Reason::Guardrail { name }) => format!(" ({name} is beyond its limit)"),
        _ => String::new(),
    };
    // Money of days that have not settled is among it: spent, but not counted yet.
    format!(
        "{condition}: {}{why} about {on}, once {settled}. By then {} will count.",
        likely.verdict,
        figures::list(&brings)
    )
}

/// `The 70 sign-ups so far are too few for BUILD before the cap (60 settled days). That could change only if more than 4.7%
/// (the best case so far, range 2.6 to 4.7%) signed up on the days left. KILL can still be reached.`
pub fn out_of_reach(experiment: &Experiment, card: &Scorecard, outlook: &Outlook) -> Option<String> {
    let cap = caps(experiment, card);
    let acts: f64 = card.arms.iter().map(|arm| arm.evidence.successes).sum();
    let (so_far, be) = match figures::counted(acts, experiment.policy.primary.numerator) {
        one if one.starts_with("1 ") => (one, "is"),
        more => (more, "are"),
    };
    let beyond = |many: &str, verdict: Verdict, other: Verdict, how: &str| {
        let but = beyond_which(experiment, card, verdict).map_or_else(
            || format!("That holds even if every day left were as {how} as the numbers still allow."),
            |but| format!("That could change only if {but} on the days left."),
        );
        // What is as good as reached is told by the estimate.
        let is_ahead = |ahead: &Ahead| ahead.likely.as_ref().is_some_and(|likely| likely.verdict == other);
        let other =
            if outlook.arms.iter().any(is_ahead) { String::new() } else { format!(" {other} can still be reached.") };
        format!("The {so_far} so far {be} too {many} for {verdict} before the cap ({cap}). {but}{other}")
    };
    match (outlook.build_out_of_reach, outlook.kill_out_of_reach) {
        (true, true) => Some(format!(
            "Neither BUILD nor KILL can be reached before the cap ({cap}), however the days left turn out: you will have \
             to decide."
        )),
        (true, false) => Some(beyond("few", Verdict::Build, Verdict::Kill, "good")),
        (false, true) => Some(beyond("many", Verdict::Kill, Verdict::Build, "bad")),
        (false, false) => None,
    }
}

/// More, or less, than the days left are taken to bring before a verdict is called out of reach, to follow `Only if`; nothing
/// where every version has its own.
fn beyond_which(experiment: &Experiment, card: &Scorecard, verdict: Verdict) -> Option<String> {
    let [arm] = &card.arms[..] else { return None };
    let policy = &experiment.policy;
    let (best, worst) = extremes(policy, &arm.evidence);
    let (level, better) = if verdict == Verdict::Build { (best, true) } else { (worst, false) };
    // Where the number comes from stands with it, for it is that of no other sentence.
    let is = |bar: f64| level.total_cmp(&bar).is_eq();
    let which = match verdict {
        _ if is(policy.build_bar) => "worth building for",
        _ if is(policy.kill_bar) => "break-even",
        Verdict::Build => "the best case so far",
        _ => "the worst case so far",
    };
    let range = explain::ends(&arm.evidence).filter(|_| which.ends_with("so far"));
    let which =
        range.map_or_else(|| which.to_owned(), |ends| format!("{which}, range {}", measure::range(policy, ends)));
    let level = Some(level).filter(|level| level.is_finite()).map(|level| measure::end(policy, level))?;
    Some(match policy.model {
        Model::Rate => {
            format!(
                "{} than {level} ({which}) {}",
                if better { "more" } else { "fewer" },
                explain::share_did(experiment)
            )
        }
        Model::Cpa => {
            let than = if better { "less" } else { "more" };
            format!("each {} cost {than} than {level} ({which})", policy.primary.numerator.metric().noun)
        }
        Model::Compare => {
            let than = if better { "more" } else { "less" };
            format!("the rate were {than} than {level} that of {} ({which})", explain::control(experiment))
        }
    })
}

/// `60 settled days or $3,000`.
pub(super) fn caps(experiment: &Experiment, card: &Scorecard) -> String {
    let (days, budget_cap) = explain::caps(experiment, card);
    let mut caps = vec![format!("{} settled {}", figures::count(days.into()), if days == 1 { "day" } else { "days" })];
    caps.extend(budget_cap.map(|cap| cap.as_set()));
    caps.extend(
        experiment.stop.map(|stop| format!("the end on {}", figures::day(stop, explain::today(experiment, card)))),
    );
    figures::either(&caps)
}

/// `$1,205 is spent, 80% of the cap of $1,500. Only settled days count towards the cap: the test ends once they have cost $1,500.
/// So far they have cost $1,100.`
pub fn used(card: &Scorecard, budget: &Budget) -> String {
    let settled = card.arms.iter().filter_map(|arm| arm.spend).reduce(|sum, part| sum.plus(part).unwrap_or(sum));
    let settled = settled.filter(|settled| settled.micros < budget.spent.micros);
    let counts = settled.map_or_else(String::new, |settled| {
        format!(
            " Only settled days count towards the cap: the test ends once they have cost {}. So far they have cost {settled}.",
            budget.cap
        )
    });
    format!(
        "{} is spent, {} of the cap of {}.{counts}",
        budget.spent,
        figures::share(budget.spent.over(budget.cap).unwrap_or(0.0)),
        budget.cap.as_set(),
    )
}

/// What is spent from now on until the only version comes to what it is heading for, and by how much the cap is passed then: as
/// much as has not settled today will not have settled then.
pub fn rest(outlook: &Outlook) -> Option<(Money, Option<Money>)> {
    let [ahead] = &outlook.arms[..] else { return None };
    let rest = ahead.likely.as_ref()?.spend.filter(|spend| spend.micros > 0)?;
    let over = |budget: Budget| budget.spent.plus(rest).ok()?.minus(budget.cap).ok().filter(|over| over.micros > 0);
    Some((rest, outlook.budget.and_then(over)))
}

/// What will have been spent when the only version comes to the cap: `If the ads run until then, about $7,800 will be spent,
/// $600 more than the cap.`
pub fn overrun(outlook: &Outlook) -> Option<String> {
    let ([ahead], Some(budget)) = (&outlook.arms[..], &outlook.budget) else { return None };
    ahead.likely.as_ref().filter(|it| matches!(it.reason, Some(Reason::CapReached { .. })))?;
    let (rest, Some(over)) = rest(outlook)? else { return None };
    let spent = budget.spent.plus(rest).ok()?;
    Some(format!("If the ads run until then, about {spent} will be spent, {over} more than the cap."))
}

/// Where each arm is heading, one sentence each.
pub fn ahead_of_all(experiment: &Experiment, card: &Scorecard, outlook: &Outlook) -> Vec<String> {
    let of_arm = |one: &Ahead| {
        let arm = card.arms.iter().find(|arm| arm.arm == one.arm)?;
        Some(explain::who(experiment, card, arm) + &ahead(experiment, card, one))
    };
    outlook.arms.iter().filter_map(of_arm).collect()
}

/// Everything that is said of a test's future, one sentence each.
pub fn sentences(experiment: &Experiment, card: &Scorecard, outlook: &Outlook) -> Vec<String> {
    let mut lines = ahead_of_all(experiment, card, outlook);
    lines.extend(overrun(outlook));
    if lines.is_empty() {
        lines.push("What lies ahead is not known yet: a week of settled days shows it.".into());
    }
    lines.extend(out_of_reach(experiment, card, outlook));
    lines.extend(outlook.budget.as_ref().map(|budget| used(card, budget)));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::money::{Currency, parse_amount};

    #[test]
    fn a_budget_is_nearly_used_from_four_fifths_on() {
        let usd = |text| parse_amount(text, Currency::from_code("USD").unwrap()).unwrap();
        let nearly = |spent| Budget { spent: usd(spent), cap: usd("1500") }.is_nearly_used();
        assert_eq!(["1199.99", "1200", "1501"].map(nearly), [false, true, true]);
        assert!(!Budget { spent: usd("10"), cap: usd("0") }.is_nearly_used());
    }
}
