//! All concepts, the most urgent first: what needs a person today, where each stands, what is at stake.

mod risk;

use maud::{Markup, html};
use serde::Serialize;

use self::risk::{Risk, risks};
use super::asked::{Asked, Part};
use super::frame::{Page, Place};
use super::moment::{Moment, Standing};
use super::parts;
use super::range::Range;
use super::urgency::Urgency;
use super::words::{self, counted};
use crate::decide::figures;
use crate::domain::money::Money;
use crate::domain::verdict::Verdict;

/// Most jobs that are listed above the table.
const JOBS: usize = 8;

/// The page.
#[derive(Debug, Serialize)]
pub struct Portfolio {
    today: String,
    needing_a_person: usize,
    /// All of them.
    concepts: usize,
    jobs: Vec<Job>,
    part: Part,
    rows: Vec<Row>,
    /// Of all concepts, for the way to those with one verdict.
    #[serde(skip)]
    verdicts: Vec<Option<Verdict>>,
    sums: Vec<Sum>,
    risks: Vec<Risk>,
}

/// What somebody is to do.
#[derive(Debug, Serialize)]
struct Job {
    concept: String,
    title: String,
    verdict: Verdict,
    act: String,
    reason: String,
}

/// One concept.
#[derive(Debug, Serialize)]
struct Row {
    concept: String,
    title: String,
    verdict: Option<Verdict>,
    urgency: Urgency,
    sentence: String,
    range: Option<Range>,
    spent: Option<String>,
    day: Option<String>,
    at_stake: Option<Money>,
    next: String,
    owner: Option<String>,
}

/// Something added up over all concepts, in each currency.
#[derive(Debug, Serialize)]
struct Sum {
    of: &'static str,
    amounts: Vec<String>,
}

impl Portfolio {
    /// As everything stands.
    pub fn of(moment: &Moment, asked: Asked) -> Self {
        let mut all: Vec<_> = moment
            .concepts()
            .map(|(experiment, standing)| {
                let today = moment.today(experiment);
                (Urgency::of(experiment, standing, today), experiment, standing, today)
            })
            .collect();
        all.sort_by_key(|(urgency, ..)| *urgency);
        let jobs = all.iter().filter(|(urgency, ..)| urgency.is_a_job());
        let listed = jobs.clone().take(JOBS).map(|&(urgency, experiment, standing, today)| {
            let [act, reason] = words::job(experiment, standing, urgency, today);
            Job {
                concept: experiment.concept.id.to_string(),
                title: experiment.concept.title.clone(),
                verdict: standing.verdict().unwrap_or(Verdict::Blocked),
                act,
                reason,
            }
        });
        let verdict =
            |standing: &Standing| standing.verdict().or(standing.unreadable.is_some().then_some(Verdict::Blocked));
        let wanted: Vec<_> = all
            .iter()
            .filter(|(_, _, standing, _)| asked.verdict.is_none_or(|one| verdict(standing) == Some(one)))
            .collect();
        let part = asked.part(Place::Portfolio.path(), wanted.len());
        let rows = wanted[part.range()].iter().map(|&&(urgency, experiment, standing, today)| {
            let card = standing.card();
            Row {
                concept: experiment.concept.id.to_string(),
                title: experiment.concept.title.clone(),
                verdict: standing.verdict(),
                urgency,
                sentence: words::sentence(experiment, standing),
                range: card.map(|card| Range::of(experiment, card)),
                spent: card.and_then(|card| words::spent(experiment, card)),
                day: card.and_then(words::day),
                at_stake: words::at_stake(experiment, standing),
                next: words::to_do(experiment, standing, urgency, today),
                owner: experiment.owner.clone(),
            }
        });
        Self {
            today: figures::day(moment.date(), moment.date()),
            needing_a_person: jobs.clone().count(),
            concepts: all.len(),
            jobs: listed.collect(),
            rows: rows.collect(),
            part,
            verdicts: all.iter().map(|(_, _, standing, _)| verdict(standing)).collect(),
            sums: sums(moment),
            risks: risks(moment),
        }
    }

    fn headline(&self) -> String {
        match self.needing_a_person {
            _ if self.concepts == 0 => "No concept is being tested".to_owned(),
            0 => "Nothing needs a person today".to_owned(),
            1 => "One thing needs a person today".to_owned(),
            more => format!("{} things need a person today", counted(more)),
        }
    }
}

fn sums(moment: &Moment) -> Vec<Sum> {
    let totals = words::ledger(moment.concepts());
    let sum = |of, amount: fn(&crate::decide::money::Totals) -> Option<String>| Sum {
        of,
        amounts: totals.iter().filter_map(amount).collect(),
    };
    vec![
        sum("At stake in open tests", |all| some(all.at_stake)),
        sum("Spent on tests", |all| some(all.spent)),
        sum("Expected build cost avoided", |all| some(all.avoided).map(|amount| format!("up to {amount}"))),
        sum("Spent after a verdict", |all| some(all.after_verdicts)),
    ]
}

