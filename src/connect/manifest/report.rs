//! Reports that a vendor prepares: handed in, asked after until they are ready, fetched without any proof of who
//! asks, and read as pages. A job on record is taken up again after a restart instead of being handed in twice.

use std::io::Read;
use std::time::Duration;

use chrono::TimeDelta;

use super::Request;
use super::call::Prepared;
use super::errors::{Judged, judge};
use super::fill::{Filling, Template};
use super::look::Look;
use super::page::{Halt, Run, cut_short, unreadable_report};
use super::rows::Reading;
use super::unpack::{self, Packing, Records};
use super::window::WINDOW_BYTES;
use crate::connect::PullError;
use crate::connect::http::{Answer, address, header, host_and_port};
use crate::domain::connector::{JobError, ReportJob};

/// Most bytes of a report that is not cut into pages.
const PAGE_BYTES: u64 = 64 * 1024 * 1024;
/// Fresh addresses asked for where one has run out.
const ADDRESSES: u32 = 3;

/// `[report]`
#[derive(Debug)]
pub(super) struct Report {
    pub(super) job: Template,
    pub(super) poll: Request,
    pub(super) status: Template,
    pub(super) states: States,
    pub(super) every: Duration,
    pub(super) within: Duration,
    pub(super) download: Template,
    /// A report that is ready and has no address holds no rows.
    pub(super) empty: bool,
    /// Address settings that hold the hosts of the download.
    pub(super) hosts: Vec<String>,
    pub(super) csv: bool,
    pub(super) packed: Packing,
}

/// What the words of a status mean.
#[derive(Debug, Default)]
pub(super) struct States {
    pub(super) waiting: Vec<String>,
    pub(super) done: Vec<String>,
    pub(super) failed: Vec<String>,
    pub(super) gone: Vec<String>,
}

/// What became of a job.
enum State {
    Ready(Option<String>),
    Gone,
}

impl From<JobError> for Halt {
    fn from(error: JobError) -> Self {
        Self::Failed(PullError::Jobs(error.to_string()))
    }
}

fn shape(path: &str, saw: impl Into<String>) -> PullError {
    PullError::Shape { path: path.to_owned(), saw: saw.into() }
}

/// Reads one report.
pub(super) async fn read(
    run: &mut Run<'_, '_>,
    report: &Report,
    prepared: &Prepared,
    filling: &Filling<'_>,
) -> Result<(), Halt> {
    let request = run.request;
    let key = prepared.fingerprint()?;
    let mut on_record = request.jobs.load(request.source, &key).await?.filter(|job| {
        // What was counted before may have changed since: only today's is taken up.
        let age = request.now - job.asked_at;
        let day = |at: chrono::DateTime<chrono::Utc>| at.with_timezone(&request.zone).date_naive();
        let within = TimeDelta::from_std(report.within).unwrap_or(TimeDelta::MAX);
        age >= TimeDelta::zero() && age <= within && day(job.asked_at) == day(request.now)
    });
    let mut anew = true;
    loop {
        let known = on_record.is_some();
        let job = match on_record.take() {
            Some(job) => job.id,
            None => match submit(run, report, prepared).await? {
                Some(id) => {
                    let job = ReportJob { id: id.clone(), asked_at: request.now };
                    request.jobs.save(request.source, &key, &job).await?;
                    id
                }
                None => return Ok(()),
            },
        };
        let outcome = follow(run, report, filling, &job).await;
        let gone = match outcome {
            Ok(gone) => gone,
            // A vendor may say in its own way that it no longer knows a job.
            Err(Halt::Failed(PullError::Vendor { .. })) if known => true,
            Err(halt) => {
                if !matches!(halt, Halt::Failed(PullError::Network(_) | PullError::RateLimited { .. })) {
                    request.jobs.forget(request.source, &key).await?;
                }
                return Err(halt);
            }
        };
        request.jobs.forget(request.source, &key).await?;
        if !gone {
            return Ok(());
        }
        if !std::mem::replace(&mut anew, false) {
            let message = "it lost the report twice while preparing it; the next run asks again".to_owned();
            return Err(PullError::Vendor { status: 200, message }.into());
        }
    }
}

/// Hands the report in; gives its job, or `None` where a rule of the file says that there is nothing.
async fn submit(run: &mut Run<'_, '_>, report: &Report, prepared: &Prepared) -> Result<Option<String>, Halt> {
    let path = |saw| shape("[report] job", saw);
    let look = Look::compile(&[&report.job], run.request.settings).map_err(path)?;
    let Some(texts) = look.ask(run.asker, prepared, &[], run.reader).await? else { return Ok(None) };
    match texts.concat().as_slice() {
        [job] if !job.is_empty() => Ok(Some(job.clone())),
        _ => Err(path("no job stands there".to_owned()).into()),
    }
}

