//! A plan in words that need no statistics.

use super::ask::Asked;
use super::{Planned, Worth};
use crate::cli::output::{WIDTH, wrapped};
use crate::decide::figures;
use crate::decide::plan::published::{ACTS, PRICES};
use crate::decide::plan::{Caution, Effort, Misfit, Proposal};
use crate::domain::concept::Model;
use crate::domain::millionths;
use crate::domain::money::{Money, thousands};

/// A ratio of one.
const EQUALLY: &str = "equally often";

/// The column at which text begins behind a label.
const HANG: usize = 12;

/// The whole plan.
pub(super) fn planned(asked: &Asked, planned: &Planned<'_>) -> String {
    let mut lines = vec![heading(asked, planned), String::new()];
    let mut say = |label: &str, text: &str| lines.push(wrapped(&format!("{label:<HANG$}{text}"), HANG));
    say("Question", &question(asked));
    say("Traffic", &traffic(asked));
    let mut label = "Assumed";
    for assumption in &asked.assumptions {
        say(label, assumption);
        label = "";
    }
    say("Set aside", &set_aside(planned.plan.cap));
    lines.extend([String::new(), chances(asked, planned), String::new()]);
    let mut note = |text: &str| lines.push(wrapped(text, 0));
    note(&format!(
        "Days count from the first ad to the verdict, with the {} until the last day has settled.",
        figures::days(asked.question.policy.maturity_lag_days)
    ));
    for caution in &planned.plan.cautions {
        note(&format!("Note: {}", caution_text(asked, caution)));
    }
    if let Some(worth) = planned.worth {
        note(&worth_text(planned, worth));
    }
    lines.extend([String::new(), ending(asked, planned)]);
    lines.join("\n")
}

fn heading(asked: &Asked, planned: &Planned<'_>) -> String {
    match (&asked.title, planned.concept) {
        (Some(title), Some(concept)) => format!("Plan for {concept}: {title}"),
        _ => "Plan".to_owned(),
    }
}

fn question(asked: &Asked) -> String {
    let policy = &asked.question.policy;
    let (kill, build) = (bar(asked, policy.kill_bar), bar(asked, policy.build_bar));
    let arms = match asked.question.arms {
        1 => String::new(),
        arms => format!(", for each of {arms} versions"),
    };
    match asked.question.policy.model {
        Model::Rate => format!("Is the rate {kill} or less (break-even), or {build} or more (worth building){arms}?"),
        Model::Cpa => {
            format!("Does an act cost {kill} or more (break-even), or {build} or less (worth building){arms}?")
        }
        Model::Compare => format!(
            "Next to the offer you have, taken by {}: is the new one taken {} (break-even), or at least {build} as often \
             (worth building){arms}?",
            figures::bar(asked.question.base_rate),
            if kill == EQUALLY { "no more often".to_owned() } else { format!("at most {kill} as often") }
        ),
    }
}

fn traffic(asked: &Asked) -> String {
    let question = &asked.question;
    let budget = question.daily_budget;
    match asked.price {
        None => format!("{budget} a day"),
        Some((price, _)) => {
            let visitors = figures::count(question.visitors_per_day.round());
            format!("{budget} a day at {price} each: about {visitors} visitors a day")
        }
    }
}

fn set_aside(cap: Effort) -> String {
    let visitors = cap.visitors.map(|visitors| format!(" for {} visitors", figures::count(figures::about(visitors))));
    let (days, cost) = (figures::days(cap.days), cap.cost);
    format!("{days} and {cost}{}: a truth between the bars takes longest", visitors.unwrap_or_default())
}

