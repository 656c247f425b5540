//! The metric catalogue: what may be counted, in which unit, and which way is better. A metric is
//! one entry here and one migration that adds its column to `observation` and `observation_before`
//! (a test compares the two).

use std::fmt;

use serde::{Deserialize, Serialize};

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
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MetricId(u8);

const fn count(name: &'static str, noun: &'static str, acts: &'static str, help: &'static str) -> Metric {
    Metric { name, unit: Unit::Count, direction: Direction::HigherIsBetter, noun, acts, help }
}

/// How many metrics there are.
pub const METRICS: usize = 9;

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

    /// Finds a metric by its name.
    pub fn named(name: &str) -> Option<Self> {
        Self::all().find(|id| id.metric().name == name)
    }

    /// Every metric, in the order of its column.
    pub fn all() -> impl Iterator<Item = Self> {
        (0u8..).take(METRICS).map(Self)
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

impl From<MetricId> for String {
    fn from(id: MetricId) -> String {
        id.metric().name.to_owned()
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
        ] {
            assert_eq!(id.metric().name, name);
            assert_eq!(MetricId::named(name), Some(id));
        }
    }
}
