//! `check`: reads the configuration as the daemon would and says what is wrong, or what was understood.
//! Never touches the network.

use std::path::Path;
use std::process::ExitCode;

use chrono::Utc;
use serde::Serialize;

use super::output::{Failure, Output};
use crate::app;
use crate::config::{self, Problem};

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
    let loaded = app::load_config(path, &app::registry()?)?;
    let experiments = loaded.config.experiments.iter().map(|experiment| experiment.concept.id.as_str()).collect();
    output.warn(&loaded.warnings);
    let checked = Checked { file: path, experiments, warnings: &loaded.warnings };
    output.show(&checked, || {
        format!("{}\n{}: nothing is wrong.", config::summary(&loaded.config, Utc::now()), path.display())
    });
    Ok(ExitCode::SUCCESS)
}
