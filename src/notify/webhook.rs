//! A signed JSON message to any receiver that speaks Standard Webhooks 1.0.0
//! (<https://www.standardwebhooks.com>): symmetric signatures, version `v1`.

use async_trait::async_trait;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use chrono::{DateTime, SecondsFormat, Utc};
use ring::hmac;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::endpoint::{Endpoint, secret, table};
use super::plain::line;
use super::{Built, Notifier, NotifyError};
use crate::domain::connector::SettingInfo;
use crate::domain::message::{Delivery, Destination, NotifierInfo};

/// Keeps a body near the 20 kB the standard advises.
const TEXT: usize = 1_000;
const MOST_LINES: usize = 10;

/// People copy secrets without their padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

pub(super) fn info() -> NotifierInfo {
    let setting = |name: &str, help: &str, address| SettingInfo {
        name: name.into(),
        help: help.into(),
        secret: true,
        address,
        ..SettingInfo::default()
    };
    NotifierInfo {
        kind: "webhook",
        settings: vec![
            setting("url", "address of your receiver", true),
            setting("secret", "signing secret shared with your receiver: whsec_ and 24 to 64 bytes in base64", false),
        ],
    }
}

pub(super) fn build(destination: &Destination, client: reqwest::Client) -> Built {
    let key = key(&secret(destination, "secret")?).ok_or_else(|| NotifyError::Permanent {
        advice: format!(
            "`secret` of {} must be whsec_ and 24 to 64 bytes in base64: copy it whole from your receiver",
            table(destination)
        ),
    })?;
    Ok(Box::new(Webhook { endpoint: Endpoint::new(destination, client)?, key }))
}

struct Webhook {
    endpoint: Endpoint,
    key: hmac::Key,
}

#[async_trait]
impl Notifier for Webhook {
    async fn send(&self, delivery: &Delivery, now: DateTime<Utc>) -> Result<(), NotifyError> {
        let body = body(delivery).to_string();
        let timestamp = now.timestamp();
        let headers = [
            ("webhook-id", delivery.id.clone()),
            ("webhook-timestamp", timestamp.to_string()),
            ("webhook-signature", sign(&self.key, &delivery.id, timestamp, &body)),
        ];
        let answer = self.endpoint.post(&headers, body, now).await?;
        self.endpoint.read(&answer)
    }
}

/// The key behind a secret, with or without its prefix; `None` unless it is 24 to 64 bytes.
fn key(secret: &SecretString) -> Option<hmac::Key> {
    let text = secret.expose_secret().trim();
    let bytes = BASE64.decode(text.strip_prefix("whsec_").unwrap_or(text)).ok()?;
    (24..=64).contains(&bytes.len()).then(|| hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

fn sign(key: &hmac::Key, id: &str, timestamp: i64, body: &str) -> String {
    let signature = hmac::sign(key, format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", BASE64.encode(signature))
}

/// The same on every attempt: its timestamp is when the verdict was reached or the notice written.
fn body(delivery: &Delivery) -> Value {
    let message = &delivery.message;
    let shown = |text: &str| line(text, TEXT, |_| None);
    let lines: Vec<_> = message
        .lines
        .iter()
        .take(MOST_LINES)
        .map(|(label, text)| json!({ "label": shown(label), "text": shown(text) }))
        .collect();
    let mut data = json!({ "headline": shown(&message.headline), "lines": lines });
    match message.audience() {
        Some(audience) => data["audience"] = shown(audience).into(),
        None => data["concept"] = shown(message.concept.as_str()).into(),
    }
    if let Some(page) = &delivery.page {
        data["page"] = page.as_str().into();
    }
    if let Some(verdict) = message.verdict {
        data["verdict"] = verdict.word().into();
    }
    if let Some(decision) = message.decision {
        data["decision"] = decision.word().into();
    }
    json!({
        "type": match (message.decision, message.verdict) {
            (Some(_), _) => "verdict.decided",
            (None, Some(_)) => "verdict.changed",
            (None, None) => "notice",
        },
        "timestamp": message.decided_at.to_rfc3339_opts(SecondsFormat::Secs, true),
        "data": data,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn key_of(secret: &str) -> Option<hmac::Key> {
        key(&SecretString::from(secret))
    }

    #[test]
    fn signs_as_the_reference_libraries_do() {
        let key = key_of(SECRET).unwrap();
        assert_eq!(
            sign(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
        assert_eq!(
            sign(&key, "msg_willitsell_0001", 1_767_225_600, r#"{"kind":"verdict","concept":"acme-widget"}"#),
            "v1,cz9e8PYepgwUAIl41QXJN2slywJ42pVW+7pyDPy+njw="
        );
    }

    #[test]
    fn reads_a_secret_as_people_copy_it() {
        let signed = |secret: &str| key_of(secret).map(|key| sign(&key, "a", 1, "{}"));
        assert_eq!(signed(SECRET), signed("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
        let twenty_five = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA==";
        assert!(signed(twenty_five).is_some());
        assert_eq!(signed(twenty_five), signed(twenty_five.trim_end_matches('=')));
        for unusable in ["", "whsec_", "whsec_c2hvcnQ=", "whsec_not base64!", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS"] {
            assert_eq!(signed(unusable), None, "{unusable:?}");
        }
        assert_eq!(signed(&format!("whsec_{}", "A".repeat(88))), None, "66 bytes are too many");
    }
}
