//! Copies of the store: made while it is written to, and made before another version changes it; and what becomes of a
//! store whose files were damaged, or mixed with another's.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::power::{ledger, of_an_earlier_program};
use super::*;

/// How many damaged stores `cargo test` tries; `WILLITSELL_DAMAGED_STORES` sets another number.
const DAMAGED_STORES: u64 = 100;

fn database(folder: &TempDir) -> PathBuf {
    folder.path().join("willitsell.db")
}

fn copies(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    found.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with("willitsell.db.before-"));
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn s13_backups_made_under_writes_are_each_one_moment_whole() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let window = slice(&ads(), days("2026-03-01", "2026-03-01"), "2026-03-02T05:00:00Z");
    let arms: Vec<String> = (0..300).map(|arm| format!("arm {arm}")).collect();
    let write = async |clicks| {
        let rows: Vec<Row> = arms.iter().map(|arm| ("2026-03-01", arm.as_str(), clicks, None)).collect();
        put(&store, &window, &rows).await.unwrap();
    };
    write(0).await;
    let stop = AtomicBool::new(false);
    let writing = async {
        let mut clicks = 0;
        while !stop.load(Ordering::Relaxed) {
            clicks += 1;
            write(clicks).await;
        }
        clicks
    };
    let copying = async {
        let mut seen = Vec::new();
        for number in 0..10 {
            let restored = tempfile::tempdir().unwrap();
            let made = store.backup(&database(&restored)).await.unwrap();
            assert_eq!(fs::metadata(&made.file).unwrap().permissions().mode() & 0o777, 0o600);
            assert_eq!(fs::metadata(&made.file).unwrap().len(), made.bytes);
            assert_eq!(fs::read_dir(restored.path()).unwrap().count(), 1, "nothing else is left");
            let copy = open(&restored).await;
            copy.check().await.unwrap();
            let stored = everything(&copy, &ads(), None).await;
            let clicks: Vec<_> = stored.observations.iter().map(|it| it.values.get(MetricId::CLICKS)).collect();
            assert!(
                clicks.len() == arms.len() && clicks.iter().all(|it| *it == clicks[0]),
                "copy {number}: half a window"
            );
            assert_eq!(
                i64::try_from(stored.pulls.len()).unwrap(),
                clicks[0].unwrap() + 1,
                "a pull and what it brought go together"
            );
            seen.push(clicks[0]);
            copy.close().await;
        }
        stop.store(true, Ordering::Relaxed);
        seen
    };
    let (written, seen) = futures_util::future::join(writing, copying).await;
    assert!(seen.is_sorted() && seen[0] < *seen.last().unwrap(), "writes went on: {seen:?} of {written}");
    // Nothing is written over.
    let taken = folder.path().join("a.copy");
    fs::write(&taken, "mine").unwrap();
    assert!(matches!(store.backup(&taken).await, Err(StoreError::Exists { .. })));
    assert_eq!(fs::read_to_string(&taken).unwrap(), "mine");
    assert!(matches!(store.backup(&folder.path().join("nowhere/a.copy")).await, Err(StoreError::File { .. })));
}

#[tokio::test]
async fn s7_stores_of_every_earlier_schema_are_copied_and_brought_up_to_date() {
    let steps = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations")).unwrap().count();
    for step in 1..=steps {
        let folder = tempfile::tempdir().unwrap();
        of_an_earlier_program(folder.path(), step);
        let was = ledger(&database(&folder));
        let store = open(&folder).await;
        let stored = everything(&store, &ads(), None).await;
        assert_eq!(stored.observations.len(), 1000, "{step}");
        store.check().await.unwrap();
        put(
            &store,
            &slice(&ads(), days("2026-03-29", "2026-03-29"), "2026-03-30T05:00:00Z"),
            &[("2026-03-29", "a", 1, None)],
        )
        .await
        .unwrap();
        store.close().await;
        let copies = copies(folder.path());
        if step == steps {
            assert_eq!(copies, [] as [PathBuf; 0], "nothing was to be done");
            continue;
        }
        let [copy] = &copies[..] else { panic!("{step}: {copies:?}") };
        assert_eq!(ledger(copy), was, "{step}: as it was");
        assert_eq!(fs::metadata(copy).unwrap().permissions().mode() & 0o777, 0o600);
        open(&folder).await.close().await;
        assert_eq!(self::copies(folder.path()), copies, "once");
    }
}

