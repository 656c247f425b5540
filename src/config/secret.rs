//! Secrets come into the program by reference only: `credential:NAME`, `file:PATH` or `env:NAME`. This resolves one
//! reference at start, so that a missing secret is found before the first use, and knows what a
//! secret written out looks like. No message here holds a secret, or what may be one by mistake.

use std::fs;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use secrecy::SecretString;
use thiserror::Error;

/// Where container runtimes put secrets, readable by more than their owner.
const MOUNTED_SECRETS: &str = "/run/secrets";

/// Longest secret read from a file, in bytes; tokens and keys are far shorter.
const LONGEST: u64 = 64 * 1024;

/// How a reference is written.
pub(super) const FORMS: &str = "\"file:PATH\" (a file only you can read), \"credential:NAME\" (handed over by systemd) or \"env:NAME\" (an environment variable)";

/// Where systemd tells a service that its credentials lie (systemd.exec(5)).
const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// Why a secret could not be had; says what to do about it.
#[derive(Debug, Error, PartialEq, Eq)]
pub(super) enum SecretError {
    #[error("must not stand in the file itself")]
    Literal,
    #[error("does not name a credential")]
    BadCredential,
    #[error("asks for a credential, and no service manager handed any over ({CREDENTIALS} is not set)")]
    NoCredentials,
    #[error("asks for a credential that was not handed over")]
    NoCredential,
    #[error("does not name an environment variable")]
    BadVariable,
    #[error("needs the environment variable {0}, which is not set")]
    Unset(String),
    #[error("needs the environment variable {0}, which is empty")]
    EmptyVariable(String),
    #[error("needs {0}, which is not there")]
    NoFile(String),
    #[error("needs {0}, which is a link: the file it leads to could be exchanged")]
    Link(String),
    #[error("needs {0}, which is not a file")]
    NotAFile(String),
    #[error("needs {0}, which other users of this machine can read")]
    Exposed(String),
    #[error("needs {0}, which cannot be read: {1}")]
    Unreadable(String, String),
    #[error("needs {0}, which is empty")]
    EmptyFile(String),
    #[error("needs {0}, which is too long or not text")]
    NotASecret(String),
}

impl SecretError {
    /// What to do.
    pub(super) fn advice(&self) -> String {
        match self {
            Self::Literal | Self::BadVariable | Self::BadCredential => format!("write {FORMS}"),
            Self::NoCredentials => {
                "start it as a systemd service with LoadCredential=NAME:/path in its unit, or use \"file:PATH\"".into()
            }
            Self::NoCredential => {
                "add LoadCredential=NAME:/path to the service's unit, with the name that stands here, and restart it"
                    .into()
            }
            Self::Unset(name) | Self::EmptyVariable(name) => {
                format!("set it before the start, for example: export {name}=…")
            }
            Self::NoFile(_) => {
                "make the file, or correct the path (a relative one starts at this file's folder)".into()
            }
            Self::Link(_) => "name the file itself".into(),
            Self::NotAFile(_) | Self::NotASecret(_) => "name a text file that holds the secret and nothing else".into(),
            Self::Exposed(path) => format!("run: chmod 600 {path}"),
            Self::Unreadable(..) => "make it readable for the user this program runs as".into(),
            Self::EmptyFile(_) => "put the secret in it".into(),
        }
    }
}

/// A secret and what to say about how it was had.
pub(super) struct Found {
    pub(super) value: SecretString,
    /// Names the variable it came from.
    pub(super) variable: Option<String>,
    /// Things that work but should be mended: what, and advice.
    pub(super) remarks: Vec<(String, String)>,
}

/// Whether a text is a reference and not a value.
pub(super) fn is_reference(text: &str) -> bool {
    ["env:", "file:", "credential:"].iter().any(|form| text.starts_with(form))
}

/// Resolves one reference. A relative path starts at `folder`, the configuration's own.
pub(super) fn resolve(text: &str, folder: &Path, env: &dyn Fn(&str) -> Option<String>) -> Result<Found, SecretError> {
    if let Some(name) = text.strip_prefix("env:") {
        return from_variable(name, env);
    }
    if let Some(path) = text.strip_prefix("file:") {
        return from_file(&folder.join(path), &printable(path), Path::new(MOUNTED_SECRETS));
    }
    if let Some(name) = text.strip_prefix("credential:") {
        return from_credential(name, env);
    }
    Err(SecretError::Literal)
}

