//! Fake receivers of chat programs: Mattermost, Discord, a Teams Workflow and Google Chat. Each takes what its vendor
//! documents, within the documented limits, answers as the vendor does, and writes down what arrived.

use std::collections::BTreeMap;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::{Value, json};

use super::faults::Answer;
use super::{Endpoint, Shared};

type Asked = Query<BTreeMap<String, String>>;

pub(super) fn mattermost_path(key: &str) -> String {
    format!("/hooks/{key}")
}

pub(super) fn mattermost() -> Router<Shared> {
    async fn hook(
        State(state): State<Shared>,
        Path(key): Path<String>,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<&'static str, Answer> {
        let refused = |status, id: &str| Answer::json(status, json!({ "id": id, "status_code": status }).to_string());
        if key != state.setup.secrets.slack_key {
            return Err(refused(400, "web.incoming_webhook.invalid.app_error"));
        }
        let is_json = headers.get("content-type").is_some_and(|it| it == "application/json");
        let message = read(&body).filter(|_| is_json).ok_or_else(|| refused(400, "web.incoming_webhook.parse"))?;
        let text = message["text"].as_str().unwrap_or_default();
        if text.trim().is_empty() || text.chars().count() > 16_383 {
            return Err(refused(400, "web.incoming_webhook.text.app_error"));
        }
        state.receive(Endpoint::Mattermost, delivery_id(&message), message);
        Ok("ok")
    }
    Router::new().route("/hooks/{key}", post(hook))
}

pub(super) fn discord_path(key: &str) -> String {
    format!("/api/webhooks/1200000000000000001/{key}")
}

pub(super) fn discord() -> Router<Shared> {
    async fn hook(
        State(state): State<Shared>,
        Path((_, key)): Path<(String, String)>,
        Query(asked): Asked,
        body: Bytes,
    ) -> Result<Answer, Answer> {
        let refused =
            |status, code: u32| Answer::json(status, json!({ "message": "refused", "code": code }).to_string());
        if key != state.setup.secrets.slack_key {
            return Err(refused(404, 10_015));
        }
        let message = read(&body).ok_or_else(|| refused(400, 50_109))?;
        let within = |value: &Value, most: usize| {
            value.as_str().is_some_and(|it| !it.trim().is_empty() && it.chars().count() <= most)
        };
        let is_embed = |embed: &Value| {
            let fields = embed["fields"].as_array().map(Vec::as_slice).unwrap_or_default();
            let characters: usize = texts(embed).iter().map(|text| text.chars().count()).sum();
            within(&embed["title"], 256)
                && fields.len() <= 25
                && fields.iter().all(|field| within(&field["name"], 256) && within(&field["value"], 1_024))
                && within(&embed["footer"]["text"], 2_048)
                && characters <= 6_000
        };
        let embeds = message["embeds"].as_array().map(Vec::as_slice).unwrap_or_default();
        let content = &message["content"];
        if embeds.len() > 10 || !embeds.iter().all(is_embed) || (embeds.is_empty() && !within(content, 2_000)) {
            return Err(refused(400, 50_035));
        }
        state.receive(Endpoint::Discord, delivery_id(&message), message);
        let waits = asked.get("wait").is_some_and(|it| it == "true");
        Ok(if waits { Answer::json(200, json!({ "id": "1" }).to_string()) } else { Answer::json(204, String::new()) })
    }
    Router::new().route("/api/webhooks/{id}/{key}", post(hook))
}

pub(super) fn teams_path(key: &str) -> String {
    format!("/workflows/0123456789abcdef/triggers/manual/paths/invoke?api-version=2016-06-01&sig={key}")
}

pub(super) fn teams() -> Router<Shared> {
    async fn invoke(State(state): State<Shared>, Query(asked): Asked, body: Bytes) -> StatusCode {
        if asked.get("sig").is_none_or(|sig| *sig != state.setup.secrets.slack_key) {
            return StatusCode::UNAUTHORIZED;
        }
        if body.len() > 28 * 1024 {
            return StatusCode::PAYLOAD_TOO_LARGE;
        }
        let Some(message) = read(&body) else { return StatusCode::BAD_REQUEST };
        // What is wrong with the card shows later, inside the flow, and only there.
        state.receive(Endpoint::Teams, delivery_id(&message), message);
        StatusCode::ACCEPTED
    }
    Router::new().route("/workflows/{id}/triggers/manual/paths/invoke", post(invoke))
}

pub(super) fn google_chat_path(key: &str) -> String {
    format!("/v1/spaces/AAAA/messages?key=sandbox&token={key}")
}

pub(super) fn google_chat() -> Router<Shared> {
    async fn create(State(state): State<Shared>, Query(asked): Asked, body: Bytes) -> Result<Answer, Answer> {
        let refused = |code: u16, status: &str| {
            Answer::json(code, json!({ "error": { "code": code, "status": status } }).to_string())
        };
        if asked.get("token").is_none_or(|token| *token != state.setup.secrets.slack_key) {
            return Err(refused(403, "PERMISSION_DENIED"));
        }
        let message = read(&body).filter(|_| body.len() <= 32_000).ok_or_else(|| refused(400, "INVALID_ARGUMENT"))?;
        let known = ["text", "cardsV2", "fallbackText", "thread"];
        let is_known = message.as_object().is_some_and(|it| it.keys().all(|key| known.contains(&key.as_str())));
        let has_cards = message["cardsV2"].as_array().is_some_and(|cards| {
            !cards.is_empty() && cards.iter().all(|card| !texts(&card["card"]).iter().any(String::is_empty))
        });
        if !is_known || (!has_cards && message["text"].as_str().is_none_or(str::is_empty)) {
            return Err(refused(400, "INVALID_ARGUMENT"));
        }
        state.receive(Endpoint::GoogleChat, delivery_id(&message), message);
        Ok(Answer::json(200, json!({ "name": "spaces/AAAA/messages/1" }).to_string()))
    }
    Router::new().route("/v1/spaces/{space}/messages", post(create))
}

fn read(body: &[u8]) -> Option<Value> {
    serde_json::from_slice(body).ok().filter(Value::is_object)
}

/// Every text in it.
fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(text) => vec![text.clone()],
        Value::Array(values) => values.iter().flat_map(texts).collect(),
        Value::Object(fields) => fields.values().flat_map(texts).collect(),
        _ => Vec::new(),
    }
}

/// None of these can tell a repeat; a reader can, by the word after "Delivery".
fn delivery_id(message: &Value) -> Option<String> {
    let word_after = |text: &String| {
        let mut words = text.split_whitespace();
        words.by_ref().find(|&word| word == "Delivery")?;
        words.next().map(|id| id.trim_matches('`').trim_end_matches("</i>").to_owned())
    };
    texts(message).iter().find_map(word_after)
}
