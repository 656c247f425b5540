//! Which tests carry which row of the fault table: a test that covers a row begins its name with the row's id, as in
//! `h5_h6_…`. `cargo test --test it fault_table -- --nocapture` prints the list. A row that no test carries fails, unless it is
//! named below with the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::real_data::real_data;

/// Rows that no test carries.
const NOT_CARRIED: &[(&str, &str)] = &[("X5", "nothing is released yet, and there is no CI action to pin")];

/// A row's id at the beginning of a test's name, in capitals.
fn id(word: &str) -> Option<String> {
    let digits = word.strip_prefix(|first: char| first.is_ascii_lowercase())?;
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| word.to_ascii_uppercase())
}

/// The tests of a file: functions below an attribute that makes one.
fn tests(text: &str) -> Vec<&str> {
    let (mut found, mut is_test) = (Vec::new(), false);
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            is_test = true;
        } else if let Some((_, name)) = line.split_once("fn ").filter(|_| is_test) {
            found.extend(name.split(['(', '<']).next());
            is_test = false;
        }
    }
    found
}

/// Every test below a folder, with the file it stands in.
fn below(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.extend(tests(&text).into_iter().map(|name| (path.clone(), name.to_owned())));
        }
    }
}

#[test]
fn every_row_of_the_fault_table_is_carried_by_a_test_or_named_with_a_reason() {
    let Some(table) = real_data("reliability.md") else { return };
    let table = fs::read_to_string(table).unwrap();
    let row = |line: &str| id(&line.strip_prefix("| ")?.split_once(" |")?.0.to_ascii_lowercase());
    // Promises are written likewise; they are no rows.
    let rows: Vec<String> = table.lines().filter_map(row).filter(|id| !id.starts_with('P')).collect();
    assert!(rows.len() > 90, "{rows:?}");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut all = Vec::new();
    for folder in ["src", "tests"] {
        below(&root.join(folder), &mut all);
    }
    assert!(all.len() > 500, "{}", all.len());
    let mut carried: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (path, name) in all {
        let place = path.strip_prefix(root).unwrap().display().to_string();
        for id in name.split('_').map_while(id) {
            carried.entry(id).or_default().push(format!("{name} ({place})"));
        }
    }
    let reasons: BTreeMap<&str, &str> = NOT_CARRIED.iter().copied().collect();
    let mut wrong = Vec::new();
    for row in &rows {
        match (carried.get(row), reasons.get(row.as_str())) {
            (Some(tests), None) => println!("{row}\n    {}", tests.join("\n    ")),
            (None, Some(why)) => println!("{row}\n    no test: {why}"),
            (None, None) => wrong.push(format!("{row}: no test begins with {}_", row.to_ascii_lowercase())),
            (Some(_), Some(_)) => wrong.push(format!("{row}: a test carries it, so it needs no reason any more")),
        }
    }
    let known: BTreeSet<&str> = rows.iter().map(String::as_str).collect();
    let strange = carried.iter().filter(|(id, _)| !id.starts_with('P') && !known.contains(id.as_str()));
    wrong.extend(strange.map(|(id, tests)| format!("{id} is no row of the table: {}", tests.join(", "))));
    wrong.extend(reasons.keys().filter(|id| !known.contains(*id)).map(|id| format!("{id} is no row of the table")));
    println!("{} rows, {} of them without a test", rows.len(), NOT_CARRIED.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn names_of_tests_are_found() {
    let text = "#[test]\nfn h5_h6_waits() {}\nfn a5_no_test() {}\n    #[tokio::test(flavor = \"x\")]\n    #[ignore = \"y\"]\n    \
                async fn s1_x9z_killed() {}\n";
    assert_eq!(tests(text), ["h5_h6_waits", "s1_x9z_killed"]);
    let ids = |name: &str| name.split('_').map_while(id).collect::<Vec<_>>();
    assert_eq!(ids("h5_h6_waits"), ["H5", "H6"]);
    assert_eq!(ids("s1_x9z_killed"), ["S1"]);
    assert_eq!(ids("h_5_a"), Vec::<String>::new());
}

/// What may be built with: crates of the one registry, each with the hash it had when it was taken up.
fn strangers(lock: &str) -> Vec<String> {
    let packages = lock.split("[[package]]").skip(1);
    let line = |package: &str, key: &str| {
        let value = package.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "));
        value.map(|value| value.trim_matches('"').to_owned())
    };
    packages
        .filter_map(|package| {
            let (name, source, hash) = (line(package, "name")?, line(package, "source"), line(package, "checksum"));
            let is_known = match source.as_deref() {
                None => name == env!("CARGO_PKG_NAME"),
                Some(registry) => {
                    registry == "registry+https://github.com/rust-lang/crates.io-index"
                        && hash.is_some_and(|hash| hash.len() == 64)
                }
            };
            (!is_known).then_some(name)
        })
        .collect()
}

#[test]
fn x4_every_crate_is_the_registrys_and_pinned_by_its_hash_and_a_planted_one_is_found() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let lock = fs::read_to_string(root.join("Cargo.lock")).unwrap();
    assert_eq!(strangers(&lock), Vec::<String>::new());
    for (planted, name) in [
        ("\n[[package]]\nname = \"serde-jsom\"\nversion = \"1.0.0\"\n", "serde-jsom"),
        ("\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\nsource = \"git+https://example.com/a#0123\"\n", "a"),
        (
            "\n[[package]]\nname = \"b\"\nversion = \"1.0.0\"\n\
             source = \"registry+https://github.com/rust-lang/crates.io-index\"\n",
            "b",
        ),
    ] {
        assert_eq!(strangers(&format!("{lock}{planted}")), [name]);
    }
    // Advisories, licences and banned crates are cargo-deny's affair, which must not be left out.
    let checks = fs::read_to_string(root.join(".ci/run")).unwrap();
    for check in ["check licenses bans sources", "check advisories", "cargo test --locked"] {
        assert!(checks.contains(check), "{check}");
    }
    let rules = fs::read_to_string(root.join("deny.toml")).unwrap();
    for rule in ["unknown-registry = \"deny\"", "unknown-git = \"deny\""] {
        assert!(rules.contains(rule), "{rule}");
    }
}
