//! The simulated truth behind the fake vendors: what people did, and when each vendor comes to know
//! of it. Every number is computed from the seed, the campaign and the day, so nothing is kept in
//! memory and any part can be asked for in any order. How a vendor prints it is not known here.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Duration, NaiveDate, NaiveTime, TimeZone, Utc};
use chrono_tz::Tz;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::chance;
use crate::domain::money::Currency;

mod levels;

pub use levels::{AdDay, Entity, Level};

/// One advertiser: its concepts, where its days begin and end, and what it pays in.
#[derive(Clone, Debug)]
pub struct World {
    /// Decides every number.
    pub seed: u64,
    /// First day with ads.
    pub first_day: NaiveDate,
    /// Last day with ads.
    pub last_day: NaiveDate,
    /// Zone of the ad account.
    pub zone: Tz,
    /// Currency of the ad account.
    pub currency: Currency,
    /// The ad account: ten digits.
    pub customer_id: String,
    /// What is being tested.
    pub concepts: Vec<SimConcept>,
    /// Campaigns of the account that belong to no concept; cheap to compute, for large pulls.
    pub other_campaigns: u32,
}

/// A concept as it truly is.
#[derive(Clone, Debug)]
pub struct SimConcept {
    /// Its sign-up form.
    pub form_id: String,
    /// Its versions.
    pub arms: Vec<SimArm>,
}

/// A version of a concept.
#[derive(Clone, Debug)]
pub struct SimArm {
    /// What the form's hidden field says.
    pub key: String,
    /// True share of clicks that become a sign-up, over the long run.
    pub rate: f64,
    /// The ads that lead to it.
    pub campaigns: Vec<SimCampaign>,
}

/// An ad campaign.
#[derive(Clone, Debug)]
pub struct SimCampaign {
    /// The platform's id.
    pub id: u64,
    /// The platform's name for it.
    pub name: String,
    /// Clicks on an ordinary day.
    pub clicks_per_day: f64,
    /// Clicks per impression.
    pub click_rate: f64,
    /// Millionths of the account's currency.
    pub cost_per_click_micros: u32,
}

/// One day of a campaign or of a part of it, as the ad platform shows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Figures {
    /// Times shown.
    pub impressions: u64,
    /// Clicks charged for.
    pub clicks: u64,
    /// Millionths of the account's currency.
    pub cost_micros: u64,
    /// Hundredths of conversions, booked on the day of the click.
    pub conversion_hundredths: u64,
    /// The same people counted whole, by platforms that credit each to one click.
    pub leads: u64,
    /// People who had only seen the ad, whom some platforms add. They sent no form.
    pub view_leads: u64,
    /// Everything done with the ad, clicks included.
    pub engagements: u64,
}

impl std::ops::Add for Figures {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            impressions: self.impressions + other.impressions,
            clicks: self.clicks + other.clicks,
            cost_micros: self.cost_micros + other.cost_micros,
            conversion_hundredths: self.conversion_hundredths + other.conversion_hundredths,
            leads: self.leads + other.leads,
            view_leads: self.view_leads + other.view_leads,
            engagements: self.engagements + other.engagements,
        }
    }
}

/// A form sent in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// The form tool's id.
    pub response_id: String,
    /// As the person typed it: a second act may differ in case.
    pub email: String,
    /// The arm's key.
    pub arm: String,
    /// Campaign the person came from.
    pub campaign: u64,
    /// When it was sent, to the second.
    pub at: DateTime<Utc>,
    /// From when the form tool shows it: up to half an hour later.
    visible_from: DateTime<Utc>,
    /// When the person had it deleted.
    deleted_at: Option<DateTime<Utc>>,
    /// The day on which the ad platform learns of it and the hundredths it credits; a person's second
    /// act is no second conversion.
    credited: Option<(NaiveDate, u64)>,
}

/// What happened on one campaign's day, all of it, in the end.
struct CampaignDay {
    impressions: u64,
    clicks: u64,
    /// Clicks found invalid two days later, until then counted and charged.
    struck_clicks: u64,
    acts: Vec<Act>,
}

/// How many people did something first on a day, on a version of the offer.
pub type People = BTreeMap<(NaiveDate, String), u64>;

/// Monday to Sunday, as in statistics.md section 14.
const WEEKDAYS: [f64; 7] = [1.1, 1.05, 1.0, 1.0, 0.95, 0.8, 0.85];
/// Day-to-day coefficient of variation of traffic and of the true rate.
const DAY_NOISE: f64 = 0.2;
/// Share of conversions the ad platform learns of on the same day, one, two and three days later.
const LATENESS: [f64; 4] = [0.60, 0.25, 0.10, 0.05];
/// Share of conversions that are credited in part to this click.
const SHARED_CREDIT: f64 = 0.15;
/// Share of people who send the form twice, within a day and a half.
const TWICE: f64 = 0.04;
/// Share of acts deleted, within two days.
const DELETED: f64 = 0.01;

