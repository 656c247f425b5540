//! Reads one window page by page: asks, judges, reads, hands each page's rows over as one batch, and stops
//! where the pages end, repeat or contradict each other.

use std::collections::{BTreeMap, HashSet};

use chrono::NaiveDate;
use chrono_tz::Tz;
use serde_json::value::RawValue;

use super::ManifestConnector;
use super::ask::{Answered, Asker};
use super::errors::{Judged, Said, Then, Unreadable, judge};
use super::extract::{Broken, Found, Kind, Seen, unquoted};
use super::identity::{Ledger, Row};
use super::number::shown;
use super::rows::{PageRows, Reader, Reading};
use crate::connect::{PullError, PullFacts, PullRequest};
use crate::domain::connector::RowSink;
use crate::domain::money::Currency;

/// Most bytes of one window, all pages together.
const WINDOW_BYTES: usize = 2 * 1024 * 1024 * 1024;

/// Reads one window.
pub(super) async fn pull(
    connector: &ManifestConnector,
    request: &PullRequest<'_>,
    sink: &mut dyn RowSink,
) -> Result<PullFacts, PullError> {
    let manifest = &connector.manifest;
    let reader = Reader::compile(manifest, request.settings)
        .map_err(|saw| PullError::Shape { path: manifest.info.name.clone(), saw })?;
    let reading = Reading { window: request.window, zone: request.zone };
    let mut asker = Asker::new(connector, request)?;
    let mut window = Window::new(&reader);
    let mut cursor: Option<String> = None;
    'pages: loop {
        asker.next_page();
        loop {
            let answer = asker.call(cursor.as_deref()).await?;
            let answered = Answered::of(&answer);
            let page = into_text(answer.body, &reader)?;
            let judged = judge(&reader, &manifest.errors, answered.status, &page, asker.has_login(), reading);
            match judged {
                Judged::Rows(found, rows) => {
                    let taken = window.take(&reader, &page, &found, rows, sink).await;
                    cursor = taken.map_err(|error| asker.cleaned(error))?;
                    break;
                }
                Judged::Then(Then::Empty, _) => {
                    window.pages += 1;
                    break 'pages;
                }
                Judged::Then(then, said) => act(&mut asker, then, &answered, &said).await?,
                Judged::Unreadable(Unreadable::Broken(Broken::Torn)) => {
                    let torn = "the answer ends in the middle, so nothing of it was used; the next run tries again";
                    asker.pause(None, PullError::Network(torn.to_owned())).await?;
                }
                Judged::Unreadable(why) => return Err(unreadable(&asker, &reader, &answered, &page, why)),
            }
        }
        if cursor.is_none() {
            break;
        }
        window.go_on(cursor.as_deref(), connector.patience.pages, &asker)?;
    }
    window.facts(&reader, request, manifest.info.name.as_str()).map_err(|error| asker.cleaned(error))
}

fn into_text(body: Vec<u8>, reader: &Reader) -> Result<String, PullError> {
    String::from_utf8(body).map_err(|error| PullError::Shape {
        path: reader.each.clone(),
        saw: format!("the answer is not UTF-8 from byte {} on", error.utf8_error().valid_up_to()),
    })
}

/// Does what an answer that is no page asks for; returns where the page is to be asked for again.
async fn act(asker: &mut Asker<'_>, then: Then, answered: &Answered, said: &Said) -> Result<(), PullError> {
    let status = answered.status;
    let message =
        said.message.as_deref().map_or_else(|| "it gives no reason".to_owned(), |message| asker.shown(message));
    let vendor = |message: String| PullError::Vendor { status, message };
    match then {
        Then::Retry => {
            let wait = asker.asked_wait(answered, said);
            asker.pause(wait, vendor(format!("{message}; it may pass, the next run tries again"))).await
        }
        Then::Wait => {
            let wait = asker.asked_wait(answered, said);
            asker.pause(wait, PullError::RateLimited { retry_after: wait }).await
        }
        Then::Renew => asker.renew(said).await,
        Then::Login => Err(asker.refused(said)),
        Then::Skip => Err(vendor(format!(
            "{message}; this account cannot be read at the moment, so its days stay as they were: check that the account is active and open to this login"
        ))),
        Then::Retired => Err(PullError::Retired {
            message: format!(
                "the vendor has ended the version of its API we ask ({message}); set `api_version` in the source's settings to a newer one"
            ),
        }),
        Then::Empty | Then::Stop => {
            Err(vendor(format!("{message}; nothing of this window was used: check the source's settings")))
        }
    }
}

