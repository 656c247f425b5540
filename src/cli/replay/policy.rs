//! The JSON policy of `replay --policy`: the keys of the configuration's policy table under the names
//! that recorded counts need. Reports the first problem and what to write instead.

use serde::Deserialize;
use serde_json::Value;

use crate::config::defaults;
use crate::domain::concept::{Boundary, Dispersion, Guardrail, Limit, Multiplicity, Policy, Rate};
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
const GUARDRAIL_KEYS: [&str; 6] = ["name", "numerator", "denominator", "max", "min", "margin"];

/// A checked policy, and what of it is not in the configuration's form.
pub(super) struct Replayed {
    pub policy: Policy,
    /// The arm that is read and never judged.
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
    match choice("metric", raw.metric.as_ref(), &["rate", "cpa", "compare"].map(|metric| (metric, metric)))? {
        None | Some("rate") => {}
        Some(later) => return Err(format!("metric {later:?} is not available yet: this version judges \"rate\"")),
    }
    if raw.srm.is_some() {
        return Err("srm is not available yet: remove it, this version does not check splits".to_owned());
    }

    let kill_bar = fraction("kill_bar", raw.kill_bar.as_ref())?
        .ok_or("kill_bar is missing: write the rate at which it only breaks even, such as 0.02")?;
    let build_bar = match fraction("build_bar", raw.build_bar.as_ref())? {
        Some(build_bar) if build_bar <= kill_bar => {
            return Err(format!("build_bar is {build_bar}: write a rate above kill_bar, which is {kill_bar}"));
        }
        Some(build_bar) => build_bar,
        None if kill_bar * defaults::BUILD_BAR_PER_KILL_BAR >= 1.0 => {
            return Err(format!(
                "build_bar is missing, and 1.5 times kill_bar ({kill_bar}) is no rate: write one below 1"
            ));
        }
        None => kill_bar * defaults::BUILD_BAR_PER_KILL_BAR,
    };
    let guardrails = guardrails(raw.guardrails.as_ref())?;
    let policy = Policy {
        primary: Rate {
            name: "conversions per visit".to_owned(),
            numerator: MetricId::CONVERSIONS,
            denominator: MetricId::VISITS,
        },
        kill_bar,
        build_bar,
        alpha: fraction("alpha", raw.alpha.as_ref())?.unwrap_or(defaults::ALPHA),
        beta: fraction("beta", raw.beta.as_ref())?.unwrap_or(defaults::BETA),
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
        boundary: choice(
            "boundary",
            raw.boundary.as_ref(),
            &[("daily", Boundary::Daily), ("strict", Boundary::Strict)],
        )?
        .unwrap_or(defaults::BOUNDARY),
        multiplicity: choice(
            "multiplicity",
            raw.multiplicity.as_ref(),
            &[("bonferroni", Multiplicity::Bonferroni), ("none", Multiplicity::None)],
        )?
        .unwrap_or(defaults::MULTIPLICITY),
        guardrails: guardrails.iter().map(|(guardrail, _)| guardrail.clone()).collect(),
        guardrail_alpha: fraction("guardrail_alpha", raw.guardrail_alpha.as_ref())?
            .unwrap_or(defaults::GUARDRAIL_ALPHA),
    };
    Ok(Replayed {
        control: name("control", raw.control.as_ref())?,
        arm_budget_cap: positive("budget_cap", raw.budget_cap.as_ref())?,
        guardrail_columns: guardrails.into_iter().map(|(_, columns)| columns).collect(),
        warnings: warnings(&policy),
        policy,
    })
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
    if policy.build_bar > 5.0 * policy.kill_bar {
        warnings.push(
            "build_bar is more than 5 times kill_bar: two lucky conversions weigh as much as a verdict needs"
                .to_owned(),
        );
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
            let likeness = |key: &str| strsim::jaro_winkler(unknown, key);
            let nearest = known.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b))).copied().unwrap_or_default();
            Err(format!("{of} has the unknown key {unknown:?} (did you mean {nearest:?}?)"))
        }
    }
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
