//! Power that fails and disks that are full, at any moment of a store's work: what was promised is there, nothing is there
//! by half, and once there is room again all goes on. The store is the real one, in a process of its own that `strace`
//! watches or hinders; see `disk.rs`.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use willitsell::domain::connector::{Kept, Token, TokenVault};
use willitsell::domain::id::LoginId;
use willitsell::domain::intake::{Intake, Question};

use super::*;
use crate::disk::{Disk, Recording, record, strace};

/// How often the power fails in `cargo test`; `WILLITSELL_POWER_CUTS` sets another number.
const POWER_CUTS: usize = 60;

/// At how many of its writes the disk is full in `cargo test`; `WILLITSELL_FULL_DISKS` sets another number.
const FULL_DISKS: usize = 6;

/// At how many moments of an upgrade the program is killed in `cargo test`; `WILLITSELL_UPGRADE_KILLS` sets another number.
const UPGRADE_KILLS: usize = 20;

/// How much of the work is done: enough that the log is written back several times, by itself too.
const STEPS: u32 = 40;

/// Less of it, done anew for each write that fails.
const FEW_STEPS: u32 = 12;

/// Steps after which the store is closed and opened again.
const SITTING: u32 = 16;

fn set(name: &str, otherwise: usize) -> usize {
    std::env::var(name).map_or(otherwise, |number| number.parse().unwrap())
}

fn in_folder(folder: &Path) -> String {
    format!("sqlite://{}", folder.join("willitsell.db").display())
}

fn instant(step: u32) -> DateTime<Utc> {
    at("2026-03-02T05:00:00Z") + chrono::Duration::minutes(step.into())
}

/// One transaction of each kind, in turn. Done twice, it is done once.
async fn step(store: &Store, number: u32) -> Result<(), StoreError> {
    let window = days("2026-03-01", "2026-03-14");
    match number % 8 {
        0 | 4 => {
            let arms: Vec<String> = (0..40).map(|arm| format!("a campaign with a name {arm}")).collect();
            let month: Vec<String> = window.first().iter_days().take(14).map(|day| day.to_string()).collect();
            let row = |day, arm| (day, arm, i64::from(number), Some(7));
            let rows: Vec<Row> =
                month.iter().flat_map(|day| arms.iter().map(move |arm| row(day.as_str(), arm.as_str()))).collect();
            let slice = Slice { at: instant(number), ..slice(&ads(), window, "2026-03-15T05:00:00Z") };
            put(store, &slice, &rows).await?;
        }
        1 => {
            let why = Question { name: "why".into(), asked_as: "why".into(), is_free_text: true };
            let mut stage = store.stage_of(&Intake { answers: vec![why], ..Intake::default() });
            for person in 0..30 {
                let (id, address) = (format!("r{person}"), format!("p{person}@example.com"));
                let SourceRow::Response(row) = response(&id, Some(&address), "a", "2026-03-01T09:00:00Z") else {
                    unreachable!()
                };
                let answers = vec![("why".to_owned(), format!("because of {number}"))];
                stage.accept(&[SourceRow::Response(ResponseRow { answers, ..row })]).await.unwrap();
            }
            let slice = Slice { at: instant(number), ..slice(&form(), window, "2026-03-15T05:00:00Z") };
            store.replace_slice(stage, &slice).await?;
        }
        2 => {
            let verdict = if number % 16 == 2 { Verdict::Build } else { Verdict::Collecting };
            let card = Scorecard { as_of: instant(number), ..scorecard("2026-03-02T05:00:00Z", verdict) };
            let last = store.view().last_scorecard().await?;
            let new = NewVerdict {
                scorecard: card.clone(),
                cause: Cause::Decided,
                known: Known { pull: 1, ..Known::default() },
                setup: None,
                previous: store.latest_scorecard(&card.concept).await?,
                deliveries: vec![delivery(&format!("msg_{number}"), "2026-03-02T05:00:00Z")],
            };
            let finding = Finding { concept: &card.concept, opened: None, verdict: Some(new), run: None };
            store.write_down(vec![finding], last).await?.unwrap();
        }
        3 => _ = store.begin_attempt(&format!("msg_{}", number - 1), instant(number)).await?,
        5 => {
            let token = Token {
                access: format!("token of step {number}").into(),
                issued_at: instant(number),
                expires_at: None,
                refresh: None,
                refresh_ends_at: None,
            };
            let tokens = store.tokens(None);
            let login = LoginId::new("ads");
            let mut lock = tokens.lock(&login).await.unwrap();
            let kept = Kept { token: Some(token), ..Kept::default() };
            lock.save(&kept).await.map_err(|error| StoreError::Disk(error.to_string()))?;
        }
        6 => _ = store.forget(&format!("p{}@example.com", number / 8)).await?,
        _ => {
            let due_at = instant(number);
            store.start_run(&Run { id: Run::key(&concept(), due_at), due_at, ..run("2026-03-02T05:00:00Z") }).await?;
        }
    }
    Ok(())
}

