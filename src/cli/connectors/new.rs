//! `connectors new NAME`: a file that is right as it stands, to be changed line by line into one's own.

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use chrono::Utc;
use clap::Args;
use serde::Serialize;

use crate::app;
use crate::cli::init::write_new;
use crate::cli::next_command;
use crate::cli::output::{Failure, Output};
use crate::config;

/// Arguments of `connectors new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// What the configuration will call it: small letters a to z, digits and _.
    name: String,
    /// Print the file instead of writing it.
    #[arg(long)]
    dry_run: bool,
}

#[derive(Serialize)]
struct Written<'a> {
    file: &'a Path,
    text: &'a str,
    dry_run: bool,
}

/// The folder's name where the configuration names none.
pub(super) const FOLDER: &str = "connectors";
const TEMPLATE: &str = include_str!("template.toml");

/// Writes the file; never over an existing one.
///
/// # Errors
/// A name that cannot be one or is taken, or a file that cannot be written.
pub fn run(args: &NewArgs, config: &Path, output: &Output) -> Result<ExitCode, Failure> {
    let name = args.name.as_str();
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    if !name.bytes().all(allowed) || !name.starts_with(|first: char| first.is_ascii_lowercase()) || name.len() > 64 {
        let advice = "use small letters a to z, digits and _, and begin with a letter";
        return Err(Failure::usage(format!("{name:?} cannot be a connector's name: {advice}")));
    }
    if app::registry()?.get(name).is_some() {
        let see = next_command(config, &format!("connectors show {name}"));
        return Err(Failure::usage(format!("{name} is built in already: {see}")));
    }
    let named = config::connectors_folder(config);
    let folder = named.clone().unwrap_or_else(|| config.with_file_name(FOLDER));
    let path = folder.join(format!("{name}.toml"));
    let text = text(name, &Utc::now().date_naive().to_string());
    if !args.dry_run {
        let at = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::AlreadyExists => {
                Failure::usage(format!("{} exists and is not overwritten: choose another name", path.display()))
            }
            _ => Failure::general(format!("{}: {error}", path.display())),
        };
        fs::create_dir_all(&folder).map_err(at)?;
        write_new(&path, &text).map_err(at)?;
    }
    output.show(&Written { file: &path, text: &text, dry_run: args.dry_run }, || {
        if args.dry_run {
            return text.trim_end().to_owned();
        }
        let mut said = format!("{} is written and right as it stands; make it your vendor's.\n", path.display());
        if named.is_none() {
            said.push_str(&format!(
                "Put this line at the very top of {}, above every [table]: connectors = \"{FOLDER}\"\n",
                config.display()
            ));
        }
        let then = next_command(config, &format!("connectors test {}", path.display()));
        let show = next_command(config, &format!("connectors show {name}"));
        said + &format!("Next: {then} after every change, then {show} for the lines of your configuration.")
    });
    Ok(ExitCode::SUCCESS)
}

fn text(name: &str, today: &str) -> String {
    TEMPLATE.replace("\"NAME\"", &format!("\"{name}\"")).replace("TODAY", today)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::manifest::Manifest;

    #[test]
    fn the_beginning_is_right_as_it_stands_and_short() {
        let text = text("letters", "2026-11-22");
        let manifest = Manifest::load("letters.toml", &text).unwrap_or_else(|error| panic!("{error}"));
        manifest.run_examples().unwrap_or_else(|wrong| panic!("{wrong:?}"));
        assert!(text.lines().count() < 60, "{}", text.lines().count());
    }
}
