//! What rows said when their day was first read settled: from the earlier states that are kept of every row. What it means
//! that they say something else today is `decide::restated`'s business.

use chrono::{DateTime, Days, NaiveDate, Utc};
use chrono_tz::Tz;

use super::error::StoreError;
use super::rows::Rows;
use crate::domain::concept::Source;
use crate::domain::observation::{DateWindow, Inputs, Observation, Pull};
use crate::domain::response::Response;

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
    /// By days since the first, the first pull of a source that saw it settled, or the last one of those that the user
    /// accepts. `pulls` are the source's.
    fn first_pulls(&self, pulls: &[&Pull], source: &Source) -> Vec<Option<i64>> {
        let mut first = vec![None; usize::try_from(self.days.days()).unwrap_or_default()];
        let read_on = |pull: &Pull| pull.committed_at.with_timezone(&self.zone).date_naive();
        // A day after the last reading accepts nothing: nobody has seen what it would accept.
        let last_read = pulls.iter().filter(|pull| pull.is_reading()).map(|pull| read_on(pull)).max();
        let accepts_until = source.accept_shrink.filter(|&until| last_read.is_some_and(|last| until <= last));
        for pull in pulls {
            let (read_on, told_on) = (read_on(pull), pull.told_at().with_timezone(&self.zone).date_naive());
            let Some(last) = told_on.checked_sub_days(Days::new(u64::from(self.lag_days.max(1)))) else { continue };
            let last = last.min(pull.last_day).min(self.days.last());
            let start = pull.first_day.max(self.days.first());
            let accepted = accepts_until.is_some_and(|until| read_on <= until);
            let Some(position) = self.position(start).filter(|_| start <= last) else { continue };
            let days = usize::try_from((last - start).num_days() + 1).unwrap_or_default();
            for first in first.iter_mut().skip(position).take(days).filter(|first| accepted || first.is_none()) {
                *first = Some(pull.id);
            }
        }
        first
    }

    /// Days since the first; `None` before it.
    fn position(&self, day: NaiveDate) -> Option<usize> {
        usize::try_from((day - self.days.first()).num_days()).ok()
    }
}

impl Rows {
    /// The same inputs with the rows of some sources as they were when their day was first read settled; `None` where none
    /// of them has changed since. `inputs` are those known at `settling.known_at`, their pulls in order of commit.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`] where a row cannot be read.
    pub fn first_settled(
        &self,
        inputs: &Inputs,
        sources: &[&Source],
        settling: &Settling,
    ) -> Result<Option<Inputs>, StoreError> {
        let mut then: Option<Inputs> = None;
        let day = |at: DateTime<Utc>| at.with_timezone(&settling.zone).date_naive();
        for &source in sources {
            let pulls: Vec<&Pull> = inputs.pulls.iter().filter(|pull| pull.source == source.id).collect();
            let first = settling.first_pulls(&pulls, source);
            let latest = pulls.last().map(|pull| pull.id);
            if first.iter().flatten().min().is_none_or(|&oldest| Some(oldest) == latest) {
                continue;
            }
            let seen = |day: NaiveDate| first.get(settling.position(day)?).copied().flatten();
            let stood = |day: NaiveDate, pull: i64, until: i64| {
                until <= settling.known_at && seen(day).is_some_and(|first| pull <= first && first < until)
            };
            let since = |day: NaiveDate, pull: i64| seen(day).is_some_and(|first| pull > first);
            let is_new = |row: &Observation| row.source == source.id && since(row.day, row.pull_id);
            let is_new_act = |act: &Response| act.source == source.id && since(day(act.at), act.pull_id);

            let Some(stored) = self.of(&source.id)? else { continue };
            let rows = stored.observations_before.iter();
            let was: Vec<_> = rows.filter(|(until, row)| stood(row.day, row.pull_id, *until)).collect();
            let acts = stored.responses_before.iter();
            let was_acts: Vec<_> = acts.filter(|(until, act)| stood(day(act.at), act.pull_id, *until)).collect();
            let is_as_now = was.is_empty() && was_acts.is_empty();
            if is_as_now && !inputs.observations.iter().any(is_new) && !inputs.responses.iter().any(is_new_act) {
                continue;
            }
            let then = then.get_or_insert_with(|| inputs.clone());
            then.observations.retain(|row| !is_new(row));
            then.observations.extend(was.into_iter().map(|(_, row)| row.clone()));
            then.responses.retain(|act| !is_new_act(act));
            then.responses.extend(was_acts.into_iter().map(|(_, act)| act.clone()));
        }
        if let Some(then) = &mut then {
            then.responses
                .sort_by(|one, other| (&one.source, &one.response_id).cmp(&(&other.source, &other.response_id)));
        }
        Ok(then)
    }
}
