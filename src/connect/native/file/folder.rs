//! The files of a folder: which of them may hold a table, whether one is written still, and what tells its content from
//! another's. Not when each is read: `schedule/pull/folder.rs` knows what was read before.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use ring::digest::{Context, SHA256};

use crate::domain::connector::Settings;
use crate::domain::intake::Question;

/// How the names of tables end. What is saved under another name until it is whole ends otherwise.
const ENDS: [&str; 5] = ["csv", "tsv", "txt", "xlsx", "xls"];

/// One file, as it was when it was looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// Where it lies.
    pub path: PathBuf,
    /// Its name, on one line.
    pub name: String,
    /// When it was last written to.
    pub modified: DateTime<Utc>,
    bytes: u64,
}

impl Dropped {
    /// Looks at a file.
    ///
    /// # Errors
    /// Where it is gone, or may not be looked at.
    pub fn of(path: &Path) -> io::Result<Self> {
        let metadata = fs::metadata(path)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy().replace(char::is_control, " ");
        Ok(Self { path: path.to_owned(), name, modified: metadata.modified()?.into(), bytes: metadata.len() })
    }

    /// Nobody has written to it since it was looked at.
    pub fn is_as_it_was(&self) -> bool {
        Self::of(&self.path).is_ok_and(|now| now == *self)
    }

    /// What tells this content, read in this way, from any other.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn content(&self, settings: &Settings, questions: &[Question]) -> io::Result<String> {
        let mut digest = Context::new(&SHA256);
        let said = settings.iter().filter(|(name, _)| *name != "path");
        for part in said.filter_map(|(name, _)| Some([name, settings.plain(name)?])).flatten() {
            digest.update(part.as_bytes());
            digest.update(b"\0");
        }
        for Question { name, asked_as, is_free_text } in questions {
            digest.update(format!("{name}\0{asked_as}\0{is_free_text}\0").as_bytes());
        }
        let (mut file, mut some) = (File::open(&self.path)?, vec![0; 64 * 1024]);
        loop {
            let read = file.read(&mut some)?;
            if read == 0 {
                return Ok(digest.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect());
            }
            digest.update(&some[..read]);
        }
    }
}

/// The files of a folder that may hold a table, in the order in which they were written. Those that hide, and those that a
/// program keeps beside an open one, are none.
///
/// # Errors
/// Where the folder cannot be read.
pub fn files(folder: &Path) -> io::Result<Vec<Dropped>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let end = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        if name.starts_with(['.', '~']) || !ENDS.contains(&end.as_str()) || !path.is_file() {
            continue;
        }
        // One that went meanwhile is no longer there to be read.
        found.extend(Dropped::of(&path));
    }
    found.sort_by(|one, other| (one.modified, &one.name).cmp(&(other.modified, &other.name)));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_be_a_whole_table_is_a_file_of_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.csv", "a.XLSX", "c.csv.part", ".d.csv", "~$a.xlsx", "e.csv.crdownload", "notes.md", "f.tsv"] {
            fs::write(folder.path().join(name), name).unwrap();
        }
        fs::create_dir(folder.path().join("old.csv")).unwrap();
        let mut names: Vec<String> = files(folder.path()).unwrap().into_iter().map(|file| file.name).collect();
        names.sort();
        assert_eq!(names, ["a.XLSX", "b.csv", "f.tsv"]);
        let file = Dropped::of(&folder.path().join("b.csv")).unwrap();
        let content = file.content(&Settings::default(), &[]).unwrap();
        fs::write(&file.path, "more than before").unwrap();
        assert!(!file.is_as_it_was() && file.content(&Settings::default(), &[]).unwrap() != content);
    }
}
