//! `connectors`: which there are, what one needs, how a new one begins, and whether a file is right. Asks no vendor.

mod conformance;
mod list;
mod new;
mod show;
mod test;

use std::path::Path;
use std::process::ExitCode;

use clap::Subcommand;

use super::output::{Failure, Output};
use crate::domain::connector::Home;

/// What to do with connectors.
#[derive(Debug, Subcommand)]
pub enum ConnectorsCommand {
    /// Every connector: version, when that ends, how far it was tried, what it counts.
    List(list::ListArgs),
    /// One connector: its settings, whom it asks, and lines to paste into the configuration.
    Show(show::ShowArgs),
    /// Write the beginning of a connector of your own, with every word explained.
    New(new::NewArgs),
    /// Check a connector's file and run its examples; with --page, show the rows of a saved answer; with --program, run the
    /// program it reads from and check what it writes.
    Test(test::TestArgs),
}

/// Does it.
///
/// # Errors
/// Each command says why and what to do.
pub async fn run(command: &ConnectorsCommand, config: &Path, output: &Output) -> Result<ExitCode, Failure> {
    match command {
        ConnectorsCommand::List(args) => list::run(args, config, output),
        ConnectorsCommand::Show(args) => show::run(args, config, output),
        ConnectorsCommand::New(args) => new::run(args, config, output),
        ConnectorsCommand::Test(args) => test::run(args, config, output).await,
    }
}

fn home(home: Home) -> &'static str {
    match home {
        Home::BuiltIn => "built in",
        Home::Folder => "your folder",
    }
}
