//! What was decided, on which evidence, why, and what a reader may recompute it from.

use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::day_note::DayNote;
use super::decision::{Choice, Decision};
pub use super::generation::Generation;
use super::id::{ArmId, ConceptId, SourceId};
use super::metric::MetricId;
use super::money::Money;
use super::portfolio::{Given, Proof, Withheld};

/// The five words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verdict {
    /// Break-even is ruled out and nothing forbids it.
    Build,
    /// A rate worth finding is ruled out.
    Kill,
    /// Not enough evidence either way yet.
    Collecting,
    /// A person must look; the reason says why.
    Review,
    /// The data cannot be trusted.
    Blocked,
}

impl Verdict {
    /// The word as printed.
    pub fn word(self) -> &'static str {
        match self {
            Self::Build => "BUILD",
            Self::Kill => "KILL",
            Self::Collecting => "COLLECTING",
            Self::Review => "REVIEW",
            Self::Blocked => "BLOCKED",
        }
    }

    /// Whether an arm stays with it once reached (statistics.md section 4).
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Build | Self::Kill | Self::Review)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Which verdict a test at its cap leans to; carries no error promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Lean {
    /// Evidence so far speaks for building.
    Build,
    /// Evidence so far speaks against it.
    Kill,
}

/// Why a verdict is not BUILD or KILL. `decide::explain` turns each into one sentence.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "reason")]
pub enum Reason {
    /// Below a minimum of days or exposures.
    Insufficient,
    /// The range still covers both bars.
    Undecided,
    /// Traffic is not split between the versions as it was meant to be.
    Srm,
    /// The evidence says BUILD but a limit is breached.
    Guardrail {
        /// Which one.
        name: String,
    },
    /// Days or money are used up without a verdict.
    CapReached {
        /// The side it leans to; `None` where nothing was counted.
        lean: Option<Lean>,
    },
    /// Enough for BUILD if it were alone, but several concepts are tested at once.
    Portfolio(Withheld),
    /// No arm says BUILD, none collects, not all say KILL.
    ArmsDisagree,
    /// Sources of the deciding rate have brought nothing of it since the test began.
    NoData {
        /// Which sources.
        sources: Vec<SourceId>,
    },
    /// A source of the deciding rate has not been read for two intervals.
    Stale {
        /// Which source.
        source: SourceId,
        /// Its last good pull, if there ever was one.
        last_pull: Option<DateTime<Utc>>,
    },
    /// Money went to campaigns no arm claims.
    UnmappedSpend {
        /// How much; `None` where the source names no currency.
        amount: Option<Money>,
        /// Share of all spend, 0 to 1.
        share: f64,
        /// The largest unclaimed keys, at most five, as `source: key`.
        keys: Vec<String>,
    },
    /// Every deciding act so far carries a key no arm claims.
    UnmappedActs {
        /// How many.
        acts: f64,
        /// The commonest unclaimed keys, at most five, as `source: key`.
        keys: Vec<String>,
    },
    /// Many acts that would decide do not say who did them: other sources may count the same, and nobody was verified.
    NamelessActs {
        /// How many.
        acts: f64,
        /// How many count beside them.
        counted: f64,
        /// The sources they are from, in order of name.
        sources: Vec<SourceId>,
    },
    /// Sources report in different currencies, which are never added.
    MixedCurrencies {
        /// The codes seen.
        currencies: Vec<String>,
    },
    /// Settled days of one source begin and end in different time zones: they are days of different hours.
    MixedZones {
        /// Which source.
        source: SourceId,
        /// The zones seen.
        zones: Vec<String>,
    },
    /// Acts and exposures are counted by days of two zones.
    DayZones {
        /// A source of the acts.
        acts: SourceId,
        /// Its zone.
        acts_zone: String,
        /// A source of the exposures.
        exposures: SourceId,
        /// Its zone.
        exposures_zone: String,
    },
    /// A source shows much less of settled days than when they were read before, twice in a row.
    FewerRows {
        /// Which source.
        source: SourceId,
        /// First of the days.
        first_day: NaiveDate,
        /// Last of them.
        last_day: NaiveDate,
        /// Rows before and after.
        rows: [i64; 2],
        /// What else was compared.
        metric: Option<MetricId>,
        /// How much of it before and after, in its units.
        amounts: [f64; 2],
        /// The day it was first seen, in the experiment's zone.
        seen_on: NaiveDate,
    },
    /// Visitors are not split between the arms as the policy says they are.
    UnevenSplit {
        /// The settled day whose counts first showed it.
        since: NaiveDate,
        /// Each arm's visitors on settled days, and the share of them it was meant to get.
        arms: Vec<(ArmId, f64, f64)>,
    },
    /// Over a stretch of days far fewer or more visits were counted than clicks.
    TrackingGap {
        /// Of which arm.
        arm: ArmId,
        /// First of the days.
        first_day: NaiveDate,
        /// Last of them.
        last_day: NaiveDate,
        /// Clicks on them.
        clicks: f64,
        /// Visits on them.
        visits: f64,
    },
    /// A count stayed at zero for days on which the one before it in the funnel went on.
    TrackingBroken {
        /// Of which arm.
        arm: ArmId,
        /// What went on.
        from: MetricId,
        /// How much of it, in its units.
        passed: f64,
        /// What stayed at zero.
        to: MetricId,
        /// How much of that was to be expected.
        expected: f64,
        /// First of the days.
        first_day: NaiveDate,
        /// Last of them.
        last_day: NaiveDate,
        /// Whether no later day has any either.
        lasts: bool,
    },
    /// Days with far more than the other days explain.
    BotBurst {
        /// Of which arm.
        arm: ArmId,
        /// Of what.
        metric: MetricId,
        /// How much on those days together, in its units.
        count: f64,
        /// How much the other days lead one to expect.
        expected: f64,
        /// Which days, in order.
        days: Vec<NaiveDate>,
    },
    /// Much of what had counted has changed since.
    Restated {
        /// What moved most.
        metric: MetricId,
        /// How much of it came or went, all days and versions together, in its units.
        moved: f64,
        /// Of how much.
        of: f64,
        /// On how many days.
        days: u32,
        /// First of them.
        first_day: NaiveDate,
        /// Last of them.
        last_day: NaiveDate,
    },
    /// On many settled days there are more acts than people, or more clicks than impressions.
    ImpossibleCounts {
        /// On how many days of an arm.
        arm_days: u32,
        /// Of how many with any counts.
        of: u32,
        /// Some of them, latest first: `a on 2026-03-04: 12 sign-ups of 10 visitors`.
        examples: Vec<String>,
    },
}

