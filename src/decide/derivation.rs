//! The long way to a verdict, for the reader who checks the claim: the rule, the days that counted,
//! what would change the verdict, and the fingerprints to recompute it from.

use serde::Serialize;

use super::account::{self, Figure};
use super::best::{self, Best};
use super::capped;
use super::explain::{self, acted};
use super::figures;
use super::flips::{self, Flips};
use super::funnel::{self, Funnel};
use super::measure;
use super::message;
use super::money;
use super::next;
use super::notes;
use super::outlook::{self, Outlook};
use super::portfolio;
use super::prices::{self, Price};
use super::rule;
use super::tally::{DayCounts, Tally, units};
use super::traffic;
use super::watched;
use crate::domain::concept::{Arm, Experiment, Guardrail, Limit, Model, Source};
use crate::domain::day_note::Word;
use crate::domain::id::SourceId;
use crate::domain::metric::MetricId;
use crate::domain::millionths;
use crate::domain::money::Currency;
use crate::domain::observation::Inputs;
use crate::domain::verdict::{ArmScore, Generation, GuardrailScore, Reason, Scorecard, Verdict};

/// One heading and what stands below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Section {
    /// What it answers.
    pub title: String,
    /// One sentence or row each.
    pub lines: Vec<String>,
}

/// The long way, in words and for programs.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Derivation {
    /// All of it in words.
    #[serde(rename = "explanation")]
    pub sections: Vec<Section>,
    /// Every money figure, opened.
    pub money: Vec<Figure>,
    /// How deep people came, by version.
    pub funnel: Vec<Funnel>,
    /// What would change the verdict.
    pub flips: Flips,
    /// What lies ahead of a test that collects.
    pub outlook: Option<Outlook>,
    /// Which of several versions may be the best.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub versions: Option<Best>,
    /// What each price brings, where versions differ in price.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub prices: Vec<Price>,
}

