//! People as keyed hashes: the key lies beside the database, or where the user keeps it, so that neither alone tells who
//! answered. Made when the first person is met. Not which responses there are: see `responses.rs`.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use secrecy::{ExposeSecret, SecretString};

use super::columns::hex;
use super::error::StoreError;
use super::files;
use crate::domain::address::Address;
use crate::domain::intake::Intake;
use crate::domain::pattern;
use crate::domain::response::{DomainHash, Mark, PersonHash};

/// Length of the key in bytes: that of SHA-256, as RFC 2104 advises.
const KEY_BYTES: usize = 32;

/// Hashed with the key to recognise it again.
const FINGERPRINT_OF: &[u8] = b"willitsell: the key of this store";

/// Turns addresses into hashes with the store's own key.
#[derive(Debug)]
pub struct People {
    /// The file of the key; `None` where the user keeps it.
    path: Option<PathBuf>,
    key: Mutex<Option<hmac::Key>>,
    /// Domains of throwaway addresses, once the first address has come.
    throwaway: OnceLock<HashSet<&'static str>>,
}

/// Who answered, from which domain, and what the address said.
pub type Met = (PersonHash, Option<DomainHash>, Option<Mark>);

impl People {
    /// Reads the key beside a database, if there is one.
    pub fn beside(database: &Path) -> Result<Self, StoreError> {
        let path = files::beside(database, ".key");
        let key = read(&path)?;
        Ok(Self { path: Some(path), key: Mutex::new(key), throwaway: OnceLock::new() })
    }

    /// Takes the key that the user keeps.
    pub fn given(digits: &SecretString) -> Result<Self, StoreError> {
        let key = key(digits.expose_secret()).ok_or(StoreError::GivenKey("is not 64 hexadecimal digits"))?;
        Ok(Self { path: None, key: Mutex::new(Some(key)), throwaway: OnceLock::new() })
    }

    /// Another key, made of this one, in hexadecimal digits.
    pub fn key_for(&self, purpose: &str) -> Result<SecretString, StoreError> {
        self.sign(&format!("key for {purpose}")).map(SecretString::from)
    }

    /// What the store remembers of its key; `None` before the first person.
    pub fn fingerprint(&self) -> Option<String> {
        let key = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        key.as_ref().map(|key| hex(hmac::sign(key, FINGERPRINT_OF).as_ref()))
    }

    /// Refuses a key other than the one the stored people were hashed with.
    pub fn must_match(&self, stored: Option<&str>) -> Result<(), StoreError> {
        let found = match (stored, self.fingerprint()) {
            (Some(stored), Some(mine)) if stored != mine => "is not the key this store was written with",
            (Some(_), None) => "is missing",
            _ => return Ok(()),
        };
        Err(match &self.path {
            Some(path) => StoreError::PersonKey { path: path.clone(), found: found.into() },
            None => StoreError::GivenKey(found),
        })
    }

    /// Hashes whatever identifies a person: an address in all spellings of its mailbox as one, anything else as it stands
    /// but for the space around it, since ids may differ in letter case alone.
    pub fn hash(&self, person: &str) -> Result<PersonHash, StoreError> {
        let mailbox = Address::parse(person).map(|address| address.mailbox());
        self.sign(&mailbox.unwrap_or_else(|| person.trim().to_owned())).map(PersonHash::from_hex)
    }

    /// Hashes a domain, apart from any person.
    pub fn hash_domain(&self, domain: &str) -> Result<DomainHash, StoreError> {
        self.sign(&format!("domain: {}", domain.to_lowercase())).map(DomainHash::from_hex)
    }

    /// What is kept of a person who was forgotten: it tells them again, and stands nowhere else.
    pub fn mark(&self, person: &PersonHash) -> Result<String, StoreError> {
        self.sign(&format!("forgotten: {}", person.as_hex()))
    }

    /// What is kept of an act of theirs, which may come again under another address or none.
    pub fn mark_of_act(&self, source: &str, id: &str) -> Result<String, StoreError> {
        self.sign(&format!("forgotten act: {source}\n{id}"))
    }

    /// What is remembered of a delivery, to know it again.
    pub fn mark_of_delivery(&self, name: &str) -> Result<String, StoreError> {
        self.sign(&format!("delivery: {name}"))
    }

    /// Hashes domains, where anybody has been hashed yet: else none can be equal to one of them.
    pub fn domains(&self, domains: &[String]) -> Result<BTreeSet<DomainHash>, StoreError> {
        if self.fingerprint().is_none() {
            return Ok(BTreeSet::new());
        }
        domains.iter().map(|domain| self.hash_domain(domain)).collect()
    }

