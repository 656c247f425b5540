//! One POST to a receiver, and what its answer means for trying again. The address is a secret: it
//! leaves this file only on the wire. What a body means is its notifier's business.

use std::error::Error;
use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::header::RETRY_AFTER;
use secrecy::{ExposeSecret, SecretString};

use super::NotifyError;
use crate::domain::connector::{SettingInfo, SettingValue};
use crate::domain::message::{Destination, NotifierInfo};

/// A whole call; receivers are told to answer at once.
const CALL: Duration = Duration::from_secs(30);
/// As much of an answer as is read: an error word is short, the rest is not ours.
const ANSWER_BYTES: usize = 4 * 1024;
/// Limits of a `Retry-After`.
const SHORTEST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// A kind of which only the address must be said; `help` tells what that looks like.
pub(super) fn info(kind: &'static str, help: &'static str) -> NotifierInfo {
    let url =
        SettingInfo { name: "url".into(), help: help.into(), secret: true, address: true, ..SettingInfo::default() };
    NotifierInfo { kind, settings: vec![url] }
}

/// An address and how to reach it.
pub(super) struct Endpoint {
    client: reqwest::Client,
    url: SecretString,
    /// The table of the user's file, `[notify.growth.slack]`: what errors call it.
    table: String,
    host: String,
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: u16,
    /// How long to wait before the next attempt, where it says so.
    pub(super) retry_after: Option<Duration>,
    /// The beginning of the body, for matching only.
    pub(super) text: String,
}

impl Endpoint {
    /// The endpoint of a destination's `url`.
    pub(super) fn new(destination: &Destination, client: reqwest::Client) -> Result<Self, NotifyError> {
        Self::asked(destination, client, &[])
    }

    /// As [`Endpoint::new`], with more parameters in the address.
    pub(super) fn asked(
        destination: &Destination,
        client: reqwest::Client,
        query: &[(&str, &str)],
    ) -> Result<Self, NotifyError> {
        let url = secret(destination, "url")?;
        let parsed = url::Url::parse(url.expose_secret()).ok().filter(url::Url::has_host);
        let Some(mut parsed) = parsed else {
            let advice = format!("`url` of {} is no web address: copy it whole, from https:// on", table(destination));
            return Err(NotifyError::Permanent { advice });
        };
        let host = parsed.host_str().unwrap_or_default().to_owned();
        if !query.is_empty() {
            parsed.query_pairs_mut().extend_pairs(query);
        }
        Ok(Self { client, url: SecretString::from(String::from(parsed)), table: table(destination), host })
    }