impl Reason {
    /// Its name, as in JSON.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Insufficient => "insufficient",
            Self::Undecided => "undecided",
            Self::Srm => "srm",
            Self::Guardrail { .. } => "guardrail",
            Self::CapReached { .. } => "cap_reached",
            Self::Portfolio(_) => "portfolio",
            Self::ArmsDisagree => "arms_disagree",
            Self::NoData { .. } => "no_data",
            Self::Stale { .. } => "stale",
            Self::UnmappedSpend { .. } => "unmapped_spend",
            Self::UnmappedActs { .. } => "unmapped_acts",
            Self::NamelessActs { .. } => "nameless_acts",
            Self::MixedCurrencies { .. } => "mixed_currencies",
            Self::MixedZones { .. } => "mixed_zones",
            Self::DayZones { .. } => "day_zones",
            Self::FewerRows { .. } => "fewer_rows",
            Self::UnevenSplit { .. } => "uneven_split",
            Self::TrackingGap { .. } => "tracking_gap",
            Self::TrackingBroken { .. } => "tracking_broken",
            Self::BotBurst { .. } => "bot_burst",
            Self::Restated { .. } => "restated",
            Self::ImpossibleCounts { .. } => "impossible_counts",
        }
    }
}

/// Something about the counts a reader must know; prints as its name in `snake_case`.
/// In order of name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Flag {
    /// Residuals of successive days go together (statistics.md section 14, limit 4): provisional.
    AutocorrelatedDays,
    /// A day with more acts than visitors was cut; BUILD is withheld.
    ConversionsExceedVisits,
    /// A day with acts but no visitors was ignored; BUILD is withheld.
    ConversionsWithoutExposure,
    /// Acts of the deciding rate are modelled or shared among clicks, so they need not be whole.
    FractionalConversions,
    /// A day of it changed by over a fifth after it had counted.
    RestatedDays,
    /// Visits are under 80 % of the clicks, or over 110 %.
    TrackingGap,
    /// No act at all: check the tracking before believing a KILL.
    ZeroConversions,
}

/// What the test saw for one arm, over settled days.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// Active settled days.
    pub days: u32,
    /// Exposures (visits), after the clamp of statistics.md section 7.
    pub trials: f64,
    /// Acts.
    pub successes: f64,
    /// successes ÷ trials; `None` without trials.
    pub estimate: Option<f64>,
    /// Lower end of the anytime interval.
    pub low: Option<f64>,
    /// Upper end of the anytime interval.
    pub high: Option<f64>,
    /// `L_build`: evidence for BUILD on the log scale, dispersion divided out.
    pub log_e_build: Option<f64>,
    /// `−L_kill`: evidence for KILL on the log scale, dispersion divided out.
    pub log_e_kill: Option<f64>,
    /// `log_e_build` at which BUILD is reached.
    pub build_at: Option<f64>,
    /// `log_e_kill` at which KILL is reached.
    pub kill_at: Option<f64>,
    /// Dispersion on the BUILD side, at least 1.
    pub phi: Option<f64>,
    /// What a reader must know about the counts.
    pub flags: Vec<Flag>,
}

/// One arm's part of a scorecard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ArmScore {
    /// Which arm.
    pub arm: ArmId,
    /// Where it stands.
    pub verdict: Verdict,
    /// Why not BUILD or KILL.
    pub reason: Option<Reason>,
    /// The as-of day on which a terminal verdict was first reached.
    pub since: Option<NaiveDate>,
    /// What the test saw.
    pub evidence: Evidence,
    /// Settled spend, where a source supplies it.
    pub spend: Option<Money>,
    /// Settled spend ÷ acts; `None` without spend or acts.
    pub cost_per_act: Option<Money>,
    /// Each guardrail as this arm's own test sees it, in the policy's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub guardrails: Vec<GuardrailScore>,
}

