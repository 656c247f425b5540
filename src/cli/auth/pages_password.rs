//! `auth --pages-password`: the password of the pages, made and shown once. Not who says it: see `web::login`.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

use secrecy::ExposeSecret;
use serde::Serialize;

use crate::cli::output::{Failure, Output};
use crate::domain::password::{self, Password};

#[derive(Serialize)]
struct Made<'a> {
    password: &'a str,
    hash_in: String,
}

/// Makes one; one that people think of is guessed sooner.
///
/// # Errors
/// That the file is there already, or cannot be written.
pub(super) fn make(file: &Path, output: &Output) -> Result<ExitCode, Failure> {
    let made = password::password(rand::random());
    let failed = |error: &dyn std::fmt::Display| Failure::general(format!("{}: {error}", file.display()));
    let hash = Password::hash(&made, rand::random()).map_err(|error| failed(&error))?;
    write_new(file, hash.expose_secret()).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Failure::usage(format!(
            "{} is there already: name another file, or take it away; whoever is logged in is then asked again",
            file.display()
        )),
        _ => failed(&error),
    })?;
    // Whole, for a relative path would start at the configuration's folder there.
    let whole = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    output.show(&Made { password: made.expose_secret(), hash_in: file.display().to_string() }, || {
        format!(
            "The password of the pages, shown this once: {}\n\nIts hash is in {}. Point to that:\n\n[web]\npassword = \"file:{}\"",
            made.expose_secret(),
            file.display(),
            whole.display()
        )
    });
    Ok(ExitCode::SUCCESS)
}

/// Writes a file that was not there, for its owner alone from the beginning, and waits until it is on disk.
fn write_new(file: &Path, text: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(file)?;
    file.write_all(text.as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}
