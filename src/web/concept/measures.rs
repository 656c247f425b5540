//! The measures of a concept, the deciding one first: what each is now, its range, its limit, and what it says.

use maud::Markup;
use serde::Serialize;

use super::Concept;
use super::charts::tone;
use crate::decide::{explain, figures, measure, message, money};
use crate::domain::concept::{Guardrail, Limit, Model};
use crate::domain::metric::{MetricId, Unit};
use crate::domain::millionths;
use crate::domain::verdict::{ArmScore, GuardrailScore, Verdict};
use crate::web::chart::Tone;
use crate::web::chart::tile::{RangeBar, Wrong};

/// Most that are shown.
const MOST: usize = 6;

/// One measure.
#[derive(Clone, Debug, Serialize)]
pub struct Measure {
    /// What it is called.
    pub name: String,
    /// `decides`, `✓ holds`, `breached`, `explains`, `context`.
    pub status: &'static str,
    /// What it is now.
    pub value: String,
    /// What that is made of: `74 of 1,240 visitors`.
    pub counts: String,
    /// Its range, where it has one.
    pub range: Option<String>,
    /// Its limit, where it has one: `above 3.0%`, `at most $84`.
    pub limit: Option<String>,
    /// One sentence of meaning.
    pub meaning: String,
    #[serde(skip)]
    bar: Option<Bar>,
}

#[derive(Clone, Debug)]
struct Bar {
    range: [f64; 3],
    limit: (f64, String),
    wrong: Wrong,
    tone: Tone,
    most: Option<f64>,
}

impl Measure {
    /// Whether it is the one that decides.
    pub fn decides(&self) -> bool {
        self.status == "decides"
    }

    /// Its range against its limit, where it has both.
    pub fn drawn(&self) -> Option<Markup> {
        let Bar { range, limit: (limit, words), wrong, tone, most } = self.bar.as_ref()?;
        let range_said = self.range.as_deref().unwrap_or("no range");
        let label = format!("{}: {}, range {range_said}, {words}", self.name, self.value);
        Some(
            RangeBar { label: &label, range: *range, limit: (*limit, words), wrong: *wrong, tone: *tone, most: *most }
                .drawn(),
        )
    }
}

/// All of the leading version, at most six.
pub fn measures(concept: &Concept) -> Vec<Measure> {
    let Some(arm) = concept.lead() else { return Vec::new() };
    let mut all = vec![deciding(concept, arm)];
    let (rails, scores) = (&concept.experiment().policy.guardrails, &arm.guardrails);
    let scores = if scores.is_empty() { &concept.card().guardrails } else { scores };
    all.extend(rails.iter().zip(scores).map(|(rail, score)| guardrail(concept, arm, rail, score)));
    all.extend(cost(concept, arm));
    all.extend(deeper(concept, arm));
    all.extend(share(
        concept,
        arm,
        ("Visits per click", "health"),
        [MetricId::VISITS, MetricId::CLICKS],
        "Whether clicks arrive and are counted. Never decides.",
    ));
    all.extend(share(
        concept,
        arm,
        ("Click-through rate", "context"),
        [MetricId::CLICKS, MetricId::IMPRESSIONS],
        "Interest in the message. Never decides.",
    ));
    all.truncate(MOST);
    all
}

fn deciding(concept: &Concept, arm: &ArmScore) -> Measure {
    let experiment = concept.experiment();
    let policy = &experiment.policy;
    let evidence = &arm.evidence;
    let name = match policy.model {
        Model::Rate => "Conversion rate".to_owned(),
        Model::Cpa => format!("Cost per {}", policy.primary.numerator.metric().noun),
        Model::Compare => format!("Beside {}", explain::control(experiment)),
    };
    let break_even = measure::bar(policy, policy.kill_bar);
    let meaning = match policy.model {
        Model::Cpa => format!("What one {} costs.", policy.primary.numerator.metric().noun),
        _ => format!(
            "{} that {}.",
            figures::capital(&figures::many(policy.primary.denominator)),
            explain::did(experiment)
        ),
    };
    let bar = explain::ends(evidence).zip(evidence.estimate).map(|((low, high), value)| Bar {
        range: [low, value, high],
        limit: (policy.kill_bar, format!("break-even {break_even}")),
        wrong: if policy.model == Model::Cpa { Wrong::Above } else { Wrong::Below },
        tone: tone(arm.verdict),
        most: None,
    });
    let value = concept
        .rate(arm)
        .unwrap_or_else(|| if concept.card().verdict == Verdict::Blocked { "withheld" } else { "not yet" }.to_owned());
    Measure {
        name,
        status: "decides",
        value,
        counts: measure::counts(policy, evidence.successes, evidence.trials),
        range: concept.range(arm),
        limit: Some(format!("{} {break_even}", measure::good_side(policy))),
        meaning,
        bar,
    }
}