#[tokio::test]
async fn s7_an_upgrade_that_cannot_be_copied_is_not_begun_and_three_copies_stay() {
    let folder = tempfile::tempdir().unwrap();
    of_an_earlier_program(folder.path(), 2);
    for (number, hours) in [(1, 400), (2, 300), (3, 200), (4, 100)] {
        let old = fs::File::create(folder.path().join(format!("willitsell.db.before-0.0.{number}-0001-then"))).unwrap();
        old.set_modified(SystemTime::now() - Duration::from_secs(hours * 3600)).unwrap();
    }
    let other = folder.path().join("willitsell.db.2026.copy");
    fs::write(&other, "mine").unwrap();
    open(&folder).await.close().await;
    let left: Vec<String> = copies(folder.path())
        .iter()
        .map(|path| path.display().to_string().rsplit_once("before-").unwrap().1.chars().take(5).collect())
        .collect();
    assert_eq!(left, ["0.0.3", "0.0.4", env!("CARGO_PKG_VERSION")]);
    assert!(other.exists(), "a copy of the user's own stays");
}

/// A store at work, as its files lie: the database, and a log with what was not written back yet.
struct AtWork {
    database: Vec<u8>,
    log: Vec<u8>,
    /// The log of the same store at an earlier moment.
    earlier_log: Vec<u8>,
    /// The database after all was written back.
    closed: Vec<u8>,
    /// A backup of it.
    backup: Vec<u8>,
    /// Every state there was.
    states: Vec<u64>,
}

async fn at_work(arms: usize) -> AtWork {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let log = folder.path().join("willitsell.db-wal");
    let arms: Vec<String> = (0..arms).map(|arm| format!("arm {arm}")).collect();
    let mut states = vec![ledger(&database(&folder))];
    let mut earlier_log = Vec::new();
    for clicks in 0..8 {
        if clicks == 4 {
            earlier_log = fs::read(&log).unwrap();
            // Written back, so that the log begins anew.
            rusqlite::Connection::open(database(&folder))
                .unwrap()
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
                .unwrap();
        }
        let rows: Vec<Row> = arms.iter().map(|arm| ("2026-03-01", arm.as_str(), clicks, Some(3))).collect();
        put(&store, &slice(&ads(), days("2026-03-01", "2026-03-01"), "2026-03-02T05:00:00Z"), &rows).await.unwrap();
        states.push(ledger(&database(&folder)));
    }
    let (at_work, log) = (fs::read(database(&folder)).unwrap(), fs::read(&log).unwrap());
    assert!(log.len() > 50_000 && earlier_log.len() > 50_000);
    let backup = fs::read(store.backup(&folder.path().join("backup")).await.unwrap().file).unwrap();
    store.close().await;
    AtWork { database: at_work, log, earlier_log, closed: fs::read(database(&folder)).unwrap(), backup, states }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Damage {
    Flipped,
    FlippedInLog,
    Cut,
    CutLog,
    NoLog,
    EarlierLog,
    OthersLog,
    Blank,
}

const DAMAGES: [Damage; 8] = [
    Damage::Flipped,
    Damage::FlippedInLog,
    Damage::Cut,
    Damage::CutLog,
    Damage::NoLog,
    Damage::EarlierLog,
    Damage::OthersLog,
    Damage::Blank,
];

/// What a start, or the check of the day, makes of a damaged store.
async fn made_of(whole: &AtWork, other: &AtWork, damage: Damage, rng: &mut ChaCha8Rng) -> &'static str {
    let folder = tempfile::tempdir().unwrap();
    let flip = |mut bytes: Vec<u8>, rng: &mut ChaCha8Rng| {
        let at = rng.random_range(0..bytes.len());
        bytes[at] ^= 1 << rng.random_range(0..8);
        bytes
    };
    let cut = |bytes: &[u8], rng: &mut ChaCha8Rng| bytes[..rng.random_range(1..bytes.len())].to_vec();
    let (base, log) = match damage {
        Damage::Flipped => (flip(whole.closed.clone(), rng), None),
        Damage::FlippedInLog => (whole.database.clone(), Some(flip(whole.log.clone(), rng))),
        Damage::Cut => (cut(&whole.closed, rng), None),
        Damage::CutLog => (whole.database.clone(), Some(cut(&whole.log, rng))),
        Damage::NoLog => (whole.database.clone(), None),
        Damage::EarlierLog => (whole.database.clone(), Some(whole.earlier_log.clone())),
        Damage::OthersLog => (whole.backup.clone(), Some(cut(&other.log, rng))),
        Damage::Blank => {
            let mut base = whole.closed.clone();
            let at = rng.random_range(0..base.len() / 512) * 512;
            base[at..at + 512].fill(0);
            (base, None)
        }
    };
    let log_path = folder.path().join("willitsell.db-wal");
    fs::write(database(&folder), &base).unwrap();
    if let Some(log) = &log {
        fs::write(&log_path, log).unwrap();
    }
    let refused = match Store::open(&address(&folder)).await {
        Err(error) => {
            assert_eq!(fs::read(database(&folder)).unwrap(), base, "{damage:?}: left as it is");
            assert_eq!(fs::read(&log_path).ok().filter(|log| !log.is_empty()), log, "{damage:?}: its log too");
            Some(error)
        }
        Ok(store) => {
            let checked = store.check().await.err();
            store.close().await;
            checked
        }
    };
    if let Some(error) = refused {
        let said = error.to_string();
        let advises = ["restore", "put it back", "newer willitsell", "to another folder"]
            .iter()
            .any(|words| said.contains(words));
        assert!(advises, "{damage:?}: {said}");
        return "detected";
    }
    if whole.states.contains(&ledger(&database(&folder))) { "harmless" } else { "unnoticed" }
}

