//! Asks one source for its days and commits each window whole. Knows no verdict.

pub mod folder;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;
use thiserror::Error;

use super::Parts;
use super::deadline::{Deadlines, Late, Paged, within};
use super::survey::{Noting, Survey};
use crate::connect::{Connector, Progress, PullError, PullFacts, PullRequest};
use crate::domain::connector::{Field, RowSink, SinkError, SourceAccess, State};
use crate::domain::id::SourceId;
use crate::domain::inbound::Heard;
use crate::domain::money::Currency;
use crate::domain::observation::{DateWindow, Pull};
use crate::store::{Slice, SliceChange, StoreError, Wary};

/// What one source brought.
#[derive(Debug, Default)]
pub struct Pulled {
    /// Windows read whole.
    pub windows: u32,
    /// Pages read.
    pub pages: u32,
    /// Rows read.
    pub rows: u64,
    /// Rows never seen before.
    pub new: u64,
    /// Rows whose figures changed since the last pull.
    pub changed: u64,
    /// Rows the vendor no longer sends.
    pub vanished: u64,
    /// What the reader should know although nothing failed.
    pub warnings: Vec<String>,
    /// What its money is in, where it says.
    pub currency: Option<Currency>,
}

impl Pulled {
    fn read(&mut self, facts: PullFacts) {
        self.windows += 1;
        self.pages += facts.pages;
        self.rows += facts.rows;
        self.currency = facts.currency.or(self.currency);
        self.warnings.extend(facts.warnings);
    }

    /// Adds what another reading brought.
    fn add(&mut self, other: Self) {
        self.windows += other.windows;
        self.pages += other.pages;
        self.rows += other.rows;
        self.new += other.new;
        self.changed += other.changed;
        self.vanished += other.vanished;
        self.currency = other.currency.or(self.currency);
        self.warnings.extend(other.warnings);
    }

    fn kept(&mut self, change: &SliceChange) {
        self.new += change.new;
        self.changed += change.changed;
        self.vanished += change.vanished;
    }
}

/// Why a source brought nothing, or not all: windows committed before the failure are kept.
#[derive(Debug, Error)]
pub enum SourceFailed {
    /// The vendor, the network or the file.
    #[error("{source_id}: {error}")]
    Pull {
        /// Which source.
        source_id: SourceId,
        /// What happened and what to do.
        error: PullError,
    },
    /// Nothing came for too long, or not all of it.
    #[error("{0}: {1}; nothing of this window was kept, the next run asks again")]
    TooSlow(SourceId, Late),
    /// The program itself failed while it read the source.
    #[error(
        "{0}: the program failed while reading it, which is a fault of willitsell: the log says where; the next run tries again"
    )]
    Panicked(SourceId),
    /// Files of a folder; what the others held is kept.
    #[error("{0}: {files}", files = .1.join("; "))]
    Files(SourceId, Vec<String>),
    /// The connector is gone.
    #[error("{0}: there is no connector {1:?} in this program")]
    NoConnector(SourceId, String),
    /// The store.
    #[error("{0}: {1}")]
    Store(SourceId, StoreError),
}

/// Whom a pull is for.
#[derive(Clone, Copy)]
pub struct Errand<'a> {
    /// The run, or `pull@…`.
    pub run_id: &'a str,
    /// The experiment's zone: cuts days where the vendor gives instants.
    pub zone: Tz,
    /// The slot it answers: what was pulled since then need not be asked again.
    pub due_at: DateTime<Utc>,
    /// When it was asked.
    pub now: DateTime<Utc>,
}

/// The days to ask for: from the first day since `start` that may have changed since it was last read, or
/// from today − look-back where that is earlier, up to today. `None` before the start, and where all of it
/// was pulled since the slot: several experiments that read one source ask once.
///
/// # Errors
/// [`StoreError`] when the store cannot be read.
pub async fn due_window(
    parts: &Parts,
    access: &SourceAccess,
    start: NaiveDate,
    errand: Errand<'_>,
) -> Result<Option<DateWindow>, StoreError> {
    let info = parts.registry.get(&access.source.connector).map(|connector| connector.info());
    let lookback = info.map_or(access.source.maturity_lag_days, |info| info.lookback_days_of(&access.source));
    let pulls = parts.store.pulls(&access.source.id).await?;
    // Days the vendor no longer has are never asked for, so they stay unread: the verdict says so.
    let today = errand.now.with_timezone(&errand.zone).date_naive();
    let oldest = info.and_then(|info| info.oldest_days).map(|days| Days::new(u64::from(days)));
    let start = oldest.and_then(|days| today.checked_sub_days(days)).map_or(start, |oldest| start.max(oldest));
    Ok(window_after(pulls, lookback, start, errand))
}

