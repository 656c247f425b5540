//! The operator's guide: its blocks of commands are run as they stand, in a folder in place of the machine's root. What needs a
//! machine of its own (a user, systemd) is stood in for by a few lines of shell.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tempfile::TempDir;
use willitsell::domain::connector::{Kept, Token, TokenVault};
use willitsell::domain::id::LoginId;
use willitsell::store::Store;

use crate::canary::{CANARY, assert_no_canary, assert_no_canary_below};
use crate::disk::strace;
use crate::postgres;
use crate::project::{KEY, Project};
use crate::store::power::of_an_earlier_program;

const GUIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/OPERATING.md");

/// Where the machine has something, and where that is here.
const PLACES: [&str; 6] = [
    "/etc/willitsell",
    "/etc/systemd/system",
    "/var/lib/willitsell",
    "/var/backups/willitsell",
    "/var/tmp/willitsell-drill",
    "/root/willitsell-keys",
];

const CONFIGURATION: &str = r#"
[source.search]
connector = "file"
[experiment.kit]
title = "Meal kit"
hypothesis = "people who click will convert"
schedule = "0 8 * * *"
timezone = "UTC"
start = "2026-03-01"
stop = "2026-03-28"
sources = ["search"]
[experiment.kit.arm.a]
keys = { search = ["arm *"] }
[experiment.kit.rate.lead]
numerator = "conversions"
denominator = "clicks"
[experiment.kit.policy]
primary = "lead"
kill_bar = 0.02
"#;

/// The commands of each block, by its name.
fn blocks() -> BTreeMap<String, String> {
    let text = fs::read_to_string(GUIDE).unwrap();
    let fenced = text.split("\n```sh ").skip(1).map(|rest| {
        let (block, _) = rest.split_once("\n```").unwrap();
        let (name, commands) = block.split_once('\n').unwrap();
        (name.to_owned(), commands.to_owned())
    });
    fenced.collect()
}

/// A machine with nothing on it but a program that was built.
struct Machine {
    root: TempDir,
    blocks: BTreeMap<String, String>,
}

