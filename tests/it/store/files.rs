//! Rows of the fault table about the store's files: who may read them, and what is not a store.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use super::*;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

async fn with_a_person(folder: &TempDir) -> Store {
    let store = open(folder).await;
    let mut stage = store.stage();
    stage.accept(&[response("r1", Some(CANARY), "x", "2026-03-01T09:00:00Z")]).await.unwrap();
    let window = slice(&form(), days("2026-03-01", "2026-03-01"), "2026-03-02T05:00:00Z");
    store.replace_slice(stage, &window).await.unwrap();
    store
}

#[tokio::test]
async fn p12_a_persons_address_is_in_no_file() {
    let folder = tempfile::tempdir().unwrap();
    let store = with_a_person(&folder).await;
    let inputs = everything(&store, &form(), None).await;
    let person = inputs.responses[0].person.clone().unwrap();
    let mut names = Vec::new();
    let mut scan = || {
        for entry in fs::read_dir(folder.path()).unwrap() {
            let path = entry.unwrap().path();
            let bytes = fs::read(&path).unwrap();
            let found = |text: &str| bytes.windows(text.len()).any(|part| part.eq_ignore_ascii_case(text.as_bytes()));
            assert!(!found(CANARY) && !found("canary-7f3a9c"), "{}", path.display());
            if path.extension().is_some_and(|it| it == "key") {
                assert!(!found(person.as_hex()));
            }
            names.push(path.file_name().unwrap().to_str().unwrap().to_owned());
        }
    };
    scan();
    store.close().await;
    scan();
    for name in ["willitsell.db", "willitsell.db-wal", "willitsell.db.key"] {
        assert!(names.iter().any(|it| it == name), "{name} was not looked into: {names:?}");
    }
}

#[tokio::test]
async fn a_store_without_the_key_of_its_people_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    with_a_person(&folder).await.close().await;
    let key = folder.path().join("willitsell.db.key");
    let kept = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    assert!(matches!(Store::open(&address(&folder)).await, Err(StoreError::PersonKey { .. })));
    assert!(!key.exists(), "no other key was made in its place");
    fs::write(&key, "00".repeat(32)).unwrap();
    assert!(matches!(Store::open(&address(&folder)).await, Err(StoreError::PersonKey { .. })));
    fs::write(&key, kept).unwrap();
    open(&folder).await;
    assert_eq!(mode(&key), 0o600, "and is made private again");
}

/// Runs this test binary's child below under a umask, in a folder.
fn child(folder: &Path, umask: &str) {
    let program = std::env::current_exe().unwrap();
    let done = Command::new("sh")
        .args(["-c", r#"umask "$1"; exec "$0" --exact store::files::s14_child --ignored"#])
        .arg(program)
        .arg(umask)
        .env("WILLITSELL_TEST_FOLDER", folder)
        .output()
        .unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
}

#[tokio::test]
#[ignore = "run by s14_files_are_private_from_creation_whatever_the_umask"]
async fn s14_child() {
    let Some(folder) = std::env::var_os("WILLITSELL_TEST_FOLDER") else { return };
    let database = Path::new(&folder).join("state/willitsell.db");
    let store = Store::open(&format!("sqlite://{}", database.display())).await.unwrap();
    let _claim = store.claim().await.unwrap();
    let mut stage = store.stage();
    stage.accept(&[response("r1", Some(CANARY), "x", "2026-03-01T09:00:00Z")]).await.unwrap();
    let window = slice(&form(), days("2026-03-01", "2026-03-01"), "2026-03-02T05:00:00Z");
    store.replace_slice(stage, &window).await.unwrap();
    assert_eq!(mode(database.parent().unwrap()), 0o700);
    for suffix in ["", "-wal", "-shm", ".key", ".lock"] {
        assert_eq!(mode(Path::new(&format!("{}{suffix}", database.display()))), 0o600, "{suffix}");
    }
}

#[test]
fn s14_files_are_private_from_creation_whatever_the_umask() {
    for umask in ["000", "022", "077"] {
        let folder = tempfile::tempdir().unwrap();
        child(folder.path(), umask);
        assert!(folder.path().join("state/willitsell.db").exists(), "the child did its work");
    }
}

#[tokio::test]
async fn s14_files_that_others_may_read_are_mended_and_a_folder_all_may_write_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(&folder).await);
    let database = folder.path().join("willitsell.db");
    fs::set_permissions(&database, PermissionsExt::from_mode(0o644)).unwrap();
    open(&folder).await.close().await;
    assert_eq!(mode(&database), 0o600);
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o777)).unwrap();
    assert!(matches!(Store::open(&address(&folder)).await, Err(StoreError::OpenFolder { .. })));
    fs::set_permissions(folder.path(), PermissionsExt::from_mode(0o1777)).unwrap();
    open(&folder).await;
}