/// All that a store says, in short.
pub fn ledger(database: &Path) -> u64 {
    let database = rusqlite::Connection::open(database).unwrap();
    let names = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name";
    let mut hasher = DefaultHasher::new();
    for name in column(&database, names) {
        let table: String = name.trim_matches('"').to_owned();
        let mut rows = rows_of(&database, &table);
        rows.sort();
        (table, rows).hash(&mut hasher);
    }
    hasher.finish()
}

fn column(database: &rusqlite::Connection, sql: &str) -> Vec<String> {
    database.prepare(sql).unwrap().query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

fn rows_of(database: &rusqlite::Connection, table: &str) -> Vec<String> {
    let mut rows = database.prepare(&format!("SELECT * FROM {table}")).unwrap();
    let width = rows.column_count();
    let text = |row: &rusqlite::Row<'_>| {
        (0..width).map(|at| row.get_ref(at).map(|value| format!("{value:?}"))).collect::<Result<Vec<_>, _>>()
    };
    rows.query_map([], text).unwrap().map(|row| row.unwrap().join("|")).collect()
}

/// Does the work in `state` under the folder it is told; each step that is done is promised in a line of its own.
#[tokio::test]
#[ignore = "run by the tests below"]
async fn s2_child() {
    let Some(root) = std::env::var_os("WILLITSELL_TEST_FOLDER").map(PathBuf::from) else { return };
    let steps: u32 = std::env::var("WILLITSELL_TEST_STEPS").unwrap().parse().unwrap();
    let folder = root.join("state");
    let mut promises = fs::OpenOptions::new().append(true).create(true).open(root.join("promises")).unwrap();
    let mut promise = || {
        let line = format!("{}\n", ledger(&folder.join("willitsell.db")));
        promises.write_all(line.as_bytes()).unwrap();
    };
    let mut store = Store::open(&in_folder(&folder)).await.unwrap();
    promise();
    for number in 0..steps {
        step(&store, number).await.unwrap();
        promise();
        if number % SITTING == SITTING - 1 {
            store.close().await;
            store = Store::open(&in_folder(&folder)).await.unwrap();
        }
    }
    store.close().await;
}

/// Runs a test of this binary as a process of its own.
fn child(strace: &mut std::process::Command, name: &str, root: &Path, steps: u32) -> std::process::Output {
    let program = std::env::current_exe().unwrap();
    strace
        .arg(program)
        .args(["--exact", &format!("store::power::{name}"), "--ignored", "--nocapture"])
        .env("WILLITSELL_TEST_FOLDER", root)
        .env("WILLITSELL_TEST_STEPS", steps.to_string())
        .output()
        .unwrap()
}

