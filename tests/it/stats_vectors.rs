//! The published reference values of the statistics design, computed with 60 digits. Runs every case of
//! every function that is built; names the later models whose cases it leaves; refuses a function it has never heard of. `WILLITSELL_STATS_VECTORS` names another
//! file of the same shape.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::real_data::real_data;
use serde_json::Value;

use willitsell::stats::dispersion::{AUTO, Constants, DayNoise, INDEPENDENT, Residuals, pearson_phi};
use willitsell::stats::plan::Distance;
use willitsell::stats::rate::{Assessment, Bars, Design, variance_load};
use willitsell::stats::special::beta::{
    beta_cdf, beta_quantile, binomial_at_least, binomial_at_most, ln_beta, student_cdf, student_quantile,
};
use willitsell::stats::special::{
    chi_squared_quantile, gamma_p, gamma_q, ln_gamma, normal, poisson_at_least, poisson_at_most,
};
use willitsell::stats::{fixed, many};

/// Functions of models that are not built yet.
const LATER: &[&str] = &[
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
        _ => return yardstick(function, given),
    })
}

/// Special functions, several tests at once, planning, and the methods shown beside ours.
fn yardstick(function: &str, given: &Given<'_>) -> Option<Value> {
    let number = |name| given.number(name);
    let list = |name: &str| given.0[name].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect::<Vec<_>>();
    let tail = |p: f64| (p, 1.0 - p);
    Some(match function {
        "ln_beta" => ln_beta(number("a"), number("b")).into(),
        "beta_inc_reg" => beta_cdf(number("x"), number("a"), number("b")).into(),
        "beta_quantile" => {
            let (p, q) = tail(number("p"));
            beta_quantile(p, q, number("a"), number("b")).into()
        }
        "norm_cdf" => normal::cdf(number("x")).into(),
        "norm_ln_sf" => normal::ln_upper(number("x")).into(),
        "norm_quantile" => normal::quantile(number("p")).into(),
        "t_cdf" => student_cdf(number("t"), number("df")).into(),
        "t_quantile" => student_quantile(number("p"), number("df")).into(),
        "binom_cdf" => binomial_at_most(number("k"), number("n"), number("p")).into(),
        "binom_sf_ge" => binomial_at_least(number("k"), number("n"), number("p")).into(),
        "poisson_cdf" => poisson_at_most(number("k"), number("mean")).into(),
        "poisson_sf_ge" => poisson_at_least(number("k"), number("mean")).into(),
        "e_bh_selected_indices" => {
            let log_e = list("log_e");
            many::e_bh(&log_e, log_e.len(), number("alpha")).into()
        }
        "mean_log_e" => many::mean_log_e(&list("log_e")).into(),
        "isotonic_decreasing" => {
            let pairs: Vec<_> = list("values").into_iter().zip(list("weights")).collect();
            many::isotonic_decreasing(&pairs).into()
        }
        "wald_bound_rate" => {
            let distance = Distance::rate(number("p0"), number("p1"));
            let bounds = distance.bounds(number("alpha"), number("beta"));
            serde_json::json!({
                "at_kill": bounds.at_p0,
                "at_build": bounds.at_p1,
                "mid_rate": distance.middle,
                "hoeffding_mid": bounds.at_middle,
            })
        }
        "wald_bound_cpa" => {
            let distance = Distance::events(1.0 / number("kill_cpa"), 1.0 / number("build_cpa"));
            let bounds = distance.bounds(number("alpha"), number("beta"));
            serde_json::json!({ "at_kill": bounds.at_p0, "at_build": bounds.at_p1, "mid_rate": distance.middle })
        }
        "plan_cap_rate" => {
            let distance = Distance::rate(number("p0"), number("p1"));
            (number("phi") * distance.cap(number("alpha"), number("beta"), number("undecided"))).into()
        }
        "n_one_sample_rate" => {
            fixed::one_sample_size(number("p0"), number("p1"), number("alpha"), number("beta")).into()
        }
        "n_two_sample_rate_per_arm" => {
            fixed::two_sample_size(number("p1"), number("p2"), number("alpha_one_sided"), number("beta")).into()
        }
        "beta_mixture_log_e" => {
            let prior = (number("a"), number("b"));
            fixed::beta_mixture(prior, number("conversions"), number("visits"), number("null")).into()
        }
        "wilson" => pair(fixed::wilson(number("x"), number("n"), number("confidence"))),
        "clopper_pearson" => pair(fixed::clopper_pearson(number("x"), number("n"), number("confidence"))),
        "two_proportion_z_pooled" => {
            let (z, tail) = fixed::two_proportions((number("x1"), number("n1")), (number("x2"), number("n2")));
            serde_json::json!({ "z": z, "p_two_sided": tail })
        }
        "fisher_exact_two_sided" => {
            fixed::fisher_exact([[number("a"), number("b")], [number("c"), number("d")]]).into()
        }
        "poisson_rate_exact_one_sided" => {
            let (greater, less) = fixed::poisson_tails(number("x"), number("exposure"), number("rate0"));
            serde_json::json!({ "p_greater": greater, "p_less": less })
        }
        "asymptotic_cs_half_width" => {
            let variance = number("variance_of_estimate");
            fixed::asymptotic_half_width(variance, number("n_total"), number("alpha"), number("tuning")).into()
        }
        _ => return None,
    })
}

fn pair((low, high): (f64, f64)) -> Value {
    serde_json::json!([low, high])
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

/// Runs every case of one file; what it ran, by function.
fn check(text: &str, of: &str) {
    let file: Value = serde_json::from_str(text).unwrap();
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
    println!("ran {} cases of {of}: {ran:?}", ran.values().sum::<u32>());
    println!("left {} cases to later models: {later:?}", later.values().sum::<u32>());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(!ran.is_empty(), "{of} has no case to run");
}

#[test]
fn reference_values_are_met() {
    let named = std::env::var_os("WILLITSELL_STATS_VECTORS").map(PathBuf::from);
    let Some(path) = named.or_else(|| real_data("stats-vectors.json")) else { return };
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    check(&text, &path.display().to_string());
}

#[test]
fn far_tails_and_ends_are_met() {
    check(include_str!("stats_far.json"), "our own");
}
