//! How each source was read lately: its state, how far it has settled, when its access ends, and a strip of days.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, Utc};
use chrono_tz::Tz;
use maud::{Markup, html};
use serde::Serialize;

use super::DAYS;
use crate::decide::figures;
use crate::domain::concept;
use crate::domain::id::SourceId;
use crate::domain::run::{Outcome, Run};
use crate::domain::verdict::Verdict;
use crate::schedule::logins::{Finding, Why};
use crate::store::Reached;
use crate::web::asked::Part;
use crate::web::moment::Moment;
use crate::web::parts;

/// When each source was read, newest first.
pub(super) type Readings = BTreeMap<SourceId, Vec<Reached>>;

/// How a day went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Mark {
    /// Every reading worked.
    Worked,
    /// One failed, another worked.
    Late,
    /// None worked.
    Failed,
    /// Nothing was asked.
    NotDue,
}

/// One source.
#[derive(Debug, Serialize)]
pub(super) struct Source {
    #[serde(rename = "name")]
    pub(super) id: SourceId,
    connector: String,
    state: State,
    last_read: Option<DateTime<Utc>>,
    pub(super) settled_to: Option<NaiveDate>,
    access: String,
    version: String,
    /// Oldest first, today last.
    days: Vec<(NaiveDate, Mark)>,
    #[serde(skip)]
    now: DateTime<Utc>,
    #[serde(skip)]
    zone: Tz,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    /// Its login needs a person.
    Stopped,
    /// It was asked last and did not answer.
    Failing,
    /// It was never read.
    Unread,
    /// People bring its files.
    ByHand,
    Sound,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Stopped => "Stopped",
            Self::Failing => "Failing",
            Self::Unread => "Not read yet",
            Self::ByHand => "By hand",
            Self::Sound => "Sound",
        }
    }
}

/// Every source of any experiment.
pub(super) fn of(moment: &Moment) -> BTreeMap<&SourceId, &concept::Source> {
    moment.concepts().flat_map(|(experiment, _)| &experiment.sources).map(|source| (&source.id, source)).collect()
}

/// Every source: those with a fault first, then in order of name.
pub(super) fn all<'r>(
    moment: &Moment,
    readings: &Readings,
    failed: impl Iterator<Item = &'r Run>,
    logins: &[Finding],
) -> Vec<Source> {
    let mut failures: BTreeMap<&str, Vec<DateTime<Utc>>> = BTreeMap::new();
    for run in failed {
        let Some(Outcome::Failed { advice }) = &run.outcome else { continue };
        for source in advice.iter().filter_map(|advice| advice.split_once(": ")).map(|(source, _)| source) {
            failures.entry(source).or_default().push(run.due_at);
        }
    }
    let none = Vec::new();
    let mut sources: Vec<Source> = of(moment)
        .into_iter()
        .map(|(id, source)| {
            let failures = failures.get(id.as_str()).unwrap_or(&none);
            one(moment, source, readings.get(id).map_or(&[], Vec::as_slice), failures, logins)
        })
        .collect();
    sources.sort_by_key(|source| match source.state {
        State::Stopped => 0,
        State::Failing => 1,
        _ => 2,
    });
    sources
}

fn one(
    moment: &Moment,
    source: &concept::Source,
    readings: &[Reached],
    failures: &[DateTime<Utc>],
    logins: &[Finding],
) -> Source {
    let zone = readings.first().map_or_else(|| moment.zone(), |reached| reached.zone);
    let on = |at: DateTime<Utc>| at.with_timezone(&zone).date_naive();
    let today = on(moment.now);
    let mark = |day: NaiveDate| match (
        readings.iter().any(|reached| on(reached.at) == day),
        failures.iter().any(|&at| on(at) == day),
    ) {
        (true, false) => Mark::Worked,
        (true, true) => Mark::Late,
        (false, true) => Mark::Failed,
        (false, false) => Mark::NotDue,
    };
    let first = today.checked_sub_days(Days::new(u64::try_from(DAYS - 1).unwrap_or(0))).unwrap_or(today);
    let login = logins.iter().find(|finding| finding.sources.contains(&source.id));
    let last = readings.first();
    let is_failing = failures.iter().max().is_some_and(|&failed| last.is_none_or(|last| last.at < failed));
    let connector = moment.work.parts.registry.get(&source.connector).map(|connector| connector.info().clone());
    let lag = Days::new(source.maturity_lag_days.into());
    Source {
        id: source.id.clone(),
        connector: connector.as_ref().map_or_else(|| source.connector.clone(), |info| info.title.clone()),
        state: match (login, last) {
            (Some(login), _) if login.stops() => State::Stopped,
            _ if is_failing => State::Failing,
            (_, None) => State::Unread,
            _ if !source.scheduled => State::ByHand,
            _ => State::Sound,
        },
        last_read: last.map(|last| last.at),
        settled_to: last.and_then(|last| Some(last.last_day.min(on(last.at).checked_sub_days(lag)?))),
        access: access(moment, source, login, today),
        version: connector.map_or_else(String::new, |info| match (&info.api_version, info.sunset_on) {
            (Some(version), Some(ends)) => format!("{version} until {}", figures::day(ends, today)),
            (Some(version), None) => format!("{version}, no end known"),
            (None, _) => "no versions".to_owned(),
        }),
        days: first.iter_days().take_while(|day| *day <= today).map(|day| (day, mark(day))).collect(),
        now: moment.now,
        zone: moment.zone(),
    }
}