fn guardrail(concept: &Concept, arm: &ArmScore, rail: &Guardrail, score: &GuardrailScore) -> Measure {
    let experiment = concept.experiment();
    let currency = concept.card().spend.map(|spend| spend.currency);
    let print = |value| explain::guardrail_figure(rail.numerator, value, currency);
    let limit = explain::limit_figure(rail.numerator, score.limit, currency);
    let ends = score.low.zip(score.high);
    let range = ends.map(|(low, high)| range_said(rail, [low, high], &print));
    let straddles = ends.is_some_and(|(low, high)| low < score.limit && score.limit < high);
    let (status, meaning) = match (score.breached, explain::is_beyond(score)) {
        (true, _) => ("breached", "The whole range is past the limit."),
        (false, true) => ("not breached", "Past the limit, but that may be chance."),
        (false, false) if straddles => ("✓ holds", "No sign of a breach, not yet proof."),
        (false, false) if ends.is_some() => ("✓ holds", "The whole range keeps to the limit."),
        (false, false) => ("✓ holds", "No sign of a breach."),
    };
    let counts = if message::is_cost(experiment, rail) {
        concept.card().spend.map(|spend| format!("{spend} for {}", figures::count(arm.evidence.successes)))
    } else {
        None
    };
    Measure {
        name: figures::capital(&rail.name),
        status: if score.value.is_none() { "nothing counted" } else { status },
        value: score.value.map_or_else(|| "none yet".to_owned(), print),
        counts: counts
            .unwrap_or_else(|| format!("{} ÷ {}", figures::many(rail.numerator), figures::many(rail.denominator))),
        range,
        limit: Some(format!("at {} {limit}", if score.is_max { "most" } else { "least" })),
        meaning: meaning.to_owned(),
        bar: ends.zip(score.value).map(|((low, high), value)| Bar {
            range: [low, value, high],
            limit: (score.limit, format!("limit {limit}")),
            wrong: if matches!(rail.limit, Limit::Max(_)) { Wrong::Above } else { Wrong::Below },
            tone: Tone::Ink,
            most: (rail.numerator.metric().unit == Unit::Count && score.limit < 1.0).then_some(1.0),
        }),
    }
}

/// `43 to 100%`, `$30 to $64`.
fn range_said(rail: &Guardrail, [low, high]: [f64; 2], print: &dyn Fn(f64) -> String) -> String {
    let [low_said, high_said] = [low, high].map(print);
    match rail.numerator.metric().unit {
        Unit::Count if low_said.ends_with('%') && !low_said.contains("under") => {
            format!("{} to {high_said}", low_said.trim_end_matches('%'))
        }
        _ => format!("{low_said} to {high_said}"),
    }
}

/// What one act costs, where no limit says it and it does not decide.
fn cost(concept: &Concept, arm: &ArmScore) -> Option<Measure> {
    let experiment = concept.experiment();
    let policy = &experiment.policy;
    if policy.model == Model::Cpa
        || policy.guardrails.iter().any(|rail| message::is_cost(experiment, rail))
        || concept.card().verdict == Verdict::Blocked
    {
        return None;
    }
    let cost = money::cost_per_act([arm])?;
    let noun = policy.primary.numerator.metric().noun;
    let limit = message::cost_limit(experiment, cost);
    let name = format!("Range of the cost per {noun}");
    let range = concept.derivation.money.iter().find(|figure| figure.name == name).map(|figure| figure.result.clone());
    // The range of the rate at the observed cost per visitor (product.md section 3).
    let bar = explain::ends(&arm.evidence).zip(arm.evidence.estimate).zip(limit).map(|(((low, high), rate), limit)| {
        let of = |end: f64| if end > 0.0 { millionths::to_f64(cost.micros) * rate / end } else { f64::INFINITY };
        Bar {
            range: [of(high), of(rate), of(low)],
            limit: (millionths::to_f64(limit.micros), format!("limit {}", limit.as_set())),
            wrong: Wrong::Above,
            tone: Tone::Ink,
            most: None,
        }
    });
    Some(Measure {
        name: format!("Cost per {noun}"),
        status: "explains",
        value: cost.to_string(),
        counts: arm
            .spend
            .map_or_else(String::new, |spend| format!("{spend} for {}", figures::count(arm.evidence.successes))),
        range,
        limit: limit.map(|limit| format!("at most {}", limit.as_set())),
        meaning: "What the ads cost for each, by the same range.".to_owned(),
        bar: bar.filter(|_| policy.model == Model::Rate),
    })
}

/// Acts deeper than the one that decides.
fn deeper(concept: &Concept, arm: &ArmScore) -> Option<Measure> {
    const DEEP: [MetricId; 4] = [MetricId::DEMOS, MetricId::CARDS, MetricId::DEPOSITS, MetricId::ORDERS];
    let decides = concept.experiment().policy.primary.numerator;
    let funnel = concept.derivation.funnel.iter().find(|funnel| funnel.arm == arm.arm)?;
    let mut deep = funnel.steps.iter().filter(|step| DEEP.contains(&step.metric) && step.metric != decides);
    let first = deep.next()?;
    let more: Vec<String> = deep.map(|step| figures::counted(step.count, step.metric)).collect();
    Some(Measure {
        name: figures::capital(&figures::many(first.metric)),
        status: "explains",
        value: figures::count(first.count),
        counts: figures::list(&more),
        range: None,
        limit: None,
        meaning: format!("Acts deeper than a {}: people who gave time or money.", decides.metric().noun),
        bar: None,
    })
}

/// One count per another over settled days.
fn share(
    concept: &Concept,
    arm: &ArmScore,
    (name, status): (&str, &'static str),
    [part, whole]: [MetricId; 2],
    meaning: &str,
) -> Option<Measure> {
    let course = concept.course(arm)?;
    let (part_count, whole_count) = (course.total(part)?, course.total(whole).filter(|&whole| whole > 0.0)?);
    let value = if figures::enough_for_a_share(whole_count) {
        if whole == MetricId::IMPRESSIONS {
            figures::rate(part_count / whole_count, &[])
        } else {
            figures::share(part_count / whole_count)
        }
    } else {
        figures::count(part_count)
    };
    Some(Measure {
        name: name.to_owned(),
        status,
        value,
        counts: format!("{} of {}", figures::count(part_count), figures::counted(whole_count, whole)),
        range: None,
        limit: None,
        meaning: meaning.to_owned(),
        bar: None,
    })
}