/// Those who read one source for the same slot begin within it.
const A_MOMENT: TimeDelta = TimeDelta::minutes(2);

/// [`due_window`], of a source with these pulls whose days may change for `lookback` days.
fn window_after(mut pulls: Vec<Pull>, lookback: u32, start: NaiveDate, errand: Errand<'_>) -> Option<DateWindow> {
    // One from the future was dated by a clock that has been put right since: when it was made is not known. Nor is it once that
    // time has come, which is seen by a later one that is dated before it. One of a moment later was made for another slot that
    // began while this one waited for its turn, here or on a machine with its own clock.
    let mut latest = errand.now + A_MOMENT;
    pulls.reverse();
    pulls.retain(|pull| {
        let is_credible = pull.committed_at <= latest;
        latest = latest.min(pull.committed_at + A_MOMENT);
        is_credible
    });
    pulls.reverse();
    let today = errand.now.with_timezone(&errand.zone).date_naive();
    let again = today.checked_sub_days(Days::new(u64::from(lookback))).unwrap_or(start);
    let first = first_open_day(&pulls, start, today, lookback).min(again).max(start);
    // The store keeps milliseconds.
    let due_at = errand.due_at.timestamp_millis();
    let fresh = |day: NaiveDate| {
        let covers = |pull: &Pull| pull.first_day <= day && day <= pull.last_day;
        pulls.iter().any(|pull| pull.committed_at.timestamp_millis() >= due_at && covers(pull))
    };
    DateWindow::new(first, today)
        .filter(|window| !window.first().iter_days().take_while(|&day| day <= today).all(fresh))
}

/// The first day from `start` on that no pull has read after its end and `lookback` days later, when its vendor
/// has stopped changing it; `today` when there is none.
fn first_open_day(pulls: &[Pull], start: NaiveDate, today: NaiveDate, lookback: u32) -> NaiveDate {
    let age = Days::new(u64::from(lookback.max(1)));
    let closes = |pull: &Pull, day: NaiveDate| {
        let read_on = pull.committed_at.with_timezone(&pull.day_zone).date_naive();
        pull.first_day <= day && day <= pull.last_day && day.checked_add_days(age).is_some_and(|day| day <= read_on)
    };
    start
        .iter_days()
        .take_while(|&day| day < today)
        .find(|&day| !pulls.iter().rev().any(|pull| closes(pull, day)))
        .unwrap_or(today)
}