/// What systemd unsealed for this service alone. Its modes are not asked after: it grants reading by an access list, which shows as
/// the group's.
fn from_credential(name: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Found, SecretError> {
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte));
    if !is_name || name.is_empty() || name.starts_with('.') || name.len() > 255 || looks_like_one(name) {
        return Err(SecretError::BadCredential);
    }
    let folder = env(CREDENTIALS).map(PathBuf::from).filter(|folder| folder.is_absolute());
    let path = folder.ok_or(SecretError::NoCredentials)?.join(name);
    // The name is not repeated: it may be a secret that was pasted here.
    let shown = "the credential named here";
    match opened(&path, shown) {
        Err(SecretError::NoFile(_)) => Err(SecretError::NoCredential),
        file => secret_in(file?, shown),
    }
}

fn from_variable(name: &str, env: &dyn Fn(&str) -> Option<String>) -> Result<Found, SecretError> {
    // Capitals, as is the custom: whoever pastes a secret after `env:` must not see it printed.
    let is_name = name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_');
    if !is_name || name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) || looks_like_one(name) {
        return Err(SecretError::BadVariable);
    }
    let value = env(name).ok_or_else(|| SecretError::Unset(name.to_owned()))?;
    let (value, remarks) = trimmed(value, &format!("the environment variable {name}"));
    if value.is_empty() {
        return Err(SecretError::EmptyVariable(name.to_owned()));
    }
    Ok(Found { value: value.into(), variable: Some(name.to_owned()), remarks })
}

fn from_file(path: &Path, shown: &str, mounted: &Path) -> Result<Found, SecretError> {
    let named = || shown.to_owned();
    let is_mounted = path.starts_with(mounted) && !path.components().any(|part| part == Component::ParentDir);
    let mut remarks = Vec::new();
    let mut complain = |error: SecretError| {
        if !is_mounted {
            return Err(error);
        }
        remarks.push((
            format!("the secret file {shown} is a link, or open to other users of this machine"),
            error.advice(),
        ));
        Ok(())
    };
    if fs::symlink_metadata(path).map_err(unreadable(shown))?.is_symlink() {
        complain(SecretError::Link(named()))?;
    }
    let file = opened(path, shown)?;
    if is_open_to_others(&file.metadata().map_err(unreadable(shown))?) {
        complain(SecretError::Exposed(named()))?;
    }
    let mut found = secret_in(file, shown)?;
    remarks.append(&mut found.remarks);
    Ok(Found { remarks, ..found })
}

fn unreadable(shown: &str) -> impl Fn(std::io::Error) -> SecretError {
    move |error| match error.kind() {
        std::io::ErrorKind::NotFound => SecretError::NoFile(shown.to_owned()),
        _ => SecretError::Unreadable(shown.to_owned(), error.to_string()),
    }
}

fn opened(path: &Path, shown: &str) -> Result<fs::File, SecretError> {
    // Asked before opening: opening a pipe would wait for a writer.
    if !fs::metadata(path).map_err(unreadable(shown))?.is_file() {
        return Err(SecretError::NotAFile(shown.to_owned()));
    }
    fs::File::open(path).map_err(unreadable(shown))
}

fn secret_in(file: fs::File, shown: &str) -> Result<Found, SecretError> {
    let no_secret = || SecretError::NotASecret(shown.to_owned());
    let mut text = String::new();
    let read = file.take(LONGEST + 1).read_to_string(&mut text).map_err(|_| no_secret())?;
    if read as u64 > LONGEST {
        return Err(no_secret());
    }
    let (value, remarks) = trimmed(text, shown);
    if value.is_empty() {
        return Err(SecretError::EmptyFile(shown.to_owned()));
    }
    Ok(Found { value: value.into(), variable: None, remarks })
}

/// Whether group or others may read or write a file.
pub(super) fn is_open_to_others(metadata: &fs::Metadata) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        metadata.permissions().mode() & 0o077 != 0
    }
    #[cfg(not(unix))]
    {
        let _ = metadata;
        false
    }
}

/// Without the line break most editors leave behind, which no vendor accepts in a header.
fn trimmed(value: String, from: &str) -> (String, Vec<(String, String)>) {
    let kept = value.trim_end_matches(['\r', '\n']);
    if kept.len() == value.len() {
        return (value, Vec::new());
    }
    let remark = (
        format!("{from} ends with a line break, which was left out of the secret"),
        "nothing to do, unless the line break belongs to the secret".to_owned(),
    );
    (kept.to_owned(), vec![remark])
}

/// A path as it may be printed: a secret pasted after `file:` is not one.
fn printable(path: &str) -> String {
    if path.contains('/') && !looks_like_one(path) { path.to_owned() } else { "the file named here".to_owned() }
}