    /// What is kept of whoever answered: who, from which domain, and whether the address counts for nothing.
    pub fn meet(&self, person: &str, intake: &Intake) -> Result<Met, StoreError> {
        let hash = self.hash(person)?;
        let Some(address) = Address::parse(person) else { return Ok((hash, None, None)) };
        let text = address.to_string();
        let is_trial = || intake.test_addresses.iter().any(|pattern| pattern::fits(pattern, &text));
        let throwaway = self.throwaway.get_or_init(|| mailchecker::blacklist().into_iter().collect());
        let is_throwaway =
            |domain: &str| throwaway.contains(domain) || intake.disposable.iter().any(|listed| listed == domain);
        let mark = if address.is_made_up() || is_trial() {
            Some(Mark::Test)
        } else {
            address.parents().any(is_throwaway).then_some(Mark::Disposable)
        };
        Ok((hash, Some(self.hash_domain(address.domain())?), mark))
    }

    fn sign(&self, text: &str) -> Result<String, StoreError> {
        let mut key = self.key.lock().unwrap_or_else(PoisonError::into_inner);
        let key = match (&mut *key, &self.path) {
            (Some(key), _) => key,
            (none, Some(path)) => none.insert(make(path)?),
            (None, None) => return Err(StoreError::GivenKey("is missing")),
        };
        Ok(hex(hmac::sign(key, text.as_bytes()).as_ref()))
    }
}

fn read(path: &Path) -> Result<Option<hmac::Key>, StoreError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(source) => return Err(StoreError::File { path: path.to_owned(), source }),
    };
    match key(&text) {
        Some(key) => Ok(Some(key)),
        None => {
            Err(StoreError::PersonKey { path: path.to_owned(), found: "does not hold 64 hexadecimal digits".into() })
        }
    }
}

fn key(text: &str) -> Option<hmac::Key> {
    let digits = text.trim();
    let bytes: Option<Vec<u8>> =
        (0..KEY_BYTES).map(|at| u8::from_str_radix(digits.get(at * 2..at * 2 + 2)?, 16).ok()).collect();
    bytes.filter(|_| digits.len() == 2 * KEY_BYTES).map(|bytes| hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

/// Writes a new key whole or not at all; where another process was faster, takes its key.
fn make(path: &Path) -> Result<hmac::Key, StoreError> {
    let failed = |source| StoreError::File { path: path.to_owned(), source };
    let mut bytes = [0; KEY_BYTES];
    SystemRandom::new().fill(&mut bytes).map_err(|_| failed(io::Error::other("the system gives no randomness")))?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    let mut file = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    writeln!(file, "{}", hex(&bytes)).and_then(|()| file.as_file().sync_all()).map_err(failed)?;
    match file.persist_noclobber(path) {
        Ok(_) => {
            // The name must be on disk before anything hashed with the key is.
            fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)?;
            Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
        }
        Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => read(path)?
            .ok_or_else(|| failed(io::Error::other("it appeared and vanished again while it was being made"))),
        Err(error) => Err(failed(error.error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_an_address_are_one_person_and_ids_and_keys_are_not() {
        let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let people = People::beside(&one.path().join("a.db")).unwrap();
        assert_eq!(people.fingerprint(), None);
        let hash = people.hash(" Ann@Example.com\n").unwrap();
        assert_eq!(hash, people.hash("ann@example.com").unwrap());
        assert_ne!(hash, people.hash("bob@example.com").unwrap());
        assert_eq!(hash.as_hex().len(), 64);
        let [one_id, other_id] = ["form:aB1", "form:Ab1"].map(|id| people.hash(id).unwrap());
        assert_ne!(one_id, other_id, "letter case tells ids apart");
        assert_eq!(one_id, people.hash(" form:aB1 ").unwrap());

        let again = People::beside(&one.path().join("a.db")).unwrap();
        assert_eq!(again.hash("ann@example.com").unwrap(), hash);
        assert!(again.must_match(people.fingerprint().as_deref()).is_ok());
        let other = People::beside(&two.path().join("a.db")).unwrap();
        assert!(other.must_match(people.fingerprint().as_deref()).is_err(), "a key that is gone");
        assert_ne!(other.hash("ann@example.com").unwrap(), hash);
        assert!(other.must_match(people.fingerprint().as_deref()).is_err(), "another key");
    }

    #[test]
    fn a_key_file_cut_short_is_refused_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db.key");
        for broken in ["", "00ff", &"g".repeat(64), &"0".repeat(66), &"é".repeat(32)] {
            fs::write(&path, broken).unwrap();
            assert!(matches!(People::beside(&folder.path().join("a.db")), Err(StoreError::PersonKey { .. })));
            assert_eq!(fs::read_to_string(&path).unwrap(), *broken);
        }
    }
}
