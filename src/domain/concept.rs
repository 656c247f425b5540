//! What is tested and what would convince us: concept, arms, sources, policy.

use std::collections::{BTreeMap, BTreeSet};

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use super::audience::Audience;
use super::day_note::{DayNote, Word};
pub use super::economics::{Habit, MoneyInputs};
use super::icp::IcpRule;
use super::id::{ArmId, ConceptId, DestinationId, SourceId};
use super::metric::MetricId;
use super::money::{Currency, Money};
use super::portfolio::FalseBuildRate;
use super::response::Depth;
use super::schedule::Schedule;

/// The product idea being judged.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Concept {
    /// What commands call it.
    pub id: ConceptId,
    /// What people call it.
    pub title: String,
    /// At least X % of Y will do Z at price P.
    pub hypothesis: String,
}

/// One test of a concept, with a start and a stop. Stored with every verdict it led to: a new field needs a default, so
/// that older ones can still be read.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Experiment {
    /// What is tested.
    pub concept: Concept,
    /// When to pull and decide.
    pub schedule: Schedule,
    /// Zone of the schedule, of `start` and `stop`, and of days cut from instants.
    pub timezone: Tz,
    /// First day that counts.
    pub start: NaiveDate,
    /// Last day that counts, where set.
    pub stop: Option<NaiveDate>,
    /// Versions shown to people, in order of name.
    pub arms: Vec<Arm>,
    /// What it reads.
    pub sources: Vec<Source>,
    /// Who is told of everything.
    pub notify: Vec<DestinationId>,
    /// Who is told of some of it. No part of what a verdict is decided with.
    #[serde(skip)]
    pub audiences: Vec<Audience>,
    /// What would convince us.
    pub policy: Policy,
    /// What building it would cost and bring, where the user says.
    pub money: MoneyInputs,
    /// How its BUILD shares the risk of being wrong with those of other concepts.
    #[serde(default, skip_serializing_if = "FalseBuildRate::is_each")]
    pub false_build_rate: FalseBuildRate,
    /// What the operator says of days; no two overlap.
    #[serde(default)]
    pub day_notes: Vec<DayNote>,
    /// Domains of the user's own people, whose acts count for nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub internal: Vec<String>,
    /// The person who decides, with role; printed in messages.
    pub owner: Option<String>,
    /// Days a person has to decide after a verdict.
    pub decide_within_days: u32,
}

impl Experiment {
    /// What the operator says of a day.
    pub fn word_on(&self, day: NaiveDate) -> Option<Word> {
        self.day_notes.iter().find(|note| note.covers(day)).map(|note| note.word)
    }
}

/// One version shown to people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Arm {
    /// Its name.
    pub id: ArmId,
    /// What people call it.
    pub title: String,
    /// An existing offer run beside it: read, never judged.
    pub control: bool,
    /// What the offer costs in it, where versions differ in price.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Money>,
    /// The vendor keys that belong to it, by source; those with `*` are patterns.
    pub keys: BTreeMap<SourceId, Vec<String>>,
    /// Last day that counts for it, where it was taken out while its test ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<NaiveDate>,
}

/// What the decision may know of a source; settings and secrets are not among it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Its name.
    pub id: SourceId,
    /// Which connector reads it.
    pub connector: String,
    /// Where people came from.
    pub channel: Option<String>,
    /// Age in days from which a day counts.
    pub maturity_lag_days: u32,
    /// What it counts.
    pub metrics: Vec<MetricId>,
    /// What it counts too and another source counts better: not read.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub leave_out: BTreeSet<MetricId>,
    /// How deep the acts go that it hands over with the people who did them, so that nobody counts twice; `None` where it
    /// hands over counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub people: Option<Depth>,
    /// The same, where the user knows better: it then holds for every act.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depth: Option<Depth>,
    /// Those acts never say who did them, so each counts by itself, and beside no other source of the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub nameless: bool,
    /// Those acts say who did them by names of the source's own, so each person counts once, but beside no other source of
    /// the same.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub names_apart: bool,
    /// Those of them that may be fractions: modelled by the vendor, or one act shared among several clicks.
    pub fractional: Vec<MetricId>,
    /// Whether the schedule pulls it; otherwise a person imports files into it.
    pub scheduled: bool,
    /// Keys and patterns that are none of this experiment's business: other experiments' arms claim them, or the user set
    /// them aside. Neither an arm's nor unmapped.
    pub set_aside: BTreeSet<String>,
    /// Up to this day, that it shows less than before, or other figures of settled days, is known and meant.
    pub accept_shrink: Option<NaiveDate>,
}

