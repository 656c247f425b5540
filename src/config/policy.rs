//! `[experiment.KEY.policy]` and `[experiment.KEY.money]`: what would convince us, and what the
//! answer is worth. Limits here are statistics.md's; wherever a value is allowed but unwise, a
//! warning says why.

use std::collections::BTreeMap;

use serde_spanned::Spanned;

use super::bars::{self, Bars};
use super::check::Check;
use super::defaults;
use super::experiment::metric;
use super::icp;
use super::raw::{self, Section, check_name};
use super::report::{nearest, quoted, suggestion};
use crate::domain::concept::{
    Boundary, Dispersion, Guardrail, Habit, Limit, Model, MoneyInputs, Multiplicity, Policy, Rate, Source, Srm,
};
use crate::domain::id::ArmId;
use crate::domain::metric::MetricId;
use crate::domain::millionths;
use crate::domain::money::Money;
use crate::domain::response::Depth;

/// What a policy is checked against.
pub(super) struct Facts<'f> {
    pub(super) rates: &'f BTreeMap<&'f str, Option<Rate>>,
    pub(super) sources: &'f [Source],
    /// Whether `sources` is everything the experiment names.
    pub(super) all_sources_known: bool,
    /// Answers that the sources keep for rules.
    pub(super) questions: &'f [&'f str],
    pub(super) money: &'f MoneyInputs,
    /// Every arm, and whether it is a control.
    pub(super) arms: &'f [(&'f str, bool)],
    /// From start to stop, both counted.
    pub(super) days: Option<i64>,
}

impl Facts<'_> {
    fn suppliers(&self, metric: MetricId) -> impl Iterator<Item = &Source> {
        self.sources.iter().filter(move |source| source.metrics.contains(&metric))
    }

    fn lacks(&self, metric: MetricId) -> bool {
        self.all_sources_known && !self.sources.is_empty() && self.suppliers(metric).next().is_none()
    }
}

/// Acts that cost a visitor something: only these can decide (product.md sections 2 and 4).
const ACTS: [MetricId; 9] = [
    MetricId::SIGNUPS,
    MetricId::VERIFIED_SIGNUPS,
    MetricId::QUALIFIED_SIGNUPS,
    MetricId::DEMOS,
    MetricId::CARDS,
    MetricId::DEPOSITS,
    MetricId::ORDERS,
    MetricId::CONVERSIONS,
    MetricId::LEADS,
];

/// What people can be counted on: never an impression, and spend has its own model.
const EXPOSURES: [MetricId; 3] = [MetricId::VISITS, MetricId::CLICKS, MetricId::FORM_OPENS];

/// What a page of ours may split, where a platform hands out the rest.
const OURS_TO_SPLIT: [MetricId; 2] = [MetricId::VISITS, MetricId::FORM_OPENS];

/// A larger chance of error is no promise.
const LARGEST_ERROR: f64 = 0.5;

/// What `check` advises where an ad platform's own conversions decide (product.md section 7).
const PLATFORM_LAG_DAYS: u32 = 7;

