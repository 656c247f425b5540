//! Who has logged in: in memory alone, so that another start of the program asks everybody again. What a browser keeps is drawn
//! at random, and kept here as its hash only.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::hmac;

/// A session ends so long after it began, whatever it did.
pub const LASTS: Duration = Duration::from_hours(12);

/// Most sessions at one time; one more ends the oldest.
const MOST: usize = 1_000;

/// The sessions of one process.
pub struct Sessions {
    /// Signs what forms carry.
    key: hmac::Key,
    /// When each ends, by the hash of its name.
    open: Mutex<BTreeMap<[u8; 32], Duration>>,
}

impl Sessions {
    /// None yet; `key` was drawn for this process alone.
    pub fn new(key: [u8; 32]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, &key), open: Mutex::default() }
    }

    /// Begins one under a name that was `drawn` for it, and gives the name as a browser keeps it.
    pub fn begin(&self, drawn: [u8; 32], now: Duration) -> String {
        let name = named(drawn);
        let mut open = self.open(now);
        if open.len() >= MOST
            && let Some(oldest) = open.iter().min_by_key(|(_, ends)| **ends).map(|(name, _)| *name)
        {
            open.remove(&oldest);
        }
        open.insert(hash(&name), now + LASTS);
        name
    }

    /// Whether one of this name goes on. A name that we did not give is none.
    pub fn goes_on(&self, name: &str, now: Duration) -> bool {
        self.open(now).contains_key(&hash(name))
    }

    /// Ends all.
    pub fn end_all(&self) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Ends one.
    pub fn end(&self, name: &str, now: Duration) {
        self.open(now).remove(&hash(name));
    }

    /// What a form carries to show that it came from a page of ours in the browser that has this cookie.
    pub fn token(&self, cookie: &str) -> String {
        URL_SAFE_NO_PAD.encode(hmac::sign(&self.key, cookie.as_bytes()))
    }

    /// Whether a form of that browser carried it, compared in a time that tells nothing.
    pub fn is_token(&self, cookie: &str, token: &str) -> bool {
        let token = URL_SAFE_NO_PAD.decode(token).unwrap_or_default();
        hmac::verify(&self.key, cookie.as_bytes(), &token).is_ok()
    }

    fn open(&self, now: Duration) -> MutexGuard<'_, BTreeMap<[u8; 32], Duration>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|_, ends| *ends > now);
        open
    }
}

/// As a cookie holds it.
pub fn named(drawn: [u8; 32]) -> String {
    URL_SAFE_NO_PAD.encode(drawn)
}

fn hash(name: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, name.as_bytes()).as_ref());
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_hours(1);

    #[test]
    fn w1_a_session_ends_after_twelve_hours_or_when_it_is_ended_and_no_other_name_is_one() {
        let sessions = Sessions::new([1; 32]);
        let name = sessions.begin([2; 32], HOUR);
        assert!(sessions.goes_on(&name, HOUR) && sessions.goes_on(&name, 12 * HOUR));
        assert!(!sessions.goes_on(&name, 13 * HOUR) && !sessions.goes_on(&name, HOUR), "once ended it stays ended");
        let name = sessions.begin([3; 32], HOUR);
        for other in ["", &name[1..], &named([4; 32]), &name.to_lowercase()] {
            assert!(!sessions.goes_on(other, HOUR), "{other}");
        }
        sessions.end(&name, HOUR);
        assert!(!sessions.goes_on(&name, HOUR));
    }

    #[test]
    fn w1_so_many_sessions_are_kept_and_the_oldest_goes_first() {
        let sessions = Sessions::new([1; 32]);
        let drawn = |number: usize| {
            let mut drawn = [0; 32];
            drawn[..8].copy_from_slice(&number.to_le_bytes());
            drawn
        };
        for number in 0..=MOST {
            sessions.begin(drawn(number), Duration::from_secs(number as u64));
        }
        let now = Duration::from_secs(MOST as u64);
        assert!(!sessions.goes_on(&named(drawn(0)), now));
        assert!(sessions.goes_on(&named(drawn(1)), now) && sessions.goes_on(&named(drawn(MOST)), now));
    }

    #[test]
    fn w2_a_form_shows_which_browser_it_was_made_for() {
        let sessions = Sessions::new([1; 32]);
        let token = sessions.token("one");
        assert!(sessions.is_token("one", &token));
        assert!(!sessions.is_token("two", &token) && !sessions.is_token("one", "") && !sessions.is_token("one", "!"));
        assert!(!Sessions::new([2; 32]).is_token("one", &token));
    }
}