/// The work, as recorded from a folder as `before` makes it; `None` without `strace`.
fn recorded(root: &Path, steps: u32) -> Option<Recording> {
    let (folder, trace) = (root.join("state"), root.join("trace"));
    let mut strace = strace()?;
    record(&mut strace, &trace);
    let done = child(&mut strace, "s2_child", root, steps);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    Some(Recording::read(&trace, &folder, &root.join("promises")))
}

/// What is found after the power failed must be what was promised last, or what was being done then.
async fn examine(disk: &Disk, promises: &[u64], seed: u64) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    disk.cut(folder.path(), &mut ChaCha8Rng::seed_from_u64(seed));
    let store = Store::open(&in_folder(folder.path())).await.map_err(|error| error.to_string())?;
    let database = folder.path().join("willitsell.db");
    let found = ledger(&database);
    let expected = &promises[disk.promises().saturating_sub(1)..promises.len().min(disk.promises() + 1)];
    if !expected.contains(&found) {
        let position = promises.iter().position(|promise| *promise == found);
        return Err(format!("after promise {} the store is as after {position:?}", disk.promises()));
    }
    let sound = column(&rusqlite::Connection::open(&database).unwrap(), "PRAGMA integrity_check");
    if sound != ["ok"] {
        return Err(format!("{sound:?}"));
    }
    store.tokens(None).load(&LoginId::new("ads")).await.map_err(|error| error.to_string())?;
    let next = Run { id: "next".into(), ..run("2026-04-02T05:00:00Z") };
    store.start_run(&next).await.map_err(|error| error.to_string())?;
    store.close().await;
    Ok(())
}

/// Cuts the power at as many moments of a recording as there are seeds; what went wrong, with its seed.
async fn cut(before: &Path, recording: &Recording, seeds: impl Iterator<Item = u64>, lies: bool) -> Vec<(u64, String)> {
    let promises: Vec<u64> = recording.promises().map(|promise| promise.parse().unwrap()).collect();
    let moment = |seed: u64| ChaCha8Rng::seed_from_u64(!seed).random_range(0..=recording.len());
    let mut cuts: Vec<(usize, u64)> = seeds.map(|seed| (moment(seed), seed)).collect();
    cuts.sort_unstable();
    let mut disk = Disk::of(before, lies);
    let mut wrong = Vec::new();
    for (moment, seed) in cuts {
        disk.play(recording, moment);
        wrong.extend(examine(&disk, &promises, seed).await.err().map(|error| (seed, error)));
    }
    wrong
}

/// Records the work in a folder and cuts the power again and again.
async fn survives(before: impl Fn(&Path), steps: u32, cuts: usize) {
    // What was kept of a failure: `WILLITSELL_POWER_REPLAY=SEED:FOLDER`.
    if let Ok(replay) = std::env::var("WILLITSELL_POWER_REPLAY") {
        let (seed, root) = replay.split_once(':').unwrap();
        let (seed, root) = (seed.parse().unwrap(), Path::new(root));
        let recording = Recording::read(&root.join("trace"), &root.join("state"), &root.join("promises"));
        assert_eq!(cut(&root.join("before"), &recording, std::iter::once(seed), false).await, []);
        return;
    }
    let root = tempfile::tempdir().unwrap();
    let (old, state) = (root.path().join("before"), root.path().join("state"));
    for folder in [&old, &state] {
        fs::create_dir(folder).unwrap();
        before(folder);
    }
    let Some(recording) = recorded(root.path(), steps) else { return };
    let wrong = cut(&old, &recording, 0..cuts as u64, false).await;
    if !wrong.is_empty() {
        let kept = root.keep();
        panic!(
            "{} of {cuts} cuts went wrong; WILLITSELL_POWER_REPLAY=SEED:{} repeats one: {wrong:#?}",
            wrong.len(),
            kept.display()
        );
    }
    println!("{cuts} power cuts among {} calls: nothing promised was lost", recording.len());
    assert!(!cut(&old, &recording, 0..20, true).await.is_empty(), "a disk that lies about syncing goes unnoticed");
}