/// From the verdict back to the days it came from. `data` is what the scorecard was decided on.
pub fn derive(experiment: &Experiment, generation: &Generation, data: &Inputs, card: &Scorecard) -> Derivation {
    let tally = Tally::of(experiment, generation, data, card.as_of);
    let best = (card.verdict != Verdict::Blocked).then(|| best::best(experiment, &tally)).flatten();
    let prices = (card.verdict != Verdict::Blocked).then(|| prices::prices(experiment, &tally)).flatten();
    let section = |title: &str, lines: Vec<String>| Section { title: title.into(), lines };
    let takes = flips::takes(experiment, &tally);
    let together = data.others.as_deref().and_then(|others| portfolio::rule(experiment, others, takes));
    let doubted = (card.verdict == Verdict::Blocked)
        .then(|| "These numbers are as last read. No verdict is given on them.".to_owned());
    let mut sections = vec![
        section("Verdict", verdict(experiment, data, &tally, card)),
        section(
            "The rule",
            rule::sentences(experiment, card, together.is_some()).into_iter().chain(together).collect(),
        ),
        section(
            "What was seen",
            doubted
                .into_iter()
                .chain(card.arms.iter().flat_map(|arm| seen(experiment, card, &tally, arm)))
                .chain(seen_of_control(experiment, &tally))
                .collect(),
        ),
        section("Versions", best.as_ref().map_or_else(Vec::new, |best| best::sentences(experiment, card, best))),
        section("Prices", prices.as_ref().map_or_else(Vec::new, |prices| prices::sentences(experiment, prices))),
        section(
            "Limits (guardrails)",
            if card.verdict == Verdict::Blocked { vec![] } else { guardrails(experiment, card) },
        ),
    ];
    let funnel = funnel::funnels(&tally, experiment.policy.primary.numerator);
    let by_version = |lines: fn(&Funnel) -> Vec<String>| {
        let of_version = |((arm, _), funnel): (&(&Arm, Vec<DayCounts>), &Funnel)| {
            let who = if tally.arms.len() == 1 { String::new() } else { format!("{}: ", arm.title) };
            lines(funnel).into_iter().map(|line| format!("{who}{line}")).collect::<Vec<_>>()
        };
        tally.arms.iter().zip(&funnel).flat_map(of_version).collect::<Vec<_>>()
    };
    sections.insert(3, section("How far people got", by_version(Funnel::lines)));
    let answers = by_version(|funnel| funnel.left_out_line().into_iter().collect());
    sections
        .push(section("What was left out", explain::left_out(experiment, card).into_iter().chain(answers).collect()));
    let flips = flips::flips(experiment, generation, data, &tally, card);
    let outlook = outlook::outlook(experiment, &tally, &watched(experiment, &tally, tally.hold), card);
    sections.push(section("What would change it", flips::sentences(experiment, card, &flips)));
    let ahead = outlook.as_ref().map(|outlook| outlook::sentences(experiment, card, outlook));
    sections.push(section("What lies ahead", ahead.unwrap_or_default()));
    let money = account::figures(experiment, data, &tally, card);
    let mut lines: Vec<String> = money.iter().map(account::Figure::line).collect();
    lines.extend(account::two_currencies(experiment, card));
    sections.push(section("Money", lines));
    for (arm, days) in &tally.arms {
        let mut title =
            format!("Days of {}{}", arm.title, if arm.control { " (compared with, not judged)" } else { "" });
        if let Some(until) = arm.until {
            let until = figures::day(until, explain::today(experiment, card));
            title += &format!(" (taken out after {until}: nothing is added)");
        }
        sections.push(section(&title, day_rows(experiment, card, &tally, days)));
    }
    sections.push(section("Sources", meanings(experiment, data, &tally)));
    sections.push(section(
        "Fingerprints",
        vec![
            format!(
                "One line each for the rule as fixed at the start, for the numbers that count, and for the program. Same line in two verdicts: same rule, numbers or program. `willitsell replay {}` derives the verdict again.",
                card.concept
            ),
            format!("policy {} (test {})", card.policy_hash, card.generation),
            format!("data {}", card.data_hash),
            format!("willitsell {}", card.program_version),
        ],
    ));
    sections.retain(|section| !section.lines.is_empty());
    Derivation { sections, money, funnel, flips, outlook, versions: best, prices: prices.unwrap_or_default().seen }
}

/// The verdict, what to do about it, and what to write for that.
fn verdict(experiment: &Experiment, data: &Inputs, tally: &Tally<'_>, card: &Scorecard) -> Vec<String> {
    let ads = money::spend_after(experiment, data, tally, tally.calendar.today);
    let mut lines = vec![
        notes::look_below(experiment, &explain::banner(experiment, card)),
        format!("Next: {}.", next::to_do(experiment, card, ads.as_ref())),
    ];
    lines.extend(notes::how_to_settle(experiment, tally, card));
    lines.extend(next::how_to_decide(experiment, card, money::unsettled(tally)));
    lines
}

