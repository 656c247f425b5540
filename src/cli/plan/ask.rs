//! From flags, configuration and store to a checked question, with every assumption said.

use std::path::Path;

use chrono::{Days, NaiveDate, Utc};

use super::{ModelName, PlanArgs};
use crate::app;
use crate::cli::output::Failure;
use crate::config::defaults;
use crate::decide::figures;
use crate::decide::plan::history::{History, history};
use crate::decide::plan::published::{ACTS, PRICES};
use crate::decide::plan::{Question, VARIATION};
use crate::domain::concept::{Dispersion, Experiment, Model, MoneyInputs, Policy, Rate};
use crate::domain::id::SourceId;
use crate::domain::metric::MetricId;
use crate::domain::money::{Currency, Money, parse_amount};
use crate::domain::observation::DateWindow;
use crate::store::Store;

/// How far back own numbers are looked at.
const HISTORY_DAYS: u64 = 365;

/// Share of clicks that arrive where nothing is known: a page that loads loses about one in ten.
const VISIT_RATE: f64 = 0.9;

/// What is planned, and what of it was not given.
pub(super) struct Asked {
    pub question: Question,
    pub title: Option<String>,
    pub history: Option<History>,
    pub money: Option<MoneyInputs>,
    /// A sentence for each number that was not given.
    pub assumptions: Vec<String>,
    /// What a click (or a visitor) costs, and the share of them that arrive.
    pub price: Option<(Money, f64)>,
}

impl Asked {
    pub(super) async fn of(args: &PlanArgs, config: &Path) -> Result<Self, Failure> {
        let today = Utc::now().date_naive();
        let (experiment, history) = match &args.concept {
            Some(concept) => {
                let (experiment, history) = known(concept, config, today).await?;
                (Some(experiment), history)
            }
            None => (None, None),
        };
        let mut assumptions = Vec::new();
        let model = model(args, experiment.as_ref())?;
        let policy = policy(args, experiment.as_ref(), model, &mut assumptions)?;
        let currency = currency(args, experiment.as_ref(), history.as_ref())?;
        let policy = Policy {
            budget_cap: amount("--budget", args.budget.as_deref(), currency)?.or(policy.budget_cap),
            ..policy
        };
        let of_budget = history.as_ref().and_then(|history| history.spend_per_day);
        let daily_budget = match amount("--daily-budget", args.daily_budget.as_deref(), currency)? {
            Some(given) => given,
            None => of_budget
                .filter(|own| own.currency == currency)
                .inspect(|own| {
                    assumptions.push(format!(
                        "The ads spend {own} a day, as they did on your own days so far (--daily-budget)."
                    ));
                })
                .ok_or_else(|| {
                    Failure::usage("what the ads will spend a day is not known: add it, such as --daily-budget 100")
                })?,
        };
        let counts_clicks = experiment.as_ref().is_some_and(|one| one.policy.primary.denominator == MetricId::CLICKS);
        let price = match model {
            Model::Cpa => None,
            Model::Rate | Model::Compare => {
                Some(price(args, experiment.as_ref(), history.as_ref(), currency, counts_clicks, &mut assumptions)?)
            }
        };
        let visitors_per_day = price.map_or(0.0, |(price, arriving)| units(daily_budget) / units(price) * arriving);
        let tested = experiment.as_ref().map(|one| one.arms.iter().filter(|arm| !arm.control).count());
        let question = Question {
            base_rate: base_rate(args, model, history.as_ref(), &mut assumptions)?,
            arms: args.arms.unwrap_or_else(|| tested.and_then(|arms| u32::try_from(arms.max(1)).ok()).unwrap_or(1)),
            daily_budget,
            visitors_per_day,
            variation: variation(args, history.as_ref(), &mut assumptions)?,
            policy,
        };
        Ok(Self {
            title: experiment.as_ref().map(|one| one.concept.title.clone()),
            money: experiment.map(|one| one.money),
            question,
            history,
            assumptions,
            price,
        })
    }
}

