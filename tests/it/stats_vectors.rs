//! The published reference values of the statistics design, computed with 60 digits. Runs every case of
//! the rate model, of guardrails and of the special functions they use; names the later models whose
//! cases it leaves; refuses a function it has never heard of. `WILLITSELL_STATS_VECTORS` names another
//! file of the same shape.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::real_data::real_data;
use serde_json::Value;

use willitsell::stats::dispersion::{AUTO, Constants, DayNoise, INDEPENDENT, Residuals, pearson_phi};
use willitsell::stats::rate::{Assessment, Bars, Design, variance_load};
use willitsell::stats::special::{chi_squared_quantile, gamma_p, gamma_q, ln_gamma};

/// Functions of models, planning and comparisons that are not built yet.
const LATER: &[&str] = &[
    // special functions no model here calls
    "ln_beta",
    "beta_inc_reg",
    "beta_quantile",
    "norm_cdf",
    "norm_ln_sf",
    "norm_quantile",
    "t_cdf",
    "t_quantile",
    "binom_cdf",
    "binom_sf_ge",
    "poisson_cdf",
    "poisson_sf_ge",
    // cpa
    "cpa_llr",
    "cpa_interval_rate",
    "phi_auto_cpa",
    "evaluate_auto_cpa",
    // compare and uneven splits
    "compare_llr",
    "compare_interval",
    "compare_ratio_mle",
    "phi_compare",
    "srm_log_e",
    // many arms, concepts, prices
    "e_bh_selected_indices",
    "mean_log_e",
    "isotonic_decreasing",
    // planning
    "wald_bound_rate",
    "wald_bound_cpa",
    "plan_cap_rate",
    "n_one_sample_rate",
    "n_two_sample_rate_per_arm",
    // fixed-sample methods the simulation compares with
    "beta_mixture_log_e",
    "wilson",
    "clopper_pearson",
    "two_proportion_z_pooled",
    "fisher_exact_two_sided",
    "poisson_rate_exact_one_sided",
    "asymptotic_cs_half_width",
];

/// What a case gives its function.
struct Given<'a>(&'a Value);

impl Given<'_> {
    fn number(&self, name: &str) -> f64 {
        self.0[name].as_f64().unwrap_or_else(|| panic!("input {name} of {}", self.0))
    }

    fn days(&self) -> Vec<(f64, f64)> {
        let day = |day: &Value| (day[0].as_f64().unwrap(), day[1].as_f64().unwrap());
        self.0["days"].as_array().unwrap().iter().map(day).collect()
    }

    fn bars(&self) -> Bars {
        Bars::new(self.number("p0"), self.number("p1"))
    }

    fn constants(&self) -> Constants {
        match self.0["dispersion"].as_str() {
            Some("auto") => AUTO,
            Some("independent") => INDEPENDENT,
            other => panic!("dispersion {other:?}"),
        }
    }

    /// The whole test, as the program runs it. Cases of phi alone name no error rates.
    fn assess(&self) -> Assessment {
        let error = |name| self.0[name].as_f64().unwrap_or(0.05);
        Design {
            bars: self.bars(),
            alpha: error("alpha"),
            beta: error("beta"),
            noise: DayNoise::Estimated(self.constants()),
            daily: true,
        }
        .assess(&self.days())
        .unwrap()
    }
}