#[tokio::test]
async fn s5_damaged_files_are_refused_or_do_no_harm() {
    let (whole, other) = (at_work(80).await, at_work(120).await);
    let many = std::env::var("WILLITSELL_DAMAGED_STORES").map_or(DAMAGED_STORES, |number| number.parse().unwrap());
    let mut found = std::collections::BTreeMap::<_, u64>::new();
    for seed in 0..many {
        let damage = DAMAGES[usize::try_from(seed).unwrap() % DAMAGES.len()];
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let made = made_of(&whole, &other, damage, &mut rng).await;
        // A database has no checksums: a bit within a stored number is another number. That is told by `replay`.
        let may_be_unnoticed = matches!(damage, Damage::Flipped | Damage::Blank);
        assert!(made != "unnoticed" || may_be_unnoticed, "seed {seed}: {damage:?} went unnoticed");
        *found.entry((damage, made)).or_default() += 1;
    }
    println!("{many} damaged stores: {found:?}");
}

#[tokio::test]
async fn s5_the_log_of_another_store_beside_a_restored_copy_is_refused() {
    let whole = at_work(80).await;
    let folder = tempfile::tempdir().unwrap();
    fs::write(database(&folder), &whole.database).unwrap();
    let store = open(&folder).await;
    let kept = tempfile::tempdir().unwrap();
    let copy = store.backup(&database(&kept)).await.unwrap().file;
    store.close().await;
    fs::copy(&copy, database(&folder)).unwrap();
    let log = folder.path().join("willitsell.db-wal");
    fs::write(&log, &whole.log).unwrap();
    let error = Store::open(&address(&folder)).await.unwrap_err();
    assert!(matches!(error, StoreError::ForeignLog { .. }), "{error}");
    assert!(error.to_string().contains("willitsell.db-wal"), "{error}");
    assert_eq!(fs::read(database(&folder)).unwrap(), fs::read(&copy).unwrap(), "left as it is");
    assert_eq!(fs::read(&log).unwrap(), whole.log);
    fs::remove_file(&log).unwrap();
    open(&folder).await.check().await.unwrap();
}

#[tokio::test]
async fn s12_a_log_that_grew_under_a_long_reader_shrinks_once_it_has_gone() {
    const LIMIT: u64 = 64 << 20;
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let window = slice(&ads(), days("2026-03-01", "2026-03-01"), "2026-03-02T05:00:00Z");
    put(&store, &window, &[("2026-03-01", "a", 1, None)]).await.unwrap();
    let raw = || rusqlite::Connection::open(database(&folder)).unwrap();
    let reader = raw();
    reader.execute_batch("BEGIN; SELECT COUNT(*) FROM observation").unwrap();
    raw()
        .execute_batch("CREATE TABLE filler (x); INSERT INTO filler VALUES (zeroblob(80000000)); DROP TABLE filler")
        .unwrap();
    put(&store, &window, &[("2026-03-01", "a", 2, None)]).await.unwrap();
    assert!(store.log_bytes() > LIMIT, "{} bytes: the reader holds it", store.log_bytes());
    reader.execute_batch("COMMIT").unwrap();
    for clicks in 3..6 {
        put(&store, &window, &[("2026-03-01", "a", clicks, None)]).await.unwrap();
    }
    assert!(store.log_bytes() <= LIMIT, "{} bytes", store.log_bytes());
    store.close().await;
}