/// The concept's experiment, and what the store knows, if there is one: planning makes no store.
async fn known(concept: &str, config: &Path, today: NaiveDate) -> Result<(Experiment, Option<History>), Failure> {
    let registry = app::registry_of(config)?;
    let config = app::load_config(config, &registry)?.config;
    let names: Vec<&str> = config.experiments.iter().map(|one| one.concept.id.as_str()).collect();
    let Some(experiment) = config.experiments.iter().find(|one| one.concept.id.as_str() == concept) else {
        return Err(Failure::usage(format!("there is no [experiment.{concept}]; there are: {}", names.join(", "))));
    };
    let days = today.checked_sub_days(Days::new(HISTORY_DAYS)).and_then(|first| DateWindow::new(first, today));
    let found = match days.filter(|_| Store::is_there(&config.store_url)) {
        Some(days) => {
            let store = Store::open_with(&config.store_url, config.store_key.as_ref()).await?;
            let sources: Vec<SourceId> = experiment.sources.iter().map(|source| source.id.clone()).collect();
            let inputs = store.inputs(&sources, days, None).await?;
            store.close().await;
            history(experiment, &inputs, today)
        }
        None => None,
    };
    Ok((experiment.clone(), found))
}

fn model(args: &PlanArgs, experiment: Option<&Experiment>) -> Result<Model, Failure> {
    let model = match (args.model, experiment) {
        (Some(ModelName::Rate), _) => Model::Rate,
        (Some(ModelName::Cpa), _) => Model::Cpa,
        (Some(ModelName::Compare), _) => Model::Compare,
        (None, experiment) => experiment.map(|one| one.policy.model).unwrap_or_default(),
    };
    match experiment.map(|one| one.policy.model) {
        Some(set) if set != model && (args.kill_bar.is_none() || args.build_bar.is_none()) => {
            Err(Failure::usage("the concept's bars are of another kind: with --model add --kill-bar and --build-bar"))
        }
        _ => Ok(model),
    }
}

/// The rate of the offer one already has, where one is compared with it.
fn base_rate(
    args: &PlanArgs,
    model: Model,
    history: Option<&History>,
    assumptions: &mut Vec<String>,
) -> Result<f64, Failure> {
    match (model, args.base_rate, history.and_then(|history| history.rate)) {
        (Model::Compare, Some(given), _) if given > 0.0 && given < 1.0 => Ok(given),
        (Model::Compare, None, Some(own)) => {
            let rate = figures::rate(own, &[]);
            assumptions.push(format!("The offer you have is taken by {rate}, {} (--base-rate).", so_far(history)));
            Ok(own)
        }
        (Model::Compare, ..) => {
            Err(Failure::usage("comparing needs the rate of the offer you already have, such as --base-rate 0.02"))
        }
        (_, Some(_), _) => Err(Failure::usage("--base-rate goes with --model compare: add that, or leave it out")),
        (_, None, _) => Ok(0.0),
    }
}

