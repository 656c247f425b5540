//! `restore`: puts a copy of a store into the empty store that the configuration names. Not how a damaged file is put back
//! in its place: `backup` says that.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chrono::Utc;
use clap::Args;
use serde::Serialize;

use super::next_command;
use super::output::{Failure, Output, counted};
use crate::app::App;
use crate::config::Config;
use crate::store::{Restored, Store, StoreError};

/// What is put back.
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// A store in a file: one that `backup` made, or the file of a store that nobody runs any more.
    file: PathBuf,
}

#[derive(Serialize)]
struct Told<'a> {
    file: &'a Path,
    rows: u64,
    tables: Vec<(&'a str, u64)>,
}

/// Copies all rows of a store in a file into the configured one.
///
/// # Errors
/// When there is no such file, the configured store holds anything, or its key is another one.
pub async fn run(args: &RestoreArgs, path: &Path, output: &Output) -> Result<ExitCode, Failure> {
    if !args.file.is_file() {
        return Err(Failure::usage(format!("there is no file {}: name a copy of a store", args.file.display())));
    }
    let app = App::open(path).await?;
    let working = output.spinner("copying every row");
    let restored = copy(&args.file, &app).await;
    working.finish_and_clear();
    app.parts.store.close().await;
    let restored = restored?;
    let rows = restored.iter().map(|one| one.rows).sum();
    let tables = restored.iter().map(|one| (one.table.as_str(), one.rows)).collect();
    output.show(&Told { file: &args.file, rows, tables }, || {
        let file = args.file.display();
        format!(
            "{} of {file} now stand in the store that {} names; {file} is as it was. {} says where every concept stands.",
            counted(rows, "row"),
            path.display(),
            next_command(path, "status")
        )
    });
    Ok(ExitCode::SUCCESS)
}

async fn copy(file: &Path, app: &App) -> Result<Vec<Restored>, StoreError> {
    let Config { store_key, .. } = &app.loaded.config;
    let from = Store::open_with(&format!("sqlite://{}", file.display()), store_key.as_ref()).await?;
    let restored = async {
        // Nobody goes on writing what is copied; and what a process that died had begun is nobody's.
        let _claim = from.claim().await?;
        from.abandon_open_runs(Utc::now()).await?;
        app.parts.store.restore(&from).await
    };
    let restored = restored.await;
    from.close().await;
    restored
}