fn some(amount: Money) -> Option<String> {
    (amount.micros != 0).then(|| amount.to_string())
}

impl Page for Portfolio {
    fn title(&self) -> String {
        match self.needing_a_person {
            0 => "Portfolio: nothing to do".to_owned(),
            1 => "1 thing needs a person: portfolio".to_owned(),
            more => format!("{more} things need a person: portfolio"),
        }
    }

    fn place(&self) -> Place {
        Place::Portfolio
    }

    fn body(&self) -> Markup {
        html! {
            h1 { (self.headline()) }
            @if self.concepts == 0 {
                (parts::state("No concept is being tested.", &[
                    "See one first: `willitsell demo --serve`",
                    "Write your own first test: `willitsell init`",
                    "Or import a spreadsheet from your ad manager: `willitsell import FILE`",
                ]))
            } @else {
                p.sub { (self.waiting()) }
                @if !self.jobs.is_empty() { (self.jobs_drawn()) }
                (self.table())
                (risk::drawn(&self.risks))
            }
        }
    }

    fn foot(&self) -> Markup {
        html! { (self.part.said("concepts")) " Range and verdict as of the last settled day of each concept." }
    }
}

impl Portfolio {
    fn waiting(&self) -> String {
        let concepts =
            if self.concepts == 1 { "One concept".to_owned() } else { format!("{} concepts", counted(self.concepts)) };
        let rest = self.concepts.saturating_sub(self.needing_a_person);
        let rest = match rest {
            0 => String::new(),
            _ if self.needing_a_person == 0 => "; all can wait".to_owned(),
            1 => "; the other one can wait".to_owned(),
            rest => format!("; the other {} can wait", figures::in_words(u32::try_from(rest).unwrap_or(u32::MAX))),
        };
        format!("{}. {concepts}{rest}.", self.today)
    }

    fn jobs_drawn(&self) -> Markup {
        let more = self.needing_a_person - self.jobs.len();
        html! {
            ul.jobs {
                @for job in &self.jobs {
                    li {
                        (parts::badge(job.verdict))
                        h2 { a href={ "/concepts/" (job.concept) } { (job.title) } ": " (parts::prose(&job.act)) }
                        p { (parts::prose(&job.reason)) }
                    }
                }
            }
            @if more > 0 { p.note { (more) " more stand first in the list below." } }
        }
    }

    fn table(&self) -> Markup {
        html! {
            section.section aria-labelledby="all" {
                h2 id="all" { "All concepts, most urgent first" }
                p.sub {
                    "Dot: rate so far. Line: range. Both bars stand at the same place in every row, so a line fully right of \
                     break-even is BUILD and one fully left of worth finding is KILL. Dashed: still open."
                }
                (self.part.verdicts(&self.verdicts))
                table.stack.concepts {
                    thead { tr {
                        th.verdict scope="col" { "Verdict" }
                        th scope="col" { "Concept" }
                        th.line scope="col" {
                            span.hidden { "Range against the bars" }
                            svg.names viewBox="0 0 300 18" aria-hidden="true" {
                                text x="86" y="13" text-anchor="end" { "break-even" }
                                text x="140" y="13" { "worth finding" }
                            }
                        }
                        th.right.spent scope="col" { "Spent" }
                        th.right.stake scope="col" { "At stake" }
                        th.next scope="col" { "Next step" }
                    } }
                    tbody { @for row in &self.rows { (row.drawn()) } }
                }
                (self.part.pages("concepts"))
                dl.sums {
                    @for sum in &self.sums {
                        @if !sum.amounts.is_empty() { div { dt { (sum.of) } dd { (figures::list(&sum.amounts)) } } }
                    }
                }
            }
        }
    }
}

impl Row {
    fn drawn(&self) -> Markup {
        html! {
            tr {
                td.verdict {
                    @match self.verdict { Some(verdict) => (parts::badge(verdict)), None => span.soft { "no verdict yet" } }
                }
                td {
                    a href={ "/concepts/" (self.concept) } { (self.title) }
                    div.soft { (parts::prose(&self.sentence)) }
                }
                td.line { @if let Some(range) = &self.range { (range.drawn()) } }
                td.right.spent {
                    @if let Some(spent) = &self.spent { span.label { "Spent " } (spent) }
                    @if let Some(day) = &self.day { div.small { (day) } }
                }
                td.right.stake { @if let Some(stake) = self.at_stake { span.label { "At stake " } (stake) } }
                td.next {
                    (parts::prose(&self.next))
                    @if let Some(owner) = &self.owner { div.small { (owner) } }
                }
            }
        }
    }
}
