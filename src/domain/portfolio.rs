//! Several concepts at once: how their BUILDs share the risk of being wrong, and what a verdict may know of the other
//! concepts. The rule itself is `decide::portfolio`.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::verdict::{Reason, Scorecard, Verdict};

/// How the BUILDs of several concepts share the risk of being wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FalseBuildRate {
    /// Of all BUILDs of concepts begun together, at most alpha are wrong on average.
    Together,
    /// Each concept has alpha for itself, as all had before they could share it.
    #[default]
    Each,
}

impl FalseBuildRate {
    /// Whether it is the one that stored setups do not name. By reference, as serde asks it.
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "the form serde's skip_serializing_if asks for")]
    pub fn is_each(&self) -> bool {
        *self == Self::Each
    }
}

/// A BUILD that one concept alone would have, and that all concepts together withhold.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Withheld {
    /// Concepts ever tested, this one too.
    pub concepts: usize,
    /// BUILDs there would be with this one.
    pub builds: usize,
    /// The concept's log e-value: evidence of its best arm, shared among its arms, without correction for daily looks.
    pub evidence: f64,
    /// The log e-value that BUILD takes.
    pub needed: f64,
}

impl Withheld {
    /// The evidence beyond ln(1/alpha), by which concepts of different alpha are compared.
    pub fn excess(&self) -> f64 {
        self.evidence - self.needed + ratio(self.concepts, self.builds).ln()
    }
}

/// What a BUILD beside other concepts was given with. It stays as long as the days that were known then still carry it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Given {
    /// The concept's log e-value beyond ln(1/alpha) on that day: what others count on.
    pub excess: f64,
    /// The log e-value that it took; `None` where it took no more than alone.
    pub needed: Option<f64>,
    /// The last settled day of the first look at which that much would do.
    pub from: NaiveDate,
}

/// What a concept's evidence came to from a settled day on, until the day of the next.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Proof {
    /// The last settled day of a look.
    pub from: NaiveDate,
    /// The log e-value beyond ln(1/alpha) of a concept that would have BUILD alone at that look.
    pub excess: Option<f64>,
}

impl Proof {
    /// What stands on a day.
    pub fn on(all: &[Self], day: NaiveDate) -> Option<f64> {
        all[..all.partition_point(|one| one.from <= day)].last()?.excess
    }
}

/// What another concept's latest verdict shows of its evidence.
#[derive(Clone, Debug, PartialEq)]
pub struct Peer {
    /// In order of day.
    pub proof: Vec<Proof>,
    /// The last day it speaks for; `None` where the last one stands for good.
    pub until: Option<NaiveDate>,
    /// The instant of that verdict; `None` of a BUILD, which stands also where nobody judges it any more.
    pub judged: Option<DateTime<Utc>>,
}

impl Peer {
    /// What a verdict shows; `None` where no day of it would have been enough alone.
    pub fn of(card: &Scorecard) -> Option<Self> {
        let excess = card.beyond_own()?;
        let from = card.given.map_or(card.last_settled_day, |given| given.from);
        // Verdicts of before evidence was kept day by day.
        let last = || vec![Proof { from, excess: Some(excess) }];
        Some(Self {
            proof: if card.proof.is_empty() { last() } else { card.proof.clone() },
            until: (card.verdict == Verdict::Collecting).then_some(card.last_settled_day),
            judged: (card.verdict != Verdict::Build).then_some(card.as_of),
        })
    }
}

/// One count ÷ another.
#[expect(clippy::cast_precision_loss, reason = "nobody tests 2^53 concepts")]
pub fn ratio(one: usize, other: usize) -> f64 {
    one as f64 / other as f64
}

/// What a verdict knows of other concepts: how many there are, and their latest stored verdicts of earlier instants. Those
/// decided for the same instant do not know each other's, so that their order changes nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Others {
    /// The last verdict on any concept that was known; 0 for none.
    pub known: i64,
    /// Concepts ever tested, this one too.
    pub concepts: usize,
    /// Those others that have BUILD, or would have had it alone.
    pub peers: Vec<Arc<Peer>>,
    /// The latest verdict before on this test itself that was not BLOCKED.
    pub before: Option<Box<Scorecard>>,
}

impl Scorecard {
    /// The BUILD that is withheld, where one is.
    pub fn withheld(&self) -> Option<Withheld> {
        self.reasons.iter().find_map(Reason::withheld)
    }

    /// The log e-value that other concepts count on, beyond ln(1/alpha) of its own: what a BUILD was given with, or what one
    /// that is withheld had last.
    pub fn beyond_own(&self) -> Option<f64> {
        let last = || self.proof.iter().rev().find_map(|proof| proof.excess);
        let withheld = || self.withheld().map(|withheld| withheld.excess());
        self.given.map(|given| given.excess).or_else(last).or_else(withheld)
    }
}

impl Reason {
    /// The BUILD that is withheld, where that is the reason.
    pub fn withheld(&self) -> Option<Withheld> {
        match self {
            Self::Portfolio(withheld) => Some(*withheld),
            _ => None,
        }
    }
}
