//! The published reference values of the statistics design, computed with 60 digits. Runs every case of
//! every function; refuses one it has never heard of. `WILLITSELL_STATS_VECTORS` names another
//! file of the same shape.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::real_data::real_data;
use serde_json::Value;

use willitsell::stats::counts::{self, CountBars};
use willitsell::stats::dispersion::{AUTO, DayNoise, INDEPENDENT, PRIOR, PRIOR_DF};
use willitsell::stats::plan::Distance;
use willitsell::stats::sequential::{Assessment, Design, Running};
use willitsell::stats::special::beta::{
    beta_cdf, beta_quantile, binomial_at_least, binomial_at_most, ln_beta, student_cdf, student_quantile,
};
use willitsell::stats::special::{
    chi_squared_quantile, gamma_p, gamma_q, ln_gamma, normal, poisson_at_least, poisson_at_most,
};
use willitsell::stats::{compare, cpa, fixed, guardrail, many, rate, srm};

/// What a case gives its function.
struct Given<'a>(&'a Value);

impl Given<'_> {
    fn number(&self, name: &str) -> f64 {
        self.0[name].as_f64().unwrap_or_else(|| panic!("input {name} of {}", self.0))
    }

    fn numbers<const N: usize>(row: &Value) -> [f64; N] {
        std::array::from_fn(|place| row[place].as_f64().unwrap())
    }

    fn days<const N: usize>(&self) -> impl Iterator<Item = [f64; N]> {
        self.0["days"].as_array().unwrap().iter().map(Self::numbers)
    }

    fn rate(&self) -> rate::Bars {
        rate::Bars::new(self.number("p0"), self.number("p1"))
    }

    fn cpa(&self) -> cpa::Bars {
        cpa::Bars::of_costs(self.number("kill_cpa"), self.number("build_cpa"))
    }

    /// A test between `bars`, as the program runs it. Cases of phi alone name no error rates.
    fn design<B>(&self, bars: B) -> Design<B> {
        let error = |name| self.0[name].as_f64().unwrap_or(0.05);
        let noise = match self.0["dispersion"].as_str() {
            Some("independent") => DayNoise::Estimated(&INDEPENDENT),
            Some("auto") | None => DayNoise::Estimated(&AUTO),
            other => panic!("dispersion {other:?}"),
        };
        Design { bars, alpha: error("alpha"), beta: error("beta"), noise, daily: true }
    }

    fn series<B: CountBars>(&self, bars: B) -> counts::Series<B> {
        let mut series = counts::Series::new(self.design(bars));
        self.days().for_each(|[successes, exposures]| series.add(successes, exposures));
        series
    }

    /// Cases of the ratio alone name no bars.
    fn compare(&self) -> compare::Series {
        let bar = |name| self.0[name].as_f64().unwrap_or(1.0);
        let mut series = compare::Series::new(self.design(compare::Bars::new(bar("kill_ratio"), bar("build_ratio"))));
        self.days().for_each(|day| series.add(day));
        series
    }

    /// Threshold × phi of each side, without the correction for looking once a day.
    fn rooms(&self, phi_kill: &str) -> [f64; 2] {
        [-self.number("phi") * self.number("alpha").ln(), -self.number(phi_kill) * self.number("beta").ln()]
    }
}

/// The dispersion of a count model: `load` is the variance load.
fn phi<B: CountBars>(series: &counts::Series<B>) -> Value {
    let said = series.assess().unwrap();
    serde_json::json!({
        "pearson": said.residuals.pearson,
        "lag_sum": said.residuals.lag_sum,
        "load": said.trials / said.residuals.days * B::load(said.estimate),
        "phi": said.phi.against_p0,
        "phi_kill": said.phi.against_p1,
    })
}

fn evaluated<B: CountBars>(series: &counts::Series<B>) -> Value {
    let said = series.assess().unwrap();
    let Assessment { against_p0, against_p1, .. } = said;
    let (lower, upper) = series.interval(&said);
    serde_json::json!({
        "build_at": against_p0.threshold,
        "kill_at": -against_p1.threshold,
        "llr_build": against_p0.evidence,
        "llr_kill": -against_p1.evidence,
        "lower": lower,
        "upper": upper,
    })
}