/// Pulls a window of a source, slice by slice, each in one transaction. Notes which keys the rows carry where somebody
/// wants to know.
///
/// # Errors
/// [`SourceFailed`]: the slice that failed left the store as it was; earlier slices are kept.
pub async fn pull(
    parts: &Parts,
    access: &SourceAccess,
    window: DateWindow,
    errand: Errand<'_>,
    mut keys: Option<&mut Survey>,
) -> Result<Pulled, SourceFailed> {
    let source = &access.source.id;
    let connector = connector(parts, access)?;
    if let Some(folder) = folder::of(connector, access) {
        return Box::pin(folder::pull(parts, access, &folder, errand, keys)).await;
    }
    let mut pulled = Pulled::default();
    let mut less = None;
    let wary = wary(access, errand);
    let (mut fields, mut is_all_known): (Vec<Field>, _) = (Vec::new(), false);
    let slices = window.slices(connector.info().longest_days);
    let known = Known::of(parts, connector, access).await?;
    let mut at = 0;
    while let Some(&slice) = slices.get(at) {
        let mut stage = parts.store.stage_of(&access.intake);
        let reading = (slice, &known);
        let (mut facts, noted) = if keys.is_some() {
            ask_noting(parts, connector, access, reading, errand, &mut stage).await?
        } else {
            (ask(parts, connector, access, reading, errand, &mut stage).await?, Survey::default())
        };
        // A field that stands in one window of a reading has not been renamed in the next.
        add(&mut facts.facts.fields, &fields);
        if !facts.facts.fields.is_empty() {
            fields.clone_from(&facts.facts.fields);
        }
        let slice = Slice {
            run_id: errand.run_id.to_owned(),
            source: source.clone(),
            window: facts.covered,
            zone: facts.day_zone,
            currency: facts.currency,
            facts: facts.facts.clone(),
            at: errand.now,
            wary,
        };
        match parts.store.replace_slice(stage, &slice).await {
            Ok(change) => {
                pulled.read(facts);
                pulled.kept(&change);
                if let Some(keys) = &mut keys {
                    keys.merge(noted);
                }
                at += 1;
            }
            // The other parts are read all the same: each is confirmed, or not, by its own next reading.
            Err(error @ StoreError::Less(_)) => {
                less = less.or(Some(error));
                at += 1;
            }
            // It may stand in a later window: then the only acts of this one were struck out.
            Err(StoreError::Lost(lost)) if !is_all_known => {
                is_all_known = true;
                for &later in &slices[at + 1..] {
                    let mut dropped = parts.store.stage_of(&access.intake);
                    let anew = Known::default();
                    let facts = ask(parts, connector, access, (later, &anew), errand, &mut dropped).await?;
                    add(&mut fields, &facts.facts.fields);
                }
                let stands = |field: &Field| (field.metric, &field.path) == (lost.metric, &lost.path) && field.rows > 0;
                if !fields.iter().any(stands) {
                    return Err(SourceFailed::Store(source.clone(), StoreError::Lost(lost)));
                }
            }
            // But where a field is gone, the days that follow would be zeros too, and nothing stored would contradict.
            Err(error) => return Err(SourceFailed::Store(source.clone(), error)),
        }
    }
    match less {
        Some(error) => Err(SourceFailed::Store(source.clone(), error)),
        None => Ok(pulled),
    }
}

/// By what a reading is held against what is stored. A person who brings a file was asked about what it lacks.
fn wary(access: &SourceAccess, errand: Errand<'_>) -> Option<Wary> {
    access.source.scheduled.then_some(Wary {
        settles_after_days: access.source.maturity_lag_days,
        slot: errand.due_at,
        accepts: access.source.accept_shrink,
    })
}

/// Adds in how many rows the same fields stood elsewhere.
fn add(fields: &mut [Field], elsewhere: &[Field]) {
    for field in fields {
        let same = elsewhere.iter().find(|one| (one.metric, &one.path) == (field.metric, &field.path));
        if let Some(same) = same {
            field.of += same.of;
            field.rows += same.rows;
        }
    }
}

/// Asks the same questions, notes the same keys, and stores nothing.
///
/// # Errors
/// [`SourceFailed`], as [`pull`] would.
pub async fn rehearse(
    parts: &Parts,
    access: &SourceAccess,
    window: DateWindow,
    errand: Errand<'_>,
    keys: &mut Survey,
) -> Result<Pulled, SourceFailed> {
    let connector = connector(parts, access)?;
    let access = &folder::newest(connector, access)?;
    let mut pulled = Pulled::default();
    let known = Known { left_off: None, ..Known::of(parts, connector, access).await? };
    for slice in window.slices(connector.info().longest_days) {
        let mut dropped = parts.store.stage_of(&access.intake);
        let (facts, noted) = ask_noting(parts, connector, access, (slice, &known), errand, &mut dropped).await?;
        keys.merge(noted);
        pulled.read(facts);
    }
    Ok(pulled)
}

/// A person waits for a sample.
const SAMPLE_DEADLINES: Deadlines = Deadlines { silence: Duration::from_mins(5), whole: Duration::from_mins(5) };

