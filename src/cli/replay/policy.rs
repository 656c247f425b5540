//! The JSON policy of `replay --policy`: the keys of the configuration's policy table under the names
//! that recorded counts need. Reports the first problem and what to write instead.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::config::defaults;
use crate::domain::concept::{Boundary, Dispersion, Guardrail, Limit, Model, Multiplicity, Policy, Rate, Srm};
use crate::domain::id::ArmId;
use crate::domain::metric::MetricId;

const KEYS: [&str; 17] = [
    "metric",
    "kill_bar",
    "build_bar",
    "control",
    "alpha",
    "beta",
    "min_days",
    "maturity_lag_days",
    "horizon_days",
    "budget_cap",
    "min_conversions",
    "dispersion",
    "boundary",
    "multiplicity",
    "srm",
    "guardrails",
    "guardrail_alpha",
];
const SRM_KEYS: [&str; 3] = ["expected", "alpha", "concentration"];
const GUARDRAIL_KEYS: [&str; 6] = ["name", "numerator", "denominator", "max", "min", "margin"];

/// A checked policy, and what of it is not in the configuration's form.
pub(super) struct Replayed {
    pub policy: Policy,
    /// The arm that is read and never judged; `compare` compares the others with it.
    pub control: Option<String>,
    /// Settled spend of one arm at which it is at its cap.
    pub arm_budget_cap: Option<f64>,
    /// Numerator and denominator column of each of the policy's guardrails.
    pub guardrail_columns: Vec<[String; 2]>,
    /// Allowed and unwise.
    pub warnings: Vec<String>,
}

/// The file as written. Values keep their JSON form, so that a wrong one can be shown.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Raw {
    metric: Option<Value>,
    kill_bar: Option<Value>,
    build_bar: Option<Value>,
    control: Option<Value>,
    alpha: Option<Value>,
    beta: Option<Value>,
    min_days: Option<Value>,
    maturity_lag_days: Option<Value>,
    horizon_days: Option<Value>,
    budget_cap: Option<Value>,
    min_conversions: Option<Value>,
    dispersion: Option<Value>,
    boundary: Option<Value>,
    multiplicity: Option<Value>,
    srm: Option<Value>,
    guardrails: Option<Value>,
    guardrail_alpha: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct RawGuardrail {
    name: Option<Value>,
    numerator: Option<Value>,
    denominator: Option<Value>,
    max: Option<Value>,
    min: Option<Value>,
    margin: Option<Value>,
}

