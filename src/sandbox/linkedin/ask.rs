//! What a call of `adAnalytics` asks for, read as strictly as the vendor reads it.

use chrono::NaiveDate;

use super::restli::{Query, Restli};
use super::{Answer, bad};
use crate::sandbox::world::Level;

/// Most names in `fields`.
const MOST_FIELDS: usize = 20;
const FIELDS: [&str; 18] = [
    "dateRange",
    "pivotValues",
    "impressions",
    "clicks",
    "landingPageClicks",
    "costInLocalCurrency",
    "costInUsd",
    "externalWebsiteConversions",
    "externalWebsitePostClickConversions",
    "externalWebsitePostViewConversions",
    "oneClickLeads",
    "oneClickLeadFormOpens",
    "qualifiedLeads",
    "validWorkEmailLeads",
    "totalEngagements",
    "reactions",
    "comments",
    "shares",
];

/// What an element is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Pivot {
    Account,
    CampaignGroup,
    Campaign,
    Creative,
}

/// A call.
pub(super) struct Ask {
    pub(super) pivots: Vec<Pivot>,
    /// First and last day, both inclusive.
    pub(super) first: NaiveDate,
    pub(super) last: NaiveDate,
    pub(super) by_day: bool,
    /// Account numbers.
    pub(super) accounts: Vec<String>,
    pub(super) fields: Vec<String>,
}

impl Ask {
    pub(super) fn read(query: &Query, today: NaiveDate) -> Result<Self, Answer> {
        query.only(&["q", "pivot", "pivots", "timeGranularity", "dateRange", "accounts", "fields"]).map_err(bad)?;
        let pivots = match query.text("q").map_err(bad)?.as_deref() {
            Some("analytics") => vec![query.text("pivot").map_err(bad)?.ok_or_else(|| bad("pivot is missing"))?],
            Some("statistics") => query.list("pivots").map_err(bad)?.ok_or_else(|| bad("pivots is missing"))?,
            _ => return Err(bad("The finders are q=analytics and q=statistics")),
        };
        if pivots.len() > 3 {
            return Err(bad("There may be three pivots at most"));
        }
        let by_day = match query.text("timeGranularity").map_err(bad)?.as_deref() {
            Some("DAILY") => true,
            Some("ALL") => false,
            _ => return Err(bad("timeGranularity: the sandbox knows DAILY and ALL")),
        };
        let range = query.record("dateRange").map_err(bad)?.ok_or_else(|| bad("dateRange is missing"))?;
        if range.keys().any(|name| name != "start" && name != "end") {
            return Err(bad("dateRange has start and end"));
        }
        let first = day(range.get("start"))?.ok_or_else(|| bad("dateRange has no start"))?;
        let last = day(range.get("end"))?.unwrap_or(today);
        if last < first {
            return Err(bad("dateRange ends before it starts"));
        }
        let accounts = query.list("accounts").map_err(bad)?.ok_or_else(|| bad("accounts is missing"))?;
        let number = |urn: String| match urn.strip_prefix("urn:li:sponsoredAccount:") {
            Some(number) if !number.is_empty() && number.bytes().all(|it| it.is_ascii_digit()) => Ok(number.to_owned()),
            _ => Err(bad("accounts holds something that is no sponsoredAccount URN")),
        };
        Ok(Self {
            pivots: pivots.iter().map(|name| pivot(name)).collect::<Result<_, _>>()?,
            first,
            last,
            by_day,
            accounts: accounts.into_iter().map(number).collect::<Result<_, _>>()?,
            fields: fields(query)?,
        })
    }

    /// The finest of the pivots; `None`: the account as a whole.
    pub(super) fn level(&self) -> Option<Level> {
        match self.pivots.iter().max()? {
            Pivot::Account => None,
            Pivot::CampaignGroup => Some(Level::Campaign),
            Pivot::Campaign => Some(Level::AdGroup),
            Pivot::Creative => Some(Level::Ad),
        }
    }
}

fn pivot(name: &str) -> Result<Pivot, Answer> {
    Ok(match name {
        "ACCOUNT" => Pivot::Account,
        "CAMPAIGN_GROUP" => Pivot::CampaignGroup,
        "CAMPAIGN" => Pivot::Campaign,
        "CREATIVE" => Pivot::Creative,
        _ => return Err(bad("pivot: the sandbox knows ACCOUNT, CAMPAIGN_GROUP, CAMPAIGN and CREATIVE")),
    })
}

/// Three whole numbers.
fn day(value: Option<&Restli>) -> Result<Option<NaiveDate>, Answer> {
    let Some(value) = value else { return Ok(None) };
    let wrong = || bad("A day is (year:2026,month:11,day:1)");
    let Restli::Record(parts) = value else { return Err(wrong()) };
    let part = |name: &str| match parts.get(name) {
        Some(Restli::Text(text)) => text.parse::<u32>().ok(),
        _ => None,
    };
    let [Some(year), Some(month), Some(day)] = ["year", "month", "day"].map(part) else { return Err(wrong()) };
    let year = i32::try_from(year).map_err(|_| wrong())?;
    NaiveDate::from_ymd_opt(year, month, day).filter(|_| parts.len() == 3).map(Some).ok_or_else(wrong)
}

/// Unasked, impressions and clicks come, and nothing that says whose or of which day they are.
fn fields(query: &Query) -> Result<Vec<String>, Answer> {
    let Some(names) = query.list("fields").map_err(bad)? else {
        return Ok(["impressions", "clicks"].map(str::to_owned).to_vec());
    };
    if names.len() > MOST_FIELDS {
        return Err(bad("There may be 20 fields at most"));
    }
    match names.iter().find(|name| !FIELDS.contains(&name.as_str())) {
        Some(name) => Err(bad(format!("Projection field {name} is not known"))),
        None => Ok(names),
    }
}
