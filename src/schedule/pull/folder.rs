//! The folder of a source: people drop exports there, whose days overlap. Which file speaks for a day is the one written
//! last; no day is ever the sum of two, and what a file lacks is not taken away in silence. What was read of which file
//! stands in the records of the pulls, so that a restart knows it too. Not what a file holds: that is its connector's.

use std::collections::{BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use chrono_tz::Tz;

use super::{Errand, Known, Pulled, SourceFailed, ask_noting, connector, wary};
use crate::connect::native::file::folder::{Dropped, files};
use crate::connect::{Connector, PullError};
use crate::domain::connector::{FileRead, RowSink, SettingValue, SinkError, SourceAccess, SourceRow};
use crate::domain::metric::MetricId;
use crate::domain::observation::{DateWindow, Observation, Pull};
use crate::schedule::Parts;
use crate::schedule::survey::Survey;
use crate::store::{Slice, StoreError};

/// A file that was written to this short a time ago may not be whole.
const YOUNG: TimeDelta = TimeDelta::seconds(10);

/// How long nobody must write to it then.
const STILL: Duration = Duration::from_secs(2);

/// Keys named of those that a file lacks.
const NAMED: usize = 5;

/// What a file may do to days that are stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// A person brings it for its days, and was asked about what it lacks.
    All,
    /// Only days that no newer file speaks for, and nothing that is stored for them may be missing.
    Newest,
}

/// The folder a source reads, where its path leads to one.
pub(super) fn of(connector: &Arc<dyn Connector>, access: &SourceAccess) -> Option<PathBuf> {
    let path = Path::new(access.settings.plain(connector.info().scheduled_by?)?);
    path.is_dir().then(|| path.to_owned())
}

/// The same source, its path the newest file where it was a folder.
pub(super) fn newest(connector: &Arc<dyn Connector>, access: &SourceAccess) -> Result<SourceAccess, SourceFailed> {
    let Some(folder) = of(connector, access) else { return Ok(access.clone()) };
    let failed =
        |what: String| SourceFailed::Pull { source_id: access.source.id.clone(), error: PullError::File(what) };
    let found = files(&folder).map_err(|error| failed(format!("{} cannot be read: {error}", folder.display())))?;
    let last = found.last().ok_or_else(|| failed(format!("{} holds no CSV, TSV or XLSX yet", folder.display())))?;
    Ok(reading(connector, access, last))
}

fn reading(connector: &Arc<dyn Connector>, access: &SourceAccess, file: &Dropped) -> SourceAccess {
    let mut access = access.clone();
    if let Some(key) = &connector.info().scheduled_by {
        access.settings.insert(*key, SettingValue::Plain(file.path.to_string_lossy().into_owned()));
    }
    access
}

/// The files that nobody is writing to, and the names of the others.
///
/// # Errors
/// Where the folder cannot be read.
pub async fn whole(folder: &Path, now: DateTime<Utc>) -> std::io::Result<(Vec<Dropped>, Vec<String>)> {
    let found = files(folder)?;
    if found.iter().any(|file| now - file.modified < YOUNG) {
        tokio::time::sleep(STILL).await;
    }
    let (whole, written): (Vec<_>, Vec<_>) = found.into_iter().partition(Dropped::is_as_it_was);
    Ok((whole, written.into_iter().map(|file| file.name).collect()))
}

/// Reads what is new in a folder: each file whole or not at all. One that cannot be read keeps no other from being read.
///
/// # Errors
/// [`SourceFailed::Files`] names the files that were not taken; what the others brought is kept.
pub(super) async fn pull(
    parts: &Parts,
    access: &SourceAccess,
    folder: &Path,
    errand: Errand<'_>,
    mut keys: Option<&mut Survey>,
) -> Result<Pulled, SourceFailed> {
    let source = &access.source.id;
    let (whole, written) = whole(folder, errand.now).await.map_err(|error| SourceFailed::Pull {
        source_id: source.clone(),
        error: PullError::File(format!("{} cannot be read: {error}", folder.display())),
    })?;
    let mut pulled = Pulled::default();
    pulled.warnings.extend(written.iter().map(|name| format!("{name} is being written still: the next run reads it")));
    let mut refused = Vec::new();
    for file in &whole {
        match take(parts, access, file, errand, Claim::Newest).await {
            Ok(None) => {}
            Ok(Some((one, noted))) => {
                pulled.add(one);
                if let Some(keys) = &mut keys {
                    keys.merge(noted);
                }
            }
            Err(SourceFailed::Pull { error, .. }) => refused.push(format!("{}: {error}", file.name)),
            Err(SourceFailed::Store(_, error @ (StoreError::Less(_) | StoreError::Lost(_) | StoreError::Rows(_)))) => {
                refused.push(format!("{}: {error}", file.name));
            }
            Err(error) => return Err(error),
        }
    }
    if refused.is_empty() { Ok(pulled) } else { Err(SourceFailed::Files(source.clone(), refused)) }
}

