//! The user's file: text in, checked configuration out, or every mistake in it at once. Nothing here
//! touches the network; what a connector or a notifier needs is handed in.

mod audience;
mod bars;
mod check;
mod counted;
mod daemon;
mod days;
pub mod defaults;
pub mod edit;
mod excerpt;
mod experiment;
mod folder;
mod icp;
mod inbound;
mod overlap;
mod people;
mod policy;
mod raw;
pub mod report;
mod secret;
mod source;
mod summary;
mod templates;
mod themes;
mod web;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use secrecy::SecretString;

use crate::domain::concept::Experiment;
use crate::domain::connector::{ConnectorInfo, SourceAccess};
use crate::domain::id::{ConceptId, SourceId};
use crate::domain::inbound::Listen;
use crate::domain::message::{Destination, NotifierInfo};
use crate::domain::template::Telling;
use crate::domain::theme::Theme;
use crate::domain::web::Web;

pub use daemon::Daemon;
pub use folder::connectors_folder;
pub use report::{Problem, Problems};
pub use summary::summary;

/// A configuration without a mistake that can be found before the first call.
#[derive(Clone)]
pub struct Config {
    /// The file it was read from.
    pub path: PathBuf,
    /// Where observations and verdicts are kept: `sqlite://…`, a relative path made to start at the
    /// file's folder; or `postgres://…`, with its password.
    pub store_url: String,
    /// What people are hashed with, where the user keeps it; always with PostgreSQL.
    pub store_key: Option<SecretString>,
    /// Private networks that may be called, beside the public one.
    pub private_networks: Vec<IpNet>,
    /// Seals what is kept of logins, where the user keeps the key.
    pub token_key: Option<SecretString>,
    /// Where deliveries of vendors are listened for, where any source takes some.
    pub inbound: Option<Listen>,
    /// Where the pages are.
    pub web: Web,
    /// How `run` works, and who may ask how it is doing.
    pub daemon: Daemon,
    /// Where messages may go, in order of name.
    pub destinations: Vec<Destination>,
    /// How messages are put to those who get them.
    pub telling: Telling,
    /// What may be asked, with all it takes.
    pub sources: BTreeMap<SourceId, SourceAccess>,
    /// What is tested, in order of name.
    pub experiments: Vec<Experiment>,
    /// What people write is grouped by, for each concept that names any.
    pub themes: BTreeMap<ConceptId, Vec<Theme>>,
}

/// Leaves out the store's address, in which a password may stand.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("path", &self.path)
            .field("destinations", &self.destinations)
            .field("sources", &self.sources)
            .field("experiments", &self.experiments)
            .finish_non_exhaustive()
    }
}

/// A configuration that can be used, and what should be mended in it all the same.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// Checked whole.
    pub config: Config,
    /// In order of place.
    pub warnings: Vec<Problem>,
}

/// What a configuration may name.
pub struct Known<'a> {
    /// `connector = "…"`.
    pub connectors: &'a [ConnectorInfo],
    /// `[notify.NAME.KIND]`.
    pub notifiers: &'a [NotifierInfo],
    /// `env:NAME`: reads one variable.
    pub env: &'a dyn Fn(&str) -> Option<String>,
}

/// The configuration every command looks for.
pub const DEFAULT_FILE: &str = "willitsell.toml";

/// How the program is started with a configuration: named where it would not be found by itself.
pub fn program(file: &Path) -> String {
    if file == Path::new(DEFAULT_FILE) {
        "willitsell".to_owned()
    } else {
        format!("willitsell --config {}", file.display())
    }
}

/// Reads and checks the user's file, secrets included, without the network.
///
/// # Errors
/// [`Problems`]: everything that is wrong, each with place and advice. Where the file is not valid
/// TOML these are the errors of syntax alone, because what the rest means is then a guess.
pub fn load(path: &Path, known: &Known<'_>) -> Result<Loaded, Problems> {
    check::load(path, known)
}

/// As [`load`], of a text that is to stand in this file.
///
/// # Errors
/// As [`load`].
pub fn load_text(path: &Path, text: &str, known: &Known<'_>) -> Result<Loaded, Problems> {
    check::load_text(path, text, known)
}
