//! Reads one window: in one call or in parts, page by page, each page's rows handed over as one batch; and
//! what is done about an answer that is no page. Which page is next is `pager`'s business.

use chrono::{Days, NaiveDate};

use super::account::Account;
use super::ask::{Answered, Asker};
use super::call::Prepared;
use super::errors::{Judged, Said, Then, Unreadable, judge};
use super::extract::Broken;
use super::fan;
use super::fill::Filling;
use super::pager::Pager;
use super::report;
use super::rows::{Dated, Reader, Reading};
use super::unpack;
use super::window::Window;
use super::{Manifest, ManifestConnector, Request};
use crate::connect::{PullError, PullFacts, PullRequest};
use crate::domain::connector::RowSink;
use crate::domain::observation::DateWindow;

/// Why a window was not read whole.
pub(super) enum Halt {
    /// There is no more to be done about it.
    Failed(PullError),
    /// Too much was asked for at once: fewer days may pass. A vendor's words have no advice yet.
    TooMuch(PullError),
    /// Pages contradict each other, as they do when rows move between them: another reading may agree.
    Moved(PullError),
}

impl From<Halt> for PullError {
    fn from(halt: Halt) -> Self {
        match halt {
            Halt::Failed(error) | Halt::Moved(error) => error,
            Halt::TooMuch(error) => {
                advised(error, "it wants fewer days, but this call names none: check the source's settings")
            }
        }
    }
}

impl From<PullError> for Halt {
    fn from(error: PullError) -> Self {
        Self::Failed(error)
    }
}

/// Reads one window: at once, or in ever smaller parts where the vendor cannot give that much; a second
/// time where its pages contradict each other.
pub(super) async fn pull(
    connector: &ManifestConnector,
    call: &Request,
    request: &PullRequest<'_>,
    sink: &mut dyn RowSink,
) -> Result<PullFacts, PullError> {
    let manifest = &connector.manifest;
    let reader = Reader::compile(manifest, request.settings, request.questions)
        .map_err(|saw| PullError::Shape { path: manifest.info.name.clone(), saw })?;
    let (covered, too_old) = askable(manifest, request)?;
    let mut asker = Asker::new(connector, call, request)?;
    let account = Account::look_up(manifest, request, &mut asker, &reader).await?;
    account.zone.into_iter().for_each(|zone| asker.set_zone(zone));
    let mut days = u32::try_from((covered.last() - covered.first()).num_days()).unwrap_or(u32::MAX).saturating_add(1);
    let mut moved = false;
    loop {
        let window = Window::new(&reader, covered);
        let mut run = Run { connector, call, request, reader: &reader, asker: &mut asker, window, sink: &mut *sink };
        match run.read(&covered.slices(Some(days))).await {
            Ok(()) => {
                run.window.heard.clean(run.asker);
                let facts = run.window.facts(&reader, request, manifest);
                let facts = account.complete(facts.map_err(|error| asker.cleaned(error))?);
                let warnings =
                    too_old.into_iter().chain(facts.warnings).chain(asker.unrenewed.take()).chain(asker.ending.take());
                return Ok(PullFacts { warnings: warnings.collect(), ..facts });
            }
            Err(Halt::TooMuch(_)) if days > 1 && !manifest.unbounded => days /= 2,
            Err(Halt::Moved(_)) if !moved => moved = true,
            Err(Halt::TooMuch(error)) if !manifest.unbounded => return Err(asker.cleaned(advised(error, EVEN_A_DAY))),
            Err(halt) => return Err(asker.cleaned(halt.into())),
        }
        sink.clear().await?;
    }
}

/// The days of the window that the vendor still has, and what to say of the others.
fn askable(manifest: &Manifest, request: &PullRequest<'_>) -> Result<(DateWindow, Option<String>), PullError> {
    let Some(oldest) = manifest.info.oldest_days else { return Ok((request.window, None)) };
    // The vendor counts from its own today, which may begin hours before the experiment's.
    let today = request.now.with_timezone(&manifest.days.zone(request)).date_naive();
    let first = today.checked_sub_days(Days::new(u64::from(oldest))).unwrap_or(NaiveDate::MIN);
    if request.window.first() >= first {
        return Ok((request.window, None));
    }
    let kept = DateWindow::new(first, request.window.last()).ok_or(PullError::TooOld { oldest, first })?;
    let lost = format!("the vendor has no days older than {oldest} days: none before {first} was asked for");
    Ok((kept, Some(lost)))
}