/// The estimate from the Pearson statistic alone is made with one prior and one quantile.
#[expect(clippy::float_cmp, reason = "what is written in both places is the same number")]
fn pearson_phi(given: &Given<'_>, pearson: f64, phi: f64) -> Value {
    assert_eq!([PRIOR, PRIOR_DF, 0.2], ["prior", "prior_df", "quantile"].map(|name| given.number(name)));
    serde_json::json!({ "pearson": pearson, "phi": phi })
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
        "rate_llr" => given.rate().log_ratio(number("conversions"), number("visits")).into(),
        "rate_interval" => {
            let (low, high) = given.rate().interval(number("conversions"), number("visits"), given.rooms("phi_kill"));
            serde_json::json!([low, high])
        }
        "threshold_daily_rate" => {
            let correction = given.rate().overshoot(number("mean_visits_per_day"), number("phi"));
            (-number("alpha").ln() - correction).into()
        }
        "phi_auto_rate" => phi(&given.series(given.rate())),
        "evaluate_auto_rate" => evaluated(&given.series(given.rate())),
        "cpa_llr" => given.cpa().log_ratio(number("conversions"), number("spend")).into(),
        "cpa_interval_rate" => {
            let (low, high) = given.cpa().interval(number("conversions"), number("spend"), given.rooms("phi_kill"));
            serde_json::json!([low, high])
        }
        "phi_auto_cpa" => phi(&given.series(given.cpa())),
        "evaluate_auto_cpa" => evaluated(&given.series(given.cpa())),
        "compare_llr" => given.compare().log_ratio().into(),
        "compare_interval" => {
            let series = given.compare();
            let [room_p0, room_p1] = given.rooms("phi");
            let (low, high) = series.interval_within(series.ratio(), room_p0, room_p1);
            // An infinite end has no number in JSON: null, as in the file.
            serde_json::json!([low, high])
        }
        "compare_ratio_mle" => given.compare().ratio().into(),
        "phi_compare" => {
            let said = given.compare().assess().unwrap();
            pearson_phi(given, said.residuals.pearson, said.phi.against_p0)
        }
        "srm_log_e" => {
            let list = |name: &str| given.0[name].as_array().unwrap().iter().map(|value| value.as_f64().unwrap());
            srm::log_evidence(list("counts").zip(list("shares")), number("concentration")).into()
        }
        "phi_guardrail" => {
            let mut series = guardrail::Series::new(1.0, 1.25, DayNoise::Estimated(&AUTO));
            given.days().for_each(|[numerator, denominator]| series.add(numerator, denominator));
            pearson_phi(given, series.residuals().pearson, series.phi())
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
        // An end that is not there is unbounded in both.
        (Value::Null, Value::Null) => true,
        _ => match (got.as_f64(), expected.as_f64()) {
            (Some(got), Some(expected)) => (got - expected).abs() <= abs_tol + rel_tol * expected.abs(),
            _ => false,
        },
    }
}

/// Runs every case of one file; what it ran, by function.
fn check(text: &str, of: &str) {
    let file: Value = serde_json::from_str(text).unwrap();
    let (mut ran, mut wrong) = (BTreeMap::new(), Vec::new());
    for case in file["cases"].as_array().unwrap() {
        let function = case["fn"].as_str().unwrap();
        let Some(got) = run(function, &Given(&case["inputs"])) else {
            wrong.push(format!("{}: {function} is not built", case["name"]));
            continue;
        };
        let (rel_tol, abs_tol) = (case["rel_tol"].as_f64().unwrap(), case["abs_tol"].as_f64().unwrap());
        if !agrees(&got, &case["expected"], rel_tol, abs_tol) {
            wrong.push(format!("{}: got {got}, expected {}", case["name"], case["expected"]));
        }
        *ran.entry(function).or_insert(0) += 1;
    }
    println!("ran {} cases of {of}: {ran:?}", ran.values().sum::<u32>());
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
