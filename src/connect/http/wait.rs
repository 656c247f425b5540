//! How long to wait: what a vendor's `Retry-After` means, the pauses between tries, and the turn of
//! each account. Not what is worth another try: the caller knows what an answer means.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use rand::{Rng, RngExt};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// The shortest and the longest a vendor can make us wait, in seconds.
const OBEYED: std::ops::RangeInclusive<f64> = 1.0..=3600.0;

/// How a vendor writes how long it wants to be left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WaitUnit {
    /// Seconds with their unit: `5s`.
    Duration,
    /// Seconds from now.
    Seconds,
    /// Minutes from now.
    Minutes,
    /// When it ends, in seconds since 1970.
    EpochSeconds,
    /// When it ends, in milliseconds since 1970.
    EpochMillis,
    /// As in the header of that name: seconds from now, or an HTTP date.
    RetryAfter,
}

impl WaitUnit {
    /// Those a manifest can name.
    pub const NAMED: [(&'static str, Self); 5] = [
        ("duration", Self::Duration),
        ("seconds", Self::Seconds),
        ("minutes", Self::Minutes),
        ("epoch_s", Self::EpochSeconds),
        ("epoch_ms", Self::EpochMillis),
    ];
}

/// How long a text asks us to wait, held between 1 s and 1 h. `None` where it says nothing readable, or an end
/// more than a day ago: then [`Backoff`] decides.
pub fn wait_hint(text: &str, unit: WaitUnit, now: DateTime<Utc>) -> Option<Duration> {
    let text = text.trim();
    let since_1970 = (now - DateTime::UNIX_EPOCH).as_seconds_f64();
    let until = |end: f64| Some(end - since_1970).filter(|wait| *wait > -86_400.0);
    let seconds = match unit {
        WaitUnit::Duration => number(text.strip_suffix('s')?)?,
        WaitUnit::Seconds => number(text)?,
        WaitUnit::Minutes => number(text)? * 60.0,
        WaitUnit::EpochSeconds => until(number(text)?)?,
        WaitUnit::EpochMillis => until(number(text)? / 1000.0)?,
        WaitUnit::RetryAfter => match httpdate::parse_http_date(text) {
            Ok(date) => (DateTime::<Utc>::from(date) - now).as_seconds_f64(),
            Err(_) => number(text)?,
        },
    };
    Some(Duration::from_secs_f64(seconds.clamp(*OBEYED.start(), *OBEYED.end())))
}

/// A digit is required because the float parser also reads "inf" and "NaN".
fn number(text: &str) -> Option<f64> {
    if text.contains(|c: char| c.is_ascii_digit()) { text.parse().ok() } else { None }
}

/// What a `Retry-After` header asks for: [`wait_hint`] in its own unit.
pub fn retry_after(value: &str, now: DateTime<Utc>) -> Option<Duration> {
    wait_hint(value, WaitUnit::RetryAfter, now)
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
    /// Most calls under way at one time.
    pub concurrent: Option<u32>,
}

/// When each account's next call may start, and how many are under way. Clones share the same turns.
#[derive(Clone, Debug, Default)]
pub(super) struct Turns(Arc<Mutex<HashMap<String, Account>>>);

#[derive(Debug)]
struct Account {
    free: Instant,
    places: Option<Arc<Semaphore>>,
}

impl Turns {
    /// Takes the account's next turn and waits for it. The call's place among those under way is given back
    /// when what is returned is dropped.
    pub(super) async fn wait(&self, pace: Pace<'_>) -> Option<OwnedSemaphorePermit> {
        let held = match self.places(pace, Instant::now()) {
            Some(places) => places.acquire_owned().await.ok(),
            None => None,
        };
        tokio::time::sleep_until(self.take(pace, Instant::now())).await;
        held
    }

    fn account<T>(&self, pace: Pace<'_>, now: Instant, see: impl FnOnce(&mut Account) -> T) -> T {
        let mut turns = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        see(turns.entry(pace.account.to_owned()).or_insert_with(|| Account {
            free: now,
            places: pace.concurrent.map(|most| Arc::new(Semaphore::new(usize::try_from(most.max(1)).unwrap_or(1)))),
        }))
    }

    /// Places for the account's calls under way, where they are limited.
    fn places(&self, pace: Pace<'_>, now: Instant) -> Option<Arc<Semaphore>> {
        self.account(pace, now, |account| account.places.clone())
    }

    /// When the account's next call may start; the one after it comes a gap later.
    fn take(&self, pace: Pace<'_>, now: Instant) -> Instant {
        self.account(pace, now, |account| {
            let turn = now.max(account.free);
            account.free = turn.checked_add(pace.gap).unwrap_or(turn);
            turn
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::{TimeZone, Utc};
    use rand::SeedableRng;
    use rand_chacha::ChaCha8Rng;
    use tokio::time::Instant;

    use super::{Backoff, Pace, Turns, WaitUnit, retry_after, wait_hint};

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
    fn h5_hints_in_every_unit() {
        let now = Utc.with_ymd_and_hms(2026, 11, 22, 17, 0, 0).unwrap();
        for (text, unit, expected) in [
            ("5s", WaitUnit::Duration, Some(5)),
            ("0.2s", WaitUnit::Duration, Some(1)),
            ("99999s", WaitUnit::Duration, Some(3600)),
            ("5", WaitUnit::Duration, None),
            ("s", WaitUnit::Duration, None),
            ("infs", WaitUnit::Duration, None),
            ("5s", WaitUnit::Seconds, None),
            ("-3", WaitUnit::Seconds, Some(1)),
            ("7", WaitUnit::Minutes, Some(420)),
            ("0", WaitUnit::Minutes, Some(1)),
            ("90", WaitUnit::Minutes, Some(3600)),
            ("1795366890", WaitUnit::EpochSeconds, Some(90)),
            ("1795366799", WaitUnit::EpochSeconds, Some(1)),
            ("1795366890000", WaitUnit::EpochSeconds, Some(3600)),
            ("90", WaitUnit::EpochSeconds, None),
            ("1795366890000", WaitUnit::EpochMillis, Some(90)),
            ("1795366890", WaitUnit::EpochMillis, None),
            ("NaN", WaitUnit::EpochMillis, None),
        ] {
            assert_eq!(wait_hint(text, unit, now), expected.map(Duration::from_secs), "{text:?} {unit:?}");
        }
    }

    #[test]
    fn h6_an_accounts_calls_under_way_are_limited_and_no_other_accounts() {
        let turns = Turns::default();
        let now = Instant::now();
        let places = |account| turns.places(Pace { account, gap: Duration::ZERO, concurrent: Some(2) }, now).unwrap();
        let held: Vec<_> = (0..2).map(|_| places("busy").try_acquire_owned().unwrap()).collect();
        assert!(places("busy").try_acquire_owned().is_err(), "two are under way");
        assert!(places("quiet").try_acquire_owned().is_ok());
        drop(held);
        assert!(places("busy").try_acquire_owned().is_ok());
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
        let take = |account, now| turns.take(Pace { account, gap, concurrent: None }, now);
        for nth in 0..20 {
            assert_eq!(take("busy", now), now + gap * nth, "one call in ten seconds");
        }
        assert_eq!(take("quiet", now), now);
        let later = now + Duration::from_hours(1);
        assert_eq!(take("busy", later), later, "idle time is not saved up");
        assert_eq!(take("busy", later), later + gap);
        let forever = Pace { account: "odd", gap: Duration::MAX, concurrent: None };
        assert_eq!((turns.take(forever, now), turns.take(forever, now)), (now, now), "no overflow");
    }
}
