//! How long to wait: what a vendor's `Retry-After` means, the pauses between tries, and the turn of
//! each account. Not what is worth another try: the caller knows what an answer means.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rand::{Rng, RngExt};
use tokio::time::Instant;

/// The shortest and the longest a vendor can make us wait, in seconds.
const OBEYED: std::ops::RangeInclusive<f64> = 1.0..=3600.0;

/// What a `Retry-After` header asks for: seconds or an HTTP date, held between 1 s and 1 h.
/// `None` where it says nothing readable: then [`Backoff`] decides.
pub fn retry_after(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    let value = value.trim();
    let seconds = match httpdate::parse_http_date(value) {
        Ok(date) => (DateTime::<Utc>::from(date) - now).as_seconds_f64(),
        // A digit is required because the float parser also reads "inf" and "NaN".
        Err(_) if value.contains(|c: char| c.is_ascii_digit()) => value.parse::<f64>().ok()?,
        Err(_) => return None,
    };
    Some(Duration::from_secs_f64(seconds.clamp(*OBEYED.start(), *OBEYED.end())))
}

/// Exponential pauses with full jitter: before try `n + 1` anything between nothing and
/// `first × 2^(n-1)`, at most `longest`
/// (<https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>).
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    /// Calls in all, the first included.
    pub tries: u32,
    /// Upper end of the first pause.
    pub first: Duration,
    /// Upper end of every pause.
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { tries: 5, first: Duration::from_secs(1), longest: Duration::from_mins(1) }
    }
}

impl Backoff {
    /// The pause after `failed` tries (1 after the first); `None` when it was the last.
    pub fn pause(&self, failed: u32, rng: &mut (impl Rng + ?Sized)) -> Option<Duration> {
        if failed >= self.tries {
            return None;
        }
        let doubled = 2_u32.saturating_pow(failed.saturating_sub(1));
        let most = self.first.saturating_mul(doubled).min(self.longest);
        Some(rng.random_range(Duration::ZERO..=most))
    }
}

/// Whose turn a call waits for.
#[derive(Clone, Copy, Debug)]
pub struct Pace<'a> {
    /// The account the vendor counts against. Accounts never wait for each other.
    pub account: &'a str,
    /// Least time between the starts of two calls.
    pub gap: Duration,
}

/// When each account's next call may start. Clones share the same turns.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns(Arc<Mutex<HashMap<String, Instant>>>);

impl Turns {
    /// Takes the account's next turn and waits for it.
    pub(super) async fn wait(&self, pace: Pace<'_>) {
        tokio::time::sleep_until(self.take(pace, Instant::now())).await;
    }

    /// When the account's next call may start; the one after it comes a gap later.
    fn take(&self, pace: Pace<'_>, now: Instant) -> Instant {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let free = turns.entry(pace.account.to_owned()).or_insert(now);
        let turn = now.max(*free);
        *free = turn.checked_add(pace.gap).unwrap_or(turn);
        turn
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::{TimeZone, Utc};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use tokio::time::Instant;

    use super::{Backoff, Pace, Turns, retry_after};

    #[test]
    fn h5_retry_after_in_every_form() {
        let now = Utc.with_ymd_and_hms(2026, 11, 22, 17, 0, 0).unwrap();
        for (value, expected) in [
            ("30", Some(30)),
            (" 30 ", Some(30)),
            ("0", Some(1)),
            ("-5", Some(1)),
            ("10000000000", Some(3600)),
            ("1e10", Some(3600)),
            ("99999999999999999999999999999999999999999999999", Some(3600)),
            ("1e400", Some(3600)),
            ("Sun, 22 Nov 2026 17:02:00 GMT", Some(120)),
            ("Sunday, 22-Nov-26 17:02:00 GMT", Some(120)),
            ("Sun Nov 22 17:02:00 2026", Some(120)),
            ("Sun, 22 Nov 2026 16:00:00 GMT", Some(1)),
            ("Fri, 31 Dec 9999 23:59:59 GMT", Some(3600)),
            ("Thu, 01 Jan 1970 00:00:00 GMT", Some(1)),
            ("soon", None),
            ("", None),
            ("inf", None),
            ("NaN", None),
            ("-", None),
            ("5, 10", None),
            ("5 seconds", None),
            ("2026-11-22T17:02:00Z", None),
        ] {
            assert_eq!(retry_after(value, now), expected.map(Duration::from_secs), "{value:?}");
        }
    }

    #[test]
    fn h6_pauses_grow_are_jittered_and_end() {
        let backoff = Backoff { tries: 10, ..Backoff::default() };
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for failed in 1..10 {
            let most = Duration::from_secs(1 << (failed - 1)).min(Duration::from_mins(1));
            let pauses: Vec<_> = (0..200).map(|_| backoff.pause(failed, &mut rng).unwrap()).collect();
            assert!(pauses.iter().all(|pause| *pause <= most), "{failed}");
            assert!(pauses.iter().any(|pause| *pause < most / 4), "jitter reaches down: {failed}");
            assert!(pauses.iter().any(|pause| *pause > most / 4 * 3), "jitter reaches up: {failed}");
        }
        assert_eq!(backoff.pause(10, &mut rng), None);
        assert_eq!(backoff.pause(u32::MAX, &mut rng), None);
        let endless = Backoff { tries: u32::MAX, ..backoff };
        assert!(endless.pause(u32::MAX - 1, &mut rng).unwrap() <= Duration::from_mins(1), "no overflow");
    }

    #[test]
    fn h6_one_account_cannot_starve_another() {
        let turns = Turns::default();
        let now = Instant::now();
        let gap = Duration::from_secs(10);
        let take = |account, now| turns.take(Pace { account, gap }, now);
        for nth in 0..20 {
            assert_eq!(take("busy", now), now + gap * nth, "one call in ten seconds");
        }
        assert_eq!(take("quiet", now), now);
        let later = now + Duration::from_hours(1);
        assert_eq!(take("busy", later), later, "idle time is not saved up");
        assert_eq!(take("busy", later), later + gap);
        let forever = Pace { account: "odd", gap: Duration::MAX };
        assert_eq!((turns.take(forever, now), turns.take(forever, now)), (now, now), "no overflow");
    }
}
