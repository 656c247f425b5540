//! `completions` and `man`: what a package of the program carries, made from the commands themselves.

use std::io::{self, Write as _};
use std::process::ExitCode;

use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::Arguments;
use super::output::Failure;

/// Arguments of `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// For which shell.
    shell: Shell,
}

/// Prints what makes a shell complete our commands.
///
/// # Errors
/// Where it cannot be printed.
pub fn completions(args: &CompletionsArgs) -> Result<ExitCode, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Arguments::command(), "willitsell", &mut script);
    print(&script)
}

/// Prints the manual page.
///
/// # Errors
/// Where it cannot be printed.
pub fn man() -> Result<ExitCode, Failure> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Arguments::command())
        .render(&mut page)
        .map_err(|error| Failure::general(error.to_string()))?;
    print(&page)
}

fn print(bytes: &[u8]) -> Result<ExitCode, Failure> {
    io::stdout().write_all(bytes).map_err(|error| Failure::general(format!("it could not be printed: {error}")))?;
    Ok(ExitCode::SUCCESS)
}
