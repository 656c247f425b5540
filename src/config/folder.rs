//! Where the user's own connectors lie. It must be known before the file can be checked, because what a
//! source may name depends on it; so one word is looked up here, and everything wrong is said by the check.

use std::fs;
use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::secret::folder_of;

/// The folder `connectors = "…"` names at the top of a configuration, a relative path made to start at the
/// file's own folder; `None` where there is no such line or no readable file.
pub fn connectors_folder(path: &Path) -> Option<PathBuf> {
    let text = fs::read_to_string(path).ok()?;
    // Most files have no such line, and a long one takes a while to parse.
    if !text.contains("connectors") {
        return None;
    }
    let table = DeTable::parse(text.strip_prefix('\u{feff}').unwrap_or(&text)).ok()?;
    let folder = table.get_ref().get("connectors")?.get_ref().as_str().filter(|folder| !folder.trim().is_empty())?;
    Some(folder_of(path).join(folder))
}