/// Whether the content of a file was read before, whatever it was called then.
///
/// # Errors
/// [`SourceFailed`], where the file or the store cannot be read.
pub async fn is_read(parts: &Parts, access: &SourceAccess, file: &Dropped) -> Result<bool, SourceFailed> {
    let source = &access.source.id;
    let pulls = parts.store.pulls(source).await.map_err(|error| SourceFailed::Store(source.clone(), error))?;
    Ok(read_whole(&pulls, &content(access, file).await?))
}

fn read_whole(pulls: &[Pull], content: &str) -> bool {
    pulls.iter().filter_map(|pull| pull.facts.file.as_ref()).any(|read| read.content == content && read.is_whole)
}

async fn content(access: &SourceAccess, file: &Dropped) -> Result<String, SourceFailed> {
    let (one, settings, questions) = (file.clone(), access.settings.clone(), access.intake.answers.clone());
    let content = tokio::task::spawn_blocking(move || one.content(&settings, &questions)).await;
    content.map_err(std::io::Error::other).flatten().map_err(|error| SourceFailed::Pull {
        source_id: access.source.id.clone(),
        error: PullError::File(format!("{} cannot be read: {error}", file.name)),
    })
}

/// Times that a file is read again because another process stored a newer one of its days meanwhile.
const AGAIN: u32 = 3;

/// Reads a file into a source; `None` where its content was read before, or every day of it is a newer file's.
///
/// # Errors
/// [`SourceFailed`]: the file cannot be read, lacks what is stored for its days, or is written to still. Nothing of it is
/// stored then; but where it speaks for several stretches of days, those before the one at fault are.
pub async fn take(
    parts: &Parts,
    access: &SourceAccess,
    file: &Dropped,
    errand: Errand<'_>,
    claim: Claim,
) -> Result<Option<(Pulled, Survey)>, SourceFailed> {
    for _ in 0..AGAIN {
        match take_once(parts, access, file, errand, claim).await {
            Err(SourceFailed::Store(_, StoreError::Older(_))) => {}
            done => return done,
        }
    }
    take_once(parts, access, file, errand, claim).await
}

async fn take_once(
    parts: &Parts,
    access: &SourceAccess,
    file: &Dropped,
    errand: Errand<'_>,
    claim: Claim,
) -> Result<Option<(Pulled, Survey)>, SourceFailed> {
    let connector = connector(parts, access)?;
    let source = &access.source.id;
    let refused = |what: String| SourceFailed::Pull { source_id: source.clone(), error: PullError::File(what) };
    let in_store = |error| SourceFailed::Store(source.clone(), error);
    let content = content(access, file).await?;
    let pulls = parts.store.pulls(source).await.map_err(in_store)?;
    if claim == Claim::Newest && read_whole(&pulls, &content) {
        return Ok(None);
    }
    let access = reading(connector, access, file);
    let today = errand.now.with_timezone(&errand.zone).date_naive();
    // A file speaks for its own days, whatever is asked.
    let any = DateWindow::new(today, today).ok_or_else(|| refused("its days are out of order".to_owned()))?;
    let mut sink = Choosing::of(parts.store.stage_of(&access.intake), None);
    let (facts, noted) = ask_noting(parts, connector, &access, (any, &Known::default()), errand, &mut sink).await?;
    // A clock that is ahead elsewhere must not keep what is dropped tomorrow out.
    let modified = file.modified.min(errand.now);
    let stretches = match claim {
        Claim::All => vec![facts.covered],
        Claim::Newest => stretches(facts.covered, |day| {
            pulls.iter().rfind(|pull| pull.covers(day)).is_none_or(|last| last.holds_since() <= modified)
        }),
    };
    let mut pulled = Pulled::default();
    for (position, &window) in stretches.iter().enumerate() {
        if claim == Claim::Newest {
            lacks_nothing(parts, &access, window, errand.zone, &noted, &sink.ids).await?;
        }
        let (stage, facts) = if window == facts.covered {
            (std::mem::replace(&mut sink.to, parts.store.stage()), facts.clone())
        } else {
            let mut some = Choosing::of(parts.store.stage_of(&access.intake), Some((window, facts.day_zone)));
            let (facts, _) = ask_noting(parts, connector, &access, (any, &Known::default()), errand, &mut some).await?;
            (some.to, facts)
        };
        if !file.is_as_it_was() {
            return Err(refused("it is being written still: the next run reads it".to_owned()));
        }
        let read = FileRead {
            content: content.clone(),
            modified,
            is_for_its_days: claim == Claim::All,
            is_whole: position + 1 == stretches.len(),
        };
        let mut slice_facts = facts.facts.clone();
        slice_facts.file = Some(read);
        let slice = Slice {
            run_id: errand.run_id.to_owned(),
            source: source.clone(),
            window,
            zone: facts.day_zone,
            currency: facts.currency,
            facts: slice_facts,
            at: errand.now,
            wary: if claim == Claim::All { None } else { wary(&access, errand) },
        };
        let change = parts.store.replace_slice(stage, &slice).await.map_err(in_store)?;
        pulled.read(facts);
        pulled.kept(&change);
    }
    Ok((!stretches.is_empty()).then_some((pulled, noted)))
}

