//! Verdicts on many concepts at once, from what is stored: one reading, one decision each, one writing. A concept that
//! cannot be judged is its own error; the others are judged and stored.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};

use super::due::AHEAD;
use super::portfolio::Peers;
use super::recall::{self, Recalled};
use super::{Panicked, caught};
use crate::decide::outlook::Outlook;
use crate::decide::removed::continued;
use crate::decide::revision::{self, Changed};
use crate::decide::{self, Counted, message, spending};
use crate::domain::audience;
use crate::domain::concept::Experiment;
use crate::domain::decision::{Cause, Setup};
use crate::domain::id::SourceId;
use crate::domain::message::Delivery;
use crate::domain::observation::Inputs;
use crate::domain::run::Outcome;
use crate::domain::verdict::{Generation, Scorecard, StoredScorecard, Verdict};
use crate::store::{Ending, Finding, NewVerdict, OfConcepts, Packed, Standing, Store, StoreError, View};

/// A concept to be judged, whose sources have been asked.
#[derive(Clone, Copy, Debug)]
pub struct Case<'a> {
    /// As configured.
    pub experiment: &'a Experiment,
    /// The instant the verdict speaks for.
    pub as_of: DateTime<Utc>,
    /// The run that ends with the verdict.
    pub run: &'a str,
    /// When it ends.
    pub now: DateTime<Utc>,
    /// What to do about the sources that failed: where one did, nothing is decided on part of the data, but silence for
    /// two intervals is itself a finding.
    pub failed: &'a [String],
}

/// The verdict on a case as stored; `None` where a source failed and there is none.
pub type Judged = Result<Option<StoredScorecard>, StoreError>;

/// Judges each of some concepts, which are different ones, and writes it down with the messages it causes and the ends of
/// the runs, all in one transaction. What keeps a concept from being judged is what its run fails with.
///
/// # Errors
/// [`StoreError`] when the store cannot be read or written: then nothing was.
pub async fn judge(store: &Store, cases: &[Case<'_>]) -> Result<Vec<Judged>, StoreError> {
    loop {
        match caught(attempt(store, cases)).await {
            Ok(Ok(Some(judged))) => return Ok(judged),
            // Read anew where somebody else has stored a verdict in between.
            Ok(Ok(None)) => {}
            Ok(Err(error)) => return Err(error),
            Err(Panicked) => return apart(store, cases).await,
        }
    }
}

/// Judges each case alone, where the program failed on all together: what was read for them may be half used. The one that
/// it fails on alone is not judged.
async fn apart(store: &Store, cases: &[Case<'_>]) -> Result<Vec<Judged>, StoreError> {
    if let [case] = cases {
        let fault = || StoreError::Fault("while judging it".to_owned());
        loop {
            let last = store.view().last_scorecard().await?;
            if store.write_down(vec![unjudged(case, &fault())], last).await?.is_some() {
                return Ok(vec![Err(fault())]);
            }
        }
    }
    let mut judged = Vec::with_capacity(cases.len());
    for case in cases {
        judged.extend(Box::pin(judge(store, std::slice::from_ref(case))).await?);
    }
    Ok(judged)
}

async fn attempt(store: &Store, cases: &[Case<'_>]) -> Result<Option<Vec<Judged>>, StoreError> {
    let (read, mut recalled) = Read::of(store, cases).await?;
    let Read { last, begun, mut sound } = read;
    let mut waiting: Vec<_> = cases.iter().zip(begun).enumerate().collect();
    // Those that share their sources and days one after the other.
    waiting.sort_by(|(_, (one, first)), (_, (other, second))| {
        sources(one).cmp(sources(other)).then_with(|| first_day(first).cmp(&first_day(second)))
    });
    let (mut done, mut peers) = (BTreeMap::new(), Peers::of(store));
    for (position, (case, begun)) in waiting {
        let sound = sound.remove(&case.experiment.concept.id).transpose();
        let found = match begun.and_then(|begun| Ok((begun, sound?))) {
            Ok((begun, sound)) => match newer(case, &begun) {
                Some(newer) => Ok(newer),
                None => {
                    its_own(find(store, case, begun, sound, (&mut recalled, &mut peers)).await)?.map(|it| (it, None))
                }
            },
            Err(error) => Err(error),
        };
        let found =
            found.map_or_else(|error| (unjudged(case, &error), Err(error)), |(found, known)| (found, Ok(known)));
        done.insert(position, found);
    }
    let (findings, known): (Vec<_>, Vec<Judged>) = done.into_values().unzip();
    let Some(stored) = store.write_down(findings, last).await? else { return Ok(None) };
    Ok(Some(stored.into_iter().zip(known).map(|(stored, known)| known.map(|known| stored.or(known))).collect()))
}

/// The end of a run that somebody else has overtaken: what its concept was judged as of a later instant meanwhile holds, and
/// an older verdict stored after it would pass for the newest. One from days ahead was dated by a wrong clock.
fn newer<'a>(case: &Case<'a>, begun: &Begun) -> Option<(Finding<'a>, Option<StoredScorecard>)> {
    let latest = begun.standing.latest.as_ref()?;
    if latest.scorecard.as_of <= case.as_of || latest.scorecard.as_of > case.now + AHEAD {
        return None;
    }
    let (outcome, verdict) = match case.failed {
        [] => (Outcome::Decided, Some(latest.clone())),
        advice => (Outcome::Failed { advice: advice.to_vec() }, None),
    };
    let run = Some(Ending { id: case.run, at: case.now, outcome });
    Some((Finding { concept: &case.experiment.concept.id, opened: None, verdict: None, run }, verdict))
}

fn sources<'a>(case: &Case<'a>) -> impl Iterator<Item = &'a SourceId> {
    case.experiment.sources.iter().map(|source| &source.id)
}