/// Reads `[experiment.KEY.policy]`; `None` when it has an error that leaves a gap.
pub(super) fn policy(check: &Check<'_>, experiment: &Section<'_>, facts: &Facts<'_>) -> Option<Policy> {
    experiment.require("policy", "add the table: primary and kill_bar at least, fixed before the start");
    let section = experiment.table("policy", &raw::POLICY, "[experiment.KEY.policy]")?;
    let model = model(check, &section);
    if model == Model::Compare {
        one_control(check, &section, facts);
    }
    let primary = primary(check, &section, facts, model);
    let bars = bars::bars(check, &section, facts, model);
    let srm = srm(check, &section, facts, primary.as_ref());
    let boundary = choice(check, &section, "boundary", &[("daily", Boundary::Daily), ("strict", Boundary::Strict)]);
    let boundary = boundary.unwrap_or(defaults::BOUNDARY);
    let largest = if boundary == Boundary::Daily { defaults::LARGEST_DAILY_ERROR } else { LARGEST_ERROR };
    let alpha = error_rate(check, &section, "alpha", defaults::ALPHA, largest);
    let beta = error_rate(check, &section, "beta", defaults::BETA, largest);
    if beta < defaults::BETA {
        let what = format!("{} is below {}", section.dotted("beta"), defaults::BETA);
        check.report.warn(
            section.key_span("beta"),
            what,
            "the chance of a wrong KILL does not shrink in proportion below it",
        );
    }
    let min_days = days(check, &section, facts);
    let horizon_days = section.whole("horizon_days", 1, 3650).map_or(defaults::HORIZON_DAYS, Spanned::into_inner);
    if horizon_days < min_days {
        let what =
            format!("{} is {horizon_days}, before min_days ({min_days}) is reached", section.dotted("horizon_days"));
        check.report.error(section.key_span("horizon_days"), what, "write more days, or a smaller min_days");
    }
    let budget_cap = budget_cap(check, &section, facts, alpha, beta);
    // What an act may cost is the bar itself under cpa.
    let guardrails = guardrails(check, &section, facts, primary.as_ref().filter(|_| model != Model::Cpa));
    let icp = icp::rules(check, &section, facts.all_sources_known.then_some(facts.questions));
    if !icp.is_empty() && !asks_who(primary.as_ref(), &guardrails) {
        let what = format!("{} is set, and nothing here counts qualified_signups", section.dotted("icp"));
        let advice = "let qualified_signups decide, or watch their share in a guardrail: numerator = \"qualified_signups\", \
                      denominator = \"verified_signups\", min = 0.60";
        check.report.warn(section.key_span("icp"), what, advice);
    }
    let guardrail_alpha = error_rate(check, &section, "guardrail_alpha", defaults::GUARDRAIL_ALPHA, LARGEST_ERROR);
    let count = |key, default| section.whole(key, 0, u32::MAX).map_or(default, Spanned::into_inner);
    let min_exposures = match model {
        Model::Rate | Model::Compare => count("min_exposures", defaults::MIN_EXPOSURES),
        Model::Cpa => 0,
    };
    if model == Model::Cpa && section.has("min_exposures") {
        let what =
            format!("{} counts visitors, and a cost per act is tested on money", section.dotted("min_exposures"));
        check.report.error(section.key_span("min_exposures"), what, "take it out; min_days and min_conversions hold");
    }
    let min_conversions = count("min_conversions", defaults::MIN_CONVERSIONS);
    let dispersion = dispersion(check, &section);
    let multiplicity = [("bonferroni", Multiplicity::Bonferroni), ("none", Multiplicity::None)];
    let multiplicity = choice(check, &section, "multiplicity", &multiplicity);
    // Everything was read before the first gap ends it, so that all errors are found at once.
    let (primary, Bars { kill_bar, build_bar, currency }) = primary.zip(bars)?;
    Some(Policy {
        maturity_lag_days: maturity(check, &section, facts, &primary),
        kill_bar,
        build_bar,
        alpha,
        beta,
        min_days,
        min_exposures: min_exposures.into(),
        min_conversions: min_conversions.into(),
        horizon_days,
        budget_cap,
        dispersion,
        boundary,
        multiplicity: multiplicity.unwrap_or(defaults::MULTIPLICITY),
        guardrail_alpha,
        guardrails,
        primary,
        model,
        bar_currency: currency,
        srm,
        icp,
    })
}

/// Whether anything asks who is inside the ideal customer profile.
fn asks_who(primary: Option<&Rate>, guardrails: &[Guardrail]) -> bool {
    let rails = guardrails.iter().flat_map(|rail| [rail.numerator, rail.denominator]);
    rails.chain(primary.map(|rate| rate.numerator)).any(|metric| metric == MetricId::QUALIFIED_SIGNUPS)
}

/// The question that decides; where it is misspelt, the one that would be asked without it.
fn model(check: &Check<'_>, section: &Section<'_>) -> Model {
    let models = [("rate", Model::Rate), ("cpa", Model::Cpa), ("compare", Model::Compare)];
    let model = choice(check, section, "model", &models).unwrap_or_default();
    if model == Model::Cpa {
        let what = "what an act costs drifts for months in real accounts, so this verdict is weaker than its label";
        check.report.warn(section.key_span("model"), what, "where visitors are counted, let a rate decide");
    }
    model
}

