//! `sandbox`: pretend vendors on this machine, with a configuration that asks them all, for as long as you like: a
//! rehearsal before the first real token.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use chrono::Utc;
use clap::Args;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::demo::free_name;
use super::init::write_new;
use super::output::{Failure, Output, wrapped};
use super::run::cancel_when_asked;
use crate::app;
use crate::sandbox::{Sandbox, Setup, rehearsal};

/// Arguments of `sandbox`.
#[derive(Debug, Args)]
pub struct SandboxArgs {
    /// Where to put the configuration; a new folder, or with --port the one of the last time.
    #[arg(long, value_name = "FOLDER", default_value = "willitsell-sandbox")]
    folder: PathBuf,
    /// First port of the vendors, one each; by default ports that are free. With fixed ports a folder can be used again.
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1024..=65_000))]
    port: Option<u16>,
}

#[derive(Serialize)]
struct Started<'a> {
    configuration: &'a Path,
}

/// How often the vendors' clock is set to the real one.
const TICK: Duration = Duration::from_secs(1);

/// Starts them and stays until Ctrl-C.
///
/// # Errors
/// When ports or the folder cannot be had.
pub async fn run(args: &SandboxArgs, output: &Output) -> Result<ExitCode, Failure> {
    let now = Utc::now();
    let folder = if args.port.is_some() { args.folder.clone() } else { free_name(&args.folder) };
    let mut setup = Setup { first_port: args.port, ..Setup::new(rehearsal::world(now), now) };
    // Between two questions the vendor wants a minute, which nobody needs to rehearse.
    setup.microsoft.pace.waits = 0;
    let sandbox = Sandbox::start(setup).await.map_err(|error| could_not_start(&error, args.port))?;
    let infos = app::registry()?.infos();
    let connectors: Vec<&str> = infos.iter().map(|info| info.name.as_str()).collect();
    let path = write_folder(&folder, &sandbox, &connectors)
        .map_err(|error| Failure::general(format!("{}: cannot be written: {error}", folder.display())))?;
    output.show(&Started { configuration: &path }, || introduction(&path));
    let stop = CancellationToken::new();
    tokio::spawn(cancel_when_asked(stop.clone()));
    let mut told = 0;
    loop {
        tokio::select! {
            () = stop.cancelled() => return Ok(ExitCode::SUCCESS),
            () = tokio::time::sleep(TICK) => sandbox.set_now(Utc::now()),
        }
        for message in sandbox.messages().iter().skip(told) {
            told += 1;
            let text = message.body["text"].as_str().unwrap_or("(a message without text)");
            output.show(&message.body, || format!("\nThe pretend Slack received:\n{text}"));
        }
    }
}

fn could_not_start(error: &io::Error, first: Option<u16>) -> Failure {
    let advice = match first {
        Some(_) => {
            ". Every pretend vendor has a port of its own, from --port on: end the program that has it, or name another"
        }
        None => "",
    };
    Failure::general(format!("the pretend vendors could not start on this machine: {error}{advice}"))
}

/// Writes what is not there yet.
fn write_folder(folder: &Path, sandbox: &Sandbox, connectors: &[&str]) -> io::Result<PathBuf> {
    fs::create_dir_all(folder.join("secrets"))?;
    for file in rehearsal::files(sandbox, connectors) {
        match write_new(&folder.join(&file.name), &file.text) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            written => written?,
        }
    }
    Ok(folder.join("willitsell.toml"))
}

fn introduction(path: &Path) -> String {
    let shown = path.display();
    let commands = [
        ("check", "what the configuration means"),
        ("check --live", "three rows of every pretend vendor"),
        ("pull --dry-run", "all their days, none stored"),
        ("auth linkedin", "log in, as in your name; the pretend person agrees at once"),
        ("run --once", "pull, decide, tell the pretend Slack"),
        ("status", "where each concept stands"),
        ("explain cat-meals", "how that verdict came about"),
    ];
    let commands = commands.map(|(command, why)| (format!("willitsell --config {shown} {command}"), why));
    let width = commands.iter().map(|(command, _)| command.chars().count()).max().unwrap_or_default();
    let lines: String = commands.iter().map(|(command, why)| format!("  {command:<width$}   {why}\n")).collect();
    let intro = "Pretend vendors run on this machine until you press Ctrl-C. They tell of three products whose ads began \
                 three weeks ago; today is today. In another terminal:";
    format!("{}\nConfiguration: {shown}\n\n{lines}", wrapped(intro, 0))
}