/// Reads and checks the whole policy.
pub(super) fn read(text: &str) -> Result<Replayed, String> {
    known_keys(&serde_json::from_str(text).map_err(|error| format!("not JSON ({error})"))?, &KEYS, "the policy")?;
    // Read again into its own shape, which also refuses a key that is there twice.
    let raw: Raw = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let models = [("rate", Model::Rate), ("cpa", Model::Cpa), ("compare", Model::Compare)];
    let model = choice("metric", raw.metric.as_ref(), &models)?.unwrap_or_default();
    let (kill_bar, build_bar) = match model {
        Model::Rate => rate_bars(&raw)?,
        Model::Cpa => cost_bars(&raw)?,
        Model::Compare => ratio_bars(&raw)?,
    };
    let control = name("control", raw.control.as_ref())?;
    if model == Model::Compare && control.is_none() {
        return Err("control is missing: metric \"compare\" needs the arm the others are compared with".to_owned());
    }
    let boundaries = [("daily", Boundary::Daily), ("strict", Boundary::Strict)];
    let boundary = choice("boundary", raw.boundary.as_ref(), &boundaries)?.unwrap_or(defaults::BOUNDARY);
    let error = |name: &str, value: Option<&Value>, default: f64| match fraction(name, value)?.unwrap_or(default) {
        error if boundary == Boundary::Daily && error > defaults::LARGEST_DAILY_ERROR => Err(format!(
            "{name} is {error}: write at most {}, for example 0.05; a test looked at once a day decides on nothing beyond it",
            defaults::LARGEST_DAILY_ERROR
        )),
        error => Ok(error),
    };
    let srm = srm(raw.srm.as_ref())?;
    let guardrails = guardrails(raw.guardrails.as_ref())?;
    let policy = Policy {
        primary: match model {
            Model::Rate | Model::Compare => Rate {
                name: "conversions per visit".to_owned(),
                numerator: MetricId::CONVERSIONS,
                denominator: MetricId::VISITS,
            },
            Model::Cpa => Rate {
                name: "conversions per spend".to_owned(),
                numerator: MetricId::CONVERSIONS,
                denominator: MetricId::SPEND,
            },
        },
        kill_bar,
        build_bar,
        alpha: error("alpha", raw.alpha.as_ref(), defaults::ALPHA)?,
        beta: error("beta", raw.beta.as_ref(), defaults::BETA)?,
        min_days: whole("min_days", raw.min_days.as_ref(), 1)?.unwrap_or(defaults::MIN_DAYS),
        min_exposures: 0,
        min_conversions: whole("min_conversions", raw.min_conversions.as_ref(), 0)?
            .unwrap_or(defaults::MIN_CONVERSIONS)
            .into(),
        maturity_lag_days: whole("maturity_lag_days", raw.maturity_lag_days.as_ref(), 0)?
            .unwrap_or(defaults::MATURITY_LAG_DAYS),
        horizon_days: whole("horizon_days", raw.horizon_days.as_ref(), 1)?.unwrap_or(defaults::HORIZON_DAYS),
        budget_cap: None,
        dispersion: dispersion(raw.dispersion.as_ref())?,
        boundary,
        multiplicity: choice(
            "multiplicity",
            raw.multiplicity.as_ref(),
            &[("bonferroni", Multiplicity::Bonferroni), ("none", Multiplicity::None)],
        )?
        .unwrap_or(defaults::MULTIPLICITY),
        guardrails: guardrails.iter().map(|(guardrail, _)| guardrail.clone()).collect(),
        guardrail_alpha: fraction("guardrail_alpha", raw.guardrail_alpha.as_ref())?
            .unwrap_or(defaults::GUARDRAIL_ALPHA),
        model,
        bar_currency: None,
        srm,
        icp: vec![],
    };
    Ok(Replayed {
        control,
        arm_budget_cap: positive("budget_cap", raw.budget_cap.as_ref())?,
        guardrail_columns: guardrails.into_iter().map(|(_, columns)| columns).collect(),
        warnings: warnings(&policy),
        policy,
    })
}

fn rate_bars(raw: &Raw) -> Result<(f64, f64), String> {
    let kill_bar = fraction("kill_bar", raw.kill_bar.as_ref())?
        .ok_or("kill_bar is missing: write the rate at which it only breaks even, such as 0.02")?;
    match fraction("build_bar", raw.build_bar.as_ref())? {
        Some(build_bar) if build_bar <= kill_bar => {
            Err(format!("build_bar is {build_bar}: write a rate above kill_bar, which is {kill_bar}"))
        }
        Some(build_bar) => Ok((kill_bar, build_bar)),
        None if kill_bar * defaults::BUILD_BAR_PER_KILL_BAR >= 1.0 => {
            Err(format!("build_bar is missing, and 1.5 times kill_bar ({kill_bar}) is no rate: write one below 1"))
        }
        None => Ok((kill_bar, kill_bar * defaults::BUILD_BAR_PER_KILL_BAR)),
    }
}

/// Costs of a conversion: the one worth finding is the smaller.
fn cost_bars(raw: &Raw) -> Result<(f64, f64), String> {
    let kill_bar = positive("kill_bar", raw.kill_bar.as_ref())?
        .ok_or("kill_bar is missing: write the cost of a conversion at which it only breaks even, such as 30")?;
    let build_bar = positive("build_bar", raw.build_bar.as_ref())?;
    let build_bar = build_bar.unwrap_or(kill_bar / defaults::KILL_COST_PER_BUILD_COST);
    if build_bar >= kill_bar {
        return Err(format!(
            "build_bar is {build_bar}: write a cost below kill_bar, which is {kill_bar}: a conversion worth finding is the cheaper one"
        ));
    }
    is_apart(kill_bar, build_bar)
}

/// Ratios to the control's rate.
fn ratio_bars(raw: &Raw) -> Result<(f64, f64), String> {
    let kill_bar = positive("kill_bar", raw.kill_bar.as_ref())?.unwrap_or(defaults::KILL_RATIO);
    let build_bar = positive("build_bar", raw.build_bar.as_ref())?.unwrap_or(defaults::BUILD_RATIO);
    if build_bar <= kill_bar {
        return Err(format!("build_bar is {build_bar}: write a ratio above kill_bar, which is {kill_bar}"));
    }
    is_apart(kill_bar, build_bar)
}

