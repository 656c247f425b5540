//! Tells repeated rows from contradicting ones within a window. Keeps two hashes a row, 16 bytes and not
//! the row, so that a window of a million rows costs some 40 MB at most. What identifies a row is
//! `rows`' business.

use std::collections::HashMap;
use std::collections::hash_map::{DefaultHasher, Entry};
use std::hash::{BuildHasherDefault, Hash, Hasher};

/// Who a row is, and what it says, as 64-bit hashes. Two different rows of one window look the same with a
/// chance of one in thirty million at a million rows; they then fail the window, they are not dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fingerprint {
    identity: u64,
    content: u64,
}

impl Fingerprint {
    /// Of a row known by `identity` that says `content`.
    pub(super) fn of(identity: impl Hash, content: impl Hash) -> Self {
        let mut hasher = DefaultHasher::new();
        identity.hash(&mut hasher);
        let identity = hasher.finish();
        content.hash(&mut hasher);
        Self { identity, content: hasher.finish() }
    }
}

/// What a row is to those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Row {
    New,
    /// Equal to an earlier one.
    Repeat,
    /// Known already, and says something else.
    Contradiction,
}

/// The rows of a window so far.
#[derive(Default)]
pub(super) struct Ledger(HashMap<u64, u64, BuildHasherDefault<Hashed>>);

impl Ledger {
    /// Enters a row.
    pub(super) fn enter(&mut self, row: Fingerprint) -> Row {
        match self.0.entry(row.identity) {
            Entry::Vacant(free) => {
                free.insert(row.content);
                Row::New
            }
            Entry::Occupied(known) if *known.get() == row.content => Row::Repeat,
            Entry::Occupied(_) => Row::Contradiction,
        }
    }
}

/// Passes on what is a hash already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h13_an_equal_row_is_a_repeat_and_another_one_contradicts() {
        let mut ledger = Ledger::default();
        assert_eq!(ledger.enter(Fingerprint::of("7001", 5)), Row::New);
        assert_eq!(ledger.enter(Fingerprint::of("7002", 5)), Row::New);
        assert_eq!(ledger.enter(Fingerprint::of("7001", 5)), Row::Repeat);
        assert_eq!(ledger.enter(Fingerprint::of("7001", 6)), Row::Contradiction);
    }
}
