//! `check`: reads the configuration as the daemon would and says what is wrong, or what was understood.
//! Never touches the network.

use std::path::Path;
use std::process::ExitCode;

use chrono::Utc;
use serde::Serialize;

use super::next_command;
use super::output::{Failure, Output, wrapped};
use crate::app;
use crate::config::{self, Config, Problem};

#[derive(Serialize)]
struct Checked<'a> {
    file: &'a Path,
    experiments: Vec<&'a str>,
    warnings: &'a [Problem],
}

/// Checks the configuration file.
///
/// # Errors
/// Everything wrong with it, at once.
pub fn run(path: &Path, output: &Output) -> Result<ExitCode, Failure> {
    let loaded = app::load_config(path, &app::registry_of(path)?)?;
    let experiments = loaded.config.experiments.iter().map(|experiment| experiment.concept.id.as_str()).collect();
    output.warn(&loaded.warnings);
    let checked = Checked { file: path, experiments, warnings: &loaded.warnings };
    output.show(&checked, || {
        let summary = config::summary(&loaded.config, Utc::now());
        let summary: Vec<String> = summary.lines().map(|line| wrapped(line, UNDER_THE_WORDS)).collect();
        let beside = if loaded.warnings.is_empty() { "" } else { "; what to think about stands above" };
        format!(
            "{}\n\n{}: nothing is wrong{beside}.\n{}",
            summary.join("\n"),
            path.display(),
            next(&loaded.config, path)
        )
    });
    Ok(ExitCode::SUCCESS)
}

/// The column at which the words of the summary begin.
const UNDER_THE_WORDS: usize = 13;

fn next(config: &Config, path: &Path) -> String {
    match config.sources.values().find(|access| !access.source.scheduled) {
        Some(files) => format!(
            "Next: {} shows what a report holds.",
            next_command(path, &format!("import FILE --source {} --dry-run", files.source.id))
        ),
        None => format!("Next: {} asks the sources and stores nothing.", next_command(path, "pull --dry-run")),
    }
}
