//! The bars of a policy: what is break-even and what is worth finding, in the form each model asks for.

use super::check::Check;
use super::defaults;
use super::policy::Facts;
use super::raw::{Section, Span};
use crate::domain::concept::Model;
use crate::domain::millionths;
use crate::domain::money::{Currency, Money};

/// Bars further apart than this decide on two lucky acts (statistics.md section 7).
const BARS_FAR_APART: f64 = 5.0;

/// Checked bars.
pub(super) struct Bars {
    /// Break-even.
    pub(super) kill_bar: f64,
    /// Worth finding.
    pub(super) build_bar: f64,
    /// Of amounts.
    pub(super) currency: Option<Currency>,
}

/// Reads `kill_bar` and `build_bar`; `None` when they have an error.
pub(super) fn bars(check: &Check<'_>, section: &Section<'_>, facts: &Facts<'_>, model: Model) -> Option<Bars> {
    let plain = |(kill_bar, build_bar)| Bars { kill_bar, build_bar, currency: None };
    match model {
        Model::Rate => rate(check, section, facts).map(plain),
        Model::Compare => ratio(check, section).map(plain),
        Model::Cpa => cost(check, section, facts),
    }
}

/// Shares of visitors.
fn rate(check: &Check<'_>, section: &Section<'_>, facts: &Facts<'_>) -> Option<(f64, f64)> {
    let advice = match facts.money.kill_bar().filter(|bar| (0.0..1.0).contains(bar)) {
        Some(bar) => format!("write the break-even rate; your money inputs put it at kill_bar = {bar:.4}"),
        None => "write the rate at or below which building loses money, for example kill_bar = 0.02".to_owned(),
    };
    section.require("kill_bar", &advice);
    let share = |key: &str| {
        let bar = section.number(key)?;
        let share = *bar.get_ref();
        if share > 0.0 && share < 1.0 {
            return Some((bar.span(), share));
        }
        let what = format!("{} is {share}", section.dotted(key));
        check.report.error(bar.span(), what, "write a share of visitors between 0 and 1: 2 % is 0.02");
        None
    };
    let (kill_span, kill) = share("kill_bar")?;
    let (span, build): (Span, f64) = if section.has("build_bar") {
        share("build_bar")?
    } else {
        (kill_span, kill * defaults::BUILD_BAR_PER_KILL_BAR)
    };
    if build >= 1.0 {
        let what = "build_bar, left out, would be 1.5 times the kill bar and so above every rate";
        check.report.error(span, what, "write a build_bar below 1");
        return None;
    }
    if build <= kill {
        let what = format!("{} ({build}) is not above kill_bar ({kill})", section.dotted("build_bar"));
        check.report.error(
            span,
            what,
            "kill_bar is break-even, build_bar is worth finding: write the larger one there",
        );
        return None;
    }
    far_apart(check, span, build / kill);
    Some((kill, build))
}

/// Ratios of a version's rate to the control's.
fn ratio(check: &Check<'_>, section: &Section<'_>) -> Option<(f64, f64)> {
    let bar = |key: &str, default: f64| {
        let Some(bar) = section.number(key) else {
            // One that was written and could not be read has been reported.
            return (!section.has(key)).then_some(default);
        };
        let ratio = *bar.get_ref();
        if ratio > 0.0 {
            return Some(ratio);
        }
        let what = format!("{} is {ratio}", section.dotted(key));
        let advice = "write how many times the control's rate: 1.2 is a fifth more";
        check.report.error(bar.span(), what, advice);
        None
    };
    let (kill, build) = bar("kill_bar", defaults::KILL_RATIO).zip(bar("build_bar", defaults::BUILD_RATIO))?;
    if build <= kill {
        let what = format!("{} ({build}) is not above kill_bar ({kill})", section.dotted("build_bar"));
        let at = section.key_span(if section.has("build_bar") { "build_bar" } else { "kill_bar" });
        check.report.error(
            at,
            what,
            "kill_bar is no better than needed, build_bar is worth finding: write the larger one there",
        );
        return None;
    }
    far_apart(check, section.key_span("build_bar"), build / kill);
    Some((kill, build))
}

/// Amounts for one act: the one worth finding is the smaller.
fn cost(check: &Check<'_>, section: &Section<'_>, facts: &Facts<'_>) -> Option<Bars> {
    let advice = match facts.money.allowed_cost_per_act() {
        Some(act) if act.micros > 0 => format!("write what an act may cost at most; your money inputs put it at {act}"),
        _ => "write what an act may cost at most: kill_bar = { amount = \"30.00\", currency = \"EUR\" }".to_owned(),
    };
    section.require("kill_bar", &advice);
    let bar = |key: &str| section.money(key).map(|money| (money.span(), money.into_inner()));
    let (kill_span, kill) = bar("kill_bar")?;
    let (span, build) = match bar("build_bar") {
        Some(build) => build,
        None if section.has("build_bar") => return None,
        None => (kill_span.clone(), kill.times(1.0 / defaults::KILL_COST_PER_BUILD_COST)?),
    };
    let mut others = facts.money.amounts().map(|amount| amount.currency).chain([build.currency]);
    if let Some(other) = others.find(|other| *other != kill.currency) {
        let what = format!("{} is in {}, another amount here in {other}", section.dotted("kill_bar"), kill.currency);
        check.report.error(kill_span, what, "write all of them in the currency the ads are paid in");
        return None;
    }
    if build.micros >= kill.micros || build.micros == 0 {
        let what = format!("{} ({build}) is not below kill_bar ({kill})", section.dotted("build_bar"));
        let advice = "an act worth finding is the cheaper one: kill_bar is break-even, write less in build_bar";
        check.report.error(span, what, advice);
        return None;
    }
    let [kill_bar, build_bar] = [kill, build].map(|bar: Money| millionths::to_f64(bar.micros));
    far_apart(check, span, kill_bar / build_bar);
    Some(Bars { kill_bar, build_bar, currency: Some(kill.currency) })
}

fn far_apart(check: &Check<'_>, at: Span, times: f64) {
    if times > BARS_FAR_APART {
        let what = format!("the bars are more than {BARS_FAR_APART} times apart");
        check.report.warn(at, what, "two lucky acts could decide: move them closer, or raise min_conversions");
    }
}
