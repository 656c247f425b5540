//! The metric catalogue: what may be counted, in which unit, and which way is better. A metric that sources count by day
//! is one entry among the first [`COUNTED`] and one migration that adds its column to `observation` and
//! `observation_before` (a test compares the two). One that is worked out from people's acts is one entry behind them, and
//! one line in `decide::qualify`.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use super::response::Depth;

/// What one millionth of a value stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Pieces: clicks, people.
    Count,
    /// The pull's currency.
    Money,
}

/// Which movement is good news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// More of it is better.
    HigherIsBetter,
    /// Less of it is better.
    LowerIsBetter,
}

/// One entry of the catalogue. Every metric is a sum over a source's entities of one day.
#[derive(Debug, PartialEq, Eq)]
pub struct Metric {
    /// Its name in manifests, configuration, columns and JSON.
    pub name: &'static str,
    /// What is added up.
    pub unit: Unit,
    /// Which way is better.
    pub direction: Direction,
    /// One of it; more take an "s": "1,240 *visitors*".
    pub noun: &'static str,
    /// One act of it in a sentence: "74 of 1,240 visitors *signed up*".
    pub acts: &'static str,
    /// What it counts, for `check` and error messages.
    pub help: &'static str,
}

/// Names an entry of [`CATALOGUE`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct MetricId(u8);

const fn count(name: &'static str, noun: &'static str, acts: &'static str, help: &'static str) -> Metric {
    Metric { name, unit: Unit::Count, direction: Direction::HigherIsBetter, noun, acts, help }
}

/// How many metrics sources count by day; the first of the catalogue.
pub const COUNTED: usize = 9;

/// How many metrics there are.
pub const METRICS: usize = 17;

/// Every metric, in the order of its column.
pub static CATALOGUE: [Metric; METRICS] = [
    count("impressions", "impression", "saw the ad", "times an ad was shown; never decides"),
    count("clicks", "click", "clicked", "clicks of the kind that reach the landing page"),
    count("visits", "visitor", "visited", "landing visitors"),
    Metric {
        name: "spend",
        unit: Unit::Money,
        direction: Direction::LowerIsBetter,
        noun: "unit of money",
        acts: "was spent",
        help: "what the ads cost",
    },
    count("conversions", "conversion", "converted", "acts the ad platform counted, possibly modelled and fractional"),
    count("leads", "lead", "became a lead", "leads the ad platform counted"),
    count("form_opens", "form opening", "opened the form", "forms opened, before they are sent"),
    count(
        "signups",
        "sign-up",
        "signed up",
        "people who left their details, counted once each where the form knows them",
    ),
    count("engagements", "engagement", "engaged", "likes, shares, comments and the like; never decides"),
    count(
        "verified_signups",
        "verified sign-up",
        "left a verified address",
        "people whose address was verified, from sources that hand over the people",
    ),
    count(
        "qualified_signups",
        "qualified sign-up",
        "left a qualified sign-up",
        "people with a verified address who pass the rules of icp",
    ),
    count("demos", "demo", "took a demo", "people with whom a demo was held"),
    count("cards", "saved card", "saved a card", "people who saved a card"),
    count("deposits", "deposit", "paid a deposit", "people who paid a deposit and were not paid it back"),
    count("orders", "order", "ordered", "people who ordered and paid, and were not paid back"),
    count("payments", "payment", "paid", "people who paid a deposit or an order, paid back or not"),
    Metric {
        name: "refunds",
        unit: Unit::Count,
        direction: Direction::LowerIsBetter,
        noun: "refund",
        acts: "were paid back",
        help: "people who were paid back all they had paid",
    },
];

impl MetricId {
    /// Times an ad was shown.
    pub const IMPRESSIONS: Self = Self(0);
    /// Clicks that reach the landing page.
    pub const CLICKS: Self = Self(1);
    /// Landing visitors.
    pub const VISITS: Self = Self(2);
    /// Money spent.
    pub const SPEND: Self = Self(3);
    /// The platform's own conversions.
    pub const CONVERSIONS: Self = Self(4);
    /// The platform's own leads.
    pub const LEADS: Self = Self(5);
    /// Forms opened.
    pub const FORM_OPENS: Self = Self(6);
    /// People who signed up.
    pub const SIGNUPS: Self = Self(7);
    /// Reactions to an ad short of the landing page.
    pub const ENGAGEMENTS: Self = Self(8);
    /// People whose address was verified.
    pub const VERIFIED_SIGNUPS: Self = Self(9);
    /// People with a verified address who pass the rules of the ideal customer profile.
    pub const QUALIFIED_SIGNUPS: Self = Self(10);
    /// People with whom a demo was held.
    pub const DEMOS: Self = Self(11);
    /// People who saved a card.
    pub const CARDS: Self = Self(12);
    /// People with a deposit that was not paid back.
    pub const DEPOSITS: Self = Self(13);
    /// People with an order that was not paid back.
    pub const ORDERS: Self = Self(14);
    /// People who paid, paid back or not.
    pub const PAYMENTS: Self = Self(15);
    /// People who were paid back.
    pub const REFUNDS: Self = Self(16);

