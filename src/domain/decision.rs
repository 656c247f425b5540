//! What a person decided after a verdict, and what a verdict was decided with. Neither is ever changed: a change of
//! mind is another decision, a changed configuration another setup.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::concept::Experiment;
use super::id::ConceptId;
use super::money::Money;
use super::verdict::{Generation, Scorecard, Verdict};

/// What a person may choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Choice {
    /// It is built.
    Build,
    /// It is not.
    Kill,
    /// The test may take longer or cost more; the bars stay where they are.
    Extend,
}

impl Choice {
    /// The word as typed and stored.
    pub fn word(self) -> &'static str {
        match self {
            Self::Build => "build",
            Self::Kill => "kill",
            Self::Extend => "extend",
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl Decision {
    /// Whether it was made on what a verdict says, so that the verdict waits for nobody.
    pub fn is_on(&self, card: &Scorecard) -> bool {
        (self.generation, self.verdict) == (card.generation, card.verdict)
    }
}

/// One decision, as recorded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Orders decisions on all concepts; the store gives it.
    #[serde(default)]
    pub id: i64,
    /// On which concept.
    pub concept: ConceptId,
    /// In which test of it.
    pub generation: u32,
    /// What was chosen.
    pub choice: Choice,
    /// Whose decision it is.
    pub by: String,
    /// Why, in that person's words.
    pub reason: String,
    /// When it was recorded.
    pub at: DateTime<Utc>,
    /// The stored verdict the person had before their eyes.
    pub scorecard: i64,
    /// What that verdict was.
    pub verdict: Verdict,
    /// Of an `extend`: by how many active settled days the test may be longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<u32>,
    /// Of an `extend`: how much more may be spent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Money>,
}

impl Decision {
    /// Whether it goes against what the program recommended: BUILD or KILL.
    pub fn is_override(&self) -> bool {
        matches!(
            (self.verdict, self.choice),
            (Verdict::Kill, Choice::Build | Choice::Extend) | (Verdict::Build, Choice::Kill | Choice::Extend)
        )
    }
}

/// All that a verdict was decided with besides the data: no secret is among it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Setup {
    /// As configured on that day.
    pub experiment: Experiment,
    /// The test it speaks of.
    pub generation: Generation,
}

/// Up to where the store was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Last pull whose data was seen; 0 for none.
    pub pull: i64,
    /// Last decision on the concept; 0 for none.
    pub decision: i64,
    /// Last verdict on any concept, where the others were asked for; else 0.
    #[serde(default)]
    pub scorecard: i64,
    /// Concepts ever tested, where the others were asked for; else 0.
    #[serde(default)]
    pub tested: i64,
}

/// Which of the two ways a stored verdict came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Every source had answered.
    Decided,
    /// A source had failed, and one had been silent for too long.
    Stale,
}

/// What a verdict can be derived from again.
#[derive(Clone, Debug)]
pub struct Basis {
    /// `None` for a verdict stored before setups were kept.
    pub setup: Option<Setup>,
    /// How it came about.
    pub cause: Cause,
    /// What had been read.
    pub known: Known,
}
