//! Discord webhooks: one embed, in which nobody can be mentioned, and how long Discord asks to wait.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};

use super::endpoint::{self, Answer, Endpoint, bounded};
use super::shown::{footer, headline, lines};
use super::{Built, Notifier, NotifyError};
use crate::domain::message::{Delivery, Destination, NotifierInfo};

/// Discord's limits are 256 characters of a title, 1,024 of a field, and 6,000 of all of an embed.
const TITLE: usize = 250;
const FIELD: usize = 1_000;
const ALL: usize = 4_500;

pub(super) fn info() -> NotifierInfo {
    endpoint::info("discord", "address of a Discord webhook, https://discord.com/api/webhooks/…")
}

pub(super) fn build(destination: &Destination, client: reqwest::Client) -> Built {
    // Without it Discord answers before it has looked at the message.
    Ok(Box::new(Discord { endpoint: Endpoint::asked(destination, client, &[("wait", "true")])? }))
}

struct Discord {
    endpoint: Endpoint,
}

#[async_trait]
impl Notifier for Discord {
    async fn send(&self, delivery: &Delivery, now: DateTime<Utc>) -> Result<(), NotifyError> {
        let mut answer = self.endpoint.post(&[], body(delivery).to_string(), now).await?;
        if answer.status == 429 {
            answer.retry_after = answer.retry_after.max(asked_to_wait(&answer));
        }
        self.endpoint.read(&answer)
    }
}

/// Fractions of a second, in the body.
fn asked_to_wait(answer: &Answer) -> Option<Duration> {
    let body: Value = serde_json::from_str(&answer.text).ok()?;
    let seconds = body.get("retry_after")?.as_f64()?;
    Duration::try_from_secs_f64(seconds.ceil()).ok().map(bounded)
}

fn body(delivery: &Delivery) -> Value {
    let message = &delivery.message;
    // A field must have both.
    let seen = |text: String| if text.trim().is_empty() { "\u{200b}".to_owned() } else { text };
    let fields: Vec<Value> = lines(message, FIELD, ALL, escape)
        .into_iter()
        .map(|(label, text)| json!({ "name": seen(label), "value": seen(text) }))
        .collect();
    let mut body = json!({
        "allowed_mentions": { "parse": [] },
        "embeds": [{
            "title": headline(message, TITLE, escape),
            "fields": fields,
            "footer": { "text": footer(delivery) },
            "timestamp": message.decided_at.to_rfc3339_opts(SecondsFormat::Secs, true),
        }],
    });
    // The title leads there.
    if let Some(page) = &delivery.page {
        body["embeds"][0]["url"] = page.as_str().into();
    }
    body
}

/// A backslash takes the meaning from any mark of Discord's.
fn escape(letter: char) -> Option<&'static str> {
    Some(match letter {
        '\\' => "\\\\",
        '`' => "\\`",
        '*' => "\\*",
        '_' => "\\_",
        '~' => "\\~",
        '#' => "\\#",
        '[' => "\\[",
        ']' => "\\]",
        '(' => "\\(",
        ')' => "\\)",
        '<' => "\\<",
        '>' => "\\>",
        '|' => "\\|",
        _ => return None,
    })
}