/// When access to it ends.
fn access(moment: &Moment, source: &concept::Source, login: Option<&Finding>, today: NaiveDate) -> String {
    let has_login = moment.work.parts.sources.get(&source.id).is_some_and(|access| access.login.is_some());
    match login {
        Some(Finding { why: Why::Ends { at, .. }, .. }) => {
            figures::day(at.with_timezone(&moment.zone()).date_naive(), today)
        }
        Some(Finding { why: Why::Ended, command, .. }) => format!("ended: `{command}`"),
        Some(Finding { why: Why::Refused { .. }, command, .. }) => format!("refused: `{command}`"),
        Some(Finding { why: Why::NoToken, command, .. }) => format!("no login yet: `{command}`"),
        Some(Finding { why: Why::Sealed(_), command, .. }) => format!("cannot be opened: `{command}`"),
        None if has_login => "not soon".to_owned(),
        None => "no login".to_owned(),
    }
}

/// The section.
pub(super) fn drawn(sources: &[Source], part: &Part) -> Markup {
    html! {
        section.section aria-labelledby="sources" {
            h2 id="sources" { "Sources" }
            @if sources.is_empty() {
                (parts::state("Nothing is read yet.", &["Name a source in `[source.NAME]` and in its experiment: `willitsell init` asks you through it."]))
            } @else {
                table.stack.sources {
                    thead { tr {
                        th scope="col" { "Source" } th scope="col" { "State" } th scope="col" { "Last read" } th scope="col" { "Settled to" }
                        th scope="col" { "Access ends" } th scope="col" { "Interface version" } th.days-read scope="col" { "Days read, today at right" }
                    } }
                    tbody { @for source in sources { (source.drawn()) } }
                }
                (part.pages("sources"))
                p.note { "Full: every reading worked. Half: late, then recovered. Crossed box: failed. Empty: not due." }
            }
        }
    }
}

impl Source {
    fn drawn(&self) -> Markup {
        let is_bad = matches!(self.state, State::Stopped | State::Failing);
        html! {
            tr {
                th scope="row" { (self.id) div.small { (self.connector) } }
                td.nobreak { @if is_bad { (parts::shape(Verdict::Blocked)) " " b { (self.state.word()) } } @else { (self.state.word()) } }
                td { span.label { "Last read " } @match self.last_read { Some(at) => (parts::when(at, self.now, self.zone)), None => "never" } }
                td { span.label { "Settled to " } @match self.settled_to {
                    Some(day) => (parts::day(day, self.now.with_timezone(&self.zone).date_naive())),
                    None => "no day yet",
                } }
                td { span.label { "Access ends: " } (parts::prose(&self.access)) }
                td { span.label { "Interface version " } (self.version) }
                td.days-read { (self.strip()) }
            }
        }
    }

    /// Height and cross carry it, not colour.
    fn strip(&self) -> Markup {
        let bad = self.days.iter().filter(|(_, mark)| matches!(mark, Mark::Failed | Mark::Late));
        let said: Vec<String> = bad.map(|(day, mark)| format!("{} {}", day.format("%a %-d %b"), mark.word())).collect();
        let label = if said.is_empty() { "no reading failed in 14 days".to_owned() } else { said.join(", ") };
        html! {
            svg.days viewBox="0 0 224 18" role="img" aria-label=(label) {
                @for (position, (day, mark)) in self.days.iter().enumerate() {
                    @let left = position * 16;
                    g {
                        title { (day.format("%a %-d %b")) ": " (mark.word()) }
                        @match mark {
                            Mark::Worked => rect.full x=(left) y="1" width="14" height="16" {},
                            Mark::Late => {
                                rect.empty x=(left) y="1.5" width="13" height="15" {}
                                rect.full x=(left) y="9" width="14" height="8" {}
                            }
                            Mark::Failed => {
                                rect.failed x=(left + 1) y="2" width="12" height="14" {}
                                path.failed d={ "M" (left + 4) " 5.5l6 7m0-7l-6 7" } {}
                            }
                            Mark::NotDue => rect.empty x=(left) y="1.5" width="13" height="15" {},
                        }
                    }
                }
            }
        }
    }
}