fn seen(experiment: &Experiment, card: &Scorecard, tally: &Tally<'_>, arm: &ArmScore) -> Vec<String> {
    let who = explain::who(experiment, card, arm);
    let evidence = &arm.evidence;
    let (acts, exposures) = (experiment.policy.primary.numerator, experiment.policy.primary.denominator);
    if evidence.days > 0 && evidence.successes == 0.0 && card.reasons.iter().any(leaves_acts_unknown) {
        let came = match experiment.policy.model {
            Model::Cpa => measure::money(&experiment.policy, evidence.trials),
            Model::Rate | Model::Compare => figures::counted(evidence.trials, exposures),
        };
        let days = figures::days(evidence.days);
        let of_no_version = card.reasons.iter().find_map(|why| match why {
            Reason::UnmappedActs { acts: all, .. } => Some(figures::counted(*all, acts)),
            _ => None,
        });
        let unknown = match (of_no_version, experiment.policy.model) {
            (Some(all), Model::Cpa) => format!("which of the {all} it brought"),
            (Some(all), _) => format!("which of the {all} are theirs"),
            (None, Model::Cpa) => format!("whether it brought any {}", figures::many(acts)),
            (None, _) => format!("whether any of them {}", explain::did(experiment)),
        };
        return vec![format!("{who}{came} over {days}; {unknown} is not known.")];
    }
    if evidence.days == 0 {
        let counted = figures::many(experiment.policy.primary.denominator);
        return vec![format!("{who}No settled day with {counted} yet.")];
    }
    let days = notes::days_seen(experiment, arm, tally.settled_days(&arm.arm));
    let mut lines = vec![format!("{who}{}, over {days}.", acted(experiment, evidence))];
    lines.extend(
        surplus(experiment, tally, arm).map(|acts| {
            format!("{who}Left out: {acts} beyond the number of {} on their day.", figures::many(exposures))
        }),
    );
    lines.extend(traffic::visit_rate(experiment, tally, &arm.arm).map(|[clicks, visits]| {
        format!(
            "{who}{} for {}: {} for every 100.",
            figures::counted(visits, MetricId::VISITS),
            figures::counted(clicks, MetricId::CLICKS),
            figures::share(visits / clicks).trim_end_matches('%')
        )
    }));
    let side = |verdict: Verdict, evidence: Option<f64>, needed: Option<f64>| {
        // How much there is too much or too little is said in acts ("What would change it"): evidence grows faster than they
        // do. What other concepts withhold is said in the verdict's sentence.
        Some(evidence? / needed?).filter(|factor| factor.is_finite() && *factor >= 1.0)?;
        let is_withheld = arm.reason.as_ref().is_some_and(|why| why.withheld().is_some());
        let alone = verdict == Verdict::Build && tally.hold.is_some();
        let alone = if alone { " if this were the only test" } else { "" };
        if verdict == Verdict::Build && is_withheld {
            return None;
        }
        let short = capped::short_of(experiment, arm, verdict);
        let short = short.map_or_else(String::new, |short| format!(", {short}"));
        Some(format!("{who}The evidence is enough for {verdict}{alone}{short}."))
    };
    lines.extend(side(Verdict::Build, evidence.log_e_build, evidence.build_at));
    lines.extend(side(Verdict::Kill, evidence.log_e_kill, evidence.kill_at));
    if let Some(phi) = evidence.phi.filter(|&phi| phi > 1.0) {
        lines.push(format!(
            "{who}Days differ by more than chance: to allow for it, the evidence is divided by {phi:.2}, and the range is wider."
        ));
    }
    lines
}

/// Acts that cannot be right, because their day has fewer exposures: the test does not count them. A unit of money may bring
/// several.
fn surplus(experiment: &Experiment, tally: &Tally<'_>, arm: &ArmScore) -> Option<String> {
    let (_, days) = tally.arms.iter().find(|(one, _)| one.id == arm.arm && experiment.policy.model != Model::Cpa)?;
    let beyond: i128 = tally.settled(days).map(|day| (day.conversions - day.exposures).max(0)).sum();
    (beyond > 0).then(|| figures::counted(units(beyond), experiment.policy.primary.numerator))
}

/// What the others are compared with.
fn seen_of_control(experiment: &Experiment, tally: &Tally<'_>) -> Option<String> {
    let (arm, days) = tally.arms.iter().find(|(arm, _)| arm.control && experiment.policy.model == Model::Compare)?;
    let sum = |pick: fn(&DayCounts) -> i128| units(tally.settled(days).map(pick).sum());
    let counts = measure::counts(&experiment.policy, sum(|day| day.conversions), sum(|day| day.exposures));
    Some(format!("{} (compared with): {counts} {}.", arm.title, explain::did(experiment)))
}

