//! Copies of the whole store: one that somebody asks for, and one that is made before another version of the program
//! changes the schema. Not how a copy is put back: that is done by hand, with the steps that `backup` prints.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use tempfile::NamedTempFile;

use super::Store;
use super::backend::Backend;
use super::error::StoreError;
use super::files;
use super::snapshot;
use super::sqlite::Sqlite;

/// Most copies of stores that were changed by another version are kept.
const KEPT: usize = 3;

/// A copy of a store, and what is needed beside it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// The copy.
    pub file: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// The store it was made of.
    pub store: PathBuf,
    /// Files beside the store that are made once and that a restored copy needs: the keys of people and of logins.
    pub keys: Vec<PathBuf>,
}

impl Store {
    /// Copies the store as it is at this moment into a new file that its owner alone can read, while others go on reading
    /// and writing. The copy is read through before it gets its name.
    ///
    /// # Errors
    /// [`StoreError::Exists`] where there is a file already, which is left as it is; [`StoreError::Full`];
    /// [`StoreError::CopiedThere`] for a store on a server.
    pub async fn backup(&self, to: &Path) -> Result<Backup, StoreError> {
        let Backend::File(store) = &self.backend else { return Err(StoreError::CopiedThere) };
        let file = std::path::absolute(to).map_err(|source| StoreError::File { path: to.to_owned(), source })?;
        let bytes = copy(store, &file).await?;
        let keys = [".key", ".token-key"].map(|suffix| files::beside(store.path(), suffix));
        let keys = keys.into_iter().filter(|key| key.exists()).collect();
        Ok(Backup { file, bytes, store: store.path().to_owned(), keys })
    }

    /// How large the log is that waits to be written back, in bytes; a server keeps its own.
    pub fn log_bytes(&self) -> u64 {
        let log = self.backend.path().and_then(|path| fs::metadata(files::beside(path, "-wal")).ok());
        log.map_or(0, |log| log.len())
    }
}

/// Copies a store that another version of the program wrote, before `step` changes it; the newest few copies stay. One
/// that was made of the same state, by a start that failed since, is not made again.
pub async fn before_upgrade(store: &Sqlite, step: &str) -> Result<(), StoreError> {
    let database = store.path();
    let written = ["", "-wal"].iter().filter_map(|suffix| modified(&files::beside(database, suffix))).max();
    let written: DateTime<Utc> = written.unwrap_or(SystemTime::UNIX_EPOCH).into();
    let number = step.split('_').next().unwrap_or(step);
    let name = format!(".before-{}-{number}-{}", env!("CARGO_PKG_VERSION"), written.format("%Y-%m-%dT%H%M%SZ"));
    let to = files::beside(database, &name);
    match copy(store, &to).await {
        Ok(_) => {}
        Err(StoreError::Exists { .. }) => return Ok(()),
        Err(error) => return Err(error),
    }
    tracing::warn!(copy = %to.display(), "the store was copied, and is now brought from an earlier version to this one");
    drop_old(database).map_err(|source| StoreError::File { path: to, source })
}

async fn copy(store: &Sqlite, to: &Path) -> Result<u64, StoreError> {
    let to = to.to_owned();
    if to.exists() {
        return Err(StoreError::Exists { path: to });
    }
    let folder = to.parent().unwrap_or(Path::new("/")).to_owned();
    let failed = {
        let to = to.clone();
        move |source| StoreError::File { path: to.clone(), source }
    };
    let file = NamedTempFile::new_in(&folder).map_err(&failed)?;
    store.copy_into(file.path()).await?;
    let finished = tokio::task::spawn_blocking(move || {
        snapshot::examine(file.path(), "integrity_check")?;
        file.as_file().sync_all().map_err(&failed)?;
        let bytes = file.as_file().metadata().map_err(&failed)?.len();
        file.persist_noclobber(&to).map_err(|error| match error.error.kind() {
            io::ErrorKind::AlreadyExists => StoreError::Exists { path: to },
            _ => failed(error.error),
        })?;
        fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(&failed)?;
        Ok(bytes)
    });
    finished.await.map_err(|error| StoreError::Database(error.into()))?
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|found| found.modified()).ok()
}

fn drop_old(database: &Path) -> io::Result<()> {
    let begins = files::beside(database, ".before-");
    let mut copies = Vec::new();
    for entry in fs::read_dir(database.parent().unwrap_or(Path::new("/")))? {
        let entry = entry?;
        let path = entry.path();
        if path.as_os_str().as_encoded_bytes().starts_with(begins.as_os_str().as_encoded_bytes()) {
            copies.push((entry.metadata()?.modified()?, path));
        }
    }
    copies.sort();
    let old = copies.len().saturating_sub(KEPT);
    copies[..old].iter().try_for_each(|(_, path)| fs::remove_file(path))
}
