//! The concept's page and that of its versions and channels: the answer first, then the picture, then the parts.

use chrono::{Days, NaiveDate};
use chrono_tz::Tz;
use maud::{Markup, html};
use serde::{Serialize, Serializer};

use super::Concept;
use super::answers::{Answer, answers};
use super::charts;
use super::evidence::Meter;
use super::measures::measures;
use super::sums::{assumptions, sums};
use crate::decide::account::Figure;
use crate::decide::derivation::Section;
use crate::decide::{explain, figures};
use crate::domain::concept::Experiment;
use crate::domain::id::{ConceptId, SourceId};
use crate::domain::verdict::Verdict;
use crate::health::State;
use crate::web::chart::Room;
use crate::web::frame::{Page, Place};
use crate::web::parts;
use crate::web::report::Report;

/// Sections of the long way that the page shows elsewhere.
const SHOWN: [&str; 4] = ["Verdict", "Money", "What would change it", "Fingerprints"];

/// One concept.
pub struct ConceptPage {
    /// What it says.
    pub concept: Concept,
}

/// Its versions and channels.
pub struct ArmsPage {
    /// What it says.
    pub concept: Concept,
}

impl Serialize for ConceptPage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Said<'a> {
            #[serde(flatten)]
            report: Report<'a>,
            scorecard: &'a crate::domain::verdict::StoredScorecard,
            days: &'a [crate::decide::course::Course],
            channels: &'a [crate::decide::course::Cell],
            derivation: &'a crate::decide::derivation::Derivation,
            decisions: &'a [crate::domain::decision::Decision],
            themes: &'a crate::themes::Themes,
        }
        let Concept { courses, cells, derivation, decisions, themes, .. } = &self.concept;
        let report = Report::of(&self.concept);
        let scorecard = self.concept.stored();
        Said { report, scorecard, days: courses, channels: cells, derivation, decisions, themes }.serialize(serializer)
    }
}

impl Serialize for ArmsPage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Said<'a> {
            concept: &'a crate::domain::id::ConceptId,
            versions: &'a [crate::domain::verdict::ArmScore],
            days: &'a [crate::decide::course::Course],
            channels: &'a [crate::decide::course::Cell],
            best: &'a Option<crate::decide::best::Best>,
            prices: &'a [crate::decide::prices::Price],
        }
        let Concept { courses, cells, derivation, .. } = &self.concept;
        let card = self.concept.card();
        Said {
            concept: &card.concept,
            versions: &card.arms,
            days: courses,
            channels: cells,
            best: &derivation.versions,
            prices: &derivation.prices,
        }
        .serialize(serializer)
    }
}

impl Page for ConceptPage {
    fn title(&self) -> String {
        format!("{}: {}", self.concept.card().verdict, self.concept.experiment().concept.title)
    }

    fn place(&self) -> Place {
        Place::Portfolio
    }

    fn body(&self) -> Markup {
        let concept = &self.concept;
        let (experiment, card) = (concept.experiment(), concept.card());
        let arms = format!("/concepts/{}/arms", experiment.concept.id);
        html! {
            p.crumb { a href="/" { "Portfolio" } " / " (experiment.concept.title) " · hypothesis: " (experiment.concept.hypothesis) }
            (banner(concept))
            (five(&answers(concept)))
            div.evidence {
                div.section { (range(concept)) }
                div.section { (beside(concept)) }
            }
            section.section aria-labelledby="measures" {
                h2 id="measures" { "Measures: one decides" }
                div.tiles { @for one in &measures(concept) { (tile(one)) } }
            }
            @let (funnel, rows) = (charts::funnel(concept), charts::rows(concept, Room::Half));
            @if funnel.is_some() || rows.is_some() {
                div.pair {
                    @if let Some(funnel) = funnel { div.section { (funnel) } }
                    @if let Some(rows) = rows {
                        div.section { (rows) p.note { a href=(arms) { "Versions and channels, day by day" } } }
                    }
                }
            }
            div.pair {
                section.section aria-labelledby="money" { (money(concept)) }
                section.section aria-labelledby="themes" { (themes(concept)) }
            }
            section.section aria-labelledby="sources" { (where_from(concept)) }
            @if card.arms.len() > 1 || !concept.cells.is_empty() { p.note { a href=(arms) { "Versions and channels" } } }
        }
    }

    fn foot(&self) -> Markup {
        fingerprints(&self.concept)
    }
}

/// A concept without a verdict yet.
#[derive(Serialize)]
pub struct Waiting {
    concept: String,
    title: String,
    hypothesis: String,
    first_numbers: Option<NaiveDate>,
    said: String,
    /// What is being read for it now.
    working: Option<String>,
}

