//! Microsoft Teams, through a Workflow ("when a Teams webhook request is received"): one Adaptive Card. Its texts are runs,
//! which know no markup. A Workflow accepts a message before it looks at it, so a card that Teams refuses is not seen here.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::endpoint::{self, Endpoint};
use super::shown::{PAGE, footer, headline, lines};
use super::{Built, Notifier, NotifyError};
use crate::domain::message::{Delivery, Destination, NotifierInfo};

/// A message may have 28,000 bytes, and some were refused from 21,000 on; a quote counts twice in JSON.
const HEADLINE: usize = 500;
const LINE: usize = 1_200;
const ALL: usize = 8_000;

pub(super) fn info() -> NotifierInfo {
    endpoint::info("teams", "address of a Teams Workflow that posts what it receives, https://….logic.azure.com/…")
}

pub(super) fn build(destination: &Destination, client: reqwest::Client) -> Built {
    Ok(Box::new(Teams { endpoint: Endpoint::new(destination, client)? }))
}

struct Teams {
    endpoint: Endpoint,
}

#[async_trait]
impl Notifier for Teams {
    async fn send(&self, delivery: &Delivery, now: DateTime<Utc>) -> Result<(), NotifyError> {
        let answer = self.endpoint.post(&[], body(delivery, ALL).to_string(), now).await?;
        if answer.status == 413 {
            // Its limit is lower than ours: the headline says what it is about.
            let answer = self.endpoint.post(&[], body(delivery, 0).to_string(), now).await?;
            return self.endpoint.read(&answer);
        }
        self.endpoint.read(&answer)
    }
}

/// The card with as much of the lines as has `room` in bytes.
fn body(delivery: &Delivery, room: usize) -> Value {
    let message = &delivery.message;
    let run = |text: String, weight: &str| json!({ "type": "TextRun", "text": text, "weight": weight });
    let block = |runs: Vec<Value>| json!({ "type": "RichTextBlock", "inlines": runs });
    let mut shown = vec![block(vec![run(headline(message, HEADLINE, escape), "bolder")])];
    for (label, text) in lines(message, LINE, room, escape) {
        let label = (!label.is_empty()).then(|| run(format!("{label}  "), "bolder"));
        shown.push(block(label.into_iter().chain([run(text, "default")]).collect()));
    }
    let footer = json!({ "type": "TextRun", "text": footer(delivery), "size": "small", "isSubtle": true });
    shown.push(block(vec![footer]));
    let page = delivery.page.iter().map(|page| json!({ "type": "Action.OpenUrl", "title": PAGE, "url": page }));
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "msteams": { "width": "Full" },
        "body": shown,
        "actions": page.collect::<Vec<_>>(),
    });
    json!({
        "type": "message",
        "attachments": [
            { "contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": null, "content": card },
        ],
    })
}

/// Cards compute `{{DATE(…)}}` and the like.
fn escape(letter: char) -> Option<&'static str> {
    (letter == '{').then_some("{\u{200b}")
}