/// A guardrail as it stands, for one arm or over all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GuardrailScore {
    /// Its name.
    pub name: String,
    /// Observed numerator ÷ denominator.
    pub value: Option<f64>,
    /// Lower end of the range dual to its arm's own test: at or above an upper limit exactly when that is breached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub low: Option<f64>,
    /// Upper end: at or below a lower limit exactly when that is breached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub high: Option<f64>,
    /// The limit as set.
    pub limit: f64,
    /// `true` for an upper limit.
    pub is_max: bool,
    /// Whether its own sequential test shows a breach.
    pub breached: bool,
}

/// What the tested arms' ads spent from the day of the verdict on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpendAfter {
    /// The day of the verdict, the first that counts.
    pub since: NaiveDate,
    /// From that day to the last known, settled or not.
    pub total: Money,
    /// The part of it on settled days.
    pub settled: Money,
    /// The last whole day that every source of spend has told.
    pub last_day: NaiveDate,
    /// What was spent on it, provisional like every young day; nothing once the ads have stopped.
    pub on_last_day: Money,
    /// Keys (campaigns or ads, as the arms name them) that spent on it.
    pub ads: u32,
}

/// A field of a source that stood in no row when last read: a zero, or renamed by the vendor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unseen {
    /// Which source.
    pub source: SourceId,
    /// What is counted there.
    pub metric: MetricId,
    /// Its path in a row.
    pub path: String,
    /// Rows in which it was looked for, at least one.
    pub rows: u64,
    /// The last day of the test that had some; `None` for none so far.
    pub last_day: Option<NaiveDate>,
}

/// One stored verdict, never changed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scorecard {
    /// Which concept.
    pub concept: ConceptId,
    /// Which test of it: a changed policy opens the next.
    pub generation: u32,
    /// The instant it speaks for.
    pub as_of: DateTime<Utc>,
    /// Last day old enough to count, in the experiment's zone.
    pub last_settled_day: NaiveDate,
    /// The concept's verdict.
    pub verdict: Verdict,
    /// Why, one or more unless BUILD or KILL.
    pub reasons: Vec<Reason>,
    /// Every arm but the control, in order of name.
    pub arms: Vec<ArmScore>,
    /// Every guardrail.
    pub guardrails: Vec<GuardrailScore>,
    /// Settled spend of all arms, where a source supplies it.
    pub spend: Option<Money>,
    /// What the ads went on spending after BUILD, KILL or REVIEW.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spend_after: Option<SpendAfter>,
    /// What a BUILD beside other concepts was given with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<Given>,
    /// What others may count on, day by day, from the first look at which it would have been enough for BUILD alone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proof: Vec<Proof>,
    /// Of several versions of a concept with BUILD, those not ruled out as the best, the highest estimate first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub best: Vec<ArmId>,
    /// Spend and keys no arm claims, where there are any.
    pub unmapped: Option<Reason>,
    /// Fields of the deciding rate that stood in no row when last read, so that they count as zero.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unseen: Vec<Unseen>,
    /// What the operator says of days that have settled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub day_notes: Vec<DayNote>,
    /// What people had decided in this test, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub decisions: Vec<Decision>,
    /// SHA-256 of the policy, in hex.
    pub policy_hash: String,
    /// SHA-256 of the settled series, in hex.
    pub data_hash: String,
    /// The program that decided.
    pub program_version: String,
}

impl Scorecard {
    /// The decisions that raised a cap.
    pub fn raises(&self) -> impl Iterator<Item = &Decision> {
        self.decisions.iter().filter(|decision| decision.choice == Choice::Extend)
    }
}

/// A scorecard as the store keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StoredScorecard {
    /// Orders verdicts of all concepts.
    pub id: i64,
    /// The one it takes the place of, when its verdict differs.
    pub replaces: Option<i64>,
    /// Last pull whose data it saw; 0 for none.
    pub known_at: i64,
    /// What was decided.
    #[serde(flatten)]
    pub scorecard: Scorecard,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_the_json() {
        let withheld = Withheld { concepts: 3, builds: 1, evidence: 3.5, needed: 4.1 };
        let cap = Reason::CapReached { lean: Some(Lean::Kill) };
        for reason in [Reason::Undecided, cap, Reason::ArmsDisagree, Reason::Portfolio(withheld)] {
            assert_eq!(serde_json::to_value(&reason).unwrap()["reason"], reason.word());
        }
    }

    #[test]
    fn flags_sort_by_name() {
        let mut flags = [
            Flag::ZeroConversions,
            Flag::TrackingGap,
            Flag::RestatedDays,
            Flag::FractionalConversions,
            Flag::ConversionsWithoutExposure,
            Flag::ConversionsExceedVisits,
            Flag::AutocorrelatedDays,
        ];
        flags.sort_unstable();
        assert!(flags.map(|flag| serde_json::to_value(flag).unwrap().to_string()).is_sorted(), "{flags:?}");
    }
}
