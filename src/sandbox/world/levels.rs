//! What an account is made of: campaigns, their ad groups, their ads, each with a stable id and name.
//! An ad's figures are a share of its campaign's, so those of a level always add up to those of the
//! level above. A part may have no delivery on a day on which its campaign has some.

use chrono::NaiveDate;

use super::{Figures, SimArm, SimCampaign, SimConcept, World, day_number};
use crate::sandbox::chance;

/// How fine figures are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// A campaign.
    Campaign,
    /// An ad group, ad set or ad squad: a part of a campaign.
    AdGroup,
    /// An ad: a part of an ad group.
    Ad,
}

/// A campaign or a part of it, with what it belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entity {
    /// The campaign's id.
    pub campaign: u64,
    /// The campaign's name.
    pub campaign_name: String,
    /// The ad group, unless this is a campaign.
    pub ad_group: Option<u64>,
    /// The ad, if this is one.
    pub ad: Option<u64>,
    /// Key of the arm it leads to; `None` for a campaign of no concept.
    pub arm: Option<String>,
}

/// Figures and whose they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdDay {
    /// Id of the campaign, ad group or ad.
    pub id: u64,
    /// In the account's zone.
    pub day: NaiveDate,
    /// What is shown.
    pub figures: Figures,
}

/// Ids of campaigns of no concept follow this one.
const OTHER_CAMPAIGN: u64 = 50_000_000_000;
/// Ad groups of a campaign.
const AD_GROUPS: u64 = 2;
/// Ads of an ad group.
const ADS: u64 = 2;
/// An ad group's id is its campaign's followed by two digits, an ad's that of its ad group likewise.
const DIGITS: u64 = 100;

impl Level {
    /// How many of this level a campaign has.
    fn per_campaign(self) -> u64 {
        match self {
            Self::Campaign => 1,
            Self::AdGroup => AD_GROUPS,
            Self::Ad => AD_GROUPS * ADS,
        }
    }
}

impl Entity {
    /// The id at its own level.
    pub fn id(&self) -> u64 {
        self.ad.or(self.ad_group).unwrap_or(self.campaign)
    }

    /// The ad group's name. It has a comma and quotation marks, as names do.
    pub fn ad_group_name(&self) -> Option<String> {
        self.ad_group.map(|id| format!("{}, \"{}\"", self.campaign_name, ["broad", "exact"][nth(id)]))
    }

    /// The ad's name.
    pub fn ad_name(&self) -> Option<String> {
        let (group, ad) = (self.ad_group?, self.ad?);
        Some(format!("{} – {}{}", self.campaign_name, ["a", "b"][nth(group)], nth(ad) + 1))
    }

    /// The name at its own level.
    pub fn name(&self) -> String {
        self.ad_name().or_else(|| self.ad_group_name()).unwrap_or_else(|| self.campaign_name.clone())
    }
}

impl World {
    /// How many campaigns, ad groups or ads the account has.
    pub fn count(&self, level: Level) -> u64 {
        (self.own_campaigns().count() as u64 + u64::from(self.other_campaigns)) * level.per_campaign()
    }

    /// Id of what stands at `position`, `0..count(level)`. Parts of one campaign stand together.
    pub fn id(&self, level: Level, position: u64) -> u64 {
        let campaign = self.campaign_id(position / level.per_campaign());
        let group = |nth: u64| campaign * DIGITS + 1 + nth;
        let part = position % level.per_campaign();
        match level {
            Level::Campaign => campaign,
            Level::AdGroup => group(part),
            Level::Ad => group(part / ADS) * DIGITS + 1 + part % ADS,
        }
    }

    /// What stands at `position`, `0..count(level)`.
    pub fn entity(&self, level: Level, position: u64) -> Entity {
        let id = self.id(level, position);
        let (ad_group, ad) = match level {
            Level::Campaign => (None, None),
            Level::AdGroup => (Some(id), None),
            Level::Ad => (Some(id / DIGITS), Some(id)),
        };
        let at = position / level.per_campaign();
        let own = self.own_campaign(at);
        Entity {
            campaign: self.campaign_id(at),
            campaign_name: own.map_or_else(|| format!("Campaign {at}"), |(.., campaign)| campaign.name.clone()),
            ad_group,
            ad,
            arm: own.map(|(_, arm, _)| arm.key.clone()),
        }
    }