fn first_day(begun: &Result<Begun, StoreError>) -> Option<NaiveDate> {
    begun.as_ref().ok().map(|begun| begun.setup.generation.first_day)
}

/// A record that cannot be read is the concept's own trouble; all else, a damaged file too, is the store's.
fn its_own<T>(result: Result<T, StoreError>) -> Result<Result<T, StoreError>, StoreError> {
    match result {
        Err(error @ StoreError::Unreadable(_)) => Ok(Err(error)),
        Err(error) => Err(error),
        Ok(done) => Ok(Ok(done)),
    }
}

fn unjudged<'a>(case: &Case<'a>, error: &StoreError) -> Finding<'a> {
    let advice = case.failed.iter().cloned().chain([error.to_string()]).collect();
    let run = Ending { id: case.run, at: case.now, outcome: Outcome::Failed { advice } };
    Finding { concept: &case.experiment.concept.id, opened: None, verdict: None, run: Some(run) }
}

/// Where some cases stand, all of one moment.
struct Read {
    /// The last verdict on any concept.
    last: i64,
    begun: Vec<Result<Begun, StoreError>>,
    /// The latest verdict that was not BLOCKED, of concepts whose latest one is.
    sound: OfConcepts<StoredScorecard>,
}

impl Read {
    async fn of(store: &Store, cases: &[Case<'_>]) -> Result<(Self, Recalled), StoreError> {
        let mut view = store.view();
        let last = view.last_scorecard().await?;
        let begun = begun(&mut view, cases).await?;
        let blocked = begun.iter().flatten().filter(|one| one.is_blocked());
        let sound = blocked.map(|one| one.setup.experiment.concept.id.clone()).collect();
        let sound = view.sound_scorecards(sound).await?;
        let setups = begun.iter().zip(cases).filter_map(|(one, case)| Some((&one.as_ref().ok()?.setup, case.as_of)));
        let recalled = Recalled::of(&mut view, &setups.collect::<Vec<_>>(), None).await?;
        Ok((Self { last, begun, sound }, recalled))
    }
}

/// A case with the test that runs and the verdict before.
struct Begun {
    setup: Setup,
    packed: Packed,
    standing: Standing,
}

impl Begun {
    fn of(experiment: Experiment, today: NaiveDate, standing: Standing) -> Result<Self, StoreError> {
        let hash = decide::policy_hash(&experiment);
        let generation = Generation::on(standing.generation.as_ref(), &hash, today, experiment.start);
        let setup = Setup { experiment, generation };
        let packed = Packed::of(&setup, standing.setup.as_deref())?;
        Ok(Self { setup, packed, standing })
    }

    /// What the latest verdict was decided with, where that was something else.
    fn before(&self) -> Option<&str> {
        self.standing.setup.as_deref().filter(|_| !self.packed.is_kept())
    }

