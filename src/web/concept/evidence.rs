//! How much evidence there is, as a share of what a verdict needs.

use maud::Markup;

use super::Concept;
use crate::decide::figures;
use crate::domain::verdict::{ArmScore, Evidence, Verdict};
use crate::web::chart::{Tone, Words, meter};

/// The evidence as a share of what a verdict needs.
#[derive(Clone, Debug, PartialEq)]
pub struct Meter {
    /// BUILD or KILL, the nearer.
    pub towards: Option<Tone>,
    /// Evidence ÷ what is needed.
    pub share: f64,
    /// `62% of what is needed`.
    pub said: String,
}

impl Meter {
    /// Of one version.
    pub fn of(concept: &Concept, arm: &ArmScore) -> Self {
        let share = |evidence: Option<f64>, needed: Option<f64>| {
            Some(evidence? / needed?).filter(|share| share.is_finite() && *share > 0.0)
        };
        let Evidence { log_e_build, build_at, log_e_kill, kill_at, .. } = arm.evidence;
        let sides = [(Tone::Build, share(log_e_build, build_at)), (Tone::Kill, share(log_e_kill, kill_at))];
        // A verdict that was reached is shown, whichever side the later days lean to.
        let reached = match arm.verdict {
            Verdict::Build => Some(Tone::Build),
            Verdict::Kill => Some(Tone::Kill),
            _ => None,
        };
        let known = sides.into_iter().filter_map(|(tone, share)| Some((tone, share?)));
        let known = known.filter(|(tone, _)| reached.is_none_or(|reached| reached == *tone));
        match known.max_by(|one, other| one.1.total_cmp(&other.1)) {
            Some((tone, share)) => {
                let said = if share >= 1.0 {
                    format!("{share:.1} times what is needed")
                } else {
                    format!("{} of what is needed", figures::share(share))
                };
                Self { towards: Some(tone), share, said }
            }
            None if concept.card().verdict == Verdict::Blocked => {
                Self { towards: None, share: 0.0, said: "withheld".to_owned() }
            }
            None => Self { towards: None, share: 0.0, said: "none so far".to_owned() },
        }
    }

    fn word(&self) -> &'static str {
        if self.towards == Some(Tone::Kill) { "KILL" } else { "BUILD" }
    }

    fn heading(&self, arm: &ArmScore) -> String {
        let word = self.word();
        match self.towards {
            None if self.said == "withheld" => "Evidence: withheld".to_owned(),
            None => "Evidence: none either way so far".to_owned(),
            Some(_) if self.share >= 1.0 && matches!(arm.verdict, Verdict::Build | Verdict::Kill) => {
                format!("Evidence: more than enough for {word}")
            }
            Some(_) if self.share >= 1.0 => format!("Evidence: enough for {word}, but more is asked"),
            Some(_) => format!("Evidence leans to {word}"),
        }
    }

    /// As drawn.
    pub fn figure(&self, arm: &ArmScore) -> Markup {
        let heading = self.heading(arm);
        let description = match self.towards {
            Some(_) => format!("Evidence for {}: {}.", self.word(), self.said),
            None => format!("Evidence: {}.", self.said),
        };
        let sub = "The test stops when the bar reaches either end. Looking daily does not weaken it.";
        let words = Words { id: "meter", heading: &heading, sub, description: &description };
        meter::Meter { words, towards: self.towards, share: self.share, said: &self.said }.figure()
    }
}
