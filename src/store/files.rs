//! The files of a SQLite store: where they are, who may read them, and the lock that keeps a second
//! daemon out. Not what is in them.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::error::StoreError;

/// First bytes of every SQLite database.
const MAGIC: &[u8] = b"SQLite format 3\0";

/// The absolute path behind `sqlite://path`. The address itself never reaches an error: one of
/// another kind may hold a password.
pub fn path_of(url: &str) -> Result<PathBuf, StoreError> {
    let problem = |text: &str| Err(StoreError::Address(text.to_owned()));
    let Some(path) = url.strip_prefix("sqlite:") else {
        return problem("must begin with sqlite:// or postgres://, as in sqlite://willitsell.db");
    };
    let path = path.strip_prefix("//").unwrap_or(path);
    if path.is_empty() || path == ":memory:" {
        return problem("must name a file, as in sqlite://willitsell.db: a store in memory forgets its verdicts");
    }
    if path.contains('?') {
        return problem("takes nothing after the file's name: leave out the ? and what follows");
    }
    std::path::absolute(path).map_err(|source| StoreError::File { path: path.into(), source })
}

/// A file beside the database: `willitsell.db` → `willitsell.db.lock`.
pub fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Makes sure the database file exists, is ours to open, and is readable by its owner only. SQLite
/// gives its -wal and -shm files the mode of the database.
pub fn prepare(database: &Path) -> Result<(), StoreError> {
    let folder = database.parent().unwrap_or(Path::new("/"));
    let failed = |path: &Path| {
        let path = path.to_owned();
        move |source| StoreError::File { path, source }
    };
    DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(failed(folder))?;
    if let Some(kind) = shared_by_network(folder).map_err(failed(folder))? {
        return Err(StoreError::Network { path: folder.to_owned(), kind });
    }
    let mode = fs::metadata(folder).map_err(failed(folder))?.permissions().mode();
    let (everyone_writes, only_owners_rename) = (mode & 0o002 != 0, mode & 0o1000 != 0);
    if everyone_writes && !only_owners_rename {
        return Err(StoreError::OpenFolder { path: folder.to_owned() });
    }
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(database) {
        Ok(_) => return Ok(()),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(failed(database)(error)),
    }
    must_be_sqlite(database)?;
    for suffix in ["", "-wal", "-shm", ".key", ".lock", ".token-key"] {
        keep_private(&beside(database, suffix))?;
    }
    Ok(())
}

/// Less room than this is none: a commit of one slot takes about as much.
const ROOM: usize = 256 << 10;

/// Whether a file of some size can be written beside the store. What stands in the way besides room is told by whoever
/// writes to the store itself.
pub fn has_room(folder: &Path) -> bool {
    let written = tempfile::tempfile_in(folder).and_then(|file| {
        file.write_all_at(&vec![0; ROOM], 0)?;
        file.sync_all()
    });
    let is_full = |error: &io::Error| matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded);
    !written.is_err_and(|error| is_full(&error))
}

/// The network file system a folder is on, if any: SQLite's locks and its log's index do not hold there
/// (sqlite.org/wal.html section 1).
#[cfg(target_os = "linux")]
fn shared_by_network(folder: &Path) -> io::Result<Option<&'static str>> {
    Ok(network_kind(u64::try_from(rustix::fs::statfs(folder)?.f_type).unwrap_or_default()))
}

#[cfg(not(target_os = "linux"))]
fn shared_by_network(_: &Path) -> io::Result<Option<&'static str>> {
    Ok(None)
}

