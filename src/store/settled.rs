//! What rows said when their day was first read settled: from the earlier states that are kept of every row. What it means
//! that they say something else today is `decide::restated`'s business.

use std::collections::BTreeMap;

use chrono::{DateTime, Days, NaiveDate, Utc};
use chrono_tz::Tz;

use super::Store;
use super::error::StoreError;
use super::responses;
use crate::domain::concept::Source;
use crate::domain::observation::{DateWindow, Inputs, Pull};

/// From when on days count.
#[derive(Clone, Copy, Debug)]
pub struct Settling {
    /// The days looked at.
    pub days: DateWindow,
    /// Age in days from which one counts.
    pub lag_days: u32,
    /// The zone ages are counted in.
    pub zone: Tz,
    /// Last pull that is known.
    pub known_at: i64,
}

impl Settling {
    /// By day, the first pull of a source that saw it settled, or the last one of those that the user accepts.
    fn first_pulls(&self, pulls: &[Pull], source: &Source) -> BTreeMap<NaiveDate, i64> {
        let mut first = BTreeMap::new();
        let read_on = |pull: &Pull| pull.committed_at.with_timezone(&self.zone).date_naive();
        let of_source = || pulls.iter().filter(|pull| pull.source == source.id);
        // A day after the last reading accepts nothing: nobody has seen what it would accept.
        let last_read = of_source().map(read_on).max();
        let accepts_until = source.accept_shrink.filter(|&until| last_read.is_some_and(|last| until <= last));
        for pull in of_source() {
            let read_on = read_on(pull);
            let Some(last) = read_on.checked_sub_days(Days::new(u64::from(self.lag_days.max(1)))) else { continue };
            let last = last.min(pull.last_day).min(self.days.last());
            let start = pull.first_day.max(self.days.first());
            let accepted = accepts_until.is_some_and(|until| read_on <= until);
            for day in start.iter_days().take_while(|&day| day <= last) {
                let first = first.entry(day).or_insert(pull.id);
                *first = if accepted { pull.id } else { *first };
            }
        }
        first
    }
}

impl Store {
    /// The same inputs with the rows of some sources as they were when their day was first read settled; `None` where none
    /// of them has changed since. `inputs` are those known at `settling.known_at`, their pulls in order of commit.
    pub async fn first_settled(
        &self,
        inputs: &Inputs,
        sources: &[&Source],
        settling: &Settling,
    ) -> Result<Option<Inputs>, StoreError> {
        let mut then = inputs.clone();
        let mut differs = false;
        let mut read = self.backend.read().await?;
        for &source in sources {
            let first = settling.first_pulls(&inputs.pulls, source);
            let source = &source.id;
            let Some(&oldest) = first.values().min() else { continue };
            let latest = inputs.pulls.iter().rev().find(|pull| &pull.source == source).map_or(0, |pull| pull.id);
            if latest == oldest {
                continue;
            }
            let seen = |day: NaiveDate| first.get(&day).copied();
            let was = self.observations.ended(&mut read, source, settling.days, oldest, settling.known_at).await?;
            let was = was
                .into_iter()
                .filter(|(until, state)| seen(state.day).is_some_and(|first| state.pull_id <= first && first < *until));
            let was: BTreeMap<_, _> = was.map(|(_, state)| ((state.day, state.arm_key.clone()), state)).collect();
            let count = then.observations.len();
            then.observations.retain(|row| {
                let changed_since = &row.source == source && seen(row.day).is_some_and(|first| row.pull_id > first);
                !changed_since
            });
            differs |= then.observations.len() < count || !was.is_empty();
            then.observations.extend(was.into_values());

            let day = |at: DateTime<Utc>| at.with_timezone(&settling.zone).date_naive();
            let was = responses::ended(&mut read, source, settling.days, oldest, settling.known_at).await?;
            let was: Vec<_> = was
                .into_iter()
                .filter(|(until, state)| {
                    seen(day(state.at)).is_some_and(|first| state.pull_id <= first && first < *until)
                })
                .map(|(_, state)| state)
                .collect();
            let count = then.responses.len();
            then.responses.retain(|act| {
                let changed_since = &act.source == source && seen(day(act.at)).is_some_and(|first| act.pull_id > first);
                !changed_since
            });
            differs |= then.responses.len() < count || !was.is_empty();
            then.responses.extend(was);
        }
        then.responses.sort_by(|one, other| (&one.source, &one.response_id).cmp(&(&other.source, &other.response_id)));
        Ok(differs.then_some(then))
    }
}