impl Waiting {
    /// What there is to say of it on a day, and of a daemon.
    pub fn of(experiment: &Experiment, today: NaiveDate, daemon: &State) -> Self {
        let lag = experiment.policy.maturity_lag_days;
        let first = experiment.start.checked_add_days(Days::new(lag.into())).filter(|first| *first >= today);
        let said = match first {
            Some(first) => {
                format!("First numbers on {}: a day counts after {}.", figures::day(first, today), figures::days(lag))
            }
            None => "No verdict yet: nothing has been decided on this concept.".to_owned(),
        };
        let sources: Vec<&SourceId> = experiment.sources.iter().map(|source| &source.id).collect();
        Self {
            concept: experiment.concept.id.to_string(),
            title: experiment.concept.title.clone(),
            hypothesis: experiment.concept.hypothesis.clone(),
            first_numbers: first,
            said,
            working: working(&experiment.concept.id, &sources, experiment.timezone, daemon),
        }
    }
}

/// `Being read since 09:02: 1 of 2 sources answered; not yet: meta.`
fn working(concept: &ConceptId, sources: &[&SourceId], zone: Tz, daemon: &State) -> Option<String> {
    let since = *daemon.under_way.get(concept)?;
    let has_answered = |source: &SourceId| {
        daemon.sources.get(source).is_some_and(|asked| asked.last_answer.is_some_and(|at| at >= since))
    };
    let open: Vec<String> = sources.iter().filter(|source| !has_answered(source)).map(ToString::to_string).collect();
    let not_yet = if open.is_empty() { String::new() } else { format!("; not yet: {}", figures::list(&open)) };
    Some(format!(
        "Being read since {}: {} of {} source{} answered{not_yet}.",
        since.with_timezone(&zone).format("%H:%M"),
        sources.len() - open.len(),
        sources.len(),
        if sources.len() == 1 { "" } else { "s" },
    ))
}

impl Page for Waiting {
    fn title(&self) -> String {
        format!("No verdict yet: {}", self.title)
    }

    fn place(&self) -> Place {
        Place::Portfolio
    }

    fn body(&self) -> Markup {
        html! {
            p.crumb { a href="/" { "Portfolio" } " / " (self.title) " · hypothesis: " (self.hypothesis) }
            h1 { (self.title) }
            @match &self.working {
                Some(working) => (parts::state(working, &[
                    "Nothing is shown until all of it has come. This page does not load itself anew.",
                    &self.said,
                ])),
                None => (parts::state(&self.said, &["Run `willitsell run --once`, or leave `willitsell run` running."])),
            }
        }
    }
}

impl Page for ArmsPage {
    fn title(&self) -> String {
        format!("Versions and channels: {}", self.concept.experiment().concept.title)
    }

    fn place(&self) -> Place {
        Place::Portfolio
    }

    fn body(&self) -> Markup {
        let concept = &self.concept;
        let (experiment, card) = (concept.experiment(), concept.card());
        html! {
            p.crumb {
                a href="/" { "Portfolio" } " / "
                a href={ "/concepts/" (experiment.concept.id) } { (experiment.concept.title) } " / Versions and channels"
            }
            h1 { "Versions and channels of " (experiment.concept.title) }
            div.badged { (parts::badge(card.verdict)) p.sub { (parts::lead(&concept.brief())) } }
            @match charts::rows(concept, Room::Page) {
                Some(rows) => div.section { (rows) },
                None => div.section { (parts::state("One version, and no channel that brings both halves of the rate.", &["There is nothing to compare: its own range stands below."])) }
            }
            @for line in concept.section("Versions").iter().skip(1) { p.note { (parts::lead(line)) } }
            @if let Some(prices) = charts::price_response(concept) { div.section { (prices) } }
            @for (at, arm) in card.arms.iter().enumerate() {
                div.section { (charts::over_time(concept, arm, &format!("version-{at}"), false)) }
            }
        }
    }

    fn foot(&self) -> Markup {
        fingerprints(&self.concept)
    }
}

fn banner(concept: &Concept) -> Markup {
    let (experiment, card) = (concept.experiment(), concept.card());
    let title = &experiment.concept.title;
    let below: Vec<Markup> = concept.below().iter().map(|line| html! { (line) }).collect();
    let text = html! { p.lead { (parts::lead(&concept.brief())) } };
    html! {
        section aria-label=(format!("Verdict {}: {title}", card.verdict)) {
            (parts::banner(card.verdict, &below, 1, &html! { (title) }, &text))
            @let whole = explain::sentence(experiment, card);
            @if whole != concept.brief() { details { summary { "All of it" } p { (parts::lead(&whole)) } } }
        }
    }
}

fn five(answers: &[Answer; 5]) -> Markup {
    html! {
        dl.answers {
            @for answer in answers {
                div {
                    dt { (answer.question) }
                    dd { b { (answer.short) } @if !answer.support.is_empty() { span { (parts::lead(&answer.support)) } } }
                }
            }
        }
    }
}

fn range(concept: &Concept) -> Markup {
    match concept.lead() {
        Some(arm) => charts::over_time(concept, arm, "range", false),
        None => parts::state("No version is tested.", &["Name one in the configuration: `[experiment.KEY.arm.NAME]`."]),
    }
}

