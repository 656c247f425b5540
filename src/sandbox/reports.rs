//! Reports that take their time: handed in, asked about, fetched from another host under an address of
//! five minutes. What a report holds and how its state is worded stands with its vendor.

use std::collections::BTreeMap;

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::{DateTime, Duration, Utc};

use super::faults::Answer;
use super::{Endpoint, Shared, held};

/// How slow a vendor's reports are.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// How often a report is asked about before it is done.
    pub waits: u32,
    /// Addresses, the first of each vendor, that have ended when they are given out.
    pub stale_urls: u32,
    /// Reports that may be open at once.
    pub open: usize,
}

impl Default for Pace {
    fn default() -> Self {
        Self { waits: 2, stale_urls: 0, open: 5 }
    }
}

/// A finished report.
#[derive(Clone)]
pub(super) struct File {
    pub(super) content_type: &'static str,
    pub(super) bytes: Vec<u8>,
}

struct Report {
    asked: DateTime<Utc>,
    waits: u32,
    /// `None`: no data.
    file: Option<File>,
}

/// Every report handed in and every address given out.
#[derive(Default)]
pub(super) struct Reports {
    known: BTreeMap<(Endpoint, String), Report>,
    addresses: BTreeMap<String, (DateTime<Utc>, File)>,
    stale: BTreeMap<Endpoint, u32>,
}

/// How a report stands.
pub(super) enum Standing {
    Unknown,
    /// Kept too long ago.
    Ended,
    Waiting,
    /// With the key of its file, if there is one.
    Done(Option<String>),
}

/// How long an address of a file is good.
const ADDRESS: Duration = Duration::minutes(5);

impl Reports {
    /// `None` where too many are open.
    pub(super) fn hand_in(
        &mut self,
        vendor: Endpoint,
        pace: Pace,
        now: DateTime<Utc>,
        file: Option<File>,
    ) -> Option<String> {
        let open = self.known.iter().filter(|((of, _), report)| *of == vendor && report.waits > 0).count();
        if open >= pace.open {
            return None;
        }
        let id = format!("{}{:04}", now.timestamp(), self.known.len() + 1);
        self.known.insert((vendor, id.clone()), Report { asked: now, waits: pace.waits, file });
        Some(id)
    }

    pub(super) fn ask(
        &mut self,
        vendor: Endpoint,
        pace: Pace,
        now: DateTime<Utc>,
        id: &str,
        kept: Duration,
    ) -> Standing {
        let Some(report) = self.known.get_mut(&(vendor, id.to_owned())) else { return Standing::Unknown };
        if report.asked + kept <= now {
            return Standing::Ended;
        }
        if report.waits > 0 {
            report.waits -= 1;
            return Standing::Waiting;
        }
        let Some(file) = report.file.clone() else { return Standing::Done(None) };
        let given = self.stale.entry(vendor).or_default();
        let since = if *given < pace.stale_urls { now - ADDRESS } else { now };
        *given += 1;
        let key = format!("{id}-{}", self.addresses.len() + 1);
        self.addresses.insert(key.clone(), (since, file));
        Standing::Done(Some(key))
    }
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/reports/{key}", get(fetch))
}

/// As cloud storage does it: the address is the permission, and a second one is an error.
async fn fetch(State(state): State<Shared>, Path(key): Path<String>, headers: HeaderMap) -> Result<Response, Answer> {
    if headers.contains_key(header::AUTHORIZATION) {
        return Err(refusal(400, "InvalidAuthenticationInfo"));
    }
    let file = held(&state.reports)
        .addresses
        .get(&key)
        .filter(|(since, _)| state.now() < *since + ADDRESS)
        .map(|(_, file)| file.clone())
        .ok_or_else(|| refusal(403, "AuthenticationFailed"))?;
    Ok(([(header::CONTENT_TYPE, file.content_type)], file.bytes).into_response())
}

fn refusal(status: u16, code: &str) -> Answer {
    let body = format!("<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code></Error>");
    Answer::new(status, "application/xml", body)
}
