//! Seals what a copy of the database must not give away. The key is a file beside the database, or wherever
//! `[store] token_key` points. Not what is sealed: see `tokens.rs`.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::zeroize::Zeroizing;
use secrecy::{ExposeSecret, SecretString};

use super::columns::hex;
use super::error::StoreError;
use super::files;

const KEY_BYTES: usize = 32;

/// First byte of everything sealed: which way it was sealed.
const FORMAT: u8 = 1;

/// Where the keys are. A place may hold several, a line each: the first seals, all open, so that a change of
/// keys can be cut short at any point.
#[derive(Debug)]
pub enum Keys {
    /// A file of our own, made when first needed.
    Beside(PathBuf),
    /// From the user's file.
    Given(SecretString),
}

impl Keys {
    /// Those of a database in a file.
    pub fn of(database: &Path, given: Option<SecretString>) -> Self {
        given.map_or_else(|| Self::Beside(files::beside(database, ".token-key")), Self::Given)
    }

    /// Those of a database without files: the user's, and the one that is made of the store's key.
    pub fn apart(given: Option<&SecretString>, made: &SecretString) -> Self {
        let given = given.map_or("", ExposeSecret::expose_secret);
        Self::Given(format!("{given}\n{}", made.expose_secret()).into())
    }

    /// Seals a text. `bound` must be given again to open it.
    pub fn seal(&self, text: &[u8], bound: &str) -> Result<String, StoreError> {
        let keys = match (self, self.read()?) {
            (_, keys) if !keys.is_empty() => keys,
            (Self::Beside(path), _) => vec![make(path)?],
            (Self::Given(_), _) => return Err(unusable("is empty")),
        };
        let Some(key) = keys.first() else { return Err(unusable("is empty")) };
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new()
            .fill(&mut nonce)
            .map_err(|_| unusable("could not be used: the system gives no randomness"))?;
        let mut sealed = text.to_vec();
        key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(bound), &mut sealed)
            .map_err(|_| unusable("could not be used"))?;
        Ok(BASE64_STANDARD.encode([&[FORMAT], nonce.as_slice(), &sealed].concat()))
    }

    /// Opens what was sealed and bound to the same; `None` where no key of the place does, or where it was
    /// changed.
    pub fn open(&self, sealed: &str, bound: &str) -> Result<Option<Zeroizing<Vec<u8>>>, StoreError> {
        let Ok(bytes) = BASE64_STANDARD.decode(sealed) else { return Ok(None) };
        let Some((&FORMAT, rest)) = bytes.split_first() else { return Ok(None) };
        let Some((nonce, text)) = rest.split_first_chunk::<NONCE_LEN>() else { return Ok(None) };
        for key in self.read()? {
            let mut text = Zeroizing::new(text.to_vec());
            let nonce = Nonce::assume_unique_for_key(*nonce);
            if let Ok(opened) = key.open_in_place(nonce, Aad::from(bound), &mut text) {
                let length = opened.len();
                text.truncate(length);
                return Ok(Some(text));
            }
        }
        Ok(None)
    }

    /// Puts a new key in front of those there are, so that what is sealed from now on is sealed with it.
    /// Nothing to do where the user keeps the keys: whoever wants another puts it in front.
    pub fn add(&self) -> Result<(), StoreError> {
        match self {
            Self::Given(_) => Ok(()),
            Self::Beside(path) => {
                let old = text_of(path)?.unwrap_or_default();
                write(path, &Zeroizing::new(format!("{}\n{}", *fresh()?, old.trim())))
            }
        }
    }

    /// Forgets all keys but the first.
    pub fn drop_old(&self) -> Result<(), StoreError> {
        match self {
            Self::Given(_) => Ok(()),
            Self::Beside(path) => {
                let text = text_of(path)?.unwrap_or_default();
                write(path, text.split_whitespace().next().unwrap_or_default())
            }
        }
    }

    /// Whether the user keeps the keys.
    pub fn are_given(&self) -> bool {
        matches!(self, Self::Given(_))
    }

    /// Read each time: another process may have changed them. A few hundred bytes.
    fn read(&self) -> Result<Vec<LessSafeKey>, StoreError> {
        let keys = match self {
            Self::Given(text) => text.expose_secret().split_whitespace().map(key).collect(),
            Self::Beside(path) => text_of(path)?.unwrap_or_default().split_whitespace().map(key).collect(),
        };
        let keys: Option<Vec<_>> = keys;
        keys.ok_or_else(|| match self {
            Self::Given(_) => unusable("that [store] token_key points to is not 64 hexadecimal digits"),
            Self::Beside(path) => unusable(&format!("in {} is not 64 hexadecimal digits", path.display())),
        })
    }
}

