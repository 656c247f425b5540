//! Whether a delivery was sent by whom it should be: each sender's signature over the bytes as they came, compared in
//! constant time, and its time, where that is signed. Whatever is missing, doubled or cannot be read is refused. Not what
//! the delivery says.

use axum::http::HeaderMap;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use chrono::{DateTime, Utc};
use ring::hmac;

use crate::domain::inbound::{Inbound, Scheme};

/// How far a signed time may lie from ours, in milliseconds, before or after.
const TOLERANCE_MS: i64 = 5 * 60 * 1000;

/// Most signatures of one delivery that are looked at: senders send two while they exchange a secret.
const MOST_SIGNATURES: usize = 8;

/// Longest name that a sender gives a delivery, in bytes.
const LONGEST_ID: usize = 256;

/// What a sender may write as it stands in an address and encode all the same, with what it signs in its place:
/// <https://developers.hubspot.com/docs/apps/legacy-apps/authentication/validating-requests>.
const HUBSPOT_DECODES: [(&str, &str); 12] = [
    ("%3A", ":"),
    ("%2F", "/"),
    ("%3F", "?"),
    ("%40", "@"),
    ("%21", "!"),
    ("%24", "$"),
    ("%27", "'"),
    ("%28", "("),
    ("%29", ")"),
    ("%2A", "*"),
    ("%2C", ","),
    ("%3B", ";"),
];

/// A delivery as it came.
#[derive(Clone, Copy)]
pub struct Delivery<'a> {
    /// The verb, in capitals.
    pub method: &'a str,
    /// The whole address as its sender called it.
    pub uri: &'a str,
    /// The part of the path after the source's name; empty where there is none.
    pub key: &'a str,
    /// All headers.
    pub headers: &'a HeaderMap,
    /// The body's own bytes.
    pub body: &'a [u8],
}

/// Why a delivery was not taken for its sender's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no signature, or more than one header of it, or it cannot be read.
    Unsigned,
    /// The signature is not of these bytes and this secret.
    Wrong,
    /// It was signed too long ago, or in the future.
    Stale,
}

/// Knows one source's deliveries.
pub struct Verifier {
    scheme: Scheme,
    keys: Vec<hmac::Key>,
}

