//! Google's token endpoint: `grant_type=refresh_token` with client id and secret in the body. The
//! refresh token is not rotated; access lasts an hour of simulated time.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::routing::post;
use axum::{Form, Json, Router};
use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};

use super::faults::Answer;
use super::{Shared, held};

pub(super) const PATH: &str = "/token";

/// Seconds an access token lasts.
const LIFE: i64 = 3_599;

/// Access tokens given out.
#[derive(Default)]
pub(super) struct AccessTokens {
    live: BTreeMap<String, Access>,
    given: u64,
}

struct Access {
    ends: DateTime<Utc>,
    calls_left: Option<u32>,
}

/// Whether an access token opens the door.
pub(super) enum Admitted {
    Yes,
    Expired,
    Unknown,
}

impl AccessTokens {
    fn give(&mut self, refresh_token: &str, now: DateTime<Utc>, calls: Option<u32>) -> String {
        self.given += 1;
        let token = format!("ya29.{refresh_token}.{}", self.given);
        self.live.insert(token.clone(), Access { ends: now + Duration::seconds(LIFE), calls_left: calls });
        token
    }

    pub(super) fn admit(&mut self, token: &str, now: DateTime<Utc>) -> Admitted {
        let Some(access) = self.live.get_mut(token) else { return Admitted::Unknown };
        if access.ends <= now || access.calls_left == Some(0) {
            return Admitted::Expired;
        }
        access.calls_left = access.calls_left.map(|left| left - 1);
        Admitted::Yes
    }

    pub(super) fn expire_all(&mut self) {
        for access in self.live.values_mut() {
            access.calls_left = Some(0);
        }
    }
}

pub(super) fn routes() -> Router<Shared> {
    Router::new().route(PATH, post(renew))
}

async fn renew(State(state): State<Shared>, Form(form): Form<BTreeMap<String, String>>) -> Result<Json<Value>, Answer> {
    let secrets = &state.setup.secrets;
    let given = |name: &str| form.get(name).map(String::as_str).unwrap_or_default();
    if given("grant_type") != "refresh_token" {
        return Err(refusal(400, "unsupported_grant_type", "Invalid grant_type"));
    }
    if given("client_id") != secrets.client_id || given("client_secret") != secrets.client_secret {
        return Err(refusal(401, "invalid_client", "The OAuth client was not found."));
    }
    if given("refresh_token") != secrets.refresh_token {
        return Err(refusal(400, "invalid_grant", "Token has been expired or revoked."));
    }
    let token = held(&state.access).give(&secrets.refresh_token, state.now(), state.setup.google_token_calls);
    Ok(Json(json!({
        "access_token": token,
        "expires_in": LIFE,
        "scope": "https://www.googleapis.com/auth/adwords",
        "token_type": "Bearer",
    })))
}

fn refusal(status: u16, error: &str, description: &str) -> Answer {
    Answer::json(status, json!({ "error": error, "error_description": description }).to_string())
}