/// Refuses bars that no computation can tell apart.
fn is_apart(kill_bar: f64, build_bar: f64) -> Result<(f64, f64), String> {
    let step = (kill_bar / build_bar).ln().abs();
    if step.is_finite() && step > 1e-9 && (1.0 / kill_bar).is_finite() && (1.0 / build_bar).is_finite() {
        return Ok((kill_bar, build_bar));
    }
    Err(format!(
        "kill_bar is {kill_bar} and build_bar {build_bar}: write bars that can be told apart, such as 30 and 20"
    ))
}

/// The split to watch.
fn srm(value: Option<&Value>) -> Result<Option<Srm>, String> {
    let Some(value) = value else { return Ok(None) };
    known_keys(value, &SRM_KEYS, "srm")?;
    let shares = value.get("expected").and_then(Value::as_object);
    let shares = shares
        .ok_or("srm has no expected: write each arm's share, such as {\"expected\": {\"a\": 0.5, \"b\": 0.5}}")?;
    let mut expected = BTreeMap::new();
    for (arm, share) in shares {
        let share = fraction(&format!("srm.expected.{arm}"), Some(share))?.unwrap_or_default();
        expected.insert(ArmId::new(arm.trim()), share);
    }
    // From zero: the sum of no floats is a negative zero, and prints as one.
    let whole = expected.values().fold(0.0, |sum, share| sum + share);
    if expected.len() < 2 || (whole - 1.0).abs() > defaults::SRM_SHARES_ADD_UP_WITHIN {
        return Err(format!("srm.expected adds up to {whole}: write the shares of at least two arms, together 1"));
    }
    for share in expected.values_mut() {
        *share /= whole;
    }
    let alpha = fraction("srm.alpha", value.get("alpha"))?.unwrap_or(defaults::SRM_ALPHA);
    let concentration = positive("srm.concentration", value.get("concentration"))?;
    Ok(Some(Srm { expected, alpha, concentration: concentration.unwrap_or(defaults::SRM_CONCENTRATION) }))
}

fn guardrails(value: Option<&Value>) -> Result<Vec<(Guardrail, [String; 2])>, String> {
    let Some(value) = value else { return Ok(Vec::new()) };
    let list = value.as_array().ok_or("guardrails is not a list: write [{\"name\": …}]")?;
    let mut read: Vec<(Guardrail, [String; 2])> = Vec::with_capacity(list.len());
    for value in list {
        let (guardrail, columns) = guardrail(value).map_err(|problem| format!("guardrails: {problem}"))?;
        if read.iter().any(|(earlier, _)| earlier.name == guardrail.name) {
            return Err(format!("guardrails: two are called {:?}: give each its own name", guardrail.name));
        }
        read.push((guardrail, columns));
    }
    Ok(read)
}

fn guardrail(value: &Value) -> Result<(Guardrail, [String; 2]), String> {
    known_keys(value, &GUARDRAIL_KEYS, "a guardrail")?;
    let raw = RawGuardrail::deserialize(value).map_err(|error| error.to_string())?;
    let required = |key: &'static str, value: Option<&Value>| {
        name(key, value)?.ok_or_else(|| format!("a guardrail has no {key}: write one"))
    };
    let limit = match (positive("max", raw.max.as_ref())?, positive("min", raw.min.as_ref())?) {
        (Some(max), None) => Limit::Max(max),
        (None, Some(min)) => Limit::Min(min),
        _ => return Err("a guardrail needs either max or min: write one of the two".to_owned()),
    };
    let guardrail = Guardrail {
        name: required("name", raw.name.as_ref())?,
        // Any column of the counts may be limited, in the catalogue or not. The judge is handed the two
        // sums of each day and never asks which metrics they were.
        numerator: MetricId::CONVERSIONS,
        denominator: MetricId::VISITS,
        limit,
        margin: positive("margin", raw.margin.as_ref())?.unwrap_or(defaults::GUARDRAIL_MARGIN),
    };
    let columns = [required("numerator", raw.numerator.as_ref())?, required("denominator", raw.denominator.as_ref())?];
    Ok((guardrail, columns))
}

