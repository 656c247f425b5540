//! As much of Google Ads' query language as the fake account answers: a choice of fields of campaigns,
//! ad groups or ads, their metrics and days, over one range of days. Everything else is refused with the
//! vendor's own error code, never guessed at.

use chrono::NaiveDate;

use super::world::Level;

/// A field that can be chosen, in the order in which rows are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Field {
    CustomerId,
    CustomerCurrency,
    CustomerZone,
    CampaignId,
    CampaignName,
    CampaignStatus,
    AdGroupId,
    AdGroupName,
    AdId,
    AdName,
    Impressions,
    Clicks,
    Interactions,
    Engagements,
    Cost,
    Conversions,
    AllConversions,
    ViewThrough,
    Date,
}

/// Name in a query, object and key in an answer.
const FIELDS: [(Field, &str, &str, &str); 19] = [
    (Field::CustomerId, "customer.id", "customer", "id"),
    (Field::CustomerCurrency, "customer.currency_code", "customer", "currencyCode"),
    (Field::CustomerZone, "customer.time_zone", "customer", "timeZone"),
    (Field::CampaignId, "campaign.id", "campaign", "id"),
    (Field::CampaignName, "campaign.name", "campaign", "name"),
    (Field::CampaignStatus, "campaign.status", "campaign", "status"),
    (Field::AdGroupId, "ad_group.id", "adGroup", "id"),
    (Field::AdGroupName, "ad_group.name", "adGroup", "name"),
    (Field::AdId, "ad_group_ad.ad.id", "adGroupAd.ad", "id"),
    (Field::AdName, "ad_group_ad.ad.name", "adGroupAd.ad", "name"),
    (Field::Impressions, "metrics.impressions", "metrics", "impressions"),
    (Field::Clicks, "metrics.clicks", "metrics", "clicks"),
    (Field::Interactions, "metrics.interactions", "metrics", "interactions"),
    (Field::Engagements, "metrics.engagements", "metrics", "engagements"),
    (Field::Cost, "metrics.cost_micros", "metrics", "costMicros"),
    (Field::Conversions, "metrics.conversions", "metrics", "conversions"),
    (Field::AllConversions, "metrics.all_conversions", "metrics", "allConversions"),
    (Field::ViewThrough, "metrics.view_through_conversions", "metrics", "viewThroughConversions"),
    (Field::Date, "segments.date", "segments", "date"),
];

impl Field {
    /// The coarsest rows that have it.
    fn level(self) -> Level {
        match self {
            Self::AdGroupId | Self::AdGroupName => Level::AdGroup,
            Self::AdId | Self::AdName => Level::Ad,
            _ => Level::Campaign,
        }
    }

    /// Object and key in an answer.
    pub(super) fn place(self) -> (&'static str, &'static str) {
        FIELDS.iter().find(|(field, ..)| *field == self).map_or(("", ""), |(_, _, object, key)| (object, key))
    }
}

/// A query that can be answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Query {
    /// What a row is about.
    pub(super) level: Level,
    /// Without repeats, in printing order.
    pub(super) fields: Vec<Field>,
    /// First and last day, both inclusive.
    pub(super) first: NaiveDate,
    pub(super) last: NaiveDate,
}

/// A `queryError` code.
pub(super) type QueryError = &'static str;