/// Whether a zero of the deciding act may be one that nobody counted.
fn leaves_acts_unknown(why: &Reason) -> bool {
    matches!(why, Reason::NoData { .. } | Reason::UnmappedActs { .. })
}

/// Each guardrail of each version, with the range its own test gives.
fn guardrails(experiment: &Experiment, card: &Scorecard) -> Vec<String> {
    let currency = card.spend.map(|spend| spend.currency);
    let line = |arm: &ArmScore, rail: &Guardrail, score: &GuardrailScore| {
        let print = |value| explain::guardrail_figure(rail.numerator, value, currency);
        let value =
            score.value.map_or_else(|| format!("no {} on any settled day", rail.denominator.metric().noun), print);
        let range = score
            .low
            .zip(score.high)
            .map_or_else(String::new, |(low, high)| format!(" (range {} to {})", print(low), print(high)));
        let limit = format!(
            "Limit: at {} {}",
            if score.is_max { "most" } else { "least" },
            explain::limit_figure(rail.numerator, score.limit, currency)
        );
        let state = match (score.breached, explain::is_beyond(score)) {
            (true, _) => format!("Breached{}", brought(experiment, arm, rail)),
            (false, true) if score.is_max => "Over it, but that may be chance: not breached".to_owned(),
            (false, true) => "Under it, but that may be chance: not breached".to_owned(),
            (false, false) => "Holds".to_owned(),
        };
        let name = match explain::who(experiment, card, arm) {
            who if who.is_empty() => figures::capital(&score.name),
            who => who + &score.name,
        };
        format!("{name}: {value}{range}. {limit}. {state}.")
    };
    let mut lines: Vec<String> = card
        .arms
        .iter()
        .flat_map(|arm| {
            let scores = experiment.policy.guardrails.iter().zip(&arm.guardrails);
            scores.map(move |(rail, score)| line(arm, rail, score))
        })
        .collect();
    let has_range = |score: &GuardrailScore| score.low.is_some() && score.high.is_some();
    if card.arms.iter().flat_map(|arm| &arm.guardrails).any(has_range) {
        lines.push("Each limit is held against the range beside it, and is breached only when that whole range is past the limit. That range serves to check the limit and nothing else: it is worked out in another way than the one under \"What was seen\", so do not compare the two.".into());
    }
    lines
}

/// What the money of a version would have had to bring at the limit of what an act may cost: `: to keep to $20 each, $4,200
/// would have had to bring 210 sign-ups`.
fn brought(experiment: &Experiment, arm: &ArmScore, rail: &Guardrail) -> String {
    let noun = rail.denominator;
    let limit = match rail.limit {
        Limit::Max(limit) if message::is_cost(experiment, rail) => limit,
        Limit::Max(_) | Limit::Min(_) => return String::new(),
    };
    let paid = arm.cost_per_act.and_then(|cost| cost.times(arm.evidence.successes));
    let Some(paid) = paid.or(arm.spend.filter(|_| arm.cost_per_act.is_none())) else { return String::new() };
    let acts = figures::counted((millionths::to_f64(paid.micros) / limit).ceil(), noun);
    let each = explain::limit_figure(rail.numerator, limit, Some(paid.currency));
    format!(": to keep to {each} each, {paid} would have had to bring {acts}")
}