fn unreadable(asker: &Asker<'_>, reader: &Reader, answered: &Answered, page: &str, why: Unreadable) -> PullError {
    let shape = |path: &str, saw: String| asker.cleaned(PullError::Shape { path: path.to_owned(), saw });
    match why {
        Unreadable::NotApi => PullError::Vendor {
            status: answered.status,
            message: format!(
                "{} came instead of an API answer; check the address in the settings. It begins: {}",
                if answered.html { "a web page" } else { "other text" },
                asker.shown(page)
            ),
        },
        Unreadable::Empty => shape(&reader.each, "the answer is empty".to_owned()),
        Unreadable::Broken(Broken::NotJson { byte }) => {
            shape(&reader.each, format!("the answer is not JSON from byte {byte} on"))
        }
        Unreadable::Broken(Broken::Torn) => shape(&reader.each, "the answer ends in the middle".to_owned()),
        Unreadable::Broken(Broken::Fault { fault, byte }) => {
            let row = fault.row.map(|row| format!("row {row}, ")).unwrap_or_default();
            shape(&fault.path, format!("{row}byte {byte} of the answer: {}", fault.saw))
        }
    }
}

/// What a window has brought so far.
struct Window {
    ledger: Ledger,
    pages: u32,
    bytes: usize,
    rows: u64,
    repeats: u64,
    outside: Option<(u64, NaiveDate)>,
    zone: Option<String>,
    currency: Option<String>,
    present: Vec<bool>,
    cursors: HashSet<String>,
    /// Pages in a row that brought nothing new.
    stale_pages: u32,
}

impl Window {
    fn new(reader: &Reader) -> Self {
        Self {
            ledger: Ledger::default(),
            pages: 0,
            bytes: 0,
            rows: 0,
            repeats: 0,
            outside: None,
            zone: None,
            currency: None,
            present: vec![false; reader.number_paths().count()],
            cursors: HashSet::new(),
            stale_pages: 0,
        }
    }