/// What a version is compared with.
fn one_control(check: &Check<'_>, section: &Section<'_>, facts: &Facts<'_>) {
    if !facts.arms.is_empty() && !facts.arms.iter().any(|&(_, control)| control) {
        let what = "compare has nothing to compare with: no arm is the control";
        let advice = "write control = true in the arm that is the existing offer";
        check.report.error(section.key_span("model"), what, advice);
    }
}

/// Reads `srm = { arm = share }`.
fn srm(check: &Check<'_>, section: &Section<'_>, facts: &Facts<'_>, primary: Option<&Rate>) -> Option<Srm> {
    const EXAMPLE: &str = "{ first = 0.5, second = 0.5 }";
    let shares = section.table("srm", &raw::NAMES, &format!("the share of each arm, such as {EXAMPLE}"))?;
    let at = || section.key_span("srm");
    let names: Vec<&str> = facts.arms.iter().map(|&(name, _)| name).collect();
    let mut expected = BTreeMap::new();
    let mut whole = true;
    for arm in shares.keys() {
        let (span, arm) = (arm.span(), arm.into_inner());
        if !names.contains(&arm) {
            let what = format!("{} is not an arm here", quoted(arm));
            check.report.error(span, what, suggestion(arm, &names, "name the arms the split is between"));
        }
        let share = shares.number(arm).filter(|share| {
            let is_share = *share.get_ref() > 0.0 && *share.get_ref() < 1.0;
            if !is_share {
                let what = format!("{} is {}", shares.dotted(arm), share.get_ref());
                check.report.error(share.span(), what, "write a share between 0 and 1: half is 0.5");
            }
            is_share
        });
        whole &= share.is_some();
        expected.extend(share.map(|share| (ArmId::new(arm), share.into_inner())));
    }
    // From zero: the sum of no floats is a negative zero, and prints as one.
    let sum = expected.values().fold(0.0, |sum, share| sum + share);
    if whole && (expected.len() < 2 || (sum - 1.0).abs() > defaults::SRM_SHARES_ADD_UP_WITHIN) {
        let what = format!("the shares of {} add up to {sum}", section.dotted("srm"));
        check.report.error(at(), what, format!("write those of at least two arms, together 1, such as {EXAMPLE}"));
        return None;
    }
    for share in expected.values_mut() {
        *share /= sum;
    }
    if let Some(rate) = primary.filter(|rate| !OURS_TO_SPLIT.contains(&rate.denominator)) {
        let what = format!("{} are handed out by the ad platform, which splits them as it likes", rate.denominator);
        let advice = "leave srm out, or count visits on a page that splits them itself";
        check.report.error(at(), what, advice);
    }
    Some(Srm { expected, alpha: defaults::SRM_ALPHA, concentration: defaults::SRM_CONCENTRATION })
}