/// Asks for some rows, until the sink has seen enough; gives back what a person should know.
///
/// # Errors
/// [`SourceFailed`], as [`pull`] would.
pub async fn sample(
    parts: &Parts,
    access: &SourceAccess,
    window: DateWindow,
    errand: Errand<'_>,
    sink: &mut dyn RowSink,
) -> Result<Vec<String>, SourceFailed> {
    let source = &access.source.id;
    let connector = connector(parts, access)?;
    let access = &folder::newest(connector, access)?;
    let known = Known { left_off: None, ..Known::of(parts, connector, access).await? };
    let progress = Progress::default();
    let request = request(parts, access, (window, &known), errand, &progress);
    match within(SAMPLE_DEADLINES, parts.clock.as_ref(), &progress, connector.pull(&request, sink)).await {
        Err(late) => Err(SourceFailed::TooSlow(source.clone(), late)),
        Ok(Ok(facts)) => Ok(facts.warnings),
        Ok(Err(PullError::Sink(SinkError::Enough))) => Ok(Vec::new()),
        Ok(Err(error)) => Err(SourceFailed::Pull { source_id: source.clone(), error }),
    }
}

/// What is known of a source before it is asked.
#[derive(Default)]
struct Known {
    /// Where its last reading left off, where it tells only what is new.
    left_off: Option<State>,
    /// What came from it, where it cannot be asked.
    heard: Option<Heard>,
}

impl Known {
    async fn of(parts: &Parts, connector: &Arc<dyn Connector>, access: &SourceAccess) -> Result<Self, SourceFailed> {
        let (info, source) = (connector.info(), &access.source.id);
        let failed = |error| SourceFailed::Store(source.clone(), error);
        let mut known = Self::default();
        if info.tells_news {
            let pulls = parts.store.pulls(source).await.map_err(failed)?;
            known.left_off = pulls.into_iter().rev().find_map(|pull| pull.facts.state);
        }
        if info.only_sends {
            known.heard = Some(parts.store.heard(source, access.source.accept_shrink).await.map_err(failed)?);
        }
        Ok(known)
    }
}

fn request<'a>(
    parts: &'a Parts,
    access: &'a SourceAccess,
    (window, known): (DateWindow, &'a Known),
    errand: Errand<'_>,
    progress: &'a Progress,
) -> PullRequest<'a> {
    PullRequest {
        source: &access.source.id,
        settings: &access.settings,
        questions: &access.intake.answers,
        login: access.login.as_ref(),
        tokens: parts.tokens.as_ref(),
        jobs: parts.store.as_ref(),
        window,
        zone: errand.zone,
        now: errand.now,
        state: known.left_off.as_ref(),
        heard: known.heard.as_ref(),
        progress,
    }
}

fn connector<'a>(parts: &'a Parts, access: &SourceAccess) -> Result<&'a Arc<dyn Connector>, SourceFailed> {
    let name = &access.source.connector;
    parts.registry.get(name).ok_or_else(|| SourceFailed::NoConnector(access.source.id.clone(), name.clone()))
}

/// One window, collected whole by a sink that shows it to nobody yet.
async fn ask(
    parts: &Parts,
    connector: &Arc<dyn Connector>,
    access: &SourceAccess,
    reading: (DateWindow, &Known),
    errand: Errand<'_>,
    sink: &mut dyn RowSink,
) -> Result<PullFacts, SourceFailed> {
    let source = &access.source.id;
    let progress = Progress::default();
    let request = request(parts, access, reading, errand, &progress);
    let mut sink = Paged { to: sink, progress: &progress };
    let reading = connector.pull(&request, &mut sink);
    within(Deadlines::of(connector.info()), parts.clock.as_ref(), &progress, reading)
        .await
        .map_err(|late| SourceFailed::TooSlow(source.clone(), late))?
        .map_err(|error| SourceFailed::Pull { source_id: source.clone(), error })
}

