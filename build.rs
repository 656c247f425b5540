//! Embeds the files of `connectors/` and `migrations/` in the program: one is added by putting its file there.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let out = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out.join("connectors.rs"), embedded("BUILT_IN", &root.join("connectors"), "toml")?)?;
    fs::write(out.join("migrations.rs"), embedded("STEPS", &root.join("migrations"), "sql")?)
}

/// A constant with the name and text of every file of a folder, in order of name.
fn embedded(constant: &str, folder: &Path, extension: &str) -> io::Result<String> {
    println!("cargo::rerun-if-changed={}", folder.display());
    let mut files = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    files.retain(|path| path.extension().is_some_and(|found| found == extension));
    files.sort();
    let mut code = format!("static {constant}: &[(&str, &str)] = &[\n");
    for path in files {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let _ = writeln!(code, "    ({name:?}, include_str!({:?})),", path.to_string_lossy());
    }
    code.push_str("];\n");
    Ok(code)
}
