//! A range against the two bars, small, as it stands in rows. Both bars stand at the same place in every row: zero to break-even
//! and break-even to worth finding are each linear, and beyond goes on at the first scale. Better is always to the right.

use maud::{Markup, html};
use serde::Serialize;

use super::parts;
use crate::decide::{explain, measure};
use crate::domain::concept::{Experiment, Model, Policy};
use crate::domain::verdict::{ArmScore, Scorecard, Verdict};

/// The drawing, in its own units, and how far it keeps from its edges.
const WIDTH: f64 = 300.0;
const HEIGHT: f64 = 34.0;
const MARGIN: f64 = 4.0;

/// Where the bars stand, as parts of the width.
const BREAK_EVEN: f64 = 0.30;
const WORTH_FINDING: f64 = 0.45;

/// One version's range, with the words that go with it.
#[derive(Clone, Debug, Serialize)]
pub struct Range {
    /// Which version, where there are several.
    pub version: Option<String>,
    /// The rate so far, as printed.
    pub rate: Option<String>,
    /// Its range, as printed; `None` where it is withheld, or there is none yet.
    pub range: Option<String>,
    /// Both bars, as printed.
    pub bars: String,
    verdict: Verdict,
    /// Lower end, rate so far and upper end, each as a part of the width.
    #[serde(skip)]
    places: Option<[Option<f64>; 3]>,
}

impl Range {
    /// Of the version that says most about the verdict: of a BUILD the best of them, else the one that may yet be good.
    pub fn of(experiment: &Experiment, card: &Scorecard) -> Self {
        let policy = &experiment.policy;
        let bars =
            format!("bars {} and {}", measure::bar(policy, policy.kill_bar), measure::bar(policy, policy.build_bar));
        let arm = leading(card).filter(|_| card.verdict != Verdict::Blocked);
        let ends = arm.and_then(|arm| explain::ends(&arm.evidence));
        let estimate = arm.and_then(|arm| arm.evidence.estimate);
        let place = |value| place(policy, value);
        Self {
            version: arm.filter(|_| card.arms.len() > 1).map(|arm| explain::name(experiment, &arm.arm).to_owned()),
            rate: estimate.filter(|_| ends.is_some()).map(|estimate| measure::value(policy, estimate)),
            range: ends.map(|ends| measure::range(policy, ends)),
            bars,
            verdict: card.verdict,
            places: ends.map(|(low, high)| {
                let (left, right) = if policy.model == Model::Cpa { (high, low) } else { (low, high) };
                [Some(place(left)), estimate.map(place), Some(place(right))]
            }),
        }
    }

    /// The drawing, with its figures below it.
    pub fn drawn(&self) -> Markup {
        let at = |place: f64| format!("{:.1}", MARGIN + place.clamp(0.0, 1.0) * (WIDTH - 2.0 * MARGIN));
        let middle = HEIGHT / 2.0;
        let label = self.said();
        html! {
            svg.range viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label=(label) {
                line.ground x1=(at(0.0)) x2=(at(1.0)) y1=(middle) y2=(middle) {}
                line.bar x1=(at(BREAK_EVEN)) x2=(at(BREAK_EVEN)) y1="0" y2=(HEIGHT) {}
                line.bar.dashed x1=(at(WORTH_FINDING)) x2=(at(WORTH_FINDING)) y1="0" y2=(HEIGHT) {}
                @if let Some([Some(left), rate, Some(right)]) = self.places {
                    line class={ "ends " (parts::class(self.verdict)) } x1=(at(left)) x2=(at(right)) y1=(middle) y2=(middle) {}
                    @if right > 1.0 {
                        path class={ "on " (parts::class(self.verdict)) } d={ "M" (at(1.0)) " " (middle - 8.0) "l8 8-8 8Z" } {}
                    }
                    @if let Some(rate) = rate {
                        circle class={ "so-far " (parts::class(self.verdict)) } cx=(at(rate)) cy=(middle) r="6" {}
                    }
                }
            }
            div.small {
                @if let Some(version) = &self.version { (version) ": " }
                @match (&self.rate, &self.range) {
                    (Some(rate), Some(range)) => { b { (rate) } " · " span.nobreak { (range) } },
                    (None, Some(range)) => span.nobreak { (range) },
                    _ if self.verdict == Verdict::Blocked => "range withheld",
                    _ => "no range yet",
                }
                " · " span.nobreak { (self.bars) }
            }
        }
    }

    /// The same in words.
    fn said(&self) -> String {
        match (&self.rate, &self.range) {
            (Some(rate), Some(range)) => format!("{rate} so far, range {range}, {}", self.bars),
            (None, Some(range)) => format!("range {range}, {}", self.bars),
            _ if self.verdict == Verdict::Blocked => "no range while blocked".to_owned(),
            _ => "no range yet".to_owned(),
        }
    }
}

/// The version that says most about a verdict.
pub fn leading(card: &Scorecard) -> Option<&ArmScore> {
    let best = card.best.first().and_then(|best| card.arms.iter().find(|arm| arm.arm == *best));
    let evidence = |arm: &&ArmScore| arm.evidence.log_e_build.unwrap_or(f64::NEG_INFINITY);
    let of_verdict = || card.arms.iter().filter(|arm| arm.verdict == card.verdict);
    best.or_else(|| of_verdict().max_by(|a, b| evidence(a).total_cmp(&evidence(b))))
        .or_else(|| card.arms.iter().max_by(|a, b| evidence(a).total_cmp(&evidence(b))))
}

/// Where a value stands, as a part of the width: beyond 1 is outside.
fn place(policy: &Policy, value: f64) -> f64 {
    // What an act costs is the better the less it is: as acts for a sum of money it runs as the others do.
    let turned = |value: f64| if policy.model == Model::Cpa { value.recip() } else { value };
    let (value, break_even, worth) = (turned(value), turned(policy.kill_bar), turned(policy.build_bar));
    let beyond = WORTH_FINDING - BREAK_EVEN;
    if value <= break_even {
        BREAK_EVEN * value / break_even
    } else if value <= worth {
        BREAK_EVEN + beyond * (value - break_even) / (worth - break_even)
    } else {
        WORTH_FINDING + BREAK_EVEN * (value - worth) / break_even
    }
}