/// What the test would say, by what is true.
fn chances(asked: &Asked, planned: &Planned<'_>) -> String {
    let policy = &asked.question.policy;
    let mut rows = vec![["If the truth is", "BUILD", "KILL", "REVIEW", "visitors", "days", "money"].map(str::to_owned)];
    for chance in planned.chances {
        let place = match chance.truth {
            truth if truth.total_cmp(&policy.kill_bar).is_eq() => " (kill bar)",
            truth if truth.total_cmp(&policy.build_bar).is_eq() => " (build bar)",
            _ => "",
        };
        rows.push([
            truth(asked, chance.truth) + place,
            figures::share(chance.build),
            figures::share(chance.kill),
            figures::share(chance.review),
            chance.visitors.map(|visitors| figures::count(figures::about(visitors))).unwrap_or_default(),
            figures::count(chance.days.round()),
            chance.cost.to_string(),
        ]);
    }
    let without = if asked.question.policy.model == Model::Cpa { Some(4) } else { None };
    let each = if asked.question.arms > 1 { ", for one version" } else { "" };
    let runs = thousands(planned.runs);
    let head = format!("How it ends, on average of {runs} simulated tests for each truth{each}:");
    format!("{head}\n{}", table(&rows, without))
}

/// The first column to the left, the others to the right; one may be left out.
fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]], without: Option<usize>) -> String {
    let columns = (0..COLUMNS).filter(|column| Some(*column) != without).collect::<Vec<_>>();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let cell = |row: &[String; COLUMNS], column: usize| {
        let (text, width) = (&row[column], width(column));
        if column == 0 { format!("  {text:<width$}") } else { format!("  {text:>width$}") }
    };
    let lines: Vec<String> = rows.iter().map(|row| columns.iter().map(|&column| cell(row, column)).collect()).collect();
    lines.join("\n")
}

fn caution_text(asked: &Asked, caution: &Caution) -> String {
    match *caution {
        Caution::FewActs { per_day } => format!(
            "at the kill bar each version would see less than one act a day ({}), so a verdict rests on a handful of people. Let a \
             cheaper act decide, or spend more a day.",
            decimals(per_day)
        ),
        Caution::DaysRule { days, days_at_twice } => format!(
            "more traffic a day would buy little: at twice the budget a day the longest case would end after {} instead of {}. Days differ \
             more than visitors do, and days is what this test needs.",
            figures::days(days_at_twice),
            figures::days(days)
        ),
        Caution::MinimumRules { days } => format!(
            "even the longest case ends after the {} that every test waits for: a smaller budget a day may do.",
            figures::days(days.saturating_sub(asked.question.policy.maturity_lag_days))
        ),
        Caution::BarsFarApart => {
            "the bars are more than five times apart: two lucky acts weigh as much as a verdict needs. Bring them closer.".to_owned()
        }
    }
}

fn worth_text(planned: &Planned<'_>, worth: Worth) -> String {
    let Worth { information, spend_cap } = worth;
    if information.micros <= 0 {
        return "By your own figures the answer is worth nothing: whatever it said, the better choice would stay the same.".to_owned();
    }
    let cap = spend_cap.map(|cap| format!(" Spend at most {cap} on it.")).unwrap_or_default();
    let dear =
        if planned.plan.cap.cost.micros > information.micros { " The longest case costs more than that." } else { "" };
    format!("By your own figures the answer is worth {information}.{cap}{dear}")
}

fn ending(asked: &Asked, planned: &Planned<'_>) -> String {
    let policy = &asked.question.policy;
    if planned.fits {
        let budget = policy.budget_cap.map(|cap| format!(" and {cap}")).unwrap_or_default();
        return format!("It fits into {} that count{budget}.", figures::days(policy.horizon_days));
    }
    let misfits = planned.plan.misfits.iter().map(|misfit| match misfit {
        Misfit::Days { needed, allowed } => format!("{} of the {} it may take", figures::days(*needed), allowed),
        Misfit::Budget { needed, allowed } => format!("{needed} of the {allowed} it may cost"),
    });
    let mut lines = vec![wrapped(
        &format!("It does not fit: it needs {}. What would:", misfits.collect::<Vec<_>>().join(" and ")),
        0,
    )];
    for proposal in &planned.plan.proposals {
        lines.push(wrapped(&format!("  - {}", proposal_text(asked, proposal)), 4));
    }
    if planned.plan.proposals.is_empty() {
        lines.push(
            "  - nothing near this plan: let an act that more people do decide, or leave the question.".to_owned(),
        );
    }
    lines.join("\n")
}