/// By the number Linux gives a file system (statfs(2)). FUSE is not among them: what is behind it cannot be told.
#[cfg(target_os = "linux")]
fn network_kind(number: u64) -> Option<&'static str> {
    Some(match number & 0xffff_ffff {
        0x6969 => "NFS",
        0x517b | 0xfe53_4d42 | 0xff53_4d42 => "SMB",
        0x0102_1997 => "9P",
        0x5346_414f | 0x6b41_4653 => "AFS",
        0x00c3_6400 => "Ceph",
        0x7375_7245 => "Coda",
        0x564c => "NCP",
        0x0bd0_0bd0 => "Lustre",
        0x4750_4653 => "GPFS",
        0x0116_1970 => "GFS2",
        0x7461_636f => "OCFS2",
        _ => return None,
    })
}

/// Refuses what SQLite would not know, or would take for whole though its end is missing.
fn must_be_sqlite(database: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::File { path: database.to_owned(), source };
    // Looked for first: another process may be turning the log on right now, and says so in the file before it makes it.
    let logged = fs::metadata(beside(database, "-wal")).is_ok_and(|log| log.len() > 0);
    let mut start = Vec::new();
    let file = File::open(database).map_err(failed)?;
    let length = file.metadata().map_err(failed)?.len();
    file.take(20).read_to_end(&mut start).map_err(failed)?;
    if start.is_empty() {
        return Ok(());
    }
    if !start.starts_with(MAGIC) {
        return Err(StoreError::NotAStore { path: database.to_owned(), found: "it is no SQLite database".into() });
    }
    // sqlite.org/fileformat.html section 1.3: the page size, where 1 stands for 65,536.
    let page = match start.get(16..18) {
        Some(&[0, 1]) => 65_536,
        Some(&[high, low]) => u64::from(high) << 8 | u64::from(low),
        _ => 0,
    };
    // Section 1.3.3 there: 2 for a file that has a log. A backup has none until it is opened.
    if logged && start.get(18).is_some_and(|version| *version != 2) {
        return Err(StoreError::ForeignLog { path: database.to_owned() });
    }
    // A process that died while it wrote the log back may leave part of a page: the log still has the whole.
    if page == 0 || length % page != 0 && !logged {
        return Err(StoreError::Damaged(format!("{} was cut short", database.display())));
    }
    Ok(())
}

/// Takes away what others may do with a file, if it exists.
fn keep_private(path: &Path) -> Result<(), StoreError> {
    let failed = |source| StoreError::File { path: path.to_owned(), source };
    match fs::metadata(path) {
        Ok(found) if found.permissions().mode() & 0o077 != 0 => {
            fs::set_permissions(path, PermissionsExt::from_mode(0o600)).map_err(failed)
        }
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

/// Takes the claim on a store, or names the process that has it.
pub fn claim(database: &Path) -> Result<File, StoreError> {
    let path = beside(database, ".lock");
    let failed = |source| StoreError::File { path: path.clone(), source };
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(failed)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut holder = String::new();
            file.read_to_string(&mut holder).map_err(failed)?;
            let holder = holder.trim();
            let holder = if holder.is_empty() { "unknown" } else { holder }.to_owned();
            return Err(StoreError::Claimed { holder });
        }
        Err(TryLockError::Error(source)) => return Err(failed(source)),
    }
    file.set_len(0).and_then(|()| writeln!(file, "{}", std::process::id())).map_err(failed)?;
    Ok(file)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn s14_network_file_systems_are_told_from_local_ones() {
        // As statfs gives them, where the word is signed and 64 bits wide.
        for (number, kind) in [(0x6969, "NFS"), (0xff53_4d42, "SMB"), (0xfe53_4d42, "SMB"), (0x0102_1997, "9P")] {
            assert_eq!(network_kind(number), Some(kind));
        }
        // ext4, XFS, Btrfs, tmpfs, overlay, ZFS, FUSE.
        for local in [0xef53, 0x5846_5342, 0x9123_683e, 0x0102_1994, 0x794c_7630, 0x2fc1_2fc1, 0x6573_5546] {
            assert_eq!(network_kind(local), None, "{local:x}");
        }
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(shared_by_network(folder.path()).unwrap(), None, "tests run on a local disk");
    }
}
