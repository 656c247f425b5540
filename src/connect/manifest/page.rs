//! Reads one window page by page: asks, judges, reads, hands each page's rows over as one batch, and stops
//! where the pages end, repeat or contradict each other.

use super::ManifestConnector;
use super::ask::{Answered, Asker};
use super::errors::{Judged, Said, Then, Unreadable, judge};
use super::extract::Broken;
use super::rows::{Reader, Reading};
use super::window::Window;
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
    let mut window = Window::new(&reader);
    let mut cursor: Option<String> = None;
    'pages: loop {
        asker.next_page();
        loop {
            let answer = asker.call(cursor.as_deref()).await?;
            let answered = Answered::of(&answer);
            let page = into_text(answer.body, &reader)?;
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
                Judged::Unreadable(Unreadable::Broken(Broken::Torn)) => {
                    let torn = "the answer ends in the middle, so nothing of it was used; the next run tries again";
                    asker.pause(None, PullError::Network(torn.to_owned())).await?;
                }
                Judged::Unreadable(why) => return Err(unreadable(&asker, &reader, &answered, &page, why)),
            }
        }
        if cursor.is_none() {
            break;
        }
        window.go_on(cursor.as_deref(), connector.patience.pages, &asker)?;
    }
    window.facts(&reader, request, manifest.info.name.as_str()).map_err(|error| asker.cleaned(error))
}

fn into_text(body: Vec<u8>, reader: &Reader) -> Result<String, PullError> {
    String::from_utf8(body).map_err(|error| PullError::Shape {
        path: reader.each.clone(),
        saw: format!("the answer is not UTF-8 from byte {} on", error.utf8_error().valid_up_to()),
    })
}

/// Does what an answer that is no page asks for; returns where the page is to be asked for again.
async fn act(asker: &mut Asker<'_>, then: Then, answered: &Answered, said: &Said) -> Result<(), PullError> {
    let status = answered.status;
    let message =
        said.message.as_deref().map_or_else(|| "it gives no reason".to_owned(), |message| asker.shown(message));
    let vendor = |message: String| PullError::Vendor { status, message };
    match then {
        Then::Retry => {
            let wait = asker.asked_wait(answered, said);
            asker.pause(wait, vendor(format!("{message}; it may pass, the next run tries again"))).await
        }
        Then::Wait => {
            let wait = asker.asked_wait(answered, said);
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

fn unreadable(asker: &Asker<'_>, reader: &Reader, answered: &Answered, page: &str, why: Unreadable) -> PullError {
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
        Unreadable::Empty => shape(&reader.each, "the answer is empty".to_owned()),
        Unreadable::Broken(Broken::NotJson { byte }) => {
            shape(&reader.each, format!("the answer is not JSON from byte {byte} on"))
        }
        Unreadable::Broken(Broken::Torn) => shape(&reader.each, "the answer ends in the middle".to_owned()),
        Unreadable::Broken(Broken::Fault { fault, byte }) => {
            let row = fault.row.map(|row| format!("row {row}, ")).unwrap_or_default();
            shape(&fault.path, format!("{row}byte {byte} of the answer: {}", fault.saw))
        }
    }
}
