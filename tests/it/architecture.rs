//! Holds the code to ARCHITECTURE.md: who may import whom, how long a file may be, where SQL and the
//! clock may stand. A rule that fails here is either broken by the code or wrong in the plan: mend one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// For each module, what of ours it may import. `cli` and `app` may import everything below them.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("stats", &[]),
    ("decide", &["domain", "stats"]),
    ("connect", &["domain"]),
    ("store", &["domain"]),
    ("listen", &["domain"]),
    ("inbound", &["connect", "listen", "store", "domain"]),
    ("themes", &["domain"]),
    ("notify", &["domain"]),
    ("config", &["domain"]),
    ("sandbox", &["domain"]),
    ("health", &["domain"]),
    ("schedule", &["decide", "connect", "store", "notify", "health", "domain"]),
    ("web", &["decide", "listen", "schedule", "store", "health", "domain", "themes"]),
    ("app", &["config", "connect", "decide", "domain", "health", "inbound", "notify", "sandbox", "schedule", "store"]),
    (
        "cli",
        &[
            "app", "config", "connect", "decide", "domain", "health", "inbound", "notify", "sandbox", "schedule",
            "stats", "store", "themes", "web",
        ],
    ),
];

const LONGEST_FILE: usize = 500;

fn sources() -> BTreeMap<PathBuf, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                found.insert(path.strip_prefix(&root).unwrap().to_owned(), text);
            }
        }
    }
    assert!(found.len() > 5, "the sources were not found");
    found
}

/// Top-level module a file belongs to; `None` for `lib.rs` and `main.rs`.
fn module_of(path: &Path) -> Option<String> {
    let first = path.iter().next()?.to_str()?;
    let name = first.strip_suffix(".rs").unwrap_or(first);
    (name != "lib" && name != "main").then(|| name.to_owned())
}

/// The code of a file without its own tests, which may use whatever they need.
fn without_tests(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

#[test]
fn modules_import_only_what_the_plan_allows() {
    let rules: BTreeMap<_, _> = MAY_IMPORT.iter().copied().collect();
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let Some(module) = module_of(&path) else { continue };
        let Some(allowed) = rules.get(module.as_str()) else {
            wrong.push(format!("{}: module `{module}` is not in the plan", path.display()));
            continue;
        };
        for (number, line) in without_tests(&text).lines().enumerate() {
            for (start, _) in line.match_indices("crate::") {
                let imported: String =
                    line[start + 7..].chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
                if imported != module && !allowed.contains(&imported.as_str()) {
                    wrong.push(format!("{}:{}: `{module}` imports `{imported}`", path.display(), number + 1));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn files_say_what_they_are_for_and_stay_short() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        if !text.starts_with("//!") {
            wrong.push(format!("{}: does not begin by saying what it is for", path.display()));
        }
        let lines = text.lines().count();
        if lines > LONGEST_FILE {
            wrong.push(format!("{}: {lines} lines, at most {LONGEST_FILE}", path.display()));
        }
        let stem = path.file_stem().unwrap().to_str().unwrap();
        if ["utils", "util", "helpers", "common", "manager", "misc"].contains(&stem) {
            wrong.push(format!("{}: a name that says nothing", path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn sql_stands_only_in_the_store() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        // And where a team's own database is asked.
        if module_of(&path).as_deref() == Some("store")
            || path.starts_with("connect/native/sql")
            || path == Path::new("connect/native/sql.rs")
        {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            if ["\"SELECT ", "\"INSERT ", "\"UPDATE ", "\"DELETE ", "\"CREATE ", "sqlx::"]
                .iter()
                .any(|word| line.contains(word))
            {
                wrong.push(format!("{}:{}", path.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "SQL outside src/store:\n{}", wrong.join("\n"));
}

#[test]
fn only_the_edges_ask_what_time_it_is() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let may_ask = path == Path::new("schedule/clock.rs") || module_of(&path).as_deref() == Some("cli");
        for (number, line) in without_tests(&text).lines().enumerate() {
            if !may_ask && ["Utc::now(", "Local::now(", "SystemTime::now("].iter().any(|call| line.contains(call)) {
                wrong.push(format!("{}:{}", path.display(), number + 1));
            }
        }
    }
    assert!(wrong.is_empty(), "a clock where none may be:\n{}", wrong.join("\n"));
}
