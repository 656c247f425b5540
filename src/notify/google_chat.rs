//! Google Chat webhooks: one card, in the thread of the state it is about. Its markup is a little HTML, of which what others wrote can be none.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::endpoint::{self, Endpoint};
use super::shown::{PAGE, as_it_is, footer, headline, lines};
use super::{Built, Notifier, NotifyError};
use crate::domain::message::{Delivery, Destination, NotifierInfo};

/// A message may have 32,000 bytes.
const HEADLINE: usize = 500;
const LINE: usize = 1_500;
const ALL: usize = 12_000;

pub(super) fn info() -> NotifierInfo {
    endpoint::info("google_chat", "address of a Google Chat webhook, https://chat.googleapis.com/v1/spaces/…")
}

pub(super) fn build(destination: &Destination, client: reqwest::Client) -> Built {
    // A thread that is not there yet is begun.
    let query = [("messageReplyOption", "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD")];
    Ok(Box::new(GoogleChat { endpoint: Endpoint::asked(destination, client, &query)? }))
}

struct GoogleChat {
    endpoint: Endpoint,
}

#[async_trait]
impl Notifier for GoogleChat {
    async fn send(&self, delivery: &Delivery, now: DateTime<Utc>) -> Result<(), NotifyError> {
        let answer = self.endpoint.post(&[], body(delivery).to_string(), now).await?;
        self.endpoint.read(&answer)
    }
}

fn body(delivery: &Delivery) -> Value {
    let message = &delivery.message;
    let paragraph = |html: String| json!({ "textParagraph": { "text": html } });
    let mut widgets = vec![paragraph(format!("<b>{}</b>", headline(message, HEADLINE, escape)))];
    for (label, text) in lines(message, LINE, ALL, escape) {
        widgets.push(paragraph(if label.is_empty() { text } else { format!("<b>{label}</b> {text}") }));
    }
    widgets.extend(delivery.page.iter().map(|page| paragraph(format!("<a href=\"{page}\">{PAGE}</a>"))));
    widgets.push(paragraph(format!("<i>{}</i>", footer(delivery))));
    json!({
        "thread": { "threadKey": delivery.thread },
        // What a telephone shows of it.
        "fallbackText": headline(message, HEADLINE, as_it_is),
        "cardsV2": [{ "cardId": delivery.id, "card": { "sections": [{ "widgets": widgets }] } }],
    })
}

/// HTML's own.
fn escape(letter: char) -> Option<&'static str> {
    match letter {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        _ => None,
    }
}