fn primary(check: &Check<'_>, section: &Section<'_>, facts: &Facts<'_>, model: Model) -> Option<Rate> {
    let names: Vec<&str> = facts.rates.keys().copied().collect();
    let written = section.need("primary", "name the rate that decides, from [experiment.KEY.rate.NAME]")?;
    let name = *written.get_ref();
    for rate in names.iter().filter(|rate| **rate != name && names.contains(&name)) {
        let what = format!("the rate {} does not decide and is not shown yet", quoted(rate));
        check.report.warn(written.span(), what, "one rate decides; take the other out, or leave it for later");
    }
    let Some(rate) = facts.rates.get(name) else {
        let (what, advice) = if MetricId::named(name).is_some() {
            let what =
                format!("{} is a bare count, and a count without what it is counted on cannot decide", quoted(name));
            (what, "add [experiment.KEY.rate.NAME] with numerator and denominator, and name that".to_owned())
        } else {
            let none = "add [experiment.KEY.rate.NAME] with numerator and denominator";
            (format!("there is no rate called {}", quoted(name)), suggestion(name, &names, none))
        };
        check.report.error(written.span(), what, advice);
        return None;
    };
    let rate = rate.clone()?;
    if !ACTS.contains(&rate.numerator) {
        let what = format!("{} cannot decide: {} cost a visitor nothing", quoted(name), rate.numerator);
        check.report.error(written.span(), what, format!("let an act decide: numerator = {}", one_of(&ACTS)));
    } else if model == Model::Cpa {
        if rate.denominator != MetricId::SPEND {
            let what = format!("{} is not counted on money, and model = \"cpa\" asks what an act costs", quoted(name));
            check.report.error(written.span(), what, "write denominator = \"spend\" in the rate, or model = \"rate\"");
        }
    } else if !EXPOSURES.contains(&rate.denominator) {
        let what = format!("{} cannot decide: {} are not visitors", quoted(name), rate.denominator);
        let cost =
            if rate.denominator == MetricId::SPEND { "; for what an act costs write model = \"cpa\"" } else { "" };
        let advice = format!("count on visitors: denominator = {}{cost}", one_of(&EXPOSURES));
        check.report.error(written.span(), what, advice);
    }
    let needs_verified = [MetricId::VERIFIED_SIGNUPS, MetricId::QUALIFIED_SIGNUPS].contains(&rate.numerator);
    let verifies = |source: &Source| {
        !source.nameless && source.depth.or(source.people).is_some_and(|depth| depth >= Depth::VerifiedEmail)
    };
    if needs_verified && facts.all_sources_known && !facts.sources.iter().any(verifies) {
        let what = format!("no source says that an address was verified, so {} would stay at zero", rate.numerator);
        let advice = "where a form or list verifies addresses itself, write depth = \"verified_email\" in its [source]; \
                      else let signups decide";
        check.report.error(written.span(), what, advice);
    }
    for metric in [rate.numerator, rate.denominator].into_iter().filter(|metric| facts.lacks(*metric)) {
        let what = format!("no source of this experiment counts {metric}, which {} needs", quoted(name));
        check.report.error(written.span(), what, supplied(facts));
    }
    Some(rate)
}

fn one_of(metrics: &[MetricId]) -> String {
    metrics.iter().map(|metric| format!("\"{metric}\"")).collect::<Vec<_>>().join(" or ")
}

fn supplied(facts: &Facts<'_>) -> String {
    let found: Vec<_> =
        MetricId::all().filter(|id| facts.suppliers(*id).next().is_some()).map(|id| id.to_string()).collect();
    format!("its sources count: {}", found.join(", "))
}

fn error_rate(check: &Check<'_>, section: &Section<'_>, key: &str, default: f64, largest: f64) -> f64 {
    let Some(rate) = section.number(key) else { return default };
    let value = *rate.get_ref();
    if value <= 0.0 || value > largest {
        let what = format!("{} is {value}", section.dotted(key));
        let advice = format!("write a chance of error above 0 and at most {largest}, for example 0.05");
        check.report.error(rate.span(), what, &advice);
    }
    value
}

fn days(check: &Check<'_>, section: &Section<'_>, facts: &Facts<'_>) -> u32 {
    let min_days = section.whole("min_days", 1, 3650).map_or(defaults::MIN_DAYS, Spanned::into_inner);
    let at = section.key_span("min_days");
    let name = section.dotted("min_days");
    if min_days < defaults::MIN_DAYS {
        let advice = "two whole weeks show how much days differ; before that more verdicts than promised are wrong";
        check.report.warn(at.clone(), format!("{name} is below {}", defaults::MIN_DAYS), advice);
    }
    if !min_days.is_multiple_of(7) {
        let advice = "weekdays differ: write a multiple of 7";
        check.report.warn(at.clone(), format!("{name} is not a whole number of weeks"), advice);
    }
    if let Some(days) = facts.days.filter(|days| (0..i64::from(min_days)).contains(days)) {
        let what = format!(
            "from start to stop are {days} days, fewer than min_days ({min_days}): no BUILD or KILL is possible"
        );
        check.report.warn(at, what, "move stop back, or leave it out");
    }
    min_days
}

fn maturity(check: &Check<'_>, section: &Section<'_>, facts: &Facts<'_>, primary: &Rate) -> u32 {
    let metrics = [primary.numerator, primary.denominator];
    let readers: Vec<&Source> =
        facts.sources.iter().filter(|source| metrics.iter().any(|metric| source.metrics.contains(metric))).collect();
    let lag = readers.iter().map(|source| source.maturity_lag_days).max().unwrap_or(defaults::MATURITY_LAG_DAYS);
    if [MetricId::CONVERSIONS, MetricId::LEADS].contains(&primary.numerator) && lag < PLATFORM_LAG_DAYS {
        let what = format!(
            "{} are counted by an ad platform, and those of the last days are still changing",
            primary.numerator
        );
        let advice = format!("write maturity_lag_days = {PLATFORM_LAG_DAYS} at the source, and wait those days longer");
        check.report.warn(section.key_span("primary"), what, advice);
    }
    lag
}