fn policy(
    args: &PlanArgs,
    experiment: Option<&Experiment>,
    model: Model,
    assumptions: &mut Vec<String>,
) -> Result<Policy, Failure> {
    let act = args.act.as_deref().map(|name| {
        ACTS.iter().find(|act| act.name == name).ok_or_else(|| {
            let names: Vec<_> = ACTS.iter().map(|act| act.name.to_owned()).collect();
            Failure::usage(format!(
                "--act {name} is not known: write {} (`willitsell plan` shows their rates)",
                or(&names)
            ))
        })
    });
    let act = act.transpose()?;
    if let Some(act) = act {
        assumptions.push(format!("The bars are the ones we offer for one who {}; published: {}.", act.act, act.seen));
    }
    let set = experiment.map(|one| &one.policy);
    let compared = (model == Model::Compare).then_some(defaults::KILL_RATIO);
    let kill_bar = args.kill_bar.or(act.map(|act| act.kill_bar)).or(set.map(|set| set.kill_bar)).or(compared);
    let kill_bar =
        kill_bar.ok_or_else(|| Failure::usage("break-even is missing: add --kill-bar, such as --kill-bar 30"))?;
    let offered =
        if args.kill_bar.is_none() { act.map(|act| act.build_bar).or(set.map(|set| set.build_bar)) } else { None };
    let by_model = match model {
        Model::Rate => kill_bar * defaults::BUILD_BAR_PER_KILL_BAR,
        Model::Cpa => kill_bar / defaults::KILL_COST_PER_BUILD_COST,
        Model::Compare => kill_bar * defaults::BUILD_RATIO,
    };
    let build_bar = args.build_bar.or(offered).unwrap_or(by_model);
    bars(model, kill_bar, build_bar)?;
    let chance = |flag: &str, given: Option<f64>, set: Option<f64>, default: f64| match given {
        Some(chance) if !(chance > 0.0 && chance <= defaults::LARGEST_DAILY_ERROR) => Err(Failure::usage(format!(
            "{flag} is {chance}: write a chance above 0 and at most {}, such as 0.05",
            defaults::LARGEST_DAILY_ERROR
        ))),
        given => Ok(given.or(set).unwrap_or(default)),
    };
    let alpha = chance("--alpha", args.alpha, set.map(|set| set.alpha), defaults::ALPHA)?;
    let beta = chance("--beta", args.beta, set.map(|set| set.beta), defaults::BETA)?;
    let dispersion = args.dispersion.as_deref().map(dispersion).transpose()?;
    let policy = set.cloned().unwrap_or_else(|| Policy {
        primary: Rate { name: "plan".to_owned(), numerator: MetricId::SIGNUPS, denominator: MetricId::VISITS },
        kill_bar,
        build_bar,
        alpha,
        beta,
        min_days: defaults::MIN_DAYS,
        min_exposures: defaults::MIN_EXPOSURES.into(),
        min_conversions: defaults::MIN_CONVERSIONS.into(),
        maturity_lag_days: defaults::MATURITY_LAG_DAYS,
        horizon_days: defaults::HORIZON_DAYS,
        budget_cap: None,
        dispersion: defaults::DISPERSION,
        boundary: defaults::BOUNDARY,
        multiplicity: defaults::MULTIPLICITY,
        guardrails: Vec::new(),
        guardrail_alpha: defaults::GUARDRAIL_ALPHA,
        model,
        bar_currency: None,
        srm: None,
        icp: vec![],
    });
    // A test that stops on a day may not count more days than lie before it.
    let until_stop = experiment.and_then(|one| u32::try_from((one.stop? - one.start).num_days() + 1).ok());
    let horizon_days = args.horizon_days.unwrap_or(policy.horizon_days.min(until_stop.unwrap_or(u32::MAX)));
    if horizon_days < policy.min_days {
        return Err(Failure::usage(format!(
            "the test may count {}, before the {} that any verdict waits for are over: write --horizon-days with at least that many",
            figures::days(horizon_days),
            figures::days(policy.min_days)
        )));
    }
    let dispersion = dispersion.unwrap_or(policy.dispersion);
    Ok(Policy { kill_bar, build_bar, alpha, beta, horizon_days, dispersion, model, ..policy })
}

fn bars(model: Model, kill: f64, build: f64) -> Result<(), Failure> {
    let wrong = match model {
        Model::Rate if !(kill > 0.0 && kill < 1.0) => {
            format!("--kill-bar is {kill}: write a share of visitors between 0 and 1, such as 0.02 or 2%")
        }
        Model::Rate if build >= 1.0 => {
            format!("--build-bar would be {build}: write a rate below 1, such as 0.03 or 3%")
        }
        Model::Rate | Model::Compare if kill > 0.0 && build <= kill => {
            format!("--build-bar is {build}: write one above --kill-bar, which is {kill}")
        }
        Model::Cpa if kill > 0.0 && (build >= kill || build <= 0.0) => format!(
            "--build-bar is {build}: write a cost above 0 and below --kill-bar, which is {kill}: what costs less is better"
        ),
        Model::Cpa | Model::Compare if kill <= 0.0 => format!("--kill-bar is {kill}: write one above 0"),
        _ => return Ok(()),
    };
    Err(Failure::usage(wrong))
}

fn dispersion(text: &str) -> Result<Dispersion, Failure> {
    match (text, text.parse::<f64>()) {
        ("auto", _) => Ok(Dispersion::Auto),
        ("independent", _) => Ok(Dispersion::Independent),
        ("none", _) => Ok(Dispersion::None),
        (_, Ok(phi)) if phi >= 1.0 && phi.is_finite() => Ok(Dispersion::Known(phi)),
        _ => Err(Failure::usage(format!("--dispersion is {text}: write auto, independent, none, or a number from 1"))),
    }
}

fn currency(args: &PlanArgs, experiment: Option<&Experiment>, history: Option<&History>) -> Result<Currency, Failure> {
    let set = experiment.and_then(|one| {
        let inputs = [one.money.cost_per_visitor, one.money.team_cost_per_week, one.money.gross_profit];
        let money = one.policy.budget_cap.or(inputs.into_iter().flatten().next()).map(|money| money.currency);
        one.policy.bar_currency.or(money)
    });
    let own = history.and_then(|history| history.cost_per_click).map(|price| price.currency);
    let Some(code) = &args.currency else {
        let dollar = Currency::from_code("USD");
        return set.or(own).or(dollar).ok_or_else(|| Failure::usage("add --currency, such as --currency EUR"));
    };
    let given = Currency::from_code(code)
        .ok_or_else(|| Failure::usage(format!("--currency is {code}: write three capital letters, such as EUR")))?;
    match set.filter(|set| *set != given) {
        Some(set) => {
            Err(Failure::usage(format!("--currency is {given}, and the concept's money is in {set}: leave it out")))
        }
        None => Ok(given),
    }
}

