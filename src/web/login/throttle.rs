//! How often a password may be guessed: five times, then after ever longer waits, for each place that guesses come from.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Wrong guesses before the first wait.
const FREE: u32 = 5;

/// The first wait; each further wrong guess doubles it.
const FIRST: Duration = Duration::from_secs(30);

/// The longest wait.
const LONGEST: Duration = Duration::from_mins(15);

/// A place that has been quiet for so long begins anew.
const FORGOTTEN: Duration = Duration::from_hours(1);

/// Most places that are remembered; one more takes the place of the one that was quiet for longest.
const MOST: usize = 10_000;

/// What came from one place.
struct Guesses {
    wrong: u32,
    last: Duration,
}

impl Guesses {
    fn wait(&self) -> Duration {
        let Some(doubled) = self.wrong.checked_sub(FREE) else { return Duration::ZERO };
        FIRST.saturating_mul(1 << doubled.min(10)).min(LONGEST)
    }
}

/// Wrong guesses, by where they came from.
#[derive(Default)]
pub struct Throttle(Mutex<BTreeMap<IpAddr, Guesses>>);

impl Throttle {
    /// How long a place must wait before its next guess is looked at; nothing where it need not.
    pub fn wait(&self, from: IpAddr, now: Duration) -> Option<Duration> {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let guesses = places.get(&place(from))?;
        (guesses.last + guesses.wait()).checked_sub(now).filter(|wait| !wait.is_zero())
    }

    /// A guess is under way: it counts as a wrong one until it was right, so that many at once are as many.
    pub fn guess(&self, from: IpAddr, now: Duration) {
        let mut places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.retain(|_, guesses| guesses.last + FORGOTTEN > now);
        if places.len() >= MOST
            && let Some(quiet) = places.iter().min_by_key(|(_, guesses)| guesses.last).map(|(place, _)| *place)
        {
            places.remove(&quiet);
        }
        let guesses = places.entry(place(from)).or_insert(Guesses { wrong: 0, last: now });
        guesses.wrong += 1;
        guesses.last = now;
    }

    /// The guess was right.
    pub fn forgive(&self, from: IpAddr) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&place(from));
    }
}

/// One subscriber has 2⁶⁴ addresses of version 6.
pub fn place(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn w1_guesses_become_ever_slower_and_one_place_slows_no_other() {
        let throttle = Throttle::default();
        let (one, two) = (address("203.0.113.7"), address("203.0.113.8"));
        let mut now = Duration::from_secs(1_000);
        for _ in 0..FREE - 1 {
            throttle.guess(one, now);
            assert_eq!(throttle.wait(one, now), None);
        }
        let mut waits = Vec::new();
        for _ in 0..8 {
            throttle.guess(one, now);
            let wait = throttle.wait(one, now).unwrap();
            waits.push(wait.as_secs());
            assert_eq!(throttle.wait(one, now + wait), None);
            assert_eq!(throttle.wait(two, now), None);
            now += wait;
        }
        assert_eq!(waits, [30, 60, 120, 240, 480, 900, 900, 900]);
        throttle.guess(one, now + FORGOTTEN);
        assert_eq!(throttle.wait(one, now + FORGOTTEN), None, "an hour without a guess is a new beginning");
        for _ in 0..FREE {
            throttle.guess(two, now);
        }
        throttle.forgive(two);
        assert_eq!(throttle.wait(two, now), None);
    }

    #[test]
    fn w1_a_network_is_one_place_and_no_flood_of_places_is_kept() {
        let throttle = Throttle::default();
        let now = Duration::from_secs(1_000);
        for number in 0..FREE {
            throttle.guess(address(&format!("2001:db8:1:2::{number}")), now);
        }
        assert!(throttle.wait(address("2001:db8:1:2:ffff::1"), now).is_some());
        assert!(throttle.wait(address("2001:db8:1:3::1"), now).is_none());
        assert_eq!(place(address("::ffff:203.0.113.7")), address("203.0.113.7"));
        for number in 0..u32::try_from(MOST).unwrap() * 2 {
            throttle.guess(IpAddr::V4((number + 1).into()), now + Duration::from_secs(1));
        }
        assert!(throttle.0.lock().unwrap().len() <= MOST);
    }
}
