//! Reads one window page by page: asks, judges, reads, hands each page's rows over as one batch, and stops
//! where the pages end, repeat or contradict each other.

use super::ask::{Answered, Asker};
use super::call::{Extra, Prepared};
use super::errors::{Judged, Said, Then, Unreadable, judge};
use super::extract::Broken;
use super::fill::Filling;
use super::rows::{Reader, Reading};
use super::window::Window;
use super::{CursorPlace, ManifestConnector};
use crate::connect::{PullError, PullFacts, PullRequest};
use crate::domain::connector::RowSink;

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
    let page_size = manifest.cursor.as_ref().and_then(|cursor| cursor.size);
    let prepared = Prepared::new(&manifest.request, &Filling { page_size, ..asker.filling() })?;
    let mut window = Window::new(&reader);
    let mut cursor: Option<String> = None;
    'pages: loop {
        asker.next_call();
        let in_body = cursor.as_deref().map(serde_json::Value::from);
        let extra = match (manifest.cursor.as_ref().map(|cursor| &cursor.place), cursor.as_deref(), &in_body) {
            (Some(CursorPlace::Query(name)), Some(cursor), _) => Some(Extra::Query(name, cursor)),
            (Some(CursorPlace::Json(name)), _, Some(cursor)) => Some(Extra::Json(name, cursor)),
            _ => None,
        };
        loop {
            let answer = asker.call(&prepared, extra.as_slice()).await?;
            let answered = Answered::of(&answer);
            let page = into_text(answer.body, &reader.each)?;
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
                Judged::Unreadable(Unreadable::Broken(Broken::Torn)) => asker.pause(None, torn()).await?,
                Judged::Unreadable(why) => return Err(unreadable(&asker, &reader.each, &answered, &page, why)),
            }
        }
        if cursor.is_none() {
            break;
        }
        window.go_on(cursor.as_deref(), connector.patience.pages, &asker)?;
    }
    window.facts(&reader, request, manifest.info.name.as_str()).map_err(|error| asker.cleaned(error))
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
pub(super) async fn act(asker: &mut Asker<'_>, then: Then, answered: &Answered, said: &Said) -> Result<(), PullError> {
    let status = answered.status;
    let message =
        said.message.as_deref().map_or_else(|| "it gives no reason".to_owned(), |message| asker.shown(message));
    let vendor = |message: String| PullError::Vendor { status, message };
    match then {
        Then::Retry => {
            let wait = asker.asked_wait(said);
            asker.pause(wait, vendor(format!("{message}; it may pass, the next run tries again"))).await
        }
        Then::Wait => {
            let wait = asker.asked_rest(said);
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
        Then::Shrink => Err(vendor(format!("{message}; it is too much at once: ask for fewer days"))),
        Then::Empty | Then::Stop => {
            Err(vendor(format!("{message}; nothing of this window was used: check the source's settings")))
        }
    }
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
