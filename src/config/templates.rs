//! `[template.NAME]`: how messages are put to people.

use std::collections::BTreeMap;

use super::check::Check;
use super::raw::{self, Section};
use super::report::{quoted, suggestion};
use crate::domain::concept::Experiment;
use crate::domain::id::DestinationId;
use crate::domain::message::Destination;
use crate::domain::template::{Pattern, Telling, Template, Wrong};

/// A receiver for programs: what it gets has a shape that no template changes.
const FOR_PROGRAMS: &str = "webhook";

/// Reads them; what is wrong with them goes to the report. `pages` is where messages lead.
pub(super) fn telling(
    check: &Check<'_>,
    root: &Section<'_>,
    pages: Option<String>,
    destinations: &BTreeMap<&str, Option<Destination>>,
) -> Telling {
    let mut templates = BTreeMap::new();
    for (name, section) in root.named("template", &raw::TEMPLATE) {
        let template = template(check, &section);
        for destination in receivers(check, name, &section, destinations) {
            if templates.insert(DestinationId::new(destination), template.clone()).is_some() {
                let what = format!("{} has another template already", quoted(destination));
                check.report.error(section.key_span("for"), what, "name each receiver in one template only");
            }
        }
    }
    Telling { templates, pages, concepts: BTreeMap::new() }
}

/// With the concepts, once they are known.
pub(super) fn with_concepts(telling: Telling, experiments: &[Experiment]) -> Telling {
    let concepts = experiments.iter().map(|experiment| {
        let concept = &experiment.concept;
        (concept.id.clone(), (concept.title.clone(), experiment.owner.clone()))
    });
    Telling { concepts: concepts.collect(), ..telling }
}

fn template(check: &Check<'_>, section: &Section<'_>) -> Template {
    let headline = section.text("headline").and_then(|text| pattern(check, text.get_ref(), text.span()));
    let lines = section
        .texts("lines")
        .map(|lines| lines.iter().filter_map(|line| pattern(check, line.get_ref(), line.span())).collect::<Vec<_>>());
    if headline.is_none() && lines.is_none() && !section.has("headline") && !section.has("lines") {
        let advice = "add headline = \"…\", or lines = [\"Why: {why}\", …]";
        check.report.error(section.span.clone(), format!("{} says nothing", section.path), advice);
    }
    Template { headline, lines }
}

fn pattern(check: &Check<'_>, text: &str, span: raw::Span) -> Option<Pattern> {
    match Pattern::read(text) {
        Ok(pattern) => return Some(pattern),
        Err(Wrong::Brace) => {
            let advice = "write each name between { and }, as in \"Why: {why}\"; braces stand for nothing else";
            check.report.error(span, "a brace without its other one", advice);
        }
        Err(Wrong::Name(name)) => {
            let known: Vec<&str> = Pattern::names().collect();
            let what = format!("nothing in a message is called {}", quoted(&name));
            check.report.error(span, what, suggestion(&name, &known, "there is nothing"));
        }
    }
    None
}

fn receivers<'t>(
    check: &Check<'_>,
    name: &str,
    section: &Section<'t>,
    destinations: &BTreeMap<&str, Option<Destination>>,
) -> Vec<&'t str> {
    section.require("for", "add for = [\"NAME\"] with a name from [notify.NAME.KIND]");
    let all: Vec<&str> = destinations.keys().copied().collect();
    let mut named = Vec::new();
    for written in section.texts("for").unwrap_or_default() {
        match destinations.get(written.get_ref()) {
            None => {
                let what = format!("there is no receiver called {}", quoted(written.get_ref()));
                let advice = suggestion(written.get_ref(), &all, "add a [notify.NAME.KIND] table");
                check.report.error(written.span(), what, advice);
            }
            Some(Some(destination)) if destination.kind == FOR_PROGRAMS => {
                let what = format!("{} is for programs, and gets every field by its name", quoted(written.get_ref()));
                check.report.error(written.span(), what, format!("take it out of [template.{name}]"));
            }
            Some(_) => named.push(*written.get_ref()),
        }
    }
    named
}
