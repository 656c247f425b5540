//! A concept's report as it is printed.

use maud::{Markup, html};

use super::{Report, short, year};
use crate::web::concept::charts;
use crate::web::parts;

/// Most sums and lines of each list: the sheet has an end.
const SUMS: usize = 7;
const LINES: usize = 4;

impl Report<'_> {
    pub(super) fn sheet(&self) -> Markup {
        html! {
            (head("concept report", self.settled_to, self.printed_on))
            (parts::banner(self.verdict, &self.below.iter().map(|line| html! { (line) }).collect::<Vec<_>>(), 1, &html! { (self.title) }, &html! { p.lead { (parts::lead(&self.of.brief())) } }))
            p.question { b { "Question" } " " (self.question) " " (self.bars) }
            (self.chart())
            div.two {
                section.part {
                    h2 { "Measures and limits" }
                    (self.measures_drawn())
                }
                section.part {
                    h2 { "Money" }
                    @if self.money.is_empty() { p.fine { "No money inputs are set: write them in the configuration." } }
                    dl.pairs {
                        @for sum in self.money.iter().take(SUMS) {
                            dt { (sum.name) }
                            dd { (sum.value) @if !sum.beside.is_empty() { small { (sum.beside) } } }
                        }
                    }
                    @if let Some(assumptions) = &self.assumptions { p.fine { (assumptions) } }
                }
            }
            div.two {
                section.part {
                    h2 { "Who they are, and why" }
                    (list(&self.who, "Nothing is known of the people yet."))
                }
                section.part {
                    h2 { "Weak points, and what could change it" }
                    @let lines: Vec<String> = self.weak_points.iter().take(2).chain(self.what_would_change.iter().take(2)).cloned().collect();
                    (list(&lines, "None is known."))
                }
            }
            (self.decision())
            p.fine {
                (self.promise) " Policy " code { (short(self.policy_hash)) } " · data " code { (short(self.data_hash)) }
                " · willitsell " (self.program_version) " · recompute: " code { (self.recompute) } ". Names no visitor."
            }
        }
    }

    fn chart(&self) -> Markup {
        let Some(arm) = self.of.lead() else { return html! {} };
        html! { section.part.chart { h2 { (charts::heading_of(self.of, arm)) } (charts::over_time(self.of, arm, "range", true)) } }
    }

    fn measures_drawn(&self) -> Markup {
        html! {
            table.measures {
                thead { tr { th scope="col" { "Measure" } th.right scope="col" { "Now" } th.right scope="col" { "Range" } th.right scope="col" { "Limit" } th.right scope="col" { "State" } } }
                tbody {
                    @for one in &self.measures {
                        tr {
                            th scope="row" { (one.name) }
                            td.right { b { (one.value) } }
                            td.right { (one.range.as_deref().unwrap_or("")) }
                            td.right { (one.limit.as_deref().unwrap_or("none")) }
                            td.right { @if one.decides() { b { (one.status) } } @else { (one.status) } }
                        }
                    }
                }
            }
        }
    }

    /// What somebody signs.
    fn decision(&self) -> Markup {
        let due = self.decide_by.map_or_else(|| "Decision".to_owned(), |day| format!("Decision, due {}", year(day)));
        let decided = self.of.decided().map(|decision| format!("{} chose to {}", decision.by, decision.choice));
        let ads = &self.answers[2];
        html! {
            section.decision aria-label="Decision" {
                div { span { (due) } @if let Some(decided) = decided { (decided) } @else if self.verdict.is_terminal() { "☐ Build  ☐ Kill  ☐ Extend" } @else { "nothing to decide yet" } }
                div { span { "Owner" } (self.owner.unwrap_or("nobody named")) }
                div { span { "Ads: should they stop?" } (ads.short) }
                div { span { "Signed" } div.line {} }
            }
        }
    }
}

/// The line above everything.
pub(super) fn head(what: &str, settled_to: chrono::NaiveDate, printed_on: chrono::NaiveDate) -> Markup {
    html! { div.strip { span { b { "Will it sell?" } " · " (what) } span { "Settled to " (year(settled_to)) " · printed " (year(printed_on)) } } }
}

fn list(lines: &[String], none: &str) -> Markup {
    html! {
        @if lines.is_empty() { p.fine { (none) } }
        @else { ul { @for line in lines.iter().take(LINES) { li { (parts::lead(line)) } } } }
    }
}