pub(super) fn parse(text: &str) -> Result<Query, QueryError> {
    let words: Vec<&str> = text.split([' ', '\n', '\r', '\t']).filter(|word| !word.is_empty()).collect();
    let position = |word: &str| words.iter().position(|it| it.eq_ignore_ascii_case(word));
    if position("SELECT") != Some(0) {
        return Err("EXPECTED_SELECT");
    }
    let from = position("FROM").ok_or("EXPECTED_FROM")?;
    let named = words[1..from].concat();
    let mut fields = Vec::new();
    for name in named.split(',') {
        let (field, ..) = FIELDS.iter().find(|(_, it, ..)| *it == name).ok_or("UNRECOGNIZED_FIELD")?;
        fields.push(*field);
    }
    fields.sort_unstable();
    fields.dedup();
    let mut rest = words[from + 1..].iter().copied();
    let level = match rest.next() {
        Some("campaign") => Level::Campaign,
        Some("ad_group") => Level::AdGroup,
        Some("ad_group_ad") => Level::Ad,
        Some(_) => return Err("BAD_RESOURCE_TYPE_IN_FROM_CLAUSE"),
        None => return Err("UNEXPECTED_END_OF_QUERY"),
    };
    if fields.iter().any(|field| field.level() > level) {
        return Err("PROHIBITED_RESOURCE_TYPE_IN_SELECT_CLAUSE");
    }
    let condition = rest.collect::<Vec<_>>();
    let is_range = |at: usize, word: &str| condition.get(at).is_some_and(|it| it.eq_ignore_ascii_case(word));
    if condition.is_empty() {
        return Err("EXPECTED_FILTERS_ON_DATE_RANGE");
    }
    if !is_range(0, "WHERE") || !is_range(1, "segments.date") || !is_range(2, "BETWEEN") || !is_range(4, "AND") {
        return Err("BAD_OPERATOR");
    }
    if condition.len() != 6 {
        return Err("UNEXPECTED_INPUT");
    }
    let day = |quoted: &str| {
        let inner = ['\'', '"'].iter().find_map(|&mark| quoted.strip_prefix(mark)?.strip_suffix(mark))?;
        NaiveDate::parse_from_str(inner, "%Y-%m-%d").ok()
    };
    let (first, last) = day(condition[3]).zip(day(condition[5])).ok_or("BAD_VALUE")?;
    if last < first {
        return Err("INVALID_VALUE_WITH_BETWEEN_OPERATOR");
    }
    Ok(Query { level, fields, first, last })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAYS: &str = "WHERE segments.date BETWEEN '2026-11-01' AND '2026-11-07'";

    fn of(fields: &str, rest: &str) -> Result<Query, QueryError> {
        parse(&["SELECT", fields, rest].join(" "))
    }

    #[test]
    fn reads_the_documented_shape_however_it_is_spaced() {
        let query =
            of("campaign.id ,segments.date,\n  metrics.cost_micros", &format!("FROM campaign\n {DAYS}")).unwrap();
        assert_eq!(query.level, Level::Campaign);
        assert_eq!(query.fields, [Field::CampaignId, Field::Cost, Field::Date]);
        assert_eq!((query.last - query.first).num_days(), 6);
    }

    #[test]
    fn refuses_what_it_cannot_answer_truthfully() {
        assert_eq!(parse("campaign.id FROM campaign"), Err("EXPECTED_SELECT"));
        for (fields, rest, code) in [
            ("campaign.id", DAYS, "EXPECTED_FROM"),
            ("campaign.budget", "FROM campaign", "UNRECOGNIZED_FIELD"),
            ("campaign.id", "FROM", "UNEXPECTED_END_OF_QUERY"),
            ("campaign.id", "FROM keyword_view", "BAD_RESOURCE_TYPE_IN_FROM_CLAUSE"),
            ("ad_group.id", "FROM campaign", "PROHIBITED_RESOURCE_TYPE_IN_SELECT_CLAUSE"),
            ("ad_group_ad.ad.id", "FROM ad_group", "PROHIBITED_RESOURCE_TYPE_IN_SELECT_CLAUSE"),
            ("campaign.id", "FROM campaign", "EXPECTED_FILTERS_ON_DATE_RANGE"),
            ("campaign.id", "FROM campaign WHERE campaign.id = 7", "BAD_OPERATOR"),
            ("campaign.id", &format!("FROM campaign {DAYS} AND campaign.id = 7"), "UNEXPECTED_INPUT"),
            ("campaign.id", "FROM campaign WHERE segments.date BETWEEN 2026-11-01 AND 2026-11-07", "BAD_VALUE"),
            (
                "campaign.id",
                "FROM campaign WHERE segments.date BETWEEN '2026-11-08' AND '2026-11-07'",
                "INVALID_VALUE_WITH_BETWEEN_OPERATOR",
            ),
        ] {
            assert_eq!(of(fields, rest), Err(code), "{fields} {rest}");
        }
    }
}