/// Beginnings of secrets that vendors issue.
const SECRET_BEGINNINGS: [&str; 19] = [
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "xoxe",
    "xapp-",
    "https://hooks.slack.com/",
    "hooks.slack.com/",
    "whsec_",
    "tfp_",
    "GOCSPX-",
    "ya29.",
    "1//0",
    "ghp_",
    "github_pat_",
    "sk_live_",
    "sk_test_",
    "pat-na1-",
    "eyJ",
    "-----BEGIN",
];

/// Whether a text has the form of a secret, whatever it is called.
pub(super) fn looks_like_one(text: &str) -> bool {
    SECRET_BEGINNINGS.iter().any(|beginning| text.starts_with(beginning))
}

/// Whether such a text stands anywhere in a longer one.
pub(super) fn may_hold_one(text: &str) -> bool {
    SECRET_BEGINNINGS.iter().any(|beginning| text.contains(beginning))
}

/// The folder relative paths of a file start at.
pub(super) fn folder_of(file: &Path) -> PathBuf {
    file.parent().map(Path::to_owned).unwrap_or_default()
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use secrecy::ExposeSecret;

    use super::*;

    fn file(folder: &Path, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }

    fn read(path: &Path, mounted: &Path) -> Result<Found, SecretError> {
        from_file(path, "x", mounted)
    }

    #[test]
    fn f3_a_credential_is_read_from_where_the_service_manager_put_it() {
        let folder = tempfile::tempdir().unwrap();
        // As systemd's access list looks to those who ask for the mode.
        file(folder.path(), "slack-url", "s3cret\n", 0o440);
        file(folder.path(), "empty", "", 0o400);
        fs::write(folder.path().parent().unwrap().join("outside"), "s3cret").unwrap();
        let handed_over = |name: &str| (name == CREDENTIALS).then(|| folder.path().to_str().unwrap().to_owned());
        let resolved = |text: &str| resolve(text, Path::new("/nowhere"), &handed_over);
        let found = resolved("credential:slack-url").ok().unwrap();
        assert_eq!((found.value.expose_secret(), found.remarks.len()), ("s3cret", 1), "the line break is told of");
        assert_eq!(resolved("credential:slack").err(), Some(SecretError::NoCredential));
        assert_eq!(
            resolved("credential:empty").err(),
            Some(SecretError::EmptyFile("the credential named here".into()))
        );
        for bad in ["", "../outside", "a/b", ".", "..", "a b", "whsec_a", &"a".repeat(256)] {
            assert_eq!(resolved(&format!("credential:{bad}")).err(), Some(SecretError::BadCredential), "{bad}");
        }
        let found = resolve("credential:slack-url", folder.path(), &|_| None);
        assert_eq!(found.err(), Some(SecretError::NoCredentials));
        let found = resolve("credential:slack-url", folder.path(), &|_| Some("relative".into()));
        assert_eq!(found.err(), Some(SecretError::NoCredentials));
    }

    #[test]
    fn f5_a_secret_file_that_others_can_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let nowhere = Path::new("/nowhere");
        for mode in 0..=0o777u32 {
            if mode & 0o400 == 0 {
                continue;
            }
            let path = file(folder.path(), "secret", "s3cret", mode);
            let found = read(&path, nowhere);
            assert_eq!(found.is_ok(), mode.is_multiple_of(0o100), "{mode:o}");
            assert!(found.is_ok() || matches!(found, Err(SecretError::Exposed(_))), "{mode:o}");
        }
        let path = file(folder.path(), "secret", "s3cret", 0o600);
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        assert_eq!(read(&link, nowhere).err(), Some(SecretError::Link("x".into())));
        assert_eq!(read(folder.path(), nowhere).err(), Some(SecretError::NotAFile("x".into())));
    }

    #[test]
    fn f5_below_the_mounted_secrets_it_is_a_warning() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), "secret", "s3cret", 0o444);
        let found = read(&path, folder.path()).ok().unwrap();
        assert_eq!((found.value.expose_secret(), found.remarks.len()), ("s3cret", 1));
        let link = folder.path().join("link");
        symlink(&path, &link).unwrap();
        assert_eq!(read(&link, folder.path()).ok().unwrap().remarks.len(), 2);
        // A way out of the folder is not below it.
        let out = folder.path().join("a/../secret");
        fs::create_dir(folder.path().join("a")).unwrap();
        assert!(read(&out, folder.path()).is_err());
    }
}
