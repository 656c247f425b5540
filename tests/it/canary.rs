//! A secret planted in tests and searched for wherever it must not turn up.

/// Looks like a token, means nothing.
pub const CANARY: &str = "canary-8c1f42e7b95d";

/// The same where only a key of 64 hexadecimal digits will do.
pub const TOKEN_KEY: &str = "ca7a12e5ca7a12e5ca7a12e5ca7a12e55e1ec7ed5e1ec7ed5e1ec7ed5e1ec7ed";

/// Fails when the canary stands anywhere in `text`, whole or as HTTP Basic would carry it.
#[track_caller]
pub fn assert_no_canary(text: impl AsRef<[u8]>) {
    let text = text.as_ref();
    for part in [CANARY, &TOKEN_KEY[..32], "Y2FuYXJ5", "NhbmFyeS", "jYW5hcnkt"] {
        assert!(
            !text.windows(part.len()).any(|window| window == part.as_bytes()),
            "a secret got out: {}",
            String::from_utf8_lossy(text)
        );
    }
}

/// Fails when the canary stands in any file below `folder`, those below the names in `except` aside.
#[track_caller]
pub fn assert_no_canary_below(folder: &std::path::Path, except: &[&str]) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if except.iter().any(|name| path.ends_with(name)) {
            continue;
        }
        if path.is_dir() {
            assert_no_canary_below(&path, except);
        } else {
            assert_no_canary(std::fs::read(&path).unwrap());
        }
    }
}

#[test]
fn the_canary_is_found() {
    use base64::Engine;
    assert_no_canary("nothing here");
    for pad in ["", "a", "ab"] {
        let packed = base64::prelude::BASE64_STANDARD.encode(format!("{pad}{CANARY}"));
        for text in [format!("x{pad}{CANARY}y"), packed] {
            assert!(std::panic::catch_unwind(|| assert_no_canary(&text)).is_err(), "{text}");
        }
    }
}
