//! A fake Slack incoming webhook: checks a message as far as Slack documents its limits, answers `ok`
//! or one of its words, and writes down what arrived.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::routing::post;
use serde_json::Value;

use super::faults::Answer;
use super::{Endpoint, Fault, Shared};

/// One message a second is the limit; the wait is in seconds.
pub fn throttled(seconds: u32) -> Fault {
    say(429, "rate_limited").with("retry-after", seconds.to_string()).into()
}

/// One of Slack's error words.
pub fn refused(status: u16, word: &str) -> Fault {
    say(status, word).into()
}

pub(super) fn path(key: &str) -> String {
    format!("/services/T00SANDBOX/B00SANDBOX/{key}")
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route("/services/{team}/{hook}/{key}", post(hook))
}

async fn hook(
    State(state): State<Shared>,
    Path((_, _, key)): Path<(String, String, String)>,
    body: Bytes,
) -> Result<&'static str, Answer> {
    if key != state.setup.secrets.slack_key {
        return Err(say(404, "no_service"));
    }
    let message: Value = serde_json::from_slice(&body).map_err(|_| say(400, "invalid_payload"))?;
    if !message.is_object() {
        return Err(say(400, "invalid_payload"));
    }
    let blocks = message["blocks"].as_array().map(Vec::as_slice).unwrap_or_default();
    if blocks.is_empty() && message["text"].as_str().is_none_or(str::is_empty) {
        return Err(say(400, "no_text"));
    }
    if blocks.len() > 50 || !blocks.iter().all(is_valid) {
        return Err(say(400, "invalid_blocks"));
    }
    state.receive(Endpoint::Slack, delivery_id(&message["text"]), message);
    Ok("ok")
}

fn say(status: u16, word: &str) -> Answer {
    Answer::json(status, word.into()).with("content-type", "text/html")
}

/// Within the documented limits, of the kinds known here.
fn is_valid(block: &Value) -> bool {
    let text = |text: &Value, most: usize| {
        let known = matches!(text["type"].as_str(), Some("plain_text" | "mrkdwn"));
        known && text["text"].as_str().is_some_and(|it| !it.is_empty() && it.chars().count() <= most)
    };
    match block["type"].as_str() {
        Some("header") => block["text"]["type"] == "plain_text" && text(&block["text"], 150),
        Some("section") => text(&block["text"], 3_000),
        Some("context") => {
            block["elements"].as_array().is_some_and(|it| it.len() <= 10 && it.iter().all(|it| text(it, 2_000)))
        }
        Some("divider") => true,
        _ => false,
    }
}

/// Slack itself cannot tell a repeat; a reader can, by the word after "Delivery".
fn delivery_id(text: &Value) -> Option<String> {
    let mut words = text.as_str()?.split_whitespace();
    words.by_ref().find(|&word| word == "Delivery")?;
    words.next().map(|id| id.trim_matches('`').to_owned())
}
