//! The connectors of a user's own folder: which files are read, and that one a stranger wrote can be read
//! without harm. What a file may say is `manifest`'s business; whose secrets it sees is the configuration's.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use thiserror::Error;

use super::manifest::Manifest;

/// Largest file that is read: many times what the longest connector of this program takes.
pub const LARGEST_FILE: u64 = 64 << 10;

/// Everything wrong in a folder's files, a line each.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{}", .0.join("\n"))]
pub struct FolderError(Vec<String>);

/// Reads every `*.toml` that lies in the folder itself, in order of name. A name that is `taken` is refused.
///
/// # Errors
/// [`FolderError`]: all mistakes of all files at once, with file and line.
pub fn read(folder: &Path, taken: &dyn Fn(&str) -> bool) -> Result<Vec<Manifest>, FolderError> {
    let mut names = names(folder).map_err(|error| {
        let advice = match error.kind() {
            io::ErrorKind::NotFound => {
                "there is no such folder: `willitsell connectors new NAME` makes it, or take `connectors` out"
                    .to_owned()
            }
            _ => format!("the folder of connectors cannot be read: {error}"),
        };
        FolderError(vec![format!("{}: {advice}", folder.display())])
    })?;
    names.sort();
    let (mut manifests, mut wrong) = (Vec::new(), Vec::new());
    for name in names {
        match read_file(&folder.join(&name)) {
            Ok(manifest) if taken(&manifest.info().name) => {
                let advice = "is the name of a built-in connector: rename the file and its `name`";
                wrong.push(format!("{}: {} {advice}", folder.join(&name).display(), manifest.info().name));
            }
            Ok(manifest) => manifests.push(manifest),
            Err(error) => wrong.extend(error.0),
        }
    }
    if wrong.is_empty() { Ok(manifests) } else { Err(FolderError(wrong)) }
}

fn names(folder: &Path) -> io::Result<Vec<std::ffi::OsString>> {
    let all = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name())).collect::<io::Result<Vec<_>>>()?;
    Ok(all.into_iter().filter(|name| Path::new(name).extension().is_some_and(|ending| ending == "toml")).collect())
}

/// Reads one connector's file and runs its examples.
///
/// # Errors
/// [`FolderError`]: every mistake, with file and line.
pub fn read_file(path: &Path) -> Result<Manifest, FolderError> {
    let shown = path.display().to_string();
    let text = text(path).map_err(|what| FolderError(vec![format!("{shown}: {what}")]))?;
    let manifest = Manifest::load(&shown, &text)
        .map_err(|error| FolderError(error.to_string().lines().map(str::to_owned).collect()))?;
    let beside = |wrong: String| path.with_file_name(wrong).display().to_string();
    manifest.run_examples().map_err(|wrong| FolderError(wrong.into_iter().map(beside).collect()))?;
    Ok(manifest)
}

fn text(path: &Path) -> Result<String, String> {
    let about = fs::symlink_metadata(path).map_err(|error| format!("this file cannot be read: {error}"))?;
    if about.is_symlink() {
        return Err("this is a link to another file, which is not followed: put the file itself here".into());
    }
    if !about.is_file() {
        return Err("this is not a file: only connectors end in .toml here".into());
    }
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| format!("this file cannot be read: {error}"))?;
    file.take(LARGEST_FILE + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| format!("this file cannot be read: {error}"))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LARGEST_FILE {
        return Err(format!("this file is larger than {} KiB, which no connector needs", LARGEST_FILE >> 10));
    }
    String::from_utf8(bytes).map_err(|_| "this file is not UTF-8 text: save it as UTF-8 in your editor".into())
}
