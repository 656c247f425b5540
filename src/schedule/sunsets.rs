//! Tells people that the version of an API a source asks is about to end: once a step, 90, 30 and 7 days before and when
//! it is over. What is said stands in `domain/sunset.rs`.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, NaiveDate, Utc};

use crate::domain::audience::{self, Topic};
use crate::domain::concept::Experiment;
use crate::domain::connector::{ConnectorInfo, SourceAccess};
use crate::domain::id::SourceId;
use crate::domain::message::{Delivery, Message};
use crate::domain::sunset::{Sunset, sunset};

/// A source whose API is about to end.
pub struct Ending<'a> {
    source: &'a SourceId,
    ends: NaiveDate,
    /// The step it has come to and what happens when.
    pub sunset: Sunset,
}

/// Every source that is at one of the steps at `now`.
pub fn endings<'a>(
    sources: &'a BTreeMap<SourceId, SourceAccess>,
    infos: &[ConnectorInfo],
    now: DateTime<Utc>,
) -> Vec<Ending<'a>> {
    let ending = |access: &'a SourceAccess| {
        let info = infos.iter().find(|info| info.name == access.source.connector)?;
        let sunset = sunset(info, Some(&access.settings), now.date_naive())?;
        Some(Ending { source: &access.source.id, ends: info.sunset_on?, sunset })
    };
    sources.values().filter_map(ending).collect()
}

/// One message about each to everybody who is told of an experiment that reads the source. The ids stay the same until
/// the next step.
pub fn notices(endings: &[Ending<'_>], experiments: &[Experiment], now: DateTime<Utc>) -> Vec<Delivery> {
    let mut deliveries = Vec::new();
    for Ending { source, ends, sunset } in endings {
        let mut told = BTreeSet::new();
        for experiment in
            experiments.iter().filter(|experiment| experiment.sources.iter().any(|read| read.id == **source))
        {
            let message = Message {
                concept: experiment.concept.id.clone(),
                verdict: None,
                decision: None,
                topics: vec![Topic::Health],
                headline: format!("API · {source} · its version ends on {ends}"),
                lines: vec![("Next".to_owned(), sunset.what.clone())],
                decided_at: now,
            };
            let all = audience::deliveries(experiment, &message).into_iter();
            for delivery in all.filter(|delivery| told.insert(delivery.destination.clone())) {
                deliveries.push(delivery.called(&format!("sunset_{source}_{ends}_{}", sunset.step)));
            }
        }
    }
    deliveries
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::concept::Source;
    use crate::domain::connector::Settings;
    use crate::domain::id::DestinationId;
    use crate::domain::intake::Intake;
    use crate::schedule::tests::experiment;

    #[test]
    fn h27_everybody_is_told_once_a_step_however_often_it_is_looked_and_restarted() {
        let source = Source {
            id: SourceId::new("search"),
            connector: "ads".into(),
            channel: None,
            maturity_lag_days: 3,
            metrics: vec![],
            scheduled: true,
            leave_out: [].into(),
            people: None,
            depth: None,
            nameless: false,
            names_apart: false,
            fractional: vec![],
            set_aside: BTreeSet::new(),
            accept_shrink: None,
        };
        let mut one = experiment("0 6 * * *", "2026-01-01", None);
        one.sources = vec![source.clone()];
        one.notify = vec![DestinationId::new("team"), DestinationId::new("boss")];
        let experiments = [one.clone(), Experiment { notify: vec![DestinationId::new("team")], ..one }];
        let access = SourceAccess {
            source: source.clone(),
            settings: Settings::default(),
            login: None,
            intake: Intake::default(),
            inbound: None,
        };
        let sources = BTreeMap::from([(source.id, access)]);
        let ends: NaiveDate = "2026-12-01".parse().unwrap();
        let infos = [ConnectorInfo {
            name: "ads".into(),
            title: "Ads".into(),
            api_version: Some("v3".into()),
            sunset_on: Some(ends),
            ..ConnectorInfo::default()
        }];
        let mut now: DateTime<Utc> = "2026-08-01T00:10:00Z".parse().unwrap();
        let mut told: BTreeMap<String, NaiveDate> = BTreeMap::new();
        while now.date_naive() < ends + chrono::Days::new(60) {
            for delivery in notices(&endings(&sources, &infos, now), &experiments, now) {
                assert!(delivery.id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)));
                told.entry(delivery.id).or_insert(now.date_naive());
            }
            now += chrono::Duration::hours(7);
        }
        let team: Vec<_> = told.iter().filter(|(id, _)| id.ends_with("team")).map(|(_, day)| *day).collect();
        let mut left: Vec<i64> = team.iter().map(|day| (ends - *day).num_days()).collect();
        left.sort_unstable();
        assert_eq!((left.as_slice(), told.len()), ([0, 7, 30, 90].as_slice(), 8), "{told:?}");
    }
}