/// The days of a window for which something holds, in stretches without a gap.
fn stretches(window: DateWindow, holds: impl Fn(NaiveDate) -> bool) -> Vec<DateWindow> {
    let mut found: Vec<DateWindow> = Vec::new();
    for day in window.first().iter_days().take_while(|&day| day <= window.last()).filter(|&day| holds(day)) {
        let grown = found.last().filter(|last| last.last().succ_opt() == Some(day));
        match grown.and_then(|last| DateWindow::new(last.first(), day)) {
            Some(longer) => {
                found.pop();
                found.push(longer);
            }
            None => found.extend(DateWindow::new(day, day)),
        }
    }
    found
}

/// A file takes the place of its days whole. One that lacks what is stored for them, as an export of one campaign does,
/// would take it away.
async fn lacks_nothing(
    parts: &Parts,
    access: &SourceAccess,
    window: DateWindow,
    zone: Tz,
    noted: &Survey,
    ids: &HashSet<u64>,
) -> Result<(), SourceFailed> {
    let source = &access.source.id;
    let stored = parts.store.inputs(std::slice::from_ref(source), window, None).await;
    let stored = stored.map_err(|error| SourceFailed::Store(source.clone(), error))?;
    let in_file: HashSet<&str> = noted.keys().collect();
    // Some exports leave out what has only zeros.
    let says_something = |row: &&Observation| MetricId::all().any(|metric| row.values.get(metric).unwrap_or(0) != 0);
    let rows = stored.observations.iter().filter(says_something);
    let keys: BTreeSet<&str> = rows.map(|row| &*row.arm_key).filter(|key| !in_file.contains(key)).collect();
    // Acts of people who were forgotten have an id of no vendor's: a file can neither hold nor lack them.
    let lost = stored.responses.iter().filter(|act| {
        window.contains(act.at.with_timezone(&zone).date_naive())
            && !act.response_id.starts_with(char::is_control)
            && !ids.contains(&hashed(&act.response_id))
    });
    let lost = lost.count();
    if keys.is_empty() && lost == 0 {
        return Ok(());
    }
    let what = if keys.is_empty() {
        format!("{lost} answers")
    } else {
        let named: Vec<&str> = keys.iter().copied().take(NAMED).collect();
        let more = if keys.len() > NAMED { ", …" } else { "" };
        format!("figures for {}{more}", named.join(", "))
    };
    let what = format!(
        "it lacks {what}, stored from {} to {}, and a file takes the place of its days whole. Export all into one file, \
         give them a source of their own, or, where it is meant, import it by hand with --replace. Nothing of it was stored",
        window.first(),
        window.last()
    );
    Err(SourceFailed::Pull { source_id: source.clone(), error: PullError::File(what) })
}

fn hashed(id: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    id.hash(&mut hasher);
    hasher.finish()
}

/// Hands on the rows of some days, and notes which acts came by.
struct Choosing {
    to: crate::store::Stage,
    within: Option<(DateWindow, Tz)>,
    ids: HashSet<u64>,
}

impl Choosing {
    fn of(to: crate::store::Stage, within: Option<(DateWindow, Tz)>) -> Self {
        Self { to, within, ids: HashSet::new() }
    }
}

#[async_trait]
impl RowSink for Choosing {
    async fn accept(&mut self, page: &[SourceRow<'_>]) -> Result<(), SinkError> {
        for row in page {
            if let SourceRow::Response(act) = row {
                self.ids.insert(hashed(&act.response_id));
            }
        }
        let Some((window, zone)) = self.within else { return self.to.accept(page).await };
        for row in page {
            let day = match row {
                SourceRow::Counts { day, .. } => *day,
                SourceRow::Response(act) => act.at.with_timezone(&zone).date_naive(),
            };
            if window.contains(day) {
                self.to.accept(std::slice::from_ref(row)).await?;
            }
        }
        Ok(())
    }

    async fn clear(&mut self) -> Result<(), SinkError> {
        self.ids.clear();
        self.to.clear().await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_of_a_newer_file_are_left_out_and_the_others_stay_in_stretches() {
        let day = |text: &str| text.parse::<NaiveDate>().unwrap();
        let window = DateWindow::new(day("2026-03-01"), day("2026-03-06")).unwrap();
        let free = |taken: &[&str]| -> Vec<(String, String)> {
            let taken: Vec<NaiveDate> = taken.iter().map(|text| day(text)).collect();
            let found = stretches(window, |day| !taken.contains(&day));
            found.iter().map(|one| (one.first().to_string(), one.last().to_string())).collect()
        };
        let pair = |first: &str, last: &str| (first.to_owned(), last.to_owned());
        assert_eq!(free(&[]), [pair("2026-03-01", "2026-03-06")]);
        assert_eq!(free(&["2026-03-03"]), [pair("2026-03-01", "2026-03-02"), pair("2026-03-04", "2026-03-06")]);
        assert_eq!(free(&["2026-03-01", "2026-03-02", "2026-03-03", "2026-03-04", "2026-03-05", "2026-03-06"]), []);
    }
}
