//! A sender that cannot be asked: its deliveries are all there is. What may be concluded from their silence is decided
//! here; what they bring is `inbound`'s business.

use chrono::Days;

use super::Manifest;
use crate::connect::{PullError, PullFacts, PullRequest};
use crate::domain::connector::{Facts, State};
use crate::domain::inbound::Heard;
use crate::domain::observation::DateWindow;

/// Whole days of UTC between a day that counts as read and one on which something came: by then the day has ended in every
/// zone.
const AFTERWARDS: u64 = 2;

/// A day counts as read once something was delivered after it had ended: what the sender had for it came before, or is
/// still being tried. Rows there are none, for acts were kept as they came.
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
    let warnings = days.windows(2).filter_map(|pair| {
        let silent = (pair[1] - pair[0]).num_days() - 1;
        (silent >= i64::from(silent_days)).then(|| {
            format!(
                "nothing was delivered from {} to {}: acts that its sender gave up sending meanwhile are not counted",
                pair[0], pair[1]
            )
        })
    });
    let proven = last.checked_sub_days(Days::new(AFTERWARDS)).unwrap_or(*last).min(request.window.last());
    let covered = DateWindow::new(request.window.first().min(proven), proven).unwrap_or(request.window);
    Ok(PullFacts {
        pages: 0,
        rows: 0,
        day_zone: manifest.days.zone(request),
        currency: None,
        facts: Facts {
            // News: what was kept before has not vanished.
            state: Some(State { of: manifest.info.name.clone(), said: None }),
            ..Facts::default()
        },
        covered,
        warnings: warnings.collect(),
    })
}
