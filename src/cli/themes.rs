//! `themes`: what people write, by theme, and phrases that may become one. Beside the numbers, never in them.

use std::path::Path;
use std::process::ExitCode;

use chrono::{DateTime, Utc};

use super::experiment_named;
use super::output::{Failure, Output, counted, wrapped};
use crate::app::App;
use crate::domain::concept::Experiment;
use crate::domain::id::SourceId;
use crate::store::StoreError;
use crate::themes::{Group, Themes};
use crate::web::concept::themes::said;

/// Shows the themes of a concept.
///
/// # Errors
/// When the concept is unknown or the store cannot be read.
pub async fn run(concept: &str, path: &Path, output: &Output) -> Result<ExitCode, Failure> {
    let app = App::open(path).await?;
    let experiment = experiment_named(&app.loaded.config.experiments, concept)?;
    let themes = of(&app, experiment, Utc::now()).await?;
    output.show(&themes, || text(&app, experiment, &themes));
    app.parts.store.close().await;
    Ok(ExitCode::SUCCESS)
}

/// What people who belong to a concept wrote since its test began, in groups.
///
/// # Errors
/// [`StoreError`].
pub async fn of(app: &App, experiment: &Experiment, now: DateTime<Utc>) -> Result<Themes, StoreError> {
    let rules = app.loaded.config.themes.get(&experiment.concept.id).map(Vec::as_slice);
    said(&app.parts.store, experiment, rules.unwrap_or_default(), now).await
}

fn text(app: &App, experiment: &Experiment, themes: &Themes) -> String {
    if themes.answers == 0 {
        return nothing(app, experiment);
    }
    let mut lines =
        vec![format!("{}, kept for 90 days. No test reads them.", counted(themes.answers as u64, "answer"))];
    for group in &themes.groups {
        lines.push(String::new());
        lines.extend(shown(group, &format!("{} of {}", group.answers, themes.answers)));
    }
    if !themes.groups.is_empty() {
        lines.push(format!("\n  {} of {}  none of these", themes.others, themes.answers));
    }
    if themes.suggestions.is_empty() {
        return lines.join("\n");
    }
    let which = if themes.groups.is_empty() { "They" } else { "The others" };
    lines.push(format!("\n{which} have in common:"));
    for group in &themes.suggestions {
        lines.extend(shown(group, &group.answers.to_string()));
    }
    let key = experiment.concept.id.as_str();
    lines.push(format!("\nWhere one is a theme, give it a name in the configuration:\n  [experiment.{key}.themes]"));
    lines.extend(themes.suggestions.iter().take(3).map(|group| format!("  \"{0}\" = [\"{0}\"]", group.name)));
    lines.join("\n")
}

/// The count and the name, and a quote below it.
fn shown(group: &Group, count: &str) -> Vec<String> {
    let mut lines = vec![format!("  {count}  {}", group.name)];
    if group.answers > 0 {
        let hang = 4 + count.chars().count();
        lines.push(wrapped(&format!("{}“{}”", " ".repeat(hang), group.quote), hang));
    }
    lines
}

/// Why there is nothing to group, and what to do.
fn nothing(app: &App, experiment: &Experiment) -> String {
    let asks = |id: &SourceId| {
        let access = app.loaded.config.sources.get(id);
        access.is_some_and(|access| access.intake.answers.iter().any(|question| question.is_free_text))
    };
    if experiment.sources.iter().any(|source| asks(&source.id)) {
        return "Nobody has written anything yet, or it was read before `free_text` was set: `willitsell pull` reads it."
            .to_owned();
    }
    "What people write is not kept. Name the question in its source, then pull again:\n  answers   = { why = \"what the \
     form calls the question\" }\n  free_text = [\"why\"]"
        .to_owned()
}
