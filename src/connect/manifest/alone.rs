//! A sender that cannot be asked: its deliveries are all there is. What may be concluded from their silence is decided
//! here; what they bring is `inbound`'s business.

use chrono::{Days, NaiveDate};

use super::Manifest;
use crate::connect::{PullError, PullFacts, PullRequest};
use crate::domain::connector::{Facts, State};
use crate::domain::inbound::Heard;
use crate::domain::observation::DateWindow;

/// Whole days of UTC between a day that counts as read and one on which something came: by then the day has ended in every
/// zone, and had begun in none.
const AROUND: Days = Days::new(2);

/// A day counts as read where something was delivered before it began and after it had ended, and the sender was at no time
/// between silent for too long: what it had for the day came, or is still being tried. All other days stay as earlier
/// readings left them, so what was sent to nobody is no zero. Rows there are none, for acts were kept as they came.
///
/// # Errors
/// [`PullError::Deliveries`] where nothing came for longer than the file says that it may, or where something came that
/// cannot be read: such days are not known, and none of them is a zero.
pub(super) fn pull(manifest: &Manifest, silent_days: u32, request: &PullRequest<'_>) -> Result<PullFacts, PullError> {
    let nothing = Heard::default();
    let Heard { days, unread } = request.heard.unwrap_or(&nothing);
    let failed = |what: String| Err(PullError::Deliveries(what));
    if let Some(day) = unread {
        return failed(format!(
            "on {day} something was delivered that {}.toml cannot read, and it was not taken: mend the file, and its sender, \
             who tries again for some days, will have it taken. If it was nobody's act, write accept_shrink = \"{day}\" into \
             [source.{}]",
            manifest.info.name, request.source
        ));
    }
    let Some(last) = days.last() else {
        return failed(
            "nothing was delivered yet: give the address that `check` prints to the form, and let it send something"
                .to_owned(),
        );
    };
    let today = request.now.date_naive();
    let silent_for = (today - *last).num_days() - 1;
    if silent_for >= i64::from(silent_days) {
        return failed(format!(
            "nothing was delivered since {last}, and {silent_days} days is the longest that the form may be silent: see \
             whether it still sends to the address that `check` prints"
        ));
    }
    // What was sent before the latest silence that was too long may have been given up.
    let is_near = |one: &NaiveDate, next: &NaiveDate| (*next - *one).num_days() - 1 < i64::from(silent_days);
    let since = days.chunk_by(is_near).next_back().and_then(|run| run.first()).unwrap_or(last);
    let day_zone = manifest.days.zone(request);
    let (from, until) = (since.checked_add_days(AROUND), last.checked_sub_days(AROUND));
    let proven = from
        .zip(until)
        .and_then(|(from, until)| DateWindow::new(from.max(request.window.first()), until.min(request.window.last())));
    // Today can be read, and is never known before it has ended.
    let running = request.now.with_timezone(&day_zone).date_naive();
    let covered = proven.or_else(|| DateWindow::new(running, running)).unwrap_or(request.window);
    let warning = from.filter(|&from| request.window.first() < from).map(|from| {
        let silence = match days.iter().rev().find(|&day| day < since) {
            Some(before) => format!("nothing was delivered from {before} to {since}"),
            None => format!("nothing was delivered before {since}"),
        };
        format!("{silence}: days before {from} that no earlier reading has read stay unread, for acts of theirs may never have come")
    });
    Ok(PullFacts {
        pages: 0,
        rows: 0,
        day_zone,
        currency: None,
        facts: Facts {
            // News: what was kept before has not vanished.
            state: Some(State { of: manifest.info.name.clone(), said: None }),
            ..Facts::default()
        },
        covered,
        warnings: warning.into_iter().collect(),
    })
}
