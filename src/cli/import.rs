//! `import`: reads a downloaded report into a source. Shows what was understood, and refuses to let a file
//! that holds less silently take the place of what is stored.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrono::Utc;
use chrono_tz::Tz;
use clap::Args;
use serde::Serialize;

use super::output::{Failure, Output};
use crate::app::App;
use crate::connect::native::file::{self, Understanding};
use crate::domain::connector::{SettingValue, SourceAccess};
use crate::domain::id::SourceId;
use crate::domain::observation::DateWindow;
use crate::schedule::pull::{Errand, pull};

/// Arguments of `import`.
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// The file, as the ad manager let you download it.
    file: PathBuf,
    /// The source it goes into: a `[source.NAME]` with `connector = "file"`. Needed when there is more than one.
    #[arg(long)]
    source: Option<String>,
    /// Show what the file holds and store nothing.
    #[arg(long)]
    dry_run: bool,
    /// Let the file take the place of its days although it lacks campaigns that are stored for them.
    #[arg(long)]
    replace: bool,
}

#[derive(Serialize)]
struct Imported<'a> {
    source: &'a str,
    file: String,
    understood: &'a Understanding,
    stored: Option<Stored>,
}

#[derive(Clone, Copy, Serialize)]
struct Stored {
    new: u64,
    changed: u64,
    vanished: u64,
}

/// Reads a file and stores its days, all or nothing.
///
/// # Errors
/// Says what in the file could not be understood and which setting answers it; the store is as it was.
pub async fn run(args: &ImportArgs, path: &Path, output: &Output) -> Result<ExitCode, Failure> {
    let app = App::open(path).await?;
    let access = access(args, &app)?;
    let source = access.source.id.clone();
    let zone = zone(&app, &source);
    let understood = file::understand(&args.file, &access.settings, zone)
        .map_err(|error| Failure::general(format!("{}: {error}", args.file.display())))?;
    let window = DateWindow::new(understood.first, understood.last)
        .ok_or_else(|| Failure::general(format!("{}: its days are out of order", args.file.display())))?;
    output.say(&understood.to_string());
    let mut imported = Imported {
        source: source.as_str(),
        file: args.file.display().to_string(),
        understood: &understood,
        stored: None,
    };
    if args.dry_run {
        output.show(&imported, || "Nothing was stored (dry run).".into());
        return Ok(ExitCode::SUCCESS);
    }
    if !args.replace {
        refuse_to_lose(&app, &source, &understood, window).await?;
    }
    let now = Utc::now();
    let run_id = format!("import@{}", now.format("%Y-%m-%dT%H:%M:%S%.3fZ"));
    let errand = Errand { run_id: &run_id, zone, due_at: now, now };
    let pulled =
        pull(&app.parts, &access, window, errand).await.map_err(|error| Failure::general(error.to_string()))?;
    let stored = Stored { new: pulled.new, changed: pulled.changed, vanished: pulled.vanished };
    imported.stored = Some(stored);
    output.show(&imported, || {
        format!(
            "Stored in source {source}: {} rows are new, {} changed, {} are no longer there.\n\
             Next: `willitsell run --once` decides, `willitsell status` shows where each concept stands.",
            stored.new, stored.changed, stored.vanished
        )
    });
    app.parts.store.close().await;
    Ok(ExitCode::SUCCESS)
}

/// The source to import into, reading this file.
fn access(args: &ImportArgs, app: &App) -> Result<SourceAccess, Failure> {
    let mut files = app.parts.sources.values().filter(|access| access.source.connector == file::NAME);
    let access = match &args.source {
        Some(name) => match app.parts.sources.get(&SourceId::new(name.as_str())) {
            Some(access) if access.source.connector == file::NAME => access,
            Some(access) => {
                return Err(Failure::usage(format!(
                    "source {name} is read by {}: files go into a source with `connector = \"file\"`",
                    access.source.connector
                )));
            }
            None => return Err(Failure::usage(format!("there is no [source.{name}] in the configuration"))),
        },
        None => match (files.next(), files.next()) {
            (Some(only), None) => only,
            (Some(_), Some(_)) => {
                return Err(Failure::usage("there are several file sources: say which with --source NAME"));
            }
            (None, _) => {
                return Err(Failure::usage(
                    "no source reads files: add `[source.NAME]` with `connector = \"file\"` to the configuration",
                ));
            }
        },
    };
    let mut access = access.clone();
    access.settings.insert("path", SettingValue::Plain(args.file.to_string_lossy().into_owned()));
    Ok(access)
}

/// Zone of the first experiment that reads the source: cuts days where the file does not say.
fn zone(app: &App, source: &SourceId) -> Tz {
    let reads = app.loaded.config.experiments.iter().find(|it| it.sources.iter().any(|read| &read.id == source));
    reads.map_or(Tz::UTC, |experiment| experiment.timezone)
}

/// A file replaces its days whole. One that lacks a campaign stored for these days would take it away.
async fn refuse_to_lose(
    app: &App,
    source: &SourceId,
    understood: &Understanding,
    window: DateWindow,
) -> Result<(), Failure> {
    let stored = app.parts.store.inputs(std::slice::from_ref(source), window, None).await?;
    let in_file: BTreeSet<&str> = understood.arms.iter().map(|arm| arm.key.as_str()).collect();
    let lost: BTreeSet<&str> = stored
        .observations
        .iter()
        .map(|observation| observation.arm_key.as_str())
        .filter(|key| !in_file.contains(key))
        .collect();
    if lost.is_empty() {
        return Ok(());
    }
    let lost = lost.into_iter().collect::<Vec<_>>().join(", ");
    Err(Failure::general(format!(
        "source {source} holds figures from {} to {} for {lost}, which this file lacks; a file takes the place of its days \
         whole. Export all campaigns into one file, give them a source of their own, or repeat with --replace. Nothing was stored.",
        window.first(),
        window.last()
    )))
}
