//! What stands around every page: head, navigation, the line that says whether the data can be trusted, foot.

use maud::{DOCTYPE, Markup, html};
use serde::Serialize;

use super::assets::Assets;
use super::moment::Moment;
use super::parts;
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

/// A page as a browser gets it.
pub fn framed(assets: &Assets, moment: &Moment, page: &impl Page) -> Markup {
    let zone = moment.zone();
    let foot = html! {
        (page.foot())
        " Times in " span data-zone { (zone) } "."
        @if let Some(days) = moment.day_zones() { " Ad days end at midnight " (days) "." }
    };
    let trust = html! { a.trust href="/health" { (trust(moment)) } };
    whole(assets, &page.title(), Some(page.place()), &trust, &page.body(), &foot)
}

/// A page that could not be made, and what to do about it.
pub fn failed(assets: &Assets, title: &str, what: &str, more: &[&str]) -> Markup {
    let body = html! { h1 { (title) } (parts::state(what, more)) };
    whole(assets, title, None, &html! {}, &body, &html! { "Other pages may work." })
}

fn whole(assets: &Assets, title: &str, here: Option<Place>, trust: &Markup, body: &Markup, foot: &Markup) -> Markup {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) " · Will it sell?" }
                link rel="stylesheet" href=(assets.style);
                link rel="icon" href=(assets.icon) type="image/svg+xml";
                script defer src=(assets.script) {}
            }
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

/// Whether the data can be trusted, in one line: `Data sound. Settled to Sun 15 Mar, pulled 14 min ago`.
fn trust(moment: &Moment) -> Markup {
    let all = moment.concepts().filter(|(_, standing)| standing.latest.is_some()).count();
    let blocked: Vec<&str> = moment
        .concepts()
        .filter(|(_, standing)| standing.verdict() == Some(Verdict::Blocked) || standing.unreadable.is_some())
        .map(|(experiment, _)| experiment.concept.title.as_str())
        .collect();
    let settled = moment.settled_to().map(|day| html! { " Settled to " (parts::day(day, moment.date())) });
    let pulled = moment.last_pull().map(|at| html! { ", pulled " (parts::when(at, moment.now, moment.zone())) });
    let ring = parts::shape(Verdict::Blocked);
    html! {
        @match &blocked[..] {
            _ if all == 0 => span { b { "No verdict yet." } },
            [] => { (tick()) span { b { "Data sound." } @if let Some(settled) = settled { (settled) } @if let Some(pulled) = pulled { (pulled) } } }
            [one] => { (ring) span { b { (one) " blocked." } " " (all.saturating_sub(1)) " of " (all) " sound" } }
            some => { (ring) span { b { (some.len()) " concepts blocked." } " " (all.saturating_sub(some.len())) " of " (all) " sound" } }
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
