//! What a script on the pages of a concept tells of the world's people: looks and sign-ups, who comes back, who comes without a
//! tag, what is told days late, and what is deleted for whoever asks. How a vendor counts it is not known here.

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike, Days, Duration, Utc};

use super::submissions::{FORGED, by_day};
use super::world::{Level, People};
use super::{World, chance};

/// The page the ads lead to.
pub const OFFER: &str = "/offer";
/// Another page of the same site.
pub const IMPRINT: &str = "/imprint";

/// What somebody did.
#[derive(Clone, Debug)]
pub struct Event {
    /// Tells it from all others.
    pub(super) number: u64,
    /// Who it was, for all the script knows.
    pub(super) visitor: u64,
    /// What was typed; `None`: a look at a page.
    pub(super) email: Option<String>,
    /// When it was done, to the second.
    pub(super) at: DateTime<Utc>,
    /// When the vendor was told.
    pub(super) known_from: DateTime<Utc>,
    /// When the vendors that know people had to forget it.
    forgotten_at: Option<DateTime<Utc>>,
    /// What the address said of the version that was shown, if anything.
    pub(super) tag: Option<String>,
    /// Where.
    pub(super) page: &'static str,
    /// The first page of the visit.
    pub(super) entry: &'static str,
}

impl Event {
    /// Whether it is a look at the page the ads lead to.
    pub fn is_look_at_offer(&self) -> bool {
        self.email.is_none() && self.page == OFFER
    }

    /// Whether it is forgotten by `now`, by a vendor that can.
    pub fn is_forgotten(&self, now: DateTime<Utc>) -> bool {
        self.forgotten_at.is_some_and(|at| at <= now)
    }

    /// Whether it is a sign-up.
    pub fn is_sign_up(&self) -> bool {
        self.email.is_some()
    }
}

/// Everything that the vendors know at `now` of the pages of a form's concept, the oldest first.
pub fn events(world: &World, form_id: &str, now: DateTime<Utc>) -> Vec<Event> {
    let mut all = Vec::new();
    let campaigns = world.concepts.iter().flat_map(|concept| {
        concept.arms.iter().flat_map(move |arm| arm.campaigns.iter().map(move |it| (concept, arm, it)))
    });
    for (position, (_, arm, campaign)) in (0..).zip(campaigns).filter(|(_, (concept, ..))| concept.form_id == form_id) {
        for day in world.first_day.iter_days().take_while(|day| *day <= now.with_timezone(&world.zone).date_naive()) {
            let settled = world.figures(Level::Campaign, position, day, day + Days::new(2));
            // Some leave before the script has run.
            let clicks = settled.map_or(0, |it| it.clicks * 9 / 10);
            let date = u64::from(day.num_days_from_ce().unsigned_abs());
            let drawn = chance::mix(world.seed ^ chance::mix(campaign.id ^ date << 40));
            for nth in 0..clicks {
                let bits = chance::mix(drawn ^ nth);
                // As people's acts: between seven in the morning and eleven at night.
                let second = i64::try_from(7 * 3600 + (bits >> 20) % (16 * 3600)).unwrap_or_default();
                visit(&mut all, &arm.key, world.start_of(day) + Duration::seconds(second), bits);
            }
        }
    }
    for act in world.acts(form_id, now).into_iter().filter(|act| act.is_shown(now)) {
        let number = u64::from_str_radix(act.response_id.get(..16).unwrap_or_default(), 16).unwrap_or_default();
        let visitor = act.email.to_lowercase().bytes().fold(1, |hash, byte| chance::mix(hash ^ u64::from(byte)));
        let bits = chance::mix(number);
        let look = Event {
            number: chance::mix(number ^ 1),
            visitor,
            email: None,
            at: act.at - Duration::seconds(40),
            known_from: act.at,
            forgotten_at: (bits % 19 == 6).then(|| act.at + Duration::hours(40)),
            tag: tag(&act.arm, bits),
            page: OFFER,
            entry: OFFER,
        };
        all.push(Event { number, email: Some(act.email), at: act.at, known_from: told(act.at, bits), ..look.clone() });
        all.push(look);
    }
    all.retain(|event| event.known_from <= now);
    all.sort_by_key(|event| (event.at, event.number));
    all
}

/// How many people did on each day and version what `counts`; nobody counts without a version.
pub fn people(world: &World, form_id: &str, now: DateTime<Utc>, counts: impl Fn(&Event) -> bool) -> People {
    let (mut seen, mut people) = (BTreeSet::new(), People::new());
    for event in events(world, form_id, now).into_iter().filter(|event| counts(event)) {
        let Some(arm) = event.tag.filter(|tag| !FORGED.contains(&tag.as_str())) else { continue };
        let day = event.at.with_timezone(&world.zone).date_naive();
        if seen.insert((day, arm.clone(), event.visitor)) {
            *people.entry((day, arm)).or_default() += 1;
        }
    }
    people
}

/// How many people signed up first on each day and version, as vendors see it that know people; `who` tells them apart.
pub(super) fn first_sign_ups(world: &World, form_id: &str, now: DateTime<Utc>, who: fn(&Event) -> String) -> People {
    let mut seen = BTreeSet::new();
    let mut all = events(world, form_id, now);
    all.retain(|event| {
        let known = event.tag.as_deref().is_some_and(|tag| !FORGED.contains(&tag));
        event.is_sign_up() && known && !event.is_forgotten(now) && seen.insert(who(event))
    });
    by_day(world, all.iter().filter_map(|event| Some((event.at, event.tag.as_deref()?))))
}

/// One who does not sign up, and how often they come.
fn visit(all: &mut Vec<Event>, arm: &str, at: DateTime<Utc>, bits: u64) {
    let entry = if bits % 31 == 3 { IMPRINT } else { OFFER };
    let tag = tag(arm, bits);
    let mut look = |nth: u64, after: Duration, page, entry, tag| {
        let (number, at) = (chance::mix(bits ^ nth), at + after);
        let known_from = told(at, number);
        all.push(Event { number, visitor: bits, email: None, at, known_from, forgotten_at: None, tag, page, entry });
    };
    look(0, Duration::zero(), entry, entry, tag.clone());
    if bits % 5 == 1 {
        look(1, Duration::minutes(20), OFFER, entry, tag.clone());
    }
    if bits % 7 == 2 {
        look(2, Duration::seconds(30), IMPRINT, entry, tag.clone());
    }
    // By the same link again, or by the address alone.
    if bits % 9 == 4 {
        look(3, Duration::hours(26), OFFER, OFFER, tag.filter(|_| bits.is_multiple_of(2)));
    }
}

/// What is left of the tag: of one in twelve nothing, of some what somebody wrote in its place.
fn tag(arm: &str, bits: u64) -> Option<String> {
    match (bits >> 8) % 348 {
        forged @ 0..3 => FORGED.get(usize::try_from(forged).unwrap_or_default()).map(ToString::to_string),
        bits if bits % 12 == 5 => None,
        _ => Some(arm.to_owned()),
    }
}

/// One device in sixteen is without a connection for a day or two.
fn told(at: DateTime<Utc>, bits: u64) -> DateTime<Utc> {
    let hours = if (bits >> 4) % 16 == 7 { 20 + (bits >> 12) % 36 } else { 0 };
    at + Duration::hours(i64::try_from(hours).unwrap_or_default())
}