    fn is_blocked(&self) -> bool {
        self.standing.latest.as_ref().is_some_and(|latest| latest.scorecard.verdict == Verdict::Blocked)
    }
}

async fn begun(view: &mut View, cases: &[Case<'_>]) -> Result<Vec<Result<Begun, StoreError>>, StoreError> {
    let today = |case: &Case<'_>| case.as_of.with_timezone(&case.experiment.timezone).date_naive();
    let concepts = cases.iter().map(|case| case.experiment.concept.id.clone()).collect();
    let mut standings = view.standings(concepts).await?;
    let as_configured = cases.iter().map(|case| {
        let standing = standings.remove(&case.experiment.concept.id).unwrap_or_else(|| Ok(Standing::default()))?;
        Begun::of(case.experiment.clone(), today(case), standing)
    });
    let mut all: Vec<_> = as_configured.collect();
    let before = all.iter().flatten().filter_map(Begun::before).map(str::to_owned).collect();
    let mut before = view.setups(before).await?;
    for (one, case) in all.iter_mut().zip(cases) {
        let Ok(begun) = one else { continue };
        // An arm that was taken out of the file goes on as it was.
        let Some(running) = begun.before().map(|hash| before.remove(hash)) else { continue };
        let standing = std::mem::take(&mut begun.standing);
        let missing = || Err(StoreError::Unreadable("what a verdict was decided with is gone".to_owned()));
        *one = running.unwrap_or_else(missing).and_then(|running| {
            let today = today(case);
            Begun::of(continued(case.experiment, &running, today), today, standing)
        });
    }
    Ok(all)
}

/// What a case comes to. `sound` is the latest verdict that was not BLOCKED, where the latest was.
async fn find<'a>(
    store: &Store,
    case: &Case<'a>,
    begun: Begun,
    sound: Option<StoredScorecard>,
    (recalled, peers): (&mut Recalled, &mut Peers<'_>),
) -> Result<Finding<'a>, StoreError> {
    let Begun { setup, packed, standing: Standing { generation, latest: previous, .. } } = begun;
    let inputs = recalled.inputs(store, &setup, case.as_of)?;
    let is_blocked = |card: &&StoredScorecard| card.scorecard.verdict == Verdict::Blocked;
    let sound = sound.as_ref().or(previous.as_ref().filter(|previous| !is_blocked(previous)));
    let (how, end) = if case.failed.is_empty() {
        (Cause::Decided, Outcome::Decided)
    } else {
        (Cause::Stale, Outcome::Failed { advice: case.failed.to_vec() })
    };
    if how == Cause::Decided {
        inputs.others = peers.others(&setup, case.as_of, sound).await?;
    }
    let counted = Counted::of(&setup.experiment, &setup.generation, inputs, case.as_of);
    let decided = match how {
        Cause::Decided => Some(counted.with_outlook()),
        Cause::Stale => counted.stale().map(|card| (card, None)),
    };
    let verdict = match decided {
        Some((scorecard, outlook)) => {
            let before = (previous.as_ref().map(|stored| &stored.scorecard), sound);
            let now = (&setup, &*inputs, &counted);
            let deliveries = told(store, now, before, &scorecard, outlook.as_ref()).await?;
            let known = recall::known(inputs);
            Some(NewVerdict { scorecard, cause: how, known, setup: Some(packed), previous, deliveries })
        }
        None => None,
    };
    let opened = Some(setup.generation).filter(|test| generation.as_ref() != Some(test));
    let run = Some(Ending { id: case.run, at: case.now, outcome: end });
    Ok(Finding { concept: &case.experiment.concept.id, opened, verdict, run })
}

/// The messages that a verdict causes, held against the one before and the latest that was not BLOCKED.
async fn told(
    store: &Store,
    (setup, inputs, counted): (&Setup, &Inputs, &Counted<'_>),
    (previous, sound): (Option<&Scorecard>, Option<&StoredScorecard>),
    scorecard: &Scorecard,
    outlook: Option<&Outlook>,
) -> Result<Vec<Delivery>, StoreError> {
    let experiment = &setup.experiment;
    let changed = match sound {
        Some(sound) if message::withdrawn(previous, Some(&sound.scorecard), scorecard).is_some() => {
            its_own(changed_since(store, sound, (setup, inputs), scorecard).await)?.unwrap_or_else(|error| {
                // The verdict does without: only a line of its message needs it.
                tracing::warn!(concept = %scorecard.concept, %error, "the days that changed cannot be named");
                Vec::new()
            })
        }
        _ => Vec::new(),
    };
    let sound = sound.map(|stored| &stored.scorecard);
    let message = message::message(experiment, previous, sound, scorecard, &changed, || counted.lately());
    let mut deliveries: Vec<Delivery> =
        message.iter().flat_map(|message| audience::deliveries(experiment, message)).collect();
    let mut notices = outlook.map(|outlook| message::notices(experiment, scorecard, outlook)).unwrap_or_default();
    notices.extend(spending::notice(experiment, sound, scorecard, message.is_some()));
    for message::Notice { id, message } in &notices {
        // One with a known id is the same notice: it was told, whatever has happened since.
        deliveries.extend(audience::deliveries(experiment, message).into_iter().map(|one| one.called(id)));
    }
    Ok(deliveries)
}

/// The days an earlier verdict saw otherwise.
async fn changed_since(
    store: &Store,
    earlier: &StoredScorecard,
    now: (&Setup, &Inputs),
    scorecard: &Scorecard,
) -> Result<Vec<Changed>, StoreError> {
    let basis = store.basis(earlier.id).await?;
    // Before setups were stored, the mapping of today has to do.
    let setup = basis.setup.as_ref().unwrap_or(now.0);
    let then = recall::inputs(store, setup, earlier.scorecard.as_of, Some(basis.known)).await?;
    Ok(revision::changed(&earlier.scorecard, (setup, &then), now, scorecard))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_store_is_nobodys_own_trouble() {
        let what = || "a page".to_owned();
        assert!(matches!(its_own::<()>(Err(StoreError::Damaged(what()))), Err(StoreError::Damaged(_))));
        assert!(matches!(its_own::<()>(Err(StoreError::Unreadable(what()))), Ok(Err(StoreError::Unreadable(_)))));
        assert!(matches!(its_own::<()>(Err(StoreError::Full)), Err(StoreError::Full)));
    }
}