/// Waits for a job, fetches what it made and reads it; returns whether the vendor has lost it.
async fn follow(run: &mut Run<'_, '_>, report: &Report, filling: &Filling<'_>, job: &str) -> Result<bool, Halt> {
    let poll = Prepared::new(&report.poll, &Filling { job: Some(job), ..*filling })?;
    let reading = Reading { window: filling.window, zone: filling.zone };
    let mut waited = Duration::ZERO;
    for _ in 0..ADDRESSES {
        let from = match ready(run, report, &poll, &mut waited).await? {
            State::Gone => return Ok(true),
            State::Ready(None) => {
                run.window.pages += 1;
                return Ok(false);
            }
            State::Ready(Some(from)) => from,
        };
        let hosts = report.hosts.iter().filter_map(|name| run.request.settings.plain(name));
        let hosts: Vec<_> = hosts.filter_map(|host| address(host).ok()).map(|url| host_and_port(&url)).collect();
        let answer = run.asker.download(&from, &hosts).await?;
        if (200..300).contains(&answer.status) {
            rows(run, report, answer, reading).await?;
            return Ok(false);
        }
        // Its address has run out: a fresh one is asked for.
    }
    let message = "the address of the finished report does not give it; the next run asks again";
    Err(PullError::Network(message.to_owned()).into())
}

/// Asks after a job until it is ready.
async fn ready(run: &mut Run<'_, '_>, report: &Report, poll: &Prepared, waited: &mut Duration) -> Result<State, Halt> {
    let look = Look::compile(&[&report.status, &report.download], run.request.settings)
        .map_err(|saw| shape("[report] status", saw))?;
    loop {
        // A rule that says there is nothing speaks of the job here: that is no report without rows.
        let Some(texts) = look.ask(run.asker, poll, &[], run.reader).await? else { return Ok(State::Gone) };
        let [status, from] = texts.as_slice() else { return Ok(State::Gone) };
        let [status] = status.as_slice() else {
            return Err(shape("[report] status", "no status stands there").into());
        };
        let is = |words: &[String]| words.contains(status);
        if is(&report.states.done) {
            return match from.iter().find(|from| !from.is_empty()) {
                Some(from) => Ok(State::Ready(Some(from.clone()))),
                None if report.empty => Ok(State::Ready(None)),
                None => Err(shape("[report] download", "the report is ready and no address stands there").into()),
            };
        }
        if is(&report.states.gone) {
            return Ok(State::Gone);
        }
        if is(&report.states.failed) {
            let message =
                format!("it could not make the report ({}); the next run asks again", run.asker.shown(status));
            return Err(PullError::Vendor { status: 200, message }.into());
        }
        if !is(&report.states.waiting) {
            let saw = format!("`{}` is no status the file knows", run.asker.shown(status));
            return Err(shape("[report] status", saw).into());
        }
        if *waited >= report.within {
            let message = format!(
                "the vendor has not finished the report within {} s; the next run asks after it again",
                report.within.as_secs()
            );
            return Err(PullError::Network(message).into());
        }
        *waited += run.asker.rest(report.every).await;
    }
}

/// Reads a report, page by page where it is CSV.
async fn rows(run: &mut Run<'_, '_>, report: &Report, answer: Answer, reading: Reading) -> Result<(), Halt> {
    let each = run.reader.each.clone();
    let wrong = |saw: String| shape(&each, format!("of the report: {saw}"));
    let ends_itself = answer.headers.contains_key(header::CONTENT_LENGTH)
        || answer.headers.contains_key(header::TRANSFER_ENCODING)
        || report.packed != Packing::None;
    if report.csv && !ends_itself {
        // Cut at the end of a line it would read like a whole one.
        return Err(PullError::Network("the report came without its length, so it may be cut short".to_owned()).into());
    }
    let limit = if report.csv { WINDOW_BYTES as u64 } else { PAGE_BYTES };
    let mut opened = unpack::open(answer.body, report.packed, limit).map_err(wrong)?;
    if !report.csv {
        let mut page = String::new();
        opened.read_to_string(&mut page).map_err(|error| wrong(unpack::io_sentence(&error)))?;
        if run.connector.manifest.rows.lines {
            page = unpack::list_of_lines(&page);
        }
        return take(run, &page, reading, &mut 0).await;
    }
    let mut records = Records::new(opened).map_err(wrong)?;
    let mut rows = 0;
    while let Some(page) = records.page().map_err(wrong)? {
        take(run, &page, reading, &mut rows).await?;
        run.window.go_on(u32::MAX, None)?;
    }
    Ok(())
}

/// Takes a page; `before` are the rows of the report so far.
async fn take(run: &mut Run<'_, '_>, page: &str, reading: Reading, before: &mut u64) -> Result<(), Halt> {
    let rules = &run.connector.manifest.errors;
    match judge(run.reader, rules, 200, page, run.asker.has_login(), reading) {
        Judged::Rows(found, rows) => {
            *before += rows.seen;
            if let Some(full_at) = run.connector.manifest.rows.full_at.filter(|full_at| *before >= *full_at) {
                return Err(Halt::TooMuch(cut_short(run.reader, full_at)));
            }
            run.window.take(run.reader, page, &found, rows, &mut *run.sink).await?;
            Ok(())
        }
        Judged::Then(..) => Err(shape(&run.reader.each, "the report says that something failed").into()),
        Judged::Unreadable(why) => Err(unreadable_report(run.asker, &run.reader.each, page, why).into()),
    }
}