/// [`ask`], with the keys of the rows.
async fn ask_noting(
    parts: &Parts,
    connector: &Arc<dyn Connector>,
    access: &SourceAccess,
    reading: (DateWindow, &Known),
    errand: Errand<'_>,
    to: &mut dyn RowSink,
) -> Result<(PullFacts, Survey), SourceFailed> {
    let mut noting = Noting { to, survey: Survey::default() };
    let facts = ask(parts, connector, access, reading, errand, &mut noting).await?;
    Ok((facts, noting.survey))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::connector::Facts;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn pull(id: i64, first: &str, last: &str, committed: &str) -> Pull {
        Pull {
            id,
            run_id: "run".into(),
            source: SourceId::new("search"),
            first_day: day(first),
            last_day: day(last),
            currency: None,
            day_zone: Tz::UTC,
            facts: Facts::default(),
            committed_at: format!("{committed}T06:00:00Z").parse().unwrap(),
        }
    }

    #[test]
    fn a_day_is_open_until_a_pull_after_its_end_has_covered_it() {
        let (start, today) = (day("2026-03-01"), day("2026-03-20"));
        let open = |pulls: &[Pull]| first_open_day(pulls, start, today, 0);
        assert_eq!(open(&[]), start);
        let daily =
            [pull(1, "2026-03-01", "2026-03-05", "2026-03-05"), pull(2, "2026-03-05", "2026-03-10", "2026-03-10")];
        assert_eq!(open(&daily), day("2026-03-10"), "its own day was not over");
        // Somebody asked for one old day in between: the gap before today stays open.
        let odd =
            [pull(1, "2026-03-01", "2026-03-05", "2026-03-06"), pull(2, "2026-03-12", "2026-03-12", "2026-03-20")];
        assert_eq!(open(&odd), day("2026-03-06"));
        assert_eq!(open(&[pull(1, "2026-02-01", "2026-03-20", "2026-03-20")]), today);
    }

    #[test]
    fn what_was_pulled_since_the_slot_is_not_asked_again_unless_a_wrong_clock_says_so() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let now = at("2026-03-20T06:00:00.000900Z");
        let errand = |due_at| Errand { run_id: "run", zone: Tz::UTC, due_at, now };
        let ask = |pulls: &[Pull], due_at| window_after(pulls.to_vec(), 3, day("2026-03-01"), errand(due_at));
        let (whole, again) = (pull(1, "2026-03-01", "2026-03-20", "2026-03-20"), day("2026-03-17"));
        let window = |first| DateWindow::new(first, day("2026-03-20"));
        assert_eq!(ask(&[], now), window(day("2026-03-01")));
        // Committed in the millisecond of the slot, as by the experiment before this one.
        assert_eq!(ask(std::slice::from_ref(&whole), now), None);
        assert_eq!(ask(std::slice::from_ref(&whole), at("2026-03-20T06:00:00.001Z")), window(again));
        // By one that began a second later, and had its turn first.
        let later = Pull { committed_at: now + TimeDelta::seconds(1), ..whole.clone() };
        assert_eq!(ask(&[later], now), None);
        let future = pull(1, "2026-03-01", "2026-03-21", "2026-03-21");
        assert_eq!(ask(&[future], now), window(day("2026-03-01")));
        // The time has come that a clock a day ahead once showed: what was read since says that it was not then.
        let (ahead, since) = (Pull { id: 2, ..whole.clone() }, pull(3, "2026-03-16", "2026-03-19", "2026-03-19"));
        let before = pull(1, "2026-03-01", "2026-03-18", "2026-03-18");
        assert_eq!(ask(&[before.clone(), ahead.clone(), since], now), window(again));
        assert_eq!(ask(&[before, ahead], now), None, "nothing says that it was not");
    }

    #[test]
    fn a_day_read_while_it_could_still_change_is_read_again_after_an_outage_of_any_length() {
        let (start, today) = (day("2026-03-01"), day("2026-06-20"));
        let last = [pull(1, "2026-03-01", "2026-03-10", "2026-03-10")];
        assert_eq!(first_open_day(&last, start, today, 3), day("2026-03-08"), "read at the age of two days");
        assert_eq!(first_open_day(&last, start, today, 30), start);
        // Day by day, each is read until it has reached that age, and no longer.
        let daily: Vec<Pull> = (10..20)
            .map(|on| pull(on, &format!("2026-03-{:02}", on - 3), &format!("2026-03-{on}"), &format!("2026-03-{on}")))
            .collect();
        assert_eq!(first_open_day(&daily, day("2026-03-07"), day("2026-03-20"), 3), day("2026-03-17"));
    }
}