    /// Position of an id; `None` where the account has no such thing.
    pub fn find(&self, level: Level, id: u64) -> Option<u64> {
        let campaign = match level {
            Level::Campaign => id,
            Level::AdGroup => id / DIGITS,
            Level::Ad => id / DIGITS / DIGITS,
        };
        let own = self.own_campaigns().position(|(.., it)| it.id == campaign).and_then(|at| u64::try_from(at).ok());
        let at = own.or_else(|| campaign.checked_sub(OTHER_CAMPAIGN))?;
        let parts = at.checked_mul(level.per_campaign())?..(at + 1).checked_mul(level.per_campaign())?;
        parts.take_while(|&position| position < self.count(level)).find(|&position| self.id(level, position) == id)
    }

    /// What the ad platform shows on `today` for what stands at `position`; `None` without impressions.
    pub fn figures(&self, level: Level, position: u64, day: NaiveDate, today: NaiveDate) -> Option<Figures> {
        if !self.has_ads(day) || day > today {
            return None;
        }
        let at = position / level.per_campaign();
        let whole = match self.own_campaign(at) {
            Some((concept, arm, campaign)) => {
                self.shown(&self.campaign_day(concept, arm, campaign, day), campaign, day, today)
            }
            None => self.other_figures(at, day),
        };
        let part = position % level.per_campaign();
        let figures = match level {
            Level::Campaign => whole,
            Level::AdGroup => self.share(&whole, at, day, part * ADS..(part + 1) * ADS),
            Level::Ad => self.share(&whole, at, day, part..part + 1),
        };
        (figures.impressions > 0).then_some(figures)
    }

    /// Every row the ad platform has on `today` for the days from `first` to `last`.
    pub fn rows(
        &self,
        level: Level,
        first: NaiveDate,
        last: NaiveDate,
        today: NaiveDate,
    ) -> impl Iterator<Item = AdDay> {
        first.iter_days().take_while(move |&day| day <= last).flat_map(move |day| {
            (0..self.count(level)).filter_map(move |position| {
                let figures = self.figures(level, position, day, today)?;
                Some(AdDay { id: self.id(level, position), day, figures })
            })
        })
    }

    fn campaign_id(&self, at: u64) -> u64 {
        self.own_campaign(at).map_or(OTHER_CAMPAIGN + at, |(.., campaign)| campaign.id)
    }

    pub(super) fn own_campaigns(&self) -> impl Iterator<Item = (&SimConcept, &SimArm, &SimCampaign)> {
        self.concepts.iter().flat_map(|concept| {
            concept.arms.iter().flat_map(move |arm| arm.campaigns.iter().map(move |campaign| (concept, arm, campaign)))
        })
    }

    fn own_campaign(&self, at: u64) -> Option<(&SimConcept, &SimArm, &SimCampaign)> {
        self.own_campaigns().nth(usize::try_from(at).ok()?)
    }

    /// The part of a campaign's day that falls to some of its ads, so that all parts add up to the whole.
    fn share(&self, whole: &Figures, at: u64, day: NaiveDate, ads: std::ops::Range<u64>) -> Figures {
        // On one day in eight an ad is not shown; the first always is.
        let weight = |ad: u64| match chance::mix(
            self.seed ^ chance::mix(at << 8 ^ ad) ^ u64::from(day_number(day).unsigned_abs()),
        ) {
            bits if ad > 0 && bits % 8 == 0 => 0,
            bits => 2 + (bits >> 8) % 3,
        };
        let up_to = |end: u64| (0..end).map(weight).sum::<u64>();
        let (before, after, all) = (up_to(ads.start), up_to(ads.end), up_to(AD_GROUPS * ADS));
        let of = |total: u64| total * after / all - total * before / all;
        Figures {
            impressions: of(whole.impressions),
            clicks: of(whole.clicks),
            // Whole cents, as platforms bill.
            cost_micros: of(whole.cost_micros / 10_000) * 10_000,
            conversion_hundredths: of(whole.conversion_hundredths),
            leads: of(whole.leads),
            view_leads: of(whole.view_leads),
            // Clicks are engagements: the part keeps them among its own.
            engagements: of(whole.clicks) + of(whole.engagements - whole.clicks),
        }
    }
}

/// Whether an ad group or ad is the first or second of its kind.
fn nth(id: u64) -> usize {
    usize::from(id % DIGITS == 2)
}