#[tokio::test]
async fn s5_what_is_not_a_store_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("willitsell.db");
    let refused = async || {
        let before = fs::read(&path).unwrap();
        let error = Store::open(&address(&folder)).await.unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), before, "{error}");
        assert!(error.to_string().contains("restore your last good copy"), "{error}");
        error
    };
    for foreign in ["not a database at all", "SQLite form", "\u{feff}day,arm\n"] {
        fs::write(&path, foreign).unwrap();
        assert!(matches!(refused().await, StoreError::NotAStore { .. }));
    }
    fs::remove_file(&path).unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("CREATE TABLE customer (name TEXT)").unwrap();
    other.close().unwrap();
    assert!(matches!(refused().await, StoreError::NotAStore { .. }), "another program's database");
}

#[tokio::test]
async fn s5_a_truncated_or_overwritten_store_is_refused_with_advice_and_never_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).await;
    let keys: Vec<String> = (0..2000).map(|arm| format!("{arm:060}")).collect();
    let rows: Vec<Row> = keys.iter().map(|key| ("2026-03-01", key.as_str(), 1, None)).collect();
    let window = slice(&ads(), days("2026-03-01", "2026-03-01"), "2026-03-02T05:00:00Z");
    put(&store, &window, &rows).await.unwrap();
    store.close().await;
    let path = folder.path().join("willitsell.db");
    let whole = fs::read(&path).unwrap();
    assert!(whole.len() > 100_000, "the log was written back: {}", whole.len());
    for length in [16, 99, 4096, 5000, whole.len() / 2, whole.len() - 4096, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        let Err(error) = Store::open(&address(&folder)).await else {
            panic!("cut at {length} of {}: opened", whole.len())
        };
        assert!(matches!(error, StoreError::Damaged(_)), "{length}: {error}");
        assert!(error.to_string().contains("restore your last good copy"));
        assert_eq!(fs::read(&path).unwrap(), whole[..length], "left as it is");
    }
    // Where pages begin: in the middle of one it may hit what holds nothing.
    for place in [24 * 4096, whole.len() / 2 / 4096 * 4096] {
        let mut broken = whole.clone();
        broken[place..place + 64].fill(0xa5);
        fs::write(&path, &broken).unwrap();
        assert!(matches!(Store::open(&address(&folder)).await, Err(StoreError::Damaged(_))), "{place}");
    }
    fs::write(&path, &whole).unwrap();
    assert_eq!(everything(&open(&folder).await, &ads(), None).await.observations.len(), 2000);
}

#[tokio::test]
async fn s7_a_store_of_a_newer_program_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(&folder).await);
    let raw = rusqlite::Connection::open(folder.path().join("willitsell.db")).unwrap();
    raw.execute_batch("INSERT INTO migration VALUES ('9999_later.sql', 'cc')").unwrap();
    let error = Store::open(&address(&folder)).await.unwrap_err();
    assert!(matches!(&error, StoreError::Newer(_)), "{error}");
    raw.execute_batch("DELETE FROM migration WHERE checksum = 'cc'; UPDATE migration SET checksum = 'dd'").unwrap();
    assert!(matches!(Store::open(&address(&folder)).await, Err(StoreError::Newer(_))), "edited after release");
}

#[tokio::test]
async fn s8_a_second_daemon_is_refused_and_told_who_the_first_is() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (open(&folder).await, open(&folder).await);
    let claim = one.claim().await.unwrap();
    let holder = std::process::id().to_string();
    assert!(matches!(two.claim().await, Err(StoreError::Claimed { holder: found }) if found == holder));
    drop(claim);
    two.claim().await.unwrap();
}

#[tokio::test]
async fn many_may_open_a_new_store_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let opened = futures_util::future::join_all((0..8).map(|_| {
        let address = address(&folder);
        tokio::spawn(async move { Store::open(&address).await.map(drop).map_err(|error| error.to_string()) })
    }));
    for result in opened.await {
        assert_eq!(result.unwrap(), Ok(()));
    }
}

#[tokio::test]
async fn addresses_say_what_is_wrong_with_them_and_never_print_a_password() {
    for wrong in ["mysql://me:canary@host/db", "willitsell.db", "sqlite://", "sqlite::memory:", "sqlite://a?mode=ro"] {
        let error = Store::open(wrong).await.unwrap_err();
        assert!(matches!(error, StoreError::Address(_)));
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
    let folder = tempfile::tempdir().unwrap();
    let strange = folder.path().join("a b%20#c é");
    let store = Store::open(&format!("sqlite:{}/x.db", strange.display())).await.unwrap();
    store.start_run(&run("2026-03-02T05:00:00Z")).await.unwrap();
    assert!(strange.join("x.db").exists());
}
