//! The only place that builds everything and hands it around. No logic.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use thiserror::Error;

use crate::config::{self, Config, Known, Loaded, Problems};
use crate::connect::Registry;
use crate::connect::auth::Auth;
use crate::connect::folder::FolderError;
use crate::connect::http::{Http, HttpError, Limits, Reach};
use crate::connect::manifest::{ManifestError, Patience};
use crate::domain::id::DestinationId;
use crate::health::Health;
use crate::notify::{self, Notifier, NotifyError};
use crate::schedule::Parts;
use crate::schedule::clock::{Clock, System};
use crate::schedule::turns::Turns;
use crate::store::{Store, StoreError};

/// Why the program could not be put together.
#[derive(Debug, Error)]
pub enum AppError {
    /// The user's file.
    #[error(transparent)]
    Config(#[from] Problems),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// TLS or its certificates.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// A connector of this program.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// The user's own connectors.
    #[error("a connector of your folder is wrong, and nothing was done:\n{0}")]
    Folder(#[from] FolderError),
    /// A destination that cannot be built from its settings.
    #[error("[notify.{0}]: {1}")]
    Notifier(String, NotifyError),
}

/// Every connector of this program.
///
/// # Errors
/// [`AppError`] when no TLS client can be made, or an embedded manifest is wrong.
pub fn registry() -> Result<Registry, AppError> {
    registry_through(&Http::new(Limits::default())?, None, &Patience::default(), None)
}

/// Every connector a configuration may name: those of this program, and those of the folder it names.
///
/// # Errors
/// As [`registry`], and [`AppError::Folder`] with everything wrong in the folder's files.
pub fn registry_of(path: &Path) -> Result<Registry, AppError> {
    registry_through(&Http::new(Limits::default())?, Some(path), &Patience::default(), None)
}

/// As [`registry_of`], asking through this client, waiting for vendors as told, in place of what ran `before`.
fn registry_through(
    http: &Http,
    path: Option<&Path>,
    patience: &Patience,
    before: Option<&Registry>,
) -> Result<Registry, AppError> {
    let auth = before.map_or_else(|| Auth::new(http.clone()), |before| before.auth().through(http.clone()));
    let registry = Registry::built_in(http, &auth, patience)?;
    Ok(match path.and_then(config::connectors_folder) {
        Some(folder) => registry.with_folder(&folder, http, &auth, patience)?,
        None => registry,
    })
}

/// Reads and checks the user's file against the connectors and notifiers of this program.
///
/// # Errors
/// All that is wrong with it, at once.
pub fn load_config(path: &Path, registry: &Registry) -> Result<Loaded, Problems> {
    load(path, None, registry)
}

/// As [`load_config`], of a text that is to stand in that file.
///
/// # Errors
/// All that would be wrong with it, at once.
pub fn check_text(path: &Path, text: &str, registry: &Registry) -> Result<Loaded, Problems> {
    load(path, Some(text), registry)
}

fn load(path: &Path, text: Option<&str>, registry: &Registry) -> Result<Loaded, Problems> {
    let (connectors, notifiers) = (registry.infos(), notify::kinds());
    let known = Known { connectors: &connectors, notifiers: &notifiers, env: &|name| std::env::var(name).ok() };
    text.map_or_else(|| config::load(path, &known), |text| config::load_text(path, text, &known))
}

/// Everything a command works with.
pub struct App {
    /// The checked configuration and what deserves a warning in it.
    pub loaded: Loaded,
    /// Store, connectors, sources, tokens, notifiers.
    pub parts: Parts,
    /// What every call goes through, for the networks this configuration allows.
    pub http: Http,
}

impl App {
    /// Builds everything from the user's file.
    ///
    /// # Errors
    /// [`AppError`] says which part could not be built and what to do.
    pub async fn open(path: &Path) -> Result<Self, AppError> {
        Self::open_with(path, &Patience::default()).await
    }

    /// As [`App::open`], waiting for vendors as told.
    ///
    /// # Errors
    /// As [`App::open`].
    pub async fn open_with(path: &Path, patience: &Patience) -> Result<Self, AppError> {
        Self::build(path, None, patience).await
    }

    /// Builds everything as it will be once this text stands in the user's file.
    ///
    /// # Errors
    /// As [`App::open`].
    pub async fn open_as(path: &Path, text: &str) -> Result<Self, AppError> {
        Self::build(path, Some(text), &Patience::default()).await
    }

    async fn build(path: &Path, text: Option<&str>, patience: &Patience) -> Result<Self, AppError> {
        let read = Read::from(path, text, patience, None)?;
        let Config { store_url, store_key, .. } = &read.loaded.config;
        let store = Arc::new(Store::open_with(store_url, store_key.as_ref()).await?);
        let turns = Arc::new(Turns::new(read.loaded.config.daemon.sources_at_once));
        Ok(read.on(store, turns, Arc::new(System::default()), Arc::default()))
    }

    /// Builds everything anew from the user's file, for a daemon that goes on with its store, its clock, its turns and its health.
    ///
    /// # Errors
    /// As [`App::open`]; what runs is left as it is.
    pub fn again(path: &Path, running: &Parts) -> Result<Self, AppError> {
        let Parts { store, turns, clock, health, registry, .. } = running;
        Ok(Read::from(path, None, &Patience::default(), Some(registry))?.on(
            Arc::clone(store),
            Arc::clone(turns),
            Arc::clone(clock),
            Arc::clone(health),
        ))
    }

    /// What a login is got with, for the networks this configuration allows.
    pub fn auth(&self) -> Auth {
        Auth::new(self.http.clone())
    }
}

/// What a file says, built as far as it needs no store.
struct Read {
    loaded: Loaded,
    http: Http,
    registry: Registry,
    notifiers: BTreeMap<DestinationId, Box<dyn Notifier>>,
}

impl Read {
    fn from(path: &Path, text: Option<&str>, patience: &Patience, before: Option<&Registry>) -> Result<Self, AppError> {
        let reach = Reach::default();
        let http = Http::within(Limits::default(), &reach)?;
        let registry = registry_through(&http, Some(path), patience, before)?;
        let loaded = load(path, text, &registry)?;
        reach.allow(loaded.config.private_networks.clone());
        let notifiers = notifiers(&loaded, &http)?;
        Ok(Self { loaded, http, registry, notifiers })
    }

    fn on(self, store: Arc<Store>, turns: Arc<Turns>, clock: Arc<dyn Clock>, health: Arc<Health>) -> App {
        let Self { loaded, http, registry, notifiers } = self;
        let sources = loaded.config.sources.clone();
        let tokens = Box::new(store.tokens(loaded.config.token_key.clone()));
        let telling = loaded.config.telling.clone();
        let parts = Parts { store, registry, sources, tokens, notifiers, telling, turns, clock, health };
        App { loaded, parts, http }
    }
}

fn notifiers(loaded: &Loaded, http: &Http) -> Result<BTreeMap<DestinationId, Box<dyn Notifier>>, AppError> {
    let built = loaded.config.destinations.iter().map(|destination| {
        notify::build(destination, http.client())
            .map(|notifier| (destination.id.clone(), notifier))
            .map_err(|error| AppError::Notifier(destination.id.to_string(), error))
    });
    built.collect()
}
