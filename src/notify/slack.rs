//! Slack incoming webhooks: the five lines as Block Kit blocks, and what Slack's one-word answers
//! mean. Everything shown stands in `plain_text`, where markup, mentions and links do nothing.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use super::endpoint::{self, Answer, Endpoint};
use super::shown::{Escape, PAGE, footer, headline, labelled, lines};
use super::{Built, Notifier, NotifyError};
use crate::domain::message::{Delivery, Destination, NotifierInfo};

/// Slack's limit of a header block, in characters.
const HEADER: usize = 150;
/// Our limits of one line and of all: well below the 13,000 characters at which Slack was seen to refuse the sum of all
/// blocks.
const LINE: usize = 1_000;
const ALL: usize = 10_000;
/// Slack advises about 4,000 characters of top-level text.
const TEXT: usize = 300;

pub(super) fn info() -> NotifierInfo {
    endpoint::info("slack", "address of a Slack incoming webhook, https://hooks.slack.com/services/…")
}

pub(super) fn build(destination: &Destination, client: reqwest::Client) -> Built {
    Ok(Box::new(Slack { endpoint: Endpoint::new(destination, client)? }))
}

struct Slack {
    endpoint: Endpoint,
}

/// What Slack says with one word, whatever the status beside it.
enum Said {
    Delivered,
    BlocksRefused,
    Refused(&'static str),
    TryAgain,
    Nothing,
}

#[async_trait]
impl Notifier for Slack {
    async fn send(&self, delivery: &Delivery, now: DateTime<Utc>) -> Result<(), NotifyError> {
        let answer = self.endpoint.post(&[], with_blocks(delivery).to_string(), now).await?;
        let answer = match said(&answer) {
            Said::BlocksRefused => self.endpoint.post(&[], text_only(delivery).to_string(), now).await?,
            _ => answer,
        };
        match said(&answer) {
            Said::Delivered => Ok(()),
            Said::Refused(advice) => Err(self.endpoint.permanent(&format!("answered `{}`: {advice}", answer.text))),
            Said::BlocksRefused => Err(self.endpoint.permanent("refused the message even as plain text")),
            Said::TryAgain => Err(self.endpoint.temporary(&answer, "had a failure of its own")),
            Said::Nothing => {
                self.endpoint.read(&answer)?;
                Err(self.endpoint.temporary(&answer, "did not answer `ok`: check that `url` is a Slack webhook"))
            }
        }
    }
}

fn said(answer: &Answer) -> Said {
    const NEW_WEBHOOK: &str = "make a new incoming webhook in Slack and put its address into `url`";
    match answer.text.as_str() {
        "ok" if answer.status == 200 => Said::Delivered,
        "invalid_blocks" | "invalid_blocks_format" | "msg_blocks_too_long" => Said::BlocksRefused,
        "invalid_payload" | "no_text" | "too_many_attachments" | "user_not_found" => {
            Said::Refused("the message is at fault, not your settings: please report it")
        }
        "action_prohibited" | "posting_to_general_channel_denied" => {
            Said::Refused("ask who runs the workspace to allow this webhook to post, or choose another channel")
        }
        "channel_is_archived" => Said::Refused("unarchive the channel, or make a webhook for another one"),
        "invalid_token" | "channel_not_found" | "no_service" | "no_service_id" | "no_active_hooks" | "no_team"
        | "team_disabled" => Said::Refused(NEW_WEBHOOK),
        "rollup_error" => Said::TryAgain,
        _ if answer.status == 413 => Said::BlocksRefused,
        _ => Said::Nothing,
    }
}

/// Slack's three escapes.
fn escape(letter: char) -> Option<&'static str> {
    match letter {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        _ => None,
    }
}

/// The same inside a code block, which a backtick would end.
fn escape_in_code(letter: char) -> Option<&'static str> {
    if letter == '`' { Some("'") } else { escape(letter) }
}

fn with_blocks(delivery: &Delivery) -> Value {
    let message = &delivery.message;
    let mut blocks = vec![json!({ "type": "header", "text": plain_text(&headline(message, HEADER, escape)) })];
    for (label, text) in lines(message, LINE, ALL, escape) {
        blocks.push(json!({ "type": "section", "text": plain_text(&labelled(&label, &text)) }));
    }
    // The one text with markup: an address of our own pages holds nothing that would end it.
    blocks.extend(
        link(delivery)
            .map(|link| json!({ "type": "section", "text": { "type": "mrkdwn", "text": link, "verbatim": true } })),
    );
    blocks.push(json!({ "type": "context", "elements": [plain_text(&footer(delivery))] }));
    // What notifications and screen readers use; `mrkdwn` off so that stars and backticks do nothing.
    json!({
        "text": all_lines(delivery, labelled, escape),
        "mrkdwn": false,
        "unfurl_links": false,
        "unfurl_media": false,
        "blocks": blocks,
    })
}

/// For a Slack that refuses the blocks: the same lines as a code block, the one place in its markup
/// where markup does nothing.
fn text_only(delivery: &Delivery) -> Value {
    let link = link(delivery).map_or_else(String::new, |link| format!("\n{link}"));
    json!({
        "text": format!("```{}```{link}", all_lines(delivery, in_columns, escape_in_code)),
        "unfurl_links": false,
        "unfurl_media": false,
    })
}

fn all_lines(delivery: &Delivery, labelled: fn(&str, &str) -> String, escape: Escape) -> String {
    let mut all = vec![headline(&delivery.message, TEXT, escape)];
    all.extend(lines(&delivery.message, TEXT, ALL, escape).iter().map(|(label, text)| labelled(label, text)));
    all.push(footer(delivery));
    all.join("\n")
}

fn link(delivery: &Delivery) -> Option<String> {
    delivery.page.as_ref().map(|page| format!("<{page}|{PAGE}>"))
}

/// Where letters are equally wide, labels form a column.
fn in_columns(label: &str, text: &str) -> String {
    format!("{label:<10}{text}")
}

fn plain_text(escaped: &str) -> Value {
    json!({ "type": "plain_text", "text": escaped, "emoji": false })
}