/// Successes per exposures, from two metrics.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rate {
    /// Its name, as in `[experiment.X.rate.NAME]`.
    pub name: String,
    /// What people did.
    pub numerator: MetricId,
    /// What they could have done it on.
    pub denominator: MetricId,
}

/// How day-to-day noise is paid for (statistics.md section 3).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dispersion {
    /// Estimated, allowing for shocks that persist over days.
    Auto,
    /// Estimated, for days known to be independent.
    Independent,
    /// None: every visitor counts in full.
    None,
    /// A known long-run dispersion, at least 1.
    Known(f64),
}

/// Whether the once-a-day overshoot is corrected for (statistics.md section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Boundary {
    /// Siegmund's correction for a boundary looked at once a day.
    Daily,
    /// No correction.
    Strict,
}

/// How several arms share the error (statistics.md section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Multiplicity {
    /// alpha ÷ number of arms.
    Bonferroni,
    /// alpha for each arm.
    None,
}

/// Which question decides (statistics.md section 2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Model {
    /// Acts per visitor, bars as shares.
    #[default]
    Rate,
    /// What an act costs, bars as money per act: the build bar is the smaller.
    Cpa,
    /// A version's rate ÷ the control's, bars as ratios.
    Compare,
}

impl Model {
    /// Whether it is the one that policies do not name. By reference, as serde asks it.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "the form serde's skip_serializing_if asks for")]
    fn is_rate(&self) -> bool {
        *self == Self::Rate
    }
}

/// How traffic is meant to be split, where the split is ours (statistics.md section 10).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Srm {
    /// Each arm's share, positive and together 1.
    pub expected: BTreeMap<ArmId, f64>,
    /// Chance of a false alarm.
    pub alpha: f64,
    /// How close to the shares a fault is looked for.
    pub concentration: f64,
}

/// Which side of a guardrail is harm.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Harm above.
    Max(f64),
    /// Harm below.
    Min(f64),
}

/// A limit that must hold for BUILD.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Guardrail {
    /// Its name.
    pub name: String,
    /// What is limited…
    pub numerator: MetricId,
    /// …per what.
    pub denominator: MetricId,
    /// The limit.
    pub limit: Limit,
    /// How far beyond the limit harm begins, as a share: 0.25.
    pub margin: f64,
}

/// What would convince us, fixed before the start. Its fingerprint stands on every verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// The rate that decides.
    pub primary: Rate,
    /// Break-even: a share, units of a currency per act, or a ratio, as the model asks.
    pub kill_bar: f64,
    /// Worth finding, likewise.
    pub build_bar: f64,
    /// Chance of BUILD at or below the kill bar.
    pub alpha: f64,
    /// Chance of KILL at or above the build bar.
    pub beta: f64,
    /// Active settled days before any verdict.
    pub min_days: u32,
    /// Exposures per arm before any verdict.
    pub min_exposures: u64,
    /// Acts per arm before BUILD.
    pub min_conversions: u64,
    /// Age in days from which a day counts: the largest among the sources of the primary rate.
    pub maturity_lag_days: u32,
    /// Active settled days after which the test is at its cap.
    pub horizon_days: u32,
    /// Settled spend after which the test is at its cap, for the concept, split equally among arms.
    pub budget_cap: Option<Money>,
    /// How day noise is paid for.
    pub dispersion: Dispersion,
    /// Correction for looking once a day.
    pub boundary: Boundary,
    /// How arms share alpha.
    pub multiplicity: Multiplicity,
    /// Limits that must hold for BUILD.
    pub guardrails: Vec<Guardrail>,
    /// Error rate of a guardrail's breach.
    pub guardrail_alpha: f64,
    /// Which question decides.
    // Left out of the fingerprint where it is the one policies had before there were others; so are the next three.
    #[serde(default, skip_serializing_if = "Model::is_rate")]
    pub model: Model,
    /// What the bars are in, where they are money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bar_currency: Option<Currency>,
    /// The split to watch, where it is ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub srm: Option<Srm>,
    /// Who the concept is for: a qualified sign-up passes all of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub icp: Vec<IcpRule>,
}
