//! Logins that need a person, as `status` and `check` show them.

use chrono::Utc;
use serde::Serialize;

use super::output::{Failure, Output};
use crate::config::Config;
use crate::connect::Registry;
use crate::domain::connector::TokenVault;
use crate::domain::id::SourceId;
use crate::schedule::logins::{Finding, findings};
use crate::store::Store;

#[derive(Serialize)]
struct Line<'a> {
    login: &'a str,
    sources: Vec<&'a str>,
    stops: bool,
    what: String,
    command: &'a str,
}

/// Prints every login that needs a person; whether any of them stops its sources.
///
/// # Errors
/// When what is kept of the logins cannot be read.
pub async fn show(
    config: &Config,
    registry: &Registry,
    vault: &dyn TokenVault,
    output: &Output,
) -> Result<bool, Failure> {
    let found = findings(&config.sources, registry, Some(vault), Utc::now()).await;
    let found = found.map_err(|error| Failure::general(error.to_string()))?;
    for finding in &found {
        output.show(&line(finding), || finding.to_string());
    }
    Ok(found.iter().any(Finding::stops))
}

/// The same beside the results of `check`, which opens no store that is not there yet; whether there was
/// nothing to say.
///
/// # Errors
/// When the store or what is kept of the logins cannot be read.
pub async fn note(config: &Config, registry: &Registry, output: &Output) -> Result<bool, Failure> {
    let store = if Store::is_there(&config.store_url) {
        Some(Store::open_with(&config.store_url, config.store_key.as_ref()).await?)
    } else {
        None
    };
    let vault = store.as_ref().map(|store| store.tokens(config.token_key.clone()));
    let vault = vault.as_ref().map(|vault| vault as &dyn TokenVault);
    let found = findings(&config.sources, registry, vault, Utc::now()).await;
    if let Some(store) = store {
        store.close().await;
    }
    let found = found.map_err(|error| Failure::general(error.to_string()))?;
    for finding in &found {
        output.note(&format!("note: {finding}\n"));
    }
    Ok(found.is_empty())
}

fn line(finding: &Finding) -> Line<'_> {
    Line {
        login: finding.login.as_str(),
        sources: finding.sources.iter().map(SourceId::as_str).collect(),
        stops: finding.stops(),
        what: finding.to_string(),
        command: &finding.command,
    }
}
