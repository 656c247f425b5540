//! The password of the pages as it is kept: not itself, but a hash that takes much memory to try a guess against. Not who has
//! said it: see `web::login`.

use std::ops::RangeInclusive;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Argon2, Params};
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

/// Letters and digits that nobody takes for one another, 32 of them: each carries five bits.
const ALPHABET: &[u8; 32] = b"abcdefghjkmnpqrstuvwxyz123456789";

/// Groups of five characters of a password that we make: 100 bits together, which no number of guesses comes near.
const GROUPS: usize = 4;

/// The algorithm (RFC 9106) whose hashes are taken, with its memory of 19 MiB and two passes (OWASP, Password Storage).
const ALGORITHM: &str = "argon2id";
const VERSION: u32 = 19;

/// Least memory of a hash in KiB, and most: guesses must be dear, and a login must not be a burden.
const MEMORY_KIB: RangeInclusive<u32> = 8 * 1024..=64 * 1024;

/// Passes over it, and lanes: nobody may wait for minutes.
const PASSES: RangeInclusive<u32> = 1..=10;
const LANES: RangeInclusive<u32> = 1..=4;

/// What a password is held against.
#[derive(Clone)]
pub struct Password(SecretString);

/// A text that is no hash of a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error(
    "is not the hash of a password: $argon2id$ with its salt, and 8 to 64 MiB of memory, at most 10 passes and 4 lanes"
)]
pub struct NotAHash;

impl Password {
    /// Reads a hash as `auth --pages-password` writes it.
    ///
    /// # Errors
    /// [`NotAHash`] for everything else, a password itself included.
    pub fn from_hash(hash: &SecretString) -> Result<Self, NotAHash> {
        let parsed = PasswordHash::new(hash.expose_secret()).map_err(|_| NotAHash)?;
        let has = |name: &str, range: RangeInclusive<u32>| {
            parsed.params.get_decimal(name).is_some_and(|value| range.contains(&value))
        };
        let is_known = parsed.algorithm.as_str() == ALGORITHM && parsed.version == Some(VERSION);
        let is_whole = parsed.salt.is_some() && parsed.hash.is_some() && Params::try_from(&parsed).is_ok();
        if !is_known || !is_whole || !has("m", MEMORY_KIB) || !has("t", PASSES) || !has("p", LANES) {
            return Err(NotAHash);
        }
        Ok(Self(hash.clone()))
    }

    /// The hash of a password under a salt that was drawn for it alone. Takes some hundredths of a second.
    ///
    /// # Errors
    /// [`NotAHash`] where a password is too long to be hashed: above 4 GiB.
    pub fn hash(password: &SecretString, salt: [u8; 16]) -> Result<SecretString, NotAHash> {
        let hash: PasswordHash = Argon2::default()
            .hash_password_with_salt(password.expose_secret().as_bytes(), &salt)
            .map_err(|_| NotAHash)?;
        Ok(hash.to_string().into())
    }

    /// Whether this is the password. Takes some hundredths of a second and the memory of the hash, right or wrong.
    pub fn is(&self, guess: &str) -> bool {
        PasswordHash::new(self.0.expose_secret())
            .is_ok_and(|hash| Argon2::default().verify_password(guess.as_bytes(), &hash).is_ok())
    }
}

impl PartialEq for Password {
    fn eq(&self, other: &Self) -> bool {
        self.0.expose_secret() == other.0.expose_secret()
    }
}

/// A password for people to keep: `k3hqw-9x2bm-tn4rc-7vdsa`. Twenty bytes that nobody can guess give it.
pub fn password(drawn: [u8; 5 * GROUPS]) -> SecretString {
    let letter = |byte: &u8| char::from(ALPHABET[usize::from(byte % 32)]);
    let groups: Vec<String> = drawn.chunks(5).map(|group| group.iter().map(letter).collect()).collect();
    groups.join("-").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn w1_a_password_is_known_by_its_hash_and_by_nothing_else() {
        let made = password(std::array::from_fn(|at| u8::try_from(at * 13 % 256).unwrap()));
        let text = made.expose_secret();
        assert_eq!((text.len(), text.matches('-').count()), (23, 3), "{text}");
        let hash = Password::hash(&made, [7; 16]).unwrap();
        assert!(hash.expose_secret().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_ne!(hash.expose_secret(), Password::hash(&made, [8; 16]).unwrap().expose_secret());
        let kept = Password::from_hash(&hash).unwrap();
        assert!(kept.is(text));
        for wrong in ["", " ", &text[1..], &text.to_uppercase(), &format!("{text} "), hash.expose_secret()] {
            assert!(!kept.is(wrong), "{wrong}");
        }
    }

    #[test]
    fn w1_what_is_no_memory_hard_hash_is_refused() {
        let whole = Password::hash(&"made up".into(), [7; 16]).unwrap();
        let whole = whole.expose_secret();
        for text in [
            "a password",
            "",
            "$2b$12$C6UzMDM.H6dfI/f/IKcEeO7ZQ1y7jQ3J5Z0jx6t6Y7p5S3m1k9e2G",
            &whole.replace("argon2id", "argon2i"),
            &whole.replace("m=19456", "m=64"),
            &whole.replace("m=19456", "m=262144"),
            &whole.replace("t=2", "t=4294967295"),
            &whole.replace("p=1", "p=0"),
            &whole.replace("v=19", "v=16"),
            whole.rsplit_once('$').unwrap().0,
        ] {
            assert_eq!(Password::from_hash(&text.into()).err(), Some(NotAHash), "{text}");
        }
    }
}