/// One reading of a window, from its first page on.
pub(super) struct Run<'r, 'a> {
    pub(super) connector: &'r ManifestConnector,
    pub(super) call: &'r Request,
    pub(super) request: &'r PullRequest<'r>,
    pub(super) reader: &'r Reader,
    pub(super) asker: &'r mut Asker<'a>,
    pub(super) window: Window,
    pub(super) sink: &'r mut dyn RowSink,
}

impl Run<'_, '_> {
    /// Reads every part, batch by batch where ids are named.
    async fn read(&mut self, parts: &[DateWindow]) -> Result<(), Halt> {
        let manifest = &self.connector.manifest;
        let Some(fan) = &manifest.fan else {
            for &days in parts {
                self.call(days, &[]).await?;
            }
            return Ok(());
        };
        let filling = self.asker.filling();
        // The list of ids names no days: asking for fewer would change nothing.
        let ids =
            fan::ids(self.connector, fan, self.reader, self.asker, &filling).await.map_err(|halt| match halt {
                Halt::TooMuch(_) => Halt::Failed(halt.into()),
                halt => halt,
            })?;
        for &days in parts {
            for batch in ids.chunks(fan.batch) {
                self.call(days, batch).await?;
            }
        }
        Ok(())
    }

    /// Makes the manifest's call for these days and ids.
    async fn call(&mut self, days: DateWindow, ids: &[String]) -> Result<(), Halt> {
        let manifest = &self.connector.manifest;
        let page_size = manifest.paging.as_ref().and_then(|paging| paging.size);
        let filling = Filling { window: days, page_size, ids, ..self.asker.filling() };
        let prepared = Prepared::new(self.call, &filling)?;
        let reading = Reading { window: days, zone: filling.zone };
        self.window.begin_call();
        self.window.go_on(self.connector.patience.pages, None)?;
        if let Some(report) = &manifest.report {
            return report::read(self, report, &prepared, &filling).await;
        }
        let mut pager = Pager::new(manifest.paging.as_ref());
        while self.page(&prepared, &mut pager, reading).await? {
            let next = pager.shown(self.asker);
            self.window.go_on(self.connector.patience.pages, next.as_deref())?;
        }
        Ok(())
    }

    /// Asks for one page until it comes, and hands its rows over; returns whether there is another.
    async fn page(&mut self, prepared: &Prepared, pager: &mut Pager<'_>, reading: Reading) -> Result<bool, Halt> {
        let (manifest, reader) = (&self.connector.manifest, self.reader);
        self.asker.next_call();
        loop {
            let mut number = String::new();
            let answer = self.asker.call(prepared, pager.extra(&mut number).as_slice()).await?;
            let (answered, headers) = (Answered::of(&answer), answer.headers);
            let mut page = into_text(answer.body, &reader.each)?;
            if manifest.rows.lines && (200..300).contains(&answered.status) {
                page = unpack::list_of_lines(&page);
            }
            match judge(reader, &manifest.errors, answered.status, &page, self.asker.has_login(), reading) {
                Judged::Rows(found, rows) => {
                    let marks = reader.marks(&page, &found)?;
                    let over = |full_at| rows.seen >= full_at || marks.total().is_some_and(|total| total > full_at);
                    if let Some(full_at) = manifest.rows.full_at.filter(|full_at| over(*full_at)) {
                        return Err(Halt::TooMuch(cut_short(reader, full_at)));
                    }
                    let past = manifest.rows.newest_first && past(rows.dated, reading, &reader.each)?;
                    self.window.heard.listen_to(reader, &headers);
                    let brought = self.window.take(reader, &page, &found, rows, &mut *self.sink).await?;
                    return if past { Ok(false) } else { pager.turn(marks, brought, self.asker) };
                }
                Judged::Then(Then::Empty, _) => {
                    self.window.pages += 1;
                    return pager.nothing().map(|()| false);
                }
                Judged::Then(then, said) => act(self.asker, then, &answered, &said).await?,
                Judged::Unreadable(Unreadable::Broken(Broken::Torn)) => self.asker.pause(None, torn()).await?,
                Judged::Unreadable(why) => {
                    return Err(unreadable(self.asker, &reader.each, &answered, &page, why).into());
                }
            }
        }
    }
}