    /// Hands a page's rows over; returns the next page's cursor, if there is a next page.
    async fn take<'p>(
        &mut self,
        reader: &Reader,
        page: &'p str,
        found: &Found<'p>,
        mut rows: PageRows<'p>,
        sink: &mut dyn RowSink,
    ) -> Result<Option<String>, PullError> {
        self.pages += 1;
        self.bytes = self.bytes.saturating_add(page.len());
        if !found.list && !says_none(reader, found) {
            return Err(PullError::Shape { path: reader.each.clone(), saw: no_list(page) });
        }
        let (zone_path, currency_path) = reader.zone_and_currency();
        same(&mut self.zone, rows.zone, zone_path)?;
        same(&mut self.currency, rows.currency, currency_path)?;
        for (ever, here) in self.present.iter_mut().zip(&rows.present) {
            *ever |= here;
        }
        if let Some((count, day)) = rows.outside {
            let (before, first) = self.outside.unwrap_or((0, day));
            self.outside = Some((before + count, first));
        }
        let repeats = self.repeats;
        let ledger = &mut self.ledger;
        let batch = rows.batch(|fingerprint, name| match ledger.enter(fingerprint) {
            Row::New => Ok(true),
            Row::Repeat => {
                self.repeats += 1;
                Ok(false)
            }
            Row::Contradiction => Err(PullError::Shape {
                path: reader.each.clone(),
                saw: format!("{} comes twice and says two things", name()),
            }),
        })?;
        self.stale_pages = if batch.is_empty() && self.repeats > repeats { self.stale_pages + 1 } else { 0 };
        if !batch.is_empty() {
            self.rows += batch.len() as u64;
            sink.accept(&batch).await?;
        }
        drop(batch);
        if rows.seen == 0 {
            return Ok(None);
        }
        let Some(slot) = reader.cursor else { return Ok(None) };
        let cursor = reader
            .page_text(slot, page, found)
            .map_err(|fault| PullError::Shape { path: fault.path, saw: fault.saw })?;
        Ok(cursor.map(std::borrow::Cow::into_owned))
    }

    /// Refuses to go on where the pages do not end.
    fn go_on(&mut self, cursor: Option<&str>, most_pages: u32, asker: &Asker<'_>) -> Result<(), PullError> {
        let Some(cursor) = cursor else { return Ok(()) };
        let shown = asker.shown(cursor);
        let endless = |why: String| Err(PullError::Shape { path: "the next page".to_owned(), saw: why });
        if !self.cursors.insert(cursor.to_owned()) {
            return endless(format!("the vendor leads in a circle: it names the page `{shown}` a second time"));
        }
        if self.stale_pages > 1 {
            return endless(format!("two pages brought only rows that were there before; the next would be `{shown}`"));
        }
        if self.pages >= most_pages {
            return endless(format!("more than {most_pages} pages, the last named `{shown}`; ask for fewer days"));
        }
        if self.bytes > WINDOW_BYTES {
            return endless(format!("more than {WINDOW_BYTES} bytes in {} pages; ask for fewer days", self.pages));
        }
        Ok(())
    }

    fn facts(self, reader: &Reader, request: &PullRequest<'_>, connector: &str) -> Result<PullFacts, PullError> {
        let (zone_path, currency_path) = reader.zone_and_currency();
        let not = |path: Option<&str>, value: &str, what: &str| PullError::Shape {
            path: path.unwrap_or(connector).to_owned(),
            saw: format!("{} is not {what}", shown(value)),
        };
        let day_zone = match &self.zone {
            None => request.zone,
            Some(json) => {
                unquoted(json).parse::<Tz>().map_err(|_| not(zone_path, json, "a time zone such as Europe/Berlin"))?
            }
        };
        let currency = match &self.currency {
            None => None,
            Some(json) => Some(
                Currency::from_code(&unquoted(json))
                    .ok_or_else(|| not(currency_path, json, "a currency code such as EUR"))?,
            ),
        };
        let mut warnings = Vec::new();
        if self.repeats > 0 {
            warnings.push(format!("{} rows came twice, word for word, and were counted once", self.repeats));
        }
        if let Some((count, day)) = self.outside {
            warnings.push(format!("{count} rows of days that were not asked for, such as {day}, were left out"));
        }
        for (path, present) in reader.number_paths().zip(&self.present) {
            if self.rows > 0 && !present {
                warnings.push(format!(
                    "no row had `{path}`, so it counts as zero; if that cannot be, the vendor renamed it"
                ));
            }
        }
        Ok(PullFacts {
            pages: self.pages,
            rows: self.rows,
            day_zone,
            currency,
            version: request.settings.plain("api_version").map(str::to_owned),
            covered: request.window,
            warnings,
        })
    }
}

/// The page says that there is nothing, in the way its manifest names.
fn says_none(reader: &Reader, found: &Found<'_>) -> bool {
    let there = |seen: &Seen<'_>| matches!(seen, Seen::Value(json) if Kind::of(json) != Kind::Null);
    reader.none_if.is_some_and(|slot| found.all(slot).iter().any(there))
}

/// What stands where the list of rows should: the page's own names, never its values.
fn no_list(page: &str) -> String {
    match serde_json::from_str::<BTreeMap<String, &RawValue>>(page) {
        Ok(members) if members.is_empty() => "no list of rows there; the answer is `{}`".to_owned(),
        Ok(members) => {
            let names: Vec<_> = members.keys().take(8).map(|name| format!("`{name}`")).collect();
            format!("no list of rows there; the answer has {}", names.join(", "))
        }
        Err(_) => "no list of rows there".to_owned(),
    }
}

/// Zone and currency belong to the account: one for the whole window.
fn same(before: &mut Option<String>, now: Option<&str>, path: Option<&str>) -> Result<(), PullError> {
    match (before.as_deref(), now) {
        (Some(before), Some(now)) if before != now => Err(PullError::Shape {
            path: path.unwrap_or_default().to_owned(),
            saw: format!("{} differs from {} on the pages before", shown(now), shown(before)),
        }),
        (None, Some(now)) => {
            *before = Some(now.to_owned());
            Ok(())
        }
        _ => Ok(()),
    }
}
