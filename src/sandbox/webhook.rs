//! A receiver of signed webhooks as Standard Webhooks 1.0.0 describes it: takes a message only with a
//! fresh timestamp and a signature it can verify, and knows a repeat by its id.

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ring::hmac;

use super::{Endpoint, Shared};

pub(super) const PATH: &str = "/hooks/verdicts";

/// How far a timestamp may be from now, either way.
const TOLERANCE: u64 = 5 * 60;

pub(super) fn routes() -> Router<Shared> {
    Router::new().route(PATH, post(hook))
}

async fn hook(State(state): State<Shared>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let now = state.now().timestamp();
    let Some(id) = verified(&state.setup.secrets.webhook_secret, &headers, &body, now) else {
        return StatusCode::UNAUTHORIZED;
    };
    let Ok(message) = serde_json::from_slice(&body) else { return StatusCode::UNPROCESSABLE_ENTITY };
    state.receive(Endpoint::Webhook, Some(id.to_owned()), message);
    StatusCode::NO_CONTENT
}

/// The id of a message that proves its sender; `None` for any other. Versions not known are passed over.
fn verified<'h>(secret: &str, headers: &'h HeaderMap, body: &[u8], now: i64) -> Option<&'h str> {
    let header = |name: &str| headers.get(name)?.to_str().ok();
    let (id, timestamp) = (header("webhook-id")?, header("webhook-timestamp")?);
    if timestamp.parse::<i64>().ok()?.abs_diff(now) > TOLERANCE {
        return None;
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, &STANDARD.decode(secret.strip_prefix("whsec_")?).ok()?);
    let signed = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
    let mut signatures = header("webhook-signature")?.split(' ').filter_map(|it| it.strip_prefix("v1,"));
    signatures.any(|it| STANDARD.decode(it).is_ok_and(|tag| hmac::verify(&key, &signed, &tag).is_ok())).then_some(id)
}