#[tokio::test]
async fn s2_what_was_promised_outlives_the_power() {
    survives(|_| {}, STEPS, set("WILLITSELL_POWER_CUTS", POWER_CUTS)).await;
}

/// A store as an earlier program left it: its first `steps` migrations, with rows in it.
pub fn of_an_earlier_program(folder: &Path, steps: usize) {
    let migrations = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let mut names: Vec<String> =
        fs::read_dir(&migrations).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let database = rusqlite::Connection::open(folder.join("willitsell.db")).unwrap();
    database
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA application_id = 1466526828; \
             CREATE TABLE migration (name TEXT PRIMARY KEY, checksum TEXT NOT NULL)",
        )
        .unwrap();
    for name in &names[..steps] {
        let text = fs::read_to_string(migrations.join(name)).unwrap();
        database.execute_batch(&text.replace("/* clustered */", "WITHOUT ROWID")).unwrap();
        let checksum = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
        let checksum: String = checksum.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        database.execute("INSERT INTO migration VALUES (?1, ?2)", [name, &checksum]).unwrap();
    }
    database
        .execute_batch(
            "INSERT INTO pull (id, run_id, source_id, first_day, last_day, day_zone, committed_at) \
             VALUES (1, 'cat-meals@2026-03-02T05:00:00Z', 'search', '2026-03-01', '2026-03-28', 'UTC', 1772427600000);
             WITH RECURSIVE number(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM number WHERE n < 999)
             INSERT INTO observation (source_id, day, arm_key, pull_id, clicks, spend)
             SELECT 'search', date('2026-03-01', (n % 28) || ' days'), 'arm ' || (n / 28), 1, n, 1000 * n FROM number;
             INSERT INTO observation_before (source_id, day, arm_key, pull_id, clicks, until_pull)
             SELECT source_id, day, arm_key, 0, 5, 1 FROM observation;
             INSERT INTO response (source_id, response_id, pull_id, depth, arm_key, at)
             VALUES ('landing', 'r1', 1, 'email', 'a', 1772427600000);",
        )
        .unwrap();
}

#[tokio::test]
async fn s2_s7_the_power_fails_while_an_older_store_is_brought_up_to_date() {
    let cuts = set("WILLITSELL_POWER_CUTS", POWER_CUTS) / 4;
    survives(|folder| of_an_earlier_program(folder, 1), 4, cuts).await;
}

/// Does a little work where the disk fills up at some write; each step is tried again until there is room.
#[tokio::test]
#[ignore = "run by the test below"]
async fn s3_child() {
    let Some(root) = std::env::var_os("WILLITSELL_TEST_FOLDER").map(PathBuf::from) else { return };
    let steps: u32 = std::env::var("WILLITSELL_TEST_STEPS").unwrap().parse().unwrap();
    let address = in_folder(&root.join("state"));
    let mut refused = 0;
    let mut refuse = |error: StoreError, doing: &str| {
        refused += 1;
        assert!(refused < 200, "{doing} did not go on after space was made");
        assert!(matches!(error, StoreError::Full | StoreError::Disk(_)), "{doing}: {error} {error:?}");
    };
    let store = match Store::open(&address).await {
        Ok(store) => store,
        Err(error) => {
            refuse(error, "opening");
            return println!("refused 1 times");
        }
    };
    for number in 0..steps {
        let before = everything(&store, &ads(), None).await;
        while let Err(error) = step(&store, number).await {
            refuse(error, &format!("step {number}"));
            let now = everything(&store, &ads(), None).await;
            assert_eq!(now.observations, before.observations, "reads are served, of what was there");
        }
    }
    store.check().await.unwrap();
    store.close().await;
    println!("refused {refused} times");
}