fn dispersion(value: Option<&Value>) -> Result<Dispersion, String> {
    match value {
        None => Ok(defaults::DISPERSION),
        Some(Value::Number(_)) => {
            let known = number("dispersion", value, "a number of at least 1", |phi| phi >= 1.0)?;
            Ok(known.map_or(Dispersion::None, Dispersion::Known))
        }
        Some(_) => {
            let words =
                [("auto", Dispersion::Auto), ("independent", Dispersion::Independent), ("none", Dispersion::None)];
            Ok(choice("dispersion", value, &words)?.unwrap_or(defaults::DISPERSION))
        }
    }
}

/// What the policy's owner should know before trusting a verdict.
fn warnings(policy: &Policy) -> Vec<String> {
    let mut warnings = Vec::new();
    if policy.min_days < defaults::MIN_DAYS {
        warnings.push(format!(
            "min_days is {}: before two whole weeks day-to-day noise cannot be estimated, so wrong verdicts are likelier than alpha and beta say",
            policy.min_days
        ));
    }
    let (larger, smaller, bars) = match policy.model {
        Model::Rate | Model::Compare => (policy.build_bar, policy.kill_bar, "build_bar is more than 5 times kill_bar"),
        Model::Cpa => (policy.kill_bar, policy.build_bar, "build_bar is less than a fifth of kill_bar"),
    };
    if larger > 5.0 * smaller {
        warnings.push(format!("{bars}: two lucky conversions weigh as much as a verdict needs"));
    }
    if policy.srm.is_some() && policy.model != Model::Compare {
        warnings.push("srm is not used: only the metric compare stops for an uneven split".to_owned());
    }
    if policy.beta < defaults::BETA {
        warnings.push(format!(
            "beta is {}: where bad days follow bad days, wrong KILLs are likelier than that; 0.05 holds",
            policy.beta
        ));
    }
    warnings
}

fn known_keys(value: &Value, known: &[&str], of: &str) -> Result<(), String> {
    let object = value.as_object().ok_or_else(|| format!("{of} is not an object: write {{\"key\": value}}"))?;
    match object.keys().find(|key| !known.contains(&key.as_str())) {
        None => Ok(()),
        Some(unknown) => {
            let nearest = nearest(unknown, known.iter().copied()).unwrap_or_default();
            Err(format!("{of} has the unknown key {unknown:?} (did you mean {nearest:?}?)"))
        }
    }
}

/// The known word most like the one written.
pub(super) fn nearest<'k>(written: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let likeness = |word: &str| strsim::jaro_winkler(written, word);
    known.max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
}

fn number(
    name: &str,
    value: Option<&Value>,
    wanted: &str,
    is_right: impl Fn(f64) -> bool,
) -> Result<Option<f64>, String> {
    let Some(value) = value else { return Ok(None) };
    match value.as_f64() {
        Some(number) if number.is_finite() && is_right(number) => Ok(Some(number)),
        _ => Err(format!("{name} is {value}: write {wanted}")),
    }
}

fn fraction(name: &str, value: Option<&Value>) -> Result<Option<f64>, String> {
    number(name, value, "a number above 0 and below 1", |number| number > 0.0 && number < 1.0)
}

fn positive(name: &str, value: Option<&Value>) -> Result<Option<f64>, String> {
    number(name, value, "a number above 0", |number| number > 0.0)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be whole and in range")]
fn whole(name: &str, value: Option<&Value>, least: u32) -> Result<Option<u32>, String> {
    const MOST: f64 = 1e6;
    let wanted = format!("a whole number from {least} to {MOST}");
    let is_right = |number: f64| number.fract() == 0.0 && number >= f64::from(least) && number <= MOST;
    Ok(number(name, value, &wanted, is_right)?.map(|number| number as u32))
}

fn name(key: &str, value: Option<&Value>) -> Result<Option<String>, String> {
    match value {
        None => Ok(None),
        Some(Value::String(name)) if !name.trim().is_empty() => Ok(Some(name.trim().to_owned())),
        Some(other) => Err(format!("{key} is {other}: write a name in quotes")),
    }
}

fn choice<T: Copy>(name: &str, value: Option<&Value>, words: &[(&str, T)]) -> Result<Option<T>, String> {
    let Some(value) = value else { return Ok(None) };
    let found = words.iter().find(|(word, _)| value.as_str() == Some(word));
    found.map(|&(_, meaning)| Some(meaning)).ok_or_else(|| {
        let words: Vec<_> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
        format!("{name} is {value}: write one of {}", words.join(", "))
    })
}