impl Verifier {
    /// With the secrets of a source.
    ///
    /// # Errors
    /// What a secret must be, where one is not.
    pub fn new(inbound: &Inbound) -> Result<Self, &'static str> {
        let key = |secret| Ok::<_, &str>(hmac::Key::new(hmac::HMAC_SHA256, &inbound.scheme.key(secret)?));
        let keys: Vec<_> = inbound.secrets.iter().map(key).collect::<Result<_, _>>()?;
        if keys.is_empty() { Err("a secret is needed") } else { Ok(Self { scheme: inbound.scheme, keys }) }
    }

    /// Whether a delivery is its sender's; gives back the name it was signed with, where the scheme has one.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn verify<'a>(&self, delivery: &Delivery<'a>, now: DateTime<Utc>) -> Result<Option<&'a str>, Refused> {
        match self.scheme {
            Scheme::Typeform => {
                let signature = header(delivery, "typeform-signature")?;
                self.body(delivery, signature.strip_prefix("sha256=").ok_or(Refused::Unsigned)?)
            }
            Scheme::Tally => self.body(delivery, header(delivery, "tally-signature")?),
            Scheme::Calendly => self.time_and_body(delivery, "calendly-webhook-signature", now),
            Scheme::Stripe => self.time_and_body(delivery, "stripe-signature", now),
            Scheme::Hubspot => self.hubspot(delivery, now),
            Scheme::Standard => self.standard(delivery, now),
            Scheme::Path => {
                let given = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, delivery.key.as_bytes()), IN_PATH);
                self.fits(IN_PATH, given.as_ref()).then_some(None).ok_or(Refused::Wrong)
            }
        }
    }

    fn fits(&self, signed: &[u8], signature: &[u8]) -> bool {
        self.keys.iter().any(|key| hmac::verify(key, signed, signature).is_ok())
    }

    fn body(&self, delivery: &Delivery<'_>, signature: &str) -> Result<Option<&'static str>, Refused> {
        let signature = BASE64.decode(signature).map_err(|_| Refused::Unsigned)?;
        self.fits(delivery.body, &signature).then_some(None).ok_or(Refused::Wrong)
    }

    /// `t=SECONDS,v1=HEX`, any number of `v1`, and other items, which say nothing.
    fn time_and_body(
        &self,
        delivery: &Delivery<'_>,
        name: &str,
        now: DateTime<Utc>,
    ) -> Result<Option<&'static str>, Refused> {
        let items =
            || header(delivery, name).map(|text| text.split(',').filter_map(|item| item.trim().split_once('=')));
        let mut times = items()?.filter(|(key, _)| *key == "t");
        let (Some((_, time)), None) = (times.next(), times.next()) else { return Err(Refused::Unsigned) };
        let signed = [time.as_bytes(), b".", delivery.body].concat();
        let mut signatures = items()?.filter(|(key, _)| *key == "v1").take(MOST_SIGNATURES).map(|(_, hex)| unhex(hex));
        if !signatures.any(|signature| signature.is_some_and(|signature| self.fits(&signed, &signature))) {
            return Err(Refused::Wrong);
        }
        recent(time, 1000, now).map(|()| None)
    }

    fn hubspot(&self, delivery: &Delivery<'_>, now: DateTime<Utc>) -> Result<Option<&'static str>, Refused> {
        let signature = header(delivery, "x-hubspot-signature-v3")?;
        let signature = BASE64.decode(signature).map_err(|_| Refused::Unsigned)?;
        let time = header(delivery, "x-hubspot-request-timestamp")?;
        let decoded = HUBSPOT_DECODES.iter().fold(delivery.uri.to_owned(), |uri, (encoded, plain)| {
            uri.replace(encoded, plain).replace(&encoded.to_lowercase(), plain)
        });
        let signed = |uri: &str| [delivery.method.as_bytes(), uri.as_bytes(), delivery.body, time.as_bytes()].concat();
        if !self.fits(&signed(&decoded), &signature) && !self.fits(&signed(delivery.uri), &signature) {
            return Err(Refused::Wrong);
        }
        recent(time, 1, now).map(|()| None)
    }

    fn standard<'a>(&self, delivery: &Delivery<'a>, now: DateTime<Utc>) -> Result<Option<&'a str>, Refused> {
        let id = header(delivery, "webhook-id")?;
        let time = header(delivery, "webhook-timestamp")?;
        let signatures = header(delivery, "webhook-signature")?;
        // A full stop would move the border between id and time.
        if id.is_empty() || id.len() > LONGEST_ID || id.contains('.') {
            return Err(Refused::Unsigned);
        }
        let signed = [id.as_bytes(), b".", time.as_bytes(), b".", delivery.body].concat();
        let mut signatures = signatures.split(' ').filter_map(|one| one.strip_prefix("v1,")).take(MOST_SIGNATURES);
        if !signatures.any(|one| BASE64.decode(one).is_ok_and(|signature| self.fits(&signed, &signature))) {
            return Err(Refused::Wrong);
        }
        recent(time, 1000, now).map(|()| Some(id))
    }
}

/// Signed with a secret that stands in an address, and with what stands there, so that comparing takes the same time
/// whatever they have in common.
const IN_PATH: &[u8] = b"willitsell: the last part of an address";

/// The one header of a name.
fn header<'a>(delivery: &Delivery<'a>, name: &str) -> Result<&'a str, Refused> {
    let mut all = delivery.headers.get_all(name).iter();
    let (Some(one), None) = (all.next(), all.next()) else { return Err(Refused::Unsigned) };
    one.to_str().map_err(|_| Refused::Unsigned)
}

/// Whether a time in units of so many milliseconds is ours, or nearly.
fn recent(time: &str, unit_ms: i64, now: DateTime<Utc>) -> Result<(), Refused> {
    let is_number = !time.is_empty() && time.bytes().all(|byte| byte.is_ascii_digit());
    let at = time.parse::<i64>().ok().filter(|_| is_number).and_then(|time| time.checked_mul(unit_ms));
    let far = at.and_then(|at| at.checked_sub(now.timestamp_millis())).ok_or(Refused::Unsigned)?;
    if far.unsigned_abs() <= TOLERANCE_MS.unsigned_abs() { Ok(()) } else { Err(Refused::Stale) }
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: &u8| char::from(*byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let pair = |pair: &[u8]| Some(digit(pair.first()?)? << 4 | digit(pair.get(1)?)?);
    text.as_bytes().chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests;