fn unusable(what: &str) -> StoreError {
    StoreError::TokenKey(what.to_owned())
}

fn key(digits: &str) -> Option<LessSafeKey> {
    let bytes: Option<Vec<u8>> =
        (0..KEY_BYTES).map(|at| u8::from_str_radix(digits.get(at * 2..at * 2 + 2)?, 16).ok()).collect();
    let bytes = Zeroizing::new(bytes.filter(|_| digits.len() == 2 * KEY_BYTES)?);
    UnboundKey::new(&CHACHA20_POLY1305, &bytes).ok().map(LessSafeKey::new)
}

fn text_of(path: &Path) -> Result<Option<Zeroizing<String>>, StoreError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(Zeroizing::new(text))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(StoreError::File { path: path.to_owned(), source }),
    }
}

fn fresh() -> Result<Zeroizing<String>, StoreError> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    SystemRandom::new()
        .fill(bytes.as_mut())
        .map_err(|_| unusable("could not be made: the system gives no randomness"))?;
    Ok(Zeroizing::new(hex(bytes.as_ref())))
}

/// Writes a first key whole or not at all; where another process was faster, takes its key.
fn make(path: &Path) -> Result<LessSafeKey, StoreError> {
    let text = fresh()?;
    let file = beside(path, &text)?;
    let failed = |source| StoreError::File { path: path.to_owned(), source };
    let held = match file.persist_noclobber(path) {
        Ok(_) => {
            on_disk(path).map_err(failed)?;
            text
        }
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => text_of(path)?.unwrap_or_default(),
        Err(error) => return Err(failed(error.error)),
    };
    held.split_whitespace().next().and_then(key).ok_or_else(|| unusable("is not 64 hexadecimal digits"))
}

/// Takes the place of what is there, whole or not at all.
fn write(path: &Path, text: &str) -> Result<(), StoreError> {
    let failed = |source| StoreError::File { path: path.to_owned(), source };
    beside(path, text)?.persist(path).map_err(|error| failed(error.error))?;
    on_disk(path).map_err(failed)
}

/// A file only its owner can read, in the same folder.
fn beside(path: &Path, text: &str) -> Result<tempfile::NamedTempFile, StoreError> {
    let failed = |source| StoreError::File { path: path.to_owned(), source };
    let mut file = tempfile::NamedTempFile::new_in(path.parent().unwrap_or(Path::new("/"))).map_err(failed)?;
    writeln!(file, "{text}").and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    Ok(file)
}

/// The name must be on disk before anything sealed with the key is.
fn on_disk(path: &Path) -> io::Result<()> {
    fs::File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_sealed_opens_with_its_key_and_its_place_only() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("a.db");
        let keys = Keys::of(&database, None);
        assert!(keys.open("AQ==", "one").unwrap().is_none());
        let sealed = keys.seal(b"hello", "one").unwrap();
        assert_eq!(keys.open(&sealed, "one").unwrap().unwrap().as_slice(), b"hello");
        assert_ne!(sealed, keys.seal(b"hello", "one").unwrap(), "no nonce is used twice");
        assert!(keys.open(&sealed, "two").unwrap().is_none(), "rows cannot be swapped");
        for position in 0..sealed.len() {
            let mut changed = sealed.clone().into_bytes();
            changed[position] = if changed[position] == b'A' { b'B' } else { b'A' };
            assert!(keys.open(std::str::from_utf8(&changed).unwrap(), "one").unwrap().is_none(), "{position}");
        }
        let path = files::beside(&database, ".token-key");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        keys.add().unwrap();
        assert!(keys.open(&sealed, "one").unwrap().is_some(), "cut short here, the old key still opens");
        let resealed = keys.seal(b"hello", "one").unwrap();
        keys.drop_old().unwrap();
        assert!(keys.open(&sealed, "one").unwrap().is_none());
        assert!(keys.open(&resealed, "one").unwrap().is_some());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

        fs::write(&path, "nonsense").unwrap();
        assert!(matches!(keys.open(&resealed, "one"), Err(StoreError::TokenKey(_))));
        let given = Keys::of(&database, Some("ab".repeat(KEY_BYTES).into()));
        assert!(given.open(&given.seal(b"x", "one").unwrap(), "one").unwrap().is_some());
        assert!(!format!("{given:?}").contains("abab"));
    }
}
