//! `explain`: how a concept's latest verdict came about.

use std::path::Path;
use std::process::ExitCode;

use chrono::Utc;
use serde::Serialize;

use super::output::{Failure, Output, counted, wrapped};
use super::{experiment_named, themes};
use crate::app::App;
use crate::decide;
use crate::decide::decision::{self, Overrides};
use crate::decide::derivation::{self, Derivation, Section};
use crate::domain::concept::Experiment;
use crate::domain::decision::Setup;
use crate::domain::verdict::StoredScorecard;
use crate::schedule::recall::{self, Latest};
use crate::themes::Themes;

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
    let configured = experiment_named(experiments, concept)?;
    let store = &app.parts.store;
    let Some(Latest { stored, setup, inputs }) = recall::latest(store, &mut store.view(), configured).await? else {
        return Err(Failure::general(format!("{concept} has no verdict yet: run `willitsell run --once`")));
    };
    let card = &stored.scorecard;
    let Setup { experiment, generation } = &setup;
    let mut derivation = derivation::derive(experiment, generation, &inputs, card);
    let decisions = store.decisions(&card.concept, None).await?;
    if !decisions.is_empty() {
        let today = card.as_of.with_timezone(&experiment.timezone).date_naive();
        let mut lines: Vec<String> = decisions.iter().map(|it| decision::decided(experiment, it, today)).collect();
        lines.extend(decision::said(Overrides::among(&decisions)));
        derivation.sections.insert(1, Section { title: "Decisions".into(), lines });
    }
    let written = themes::of(&app, configured, Utc::now()).await?;
    if written.answers > 0 {
        derivation.sections.push(what_people_write(configured, &written));
    }
    let explained = Explained { stored: &stored, derivation: &derivation };
    output.show(&explained, || text(&derivation.sections).trim_end().to_owned());
    if card.policy_hash != decide::policy_hash(configured) {
        output.note(
            "What was fixed before the test (such as break-even, versions or days) has changed in the configuration since this \
             verdict: the next run opens a new test.",
        );
    }
    app.parts.store.close().await;
    Ok(ExitCode::SUCCESS)
}

/// The most frequent themes with a quote each. They come from what is kept today, whatever the verdict's day.
fn what_people_write(experiment: &Experiment, written: &Themes) -> Section {
    let answers = written.answers;
    let named = written.groups.iter().filter(|group| group.answers > 0).take(3);
    let mut lines: Vec<String> = named
        .map(|group| format!("{} ({} of {answers} answers): “{}”", group.name, group.answers, group.quote))
        .collect();
    let command = format!("`willitsell themes {}`", experiment.concept.id);
    lines.push(if lines.is_empty() {
        format!("{}, in no theme yet: {command} suggests some.", counted(answers as u64, "answer"))
    } else {
        format!("{command} shows all themes. No test reads them.")
    });
    Section { title: "What people write".into(), lines }
}

fn text(sections: &[Section]) -> String {
    let sections = sections.iter().map(|section| {
        let lines: String = section.lines.iter().map(|line| wrapped(&format!("  {line}"), 2) + "\n").collect();
        format!("{}\n{lines}", section.title)
    });
    sections.collect::<Vec<_>>().join("\n")
}
