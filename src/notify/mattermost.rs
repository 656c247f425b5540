//! Mattermost incoming webhooks: one post in its Markdown, in which every mark of ours stands escaped.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::json;

use super::endpoint::{self, Endpoint};
use super::shown::{PAGE, footer, headline, lines};
use super::{Built, Notifier, NotifyError};
use crate::domain::message::{Delivery, Destination, NotifierInfo};

/// Mattermost cuts a post at 16,383 characters into several.
const HEADLINE: usize = 500;
const LINE: usize = 1_500;
const ALL: usize = 14_000;

pub(super) fn info() -> NotifierInfo {
    endpoint::info("mattermost", "address of a Mattermost incoming webhook, https://chat.example.com/hooks/…")
}

pub(super) fn build(destination: &Destination, client: reqwest::Client) -> Built {
    Ok(Box::new(Mattermost { endpoint: Endpoint::new(destination, client)? }))
}

struct Mattermost {
    endpoint: Endpoint,
}

#[async_trait]
impl Notifier for Mattermost {
    async fn send(&self, delivery: &Delivery, now: DateTime<Utc>) -> Result<(), NotifyError> {
        let answer = self.endpoint.post(&[], json!({ "text": text(delivery) }).to_string(), now).await?;
        if answer.status == 501 {
            return Err(self.endpoint.permanent("takes no webhooks (501): ask who runs the server to enable them"));
        }
        self.endpoint.read(&answer)
    }
}

fn text(delivery: &Delivery) -> String {
    let message = &delivery.message;
    let mut all = vec![format!("**{}**", headline(message, HEADLINE, escape))];
    for (label, text) in lines(message, LINE, ALL, escape) {
        all.push(if label.is_empty() { text } else { format!("**{label}** {text}") });
    }
    all.extend(delivery.page.iter().map(|page| format!("[{PAGE}]({page})")));
    // An id holds nothing that could end the code.
    all.push(footer(delivery).replacen(&delivery.id, &format!("`{}`", delivery.id), 1));
    // A single line break is none in Markdown.
    all.join("\n\n")
}

/// The marks of its Markdown. It also reads Slack's `<!channel>` and `<url|text>`, which begin with `<`.
fn escape(letter: char) -> Option<&'static str> {
    Some(match letter {
        '&' => "&amp;",
        '<' => "&lt;",
        '>' => "&gt;",
        '\\' => "\\\\",
        '`' => "\\`",
        '*' => "\\*",
        '_' => "\\_",
        '~' => "\\~",
        '#' => "\\#",
        '[' => "\\[",
        ']' => "\\]",
        '|' => "\\|",
        '!' => "\\!",
        _ => return None,
    })
}