/// Whether a page of rows from the newest to the oldest holds none but those older than the days asked for, so that the
/// next can hold no others.
fn past(dated: Option<Dated>, reading: Reading, place: &str) -> Result<bool, PullError> {
    let Some(Dated { first, last, newest }) = dated else { return Ok(false) };
    if first < last {
        return Err(PullError::Shape {
            path: place.to_owned(),
            saw: format!(
                "the first row of the page is of {first} and its last of {last}, where the newest should come first: reading \
                 would end too early, so nothing was used"
            ),
        });
    }
    Ok(newest.with_timezone(&reading.zone).date_naive() < reading.window.first())
}

const EVEN_A_DAY: &str =
    "it refuses even a single day: ask for a coarser level or smaller pages, or split the account over several sources";

/// A vendor's refusal with what to do about it.
fn advised(error: PullError, advice: &str) -> PullError {
    match error {
        PullError::Vendor { status, message } => PullError::Vendor { status, message: format!("{message}; {advice}") },
        error => error,
    }
}

pub(super) fn cut_short(reader: &Reader, full_at: u64) -> PullError {
    PullError::Shape {
        path: reader.each.clone(),
        saw: format!(
            "{full_at} rows or more for a single day, where the vendor cuts an answer short; ask for a coarser level, or split the account over several sources"
        ),
    }
}

/// A body as text; `place` is named where it is none.
pub(super) fn into_text(body: Vec<u8>, place: &str) -> Result<String, PullError> {
    String::from_utf8(body).map_err(|error| PullError::Shape {
        path: place.to_owned(),
        saw: format!("the answer is not UTF-8 from byte {} on", error.utf8_error().valid_up_to()),
    })
}

/// Half an answer, asked for again until patience ends.
pub(super) fn torn() -> PullError {
    PullError::Network("the answer ends in the middle, so nothing of it was used; the next run tries again".to_owned())
}

/// Does what an answer that is no page asks for; returns where the page is to be asked for again.
pub(super) async fn act(asker: &mut Asker<'_>, then: Then, answered: &Answered, said: &Said) -> Result<(), Halt> {
    let status = answered.status;
    let message =
        said.message.as_deref().map_or_else(|| "it gives no reason".to_owned(), |message| asker.shown(message));
    let vendor = |message: String| PullError::Vendor { status, message };
    let error = match then {
        Then::Retry => {
            let wait = asker.asked_wait(said);
            let last = vendor(format!("{message}; it may pass, the next run tries again"));
            return Ok(asker.pause(wait, last).await?);
        }
        Then::Wait => {
            let wait = asker.asked_rest(said);
            return Ok(asker.pause(wait, PullError::RateLimited { retry_after: wait }).await?);
        }
        Then::Renew => return Ok(asker.renew(said).await?),
        Then::Login => asker.refused(said),
        Then::Shrink => return Err(Halt::TooMuch(vendor(message))),
        Then::Skip => vendor(format!(
            "{message}; this account cannot be read at the moment, so its days stay as they were: check that the account is active and open to this login"
        )),
        Then::Retired => PullError::Retired {
            message: format!(
                "the vendor has ended the version of its API we ask ({message}); set `api_version` in the source's settings to a newer one"
            ),
        },
        Then::Empty | Then::Stop => {
            vendor(format!("{message}; nothing of this window was used: check the source's settings"))
        }
    };
    Err(error.into())
}

/// As [`unreadable`], of a page of a downloaded report.
pub(super) fn unreadable_report(asker: &Asker<'_>, place: &str, page: &str, why: Unreadable) -> PullError {
    unreadable(asker, place, &Answered { status: 200, html: false }, page, why)
}

/// What to say of an answer that is neither good nor an error the file knows.
pub(super) fn unreadable(
    asker: &Asker<'_>,
    place: &str,
    answered: &Answered,
    page: &str,
    why: Unreadable,
) -> PullError {
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
        Unreadable::Empty => shape(place, "the answer is empty".to_owned()),
        Unreadable::Broken(Broken::NotJson { byte }) => {
            shape(place, format!("the answer is not JSON from byte {byte} on"))
        }
        Unreadable::Broken(Broken::Torn) => shape(place, "the answer ends in the middle".to_owned()),
        Unreadable::Broken(Broken::Fault { fault, byte }) => {
            let row = fault.row.map(|row| format!("row {row}, ")).unwrap_or_default();
            shape(&fault.path, format!("{row}byte {byte} of the answer: {}", fault.saw))
        }
    }
}
