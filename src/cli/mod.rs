//! The command line: what may be asked, and how every command ends. One file per command.

pub mod access;
mod ack;
pub mod auth;
pub mod backup;
pub mod check;
pub mod connectors;
pub mod decide;
pub mod demo;
pub mod explain;
pub mod export;
pub mod forget;
pub mod import;
pub mod init;
pub mod keys;
pub mod live;
pub mod output;
pub mod plan;
pub mod pull;
pub mod replay;
pub mod report;
pub mod restore;
pub mod run;
pub mod sandbox;
pub mod shell;
pub mod simulate;
pub mod status;
pub mod themes;
pub mod watch;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use self::output::{Failure, Output};
use crate::config::report::suggestion;
use crate::config::{DEFAULT_FILE, program};
use crate::domain::concept::Experiment;

/// A command to type next, with the configuration named where it would not be found by itself.
fn next_command(config: &Path, command: &str) -> String {
    format!("`{} {command}`", program(config))
}

/// The experiment on a concept, or the name that was probably meant.
fn experiment_named<'a>(experiments: &'a [Experiment], concept: &str) -> Result<&'a Experiment, Failure> {
    experiments.iter().find(|experiment| experiment.concept.id.as_str() == concept).ok_or_else(|| {
        let known: Vec<&str> = experiments.iter().map(|experiment| experiment.concept.id.as_str()).collect();
        let advice = suggestion(concept, &known, "write one first");
        Failure::usage(format!("there is no [experiment.{concept}]: {advice}"))
    })
}

/// Says when a concept test has enough signal to recommend BUILD or KILL.
#[derive(Debug, Parser)]
#[command(name = "willitsell", version, about, after_help = AFTER_HELP, propagate_version = true)]
pub struct Arguments {
    /// The configuration file.
    #[arg(
        long,
        short,
        global = true,
        value_name = "FILE",
        default_value = DEFAULT_FILE,
        env = "WILLITSELL_CONFIG"
    )]
    config: PathBuf,
    /// Print JSON instead of text, one object a line.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
New here? `willitsell demo` shows the whole job and needs no account; `willitsell init` writes your
first configuration.

Exit codes:
  0   done
  1   failed: the message says what to do
  2   the configuration or the arguments are wrong; nothing was done
  10  `status`: a verdict waits for a person
  20  `status`: a verdict is blocked, a source fails, a message is not delivered or a slot has not run";

#[derive(Debug, Subcommand)]
enum Command {
    /// Live through six weeks of a simulated test; needs no account.
    Demo(demo::DemoArgs),
    /// Start pretend vendors and write a configuration that asks them: a rehearsal without accounts.
    Sandbox(sandbox::SandboxArgs),
    /// Write a first configuration by answering questions.
    Init(init::InitArgs),
    /// Log in at a vendor, for a source asked in somebody's name.
    Auth(auth::AuthArgs),
    /// Check the configuration without touching the network; with --live, ask every source for a few rows.
    Check(check::CheckArgs),
    /// Which connectors there are, what one needs, and how to write one of your own.
    #[command(subcommand)]
    Connectors(connectors::ConnectorsCommand),
    /// What a test will take before it begins: visitors, days, money, and how likely it gives which verdict.
    Plan(Box<plan::PlanArgs>),
    /// Ask the sources for their days and store them; decides nothing.
    Pull(pull::PullArgs),
    /// Run the schedule: pull, decide, tell. Stays until stopped.
    Run(run::RunArgs),
    /// One line per concept and one for the money of all; the exit code tells scripts what needs a person.
    Status,
    /// How a verdict came about: formula, days, rows, money, what would change it and what lies ahead.
    Explain(ConceptArg),
    /// A concept, or all of them (`portfolio`), on one sheet: a page to print, Markdown or JSON.
    Report(report::ReportArgs),
    /// What people write, by theme, with counts and quotes: no part of any test.
    Themes(ConceptArg),
    /// Write down what a person decided on a verdict: build, kill, or extend the test.
    Decide(decide::DecideArgs),
    /// Say that you know of a verdict or a defect: the reminders of it end.
    Ack(ack::AckArgs),
    /// Put the reminders of a verdict or a defect off until a day.
    Snooze(ack::SnoozeArgs),
    /// Take all that is known of one person out of the store; what they did still counts, as nobody's.
    Forget(forget::ForgetArgs),
    /// Copy the store into a file while the daemon goes on, and say how a copy is put back.
    Backup(backup::BackupArgs),
    /// Put a copy of a store into the empty store that the configuration names, such as one on PostgreSQL.
    Restore(restore::RestoreArgs),
    /// Write observations, responses, verdicts and decisions as files; or print all that is stored of one person.
    Export(export::ExportArgs),
    /// Read a file downloaded from an ad manager, or the exported answers of a form, into a source.
    Import(import::ImportArgs),
    /// Import each file that is dropped into a folder, as soon as it is whole. Stays until Ctrl-C.
    Watch(watch::WatchArgs),
    /// Derive every stored verdict on a concept again; or apply a policy to recorded daily counts.
    Replay(replay::ReplayArgs),
    /// Simulated campaigns: how often a verdict is wrong, and what it costs.
    Simulate(simulate::SimulateArgs),
    /// Print what makes a shell complete these commands.
    #[command(hide = true)]
    Completions(shell::CompletionsArgs),
    /// Print the manual page.
    #[command(hide = true)]
    Man,
}

