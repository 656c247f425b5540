//! What a concept's charts are drawn from: the ranges of the verdict with the words that go beside them.

use chrono::{Days, NaiveDate};
use maud::{Markup, html};

use super::Concept;
use crate::decide::course::CourseDay;
use crate::decide::funnel::Step;
use crate::decide::{explain, figures, measure};
use crate::domain::concept::{Model, Policy};
use crate::domain::metric::MetricId;
use crate::domain::verdict::{ArmScore, Evidence, Verdict};
use crate::web::chart::over_time::{Bar, Day, Early, Mark, OverTime, Range};
use crate::web::chart::rows::{Row, Rows};
use crate::web::chart::{Room, Table, Tone, Words, funnel, prices};

/// Fewer visitors than these are too few to draw a range of.
const FEWEST_DRAWN: f64 = 30.0;

/// What a verdict looks like.
pub fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Build => Tone::Build,
        Verdict::Kill => Tone::Kill,
        Verdict::Review => Tone::Review,
        Verdict::Collecting | Verdict::Blocked => Tone::Open,
    }
}

/// Figure and name of the best end of a version's range, of its rate so far and of its worst end.
pub fn ends_said(concept: &Concept, arm: &ArmScore) -> Option<[(String, &'static str); 3]> {
    let policy = &concept.experiment().policy;
    let (low, high) = explain::ends(&arm.evidence)?;
    let (best, worst) = if policy.model == Model::Cpa { (low, high) } else { (high, low) };
    let end = |end: f64| if end.is_finite() { measure::end(policy, end) } else { "no limit".to_owned() };
    let value = arm.evidence.estimate.map_or_else(String::new, |estimate| measure::value(policy, estimate));
    Some([(end(best), "best case"), (value, "so far"), (end(worst), "worst case")])
}

/// A value as an axis prints it: no more digits than it has.
fn axis(policy: &Policy, value: f64) -> String {
    let plain = |value: f64| {
        let text = format!("{value:.3}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    match policy.model {
        Model::Rate => format!("{}%", plain(value * 100.0)),
        Model::Cpa => {
            format!("{}{}", policy.bar_currency.map_or_else(String::new, |currency| currency.symbol()), plain(value))
        }
        Model::Compare => plain(value),
    }
}

/// The range over time of one version, with both drawings, or for a sheet of paper.
pub fn over_time(concept: &Concept, arm: &ArmScore, id: &str, is_sheet: bool) -> Markup {
    let (experiment, card) = (concept.experiment(), concept.card());
    let policy = &experiment.policy;
    let Some(course) = concept.course(arm) else { return html! {} };
    let noun = figures::many(policy.primary.numerator);
    let days: Vec<Day> = course.days.iter().map(drawn_day).collect();
    let clear = clear_since(policy, arm, &course.days);
    let mark = mark(concept, arm);
    let early = clear.zip(mark.as_ref()).filter(|(since, mark)| *since < mark.day).map(|(since, _)| Early {
        since,
        label: format!("enough evidence since {}", concept.day(since)),
        why: course
            .days
            .iter()
            .find(|day| day.day == since)
            .and_then(|day| waits(policy, arm.verdict, day.evidence.as_ref()?))
            .unwrap_or_default(),
    });
    let heading = heading(concept, arm, clear);
    let sub = sub(concept, arm);
    let description = description(concept, arm, &course.days);
    let ends = ends_said(concept, arm).map(|[best, value, worst]| {
        if policy.model == Model::Cpa { [worst, value, best] } else { [best, value, worst] }
    });
    let set = if card.generation == 1 {
        format!("kill bar, set {}", concept.day(experiment.start))
    } else {
        "kill bar".to_owned()
    };
    let bar =
        |at: f64, name: &str, note: String| Bar { at, name: format!("{} {name}", measure::bar(policy, at)), note };
    let chart = OverTime {
        words: Words { id, heading: &heading, sub: &sub, description: &description },
        tone: tone(arm.verdict),
        days: &days,
        bars: [bar(policy.kill_bar, "break-even", set), bar(policy.build_bar, "worth finding", "build bar".to_owned())],
        clear_since: clear.filter(|_| matches!(arm.verdict, Verdict::Build | Verdict::Kill)),
        marks: withdrawn(concept, arm).into_iter().chain(mark).collect(),
        early,
        ends,
        axis: &|value| axis(policy, value),
        counts: &format!("{} a day", figures::capital(&noun)),
        date: &|day| concept.day(day),
        table: table(concept, &course.days),
    };
    if is_sheet { chart.sheet() } else { chart.figure() }
}

fn drawn_day(day: &CourseDay) -> Day {
    let range = day.evidence.as_ref().and_then(|evidence| {
        let (low, high) = explain::ends(evidence)?;
        Some(Range { low, value: evidence.estimate, high })
    });
    Day {
        day: day.day,
        settled: day.settled,
        acts: day.acts,
        printed: day.acts.map_or_else(String::new, figures::count),
        range,
    }
}

/// The first of the last days on which the range stayed clear of the bar that decides.
fn clear_since(policy: &Policy, arm: &ArmScore, days: &[CourseDay]) -> Option<NaiveDate> {
    let ends = explain::ends(&arm.evidence)?;
    let is_build = match arm.verdict {
        Verdict::Build => true,
        Verdict::Kill => false,
        _ => measure::clears_break_even(policy, ends),
    };
    let is_clear = |evidence: &Evidence| {
        explain::ends(evidence).is_some_and(|ends| {
            if is_build { measure::clears_break_even(policy, ends) } else { measure::misses_worth(policy, ends) }
        })
    };
    let said: Vec<_> = days.iter().filter_map(|day| Some((day.day, day.evidence.as_ref()?))).collect();
    said.iter().rev().take_while(|(_, evidence)| is_clear(evidence)).last().map(|(day, _)| *day)
}

/// The verdict, over the last settled day it rested on.
fn mark(concept: &Concept, arm: &ArmScore) -> Option<Mark> {
    let lag = Days::new(concept.experiment().policy.maturity_lag_days.into());
    let day = arm.since?.checked_sub_days(lag)?.min(concept.card().last_settled_day);
    Some(Mark { day, label: format!("{} on the days to {}", arm.verdict, concept.day(day)), is_withdrawn: false })
}

/// The latest verdict that no longer stands, where there is one.
fn withdrawn(concept: &Concept, arm: &ArmScore) -> Option<Mark> {
    let lag = Days::new(concept.experiment().policy.maturity_lag_days.into());
    let (verdict, since) = concept.withdrawn(arm).into_iter().next()?;
    let day = since.checked_sub_days(lag)?.min(concept.card().last_settled_day);
    Some(Mark { day, label: format!("{verdict} of {}, withdrawn", concept.day(since)), is_withdrawn: true })
}

/// What the policy still asked for when the evidence was enough.
fn waits(policy: &Policy, verdict: Verdict, then: &Evidence) -> Option<String> {
    let waits = |what: String| Some(format!("policy waits for {what}"));
    if then.days < policy.min_days {
        waits(format!("{} settled days", policy.min_days))
    } else if then.trials < explain::whole(policy.min_exposures) {
        waits(figures::counted(explain::whole(policy.min_exposures), policy.primary.denominator))
    } else if verdict == Verdict::Build && then.successes < explain::whole(policy.min_conversions) {
        waits(figures::counted(explain::whole(policy.min_conversions), policy.primary.numerator))
    } else {
        None
    }
}

/// What the range of a version came to, as a heading.
pub fn heading_of(concept: &Concept, arm: &ArmScore) -> String {
    let clear = concept.course(arm).and_then(|course| clear_since(&concept.experiment().policy, arm, &course.days));
    heading(concept, arm, clear)
}

fn heading(concept: &Concept, arm: &ArmScore, clear: Option<NaiveDate>) -> String {
    let (experiment, card) = (concept.experiment(), concept.card());
    let policy = &experiment.policy;
    let whose = concept.version(arm).map_or_else(String::new, |name| format!("{name}: "));
    let said = match (card.verdict, explain::ends(&arm.evidence), clear) {
        (Verdict::Blocked, ..) => "what was counted each day; the range is withheld".to_owned(),
        (_, None, _) => "no day has settled yet".to_owned(),
        (_, Some(ends), Some(since)) if measure::clears_break_even(policy, ends) => {
            format!(
                "the range cleared break-even on {} and has stayed {} it",
                concept.day(since),
                measure::good_side(policy)
            )
        }
        (_, Some(ends), Some(since)) if measure::misses_worth(policy, ends) => {
            format!(
                "since {} even the best case misses the {} worth building for",
                concept.day(since),
                measure::bar(policy, policy.build_bar)
            )
        }
        _ => explain::covers(experiment, &arm.evidence),
    };
    if whose.is_empty() { figures::capital(&said) } else { whose + &said }
}

fn sub(concept: &Concept, arm: &ArmScore) -> String {
    let experiment = concept.experiment();
    let rate = &experiment.policy.primary;
    let (acts, exposures) = (figures::many(rate.numerator), figures::many(rate.denominator));
    let what = match experiment.policy.model {
        Model::Rate => format!("{} ÷ {exposures}", figures::capital(&acts)),
        Model::Cpa => format!("{} ÷ {acts}", figures::capital(&exposures)),
        Model::Compare => format!("Rate as a multiple of that of {}", explain::control(experiment)),
    };
    let shaded = if explain::ends(&arm.evidence).is_some() { " Shaded: the range the verdict uses." } else { "" };
    format!("{what}, all settled days up to each day.{shaded}")
}

fn description(concept: &Concept, arm: &ArmScore, days: &[CourseDay]) -> String {
    let policy = &concept.experiment().policy;
    let said: Vec<_> = days.iter().filter_map(|day| Some((day.day, explain::ends(day.evidence.as_ref()?)?))).collect();
    let bars = format!(
        "Break-even is {}, worth finding {}.",
        measure::bar(policy, policy.kill_bar),
        measure::bar(policy, policy.build_bar)
    );
    match (said.first(), said.last()) {
        (Some((first, from)), Some((last, to))) => format!(
            "Line chart, {} to {}, settled days only. The range goes from {} to {}. {bars} The verdict is {}.",
            concept.day(*first),
            concept.day(*last),
            measure::range(policy, *from),
            measure::range(policy, *to),
            arm.verdict
        ),
        _ => format!("Columns of daily counts without a range. {bars} The verdict is {}.", arm.verdict),
    }
}

/// Day by day what was counted, and what all settled days up to it said.
fn table(concept: &Concept, days: &[CourseDay]) -> Table {
    let policy = &concept.experiment().policy;
    let rate = &policy.primary;
    let exposures =
        |amount: f64| if policy.model == Model::Cpa { measure::money(policy, amount) } else { figures::count(amount) };
    let row = |day: &CourseDay| {
        let said =
            |print: &dyn Fn(&Evidence) -> Option<String>| day.evidence.as_ref().and_then(print).unwrap_or_default();
        vec![
            concept.day(day.day),
            day.exposures.map_or_else(|| "not read".to_owned(), exposures),
            day.acts.map_or_else(|| "not read".to_owned(), figures::count),
            if day.settled {
                said(&|said| Some(measure::value(policy, said.estimate?)))
            } else {
                "not settled".to_owned()
            },
            said(&|said| Some(measure::range(policy, explain::ends(said)?))),
        ]
    };
    let heads = [
        "Day".to_owned(),
        figures::capital(&figures::many(rate.denominator)),
        figures::capital(&figures::many(rate.numerator)),
    ];
    let heads = heads.into_iter().chain(["So far", "Range"].map(ToOwned::to_owned)).collect();
    Table { heads, rows: days.iter().map(row).collect() }
}

/// Acts of the leading version by depth of intent; nothing where none is counted.
pub fn funnel(concept: &Concept) -> Option<Markup> {
    let arm = concept.lead()?;
    let policy = &concept.experiment().policy;
    let funnel = concept.derivation.funnel.iter().find(|funnel| funnel.arm == arm.arm)?;
    let count = |metric: MetricId| funnel.steps.iter().find(|step| step.metric == metric).map(|step| step.count);
    let base = if policy.model == Model::Cpa { MetricId::VISITS } else { policy.primary.denominator };
    let visitors = count(base).filter(|&count| count > 0.0);
    let is_act = |step: &&Step| {
        ![MetricId::CLICKS, MetricId::VISITS, MetricId::FORM_OPENS, MetricId::REFUNDS, MetricId::PAYMENTS]
            .contains(&step.metric)
    };
    let depth = |metric: MetricId, count: f64| {
        let per_hundred = visitors.map(|visitors| count / visitors * 100.0);
        funnel::Depth {
            name: figures::capital(metric.metric().noun),
            count,
            printed: figures::count(count),
            per_hundred: per_hundred.map_or_else(String::new, |share| {
                if share > 0.0 && share < 0.1 { "under 0.1 per 100".to_owned() } else { format!("{share:.1} per 100") }
            }),
            decides: metric == policy.primary.numerator,
        }
    };
    let mut depths: Vec<funnel::Depth> =
        funnel.steps.iter().filter(is_act).map(|step| depth(step.metric, step.count)).collect();
    if !depths.iter().any(|depth| depth.decides) {
        depths.insert(0, depth(policy.primary.numerator, arm.evidence.successes));
    }
    let course = concept.course(arm);
    let seen = |metric: MetricId| course.and_then(|course| course.total(metric)).filter(|&total| total > 0.0);
    let mut ways: Vec<String> = Vec::new();
    ways.extend(seen(MetricId::IMPRESSIONS).map(|total| figures::counted(total, MetricId::IMPRESSIONS)));
    // What the acts are per hundred of stands there already.
    let clicks = seen(MetricId::CLICKS).filter(|_| base != MetricId::CLICKS);
    ways.extend(clicks.map(|total| figures::counted(total, MetricId::CLICKS)));
    let reached = if ways.is_empty() { String::new() } else { format!(" Reached through {}.", figures::list(&ways)) };
    let of = visitors.map_or_else(String::new, |visitors| format!(", per 100 of {}", figures::counted(visitors, base)));
    let whose = concept.version(arm).map_or_else(String::new, |name| format!(" of {name}"));
    let sub = format!("Acts{whose} by depth{of}.{reached}");
    let heading = match policy.model {
        Model::Cpa => measure::counts(policy, arm.evidence.successes, arm.evidence.trials),
        _ => format!(
            "{} {}",
            measure::counts(policy, arm.evidence.successes, arm.evidence.trials),
            explain::did(concept.experiment())
        ),
    };
    let description = format!(
        "Bars: {}.",
        figures::list(&depths.iter().map(|depth| format!("{} {}", depth.printed, depth.name)).collect::<Vec<_>>())
    );
    let words = Words { id: "funnel", heading: &heading, sub: &sub, description: &description };
    Some(funnel::Funnel { words, depths: &depths, tone: tone(arm.verdict) }.figure(["Act", "Counted", "Per 100"]))
}

/// Versions and channels as dots with ranges; nothing where there is but one row.
pub fn rows(concept: &Concept, room: Room) -> Option<Markup> {
    let (experiment, card) = (concept.experiment(), concept.card());
    let policy = &experiment.policy;
    let row = |name: &str, evidence: &Evidence, tone: Tone, is_total: bool| {
        let ends = explain::ends(evidence);
        let enough = policy.model == Model::Cpa || evidence.trials >= FEWEST_DRAWN;
        Row {
            name: name.to_owned(),
            counts: measure::counts(policy, evidence.successes, evidence.trials),
            value: evidence
                .estimate
                .filter(|_| enough)
                .map_or_else(String::new, |estimate| measure::value(policy, estimate)),
            range: match ends {
                Some(ends) if enough => measure::range(policy, ends),
                Some(_) => "too few to draw".to_owned(),
                None => "no range".to_owned(),
            },
            drawn: ends.filter(|_| enough).map(|(low, high)| [low, evidence.estimate.unwrap_or(low), high]),
            tone,
            is_total,
        }
    };
    let open = |evidence: &Evidence| match explain::ends(evidence) {
        Some(ends) if measure::clears_break_even(policy, ends) => Tone::Build,
        Some(ends) if measure::misses_worth(policy, ends) => Tone::Kill,
        _ => Tone::Open,
    };
    let mut rows = Vec::new();
    for arm in &card.arms {
        let cells: Vec<_> = concept.cells.iter().filter(|cell| cell.arm == arm.arm).collect();
        let all = if concept.cells.is_empty() {
            explain::name(experiment, &arm.arm).to_owned()
        } else {
            format!("{}, all channels", explain::name(experiment, &arm.arm))
        };
        rows.push(row(&all, &arm.evidence, tone(arm.verdict), !cells.is_empty()));
        rows.extend(cells.into_iter().map(|cell| row(&cell.channel, &cell.evidence, open(&cell.evidence), false)));
    }
    if rows.len() < 2 {
        return None;
    }
    let heading = rows_heading(concept);
    let what = if policy.model == Model::Cpa { "Cost" } else { "Rate" };
    let sub = format!("{what} (dot) and range (line). Solid line: clears a bar. Dashed line: still open.");
    let description = rows
        .iter()
        .map(|row| format!("{}: {}, {}, {}.", row.name, row.counts, row.value, row.range))
        .collect::<Vec<_>>()
        .join(" ");
    let warning = if concept.cells.is_empty() {
        "Each version is shown to people of its own: a difference between versions may come from the people."
    } else {
        "Each platform chose who saw the ads, so these rows compare delivery with its audience, not the channel alone. The verdict uses them together."
    };
    let [break_even, worth] = [(policy.kill_bar, "break-even"), (policy.build_bar, "worth finding")]
        .map(|(bar, name)| format!("{name} {}", measure::bar(policy, bar)));
    let words = Words { id: "rows", heading: &heading, sub: &sub, description: &description };
    let bars = [(policy.kill_bar, break_even.as_str()), (policy.build_bar, worth.as_str())];
    let warning = if policy.srm.is_some() && concept.cells.is_empty() { "" } else { warning };
    Some(Rows { words, rows: &rows, bars, axis: &|value| axis(policy, value), room, warning }.figure())
}

fn rows_heading(concept: &Concept) -> String {
    let policy = &concept.experiment().policy;
    let clears =
        |evidence: &Evidence| explain::ends(evidence).is_some_and(|ends| measure::clears_break_even(policy, ends));
    let lead = concept.lead().map(|arm| &arm.arm);
    let cells = concept.cells.iter().filter(|cell| Some(&cell.arm) == lead);
    let (clear, open): (Vec<_>, Vec<_>) = cells.partition(|cell| clears(&cell.evidence));
    let names = |cells: &[&crate::decide::course::Cell]| {
        figures::list(&cells.iter().map(|cell| cell.channel.clone()).collect::<Vec<_>>())
    };
    let side = measure::good_side(policy);
    match (&clear[..], &open[..]) {
        ([], []) => match concept.derivation.versions.as_ref().map(|best| &best.open[..]) {
            Some([only]) => format!("{} does better than the others", explain::name(concept.experiment(), only)),
            Some(open) => {
                let words = |count: usize| figures::in_words(u32::try_from(count).unwrap_or(u32::MAX));
                let (open, all) = (words(open.len()), words(concept.card().arms.len()));
                format!("{} of {all} versions cannot be told apart yet", figures::capital(&open))
            }
            None => "Versions side by side".to_owned(),
        },
        ([], _) => format!("No channel alone is {side} break-even"),
        (_, []) => format!("Each channel alone is {side} break-even"),
        (clear, open) => format!("{} alone is {side} break-even; {} alone is not proven", names(clear), names(open)),
    }
}

/// What each price brings; nothing where versions do not differ in price.
pub fn price_response(concept: &Concept) -> Option<Markup> {
    let seen = &concept.derivation.prices;
    if seen.len() < 2 {
        return None;
    }
    let policy = &concept.experiment().policy;
    let units = |money: crate::domain::money::Money| crate::domain::millionths::to_f64(money.micros);
    let price = |price: &crate::decide::prices::Price| {
        let (low, high) = price.rate_range;
        let (least, most) = price.revenue_range;
        prices::Price {
            name: price.price.as_set(),
            rate: [low, price.rate, high],
            rate_said: [measure::value(policy, price.rate), measure::range(policy, (low, high))],
            revenue: [units(least), units(price.revenue), units(most)],
            revenue_said: [price.revenue.to_string(), format!("{least} to {most}")],
        }
    };
    let drawn: Vec<_> = seen.iter().map(price).collect();
    let mut open = seen.iter().filter(|price| price.open);
    let heading = match (open.next(), open.next()) {
        (Some(only), None) => format!("{} earns the most", only.price.as_set()),
        _ => "No price is ruled out yet".to_owned(),
    };
    let rate =
        format!("Share of {} that {}", figures::many(policy.primary.denominator), explain::did(concept.experiment()));
    let sub = format!(
        "Counted: {}. The prices share the error, so each range is wider.",
        figures::many(policy.primary.numerator)
    );
    let description = seen
        .iter()
        .zip(&drawn)
        .map(|(_, price)| format!("{}: {}, {}.", price.name, price.rate_said[1], price.revenue_said[1]))
        .collect::<Vec<_>>()
        .join(" ");
    let words = Words { id: "prices", heading: &heading, sub: &sub, description: &description };
    let of_what = [rate.as_str(), "What 100 visitors bring"];
    Some(prices::Prices { words, prices: &drawn, of_what }.figure())
}