    /// Finds a metric by its name.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|id| id.metric().name == name)
    }

    /// Every metric, in the order of its column.
    pub fn all() -> impl Iterator<Item = Self> {
        (0u8..).take(METRICS).map(Self)
    }

    /// Those that sources count by day.
    pub fn counted() -> impl Iterator<Item = Self> {
        Self::all().take(COUNTED)
    }

    /// Whether it is worked out from people's acts where a source hands them over.
    pub fn is_of_people(self) -> bool {
        self == Self::SIGNUPS || self.index() >= COUNTED
    }

    /// What acts of a depth may count as: the metrics that a source of such acts supplies.
    pub fn of_people(depth: Depth) -> impl Iterator<Item = Self> {
        let people = [Self::SIGNUPS, Self::VERIFIED_SIGNUPS, Self::QUALIFIED_SIGNUPS];
        people.into_iter().filter(move |_| depth >= Depth::Email).chain(Self::own(depth))
    }

    /// The same of acts that say nobody's name: what they are, and a sign-up only where they are nothing more. Nobody can
    /// be verified of whom nothing is known.
    pub fn of_nobody(depth: Depth) -> impl Iterator<Item = Self> {
        let is_signup = depth >= Depth::Email && Self::own(depth).next().is_none();
        is_signup.then_some(Self::SIGNUPS).into_iter().chain(Self::own(depth))
    }

    /// What acts of a depth are, besides that somebody left their details.
    fn own(depth: Depth) -> impl Iterator<Item = Self> {
        let own: &[Self] = match depth {
            Depth::Click | Depth::Email | Depth::VerifiedEmail | Depth::QualifiedSignup | Depth::Booking => &[],
            Depth::Demo => &[Self::DEMOS],
            Depth::Card => &[Self::CARDS],
            Depth::Deposit => &[Self::DEPOSITS, Self::PAYMENTS, Self::REFUNDS],
            Depth::Order => &[Self::ORDERS, Self::PAYMENTS, Self::REFUNDS],
        };
        own.iter().copied()
    }

    /// Its entry.
    pub fn metric(self) -> &'static Metric {
        &CATALOGUE[usize::from(self.0)]
    }

    /// Its position in the catalogue, `0..METRICS`.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl fmt::Display for MetricId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.metric().name)
    }
}

impl fmt::Debug for MetricId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.metric().name)
    }
}

impl TryFrom<String> for MetricId {
    type Error = String;
    fn try_from(name: String) -> Result<Self, String> {
        Self::named(&name).ok_or_else(|| format!("there is no metric {name:?}"))
    }
}

impl Serialize for MetricId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.metric().name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_name_their_entries() {
        for (id, name) in [
            (MetricId::IMPRESSIONS, "impressions"),
            (MetricId::CLICKS, "clicks"),
            (MetricId::VISITS, "visits"),
            (MetricId::SPEND, "spend"),
            (MetricId::CONVERSIONS, "conversions"),
            (MetricId::LEADS, "leads"),
            (MetricId::FORM_OPENS, "form_opens"),
            (MetricId::SIGNUPS, "signups"),
            (MetricId::ENGAGEMENTS, "engagements"),
            (MetricId::VERIFIED_SIGNUPS, "verified_signups"),
            (MetricId::QUALIFIED_SIGNUPS, "qualified_signups"),
            (MetricId::DEMOS, "demos"),
            (MetricId::CARDS, "cards"),
            (MetricId::DEPOSITS, "deposits"),
            (MetricId::ORDERS, "orders"),
            (MetricId::PAYMENTS, "payments"),
            (MetricId::REFUNDS, "refunds"),
        ] {
            assert_eq!(id.metric().name, name);
            assert_eq!(MetricId::named(name), Some(id));
        }
    }
}