impl Machine {
    fn new() -> Self {
        let machine = Self { root: tempfile::tempdir().unwrap(), blocks: blocks() };
        let root = machine.root.path().display();
        for folder in ["bin", "build/target/release", "usr/local/bin", "etc/systemd/system", "root", "var"] {
            fs::create_dir_all(machine.at(folder)).unwrap();
        }
        fs::create_dir_all(machine.at("var/tmp")).unwrap();
        for copied in ["OPERATING.md", "packaging/willitsell.service"] {
            let to = machine.at("build").join(copied);
            fs::create_dir_all(to.parent().unwrap()).unwrap();
            fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(copied), to).unwrap();
        }
        machine.script("build/target/release/willitsell", &format!("exec {} \"$@\"", env!("CARGO_BIN_EXE_willitsell")));
        machine.script("bin/willitsell", &format!("exec {root}/usr/local/bin/willitsell \"$@\""));
        machine.script("bin/runuser", "[ \"$1 $2 $3\" = '-u willitsell --' ] || exit 3; shift 3; exec \"$@\"");
        machine.script("bin/useradd", "[ \"$6\" = willitsell ] || [ \"$7\" = willitsell ]");
        for program in ["chown", "cargo"] {
            machine.script(&format!("bin/{program}"), "exit 0");
        }
        // Nobody here is another user.
        machine.script(
            "bin/install",
            "n=$#; while [ $n -gt 0 ]; do n=$((n-1)); case $1 in -o|-g) shift 2; n=$((n-1));; *) set -- \"$@\" \"$1\"; shift;; esac; done; exec /usr/bin/install \"$@\"",
        );
        machine.script(
            "bin/systemctl",
            &format!(
                "case \"$*\" in\n\
                 *daemon-reload) ;;\n\
                 'stop willitsell') kill -TERM $(cat {root}/pid); while kill -0 $(cat {root}/pid) 2>/dev/null; do sleep 0.05; done;;\n\
                 'start willitsell'|'enable --now willitsell')\n\
                 willitsell --config {root}/etc/willitsell/willitsell.toml run >>{root}/log 2>&1 </dev/null & echo $! >{root}/pid;;\n\
                 *) exit 3;;\nesac"
            ),
        );
        machine.run("install");
        machine.configure("url = \"sqlite:///var/lib/willitsell/willitsell.db\"");
        machine
    }

    fn at(&self, place: &str) -> PathBuf {
        self.root.path().join(place)
    }

    fn script(&self, place: &str, commands: &str) {
        let path = self.at(place);
        fs::write(&path, format!("#!/bin/sh\n{commands}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The same commands for this machine.
    fn here(&self, commands: &str) -> String {
        let root = self.root.path().display();
        let places = PLACES.iter().copied().chain(["/usr/local"]);
        places.fold(commands.to_owned(), |commands, place| commands.replace(place, &format!("{root}{place}")))
    }

    fn configure(&self, store: &str) {
        let place = self.at("etc/willitsell/willitsell.toml");
        fs::write(&place, self.here(&format!("[store]\n{store}\n{CONFIGURATION}"))).unwrap();
        fs::set_permissions(place, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// Runs a block of the guide to its end; every command of it must succeed.
    #[track_caller]
    fn run(&self, block: &str) -> String {
        let commands = self.here(&format!("set -e\n{}\n{}\n", self.blocks["w"], self.blocks[block]));
        // 20: the guide says that slots have passed since.
        let commands = commands.replace(" status\n", " status || [ $? = 20 ]\n");
        let path = format!("{}:{}", self.at("bin").display(), std::env::var("PATH").unwrap());
        let mut shell = Command::new("sh");
        shell.args(["-c", &commands]).current_dir(self.at("build")).env("PATH", path).stdin(Stdio::null());
        let output = shell.env("WILLITSELL_LOG", "trace").output().unwrap();
        assert_no_canary(&output.stdout);
        assert_no_canary(&output.stderr);
        assert!(output.status.success(), "{block}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    async fn store(&self) -> Store {
        Store::open(&format!("sqlite://{}", self.at("var/lib/willitsell/willitsell.db").display())).await.unwrap()
    }

    fn steps(&self) -> i64 {
        let database = rusqlite::Connection::open(self.at("var/lib/willitsell/willitsell.db")).unwrap();
        database.query_row("SELECT COUNT(*) FROM migration", [], |row| row.get(0)).unwrap()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        if let Ok(pid) = fs::read_to_string(self.at("pid")) {
            _ = Command::new("kill").args(["-KILL", pid.trim()]).stderr(Stdio::null()).status();
        }
    }
}

fn token() -> Kept {
    let token = Token {
        access: CANARY.into(),
        issued_at: "2026-03-01T00:00:00Z".parse().unwrap(),
        expires_at: None,
        refresh: Some(format!("refresh-{CANARY}").into()),
        refresh_ends_at: None,
    };
    Kept { token: Some(token), given: None, refusal: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn s7_s13_the_guide_upgrades_backs_up_restores_and_rotates() {
    let machine = Machine::new();
    // What was installed so far is an earlier program, of which no more is needed here than that it copies its file and stays.
    of_an_earlier_program(&machine.at("var/lib/willitsell"), 3);
    machine.script(
        "usr/local/bin/willitsell",
        &machine.here("case $3 in backup) cp /var/lib/willitsell/willitsell.db $4;; run) exec sleep 600;; esac"),
    );
    machine.run("start");
    machine.run("upgrade");
    let steps = machine.steps();
    assert!(steps > 3);
    let copies = || {
        let entries = fs::read_dir(machine.at("var/lib/willitsell")).unwrap().map(|entry| entry.unwrap().file_name());
        entries.filter(|name| name.to_str().unwrap().contains(".before-")).count()
    };
    assert_eq!(copies(), 1);
    machine.run("downgrade");
    assert_eq!((machine.steps(), copies()), (3, 0), "the copy was put back");
    machine.run("upgrade");
    assert_eq!(machine.steps(), steps);

    let hash = machine.at("etc/willitsell/secrets/pages-password");
    fs::create_dir_all(hash.parent().unwrap()).unwrap();
    machine.run("pages");
    assert!(fs::read_to_string(&hash).unwrap().starts_with("$argon2id$"));

    // A login, sealed.
    let store = machine.store().await;
    let google = LoginId::new("google");
    store.tokens(None).lock(&google).await.unwrap().save(&token()).await.unwrap();
    let key = || fs::read(machine.at("var/lib/willitsell/willitsell.db.token-key")).unwrap();
    let before = key();
    machine.run("backup");
    machine.run("rotate");
    assert_ne!(key(), before);
    assert_eq!(fs::read(machine.at("root/willitsell-keys/willitsell.db.token-key")).unwrap(), key());
    assert!(store.tokens(None).load(&google).await.unwrap().token.is_some());
    store.close().await;
    assert!(Store::is_there(&format!("sqlite://{}", machine.at("var/lib/willitsell/willitsell.db").display())));

    fs::rename(machine.at("var/backups/willitsell"), machine.at("var/backups/before")).unwrap();
    fs::create_dir(machine.at("var/backups/willitsell")).unwrap();
    machine.run("backup");
    let rows = machine.run("drill");
    assert!(rows.contains("observations.csv: 2,000 rows"), "{rows}");
    assert!(!machine.at("var/tmp/willitsell-drill").exists(), "nothing is left of the drill");
    fs::write(machine.at("var/lib/willitsell/willitsell.db"), "rubbish").unwrap();
    machine.run("restore");
    let store = machine.store().await;
    store.check().await.unwrap();
    assert!(store.tokens(None).load(&google).await.unwrap().token.is_some(), "with its keys");
    store.close().await;
    assert_no_canary_below(machine.root.path(), &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_guide_moves_a_store_to_postgresql() {
    let Some(database) = postgres::database().await else { return };
    let machine = Machine::new();
    of_an_earlier_program(&machine.at("var/lib/willitsell"), 5);
    fs::write(machine.at("var/lib/willitsell/willitsell.db.key"), KEY).unwrap();
    machine.run("start");
    let store = machine.store().await;
    let google = LoginId::new("google");
    store.tokens(None).lock(&google).await.unwrap().save(&token()).await.unwrap();
    store.close().await;
    fs::write(machine.at("etc/willitsell/secrets/store"), &database.url).unwrap();
    fs::set_permissions(machine.at("etc/willitsell/secrets/store"), fs::Permissions::from_mode(0o600)).unwrap();
    machine
        .configure("url = \"file:secrets/store\"\nkey = \"file:secrets/key\"\ntoken_key = \"file:secrets/token-key\"");
    machine.run("move");
    let store = Store::open_with(&database.url, Some(&KEY.into())).await.unwrap();
    let key = fs::read_to_string(machine.at("etc/willitsell/secrets/token-key")).unwrap();
    let kept = store.tokens(Some(key.into())).load(&google).await.unwrap();
    assert!(kept.token.is_some(), "nobody has to log in again");
    store.close().await;
}

/// Where a rotation is killed: the how many-eth of which calls, of any one thread. Keys are written by one, the store by another.
const KILLS: [(&str, std::ops::RangeInclusive<u32>); 5] =
    [("write", 2..=5), ("fsync", 1..=4), ("renameat", 1..=2), ("pwrite64", 9..=12), ("fdatasync", 1..=1)];

#[tokio::test]
async fn s1_a_rotation_killed_at_any_write_leaves_every_login_open() {
    if strace().is_none() {
        return;
    }
    let project = Project::new(CONFIGURATION);
    let ids = ["one", "two", "three"].map(LoginId::new);
    let store = project.store().await;
    for id in &ids {
        store.tokens(None).lock(id).await.unwrap().save(&token()).await.unwrap();
    }
    store.close().await;
    let (mut killed, mut both_keys) = (0, 0);
    let moments: Vec<_> = KILLS.into_iter().flat_map(|(call, at)| at.map(move |at| (call, at))).collect();
    for (call, at) in &moments {
        // With --seccomp-bpf, as `strace()` has it, no signal is sent.
        let mut rotation = Command::new("strace");
        rotation.args(["-f", "-o", "/dev/null", "-e", &format!("trace={call}")]);
        rotation.args(["-e", &format!("inject={call}:signal=KILL:when={at}")]);
        rotation.args([env!("CARGO_BIN_EXE_willitsell"), "auth", "--rotate-key"]).current_dir(project.path());
        killed += usize::from(!rotation.output().unwrap().status.success());
        let key = fs::read_to_string(project.path().join("willitsell.db.token-key")).unwrap();
        both_keys += usize::from(key.split_whitespace().count() > 1);
        let store = project.store().await;
        for id in &ids {
            assert!(store.tokens(None).load(id).await.unwrap().token.is_some(), "{call} {at}: {id}");
        }
        store.close().await;
    }
    println!("{killed} kills of {}, {both_keys} of them between the keys", moments.len());
    assert!(killed > moments.len() / 2 && both_keys > 2, "{killed} {both_keys}");
    project.succeeds(&["auth", "--rotate-key"]);
    let key = fs::read_to_string(project.path().join("willitsell.db.token-key")).unwrap();
    assert_eq!(key.split_whitespace().count(), 1, "the next one forgets every key before its own");
    project.assert_no_secret_kept();
}

#[test]
fn every_block_of_the_guide_is_run_here() {
    let run =
        ["install", "w", "start", "backup", "drill", "restore", "upgrade", "downgrade", "move", "pages", "rotate"];
    let named: Vec<String> = blocks().into_keys().collect();
    let mut run = run.to_vec();
    run.sort_unstable();
    assert_eq!(named, run);
    let text = fs::read_to_string(GUIDE).unwrap();
    assert!(!text.contains("```sh\n") && !text.contains("```text"), "a block without a name is run by nobody");
    let unit = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/packaging/willitsell.service")).unwrap();
    assert!(unit.contains("Documentation=file:/usr/local/share/doc/willitsell/OPERATING.md"));
}
