//! The report on one sheet: all that a meeting needs of a concept, or of all of them, in one file that asks nothing of the network. As a
//! page to print, as Markdown, or as JSON. It names no visitor.

mod all;
mod sheet;

pub use all::{Portfolio, Row};

use std::fmt::Write;

use chrono::NaiveDate;
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde::Serialize;

use super::STYLE;
use super::concept::Concept;
use super::concept::answers::{Answer, answers};
use super::concept::measures::{Measure, measures};
use super::concept::sums::{Sum, assumptions, sums};
use super::frame::head;
use crate::decide::{explain, figures, measure, next};
use crate::domain::verdict::Verdict;

/// What the sheet looks like, over the tokens of the pages.
const SHEET: &str = include_str!("report.css");

/// A concept on one sheet.
#[derive(Serialize)]
pub struct Report<'a> {
    concept: &'a str,
    title: &'a str,
    verdict: Verdict,
    below: Vec<String>,
    sentence: String,
    question: String,
    bars: String,
    settled_to: NaiveDate,
    printed_on: NaiveDate,
    answers: [Answer; 5],
    measures: Vec<Measure>,
    money: Vec<Sum>,
    assumptions: Option<String>,
    who: Vec<String>,
    weak_points: Vec<String>,
    what_would_change: Vec<String>,
    next: String,
    owner: Option<&'a str>,
    decide_by: Option<NaiveDate>,
    promise: String,
    policy_hash: &'a str,
    data_hash: &'a str,
    program_version: &'a str,
    recompute: String,
    #[serde(skip)]
    of: &'a Concept,
}

impl<'a> Report<'a> {
    /// What there is to say of a concept.
    pub fn of(concept: &'a Concept) -> Self {
        let (experiment, card) = (concept.experiment(), concept.card());
        let policy = &experiment.policy;
        let bar = |bar| measure::bar(policy, bar);
        let fixed = concept.day(experiment.start);
        let set = if card.generation == 1 {
            format!(
                "set on {fixed}, before the first {}, and not changed since",
                policy.primary.denominator.metric().noun
            )
        } else {
            format!("changed after the start: this is test {}", card.generation)
        };
        let in_hundred = figures::bar(policy.alpha).trim_end_matches(['%', '0']).trim_end_matches('.').to_owned();
        Self {
            concept: experiment.concept.id.as_str(),
            title: &experiment.concept.title,
            verdict: card.verdict,
            below: concept.below(),
            sentence: explain::sentence(experiment, card),
            question: ended(&experiment.concept.hypothesis),
            bars: format!("Break-even is {}, worth finding {}: {set}.", bar(policy.kill_bar), bar(policy.build_bar)),
            settled_to: card.last_settled_day,
            printed_on: concept.now.with_timezone(&experiment.timezone).date_naive(),
            answers: answers(concept),
            measures: measures(concept),
            money: sums(concept),
            assumptions: assumptions(concept),
            who: who(concept),
            weak_points: concept.weak_points(),
            what_would_change: concept.section("What would change it").to_vec(),
            next: next::to_do(experiment, card, None),
            owner: experiment.owner.as_deref(),
            decide_by: concept.due(),
            promise: format!(
                "At most {in_hundred} in 100 concepts at or below break-even ever get BUILD, however often anyone looks; a recommendation, not an order."
            ),
            policy_hash: &card.policy_hash,
            data_hash: &card.data_hash,
            program_version: &card.program_version,
            recompute: format!("willitsell replay {}", experiment.concept.id),
            of: concept,
        }
    }

    /// One file, to be read and printed.
    pub fn html(&self) -> Markup {
        file(&format!("{}: {}", self.verdict, self.title), &self.sheet())
    }