/// Beside the range: the meter, what would change the verdict, the weakest points.
fn beside(concept: &Concept) -> Markup {
    let changes: Vec<&String> =
        concept.section("What would change it").iter().chain(concept.section("What lies ahead")).take(4).collect();
    let weak = concept.weak_points();
    html! {
        @if let Some(arm) = concept.lead() { (Meter::of(concept, arm).figure(arm)) }
        @if !changes.is_empty() {
            h3.gap { "What would change the verdict" }
            ul.plain { @for line in changes { li { (parts::lead(line)) } } }
        }
        @if !weak.is_empty() {
            h3.gap { "Weakest points" }
            ul.plain { @for line in &weak { li { (parts::lead(line)) } } }
        }
    }
}

fn tile(one: &super::measures::Measure) -> Markup {
    html! {
        div class=(if one.decides() { "tile key" } else { "tile" }) {
            h3 { span { (one.name) } span.status { (one.status) } }
            p.big { (one.value) " " small { (one.counts) } }
            @if let Some(drawn) = one.drawn() { (drawn) }
            p {
                @if let Some(range) = &one.range { "Range " span.nobreak { (range) } ". " }
                @if let (Some(limit), None) = (&one.limit, one.drawn()) { "Limit: " (limit) ". " }
                (one.meaning)
            }
        }
    }
}

fn money(concept: &Concept) -> Markup {
    let sums = sums(concept);
    let figures = &concept.derivation.money;
    html! {
        h2 id="money" { "Money" }
        @if sums.is_empty() {
            (parts::state("Nothing is known of the money.", &["Write what building would cost into `[experiment.KEY.money]`."]))
        } @else {
            @if let Some(assumptions) = assumptions(concept) { p.sub { (assumptions) } }
            dl.pairs {
                @for sum in &sums {
                    dt { (sum.name) }
                    dd { (sum.value) @if !sum.beside.is_empty() { small { (sum.beside) } } }
                }
            }
        }
        @if !figures.is_empty() {
            details {
                summary { "Formulas and assumptions (" (figures.len()) ")" }
                ul.plain { @for line in figures.iter().map(Figure::line) { li { (line) } } }
            }
        }
    }
}

fn themes(concept: &Concept) -> Markup {
    let themes = &concept.themes;
    let named: Vec<_> = themes.groups.iter().filter(|group| group.answers > 0).take(3).collect();
    let shown = if named.is_empty() { themes.suggestions.iter().take(3).collect() } else { named };
    html! {
        h2 id="themes" { "What people write" }
        @if themes.answers == 0 {
            (parts::state("No answer is kept yet.", &["Name the question in its source (`answers`, `free_text`), then pull again."]))
        } @else {
            p.sub { (themes.answers) " answers. Read beside the numbers; never counted in the test." }
            ul.plain {
                @for group in shown {
                    li { b { (group.name) } ", " (group.answers) " of " (themes.answers) blockquote { "“" (group.quote) "”" } }
                }
            }
        }
    }
}

/// Every number opened: formulas, days, pulls.
fn where_from(concept: &Concept) -> Markup {
    let sections: Vec<&Section> =
        concept.derivation.sections.iter().filter(|section| !SHOWN.contains(&section.title.as_str())).collect();
    html! {
        h2 id="sources" { "Where each number comes from" }
        p.sub { "The rule, what was counted day by day, the limits, what each source says of its numbers." }
        @for section in sections {
            details {
                summary { (section.title) }
                ul.plain { @for line in &section.lines { li { (line) } } }
            }
        }
    }
}

fn fingerprints(concept: &Concept) -> Markup {
    let card = concept.card();
    let short = |hash: &str| hash.get(..12).unwrap_or(hash).to_owned();
    html! {
        "Policy " code title=(card.policy_hash) { (short(&card.policy_hash)) }
        " · data " code title=(card.data_hash) { (short(&card.data_hash)) }
        " · settled to " (parts::day(card.last_settled_day, concept.today()))
        " · recompute: " code { "willitsell replay " (card.concept) }
        " · on paper: " code { "willitsell report " (card.concept) " --out report.html" } "."
        @if card.verdict != Verdict::Blocked { " The range is the verdict's own, day by day." }
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, Utc};

    use super::*;
    use crate::health::Asked;

    #[test]
    fn what_is_being_read_is_told_with_how_far_it_is() {
        let (concept, search, meta) = (ConceptId::new("kit"), SourceId::new("search"), SourceId::new("meta"));
        let mut daemon = State::default();
        let said = |daemon: &State| working(&concept, &[&search, &meta], Tz::UTC, daemon);
        assert_eq!(said(&daemon), None);
        let at = |text: &str| Some(text.parse::<DateTime<Utc>>().unwrap());
        daemon.under_way.insert(concept.clone(), at("2026-03-02T09:02:00Z").unwrap());
        for (source, last_answer) in [(&search, at("2026-03-02T09:02:30Z")), (&meta, at("2026-03-01T09:03:00Z"))] {
            daemon.sources.insert(source.clone(), Asked { last_answer, ..Asked::default() });
        }
        assert_eq!(said(&daemon).unwrap(), "Being read since 09:02: 1 of 2 sources answered; not yet: meta.");
    }
}
