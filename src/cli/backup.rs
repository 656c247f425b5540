//! `backup`: copies the store while the daemon goes on, and says how a copy is put back.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::next_command;
use super::output::{Failure, Output, wrapped};
use crate::app::App;
use crate::store::Backup;

/// Where to.
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// A file that does not exist yet, in a folder that does.
    file: PathBuf,
}

#[derive(Serialize)]
struct Told<'a> {
    file: &'a Path,
    bytes: u64,
    store: &'a Path,
    keys: &'a [PathBuf],
    restore: &'a [String],
}

/// Copies the store into a file.
///
/// # Errors
/// When the file exists, or the store cannot be read.
pub async fn run(args: &BackupArgs, path: &Path, output: &Output) -> Result<ExitCode, Failure> {
    let app = App::open(path).await?;
    let working = output.spinner("copying the store");
    let made = app.parts.store.backup(&args.file).await;
    working.finish_and_clear();
    app.parts.store.close().await;
    let made = made?;
    let steps = restore(&made, path);
    let told = Told { file: &made.file, bytes: made.bytes, store: &made.store, keys: &made.keys, restore: &steps };
    output.show(&told, || {
        let size = made.bytes.div_ceil(1024);
        let mut text =
            format!("{}: {size} KiB, read through and whole; only you can read it.\n", made.file.display());
        if !made.keys.is_empty() {
            let keys: Vec<String> = made.keys.iter().map(|key| key.display().to_string()).collect();
            text.push_str(&format!(
                "Not in it, and needed with it: {}. They are made once and stay as they are: keep a copy of them in another \
                 place than this one, for whoever has both can read the logins.\n",
                keys.join(" and ")
            ));
        }
        text.push_str("\nTo put it back:");
        for (number, step) in (1..).zip(&steps) {
            text.push_str(&format!("\n{}", wrapped(&format!("  {number}. {step}"), 5)));
        }
        text
    });
    Ok(ExitCode::SUCCESS)
}

/// What to do to go on with a copy.
fn restore(made: &Backup, config: &Path) -> Vec<String> {
    let (file, store) = (made.file.display(), made.store.display());
    let mut steps = vec![
        "Stop every willitsell.".to_owned(),
        format!(
            "Move {store}, {store}-wal and {store}-shm (those that are there) to another folder. A log (-wal) of the old \
                 store must never lie beside the copy."
        ),
        format!("cp {file} {store}"),
    ];
    if !made.keys.is_empty() {
        steps.push(format!(
            "Put the key files beside it, where they are not there still: {store}.key, {store}.token-key."
        ));
    }
    steps.push(format!("{} says where every concept stands; then start the daemon.", next_command(config, "status")));
    steps
}
