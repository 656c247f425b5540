//! Parses the arguments, calls `cli`, sets the exit code.

use std::process::ExitCode;

use clap::Parser;
use willitsell::cli::{self, Arguments};

fn main() -> ExitCode {
    cli::run(&Arguments::parse())
}
