//! All connectors by name: the manifests of `connectors/`, embedded when the program is built, and those
//! that need Rust.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use super::Connector;
use super::auth::Auth;
use super::folder::{self, FolderError};
use super::http::Http;
use super::manifest::{Manifest, ManifestConnector, ManifestError, Patience};
use super::native::file::FileConnector;
use super::native::file::form::FormFileConnector;
use super::native::sql::SqlConnector;
use crate::domain::connector::ConnectorInfo;

// `BUILT_IN`: name and text of every file in `connectors/`.
include!(concat!(env!("OUT_DIR"), "/connectors.rs"));

/// The connectors there are.
pub struct Registry {
    all: BTreeMap<String, Arc<dyn Connector>>,
    auth: Auth,
}

impl Registry {
    /// Every built-in connector, asking through this client.
    ///
    /// # Errors
    /// [`ManifestError`] when an embedded manifest is wrong, which the tests rule out.
    pub fn built_in(http: &Http, auth: &Auth, patience: &Patience) -> Result<Self, ManifestError> {
        let mut all: Vec<Arc<dyn Connector>> = Vec::new();
        for (file, text) in BUILT_IN {
            let manifest = Manifest::load(file, text)?;
            all.push(Arc::new(ManifestConnector::new(manifest, http.clone(), auth.clone(), patience.clone())));
        }
        // Native connectors, one line each.
        all.push(Arc::new(FileConnector::new()));
        all.push(Arc::new(FormFileConnector::new()));
        all.push(Arc::new(SqlConnector::counts()));
        all.push(Arc::new(SqlConnector::acts()));
        let all = all.into_iter().map(|connector| (connector.info().name.clone(), connector)).collect();
        Ok(Self { all, auth: auth.clone() })
    }

    /// With the connectors of a user's own folder beside the built-in ones.
    ///
    /// # Errors
    /// [`FolderError`] with every mistake of every file.
    pub fn with_folder(
        mut self,
        folder: &Path,
        http: &Http,
        auth: &Auth,
        patience: &Patience,
    ) -> Result<Self, FolderError> {
        for manifest in folder::read(folder, &|name| self.all.contains_key(name))? {
            let connector =
                ManifestConnector::new(manifest.of_a_folder(), http.clone(), auth.clone(), patience.clone());
            self.add(Arc::new(connector));
        }
        Ok(self)
    }

    /// Adds a connector, in place of one of the same name.
    pub fn add(&mut self, connector: Arc<dyn Connector>) {
        self.all.insert(connector.info().name.clone(), connector);
    }

    /// The connector `connector = "…"` names.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Connector>> {
        self.all.get(name)
    }

    /// What the connectors' tokens come from.
    pub fn auth(&self) -> &Auth {
        &self.auth
    }

    /// What every connector offers, in order of name: for checking a configuration.
    pub fn infos(&self) -> Vec<ConnectorInfo> {
        self.all.values().map(|connector| connector.info().clone()).collect()
    }

    /// Name and text of every embedded manifest.
    pub fn manifests() -> &'static [(&'static str, &'static str)] {
        BUILT_IN
    }
}