impl World {
    /// An account of campaigns that belong to no concept and have settled figures at once: for pulls
    /// of millions of rows.
    #[expect(clippy::expect_used, reason = "EUR is three capital letters")]
    pub fn large(seed: u64, campaigns: u32, first_day: NaiveDate, last_day: NaiveDate) -> Self {
        Self {
            seed,
            first_day,
            last_day,
            zone: Tz::Europe__Berlin,
            currency: Currency::from_code("EUR").expect("EUR is a code"),
            customer_id: "1234567890".into(),
            concepts: Vec::new(),
            other_campaigns: campaigns,
        }
    }

    /// The concept behind a form.
    pub fn form(&self, form_id: &str) -> Option<&SimConcept> {
        self.concepts.iter().find(|concept| concept.form_id == form_id)
    }

    /// Every act on a form up to `now`, shown or not, oldest first.
    pub fn acts(&self, form_id: &str, now: DateTime<Utc>) -> Vec<Act> {
        let today = now.with_timezone(&self.zone).date_naive();
        let mut acts: Vec<Act> = self
            .own_campaigns()
            .filter(|(concept, ..)| concept.form_id == form_id)
            .flat_map(|(concept, arm, campaign)| {
                let days = self.first_day.iter_days().take_while(move |&day| day <= today.min(self.last_day));
                days.flat_map(move |day| self.campaign_day(concept, arm, campaign, day).acts)
            })
            .filter(|act| act.at <= now)
            .collect();
        acts.sort_by(|one, other| (one.at, &one.response_id).cmp(&(other.at, &other.response_id)));
        acts
    }

    /// People by the day and arm of their first act, as the form tool shows them at `now`.
    pub fn people(&self, form_id: &str, now: DateTime<Utc>) -> People {
        let (mut seen, mut people) = (BTreeSet::new(), People::new());
        for act in self.acts(form_id, now).into_iter().filter(|act| act.is_shown(now)) {
            if seen.insert(act.email.to_lowercase()) {
                *people.entry((act.at.with_timezone(&self.zone).date_naive(), act.arm)).or_default() += 1;
            }
        }
        people
    }

    fn has_ads(&self, day: NaiveDate) -> bool {
        self.first_day <= day && day <= self.last_day
    }

    /// Randomness of its own for each thing and day.
    fn rng(&self, thing: u64, day: NaiveDate) -> ChaCha8Rng {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        seed[8..16].copy_from_slice(&thing.to_le_bytes());
        seed[16..20].copy_from_slice(&day_number(day).to_le_bytes());
        ChaCha8Rng::from_seed(seed)
    }

    fn campaign_day(&self, concept: &SimConcept, arm: &SimArm, campaign: &SimCampaign, day: NaiveDate) -> CampaignDay {
        // A good or bad day for the offer is one for all its campaigns.
        let first = concept.arms.first().and_then(|arm| arm.campaigns.first()).map_or(0, |campaign| campaign.id);
        let mood = chance::gamma(&mut self.rng(first.wrapping_neg(), day), DAY_NOISE);
        let mut rng = self.rng(campaign.id, day);
        let weekday = WEEKDAYS[chrono::Datelike::weekday(&day).num_days_from_monday() as usize];
        let traffic = campaign.clicks_per_day * weekday;
        let busy = chance::gamma(&mut rng, DAY_NOISE);
        let clicks = chance::poisson(&mut rng, traffic * busy);
        let struck_clicks = chance::binomial(&mut rng, clicks, 0.02);
        let passed_by = chance::poisson(&mut rng, traffic * (1.0 / campaign.click_rate - 1.0));
        let impressions = clicks + struck_clicks + passed_by;
        let people = chance::binomial(&mut rng, clicks, (arm.rate * mood).min(1.0));
        let acts = (0..people).flat_map(|_| self.person(&mut rng, arm, campaign, day)).collect();
        CampaignDay { impressions, clicks, struck_clicks, acts }
    }

    /// What one person sent: once, or twice.
    fn person(&self, rng: &mut ChaCha8Rng, arm: &SimArm, campaign: &SimCampaign, day: NaiveDate) -> Vec<Act> {
        let email = format!("{}.{:06x}@people.sandbox", chance::first_name(rng), rng.random_range(0..0x0100_0000_u32));
        // Between seven in the morning and eleven at night, so that no clock change touches it.
        let at = self.start_of(day) + Duration::seconds(rng.random_range(7 * 3600..23 * 3600));
        let late = chance::pick(rng, &LATENESS);
        let credit = if rng.random_bool(SHARED_CREDIT) { rng.random_range(20..90) } else { 100 };
        let credited = day.checked_add_days(chrono::Days::new(late as u64)).map(|known| (known, credit));
        let first = act(rng, arm, campaign, email, at, credited);
        let mut acts = vec![first];
        if rng.random_bool(TWICE) {
            let again = at + Duration::seconds(rng.random_range(600..36 * 3600));
            let mut typed = acts[0].email.clone();
            typed[..1].make_ascii_uppercase();
            acts.push(act(rng, arm, campaign, typed, again, None));
        }
        acts
    }