fn budget_cap(check: &Check<'_>, section: &Section<'_>, facts: &Facts<'_>, alpha: f64, beta: f64) -> Option<Money> {
    let Some(cap) = section.money("budget_cap") else { return facts.money.spend_cap(alpha, beta) };
    let (span, cap) = (cap.span(), cap.into_inner());
    let mut inputs = facts.money.amounts().map(|amount| amount.currency);
    if let Some(other) = inputs.find(|currency| *currency != cap.currency) {
        let what = format!("{} is in {}, the money inputs are in {other}", section.dotted("budget_cap"), cap.currency);
        check.report.error(span.clone(), what, "write both in the currency the ads are paid in");
    }
    if facts.lacks(MetricId::SPEND) {
        let what = "no source of this experiment counts spend, so the budget cap never ends it";
        check.report.warn(span, what, "add the ad account as a source, or rely on horizon_days and stop");
    }
    Some(cap)
}

fn dispersion(check: &Check<'_>, section: &Section<'_>) -> Dispersion {
    const WORDS: [(&str, Dispersion); 3] =
        [("auto", Dispersion::Auto), ("independent", Dispersion::Independent), ("none", Dispersion::None)];
    if !section.is_number("dispersion") {
        return choice(check, section, "dispersion", &WORDS).unwrap_or(defaults::DISPERSION);
    }
    let Some(known) = section.number("dispersion") else { return defaults::DISPERSION };
    if *known.get_ref() < 1.0 {
        let what = format!("{} is {}", section.dotted("dispersion"), known.get_ref());
        check.report.error(known.span(), what, "write \"auto\", or a known dispersion of 1 or more");
    }
    Dispersion::Known(known.into_inner())
}

/// One of a few words.
pub(super) fn choice<T: Copy>(check: &Check<'_>, section: &Section<'_>, key: &str, choices: &[(&str, T)]) -> Option<T> {
    let written = section.text(key)?;
    let found = choices.iter().find(|(name, _)| name == written.get_ref());
    if found.is_none() {
        let names: Vec<String> = choices.iter().map(|(name, _)| format!("\"{name}\"")).collect();
        let what = format!("{} cannot be {}", section.dotted(key), quoted(written.get_ref()));
        let advice = match nearest(written.get_ref(), choices.iter().map(|(name, _)| *name)) {
            Some(near) => format!("did you mean \"{near}\"?"),
            None => format!("write one of: {}", names.join(", ")),
        };
        check.report.error(written.span(), what, advice);
    }
    found.map(|(_, value)| *value)
}

fn guardrails(check: &Check<'_>, section: &Section<'_>, facts: &Facts<'_>, primary: Option<&Rate>) -> Vec<Guardrail> {
    let Some(written) = section.tables("guardrails", &raw::GUARDRAIL) else {
        return primary.and_then(|rate| cost_per_act(facts, rate)).into_iter().collect();
    };
    let mut guardrails: Vec<Guardrail> = Vec::new();
    for table in &written {
        let Some(guardrail) = guardrail(check, table, facts) else { continue };
        if guardrails.iter().any(|other| other.name == guardrail.name) {
            let what = format!("there is a second guardrail called {}", quoted(&guardrail.name));
            check.report.error(table.key_span("name"), what, "give each its own name");
        }
        guardrails.push(guardrail);
    }
    guardrails
}

/// Unless guardrails are given: an act may cost LTV ÷ 3 × conversion-to-paid (product.md section 7).
fn cost_per_act(facts: &Facts<'_>, primary: &Rate) -> Option<Guardrail> {
    facts.suppliers(MetricId::SPEND).next()?;
    let allowed = facts.money.allowed_cost_per_act().filter(|allowed| allowed.micros > 0)?;
    Some(Guardrail {
        name: "cost_per_conversion".to_owned(),
        numerator: MetricId::SPEND,
        denominator: primary.numerator,
        limit: Limit::Max(millionths::to_f64(allowed.micros)),
        margin: defaults::GUARDRAIL_MARGIN,
    })
}

