//! `forget`: takes everything that is known of one person out of the store.

use std::io::Read;
use std::path::Path;
use std::process::ExitCode;

use clap::Args;
use serde::Serialize;

use super::output::{Failure, Output};
use crate::app::App;
use crate::store::Forgotten;

/// Whom to forget.
#[derive(Debug, Args)]
pub struct ForgetArgs {
    /// The address (or whatever the form knows people by), in any spelling; - reads it from the standard input, so that
    /// it stands in no list of processes.
    person: String,
    /// Say what is stored of them, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct Told {
    acts: u64,
    earlier_states: u64,
    texts: u64,
    dry_run: bool,
}

/// Forgets a person, or says what there is to forget.
///
/// # Errors
/// When the store cannot be read or written.
pub async fn run(args: &ForgetArgs, path: &Path, output: &Output) -> Result<ExitCode, Failure> {
    let person = &spoken_of(&args.person, "whom to forget?")?;
    let app = App::open(path).await?;
    let store = &app.parts.store;
    let found = if args.dry_run { store.known_of(person).await? } else { store.forget(person).await? };
    let Forgotten { acts, earlier, texts } = found;
    let told = Told { acts, earlier_states: earlier, texts, dry_run: args.dry_run };
    output.show(&told, || {
        let counts = format!("{acts} acts, {earlier} earlier states of them, {texts} texts");
        if args.dry_run {
            format!("Stored of this person: {counts}. Nothing was changed.")
        } else {
            format!(
                "Forgotten: {counts}. Counts and verdicts stay as they were: the acts are nobody's now, and a later \
                 reading brings nobody back.\nOut of reach from here: your backups, {server}and the form tool itself. \
                 Delete them there too.",
                server = if store.is_on_a_server() { "the server's own log with its archive and copies, " } else { "" },
            )
        }
    });
    app.parts.store.close().await;
    Ok(ExitCode::SUCCESS)
}

/// Whom an argument names: itself, or for `-` the standard input.
pub(super) fn spoken_of(argument: &str, question: &str) -> Result<String, Failure> {
    let mut person = argument.to_owned();
    if person == "-" {
        person.clear();
        let read = std::io::stdin().take(10_000).read_to_string(&mut person);
        read.map_err(|error| Failure::usage(format!("the standard input cannot be read: {error}")))?;
    }
    let person = person.trim();
    if person.is_empty() {
        return Err(Failure::usage(format!("{question} Write an address, as in ann@acme.com")));
    }
    Ok(person.to_owned())
}