/// How often a child that works in `root` was refused, while `strace` does something.
fn refusals(strace: &mut std::process::Command, root: &Path, doing: &str) -> u32 {
    let done = child(strace, "s3_child", root, FEW_STEPS);
    let said = String::from_utf8_lossy(&done.stdout);
    let count = said.split_once("refused ").and_then(|(_, after)| after.split(' ').next());
    count.unwrap_or_else(|| panic!("{doing}: {said}{}", String::from_utf8_lossy(&done.stderr))).parse().unwrap()
}

/// A store of an earlier program, alone in a folder.
fn to_work_in() -> (TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("state");
    fs::create_dir(&folder).unwrap();
    of_an_earlier_program(&folder, 3);
    (root, folder)
}

#[test]
fn s3_a_disk_that_is_full_at_any_write_stops_a_step_and_no_more() {
    let (root, folder) = to_work_in();
    let Some(mut recorder) = strace() else { return };
    let trace = root.path().join("trace");
    record(&mut recorder, &trace);
    assert_eq!(refusals(&mut recorder, root.path(), "nothing"), 0);
    let writes = Recording::read(&trace, &folder, Path::new("")).writes_of_one_thread();
    let disks = set("WILLITSELL_FULL_DISKS", FULL_DISKS).min(writes);
    let mut told = 0;
    for full in 0..disks {
        let (root, folder) = to_work_in();
        let mut hindered = strace().unwrap();
        for suffix in ["", "-wal", "-shm"] {
            hindered.arg("-P").arg(folder.join(format!("willitsell.db{suffix}")));
        }
        // No room for this write and up to four more; then somebody makes some.
        let first = 1 + full * writes / disks;
        let inject = format!("inject=pwrite64,write,ftruncate:error=ENOSPC:when={first}..{}", first + full % 5);
        hindered.args(["-e", "trace=pwrite64,write,ftruncate", "-e", &inject, "-o", "/dev/null"]);
        told += u32::from(refusals(&mut hindered, root.path(), &inject) > 0);
        let again = refusals(&mut std::process::Command::new("env"), root.path(), &inject);
        assert_eq!(again, 0, "{inject}: another process finds all in order");
    }
    println!("{disks} full disks among {writes} writes, {told} of them noticed");
    assert!(told > 0, "no write was refused");
}

#[tokio::test]
async fn s7_killed_at_any_write_of_an_upgrade_the_next_start_finishes_it() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("state");
    fs::create_dir(&folder).unwrap();
    of_an_earlier_program(&folder, 1);
    let old = root.path().join("before");
    fs::create_dir(&old).unwrap();
    // From the first schema on: what is left of it after some steps is an upgrade from a later one.
    of_an_earlier_program(&old, 1);
    let Some(recording) = recorded(root.path(), 0) else { return };
    let upgraded: u64 = recording.promises().next().unwrap().parse().unwrap();
    let before = ledger(&folder_copy(&old).path().join("willitsell.db"));
    let mut disk = Disk::of(&old, false);
    let kills = set("WILLITSELL_UPGRADE_KILLS", UPGRADE_KILLS).min(recording.len());
    for kill in 0..kills {
        let moment = (kill + 1) * recording.len() / kills;
        disk.play(&recording, moment);
        let left = tempfile::tempdir().unwrap();
        disk.leave(left.path());
        let store = Store::open(&in_folder(left.path())).await.unwrap_or_else(|error| panic!("{moment}: {error}"));
        assert_eq!(ledger(&left.path().join("willitsell.db")), upgraded, "{moment}");
        store.check().await.unwrap();
        store.close().await;
        let mut copies: Vec<PathBuf> = fs::read_dir(left.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        copies.retain(|path| path.display().to_string().contains("willitsell.db.before-"));
        assert!(copies.iter().any(|copy| ledger(copy) == before), "{moment}: a copy of the store as it was is there");
    }
    println!("{kills} kills among {} calls of an upgrade", recording.len());
}

/// The files of a folder in another one, where looking at them changes nothing.
fn folder_copy(folder: &Path) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}