    /// As Markdown.
    pub fn markdown(&self) -> String {
        let mut text = format!("# {}: {}\n\n{}\n", self.verdict, plain(self.title), plain(&self.sentence));
        let _ = write!(text, "\nSettled to {} · printed {}", year(self.settled_to), year(self.printed_on));
        for line in &self.below {
            let _ = write!(text, " · {}", plain(line));
        }
        let _ = write!(text, "\n\n**Question** {} {}\n\n## Five answers\n\n", plain(&self.question), plain(&self.bars));
        for answer in &self.answers {
            let _ =
                writeln!(text, "- {} **{}** {}", plain(&answer.question), plain(&answer.short), plain(&answer.support));
        }
        text.push_str("\n## Measures and limits\n\n| Measure | Now | Counted | Range | Limit | State |\n|---|---|---|---|---|---|\n");
        for one in &self.measures {
            let cells = [
                &one.name,
                &one.value,
                &one.counts,
                one.range.as_ref().unwrap_or(&String::new()),
                one.limit.as_ref().unwrap_or(&String::new()),
            ]
            .map(|cell| plain(cell));
            let _ = writeln!(text, "| {} | {} |", cells.join(" | "), one.status);
        }
        if !self.money.is_empty() {
            text.push_str("\n## Money\n\n| | | |\n|---|---|---|\n");
            for sum in &self.money {
                let _ = writeln!(text, "| {} | {} | {} |", plain(&sum.name), plain(&sum.value), plain(&sum.beside));
            }
            if let Some(assumptions) = &self.assumptions {
                let _ = writeln!(text, "\n{assumptions}");
            }
        }
        for (title, lines) in [
            ("Who they are, and why", &self.who),
            ("Weak points", &self.weak_points),
            ("What would change it", &self.what_would_change),
        ] {
            if !lines.is_empty() {
                let _ = write!(text, "\n## {title}\n\n");
                for line in lines {
                    let _ = writeln!(text, "- {}", plain(line));
                }
            }
        }
        let _ = write!(text, "\n## Next\n\n{}\n", plain(&self.next));
        let _ = write!(
            text,
            "\n---\n\n{} Policy `{}` · data `{}` · willitsell {} · recompute: `{}`\n",
            self.promise, self.policy_hash, self.data_hash, self.program_version, self.recompute
        );
        text
    }
}

/// A person's words as a sentence.
fn ended(text: &str) -> String {
    let text = text.trim_end();
    if text.ends_with(['.', '!', '?', '…']) { text.to_owned() } else { format!("{text}.") }
}

/// Who answered, and what they wrote.
fn who(concept: &Concept) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(funnel) =
        concept.lead().and_then(|arm| concept.derivation.funnel.iter().find(|funnel| funnel.arm == arm.arm))
    {
        let reached = funnel.steps.iter().filter(|step| step.count > 0.0);
        let reached: Vec<String> = reached.map(|step| figures::counted(step.count, step.metric)).collect();
        lines.extend((!reached.is_empty()).then(|| format!("{}.", reached.join(", "))));
        lines.extend(funnel.lines().into_iter().skip(1));
        lines.extend(funnel.left_out_line());
    }
    let answers = concept.themes.answers;
    let named = concept.themes.groups.iter().filter(|group| group.answers > 0);
    lines.extend(
        named.take(3).map(|group| format!("{}, {} of {answers} answers: “{}”", group.name, group.answers, group.quote)),
    );
    lines
}

/// A whole file: style and all, nothing from elsewhere.
fn file(title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (head(title, &html! {
                meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'";
                style { (PreEscaped(STYLE)) (PreEscaped(SHEET)) }
            }))
            body.report { main.sheet { (body) } }
        }
    }
}

/// A day with its year, as on paper.
fn year(day: NaiveDate) -> String {
    day.format("%a %-d %b %Y").to_string()
}

/// The first digits of a fingerprint: enough to compare by eye.
fn short(hash: &str) -> &str {
    hash.get(..12).unwrap_or(hash)
}

/// Names and words of others as they stand in Markdown: none of them makes a heading, a link, a picture or a cell.
fn plain(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '<' | '>' | '|' | '#' | '!' => {
                safe.push('\\');
                safe.push(c);
            }
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use regex::Regex;

    use super::*;

    #[test]
    fn words_of_others_make_no_markdown() {
        assert_eq!(plain("a | b\n# c ![x](y) <i>"), "a \\| b \\# c \\!\\[x\\](y) \\<i\\>");
    }

    #[test]
    fn what_the_sheet_calls_its_own_the_pages_do_not_lay_out() {
        let classes = |form: &str, text: &'static str| -> BTreeSet<&str> {
            let form = Regex::new(form).unwrap();
            form.captures_iter(text).filter_map(|found| found.get(1)).map(|class| class.as_str()).collect()
        };
        let both: Vec<_> = classes(r"(?m)(?:^|[},])\s*\.([a-z][a-z-]*)", STYLE)
            .intersection(&classes(r"\.report \.([a-z][a-z-]*)", SHEET))
            .copied()
            .collect();
        assert_eq!(both, ["badge", "banner", "pairs"], "the parts that pages and sheet share on purpose");
    }

    #[test]
    fn a_file_asks_nothing_of_the_network() {
        let text = file("BUILD: <x>", &html! { p { "x" } }).into_string();
        assert!(
            !text.contains("http:") && !text.contains("https:") && !text.contains("url(/") && !text.contains("@import"),
            "{text}"
        );
        assert!(text.contains("BUILD: &lt;x&gt;"));
    }
}