    /// The first instant of a day in the account's zone.
    pub(super) fn start_of(&self, day: NaiveDate) -> DateTime<Utc> {
        let midnight = day.and_time(NaiveTime::MIN);
        self.zone.from_local_datetime(&midnight).earliest().map_or_else(|| midnight.and_utc(), |at| at.to_utc())
    }

    /// Today is two fifths over, yesterday still holds clicks that will be struck, conversions are those known.
    fn shown(&self, truth: &CampaignDay, campaign: &SimCampaign, day: NaiveDate, today: NaiveDate) -> Figures {
        let age = (today - day).num_days();
        let (share, clicks) = match age {
            0 => (2, truth.clicks + truth.struck_clicks),
            1 => (5, truth.clicks + truth.struck_clicks),
            _ => (5, truth.clicks),
        };
        let clicks = clicks * share / 5;
        // A click's price moves a little from day to day; whole cents, as platforms bill.
        let price_per_mille = 950 + self.rng(!campaign.id, day).random_range(0..=100_u64);
        let cost_micros = clicks * u64::from(campaign.cost_per_click_micros) * price_per_mille / 1000 / 10_000 * 10_000;
        let known = truth.acts.iter().filter_map(|act| act.credited).filter(|&(known, _)| known <= today);
        let (mut leads, mut conversion_hundredths) = (0, 0);
        for (_, hundredths) in known {
            leads += 1;
            conversion_hundredths += hundredths;
        }
        Figures {
            impressions: truth.impressions * share / 5,
            clicks,
            cost_micros,
            conversion_hundredths,
            leads,
            ..Figures::default()
        }
        .with_the_rest(campaign.id)
    }

    /// Settled at once and computed in a few steps: a million of them take a moment.
    fn other_figures(&self, position: u64, day: NaiveDate) -> Figures {
        let bits = chance::mix(chance::mix(self.seed ^ position) ^ u64::from(day_number(day).unsigned_abs()));
        // One day in 32 without delivery.
        let impressions = if bits.trailing_zeros() >= 5 { 0 } else { 25 + (bits >> 8) % 4_000 };
        let clicks = impressions / (20 + (bits >> 24) % 20);
        let conversion_hundredths = clicks * ((bits >> 44) % 12);
        Figures {
            impressions,
            clicks,
            cost_micros: clicks * (400 + (bits >> 32) % 200) * 10_000,
            conversion_hundredths,
            leads: conversion_hundredths.div_ceil(100),
            ..Figures::default()
        }
        .with_the_rest(bits)
    }
}

impl Figures {
    /// So many parts of so many, rounded down.
    pub(super) fn part(self, parts: u64, of: u64) -> Self {
        let of = |whole: u64| whole * parts / of.max(1);
        Self {
            impressions: of(self.impressions),
            clicks: of(self.clicks),
            cost_micros: of(self.cost_micros),
            conversion_hundredths: of(self.conversion_hundredths),
            leads: of(self.leads),
            view_leads: of(self.view_leads),
            engagements: of(self.engagements),
        }
    }

    /// What follows from the figures that are drawn.
    fn with_the_rest(self, thing: u64) -> Self {
        Self {
            view_leads: self.leads * (thing % 5) / 8,
            engagements: self.clicks + self.impressions * (10 + thing % 30) / 1_000,
            ..self
        }
    }
}

impl Act {
    /// Whether the form tool shows it at `now`.
    pub fn is_shown(&self, now: DateTime<Utc>) -> bool {
        self.visible_from <= now && self.deleted_at.is_none_or(|deleted| now < deleted)
    }
}

fn day_number(day: NaiveDate) -> i32 {
    chrono::Datelike::num_days_from_ce(&day)
}

fn act(
    rng: &mut ChaCha8Rng,
    arm: &SimArm,
    campaign: &SimCampaign,
    email: String,
    at: DateTime<Utc>,
    credited: Option<(NaiveDate, u64)>,
) -> Act {
    Act {
        response_id: format!("{:032x}", rng.random::<u128>()),
        email,
        arm: arm.key.clone(),
        campaign: campaign.id,
        at,
        visible_from: at + Duration::seconds(rng.random_range(0..=1800)),
        deleted_at: rng.random_bool(DELETED).then(|| at + Duration::seconds(rng.random_range(3600..48 * 3600))),
        credited,
    }
}