fn amount(flag: &str, text: Option<&str>, currency: Currency) -> Result<Option<Money>, Failure> {
    let Some(text) = text else { return Ok(None) };
    match parse_amount(text, currency) {
        Ok(money) if money.micros > 0 => Ok(Some(money)),
        Ok(_) => Err(Failure::usage(format!("{flag} is {text}: write an amount above 0"))),
        Err(problem) => Err(Failure::usage(format!("{flag} {text} {problem}: write an amount such as 1500 or 1.20"))),
    }
}

/// What a click or a visitor costs, and how many of those arrive.
fn price(
    args: &PlanArgs,
    experiment: Option<&Experiment>,
    history: Option<&History>,
    currency: Currency,
    counts_clicks: bool,
    assumptions: &mut Vec<String>,
) -> Result<(Money, f64), Failure> {
    let own = history.and_then(|history| history.cost_per_click).filter(|price| price.currency == currency);
    let visitor = experiment.and_then(|one| one.money.cost_per_visitor).filter(|price| price.currency == currency);
    let click = match (amount("--cpc", args.cpc.as_deref(), currency)?, own, visitor) {
        (Some(given), ..) => given,
        (None, Some(own), _) => {
            assumptions.push(format!("A click costs {own}, {} (--cpc).", so_far(history)));
            own
        }
        (None, None, Some(visitor)) => {
            assumptions.push(format!("A visitor costs {visitor}: cost_per_visitor of the configuration."));
            return Ok((visitor, 1.0));
        }
        (None, None, None) => {
            let seen = PRICES.iter().map(|price| format!("{} {} ({})", price.platform, price.price, price.source));
            let seen = seen.collect::<Vec<_>>().join("; ");
            return Err(Failure::usage(format!(
                "what a click costs is not known: add it, such as --cpc 1.20. Published: {seen}"
            )));
        }
    };
    if counts_clicks {
        return Ok((click, 1.0));
    }
    let arriving = match (args.visit_rate, history.and_then(|history| history.visit_rate)) {
        (Some(given), _) if given > 0.0 && given <= 1.1 => given,
        (Some(given), _) => {
            return Err(Failure::usage(format!(
                "--visit-rate is {given}: write a share of clicks between 0 and 1, such as 0.9"
            )));
        }
        (None, Some(own)) => {
            let share = figures::share(own);
            assumptions.push(format!("{share} of clicks arrive on the page, {} (--visit-rate).", so_far(history)));
            own
        }
        (None, None) => {
            assumptions.push(format!("{} of clicks arrive on the page (--visit-rate).", figures::share(VISIT_RATE)));
            VISIT_RATE
        }
    };
    Ok((click, arriving))
}

fn variation(args: &PlanArgs, history: Option<&History>, assumptions: &mut Vec<String>) -> Result<f64, Failure> {
    let differ = |share: f64| format!("The true rate differs from day to day by {} of itself", figures::share(share));
    match (args.variation, history.and_then(|history| history.variation)) {
        (Some(given), _) if given <= 1.0 => Ok(given),
        (Some(given), _) => {
            Err(Failure::usage(format!("--variation is {given}: write a share from 0 to 1, such as 0.2")))
        }
        (None, Some(own)) => {
            assumptions.push(format!("{}, {} (--variation).", differ(own), so_far(history)));
            Ok(own)
        }
        (None, None) => {
            assumptions.push(format!("{}, which is ordinary (--variation).", differ(VARIATION)));
            Ok(VARIATION)
        }
    }
}

/// Whose numbers an assumption takes over.
fn so_far(history: Option<&History>) -> &'static str {
    if history.is_some_and(|history| history.own) {
        "as your own did so far"
    } else {
        "as with all ads of its sources so far (its own have run too little)"
    }
}

fn or(names: &[String]) -> String {
    names.join(", ")
}

fn units(money: Money) -> f64 {
    crate::domain::millionths::to_f64(money.micros)
}