/// Which concept a command speaks of.
#[derive(Debug, Args)]
struct ConceptArg {
    /// Its name on the command line: KEY of `[experiment.KEY]` in the configuration; `status` lists them.
    concept: String,
}

/// Runs one command to its end and says how the process should exit.
pub fn run(arguments: &Arguments) -> ExitCode {
    let output = Output::new(arguments.json);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            return output.fail(&Failure::general(format!("the program could not start its workers: {error}")));
        }
    };
    let config = &arguments.config;
    if !matches!(arguments.command, Command::Run(_)) {
        run::log_upgrades(&output);
    }
    let done = runtime.block_on(async {
        match &arguments.command {
            Command::Demo(args) => demo::run(args, &output).await,
            Command::Sandbox(args) => sandbox::run(args, &output).await,
            Command::Init(args) => init::run(args, config, &output),
            Command::Auth(args) => auth::run(args, config, &output).await,
            Command::Check(args) => check::run(args, config, &output).await,
            Command::Connectors(command) => connectors::run(command, config, &output).await,
            Command::Plan(args) => plan::run(args, config, &output).await,
            Command::Pull(args) => pull::run(args, config, &output).await,
            Command::Run(args) => run::run(args, config, &output).await,
            Command::Status => status::run(config, &output).await,
            Command::Themes(args) => themes::run(&args.concept, config, &output).await,
            Command::Report(args) => report::run(args, config, &output).await,
            Command::Explain(args) => explain::run(&args.concept, config, &output).await,
            Command::Decide(args) => decide::run(args, config, &output).await,
            Command::Ack(args) => ack::ack(args, config, &output).await,
            Command::Snooze(args) => ack::snooze(args, config, &output).await,
            Command::Forget(args) => forget::run(args, config, &output).await,
            Command::Backup(args) => backup::run(args, config, &output).await,
            Command::Restore(args) => restore::run(args, config, &output).await,
            Command::Export(args) => export::run(args, config, &output).await,
            Command::Import(args) => import::run(args, config, &output).await,
            Command::Watch(args) => watch::run(args, config, &output).await,
            Command::Replay(args) => replay::run(args, config, &output).await,
            Command::Simulate(args) => simulate::run(args, config, &output),
            Command::Completions(args) => shell::completions(args),
            Command::Man => shell::man(),
        }
    });
    // A thread that hangs in a call to the system, such as the reading of a file, does not keep the program from ending.
    runtime.shutdown_background();
    match done {
        Ok(code) => code,
        Err(failure) => output.fail(&failure),
    }
}
