//! What stands around every page: head, navigation, the line that says whether the data can be trusted, foot.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use maud::{DOCTYPE, Markup, html};
use serde::Serialize;

use super::assets::Assets;
use super::moment::{Moment, Standing};
use super::parts;
use crate::domain::concept::Experiment;
use crate::domain::verdict::Verdict;

/// Where a page stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// All concepts, also each of them.
    Portfolio,
    /// What testing costs and brings.
    Money,
    /// What was decided.
    Decisions,
    /// Whether numbers can be trusted.
    Health,
}

impl Place {
    const ALL: [Self; 4] = [Self::Portfolio, Self::Money, Self::Decisions, Self::Health];

    fn word(self) -> &'static str {
        match self {
            Self::Portfolio => "Portfolio",
            Self::Money => "Money",
            Self::Decisions => "Decisions",
            Self::Health => "Health",
        }
    }

    /// Its address.
    pub fn path(self) -> &'static str {
        match self {
            Self::Portfolio => "/",
            Self::Money => "/money",
            Self::Decisions => "/decisions",
            Self::Health => "/health",
        }
    }
}

/// One page: what it says, to be shown or given as JSON.
pub trait Page: Serialize {
    /// Begins the browser's title with what matters: `BUILD: Invoice Autopilot`.
    fn title(&self) -> String;
    /// Where it stands.
    fn place(&self) -> Place;
    /// What is between head and foot, its `h1` first.
    fn body(&self) -> Markup;
    /// What stands at its foot beside the zone.
    fn foot(&self) -> Markup {
        html! {}
    }
}

/// What stands around every page: zones, and whether the data can be trusted.
pub struct Around {
    /// When it was read.
    pub now: DateTime<Utc>,
    zone: Tz,
    /// Where the days of every experiment end, where that is one place.
    day_zone: Option<Tz>,
    /// Concepts with a verdict.
    judged: usize,
    /// The names of those without one that can be trusted.
    blocked: Vec<String>,
    /// The last day that counts for any of them.
    settled_to: Option<NaiveDate>,
    /// When a source was last read.
    last_pull: Option<DateTime<Utc>>,
}

impl Around {
    /// Of a moment.
    pub fn of(moment: &Moment) -> Self {
        let experiments = &moment.work.experiments;
        let mut zones = experiments.iter().map(|experiment| experiment.timezone);
        let first = zones.next();
        let day_zone = first.filter(|first| zones.all(|zone| zone == *first));
        let is_blocked =
            |standing: &Standing| standing.unreadable.is_some() || standing.verdict() == Some(Verdict::Blocked);
        let blocked = moment.concepts().filter(|(_, standing)| is_blocked(standing));
        Self {
            now: moment.now,
            zone: moment.zone(),
            day_zone,
            judged: moment.concepts().filter(|(_, standing)| standing.latest.is_some()).count(),
            blocked: blocked.map(|(experiment, _)| experiment.concept.title.clone()).collect(),
            settled_to: moment.concepts().filter_map(|(_, standing)| Some(standing.card()?.last_settled_day)).max(),
            last_pull: moment.last_reading,
        }
    }

    /// What day it is in an experiment's zone.
    pub fn today(&self, experiment: &Experiment) -> NaiveDate {
        self.now.with_timezone(&experiment.timezone).date_naive()
    }
}

/// The zone that instants are printed in where no script asks for the reader's: most experiments' own.
pub fn usual_zone(experiments: &[Experiment]) -> Tz {
    let mut zones: BTreeMap<&str, (usize, Tz)> = BTreeMap::new();
    for experiment in experiments {
        zones.entry(experiment.timezone.name()).or_insert((0, experiment.timezone)).0 += 1;
    }
    zones.into_values().max_by_key(|(often, _)| *often).map_or(Tz::UTC, |(_, zone)| zone)
}

/// A page as a browser gets it.
pub fn framed(assets: &Assets, around: &Around, has_login: bool, page: &impl Page) -> Markup {
    let foot = html! {
        (page.foot())
        " Times in " span data-zone { (around.zone) } "."
        @if let Some(days) = around.day_zone { " Ad days end at midnight " (days) "." }
        @if has_login { " " a href="/logout" { "Log out" } }
    };
    let trust = html! { a.trust href="/health" { (trust(around)) } };
    whole(assets, &page.title(), Some(page.place()), &trust, &page.body(), &foot)
}

/// A page that could not be made, and what to do about it.
pub fn failed(assets: &Assets, title: &str, what: &str, more: &[&str]) -> Markup {
    let body = html! { h1 { (title) } (parts::state(what, more)) };
    whole(assets, title, None, &html! {}, &body, &html! { "Other pages may work." })
}

/// A page for who may not see the others yet, or no more.
pub fn outside(assets: &Assets, title: &str, body: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (linked_head(assets, title))
            body { main { div.wrap { (body) } } }
        }
    }
}

fn linked_head(assets: &Assets, title: &str) -> Markup {
    head(
        &format!("{title} · Will it sell?"),
        &html! {
            link rel="stylesheet" href=(assets.style);
            link rel="icon" href=(assets.icon) type="image/svg+xml";
            script defer src=(assets.script) {}
        },
    )
}

fn whole(assets: &Assets, title: &str, here: Option<Place>, trust: &Markup, body: &Markup, foot: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            (linked_head(assets, title))
            body {
                a.skip href="#content" { "Skip to content" }
                header.top {
                    div.wrap {
                        a.brand href="/" { "Will it sell?" }
                        nav.pages aria-label="Pages" {
                            @for place in Place::ALL {
                                a href=(place.path()) aria-current=[(here == Some(place)).then_some("page")] { (place.word()) }
                            }
                        }
                        (trust)
                    }
                }
                main id="content" { div.wrap { (body) footer.foot { (foot) } } }
            }
        }
    }
}

/// The head of a page or a report, with what else belongs there.
pub fn head(title: &str, more: &Markup) -> Markup {
    html! {
        head {
            meta charset="utf-8";
            meta name="viewport" content="width=device-width, initial-scale=1";
            title { (title) }
            (more)
        }
    }
}

/// Whether the data can be trusted, in one line: `Data sound. Settled to Sun 15 Mar, pulled 14 min ago`.
fn trust(around: &Around) -> Markup {
    let (judged, zone) = (around.judged, around.zone);
    let today = around.now.with_timezone(&zone).date_naive();
    let settled = around.settled_to.map(|day| html! { " Settled to " (parts::day(day, today)) });
    let pulled = around.last_pull.map(|at| html! { ", pulled " (parts::when(at, around.now, zone)) });
    let ring = parts::shape(Verdict::Blocked);
    html! {
        @match &around.blocked[..] {
            _ if judged == 0 => span { b { "No verdict yet." } },
            [] => { (tick()) span { b { "Data sound." } @if let Some(settled) = settled { (settled) } @if let Some(pulled) = pulled { (pulled) } } }
            [one] => { (ring) span { b { (one) " blocked." } " " (judged.saturating_sub(1)) " of " (judged) " sound" } }
            some => { (ring) span { b { (some.len()) " concepts blocked." } " " (judged.saturating_sub(some.len())) " of " (judged) " sound" } }
        }
    }
}

/// Holds, with the word beside it.
pub fn tick() -> Markup {
    html! {
        svg.glyph viewBox="0 0 16 16" aria-hidden="true" {
            path d="M2.5 8.5 6.5 12.5 13.5 4" fill="none" stroke="currentColor" stroke-width="2" {}
        }
    }
}
