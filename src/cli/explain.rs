//! `explain`: how a concept's latest verdict came about.

use std::path::Path;
use std::process::ExitCode;

use serde::Serialize;

use super::keys;
use super::output::{Failure, Output, indented, wrapped};
use crate::app::App;
use crate::config::report::suggestion;
use crate::decide;
use crate::decide::derivation::{self, Derivation, Section};
use crate::domain::id::{ConceptId, SourceId};
use crate::domain::observation::{DateWindow, Inputs};
use crate::domain::verdict::{Generation, StoredScorecard};

#[derive(Serialize)]
struct Explained<'a> {
    #[serde(flatten)]
    stored: &'a StoredScorecard,
    #[serde(flatten)]
    derivation: &'a Derivation,
}

/// Prints formula, days, rows and what would change the verdict.
///
/// # Errors
/// When the concept is unknown or has no verdict yet.
pub async fn run(concept: &str, path: &Path, output: &Output) -> Result<ExitCode, Failure> {
    let app = App::open(path).await?;
    let experiments = &app.loaded.config.experiments;
    let Some(experiment) = experiments.iter().find(|experiment| experiment.concept.id.as_str() == concept) else {
        let known: Vec<&str> = experiments.iter().map(|experiment| experiment.concept.id.as_str()).collect();
        let advice = suggestion(concept, &known, "write one first");
        return Err(Failure::usage(format!("there is no [experiment.{concept}]: {advice}")));
    };
    let store = &app.parts.store;
    let Some(stored) = store.latest_scorecard(&ConceptId::new(concept)).await? else {
        return Err(Failure::general(format!("{concept} has no verdict yet: run `willitsell run --once`")));
    };
    let card = &stored.scorecard;
    let generation = Generation {
        number: card.generation,
        first_day: store.first_day(&card.concept, card.generation).await?,
        policy_hash: card.policy_hash.clone(),
    };
    let sources: Vec<SourceId> = experiment.sources.iter().map(|source| source.id.clone()).collect();
    let last_day = card.as_of.with_timezone(&experiment.timezone).date_naive();
    let inputs = match DateWindow::new(generation.first_day, last_day) {
        Some(days) => store.inputs(&sources, days, Some(stored.known_at)).await?,
        None => Inputs::default(),
    };
    let derivation = derivation::derive(experiment, &generation, &inputs, card);
    let explained = Explained { stored: &stored, derivation: &derivation };
    output.show(&explained, || match keys::mending(experiments, card) {
        Some(mending) => format!("{}\nHow to mend it\n  {}", text(&derivation.sections), indented(&mending)),
        None => text(&derivation.sections).trim_end().to_owned(),
    });
    if card.policy_hash != decide::policy_hash(experiment) {
        output.note(
            "The bars in the configuration have changed since this verdict; the next run opens a new test with them.",
        );
    }
    app.parts.store.close().await;
    Ok(ExitCode::SUCCESS)
}

fn text(sections: &[Section]) -> String {
    let sections = sections.iter().map(|section| {
        let lines: String = section.lines.iter().map(|line| wrapped(&format!("  {line}"), 2) + "\n").collect();
        format!("{}\n{lines}", section.title)
    });
    sections.collect::<Vec<_>>().join("\n")
}