fn guardrail(check: &Check<'_>, table: &Section<'_>, facts: &Facts<'_>) -> Option<Guardrail> {
    let name = table.need("name", "give it a short name, for messages");
    if let Some(name) = &name {
        check_name(name.get_ref(), name.span(), check.report);
    }
    let numerator = metric(check, table, "numerator");
    let denominator = metric(check, table, "denominator");
    if numerator.is_some() && numerator == denominator {
        let what = format!("{} divides a count by itself", table.path);
        check.report.error(table.key_span("denominator"), what, "name what it is limited per");
    }
    for (key, metric) in [("numerator", numerator), ("denominator", denominator)] {
        if let Some(metric) = metric.filter(|metric| facts.lacks(*metric)) {
            let what = format!("no source of this experiment counts {metric}");
            check.report.error(table.key_span(key), what, supplied(facts));
        }
    }
    let positive = |key: &str| {
        let number = table.number(key)?;
        if *number.get_ref() <= 0.0 {
            let what = format!("{} is {}", table.dotted(key), number.get_ref());
            check.report.error(number.span(), what, "write a number above 0");
            return None;
        }
        Some(number.into_inner())
    };
    let (max, min, margin) = (positive("max"), positive("min"), positive("margin"));
    if table.has("max") == table.has("min") {
        let what = format!("{} needs either max or min", table.path);
        check.report.error(table.span.clone(), what, "write max where more is harm, min where less is harm");
    }
    Some(Guardrail {
        name: (*name?.get_ref()).to_owned(),
        numerator: numerator?,
        denominator: denominator?,
        limit: max.map(Limit::Max).or(min.map(Limit::Min))?,
        margin: margin.unwrap_or(defaults::GUARDRAIL_MARGIN),
    })
}

/// Reads `[experiment.KEY.money]`.
pub(super) fn money(check: &Check<'_>, experiment: &Section<'_>) -> MoneyInputs {
    let Some(section) = experiment.table("money", &raw::MONEY, "[experiment.KEY.money]") else {
        return MoneyInputs::default();
    };
    let mut currency = None;
    let mut amount = |key: &str| {
        let (span, money) = section.money(key).map(|money| (money.span(), money.into_inner()))?;
        let first = *currency.get_or_insert(money.currency);
        if first != money.currency {
            let what = format!("{} is in {}, another amount here in {first}", section.dotted(key), money.currency);
            check.report.error(span, what, "write all amounts of an experiment in one currency");
        }
        Some(money)
    };
    let chance = |key: &str| within(check, &section, key, 1.0, "write a share above 0 and at most 1: 12 % is 0.12");
    MoneyInputs {
        team_cost_per_week: amount("team_cost_per_week"),
        build_weeks: within(check, &section, "build_weeks", 520.0, "write weeks, above 0 and at most 520"),
        features_per_year: within(
            check,
            &section,
            "features_per_year",
            10_000.0,
            "write how many, above 0 and at most 10,000",
        ),
        share_failing: chance("share_failing"),
        chance_it_would_be_built: chance("chance_it_would_be_built"),
        gross_profit: amount("gross_profit"),
        chance_it_sells: chance("chance_it_sells"),
        test_cost: amount("test_cost"),
        habit: choice(check, &section, "habit", &[("build", Habit::Build), ("leave", Habit::Leave)]),
        price_per_month: amount("price_per_month"),
        gross_margin: chance("gross_margin"),
        monthly_churn: chance("monthly_churn"),
        signup_to_paid: chance("signup_to_paid"),
        cost_per_visitor: amount("cost_per_visitor"),
    }
}

fn within(check: &Check<'_>, section: &Section<'_>, key: &str, most: f64, advice: &str) -> Option<f64> {
    let number = section.number(key)?;
    let value = *number.get_ref();
    if value > 0.0 && value <= most {
        return Some(value);
    }
    check.report.error(number.span(), format!("{} is {value}", section.dotted(key)), advice);
    None
}