    /// Sends `body` as JSON and waits for the answer.
    pub(super) async fn post(
        &self,
        headers: &[(&'static str, String)],
        body: String,
        now: DateTime<Utc>,
    ) -> Result<Answer, NotifyError> {
        let mut call = self.client.post(self.url.expose_secret()).timeout(CALL);
        call = call.header("content-type", "application/json");
        for (name, value) in headers {
            call = call.header(*name, value);
        }
        let mut response = call.body(body).send().await.map_err(|error| self.broken(error))?;
        let status = response.status().as_u16();
        let retry_after =
            response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).and_then(|it| wait(it, now));
        let mut text = Vec::new();
        // The status has arrived: a body that breaks off after it changes nothing but the text.
        while let Ok(Some(chunk)) = response.chunk().await {
            text.extend_from_slice(&chunk);
            if text.len() >= ANSWER_BYTES {
                text.truncate(ANSWER_BYTES);
                break;
            }
        }
        Ok(Answer { status, retry_after, text: String::from_utf8_lossy(&text).trim().to_owned() })
    }

    /// What an answer's status means (facts: "Retry policy that fits every receiver").
    pub(super) fn read(&self, answer: &Answer) -> Result<(), NotifyError> {
        let status = answer.status;
        match status {
            200..=299 => Ok(()),
            300..=399 => Err(self.temporary(
                answer,
                &format!("answered {status}, a redirect, which is never followed: put the final address into `url`"),
            )),
            401 | 403 => Err(self.permanent(&format!("refused the message ({status}): check `url` and its rights"))),
            404 | 410 => Err(self.permanent(&format!("no longer exists ({status}): make a new one, or remove it"))),
            408 | 425 | 429 => Err(self.temporary(answer, &format!("asked to wait ({status})"))),
            400..=499 => Err(self.permanent(&format!(
                "did not accept the message ({status}): check that it is made for this kind of message"
            ))),
            _ => Err(self.temporary(answer, &format!("failed ({status})"))),
        }
    }

    /// Trying again cannot help; `advice` goes on from the receiver's name.
    pub(super) fn permanent(&self, advice: &str) -> NotifyError {
        NotifyError::Permanent { advice: format!("{} at {} {advice}", self.table, self.host) }
    }

    /// Trying again may help; `what` goes on from the receiver's name.
    pub(super) fn temporary(&self, answer: &Answer, what: &str) -> NotifyError {
        NotifyError::Temporary {
            retry_after: answer.retry_after,
            // Whoever fails may have failed after it took the message, and what stands before it does not know; but by 503 it
            // says that it did not.
            may_have_arrived: answer.status >= 500 && answer.status != 503,
            what: format!("{} at {} {what}", self.table, self.host),
        }
    }

    /// No answer came. The client's own sentence names the address, its causes do not.
    fn broken(&self, error: reqwest::Error) -> NotifyError {
        if error.is_builder() {
            return self.permanent("cannot be called: copy `url` whole, from https:// on");
        }
        let what = if error.is_timeout() { "gave no answer in time" } else { "could not be reached" };
        let may_have_arrived = !error.is_connect();
        let error = error.without_url();
        let mut cause: &dyn Error = &error;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        let what = format!("{} at {} {what} ({cause})", self.table, self.host);
        NotifyError::Temporary { retry_after: None, may_have_arrived, what }
    }
}

/// A secret setting of a destination.
pub(super) fn secret(destination: &Destination, name: &str) -> Result<SecretString, NotifyError> {
    match destination.settings.get(name) {
        Some(SettingValue::Secret(secret)) => Ok(secret.clone()),
        _ => Err(NotifyError::Permanent {
            advice: format!("{} needs `{name}`, as file:PATH, credential:NAME or env:NAME", table(destination)),
        }),
    }
}

/// How the user's file calls a destination.
pub(super) fn table(destination: &Destination) -> String {
    format!("[notify.{}.{}]", destination.id, destination.kind)
}

/// A wait that a receiver asks for, within our limits.
pub(super) fn bounded(asked: Duration) -> Duration {
    asked.clamp(SHORTEST_WAIT, LONGEST_WAIT)
}

/// Reads a `Retry-After`: seconds or an HTTP date; `None` for anything else.
fn wait(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    let text = text.trim();
    let asked = if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        text.parse().map_or(LONGEST_WAIT, Duration::from_secs)
    } else {
        let until: DateTime<Utc> = httpdate::parse_http_date(text).ok()?.into();
        (until - now).to_std().unwrap_or_default()
    };
    Some(bounded(asked))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn h5_retry_after_in_every_form() {
        let now = "2026-03-15T06:00:00Z".parse().unwrap();
        for (text, seconds) in [
            ("0", Some(1)),
            ("7", Some(7)),
            (" 7 ", Some(7)),
            ("10000000000", Some(3600)),
            ("99999999999999999999999999", Some(3600)),
            ("Sun, 15 Mar 2026 06:02:00 GMT", Some(120)),
            ("Sun, 15 Mar 2026 05:00:00 GMT", Some(1)),
            ("Sun, 15 Mar 2099 05:00:00 GMT", Some(3600)),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
            ("", None),
        ] {
            assert_eq!(wait(text, now), seconds.map(Duration::from_secs), "{text:?}");
        }
    }
}