/// What each source says of its numbers, from its last pull.
fn meanings(experiment: &Experiment, data: &Inputs, tally: &Tally<'_>) -> Vec<String> {
    let money_in = |source: &SourceId| {
        let seen = tally.currencies_of.get(source)?;
        let named = |currency: &Option<Currency>| {
            currency.map_or_else(|| "a currency not named".to_owned(), |named| named.code())
        };
        Some(format!("money in {}", figures::list(&seen.iter().map(named).collect::<Vec<_>>())))
    };
    // Of settled days, for those count; before there are any, of the last reading.
    let zones = |source: &SourceId, last: &str| match tally.zones.get(source) {
        Some(seen) => figures::list(&seen.iter().map(|&zone| zone.to_owned()).collect::<Vec<_>>()),
        None => last.to_owned(),
    };
    let of_source = |source: &Source| {
        let readings = data.pulls.iter().filter(|pull| pull.source == source.id && pull.is_reading());
        let pull = readings.max_by_key(|pull| pull.id)?;
        let facts = &pull.facts;
        let said = |what: &str, text: &Option<String>| text.as_ref().map(|text| format!("{what}: {text}"));
        let parts = [
            said("clicks", &facts.clicks),
            said("conversions", &facts.conversions),
            said("credited for", &facts.attribution),
            said("left out", &facts.left_out),
            Some(format!("days in {}", zones(&source.id, pull.day_zone.name()))),
            money_in(&source.id),
            (!source.fractional.is_empty()).then(|| {
                format!(
                    "{} need not be whole",
                    figures::list(&source.fractional.iter().map(|&one| figures::many(one)).collect::<Vec<_>>())
                )
            }),
            facts.as_of.map(|at| format!("complete up to {}", at.format("%Y-%m-%d %H:%M UTC"))),
            said("API version", &facts.version),
        ];
        let known: Vec<String> = parts.into_iter().flatten().collect();
        Some(format!(
            "{}: {}. A day settles after {}.",
            figures::quoted(&source.id),
            known.join("; "),
            figures::days(source.maturity_lag_days)
        ))
    };
    experiment.sources.iter().filter_map(of_source).collect()
}

/// A row a day; days of which nothing was read share one.
fn day_rows(experiment: &Experiment, card: &Scorecard, tally: &Tally<'_>, days: &[DayCounts]) -> Vec<String> {
    let policy = &experiment.policy;
    let today = explain::today(experiment, card);
    let unknown = card.reasons.iter().any(leaves_acts_unknown);
    let is_settled = |day: &DayCounts| day.day <= tally.calendar.last_settled;
    let set_aside = |day: &DayCounts| experiment.word_on(day.day) == Some(Word::SetAside);
    let alike =
        |day: &DayCounts, next: &DayCounts| is_settled(day) == is_settled(next) && set_aside(day) == set_aside(next);
    let runs = days.chunk_by(|day, next| !day.covered && !next.covered && alike(day, next));
    let row = |run: &[DayCounts]| {
        let (first, last) = (run.first()?, run.last()?);
        let mut when = figures::day(first.day, today);
        if last.day > first.day {
            when = format!("{when} to {}", figures::day(last.day, today));
        }
        let mut parts = if first.covered {
            let acts = if first.conversions == 0 && unknown {
                format!("{} not known", figures::many(policy.primary.numerator))
            } else {
                figures::counted(units(first.conversions), policy.primary.numerator)
            };
            match policy.model {
                // The money stands at the end of every row.
                Model::Cpa => vec![acts],
                Model::Rate | Model::Compare => {
                    vec![figures::counted(units(first.exposures), policy.primary.denominator), acts]
                }
            }
        } else if set_aside(first) {
            vec!["set aside, does not count".to_owned()]
        } else {
            vec![match (is_settled(first), run.len()) {
                (false, _) => "not read from every source yet".to_owned(),
                (true, 1) => "does not count, because not every source was read after it had settled".to_owned(),
                (true, _) => "do not count, because not every source was read after they had settled".to_owned(),
            }]
        };
        let spend: i128 = run.iter().map(|day| day.spend).sum();
        let mut known = String::new();
        if let Some(money) = tally.money(spend).filter(|_| spend != 0) {
            // What a day cost is money gone, also where the day counts for nothing.
            if first.covered {
                parts.push(money.to_string());
            } else {
                known = format!("; {money} spent, as far as known");
            }
        }
        let settling = first.covered && !is_settled(first);
        let left_out = if settling { " (not settled, does not count yet)" } else { "" };
        Some(format!("{when}: {}{known}{left_out}", parts.join(", ")))
    };
    runs.filter_map(row).collect()
}
