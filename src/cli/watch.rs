//! `watch`: imports each file that is dropped into a folder, once it is whole, and says what `import` says. It looks again
//! and again rather than be told, because folders on a network tell nobody. The same folder as the `path` of a source is
//! read by `run`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use chrono::Utc;
use clap::Args;

use super::import::{drop_in, is_ready};
use super::output::{Failure, Output};
use crate::connect::native::file::folder::Dropped;
use crate::schedule::pull::folder::whole;

/// How long nothing is done between two looks.
const EVERY: Duration = Duration::from_secs(3);

/// Arguments of `watch`.
#[derive(Debug, Args)]
pub struct WatchArgs {
    /// The folder. CSV, TSV and XLSX files in it are read, those in folders within it are not.
    folder: PathBuf,
    /// The source they go into: a `[source.NAME]` that reads files. Needed when there is more than one.
    #[arg(long)]
    source: Option<String>,
    /// Import what is there and end.
    #[arg(long)]
    once: bool,
}

/// Imports what is there, oldest first, then whatever comes. A file that is refused is named, and tried again once it is
/// written anew; the others are imported all the same.
///
/// # Errors
/// When there is no such folder; with `--once`, when a file was not imported.
pub async fn run(args: &WatchArgs, path: &Path, output: &Output) -> Result<ExitCode, Failure> {
    let shown = args.folder.display();
    if !args.folder.is_dir() {
        return Err(Failure::usage(format!("{shown} is not a folder: make it first, or name a file to `import`")));
    }
    is_ready(args.source.as_deref(), path).await?;
    let mut tried: BTreeMap<PathBuf, Dropped> = BTreeMap::new();
    let (mut refused, mut is_lost) = (0_u64, false);
    let mut stop = Box::pin(tokio::signal::ctrl_c());
    if !args.once {
        output.say(&format!("Watching {shown}; Ctrl-C ends it."));
    }
    loop {
        let (files, written) = match whole(&args.folder, Utc::now()).await {
            Ok(found) => {
                is_lost = false;
                found
            }
            Err(error) if args.once => return Err(Failure::general(format!("{shown} cannot be read: {error}"))),
            Err(error) => {
                if !is_lost {
                    output.fail(&Failure::general(format!("{shown} cannot be read: {error}. Looking again")));
                }
                is_lost = true;
                (vec![], vec![])
            }
        };
        for file in files {
            if tried.get(&file.path) == Some(&file) {
                continue;
            }
            output.say(&format!("\n{}", file.name));
            if let Err(failure) = drop_in(&file.path, args.source.as_deref(), path, output).await {
                refused += 1;
                output.fail(&failure);
            }
            tried.insert(file.path.clone(), file);
        }
        if args.once {
            for name in &written {
                output.say(&format!("{name} is being written still and was left out"));
            }
            let done = refused == 0 && written.is_empty();
            return Ok(if done { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        tokio::select! {
            _ = &mut stop => return Ok(ExitCode::SUCCESS),
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}