/// What our functions give, in the shape of `expected`; `None` for a function that is not ours to run.
fn run(function: &str, given: &Given<'_>) -> Option<Value> {
    let number = |name| given.number(name);
    Some(match function {
        "ln_gamma" => ln_gamma(number("x")).into(),
        "gamma_p" => gamma_p(number("a"), number("x")).into(),
        "gamma_q" => gamma_q(number("a"), number("x")).into(),
        "chi2_quantile" => chi_squared_quantile(number("p"), number("df")).into(),
        "gamma_quantile_unit_rate" => (chi_squared_quantile(number("p"), 2.0 * number("shape")) / 2.0).into(),
        "rate_llr" => given.bars().log_ratio(number("conversions"), number("visits")).into(),
        "rate_interval" => {
            let (room_p0, room_p1) = (-number("phi") * number("alpha").ln(), -number("phi_kill") * number("beta").ln());
            let (low, high) = given.bars().interval(number("conversions"), number("visits"), room_p0, room_p1);
            serde_json::json!([low, high])
        }
        "threshold_daily_rate" => {
            let correction = given.bars().overshoot(number("mean_visits_per_day"), number("phi"));
            (-number("alpha").ln() - correction).into()
        }
        "phi_auto_rate" => {
            let arm = given.assess();
            serde_json::json!({
                "pearson": arm.residuals.pearson,
                "lag_sum": arm.residuals.lag_sum,
                "load": variance_load(arm.estimate, arm.trials / arm.residuals.days),
                "phi": arm.phi.against_p0,
                "phi_kill": arm.phi.against_p1,
            })
        }
        "evaluate_auto_rate" => {
            let arm = given.assess();
            serde_json::json!({
                "build_at": arm.against_p0.threshold,
                "kill_at": -arm.against_p1.threshold,
                "llr_build": arm.against_p0.evidence,
                "llr_kill": -arm.against_p1.evidence,
                "lower": arm.low,
                "upper": arm.high,
            })
        }
        "phi_guardrail" => {
            let days = given.days();
            let (count, exposure) = days.iter().fold((0.0, 0.0), |(x, d), day| (x + day.0, d + day.1));
            let residuals = Residuals::new(&days, count / exposure, count / exposure);
            let (prior, prior_df) = (number("prior"), number("prior_df"));
            let phi = pearson_phi(residuals.pearson, residuals.days, prior, prior_df, number("quantile"));
            serde_json::json!({ "pearson": residuals.pearson, "phi": phi })
        }
        _ => return None,
    })
}

/// Elementwise `|got − expected| <= abs_tol + rel_tol·|expected|`.
fn agrees(got: &Value, expected: &Value, rel_tol: f64, abs_tol: f64) -> bool {
    match (got, expected) {
        (Value::Array(got), Value::Array(expected)) => {
            got.len() == expected.len()
                && got.iter().zip(expected).all(|(got, expected)| agrees(got, expected, rel_tol, abs_tol))
        }
        (Value::Object(got), Value::Object(expected)) => {
            got.len() == expected.len()
                && expected
                    .iter()
                    .all(|(key, value)| got.get(key).is_some_and(|got| agrees(got, value, rel_tol, abs_tol)))
        }
        _ => match (got.as_f64(), expected.as_f64()) {
            (Some(got), Some(expected)) => (got - expected).abs() <= abs_tol + rel_tol * expected.abs(),
            _ => false,
        },
    }
}

fn vectors() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("WILLITSELL_STATS_VECTORS") {
        return Some(named.into());
    }
    real_data("stats-vectors.json")
}

#[test]
fn reference_values_are_met() {
    let Some(path) = vectors() else { return };
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let file: Value = serde_json::from_str(&text).unwrap();
    let (mut ran, mut later, mut wrong) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    for case in file["cases"].as_array().unwrap() {
        let function = case["fn"].as_str().unwrap();
        if LATER.contains(&function) {
            *later.entry(function).or_insert(0) += 1;
            continue;
        }
        let Some(got) = run(function, &Given(&case["inputs"])) else {
            wrong.push(format!("{}: {function} is neither built nor known as later work", case["name"]));
            continue;
        };
        let (rel_tol, abs_tol) = (case["rel_tol"].as_f64().unwrap(), case["abs_tol"].as_f64().unwrap());
        if !agrees(&got, &case["expected"], rel_tol, abs_tol) {
            wrong.push(format!("{}: got {got}, expected {}", case["name"], case["expected"]));
        }
        *ran.entry(function).or_insert(0) += 1;
    }
    println!("ran {} cases: {ran:?}", ran.values().sum::<u32>());
    println!("left {} cases to later models: {later:?}", later.values().sum::<u32>());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(!ran.is_empty(), "{} has no case to run", path.display());
}