fn proposal_text(asked: &Asked, proposal: &Proposal) -> String {
    match *proposal {
        Proposal::WiderBars { kill_bar, build_bar, daily_budget, cap } => {
            let less = if daily_budget == asked.question.daily_budget {
                String::new()
            } else {
                format!(", with --daily-budget {}", plain(daily_budget))
            };
            format!(
                "wider bars: kill bar {}, build bar {}{less}; {} and {}, but what lies between is not told apart",
                bar(asked, kill_bar),
                bar(asked, build_bar),
                figures::days(cap.days),
                cap.cost
            )
        }
        Proposal::HigherLimits { horizon_days, budget } => {
            let capped = asked.question.policy.budget_cap.is_some();
            let money = if capped { format!(" --budget {}", plain(budget)) } else { format!(", {budget} in all") };
            match horizon_days {
                Some(days) => format!("more days: --horizon-days {days}{money}"),
                None => format!("a larger budget:{money}"),
            }
        }
        Proposal::OtherSpend { daily_budget, cap } => format!(
            "{} a day: --daily-budget {}; {} and {}",
            if daily_budget.micros > asked.question.daily_budget.micros { "more" } else { "less" },
            plain(daily_budget),
            figures::days(cap.days),
            cap.cost
        ),
    }
}

/// A bar as set.
fn bar(asked: &Asked, value: f64) -> String {
    match asked.question.policy.model {
        Model::Rate => figures::bar(value),
        Model::Cpa => money(asked, value),
        Model::Compare => times(value),
    }
}

/// A truth that need not be a bar.
fn truth(asked: &Asked, value: f64) -> String {
    let policy = &asked.question.policy;
    match asked.question.policy.model {
        Model::Rate => figures::rate(value, &[policy.kill_bar, policy.build_bar]),
        Model::Cpa => money(asked, value),
        Model::Compare => times(value),
    }
}

fn money(asked: &Asked, amount: f64) -> String {
    let unit = Money { micros: 1_000_000, ..asked.question.daily_budget };
    unit.times(amount).map_or_else(|| amount.to_string(), |money| money.as_set())
}

fn times(ratio: f64) -> String {
    match decimals(ratio) {
        one if one == "1" => EQUALLY.to_owned(),
        more => format!("{more} times"),
    }
}

/// At most two decimals, no trailing zeros.
fn decimals(value: f64) -> String {
    format!("{value:.2}").trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// An amount as an argument takes it.
fn plain(amount: Money) -> String {
    millionths::print(amount.micros)
}

/// What others have seen, and how to go on.
pub(super) fn published() -> String {
    let mut lines = vec![
        "Which act is to decide, and what is a good rate? Others' figures, for people who came by an ad:".to_owned(),
    ];
    for act in ACTS {
        let bars = format!("kill bar {}, build bar {}", figures::bar(act.kill_bar), figures::bar(act.build_bar));
        lines.push(wrapped(&format!("  {:<12}a visitor {}: {bars}", act.name, act.act), 14));
        lines.push(wrapped(&format!("{:14}{}", "", act.seen), 14));
    }
    lines.push(String::new());
    lines.push("A click costs:".to_owned());
    for price in PRICES {
        lines.push(format!("  {:<30}{} ({})", price.platform, price.price, price.source));
    }
    lines.push(String::new());
    lines.push(wrapped(
        "All are orders of magnitude. Break-even is better worked out from what a customer is worth: what a visitor costs ÷ \
         (a third of a customer's lifetime value × the share of acts that become customers). Then, for example:",
        0,
    ));
    lines.push("  willitsell plan --act qualified --cpc 1.20 --daily-budget 100".to_owned());
    lines.push("  willitsell plan --kill-bar 2% --build-bar 3% --cpc 1.20 --daily-budget 100".to_owned());
    debug_assert!(lines.iter().all(|line| line.lines().all(|line| line.chars().count() <= WIDTH)));
    lines.join("\n")
}
