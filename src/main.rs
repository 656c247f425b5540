//! Parses the arguments, calls `cli`, sets the exit code.

use std::process::ExitCode;

use clap::Parser;
use willitsell::cli::{self, Arguments};

fn main() -> ExitCode {
    leave_no_core_behind();
    cli::run(&Arguments::parse())
}

/// A core file would hold every secret in memory. Where the limit cannot be set, the system's own stays.
fn leave_no_core_behind() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    }
}
