//! The fake token endpoints: who may renew, what a renewal replaces, and when it is too late.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::Duration;
use reqwest::Response;
use serde_json::Value;
use willitsell::sandbox::{Endpoint, Sandbox, Setup};

use super::{client, json_of, setup};

const MICROSOFT_SCOPE: &str = "https%3A%2F%2Fads.microsoft.com%2Fmsads.manage%20offline_access";

/// Every token endpoint; whether the client proves itself by Basic, whether the refresh token is replaced.
const ISSUERS: [(Endpoint, bool, bool); 5] = [
    (Endpoint::GoogleToken, false, false),
    (Endpoint::LinkedinToken, false, false),
    (Endpoint::MicrosoftToken, false, true),
    (Endpoint::RedditToken, true, false),
    (Endpoint::PinterestToken, true, true),
];

/// A renewal as the vendor wants it.
pub async fn renew(sandbox: &Sandbox, endpoint: Endpoint, refresh: &str) -> Response {
    let basic = ISSUERS.iter().any(|(it, basic, _)| *it == endpoint && *basic);
    renew_as(sandbox, endpoint, refresh, basic, &sandbox.secrets().client_secret, MICROSOFT_SCOPE).await
}

/// An access token.
pub async fn access(sandbox: &Sandbox, endpoint: Endpoint) -> String {
    let answer = renew(sandbox, endpoint, &sandbox.refresh_token(endpoint)).await;
    assert_eq!(answer.status(), 200);
    json_of(answer).await["access_token"].as_str().unwrap().to_owned()
}

async fn renew_as(
    sandbox: &Sandbox,
    endpoint: Endpoint,
    refresh: &str,
    basic: bool,
    secret: &str,
    scope: &str,
) -> Response {
    let id = &sandbox.secrets().client_id;
    let mut form = format!("grant_type=refresh_token&refresh_token={refresh}&scope={scope}");
    let mut call = client().post(sandbox.url(endpoint)).header("content-type", "application/x-www-form-urlencoded");
    if basic {
        call = call.header("authorization", format!("Basic {}", BASE64_STANDARD.encode(format!("{id}:{secret}"))));
    } else {
        form += &format!("&client_id={id}&client_secret={secret}");
    }
    call.body(form).send().await.unwrap()
}

async fn outcome(answer: Response) -> (u16, Value) {
    (answer.status().as_u16(), json_of(answer).await)
}

#[tokio::test]
async fn every_vendor_renews_in_its_own_way_and_no_other() {
    let sandbox = Sandbox::start(setup("2026-03-20")).await.unwrap();
    let secret = &sandbox.secrets().client_secret;
    for (endpoint, basic, rotates) in ISSUERS {
        let first = sandbox.refresh_token(endpoint);
        for (basic, secret, refresh, scope, status, error) in [
            (!basic, secret.as_str(), first.as_str(), MICROSOFT_SCOPE, 401, "invalid_client"),
            (basic, "guessed", first.as_str(), MICROSOFT_SCOPE, 401, "invalid_client"),
            (basic, secret.as_str(), "guessed", MICROSOFT_SCOPE, 400, "invalid_grant"),
        ] {
            let (answered, body) = outcome(renew_as(&sandbox, endpoint, refresh, basic, secret, scope).await).await;
            assert_eq!((answered, &body["error"]), (status, &error.into()), "{endpoint:?}");
            assert_eq!(body["error_codes"].is_array(), endpoint == Endpoint::MicrosoftToken);
        }
        let (status, body) = outcome(renew(&sandbox, endpoint, &first).await).await;
        assert_eq!((status, body["refresh_token"].is_string()), (200, rotates), "{endpoint:?} {body}");
        assert!(body["expires_in"].as_i64().unwrap() >= 3_599);
    }
    let (status, body) = outcome(renew_as(&sandbox, Endpoint::MicrosoftToken, "any", false, secret, "").await).await;
    assert_eq!((status, &body["error"]), (400, &"invalid_scope".into()), "the scope is wanted again");
}

#[tokio::test]
async fn a_replaced_token_ends_the_family_when_it_comes_again() {
    for (revokes, status) in [(true, 400), (false, 200)] {
        let setup = Setup { reuse_revokes: revokes, ..setup("2026-03-20") };
        let sandbox = Sandbox::start(setup).await.unwrap();
        for endpoint in [Endpoint::MicrosoftToken, Endpoint::PinterestToken] {
            let first = sandbox.refresh_token(endpoint);
            let second = json_of(renew(&sandbox, endpoint, &first).await).await["refresh_token"].clone();
            let third =
                json_of(renew(&sandbox, endpoint, second.as_str().unwrap()).await).await["refresh_token"].clone();
            assert_ne!(second, third);
            assert_eq!(renew(&sandbox, endpoint, &first).await.status(), status, "{endpoint:?}: used before");
            assert_eq!(renew(&sandbox, endpoint, third.as_str().unwrap()).await.status(), status, "{endpoint:?}");
        }
    }
}

#[tokio::test]
async fn refresh_tokens_end_when_the_vendor_says() {
    let sandbox = Sandbox::start(setup("2026-03-20")).await.unwrap();
    let start = super::at("2026-03-20T11:00:00Z");
    // Every 59 days: Pinterest's begins anew each time, LinkedIn's ends a year after the login.
    let mut pinterest = sandbox.refresh_token(Endpoint::PinterestToken);
    let linkedin = sandbox.refresh_token(Endpoint::LinkedinToken);
    for round in 0..8 {
        sandbox.set_now(start + Duration::days(59 * round));
        let (status, body) = outcome(renew(&sandbox, Endpoint::PinterestToken, &pinterest).await).await;
        assert_eq!((status, &body["refresh_token_expires_in"]), (200, &(60 * 86_400).into()));
        pinterest = body["refresh_token"].as_str().unwrap().to_owned();
        let status = renew(&sandbox, Endpoint::LinkedinToken, &linkedin).await.status();
        assert_eq!(status, if 59 * round < 365 { 200 } else { 400 }, "day {}", 59 * round);
    }
    sandbox.set_now(start + Duration::days(59 * 7 + 60));
    assert_eq!(renew(&sandbox, Endpoint::PinterestToken, &pinterest).await.status(), 400, "sixty days asleep");
    assert_eq!(
        renew(&sandbox, Endpoint::RedditToken, &sandbox.refresh_token(Endpoint::RedditToken)).await.status(),
        200
    );
    sandbox.revoke(Endpoint::RedditToken);
    assert_eq!(
        renew(&sandbox, Endpoint::RedditToken, &sandbox.refresh_token(Endpoint::RedditToken)).await.status(),
        400
    );
}
